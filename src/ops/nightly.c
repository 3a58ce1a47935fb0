/*-------------------------------------------------------------------------
 *
 * nightly.c
 *	  What jobs call that no other room has: the bills to load, the nightly
 *	  outlook of cost, and the models there are.
 *
 *-------------------------------------------------------------------------
 */
#include "ops/ops.h"

PG_FUNCTION_INFO_V1(finops_bill_sources);
PG_FUNCTION_INFO_V1(finops_registered_models);
PG_FUNCTION_INFO_V1(finops_refresh_outlook);

#define MAX_HORIZON	1000
#define MAX_SERIES	1000000
#define DAYS_BACK	"400"

Datum
finops_bill_sources(PG_FUNCTION_ARGS)
{
	FinopsSession session;

	FinopsBegin(&session);
	FINOPS_RUN0("SELECT address, format, source_id FROM finops.bill_source WHERE enabled ORDER BY address COLLATE \"C\"");
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

Datum
finops_registered_models(PG_FUNCTION_ARGS)
{
	FinopsSession session;

	FinopsBegin(&session);
	FINOPS_RUN0("SELECT s.model_name, EXISTS (SELECT FROM @s@.tbl_ml_model_registry r WHERE r.model_name = s.model_name"
				"  AND r.status = 'ACTIVE') FROM forecast.model_source s ORDER BY s.model_name COLLATE \"C\"");
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

static int32
count_arg(FunctionCallInfo fcinfo, int argno, const char *name, int32 most)
{
	int32		value;

	FinopsRequireArg(fcinfo, argno, name);
	value = PG_GETARG_INT32(argno);
	if (value < 1 || value > most)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be between 1 and %d", name, most)));
	return value;
}

/*
 * The days of the series that cost most in the last four weeks: first which,
 * then their days, so that no day of the others is summed.
 */
static char *
daily_of_largest(const char *day, int32 series)
{
	static const char *const keys[][2] = {
		{"total", "''::text"}, {"service", "c.service"}, {"account", "c.account_id"}, {"tenant", "c.tenant_id"},
	};
	StringInfoData largest;
	StringInfoData daily;

	initStringInfo(&largest);
	initStringInfo(&daily);
	for (size_t i = 0; i < lengthof(keys); i++)
	{
		const char *join = i > 0 ? " UNION ALL " : "";

		appendStringInfo(&largest, "%sSELECT '%s'::text AS dimension, %s AS key, c.currency, sum(c.effective_cost) AS cost"
						 " FROM finops.cost_daily c WHERE c.usage_date > date '%s' - 28 AND c.usage_date <= date '%s'"
						 " AND c.charge_category = 'Usage' AND %s IS NOT NULL GROUP BY 2, 3",
						 join, keys[i][0], keys[i][1], day, day, keys[i][1]);
		appendStringInfo(&daily, "%sSELECT l.dimension, l.key, l.currency, c.usage_date::timestamp AS at,"
						 " sum(c.effective_cost)::float8 AS cost FROM largest l JOIN finops.cost_daily c"
						 " ON %s = l.key AND c.currency = l.currency WHERE l.dimension = '%s'"
						 " AND c.usage_date > date '%s' - " DAYS_BACK " AND c.usage_date <= date '%s'"
						 " AND c.charge_category = 'Usage' GROUP BY 1, 2, 3, 4",
						 join, keys[i][1], keys[i][0], day, day);
	}
	return psprintf("WITH largest AS MATERIALIZED (SELECT dimension, key, currency FROM (%s) s WHERE cost > 0"
					" ORDER BY cost DESC, dimension, key LIMIT %d) %s", largest.data, series, daily.data);
}

/*
 * finops.refresh_outlook(as_of date, horizon integer, max_series integer)
 *	-> TABLE(dimension text, series bigint, days bigint)
 *
 * The days of usage cost of each series up to the last that the bill has
 * caught up with, forecast by finops.forecast_table in parallel workers.
 */
Datum
finops_refresh_outlook(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	int32		horizon = count_arg(fcinfo, 1, "horizon", MAX_HORIZON);
	int32		series = count_arg(fcinfo, 2, "max_series", MAX_SERIES);
	char	   *day;
	char	   *source;

	FinopsRequireArg(fcinfo, 0, "as_of");
	FinopsRequireWritable("finops.refresh_outlook()");
	FinopsCheckDay(PG_GETARG_DATEADT(0), "as_of");
	FinopsBegin(&session);
	FINOPS_RUN("SELECT coalesce(max(c.usage_date), $1)::text FROM finops.cost_daily c"
			   " WHERE c.usage_date < least($1 + 1, timezone('UTC', now())::date) AND c.charge_category = 'Usage'",
			   ARG_DATE(PG_GETARG_DATEADT(0)));
	day = FinopsText(0, 1);
	source = daily_of_largest(day, series);
	FINOPS_RUN0("DELETE FROM forecast.cost_outlook");
	FINOPS_RUN("INSERT INTO forecast.cost_outlook (dimension, key, currency, day, mean, lower_80, upper_80, lower_95, upper_95, model)"
			   " SELECT f.keys_of[1], f.keys_of[2], f.keys_of[3], f.at::date, f.mean, f.lower[1], f.upper[1], f.lower[2], f.upper[2], f.model"
			   " FROM finops.forecast_table($1, 'at', 'cost', '{dimension,key,currency}', $2,"
			   "  '{\"bucket\": \"day\", \"season_length\": 7, \"align\": \"common\"}'::jsonb) AS f"
			   " WHERE f.error IS NULL AND f.mean IS NOT NULL", ARG_TEXT(source), ARG_INT4(horizon));
	FINOPS_RUN0("SELECT o.dimension, count(DISTINCT (o.key, o.currency)), count(*) FROM forecast.cost_outlook o GROUP BY 1 ORDER BY 1");
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

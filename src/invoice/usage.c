/*-------------------------------------------------------------------------
 *
 * usage.c
 *	  Metrics, caps, and the recording of usage.
 *
 * A day's usage is one value, or the sum of transactions that are recorded
 * one by one with an id, each once.  Values below zero are refused: usage of
 * an open month is corrected by recording the day again.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/invoice.h"
#include "invoice/plan.h"
#include "invoice/usage.h"

#include "utils/jsonb.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(finops_set_metric);
PG_FUNCTION_INFO_V1(finops_set_cap);
PG_FUNCTION_INFO_V1(finops_record_usage);
PG_FUNCTION_INFO_V1(finops_load_usage);
PG_FUNCTION_INFO_V1(finops_usage_projection);

/*
 * finops.set_metric(metric_code text, unit text, aggregation text,
 *	domain text) -> metric_catalog
 *
 * Errors: 22004, 22023 for a new metric without unit or with an unknown
 * aggregation, 55000 where the unit or the aggregation of a known metric
 * would change: that is another metric.
 */
Datum
finops_set_metric(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *metric = InvoiceRequiredText(fcinfo, 0, "metric_code");
	char	   *unit = PG_ARGISNULL(1) ? NULL : InvoiceRequiredText(fcinfo, 1, "unit");
	char	   *aggregation = InvoiceTextArg(fcinfo, 2);

	FinopsBegin(&session);
	if (FINOPS_RUN("SELECT unit, aggregation FROM @s@.metric_catalog WHERE metric_code = $1"
				   " AND ($2 <> unit OR $3 <> aggregation)",
				   ARG_TEXT(metric), ARG_TEXT(unit), ARG_TEXT(aggregation)) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("metric \"%s\" is counted in %s by %s", FinopsQuoteForMessage(metric), FinopsText(0, 1), FinopsText(0, 2)),
				 errdetail("Its recorded usage would mean something else."),
				 errhint("Register another metric_code.")));
	if (unit == NULL && FINOPS_RUN("SELECT FROM @s@.metric_catalog WHERE metric_code = $1", ARG_TEXT(metric)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a new metric needs a unit"),
				 errhint("For example SELECT finops.set_metric('egress_gb', 'GB').")));
	FINOPS_RUN("SELECT FROM (VALUES ('sum_daily'), ('sum_monthly'), ('peak_monthly'), ('max_monthly'), ('max_daily'), ('avg')) v(a) WHERE a = $1",
			   ARG_TEXT(aggregation));
	if (aggregation != NULL && SPI_processed == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown aggregation \"%s\"", FinopsQuoteForMessage(aggregation)),
				 errhint("Use sum_daily, sum_monthly, peak_monthly, max_monthly, max_daily or avg.")));
	if (FINOPS_RUN("INSERT INTO @s@.metric_catalog AS c (metric_code, domain, unit, aggregation)"
				   " VALUES ($1, coalesce($4, 'usage'), coalesce($2, ''), coalesce($3, 'sum_daily'))"
				   " ON CONFLICT (metric_code) DO UPDATE SET domain = coalesce($4, c.domain)"
				   " WHERE c.domain <> coalesce($4, c.domain) RETURNING to_jsonb(c.*)::text",
				   ARG_TEXT(metric), ARG_TEXT(unit), ARG_TEXT(aggregation),
					ARG_TEXT(InvoiceTextArg(fcinfo, 3))) > 0)
		FinopsAudit(&session, "metric_change", "metric", metric, FinopsText(0, 1));
	FINOPS_RUN("SELECT * FROM @s@.metric_catalog WHERE metric_code = $1", ARG_TEXT(metric));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

static void
check_action(const char *action)
{
	if (action != NULL && strcmp(action, "topup") != 0 && strcmp(action, "upgrade") != 0 && strcmp(action, "notify") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown action_on_100 \"%s\"", FinopsQuoteForMessage(action)),
				 errhint("Use topup, upgrade or notify.")));
}

/*
 * finops.set_cap(plan_code text, metric_code text, cap_value numeric,
 *	effective_from date, action_on_100 text, overage_unit_price numeric,
 *	threshold_80 numeric, threshold_95 numeric, threshold_100 numeric)
 *	-> plan_metric_map
 *
 * Errors: 22004, 22023, P0002, 55000 where a cap of an issued invoice would
 * change; a later effective_from adds a new one.
 */
Datum
finops_set_cap(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *plan = InvoiceRequiredText(fcinfo, 0, "plan_code");
	char	   *metric = InvoiceRequiredText(fcinfo, 1, "metric_code");
	char	   *action = InvoiceTextArg(fcinfo, 4);
	FinopsArg	from;

	FinopsRequireArg(fcinfo, 2, "cap_value");
	check_action(action);
	FinopsBegin(&session);
	InvoiceCheckNumber(fcinfo, 2, "cap_value", "0", "1000000000000000000");
	InvoiceCheckNumber(fcinfo, 5, "overage_unit_price", "0", "1000000000000000");
	for (int i = 6; i < 9; i++)
		InvoiceCheckNumber(fcinfo, i, "a threshold", "0", "1000000000000000000");
	PlanRequire(plan);
	PlanRequireMetric(metric);
	FINOPS_RUN("SELECT coalesce($2, (SELECT effective_from FROM @s@.plan_master WHERE plan_code = $1), '2000-01-01')",
			   ARG_TEXT(plan), InvoiceDatumArg(fcinfo, 3, DATEOID));
	from = ARG_DATUM(DATEOID, FinopsValue(0, 1, &from.isnull), false);
	FinopsCheckDay(DatumGetDateADT(from.value), "effective_from");
	if (FINOPS_RUN("INSERT INTO @s@.plan_metric_map AS m (plan_code, metric_code, cap_value, effective_from, action_on_100,"
				   " overage_unit_price, threshold_80, threshold_95, threshold_100, unit)"
				   " SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, c.unit FROM @s@.metric_catalog c WHERE c.metric_code = $2"
				   " ON CONFLICT (plan_code, metric_code, effective_from) DO UPDATE SET cap_value = EXCLUDED.cap_value,"
				   " action_on_100 = EXCLUDED.action_on_100, overage_unit_price = EXCLUDED.overage_unit_price,"
				   " threshold_80 = EXCLUDED.threshold_80, threshold_95 = EXCLUDED.threshold_95, threshold_100 = EXCLUDED.threshold_100"
				   " WHERE (m.cap_value, m.action_on_100, m.overage_unit_price, m.threshold_80, m.threshold_95, m.threshold_100)"
				   "  IS DISTINCT FROM (EXCLUDED.cap_value, EXCLUDED.action_on_100, EXCLUDED.overage_unit_price,"
				   "  EXCLUDED.threshold_80, EXCLUDED.threshold_95, EXCLUDED.threshold_100)"
				   " RETURNING to_jsonb(m.*)::text",
				   ARG_TEXT(plan), ARG_TEXT(metric), InvoiceDatumArg(fcinfo, 2, NUMERICOID), from,
					ARG_TEXT(action),
				   InvoiceDatumArg(fcinfo, 5, NUMERICOID), InvoiceDatumArg(fcinfo, 6, NUMERICOID),
				   InvoiceDatumArg(fcinfo, 7, NUMERICOID), InvoiceDatumArg(fcinfo, 8, NUMERICOID)) > 0)
		FinopsAudit(&session, "cap_change", "plan", plan, FinopsText(0, 1));
	FINOPS_RUN("SELECT * FROM @s@.plan_metric_map WHERE plan_code = $1 AND metric_code = $2 AND effective_from = $3",
			   ARG_TEXT(plan), ARG_TEXT(metric), from);
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

/* A quantity or a price: neither negative nor NaN nor infinite. */
void
UsageCheckQuantity(FunctionCallInfo fcinfo, int argno, const char *name)
{
	Numeric		value;

	if (PG_ARGISNULL(argno))
		return;
	value = PG_GETARG_NUMERIC(argno);
	if (numeric_is_nan(value) || numeric_is_inf(value) ||
		DatumGetInt32(DirectFunctionCall1(numeric_int4, DirectFunctionCall1(numeric_sign,
			NumericGetDatum(value)))) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be a number that is not negative", name),
				 errdetail("It is %s.", DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value)))),
				 errhint("Correct usage by recording the day again with its right value.")));
}

/* The local day of an instant, or the given one; opens its period. */
static DateADT
take_day(FunctionCallInfo fcinfo, const char *tenant)
{
	bool		isnull;
	DateADT		day;
	DateADT		period;

	FINOPS_RUN("SELECT coalesce($2, (coalesce($3, now()) AT TIME ZONE " PLAN_ZONE ")::date)"
			   " FROM (SELECT) one" PLAN_ZONE_JOIN("$1"),
			   ARG_TEXT(tenant), InvoiceDatumArg(fcinfo, 3, DATEOID),
			   InvoiceDatumArg(fcinfo, 5, TIMESTAMPTZOID));
	day = DatumGetDateADT(FinopsValue(0, 1, &isnull));
	FinopsCheckDay(day, "usage_date");
	FINOPS_RUN("SELECT date_trunc('month', $1::timestamp)::date", ARG_DATE(day));
	period = DatumGetDateADT(FinopsValue(0, 1, &isnull));
	if (FinopsPeriodIsLocked(period))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("billing period %s is locked", FinopsPeriodText(period)),
				 errdetail("Its usage is frozen."),
				 errhint("Record what came late with finops.record_late_usage(); the next document bills the difference.")));
	FinopsOpenPeriod(period);
	return day;
}

/* The day's value is made of its transactions. */
static void
record_event(FunctionCallInfo fcinfo, const char *tenant, const char *metric, DateADT day)
{
	char	   *event = InvoiceRequiredText(fcinfo, 4, "event_id");

	if (FINOPS_RUN("INSERT INTO finops.usage_event (tenant_id, event_id, metric_code, usage_date, occurred_at, quantity, unit_price)"
				   " VALUES ($1, $2, $3, $4, coalesce($5, now()), $6, $7) ON CONFLICT (tenant_id, event_id) DO NOTHING",
				   ARG_TEXT(tenant), ARG_TEXT(event), ARG_TEXT(metric), ARG_DATE(day),
				   InvoiceDatumArg(fcinfo, 5, TIMESTAMPTZOID), InvoiceDatumArg(fcinfo, 2, NUMERICOID),
				   InvoiceDatumArg(fcinfo, 6, NUMERICOID)) == 0 &&
		FINOPS_RUN("SELECT FROM finops.usage_event WHERE tenant_id = $1 AND event_id = $2 AND metric_code = $3"
				   " AND quantity = $4 AND unit_price IS NOT DISTINCT FROM $5",
				   ARG_TEXT(tenant), ARG_TEXT(event), ARG_TEXT(metric),
				   InvoiceDatumArg(fcinfo, 2, NUMERICOID), InvoiceDatumArg(fcinfo, 6, NUMERICOID)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("event \"%s\" was recorded with other values", FinopsQuoteForMessage(event)),
				 errhint("Give each event an id of its own.")));
	FINOPS_RUN("INSERT INTO @s@.usage_snapshot_daily AS u (tenant_id, metric_code, usage_date, metric_value)"
			   " SELECT e.tenant_id, e.metric_code, e.usage_date, " USAGE_VALUE("c.aggregation", "e.quantity", "")
			   " FROM finops.usage_event e JOIN @s@.metric_catalog c USING (metric_code)"
			   " WHERE e.tenant_id = $1 AND e.metric_code = $2 AND e.usage_date = $3 GROUP BY 1, 2, 3, c.aggregation"
			   " ON CONFLICT (tenant_id, metric_code, usage_date) DO UPDATE SET metric_value = EXCLUDED.metric_value,"
			   " last_updated_at = now() WHERE u.metric_value <> EXCLUDED.metric_value",
			   ARG_TEXT(tenant), ARG_TEXT(metric), ARG_DATE(day));
}

/*
 * finops.record_usage(tenant_id text, metric_code text, metric_value numeric,
 *	usage_date date, event_id text, occurred_at timestamptz,
 *	unit_price numeric) -> usage_snapshot_daily
 *
 * Errors: 22004; 22023 for negative, NaN or infinite numbers; P0002 for an
 * unknown tenant or metric; 23505 where the event was recorded with other
 * values; 55000 for a locked month.
 */
Datum
finops_record_usage(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *tenant = InvoiceRequiredText(fcinfo, 0, "tenant_id");
	char	   *metric = InvoiceRequiredText(fcinfo, 1, "metric_code");
	DateADT		day;

	FinopsRequireArg(fcinfo, 2, "metric_value");
	UsageCheckQuantity(fcinfo, 2, "metric_value");
	UsageCheckQuantity(fcinfo, 6, "unit_price");
	FinopsBegin(&session);
	InvoiceRequireTenant(tenant);
	PlanRequireMetric(metric);
	day = take_day(fcinfo, tenant);
	if (!PG_ARGISNULL(4))
		record_event(fcinfo, tenant, metric, day);
	else
		FINOPS_RUN("INSERT INTO @s@.usage_snapshot_daily AS u (tenant_id, metric_code, usage_date, metric_value) VALUES ($1, $2, $3, $4)"
				   " ON CONFLICT (tenant_id, metric_code, usage_date) DO UPDATE SET metric_value = EXCLUDED.metric_value,"
				   " last_updated_at = now() WHERE u.metric_value <> EXCLUDED.metric_value",
				   ARG_TEXT(tenant), ARG_TEXT(metric), ARG_DATE(day), InvoiceDatumArg(fcinfo, 2, NUMERICOID));
	FINOPS_RUN("SELECT * FROM @s@.usage_snapshot_daily WHERE tenant_id = $1 AND metric_code = $2 AND usage_date = $3",
			   ARG_TEXT(tenant), ARG_TEXT(metric), ARG_DATE(day));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

/* The first row that cannot be recorded, and why. */
static void
check_rows(void)
{
	if (FINOPS_RUN0("SELECT x.problem, format('row %s: tenant %s, metric %s, day %s, value %s', x.n, x.tenant_id, x.metric_code, x.usage_date, x.metric_value)"
					" FROM (SELECT r.*, CASE WHEN r.tenant_id IS NULL OR r.metric_code IS NULL OR r.usage_date IS NULL OR r.metric_value IS NULL THEN 'a value is missing'"
					"  WHEN NOT isfinite(r.usage_date) THEN 'the day is not finite'"
					"  WHEN r.metric_value < 0 OR r.metric_value >= 'Infinity' THEN 'the value is negative, NaN or infinite'"
					"  WHEN m.metric_code IS NULL THEN 'the metric is unknown' WHEN t.tenant_id IS NULL THEN 'the tenant is unknown'"
					"  WHEN count(*) OVER (PARTITION BY r.tenant_id, r.metric_code, r.usage_date) > 1 THEN 'the day is there twice' END AS problem"
					"  FROM usage_row r LEFT JOIN @s@.metric_catalog m ON m.metric_code = r.metric_code"
					"  LEFT JOIN @s@.tenant_master t ON t.tenant_id = r.tenant_id) x WHERE x.problem IS NOT NULL ORDER BY x.n LIMIT 1") > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("usage cannot be recorded: %s", FinopsText(0, 1)),
				 errdetail("It is %s.", FinopsText(0, 2)),
				 errhint("Correct the row; nothing was recorded.")));
}

/*
 * finops.load_usage(usage jsonb) -> bigint
 *
 * All rows or none.  Errors: 22004, 22023 with the row at fault, 55000 for a
 * locked month.
 */
Datum
finops_load_usage(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	uint64		nperiods;
	uint64		changed;
	SPITupleTable *periods;

	FinopsRequireArg(fcinfo, 0, "usage");
	if (!JB_ROOT_IS_ARRAY(PG_GETARG_JSONB_P(0)) || JB_ROOT_IS_SCALAR(PG_GETARG_JSONB_P(0)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("usage must be a JSON array of objects")));
	FinopsBegin(&session);
	FINOPS_STAGE("usage_row",
				 "SELECT a.n, (a.e ->> 'tenant_id')::text AS tenant_id, (a.e ->> 'metric_code')::text AS metric_code,"
				 " (a.e ->> 'usage_date')::date AS usage_date, (a.e ->> 'metric_value')::numeric AS metric_value"
				 " FROM jsonb_array_elements($1) WITH ORDINALITY a(e, n)", InvoiceDatumArg(fcinfo, 0, JSONBOID));
	check_rows();
	nperiods = FINOPS_RUN0("SELECT DISTINCT date_trunc('month', usage_date::timestamp)::date FROM usage_row ORDER BY 1");
	periods = SPI_tuptable;
	for (uint64 i = 0; i < nperiods; i++)
	{
		bool		isnull;

		FinopsOpenPeriod(DatumGetDateADT(SPI_getbinval(periods->vals[i], periods->tupdesc, 1, &isnull)));
	}
	changed = FINOPS_RUN0("INSERT INTO @s@.usage_snapshot_daily AS u (tenant_id, metric_code, usage_date, metric_value)"
						  " SELECT tenant_id, metric_code, usage_date, metric_value FROM usage_row"
						  " ON CONFLICT (tenant_id, metric_code, usage_date) DO UPDATE SET metric_value = EXCLUDED.metric_value,"
						  " last_updated_at = now() WHERE u.metric_value <> EXCLUDED.metric_value");
	FinopsEnd(&session);
	PG_RETURN_INT64((int64) changed);
}

/*
 * finops.usage_projection(period date, as_of date) -> table
 *
 * Metrics that add up: value x days of the month / days elapsed, days with
 * as_of included, rounded to 12 decimals.  The day on which the cap is
 * reached is the first whose share of that line is at the cap.
 */
Datum
finops_usage_projection(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	DateADT		period = FinopsPeriodArg(fcinfo, 0);
	DateADT		as_of;

	FinopsCheckPeriodNotFuture(period);
	FinopsRequireArg(fcinfo, 1, "as_of");
	as_of = PG_GETARG_DATEADT(1);
	FinopsCheckDay(as_of, "as_of");
	if (as_of < period)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("as_of must not be before the period")));
	FinopsBegin(&session);
	FINOPS_RUN("WITH so_far AS (SELECT u.tenant_id, u.metric_code, " USAGE_ADDS_UP("c.aggregation") " AS adds_up,"
			   "  " USAGE_VALUE("c.aggregation", "u.metric_value", "") " AS value,"
			   "  (array_agg(u.cap_value ORDER BY u.usage_date DESC))[1] AS cap"
			   "  FROM @s@.usage_snapshot_daily u LEFT JOIN @s@.metric_catalog c USING (metric_code)"
			   "  WHERE u.usage_date >= $1 AND u.usage_date < $2 AND u.usage_date <= $3 GROUP BY u.tenant_id, u.metric_code, c.aggregation),"
			   " line AS (SELECT s.*, least($3, $2 - 1) - $1 + 1 AS elapsed, $2 - $1 AS days FROM so_far s),"
			   " projected AS (SELECT l.*, CASE WHEN l.adds_up THEN round(l.value * l.days / l.elapsed, 12) ELSE l.value END AS at_end FROM line l)"
			   " SELECT p.tenant_id, p.metric_code, p.value, p.elapsed, p.days, trim_scale(p.at_end), p.cap,"
			   " CASE WHEN p.cap > 0 THEN trim_scale(round(p.at_end / p.cap, 12)) END,"
			   " CASE WHEN NOT p.adds_up OR p.value <= 0 OR p.cap IS NULL THEN NULL"
			   "  WHEN ceil(p.cap * p.elapsed / p.value) <= p.days THEN $1 + greatest(ceil(p.cap * p.elapsed / p.value)::integer, 1) - 1 END"
			   " FROM projected p ORDER BY p.tenant_id COLLATE \"C\", p.metric_code COLLATE \"C\"",
			   ARG_DATE(period), ARG_DATE(FinopsPeriodEnd(period)), ARG_DATE(as_of));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

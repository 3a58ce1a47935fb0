/*-------------------------------------------------------------------------
 *
 * features.c
 *	  Features of a daily series, checks of a source, the feature store and its
 *	  drift.
 *
 * forecast.features and forecast.validate_input read a relation or query with
 * the caller's rights, in one statement each.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/backtest.h"
#include "forecast/source_query.h"

#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"

#include <math.h>

PG_FUNCTION_INFO_V1(finops_is_us_holiday);
PG_FUNCTION_INFO_V1(finops_features);
PG_FUNCTION_INFO_V1(finops_validate_input);
PG_FUNCTION_INFO_V1(finops_refresh_features);
PG_FUNCTION_INFO_V1(finops_evaluate_feature_drift);

#define MAX_DAYS	100000
#define MAX_TAGS	20

/* ---------------------------------------------------------------------
 * Calendar
 * ---------------------------------------------------------------------
 */

/*
 * Federal holidays of the United States on their own day (5 U.S.C. 6103), not
 * the day on which one that falls on a weekend is observed.
 */
static bool
is_us_holiday(DateADT day)
{
	int			y,
				m,
				d,
				dow,
				week;

	if (DATE_NOT_FINITE(day))
		return false;
	j2date(day + POSTGRES_EPOCH_JDATE, &y, &m, &d);
	dow = j2day(day + POSTGRES_EPOCH_JDATE);
	week = (d - 1) / 7 + 1;		/* which of its weekdays in the month */
	switch (m)
	{
		case 1:
			return d == 1 || (dow == 1 && week == 3 && y >= 1986);
		case 2:
			return dow == 1 && week == 3;
		case 5:
			return dow == 1 && d > 24;
		case 6:
			return d == 19 && y >= 2021;
		case 7:
			return d == 4;
		case 9:
			return dow == 1 && week == 1;
		case 10:
			return dow == 1 && week == 2;
		case 11:
			return d == 11 || (dow == 4 && week == 4);
		case 12:
			return d == 25;
	}
	return false;
}

/* finops.is_us_holiday(day) */
Datum
finops_is_us_holiday(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(is_us_holiday(PG_GETARG_DATEADT(0)));
}

/* ---------------------------------------------------------------------
 * Features
 * ---------------------------------------------------------------------
 */

/* The day of a time column, by UTC. */
static char *
day_of(const char *column, SourceTime kind)
{
	switch (kind)
	{
		case SOURCE_DATE:
			return pstrdup(column);
		case SOURCE_TIMESTAMP:
			return psprintf("%s::pg_catalog.date", column);
		default:
			return psprintf("pg_catalog.timezone('UTC', %s)::pg_catalog.date", column);
	}
}

/* The ten largest values of each tag, as an object of cost per day. */
static char *
tags_sql(char **tags, int n)
{
	StringInfoData sql;

	initStringInfo(&sql);
	for (int i = 0; i < n; i++)
		appendStringInfo(&sql, "%s SELECT r.day, %s AS tag, r.tag%d AS value, pg_catalog.sum(r.v) AS cost FROM r"
						 " WHERE r.tag%d IN (SELECT t.tag%d FROM r t WHERE t.tag%d IS NOT NULL AND t.tag%d <> ''"
						 " GROUP BY t.tag%d ORDER BY pg_catalog.sum(pg_catalog.abs(t.v)) DESC, t.tag%d COLLATE \"C\" LIMIT 10)"
						 " GROUP BY r.day, r.tag%d",
						 i > 0 ? " UNION ALL" : "", quote_literal_cstr(tags[i]), i, i, i, i, i, i, i, i);
	if (n == 0)
		appendStringInfoString(&sql, "SELECT NULL::pg_catalog.date AS day, ''::pg_catalog.text AS tag, ''::pg_catalog.text AS value,"
							   " 0::pg_catalog.float8 AS cost WHERE false");
	return sql.data;
}

static char *
features_sql(const char *from, const char *at, SourceTime kind, const char *value,
			 char **tags, int ntags)
{
	static const int windows[] = {7, 14, 30};
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "WITH r AS (SELECT %s AS day, %s::pg_catalog.float8 AS v", day_of(at, kind), value);
	for (int i = 0; i < ntags; i++)
		appendStringInfo(&sql, ", %s::pg_catalog.text AS tag%d", SourceColumn(tags[i]), i);
	appendStringInfo(&sql, " FROM %s WHERE pg_catalog.isfinite(%s) AND %s IS NOT NULL),"
					 " daily AS (SELECT r.day, pg_catalog.sum(r.v) AS v FROM r GROUP BY r.day),"
					 " grid AS (SELECT g::pg_catalog.date AS day, coalesce(d.v, 0) AS v"
					 " FROM (SELECT pg_catalog.min(d.day) AS first, pg_catalog.max(d.day) AS last FROM daily d) AS b,"
					 " pg_catalog.generate_series(b.first::pg_catalog.timestamp, b.last::pg_catalog.timestamp, '1 day') AS g"
					 " LEFT JOIN daily d ON d.day = g::pg_catalog.date),"
					 " tag_cost AS (%s),"
					 " tagged AS (SELECT t.day, pg_catalog.jsonb_object_agg(t.tag || '=' || t.value, t.cost) AS tags FROM tag_cost t GROUP BY t.day)"
					 " SELECT g.day, g.v, extract(dow FROM g.day)::pg_catalog.int4, extract(isodow FROM g.day) > 5,"
					 " extract(day FROM g.day)::pg_catalog.int4, extract(month FROM g.day)::pg_catalog.int4,"
					 " extract(quarter FROM g.day)::pg_catalog.int4, finops.is_us_holiday(g.day),"
					 " finops.is_us_holiday(g.day + 1), finops.is_us_holiday(g.day - 1),"
					 " pg_catalog.lag(g.v, 1) OVER o, pg_catalog.lag(g.v, 7) OVER o, pg_catalog.lag(g.v, 14) OVER o, pg_catalog.lag(g.v, 30) OVER o",
					 from, at, at, tags_sql(tags, ntags));
	for (size_t i = 0; i < lengthof(windows); i++)
	{
		static const char *const statistics[] = {"avg", "stddev_samp", "min", "max"};

		for (size_t j = 0; j < lengthof(statistics); j++)
			appendStringInfo(&sql, ", CASE WHEN pg_catalog.count(*) OVER w%d = %d THEN pg_catalog.%s(g.v) OVER w%d END",
							 windows[i], windows[i], statistics[j], windows[i]);
	}
	appendStringInfoString(&sql, ", coalesce(t.tags, '{}') FROM grid g LEFT JOIN tagged t ON t.day = g.day WINDOW o AS (ORDER BY g.day)");
	for (size_t i = 0; i < lengthof(windows); i++)
		appendStringInfo(&sql, ", w%d AS (ORDER BY g.day ROWS BETWEEN %d PRECEDING AND 1 PRECEDING)",
						 windows[i], windows[i]);
	appendStringInfoString(&sql, " ORDER BY g.day");
	return sql.data;
}

/* A day far from the others would make a row for each between. */
static void
check_span(const char *from, const char *at, SourceTime kind)
{
	bool		isnull;
	Datum		span;

	SPI_execute(psprintf("SELECT pg_catalog.max(d.day) - pg_catalog.min(d.day) FROM (SELECT %s AS day FROM %s WHERE pg_catalog.isfinite(%s)) AS d",
						 day_of(at, kind), from, at), true, 0);
	span = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	if (!isnull && DatumGetInt32(span) >= MAX_DAYS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("source spans more than %d days", MAX_DAYS),
				 errhint("Leave out days that are far from the others.")));
}

static void
run_as_caller(FunctionCallInfo fcinfo, const char *sql)
{
	if (SPI_execute(sql, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute failed");
	FinopsReturnRows(fcinfo);
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
}

/* forecast.features(source, ts, value, tags): a row per day */
Datum
finops_features(PG_FUNCTION_ARGS)
{
	char	   *at,
			   *value,
			   *from;
	int			ntags;
	char	  **tags = SourceNamesArg(fcinfo, 3, "tags", &ntags);
	Oid			types[2];
	SourceTime	kind;

	FinopsRequireArg(fcinfo, 0, "source");
	at = SourceColumnArg(fcinfo, 1, "ts");
	value = SourceColumnArg(fcinfo, 2, "value");
	if (ntags > MAX_TAGS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("at most %d tags may be asked for", MAX_TAGS),
				 errhint("Name the columns of the tags, such as '{project,cost_center}'.")));
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	from = SourceFrom(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	SourceTypes(from, psprintf("%s, %s", at, value), types, 2);
	kind = SourceCheckTime(at, types[0]);
	SourceCheckNumber(value, types[1]);
	check_span(from, at, kind);
	run_as_caller(fcinfo, features_sql(from, at, kind, value, tags, ntags));
	return (Datum) 0;
}

/* ---------------------------------------------------------------------
 * Checks of a source
 * ---------------------------------------------------------------------
 */

/* forecast.validate_input(source, ts, value, category): a row per check */
Datum
finops_validate_input(PG_FUNCTION_ARGS)
{
	char	   *at,
			   *value,
			   *from,
			   *category;
	Oid			types[2];

	FinopsRequireArg(fcinfo, 0, "source");
	at = SourceColumnArg(fcinfo, 1, "ts");
	value = SourceColumnArg(fcinfo, 2, "value");
	category = PG_ARGISNULL(3) ? NULL : SourceColumnArg(fcinfo, 3, "category");
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	from = SourceFrom(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	SourceTypes(from, psprintf("%s, %s", at, value), types, 2);
	(void) SourceCheckTime(at, types[0]);
	SourceCheckNumber(value, types[1]);
	run_as_caller(fcinfo,
				  psprintf("WITH r AS (SELECT %s AS at, %s::pg_catalog.float8 AS v, pg_catalog.lower(%s::pg_catalog.text) AS category FROM %s),"
						   " s AS (SELECT a.* FROM (SELECT (finops.series_agg(r.at, r.v, NULL::pg_catalog.text)).* FROM r"
						   " WHERE pg_catalog.abs(r.v) < 'Infinity') AS a),"
						   " q AS (SELECT pg_catalog.percentile_cont(0.25) WITHIN GROUP (ORDER BY y) AS q1,"
						   " pg_catalog.percentile_cont(0.75) WITHIN GROUP (ORDER BY y) AS q3 FROM s, pg_catalog.unnest(s.series) AS y),"
						   " c AS (SELECT pg_catalog.count(*) AS n, pg_catalog.count(*) FILTER (WHERE r.at IS NULL OR NOT pg_catalog.isfinite(r.at)) AS no_time,"
						   " pg_catalog.count(*) FILTER (WHERE r.v IS NULL) AS no_value,"
						   " pg_catalog.count(*) FILTER (WHERE NOT pg_catalog.abs(r.v) < 'Infinity') AS not_finite,"
						   " pg_catalog.count(*) FILTER (WHERE r.v < 0 AND (r.category IS NULL OR r.category NOT IN ('credit', 'refund', 'adjustment', 'discount'))) AS negative FROM r)"
						   " SELECT k.name, k.severity, k.findings, k.findings = 0, k.detail FROM c LEFT JOIN s ON true LEFT JOIN q ON true,"
						   " LATERAL (VALUES"
						   " (1, 'empty', 'error', (s.series IS NULL)::pg_catalog.int4::pg_catalog.int8, pg_catalog.format('%%s rows', c.n)),"
						   " (2, 'not_finite', 'error', c.not_finite, 'NaN or infinite values'),"
						   " (3, 'negative', 'error', c.negative, 'negative values that are no credit, refund, adjustment or discount'),"
						   " (4, 'missing_time', 'warning', c.no_time, 'rows without a finite time'),"
						   " (5, 'missing_value', 'warning', c.no_value, 'rows without a value'),"
						   " (6, 'gaps', 'warning', coalesce(s.gaps, 0), pg_catalog.format('buckets of %%s without rows', s.bucket)),"
						   " (7, 'duplicates', 'info', coalesce(s.duplicates, 0), 'rows whose time another row has'),"
						   " (8, 'partial', 'info', coalesce(s.partial::pg_catalog.int4 + s.first_partial::pg_catalog.int4, 0), 'ends of the series that are not complete'),"
						   " (9, 'outliers', 'info', (SELECT pg_catalog.count(*) FROM pg_catalog.unnest(s.series) AS y"
						   " WHERE y < q.q1 - 1.5 * (q.q3 - q.q1) OR y > q.q3 + 1.5 * (q.q3 - q.q1)), 'buckets beyond 1.5 interquartile ranges'),"
						   " (10, 'incomplete', 'info', coalesce(s.gaps, 0), pg_catalog.format('%%s %%%% of buckets have rows',"
						   " pg_catalog.round(100.0 * (1 - s.gaps / pg_catalog.cardinality(s.series)::pg_catalog.numeric), 2)))"
						   ") AS k(position, name, severity, findings, detail) ORDER BY k.position",
						   at, value, category == NULL ? "NULL" : category, from));
	return (Datum) 0;
}

/* ---------------------------------------------------------------------
 * Feature store
 * ---------------------------------------------------------------------
 */

/* Lags and rolling statistics, as rows of the store; months without a bill are no days without cost. */
static const char store_sql[] =
	"WITH e AS (SELECT c.usage_date AS day, coalesce(x.entity, 'total') AS entity, sum(c.effective_cost)::float8 AS v"
	" FROM finops.cost_daily c, LATERAL (VALUES (NULL), ('service:' || c.service)) AS x(entity)"
	" WHERE c.currency = $3 AND c.usage_date > $1 - $2 - 31 AND c.usage_date <= $1 GROUP BY 1, 2),"
	" grid AS (SELECT k.entity, g::date AS day, coalesce(e.v, 0) AS v,"
	"  g::date - (row_number() OVER (PARTITION BY k.entity ORDER BY g))::integer AS island"
	" FROM (SELECT e.entity, min(e.day) AS first FROM e GROUP BY 1) AS k"
	" CROSS JOIN LATERAL generate_series(k.first::timestamp, $4::timestamp, '1 day') AS g"
	" JOIN (SELECT DISTINCT date_trunc('month', e.day::timestamp) AS month FROM e) AS b ON b.month = date_trunc('month', g)"
	" LEFT JOIN e ON e.entity = k.entity AND e.day = g::date),"
	" f AS (SELECT g.entity, g.day, g.v AS cost, lag(g.v, 1) OVER w AS lag_1, lag(g.v, 7) OVER w AS lag_7,"
	" CASE WHEN count(*) OVER w7 = 7 THEN avg(g.v) OVER w7 END AS mean_7,"
	" CASE WHEN count(*) OVER w7 = 7 THEN stddev_samp(g.v) OVER w7 END AS std_7,"
	" CASE WHEN count(*) OVER w30 = 30 THEN avg(g.v) OVER w30 END AS mean_30"
	" FROM grid g WINDOW w AS (PARTITION BY g.entity, g.island ORDER BY g.day),"
	" w7 AS (PARTITION BY g.entity, g.island ORDER BY g.day ROWS BETWEEN 7 PRECEDING AND 1 PRECEDING),"
	" w30 AS (PARTITION BY g.entity, g.island ORDER BY g.day ROWS BETWEEN 30 PRECEDING AND 1 PRECEDING))"
	" INSERT INTO @s@.tbl_ml_consolidated_feature_store (feature_name, entity_id, feature_date, feature_value)"
	" SELECT 'cost_' || n.name, f.entity, f.day, n.value FROM f, LATERAL (VALUES ('day', f.cost), ('lag_1', f.lag_1), ('lag_7', f.lag_7),"
	" ('mean_7', f.mean_7), ('std_7', f.std_7), ('mean_30', f.mean_30)) AS n(name, value)"
	" WHERE n.value IS NOT NULL AND f.day > $1 - $2 ORDER BY f.day, f.entity COLLATE \"C\", n.name";

/* finops.refresh_features(as_of, days): rows written, up to the last day with usage before today */
Datum
finops_refresh_features(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	DateADT		as_of;
	int			days = ForecastCountArg(fcinfo, 1, "days", 1, 3660);
	FinopsArg	last;
	bool		isnull;
	int64		rows;

	FinopsRequireArg(fcinfo, 0, "as_of");
	FinopsRequireWritable("finops.refresh_features()");
	as_of = PG_GETARG_DATEADT(0);
	FinopsCheckDay(as_of, "as_of");
	FinopsBegin(&session);
	FINOPS_RUN0("LOCK TABLE @s@.tbl_ml_consolidated_feature_store IN SHARE ROW EXCLUSIVE MODE");
	FINOPS_RUN("DELETE FROM @s@.tbl_ml_consolidated_feature_store f WHERE f.feature_date > $1 - $2 AND f.feature_date <= $1"
			   " AND f.feature_name IN ('cost_day', 'cost_lag_1', 'cost_lag_7', 'cost_mean_7', 'cost_std_7', 'cost_mean_30')",
			   ARG_DATE(as_of), ARG_INT4(days));
	/* days that no bill has reached yet are not days without cost */
	FINOPS_RUN("SELECT max(c.usage_date) FROM finops.cost_daily c WHERE c.usage_date <= least($1, timezone('UTC', now())::date - 1)"
			   " AND c.charge_category = 'Usage' AND c.currency = $2", ARG_DATE(as_of), ARG_TEXT(finops_reporting_currency));
	last = ARG_DATUM(DATEOID, FinopsValue(0, 1, &isnull), false);
	last.isnull = isnull;
	rows = (int64) FINOPS_RUN(store_sql, ARG_DATE(as_of), ARG_INT4(days),
							  ARG_TEXT(finops_reporting_currency), last);
	FinopsEnd(&session);
	PG_RETURN_INT64(rows);
}

/* Share of evaluations that call a feature drifted that has not. */
#define FALSE_ALARMS	"0.01"

/*
 * finops.evaluate_feature_drift(as_of, reference_days, recent_days,
 * threshold): the stability index of every feature, written to feature_drift.
 */
Datum
finops_evaluate_feature_drift(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	DateADT		as_of;
	int			reference = ForecastCountArg(fcinfo, 1, "reference_days", 2, 3660),
				recent = ForecastCountArg(fcinfo, 2, "recent_days", 1, 3660);
	double		threshold;

	FinopsRequireArg(fcinfo, 0, "as_of");
	FinopsRequireArg(fcinfo, 3, "threshold");
	FinopsRequireWritable("finops.evaluate_feature_drift()");
	as_of = PG_GETARG_DATEADT(0);
	FinopsCheckDay(as_of, "as_of");
	threshold = PG_GETARG_FLOAT8(3);
	if (!(threshold > 0 && threshold < 1000))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("threshold must be between 0 and 1000, not %g", threshold),
				 errhint("0.2 is usual for the population stability index.")));
	FinopsBegin(&session);
	/* the total stands for the features of cost: those of services are many scales at once */
	FINOPS_RUN("WITH w AS (SELECT f.feature_name, f.feature_value AS v, f.feature_date > $1 - $3 AS recent"
			   " FROM @s@.tbl_ml_consolidated_feature_store f"
			   " WHERE f.feature_date > $1 - $2 - $3 AND f.feature_date <= $1 AND abs(f.feature_value) < 'Infinity'"
			   " AND (f.entity_id IS NULL OR f.entity_id = 'total' OR f.feature_name NOT LIKE 'cost\\_%')),"
			   " b AS (SELECT w.feature_name, finops.quantile_bounds(array_agg(w.v) FILTER (WHERE NOT w.recent),"
			   "   least(10, greatest(2, count(*) FILTER (WHERE w.recent)))::integer) AS bounds"
			   "  FROM w GROUP BY 1 HAVING bool_or(w.recent) AND NOT bool_and(w.recent)),"
			   " h AS (SELECT w.feature_name, finops.hist_agg(w.v, b.bounds) FILTER (WHERE NOT w.recent) AS reference,"
			   "   finops.hist_agg(w.v, b.bounds) FILTER (WHERE w.recent) AS recent FROM w JOIN b ON b.feature_name = w.feature_name GROUP BY 1),"
			   " d AS (SELECT h.feature_name, t.statistic AS score,"
			   "   greatest($4, t.critical_value, CASE WHEN NOT t.drifted THEN t.statistic END) AS limit_of"
			   "  FROM h, LATERAL finops.psi_test(h.reference, h.recent, " FALSE_ALARMS ") t)"
			   " INSERT INTO finops.feature_drift (feature_name, drift_score, threshold, evaluation_timestamp)"
			   " SELECT d.feature_name, d.score, d.limit_of, clock_timestamp() FROM d WHERE d.score IS NOT NULL"
			   " ORDER BY d.feature_name COLLATE \"C\""
			   " RETURNING feature_name, drift_score, threshold, drift_score > threshold, evaluation_timestamp",
			   ARG_DATE(as_of), ARG_INT4(reference), ARG_INT4(recent),
			   ARG_DATUM(FLOAT8OID, Float8GetDatum(threshold), false));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

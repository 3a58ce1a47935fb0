/*-------------------------------------------------------------------------
 *
 * kpi.c
 *	  finops.kpi(): the key figures of a month against their targets.
 *
 * The figures are those of the FinOps Framework.  Each statement gives one or
 * a few of them as (kpi, scope, value, reason, evidence): a value that cannot
 * be told is NULL and says why.  Cost of several currencies is added in the
 * reporting currency; where a figure is one per currency or provider, that is
 * its scope.
 *
 *-------------------------------------------------------------------------
 */
#include "insight/insight.h"

#include "lib/stringinfo.h"

PG_FUNCTION_INFO_V1(finops_kpi);

/* $1 the month as date, $2 the first day after it. */
static const char *const figures[] = {
	"SELECT v.kpi, a.scope, round(100 * v.part / nullif(a.total, 0), 2), CASE WHEN a.entries = 0 THEN 'nothing is allocated'"
	" WHEN a.total IS NULL THEN 'an exchange rate is missing: finops.set_fx_rate()' WHEN a.total = 0 THEN 'the cost of the month is 0' END, v.evidence"
	" FROM (SELECT 'all' AS scope, count(*) AS entries, CASE WHEN count(*) = count(r.rate) THEN sum(amount * r.rate) END AS total,"
	"   sum(amount * r.rate) FILTER (WHERE kind <> 'unallocated' AND rule_id <> 'unallocated') AS owned, sum(amount * r.rate) FILTER (WHERE kind = 'shared') AS shared"
	"  FROM (SELECT c.currency, c.kind, c.rule_id, sum(c.amount) AS amount FROM finops.allocation_current c WHERE c.period_start = $1 GROUP BY 1, 2, 3) x"
	"  LEFT JOIN LATERAL (SELECT finops.fx_rate_of(x.currency, $1) AS rate) r ON true) a"
	" CROSS JOIN LATERAL (VALUES ('allocation_coverage', coalesce(a.owned, 0), 'SELECT * FROM finops.allocation_current WHERE kind = ''unallocated'''),"
	"  ('shared_cost', coalesce(a.shared, 0), 'SELECT * FROM finops.allocation_current WHERE kind = ''shared''')) v(kpi, part, evidence)",

	"SELECT 'tag_compliance', f.currency, f.pct, CASE WHEN f.pct IS NULL THEN 'no usage in the month' END,"
	" 'SELECT * FROM finops.tag_coverage_figures(' || quote_literal($1) || ')' FROM finops.tag_coverage_figures($1) f WHERE f.figure = 'cost'",

	/* the newest forecast of each bucket that was made before the month */
	"SELECT 'forecast_variance', p.model_name, round((100 * abs(sum(p.actual) - sum(p.mean)) / nullif(sum(p.mean), 0))::numeric, 2),"
	" CASE WHEN sum(p.mean) = 0 THEN 'the forecast is 0' END, 'SELECT * FROM forecast.accuracy WHERE model_name = ' || quote_literal(p.model_name)"
	" FROM (SELECT DISTINCT ON (p.model_name, p.target_at) p.* FROM forecast.prediction p WHERE p.target_at >= $1 AND p.target_at < $2 AND p.origin_at <= $1"
	"  AND p.actual IS NOT NULL ORDER BY p.model_name, p.target_at, p.origin_at DESC, p.made_at DESC) p GROUP BY p.model_name",

	"SELECT v.kpi, c.provider || ' ' || c.currency, round(100 * v.value, 2), CASE WHEN v.value IS NULL THEN c.lines_without_price || ' covered lines have no price on demand' END,"
	" 'SELECT * FROM finops.commitment_coverage(' || quote_literal($1) || ')' FROM finops.commitment_coverage($1) c CROSS JOIN LATERAL"
	" (VALUES ('commitment_coverage', c.coverage), ('commitment_utilisation', c.utilisation), ('commitment_waste', c.unused / nullif(c.fee, 0)),"
	"  ('effective_savings_rate', c.effective_savings_rate)) v(kpi, value)",

	"SELECT v.kpi, 'all', v.value, v.reason, 'SELECT * FROM finops.anomaly WHERE explained_by IS NULL'"
	" FROM (SELECT count(*) AS n, percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM a.detected_at - (a.first_day + 1)::timestamp AT TIME ZONE 'UTC') / 3600) AS detected,"
	"   percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM a.judged_at - a.detected_at) / 3600) AS judged, count(a.judged_at) AS njudged,"
	"   count(*) FILTER (WHERE a.state = 'expected') AS expected, (SELECT count(*) FROM finops.anomaly_series) AS watched"
	"  FROM finops.anomaly a WHERE a.explained_by IS NULL AND a.state <> 'withdrawn' AND a.first_day >= $1 AND a.first_day < $2) s"
	" CROSS JOIN LATERAL (VALUES ('anomalies', CASE WHEN s.watched > 0 THEN s.n::numeric END, CASE WHEN s.watched = 0 THEN 'no series is watched: finops.detect_anomalies()' END),"
	"  ('anomaly_detection', round(s.detected::numeric, 1), CASE WHEN s.n = 0 THEN 'no findings' END),"
	"  ('anomaly_resolution', round(s.judged::numeric, 1), CASE WHEN s.njudged = 0 THEN 'none was judged: finops.judge_anomaly()' END),"
	"  ('anomaly_false_alarms', round(100.0 * s.expected / nullif(s.njudged, 0), 2), CASE WHEN s.njudged = 0 THEN 'none was judged: finops.judge_anomaly()' END)) v(kpi, value, reason)",

	"SELECT 'anomaly_cost', a.currency, sum(greatest(a.impact, 0)), NULL, 'SELECT * FROM finops.anomaly WHERE explained_by IS NULL ORDER BY impact DESC'"
	" FROM finops.anomaly a WHERE a.explained_by IS NULL AND a.state <> 'withdrawn' AND a.first_day >= $1 AND a.first_day < $2 GROUP BY a.currency",

	"SELECT 'data_age', l.source, round(percentile_disc(0.95) WITHIN GROUP (ORDER BY l.gap)::numeric / 3600, 1), CASE WHEN count(l.gap) = 0 THEN 'loaded once' END,"
	" 'SELECT * FROM finops.delivery WHERE source = ' || quote_literal(l.source) || ' AND billing_period = ' || quote_literal($1)"
	" FROM (SELECT d.source, extract(epoch FROM d.loaded_at - lag(d.loaded_at) OVER (PARTITION BY d.source ORDER BY d.loaded_at, d.delivery_id)) AS gap"
	"  FROM finops.delivery d WHERE d.billing_period = $1 AND d.kind = 'bill') l GROUP BY l.source",

	"SELECT 'unit_cost', u.driver_code || coalesce(' ' || u.currency, ''), round(u.unit_cost, 6), CASE WHEN u.unit_cost IS NULL THEN u.reason END,"
	" 'SELECT * FROM finops.unit_economics(' || quote_literal($1) || ')' FROM finops.unit_economics($1) u",

	"SELECT 'margin', 'all', round(100 * sum(m.margin) / nullif(sum(m.revenue), 0), 2), CASE WHEN coalesce(sum(m.revenue), 0) = 0 THEN 'no revenue in the month' END,"
	" 'SELECT * FROM finops.tenant_margin(' || quote_literal($1) || ')' FROM finops.tenant_margin($1) m WHERE m.revenue IS NOT NULL AND m.margin IS NOT NULL",
};

/* What was measured beside its target; figures without a row say that there is nothing. */
static const char *const judged_sql =
"WITH target AS (SELECT DISTINCT ON (t.kpi) t.* FROM finops.kpi_target t ORDER BY t.kpi, t.shipped)"
" SELECT t.kpi, v.scope, v.value, t.unit, t.crawl, t.walk, t.run,"
"  CASE WHEN v.value IS NULL OR num_nonnulls(t.crawl, t.walk, t.run) = 0 THEN NULL"
"   WHEN CASE t.better WHEN 'higher' THEN v.value >= t.run ELSE v.value <= t.run END THEN 'run'"
"   WHEN CASE t.better WHEN 'higher' THEN v.value >= t.walk ELSE v.value <= t.walk END THEN 'walk'"
"   WHEN CASE t.better WHEN 'higher' THEN v.value >= t.crawl ELSE v.value <= t.crawl END THEN 'crawl'"
"   ELSE 'below crawl' END, t.title,"
"  CASE WHEN v.kpi IS NULL THEN 'there is nothing to measure in the month' ELSE v.reason END, v.evidence"
" FROM target t LEFT JOIN kpi_value v USING (kpi) ORDER BY t.kpi, v.scope";

/*
 * finops.kpi(period date)
 *
 * Errors: 22004, 22023 for the period.
 */
Datum
finops_kpi(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	DateADT		period = FinopsPeriodArg(fcinfo, 0);
	StringInfoData sql;

	FinopsCheckPeriodNotFuture(period);
	initStringInfo(&sql);
	for (int i = 0; i < (int) lengthof(figures); i++)
		appendStringInfo(&sql, "%s%s", i > 0 ? " UNION ALL " : "SELECT f.kpi, f.scope, f.value, f.reason, f.evidence FROM (", figures[i]);
	appendStringInfoString(&sql, ") f(kpi, scope, value, reason, evidence)");
	FinopsBegin(&session);
	FINOPS_STAGE("kpi_value", sql.data, ARG_DATE(period), ARG_DATE(FinopsPeriodEnd(period)));
	FINOPS_RUN0(judged_sql);
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

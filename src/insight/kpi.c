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

#define ANOMALIES \
	"'SELECT * FROM finops.anomaly WHERE explained_by IS NULL AND state <> ''withdrawn'' AND first_day >= ' || quote_literal($1)" \
	" || ' AND first_day < ' || quote_literal($2)"


/* A statement of figures; those that read lines, or two years, are named since they take their time. */
typedef struct Figures
{
	const char *sql;			/* $1 the month as date, $2 the first day after it */
	const char *of_lines;		/* NULL: from roll-ups and tables that are small */
} Figures;

/* the first moment of a day, which is one of UTC everywhere */
#define MOMENT(day) "(" day "::timestamp AT TIME ZONE 'UTC')"

static const Figures figures[] = {
	{"SELECT v.kpi, a.scope, round(100 * v.part / nullif(a.total, 0), 2), CASE WHEN a.entries = 0 THEN 'nothing is allocated'"
	" WHEN a.total IS NULL THEN 'an exchange rate is missing: finops.set_fx_rate()' WHEN a.total = 0 THEN 'the cost of the month is 0' END,"
	" 'SELECT * FROM finops.allocation_current WHERE period_start = ' || quote_literal($1) || ' AND ' || v.rows"
	" FROM (SELECT 'all' AS scope, count(*) AS entries, CASE WHEN count(*) = count(r.rate) THEN sum(amount * r.rate) END AS total,"
	"   sum(amount * r.rate) FILTER (WHERE kind <> 'unallocated' AND rule_id <> 'unallocated') AS owned, sum(amount * r.rate) FILTER (WHERE kind = 'shared') AS shared"
	"  FROM (SELECT c.currency, c.kind, c.rule_id, sum(c.amount) AS amount FROM finops.allocation_current c WHERE c.period_start = $1 GROUP BY 1, 2, 3) x"
	"  LEFT JOIN LATERAL (SELECT finops.fx_rate_of(x.currency, $1) AS rate) r ON true) a"
	" CROSS JOIN LATERAL (VALUES ('allocation_coverage', coalesce(a.owned, 0), '(kind = ''unallocated'' OR rule_id = ''unallocated'')'),"
	"  ('shared_cost', coalesce(a.shared, 0), 'kind = ''shared''')) v(kpi, part, rows)", NULL},

	/* without a bill there are no figures of tags, but an error */
	{"SELECT 'tag_compliance', f.currency, round(f.pct, 2), CASE WHEN f.pct IS NULL THEN 'no usage in the month' END,"
	" 'SELECT * FROM finops.tag_coverage_figures(' || quote_literal($1) || ')'"
	" FROM (SELECT FROM @s@.fact_cost_raw b WHERE b.bill_billing_period_start_date = $1 LIMIT 1) bill CROSS JOIN LATERAL finops.tag_coverage_figures($1) f WHERE f.figure = 'cost'", "tag_compliance"},

	/* the newest forecast of each bucket that was made before the month */
	{"SELECT 'forecast_variance', p.model_name, round((100 * abs(sum(p.actual) - sum(p.mean)) / nullif(sum(p.mean), 0))::numeric, 2),"
	" CASE WHEN sum(p.mean) = 0 THEN 'the forecast is 0' END, 'SELECT * FROM forecast.accuracy WHERE model_name = ' || quote_literal(p.model_name)"
	" FROM (SELECT DISTINCT ON (p.model_name, p.target_at) p.* FROM forecast.prediction p WHERE p.target_at >= $1 AND p.target_at < $2 AND p.origin_at <= $1"
	"  AND p.actual IS NOT NULL ORDER BY p.model_name, p.target_at, p.origin_at DESC, p.made_at DESC) p GROUP BY p.model_name", NULL},

	{"SELECT v.kpi, c.provider || ' ' || c.currency, round(100 * v.value, 2), CASE WHEN v.value IS NULL THEN c.lines_without_price || ' covered lines have no price on demand' END,"
	" 'SELECT * FROM finops.commitment_coverage(' || quote_literal($1) || ')' FROM finops.commitment_coverage($1) c CROSS JOIN LATERAL"
	" (VALUES ('commitment_coverage', c.coverage), ('commitment_utilisation', c.utilisation), ('commitment_waste', c.unused / nullif(c.fee, 0)),"
	"  ('effective_savings_rate', c.effective_savings_rate)) v(kpi, value)", "commitment_coverage,commitment_utilisation,commitment_waste,effective_savings_rate"},

	{"SELECT v.kpi, 'all', v.value, v.reason, " ANOMALIES
	" FROM (SELECT count(*) AS n, percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM a.detected_at - (a.first_day + 1)::timestamp AT TIME ZONE 'UTC') / 3600) AS detected,"
	"   percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM a.judged_at - a.detected_at) / 3600) AS judged, count(a.judged_at) AS njudged,"
	"   count(*) FILTER (WHERE a.state = 'expected') AS expected, (SELECT count(*) FROM finops.anomaly_series) AS watched"
	"  FROM finops.anomaly a WHERE a.explained_by IS NULL AND a.state <> 'withdrawn' AND a.first_day >= $1 AND a.first_day < $2) s"
	" CROSS JOIN LATERAL (VALUES ('anomalies', CASE WHEN s.watched > 0 THEN s.n::numeric END, CASE WHEN s.watched = 0 THEN 'no series is watched: finops.detect_anomalies()' END),"
	"  ('anomaly_detection', round(s.detected::numeric, 1), CASE WHEN s.n = 0 THEN 'no findings' END),"
	"  ('anomaly_resolution', round(s.judged::numeric, 1), CASE WHEN s.njudged = 0 THEN 'none was judged: finops.judge_anomaly()' END),"
	"  ('anomaly_false_alarms', round(100.0 * s.expected / nullif(s.njudged, 0), 2), CASE WHEN s.njudged = 0 THEN 'none was judged: finops.judge_anomaly()' END)) v(kpi, value, reason)", NULL},

	{"SELECT 'anomaly_cost', a.currency, sum(greatest(a.impact, 0)), NULL, " ANOMALIES " || ' ORDER BY impact DESC'"
	" FROM finops.anomaly a WHERE a.explained_by IS NULL AND a.state <> 'withdrawn' AND a.first_day >= $1 AND a.first_day < $2 GROUP BY a.currency", NULL},

	{"SELECT 'data_age', l.source, round(percentile_disc(0.95) WITHIN GROUP (ORDER BY l.gap)::numeric / 3600, 1), CASE WHEN count(l.gap) = 0 THEN 'loaded once' END,"
	" 'SELECT * FROM finops.delivery WHERE source = ' || quote_literal(l.source) || ' AND billing_period = ' || quote_literal($1)"
	" FROM (SELECT d.source, extract(epoch FROM d.loaded_at - lag(d.loaded_at) OVER (PARTITION BY d.source ORDER BY d.loaded_at, d.delivery_id)) AS gap"
	"  FROM finops.delivery d WHERE d.billing_period = $1 AND d.kind = 'bill') l GROUP BY l.source", NULL},

	{"SELECT 'unit_cost', u.driver_code || coalesce(' ' || u.currency, ''), round(u.unit_cost, 6), CASE WHEN u.unit_cost IS NULL THEN u.reason END,"
	" 'SELECT * FROM finops.unit_economics(' || quote_literal($1) || ')' FROM finops.unit_economics($1) u", "unit_cost"},

	{"SELECT 'margin', 'all', round(100 * sum(m.margin) / nullif(sum(m.revenue), 0), 2), CASE WHEN coalesce(sum(m.revenue), 0) = 0 THEN 'no revenue in the month' END,"
	" 'SELECT * FROM finops.tenant_margin(' || quote_literal($1) || ')' FROM finops.tenant_margin($1) m WHERE m.revenue IS NOT NULL AND m.margin IS NOT NULL", NULL},

	/* of what was verified in the month, where an amount was promised */
	{"SELECT 'recommendation_yield', 'all', CASE WHEN s.n = s.rated AND s.promised > 0 THEN round(100 * s.verified / s.promised, 2) END,"
	" CASE WHEN s.n = 0 THEN 'none was verified in the month: finops.verify_recommendations()' WHEN s.n > s.rated THEN 'an exchange rate is missing: finops.set_fx_rate()'"
	"  WHEN s.promised <= 0 THEN 'no saving was promised' END,"
	" 'SELECT * FROM finops.recommendation WHERE verified_at >= ' || quote_literal($1) || ' AND verified_at < ' || quote_literal($2)"
	" FROM (SELECT count(*) AS n, count(f.rate) AS rated, sum(r.verified_savings * f.rate) AS verified, sum(r.potential_savings_usd * f.rate) AS promised"
	"  FROM finops.recommendation r LEFT JOIN LATERAL (SELECT finops.fx_rate_of(r.currency, $1) AS rate) f ON true WHERE r.status = 'VERIFIED'"
	"  AND r.verified_at >= " MOMENT("$1") " AND r.verified_at < " MOMENT("$2") " AND r.verified_savings IS NOT NULL AND r.potential_savings_usd IS NOT NULL) s", NULL},

	/* what waits for its decision at the end of the month, or now, is as old as it is then */
	{"SELECT 'recommendation_age', 'all', round((percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM s.until - s.created_at) / 86400))::numeric, 1),"
	" CASE WHEN count(*) = 0 THEN 'none was open or decided in the month' END, 'SELECT * FROM finops.recommendation WHERE created_at < ' || quote_literal($2)"
	"  || ' AND coalesce(decided_at >= ' || quote_literal($1) || ', status IN (''ACTIVE'', ''EXPIRED'')) ORDER BY created_at'"
	" FROM (SELECT r.created_at, least(r.decided_at, e.month) AS until FROM (SELECT least(" MOMENT("$2") ", now()) AS month) e, finops.recommendation r"
	"  WHERE r.created_at < e.month AND (r.decided_at >= " MOMENT("$1")
	"   OR r.decided_at IS NULL AND (r.status = 'ACTIVE' OR r.status = 'EXPIRED' AND r.updated_at >= e.month))) s", NULL},
};

/* What was measured beside its target; what has no row says that there is nothing.  $1: not asked for. */
static const char *const judged_sql =
"WITH target AS (SELECT DISTINCT ON (t.kpi) t.* FROM finops.kpi_target t ORDER BY t.kpi, t.shipped)"
" SELECT t.kpi, v.scope, v.value, t.unit, t.better, t.crawl, t.walk, t.run,"
"  CASE WHEN v.value IS NULL OR num_nonnulls(t.crawl, t.walk, t.run) = 0 THEN NULL"
"   WHEN CASE t.better WHEN 'higher' THEN v.value >= t.run ELSE v.value <= t.run END THEN 'run'"
"   WHEN CASE t.better WHEN 'higher' THEN v.value >= t.walk ELSE v.value <= t.walk END THEN 'walk'"
"   WHEN CASE t.better WHEN 'higher' THEN v.value >= t.crawl ELSE v.value <= t.crawl END THEN 'crawl'"
"   ELSE 'below crawl' END AS level, t.title,"
"  CASE WHEN v.kpi IS NULL THEN 'there is nothing to measure in the month' ELSE v.reason END AS reason, v.evidence"
" FROM target t LEFT JOIN kpi_value v USING (kpi) WHERE t.kpi <> ALL (string_to_array($1, ','))";

/*
 * Stages kpi_figure: the key figures of a month beside their targets, all of
 * them or only those for which no line is read.
 */
void
InsightStageKpi(DateADT period, bool with_lines)
{
	StringInfoData sql,
				left_out;

	initStringInfo(&sql);
	initStringInfo(&left_out);
	for (int i = 0; i < (int) lengthof(figures); i++)
	{
		if (with_lines || figures[i].of_lines == NULL)
			appendStringInfo(&sql, "%s%s", sql.len > 0 ? " UNION ALL " : "SELECT f.kpi, f.scope, f.value, f.reason, f.evidence FROM (", figures[i].sql);
		else
			appendStringInfo(&left_out, "%s%s", left_out.len > 0 ? "," : "", figures[i].of_lines);
	}
	appendStringInfoString(&sql, ") f(kpi, scope, value, reason, evidence)");
	FINOPS_STAGE("kpi_value", sql.data, ARG_DATE(period), ARG_DATE(FinopsPeriodEnd(period)));
	FINOPS_STAGE("kpi_figure", judged_sql, ARG_TEXT(left_out.data));
}

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

	FinopsCheckPeriodNotFuture(period);
	FinopsBegin(&session);
	InsightStageKpi(period, true);
	FINOPS_RUN0("SELECT kpi, scope, value, unit, crawl, walk, run, level, title, reason, evidence FROM kpi_figure ORDER BY kpi, scope");
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

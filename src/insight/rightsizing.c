/*-------------------------------------------------------------------------
 *
 * rightsizing.c
 *	  finops.find_rightsizing: the rules of finops.rightsizing_rule applied to
 *	  metrics and cost of resources.
 *
 * Each condition becomes one statistic of each resource.  Conditions on what a
 * type offers (capacity) are projected: what was used, times the size of the
 * type it runs on by that of the type it would move to, with headroom on top.
 *
 * What is saved is the cost of the last days that no commitment covers, at
 * their pace for a month of 730 hours, from the first day of the resource to
 * the last one of the bill; what a commitment covers is not saved
 * but freed for other usage, and stands beside it.
 *
 *-------------------------------------------------------------------------
 */
#include "insight/insight.h"

PG_FUNCTION_INFO_V1(finops_find_rightsizing);

/* The rules that count, with their conditions. */
static void
stage_rules(void)
{
	FINOPS_STAGE0("right_rule",
				  "SELECT DISTINCT ON (r.rule_id) r.* FROM finops.rightsizing_rule r ORDER BY r.rule_id, r.shipped");
	FINOPS_STAGE0("right_condition",
				  "SELECT c.*, r.lookback_days FROM right_rule r JOIN finops.rightsizing_condition c USING (rule_id, shipped) WHERE r.enabled");
}

/* Cost of each resource by what it is, in the window of each rule. */
static void
stage_cost(DateADT as_of)
{
	DateADT		from;

	FINOPS_RUN0("SELECT coalesce(max(r.lookback_days), 0)::bigint FROM right_rule r WHERE r.enabled");
	from = as_of - (DateADT) FinopsInt64(0, 1);
	FINOPS_STAGE("right_line",
				 "SELECT f.provider, f.line_item_resource_id AS resource_id, f.line_item_currency_code AS currency,"
				 " coalesce(f.line_item_usage_account_id, f.bill_payer_account_id) AS account_id, f.service, f.product_region AS region,"
				 " coalesce(f.line_item_usage_type, '') AS usage_type, f.product_instance_type AS instance_type, f.line_item_usage_start_date::date AS day,"
				 " sum(f.effective_cost) FILTER (WHERE f.commitment_discount_id IS NULL) AS cost,"
				 " sum(f.effective_cost) FILTER (WHERE f.commitment_discount_id IS NOT NULL) AS covered, sum(f.line_item_usage_amount) AS quantity"
				 " FROM @s@.fact_cost_raw f WHERE f.line_item_resource_id IS NOT NULL AND f.charge_category = 'Usage'"
				 " AND f.bill_billing_period_start_date BETWEEN $2 - 31 AND $1"
				 " AND f.line_item_usage_start_date >= $2 AND f.line_item_usage_start_date < $1 GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9",
				 ARG_DATE(as_of), ARG_DATE(from));
	/* patterns are held against kinds of lines, not against lines */
	FINOPS_STAGE0("right_kind",
				  "SELECT r.rule_id, r.lookback_days, k.service, k.usage_type FROM right_rule r JOIN (SELECT DISTINCT l.service, l.usage_type FROM right_line l) k"
				  " ON (r.usage_type IS NULL OR k.usage_type ~ r.usage_type) AND (r.service IS NULL OR k.service ~ r.service) WHERE r.enabled");
	/* days without a line count: what runs on weekdays costs nothing at weekends */
	FINOPS_STAGE0("right_seen", "SELECT l.provider, l.resource_id, l.currency, min(l.day) AS first FROM right_line l GROUP BY 1, 2, 3");
	FINOPS_STAGE0("right_known", "SELECT l.provider, l.currency, max(l.day) AS last FROM right_line l GROUP BY 1, 2");
	FINOPS_STAGE("right_cost",
				 "SELECT x.*, CASE WHEN days > 0 THEN cost / days * 730 / 24 END AS monthly, CASE WHEN days > 0 THEN covered / days * 730 / 24 END AS freed,"
				 " CASE WHEN days > 0 THEN quantity / days * 730 / 24 END AS monthly_quantity FROM"
				 " (SELECT r.rule_id, l.provider, l.resource_id, l.currency, max(l.account_id) AS account_id, max(l.service) AS service, max(l.region) AS region,"
				 " (array_agg(l.instance_type ORDER BY l.day DESC) FILTER (WHERE l.instance_type IS NOT NULL))[1] AS instance_type,"
				 " coalesce(sum(l.cost), 0) AS cost, coalesce(sum(l.covered), 0) AS covered, coalesce(sum(l.quantity), 0) AS quantity,"
				 " max(k.last) - greatest(min(s.first), $1 - max(r.lookback_days)) + 1 AS days"
				 " FROM right_kind r JOIN right_line l ON l.service = r.service AND l.usage_type = r.usage_type AND l.day >= $1 - r.lookback_days"
				 " JOIN right_seen s USING (provider, resource_id, currency) JOIN right_known k USING (provider, currency) GROUP BY 1, 2, 3, 4) x",
				 ARG_DATE(as_of));
}

/*
 * Values by hour and by day, from which all but quantiles follow: however many
 * conditions there are, the values are read once.
 */
static void
stage_values(DateADT as_of)
{
	FINOPS_STAGE("right_hour",
				 "SELECT m.metric, m.resource_id, date_trunc('hour', m.measured_at) AS hour, count(*) AS n, sum(m.value) AS total, sum(m.value * m.value) AS squares,"
				 " max(m.value) AS most, min(m.value) AS least FROM finops.resource_metric m"
				 " JOIN (SELECT c.metric, max(c.lookback_days) AS days FROM right_condition c GROUP BY 1) w ON w.metric = m.metric"
				 " WHERE m.measured_at >= $1 - w.days AND m.measured_at < $1 GROUP BY 1, 2, 3",
				 ARG_DATE(as_of));
	FINOPS_STAGE0("right_daily",
				  "SELECT h.metric, h.resource_id, h.hour::date AS day, count(*) AS hours, sum(h.n) AS n, sum(h.total) AS total, sum(h.squares) AS squares, max(h.most) AS most,"
				  " min(h.least) AS least, sum(h.n) FILTER (WHERE date_part('hour', h.hour) >= 22 OR date_part('hour', h.hour) < 6) AS night_n,"
				  " sum(h.total) FILTER (WHERE date_part('hour', h.hour) >= 22 OR date_part('hour', h.hour) < 6) AS night_total"
				  " FROM right_hour h GROUP BY 1, 2, 3");
	FINOPS_STAGE("right_quantile",
				 "SELECT c.metric, c.lookback_days, c.quantile, c.day, m.resource_id, percentile_cont(c.quantile) WITHIN GROUP (ORDER BY m.value) AS value"
				 " FROM (SELECT DISTINCT x.metric, x.lookback_days, x.quantile, CASE WHEN x.per_day THEN d.day END AS day FROM right_condition x"
				 "  JOIN generate_series($1 - 400, $1 - 1, interval '1 day') AS d(day) ON d.day >= $1 - x.lookback_days AND (x.per_day OR d.day = $1 - 1)"
				 "  WHERE x.statistic = 'quantile') c JOIN finops.resource_metric m ON m.metric = c.metric AND m.measured_at >= coalesce(c.day, $1 - c.lookback_days)"
				 "  AND m.measured_at < coalesce(c.day + interval '1 day', $1) GROUP BY 1, 2, 3, 4, 5",
				 ARG_DATE(as_of));
}

/* Statistics of the whole window, and how many days the daily conditions held. */
static void
stage_statistics(DateADT as_of)
{
	FINOPS_STAGE("right_window",
				 "SELECT w.rule_id, w.\"position\", w.resource_id, CASE w.statistic WHEN 'avg' THEN w.total / w.n WHEN 'max' THEN w.most WHEN 'min' THEN w.least WHEN 'sum' THEN w.total"
				 " WHEN 'quantile' THEN q.value WHEN 'cv' THEN sqrt(greatest(w.squares - w.total * w.total / w.n, 0) / nullif(w.n - 1, 0)) / nullif(w.total / w.n, 0)"
				 " WHEN 'night_share' THEN w.night_total / nullif(w.night_n, 0) / nullif(w.total / w.n, 0)"
				 " WHEN 'weekend_share' THEN w.weekend_total / nullif(w.weekend_n, 0) / nullif((w.total - w.weekend_total) / nullif(w.n - w.weekend_n, 0), 0) END AS value,"
				 /* metrics by the day have one value each */
				 " CASE WHEN w.most_hours > 1 THEN w.hours / (24.0 * w.lookback_days) ELSE w.hours / w.lookback_days::numeric END AS presence, w.hours"
				 " FROM (SELECT c.rule_id, c.\"position\", c.metric, c.statistic, c.quantile, c.lookback_days, c.per_day, d.resource_id, sum(d.n)::float8 AS n, sum(d.total) AS total,"
				 "  sum(d.squares) AS squares, max(d.most) AS most, min(d.least) AS least, sum(d.night_n)::float8 AS night_n, sum(d.night_total) AS night_total,"
				 "  sum(d.n) FILTER (WHERE date_part('isodow', d.day) >= 6)::float8 AS weekend_n, sum(d.total) FILTER (WHERE date_part('isodow', d.day) >= 6) AS weekend_total,"
				 "  sum(d.hours) AS hours, max(d.hours) AS most_hours"
				 "  FROM right_condition c JOIN right_daily d ON d.metric = c.metric AND d.day >= $1 - c.lookback_days GROUP BY 1, 2, 3, 4, 5, 6, 7, 8) w"
				 " LEFT JOIN right_quantile q ON q.metric = w.metric AND q.lookback_days = w.lookback_days AND q.quantile = w.quantile AND q.resource_id = w.resource_id AND q.day IS NULL",
				 ARG_DATE(as_of));
	FINOPS_STAGE("right_hours",
				 "SELECT h.rule_id, h.\"position\", h.resource_id, count(*) FILTER (WHERE h.most <= h.level) AS idle FROM"
				 " (SELECT c.rule_id, c.\"position\", m.resource_id, c.level, max(m.most) AS most FROM right_condition c"
				 "  JOIN right_hour m ON m.metric = c.metric AND m.hour >= $1 - c.lookback_days WHERE c.statistic = 'idle_hours'"
				 "  GROUP BY c.rule_id, c.\"position\", m.resource_id, c.level, date_part('isodow', m.hour), date_part('hour', m.hour)) h GROUP BY 1, 2, 3",
				 ARG_DATE(as_of));
	FINOPS_STAGE("right_day",
				 "WITH wanted AS (SELECT c.rule_id, count(*) AS n FROM right_condition c WHERE c.per_day AND c.required GROUP BY 1),"
				 " held AS (SELECT c.rule_id, d.resource_id, d.day, count(*) AS n FROM right_condition c JOIN right_daily d ON d.metric = c.metric AND d.day >= $1 - c.lookback_days"
				 "  LEFT JOIN right_quantile q ON c.statistic = 'quantile' AND q.metric = c.metric AND q.lookback_days = c.lookback_days AND q.quantile = c.quantile"
				 "   AND q.resource_id = d.resource_id AND q.day = d.day,"
				 "  LATERAL (SELECT CASE c.statistic WHEN 'avg' THEN d.total / d.n::float8 WHEN 'max' THEN d.most WHEN 'min' THEN d.least WHEN 'sum' THEN d.total ELSE q.value END AS value) v"
				 "  WHERE c.per_day AND c.required AND CASE c.comparison WHEN '<' THEN v.value < c.threshold WHEN '<=' THEN v.value <= c.threshold WHEN '>=' THEN v.value >= c.threshold"
				 "   ELSE v.value > c.threshold END GROUP BY 1, 2, 3)"
				 " SELECT h.rule_id, h.resource_id, count(*) AS days FROM held h JOIN wanted w ON w.rule_id = h.rule_id AND w.n = h.n GROUP BY 1, 2",
				 ARG_DATE(as_of));
}

/* What each resource could be moved to; one row without a type where the rule has no target. */
static void
stage_targets(void)
{
	/* what a rule needs metrics for, it finds only where there are some */
	FINOPS_STAGE0("right_asked",
				  "SELECT k.* FROM right_cost k WHERE k.rule_id NOT IN (SELECT c.rule_id FROM right_condition c WHERE c.required)"
				  " OR (k.rule_id, k.resource_id) IN (SELECT w.rule_id, w.resource_id FROM right_window w)");
	FINOPS_STAGE0("right_type",
				  "SELECT DISTINCT ON (k.rule_id, k.provider, k.resource_id, k.currency) k.rule_id, k.provider, k.resource_id, k.currency, t.*"
				  " FROM right_asked k, LATERAL (SELECT i.* FROM finops.instance_type i WHERE i.provider = k.provider AND i.currency = k.currency"
				  "  AND i.instance_type = k.instance_type AND i.region IN (coalesce(k.region, ''), '')) AS t(of_provider, in_region, instance_type, in_currency, family,"
				  "  vcpu, memory_gib, network_mbps, iops, hourly_price, successor)"
				  " ORDER BY k.rule_id, k.provider, k.resource_id, k.currency, t.in_region = ''");
	FINOPS_STAGE0("right_target",
				  "SELECT k.rule_id, k.provider, k.resource_id, k.currency, NULL::text AS target, NULL::numeric AS price_share, NULL::numeric AS vcpu, NULL::numeric AS memory_gib,"
				  "  NULL::numeric AS network_mbps, NULL::numeric AS iops FROM right_asked k JOIN right_rule r USING (rule_id) WHERE r.target IN ('none', 'idle_hours')"
				  " UNION ALL SELECT c.rule_id, c.provider, c.resource_id, c.currency, i.instance_type, i.hourly_price / c.hourly_price,"
				  "  i.vcpu / c.vcpu, i.memory_gib / c.memory_gib, i.network_mbps / c.network_mbps, i.iops / c.iops"
				  " FROM right_type c JOIN right_rule r USING (rule_id) JOIN finops.instance_type i ON i.provider = c.provider AND i.currency = c.currency"
				  "  AND i.region = c.in_region AND i.hourly_price < c.hourly_price"
				  " WHERE r.target = 'smaller' AND i.family = c.family OR r.target = 'successor' AND i.instance_type = c.successor");
}

/* A condition of a resource and target: how far its limit is used, and whether it holds. */
static void
stage_judgements(void)
{
	FINOPS_STAGE0("right_judged",
				  "SELECT t.rule_id, t.provider, t.resource_id, t.currency, t.target, c.\"position\", v.value AS measured, j.value, w.presence, w.hours, c.capacity, c.threshold,"
				  " CASE WHEN c.per_day THEN w.resource_id IS NOT NULL OR NOT c.required WHEN j.value IS NULL THEN NOT c.required AND w.resource_id IS NULL WHEN c.comparison = '<' THEN j.value < c.threshold"
				  "  WHEN c.comparison = '<=' THEN j.value <= c.threshold WHEN c.comparison = '>=' THEN j.value >= c.threshold ELSE j.value > c.threshold END AS holds"
				  " FROM right_target t JOIN right_condition c USING (rule_id)"
				  " LEFT JOIN right_window w ON w.rule_id = c.rule_id AND w.\"position\" = c.\"position\" AND w.resource_id = t.resource_id"
				  " LEFT JOIN right_hours h ON h.rule_id = c.rule_id AND h.\"position\" = c.\"position\" AND h.resource_id = t.resource_id"
				  ", LATERAL (SELECT CASE WHEN c.statistic = 'idle_hours' THEN h.idle ELSE w.value END AS value) v"
				  ", LATERAL (SELECT CASE WHEN c.capacity IS NULL THEN v.value ELSE v.value * (1 + c.headroom) / (CASE c.capacity WHEN 'vcpu' THEN t.vcpu"
				  "  WHEN 'memory_gib' THEN t.memory_gib WHEN 'network_mbps' THEN t.network_mbps ELSE t.iops END)::float8 END AS value) j");
	FINOPS_STAGE0("right_sum",
				  "SELECT j.rule_id, j.provider, j.resource_id, j.currency, coalesce(j.target, '') AS target, bool_and(j.holds) AS holds,"
				  " min(j.presence) FILTER (WHERE c.required) AS presence, min(j.hours) FILTER (WHERE c.required) AS hours,"
				  " max(j.value / nullif(j.threshold, 0)) FILTER (WHERE j.capacity IS NOT NULL) AS projected, max(j.value) FILTER (WHERE c.statistic = 'idle_hours') AS idle,"
				  " jsonb_object_agg(c.metric || ' ' || c.statistic, round(j.measured::numeric, 4)) FILTER (WHERE j.measured IS NOT NULL) AS measured"
				  " FROM right_judged j JOIN right_condition c USING (rule_id, \"position\") GROUP BY 1, 2, 3, 4, 5");
	/* of those in which every condition holds, the cheapest target */
	FINOPS_STAGE0("right_match",
				  "SELECT DISTINCT ON (t.rule_id, t.provider, t.resource_id, t.currency) t.rule_id, t.provider, t.resource_id, t.currency, t.target, t.price_share,"
				  " x.presence, x.projected, x.idle, x.measured FROM right_target t JOIN right_rule r USING (rule_id)"
				  " LEFT JOIN right_day d ON d.rule_id = t.rule_id AND d.resource_id = t.resource_id"
				  " LEFT JOIN right_sum x ON x.rule_id = t.rule_id AND x.provider = t.provider AND x.resource_id = t.resource_id AND x.currency = t.currency"
				  "  AND x.target = coalesce(t.target, '')"
				  " WHERE coalesce(x.holds, true) AND coalesce(x.presence, CASE WHEN r.min_presence > 0 THEN 0 ELSE 1 END) >= r.min_presence AND coalesce(x.hours, 0) >= r.min_hours"
				  " AND (coalesce(d.days, 0) >= r.min_days OR NOT EXISTS (SELECT FROM right_condition c WHERE c.rule_id = t.rule_id AND c.per_day AND c.required))"
				  " ORDER BY t.rule_id, t.provider, t.resource_id, t.currency, t.price_share, t.target COLLATE \"C\"");
}

/* What volumes need beyond what the new kind includes, as a share of its price of a GB. */
#define EXTRAS \
	"(greatest(coalesce((SELECT max(m.value)::numeric FROM finops.resource_metric m WHERE m.metric = 'iops' AND m.resource_id = k.resource_id" \
	"  AND m.measured_at >= $1 - r.lookback_days AND m.measured_at < $1), least(greatest(3 * k.monthly_quantity, 100), 16000)) - r.included_iops, 0) * r.iops_ratio" \
	" + greatest(coalesce((SELECT max(m.value)::numeric FROM finops.resource_metric m WHERE m.metric = 'throughput_mibps' AND m.resource_id = k.resource_id" \
	"  AND m.measured_at >= $1 - r.lookback_days AND m.measured_at < $1), 0) - r.included_mibps, 0) * r.mibps_ratio)" \
	" * (1 - r.saving_share) * k.monthly / nullif(k.monthly_quantity, 0)"

/*
 * finops.find_rightsizing(as_of date): docs/recommendations.md.  22004, 22023
 * for the day; 2201B for a pattern of a rule that is none.
 */
Datum
finops_find_rightsizing(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	DateADT		as_of;

	FinopsRequireArg(fcinfo, 0, "as_of");
	as_of = PG_GETARG_DATEADT(0);
	FinopsCheckDay(as_of, "as_of");
	FinopsBegin(&session);
	stage_rules();
	stage_cost(as_of);
	stage_values(as_of);
	stage_statistics(as_of);
	stage_targets();
	stage_judgements();
	FINOPS_RUN("SELECT DISTINCT ON (s.provider, s.resource_id, s.currency) s.rule_id, s.optimization_type, s.provider, s.account_id, s.service, s.region, s.resource_id,"
			   " s.instance_type, s.target, s.currency, round(s.monthly, 4), round(s.savings, 4), round(s.freed, 4), s.projected, s.presence::float8,"
			   " s.confidence * least(coalesce(s.presence, 1), 1)::float8, s.effort,"
			   " s.action || CASE WHEN s.target IS NULL THEN '' ELSE format(' From %s to %s.', s.instance_type, s.target) END,"
			   " jsonb_strip_nulls(jsonb_build_object('rule', s.rule_id, 'lookback_days', s.lookback_days, 'measured', s.measured, 'idle_hours_a_week', s.idle))"
			   " FROM (SELECT m.*, k.account_id, k.service, k.region, k.instance_type, k.monthly, r.optimization_type, r.confidence, r.effort, r.action, r.lookback_days, r.min_savings,"
			   "  k.monthly * x.share - coalesce(CASE WHEN r.included_iops IS NOT NULL THEN " EXTRAS " END, 0) AS savings, k.freed * x.share AS freed"
			   "  FROM right_match m JOIN right_rule r USING (rule_id) JOIN right_cost k USING (rule_id, provider, resource_id, currency),"
			   "  LATERAL (SELECT CASE r.target WHEN 'idle_hours' THEN m.idle::numeric / 168 WHEN 'none' THEN r.saving_share ELSE 1 - m.price_share END AS share) x) s"
			   " WHERE s.savings > 0 AND s.savings >= s.min_savings OR s.freed > 0 AND s.freed >= s.min_savings AND s.savings >= 0"
			   " ORDER BY s.provider, s.resource_id, s.currency, s.savings DESC, s.rule_id COLLATE \"C\"",
			   ARG_DATE(as_of));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

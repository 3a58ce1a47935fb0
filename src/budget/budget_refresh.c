/*-------------------------------------------------------------------------
 *
 * budget_refresh.c
 *	  finops.refresh_budgets: amount, actual, forecast and burn of budgets.
 *
 * Everything is done in a few statements over all budgets.  Cost is summed
 * from the daily roll-up once per kind of scope: the last days one by one,
 * what lies before them by month.  Budgets then pick the sums of their scope
 * and period, so that their number matters little beside the roll-up's.
 *
 * The forecast of a period is what is there plus what is to come, day by day
 * like the same weekday of the last seven complete days.  The first of a
 * month, on which monthly fees fall, is no model for other days: the day one
 * week before stands in for it, and what it has beyond the day one week later
 * (or, while that is not there, earlier) comes again on each first that is
 * still to come.  All of this is linear in the costs
 * of days, so one weight per day and period serves every budget.  Tax,
 * purchases and credits count once they are there and are not expected.
 *
 * Actuals are exact; forecasts and burn rates are estimates, hence float8.
 *
 *-------------------------------------------------------------------------
 */
#include "budget/budget.h"

#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(finops_refresh_budgets);

/* Days that are summed one by one: five weeks and what stands in for a first. */
#define DAYS_BACK	"40"

/* What a refresh knows about time. */
typedef struct Refresh
{
	DateADT		as_of;
	DateADT		through;		/* last day that the bill has caught up with */
	DateADT		split;			/* from this first of a month on by day */
	DateADT		from;			/* first month that is asked for */
} Refresh;

/*
 * The budgets that are on, each with its period [first, next).  A daily
 * budget looks at the last day that the bill has caught up with: there is
 * none of today when a nightly run begins.
 */
static uint64
stage_windows(const Refresh *refresh)
{
	return FINOPS_STAGE("budget_window",
						"SELECT b.*, f.first, f.next, f.next - f.first AS days FROM (SELECT b.*,"
						"  CASE b.period WHEN 'daily' THEN interval '1 day' WHEN 'monthly' THEN interval '1 month'"
						"   WHEN 'quarterly' THEN interval '3 months' ELSE interval '1 year' END AS length,"
						"  CASE WHEN NOT b.recurring THEN b.period_start WHEN b.period = 'daily' THEN $2 ELSE $1 END AS day,"
						"  make_interval(months => b.fiscal_start - 1) AS shift"
						"  FROM @s@.budget_master b WHERE b.enabled"
						"  AND coalesce(b.effective_from <= $1, true) AND coalesce(b.effective_to >= $1, true)) b,"
						" LATERAL (SELECT (CASE b.period WHEN 'daily' THEN b.day WHEN 'monthly' THEN date_trunc('month', b.day::timestamp)"
						"   WHEN 'quarterly' THEN date_trunc('quarter', b.day - b.shift) + b.shift"
						"   ELSE date_trunc('year', b.day - b.shift) + b.shift END)::date AS first) s,"
						" LATERAL (SELECT s.first, (s.first + b.length)::date AS next) f",
						ARG_DATE(refresh->as_of), ARG_DATE(refresh->through));
}

/*
 * The last day whose cost is all there: not today, and not a last day of the
 * bill with less than half of what the week before had per day.
 */
static DateADT
caught_up(DateADT as_of)
{
	bool		isnull;
	Datum		through;

	FINOPS_RUN("SELECT CASE WHEN l.cost < w.cost / 14 THEN l.day - 1 ELSE l.day END"
			   " FROM (SELECT c.usage_date AS day, sum(c.effective_cost) AS cost FROM finops.cost_daily c"
			   "   WHERE c.usage_date = (SELECT max(m.usage_date) FROM finops.cost_daily m"
			   "     WHERE m.usage_date <= least($1, timezone('UTC', now())::date - 1) AND m.charge_category = 'Usage')"
			   "   AND c.charge_category = 'Usage' GROUP BY 1) l"
			   " LEFT JOIN LATERAL (SELECT sum(c.effective_cost) AS cost FROM finops.cost_daily c"
			   "   WHERE c.usage_date >= l.day - 7 AND c.usage_date < l.day AND c.charge_category = 'Usage') w ON true"
			   " UNION ALL SELECT $1 LIMIT 1", ARG_DATE(as_of));
	through = FinopsValue(0, 1, &isnull);
	return isnull ? as_of : DatumGetDateADT(through);
}

/* Which months and days are to be summed. */
static void
settle_range(Refresh *refresh)
{
	bool		isnull;

	FINOPS_RUN("SELECT s.split, least(s.split, date_trunc('month', min(CASE WHEN w.amount_method = 'auto_history'"
			   "   THEN w.first - w.length * w.auto_periods ELSE w.first END)::timestamp)::date)"
			   " FROM budget_window w,"
			   " (SELECT (date_trunc('month', ($1 - " DAYS_BACK ")::timestamp) + interval '1 month')::date AS split) s"
			   " WHERE w.metric_type = 'aws_cost' GROUP BY s.split", ARG_DATE(refresh->through));
	if (SPI_processed == 0)
		return;
	refresh->split = DatumGetDateADT(FinopsValue(0, 1, &isnull));
	refresh->from = DatumGetDateADT(FinopsValue(0, 2, &isnull));
	/* what converts a line's currency, by month */
	FINOPS_STAGE("budget_rate",
				 "SELECT c.currency, c.billing_period, coalesce(finops.fx_rate_of(c.currency, c.billing_period), 0) AS rate"
				 " FROM (SELECT DISTINCT d.currency, d.billing_period FROM finops.cost_daily d"
				 "   WHERE d.usage_date >= least($1, $2 - " DAYS_BACK ") AND d.usage_date <= $3) c",
				 ARG_DATE(refresh->from), ARG_DATE(refresh->through), ARG_DATE(refresh->as_of));
}

/* How each kind of scope is read from the roll-up; %s: its reference. */
typedef struct Scope
{
	const char *type;
	const char *reference;
	const char *source;
} Scope;

#define ROLL_UP "finops.cost_daily c JOIN budget_rate r ON r.currency = c.currency AND r.billing_period = c.billing_period"

static const Scope scopes[] = {
	{"tenant", "c.tenant_id", ROLL_UP},
	{"platform", "''::text", ROLL_UP},
	{"service", "c.service", ROLL_UP},
	{"account", "c.account_id", ROLL_UP},
	{"plan", "b.plan_code",
		ROLL_UP " JOIN @s@.tenant_plan_binding b ON b.tenant_id = c.tenant_id"
		" AND c.usage_date >= b.period_start AND coalesce(c.usage_date <= b.period_end, true)"},
	/* a tag is not in the roll-up: its facts are read */
	{"tag", "k.tag_key || '=' || (c.tags ->> k.tag_key)",
		"(SELECT coalesce(f.line_item_usage_start_date::date, f.bill_billing_period_start_date) AS usage_date,"
		"   f.charge_category, f.billed_cost, f.effective_cost, f.line_item_currency_code AS currency,"
		"   f.bill_billing_period_start_date AS billing_period,"
		"   CASE WHEN f.virtual_tags IS NULL THEN f.resource_tags"
		"    ELSE finops.effective_tags(f.resource_tags, f.virtual_tags) END AS tags"
		"   FROM @s@.fact_cost_raw f WHERE f.bill_billing_period_start_date >= date_trunc('month', $1::timestamp)::date) c"
		" JOIN budget_rate r ON r.currency = c.currency AND r.billing_period = c.billing_period"
		" JOIN (SELECT DISTINCT split_part(w.scope_ref, '=', 1) AS tag_key FROM budget_window w"
		"   WHERE w.scope_type = 'tag') k ON c.tags ? k.tag_key"},
};

/*
 * Sums by scope and by day or month, of all kinds of scope that budgets have:
 * scope_type, ref, cost_basis, charges, day, cost, usage.  Only those with a
 * period that begins before a day (infinity: all).  NULL where none.
 */
static char *
cost_query(const char *bucket, const char *until, DateADT before)
{
	StringInfoData sql;
	uint64		kinds = FINOPS_RUN("SELECT DISTINCT scope_type, cost_basis, charges FROM budget_window"
								   " WHERE metric_type = 'aws_cost' AND ($1 IS NULL OR first < $1 OR amount_method = 'auto_history')",
								   ARG_DATUM(DATEOID, DateADTGetDatum(before), before == DATEVAL_NOEND));

	initStringInfo(&sql);
	for (uint64 i = 0; i < kinds; i++)
	{
		const Scope *scope = scopes;
		const char *type = FinopsText(i, 1);
		const char *basis = FinopsText(i, 2);
		bool		usage = strcmp(FinopsText(i, 3), "usage") == 0;

		while (strcmp(scope->type, type) != 0)
			scope++;
		appendStringInfo(&sql,
						 "%s SELECT '%s'::text AS scope_type, %s AS ref, '%s'::text AS cost_basis, '%s'::text AS charges, %s AS day,"
						 " sum(c.%s_cost * r.rate)%s AS cost,"
						 " coalesce(sum(c.%s_cost * r.rate) FILTER (WHERE c.charge_category = 'Usage'), 0)::float8 AS usage"
						 " FROM %s WHERE c.usage_date >= $1 AND c.usage_date %s $2",
						 i > 0 ? " UNION ALL" : "", type, scope->reference, basis, usage ? "usage" : "all", bucket,
						 basis, usage ? " FILTER (WHERE c.charge_category = 'Usage')" : "",
						 basis, scope->source, until);
		if (strcmp(type, "platform") != 0)
			appendStringInfo(&sql, " AND %s IN (SELECT w.scope_ref FROM budget_window w WHERE w.scope_type = '%s'"
							 " AND w.metric_type = 'aws_cost')", scope->reference, type);
		appendStringInfoString(&sql, " GROUP BY 2, 5");
	}
	return kinds > 0 ? sql.data : NULL;
}

/* Stages budget_day and budget_month; false where no budget is of cost. */
static bool
stage_costs(const Refresh *refresh)
{
	char	   *by_day = cost_query("c.usage_date", "<=", DATEVAL_NOEND);
	char	   *by_month = cost_query("date_trunc('month', c.usage_date::timestamp)::date", "<", refresh->split);

	if (by_day == NULL)
		return false;
	FINOPS_STAGE("budget_day", by_day, ARG_DATE(refresh->through - atoi(DAYS_BACK)), ARG_DATE(refresh->as_of));
	FINOPS_STAGE("budget_month",
				 psprintf("%s%sSELECT d.scope_type, d.ref, d.cost_basis, d.charges,"
						  " date_trunc('month', d.day::timestamp)::date AS day, sum(d.cost) AS cost, sum(d.usage) AS usage"
						  " FROM budget_day d WHERE d.day >= $2 GROUP BY 1, 2, 3, 4, 5",
						  by_month == NULL ? "" : by_month, by_month == NULL ? "" : " UNION ALL "),
				 ARG_DATE(refresh->from), ARG_DATE(refresh->split));
	return true;
}

/*
 * What each day that is there counts for in the rest of a period; see above.
 * A history of less than a week stands for all weekdays alike.
 */
static void
stage_weights(const Refresh *refresh)
{
	FINOPS_STAGE("budget_weight",
				 "WITH period AS (SELECT DISTINCT w.first, w.next FROM budget_window w WHERE w.period <> 'daily'),"
				 " coming AS (SELECT p.first, p.next, d::date AS day FROM period p,"
				 "   generate_series(greatest(p.first, $1 + 1)::timestamp, (p.next - 1)::timestamp, '1 day') AS d),"
				 " history AS (SELECT least(7, greatest(1, $1 + 1 - min(c.usage_date))) AS days FROM finops.cost_daily c"
				 "   WHERE c.usage_date <= $1),"
				 " base AS (SELECT CASE WHEN extract(day FROM d) = 1 AND h.days = 7 THEN d::date - 7 ELSE d::date END AS day,"
				 "   extract(isodow FROM d) AS weekday, h.days"
				 "   FROM history h, generate_series(($1 + 1 - h.days)::timestamp, $1::timestamp, '1 day') AS d),"
				 " fee AS (SELECT f.day, f.day + CASE WHEN f.day + 7 <= $1 THEN 7 ELSE -7 END AS usual"
				 "   FROM (SELECT date_trunc('month', $1::timestamp)::date AS day FROM history h WHERE h.days = 7) f)"
				 " SELECT c.first, c.next, b.day, count(*)::float8 / CASE WHEN b.days < 7 THEN b.days ELSE 1 END AS weight"
				 "  FROM coming c JOIN base b ON b.days < 7 OR b.weekday = extract(isodow FROM c.day)"
				 "  GROUP BY c.first, c.next, b.day, b.days"
				 " UNION ALL SELECT c.first, c.next, s.day, count(*) * s.sign"
				 "  FROM coming c, fee f, LATERAL (VALUES (f.day, 1.0::float8), (f.usual, -1.0)) AS s(day, sign)"
				 "  WHERE extract(day FROM c.day) = 1 GROUP BY c.first, c.next, s.day, s.sign",
				 ARG_DATE(refresh->through));
	FINOPS_STAGE0("budget_day_weight",
				  "SELECT first, next, day, sum(weight) AS weight FROM budget_weight GROUP BY first, next, day");
}

/*
 * Sums of each scope in each period that a budget of it has; the days of the
 * last four weeks that are no first of a month say how much days differ.
 */
static void
stage_sums(const Refresh *refresh)
{
	FINOPS_STAGE0("budget_key",
				  "SELECT DISTINCT scope_type, cost_basis, charges, first, next FROM budget_window"
				  " WHERE metric_type = 'aws_cost'");
	FINOPS_STAGE("budget_recent",
				 "SELECT d.scope_type, d.ref, d.cost_basis, d.charges, k.first, k.next,"
				 " sum(d.cost) FILTER (WHERE d.day >= greatest(k.first, $2) AND d.day < k.next) AS actual,"
				 " sum(d.usage * w.weight) AS rest,"
				 " sum(d.usage) FILTER (WHERE d.day > $1 - 1) AS last1, sum(d.usage) FILTER (WHERE d.day > $1 - 2) AS last2,"
				 " sum(d.usage) FILTER (WHERE d.day > $1 - 3) AS last3, sum(d.usage) FILTER (WHERE d.day > $1 - 7) AS last7,"
				 " sum(d.usage) FILTER (WHERE d.day > $1 - 14) AS last14,"
				 " count(*) FILTER (WHERE d.day > $1 - 28 AND extract(day FROM d.day) <> 1) AS n,"
				 " sum(d.usage) FILTER (WHERE d.day > $1 - 28 AND extract(day FROM d.day) <> 1) AS s,"
				 " sum(d.usage * d.usage) FILTER (WHERE d.day > $1 - 28 AND extract(day FROM d.day) <> 1) AS q"
				 " FROM (SELECT d.scope_type, d.ref, d.cost_basis, d.charges, d.day, d.cost,"
				 "   CASE WHEN d.day <= $1 THEN d.usage END AS usage FROM budget_day d) d"
				 " JOIN budget_key k ON k.scope_type = d.scope_type AND k.cost_basis = d.cost_basis AND k.charges = d.charges"
				 " LEFT JOIN budget_day_weight w ON w.first = k.first AND w.next = k.next AND w.day = d.day"
				 " GROUP BY 1, 2, 3, 4, 5, 6",
				 ARG_DATE(refresh->through), ARG_DATE(refresh->split));
	FINOPS_STAGE("budget_before",
				 "SELECT m.scope_type, m.ref, m.cost_basis, m.charges, k.first, k.next, sum(m.cost) AS actual"
				 " FROM budget_month m JOIN budget_key k ON k.scope_type = m.scope_type AND k.cost_basis = m.cost_basis"
				 "  AND k.charges = m.charges AND m.day >= k.first AND m.day < k.next"
				 " WHERE m.day < $1 GROUP BY 1, 2, 3, 4, 5, 6", ARG_DATE(refresh->split));
}

/* Daily budgets before the split are within budget_day; all others add up. */
static void
stage_cost_figures(const Refresh *refresh)
{
	FINOPS_STAGE("budget_cost_figure",
				 "SELECT w.budget_id, coalesce(CASE WHEN w.period = 'daily' THEN d.cost"
				 "   ELSE coalesce(r.actual, 0) + coalesce(o.actual, 0) END, 0) AS actual,"
				 " CASE WHEN w.period <> 'daily' AND $1 >= w.first THEN coalesce(r.rest, 0)"
				 "   WHEN w.period <> 'daily' THEN r.rest END AS rest,"
				 " CASE WHEN r.n > 2 AND w.next > $1 + 1 THEN sqrt(greatest(0, r.q - r.s * r.s / r.n) / (r.n - 1)"
				 "   * least(w.next - $1 - 1, w.days)) END AS spread,"
				 " r.last1, r.last2, r.last3, r.last7, r.last14"
				 " FROM budget_window w"
				 " LEFT JOIN budget_recent r ON r.scope_type = w.scope_type AND r.ref = coalesce(w.scope_ref, '')"
				 "  AND r.cost_basis = w.cost_basis AND r.charges = w.charges AND r.first = w.first AND r.next = w.next"
				 " LEFT JOIN budget_before o ON o.scope_type = w.scope_type AND o.ref = coalesce(w.scope_ref, '')"
				 "  AND o.cost_basis = w.cost_basis AND o.charges = w.charges AND o.first = w.first AND o.next = w.next"
				 " LEFT JOIN budget_day d ON w.period = 'daily' AND d.scope_type = w.scope_type AND d.ref = coalesce(w.scope_ref, '')"
				 "  AND d.cost_basis = w.cost_basis AND d.charges = w.charges AND d.day = w.first"
				 " WHERE w.metric_type = 'aws_cost'", ARG_DATE(refresh->through));
}

/*
 * The mean of the periods before the current one, from the first that had
 * cost on, for budgets whose amount is set from it and is not yet.
 */
static void
stage_auto_amounts(bool costs)
{
	const char *values = costs ?
		"SELECT w.budget_id, i, sum(m.cost) AS cost FROM budget_window w, generate_series(1, w.auto_periods) AS i"
		" JOIN budget_month m ON true"
		" WHERE w.amount_method = 'auto_history' AND w.metric_type = 'aws_cost' AND w.auto_set_for IS DISTINCT FROM w.first"
		" AND w.period <> 'daily' AND m.scope_type = w.scope_type AND m.ref = coalesce(w.scope_ref, '')"
		" AND m.cost_basis = w.cost_basis AND m.charges = w.charges"
		" AND m.day >= w.first - w.length * i AND m.day < w.first - w.length * (i - 1) GROUP BY 1, 2"
		" UNION ALL SELECT w.budget_id, w.first - d.day, d.cost FROM budget_window w JOIN budget_day d"
		" ON d.scope_type = w.scope_type AND d.ref = coalesce(w.scope_ref, '')"
		" AND d.cost_basis = w.cost_basis AND d.charges = w.charges AND d.day >= w.first - w.auto_periods AND d.day < w.first"
		" WHERE w.amount_method = 'auto_history' AND w.metric_type = 'aws_cost' AND w.auto_set_for IS DISTINCT FROM w.first"
		" AND w.period = 'daily'" :
		"SELECT ''::text AS budget_id, 1 AS i, 0::numeric AS cost WHERE false";

	FINOPS_STAGE0("budget_auto",
				  psprintf("SELECT v.budget_id, sum(v.cost) / max(v.i) FILTER (WHERE v.cost <> 0) AS amount FROM (%s) v GROUP BY 1",
						   values));
}

/* Cost as allocated, by month; usage of a metric, by day. */
static void
stage_other_figures(const Refresh *refresh)
{
	if (FINOPS_RUN0("SELECT FROM budget_window WHERE metric_type IN ('composite', 'operator_overhead') LIMIT 1") == 0)
		FINOPS_STAGE0("budget_allocated", "SELECT ''::text AS budget_id, 0::numeric AS actual WHERE false");
	else
		FINOPS_STAGE("budget_allocated",
				 "SELECT w.budget_id, sum(a.allocated_cost_usd * coalesce(finops.fx_rate_of(a.currency, a.period_start), 0)) AS actual"
				 " FROM budget_window w JOIN (SELECT e.tenant_id, e.period_start, e.kind, e.currency, sum(e.allocated_cost_usd) AS allocated_cost_usd"
				 "   FROM @s@.fact_cost_allocated e WHERE e.period_start <= $1 AND e.period_start >= (SELECT min(b.first) FROM budget_window b"
				 "    WHERE b.metric_type IN ('composite', 'operator_overhead')) GROUP BY 1, 2, 3, 4) a"
				 "  ON a.period_start >= w.first AND a.period_start < w.next"
				 "  AND a.period_start <= $1 AND CASE w.metric_type WHEN 'operator_overhead' THEN a.tenant_id IS NULL AND a.kind <> 'unallocated'"
				 "   ELSE a.tenant_id IS NOT NULL END"
				 " LEFT JOIN @s@.tenant_plan_binding b ON w.scope_type = 'plan' AND b.tenant_id = a.tenant_id AND b.plan_code = w.scope_ref"
				 "  AND b.period_start < a.period_start + interval '1 month' AND coalesce(b.period_end >= a.period_start, true)"
				 " WHERE w.metric_type IN ('composite', 'operator_overhead') AND (w.scope_type <> 'tenant' OR a.tenant_id = w.scope_ref)"
				 "  AND (w.scope_type <> 'plan' OR b.tenant_id IS NOT NULL) GROUP BY 1", ARG_DATE(refresh->as_of));
	FINOPS_STAGE("budget_usage",
				 "SELECT u.budget_id, CASE WHEN u.aggregation LIKE 'sum%' THEN sum(u.value) WHEN u.aggregation = 'avg' THEN avg(u.value)"
				 "  ELSE max(u.value) END AS actual, u.aggregation LIKE 'sum%' AS adds, max(u.usage_date) AS through FROM ("
				 " SELECT w.budget_id, m.aggregation, s.usage_date, sum(s.metric_value) AS value FROM budget_window w"
				 "  JOIN @s@.metric_catalog m ON m.metric_code = w.metric_code"
				 "  JOIN @s@.usage_snapshot_daily s ON s.metric_code = w.metric_code AND s.usage_date >= w.first AND s.usage_date < w.next"
				 "   AND s.usage_date <= $1 AND s.tenant_id = w.scope_ref"
				 "  WHERE w.metric_type = 'platform_metric' AND w.scope_type = 'tenant' GROUP BY 1, 2, 3"
				 " UNION ALL SELECT w.budget_id, m.aggregation, s.usage_date, sum(s.metric_value) FROM budget_window w"
				 "  JOIN @s@.metric_catalog m ON m.metric_code = w.metric_code"
				 "  JOIN @s@.usage_snapshot_daily s ON s.metric_code = w.metric_code AND s.usage_date >= w.first AND s.usage_date < w.next"
				 "   AND s.usage_date <= $1"
				 "  LEFT JOIN @s@.tenant_plan_binding b ON w.scope_type = 'plan' AND b.tenant_id = s.tenant_id AND b.plan_code = w.scope_ref"
				 "   AND s.usage_date >= b.period_start AND coalesce(s.usage_date <= b.period_end, true)"
				 "  WHERE w.metric_type = 'platform_metric' AND w.scope_type IN ('platform', 'plan')"
				 "   AND (w.scope_type = 'platform' OR b.tenant_id IS NOT NULL) GROUP BY 1, 2, 3) u GROUP BY u.budget_id, u.aggregation",
				 ARG_DATE(refresh->as_of));
}

/* Amount, actual and forecast of every budget, side by side. */
static void
stage_figures(const Refresh *refresh, bool costs)
{
	const char *cost = costs ? "budget_cost_figure" :
		"(SELECT NULL::text AS budget_id, 0::numeric AS actual, 0::float8 AS rest, 0::float8 AS spread,"
		" 0::float8 AS last1, 0::float8 AS last2, 0::float8 AS last3, 0::float8 AS last7, 0::float8 AS last14 WHERE false)";

	FINOPS_STAGE("budget_figure",
				 psprintf("SELECT f.*, CASE f.amount_method WHEN 'planned' THEN coalesce(f.planned, f.target_usd)"
						  "  WHEN 'auto_history' THEN coalesce(round(f.automatic * (1 + f.auto_adjust_pct / 100), 2), f.target_usd)"
						  "  WHEN 'auto_forecast' THEN CASE WHEN f.auto_set_for IS DISTINCT FROM f.first AND f.forecast > 0"
						  "   THEN round(f.forecast * (1 + f.auto_adjust_pct / 100), 2) ELSE f.target_usd END"
						  "  ELSE f.target_usd END AS target FROM (SELECT w.*, coalesce(c.actual, a.actual, u.actual, 0) AS actual,"
						  " CASE WHEN w.period = 'daily' THEN NULL"
						  "  WHEN w.metric_type = 'aws_cost' THEN round(c.actual + coalesce(c.rest, 0)::numeric, 6)"
						  "  WHEN w.metric_type = 'platform_metric' AND NOT u.adds THEN u.actual"
						  "  WHEN coalesce(u.through, $1) >= w.first THEN round(coalesce(a.actual, u.actual, 0) * w.days"
						  "   / (least(coalesce(u.through, $1), w.next - 1) - w.first + 1), 6) END AS forecast,"
						  " c.spread, c.last1, c.last2, c.last3, c.last7, c.last14, m.amount AS automatic,"
						  " CASE WHEN w.amount_method = 'planned' THEN (SELECT sum(CASE WHEN w.period = 'daily'"
						  "    THEN p.amount_usd / extract(day FROM g.at + interval '1 month' - interval '1 day') ELSE p.amount_usd END)"
						  "   FROM generate_series(date_trunc('month', w.first::timestamp), (w.next - 1)::timestamp, '1 month') AS g(at),"
						  "   LATERAL (SELECT p.amount_usd FROM finops.budget_plan p WHERE p.budget_id = w.budget_id AND p.month <= g.at"
						  "     ORDER BY p.month DESC LIMIT 1) p) END AS planned"
						  " FROM budget_window w LEFT JOIN %s c ON c.budget_id = w.budget_id"
						  " LEFT JOIN budget_allocated a ON a.budget_id = w.budget_id"
						  " LEFT JOIN budget_usage u ON u.budget_id = w.budget_id"
						  " LEFT JOIN budget_auto m ON m.budget_id = w.budget_id) f", cost),
				 ARG_DATE(refresh->through));
}

/* Burn over the last n days: their cost per day over the target's per day. */
#define BURN(n) "(f.last" n " / " n " / nullif(f.target::float8 / f.days, 0))"

static uint64
write_budgets(const Refresh *refresh)
{
	FINOPS_RUN0("INSERT INTO finops.budget_history (budget_id, period_start, period_end, target_usd, actual_usd,"
				"  forecast_usd, status, last_refreshed_at)"
				" SELECT w.budget_id, w.period_start, w.period_end, w.target_usd, w.actual_usd, w.forecast_usd, w.status,"
				"  w.last_refreshed_at FROM budget_window w WHERE w.first > w.period_start AND w.period_end IS NOT NULL"
				" ON CONFLICT (budget_id, period_start) DO UPDATE SET period_end = EXCLUDED.period_end,"
				"  target_usd = EXCLUDED.target_usd, actual_usd = EXCLUDED.actual_usd, forecast_usd = EXCLUDED.forecast_usd,"
				"  status = EXCLUDED.status, last_refreshed_at = EXCLUDED.last_refreshed_at");
	/* who spends an automatic amount is told of every change of it */
	FINOPS_RUN0("INSERT INTO finops.outbox (topic, dedup_key, severity, payload)"
				" SELECT 'budget_amount', f.budget_id || ' ' || f.first, 'info', jsonb_build_object('budget_id', f.budget_id,"
				"  'period_start', f.first, 'previous_usd', f.target_usd, 'amount_usd', f.target, 'method', f.amount_method)"
				" FROM budget_figure f WHERE f.amount_method LIKE 'auto%' AND f.target <> f.target_usd"
				" ON CONFLICT (topic, dedup_key) DO NOTHING");
	return FINOPS_RUN("UPDATE @s@.budget_master b SET period_start = f.first, period_end = f.next - 1, target_usd = f.target,"
					  " auto_set_for = CASE WHEN f.automatic IS NOT NULL OR f.amount_method = 'auto_forecast' AND f.forecast > 0"
					  "  THEN f.first ELSE b.auto_set_for END,"
					  " actual_usd = f.actual, forecast_usd = f.forecast,"
					  " forecast_lower_usd = CASE WHEN f.spread IS NOT NULL THEN greatest(f.actual, f.forecast - round(1.645 * f.spread::numeric, 6)) ELSE f.forecast END,"
					  " forecast_upper_usd = CASE WHEN f.spread IS NOT NULL THEN f.forecast + round(1.645 * f.spread::numeric, 6) ELSE f.forecast END,"
					  " variance_pct = round((f.actual - f.target) * 100 / nullif(f.target, 0), 4),"
					  " utilization = round(f.actual / nullif(f.target, 0), 6),"
					  " status = CASE WHEN f.actual <= 0 THEN 'ok' WHEN f.actual >= f.target THEN 'breached'"
					  "  WHEN f.actual >= f.target * coalesce((b.thresholds_json ->> 'critical')::numeric, 0.95) THEN 'critical'"
					  "  WHEN f.actual >= f.target * coalesce((b.thresholds_json ->> 'warning')::numeric, 0.8) THEN 'warning' ELSE 'ok' END,"
					  " burn_rate = CASE WHEN $1 >= f.first THEN round(f.actual / nullif(f.target, 0) * f.days"
					  "  / (least($1, f.next - 1) - f.first + 1), 4) END,"
					  " burn_windows = CASE WHEN f.last14 IS NOT NULL AND f.target > 0 THEN jsonb_build_object("
					  "  '1', round(" BURN("1") "::numeric, 2), '2', round(" BURN("2") "::numeric, 2),"
					  "  '3', round(" BURN("3") "::numeric, 2), '7', round(" BURN("7") "::numeric, 2),"
					  "  '14', round(" BURN("14") "::numeric, 2)) END,"
					  " burn_level = CASE WHEN " BURN("1") " >= 6 AND " BURN("2") " >= 6 THEN 'page'"
					  "  WHEN " BURN("3") " >= 2 AND " BURN("7") " >= 2 THEN 'ticket' WHEN " BURN("14") " >= 1.2 THEN 'note' END,"
					  " exhausted_on = CASE WHEN f.period = 'daily' OR f.actual <= 0 THEN NULL WHEN f.actual >= f.target THEN least($1, f.next - 1)"
					  "  WHEN f.last7 > 0 AND (f.target - f.actual)::float8 / (f.last7 / 7) < f.next - $1 - 1"
					  "  THEN $1 + ceil((f.target - f.actual)::float8 / (f.last7 / 7))::integer END,"
					  " data_through = $1, last_refreshed_at = now()"
					  " FROM budget_figure f WHERE b.budget_id = f.budget_id", ARG_DATE(refresh->through));
}

/*
 * Sums over stages, of which the planner knows but the number of rows: never
 * by nested loops, and in memory where there is some.  FinopsEnd undoes it.
 */
static void
settle_planner(void)
{
	(void) set_config_option("enable_nestloop", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	if (work_mem < maintenance_work_mem)
		(void) set_config_option("work_mem", psprintf("%dkB", maintenance_work_mem), PGC_USERSET,
								 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

/*
 * finops.refresh_budgets(as_of date DEFAULT CURRENT_DATE) → bigint
 *
 * Errors: 22004 NULL, 22023 a day out of range, 25006 read-only.
 */
Datum
finops_refresh_budgets(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	Refresh		refresh;
	uint64		budgets = 0;
	bool		costs;

	FinopsRequireArg(fcinfo, 0, "as_of");
	FinopsRequireWritable("finops.refresh_budgets()");
	refresh.as_of = PG_GETARG_DATEADT(0);
	FinopsCheckDay(refresh.as_of, "as_of");
	FinopsBegin(&session);
	BudgetLock();
	settle_planner();
	refresh.through = caught_up(refresh.as_of);
	refresh.split = refresh.from = refresh.as_of;
	if (stage_windows(&refresh) > 0)
	{
		settle_range(&refresh);
		costs = stage_costs(&refresh);
		if (costs)
		{
			stage_weights(&refresh);
			stage_sums(&refresh);
			stage_cost_figures(&refresh);
		}
		stage_auto_amounts(costs);
		stage_other_figures(&refresh);
		stage_figures(&refresh, costs);
		budgets = write_budgets(&refresh);
	}
	FinopsEnd(&session);
	PG_RETURN_INT64((int64) budgets);
}

/*-------------------------------------------------------------------------
 *
 * known_steps.c
 *	  What is known of days to come: ends of commitments as steps, and how
 *	  days fill up.
 *
 * When a commitment ends, what it covered is billed at its price without it,
 * and its fee is gone.  Both are told by the lines of the commitment in the
 * newest complete billing period that has any (of a new commitment: in the one
 * in course), per day: of usage under it the contracted cost, or the cost at
 * public prices, less what it costs now; of other lines, one-time purchases
 * apart, what they cost.  The end is that of forecast.commitment_end, else what
 * the bill says of it, and the first day without the commitment the day after,
 * unless it ends at midnight.
 *
 *-------------------------------------------------------------------------
 */
#include "core/core.h"

#include "forecast/cost_history.h"

PG_FUNCTION_INFO_V1(finops_refresh_known_steps);
PG_FUNCTION_INFO_V1(finops_note_days);
PG_FUNCTION_INFO_V1(finops_completion_curve);

/* Columns by which AWS bills tell ends, as other_columns names them. */
#define END_TIME \
	"coalesce(nullif(f.other_columns ->> 'savings_plan_end_time', ''), nullif(f.other_columns ->> 'savingsPlan/EndTime', '')," \
	" nullif(f.other_columns ->> 'reservation_end_time', ''), nullif(f.other_columns ->> 'reservation/EndTime', ''))"

/* Lines of commitments of the two newest periods, by what a step is told of. */
static void
stage_lines(DateADT as_of)
{
	FINOPS_STAGE("commitment_line",
				 "SELECT f.bill_billing_period_start_date AS period, f.provider, f.commitment_discount_id AS id,"
				 " coalesce(f.line_item_usage_account_id, f.bill_payer_account_id) AS account_id, f.service,"
				 " f.product_region AS region, f.tenant_id, f.line_item_currency_code AS currency,"
				 " CASE f.charge_category WHEN 'Usage' THEN 'Usage' ELSE 'Purchase' END AS charge_category,"
				 " min(coalesce(f.line_item_usage_start_date::date, f.bill_billing_period_start_date)) AS first,"
				 " max(CASE WHEN " END_TIME " ~ '^[12]\\d{3}-(0[1-9]|1[0-2])-([0-2]\\d|3[01])' THEN left(" END_TIME ", 19) END) AS ends,"
				 " coalesce(sum(f.effective_cost), 0) AS effective, coalesce(sum(f.billed_cost), 0) AS billed,"
				 " coalesce(sum(coalesce(f.contracted_cost, f.list_cost)) FILTER (WHERE f.commitment_discount_status = 'Used'), 0) AS price,"
				 " count(*) FILTER (WHERE f.commitment_discount_status = 'Used' AND coalesce(f.contracted_cost, f.list_cost) IS NULL) AS unpriced"
				 " FROM @s@.fact_cost_raw f"
				 " WHERE f.bill_billing_period_start_date >= (date_trunc('month', $1::timestamp) - interval '1 month')::date"
				 " AND f.bill_billing_period_start_date <= $1"
				 " AND f.commitment_discount_id IS NOT NULL AND f.origin_period IS NULL"
				 " AND NOT (f.charge_category <> 'Usage' AND f.charge_frequency IS NOT DISTINCT FROM 'One-Time')"
				 " GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9",
				 ARG_DATE(as_of));
}

/*
 * Each commitment: the period it is told from, its days there, its end.  A
 * date in a bill may be none, such as 31 February: days are counted from the
 * first of its month.
 */
static void
stage_commitments(DateADT as_of)
{
	FINOPS_STAGE("commitment_of",
				 "SELECT l.provider, l.id, l.period, e.renewed, e.ends_on,"
				 " greatest((p.until - greatest(l.period, l.first))::numeric, 1) AS days,"
				 " greatest((least(p.until, $1, coalesce(e.ends_on, p.until)) - greatest(l.period, l.first))::numeric, 1) AS usage_days"
				 " FROM (SELECT *, row_number() OVER (PARTITION BY provider, id ORDER BY period) AS place FROM"
				 "  (SELECT provider, id, period, min(first) AS first, max(ends) AS ends FROM commitment_line GROUP BY 1, 2, 3) v) l"
				 " LEFT JOIN forecast.commitment_end t ON t.provider = l.provider AND t.commitment_discount_id = l.id,"
				 " LATERAL (SELECT t.provider IS NOT NULL AND t.ends_on IS NULL AS renewed, CASE WHEN t.provider IS NOT NULL THEN t.ends_on"
				 "  ELSE (left(l.ends, 8) || '01')::date + substr(l.ends, 9, 2)::int - (substr(l.ends, 12, 8) IN ('', '00:00:00'))::int END AS ends_on) e,"
				 " LATERAL (SELECT (l.period + interval '1 month')::date AS until) p"
				 " WHERE l.place = 1",
				 ARG_DATE(as_of));
}

/* The day after the newest of usage; without usage any day will do. */
static DateADT
day_after_usage(void)
{
	bool		isnull;

	FINOPS_RUN0("SELECT coalesce(max(c.usage_date) + 1, timezone('UTC', now())::date) FROM finops.cost_daily c"
				" WHERE c.charge_category = 'Usage'");
	return DatumGetDateADT(FinopsValue(0, 1, &isnull));
}

/*
 * finops.refresh_known_steps(as_of date) → provider, commitment_discount_id,
 * currency, ends_on, status, effective_per_day, billed_per_day: a row per
 * commitment; writes forecast.known_step.  Steps of commitments that have
 * ended stay, for what was before them.  as_of NULL: the day after the newest
 * of usage.
 */
Datum
finops_refresh_known_steps(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	DateADT		as_of;

	FinopsRequireWritable("finops.refresh_known_steps()");
	if (!PG_ARGISNULL(0))
		FinopsCheckDay(PG_GETARG_DATEADT(0), "as_of");
	FinopsBegin(&session);
	as_of = PG_ARGISNULL(0) ? day_after_usage() : PG_GETARG_DATEADT(0);
	stage_lines(as_of);
	stage_commitments(as_of);
	FINOPS_STAGE0("commitment_step",
				 "SELECT l.*, c.ends_on, c.renewed, CASE WHEN l.charge_category = 'Usage' THEN (l.price - l.effective) / c.usage_days ELSE -l.effective / c.days END AS effective_per_day,"
				 " CASE WHEN l.charge_category = 'Usage' THEN (l.price - l.billed) / c.usage_days ELSE -l.billed / c.days END AS billed_per_day,"
				 " sum(l.unpriced) OVER (PARTITION BY l.provider, l.id) > 0 AS unknown"
				 " FROM commitment_line l JOIN commitment_of c USING (provider, id, period)");
	FINOPS_RUN("DELETE FROM forecast.known_step k WHERE k.commitment_discount_id IS NOT NULL"
			   " AND (k.starts_on >= $1 OR (k.provider, k.commitment_discount_id) IN (SELECT provider, id FROM commitment_step))",
			   ARG_DATE(as_of));
	FINOPS_RUN0("INSERT INTO forecast.known_step (starts_on, amount_per_day, currency, provider, account_id, service, region,"
				" tenant_id, basis, charge_category, commitment_discount_id, note)"
				" SELECT s.ends_on, round(b.amount, 6), s.currency, s.provider, s.account_id, s.service, s.region, s.tenant_id, b.basis,"
				" s.charge_category, s.id, 'commitment ends, as told by ' || s.period"
				" FROM commitment_step s, LATERAL (VALUES ('effective', s.effective_per_day), ('billed', s.billed_per_day)) AS b(basis, amount)"
				" WHERE s.ends_on > s.period AND NOT s.unknown AND round(b.amount, 6) <> 0"
				" ORDER BY s.provider, s.id, s.account_id, s.service, s.region, s.tenant_id, s.currency, s.charge_category, b.basis");
	FINOPS_RUN0("SELECT s.provider, s.id, s.currency, s.ends_on,"
				" CASE WHEN bool_or(s.renewed) THEN 'renewed' WHEN s.ends_on IS NULL THEN 'no end' WHEN bool_or(s.unknown) THEN 'no price' ELSE 'step' END,"
				" CASE WHEN NOT bool_or(s.unknown) THEN round(sum(s.effective_per_day), 6) END, CASE WHEN NOT bool_or(s.unknown) THEN round(sum(s.billed_per_day), 6) END"
				" FROM commitment_step s GROUP BY 1, 2, 3, 4 ORDER BY 4, 1, 2, 3");
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

/*
 * finops.note_days() → how many rows.  The newest two weeks of usage of each
 * source as they are; what is older than 180 days goes.
 */
Datum
finops_note_days(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	int64		count;

	FinopsRequireWritable("finops.note_days()");
	FinopsBegin(&session);
	count = (int64) FINOPS_RUN0("INSERT INTO forecast.day_seen (source, currency, usage_date, age, effective_cost, billed_cost)"
								" SELECT c.source, c.currency, c.usage_date, l.loaded - c.usage_date, sum(c.effective_cost), sum(c.billed_cost)"
								" FROM finops.cost_daily c JOIN (" CURRENT_LOADS ") l USING (source, billing_period)"
								" WHERE c.charge_category = 'Usage' AND c.usage_date >= (SELECT max(m.usage_date) - 13 FROM finops.cost_daily m)"
								" AND l.loaded - c.usage_date BETWEEN 0 AND 13"
								" GROUP BY 1, 2, 3, 4 ON CONFLICT ON CONSTRAINT day_seen_pkey"
								" DO UPDATE SET effective_cost = excluded.effective_cost, billed_cost = excluded.billed_cost");
	FINOPS_RUN0("DELETE FROM forecast.day_seen s WHERE s.usage_date < (SELECT max(m.usage_date) - 180 FROM finops.cost_daily m)");
	FinopsEnd(&session);
	PG_RETURN_INT64(count);
}

/*
 * finops.completion_curve(basis text) → source, currency, age, days,
 * completeness: never less at a greater age.  22023 for an unknown basis.
 */
Datum
finops_completion_curve(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *basis = CostBasisArg(fcinfo, 0);

	FinopsBegin(&session);
	FINOPS_RUN("SELECT k.source, k.currency, k.age, k.days, k.share FROM (" COMPLETION_CURVE ") k"
			   " ORDER BY k.source COLLATE \"C\", k.currency, k.age", ARG_TEXT(basis));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

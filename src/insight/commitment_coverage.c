/*-------------------------------------------------------------------------
 *
 * commitment_coverage.c
 *	  What the commitments of a month cover, waste and save.
 *
 * Covered usage is valued at what it costs without the commitment: its
 * contracted cost, or where the bill does not say, its cost at public prices.
 * The fee is what covered usage costs under commitments and what of them was
 * not used.  With k covered / (covered + on demand), u used / fee and d
 * 1 - used / covered, the effective savings rate is k (1 - (1 - d) / u).
 *
 * No bill says which usage a commitment could have covered.  What counts as on
 * demand is usage without a commitment, spot apart, of services of which
 * commitments covered something in the month: of instances, and of the usage
 * types that they covered.
 *
 *-------------------------------------------------------------------------
 */
#include "core/core.h"

PG_FUNCTION_INFO_V1(finops_commitment_coverage);

/*
 * finops.commitment_coverage(period date) → provider, currency,
 * ondemand_equivalent, covered, on_demand, fee, used, unused, savings,
 * lines_without_price, coverage, utilisation, discount,
 * break_even_utilisation, effective_savings_rate: a row per provider and
 * currency that has commitments; amounts unrounded.  What needs the price of a
 * covered line that has none is NULL, as is what would divide by zero.
 * 22004, 22023 for the period argument.
 */
Datum
finops_commitment_coverage(PG_FUNCTION_ARGS)
{
	DateADT		period = FinopsPeriodArg(fcinfo, 0);
	FinopsSession session;

	FinopsCheckPeriodNotFuture(period);
	FinopsBegin(&session);
	FINOPS_RUN("WITH f AS (SELECT provider, line_item_currency_code AS currency, service,"
			   " line_item_usage_type AS usage_type, product_instance_type IS NOT NULL AS instance,"
			   " CASE WHEN commitment_discount_id IS NULL THEN 'on demand'"
			   " WHEN commitment_discount_status = 'Used' THEN 'used'"
			   " WHEN commitment_discount_status = 'Unused'"
			   " OR charge_category = 'Purchase' AND charge_frequency = 'Recurring' THEN 'unused' END AS part,"
			   " sum(effective_cost) AS cost, sum(coalesce(contracted_cost, list_cost)) AS price,"
			   " count(*) - count(coalesce(contracted_cost, list_cost)) AS unpriced"
			   " FROM @s@.fact_cost_raw WHERE bill_billing_period_start_date = $1"
			   " AND (commitment_discount_id IS NOT NULL OR charge_category = 'Usage'"
			   " AND coalesce(line_item_usage_type, '') !~ 'SpotUsage')"
			   " GROUP BY 1, 2, 3, 4, 5, 6),"
			   " e AS (SELECT *, part = 'on demand' AND (instance AND bool_or(part = 'used') OVER s"
			   " OR bool_or(part = 'used') OVER u) AS eligible FROM f"
			   " WINDOW s AS (PARTITION BY provider, currency, service),"
			   " u AS (PARTITION BY provider, currency, service, usage_type)),"
			   " t AS (SELECT provider, currency, coalesce(sum(unpriced) FILTER (WHERE part = 'used'), 0)::bigint AS unpriced,"
			   " coalesce(sum(price) FILTER (WHERE part = 'used'), 0) AS priced,"
			   " coalesce(sum(cost) FILTER (WHERE eligible), 0) AS on_demand,"
			   " coalesce(sum(cost) FILTER (WHERE part = 'used'), 0) AS used,"
			   " coalesce(sum(cost) FILTER (WHERE part = 'unused'), 0) AS unused"
			   " FROM e GROUP BY provider, currency HAVING bool_or(part IN ('used', 'unused'))),"
			   " c AS (SELECT *, CASE WHEN unpriced = 0 THEN priced END AS covered, used + unused AS fee FROM t)"
			   " SELECT provider, currency, covered + on_demand, covered, on_demand, fee, used, unused,"
			   " covered - fee, unpriced, covered / nullif(covered + on_demand, 0), used / nullif(fee, 0),"
			   " 1 - used / nullif(covered, 0), used / nullif(covered, 0),"
			   " (covered - fee) / nullif(covered + on_demand, 0)"
			   " FROM c ORDER BY provider, currency",
			   ARG_DATE(period));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

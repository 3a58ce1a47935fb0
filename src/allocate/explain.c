/*-------------------------------------------------------------------------
 *
 * explain.c
 *	  finops.explain_allocation: where a tenant's cost came from.
 *
 *-------------------------------------------------------------------------
 */
#include "allocate/allocate.h"

PG_FUNCTION_INFO_V1(finops_explain_allocation);

static void
refuse_unknown(const char *tenant_id, DateADT period)
{
	if (FINOPS_RUN("SELECT 1 FROM finops.period_gate"
				   " WHERE period_start = $1 AND gate = 'allocation'"
				   " UNION ALL SELECT 1 WHERE EXISTS"
				   "  (SELECT FROM @s@.fact_cost_allocated WHERE period_start = $1)",
				   ARG_DATE(period)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("billing period %s has not been allocated",
						FinopsPeriodText(period)),
				 errhint("SELECT finops.allocate('%s-01').",
						 FinopsPeriodText(period))));
	if (FINOPS_RUN("SELECT 1 FROM @s@.tenant_master WHERE tenant_id = $1"
				   " UNION ALL SELECT 1 WHERE EXISTS (SELECT FROM @s@.fact_cost_allocated"
				   "  WHERE period_start = $2 AND tenant_id = $1)",
				   ARG_TEXT(tenant_id), ARG_DATE(period)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("tenant \"%s\" is unknown",
						FinopsQuoteForMessage(tenant_id)),
				 errhint("SELECT tenant_id, tenant_name FROM tenant_master lists the tenants.")));
}

/*
 * finops.explain_allocation(tenant_id text, period date) -> TABLE (position,
 * path, kind, service, category, rule_id, rule_version, currency, key_metric,
 * key_value, key_total, share, pool_amount, amount, origin)
 *
 * One row per origin, largest amount first; the amounts add up to what the
 * tenant has of the period.  share is amount / pool_amount to 12 digits, NULL
 * for a pool of zero.  22004 for NULL arguments, 22023 for an unknown tenant or a
 * month that has not begun,
 * 55000 for a period that was not allocated.
 */
Datum
finops_explain_allocation(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *tenant_id;
	DateADT		period;

	FinopsRequireArg(fcinfo, 0, "tenant_id");
	period = FinopsPeriodArg(fcinfo, 1);
	FinopsCheckPeriodNotFuture(period);
	tenant_id = text_to_cstring(PG_GETARG_TEXT_PP(0));
	FinopsBegin(&session);
	refuse_unknown(tenant_id, period);
	FINOPS_RUN("WITH mine AS MATERIALIZED ("
			   "  SELECT a.origin, a.kind, a.service, a.category, a.rule_id, a.rule_version, a.currency,"
			   "   sum(a.allocated_cost_usd) AS amount,"
			   "   (array_agg(a.key_metric ORDER BY a.id DESC) FILTER (WHERE a.key_metric IS NOT NULL))[1] AS key_metric,"
			   "   (array_agg(a.key_value ORDER BY a.id DESC) FILTER (WHERE a.key_metric IS NOT NULL))[1] AS key_value,"
			   "   (array_agg(a.key_total ORDER BY a.id DESC) FILTER (WHERE a.key_metric IS NOT NULL))[1] AS key_total"
			   "  FROM @s@.fact_cost_allocated a WHERE a.period_start = $2 AND a.tenant_id = $1"
			   "  GROUP BY 1, 2, 3, 4, 5, 6, 7 HAVING sum(a.allocated_cost_usd) <> 0),"
			   " pool AS ("
			   "  SELECT a.origin, sum(a.allocated_cost_usd) AS amount FROM @s@.fact_cost_allocated a"
			   "  WHERE a.period_start = $2 AND a.origin IN (SELECT m.origin FROM mine m) GROUP BY 1)"
			   " SELECT row_number() OVER (ORDER BY m.currency, abs(m.amount) DESC, m.origin COLLATE \"C\", m.rule_version),"
			   " CASE m.kind WHEN 'direct' THEN format('%s <- tag <- %s %s', $1, m.service, m.category)"
			   "  ELSE format('%s <- rule %s version %s by %s <- %s %s', $1, m.rule_id, m.rule_version,"
			   "   m.key_metric, m.service, split_part(m.origin, '|', 3)) END,"
			   " m.kind, m.service, m.category, m.rule_id, m.rule_version, m.currency, m.key_metric,"
			   " m.key_value, m.key_total, round(m.amount / nullif(p.amount, 0), 12), p.amount, m.amount, m.origin"
			   " FROM mine m JOIN pool p USING (origin) ORDER BY 1",
			   ARG_TEXT(tenant_id), ARG_DATE(period));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

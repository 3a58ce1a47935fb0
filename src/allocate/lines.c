/*-------------------------------------------------------------------------
 *
 * lines.c
 *	  finops.entry_lines: the bill lines behind an allocation entry.
 *
 * An origin names provider, service, charge category, currency and rule; the
 * lines are those the rule took, found by the same predicates over the facts
 * as when the run was made, from the rule versions pinned with it.
 *
 *-------------------------------------------------------------------------
 */
#include "allocate/allocate.h"

PG_FUNCTION_INFO_V1(finops_entry_lines);

static void
find_entry(int64 entry_id)
{
	if (FINOPS_STAGE("finops_asked",
		"SELECT a.period_start, a.rule_id, a.currency, a.service, a.origin_period,"
		" replace(replace(split_part(a.origin, '|', 1), '%7C', '|'), '%25', '%') AS provider,"
		" split_part(a.origin, '|', 3) AS charge_category,"
		" replace(replace(split_part(a.origin, '|', 6), '%7C', '|'), '%25', '%') AS tenant_id,"
		" (SELECT max(i.run_id) FROM finops.allocation_input i WHERE i.period_start = a.period_start"
		"  AND i.run_id <= a.run_id) AS inputs_of"
		" FROM @s@.fact_cost_allocated a WHERE a.id = $1", ARG_INT8(entry_id)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("allocation entry %lld is unknown", (long long) entry_id),
				 errhint("SELECT id, tenant_id, service FROM fact_cost_allocated lists them.")));
}

/*
 * finops.entry_lines(entry_id bigint) -> TABLE (row_id,
 * identity_line_item_id, service, usage_type, resource_id, usage_start, cost,
 * currency)
 *
 * The lines of the entry's origin, with all of their cost on the cost basis
 * of the period.  22004 for NULL, 22023 for an unknown entry.
 */
Datum
finops_entry_lines(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	AllocateColumns columns;
	int			n_rules;
	bool		isnull;
	DateADT		period;
	char	   *follows;

	FinopsRequireArg(fcinfo, 0, "entry_id");
	FinopsBegin(&session);
	find_entry(PG_GETARG_INT64(0));
	n_rules = (int) FINOPS_STAGE0("finops_rule",
		"SELECT i.position AS no, i.name AS rule_id, i.detail ->> 'provider' AS provider,"
		" i.detail ->> 'service_match' AS service_match, i.detail ->> 'usage_type_like' AS usage_type_like,"
		" i.detail ->> 'charge_category' AS charge_category, nullif(i.detail -> 'match', 'null') AS match"
		" FROM finops_asked e JOIN finops.allocation_input i ON i.run_id = e.inputs_of AND i.part = 'rule'");
	AllocateCompile(&columns, n_rules);
	FINOPS_RUN0("SELECT e.period_start, EXISTS (SELECT FROM finops.allocation_input i WHERE i.run_id = e.inputs_of"
				" AND i.part = 'node' AND i.name = 'discount' AND i.detail ->> 'anchor' = concat_ws('|', e.provider, e.service))::text"
				" FROM finops_asked e");
	period = DatumGetDateADT(FinopsValue(0, 1, &isnull));
	follows = FinopsText(0, 2);
	FINOPS_RUN(psprintf("SELECT f.row_id, f.identity_line_item_id, f.service, f.line_item_usage_type,"
						" f.line_item_resource_id, f.line_item_usage_start_date, f.%s_cost, f.line_item_currency_code"
						" FROM finops_asked e JOIN @s@.fact_cost_raw f ON f.bill_billing_period_start_date = $1"
						"  AND f.provider = e.provider AND f.service = e.service AND f.charge_category = e.charge_category"
						"  AND f.line_item_currency_code = e.currency AND f.origin_period IS NOT DISTINCT FROM e.origin_period"
						" LEFT JOIN finops_rule r ON r.rule_id = e.rule_id"
						" WHERE CASE e.rule_id WHEN 'direct-tag' THEN f.tenant_id = e.tenant_id WHEN 'input-tax' THEN true"
						"  WHEN 'origin-period' THEN f.tenant_id IS NULL"
						"  WHEN 'unused-commitment' THEN f.tenant_id IS NULL AND f.commitment_discount_status = 'Unused'"
						"  WHEN 'discount' THEN f.tenant_id IS NULL AND f.line_item_line_item_type LIKE '%%Discount'"
						"  ELSE f.tenant_id IS NULL AND NOT ($2 AND coalesce(f.line_item_line_item_type, '') LIKE '%%Discount')"
						"   AND NOT ($3 AND coalesce(f.commitment_discount_status, '') = 'Unused')"
						"   AND (%s) IS NOT DISTINCT FROM r.no END ORDER BY 1",
						FinopsBasisName(FinopsPeriodBasis(period, false)),
						AllocateFirstMatch(&columns, true)),
			   ARG_DATE(period), ARG_BOOL(follows[0] == 't'),
			   ARG_BOOL(AllocatePolicyIs(period, "unused_commitment", "operator")));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

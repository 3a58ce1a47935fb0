/*-------------------------------------------------------------------------
 *
 * explain.c
 *	  finops.explain_invoice_line: a line of a document back to the bill.
 *
 * line -> entries -> rules -> deliveries -> bill lines, each step read by an
 * index, so that the answer does not depend on the size of the month.  Where
 * an entry has too many bill lines to name them, it names the call that
 * lists them.
 *
 *-------------------------------------------------------------------------
 */
#include "reconcile/reconcile.h"

#include "allocate/allocate.h"

PG_FUNCTION_INFO_V1(finops_explain_invoice_line);

#define MAX_BILL_LINES "100"

/* $1 invoice, $2 line */
static const char *const explain_sql =
"WITH line AS MATERIALIZED (SELECT d.*, h.currency, h.kind, h.original_invoice_id FROM @s@.invoice_detail d"
"   JOIN @s@.invoice_header h ON h.invoice_id = d.invoice_id WHERE d.invoice_id = $1 AND d.line_no = $2),"
" entry AS MATERIALIZED (SELECT a.origin, a.rule_id, a.rule_version, a.kind, a.origin_period, max(a.id) AS id, sum(a.allocated_cost_usd) AS amount,"
"   a.currency, max(a.key_metric) AS key_metric, (array_agg(a.key_value ORDER BY a.id DESC))[1] AS key_value,"
"   (array_agg(a.key_total ORDER BY a.id DESC))[1] AS key_total, max(a.share) AS share, max(a.rung) AS rung, max(a.run_id) AS run_id,"
"   max(a.source_line_ids) AS line_ids,"
"   replace(replace(split_part(a.origin, '|', 1), '%7C', '|'), '%25', '%') AS provider"
"  FROM line l JOIN @s@.fact_cost_allocated a ON a.period_start = l.period_start AND a.tenant_id = l.tenant_id"
"   AND a.service = l.service AND a.currency = l.cost_currency AND a.rule_id <> '" ALLOCATE_PACKED_RULE "'"
"  WHERE l.line_type = 'allocation' AND l.kind = 'invoice'"
"  GROUP BY a.origin, a.rule_id, a.rule_version, a.kind, a.origin_period, a.currency HAVING sum(a.allocated_cost_usd) <> 0"
"  UNION ALL SELECT p.origin, p.rule_id, p.rule_version, 'shared', NULL, max(p.id), sum(x.amount), p.currency, max(p.key_metric), NULL, NULL,"
"   NULL, max(p.rung), max(p.run_id), max(p.source_line_ids), replace(replace(split_part(p.origin, '|', 1), '%7C', '|'), '%25', '%')"
"  FROM line l JOIN finops.allocation_target t ON t.period_start = l.period_start"
"  CROSS JOIN LATERAL (SELECT array_position(t.targets, 't:' || l.tenant_id) AS at) o"
"  JOIN finops.allocation_packed p ON p.list_id = t.list_id AND p.service = l.service AND p.currency = l.cost_currency"
"  CROSS JOIN LATERAL (SELECT finops.packed_amount(p.units, o.at, p.amount_scale) AS amount) x"
"  WHERE l.line_type = 'allocation' AND l.kind = 'invoice' AND o.at IS NOT NULL"
"  GROUP BY p.origin, p.rule_id, p.rule_version, p.currency HAVING sum(x.amount) <> 0),"
" candidate AS (SELECT d.*, l.service, count(*) OVER () AS n FROM line l JOIN finops.delivery d ON d.billing_period = l.period_start AND d.status = 'current'"
"  WHERE EXISTS (SELECT FROM entry e WHERE e.provider = coalesce(d.provider, e.provider) AND e.origin_period IS NOT DISTINCT FROM d.origin_period)),"
/* LIMIT keeps these on their indexes */
" delivery AS (SELECT c.* FROM candidate c WHERE c.n = 1 OR (SELECT true FROM finops.cost_daily x WHERE x.billing_period = c.billing_period"
"   AND x.source = c.source AND x.service = c.service LIMIT 1)),"
" bill_line AS (SELECT f.*, e.id AS entry_id FROM line l CROSS JOIN entry e CROSS JOIN LATERAL unnest(e.line_ids) u(id)"
"  CROSS JOIN LATERAL (SELECT r.* FROM @s@.fact_cost_raw r WHERE r.bill_billing_period_start_date = l.period_start AND r.row_id = u.id::bigint LIMIT 1) f"
"  ORDER BY abs(f.billed_cost) DESC, f.row_id LIMIT " MAX_BILL_LINES "),"
" found (place, weight, step, name, detail, amount, currency, reference) AS ("
"  SELECT 1, 0::numeric, 'line', l.line_type, concat_ws('; ', l.description, format('%s %s at %s %s', l.quantity, l.unit, l.unit_price, l.currency),"
"    CASE WHEN l.cost IS NOT NULL THEN format('cost %s %s', l.cost, l.cost_currency) END), l.amount, l.currency,"
"   jsonb_strip_nulls(jsonb_build_object('invoice_id', l.invoice_id, 'line_no', l.line_no, 'tenant_id', l.tenant_id,"
"    'original_invoice_id', l.original_invoice_id)) || coalesce(l.reference_ids, '{}') FROM line l"
"  UNION ALL SELECT 2, abs(e.amount), 'entry', e.origin, concat_ws('; ', e.kind, format('by rule %s', e.rule_id),"
"    CASE WHEN e.key_total IS NOT NULL THEN format('%s of %s%s', trim_scale(e.key_value), trim_scale(e.key_total), ' ' || e.key_metric) END,"
"    CASE WHEN e.rung > 0 THEN format('rung %s of the fallback', e.rung) END,"
"    CASE WHEN e.line_ids IS NULL THEN format('its bill lines: SELECT * FROM finops.entry_lines(%s)', e.id) END), e.amount, e.currency,"
"   jsonb_strip_nulls(jsonb_build_object('entry_id', e.id, 'run_id', e.run_id, 'rule_id', e.rule_id, 'rule_version', e.rule_version, 'share', e.share,"
"    'key_metric', e.key_metric, 'key_value', e.key_value, 'key_total', e.key_total, 'origin_period', e.origin_period)) FROM entry e"
"  UNION ALL SELECT 3, abs(sum(e.amount)), 'rule', e.rule_id, CASE WHEN r.rule_id IS NULL THEN 'built in'"
"    ELSE format('version %s, %s', r.rule_version, concat_ws(' by ', r.formula, r.driver)) END, sum(e.amount), e.currency,"
"   coalesce(jsonb_strip_nulls(to_jsonb(r)), '{}') FROM entry e"
"   LEFT JOIN @s@.allocation_rules r ON r.rule_id = e.rule_id AND r.rule_version = e.rule_version GROUP BY e.rule_id, e.currency, r.*, r.rule_id, r.rule_version, r.formula, r.driver"
"  UNION ALL SELECT 4, abs(d.billed_cost), 'delivery', d.source, concat_ws('; ', d.kind, d.format, format('%s lines', d.line_items), d.address), d.billed_cost, NULL,"
"   jsonb_strip_nulls(jsonb_build_object('delivery_id', d.delivery_id, 'digest', d.digest, 'loaded_at', d.loaded_at, 'origin_period', d.origin_period)) FROM delivery d"
"  UNION ALL SELECT 5, abs(b.billed_cost), 'bill line', b.identity_line_item_id, concat_ws('; ', b.line_item_usage_type, b.line_item_resource_id,"
"    b.line_item_usage_start_date), CASE WHEN $3 = 'billed' THEN b.billed_cost ELSE b.effective_cost END, b.line_item_currency_code,"
"   jsonb_build_object('row_id', b.row_id, 'entry_id', b.entry_id, 'delivery_id', b.delivery_id) FROM bill_line b)"
" SELECT row_number() OVER (ORDER BY f.place, f.weight DESC, f.name COLLATE \"C\", f.reference::text COLLATE \"C\"), f.step, f.name, f.detail, f.amount, f.currency, f.reference"
" FROM found f ORDER BY 1";

/*
 * finops.explain_invoice_line(invoice_id text, line_no integer) -> TABLE
 * (position bigint, step text, name text, detail text, amount numeric,
 * currency text, reference jsonb)
 *
 * The amounts of the entries add up to the cost of the line.  Errors: 22004;
 * 22023 for a line that does not exist.
 */
Datum
finops_explain_invoice_line(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *invoice;
	int32		line;
	bool		isnull;
	DateADT		period;

	FinopsRequireArg(fcinfo, 0, "invoice_id");
	FinopsRequireArg(fcinfo, 1, "line_no");
	invoice = text_to_cstring(PG_GETARG_TEXT_PP(0));
	line = PG_GETARG_INT32(1);
	FinopsBegin(&session);
	if (FINOPS_RUN("SELECT d.period_start FROM @s@.invoice_detail d WHERE d.invoice_id = $1 AND d.line_no = $2",
				   ARG_TEXT(invoice), ARG_INT4(line)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("document \"%s\" has no line %d", FinopsQuoteForMessage(invoice), line),
				 errhint("SELECT invoice_id, line_no, description FROM invoice_detail lists them.")));
	period = DatumGetDateADT(FinopsValue(0, 1, &isnull));
	FINOPS_RUN(explain_sql, ARG_TEXT(invoice), ARG_INT4(line),
			   ARG_TEXT(FinopsBasisName(FinopsPeriodBasis(period, false))));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

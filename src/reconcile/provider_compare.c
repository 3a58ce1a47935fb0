/*-------------------------------------------------------------------------
 *
 * provider_compare.c
 *	  The bill against the provider's invoices: by how much, and why.
 *
 * The bill lines of an invoice id and the amount on the invoice are summed
 * apart and then joined.  A difference is taken apart in a fixed order, each
 * cause taking what it explains from what is left:
 *
 *	  regrouped   the amount stands under another invoice id or service
 *	  missing     on the invoice, not in the bill
 *	  extra       in the bill, not on the invoice
 *	  currency    the bill has it in another currency, at the period's rate
 *	  late        lines of this invoice that a later month's bill brought
 *	  tax, credit the tax or credit lines differ
 *	  rate        the same quantity at another unit price
 *	  rounding    what is left is within the tolerance of FOCUS 1.4
 *	  unexplained what is left is not
 *
 * so that the amounts of an invoice always add up to its difference.  Lines
 * without an invoice id stand under the empty id: a bill that is not final.
 *
 *-------------------------------------------------------------------------
 */
#include "reconcile/reconcile.h"

PG_FUNCTION_INFO_V1(finops_compare_provider_invoice);

/* Bill lines by invoice, category and service.  $1 period. */
static const char *const bill_sql =
"SELECT coalesce(f.bill_invoice_id, '') AS invoice_id, f.line_item_currency_code AS currency,"
"  f.charge_category, f.service, sum(f.billed_cost) AS amount, count(*) AS n,"
"  sum(f.line_item_usage_amount) AS quantity"
" FROM @s@.fact_cost_raw f WHERE f.bill_billing_period_start_date = $1 GROUP BY 1, 2, 3, 4";

/* Lines of these invoices that came with the bills of the next three months. */
static const char *const late_sql =
"SELECT f.bill_invoice_id AS invoice_id, f.line_item_currency_code AS currency, sum(f.billed_cost) AS amount"
" FROM @s@.fact_cost_raw f WHERE f.bill_billing_period_start_date > $1"
"  AND f.bill_billing_period_start_date <= ($1 + interval '3 months')::date"
"  AND EXISTS (SELECT FROM finops.provider_invoice p WHERE p.period_start = $1 AND p.invoice_id = f.bill_invoice_id)"
" GROUP BY 1, 2";

/* Both sides of each invoice id and currency. */
static const char *const pair_sql =
"WITH want AS (SELECT p.invoice_id, p.currency, coalesce(sum(p.amount) FILTER (WHERE p.charge_category IS NULL"
"    AND p.service IS NULL), sum(p.amount)) AS amount, sum(p.amount) FILTER (WHERE p.charge_category = 'Tax') AS tax,"
"   sum(p.amount) FILTER (WHERE p.charge_category = 'Credit') AS credit, bool_or(p.status = 'open') AS is_open"
"  FROM finops.provider_invoice p WHERE p.period_start = $1 GROUP BY 1, 2),"
" have AS (SELECT b.invoice_id, b.currency, sum(b.amount) AS amount, sum(b.n)::bigint AS n,"
"   coalesce(sum(b.amount) FILTER (WHERE b.charge_category = 'Tax'), 0) AS tax,"
"   coalesce(sum(b.amount) FILTER (WHERE b.charge_category = 'Credit'), 0) AS credit"
"  FROM bill_side b GROUP BY 1, 2)"
" SELECT invoice_id, currency, w.amount AS expected, h.amount AS actual, coalesce(h.n, 0) AS n,"
"  coalesce(h.amount, 0) - coalesce(w.amount, 0) AS difference,"
"  trim_scale(finops.focus_rounding_tolerance(coalesce(h.n, 0), currency)) AS tolerance,"
"  w.tax AS tax_expected, w.credit AS credit_expected, h.tax, h.credit, coalesce(w.is_open, false) AS is_open,"
"  l.amount AS late"
" FROM want w FULL JOIN have h USING (invoice_id, currency) LEFT JOIN late_side l USING (invoice_id, currency)";

/*
 * What whole invoices explain: the same invoice in another currency, the same
 * amount under another id, or one side alone.  $1 period.
 */
static const char *const whole_sql =
"WITH one AS (SELECT p.*, finops.fx_rate_of(p.currency, $1) AS rate FROM pair p"
"  WHERE (p.expected IS NULL) <> (p.actual IS NULL)),"
" swapped AS (SELECT e.invoice_id, e.currency AS expected_currency, a.currency AS actual_currency,"
"   a.difference * a.rate / e.rate + e.difference AS left_over, a.tolerance * a.rate / e.rate AS tolerance"
"  FROM one e JOIN one a ON a.invoice_id = e.invoice_id AND e.actual IS NULL AND a.expected IS NULL"
"  WHERE e.rate IS NOT NULL AND a.rate IS NOT NULL"
"   AND 1 = (SELECT count(*) FROM one x WHERE x.invoice_id = e.invoice_id AND x.actual IS NULL)"
"   AND 1 = (SELECT count(*) FROM one x WHERE x.invoice_id = e.invoice_id AND x.expected IS NULL)),"
" rest AS (SELECT o.* FROM one o WHERE NOT EXISTS (SELECT FROM swapped s WHERE s.invoice_id = o.invoice_id)),"
" moved AS (SELECT e.invoice_id AS missing_id, a.invoice_id AS extra_id, e.currency, e.difference + a.difference AS left_over"
"  FROM rest e JOIN rest a ON a.currency = e.currency AND e.actual IS NULL AND a.expected IS NULL"
"   AND abs(e.difference + a.difference) <= a.tolerance),"
" pairs AS (SELECT m.* FROM moved m WHERE 1 = (SELECT count(*) FROM moved x WHERE x.missing_id = m.missing_id AND x.currency = m.currency)"
"   AND 1 = (SELECT count(*) FROM moved x WHERE x.extra_id = m.extra_id AND x.currency = m.currency)),"
" alone AS (SELECT r.*, EXISTS (SELECT FROM pairs p WHERE p.currency = r.currency AND r.invoice_id IN (p.missing_id, p.extra_id)) AS paired"
"  FROM rest r),"
/* all that is left under other ids adds up to what the invoices ask: split or merged */
" merged AS (SELECT a.currency, abs(sum(a.difference)) <= max(a.tolerance) AND count(*) FILTER (WHERE a.actual IS NULL) > 0"
"   AND count(*) FILTER (WHERE a.expected IS NULL) > 0 AS yes FROM alone a WHERE NOT a.paired GROUP BY 1)"
/* the invoice's side carries the amount at the other currency's rate and what is left of it */
" SELECT s.invoice_id, s.expected_currency AS currency, 'currency' AS cause, p.difference - CASE WHEN abs(s.left_over) <= s.tolerance"
"   THEN 0 ELSE s.left_over END AS amount, format('the bill has it in %s', s.actual_currency) AS detail"
"  FROM swapped s JOIN pair p ON p.invoice_id = s.invoice_id AND p.currency = s.expected_currency"
" UNION ALL SELECT s.invoice_id, s.actual_currency, 'currency', p.difference, format('the invoice has it in %s', s.expected_currency)"
"  FROM swapped s JOIN pair p ON p.invoice_id = s.invoice_id AND p.currency = s.actual_currency"
" UNION ALL SELECT a.invoice_id, a.currency, CASE WHEN a.paired OR m.yes THEN 'regrouped' WHEN a.actual IS NULL"
"   THEN CASE WHEN a.late IS NOT NULL THEN 'late' ELSE 'missing' END ELSE 'extra' END,"
"   CASE WHEN a.actual IS NULL AND a.late IS NOT NULL AND NOT (a.paired OR coalesce(m.yes, false)) THEN -a.late ELSE a.difference END,"
"   CASE WHEN a.paired OR m.yes THEN 'the amount stands under another invoice id'"
"    WHEN a.actual IS NULL AND a.late IS NOT NULL THEN 'the bill of a later month has its lines'"
"    WHEN a.actual IS NULL THEN 'no bill line carries this invoice id'"
"    WHEN a.invoice_id = '' THEN 'bill lines without an invoice id' ELSE 'the provider''s invoice is not loaded' END"
"  FROM alone a LEFT JOIN merged m ON m.currency = a.currency AND NOT a.paired";

/* What the services of an invoice explain, where the invoice shows them. */
static const char *const service_sql =
"WITH want AS (SELECT p.invoice_id, p.currency, p.service, sum(p.amount) AS amount, sum(p.quantity) AS quantity,"
"   sum(p.quantity * p.unit_price) / nullif(sum(p.quantity), 0) AS price"
"  FROM finops.provider_invoice p WHERE p.period_start = $1 AND p.service IS NOT NULL"
"   AND coalesce(p.charge_category, '') NOT IN ('Tax', 'Credit') GROUP BY 1, 2, 3),"
" have AS (SELECT b.invoice_id, b.currency, b.service, sum(b.amount) AS amount, sum(b.quantity) AS quantity"
"  FROM bill_side b WHERE b.charge_category NOT IN ('Tax', 'Credit') GROUP BY 1, 2, 3),"
" both_sides AS (SELECT p.invoice_id, p.currency, p.tolerance, s.service, w.amount AS expected, h.amount AS actual,"
"   coalesce(h.amount, 0) - coalesce(w.amount, 0) AS difference, w.quantity AS expected_quantity, h.quantity, w.price"
"  FROM pair p CROSS JOIN LATERAL (SELECT w.service FROM want w WHERE w.invoice_id = p.invoice_id AND w.currency = p.currency"
"   UNION SELECT h.service FROM have h WHERE h.invoice_id = p.invoice_id AND h.currency = p.currency) s"
"  LEFT JOIN want w ON w.invoice_id = p.invoice_id AND w.currency = p.currency AND w.service = s.service"
"  LEFT JOIN have h ON h.invoice_id = p.invoice_id AND h.currency = p.currency AND h.service = s.service"
"  WHERE p.expected IS NOT NULL AND p.actual IS NOT NULL"
"   AND EXISTS (SELECT FROM want x WHERE x.invoice_id = p.invoice_id AND x.currency = p.currency)),"
" lone AS (SELECT b.invoice_id, b.currency, abs(sum(b.difference)) <= max(b.tolerance)"
"   AND count(b.expected) > 0 AND count(b.actual) > 0 AS moved"
"  FROM both_sides b WHERE b.expected IS NULL OR b.actual IS NULL GROUP BY 1, 2)"
" SELECT b.invoice_id, b.currency, CASE WHEN l.moved THEN 'regrouped' WHEN b.actual IS NULL THEN 'missing' ELSE 'extra' END AS cause,"
"  b.difference AS amount, b.service AS detail"
"  FROM both_sides b JOIN lone l USING (invoice_id, currency) WHERE b.expected IS NULL OR b.actual IS NULL"
" UNION ALL SELECT b.invoice_id, b.currency, x.cause, x.amount, b.service FROM both_sides b, LATERAL (VALUES"
"   ('rate', b.difference - (b.quantity - b.expected_quantity) * b.price),"
"   (CASE WHEN b.quantity < b.expected_quantity THEN 'missing' ELSE 'extra' END, (b.quantity - b.expected_quantity) * b.price)) AS x(cause, amount)"
"  WHERE b.expected IS NOT NULL AND b.actual IS NOT NULL AND b.price IS NOT NULL AND b.quantity IS NOT NULL"
"   AND b.difference <> 0 AND x.amount <> 0 AND (x.cause <> 'rate' OR abs(x.amount) > abs(b.expected) * 1e-9)";

/*
 * All causes of one invoice and what is left.  Tax and credits are compared
 * where the invoice shows them; where it does not, a difference that is just
 * the tax or the credits of the bill is theirs.
 */
static const char *const cause_sql =
"WITH part AS (SELECT * FROM whole UNION ALL SELECT * FROM by_service),"
" known AS (SELECT invoice_id, currency, sum(amount) AS amount FROM part GROUP BY 1, 2),"
" matched AS (SELECT p.*, p.difference - coalesce(k.amount, 0) + coalesce(p.late, 0) AS after_late,"
"   p.tax - p.tax_expected AS tax_difference, p.credit - p.credit_expected AS credit_difference"
"  FROM pair p LEFT JOIN known k USING (invoice_id, currency) WHERE p.expected IS NOT NULL AND p.actual IS NOT NULL),"
" by_category AS (SELECT m.*, CASE WHEN m.tax_expected IS NOT NULL THEN m.tax_difference"
"    WHEN m.tax <> 0 AND abs(m.after_late - m.tax) <= m.tolerance THEN m.tax ELSE 0 END AS tax_part FROM matched m),"
" by_credit AS (SELECT m.*, CASE WHEN m.credit_expected IS NOT NULL THEN m.credit_difference"
"    WHEN m.credit <> 0 AND abs(m.after_late - m.tax_part - m.credit) <= m.tolerance"
"     AND abs(m.after_late - m.tax_part) > m.tolerance THEN m.credit ELSE 0 END AS credit_part FROM by_category m),"
" left_over AS (SELECT p.invoice_id, p.currency, coalesce(m.after_late - m.tax_part - m.credit_part,"
"    p.difference - coalesce(k.amount, 0)) AS amount"
"  FROM pair p LEFT JOIN known k USING (invoice_id, currency) LEFT JOIN by_credit m USING (invoice_id, currency)),"
" every AS (SELECT * FROM part"
"  UNION ALL SELECT m.invoice_id, m.currency, 'late', -m.late, 'the bill of a later month has these lines' FROM by_credit m WHERE m.late <> 0"
"  UNION ALL SELECT m.invoice_id, m.currency, 'tax', m.tax_part, 'tax of the bill less tax of the invoice' FROM by_credit m WHERE m.tax_part <> 0"
"  UNION ALL SELECT m.invoice_id, m.currency, 'credit', m.credit_part, 'credits of the bill less credits of the invoice' FROM by_credit m WHERE m.credit_part <> 0"
"  UNION ALL SELECT l.invoice_id, l.currency, CASE WHEN p.is_open THEN 'late' WHEN abs(l.amount) <= p.tolerance THEN 'rounding'"
"    ELSE 'unexplained' END, l.amount, CASE WHEN p.is_open THEN 'the invoice is still open'"
"    WHEN abs(l.amount) <= p.tolerance THEN format('within %s %s', trim_scale(round(p.tolerance, 4)), p.currency) END"
"   FROM left_over l JOIN pair p USING (invoice_id, currency) WHERE l.amount <> 0)"
" SELECT p.invoice_id, p.currency, p.expected, p.actual, p.difference, p.n AS line_items, p.tolerance, e.cause,"
"  coalesce(sum(e.amount), 0) AS amount, CASE WHEN p.difference = 0 AND e.cause IS NULL THEN 'ok'"
"   WHEN e.cause = 'unexplained' THEN 'unexplained' ELSE 'explained' END AS status,"
"  string_agg(DISTINCT e.detail, ', ' ORDER BY e.detail) AS detail"
" FROM pair p LEFT JOIN every e ON e.invoice_id = p.invoice_id AND e.currency = p.currency"
" GROUP BY p.invoice_id, p.currency, p.expected, p.actual, p.difference, p.n, p.tolerance, e.cause";

/* Within a session: stages "provider_difference"; false where no invoice is loaded. */
bool
ReconProviderDifferences(DateADT period)
{
	if (FINOPS_RUN("SELECT FROM finops.provider_invoice p WHERE p.period_start = $1 LIMIT 1",
				   ARG_DATE(period)) == 0)
		return false;
	FINOPS_STAGE("bill_side", bill_sql, ARG_DATE(period));
	FINOPS_STAGE("late_side", late_sql, ARG_DATE(period));
	FINOPS_STAGE("pair", pair_sql, ARG_DATE(period));
	FINOPS_STAGE("whole", whole_sql, ARG_DATE(period));
	FINOPS_STAGE("by_service", service_sql, ARG_DATE(period));
	FinopsStage("provider_difference", cause_sql, 0, NULL);
	return true;
}

/*
 * finops.compare_provider_invoice(period date)
 *	-> TABLE(invoice_id text, currency text, expected numeric, actual numeric,
 *			 difference numeric, line_items bigint, tolerance numeric,
 *			 cause text, amount numeric, status text, detail text)
 *
 * Billed cost; difference is actual - expected.  status is ok, explained or
 * unexplained.  Errors: 22004, 22023 for the period; 55000 where no invoice
 * of the month is loaded.
 */
Datum
finops_compare_provider_invoice(PG_FUNCTION_ARGS)
{
	DateADT		period = FinopsPeriodArg(fcinfo, 0);
	FinopsSession session;

	FinopsCheckPeriodNotFuture(period);
	FinopsBegin(&session);
	if (!ReconProviderDifferences(period))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no provider invoice of %s is loaded", FinopsPeriodText(period)),
				 errhint("SELECT * FROM finops.load_provider_invoice(date '%s-01', '[{\"invoice_id\": \"156090591\", \"amount\": 4064.48}]') takes totals per invoice id.",
						 FinopsPeriodText(period))));
	FINOPS_RUN0("SELECT d.invoice_id, d.currency, d.expected, d.actual, d.difference, d.line_items, d.tolerance,"
				" d.cause, d.amount, d.status, d.detail FROM provider_difference d"
				" ORDER BY d.status = 'ok', d.status = 'explained', abs(d.difference) DESC,"
				" d.invoice_id COLLATE \"C\", d.currency, d.cause");
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

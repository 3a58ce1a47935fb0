/*-------------------------------------------------------------------------
 *
 * reconcile.c
 *	  The reconciliation of a billing period: what the bill says, what the
 *	  allocation placed, what the documents pass on.
 *
 * Two questions are kept apart.  Arithmetic: allocated + operator overhead +
 * unallocated must equal cost in, to the last digit, per service and
 * currency; anything else is an error in the ledger and raised as such.
 * Control: what no rule placed is a variance, judged by the thresholds of
 * finops.recon_policy and written down with its amount.
 *
 * Each side is summed before it is joined to another.  Joining bill lines to
 * entries first multiplies both sums and can turn a third of the cost
 * missing into a variance of 0.
 *
 * A percent is judged by multiplication, abs(variance) * 100 against
 * threshold * abs(expected), because a quotient is rounded and an amount
 * exactly on a threshold belongs to the lower class.
 *
 * Lines of credit notes carry their cost with the opposite sign, so the cost
 * passed on is a plain sum over documents.
 *
 *-------------------------------------------------------------------------
 */
#include "reconcile/reconcile.h"

PG_FUNCTION_INFO_V1(finops_reconcile);

/*
 * The class of a variance $v against an expected amount $e under a policy
 * row p: nothing expected but something there has failed.
 */
#define STATUS_OF(v, e, p) \
	" CASE WHEN " e " = 0 THEN CASE WHEN " v " = 0 THEN 'ok' ELSE 'failed' END" \
	" WHEN abs(" v ") * 100 > " p ".failed_pct * abs(" e ") THEN 'failed'" \
	" WHEN abs(" v ") * 100 > " p ".warning_pct * abs(" e ") THEN 'warning'" \
	" ELSE 'ok' END"

/* Amounts in messages: two digits, unless that would show nothing. */
#define SHOWN(x) \
	"CASE WHEN abs(" x ") >= 0.01 OR " x " = 0 THEN round(" x ", 2) ELSE trim_scale(" x ") END"

/* The policy of the period: the latest version, the user's before ours. */
#define POLICY \
	" policy AS (SELECT DISTINCT ON (stage) stage, policy_version," \
	"   warning_pct, failed_pct FROM finops.recon_policy" \
	"  WHERE effective_from <= $1" \
	"  ORDER BY stage, shipped, effective_from DESC)"

char *
ReconId(DateADT period)
{
	return psprintf("RECON-%s", FinopsPeriodText(period));
}

/*
 * The previous run moves to history and makes room for the next one;
 * returns the revision of the next one.
 */
static int32
supersede(const char *recon_id)
{
	FINOPS_RUN("WITH run AS (SELECT * FROM finops.recon_run WHERE recon_id = $1)"
			   " INSERT INTO finops.recon_history (recon_id, revision, relation, key, content)"
			   " SELECT r.recon_id, r.revision, x.relation, x.key, x.content FROM run r,"
			   " LATERAL (SELECT 'recon_run', r.recon_id, to_jsonb(r)"
			   "  UNION ALL SELECT 'recon_detail', d.service, to_jsonb(d)"
			   "   FROM finops.recon_detail d WHERE d.recon_id = r.recon_id"
			   "  UNION ALL SELECT 'recon_stage', g.stage || ' ' || g.name, to_jsonb(g)"
			   "   FROM finops.recon_stage g WHERE g.recon_id = r.recon_id"
			   "  UNION ALL SELECT 'recon_currency', c.currency, to_jsonb(c)"
			   "   FROM finops.recon_currency c WHERE c.recon_id = r.recon_id"
			   "  UNION ALL SELECT 'recon_summary', s.service, to_jsonb(s)"
			   "   FROM @s@.recon_summary s WHERE s.recon_id = r.recon_id"
			   "  UNION ALL SELECT 'recon_exceptions', e.exception_id, to_jsonb(e)"
			   "   FROM @s@.recon_exceptions e WHERE e.recon_id = r.recon_id)"
			   " AS x(relation, key, content)", ARG_TEXT(recon_id));
	FINOPS_RUN("WITH a AS (DELETE FROM @s@.recon_exceptions WHERE recon_id = $1),"
			   " b AS (DELETE FROM @s@.recon_summary WHERE recon_id = $1),"
			   " c AS (DELETE FROM finops.recon_detail WHERE recon_id = $1),"
			   " d AS (DELETE FROM finops.recon_stage WHERE recon_id = $1),"
			   " e AS (DELETE FROM finops.recon_currency WHERE recon_id = $1)"
			   " DELETE FROM finops.recon_run WHERE recon_id = $1",
			   ARG_TEXT(recon_id));
	FINOPS_RUN("SELECT coalesce(max(revision), 0) + 1 FROM finops.recon_history"
			   " WHERE recon_id = $1", ARG_TEXT(recon_id));
	return (int32) FinopsInt64(0, 1);
}

/*
 * The sides, each summed once.  Cost in comes from the daily roll-up where
 * that is what was delivered, else from the facts.  $1 period, $2 first day
 * after it; %s is the cost column of the basis.
 */
static const char *const cost_from_rollup_sql =
"SELECT c.source, c.service, c.currency, sum(c.line_items)::bigint AS n, sum(c.billed_cost) AS billed_cost,"
"  sum(c.effective_cost) AS effective_cost,"
"  coalesce(sum(c.%1$s) FILTER (WHERE c.tenant_id IS NULL), 0) AS untagged,"
"  coalesce(sum(c.%1$s) FILTER (WHERE c.usage_date < $1 - 1 OR c.usage_date >= $2 + 1), 0) AS outside"
" FROM finops.cost_daily c WHERE c.billing_period = $1 GROUP BY 1, 2, 3";

static const char *const cost_from_facts_sql =
"SELECT f.service, f.line_item_currency_code AS currency, count(*) AS n, sum(f.%1$s) AS amount,"
"  coalesce(sum(f.%1$s) FILTER (WHERE f.tenant_id IS NULL), 0) AS untagged,"
"  coalesce(sum(f.%1$s) FILTER (WHERE f.line_item_usage_start_date < $1 - 1"
"    OR f.line_item_usage_start_date >= $2 + 1), 0) AS outside"
" FROM @s@.fact_cost_raw f WHERE f.bill_billing_period_start_date = $1 GROUP BY 1, 2";

static const char *const cost_sum_sql =
"SELECT c.service, c.currency, sum(c.n)::bigint AS n, sum(c.%1$s) AS amount, sum(c.untagged) AS untagged,"
"  sum(c.outside) AS outside FROM cost_rollup c GROUP BY 1, 2";

/* Rows where roll-up and deliveries differ; none: the roll-up may be used. */
static const char *const rollup_differs_sql =
"SELECT FROM (SELECT c.source, sum(c.n) AS n, sum(c.billed_cost) AS billed, sum(c.effective_cost) AS effective"
"  FROM cost_rollup c GROUP BY 1) c"
" FULL JOIN (SELECT d.source, sum(d.line_items) AS n, sum(d.billed_cost) AS billed, sum(d.effective_cost) AS effective"
"  FROM finops.delivery d WHERE d.billing_period = $1 AND d.status = 'current' GROUP BY 1) d USING (source)"
" WHERE c.n IS DISTINCT FROM d.n OR c.billed IS DISTINCT FROM d.billed OR c.effective IS DISTINCT FROM d.effective";

#define UNPLACED "(a.rule_id = 'unallocated' OR a.kind = 'unallocated')"

static const char *const entry_sql =
"SELECT a.service, a.currency, sum(a.allocated_cost_usd) AS amount,"
"  coalesce(sum(a.allocated_cost_usd) FILTER (WHERE a.tenant_id IS NULL AND NOT " UNPLACED "), 0) AS overhead,"
"  coalesce(sum(a.allocated_cost_usd) FILTER (WHERE a.tenant_id IS NULL AND " UNPLACED "), 0) AS unallocated,"
"  max(a.id) AS last_id"
" FROM @s@.fact_cost_allocated a WHERE a.period_start = $1 GROUP BY 1, 2";

static const char *const document_sql =
"SELECT h.currency, count(*) FILTER (WHERE h.status <> 'void') AS n, count(*) FILTER (WHERE h.status = 'void') AS n_void,"
"  min(h.fx_rate) AS least_rate, max(h.fx_rate) AS greatest_rate"
" FROM @s@.invoice_header h WHERE h.period_start = $1 GROUP BY 1";

/* Lines of documents that pass cost on; %s is NOT_VOID where there are void documents. */
#define LINES " @s@.invoice_detail d WHERE d.period_start = $1 AND d.cost_usd IS NOT NULL"
#define NOT_VOID \
	" AND NOT EXISTS (SELECT FROM @s@.invoice_header v WHERE v.invoice_id = d.invoice_id AND v.status = 'void')"

/* In the reporting currency cost and cost_usd are the same.  $2 that currency. */
static const char *const line_sql =
"SELECT x.service, x.cost_currency, x.amount, CASE WHEN x.cost_currency = $2 THEN x.amount ELSE x.cost END AS cost"
" FROM (SELECT d.service, d.cost_currency, sum(d.cost_usd) AS amount, sum(d.cost) FILTER (WHERE d.cost_currency <> $2) AS cost"
"  FROM" LINES "%s GROUP BY 1, 2) x";

/* $1 period, $2 reporting currency */
static const char *const rate_sql =
"SELECT c.currency, CASE WHEN c.currency = $2 THEN 1 ELSE finops.fx_rate_of(c.currency, $1) END AS rate"
" FROM (SELECT currency FROM cost_side UNION SELECT currency FROM entry_side UNION SELECT cost_currency FROM line_side"
"  UNION SELECT currency FROM document_side) c";

/*
 * Tenants whose documents and entries differ: both are added up together with
 * opposite signs, which needs no join.  %s: the amount of an entry in the
 * reporting currency, the rates where they are needed, and NOT_VOID.
 */
#define BY_TENANT \
	"  (SELECT a.tenant_id, -a.allocated_cost_usd%1$s AS amount FROM @s@.fact_cost_allocated a%2$s" \
	"    WHERE a.period_start = $1 AND a.tenant_id IS NOT NULL" \
	"   UNION ALL SELECT d.tenant_id, d.cost_usd FROM" LINES "%3$s) x"

static const char *const balance_sql = "SELECT finops.nonzero_sums(x.tenant_id, x.amount) AS sums FROM" BY_TENANT;

static const char *const difference_sql =
"SELECT j.key AS tenant_id, j.value::numeric AS difference FROM balance b, jsonb_each_text(b.sums) j";

/* The same for amounts that such sums cannot hold. */
static const char *const difference_by_group_sql =
"SELECT x.tenant_id, sum(x.amount) AS difference FROM" BY_TENANT
" GROUP BY 1 HAVING sum(x.amount) <> 0";

/* Those of them that have documents or should.  $1 period. */
static const char *const differing_sql =
"SELECT * FROM (SELECT t.tenant_id, t.difference, EXISTS (SELECT FROM @s@.invoice_header h WHERE h.tenant_id = t.tenant_id"
"    AND h.period_start = $1 AND h.status <> 'void') AS has_document, m.billing_mode"
"   FROM tenant_difference t LEFT JOIN @s@.tenant_master m USING (tenant_id)) x"
" WHERE x.has_document OR x.billing_mode = 'invoice'";

/* Both sides of a differing tenant that has documents, by service.  $1 period. */
static const char *const tenant_service_sql =
"SELECT tenant_id, service, coalesce(a.amount, 0) AS allocated, coalesce(l.amount, 0) AS invoiced"
" FROM (SELECT a.tenant_id, a.service, sum(a.allocated_cost_usd * coalesce(r.rate, 1)) AS amount FROM @s@.fact_cost_allocated a"
"   LEFT JOIN rate_side r USING (currency) WHERE a.period_start = $1"
"   AND a.tenant_id IN (SELECT o.tenant_id FROM differing o WHERE o.has_document) GROUP BY 1, 2) a"
" FULL JOIN (SELECT h.tenant_id, coalesce(d.service, 'not by service') AS service, sum(d.cost_usd) AS amount"
"   FROM differing o JOIN @s@.invoice_header h ON h.tenant_id = o.tenant_id AND h.period_start = $1 AND h.status <> 'void'"
"   JOIN @s@.invoice_detail d ON d.invoice_id = h.invoice_id AND d.cost_usd IS NOT NULL"
"   WHERE o.has_document GROUP BY 1, 2) l USING (tenant_id, service)";

static const char *const tenant_sql =
"SELECT s.tenant_id, sum(s.allocated) AS allocated, sum(s.invoiced) AS invoiced, true AS has_document FROM tenant_service s GROUP BY 1"
" UNION ALL SELECT d.tenant_id, -d.difference, 0, false FROM differing d WHERE NOT d.has_document";

/* Documents that do not use the rate of the period.  $1 period. */
static const char *const rate_differs_sql =
"SELECT h.tenant_id, h.invoice_id, h.currency, h.fx_rate, h.total, h.total_usd, r.rate"
" FROM @s@.invoice_header h JOIN rate_side r USING (currency)"
" WHERE h.period_start = $1 AND h.status <> 'void' AND h.fx_rate <> r.rate"
"  AND h.currency IN (SELECT d.currency FROM document_side d JOIN rate_side x USING (currency)"
"   WHERE d.least_rate <> x.rate OR d.greatest_rate <> x.rate)";

/* Documents whose state and payments do not agree.  $1 period. */
static const char *const payment_sql =
"SELECT h.tenant_id, h.invoice_id, h.status, h.total, h.currency, h.total_usd, h.fx_rate,"
"  coalesce(q.paid, 0) - coalesce(c.credited, 0) AS paid"
" FROM @s@.invoice_header h"
" LEFT JOIN (SELECT x.invoice_id, sum(x.amount) AS paid FROM"
"   (SELECT a.invoice_id, a.invoice_amount AS amount FROM finops.payment_application a"
"    UNION ALL SELECT j.invoice_id, j.amount FROM finops.receivable_adjustment j"
"    UNION ALL SELECT p.invoice_id, b.unapplied FROM finops.payment_balance b JOIN @s@.payment_txn p USING (payment_id)"
"     WHERE p.invoice_id IS NOT NULL AND b.unapplied > 0) x GROUP BY 1) q USING (invoice_id)"
" LEFT JOIN (SELECT c.original_invoice_id, sum(c.total) AS credited FROM @s@.invoice_header c WHERE c.status <> 'void'"
"   AND c.original_invoice_id IS NOT NULL GROUP BY 1) c ON c.original_invoice_id = h.invoice_id"
" WHERE h.period_start = $1 AND h.kind = 'invoice' AND h.status IN ('issued', 'paid')"
"  AND (h.status = 'paid') <> (coalesce(q.paid, 0) - coalesce(c.credited, 0) >= h.total)";

/*
 * Join the sides, convert, judge, and write recon_detail, recon_currency and
 * recon_run.  The rows that come back are what must not be: ledgers that do
 * not add up.
 *
 * $1 period, $2 first day after it, $3 recon id, $4 run, $5 revision,
 * $6 basis, $7 reporting currency, $8 amount floor, $9 provisional,
 * $10 caller, $11 stages asked for, $12 digest of the queries, $13 where
 * cost in was read.
 */
static const char *const measure_sql =
"WITH" POLICY ","
" placed AS ("
"  SELECT e.service, e.currency, e.amount - e.overhead - e.unallocated AS allocated, e.overhead, e.unallocated"
"  FROM entry_side e),"
" invoiced AS (SELECT coalesce(l.service, 'not by service') AS service, sum(l.amount) AS amount"
"  FROM line_side l GROUP BY 1),"
" documents AS (SELECT coalesce(sum(d.n), 0) AS n FROM document_side d),"
" side AS MATERIALIZED ("
"  SELECT service, currency, coalesce(c.n, 0) AS n, coalesce(c.amount, 0) AS amount,"
"   coalesce(c.untagged, 0) AS untagged, coalesce(c.outside, 0) AS outside,"
"   coalesce(p.allocated, 0) AS allocated, coalesce(p.overhead, 0) AS overhead,"
"   coalesce(p.unallocated, 0) AS unallocated, r.rate, coalesce(r.rate, 1) AS factor"
"  FROM cost_side c FULL JOIN placed p USING (service, currency)"
"  LEFT JOIN rate_side r USING (currency)),"
" joined AS ("
"  SELECT service, coalesce(s.n, 0) AS n, coalesce(s.amount, 0) AS cost_in,"
"   coalesce(s.untagged, 0) AS untagged, coalesce(s.outside, 0) AS outside,"
"   coalesce(s.allocated, 0) AS allocated, coalesce(s.overhead, 0) AS overhead,"
"   coalesce(s.unallocated, 0) AS unallocated, coalesce(i.amount, 0) AS invoiced,"
"   coalesce(s.allocated + s.overhead - s.amount, 0) AS variance"
"  FROM (SELECT service, sum(n) AS n, sum(amount * factor) AS amount,"
"    sum(untagged * factor) AS untagged, sum(outside * factor) AS outside,"
"    sum(allocated * factor) AS allocated, sum(overhead * factor) AS overhead,"
"    sum(unallocated * factor) AS unallocated FROM side GROUP BY service) s"
"  FULL JOIN invoiced i USING (service)),"
" detail AS ("
"  INSERT INTO finops.recon_detail (recon_id, service, aws_total_usd, allocated_total_usd,"
"   operator_overhead_usd, unallocated_usd, invoiced_total_usd, variance_usd, variance_pct,"
"   status, line_items, untagged_usd, out_of_period_usd)"
"  SELECT $3, j.service, j.cost_in, j.allocated, j.overhead, j.unallocated, j.invoiced,"
"   j.variance, finops.variance_pct(j.allocated + j.overhead, j.cost_in),"
"   CASE WHEN j.cost_in <> 0 AND abs(j.variance) < $8 THEN 'ok' ELSE"
	STATUS_OF("j.variance", "j.cost_in", "p") " END,"
"   j.n, j.untagged, j.outside"
"  FROM joined j, policy p WHERE p.stage = 'allocation'),"
" by_currency AS (INSERT INTO finops.recon_currency (recon_id, currency, rate, cost_in, allocated, operator_overhead, unallocated,"
"   invoiced, cost_in_usd, allocated_usd, operator_overhead_usd, unallocated_usd, invoiced_usd, fx_difference_usd)"
"  SELECT $3, currency, coalesce(s.rate, i.rate), coalesce(s.amount, 0), coalesce(s.allocated, 0), coalesce(s.overhead, 0),"
"   coalesce(s.unallocated, 0), coalesce(i.cost, 0), coalesce(s.amount * s.factor, 0), coalesce(s.allocated * s.factor, 0),"
"   coalesce(s.overhead * s.factor, 0), coalesce(s.unallocated * s.factor, 0), coalesce(i.amount, 0),"
"   coalesce(i.amount - i.cost * i.factor, 0)"
"  FROM (SELECT currency, rate, factor, sum(amount) AS amount, sum(allocated) AS allocated, sum(overhead) AS overhead,"
"    sum(unallocated) AS unallocated FROM side GROUP BY 1, 2, 3) s"
"  FULL JOIN (SELECT l.cost_currency AS currency, r.rate, coalesce(r.rate, 1) AS factor, sum(l.cost) AS cost, sum(l.amount) AS amount"
"    FROM line_side l LEFT JOIN rate_side r ON r.currency = l.cost_currency GROUP BY 1, 2) i USING (currency)),"
" run AS ("
"  INSERT INTO finops.recon_run (recon_id, period_start, period_end, revision, run_id, stage,"
"   provisional, cost_basis, currency, status, detail, aws_total_usd, allocated_total_usd,"
"   operator_overhead_usd, unallocated_usd, invoiced_total_usd, not_yet_invoiced_usd,"
"   accrued_usd, evidence, executed_by)"
"  SELECT $3, $1, $2 - 1, $5, $4, CASE WHEN max(d.n) > 0 THEN $11 ELSE 2 END,"
"   $9, $6, $7, 'ok', '', coalesce(sum(j.cost_in), 0), coalesce(sum(j.allocated), 0),"
"   coalesce(sum(j.overhead), 0), coalesce(sum(j.unallocated), 0), coalesce(sum(j.invoiced), 0),"
"   coalesce(sum(j.allocated) - sum(j.invoiced), 0),"
"   (SELECT coalesce(sum(e.amount * coalesce(finops.fx_rate_of(e.currency, $1), 1)), 0) FROM finops.accrual_entry e WHERE e.period_start = $1),"
"   jsonb_build_object('line_items', coalesce(sum(j.n), 0), 'documents', max(d.n), 'cost_in_from', $13,"
"    'amount_floor', $8, 'policy', (SELECT jsonb_object_agg(stage, jsonb_build_object("
"     'version', policy_version, 'warning_pct', warning_pct, 'failed_pct', failed_pct)) FROM policy),"
"    'entries_up_to', (SELECT max(e.last_id) FROM entry_side e),"
"    'rates', (SELECT jsonb_object_agg(r.currency, r.rate) FROM rate_side r),"
"    'query_digest', $12, 'parameters', jsonb_build_object('period', $1, 'basis', $6, 'reporting_currency', $7, 'stages', $11),"
"    'deliveries', (SELECT coalesce(jsonb_agg(jsonb_build_object('source', v.source, 'digest', v.digest)"
"     ORDER BY v.source), '[]') FROM finops.delivery v WHERE v.billing_period = $1 AND v.status = 'current'),"
"    'corrections', (SELECT coalesce(jsonb_agg(jsonb_build_object('source', v.source, 'kind', v.kind, 'origin_period',"
"     to_char(v.origin_period, 'YYYY-MM'), 'billed_cost', v.billed_cost, 'effective_cost', v.effective_cost) ORDER BY v.source, v.kind), '[]')"
"     FROM finops.delivery v WHERE v.billing_period = $1 AND v.status = 'current' AND v.origin_period IS NOT NULL)),"
"   $10"
"  FROM documents d LEFT JOIN joined j ON true)"
" SELECT s.service, s.currency, s.amount::text,"
"  (s.allocated + s.overhead + s.unallocated)::text,"
"  (s.allocated + s.overhead + s.unallocated - s.amount)::text"
" FROM side s WHERE s.allocated + s.overhead + s.unallocated <> s.amount"
" ORDER BY abs(s.allocated + s.overhead + s.unallocated - s.amount) DESC, s.service LIMIT 5";

/*
 * Everything worth an explanation, one row each, in one statement.  Rows of
 * severity info explain; warning and failed rows keep the gate shut until
 * they are resolved.  What was resolved in an earlier run and is the same
 * amount again stays resolved.
 *
 * $1 period, $2 first day after it, $3 recon id, $4 prefix of the ids,
 * $5 reporting currency, $6 amount floor.
 */
static const char *const exceptions_sql =
"WITH" POLICY ","
" run AS (SELECT r.*, r.allocated_total_usd + r.operator_overhead_usd - r.aws_total_usd AS variance,"
"   (SELECT max(abs(d.variance_usd)) FROM finops.recon_detail d WHERE d.recon_id = $3) AS largest"
"  FROM finops.recon_run r WHERE r.recon_id = $3),"
" total AS (SELECT r.*," STATUS_OF("r.variance", "r.aws_total_usd", "p") " AS status_all"
"  FROM run r, policy p WHERE p.stage = 'allocation'),"
" off AS (SELECT x.*," STATUS_OF("(x.invoiced - x.allocated)", "x.allocated", "p") " AS status"
"  FROM tenant_side x, policy p WHERE p.stage = 'invoice' AND x.has_document),"
" found (category, severity, service, tenant_id, expected, actual, variance, description, cause) AS ("
"  SELECT 'Allocation', CASE WHEN d.status = 'ok' THEN t.status_all ELSE d.status END, d.service, NULL::text,"
"   d.aws_total_usd, d.allocated_total_usd + d.operator_overhead_usd, d.variance_usd,"
"   CASE WHEN d.aws_total_usd = 0 THEN format('nothing expected, %s %s placed',"
"     " SHOWN("d.variance_usd") ", t.currency)"
"   ELSE format('%s of %s %s cost in placed by no rule',"
"     " SHOWN("d.unallocated_usd") ", " SHOWN("d.aws_total_usd") ", t.currency) END, NULL::text"
"  FROM finops.recon_detail d, total t WHERE d.recon_id = $3 AND (d.status <> 'ok'"
"   OR t.status_all <> 'ok' AND d.variance_usd <> 0 AND (abs(d.variance_usd) >= $6 OR t.largest < $6))"
" UNION ALL"
"  SELECT 'Tagging', 'info', d.service, NULL, d.aws_total_usd, d.aws_total_usd - d.untagged_usd,"
"   -d.untagged_usd, format('%s of %s %s carries no tenant',"
"    " SHOWN("d.untagged_usd") ", " SHOWN("d.aws_total_usd") ", t.currency), NULL"
"  FROM finops.recon_detail d, total t, policy p WHERE d.recon_id = $3 AND p.stage = 'tagging'"
"   AND abs(d.untagged_usd) >= $6 AND abs(d.untagged_usd) * 100 > p.warning_pct * abs(d.aws_total_usd)"
" UNION ALL"
"  SELECT 'Timing', 'info', d.service, NULL, 0, d.out_of_period_usd, d.out_of_period_usd,"
"   format('%s %s of usage that began more than a day outside the billing period',"
"    " SHOWN("d.out_of_period_usd") ", t.currency), NULL"
"  FROM finops.recon_detail d, total t WHERE d.recon_id = $3 AND abs(d.out_of_period_usd) >= $6"
" UNION ALL"
"  SELECT 'Timing', 'info', e.service, NULL, 0, sum(e.amount), sum(e.amount),"
"   CASE WHEN e.origin_period = $1 THEN format('%s %s accrued for %s, no bill yet', " SHOWN("sum(e.amount)") ", e.currency, e.source)"
"    ELSE format('%s %s: reversal of the accrual of %s for %s', " SHOWN("sum(e.amount)") ", e.currency, to_char(e.origin_period, 'YYYY-MM'), e.source) END, NULL"
"  FROM finops.accrual_entry e WHERE e.period_start = $1 GROUP BY e.origin_period, e.source, e.service, e.currency HAVING sum(e.amount) <> 0"
/* what a provider says late of a closed month counts here, and says so */
" UNION ALL"
"  SELECT 'Timing', 'info', x.service, NULL, 0, sum(x.amount), sum(x.amount),"
"   CASE WHEN x.taken_back THEN format('%s %s credited for %s though restated as well: taken back, it counts once',"
"     " SHOWN("-sum(x.amount)") ", t.currency, to_char(x.origin_period, 'YYYY-MM'))"
"    ELSE format('%s %s of corrections of %s, which is locked', " SHOWN("sum(x.amount)") ", t.currency, to_char(x.origin_period, 'YYYY-MM')) END,"
"   CASE WHEN x.taken_back THEN 'credited twice' ELSE 'restated' END"
"  FROM total t, LATERAL (SELECT c.service, d.origin_period, d.kind = 'offset' AS taken_back,"
"    CASE WHEN t.cost_basis = 'billed' THEN c.billed_cost ELSE c.effective_cost END * coalesce(r.rate, 1) AS amount"
"    FROM finops.delivery d JOIN finops.cost_daily c ON c.source = d.source AND c.billing_period = d.billing_period"
"    LEFT JOIN rate_side r ON r.currency = c.currency"
"    WHERE d.billing_period = $1 AND d.status = 'current' AND d.origin_period IS NOT NULL) x"
"  GROUP BY x.service, x.origin_period, x.taken_back, t.currency HAVING sum(x.amount) <> 0"
" UNION ALL"
"  SELECT 'Invoice', x.status, NULL, x.tenant_id,"
"   x.allocated, x.invoiced, x.invoiced - x.allocated,"
"   format('invoiced at cost %s, allocated %s %s', " SHOWN("x.invoiced") ", " SHOWN("x.allocated") ", t.currency), NULL"
"  FROM off x, total t WHERE t.stage = 4 AND x.status <> 'ok'"
" UNION ALL"
"  SELECT 'Invoice', 'info', x.service, x.tenant_id, x.allocated, x.invoiced, x.invoiced - x.allocated,"
"   format('invoiced at cost %s, allocated %s %s', " SHOWN("x.invoiced") ", " SHOWN("x.allocated") ", t.currency), NULL"
"  FROM tenant_service x JOIN off o USING (tenant_id), total t WHERE t.stage = 4 AND o.status <> 'ok' AND x.invoiced <> x.allocated"
" UNION ALL"
"  SELECT 'Timing', 'info', NULL, x.tenant_id, x.allocated, 0, -x.allocated,"
"   format('%s %s allocated, no document yet', " SHOWN("x.allocated") ", t.currency), NULL"
"  FROM tenant_side x, total t WHERE t.stage = 4 AND NOT x.has_document AND x.allocated <> 0"
" UNION ALL"
"  SELECT 'FX', 'failed', NULL, NULL, NULL, NULL, sum(e.amount),"
"   format('no rate for %s on the last day of the period; %s %s counted at 1',"
"    e.currency, " SHOWN("sum(e.amount)") ", e.currency), NULL"
"  FROM entry_side e JOIN rate_side r USING (currency) WHERE r.rate IS NULL GROUP BY e.currency"
" UNION ALL"
"  SELECT 'FX', CASE WHEN abs(h.fx_rate - h.rate) * 100 > p.failed_pct * h.rate THEN 'failed' ELSE 'warning' END,"
"   NULL, h.tenant_id, h.total * h.rate, h.total_usd, h.total_usd - h.total * h.rate,"
"   format('document %s uses rate %s for %s, the period has %s', h.invoice_id, h.fx_rate, h.currency, h.rate), NULL"
"  FROM total t, policy p, rate_difference h"
"  WHERE t.stage = 4 AND p.stage = 'fx' AND abs(h.fx_rate - h.rate) * 100 > p.warning_pct * h.rate"
" UNION ALL"
"  SELECT 'Payment', 'info', NULL, h.tenant_id, h.total_usd, h.paid * h.fx_rate, (h.paid - h.total) * h.fx_rate,"
"   format('document %s is %s with %s of %s %s confirmed', h.invoice_id, h.status, h.paid, h.total, h.currency), NULL"
"  FROM total t, payment_side h WHERE t.stage = 4";

/* The second half; the provider's invoices stand between the two. */
static const char *const exceptions_end_sql =
"),"
" before AS (SELECT DISTINCT ON (1, 2, 3, 4) h.content ->> 'category' AS category,"
"   coalesce(h.content ->> 'service', '') AS service, coalesce(h.content ->> 'tenant_id', '') AS tenant_id,"
"   (h.content ->> 'variance_usd')::numeric AS variance, h.content"
"  FROM finops.recon_history h WHERE h.recon_id = $3"
"   AND h.relation = 'recon_exceptions' AND h.content ->> 'cause' IS NOT NULL AND h.content ->> 'approver' IS NOT NULL"
"  ORDER BY 1, 2, 3, 4, h.revision DESC, h.key)"
" INSERT INTO @s@.recon_exceptions (exception_id, recon_id, tenant_id, service, category, description,"
"  expected_usd, actual_usd, variance_usd, variance_pct, severity, status, cause, adjusting_entry,"
"  approver, note, resolved_at)"
" SELECT $4 || CASE WHEN f.no < 1000 THEN lpad(f.no::text, 4, '0') ELSE f.no::text END, $3,"
"  f.tenant_id, f.service, f.category, f.description, f.expected, f.actual, f.variance,"
"  finops.variance_pct(f.actual, f.expected), f.severity, coalesce(b.content ->> 'status', 'open'),"
"  coalesce(b.content ->> 'cause', f.cause), b.content ->> 'adjusting_entry', b.content ->> 'approver',"
"  b.content ->> 'note', (b.content ->> 'resolved_at')::timestamptz"
" FROM (SELECT *, row_number() OVER (ORDER BY severity = 'info', severity = 'warning', category,"
"   abs(variance) DESC, service COLLATE \"C\", tenant_id COLLATE \"C\", description COLLATE \"C\") AS no FROM found) f"
" LEFT JOIN before b ON b.category = f.category AND b.service = coalesce(f.service, '')"
"  AND b.tenant_id = coalesce(f.tenant_id, '') AND b.variance = f.variance AND f.severity <> 'info'";

/* What the provider's invoices say, where they are loaded. */
static const char *const provider_exceptions_sql =
" UNION ALL"
"  SELECT 'Invoice', CASE WHEN d.status = 'unexplained' THEN 'failed' ELSE 'info' END, NULL, NULL,"
"   coalesce(d.expected, 0) * coalesce(r.rate, 1), coalesce(d.actual, 0) * coalesce(r.rate, 1), d.amount * coalesce(r.rate, 1),"
"   format('invoice %s of the provider: %s %s of difference %s%s', d.invoice_id, " SHOWN("d.amount") ", d.currency, d.cause,"
"    coalesce(', ' || d.detail, '')), CASE WHEN d.status = 'explained' THEN d.cause END"
"  FROM provider_difference d LEFT JOIN rate_side r USING (currency) WHERE d.status <> 'ok' AND d.cause <> 'rounding'";

/* One row per stage.  $1 period, $2 recon id. */
static const char *const stage_sql =
"WITH" POLICY ","
" run AS (SELECT * FROM finops.recon_run WHERE recon_id = $2),"
" sums AS (SELECT coalesce(sum(d.untagged_usd), 0) AS untagged, coalesce(sum(d.out_of_period_usd), 0) AS outside"
"  FROM finops.recon_detail d WHERE d.recon_id = $2),"
" fx AS (SELECT coalesce(sum(c.fx_difference_usd), 0) AS difference FROM finops.recon_currency c WHERE c.recon_id = $2),"
" documented AS (SELECT coalesce(sum(t.invoiced - t.allocated) FILTER (WHERE t.has_document), 0) AS difference FROM tenant_side t),"
" found (stage, name, policy, expected, actual) AS ("
"  SELECT 1, 'tags', 'tagging', r.aws_total_usd, r.aws_total_usd - s.untagged FROM run r, sums s"
"  UNION ALL SELECT 2, 'allocation', 'allocation', r.aws_total_usd, r.allocated_total_usd + r.operator_overhead_usd FROM run r"
"  UNION ALL SELECT 3, 'invoice', 'invoice', r.invoiced_total_usd - d.difference, r.invoiced_total_usd FROM run r, documented d WHERE r.stage = 4"
"  UNION ALL SELECT 4, 'fx', 'fx', r.invoiced_total_usd - f.difference, r.invoiced_total_usd FROM run r, fx f WHERE r.stage = 4"
"  UNION ALL SELECT 4, 'timing', 'timing', r.aws_total_usd, r.aws_total_usd - s.outside FROM run r, sums s)"
" INSERT INTO finops.recon_stage (recon_id, stage, name, expected_usd, actual_usd, variance_usd, variance_pct, policy_version,"
"  warning_pct, failed_pct, status)"
" SELECT $2, f.stage, f.name, f.expected, f.actual, f.actual - f.expected, finops.variance_pct(f.actual, f.expected), p.policy_version,"
"  p.warning_pct, p.failed_pct," STATUS_OF("(f.actual - f.expected)", "f.expected", "p")
" FROM found f JOIN policy p ON p.stage = f.policy";

/*
 * One row ALL, judged by percent alone and by the documents, and one row per
 * service out of tolerance.  A row that was resolved with this very variance
 * stays resolved while no exception that concerns it is open.  A service that
 * a bill calls ALL has its exceptions, but no row of its own.
 *
 * $1 period, $2 recon id.
 */
static const char *const summary_sql =
"WITH" POLICY ","
" open AS (SELECT e.service FROM @s@.recon_exceptions e"
"  WHERE e.recon_id = $2 AND e.severity <> 'info' AND e.status = 'open'),"
" judged AS ("
"  SELECT 'ALL' AS service, r.aws_total_usd, r.allocated_total_usd, r.invoiced_total_usd,"
"   r.operator_overhead_usd, r.unallocated_usd,"
"   r.allocated_total_usd + r.operator_overhead_usd - r.aws_total_usd AS variance,"
"   (SELECT CASE max(CASE s.status WHEN 'failed' THEN 2 WHEN 'warning' THEN 1 ELSE 0 END)"
"     WHEN 2 THEN 'failed' WHEN 1 THEN 'warning' ELSE 'ok' END"
"    FROM (SELECT " STATUS_OF("(r.allocated_total_usd + r.operator_overhead_usd - r.aws_total_usd)",
							 "r.aws_total_usd", "p") " AS status"
"     UNION ALL SELECT e.severity FROM @s@.recon_exceptions e WHERE e.recon_id = $2"
"      AND e.category <> 'Allocation' AND e.severity <> 'info') s) AS status,"
"   NOT EXISTS (SELECT FROM open) AS settled"
"  FROM finops.recon_run r, policy p WHERE r.recon_id = $2 AND p.stage = 'allocation'"
" UNION ALL"
"  SELECT d.service, d.aws_total_usd, d.allocated_total_usd, d.invoiced_total_usd,"
"   d.operator_overhead_usd, d.unallocated_usd, d.variance_usd, d.status,"
"   NOT EXISTS (SELECT FROM open o WHERE o.service = d.service)"
"  FROM finops.recon_detail d WHERE d.recon_id = $2 AND d.status <> 'ok' AND d.service <> 'ALL')"
" INSERT INTO @s@.recon_summary (recon_id, service, period_start, period_end, aws_total_usd,"
"  allocated_total_usd, invoiced_total_usd, operator_overhead_usd, unallocated_usd, variance_usd,"
"  variance_pct, status, resolved_by, resolved_at, note)"
" SELECT $2, j.service, r.period_start, r.period_end, j.aws_total_usd, j.allocated_total_usd,"
"  j.invoiced_total_usd, j.operator_overhead_usd, j.unallocated_usd, j.variance,"
"  finops.variance_pct(j.allocated_total_usd + j.operator_overhead_usd, j.aws_total_usd),"
"  CASE WHEN b.content IS NULL THEN j.status ELSE 'resolved' END,"
"  b.content ->> 'resolved_by', (b.content ->> 'resolved_at')::timestamptz, b.content ->> 'note'"
" FROM judged j CROSS JOIN finops.recon_run r LEFT JOIN LATERAL (SELECT h.content"
"   FROM finops.recon_history h WHERE h.recon_id = $2 AND h.relation = 'recon_summary'"
"   AND h.key = j.service AND h.content ->> 'status' = 'resolved'"
"   AND (h.content ->> 'variance_usd')::numeric = j.variance"
"   ORDER BY h.revision DESC LIMIT 1) b ON j.status <> 'ok' AND j.settled"
" WHERE r.recon_id = $2";

/*
 * What the gate says, in words: the identity when all is well, else the
 * largest open exceptions.  $1 recon id.
 */
static const char *const judge_sql =
"WITH worst AS (SELECT CASE max(CASE s.status WHEN 'failed' THEN 3 WHEN 'warning' THEN 2"
"   WHEN 'resolved' THEN 1 ELSE 0 END) WHEN 3 THEN 'failed' WHEN 2 THEN 'warning'"
"   WHEN 1 THEN 'resolved' ELSE 'ok' END AS status"
"  FROM @s@.recon_summary s WHERE s.recon_id = $1),"
" identity AS (SELECT format('cost in %s %s = allocated %s + operator overhead %s + unallocated %s',"
"   " SHOWN("r.aws_total_usd") ", r.currency, " SHOWN("r.allocated_total_usd") ", "
	SHOWN("r.operator_overhead_usd") ", " SHOWN("r.unallocated_usd") ") AS text"
"  FROM finops.recon_run r WHERE r.recon_id = $1),"
" cause AS (SELECT string_agg(format('%s %s %s%s', x.category, coalesce(x.service, x.tenant_id, ''),"
"    " SHOWN("x.variance_usd") ", ' (' || round(x.variance_pct, 2) || ' %)'), '; ' ORDER BY x.no)"
"   || CASE WHEN max(x.n) > 5 THEN format('; and %s more', max(x.n) - 5) ELSE '' END AS text"
"  FROM (SELECT e.*, row_number() OVER (ORDER BY e.exception_id) AS no, count(*) OVER () AS n"
"   FROM @s@.recon_exceptions e WHERE e.recon_id = $1 AND e.severity <> 'info' AND e.status = 'open') x"
"  WHERE x.no <= 5)"
" UPDATE finops.recon_run r SET status = w.status,"
"  detail = i.text || CASE WHEN w.status IN ('warning', 'failed') THEN coalesce('; ' || c.text, '') ELSE '' END"
" FROM worst w, identity i, cause c WHERE r.recon_id = $1"
" RETURNING r.status, r.detail";

char *
ReconSetGate(DateADT period, int64 run_id)
{
	char	   *status;
	char	   *detail;

	if (FINOPS_RUN(judge_sql, ARG_TEXT(ReconId(period))) == 0)
		elog(ERROR, "no reconciliation of %s to judge", FinopsPeriodText(period));
	status = FinopsText(0, 1);
	detail = FinopsText(0, 2);
	FinopsSetGate(period, FINOPS_GATE_RECONCILIATION, status, detail, run_id);
	return status;
}

/* An allocation that does not add up is a defect, not a variance. */
static void
raise_arithmetic(DateADT period, uint64 rows)
{
	StringInfoData detail;

	initStringInfo(&detail);
	for (uint64 i = 0; i < rows; i++)
		appendStringInfo(&detail, "%s%s: cost in %s %s, entries %s, difference %s",
						 i > 0 ? "; " : "", FinopsText(i, 1), FinopsText(i, 3),
						 FinopsText(i, 2), FinopsText(i, 4), FinopsText(i, 5));
	appendStringInfoChar(&detail, '.');
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("allocation of %s does not add up to cost in", FinopsPeriodText(period)),
			 errdetail_internal("%s", detail.data),
			 errhint("Run SELECT finops.allocate(date '%s-01') again; if the difference stays, facts or entries were changed by hand.",
					 FinopsPeriodText(period))));
}

static Datum
amount_floor(void)
{
	return DirectFunctionCall3(numeric_in, CStringGetDatum(finops_recon_amount_floor),
							   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
}

/* "RX-201810-" */
static char *
exception_prefix(DateADT period)
{
	char	   *text = FinopsPeriodText(period);

	return psprintf("RX-%.4s%s-", text, text + 5);
}

static char *
exceptions_text(bool provider)
{
	return psprintf("%s%s%s", exceptions_sql, provider ? provider_exceptions_sql : "",
					exceptions_end_sql);
}

/* The texts of a reconciliation, kept once; returns their digest. */
static char *
keep_queries(const char *cost_sql)
{
	char	   *text = psprintf("%s;\n%s;\n%s;\n%s;\n%s;\n%s;\n%s", cost_sql, entry_sql,
								document_sql, line_sql, balance_sql, measure_sql, exceptions_text(true));

	FINOPS_RUN("INSERT INTO finops.recon_query (digest, query)"
			   " VALUES (encode(sha256(convert_to($1, 'UTF8')), 'hex'), $1) ON CONFLICT (digest) DO NOTHING",
			   ARG_TEXT(text));
	FINOPS_RUN("SELECT encode(sha256(convert_to($1, 'UTF8')), 'hex')", ARG_TEXT(text));
	return FinopsText(0, 1);
}

/* Cost in from the roll-up, or from the facts; returns the query that read it. */
static char *
stage_cost(DateADT period, const char *cost_column, bool *from_rollup)
{
	char	   *sql = psprintf(cost_from_rollup_sql, cost_column);

	*from_rollup = FINOPS_STAGE("cost_rollup", sql, ARG_DATE(period), ARG_DATE(FinopsPeriodEnd(period))) > 0 &&
		FINOPS_RUN(rollup_differs_sql, ARG_DATE(period)) == 0;
	if (*from_rollup)
		FinopsStage("cost_side", psprintf(cost_sum_sql, cost_column), 0, NULL);
	else
	{
		sql = psprintf(cost_from_facts_sql, cost_column);
		FINOPS_STAGE("cost_side", sql, ARG_DATE(period), ARG_DATE(FinopsPeriodEnd(period)));
	}
	return sql;
}

static void
stage_differences(DateADT period, const char *factor, const char *rates, const char *not_void)
{
	FINOPS_STAGE("balance", psprintf(balance_sql, factor, rates, not_void), ARG_DATE(period));
	if (FINOPS_RUN0("SELECT FROM balance b WHERE b.sums IS NOT NULL") > 0)
		FinopsStage("tenant_difference", difference_sql, 0, NULL);
	else
		FINOPS_STAGE("tenant_difference",
					 psprintf(difference_by_group_sql, factor, rates, not_void), ARG_DATE(period));
	FinopsEndStage("balance");
}

/*
 * Reads each side once.  The sums by tenant may take the memory of a
 * maintenance operation, as building an index would.
 */
static char *
stage_sides(DateADT period, const char *cost_column, bool *from_rollup)
{
	char	   *cost_sql;
	const char *not_void;
	bool		foreign_currency;

	FINOPS_RUN0("SELECT set_config('work_mem', greatest(pg_size_bytes(current_setting('work_mem')),"
				" pg_size_bytes(current_setting('maintenance_work_mem'))) / 1024 || 'kB', true)");
	cost_sql = stage_cost(period, cost_column, from_rollup);
	FINOPS_STAGE("entry_side", entry_sql, ARG_DATE(period));
	FINOPS_STAGE("document_side", document_sql, ARG_DATE(period));
	not_void = FINOPS_RUN0("SELECT FROM document_side d WHERE d.n_void > 0") > 0 ? NOT_VOID : "";
	FINOPS_STAGE("line_side", psprintf(line_sql, not_void), ARG_DATE(period), ARG_TEXT(finops_reporting_currency));
	FINOPS_STAGE("rate_side", rate_sql, ARG_DATE(period), ARG_TEXT(finops_reporting_currency));
	foreign_currency = FINOPS_RUN0("SELECT FROM rate_side r WHERE r.rate IS DISTINCT FROM 1") > 0;
	stage_differences(period, foreign_currency ? " * coalesce(r.rate, 1)" : "",
					  foreign_currency ? " LEFT JOIN rate_side r USING (currency)" : "", not_void);
	FINOPS_STAGE("differing", differing_sql, ARG_DATE(period));
	FINOPS_STAGE("tenant_service", tenant_service_sql, ARG_DATE(period));
	FinopsStage("tenant_side", tenant_sql, 0, NULL);
	FINOPS_STAGE("rate_difference", FINOPS_RUN0("SELECT FROM document_side d JOIN rate_side x USING (currency)"
											   " WHERE d.least_rate <> x.rate OR d.greatest_rate <> x.rate") > 0 ?
				 rate_differs_sql : psprintf("%s AND false", rate_differs_sql), ARG_DATE(period));
	FINOPS_STAGE("payment_side", payment_sql, ARG_DATE(period));
	return cost_sql;
}

/* Sum, join and judge; what must not be is raised. */
static void
measure(const FinopsSession *session, DateADT period, int64 run_id,
		int32 revision, int32 stages)
{
	FinopsCostBasis basis = FinopsPeriodBasis(period, false);
	bool		from_rollup;
	char	   *cost_sql = stage_sides(period, basis == FINOPS_BASIS_BILLED ? "billed_cost" : "effective_cost",
									   &from_rollup);
	uint64		wrong;

	wrong = FINOPS_RUN(measure_sql, ARG_DATE(period), ARG_DATE(FinopsPeriodEnd(period)),
					   ARG_TEXT(ReconId(period)), ARG_INT8(run_id), ARG_INT4(revision),
					   ARG_TEXT(FinopsBasisName(basis)),
					   ARG_TEXT(finops_reporting_currency),
					   ARG_DATUM(NUMERICOID, amount_floor(), false),
					   ARG_BOOL(!FinopsPeriodHasEnded(period)),
					   ARG_TEXT(FinopsCallerName(session)), ARG_INT4(stages),
					   ARG_TEXT(keep_queries(cost_sql)), ARG_TEXT(from_rollup ? "roll-up" : "facts"));
	if (wrong > 0)
		raise_arithmetic(period, wrong);
}

/* What is worth an explanation, then the stages. */
static void
write_exceptions(DateADT period, const char *recon_id)
{
	bool		provider = ReconProviderDifferences(period);

	FINOPS_RUN(exceptions_text(provider), ARG_DATE(period),
			   ARG_DATE(FinopsPeriodEnd(period)), ARG_TEXT(recon_id),
			   ARG_TEXT(exception_prefix(period)),
			   ARG_TEXT(finops_reporting_currency),
			   ARG_DATUM(NUMERICOID, amount_floor(), false));
	FINOPS_RUN(stage_sql, ARG_DATE(period), ARG_TEXT(recon_id));
}

/* An accrual ends when its bill has come. */
static void
sync_accruals(const FinopsSession *session, DateADT period)
{
	if (FINOPS_RUN("SELECT FROM finops.accrual_entry e WHERE e.origin_period = $1 LIMIT 1", ARG_DATE(period)) == 0)
		return;
	FinopsStage("absent_source", "SELECT ''::text AS source WHERE false", 0, NULL);
	(void) ReconSyncAccruals(session, period, false);
}

static void
require_allocation(DateADT period)
{
	char	   *status = FinopsGateStatus(period, FINOPS_GATE_ALLOCATION, NULL);

	if (status == NULL || strcmp(status, "completed") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("billing period %s is not allocated", FinopsPeriodText(period)),
				 errdetail("There is no allocation, or the bill, its tags or its tenant key changed since."),
				 errhint("Run SELECT finops.allocate(date '%s-01').", FinopsPeriodText(period))));
}

/*
 * finops.reconcile(period date, stages integer DEFAULT 4) → text
 *
 * Reconciles the period and returns RECON-YYYY-MM.  Amounts are in the
 * reporting currency, unrounded; percents are signed percent of abs(cost in).
 * Stages 1 and 2 (tags, bill against allocation) always, 3 and 4 (documents,
 * rates) where the period has documents and 4 stages are asked for; open
 * documents that are older than the allocation would not compare.  Errors:
 * 22004, 22023 for an argument; 55000 for a locked period or one that is not allocated; XX001
 * where the entries do not add up to cost in.
 */
Datum
finops_reconcile(PG_FUNCTION_ARGS)
{
	DateADT		period = FinopsPeriodArg(fcinfo, 0);
	char	   *recon_id = ReconId(period);
	FinopsSession session;
	int64		run_id;
	int32		revision;
	int32		stages;
	char	   *status;

	FinopsRequireArg(fcinfo, 1, "stages");
	stages = PG_GETARG_INT32(1);
	if (stages != 2 && stages != 4)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("stages must be 2 or 4"),
				 errdetail("2 compares bill and allocation, 4 also the documents.")));
	FinopsCheckPeriodNotFuture(period);
	FinopsRequireWritable("finops.reconcile()");
	FinopsBegin(&session);
	FinopsOpenPeriod(period);
	require_allocation(period);
	run_id = FinopsStartRun(&session, "reconcile", period);
	revision = supersede(recon_id);
	sync_accruals(&session, period);
	measure(&session, period, run_id, revision, stages);
	write_exceptions(period, recon_id);
	FINOPS_RUN(summary_sql, ARG_DATE(period), ARG_TEXT(recon_id));
	status = ReconSetGate(period, run_id);
	FinopsFinishRun(run_id, "completed",
					psprintf("{\"recon_id\": \"%s\", \"status\": \"%s\"}", recon_id, status));
	FINOPS_RUN("UPDATE @s@.period_lock SET recon_id = $2 WHERE period_start = $1",
			   ARG_DATE(period), ARG_TEXT(recon_id));
	FinopsAudit(&session, "reconcile", "recon_run", recon_id,
				psprintf("{\"revision\": %d, \"status\": \"%s\"}", revision, status));
	FinopsEnd(&session);
	PG_RETURN_TEXT_P(cstring_to_text(recon_id));
}

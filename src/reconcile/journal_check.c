/*-------------------------------------------------------------------------
 *
 * journal_check.c
 *	  The ledger against what it is a ledger of.
 *
 * Balances at the end of a period are sums over all periods, corrections
 * included.  What is expected is found without the journal: receivables from
 * the ageing, prepaid commitments from the bills, exchange differences and
 * tax from payments and documents.
 *
 *-------------------------------------------------------------------------
 */
#include "reconcile/journal.h"

PG_FUNCTION_INFO_V1(finops_journal_check);

/* $1 the period, $2 the first day after it, $3 the zone, $4 the reporting currency. */
static const char *const balance_sql =
"SELECT 'debits = credits' AS check, currency, sum(debit) AS ledger, sum(credit) AS expected FROM journal_line GROUP BY 2"
" UNION ALL SELECT 'debits = credits, reporting currency', $4, coalesce(sum(base_debit), 0), coalesce(sum(base_credit), 0) FROM journal_line";

static const char *const receivable_sql =
" UNION ALL SELECT 'receivables = ageing', currency, amount, 0 FROM journal_all WHERE role = 'receivable'"
" UNION ALL SELECT 'receivables = ageing', currency, 0, open_amount - credit_balance FROM finops.receivables_ageing($2 - 1)"
" UNION ALL SELECT 'credit balances = ageing', currency, amount, 0 FROM journal_all WHERE role = 'customer_credit'"
" UNION ALL SELECT 'credit balances = ageing', currency, 0, credit_balance FROM finops.receivables_ageing($2 - 1)"
" UNION ALL SELECT 'unapplied cash = ageing', currency, -amount, 0 FROM journal_all WHERE role = 'unapplied'"
" UNION ALL SELECT 'unapplied cash = ageing', currency, 0, unapplied FROM finops.receivables_ageing($2 - 1)";

/*
 * Prepaid commitments: what is posted of the months before, or what their
 * bills say where they are not posted yet, and this month's lines.
 */
#define PREPAID_BEFORE \
	"SELECT e.currency, e.debit - e.credit AS amount FROM finops.journal_entry e WHERE e.role = 'prepaid' AND e.source = 'bill'" \
	"  AND e.origin_period < $1" \
	" UNION ALL SELECT a.currency, a.amount FROM journal_all a WHERE a.role = 'prepaid' AND a.source = 'opening'" \
	" UNION ALL SELECT d.currency, d.billed_cost - d.effective_cost FROM finops.cost_daily d WHERE d.billing_period < $1" \
	"  AND NOT EXISTS (SELECT FROM finops.journal_entry e WHERE e.posted_period = d.billing_period)"
#define OPENING_BALANCE	"SELECT o.currency, o.amount FROM finops.prepaid_opening o WHERE o.period_start <= $1"
#define PREPAID_NOW "SELECT l.currency, l.debit - l.credit AS amount, l.reference FROM journal_line l WHERE l.role = 'prepaid' AND l.source = 'bill'"
#define PREPAID_CLOSING "'prepaid: opening + purchases - amortisation = closing'"

static const char *const prepaid_sql =
" UNION ALL SELECT 'prepaid: opening', currency, amount, 0 FROM (" PREPAID_BEFORE ") x"
" UNION ALL SELECT 'prepaid: opening', currency, 0, amount FROM (" OPENING_BALANCE ") x"
" UNION ALL SELECT 'prepaid: opening', d.currency, 0, d.billed_cost - d.effective_cost FROM finops.cost_daily d WHERE d.billing_period < $1"
" UNION ALL SELECT 'prepaid: purchases', currency, amount, 0 FROM (" PREPAID_NOW ") x WHERE x.reference LIKE '% purchases'"
" UNION ALL SELECT 'prepaid: purchases', currency, 0, -amount FROM bridge WHERE line IN ('new prepayments', 'refunds of prepayments')"
" UNION ALL SELECT 'prepaid: amortisation', currency, -amount, 0 FROM (" PREPAID_NOW ") x WHERE x.reference LIKE '% amortisation'"
" UNION ALL SELECT 'prepaid: amortisation', currency, 0, amount FROM bridge WHERE line NOT IN ('billed cost', 'effective cost', 'effective less billed', 'residual',"
"  'new prepayments', 'refunds of prepayments')"
" UNION ALL SELECT " PREPAID_CLOSING ", currency, amount, 0 FROM (" PREPAID_BEFORE ") x"
" UNION ALL SELECT " PREPAID_CLOSING ", currency, amount, 0 FROM (" PREPAID_NOW ") x"
" UNION ALL SELECT " PREPAID_CLOSING ", currency, 0, amount FROM (" OPENING_BALANCE ") x"
" UNION ALL SELECT " PREPAID_CLOSING ", d.currency, 0, d.billed_cost - d.effective_cost FROM finops.cost_daily d WHERE d.billing_period <= $1";

static const char *const base_sql =
" UNION ALL SELECT 'realised exchange differences, reporting currency', $4, -base, 0 FROM journal_all WHERE role = 'fx'"
" UNION ALL SELECT 'realised exchange differences, reporting currency', $4, 0, a.amount * " DAY_RATE " - a.invoice_amount * h.fx_rate"
"  FROM finops.payment_application a JOIN @s@.payment_txn p USING (payment_id) JOIN @s@.invoice_header h ON h.invoice_id = a.invoice_id"
"  WHERE " LOCAL_DAY("a.applied_at") " < $2"
" UNION ALL SELECT 'realised exchange differences, reporting currency', $4, 0,"
"  CASE j.kind WHEN 'payout' THEN j.amount * (" PAYOUT_RATE ") ELSE 0 END - j.amount * h.fx_rate FROM finops.receivable_adjustment j"
"  JOIN @s@.invoice_header h USING (invoice_id) WHERE j.kind IN ('credit_transfer', 'payout') AND " LOCAL_DAY("j.occurred_at") " < $2"
" UNION ALL SELECT 'output tax, reporting currency', $4, -base, 0 FROM journal_all WHERE role = 'output_tax'"
" UNION ALL SELECT 'output tax, reporting currency', $4, 0, h.tax_usd FROM @s@.invoice_header h WHERE h.status IN ('issued', 'paid') AND " LOCAL_DAY("h.issued_at") " < $2";

/*
 * finops.journal_check(period date)
 *
 * Errors: 22004; 22023 for the period.
 */
Datum
finops_journal_check(PG_FUNCTION_ARGS)
{
	DateADT		period = FinopsPeriodArg(fcinfo, 0);
	DateADT		next = FinopsPeriodEnd(period);
	FinopsSession session;
	char	   *sql;

	FinopsCheckPeriodNotFuture(period);
	FinopsBegin(&session);
	JournalStage(period);
	JournalStageLines("journal_all", DATEVAL_NOBEGIN, next, false);
	FINOPS_STAGE("bridge", "SELECT c.currency, c.line, c.amount FROM finops.cost_bridge($1) c", ARG_DATE(period));
	sql = psprintf("SELECT x.check, x.currency, trim_scale(sum(x.ledger)), trim_scale(sum(x.expected)), trim_scale(sum(x.ledger - x.expected))"
				   " FROM (%s%s%s%s) x GROUP BY 1, 2 ORDER BY 1, 2", balance_sql, receivable_sql, prepaid_sql, base_sql);
	FINOPS_RUN(sql, ARG_DATE(period), ARG_DATE(next), ARG_TEXT(JournalZone()),
			   ARG_TEXT(finops_reporting_currency));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

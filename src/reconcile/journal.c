/*-------------------------------------------------------------------------
 *
 * journal.c
 *	  Double entry of a billing period.
 *
 * The journal is computed from what the other tables say: bills and
 * prepayments (finops.cost_bridge), accruals, documents, payments and their
 * applications, adjustments, internal recharges.  It stands in this room and
 * not beside the documents, because it reads accruals and locks.
 *
 * Cost, revenue and recharges belong to the billing period; documents,
 * payments and settlements to the month of their day in the issuer's time
 * zone.  Revenue of a period whose documents are issued later stands as
 * unbilled until then, so that receivables are what the ageing says.
 *
 * An amount is positive for a debit.  "base" is the same in the reporting
 * currency: documents at their stamped rate, money at the rate of its day; the
 * difference of both is realised when one settles the other.
 *
 * A posted period never changes.  What it would be now, less what is posted
 * of it, stands as a correction in the first period that is not posted, with
 * its origin; so over all periods the ledger is what the tables say.  Bills
 * of a locked period do not change and are left out of that comparison; where
 * it was opened again, the next lock posts what they differ by.
 *
 *-------------------------------------------------------------------------
 */
#include "reconcile/journal.h"
#include "reconcile/reconcile.h"

#include "invoice/payment.h"

PG_FUNCTION_INFO_V1(finops_journal);
PG_FUNCTION_INFO_V1(finops_post_journal);
PG_FUNCTION_INFO_V1(finops_journal_csv);
PG_FUNCTION_INFO_V1(finops_set_journal_account);
PG_FUNCTION_INFO_V1(finops_set_prepaid_opening);

#define WITHIN(day)		"(" day " >= $1 AND " day " < $2)"
#define MONTH_OF(day)	"date_trunc('month', " day "::timestamp)::date"

/* Bills: only of one period, $1. */
#define COST_SQL \
	"SELECT $1 AS origin, ($2 - 1) AS day, 'bill' AS source, to_char($1, 'YYYY-MM') || x.what AS reference, NULL::text AS tenant_id, x.role, b.currency," \
	"  x.amount, x.amount * coalesce(finops.fx_rate_of(b.currency, $1), 0) AS base" \
	" FROM (SELECT c.currency, sum(c.amount) FILTER (WHERE c.line = 'billed cost') AS billed," \
	"   coalesce((SELECT sum(d.effective_cost) FROM finops.cost_daily d WHERE d.billing_period = $1" \
	"    AND d.charge_category = 'Tax' AND d.currency = c.currency), 0) AS tax," \
	"   -sum(c.amount) FILTER (WHERE c.line IN ('new prepayments', 'refunds of prepayments')) AS bought," \
	"   sum(c.amount) FILTER (WHERE c.line = 'effective cost') AS effective FROM finops.cost_bridge($1) c GROUP BY 1) b," \
	" LATERAL (VALUES ('expense', b.effective - b.tax, ''), ('input_tax', b.tax, ''), ('payable', -b.billed, ''), ('prepaid', b.bought, ' purchases')," \
	"  ('prepaid', b.billed - b.effective - b.bought, ' amortisation')) AS x(role, amount, what)" \
	" UNION ALL SELECT a.period_start, ($2 - 1), 'recharge', a.tenant_id, a.tenant_id, x.role, a.currency, sum(a.amount) * x.sign," \
	"  sum(a.amount) * x.sign * coalesce(finops.fx_rate_of(a.currency, $1), 0)" \
	" FROM finops.allocation_current a JOIN @s@.tenant_master t USING (tenant_id), (VALUES ('internal_recharge', 1), ('recharge_recovery', -1)) AS x(role, sign)" \
	" WHERE a.period_start = $1 AND t.billing_mode = 'chargeback' GROUP BY a.period_start, a.tenant_id, a.currency, x.role, x.sign UNION ALL "

/* What was prepaid before the first bill. */
static const char *const opening_sql =
"SELECT o.period_start AS origin, o.period_start AS day, 'opening' AS source, 'prepaid' AS reference, NULL::text AS tenant_id, x.role, o.currency,"
"  o.amount * x.sign AS amount, o.amount * x.sign * coalesce(finops.fx_rate_of(o.currency, o.period_start), 0) AS base"
" FROM finops.prepaid_opening o, (VALUES ('prepaid', 1), ('opening', -1)) AS x(role, sign) WHERE " WITHIN("o.period_start") " UNION ALL ";

static const char *const accrual_sql =
"SELECT e.period_start AS origin, (e.period_start + interval '1 month')::date - 1 AS day, 'accrual' AS source, e.source || ' ' || to_char(e.origin_period, 'YYYY-MM') AS reference,"
"  NULL::text AS tenant_id, x.role, e.currency, e.amount * x.sign AS amount, e.amount * x.sign * coalesce(finops.fx_rate_of(e.currency, e.origin_period), 0) AS base"
" FROM finops.accrual_entry e, (VALUES ('expense', 1), ('accrual', -1)) AS x(role, sign) WHERE " WITHIN("e.period_start");

/* Lines that only make a total round are no revenue. */
#define ROUNDED \
	"CROSS JOIN LATERAL (SELECT coalesce(sum(i.amount), 0) AS rounding FROM @s@.invoice_detail i" \
	" WHERE i.invoice_id = h.invoice_id AND i.line_type = 'rounding') r"

/* A month paid in advance, on the document of the month before, is earned when it comes. */
#define EARNED \
	"CROSS JOIN LATERAL (WITH line AS (SELECT greatest(h.period_start, " MONTH_OF("i.service_period_start") ") AS month, i.amount," \
	" CASE i.line_type WHEN 'rounding' THEN i.amount ELSE 0 END AS rounding FROM @s@.invoice_detail i WHERE i.invoice_id = h.invoice_id)" \
	" SELECT x.month, sum(x.amount) AS amount, sum(x.rounding) AS rounding FROM" \
	" (SELECT h.period_start AS month, h.subtotal AS amount, 0::numeric AS rounding" \
	"  UNION ALL SELECT h.period_start, CASE WHEN l.month > h.period_start THEN -l.amount ELSE 0 END, l.rounding FROM line l" \
	"  UNION ALL SELECT l.month, l.amount, 0 FROM line l WHERE l.month > h.period_start) x GROUP BY 1) r"

static const char *const document_sql =
" UNION ALL SELECT r.month, (r.month + interval '1 month')::date - 1, 'revenue', h.invoice_id, h.tenant_id, x.role, h.currency, x.amount, x.amount * h.fx_rate"
" FROM @s@.invoice_header h " EARNED ","
" LATERAL (VALUES ('unbilled', r.amount), ('revenue', r.rounding - r.amount), ('rounding', -r.rounding)) AS x(role, amount)"
" WHERE h.kind = 'invoice' AND h.status IN ('issued', 'paid') AND h.period_start >= $1::timestamp - interval '1 month' AND h.period_start < $2"
"  AND " WITHIN("r.month")
" UNION ALL SELECT " MONTH_OF("d.day") ", d.day, h.kind, h.invoice_id, h.tenant_id, x.role, h.currency, x.amount, x.amount * h.fx_rate"
" FROM @s@.invoice_header h CROSS JOIN LATERAL (SELECT " LOCAL_DAY("h.issued_at") " AS day) d " ROUNDED ","
" LATERAL (VALUES ('receivable', h.total), ('output_tax', -h.tax),"
"  (CASE h.kind WHEN 'invoice' THEN 'unbilled' ELSE 'revenue' END, CASE h.kind WHEN 'invoice' THEN 0 ELSE r.rounding END - h.subtotal),"
"  ('rounding', CASE h.kind WHEN 'invoice' THEN 0 ELSE -r.rounding END)) AS x(role, amount)"
" WHERE h.status IN ('issued', 'paid') AND " WITHIN("d.day");

static const char *const payment_sql =
" UNION ALL SELECT " MONTH_OF("d.day") ", d.day, 'payment', p.payment_id, p.tenant_id, x.role, p.currency, p.amount * x.sign, p.amount * x.sign * d.rate"
" FROM @s@.payment_txn p CROSS JOIN LATERAL (SELECT " LOCAL_DAY("p.paid_at") " AS day, " DAY_RATE " AS rate) d,"
" (VALUES ('bank', 1), ('unapplied', -1)) AS x(role, sign) WHERE p.status = 'confirmed' AND " WITHIN("d.day")
" UNION ALL SELECT " MONTH_OF("d.day") ", d.day, o.kind, o.reference, p.tenant_id, x.role, p.currency, o.amount * x.sign, o.amount * x.sign * d.rate"
" FROM finops.payment_outflow o JOIN @s@.payment_txn p USING (payment_id)"
" CROSS JOIN LATERAL (SELECT " LOCAL_DAY("o.occurred_at") " AS day, " DAY_RATE " AS rate) d,"
" (VALUES ('unapplied', 1), ('bank', -1)) AS x(role, sign) WHERE " WITHIN("d.day")
" UNION ALL SELECT " MONTH_OF("d.day") ", d.day, 'application', a.payment_id || ' ' || a.invoice_id, h.tenant_id, x.role, x.currency, x.amount, x.base"
" FROM finops.payment_application a JOIN @s@.payment_txn p USING (payment_id) JOIN @s@.invoice_header h ON h.invoice_id = a.invoice_id"
" CROSS JOIN LATERAL (SELECT " LOCAL_DAY("a.applied_at") " AS day, a.amount * " DAY_RATE " AS paid, a.invoice_amount * h.fx_rate AS owed) d,"
" LATERAL (VALUES ('unapplied', p.currency, a.amount, d.paid), ('receivable', h.currency, -a.invoice_amount, -d.owed),"
"  ('fx', p.currency, CASE WHEN p.currency = h.currency THEN 0 ELSE -a.amount END, CASE WHEN p.currency = h.currency THEN d.owed - d.paid ELSE -d.paid END),"
"  ('fx', h.currency, CASE WHEN p.currency = h.currency THEN 0 ELSE a.invoice_amount END, CASE WHEN p.currency = h.currency THEN 0 ELSE d.owed END))"
"  AS x(role, currency, amount, base) WHERE " WITHIN("d.day")
" UNION ALL SELECT " MONTH_OF("d.day") ", d.day, j.kind, j.invoice_id, h.tenant_id, x.role, h.currency, x.amount, x.base"
" FROM finops.receivable_adjustment j JOIN @s@.invoice_header h USING (invoice_id)"
" CROSS JOIN LATERAL (SELECT " LOCAL_DAY("j.occurred_at") " AS day) d,"
" LATERAL (SELECT CASE j.kind WHEN 'payout' THEN " PAYOUT_RATE " ELSE h.fx_rate END AS rate) y,"
" LATERAL (VALUES ('receivable', -j.amount, -j.amount * h.fx_rate),"
"  (CASE j.kind WHEN 'credit_transfer' THEN 'fx' WHEN 'payout' THEN 'bank' ELSE 'write_off' END, CASE j.kind WHEN 'credit_transfer' THEN 0 ELSE j.amount END, j.amount * y.rate),"
"  ('fx', 0, j.amount * (h.fx_rate - y.rate)))"
"  AS x(role, amount, base) WHERE " WITHIN("d.day");

/*
 * What is owed to customers is no receivable: a credit balance that credit
 * notes or a negative total leave on an invoice stands apart at the end of
 * each month.  Only such invoices can have one, for no payment exceeds them.
 */
static const char *const credit_sql =
" UNION ALL SELECT c.month, (c.month + interval '1 month')::date - 1, 'credit_balance', c.invoice_id, c.tenant_id, x.role, c.currency, c.change * x.sign, c.change * x.sign * c.fx_rate"
" FROM (SELECT b.*, least(b.balance, 0) - least(b.balance - b.moved, 0) AS change FROM"
"  (SELECT m.*, sum(m.moved) OVER (PARTITION BY m.invoice_id ORDER BY m.month) AS balance FROM"
"   (SELECT h.invoice_id, h.tenant_id, h.currency, h.fx_rate, " MONTH_OF("e.day") " AS month, sum(e.amount) AS moved FROM @s@.invoice_header h,"
"     LATERAL (SELECT " LOCAL_DAY("d.issued_at") " AS day, d.total AS amount FROM @s@.invoice_header d WHERE d.status IN ('issued', 'paid')"
"       AND (d.invoice_id = h.invoice_id OR d.original_invoice_id = h.invoice_id)"
"      UNION ALL SELECT " LOCAL_DAY("a.applied_at") ", -a.invoice_amount FROM finops.payment_application a WHERE a.invoice_id = h.invoice_id"
"      UNION ALL SELECT " LOCAL_DAY("j.occurred_at") ", -j.amount FROM finops.receivable_adjustment j WHERE j.invoice_id = h.invoice_id) e"
"    WHERE h.kind = 'invoice' AND h.status IN ('issued', 'paid') AND e.day < $2"
"     AND (h.total < 0 OR EXISTS (SELECT FROM @s@.invoice_header n WHERE n.original_invoice_id = h.invoice_id)) GROUP BY 1, 2, 3, 4, 5) m) b) c,"
" (VALUES ('receivable', -1), ('customer_credit', 1)) AS x(role, sign) WHERE c.change <> 0 AND " WITHIN("c.month");

#define JOURNAL_COLUMNS \
	"l.day AS posting_date, l.source, l.reference, l.tenant_id, l.role, a.account, a.name AS account_name, l.currency," \
	" trim_scale(greatest(l.amount, 0)) AS debit, trim_scale(greatest(-l.amount, 0)) AS credit, trim_scale(greatest(l.base, 0)) AS base_debit," \
	" trim_scale(greatest(-l.base, 0)) AS base_credit, l.origin AS origin_period"

#define ACCOUNTS \
	"(SELECT DISTINCT ON (role) role, account, name FROM finops.journal_account ORDER BY role, shipped) a USING (role)"

char *
JournalZone(void)
{
	FINOPS_RUN0("SELECT " ISSUER_ZONE_SQL);
	return FinopsText(0, 1);
}

void
JournalStageLines(const char *name, DateADT from, DateADT to, bool cost)
{
	char	   *sql = psprintf("SELECT origin, day, source, reference, tenant_id, role, currency, sum(amount) AS amount, sum(base) AS base"
							   " FROM (%s%s%s%s%s%s) l GROUP BY 1, 2, 3, 4, 5, 6, 7 HAVING sum(amount) <> 0 OR sum(base) <> 0",
							   cost ? COST_SQL : "", opening_sql, accrual_sql, document_sql, payment_sql, credit_sql);

	FinopsStage(name, sql, 4,
				(FinopsArg[]) {ARG_DATE(from), ARG_DATE(to), ARG_TEXT(JournalZone()),
							   ARG_TEXT(finops_reporting_currency)});
}

static bool
is_posted(DateADT period)
{
	return FINOPS_RUN("SELECT FROM finops.journal_entry WHERE posted_period = $1 LIMIT 1", ARG_DATE(period)) > 0;
}

/*
 * Relation "journal_change": what posted periods would be now, less what is
 * posted of them, here or later.
 */
static void
stage_corrections(DateADT period)
{
	bool		isnull;
	DateADT		from;
	DateADT		to;

	FINOPS_RUN("SELECT min(posted_period), (max(posted_period) + interval '1 month')::date FROM finops.journal_entry WHERE posted_period < $1", ARG_DATE(period));
	from = DatumGetDateADT(FinopsValue(0, 1, &isnull));
	if (isnull)
		from = to = period;
	else
		to = DatumGetDateADT(FinopsValue(0, 2, &isnull));
	JournalStageLines("journal_old", from, to, false);
	FINOPS_STAGE("journal_change",
				 "WITH posted AS (SELECT DISTINCT posted_period AS month FROM finops.journal_entry WHERE posted_period < $1)"
				 " SELECT origin, source, reference, tenant_id, role, currency, sum(amount) AS amount, sum(base) AS base FROM"
				 " (SELECT o.origin, o.source, o.reference, o.tenant_id, o.role, o.currency, o.amount, o.base FROM journal_old o JOIN posted p ON p.month = o.origin"
				 "  UNION ALL SELECT e.origin_period, e.source, e.reference, e.tenant_id, e.role, e.currency, e.credit - e.debit, e.base_credit - e.base_debit"
				 "   FROM finops.journal_entry e JOIN posted p ON p.month = e.origin_period WHERE e.source NOT IN ('bill', 'recharge')) x"
				 " GROUP BY 1, 2, 3, 4, 5, 6 HAVING sum(amount) <> 0 OR sum(base) <> 0", ARG_DATE(period));
	FinopsEndStage("journal_old");
}

/*
 * Leaves the journal of a period as relation "journal_line".  Corrections go
 * into the first period that is not posted.
 */
void
JournalStage(DateADT period)
{
	DateADT		next = FinopsPeriodEnd(period);

	if (is_posted(period))
	{
		FINOPS_STAGE("journal_line",
					 "SELECT posting_date, source, reference, tenant_id, role, account, account_name, currency, debit, credit, base_debit, base_credit, origin_period"
					 " FROM finops.journal_entry WHERE posted_period = $1 ORDER BY line_no", ARG_DATE(period));
		return;
	}
	JournalStageLines("journal_now", period, next, true);
	if (FINOPS_RUN("SELECT FROM finops.journal_entry WHERE posted_period < $1 LIMIT 1", ARG_DATE(period)) == 0 ||
		FINOPS_RUN("SELECT FROM generate_series((SELECT min(posted_period) FROM finops.journal_entry), $1 - interval '1 month', interval '1 month') AS m(month)"
				   " WHERE NOT EXISTS (SELECT FROM finops.journal_entry e WHERE e.posted_period = m.month::date) LIMIT 1", ARG_DATE(period)) > 0)
		FINOPS_STAGE0("journal_change", "SELECT o.origin, o.source, o.reference, o.tenant_id, o.role, o.currency, o.amount, o.base FROM journal_now o WHERE false");
	else
		stage_corrections(period);
	FINOPS_STAGE("journal_line",
				 "SELECT " JOURNAL_COLUMNS " FROM (SELECT origin, day, source, reference, tenant_id, role, currency, amount, base FROM journal_now"
				 "  UNION ALL SELECT origin, $1, source, reference, tenant_id, role, currency, amount, base FROM journal_change) l"
				 " JOIN " ACCOUNTS " ORDER BY l.origin, l.day, l.source, l.reference COLLATE \"C\", l.currency, l.role", ARG_DATE(period));
}

/*
 * finops.journal(period date)
 *
 * Errors: 22004; 22023 for the period.
 */
Datum
finops_journal(PG_FUNCTION_ARGS)
{
	DateADT		period = FinopsPeriodArg(fcinfo, 0);
	FinopsSession session;

	FinopsCheckPeriodNotFuture(period);
	FinopsBegin(&session);
	JournalStage(period);
	FINOPS_RUN0("SELECT * FROM journal_line");
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

/* Ledgers that do not balance are a fault of this file, never of data. */
static void
check_balance(void)
{
	if (FINOPS_RUN0("SELECT currency, sum(debit - credit)::text FROM journal_line GROUP BY 1 HAVING sum(debit) <> sum(credit)"
					" UNION ALL SELECT 'base', sum(base_debit - base_credit)::text FROM journal_line HAVING sum(base_debit) <> sum(base_credit)") > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("journal does not balance in %s by %s", FinopsText(0, 1), FinopsText(0, 2))));
}

/*
 * Relation "journal_line" of a posted period that was opened again: what its
 * bills and recharges are now, less what is posted of them.  Whatever else
 * changed stands as a correction in an open period.
 */
static void
stage_reopened(DateADT period)
{
	DateADT		next = FinopsPeriodEnd(period);

	JournalStageLines("journal_now", period, next, true);
	FINOPS_STAGE("journal_line",
				 "SELECT " JOURNAL_COLUMNS " FROM (SELECT x.origin, $2::date - 1 AS day, x.source, x.reference, x.tenant_id, x.role, x.currency,"
				 "  sum(x.amount) AS amount, sum(x.base) AS base FROM"
				 "  (SELECT origin, source, reference, tenant_id, role, currency, amount, base FROM journal_now WHERE source IN ('bill', 'recharge')"
				 "   UNION ALL SELECT e.origin_period, e.source, e.reference, e.tenant_id, e.role, e.currency, e.credit - e.debit, e.base_credit - e.base_debit"
				 "    FROM finops.journal_entry e WHERE e.origin_period = $1 AND e.source IN ('bill', 'recharge')) x"
				 "  GROUP BY 1, 3, 4, 5, 6, 7 HAVING sum(x.amount) <> 0 OR sum(x.base) <> 0) l"
				 " JOIN " ACCOUNTS " ORDER BY l.source, l.reference COLLATE \"C\", l.currency, l.role",
				 ARG_DATE(period), ARG_DATE(next));
}

int64
ReconPostJournal(const FinopsSession *session, DateADT period)
{
	FinopsLock(FINOPS_LOCK_SETTLEMENT, 0);
	if (is_posted(period))
		stage_reopened(period);
	else
		JournalStage(period);
	check_balance();
	return (int64) FINOPS_RUN("INSERT INTO finops.journal_entry (posted_period, line_no, origin_period, posting_date, source, reference, tenant_id, role,"
							  "  account, account_name, currency, debit, credit, base_debit, base_credit, posted_by)"
							  " SELECT $1, coalesce((SELECT max(e.line_no) FROM finops.journal_entry e WHERE e.posted_period = $1), 0) + row_number()"
							  "   OVER (ORDER BY origin_period, posting_date, source, reference COLLATE \"C\", currency, role, debit, credit), origin_period,"
							  "  posting_date, source, reference, tenant_id, role, account, account_name, currency, debit, credit, base_debit, base_credit, $2"
							  " FROM journal_line", ARG_DATE(period), ARG_TEXT(FinopsCallerName(session)));
}

/*
 * finops.post_journal(period date) → bigint
 *
 * Errors: 22004; 22023 for the period; 55000 where it is not locked.
 */
Datum
finops_post_journal(PG_FUNCTION_ARGS)
{
	DateADT		period = FinopsPeriodArg(fcinfo, 0);
	FinopsSession session;
	int64		lines;

	FinopsRequireWritable("finops.post_journal()");
	FinopsCheckPeriodNotFuture(period);
	FinopsBegin(&session);
	FinopsLock(FINOPS_LOCK_PERIOD, period);
	if (!FinopsPeriodIsLocked(period))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("billing period %s is not locked", FinopsPeriodText(period)),
				 errhint("Lock it with SELECT finops.lock_period('%s-01').", FinopsPeriodText(period))));
	lines = ReconPostJournal(&session, period);
	if (lines > 0)
		FinopsAudit(&session, "post_journal", "billing_period", FinopsPeriodText(period),
					psprintf("{\"lines\": %lld}", (long long) lines));
	FinopsEnd(&session);
	PG_RETURN_INT64(lines);
}

/*
 * finops.journal_csv(period date) → text
 */
Datum
finops_journal_csv(PG_FUNCTION_ARGS)
{
	DateADT		period = FinopsPeriodArg(fcinfo, 0);
	FinopsSession session;
	MemoryContext context = CurrentMemoryContext;
	StringInfoData csv;

	FinopsRequireFeature(FINOPS_DATA_EXPORT);
	FinopsCheckPeriodNotFuture(period);
	initStringInfo(&csv);
	FinopsBegin(&session);
	JournalStage(period);
	FINOPS_RUN0("SELECT * FROM journal_line");
	FinopsAppendCsv(&csv);
	MemoryContextSwitchTo(context);
	FinopsEnd(&session);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(csv.data, csv.len));
}

/*
 * finops.set_journal_account(role text, account text, name text DEFAULT NULL)
 *	→ journal_account
 *
 * Errors: 22004; 22023 for an unknown role.
 */
Datum
finops_set_journal_account(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *role = InvoiceRequiredText(fcinfo, 0, "role");
	char	   *account = InvoiceRequiredText(fcinfo, 1, "account");

	FinopsRequireWritable("finops.set_journal_account()");
	FinopsBegin(&session);
	if (FINOPS_RUN("INSERT INTO finops.journal_account AS j (role, account, name) SELECT s.role, $2, coalesce($3, s.name) FROM finops.journal_account s"
				   " WHERE s.role = $1 AND s.shipped ON CONFLICT (role, shipped) DO UPDATE SET account = excluded.account, name = coalesce($3, j.name) RETURNING j.*",
				   ARG_TEXT(role), ARG_TEXT(account), ARG_TEXT(InvoiceTextArg(fcinfo, 2))) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown role \"%s\" of an account", FinopsQuoteForMessage(role)),
				 errhint("SELECT role FROM finops.journal_account lists them.")));
	FinopsReturnRows(fcinfo);
	FINOPS_RUN("SELECT jsonb_build_object('account', $1)::text", ARG_TEXT(account));
	FinopsAudit(&session, "set_journal_account", "journal_account", role, FinopsText(0, 1));
	FinopsEnd(&session);
	return (Datum) 0;
}

/*
 * finops.set_prepaid_opening(period date, amount numeric, currency text DEFAULT
 *	NULL, note text DEFAULT NULL) → prepaid_opening
 *
 * Where the period is posted already, the journal has it as a correction.
 * Errors: 22004; 22023 for the period, a negative or infinite amount, an
 * unknown currency.
 */
Datum
finops_set_prepaid_opening(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	DateADT		period = FinopsPeriodArg(fcinfo, 0);
	char	   *currency = InvoiceTextArg(fcinfo, 2);

	FinopsRequireArg(fcinfo, 1, "amount");
	FinopsCheckPeriodNotFuture(period);
	FinopsRequireWritable("finops.set_prepaid_opening()");
	FinopsBegin(&session);
	if (currency == NULL)
		currency = finops_reporting_currency;
	(void) InvoiceCurrencyDigits(currency);
	if (FINOPS_RUN("SELECT WHERE $1 >= 0 AND $1 < 'Infinity'", InvoiceDatumArg(fcinfo, 1, NUMERICOID)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("amount must be a number that is not negative")));
	FINOPS_RUN("INSERT INTO finops.prepaid_opening AS o (currency, period_start, amount, note, set_by) VALUES ($1, $2, $3, $4, $5)"
			   " ON CONFLICT (currency) DO UPDATE SET period_start = $2, amount = $3, note = $4, set_by = $5, set_at = now()"
			   " RETURNING o.*, to_jsonb(o.*)::text", ARG_TEXT(currency), ARG_DATE(period),
			   InvoiceDatumArg(fcinfo, 1, NUMERICOID), ARG_TEXT(InvoiceTextArg(fcinfo, 3)),
			   ARG_TEXT(FinopsCallerName(&session)));
	FinopsAudit(&session, "set_prepaid_opening", "prepaid_opening", currency, FinopsText(0, 7));
	FINOPS_RUN("SELECT * FROM finops.prepaid_opening WHERE currency = $1", ARG_TEXT(currency));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

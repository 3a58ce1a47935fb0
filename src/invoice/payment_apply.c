/*-------------------------------------------------------------------------
 *
 * payment_apply.c
 *	  What becomes of a payment: applied, taken back, refunded, charged back.
 *
 * Nothing is changed: taking an application back adds a row with the opposite
 * amounts, and applies again what was not meant.  At any time a payment is
 * what is applied of it, what went back and what is unapplied.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/payment.h"

#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(finops_apply_payment);
PG_FUNCTION_INFO_V1(finops_unapply_payment);
PG_FUNCTION_INFO_V1(finops_refund_payment);
PG_FUNCTION_INFO_V1(finops_charge_back);
PG_FUNCTION_INFO_V1(finops_verify_payments);

#define NO_NUMERIC	ARG_DATUM(NUMERICOID, (Datum) 0, true)
#define NOW			ARG_DATUM(TIMESTAMPTZOID, TimestampTzGetDatum(GetCurrentTimestamp()), false)

char *
PaymentLock(const char *payment_id)
{
	/* written, so that a REPEATABLE READ transaction that waited gets 40001 */
	if (FINOPS_RUN("UPDATE @s@.payment_txn SET status = status WHERE payment_id = $1 RETURNING currency, status",
				   ARG_TEXT(payment_id)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("unknown payment \"%s\"", FinopsQuoteForMessage(payment_id)),
				 errhint("Record it with finops.record_payment().")));
	if (strcmp(FinopsText(0, 2), "confirmed") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("payment \"%s\" is %s", FinopsQuoteForMessage(payment_id), FinopsText(0, 2)),
				 errhint("Only confirmed payments can be applied or paid back.")));
	return FinopsText(0, 1);
}

int64
PaymentApply(const FinopsSession *session, const char *payment_id,
			 const char *invoice_id, FinopsArg amount, FinopsArg invoice_amount,
			 const char *rule)
{
	int64		id;

	if (FINOPS_RUN("INSERT INTO finops.payment_application (payment_id, invoice_id, amount, invoice_amount, rule, applied_at, booked_by)"
				   " SELECT p.payment_id, h.invoice_id, w.amount, coalesce($4, w.amount), $5,"
				   "  greatest(p.paid_at, h.issued_at, " OPEN_SINCE_SQL "), $6"
				   " FROM @s@.payment_txn p JOIN @s@.invoice_header h ON h.invoice_id = $2"
				   " CROSS JOIN LATERAL (SELECT " PAYMENT_UNAPPLIED_SQL " AS unapplied, " INVOICE_OPEN_SQL " AS open) b"
				   " CROSS JOIN LATERAL (SELECT coalesce($3, least(b.unapplied, b.open)) AS amount) w"
				   " WHERE p.payment_id = $1 AND p.status = 'confirmed' AND h.status = 'issued' AND w.amount > 0"
				   "  AND w.amount <= b.unapplied AND coalesce($4, w.amount) <= b.open"
				   " RETURNING application_id",
				   ARG_TEXT(payment_id), ARG_TEXT(invoice_id), amount, invoice_amount,
				   ARG_TEXT(rule), ARG_TEXT(FinopsCallerName(session))) == 0)
		return 0;
	id = FinopsInt64(0, 1);
	FINOPS_RUN("UPDATE @s@.payment_txn p SET tenant_id = coalesce(p.tenant_id, h.tenant_id), invoice_id = x.invoice_id"
			   " FROM @s@.invoice_header h, (SELECT CASE WHEN count(DISTINCT a.invoice_id) = 1 THEN min(a.invoice_id) END AS invoice_id"
			   "  FROM finops.payment_application a WHERE a.payment_id = $1) x"
			   " WHERE p.payment_id = $1 AND h.invoice_id = $2 AND p.invoice_id IS NULL", ARG_TEXT(payment_id), ARG_TEXT(invoice_id));
	return id;
}

void
PaymentWriteOffSmall(const FinopsSession *session, const char *invoice_id)
{
	FINOPS_RUN("INSERT INTO finops.receivable_adjustment (invoice_id, kind, amount, reason, occurred_at, booked_by)"
			   " SELECT h.invoice_id, 'small_difference', b.open, 'short by no more than the policy tolerates',"
			   "  greatest((SELECT max(a.applied_at) FROM finops.payment_application a WHERE a.invoice_id = h.invoice_id), " OPEN_SINCE_SQL "), $2"
			   " FROM @s@.invoice_header h CROSS JOIN LATERAL (SELECT " INVOICE_OPEN_SQL " AS open) b"
			   " WHERE h.invoice_id = $1 AND b.open > 0 AND b.open <= " POLICY_SQL("short_tolerance", "0")
			   " AND EXISTS (SELECT FROM finops.payment_application a WHERE a.invoice_id = h.invoice_id AND a.reverses IS NULL)",
			   ARG_TEXT(invoice_id), ARG_TEXT(FinopsCallerName(session)));
}

static void
check_amount(FinopsArg amount, const char *currency, const char *what)
{
	if (FINOPS_RUN("SELECT WHERE $1 > 0 AND $1 < 'Infinity' AND $1 = round($1, finops.currency_minor_unit($2))",
				   amount, ARG_TEXT(currency)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be a positive number of minor units of %s", what, currency)));
}

static void
return_application(FunctionCallInfo fcinfo, const FinopsSession *session, int64 id,
				   const char *action, const char *payment_id)
{
	FINOPS_RUN("SELECT to_jsonb(a.*)::text FROM finops.payment_application a WHERE application_id = $1", ARG_INT8(id));
	FinopsAudit(session, action, "payment", payment_id, FinopsText(0, 1));
	FINOPS_RUN("SELECT * FROM finops.payment_application WHERE application_id = $1", ARG_INT8(id));
	FinopsReturnRows(fcinfo);
}

/*
 * finops.apply_payment(payment_id text, invoice_id text, amount numeric
 *	DEFAULT NULL, invoice_amount numeric DEFAULT NULL) -> payment_application
 *
 * Errors: 22004; P0002 for an unknown payment or invoice; 55000 for an
 * invoice that is open or void or a payment that is not confirmed; 22023 for
 * an amount that is more than what is left, or other currencies without both
 * amounts.
 */
Datum
finops_apply_payment(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *payment_id = InvoiceRequiredText(fcinfo, 0, "payment_id");
	char	   *invoice_id = InvoiceRequiredText(fcinfo, 1, "invoice_id");
	FinopsArg	amount = InvoiceDatumArg(fcinfo, 2, NUMERICOID);
	FinopsArg	invoice_amount = InvoiceDatumArg(fcinfo, 3, NUMERICOID);
	InvoiceDocument doc;
	char	   *currency;
	int64		id;

	FinopsRequireWritable("finops.apply_payment()");
	FinopsBegin(&session);
	FinopsLock(FINOPS_LOCK_SETTLEMENT, 0);
	currency = PaymentLock(payment_id);
	doc = InvoiceLockDocument(invoice_id);
	if (!amount.isnull)
		check_amount(amount, currency, "amount");
	if (!invoice_amount.isnull)
		check_amount(invoice_amount, doc.currency, "invoice_amount");
	if (strcmp(currency, doc.currency) == 0 ? !invoice_amount.isnull :
		(amount.isnull || invoice_amount.isnull))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("payment in %s for an invoice in %s", currency, doc.currency),
				 errhint("Give amount in the currency of the payment and, only where it is another, invoice_amount in that of the invoice.")));
	id = PaymentApply(&session, payment_id, invoice_id, amount, invoice_amount, "manual");
	if (id == 0)
	{
		FINOPS_RUN("SELECT " PAYMENT_UNAPPLIED_SQL "::text, " INVOICE_OPEN_SQL "::text FROM @s@.payment_txn p, @s@.invoice_header h"
				   " WHERE p.payment_id = $1 AND h.invoice_id = $2", ARG_TEXT(payment_id), ARG_TEXT(invoice_id));
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("that is more than what is left"),
				 errdetail("%s %s of the payment are unapplied, %s %s of the invoice are open.",
						   FinopsText(0, 1), currency, FinopsText(0, 2), doc.currency)));
	}
	PaymentWriteOffSmall(&session, invoice_id);
	InvoiceSettle(invoice_id, NOW);
	return_application(fcinfo, &session, id, "payment_apply", payment_id);
	FinopsEnd(&session);
	return (Datum) 0;
}

/*
 * Take back up to "amount" of what a payment paid, the latest first, only
 * from invoices with a credit balance when "credited".  Where a row is more
 * than that, the rest is applied again.  Small differences that were written
 * off with the payment come back with it.
 */
static void
take_back(const FinopsSession *session, const char *payment_id, FinopsArg amount,
		  bool credited, const char *reason)
{
	FINOPS_STAGE("taken_back",
				 "WITH live AS (SELECT a.*, CASE WHEN $3 THEN least(a.amount, greatest(0, -b.open)) ELSE a.amount END AS may"
				 "  FROM finops.payment_application a JOIN @s@.invoice_header h USING (invoice_id)"
				 "  CROSS JOIN LATERAL (SELECT " INVOICE_OPEN_SQL " AS open) b"
				 "  WHERE a.payment_id = $1 AND a.reverses IS NULL"
				 "  AND NOT EXISTS (SELECT FROM finops.payment_application r WHERE r.reverses = a.application_id)),"
				 " run AS (SELECT l.*, least(l.may, $2 - (sum(l.may) OVER (ORDER BY l.application_id DESC) - l.may)) AS take FROM live l)"
				 " SELECT application_id, payment_id, invoice_id, amount, invoice_amount, rule, applied_at, take FROM run WHERE take > 0",
				 ARG_TEXT(payment_id), amount, ARG_BOOL(credited));
	FINOPS_RUN0("SELECT h.invoice_id FROM @s@.invoice_header h WHERE h.invoice_id IN (SELECT invoice_id FROM taken_back)"
			   " ORDER BY h.invoice_id COLLATE \"C\" FOR UPDATE OF h");
	FINOPS_RUN("INSERT INTO finops.payment_application (payment_id, invoice_id, amount, invoice_amount, rule, applied_at, booked_by, reverses, reason)"
			   " SELECT payment_id, invoice_id, -amount, -invoice_amount, 'reversal', greatest(applied_at, now(), " OPEN_SINCE_SQL "), $1, application_id, $2"
			   " FROM taken_back ORDER BY application_id", ARG_TEXT(FinopsCallerName(session)), ARG_TEXT(reason));
	/* in another currency than the invoice a part keeps the rate it was applied at */
	FINOPS_RUN("INSERT INTO finops.payment_application (payment_id, invoice_id, amount, invoice_amount, rule, applied_at, booked_by, reason)"
			   " SELECT t.payment_id, t.invoice_id, t.amount - t.take, round(t.invoice_amount * (t.amount - t.take) / t.amount,"
			   "  finops.currency_minor_unit(h.currency)), t.rule, greatest(t.applied_at, now(), " OPEN_SINCE_SQL "), $1, $2"
			   " FROM taken_back t JOIN @s@.invoice_header h USING (invoice_id) WHERE t.take < t.amount ORDER BY t.application_id",
			   ARG_TEXT(FinopsCallerName(session)), ARG_TEXT(reason));
	FINOPS_RUN("INSERT INTO finops.receivable_adjustment (invoice_id, kind, amount, reason, occurred_at, booked_by)"
			   " SELECT j.invoice_id, 'small_difference', -sum(j.amount), $2, greatest(now(), " OPEN_SINCE_SQL "), $1"
			   " FROM finops.receivable_adjustment j WHERE j.kind = 'small_difference' AND NOT $3"
			   " AND j.invoice_id IN (SELECT invoice_id FROM taken_back) GROUP BY j.invoice_id HAVING sum(j.amount) > 0",
			   ARG_TEXT(FinopsCallerName(session)), ARG_TEXT(reason), ARG_BOOL(credited));
	FINOPS_RUN0("UPDATE @s@.invoice_header h SET status = CASE WHEN " INVOICE_OPEN_SQL " > 0 THEN 'issued' ELSE h.status END,"
				" paid_at = CASE WHEN " INVOICE_OPEN_SQL " > 0 THEN NULL ELSE h.paid_at END"
				" WHERE h.invoice_id IN (SELECT invoice_id FROM taken_back)");
	FINOPS_RUN("UPDATE @s@.payment_txn p SET invoice_id = NULL WHERE p.payment_id = $1 AND p.invoice_id IS NOT NULL AND NOT $2"
			   " AND coalesce((SELECT sum(a.amount) FROM finops.payment_application a WHERE a.payment_id = p.payment_id AND a.invoice_id = p.invoice_id), 0) = 0",
			   ARG_TEXT(payment_id), ARG_BOOL(credited));
}

/*
 * finops.unapply_payment(application_id bigint, reason text)
 *	-> payment_application, the row that takes it back
 *
 * Errors: 22004; 22023 for a blank reason; P0002 for an unknown row; 55000
 * for one that is taken back already, or takes back itself.
 */
Datum
finops_unapply_payment(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *reason = InvoiceRequiredText(fcinfo, 1, "reason");
	char	   *payment_id;
	int64		id;

	FinopsRequireArg(fcinfo, 0, "application_id");
	id = PG_GETARG_INT64(0);
	FinopsRequireWritable("finops.unapply_payment()");
	FinopsBegin(&session);
	FinopsLock(FINOPS_LOCK_SETTLEMENT, 0);
	if (FINOPS_RUN("SELECT payment_id FROM finops.payment_application WHERE application_id = $1", ARG_INT8(id)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("unknown application %lld", (long long) id),
				 errhint("SELECT * FROM finops.payment_application lists them.")));
	payment_id = FinopsText(0, 1);
	(void) PaymentLock(payment_id);
	if (FINOPS_RUN("SELECT FROM finops.payment_application a WHERE a.application_id = $1 AND a.reverses IS NULL"
				   " AND NOT EXISTS (SELECT FROM finops.payment_application r WHERE r.reverses = $1)", ARG_INT8(id)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("application %lld is taken back already", (long long) id)));
	FINOPS_RUN("SELECT invoice_id FROM finops.payment_application WHERE application_id = $1", ARG_INT8(id));
	(void) InvoiceLockDocument(FinopsText(0, 1));
	FINOPS_RUN("INSERT INTO finops.payment_application (payment_id, invoice_id, amount, invoice_amount, rule, applied_at, booked_by, reverses, reason)"
			   " SELECT payment_id, invoice_id, -amount, -invoice_amount, 'reversal', greatest(applied_at, now(), " OPEN_SINCE_SQL "), $2, application_id, $3"
			   " FROM finops.payment_application WHERE application_id = $1 RETURNING application_id, invoice_id",
			   ARG_INT8(id), ARG_TEXT(FinopsCallerName(&session)), ARG_TEXT(reason));
	id = FinopsInt64(0, 1);
	InvoiceSettle(FinopsText(0, 2), NOW);
	FINOPS_RUN("UPDATE @s@.payment_txn p SET invoice_id = NULL WHERE p.payment_id = $1 AND p.invoice_id IS NOT NULL"
			   " AND coalesce((SELECT sum(a.amount) FROM finops.payment_application a WHERE a.payment_id = p.payment_id AND a.invoice_id = p.invoice_id), 0) = 0",
			   ARG_TEXT(payment_id));
	return_application(fcinfo, &session, id, "payment_unapply", payment_id);
	FinopsEnd(&session);
	return (Datum) 0;
}

/* The row is there already; with other data that is refused. */
static bool
outflow_is_recorded(const char *kind, const char *reference, const char *payment_id, FinopsArg amount)
{
	if (FINOPS_RUN("SELECT payment_id = $3 AND amount = coalesce($4, amount) FROM finops.payment_outflow"
				   " WHERE kind = $1 AND reference = $2", ARG_TEXT(kind), ARG_TEXT(reference), ARG_TEXT(payment_id), amount) == 0)
		return false;
	if (strcmp(FinopsText(0, 1), "t") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("reference \"%s\" is recorded with other data", FinopsQuoteForMessage(reference))));
	return true;
}

static void
record_outflow(FunctionCallInfo fcinfo, const char *kind, const char *payment_id,
			   FinopsArg amount, const char *reference, const char *reason)
{
	FinopsSession session;
	char	   *currency;
	bool		refund = strcmp(kind, "refund") == 0;

	FinopsRequireWritable(refund ? "finops.refund_payment()" : "finops.charge_back()");
	FinopsBegin(&session);
	FinopsLock(FINOPS_LOCK_SETTLEMENT, 0);
	if (!outflow_is_recorded(kind, reference, payment_id, amount))
	{
		currency = PaymentLock(payment_id);
		if (amount.isnull)
		{
			bool		isnull;

			FINOPS_RUN("SELECT p.amount - coalesce((SELECT sum(o.amount) FROM finops.payment_outflow o WHERE o.payment_id = p.payment_id), 0)"
					   " FROM @s@.payment_txn p WHERE p.payment_id = $1", ARG_TEXT(payment_id));
			amount.value = FinopsValue(0, 1, &isnull);
			amount.isnull = false;
		}
		check_amount(amount, currency, "amount");
		FINOPS_RUN("SELECT greatest(0, $2 - " PAYMENT_UNAPPLIED_SQL ") FROM @s@.payment_txn p WHERE p.payment_id = $1", ARG_TEXT(payment_id), amount);
		{
			bool		isnull;
			FinopsArg	missing = ARG_DATUM(NUMERICOID, FinopsValue(0, 1, &isnull), false);

			take_back(&session, payment_id, missing, refund, reason);
		}
		if (FINOPS_RUN("INSERT INTO finops.payment_outflow (payment_id, kind, amount, reference, reason, occurred_at, booked_by)"
					   " SELECT p.payment_id, $2, $3, $4, $5, greatest(now(), " OPEN_SINCE_SQL "), $6 FROM @s@.payment_txn p"
					   " WHERE p.payment_id = $1 AND $3 <= " PAYMENT_UNAPPLIED_SQL " RETURNING to_jsonb(payment_outflow.*)::text",
					   ARG_TEXT(payment_id), ARG_TEXT(kind), amount, ARG_TEXT(reference), ARG_TEXT(reason),
					   ARG_TEXT(FinopsCallerName(&session))) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("that is more than what is left of payment \"%s\"", FinopsQuoteForMessage(payment_id)),
					 refund ? errhint("Credit the invoice first with finops.credit_invoice(), or take an application back with finops.unapply_payment().") : 0));
		FinopsAudit(&session, refund ? "payment_refund" : "payment_charge_back", "payment", payment_id, FinopsText(0, 1));
	}
	FINOPS_RUN("SELECT * FROM finops.payment_outflow WHERE kind = $1 AND reference = $2", ARG_TEXT(kind), ARG_TEXT(reference));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
}

/*
 * finops.refund_payment(payment_id text, amount numeric, reference text,
 *	reason text) -> payment_outflow
 *
 * Errors: 22004; 22023 for an amount beyond what is unapplied of the payment
 * or overpaid on its invoices; P0002; 55000; 23505 for a reference with other
 * data.
 */
Datum
finops_refund_payment(PG_FUNCTION_ARGS)
{
	FinopsRequireArg(fcinfo, 1, "amount");
	record_outflow(fcinfo, "refund", InvoiceRequiredText(fcinfo, 0, "payment_id"), InvoiceDatumArg(fcinfo, 1, NUMERICOID),
				   InvoiceRequiredText(fcinfo, 2, "reference"), InvoiceRequiredText(fcinfo, 3, "reason"));
	return (Datum) 0;
}

/*
 * finops.charge_back(payment_id text, reference text, reason text, amount
 *	numeric DEFAULT NULL) -> payment_outflow
 *
 * Without amount all that is left of the payment.  Errors as above.
 */
Datum
finops_charge_back(PG_FUNCTION_ARGS)
{
	record_outflow(fcinfo, "charge_back", InvoiceRequiredText(fcinfo, 0, "payment_id"), InvoiceDatumArg(fcinfo, 3, NUMERICOID),
				   InvoiceRequiredText(fcinfo, 1, "reference"), InvoiceRequiredText(fcinfo, 2, "reason"));
	return (Datum) 0;
}

/*
 * finops.verify_payments() -> object, problem
 *
 * Recomputes what the writers promise, from the entries alone.
 */
Datum
finops_verify_payments(PG_FUNCTION_ARGS)
{
	FinopsSession session;

	FinopsBegin(&session);
	FINOPS_RUN0("SELECT 'payment ' || b.payment_id, 'more is applied and returned than it is: ' || (-b.unapplied)"
				" FROM finops.payment_balance b WHERE b.unapplied < 0"
				" UNION ALL SELECT 'payment ' || a.payment_id, 'applied, but not a confirmed payment' FROM finops.payment_application a"
				"  LEFT JOIN @s@.payment_txn p USING (payment_id) WHERE p.status IS DISTINCT FROM 'confirmed' GROUP BY a.payment_id HAVING sum(a.amount) <> 0"
				" UNION ALL SELECT 'invoice ' || a.invoice_id, 'paid, but not an issued invoice' FROM finops.payment_application a"
				"  LEFT JOIN finops.invoice_balance h USING (invoice_id) WHERE h.invoice_id IS NULL GROUP BY a.invoice_id"
				" UNION ALL SELECT 'invoice ' || b.invoice_id, 'paid by more than its total: ' || (b.paid + b.adjusted - b.total)"
				"  FROM finops.invoice_balance b WHERE b.paid + b.adjusted > greatest(b.total, 0)"
				" UNION ALL SELECT 'invoice ' || b.invoice_id, 'more of its credit balance was used than there is: ' || b.open_amount"
				"  FROM finops.invoice_balance b WHERE b.total < 0 AND b.open_amount > 0"
				" UNION ALL SELECT 'invoice ' || b.invoice_id, 'is ' || b.status || ', while ' || b.open_amount || ' is open'"
				"  FROM finops.invoice_balance b WHERE b.total > 0 AND (b.status = 'paid') <> (b.open_amount <= 0)"
				" UNION ALL SELECT 'application ' || r.application_id, 'takes back something else than it says'"
				"  FROM finops.payment_application r LEFT JOIN finops.payment_application a ON a.application_id = r.reverses"
				"  WHERE r.reverses IS NOT NULL AND (a.amount, a.invoice_amount, a.payment_id, a.invoice_id)"
				"   IS DISTINCT FROM (-r.amount, -r.invoice_amount, r.payment_id, r.invoice_id) ORDER BY 1, 2");
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

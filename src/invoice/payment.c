/*-------------------------------------------------------------------------
 *
 * payment.c
 *	  Payments received.
 *
 * What is open of an invoice is its total less its credit notes, the payments
 * applied to it and its adjustments; applying more than that is refused.
 * Every writer of a settlement first writes the invoice's row, so that two of
 * them run one after the other and a REPEATABLE READ transaction that waited
 * gets 40001 instead of counting without the other.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/payment.h"

#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(finops_record_payment);

typedef struct Payment
{
	char	   *id;
	FinopsArg	amount;
	char	   *currency;
	char	   *method;
	char	   *provider_ref;
	char	   *invoice_id;
	FinopsArg	paid_at;
} Payment;

InvoiceDocument
InvoiceLockDocument(const char *invoice_id)
{
	InvoiceDocument doc = {0};

	if (FINOPS_RUN("UPDATE @s@.invoice_header SET status = status WHERE invoice_id = $1"
				   " RETURNING kind, status, currency, finops.currency_minor_unit(currency)::int4",
				   ARG_TEXT(invoice_id)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("unknown invoice \"%s\"", FinopsQuoteForMessage(invoice_id)),
				 errhint("Use an invoice_id of invoice_header, such as INV-202509-TEN00123.")));
	doc.kind = FinopsText(0, 1);
	doc.status = FinopsText(0, 2);
	doc.currency = FinopsText(0, 3);
	doc.digits = (int) FinopsInt64(0, 4);
	if (strcmp(doc.kind, "invoice") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("document \"%s\" is a credit note", FinopsQuoteForMessage(invoice_id)),
				 errhint("Use the invoice that it credits.")));
	if (strcmp(doc.status, "open") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("invoice \"%s\" is not issued", FinopsQuoteForMessage(invoice_id)),
				 errhint("Issue it with finops.issue_invoices().")));
	if (strcmp(doc.status, "void") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("invoice \"%s\" is void", FinopsQuoteForMessage(invoice_id)),
				 errhint("Use the invoice that replaced it.")));
	return doc;
}

void
InvoiceSettle(const char *invoice_id, FinopsArg settled_at)
{
	FINOPS_RUN("UPDATE @s@.invoice_header h SET status = 'paid', paid_at = $2"
			   " WHERE h.invoice_id = $1 AND h.status = 'issued' AND " INVOICE_OPEN_SQL " <= 0",
			   ARG_TEXT(invoice_id), settled_at);
	FINOPS_RUN("UPDATE @s@.invoice_header h SET status = 'issued', paid_at = NULL"
			   " WHERE h.invoice_id = $1 AND h.status = 'paid' AND " INVOICE_OPEN_SQL " > 0",
			   ARG_TEXT(invoice_id));
}

/* An amount in whole minor units of its currency. */
static void
check_payment_amount(const Payment *p)
{
	int			digits = InvoiceCurrencyDigits(p->currency);

	if (FINOPS_RUN("SELECT FROM (SELECT $1 AS a) x WHERE a > 0 AND a < 'Infinity'", p->amount) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("payment amount must be positive"),
				 errhint("Money paid back is a credit note: finops.credit_invoice().")));
	if (FINOPS_RUN("SELECT WHERE $1 = round($1, $2)", p->amount, ARG_INT4(digits)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("payment amount has more digits than %s allows", p->currency),
				 errdetail("Amounts in %s have %d digits after the decimal point.", p->currency, digits)));
}

/* Money counts from the day on which it came; a day of the issuer's zone. */
static void
check_payment_day(const Payment *p)
{
	if (FINOPS_RUN("SELECT z.zone FROM (SELECT " ISSUER_ZONE_SQL " AS zone) z WHERE ($1 AT TIME ZONE z.zone)::date > (now() AT TIME ZONE z.zone)::date",
				   p->paid_at) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("paid_at is on a day that has not begun"),
				 errdetail("Days are those of the issuer's time zone, %s.", FinopsText(0, 1)),
				 errhint("Record the payment when the money has arrived.")));
}

static void
check_payment_method(const Payment *p)
{
	if (strcmp(p->method, "card") != 0 && strcmp(p->method, "wallet") != 0 &&
		strcmp(p->method, "bank_transfer") != 0 && strcmp(p->method, "credit") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown payment method \"%s\"", FinopsQuoteForMessage(p->method)),
				 errhint("Use card, wallet, bank_transfer or credit.")));
}

/* True when the payment is recorded already; with other data it is refused. */
static bool
is_recorded(const Payment *p)
{
	/* without an invoice it may have been matched since */
	if (FINOPS_RUN("SELECT (coalesce($2, invoice_id), amount, currency, method, provider_ref)"
				   " IS NOT DISTINCT FROM (invoice_id, $3, $4, $5, $6)"
				   " FROM @s@.payment_txn WHERE payment_id = $1",
				   ARG_TEXT(p->id), ARG_TEXT(p->invoice_id), p->amount,
				   ARG_TEXT(p->currency), ARG_TEXT(p->method),
				   ARG_TEXT(p->provider_ref)) == 0)
		return false;
	if (strcmp(FinopsText(0, 1), "t") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("payment \"%s\" is recorded with other data", FinopsQuoteForMessage(p->id)),
				 errhint("Give another payment its own payment_id.")));
	return true;
}

/*
 * What is more than the invoice is refused, unless a policy says what becomes
 * of it.
 */
static void
check_open_amount(const Payment *p, const InvoiceDocument *doc)
{
	if (strcmp(p->currency, doc->currency) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("payment in %s for an invoice in %s", p->currency, doc->currency),
				 errhint("Convert the payment, or record it without invoice_id.")));
	if (FINOPS_RUN("SELECT " INVOICE_OPEN_SQL "::text FROM @s@.invoice_header h"
				   " WHERE h.invoice_id = $1 AND " INVOICE_OPEN_SQL " < $2 AND " POLICY_SQL("over_payment", "'reject'") " = 'reject'",
				   ARG_TEXT(p->invoice_id), p->amount) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("payment is more than what is open of invoice \"%s\"",
						FinopsQuoteForMessage(p->invoice_id)),
				 errdetail("%s %s is open.", FinopsText(0, 1), doc->currency),
				 errhint("Record the part that is open, and the rest without invoice_id under a payment_id of its own; or SELECT finops.set_settlement_policy(over_payment => 'credit').")));
}

static void
insert_payment(const FinopsSession *session, const Payment *p)
{
	if (FINOPS_RUN("INSERT INTO @s@.payment_txn AS t (payment_id, invoice_id, method, currency, amount, amount_usd,"
				   " provider_ref, paid_at, tenant_id)"
				   " SELECT $1, $2, $3, $4, $5, $5 * CASE WHEN $2 IS NOT NULL"
				   "  THEN (SELECT fx_rate FROM @s@.invoice_header WHERE invoice_id = $2)"
				   "  WHEN $4 = $8 THEN 1 ELSE (SELECT f.rate FROM finops.fx_rate f WHERE f.currency = $4"
				   "   AND f.valid_from <= ($7 AT TIME ZONE 'UTC')::date ORDER BY f.valid_from DESC LIMIT 1) END,"
				   " $6, $7, (SELECT tenant_id FROM @s@.invoice_header WHERE invoice_id = $2)"
				   " ON CONFLICT (payment_id) DO NOTHING RETURNING to_jsonb(t.*)::text",
				   ARG_TEXT(p->id), ARG_TEXT(p->invoice_id), ARG_TEXT(p->method),
				   ARG_TEXT(p->currency), p->amount, ARG_TEXT(p->provider_ref),
				   p->paid_at, ARG_TEXT(finops_reporting_currency)) == 0)
		/* another session recorded it since we looked */
		(void) is_recorded(p);
	else
		FinopsAudit(session, "payment_capture", "payment", p->id, FinopsText(0, 1));
}

static void
check_unapplied_rate(const Payment *p)
{
	if (p->invoice_id == NULL &&
		FINOPS_RUN("SELECT WHERE $1 <> $2 AND NOT EXISTS (SELECT FROM finops.fx_rate f WHERE f.currency = $1"
				   " AND f.valid_from <= ($3 AT TIME ZONE 'UTC')::date)",
				   ARG_TEXT(p->currency), ARG_TEXT(finops_reporting_currency), p->paid_at) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no exchange rate for %s on the day of the payment", p->currency),
				 errhint("Set it with SELECT finops.set_fx_rate('%s', valid_from, rate).", p->currency)));
}

/* What is left of the payment pays the tenant's oldest invoices, where the policy says so. */
static void
pay_next_invoices(const FinopsSession *session, const Payment *p)
{
	uint64		n;
	char	  **ids;

	if (FINOPS_RUN("SELECT FROM @s@.payment_txn p JOIN @s@.invoice_header h USING (invoice_id) WHERE p.payment_id = $1 AND "
				   PAYMENT_UNAPPLIED_SQL " > 0 AND " POLICY_SQL("over_payment", "'reject'") " = 'next_invoice'",
				   ARG_TEXT(p->id)) == 0)
		return;
	n = FINOPS_RUN("SELECT h.invoice_id FROM @s@.invoice_header h JOIN @s@.invoice_header x ON x.invoice_id = $1"
				   " WHERE h.tenant_id = x.tenant_id AND h.currency = x.currency AND h.kind = 'invoice' AND h.status = 'issued'"
				   " ORDER BY h.due_at, h.invoice_id COLLATE \"C\"", ARG_TEXT(p->invoice_id));
	ids = palloc_array(char *, n + 1);
	for (uint64 i = 0; i < n; i++)
		ids[i] = FinopsText(i, 1);
	for (uint64 i = 0; i < n; i++)
	{
		(void) InvoiceLockDocument(ids[i]);
		if (PaymentApply(session, p->id, ids[i], ARG_DATUM(NUMERICOID, (Datum) 0, true),
						 ARG_DATUM(NUMERICOID, (Datum) 0, true), "oldest") == 0)
			break;
		InvoiceSettle(ids[i], p->paid_at);
	}
}

/* The invoice is locked; the payment was just recorded, or is older. */
static void
apply_to_named(const FinopsSession *session, const Payment *p)
{
	if (FINOPS_RUN("SELECT FROM finops.payment_application WHERE payment_id = $1", ARG_TEXT(p->id)) > 0)
		return;
	(void) PaymentApply(session, p->id, p->invoice_id, ARG_DATUM(NUMERICOID, (Datum) 0, true),
						ARG_DATUM(NUMERICOID, (Datum) 0, true), "named");
	PaymentWriteOffSmall(session, p->invoice_id);
	InvoiceSettle(p->invoice_id, p->paid_at);
	pay_next_invoices(session, p);
}

/*
 * finops.record_payment(payment_id text, amount numeric, currency text,
 *	method text, provider_ref text, invoice_id text DEFAULT NULL,
 *	paid_at timestamptz DEFAULT now()) -> payment_txn
 *
 * Records a confirmed payment once; the last one that settles the invoice
 * makes it paid.  Errors: 22004; 22023 for an amount that is not positive, has
 * too many digits or, where no policy takes it, exceeds what is open, an
 * unknown currency or method, a day that has not begun, a currency other than
 * the invoice's; P0002 for an unknown invoice; 55000 for one that is open or
 * void; 23505 for a payment_id with other data.
 */
Datum
finops_record_payment(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	Payment		p;

	p.id = InvoiceRequiredText(fcinfo, 0, "payment_id");
	FinopsRequireArg(fcinfo, 1, "amount");
	p.amount = InvoiceDatumArg(fcinfo, 1, NUMERICOID);
	p.currency = InvoiceRequiredText(fcinfo, 2, "currency");
	p.method = InvoiceRequiredText(fcinfo, 3, "method");
	p.provider_ref = InvoiceTextArg(fcinfo, 4);
	p.invoice_id = InvoiceTextArg(fcinfo, 5);
	FinopsRequireArg(fcinfo, 6, "paid_at");
	p.paid_at = InvoiceDatumArg(fcinfo, 6, TIMESTAMPTZOID);
	if (TIMESTAMP_NOT_FINITE(PG_GETARG_TIMESTAMPTZ(6)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("paid_at must be a finite time")));
	check_payment_method(&p);
	FinopsRequireWritable("finops.record_payment()");
	FinopsBegin(&session);
	check_payment_amount(&p);
	check_payment_day(&p);
	if (!is_recorded(&p))
	{
		if (p.invoice_id != NULL)
		{
			InvoiceDocument doc;

			if (FINOPS_RUN0("SELECT FROM finops.settlement_policy WHERE over_payment = 'next_invoice' LIMIT 1") > 0)
				FinopsLock(FINOPS_LOCK_SETTLEMENT, 0);
			doc = InvoiceLockDocument(p.invoice_id);
			/* the wait for the document may have been for this very payment */
			if (!is_recorded(&p))
				check_open_amount(&p, &doc);
		}
		check_unapplied_rate(&p);
		insert_payment(&session, &p);
		if (p.invoice_id != NULL)
			apply_to_named(&session, &p);
	}
	FINOPS_RUN("SELECT * FROM @s@.payment_txn WHERE payment_id = $1", ARG_TEXT(p.id));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

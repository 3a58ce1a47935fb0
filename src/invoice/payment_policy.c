/*-------------------------------------------------------------------------
 *
 * payment_policy.c
 *	  How payments are applied, credit moved between invoices, and what will
 *	  not be paid written off.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/payment.h"

#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(finops_set_settlement_policy);
PG_FUNCTION_INFO_V1(finops_apply_credit);
PG_FUNCTION_INFO_V1(finops_write_off);

/*
 * finops.set_settlement_policy(tenant_id text DEFAULT '*', over_payment text,
 *	short_tolerance numeric, bank_fee_limit numeric, oldest_first boolean)
 *	-> settlement_policy
 *
 * Errors: 22004 for the tenant; 22023 for values out of range; P0002 for an
 * unknown tenant.
 */
Datum
finops_set_settlement_policy(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *tenant = InvoiceRequiredText(fcinfo, 0, "tenant_id");
	char	   *over = InvoiceTextArg(fcinfo, 1);
	FinopsArg	tolerance = InvoiceDatumArg(fcinfo, 2, NUMERICOID);
	FinopsArg	fee = InvoiceDatumArg(fcinfo, 3, NUMERICOID);
	FinopsArg	oldest = InvoiceDatumArg(fcinfo, 4, BOOLOID);

	FinopsRequireWritable("finops.set_settlement_policy()");
	if (over != NULL && strcmp(over, "reject") != 0 && strcmp(over, "credit") != 0 && strcmp(over, "next_invoice") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown policy \"%s\" of over-payments", FinopsQuoteForMessage(over)),
				 errhint("Use reject, credit or next_invoice.")));
	FinopsBegin(&session);
	if (FINOPS_RUN("SELECT WHERE coalesce($1, 0) >= 0 AND coalesce($1, 0) < 'Infinity' AND coalesce($2, 0) >= 0 AND coalesce($2, 0) < 'Infinity'",
				   tolerance, fee) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("short_tolerance and bank_fee_limit must be finite and not negative")));
	if (strcmp(tenant, "*") != 0)
		InvoiceRequireTenant(tenant);
	FINOPS_RUN("INSERT INTO finops.settlement_policy AS s (tenant_id, over_payment, short_tolerance, bank_fee_limit, oldest_first)"
			   " VALUES ($1, coalesce($2, 'credit'), coalesce($3, 0), coalesce($4, 25), coalesce($5, false))"
			   " ON CONFLICT (tenant_id) DO UPDATE SET over_payment = coalesce($2, s.over_payment), short_tolerance = coalesce($3, s.short_tolerance),"
			   "  bank_fee_limit = coalesce($4, s.bank_fee_limit), oldest_first = coalesce($5, s.oldest_first), updated_at = now()"
			   " RETURNING s.*", ARG_TEXT(tenant), ARG_TEXT(over), tolerance, fee, oldest);
	FinopsReturnRows(fcinfo);
	FINOPS_RUN("SELECT to_jsonb(s.*)::text FROM finops.settlement_policy s WHERE s.tenant_id = $1", ARG_TEXT(tenant));
	FinopsAudit(&session, "set_settlement_policy", "tenant", tenant, FinopsText(0, 1));
	FinopsEnd(&session);
	return (Datum) 0;
}

/* Both invoices in the order of their ids; they must be of one tenant, issuer and currency. */
static void
lock_pair(const char *from, const char *to)
{
	if (strcmp(from, to) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("credit cannot be moved to the invoice it is of")));
	FinopsLock(FINOPS_LOCK_SETTLEMENT, 0);
	(void) InvoiceLockDocument(strcmp(from, to) < 0 ? from : to);
	(void) InvoiceLockDocument(strcmp(from, to) < 0 ? to : from);
	if (FINOPS_RUN("SELECT FROM @s@.invoice_header a JOIN @s@.invoice_header b USING (tenant_id, currency, issuer_id)"
				   " WHERE a.invoice_id = $1 AND b.invoice_id = $2", ARG_TEXT(from), ARG_TEXT(to)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invoices \"%s\" and \"%s\" are not of one tenant, issuer and currency",
						FinopsQuoteForMessage(from), FinopsQuoteForMessage(to))));
}

/*
 * finops.apply_credit(from_invoice_id text, to_invoice_id text, amount numeric
 *	DEFAULT NULL) -> receivable_adjustment, both rows
 *
 * Errors: 22004; P0002; 55000; 22023 for an amount beyond the credit balance
 * or what is open, and for invoices of two tenants or currencies.
 */
Datum
finops_apply_credit(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *from = InvoiceRequiredText(fcinfo, 0, "from_invoice_id");
	char	   *to = InvoiceRequiredText(fcinfo, 1, "to_invoice_id");
	FinopsArg	amount = InvoiceDatumArg(fcinfo, 2, NUMERICOID);
	FinopsArg	now = ARG_DATUM(TIMESTAMPTZOID, TimestampTzGetDatum(GetCurrentTimestamp()), false);

	FinopsRequireWritable("finops.apply_credit()");
	FinopsBegin(&session);
	lock_pair(from, to);
	if (FINOPS_RUN("WITH f AS (SELECT -" INVOICE_OPEN_SQL " AS credit, h.currency FROM @s@.invoice_header h WHERE h.invoice_id = $1),"
				   " t AS (SELECT " INVOICE_OPEN_SQL " AS open FROM @s@.invoice_header h WHERE h.invoice_id = $2),"
				   " w AS (SELECT coalesce($3, least(f.credit, t.open)) AS amount, f.credit, t.open, f.currency FROM f, t)"
				   " INSERT INTO finops.receivable_adjustment (invoice_id, kind, amount, other_invoice_id, reason, occurred_at, booked_by)"
				   " SELECT x.a, 'credit_transfer', w.amount * x.sign, x.b, 'credit of an invoice for another', greatest(now(), " OPEN_SINCE_SQL "), $4"
				   " FROM w, (VALUES ($1, $2, -1), ($2, $1, 1)) AS x(a, b, sign)"
				   " WHERE w.amount > 0 AND w.amount <= w.credit AND w.amount <= w.open AND w.amount = round(w.amount, finops.currency_minor_unit(w.currency))"
				   " RETURNING receivable_adjustment.*",
				   ARG_TEXT(from), ARG_TEXT(to), amount, ARG_TEXT(FinopsCallerName(&session))) == 0)
	{
		FINOPS_RUN("SELECT (-" INVOICE_OPEN_SQL ")::text, h.currency FROM @s@.invoice_header h WHERE h.invoice_id = $1", ARG_TEXT(from));
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("credit of invoice \"%s\" does not cover that", FinopsQuoteForMessage(from)),
				 errdetail("Its credit balance is %s %s.", FinopsText(0, 1), FinopsText(0, 2))));
	}
	FinopsReturnRows(fcinfo);
	InvoiceSettle(to, now);
	InvoiceSettle(from, now);
	FINOPS_RUN("SELECT jsonb_build_object('to', $1)::text", ARG_TEXT(to));
	FinopsAudit(&session, "apply_credit", "invoice", from, FinopsText(0, 1));
	FinopsEnd(&session);
	return (Datum) 0;
}

/*
 * finops.write_off(invoice_id text, amount numeric, reason text)
 *	-> receivable_adjustment
 *
 * Where finops.four_eyes is on it waits for finops.approve() and returns no
 * row.  Errors: 22004; 22023 for an amount beyond what is open, or a blank
 * reason; P0002; 55000.
 */
Datum
finops_write_off(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *invoice_id = InvoiceRequiredText(fcinfo, 0, "invoice_id");
	FinopsArg	amount = InvoiceDatumArg(fcinfo, 1, NUMERICOID);
	char	   *reason = InvoiceRequiredText(fcinfo, 2, "reason");
	InvoiceDocument doc;
	int64		id = 0;

	FinopsRequireArg(fcinfo, 1, "amount");
	FinopsRequireWritable("finops.write_off()");
	FinopsBegin(&session);
	doc = InvoiceLockDocument(invoice_id);
	if (FINOPS_RUN("SELECT FROM @s@.invoice_header h WHERE h.invoice_id = $1 AND $2 > 0 AND $2 = round($2, $3) AND $2 <= " INVOICE_OPEN_SQL,
				   ARG_TEXT(invoice_id), amount, ARG_INT4(doc.digits)) == 0)
	{
		FINOPS_RUN("SELECT " INVOICE_OPEN_SQL "::text FROM @s@.invoice_header h WHERE h.invoice_id = $1", ARG_TEXT(invoice_id));
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("cannot write that off of invoice \"%s\"", FinopsQuoteForMessage(invoice_id)),
				 errdetail("%s %s is open.", FinopsText(0, 1), doc.currency)));
	}
	FINOPS_RUN("SELECT jsonb_build_object('invoice_id', $1, 'amount', $2, 'reason', $3)::text", ARG_TEXT(invoice_id), amount, ARG_TEXT(reason));
	if (!FinopsAwaitsApproval(&session, "write_off", invoice_id, FinopsText(0, 1)))
	{
		FINOPS_RUN("INSERT INTO finops.receivable_adjustment (invoice_id, kind, amount, reason, occurred_at, booked_by, approved_by)"
				   " SELECT $1, 'write_off', $2, $3, greatest(now(), " OPEN_SINCE_SQL "), $4, $5 RETURNING adjustment_id, to_jsonb(receivable_adjustment.*)::text",
				   ARG_TEXT(invoice_id), amount, ARG_TEXT(reason), ARG_TEXT(FinopsRequestedBy(&session)),
				   ARG_TEXT(FinopsApprovedBy()));
		id = FinopsInt64(0, 1);
		FinopsAudit(&session, "write_off", "invoice", invoice_id, FinopsText(0, 2));
		InvoiceSettle(invoice_id,
					  ARG_DATUM(TIMESTAMPTZOID, TimestampTzGetDatum(GetCurrentTimestamp()), false));
	}
	FINOPS_RUN("SELECT * FROM finops.receivable_adjustment WHERE adjustment_id = $1", ARG_INT8(id));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

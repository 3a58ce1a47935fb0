/*-------------------------------------------------------------------------
 *
 * credit_balance.c
 *	  What is owed to tenants: credit notes of paid invoices, documents with a
 *	  negative total, money that is not applied.
 *
 * The policy credit_balances of the tenant or its issuer says what becomes of
 * it: "carry" pays the tenant's next invoices with it, the oldest first;
 * "refund" tells that it is to be paid back; otherwise it stands.  Only
 * invoices of one issuer and currency settle each other.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/payment.h"

#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(finops_settle_credits);
PG_FUNCTION_INFO_V1(finops_pay_out);

#define NOW		ARG_DATUM(TIMESTAMPTZOID, TimestampTzGetDatum(GetCurrentTimestamp()), false)

/* Relation credit_tenant: those with something to settle by policy; $1 one of them or NULL. */
static const char *const tenant_sql =
	"SELECT t.tenant_id, coalesce(b.credit_balances, i.credit_balances) AS policy"
	" FROM @s@.tenant_master t LEFT JOIN finops.tenant_billing b ON b.tenant_id = t.tenant_id"
	" LEFT JOIN finops.issuer i ON i.issuer_id = coalesce(b.issuer_id, 'default')"
	" WHERE ($1 IS NULL OR t.tenant_id = $1) AND coalesce(b.credit_balances, i.credit_balances) IN ('carry', 'refund')"
	" AND EXISTS (SELECT FROM finops.credit_balance c WHERE c.tenant_id = t.tenant_id)";

/*
 * Relation credit_move: which credit pays how much of which invoice.  Both
 * stand on one line, end to end; they meet where their stretches overlap.
 */
static const char *const move_sql =
	"WITH item AS (SELECT c.*, sum(c.amount) OVER w AS upto FROM finops.credit_balance c JOIN credit_tenant t USING (tenant_id)"
	"  WHERE t.policy = 'carry' WINDOW w AS (PARTITION BY c.tenant_id, c.issuer_id, c.currency ORDER BY c.since, c.kind, c.reference COLLATE \"C\")),"
	" due AS (SELECT h.invoice_id, h.tenant_id, h.issuer_id, h.currency, h.issued_at, o.open, sum(o.open) OVER w AS upto"
	"  FROM @s@.invoice_header h CROSS JOIN LATERAL (SELECT " INVOICE_OPEN_SQL " AS open) o"
	"  WHERE h.kind = 'invoice' AND h.status = 'issued' AND o.open > 0 AND h.tenant_id IN (SELECT i.tenant_id FROM item i)"
	"  WINDOW w AS (PARTITION BY h.tenant_id, h.issuer_id, h.currency ORDER BY h.due_at, h.invoice_id COLLATE \"C\"))"
	" SELECT i.tenant_id, i.currency, i.kind, i.reference, i.since, d.invoice_id, d.issued_at,"
	"  least(i.upto, d.upto) - greatest(i.upto - i.amount, d.upto - d.open) AS amount"
	" FROM item i JOIN due d USING (tenant_id, issuer_id, currency)"
	" WHERE least(i.upto, d.upto) > greatest(i.upto - i.amount, d.upto - d.open)";

/* Rows are locked in the order of payment.h before anything is decided. */
static void
lock_items(void)
{
	FINOPS_RUN0("SELECT p.payment_id FROM @s@.payment_txn p WHERE p.payment_id IN (SELECT c.reference FROM finops.credit_balance c"
				" JOIN credit_tenant t USING (tenant_id) WHERE c.kind = 'payment') ORDER BY p.payment_id COLLATE \"C\" FOR UPDATE OF p");
	FINOPS_RUN0("SELECT h.invoice_id FROM @s@.invoice_header h WHERE h.kind = 'invoice' AND h.status IN ('issued', 'paid')"
				" AND h.tenant_id IN (SELECT t.tenant_id FROM credit_tenant t) ORDER BY h.invoice_id COLLATE \"C\" FOR UPDATE OF h");
}

static void
write_moves(const FinopsSession *session)
{
	FinopsArg	caller = ARG_TEXT(FinopsCallerName(session));

	FINOPS_RUN("INSERT INTO finops.receivable_adjustment (invoice_id, kind, amount, other_invoice_id, reason, occurred_at, booked_by)"
			   " SELECT x.a, 'credit_transfer', m.amount * x.sign, x.b, 'credit balance carried forward', greatest(now(), " OPEN_SINCE_SQL "), $1"
			   " FROM credit_move m, LATERAL (VALUES (m.reference, m.invoice_id, -1), (m.invoice_id, m.reference, 1)) AS x(a, b, sign)"
			   " WHERE m.kind = 'credit' ORDER BY m.tenant_id, m.reference, m.invoice_id, x.sign", caller);
	FINOPS_RUN("INSERT INTO finops.payment_application (payment_id, invoice_id, amount, invoice_amount, rule, applied_at, booked_by)"
			   " SELECT m.reference, m.invoice_id, m.amount, m.amount, 'carried', greatest(p.paid_at, m.issued_at, " OPEN_SINCE_SQL "), $1"
			   " FROM credit_move m JOIN @s@.payment_txn p ON p.payment_id = m.reference WHERE m.kind = 'payment' ORDER BY 1, 2", caller);
	FINOPS_RUN("UPDATE @s@.invoice_header h SET status = 'paid', paid_at = $1 WHERE h.status = 'issued' AND " INVOICE_OPEN_SQL " <= 0"
			   " AND h.invoice_id IN (SELECT m.invoice_id FROM credit_move m UNION SELECT m.reference FROM credit_move m WHERE m.kind = 'credit')", NOW);
}

/* What is to be paid back is told once for each amount and what it is made of. */
static void
tell_refunds(void)
{
	uint64		n = FINOPS_RUN0("SELECT concat_ws('|', c.tenant_id, c.issuer_id, c.currency, trim_scale(sum(c.amount)),"
								"  md5(string_agg(concat_ws('|', c.kind, c.reference), ',' ORDER BY c.kind, c.reference COLLATE \"C\"))),"
								" jsonb_build_object('tenant_id', c.tenant_id, 'issuer_id', c.issuer_id, 'currency', c.currency, 'amount', sum(c.amount),"
								"  'items', jsonb_agg(jsonb_build_object('kind', c.kind, 'reference', c.reference, 'amount', c.amount, 'call', c.next_call)"
								"   ORDER BY c.since, c.reference COLLATE \"C\"))::text"
								" FROM finops.credit_balance c JOIN credit_tenant t USING (tenant_id) WHERE t.policy = 'refund'"
								" GROUP BY c.tenant_id, c.issuer_id, c.currency ORDER BY 1");
	SPITupleTable *rows = SPI_tuptable;

	for (uint64 i = 0; i < n; i++)
		FinopsPostOutbox("refund_due", SPI_getvalue(rows->vals[i], rows->tupdesc, 1), "info",
						 SPI_getvalue(rows->vals[i], rows->tupdesc, 2));
}

static uint64
settle_credits(const FinopsSession *session, const char *tenant)
{
	uint64		moves;

	if (FINOPS_STAGE("credit_tenant", tenant_sql, ARG_TEXT(tenant)) == 0)
	{
		FINOPS_STAGE0("credit_move", "SELECT NULL::text AS tenant_id, NULL::text AS currency, NULL::text AS kind, NULL::text AS reference,"
					  " NULL::text AS invoice_id, NULL::numeric AS amount WHERE false");
		return 0;
	}
	lock_items();
	moves = FINOPS_STAGE0("credit_move", move_sql);
	if (moves > 0)
		write_moves(session);
	tell_refunds();
	return moves;
}

void
InvoiceSettleCredits(const FinopsSession *session)
{
	if (FINOPS_RUN0("SELECT WHERE EXISTS (SELECT FROM finops.issuer WHERE credit_balances IN ('carry', 'refund'))"
					" OR EXISTS (SELECT FROM finops.tenant_billing WHERE credit_balances IN ('carry', 'refund'))") > 0)
		(void) settle_credits(session, NULL);
}

/*
 * finops.settle_credits(tenant_id text DEFAULT NULL)
 *	-> tenant_id, currency, kind, reference, invoice_id, amount
 *
 * Errors: P0002 for an unknown tenant; 40001 under REPEATABLE READ.
 */
Datum
finops_settle_credits(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *tenant = InvoiceTextArg(fcinfo, 0);

	FinopsRequireWritable("finops.settle_credits()");
	FinopsBegin(&session);
	InvoiceRequireTenant(tenant);
	FinopsLock(FINOPS_LOCK_SETTLEMENT, 0);
	if (settle_credits(&session, tenant) > 0)
	{
		FINOPS_RUN0("SELECT jsonb_build_object('moves', count(*))::text FROM credit_move");
		FinopsAudit(&session, "settle_credits", "tenant", tenant != NULL ? tenant : "*", FinopsText(0, 1));
	}
	FINOPS_RUN0("SELECT tenant_id, currency, kind, reference, invoice_id, amount FROM credit_move"
				" ORDER BY tenant_id COLLATE \"C\", currency, reference COLLATE \"C\", invoice_id COLLATE \"C\"");
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

/* The same reference again is the same money. */
static bool
is_paid_out(const char *invoice_id, FinopsArg amount, const char *reference)
{
	if (FINOPS_RUN("SELECT invoice_id = $1 AND amount = -$2 FROM finops.receivable_adjustment WHERE kind = 'payout' AND reason = $3",
				   ARG_TEXT(invoice_id), amount, ARG_TEXT(reference)) == 0)
		return false;
	if (FinopsText(0, 1)[0] != 't')
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("reference \"%s\" is recorded with other data", FinopsQuoteForMessage(reference))));
	return true;
}

/*
 * finops.pay_out(invoice_id text, amount numeric, reference text)
 *	-> receivable_adjustment
 *
 * Money paid to a tenant for the credit balance of an invoice, once for each
 * reference.  Errors: 22004; 22023 for more than the balance; P0002; 55000;
 * 23505 for a reference with other data.
 */
Datum
finops_pay_out(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *invoice_id = InvoiceRequiredText(fcinfo, 0, "invoice_id");
	char	   *reference = InvoiceRequiredText(fcinfo, 2, "reference");
	FinopsArg	amount = InvoiceDatumArg(fcinfo, 1, NUMERICOID);
	InvoiceDocument doc;

	FinopsRequireArg(fcinfo, 1, "amount");
	FinopsRequireWritable("finops.pay_out()");
	FinopsBegin(&session);
	FinopsLock(FINOPS_LOCK_SETTLEMENT, 0);
	doc = InvoiceLockDocument(invoice_id);
	if (!is_paid_out(invoice_id, amount, reference))
	{
		if (FINOPS_RUN("INSERT INTO finops.receivable_adjustment (invoice_id, kind, amount, reason, occurred_at, booked_by)"
					   " SELECT h.invoice_id, 'payout', -$2, $3, greatest(now(), " OPEN_SINCE_SQL "), $4 FROM @s@.invoice_header h"
					   " WHERE h.invoice_id = $1 AND $2 > 0 AND $2 = round($2, $5) AND $2 <= -" INVOICE_OPEN_SQL
					   " RETURNING to_jsonb(receivable_adjustment.*)::text",
					   ARG_TEXT(invoice_id), amount, ARG_TEXT(reference),
					   ARG_TEXT(FinopsCallerName(&session)), ARG_INT4(doc.digits)) == 0)
		{
			FINOPS_RUN("SELECT (-" INVOICE_OPEN_SQL ")::text FROM @s@.invoice_header h WHERE h.invoice_id = $1", ARG_TEXT(invoice_id));
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("cannot pay that out for invoice \"%s\"", FinopsQuoteForMessage(invoice_id)),
					 errdetail("Its credit balance is %s %s.", FinopsText(0, 1), doc.currency)));
		}
		FinopsAudit(&session, "pay_out", "invoice", invoice_id, FinopsText(0, 1));
		InvoiceSettle(invoice_id, NOW);
	}
	FINOPS_RUN("SELECT * FROM finops.receivable_adjustment WHERE kind = 'payout' AND reason = $1", ARG_TEXT(reference));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

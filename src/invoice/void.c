/*-------------------------------------------------------------------------
 *
 * void.c
 *	  Take documents back: void what is open, replace what is issued.
 *
 * An open document has no number and becomes void; the next preparation
 * makes a new revision.  An issued one stays: a credit note cancels what is
 * left of it, and a row of finops.invoice_replacement lets the preparation
 * make a new revision beside it.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/invoice.h"

PG_FUNCTION_INFO_V1(finops_void_invoice);
PG_FUNCTION_INFO_V1(finops_reissue_invoice);

typedef struct Target
{
	char	   *invoice_id;
	char	   *tenant_id;
	DateADT		period;
	char	   *status;
} Target;

/* The invoice, locked, in its open period; P0002, 55000. */
static Target
lock_target(const char *invoice_id)
{
	Target		target = {0};
	bool		isnull;

	if (FINOPS_RUN("SELECT h.invoice_id, h.tenant_id, h.period_start, h.kind FROM @s@.invoice_header h WHERE h.invoice_id = $1",
				   ARG_TEXT(invoice_id)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("unknown invoice \"%s\"", FinopsQuoteForMessage(invoice_id)),
				 errhint("Use an invoice_id of invoice_header, such as INV-202509-TEN00123.")));
	if (strcmp(FinopsText(0, 4), "invoice") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("document \"%s\" is a credit note", FinopsQuoteForMessage(invoice_id)),
				 errhint("Use the invoice that it credits.")));
	target.invoice_id = FinopsText(0, 1);
	target.tenant_id = FinopsText(0, 2);
	target.period = DatumGetDateADT(FinopsValue(0, 3, &isnull));
	/* writers of a month take its lock before rows */
	FinopsOpenPeriod(target.period);
	FINOPS_RUN("SELECT h.status FROM @s@.invoice_header h WHERE h.invoice_id = $1 FOR UPDATE", ARG_TEXT(invoice_id));
	target.status = FinopsText(0, 1);
	return target;
}

static void
audit(const FinopsSession *session, const char *action, const Target *target,
	  const char *reason)
{
	FINOPS_RUN("SELECT jsonb_build_object('tenant_id', $1, 'reason', $2)::text",
			   ARG_TEXT(target->tenant_id), ARG_TEXT(reason));
	FinopsAudit(session, action, "invoice", target->invoice_id, FinopsText(0, 1));
}

/*
 * finops.void_invoice(invoice_id text, reason text) -> invoice_header
 *
 * Errors: 22004, 22023 for a blank reason, P0002 unknown; 55000 for a
 * document that is not open, a credit note, or a locked period.
 */
Datum
finops_void_invoice(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *invoice_id = InvoiceRequiredText(fcinfo, 0, "invoice_id");
	char	   *reason = InvoiceRequiredText(fcinfo, 1, "reason");
	Target		target;

	FinopsRequireWritable("finops.void_invoice()");
	FinopsBegin(&session);
	target = lock_target(invoice_id);
	if (strcmp(target.status, "open") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("invoice \"%s\" is %s", FinopsQuoteForMessage(invoice_id), target.status),
				 strcmp(target.status, "void") == 0 ? 0 :
				 errhint("Cancel it by a credit note: finops.credit_invoice('%s', reason), or replace it: finops.reissue_invoice('%s', reason).",
						 FinopsQuoteForMessage(invoice_id), FinopsQuoteForMessage(invoice_id))));
	FINOPS_RUN("UPDATE @s@.invoice_header h SET status = 'void', reason = $2 WHERE h.invoice_id = $1",
			   ARG_TEXT(invoice_id), ARG_TEXT(reason));
	FinopsClearGates(target.period, FINOPS_GATE_RECONCILIATION);
	audit(&session, "invoice_void", &target, reason);
	FINOPS_RUN("SELECT * FROM @s@.invoice_header WHERE invoice_id = $1", ARG_TEXT(invoice_id));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

/*
 * finops.reissue_invoice(invoice_id text, reason text)
 *	-> SETOF invoice_header
 *
 * The credit note for what is left, where there is something left, and the
 * open revision, where one is due.  Payments of the invoice become a credit
 * balance of the tenant.  Errors: 22004, 22023 for a blank reason, P0002
 * unknown; 55000 for a document that is not issued or was replaced before, a
 * credit note, or a locked period.
 */
Datum
finops_reissue_invoice(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *invoice_id = InvoiceRequiredText(fcinfo, 0, "invoice_id");
	char	   *reason = InvoiceRequiredText(fcinfo, 1, "reason");
	Target		target;
	char	   *credit;

	FinopsRequireWritable("finops.reissue_invoice()");
	FinopsBegin(&session);
	target = lock_target(invoice_id);
	if (strcmp(target.status, "issued") != 0 && strcmp(target.status, "paid") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("invoice \"%s\" is %s", FinopsQuoteForMessage(invoice_id), target.status),
				 errhint("Only issued invoices are replaced; an open one is computed again by finops.prepare_invoices('%s-01').",
						 FinopsPeriodText(target.period))));
	if (FINOPS_RUN("SELECT FROM finops.invoice_replacement WHERE invoice_id = $1", ARG_TEXT(invoice_id)) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("invoice \"%s\" has been replaced", FinopsQuoteForMessage(invoice_id)),
				 errhint("Replace the revision that took its place.")));
	credit = InvoiceCreditRest(&session, invoice_id, reason);
	FINOPS_RUN("INSERT INTO finops.invoice_replacement (invoice_id, credit_invoice_id, reason, requested_by)"
			   " VALUES ($1, $2, $3, $4)",
			   ARG_TEXT(invoice_id), ARG_TEXT(credit), ARG_TEXT(reason),
			   ARG_TEXT(FinopsCallerName(&session)));
	audit(&session, "invoice_reissue", &target, reason);
	(void) InvoicePrepare(&session, target.period, target.tenant_id, false);
	FINOPS_RUN("SELECT * FROM @s@.invoice_header h WHERE h.invoice_id = $1 OR (h.tenant_id = $2"
			   " AND h.period_start = $3 AND h.kind = 'invoice' AND h.status = 'open') ORDER BY h.kind, h.revision",
			   ARG_TEXT(credit), ARG_TEXT(target.tenant_id), ARG_DATE(target.period));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

/*-------------------------------------------------------------------------
 *
 * credit_request.c
 *	  finops.credit_invoice() under four eyes.
 *
 * The credit note itself is made in credit.c; here it waits for a second
 * person where finops.four_eyes asks for one.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/invoice.h"

extern Datum finops_credit_invoice(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(finops_request_credit);

/*
 * finops.credit_invoice(invoice_id text, reason text, lines jsonb DEFAULT NULL)
 *	-> invoice_header; no row where it waits for finops.approve()
 */
Datum
finops_request_credit(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *invoice_id;
	char	   *reason;
	bool		waits;

	if (!finops_four_eyes)
		return finops_credit_invoice(fcinfo);
	invoice_id = InvoiceRequiredText(fcinfo, 0, "invoice_id");
	reason = InvoiceRequiredText(fcinfo, 1, "reason");
	FinopsRequireWritable("finops.credit_invoice()");
	FinopsBegin(&session);
	(void) InvoiceLockDocument(invoice_id);
	FINOPS_RUN("SELECT jsonb_build_object('invoice_id', $1, 'reason', $2, 'lines', $3)::text",
			   ARG_TEXT(invoice_id), ARG_TEXT(reason), InvoiceDatumArg(fcinfo, 2, JSONBOID));
	waits = FinopsAwaitsApproval(&session, "credit_note", invoice_id, FinopsText(0, 1));
	if (waits)
	{
		FINOPS_RUN0("SELECT * FROM @s@.invoice_header WHERE false");
		FinopsReturnRows(fcinfo);
	}
	FinopsEnd(&session);
	return waits ? (Datum) 0 : finops_credit_invoice(fcinfo);
}

/*-------------------------------------------------------------------------
 *
 * rebuild.c
 *	  Compute a document again from the inputs that are stored with it.
 *
 * The engine that made the document makes it once more: from the texts,
 * quantities and cost of its lines and from the exact amounts, rates and tax
 * classes in finops.invoice_input; no table that has changed since is read.
 * What comes out is compared byte by byte, in the form that is hashed.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/document_reader.h"

PG_FUNCTION_INFO_V1(finops_rebuild_invoice);

/* A line without what the engine computes. */
static InvoiceCharge
charge_of_line(const InvoiceLine *l)
{
	return (InvoiceCharge) {
		/* lines are stored in order: all of one class stay so */
		.class = INVOICE_SUBSCRIPTION,
		.line_type = l->line_type,
		.description = l->description,
		.service = l->service,
		.metric_code = l->metric_code,
		.quantity = l->quantity,
		.unit = l->unit,
		.service_start = l->service_start,
		.service_end = l->service_end,
		.cost = l->cost,
		.cost_currency = l->cost_currency,
		.reference_ids = l->refs,
		.notes = l->notes,
	};
}

static void
party_of_document(const InvoiceStored *doc, InvoiceParty *party)
{
	const InvoiceContent *c = &doc->content;

	party->tenant.tenant_id = c->tenant_id;
	party->tenant.currency = c->currency;
	party->tenant.language = c->language;
	party->issuer_id = c->issuer_id;
	party->po_number = c->po_number;
	party->terms_days = c->terms_days;
	party->terms_from = c->terms_from;
	party->terms = c->terms;
	party->inclusive = c->inclusive;
	party->rounding = strcmp(c->rounding, "line") == 0 ? TAX_ROUND_LINE : TAX_ROUND_CATEGORY;
}

static void
emit(ReturnSetInfo *rsinfo, const char *part, StringInfo stored, StringInfo rebuilt)
{
	Datum		values[4];
	bool		nulls[4] = {false};
	char		hex[2][65];

	InvoiceDigestEnd(stored, hex[0]);
	InvoiceDigestEnd(rebuilt, hex[1]);
	values[0] = CStringGetTextDatum(part);
	values[1] = CStringGetTextDatum(hex[0]);
	values[2] = CStringGetTextDatum(hex[1]);
	values[3] = BoolGetDatum(stored->len == rebuilt->len &&
							 memcmp(stored->data, rebuilt->data, stored->len) == 0);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	resetStringInfo(stored);
	resetStringInfo(rebuilt);
}

/* The header, each line, each tax, and all of it as the chain has it. */
static void
compare(ReturnSetInfo *rsinfo, const InvoiceStored *doc, const InvoiceDraft *draft)
{
	InvoiceContent content = InvoiceDraftContent(draft);
	StringInfoData stored;
	StringInfoData rebuilt;

	initStringInfo(&stored);
	initStringInfo(&rebuilt);
	InvoiceDigestBegin(&stored, &doc->content);
	InvoiceDigestBegin(&rebuilt, &content);
	emit(rsinfo, "header", &stored, &rebuilt);
	for (int i = 0; i < draft->nlines; i++)
	{
		InvoiceDigestLine(&stored, &doc->lines[i]);
		InvoiceDigestLine(&rebuilt, &draft->lines[i]);
		emit(rsinfo, psprintf("line %d", draft->lines[i].line_no), &stored, &rebuilt);
	}
	for (int i = 0; i < Max(draft->ntaxes, doc->ntaxes); i++)
	{
		if (i < doc->ntaxes)
			InvoiceDigestTax(&stored, &doc->taxes[i]);
		if (i < draft->ntaxes)
			InvoiceDigestTax(&rebuilt, &draft->taxes[i]);
		emit(rsinfo, psprintf("tax %d", i + 1), &stored, &rebuilt);
	}
	InvoiceDigestText(&stored, doc->input_digest);
	InvoiceDigestText(&rebuilt, draft->digest);
	emit(rsinfo, "document", &stored, &rebuilt);
}

static void
rebuild(ReturnSetInfo *rsinfo, const InvoiceStored *doc, Datum inputs)
{
	InvoiceRun	run = {.context = CurrentMemoryContext};
	InvoiceParty party = {0};
	InvoiceCharges charges = {.run = &run, .tenant = &party.tenant};
	InvoiceDraft draft;

	run.period = doc->content.period_start;
	run.next = doc->content.period_end + 1;
	run.month = FinopsPeriodText(run.period);
	InvoiceJsonBegin();
	party_of_document(doc, &party);
	for (int i = 0; i < doc->nlines; i++)
		*InvoiceAddCharge(&charges) = charge_of_line(&doc->lines[i]);
	InvoiceDecodeInputs(inputs, &run, &party, charges.charge, charges.n);
	charges.plan_code = doc->content.plan_code;
	if (!InvoiceCompute(&party, &charges, &draft))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("document \"%s\" cannot be computed from its inputs: %s", doc->invoice_id, charges.problem)));
	compare(rsinfo, doc, &draft);
	InvoiceJsonBegin();
}

/*
 * finops.rebuild_invoice(invoice_id text)
 *	-> TABLE (part text, stored text, rebuilt text, identical boolean)
 *
 * Errors: 22004, 22023; P0002 for an unknown document; 55000 for a document
 * that was not computed.  A credit note follows from its invoice; credit.c.
 */
Datum
finops_rebuild_invoice(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *invoice_id = InvoiceRequiredText(fcinfo, 0, "invoice_id");
	InvoiceReader *reader;
	InvoiceStored doc;
	Datum		inputs;
	bool		isnull;

	FinopsBegin(&session);
	if (FINOPS_RUN("SELECT FROM @s@.invoice_header WHERE invoice_id = $1 AND kind = 'credit_note'", ARG_TEXT(invoice_id)) > 0)
	{
		InvoiceRebuildCredit(invoice_id);
		FinopsReturnRows(fcinfo);
		FinopsEnd(&session);
		return (Datum) 0;
	}
	InitMaterializedSRF(fcinfo, 0);
	reader = InvoiceReaderOpen(invoice_id);
	if (!InvoiceReaderNext(reader, &doc))
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("unknown invoice \"%s\"", FinopsQuoteForMessage(invoice_id)),
				 errhint("Use an invoice_id of invoice_header, such as INV-202509-TEN00123.")));
	if (FINOPS_RUN("SELECT inputs FROM finops.invoice_input WHERE invoice_id = $1", ARG_TEXT(invoice_id)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("document \"%s\" has no stored inputs", FinopsQuoteForMessage(invoice_id)),
				 errdetail("It was not computed by finops.prepare_invoices().")));
	inputs = FinopsValue(0, 1, &isnull);
	rebuild((ReturnSetInfo *) fcinfo->resultinfo, &doc, inputs);
	InvoiceReaderClose(reader);
	FinopsEnd(&session);
	return (Datum) 0;
}

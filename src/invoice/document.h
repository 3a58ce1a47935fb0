/*-------------------------------------------------------------------------
 *
 * document.h
 *	  Documents as the engine computes them, before they are written and
 *	  after they are read back.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_INVOICE_DOCUMENT_H
#define FINOPS_INVOICE_DOCUMENT_H

#include "invoice/charge.h"
#include "invoice/invoice.h"
#include "invoice/tax.h"

/* A line as it stands in invoice_detail. */
typedef struct InvoiceLine
{
	int			line_no;
	const char *line_type;
	const char *service;		/* or NULL, so too those below that may be */
	const char *metric_code;
	const char *description;
	InvoiceDecimal quantity;
	const char *unit;
	InvoiceDecimal unit_price;
	InvoiceDecimal amount;
	bool		has_gross;
	InvoiceDecimal gross;
	InvoiceDecimal tax_rate;
	const char *cost_currency;	/* NULL: no cost */
	InvoiceDecimal cost;
	InvoiceDecimal cost_usd;
	const char *refs;			/* text of jsonb, as the server prints it */
	Datum		refs_datum;
	const char *notes;
	DateADT		service_start;
	DateADT		service_end;
	const char *tax_category;
} InvoiceLine;

/* A row of finops.invoice_tax. */
typedef struct InvoiceTax
{
	const char *category;
	InvoiceDecimal rate;
	InvoiceDecimal taxable;
	InvoiceDecimal tax;
	const char *reason;
} InvoiceTax;

/* How the lines of a kind of supply are taxed. */
typedef struct InvoiceTaxClass
{
	TaxClass	class;
	InvoiceDecimal rate;		/* all parts together, ratio */
	const char *reason;
} InvoiceTaxClass;

/* Whom a document is for and how: the tenant's row of the run. */
typedef struct InvoiceParty
{
	InvoiceTenant tenant;
	const char *issuer_id;
	const char *po_number;
	int			terms_days;
	const char *terms_from;
	const char *terms;			/* NULL: made from the two before */
	bool		inclusive;
	TaxRounding rounding;
	int			nclasses;		/* the first is that of standard supplies */
	InvoiceTaxClass *classes;
	const int  *class_of_code;	/* of the run's tax codes */

	/* where the header is held: what the issue needs to know */
	Datum		recipient;		/* jsonb */
	bool		complete;		/* nothing is missing of the tenant's data */
	bool		issue_zero;
	bool		issue_credit;
} InvoiceParty;

typedef struct InvoiceDraft
{
	const InvoiceRun *run;
	const InvoiceParty *party;
	const InvoiceRate *rate;	/* of the document's currency */
	const char *plan_code;
	const char *terms;
	int			nlines;
	InvoiceLine *lines;
	const InvoiceCharge **charges;	/* that the lines were made from */
	int		   *line_class;		/* tax class of each line */
	int			ntaxes;
	InvoiceTax *taxes;
	InvoiceDecimal subtotal;
	InvoiceDecimal tax;
	InvoiceDecimal total;
	const char *treatment;
	char		digest[65];		/* over all of it, hex */
} InvoiceDraft;

/* Runs, prepare.c */
extern void InvoiceRunBegin(InvoiceRun *run, DateADT period, const char *tenant);
extern void InvoiceLoadRates(InvoiceRun *run);
extern void InvoiceReportFailure(DateADT period, const char *tenant, const char *step,
								 const char *reason, const char *call);

/*
 * Compute a document from its charges in the current memory context.  False
 * with charges->problem set when it cannot be billed.
 */
extern bool InvoiceCompute(const InvoiceParty *party, InvoiceCharges *charges,
						   InvoiceDraft *draft);

/* ---------------------------------------------------------------------
 * How tenants are taxed, document_tax.c
 * ---------------------------------------------------------------------
 */
extern void InvoiceLoadTaxCodes(const InvoiceRun *run);

/* From a profile whose rate stands in it (simple), or by finops.tax_of. */
extern void InvoiceClassify(const InvoiceRun *run, InvoiceParty *party, bool simple,
							InvoiceDecimal rate_pct, const char *profile);
extern int	InvoiceClassOfLine(const InvoiceParty *party, const char *line_type, const char *service);
extern const char *InvoiceTreatment(const char *category);
extern const char *InvoiceRoundingName(TaxRounding rounding);

/* jsonb of a text; equal texts share one value for the life of the run. */
extern void InvoiceJsonBegin(void);
extern Datum InvoiceJson(const InvoiceRun *run, const char *json, const char **printed);

/* ---------------------------------------------------------------------
 * Digests, digest.c
 * ---------------------------------------------------------------------
 */

/* What of a header the content digest covers, besides lines and taxes. */
typedef struct InvoiceContent
{
	const char *tenant_id;
	const char *plan_code;
	const char *currency;
	const char *treatment;
	const char *rounding;
	const char *issuer_id;
	const char *language;
	const char *po_number;
	const char *terms;
	int			terms_days;
	const char *terms_from;
	bool		inclusive;
	DateADT		period_start;
	DateADT		period_end;
	InvoiceDecimal fx_rate;
	InvoiceDecimal tax_rate;
	InvoiceDecimal subtotal;
	InvoiceDecimal tax;
	InvoiceDecimal total;
} InvoiceContent;

extern InvoiceContent InvoiceDraftContent(const InvoiceDraft *draft);
extern void InvoiceDigestBegin(StringInfo bytes, const InvoiceContent *content);
extern void InvoiceDigestLine(StringInfo bytes, const InvoiceLine *line);
extern void InvoiceDigestTax(StringInfo bytes, const InvoiceTax *tax);
extern void InvoiceDigestEnd(const StringInfoData *bytes, char *hex);
extern void InvoiceDigestText(StringInfo bytes, const char *text);	/* NULL differs from "" */
extern void InvoiceDigestInteger(StringInfo bytes, int64 value);
extern void InvoiceDigestDecimal(StringInfo bytes, InvoiceDecimal value);
extern void InvoiceSha256(const void *data, size_t len, char *hex);

/* ---------------------------------------------------------------------
 * Inputs of a document, kept so that it can be computed again; inputs.c
 * ---------------------------------------------------------------------
 */
extern Datum InvoiceEncodeInputs(const InvoiceDraft *draft);	/* bytea */

/*
 * Fill rates and tax classes, and the exact amounts of charges that the
 * caller has made from the lines; XX001 for inputs that do not fit.
 */
extern void InvoiceDecodeInputs(Datum inputs, InvoiceRun *run, InvoiceParty *party,
								InvoiceCharge *charges, int ncharges);

/* ---------------------------------------------------------------------
 * Writing, document_writer.c
 * ---------------------------------------------------------------------
 */

/* Names of the table's checks, ended by NULL. */
extern const char *const InvoiceHeaderChecks[];

/* With hold the headers of new documents wait in the stage inv_held. */
extern InvoiceWriter *InvoiceWriterOpen(const InvoiceRun *run, bool hold);

/* A new document. */
extern void InvoiceWrite(InvoiceWriter *writer, const InvoiceDraft *draft,
						 const char *invoice_id, int revision);

/* An open document with new content: kept aside until InvoiceWriterClose. */
extern void InvoiceRewrite(InvoiceWriter *writer, const InvoiceDraft *draft,
						   const char *invoice_id, int revision);
extern void InvoiceWriterClose(InvoiceWriter *writer);

struct InvoiceIssue;

/* A header that waits: a row of the stage, and what the issue needs to know. */
typedef struct InvoiceHeld
{
	Datum	   *values;
	bool	   *nulls;
	Datum		invoice_id;
	Datum		input_digest;
	int			revision;
	const char *issuer_id;
	const char *zone;
	const char *terms_from;		/* or NULL */
	int			terms_days;
	Datum		recipient;
	bool		demand;			/* is to be issued */
	bool		negative;
	bool		complete;
	bool		taxed;
} InvoiceHeld;

/*
 * How many headers wait.  From the first in the order of tenants: what Next
 * fills is valid until its next call; each row is then written once.
 */
extern uint64 InvoiceWriterHeld(const InvoiceWriter *writer);
extern void InvoiceHeldRewind(InvoiceWriter *writer);
extern bool InvoiceHeldNext(InvoiceWriter *writer, InvoiceHeld *held);

/*
 * Issue it, and write that down in the audit trail.  The hashes are digest,
 * hash of the document before and hash.
 */
extern void InvoiceWriteIssued(InvoiceWriter *writer, const Datum *values, const bool *nulls,
							   const struct InvoiceIssue *issue, Datum issuer, Datum recipient,
							   const char *const hashes[3]);
/*
 * From now on issued rows are also put into a store of rows of the table, in
 * the order in which they are written; false where what is stored may differ.
 */
extern bool InvoiceAnswerHeld(InvoiceWriter *writer, Tuplestorestate *answer, TupleDesc desc);
extern Datum InvoiceNewEventId(void);	/* uuid of an entry in the audit trail */

/* Ends the wait: where demands were issued the others are written as open, else all. */
extern void InvoiceReleaseHeld(InvoiceWriter *writer);

#endif							/* FINOPS_INVOICE_DOCUMENT_H */

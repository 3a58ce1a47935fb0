/*-------------------------------------------------------------------------
 *
 * invoice.h
 *	  Room invoice: plans, documents, payments.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_INVOICE_H
#define FINOPS_INVOICE_H

#include "core/pure.h"

/* ---------------------------------------------------------------------
 * Number formats, number_format.c (pure)
 *
 * A format is text with exactly one {SEQ} or {SEQ:n} and any of {YYYY}, {YY},
 * {MM}, which stand for the day of issue.
 * ---------------------------------------------------------------------
 */
#define INVOICE_NUMBER_MAX	64	/* bytes of a number, without the NUL */

/* NULL when the format is good, else what is wrong with it. */
extern const char *InvoiceCheckNumberFormat(const char *format);
extern bool InvoiceNumberIsYearly(const char *format);

/* Writes at most INVOICE_NUMBER_MAX bytes; false when the number is longer. */
extern bool InvoiceFormatNumber(const char *format, int year, int month,
								int64 seq, char *out);

#ifndef FINOPS_STANDALONE

#include "core/core.h"

/* ---------------------------------------------------------------------
 * Preparation, prepare.c
 * ---------------------------------------------------------------------
 */
typedef struct InvoicePreparation
{
	int64		documents;		/* open documents after the preparation */
	int64		added;
	int64		rewritten;		/* or removed: existed with other content */
} InvoicePreparation;

/* Within a session that holds the period; tenant NULL for all tenants. */
extern InvoicePreparation InvoicePrepare(const FinopsSession *session,
										 DateADT period, const char *tenant);

/* Leaves the documents of the period as the last result. */
extern void InvoiceSelectDocuments(DateADT period, const char *tenant);

/* ---------------------------------------------------------------------
 * Numbers and the hash chain, chain.c
 * ---------------------------------------------------------------------
 */

/*
 * SQL expression: SHA-256, hex, over what is issued.  "h" is a row with the
 * columns of invoice_header, "l.lines" the text INVOICE_LINES_SQL makes of the
 * document's lines.  Status, paid_at and created_at are not part of it.
 */
#define INVOICE_FIELD(x) "octet_length(" x "), ':', " x ", '|', "
#define INVOICE_DIGEST_SQL \
	"encode(sha256(convert_to(concat(" \
	INVOICE_FIELD("h.invoice_id") INVOICE_FIELD("h.invoice_number") \
	INVOICE_FIELD("h.tenant_id") INVOICE_FIELD("h.plan_code") \
	INVOICE_FIELD("h.original_invoice_id") INVOICE_FIELD("h.recon_id") \
	INVOICE_FIELD("h.reason") INVOICE_FIELD("h.number_series") \
	INVOICE_FIELD("h.issuer::text") INVOICE_FIELD("h.recipient::text") \
	"h.number_seq, '|', h.period_start, '|', h.period_end, '|', h.kind, '|'," \
	" h.revision, '|', h.currency, '|', h.subtotal, '|', h.tax, '|', h.total, '|'," \
	" h.fx_rate, '|', h.tax_rate, '|', h.tax_inclusive, '|', h.issued_at, '|'," \
	" h.due_at, E'\\n', l.lines), 'UTF8')), 'hex')"
#define INVOICE_LINES_SQL \
	"string_agg(concat(l.line_no, '|', l.line_type, '|', l.tenant_id, '|', l.period_start, '|'," \
	" l.quantity, '|', l.unit_price, '|', l.amount, '|', l.gross_amount, '|', l.tax_rate, '|'," \
	" l.cost, '|', l.cost_currency, '|', l.cost_usd, '|', " \
	INVOICE_FIELD("l.service") INVOICE_FIELD("l.metric_code") INVOICE_FIELD("l.description") \
	INVOICE_FIELD("l.unit") INVOICE_FIELD("l.notes") "l.reference_ids), E'\\n' ORDER BY l.line_no)"

extern char *InvoiceChainHash(const char *prev_hash, const char *digest);

/* Who issues, as of now; the formats are checked when they are stored. */
typedef struct InvoiceIssuer
{
	bool		exists;
	char	   *snapshot;		/* JSON that is frozen into the document */
	char	   *number_format;
	char	   *credit_number_format;
	int			terms_days;
} InvoiceIssuer;

extern InvoiceIssuer InvoiceReadIssuer(void);

/*
 * Give numbers to the documents that the staged relation inv_ready (seq
 * bigint from 1 without gaps, invoice_id text) names, in that order, and
 * freeze them.  Takes the numbering lock.  Returns their first and last
 * number, "A to B", for messages.
 */
extern char *InvoiceNumberDocuments(const FinopsSession *session,
									const InvoiceIssuer *issuer,
									const char *kind, int64 count,
									const char *recon_id);

/* ---------------------------------------------------------------------
 * Tax, tax_rates.c; the mathematics is in invoice/tax.h
 * ---------------------------------------------------------------------
 */

/*
 * Stage inv_tax (profile jsonb, tax_code, category, rate, parts, inclusive,
 * reason_code, reason, missing): how each tax profile is taxed on a day, the
 * profile being coalesce(tax_profile, '{}') - 'tax_id' of the tenants.
 */
extern void InvoiceStageTax(DateADT day, const char *tenant);

/* SQL expression: the kind of supply of a line "l". */
#define INVOICE_TAX_CODE_SQL \
	"coalesce((SELECT c.tax_code FROM finops.tax_code c WHERE c.line_type = l.line_type" \
	" AND c.service IN ('', coalesce(l.service, '')) ORDER BY c.service DESC LIMIT 1), 'standard')"

/* ---------------------------------------------------------------------
 * Settlement, payment.c
 * ---------------------------------------------------------------------
 */

/* SQL expression over invoice "h": total less credit notes less payments. */
#define INVOICE_OPEN_SQL \
	"(h.total + coalesce((SELECT sum(c.total) FROM @s@.invoice_header c" \
	" WHERE c.original_invoice_id = h.invoice_id AND c.status IN ('issued', 'paid')), 0)" \
	" - coalesce((SELECT sum(p.amount) FROM @s@.payment_txn p" \
	" WHERE p.invoice_id = h.invoice_id AND p.status = 'confirmed'), 0))"

typedef struct InvoiceDocument
{
	char	   *kind;
	char	   *status;
	char	   *currency;
	int			digits;			/* after the decimal point */
} InvoiceDocument;

/* Lock an issued invoice for a settlement; P0002, 55000. */
extern InvoiceDocument InvoiceLockDocument(const char *invoice_id);

/* Mark the invoice paid when nothing is open any more. */
extern void InvoiceSettle(const char *invoice_id, FinopsArg settled_at);

/* ---------------------------------------------------------------------
 * Small helpers, setup.c
 * ---------------------------------------------------------------------
 */
extern char *InvoiceTextArg(FunctionCallInfo fcinfo, int argno);	/* or NULL */
extern char *InvoiceRequiredText(FunctionCallInfo fcinfo, int argno,
								 const char *name);
extern FinopsArg InvoiceDatumArg(FunctionCallInfo fcinfo, int argno, Oid type);
extern int	InvoiceCurrencyDigits(const char *currency);	/* 22023 */
extern void InvoiceCheckNumber(FunctionCallInfo fcinfo, int argno,
							   const char *name, const char *low,
							   const char *high);	/* 22023 */
extern void InvoiceRequireTenant(const char *tenant);	/* P0002; NULL passes */

#endif							/* FINOPS_STANDALONE */
#endif							/* FINOPS_INVOICE_H */

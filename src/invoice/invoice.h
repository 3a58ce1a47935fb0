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
	struct InvoiceWriter *held; /* has headers that wait to be issued, or NULL */
} InvoicePreparation;

typedef struct InvoiceWriter InvoiceWriter;

/*
 * Within a session that holds the period; tenant NULL for all tenants.  With
 * hold, where all documents of the period are new, their headers wait for the
 * caller to issue or to release them.
 */
extern InvoicePreparation InvoicePrepare(const FinopsSession *session,
										 DateADT period, const char *tenant, bool hold);

/* The documents of the period as the rows of the function. */
extern void InvoiceReturnDocuments(FunctionCallInfo fcinfo, DateADT period, const char *tenant);

/* ---------------------------------------------------------------------
 * Numbers and the hash chain, chain.c
 * ---------------------------------------------------------------------
 */

/* Whether this transaction has taken numbers, so that other issuers wait for it. */
extern bool InvoiceHoldsSeries(void);

/* hex has room for 65 bytes */
extern void InvoiceChainHash(const char *prev_hash, const char *digest, char *hex);

/*
 * SQL expressions over issuer "i" and tenant "t": what is missing to issue,
 * as a list, empty when nothing is.  taxed: a condition under which a VAT id
 * is needed.
 */
#define INVOICE_ISSUER_MISSING(taxed) \
	"concat_ws(', ', CASE WHEN btrim(coalesce(i.legal_name, '')) = '' THEN 'legal_name' END," \
	" CASE WHEN i.address IS NULL OR i.address IN ('\"\"', '{}', 'null') THEN 'address' END," \
	" CASE WHEN btrim(coalesce(i.vat_id, '')) = '' AND (" taxed ") THEN 'vat_id' END)"
#define INVOICE_TENANT_MISSING \
	"concat_ws(', ', CASE WHEN btrim(t.tenant_name) = '' THEN 'tenant_name' END," \
	" CASE WHEN coalesce(t.billing_contact -> 'address', 'null') IN ('null', '\"\"', '{}')" \
	"  THEN 'billing_contact.address' END," \
	" CASE WHEN coalesce(t.tax_profile -> 'exempt' = 'true', false) THEN NULL" \
	"  WHEN coalesce(jsonb_typeof(t.tax_profile -> 'rate_pct') = 'number', false) THEN" \
	"   CASE WHEN (t.tax_profile -> 'rate_pct')::numeric NOT BETWEEN 0 AND 100" \
	"    THEN 'tax_profile.rate_pct from 0 to 100' END" \
	"  WHEN t.tax_profile ? 'jurisdiction' OR t.tax_profile ? 'category'" \
	"   THEN (SELECT x.missing FROM finops.tax_of(t.tax_profile, current_date) x)" \
	"  ELSE 'tax_profile.rate_pct or tax_profile.exempt' END)"

/*
 * SQL over document "h" with INVOICE_DAYS_FROM: the time zone of its issuer,
 * and the day on which it is due, as it stands on it.
 */
#define INVOICE_ZONE_SQL "coalesce(h.issuer ->> 'time_zone', i.time_zone, 'UTC')"
#define INVOICE_DUE_DAY_SQL "(h.due_at AT TIME ZONE coalesce(CASE h.payment_terms_from WHEN 'month_end' THEN b.time_zone END, " \
	INVOICE_ZONE_SQL "))::date"
#define INVOICE_DAYS_FROM " LEFT JOIN finops.issuer i ON i.issuer_id = h.issuer_id" \
	" LEFT JOIN finops.tenant_billing b ON b.tenant_id = h.tenant_id"

/* Whether an invoice is issued, by its total and the policy; h is the header. */
#define INVOICE_DEMAND_FROM \
	" LEFT JOIN finops.tenant_billing b ON b.tenant_id = h.tenant_id" \
	" LEFT JOIN finops.issuer i ON i.issuer_id = h.issuer_id"
#define INVOICE_IS_DEMAND \
	"(h.total > 0 OR (h.total = 0 AND coalesce(b.zero_invoices, i.zero_invoices) = 'issue')" \
	" OR (h.total < 0 AND coalesce(b.credit_balances, i.credit_balances) <> 'hold'))"

/* Who issues, as of now; the formats are checked when they are stored. */
typedef struct InvoiceIssuer
{
	bool		exists;
	char	   *issuer_id;
	char	   *snapshot;		/* JSON that is frozen into the document */
	char	   *number_format;
	char	   *credit_number_format;
	int			terms_days;
} InvoiceIssuer;

extern InvoiceIssuer InvoiceReadIssuerOf(const char *issuer_id);

/*
 * Give numbers to the documents that the staged relation inv_ready (seq
 * bigint from 1 without gaps, invoice_id text) names, in that order, and
 * freeze them.  With held the documents are those that wait and are demands
 * for money.  Takes the numbering lock.  Returns their first and last
 * number, "A to B", for messages.
 */
extern char *InvoiceNumberDocuments(const FinopsSession *session,
									const InvoiceIssuer *issuer,
									const char *kind, int64 count,
									const char *recon_id, InvoiceWriter *held);

/*
 * Whether the open documents of a period, of a tenant or of all (NULL), are
 * what a preparation would make now; issue_one.c.
 */
extern bool InvoiceIsCurrent(DateADT period, const char *tenant);

/* Whether the tenant has an issued document of the period that was not replaced. */
extern bool InvoiceIsIssued(DateADT period, const char *tenant);

/*
 * Issue the tenant's open document of the period when all is complete; false
 * when something is in the way.  Answers the function with the document, or
 * leaves that to the caller.
 */
extern bool InvoiceIssueOne(const FinopsSession *session, DateADT period, const char *tenant,
							const char *recon_id, FunctionCallInfo fcinfo);

/* Keep in finops.invoice_failure which documents of inv_ready lack something. */
extern void InvoiceKeepBlocked(DateADT period);

/*
 * After an issue that was undone: keep in finops.invoice_failure which
 * documents lack something.
 */
extern void InvoiceKeepFailures(DateADT period);

/*
 * Where more than one thing is in the way of the documents of inv_ready,
 * refuse with all of them and the call for each; 55000.  tenants_too: what
 * tenants lack is in the way by itself.  issue_missing.c
 */
extern void InvoiceRefuseTogether(DateADT period, const InvoicePreparation *done,
								  bool tenants_too);

/*
 * Let others number documents while this transaction's commit is on its way
 * to the disk; early_commit.c.
 */
extern void InvoiceCommitEarly(void);

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
 * Credit notes, credit.c
 * ---------------------------------------------------------------------
 */

/*
 * Issue a credit note for all that is left of an issued invoice and return
 * its id; NULL where nothing is left.
 */
extern char *InvoiceCreditRest(const FinopsSession *session,
							   const char *invoice_id, const char *reason);

/* Compute a credit note again; leaves the rows of finops.rebuild_invoice(). */
extern void InvoiceRebuildCredit(const char *id);

/* ---------------------------------------------------------------------
 * Settlement, payment.c
 * ---------------------------------------------------------------------
 */

/*
 * SQL expression over invoice "h": total less credit notes, payments applied
 * and adjustments.
 */
#define INVOICE_OPEN_SQL \
	"(h.total + coalesce((SELECT sum(c.total) FROM @s@.invoice_header c" \
	" WHERE c.original_invoice_id = h.invoice_id AND c.status IN ('issued', 'paid')), 0)" \
	" - coalesce((SELECT sum(a.invoice_amount) FROM finops.payment_application a WHERE a.invoice_id = h.invoice_id), 0)" \
	" - coalesce((SELECT sum(j.amount) FROM finops.receivable_adjustment j WHERE j.invoice_id = h.invoice_id), 0))"

/* Credit balances by policy, under FINOPS_LOCK_SETTLEMENT; credit_balance.c */
extern void InvoiceSettleCredits(const FinopsSession *session);

typedef struct InvoiceDocument
{
	char	   *kind;
	char	   *status;
	char	   *currency;
	int			digits;			/* after the decimal point */
} InvoiceDocument;

/* Lock an issued invoice for a settlement; P0002, 55000. */
extern InvoiceDocument InvoiceLockDocument(const char *invoice_id);

/*
 * Mark the invoice paid when nothing is open any more, and issued again when
 * something is.
 */
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
extern void InvoiceCheckLanguage(const char *language);	/* 22023; NULL and "" pass; billing.c */
/* 22023; NULL passes */
extern void InvoiceCheckObject(FunctionCallInfo fcinfo, int argno, const char *name);

#endif							/* FINOPS_STANDALONE */
#endif							/* FINOPS_INVOICE_H */

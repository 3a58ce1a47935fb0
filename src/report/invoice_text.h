/*-------------------------------------------------------------------------
 *
 * invoice_text.h
 *	  The fixed texts of documents, and how a language writes numbers and
 *	  dates.  English stands in for a language that has none here.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_REPORT_INVOICE_TEXT_H
#define FINOPS_REPORT_INVOICE_TEXT_H

#include "postgres.h"

typedef struct InvoiceText
{
	const char *language;		/* of these texts, BCP 47 */
	const char *decimal_point;
	const char *group;			/* between thousands */
	const char *months[12];
	const char *invoice;
	const char *credit_note;
	const char *draft;
	const char *is_void;
	const char *bill_to;
	const char *invoice_date;
	const char *credit_date;
	const char *due_date;
	const char *period;
	const char *credited_invoice;
	const char *of_date;
	const char *po_number;
	const char *buyer_reference;
	const char *customer;
	const char *vat_id;
	const char *description;
	const char *quantity;
	const char *unit_price;
	const char *tax;
	const char *amount;
	const char *amount_gross;
	const char *tax_table;
	const char *net;
	const char *gross;
	const char *subtotal;
	const char *total_due;
	const char *credited;
	const char *reason;
	const char *payment;
	const char *terms;			/* %s: a date */
	const char *credit_terms;
	const char *account_holder;
	const char *bank;
	const char *account;
	const char *payment_reference;
	const char *units[4][2];	/* month, day, hour, seat: one and several */
	const char *categories[6];	/* Z, E, AE, K, G, O */
	const char *category_notes[6];
} InvoiceText;

extern const InvoiceText *InvoiceTextOf(const char *language);
extern const char *InvoiceTextCategory(const InvoiceText *text, const char *category);
extern const char *InvoiceTextCategoryNote(const InvoiceText *text, const char *category);

/* Dates are "YYYY-MM-DD"; NULL stays NULL. */
extern char *InvoiceTextDate(const InvoiceText *text, const char *day);
extern char *InvoiceTextPeriod(const InvoiceText *text, const char *first, const char *last);
extern char *InvoiceTextTerms(const InvoiceText *text, const char *day);

/* A decimal with at least that many digits after the point. */
extern char *InvoiceTextNumber(const InvoiceText *text, const char *decimal, int digits);
extern const char *InvoiceTextUnit(const InvoiceText *text, const char *unit, const char *quantity);

#endif							/* FINOPS_REPORT_INVOICE_TEXT_H */

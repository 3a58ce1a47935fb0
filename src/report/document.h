/*-------------------------------------------------------------------------
 *
 * document.h
 *	  An invoice or credit note as its HTML and its e-invoice need it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_REPORT_DOCUMENT_H
#define FINOPS_REPORT_DOCUMENT_H

#include "core/core.h"

typedef struct DocumentParty
{
	char	   *name;
	char	   *attention;		/* a person or department */
	char	   *street;
	char	   *street2;
	char	   *street3;		/* what is left of an address in one text */
	char	   *city;
	char	   *postal_code;
	char	   *region;
	char	   *country;		/* ISO 3166-1 alpha-2, or NULL */
	char	   *email;
	char	   *phone;
	char	   *vat_id;			/* without blanks */
	char	   *company_id;		/* legal registration */
	char	   *endpoint_scheme;	/* of the electronic address (EAS) */
	char	   *endpoint;
	char	   *buyer_reference;
} DocumentParty;

/*
 * Amounts are those of the document; of a credit note with the sign turned,
 * so that it reads as what is credited.
 */
typedef struct DocumentLine
{
	char	   *line_no;
	char	   *description;
	char	   *quantity;
	char	   *unit;
	char	   *unit_price;		/* as billed, unrounded */
	char	   *amount;			/* net */
	Datum		net;			/* the same as numeric */
	char	   *gross;			/* of inclusive prices, else NULL */
	char	   *category;		/* EN 16931 */
	char	   *rate_pct;
	char	   *service_start;	/* first and last day, YYYY-MM-DD */
	char	   *service_end;
	/* net price >= 0, quantity with the sign of the amount: their product is
	 * within half a minor unit of the amount */
	char	   *net_quantity;
	char	   *net_price;
} DocumentLine;

typedef struct DocumentTax
{
	char	   *category;
	char	   *rate_pct;
	char	   *taxable;
	char	   *tax;
	char	   *gross;
	char	   *reason;			/* of no tax, or NULL */
	char	   *reason_code;
	/*
	 * What the base must change by for the tax to be base x rate, rounded; 0
	 * but for inclusive prices, rounding per line and parts of a credit.
	 */
	char	   *shift;
	char	   *base;			/* taxable + shift */
} DocumentTax;

typedef struct Document
{
	char	   *invoice_id;
	char	   *issuer_id;
	char	   *number;			/* NULL: not issued */
	char	   *tenant_id;
	bool		credit;
	char	   *status;
	char	   *currency;
	int			digits;			/* of the currency's minor unit */
	Datum		unit;			/* numeric: one minor unit */
	Datum		net;			/* numeric: subtotal and tax */
	Datum		tax_sum;
	char	   *subtotal;
	char	   *tax;
	char	   *total;
	bool		inclusive;
	/* BT-6, BT-111: of a document in another currency that has tax, else NULL */
	char	   *tax_currency;
	char	   *tax_in_currency;	/* NULL: there is no exchange rate */
	int			tax_digits;
	char	   *issue_day;		/* YYYY-MM-DD */
	char	   *due_day;
	char	   *period_start;
	char	   *period_end;
	char	   *po_number;
	char	   *terms;
	char	   *language;
	char	   *reason;
	char	   *reason_code;	/* of no tax, as the tax profile has it */
	char	   *exemption_reason;
	char	   *original_number;	/* of the invoice that is credited */
	char	   *original_day;
	char	   *bank_name;
	char	   *account_name;
	char	   *iban;			/* or another account number, without blanks */
	char	   *bic;
	/* totals after the shifts of the tax rows */
	char	   *base_total;		/* subtotal + shifts */
	char	   *base_gross;		/* base_total + tax */
	char	   *rounding;		/* total - base_gross, NULL when 0 */
	char	   *allowances;		/* sums of negative and positive shifts */
	char	   *charges;
	bool		taxed_apart;	/* a tax is of other lines than those of its category and rate */
	bool		is_iso4217;		/* the currency */
	bool		far_from_base;	/* a shift beyond DOCUMENT_MAX_SHIFT */
	DocumentParty issuer;
	DocumentParty recipient;
	int			nlines;
	DocumentLine *lines;
	int			ntaxes;
	DocumentTax *taxes;
} Document;

#define DOCUMENT_MAX_SHIFT 100	/* minor units that a base may be moved by */

/* Within a session.  P0002 when there is none. */
extern Document *DocumentRead(const char *invoice_id);

extern bool DocumentIsCountry(const char *code);	/* ISO 3166-1 alpha-2 */

#endif							/* FINOPS_REPORT_DOCUMENT_H */

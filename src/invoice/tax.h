/*-------------------------------------------------------------------------
 *
 * tax.h
 *	  Tax of a document in exact integers: exclusive and inclusive, several
 *	  rates, additive and compound taxes, rounded per line or per category.
 *	  Pure; builds outside the server with FINOPS_STANDALONE.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_TAX_H
#define FINOPS_TAX_H

#include "core/pure.h"

/* Rates are ratios at 10^-8: 0.19, 19 percent, is 19000000. */
#define TAX_RATE_SCALE	8
#define TAX_RATE_ONE	INT64_C(100000000)

#define TAX_MAX_PARTS	4		/* taxes that apply to one line */
#define TAX_CATEGORY_LEN	2	/* bytes of a category code */

/* What is rounded: the tax of a category's sum, or that of each line. */
typedef enum TaxRounding
{
	TAX_ROUND_CATEGORY,
	TAX_ROUND_LINE
} TaxRounding;

/*
 * One tax of a class.  Base is the net amount, of a compound tax the net
 * amount with the taxes of the class that are not compound.
 */
typedef struct TaxPart
{
	int64		rate;			/* 0..TAX_RATE_ONE */
	bool		compound;
} TaxPart;

/*
 * What applies to a line: an EN 16931 category (UNCL 5305) and its taxes.
 * S standard rate, Z zero rate, E exempt, AE reverse charge, K supply within
 * the EU, G export, O outside the scope.  Only S has taxes with a rate.
 */
typedef struct TaxClass
{
	char		category[TAX_CATEGORY_LEN + 1];
	int			nparts;			/* 0 is one tax of rate 0 */
	TaxPart		parts[TAX_MAX_PARTS];	/* compound ones last */
} TaxClass;

/* Amounts in minor units of the document's currency. */
typedef struct TaxLine
{
	int64		amount;			/* in: gross of inclusive prices, else net */
	int			tax_class;		/* in: index */
	int64		net;			/* out */
	int64		tax;			/* out, see TaxDocument */
} TaxLine;

/* One row of a document's tax table. */
typedef struct TaxRow
{
	int			tax_class;
	int			part;
	int64		taxable;		/* base of this tax */
	int64		tax;
} TaxRow;

typedef struct TaxTotals
{
	int64		net;
	int64		tax;
	int64		gross;			/* net + tax */
} TaxTotals;

/* Room for TaxDocument's work: one element for each line. */
typedef struct TaxShare
{
	int128		remainder;
	int64		amount;
	size_t		line;
} TaxShare;

typedef enum TaxStatus
{
	TAX_OK,
	TAX_OUT_OF_RANGE			/* a sum does not fit 63 bits */
} TaxStatus;

/* NULL when the class is good, else what is wrong with it. */
extern const char *TaxCheckClass(const TaxClass *tax_class);
extern bool TaxIsCategory(const char *code);

/* num / den half away from zero; den > 0. */
extern int128 TaxDivide(int128 num, int128 den);

/* The effective rate of all taxes of a class, as num / TaxClassDen(). */
extern int128 TaxClassNum(const TaxClass *tax_class);
extern int128 TaxClassDen(void);

/*
 * Fill net and tax of each line, the rows and the totals.  rows needs room
 * for TAX_MAX_PARTS rows per class; *nrows gets their number, classes without
 * a line have none.  The tax of a line is set where prices are inclusive or
 * rounding is per line, and is 0 otherwise: there only the sum has a tax.
 */
extern TaxStatus TaxDocument(const TaxClass *classes, int nclasses,
							 TaxRounding rounding, bool inclusive,
							 TaxLine *lines, size_t nlines, TaxShare *scratch,
							 TaxRow *rows, int *nrows, TaxTotals *totals);

/*
 * Tax that the next credit note of a row carries: of all that is credited
 * after it, less what the notes before it carried.  Amounts have the sign of
 * the document.  credited is net and includes this note's; net and tax are
 * the document's own for this class and row.
 */
extern int64 TaxCredit(const TaxClass *tax_class, int part, int64 net,
					   int64 tax, int64 credited, int64 tax_credited);

/*
 * The same for a line or row whose own tax is known and whose rate is not to
 * be applied again (inclusive prices, rounding per line): in proportion.
 */
extern int64 TaxCreditShare(int64 net, int64 tax, int64 credited,
							int64 tax_credited);

#endif							/* FINOPS_TAX_H */

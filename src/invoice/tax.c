/*-------------------------------------------------------------------------
 *
 * tax.c
 *	  Tax of a document in exact integers.
 *
 * All rounding is half away from zero on the magnitude, so a credit repeats
 * its charge with the opposite sign.  Each tax is rounded once: per category
 * on the sum of the lines (EN 16931, BT-117), or per line, as the document's
 * policy says (EU law leaves the level to the member states: C-484/06).
 *
 * Inclusive prices.  With E the effective rate of a class and G its gross,
 * the tax is round(G E / (1 + E)) and the net G less that, so net + tax =
 * gross holds exactly.  Per category the net is spread over the lines by
 * largest remainder: each gets the floor or the ceiling of its exact net
 * g / (1 + E), spare units go to the largest remainders, ties to the larger
 * amount, then to the first line.  A sum that is negative is the mirror image
 * of the positive one; remainders to the floor are never negative, so lines
 * of both signs need no exception.
 *
 * A compound tax is computed on the net amount with the other taxes of its
 * class as they stand on the document, that is, rounded: who reads the tax
 * table finds each tax to be its base x rate.
 *
 * Range: rates are at most 1, so 1 + E <= (1 + 4) (1 + 4) at 10^16, and
 * 2 x 2^63 x 25 x 10^16 stays below 2^127.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/tax.h"

#include <stdlib.h>

static const char *const categories[] = {"S", "Z", "E", "AE", "K", "G", "O"};

bool
TaxIsCategory(const char *code)
{
	for (size_t i = 0; i < lengthof(categories); i++)
		if (strcmp(code, categories[i]) == 0)
			return true;
	return false;
}

const char *
TaxCheckClass(const TaxClass *tax_class)
{
	bool		standard = strcmp(tax_class->category, "S") == 0;
	bool		compound = false;

	if (!TaxIsCategory(tax_class->category))
		return "category is not one of S, Z, E, AE, K, G, O";
	if (tax_class->nparts < 0 || tax_class->nparts > TAX_MAX_PARTS)
		return "a line has more than 4 taxes";
	if (standard && tax_class->nparts == 0)
		return "category S needs a rate above 0";
	for (int i = 0; i < tax_class->nparts; i++)
	{
		const TaxPart *part = &tax_class->parts[i];

		if (part->rate < 0 || part->rate > TAX_RATE_ONE)
			return "rate is not within 0 and 100 percent";
		if (standard && part->rate == 0)
			return "category S needs a rate above 0";
		if (!standard && part->rate != 0)
			return "only category S has a rate above 0";
		if (compound && !part->compound)
			return "compound taxes come last";
		compound = part->compound;
		if (compound && i == 0)
			return "the first tax of a line cannot be compound";
	}
	return NULL;
}

int128
TaxDivide(int128 num, int128 den)
{
	int128		magnitude = num < 0 ? -num : num;
	int128		result = magnitude / den;

	if (magnitude % den >= den - magnitude % den)
		result++;
	return num < 0 ? -result : result;
}

int128
TaxClassDen(void)
{
	return (int128) TAX_RATE_ONE * TAX_RATE_ONE;
}

/* Effective rate of one tax over TaxClassDen(). */
static int128
part_num(const TaxClass *tax_class, int part)
{
	int128		base = TAX_RATE_ONE;

	if (part >= tax_class->nparts)
		return 0;
	if (tax_class->parts[part].compound)
		for (int i = 0; i < part; i++)
			if (!tax_class->parts[i].compound)
				base += tax_class->parts[i].rate;
	return base * tax_class->parts[part].rate;
}

int128
TaxClassNum(const TaxClass *tax_class)
{
	int128		sum = 0;

	for (int i = 0; i < tax_class->nparts; i++)
		sum += part_num(tax_class, i);
	return sum;
}

static inline bool
add(int64 *sum, int128 value)
{
	int128		result = (int128) *sum + value;

	*sum = (int64) result;
	return (int128) *sum == result;
}

static int
by_claim(const void *a, const void *b)
{
	const TaxShare *x = a;
	const TaxShare *y = b;

	if (x->remainder != y->remainder)
		return x->remainder > y->remainder ? -1 : 1;
	if (x->amount != y->amount)
		return x->amount > y->amount ? -1 : 1;
	return x->line < y->line ? -1 : x->line > y->line;
}

/* Net lines of one class of inclusive prices, adding up to net. */
static void
spread_net(const TaxClass *tax_class, int index, int64 gross, int64 net,
		   TaxLine *lines, size_t nlines, TaxShare *scratch)
{
	int128		den = TaxClassDen() + TaxClassNum(tax_class);
	int64		sign = gross < 0 ? -1 : 1;
	int128		spare = (int128) sign * net;
	size_t		n = 0;

	for (size_t i = 0; i < nlines; i++)
	{
		int128		num,
					units;

		if (lines[i].tax_class != index)
			continue;
		num = (int128) sign * lines[i].amount * TaxClassDen();
		units = num / den - (num % den < 0);
		lines[i].net = (int64) (sign * units);
		spare -= units;
		scratch[n++] = (TaxShare) {num - units * den, sign * lines[i].amount, i};
	}
	if (spare > 0)
		qsort(scratch, n, sizeof(TaxShare), by_claim);
	for (size_t i = 0; i < n; i++)
	{
		TaxLine    *line = &lines[scratch[i].line];

		if (spare > 0)
		{
			line->net += sign;
			spare--;
		}
		line->tax = line->amount - line->net;
	}
}

/*
 * The taxes of one class on a net amount, or taken out of a gross amount,
 * added to parts; returns their sum.
 */
static int128
part_taxes(const TaxClass *tax_class, int64 amount, bool inclusive,
		   int128 *parts)
{
	int128		plain = amount; /* base of compound taxes */
	int128		total = 0;

	for (int i = 0; i < tax_class->nparts; i++)
	{
		const TaxPart *part = &tax_class->parts[i];
		int128		tax;

		if (inclusive)
		{
			/* cumulative rounding, so that the parts add up to the whole */
			int128		num = 0;

			for (int j = 0; j <= i; j++)
				num += part_num(tax_class, j);
			tax = TaxDivide((int128) amount * num, TaxClassDen() + TaxClassNum(tax_class)) - total;
		}
		else
		{
			tax = TaxDivide((part->compound ? plain : amount) * part->rate, TAX_RATE_ONE);
			if (!part->compound)
				plain += tax;
		}
		parts[i] += tax;
		total += tax;
	}
	return total;
}

/* Rows of the tax table of one class whose net and taxes are known. */
static bool
add_rows(const TaxClass *tax_class, int index, int64 net, const int128 *parts,
		 TaxRow *rows, int *nrows)
{
	int128		plain = net;

	for (int i = 0; i == 0 || i < tax_class->nparts; i++)
	{
		TaxRow	   *row = &rows[(*nrows)++];
		bool		compound = i < tax_class->nparts && tax_class->parts[i].compound;

		row->tax_class = index;
		row->part = i;
		row->taxable = 0;
		row->tax = 0;
		if (!add(&row->taxable, compound ? plain : net) || !add(&row->tax, parts[i]))
			return false;
		if (!compound)
			plain += parts[i];
	}
	return true;
}

/* Lines, rows and totals of the class with this index. */
static TaxStatus
tax_class_of(const TaxClass *tax_class, int index, TaxRounding rounding,
			 bool inclusive, TaxLine *lines, size_t nlines, TaxShare *scratch,
			 TaxRow *rows, int *nrows, TaxTotals *totals)
{
	int128		parts[TAX_MAX_PARTS] = {0};
	int128		tax = 0;
	int64		amount = 0;
	int64		net = 0;
	bool		used = false;

	for (size_t i = 0; i < nlines; i++)
	{
		TaxLine    *line = &lines[i];
		int128		line_tax = 0;

		if (line->tax_class != index)
			continue;
		used = true;
		if (!add(&amount, line->amount))
			return TAX_OUT_OF_RANGE;
		if (rounding == TAX_ROUND_LINE)
			line_tax = part_taxes(tax_class, line->amount, inclusive, parts);
		line->net = line->amount;
		line->tax = 0;
		if (!add(&line->tax, line_tax) ||
			(inclusive && !add(&line->net, -line_tax)))
			return TAX_OUT_OF_RANGE;
		tax += line_tax;
	}
	if (!used)
		return TAX_OK;
	if (rounding == TAX_ROUND_CATEGORY)
		tax = part_taxes(tax_class, amount, inclusive, parts);
	if (!add(&net, (int128) amount - (inclusive ? tax : 0)))
		return TAX_OUT_OF_RANGE;
	if (inclusive && rounding == TAX_ROUND_CATEGORY)
		spread_net(tax_class, index, amount, net, lines, nlines, scratch);
	if (!add_rows(tax_class, index, net, parts, rows, nrows) ||
		!add(&totals->net, net) || !add(&totals->tax, tax) ||
		!add(&totals->gross, net + tax))
		return TAX_OUT_OF_RANGE;
	return TAX_OK;
}

TaxStatus
TaxDocument(const TaxClass *classes, int nclasses, TaxRounding rounding,
			bool inclusive, TaxLine *lines, size_t nlines, TaxShare *scratch,
			TaxRow *rows, int *nrows, TaxTotals *totals)
{
	*nrows = 0;
	*totals = (TaxTotals) {0, 0, 0};
	for (int i = 0; i < nclasses; i++)
	{
		TaxStatus	status = tax_class_of(&classes[i], i, rounding, inclusive,
										  lines, nlines, scratch, rows, nrows, totals);

		if (status != TAX_OK)
			return status;
	}
	return TAX_OK;
}

/*
 * What is credited after this note, less what was before it.  Short of the
 * whole it never exceeds the document's tax, which the compound taxes' rounded
 * base could make it do by one unit.
 */
static int64
credit_step(int64 net, int64 tax, int64 credited, int128 sum,
			int64 tax_credited)
{
	if (credited == net)
		sum = tax;
	else if (net > 0 && credited >= 0 && credited <= net && sum > tax)
		sum = tax;
	else if (net < 0 && credited <= 0 && credited >= net && sum < tax)
		sum = tax;
	return (int64) (sum - tax_credited);
}

/*
 * Rounding the sum that is credited, not the note, makes the notes add up to
 * the document's tax in any order: the last one carries what is left.
 */
int64
TaxCredit(const TaxClass *tax_class, int part, int64 net, int64 tax,
		  int64 credited, int64 tax_credited)
{
	return credit_step(net, tax, credited,
					   TaxDivide((int128) credited * part_num(tax_class, part), TaxClassDen()),
					   tax_credited);
}

int64
TaxCreditShare(int64 net, int64 tax, int64 credited, int64 tax_credited)
{
	int128		num = (int128) credited * tax;

	if (net == 0)
		return credited == 0 ? tax - tax_credited : 0;
	return credit_step(net, tax, credited,
					   net < 0 ? TaxDivide(-num, -(int128) net) : TaxDivide(num, net),
					   tax_credited);
}

/* links: src/invoice/tax.c */
/*-------------------------------------------------------------------------
 *
 * tax_test.c
 *	  Tax by hand, and against exact rationals compared by cross
 *	  multiplication.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/tax.h"
#include "tap.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_LINES	12

/* xorshift64: the same sequence on every machine */
static uint64 state = 88172645463325252u;

static int64
pick(int64 low, int64 high)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return low + (int64) (state % (uint64) (high - low + 1));
}

static TaxClass
class_of(const char *category, int nparts, int64 rate, int64 second, bool compound)
{
	TaxClass	c = {{0}, nparts, {{rate, false}, {second, compound}}};

	strcpy(c.category, category);
	return c;
}

static TaxLine lines[MAX_LINES];
static TaxShare scratch[MAX_LINES];
static TaxRow rows[8 * TAX_MAX_PARTS];
static int	nrows;
static TaxTotals totals;

static TaxStatus
compute(const TaxClass *classes, int nclasses, TaxRounding rounding,
		bool inclusive, size_t n)
{
	return TaxDocument(classes, nclasses, rounding, inclusive, lines, n,
					   scratch, rows, &nrows, &totals);
}

static void
set_lines(size_t n, const int64 *amounts, const int *classes)
{
	for (size_t i = 0; i < n; i++)
		lines[i] = (TaxLine) {amounts[i], classes == NULL ? 0 : classes[i], 0, 0};
}

/* |value - num / den| <= 1 / 2, ties away from zero */
static bool
is_rounded(int64 value, int128 num, int128 den)
{
	int128		off = 2 * ((int128) value * den - num);

	if (off == den)
		return num >= 0;
	if (off == -den)
		return num < 0;
	return off < den && off > -den;
}

static void
by_hand(void)
{
	TaxClass	de = class_of("S", 1, 19000000, 0, false);
	TaxClass	fr = class_of("S", 1, 20000000, 0, false);
	TaxClass	mix[3] = {class_of("S", 1, 19000000, 0, false), class_of("S", 1, 7000000, 0, false),
						  class_of("E", 0, 0, 0, false)};
	TaxClass	quebec = class_of("S", 2, 5000000, 7500000, true);
	TaxClass	additive = class_of("S", 2, 5000000, 9975000, false);

	set_lines(4, (int64[]) {6833, 6833, 5750, 8500}, NULL);
	compute(&fr, 1, TAX_ROUND_CATEGORY, false, 4);
	ok(totals.net == 27916 && totals.tax == 5583 && totals.gross == 33499,
	   "279.16 at 20 % on the sum is 334.99");
	compute(&fr, 1, TAX_ROUND_LINE, false, 4);
	ok(totals.tax == 1367 + 1367 + 1150 + 1700 && totals.gross == 33500 && lines[2].tax == 1150,
	   "the same lines taxed one by one come to 335.00");
	set_lines(1, (int64[]) {750000}, NULL);
	compute(&de, 1, TAX_ROUND_CATEGORY, true, 1);
	ok(totals.net == 630252 && totals.tax == 119748, "7500.00 with 19 % inside is 6302.52 + 1197.48");
	set_lines(3, (int64[]) {1000, 1000, 1000}, NULL);
	compute(&de, 1, TAX_ROUND_CATEGORY, true, 3);
	ok(totals.tax == 479 && totals.net == 2521 && lines[0].net == 841 && lines[1].net == 840 &&
	   lines[2].net == 840 && lines[0].tax == 159 && lines[1].tax == 160,
	   "three grosses of 10.00: nets 8.41, 8.40, 8.40; the first gets the spare cent");
	compute(&de, 1, TAX_ROUND_LINE, true, 3);
	ok(totals.tax == 480 && totals.net == 2520, "per line each has 1.60 inside");
	set_lines(1, (int64[]) {-1450}, NULL);
	de.parts[0].rate = 5000000;
	compute(&de, 1, TAX_ROUND_CATEGORY, false, 1);
	ok(totals.tax == -73, "-14.50 at 5 % is -0.73: half a cent goes away from zero");
	set_lines(1, (int64[]) {1450}, NULL);
	compute(&de, 1, TAX_ROUND_CATEGORY, false, 1);
	ok(totals.tax == 73, "14.50 at 5 % is 0.73");
	set_lines(4, (int64[]) {10000, 10000, 5050, -2000}, (int[]) {0, 1, 2, 0});
	compute(mix, 3, TAX_ROUND_CATEGORY, false, 4);
	ok(nrows == 3 && rows[0].taxable == 8000 && rows[0].tax == 1520 && rows[1].taxable == 10000 &&
	   rows[1].tax == 700 && rows[2].taxable == 5050 && rows[2].tax == 0 && totals.gross == 25270,
	   "three rates make three rows: 15.20, 7.00 and none");
	set_lines(1, (int64[]) {10000}, (int[]) {2});
	compute(mix, 3, TAX_ROUND_CATEGORY, false, 1);
	ok(nrows == 1 && rows[0].tax_class == 2, "a rate without a line has no row");
	set_lines(1, (int64[]) {10000}, NULL);
	compute(&quebec, 1, TAX_ROUND_CATEGORY, false, 1);
	ok(nrows == 2 && rows[0].tax == 500 && rows[1].taxable == 10500 && rows[1].tax == 788,
	   "compound: 7.5 % of 105.00 is 7.88, half up");
	compute(&additive, 1, TAX_ROUND_CATEGORY, false, 1);
	ok(rows[1].taxable == 10000 && rows[1].tax == 998, "two taxes on the same base: 5.00 and 9.98");
	set_lines(1, (int64[]) {11288}, NULL);
	compute(&quebec, 1, TAX_ROUND_CATEGORY, true, 1);
	ok(totals.net == 10000 && rows[0].tax == 500 && rows[1].tax == 788 && rows[1].taxable == 10500,
	   "compound taxes come out of an inclusive price again");
	set_lines(1, (int64[]) {INT64_C(0x7FFFFFFFFFFFFFFF)}, NULL);
	ok(compute(&fr, 1, TAX_ROUND_CATEGORY, false, 1) == TAX_OUT_OF_RANGE, "a gross beyond 63 bits is refused");
	ok(compute(&fr, 1, TAX_ROUND_CATEGORY, true, 1) == TAX_OK && totals.gross == lines[0].amount,
	   "the largest gross is taxed exactly");
	ok(compute(&fr, 1, TAX_ROUND_CATEGORY, false, 0) == TAX_OK && nrows == 0 && totals.gross == 0,
	   "no line, no tax");
}

static void
classes(void)
{
	TaxClass	c = class_of("S", 0, 0, 0, false);

	ok(TaxCheckClass(&c) != NULL, "the standard rate without rate is refused");
	c = class_of("S", 1, 0, 0, false);
	ok(TaxCheckClass(&c) != NULL, "the standard rate of 0 is refused: that is Z");
	c = class_of("AE", 1, 1, 0, false);
	ok(TaxCheckClass(&c) != NULL, "reverse charge has no rate");
	c = class_of("XX", 0, 0, 0, false);
	ok(TaxCheckClass(&c) != NULL, "an unknown category is refused");
	c = class_of("S", 1, TAX_RATE_ONE + 1, 0, false);
	ok(TaxCheckClass(&c) != NULL, "more than 100 percent is refused");
	c = class_of("S", 5, 1, 1, false);
	ok(TaxCheckClass(&c) != NULL, "five taxes on a line are refused");
	c = class_of("S", 2, 5000000, 7500000, true);
	ok(TaxCheckClass(&c) == NULL, "a compound second tax is good");
	c.parts[0].compound = true;
	ok(TaxCheckClass(&c) != NULL, "a compound first tax is refused");
	c = class_of("O", 0, 0, 0, false);
	ok(TaxCheckClass(&c) == NULL, "outside the scope is good");
}

/* One random document of two classes; false when anything is not exact. */
static bool
random_document(void)
{
	TaxClass	c[2] = {class_of("S", 1, pick(1, 2700) * 10000, 0, false),
						class_of("S", 1, pick(1, TAX_RATE_ONE), 0, false)};
	TaxRounding rounding = (TaxRounding) pick(0, 1);
	bool		inclusive = pick(0, 1) == 1;
	size_t		n = (size_t) pick(1, MAX_LINES);
	int64		net = 0,
				tax = 0;
	TaxTotals	first;

	for (size_t i = 0; i < n; i++)
		lines[i] = (TaxLine) {pick(-200000, 1000000), (int) pick(0, 1), 0, 0};
	if (compute(c, 2, rounding, inclusive, n) != TAX_OK)
		return false;
	for (int r = 0; r < nrows; r++)
	{
		int64		rate = c[rows[r].tax_class].parts[0].rate;
		int64		amount = 0,
					line_net = 0,
					line_tax = 0;
		int128		den = inclusive ? TAX_RATE_ONE + rate : TAX_RATE_ONE;

		for (size_t i = 0; i < n; i++)
		{
			if (lines[i].tax_class != rows[r].tax_class)
				continue;
			amount += lines[i].amount;
			line_net += lines[i].net;
			line_tax += lines[i].tax;
			if (rounding == TAX_ROUND_LINE && !is_rounded(lines[i].tax, (int128) lines[i].amount * rate, den))
				return false;
			if (inclusive && lines[i].net + lines[i].tax != lines[i].amount)
				return false;
			/* floor or ceiling of the exact net */
			if (inclusive &&
				llabs(lines[i].net - (int64) TaxDivide((int128) lines[i].amount * TAX_RATE_ONE, den)) > 1)
				return false;
		}
		if (line_net != rows[r].taxable || (inclusive && line_tax != rows[r].tax))
			return false;
		if (rounding == TAX_ROUND_CATEGORY && !is_rounded(rows[r].tax, (int128) amount * rate, den))
			return false;
		if (inclusive && rows[r].taxable + rows[r].tax != amount)
			return false;
		net += rows[r].taxable;
		tax += rows[r].tax;
	}
	if (totals.net != net || totals.tax != tax || totals.gross != net + tax)
		return false;
	/* the mirror image */
	first = totals;
	for (size_t i = 0; i < n; i++)
		lines[i].amount = -lines[i].amount;
	compute(c, 2, rounding, inclusive, n);
	return totals.net == -first.net && totals.tax == -first.tax;
}

/* Sum of the notes for the four lines of a document in the given order. */
static int64
credit_in_order(const TaxClass *c, const int64 *amounts, const int *order,
				int64 net, int64 tax)
{
	int64		credited = 0,
				tax_credited = 0,
				sum = 0;

	for (int i = 0; i < 4; i++)
	{
		int64		step;

		credited += amounts[order[i]];
		step = TaxCredit(c, 0, net, tax, credited, tax_credited);
		tax_credited += step;
		sum += amounts[order[i]] + step;
	}
	return sum;
}

static void
four_notes(void)
{
	TaxClass	c = class_of("S", 1, 20000000, 0, false);
	const int64 amounts[4] = {6833, 6833, 5750, 8500};
	int			good = 0,
				tried = 0;

	for (int code = 0; code < 256; code++)
	{
		int			order[4] = {code & 3, code >> 2 & 3, code >> 4 & 3, code >> 6};

		if ((1 << order[0] | 1 << order[1] | 1 << order[2] | 1 << order[3]) != 15)
			continue;
		tried++;
		good += credit_in_order(&c, amounts, order, 27916, 5583) == 33499;
	}
	ok(tried == 24 && good == 24, "68.33, 68.33, 57.50, 85.00 credited in all 24 orders add up to 334.99");
}

/* Random documents credited in random parts: 0 is left, no note is negative. */
static bool
random_partition(void)
{
	TaxClass	c = class_of("S", 2, pick(1, 2700) * 10000, pick(0, 1000) * 10000 + 1, pick(0, 1) == 1);
	int64		sign = pick(0, 1) == 0 ? 1 : -1;
	int64		net = pick(1, 10000000);
	int64		credited = 0,
				sum[2] = {0, 0},
				share = 0;
	int64		share_tax = pick(0, 3000000);

	c.nparts = (int) pick(1, 2);
	lines[0] = (TaxLine) {sign * net, 0, 0, 0};
	compute(&c, 1, TAX_ROUND_CATEGORY, false, 1);
	while (credited < net)
	{
		credited += pick(1, net - credited);
		for (int p = 0; p < c.nparts; p++)
		{
			int64		step = TaxCredit(&c, p, sign * net, rows[p].tax, sign * credited, sum[p]);

			if (sign * step < 0)
				return false;
			sum[p] += step;
		}
		share += TaxCreditShare(sign * net, sign * share_tax, sign * credited, share);
	}
	return sum[0] + sum[1] == totals.tax && share == sign * share_tax;
}

int
main(void)
{
	int			good = 0;

	by_hand();
	classes();
	for (int i = 0; i < 20000; i++)
		good += random_document();
	ok(good == 20000, "20,000 random documents are exact, and so are their mirror images");
	four_notes();
	good = 0;
	for (int i = 0; i < 10000; i++)
		good += random_partition();
	ok(good == 10000, "10,000 random partitions into credit notes leave nothing");
	printf("1..%d\n", number);
	return failed > 0;
}

/*-------------------------------------------------------------------------
 *
 * late.c
 *	  Late usage as a difference: rate(all) less what is billed.
 *
 * Where the price of a unit is what it was, only the difference in quantity
 * is billed.  Where it is not, as when more usage moves all of it to another
 * tier of a volume price, the line that was billed is taken back and the
 * whole is billed anew, so that each line of a document is quantity x price.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/late.h"

/* value * 10^digits; false where that leaves 126 bits. */
static bool
scale_up(int128 *units, int digits)
{
	const int128 limit = ((int128) 1) << 126;

	for (; digits > 0; digits--)
	{
		if (*units > limit / 10 || *units < -limit / 10)
			return false;
		*units *= 10;
	}
	return true;
}

static bool
same_scale(LateDecimal *a, LateDecimal *b)
{
	LateDecimal *low = a->scale < b->scale ? a : b;
	int			scale = Max(a->scale, b->scale);

	if (!scale_up(&low->units, scale - low->scale))
		return false;
	low->scale = scale;
	return true;
}

static LateDecimal
negated(LateDecimal value)
{
	value.units = -value.units;
	return value;
}

/* Both lines of one key. */
static int
compare_lines(const LateLine *old, const LateLine *new, LateDelta *deltas)
{
	LateDecimal was = old->quantity,
				is = new->quantity,
				old_price = old->price,
				new_price = new->price;

	if (!same_scale(&was, &is) || !same_scale(&old_price, &new_price))
		return -1;
	if (was.units == is.units && old->amount == new->amount)
		return 0;
	if (old_price.units == new_price.units && was.units != is.units)
	{
		is.units -= was.units;
		deltas[0] = (LateDelta) {LATE_DELTA, new, is, new->amount - old->amount};
		return 1;
	}
	deltas[0] = (LateDelta) {LATE_REVERSAL, old, negated(old->quantity), -old->amount};
	deltas[1] = (LateDelta) {LATE_NEW, new, new->quantity, new->amount};
	return 2;
}

int
LateDeltas(const LateLine *billed, int nbilled, const LateLine *rated,
		   int nrated, LateDelta *deltas)
{
	int			n = 0;
	int			i = 0;
	int			j = 0;

	while (i < nbilled || j < nrated)
	{
		int			order = i == nbilled ? 1 : j == nrated ? -1 : strcmp(billed[i].key, rated[j].key);

		if (order < 0)
		{
			if (billed[i].amount != 0)
				deltas[n++] = (LateDelta) {LATE_REVERSAL, &billed[i], negated(billed[i].quantity),
										   -billed[i].amount};
			i++;
		}
		else if (order > 0)
		{
			if (rated[j].amount != 0)
				deltas[n++] = (LateDelta) {LATE_NEW, &rated[j], rated[j].quantity, rated[j].amount};
			j++;
		}
		else
		{
			int			found = compare_lines(&billed[i++], &rated[j++], deltas + n);

			if (found < 0)
				return -1;
			n += found;
		}
	}
	return n;
}

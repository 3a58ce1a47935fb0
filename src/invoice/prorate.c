/*-------------------------------------------------------------------------
 *
 * prorate.c
 *	  Prices of parts of a period that add up.
 *
 * A part costs price x (end - start) / length.  Lengths are counted in days
 * of the tenant's calendar or in instants between its local midnights, which
 * the caller has turned into UTC; as every edge is one point for the part
 * before and the part after it, no day and no instant is counted twice or
 * not at all, whatever the clocks do.
 *
 * Parts that stand on one document are rounded together (ProrateSplit): the
 * exact sum is rounded once, each part is the floor or the ceiling of its
 * exact price, and the spare minor units go to the largest remainders; ties
 * to the larger part, then to the earlier one.  A part alone is its exact
 * price, half away from zero.
 *
 * Parts that are billed apart cannot look at each other.  They take the
 * difference of the rounded prices of [0, to) and [0, from) (ProrateBetween),
 * so that any division of the period adds up to its rounded price.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/prorate.h"

/* Exact prices as numerators over one denominator. */
static bool
take_exact(ProratePart *parts, size_t n, int64 start, int64 length,
		   PriceDecimal *sum)
{
	int			scale = 0;

	for (size_t i = 0; i < n; i++)
		scale = Max(scale, PriceTrim(parts[i].price).scale);
	sum->units = 0;
	sum->scale = scale;
	for (size_t i = 0; i < n; i++)
	{
		ProratePart *part = &parts[i];
		PriceDecimal span = {part->end - part->start, 0};
		PriceDecimal exact;

		if (part->start < start || part->end < part->start ||
			part->end - start > length || part->price.units < 0 ||
			!PriceMultiply(part->price, span, &exact))
			return false;
		exact = PriceTrim(exact);
		if (!PriceRescale(&exact, scale))
			return false;
		part->minor = exact.units;
		if (__builtin_add_overflow(sum->units, exact.units, &sum->units))
			return false;
	}
	return true;
}

/* Whether part i comes before part j for a spare unit. */
static bool
comes_first(const ProratePart *parts, const uint128 *rest, size_t i, size_t j)
{
	int			order = PriceCompare(parts[i].price, parts[j].price);

	if (rest[i] != rest[j])
		return rest[i] > rest[j];
	if (order != 0)
		return order > 0;
	if (parts[i].start != parts[j].start)
		return parts[i].start < parts[j].start;
	return i < j;
}

/* The spare units, fewer than there are parts; a document has few parts. */
static void
give_spare(ProratePart *parts, size_t n, uint128 *rest, int64 spare)
{
	for (; spare > 0; spare--)
	{
		size_t		best = n;

		for (size_t i = 0; i < n; i++)
			if (rest[i] != ~(uint128) 0 && (best == n || comes_first(parts, rest, i, best)))
				best = i;
		if (best == n)
			return;
		parts[best].minor++;
		rest[best] = ~(uint128) 0;
	}
}

bool
ProrateSplit(ProratePart *parts, size_t n, int64 start, int64 length,
			 int digits, uint128 *scratch)
{
	PriceDecimal sum;
	PriceDecimal unit = {1, digits};
	PriceDecimal divisor = {length, 0};
	int128		total;

	if (length <= 0 || !take_exact(parts, n, start, length, &sum) ||
		!PriceRoundRatio(sum, length, digits, &total))
		return false;

	/* one minor unit x length, at the scale of the numerators */
	if (!PriceMultiply(unit, divisor, &divisor))
		return false;
	for (size_t i = 0; i < n; i++)
	{
		PriceDecimal exact = {parts[i].minor, sum.scale};
		PriceDecimal step = divisor;

		if (!PriceRescale(&exact, step.scale) || !PriceRescale(&step, exact.scale))
			return false;
		parts[i].minor = exact.units / step.units;
		scratch[i] = (uint128) (exact.units % step.units);
		total -= parts[i].minor;
	}
	give_spare(parts, n, scratch, (int64) total);
	return true;
}

bool
ProrateBetween(PriceDecimal price, int64 length, int64 from, int64 to,
			   int digits, int128 *minor)
{
	PriceDecimal until_from;
	PriceDecimal until_to;
	PriceDecimal span_from = {from, 0};
	PriceDecimal span_to = {to, 0};
	int128		before;

	if (length <= 0 || from < 0 || to < from || to > length ||
		!PriceMultiply(price, span_from, &until_from) ||
		!PriceMultiply(price, span_to, &until_to) ||
		!PriceRoundRatio(until_from, length, digits, &before) ||
		!PriceRoundRatio(until_to, length, digits, minor))
		return false;
	*minor -= before;
	return true;
}

/* links: src/invoice/late.c */
/*-------------------------------------------------------------------------
 *
 * late_test.c
 *	  Late usage: differences by hand, and that they add up.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/late.h"
#include "tap.h"

#include <stdio.h>
#include <stdlib.h>

static uint64 state = 88172645463325252u;

static int64
pick(int64 low, int64 high)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return low + (int64) (state % (uint64) (high - low + 1));
}

static LateLine
line(const char *key, int64 quantity, int64 price, int price_scale, int64 amount)
{
	return (LateLine) {key, {quantity, 0}, {price, price_scale}, amount, 0};
}

static void
by_hand(void)
{
	LateDelta	d[8];
	LateLine	was = line("usage/api", 1000, 2, 2, 2000);
	LateLine	is;

	ok(LateDeltas(&was, 1, &was, 1, d) == 0, "nothing came late: nothing to bill");
	is = line("usage/api", 1300, 2, 2, 2600);
	ok(LateDeltas(&was, 1, &is, 1, d) == 1 && d[0].kind == LATE_DELTA &&
	   d[0].quantity.units == 300 && d[0].amount == 600,
	   "300 more at 0.02: 6.00");
	is = line("usage/api", 700, 200, 4, 1400);
	ok(LateDeltas(&was, 1, &is, 1, d) == 1 && d[0].quantity.units == -300 && d[0].amount == -600,
	   "300 fewer at the same price written 0.0200: -6.00");
	/* volume price: 0.02 up to 1,000, 0.015 for all above */
	is = line("usage/api", 1200, 15, 3, 1800);
	ok(LateDeltas(&was, 1, &is, 1, d) == 2 && d[0].kind == LATE_REVERSAL &&
	   d[0].quantity.units == -1000 && d[0].amount == -2000 &&
	   d[1].kind == LATE_NEW && d[1].quantity.units == 1200 && d[1].amount == 1800,
	   "another tier of a volume price: the line is taken back and billed anew");
	ok(LateDeltas(NULL, 0, &is, 1, d) == 1 && d[0].kind == LATE_NEW && d[0].amount == 1800, "a metric that was not billed");
	ok(LateDeltas(&was, 1, NULL, 0, d) == 1 && d[0].kind == LATE_REVERSAL && d[0].amount == -2000, "a metric that is gone");
	is = line("usage/api", 1000, 2, 2, 1999);
	ok(LateDeltas(&was, 1, &is, 1, d) == 2 && d[0].amount + d[1].amount == -1, "the same quantity at another amount is billed anew");
	was.quantity.units = ((int128) 1) << 125;
	is.quantity.scale = 20;
	ok(LateDeltas(&was, 1, &is, 1, d) == -1, "a quantity beyond 128 bits is refused");
}

/* Random sets of lines: the deltas add up, in amounts and by key. */
static bool
random_set(void)
{
	static const char *const keys[] = {"a", "b", "c", "d", "e", "f"};
	LateLine	billed[6],
				rated[6];
	LateDelta	deltas[12];
	int			nbilled = 0,
				nrated = 0,
				n;
	int64		sum = 0;

	for (int k = 0; k < 6; k++)
	{
		int64		price = pick(1, 3);

		if (pick(0, 2) > 0)
			billed[nbilled++] = line(keys[k], pick(0, 5), price, 0, pick(-100, 1000));
		if (pick(0, 2) > 0)
			rated[nrated++] = line(keys[k], pick(0, 5), pick(0, 1) ? price : 9, (int) pick(0, 2),
								   pick(-100, 1000));
	}
	n = LateDeltas(billed, nbilled, rated, nrated, deltas);
	for (int i = 0; i < n; i++)
		sum += deltas[i].amount;
	for (int i = 0; i < nbilled; i++)
		sum += billed[i].amount;
	for (int i = 0; i < nrated; i++)
		sum -= rated[i].amount;
	return n >= 0 && sum == 0;
}

int
main(void)
{
	int			good = 0;

	by_hand();
	for (int i = 0; i < 20000; i++)
		good += random_set();
	ok(good == 20000, "20,000 random sets: what is billed before and now is what is rated");
	printf("1..%d\n", number);
	return failed > 0;
}

/* links: src/ops/sketch.c */
/*-------------------------------------------------------------------------
 *
 * sketch_test.c
 *	  Numbers of different values, against the numbers that were put in.
 *
 *-------------------------------------------------------------------------
 */
#include "ops/sketch.h"

#include "tap.h"

#include <math.h>
#include <stdio.h>

static unsigned char sketch[SKETCH_SIZE],
			other[SKETCH_SIZE];

static void
estimate(uint64 from, uint64 n, double tolerance)
{
	char		text[128];
	double		e;

	memset(sketch, 0, sizeof(sketch));
	for (uint64 i = 0; i < n; i++)
		SketchAdd(sketch, SketchHash(from + i));
	e = SketchEstimate(sketch);
	snprintf(text, sizeof(text), "%llu values: %.1f", (unsigned long long) n, e);
	ok(fabs(e - (double) n) <= tolerance * (double) n + 0.01, text);
}

int
main(void)
{
	double		once;

	estimate(1, 0, 0);
	estimate(1, 1, 0.01);
	estimate(1, 10, 0.01);
	estimate(1, 100, 0.03);
	/* three standard errors */
	estimate(1, 10000, 0.05);
	estimate(UINT64_C(1) << 40, 100000, 0.05);
	estimate(7, 1000000, 0.05);
	once = SketchEstimate(sketch);
	for (uint64 i = 0; i < 1000000; i++)
		SketchAdd(sketch, SketchHash(7 + i));
	ok(SketchEstimate(sketch) == once, "the same values again");
	memset(other, 0, sizeof(other));
	for (uint64 i = 0; i < 1000; i++)
		SketchAdd(other, SketchHash(7 + i));
	SketchMerge(sketch, other);
	ok(SketchEstimate(sketch) == once, "and merged");
	memset(sketch, 0, sizeof(sketch));
	SketchAdd(sketch, 0);
	ok(sketch[0] == 64 - SKETCH_BITS + 1, "a hash without a bit");
	memset(sketch, 255, sizeof(sketch));
	ok(SketchEstimate(sketch) > 1e15, "registers beyond their range are the largest number");
	printf("1..%d\n", number);
	return failed > 0;
}

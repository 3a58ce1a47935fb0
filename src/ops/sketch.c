/*-------------------------------------------------------------------------
 *
 * sketch.c
 *	  How many different values there are, without keeping them.  Pure.
 *
 * HyperLogLog of Flajolet et al. (2007) with 64-bit hashes, which need no
 * correction for large numbers, and the estimator of Ertl, New cardinality
 * estimation algorithms for HyperLogLog sketches (2017), algorithm 6, which
 * needs none for small ones.  The standard error is 1.04 / sqrt(4096), 1.6 %;
 * few values are counted exactly but for collisions.
 *
 *-------------------------------------------------------------------------
 */
#include "ops/sketch.h"

#include <math.h>

#define RANKS	(64 - SKETCH_BITS + 1)	/* 1 .. RANKS, and 0 for nothing seen */

void
SketchMerge(unsigned char *registers, const unsigned char *other)
{
	for (int i = 0; i < SKETCH_SIZE; i++)
		registers[i] = Max(registers[i], other[i]);
}

/* x + sum of x^(2^k) 2^(k-1) */
static double
sigma(double x)
{
	double		y = 1,
				z = x,
				before;

	if (x == 1)
		return INFINITY;
	do
	{
		x *= x;
		before = z;
		z += x * y;
		y += y;
	} while (z != before);
	return z;
}

static double
tau(double x)
{
	double		y = 1,
				z = 1 - x,
				before;

	if (x == 0 || x == 1)
		return 0;
	do
	{
		x = sqrt(x);
		before = z;
		y /= 2;
		z -= (1 - x) * (1 - x) * y;
	} while (z != before);
	return z / 3;
}

double
SketchEstimate(const unsigned char *registers)
{
	int			count[RANKS + 1] = {0};
	double		m = SKETCH_SIZE,
				z;

	for (int i = 0; i < SKETCH_SIZE; i++)
		count[Min(registers[i], RANKS)]++;
	z = m * tau(1 - count[RANKS] / m);
	for (int k = RANKS - 1; k >= 1; k--)
		z = (z + count[k]) / 2;
	z += m * sigma(count[0] / m);
	return m / (2 * M_LN2) * m / z;
}

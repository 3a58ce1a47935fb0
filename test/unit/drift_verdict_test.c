/* links: src/core/fmath.c src/forecast/drift_verdict.c */
/*-------------------------------------------------------------------------
 *
 * drift_verdict_test.c
 *	  Verdicts on drift: values of tables, values worked out by hand, and the
 *	  share of false alarms without drift from a frozen seed.  An argument
 *	  multiplies the number of samples that are drawn.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/drift_verdict.h"

#include "core/fmath.h"
#include "tap.h"

#include <stdio.h>
#include <stdlib.h>

#define BINS	10

static FmathRandom random_state;

static bool
near(double a, double b, double tolerance)
{
	return fabs(a - b) <= tolerance;
}

static void
between(double share, double low, double high, const char *what, int n, int m)
{
	char		text[128];

	snprintf(text, sizeof(text), "%s of %d and %d values: %.2f %% false alarms", what, n, m, share * 100);
	ok(share >= low && share <= high, text);
}

/* Uniform values of 16 bits, four from each random number, by bin. */
static void
draw_counts(int64 *counts, int n)
{
	memset(counts, 0, sizeof(int64) * BINS);
	for (int i = 0; i < n; i += 4)
	{
		uint64		bits = FmathNext(&random_state);

		for (int k = 0; k < 4 && i + k < n; k++, bits >>= 16)
			counts[(bits & 0xffff) * BINS >> 16]++;
	}
}

static double
psi_alarms(int n, int m, int times)
{
	int64		a[BINS],
				b[BINS];
	int			alarms = 0;

	for (int t = 0; t < times; t++)
	{
		draw_counts(a, n);
		draw_counts(b, m);
		alarms += DriftPsiTest(a, b, BINS, 0.05).drifted;
	}
	return (double) alarms / times;
}

/* Cut at the quantiles of the reference, as a caller without bounds does. */
static double
psi_quantile_alarms(int n, int times)
{
	double	   *x = malloc(sizeof(double) * n),
			   *y = malloc(sizeof(double) * n);
	int			alarms = 0;

	for (int t = 0; t < times; t++)
	{
		double		bounds[BINS];
		int64		a[BINS] = {0},
					b[BINS] = {0};
		int			cuts;

		for (int i = 0; i < n; i++)
		{
			x[i] = FmathNormal(&random_state);
			y[i] = FmathNormal(&random_state);
		}
		cuts = DriftQuantiles(x, n, BINS, bounds);
		for (int i = 0; i < n; i++)
		{
			int			p = 0,
						q = 0;

			while (p < cuts && x[i] > bounds[p])
				p++;
			while (q < cuts && y[i] > bounds[q])
				q++;
			a[p]++;
			b[q]++;
		}
		alarms += DriftPsiTest(a, b, cuts + 1, 0.05).drifted;
	}
	free(x);
	free(y);
	return (double) alarms / times;
}

/* Uniform values in order, which spares the sort its work; step > 0 makes them equal in steps. */
static void
draw_sorted(double *x, int n, double step)
{
	double		at = 0,
				whole;

	for (int i = 0; i < n; i++)
		x[i] = at += -FmathLog(((FmathNext(&random_state) >> 11) + 0.5) * 0x1p-53);
	whole = at - FmathLog(((FmathNext(&random_state) >> 11) + 0.5) * 0x1p-53);
	for (int i = 0; i < n; i++)
		x[i] = step > 0 ? floor(x[i] / whole / step) : x[i] / whole;
}

static double
ks_alarms(int n, int m, int times, double step)
{
	double	   *x = malloc(sizeof(double) * n),
			   *y = malloc(sizeof(double) * m),
			   *scratch = malloc(sizeof(double) * DRIFT_KS_SCRATCH(n, m));
	int			alarms = 0;

	for (int t = 0; t < times; t++)
	{
		draw_sorted(x, n, step);
		draw_sorted(y, m, step);
		alarms += DriftKsTest(x, n, y, m, 0.05, scratch, NULL).drifted;
	}
	free(x);
	free(y);
	free(scratch);
	return (double) alarms / times;
}

static DriftVerdict
ks(const double *x, int n, const double *y, int m)
{
	double		a[64],
				b[64];
	double	   *scratch = malloc(sizeof(double) * DRIFT_KS_SCRATCH(64, 64));
	DriftVerdict v;

	memcpy(a, x, sizeof(double) * n);
	memcpy(b, y, sizeof(double) * m);
	v = DriftKsTest(a, n, b, m, 0.05, scratch, NULL);
	free(scratch);
	return v;
}

static void
test_chi_square(void)
{
	/* Abramowitz and Stegun, table 26.8 */
	ok(near(DriftChiSquareQuantile(0.05, 1), 3.84146, 1e-5), "chi-square of 1 degree");
	ok(near(DriftChiSquareQuantile(0.05, 2), 5.99146, 1e-5), "of 2 degrees");
	ok(near(DriftChiSquareQuantile(0.05, 9), 16.9190, 1e-4), "of 9 degrees");
	ok(near(DriftChiSquareQuantile(0.01, 30), 50.8922, 1e-4), "of 30 degrees");
	ok(near(DriftChiSquareTail(16.9190, 9), 0.05, 1e-6), "the tail is its inverse");
	ok(DriftChiSquareTail(0, 3) == 1 && DriftChiSquareTail(-1, 3) == 1 && DriftChiSquareTail(NAN, 3) == 1, "nothing is below 0");
	ok(DriftChiSquareTail(INFINITY, 3) == 0 && DriftChiSquareTail(1e9, 4) == 0, "nothing is beyond infinity");
}

static void
test_psi_values(void)
{
	int64		a[] = {50, 50},
				b[] = {25, 75},
				none[] = {0, 0},
				left[] = {7, 0},
				gap_a[] = {50, 0, 50},
				gap_b[] = {25, 0, 75};
	double		p = 25.5 / 101;
	DriftVerdict v = DriftPsiTest(a, b, 2, 0.05);

	ok(near(v.statistic, (0.5 - p) * log(0.5 / p) + (0.5 - (1 - p)) * log(0.5 / (1 - p)), 1e-12), "index of two bins");
	/* chi-square of the table, 13.33, has p = 0.00026 */
	ok(v.drifted && v.p_value < 0.0005 && v.p_value > 0.0001, "a quarter left its bin");
	ok(near(v.critical, 0.02 * 3.84146, 0.02 * 0.1), "the limit is that of the chi-square distribution");
	v = DriftPsiTest(gap_a, gap_b, 3, 0.05);
	ok(near(v.statistic, DriftPsiTest(a, b, 2, 0.05).statistic, 1e-15) && v.bins == 2, "a bin that nothing fell into does not count");
	v = DriftPsiTest(a, a, 2, 0.05);
	ok(v.statistic == 0 && v.p_value == 1 && !v.drifted && v.n == 100 && v.m == 100, "the same counts");
	v = DriftPsiTest(a, none, 2, 0.05);
	ok(isnan(v.statistic) && !v.drifted, "an empty sample");
	v = DriftPsiTest(left, left, 2, 0.05);
	ok(v.statistic == 0 && !v.drifted && v.p_value == 1, "a constant");
}

static void
test_ks_values(void)
{
	double		low[] = {1, 2, 3, 4},
				high[] = {5, 6, 7, 8},
				same[] = {4, 3, 2, 1},
				mixed[] = {1.5, 2.5, 3.5, 9},
				ones[] = {1, 1, 1, 1},
				twos[] = {1, 1, 2, 2};
	DriftVerdict v = ks(low, 4, high, 4);

	/* of 70 orders two separate the samples */
	ok(v.statistic == 1 && near(v.p_value, 2.0 / 70, 1e-15) && v.drifted, "apart");
	v = ks(low, 4, same, 4);
	ok(v.statistic == 0 && near(v.p_value, 1, 1e-15) && !v.drifted, "the same values");
	v = ks(low, 4, mixed, 4);
	ok(v.statistic == 0.25 && near(v.p_value, 1, 1e-15), "every order is a quarter apart");
	/* 6 ones and 2 twos: the pair of twos falls into one sample in 12 of 28 ways */
	v = ks(ones, 4, twos, 4);
	ok(v.statistic == 0.5 && near(v.p_value, 12.0 / 28, 1e-15), "ties are counted as such");
	v = ks(ones, 4, ones, 4);
	ok(v.statistic == 0 && v.p_value == 1 && !v.drifted && v.bins == 1, "a constant");
	v = ks(low, 4, low, 0);
	ok(isnan(v.statistic) && !v.drifted, "an empty sample");
}

static void
test_quantiles(void)
{
	double		x[] = {5, 1, 4, 2, 3, 6, 8, 7},
				skewed[] = {0, 0, 0, 0, 0, 0, 1, 2},
				same[] = {3, 3, 3},
				bounds[8];

	ok(DriftQuantiles(x, 8, 4, bounds) == 3 && bounds[0] == 2 && bounds[1] == 4 && bounds[2] == 6, "quarters");
	ok(DriftQuantiles(skewed, 8, 4, bounds) == 1 && bounds[0] == 0, "equal quantiles are one");
	ok(DriftQuantiles(same, 3, 4, bounds) == 0 && DriftQuantiles(same, 0, 4, bounds) == 0, "nothing to cut");
}

int
main(int argc, char **argv)
{
	static const int sizes[] = {200, 1000, 10000, 100000};
	int			more = argc > 1 ? atoi(argv[1]) : 1;

	FmathSeed(&random_state, 8);
	test_chi_square();
	test_psi_values();
	test_ks_values();
	test_quantiles();
	for (int i = 0; i < 4; i++)
		between(psi_alarms(sizes[i], sizes[i], 4000 * more), 0.04, 0.06, "index", sizes[i], sizes[i]);
	between(psi_alarms(200, 100000, 2000 * more), 0.04, 0.06, "index", 200, 100000);
	between(psi_quantile_alarms(200, 3000 * more), 0.04, 0.06, "index by quantiles", 200, 200);
	between(ks_alarms(200, 200, 1500 * more, 0), 0.04, 0.06, "distance", 200, 200);
	between(ks_alarms(1000, 1000, 200 * more, 0), 0.02, 0.08, "distance", 1000, 1000);
	between(ks_alarms(10000, 10000, 400 * more, 0), 0.03, 0.07, "distance", 10000, 10000);
	between(ks_alarms(100000, 100000, 40 * more, 0), 0, 0.13, "distance", 100000, 100000);
	between(ks_alarms(200, 200, 1000 * more, 0.1), 0.03, 0.07, "distance with ties", 200, 200);
	between(ks_alarms(10000, 10000, 100 * more, 0.1), 0, 0.11, "distance with ties", 10000, 10000);
	printf("1..%d\n", number);
	return failed > 0;
}

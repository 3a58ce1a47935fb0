/* links: src/core/fmath.c src/forecast/errors.c */
/*-------------------------------------------------------------------------
 *
 * errors_test.c
 *	  Error measures: hand-worked values, merging, hard sums.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/errors.h"
#include "tap.h"

#include <stdio.h>

static double
measure(const ErrorSums *s, ErrorMeasure m)
{
	double		x;

	return ErrorResult(s, m, &x) ? x : -1;
}

int
main(void)
{
	ErrorSums	s = {0},
				part = {0},
				whole = {0};
	FmathRandom r;
	long double mean = 0,
				total = 0,
				rest = 0;
	static double a[5000],
				p[5000];

	ok(measure(&s, ERROR_MSE) == -1, "no pair, no measure");
	ErrorAdd(&s, 4, 5);
	ErrorAdd(&s, -2, -4);
	ok(measure(&s, ERROR_MSE) == 2.5 && measure(&s, ERROR_MAE) == 1.5 &&
	   measure(&s, ERROR_BIAS) == -0.5 && measure(&s, ERROR_MAPE) == 62.5 &&
	   measure(&s, ERROR_WAPE) == 50, "two pairs by hand");
	ok(fabs(measure(&s, ERROR_R2) - (1 - 5.0 / 18)) < 1e-15, "r2 by hand");

	FmathSeed(&r, 4);
	for (int i = 0; i < 5000; i++)
	{
		a[i] = 1e9 + FmathNormal(&r);
		p[i] = a[i] + 0.3 * FmathNormal(&r);
		ErrorAdd(&whole, a[i], p[i]);
		mean += a[i] / 5000.0L;
	}
	for (int i = 0; i < 5000; i++)
	{
		total += (a[i] - mean) * (a[i] - mean);
		rest += (long double) (p[i] - a[i]) * (p[i] - a[i]);
	}
	ok(fabs(measure(&whole, ERROR_R2) - (double) (1 - rest / total)) < 1e-9,
	   "r2 of values far from zero");
	s = (ErrorSums) {0};
	for (int i = 4999; i >= 0; i--)
		ErrorAdd(i % 3 == 0 ? &part : &s, a[i], p[i]);
	ErrorMerge(&s, &part);
	ok(fabs(measure(&s, ERROR_R2) - measure(&whole, ERROR_R2)) < 1e-11 &&
	   fabs(measure(&s, ERROR_MSE) / measure(&whole, ERROR_MSE) - 1) < 1e-15 &&
	   fabs(measure(&s, ERROR_BIAS) - measure(&whole, ERROR_BIAS)) < 1e-16,
	   "any order and split gives the same measures");
	ErrorAdd(&s, (double) INFINITY, 1);
	ok(isinf(measure(&s, ERROR_MAE)), "infinity in, infinity out");
	ErrorAdd(&s, 1, (double) NAN);
	ok(isnan(measure(&s, ERROR_MAE)), "NaN in, NaN out");
	printf("1..%d\n", number);
	return failed != 0;
}

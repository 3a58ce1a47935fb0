/* links: src/core/fmath.c src/forecast/drift.c */
/*-------------------------------------------------------------------------
 *
 * drift_test.c
 *	  Drift statistics: hand-worked values.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/drift.h"

#include "core/fmath.h"
#include "tap.h"

#include <stdio.h>

static bool
near(double a, double b)
{
	return fabs(a - b) <= 1e-9 * (1 + fabs(b));
}

int
main(void)
{
	double		shifted[] = {0, 0, 2, 2, 2, 2},
				down[] = {-2, -2, -2, -2},
				grown[] = {1, -1, 1, -1, 3, -3, 3, -3},
				a[] = {4, 1, 3, 2},
				b[] = {4, 3, 2, 1},
				c[] = {5, 6, 7, 8},
				half[] = {1, 2, 7, 8},
				equal[] = {1, 1, 1, 1};
	DriftResult r;

	/* sums 0 0 1.5 3 4.5 6 */
	r = DriftCusum(shifted, 6, 0.5, 4);
	ok(near(r.statistic, 6) && r.alarm_at == 5, "CUSUM sees a shift upwards");
	r = DriftCusum(down, 4, 0.5, 5);
	ok(near(r.statistic, 6) && r.alarm_at == 4, "and downwards");
	r = DriftCusum(grown, 8, 0.5, 5);
	ok(r.alarm_at == 0, "not errors that alternate");
	/* means 1 1 1 1 1.4 1.6667 1.8571 2; sums 0 0 0 0 1.6 2.9333 4.0762 5.0762 */
	r = DriftPageHinkley(grown, 8, 0, 4);
	ok(near(r.statistic, 5.0 + 8.0 / 105) && r.alarm_at == 7, "Page-Hinkley sees errors that grow");
	ok(near(DriftTrackingSignal(down, 4), 1) && near(DriftTrackingSignal(grown, 8), 0), "tracking signal");
	/* P(X <= 4) of (10, 0.8) is 0.00637, P(X <= 5) 0.0328 */
	ok(DriftCoverageBound(10, 0.8, 0.01) == 5 && DriftCoverageBound(10, 0.8, 0.05) == 6, "bound of coverage");
	/* P(X <= 0) of (1, 0.95) is 0.05 */
	ok(DriftCoverageBound(1, 0.95, 0.01) == 0 && DriftCoverageBound(0, 0.8, 0.01) == 0, "one observation says nothing");
	ok(near(DriftPsi(a, 4, b, 4, 4), 0), "the same values have not drifted");
	/* two bins of the reference; all recent values are in the upper one */
	ok(near(DriftPsi(a, 4, c, 4, 2), 0.5 * log(2) + (1e-4 - 0.5) * log(2e-4)), "index of values that left their bin");
	ok(near(DriftPsi(equal, 4, equal, 4, 10), 0), "a constant");
	ok(near(DriftKs(a, 4, c, 4), 1) && near(DriftKs(a, 4, half, 4), 0.5) && near(DriftKs(a, 4, b, 4), 0), "Kolmogorov-Smirnov distance");
	ok(isnan(DriftPsi(a, 4, b, 0, 10)) && isnan(DriftKs(a, 0, b, 4)), "nothing to compare");
	printf("1..%d\n", number);
	return failed > 0;
}

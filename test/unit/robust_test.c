/* links: src/core/fmath.c src/forecast/robust.c */
/*-------------------------------------------------------------------------
 *
 * robust_test.c
 *	  Robust lines of cost: exact lines, outliers, shapes without meaning, and
 *	  quantiles of Student's distribution.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/robust.h"
#include "tap.h"

#include <math.h>
#include <stdio.h>

static bool
near(double a, double b, double tolerance)
{
	return fabs(a - b) <= tolerance * (1 + fabs(b));
}

int
main(void)
{
	double		x[12],
				y[12];
	RobustLine	line;

	for (int i = 0; i < 12; i++)
	{
		x[i] = 100 + 10 * (i % 5);
		y[i] = 50 + 2 * x[i];
	}
	ok(RobustFit(x, y, 12, &line) && near(line.fixed, 50, 1e-12) && near(line.slope, 2, 1e-12) &&
	   near(line.scale, 0, 1e-12), "an exact line");
	ok(near(RobustHalfWidth(&line, 500, 0.9), 0, 1e-9), "has no doubt");
	y[7] += 5000;
	ok(RobustFit(x, y, 12, &line) && near(line.fixed, 50, 0.01) && near(line.slope, 2, 0.01), "a month with a one-time charge hardly moves it");
	ok(RobustIsBetter(x, y, 6), "a fixed part forecasts better than cost per unit");
	for (int i = 0; i < 12; i++)
		y[i] = 3 * x[i];
	ok(!RobustIsBetter(x, y, 12), "cost in proportion needs no line");
	for (int i = 0; i < 12; i++)
		y[i] = 3 * x[i] - 100;
	ok(RobustFit(x, y, 12, &line) && line.fixed == 0 && line.slope > 0, "no negative fixed part");
	for (int i = 0; i < 12; i++)
		y[i] = 1000 - x[i];
	ok(RobustFit(x, y, 12, &line) && line.slope == 0 && near(line.fixed, 880, 0.02), "no negative slope");
	for (int i = 0; i < 12; i++)
		x[i] = 7;
	ok(!RobustFit(x, y, 12, &line) && !RobustFit(x, y, 2, &line), "what does not vary has no line");
	/* Abramowitz and Stegun, table 26.10 */
	ok(near(RobustStudentQuantile(0.9, 4), 1.533, 5e-4) &&
	   near(RobustStudentQuantile(0.9, 10), 1.372, 5e-4) &&
	   near(RobustStudentQuantile(0.975, 10), 2.228, 5e-4) && near(RobustStudentQuantile(0.9, 1e6), 1.281552, 1e-5), "quantiles of Student's distribution");
	printf("1..%d\n", number);
	return failed > 0;
}

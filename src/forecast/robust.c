/*-------------------------------------------------------------------------
 *
 * robust.c
 *	  Cost with a fixed and a variable part: a robust line.  Pure.
 *
 * Huber's M-estimator (Huber 1981, Robust Statistics, chapter 7) by weighted
 * least squares, tuned to 1.345 times the scale, which is the median absolute
 * residual / 0.6745.  A month with a one-time charge thus moves the line
 * little.  A negative fixed part or slope has no meaning for cost: the line is
 * then drawn through the origin, or is level.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/robust.h"

#include "core/fmath.h"

#include <stdlib.h>

#define TUNING		1.345
#define ITERATIONS	100
#define MAX_POINTS	1024

typedef enum Shape
{
	SHAPE_LINE,
	SHAPE_THROUGH_ORIGIN,
	SHAPE_LEVEL
} Shape;

static int
by_value(const void *a, const void *b)
{
	double		x = *(const double *) a,
				y = *(const double *) b;

	return x < y ? -1 : x > y;
}

static double
median(double *values, int n)
{
	qsort(values, n, sizeof(double), by_value);
	return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

/* Weighted least squares of one shape. */
static void
solve(const double *x, const double *y, const double *w, int n, Shape shape,
	  RobustLine *line)
{
	double		sw = 0,
				sx = 0,
				sy = 0,
				sxx = 0,
				sxy = 0;

	for (int i = 0; i < n; i++)
	{
		sw += w[i];
		sx += w[i] * x[i];
		sy += w[i] * y[i];
	}
	line->weight = sw;
	line->centre = shape == SHAPE_THROUGH_ORIGIN ? 0 : sx / sw;
	for (int i = 0; i < n; i++)
	{
		sxx += w[i] * (x[i] - line->centre) * (x[i] - line->centre);
		sxy += w[i] * (x[i] - line->centre) * y[i];
	}
	line->spread = shape == SHAPE_LEVEL ? 0 : sxx;
	line->slope = shape == SHAPE_LEVEL || !(sxx > 0) ? 0 : sxy / sxx;
	line->fixed = shape == SHAPE_THROUGH_ORIGIN ? 0 : sy / sw - line->slope * line->centre;
}

static void
fit_shape(const double *x, const double *y, int n, Shape shape, RobustLine *line)
{
	double		w[MAX_POINTS],
				size[MAX_POINTS];
	double		before = INFINITY;

	for (int i = 0; i < n; i++)
		w[i] = 1;
	line->n = n;
	for (int k = 0; k < ITERATIONS; k++)
	{
		solve(x, y, w, n, shape, line);
		for (int i = 0; i < n; i++)
			size[i] = fabs(y[i] - line->fixed - line->slope * x[i]);
		line->scale = median(size, n) / 0.6745;
		/* the scale of few points that lie on a line is no less than rounding */
		if (!(line->scale > 0) || fabs(line->scale - before) <= 1e-12 * line->scale)
			return;
		before = line->scale;
		for (int i = 0; i < n; i++)
		{
			double		e = fabs(y[i] - line->fixed - line->slope * x[i]);

			w[i] = e <= TUNING * line->scale ? 1 : TUNING * line->scale / e;
		}
	}
}

bool
RobustFit(const double *x, const double *y, int n, RobustLine *line)
{
	bool		varies = false;

	if (n > MAX_POINTS)
	{
		x += n - MAX_POINTS;
		y += n - MAX_POINTS;
		n = MAX_POINTS;
	}
	for (int i = 1; i < n; i++)
		varies |= fabs(x[i] - x[0]) > 1e-9 * fabs(x[0]);
	if (n < 3 || !varies)
		return false;
	fit_shape(x, y, n, SHAPE_LINE, line);
	if (line->slope >= 0 && line->fixed < 0)
		fit_shape(x, y, n, SHAPE_THROUGH_ORIGIN, line);
	if (line->slope < 0)
		fit_shape(x, y, n, SHAPE_LEVEL, line);
	line->fixed = Max(line->fixed, 0);
	return true;
}

/* Cornish-Fisher expansion in 1/degrees (Abramowitz and Stegun 26.7.5). */
double
RobustStudentQuantile(double p, double degrees)
{
	double		z = FmathNormQuantile(p),
				z2 = z * z,
				g1 = z * (z2 + 1) / 4,
				g2 = z * ((5 * z2 + 16) * z2 + 3) / 96,
				g3 = z * (((3 * z2 + 19) * z2 + 17) * z2 - 15) / 384,
				g4 = z * ((((79 * z2 + 776) * z2 + 1482) * z2 - 1920) * z2 - 945) / 92160;

	return z + (g1 + (g2 + (g3 + g4 / degrees) / degrees) / degrees) / degrees;
}

double
RobustHalfWidth(const RobustLine *line, double x, double p)
{
	double		leverage = 1 + 1 / line->weight;

	if (line->spread > 0)
		leverage += (x - line->centre) * (x - line->centre) / line->spread;
	return RobustStudentQuantile(p, Max(line->n - 2, 1)) * line->scale * sqrt(leverage);
}

bool
RobustIsBetter(const double *x, const double *y, int n)
{
	double		by_line = 0,
				by_ratio = 0;
	int			first = Max(4, n - 6);

	if (n < 6)
		return false;
	for (int k = first; k < n; k++)
	{
		RobustLine	line;
		double		ratio[3];

		if (!RobustFit(x, y, k, &line))
			return false;
		for (int i = 0; i < 3; i++)
		{
			if (!(x[k - 1 - i] > 0))
				return false;
			ratio[i] = y[k - 1 - i] / x[k - 1 - i];
		}
		by_line += fabs(y[k] - line.fixed - line.slope * x[k]);
		by_ratio += fabs(y[k] - median(ratio, 3) * x[k]);
	}
	/* a second parameter must earn its keep */
	return by_line < 0.9 * by_ratio;
}

/*-------------------------------------------------------------------------
 *
 * levels.c
 *	  Means and lines of the newest weeks, weighted by how well they would have
 *	  forecast the sums of coming weeks.  Pure.
 *
 * What the rest of a month comes to depends on the level and on growth, and
 * how much of the past tells them differs: a bill that stands still is told
 * best by all of it, one that moves by its last weeks.  Smoothing learns that
 * from errors of one step, which say little about the sum of twenty.  Here
 * each of a few means and lines forecasts the sum from earlier origins, a week
 * apart, and counts with the inverse square of its mean squared error (Bates
 * and Granger 1969, Operational Research Quarterly 20, with the exponent of
 * Stock and Watson 2004, Journal of Forecasting 23).
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/models.h"

#include "core/fmath.h"

#include <math.h>

#define CANDIDATES	10
#define ORIGINS		16			/* a week apart */
#define STEPS		21			/* summed: the same for every horizon */
#define LEAST_PAST	42			/* before the first origin */
#define FADING		0.97		/* of growth per step beyond what was tried */

typedef struct Line
{
	double		level;			/* of the step after the series */
	double		slope;
} Line;

/* Candidate c of x[0..n-1]: means, then lines, of windows of several lengths. */
static Line
candidate(const double *x, int n, int c)
{
	static const int window[CANDIDATES] = {14, 28, 56, 112, 0, 28, 56, 112, 224, 0};
	int			w = window[c] > 0 ? Min(window[c], n) : n;
	double		mean = FcMean(x + n - w, w),
				sxx = 0,
				sxy = 0;

	if (c < CANDIDATES / 2)
		return (Line) {mean, 0};
	for (int i = 0; i < w; i++)
	{
		double		off = i - (w - 1) / 2.0;

		sxx += off * off;
		sxy += off * (x[n - w + i] - mean);
	}
	return (Line) {mean + sxy / sxx * (w + 1) / 2.0, sxy / sxx};
}

/* False where the past is too short for three origins. */
static bool
weigh(const double *x, int n, double *weight)
{
	double		error[CANDIDATES] = {0},
				total = 0;
	int			origins = 0;

	for (int k = 0; k < ORIGINS; k++)
	{
		int			origin = n - STEPS - k * FC_WEEK;
		double		sum;

		if (origin < Max(LEAST_PAST, n / 4))
			break;
		sum = FcMean(x + origin, STEPS);
		for (int c = 0; c < CANDIDATES; c++)
		{
			Line		line = candidate(x, origin, c);
			double		off = line.level + line.slope * (STEPS - 1) / 2.0 - sum;

			error[c] += off * off;
		}
		origins++;
	}
	if (origins < 3)
		return false;
	for (int c = 0; c < CANDIDATES; c++)
		total += error[c] / CANDIDATES;
	for (int c = 0; c < CANDIDATES; c++)
	{
		/* so that no error is nothing */
		double		e = error[c] / total + 1e-6;

		weight[c] = total > 0 ? 1 / (e * e) : 1;
	}
	return true;
}

/*
 * Forecasts of a series without its season; of its logarithm when growth is
 * by ratio.  False, and nothing is written, when the series is too short.
 */
bool
FcLevelsForecast(const double *y, int n, bool ratio, int h, double *mean)
{
	double	   *x = FcAlloc(n),
				weight[CANDIDATES],
				total = 0,
				level = 0,
				slope = 0,
				step = 1;
	bool		ok;

	for (int t = 0; t < n; t++)
		x[t] = ratio ? FmathLog(Max(y[t], 1e-300)) : y[t];
	ok = weigh(x, n, weight);
	for (int c = 0; ok && c < CANDIDATES; c++)
	{
		Line		line = candidate(x, n, c);

		total += weight[c];
		level += weight[c] * line.level;
		slope += weight[c] * line.slope;
	}
	for (int j = 0; ok && j < h; j++)
	{
		double		value = level / total;

		mean[j] = ratio ? FmathExp(Min(value, 600)) : value;
		if (j >= 2 * STEPS)
			step *= FADING;
		level += slope * step;
	}
	FcFree(x);
	return ok;
}

/*-------------------------------------------------------------------------
 *
 * scores.c
 *	  Scores of forecasts that need more than a pair of values.  Pure.
 *
 * Pinball, interval score and CRPS: Gneiting and Raftery (2007), Strictly
 * proper scoring rules, Journal of the American Statistical Association 102,
 * sections 4.2, 6.2 and 4.2 again; the CRPS of a sample by its sorted form
 * (Jordan, Krueger and Lerch 2019, section 4.2).  Scales: Hyndman and Koehler
 * (2006); RMSSE as in the M5 competition.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/scores.h"

#include "core/fmath.h"

#include <stdlib.h>

double
ScorePinball(double actual, double predicted, double quantile)
{
	double		e = actual - predicted;

	return e >= 0 ? quantile * e : (quantile - 1) * e;
}

double
ScoreCrpsNormal(double actual, double mean, double stddev)
{
	double		e = actual - mean,
				z;

	if (stddev == 0)
		return fabs(e);
	z = e / stddev;
	return e * (1 - erfc(z / 1.4142135623730951)) +
		stddev * (2 * 0.3989422804014327 * FmathExp(-z * z / 2) - 0.5641895835477563);
}

static int
by_value(const void *a, const void *b)
{
	double		x = *(const double *) a,
				y = *(const double *) b;

	return x < y ? -1 : x > y;
}

/* 2/n^2 sum (x_i - y)(n 1{y < x_i} - i + 1/2), x sorted, i from 1. */
double
ScoreCrpsSample(double actual, double *sample, int n)
{
	FmathSum	sum = {0, 0};

	qsort(sample, n, sizeof(double), by_value);
	for (int i = 0; i < n; i++)
		FmathAdd(&sum, (sample[i] - actual) *
				 ((actual < sample[i] ? n : 0) - i - 0.5));
	return 2 * FmathTotal(sum) / n / n;
}

double
ScoreInterval(double actual, double lower, double upper, double level)
{
	double		score = upper - lower,
				penalty = 200 / (100 - level);

	if (actual < lower)
		score += penalty * (lower - actual);
	if (actual > upper)
		score += penalty * (actual - upper);
	return score;
}

/* A series that is no longer than its season has the scale of steps of 1. */
double
ScoreNaiveAbsolute(const double *y, int n, int m)
{
	FmathSum	sum = {0, 0};

	if (n <= m)
		m = 1;
	for (int t = m; t < n; t++)
		FmathAdd(&sum, fabs(y[t] - y[t - m]));
	return n > m ? FmathTotal(sum) / (n - m) : 0;
}

double
ScoreNaiveSquare(const double *y, int n, int m)
{
	FmathSum	sum = {0, 0};

	if (n <= m)
		m = 1;
	for (int t = m; t < n; t++)
		FmathAdd(&sum, (y[t] - y[t - m]) * (y[t] - y[t - m]));
	return n > m ? sqrt(FmathTotal(sum) / (n - m)) : 0;
}

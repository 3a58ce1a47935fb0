/*-------------------------------------------------------------------------
 *
 * series.c
 *	  What a series is like: constant, positive, seasonal with which length;
 *	  and the classical seasonal decomposition.  Pure.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/models.h"

#include <math.h>

double
FcMean(const double *y, int n)
{
	double		sum = 0;

	for (int i = 0; i < n; i++)
		sum += y[i] / n;
	return sum;
}

/* For qsort of doubles without NaN. */
int
FcCompare(const void *a, const void *b)
{
	double		x = *(const double *) a,
				y = *(const double *) b;

	return x < y ? -1 : (x > y ? 1 : 0);
}

/* Sorts x. */
double
FcMedianOf(double *x, int n)
{
	qsort(x, n, sizeof(double), FcCompare);
	return (x[(n - 1) / 2] + x[n / 2]) / 2;
}

bool
FcIsConstant(const double *y, int n)
{
	for (int i = 1; i < n; i++)
		if (y[i] != y[0])
			return false;
	return true;
}

bool
FcIsPositive(const double *y, int n)
{
	for (int i = 0; i < n; i++)
		if (y[i] <= 0)
			return false;
	return true;
}

/* Sample autocorrelation: mean removed, divisor n; 0 for a constant. */
double
FcAutocorrelation(const double *y, int n, int lag)
{
	double		mean = FcMean(y, n),
				c0 = 0,
				c = 0;

	for (int i = 0; i < n; i++)
		c0 += (y[i] - mean) * (y[i] - mean);
	for (int i = lag; i < n; i++)
		c += (y[i] - mean) * (y[i - lag] - mean);
	return c0 > 0 ? c / c0 : 0;
}

/*
 * The test of the theta method and of the M4 benchmarks: is the
 * autocorrelation at lag m outside 90 percent limits that allow for the
 * autocorrelation at the lags before it?  (Assimakopoulos and Nikolopoulos
 * 2000, International Journal of Forecasting 16, section 3.)
 */
bool
FcSeasonIsSignificant(const double *y, int n, int m)
{
	double		sum = 0,
				r;

	if (m < 2 || n < 3 * m || FcIsConstant(y, n))
		return false;
	for (int lag = 1; lag < m; lag++)
	{
		r = FcAutocorrelation(y, n, lag);
		sum += r * r;
	}
	return fabs(FcAutocorrelation(y, n, m)) > 1.645 * sqrt((1 + 2 * sum) / n);
}

FcSeasonKind
FcSeasonKindOf(const double *y, int n, int m)
{
	if (!FcSeasonIsSignificant(y, n, m))
		return FC_SEASON_NONE;
	return FcIsPositive(y, n) ? FC_SEASON_MULTIPLICATIVE : FC_SEASON_ADDITIVE;
}

/*
 * Centred moving average over one season; NaN where it does not reach.  An
 * even season takes half of each end.
 */
double
FcCentredAverage(const double *y, int n, int m, int t)
{
	int			half = m / 2;
	double		sum = 0;

	if (t - half < 0 || t + half >= n)
		return (double) NAN;
	for (int i = t - half; i <= t + half; i++)
		sum += (m % 2 == 0 && (i == t - half || i == t + half)) ? y[i] / 2 : y[i];
	return sum / m;
}

void
FcClassicalSeason(const double *y, int n, int m, FcSeasonKind kind,
				  double *factor)
{
	double		total = 0;

	for (int phase = 0; phase < m; phase++)
	{
		double		sum = 0;
		int			count = 0;

		for (int t = phase; t < n; t += m)
		{
			double		trend = FcCentredAverage(y, n, m, t);

			if (isnan(trend) ||
				(kind == FC_SEASON_MULTIPLICATIVE && trend <= 0))
				continue;
			sum += kind == FC_SEASON_MULTIPLICATIVE ? y[t] / trend : y[t] - trend;
			count++;
		}
		factor[phase] = count > 0 ? sum / count :
			(kind == FC_SEASON_MULTIPLICATIVE ? 1 : 0);
		total += factor[phase];
	}
	for (int phase = 0; phase < m; phase++)
	{
		if (kind == FC_SEASON_MULTIPLICATIVE)
			factor[phase] = Max(factor[phase] * m / total, FC_FACTOR_FLOOR);
		else
			factor[phase] -= total / m;
	}
}

/*
 * Share of the variance around the centred average that a constant season
 * explains (Wang, Smith and Hyndman 2006, Data Mining and Knowledge Discovery
 * 13), adjusted for its m - 1 degrees of freedom: about 0 for noise, 1 for a
 * pure season.  A strong trend hides a season from the autocorrelation test;
 * it does not hide it from this.
 */
double
FcSeasonStrength(const double *y, int n, int m)
{
	double		rest = 0,
				all = 0,
			   *factor;
	int			count = 0;

	if (m < 2 || n < 3 * m)
		return 0;
	factor = FcAlloc(m);
	FcClassicalSeason(y, n, m, FC_SEASON_ADDITIVE, factor);
	for (int t = 0; t < n; t++)
	{
		double		off = y[t] - FcCentredAverage(y, n, m, t);

		if (isnan(off))
			continue;
		count++;
		all += off * off;
		rest += (off - factor[t % m]) * (off - factor[t % m]);
	}
	FcFree(factor);
	return all > 0 && count > m ? 1 - rest / (count - m) / (all / (count - 1)) : 0;
}

/*
 * Share of the variance that a centred average over a season (five values
 * without one) explains, after the season is taken out.
 */
double
FcTrendStrength(const double *y, int n, int m)
{
	int			window = m > 1 ? m : 5,
				count = 0;
	double		mean = 0,
				all = 0,
				rest = 0,
			   *factor;

	if (n < 3 * window)
		return 0;
	factor = FcAlloc(window);
	memset(factor, 0, window * sizeof(double));
	if (m > 1)
		FcClassicalSeason(y, n, m, FC_SEASON_ADDITIVE, factor);
	mean = FcMean(y, n);
	for (int t = 0; t < n; t++)
	{
		double		trend = FcCentredAverage(y, n, window, t),
					value = y[t] - factor[t % window];

		if (isnan(trend))
			continue;
		count++;
		all += (value - mean) * (value - mean);
		rest += (value - trend) * (value - trend);
	}
	FcFree(factor);
	return all > 0 && count > 0 ? Max(1 - rest / all, 0) : 0;
}

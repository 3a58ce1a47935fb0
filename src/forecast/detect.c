/*-------------------------------------------------------------------------
 *
 * detect.c
 *	  The season length of a series without timestamps.  Pure.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/models.h"

#include "core/fmath.h"

#include <math.h>

/* Longest season that is looked for: two weeks of hours would be 336. */
#define MAX_DETECTED_SEASON 400

#define PERIODOGRAM_FROM	40	/* observations */
#define PERIODOGRAM_LONGEST 120
#define PERIODOGRAM_GAIN	0.03
#define CHANCE		1e-4
#define HARMONICS	3
#define MULTIPLE	1e-6
#define WEAK		0.5			/* autocorrelation at its peak */

static void
detrend(const double *y, int n, double *x)
{
	double		sxy = 0,
				sxx = 0,
				mean = FcMean(y, n);

	for (int i = 0; i < n; i++)
	{
		double		t = i - (n - 1) / 2.0;

		sxy += t * (y[i] - mean);
		sxx += t * t;
	}
	for (int i = 0; i < n; i++)
		x[i] = y[i] - mean - sxy / sxx * (i - (n - 1) / 2.0);
}

/*
 * The lag at which the autocorrelation of the detrended series has its highest
 * peak, if it is significant and explains enough; 1 otherwise.  A multiple of
 * the season peaks as well, so a divisor that peaks nearly as high is
 * preferred.  x is detrended; lag_one gets its first autocorrelation, peak that
 * of the season.
 */
static int
peak_of_autocorrelation(const double *x, int n, int longest, double *lag_one,
						double *peak, FinopsInterrupt interrupt)
{
	double	   *r = FcAlloc(longest + 2),
				limit = Max(0.3, 2.6 / sqrt(n));
	int			best = 1;

	for (int lag = 1; lag <= longest + 1; lag++)
	{
		if (interrupt != NULL && lag % 16 == 0)
			interrupt();
		r[lag] = lag < n ? FcAutocorrelation(x, n, lag) : 0;
	}
	for (int lag = 2; lag <= longest; lag++)
	{
		/* the divisor n shrinks long lags, hence the factor */
		double		value = r[lag] * n / (n - lag);

		if (value < limit || r[lag] < r[lag - 1] || r[lag] < r[lag + 1])
			continue;
		if (best == 1 ||
			value > r[best] * n / (n - best) * (lag % best == 0 ? 1.15 : 1.0))
			best = lag;
	}
	*lag_one = r[1];
	*peak = best > 1 ? r[best] * n / (n - best) : 0;
	FcFree(r);
	return best;
}

/* The chance that noise has as much power at some harmonics: chi-square. */
static double
chance_of(double power, int harmonics)
{
	double		term = 1,
				sum = 1;

	for (int i = 1; i < harmonics; i++)
	{
		term *= power / i;
		sum += term;
	}
	return FmathExp(-Min(power, 700)) * sum;
}

/* Power of x at the first harmonics of 1/m, in units in which noise has 1. */
static double
power_at(const double *x, int n, int m, int harmonics, double square)
{
	double		phase[PERIODOGRAM_LONGEST] = {0},
				power = 0;

	for (int t = 0, i = 0; t < n; t++, i = i + 1 == m ? 0 : i + 1)
		phase[i] += x[t];
	for (int k = 1; k <= harmonics; k++)
	{
		double		a = 0,
					b = 0;

		for (int i = 0; i < m; i++)
		{
			double		turn = (double) (k * i % m) / m;

			a += phase[i] * FmathCosTurn(turn);
			b += phase[i] * FmathCosTurn(turn - 0.25);
		}
		power += (a * a + b * b) / square;
	}
	return power;
}

/*
 * A season that the autocorrelations do not show for noise: the periodogram of
 * the errors of a first-order autoregression, at the first harmonics of each
 * period.  The one counts that noise would have least, when it would have so
 * much power at any of them once in ten thousand times (Fisher 1929,
 * Proceedings of the Royal Society A 125, on the largest of many), and when
 * earlier seasons would have forecast later ones.  x is overwritten.
 */
static int
peak_of_periodogram(const double *y, double *x, int n, double lag_one,
					int longest, FinopsInterrupt interrupt)
{
	double		square = 0,
				least = CHANCE / longest;
	int			best = 1;

	for (int t = n - 1; t > 0; t--)
		x[t] -= lag_one * x[t - 1];
	x[0] = 0;
	for (int t = 0; t < n; t++)
		square += x[t] * x[t];
	for (int m = 3; m <= longest && square > 0; m++)
	{
		int			harmonics = Min(HARMONICS, (m - 1) / 2);
		double		chance = chance_of(power_at(x, n, m, harmonics, square), harmonics);

		/* multiples have the power of their divisors among their own */
		if (chance < least * (best > 1 && m % best == 0 ? MULTIPLE : 1))
		{
			least = chance;
			best = m;
		}
		if (interrupt != NULL && m % 16 == 0)
			interrupt();
	}
	return best > 1 && FcSeasonGain(y, n, best) > PERIODOGRAM_GAIN ? best : 1;
}

/* At least three seasons must be there; 1: there is none. */
int
FcDetectSeason(const double *y, int n, FinopsInterrupt interrupt)
{
	int			longest = Min(n / 3, MAX_DETECTED_SEASON),
				best;
	double	   *x,
				lag_one,
				peak;

	if (n < 6 || FcIsConstant(y, n))
		return 1;
	x = FcAlloc(n);
	detrend(y, n, x);
	best = peak_of_autocorrelation(x, n, longest, &lag_one, &peak, interrupt);
	/* among weak peaks the highest is often a chance multiple of the season */
	if (peak < WEAK && n >= PERIODOGRAM_FROM)
	{
		int			other = peak_of_periodogram(y, x, n, Min(Max(lag_one, 0), 0.95),
												Min(longest, PERIODOGRAM_LONGEST), interrupt);

		if (best == 1 || (other > 1 && best % other == 0))
			best = other;
	}
	FcFree(x);
	return best;
}

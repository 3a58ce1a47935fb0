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

/* Longest season that is looked for: two weeks of hours would be 336. */
#define MAX_DETECTED_SEASON 400

/* Smallest factor of a multiplicative season. */
#define FACTOR_FLOOR 0.01

double
FcMean(const double *y, int n)
{
	double		sum = 0;

	for (int i = 0; i < n; i++)
		sum += y[i] / n;
	return sum;
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

/*
 * Centred moving average over one season; NaN where it does not reach.  An
 * even season takes half of each end.
 */
static double
centred_average(const double *y, int n, int m, int t)
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
			double		trend = centred_average(y, n, m, t);

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
			factor[phase] = Max(factor[phase] * m / total, FACTOR_FLOOR);
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
		double		off = y[t] - centred_average(y, n, m, t);

		if (isnan(off))
			continue;
		count++;
		all += off * off;
		rest += (off - factor[t % m]) * (off - factor[t % m]);
	}
	FcFree(factor);
	return all > 0 && count > m ? 1 - rest / (count - m) / (all / (count - 1)) : 0;
}

/* Ratio or difference to the centred average; NaN at the ends. */
static void
seasonal_ratios(const double *y, int n, int m, FcSeasonKind kind, double *r)
{
	for (int t = 0; t < n; t++)
	{
		double		trend = centred_average(y, n, m, t);

		if (kind == FC_SEASON_MULTIPLICATIVE)
			r[t] = trend > 0 ? y[t] / trend : (double) NAN;
		else
			r[t] = y[t] - trend;
	}
}

/*
 * How fast a season forgets: the weight of a cycle against the next whose
 * weighted means forecast the following cycle best.  A faster one must be
 * better by half a percent than the slower ones.
 */
static double
season_memory(const double *r, int n, int m)
{
	static const double candidates[] = {1.0, 0.9, 0.8, 0.7, 0.55};
	double		best = 1,
				best_sse = (double) INFINITY;

	for (int i = 0; i < (int) lengthof(candidates); i++)
	{
		double		sse = 0;

		for (int phase = 0; phase < m; phase++)
		{
			double		sum = 0,
						weight = 0;
			int			seen = 0;

			for (int t = phase; t < n; t += m)
			{
				if (isnan(r[t]))
					continue;
				if (seen >= 2)
					sse += (r[t] - sum / weight) * (r[t] - sum / weight);
				sum = sum * candidates[i] + r[t];
				weight = weight * candidates[i] + 1;
				seen++;
			}
		}
		if (sse < best_sse * (i > 0 ? 0.995 : 1))
		{
			best_sse = sse;
			best = candidates[i];
		}
	}
	return best;
}

/*
 * Weighted mean of the ratios of a phase around each cycle, weights falling
 * by memory per cycle on both sides: a forward and a backward sum.  next gets
 * the mean that looks back from the first cycle after the series.
 */
static void
smooth_phase(const double *r, int n, int m, int phase, double memory,
			 double neutral, double *smooth, double *next)
{
	double		sum = 0,
				weight = 0;

	for (int t = phase; t < n; t += m)
	{
		sum = sum * memory + (isnan(r[t]) ? 0 : r[t]);
		weight = weight * memory + (isnan(r[t]) ? 0 : 1);
		smooth[t] = sum;
		smooth[n + t] = weight;
	}
	*next = weight > 0 ? sum / weight : neutral;
	sum = weight = 0;
	for (int t = phase + (n - 1 - phase) / m * m; t >= 0; t -= m)
	{
		double		total = smooth[t] + sum,
					mass = smooth[n + t] + weight;

		smooth[t] = mass > 0 ? total / mass : neutral;
		sum = (sum + (isnan(r[t]) ? 0 : r[t])) * memory;
		weight = (weight + (isnan(r[t]) ? 0 : 1)) * memory;
	}
}

/*
 * The share of the spread of the newest factors that is noise, by which they
 * are shrunk to no season (James and Stein; for seasonal factors Miller and
 * Williams 2003, International Journal of Forecasting 19).
 */
static double
season_shrinkage(const double *r, const double *smooth, const double *next,
				 int n, int m, double memory, double neutral)
{
	double		noise = 0,
				spread = 0,
				kernel = memory < 1 ? (1 - memory) / (1 + memory) : 0;
	int			count = 0;

	if (m <= 3)
		return 0;
	for (int t = 0; t < n; t++)
		if (!isnan(r[t]))
		{
			noise += (r[t] - smooth[t]) * (r[t] - smooth[t]);
			count++;
		}
	kernel = Max(kernel, (double) m / count);
	noise = noise / count * (1 + kernel) * kernel;
	for (int i = 0; i < m; i++)
		spread += (next[i] - neutral) * (next[i] - neutral) / (m - 1);
	spread = Max(spread, noise);
	return spread > 0 ? (m - 3.0) / (m - 1) * noise / spread : 0;
}

void
FcAdaptiveSeason(const double *y, int n, int m, FcSeasonKind kind,
				 double *adjusted, double *next)
{
	bool		ratio = kind == FC_SEASON_MULTIPLICATIVE;
	double		neutral = ratio ? 1 : 0,
			   *r = FcAlloc(3 * (size_t) n),
			   *smooth = r + n,
				memory,
				shrink,
				sum = 0;

	seasonal_ratios(y, n, m, kind, r);
	memory = season_memory(r, n, m);
	for (int phase = 0; phase < m; phase++)
	{
		double		factor;

		smooth_phase(r, n, m, phase, memory, neutral, smooth, &factor);
		next[((phase - n) % m + m) % m] = factor;
		sum += factor / m;
	}
	for (int i = 0; i < m; i++)
		next[i] = ratio ? next[i] / sum : next[i] - sum;
	shrink = season_shrinkage(r, smooth, next, n, m, memory, neutral);
	for (int i = 0; i < m; i++)
	{
		next[i] = neutral + (1 - shrink) * (next[i] - neutral);
		if (ratio)
			next[i] = Max(next[i], FACTOR_FLOOR);
	}
	for (int t = 0; t < n; t++)
	{
		int			first = Min(t / m * m, n - m);
		double		factor;

		sum = 0;
		for (int i = first; i < first + m; i++)
			sum += smooth[i] / m;
		factor = ratio ? smooth[t] / sum : smooth[t] - sum;
		factor = neutral + (1 - shrink) * (factor - neutral);
		adjusted[t] = ratio ? y[t] / Max(factor, FACTOR_FLOOR) : y[t] - factor;
	}
	FcFree(r);
}

/*
 * The season length of a series without timestamps: the lag at which the
 * autocorrelation of the detrended series has its highest peak, if it is
 * significant and explains enough; 1 otherwise.  A multiple of the season
 * peaks as well, so a divisor that peaks nearly as high is preferred.  At
 * least three seasons must be there.
 */
int
FcDetectSeason(const double *y, int n, FinopsInterrupt interrupt)
{
	int			longest = Min(n / 3, MAX_DETECTED_SEASON),
				best = 1;
	double	   *x,
			   *r;
	double		sxy = 0,
				sxx = 0,
				mean = FcMean(y, n),
				limit;

	if (n < 6 || FcIsConstant(y, n))
		return 1;
	x = FcAlloc(n);
	r = FcAlloc(longest + 2);
	for (int i = 0; i < n; i++)
	{
		double		t = i - (n - 1) / 2.0;

		sxy += t * (y[i] - mean);
		sxx += t * t;
	}
	for (int i = 0; i < n; i++)
		x[i] = y[i] - mean - sxy / sxx * (i - (n - 1) / 2.0);
	for (int lag = 1; lag <= longest + 1; lag++)
	{
		if (interrupt != NULL && lag % 16 == 0)
			interrupt();
		r[lag] = lag < n ? FcAutocorrelation(x, n, lag) : 0;
	}
	limit = Max(0.3, 2.6 / sqrt(n));
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
	FcFree(x);
	FcFree(r);
	return best;
}

/*-------------------------------------------------------------------------
 *
 * adaptive.c
 *	  Seasons that change, one or two of them.  Pure.
 *
 * Ratios (or differences) of the series to its centred average are smoothed
 * phase by phase over the cycles.  How fast the weights fall is chosen by how
 * well the means of earlier cycles forecast the next; the newest factors are
 * shrunk to no season by their share of noise.
 *
 * Data by the hour have a day and, in it, a week.  The longer season is looked
 * for in what the shorter one leaves, so that it costs no more than it adds.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/models.h"

#include <math.h>

/* What a longer season must take away of the squared deviations. */
#define LONG_GAIN	0.05

/* Ratio or difference to the centred average; NaN at the ends. */
static void
seasonal_ratios(const double *y, int n, int m, FcSeasonKind kind, double *r)
{
	for (int t = 0; t < n; t++)
	{
		double		trend = FcCentredAverage(y, n, m, t);

		if (kind == FC_SEASON_MULTIPLICATIVE)
			r[t] = trend > 0 ? y[t] / trend : (double) NAN;
		else
			r[t] = y[t] - trend;
	}
}

/*
 * How fast a season forgets: the weight of a cycle against the next whose
 * weighted means forecast the following cycle best.  A faster one must be
 * better by half a percent than the slower ones.  gain: the share of the
 * squared deviations from no season that these forecasts take away; at most 0
 * when there is no season.
 */
static double
season_memory(const double *r, int n, int m, double neutral, double *gain)
{
	static const double candidates[] = {1.0, 0.9, 0.8, 0.7, 0.55};
	double		best = 1,
				best_sse = (double) INFINITY;

	*gain = 0;
	for (int i = 0; i < (int) lengthof(candidates); i++)
	{
		double		sse = 0,
					all = 0;

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
				{
					sse += (r[t] - sum / weight) * (r[t] - sum / weight);
					all += (r[t] - neutral) * (r[t] - neutral);
				}
				sum = sum * candidates[i] + r[t];
				weight = weight * candidates[i] + 1;
				seen++;
			}
		}
		if (sse < best_sse * (i > 0 ? 0.995 : 1))
		{
			best_sse = sse;
			best = candidates[i];
			*gain = all > 0 ? 1 - sse / all : 0;
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

/*
 * Smooths ratios r of which some may be NaN: smooth[0..n-1] (of 2n) gets the
 * factor of each step, next[0..m-1] those of the steps after the series.
 * Returns the gain, see season_memory.
 */
double
FcSmoothFactors(const double *r, int n, int m, FcSeasonKind kind,
				double *smooth, double *next)
{
	bool		ratio = kind == FC_SEASON_MULTIPLICATIVE;
	double		neutral = ratio ? 1 : 0,
				gain,
				memory = season_memory(r, n, m, neutral, &gain),
				shrink,
				sum = 0;

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
			next[i] = Max(next[i], FC_FACTOR_FLOOR);
	}
	for (int t = 0; t < n; t++)
	{
		int			first = Min(t / m * m, n - m);
		double		factor;

		if (t == 0 || first != Min((t - 1) / m * m, n - m))
		{
			sum = 0;
			for (int i = first; i < first + m; i++)
				sum += smooth[i] / m;
		}
		factor = ratio ? smooth[t] / sum : smooth[t] - sum;
		factor = neutral + (1 - shrink) * (factor - neutral);
		smooth[n + t] = ratio ? Max(factor, FC_FACTOR_FLOOR) : factor;
	}
	memcpy(smooth, smooth + n, n * sizeof(double));
	return gain;
}

void
FcAdaptiveSeason(const double *y, int n, int m, FcSeasonKind kind,
				 double *adjusted, double *next)
{
	double	   *r = FcAlloc(3 * (size_t) n),
			   *smooth = r + n;

	seasonal_ratios(y, n, m, kind, r);
	FcSmoothFactors(r, n, m, kind, smooth, next);
	for (int t = 0; t < n; t++)
		adjusted[t] = kind == FC_SEASON_MULTIPLICATIVE ? y[t] / smooth[t] : y[t] - smooth[t];
	FcFree(r);
}

/*
 * Takes a season of k m steps out of a series that has lost its season of m
 * steps already: adjusted changes, next (of m steps) becomes one of k m.
 * False, and nothing changes, when the longer season would not have helped to
 * forecast or when there are fewer than three of it.
 */
bool
FcAdaptiveLonger(double *adjusted, int n, int m, int k, FcSeasonKind kind,
				 double *next)
{
	int			longer = m * k;
	bool		ratio = kind == FC_SEASON_MULTIPLICATIVE,
				helps;
	double	   *memory,
			   *r,
			   *smooth,
			   *more;

	if (n < 3 * longer)
		return false;
	memory = FcAlloc(3 * (size_t) n + longer);
	r = memory;
	smooth = r + n;
	more = smooth + 2 * (size_t) n;
	seasonal_ratios(adjusted, n, longer, kind, r);
	helps = FcSmoothFactors(r, n, longer, kind, smooth, more) > LONG_GAIN;
	if (helps)
	{
		for (int t = 0; t < n; t++)
			adjusted[t] = ratio ? adjusted[t] / smooth[t] : adjusted[t] - smooth[t];
		for (int i = longer - 1; i >= 0; i--)
			next[i] = ratio ? next[i % m] * more[i] : next[i % m] + more[i];
	}
	FcFree(memory);
	return helps;
}

/* The gain of a season of m steps over none; at least four cycles. */
double
FcSeasonGain(const double *y, int n, int m)
{
	FcSeasonKind kind = FcIsPositive(y, n) ? FC_SEASON_MULTIPLICATIVE : FC_SEASON_ADDITIVE;
	double	   *r = FcAlloc((size_t) n),
				gain = 0;

	if (n >= 4 * m)
	{
		seasonal_ratios(y, n, m, kind, r);
		season_memory(r, n, m, kind == FC_SEASON_MULTIPLICATIVE ? 1 : 0, &gain);
	}
	FcFree(r);
	return gain;
}

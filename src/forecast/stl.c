/*-------------------------------------------------------------------------
 *
 * stl.c
 *	  Seasonal-trend decomposition by loess, for one or several seasons.
 *	  Pure.
 *
 * Cleveland, Cleveland, McRae and Terpenning (1990), STL: A seasonal-trend
 * decomposition procedure based on loess, Journal of Official Statistics 6.
 * Loess is evaluated at every point (the paper's implementation interpolates
 * between every tenth of the window), seasons locally constant, trend and
 * low-pass locally linear, two inner iterations, windows of the low-pass and
 * the trend as the paper's section 3.5 has them.
 *
 * Several seasons are taken out in turn, the shortest first, and refined once
 * (Bandara, Hyndman and Bergmeir 2021, MSTL, arXiv 2107.13462).
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/models.h"

#include <math.h>

#define INNER	2				/* 1 in each robust pass */
#define OUTER	15				/* robust passes */

/* Locally weighted mean or line of y[0..n-1] at position x (0 .. n-1, may
 * lie outside by one). */
static double
loess_at(const double *y, int n, int window, bool linear, double x,
		 const double *weight)
{
	int			left = (int) x - (window - 1) / 2,
				right;
	double		reach,
				sum = 0,
				center = 0,
				spread = 0,
				value = 0;
	double		w[3];

	left = Min(Max(left, 0), Max(n - window, 0));
	right = Min(left + window, n) - 1;
	reach = fmax(x - left, right - x);
	if (window > n)
		reach += (window - n) / 2;
	/* sums of w, w t, w t^2, w y, w t y with t from x */
	w[0] = w[1] = w[2] = 0;
	for (int i = left; i <= right; i++)
	{
		double		t = i - x,
					r = fabs(t),
					u;

		if (r > 0.999 * reach)
			continue;
		u = r <= 0.001 * reach ? 0 : r / reach;
		u = 1 - u * u * u;
		u = u * u * u;
		if (weight != NULL)
			u *= weight[i];
		sum += u;
		w[0] += u * t;
		w[1] += u * t * t;
		value += u * y[i];
		w[2] += u * t * y[i];
	}
	if (!(sum > 0))
		return (double) NAN;
	center = w[0] / sum;
	spread = w[1] / sum - center * center;
	value /= sum;
	if (linear && spread > 1e-6 * (double) (n - 1) * (n - 1))
		value -= center * (w[2] / sum - center * value) / spread;
	return value;
}

static void
moving_average(const double *x, int n, int window, double *out)
{
	double		sum = 0;

	for (int i = 0; i < window; i++)
		sum += x[i];
	out[0] = sum / window;
	for (int i = window; i < n; i++)
	{
		sum += x[i] - x[i - window];
		out[i - window + 1] = sum / window;
	}
}

typedef struct Stl
{
	const double *y;
	int			n;
	int			m;
	int			window;			/* of the season */
	int			inner;
	int			trend_window;
	int			low_window;
	const double *weight;		/* robustness, or NULL */
	double	   *cycle;			/* [n + 2m] */
	double	   *a;				/* [n + 2m] */
	double	   *b;				/* [n + 2m] */
	double	   *phase;			/* [n / m + 3] */
	double	   *phase_weight;
	FinopsInterrupt interrupt;
} Stl;

/* Smooths each phase, one cycle further at both ends. */
static void
smooth_cycles(Stl *s, const double *detrended)
{
	for (int phase = 0; phase < s->m; phase++)
	{
		int			k = (s->n - phase + s->m - 1) / s->m;
		const double *weight = NULL;
		double	   *to = s->cycle + phase;

		for (int i = 0; i < k; i++)
		{
			s->phase[i] = detrended[phase + i * s->m];
			if (s->weight != NULL)
				s->phase_weight[i] = s->weight[phase + i * s->m];
		}
		if (s->weight != NULL)
			weight = s->phase_weight;
		for (int i = 0; i < k; i++)
		{
			double		value = loess_at(s->phase, k, s->window, false, i, weight);

			to[(i + 1) * s->m] = isnan(value) ? s->phase[i] : value;
		}
		/* without weight in reach the ends repeat their neighbours */
		for (int end = 0; end < 2; end++)
		{
			double		value = loess_at(s->phase, k, s->window, false, end == 0 ? -1 : k, weight);
			int			near = end == 0 ? 1 : k;

			to[end == 0 ? 0 : (k + 1) * s->m] = isnan(value) ? to[near * s->m] : value;
		}
		if (s->interrupt != NULL && phase % 64 == 0)
			s->interrupt();
	}
}

static void
inner_loop(Stl *s, double *season, double *trend)
{
	int			n = s->n,
				m = s->m;

	for (int pass = 0; pass < s->inner; pass++)
	{
		for (int t = 0; t < n; t++)
			s->a[t] = s->y[t] - trend[t];
		smooth_cycles(s, s->a);
		moving_average(s->cycle, n + 2 * m, m, s->a);
		moving_average(s->a, n + m + 1, m, s->b);
		moving_average(s->b, n + 2, 3, s->a);
		for (int t = 0; t < n; t++)
		{
			double		low = loess_at(s->a, n, s->low_window, true, t, NULL);

			season[t] = s->cycle[m + t] - low;
		}
		for (int t = 0; t < n; t++)
			s->b[t] = s->y[t] - season[t];
		for (int t = 0; t < n; t++)
		{
			double		value = loess_at(s->b, n, s->trend_window, true, t, s->weight);

			trend[t] = isnan(value) ? s->b[t] : value;
			if (s->interrupt != NULL && t % 256 == 0)
				s->interrupt();
		}
	}
}

/*
 * Bisquare weights of the remainder (ibid., section 2.4): h is six times the
 * median.  The authors' Fortran, which R uses, hands the two middle positions
 * of an even number of values to its partial sort in descending order, which
 * that routine does not allow: now and then it takes another value for the
 * lower one, and its weights are not those of the paper.
 */
static void
robust_weights(const Stl *s, const double *season, const double *trend,
			   double *weight)
{
	double	   *sorted = s->b,
				limit;

	for (int t = 0; t < s->n; t++)
		sorted[t] = weight[t] = fabs(s->y[t] - season[t] - trend[t]);
	limit = 6 * FcMedianOf(sorted, s->n);
	for (int t = 0; t < s->n; t++)
	{
		double		u = limit > 0 ? weight[t] / limit : 0;

		weight[t] = u <= 0.001 ? 1 : (u <= 0.999 ? (1 - u * u) * (1 - u * u) : 0);
	}
}

static int
next_odd(double x)
{
	int			k = (int) ceil(x);

	return k % 2 == 0 ? k + 1 : k;
}

static void
decompose_one(const double *y, int n, int m, int window, bool robust,
			  FinopsInterrupt interrupt, double *season, double *trend)
{
	Stl			s = {.y = y, .n = n, .m = m, .interrupt = interrupt};
	double	   *memory = FcAlloc(3 * ((size_t) n + 2 * m) + 2 * (n / m + 3) + n),
			   *weight;

	s.window = window == 0 ? 10 * n + 1 : Max(window | 1, 3);
	s.inner = robust ? 1 : INNER;
	s.trend_window = next_odd(1.5 * m / (1 - 1.5 / s.window));
	s.trend_window = Max(s.trend_window, 3);
	s.low_window = Max(m | 1, 3);
	s.cycle = memory;
	s.a = s.cycle + n + 2 * m;
	s.b = s.a + n + 2 * m;
	s.phase = s.b + n + 2 * m;
	s.phase_weight = s.phase + n / m + 3;
	weight = s.phase_weight + n / m + 3;
	memset(trend, 0, n * sizeof(double));
	inner_loop(&s, season, trend);
	for (int pass = 0; robust && pass < OUTER; pass++)
	{
		robust_weights(&s, season, trend, weight);
		s.weight = weight;
		inner_loop(&s, season, trend);
	}
	if (window == 0)
	{
		/* exactly periodic: the mean of each phase */
		for (int phase = 0; phase < m; phase++)
		{
			double		sum = 0;
			int			count = 0;

			for (int t = phase; t < n; t += m, count++)
				sum += season[t];
			for (int t = phase; t < n; t += m)
				season[t] = sum / count;
		}
	}
	FcFree(memory);
}

/*
 * window: of the season in cycles; 0: constant; -1: 7 + 4i for the i-th
 * season (ibid., Bandara et al., section 2).  A season of which there are
 * fewer than two cycles is left out: false when none is left.
 */
bool
StlDecompose(const double *y, int n, int nseasons, const int *m, int window,
			 bool robust, FinopsInterrupt interrupt, double *season,
			 double *trend, double *rest)
{
	int			used = 0;

	memcpy(rest, y, n * sizeof(double));
	memset(season, 0, (size_t) nseasons * n * sizeof(double));
	for (int i = 0; i < nseasons; i++)
		used += m[i] >= 2 && 2 * m[i] <= n;
	if (used == 0)
		return false;
	for (int pass = 0; pass < (used > 1 ? 2 : 1); pass++)
		for (int i = 0; i < nseasons; i++)
		{
			double	   *s = season + (size_t) i * n;

			if (m[i] < 2 || 2 * m[i] > n)
				continue;
			for (int t = 0; t < n; t++)
				rest[t] += s[t];
			decompose_one(rest, n, m[i], window < 0 ? 11 + 4 * i : window,
						  robust, interrupt, s, trend);
			for (int t = 0; t < n; t++)
				rest[t] -= s[t];
		}
	for (int t = 0; t < n; t++)
		rest[t] -= trend[t];
	return true;
}

static double
variance_of(const double *x, const double *add, int n)
{
	double		mean = 0,
				square = 0;

	for (int t = 0; t < n; t++)
		mean += (x[t] + (add ? add[t] : 0)) / n;
	for (int t = 0; t < n; t++)
	{
		double		off = x[t] + (add ? add[t] : 0) - mean;

		square += off * off / n;
	}
	return square;
}

/* Wang, Smith and Hyndman (2006): 1 - Var(rest) / Var(season + rest). */
double
StlSeasonStrength(const double *y, int n, int m, FinopsInterrupt interrupt)
{
	double	   *memory = FcAlloc(3 * (size_t) n),
				strength = 0,
				all;

	if (StlDecompose(y, n, 1, &m, -1, false, interrupt, memory, memory + n,
					 memory + 2 * n))
	{
		all = variance_of(memory + 2 * n, memory, n);
		if (all > 0)
			strength = 1 - variance_of(memory + 2 * n, NULL, n) / all;
	}
	FcFree(memory);
	return Max(strength, 0);
}

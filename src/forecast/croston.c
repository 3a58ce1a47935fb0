/*-------------------------------------------------------------------------
 *
 * croston.c
 *	  Intermittent series: Croston, Syntetos-Boylan, Teunter-Syntetos-Babai.
 *	  Pure.
 *
 *	  Croston (1972, Operational Research Quarterly 23): sizes z of the
 *	  demands and intervals p between them are smoothed, the forecast of every
 *	  step is z / p.
 *	  SBA (Syntetos and Boylan 2005, International Journal of Forecasting 21):
 *	  (1 - a/2) z / p with a the smoothing of the intervals, which takes out
 *	  the bias of the quotient.
 *	  TSB (Teunter, Syntetos and Babai 2011, European Journal of Operational
 *	  Research 214): the probability of a demand is smoothed in every period,
 *	  demand or not, so that the forecast falls when demands cease.
 *
 * Smoothing parameters minimise the squared one-step error of the rate, on a
 * grid that is refined (Kourentzes 2014, International Journal of Production
 * Economics 156, advises the rate and not the demand of each step).
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/models.h"

#include "core/optim.h"

#include <math.h>

/* Syntetos, Boylan and Croston (2005): classes of demand. */
#define ADI_LIMIT	1.32

typedef struct CrostonSearch
{
	const double *y;
	int			n;
	CrostonKind kind;
	double		alpha_size;
	double		alpha_interval;
	double		size;
	double		interval;
	double		sse;
} CrostonSearch;

static double
start_size(const double *y, int n, int *count)
{
	double		sum = 0;

	*count = 0;
	for (int t = 0; t < n; t++)
		if (y[t] != 0)
		{
			sum += y[t];
			(*count)++;
		}
	return *count > 0 ? sum / *count : 0;
}

static double
rate_of(const CrostonSearch *s, double size, double interval)
{
	switch (s->kind)
	{
		case CROSTON_CLASSIC:
			return size / interval;
		case CROSTON_SBA:
			return (1 - s->alpha_interval / 2) * size / interval;
		case CROSTON_TSB:
			return size * interval;
	}
	return 0;
}

/* One pass; starts from the means of sizes and intervals. */
static double
run(CrostonSearch *s)
{
	int			count,
				since = 1;
	double		size = start_size(s->y, s->n, &count),
				interval = s->kind == CROSTON_TSB ? (double) count / s->n :
		(double) s->n / Max(count, 1);

	s->sse = 0;
	for (int t = 0; t < s->n; t++)
	{
		double		rate = rate_of(s, size, interval);

		s->sse += (rate - s->y[t]) * (rate - s->y[t]);
		if (s->kind == CROSTON_TSB)
			interval += s->alpha_interval * ((s->y[t] != 0) - interval);
		if (s->y[t] != 0)
		{
			size += s->alpha_size * (s->y[t] - size);
			if (s->kind != CROSTON_TSB)
				interval += s->alpha_interval * (since - interval);
			since = 1;
		}
		else
			since++;
	}
	s->size = size;
	s->interval = interval;
	return s->sse;
}

static double
size_error(double alpha, void *arg)
{
	CrostonSearch *s = arg;

	s->alpha_size = alpha;
	return run(s);
}

static double
interval_error(double alpha, void *arg)
{
	CrostonSearch *s = arg;

	s->alpha_interval = alpha;
	return run(s);
}

/* False when there is no demand at all, or a negative one. */
bool
CrostonFitSeries(const double *y, int n, CrostonKind kind, CrostonFit *fit)
{
	static const double grid[] = {0.001, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5};
	CrostonSearch s = {.y = y, .n = n, .kind = kind, .alpha_size = 0.1,
	.alpha_interval = 0.1};
	int			count;
	double		mean,
				square = 0;

	for (int t = 0; t < n; t++)
		if (y[t] < 0)
			return false;
	mean = start_size(y, n, &count);
	if (count == 0 || n < 2)
		return false;
	for (int round = 0; round < 2; round++)
	{
		double		best;

		OptimSearch(interval_error, &s, grid, lengthof(grid), 1e-4, &best);
		s.alpha_interval = best;
		OptimSearch(size_error, &s, grid, lengthof(grid), 1e-4, &best);
		s.alpha_size = best;
	}
	run(&s);
	fit->kind = kind;
	fit->alpha_size = s.alpha_size;
	fit->alpha_interval = s.alpha_interval;
	fit->size = s.size;
	fit->interval = s.interval;
	fit->mean = rate_of(&s, s.size, s.interval);
	fit->sigma2 = s.sse / Max(n - 2, 1);
	fit->adi = (double) n / count;
	for (int t = 0; t < n; t++)
		if (y[t] != 0)
			square += (y[t] - mean) * (y[t] - mean) / count;
	fit->cv2 = mean > 0 ? square / (mean * mean) : 0;
	return true;
}

void
CrostonSteps(const CrostonFit *fit, int h, FcSteps *out)
{
	double		a = fit->alpha_interval;

	for (int j = 0; j < h; j++)
	{
		out->mean[j] = fit->mean;
		out->psi[j] = j == 0 ? 1 : a;
		out->variance[j] = fit->sigma2 * (1 + j * a * a);
	}
}

/* Average interval between demands above 1.32, nothing negative. */
bool
FcIsIntermittent(const double *y, int n)
{
	int			count = 0;

	for (int t = 0; t < n; t++)
	{
		if (y[t] < 0)
			return false;
		count += y[t] > 0;
	}
	return count > 0 && n >= 8 && n > ADI_LIMIT * count;
}

bool
FcMostlyZero(const double *y, int n)
{
	int			zeros = 0;

	for (int t = 0; t < n; t++)
		zeros += y[t] == 0;
	return 2 * zeros >= n;
}

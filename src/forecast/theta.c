/*-------------------------------------------------------------------------
 *
 * theta.c
 *	  Theta models: standard, optimised and dynamic optimised.  Pure.
 *
 * Fiorucci, Pellegrini, Louzada, Petropoulos and Koehler (2016), Models for
 * optimising the theta method and their relationship to state space models,
 * International Journal of Forecasting 32, equations 9-18:
 *
 *	  mu_t = l_{t-1} + w [(1-a)^{t-1} A_{t-1} + (1-(1-a)^t)/a B_{t-1}]
 *	  l_t  = a y_t + (1-a) l_{t-1},			w = 1 - 1/theta
 *	  y^_{n+h} = l_n + w [(1-a)^n A_n + (h-1 + (1-(1-a)^{n+1})/a) B_n]
 *
 * A, B is the least-squares line of the series; the dynamic model estimates
 * it anew from y_1..y_t at each t.  The standard method (Assimakopoulos and
 * Nikolopoulos 2000) is simple exponential smoothing with drift B/2
 * (Hyndman and Billah 2003, International Journal of Forecasting 19).
 *
 * For a given a the errors are linear in l0 and w, so their sum of squares is
 * least at the solution of two normal equations: the whole likelihood is a
 * search in the single variable a, each trial one pass over the series.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/models.h"

#include "core/optim.h"

#include <math.h>

/* First observations without a line of their own do not count as errors. */
#define WARM_UP 3

typedef struct ThetaSearch
{
	const double *y;
	int			n;
	bool		with_line;		/* w is free, else 0 */
	const double *line_a;		/* line before observation t */
	const double *line_b;
	double		l0;				/* the solution for the last alpha */
	double		weight;
	double		level;
	double		sse;
} ThetaSearch;

/* Least-squares line of y against 1..n. */
static void
least_squares_line(const double *y, int n, double *intercept, double *slope)
{
	double		mean = FcMean(y, n),
				center = (n + 1) / 2.0,
				sxy = 0,
				sxx = 0;

	for (int t = 1; t <= n; t++)
	{
		sxy += (t - center) * (y[t - 1] - mean);
		sxx += (t - center) * (t - center);
	}
	*slope = sxx > 0 ? sxy / sxx : 0;
	*intercept = mean - *slope * center;
}

/*
 * a[t], b[t]: the line of the first t observations, from the line of t - 1 in
 * constant time (ibid., equations 16-18).
 */
static void
running_lines(const double *y, int n, double *a, double *b)
{
	double		mean = 0;

	a[0] = b[0] = 0;
	for (int t = 1; t <= n; t++)
	{
		double		previous = mean;

		mean = ((t - 1) * previous + y[t - 1]) / t;
		b[t] = t == 1 ? 0 :
			((t - 2) * b[t - 1] + 6 * (y[t - 1] - previous) / t) / (t + 1);
		a[t] = mean - b[t] * (t + 1) / 2;
	}
}

/*
 * Sums of the normal equations of e = r - l0 c - w z, with r the error of
 * smoothing from l0 = 0, c = (1-a)^t and z the line's bracket.
 */
static double
theta_sse(double alpha, void *arg)
{
	ThetaSearch *s = arg;
	double		level = 0,
				c = 1,
				cc = 0,
				cz = 0,
				zz = 0,
				rc = 0,
				rz = 0,
				rr = 0,
				w = 0,
				l0;
	int			first = s->n > 2 * WARM_UP && s->with_line ? WARM_UP : 0;

	for (int t = 0; t < s->n; t++)
	{
		double		r = s->y[t] - level;

		if (t >= first)
		{
			cc += c * c;
			rc += r * c;
			rr += r * r;
			if (s->with_line)
			{
				double		z = c * s->line_a[t] +
					(1 - c * (1 - alpha)) / alpha * s->line_b[t];

				cz += c * z;
				zz += z * z;
				rz += r * z;
			}
		}
		level += alpha * r;
		c *= 1 - alpha;
	}
	if (s->with_line && cc * zz - cz * cz > 1e-12 * cc * zz)
		w = (rz * cc - rc * cz) / (cc * zz - cz * cz);
	w = w > 0 ? (w < 1 ? w : 1) : 0;
	l0 = cc > 1e-300 ? (rc - w * cz) / cc : 0;
	s->l0 = l0;
	s->weight = w;
	s->level = level + c * l0;
	s->sse = Max(rr + l0 * l0 * cc + w * w * zz +
				 2 * (l0 * w * cz - l0 * rc - w * rz), 0);
	return s->sse;
}

bool
ThetaFitSeries(const double *y, int n, ThetaKind kind, ThetaFit *fit)
{
	static const double grid_ses[] = {0.0001, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4,
	0.5, 0.6, 0.7, 0.8, 0.9, 0.96, 0.9999};
	static const double grid_theta[] = {0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6,
	0.7, 0.8, 0.9, 0.99};
	ThetaSearch s = {.y = y, .n = n, .with_line = kind != THETA_STANDARD};
	double	   *a = NULL,
			   *b = NULL;
	int			nparams = kind == THETA_STANDARD ? 2 : 3;

	if (n < 3)
		return false;
	fit->kind = kind;
	fit->n = n;
	least_squares_line(y, n, &fit->intercept, &fit->slope);
	if (kind != THETA_STANDARD)
	{
		a = FcAlloc(n + 1);
		b = FcAlloc(n + 1);
		running_lines(y, n, a, b);
		if (kind == THETA_OPTIMISED)
			for (int t = 0; t <= n; t++)
			{
				a[t] = fit->intercept;
				b[t] = fit->slope;
			}
		s.line_a = a;
		s.line_b = b;
		OptimSearch(theta_sse, &s, grid_theta, lengthof(grid_theta), 1e-8,
					&fit->alpha);
	}
	else
		OptimSearch(theta_sse, &s, grid_ses, lengthof(grid_ses), 1e-8,
					&fit->alpha);
	theta_sse(fit->alpha, &s);
	fit->l0 = s.l0;
	fit->level = s.level;
	fit->weight = kind == THETA_STANDARD ? 0.5 : s.weight;
	fit->theta = fit->weight < 1 ? 1 / (1 - fit->weight) : (double) INFINITY;
	fit->sigma2 = s.sse / Max(n - nparams, 1);
	if (a != NULL)
	{
		FcFree(a);
		FcFree(b);
	}
	return true;
}

/*
 * The variance is that of smoothing with drift, sigma^2 (1 + (h-1) a^2), plus
 * what an error moves the line of the dynamic model: 6/(n(n+1)) per step.
 */
void
ThetaForecast(const ThetaFit *fit, int h, double *mean, double *variance)
{
	double		c = 1,
				sum = 1,
				tilt = fit->kind == THETA_DYNAMIC ?
				fit->weight * 6.0 / ((double) fit->n * (fit->n + 1)) : 0;

	for (int t = 0; t < fit->n; t++)
		c *= 1 - fit->alpha;
	for (int j = 0; j < h; j++)
	{
		double		steps = j + (1 - c * (1 - fit->alpha)) / fit->alpha,
					response = fit->alpha + tilt * (j + 1);

		if (fit->kind == THETA_STANDARD)
			mean[j] = fit->level +
				fit->weight * fit->slope * (j + (1 - c) / fit->alpha);
		else
			mean[j] = fit->level +
				fit->weight * (c * fit->intercept + steps * fit->slope);
		variance[j] = fit->sigma2 * sum;
		sum += response * response;
	}
}

void
ThetaSteps(const ThetaFit *fit, int h, FcSteps *out)
{
	double		tilt = fit->kind == THETA_DYNAMIC ?
	fit->weight * 6.0 / ((double) fit->n * (fit->n + 1)) : 0;

	ThetaForecast(fit, h, out->mean, out->variance);
	for (int j = 0; j < h; j++)
		out->psi[j] = j == 0 ? 1 : fit->alpha + tilt * j;
}

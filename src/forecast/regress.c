/*-------------------------------------------------------------------------
 *
 * regress.c
 *	  Regression on known regressors with correlated errors.  Pure.
 *
 *	  y_t = x_t' beta + n_t
 *
 * where n is left to another model.  beta is estimated by feasible generalised
 * least squares: n is approximated by an autoregression (Burg's, whose poles
 * may come as close to 1 as the data want), both sides pass through it as a
 * filter, and the estimate is repeated with the new n (Cochrane and Orcutt
 * 1949, Journal of the American Statistical Association 44).  So a trend in
 * both is not taken for an effect.
 *
 * Columns are standardised.  With many of them the penalty of ridge
 * regression (Hoerl and Kennard 1970, Technometrics 12) is the one with the
 * least generalised cross-validation (Golub, Heath and Wahba 1979).
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/regress.h"

#include "core/fmath.h"
#include "core/linalg.h"

#include <math.h>

#define AR_MOST		12
#define ROUNDS		3

/* Burg's estimate of an autoregression; order by AICc. */
static int
fit_autoregression(const double *x, int n, double *phi)
{
	int			most = Min(AR_MOST, n / 4),
				best = 0;
	double	   *f = FcAlloc(2 * (size_t) n),
			   *b = f + n,
				a[AR_MOST + 1] = {0},
				previous[AR_MOST + 1],
				variance = 0,
				least;

	for (int t = 0; t < n; t++)
	{
		f[t] = b[t] = x[t];
		variance += x[t] * x[t] / n;
	}
	least = n * FmathLog(variance + 1e-300) + 2;
	for (int k = 1; k <= most && variance > 0; k++)
	{
		double		top = 0,
					bottom = 0,
					kappa,
					aicc;

		for (int t = k; t < n; t++)
		{
			top += f[t] * b[t - 1];
			bottom += f[t] * f[t] + b[t - 1] * b[t - 1];
		}
		if (!(bottom > 0))
			break;
		kappa = 2 * top / bottom;
		memcpy(previous, a, sizeof(a));
		for (int i = 1; i < k; i++)
			a[i] = previous[i] - kappa * previous[k - i];
		a[k] = kappa;
		for (int t = n - 1; t >= k; t--)
		{
			double		old = f[t];

			f[t] = old - kappa * b[t - 1];
			b[t] = b[t - 1] - kappa * old;
		}
		variance *= 1 - kappa * kappa;
		aicc = n * FmathLog(variance + 1e-300) + 2.0 * (k + 1) * n / Max(n - k - 2, 1);
		if (aicc < least - 1e-9)
		{
			least = aicc;
			best = k;
			memcpy(phi, a + 1, k * sizeof(double));
		}
	}
	FcFree(f);
	return best;
}

/* x_t - phi_1 x_{t-1} - ..., for t >= p. */
static void
filter(const double *x, int n, const double *phi, int p, double *out)
{
	for (int t = p; t < n; t++)
	{
		double		v = x[t];

		for (int i = 1; i <= p; i++)
			v -= phi[i - 1] * x[t - i];
		out[t - p] = v;
	}
}

/* Centres a column to length 1; returns its length. */
static double
standardise(double *x, int n)
{
	double		mean = FcMean(x, n),
				square = 0;

	for (int t = 0; t < n; t++)
	{
		x[t] -= mean;
		square += x[t] * x[t];
	}
	square = sqrt(square);
	if (square > 0)
		for (int t = 0; t < n; t++)
			x[t] /= square;
	return square;
}

/* Solves (G + penalty I) beta = c; G is not changed.  False when singular. */
static bool
solve(const double *gram, const double *c, int k, double penalty,
	  double *scratch, double *beta)
{
	memcpy(scratch, gram, (size_t) k * k * sizeof(double));
	memcpy(beta, c, k * sizeof(double));
	for (int i = 0; i < k; i++)
		scratch[i * k + i] += penalty;
	return LinalgCholeskySolve(scratch, beta, k);
}

/*
 * Generalised cross-validation: n SSE / (n - 1 - trace of the hat matrix)^2;
 * the trace is k - penalty * trace of (G + penalty I)^-1.
 */
static double
cross_validation(const double *gram, const double *c, double yy, int n, int k,
				 double penalty, double *scratch, double *beta)
{
	double		sse = yy,
				trace = k,
			   *unit = FcAlloc(k),
			   *factor = FcAlloc((size_t) k * k);
	bool		ok = solve(gram, c, k, penalty, scratch, beta);

	for (int i = 0; ok && i < k; i++)
	{
		double		row = 0;

		for (int j = 0; j < k; j++)
			row += gram[i * k + j] * beta[j];
		sse += beta[i] * (row - 2 * c[i]);
		memcpy(factor, gram, (size_t) k * k * sizeof(double));
		for (int j = 0; j < k; j++)
			factor[j * k + j] += penalty;
		memset(unit, 0, k * sizeof(double));
		unit[i] = 1;
		ok = LinalgCholeskySolve(factor, unit, k);
		trace -= penalty * unit[i];
	}
	FcFree(unit);
	FcFree(factor);
	if (!ok || n - 1 - trace <= 0)
		return (double) INFINITY;
	return n * Max(sse, 0) / ((n - 1 - trace) * (n - 1 - trace));
}

static double
choose_penalty(const double *gram, const double *c, double yy, int n, int k,
			   double *scratch, double *beta)
{
	double		best = 1,
				least = (double) INFINITY;

	for (double penalty = 1e-6; penalty < 100; penalty *= 4)
	{
		double		value = cross_validation(gram, c, yy, n, k, penalty, scratch, beta);

		if (value < least)
		{
			least = value;
			best = penalty;
		}
	}
	return best;
}

typedef struct Regression
{
	int			n;				/* rows after filtering */
	int			k;
	double	   *x;				/* [k][n] filtered, standardised */
	double	   *y;
	double	   *length;			/* [k] */
	double	   *gram;
	double	   *scratch;
	double	   *c;
	double	   *beta;
} Regression;

/* Estimates with the rows that are there; false when they are collinear. */
static bool
estimate(Regression *r, double ridge, double *used)
{
	double		yy = 0,
				penalty = 0;
	int			n = r->n,
				k = r->k;

	for (int i = 0; i < k; i++)
		r->length[i] = standardise(r->x + (size_t) i * n, n);
	{
		double		mean = FcMean(r->y, n);

		for (int t = 0; t < n; t++)
		{
			r->y[t] -= mean;
			yy += r->y[t] * r->y[t];
		}
	}
	for (int i = 0; i < k; i++)
	{
		r->c[i] = 0;
		for (int t = 0; t < n; t++)
			r->c[i] += r->x[(size_t) i * n + t] * r->y[t];
		for (int j = 0; j <= i; j++)
		{
			double		sum = 0;

			for (int t = 0; t < n; t++)
				sum += r->x[(size_t) i * n + t] * r->x[(size_t) j * n + t];
			r->gram[i * k + j] = r->gram[j * k + i] = sum;
		}
		/* a column that does not vary has no effect to be told from the level */
		if (r->length[i] == 0)
			r->gram[i * k + i] = 1;
	}
	if (isnan(ridge))
		penalty = k > 5 || 10 * k > n ?
			choose_penalty(r->gram, r->c, yy, n, k, r->scratch, r->beta) : 0;
	else
		penalty = ridge;
	*used = penalty;
	if (!solve(r->gram, r->c, k, penalty, r->scratch, r->beta) &&
		(penalty > 0 || !solve(r->gram, r->c, k, 1e-6, r->scratch, r->beta)))
		return false;
	for (int i = 0; i < k; i++)
		r->beta[i] = r->length[i] > 0 ? r->beta[i] / r->length[i] : 0;
	return true;
}

/*
 * x: [k] columns of stride values, of which the first n belong to y.  rest:
 * y less the effects.  False when n is too short.
 */
bool
FcRegress(const double *y, int n, const double *x, int k, int stride,
		  double ridge, double *beta, double *rest, double *penalty)
{
	Regression	r = {.k = k};
	double		phi[AR_MOST] = {0};
	int			p = 0;
	bool		ok = n >= 4;
	size_t		cells = (size_t) k * n + n + 3 * (size_t) k + 2 * (size_t) k * k;
	double	   *memory = FcAlloc(cells);

	r.x = memory;
	r.y = r.x + (size_t) k * n;
	r.length = r.y + n;
	r.c = r.length + k;
	r.beta = r.c + k;
	r.gram = r.beta + k;
	r.scratch = r.gram + (size_t) k * k;
	for (int round = 0; ok && round < ROUNDS; round++)
	{
		double		mean;

		r.n = n - p;
		for (int i = 0; i < k; i++)
			filter(x + (size_t) i * stride, n, phi, p, r.x + (size_t) i * r.n);
		filter(y, n, phi, p, r.y);
		ok = estimate(&r, ridge, penalty);
		if (!ok)
			break;
		memcpy(beta, r.beta, k * sizeof(double));
		for (int t = 0; t < n; t++)
		{
			rest[t] = y[t];
			for (int i = 0; i < k; i++)
				rest[t] -= beta[i] * x[(size_t) i * stride + t];
		}
		mean = FcMean(rest, n);
		for (int t = 0; t < n; t++)
			r.y[t] = rest[t] - mean;
		p = fit_autoregression(r.y, n, phi);
	}
	FcFree(memory);
	return ok;
}

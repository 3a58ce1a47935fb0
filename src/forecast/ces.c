/*-------------------------------------------------------------------------
 *
 * ces.c
 *	  Complex exponential smoothing.  Pure.
 *
 * Svetunkov, Kourentzes and Ord (2022), Complex exponential smoothing, Naval
 * Research Logistics 69, equations 11 and 21-24.  Level l and the potential
 * c of the information that it lacks move together:
 *
 *	  y_t = l_{t-1} + e_t
 *	  l_t = l_{t-1} - (1 - a1) c_{t-1} + (a0 - a1) e_t
 *	  c_t = l_{t-1} + (1 - a0) c_{t-1} + (a0 + a1) e_t
 *
 * which is stationary or not as the parameters say, so no trend has to be
 * chosen.  Seasons: simple, the same with states of one season ago; partial,
 * a seasonal state s_t = s_{t-m} + b0 e_t added; full, a second complex pair
 * with states of one season ago.
 *
 * Initial states come from running the recursion backwards over the series
 * (backcasting), so only the smoothing parameters are searched.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/models.h"

#include "core/fmath.h"
#include "core/optim.h"

#include <math.h>

#define MAX_PERIOD	24
#define LOG_TWO_PI	1.8378770664093454836

typedef struct CesState
{
	double		l,
				c;				/* without lag */
	double		sl[MAX_PERIOD],
				sc[MAX_PERIOD]; /* of the coming m steps */
	int			at;				/* of sl, sc: the next step */
} CesState;

typedef struct CesWork
{
	const double *y;
	double	   *reversed;
	int			n;
	int			m;
	CesSeason	season;
	CesState	start;			/* a rough one */
	CesState	end;
	double		sse;
	double		floor;
} CesWork;

static inline double
forecast_of(CesSeason season, const CesState *s)
{
	switch (season)
	{
		case CES_NONE:
			return s->l;
		case CES_SIMPLE:
			return s->sl[s->at];
		case CES_PARTIAL:
		case CES_FULL:
			return s->l + s->sl[s->at];
	}
	return 0;
}

static inline void
step(CesSeason season, int m, const double *p, double e, CesState *s)
{
	int			i = s->at;
	double		l = s->l,
				sl = s->sl[i];

	if (season != CES_SIMPLE)
	{
		s->l = l - (1 - p[1]) * s->c + (p[0] - p[1]) * e;
		s->c = l + (1 - p[0]) * s->c + (p[0] + p[1]) * e;
	}
	if (season == CES_PARTIAL)
		s->sl[i] = sl + p[2] * e;
	else if (season != CES_NONE)
	{
		const double *b = season == CES_FULL ? p + 2 : p;

		s->sl[i] = sl - (1 - b[1]) * s->sc[i] + (b[0] - b[1]) * e;
		s->sc[i] = sl + (1 - b[0]) * s->sc[i] + (b[0] + b[1]) * e;
	}
	if (season != CES_NONE)
		s->at = i + 1 < m ? i + 1 : 0;
}

static double
pass(const CesWork *w, const double *y, const double *p, CesState *s)
{
	double		sse = 0;

	for (int t = 0; t < w->n; t++)
	{
		double		e = y[t] - forecast_of(w->season, s);

		sse += e * e;
		step(w->season, w->m, p, e, s);
	}
	return sse;
}

/* Seasonal states for the way back: the last step comes first. */
static void
turn_round(const CesWork *w, CesState *s)
{
	CesState	old = *s;

	for (int i = 0; i < w->m && w->season != CES_NONE; i++)
	{
		int			from = (old.at + w->m - 1 - i) % w->m;

		s->sl[i] = old.sl[from];
		s->sc[i] = old.sc[from];
	}
	s->at = 0;
}

/* Eigenvalues of the discount matrix inside the unit circle? */
static bool
pair_is_stable(double a0, double a1)
{
	double		d11 = 1 - (a0 - a1),
				d12 = -(1 - a1),
				d21 = 1 - (a0 + a1),
				d22 = 1 - a0,
				det = d11 * d22 - d12 * d21,
				trace = d11 + d22;

	return fabs(det) < 0.9999 && fabs(trace) < 1 + det;
}

static double
evaluate(const double *p, CesWork *w)
{
	CesState	s = w->start;

	if (!pair_is_stable(p[0], p[1]) ||
		(w->season == CES_FULL && !pair_is_stable(p[2], p[3])) ||
		(w->season == CES_PARTIAL && (p[2] < 0 || p[2] > 1)))
		return (double) INFINITY;
	for (int round = 0; round < 2; round++)
	{
		pass(w, w->y, p, &s);
		turn_round(w, &s);
		pass(w, w->reversed, p, &s);
		turn_round(w, &s);
	}
	w->sse = pass(w, w->y, p, &s);
	w->end = s;
	if (!isfinite(w->sse))
		return (double) INFINITY;
	return w->n * FmathLog(w->sse + w->floor);
}

static int
dimension(CesSeason season)
{
	return season == CES_FULL ? 4 : (season == CES_PARTIAL ? 3 : 2);
}

static double
objective(const double *x, double *grad, void *arg)
{
	CesWork    *w = arg;
	double		value = evaluate(x, w),
				y[4];
	int			dim = dimension(w->season);

	memcpy(y, x, dim * sizeof(double));
	for (int i = 0; isfinite(value) && i < dim; i++)
	{
		double		h = 1e-6,
					other;

		y[i] = x[i] + h;
		other = evaluate(y, w);
		if (!isfinite(other))
		{
			h = -h;
			y[i] = x[i] + h;
			other = evaluate(y, w);
		}
		y[i] = x[i];
		grad[i] = isfinite(other) ? (other - value) / h : 0;
	}
	return value;
}

static void
rough_start(CesWork *w)
{
	int			first = Min(w->n, Max(w->m, 10));
	double		level = FcMean(w->y, first);

	w->start.l = level;
	w->start.c = level / 1.1;
	if (w->season == CES_NONE)
		return;
	if (w->season == CES_SIMPLE)
		for (int i = 0; i < w->m; i++)
		{
			w->start.sl[i] = w->y[i];
			w->start.sc[i] = w->y[i] / 1.1;
		}
	else
	{
		FcClassicalSeason(w->y, w->n, w->m, FC_SEASON_ADDITIVE, w->start.sl);
		for (int i = 0; i < w->m; i++)
			w->start.sc[i] = w->start.sl[i] / 1.1;
	}
}

bool
CesFitSeason(const double *y, int n, int m, CesSeason season,
			 FinopsInterrupt interrupt, CesFit *fit)
{
	static const double starts[2][4] = {{1.3, 1.0, 0.1, 1.0}, {1.7, 1.02, 0.3, 1.02}};
	static const double lower[4] = {0.01, 0.5, 0, 0.5};
	static const double upper[4] = {2.5, 1.5, 2, 1.5};
	static const double scale[4] = {0.2, 0.02, 0.1, 0.02};
	CesWork    *w;
	double		best = (double) INFINITY,
				p[4] = {0},
				square = 0;
	int			dim = dimension(season);
	OptimProblem problem = {.fn = objective, .dim = dim, .lower = lower,
		.upper = upper, .scale = scale, .max_iterations = 60,
	.tolerance = 1e-4, .interrupt = interrupt};

	if (n < 5 || (season != CES_NONE && (m < 2 || m > MAX_PERIOD || n < 2 * m + 2)))
		return false;
	w = (CesWork *) FcAlloc(sizeof(CesWork) / sizeof(double) + 1);
	memset(w, 0, sizeof(*w));
	w->y = y;
	w->n = n;
	w->m = season == CES_NONE ? 1 : m;
	w->season = season;
	w->reversed = FcAlloc(n);
	for (int t = 0; t < n; t++)
	{
		w->reversed[t] = y[n - 1 - t];
		square += y[t] * y[t];
	}
	w->floor = Max(square * 1e-18, 1e-280);
	rough_start(w);
	problem.arg = w;
	for (int i = 0; i < 2; i++)
	{
		double		x[4],
					value;

		memcpy(x, starts[i], sizeof(x));
		if (season == CES_FULL)
			x[2] = 1.3;
		value = OptimBfgs(&problem, x);
		if (value < best)
		{
			best = value;
			memcpy(p, x, sizeof(p));
		}
	}
	if (isfinite(best))
	{
		int			k = dim + 1;

		evaluate(p, w);
		memset(fit, 0, sizeof(*fit));
		fit->season = season;
		fit->n = n;
		fit->m = w->m;
		fit->a0 = p[0];
		fit->a1 = p[1];
		fit->b0 = p[2];
		fit->b1 = p[3];
		fit->nparams = dim;
		fit->sigma2 = w->sse / Max(n - dim - 2, 1);
		fit->loglik = -(best - n * FmathLog(n) + n * (1 + LOG_TWO_PI)) / 2;
		fit->aicc = -2 * fit->loglik + 2 * k +
			(n > k + 1 ? 2.0 * k * (k + 1) / (n - k - 1) : (double) INFINITY);
	}
	FcFree(w->reversed);
	FcFree((double *) w);
	return isfinite(best);
}

/* The season, if the series has one, that fits best. */
bool
CesFitAuto(const double *y, int n, int m, FinopsInterrupt interrupt,
		   CesFit *fit)
{
	bool		found = false;
	CesSeason	first = CES_NONE,
				last = CES_NONE;

	if (m > 1 && m <= MAX_PERIOD && n >= 3 * m &&
		(FcSeasonIsSignificant(y, n, m) || FcSeasonStrength(y, n, m) > 0.1))
	{
		first = CES_SIMPLE;
		last = CES_PARTIAL;
	}
	for (CesSeason s = first; s <= last; s++)
	{
		CesFit		one;

		if (CesFitSeason(y, n, m, s, interrupt, &one) &&
			(!found || one.aicc < fit->aicc))
		{
			*fit = one;
			found = true;
		}
	}
	if (!found && first != CES_NONE)
		found = CesFitSeason(y, n, m, CES_NONE, interrupt, fit);
	return found;
}

/* The response to one error is the recursion from zero states after it. */
void
CesSteps(const CesFit *fit, const double *y, int h, FcSteps *out)
{
	CesWork    *w = (CesWork *) FcAlloc(sizeof(CesWork) / sizeof(double) + 1);
	double		p[4] = {fit->a0, fit->a1, fit->b0, fit->b1},
				sum = 0;
	CesState	impulse;

	memset(w, 0, sizeof(*w));
	w->y = y;
	w->n = fit->n;
	w->m = fit->m;
	w->season = fit->season;
	w->reversed = FcAlloc(fit->n);
	for (int t = 0; t < fit->n; t++)
		w->reversed[t] = y[fit->n - 1 - t];
	rough_start(w);
	evaluate(p, w);
	memset(&impulse, 0, sizeof(impulse));
	for (int j = 0; j < h; j++)
	{
		out->mean[j] = forecast_of(fit->season, &w->end);
		step(fit->season, fit->m, p, 0, &w->end);
		out->psi[j] = j == 0 ? 1 : forecast_of(fit->season, &impulse);
		step(fit->season, fit->m, p, j == 0 ? 1 : 0, &impulse);
		sum += out->psi[j] * out->psi[j];
		out->variance[j] = fit->sigma2 * sum;
	}
	FcFree(w->reversed);
	FcFree((double *) w);
}

/*-------------------------------------------------------------------------
 *
 * ets.c
 *	  Exponential smoothing in state space form: likelihood with its exact
 *	  gradient, initial states, estimation.  Pure.
 *
 * Hyndman, Koehler, Ord and Snyder (2008), Forecasting with Exponential
 * Smoothing: The State Space Approach.  One recursion serves all forms
 * (tables 2.2 and 2.3 with additive trends):
 *
 *	  q = l + phi b				f = q | q + s | q s			e = y - f
 *	  l' = q + alpha d			d = e, or e/s with multiplicative season
 *	  b' = phi b + beta d
 *	  s' = s + gamma e, or s + gamma e/q
 *
 * and the criterion is -2 log L without constants (equation 5.3):
 * n log sum e^2, or n log sum (e/f)^2 + 2 sum log |f|.
 *
 * The gradient comes from a reverse sweep over the stored recursion (the
 * adjoint), about two passes for all partial derivatives together; numeric
 * differences would cost one pass per parameter.
 *
 * The exact maximum is not the best forecaster: m free seasonal states
 * over-fit.  EtsShrunk therefore adds the log densities of a normal prior on
 * the initial season, centred on the classical decomposition with that
 * estimate's own standard error, and of exponential priors on the trend and
 * season smoothing.  Information criteria use the likelihood alone.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/models.h"

#include "core/fmath.h"
#include "core/linalg.h"
#include "core/optim.h"

#include <math.h>

#define ALPHA_MIN	1e-4
#define ALPHA_MAX	0.9999
#define PHI_MIN		0.8
#define PHI_MAX		0.98
#define SEASON_MIN	1e-3		/* of a multiplicative seasonal state */

/* Starting points are compared where they stand after so coarse a descent. */
#define ROUGH		1e-2

const EtsOptions EtsMaximumLikelihood = {0, 0, 500, 1e-7, NULL, ETS_MAX_STARTS};
const EtsOptions EtsShrunk = {0, 6, 200, 1e-2, NULL, 1};

/*
 * The parameters as the optimiser sees them: alpha, u = beta/alpha,
 * v = gamma/(1-alpha), phi, l0, b0, season.  Their positions are fixed by
 * the form; -1 marks one that the form does not have.
 */
typedef struct EtsLayout
{
	int			alpha,
				u,
				v,
				phi,
				level,
				slope,
				season,
				dim;
} EtsLayout;

typedef struct EtsWork
{
	const double *y;
	int			n;
	int			m;
	EtsForm		form;
	EtsLayout	at;
	const EtsOptions *options;
	double		floor;			/* keeps log of a perfect fit finite */
	double		prior[ETS_MAX_SEASON];
	double		prior_weight;	/* 1 / variance of the prior */
	double	   *q;				/* [n] level before the season */
	double	   *e;				/* [n] error */
	double	   *b;				/* [n] slope before the observation */
	double	   *s;				/* [n + m] seasonal states in order of use */
	double	   *sbar;			/* [n + m] their adjoints */
	double		level;			/* states after the last observation */
	double		slope;
	double		sse;
	double		criterion;
} EtsWork;

typedef struct EtsSmoothing
{
	double		alpha,
				beta,
				gamma,
				phi;
} EtsSmoothing;

const char *
EtsFormName(EtsForm form, char *buf)
{
	static const char *const trend[] = {"N", "A", "Ad"};
	static const char season[] = "NAM";
	char	   *p = buf;

	memcpy(p, "ETS(", 4);
	p += 4;
	*p++ = form.multiplicative_error ? 'M' : 'A';
	*p++ = ',';
	for (const char *t = trend[form.trend]; *t != '\0'; t++)
		*p++ = *t;
	*p++ = ',';
	*p++ = season[form.season];
	*p++ = ')';
	*p = '\0';
	return buf;
}

/* Accepts "ETS(A,Ad,N)" and "AAdN", in any case. */
bool
EtsFormFromName(const char *name, EtsForm *form)
{
	char		s[8];
	int			len = 0;

	for (const char *p = name; *p != '\0'; p++)
	{
		char		c = *p >= 'a' && *p <= 'z' ? *p - 32 : *p;

		if (p == name && strlen(name) > 4 && c == 'E')
		{
			if ((p[1] | 32) != 't' || (p[2] | 32) != 's' || p[3] != '(')
				return false;
			p += 3;
			continue;
		}
		if (c == ',' || c == ' ' || (c == ')' && p[1] == '\0'))
			continue;
		if (len >= 4)
			return false;
		s[len++] = c;
	}
	if (len < 3 || (len == 4 && (s[1] != 'A' || s[2] != 'D')))
		return false;
	if ((s[0] != 'A' && s[0] != 'M') || (s[1] != 'N' && s[1] != 'A'))
		return false;
	form->multiplicative_error = s[0] == 'M';
	form->trend = s[1] == 'N' ? ETS_TREND_NONE :
		(len == 4 ? ETS_TREND_DAMPED : ETS_TREND_ADDITIVE);
	switch (s[len - 1])
	{
		case 'N':
			form->season = FC_SEASON_NONE;
			return true;
		case 'A':
			form->season = FC_SEASON_ADDITIVE;
			return true;
		case 'M':
			form->season = FC_SEASON_MULTIPLICATIVE;
			return true;
	}
	return false;
}

/* Smoothing parameters and free initial states (m - 1 of the season). */
int
EtsParameterCount(EtsForm form, int m)
{
	return 2 + (form.trend != ETS_TREND_NONE ? 2 : 0) +
		(form.trend == ETS_TREND_DAMPED ? 1 : 0) +
		(form.season != FC_SEASON_NONE ? m : 0);
}

static EtsLayout
layout_of(EtsForm form, int m)
{
	EtsLayout	at = {-1, -1, -1, -1, -1, -1, -1, 0};

	at.alpha = at.dim++;
	if (form.trend != ETS_TREND_NONE)
		at.u = at.dim++;
	if (form.season != FC_SEASON_NONE)
		at.v = at.dim++;
	if (form.trend == ETS_TREND_DAMPED)
		at.phi = at.dim++;
	at.level = at.dim++;
	if (form.trend != ETS_TREND_NONE)
		at.slope = at.dim++;
	if (form.season != FC_SEASON_NONE)
	{
		at.season = at.dim;
		at.dim += m;
	}
	return at;
}

static EtsSmoothing
smoothing_of(const EtsWork *w, const double *x)
{
	EtsSmoothing p;

	p.alpha = x[w->at.alpha];
	p.beta = w->at.u >= 0 ? p.alpha * x[w->at.u] : 0;
	p.gamma = w->at.v >= 0 ? (1 - p.alpha) * x[w->at.v] : 0;
	p.phi = w->form.trend == ETS_TREND_NONE ? 0 :
		(w->at.phi >= 0 ? x[w->at.phi] : 1);
	return p;
}

/*
 * The recursion; the form is constant in each call, so that the compiler
 * makes six loops without branches on it.  False where the form is undefined
 * (forecast or state not positive where it divides).
 */
static inline __attribute__((always_inline)) bool
forward_pass(EtsWork *w, const double *x, FcSeasonKind season, bool relative)
{
	const EtsSmoothing p = smoothing_of(w, x);
	double		l = x[w->at.level],
				b = w->at.slope >= 0 ? x[w->at.slope] : 0,
				sse = 0,
				logs = 0,
				product = 1;

	for (int t = 0; t < w->n; t++)
	{
		double		s = season == FC_SEASON_NONE ? 0 : w->s[t],
					damped = p.phi * b,
					q = l + damped,
					f = season == FC_SEASON_NONE ? q :
			(season == FC_SEASON_ADDITIVE ? q + s : q * s),
					e = w->y[t] - f,
					d = e;

		if (season == FC_SEASON_MULTIPLICATIVE)
		{
			if (!(q > 1e-8) || !(s > 1e-8))
				return false;
			d = e / s;
			w->s[t + w->m] = s + p.gamma * e / q;
		}
		else if (season == FC_SEASON_ADDITIVE)
			w->s[t + w->m] = s + p.gamma * e;
		if (relative)
		{
			if (!(f > 1e-8))
				return false;
			sse += (e / f) * (e / f);
			product *= f;
			if (product > 1e200 || product < 1e-200)
			{
				logs += FmathLog(product);
				product = 1;
			}
		}
		else
			sse += e * e;
		w->q[t] = q;
		w->e[t] = e;
		w->b[t] = b;
		l = q + p.alpha * d;
		b = damped + p.beta * d;
	}
	w->level = l;
	w->slope = b;
	w->sse = sse;
	w->criterion = w->n * FmathLog(sse + w->floor);
	if (relative)
		w->criterion += 2 * (logs + FmathLog(product));
	return isfinite(w->criterion);
}

/* The reverse sweep; the partial derivatives of the criterion. */
static inline __attribute__((always_inline)) void
reverse_pass(EtsWork *w, const double *x, double *grad, FcSeasonKind season,
			 bool relative)
{
	const EtsSmoothing p = smoothing_of(w, x);
	const double c = 2 * w->n / (w->sse + w->floor);
	double		lbar = 0,
				bbar = 0,
				abar = 0,
				betabar = 0,
				gammabar = 0,
				phibar = 0;

	if (season != FC_SEASON_NONE)
		memset(w->sbar, 0, (w->n + w->m) * sizeof(double));
	for (int t = w->n - 1; t >= 0; t--)
	{
		double		q = w->q[t],
					e = w->e[t],
					s = season == FC_SEASON_NONE ? 0 : w->s[t],
					snext = season == FC_SEASON_NONE ? 0 : w->sbar[t + w->m],
					dbar = p.alpha * lbar + p.beta * bbar,
					ebar,
					fbar = 0,
					qbar = lbar,
					sbar = snext,
					d = e;

		if (relative)
		{
			double		f = season == FC_SEASON_NONE ? q :
			(season == FC_SEASON_ADDITIVE ? q + s : q * s);

			ebar = c * e / (f * f);
			fbar = -ebar * e / f + 2 / f;
		}
		else
			ebar = c * e;
		if (season == FC_SEASON_MULTIPLICATIVE)
		{
			d = e / s;
			ebar += dbar / s + p.gamma * snext / q;
			sbar -= dbar * d / s;
			qbar -= p.gamma * snext * e / (q * q);
			gammabar += snext * e / q;
		}
		else
		{
			ebar += dbar;
			if (season == FC_SEASON_ADDITIVE)
			{
				ebar += p.gamma * snext;
				gammabar += snext * e;
			}
		}
		abar += d * lbar;
		betabar += d * bbar;
		fbar -= ebar;
		if (season == FC_SEASON_MULTIPLICATIVE)
		{
			qbar += fbar * s;
			sbar += fbar * q;
		}
		else
		{
			qbar += fbar;
			sbar += fbar;
		}
		if (season != FC_SEASON_NONE)
			w->sbar[t] = sbar;
		phibar += (qbar + bbar) * w->b[t];
		bbar = p.phi * (qbar + bbar);
		lbar = qbar;
	}
	grad[w->at.alpha] = abar;
	if (w->at.u >= 0)
	{
		grad[w->at.alpha] += x[w->at.u] * betabar;
		grad[w->at.u] = p.alpha * betabar;
		grad[w->at.slope] = bbar;
	}
	if (w->at.v >= 0)
	{
		grad[w->at.alpha] -= x[w->at.v] * gammabar;
		grad[w->at.v] = (1 - p.alpha) * gammabar;
		for (int i = 0; i < w->m; i++)
			grad[w->at.season + i] = w->sbar[i];
	}
	if (w->at.phi >= 0)
		grad[w->at.phi] = phibar;
	grad[w->at.level] = lbar;
}

#define BOTH_PASSES(season, relative) \
	do { \
		if (!forward_pass(w, x, (season), (relative))) \
			return false; \
		if (grad != NULL) \
			reverse_pass(w, x, grad, (season), (relative)); \
		return true; \
	} while (0)

static bool
likelihood(EtsWork *w, const double *x, double *grad)
{
	if (w->form.season != FC_SEASON_NONE)
		for (int i = 0; i < w->m; i++)
			w->s[i] = x[w->at.season + i];
	if (w->form.multiplicative_error)
		switch (w->form.season)
		{
			case FC_SEASON_NONE:
				BOTH_PASSES(FC_SEASON_NONE, true);
			case FC_SEASON_ADDITIVE:
				BOTH_PASSES(FC_SEASON_ADDITIVE, true);
			case FC_SEASON_MULTIPLICATIVE:
				BOTH_PASSES(FC_SEASON_MULTIPLICATIVE, true);
		}
	switch (w->form.season)
	{
		case FC_SEASON_NONE:
			BOTH_PASSES(FC_SEASON_NONE, false);
		case FC_SEASON_ADDITIVE:
			BOTH_PASSES(FC_SEASON_ADDITIVE, false);
		case FC_SEASON_MULTIPLICATIVE:
			BOTH_PASSES(FC_SEASON_MULTIPLICATIVE, false);
	}
	return false;
}

/* What the optimiser minimises: the criterion and the priors. */
static double
objective(const double *x, double *grad, void *arg)
{
	EtsWork    *w = arg;
	double		value;

	if (!likelihood(w, x, grad))
		return (double) INFINITY;
	value = w->criterion;
	if (w->at.season >= 0 && w->prior_weight > 0)
		for (int i = 0; i < w->m; i++)
		{
			double		off = x[w->at.season + i] - w->prior[i];

			value += w->prior_weight * off * off;
			grad[w->at.season + i] += 2 * w->prior_weight * off;
		}
	if (w->at.u >= 0)
	{
		value += w->options->smoothing_prior * x[w->at.u];
		grad[w->at.u] += w->options->smoothing_prior;
	}
	if (w->at.v >= 0)
	{
		value += w->options->smoothing_prior * x[w->at.v];
		grad[w->at.v] += w->options->smoothing_prior;
	}
	return value;
}

/* Season of fewer than three cycles: line and one pair of Fourier terms. */
static void
fourier_season(const double *y, int n, int m, FcSeasonKind kind,
			   double *factor)
{
	double		a[16] = {0},
				b[4] = {0},
				line;

	for (int t = 0; t < n; t++)
	{
		double		turn = (double) (t % m) / m;
		double		row[4] = {1, t, FmathCosTurn(turn), FmathCosTurn(turn - 0.25)};

		for (int i = 0; i < 4; i++)
		{
			for (int j = 0; j < 4; j++)
				a[i * 4 + j] += row[i] * row[j];
			b[i] += row[i] * y[t];
		}
	}
	if (!LinalgCholeskySolve(a, b, 4))
		memset(b, 0, sizeof(b));
	line = b[0] + b[1] * (n - 1) / 2.0;
	for (int t = 0; t < m; t++)
	{
		double		turn = (double) t / m;
		double		wave = b[2] * FmathCosTurn(turn) + b[3] * FmathCosTurn(turn - 0.25);

		factor[t] = kind == FC_SEASON_ADDITIVE ? wave :
			Max(line > 0 ? 1 + wave / line : 1, 0.05);
	}
}

/*
 * Starting values (ibid., section 2.6.1): season by decomposition, level and
 * slope by a line through the first seasonally adjusted observations.
 */
static void
initial_states(EtsWork *w, double *x)
{
	int			n = w->n,
				first = Min(n, Max(10, 2 * w->m));
	double	   *adjusted = w->q;	/* free until the first pass */
	double		mean = 0,
				sxy = 0,
				sxx = 0;

	if (w->at.season >= 0)
	{
		if (n >= 3 * w->m)
			FcClassicalSeason(w->y, n, w->m, w->form.season, w->prior);
		else
			fourier_season(w->y, n, w->m, w->form.season, w->prior);
		memcpy(x + w->at.season, w->prior, w->m * sizeof(double));
	}
	for (int t = 0; t < first; t++)
	{
		double		s = w->at.season >= 0 ? w->prior[t % w->m] : 0;

		adjusted[t] = w->form.season == FC_SEASON_MULTIPLICATIVE ?
			w->y[t] / s : w->y[t] - s;
		mean += adjusted[t] / first;
	}
	x[w->at.level] = mean;
	if (w->at.slope < 0)
		return;
	for (int t = 0; t < first; t++)
	{
		double		off = t - (first - 1) / 2.0;

		sxy += off * (adjusted[t] - mean);
		sxx += off * off;
	}
	x[w->at.slope] = sxx > 0 ? sxy / sxx : 0;
	x[w->at.level] = mean - x[w->at.slope] * (first + 1) / 2.0;
}

/* Bounds, starting point and a typical step of each parameter. */
static void
prepare(EtsWork *w, double *x, double *lower, double *upper, double *scale)
{
	double		level = fabs(FcMean(w->y, w->n)),
				spread = 0;

	for (int i = 0; i < w->at.dim; i++)
	{
		lower[i] = -(double) INFINITY;
		upper[i] = (double) INFINITY;
	}
	initial_states(w, x);
	x[w->at.alpha] = ALPHA_MIN + 0.2 * (ALPHA_MAX - ALPHA_MIN) / Min(w->m, 2);
	lower[w->at.alpha] = ALPHA_MIN;
	upper[w->at.alpha] = ALPHA_MAX;
	scale[w->at.alpha] = 0.2;
	if (w->at.u >= 0)
	{
		x[w->at.u] = 0.1;
		lower[w->at.u] = ALPHA_MIN;
		upper[w->at.u] = ALPHA_MAX;
		scale[w->at.u] = 0.1;
	}
	if (w->at.v >= 0)
	{
		x[w->at.v] = 0.05;
		lower[w->at.v] = ALPHA_MIN;
		upper[w->at.v] = ALPHA_MAX;
		scale[w->at.v] = 0.1;
	}
	if (w->at.phi >= 0)
	{
		x[w->at.phi] = PHI_MIN + 0.9 * (PHI_MAX - PHI_MIN);
		lower[w->at.phi] = PHI_MIN;
		upper[w->at.phi] = PHI_MAX;
		scale[w->at.phi] = 0.05;
	}
	for (int t = 1; t < w->n; t++)
		spread += fabs(w->y[t] - w->y[t - 1]) / (w->n - 1);
	spread = Max(spread / 2, 1e-6 * (level + 1e-300));
	scale[w->at.level] = spread;
	if (w->at.slope >= 0)
		scale[w->at.slope] = spread / 5;
	if (w->at.season >= 0)
		for (int i = 0; i < w->m; i++)
		{
			bool		ratio = w->form.season == FC_SEASON_MULTIPLICATIVE;

			scale[w->at.season + i] = ratio ?
				Max(spread / Max(level, 1e-300), 1e-4) : spread;
			if (ratio)
				lower[w->at.season + i] = SEASON_MIN;
		}
	w->floor = w->form.multiplicative_error ? w->n * 1e-20 :
		w->n * Max(1e-20 * (level * level + spread * spread), 1e-280);
}

/*
 * Standard error of a decomposition factor: residual variance over the number
 * of cycles.  The residual is that of smoothing at the starting point.
 */
static void
set_prior(EtsWork *w, const double *x)
{
	double		residual = 0,
				level = Max(fabs(FcMean(w->y, w->n)), 1e-300);

	w->prior_weight = 0;
	if (w->at.season < 0 || w->options->season_prior <= 0)
		return;
	if (!likelihood(w, x, NULL))
		return;
	for (int t = w->m; t < w->n; t++)
		residual += w->e[t] * w->e[t];
	residual /= Max(w->n - w->m, 1);
	if (w->form.season == FC_SEASON_MULTIPLICATIVE)
		residual /= level * level;
	if (residual > 0)
		w->prior_weight = w->options->season_prior *
			((double) w->n / w->m) / residual;
}

static void
fill_fit(const EtsWork *w, const double *x, EtsFit *fit)
{
	const EtsSmoothing p = smoothing_of(w, x);
	int			k = EtsParameterCount(w->form, w->m) + 1;
	double		n = w->n;

	memset(fit, 0, sizeof(*fit));
	fit->form = w->form;
	fit->n = w->n;
	fit->m = w->m;
	fit->alpha = p.alpha;
	fit->beta = p.beta;
	fit->gamma = p.gamma;
	fit->phi = p.phi;
	fit->l0 = x[w->at.level];
	fit->b0 = w->at.slope >= 0 ? x[w->at.slope] : 0;
	fit->level = w->level;
	fit->slope = w->slope;
	if (w->at.season >= 0)
		for (int i = 0; i < w->m; i++)
		{
			fit->s0[i] = x[w->at.season + i];
			fit->season[i] = w->s[w->n + i];
		}
	fit->criterion = w->criterion;
	fit->nparams = k - 1;
	fit->aic = w->criterion + 2 * k;
	fit->aicc = n > k + 1 ? fit->aic + 2.0 * k * (k + 1) / (n - k - 1) :
		(double) INFINITY;
	fit->bic = w->criterion + k * FmathLog(n);
	fit->sigma2 = w->sse / Max(n - fit->nparams, 1);
	fit->fitted_last = w->y[w->n - 1] - w->e[w->n - 1];
}

/*
 * Where the line of the first observations leads out of the domain, a level
 * without slope that follows the series stays in it, at last without a season.
 */
static bool
make_feasible(EtsWork *w, double *x)
{
	if (likelihood(w, x, NULL))
		return true;
	if (w->at.slope >= 0)
	{
		x[w->at.level] += x[w->at.slope] * w->n / 2.0;
		x[w->at.slope] = 0;
		x[w->at.level] = Max(x[w->at.level], FcMean(w->y, w->n));
		if (likelihood(w, x, NULL))
			return true;
		x[w->at.u] = 2 * ALPHA_MIN;
	}
	for (int season = 0; season < 2; season++)
	{
		for (int i = 1; i < 10; i += 4)
		{
			x[w->at.alpha] = i / 10.0;
			if (likelihood(w, x, NULL))
				return true;
		}
		for (int i = 0; w->at.season >= 0 && i < w->m; i++)
			x[w->at.season + i] = w->form.season == FC_SEASON_MULTIPLICATIVE ? 1 : 0;
	}
	return false;
}

/*
 * Starting point s: 0 as prepare() has it, others with much smoothing or
 * little.  The likelihood has several peaks where the season may be taken for
 * level, or the trend for error.
 */
static void
other_start(const EtsWork *w, int s, double *x)
{
	static const double starts[ETS_MAX_STARTS - 1][3] = {{0.7, 0.02, 0.02}, {0.02, 0.02, 0.3},
	{0.4, 0.5, 0.3}, {0.9, 0.9, 0.9}, {0.1, 0.9, 0.7}, {0.8, 0.15, 0.2}};

	x[w->at.alpha] = starts[s - 1][0];
	if (w->at.u >= 0)
		x[w->at.u] = starts[s - 1][1];
	if (w->at.v >= 0)
		x[w->at.v] = starts[s - 1][2];
	if (w->at.phi >= 0)
		x[w->at.phi] = s == 2 ? PHI_MIN + 0.02 : PHI_MAX - 0.001;
	/* one trend for the whole series */
	if (s == 1 && w->at.slope >= 0 && w->n > 2 * w->m)
	{
		double		slope = (FcMean(w->y + w->n - w->m, w->m) - FcMean(w->y, w->m)) / (w->n - w->m);

		x[w->at.level] += (x[w->at.slope] - slope) * w->m / 2.0;
		x[w->at.slope] = slope;
		x[w->at.u] = 2 * ALPHA_MIN;
	}
}

/* The best of the starting points, wholly converged; x begins with the first. */
static bool
optimise(EtsWork *w, OptimProblem *problem, double *x)
{
	int			starts = w->options->starts;
	double		first[OPTIM_MAX_DIM],
				best[OPTIM_MAX_DIM],
				least = (double) INFINITY,
				tolerance = problem->tolerance;

	memcpy(first, x, w->at.dim * sizeof(double));
	if (starts > 1)
		problem->tolerance = Max(tolerance, ROUGH);
	for (int s = 0; s < starts; s++)
	{
		double		value;

		memcpy(x, first, w->at.dim * sizeof(double));
		if (s > 0)
			other_start(w, s, x);
		if (!make_feasible(w, x))
			continue;
		value = OptimBfgs(problem, x);
		if (value < least)
		{
			least = value;
			memcpy(best, x, w->at.dim * sizeof(double));
		}
	}
	if (!isfinite(least))
		return false;
	memcpy(x, best, w->at.dim * sizeof(double));
	problem->tolerance = tolerance;
	return (starts <= 1 || isfinite(OptimBfgs(problem, x))) && likelihood(w, x, NULL);
}

/*
 * False when the form does not suit the series: too short, or values that are
 * not positive where it divides.
 */
bool
EtsFitForm(const double *y, int n, int m, EtsForm form,
		   const EtsOptions *options, EtsFit *fit)
{
	EtsWork		w;
	double		x[OPTIM_MAX_DIM],
				lower[OPTIM_MAX_DIM],
				upper[OPTIM_MAX_DIM],
				scale[OPTIM_MAX_DIM];
	OptimProblem problem;
	double	   *memory;
	bool		ok;

	if (form.season == FC_SEASON_NONE)
		m = 1;
	if (form.season != FC_SEASON_NONE && (m < 2 || m > ETS_MAX_SEASON || n < m + 2))
		return false;
	if (n < 3)
		return false;
	if ((form.multiplicative_error || form.season == FC_SEASON_MULTIPLICATIVE) &&
		!FcIsPositive(y, n))
		return false;
	memset(&w, 0, sizeof(w));
	w.y = y;
	w.n = n;
	w.m = m;
	w.form = form;
	w.options = options;
	w.at = layout_of(form, m);
	memory = FcAlloc(5 * (size_t) n + 2 * m);
	w.q = memory;
	w.e = w.q + n;
	w.b = w.e + n;
	w.s = w.b + n;
	w.sbar = w.s + n + m;
	prepare(&w, x, lower, upper, scale);
	set_prior(&w, x);
	problem = (OptimProblem) {.fn = objective, .arg = &w, .dim = w.at.dim,
			.lower = lower, .upper = upper, .scale = scale,
			.max_iterations = options->max_iterations,
		/* without a season convergence costs next to nothing */
		.tolerance = w.at.season < 0 ? Min(options->tolerance, 1e-6) : options->tolerance,
	.interrupt = options->interrupt};
	ok = optimise(&w, &problem, x);
	if (ok)
		fill_fit(&w, x, fit);
	FcFree(memory);
	return ok;
}

/*
 * Every admissible form with additive trend that the series allows: 15, or 6
 * without a season.  Additive error with multiplicative season is left out,
 * since its forecast variance may be infinite (ibid., section 15.2).
 */
int
EtsFitAll(const double *y, int n, int m, const EtsOptions *options,
		  EtsFit *fits)
{
	int			count = 0;

	for (int error = 0; error < 2; error++)
		for (int trend = ETS_TREND_NONE; trend <= ETS_TREND_DAMPED; trend++)
			for (int season = FC_SEASON_NONE; season <= FC_SEASON_MULTIPLICATIVE; season++)
			{
				EtsForm		form = {error == 1, trend, season};

				if (!form.multiplicative_error && season == FC_SEASON_MULTIPLICATIVE)
					continue;
				if (season != FC_SEASON_NONE && (m < 2 || m > ETS_MAX_SEASON))
					continue;
				if (n <= EtsParameterCount(form, m) + 2)
					continue;
				if (EtsFitForm(y, n, m, form, options, &fits[count]) &&
					isfinite(fits[count].aicc))
					count++;
			}
	return count;
}

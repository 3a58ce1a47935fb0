/*-------------------------------------------------------------------------
 *
 * predict.c
 *	  A forecast from end to end: units, cleaning, regressors,
 *	  transformation, model, intervals, and the way back.  Pure.
 *
 * Values are scaled by a power of two, which loses nothing: thresholds mean
 * the same for cents and for billions, and squares do not overflow.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/boxcox.h"
#include "forecast/clean.h"
#include "forecast/regress.h"

#include "core/fmath.h"

#include <math.h>

/* Fits work on values below 2^SCALE_BITS. */
#define SCALE_BITS	10

const FcOptions FcDefaults = {
	.lower = -(double) INFINITY, .upper = (double) INFINITY, .seed = FC_SEED,
	.ridge = (double) NAN
};

/* Exponent that brings the largest value just below 2^SCALE_BITS. */
static int
scale_of(const double *y, int n)
{
	double		largest = 0;
	int			exponent;

	for (int t = 0; t < n; t++)
		largest = Max(largest, fabs(y[t]));
	if (largest == 0)
		return 0;
	frexp(largest, &exponent);
	return SCALE_BITS - exponent;
}

static double
unscaled(double x, int scale)
{
	double		value = ldexp(x, -scale);

	return isinf(value) ? (value > 0 ? 1.7976931348623157e308 : -1.7976931348623157e308) : value;
}

static void
unscale_ets(EtsFit *fit, int scale)
{
	double		shift = 2.0 * fit->n * scale * 0.69314718055994530942;

	fit->l0 = unscaled(fit->l0, scale);
	fit->b0 = unscaled(fit->b0, scale);
	fit->level = unscaled(fit->level, scale);
	fit->slope = unscaled(fit->slope, scale);
	if (fit->form.season == FC_SEASON_ADDITIVE)
		for (int i = 0; i < fit->m; i++)
		{
			fit->s0[i] = unscaled(fit->s0[i], scale);
			fit->season[i] = unscaled(fit->season[i], scale);
		}
	if (!fit->form.multiplicative_error)
		fit->sigma2 = unscaled(unscaled(fit->sigma2, scale), scale);
	fit->criterion -= shift;
	fit->aic -= shift;
	fit->aicc -= shift;
	fit->bic -= shift;
}

static void
unscale_member(FcMember *member, int scale)
{
	ThetaFit   *theta = &member->fit.theta;
	ArimaFit   *arima = &member->fit.arima;
	CesFit	   *ces = &member->fit.ces;
	CrostonFit *croston = &member->fit.croston;
	double		nats = scale * 0.69314718055994530942;

	switch (member->kind)
	{
		case FC_MEMBER_SIMPLE:
			return;
		case FC_MEMBER_ETS:
			unscale_ets(&member->fit.ets, scale);
			return;
		case FC_MEMBER_THETA:
			theta->l0 = unscaled(theta->l0, scale);
			theta->level = unscaled(theta->level, scale);
			theta->intercept = unscaled(theta->intercept, scale);
			theta->slope = unscaled(theta->slope, scale);
			theta->sigma2 = unscaled(unscaled(theta->sigma2, scale), scale);
			return;
		case FC_MEMBER_ARIMA:
			{
				double		used = arima->n - arima->order.d - arima->order.D * arima->order.m;

				arima->mean = unscaled(arima->mean, scale);
				arima->sigma2 = unscaled(unscaled(arima->sigma2, scale), scale);
				arima->loglik += used * nats;
				arima->aic -= 2 * used * nats;
				arima->aicc -= 2 * used * nats;
				arima->bic -= 2 * used * nats;
				return;
			}
		case FC_MEMBER_CES:
			ces->sigma2 = unscaled(unscaled(ces->sigma2, scale), scale);
			ces->loglik += ces->n * nats;
			ces->aicc -= 2 * ces->n * nats;
			return;
		case FC_MEMBER_CROSTON:
			croston->size = unscaled(croston->size, scale);
			croston->mean = unscaled(croston->mean, scale);
			croston->sigma2 = unscaled(unscaled(croston->sigma2, scale), scale);
			return;
	}
}

/* Forms whose forecast variance has no formula. */
static bool
needs_simulation(const FcDetail *detail)
{
	return detail->nmembers == 1 && detail->member[0].kind == FC_MEMBER_ETS &&
		!EtsVarianceIsAnalytic(detail->member[0].fit.ets.form);
}

/* Effects of the regressors on the coming steps, scaled like the series. */
typedef struct Effects
{
	int			k;
	double	   *future;			/* [h] */
} Effects;

static bool
take_effects(const FcRequest *given, int skip, FcRequest *q, double *y,
			 Effects *effects, FcDetail *detail)
{
	const FcOptions *o = given->options;
	int			k = o->nregressors,
				stride = given->n + given->h;
	double	   *beta = FcAlloc((size_t) k + q->n),
			   *rest = beta + k;
	bool		ok = FcRegress(y, q->n, o->regressors + skip, k, stride, o->ridge,
							   beta, rest, &detail->ridge);

	if (ok)
	{
		memcpy(y, rest, q->n * sizeof(double));
		for (int j = 0; j < q->h; j++)
		{
			effects->future[j] = 0;
			for (int i = 0; i < k; i++)
				effects->future[j] += beta[i] * o->regressors[(size_t) i * stride + given->n + j];
		}
		detail->nregressors = k;
		for (int i = 0; i < Min(k, FC_SHOWN_REGRESSORS); i++)
			detail->beta[i] = beta[i];
	}
	FcFree(beta);
	return ok;
}

static FcStatus
transform(const FcRequest *q, double *y, FcDetail *detail)
{
	const FcOptions *o = q->options;
	double		lambda = o->lambda;

	detail->lambda = (double) NAN;
	if (o->transform == FC_TRANSFORM_NONE)
		return FC_OK;
	if (o->transform == FC_TRANSFORM_AUTO)
		lambda = BoxCoxLambda(y, q->n, q->m);
	if (lambda <= 0 && !FcIsPositive(y, q->n))
		return FC_NEEDS_POSITIVE;
	detail->lambda = lambda;
	for (int t = 0; t < q->n; t++)
		y[t] = BoxCox(y[t], lambda);
	return FC_OK;
}

/* Steps in the transformed unit become steps in that of the series. */
static void
transform_back(const FcRequest *q, const FcDetail *detail, FcSteps *steps,
			   double *lower, double *upper)
{
	double		lambda = detail->lambda;

	for (int j = 0; j < q->h; j++)
	{
		double		w = steps->mean[j],
					v = steps->variance[j],
					slope = BoxCoxInverseSlope(w, lambda);

		for (int i = 0; i < q->nlevels; i++)
		{
			lower[j * q->nlevels + i] = BoxCoxInverse(lower[j * q->nlevels + i], lambda);
			upper[j * q->nlevels + i] = BoxCoxInverse(upper[j * q->nlevels + i], lambda);
		}
		steps->mean[j] = q->options->median || isnan(v) ? BoxCoxInverse(w, lambda) :
			BoxCoxMean(w, v, lambda);
		steps->variance[j] = v * slope * slope;
	}
}

static void
make_intervals(const FcRequest *q, const FcSteps *steps,
			   const FcDetail *detail, double *lower, double *upper)
{
	switch (q->options->interval)
	{
		case FC_INTERVAL_CONFORMAL:
		case FC_INTERVAL_ADAPTIVE:
			if (FcConformalIntervals(q, steps, lower, upper))
				return;
			break;
		case FC_INTERVAL_SIMULATED:
			if (FcSimulatedIntervals(q, steps, detail, lower, upper))
				return;
			break;
		case FC_INTERVAL_DEFAULT:
			if (needs_simulation(detail) &&
				FcSimulatedIntervals(q, steps, detail, lower, upper))
				return;
			break;
		case FC_INTERVAL_ANALYTIC:
			break;
	}
	FcNormalIntervals(q, steps, lower, upper);
}

/*
 * Totals: intervals of the steps do not add up, their variance does (see
 * interval.c); a total of simulated futures is a quantile of the totals.
 */
static void
make_totals(FcRequest *q, FcSteps *steps, const FcDetail *detail,
			double *lower, double *upper)
{
	int			every = q->options->sum;
	bool		simulated = q->options->interval == FC_INTERVAL_SIMULATED &&
	q->options->transform == FC_TRANSFORM_NONE &&
	FcSimulatedIntervals(q, steps, detail, lower, upper);

	FcSumSteps(q->h, every, steps);
	q->h = (q->h + every - 1) / every;
	if (!simulated)
		FcNormalIntervals(q, steps, lower, upper);
}

static void
clean(const FcRequest *q, double *y, FcDetail *detail)
{
	if (q->options->shifts)
		detail->shifts = FcAlignShifts(y, q->n, q->m, detail->shift_at);
	if (q->options->outliers)
		detail->outliers = FcReplaceOutliers(y, q->n, q->m, q->interrupt, NULL);
}

/* Everything between scaling and scaling back. */
static FcStatus
run(const FcRequest *given, FcRequest *q, int skip, double *y, FcSteps *steps,
	double *lower, double *upper, FcDetail *detail)
{
	const FcOptions *o = q->options;
	Effects		effects = {.k = o->nregressors};
	FcStatus	status;

	clean(q, y, detail);
	if (effects.k > 0)
	{
		effects.future = FcAlloc(q->h);
		if (!take_effects(given, skip, q, y, &effects, detail))
		{
			FcFree(effects.future);
			return FC_SINGULAR;
		}
	}
	status = transform(q, y, detail);
	if (status == FC_OK)
		status = FcRunModel(q, steps, detail);
	if (status == FC_OK)
	{
		if (o->sum == 0)
			make_intervals(q, steps, detail, lower, upper);
		if (!isnan(detail->lambda))
		{
			FcRequest	back = *q;

			back.nlevels = o->sum == 0 ? q->nlevels : 0;
			transform_back(&back, detail, steps, lower, upper);
		}
		for (int j = 0; effects.k > 0 && j < q->h; j++)
		{
			steps->mean[j] += effects.future[j];
			for (int i = 0; o->sum == 0 && i < q->nlevels; i++)
			{
				lower[j * q->nlevels + i] += effects.future[j];
				upper[j * q->nlevels + i] += effects.future[j];
			}
		}
		if (o->sum > 0)
			make_totals(q, steps, detail, lower, upper);
	}
	if (effects.k > 0)
		FcFree(effects.future);
	return status;
}

static double
bounded(double x, double low, double high)
{
	return x < low ? low : (x > high ? high : x);
}

FcStatus
FcForecast(const FcRequest *request, double *mean, double *lower,
		   double *upper, FcDetail *detail)
{
	FcRequest	given = *request,
				q;
	FcDetail   *d = detail;
	int			skip = Max(request->n - FC_MAX_FIT, 0),
				scale = scale_of(request->y + skip, request->n - skip);
	double	   *y;
	FcSteps		steps;
	FcStatus	status;
	bool		named_form = given.model.kind == FC_ETS_FORM ||
	given.model.kind == FC_ARIMA_ORDER ||
	(given.model.kind >= FC_SES && given.model.kind <= FC_HW_MULTIPLICATIVE);

	if (given.options == NULL)
		given.options = &FcDefaults;
	q = given;
	q.n -= skip;
	if (q.m > q.n && !named_form && q.model.kind != FC_SEASONAL_NAIVE)
		q.m = 1;
	y = FcAlloc((size_t) q.n + 3 * (size_t) q.h);
	steps = (FcSteps) {y + q.n, y + q.n + q.h, y + q.n + 2 * (size_t) q.h};
	for (int t = 0; t < q.n; t++)
		y[t] = ldexp(request->y[skip + t], scale);
	q.y = y;
	if (d == NULL)
		d = (FcDetail *) FcAlloc(sizeof(FcDetail) / sizeof(double) + 1);
	memset(d, 0, sizeof(*d));
	d->used = q.n;
	d->m = q.m;
	status = run(&given, &q, skip, y, &steps, lower, upper, d);
	if (status == FC_OK)
	{
		bool		floored = d->floored && given.options->nregressors == 0;
		double		low = given.options->lower,
					high = given.options->upper;
		int			per = Max(given.options->sum, 1);

		for (int j = 0; j < q.h; j++)
		{
			int			count = Min(per, given.h - j * per);
			double		a = low * count,
						b = high * count;

			mean[j] = bounded(unscaled(steps.mean[j], scale), a, b);
			for (int i = j * q.nlevels; i < (j + 1) * q.nlevels; i++)
			{
				lower[i] = bounded(unscaled(floored ? fmax(lower[i], 0) : lower[i], scale), a, b);
				upper[i] = bounded(unscaled(upper[i], scale), a, b);
			}
		}
		for (int i = 0; i < d->nmembers && isnan(d->lambda); i++)
			unscale_member(&d->member[i], scale);
		for (int i = 0; i < Min(d->nregressors, FC_SHOWN_REGRESSORS); i++)
			d->beta[i] = unscaled(d->beta[i], scale);
	}
	if (detail == NULL)
		FcFree((double *) d);
	FcFree(y);
	return status;
}

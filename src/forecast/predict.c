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

/* What the regressors add to the coming steps goes into future[h]. */
static bool
take_effects(const FcRequest *given, int skip, FcRequest *q, double *y,
			 double *future, FcDetail *detail)
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
			for (int i = 0; i < k; i++)
				future[j] += beta[i] * o->regressors[(size_t) i * stride + given->n + j];
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
 * interval.c); a total of simulated futures is a quantile of the totals, and
 * conformal ones are told by the totals of earlier origins.
 */
static void
make_totals(FcRequest *q, FcSteps *steps, const FcDetail *detail,
			double *lower, double *upper)
{
	int			every = q->options->sum;
	bool		plain = q->options->transform == FC_TRANSFORM_NONE,
				done = false;
	FcInterval	kind = q->options->interval;

	if (kind == FC_INTERVAL_SIMULATED && plain)
		done = FcSimulatedIntervals(q, steps, detail, lower, upper);
	FcSumSteps(q->h, every, steps, q->interrupt);
	if ((kind == FC_INTERVAL_CONFORMAL || kind == FC_INTERVAL_ADAPTIVE) && plain)
		done = FcConformalIntervals(q, steps, lower, upper);
	q->h = (q->h + every - 1) / every;
	if (!done)
		FcNormalIntervals(q, steps, lower, upper);
}

static bool
treats(const FcRequest *q, FcTreat how)
{
	if (how == FC_TREAT_DEFAULT)
		return q->model.kind == FC_AUTO && q->m == FC_WEEK && q->n >= 4 * FC_WEEK;
	return how == FC_TREAT_ALWAYS;
}

/*
 * Outliers are replaced; those above that come month by month are a fee, and
 * what they had on top of the value that replaced them comes again in the
 * future: extra[h].
 */
static void
treat_outliers(const FcRequest *q, double *y, double *extra, FcDetail *detail)
{
	int			n = q->n,
			   *at = (int *) FcAlloc((size_t) n + q->h + 2),
			   *next = at + n;
	double	   *before = FcAlloc(2 * (size_t) n),
			   *size = before + n;
	bool	   *flag = (bool *) FcAlloc(n / sizeof(double) + 1);
	int			k = 0,
				coming;

	memcpy(before, y, n * sizeof(double));
	detail->outliers = FcReplaceOutliers(y, n, q->m, q->interrupt, flag);
	for (int t = 0; t < n; t++)
		if (flag[t] && before[t] > y[t])
		{
			at[k] = t;
			size[k++] = before[t] - y[t];
		}
	coming = k > 0 ? FcMonthlySpikes(at, size, k, q->h + n - 1 - at[k - 1], next) : 0;
	for (int i = 0; i < coming; i++)
	{
		int			j = at[k - 1] + next[i] - n;

		if (j < 0 || j >= q->h)
			continue;
		detail->spike = FcMedianOf(size, k);
		extra[j] += detail->spike;
		detail->spikes++;
	}
	FcFree(flag);
	FcFree(before);
	FcFree(at);
}

static void
clean(const FcRequest *q, double *y, double *extra, FcDetail *detail)
{
	double		was[FC_LATE_DAYS];

	if (q->options->outliers != FC_TREAT_NEVER && treats(q, FC_TREAT_DEFAULT))
	{
		detail->gaps = FcFillGaps(y, q->n, q->m);
		detail->late = FcMaskLate(y, q->n, q->m, was);
	}
	if (treats(q, q->options->shifts))
		detail->shifts = FcAlignShifts(y, q->n, q->m, detail->shift_at, detail->shift_size);
	/* where most values are zero, what is not is no outlier */
	if (treats(q, q->options->outliers) &&
		!(q->options->outliers == FC_TREAT_DEFAULT && FcMostlyZero(y, q->n)))
		treat_outliers(q, y, extra, detail);
}

/* Everything between scaling and scaling back. */
static FcStatus
run(const FcRequest *given, FcRequest *q, int skip, int scale, double *y,
	FcSteps *steps, double *lower, double *upper, FcDetail *detail)
{
	const FcOptions *o = q->options;
	int			h = q->h;
	double	   *extra = FcAlloc(2 * (size_t) h),
			   *fees = extra + h;
	FcStatus	status = FC_OK;

	memset(extra, 0, 2 * (size_t) h * sizeof(double));
	clean(q, y, fees, detail);
	if (o->nregressors > 0 && !take_effects(given, skip, q, y, extra, detail))
		status = FC_SINGULAR;
	for (int j = 0; j < h; j++)
	{
		if (given->extras != NULL)
		{
			given->extras->regressors[j] = unscaled(extra[j], scale);
			given->extras->fees[j] = unscaled(fees[j], scale);
		}
		extra[j] += fees[j];
	}
	if (status == FC_OK)
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
		for (int j = 0; j < h; j++)
		{
			steps->mean[j] += extra[j];
			for (int i = 0; o->sum == 0 && i < q->nlevels; i++)
			{
				lower[j * q->nlevels + i] += extra[j];
				upper[j * q->nlevels + i] += extra[j];
			}
		}
		if (o->sum > 0)
			make_totals(q, steps, detail, lower, upper);
	}
	FcFree(extra);
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
	status = run(&given, &q, skip, scale, y, &steps, lower, upper, d);
	if (status == FC_OK)
	{
		bool		floored = d->floored && given.options->nregressors == 0;
		double		low = given.options->lower,
					high = given.options->upper;
		int			per = Max(given.options->sum, 1);

		for (int j = 0; j < q.h; j++)
		{
			int			count = Min(per, given.h - j * per);
			double		a = floored ? fmax(low * count, 0) : low * count,
						b = fmax(high * count, a);

			mean[j] = bounded(unscaled(steps.mean[j], scale), a, b);
			for (int i = j * q.nlevels; i < (j + 1) * q.nlevels; i++)
			{
				lower[i] = bounded(unscaled(lower[i], scale), a, b);
				upper[i] = bounded(unscaled(upper[i], scale), a, b);
			}
		}
		for (int i = 0; i < d->nmembers && isnan(d->lambda); i++)
			unscale_member(&d->member[i], scale);
		for (int i = 0; i < Min(d->nregressors, FC_SHOWN_REGRESSORS); i++)
			d->beta[i] = unscaled(d->beta[i], scale);
		d->spike = unscaled(d->spike, scale);
		for (int i = 0; i < d->shifts; i++)
			d->shift_size[i] = unscaled(d->shift_size[i], scale);
	}
	if (detail == NULL)
		FcFree((double *) d);
	FcFree(y);
	return status;
}

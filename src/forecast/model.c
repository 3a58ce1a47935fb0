/*-------------------------------------------------------------------------
 *
 * model.c
 *	  Models by name; the automatic model.  Pure.
 *
 * auto is the plain mean of three forecasters that err differently:
 *
 *	  exponential smoothing	 all admissible forms, shrunk estimation, the
 *							 forecasts averaged with Akaike weights
 *							 exp(-(AICc - min)/2) (Burnham and Anderson
 *							 2002, Model Selection, section 2.9) instead of
 *							 choosing one;
 *	  optimised theta		 on the series without its season;
 *	  dynamic optimised theta the same.
 *
 * The season of the theta members changes over time (FcAdaptiveSeason): the
 * constant factors of the classical method are what makes theta weak on long
 * seasonal series.  A season longer than ETS_MAX_SEASON is taken out before
 * smoothing as well.
 *
 * A series of positive values gets no forecast below half of its smallest
 * observation, so that an extrapolated line does not turn negative.
 *
 * Intervals are normal.  A variance estimated from one fit knows nothing of
 * the uncertainty of parameters and of the choice of model, so those of auto
 * are widened with calibration(); see there.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/models.h"

#include "core/fmath.h"

#include <math.h>

/* Forms further from the best AICc than this are left out (weight 1e-6). */
#define LEAST_SUPPORT	27.6

/* From this strength on auto takes the season out. */
#define SEASON_STRENGTH 0.1

#define CAL_LEVEL	1.16
#define CAL_SHORT	7.0
#define CAL_STEP	1.3

/* Fits work on values below 2^SCALE_BITS, see FcForecast. */
#define SCALE_BITS	10

typedef struct ModelName
{
	const char *name;
	FcModelKind kind;
	EtsForm		form;
} ModelName;

static const ModelName model_names[] = {
	{"auto", FC_AUTO, {0}},
	{"naive", FC_NAIVE, {0}},
	{"seasonal_naive", FC_SEASONAL_NAIVE, {0}},
	{"snaive", FC_SEASONAL_NAIVE, {0}},
	{"drift", FC_DRIFT, {0}},
	{"mean", FC_MEAN, {0}},
	{"ses", FC_SES, {false, ETS_TREND_NONE, FC_SEASON_NONE}},
	{"holt", FC_HOLT, {false, ETS_TREND_ADDITIVE, FC_SEASON_NONE}},
	{"damped", FC_DAMPED, {false, ETS_TREND_DAMPED, FC_SEASON_NONE}},
	{"holt_winters", FC_HW_ADDITIVE,
	{false, ETS_TREND_ADDITIVE, FC_SEASON_ADDITIVE}},
	{"holt_winters_multiplicative", FC_HW_MULTIPLICATIVE,
	{false, ETS_TREND_ADDITIVE, FC_SEASON_MULTIPLICATIVE}},
	{"ets", FC_ETS, {0}},
	{"theta", FC_THETA, {0}},
	{"otm", FC_OTM, {0}},
	{"dotm", FC_DOTM, {0}},
};

/* Names in any case; also forms such as "ETS(A,Ad,N)" and "AAdN". */
bool
FcModelFromName(const char *name, FcModel *model)
{
	for (int i = 0; i < (int) lengthof(model_names); i++)
	{
		const char *a = model_names[i].name,
				   *b = name;

		while (*a != '\0' && *a == (*b >= 'A' && *b <= 'Z' ? *b + 32 : *b))
			a++, b++;
		if (*a == '\0' && *b == '\0')
		{
			model->kind = model_names[i].kind;
			model->form = model_names[i].form;
			return true;
		}
	}
	model->kind = FC_ETS_FORM;
	return EtsFormFromName(name, &model->form);
}

const char *
FcModelName(const FcModel *model, char *buf)
{
	for (int i = 0; i < (int) lengthof(model_names); i++)
		if (model_names[i].kind == model->kind)
			return model_names[i].name;
	return EtsFormName(model->form, buf);
}

/* ---------------------------------------------------------------------
 * Intervals
 * ---------------------------------------------------------------------
 */

/* Normal intervals from the variance; NaN when there is none. */
static void
normal_intervals(const FcRequest *q, const double *mean,
				 const double *variance, double *lower, double *upper)
{
	for (int i = 0; i < q->nlevels; i++)
	{
		double		z = FmathNormQuantile(0.5 + q->levels[i] / 200);

		for (int j = 0; j < q->h; j++)
		{
			double		half = z * sqrt(Max(variance[j], 0));

			if (isnan(variance[j]))
				half = variance[j];
			lower[j * q->nlevels + i] = mean[j] - half;
			upper[j * q->nlevels + i] = mean[j] + half;
		}
	}
}

static int
compare_doubles(const void *a, const void *b)
{
	double		x = *(const double *) a,
				y = *(const double *) b;

	return x < y ? -1 : (x > y ? 1 : 0);
}

/* Quantiles of simulated futures, for forms without a variance formula. */
static void
simulated_intervals(const FcRequest *q, const EtsFit *fit,
					double *lower, double *upper)
{
	/* long horizons with fewer paths, so that memory stays below 64 MB */
	int			paths = (int) Min(FC_PATHS, Max(200, 8000000 / q->h));
	double	   *path = FcAlloc(q->h),
			   *all = FcAlloc((size_t) q->h * paths);
	FmathRandom random;

	FmathSeed(&random, FC_SEED);
	for (int k = 0; k < paths; k++)
	{
		EtsSimulate(fit, q->h, &random, path);
		for (int j = 0; j < q->h; j++)
			all[(size_t) j * paths + k] = path[j];
		if (q->interrupt != NULL && k % 16 == 0)
			q->interrupt();
	}
	for (int j = 0; j < q->h; j++)
	{
		double	   *sample = all + (size_t) j * paths;

		qsort(sample, paths, sizeof(double), compare_doubles);
		for (int i = 0; i < q->nlevels; i++)
		{
			int			cut = (int) ((0.5 - q->levels[i] / 200) * (paths - 1) + 0.5);

			lower[j * q->nlevels + i] = sample[cut];
			upper[j * q->nlevels + i] = sample[paths - 1 - cut];
		}
	}
	FcFree(all);
	FcFree(path);
}

/* ---------------------------------------------------------------------
 * Members
 * ---------------------------------------------------------------------
 */
static FcMember *
add_member(FcDetail *detail, const char *name, double weight)
{
	FcMember   *member = &detail->member[detail->nmembers++];

	memset(member, 0, sizeof(*member));
	member->name = name;
	member->weight = weight;
	return member;
}

static void
put_back_season(FcSeasonKind kind, const double *next, int m, int h,
				double *mean, double *variance)
{
	if (kind == FC_SEASON_NONE)
		return;
	for (int j = 0; j < h; j++)
	{
		double		factor = next[j % m];

		if (kind == FC_SEASON_MULTIPLICATIVE)
		{
			mean[j] *= factor;
			variance[j] *= factor * factor;
		}
		else
			mean[j] += factor;
	}
}

static FcSeasonKind
season_kind(const double *y, int n, int m)
{
	if (!FcSeasonIsSignificant(y, n, m))
		return FC_SEASON_NONE;
	return FcIsPositive(y, n) ? FC_SEASON_MULTIPLICATIVE : FC_SEASON_ADDITIVE;
}

/* The theta models by name use the constant season of their papers. */
static FcStatus
theta_by_name(const FcRequest *q, ThetaKind kind, const char *name,
			  double *mean, double *variance, FcDetail *detail)
{
	double	   *memory = FcAlloc(q->n + 2 * q->m),
			   *factor = memory + q->n,
			   *next = factor + q->m;
	FcMember   *member = add_member(detail, name, 1);
	bool		ok;

	memcpy(memory, q->y, q->n * sizeof(double));
	detail->adjusted = season_kind(q->y, q->n, q->m);
	if (detail->adjusted != FC_SEASON_NONE)
	{
		FcClassicalSeason(q->y, q->n, q->m, detail->adjusted, factor);
		for (int t = 0; t < q->n; t++)
			memory[t] = detail->adjusted == FC_SEASON_MULTIPLICATIVE ?
				q->y[t] / factor[t % q->m] : q->y[t] - factor[t % q->m];
		for (int i = 0; i < q->m; i++)
			next[i] = factor[(q->n + i) % q->m];
	}
	ok = ThetaFitSeries(memory, q->n, kind, &member->theta);
	if (ok)
	{
		member->is_theta = true;
		ThetaForecast(&member->theta, q->h, mean, variance);
		put_back_season(detail->adjusted, next, q->m, q->h, mean, variance);
	}
	FcFree(memory);
	return ok ? FC_OK : FC_TOO_SHORT;
}

/* A smoothing form by name: maximum likelihood. */
static FcStatus
ets_by_name(const FcRequest *q, double *mean, double *variance,
			double *lower, double *upper, FcDetail *detail)
{
	EtsForm		form = q->model.form;
	EtsOptions	options = EtsMaximumLikelihood;
	FcMember   *member = add_member(detail, NULL, 1);
	bool		positive = FcIsPositive(q->y, q->n);

	options.interrupt = q->interrupt;
	if (form.season != FC_SEASON_NONE && q->m < 2)
		return FC_NEEDS_SEASON;
	if (form.season != FC_SEASON_NONE && q->m > ETS_MAX_SEASON)
		return FC_SEASON_TOO_LONG;
	if (!positive &&
		(form.multiplicative_error || form.season == FC_SEASON_MULTIPLICATIVE))
		return FC_NEEDS_POSITIVE;
	if (!EtsFitForm(q->y, q->n, q->m, form, &options, &member->ets))
		return FC_TOO_SHORT;
	EtsForecast(&member->ets, q->h, mean);
	if (EtsVarianceIsAnalytic(form))
	{
		EtsVariance(&member->ets, q->h, mean, variance);
		normal_intervals(q, mean, variance, lower, upper);
	}
	else
		simulated_intervals(q, &member->ets, lower, upper);
	return FC_OK;
}

/* One form chosen by AICc from maximum-likelihood fits. */
static FcStatus
ets_chosen(const FcRequest *q, double *mean, double *variance,
		   FcDetail *detail)
{
	EtsFit	   *fits = (EtsFit *) FcAlloc(ETS_MAX_FORMS * sizeof(EtsFit) / sizeof(double) + 1);
	EtsOptions	options = EtsMaximumLikelihood;
	int			n,
				best = 0;

	options.interrupt = q->interrupt;
	n = EtsFitAll(q->y, q->n, q->m, &options, fits);
	for (int i = 1; i < n; i++)
		if (fits[i].aicc < fits[best].aicc)
			best = i;
	if (n > 0)
	{
		add_member(detail, NULL, 1)->ets = fits[best];
		EtsForecast(&fits[best], q->h, mean);
		EtsVariance(&fits[best], q->h, mean, variance);
	}
	FcFree(fits);
	return n > 0 ? FC_OK : FC_TOO_SHORT;
}

/* ---------------------------------------------------------------------
 * The automatic model
 * ---------------------------------------------------------------------
 */
typedef struct Blend
{
	const FcRequest *q;
	FcDetail   *detail;
	double		floor;			/* -INFINITY: none */
	double		members;		/* forecasters blended so far */
	double	   *mean;
	double	   *sd;				/* mean of standard deviations */
	double	   *work;			/* [2h] */
} Blend;

static void
blend(Blend *b, const double *mean, const double *sd)
{
	for (int j = 0; j < b->q->h; j++)
	{
		b->mean[j] += Max(mean[j], b->floor);
		b->sd[j] += sd[j];
	}
	b->members++;
}

/*
 * All forms with Akaike weights.  The spread between the forms is part of
 * the variance (ibid., equation 4.9 of Burnham and Anderson).
 */
static void
blend_smoothing(Blend *b, const double *y, int m, FcSeasonKind kind,
				const double *next)
{
	const FcRequest *q = b->q;
	EtsFit	   *fits = (EtsFit *) FcAlloc(ETS_MAX_FORMS * sizeof(EtsFit) / sizeof(double) + 1);
	EtsOptions	options = EtsShrunk;
	double	   *mean = FcAlloc(4 * (size_t) q->h),
			   *square = mean + q->h,
			   *one = square + q->h,
			   *variance = one + q->h,
				best = (double) INFINITY,
				total = 0;
	int			n;

	options.interrupt = q->interrupt;
	n = EtsFitAll(y, q->n, m, &options, fits);
	for (int i = 0; i < n; i++)
		best = Min(best, fits[i].aicc);
	for (int i = 0; i < n; i++)
		if (fits[i].aicc - best < LEAST_SUPPORT)
			total += FmathExp(-(fits[i].aicc - best) / 2);
	memset(mean, 0, 2 * (size_t) q->h * sizeof(double));
	for (int i = 0; i < n; i++)
	{
		double		weight = FmathExp(-(fits[i].aicc - best) / 2) / total;

		if (fits[i].aicc - best >= LEAST_SUPPORT)
			continue;
		EtsForecast(&fits[i], q->h, one);
		EtsVariance(&fits[i], q->h, one, variance);
		for (int j = 0; j < q->h; j++)
		{
			mean[j] += weight * one[j];
			square[j] += weight * (variance[j] + one[j] * one[j]);
		}
		add_member(b->detail, NULL, weight)->ets = fits[i];
	}
	if (n > 0)
	{
		for (int j = 0; j < q->h; j++)
			variance[j] = Max(square[j] - mean[j] * mean[j], 0);
		put_back_season(kind, next, q->m, q->h, mean, variance);
		for (int j = 0; j < q->h; j++)
			variance[j] = sqrt(variance[j]);
		blend(b, mean, variance);
	}
	FcFree(mean);
	FcFree(fits);
}

static void
blend_theta(Blend *b, const double *adjusted, ThetaKind kind,
			const char *name, const double *next)
{
	const FcRequest *q = b->q;
	double	   *mean = b->work,
			   *variance = b->work + q->h;
	FcMember   *member;
	ThetaFit	fit;

	if (!ThetaFitSeries(adjusted, q->n, kind, &fit))
		return;
	member = add_member(b->detail, name, 1);
	member->theta = fit;
	member->is_theta = true;
	ThetaForecast(&fit, q->h, mean, variance);
	put_back_season(b->detail->adjusted, next, q->m, q->h, mean, variance);
	for (int j = 0; j < q->h; j++)
		variance[j] = sqrt(variance[j]);
	blend(b, mean, variance);
}

/* Weights so far sum to one per forecaster; make them sum to one. */
static void
finish_blend(Blend *b, double *variance)
{
	for (int i = 0; i < b->detail->nmembers; i++)
		b->detail->member[i].weight /= b->members;
	for (int j = 0; j < b->q->h; j++)
	{
		b->mean[j] /= b->members;
		b->sd[j] /= b->members;
		variance[j] = b->sd[j] * b->sd[j];
	}
}

/*
 * Factor on the standard deviation of auto: what the 95 percent intervals
 * lacked on the M-competition of 1982 and the tourism competition.  Short
 * series know their variance and their trend badly, and a far horizon makes
 * more of a wrong trend.
 */
static double
calibration(int n, int step)
{
	return (CAL_LEVEL + CAL_SHORT / n) * (1 + CAL_STEP * (step + 1) / n);
}

/* Too short for a fit: the last value, with what variance there is. */
static void
auto_short(const FcRequest *q, double *mean, double *variance,
		   FcDetail *detail)
{
	SimpleNaive(q->y, q->n, 1, q->h, mean, variance);
	if (q->n < 2)
		for (int j = 0; j < q->h; j++)
			variance[j] = (double) NAN;
	add_member(detail, "naive", 1);
}

static void
auto_model(const FcRequest *q, double *mean, double *variance,
		   FcDetail *detail)
{
	double	   *memory;
	double	   *adjusted,
			   *next;
	Blend		b = {.q = q, .detail = detail, .floor = -(double) INFINITY};

	if (q->n < 5 || FcIsConstant(q->y, q->n))
	{
		auto_short(q, mean, variance, detail);
		return;
	}
	memory = FcAlloc((size_t) q->n + q->m + 3 * (size_t) q->h);
	adjusted = memory;
	next = adjusted + q->n;
	b.work = next + q->m;
	b.sd = b.work + 2 * (size_t) q->h;
	b.mean = mean;
	memset(mean, 0, q->h * sizeof(double));
	memset(b.sd, 0, q->h * sizeof(double));
	if (FcIsPositive(q->y, q->n))
	{
		b.floor = q->y[0];
		for (int t = 1; t < q->n; t++)
			b.floor = Min(b.floor, q->y[t]);
		b.floor /= 2;
		detail->floored = true;
	}
	detail->adjusted = season_kind(q->y, q->n, q->m);
	if (detail->adjusted == FC_SEASON_NONE &&
		FcSeasonStrength(q->y, q->n, q->m) > SEASON_STRENGTH)
		detail->adjusted = detail->floored ?
			FC_SEASON_MULTIPLICATIVE : FC_SEASON_ADDITIVE;
	if (detail->adjusted != FC_SEASON_NONE)
		FcAdaptiveSeason(q->y, q->n, q->m, detail->adjusted, adjusted, next);
	else
		memcpy(adjusted, q->y, q->n * sizeof(double));
	if (q->m > ETS_MAX_SEASON)
		blend_smoothing(&b, adjusted, 1, detail->adjusted, next);
	else
		blend_smoothing(&b, q->y, q->m, FC_SEASON_NONE, next);
	blend_theta(&b, adjusted, THETA_OPTIMISED, "otm", next);
	blend_theta(&b, adjusted, THETA_DYNAMIC, "dotm", next);
	finish_blend(&b, variance);
	for (int j = 0; j < q->h; j++)
		variance[j] *= calibration(q->n, j) * calibration(q->n, j);
	FcFree(memory);
}

static FcStatus
forecast_by_model(const FcRequest *q, double *mean, double *variance,
				  double *lower, double *upper, FcDetail *detail)
{
	switch (q->model.kind)
	{
		case FC_AUTO:
			auto_model(q, mean, variance, detail);
			return FC_OK;
		case FC_NAIVE:
			auto_short(q, mean, variance, detail);
			return FC_OK;
		case FC_SEASONAL_NAIVE:
			if (q->n < q->m)
				return FC_TOO_SHORT;
			SimpleNaive(q->y, q->n, q->m, q->h, mean, variance);
			if (q->n == q->m)
				for (int j = 0; j < q->h; j++)
					variance[j] = (double) NAN;
			add_member(detail, "seasonal_naive", 1);
			return FC_OK;
		case FC_DRIFT:
			if (q->n < 3)
				return FC_TOO_SHORT;
			SimpleDrift(q->y, q->n, q->h, mean, variance);
			add_member(detail, "drift", 1);
			return FC_OK;
		case FC_MEAN:
			if (q->n < 2)
				return FC_TOO_SHORT;
			SimpleMean(q->y, q->n, q->h, mean, variance);
			add_member(detail, "mean", 1);
			return FC_OK;
		case FC_ETS:
			return ets_chosen(q, mean, variance, detail);
		case FC_SES:
		case FC_HOLT:
		case FC_DAMPED:
		case FC_HW_ADDITIVE:
		case FC_HW_MULTIPLICATIVE:
		case FC_ETS_FORM:
			return ets_by_name(q, mean, variance, lower, upper, detail);
		case FC_THETA:
			return theta_by_name(q, THETA_STANDARD, "theta", mean, variance, detail);
		case FC_OTM:
			return theta_by_name(q, THETA_OPTIMISED, "otm", mean, variance, detail);
		case FC_DOTM:
			return theta_by_name(q, THETA_DYNAMIC, "dotm", mean, variance, detail);
	}
	return FC_TOO_SHORT;
}

/* ---------------------------------------------------------------------
 * Units
 * ---------------------------------------------------------------------
 */

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
unscale_detail(FcDetail *detail, int scale)
{
	for (int i = 0; i < detail->nmembers; i++)
	{
		FcMember   *member = &detail->member[i];

		if (member->is_theta)
		{
			member->theta.l0 = unscaled(member->theta.l0, scale);
			member->theta.level = unscaled(member->theta.level, scale);
			member->theta.intercept = unscaled(member->theta.intercept, scale);
			member->theta.slope = unscaled(member->theta.slope, scale);
			member->theta.sigma2 = unscaled(unscaled(member->theta.sigma2, scale), scale);
		}
		else if (member->name == NULL)
			unscale_ets(&member->ets, scale);
	}
}

/*
 * Values are scaled by a power of two, which loses nothing: thresholds mean
 * the same for cents and for billions, and squares do not overflow.
 */
FcStatus
FcForecast(const FcRequest *request, double *mean, double *lower,
		   double *upper, FcDetail *detail)
{
	FcRequest	q = *request;
	FcDetail   *d = detail;
	int			skip = Max(request->n - FC_MAX_FIT, 0),
				scale = scale_of(request->y + skip, request->n - skip);
	double	   *y,
			   *variance;
	FcStatus	status;
	bool		has_own_intervals = q.model.kind == FC_ETS_FORM ||
	(q.model.kind >= FC_SES && q.model.kind <= FC_HW_MULTIPLICATIVE);

	q.n -= skip;
	if (q.m > q.n && !has_own_intervals && q.model.kind != FC_SEASONAL_NAIVE)
		q.m = 1;
	y = FcAlloc((size_t) q.n + q.h);
	variance = y + q.n;
	for (int t = 0; t < q.n; t++)
		y[t] = ldexp(request->y[skip + t], scale);
	q.y = y;
	if (d == NULL)
		d = (FcDetail *) FcAlloc(sizeof(FcDetail) / sizeof(double) + 1);
	memset(d, 0, sizeof(*d));
	status = forecast_by_model(&q, mean, variance, lower, upper, d);
	if (status == FC_OK)
	{
		if (!has_own_intervals)
			normal_intervals(&q, mean, variance, lower, upper);
		for (int j = 0; j < q.h; j++)
			mean[j] = unscaled(mean[j], scale);
		for (int i = 0; i < q.h * q.nlevels; i++)
		{
			lower[i] = unscaled(d->floored ? fmax(lower[i], 0) : lower[i], scale);
			upper[i] = unscaled(upper[i], scale);
		}
		unscale_detail(d, scale);
		d->used = q.n;
		d->m = q.m;
	}
	if (detail == NULL)
		FcFree(d);
	FcFree(y);
	return status;
}

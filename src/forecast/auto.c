/*-------------------------------------------------------------------------
 *
 * auto.c
 *	  The automatic model.  Pure.
 *
 * auto is the plain mean of forecasters that err differently:
 *
 *	  exponential smoothing	 all admissible forms, shrunk estimation, the
 *							 forecasts averaged with Akaike weights
 *							 exp(-(AICc - min)/2) (Burnham and Anderson
 *							 2002, Model Selection, section 2.9) instead of
 *							 choosing one;
 *	  optimised theta		 on the series without its season;
 *	  dynamic optimised theta the same;
 *	  ARIMA					 of long series: a short one tells its orders too
 *							 badly to be worth a vote.
 *
 * The season of the theta members changes over time (FcAdaptiveSeason): the
 * constant factors of the classical method are what makes theta weak on long
 * seasonal series.  A season of ETS_MAX_SEASON steps or more is taken out for
 * all members, with a week of days in it where that helps, and forecasts by
 * blocks (blocks.c) count as much as all of them: a day of hours is such a
 * season, and a week of days has blocks too.  A long series without a season
 * is searched for a year of weeks.
 *
 * A series without negative values gets no forecast below half of its smallest
 * observation, so that an extrapolated line does not turn negative.
 *
 * An intermittent series (demand less often than every 1.32 steps: Syntetos,
 * Boylan and Croston 2005, Journal of the Operational Research Society 56)
 * that has no season is forecast by TSB, SBA, smoothing and dynamic theta,
 * times the probability that demand has not ended for good.
 *
 * Intervals are normal.  A variance estimated from one fit knows nothing of
 * the uncertainty of parameters and of the choice of model, so those of auto
 * are widened with calibration(); those of long series and long seasons by
 * what their own past lacked.
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

/*
 * Shorter series say too little about an ARIMA model; of long seasons it adds
 * nothing to the others but its cost.
 */
#define ARIMA_FROM		48
#define ARIMA_FROM_SEASONAL	30
#define ARIMA_SEASON	7
#define FINALISTS		3

#define INTERMITTENT_SEASON	0.03
#define ENDINGS			0.25	/* expected over the length of the series */

#define WEEKS			52
#define HIDDEN_GAIN		0.15

/* Series so long are calibrated by their own past. */
#define OWN_FROM		150
#define MOST_ORIGINS	6
#define LEAST_OWN		0.7
#define MOST_OWN		3.0

#define SHIFTED_SHARE	0.75	/* of the mean of days since a level shift */

#define BREAK_ORIGINS	8
#define BREAK_USUAL		2.2
#define BREAK_MOST		1.5

#define CAL_LEVEL	1.16
#define CAL_SHORT	7.0
#define CAL_STEP	1.3
#define CAL_TREND	10.0

static void auto_run(const FcRequest *given, FcSteps *out, FcDetail *detail,
					 bool final);

typedef struct Blend
{
	const FcRequest *q;
	FcDetail   *detail;
	double		floor;			/* -INFINITY: none */
	double		members;		/* forecasters blended so far */
	FcSteps	   *out;			/* sums; the variance is one of deviations */
	FcSteps		one;			/* [h] of a forecaster */
	double	   *adjusted;		/* [n] without its seasons */
	double	   *next;			/* [period] their factors after the series */
	int			period;
} Blend;

static void
blend(Blend *b)
{
	for (int j = 0; j < b->q->h; j++)
	{
		b->out->mean[j] += Max(b->one.mean[j], b->floor);
		b->out->variance[j] += sqrt(Max(b->one.variance[j], 0));
		b->out->psi[j] += b->one.psi[j];
	}
	b->members++;
}

/*
 * All forms with Akaike weights.  The spread between the forms is part of
 * the variance (ibid., equation 4.9 of Burnham and Anderson).
 */
static void
blend_smoothing(Blend *b, bool adjusted)
{
	const FcRequest *q = b->q;
	int			h = q->h,
				n;
	EtsFit	   *fits = (EtsFit *) FcAlloc(ETS_MAX_FORMS * sizeof(EtsFit) / sizeof(double) + 1);
	EtsOptions	options = EtsShrunk;
	double	   *memory = FcAlloc(3 * (size_t) h),
				best = (double) INFINITY,
				total = 0;
	FcSteps		one = {memory, memory + h, memory + 2 * h};

	options.interrupt = q->interrupt;
	n = EtsFitAll(adjusted ? b->adjusted : q->y, q->n, adjusted ? 1 : q->m, &options, fits);
	for (int i = 0; i < n; i++)
		best = Min(best, fits[i].aicc);
	for (int i = 0; i < n; i++)
		if (fits[i].aicc - best < LEAST_SUPPORT)
			total += FmathExp(-(fits[i].aicc - best) / 2);
	memset(b->one.mean, 0, h * sizeof(double));
	memset(b->one.variance, 0, h * sizeof(double));
	memset(b->one.psi, 0, h * sizeof(double));
	for (int i = 0; i < n; i++)
	{
		double		weight = FmathExp(-(fits[i].aicc - best) / 2) / total;

		if (fits[i].aicc - best >= LEAST_SUPPORT)
			continue;
		EtsSteps(&fits[i], h, &one);
		for (int j = 0; j < h; j++)
		{
			b->one.mean[j] += weight * one.mean[j];
			b->one.variance[j] += weight * (one.variance[j] + one.mean[j] * one.mean[j]);
			b->one.psi[j] += weight * one.psi[j];
		}
		FcAddMember(b->detail, FC_MEMBER_ETS, NULL, weight)->fit.ets = fits[i];
	}
	if (n > 0)
	{
		for (int j = 0; j < h; j++)
			b->one.variance[j] = Max(b->one.variance[j] - b->one.mean[j] * b->one.mean[j], 0);
		if (adjusted)
			FcPutBackSeason(b->detail->adjusted, b->next, b->period, h, &b->one);
		blend(b);
	}
	FcFree(memory);
	FcFree(fits);
}

static void
blend_theta(Blend *b, ThetaKind kind, const char *name)
{
	const FcRequest *q = b->q;
	ThetaFit	fit;

	if (!ThetaFitSeries(b->adjusted, q->n, kind, &fit))
		return;
	FcAddMember(b->detail, FC_MEMBER_THETA, name, 1)->fit.theta = fit;
	ThetaSteps(&fit, q->h, &b->one);
	FcPutBackSeason(b->detail->adjusted, b->next, b->period, q->h, &b->one);
	blend(b);
}

static void
blend_arima(Blend *b, bool adjusted)
{
	const FcRequest *q = b->q;
	const double *y = adjusted ? b->adjusted : q->y;
	ArimaFit	fit;

	if (!ArimaFitAuto(y, q->n, adjusted ? 1 : q->m, FINALISTS, q->interrupt, &fit))
		return;
	FcAddMember(b->detail, FC_MEMBER_ARIMA, NULL, 1)->fit.arima = fit;
	ArimaSteps(&fit, y, q->h, &b->one);
	if (adjusted)
		FcPutBackSeason(b->detail->adjusted, b->next, b->period, q->h, &b->one);
	blend(b);
}

/* Weights so far sum to one per forecaster; make them sum to one. */
static void
finish_blend(Blend *b)
{
	for (int i = 0; i < b->detail->nmembers; i++)
		b->detail->member[i].weight /= b->members;
	for (int j = 0; j < b->q->h; j++)
	{
		double		sd = b->out->variance[j] / b->members;

		b->out->mean[j] /= b->members;
		b->out->psi[j] /= b->members;
		b->out->variance[j] = sd * sd;
	}
}

/*
 * Factor on the standard deviation of auto: what the 95 percent intervals
 * lacked on the M-competition of 1982 and the tourism competition.  Short
 * series know their variance and their trend badly, and a far horizon makes
 * more of a wrong trend: with its square where nothing but the trend is
 * extrapolated, more slowly where a season ties the steps to earlier ones.
 */
static double
calibration(int n, int m, int step)
{
	double		share = (step + 1.0) / n;

	return (CAL_LEVEL + CAL_SHORT / n) *
		(1 + (m > 1 ? CAL_STEP : CAL_TREND * share) * share);
}

/* Too short for a fit: the last value, with what variance there is. */
static void
auto_short(const FcRequest *q, FcSteps *out, FcDetail *detail)
{
	SimpleNaive(q->y, q->n, 1, q->h, out);
	if (q->n < 2)
		for (int j = 0; j < q->h; j++)
			out->variance[j] = (double) NAN;
	FcAddMember(detail, FC_MEMBER_SIMPLE, "naive", 1);
}

/*
 * A year of weeks in a series that came without a season: only where earlier
 * years would have forecast later ones much better than no season.
 */
static int
hidden_season(const double *y, int n)
{
	return FcSeasonGain(y, n, WEEKS) > HIDDEN_GAIN ? WEEKS : 1;
}

/* Takes the season out, where there is one, and a longer one in it. */
static void
adjust_season(Blend *b)
{
	const FcRequest *q = b->q;
	FcDetail   *detail = b->detail;
	int			k = FcLongerSeason(q->m);

	detail->strength_season = Max(FcSeasonStrength(q->y, q->n, q->m), 0);
	detail->strength_trend = FcTrendStrength(q->y, q->n, q->m);
	detail->adjusted = FcSeasonKindOf(q->y, q->n, q->m);
	if (detail->adjusted == FC_SEASON_NONE &&
		detail->strength_season > SEASON_STRENGTH)
		detail->adjusted = FcIsPositive(q->y, q->n) ?
			FC_SEASON_MULTIPLICATIVE : FC_SEASON_ADDITIVE;
	b->period = q->m;
	if (detail->adjusted == FC_SEASON_NONE)
	{
		memcpy(b->adjusted, q->y, q->n * sizeof(double));
		return;
	}
	FcAdaptiveSeason(q->y, q->n, q->m, detail->adjusted, b->adjusted, b->next);
	detail->seasons[detail->nseasons++] = q->m;
	if (k > 1 && FcAdaptiveLonger(b->adjusted, q->n, q->m, k, detail->adjusted, b->next))
	{
		b->period = q->m * k;
		detail->seasons[detail->nseasons++] = b->period;
	}
}

/* What is in one gets a share of the forecast. */
static void
give_share(Blend *b, const char *name, double share)
{
	for (int i = 0; i < b->detail->nmembers; i++)
		b->detail->member[i].weight *= 1 - share;
	FcAddMember(b->detail, FC_MEMBER_SIMPLE, name, share);
	for (int j = 0; j < b->q->h; j++)
		b->out->mean[j] += share * (Max(b->one.mean[j], b->floor) - b->out->mean[j]);
}

/* A long season is shared out from its mean as well, with equal say. */
static void
add_blocks(Blend *b)
{
	const FcRequest *q = b->q;

	if (b->detail->adjusted == FC_SEASON_NONE || !FcBlocksApply(q))
		return;
	FcBlocksForecast(q, b->detail->adjusted, b->one.mean);
	give_share(b, "blocks", 0.5);
}

/*
 * What the rest of a month comes to: means and lines of weeks, equal say.
 * Within a month of a level shift weeks before it tell nothing more of the
 * level; then it is the mean of the days since, which smoothing takes too few
 * of.
 */
static void
add_levels(Blend *b)
{
	const FcRequest *q = b->q;
	bool		ratio = b->detail->adjusted == FC_SEASON_MULTIPLICATIVE ||
		(b->detail->adjusted == FC_SEASON_NONE && FcIsPositive(q->y, q->n));
	int			since = q->n;
	bool		fresh;

	for (int i = 0; i < b->detail->shifts; i++)
		since = Min(since, q->n - b->detail->shift_at[i]);
	fresh = since < 4 * FC_WEEK;
	if (fresh)
	{
		double		level = FcMean(b->adjusted + q->n - since, since);

		for (int j = 0; j < q->h; j++)
			b->one.mean[j] = level;
	}
	else if (!FcLevelsForecast(b->adjusted, q->n, ratio, q->h, b->one.mean))
		return;
	FcPutBackSeason(b->detail->adjusted, b->next, b->period, q->h, &b->one);
	give_share(b, "levels", fresh ? SHIFTED_SHARE : 0.5);
}

/*
 * Factor on the deviations of a long series: what its own forecasts from
 * earlier origins lacked.  The 95 percent point of the errors, in deviations,
 * stands at 1.96 when intervals are right; a little more, since few origins
 * see little.
 */
static double
own_calibration(const FcRequest *q)
{
	int			h = Max(q->h, Min(q->m, 24)),
				origins = Min(MOST_ORIGINS, q->n / 2 / h),
				count = 0;
	double	   *memory,
			   *score,
				factor;
	FcSteps		steps;
	FcDetail   *detail;

	if (origins < 3)
		return CAL_LEVEL;
	memory = FcAlloc((3 + (size_t) origins) * h);
	steps = (FcSteps) {memory, memory + h, memory + 2 * h};
	score = memory + 3 * h;
	detail = (FcDetail *) FcAlloc(sizeof(FcDetail) / sizeof(double) + 1);
	for (int k = 1; k <= origins; k++)
	{
		FcRequest	past = *q;

		past.n = q->n - k * h;
		past.h = h;
		memset(detail, 0, sizeof(*detail));
		auto_run(&past, &steps, detail, false);
		for (int j = 0; j < h; j++)
			if (steps.variance[j] > 0)
				score[count++] = fabs(q->y[past.n + j] - steps.mean[j]) / sqrt(steps.variance[j]);
	}
	qsort(score, count, sizeof(double), FcCompare);
	factor = count > 0 ? score[Min((int) (0.96 * (count + 1)), count - 1)] / 1.96 : 1;
	FcFree((double *) detail);
	FcFree(memory);
	return Min(Max(factor, LEAST_OWN), MOST_OWN);
}

/*
 * Did the past of this series break more often than others do?  Errors of
 * dynamic theta from earlier origins, on the series without its season, in
 * its own deviations: their 95 percent point against BREAK_USUAL.
 */
static double
break_factor(const Blend *b)
{
	const FcRequest *q = b->q;
	int			h = Max(Min(q->h, 24), 4),
				origins = Min(BREAK_ORIGINS, (q->n - 12) / 2 / h),
				count = 0;
	double	   *memory,
			   *score,
				point;
	FcSteps		steps;

	if (q->n < OWN_FROM || origins < 4)
		return 1;
	memory = FcAlloc((3 + (size_t) origins) * h);
	steps = (FcSteps) {memory, memory + h, memory + 2 * h};
	score = memory + 3 * h;
	for (int k = 1; k <= origins; k++)
	{
		int			n = q->n - k * h;
		ThetaFit	fit;

		if (!ThetaFitSeries(b->adjusted, n, THETA_DYNAMIC, &fit))
			continue;
		ThetaSteps(&fit, h, &steps);
		for (int j = 0; j < h; j++)
			if (steps.variance[j] > 0)
				score[count++] = fabs(b->adjusted[n + j] - steps.mean[j]) / sqrt(steps.variance[j]);
	}
	qsort(score, count, sizeof(double), FcCompare);
	point = count > 0 ? score[Min((int) (0.95 * (count + 1)), count - 1)] : BREAK_USUAL;
	FcFree(memory);
	return Min(Max(sqrt(point / BREAK_USUAL), 1), BREAK_MOST);
}

/* Forecasts from earlier origins do without what costs most. */
static void
blend_all(Blend *b, bool final)
{
	const FcRequest *q = b->q;
	bool		long_season = q->m >= ETS_MAX_SEASON,
				own = long_season || (q->m == 1 && q->n >= OWN_FROM);

	adjust_season(b);
	blend_smoothing(b, long_season);
	blend_theta(b, THETA_OPTIMISED, "otm");
	blend_theta(b, THETA_DYNAMIC, "dotm");
	if (long_season && final)
		blend_arima(b, true);
	else if ((!own || final) && q->m <= ARIMA_SEASON &&
			 q->n >= (q->m > 1 ? ARIMA_FROM_SEASONAL : ARIMA_FROM))
		blend_arima(b, false);
	finish_blend(b);
	if (long_season || q->m == FC_WEEK)
		add_blocks(b);
	if (q->m == FC_WEEK)
		add_levels(b);
	if (own && final)
	{
		double		factor = own_calibration(q);

		for (int j = 0; j < q->h; j++)
			b->out->variance[j] *= factor * factor;
	}
	else if (!own)
	{
		double		breaks = break_factor(b);

		for (int j = 0; j < q->h; j++)
		{
			double		factor = calibration(q->n, q->m, j) * breaks;

			b->out->variance[j] *= factor * factor;
		}
	}
}

/* A season says more than the class of demand: offices close at weekends. */
static bool
is_intermittent(const FcRequest *q)
{
	return FcIsIntermittent(q->y, q->n) &&
		(q->m == 1 || FcSeasonGain(q->y, q->n, q->m) < INTERMITTENT_SEASON);
}

/*
 * The probability that demand goes on after the zeros at the end.  Before
 * each step it ends for good with probability d; while it goes on there is
 * demand with probability p.  r zeros come about because it goes on,
 * ((1-d)(1-p))^r, or because it ended before one of them (Schmittlein,
 * Morrison and Colombo 1987, Management Science 33, in discrete time).
 */
static double
probability_alive(const double *y, int n)
{
	int			count = 0,
				last = -1;
	double		p,
				d = ENDINGS / n,
				stays = 1,
				ended = 0;

	for (int t = 0; t < n; t++)
		if (y[t] > 0)
		{
			count++;
			last = t;
		}
	/* Laplace's rule keeps p below one */
	p = (count + 1.0) / (last + 3.0);
	for (int t = last + 1; t < n; t++)
	{
		ended += stays * d;
		stays *= (1 - d) * (1 - p);
	}
	return stays / (stays + ended);
}

static void
blend_demand(Blend *b, CrostonKind kind, const char *name)
{
	CrostonFit	fit;

	if (!CrostonFitSeries(b->q->y, b->q->n, kind, &fit))
		return;
	FcAddMember(b->detail, FC_MEMBER_CROSTON, name, 1)->fit.croston = fit;
	CrostonSteps(&fit, b->q->h, &b->one);
	blend(b);
}

/* TSB comes first: it tells the class of demand. */
static void
blend_intermittent(Blend *b)
{
	FcRequest	flat = *b->q;
	const FcRequest *given = b->q;
	double		alive = probability_alive(flat.y, flat.n);

	flat.m = b->period = b->detail->m = 1;
	b->q = &flat;
	b->detail->intermittent = true;
	b->detail->strength_trend = FcTrendStrength(flat.y, flat.n, 1);
	memcpy(b->adjusted, flat.y, flat.n * sizeof(double));
	blend_demand(b, CROSTON_TSB, "tsb");
	blend_demand(b, CROSTON_SBA, "sba");
	blend_smoothing(b, false);
	blend_theta(b, THETA_DYNAMIC, "dotm");
	finish_blend(b);
	for (int j = 0; j < flat.h; j++)
	{
		double		factor = calibration(flat.n, 1, j);

		b->out->variance[j] *= factor * factor;
		b->out->mean[j] *= alive;
	}
	b->q = given;
}

static void
auto_run(const FcRequest *given, FcSteps *out, FcDetail *detail, bool final)
{
	FcRequest	q = *given;
	size_t		h = q.h;
	Blend		b = {.q = &q, .detail = detail, .floor = -(double) INFINITY, .out = out};
	double		smallest;

	smallest = q.y[0];
	for (int t = 1; t < q.n; t++)
		smallest = Min(smallest, q.y[t]);
	if (smallest >= 0)
	{
		b.floor = smallest / 2;
		detail->floored = true;
	}
	if (q.n < 5 || FcIsConstant(q.y, q.n))
	{
		auto_short(&q, out, detail);
		return;
	}
	if (q.m == 1 && final)
		q.m = hidden_season(q.y, q.n);
	detail->m = q.m;
	b.adjusted = FcAlloc((size_t) q.n + (size_t) q.m * FcLongerSeason(q.m) + 3 * h);
	b.next = b.adjusted + q.n;
	b.one.mean = b.next + (size_t) q.m * FcLongerSeason(q.m);
	b.one.variance = b.one.mean + h;
	b.one.psi = b.one.variance + h;
	memset(out->mean, 0, h * sizeof(double));
	memset(out->variance, 0, h * sizeof(double));
	memset(out->psi, 0, h * sizeof(double));
	if (is_intermittent(&q))
		blend_intermittent(&b);
	else
		blend_all(&b, final);
	FcFree(b.adjusted);
}

void
FcAutoModel(const FcRequest *q, FcSteps *out, FcDetail *detail)
{
	auto_run(q, out, detail, true);
}

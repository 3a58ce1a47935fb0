/*-------------------------------------------------------------------------
 *
 * cost_series.c
 *	  Forecasts of daily cost, summed to months.  Pure.
 *
 * The automatic model forecasts the days of the month in course and of the
 * next one.  A few months of days must carry a year, and a trend does not
 * last that long: beyond them the days go on as exponential smoothing without
 * or with damped trend, without or with a season of seven days, averaged with
 * Akaike weights, has them, from the level that the automatic model came to.
 * Working by day is also what takes the length of months out.
 *
 * The interval of a month cannot be had from the intervals of its days, whose
 * errors are correlated; it is read from simulated futures that are summed
 * like the forecast.  As in model.c the simulated deviations are widened,
 * more for short histories; far months are wide already, since the level of
 * daily cost drifts.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/cost_series.h"

#include "core/fmath.h"
#include "forecast/clean.h"

#include <math.h>

#define COST_SEED	UINT64_C(20080229)
#define MAX_COST_FORMS 6
#define RECENT		3			/* months that say what is usual */
#define FEE_MONTHS	6			/* of which each must show a fee */
#define LEAST_EFFECT 0.1		/* of a holiday on its day */
#define AUTO_DAYS	62			/* that the automatic model forecasts */

double
CostMedian(const double *values, int n)
{
	double	   *sorted,
				result;

	if (n == 0)
		return 0;
	sorted = FcAlloc(n);
	memcpy(sorted, values, n * sizeof(double));
	result = FcMedianOf(sorted, n);
	FcFree(sorted);
	return result;
}

/* Quantile of an ascending sample of COST_PATHS values. */
double
CostQuantile(const double *sample, double p)
{
	double		at = p * (COST_PATHS - 1);
	int			below = (int) at;

	if (below >= COST_PATHS - 1)
		return sample[COST_PATHS - 1];
	return sample[below] + (at - below) * (sample[below + 1] - sample[below]);
}

/* What a day costs by the days of its weekday around it; 0: none to compare. */
static double
usual_around(const double *daily, int n, const int *holiday, int t)
{
	double		around[4];
	int			k = 0;

	for (int week = -2; week <= 2; week++)
	{
		int			s = t + week * FC_WEEK;

		if (week != 0 && s >= 0 && s < n && holiday[s] < 0 && daily[s] > 0)
			around[k++] = daily[s];
	}
	return k > 1 ? CostMedian(around, k) : 0;
}

/*
 * The effect of holidays k (or of all, -1) as a ratio to the usual day: their
 * median, when there are enough, nearly all lie on one side of 1, and it is not
 * small; else 1.
 */
static double
holiday_effect(const double *ratio, const int *holiday, int n, int k, int enough)
{
	double	   *found = FcAlloc(n + 1),
				effect = 1;
	int			count = 0,
				below = 0;

	for (int t = 0; t < n; t++)
		if (holiday[t] >= 0 && (k < 0 || holiday[t] == k) && ratio[t] >= 0)
		{
			found[count++] = ratio[t];
			below += ratio[t] < 1;
		}
	if (count >= enough && 4 * Max(below, count - below) > 3 * count)
		effect = CostMedian(found, count);
	FcFree(found);
	return fabs(effect - 1) > LEAST_EFFECT ? effect : 1;
}

/*
 * holiday[t] is the number of the holiday on day t, -1 on other days.  What
 * each does to a day goes into effect[names]: from two of a name on by its own
 * days, else by those of all holidays from three on.  Days with an effect get
 * the usual amount.  False when no holiday has one.
 */
bool
CostTakeHolidays(double *daily, int n, const int *holiday, int names,
				 double *effect)
{
	double	   *ratio = FcAlloc(2 * (size_t) n + 1),
			   *usual = ratio + n,
				all;
	bool		any = false;

	memset(ratio, 0, (2 * (size_t) n + 1) * sizeof(double));
	for (int t = 0; t < n; t++)
	{
		usual[t] = holiday[t] >= 0 ? usual_around(daily, n, holiday, t) : 0;
		ratio[t] = usual[t] > 0 ? daily[t] / usual[t] : -1;
	}
	all = holiday_effect(ratio, holiday, n, -1, 3);
	for (int k = 0; k < names; k++)
	{
		int			days = 0;

		for (int t = 0; t < n; t++)
			days += holiday[t] == k && ratio[t] >= 0;
		effect[k] = days >= 2 ? holiday_effect(ratio, holiday, n, k, 2) : all;
		any = any || effect[k] != 1;
	}
	for (int t = 0; t < n; t++)
		if (holiday[t] >= 0 && ratio[t] >= 0 && effect[holiday[t]] != 1)
			daily[t] = usual[t];
	FcFree(ratio);
	return any;
}

/* The median of the newest four days of the weekday of day n + ahead. */
double
CostUsualDay(const double *daily, int n, int ahead)
{
	double		same[4];
	int			k = 0;

	for (int t = n + ahead - (ahead / FC_WEEK + 1) * FC_WEEK; t >= 0 && k < 4; t -= FC_WEEK)
		same[k++] = daily[t];
	return CostMedian(same, k);
}

/*
 * The distance in months at which bookings came, each time the same, at least
 * twice; 0: none.  Their newest month, and the median of the last three times.
 */
static int
booking_distance(const double *booked, int n, int *newest, double *amount)
{
	double		sizes[RECENT] = {0};
	int			before = -1,
				distance = 0,
				count = 0;

	for (int i = n - 1; i >= 0; i--)
	{
		if (booked[i] == 0)
			continue;
		if (count == 0)
			*newest = i;
		else if (count == 1)
			distance = before - i;
		else if (before - i != distance)
			return 0;
		if (count < RECENT)
			sizes[count] = booked[i];
		before = i;
		count++;
	}
	*amount = CostMedian(sizes, Min(count, RECENT));
	return distance;
}

/*
 * What bookings come to in the month that follows n complete ones after ahead
 * others.  What came at least twice at equal distances of two to twelve
 * months, and has not failed to come, comes again at the median of the last
 * three times.  Other bookings come every month at the median of the last
 * three months; of two months in all the smaller counts, and one shows no
 * habit.
 */
double
CostScheduled(const double *booked, int n, int ahead)
{
	int			newest = -1,
				distance;
	double		amount = 0;

	distance = booking_distance(booked, n, &newest, &amount);
	if (distance >= 2 && distance <= 12)
		return n - 1 - newest < distance && (n + ahead - newest) % distance == 0 ? amount : 0;
	if (n < 2)
		return 0;
	if (n == 2)
		return fabs(booked[0]) < fabs(booked[1]) ? booked[0] : booked[1];
	return CostMedian(booked + n - RECENT, RECENT);
}

double
CostTakeFees(double *daily, int n, const int *day_of_month)
{
	double	   *excess = FcAlloc(n + 1),
				fee;
	int			count = 0;

	for (int t = 0; t + 3 < n; t++)
	{
		double		usual;
		bool		unusual;

		if (day_of_month[t] != 1)
			continue;
		usual = CostMedian(daily + t + 1, Min(FC_WEEK, n - t - 1));
		/* half as much again: far beyond the difference of weekdays */
		unusual = daily[t] - usual > 0.5 * fabs(usual) && daily[t] > usual;
		excess[count++] = unusual ? daily[t] - usual : 0;
	}
	fee = CostMedian(excess + count - Min(count, RECENT), Min(count, RECENT));
	for (int i = Max(count - FEE_MONTHS, 0); i < count; i++)
		if (excess[i] == 0)
			fee = 0;
	if (fee > 0)
	{
		count = 0;
		for (int t = 0; t + 3 < n; t++)
			if (day_of_month[t] == 1)
				daily[t] -= excess[count++];
	}
	FcFree(excess);
	return fee;
}

/* The forms for daily cost, fitted, with their Akaike weights. */
static int
fit_forms(const double *y, int n, EtsFit *fits, double *weights,
		  FinopsInterrupt interrupt)
{
	static const EtsForm forms[MAX_COST_FORMS] = {
		{false, ETS_TREND_NONE, FC_SEASON_NONE},
		{false, ETS_TREND_DAMPED, FC_SEASON_NONE},
		{false, ETS_TREND_NONE, FC_SEASON_ADDITIVE},
		{false, ETS_TREND_DAMPED, FC_SEASON_ADDITIVE},
		{true, ETS_TREND_NONE, FC_SEASON_MULTIPLICATIVE},
		{true, ETS_TREND_DAMPED, FC_SEASON_MULTIPLICATIVE},
	};
	EtsOptions	options = EtsShrunk;
	double		best = (double) INFINITY,
				total = 0;
	int			count = 0;

	options.interrupt = interrupt;
	for (int i = 0; i < MAX_COST_FORMS; i++)
		if (n > EtsParameterCount(forms[i], FC_WEEK) + 2 &&
			(forms[i].season == FC_SEASON_NONE || n >= 3 * FC_WEEK) &&
			EtsFitForm(y, n, FC_WEEK, forms[i], &options, &fits[count]) &&
			isfinite(fits[count].aicc))
			count++;
	for (int i = 0; i < count; i++)
		best = Min(best, fits[i].aicc);
	for (int i = 0; i < count; i++)
		total += weights[i] = FmathExp(-(fits[i].aicc - best) / 2);
	for (int i = 0; i < count; i++)
		weights[i] /= total;
	return count;
}

static void
add_day(CostMonths *m, int j, double amount)
{
	m->mean[m->month[j]] += amount;
	if (m->day != NULL)
		m->day[j] += amount;
}

/* A few days or the same amount every day: their mean goes on. */
static void
forecast_flat(const double *y, int n, double floor, CostMonths *m)
{
	double		mean = FcIsConstant(y, n) ? y[0] : FcMean(y, n),
				square = 0,
				spread;
	FmathRandom random;

	for (int t = 0; t < n; t++)
		square += (y[t] - mean) * (y[t] - mean);
	spread = n > 1 ? sqrt(square / (n - 1) * (1 + 1.0 / n)) : 0;
	FmathSeed(&random, COST_SEED);
	for (int k = 0; k < COST_PATHS; k++)
	{
		/* the level itself is uncertain: one deviation for all days */
		double		level = Max(mean + spread * FmathNormal(&random), floor);

		for (int j = 0; j < m->ndays; j++)
			m->sample[m->month[j] * COST_PATHS + k] += level;
	}
	for (int j = 0; j < m->ndays; j++)
		add_day(m, j, mean);
}

/*
 * What the automatic model adds to the smoothed days: their difference as far
 * as it is trusted, its mean over the last weeks of that afterwards.
 */
static void
add_automatic(const double *daily, int n, const double *smoothed,
			  const CostMonths *m, double *extra, FinopsInterrupt interrupt)
{
	int			ndays = m->ndays,
				h = Min(ndays, AUTO_DAYS),
				last = Min(h, 4 * FC_WEEK);
	FcOptions	options = FcDefaults;
	FcRequest	q = {.y = daily, .n = n, .m = FC_WEEK, .model = {FC_AUTO, {0}}, .h = h,
	.interrupt = interrupt, .options = &options};
	double		seam = 0;

	if (m->keep_outliers)
		options.outliers = FC_TREAT_NEVER;
	if (m->keep_shifts)
		options.shifts = FC_TREAT_NEVER;

	memset(extra, 0, ndays * sizeof(double));
	if (FcForecast(&q, extra, NULL, NULL, NULL) != FC_OK)
	{
		memset(extra, 0, ndays * sizeof(double));
		return;
	}
	for (int j = 0; j < h; j++)
	{
		extra[j] -= smoothed[j];
		seam += j >= h - last ? extra[j] / last : 0;
	}
	for (int j = h; j < ndays; j++)
		extra[j] = seam;
}

static void
simulate(const EtsFit *fit, const double *mean, const double *extra, double floor,
		 double widen, int from, int to, CostMonths *m, FmathRandom *random,
		 double *path, FinopsInterrupt interrupt)
{
	for (int k = from; k < to; k++)
	{
		EtsSimulate(fit, m->ndays, (struct FmathRandom *) random, path);
		for (int j = 0; j < m->ndays; j++)
		{
			double		x = mean[j] + extra[j] + (path[j] - mean[j]) * widen;

			m->sample[m->month[j] * COST_PATHS + k] += Max(x, floor);
		}
		if (interrupt != NULL && k % 16 == 0)
			interrupt();
	}
}

/* Treats the days as the automatic model does; what that found goes into m. */
static void
clean_days(double *y, int n, CostMonths *m, FinopsInterrupt interrupt)
{
	double		was[FC_LATE_DAYS],
				size[FC_MAX_SHIFTS];
	int			at[FC_MAX_SHIFTS];

	m->late = m->shifts = m->outliers = 0;
	if (!m->keep_outliers)
	{
		FcFillGaps(y, n, FC_WEEK);
		m->late = FcMaskLate(y, n, FC_WEEK, was);
	}
	for (int i = 0; i < m->late; i++)
		m->completion[i] = y[n - 1 - i] - was[i];
	if (!m->keep_shifts)
		m->shifts = FcAlignShifts(y, n, FC_WEEK, at, size);
	m->shifted = 0;
	for (int i = 0; i < m->shifts; i++)
		m->shifted += size[i];
	if (!m->keep_outliers)
		m->outliers = FcReplaceOutliers(y, n, FC_WEEK, interrupt, NULL);
}

/* The smoothed days, and what the automatic model has beyond them. */
static void
middle_days(const double *y, int n, const EtsFit *fits, const double *weights,
			int count, CostMonths *m, double *extra, FinopsInterrupt interrupt)
{
	double	   *mean = FcAlloc(2 * (size_t) m->ndays),
			   *smoothed = mean + m->ndays;

	memset(smoothed, 0, m->ndays * sizeof(double));
	for (int i = 0; i < count; i++)
	{
		EtsForecast(&fits[i], m->ndays, mean);
		for (int j = 0; j < m->ndays; j++)
			smoothed[j] += weights[i] * mean[j];
	}
	add_automatic(y, n, smoothed, m, extra, interrupt);
	FcFree(mean);
}

/* Means and simulated sums, each form in proportion to its weight. */
static void
forecast_forms(const EtsFit *fits, const double *weights, int count, int n,
			   const double *extra, double floor, CostMonths *m,
			   FinopsInterrupt interrupt)
{
	double	   *mean = FcAlloc(2 * (size_t) m->ndays),
			   *path = mean + m->ndays,
				share = 0;
	int			done = 0;
	FmathRandom random;

	FmathSeed(&random, COST_SEED);
	for (int i = 0; i < count; i++)
	{
		int			until;

		share += weights[i];
		until = i == count - 1 ? COST_PATHS : (int) (share * COST_PATHS + 0.5);
		EtsForecast(&fits[i], m->ndays, mean);
		for (int j = 0; j < m->ndays; j++)
			add_day(m, j, weights[i] * Max(mean[j] + extra[j], floor));
		simulate(&fits[i], mean, extra, floor, 1.16 + 7.0 / n, done, until, m,
				 &random, path, interrupt);
		done = until;
	}
	FcFree(mean);
}

void
CostForecastDays(const double *daily, int n, CostMonths *m,
				 FinopsInterrupt interrupt)
{
	EtsFit		fits[MAX_COST_FORMS];
	double		weights[MAX_COST_FORMS] = {0},
				floor = -(double) INFINITY,
				largest = 0,
			   *scaled,
			   *y,
			   *extra;
	int			count = 0,
				exponent = 0;

	memset(m->mean, 0, m->nmonths * sizeof(double));
	if (m->day != NULL)
		memset(m->day, 0, m->ndays * sizeof(double));
	memset(m->sample, 0, (size_t) m->nmonths * COST_PATHS * sizeof(double));
	scaled = FcAlloc(2 * (size_t) n + m->ndays);
	y = scaled + n;
	extra = y + n;
	/* in units in which thresholds mean the same for cents and millions */
	for (int t = 0; t < n; t++)
		largest = Max(largest, fabs(daily[t]));
	if (largest > 0)
		frexp(largest, &exponent);
	for (int t = 0; t < n; t++)
		scaled[t] = ldexp(daily[t], 10 - exponent);
	memcpy(y, scaled, n * sizeof(double));
	clean_days(y, n, m, interrupt);
	for (int i = 0; i < m->late; i++)
		m->completion[i] = ldexp(m->completion[i], exponent - 10);
	m->shifted = ldexp(m->shifted, exponent - 10);
	if (!FcIsConstant(y, n))
		count = fit_forms(y, n, fits, weights, interrupt);
	for (int t = 0; t < n && (t == 0 || floor == 0); t++)
		floor = y[t] >= 0 ? 0 : -(double) INFINITY;
	if (count == 0)
		forecast_flat(y, n, floor, m);
	else
	{
		middle_days(scaled, n, fits, weights, count, m, extra, interrupt);
		forecast_forms(fits, weights, count, n, extra, floor, m, interrupt);
	}
	for (int j = 0; m->day != NULL && j < m->ndays; j++)
		m->day[j] = ldexp(m->day[j], exponent - 10);
	for (int i = 0; i < m->nmonths; i++)
	{
		m->mean[i] = ldexp(m->mean[i], exponent - 10);
		for (int k = 0; k < COST_PATHS; k++)
			m->sample[i * COST_PATHS + k] = ldexp(m->sample[i * COST_PATHS + k], exponent - 10);
		qsort(m->sample + (size_t) i * COST_PATHS, COST_PATHS, sizeof(double),
			  FcCompare);
	}
	FcFree(scaled);
}

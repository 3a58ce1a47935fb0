/* links: src/core/fmath.c src/core/linalg.c src/core/optim.c src/forecast/series.c src/forecast/adaptive.c src/forecast/detect.c src/forecast/blocks.c src/forecast/levels.c src/forecast/ets.c src/forecast/ets_forecast.c src/forecast/theta.c src/forecast/simple.c src/forecast/arima.c src/forecast/arima_search.c src/forecast/ces.c src/forecast/stl.c src/forecast/croston.c src/forecast/boxcox.c src/forecast/regress.c src/forecast/clean.c src/forecast/interval.c src/forecast/model.c src/forecast/auto.c src/forecast/predict.c src/forecast/cost_series.c */
/*-------------------------------------------------------------------------
 *
 * cost_series_test.c
 *	  Daily cost summed to months: fees, weeks, trends, intervals of sums.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/cost_series.h"

#include "core/fmath.h"
#include "tap.h"

#include <stdio.h>

#define DAYS	90				/* three months of 30 */
#define AHEAD	60

static int	day_of_month[DAYS + AHEAD];
static int	month[AHEAD];
static double mean[2];
static double sample[2 * COST_PATHS];
static double day[AHEAD];

static void
run(const double *y, int n)
{
	CostMonths	m = {.ndays = AHEAD, .month = month, .nmonths = 2, .mean = mean,
	.sample = sample, .day = day};

	CostForecastDays(y, n, &m, NULL);
}

static void
test_fees(void)
{
	double		y[DAYS];

	for (int t = 0; t < DAYS; t++)
		y[t] = 100 + t % 7 + (day_of_month[t] == 1 ? 500 + t : 0);
	/* excess over the median of the week after: 500 + t - 3 + t % 7 */
	ok(fabs(CostTakeFees(y, DAYS, day_of_month) - (530 + 2 - 3)) < 1e-9,
	   "the usual fee of the first");
	ok(y[0] == 103 && y[30] == 103 && y[31] == 103, "and the day without it");
	for (int t = 0; t < DAYS; t++)
		y[t] = 100 + (day_of_month[t] == 1 ? 400 + 100 * (t >= 30) : 0);
	ok(fabs(CostTakeFees(y, DAYS, day_of_month) - 500) < 1e-9 && y[0] == 100 && y[60] == 100, "a fee that has grown");
	for (int t = 0; t < DAYS; t++)
		y[t] = 100 + (t == 30 ? 500 : 0);
	ok(CostTakeFees(y, DAYS, day_of_month) == 0 && y[30] == 600,
	   "what happened once is no fee");
	ok(CostTakeFees(y, 2, day_of_month) == 0, "too short for fees");
}

/* Bookings of complete months, oldest first; the next month is ahead 0. */
static void
test_schedule(void)
{
	static const double monthly[4] = {0, 10, 12, 11},
				bimonthly[5] = {50, 0, 70, 0, 90},
				quarterly[8] = {90, 0, 0, 100, 0, 0, 110, 0},
				once[8] = {0, 0, 0, 0, 0, 500, 0, 0},
				irregular[9] = {5, 0, 0, 5, 0, 5, 0, 0, 0},
				ended[12] = {7, 0, 0, 7, 0, 0, 7, 0, 0, 0, 0, 0},
				yearly[15] = {0, -40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -60, 0};

	ok(CostScheduled(monthly, 4, 0) == 11 && CostScheduled(monthly, 4, 7) == 11, "every month: the median of three");
	/* months 0, 2 and 4: at the end of the history or a month before it */
	ok(CostScheduled(bimonthly, 5, 0) == 0 && CostScheduled(bimonthly, 5, 1) == 70 &&
	   CostScheduled(bimonthly, 4, 0) == 60 && CostScheduled(bimonthly, 4, 1) == 0 &&
	   CostScheduled(bimonthly, 3, 0) == 0 && CostScheduled(bimonthly, 3, 1) == 60, "every second month");
	/* months 0, 3 and 6 had it; month 9 is the second ahead */
	ok(CostScheduled(quarterly, 8, 1) == 100 && CostScheduled(quarterly, 8, 0) == 0 &&
	   CostScheduled(quarterly, 8, 4) == 100, "every quarter");
	ok(CostScheduled(yearly, 15, 10) == -50 && CostScheduled(yearly, 15, 9) == 0, "a credit each year");
	ok(CostScheduled(once, 8, 0) == 0 && CostScheduled(irregular, 9, 0) == 0, "once, or now and then: not again");
	ok(CostScheduled(ended, 12, 0) == 0 && CostScheduled(ended, 12, 2) == 0, "what failed to come has ended");
	ok(CostScheduled(monthly + 1, 2, 0) == 10 && CostScheduled(monthly + 1, 1, 0) == 0 &&
	   CostScheduled(NULL, 0, 0) == 0, "of two months the smaller, of one nothing");
}

/* Two names twice each, of which one is cheap and one is not. */
static void
test_holidays(void)
{
	double		y[120],
				effect[3];
	int			holiday[120];

	for (int t = 0; t < 120; t++)
	{
		holiday[t] = -1;
		y[t] = t % 7 < 5 ? 100 : 40;
	}
	holiday[30] = holiday[72] = 0;	/* third and third day of their weeks */
	holiday[46] = holiday[88] = 1;
	y[30] = 50;
	y[72] = 60;
	ok(CostTakeHolidays(y, 120, holiday, 3, effect) && fabs(effect[0] - 0.55) < 1e-12 &&
	   effect[1] == 1 && y[30] == 100 && y[72] == 100, "a holiday has its own effect, or none");
	y[30] = 50;
	y[46] = 55;
	y[72] = 60;
	holiday[88] = -1;
	/* one day of the second name, so that the median of all three counts */
	ok(CostTakeHolidays(y, 120, holiday, 3, effect) && fabs(effect[1] - 0.55) < 1e-12 &&
	   fabs(effect[2] - 0.55) < 1e-12, "what is rare takes that of all");
	for (int t = 0; t < 120; t++)
		holiday[t] = -1;
	ok(!CostTakeHolidays(y, 120, holiday, 0, effect), "no holidays");
	ok(CostUsualDay(y, 120, 0) == 100 && CostUsualDay(y, 119, 0) == 100 && CostUsualDay(y, 117, 9) == 100 &&
	   CostUsualDay(y, 117, 1) == 40, "a usual day is one of its weekday");
}

static void
test_sums(void)
{
	double		y[DAYS];
	FmathRandom r;

	for (int t = 0; t < DAYS; t++)
		y[t] = 50;
	run(y, DAYS);
	ok(fabs(mean[0] - 1500) < 1e-9 && fabs(mean[1] - 1500) < 1e-9 &&
	   sample[0] == sample[COST_PATHS - 1], "a constant goes on");
	for (int t = 0; t < DAYS; t++)
		y[t] = t % 7 < 5 ? 100 : 20;
	run(y, DAYS);
	/* days 90..119: 90 % 7 = 6, so 1 + 4 weeks + 1 = 21 working days */
	ok(fabs(mean[0] - (21 * 100 + 9 * 20)) < 5, "weekdays are counted");
	FmathSeed(&r, 8);
	for (int t = 0; t < DAYS; t++)
		y[t] = 100 + 3 * FmathNormal(&r);
	run(y, DAYS);
	ok(fabs(mean[0] - 3000) < 100 && sample[0] < mean[0] &&
	   mean[0] < sample[COST_PATHS - 1], "noise around a level");
	run(y, 4);
	ok(fabs(mean[0] - 30 * (y[0] + y[1] + y[2] + y[3]) / 4) < 1e-6,
	   "four days: their mean");
	for (int t = 0; t < DAYS; t++)
		y[t] *= 1e-7;
	run(y, DAYS);
	ok(fabs(mean[0] - 3e-4) < 1e-5, "small amounts, the same forecast");
}

/* Random walks: how often the second month falls into its 80 percent. */
static void
test_coverage(void)
{
	FmathRandom r;
	int			inside = 0;

	FmathSeed(&r, 21);
	for (int k = 0; k < 60; k++)
	{
		double		y[DAYS + AHEAD],
					level = 1000,
					actual = 0;

		for (int t = 0; t < DAYS + AHEAD; t++)
		{
			level += 5 * FmathNormal(&r);
			y[t] = level + 10 * FmathNormal(&r);
			if (t >= DAYS + 30)
				actual += y[t];
		}
		run(y, DAYS);
		if (actual >= CostQuantile(sample + COST_PATHS, 0.1) &&
			actual <= CostQuantile(sample + COST_PATHS, 0.9))
			inside++;
	}
	/* at least 70 percent, allowing for chance; never all of them */
	ok(inside >= 42 && inside <= 58, "80 percent intervals of monthly sums cover");
}

int
main(void)
{
	for (int t = 0; t < DAYS + AHEAD; t++)
		day_of_month[t] = t % 30 + 1;
	for (int j = 0; j < AHEAD; j++)
		month[j] = j / 30;
	test_fees();
	test_schedule();
	test_holidays();
	test_sums();
	test_coverage();
	ok(CostMedian((double[]) {3, 1, 2, 10}, 4) == 2.5 && CostMedian(NULL, 0) == 0, "median");
	printf("1..%d\n", number);
	return failed != 0;
}

/* links: src/core/fmath.c src/core/linalg.c src/core/optim.c src/forecast/series.c src/forecast/adaptive.c src/forecast/detect.c src/forecast/blocks.c src/forecast/levels.c src/forecast/ets.c src/forecast/ets_forecast.c src/forecast/theta.c src/forecast/simple.c src/forecast/arima.c src/forecast/arima_search.c src/forecast/ces.c src/forecast/stl.c src/forecast/croston.c src/forecast/boxcox.c src/forecast/regress.c src/forecast/clean.c src/forecast/interval.c src/forecast/model.c src/forecast/auto.c src/forecast/predict.c src/forecast/explain.c */
/*-------------------------------------------------------------------------
 *
 * predict_test.c
 *	  Decomposition, transformations, regression, intermittent series,
 *	  combinations, totals and bounds.  Figures named "R" are of R 4.2.2 with
 *	  forecast 8.20.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/boxcox.h"
#include "forecast/clean.h"
#include "forecast/regress.h"

#include "core/fmath.h"

#include "known_series.h"
#include "tap.h"

#include <math.h>
#include <stdio.h>

static bool
near(double a, double b, double tolerance)
{
	return fabs(a - b) <= tolerance;
}

/* stl(AirPassengers, ..., s.jump = 1, t.jump = 1, l.jump = 1) of R */
static void
test_stl(void)
{
	static const int at[3] = {0, 49, 143};
	static const double seven[3][2] = {{-13.752275380600, 122.55152329032},
	{-22.326571144654, 217.39115314556}, {-51.523726573463, 495.97232245538}};
	static const double periodic[3][2] = {{-25.506490577928, 127.25659665412},
	{-35.304276531805, 220.57597706414}, {-31.667428370239, 497.35945472923}};
	/*
	 * robust = TRUE, s.degree = 0, inner = 1, outer = 15: the first 143 values,
	 * where the median of R is that of the definition, and all with two
	 * outliers, where it happens to be
	 */
	static const double robust[2][3][2] = {
		{{-13.323789900346, 122.921336079187}, {-15.572417086002, 214.377957119252},
		{-74.219282950980, 495.681419363067}},
		{{-21.103900111734, 131.001542159489}, {-26.280655798580, 220.239045501141},
		{-34.231801379694, 501.858280172696}}
	};
	double		season[144],
				trend[144],
				rest[144];
	int			m = 12,
				two[2] = {4, 12};
	bool		good[6] = {true, true, true, true, true, true};
	double		both[288],
				wild[144];

	StlDecompose(air, 144, 1, &m, 7, false, NULL, season, trend, rest);
	for (int i = 0; i < 3; i++)
		good[0] = good[0] && near(season[at[i]], seven[i][0], 1e-6) &&
			near(trend[at[i]], seven[i][1], 1e-6);
	memcpy(wild, air, sizeof(air));
	wild[70] += 1000;
	StlDecompose(wild, 144, 1, &m, 11, true, NULL, season, trend, rest);
	good[1] = trend[70] < 320 && rest[70] > 800;
	StlDecompose(air, 144, 1, &m, 0, false, NULL, season, trend, rest);
	for (int i = 0; i < 3; i++)
		good[2] = good[2] && near(season[at[i]], periodic[i][0], 1e-6) &&
			near(trend[at[i]], periodic[i][1], 1e-6);
	StlDecompose(air, 144, 2, two, -1, false, NULL, both, trend, rest);
	for (int t = 0; t < 144; t++)
		good[3] = good[3] && near(both[t] + both[144 + t] + trend[t] + rest[t], air[t], 1e-9);
	StlDecompose(air, 143, 1, &m, 7, true, NULL, season, trend, rest);
	for (int i = 0; i < 3; i++)
		good[4] = good[4] && near(season[Min(at[i], 142)], robust[0][i][0], 1e-9) &&
			near(trend[Min(at[i], 142)], robust[0][i][1], 1e-9);
	memcpy(wild, air, sizeof(air));
	wild[50] *= 3;
	wild[100] *= 0.2;
	StlDecompose(wild, 144, 1, &m, 11, true, NULL, season, trend, rest);
	for (int i = 0; i < 3; i++)
		good[5] = good[5] && near(season[at[i]], robust[1][i][0], 1e-9) &&
			near(trend[at[i]], robust[1][i][1], 1e-9);
	ok(good[4], "fifteen robust passes as R");
	ok(good[5], "and with outliers");
	ok(good[0], "STL with a season window of 7 as R");
	ok(good[1], "robust STL leaves an outlier in the rest");
	ok(good[2], "periodic STL as R");
	ok(good[3], "parts of two seasons add up");
	m = 100;
	ok(!StlDecompose(air, 144, 1, &m, -1, false, NULL, season, trend, rest), "less than two seasons");
}

static void
test_boxcox(void)
{
	double		w = BoxCox(9, 0.5);

	ok(near(w, 4, 1e-12) && near(BoxCoxInverse(4, 0.5), 9, 1e-12), "square root: (3 - 1) / 0.5");
	ok(near(BoxCox(-9, 0.5), -8, 1e-12) && near(BoxCoxInverse(-8, 0.5), -9, 1e-12), "a negative value");
	ok(near(BoxCoxInverse(BoxCox(7.5, 0), 0), 7.5, 1e-12), "logarithm");
	ok(near(BoxCoxMean(log(100), 0.02, 0), 101, 1e-9), "bias of the logarithm: 100 (1 + 0.02 / 2)");
	ok(near(BoxCoxLambda(air, 144, 12), -0.2947155856, 1e-4), "Guerrero's lambda as R");
}

/* Croston by hand, alpha 0.1 fixed: here only what follows from its parts. */
static void
test_croston(void)
{
	static const double demand[15] = {0, 0, 3, 0, 4, 0, 0, 0, 2, 0, 5, 0, 0, 1, 0};
	static const double ended[24] = {4, 0, 3, 5, 0, 4, 0, 4, 3, 0, 4};
	static const double none[4] = {0};
	CrostonFit	croston,
				sba,
				tsb;

	ok(CrostonFitSeries(demand, 15, CROSTON_CLASSIC, &croston) &&
	   near(croston.mean, croston.size / croston.interval, 1e-15), "Croston: size by interval");
	ok(CrostonFitSeries(demand, 15, CROSTON_SBA, &sba) &&
	   near(sba.mean, (1 - sba.alpha_interval / 2) * sba.size / sba.interval, 1e-15), "SBA: less its bias");
	ok(near(sba.adi, 3, 1e-15) && near(sba.cv2, 2.0 / 9, 1e-12), "interval 15/5; sizes 3 4 2 5 1");
	CrostonFitSeries(ended, 24, CROSTON_CLASSIC, &croston);
	ok(CrostonFitSeries(ended, 24, CROSTON_TSB, &tsb) && tsb.mean < croston.mean / 2, "TSB sees that demand ended");
	ok(!CrostonFitSeries(none, 4, CROSTON_TSB, &tsb), "no demand at all");
	ok(FcMostlyZero(demand, 15) && !FcMostlyZero(air, 144), "mostly zero");
	ok(FcIsIntermittent(demand, 15) && !FcIsIntermittent(air, 144), "what is intermittent");
}

/* y = 5 + 2 x1 - 3 x2 + AR(1) noise; future values follow exactly */
static void
test_regression(void)
{
	double		x[2 * 110],
				y[100],
				beta[2],
				rest[100],
				penalty,
				mean[10],
				lower[10],
				upper[10],
				level = 95,
				noise = 0;
	FmathRandom random;
	FcOptions	options = FcDefaults;
	FcRequest	q = {.y = y, .n = 100, .m = 1, .h = 10, .nlevels = 1, .levels = &level, .options = &options};

	FmathSeed(&random, 5);
	for (int t = 0; t < 110; t++)
	{
		x[t] = t % 7 == 0;
		x[110 + t] = sin(t * 0.7);
		noise = 0.8 * noise + 0.1 * FmathNormal(&random);
		if (t < 100)
			y[t] = 50 + 2 * x[t] - 3 * x[110 + t] + noise;
	}
	ok(FcRegress(y, 100, x, 2, 110, NAN, beta, rest, &penalty) &&
	   near(beta[0], 2, 0.15) && near(beta[1], -3, 0.15) && penalty == 0, "effects with correlated errors");
	options.nregressors = 2;
	options.regressors = x;
	FcModelFromName("arima", &q.model);
	ok(FcForecast(&q, mean, lower, upper, NULL) == FC_OK &&
	   near(mean[5] - mean[4], 2 - 3 * (sin(105 * 0.7) - sin(104 * 0.7)), 0.3), "a regressor's future moves the forecast");
	options.ridge = 1e6;
	ok(FcRegress(y, 100, x, 2, 110, 1e6, beta, rest, &penalty) && fabs(beta[0]) < 0.01, "ridge shrinks");
}

static void
test_cleaning(void)
{
	double		y[120],
				size[FC_MAX_SHIFTS],
				keep;
	int			at[FC_MAX_SHIFTS],
				count;
	FmathRandom random;

	FmathSeed(&random, 8);
	for (int t = 0; t < 120; t++)
		y[t] = (t < 70 ? 100 : 160) * (1 + 0.1 * (t % 7 < 2)) + FmathNormal(&random);
	count = FcAlignShifts(y, 120, 7, at, size);
	ok(count == 1 && at[0] >= 69 && at[0] <= 71, "a level shift is found where it is");
	ok(near(y[3], 160, 6), "and what was before it moved to the new level");
	ok(near(size[0], 60 * (1 + 0.1 * 2 / 7), 3), "its size is that of the level");
	for (int t = 0; t < 120; t++)
		y[t] = (t < 40 ? 100 : (t < 80 ? 200 : 150)) + FmathNormal(&random);
	count = FcAlignShifts(y, 120, 7, at, size);
	ok(count == 2 && near(size[0] + size[1], 50, 3) &&
	   near(size[at[0] < at[1] ? 0 : 1], 100, 3), "sizes of two shifts lead from the oldest level to the newest");
	for (int t = 0; t < 120; t++)
		y[t] = 100 + 10 * (t % 7 == 3) + FmathNormal(&random);
	ok(FcAlignShifts(y, 120, 7, at, NULL) == 0, "a season is no shift");
	keep = y[40];
	y[50] += 80;
	count = FcReplaceOutliers(y, 120, 7, NULL, NULL);
	ok(count >= 1 && count <= 3 && near(y[50], 100, 14) && y[40] == keep, "an outlier is replaced, other days are not");
}

/* Bills that are behind, days that were not delivered, a fee every month. */
static void
test_daily(void)
{
	double		y[130],
				was[FC_LATE_DAYS],
				size[3] = {500, 510, 490},
				mean[70];
	int			at[3] = {9, 40, 68},	/* 31 days, then 28 */
				wrong[3] = {9, 40, 72},
				next[10],
				count;
	FmathRandom random;
	FcRequest	q = {.y = y, .n = 110, .m = 7, .h = 40};
	FcDetail   *detail = malloc(sizeof(FcDetail));

	FmathSeed(&random, 21);
	for (int t = 0; t < 130; t++)
		y[t] = (100 + 3 * FmathNormal(&random)) * (t % 7 < 5 ? 1 : 0.6);
	ok(FcMaskLate(y, 110, 7, was) == 0, "nothing is late");
	y[109] *= 0.3;
	y[108] *= 0.8;
	count = FcMaskLate(y, 110, 7, was);
	ok(count == 2 && near(y[109], 100, 8) && near(y[108], 100, 8) && was[0] < 35,
	   "two late days");
	for (int t = 107; t < 110; t++)
		y[t] = 40;
	ok(FcMaskLate(y, 110, 7, was) == 0, "a new level is not late");
	for (int t = 107; t < 110; t++)
		y[t] = 100;
	y[50] = y[51] = y[52] = 0;
	ok(FcFillGaps(y, 110, 7) == 3 && near(y[51], 100, 10), "days that were not delivered");
	count = FcMonthlySpikes(at, size, 3, 80, next);
	ok(count == 2 && next[0] == 31 && next[1] == 61, "January, February, so March and April");
	ok(FcMonthlySpikes(wrong, size, 3, 80, next) == 0, "no month has 32 days");
	for (int i = 0; i < 3; i++)
		y[at[i]] += 500;
	y[99] += 500;
	FcModelFromName("auto", &q.model);
	FcForecast(&q, mean, NULL, NULL, detail);
	ok(detail->spikes == 1 && near(mean[129 - 110] - mean[122 - 110], 500, 30),
	   "the fee comes again on the next first");
	free(detail);
}

/* Zeros at the end: not delivered, ended, or usual. */
static void
test_trailing_zeros(void)
{
	double		y[112],
				was[FC_LATE_DAYS];

	for (int t = 0; t < 112; t++)
		y[t] = (t % 7 < 5 ? 100 : 40) + t % 3;
	y[109] = y[110] = y[111] = 0;
	/* 109 % 7 = 4 is a working day, the two after it are not */
	ok(FcMaskLate(y, 112, 7, was) == 3 && near(y[109], 101, 2) && near(y[110], 41, 2) && was[0] == 0,
	   "three zeros at the end are to come");
	y[108] = y[109] = y[110] = y[111] = 0;
	ok(FcMaskLate(y, 112, 7, was) == 0 && y[111] == 0, "four have ended");
	for (int t = 0; t < 112; t++)
		y[t] = t % 7 < 5 ? 100 : 0;
	ok(FcMaskLate(y, 111, 7, was) == 0, "days off are no late days");
}

/* A line of logarithms, a level that moves, and too little past. */
static void
test_levels(void)
{
	double		y[200],
				mean[60];
	FmathRandom random;
	FcRequest	q = {.y = y, .n = 200, .m = 7, .h = 14};
	FcDetail   *detail = malloc(sizeof(FcDetail));

	FcModelFromName("auto", &q.model);

	for (int t = 0; t < 200; t++)
		y[t] = 100 * FmathExp(0.002 * t);
	ok(FcLevelsForecast(y, 200, true, 20, mean) && near(mean[0], 100 * FmathExp(0.4), 1e-3) &&
	   near(mean[19], 100 * FmathExp(0.438), 1e-3), "growth goes on");
	ok(FcLevelsForecast(y, 200, true, 60, mean) && mean[59] < 100 * FmathExp(0.518) &&
	   mean[59] > 100 * FmathExp(0.47), "and fades beyond what was tried");
	FmathSeed(&random, 12);
	for (int t = 0; t < 200; t++)
		y[t] = 50 + 2 * FmathNormal(&random);
	ok(FcLevelsForecast(y, 200, false, 20, mean) && near(mean[0], 50, 0.5) && near(mean[19], 50, 0.7),
	   "noise has a level");
	for (int t = 0; t < 200; t++)
		y[t] = 7;
	ok(FcLevelsForecast(y, 200, true, 20, mean) && near(mean[19], 7, 1e-9), "a constant stays");
	mean[0] = -1;
	ok(!FcLevelsForecast(y, 76, false, 14, mean) && mean[0] == -1, "less than eleven weeks are too few");
	/* since a shift at 186 the mean is 300, but the last two days are 330 */
	for (int t = 0; t < 200; t++)
		y[t] = t < 186 ? 100 + t % 2 : (t < 198 ? 295 + (t % 2 == 0 ? 6 : -6) : 330);
	ok(FcForecast(&q, mean, NULL, NULL, detail) == FC_OK && detail->shifts == 1 &&
	   detail->shift_at[0] == 186 &&
	   near(FcMean(mean, 14), 300, 3), "within a month of a level shift the mean of the days since counts");
	free(detail);
}

static void
test_parts(void)
{
	double		y[96],
				memory[(7 + FC_MOST_SEASONS) * 24];
	FcParts		parts = {.level = memory + 24, .trend = memory + 48, .season = memory + 72,
		.regressors = memory + 96, .fees = memory + 120, .shifts = memory + 144,
	.seasons = memory + 168};
	FcRequest	q = {.y = y, .n = 96, .m = 12, .h = 24};
	FcDetail   *detail = malloc(sizeof(FcDetail));
	bool		good = true;

	for (int t = 0; t < 96; t++)
		y[t] = 50 + 2 * t + 10 * FmathCosTurn(t / 12.0);
	FcModelFromName("ETS(A,A,A)", &q.model);
	good = FcExplain(&q, memory, &parts, detail) == FC_OK;
	for (int j = 0; j < 24; j++)
		good = good && near(memory[j], parts.level[j] + parts.trend[j] + parts.season[j], 1e-9) &&
			near(parts.trend[j], 2 * (j + 1), 0.05) &&
			near(parts.season[j], 10 * FmathCosTurn((96 + j) / 12.0), 0.3) &&
			near(parts.level[j], 50 + 2 * 95, 0.5);
	ok(good && parts.nseasons == 1 && parts.length[0] == 12, "level, trend and season of a line with a wave");
	free(detail);
}

/* A day of hours within a week of days: each its own part, adding up to the season. */
static void
test_two_seasons(void)
{
	static double y[24 * 7 * 6],
				memory[(7 + FC_MOST_SEASONS) * 48];
	FcParts		parts = {.level = memory + 48, .trend = memory + 96, .season = memory + 144,
		.regressors = memory + 192, .fees = memory + 240, .shifts = memory + 288,
	.seasons = memory + 336};
	FcRequest	q = {.y = y, .n = 24 * 7 * 6, .m = 24, .h = 5};
	FcDetail   *detail = malloc(sizeof(FcDetail));
	double		own[5];
	bool		good = true;

	for (int t = 0; t < q.n; t++)
		y[t] = 100 + 30 * FmathCosTurn(t / 24.0) + (t / 24 % 7 < 5 ? 10 : -25);
	FcModelFromName("auto", &q.model);
	good = FcForecast(&q, own, NULL, NULL, NULL) == FC_OK && FcExplain(&q, memory, &parts, detail) == FC_OK;
	for (int j = 0; j < 5; j++)
		good = good && own[j] == memory[j] &&
			near(parts.season[j], parts.seasons[j] + parts.seasons[5 + j], 1e-9) &&
			near(memory[j], parts.level[j] + parts.trend[j] + parts.season[j], 1e-9) &&
			near(parts.seasons[j], 30 * FmathCosTurn(j / 24.0), 3) && near(parts.seasons[5 + j], 10, 3);
	ok(good && parts.nseasons == 2 && parts.length[0] == 24 && parts.length[1] == 168, "a day and a week are told apart, the means are those of a horizon of five");
	free(detail);
}

static void
run(const char *name, const FcOptions *options, double *mean, double *lower,
	double *upper, FcDetail *detail)
{
	double		level = 95;
	FcRequest	q = {.y = air, .n = 144, .m = 12, .h = 24, .nlevels = 1, .levels = &level,
		.options = options};

	if (!FcModelFromName(name, &q.model) || FcForecast(&q, mean, lower, upper, detail) != FC_OK)
		mean[0] = NAN;
}

static void
test_pipeline(void)
{
	double		a[24],
				b[24],
				c[24],
				lower[24],
				upper[24],
				low2[24],
				up2[24];
	FcOptions	options = FcDefaults;
	FcDetail   *detail = malloc(sizeof(FcDetail));
	bool		good = true;

	run("theta", NULL, a, lower, upper, detail);
	run("ets", NULL, b, lower, upper, detail);
	run("mean(theta, ets)", NULL, c, lower, upper, detail);
	for (int j = 0; j < 24; j++)
		good = good && near(c[j], (a[j] + b[j]) / 2, 1e-9);
	ok(good && detail->nmembers == 2, "a mean of two models");
	run("weighted(ets, mean)", NULL, c, lower, upper, detail);
	ok(detail->member[0].weight > 0.9, "weights by backtest: a constant mean is far off");
	options.upper = 500;
	options.lower = 450;
	run("ets", &options, c, lower, upper, detail);
	good = true;
	for (int j = 0; j < 24; j++)
		good = good && c[j] >= 450 && upper[j] <= 500;
	ok(good, "bounds");
	options = FcDefaults;
	run("naive", NULL, a, lower, upper, detail);
	options.sum = 12;
	run("naive", &options, c, low2, up2, detail);
	/* random walk: variance of the sum of 12 steps is sigma^2 12 13 25 / 6 = 650 sigma^2 */
	ok(near(c[0], 12 * 432, 1e-9) && near((up2[0] - low2[0]) / (upper[0] - lower[0]), sqrt(650), 1e-9),
	   "a total of a random walk");
	options.interval = FC_INTERVAL_SIMULATED;
	run("naive", &options, c, lower, upper, detail);
	ok(near((upper[0] - lower[0]) / (up2[0] - low2[0]), 1, 0.06), "simulated total");
	options = FcDefaults;
	options.transform = FC_TRANSFORM_AUTO;
	run("ETS(A,A,A)", &options, c, lower, upper, detail);
	ok(c[6] > 600 && c[6] < 720 && lower[6] < c[6] && c[6] < upper[6] && near(detail->lambda, -0.29, 0.01), "transformed");
	options = FcDefaults;
	options.interval = FC_INTERVAL_CONFORMAL;
	run("holt_winters", &options, c, lower, upper, detail);
	good = true;
	for (int j = 0; j < 24; j++)
		good = good && lower[j] < c[j] && c[j] < upper[j];
	ok(good, "conformal");
	options.interval = FC_INTERVAL_ADAPTIVE;
	run("holt_winters", &options, c, low2, up2, detail);
	ok(low2[0] < c[0] && up2[0] > c[0], "adaptive");
	run("stl+arima", NULL, c, lower, upper, detail);
	ok(c[6] > 560 && c[6] < 700 && detail->member[0].stl, "decomposed");
	run("ces", NULL, c, lower, upper, detail);
	ok(c[6] > 560 && c[6] < 720 && lower[6] < c[6], "complex smoothing follows trend and season");
	free(detail);
}

static void
test_names(void)
{
	static const char *const bad[] = {"mean()", "mean(ets", "mean(ets,)", "mean(auto)", "stl+auto", "mean(mean(ets))", "stl+"};
	FcModel		model;
	char		name[FC_NAME_SIZE];
	bool		good = true;

	for (int i = 0; i < (int) lengthof(bad); i++)
		if (FcModelFromName(bad[i], &model))
		{
			good = false;
			printf("# %s\n", bad[i]);
		}
	ok(good, "what is no model");
	ok(FcModelFromName("Median( ETS(A,Ad,N), arima(0,1,1) , stl+theta)", &model) && model.nparts == 3 &&
	   strcmp(FcModelName(&model, name), "median(ETS(A,Ad,N), ARIMA(0,1,1), stl+theta)") == 0, "names of parts");
}

int
main(void)
{
	test_stl();
	test_boxcox();
	test_croston();
	test_regression();
	test_cleaning();
	test_daily();
	test_trailing_zeros();
	test_levels();
	test_parts();
	test_two_seasons();
	test_pipeline();
	test_names();
	printf("1..%d\n", number);
	return failed > 0;
}

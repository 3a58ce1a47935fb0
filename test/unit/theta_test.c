/* links: src/core/fmath.c src/core/linalg.c src/core/optim.c src/forecast/series.c src/forecast/adaptive.c src/forecast/detect.c src/forecast/blocks.c src/forecast/levels.c src/forecast/ets.c src/forecast/ets_forecast.c src/forecast/simple.c src/forecast/arima.c src/forecast/arima_search.c src/forecast/ces.c src/forecast/stl.c src/forecast/croston.c src/forecast/boxcox.c src/forecast/regress.c src/forecast/clean.c src/forecast/interval.c src/forecast/model.c src/forecast/auto.c src/forecast/predict.c */
/*-------------------------------------------------------------------------
 *
 * theta_test.c
 *	  Theta models against their defining equations; seasons; models by name.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/theta.c"

#include "core/fmath.h"
#include "tap.h"

#include <stdio.h>

static bool
near(double a, double b, double relative)
{
	return fabs(a - b) <= relative * fmax(fabs(a), fabs(b));
}

/* A seeded series: level, trend, season of m, noise. */
static void
make_series(double *y, int n, int m, double trend, double noise, uint64 seed)
{
	FmathRandom r;

	FmathSeed(&r, seed);
	for (int t = 0; t < n; t++)
		y[t] = 200 + trend * t + (m > 1 ? 40 * cos(2 * M_PI * t / m) : 0) +
			noise * FmathNormal(&r);
}

static void
test_lines(void)
{
	double		y[30],
				a[31],
				b[31],
				intercept,
				slope;
	bool		good = true;

	make_series(y, 30, 1, 1.5, 20, 1);
	running_lines(y, 30, a, b);
	for (int t = 2; t <= 30; t++)
	{
		least_squares_line(y, t, &intercept, &slope);
		good = good && near(a[t], intercept, 1e-10) && near(b[t], slope, 1e-9);
	}
	ok(good, "the running line is the least-squares line at every step");
}

/* The sum of squares of the equations in theta.c, written out. */
static double
sse_by_definition(const double *y, int n, ThetaKind kind, double alpha,
				  double w, double l0)
{
	double		a[64],
				b[64],
				level = l0,
				sse = 0;

	running_lines(y, n, a, b);
	for (int t = 0; t < n; t++)
	{
		double		at = a[t],
					bt = b[t],
					mu;

		if (kind == THETA_OPTIMISED)
			least_squares_line(y, n, &at, &bt);
		mu = level + w * (pow(1 - alpha, t) * at +
						  (1 - pow(1 - alpha, t + 1)) / alpha * bt);
		if (t >= WARM_UP)
			sse += (y[t] - mu) * (y[t] - mu);
		level = alpha * y[t] + (1 - alpha) * level;
	}
	return sse;
}

static void
test_fit(ThetaKind kind, const char *text)
{
	ThetaFit	fit;
	double		y[60],
				best;
	bool		good = true;

	make_series(y, 60, 1, 2, 10, 2);
	ThetaFitSeries(y, 60, kind, &fit);
	best = sse_by_definition(y, 60, kind, fit.alpha, fit.weight, fit.l0);
	good = near(best, fit.sigma2 * 57, 1e-9);
	for (double alpha = 0.1; alpha < 1; alpha += 0.11)
		for (double w = 0; w <= 1; w += 0.1)
			for (double l0 = fit.l0 - 20; l0 <= fit.l0 + 20; l0 += 4)
				good = good &&
					sse_by_definition(y, 60, kind, alpha, w, l0) >= best * (1 - 1e-9);
	ok(good, text);
}

static void
test_standard(void)
{
	ThetaFit	fit;
	double		y[40],
				mean[6],
				variance[6],
				level,
				intercept,
				slope;
	bool		good = true;

	make_series(y, 40, 1, 3, 8, 3);
	ThetaFitSeries(y, 40, THETA_STANDARD, &fit);
	ThetaForecast(&fit, 6, mean, variance);
	least_squares_line(y, 40, &intercept, &slope);
	level = fit.l0;
	for (int t = 0; t < 40; t++)
		level += fit.alpha * (y[t] - level);
	for (int h = 1; h <= 6; h++)
		good = good && near(mean[h - 1], level + slope / 2 *
							(h - 1 + (1 - pow(1 - fit.alpha, 40)) / fit.alpha), 1e-9);
	ok(good, "standard theta is smoothing with half the drift");
}

/* Half of a wave's size is noise: the autocorrelation does not show it. */
static void
test_periodogram(void)
{
	static double x[400];
	FmathRandom random;
	int			found = 0,
				wrong = 0;

	FmathSeed(&random, 31);
	for (int round = 0; round < 40; round++)
	{
		double		drift = 0;

		for (int t = 0; t < 400; t++)
			x[t] = 100 + cos(2 * M_PI * t / 10) + 1.6 * FmathNormal(&random);
		found += FcDetectSeason(x, 400, NULL) == 10;
		for (int t = 0; t < 400; t++)
			x[t] = 100 + (drift = 0.7 * drift + FmathNormal(&random));
		wrong += FcDetectSeason(x, 400, NULL) != 1;
	}
	ok(found >= 36, "a wave of ten steps in noise is found");
	ok(wrong == 0, "and none in errors that last");
}


static void
test_seasons(void)
{
	double		y[96],
				factor[12],
				adjusted[96],
				next[12];
	bool		good = true;

	make_series(y, 96, 12, 1, 0, 4);
	FcClassicalSeason(y, 96, 12, FC_SEASON_ADDITIVE, factor);
	for (int i = 0; i < 12; i++)
		good = good && fabs(factor[i] - 40 * cos(2 * M_PI * i / 12)) < 1e-9;
	ok(good, "classical decomposition finds an exact season");
	FcAdaptiveSeason(y, 96, 12, FC_SEASON_ADDITIVE, adjusted, next);
	good = true;
	for (int t = 0; t < 96; t++)
		good = good && fabs(adjusted[t] - 200 - t) < 1e-9;
	for (int i = 0; i < 12; i++)
		good = good && fabs(next[i] - 40 * cos(2 * M_PI * (96 + i) / 12)) < 1e-9;
	ok(good, "so does the adaptive one");
	for (int t = 0; t < 95; t++)
		y[t] = 100 * (t % 4 == 0 ? (t < 48 ? 2.0 : 0.4) : 1.0);
	FcAdaptiveSeason(y, 95, 4, FC_SEASON_MULTIPLICATIVE, adjusted, next);
	ok(next[1] < next[0] * 0.6, "which forgets a season that has changed");
	make_series(y, 96, 12, 1, 10, 5);
	ok(FcDetectSeason(y, 96, NULL) == 12, "season 12 is detected under a trend");
	make_series(y, 96, 7, 0, 10, 6);
	ok(FcDetectSeason(y, 96, NULL) == 7, "season 7 is detected");
	make_series(y, 96, 1, 2, 10, 7);
	ok(FcDetectSeason(y, 96, NULL) == 1, "no season is detected in noise");
	ok(FcSeasonStrength(y, 96, 12) < 0.3, "noise has no strong season");
	test_periodogram();
}

/* Means of 12 steps: equations of the simple methods on 1, 4, 2, 8, 5, 7. */
static void
test_models(void)
{
	static const double y[6] = {1, 4, 2, 8, 5, 7};
	static const double level[1] = {95};
	static const char *const names[] = {"auto", "naive", "snaive", "drift", "mean", "ses", "holt", "damped", "ets", "theta", "otm", "dotm", "MNN", "HOLT_WINTERS"};
	FcRequest	q = {.y = y, .n = 6, .m = 2, .h = 12, .nlevels = 1, .levels = level};
	double		mean[12],
				lower[12],
				upper[12];
	bool		good = true;

	for (int i = 0; i < (int) lengthof(names); i++)
	{
		good = good && FcModelFromName(names[i], &q.model);
		good = good && FcForecast(&q, mean, lower, upper, NULL) == FC_OK;
		for (int j = 0; j < 12; j++)
			good = good && lower[j] <= mean[j] && mean[j] <= upper[j];
	}
	ok(good, "every model answers on six observations");
	FcModelFromName("drift", &q.model);
	FcForecast(&q, mean, lower, upper, NULL);
	ok(near(mean[4], 7 + 5 * 6.0 / 5, 1e-12), "drift");
	/* residuals 1.8, -3.2, 4.8, -4.2, .8: sum of squares 54.8 over 4 */
	ok(near(upper[1] - mean[1], 1.959963984540054 * sqrt(54.8 / 4 * 2 * (1 + 2 / 5.0)), 1e-12),
	   "and its interval");
	ok(!FcModelFromName("prophet", &q.model) && !FcModelFromName("", &q.model), "unknown names");
	FcModelFromName("holt_winters", &q.model);
	q.m = 1;
	ok(FcForecast(&q, mean, lower, upper, NULL) == FC_NEEDS_SEASON, "needs a season");
	q.m = 30;
	ok(FcForecast(&q, mean, lower, upper, NULL) == FC_SEASON_TOO_LONG, "season too long");
}

/* Odd series through auto: finite means, ordered bounds. */
static void
test_ugly(void)
{
	FmathRandom r;
	double		y[200],
				mean[10],
				lower[10],
				upper[10];
	static const double level[1] = {80};
	bool		good = true;

	FmathSeed(&r, 9);
	for (int round = 0; round < 200; round++)
	{
		FcRequest	q = {.y = y, .h = 10, .nlevels = 1, .levels = level};

		q.n = 1 + (int) (FmathNext(&r) % 200);
		q.m = 1 + (int) (FmathNext(&r) % 40);

		for (int t = 0; t < q.n; t++)
			y[t] = round % 4 == 0 ? (double) (FmathNext(&r) % 3) :
				round % 4 == 1 ? ldexp(FmathNormal(&r), (int) (FmathNext(&r) % 1900) - 950) :
				round % 4 == 2 ? (t % 7 == 0) : 1e-310 * t;
		good = good && FcForecast(&q, mean, lower, upper, NULL) == FC_OK;
		for (int j = 0; j < 10; j++)
			good = good && isfinite(mean[j]) &&
				(isnan(lower[j]) || (lower[j] <= mean[j] && mean[j] <= upper[j]));
	}
	ok(good, "auto answers on 200 odd series");
}

int
main(void)
{
	test_lines();
	test_fit(THETA_OPTIMISED, "optimised theta: least squares of its equations");
	test_fit(THETA_DYNAMIC, "dynamic optimised theta: least squares of its equations");
	test_standard();
	test_seasons();
	test_models();
	test_ugly();
	printf("1..%d\n", number);
	return failed != 0;
}

/* links: src/core/fmath.c src/core/linalg.c src/core/optim.c src/forecast/series.c src/forecast/ets_forecast.c */
/*-------------------------------------------------------------------------
 *
 * ets_test.c
 *	  Exponential smoothing: gradient against differences, published fits,
 *	  variances against simulation.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/ets.c"

#include "known_series.h"
#include "tap.h"

#include <stdio.h>

static bool
near(double a, double b, double tolerance)
{
	return fabs(a - b) <= tolerance;
}

/*
 * Hyndman and Athanasopoulos, Forecasting: Principles and Practice, 2nd ed.,
 * section 7.1: Saudi oil production 1996-2013, and section 7.2: Australian
 * air passengers 1990-2016.
 */
static const double oil[18] = {
	445.36, 453.20, 454.41, 422.38, 456.04, 440.39, 425.19, 486.21, 500.43,
	521.28, 508.95, 488.89, 509.87, 456.72, 473.82, 525.95, 549.83, 542.34
};
static const double ausair[27] = {
	17.55, 21.86, 23.89, 26.93, 26.89, 28.83, 30.08, 30.95, 30.19, 31.58,
	32.58, 33.48, 39.02, 41.39, 41.60, 44.66, 46.95, 48.73, 51.49, 50.03,
	60.64, 63.36, 66.36, 68.20, 68.12, 69.78, 72.60
};

/* Adjoint gradient of one form against central differences at one point. */
static bool
gradient_is_right(EtsForm form)
{
	EtsWork		w;
	double		x[OPTIM_MAX_DIM],
				lower[OPTIM_MAX_DIM],
				upper[OPTIM_MAX_DIM],
				scale[OPTIM_MAX_DIM],
				g[OPTIM_MAX_DIM],
				unused[OPTIM_MAX_DIM],
			   *memory = FcAlloc(5 * 72 + 2 * 12);
	EtsOptions	options = {1.0, 6.0, 10, 1e-7, NULL, 1};
	bool		good = true;

	memset(&w, 0, sizeof(w));
	w.y = air;
	w.n = 72;
	w.m = form.season == FC_SEASON_NONE ? 1 : 12;
	w.form = form;
	w.options = &options;
	w.at = layout_of(form, w.m);
	w.q = memory;
	w.e = w.q + 72;
	w.b = w.e + 72;
	w.s = w.b + 72;
	w.sbar = w.s + 84;
	prepare(&w, x, lower, upper, scale);
	set_prior(&w, x);
	for (int i = 0; i < w.at.dim; i++)
		x[i] += 0.1 * scale[i];
	objective(x, g, &w);
	for (int i = 0; i < w.at.dim; i++)
	{
		double		step = 1e-6 * Max(fabs(x[i]), 1e-3),
					keep = x[i],
					up,
					down;

		x[i] = keep + step;
		up = objective(x, unused, &w);
		x[i] = keep - step;
		down = objective(x, unused, &w);
		x[i] = keep;
		good = good && near(g[i], (up - down) / (2 * step),
							1e-4 * Max(1, fabs(g[i])));
	}
	free(memory);
	return good;
}

static void
test_gradients(void)
{
	for (int error = 0; error < 2; error++)
		for (int trend = 0; trend < 3; trend++)
			for (int season = 0; season < 3; season++)
			{
				EtsForm		form = {error == 1, trend, season};
				char		name[16],
							text[64];

				snprintf(text, sizeof(text), "gradient of %s",
						 EtsFormName(form, name));
				ok(gradient_is_right(form), text);
			}
}

static void
test_names(void)
{
	EtsForm		form;
	char		name[16];
	static const char *const good[] = {"ETS(A,Ad,M)", "ets(a,ad,m)", "AAdM", "aadm", "ETS(A, Ad, M)"};
	static const char *const bad[] = {"", "ETS", "ETS(", "A", "AA", "AAB", "XNN", "AXN", "AAdMM", "ETS(A,N,N,N)", "ANdN", "E"};
	bool		all = true;

	for (int i = 0; i < (int) lengthof(good); i++)
		all = all && EtsFormFromName(good[i], &form) &&
			strcmp(EtsFormName(form, name), "ETS(A,Ad,M)") == 0;
	ok(all, "forms are read in several spellings");
	all = true;
	for (int i = 0; i < (int) lengthof(bad); i++)
		all = all && !EtsFormFromName(bad[i], &form);
	ok(all, "what is no form is refused");
	form = (EtsForm) {false, ETS_TREND_DAMPED, FC_SEASON_ADDITIVE};
	ok(EtsParameterCount(form, 12) == 17, "ETS(A,Ad,A) with m = 12 has 17 parameters");
}

/* n log SSE of Holt's method on the Australian passengers. */
static double
holt_criterion(double alpha, double beta, double level, double slope)
{
	double		sse = 0;

	for (int t = 0; t < 27; t++)
	{
		double		e = ausair[t] - level - slope;

		sse += e * e;
		level += slope + alpha * e;
		slope += beta * e;
	}
	return 27 * log(sse);
}

static void
test_published(void)
{
	EtsForm		ses = {false, ETS_TREND_NONE, FC_SEASON_NONE},
				holt = {false, ETS_TREND_ADDITIVE, FC_SEASON_NONE},
				madm = {true, ETS_TREND_DAMPED, FC_SEASON_MULTIPLICATIVE},
				ana = {false, ETS_TREND_NONE, FC_SEASON_ADDITIVE};
	EtsFit		fit;
	double		mean[5];

	ok(EtsFitForm(oil, 18, 1, ses, &EtsMaximumLikelihood, &fit), "oil production");
	EtsForecast(&fit, 1, mean);
	ok(near(fit.alpha, 0.83, 0.005) && near(fit.l0, 446.6, 0.05) &&
	   near(mean[0], 542.68, 0.005), "alpha 0.83, l0 446.6, forecast 542.68");

	EtsFitForm(ausair, 27, 1, holt, &EtsMaximumLikelihood, &fit);
	EtsForecast(&fit, 5, mean);
	/* the book's optimiser stopped at alpha 0.8321, beta 0.0001, l0 15.57, b0 2.102 */
	ok(fit.criterion <= holt_criterion(0.8321, 0.0001, 15.57, 2.102) &&
	   near(fit.alpha, 0.8321, 0.02) && near(fit.b0, 2.102, 0.005),
	   "air passengers: likelihood is at least that of the book");
	ok(near(mean[0], 74.60, 0.03) && near(mean[4], 83.01, 0.03),
	   "forecasts 74.60 .. 83.01");

	/* R's ets() prints AIC 1395.166 for ETS(M,Ad,M) of AirPassengers */
	EtsFitForm(air, 144, 12, madm, &EtsMaximumLikelihood, &fit);
	ok(fit.aic < 1395.17 && fit.nparams == 17 &&
	   near(fit.aicc - fit.aic, 2.0 * 18 * 19 / (144 - 19), 1e-9),
	   "likelihood of AirPassengers is at least that of R");
	/* and AIC 1141.016 for ETS(A,N,A) of USAccDeaths */
	EtsFitForm(deaths, 72, 12, ana, &EtsMaximumLikelihood, &fit);
	ok(fit.aic < 1141.02, "likelihood of USAccDeaths is at least that of R");
}

/* Variance of each step against 20,000 simulated futures. */
static bool
variance_is_right(EtsForm form, double tolerance)
{
	enum
	{
	h = 15, paths = 20000};
	EtsFit		fit;
	FmathRandom random;
	double		mean[h],
				variance[h],
				path[h],
				sum[h] = {0},
				square[h] = {0};
	bool		good = true;

	if (!EtsFitForm(air, 144, 12, form, &EtsMaximumLikelihood, &fit))
		return false;
	fit.gamma = Max(fit.gamma, 0.1);
	EtsForecast(&fit, h, mean);
	EtsVariance(&fit, h, mean, variance);
	FmathSeed(&random, 3);
	for (int k = 0; k < paths; k++)
	{
		EtsSimulate(&fit, h, &random, path);
		for (int j = 0; j < h; j++)
		{
			sum[j] += path[j] - mean[j];
			square[j] += (path[j] - mean[j]) * (path[j] - mean[j]);
		}
	}
	for (int j = 0; j < h; j++)
		good = good && fabs(square[j] / paths / variance[j] - 1) < tolerance &&
			fabs(sum[j] / paths) < 0.05 * sqrt(variance[j]);
	return good;
}

static void
test_variances(void)
{
	for (int error = 0; error < 2; error++)
		for (int trend = 0; trend < 3; trend++)
			for (int season = 0; season < 3; season++)
			{
				EtsForm		form = {error == 1, trend, season};
				char		name[16],
							text[64];

				if (!EtsVarianceIsAnalytic(form))
					continue;
				snprintf(text, sizeof(text), "variance of %s is that of its simulation",
						 EtsFormName(form, name));
				ok(variance_is_right(form, 0.06), text);
			}
}

/* Odd input ends in an answer or a refusal, never in a crash. */
static void
test_ugly(void)
{
	EtsFit		fits[ETS_MAX_FORMS];
	FmathRandom r;
	double		y[60],
				mean[5];
	bool		good = true;

	FmathSeed(&r, 11);
	for (int round = 0; round < 300; round++)
	{
		int			n = 1 + (int) (FmathNext(&r) % 60),
					m = 1 + (int) (FmathNext(&r) % 26),
					count;

		for (int t = 0; t < n; t++)
			switch (round % 5)
			{
				case 0:
					y[t] = FmathNormal(&r);
					break;
				case 1:
					y[t] = FmathExp(3 * FmathNormal(&r));
					break;
				case 2:
					y[t] = (double) (FmathNext(&r) % 2);
					break;
				case 3:
					y[t] = t;
					break;
				default:
					y[t] = t == n / 2 ? 900 : 0;
			}
		count = EtsFitAll(y, n, m, &EtsShrunk, fits);
		for (int i = 0; i < count; i++)
		{
			EtsForecast(&fits[i], 5, mean);
			good = good && isfinite(mean[4]) && isfinite(fits[i].aicc) &&
				fits[i].alpha > 0 && fits[i].alpha < 1;
		}
	}
	ok(good, "300 odd series are fitted or refused");
	ok(!EtsFitForm(air, 2, 1, (EtsForm) {0}, &EtsMaximumLikelihood, &fits[0]),
	   "two observations are refused");
}

int
main(void)
{
	test_names();
	test_gradients();
	test_published();
	test_variances();
	test_ugly();
	printf("1..%d\n", number);
	return failed != 0;
}

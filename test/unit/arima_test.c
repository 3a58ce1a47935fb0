/* links: src/core/fmath.c src/core/linalg.c src/core/optim.c src/forecast/series.c src/forecast/simple.c src/forecast/stl.c src/forecast/arima_search.c */
/*-------------------------------------------------------------------------
 *
 * arima_test.c
 *	  ARIMA: the likelihood against an autocovariance matrix, fits and
 *	  forecasts against R 4.2.2 (stats::arima, forecast 8.20 auto.arima).
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/arima.c"

#include "core/linalg.h"

#include "known_series.h"
#include "tap.h"

#include <stdio.h>

static bool
near(double a, double b, double tolerance)
{
	return fabs(a - b) <= tolerance;
}

/*
 * -2 log L of a model by the definition: autocovariances from psi weights,
 * n log(x' G^-1 x) + log |G| with a Cholesky factor of the matrix G.
 */
static double
by_definition(ArimaWork *w)
{
	enum
	{
		TERMS = 4000
	};
	double	   *psi = calloc(TERMS, sizeof(double)),
			   *g = calloc((size_t) w->n * w->n, sizeof(double)),
			   *x = malloc(w->n * sizeof(double)),
				gamma,
				logs = 0,
				square = 0;

	for (int k = 0; k < TERMS; k++)
	{
		psi[k] = k == 0 ? 1 : (k <= w->qq ? w->ma[k - 1] : 0);
		for (int j = 1; j <= Min(k, w->pp); j++)
			psi[k] += w->ar[j - 1] * psi[k - j];
	}
	for (int i = 0; i < w->n; i++)
		for (int j = 0; j <= i; j++)
		{
			gamma = 0;
			for (int k = 0; k + i - j < TERMS; k++)
				gamma += psi[k] * psi[k + i - j];
			g[i * w->n + j] = gamma;
		}
	memcpy(x, w->w, w->n * sizeof(double));
	LinalgCholeskySolve(g, x, w->n);
	for (int i = 0; i < w->n; i++)
	{
		logs += 2 * log(g[i * w->n + i]);
		square += x[i] * w->w[i];
	}
	free(psi);
	free(g);
	free(x);
	return w->n * log(square) + logs;
}

static bool
likelihood_is_exact(ArimaOrder order, const double *x)
{
	ArimaWork  *w = ArimaAlloc();
	bool		good = ArimaBegin(w, air, 60, order);
	double		value;

	w->exact = true;
	value = criterion(x, w);
	good = good && near(value, by_definition(w), 1e-7 * fabs(value));
	ArimaEnd(w);
	free(w);
	return good;
}

static void
test_likelihood(void)
{
	static const double x1[] = {0.7, -0.3, 0.4};
	static const double x2[] = {0.5, 0.3, -0.6, 0.5};
	static const double x3[] = {0.2, 0.9, 0.8, -0.3};

	ok(likelihood_is_exact((ArimaOrder) {.p = 2, .d = 1, .q = 1, .m = 1}, x1), "ARIMA(2,1,1)");
	ok(likelihood_is_exact((ArimaOrder) {.p = 1, .q = 1, .P = 1, .Q = 1, .m = 4, .D = 1}, x2), "ARIMA(1,0,1)(1,1,1)4");
	ok(likelihood_is_exact((ArimaOrder) {.d = 1, .q = 2, .P = 1, .Q = 1, .m = 12}, x3), "ARIMA(0,1,2)(1,0,1)12");
	ok(likelihood_is_exact((ArimaOrder) {.d = 1, .m = 1}, x1), "ARIMA(0,1,0)");
}

typedef struct Known
{
	const char *name;
	const double *y;
	int			n;
	ArimaOrder	order;
	double		loglik;			/* of R, fitted to the differenced series */
	double		forecast[3];
} Known;

static double logair[144];

static const Known known[] = {
	{"airline model of log air", logair, 144, {0, 1, 1, 0, 1, 1, 12, false}, 244.696487, {6.110185743, 6.053775271, 6.171714856}},
	{"AR(3) of lh", lh, 48, {3, 0, 0, 0, 0, 0, 1, true}, -27.092411, {2.460180641, 2.270846479, 2.198617996}},
	{"ARMA(1,1) of lh", lh, 48, {1, 0, 1, 0, 0, 0, 1, true}, -28.762033, {2.679610920, 2.531951258, 2.465179260}},
	{"IMA of Nile", nile, 100, {0, 1, 1, 0, 0, 0, 1, false}, -632.545624, {798.3673139, 798.3673139, 798.3673139}},
	{"ARIMA(1,1,1) with drift of Nile", nile, 100, {1, 1, 1, 0, 0, 0, 1, true}, -629.818524, {799.1887590, 813.1077264, 814.7729448}},
	{"airline model of deaths", deaths, 72, {0, 1, 1, 0, 1, 1, 12, false}, -425.441102, {8336.061266, 7531.829141, 8314.643760}},
	{"ARIMA(1,0,0)(2,1,0) of deaths", deaths, 72, {1, 0, 0, 2, 1, 0, 12, false}, -435.981100, {8356.154758, 7516.558587, 8169.176149}},
	{"ARIMA(3,1,0) of users", users, 100, {3, 1, 0, 0, 0, 0, 1, false}, -251.996992, {219.6608003, 219.2298682, 218.2765810}},
	{"ARIMA(1,1,1) of users", users, 100, {1, 1, 1, 0, 0, 0, 1, false}, -254.149736, {218.8804967, 218.1523987, 217.6788612}},
};

static void
test_known(void)
{
	for (int t = 0; t < 144; t++)
		logair[t] = log(air[t]);
	for (int i = 0; i < (int) lengthof(known); i++)
	{
		const Known *k = &known[i];
		ArimaFit	fit;
		double		mean[3],
					variance[3],
					psi[3];
		FcSteps		steps = {mean, variance, psi};
		bool		good = ArimaFitOrder(k->y, k->n, k->order, NULL, &fit);

		good = good && fit.loglik > k->loglik - 1e-4 && fit.loglik < k->loglik + 0.05;
		if (good)
		{
			ArimaSteps(&fit, k->y, 3, &steps);
			for (int j = 0; j < 3; j++)
				good = good && near(mean[j], k->forecast[j], 2e-4 * fabs(k->forecast[j]));
		}
		if (!good)
			printf("# loglik %.6f, forecasts %.8f %.8f %.8f\n", fit.loglik, mean[0], mean[1], mean[2]);
		ok(good, k->name);
	}
}

static void
test_search(void)
{
	ArimaFit	fit;
	char		name[48];

	ok(ArimaFitAuto(users, 100, 1, ARIMA_FINALISTS, NULL, &fit) &&
	   fit.aicc <= 514.55 + 0.01, "users: as good as R's choice");
	ok(ArimaFitAuto(deaths, 72, 12, ARIMA_FINALISTS, NULL, &fit) &&
	   strcmp(ArimaName(&fit.order, name), "ARIMA(0,1,1)(0,1,1)[12]") == 0, "deaths: the airline model");
	ok(fit.tried > 5, "several models are compared");
	ok(!ArimaFitOrder(lh, 9, (ArimaOrder) {2, 1, 1, 1, 1, 1, 12, false}, NULL, &fit), "fewer values than differences take");
	ok(!ArimaFitAuto(lh, 3, 1, ARIMA_FINALISTS, NULL, &fit), "three values are too few");
}

/* KPSS by hand: 1..8 has mean 4.5, partial sums -3.5, -6, -7.5, -8, ... */
static void
test_unit_roots(void)
{
	double		line[8],
				noise[40];

	for (int t = 0; t < 8; t++)
		line[t] = t + 1;
	/* sum of squared partial sums 12.25+36+56.25+64+56.25+36+12.25 = 273;
	 * no lags (3 sqrt 8 / 13 < 1); variance 5.25: 273 / (64 * 5.25) */
	ok(near(FcKpss(line, 8), 0.8125, 1e-12), "KPSS of a line");
	for (int t = 0; t < 40; t++)
		noise[t] = (t * 7919 % 13) - 6;
	ok(FcDifferences(noise, 40) == 0, "no difference of noise");
	ok(FcDifferences(nile, 100) == 1, "one difference of the Nile");
}

static void
test_names(void)
{
	ArimaOrder	o;
	char		name[48];

	ok(ArimaFromName("ARIMA(2,1,3)(1,1,2)", &o) && o.p == 2 && o.d == 1 && o.q == 3 &&
	   o.P == 1 && o.D == 1 && o.Q == 2 && !o.constant, "orders are read");
	o.m = 12;
	ok(strcmp(ArimaName(&o, name), "ARIMA(2,1,3)(1,1,2)[12]") == 0, "and written");
	ok(ArimaFromName("arima(0, 1, 1)+c", &o) && o.constant, "a constant");
	ok(!ArimaFromName("ARIMA(6,0,0)", &o) && !ArimaFromName("ARIMA(1,1)", &o) &&
	   !ArimaFromName("ARIMA(1,1,1", &o) && !ArimaFromName("ARIMA(1,1,1)(1,2,1)", &o) &&
	   !ArimaFromName("ARIMA", &o) && !ArimaFromName("ARIMA(1,3,1)", &o), "what is no order");
}

int
main(void)
{
	test_likelihood();
	test_known();
	test_search();
	test_unit_roots();
	test_names();
	printf("1..%d\n", number);
	return failed > 0;
}

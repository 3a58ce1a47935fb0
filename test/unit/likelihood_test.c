/* links: src/core/fmath.c src/core/linalg.c src/core/optim.c src/forecast/series.c src/forecast/simple.c src/forecast/stl.c src/forecast/arima.c src/forecast/arima_search.c src/forecast/ets.c src/forecast/ets_forecast.c */
/*-------------------------------------------------------------------------
 *
 * likelihood_test.c
 *	  The log-likelihood of 200 ARIMA models and 200 smoothing models, each of
 *	  a generated series of its own, against that of R for the same form.
 *
 * R's figures stand in likelihood_r.h.  They were made with R 4.2.2 (arima of
 * package stats) and its package forecast 8.20 (ets) by likelihood.R from the
 * series that this program prints when it is called with an argument.
 *
 * Every second ARIMA model is fitted to a series of other orders, with the
 * differences of its own.  R leaves values out of its likelihood whose variance
 * exceeds that of the errors ten thousand times, and starts its differences
 * from a variance of a million: likelihood.R reports none where a root lies
 * that close to the circle, and DIFFUSE allows for the other.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/arima.h"

#include "core/fmath.h"

#include "tap.h"

#ifdef LIKELIHOOD_SERIES
static const double r_arima[200],
			r_ets[200];
#else
#include "likelihood_r.h"
#endif

#include <stdio.h>

#define CASES	200
#define LONGEST	200
#define WARM	100
#define DIFFUSE	0.02

typedef struct Case
{
	ArimaOrder	order;			/* what is fitted */
	EtsForm		form;
	int			m;
	int			n;
	double		y[LONGEST];
} Case;

static int
pick(FmathRandom *r, int count)
{
	return (int) (FmathNext(r) % count);
}

static double
uniform(FmathRandom *r, double from, double to)
{
	return from + (to - from) * (double) (FmathNext(r) >> 11) / 9007199254740992.0;
}

/* Both sides read the same decimals. */
static void
round_values(Case *c)
{
	for (int t = 0; t < c->n; t++)
		c->y[t] = rint(c->y[t] * 1000) / 1000;
}

static ArimaOrder
random_order(FmathRandom *r, int m)
{
	ArimaOrder	o = {.m = m};

	o.p = pick(r, 3);
	o.q = pick(r, 3);
	o.d = pick(r, 8) == 0 ? 2 : pick(r, 2);
	if (m > 1)
	{
		o.P = pick(r, 2);
		o.Q = pick(r, 2);
		o.D = pick(r, 2);
	}
	o.constant = o.d + o.D == 0 || (o.d + o.D == 1 && pick(r, 2) == 0);
	if (o.p + o.q + o.P + o.Q == 0)
		o.q = 1;
	return o;
}

/* One factor per lag keeps the polynomials stationary and invertible. */
static void
arima_series(FmathRandom *r, Case *c, ArimaOrder o)
{
	double		e[LONGEST + WARM] = {0},
				w[LONGEST + WARM] = {0},
				ar[2] = {uniform(r, -0.5, 0.9), uniform(r, -0.4, 0.4)},
				ma[2] = {uniform(r, -0.8, 0.8), uniform(r, -0.3, 0.3)},
				sar = uniform(r, -0.3, 0.7),
				sma = uniform(r, -0.8, 0.3),
				drift = o.constant ? uniform(r, -1, 1) : 0,
				total = WARM + c->n;

	if (o.p == 2)
		ar[0] *= 1 - fabs(ar[1]);
	for (int t = 0; t < total; t++)
	{
		e[t] = w[t] = FmathNormal(r);
		for (int i = 1; i <= o.q && i <= t; i++)
			w[t] += ma[i - 1] * e[t - i];
		for (int i = 1; i <= o.p && i <= t; i++)
			w[t] += ar[i - 1] * w[t - i];
		if (o.Q > 0 && t >= o.m)
			w[t] += sma * e[t - o.m];
		if (o.P > 0 && t >= o.m)
			w[t] += sar * (1 - fabs(ar[0])) * w[t - o.m];
	}
	for (int t = 0; t < c->n; t++)
		c->y[t] = 5 * w[WARM + t] + drift;
	for (int i = 0; i < o.D; i++)
		for (int t = o.m; t < c->n; t++)
			c->y[t] += c->y[t - o.m];
	for (int i = 0; i < o.d; i++)
		for (int t = 1; t < c->n; t++)
			c->y[t] += c->y[t - 1];
	for (int t = 0; t < c->n; t++)
		c->y[t] += 500;
}

static void
arima_case(int k, Case *c)
{
	static const int seasons[4] = {1, 1, 4, 12};
	FmathRandom r;
	ArimaOrder	own;

	FmathSeed(&r, 1000 + k);
	memset(c, 0, sizeof(*c));
	c->m = seasons[pick(&r, 4)];
	c->n = 50 + c->m * 2 + pick(&r, 100);
	own = c->order = random_order(&r, c->m);
	if (k % 2 == 1)
	{
		c->order = random_order(&r, c->m);
		c->order.d = own.d;
		c->order.D = own.D;
		c->order.constant = own.constant;
	}
	arima_series(&r, c, own);
	round_values(c);
}

/* Smoothing: the recursion run forwards with errors of its form. */
static void
ets_case(int k, Case *c)
{
	static const int seasons[3] = {1, 4, 12};
	FmathRandom r;
	EtsForm		f;
	double		alpha,
				beta,
				gamma,
				phi,
				level = 200,
				slope = 0,
				season[12] = {0},
				sigma;

	FmathSeed(&r, 5000 + k);
	memset(c, 0, sizeof(*c));
	c->m = seasons[pick(&r, 3)];
	c->n = 40 + 2 * c->m + pick(&r, 90);
	f.multiplicative_error = pick(&r, 2) == 0;
	f.trend = pick(&r, 3);
	f.season = c->m == 1 ? FC_SEASON_NONE : pick(&r, 3);
	if (!f.multiplicative_error && f.season == FC_SEASON_MULTIPLICATIVE)
		f.multiplicative_error = true;
	alpha = uniform(&r, 0.05, 0.9);
	beta = alpha * uniform(&r, 0.01, 0.3);
	gamma = (1 - alpha) * uniform(&r, 0.01, 0.5);
	phi = f.trend == ETS_TREND_DAMPED ? uniform(&r, 0.82, 0.98) : 1;
	sigma = uniform(&r, 0.005, 0.06);
	if (f.trend != ETS_TREND_NONE)
		slope = uniform(&r, -0.5, 2);
	for (int i = 0; i < c->m && f.season != FC_SEASON_NONE; i++)
		season[i] = f.season == FC_SEASON_MULTIPLICATIVE ? uniform(&r, 0.7, 1.3) : uniform(&r, -30, 30);
	for (int t = 0; t < c->n; t++)
	{
		double	   *s = &season[t % c->m],
					q = level + phi * slope,
					y = f.season == FC_SEASON_MULTIPLICATIVE ? q * *s : q + *s,
					e = sigma * FmathNormal(&r) * (f.multiplicative_error ? y : 200);

		c->y[t] = y + e;
		level = q + alpha * (f.season == FC_SEASON_MULTIPLICATIVE ? e / *s : e);
		slope = phi * slope + (f.trend == ETS_TREND_NONE ? 0 : beta) * e;
		if (f.season == FC_SEASON_MULTIPLICATIVE)
			*s += gamma * e / q;
		else if (f.season == FC_SEASON_ADDITIVE)
			*s += gamma * e;
	}
	c->form = f;
	round_values(c);
	for (int t = 0; t < c->n; t++)
		c->y[t] = fmax(c->y[t], 1);
}

static void
print_series(void)
{
	static const char *const trends[] = {"N", "A", "A"};
	Case		c;

	for (int k = 0; k < 2 * CASES; k++)
	{
		if (k < CASES)
		{
			arima_case(k, &c);
			printf("arima,%d,%d,%d,%d,%d,%d,%d,%d,", c.m, c.order.p, c.order.d, c.order.q,
				   c.order.P, c.order.D, c.order.Q, c.order.constant);
		}
		else
		{
			ets_case(k - CASES, &c);
			printf("ets,%d,%c%s%c,%d,0,0,0,0,0,", c.m, c.form.multiplicative_error ? 'M' : 'A',
				   trends[c.form.trend], "NAM"[c.form.season], c.form.trend == ETS_TREND_DAMPED);
		}
		for (int t = 0; t < c.n; t++)
			printf("%s%.3f", t > 0 ? " " : "", c.y[t]);
		printf("\n");
	}
}

/* How much better R is at the worst; what lies below is rounding of its table. */
static double
worst(bool arima, int *behind)
{
	double		most = -(double) INFINITY;
	Case		c;

	*behind = 0;
	for (int k = 0; k < CASES; k++)
	{
		double		ours = -(double) INFINITY,
					r = arima ? r_arima[k] : r_ets[k];
		ArimaFit	one;
		EtsFit		two;

		if (arima)
		{
			arima_case(k, &c);
			if (ArimaFitOrder(c.y, c.n, c.order, NULL, &one))
				ours = one.loglik;
		}
		else
		{
			ets_case(k, &c);
			if (EtsFitForm(c.y, c.n, c.m, c.form, &EtsMaximumLikelihood, &two))
				ours = -two.criterion / 2;
		}
		if (r - ours > (arima ? DIFFUSE : 0.001))
		{
			printf("# %s %d: %.4f, R %.4f\n", arima ? "ARIMA" : "ETS", k, ours, r);
			(*behind)++;
		}
		most = fmax(most, r - ours);
	}
	return most;
}

int
main(int argc, char **argv)
{
	int			behind;

	(void) argv;
	if (argc > 1)
	{
		print_series();
		return 0;
	}
	worst(true, &behind);
	ok(behind == 0, "ARIMA: at least R's log-likelihood on 200 series");
	worst(false, &behind);
	ok(behind == 0, "exponential smoothing: at least R's log-likelihood on 200 series");
	printf("1..%d\n", number);
	return failed != 0;
}

/*-------------------------------------------------------------------------
 *
 * arima_search.c
 *	  Which ARIMA model: unit roots, stepwise search; names of orders.  Pure.
 *
 * Hyndman and Khandakar (2008), Automatic time series forecasting, Journal of
 * Statistical Software 27(3): the seasonal difference by the strength of the
 * season (above 0.64), the others by repeated KPSS tests at 5 percent
 * (Kwiatkowski, Phillips, Schmidt and Shin 1992, Journal of Econometrics 54),
 * then the neighbours of the best model so far by AICc until none is better.
 *
 * Candidates of a series with a season are ranked by their conditional sums
 * of squares, all over the same observations; the best few are estimated by
 * exact maximum likelihood, which decides.  A model with a root within 1.01
 * of the unit circle is not taken.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/arima.h"

#include "core/fmath.h"

#include <math.h>

#define KPSS_CRITICAL	0.463	/* 5 percent, level stationarity (table 1) */
#define SEASON_LIMIT	0.64
#define ROOT_LIMIT		1.01
#define MAX_CANDIDATES	94
#define SEARCH_LONGEST	2000	/* observations that rank candidates */

typedef struct Candidate
{
	ArimaOrder	order;
	double		x[ARIMA_MAX_COEF];
	double		aicc;			/* by the conditional sum of squares */
	bool		refused;
} Candidate;

typedef struct Search
{
	ArimaWork  *work;
	FinopsInterrupt interrupt;
	int			count;
	int			best;
	Candidate	all[MAX_CANDIDATES];
} Search;

/* The statistic for stationarity around a level, Bartlett window. */
double
FcKpss(const double *y, int n)
{
	double		mean = FcMean(y, n),
				partial = 0,
				numerator = 0,
				variance = 0;
	int			lags = (int) (3 * sqrt(n) / 13);

	for (int t = 0; t < n; t++)
	{
		partial += y[t] - mean;
		numerator += partial * partial;
		variance += (y[t] - mean) * (y[t] - mean) / n;
	}
	for (int k = 1; k <= lags; k++)
	{
		double		sum = 0;

		for (int t = k; t < n; t++)
			sum += (y[t] - mean) * (y[t - k] - mean) / n;
		variance += 2 * (1 - k / (lags + 1.0)) * sum;
	}
	return variance > 0 ? numerator / ((double) n * n * variance) : 0;
}

int
FcDifferences(const double *y, int n)
{
	double	   *x = FcAlloc(2 * (size_t) n),
			   *next = x + n;
	int			d = 0;

	memcpy(x, y, n * sizeof(double));
	while (d < 2 && n > 5 && !FcIsConstant(x, n) && FcKpss(x, n) > KPSS_CRITICAL)
	{
		n = ArimaDifference(x, n, 1, next);
		memcpy(x, next, n * sizeof(double));
		d++;
	}
	FcFree(x);
	return d;
}

static bool
same_order(const ArimaOrder *a, const ArimaOrder *b)
{
	return a->p == b->p && a->q == b->q && a->P == b->P && a->Q == b->Q &&
		a->constant == b->constant;
}

/* Starts from the candidate that it neighbours, part by part. */
static void
warm_start(const Candidate *from, Candidate *to)
{
	const ArimaOrder *a = &from->order,
			   *b = &to->order;

	for (int i = 0; i < b->p; i++)
		to->x[i] = i < a->p ? from->x[i] * 0.9 : 0.05;
	for (int i = 0; i < b->q; i++)
		to->x[b->p + i] = i < a->q ? from->x[a->p + i] * 0.9 : 0.05;
	for (int i = 0; i < b->P; i++)
		to->x[b->p + b->q + i] = i < a->P ? from->x[a->p + a->q + i] * 0.9 : 0.05;
	for (int i = 0; i < b->Q; i++)
		to->x[b->p + b->q + b->P + i] = i < a->Q ?
			from->x[a->p + a->q + a->P + i] * 0.9 : 0.05;
}

/* Estimates a candidate unless it was there; true when it is the best. */
static bool
consider(Search *s, ArimaOrder order)
{
	Candidate  *c = &s->all[s->count];
	int			k,
				n = s->work->n;
	double		value;

	if (order.p < 0 || order.p > ARIMA_MAX_ORDER || order.q < 0 ||
		order.q > ARIMA_MAX_ORDER || order.P < 0 || order.Q < 0 ||
		order.P > ARIMA_MAX_SEASONAL || order.Q > ARIMA_MAX_SEASONAL ||
		s->count >= MAX_CANDIDATES)
		return false;
	if (order.m == 1 && order.P + order.Q > 0)
		return false;
	if (order.constant && order.d + order.D > 1)
		return false;
	for (int i = 0; i < s->count; i++)
		if (same_order(&s->all[i].order, &order))
			return false;
	k = ArimaDimension(&order) + (order.constant ? 1 : 0) + 1;
	if (n <= k + 2 || n <= order.p + order.m * order.P + order.q)
		return false;
	memset(c, 0, sizeof(*c));
	c->order = order;
	if (s->count > 0)
		warm_start(&s->all[s->best], c);
	ArimaSetOrder(s->work, order);
	s->work->exact = order.m == 1;
	value = ArimaOptimise(s->work, c->x, 40, 1e-2, s->interrupt);
	c->aicc = isfinite(value) ?
		value + 2 * k + 2.0 * k * (k + 1) / (n - k - 1) : (double) INFINITY;
	if (isfinite(value))
	{
		ArimaFit	fit;

		fit.order = order;
		ArimaCoefficients(&order, c->x, fit.coef);
		c->refused = !ArimaRootsBeyond(&fit, ROOT_LIMIT);
		if (c->refused)
			c->aicc += 1000;
	}
	s->count++;
	if (s->count == 1 || c->aicc < s->all[s->best].aicc)
	{
		s->best = s->count - 1;
		return true;
	}
	return false;
}

static void
first_models(Search *s, ArimaOrder base)
{
	static const int starts[4][4] = {{2, 2, 1, 1}, {0, 0, 0, 0}, {1, 0, 1, 0},
	{0, 1, 0, 1}};
	bool		constant = base.d + base.D <= 1;
	bool		seasonal = base.m > 1;

	for (int i = 0; i < 5; i++)
	{
		ArimaOrder	o = base;
		const int  *start = starts[i < 4 ? i : 1];

		o.p = start[0];
		o.q = start[1];
		o.P = seasonal ? start[2] : 0;
		o.Q = seasonal ? start[3] : 0;
		o.constant = constant && i < 4;
		consider(s, o);
	}
}

/* Moves of the stepwise search, as changes of p, q, P, Q. */
static void
walk(Search *s)
{
	static const int moves[16][4] = {
		{0, 0, -1, 0}, {0, 0, 0, -1}, {0, 0, 1, 0}, {0, 0, 0, 1},
		{0, 0, -1, -1}, {0, 0, -1, 1}, {0, 0, 1, -1}, {0, 0, 1, 1},
		{-1, 0, 0, 0}, {0, -1, 0, 0}, {1, 0, 0, 0}, {0, 1, 0, 0},
		{-1, -1, 0, 0}, {-1, 1, 0, 0}, {1, -1, 0, 0}, {1, 1, 0, 0}
	};
	bool		better = true;

	while (better && s->count < MAX_CANDIDATES)
	{
		ArimaOrder	o = s->all[s->best].order;

		better = false;
		for (int i = 0; i < 16 && !better; i++)
		{
			ArimaOrder	next = o;

			next.p += moves[i][0];
			next.q += moves[i][1];
			next.P += moves[i][2];
			next.Q += moves[i][3];
			better = consider(s, next);
		}
		if (!better)
		{
			o.constant = !o.constant;
			better = consider(s, o);
		}
	}
}

/*
 * Exact maximum likelihood of the best few; the best of them, wholly
 * converged, into fit.
 */
static bool
decide(Search *s, ArimaWork *whole, int finalists, ArimaFit *fit)
{
	bool		found = false;
	double		x[ARIMA_MAX_COEF];
	ArimaFit	polished;

	for (int round = 0; round < finalists; round++)
	{
		int			best = -1;
		ArimaFit	one;

		for (int i = 0; i < s->count; i++)
			if (isfinite(s->all[i].aicc) &&
				(best < 0 || s->all[i].aicc < s->all[best].aicc))
				best = i;
		if (best < 0)
			break;
		ArimaSetOrder(whole, s->all[best].order);
		whole->exact = true;
		if (isfinite(ArimaOptimise(whole, s->all[best].x, 40, 1e-3, s->interrupt)))
		{
			ArimaFill(whole, s->all[best].x, &one);
			if (isfinite(one.aicc) && (!found || one.aicc < fit->aicc) &&
				(ArimaRootsBeyond(&one, ROOT_LIMIT) || (!found && round == finalists - 1)))
			{
				*fit = one;
				memcpy(x, s->all[best].x, sizeof(x));
				found = true;
			}
		}
		s->all[best].aicc = (double) INFINITY;
	}
	if (!found)
		return false;
	ArimaSetOrder(whole, fit->order);
	ArimaOptimise(whole, x, 100, 1e-6, s->interrupt);
	ArimaFill(whole, x, &polished);
	if (ArimaRootsBeyond(&polished, ROOT_LIMIT))
		*fit = polished;
	return true;
}

static ArimaOrder
unit_roots(const double *y, int n, int m, FinopsInterrupt interrupt)
{
	ArimaOrder	base = {.m = m};
	double	   *x = FcAlloc(n);
	int			left = n;

	memcpy(x, y, n * sizeof(double));
	if (m > 1 && StlSeasonStrength(y, n, m, interrupt) > SEASON_LIMIT)
	{
		base.D = 1;
		left = ArimaDifference(y, n, m, x);
	}
	base.d = FcDifferences(x, left);
	FcFree(x);
	return base;
}

bool
ArimaFitAuto(const double *y, int n, int m, int finalists,
			 FinopsInterrupt interrupt, ArimaFit *fit)
{
	Search	   *s;
	ArimaOrder	base;
	ArimaWork  *whole;
	bool		ok;
	int			recent = Min(n, SEARCH_LONGEST);

	if (n < 4)
		return false;
	if (m > ARIMA_MAX_PERIOD || n < 2 * m + 3)
		m = 1;
	s = (Search *) FcAlloc(sizeof(Search) / sizeof(double) + 1);
	s->interrupt = interrupt;
	s->count = s->best = 0;
	base = unit_roots(y, n, m, interrupt);
	s->work = ArimaAlloc();
	whole = ArimaAlloc();
	ok = ArimaBegin(whole, y, n, base);
	ok = ArimaBegin(s->work, y + n - recent, recent, base) && ok;
	if (ok)
	{
		first_models(s, base);
		walk(s);
		ok = decide(s, whole, finalists, fit);
		fit->tried = s->count;
	}
	ArimaEnd(whole);
	ArimaEnd(s->work);
	FcFree((double *) whole);
	FcFree((double *) s->work);
	FcFree((double *) s);
	return ok;
}

/* ---------------------------------------------------------------------
 * Names
 * ---------------------------------------------------------------------
 */
static char *
put_part(char *s, int a, int b, int c)
{
	*s++ = '(';
	*s++ = '0' + a;
	*s++ = ',';
	*s++ = '0' + b;
	*s++ = ',';
	*s++ = '0' + c;
	*s++ = ')';
	return s;
}

/* "ARIMA(1,1,1)(0,1,1)[12] with drift" */
const char *
ArimaName(const ArimaOrder *order, char *buf)
{
	char	   *s = buf;

	memcpy(s, "ARIMA", 5);
	s = put_part(s + 5, order->p, order->d, order->q);
	if (order->m > 1)
	{
		s = put_part(s, order->P, order->D, order->Q);
		*s++ = '[';
		if (order->m >= 10)
			*s++ = '0' + order->m / 10;
		*s++ = '0' + order->m % 10;
		*s++ = ']';
	}
	if (order->constant)
	{
		const char *what = order->d + order->D > 0 ? " with drift" : " with mean";

		memcpy(s, what, strlen(what));
		s += strlen(what);
	}
	*s = '\0';
	return buf;
}

/* Three digits in parentheses, separated by commas; NULL when not there. */
static const char *
take_part(const char *s, int *a, int *b, int *c)
{
	int		   *to[3] = {a, b, c};

	if (*s++ != '(')
		return NULL;
	for (int i = 0; i < 3; i++)
	{
		while (*s == ' ')
			s++;
		if (*s < '0' || *s > '9')
			return NULL;
		*to[i] = *s++ - '0';
		while (*s == ' ')
			s++;
		if (*s++ != (i < 2 ? ',' : ')'))
			return NULL;
	}
	return s;
}

/*
 * "ARIMA(0,1,1)", "arima(2,0,0)(0,1,1)", either followed by "+c" for a mean
 * or drift; the season length is that of the request.
 */
bool
ArimaFromName(const char *name, ArimaOrder *order)
{
	static const char prefix[] = "arima";
	const char *s = name;

	memset(order, 0, sizeof(*order));
	for (int i = 0; i < 5; i++, s++)
		if ((*s | 32) != prefix[i])
			return false;
	s = take_part(s, &order->p, &order->d, &order->q);
	if (s != NULL && *s == '(')
	{
		s = take_part(s, &order->P, &order->D, &order->Q);
		order->m = 2;
	}
	if (s == NULL)
		return false;
	if (s[0] == '+' && (s[1] | 32) == 'c' && s[2] == '\0')
	{
		order->constant = true;
		s += 2;
	}
	return *s == '\0' && order->p <= ARIMA_MAX_ORDER && order->q <= ARIMA_MAX_ORDER &&
		order->P <= ARIMA_MAX_SEASONAL && order->Q <= ARIMA_MAX_SEASONAL &&
		order->d <= 2 && order->D <= 1;
}

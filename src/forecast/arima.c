/*-------------------------------------------------------------------------
 *
 * arima.c
 *	  ARIMA(p,d,q)(P,D,Q)m: likelihood, estimation, forecasts.  Pure.
 *
 * With w = (1-B)^d (1-B^m)^D y - mean the model is
 *
 *	  phi(B) Phi(B^m) w = theta(B) Theta(B^m) e,	e ~ N(0, sigma^2)
 *
 * (Box and Jenkins 1970, chapters 4 and 9; signs of theta as in R: plus).
 * The exact Gaussian likelihood comes from the state space form (Harvey 1989,
 * section 3.4) by the Chandrasekhar recursions (Morf, Sidhu and Kailath 1974,
 * IEEE Transactions on Automatic Control 19): for a stationary start the
 * state covariance changes by a matrix of rank one per step, so a step costs
 * O(r) and not O(r^2).  Once the gain stands still the recursion is that of
 * the model itself.
 *
 * sigma^2 and the mean are concentrated out: innovations are linear in the
 * mean, whose generalised least squares estimate needs one more series
 * through the same filter.  The polynomials are given by their partial
 * autocorrelations (Barndorff-Nielsen and Schou 1973), a box in which every
 * point is stationary and invertible.
 *
 * The conditional sum of squares, with zeros before the series, ranks
 * candidates where the exact likelihood of many would cost too much.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/arima.h"

#include "core/fmath.h"
#include "core/optim.h"

#include <math.h>

#define LOG_TWO_PI	1.8378770664093454836
#define PACF_LIMIT	0.99999
#define STEADY		1e-13		/* relative change of the variance */
#define USUAL_STARTS 5
#define CORNERS		4
#define STARTS		18
#define ROUGH		1e-2		/* of the criterion, where starts are compared */

/* Coefficients c_1..c_k from partial autocorrelations (Durbin-Levinson). */
static void
from_pacf(const double *pacf, int k, double *c)
{
	double		previous[ARIMA_MAX_STATE];

	for (int i = 0; i < k; i++)
	{
		c[i] = pacf[i];
		for (int j = 0; j < i; j++)
			c[j] = previous[j] - pacf[i] * previous[i - 1 - j];
		memcpy(previous, c, (i + 1) * sizeof(double));
	}
}

/* The way back; false when the polynomial has a root not outside the circle. */
static bool
to_pacf(const double *c, int k, double *pacf)
{
	double		a[ARIMA_MAX_STATE],
				b[ARIMA_MAX_STATE];

	memcpy(a, c, k * sizeof(double));
	for (int i = k - 1; i >= 0; i--)
	{
		double		kappa = a[i],
					scale = 1 - kappa * kappa;

		pacf[i] = kappa;
		if (!(scale > 0))
			return false;
		for (int j = 0; j < i; j++)
			b[j] = (a[j] + kappa * a[i - 1 - j]) / scale;
		memcpy(a, b, i * sizeof(double));
	}
	return true;
}

/* All roots of 1 - c_1 z - ... - c_k z^k have modulus above radius. */
static bool
roots_beyond(const double *c, int k, double radius)
{
	double		scaled[ARIMA_MAX_STATE] = {0},
				pacf[ARIMA_MAX_STATE],
				power = 1;

	for (int i = 0; i < k; i++)
	{
		power *= radius;
		scaled[i] = c[i] * power;
	}
	return to_pacf(scaled, k, pacf);
}

/*
 * Polynomials of the model in powers of B: ar holds phi_i of 1 - phi_1 B -
 * ..., ma holds theta_i of 1 + theta_1 B + ....
 */
static void
expand(ArimaWork *w, const double *coef)
{
	const ArimaOrder *o = &w->order;
	const double *ar = coef,
			   *ma = ar + o->p,
			   *sar = ma + o->q,
			   *sma = sar + o->P;

	memset(w->ar, 0, sizeof(w->ar));
	memset(w->ma, 0, sizeof(w->ma));
	for (int i = 0; i < o->p; i++)
		w->ar[i] = ar[i];
	for (int i = 0; i < o->q; i++)
		w->ma[i] = ma[i];
	for (int k = 1; k <= o->P; k++)
	{
		w->ar[k * o->m - 1] += sar[k - 1];
		for (int i = 0; i < o->p; i++)
			w->ar[k * o->m + i] -= sar[k - 1] * ar[i];
	}
	for (int k = 1; k <= o->Q; k++)
	{
		w->ma[k * o->m - 1] += sma[k - 1];
		for (int i = 0; i < o->q; i++)
			w->ma[k * o->m + i] += sma[k - 1] * ma[i];
	}
}

/* The optimiser's variables are partial autocorrelations, part by part. */
void
ArimaCoefficients(const ArimaOrder *o, const double *x, double *coef)
{
	double		ma[ARIMA_MAX_ORDER + 1];

	from_pacf(x, o->p, coef);
	from_pacf(x + o->p, o->q, ma);
	for (int i = 0; i < o->q; i++)
		coef[o->p + i] = -ma[i];
	from_pacf(x + o->p + o->q, o->P, coef + o->p + o->q);
	from_pacf(x + o->p + o->q + o->P, o->Q, ma);
	for (int i = 0; i < o->Q; i++)
		coef[o->p + o->q + o->P + i] = -ma[i];
}

int
ArimaDimension(const ArimaOrder *o)
{
	return o->p + o->q + o->P + o->Q;
}

/* Are all roots of all parts outside the circle of this radius? */
bool
ArimaRootsBeyond(const ArimaFit *fit, double radius)
{
	const ArimaOrder *o = &fit->order;
	const double *c = fit->coef;
	double		ma[ARIMA_MAX_ORDER + 1],
				seasonal = 1;

	for (int i = 0; i < o->m; i++)
		seasonal *= radius;
	if (!roots_beyond(c, o->p, radius))
		return false;
	for (int i = 0; i < o->q; i++)
		ma[i] = -c[o->p + i];
	if (!roots_beyond(ma, o->q, radius))
		return false;
	if (!roots_beyond(c + o->p + o->q, o->P, seasonal))
		return false;
	for (int i = 0; i < o->Q; i++)
		ma[i] = -c[o->p + o->q + o->P + i];
	return roots_beyond(ma, o->Q, seasonal);
}

/* ---------------------------------------------------------------------
 * Likelihood
 * ---------------------------------------------------------------------
 */

/*
 * Autocovariances 0..lags of the autoregression alone with unit innovations,
 * by the Levinson recursion run backwards and forwards.
 */
static bool
ar_autocovariance(const double *ar, int p, int lags, double *g)
{
	double		pacf[ARIMA_MAX_STATE],
				c[ARIMA_MAX_STATE] = {0},
				previous[ARIMA_MAX_STATE] = {0},
				variance = 1;

	if (!to_pacf(ar, p, pacf))
		return false;
	for (int i = 0; i < p; i++)
		variance /= 1 - pacf[i] * pacf[i];
	g[0] = variance;
	for (int k = 1; k <= lags; k++)
	{
		double		sum = 0;

		if (k <= p)
		{
			for (int j = 0; j < k - 1; j++)
				sum += c[j] * g[k - 1 - j];
			sum += pacf[k - 1] * variance;
			variance *= 1 - pacf[k - 1] * pacf[k - 1];
			memcpy(previous, c, sizeof(c));
			for (int j = 0; j < k - 1; j++)
				c[j] = previous[j] - pacf[k - 1] * previous[k - 2 - j];
			c[k - 1] = pacf[k - 1];
		}
		else
			for (int j = 0; j < p; j++)
				sum += c[j] * g[k - 1 - j];
		g[k] = sum;
	}
	return true;
}

/*
 * First column of the stationary state covariance: state i is the part of
 * the value i steps on that is known by now.
 */
static bool
stationary_start(ArimaWork *w, double *column)
{
	double		g[2 * ARIMA_MAX_STATE + 2],
				gamma[ARIMA_MAX_STATE + 2],
				psi[ARIMA_MAX_STATE + 1],
				corr[ARIMA_MAX_STATE + 1];
	int			r = w->r,
				qq = w->qq,
				lags = w->pp > 0 ? w->pp : 0;

	if (!ar_autocovariance(w->ar, w->pp, lags + qq, g))
		return false;
	/* autocorrelation of the moving average: sum_i theta_i theta_{i+k} */
	for (int k = 0; k <= qq; k++)
	{
		corr[k] = 0;
		for (int i = 0; i + k <= qq; i++)
			corr[k] += (i == 0 ? 1 : w->ma[i - 1]) *
				(i + k == 0 ? 1 : w->ma[i + k - 1]);
	}
	for (int k = 0; k <= lags; k++)
	{
		gamma[k] = corr[0] * g[k];
		for (int i = 1; i <= qq; i++)
			if (corr[i] != 0)
				gamma[k] += corr[i] * (g[k + i] + g[k > i ? k - i : i - k]);
	}
	psi[0] = 1;
	for (int k = 1; k <= qq; k++)
	{
		psi[k] = w->ma[k - 1];
		for (int j = 1; j <= Min(k, w->pp); j++)
			if (w->ar[j - 1] != 0)
				psi[k] += w->ar[j - 1] * psi[k - j];
	}
	column[0] = gamma[0];
	for (int i = 1; i < r; i++)
	{
		double		sum = 0;

		for (int j = i; j < w->pp; j++)
			if (w->ar[j] != 0)
				sum += w->ar[j] * gamma[j - i + 1];
		for (int j = i; j <= qq; j++)
			if (w->ma[j - 1] != 0)
				sum += w->ma[j - 1] * psi[j - i];
		column[i] = sum;
	}
	return true;
}

/* x := T x, with the companion matrix of the autoregression. */
static inline void
transition(const ArimaWork *w, double *x)
{
	double		first = x[0];

	for (int i = 0; i + 1 < w->r; i++)
		x[i] = x[i + 1];
	x[w->r - 1] = 0;
	for (int i = 0; i < w->nar; i++)
		x[w->lag[i]] += w->value[i] * first;
}

/*
 * The next state of a filter, whose vector moves on by one place in its track:
 * x := T x + gain v.  Returns it.
 */
static inline double *
next_state(const ArimaWork *w, double *x, const double *gain, double v)
{
	double		first = x[0];
	double	   *next = x + 1;

	next[w->r - 1] = 0;
	for (int i = 0; i < w->nar; i++)
		next[w->lag[i]] += w->value[i] * first;
	for (int i = 0; i < w->r; i++)
		next[i] += gain[i] * v;
	return next;
}

/* log of a product of many variances, taken when it leaves the usual range. */
static inline void
multiply_variance(ArimaWork *w, double *product, double f)
{
	*product *= f;
	if (*product > 1e100 || *product < 1e-100)
	{
		w->logs += FmathLog(*product);
		*product = 1;
	}
}

/*
 * Innovations v and their variances F (in units of sigma^2) of one or two
 * series: the differenced series, and ones where there is a mean.
 */
static bool
exact_filter(ArimaWork *w)
{
	size_t		room = w->n + ARIMA_MAX_STATE;
	double		k[ARIMA_MAX_STATE],
				gain[ARIMA_MAX_STATE],
			   *l = w->track,
			   *state = w->track + room,
			   *ones = w->track + 2 * room,
				product = 1,
				f,
				m;
	bool		moving = true;
	int			r = w->r;

	if (!stationary_start(w, k))
		return false;
	f = k[0];
	if (!(f > 0) || !isfinite(f))
		return false;
	transition(w, k);
	memcpy(l, k, r * sizeof(double));
	m = -1 / f;
	memset(state, 0, r * sizeof(double));
	memset(ones, 0, r * sizeof(double));
	for (int i = 0; i < r; i++)
		gain[i] = k[i] / f;
	w->logs = 0;
	w->svv = w->sv1 = w->s11 = 0;
	for (int t = 0; t < w->n; t++)
	{
		double		v = w->w[t] - state[0],
					one = 1 - ones[0];

		w->v[t] = v;
		w->svv += v * v / f;
		multiply_variance(w, &product, f);
		state = next_state(w, state, gain, v);
		if (w->order.constant)
		{
			w->one[t] = one;
			w->sv1 += v * one / f;
			w->s11 += one * one / f;
			ones = next_state(w, ones, gain, one);
		}
		if (moving)
		{
			double		z = l[0],
						mz = m * z,
						fnext = f + z * mz,
						scale = 1 / fnext;

			if (!(fnext > 0))
				return false;
			l++;
			l[r - 1] = 0;
			for (int i = 0; i < w->nar; i++)
				l[w->lag[i]] += w->value[i] * z;
			for (int i = 0; i < r; i++)
			{
				k[i] += l[i] * mz;
				gain[i] = k[i] * scale;
				l[i] -= gain[i] * z;
			}
			m += mz * mz / f;
			if (f - fnext <= STEADY * fnext)
			{
				double		largest = 0;

				for (int i = 0; i < r; i++)
					largest = Max(largest, fabs(l[i]));
				moving = largest * largest * fabs(m) > STEADY;
			}
			f = fnext;
		}
	}
	w->logs += FmathLog(product);
	memcpy(w->state, state, r * sizeof(double));
	memcpy(w->ones, ones, r * sizeof(double));
	return true;
}

/* Residuals with zeros before the series, polynomial by polynomial. */
static void
conditional_filter(ArimaWork *w, const double *coef, const double *in,
				   double *out)
{
	const ArimaOrder *o = &w->order;
	const double *ar = coef,
			   *ma = ar + o->p,
			   *sar = ma + o->q,
			   *sma = sar + o->P;
	double	   *u = w->scratch;

	for (int t = 0; t < w->n; t++)
	{
		double		x = in[t];

		for (int i = 1; i <= o->p && i <= t; i++)
			x -= ar[i - 1] * in[t - i];
		u[t] = x;
	}
	for (int t = w->n - 1; o->P > 0 && t >= o->m; t--)
		for (int i = 1; i <= o->P && i * o->m <= t; i++)
			u[t] -= sar[i - 1] * u[t - i * o->m];
	for (int t = 0; t < w->n; t++)
	{
		double		x = u[t];

		for (int i = 1; i <= o->q && i <= t; i++)
			x -= ma[i - 1] * u[t - i];
		u[t] = x;
		for (int i = 1; i <= o->Q && i * o->m <= t; i++)
			x -= sma[i - 1] * out[t - i * o->m];
		out[t] = x;
	}
}

/* -2 log L without constants; INFINITY where it is undefined. */
static double
criterion(const double *x, ArimaWork *w)
{
	double		s;

	ArimaCoefficients(&w->order, x, w->coef);
	expand(w, w->coef);
	w->nar = 0;
	for (int i = 0; i < w->pp; i++)
		if (w->ar[i] != 0)
		{
			w->lag[w->nar] = i;
			w->value[w->nar++] = w->ar[i];
		}
	w->mean = 0;
	if (w->exact)
	{
		if (!exact_filter(w))
			return (double) INFINITY;
	}
	else
	{
		w->logs = 0;
		w->svv = w->sv1 = w->s11 = 0;
		conditional_filter(w, w->coef, w->w, w->v);
		if (w->order.constant)
			conditional_filter(w, w->coef, w->unit, w->one);
		for (int t = 0; t < w->n; t++)
		{
			w->svv += w->v[t] * w->v[t];
			if (w->order.constant)
			{
				w->sv1 += w->v[t] * w->one[t];
				w->s11 += w->one[t] * w->one[t];
			}
		}
	}
	s = w->svv;
	if (w->order.constant && w->s11 > 1e-12 * w->n)
	{
		w->mean = w->sv1 / w->s11;
		s -= w->mean * w->sv1;
	}
	s = Max(s, w->floor);
	w->s = s;
	return w->n * FmathLog(s) + w->logs;
}

/*
 * Differences towards the inside of the box.  A value that was asked for
 * without its gradient is remembered until that is wanted.
 */
static double
objective(const double *x, double *grad, void *arg)
{
	ArimaWork  *w = arg;
	int			dim = ArimaDimension(&w->order);
	double		y[ARIMA_MAX_COEF],
				value = w->seen && memcmp(x, w->seen_at, dim * sizeof(double)) == 0 ?
		w->seen_value : criterion(x, w);

	w->seen = grad == NULL;
	if (grad == NULL)
	{
		w->seen_value = value;
		memcpy(w->seen_at, x, dim * sizeof(double));
	}
	if (grad == NULL || !isfinite(value))
		return value;
	memcpy(y, x, dim * sizeof(double));
	for (int i = 0; i < dim; i++)
	{
		double		step = w->exact ? 1e-5 : 1e-6,
					up,
					down = value;

		if (x[i] > 0)
			step = -step;
		y[i] = x[i] + step;
		up = criterion(y, w);
		if (w->exact)
		{
			if (fabs(x[i] - step) < PACF_LIMIT)
			{
				y[i] = x[i] - step;
				down = criterion(y, w);
				step *= 2;
			}
		}
		y[i] = x[i];
		grad[i] = (up - down) / step;
	}
	return value;
}

/* ---------------------------------------------------------------------
 * Estimation
 * ---------------------------------------------------------------------
 */
int
ArimaDifference(const double *y, int n, int lag, double *out)
{
	for (int t = 0; t + lag < n; t++)
		out[t] = y[t + lag] - y[t];
	return n - lag;
}

bool
ArimaBegin(ArimaWork *w, const double *y, int n, ArimaOrder order)
{
	double		square = 0;
	int			total = n;

	memset(w, 0, offsetof(ArimaWork, ar));
	w->memory = FcAlloc(9 * (size_t) n + 3 * ARIMA_MAX_STATE);
	w->w = w->memory;
	w->v = w->w + n;
	w->one = w->v + n;
	w->unit = w->one + n;
	w->scratch = w->unit + n;
	w->room = w->scratch + n;
	w->track = w->room + n;
	w->total = n;
	memcpy(w->w, y, n * sizeof(double));
	w->n = n;
	for (int i = 0; i < order.D && w->n > order.m; i++)
	{
		w->n = ArimaDifference(w->w, w->n, order.m, w->room);
		memcpy(w->w, w->room, w->n * sizeof(double));
	}
	for (int i = 0; i < order.d && w->n > 1; i++)
	{
		w->n = ArimaDifference(w->w, w->n, 1, w->room);
		memcpy(w->w, w->room, w->n * sizeof(double));
	}
	for (int t = 0; t < w->n; t++)
	{
		w->unit[t] = 1;
		square += w->w[t] * w->w[t];
	}
	w->floor = Max(square * 1e-18, 1e-280);
	ArimaSetOrder(w, order);
	return total > order.d + order.D * order.m + 2;
}

void
ArimaSetOrder(ArimaWork *w, ArimaOrder order)
{
	w->order = order;
	w->pp = order.p + order.m * order.P;
	w->qq = order.q + order.m * order.Q;
	w->r = Max(w->pp, w->qq + 1);
}

void
ArimaEnd(ArimaWork *w)
{
	FcFree(w->memory);
}

/* Least criterion of the order that is set; x starts and receives it. */
double
ArimaOptimise(ArimaWork *w, double *x, int iterations, double tolerance,
			  FinopsInterrupt interrupt)
{
	double		lower[ARIMA_MAX_COEF],
				upper[ARIMA_MAX_COEF],
				scale[ARIMA_MAX_COEF];
	int			dim = ArimaDimension(&w->order);
	OptimProblem problem = {.fn = objective, .value = objective, .arg = w, .dim = dim,
		.lower = lower, .upper = upper, .scale = scale,
		.max_iterations = iterations, .tolerance = tolerance,
	.interrupt = interrupt};

	for (int i = 0; i < dim; i++)
	{
		lower[i] = -PACF_LIMIT;
		upper[i] = PACF_LIMIT;
		scale[i] = 0.2;
	}
	w->seen = false;
	if (dim > 0)
		OptimBfgs(&problem, x);
	return criterion(x, w);
}

void
ArimaFill(ArimaWork *w, const double *x, ArimaFit *fit)
{
	double		value = criterion(x, w);
	int			k = ArimaDimension(&w->order) + (w->order.constant ? 1 : 0) + 1,
				n = w->n;

	memset(fit, 0, sizeof(*fit));
	fit->order = w->order;
	fit->n = w->total;
	memcpy(fit->coef, w->coef, sizeof(w->coef));
	fit->mean = w->mean;
	fit->nparams = k - 1;
	fit->sigma2 = w->s / Max(n - fit->nparams, 1);
	fit->loglik = -(value - n * FmathLog(n) + n * (1 + LOG_TWO_PI)) / 2;
	fit->aic = -2 * fit->loglik + 2 * k;
	fit->aicc = n > k + 1 ? fit->aic + 2.0 * k * (k + 1) / (n - k - 1) :
		(double) INFINITY;
	fit->bic = -2 * fit->loglik + k * FmathLog(n);
}

/*
 * Starting point s.  The first few are what series mostly have.  Then the
 * corners in which autoregression and moving average all but cancel, where the
 * likelihood may have a narrow peak, without and with such a season.  Of the
 * others each coordinate walks through its box by an irrational step of its
 * own, so that they fill it evenly.
 */
static void
start_at(const ArimaOrder *o, int s, double *x)
{
	static const double usual[USUAL_STARTS][2] = {{0.1, 0.1}, {0.6, -0.3}, {0.3, 0.6}, {0, 0}, {0.95, -0.5}};
	/* first and second of ar and of ma, first of seasonal ar and ma */
	static const double corners[CORNERS][6] = {
		{0.95, -0.5, 0.98, -0.5, 0, 0}, {-0.95, -0.5, -0.98, -0.5, 0, 0},
		{0.95, -0.5, 0.4, 0.7, 0.9, 0.6}, {-0.95, -0.5, -0.4, 0.7, 0.9, 0.6}
	};
	const double *corner = corners[Max(s - USUAL_STARTS, 0) % CORNERS];

	for (int i = 0; i < ArimaDimension(o); i++)
	{
		bool		ma = (i >= o->p && i < o->p + o->q) || i >= o->p + o->q + o->P;
		double		walk = s * sqrt(2 * i + 3.0);

		x[i] = s < USUAL_STARTS ? usual[s][ma ? 1 : 0] :
			(s < USUAL_STARTS + CORNERS ? 0 : 1.9 * (walk - floor(walk)) - 0.95);
	}
	if (s < USUAL_STARTS || s >= USUAL_STARTS + CORNERS)
		return;
	memcpy(x, corner, Min(o->p, 2) * sizeof(double));
	memcpy(x + o->p, corner + 2, Min(o->q, 2) * sizeof(double));
	if (o->P > 0)
		x[o->p + o->q] = corner[4];
	if (o->Q > 0)
		x[o->p + o->q + o->P] = corner[5];
}

/*
 * The exact criterion, roughly descended from start s.  The descent of the
 * conditional sum of squares, which is cheaper, leads away from roots near the
 * circle; so every second one of the later starts goes without.
 */
static double
try_start(ArimaWork *w, int s, double *x, FinopsInterrupt interrupt)
{
	start_at(&w->order, s, x);
	if (s < USUAL_STARTS || (s >= USUAL_STARTS + CORNERS && s % 2 == 0))
	{
		w->exact = false;
		ArimaOptimise(w, x, 60, 1e-4, interrupt);
	}
	w->exact = true;
	return ArimaOptimise(w, x, 100, ROUGH, interrupt);
}

/*
 * Maximum likelihood of one order from several starts, since it has ridges
 * and side peaks; the best two are converged.
 */
bool
ArimaFitOrder(const double *y, int n, ArimaOrder order,
			  FinopsInterrupt interrupt, ArimaFit *fit)
{
	ArimaWork  *w = ArimaAlloc();
	double		best[2] = {(double) INFINITY, (double) INFINITY},
				at[2][ARIMA_MAX_COEF] = {{0}};
	int			dim = ArimaDimension(&order),
				starts = dim == 0 ? 1 : (dim == 1 ? USUAL_STARTS : STARTS);
	bool		ok = ArimaBegin(w, y, n, order) && w->n > dim + 2;

	for (int s = 0; ok && s < starts; s++)
	{
		double		x[ARIMA_MAX_COEF] = {0},
					value = try_start(w, s, x, interrupt);
		bool		same = fabs(value - best[0]) < 2 * ROUGH;

		if (value < best[0] && !same)
		{
			best[1] = best[0];
			memcpy(at[1], at[0], sizeof(x));
		}
		if (value < best[0] || (value < best[1] && !same))
		{
			int			place = value < best[0] ? 0 : 1;

			best[place] = value;
			memcpy(at[place], x, sizeof(x));
		}
	}
	w->exact = true;
	for (int i = 0; ok && i < 2; i++)
		if (isfinite(best[i]))
			best[i] = ArimaOptimise(w, at[i], 200, 1e-8, interrupt);
	ok = ok && isfinite(Min(best[0], best[1]));
	if (ok)
		ArimaFill(w, at[best[1] < best[0] ? 1 : 0], fit);
	ArimaEnd(w);
	FcFree((double *) w);
	return ok;
}

ArimaWork *
ArimaAlloc(void)
{
	return (ArimaWork *) FcAlloc(sizeof(ArimaWork) / sizeof(double) + 1);
}

/* ---------------------------------------------------------------------
 * Forecasts
 * ---------------------------------------------------------------------
 */

/* 1 + c_1 B + ... of the differences, times the autoregression: as phi. */
static int
full_autoregression(const ArimaWork *w, double *phi)
{
	double		poly[ARIMA_MAX_STATE + 2 * ARIMA_MAX_PERIOD + 4] = {1};
	int			degree = 0;

	for (int i = 0; i < w->pp; i++)
		poly[i + 1] = -w->ar[i];
	degree = w->pp;
	for (int d = 0; d < w->order.d + w->order.D; d++)
	{
		int			lag = d < w->order.d ? 1 : w->order.m;

		for (int i = degree; i >= 0; i--)
			poly[i + lag] -= poly[i];
		degree += lag;
	}
	for (int i = 1; i <= degree; i++)
		phi[i - 1] = -poly[i];
	return degree;
}

/* Work area of a fit, filtered to the end of its series. */
static bool
resume(ArimaWork *w, const ArimaFit *fit, const double *y)
{
	const ArimaOrder *o = &fit->order;
	double		x[ARIMA_MAX_COEF];
	double		ma[ARIMA_MAX_ORDER + 1];

	if (!ArimaBegin(w, y, fit->n, *o))
		return false;
	w->exact = true;
	if (!to_pacf(fit->coef, o->p, x) ||
		!to_pacf(fit->coef + o->p + o->q, o->P, x + o->p + o->q))
		return false;
	for (int i = 0; i < o->q; i++)
		ma[i] = -fit->coef[o->p + i];
	if (!to_pacf(ma, o->q, x + o->p))
		return false;
	for (int i = 0; i < o->Q; i++)
		ma[i] = -fit->coef[o->p + o->q + o->P + i];
	return to_pacf(ma, o->Q, x + o->p + o->q + o->P) && isfinite(criterion(x, w));
}

/*
 * One-step errors of the observations; those that differencing uses up have
 * none and are 0.
 */
bool
ArimaResiduals(const ArimaFit *fit, const double *y, double *resid)
{
	ArimaWork  *w = ArimaAlloc();
	bool		ok = resume(w, fit, y);

	if (ok)
	{
		int			skip = fit->n - w->n;

		memset(resid, 0, skip * sizeof(double));
		for (int t = 0; t < w->n; t++)
			resid[skip + t] = w->v[t] - (w->order.constant ? w->mean * w->one[t] : 0);
	}
	ArimaEnd(w);
	FcFree((double *) w);
	return ok;
}

void
ArimaSteps(const ArimaFit *fit, const double *y, int h, FcSteps *out)
{
	ArimaWork  *w = ArimaAlloc();
	double		phi[ARIMA_MAX_STATE + 2 * ARIMA_MAX_PERIOD + 4],
			   *past,
				sum = 0;
	int			degree,
				n = fit->n;

	if (!resume(w, fit, y))
	{
		SimpleNaive(y, n, 1, h, out);
		ArimaEnd(w);
		FcFree((double *) w);
		return;
	}
	degree = full_autoregression(w, phi);
	for (int j = 0; j < h; j++)
	{
		double		psi = j == 0 ? 1 : (j <= w->qq ? w->ma[j - 1] : 0);

		for (int i = 1; i <= Min(j, degree); i++)
			psi += phi[i - 1] * out->psi[j - i];
		out->psi[j] = psi;
		sum += psi * psi;
		out->variance[j] = fit->sigma2 * sum;
	}
	/* the state less its share of the mean, then undo the differences */
	for (int i = 0; i < w->r; i++)
		w->state[i] -= w->mean * w->ones[i];
	for (int j = 0; j < h; j++)
	{
		out->mean[j] = w->state[0] + w->mean;
		transition(w, w->state);
	}
	past = FcAlloc((size_t) n + h);
	for (int level = fit->order.d + fit->order.D; level > 0; level--)
	{
		/* differences at this level: first the seasonal ones, then d */
		int			seasonal = Min(level - 1, fit->order.D),
					plain = level - 1 - seasonal,
					lag = level > fit->order.D ? 1 : fit->order.m,
					len = n;

		memcpy(past, y, n * sizeof(double));
		for (int i = 0; i < seasonal + plain; i++)
		{
			int			by = i < seasonal ? fit->order.m : 1;

			for (int t = 0; t + by < len; t++)
				past[t] = past[t + by] - past[t];
			len -= by;
		}
		for (int j = 0; j < h; j++)
		{
			past[len + j] = out->mean[j] + past[len + j - lag];
			out->mean[j] = past[len + j];
		}
	}
	FcFree(past);
	ArimaEnd(w);
	FcFree((double *) w);
}

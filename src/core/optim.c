/*-------------------------------------------------------------------------
 *
 * optim.c
 *	  Minimisers for likelihoods of a few dozen parameters.
 *
 * OptimBfgs is a quasi-Newton method with an inverse Hessian (Nocedal and
 * Wright, Numerical Optimization, 2nd ed., section 6.1) projected on a box
 * (ibid., section 16.7): variables that stand at a bound with the gradient
 * pointing outwards are held, the others move along the projected path until
 * the value has fallen enough (Armijo).  Variables are scaled on entry, so
 * the identity is a sensible first Hessian.  There is no randomness and no
 * time limit other than the iteration count: same input, same bits.
 *
 *-------------------------------------------------------------------------
 */
#include "core/optim.h"

#include <math.h>

#define ARMIJO		1e-4
#define MAX_HALVINGS 40

typedef struct Bfgs
{
	const OptimProblem *p;
	int			n;
	double		x[OPTIM_MAX_DIM];	/* in units of scale */
	double		g[OPTIM_MAX_DIM];
	double		dir[OPTIM_MAX_DIM];
	bool		held[OPTIM_MAX_DIM];
	double		h[OPTIM_MAX_DIM][OPTIM_MAX_DIM];
	bool		fresh;			/* h is still a multiple of the identity */
} Bfgs;

/* The value alone, where the caller has it for less. */
static bool
is_better(const Bfgs *b, const double *x, double limit)
{
	double		real[OPTIM_MAX_DIM];

	if (b->p->value == NULL)
		return true;
	for (int i = 0; i < b->n; i++)
		real[i] = x[i] * b->p->scale[i];
	return b->p->value(real, NULL, b->p->arg) <= limit;
}

static double
evaluate(const Bfgs *b, const double *x, double *g)
{
	double		real[OPTIM_MAX_DIM];
	double		f;

	for (int i = 0; i < b->n; i++)
		real[i] = x[i] * b->p->scale[i];
	f = b->p->fn(real, g, b->p->arg);
	if (isnan(f))
		f = (double) INFINITY;
	if (isfinite(f))
		for (int i = 0; i < b->n; i++)
		{
			g[i] *= b->p->scale[i];
			if (!isfinite(g[i]))
				return (double) INFINITY;
		}
	return f;
}

static double
clip(const Bfgs *b, int i, double x)
{
	double		lo = b->p->lower[i] / b->p->scale[i],
				hi = b->p->upper[i] / b->p->scale[i];

	return x < lo ? lo : (x > hi ? hi : x);
}

static void
reset_hessian(Bfgs *b)
{
	for (int i = 0; i < b->n; i++)
		for (int j = 0; j < b->n; j++)
			b->h[i][j] = i == j ? 1 : 0;
	b->fresh = true;
}

/* Forget what was learnt about a variable that is newly held or freed. */
static void
reset_variable(Bfgs *b, int i)
{
	for (int j = 0; j < b->n; j++)
		b->h[i][j] = b->h[j][i] = 0;
	b->h[i][i] = 1;
}

static void
choose_held(Bfgs *b)
{
	for (int i = 0; i < b->n; i++)
	{
		bool		held = (clip(b, i, b->x[i] - 1e-12) == b->x[i] && b->g[i] > 0) ||
			(clip(b, i, b->x[i] + 1e-12) == b->x[i] && b->g[i] < 0);

		if (held != b->held[i])
			reset_variable(b, i);
		b->held[i] = held;
	}
}

/* Direction -H g of the free variables; returns its slope. */
static double
direction(Bfgs *b)
{
	double		slope = 0;

	for (int i = 0; i < b->n; i++)
	{
		double		d = 0;

		if (!b->held[i])
			for (int j = 0; j < b->n; j++)
				if (!b->held[j])
					d -= b->h[i][j] * b->g[j];
		b->dir[i] = d;
		slope += d * b->g[i];
	}
	return slope;
}

static double
steepest(Bfgs *b)
{
	double		slope = 0;

	reset_hessian(b);
	for (int i = 0; i < b->n; i++)
	{
		b->dir[i] = b->held[i] ? 0 : -b->g[i];
		slope -= b->dir[i] * b->dir[i];
	}
	return slope;
}

static void
update_hessian(Bfgs *b, const double *s, const double *y)
{
	double		hy[OPTIM_MAX_DIM],
				half[OPTIM_MAX_DIM];
	double		sy = 0,
				yy = 0,
				yhy = 0;

	for (int i = 0; i < b->n; i++)
	{
		sy += s[i] * y[i];
		yy += y[i] * y[i];
	}
	if (sy <= 1e-12 * sqrt(yy) || yy == 0)
		return;
	if (b->fresh)				/* ibid., equation 6.20 */
	{
		for (int i = 0; i < b->n; i++)
			b->h[i][i] = sy / yy;
		b->fresh = false;
	}
	for (int i = 0; i < b->n; i++)
	{
		hy[i] = 0;
		for (int j = 0; j < b->n; j++)
			hy[i] += b->h[i][j] * y[j];
		yhy += y[i] * hy[i];
	}
	/* (1 + yhy / sy) s s' / sy - (hy s' + s hy') / sy, half of each product
	 * in one vector */
	for (int i = 0; i < b->n; i++)
		half[i] = (1 + yhy / sy) / 2 * s[i] / sy - hy[i] / sy;
	for (int i = 0; i < b->n; i++)
		for (int j = 0; j < b->n; j++)
			b->h[i][j] += half[i] * s[j] + s[i] * half[j];
}

/* Moves along the projected path; false when no point is better. */
static bool
line_search(Bfgs *b, double *f, double slope, double *drop)
{
	double		xn[OPTIM_MAX_DIM],
				gn[OPTIM_MAX_DIM],
				s[OPTIM_MAX_DIM],
				y[OPTIM_MAX_DIM];
	double		step = 1,
				size = 0;

	for (int i = 0; i < b->n; i++)
		size = fmax(size, fabs(b->dir[i]));
	if (b->fresh && size > 1)	/* no curvature known: one unit at most */
		step = 1 / size;
	else if (size > 20)
		step = 20 / size;
	for (int k = 0; k < MAX_HALVINGS; k++, step *= k < 3 ? 0.5 : 0.2)
	{
		double		limit = *f + ARMIJO * step * slope,
					fn = (double) INFINITY;

		for (int i = 0; i < b->n; i++)
			xn[i] = clip(b, i, b->x[i] + step * b->dir[i]);
		if (is_better(b, xn, limit))
			fn = evaluate(b, xn, gn);
		if (!isfinite(fn) || fn > limit)
		{
			if (step * size < 1e-11)
				return false;
			continue;
		}
		for (int i = 0; i < b->n; i++)
		{
			s[i] = b->held[i] ? 0 : xn[i] - b->x[i];
			y[i] = b->held[i] ? 0 : gn[i] - b->g[i];
			b->x[i] = xn[i];
			b->g[i] = gn[i];
		}
		update_hessian(b, s, y);
		*drop = *f - fn;
		*f = fn;
		return true;
	}
	return false;
}

double
OptimBfgs(const OptimProblem *problem, double *x)
{
	Bfgs		b = {.p = problem, .n = problem->dim};
	double		f,
				drop = 0;
	int			small = 0;

	reset_hessian(&b);
	for (int i = 0; i < b.n; i++)
	{
		b.x[i] = clip(&b, i, x[i] / problem->scale[i]);
		b.held[i] = false;
	}
	f = evaluate(&b, b.x, b.g);
	for (int iter = 0; isfinite(f) && iter < problem->max_iterations; iter++)
	{
		double		slope;

		if (problem->interrupt != NULL)
			problem->interrupt();
		choose_held(&b);
		slope = direction(&b);
		if (!(slope < 0))
			slope = steepest(&b);
		if (!(slope < -1e-14))
			break;
		if (!line_search(&b, &f, slope, &drop))
		{
			if (b.fresh)
				break;
			reset_hessian(&b);
			continue;
		}
		small = drop < problem->tolerance ? small + 1 : 0;
		if (small >= 2)
			break;
	}
	for (int i = 0; i < b.n; i++)
		x[i] = b.x[i] * problem->scale[i];
	return f;
}

double
OptimSearch(OptimFn1 fn, void *arg, const double *grid, int npoints,
			double tolerance, double *x)
{
	const double golden = 0.38196601125010515180;
	int			best = 0;
	double		fbest = (double) INFINITY,
				a,
				b,
				u,
				v,
				fu,
				fv;

	for (int i = 0; i < npoints; i++)
	{
		double		f = fn(grid[i], arg);

		if (f < fbest)
		{
			fbest = f;
			best = i;
		}
	}
	*x = grid[best];
	a = grid[best > 0 ? best - 1 : 0];
	b = grid[best < npoints - 1 ? best + 1 : best];
	u = a + golden * (b - a);
	v = b - golden * (b - a);
	fu = fn(u, arg);
	fv = fn(v, arg);
	while (b - a > tolerance)
	{
		if (fu <= fv)
		{
			b = v;
			v = u;
			fv = fu;
			u = a + golden * (b - a);
			fu = fn(u, arg);
		}
		else
		{
			a = u;
			u = v;
			fu = fv;
			v = b - golden * (b - a);
			fv = fn(v, arg);
		}
	}
	if (Min(fu, fv) < fbest)
	{
		fbest = Min(fu, fv);
		*x = fu <= fv ? u : v;
	}
	return fbest;
}

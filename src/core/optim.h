/*-------------------------------------------------------------------------
 *
 * optim.h
 *	  Minimisers: BFGS in a box, and a bracketed search in one variable.
 *	  Pure and deterministic.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_OPTIM_H
#define FINOPS_OPTIM_H

#include "core/pure.h"

#define OPTIM_MAX_DIM	40

/* Value at x, gradient into grad; INFINITY where the function is undefined. */
typedef double (*OptimFn) (const double *x, double *grad, void *arg);
typedef double (*OptimFn1) (double x, void *arg);

typedef struct OptimProblem
{
	OptimFn		fn;
	OptimFn		value;			/* fn without its gradient (NULL is passed),
								 * where that costs much; or NULL */
	void	   *arg;
	int			dim;			/* 1 .. OPTIM_MAX_DIM */
	const double *lower;
	const double *upper;
	const double *scale;		/* a typical change of each variable */
	int			max_iterations;
	double		tolerance;		/* stop when the value falls by less */
	FinopsInterrupt interrupt;	/* or NULL */
} OptimProblem;

/* Improves x in place; returns the value there. */
extern double OptimBfgs(const OptimProblem *problem, double *x);

/* Least of fn on a grid of points, then refined between its neighbours. */
extern double OptimSearch(OptimFn1 fn, void *arg, const double *grid,
						  int npoints, double tolerance, double *x);

#endif							/* FINOPS_OPTIM_H */

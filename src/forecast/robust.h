/*-------------------------------------------------------------------------
 *
 * robust.h
 *	  Cost with a fixed and a variable part: a robust line.  Pure.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_ROBUST_H
#define FINOPS_ROBUST_H

#include "core/pure.h"

/* y = fixed + slope x, neither negative. */
typedef struct RobustLine
{
	double		fixed;
	double		slope;
	double		scale;			/* of the residuals */
	double		centre;			/* weighted mean of x */
	double		spread;			/* weighted sum of squares around it */
	double		weight;			/* sum of weights: observations that count */
	int			n;
} RobustLine;

/* Needs three observations; false when x does not vary. */
extern bool RobustFit(const double *x, const double *y, int n, RobustLine *line);

/* Half width of the interval for a new observation at x; p such as 0.9. */
extern double RobustHalfWidth(const RobustLine *line, double x, double p);

/*
 * Does the line forecast the newest observations better than y / x of the
 * three before each does?
 */
extern bool RobustIsBetter(const double *x, const double *y, int n);

extern double RobustStudentQuantile(double p, double degrees);

#endif							/* FINOPS_ROBUST_H */

/*-------------------------------------------------------------------------
 *
 * hierarchy.h
 *	  Forecasts of a tree that add up.  Pure.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_HIERARCHY_H
#define FINOPS_HIERARCHY_H

#include "core/pure.h"

typedef enum HierarchyMethod
{
	HIERARCHY_BOTTOM_UP,
	HIERARCHY_TOP_DOWN,			/* by the shares of the forecasts */
	HIERARCHY_OLS,
	HIERARCHY_STRUCTURAL,		/* variance = leaves below */
	HIERARCHY_VARIANCE,			/* of the residuals */
	HIERARCHY_SHRINK			/* covariance of the residuals, shrunk */
} HierarchyMethod;

/* A node's parent stands before it; -1: a root. */
typedef struct Hierarchy
{
	int			n;
	const int  *parent;
	HierarchyMethod method;
	bool		nonnegative;
	int			nresiduals;		/* per node */
	const double *residuals;	/* [n * nresiduals], or NULL */
	FinopsInterrupt interrupt;	/* or NULL */
	/* made by HierarchyPrepare */
	int		   *children;
	double	   *weight;			/* diagonal part of the errors' covariance */
	double	   *factor;			/* [n * nresiduals]: the rest is U U' */
	double		shrinkage;		/* share of the diagonal, 0..1 */
} Hierarchy;

/* False when residuals are needed and there are fewer than two. */
extern bool HierarchyPrepare(Hierarchy *h);
extern void HierarchyFree(Hierarchy *h);

/* Coherent values of one step; every parent is the sum of its children. */
extern void HierarchyReconcile(const Hierarchy *h, const double *base, double *result);

#endif							/* FINOPS_HIERARCHY_H */

/*-------------------------------------------------------------------------
 *
 * pools.h
 *	  Pools that feed each other, water-filling, amounts laid end to end.
 *	  Pure.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_POOLS_H
#define FINOPS_POOLS_H

#include "core/pure.h"

/* Shares are made integers over this unit before an amount is split. */
#define POOLS_SHARE_ONE		(UINT64_C(1) << 60)

/* The part of a pool's output that goes to one place. */
typedef struct PoolEdge
{
	int			to;				/* pool, or target */
	bool		is_pool;
	FinopsReal share;			/* 0..1 */
} PoolEdge;

typedef struct Pool
{
	PoolEdge   *edges;			/* their shares add up to 1 */
	int			n_edges;
} Pool;

/*
 * Finds pools that give to each other and to nobody else; closed[p] is set
 * for those.  Returns how many there are.  scratch has room for 5 n ints.
 */
extern int	PoolsFindClosed(const Pool *pools, int n, bool *closed, int *scratch);

/*
 * The solver: factors of I - W'.  All memory is the caller's: matrix and
 * factors have room for n * n doubles.
 */
typedef struct PoolSolver
{
	int			n;
	const Pool *pools;
	double	   *matrix;
	double	   *factors;
	FinopsReal *own;			/* n, given */
	FinopsReal *gross;			/* n */
	double	   *scratch;		/* n */
} PoolSolver;

extern bool PoolsFactor(PoolSolver *solver, FinopsInterrupt interrupt);

/*
 * Where cost of the pools ends up, solver->own of each: added to the shares
 * of the targets, and in solver->gross how much passes through each pool.
 * Returns the residual of the solution.
 */
extern FinopsReal PoolsTrace(PoolSolver *solver, FinopsReal *shares);

/* Shares as integer weights; returns their sum. */
extern uint64 PoolsWeights(const FinopsReal *shares, int n, uint64 *weights);

/*
 * Water-filling: amount units over weights so that each part lies within its
 * bounds and the parts within them share in proportion to their weights.
 * scratch has room for 5 n values.  Returns what the bounds keep out of the parts: positive when the upper
 * bounds are too low, negative when the lower bounds are too high.
 */
extern int64 PoolsWaterFill(int64 amount, const uint64 *weights, const int64 *low,
							const int64 *high, int n, int64 *parts, uint64 *scratch);

#endif							/* FINOPS_POOLS_H */

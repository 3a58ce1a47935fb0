/*-------------------------------------------------------------------------
 *
 * pools.c
 *	  Pools that feed each other, and water-filling.  Pure.
 *
 * Reciprocal method: with W[p][q] the share of pool p's output that pool q
 * uses and d the pools' own cost, the gross cost x of the pools solves
 * (I - W')x = d, and a target that uses B[p][t] of p gets the sum of
 * B[p][t] x[p].  One unit of cost of pool p alone, d = e_p, gives the shares
 * in which p's own cost reaches the targets whatever its amount or sign:
 * those are what an amount is split by, so that every pool foots by itself.
 *
 * The system has a solution exactly when no set of pools gives to itself
 * only.  Such sets are strongly connected components without an edge that
 * leaves (R. Tarjan, "Depth-first search and linear graph algorithms", SIAM
 * Journal on Computing 1, 1972); the caller breaks them up before it solves.
 * The matrix then is column diagonally dominant, and no rows need to be
 * exchanged.
 *
 *-------------------------------------------------------------------------
 */
#include "allocate/pools.h"

#include <math.h>

#include "core/linalg.h"
#include "core/money.h"

typedef struct Search
{
	const Pool *pools;
	bool	   *closed;
	int		   *index;			/* order of discovery from 1; 0: not seen */
	int		   *low;			/* -1 once its component is known */
	int		   *stack;
	int		   *next_edge;
	int			depth;
	int			counter;
	int			found;
} Search;

/* The component that ends at pool p stands on top of the stack. */
static void
close_component(Search *s, int p)
{
	int			from = s->depth;
	bool		leaves = false;

	while (s->stack[--from] != p)
		;
	for (int i = from; i < s->depth; i++)
		s->low[s->stack[i]] = -2 - p;
	for (int i = from; i < s->depth && !leaves; i++)
	{
		const Pool *pool = &s->pools[s->stack[i]];

		for (int e = 0; e < pool->n_edges && !leaves; e++)
			leaves = pool->edges[e].share > 0 &&
				(!pool->edges[e].is_pool || s->low[pool->edges[e].to] != -2 - p);
	}
	for (int i = from; i < s->depth; i++)
	{
		s->low[s->stack[i]] = -1;
		s->closed[s->stack[i]] = !leaves;
		s->found += !leaves;
	}
	s->depth = from;
}

/*
 * Depth-first from one pool without recursion: a pool's parent is the pool
 * whose next_edge leads to it, kept in the upper half of the walk's array.
 */
static void
search_from(Search *s, int root, int *parent)
{
	int			p = root;

	parent[p] = -1;
	s->index[p] = s->low[p] = ++s->counter;
	s->stack[s->depth++] = p;
	while (p >= 0)
	{
		const Pool *pool = &s->pools[p];

		if (s->next_edge[p] < pool->n_edges)
		{
			const PoolEdge *edge = &pool->edges[s->next_edge[p]++];
			int			q = edge->to;

			if (!edge->is_pool || !(edge->share > 0))
				continue;
			if (s->index[q] == 0)
			{
				parent[q] = p;
				s->index[q] = s->low[q] = ++s->counter;
				s->stack[s->depth++] = q;
				p = q;
			}
			else if (s->low[q] > 0)
				s->low[p] = Min(s->low[p], s->index[q]);
		}
		else
		{
			int			up = parent[p];
			int			low = s->low[p];

			if (low == s->index[p])
				close_component(s, p);
			else if (up >= 0)
				s->low[up] = Min(s->low[up], low);
			p = up;
		}
	}
}

int
PoolsFindClosed(const Pool *pools, int n, bool *closed, int *scratch)
{
	Search		s = {pools, closed, scratch, scratch + n, scratch + 2 * n,
	scratch + 3 * n, 0, 0, 0};
	int		   *parent = scratch + 4 * n;

	memset(scratch, 0, sizeof(int) * 5 * (size_t) n);
	for (int p = 0; p < n; p++)
		if (s.index[p] == 0)
			search_from(&s, p, parent);
	return s.found;
}

bool
PoolsFactor(PoolSolver *solver, FinopsInterrupt interrupt)
{
	int			n = solver->n;

	memset(solver->matrix, 0, sizeof(double) * (size_t) n * n);
	for (int p = 0; p < n; p++)
	{
		solver->matrix[(size_t) p * n + p] = 1;
		for (int e = 0; e < solver->pools[p].n_edges; e++)
			if (solver->pools[p].edges[e].is_pool)
				solver->matrix[(size_t) solver->pools[p].edges[e].to * n + p] -=
					(double) solver->pools[p].edges[e].share;
	}
	memcpy(solver->factors, solver->matrix, sizeof(double) * (size_t) n * n);
	return LinalgFactorDominant(solver->factors, n, interrupt);
}

FinopsReal
PoolsTrace(PoolSolver *solver, FinopsReal *shares)
{
	FinopsReal residual;

	residual = LinalgSolveRefined(solver->matrix, solver->factors, solver->n,
								  solver->own, solver->gross,
								  1.0L / (4.0L * POOLS_SHARE_ONE), solver->scratch);
	for (int p = 0; p < solver->n; p++)
	{
		const Pool *from = &solver->pools[p];

		if (solver->gross[p] == 0)
			continue;
		for (int e = 0; e < from->n_edges; e++)
			if (!from->edges[e].is_pool)
				shares[from->edges[e].to] += from->edges[e].share * solver->gross[p];
	}
	return residual;
}

uint64
PoolsWeights(const FinopsReal *shares, int n, uint64 *weights)
{
	uint64		total = 0;

	for (int t = 0; t < n; t++)
	{
		weights[t] = shares[t] > 0 ?
			(uint64) (shares[t] * (FinopsReal) POOLS_SHARE_ONE + 0.5L) : 0;
		total += weights[t];
	}
	return total;
}

/* The parts that are neither at their lower nor at their upper bound. */
static uint64
free_weights(int64 *rest, const uint64 *weights, const int64 *low,
			 const int64 *high, const signed char *fixed, int n, uint64 *open)
{
	uint64		total = 0;

	for (int t = 0; t < n; t++)
	{
		open[t] = fixed[t] == 0 ? weights[t] : 0;
		total += open[t];
		if (fixed[t] != 0)
			*rest -= fixed[t] < 0 ? low[t] : high[t];
	}
	return total;
}

/*
 * Parts at a bound are found round by round: split the rest over the free
 * ones; if those below their lower bound are short of more than those above
 * their upper bound are over, the former stay at their bound, else the
 * latter.  Every round fixes a part for good, since the level only moves away
 * from it.
 */
int64
PoolsWaterFill(int64 amount, const uint64 *weights, const int64 *low,
			   const int64 *high, int n, int64 *parts, uint64 *scratch)
{
	uint64	   *open = scratch;
	uint64	   *split = scratch + n;
	signed char *fixed = (signed char *) (scratch + 4 * (size_t) n);

	memset(fixed, 0, (size_t) n);
	for (int t = 0; t < n; t++)
		if (weights[t] == 0)
			fixed[t] = -1;
	for (;;)
	{
		int64		rest = amount;
		uint64		total = free_weights(&rest, weights, low, high, fixed, n, open);
		int64		below = 0;
		int64		above = 0;

		memset(split, 0, sizeof(uint64) * (size_t) n);
		if (total > 0 && rest > 0)
			MoneyApportion((uint64) rest, open, total, (size_t) n, split,
						   scratch + 2 * (size_t) n, NULL);
		for (int t = 0; t < n; t++)
			if (fixed[t] == 0)
			{
				below += Max(low[t] - (int64) split[t], 0);
				above += Max((int64) split[t] - high[t], 0);
			}
		if (below == 0 && above == 0)
		{
			int64		placed = 0;

			for (int t = 0; t < n; t++)
			{
				parts[t] = fixed[t] < 0 ? low[t] : fixed[t] > 0 ? high[t] : (int64) split[t];
				placed += parts[t];
			}
			return amount - placed;
		}
		for (int t = 0; t < n; t++)
			if (fixed[t] == 0)
			{
				if (below >= above && (int64) split[t] < low[t])
					fixed[t] = -1;
				else if (above >= below && (int64) split[t] > high[t])
					fixed[t] = 1;
			}
	}
}

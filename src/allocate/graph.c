/*-------------------------------------------------------------------------
 *
 * graph.c
 *	  Who gives what to whom: the nodes of an allocation as a system of pools.
 *
 * Only nodes that others give to are unknowns of the system; a node that
 * gives but does not receive is traced through it from outside.
 *
 *-------------------------------------------------------------------------
 */
#include "allocate/engine.h"

#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

static void
check_interrupts(void)
{
	CHECK_FOR_INTERRUPTS();
}


/*
 * The node that distributes the pool of a rule for one of this currency; nodes
 * stand in the order of their rules' numbers.
 */
PoolNode *
EnginePoolNode(const Engine *e, int no, const char *currency)
{
	int			low = 0;
	int			high = e->n_nodes;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (e->nodes[middle].no < no)
			low = middle + 1;
		else
			high = middle;
	}
	for (int i = low; i < e->n_nodes && e->nodes[i].no == no; i++)
		if (e->nodes[i].whole && strcmp(e->nodes[i].currency, currency) == 0)
			return &e->nodes[i];
	return NULL;
}

/*
 * Adds what a node gives, as edges to pools and targets; nodes that are
 * split later count as targets behind the real ones.
 */
void
EngineNodeEdges(Engine *e, const PoolNode *node, Pool *pool)
{
	int			room = (node->percent == NULL ? 0 : node->percent->n) + 1;
	int			n_legs = node->n_legs + (node->percent != NULL);

	for (int l = 0; l < node->n_legs; l++)
		room += node->legs[l] == NULL ? 0 : node->legs[l]->n;
	pool->edges = palloc_extended(mul_size(room, sizeof(PoolEdge)), MCXT_ALLOC_HUGE);
	pool->n_edges = 0;
	for (int l = 0; l < n_legs; l++)
	{
		Key		   *key = EngineUseKey(e, l < node->n_legs ? node->legs[l] : node->percent);
		FinopsReal fraction = l < node->n_legs ?
			node->fractions[l] * (1 - node->percents) : node->percents;
		FinopsReal total = key->integral ? (FinopsReal) key->total_units :
			strtold(DatumGetCString(DirectFunctionCall1(numeric_out, key->total)), NULL);

		for (int i = 0; i < key->n && fraction > 0; i++)
		{
			PoolEdge   *edge = &pool->edges[pool->n_edges++];
			FinopsReal weight = EngineRealWeight(key, i);
			PoolNode	   *next = key->targets[i] < 0 ?
				EnginePoolNode(e, -key->targets[i], node->currency) : NULL;

			edge->share = fraction * (weight / total);
			edge->is_pool = next != NULL && !next->sink;
			edge->to = key->targets[i] >= 0 ? key->targets[i] :
				next == NULL ? node->last :
				next->sink ? e->n_targets + (int) (next - e->nodes) : next->pool;
		}
	}
}

/* Nodes to which others give and that are not split later. */
static void
number_pools(Engine *e)
{
	e->pool_nodes = palloc_array(int, Max(e->n_nodes, 1));
	for (int i = 0; i < e->n_nodes; i++)
		for (int l = 0; l < e->nodes[i].n_legs + 1; l++)
		{
			Key		   *key = l < e->nodes[i].n_legs ? e->nodes[i].legs[l] : e->nodes[i].percent;

			for (int t = 0; key != NULL && t < key->n_pools; t++)
			{
				PoolNode	   *next = EnginePoolNode(e, key->pools[t], e->nodes[i].currency);

				if (next != NULL && next->pool < 0 && !next->sink)
				{
					next->pool = e->solver.n;
					e->pool_nodes[e->solver.n++] = (int) (next - e->nodes);
				}
			}
		}
}

/* A closed circle: what reaches it goes where its rule sends cost at last. */
static void
open_circle(Engine *e, PoolNode *node, Pool *pool)
{
	node->closed = true;
	pfree(pool->edges);
	pool->edges = palloc(sizeof(PoolEdge));
	pool->edges[0] = (PoolEdge) {node->last, false, 1};
	pool->n_edges = 1;
	EngineFinding(e, "closed_cycle", node->rule_id, node->currency,
				  "Its pool and those it gives to give to each other only; the cost goes where zero_key_policy says.");
}

/* Room for all edges of the pools, those to targets included. */
static bool
has_room(const Engine *e)
{
	Size		n = 0;

	for (int p = 0; p < e->solver.n; p++)
	{
		const PoolNode *node = &e->nodes[e->pool_nodes[p]];

		for (int l = 0; l < node->n_legs; l++)
			n += node->legs[l]->n;
		n += node->percent == NULL ? 0 : node->percent->n;
	}
	return n <= (Size) work_mem * 1024 / sizeof(PoolEdge);
}

/*
 * The edges to pools are moved to the front; of those to targets one is left,
 * which says that there are some.
 */
static void
drop_target_edges(Pool *pool)
{
	PoolEdge	target;
	bool		any = false;
	int			kept = 0;

	for (int i = 0; i < pool->n_edges; i++)
		if (pool->edges[i].is_pool)
			pool->edges[kept++] = pool->edges[i];
		else if (!any && pool->edges[i].share > 0)
		{
			target = pool->edges[i];
			any = true;
		}
	if (any)
		pool->edges[kept++] = target;
	pool->n_edges = kept;
	pool->edges = repalloc_huge(pool->edges, sizeof(PoolEdge) * Max(kept, 1));
}

void
EngineBuildPools(Engine *e)
{
	PoolSolver *s = &e->solver;
	Pool	   *pools;
	bool	   *closed;
	int		   *scratch;

	number_pools(e);
	if (s->n == 0)
		return;
	if ((int64) s->n * s->n > 64 * 1024 * 1024)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("%d pools feed each other, more than can be solved together", s->n)));
	e->has_target_edges = has_room(e);
	pools = palloc0_array(Pool, s->n);
	for (int p = 0; p < s->n; p++)
	{
		EngineNodeEdges(e, &e->nodes[e->pool_nodes[p]], &pools[p]);
		if (!e->has_target_edges)
			drop_target_edges(&pools[p]);
	}
	closed = palloc0_array(bool, s->n);
	scratch = palloc_array(int, 5 * s->n);
	if (PoolsFindClosed(pools, s->n, closed, scratch) > 0)
		for (int p = 0; p < s->n; p++)
			if (closed[p])
				open_circle(e, &e->nodes[e->pool_nodes[p]], &pools[p]);
	for (int p = 0; p < s->n && !e->has_target_edges; p++)
		if (pools[p].n_edges > 0 && !pools[p].edges[pools[p].n_edges - 1].is_pool)
			pools[p].n_edges--;
	s->pools = pools;
	s->matrix = palloc_extended(sizeof(double) * (Size) s->n * s->n, MCXT_ALLOC_HUGE);
	s->factors = palloc_extended(sizeof(double) * (Size) s->n * s->n, MCXT_ALLOC_HUGE);
	s->own = palloc_array(FinopsReal, s->n);
	s->gross = palloc_array(FinopsReal, s->n);
	s->scratch = palloc_array(double, s->n);
	if (!PoolsFactor(s, check_interrupts))
		elog(ERROR, "system of pools is singular");
}

/* All edges of a pool, made anew into *made unless they are held. */
const Pool *
EnginePoolEdges(Engine *e, int p, Pool *made)
{
	PoolNode   *node = &e->nodes[e->pool_nodes[p]];

	if (made->edges != NULL)
		pfree(made->edges);
	made->edges = NULL;
	if (e->has_target_edges)
		return &e->solver.pools[p];
	if (node->closed)
	{
		made->edges = palloc(sizeof(PoolEdge));
		made->edges[0] = (PoolEdge) {node->last, false, 1};
		made->n_edges = 1;
	}
	else
		EngineNodeEdges(e, node, made);
	return made;
}

/* What the gross cost of the pools comes to on targets, as PoolsTrace adds it up. */
static void
reach_targets(Engine *e, FinopsReal *shares)
{
	Pool		made = {0};

	for (int p = 0; p < e->solver.n; p++)
	{
		const Pool *from;

		if (e->solver.gross[p] == 0)
			continue;
		from = EnginePoolEdges(e, p, &made);
		for (int i = 0; i < from->n_edges; i++)
			if (!from->edges[i].is_pool)
				shares[from->edges[i].to] += from->edges[i].share * e->solver.gross[p];
	}
	if (made.edges != NULL)
		pfree(made.edges);
}

/*
 * Shares of the targets and later nodes in the cost of a node, after
 * percents of the original were scaled to what is left of it.
 */
void
EngineShares(Engine *e, PoolNode *node, FinopsReal scale, FinopsReal *shares, int n)
{
	Pool		own = {0};
	bool		to_pools = false;

	for (int t = 0; t < n; t++)
		shares[t] = 0;
	if (node->closed)
	{
		shares[node->last] = 1;
		return;
	}
	if (scale != 1)
	{
		PoolNode		scaled = *node;

		scaled.percents = Min(node->percents * scale, 1);
		EngineNodeEdges(e, &scaled, &own);
	}
	else
		EngineNodeEdges(e, node, &own);
	for (int p = 0; p < e->solver.n; p++)
		e->solver.own[p] = 0;
	for (int i = 0; i < own.n_edges; i++)
		if (own.edges[i].is_pool)
		{
			e->solver.own[own.edges[i].to] += own.edges[i].share;
			to_pools = true;
		}
		else
			shares[own.edges[i].to] += own.edges[i].share;
	pfree(own.edges);
	if (!to_pools)
		return;
	(void) PoolsTrace(&e->solver, shares);
	if (!e->has_target_edges)
		reach_targets(e, shares);
}

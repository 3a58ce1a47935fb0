/*-------------------------------------------------------------------------
 *
 * trace.c
 *	  Origins whose cost goes through pools to targets only.
 *
 * Those are neither capped nor charged with fixed amounts on their way, so
 * that the shares in which they reach the targets are all there is to know.
 * In a small system each is solved for and refined by itself.  In a large one
 * many are solved for at once and carried to the targets by a product of
 * matrices, in blocks: with N = (I - W')^-1 and B the shares that pools give
 * to targets, what a block of origins D comes to is B'ND.
 *
 * The parts of an origin become entries or one packed row; see packed.c.  The
 * numbers do not depend on it.
 *
 *-------------------------------------------------------------------------
 */
#include "allocate/engine.h"

#include "core/linalg.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

/* Origins solved for at a time. */
#define TRACE_BLOCK		128

/* Pools times origins from which the blocks are faster. */
#define TRACE_LARGE		(64 * 64)

static void
check_interrupts(void)
{
	CHECK_FOR_INTERRUPTS();
}

/* The node gives to one that is split later. */
static bool
gives_to_sink(const Engine *e, const PoolNode *node)
{
	for (int l = 0; l <= node->n_legs; l++)
	{
		const Key  *key = l < node->n_legs ? node->legs[l] : node->percent;

		for (int i = 0; key != NULL && i < key->n_pools; i++)
		{
			const PoolNode *next = EnginePoolNode(e, key->pools[i], node->currency);

			if (next != NULL && next->sink)
				return true;
		}
	}
	return false;
}

/* Some pool gives to a node that is split later. */
static bool
pools_reach_sinks(const Engine *e)
{
	for (int p = 0; p < e->solver.n; p++)
		if (!e->nodes[e->pool_nodes[p]].closed && gives_to_sink(e, &e->nodes[e->pool_nodes[p]]))
			return true;
	return false;
}

/* The node gives to pools, and else to targets only. */
static bool
gives_to_pools(const Engine *e, const PoolNode *node)
{
	bool		any = false;

	for (int l = 0; l <= node->n_legs; l++)
	{
		const Key  *key = l < node->n_legs ? node->legs[l] : node->percent;

		any |= key != NULL && key->n_pools > 0;
	}
	return any && !gives_to_sink(e, node);
}

/* Marks the buckets that are split here; returns how many there are. */
static int
find_traced(Engine *e)
{
	int			n = 0;

	if (e->solver.n == 0 || pools_reach_sinks(e))
		return 0;
	for (int i = 0; i < e->n_buckets; i++)
	{
		Bucket	   *b = &e->buckets[i];

		b->traced = !b->simple && !b->node->sink && !b->node->closed &&
			b->node->amount == NULL && b->origin_period == NULL && b->scale <= ENGINE_SCALE &&
			gives_to_pools(e, b->node) && EngineIsAlone(e, i);
		n += b->traced;
	}
	return n;
}

/* Room for a block of origins. */
typedef struct TraceBlock
{
	int			n;				/* pools */
	int			m;				/* targets */
	int			rows;			/* pools whose row of to_targets is there at a time */
	double	   *to_targets;		/* rows x m: what pools give to targets */
	double	   *gross;			/* n x TRACE_BLOCK */
	double	   *turned;			/* TRACE_BLOCK x n */
	double	   *reached;		/* TRACE_BLOCK x m */
	int			filled;			/* first pool of the rows that are there, or -1 */
	BufFile    *file;			/* all rows, where they are more */
	int			written;		/* rows in it */
} TraceBlock;

static void
begin_blocks(const Engine *e, TraceBlock *k)
{
	k->n = e->solver.n;
	k->m = e->n_targets;
	k->rows = (int) Min(k->n, Max(8, (Size) work_mem * 1024 / (sizeof(double) * k->m)));
	k->to_targets = palloc_extended(sizeof(double) * (Size) k->rows * k->m, MCXT_ALLOC_HUGE);
	k->gross = palloc_array(double, (Size) k->n * TRACE_BLOCK);
	k->turned = palloc_array(double, (Size) k->n * TRACE_BLOCK);
	k->reached = palloc_extended(sizeof(double) * TRACE_BLOCK * (Size) k->m, MCXT_ALLOC_HUGE);
	k->filled = -1;
}

/*
 * The rows of to_targets of the pools from .. on: made for the first block,
 * and where not all fit into work_mem read from a file for the others.
 */
static void
fill_rows(Engine *e, TraceBlock *k, int from)
{
	Pool		made = {0};
	int			to = Min(from + k->rows, k->n);
	Size		size = sizeof(double) * (Size) (to - from) * k->m;

	if (k->filled == from)
		return;
	if (from < k->written)
	{
		if (BufFileSeek(k->file, 0, (off_t) (sizeof(double) * (Size) from * k->m), SEEK_SET) != 0 ||
			BufFileRead(k->file, k->to_targets, size) != size)
			elog(ERROR, "could not read shares of targets from a temporary file");
		k->filled = from;
		return;
	}
	memset(k->to_targets, 0, sizeof(double) * (Size) k->rows * k->m);
	for (int p = from; p < to; p++)
	{
		const Pool *pool = EnginePoolEdges(e, p, &made);

		for (int i = 0; i < pool->n_edges; i++)
			if (!pool->edges[i].is_pool)
				k->to_targets[(Size) (p - from) * k->m + pool->edges[i].to] += (double) pool->edges[i].share;
		CHECK_FOR_INTERRUPTS();
	}
	if (made.edges != NULL)
		pfree(made.edges);
	k->filled = from;
	if (k->rows == k->n)
		return;
	if (k->file == NULL)
		k->file = BufFileCreateTemp(false);
	BufFileWrite(k->file, k->to_targets, size);
	k->written = to;
}

/*
 * What these origins give: to pools, the columns of the right-hand side, and
 * to targets, added to what they reach in the end.
 */
static void
trace_block(Engine *e, TraceBlock *k, const int *buckets, int count)
{
	memset(k->gross, 0, sizeof(double) * (Size) k->n * count);
	memset(k->reached, 0, sizeof(double) * (Size) count * k->m);
	for (int i = 0; i < count; i++)
	{
		const PoolNode *node = e->buckets[buckets[i]].node;
		Pool		own = {0};

		if (node->pool >= 0)
		{
			k->gross[(Size) node->pool * count + i] = 1;
			continue;
		}
		EngineNodeEdges(e, node, &own);
		for (int j = 0; j < own.n_edges; j++)
			if (own.edges[j].is_pool)
				k->gross[(Size) own.edges[j].to * count + i] += (double) own.edges[j].share;
			else
				k->reached[(Size) i * k->m + own.edges[j].to] += (double) own.edges[j].share;
		pfree(own.edges);
	}
	LinalgSolveFactoredMany(e->solver.factors, k->n, k->gross, count, check_interrupts);
	/* the product is subtracted */
	for (int p = 0; p < k->n; p++)
		for (int i = 0; i < count; i++)
			k->turned[(Size) i * k->n + p] = -k->gross[(Size) p * count + i];
	for (int from = 0; from < k->n; from += k->rows)
	{
		fill_rows(e, k, from);
		LinalgMultiplySubtract(k->reached, k->m, k->turned + from, k->n, k->to_targets, k->m,
							   count, Min(k->rows, k->n - from), k->m);
	}
}

/* Splits the cost of one origin by its shares and writes the parts. */
static void
split_traced(Engine *e, int bucket, EngineWork *w)
{
	Bucket	   *b = &e->buckets[bucket];
	uint64		total = PoolsWeights(w->shares, e->n_targets, w->weights);
	MoneyUnits	m;

	if (!EngineUnits(b->cost, ENGINE_SCALE, &m))
		EngineTooLarge(b);
	if (m.units == 0)
		return;
	MoneyApportion(m.units, w->weights, total, e->n_targets, w->parts, w->scratch,
				   check_interrupts);
	EntriesTraced(e, b, w->parts, m.negative, w);
}

/* Called once the pools are factored; marks the buckets it has split. */
void
EngineSplitTraced(Engine *e, EngineWork *w)
{
	int			n = find_traced(e);
	int		   *buckets = palloc_array(int, n + 1);
	bool		large = (int64) n * e->solver.n >= TRACE_LARGE;
	TraceBlock	k = {0};

	if (n == 0)
		return;
	n = 0;
	for (int i = 0; i < e->n_buckets; i++)
		if (e->buckets[i].traced)
			buckets[n++] = i;
	EntriesBeginTraced(e, buckets, n);
	if (large)
		begin_blocks(e, &k);
	for (int from = 0; from < n; from += TRACE_BLOCK)
	{
		int			count = Min(TRACE_BLOCK, n - from);

		if (large)
			trace_block(e, &k, buckets + from, count);
		for (int i = 0; i < count; i++)
		{
			if (large)
				for (int t = 0; t < e->n_targets; t++)
					w->shares[t] = k.reached[(Size) i * k.m + t];
			else
				EngineShares(e, e->buckets[buckets[from + i]].node, 1, w->shares, w->n);
			split_traced(e, buckets[from + i], w);
		}
		CHECK_FOR_INTERRUPTS();
	}
	if (large)
	{
		pfree(k.to_targets);
		pfree(k.gross);
		pfree(k.turned);
		pfree(k.reached);
		if (k.file != NULL)
			BufFileClose(k.file);
	}
	EntriesEndTraced(e);
}

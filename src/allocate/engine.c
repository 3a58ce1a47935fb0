/*-------------------------------------------------------------------------
 *
 * engine.c
 *	  Makes the entries of an allocation from its inputs.
 *
 * Most origins are split in one step: their node follows one key that names
 * no pool, and largest remainder over the key's weights is exact at the
 * origin's own scale.  All others are split in several steps, in units of
 * 1e-9, so that every step is exact on integers:
 *
 *	1. fixed amounts, laid end to end with the rule's cost;
 *	2. the rest by shares, through the pools if there are any (pools.c);
 *	3. what reached a node with caps, by water-filling;
 *	4. what reached a node that follows the cost placed so far, such as
 *	   support as a percentage of spend, whose base is all of the above.
 *
 * What is below 1e-9 of such an origin goes to its largest part.
 *
 *-------------------------------------------------------------------------
 */
#include "allocate/engine.h"

#include <math.h>

#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

/* What is placed on the targets of a currency so far, in units of 1e-12. */
#define PLACED_SCALE	12

typedef struct Placed
{
	char	   *currency;
	int128	   *units;
} Placed;

static Placed *placed;
static int	n_placed;

static void
check_interrupts(void)
{
	CHECK_FOR_INTERRUPTS();
}

/* ---------------------------------------------------------------------
 * The graph of the pools
 * ---------------------------------------------------------------------
 */

/* The node that distributes the pool of a rule for one of this currency. */
static PoolNode *
pool_node(const Engine *e, int no, const char *currency)
{
	for (int i = 0; i < e->n_nodes; i++)
		if (e->nodes[i].no == no && e->nodes[i].whole &&
			strcmp(e->nodes[i].currency, currency) == 0)
			return &e->nodes[i];
	return NULL;
}

/*
 * Adds what a node gives, as edges to pools and targets; nodes that are
 * split later count as targets behind the real ones.
 */
static void
node_edges(const Engine *e, const PoolNode *node, Pool *pool)
{
	int			room = (node->percent == NULL ? 0 : node->percent->n) + 1;
	int			n_legs = node->n_legs + (node->percent != NULL);

	for (int l = 0; l < node->n_legs; l++)
		room += node->legs[l] == NULL ? 0 : node->legs[l]->n;
	pool->edges = palloc_extended(mul_size(room, sizeof(PoolEdge)), MCXT_ALLOC_HUGE);
	pool->n_edges = 0;
	for (int l = 0; l < n_legs; l++)
	{
		Key		   *key = l < node->n_legs ? node->legs[l] : node->percent;
		FinopsReal fraction = l < node->n_legs ?
			node->fractions[l] * (1 - node->percents) : node->percents;
		FinopsReal total = key->units != NULL ? (FinopsReal) key->total_units :
			strtold(DatumGetCString(DirectFunctionCall1(numeric_out, key->total)), NULL);

		for (int i = 0; i < key->n && fraction > 0; i++)
		{
			PoolEdge   *edge = &pool->edges[pool->n_edges++];
			FinopsReal weight = key->units != NULL ? (FinopsReal) key->units[i] :
				strtold(DatumGetCString(DirectFunctionCall1(numeric_out, key->weights[i])), NULL);
			PoolNode	   *next = key->targets[i] < 0 ?
				pool_node(e, -key->targets[i], node->currency) : NULL;

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

			if (key == NULL || !key->to_pools)
				continue;
			for (int t = 0; t < key->n; t++)
			{
				PoolNode	   *next = key->targets[t] >= 0 ? NULL :
					pool_node(e, -key->targets[t], e->nodes[i].currency);

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
	pool->edges = palloc(sizeof(PoolEdge));
	pool->edges[0] = (PoolEdge) {node->last, false, 1};
	pool->n_edges = 1;
	EngineFinding(e, "closed_cycle", node->rule_id, node->currency,
				  "Its pool and those it gives to give to each other only; the cost goes where zero_key_policy says.");
}

static void
build_pools(Engine *e)
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
	pools = palloc0_array(Pool, s->n);
	for (int p = 0; p < s->n; p++)
		node_edges(e, &e->nodes[e->pool_nodes[p]], &pools[p]);
	closed = palloc0_array(bool, s->n);
	scratch = palloc_array(int, 5 * s->n);
	if (PoolsFindClosed(pools, s->n, closed, scratch) > 0)
		for (int p = 0; p < s->n; p++)
			if (closed[p])
				open_circle(e, &e->nodes[e->pool_nodes[p]], &pools[p]);
	s->pools = pools;
	s->matrix = palloc_extended(sizeof(double) * (Size) s->n * s->n, MCXT_ALLOC_HUGE);
	s->factors = palloc_extended(sizeof(double) * (Size) s->n * s->n, MCXT_ALLOC_HUGE);
	s->own = palloc_array(FinopsReal, s->n);
	s->gross = palloc_array(FinopsReal, s->n);
	s->scratch = palloc_array(double, s->n);
	if (!PoolsFactor(s, check_interrupts))
		elog(ERROR, "system of pools is singular");
}

/*
 * Shares of the targets and later nodes in the cost of a node, after
 * percents of the original were scaled to what is left of it.
 */
static void
node_shares(Engine *e, PoolNode *node, FinopsReal scale, FinopsReal *shares, int n)
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
		node_edges(e, &scaled, &own);
	}
	else
		node_edges(e, node, &own);
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
	if (to_pools)
		(void) PoolsTrace(&e->solver, shares);
	pfree(own.edges);
}

/* ---------------------------------------------------------------------
 * Origins split in one step
 * ---------------------------------------------------------------------
 */

/* Buckets of one origin in several slices are added up part by part. */
static bool
is_alone(const Engine *e, int i)
{
	return (i == 0 || strcmp(e->buckets[i - 1].origin, e->buckets[i].origin) != 0) &&
		(i + 1 == e->n_buckets || strcmp(e->buckets[i + 1].origin, e->buckets[i].origin) != 0);
}

static void
find_simple(Engine *e)
{
	for (int i = 0; i < e->n_buckets; i++)
	{
		const PoolNode *node = e->buckets[i].node;

		e->buckets[i].simple = node->n_legs == 1 && !node->sink && !node->closed &&
			node->amount == NULL && node->percent == NULL &&
			!node->legs[0]->to_pools && is_alone(e, i);
	}
}

static EntryOf
entry_of(const Bucket *b)
{
	return (EntryOf) {
		b->origin, b->service,
			b->node->category == NULL ? b->charge_category : b->node->category,
			b->node->rule_id, b->node->rule_version, b->node->currency,
			b->node->stage, b->origin_period, b->lines
	};
}

/* The shares of a key's targets, 18 digits, which add up to 1. */
static void
make_shares(Key *key)
{
	uint64	   *scratch;

	if (key->shares != NULL || key->units == NULL)
		return;
	key->shares = palloc_array(uint64, key->n);
	scratch = palloc_array(uint64, 2 * key->n);
	MoneyApportion(UINT64_C(1000000000000000000), key->units, key->total_units,
				   key->n, key->shares, scratch, check_interrupts);
	pfree(scratch);
}

/* Values that integers cannot hold go through numeric. */
static void
split_general(Engine *e, const Bucket *b, const Key *key)
{
	ArrayType  *weights = construct_array(key->weights, key->n, NUMERICOID, -1, false, TYPALIGN_INT);
	Datum		lists[2];
	Datum	   *amounts;
	Datum	   *shares;
	int			n;
	EntryOf		of = entry_of(b);

	lists[0] = DirectFunctionCall3(finops_apportion, b->cost, PointerGetDatum(weights),
								   Int32GetDatum(Max(2, b->scale)));
	lists[1] = DirectFunctionCall3(finops_apportion, NumericGetDatum(int64_to_numeric(1)),
								   PointerGetDatum(weights), Int32GetDatum(SHARE_SCALE));
	deconstruct_array(DatumGetArrayTypeP(lists[0]), NUMERICOID, -1, false, TYPALIGN_INT, &amounts, NULL, &n);
	deconstruct_array(DatumGetArrayTypeP(lists[1]), NUMERICOID, -1, false, TYPALIGN_INT, &shares, NULL, &n);
	for (int i = 0; i < n; i++)
		EntriesPut(e, &of, key->targets[i], amounts[i], shares[i], b->node->metric,
				   key->weights[i], key->total, b->node->rung);
}

static bool
to_units(Datum value, int scale, MoneyUnits *m)
{
	return MoneyDecodeNumeric(value, m) && m->scale <= scale &&
		MoneyRescale(&m->units, scale - m->scale);
}

static void
split_simple(Engine *e, const Bucket *b, uint64 *parts, uint64 *scratch)
{
	Key		   *key = b->node->legs[0];
	int			scale = Max(2, b->scale);
	MoneyUnits	m;
	EntryOf		of = entry_of(b);

	/* what no rule placed stays as it is */
	if (b->node->metric == NULL)
	{
		EntriesPut(e, &of, key->targets[0], b->cost, NumericGetDatum(int64_to_numeric(1)), NULL, 0, 0, 0);
		return;
	}
	if (key->units == NULL || scale > MONEY_MAX_SCALE || !to_units(b->cost, scale, &m))
	{
		split_general(e, b, key);
		return;
	}
	if (m.units == 0)
		return;
	MoneyApportion(m.units, key->units, key->total_units, key->n, parts, scratch,
				   check_interrupts);
	make_shares(key);
	for (int i = 0; i < key->n; i++)
	{
		MemoryContext old;
		Datum		amount;
		Datum		share;

		if (parts[i] == 0)
			continue;
		old = MemoryContextSwitchTo(e->row);
		amount = MoneyNumeric(parts[i], m.negative, scale);
		share = MoneyNumeric(key->shares[i], false, SHARE_SCALE);
		MemoryContextSwitchTo(old);
		EntriesPut(e, &of, key->targets[i], amount, share, b->node->metric,
				   key->weights[i], key->total, b->node->rung);
	}
}

/* ---------------------------------------------------------------------
 * Origins split in several steps
 * ---------------------------------------------------------------------
 */
static Part *
add_part(Engine *e, int bucket, int target, int64 units)
{
	Part	   *part;

	if (e->n_parts == e->max_parts)
	{
		e->max_parts = Max(1024, e->max_parts * 2);
		e->parts = e->parts == NULL ? palloc_array(Part, e->max_parts) :
			repalloc_huge(e->parts, mul_size(e->max_parts, sizeof(Part)));
	}
	part = &e->parts[e->n_parts++];
	*part = (Part) {bucket, target, units, 0, NULL, 0, e->buckets[bucket].node->metric,
	e->buckets[bucket].node->rung};
	if (target >= e->n_targets)
	{
		PoolNode	   *sink = &e->nodes[target - e->n_targets];

		if (sink->n_received == sink->max_received)
		{
			sink->max_received = Max(64, sink->max_received * 2);
			sink->received = sink->received == NULL ? palloc_array(int, sink->max_received) :
				repalloc_huge(sink->received, mul_size(sink->max_received, sizeof(int)));
		}
		sink->received[sink->n_received++] = e->n_parts - 1;
	}
	return part;
}

/* The cost in units of 1e-9, and what these leave of it. */
static int64
bucket_units(const Bucket *b, Datum *extra)
{
	Datum		whole = DirectFunctionCall2(numeric_trunc, b->cost, Int32GetDatum(ENGINE_SCALE));
	MoneyUnits	m;

	if (!to_units(whole, ENGINE_SCALE, &m))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("cost of \"%s\" is too large to be split in several steps",
						FinopsQuoteForMessage(b->origin))));
	*extra = DirectFunctionCall2(numeric_sub, b->cost, whole);
	return m.negative ? -(int64) m.units : (int64) m.units;
}

typedef struct Work
{
	FinopsReal *shares;
	uint64	   *weights;
	uint64	   *parts;
	uint64	   *scratch;
	int			n;				/* targets and nodes */
} Work;

/* Splits units of a bucket over shares. */
static void
split_by_shares(Engine *e, int bucket, int64 units, Work *w)
{
	uint64		total = PoolsWeights(w->shares, w->n, w->weights);
	const PoolNode *node = e->buckets[bucket].node;
	Key		   *key = node->n_legs == 1 && node->percent == NULL && !node->closed ? node->legs[0] : NULL;
	int			at = 0;

	MoneyApportion((uint64) (units < 0 ? -units : units), w->weights, total, w->n,
				   w->parts, w->scratch, check_interrupts);
	for (int t = 0; t < w->n; t++)
	{
		Part	   *part;

		if (w->parts[t] == 0)
			continue;
		part = add_part(e, bucket, t, units < 0 ? -(int64) w->parts[t] : (int64) w->parts[t]);
		if (key == NULL || key->to_pools)
			continue;
		while (at < key->n && key->targets[at] != t)
			at++;
		if (at < key->n)
		{
			part->key = key;
			part->at = at;
		}
	}
}

/* Nodes of one rule and currency differ in their slices only. */
static bool
same_rule(const PoolNode *a, const PoolNode *b)
{
	return a->no == b->no && strcmp(a->currency, b->currency) == 0;
}

/*
 * Fixed amounts: the cost of the rule's buckets and the amounts are laid end
 * to end, in byte order of origin and target; where they overlap, the target
 * pays from that bucket.  So both add up without rounding.  Amounts beyond
 * the cost are cut to it in proportion; credits take no part.
 */
static void
place_amounts(Engine *e, const PoolNode *node, int64 *left, Work *w)
{
	Key		   *key = node->amount;
	int64		pool = 0;
	int64		wanted = 0;
	int			b = -1;
	int64		available = 0;

	for (int i = 0; i < e->n_buckets; i++)
		if (same_rule(e->buckets[i].node, node) && left[i] > 0)
			pool += left[i];
	for (int i = 0; i < key->n; i++)
	{
		MoneyUnits	m;
		Datum		fee = DirectFunctionCall2(numeric_trunc, key->weights[i], Int32GetDatum(ENGINE_SCALE));

		if (!to_units(fee, ENGINE_SCALE, &m))
			m.units = (uint64) MONEY_MAX_UNITS / 4;
		w->weights[i] = Min(m.units, (uint64) MONEY_MAX_UNITS / (4 * (uint64) key->n));
		wanted += (int64) w->weights[i];
	}
	if (pool == 0 || wanted == 0)
		return;
	if (wanted > pool)
		MoneyApportion((uint64) pool, w->weights, (uint64) wanted, key->n, w->parts,
					   w->scratch, check_interrupts);
	else
		memcpy(w->parts, w->weights, sizeof(uint64) * key->n);
	for (int i = 0; i < key->n; i++)
	{
		int64		due = (int64) w->parts[i];

		while (due > 0)
		{
			int64		paid;
			Part	   *part;

			while (available == 0)
			{
				b++;
				if (same_rule(e->buckets[b].node, node) && left[b] > 0)
					available = left[b];
			}
			paid = Min(due, available);
			part = add_part(e, b, key->targets[i] < 0 ? node->last : key->targets[i], paid);
			part->key = key;
			part->at = i;
			part->metric = "amount";
			available -= paid;
			left[b] -= paid;
			due -= paid;
		}
	}
}

/* A part that stands for what units of 1e-9 cannot hold, if there is any. */
static void
keep_extra(Engine *e, int bucket, int first_part, Datum extra)
{
	int			largest = first_part;

	if (DatumGetBool(DirectFunctionCall2(numeric_eq, extra, NumericGetDatum(int64_to_numeric(0)))))
		return;
	if (first_part == e->n_parts)
		(void) add_part(e, bucket, e->buckets[bucket].node->last, 0);
	for (int i = first_part; i < e->n_parts; i++)
		if (Abs(e->parts[i].units) > Abs(e->parts[largest].units))
			largest = i;
	e->parts[largest].extra = extra;
}

static void
split_in_steps(Engine *e, Work *w)
{
	int64	   *left = palloc0_array(int64, Max(e->n_buckets, 1));
	int64	   *whole = palloc0_array(int64, Max(e->n_buckets, 1));
	Datum	   *extras = palloc0_array(Datum, Max(e->n_buckets, 1));

	for (int i = 0; i < e->n_buckets; i++)
		if (!e->buckets[i].simple)
			left[i] = whole[i] = bucket_units(&e->buckets[i], &extras[i]);
	for (int i = 0; i < e->n_nodes; i++)
		if (e->nodes[i].amount != NULL &&
			(i == 0 || !same_rule(&e->nodes[i - 1], &e->nodes[i])))
			place_amounts(e, &e->nodes[i], left, w);
	for (int i = 0; i < e->n_buckets; i++)
	{
		PoolNode	   *node = e->buckets[i].node;
		int			first = e->n_parts;

		if (e->buckets[i].simple)
			continue;
		if (left[i] != 0 && node->sink)
			(void) add_part(e, i, e->n_targets + (int) (node - e->nodes), left[i]);
		else if (left[i] != 0)
		{
			node_shares(e, node, left[i] == whole[i] ? 1 :
						(FinopsReal) whole[i] / left[i], w->shares, w->n);
			split_by_shares(e, i, left[i], w);
		}
		keep_extra(e, i, first, extras[i]);
	}
}

/* ---------------------------------------------------------------------
 * Nodes that are split after the pools
 * ---------------------------------------------------------------------
 */

/* Bounds of the targets of a key from the caps of a rule; NULL is none. */
static void
read_bounds(const PoolNode *node, const Engine *e, const Key *key, int64 *low, int64 *high)
{
	uint64		n;

	for (int i = 0; i < key->n; i++)
	{
		low[i] = 0;
		high[i] = MONEY_MAX_UNITS / (4 * (int64) key->n);
	}
	n = FINOPS_RUN("SELECT c.key, trunc(least((c.value ->> 'min')::numeric, 1e9) * 1e9 + 0 * (c.value ->> 'min')::numeric)::bigint,"
				   " trunc(least((c.value ->> 'max')::numeric, 1e9) * 1e9 + 0 * (c.value ->> 'max')::numeric)::bigint"
				   " FROM jsonb_each($1::jsonb) c ORDER BY c.key <> '*'",
				   ARG_TEXT(node->caps));
	for (uint64 r = 0; r < n; r++)
	{
		char	   *name = FinopsText(r, 1);
		bool		no_min;
		bool		no_max;
		Datum		min = FinopsValue(r, 2, &no_min);
		Datum		max = FinopsValue(r, 3, &no_max);

		for (int i = 0; i < key->n; i++)
			if (key->targets[i] >= 0 && e->target_kinds[key->targets[i]] == 't' &&
				(strcmp(name, "*") == 0 || strcmp(name, e->target_names[key->targets[i]]) == 0))
			{
				if (!no_min)
					low[i] = DatumGetInt64(min);
				if (!no_max)
					high[i] = DatumGetInt64(max);
			}
	}
}

/* Gives a received part to a target of the node's key. */
static void
pass_on(Engine *e, int received, int target, int64 units, PoolNode *node, Key *key, int at)
{
	Part		from = e->parts[received];
	Part	   *part = add_part(e, from.bucket, target, units);

	part->metric = node->metric;
	part->rung = Max(from.rung, node->rung);
	part->key = key;
	part->at = at;
	if (from.extra != 0)
	{
		part->extra = from.extra;
		e->parts[received].extra = 0;
	}
}

/* Credits, and all cost of a node without bounds: by the weights. */
static void
pass_by_weights(Engine *e, PoolNode *node, Key *key, const uint64 *weights,
				uint64 total, int received, Work *w)
{
	int64		units = e->parts[received].units;

	e->parts[received].units = 0;
	MoneyApportion((uint64) (units < 0 ? -units : units), weights, total, key->n,
				   w->parts, w->scratch, check_interrupts);
	for (int i = 0; i < key->n; i++)
		if (w->parts[i] > 0)
			pass_on(e, received, key->targets[i] < 0 ? node->last : key->targets[i],
					units < 0 ? -(int64) w->parts[i] : (int64) w->parts[i], node, key, i);
}

/*
 * A node with caps: what it received is one pot; its positive parts are laid
 * end to end with what the targets pay, as fixed amounts are, so that every
 * target stays within its bounds to the unit.  What the bounds keep out goes
 * to the operator; lower bounds beyond the pot are met at its expense.
 */
static void
split_capped(Engine *e, PoolNode *node, Work *w)
{
	Key		   *key = node->legs[0];
	int64	   *low = palloc_array(int64, key->n + 1);
	int64	   *high = palloc_array(int64, key->n + 1);
	int64	   *due = palloc_array(int64, key->n + 1);
	uint64	   *scratch = palloc_array(uint64, 5 * (Size) key->n);
	int64		pot = 0;
	int64		kept;
	int			n = node->n_received;
	int			at = 0;
	int			operator_target = EngineTarget(e, "o");

	if (key->units == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("weights of allocation rule \"%s\" have too many digits for caps",
						FinopsQuoteForMessage(node->rule_id))));
	for (int r = 0; r < n; r++)
		pot += Max(e->parts[node->received[r]].units, 0);
	read_bounds(node, e, key, low, high);
	kept = PoolsWaterFill(pot, key->units, low, high, key->n, due, scratch);
	if (kept != 0)
		EngineFinding(e, kept > 0 ? "caps_too_low" : "caps_too_high", node->rule_id, node->currency,
					  psprintf("The bounds leave " INT64_FORMAT " units of 1e-9 to the operator.", kept));
	/* the operator pays in what lower bounds ask beyond the pot */
	due[key->n] = kept;
	if (kept < 0)
	{
		int			first = node->received[0];

		for (int i = 0; i < key->n; i++)
			if (due[i] > 0)
				pass_on(e, first, key->targets[i], due[i], node, key, i);
		pass_on(e, first, operator_target, kept, node, NULL, 0);
		for (int r = 0; r < n; r++)
			if (e->parts[node->received[r]].units > 0 && r > 0)
			{
				/* each origin foots by itself: the operator evens them out */
				pass_on(e, node->received[r], operator_target, e->parts[node->received[r]].units, node, NULL, 0);
				pass_on(e, first, operator_target, -e->parts[node->received[r]].units, node, NULL, 0);
				e->parts[node->received[r]].units = 0;
			}
		e->parts[first].units = 0;
		return;
	}
	for (int r = 0; r < n; r++)
	{
		int			received = node->received[r];
		int64		available = e->parts[received].units;

		if (available < 0)
		{
			pass_by_weights(e, node, key, key->units, key->total_units, received, w);
			continue;
		}
		e->parts[received].units = 0;
		while (available > 0)
		{
			int64		paid;

			while (due[at] == 0)
				at++;
			paid = Min(due[at], available);
			pass_on(e, received, at == key->n ? operator_target :
					key->targets[at] < 0 ? node->last : key->targets[at],
					paid, node, at == key->n ? NULL : key, at);
			due[at] -= paid;
			available -= paid;
		}
	}
}

static int128 *
placed_of(const Engine *e, const char *currency)
{
	for (int i = 0; i < n_placed; i++)
		if (strcmp(placed[i].currency, currency) == 0)
			return placed[i].units;
	placed[n_placed].currency = pstrdup(currency);
	placed[n_placed].units = palloc0(sizeof(int128) * e->n_targets);
	return placed[n_placed++].units;
}

/* Adds a numeric to what is placed on a target, to 1e-12. */
static void
add_placed(int128 *units, Datum amount)
{
	Datum		cut = DirectFunctionCall2(numeric_trunc, amount, Int32GetDatum(PLACED_SCALE));
	MoneyUnits	m;

	if (!MoneyDecodeNumeric(cut, &m))
		return;
	while (m.scale < PLACED_SCALE && m.units <= (uint64) MONEY_MAX_UNITS / 10)
	{
		m.units *= 10;
		m.scale++;
	}
	if (m.scale == PLACED_SCALE)
		*units += m.negative ? -(int128) m.units : (int128) m.units;
}

/* All that is placed before the nodes that follow it. */
static void
sum_placed(Engine *e, uint64 *parts, uint64 *scratch)
{
	MemoryContext work = AllocSetContextCreate(CurrentMemoryContext, "finops placed", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old;

	placed = palloc0_array(Placed, e->n_nodes + e->n_direct + 1);
	n_placed = 0;
	for (int i = 0; i < e->n_direct; i++)
	{
		DirectCost *d = &e->direct[i];
		int128	   *units = placed_of(e, d->currency);

		old = MemoryContextSwitchTo(work);
		for (int t = 0; t < d->n; t++)
		{
			char	   *name = psprintf("t:%s", TextDatumGetCString(d->tenants[t]));
			int			target = d->heir >= 0 ? d->heir : EngineTarget(e, name);

			add_placed(&units[target], d->costs[t]);
		}
		MemoryContextSwitchTo(old);
		MemoryContextReset(work);
	}
	for (int i = 0; i < e->n_buckets; i++)
	{
		const Bucket *b = &e->buckets[i];
		Key		   *key = b->node->n_legs > 0 ? b->node->legs[0] : NULL;
		int128	   *units = placed_of(e, b->node->currency);
		MoneyUnits	m;

		if (!b->simple || key->units == NULL || !to_units(b->cost, Max(2, b->scale), &m))
			continue;
		MoneyApportion(m.units, key->units, key->total_units, key->n, parts, scratch, check_interrupts);
		old = MemoryContextSwitchTo(work);
		for (int t = 0; t < key->n; t++)
			if (parts[t] > 0)
				add_placed(&units[key->targets[t]], MoneyNumeric(parts[t], m.negative, Max(2, b->scale)));
		MemoryContextSwitchTo(old);
		MemoryContextReset(work);
	}
	for (int i = 0; i < e->n_parts; i++)
		if (e->parts[i].target < e->n_targets)
			placed_of(e, e->buckets[e->parts[i].bucket].node->currency)[e->parts[i].target] +=
				(int128) e->parts[i].units * 1000;
	MemoryContextDelete(work);
}

/* The cost placed on tenants as a key, to 1e-6; below zero counts as zero. */
static Key *
placed_key(Engine *e, const PoolNode *node)
{
	int128	   *units = placed_of(e, node->currency);
	Key		   *key = palloc0(sizeof(Key));

	key->name = "allocated_cost";
	key->targets = palloc_array(int, e->n_targets + 1);
	key->weights = palloc_array(Datum, e->n_targets + 1);
	key->units = palloc_array(uint64, e->n_targets + 1);
	for (int t = 0; t < e->n_targets; t++)
		if (e->target_kinds[t] == 't' && units[t] >= 1000000)
		{
			key->targets[key->n] = t;
			key->units[key->n] = (uint64) (units[t] / 1000000);
			key->weights[key->n] = MoneyNumeric(key->units[key->n], false, 6);
			key->total_units += key->units[key->n];
			key->n++;
		}
	if (key->n == 0)
	{
		key->targets[0] = node->last;
		key->units[0] = key->total_units = 1;
		key->weights[0] = MoneyNumeric(1, false, 0);
		key->n = 1;
		key->total = key->weights[0];
	}
	else
		key->total = MoneyNumeric(key->total_units, false, 6);
	return key;
}

static void
split_sinks(Engine *e, Work *w)
{
	bool		any_late = false;

	for (int i = 0; i < e->n_nodes; i++)
	{
		any_late |= e->nodes[i].late;
		if (e->nodes[i].sink && !e->nodes[i].late && e->nodes[i].n_received > 0)
			split_capped(e, &e->nodes[i], w);
	}
	if (!any_late)
		return;
	sum_placed(e, w->parts, w->scratch);
	for (int i = 0; i < e->n_nodes; i++)
		if (e->nodes[i].late && e->nodes[i].legs[0] == NULL)
		{
			e->nodes[i].legs[0] = placed_key(e, &e->nodes[i]);
			e->nodes[i].n_legs = 1;
		}
	for (int i = 0; i < e->n_nodes; i++)
	{
		PoolNode	   *node = &e->nodes[i];

		if (!node->late || node->n_received == 0)
			continue;
		if (node->caps != NULL)
			split_capped(e, node, w);
		else
			for (int r = 0; r < node->n_received; r++)
				if (e->parts[node->received[r]].units != 0)
					pass_by_weights(e, node, node->legs[0], node->legs[0]->units,
									node->legs[0]->total_units, node->received[r], w);
	}
}

/* ---------------------------------------------------------------------
 * Entries
 * ---------------------------------------------------------------------
 */
static int
compare_parts(const void *a, const void *b, void *arg)
{
	const Part *x = a;
	const Part *y = b;
	const Engine *e = arg;
	int			order = strcmp(e->buckets[x->bucket].origin, e->buckets[y->bucket].origin);

	if (order == 0)
		order = x->target - y->target;
	if (order == 0)
		order = (x->extra != 0) - (y->extra != 0);
	if (order == 0)
		order = (Abs(x->units) < Abs(y->units)) - (Abs(x->units) > Abs(y->units));
	if (order == 0)
		order = x->bucket - y->bucket;
	return order;
}

/* The amount of parts from .. to of one target, with no more digits than needed. */
static Datum
amount_of_parts(const Engine *e, int from, int to, int scale, int64 *units)
{
	Datum		amount;
	int			at = ENGINE_SCALE;
	int64		value = 0;

	for (int i = from; i < to; i++)
		value += e->parts[i].units;
	*units = value;
	for (; at > scale && value % 10 == 0; at--)
		value /= 10;
	amount = MoneyNumeric((uint64) Abs(value), value < 0, at);
	for (int i = from; i < to; i++)
		if (e->parts[i].extra != 0)
			amount = DirectFunctionCall2(numeric_add, amount, e->parts[i].extra);
	return amount;
}

/* Entries of the parts from .. to, which are those of one origin. */
static void
put_origin(Engine *e, int from, int to, Work *w)
{
	const Bucket *b = &e->buckets[e->parts[from].bucket];
	EntryOf		of = entry_of(b);
	int			n = 0;
	uint64		total = 0;
	int			scale = 2;

	for (int i = from; i < to; i++)
		scale = Max(scale, Min(e->buckets[e->parts[i].bucket].scale, ENGINE_SCALE));
	for (int i = from, next; i < to; i = next)
	{
		int64		units = 0;

		for (next = i; next < to && e->parts[next].target == e->parts[i].target; next++)
			units += e->parts[next].units;
		w->weights[n] = (uint64) Abs(units);
		total += w->weights[n++];
	}
	if (total > 0)
		MoneyApportion(UINT64_C(1000000000000000000), w->weights, total, n, w->parts, w->scratch, NULL);
	n = 0;
	for (int i = from, next; i < to; i = next)
	{
		MemoryContext old = MemoryContextSwitchTo(e->row);
		const Part *part = &e->parts[i];
		int64		units;
		Datum		amount;

		for (next = i; next < to && e->parts[next].target == part->target; next++)
			;
		amount = amount_of_parts(e, i, next, scale, &units);
		EntriesPut(e, &of, part->target, amount,
				   total > 0 ? MoneyNumeric(w->parts[n], false, SHARE_SCALE) : (Datum) 0,
				   part->metric, part->key == NULL ? (Datum) 0 : part->key->weights[part->at],
				   part->key == NULL ? (Datum) 0 : part->key->total, part->rung);
		n++;
		MemoryContextSwitchTo(old);
	}
}

static void
put_parts(Engine *e, Work *w)
{
	int			kept = 0;

	/* parts that went on to other targets stand for nothing any more */
	for (int i = 0; i < e->n_parts; i++)
		if (e->parts[i].target < e->n_targets && (e->parts[i].units != 0 || e->parts[i].extra != 0))
			e->parts[kept++] = e->parts[i];
	e->n_parts = kept;
	qsort_arg(e->parts, e->n_parts, sizeof(Part), compare_parts, e);
	for (int i = 0, next; i < e->n_parts; i = next)
	{
		for (next = i; next < e->n_parts && strcmp(e->buckets[e->parts[next].bucket].origin,
												   e->buckets[e->parts[i].bucket].origin) == 0; next++)
			;
		put_origin(e, i, next, w);
	}
}

/* A bar in a name is escaped, as gather.c does. */
static char *
escaped(const char *name)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (; *name != '\0'; name++)
		if (*name == '%' || *name == '|')
			appendStringInfoString(&buf, *name == '%' ? "%25" : "%7C");
		else
			appendStringInfoChar(&buf, *name);
	return buf.data;
}

static void
put_direct(Engine *e)
{
	for (int i = 0; i < e->n_direct; i++)
	{
		DirectCost *d = &e->direct[i];

		for (int t = 0; t < d->n; t++)
		{
			MemoryContext old = MemoryContextSwitchTo(e->row);
			char	   *tenant = TextDatumGetCString(d->tenants[t]);
			EntryOf		of = {
				psprintf("%s|direct-tag|%s%s%.7s", d->name, escaped(tenant),
						 d->origin_period == NULL ? "" : "|",
						 d->origin_period == NULL ? "" : d->origin_period),
				d->service, d->charge_category, "direct-tag", 1, d->currency, "direct",
				d->origin_period, (Datum) 0
			};

			MemoryContextSwitchTo(old);
			EntriesPutDirect(e, &of, tenant, d->heir, d->costs[t]);
		}
	}
}

void
AllocateMakeEntries(const char *from, int64 run_id, AllocateResult *result)
{
	Engine		e = {0};
	Work		w;
	Size		room;

	EngineLoad(&e, from, run_id);
	EntriesBegin(&e);
	build_pools(&e);
	find_simple(&e);
	w.n = e.n_targets + e.n_nodes;
	room = w.n + 1;
	for (int k = 0; k < e.n_keys; k++)
		room = Max(room, (Size) e.keys[k].n);
	w.shares = palloc_array(FinopsReal, w.n + 1);
	w.weights = palloc_array(uint64, room);
	w.parts = palloc_array(uint64, room);
	w.scratch = palloc_array(uint64, 2 * room);

	put_direct(&e);
	for (int i = 0; i < e.n_buckets; i++)
		if (e.buckets[i].simple)
			split_simple(&e, &e.buckets[i], w.parts, w.scratch);
	split_in_steps(&e, &w);
	split_sinks(&e, &w);
	put_parts(&e, &w);
	result->entries = e.entries;
	result->findings = e.n_findings;
	if (e.n_findings > 0)
		appendStringInfoChar(&e.findings, ']');
	result->findings_json = e.n_findings > 0 ? e.findings.data : pstrdup("[]");
	result->digest = EntriesDigest(&e);
}

/*-------------------------------------------------------------------------
 *
 * sinks.c
 *	  Nodes that are split after the pools are solved: those with caps, and
 *	  those that follow the cost placed so far.
 *
 *-------------------------------------------------------------------------
 */
#include "allocate/engine.h"

#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

/* Digits of what is placed on targets. */
#define PLACED_SCALE	12

static void
check_interrupts(void)
{
	CHECK_FOR_INTERRUPTS();
}

/* Bounds of the targets of a key from the caps of a rule; NULL is none. */
static void
read_bounds(const PoolNode *node, const Engine *e, const Key *key, int64 *low, int64 *high)
{
	uint64		n;

	for (int i = 0; i < key->n; i++)
	{
		low[i] = 0;
		high[i] = MONEY_MAX_UNITS;
	}
	n = FINOPS_RUN("SELECT c.key, trunc(CASE WHEN c.min < 1e9 THEN c.min WHEN c.min >= 1e9 THEN 1e9 END * 1e9)::bigint,"
				   " trunc(CASE WHEN c.max < 9.2e9 THEN c.max WHEN c.max >= 9.2e9 THEN 9.2e9 END * 1e9)::bigint"
				   " FROM (SELECT x.key, (x.value ->> 'min')::numeric AS min, (x.value ->> 'max')::numeric AS max"
				   "  FROM jsonb_each($1::jsonb) x) c ORDER BY c.key <> '*'",
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

/* Weights of any number of digits as integers, to 2^-60 of their sum. */
static const uint64 *
whole_weights(const Key *key, uint64 *total)
{
	FinopsReal	sum = 0;
	FinopsReal *shares;
	uint64	   *weights;

	*total = key->total_units;
	if (key->integral)
		return key->units;
	shares = palloc_array(FinopsReal, key->n);
	weights = palloc_array(uint64, key->n);
	for (int i = 0; i < key->n; i++)
	{
		shares[i] = EngineRealWeight(key, i);
		sum += shares[i];
	}
	for (int i = 0; i < key->n; i++)
		shares[i] /= sum;
	*total = PoolsWeights(shares, key->n, weights);
	return weights;
}

/* Gives a received part to a target of the node's key. */
static void
pass_on(Engine *e, int received, int target, int64 units, PoolNode *node, Key *key, int at)
{
	Part	   *from = &e->received[received];
	Part	   *part = EngineAddPart(e, from->bucket, target, units);

	part->measure = node;
	part->rung = Max(from->rung, node->rung);
	part->key = key;
	part->at = at;
	part->extra = from->extra;
	from->extra = 0;
}

/* Credits, and all cost of a node without bounds: by the weights. */
static void
pass_by_weights(Engine *e, PoolNode *node, Key *key, const uint64 *weights,
				uint64 total, int received, EngineWork *w)
{
	int64		units = e->received[received].units;

	e->received[received].units = 0;
	MoneyApportion((uint64) (units < 0 ? -units : units), weights, total, key->n,
				   w->parts, w->scratch, check_interrupts);
	for (int i = 0; i < key->n; i++)
		if (w->parts[i] > 0)
			pass_on(e, received, key->targets[i] < 0 ? node->last : key->targets[i],
					units < 0 ? -(int64) w->parts[i] : (int64) w->parts[i], node, key, i);
	EngineFlushParts(e);
}

/*
 * Lower bounds beyond the pot: the operator pays in.  The first origin with
 * cost carries the bounds; each of the others foots by itself, as the
 * operator evens them out; credits are the operator's.
 */
static void
meet_lower_bounds(Engine *e, PoolNode *node, Key *key, const int64 *due, int64 kept)
{
	int			first = node->received[0];
	int			n = node->n_received;
	int			operator_target = EngineTarget(e, "o");

	for (int r = n - 1; r >= 0; r--)
		if (e->received[node->received[r]].units > 0)
			first = node->received[r];
	for (int i = 0; i < key->n; i++)
		if (due[i] > 0)
			pass_on(e, first, key->targets[i], due[i], node, key, i);
	pass_on(e, first, operator_target, kept, node, NULL, 0);
	for (int r = 0; r < n; r++)
	{
		int			received = node->received[r];
		int64		units = e->received[received].units;

		e->received[received].units = 0;
		if (received == first && units > 0)
			continue;
		pass_on(e, received, operator_target, units, node, NULL, 0);
		if (units > 0)
			pass_on(e, first, operator_target, -units, node, NULL, 0);
	}
}

/*
 * A node with caps: what it received is one pot; its positive parts are laid
 * end to end with what the targets pay, as fixed amounts are, so that every
 * target stays within its bounds to the unit.  What the bounds keep out goes
 * to the operator; lower bounds beyond the pot are met at its expense.
 */
static void
split_capped(Engine *e, PoolNode *node, EngineWork *w)
{
	Key		   *key = EngineUseKey(e, node->legs[0]);
	int64	   *low = palloc_array(int64, key->n + 1);
	int64	   *high = palloc_array(int64, key->n + 1);
	int64	   *due = palloc_array(int64, key->n + 1);
	uint64	   *scratch = palloc_array(uint64, 5 * (Size) key->n);
	int64		pot = 0;
	int64		kept;
	int			n = node->n_received;
	int			at = 0;
	int			operator_target = EngineTarget(e, "o");
	uint64		total;
	const uint64 *weights = whole_weights(key, &total);

	for (int r = 0; r < n; r++)
		pot += Max(e->received[node->received[r]].units, 0);
	read_bounds(node, e, key, low, high);
	kept = PoolsWaterFill(pot, weights, low, high, key->n, due, scratch);
	if (kept != 0)
		EngineFinding(e, kept > 0 ? "caps_too_low" : "caps_too_high", node->rule_id, node->currency,
					  psprintf("The bounds leave " INT64_FORMAT " units of 1e-9 to the operator.", kept));
	due[key->n] = kept;
	if (kept < 0)
	{
		meet_lower_bounds(e, node, key, due, kept);
		return;
	}
	for (int r = 0; r < n; r++)
	{
		int			received = node->received[r];
		int64		available = e->received[received].units;

		if (available < 0)
		{
			pass_by_weights(e, node, key, weights, total, received, w);
			continue;
		}
		e->received[received].units = 0;
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

/* What is placed on the targets of a currency so far. */
int128 *
EnginePlacedOn(Engine *e, PlacedList *list, const char *currency)
{
	Placed	   *item;

	for (int i = 0; i < list->n; i++)
		if (strcmp(list->items[i].currency, currency) == 0)
			return list->items[i].units;
	list->items = list->items == NULL ? MemoryContextAlloc(e->context, sizeof(Placed)) :
		repalloc(list->items, sizeof(Placed) * (list->n + 1));
	item = &list->items[list->n++];
	item->currency = MemoryContextStrdup(e->context, currency);
	item->units = MemoryContextAllocExtended(e->context, sizeof(int128) * e->n_targets,
											 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	return item->units;
}

/*
 * Adds a numeric to what is placed on a target, to 1e-12, or as far as 63 bits
 * reach.
 */
void
EngineAddPlaced(int128 *units, Datum amount)
{
	for (int scale = PLACED_SCALE; scale >= 0; scale -= 3)
	{
		Datum		cut = DirectFunctionCall2(numeric_trunc, amount, Int32GetDatum(scale));
		MoneyUnits	m;
		int128		value;

		if (!MoneyDecodeNumeric(cut, &m) || m.scale > PLACED_SCALE)
			continue;
		value = m.units;
		for (int i = m.scale; i < PLACED_SCALE; i++)
			value *= 10;
		*units += m.negative ? -value : value;
		return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("cost of a target is too large to be followed")));
}

/* What a bucket that is split in one step comes to on each target. */
static void
add_simple(Engine *e, const Bucket *b, int128 *units, uint64 *parts, uint64 *scratch)
{
	Key		   *key = EngineUseKey(e, b->node->legs[0]);
	MoneyUnits	m;
	Datum		list;
	Datum	   *amounts;
	int			n;

	if (key->integral && EngineUnits(b->cost, Max(2, b->scale), &m))
	{
		MoneyApportion(m.units, key->units, key->total_units, key->n, parts, scratch, check_interrupts);
		for (int t = 0; t < key->n; t++)
			if (parts[t] > 0)
				EngineAddPlaced(&units[key->targets[t]],
								MoneyNumeric(parts[t], m.negative, Max(2, b->scale)));
		return;
	}
	list = DirectFunctionCall3(finops_apportion, b->cost, PointerGetDatum(EngineWeights(key)),
							   Int32GetDatum(Max(2, b->scale)));
	deconstruct_array(DatumGetArrayTypeP(list), NUMERICOID, -1, false, TYPALIGN_INT, &amounts, NULL, &n);
	for (int t = 0; t < n; t++)
		EngineAddPlaced(&units[key->targets[t]], amounts[t]);
}

/*
 * All that is placed before the nodes that follow it; tagged cost and parts
 * were counted as they were put.
 */
static void
sum_placed(Engine *e, uint64 *parts, uint64 *scratch)
{
	MemoryContext work = AllocSetContextCreate(e->context, "finops placed", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old;
	int			n_traced;
	const TracedSum *traced = EntriesTracedSums(e, &n_traced);

	EngineFlushParts(e);
	for (int i = 0; i < e->n_buckets; i++)
	{
		const Bucket *b = &e->buckets[i];

		if (!b->simple)
			continue;
		old = MemoryContextSwitchTo(work);
		add_simple(e, b, EnginePlacedOn(e, &e->placed, b->node->currency), parts, scratch);
		MemoryContextSwitchTo(old);
		MemoryContextReset(work);
	}
	for (int i = 0; i < n_traced; i++)
		for (int t = 0; t < e->n_targets; t++)
			EnginePlacedOn(e, &e->placed, traced[i].currency)[t] += traced[i].units[t] * 1000;
	MemoryContextDelete(work);
}

/* The cost placed on tenants as a key, to 1e-6; below zero counts as zero. */
static Key *
placed_key(Engine *e, const PoolNode *node)
{
	const int128 *units = EnginePlacedOn(e, &e->placed, node->currency);
	Key		   *key = palloc0(sizeof(Key));
	int		   *targets = palloc_array(int, e->n_targets + 1);
	Datum	   *weights = palloc_array(Datum, e->n_targets + 1);

	key->name = "allocated_cost";
	for (int t = 0; t < e->n_targets; t++)
		if (e->target_kinds[t] == 't' && units[t] >= 1000000)
		{
			targets[key->n] = t;
			weights[key->n++] = MoneyNumeric((uint64) (units[t] / 1000000), false, 6);
		}
	if (key->n == 0)
	{
		targets[0] = node->last;
		weights[0] = MoneyNumeric(1, false, 0);
		key->n = 1;
	}
	EngineKeepKey(e, key, targets, weights);
	pfree(targets);
	pfree(weights);
	return key;
}

void
EngineSplitSinks(Engine *e, EngineWork *w)
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
				if (e->received[node->received[r]].units != 0)
				{
					Key		   *key = EngineUseKey(e, node->legs[0]);
					uint64		total;
					const uint64 *weights = whole_weights(key, &total);

					pass_by_weights(e, node, key, weights, total, node->received[r], w);
				}
	}
}

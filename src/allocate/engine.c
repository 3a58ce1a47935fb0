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
 *	2. the rest by shares, through the pools if there are any (pools.c), which
 *	   for many origins is the end of it (trace.c);
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

static void
check_interrupts(void)
{
	CHECK_FOR_INTERRUPTS();
}
/* ---------------------------------------------------------------------
 * Origins split in one step
 * ---------------------------------------------------------------------
 */

/* Buckets of one origin in several slices are added up part by part. */
bool
EngineIsAlone(const Engine *e, int i)
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
			!node->legs[0]->to_pools && EngineIsAlone(e, i);
	}
}

EntryOf
EngineEntryOf(const Bucket *b)
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

	lists[0] = DirectFunctionCall3(finops_apportion, b->cost, PointerGetDatum(weights),
								   Int32GetDatum(Max(2, b->scale)));
	lists[1] = DirectFunctionCall3(finops_apportion, NumericGetDatum(int64_to_numeric(1)),
								   PointerGetDatum(weights), Int32GetDatum(SHARE_SCALE));
	deconstruct_array(DatumGetArrayTypeP(lists[0]), NUMERICOID, -1, false, TYPALIGN_INT, &amounts, NULL, &n);
	deconstruct_array(DatumGetArrayTypeP(lists[1]), NUMERICOID, -1, false, TYPALIGN_INT, &shares, NULL, &n);
	for (int i = 0; i < n; i++)
		EntriesPut(e, key->targets[i], amounts[i], shares[i], b->node->metric,
				   key->weights[i], key->total, b->node->rung);
}

/* A numeric as units of the given scale; false when they take more bits. */
bool
EngineUnits(Datum value, int scale, MoneyUnits *m)
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
	EntryOf		of = EngineEntryOf(b);

	EntriesOrigin(e, &of);
	/* what no rule placed stays as it is */
	if (b->node->metric == NULL)
	{
		EntriesPut(e, key->targets[0], b->cost, NumericGetDatum(int64_to_numeric(1)), NULL, 0, 0, 0);
		return;
	}
	if (key->units == NULL || scale > MONEY_MAX_SCALE || !EngineUnits(b->cost, scale, &m))
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
		EntriesPut(e, key->targets[i], amount, share, b->node->metric,
				   key->weights[i], key->total, b->node->rung);
	}
}

/* ---------------------------------------------------------------------
 * Origins split in several steps
 * ---------------------------------------------------------------------
 */
Part *
EngineAddPart(Engine *e, int bucket, int target, int64 units)
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

void
EngineTooLarge(const Bucket *b)
{
	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("cost of \"%s\" is too large to be split in several steps",
					FinopsQuoteForMessage(b->origin))));
}

/* The cost in units of 1e-9, and what these leave of it. */
static int64
bucket_units(const Bucket *b, Datum *extra)
{
	Datum		whole = DirectFunctionCall2(numeric_trunc, b->cost, Int32GetDatum(ENGINE_SCALE));
	MoneyUnits	m;

	if (!EngineUnits(whole, ENGINE_SCALE, &m))
		EngineTooLarge(b);
	*extra = DirectFunctionCall2(numeric_sub, b->cost, whole);
	return m.negative ? -(int64) m.units : (int64) m.units;
}

/* Splits units of a bucket over shares. */
static void
split_by_shares(Engine *e, int bucket, int64 units, EngineWork *w)
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
		part = EngineAddPart(e, bucket, t, units < 0 ? -(int64) w->parts[t] : (int64) w->parts[t]);
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
 * The amounts of a key as units of 1e-9; their sum.  Those that add up to more
 * than any cost has are cut in proportion.
 */
static int64
read_amounts(const Key *key, uint64 *weights)
{
	int128		total = 0;
	int			shift = 0;

	for (int i = 0; i < key->n; i++)
	{
		MoneyUnits	m;
		Datum		fee = DirectFunctionCall2(numeric_trunc, key->weights[i], Int32GetDatum(ENGINE_SCALE));

		weights[i] = EngineUnits(fee, ENGINE_SCALE, &m) ? m.units : (uint64) MONEY_MAX_UNITS;
		total += weights[i];
	}
	while ((total >> shift) > MONEY_MAX_UNITS)
		shift++;
	total = 0;
	for (int i = 0; i < key->n; i++)
	{
		weights[i] >>= shift;
		total += weights[i];
	}
	return (int64) total;
}

/*
 * Fixed amounts: the cost of the rule's buckets and the amounts are laid end
 * to end, in byte order of origin and target; where they overlap, the target
 * pays from that bucket.  So both add up without rounding.  Amounts beyond
 * the cost are cut to it in proportion; credits take no part.
 */
static void
place_amounts(Engine *e, const PoolNode *node, int64 *left, EngineWork *w)
{
	Key		   *key = node->amount;
	int64		pool = 0;
	int64		wanted;
	int			b = -1;
	int64		available = 0;

	for (int i = 0; i < e->n_buckets; i++)
		if (same_rule(e->buckets[i].node, node) && left[i] > 0)
			pool += left[i];
	wanted = read_amounts(key, w->weights);
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
			part = EngineAddPart(e, b, key->targets[i] < 0 ? node->last : key->targets[i], paid);
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
		(void) EngineAddPart(e, bucket, e->buckets[bucket].node->last, 0);
	for (int i = first_part; i < e->n_parts; i++)
		if (Abs(e->parts[i].units) > Abs(e->parts[largest].units))
			largest = i;
	e->parts[largest].extra = extra;
}

static void
split_in_steps(Engine *e, EngineWork *w)
{
	int64	   *left = palloc0_array(int64, Max(e->n_buckets, 1));
	int64	   *whole = palloc0_array(int64, Max(e->n_buckets, 1));
	Datum	   *extras = palloc0_array(Datum, Max(e->n_buckets, 1));

	for (int i = 0; i < e->n_buckets; i++)
		if (!e->buckets[i].simple && !e->buckets[i].traced)
			left[i] = whole[i] = bucket_units(&e->buckets[i], &extras[i]);
	for (int i = 0; i < e->n_nodes; i++)
		if (e->nodes[i].amount != NULL &&
			(i == 0 || !same_rule(&e->nodes[i - 1], &e->nodes[i])))
			place_amounts(e, &e->nodes[i], left, w);
	for (int i = 0; i < e->n_buckets; i++)
	{
		PoolNode	   *node = e->buckets[i].node;
		int			first = e->n_parts;

		if (e->buckets[i].simple || e->buckets[i].traced)
			continue;
		if (left[i] != 0 && node->sink)
			(void) EngineAddPart(e, i, e->n_targets + (int) (node - e->nodes), left[i]);
		else if (left[i] != 0)
		{
			EngineShares(e, node, left[i] == whole[i] ? 1 :
						(FinopsReal) whole[i] / left[i], w->shares, w->n);
			split_by_shares(e, i, left[i], w);
		}
		keep_extra(e, i, first, extras[i]);
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
put_origin(Engine *e, int from, int to, EngineWork *w)
{
	const Bucket *b = &e->buckets[e->parts[from].bucket];
	EntryOf		of = EngineEntryOf(b);
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
	/* those of one slice are not all */
	if (!EngineIsAlone(e, e->parts[from].bucket))
		of.lines = (Datum) 0;
	EntriesOrigin(e, &of);
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
		EntriesPut(e, part->target, amount,
				   total > 0 ? MoneyNumeric(w->parts[n], false, SHARE_SCALE) : (Datum) 0,
				   part->metric, part->key == NULL ? (Datum) 0 : part->key->weights[part->at],
				   part->key == NULL ? (Datum) 0 : part->key->total, part->rung);
		n++;
		MemoryContextSwitchTo(old);
	}
}

static void
put_parts(Engine *e, EngineWork *w)
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
		EntryOf		of = {
			NULL, d->service, d->charge_category, "direct-tag", 1, d->currency,
			"direct", d->origin_period, (Datum) 0
		};

		EntriesOrigin(e, &of);
		for (int t = 0; t < d->n; t++)
		{
			MemoryContext old = MemoryContextSwitchTo(e->row);
			char	   *tenant = TextDatumGetCString(d->tenants[t]);
			char	   *origin = psprintf("%s|direct-tag|%s%s%.7s", d->name, escaped(tenant),
										  d->origin_period == NULL ? "" : "|",
										  d->origin_period == NULL ? "" : d->origin_period);

			MemoryContextSwitchTo(old);
			EntriesPutDirect(e, origin, tenant, d->heir, d->costs[t]);
		}
	}
}

void
AllocateMakeEntries(const char *from, int64 run_id, const AllocateTable *table,
					bool may_pack, AllocateResult *result)
{
	Engine		e = {0};
	EngineWork	w;
	Size		room;

	e.may_pack = may_pack;
	EngineLoad(&e, from, run_id);
	EntriesBegin(&e, table);
	EngineBuildPools(&e);
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
	EngineSplitTraced(&e, &w);
	split_in_steps(&e, &w);
	EngineSplitSinks(&e, &w);
	put_parts(&e, &w);
	result->entries = e.entries;
	result->rows = e.rows;
	result->packed = e.packed;
	result->findings = e.n_findings;
	if (e.n_findings > 0)
		appendStringInfoChar(&e.findings, ']');
	result->findings_json = e.n_findings > 0 ? e.findings.data : pstrdup("[]");
	result->digest = EntriesEnd(&e);
}

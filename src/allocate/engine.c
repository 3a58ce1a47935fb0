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
			node->legs[0]->n_pools == 0 && EngineIsAlone(e, i);
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

/* Values that integers cannot hold go through numeric. */
static void
split_general(Engine *e, const Bucket *b, const Key *key)
{
	ArrayType  *weights = EngineWeights(key);
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
				   EngineWeight(key, i), key->total, b->node->rung);
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
	Key		   *key = EngineUseKey(e, b->node->legs[0]);
	int			scale = Max(2, b->scale);
	MoneyUnits	m;
	EntryOf		of = EngineEntryOf(b);
	const uint64 *shares;

	EntriesOrigin(e, &of);
	/* what no rule placed stays as it is */
	if (b->node->metric == NULL)
	{
		EntriesPut(e, key->targets[0], b->cost, NumericGetDatum(int64_to_numeric(1)), NULL, 0, 0, 0);
		return;
	}
	if (!key->integral || scale > MONEY_MAX_SCALE || !EngineUnits(b->cost, scale, &m))
	{
		split_general(e, b, key);
		return;
	}
	if (m.units == 0)
		return;
	MoneyApportion(m.units, key->units, key->total_units, key->n, parts, scratch,
				   check_interrupts);
	shares = EngineKeyShares(e, key, check_interrupts);
	for (int i = 0; i < key->n; i++)
	{
		MemoryContext old;
		Datum		amount;
		Datum		share;
		Datum		weight;

		if (parts[i] == 0)
			continue;
		old = MemoryContextSwitchTo(e->row);
		amount = MoneyNumeric(parts[i], m.negative, scale);
		share = MoneyNumeric(shares[i], false, SHARE_SCALE);
		weight = EngineWeight(key, i);
		MemoryContextSwitchTo(old);
		EntriesPut(e, key->targets[i], amount, share, b->node->metric,
				   weight, key->total, b->node->rung);
	}
}

/* ---------------------------------------------------------------------
 * Origins split in several steps
 * ---------------------------------------------------------------------
 */
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

	if (key != NULL)
		key = key->n_pools > 0 ? NULL : EngineUseKey(e, key);
	MoneyApportion((uint64) (units < 0 ? -units : units), w->weights, total, w->n,
				   w->parts, w->scratch, check_interrupts);
	for (int t = 0; t < w->n; t++)
	{
		Part	   *part;

		if (w->parts[t] == 0)
			continue;
		part = EngineAddPart(e, bucket, t, units < 0 ? -(int64) w->parts[t] : (int64) w->parts[t]);
		if (key == NULL)
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
		Datum		fee = DirectFunctionCall2(numeric_trunc, EngineWeight(key, i),
												  Int32GetDatum(ENGINE_SCALE));

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
	Key		   *key = EngineUseKey(e, node->amount);
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
			part->measure = NULL;
			available -= paid;
			left[b] -= paid;
			due -= paid;
		}
	}
}

/*
 * What units of 1e-9 cannot hold goes to the largest of the bucket's parts:
 * those of targets, and from first_received those of nodes.
 */
static void
keep_extra(Engine *e, int bucket, int first_received, Datum extra)
{
	Part	   *largest;

	if (DatumGetBool(DirectFunctionCall2(numeric_eq, extra, NumericGetDatum(int64_to_numeric(0)))))
		return;
	if (e->n_parts == 0 && first_received == e->n_received)
		(void) EngineAddPart(e, bucket, e->buckets[bucket].node->last, 0);
	largest = e->n_parts > 0 ? &e->parts[0] : &e->received[first_received];
	for (int i = 1; i < e->n_parts; i++)
		if (Abs(e->parts[i].units) > Abs(largest->units))
			largest = &e->parts[i];
	for (int i = first_received; i < e->n_received; i++)
		if (Abs(e->received[i].units) > Abs(largest->units))
			largest = &e->received[i];
	largest->extra = extra;
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
	EngineFlushParts(e);
	for (int i = 0; i < e->n_buckets; i++)
	{
		PoolNode	   *node = e->buckets[i].node;
		int			first_received = e->n_received;

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
		keep_extra(e, i, first_received, extras[i]);
		EngineFlushParts(e);
	}
}

/* ---------------------------------------------------------------------
 * Entries
 * ---------------------------------------------------------------------
 */
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
put_direct(Engine *e, const DirectCost *d)
{
	EntryOf		of = {
		NULL, d->service, d->charge_category, "direct-tag", 1, d->currency,
		"direct", d->origin_period, (Datum) 0
	};
	int128	   *units = e->any_late ? EnginePlacedOn(e, &e->placed, d->currency) : NULL;

	EntriesOrigin(e, &of);
	for (int t = 0; t < d->n; t++)
	{
		MemoryContext old = MemoryContextSwitchTo(e->row);
		char	   *tenant = TextDatumGetCString(d->tenants[t]);
		char	   *origin = psprintf("%s|direct-tag|%s%s%.7s", d->name, escaped(tenant),
									  d->origin_period == NULL ? "" : "|",
									  d->origin_period == NULL ? "" : d->origin_period);

		if (units != NULL)
			EngineAddPlaced(&units[d->heir >= 0 ? d->heir : EngineTarget(e, psprintf("t:%s", tenant))],
							d->costs[t]);
		MemoryContextSwitchTo(old);
		EntriesPutDirect(e, origin, tenant, d->heir, d->costs[t]);
	}
}

/* From the inputs to the last entry; e says which inputs. */
void
EngineRun(Engine *e, const AllocateTable *table)
{
	EngineWork	w;
	Size		room;

	e->context = CurrentMemoryContext;
	EngineLoad(e);
	EntriesBegin(e, table);
	EngineBuildPools(e);
	EngineBeginParts(e);
	find_simple(e);
	w.n = e->n_targets + e->n_nodes;
	room = w.n + 1;
	for (int k = 0; k < e->n_keys; k++)
		room = Max(room, (Size) e->keys[k].n);
	w.shares = palloc_array(FinopsReal, w.n + 1);
	w.weights = palloc_array(uint64, room);
	w.parts = palloc_array(uint64, room);
	w.scratch = palloc_array(uint64, 2 * room);

	EngineReadDirect(e, put_direct);
	for (int i = 0; i < e->n_buckets; i++)
		if (e->buckets[i].simple)
			split_simple(e, &e->buckets[i], w.parts, w.scratch);
	EngineSplitTraced(e, &w);
	split_in_steps(e, &w);
	EngineSplitSinks(e, &w);
	EnginePutParts(e, &w);
	EngineEndKeys(e);
}

void
AllocateMakeEntries(const char *from, int64 run_id, const AllocateTable *table,
					bool may_pack, AllocateResult *result)
{
	Engine		e = {0};

	e.may_pack = may_pack;
	e.from = from;
	e.run_id = run_id;
	initStringInfo(&e.findings);
	EngineFindBelow(&e);
	EngineRun(&e, table);
	result->digest = EntriesEnd(&e);
	result->entries = e.entries;
	result->rows = e.rows;
	result->packed = e.packed;
	result->findings = e.n_findings;
	if (e.n_findings > 0)
		appendStringInfoChar(&e.findings, ']');
	result->findings_json = e.n_findings > 0 ? e.findings.data : pstrdup("[]");
}

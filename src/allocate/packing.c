/*-------------------------------------------------------------------------
 *
 * packing.c
 *	  The parts of origins that went through pools, as entries or packed.
 *
 * A system of 1,000 pools and 10,000 tenants comes to ten million entries,
 * whose row headers, names and index entries weigh twenty times what their
 * amounts do.  From finops.packed_entries on, an origin becomes one row of
 * stage finops_packed with the amounts of all targets in units of 1e-9; stage
 * finops_packed_target has the targets.  Their sums by provider, service,
 * charge category, category and currency become entries of the built-in rule
 * packed-pools, unless there are so many that they would save little.
 *
 * The digest of a run is of its entries in either form and is the same.
 *
 *-------------------------------------------------------------------------
 */
#include "allocate/engine.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

/* Sums are worth their while where they are a quarter of what they add up. */
#define ORIGINS_PER_SUM		4

/* What the packed entries of a group come to by target. */
typedef struct PackedSum
{
	char	   *origin;
	const Bucket *bucket;		/* one of the group */
	int			scale;
	int128	   *units;
} PackedSum;

typedef struct Packing
{
	bool		pack;
	Tuplestorestate *store;
	TupleDesc	desc;
	PackedSum  *sums;
	int			n_sums;
	TracedSum  *traced;
	int			n_traced;
	uint64	   *kept;			/* the parts with those that the operator keeps moved */
	MemoryContext row;
} Packing;

/* Provider, service, charge category and currency of an origin. */
static int
group_length(const char *origin)
{
	const char *at = origin;

	for (int bars = 0; *at != '\0'; at++)
		if (*at == '|' && ++bars == 4)
			break;
	return (int) (at - origin);
}

static const char *
category_of(const Bucket *b)
{
	return b->node->category == NULL ? b->charge_category : b->node->category;
}

static PackedSum *
sum_of(Packing *p, const Bucket *b)
{
	int			len = group_length(b->origin);

	for (int i = p->n_sums - 1; i >= 0; i--)
		if (strncmp(p->sums[i].origin, b->origin, len + 1) == 0 &&
			strcmp(category_of(p->sums[i].bucket), category_of(b)) == 0)
			return &p->sums[i];
	p->sums[p->n_sums] = (PackedSum) {
		psprintf("%.*s|" ALLOCATE_PACKED_RULE, len, b->origin), b, 2, NULL
	};
	return &p->sums[p->n_sums++];
}

static void
begin_stages(Engine *e, Packing *p)
{
	Tuplestorestate *store;
	TupleDesc	desc;
	Datum	   *names = palloc_array(Datum, e->n_targets);
	Datum		value;
	bool		isnull = false;

	store = FinopsStageEmpty("finops_packed_target", "SELECT NULL::text[] AS targets", &desc);
	for (int t = 0; t < e->n_targets; t++)
		names[t] = CStringGetTextDatum(e->target_kinds[t] == 't' ?
									   psprintf("t:%s", e->target_names[t]) : e->target_names[t]);
	value = PointerGetDatum(construct_array(names, e->n_targets, TEXTOID, -1, false, TYPALIGN_INT));
	tuplestore_putvalues(store, desc, &value, &isnull);
	p->store = FinopsStageEmpty("finops_packed",
								"SELECT NULL::text AS service, NULL::text AS category, NULL::text AS rule_id,"
								" NULL::integer AS rule_version, NULL::text AS origin, NULL::text AS currency,"
								" NULL::text AS key_metric, NULL::text AS stage, NULL::smallint AS rung,"
								" NULL::text[] AS source_line_ids, NULL::smallint AS amount_scale,"
								" NULL::bigint[] AS units", &p->desc);
}

/* Called once, before the first of these n origins is split. */
void
EntriesBeginTraced(Engine *e, const int *buckets, int n)
{
	Packing    *p = palloc0(sizeof(Packing));

	e->packing = p;
	p->sums = palloc_array(PackedSum, n);
	p->traced = palloc_array(TracedSum, n);
	p->row = AllocSetContextCreate(CurrentMemoryContext, "finops packed", ALLOCSET_DEFAULT_SIZES);
	p->kept = e->n_below == 0 ? NULL : palloc_array(uint64, e->n_targets);
	if (!e->may_pack || finops_packed_entries < 0 ||
		(int64) n * e->n_targets < finops_packed_entries)
		return;
	for (int i = 0; i < n; i++)
		(void) sum_of(p, &e->buckets[buckets[i]]);
	p->pack = finops_packed_entries == 0 || p->n_sums * ORIGINS_PER_SUM <= n;
	if (!p->pack)
		return;
	begin_stages(e, p);
	for (int i = 0; i < p->n_sums; i++)
		p->sums[i].units = palloc_extended(sizeof(int128) * e->n_targets,
										   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

static int128 *
traced_of(Packing *p, const Engine *e, const char *currency)
{
	for (int i = 0; i < p->n_traced; i++)
		if (strcmp(p->traced[i].currency, currency) == 0)
			return p->traced[i].units;
	p->traced[p->n_traced].currency = currency;
	p->traced[p->n_traced].units = palloc0(sizeof(int128) * e->n_targets);
	return p->traced[p->n_traced++].units;
}

/* The least scale above the given one that holds the units. */
static int
scale_of_units(uint64 *units, int least)
{
	int			scale = ENGINE_SCALE;

	for (; scale > least && *units % 10 == 0; scale--)
		*units /= 10;
	return scale;
}

/* What numeric_out makes of it; buffer has room for 32 bytes. */
static const char *
amount_text(uint64 units, bool negative, int least, char *buffer)
{
	char	   *at = buffer + 31;
	int			scale = scale_of_units(&units, least);

	*at = '\0';
	for (int digit = 0; units > 0 || digit <= scale; digit++)
	{
		if (digit == scale && scale > 0)
			*--at = '.';
		*--at = '0' + units % 10;
		units /= 10;
	}
	if (negative)
		*--at = '-';
	return at;
}

/* One packed row. */
static void
put_packed(Engine *e, const Bucket *b, const uint64 *parts, bool negative, int scale)
{
	Packing    *p = e->packing;
	MemoryContext old = MemoryContextSwitchTo(p->row);
	Datum	   *units = palloc_array(Datum, e->n_targets);
	Datum		values[12];
	bool		nulls[12] = {false};

	for (int t = 0; t < e->n_targets; t++)
		units[t] = Int64GetDatum(negative ? -(int64) parts[t] : (int64) parts[t]);
	values[0] = CStringGetTextDatum(b->service);
	values[1] = CStringGetTextDatum(category_of(b));
	values[2] = CStringGetTextDatum(b->node->rule_id);
	values[3] = Int32GetDatum(b->node->rule_version);
	values[4] = CStringGetTextDatum(b->origin);
	values[5] = CStringGetTextDatum(b->node->currency);
	values[6] = CStringGetTextDatum(b->node->metric);
	values[7] = CStringGetTextDatum(b->node->stage);
	values[8] = Int16GetDatum(b->node->rung);
	values[9] = b->lines;
	nulls[9] = b->lines == 0;
	values[10] = Int16GetDatum(scale);
	values[11] = PointerGetDatum(construct_array(units, e->n_targets, INT8OID, 8, true, TYPALIGN_DOUBLE));
	tuplestore_putvalues(p->store, p->desc, values, nulls);
	MemoryContextSwitchTo(old);
	MemoryContextReset(p->row);
	e->packed++;
}

static void
pack(Engine *e, const Bucket *b, const uint64 *parts, bool negative, int scale)
{
	PackedSum  *sum = sum_of(e->packing, b);
	char		buffer[32];

	put_packed(e, b, parts, negative, scale);
	sum->scale = Max(sum->scale, scale);
	for (int t = 0; t < e->n_targets; t++)
		if (parts[t] != 0)
		{
			sum->units[t] += negative ? -(int128) parts[t] : (int128) parts[t];
			EntriesCountPacked(e, t, amount_text(parts[t], negative, scale, buffer));
		}
}

/* The parts of an origin, one for each target, as far as they are not zero. */
static void
put_entries(Engine *e, const Bucket *b, const uint64 *parts, bool negative, int scale,
			EngineWork *w)
{
	uint64		total = 0;

	for (int t = 0; t < e->n_targets; t++)
		total += parts[t];
	MoneyApportion(UINT64_C(1000000000000000000), parts, total, e->n_targets, w->weights,
				   w->scratch, NULL);
	for (int t = 0; t < e->n_targets; t++)
	{
		uint64		units = parts[t];
		int			at = scale_of_units(&units, scale);
		MemoryContext old;
		Datum		amount;
		Datum		share;

		if (units == 0)
			continue;
		old = MemoryContextSwitchTo(e->row);
		amount = MoneyNumeric(units, negative, at);
		share = MoneyNumeric(w->weights[t], false, SHARE_SCALE);
		MemoryContextSwitchTo(old);
		EntriesPut(e, t, amount, share, b->node->metric, (Datum) 0, (Datum) 0, b->node->rung);
	}
}

/* The parts as they are, or with those of tenants below the minimum charge given to the operator. */
static const uint64 *
without_small(Engine *e, const char *currency, const uint64 *parts)
{
	const bool *below = EngineBelow(e, currency);
	uint64	   *kept = e->packing->kept;
	int			operator_target;

	if (below == NULL)
		return parts;
	operator_target = EngineTarget(e, "o");
	memcpy(kept, parts, sizeof(uint64) * e->n_targets);
	for (int t = 0; t < e->n_targets; t++)
		if (below[t])
		{
			kept[operator_target] += kept[t];
			kept[t] = 0;
		}
	return kept;
}

void
EntriesTraced(Engine *e, const Bucket *b, const uint64 *parts, bool negative, EngineWork *w)
{
	int128	   *traced = traced_of(e->packing, e, b->node->currency);
	int			scale = Max(2, b->scale);
	EntryOf		of = EngineEntryOf(b);

	for (int t = 0; t < e->n_targets; t++)
		traced[t] += negative ? -(int128) parts[t] : (int128) parts[t];
	if (e->only_sums)
	{
		int128	   *shared = EnginePlacedOn(e, &e->shared, b->node->currency);

		for (int t = 0; t < e->n_targets; t++)
			if (e->target_kinds[t] == 't')
				shared[t] += (negative ? -(int128) parts[t] : (int128) parts[t]) * 1000;
		return;
	}
	parts = without_small(e, b->node->currency, parts);
	EntriesOrigin(e, &of);
	if (e->packing->pack)
		pack(e, b, parts, negative, scale);
	else
		put_entries(e, b, parts, negative, scale, w);
}

/* A sum may take more digits than an amount. */
static Datum
sum_numeric(int128 units, int least)
{
	bool		negative = units < 0;
	int128		rest = negative ? -units : units;
	int			scale = ENGINE_SCALE;
	Datum		amount;

	for (; scale > least && rest % 10 == 0; scale--)
		rest /= 10;
	if (rest <= MONEY_MAX_UNITS)
		return MoneyNumeric((uint64) rest, negative, scale);
	amount = DirectFunctionCall2(numeric_mul,
								 MoneyNumeric((uint64) (rest / MONEY_MAX_UNITS), negative, 0),
								 MoneyNumeric((uint64) MONEY_MAX_UNITS, false, scale));
	return DirectFunctionCall2(numeric_add, amount,
							   MoneyNumeric((uint64) (rest % MONEY_MAX_UNITS), negative, scale));
}

/* The sums of what was packed. */
void
EntriesEndTraced(Engine *e)
{
	Packing    *p = e->packing;

	MemoryContextDelete(p->row);
	if (!p->pack)
		return;
	for (int i = 0; i < p->n_sums; i++)
	{
		EntryOf		of = EngineEntryOf(p->sums[i].bucket);

		of.origin = p->sums[i].origin;
		of.rule_id = ALLOCATE_PACKED_RULE;
		of.rule_version = 1;
		of.stage = "pool";
		of.lines = (Datum) 0;
		EntriesOrigin(e, &of);
		for (int t = 0; t < e->n_targets; t++)
			if (p->sums[i].units[t] != 0)
			{
				MemoryContext old = MemoryContextSwitchTo(e->row);
				Datum		amount = sum_numeric(p->sums[i].units[t], p->sums[i].scale);

				MemoryContextSwitchTo(old);
				EntriesPutSum(e, t, amount);
			}
	}
}

/* What traced origins came to on each target, by currency. */
const TracedSum *
EntriesTracedSums(const Engine *e, int *n)
{
	*n = e->packing == NULL ? 0 : e->packing->n_traced;
	return e->packing == NULL ? NULL : e->packing->traced;
}

/*-------------------------------------------------------------------------
 *
 * parts.c
 *	  Parts of origins that are split in several steps, and their entries.
 *
 * An origin may come in many slices of time, and a part may reach a target
 * by many ways; the entries are one for each origin and target, in that
 * order.  Parts of one origin that are made one after the other are added up
 * at once; what is left of them is sorted within work_mem.  Parts of nodes
 * that are split later are kept until then: there are few of them, for each
 * bucket at most one of each such node.
 *
 *-------------------------------------------------------------------------
 */
#include "allocate/engine.h"

#include "access/tupdesc.h"
#include "catalog/pg_operator.h"
#include "executor/tuptable.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/tuplesort.h"

/* What is sorted; the columns up to the bucket are what it is sorted by. */
enum
{
	PART_ORIGIN,				/* first bucket of the origin */
	PART_TARGET,
	PART_HAS_EXTRA,
	PART_SIZE,					/* minus what the largest part has */
	PART_BUCKET,
	PART_SORTED,
	PART_UNITS = PART_SORTED,
	PART_EXTRA,
	PART_KEY,
	PART_AT,
	PART_MEASURE,
	PART_RUNG,
	PART_SCALE,
	PART_COLUMNS
};

/* The parts of a target, added up; first is the one that says what they are. */
typedef struct PartSum
{
	Part		first;
	int64		units;
	Datum		extra;
	int			scale;			/* most digits of a bucket */
	int			count;			/* 0: none */
} PartSum;

typedef struct PartSort
{
	int		   *origin_of;		/* first bucket of the origin of a bucket */
	int			origin;			/* at hand; -1: none */
	PartSum    *sums;			/* by target */
	int		   *touched;		/* targets that have one */
	int			n_touched;
	Tuplesortstate *sort;
	TupleTableSlot *given;
	TupleTableSlot *slot;		/* given back */
	MemoryContext extras;		/* of the origin at hand */
} PartSort;

/* Largest first; whole ones before those that 1e-9 cannot hold. */
static bool
comes_before(const Part *x, const Part *y)
{
	if ((x->extra != 0) != (y->extra != 0))
		return x->extra == 0;
	if (Abs(x->units) != Abs(y->units))
		return Abs(x->units) > Abs(y->units);
	return x->bucket < y->bucket;
}

void
EngineBeginParts(Engine *e)
{
	PartSort   *s = palloc0(sizeof(PartSort));
	static const Oid types[PART_COLUMNS] = {
		INT4OID, INT4OID, INT4OID, INT8OID, INT4OID, INT8OID, NUMERICOID,
		INT8OID, INT4OID, INT4OID, INT4OID, INT4OID
	};
	AttrNumber	columns[PART_SORTED];
	Oid			operators[PART_SORTED];
	Oid			collations[PART_SORTED] = {InvalidOid};
	bool		nulls_first[PART_SORTED] = {false};
	TupleDesc	desc = CreateTemplateTupleDesc(PART_COLUMNS);

	e->sort = s;
	s->origin = -1;
	s->origin_of = palloc_array(int, Max(e->n_buckets, 1));
	for (int i = 0; i < e->n_buckets; i++)
		s->origin_of[i] = i > 0 && strcmp(e->buckets[i - 1].origin, e->buckets[i].origin) == 0 ?
			s->origin_of[i - 1] : i;
	s->sums = palloc0_array(PartSum, e->n_targets);
	s->touched = palloc_array(int, e->n_targets);
	s->extras = AllocSetContextCreate(e->context, "finops parts", ALLOCSET_SMALL_SIZES);
	for (int i = 0; i < PART_COLUMNS; i++)
		TupleDescInitEntry(desc, i + 1, NULL, types[i], -1, 0);
	for (int i = 0; i < PART_SORTED; i++)
	{
		columns[i] = i + 1;
		operators[i] = types[i] == INT8OID ? Int8LessOperator : Int4LessOperator;
	}
	s->given = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
	s->slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	s->sort = tuplesort_begin_heap(desc, PART_SORTED, columns, operators, collations,
								   nulls_first, work_mem, NULL, TUPLESORT_NONE);
}

/* A part of a target or, beyond these, of a node that is split later. */
Part *
EngineAddPart(Engine *e, int bucket, int target, int64 units)
{
	bool		later = target >= e->n_targets;
	Part	  **parts = later ? &e->received : &e->parts;
	int		   *n = later ? &e->n_received : &e->n_parts;
	int		   *max = later ? &e->max_received : &e->max_parts;
	Part	   *part;

	if (*n == *max)
	{
		*max = Max(1024, *max * 2);
		*parts = *parts == NULL ? palloc_array(Part, *max) :
			repalloc_huge(*parts, mul_size(*max, sizeof(Part)));
	}
	part = &(*parts)[(*n)++];
	*part = (Part) {bucket, target, units, 0, NULL, 0, e->buckets[bucket].node,
	e->buckets[bucket].node->rung};
	if (later)
	{
		PoolNode   *sink = &e->nodes[target - e->n_targets];

		if (sink->n_received == sink->max_received)
		{
			sink->max_received = Max(64, sink->max_received * 2);
			sink->received = sink->received == NULL ? palloc_array(int, sink->max_received) :
				repalloc_huge(sink->received, mul_size(sink->max_received, sizeof(int)));
		}
		sink->received[sink->n_received++] = e->n_received - 1;
	}
	return part;
}

/* Hands what there is of the origin at hand to the sort. */
static void
end_origin(PartSort *s)
{
	for (int i = 0; i < s->n_touched; i++)
	{
		PartSum    *sum = &s->sums[s->touched[i]];
		const Part *first = &sum->first;
		TupleTableSlot *slot = ExecClearTuple(s->given);
		Datum	   *values = slot->tts_values;

		values[PART_ORIGIN] = Int32GetDatum(s->origin);
		values[PART_TARGET] = Int32GetDatum(first->target);
		values[PART_HAS_EXTRA] = Int32GetDatum(first->extra != 0);
		values[PART_SIZE] = Int64GetDatum(-Abs(first->units));
		values[PART_BUCKET] = Int32GetDatum(first->bucket);
		values[PART_UNITS] = Int64GetDatum(sum->units);
		values[PART_EXTRA] = sum->extra;
		memset(slot->tts_isnull, false, sizeof(bool) * PART_COLUMNS);
		slot->tts_isnull[PART_EXTRA] = sum->extra == 0;
		/* a key and a node stay where they are */
		values[PART_KEY] = Int64GetDatum((int64) (intptr_t) first->key);
		values[PART_AT] = Int32GetDatum(first->at);
		values[PART_MEASURE] = Int32GetDatum(first->measure == NULL ? -1 : first->measure->index);
		values[PART_RUNG] = Int32GetDatum(first->rung);
		values[PART_SCALE] = Int32GetDatum(sum->scale);
		tuplesort_puttupleslot(s->sort, ExecStoreVirtualTuple(slot));
		sum->count = 0;
	}
	s->n_touched = 0;
	MemoryContextReset(s->extras);
}

static void
add_extra(PartSort *s, PartSum *sum, Datum extra)
{
	MemoryContext old = MemoryContextSwitchTo(s->extras);

	sum->extra = sum->extra == 0 ? extra : DirectFunctionCall2(numeric_add, sum->extra, extra);
	MemoryContextSwitchTo(old);
}

/* Adds up the parts of targets that were just made. */
void
EngineFlushParts(Engine *e)
{
	PartSort   *s = e->sort;

	for (int i = 0; i < e->n_parts; i++)
	{
		const Part *part = &e->parts[i];
		PartSum    *sum = &s->sums[part->target];

		if (part->units == 0 && part->extra == 0)
			continue;
		if (e->any_late)
			EnginePlacedOn(e, &e->placed, e->buckets[part->bucket].node->currency)[part->target] +=
				(int128) part->units * 1000;
		if (s->origin_of[part->bucket] != s->origin)
		{
			end_origin(s);
			s->origin = s->origin_of[part->bucket];
		}
		if (sum->count++ == 0)
		{
			s->touched[s->n_touched++] = part->target;
			sum->units = 0;
			sum->extra = 0;
			sum->scale = 0;
		}
		if (sum->count == 1 || comes_before(part, &sum->first))
			sum->first = *part;
		sum->units += part->units;
		sum->scale = Max(sum->scale, Min(e->buckets[part->bucket].scale, ENGINE_SCALE));
		if (part->extra != 0)
			add_extra(s, sum, part->extra);
	}
	e->n_parts = 0;
}

/* The amount of a sum, with no more digits than needed. */
static Datum
amount_of(const PartSum *sum, int scale)
{
	Datum		amount;
	int			at = ENGINE_SCALE;
	int64		value = sum->units;

	for (; at > scale && value % 10 == 0; at--)
		value /= 10;
	amount = MoneyNumeric((uint64) Abs(value), value < 0, at);
	return sum->extra == 0 ? amount : DirectFunctionCall2(numeric_add, amount, sum->extra);
}

/* Entries of the origin at hand, whose targets come in their order. */
static void
put_origin(Engine *e, EngineWork *w)
{
	PartSort   *s = e->sort;
	const Bucket *b = &e->buckets[s->origin];
	EntryOf		of = EngineEntryOf(b);
	uint64		total = 0;
	int			scale = 2;

	for (int i = 0; i < s->n_touched; i++)
	{
		const PartSum *sum = &s->sums[s->touched[i]];

		scale = Max(scale, sum->scale);
		w->weights[i] = (uint64) Abs(sum->units);
		total += w->weights[i];
	}
	if (total > 0)
		MoneyApportion(UINT64_C(1000000000000000000), w->weights, total, s->n_touched,
					   w->parts, w->scratch, NULL);
	/* those of one slice are not all */
	if (!EngineIsAlone(e, s->origin))
		of.lines = (Datum) 0;
	EntriesOrigin(e, &of);
	for (int i = 0; i < s->n_touched; i++)
	{
		PartSum    *sum = &s->sums[s->touched[i]];
		const Part *part = &sum->first;
		Key		   *key = part->key == NULL ? NULL : EngineUseKey(e, part->key);
		MemoryContext old = MemoryContextSwitchTo(e->row);
		Datum		amount = amount_of(sum, scale);
		Datum		share = total > 0 ? MoneyNumeric(w->parts[i], false, SHARE_SCALE) : (Datum) 0;
		Datum		weight = key == NULL ? (Datum) 0 : EngineWeight(key, part->at);

		MemoryContextSwitchTo(old);
		EntriesPut(e, part->target, amount, share,
				   part->measure == NULL ? "amount" : part->measure->metric,
				   weight, key == NULL ? (Datum) 0 : key->total, part->rung);
		sum->count = 0;
	}
	s->n_touched = 0;
	MemoryContextReset(s->extras);
}

/* Takes up what the sort gives back. */
static void
take_sorted(Engine *e, TupleTableSlot *slot)
{
	PartSort   *s = e->sort;
	PartSum    *sum;
	Part		part;
	int			measure;
	Datum	   *values;

	slot_getallattrs(slot);
	values = slot->tts_values;
	measure = DatumGetInt32(values[PART_MEASURE]);
	part = (Part) {
		DatumGetInt32(values[PART_BUCKET]), DatumGetInt32(values[PART_TARGET]),
			-DatumGetInt64(values[PART_SIZE]), slot->tts_isnull[PART_EXTRA] ? (Datum) 0 : values[PART_EXTRA],
			(Key *) (intptr_t) DatumGetInt64(values[PART_KEY]), DatumGetInt32(values[PART_AT]),
			measure < 0 ? NULL : &e->nodes[measure], DatumGetInt32(values[PART_RUNG])
	};
	sum = &s->sums[part.target];
	if (sum->count++ == 0)
	{
		s->touched[s->n_touched++] = part.target;
		sum->first = part;
		sum->units = 0;
		sum->extra = 0;
		sum->scale = 0;
	}
	sum->units += DatumGetInt64(values[PART_UNITS]);
	sum->scale = Max(sum->scale, DatumGetInt32(values[PART_SCALE]));
	if (part.extra != 0)
	{
		MemoryContext old = MemoryContextSwitchTo(s->extras);
		Datum		extra = NumericGetDatum(DatumGetNumericCopy(part.extra));

		MemoryContextSwitchTo(old);
		add_extra(s, sum, extra);
	}
}

/* All entries of parts, in the order of origins and targets. */
void
EnginePutParts(Engine *e, EngineWork *w)
{
	PartSort   *s = e->sort;

	EngineFlushParts(e);
	end_origin(s);
	s->origin = -1;
	tuplesort_performsort(s->sort);
	while (tuplesort_gettupleslot(s->sort, true, false, s->slot, NULL))
	{
		bool		isnull;
		int			origin = DatumGetInt32(slot_getattr(s->slot, PART_ORIGIN + 1, &isnull));

		if (origin != s->origin && s->origin >= 0)
			put_origin(e, w);
		s->origin = origin;
		take_sorted(e, s->slot);
	}
	if (s->origin >= 0)
		put_origin(e, w);
	ExecDropSingleTupleTableSlot(s->given);
	ExecDropSingleTupleTableSlot(s->slot);
	tuplesort_end(s->sort);
}

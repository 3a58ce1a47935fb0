/*-------------------------------------------------------------------------
 *
 * fact_match.c
 *	  The lines of a delivery and of the one that it restates.
 *
 * Most lines of a restated bill are those of the bill before, and their rows
 * are the same bytes but for the columns that stand first: row_id,
 * delivery_id and ingested_at.  So the rows of the old delivery are read once,
 * without taking their columns apart, and remembered by a hash of 128 bits
 * under a random key (hash.h); a new line whose row is among them is not
 * changed, and both are done with.  Only what is left over on either side is
 * compared by key and content (difference.c): that knows equal numbers that are
 * written differently, rows that somebody has updated, and columns that derive
 * from others.
 *
 * A line that the bill says again mostly follows the one that it followed
 * before: the row behind the last one met is looked at first, as the same line
 * or as one with the same key, and a table of all rows is only made when that
 * fails.
 *
 * Of a large month so many rows are remembered at a time.  The next ones are
 * read when the new lines have come to the last of them or have been so many
 * themselves; that serves bills that keep their order, others are compared
 * line by line.
 *
 * The places of the old rows are remembered too, so that they can be deleted
 * without looking for them again.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/facts.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "bill/hash.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

#define MAX_ROWS		(384 * 1024)	/* of 32 bytes */
#define FIRST_ROWS		1024
#define FIRST_RUNS		1024

/* What stands first in a row, and differs between deliveries. */
static const struct
{
	const char *name;
	Oid			type;
}			own_columns[] = {
	{"row_id", INT8OID}, {"delivery_id", INT8OID}, {"ingested_at", TIMESTAMPTZOID},
};

#define OWN_BYTES	(lengthof(own_columns) * sizeof(int64))

/* A row of the old delivery. */
typedef struct Row
{
	BillHash	hash;
	ItemPointerData tid;
	bool		met;			/* by a new line */
	uint32		next;			/* one with the same hash, from 1; 0: none */
} Row;

/* Rows of the old delivery that follow each other on a page. */
typedef struct Run
{
	BlockNumber block;
	OffsetNumber first;
	OffsetNumber last;
} Run;

struct FactMatch
{
	MemoryContext context;
	MemoryContext line;			/* of one row that is taken apart */
	Relation	rel;
	Snapshot	snapshot;
	TableScanDesc scan;			/* NULL: all old rows have been read */
	TupleTableSlot *slot;
	int64		delivery_id;
	AttrNumber	delivery;
	FactStored	columns;
	int			last;			/* attribute needed of those */
	FactStored	few;			/* of a line that is known by its id */
	int			last_few;
	AttrNumber	id;
	AttrNumber	span;
	int			id_value;		/* their places in the values */
	int			span_value;
	bool		comparable;		/* own columns stand first */
	FactDifference *difference;

	BillHash	key;			/* random */
	Row		   *rows;
	uint32		maxrows;
	uint32		nrows;
	uint32		met;			/* of these */
	uint32		at;				/* behind the last one met */
	bool		in_step;		/* the last new line was where it was before */
	uint32		held;			/* row that the difference holds, from 1 */
	uint32		lines;			/* new lines since these were read */
	uint32	   *places;			/* first row of each hash, from 1; 0: none */
	uint32		nplaces;		/* a power of two */
	bool		has_places;		/* of these rows */
	bool		gone;			/* a row could not be read again */
	Run		   *runs;
	int64		nruns;
	int64		maxruns;
	FactValue	values[BILL_MAX_COLUMNS];
};

/* ---------------------------------------------------------------------
 * Rows as bytes
 * ---------------------------------------------------------------------
 */

static bool
own_columns_first(TupleDesc desc)
{
	for (int i = 0; i < (int) lengthof(own_columns); i++)
	{
		Form_pg_attribute att;

		if (i >= desc->natts)
			return false;
		att = TupleDescAttr(desc, i);
		if (att->attisdropped || att->atttypid != own_columns[i].type ||
			strcmp(NameStr(att->attname), own_columns[i].name) != 0)
			return false;
	}
	return true;
}

/*
 * The row without its own columns.  A row that was written with all of its
 * attributes has more of a null bitmap than one that ends with its last value:
 * what says no more than that is left out.
 */
static bool
hash_row(const FactMatch *match, FactTuple tuple, BillHash *hash)
{
	HeapTupleHeader header = tuple.header;
	size_t		nulls = BITMAPLEN(HeapTupleHeaderGetNatts(header));
	size_t		start = header->t_hoff + OWN_BYTES;

	if (!match->comparable || !(header->t_infomask & HEAP_HASNULL) || tuple.len < start)
		return false;
	while (nulls > 0 && header->t_bits[nulls - 1] == 0)
		nulls--;
	*hash = BillHashStart(&match->key, 0);
	BillHashMore(hash, &match->key, (const char *) header->t_bits, nulls);
	BillHashMore(hash, &match->key, (const char *) header + start, tuple.len - start);
	return true;
}

static bool
same(const BillHash *a, const BillHash *b)
{
	return a->lane[0] == b->lane[0] && a->lane[1] == b->lane[1];
}

/* ---------------------------------------------------------------------
 * The old delivery
 * ---------------------------------------------------------------------
 */

static void
note_place(FactMatch *match, ItemPointer tid)
{
	BlockNumber block = ItemPointerGetBlockNumber(tid);
	OffsetNumber offset = ItemPointerGetOffsetNumber(tid);
	Run		   *run = match->nruns > 0 ? &match->runs[match->nruns - 1] : NULL;

	if (run != NULL && run->block == block && run->last + 1 == offset)
	{
		run->last = offset;
		return;
	}
	if (match->nruns == match->maxruns)
	{
		match->maxruns *= 2;
		match->runs = repalloc_huge(match->runs, sizeof(Run) * (Size) match->maxruns);
	}
	match->runs[match->nruns++] = (Run) {block, offset, offset};
}

/* The values of the row in the slot, until match->line is reset. */
static void
read_values(FactMatch *match)
{
	MemoryContext old = MemoryContextSwitchTo(match->line);
	bool		no_id;

	(void) slot_getattr(match->slot, match->id, &no_id);
	slot_getsomeattrs(match->slot, no_id ? match->last : match->last_few);
	FactReadStored(no_id ? &match->columns : &match->few, match->slot->tts_values,
				   match->slot->tts_isnull, match->values);
	MemoryContextSwitchTo(old);
}

/* The row in the slot is an old one that no new line has met. */
static void
compare_row(FactMatch *match)
{
	read_values(match);
	FactDifferenceAdd(match->difference, match->values, -1);
	MemoryContextReset(match->line);
}

static void
end_scan(FactMatch *match)
{
	if (match->scan != NULL)
		table_endscan(match->scan);
	match->scan = NULL;
}

/* Room for one more row; false: there is none. */
static bool
make_room(FactMatch *match)
{
	if (match->nrows < match->maxrows)
		return true;
	if (match->maxrows == MAX_ROWS)
		return false;
	match->maxrows = Min(match->maxrows * 2, MAX_ROWS);
	match->rows = repalloc_huge(match->rows, sizeof(Row) * match->maxrows);
	return true;
}

/* One row of the partition; false: there are no more. */
static bool
read_row(FactMatch *match, bool remember)
{
	TupleTableSlot *slot = match->slot;
	HeapTuple	tuple;
	Row			row = {.met = false};
	bool		isnull;

	if (!table_scan_getnextslot(match->scan, ForwardScanDirection, slot))
	{
		end_scan(match);
		return false;
	}
	if (DatumGetInt64(slot_getattr(slot, match->delivery, &isnull)) != match->delivery_id || isnull)
		return true;
	note_place(match, &slot->tts_tid);
	tuple = ExecFetchSlotHeapTuple(slot, false, NULL);
	if (!remember || !hash_row(match, (FactTuple) {tuple->t_data, tuple->t_len}, &row.hash))
	{
		compare_row(match);
		return true;
	}
	row.tid = slot->tts_tid;
	match->rows[match->nrows++] = row;
	return true;
}

/* Rows that no new line has met.  False: one of them is gone. */
static bool
give_up_rows(FactMatch *match)
{
	for (uint32 i = 0; i < match->nrows && match->met < match->nrows; i++)
	{
		Row		   *row = &match->rows[i];

		if (row->met)
			continue;
		CHECK_FOR_INTERRUPTS();
		if (!table_tuple_fetch_row_version(match->rel, &row->tid, match->snapshot, match->slot))
			return false;
		compare_row(match);
		ExecClearTuple(match->slot);
		match->met++;
	}
	match->nrows = 0;
	match->met = 0;
	match->at = 0;
	match->held = 0;
	match->lines = 0;
	match->has_places = false;
	return true;
}

/* As many old rows as there is room for. */
static void
read_rows(FactMatch *match)
{
	MemoryContext old = MemoryContextSwitchTo(match->context);

	for (uint64 i = 1; match->scan != NULL && make_room(match); i++)
	{
		if (i % 64 == 0)
			CHECK_FOR_INTERRUPTS();
		(void) read_row(match, true);
	}
	MemoryContextSwitchTo(old);
}

static void
begin_scan(FactMatch *match)
{
	/* its pages are needed again soon, to delete the rows */
	bool		pass_by = RelationGetNumberOfBlocks(match->rel) > (BlockNumber) NBuffers / 2;

	match->snapshot = RegisterSnapshot(FactPushSnapshot());
	PopActiveSnapshot();
	match->scan = table_beginscan_strat(match->rel, match->snapshot, 0, NULL, pass_by, false);
}

static void
find_columns(FactMatch *match)
{
	TupleDesc	desc = RelationGetDescr(match->rel);

	FactStoredOf(&match->columns, desc);
	match->few = match->columns;
	for (int i = 0; i < match->columns.n; i++)
	{
		match->last = Max(match->last, match->columns.attribute[i]);
		if (FactDifferenceReads(match->difference, i))
			match->last_few = Max(match->last_few, match->columns.attribute[i]);
		else
			match->few.attribute[i] = 0;
	}
	match->delivery = get_attnum(RelationGetRelid(match->rel), "delivery_id");
	match->id_value = FactColumn("identity_line_item_id");
	match->span_value = FactColumn("identity_time_interval");
	match->id = (AttrNumber) match->columns.attribute[match->id_value];
	match->span = (AttrNumber) match->columns.attribute[match->span_value];
	match->comparable = own_columns_first(desc);
}

FactMatch *
FactMatchOpen(MemoryContext parent, Oid partition, int64 delivery_id, int64 lines)
{
	MemoryContext context = AllocSetContextCreate(parent, "finops match",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	FactMatch  *match = palloc0(sizeof(FactMatch));

	match->context = context;
	match->line = AllocSetContextCreate(context, "finops match line", ALLOCSET_DEFAULT_SIZES);
	match->difference = FactDifferenceNew(context, true);
	match->rel = table_open(partition, RowExclusiveLock);
	match->slot = table_slot_create(match->rel, NULL);
	match->delivery_id = delivery_id;
	find_columns(match);
	if (!pg_strong_random(&match->key, sizeof(match->key)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
	match->in_step = true;
	match->maxruns = FIRST_RUNS;
	match->runs = palloc(sizeof(Run) * FIRST_RUNS);
	match->maxrows = (uint32) Min(Max(lines, FIRST_ROWS), MAX_ROWS);
	match->rows = palloc(sizeof(Row) * match->maxrows);
	begin_scan(match);
	read_rows(match);
	MemoryContextSwitchTo(old);
	return match;
}

/* ---------------------------------------------------------------------
 * The new delivery
 * ---------------------------------------------------------------------
 */

/* The place of a hash in the table; what it holds is 0 or the row of a hash. */
static uint32 *
place_of(const FactMatch *match, const BillHash *hash)
{
	uint32		at = (uint32) hash->lane[0] & (match->nplaces - 1);

	while (match->places[at] != 0 && !same(&match->rows[match->places[at] - 1].hash, hash))
		at = (at + 1) & (match->nplaces - 1);
	return &match->places[at];
}

static void
make_places(FactMatch *match)
{
	uint32		nplaces = FIRST_ROWS;

	while (nplaces / 2 < match->nrows)
		nplaces *= 2;
	if (match->places != NULL)
		pfree(match->places);
	match->places = MemoryContextAllocExtended(match->context, sizeof(uint32) * nplaces,
											   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	match->nplaces = nplaces;
	/* from behind, so that of equal rows the first one is met first */
	for (uint32 i = match->nrows; i > 0; i--)
	{
		Row		   *row = &match->rows[i - 1];
		uint32	   *place;

		if (row->met)
			continue;
		place = place_of(match, &row->hash);
		row->next = *place;
		*place = i;
	}
	match->has_places = true;
}

/* The row behind the last one met, from 1; 0: there is none. */
static uint32
expected_row(FactMatch *match)
{
	while (match->at < match->nrows && match->rows[match->at].met)
		match->at++;
	return match->at < match->nrows ? match->at + 1 : 0;
}

/* Any other row that no line has met yet, from 1; 0: there is none. */
static uint32
find_row(FactMatch *match, const BillHash *hash)
{
	uint32	   *place;

	if (match->met == match->nrows)
		return 0;
	if (!match->has_places)
		make_places(match);
	place = place_of(match, hash);
	if (*place == 0)
		return 0;
	/* the last one of a hash stays, for others are found behind it */
	while (match->rows[*place - 1].met && match->rows[*place - 1].next != 0)
		*place = match->rows[*place - 1].next;
	return match->rows[*place - 1].met ? 0 : *place;
}

/*
 * The row has the key of the line: then it is what the line was before, and
 * both are counted at once.  A later line may be the same as the row; then the
 * key has several lines, and is looked at again.
 */
static bool
is_changed_row(FactMatch *match, uint32 row, const FactValue *values)
{
	if (match->held != row)
	{
		if (!table_tuple_fetch_row_version(match->rel, &match->rows[row - 1].tid,
										   match->snapshot, match->slot))
			return false;
		read_values(match);
		FactDifferenceHold(match->difference, match->values);
		MemoryContextReset(match->line);
		ExecClearTuple(match->slot);
		match->held = row;
	}
	return FactDifferenceAddPair(match->difference, values);
}

/* The old row of a line, from 1; 0: there is none, and the line is counted. */
static uint32
row_of(FactMatch *match, FactTuple tuple, const FactValue *values)
{
	BillHash	hash;
	uint32		row = expected_row(match);
	bool		comparable = hash_row(match, tuple, &hash);

	if (row > 0 && ((comparable && same(&match->rows[row - 1].hash, &hash)) ||
					(match->in_step && is_changed_row(match, row, values))))
	{
		match->in_step = true;
		return row;
	}
	row = comparable ? find_row(match, &hash) : 0;
	if (row > 0)
		match->in_step = false;
	else
		FactDifferenceAdd(match->difference, values, 1);
	return row;
}

void
FactMatchAdd(FactMatch *match, FactTuple tuple, const FactValue *values)
{
	uint32		row = row_of(match, tuple, values);

	if (row > 0)
	{
		match->rows[row - 1].met = true;
		match->met++;
		match->at = row;
	}
	match->lines++;
	if (match->scan != NULL && (match->at == match->nrows || match->lines >= MAX_ROWS))
	{
		match->gone = !give_up_rows(match) || match->gone;
		read_rows(match);
	}
}

/* The old rows that are left, and those that were never read. */
static bool
take_the_rest(FactMatch *match)
{
	if (match->gone || !give_up_rows(match))
		return false;
	for (uint64 i = 1; match->scan != NULL && read_row(match, false); i++)
		if (i % 64 == 0)
			CHECK_FOR_INTERRUPTS();
	return true;
}

static void
read_text(TupleTableSlot *slot, AttrNumber attribute, FactValue *value)
{
	Datum		datum = slot_getattr(slot, attribute, &value->isnull);
	struct varlena *text;

	if (value->isnull)
		return;
	text = PG_DETOAST_DATUM_PACKED(datum);
	value->data = VARDATA_ANY(text);
	value->len = (int) VARSIZE_ANY_EXHDR(text);
}

static void
compare_if_doubtful(FactMatch *match, TupleTableSlot *slot, FactDifference *difference, int64 more)
{
	MemoryContext old = MemoryContextSwitchTo(match->line);

	read_text(slot, match->id, &match->values[match->id_value]);
	read_text(slot, match->span, &match->values[match->span_value]);
	if (FactDifferenceIsDoubtful(match->difference, match->values))
	{
		slot_getsomeattrs(slot, match->last);
		FactReadStored(&match->columns, slot->tts_values, slot->tts_isnull, match->values);
		FactDifferenceAdd(difference, match->values, more);
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(match->line);
}

/* Old lines and those of the delivery, once more. */
static void
compare_doubtful(FactMatch *match, int64 delivery_id, FactDifference *difference)
{
	TableScanDesc scan = table_beginscan(match->rel, FactPushSnapshot(), 0, NULL);
	uint64		n = 0;

	while (table_scan_getnextslot(scan, ForwardScanDirection, match->slot))
	{
		bool		isnull;
		int64		id = DatumGetInt64(slot_getattr(match->slot, match->delivery, &isnull));

		if (++n % 64 == 0)
			CHECK_FOR_INTERRUPTS();
		if (!isnull && (id == delivery_id || id == match->delivery_id))
			compare_if_doubtful(match, match->slot, difference, id == delivery_id ? 1 : -1);
	}
	table_endscan(scan);
	PopActiveSnapshot();
}

/* The keys in doubt, all of whose lines are looked at once more. */
static bool
settle_doubts(FactMatch *match, int64 delivery_id, FactChange *changes)
{
	FactDifference *difference = FactDifferenceNew(match->context, false);
	FactChange	more[FACT_CHANGES];
	bool		exact;

	compare_doubtful(match, delivery_id, difference);
	exact = FactDifferenceResult(difference, more);
	for (int i = 0; i < (int) FACT_CHANGES; i++)
	{
		changes[i].lines += more[i].lines;
		exact = !__builtin_add_overflow(changes[i].billed, more[i].billed, &changes[i].billed) &&
			!__builtin_add_overflow(changes[i].effective, more[i].effective, &changes[i].effective) &&
			exact;
	}
	return exact;
}

bool
FactMatchResult(FactMatch *match, int64 delivery_id, FactChange *changes)
{
	return take_the_rest(match) && FactDifferenceResult(match->difference, changes) &&
		(!FactDifferenceHasDoubts(match->difference) ||
		 settle_doubts(match, delivery_id, changes));
}

/* ---------------------------------------------------------------------
 * Deleting
 * ---------------------------------------------------------------------
 */

/* Nothing but the rows themselves is to be looked at. */
static bool
is_plain(Relation rel)
{
	Oid			table = RelationGetRelid(rel);

	return rel->rd_rel->relkind == RELKIND_RELATION &&
		rel->trigdesc == NULL && rel->rd_rules == NULL &&
		check_enable_rls(table, InvalidOid, true) != RLS_ENABLED &&
		pg_class_aclcheck(table, GetUserId(), ACL_DELETE) == ACLCHECK_OK;
}

/* Up to a row that somebody else has changed since the snapshot was taken. */
static int64
delete_rows(FactMatch *match)
{
	CommandId	command = GetCurrentCommandId(true);
	int64		gone = 0;

	for (int64 i = 0; i < match->nruns; i++)
	{
		const Run  *run = &match->runs[i];
		ItemPointerData tid;

		CHECK_FOR_INTERRUPTS();
		for (uint32 offset = run->first; offset <= run->last; offset++)
		{
			TM_FailureData failure;

			ItemPointerSet(&tid, run->block, (OffsetNumber) offset);
			if (table_tuple_delete(match->rel, &tid, command, match->snapshot,
								   InvalidSnapshot, true, &failure, false) != TM_Ok)
				return gone;
			gone++;
		}
	}
	return gone;
}

/*
 * What DELETE would do where neither triggers nor policies nor rules have a
 * say.  Rows that somebody changed meanwhile are left to DELETE, which looks
 * at their new versions.
 */
int64
FactMatchDelete(FactMatch *match)
{
	int64		gone;

	if (!is_plain(match->rel))
		return 0;
	CheckCmdReplicaIdentity(match->rel, CMD_DELETE);
	gone = delete_rows(match);
	CommandCounterIncrement();
	return gone;
}

void
FactMatchClose(FactMatch *match)
{
	end_scan(match);
	UnregisterSnapshot(match->snapshot);
	ExecDropSingleTupleTableSlot(match->slot);
	table_close(match->rel, NoLock);
	MemoryContextDelete(match->context);
}

/*-------------------------------------------------------------------------
 *
 * fact_scan.c
 *	  The stored facts of a month, one after the other.
 *
 * For sums and differences over a whole delivery, which visit every line
 * and most columns once: the executor would spend more on handing the values
 * around than on the values.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/facts.h"

#include "access/table.h"
#include "access/tableam.h"
#include "executor/executor.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

typedef struct FactScanState
{
	FactStored columns;
	AttrNumber	source;
	AttrNumber	delivery;
	int			last;			/* attribute needed */
	FactVisit	visit;
	void	   *arg;
	int64		wanted;
	FactBlocks	blocks;
	FactValue	values[BILL_MAX_COLUMNS];
} FactScanState;

static void
visit_slot(FactScanState *state, TupleTableSlot *slot)
{
	FactLine	line;
	bool		isnull;

	line.delivery_id = DatumGetInt64(slot_getattr(slot, state->delivery, &isnull));
	if (state->wanted != 0 && line.delivery_id != state->wanted)
		return;
	state->blocks.first = Min(state->blocks.first, ItemPointerGetBlockNumber(&slot->tts_tid));
	state->blocks.last = Max(state->blocks.last, ItemPointerGetBlockNumber(&slot->tts_tid));
	slot_getsomeattrs(slot, state->last);
	line.source = text_to_cstring(DatumGetTextPP(slot->tts_values[state->source - 1]));
	FactReadStored(&state->columns, slot->tts_values, slot->tts_isnull, state->values);
	line.values = state->values;
	state->visit(state->arg, &line);
}

/* See what this transaction has done and what others had done before. */
static Snapshot
push_snapshot(void)
{
	CommandCounterIncrement();
	PushCopiedSnapshot(GetTransactionSnapshot());
	UpdateActiveSnapshotCommandId();
	return GetActiveSnapshot();
}

FactBlocks
FactScan(Oid partition, int64 delivery_id, FactVisit visit, void *arg)
{
	Relation	rel = table_open(partition, AccessShareLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan = table_beginscan(rel, push_snapshot(), 0, NULL);
	FactScanState *state = palloc0(sizeof(FactScanState));
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "finops fact scan",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old;
	uint64		n = 0;
	FactBlocks	blocks;

	FactStoredOf(&state->columns, RelationGetDescr(rel));
	state->source = get_attnum(partition, "source");
	state->delivery = get_attnum(partition, "delivery_id");
	state->last = Max(state->source, state->delivery);
	for (int i = 0; i < state->columns.n; i++)
		state->last = Max(state->last, state->columns.attribute[i]);
	state->visit = visit;
	state->arg = arg;
	state->wanted = delivery_id;
	state->blocks = (FactBlocks) {PG_UINT32_MAX, 0};
	old = MemoryContextSwitchTo(context);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		visit_slot(state, slot);
		if (++n % 64 == 0)
		{
			MemoryContextReset(context);
			CHECK_FOR_INTERRUPTS();
		}
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	table_endscan(scan);
	PopActiveSnapshot();
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, NoLock);
	blocks = state->blocks;
	pfree(state);
	return blocks;
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
delete_rows(Relation rel, int64 delivery_id, TableScanDesc scan, Snapshot snapshot)
{
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	AttrNumber	delivery = get_attnum(RelationGetRelid(rel), "delivery_id");
	CommandId	command = GetCurrentCommandId(true);
	int64		gone = 0;
	uint64		n = 0;

	while (table_scan_getnextslot_tidrange(scan, ForwardScanDirection, slot))
	{
		TM_FailureData failure;
		bool		isnull;

		if (++n % 64 == 0)
			CHECK_FOR_INTERRUPTS();
		if (DatumGetInt64(slot_getattr(slot, delivery, &isnull)) != delivery_id || isnull)
			continue;
		if (table_tuple_delete(rel, &slot->tts_tid, command, snapshot,
							   InvalidSnapshot, true, &failure, false) != TM_Ok)
			break;
		gone++;
	}
	ExecDropSingleTupleTableSlot(slot);
	return gone;
}

/*
 * What DELETE would do where neither triggers nor policies nor rules have a
 * say.  Rows that somebody changed meanwhile are left to DELETE, which looks
 * at their new versions.
 */
int64
FactDelete(Oid partition, int64 delivery_id, FactBlocks blocks)
{
	Relation	rel = table_open(partition, RowExclusiveLock);
	int64		gone = 0;

	if (is_plain(rel) && blocks.first <= blocks.last)
	{
		Snapshot	snapshot = push_snapshot();
		ItemPointerData from;
		ItemPointerData to;
		TableScanDesc scan;

		CheckCmdReplicaIdentity(rel, CMD_DELETE);
		ItemPointerSet(&from, blocks.first, 0);
		ItemPointerSet(&to, blocks.last, PG_UINT16_MAX);
		scan = table_beginscan_tidrange(rel, snapshot, &from, &to);
		gone = delete_rows(rel, delivery_id, scan, snapshot);
		table_endscan(scan);
		PopActiveSnapshot();
		CommandCounterIncrement();
	}
	table_close(rel, NoLock);
	return gone;
}

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
#include "executor/tuptable.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
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

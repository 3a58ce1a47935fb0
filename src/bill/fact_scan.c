/*-------------------------------------------------------------------------
 *
 * fact_scan.c
 *	  The stored facts of a month, one after the other.
 *
 * For sums over a whole month, which visit every line and most columns once:
 * the executor would spend more on handing the values around than on the
 * values.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/facts.h"

#include "access/table.h"
#include "access/tableam.h"
#include "executor/executor.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
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
	FactValue	values[BILL_MAX_COLUMNS];
} FactScanState;

static void
visit_slot(FactScanState *state, TupleTableSlot *slot)
{
	FactLine	line;
	bool		isnull;

	line.delivery_id = DatumGetInt64(slot_getattr(slot, state->delivery, &isnull));
	slot_getsomeattrs(slot, state->last);
	line.source = text_to_cstring(DatumGetTextPP(slot->tts_values[state->source - 1]));
	FactReadStored(&state->columns, slot->tts_values, slot->tts_isnull, state->values);
	line.values = state->values;
	state->visit(state->arg, &line);
}

Snapshot
FactPushSnapshot(void)
{
	CommandCounterIncrement();
	PushCopiedSnapshot(GetTransactionSnapshot());
	UpdateActiveSnapshotCommandId();
	return GetActiveSnapshot();
}

void
FactScan(Oid partition, FactVisit visit, void *arg)
{
	Relation	rel = table_open(partition, AccessShareLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan = table_beginscan(rel, FactPushSnapshot(), 0, NULL);
	FactScanState *state = palloc0(sizeof(FactScanState));
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "finops fact scan",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old;
	uint64		n = 0;

	FactStoredOf(&state->columns, RelationGetDescr(rel));
	state->source = get_attnum(partition, "source");
	state->delivery = get_attnum(partition, "delivery_id");
	state->last = Max(state->source, state->delivery);
	for (int i = 0; i < state->columns.n; i++)
		state->last = Max(state->last, state->columns.attribute[i]);
	state->visit = visit;
	state->arg = arg;
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
	pfree(state);
}

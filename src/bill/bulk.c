/*-------------------------------------------------------------------------
 *
 * bulk.c
 *	  Many rows into one table, a page's worth at a time.
 *
 * What COPY does behind its parser (commands/copyfrom.c), for rows that
 * exist as tuples already: turning a bill's line into COPY text, splitting
 * that text and reading every value back cost more than storing the row.
 * Tuples wait in one block of memory and reach the table by
 * table_multi_insert.
 *
 * Rows take the short way as long as nothing but the extension's own
 * constraints and indexes watches the table.  An index on a column that
 * rises from row to row is fed directly; a BRIN index on the delivery, which
 * is the same in all rows of a load, is told once per page.  The B-tree
 * indexes of a table that the transaction has just made are built when the
 * rows stand in it, which takes a third of the time.  Triggers,
 * generated columns, defaults of columns that somebody added, and further
 * checks and indexes are served as COPY serves them.
 *
 * COPY checks privileges and row security before it starts, so both are
 * checked here.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/bulk.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/index.h"
#include "catalog/pg_am.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/nodeModifyTable.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteHandler.h"
#include "storage/bufmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/rls.h"

#define MAX_TUPLES	1000
#define BLOCK_SIZE	(256 * 1024)
#define MAX_DIRECT	4
#define SORT_MEMORY	"16MB"	/* of an index that is built at the end */

/* A default that has to be computed for each row. */
typedef struct BulkDefault
{
	int			attribute;		/* from 0 */
	ExprState  *expr;
} BulkDefault;

struct BillBulk
{
	MemoryContext context;
	Relation	rel;
	TupleDesc	desc;
	EState	   *estate;
	ResultRelInfo *info;
	BulkInsertState state;
	CommandId	command;
	int			options;

	TupleTableSlot **slots;
	HeapTupleData *tuples;
	int			n;
	char	   *block;
	Size		size;
	Size		used;
	uint64		rows;

	bool		checks;			/* constraints that are not the caller's */
	bool		before_row;
	bool		after_row;
	bool		statement;		/* any trigger at all */
	bool		generated;
	bool		direct;			/* all indexes are of the direct kinds */
	bool		late;			/* B-tree indexes are built at the end */
	AttrNumber	constant;		/* column with one value in all rows, or 0 */
	BlockNumber last_block;		/* of the latest row */
	int			ndefaults;
	BulkDefault *defaults;
};

static void
check_target(Relation rel)
{
	AclResult	result = pg_class_aclcheck(RelationGetRelid(rel), GetUserId(),
										   ACL_INSERT);

	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_TABLE, RelationGetRelationName(rel));
	if (check_enable_rls(RelationGetRelid(rel), InvalidOid, false) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot load into \"%s\": it has row-level security",
						RelationGetRelationName(rel)),
				 errhint("Let the owner of the extension be exempt from the policy.")));
	if (XactReadOnly)
		PreventCommandIfReadOnly("load");
	if (rel->rd_rel->relkind != RELKIND_RELATION)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("cannot load into \"%s\": it is not a plain table",
						RelationGetRelationName(rel)),
				 errhint("Detach it and let the load make the partition of the month.")));
}

static bool
is_known(const char *name, const char *const *known)
{
	for (; known != NULL && *known != NULL; known++)
		if (strcmp(name, *known) == 0)
			return true;
	return false;
}

static bool
has_unknown_checks(Relation rel, const char *const *known)
{
	const TupleConstr *constr = RelationGetDescr(rel)->constr;

	for (int i = 0; constr != NULL && i < constr->num_check; i++)
		if (!is_known(constr->check[i].ccname, known))
			return true;
	return false;
}

/* Single-column B-tree or BRIN without predicate or expression. */
static bool
is_direct(Relation index, const IndexInfo *info)
{
	Oid			am = index->rd_rel->relam;

	return (am == BTREE_AM_OID || am == BRIN_AM_OID) &&
		info->ii_NumIndexAttrs == 1 && info->ii_IndexAttrNumbers[0] > 0 &&
		info->ii_Expressions == NIL && info->ii_Predicate == NIL &&
		info->ii_ExclusionOps == NULL && info->ii_ReadyForInserts &&
		index->rd_index->indimmediate;
}

static void
look_at_indexes(BillBulk *bulk)
{
	ResultRelInfo *info = bulk->info;

	ExecOpenIndices(info, false);
	bulk->direct = info->ri_NumIndices <= MAX_DIRECT;
	for (int i = 0; i < info->ri_NumIndices; i++)
		if (!is_direct(info->ri_IndexRelationDescs[i], info->ri_IndexRelationInfo[i]))
			bulk->direct = false;
}

/*
 * A table without rows that nobody else can see, and in which nothing looks
 * for rows while they arrive.
 */
static bool
is_new_table(BillBulk *bulk)
{
	return bulk->direct && !bulk->statement && bulk->ndefaults == 0 &&
		!bulk->checks && !bulk->generated &&
		bulk->rel->rd_createSubid != InvalidSubTransactionId &&
		RelationGetNumberOfBlocks(bulk->rel) == 0;
}

/* The triggers that are left to fire, with what tells ExecInsert of them. */
static TriggerDesc *
remaining_triggers(const TriggerDesc *all, const char *const *answered)
{
	TriggerDesc *rest = palloc0_object(TriggerDesc);

	rest->triggers = palloc_array(Trigger, all->numtriggers);
	for (int i = 0; i < all->numtriggers; i++)
	{
		const Trigger *t = &all->triggers[i];

		if (RI_FKey_trigger_type(t->tgfoid) == RI_TRIGGER_FK || is_known(t->tgname, answered))
			continue;
		rest->triggers[rest->numtriggers++] = *t;
#define FIRES(level, timing) \
		TRIGGER_TYPE_MATCHES(t->tgtype, level, timing, TRIGGER_TYPE_INSERT)
		rest->trig_insert_before_row |= FIRES(TRIGGER_TYPE_ROW, TRIGGER_TYPE_BEFORE);
		rest->trig_insert_after_row |= FIRES(TRIGGER_TYPE_ROW, TRIGGER_TYPE_AFTER);
		rest->trig_insert_before_statement |= FIRES(TRIGGER_TYPE_STATEMENT, TRIGGER_TYPE_BEFORE);
		rest->trig_insert_after_statement |= FIRES(TRIGGER_TYPE_STATEMENT, TRIGGER_TYPE_AFTER);
#undef FIRES
		rest->trig_insert_new_table |= TRIGGER_FOR_INSERT(t->tgtype) && t->tgnewtable != NULL;
	}
	return rest;
}

static void
look_at_triggers(BillBulk *bulk, const char *const *answered)
{
	const TriggerDesc *triggers;

	if (bulk->info->ri_TrigDesc == NULL)
		return;
	if (answered != NULL)
		bulk->info->ri_TrigDesc = remaining_triggers(bulk->info->ri_TrigDesc, answered);
	triggers = bulk->info->ri_TrigDesc;
	bulk->before_row = triggers->trig_insert_before_row;
	bulk->after_row = triggers->trig_insert_after_row;
	bulk->statement = bulk->before_row || bulk->after_row ||
		triggers->trig_insert_before_statement ||
		triggers->trig_insert_after_statement;
	if (triggers->trig_insert_new_table)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot load into \"%s\": it has a trigger with a transition table",
						RelationGetRelationName(bulk->rel)),
				 errhint("Use a row trigger without a transition table.")));
}

/*
 * Columns that the caller does not fill get their default, as COPY would
 * give it.
 */
static void
find_defaults(BillBulk *bulk, const char *const *given)
{
	bulk->defaults = palloc0(sizeof(BulkDefault) * bulk->desc->natts);
	for (int i = 0; i < bulk->desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(bulk->desc, i);
		Expr	   *expr;

		if (att->attisdropped || att->attgenerated != '\0' ||
			is_known(NameStr(att->attname), given))
			continue;
		expr = (Expr *) build_column_default(bulk->rel, i + 1);
		if (expr != NULL)
		{
			bulk->defaults[bulk->ndefaults].attribute = i;
			bulk->defaults[bulk->ndefaults++].expr =
				ExecInitExpr(expression_planner(expr), NULL);
		}
		else if (att->attnotnull)
			bulk->checks = true;
	}
}

BillBulk *
BillBulkOpen(Oid table, const BillBulkSpec *spec)
{
	return BillBulkOpenChecked(table, spec, NULL);
}

BillBulk *
BillBulkOpenChecked(Oid table, const BillBulkSpec *spec, const char *const *answered)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "finops bulk",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	BillBulk   *bulk = palloc0(sizeof(BillBulk));

	bulk->context = context;
	bulk->rel = table_open(table, RowExclusiveLock);
	check_target(bulk->rel);
	bulk->desc = RelationGetDescr(bulk->rel);
	bulk->estate = CreateExecutorState();
	bulk->info = makeNode(ResultRelInfo);
	InitResultRelInfo(bulk->info, bulk->rel, 0, NULL, 0);
	if (spec->skip_indexes)
		bulk->direct = true;
	else
		look_at_indexes(bulk);
	look_at_triggers(bulk, answered);
	bulk->checks = has_unknown_checks(bulk->rel, spec->checks);
	find_defaults(bulk, spec->columns);
	if (spec->constant != NULL)
		bulk->constant = get_attnum(table, spec->constant);
	bulk->generated = bulk->desc->constr != NULL &&
		bulk->desc->constr->has_generated_stored;
	bulk->late = is_new_table(bulk);
	bulk->state = GetBulkInsertState();
	bulk->command = GetCurrentCommandId(true);
	bulk->options = bulk->rel->rd_createSubid != InvalidSubTransactionId ?
		TABLE_INSERT_SKIP_FSM : 0;
	bulk->last_block = InvalidBlockNumber;
	bulk->slots = palloc0(sizeof(TupleTableSlot *) * MAX_TUPLES);
	bulk->tuples = palloc0(sizeof(HeapTupleData) * MAX_TUPLES);
	bulk->size = BLOCK_SIZE;
	bulk->block = palloc(bulk->size);
	if (bulk->statement)
	{
		AfterTriggerBeginQuery();
		ExecBSInsertTriggers(bulk->estate, bulk->info);
	}
	MemoryContextSwitchTo(old);
	return bulk;
}

TupleDesc
BillBulkDescriptor(const BillBulk *bulk)
{
	return bulk->desc;
}

bool
BillBulkStoresAsGiven(const BillBulk *bulk)
{
	return !bulk->before_row;
}

bool
BillBulkStoresExactly(const BillBulk *bulk)
{
	return !bulk->before_row && !bulk->generated && bulk->ndefaults == 0;
}

/* ---------------------------------------------------------------------
 * Writing
 * ---------------------------------------------------------------------
 */

static bool
is_late(const BillBulk *bulk, Relation index)
{
	return bulk->late && index->rd_rel->relam == BTREE_AM_OID;
}

static void
insert_direct(BillBulk *bulk)
{
	const ResultRelInfo *info = bulk->info;

	for (int k = 0; k < info->ri_NumIndices; k++)
	{
		Relation	index = info->ri_IndexRelationDescs[k];
		IndexInfo  *index_info = info->ri_IndexRelationInfo[k];
		AttrNumber	column = index_info->ii_IndexAttrNumbers[0];
		bool		once_per_page = index->rd_rel->relam == BRIN_AM_OID &&
			column == bulk->constant;
		BlockNumber last = bulk->last_block;

		if (is_late(bulk, index))
			continue;
		for (int i = 0; i < bulk->n; i++)
		{
			HeapTuple	tuple = &bulk->tuples[i];
			ItemPointer tid = &bulk->slots[i]->tts_tid;
			BlockNumber page = ItemPointerGetBlockNumber(tid);
			Datum		value;
			bool		isnull;

			if (once_per_page && page == last)
				continue;
			last = page;
			value = heap_getattr(tuple, column, bulk->desc, &isnull);
			(void) index_insert(index, &value, &isnull, tid, bulk->rel,
								index->rd_index->indisunique ?
								UNIQUE_CHECK_YES : UNIQUE_CHECK_NO,
								false, index_info);
		}
	}
	if (bulk->n > 0)
		bulk->last_block = ItemPointerGetBlockNumber(&bulk->slots[bulk->n - 1]->tts_tid);
}

static List *
insert_index_tuples(BillBulk *bulk, TupleTableSlot *slot)
{
#if PG_VERSION_NUM >= 160000
	return ExecInsertIndexTuples(bulk->info, slot, bulk->estate, false, false,
								 NULL, NIL, false);
#else
	return ExecInsertIndexTuples(bulk->info, slot, bulk->estate, false, false,
								 NULL, NIL);
#endif
}

/*
 * Indexes and row triggers of rows that stand in the table.  The memory of all
 * of them is kept to the end of the batch, for it holds the tuples that
 * defaults and triggers have made.
 */
static void
insert_general(BillBulk *bulk)
{
	for (int i = 0; i < bulk->n; i++)
	{
		TupleTableSlot *slot = bulk->slots[i];
		List	   *recheck = NIL;

		if (bulk->info->ri_NumIndices > 0)
			recheck = insert_index_tuples(bulk, slot);
		if (bulk->after_row)
			ExecARInsertTriggers(bulk->estate, bulk->info, slot, recheck, NULL);
		list_free(recheck);
	}
}

static void
fill_defaults(BillBulk *bulk, TupleTableSlot *slot)
{
	ExprContext *econtext = GetPerTupleExprContext(bulk->estate);
	Datum	   *values = palloc(sizeof(Datum) * bulk->desc->natts);
	bool	   *isnull = palloc(sizeof(bool) * bulk->desc->natts);

	slot_getallattrs(slot);
	memcpy(values, slot->tts_values, sizeof(Datum) * bulk->desc->natts);
	memcpy(isnull, slot->tts_isnull, sizeof(bool) * bulk->desc->natts);
	for (int k = 0; k < bulk->ndefaults; k++)
	{
		int			at = bulk->defaults[k].attribute;

		values[at] = ExecEvalExprSwitchContext(bulk->defaults[k].expr, econtext,
											   &isnull[at]);
	}
	ExecForceStoreHeapTuple(heap_form_tuple(bulk->desc, values, isnull), slot, true);
}

/* What COPY does with a row before it is stored; rows may disappear. */
static void
prepare_general(BillBulk *bulk)
{
	MemoryContext old = MemoryContextSwitchTo(GetPerTupleMemoryContext(bulk->estate));
	int			kept = 0;

	for (int i = 0; i < bulk->n; i++)
	{
		TupleTableSlot *slot = bulk->slots[i];

		if (bulk->ndefaults > 0)
			fill_defaults(bulk, slot);
		if (bulk->before_row && !ExecBRInsertTriggers(bulk->estate, bulk->info, slot))
			continue;
		if (bulk->generated)
			ExecComputeStoredGenerated(bulk->info, bulk->estate, slot, CMD_INSERT);
		if (bulk->checks || bulk->before_row)
			ExecConstraints(bulk->info, slot, bulk->estate);
		if (bulk->before_row && bulk->rel->rd_rel->relispartition)
			ExecPartitionCheck(bulk->info, slot, bulk->estate, true);
		bulk->slots[i] = bulk->slots[kept];
		bulk->slots[kept++] = slot;
	}
	bulk->n = kept;
	MemoryContextSwitchTo(old);
}

static void
flush(BillBulk *bulk)
{
	bool		general = !bulk->direct || bulk->after_row;
	MemoryContext old;

	CHECK_FOR_INTERRUPTS();
	for (int i = 0; i < bulk->n; i++)
	{
		if (bulk->slots[i] == NULL)
		{
			old = MemoryContextSwitchTo(bulk->context);
			bulk->slots[i] = MakeSingleTupleTableSlot(bulk->desc, &TTSOpsHeapTuple);
			MemoryContextSwitchTo(old);
		}
		ExecStoreHeapTuple(&bulk->tuples[i], bulk->slots[i], false);
		bulk->slots[i]->tts_tableOid = RelationGetRelid(bulk->rel);
	}
	if (bulk->before_row || bulk->checks || bulk->generated || bulk->ndefaults > 0)
	{
		general = true;
		prepare_general(bulk);
	}
	old = MemoryContextSwitchTo(GetPerTupleMemoryContext(bulk->estate));
	if (bulk->n > 0)
		table_multi_insert(bulk->rel, bulk->slots, bulk->n, bulk->command,
						   bulk->options, bulk->state);
	MemoryContextSwitchTo(old);
	if (general)
		insert_general(bulk);
	else
	{
		old = MemoryContextSwitchTo(GetPerTupleMemoryContext(bulk->estate));
		insert_direct(bulk);
		MemoryContextSwitchTo(old);
	}
	for (int i = 0; i < bulk->n; i++)
		ExecClearTuple(bulk->slots[i]);
	ResetPerTupleExprContext(bulk->estate);
	bulk->rows += bulk->n;
	bulk->n = 0;
	bulk->used = 0;
}

HeapTupleHeader
BillBulkReserve(BillBulk *bulk, Size size)
{
	if (bulk->n == MAX_TUPLES || (bulk->n > 0 && bulk->size - bulk->used < size))
		flush(bulk);
	if (bulk->size < size)
	{
		pfree(bulk->block);
		bulk->block = MemoryContextAllocHuge(bulk->context, size);
		bulk->size = size;
	}
	return (HeapTupleHeader) (bulk->block + bulk->used);
}

void
BillBulkAdd(BillBulk *bulk, Size len)
{
	HeapTuple	tuple = &bulk->tuples[bulk->n++];

	tuple->t_len = (uint32) len;
	ItemPointerSetInvalid(&tuple->t_self);
	tuple->t_tableOid = RelationGetRelid(bulk->rel);
	tuple->t_data = (HeapTupleHeader) (bulk->block + bulk->used);
	bulk->used += MAXALIGN(len);
}

void
BillBulkAddValues(BillBulk *bulk, const Datum *values, const bool *isnull)
{
	HeapTuple	tuple = heap_form_tuple(bulk->desc, unconstify(Datum *, values),
										unconstify(bool *, isnull));
	HeapTupleHeader room = BillBulkReserve(bulk, MAXALIGN(tuple->t_len));

	memcpy(room, tuple->t_data, tuple->t_len);
	BillBulkAdd(bulk, tuple->t_len);
	heap_freetuple(tuple);
}

static void
build_index(Oid index)
{
	ReindexParams params = {0};

#if PG_VERSION_NUM >= 170000
	reindex_index(NULL, index, false, RELPERSISTENCE_PERMANENT, &params);
#else
	reindex_index(index, false, RELPERSISTENCE_PERMANENT, &params);
#endif
}

/*
 * The rows arrive almost sorted, which needs neither much memory nor other
 * processes.
 */
static void
build_indexes(const Oid *late, int n)
{
	int			level = NewGUCNestLevel();

	(void) set_config_option("maintenance_work_mem", SORT_MEMORY, PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("max_parallel_maintenance_workers", "0", PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	for (int i = 0; i < n; i++)
		build_index(late[i]);
	AtEOXact_GUC(true, level);
}

uint64
BillBulkClose(BillBulk *bulk)
{
	uint64		rows;
	Oid			late[MAX_DIRECT];
	int			nlate = 0;

	flush(bulk);
	rows = bulk->rows;
	if (bulk->statement)
	{
		ExecASInsertTriggers(bulk->estate, bulk->info, NULL);
		AfterTriggerEndQuery(bulk->estate);
	}
	FreeBulkInsertState(bulk->state);
	table_finish_bulk_insert(bulk->rel, bulk->options);
	for (int i = 0; i < bulk->info->ri_NumIndices; i++)
		if (is_late(bulk, bulk->info->ri_IndexRelationDescs[i]))
			late[nlate++] = RelationGetRelid(bulk->info->ri_IndexRelationDescs[i]);
	ExecCloseIndices(bulk->info);
	for (int i = 0; i < MAX_TUPLES && bulk->slots[i] != NULL; i++)
		ExecDropSingleTupleTableSlot(bulk->slots[i]);
	/* what triggers have opened */
	ExecResetTupleTable(bulk->estate->es_tupleTable, false);
	ExecCloseResultRelations(bulk->estate);
	FreeExecutorState(bulk->estate);
	table_close(bulk->rel, NoLock);
	MemoryContextDelete(bulk->context);
	CommandCounterIncrement();
	if (nlate > 0)
		build_indexes(late, nlate);
	return rows;
}

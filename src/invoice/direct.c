/*-------------------------------------------------------------------------
 *
 * direct.c
 *	  Single rows of the extension's own tables, without the executor.
 *
 * To issue one invoice is to look at a handful of rows by their keys and to
 * write two.  A statement for each, planned or not, costs many times what the
 * index and the page cost, and an update parses every check of its table
 * anew.  Here rows are read as the server reads its catalogs, and written as
 * replication writes them.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/direct.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

#define MAX_KEYS	4

static RegProcedure
equality_of(Oid type)
{
	switch (type)
	{
		case TEXTOID:
			return F_TEXTEQ;
		case DATEOID:
			return F_DATE_EQ;
		case INT4OID:
			return F_INT4EQ;
		default:
			elog(ERROR, "no key of type %u", type);
	}
	return InvalidOid;			/* keep compiler quiet */
}

static void
make_keys(Relation rel, Oid index_oid, int nkeys, const Datum *keys, ScanKeyData *scan)
{
	Relation	index = index_open(index_oid, AccessShareLock);

	Assert(nkeys <= MAX_KEYS && nkeys <= index->rd_index->indnkeyatts);
	for (int i = 0; i < nkeys; i++)
	{
		AttrNumber	column = index->rd_index->indkey.values[i];

		ScanKeyEntryInitialize(&scan[i], 0, column, BTEqualStrategyNumber, InvalidOid,
							   index->rd_indcollation[i],
							   equality_of(TupleDescAttr(RelationGetDescr(rel), column - 1)->atttypid),
							   keys[i]);
	}
	index_close(index, NoLock);
}

void
DirectScan(bool in_finops, const char *table, const char *index,
		   int nkeys, const Datum *keys, DirectCallback callback, void *arg)
{
	Oid			schema = in_finops ? get_namespace_oid("finops", false) : FinopsSchemaOid();
	Oid			index_oid = get_relname_relid(index, schema);
	Relation	rel = table_open(get_relname_relid(table, schema), AccessShareLock);
	DirectRow	row = {.table = RelationGetRelid(rel), .desc = RelationGetDescr(rel)};
	ScanKeyData scan_keys[MAX_KEYS];
	Snapshot	snapshot;
	SysScanDesc scan;

	if (!OidIsValid(index_oid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("index \"%s\" does not exist", index),
				 errhint("Give it its name back.")));
	make_keys(rel, index_oid, nkeys, keys, scan_keys);
	row.values = palloc_array(Datum, row.desc->natts);
	row.nulls = palloc_array(bool, row.desc->natts);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	scan = systable_beginscan(rel, index_oid, true, snapshot, nkeys, scan_keys);
	while (HeapTupleIsValid(row.tuple = systable_getnext(scan)))
	{
		heap_deform_tuple(row.tuple, row.desc, row.values, row.nulls);
		if (!callback(&row, arg))
			break;
	}
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(rel, NoLock);
}

void
DirectKeep(const DirectRow *row, DirectRow *kept)
{
	*kept = (DirectRow) {row->table, CreateTupleDescCopy(row->desc), heap_copytuple(row->tuple),
	palloc_array(Datum, row->desc->natts), palloc_array(bool, row->desc->natts)};
	heap_deform_tuple(kept->tuple, kept->desc, kept->values, kept->nulls);
}

static bool
keep_row(const DirectRow *row, void *arg)
{
	DirectKeep(row, arg);
	return false;
}

DirectRow
DirectFetch(bool in_finops, const char *table, const char *index, int nkeys, const Datum *keys)
{
	DirectRow	row = {InvalidOid};

	DirectScan(in_finops, table, index, nkeys, keys, keep_row, &row);
	return row;
}

static int
column_number(const DirectRow *row, const char *column)
{
	for (int i = 0; i < row->desc->natts; i++)
		if (strcmp(NameStr(TupleDescAttr(row->desc, i)->attname), column) == 0)
			return i;
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("table \"%s\" lacks column \"%s\"", get_rel_name(row->table), column),
			 errhint("Put the column back.")));
	return 0;					/* keep compiler quiet */
}

Datum
DirectDatum(const DirectRow *row, const char *column, bool *isnull)
{
	int			i = row->tuple == NULL ? -1 : column_number(row, column);

	*isnull = i < 0 || row->nulls[i];
	return *isnull ? (Datum) 0 : row->values[i];
}

char *
DirectText(const DirectRow *row, const char *column)
{
	bool		isnull;
	Datum		value = DirectDatum(row, column, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

int64
DirectInt(const DirectRow *row, const char *column, int64 when_null)
{
	int			i = row->tuple == NULL ? -1 : column_number(row, column);

	if (i < 0 || row->nulls[i])
		return when_null;
	return TupleDescAttr(row->desc, i)->atttypid == INT8OID ?
		DatumGetInt64(row->values[i]) : DatumGetInt32(row->values[i]);
}

FinopsArg
DirectArg(const DirectRow *row, const char *column, Oid type)
{
	FinopsArg	arg = {type, (Datum) 0, true};

	arg.value = DirectDatum(row, column, &arg.isnull);
	return arg;
}

/* ---------------------------------------------------------------------
 * Updates
 * ---------------------------------------------------------------------
 */
static bool
is_named(const char *name, const char *const *names)
{
	for (; names != NULL && *names != NULL; names++)
		if (strcmp(name, *names) == 0)
			return true;
	return false;
}

static bool
may_write(Relation rel, int16 event, const char *const *triggers, const char *const *checks)
{
	const TriggerDesc *all = rel->trigdesc;
	const TupleConstr *constr = RelationGetDescr(rel)->constr;

	if (rel->rd_rel->relkind != RELKIND_RELATION || rel->rd_rel->relispartition ||
		rel->rd_rel->relhasrules ||
		check_enable_rls(RelationGetRelid(rel), InvalidOid, true) == RLS_ENABLED)
		return false;
	for (int i = 0; all != NULL && i < all->numtriggers; i++)
		if ((all->triggers[i].tgtype & event) != 0 &&
			RI_FKey_trigger_type(all->triggers[i].tgfoid) == RI_TRIGGER_NONE &&
			!is_named(all->triggers[i].tgname, triggers))
			return false;
	if (constr != NULL && constr->has_generated_stored)
		return false;
	for (int i = 0; constr != NULL && i < constr->num_check; i++)
		if (!is_named(constr->check[i].ccname, checks))
			return false;
	return true;
}

bool
DirectMayUpdate(const DirectRow *row, const char *const *triggers, const char *const *checks)
{
	Relation	rel = table_open(row->table, AccessShareLock);
	bool		may = may_write(rel, TRIGGER_TYPE_UPDATE, triggers, checks);

	table_close(rel, NoLock);
	return may;
}

static void
insert_index_entries(EState *estate, ResultRelInfo *info, TupleTableSlot *slot, bool update)
{
	MemoryContext old;

	ExecOpenIndices(info, false);
	old = MemoryContextSwitchTo(GetPerTupleMemoryContext(estate));
#if PG_VERSION_NUM >= 160000
	(void) ExecInsertIndexTuples(info, slot, estate, update, false, NULL, NIL, false);
#else
	(void) ExecInsertIndexTuples(info, slot, estate, update, false, NULL, NIL);
#endif
	MemoryContextSwitchTo(old);
	ExecCloseIndices(info);
}

/* Whether an index has to learn of the new version. */
static bool
store_version(Relation rel, ItemPointer at, TupleTableSlot *slot)
{
	TM_FailureData failure;
	LockTupleMode lock;
	TM_Result	result;
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
#if PG_VERSION_NUM >= 160000
	TU_UpdateIndexes indexes = TU_None;
#else
	bool		indexes = false;
#endif

	result = table_tuple_update(rel, at, slot, GetCurrentCommandId(true), snapshot, InvalidSnapshot,
								true, &failure, &lock, &indexes);
	UnregisterSnapshot(snapshot);
	if (result != TM_Ok)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("a row of \"%s\" was changed by another transaction", RelationGetRelationName(rel)),
				 errhint("Repeat the transaction.")));
#if PG_VERSION_NUM >= 160000
	return indexes != TU_None;
#else
	return indexes;
#endif
}

void
DirectUpdate(const DirectRow *row, const DirectChange *changes, int nchanges)
{
	Relation	rel = table_open(row->table, RowExclusiveLock);
	TupleDesc	desc = RelationGetDescr(rel);
	EState	   *estate = CreateExecutorState();
	ResultRelInfo *info = makeNode(ResultRelInfo);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(desc, &TTSOpsHeapTuple);

	for (int i = 0; i < nchanges; i++)
	{
		int			column = column_number(row, changes[i].column);

		row->values[column] = changes[i].value;
		row->nulls[column] = false;
	}
	InitResultRelInfo(info, rel, 0, NULL, 0);
	CheckCmdReplicaIdentity(rel, CMD_UPDATE);
	ExecStoreHeapTuple(heap_form_tuple(desc, row->values, row->nulls), slot, true);
	slot->tts_tableOid = RelationGetRelid(rel);
	if (store_version(rel, &row->tuple->t_self, slot))
		insert_index_entries(estate, info, slot, true);
	ExecDropSingleTupleTableSlot(slot);
	FreeExecutorState(estate);
	table_close(rel, NoLock);
	CommandCounterIncrement();
}

/* Columns that are not given are NULL and have no default. */
static bool
fill_row(TupleDesc desc, const DirectChange *columns, int ncolumns, Datum *values, bool *nulls)
{
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		int			c = 0;

		while (c < ncolumns && strcmp(NameStr(att->attname), columns[c].column) != 0)
			c++;
		nulls[i] = c == ncolumns;
		values[i] = nulls[i] ? (Datum) 0 : columns[c].value;
		if (nulls[i] && !att->attisdropped && (att->atthasdef || att->attnotnull))
			return false;
	}
	return true;
}

static void
insert_row(Relation rel, HeapTuple tuple)
{
	EState	   *estate = CreateExecutorState();
	ResultRelInfo *info = makeNode(ResultRelInfo);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsHeapTuple);

	InitResultRelInfo(info, rel, 0, NULL, 0);
	ExecStoreHeapTuple(tuple, slot, true);
	slot->tts_tableOid = RelationGetRelid(rel);
	table_tuple_insert(rel, slot, GetCurrentCommandId(true), 0, NULL);
	insert_index_entries(estate, info, slot, false);
	ExecDropSingleTupleTableSlot(slot);
	FreeExecutorState(estate);
}

bool
DirectInsert(bool in_finops, const char *table, const DirectChange *columns, int ncolumns,
			 const char *const *checks)
{
	Oid			schema = in_finops ? get_namespace_oid("finops", false) : FinopsSchemaOid();
	Relation	rel = table_open(get_relname_relid(table, schema), RowExclusiveLock);
	TupleDesc	desc = RelationGetDescr(rel);
	Datum	   *values = palloc_array(Datum, desc->natts);
	bool	   *nulls = palloc_array(bool, desc->natts);
	bool		may = may_write(rel, TRIGGER_TYPE_INSERT, NULL, checks) &&
		fill_row(desc, columns, ncolumns, values, nulls);

	if (may)
		insert_row(rel, heap_form_tuple(desc, values, nulls));
	table_close(rel, NoLock);
	if (may)
		CommandCounterIncrement();
	return may;
}

/*-------------------------------------------------------------------------
 *
 * warehouses.c
 *	  SHOW WAREHOUSES.
 *
 * PostgreSQL reads that statement as SHOW <setting>, so a read-only setting
 * named warehouses with a show hook answers it: the names of finops.warehouse,
 * in one cell.  The hook also runs for SHOW ALL and for every query on
 * pg_settings, in any database and any state of the session.  It must not
 * fail or wait there, nor tell a user what the user may not read: it looks
 * with the catalog snapshot (SHOW as the first statement of a transaction
 * must not fix that transaction's snapshot), takes its lock only if nobody
 * stands in the way, and shows an empty text in every other case.
 *
 *-------------------------------------------------------------------------
 */
#include "core/core.h"

#include "compat/compat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

static char *warehouses_setting;

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* The first column of the relation, sorted. */
static List *
read_names(Relation rel)
{
	List	   *names = NIL;
	Snapshot	snapshot = RegisterSnapshot(GetCatalogSnapshot(RelationGetRelid(rel)));
	TableScanDesc scan = table_beginscan(rel, snapshot, 0, NULL);
	TupleTableSlot *slot = table_slot_create(rel, NULL);

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		bool		isnull;
		Datum		name = slot_getattr(slot, 1, &isnull);

		if (!isnull)
			names = lappend(names, TextDatumGetCString(name));
	}
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	return names;
}

static const char *
join_names(List *names)
{
	int			n = list_length(names);
	char	  **sorted = palloc_array(char *, Max(n, 1));
	StringInfoData buf;

	for (int i = 0; i < n; i++)
		sorted[i] = list_nth(names, i);
	qsort(sorted, n, sizeof(char *), compare_names);
	initStringInfo(&buf);
	for (int i = 0; i < n; i++)
		appendStringInfo(&buf, "%s%s", i > 0 ? ", " : "", sorted[i]);
	return buf.data;
}

static const char *
show_warehouses(void)
{
	Oid			schema;
	Oid			relid;
	Relation	rel;
	const char *shown = "";

	if (!IsTransactionState() || IsAbortedTransactionBlockState() ||
		!OidIsValid(MyDatabaseId))
		return shown;
	schema = get_namespace_oid("finops", true);
	relid = OidIsValid(schema) ? get_relname_relid("warehouse", schema) : InvalidOid;
	if (!OidIsValid(relid) || get_rel_relkind(relid) != RELKIND_RELATION ||
		get_atttype(relid, 1) != TEXTOID ||
		pg_class_aclcheck(relid, GetUserId(), ACL_SELECT) != ACLCHECK_OK ||
		!ConditionalLockRelationOid(relid, AccessShareLock))
		return shown;
	rel = try_table_open(relid, NoLock);
	if (rel != NULL)
	{
		shown = join_names(read_names(rel));
		table_close(rel, NoLock);
	}
	UnlockRelationOid(relid, AccessShareLock);
	return shown;
}

void
WarehousesInit(void)
{
	DefineCustomStringVariable("warehouses",
							   "Names of the compute clusters in finops.warehouse, so that SHOW WAREHOUSES answers.",
							   "Empty for users who may not read that table.",
							   &warehouses_setting, "",
							   PGC_INTERNAL, GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE | GUC_NO_RESET_ALL,
							   NULL, NULL, show_warehouses);
}

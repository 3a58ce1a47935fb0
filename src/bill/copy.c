/*-------------------------------------------------------------------------
 *
 * copy.c
 *	  COPY text into a partition of the facts through the server's own COPY.
 *
 * COPY's data source callback carries no argument, so the source in use is
 * known by a file-level stack: a load that starts while another one runs
 * (from a trigger on the facts) pushes its own.  The entry is popped by a
 * reset callback of the memory context it lives in, which an error reaches
 * as well.
 *
 * CopyFrom checks neither privileges nor row security; both are checked
 * here.  An error raised by the source carries its own position in the bill;
 * COPY's "line n" counts the projected text and would mislead, so COPY's
 * error context is set aside while the source runs.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/bill.h"

#include "access/table.h"
#include "catalog/namespace.h"
#include "commands/copy.h"
#include "mb/pg_wchar.h"
#include "nodes/makefuncs.h"
#include "parser/parse_node.h"
#include "parser/parse_relation.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/rls.h"

typedef struct CopyEntry
{
	BillCopySource source;
	void	   *arg;
	ErrorContextCallback *outer_context;
	struct CopyEntry *below;
} CopyEntry;

static CopyEntry *copy_stack = NULL;

static void
pop_entry(void *arg)
{
	CopyEntry  *entry = arg;

	if (copy_stack == entry)
		copy_stack = entry->below;
}

static int
read_from_source(void *outbuf, int minread pg_attribute_unused(), int maxread)
{
	ErrorContextCallback *copy_context = error_context_stack;
	int			got;

	CHECK_FOR_INTERRUPTS();
	error_context_stack = copy_stack->outer_context;
	got = copy_stack->source(copy_stack->arg, outbuf, maxread);
	error_context_stack = copy_context;
	return got;
}

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
}

static List *
column_list(const char *const *columns, int ncolumns)
{
	List	   *list = NIL;

	for (int i = 0; i < ncolumns; i++)
		list = lappend(list, makeString(pstrdup(columns[i])));
	return list;
}

uint64
BillCopyInto(Oid partition, const char *const *columns, int ncolumns,
			 BillCopySource source, void *arg)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "finops copy",
												  ALLOCSET_SMALL_SIZES);
	MemoryContextCallback *callback;
	CopyEntry  *entry;
	Relation	rel = table_open(partition, RowExclusiveLock);
	ParseState *pstate = make_parsestate(NULL);
	CopyFromState cstate;
	uint64		lines;

	check_target(rel);
	(void) addRangeTableEntryForRelation(pstate, rel, RowExclusiveLock, NULL,
										 false, false);
	entry = MemoryContextAllocZero(context, sizeof(CopyEntry));
	entry->source = source;
	entry->arg = arg;
	entry->outer_context = error_context_stack;
	entry->below = copy_stack;
	callback = MemoryContextAllocZero(context, sizeof(MemoryContextCallback));
	callback->func = pop_entry;
	callback->arg = entry;
	MemoryContextRegisterResetCallback(context, callback);
	copy_stack = entry;

	cstate = BeginCopyFrom(pstate, rel, NULL, NULL, false, read_from_source,
						   column_list(columns, ncolumns),
						   list_make1(makeDefElem("encoding",
												  (Node *) makeString("UTF8"), -1)));
	lines = CopyFrom(cstate);
	EndCopyFrom(cstate);
	MemoryContextDelete(context);
	free_parsestate(pstate);
	table_close(rel, NoLock);
	CommandCounterIncrement();
	return lines;
}

/*-------------------------------------------------------------------------
 *
 * monitor_hook.c
 *	  Hooks for statements, access to relations, and logins.
 *
 * They are set only where the library is preloaded, and do nothing but test a
 * flag until a finops.track_... setting is on.
 *
 * Statements: those of the client only, not those within functions, which
 * depth tells apart.  A run is timed by two reads of the clock and two of the
 * buffer counters, kept in a static slot of the query (a cursor runs more
 * than once, and statements run between); what took less than
 * finops.track_min_duration is forgotten at its end without a lock, a copy or
 * an allocation.
 *
 * Access: relations of the extension, their partitions and nothing else.  A
 * local table says for each relation whether it is one, and where in shared
 * memory to count; catalogues are read once for each relation and session.
 * What finops' own functions read for their caller does not count.
 *
 * Logins: the server calls the hook after each authentication; one that
 * pg_hba.conf rejects has none.
 *
 * Base backups: what a process of replication leaves of its progress when it
 * ends.
 *
 *-------------------------------------------------------------------------
 */
#include "ops/monitor.h"

/*
 * libpq-be.h asks for headers of Kerberos and OpenSSL, which a build need not
 * have; what they declare stands behind all that is read here.
 */
#undef ENABLE_GSS
#undef USE_OPENSSL

#include "access/parallel.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "commands/progress.h"
#include "executor/executor.h"
#include "executor/instrument.h"
#include "libpq/auth.h"
#include "libpq/libpq-be.h"
#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"
#include "portability/instr_time.h"
#include "replication/walsender.h"
#include "storage/ipc.h"
#include "tcop/utility.h"
#include "utils/backend_status.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define SLOTS	16				/* queries of a session that are timed at once */

typedef struct Timed
{
	QueryDesc  *query;
	TimestampTz started;
	instr_time	elapsed;
	int64		blocks;
	int64		rows;
} Timed;

/* What a session knows of a relation. */
typedef struct Known
{
	Oid			relation;		/* hash key */
	Oid			counted;		/* itself or what it is a part of; InvalidOid: not of finops */
	Oid			role;			/* of entry */
	MonitorAccess *entry;		/* NULL: not looked up, or no room */
} Known;

static ExecutorStart_hook_type previous_start;
static ExecutorRun_hook_type previous_run;
static ExecutorFinish_hook_type previous_finish;
static ExecutorEnd_hook_type previous_end;
static ExecutorCheckPerms_hook_type previous_perms;
static ProcessUtility_hook_type previous_utility;
static ClientAuthentication_hook_type previous_authentication;

static int	depth;				/* of executor runs and utilities */
static int	timed_count;
static Timed timed[SLOTS];
static HTAB *known_relations;

/* ---------------------------------------------------------------------
 * Statements
 * ---------------------------------------------------------------------
 */

static inline int64
blocks_read(void)
{
	return pgBufferUsage.shared_blks_hit + pgBufferUsage.shared_blks_read +
		pgBufferUsage.local_blks_hit + pgBufferUsage.local_blks_read + pgBufferUsage.temp_blks_read;
}

static inline bool
tracks_statements(void)
{
	return finops_track_statements && MonitorMemory() != NULL && !IsParallelWorker();
}

static Timed *
find_timed(const QueryDesc *query)
{
	for (int i = 0; i < timed_count; i++)
		if (timed[i].query == query)
			return &timed[i];
	return NULL;
}

/* What an error left behind ends with its transaction. */
static void
forget_timed(XactEvent event pg_attribute_unused(), void *arg pg_attribute_unused())
{
	timed_count = 0;
}

static void
note(const Timed *t, const char *source, int location, int len, uint64 query_id, const char *kind)
{
	MonitorStatement s = {0};
	size_t		whole = strlen(source);

	s.database = MyDatabaseId;
	s.role = GetOuterUserId();
	s.started = t->started;
	s.elapsed_ms = INSTR_TIME_GET_MILLISEC(t->elapsed);
	s.rows = t->rows;
	s.blocks = t->blocks;
	s.query = query_id;
	strlcpy(s.kind, kind, MONITOR_KIND);
	if (location > 0 && (size_t) location <= whole)
	{
		source += location;
		whole -= location;
	}
	MonitorNoteStatement(&s, source, len > 0 && (size_t) len < whole ? (size_t) len : whole);
}

static inline bool
is_slow(const Timed *t)
{
	return INSTR_TIME_GET_MILLISEC(t->elapsed) >= finops_track_min_duration;
}

static void
start_query(QueryDesc *query, int flags)
{
	if (previous_start != NULL)
		previous_start(query, flags);
	else
		standard_ExecutorStart(query, flags);
	if (depth == 0 && tracks_statements() && !(flags & EXEC_FLAG_EXPLAIN_ONLY))
	{
		Timed	   *t = find_timed(query);

		/* a full table holds what errors left behind, or cursors by the dozen */
		if (t == NULL)
			t = &timed[timed_count < SLOTS ? timed_count++ : 0];
		t->query = query;
		t->started = GetCurrentStatementStartTimestamp();
		INSTR_TIME_SET_ZERO(t->elapsed);
		t->blocks = 0;
		t->rows = 0;
	}
}

static inline void
run_further(FINOPS_RUN_PARAMS)
{
	if (previous_run != NULL)
		previous_run(FINOPS_RUN_ARGS);
	else
		standard_ExecutorRun(FINOPS_RUN_ARGS);
}

/* Ends of runs, which may be nested: *t is looked up again, slots move. */
static void
add_run(const QueryDesc *query, instr_time start, int64 blocks, int64 rows)
{
	Timed	   *t = find_timed(query);
	instr_time	now;

	if (t == NULL)
		return;
	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_ACCUM_DIFF(t->elapsed, now, start);
	t->blocks += blocks_read() - blocks;
	t->rows += rows;
}

static void
run_deeper(FINOPS_RUN_PARAMS)
{
	depth++;
	PG_TRY();
	{
		run_further(FINOPS_RUN_ARGS);
	}
	PG_FINALLY();
	{
		depth--;
	}
	PG_END_TRY();
}

static void
run_query(FINOPS_RUN_PARAMS)
{
	bool		times = depth == 0 && timed_count > 0 && find_timed(query) != NULL;
	int64		blocks = 0;
	instr_time	start;

	if (!tracks_statements())
	{
		run_further(FINOPS_RUN_ARGS);
		return;
	}
	INSTR_TIME_SET_ZERO(start);
	if (times)
	{
		INSTR_TIME_SET_CURRENT(start);
		blocks = blocks_read();
	}
	run_deeper(FINOPS_RUN_ARGS);
	if (times)
		add_run(query, start, blocks, (int64) query->estate->es_processed);
}

static void
finish_query(QueryDesc *query)
{
	int64		blocks = blocks_read();
	instr_time	start;

	if (!tracks_statements())
	{
		if (previous_finish != NULL)
			previous_finish(query);
		else
			standard_ExecutorFinish(query);
		return;
	}
	INSTR_TIME_SET_CURRENT(start);
	depth++;
	PG_TRY();
	{
		if (previous_finish != NULL)
			previous_finish(query);
		else
			standard_ExecutorFinish(query);
	}
	PG_FINALLY();
	{
		depth--;
	}
	PG_END_TRY();
	if (depth == 0)
		add_run(query, start, blocks, 0);
}

static const char *
kind_of(CmdType operation)
{
	switch (operation)
	{
		case CMD_SELECT:
			return "SELECT";
		case CMD_INSERT:
			return "INSERT";
		case CMD_UPDATE:
			return "UPDATE";
		case CMD_DELETE:
			return "DELETE";
		default:
			return "";
	}
}

static void
end_query(QueryDesc *query)
{
	Timed	   *t = depth == 0 && timed_count > 0 ? find_timed(query) : NULL;

	if (t != NULL)
	{
		if (is_slow(t) && tracks_statements() && query->sourceText != NULL)
			note(t, query->sourceText, query->plannedstmt->stmt_location, query->plannedstmt->stmt_len,
				 query->plannedstmt->queryId, kind_of(query->operation));
		*t = timed[--timed_count];
	}
	if (previous_end != NULL)
		previous_end(query);
	else
		standard_ExecutorEnd(query);
}

/* Statements that only name another one, which the executor's hooks see. */
static bool
is_apart(const Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_ExecuteStmt:
		case T_PrepareStmt:
		case T_DeallocateStmt:
		case T_DeclareCursorStmt:
		case T_FetchStmt:
		case T_TransactionStmt:
			return false;
		default:
			return true;
	}
}

static inline void
utility_further(PlannedStmt *planned, const char *source, bool read_only_tree,
				ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *environment,
				DestReceiver *dest, QueryCompletion *done)
{
	if (previous_utility != NULL)
		previous_utility(planned, source, read_only_tree, context, params, environment, dest, done);
	else
		standard_ProcessUtility(planned, source, read_only_tree, context, params, environment, dest, done);
}

static void
run_utility(PlannedStmt *planned, const char *source, bool read_only_tree, ProcessUtilityContext context,
			ParamListInfo params, QueryEnvironment *environment, DestReceiver *dest, QueryCompletion *done)
{
	/* the statement may be gone when it has run */
	int			location = planned->stmt_location,
				len = planned->stmt_len;
	uint64		query_id = planned->queryId;
	int64		blocks = blocks_read();
	Timed		t = {0};
	instr_time	start,
				now;

	if (!tracks_statements() || !is_apart(planned->utilityStmt))
	{
		utility_further(planned, source, read_only_tree, context, params, environment, dest, done);
		return;
	}
	t.started = GetCurrentStatementStartTimestamp();
	INSTR_TIME_SET_CURRENT(start);
	depth++;
	PG_TRY();
	{
		utility_further(planned, source, read_only_tree, context, params, environment, dest, done);
	}
	PG_FINALLY();
	{
		depth--;
	}
	PG_END_TRY();
	if (depth > 0)
		return;
	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_ACCUM_DIFF(t.elapsed, now, start);
	t.blocks = blocks_read() - blocks;
	t.rows = done != NULL ? (int64) done->nprocessed : 0;
	if (is_slow(&t) && source != NULL)
		note(&t, source, location, len, query_id, "");
}

/* ---------------------------------------------------------------------
 * Access
 * ---------------------------------------------------------------------
 */

static void
forget_relation(Datum arg pg_attribute_unused(), Oid relation)
{
	HASH_SEQ_STATUS all;
	Known	   *known;

	if (known_relations == NULL)
		return;
	if (OidIsValid(relation))
	{
		(void) hash_search(known_relations, &relation, HASH_REMOVE, NULL);
		return;
	}
	hash_seq_init(&all, known_relations);
	while ((known = hash_seq_search(&all)) != NULL)
		(void) hash_search(known_relations, &known->relation, HASH_REMOVE, NULL);
}

static void
make_known_relations(void)
{
	HASHCTL		control = {0};

	control.keysize = sizeof(Oid);
	control.entrysize = sizeof(Known);
	control.hcxt = CacheMemoryContext;
	known_relations = hash_create("finops relations", 256, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	CacheRegisterRelcacheCallback(forget_relation, (Datum) 0);
}

/* The relation of the extension that this is, or is a partition of. */
static Oid
counted_as(Oid relation)
{
	Oid			extension = get_extension_oid("finops", true);
	Oid			at = relation;

	if (!OidIsValid(extension))
		return InvalidOid;
	if (get_rel_relispartition(relation))
	{
		List	   *ancestors = get_partition_ancestors(relation);

		/* none while it is being detached */
		if (ancestors != NIL)
			at = llast_oid(ancestors);
	}
	return getExtensionOfObject(RelationRelationId, at) == extension ? at : InvalidOid;
}

static Known *
know(Oid relation)
{
	Known	   *known = hash_search(known_relations, &relation, HASH_FIND, NULL);
	Oid			counted;

	if (known != NULL)
		return known;
	/* reading catalogues may forget entries, so the entry is made last */
	counted = counted_as(relation);
	known = hash_search(known_relations, &relation, HASH_ENTER, NULL);
	known->counted = counted;
	known->role = InvalidOid;
	known->entry = NULL;
	return known;
}

static void
count_access(Oid relation, AclMode required)
{
	static const AclMode modes[MONITOR_ACCESS_TYPES] = {ACL_SELECT, ACL_INSERT, ACL_UPDATE, ACL_DELETE};
	Known	   *known = know(relation);
	Oid			role = GetOuterUserId();

	if (!OidIsValid(known->counted))
		return;
	if (known->role != role || known->entry == NULL)
	{
		known->entry = MonitorFindAccess(role, known->counted);
		known->role = role;
		if (known->entry == NULL)
			return;
	}
	for (int t = 0; t < MONITOR_ACCESS_TYPES; t++)
		if (required & modes[t])
		{
			pg_atomic_fetch_add_u64(&known->entry->count[t], 1);
			pg_atomic_write_u64(&known->entry->last[t], (uint64) GetCurrentStatementStartTimestamp());
		}
}

static bool
check_permissions(FINOPS_PERMS_PARAMS)
{
	ListCell   *cell;

	if (previous_perms != NULL && !previous_perms(FINOPS_PERMS_ARGS))
		return false;
	if (!finops_track_access || MonitorMemory() == NULL || IsParallelWorker() || FinopsInSession())
		return true;
	if (known_relations == NULL)
		make_known_relations();
	foreach(cell, checked)
	{
#if PG_VERSION_NUM >= 160000
		const RTEPermissionInfo *right = lfirst_node(RTEPermissionInfo, cell);
#else
		const RangeTblEntry *right = lfirst_node(RangeTblEntry, cell);

		if (right->rtekind != RTE_RELATION)
			continue;
#endif
		if (right->relid >= FirstNormalObjectId && right->requiredPerms != 0)
			count_access(right->relid, right->requiredPerms);
	}
	return true;
}

/* ---------------------------------------------------------------------
 * Logins
 * ---------------------------------------------------------------------
 */

/*
 * The last progress of a base backup stays with its process: under way still
 * where an error ended it, ended where it was done.  Other connections of
 * replication have none.
 */
static void
note_backup(int code pg_attribute_unused(), Datum arg pg_attribute_unused())
{
	const PgBackendStatus *status = MyBEEntry;

	if (status != NULL && status->st_progress_param[PROGRESS_BASEBACKUP_PHASE] > 0)
		MonitorNoteBackup(status->st_proc_start_timestamp,
						  status->st_progress_param[PROGRESS_BASEBACKUP_BACKUP_STREAMED],
						  status->st_progress_command == PROGRESS_COMMAND_INVALID);
}

static void
note_authentication(Port *port, int status)
{
	if (previous_authentication != NULL)
		previous_authentication(port, status);
	/* a client that hangs up to ask for a password has not failed */
	if (finops_track_logins && MonitorMemory() != NULL && status != STATUS_EOF && port->user_name != NULL)
		MonitorNoteLogin(port->user_name, status == STATUS_OK);
	if (am_walsender && status == STATUS_OK && MonitorMemory() != NULL)
		before_shmem_exit(note_backup, (Datum) 0);
}

void
MonitorInit(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	MonitorShareMemory();
	RegisterXactCallback(forget_timed, NULL);
	previous_start = ExecutorStart_hook;
	ExecutorStart_hook = start_query;
	previous_run = ExecutorRun_hook;
	ExecutorRun_hook = run_query;
	previous_finish = ExecutorFinish_hook;
	ExecutorFinish_hook = finish_query;
	previous_end = ExecutorEnd_hook;
	ExecutorEnd_hook = end_query;
	previous_perms = ExecutorCheckPerms_hook;
	ExecutorCheckPerms_hook = check_permissions;
	previous_utility = ProcessUtility_hook;
	ProcessUtility_hook = run_utility;
	previous_authentication = ClientAuthentication_hook;
	ClientAuthentication_hook = note_authentication;
}

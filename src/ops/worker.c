/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  A statement in a session of its own, in this database or another.
 *
 * A procedure that commits, or VACUUM, cannot run within the transaction in
 * which finops.run_job catches errors; and pg_cron's functions exist in one
 * database only.  Both are done by a background worker that connects as the
 * caller, runs one statement and leaves its answer or its error in shared
 * memory.  Whatever ends the wait, also the end of this session, ends the
 * worker.
 *
 *-------------------------------------------------------------------------
 */
#include "ops/ops.h"

#include "access/xact.h"
#include "libpq/pqsignal.h"
#include "parser/analyze.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/pquery.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/ps_status.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

/* its last argument but three went in 18 */
#if PG_VERSION_NUM >= 180000
#define RUN_PORTAL(portal, receiver, done) \
	PortalRun(portal, FETCH_ALL, true, receiver, receiver, done)
#else
#define RUN_PORTAL(portal, receiver, done) \
	PortalRun(portal, FETCH_ALL, true, true, receiver, receiver, done)
#endif

PG_FUNCTION_INFO_V1(finops_run_in_worker);

extern PGDLLEXPORT void FinopsJobWorker(Datum main_arg);

#define ANSWER_SIZE	(256 * 1024)
#define MESSAGE_SIZE 1024

typedef enum TaskState
{
	TASK_STARTED,				/* and, once the worker is gone: broken off */
	TASK_SUCCEEDED,
	TASK_FAILED
} TaskState;

/* What the two share. */
typedef struct Task
{
	Oid			database;
	Oid			role;
	bool		answers;		/* a query whose first value is wanted */
	TaskState	state;
	int			sqlerrcode;
	char		message[MESSAGE_SIZE];
	char		detail[MESSAGE_SIZE];
	char		hint[MESSAGE_SIZE];
	char		answer[ANSWER_SIZE];	/* empty for SQL NULL */
	char		sql[FLEXIBLE_ARRAY_MEMBER];
} Task;

/* ---------------------------------------------------------------------
 * The worker
 * ---------------------------------------------------------------------
 */

/* A query; its first value as text is the answer. */
static void
run_query(Task *task)
{
	char	   *value = NULL;

	StartTransactionCommand();
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	PushActiveSnapshot(GetTransactionSnapshot());
	if (SPI_execute(task->sql, false, 0) < 0)
		elog(ERROR, "SPI_execute failed");
	if (SPI_processed > 0 && SPI_tuptable != NULL)
		value = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	if (value != NULL && strlcpy(task->answer, value, ANSWER_SIZE) >= ANSWER_SIZE)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the answer is too long")));
	PopActiveSnapshot();
	SPI_finish();
	CommitTransactionCommand();
}

/*
 * One statement as if a client had sent it, so that it may commit: its plan
 * must not be in the memory of a transaction.
 */
static void
run_statement(const char *sql)
{
	MemoryContext context = CurrentMemoryContext;
	List	   *parsed;
	RawStmt    *raw;
	List	   *plans;
	Portal		portal;
	DestReceiver *receiver;
	QueryCompletion done;
	bool		snapshot;

	StartTransactionCommand();
	MemoryContextSwitchTo(context);
	parsed = pg_parse_query(sql);
	if (list_length(parsed) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("the command of a job must be one statement")));
	raw = linitial_node(RawStmt, parsed);
	snapshot = analyze_requires_snapshot(raw);
	if (snapshot)
		PushActiveSnapshot(GetTransactionSnapshot());
	plans = pg_plan_queries(pg_analyze_and_rewrite_fixedparams(raw, sql, NULL, 0, NULL), sql,
							CURSOR_OPT_PARALLEL_OK, NULL);
	if (snapshot)
		PopActiveSnapshot();

	portal = CreatePortal("", true, true);
	portal->visible = false;
	PortalDefineQuery(portal, NULL, sql, CreateCommandTag(raw->stmt), plans, NULL);
	PortalStart(portal, NULL, 0, InvalidSnapshot);
	receiver = CreateDestReceiver(DestNone);
	(void) RUN_PORTAL(portal, receiver, &done);
	receiver->rDestroy(receiver);
	PortalDrop(portal, false);
	CommitTransactionCommand();
}

static void
keep_error(Task *task)
{
	ErrorData  *error;

	MemoryContextSwitchTo(TopMemoryContext);
	error = CopyErrorData();
	FlushErrorState();
	task->sqlerrcode = error->sqlerrcode;
	strlcpy(task->message, error->message == NULL ? "" : error->message, MESSAGE_SIZE);
	strlcpy(task->detail, error->detail == NULL ? "" : error->detail, MESSAGE_SIZE);
	strlcpy(task->hint, error->hint == NULL ? "" : error->hint, MESSAGE_SIZE);
	task->state = TASK_FAILED;
}

void
FinopsJobWorker(Datum main_arg)
{
	dsm_segment *segment;
	Task	   *task;

	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	CurrentResourceOwner = ResourceOwnerCreate(NULL, "finops job");
	segment = dsm_attach(DatumGetUInt32(main_arg));
	if (segment == NULL)
		proc_exit(0);			/* who asked for it is gone */
	dsm_pin_mapping(segment);
	task = dsm_segment_address(segment);

	PG_TRY();
	{
		BackgroundWorkerInitializeConnectionByOid(task->database, task->role, 0);
		SetConfigOption("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION);
		SetCurrentStatementStartTimestamp();
		pgstat_report_activity(STATE_RUNNING, task->sql);
		MemoryContextSwitchTo(AllocSetContextCreate(TopMemoryContext, "finops job", ALLOCSET_DEFAULT_SIZES));
		if (task->answers)
			run_query(task);
		else
			run_statement(task->sql);
		task->state = TASK_SUCCEEDED;
	}
	PG_CATCH();
	{
		/* the end of the process aborts the transaction */
		HOLD_INTERRUPTS();
		keep_error(task);
	}
	PG_END_TRY();
	proc_exit(0);
}

/* ---------------------------------------------------------------------
 * Who asks for it
 * ---------------------------------------------------------------------
 */

/* Ends a worker and waits a little, so that no lock of a job outlives its run. */
static void
end_worker(int code pg_attribute_unused(), Datum arg)
{
	BackgroundWorkerHandle *handle = (BackgroundWorkerHandle *) DatumGetPointer(arg);
	pid_t		pid;

	TerminateBackgroundWorker(handle);
	for (int i = 0; i < 500 && GetBackgroundWorkerPid(handle, &pid) != BGWH_STOPPED; i++)
		pg_usleep(10000L);
}

static BackgroundWorkerHandle *
start_worker(dsm_segment *segment)
{
	BackgroundWorker worker = {0};
	BackgroundWorkerHandle *handle;

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker.bgw_library_name, "finops", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "FinopsJobWorker", sizeof(worker.bgw_function_name));
	strlcpy(worker.bgw_name, "finops job", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "finops job", BGW_MAXLEN);
	worker.bgw_main_arg = UInt32GetDatum(dsm_segment_handle(segment));
	worker.bgw_notify_pid = MyProcPid;
	if (!RegisterDynamicBackgroundWorker(&worker, &handle))
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("no background worker is free"),
				 errdetail("A procedure that commits, and pg_cron in another database, need one."),
				 errhint("Raise max_worker_processes and restart.")));
	return handle;
}

static void
wait_for_worker(BackgroundWorkerHandle *handle)
{
	pid_t		pid;

	while (GetBackgroundWorkerPid(handle, &pid) != BGWH_STOPPED)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 200, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

/*
 * Runs sql as the caller in a database; where answers is set it is a query,
 * and its first value as text is returned.  Errors are raised here.
 */
char *
OpsRunElsewhere(Oid database, const char *sql, bool answers)
{
	dsm_segment *segment = dsm_create(offsetof(Task, sql) + strlen(sql) + 1, 0);
	Task	   *task = dsm_segment_address(segment);
	BackgroundWorkerHandle *handle;
	char	   *answer;

	if (InSecurityRestrictedOperation())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("cannot start a session within a security-restricted operation")));
	memset(task, 0, offsetof(Task, sql));
	task->database = database;
	task->role = GetUserId();
	task->answers = answers;
	strcpy(task->sql, sql);
	handle = start_worker(segment);
	PG_ENSURE_ERROR_CLEANUP(end_worker, PointerGetDatum(handle));
	{
		wait_for_worker(handle);
	}
	PG_END_ENSURE_ERROR_CLEANUP(end_worker, PointerGetDatum(handle));
	if (task->state == TASK_STARTED)
		ereport(ERROR,
				(errcode(ERRCODE_ADMIN_SHUTDOWN),
				 errmsg("the session of the statement ended before it did"),
				 errhint("The server's log says why.")));
	if (task->state == TASK_FAILED)
		ereport(ERROR,
				(errcode(task->sqlerrcode),
				 errmsg("%s", task->message),
				 task->detail[0] != '\0' ? errdetail("%s", task->detail) : 0,
				 task->hint[0] != '\0' ? errhint("%s", task->hint) : 0));
	answer = pstrdup(task->answer);
	dsm_detach(segment);
	return answer;
}

/* finops.run_in_worker(command text): part of finops.run_job */
Datum
finops_run_in_worker(PG_FUNCTION_ARGS)
{
	FinopsRequireArg(fcinfo, 0, "command");
	(void) OpsRunElsewhere(MyDatabaseId, text_to_cstring(PG_GETARG_TEXT_PP(0)), false);
	PG_RETURN_VOID();
}

/*-------------------------------------------------------------------------
 *
 * jobs.c
 *	  The registry of jobs and their runs.
 *
 * A run is recorded as started in a transaction of its own, then the command
 * of the job runs with the rights of the caller, then its end is recorded;
 * the procedure in ops.sql commits in between, and tries again where the job
 * has attempts left.  One run of a job at a time: the lock is held from start
 * to finish, so a run that is still recorded as started while the lock is free
 * belongs to a session that went away.
 *
 * A person who calls finops.run_job wants the job to run now; guards and
 * dependencies are for schedulers, which say that they are one.
 *
 *-------------------------------------------------------------------------
 */
#include "ops/ops.h"

#include "storage/latch.h"
#include "utils/jsonb.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(finops_start_job);
PG_FUNCTION_INFO_V1(finops_limit_job);
PG_FUNCTION_INFO_V1(finops_finish_job);
PG_FUNCTION_INFO_V1(finops_fail_job);
PG_FUNCTION_INFO_V1(finops_due_jobs);
PG_FUNCTION_INFO_V1(finops_close_lost_runs);
PG_FUNCTION_INFO_V1(finops_set_job);

/* One job as it counts. */
typedef struct Job
{
	char	   *name;
	char	   *schedule;
	char	   *time_zone;
	char	   *guard;
	char	   *command;
	bool		depends;
} Job;

static char *
job_lock_name(const char *job)
{
	return psprintf("job %s", job);
}

pg_noreturn static void
no_such_job(const char *name)
{
	FINOPS_RUN0("SELECT string_agg(job_name, ', ' ORDER BY job_name COLLATE \"C\") FROM finops.job_registry");
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("there is no job \"%s\"", FinopsQuoteForMessage(name)),
			 errdetail("Jobs are %s.", FinopsText(0, 1)),
			 errhint("Add one with SELECT finops.set_job('%s', schedule => '0 3 * * *', command => 'SELECT ...').",
					 FinopsQuoteForMessage(name))));
}

static Job
read_job(char *name)
{
	Job			job = {.name = name};

	if (FINOPS_RUN("SELECT schedule, time_zone, guard, command, depends_on <> '{}' FROM finops.job_registry"
				   " WHERE job_name = $1", ARG_TEXT(name)) == 0)
		no_such_job(name);
	job.schedule = FinopsText(0, 1);
	job.time_zone = FinopsText(0, 2);
	job.guard = FinopsText(0, 3);
	job.command = FinopsText(0, 4);
	job.depends = FinopsText(0, 5)[0] == 't';
	return job;
}

/* ---------------------------------------------------------------------
 * What keeps a job from running
 * ---------------------------------------------------------------------
 */

/* A line of JSON in the server's log for whoever collects it. */
static void
log_run(const char *json)
{
	ereport(LOG_SERVER_ONLY,
			(errmsg_internal("finops job: %s", json), errhidestmt(true), errhidecontext(true)));
}

#define LOG_FIELDS \
	"jsonb_strip_nulls(jsonb_build_object('job', r.job_name, 'run_id', r.run_id, 'status', r.status, 'attempt', r.attempt," \
	" 'scheduled', r.scheduled, 'skipped_for', r.skipped_for, 'error', r.error_message, 'database', current_database()," \
	" 'role', r.executed_by, 'started_at', r.started_at, 'rows', CASE WHEN jsonb_typeof(r.detail) = 'array'" \
	"  THEN jsonb_array_length(r.detail) END," \
	" 'seconds', round(extract(epoch FROM r.finished_at - r.started_at), 3)))::text"

/* Records a run that does not take place; its row is the last result. */
static void
skip(const FinopsSession *session, const Job *job, bool scheduled, const char *cause, const char *reason)
{
	FINOPS_RUN("INSERT INTO finops.job_run AS r (job_name, status, finished_at, executed_by, error_message, scheduled, skipped_for)"
			   " VALUES ($1, 'skipped', clock_timestamp(), $2, $3, $4, $5)"
			   " RETURNING r.run_id, NULL::text, r.error_message, " LOG_FIELDS,
			   ARG_TEXT(job->name), ARG_TEXT(FinopsCallerName(session)), ARG_TEXT(reason),
			   ARG_BOOL(scheduled), ARG_TEXT(cause));
	log_run(FinopsText(0, 4));
	FINOPS_RUN("SELECT $1, NULL::text, $2", ARG_INT8(FinopsInt64(0, 1)), ARG_TEXT(reason));
}

/* Not due so shortly before, or run since: a scheduler that fires too often. */
static bool
is_due(const Job *job, FinopsArg within)
{
	TimestampTz due;

	if (within.isnull || job->schedule == NULL)
		return true;
	if (!OpsDueBefore(job->schedule, NULL, job->time_zone, GetCurrentTimestamp(), &due))
		return false;
	FINOPS_RUN("SELECT $1 >= clock_timestamp() - $2 AND NOT EXISTS (SELECT FROM finops.job_run"
			   " WHERE job_name = $3 AND scheduled AND status <> 'skipped' AND started_at >= $1)",
			   ARG_DATUM(TIMESTAMPTZOID, TimestampTzGetDatum(due), false), within, ARG_TEXT(job->name));
	return FinopsText(0, 1)[0] == 't';
}

/* Each dependency: whether it runs now, and whether it succeeded when it was due. */
#define DEPENDENCIES \
	"SELECT d.name, EXISTS (SELECT FROM finops.job_run x WHERE x.job_name = d.name AND x.status = 'started')," \
	" EXISTS (SELECT FROM finops.job_run x WHERE x.job_name = d.name AND x.status = 'succeeded' AND x.started_at >= s.since)," \
	" coalesce((SELECT x.status FROM finops.job_run x WHERE x.job_name = d.name AND x.started_at >= s.since" \
	"  ORDER BY x.run_id DESC LIMIT 1), 'not started'), to_char(s.since, 'YYYY-MM-DD HH24:MI')" \
	" FROM finops.job_registry j, unnest(j.depends_on) AS d(name)" \
	" LEFT JOIN finops.job_registry r ON r.job_name = d.name," \
	" LATERAL (SELECT coalesce(finops.due_before(r.schedule, r.guard, r.time_zone, clock_timestamp())," \
	"  clock_timestamp() - interval '1 day') AS since) s" \
	" WHERE j.job_name = $1 AND coalesce(r.enabled, true)"

/*
 * Why a job cannot run yet by what it depends on; NULL where it can.  A
 * dependency that runs is waited for: its lock is free when it ends.
 */
static char *
unmet_dependency(const Job *job)
{
	uint64		n;

	if (!job->depends)
		return NULL;
	n = FINOPS_RUN(DEPENDENCIES, ARG_TEXT(job->name));
	for (uint64 i = 0; i < n; i++)
		if (FinopsText(i, 2)[0] == 't' && FinopsText(i, 3)[0] == 'f')
		{
			SPITupleTable *rows = SPI_tuptable;
			char	   *lock = job_lock_name(FinopsText(i, 1));

			(void) OpsHold(lock, true);
			OpsRelease(lock);
			/* the lock is given back shortly before the end is committed */
			FINOPS_RUN("SELECT FROM finops.job_run WHERE job_name = $1 AND status = 'started' FOR SHARE",
					   ARG_TEXT(SPI_getvalue(rows->vals[i], rows->tupdesc, 1)));
			SPI_tuptable = rows;
		}
	n = FINOPS_RUN(DEPENDENCIES, ARG_TEXT(job->name));
	for (uint64 i = 0; i < n; i++)
		if (FinopsText(i, 3)[0] == 'f')
			return psprintf("it depends on job \"%s\", which was due %s UTC and is %s", FinopsText(i, 1),
							FinopsText(i, 5), FinopsText(i, 4));
	return NULL;
}

/* Runs whose lock is free though they never ended. */
static int64
close_lost_runs(void)
{
	uint64		n = FINOPS_RUN0("SELECT DISTINCT job_name FROM finops.job_run WHERE status = 'started'");
	SPITupleTable *rows = SPI_tuptable;
	int64		closed = 0;

	for (uint64 i = 0; i < n; i++)
	{
		char	   *job = SPI_getvalue(rows->vals[i], rows->tupdesc, 1);

		if (!OpsHold(job_lock_name(job), false))
			continue;
		closed += (int64) FINOPS_RUN("UPDATE finops.job_run r SET status = 'failed', finished_at = clock_timestamp(),"
									 " error_message = 'the session ended before the job did'"
									 " WHERE job_name = $1 AND status = 'started' RETURNING " LOG_FIELDS, ARG_TEXT(job));
		for (uint64 k = 0; k < SPI_processed; k++)
			log_run(FinopsText(k, 1));
		OpsRelease(job_lock_name(job));
	}
	return closed;
}

/* Whether a scheduled run may begin; where not, its skipped row is the last result. */
static bool
may_begin(const FinopsSession *session, const Job *job)
{
	char	   *refusal;

	FINOPS_RUN("INSERT INTO finops.job_schedule (job_name) VALUES ($1) ON CONFLICT DO NOTHING", ARG_TEXT(job->name));
	refusal = OpsGuardRefusal(job->name, job->guard, job->time_zone, GetCurrentTimestamp());
	if (refusal != NULL)
	{
		skip(session, job, true, strstr(refusal, "are active") != NULL ? "load" : "guard", refusal);
		return false;
	}
	refusal = unmet_dependency(job);
	if (refusal != NULL)
		skip(session, job, true, "dependency", refusal);
	return refusal == NULL;
}

/*
 * finops.start_job(name text, scheduled boolean, attempt integer, due_within
 *					interval) → TABLE(run_id bigint, command text, reason text)
 *
 * Records an attempt; the command is NULL where the job is not to run, the
 * reason too where nothing is to be said about it.  The lock is taken with
 * the first attempt and kept for the others.
 */
Datum
finops_start_job(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	Job			job;
	bool		scheduled;
	int32		attempt;

	FinopsRequireArg(fcinfo, 0, "job name");
	FinopsRequireArg(fcinfo, 1, "scheduled");
	FinopsRequireWritable("finops.run_job()");
	scheduled = PG_GETARG_BOOL(1);
	attempt = PG_GETARG_INT32(2);
	FinopsBegin(&session);
	job = read_job(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	if (attempt == 1)
	{
		bool		begins = true;

		(void) close_lost_runs();
		if (scheduled && !is_due(&job, ARG_DATUM(INTERVALOID, PG_GETARG_DATUM(3), PG_ARGISNULL(3))))
		{
			FINOPS_RUN0("SELECT NULL::bigint, NULL::text, NULL::text");
			begins = false;
		}
		else if (scheduled)
			begins = may_begin(&session, &job);
		if (begins && !OpsHold(job_lock_name(job.name), false))
		{
			skip(&session, &job, scheduled, "overlap", "another session runs this job");
			begins = false;
		}
		if (!begins)
		{
			FinopsReturnRows(fcinfo);
			FinopsEnd(&session);
			return (Datum) 0;
		}
	}
	FINOPS_RUN("INSERT INTO finops.job_run (job_name, executed_by, attempt, scheduled, backend_pid)"
			   " VALUES ($1, $2, $3, $4, pg_backend_pid()) RETURNING run_id, $5::text, NULL::text",
			   ARG_TEXT(job.name), ARG_TEXT(FinopsCallerName(&session)), ARG_INT4(attempt),
			   ARG_BOOL(scheduled), ARG_TEXT(job.command));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

Datum
finops_close_lost_runs(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	int64		closed;

	FinopsRequireWritable("finops.close_lost_runs()");
	FinopsBegin(&session);
	closed = close_lost_runs();
	FinopsEnd(&session);
	PG_RETURN_INT64(closed);
}

/* ---------------------------------------------------------------------
 * The time limit
 *
 * statement_timeout is armed by the client's statement, and that is the CALL.
 * So the work has a timer of its own, which cancels it in the same way.
 * ---------------------------------------------------------------------
 */
static TimeoutId limit_timeout;
static bool limit_registered = false;
static volatile sig_atomic_t limit_reached = false;

static void
cancel_work(void)
{
	limit_reached = true;
	InterruptPending = true;
	QueryCancelPending = true;
	SetLatch(MyLatch);
}

/* Whether the limit was reached; a cancel that came after the work is void. */
static bool
end_limit(void)
{
	bool		reached;

	if (limit_registered)
		disable_timeout(limit_timeout, false);
	reached = limit_reached;
	if (reached)
		QueryCancelPending = false;
	limit_reached = false;
	return reached;
}

/* finops.limit_job(run_id bigint): begins the limit of a run, or ends it (NULL). */
Datum
finops_limit_job(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	bool		isnull = true;
	float8		seconds = 0;

	if (PG_ARGISNULL(0))
	{
		(void) end_limit();
		PG_RETURN_VOID();
	}
	FinopsBegin(&session);
	if (FINOPS_RUN("SELECT extract(epoch FROM j.time_limit)::float8 FROM finops.job_run r JOIN finops.job_registry j"
				   " ON j.job_name = r.job_name WHERE r.run_id = $1", ARG_INT8(PG_GETARG_INT64(0))) > 0)
	{
		Datum		limit = FinopsValue(0, 1, &isnull);

		if (!isnull)
			seconds = DatumGetFloat8(limit);
	}
	FinopsEnd(&session);
	limit_reached = false;
	if (isnull)
		PG_RETURN_VOID();
	if (!limit_registered)
	{
		limit_timeout = RegisterTimeout(USER_TIMEOUT, cancel_work);
		limit_registered = true;
	}
	enable_timeout_after(limit_timeout, Max(1, (int) (seconds * 1000)));
	PG_RETURN_VOID();
}

/* ---------------------------------------------------------------------
 * The end of a run
 * ---------------------------------------------------------------------
 */

/* A text argument; NULL and the empty text are NULL. */
static char *
optional_text(FunctionCallInfo fcinfo, int argno)
{
	char	   *value = PG_ARGISNULL(argno) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(argno));

	return value == NULL || value[0] == '\0' ? NULL : value;
}

/* "55000: message", then detail and hint where there are any. */
static char *
describe_error(const char *code, const char *message, const char *detail, const char *hint)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "%s: %s", code, message == NULL ? "" : message);
	if (detail != NULL)
		appendStringInfo(&buf, "\nDETAIL: %s", detail);
	if (hint != NULL)
		appendStringInfo(&buf, "\nHINT: %s", hint);
	return buf.data;
}

/*
 * Another attempt meets the same: the statement or its privileges are wrong,
 * the server is read-only, somebody or the time limit cancelled.
 */
static bool
is_final(const char *code)
{
	return strncmp(code, "42", 2) == 0 || strncmp(code, "0A", 2) == 0 || strcmp(code, "25006") == 0 ||
		strcmp(code, "57014") == 0;
}

/* Rows that report an error of their own; the others of the answer stay. */
static char *
error_in_rows(FinopsArg answer)
{
	if (answer.isnull ||
		FINOPS_RUN("SELECT count(*), min(e ->> 'error'), jsonb_array_length($1) FROM jsonb_array_elements($1) AS e"
				   " WHERE jsonb_typeof(e) = 'object' AND e ->> 'error' IS NOT NULL HAVING count(*) > 0", answer) == 0)
		return NULL;
	return psprintf("%s of %s rows report an error: %s", FinopsText(0, 1), FinopsText(0, 3), FinopsText(0, 2));
}

/*
 * finops.finish_job(run_id bigint, code text, message text, detail text, hint
 *					 text, answer jsonb)
 *	-> TABLE(code_of text, message_of text, wait float8)
 *
 * Records the end of an attempt.  Unless there is to be another, whose wait
 * doubles each time, the next run of the job may begin.
 */
Datum
finops_finish_job(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	FinopsArg	answer = {JSONBOID, PG_ARGISNULL(5) ? (Datum) 0 : PG_GETARG_DATUM(5), PG_ARGISNULL(5)};
	char	   *code = optional_text(fcinfo, 1);
	char	   *message = optional_text(fcinfo, 2);
	char	   *error = NULL;
	char	   *job = NULL;
	bool		again = false;
	bool		limit_ended = end_limit();

	FinopsRequireArg(fcinfo, 0, "run_id");
	FinopsBegin(&session);
	if (code == NULL && (message = error_in_rows(answer)) != NULL)
		code = "P0001";
	if (code != NULL && strcmp(code, "57014") == 0 && limit_ended)
		message = "canceled at its time limit";
	if (code != NULL)
		error = describe_error(code, message, optional_text(fcinfo, 3), optional_text(fcinfo, 4));
	if (FINOPS_RUN("UPDATE finops.job_run r SET status = CASE WHEN $2 IS NULL THEN 'succeeded' ELSE 'failed' END,"
				   " error_message = $2, detail = $3, finished_at = clock_timestamp()"
				   " WHERE run_id = $1 AND status = 'started' RETURNING r.job_name, " LOG_FIELDS,
				   ARG_INT8(PG_GETARG_INT64(0)), ARG_TEXT(error), answer) > 0)
	{
		job = FinopsText(0, 1);
		log_run(FinopsText(0, 2));
	}
	if (job != NULL && code != NULL && !is_final(code))
		again = FINOPS_RUN("SELECT $2, $3, extract(epoch FROM least(j.retry_delay * 2 ^ (r.attempt - 1), interval '1 hour'))::float8"
						   " FROM finops.job_run r JOIN finops.job_registry j ON j.job_name = r.job_name AND r.attempt <= j.max_retries"
						   " WHERE r.run_id = $1",
						   ARG_INT8(PG_GETARG_INT64(0)), ARG_TEXT(code), ARG_TEXT(message)) > 0;
	if (!again)
		FINOPS_RUN("SELECT $1, $2, NULL::float8", ARG_TEXT(code), ARG_TEXT(message));
	FinopsReturnRows(fcinfo);
	if (job != NULL && !again)
		OpsRelease(job_lock_name(job));
	FinopsEnd(&session);
	return (Datum) 0;
}

/*
 * finops.fail_job(name text, code text, message text, detail text, hint text)
 *
 * Raises the error of a job again, once it is recorded.
 */
Datum
finops_fail_job(PG_FUNCTION_ARGS)
{
	char	   *code = optional_text(fcinfo, 1);
	char	   *detail = optional_text(fcinfo, 3);
	char	   *hint = optional_text(fcinfo, 4);

	if (code == NULL || strlen(code) != 5)
		PG_RETURN_VOID();
	ereport(ERROR,
			(errcode(MAKE_SQLSTATE(code[0], code[1], code[2], code[3], code[4])),
			 errmsg("job \"%s\" failed: %s", PG_ARGISNULL(0) ? "" : text_to_cstring(PG_GETARG_TEXT_PP(0)),
					PG_ARGISNULL(2) ? "" : text_to_cstring(PG_GETARG_TEXT_PP(2))),
			 detail != NULL ? errdetail("%s", detail) : 0,
			 hint != NULL ? errhint("%s", hint) : 0));
	PG_RETURN_VOID();
}

/* ---------------------------------------------------------------------
 * The registry
 * ---------------------------------------------------------------------
 */

/* finops.due_jobs() → TABLE(job_name text, due_at timestamptz) */
Datum
finops_due_jobs(PG_FUNCTION_ARGS)
{
	FinopsSession session;

	FinopsBegin(&session);
	FINOPS_RUN0("WITH RECURSIVE todo AS (SELECT j.job_name, j.depends_on, d.due_at FROM finops.job_registry j,"
				"  LATERAL (SELECT finops.due_before(j.schedule, j.guard, j.time_zone, now()) AS due_at) d"
				"  WHERE j.enabled AND d.due_at > now() - interval '24 hours'"
				"  AND NOT EXISTS (SELECT FROM finops.job_run r WHERE r.job_name = j.job_name AND r.started_at >= d.due_at"
				"   AND r.status <> 'skipped')),"
				" level(job_name, n, after) AS (SELECT t.job_name, 0, t.due_at FROM todo t"
				"  UNION SELECT t.job_name, l.n + 1, greatest(l.after, t.due_at) FROM level l"
				"  JOIN todo t ON l.job_name = ANY (t.depends_on) WHERE l.n < 50)"
				" SELECT t.job_name, t.due_at FROM todo t JOIN (SELECT l.job_name, max(l.n) AS n, max(l.after) AS after"
				"  FROM level l GROUP BY 1) o ON o.job_name = t.job_name"
				" ORDER BY o.after, o.n, t.job_name COLLATE \"C\"");
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

/* What a job depends on exists and does not depend on it. */
static void
check_dependencies(const char *job)
{
	if (FINOPS_RUN("SELECT d.name FROM finops.job j, unnest(j.depends_on) AS d(name) WHERE j.job_name = $1 AND NOT j.shipped"
				   " AND NOT EXISTS (SELECT FROM finops.job_registry r WHERE r.job_name = d.name) LIMIT 1", ARG_TEXT(job)) > 0)
		no_such_job(FinopsText(0, 1));
	if (FINOPS_RUN("WITH RECURSIVE up(name) AS (SELECT d.name FROM finops.job_registry j, unnest(j.depends_on) AS d(name)"
				   "  WHERE j.job_name = $1 UNION SELECT d.name FROM up JOIN finops.job_registry j ON j.job_name = up.name,"
				   "  unnest(j.depends_on) AS d(name)) SELECT FROM up WHERE name = $1", ARG_TEXT(job)) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("job \"%s\" would depend on itself", FinopsQuoteForMessage(job)),
				 errdetail("A job that it depends on depends on it."),
				 errhint("Leave that job out of depends_on.")));
}

/*
 * finops.set_job(job_name, schedule, command, description, enabled, time_zone,
 *				  guard, depends_on, max_retries, retry_delay, time_limit,
 *				  late_after) → text
 *
 * What is NULL stays as it is.  Errors: 22004; 22023 schedule, guard, time
 * zone, dependency, a new job without a command; 23514 what the table refuses.
 */
Datum
finops_set_job(PG_FUNCTION_ARGS)
{
	static const Oid types[] = {
		TEXTOID, TEXTOID, TEXTOID, TEXTOID, BOOLOID, TEXTOID, TEXTOID, TEXTARRAYOID, INT4OID, INTERVALOID,
		INTERVALOID, INTERVALOID,
	};
	FinopsArg	args[lengthof(types)];
	FinopsSession session;
	char	   *job;

	FinopsRequireArg(fcinfo, 0, "job_name");
	FinopsRequireWritable("finops.set_job()");
	job = text_to_cstring(PG_GETARG_TEXT_PP(0));
	if (!PG_ARGISNULL(7) && ARR_NDIM(PG_GETARG_ARRAYTYPE_P(7)) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("depends_on must be a list of jobs"),
				 errhint("Use '{ingest,tag-sync}'.")));
	for (size_t i = 0; i < lengthof(types); i++)
		args[i] = ARG_DATUM(types[i], PG_ARGISNULL(i) ? (Datum) 0 : PG_GETARG_DATUM(i), PG_ARGISNULL(i));
	FinopsBegin(&session);
	FinopsRun("INSERT INTO finops.job AS j (job_name, schedule, command, description, enabled, time_zone, guard, depends_on,"
			  "  max_retries, retry_delay, time_limit, late_after) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
			  " ON CONFLICT (job_name, shipped) DO UPDATE SET schedule = coalesce($2, j.schedule), command = coalesce($3, j.command),"
			  "  description = coalesce($4, j.description), enabled = coalesce($5, j.enabled), time_zone = coalesce($6, j.time_zone),"
			  "  guard = coalesce($7, j.guard), depends_on = coalesce($8, j.depends_on), max_retries = coalesce($9, j.max_retries),"
			  "  retry_delay = coalesce($10, j.retry_delay), time_limit = coalesce($11, j.time_limit),"
			  "  late_after = coalesce($12, j.late_after)", lengthof(types), args);
	if (FINOPS_RUN("SELECT FROM finops.job_registry WHERE job_name = $1", ARG_TEXT(job)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a new job needs a command"),
				 errhint("Run SELECT finops.set_job('%s', schedule => '0 3 * * *', command => 'SELECT ...').",
						 FinopsQuoteForMessage(job))));
	check_dependencies(job);
	FINOPS_RUN("SELECT jsonb_strip_nulls(to_jsonb(j))::text FROM finops.job j WHERE job_name = $1 AND NOT shipped", ARG_TEXT(job));
	FinopsAudit(&session, "set_job", "job", job, FinopsText(0, 1));
	FinopsEnd(&session);
	PG_RETURN_TEXT_P(cstring_to_text(job));
}

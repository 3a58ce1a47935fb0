/*-------------------------------------------------------------------------
 *
 * jobs.c
 *	  The registry of jobs: their runs, and their place in pg_cron.
 *
 * A run is recorded as started in a transaction of its own, then the command
 * of the job runs with the rights of the caller, then its end is recorded;
 * the procedure in ops.sql commits in between.  One run of a job at a time:
 * the lock is held from start to finish, so a run that is still recorded as
 * started while the lock is free belongs to a session that went away.
 *
 * pg_cron is never required.  Its functions exist in one database of the
 * server only; from any other we can but say what to run there.
 *
 *-------------------------------------------------------------------------
 */
#include "ops/ops.h"

#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "common/hashfn.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"

PG_FUNCTION_INFO_V1(finops_start_job);
PG_FUNCTION_INFO_V1(finops_finish_job);
PG_FUNCTION_INFO_V1(finops_fail_job);
PG_FUNCTION_INFO_V1(finops_schedule_jobs);
PG_FUNCTION_INFO_V1(finops_unschedule_jobs);
PG_FUNCTION_INFO_V1(finops_purge_job_runs);

/* The registry as it counts: a row of the user before the shipped one. */
#define JOBS "(SELECT DISTINCT ON (job_name) * FROM finops.job ORDER BY job_name, shipped)"

static char *
job_lock_name(const char *job)
{
	return psprintf("job %s", job);
}

/* The command of a job; 22023 with the names there are. */
static char *
job_command(const char *job)
{
	if (FINOPS_RUN("SELECT command FROM " JOBS " j WHERE job_name = $1", ARG_TEXT(job)) > 0)
		return FinopsText(0, 1);
	FINOPS_RUN0("SELECT string_agg(job_name, ', ' ORDER BY job_name COLLATE \"C\") FROM " JOBS " j");
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("there is no job \"%s\"", FinopsQuoteForMessage(job)),
			 errdetail("Jobs are %s.", FinopsText(0, 1)),
			 errhint("Add one with INSERT INTO finops.job (job_name, schedule, command, description).")));
	return NULL;
}

/*
 * finops.start_job(name text) → TABLE(run_id bigint, command text): records
 * a run; the command is NULL where another session runs the job, which is
 * recorded as skipped.
 */
Datum
finops_start_job(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *job;
	char	   *command;

	FinopsRequireArg(fcinfo, 0, "job name");
	FinopsRequireWritable("finops.run_job()");
	job = text_to_cstring(PG_GETARG_TEXT_PP(0));
	FinopsBegin(&session);
	command = job_command(job);
	if (!OpsHold(job_lock_name(job), false))
		FINOPS_RUN("INSERT INTO finops.job_run (job_name, status, finished_at, executed_by, error_message)"
				   " VALUES ($1, 'skipped', clock_timestamp(), $2, 'another session runs this job')"
				   " RETURNING run_id, NULL::text",
				   ARG_TEXT(job), ARG_TEXT(FinopsCallerName(&session)));
	else
	{
		FINOPS_RUN("UPDATE finops.job_run SET status = 'failed', finished_at = clock_timestamp(),"
				   " error_message = 'the session ended before the job did'"
				   " WHERE job_name = $1 AND status = 'started'", ARG_TEXT(job));
		FINOPS_RUN("INSERT INTO finops.job_run (job_name, executed_by) VALUES ($1, $2)"
				   " RETURNING run_id, $3::text",
				   ARG_TEXT(job), ARG_TEXT(FinopsCallerName(&session)), ARG_TEXT(command));
	}
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

/* A text argument; NULL and the empty text are NULL. */
static char *
optional_text(FunctionCallInfo fcinfo, int argno)
{
	char	   *value = PG_ARGISNULL(argno) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(argno));

	return value == NULL || value[0] == '\0' ? NULL : value;
}

/* "55000: message", then detail and hint where there are any. */
static char *
describe_error(FunctionCallInfo fcinfo)
{
	static const char *const label[] = {"", ": ", "\nDETAIL: ", "\nHINT: "};
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < 4; i++)
	{
		char	   *part = optional_text(fcinfo, i + 1);

		if (part != NULL)
			appendStringInfo(&buf, "%s%s", label[i], part);
	}
	return buf.data;
}

/*
 * finops.finish_job(run_id bigint, code text, message text, detail text,
 *					 hint text, answer jsonb)
 *
 * Records the end of a run, failed where there is an error code, and lets
 * the next one in.
 */
Datum
finops_finish_job(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *error = PG_ARGISNULL(1) ? NULL : describe_error(fcinfo);
	FinopsArg	answer = {JSONBOID, PG_ARGISNULL(5) ? (Datum) 0 : PG_GETARG_DATUM(5), PG_ARGISNULL(5)};

	FinopsRequireArg(fcinfo, 0, "run_id");
	FinopsBegin(&session);
	if (FINOPS_RUN("UPDATE finops.job_run SET status = CASE WHEN $2 IS NULL THEN 'succeeded' ELSE 'failed' END,"
				   " error_message = $2, detail = $3, finished_at = clock_timestamp()"
				   " WHERE run_id = $1 AND status = 'started' RETURNING job_name",
				   ARG_INT8(PG_GETARG_INT64(0)), ARG_TEXT(error), answer) > 0)
		OpsRelease(job_lock_name(FinopsText(0, 1)));
	FinopsEnd(&session);
	PG_RETURN_VOID();
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
 * pg_cron
 * ---------------------------------------------------------------------
 */

/*
 * "finops:<database>:<job>" in at most 63 bytes: pg_cron 1.4 stores a job's
 * name as name.  A database name that is too long is cut at a character and
 * marked by its hash.
 */
static char *
cron_name(const char *database, const char *job)
{
	int			room = NAMEDATALEN - 1 - (int) strlen("finops::") - (int) strlen(job);
	int			len = (int) strlen(database);

	if (len <= room)
		return psprintf("finops:%s:%s", database, job);
	return psprintf("finops:%.*s~%08x:%s", pg_mbcliplen(database, len, room - 9), database,
					hash_bytes((const unsigned char *) database, len), job);
}

/* One enabled job as pg_cron is to know it. */
typedef struct CronJob
{
	char	   *job;
	char	   *schedule;
	char	   *name;
	char	   *command;
} CronJob;

/* The enabled jobs, read as the owner; allocated in the caller's context. */
static CronJob *
read_jobs(int *njobs)
{
	MemoryContext context = CurrentMemoryContext;
	char	   *database = get_database_name(MyDatabaseId);
	FinopsSession session;
	CronJob    *jobs;
	uint64		n;

	FinopsBegin(&session);
	n = FINOPS_RUN0("SELECT job_name, schedule, format('CALL finops.run_job(%L)', job_name)"
					" FROM " JOBS " j WHERE enabled ORDER BY job_name COLLATE \"C\"");
	jobs = MemoryContextAlloc(context, sizeof(CronJob) * Max(n, 1));
	for (uint64 i = 0; i < n; i++)
	{
		MemoryContext old;
		char	   *job = FinopsText(i, 1);
		char	   *schedule = FinopsText(i, 2);
		char	   *command = FinopsText(i, 3);

		old = MemoryContextSwitchTo(context);
		jobs[i].job = pstrdup(job);
		jobs[i].schedule = pstrdup(schedule);
		jobs[i].name = cron_name(database, job);
		jobs[i].command = pstrdup(command);
		MemoryContextSwitchTo(old);
	}
	FinopsEnd(&session);
	*njobs = (int) n;
	return jobs;
}

/* What to run in pg_cron's database, one statement per job. */
static char *
foreign_statements(const char *database, const CronJob *jobs, int njobs)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < njobs; i++)
		appendStringInfo(&buf, " SELECT cron.schedule_in_database(%s, %s, %s, %s);",
						 quote_literal_cstr(jobs[i].name), quote_literal_cstr(jobs[i].schedule),
						 quote_literal_cstr(jobs[i].command), quote_literal_cstr(database));
	return buf.data;
}

/*
 * pg_cron is here, or an error (55000) says what to do instead; in_its_place
 * is the SQL to run where pg_cron lives.
 */
static void
require_cron(const char *in_its_place)
{
	char	   *database = get_database_name(MyDatabaseId);
	const char *home = GetConfigOption("cron.database_name", true, false);

	if (OidIsValid(get_extension_oid("pg_cron", true)))
		return;
	if (home == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("pg_cron is not loaded"),
				 errdetail("Jobs are put on a schedule by the extension pg_cron."),
				 errhint("Set shared_preload_libraries = 'pg_cron,finops' and cron.database_name = '%s', restart, and run CREATE EXTENSION pg_cron. Without it, let any scheduler run CALL finops.run_job(...).",
						 database)));
	if (strcmp(home, database) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("extension pg_cron is not created"),
				 errdetail("It is loaded and belongs into this database."),
				 errhint("Run CREATE EXTENSION pg_cron.")));
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("pg_cron lives in database \"%s\", not in \"%s\"", home, database),
			 errdetail("cron.database_name is \"%s\"; its functions can only be called there.", home),
			 errhint("In database \"%s\" run:%s", home, in_its_place)));
}

static Datum
text_array(const CronJob *jobs, int njobs, size_t member)
{
	Datum	   *elements = palloc_array(Datum, Max(njobs, 1));

	for (int i = 0; i < njobs; i++)
		elements[i] = CStringGetTextDatum(*(char *const *) ((const char *) &jobs[i] + member));
	return PointerGetDatum(construct_array(elements, njobs, TEXTOID, -1, false, TYPALIGN_INT));
}

/*
 * As the caller, in pg_cron's own schema: jobs run as who schedules them.
 * The search path is pinned for the operators.
 */
static void
run_as_caller(const char *sql, int nargs, Oid *types, Datum *values)
{
	if (SPI_execute_with_args(sql, nargs, types, values, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "statement on pg_cron returned no rows");
}

static int
begin_as_caller(void)
{
	int			level = NewGUCNestLevel();

	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	return level;
}

static void
end_as_caller(int level)
{
	SPI_finish();
	AtEOXact_GUC(false, level);
}

/* Jobs of ours that pg_cron still has and the registry does not. */
#define DROP_LEFT_OVER \
	"SELECT count(*) FROM (SELECT cron.unschedule(x.jobid) FROM unnest(ARRAY(" \
	"SELECT c.jobid FROM cron.job c WHERE c.database = current_database()" \
	" AND c.jobname::text LIKE 'finops:%' AND c.jobname::text <> ALL ($1::text[]))) AS x(jobid)) y"

/*
 * finops.schedule_jobs()
 *	-> TABLE(job text, schedule text, cron_name text, jobid bigint)
 *
 * Registers every enabled job in pg_cron, which keeps times in GMT, and
 * removes jobs of ours that are no longer in the registry.  Repeated it
 * changes nothing.  Errors: 55000 where pg_cron is not loaded, not created or
 * in another database, with what to do.
 */
Datum
finops_schedule_jobs(PG_FUNCTION_ARGS)
{
	int			njobs;
	CronJob    *jobs = read_jobs(&njobs);
	Oid			types[4] = {TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID};
	Datum		values[4];
	int			level;

	FinopsRequireWritable("finops.schedule_jobs()");
	require_cron(foreign_statements(get_database_name(MyDatabaseId), jobs, njobs));
	values[0] = text_array(jobs, njobs, offsetof(CronJob, name));
	values[1] = text_array(jobs, njobs, offsetof(CronJob, job));
	values[2] = text_array(jobs, njobs, offsetof(CronJob, schedule));
	values[3] = text_array(jobs, njobs, offsetof(CronJob, command));
	level = begin_as_caller();
	run_as_caller(DROP_LEFT_OVER, 1, types, values);
	run_as_caller("SELECT j.job, j.schedule, j.name, cron.schedule(j.name, j.schedule, j.command)"
				  " FROM unnest($1, $2, $3, $4) AS j(name, job, schedule, command)",
				  4, types, values);
	FinopsReturnRows(fcinfo);
	end_as_caller(level);
	return (Datum) 0;
}

/*
 * finops.unschedule_jobs() → bigint
 *
 * Removes every job of this database whose name begins with "finops:" from
 * pg_cron and returns their number; 0 where pg_cron is not loaded.  Errors:
 * 55000 where pg_cron lives in another database.
 */
Datum
finops_unschedule_jobs(PG_FUNCTION_ARGS)
{
	Oid			types[1] = {TEXTARRAYOID};
	Datum		values[1];
	int64		removed;
	bool		isnull;
	int			level;

	FinopsRequireWritable("finops.unschedule_jobs()");
	if (GetConfigOption("cron.database_name", true, false) == NULL)
		PG_RETURN_INT64(0);
	require_cron(psprintf(" SELECT cron.unschedule(jobid) FROM cron.job WHERE database = %s AND jobname LIKE 'finops:%%';",
						  quote_literal_cstr(get_database_name(MyDatabaseId))));
	values[0] = PointerGetDatum(construct_empty_array(TEXTOID));
	level = begin_as_caller();
	run_as_caller(DROP_LEFT_OVER, 1, types, values);
	removed = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	end_as_caller(level);
	PG_RETURN_INT64(removed);
}

/*
 * finops.purge_job_runs(keep interval DEFAULT '90 days') → bigint
 *
 * Deletes runs of jobs that ended longer ago, and pg_cron's log of our jobs,
 * which nothing else deletes; returns the number of rows.  Errors: 22023 for
 * a negative interval.
 */
Datum
finops_purge_job_runs(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	FinopsArg	keep = {INTERVALOID, PG_ARGISNULL(0) ? (Datum) 0 : PG_GETARG_DATUM(0), PG_ARGISNULL(0)};
	int64		removed;

	FinopsRequireArg(fcinfo, 0, "keep");
	FinopsRequireWritable("finops.purge_job_runs()");
	FinopsBegin(&session);
	FINOPS_RUN("SELECT $1 < interval '0'", keep);
	if (FinopsText(0, 1)[0] == 't')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("keep must not be negative")));
	removed = (int64) FINOPS_RUN("DELETE FROM finops.job_run WHERE finished_at < now() - $1", keep);
	/* a schema cron that is not pg_cron's could hold anybody's triggers */
	if (OidIsValid(get_extension_oid("pg_cron", true)) &&
		FINOPS_RUN0("SELECT WHERE has_table_privilege('cron.job_run_details', 'DELETE')") > 0)
		removed += (int64) FINOPS_RUN("DELETE FROM cron.job_run_details d WHERE d.end_time < now() - $1"
									  " AND d.database = current_database()"
									  " AND d.command LIKE 'CALL finops.run_job(%'", keep);
	FinopsEnd(&session);
	PG_RETURN_INT64(removed);
}

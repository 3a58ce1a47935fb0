/*-------------------------------------------------------------------------
 *
 * cron.c
 *	  The place of jobs in pg_cron, and the purge of their logs.
 *
 * pg_cron is never required.  It keeps one time zone for all jobs, so that a
 * job with another one fires at every hour at which it may be due somewhere
 * in the year, and finops.run_job looks whether it is.
 *
 *-------------------------------------------------------------------------
 */
#include "ops/ops.h"

#include "ops/schedule.h"

#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "common/hashfn.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(finops_schedule_jobs);
PG_FUNCTION_INFO_V1(finops_unschedule_jobs);
PG_FUNCTION_INFO_V1(finops_purge_job_runs);

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

/* pg_cron's own time zone: a setting since 1.5, GMT before. */
static pg_tz *
cron_time_zone(void)
{
	const char *name = GetConfigOption("cron.timezone", true, false);
	pg_tz	   *zone = name == NULL ? NULL : pg_tzset(name);

	return zone != NULL ? zone : pg_tzset("GMT");
}

/* Minutes that a time zone is east of Greenwich at an instant. */
static int
minutes_east(pg_tz *zone, TimestampTz at)
{
	struct pg_tm tm;
	fsec_t		fsec;
	int			offset;

	if (timestamp2tm(at, &offset, &tm, &fsec, NULL, zone) != 0)
		return 0;
	return -offset / SECS_PER_MINUTE;
}

/*
 * The differences that there are within a year between pg_cron's time and
 * that of a zone; true where it is the same all along.
 */
#define MAX_DIFFERENCES 8

static bool
time_differences(const char *zone_name, int *minutes, int *n)
{
	pg_tz	   *zone = pg_tzset(zone_name);
	pg_tz	   *cron = cron_time_zone();
	TimestampTz now = GetCurrentTimestamp();

	*n = 0;
	for (int day = 0; zone != NULL && day < 366; day++)
	{
		TimestampTz at = now + day * USECS_PER_DAY;
		int			difference = minutes_east(cron, at) - minutes_east(zone, at);
		int			known = 0;

		while (known < *n && minutes[known] != difference)
			known++;
		if (known == *n && *n < MAX_DIFFERENCES)
			minutes[(*n)++] = difference;
	}
	return *n == 0 || (*n == 1 && minutes[0] == 0);
}

/*
 * Schedule and command of a job as pg_cron gets them.  In another time zone
 * it fires more often than it is due, and the command looks whether it is.
 */
static void
translate_job(CronJob *job, const char *zone, const char *command, bool direct)
{
	CronSchedule schedule;
	int			minutes[MAX_DIFFERENCES];
	int			n;
	size_t		at;

	job->command = direct ? pstrdup(command) : psprintf("CALL finops.run_job(%s, true)", quote_literal_cstr(job->job));
	if (time_differences(zone, minutes, &n) || !CronParse(job->schedule, &schedule, &at) || schedule.reboot)
		return;
	if (!direct)
		job->command = psprintf("CALL finops.run_job(%s, true, '20 minutes')", quote_literal_cstr(job->job));
	{
		char	   *text = palloc(CRON_TEXT);

		CronShift(&schedule, job->schedule, minutes, n, text);
		job->schedule = text;
	}
}

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
	n = FINOPS_RUN0("SELECT job_name, schedule, time_zone, command, direct FROM finops.job_registry"
					" WHERE enabled AND schedule IS NOT NULL ORDER BY job_name COLLATE \"C\"");
	jobs = MemoryContextAlloc(context, sizeof(CronJob) * Max(n, 1));
	for (uint64 i = 0; i < n; i++)
	{
		MemoryContext old;
		char	   *job = FinopsText(i, 1);
		char	   *schedule = FinopsText(i, 2);
		char	   *zone = FinopsText(i, 3);
		char	   *command = FinopsText(i, 4);
		bool		direct = FinopsText(i, 5)[0] == 't';

		old = MemoryContextSwitchTo(context);
		jobs[i].job = pstrdup(job);
		jobs[i].schedule = pstrdup(schedule);
		jobs[i].name = cron_name(database, job);
		translate_job(&jobs[i], zone, command, direct);
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
				 errhint("Set shared_preload_libraries = 'pg_cron,finops' and cron.database_name = '%s', restart, and run CREATE EXTENSION pg_cron. Without it, let any scheduler run CALL finops.run_job(..., true), or CALL finops.run_nightly() once a night.",
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

/* From now on a scheduler is expected to run these jobs, and no others. */
static void
expect_jobs(Datum names)
{
	FinopsSession session;

	FinopsBegin(&session);
	FINOPS_RUN("DELETE FROM finops.job_schedule WHERE job_name <> ALL ($1)", ARG_DATUM(TEXTARRAYOID, names, false));
	FINOPS_RUN("INSERT INTO finops.job_schedule (job_name) SELECT unnest($1) ON CONFLICT DO NOTHING",
			   ARG_DATUM(TEXTARRAYOID, names, false));
	FinopsEnd(&session);
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
 * Registers every enabled job in pg_cron, and
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
	expect_jobs(values[1]);
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
	expect_jobs(values[0]);
	PG_RETURN_INT64(removed);
}

/* Runs of jobs that ended longer ago, and pg_cron's log of them, which nothing else deletes. */
int64
OpsPurgeRuns(FinopsArg keep)
{
	int64		removed;

	if (keep.isnull)
		return 0;
	removed = (int64) FINOPS_RUN("DELETE FROM finops.job_run WHERE finished_at < now() - $1", keep);
	/* a schema cron that is not pg_cron's could hold anybody's triggers */
	if (OidIsValid(get_extension_oid("pg_cron", true)) &&
		FINOPS_RUN0("SELECT WHERE has_table_privilege('cron.job_run_details', 'DELETE')") > 0)
		removed += (int64) FINOPS_RUN("DELETE FROM cron.job_run_details d WHERE d.end_time < now() - $1"
									  " AND d.database = current_database()"
									  " AND d.command LIKE 'CALL finops.run_job(%'", keep);
	return removed;
}

/*
 * finops.purge_job_runs(keep interval DEFAULT '90 days') → bigint
 *
 * Errors: 22004, 22023 for a negative interval, 25006.
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
	removed = OpsPurgeRuns(keep);
	FinopsEnd(&session);
	PG_RETURN_INT64(removed);
}

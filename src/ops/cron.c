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
translate_job(CronJob *job, const char *zone)
{
	CronSchedule schedule;
	int			minutes[MAX_DIFFERENCES];
	int			n;
	size_t		at;
	char	   *text;

	job->command = psprintf("CALL finops.run_job(%s, true)", quote_literal_cstr(job->job));
	if (time_differences(zone, minutes, &n) || !CronParse(job->schedule, &schedule, &at) || schedule.reboot)
		return;
	job->command = psprintf("CALL finops.run_job(%s, true, '20 minutes')", quote_literal_cstr(job->job));
	text = palloc(CRON_TEXT);
	CronShift(&schedule, job->schedule, minutes, n, text);
	job->schedule = text;
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
	n = FINOPS_RUN0("SELECT job_name, schedule, time_zone FROM finops.job_registry"
					" WHERE enabled AND schedule IS NOT NULL ORDER BY job_name COLLATE \"C\"");
	jobs = MemoryContextAlloc(context, sizeof(CronJob) * Max(n, 1));
	for (uint64 i = 0; i < n; i++)
	{
		MemoryContext old;
		char	   *job = FinopsText(i, 1);
		char	   *schedule = FinopsText(i, 2);
		char	   *zone = FinopsText(i, 3);

		old = MemoryContextSwitchTo(context);
		jobs[i].job = pstrdup(job);
		jobs[i].schedule = pstrdup(schedule);
		jobs[i].name = cron_name(database, job);
		translate_job(&jobs[i], zone);
		MemoryContextSwitchTo(old);
	}
	FinopsEnd(&session);
	*njobs = (int) n;
	return jobs;
}

/*
 * Where pg_cron is: InvalidOid for this database, else the one that has its
 * functions.  Errors: 55000 with what to do.
 */
static Oid
cron_database(void)
{
	char	   *database = get_database_name(MyDatabaseId);
	const char *home = GetConfigOption("cron.database_name", true, false);
	Oid			oid;

	if (OidIsValid(get_extension_oid("pg_cron", true)))
		return InvalidOid;
	if (home == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("pg_cron is not loaded"),
				 errdetail("Jobs are put on a schedule by the extension pg_cron."),
				 errhint("Set shared_preload_libraries = 'pg_cron,finops' and cron.database_name = '%s', restart, and run CREATE EXTENSION pg_cron. Without it, let any scheduler run CALL finops.run_job(..., true), or CALL finops.run_nightly() once a night.",
						 database)));
	oid = get_database_oid(home, true);
	if (strcmp(home, database) == 0 || !OidIsValid(oid) ||
		strcmp(OpsRunElsewhere(oid, "SELECT count(*) FROM pg_extension WHERE extname = 'pg_cron'", true), "0") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("extension pg_cron is not created in database \"%s\"", home),
				 errdetail("It is loaded, and cron.database_name says that it belongs there."),
				 errhint("Run CREATE EXTENSION pg_cron in database \"%s\".", home)));
	return oid;
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

/* Jobs of a database that pg_cron still has and the registry does not: their number. */
#define DROP_LEFT_OVER(database, names, percent) \
	"SELECT count(*)::text FROM (SELECT cron.unschedule(x.jobid) FROM unnest(ARRAY(" \
	"SELECT c.jobid FROM cron.job c WHERE c.database = " database \
	" AND c.jobname::text LIKE 'finops:" percent "' AND c.jobname::text <> ALL (" names "::text[]))) AS x(jobid)) y"

/* The jobs as rows of SQL, for a session that knows none of ours. */
static char *
jobs_as_values(const CronJob *jobs, int njobs)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < njobs; i++)
		appendStringInfo(&buf, "%s(%d, %s, %s, %s, %s)", i > 0 ? ", " : "", i, quote_literal_cstr(jobs[i].job),
						 quote_literal_cstr(jobs[i].schedule), quote_literal_cstr(jobs[i].name),
						 quote_literal_cstr(jobs[i].command));
	return buf.data;
}

/* Removes what is left over, where pg_cron lives in another database. */
static char *
drop_elsewhere(Oid home, const CronJob *jobs, int njobs)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < njobs; i++)
		appendStringInfo(&names, "%s%s", i > 0 ? ", " : "", quote_literal_cstr(jobs[i].name));
	return OpsRunElsewhere(home,
						   psprintf(DROP_LEFT_OVER("%s", "ARRAY[%s]", "%%"),
									quote_literal_cstr(get_database_name(MyDatabaseId)), names.data), true);
}

/* The same as in this database, by cron.schedule_in_database there. */
static void
schedule_elsewhere(FunctionCallInfo fcinfo, Oid home, const CronJob *jobs, int njobs)
{
	FinopsSession session;
	char	   *answer;

	(void) drop_elsewhere(home, jobs, njobs);
	answer = njobs == 0 ? "" :
		OpsRunElsewhere(home,
						psprintf("SELECT jsonb_agg(jsonb_build_object('job', j.job, 'schedule', j.schedule, 'name', j.name,"
								 " 'jobid', cron.schedule_in_database(j.name, j.schedule, j.command, %s)) ORDER BY j.n)"
								 " FROM (VALUES %s) AS j(n, job, schedule, name, command)",
								 quote_literal_cstr(get_database_name(MyDatabaseId)),
								 jobs_as_values(jobs, njobs)), true);
	FinopsBegin(&session);
	FINOPS_RUN("SELECT r.job, r.schedule, r.name, r.jobid FROM jsonb_to_recordset($1::jsonb)"
			   " AS r(job text, schedule text, name text, jobid bigint)",
			   ARG_TEXT(answer[0] == '\0' ? "[]" : answer));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
}

/*
 * finops.schedule_jobs()
 *	-> TABLE(job text, schedule text, cron_name text, jobid bigint)
 *
 * Registers every enabled job in pg_cron, wherever that lives, and removes
 * jobs of ours that are no longer in the registry.  Repeated it changes
 * nothing.  Errors: 55000 where pg_cron is not loaded or not created.
 */
Datum
finops_schedule_jobs(PG_FUNCTION_ARGS)
{
	int			njobs;
	CronJob    *jobs = read_jobs(&njobs);
	Oid			types[4] = {TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID};
	Datum		values[4];
	Oid			home;

	FinopsRequireWritable("finops.schedule_jobs()");
	home = cron_database();
	values[0] = text_array(jobs, njobs, offsetof(CronJob, name));
	values[1] = text_array(jobs, njobs, offsetof(CronJob, job));
	values[2] = text_array(jobs, njobs, offsetof(CronJob, schedule));
	values[3] = text_array(jobs, njobs, offsetof(CronJob, command));
	if (OidIsValid(home))
		schedule_elsewhere(fcinfo, home, jobs, njobs);
	else
	{
		int			level = begin_as_caller();

		run_as_caller(DROP_LEFT_OVER("current_database()", "$1", "%"), 1, types, values);
		run_as_caller("SELECT j.job, j.schedule, j.name, cron.schedule(j.name, j.schedule, j.command)"
					  " FROM unnest($1, $2, $3, $4) AS j(name, job, schedule, command)",
					  4, types, values);
		FinopsReturnRows(fcinfo);
		end_as_caller(level);
	}
	expect_jobs(values[1]);
	return (Datum) 0;
}

/*
 * finops.unschedule_jobs() → bigint
 *
 * Removes every job of this database whose name begins with "finops:" from
 * pg_cron and returns their number; 0 where pg_cron is not loaded.  Errors:
 * 55000 where it is not created.
 */
Datum
finops_unschedule_jobs(PG_FUNCTION_ARGS)
{
	Oid			types[1] = {TEXTARRAYOID};
	Datum		values[1];
	int64		removed;
	Oid			home;

	FinopsRequireWritable("finops.unschedule_jobs()");
	if (GetConfigOption("cron.database_name", true, false) == NULL)
		PG_RETURN_INT64(0);
	values[0] = PointerGetDatum(construct_empty_array(TEXTOID));
	home = cron_database();
	if (OidIsValid(home))
		removed = atoll(drop_elsewhere(home, NULL, 0));
	else
	{
		int			level = begin_as_caller();

		run_as_caller(DROP_LEFT_OVER("current_database()", "$1", "%"), 1, types, values);
		removed = atoll(SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1));
		end_as_caller(level);
	}
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
	FinopsArg	keep;
	int64		removed;

	FinopsRequireArg(fcinfo, 0, "keep");
	FinopsRequireWritable("finops.purge_job_runs()");
	keep = FinopsKeepArg(fcinfo, 0);
	FinopsBegin(&session);
	removed = OpsPurgeRuns(keep);
	FinopsEnd(&session);
	PG_RETURN_INT64(removed);
}

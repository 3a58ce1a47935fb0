/*-------------------------------------------------------------------------
 *
 * due.c
 *	  When a job is due: schedules and guards in a time zone.
 *
 *-------------------------------------------------------------------------
 */
#include "ops/ops.h"

#include "ops/schedule.h"

#include "utils/datetime.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(finops_check_schedule);
PG_FUNCTION_INFO_V1(finops_check_guard);
PG_FUNCTION_INFO_V1(finops_check_time_zone);
PG_FUNCTION_INFO_V1(finops_due_before);
PG_FUNCTION_INFO_V1(finops_guard_refusal);
PG_FUNCTION_INFO_V1(finops_in_window);

/* From one 29th of February to the next across a year like 1900. */
#define MAX_DAYS_BACK	(366 * 9)

/* ---------------------------------------------------------------------
 * Checks; each raises what is wrong, for CHECK constraints
 * ---------------------------------------------------------------------
 */
static void
parse_schedule(const char *text, CronSchedule *schedule)
{
	size_t		at;

	if (!CronParse(text, schedule, &at))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid schedule \"%s\"", FinopsQuoteForMessage(text)),
				 errdetail("It cannot be read from character %d on.", (int) at + 1),
				 errhint("Give minute, hour, day of the month, month and day of the week, such as '30 3 * * *' for every day at 3:30.")));
}

static void
parse_guard(const char *text, Guard *guard)
{
	size_t		at;

	guard->terms = 0;
	if (text != NULL && !GuardParse(text, guard, &at))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid guard \"%s\"", FinopsQuoteForMessage(text)),
				 errdetail("It cannot be read from character %d on.", (int) at + 1),
				 errhint("Use 'first monday', 'last friday', 'last day', 'business day 3', 'hours 02-08,14-16', 'active sessions < 5', 'once a day', or some of them joined by 'and'.")));
}

static pg_tz *
time_zone(const char *name)
{
	pg_tz	   *zone = pg_tzset(name);

	if (zone == NULL || !pg_tz_acceptable(zone))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown time zone \"%s\"", FinopsQuoteForMessage(name)),
				 errhint("SELECT name FROM pg_timezone_names lists them.")));
	return zone;
}

Datum
finops_check_schedule(PG_FUNCTION_ARGS)
{
	CronSchedule schedule;

	if (!PG_ARGISNULL(0))
		parse_schedule(text_to_cstring(PG_GETARG_TEXT_PP(0)), &schedule);
	PG_RETURN_BOOL(true);
}

Datum
finops_check_guard(PG_FUNCTION_ARGS)
{
	Guard		guard;

	if (!PG_ARGISNULL(0))
		parse_guard(text_to_cstring(PG_GETARG_TEXT_PP(0)), &guard);
	PG_RETURN_BOOL(true);
}

Datum
finops_check_time_zone(PG_FUNCTION_ARGS)
{
	if (!PG_ARGISNULL(0))
		(void) time_zone(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	PG_RETURN_BOOL(true);
}

/* ---------------------------------------------------------------------
 * Time
 * ---------------------------------------------------------------------
 */

/* The civil day and the minute of an instant in a time zone. */
static CivilDay
local_time(TimestampTz at, pg_tz *zone, int *minute)
{
	struct pg_tm tm;
	fsec_t		fsec;
	int			offset;

	if (TIMESTAMP_NOT_FINITE(at) || timestamp2tm(at, &offset, &tm, &fsec, NULL, zone) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	*minute = tm.tm_hour * 60 + tm.tm_min;
	return (CivilDay) {tm.tm_year, tm.tm_mon, tm.tm_mday};
}

/* A minute of a day in a time zone; where clocks jump, as the server has it. */
static TimestampTz
instant(CivilDay day, int minute, pg_tz *zone)
{
	struct pg_tm tm = {0};
	TimestampTz at;
	int			offset;

	tm.tm_year = day.year;
	tm.tm_mon = day.month;
	tm.tm_mday = day.day;
	tm.tm_hour = minute / 60;
	tm.tm_min = minute % 60;
	offset = DetermineTimeZoneOffset(&tm, zone);
	if (tm2timestamp(&tm, 0, &offset, &at) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	return at;
}

/*
 * The last time up to at when a job was due, by its schedule and what of its
 * guard can be foreseen; false where there is none in nine years.
 */
bool
OpsDueBefore(const char *schedule_text, const char *guard_text, const char *zone_name, TimestampTz at,
			 TimestampTz *due)
{
	CronSchedule schedule;
	Guard		guard;
	pg_tz	   *zone = time_zone(zone_name);
	int			minute;
	CivilDay	day;

	parse_schedule(schedule_text, &schedule);
	parse_guard(guard_text, &guard);
	day = local_time(at, zone, &minute);
	/* clocks that were put back show some minutes twice */
	minute = MINUTES_A_DAY - 1;
	for (int i = 0; i < MAX_DAYS_BACK && !schedule.reboot; i++)
	{
		int			latest = minute;

		if (CronRunsOn(&schedule, day) && GuardRunsOn(&guard, day))
			while ((latest = CronLastMinute(&schedule, &guard, latest)) >= 0)
			{
				*due = instant(day, latest, zone);
				if (*due <= at)
					return true;
				latest--;
			}
		day = CivilYesterday(day);
	}
	return false;
}

static char *
optional_arg(FunctionCallInfo fcinfo, int argno)
{
	return PG_ARGISNULL(argno) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(argno));
}

/*
 * finops.due_before(schedule text, guard text, time_zone text, at timestamptz
 *					 DEFAULT now()) → timestamptz
 *
 * NULL without a schedule, for @reboot, and where no day fits.  Errors: 22023.
 */
Datum
finops_due_before(PG_FUNCTION_ARGS)
{
	char	   *zone = optional_arg(fcinfo, 2);
	TimestampTz due;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(3) ||
		!OpsDueBefore(optional_arg(fcinfo, 0), optional_arg(fcinfo, 1), zone == NULL ? "UTC" : zone,
					  PG_GETARG_TIMESTAMPTZ(3), &due))
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(due);
}

/* ---------------------------------------------------------------------
 * Guards that look at the server
 * ---------------------------------------------------------------------
 */

/* Sessions of clients that are at work now, but ours. */
static int64
active_sessions(void)
{
	FINOPS_RUN0("SELECT count(*) FROM pg_stat_get_activity(NULL) AS a"
				" WHERE a.state = 'active' AND a.backend_type = 'client backend' AND a.pid <> pg_backend_pid()");
	return FinopsInt64(0, 1);
}

/* Whether a job has succeeded in the day, week or month of an instant. */
static bool
has_succeeded(const char *job, int unit, TimestampTz at, const char *zone)
{
	static const char *const units[] = {"day", "week", "month"};

	return FINOPS_RUN("SELECT FROM finops.job_run WHERE job_name = $1 AND status = 'succeeded'"
					  " AND started_at >= date_trunc($2, $3, $4) LIMIT 1",
					  ARG_TEXT(job), ARG_TEXT(units[unit]),
					  ARG_DATUM(TIMESTAMPTZOID, TimestampTzGetDatum(at), false), ARG_TEXT(zone)) > 0;
}

/*
 * Within a session: why a guard does not let a job run at an instant; NULL
 * where it does.
 */
char *
OpsGuardRefusal(const char *job, const char *guard_text, const char *zone_name, TimestampTz at)
{
	Guard		guard;
	int			minute;
	CivilDay	day = local_time(at, time_zone(zone_name), &minute);

	parse_guard(guard_text, &guard);
	for (int i = 0; i < guard.terms; i++)
	{
		const GuardTerm *term = &guard.term[i];
		int64		active;

		if (!GuardDayHolds(term, day))
			return psprintf("guard \"%s\": %04d-%02d-%02d is another day", guard_text, day.year, day.month, day.day);
		if (!GuardHourHolds(term, minute))
			return psprintf("guard \"%s\": %02d:%02d is outside of the hours", guard_text, minute / 60, minute % 60);
		if (term->kind == GUARD_SESSIONS && (active = active_sessions()) >= term->nth)
			return psprintf("guard \"%s\": %lld sessions are active", guard_text, (long long) active);
		if (term->kind == GUARD_ONCE && job != NULL && has_succeeded(job, term->nth, at, zone_name))
			return psprintf("guard \"%s\": it has succeeded already", guard_text);
	}
	return NULL;
}

/*
 * finops.guard_refusal(guard text, at timestamptz DEFAULT now(), time_zone
 *						text DEFAULT 'UTC', job_name text DEFAULT NULL) → text
 */
Datum
finops_guard_refusal(PG_FUNCTION_ARGS)
{
	MemoryContext context = CurrentMemoryContext;
	FinopsSession session;
	char	   *zone = optional_arg(fcinfo, 2);
	char	   *refusal;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	FinopsBegin(&session);
	refusal = OpsGuardRefusal(optional_arg(fcinfo, 3), optional_arg(fcinfo, 0), zone == NULL ? "UTC" : zone,
							  PG_GETARG_TIMESTAMPTZ(1));
	if (refusal != NULL)
		refusal = MemoryContextStrdup(context, refusal);
	FinopsEnd(&session);
	if (refusal == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(refusal));
}

/*
 * finops.in_window(at timestamptz DEFAULT now(), windows text DEFAULT
 *					'02-08,14-16', time_zone text DEFAULT 'UTC') → boolean
 */
Datum
finops_in_window(PG_FUNCTION_ARGS)
{
	Guard		guard;
	int			minute;

	parse_guard(psprintf("hours %s", text_to_cstring(PG_GETARG_TEXT_PP(1))), &guard);
	(void) local_time(PG_GETARG_TIMESTAMPTZ(0), time_zone(text_to_cstring(PG_GETARG_TEXT_PP(2))), &minute);
	PG_RETURN_BOOL(GuardHourHolds(&guard.term[0], minute));
}

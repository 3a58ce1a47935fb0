/*-------------------------------------------------------------------------
 *
 * retention.c
 *	  What is kept and for how long: logs by row, facts by month.
 *
 * Locked months are evidence and stay.  Of a month of facts that goes, the
 * daily roll-up stays, and its deliveries are no longer current, so that the
 * bill can be loaded again.
 *
 *-------------------------------------------------------------------------
 */
#include "ops/ops.h"

#include "bill/bill.h"

#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(finops_apply_retention);
PG_FUNCTION_INFO_V1(finops_purge_logs);
PG_FUNCTION_INFO_V1(finops_cache_cleanup);
PG_FUNCTION_INFO_V1(finops_rotate_partitions);

/* A log and the column that says how old a row is. */
typedef struct Log
{
	const char *object;
	const char *relation;
	const char *time;
	bool		purged;			/* by finops.purge_logs */
} Log;

static const Log logs[] = {
	{"cost_cache", "@s@.cost_cache", "created_at", false},
	{"api_metrics", "@s@.api_metrics", "created_at", true},
	{"athena_query_executions", "@s@.athena_query_executions", "creation_time", true},
	{"query_log", "finops.query_log", "start_time", true},
	{"dq_check", "finops.dq_check", "evaluation_timestamp", false},
	{"fk_check", "finops.fk_check", "evaluated_at", false},
	{"cur_ingestion_log", "@s@.cur_ingestion_log", "started_at", false},
};

/* Each policy as it counts. */
#define POLICIES \
	"(SELECT s.object, coalesce(u.keep, s.keep) AS keep, coalesce(u.action, s.action) AS action," \
	" coalesce(u.enabled, s.enabled) AS enabled FROM finops.retention_policy s" \
	" LEFT JOIN finops.retention_policy u ON u.object = s.object AND NOT u.shipped WHERE s.shipped)"

static FinopsArg
no_interval(void)
{
	return (FinopsArg) {INTERVALOID, (Datum) 0, true};
}

static FinopsArg
now_arg(void)
{
	TimestampTz now = GetCurrentTransactionStartTimestamp();

	return (FinopsArg) {TIMESTAMPTZOID, TimestampTzGetDatum(now), false};
}

/* For how long an object is kept; NULL for ever. */
static FinopsArg
keep_of(const char *object)
{
	FinopsArg	keep = no_interval();

	if (FINOPS_RUN("SELECT keep FROM " POLICIES " p WHERE object = $1 AND enabled", ARG_TEXT(object)) > 0)
		keep.value = FinopsValue(0, 1, &keep.isnull);
	return keep;
}

static int64
delete_log(const Log *log, FinopsArg keep, FinopsArg as_of)
{
	if (keep.isnull)
		return 0;
	return (int64) FINOPS_RUN(psprintf("DELETE FROM %s WHERE %s < $2 - $1", log->relation, log->time), keep, as_of);
}

/* ---------------------------------------------------------------------
 * Months
 * ---------------------------------------------------------------------
 */

/* Partitions of a table whose month ended before the horizon. */
static uint64
old_months(const char *table, FinopsArg keep, FinopsArg as_of)
{
	return FINOPS_RUN(psprintf("SELECT c.relname, m.period"
							   " FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid,"
							   " LATERAL (SELECT to_date(substring(c.relname FROM '_(\\d{4}_\\d\\d)$'), 'YYYY_MM') AS period) m"
							   " WHERE i.inhparent = '@s@.%s'::regclass AND m.period + interval '1 month' <= $2 - $1"
							   " ORDER BY m.period", table), keep, as_of);
}

static int64
remove_months(const char *table, const char *action, FinopsArg keep, FinopsArg as_of, int64 *locked)
{
	uint64		n = keep.isnull ? 0 : old_months(table, keep, as_of);
	SPITupleTable *rows = SPI_tuptable;
	int64		removed = 0;

	for (uint64 i = 0; i < n; i++)
	{
		const char *partition = quote_identifier(SPI_getvalue(rows->vals[i], rows->tupdesc, 1));
		bool		isnull;
		DateADT		period = DatumGetDateADT(SPI_getbinval(rows->vals[i], rows->tupdesc, 2, &isnull));

		/* a close of the month may be at work: whether it is locked is asked after */
		FinopsLock(FINOPS_LOCK_PERIOD, period);
		if (FinopsPeriodIsLocked(period))
		{
			++*locked;
			continue;
		}
		FINOPS_RUN0(psprintf("ALTER TABLE @s@.%s DETACH PARTITION finops.%s", table, partition));
		if (strcmp(action, "detach") != 0)
			FINOPS_RUN0(psprintf("DROP TABLE finops.%s", partition));
		if (strcmp(table, "fact_cost_raw") == 0)
			FINOPS_RUN("UPDATE finops.delivery SET status = 'superseded', superseded_at = clock_timestamp()"
					   " WHERE billing_period = $1 AND status = 'current'", ARG_DATE(period));
		removed++;
	}
	return removed;
}

/* Usage is kept as long as its metric says, where that is longer. */
static int64
delete_usage(FinopsArg keep, FinopsArg as_of, int64 *locked)
{
	if (keep.isnull)
		return 0;
	FINOPS_STAGE("old_usage",
				 "SELECT u.tenant_id, u.metric_code, u.usage_date, u.frozen OR EXISTS (SELECT FROM @s@.period_lock l"
				 "   WHERE l.state = 'LOCKED' AND l.period_start <= u.usage_date AND l.period_end >= u.usage_date) AS locked"
				 " FROM @s@.usage_snapshot_daily u LEFT JOIN @s@.metric_catalog m ON m.metric_code = u.metric_code"
				 " WHERE u.usage_date < $2 - greatest($1, coalesce(m.retention_days, 0) * interval '1 day')", keep, as_of);
	FINOPS_RUN0("SELECT count(*) FROM old_usage WHERE locked");
	*locked = FinopsInt64(0, 1);
	return (int64) FINOPS_RUN0("DELETE FROM @s@.usage_snapshot_daily u USING old_usage o WHERE NOT o.locked"
							   " AND o.tenant_id = u.tenant_id AND o.metric_code = u.metric_code AND o.usage_date = u.usage_date");
}

/* ---------------------------------------------------------------------
 * Functions
 * ---------------------------------------------------------------------
 */

/* One object by its policy. */
static int64
retain(const char *object, const char *action, FinopsArg keep, FinopsArg as_of, int64 *locked)
{
	*locked = 0;
	for (size_t i = 0; i < lengthof(logs); i++)
		if (strcmp(logs[i].object, object) == 0)
			return delete_log(&logs[i], keep, as_of);
	if (strcmp(object, "job_run") == 0)
		return OpsPurgeRuns(keep);
	if (strcmp(object, "usage_snapshot_daily") == 0)
		return delete_usage(keep, as_of, locked);
	return remove_months(object, action, keep, as_of, locked);
}

/*
 * finops.apply_retention(as_of date DEFAULT CURRENT_DATE)
 *	-> TABLE(object text, action text, removed bigint, kept_locked bigint)
 *
 * Errors: 22004, 22023 a day out of range or in the future, 25006.
 */
Datum
finops_apply_retention(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	FinopsArg	as_of;
	StringInfoData answer;
	SPITupleTable *rows;
	uint64		n;

	FinopsRequireArg(fcinfo, 0, "as_of");
	FinopsRequireWritable("finops.apply_retention()");
	FinopsCheckDay(PG_GETARG_DATEADT(0), "as_of");
	as_of = ARG_DATE(PG_GETARG_DATEADT(0));
	FinopsBegin(&session);
	FINOPS_RUN("SELECT $1 > timezone('UTC', now())::date + 1", as_of);
	if (FinopsText(0, 1)[0] == 't')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("as_of must not be in the future"),
				 errhint("Leave it out for today.")));
	initStringInfo(&answer);
	n = FINOPS_RUN0("SELECT object, action, keep FROM " POLICIES " p WHERE enabled ORDER BY object COLLATE \"C\"");
	rows = SPI_tuptable;
	for (uint64 i = 0; i < n; i++)
	{
		char	   *object = SPI_getvalue(rows->vals[i], rows->tupdesc, 1);
		char	   *action = SPI_getvalue(rows->vals[i], rows->tupdesc, 2);
		FinopsArg	keep = no_interval();
		int64		locked;
		int64		removed;

		keep.value = SPI_getbinval(rows->vals[i], rows->tupdesc, 3, &keep.isnull);
		removed = retain(object, action, keep, as_of, &locked);
		appendStringInfo(&answer, "%s(%s, %s, %lld::bigint, %lld::bigint)", i > 0 ? ", " : "VALUES ",
						 quote_literal_cstr(object), quote_literal_cstr(action), (long long) removed,
						 (long long) locked);
		if (removed > 0)
			FinopsAudit(&session, "apply_retention", "table", object,
						psprintf("{\"action\": \"%s\", \"removed\": %lld}", action, (long long) removed));
	}
	FINOPS_RUN0(n > 0 ? answer.data : "SELECT ''::text, ''::text, 0::bigint, 0::bigint WHERE false");
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

/* finops.purge_logs(keep interval DEFAULT NULL) → bigint.  Errors: 22023, 25006. */
Datum
finops_purge_logs(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	FinopsArg	given;
	int64		removed;

	FinopsRequireWritable("finops.purge_logs()");
	given = FinopsKeepArg(fcinfo, 0);
	FinopsBegin(&session);
	removed = OpsPurgeRuns(given.isnull ? keep_of("job_run") : given);
	for (size_t i = 0; i < lengthof(logs); i++)
		if (logs[i].purged)
			removed += delete_log(&logs[i], given.isnull ? keep_of(logs[i].object) : given, now_arg());
	FinopsEnd(&session);
	PG_RETURN_INT64(removed);
}

/* finops.cache_cleanup(keep interval DEFAULT '7 days') → bigint */
Datum
finops_cache_cleanup(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	FinopsArg	keep;
	int64		removed;

	FinopsRequireArg(fcinfo, 0, "keep");
	FinopsRequireWritable("finops.cache_cleanup()");
	keep = FinopsKeepArg(fcinfo, 0);
	FinopsBegin(&session);
	removed = delete_log(&logs[0], keep, now_arg());
	/* the newest entry of a source tells how old its data is */
	removed += (int64) FINOPS_RUN0("DELETE FROM @s@.cost_cache c WHERE c.expires_at < now() AND EXISTS"
								   " (SELECT FROM @s@.cost_cache n WHERE n.source = c.source"
								   " AND (n.last_updated, n.cache_key) > (c.last_updated, c.cache_key))");
	FinopsEnd(&session);
	PG_RETURN_INT64(removed);
}

/*
 * finops.rotate_partitions(as_of date DEFAULT CURRENT_DATE)
 *	-> TABLE(relation text, partition text, created boolean)
 */
Datum
finops_rotate_partitions(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	StringInfoData answer;
	DateADT		period;
	bool		isnull;

	FinopsRequireArg(fcinfo, 0, "as_of");
	FinopsRequireWritable("finops.rotate_partitions()");
	FinopsCheckDay(PG_GETARG_DATEADT(0), "as_of");
	FinopsBegin(&session);
	initStringInfo(&answer);
	FINOPS_RUN("SELECT date_trunc('month', $1::timestamp)::date", ARG_DATE(PG_GETARG_DATEADT(0)));
	period = DatumGetDateADT(FinopsValue(0, 1, &isnull));
	for (int i = 0; i < 2; i++)
	{
		char	   *month = FinopsPeriodText(period);
		bool		there;

		there = FINOPS_RUN("SELECT WHERE to_regclass(format('finops.fact_cost_raw_%s', replace($1, '-', '_'))) IS NOT NULL",
						   ARG_TEXT(month)) > 0;
		(void) BillEnsurePartition(period);
		appendStringInfo(&answer, "%s('fact_cost_raw'::text, replace('fact_cost_raw_%s', '-', '_'), %s)",
						 i > 0 ? ", " : "VALUES ", month, there ? "false" : "true");
		period = FinopsPeriodEnd(period);
	}
	FINOPS_RUN0(answer.data);
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

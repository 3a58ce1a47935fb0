/*-------------------------------------------------------------------------
 *
 * health.c
 *	  finops.health_check: whether database, loads, jobs and messages work,
 *	  as JSON for a health endpoint.
 *
 * A check is one cheap statement, or a look at the disk.  One that fails is
 * itself the finding "failed", and none waits for a lock longer than a
 * second: an endpoint that hangs says nothing.  What was never set up, such
 * as a bill, is "empty" and does not count.
 *
 *-------------------------------------------------------------------------
 */
#include "ops/health.h"

#include "catalog/pg_type.h"
#include "storage/proc.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include <sys/statvfs.h>

PG_FUNCTION_INFO_V1(finops_health_check);

/* The order of Health. */
static const char *const health_names[] = {"empty", "ok", "degraded", "failed"};

#define LOCK_WAIT	"1s"

/* Free space of the file system below which it is short, and next to none. */
#define DISK_SHORT_PCT	10
#define DISK_FULL_PCT	5

typedef struct HealthCheck
{
	const char *name;
	const char *sql;			/* one row: a name of health_names, an object; NULL: check_disk */
} HealthCheck;

static const HealthCheck checks[HEALTH_CHECKS] = {
	{"connections",
		"SELECT CASE WHEN c.used >= 0.95 * c.most THEN 'failed' WHEN c.used >= 0.8 * c.most THEN"
		" 'degraded' ELSE 'ok' END,"
		" jsonb_build_object('used', c.used, 'most', c.most)"
		" FROM (SELECT count(*) AS used, current_setting('max_connections')::int"
		"  - current_setting('superuser_reserved_connections')::int AS most"
		"  FROM pg_stat_activity a WHERE a.backend_type = 'client backend') c"},

	{"transactions",
		"SELECT CASE WHEN t.age > 1500000000 THEN 'failed' WHEN t.age > 1000000000 OR t.idle > 3600"
		" THEN 'degraded' ELSE 'ok' END,"
		" jsonb_build_object('transaction_id_age', t.age, 'longest_idle_seconds', t.idle,"
		" 'in_recovery', pg_is_in_recovery())"
		" FROM (SELECT max(age(d.datfrozenxid)) AS age, (SELECT coalesce(round(extract(epoch FROM"
		"  max(clock_timestamp() - a.state_change))), 0) FROM pg_stat_activity a WHERE a.state LIKE"
		" 'idle in transaction%') AS idle"
		"  FROM pg_database d) t"},

	{"ingest",
		"SELECT CASE WHEN l.loaded_at IS NULL THEN 'empty' WHEN l.age > 4 THEN 'failed' WHEN l.age > 2"
		" THEN 'degraded' ELSE 'ok' END,"
		" jsonb_strip_nulls(jsonb_build_object('loaded_at', l.loaded_at, 'age_days', round(l.age, 2)))"
		" FROM (SELECT m.loaded_at, (extract(epoch FROM now() - m.loaded_at) /"
		" 86400)::numeric AS age"
		"  FROM (SELECT max(d.loaded_at) AS loaded_at FROM finops.delivery d WHERE"
		" isfinite(d.loaded_at)) m) l"},

	{"cache",
		"SELECT CASE WHEN count(*) = 0 THEN 'empty' WHEN max(c.age) > 72 THEN 'degraded' ELSE 'ok' END,"
		" jsonb_build_object('age_hours', coalesce(jsonb_object_agg(c.source, round(c.age, 1)), '{}'))"
		" FROM (SELECT k.source, (extract(epoch FROM now() - max(k.last_updated)) /"
		" 3600)::numeric AS age"
		"  FROM @s@.cost_cache k WHERE isfinite(k.last_updated) GROUP BY k.source) c"},

	{"jobs",
		"SELECT CASE WHEN f.names IS NOT NULL OR l.names IS NOT NULL THEN 'degraded' WHEN f.n = 0 AND"
		" l.expected = 0 THEN 'empty' ELSE 'ok' END,"
		" jsonb_build_object('scheduled', l.expected, 'failed', coalesce(f.names, '{}'), 'late',"
		" coalesce(l.names, '{}'))"
		" FROM (SELECT count(r.status) AS n, array_agg(j.job_name ORDER BY j.job_name) FILTER (WHERE"
		" r.status = 'failed') AS names"
		"  FROM finops.job_registry j LEFT JOIN LATERAL (SELECT o.status FROM finops.job_run o WHERE"
		" o.job_name = j.job_name"
		"   AND o.status IN ('succeeded', 'failed') ORDER BY o.started_at DESC LIMIT 1) r ON true) f,"
		" (SELECT (SELECT count(*) FROM finops.job_schedule) AS expected, (SELECT array_agg(a.job_name"
		" ORDER BY a.job_name) FROM finops.job_late a) AS names) l"},

	{"scheduler",
		"SELECT CASE WHEN NOT c.installed THEN 'empty' WHEN c.runs THEN 'ok' ELSE 'degraded' END,"
		" jsonb_build_object('pg_cron', c.installed, 'runs', c.runs)"
		" FROM (SELECT EXISTS (SELECT FROM pg_extension e WHERE e.extname = 'pg_cron') AS installed,"
		"  EXISTS (SELECT FROM pg_stat_activity a WHERE a.backend_type = 'pg_cron launcher') AS runs)"
		" c"},

	{"messages",
		"SELECT CASE WHEN m.channels = 0 THEN 'empty' WHEN m.waiting > 0 THEN 'degraded' ELSE 'ok' END,"
		" jsonb_build_object('channels', m.channels, 'waiting_15_minutes', m.waiting)"
		" FROM (SELECT (SELECT count(*) FROM finops.channel c WHERE c.enabled) AS channels,"
		"  (SELECT count(*) FROM finops.notification n JOIN finops.channel c ON c.channel_id ="
		" n.channel_id"
		"   WHERE n.message_id IS NULL AND c.enabled AND c.digest_interval IS NULL"
		"   AND n.queued_at < now() - interval '15 minutes') AS waiting) m"},

	{"wal",
		"SELECT CASE WHEN s.lost > 0 THEN 'failed' WHEN s.short > 0 OR a.failing THEN 'degraded' ELSE"
		" 'ok' END,"
		" jsonb_build_object('archive_failing', a.failing, 'slots', s.n, 'slots_at_risk', s.short,"
		" 'slots_lost', s.lost)"
		" FROM (SELECT current_setting('archive_mode') <> 'off' AND coalesce(w.last_failed_time >"
		" coalesce(w.last_archived_time, '-infinity'), false)"
		"  AS failing FROM pg_stat_archiver w) a,"
		" (SELECT count(*) AS n, count(*) FILTER (WHERE r.wal_status = 'unreserved') AS short,"
		" count(*) FILTER (WHERE r.wal_status = 'lost') AS lost"
		"  FROM pg_replication_slots r) s"},

	{"disk", NULL},
};

/* ---------------------------------------------------------------------
 * The checks
 * ---------------------------------------------------------------------
 */

bool
OpsDisk(int64 *size, int64 *available)
{
	struct statvfs fs;

	if (statvfs(DataDir, &fs) != 0 || fs.f_blocks == 0)
		return false;
	*size = (int64) fs.f_blocks * (int64) fs.f_frsize;
	*available = (int64) fs.f_bavail * (int64) fs.f_frsize;
	return true;
}

static void
check_disk(HealthResult *result)
{
	int64		size,
				available;
	double		pct;

	if (!OpsDisk(&size, &available))
	{
		result->health = HEALTH_EMPTY;
		result->detail = "{}";
		return;
	}
	pct = 100.0 * (double) available / (double) size;
	result->health = pct < DISK_FULL_PCT ? HEALTH_FAILED :
		(pct < DISK_SHORT_PCT ? HEALTH_DEGRADED : HEALTH_OK);
	result->detail = psprintf("{\"size_bytes\": " INT64_FORMAT ", \"available_bytes\": " INT64_FORMAT
							  ", \"available_pct\": %.1f}", size, available, pct);
}

typedef struct CheckCall
{
	const HealthCheck *check;
	HealthResult *result;
} CheckCall;

static void
run_check(void *arg)
{
	CheckCall  *call = arg;
	char	   *name;

	if (call->check->sql == NULL)
	{
		check_disk(call->result);
		return;
	}
	FinopsRunKept(call->check->sql, 0, NULL);
	name = FinopsText(0, 1);
	call->result->health = HEALTH_FAILED;
	for (int i = 0; i < (int) lengthof(health_names); i++)
		if (strcmp(name, health_names[i]) == 0)
			call->result->health = (Health) i;
	call->result->detail = FinopsText(0, 2);
}

static const char *
error_detail(const ErrorData *error)
{
	StringInfoData detail;

	initStringInfo(&detail);
	appendStringInfoString(&detail, "{\"error\": ");
	escape_json(&detail, psprintf("%s: %s", unpack_sql_state(error->sqlerrcode), error->message));
	appendStringInfoChar(&detail, '}');
	return detail.data;
}

Health
OpsHealth(HealthResult results[HEALTH_CHECKS])
{
	int			level = NewGUCNestLevel();
	Health		worst = HEALTH_OK;

	if (LockTimeout == 0 || LockTimeout > 1000)
		(void) set_config_option("lock_timeout", LOCK_WAIT, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
								 true, 0, false);
	for (int i = 0; i < HEALTH_CHECKS; i++)
	{
		CheckCall	call = {&checks[i], &results[i]};
		ErrorData  *error;

		results[i].check = checks[i].name;
		error = OpsTry(run_check, &call);
		if (error != NULL)
		{
			results[i].health = HEALTH_FAILED;
			results[i].detail = error_detail(error);
		}
		worst = Max(worst, results[i].health);
	}
	AtEOXact_GUC(false, level);
	return worst;
}

/*
 * finops.health_check() returns jsonb: {"status": "ok", "degraded" or
 * "failed", "checks": {name: {"status", ...}}, ...}.  It answers also on a
 * standby and in a read-only transaction.
 */
Datum
finops_health_check(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	HealthResult results[HEALTH_CHECKS];
	TimestampTz started = GetCurrentTimestamp();
	StringInfoData json;
	Health		health;
	char	   *text;

	FinopsBegin(&session);
	health = OpsHealth(results);
	FINOPS_RUN0("SELECT to_char(clock_timestamp(), 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'),"
	" to_json(current_database())::text");
	initStringInfo(&json);
	appendStringInfo(&json, "{\"status\": \"%s\", \"checked_at\": \"%s\", \"version\": \"%s\","
	" \"database\": %s,"
					 " \"duration_ms\": %.1f, \"checks\": {",
					 health_names[health], FinopsText(0, 1), FINOPS_VERSION, FinopsText(0, 2),
					 (double) (GetCurrentTimestamp() - started) / 1000);
	for (int i = 0; i < HEALTH_CHECKS; i++)
	{
		const char *members = results[i].detail + 1;

		appendStringInfo(&json, "%s\"%s\": {\"status\": \"%s\"%s%s", i > 0 ? ", " : "",
		results[i].check,
						 health_names[results[i].health], *members == '}' ? "" : ", ", members);
	}
	appendStringInfoString(&json, "}}");
	text = MemoryContextStrdup(fcinfo->flinfo->fn_mcxt, json.data);
	FinopsEnd(&session);
	PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));
}

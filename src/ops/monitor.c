/*-------------------------------------------------------------------------
 *
 * monitor.c
 *	  Keeps what the server counts in the tables that monitors read.
 *
 * Counters of the hooks live as long as the server; each row remembers the
 * start of the server and the count that it already holds, so that a rolled
 * back, repeated or concurrent collection adds nothing twice, and a restart
 * loses at most what came after the last one.
 *
 *-------------------------------------------------------------------------
 */
#include "ops/ops.h"

#include "mb/pg_wchar.h"
#include "ops/monitor.h"
#include "ops/statement_text.h"

PG_FUNCTION_INFO_V1(finops_collect_monitors);
PG_FUNCTION_INFO_V1(finops_mask_statement);

/* finops.mask_statement(statement) */
Datum
finops_mask_statement(PG_FUNCTION_ARGS)
{
	text	   *statement = PG_GETARG_TEXT_PP(0);
	char		masked[MONITOR_TEXT];
	bool		cut;
	size_t		used = StatementMask(VARDATA_ANY(statement), VARSIZE_ANY_EXHDR(statement),
									 !standard_conforming_strings, masked, sizeof(masked), &cut);

	if (cut)
		used = pg_mbcliplen(masked, (int) used, (int) used);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(masked, (int) used));
}

#define QUERY_LOG_COLUMNS \
	"query_id, query_text, query_type, user_name, warehouse_name, start_time, total_elapsed_time_seconds," \
	" bytes_scanned, rows_produced, credits_used_compute, credits_used_cloud_services, fingerprint, executions, source"

static uint64
keep_statements(void)
{
	return FINOPS_RUN0("INSERT INTO finops.query_log (" QUERY_LOG_COLUMNS ")"
					   " SELECT " QUERY_LOG_COLUMNS " FROM finops.live_statement"
					   " ON CONFLICT (query_id) DO NOTHING");
}

/*
 * The executions since the last collection, one row for each statement and
 * user.  Its duration is that of the slowest execution where that is a new
 * record, otherwise their mean.  The first collection only takes the counters.
 */
static uint64
keep_server_statements(const char *view)
{
	uint64		kept;

	FINOPS_STAGE0("counted", psprintf("SELECT s.queryid AS fingerprint, pg_get_userbyid(s.userid)::text AS user_name, sum(s.calls)::bigint AS calls,"
									  " sum(s.total_exec_time) AS total_ms, max(s.max_exec_time) AS max_ms,"
									  " sum(s.rows)::bigint AS row_count, sum(s.shared_blks_hit + s.shared_blks_read + s.local_blks_hit"
									  "  + s.local_blks_read + s.temp_blks_read)::bigint AS blocks, min(s.query) AS query"
									  " FROM %s s WHERE s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
									  "  AND s.toplevel AND s.queryid IS NOT NULL GROUP BY s.queryid, s.userid", view));
	kept = FINOPS_RUN("INSERT INTO finops.query_log (" QUERY_LOG_COLUMNS ")"
					  " SELECT format('%s-%s-%s', n.fingerprint, n.user_name, round(extract(epoch FROM now()) * 1000000)),"
					  "  finops.mask_statement(n.query), upper(substring(finops.mask_statement(n.query) FROM '^[( ]*([A-Za-z]+)')), n.user_name,"
					  "  w.warehouse_name, now(), (n.elapsed_ms / 1000)::numeric, n.blocks * current_setting('block_size')::bigint,"
					  "  n.row_count, (n.spent_ms / 3600000)::numeric * w.credits_per_hour,"
					  "  n.blocks * current_setting('block_size')::bigint / 1099511627776.0 * w.credits_per_tb,"
					  "  n.fingerprint, n.calls, 'pg_stat_statements'"
					  " FROM (SELECT c.fingerprint, c.user_name, c.query, c.calls - coalesce(m.calls, 0) AS calls,"
					  "   c.row_count - coalesce(m.row_count, 0) AS row_count, c.blocks - coalesce(m.blocks, 0) AS blocks,"
					  "   c.total_ms - coalesce(m.total_ms, 0) AS spent_ms,"
					  "   CASE WHEN c.max_ms > coalesce(m.max_ms, 0) THEN c.max_ms"
					  "    ELSE (c.total_ms - coalesce(m.total_ms, 0)) / (c.calls - coalesce(m.calls, 0)) END AS elapsed_ms"
					  "  FROM counted c LEFT JOIN finops.statement_mark m"
					  "   ON m.fingerprint = c.fingerprint AND m.user_name = c.user_name AND m.calls <= c.calls"
					  "  WHERE c.calls > coalesce(m.calls, 0) AND EXISTS (SELECT FROM finops.statement_mark)) n"
					  " LEFT JOIN finops.warehouse w ON w.database_name = current_database()"
					  " WHERE n.elapsed_ms >= $1 ON CONFLICT (query_id) DO NOTHING",
					  ARG_INT4(finops_track_min_duration));
	(void) FINOPS_RUN0("INSERT INTO finops.statement_mark (fingerprint, user_name, calls, total_ms, max_ms, row_count, blocks)"
					   " SELECT fingerprint, user_name, calls, total_ms, max_ms, row_count, blocks FROM counted"
					   " ON CONFLICT (fingerprint, user_name) DO UPDATE SET calls = excluded.calls, total_ms = excluded.total_ms,"
					   " max_ms = excluded.max_ms, row_count = excluded.row_count, blocks = excluded.blocks");
	(void) FINOPS_RUN0("DELETE FROM finops.statement_mark m WHERE NOT EXISTS"
					   " (SELECT FROM counted c WHERE c.fingerprint = m.fingerprint AND c.user_name = m.user_name)");
	return kept;
}

/* The view of pg_stat_statements in this database; NULL where there is none. */
static char *
server_statements(void)
{
	if (FINOPS_RUN0("SELECT format('%I.pg_stat_statements', n.nspname) FROM pg_extension e"
					" JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_stat_statements'"
					" AND current_setting('shared_preload_libraries') ~ '\\mpg_stat_statements\\M'") == 0)
		return NULL;
	return FinopsText(0, 1);
}

static uint64
keep_access(void)
{
	return FINOPS_RUN0("INSERT INTO finops.data_access_stat AS d"
					   "  (user_name, table_name, access_type, access_count, last_access_time, counted_since, counted)"
					   " SELECT user_name, table_name, access_type, access_count, last_access_time, counted_since, access_count"
					   " FROM finops.live_access"
					   " ON CONFLICT (user_name, table_name, access_type) DO UPDATE SET"
					   "  access_count = d.access_count + excluded.counted - CASE WHEN d.counted_since = excluded.counted_since"
					   "   THEN least(d.counted, excluded.counted) ELSE 0 END,"
					   "  last_access_time = greatest(d.last_access_time, excluded.last_access_time),"
					   "  counted_since = excluded.counted_since, counted = excluded.counted"
					   " WHERE (d.counted_since, d.counted) IS DISTINCT FROM (excluded.counted_since, excluded.counted)");
}

/* Failures that came since the last collection go to the measure of today. */
static uint64
keep_logins(int64 *failures)
{
	(void) FINOPS_RUN0("SELECT coalesce(sum(t.failed_count - CASE WHEN l.counted_since = t.counted_since"
					   "  THEN least(l.counted_failures, t.failed_count) ELSE 0 END), 0)::bigint"
					   " FROM finops.live_login t LEFT JOIN finops.login_stat l ON l.user_name = t.user_name");
	*failures = FinopsInt64(0, 1);
	return FINOPS_RUN0("INSERT INTO finops.login_stat AS l"
					   "  (user_name, role_name, last_login_time, failed_login_count, counted_since, counted_failures)"
					   " SELECT user_name, role_name, last_login_time, failed_count, counted_since, failed_count"
					   " FROM finops.live_login"
					   " ON CONFLICT (user_name) DO UPDATE SET role_name = coalesce(excluded.role_name, l.role_name),"
					   "  last_login_time = greatest(l.last_login_time, excluded.last_login_time),"
					   "  failed_login_count = l.failed_login_count + excluded.counted_failures"
					   "   - CASE WHEN l.counted_since = excluded.counted_since"
					   "     THEN least(l.counted_failures, excluded.counted_failures) ELSE 0 END,"
					   "  counted_since = excluded.counted_since, counted_failures = excluded.counted_failures");
}

/* Measures of today; a threshold is kept from the newest row of its measure. */
static uint64
keep_security(int64 failures, bool logins)
{
	return FINOPS_RUN("INSERT INTO finops.security_metric AS s (security_metric, current_value, threshold, status)"
					  " SELECT m.name, m.value, m.threshold, CASE WHEN m.value > m.threshold THEN 'FAIL' ELSE 'PASS' END"
					  " FROM (SELECT v.name, v.value + CASE WHEN v.adds THEN coalesce((SELECT d.current_value FROM finops.security_metric d"
					  "    WHERE d.security_metric = v.name AND d.evaluation_date = timezone('UTC', now())::date), 0) ELSE 0 END AS value,"
					  "   coalesce((SELECT p.threshold FROM finops.security_metric p WHERE p.security_metric = v.name"
					  "    AND p.threshold IS NOT NULL ORDER BY p.evaluation_date DESC LIMIT 1), v.threshold) AS threshold"
					  "  FROM (SELECT 'failed_logins', $1::numeric, 5::numeric, true WHERE $2"
					  "   UNION ALL SELECT 'superuser_logins', count(*), 3, false FROM pg_roles WHERE rolsuper AND rolcanlogin"
					  "   UNION ALL SELECT 'expired_passwords', count(*), 0, false FROM pg_roles WHERE rolcanlogin AND rolvaliduntil < now()"
					  "   UNION ALL SELECT 'schemas_public_may_write', count(*), 0, false FROM pg_namespace n"
					  "    WHERE n.nspname !~ '^pg_' AND has_schema_privilege('public', n.oid, 'CREATE')"
					  "   UNION ALL SELECT 'unencrypted_connections', count(*), 0, false FROM pg_stat_activity a"
					  "    JOIN pg_stat_ssl t ON t.pid = a.pid"
					  "    WHERE a.client_addr IS NOT NULL AND NOT a.client_addr <<= '127.0.0.0/8' AND a.client_addr <> '::1' AND NOT t.ssl"
					  "  ) v(name, value, threshold, adds)) m"
					  " ON CONFLICT (security_metric, evaluation_date) DO UPDATE SET"
					  "  current_value = excluded.current_value, threshold = excluded.threshold, status = excluded.status",
					  ARG_INT8(failures), ARG_BOOL(logins));
}

/* Base backups as their processes ended. */
static uint64
keep_tracked_backups(void)
{
	return FINOPS_RUN0("INSERT INTO finops.backup_log (table_name, last_backup_time, backup_size_gb, backup_status)"
					   " SELECT 'base backup', t.ended_at, round(t.bytes_sent / 1073741824.0, 6),"
					   "  CASE WHEN t.success THEN 'SUCCESS' ELSE 'FAILED' END FROM finops.tracked_backups() t"
					   " ON CONFLICT (table_name, last_backup_time) DO NOTHING");
}

/*
 * Without the hook: where WAL is archived, a base backup that ends well leaves
 * a file *.backup among the WAL, whose time is when it ended, and one that was
 * seen running and is gone without such a file has failed.  Elsewhere only
 * one that was seen behind its last file is known to have ended well.
 */
static uint64
keep_seen_backups(void)
{
	uint64		kept;

	FINOPS_STAGE0("finished", "SELECT f.modification AS ended_at, round(max(b.bytes_sent) / 1073741824.0, 6) AS size_gb"
				  " FROM pg_ls_waldir() f LEFT JOIN finops.backup_progress b"
				  "  ON f.modification + interval '1 second' BETWEEN b.seen_at AND b.seen_at + interval '1 day'"
				  " WHERE f.name ~ '\\.backup$' GROUP BY f.modification");
	kept = FINOPS_RUN0("INSERT INTO finops.backup_log (table_name, last_backup_time, backup_size_gb, backup_status)"
					   " SELECT 'base backup', ended_at, size_gb, 'SUCCESS' FROM finished"
					   " ON CONFLICT (table_name, last_backup_time) DO NOTHING");
	kept += FINOPS_RUN0("INSERT INTO finops.backup_log (table_name, last_backup_time, backup_size_gb, backup_status)"
						" SELECT 'base backup', g.seen_at, round(g.bytes_sent / 1073741824.0, 6),"
						"  CASE WHEN g.phase IN ('waiting for wal archiving to finish', 'transferring wal files') THEN 'SUCCESS'"
						"   WHEN current_setting('archive_mode') = 'off' THEN 'UNKNOWN' ELSE 'FAILED' END"
						" FROM gone g WHERE NOT EXISTS (SELECT FROM finops.backup_log f WHERE f.table_name = 'base backup'"
						"  AND f.backup_status = 'SUCCESS' AND f.last_backup_time + interval '1 second' >= g.seen_at)"
						" ON CONFLICT (table_name, last_backup_time) DO NOTHING");
	return kept;
}

static uint64
keep_backups(bool preloaded)
{
	uint64		kept;

	(void) FINOPS_RUN0("INSERT INTO finops.backup_progress AS b (pid, started_at, seen_at, phase, bytes_total, bytes_sent)"
					   " SELECT p.pid, a.backend_start, now(), p.phase, p.backup_total, p.backup_streamed"
					   " FROM pg_stat_progress_basebackup p JOIN pg_stat_activity a ON a.pid = p.pid"
					   " ON CONFLICT (pid, started_at) DO UPDATE SET seen_at = excluded.seen_at, phase = excluded.phase,"
					   "  bytes_total = excluded.bytes_total, bytes_sent = excluded.bytes_sent");
	FINOPS_STAGE0("gone", "SELECT b.* FROM finops.backup_progress b WHERE NOT EXISTS"
				  " (SELECT FROM pg_stat_progress_basebackup p JOIN pg_stat_activity a ON a.pid = p.pid"
				  "  WHERE p.pid = b.pid AND a.backend_start = b.started_at)");
	kept = preloaded ? keep_tracked_backups() : keep_seen_backups();
	(void) FINOPS_RUN0("DELETE FROM finops.backup_progress b USING gone g WHERE g.pid = b.pid AND g.started_at = b.started_at");
	return kept;
}

/*
 * Credits of the databases that are declared as warehouses, on the day of the
 * collection.  The first one only takes the counters; those that went back
 * were reset, and count from 0.
 */
static uint64
keep_cost(void)
{
	uint64		kept;

	FINOPS_STAGE0("used", "SELECT w.warehouse_name, d.active_time::numeric AS active_ms, d.blks_read::numeric AS blocks,"
				  " CASE WHEN m.active_ms > d.active_time::numeric THEN d.active_time::numeric"
				  "  ELSE d.active_time::numeric - m.active_ms END / 3600000 * w.credits_per_hour AS compute,"
				  " CASE WHEN m.blocks_read > d.blks_read THEN d.blks_read ELSE d.blks_read - m.blocks_read END"
				  "  * current_setting('block_size')::numeric / 1099511627776 * w.credits_per_tb AS services"
				  " FROM finops.warehouse w JOIN pg_stat_database d ON d.datname = w.database_name"
				  " LEFT JOIN finops.warehouse_meter m ON m.warehouse_name = w.warehouse_name");
	kept = FINOPS_RUN0("INSERT INTO finops.warehouse_metering AS m (warehouse_name, cost_date, credits_used_compute, credits_used_cloud_services)"
					   " SELECT warehouse_name, timezone('UTC', now())::date, compute, services FROM used WHERE compute IS NOT NULL"
					   " ON CONFLICT (warehouse_name, cost_date) DO UPDATE SET"
					   "  credits_used_compute = m.credits_used_compute + excluded.credits_used_compute,"
					   "  credits_used_cloud_services = m.credits_used_cloud_services + excluded.credits_used_cloud_services");
	(void) FINOPS_RUN0("INSERT INTO finops.warehouse_meter (warehouse_name, active_ms, blocks_read)"
					   " SELECT warehouse_name, active_ms, blocks FROM used ON CONFLICT (warehouse_name) DO UPDATE SET"
					   " active_ms = excluded.active_ms, blocks_read = excluded.blocks_read, read_at = now()");
	return kept;
}

static void
put_row(ReturnSetInfo *rsinfo, const char *monitor, uint64 rows, const char *source)
{
	Datum		values[3] = {CStringGetTextDatum(monitor), Int64GetDatum((int64) rows),
	CStringGetTextDatum(source)};
	bool		nulls[3] = {0};

	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* finops.collect_monitors() */
Datum
finops_collect_monitors(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	FinopsSession session;
	bool		preloaded = MonitorMemory() != NULL;
	char	   *view;
	uint64		statements;
	int64		failures;

	FinopsRequireWritable("finops.collect_monitors()");
	InitMaterializedSRF(fcinfo, 0);
	FinopsBegin(&session);
	(void) FINOPS_RUN0("LOCK TABLE finops.login_stat, finops.data_access_stat, finops.warehouse_meter, finops.statement_mark,"
					   " finops.backup_progress IN SHARE UPDATE EXCLUSIVE MODE");
	view = preloaded && finops_track_statements ? NULL : server_statements();
	statements = keep_statements();
	if (view != NULL)
		statements += keep_server_statements(view);
	put_row(rsinfo, "statements", statements,
			view != NULL ? "pg_stat_statements" : preloaded ? "hook" : "not preloaded");
	put_row(rsinfo, "access", keep_access(), preloaded ? "hook" : "not preloaded");
	put_row(rsinfo, "logins", keep_logins(&failures), preloaded ? "hook" : "not preloaded");
	put_row(rsinfo, "security", keep_security(failures, preloaded && finops_track_logins), "catalogues");
	put_row(rsinfo, "backups", keep_backups(preloaded), preloaded ? "hook" : "pg_stat_progress_basebackup");
	put_row(rsinfo, "cost", keep_cost(), "pg_stat_database");
	FinopsEnd(&session);
	return (Datum) 0;
}

-- room ops: jobs, the month close, set-up

-- jobs

CREATE FUNCTION finops.check_schedule(schedule text)
RETURNS boolean
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'finops_check_schedule';
COMMENT ON FUNCTION finops.check_schedule(text) IS 'true, or 22023 with what is wrong with a cron schedule';

CREATE FUNCTION finops.check_guard(guard text)
RETURNS boolean
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'finops_check_guard';
COMMENT ON FUNCTION finops.check_guard(text) IS 'true, or 22023 with what is wrong with the guard of a job';

CREATE FUNCTION finops.check_time_zone(time_zone text)
RETURNS boolean
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'finops_check_time_zone';
COMMENT ON FUNCTION finops.check_time_zone(text) IS 'true, or 22023 for a time zone that the server does not know';

CREATE FUNCTION finops.due_before(schedule text, guard text, time_zone text, at timestamptz DEFAULT pg_catalog.now())
RETURNS timestamptz
LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'finops_due_before';
COMMENT ON FUNCTION finops.due_before(text, text, text, timestamptz) IS 'the last time up to an instant at which a job with that schedule was due, as far as its guard can be foreseen';

CREATE FUNCTION finops.guard_refusal(guard text, at timestamptz DEFAULT pg_catalog.now(), time_zone text DEFAULT 'UTC', job_name text DEFAULT NULL)
RETURNS text
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_guard_refusal';
COMMENT ON FUNCTION finops.guard_refusal(text, timestamptz, text, text) IS 'why a guard does not let a job run at an instant, NULL where it does';

CREATE FUNCTION finops.in_window(at timestamptz DEFAULT pg_catalog.now(), windows text DEFAULT '02-08,14-16', time_zone text DEFAULT 'UTC')
RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'finops_in_window';
COMMENT ON FUNCTION finops.in_window(timestamptz, text, text) IS 'whether an instant lies within hours of the day, half-open, which may pass midnight';

CREATE TABLE finops.job (
	job_name text NOT NULL,
	schedule text,
	command text,
	description text,
	enabled boolean DEFAULT true,
	time_zone text,
	guard text,
	depends_on text[],
	max_retries integer,
	retry_delay interval,
	time_limit interval,
	late_after interval,
	shipped boolean NOT NULL DEFAULT false,
	CONSTRAINT job_pkey PRIMARY KEY (job_name, shipped),
	CONSTRAINT job_name_check CHECK (job_name OPERATOR(pg_catalog.~) '^[a-z][a-z0-9-]{0,39}$'),
	CONSTRAINT job_command_check CHECK (command OPERATOR(pg_catalog.~) '\S'),
	CONSTRAINT job_schedule_check CHECK (finops.check_schedule(schedule)),
	CONSTRAINT job_guard_check CHECK (finops.check_guard(guard)),
	CONSTRAINT job_time_zone_check CHECK (finops.check_time_zone(time_zone)),
	CONSTRAINT job_depends_on_check CHECK (job_name OPERATOR(pg_catalog.<>) ALL (depends_on) AND pg_catalog.array_position(depends_on, NULL) IS NULL),
	CONSTRAINT job_max_retries_check CHECK (max_retries OPERATOR(pg_catalog.>=) 0 AND max_retries OPERATOR(pg_catalog.<=) 3),
	CONSTRAINT job_retry_delay_check CHECK (retry_delay OPERATOR(pg_catalog.>=) '0' AND retry_delay OPERATOR(pg_catalog.<=) '1 day'),
	CONSTRAINT job_time_limit_check CHECK (time_limit OPERATOR(pg_catalog.>) '0' AND time_limit OPERATOR(pg_catalog.<=) '7 days'),
	CONSTRAINT job_late_after_check CHECK (late_after OPERATOR(pg_catalog.>=) '0'),
	CONSTRAINT job_shipped_check CHECK (NOT shipped OR command IS NOT NULL AND description IS NOT NULL AND enabled IS NOT NULL)
);
COMMENT ON TABLE finops.job IS 'jobs; a row with shipped = false is a job of the user, or overrides what is not NULL in it of the shipped job of the same name (finops.job_registry shows both together)';
COMMENT ON COLUMN finops.job.schedule IS 'five cron fields, in time_zone; NULL: as shipped, else on demand only';
COMMENT ON COLUMN finops.job.command IS 'one query, every name qualified; it runs as the caller of finops.run_job, its rows become the detail of the run, an error rolls it back and is recorded, rows with a value in a column error make the run failed but stay. Or another statement, such as CALL of a procedure that commits, or VACUUM: it runs in a background worker, as the same role';
COMMENT ON COLUMN finops.job.time_zone IS 'of schedule and guard; NULL: as shipped, else UTC';
COMMENT ON COLUMN finops.job.guard IS 'what cron cannot say: first monday, last friday, last day, business day 3, hours 02-08,14-16, active sessions < 5, once a day, joined by and; hours 00-24 overrides a shipped guard by none';
COMMENT ON COLUMN finops.job.depends_on IS 'jobs that must have succeeded since they were last due; those that are disabled do not count';
COMMENT ON COLUMN finops.job.max_retries IS 'further attempts after a failure, 0 to 3';
COMMENT ON COLUMN finops.job.retry_delay IS 'before the first further attempt, twice as long before each next; NULL: as shipped, else a minute';
COMMENT ON COLUMN finops.job.time_limit IS 'after which the work is cancelled and the run failed; NULL: as shipped, else none';
COMMENT ON COLUMN finops.job.late_after IS 'how long after its time a job that did not start is late (finops.job_late); NULL: 15 minutes';

INSERT INTO finops.job (job_name, schedule, command, description, depends_on, max_retries, time_limit, enabled, shipped) VALUES
	('ingest', '0 3 * * *', 'SELECT * FROM finops.ingest_bills()',
		'loads the bills of finops.bill_source', NULL, 3, '2 hours', true, true),
	('tag-sync', '20 3 * * *', 'SELECT p AS billing_period, finops.tag_sync(p) AS lines_changed FROM finops.open_periods() AS p',
		'completes tags from the registry of resources and the virtual rules', '{ingest}', 3, '1 hour', true, true),
	('tag-validation', '30 3 * * *', 'SELECT p AS billing_period, finops.validate_tags(p) AS run_id FROM finops.open_periods() AS p',
		'judges the tags of the current and the previous month', '{tag-sync}', 3, '1 hour', true, true),
	('usage-refresh', '40 3 * * *', 'SELECT p AS billing_period, finops.refresh_usage(p) AS rows_changed FROM finops.open_periods() AS p',
		'usage against the caps of plans, with top-ups that tenants consented to', NULL, 3, '1 hour', true, true),
	('allocation', '45 3 * * *', 'SELECT p AS billing_period, finops.allocate(p) AS run_id FROM finops.open_periods() AS p',
		'allocates the current and the previous month', '{tag-validation}', 3, '2 hours', true, true),
	('budgets', '0 4 * * *', 'SELECT finops.refresh_budgets() AS budgets',
		'moves budgets to the day: actual, forecast, burn rate', '{allocation}', 3, '1 hour', true, true),
	('invoice-preparation', '5 4 * * *', 'SELECT p AS billing_period, d.* FROM finops.open_periods() AS p, LATERAL (SELECT count(*) AS documents FROM finops.prepare_invoices(p)) AS d WHERE p < date_trunc(''month'', now() AT TIME ZONE ''UTC'')',
		'computes the open documents of the previous month', '{allocation,usage-refresh}', 3, '2 hours', true, true),
	('reconciliation', '15 4 * * *', 'SELECT p AS billing_period, finops.reconcile(p, CASE WHEN p < date_trunc(''month'', now() AT TIME ZONE ''UTC'') THEN 4 ELSE 2 END) AS recon_id FROM finops.open_periods() AS p',
		'reconciles the current and the previous month', '{allocation,invoice-preparation}', 3, '1 hour', true, true),
	('payment-matching', '20 4 * * *', 'SELECT count(*) AS payments FROM finops.match_payments()',
		'matches payments to invoices', NULL, 3, '1 hour', true, true),
	('feature-refresh', '25 4 * * *', 'SELECT finops.refresh_features() AS features',
		'writes the feature store of the last ninety days', NULL, 3, '1 hour', true, true),
	('forecast', '30 4 * * *', 'SELECT * FROM finops.run_forecasts() WHERE finops.feature_enabled(''forecasting'')',
		'forecasts cost by tenant, service and account, and runs the active models', '{ingest}', 3, '2 hours', true, true),
	('retraining', '0 5 * * *', 'SELECT * FROM finops.retrain_drifted() WHERE finops.feature_enabled(''forecasting'')',
		'trains models whose errors drift', '{forecast}', 3, '2 hours', true, true),
	('model-monitoring', '0 */6 * * *', 'SELECT * FROM finops.evaluate_feature_drift()',
		'drift of features', NULL, 3, '1 hour', true, true),
	('model-maintenance', '0 2 * * 0', 'SELECT * FROM finops.retrain_all() WHERE finops.feature_enabled(''forecasting'')',
		'trains every registered model anew', NULL, 3, '4 hours', true, true),
	('anomalies', '35 4 * * *', 'SELECT count(*) AS findings FROM finops.detect_anomalies() WHERE finops.feature_enabled(''anomaly_detection'')',
		'finds days of cost that are not as expected', '{ingest}', 3, '1 hour', true, true),
	('recommendations', '50 4 * * *', 'SELECT * FROM finops.refresh_recommendations()',
		'proposes what to stop, resize or commit to, and verifies what was saved', '{ingest}', 3, '1 hour', true, true),
	('dashboards', '40 4 * * *', 'SELECT * FROM finops.refresh_views()',
		'refreshes the views that dashboards read', '{reconciliation,budgets}', 3, '1 hour', true, true),
	('alerts', '*/5 * * * *', 'SELECT finops.evaluate_alerts() AS messages',
		'judges alert policies and writes what is to be told', NULL, 1, '4 minutes', true, true),
	('incidents', '1-59/5 * * * *', 'SELECT finops.open_alert_incidents() AS incidents',
		'opens incidents for alerts that ask for one', '{alerts}', 1, '4 minutes', true, true),
	('delivery', '* * * * *', 'CALL finops.deliver_notifications()',
		'sends what stands in the outbox', NULL, 0, '15 minutes', true, true),
	('monitors', '*/5 * * * *', 'SELECT * FROM finops.collect_monitors()',
		'keeps what the server counts: statements, access, logins, backups, its own cost', NULL, 1, '4 minutes', true, true),
	('data-quality', '10 */4 * * *', 'SELECT q.rule, q.result, q.status FROM finops.run_quality_rules() AS q WHERE q.result = ''FAIL''',
		'runs the rules of data quality', NULL, 1, '1 hour', true, true),
	('checklists', '0 * * * *', 'SELECT * FROM finops.run_due_checklists()',
		'runs the checklists of the runbooks at their times', NULL, 1, '30 minutes', true, true),
	('tenant-notices', '15 6 * * *', 'SELECT finops.notify_tenants() AS notices',
		'tells tenants of quotas they reached and plans that fit', NULL, 3, '10 minutes', true, true),
	('incident-digest', '0 7 * * *', 'SELECT finops.incident_digest() AS incidents',
		'the daily digest of lesser incidents', NULL, 3, '10 minutes', true, true),
	('alert-purge', '15 2 * * 0', 'SELECT finops.purge_alerts() AS rows_removed',
		'deletes old history of alerts', NULL, 3, '1 hour', true, true),
	('dunning', '0 6 * * *', 'SELECT count(*) AS notices FROM finops.run_dunning()',
		'reminds of invoices that are overdue', '{payment-matching}', 3, '1 hour', true, true),
	('close-reminder', '0 8 * * *', 'SELECT * FROM finops.close_reminders()',
		'lists months that have ended and are not closed, with the gate they stopped at', NULL, 3, '10 minutes', true, true),
	('partition-rotation', '0 0 1 * *', 'SELECT * FROM finops.rotate_partitions()',
		'makes the partitions of this and the next month', NULL, 3, '10 minutes', true, true),
	('cache-cleanup', '0 2 * * 0', 'SELECT finops.cache_cleanup() AS rows_removed',
		'deletes cached answers that are older than seven days', NULL, 3, '10 minutes', true, true),
	('cache-vacuum', '5 2 * * 0', 'VACUUM ANALYZE @extschema@.cost_cache',
		'gives back the space of deleted cache entries', '{cache-cleanup}', 3, '1 hour', true, true),
	('request-totals', '*/10 * * * *', 'SELECT finops.count_requests() AS requests',
		'adds new rows of api_metrics to the totals that finops.prometheus_metrics shows', NULL, 3, '10 minutes', true, true),
	('retention', '10 2 * * 0', 'SELECT * FROM finops.apply_retention()',
		'deletes what is older than finops.retention_policy keeps', NULL, 3, '2 hours', true, true),
	('job-purge', '20 2 * * 0', 'SELECT finops.purge_logs() AS rows_removed, finops.purge_checklists() AS checklists_removed',
		'deletes runs of jobs, of checklists and other logs that are kept no longer', NULL, 3, '1 hour', true, true);

CREATE VIEW finops.job_registry WITH (security_invoker = true) AS
SELECT n.job_name,
	COALESCE(u.schedule, s.schedule) AS schedule,
	COALESCE(u.time_zone, s.time_zone, 'UTC') AS time_zone,
	COALESCE(u.guard, s.guard) AS guard,
	COALESCE(u.command, s.command) AS command,
	COALESCE(u.description, s.description) AS description,
	COALESCE(u.enabled, s.enabled, true) AS enabled,
	COALESCE(u.depends_on, s.depends_on, '{}') AS depends_on,
	COALESCE(u.max_retries, s.max_retries, 0) AS max_retries,
	COALESCE(u.retry_delay, s.retry_delay, '1 minute') AS retry_delay,
	COALESCE(u.time_limit, s.time_limit) AS time_limit,
	COALESCE(u.late_after, s.late_after, '15 minutes') AS late_after,
	s.job_name IS NOT NULL AS shipped,
	u.job_name IS NOT NULL AND s.job_name IS NOT NULL AS overridden
FROM (SELECT DISTINCT j.job_name FROM finops.job j) n
	LEFT JOIN finops.job s ON s.job_name OPERATOR(pg_catalog.=) n.job_name AND s.shipped
	LEFT JOIN finops.job u ON u.job_name OPERATOR(pg_catalog.=) n.job_name AND NOT u.shipped
WHERE COALESCE(u.command, s.command) IS NOT NULL;
COMMENT ON VIEW finops.job_registry IS 'jobs as they count: what is shipped, with the changes of the user';

CREATE TABLE finops.job_run (
	run_id bigint GENERATED BY DEFAULT AS IDENTITY,
	job_name text NOT NULL,
	status text NOT NULL DEFAULT 'started',
	error_message text,
	started_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	finished_at timestamptz,
	executed_by text NOT NULL,
	detail jsonb,
	attempt integer NOT NULL DEFAULT 1,
	scheduled boolean NOT NULL DEFAULT false,
	skipped_for text,
	backend_pid integer,
	CONSTRAINT job_run_pkey PRIMARY KEY (run_id),
	CONSTRAINT job_run_status_check CHECK (status OPERATOR(pg_catalog.=) ANY (ARRAY['started', 'succeeded', 'failed', 'skipped'])),
	CONSTRAINT job_run_attempt_check CHECK (attempt OPERATOR(pg_catalog.>=) 1),
	CONSTRAINT job_run_skipped_for_check CHECK (skipped_for OPERATOR(pg_catalog.=) ANY (ARRAY['overlap', 'guard', 'load', 'dependency']))
);
CREATE INDEX job_run_name_idx ON finops.job_run (job_name, started_at);
CREATE INDEX job_run_started_idx ON finops.job_run (job_name) WHERE status OPERATOR(pg_catalog.=) 'started';
COMMENT ON TABLE finops.job_run IS 'every run of a job, one row for each attempt';
COMMENT ON COLUMN finops.job_run.error_message IS 'SQLSTATE, message, detail and hint of the error that ended a failed run; why a run was skipped';
COMMENT ON COLUMN finops.job_run.detail IS 'the rows that the command of the job returned';
COMMENT ON COLUMN finops.job_run.attempt IS '1, then up to max_retries more';
COMMENT ON COLUMN finops.job_run.scheduled IS 'a scheduler called, not a person';
COMMENT ON COLUMN finops.job_run.skipped_for IS 'overlap: another session runs it; guard; load: too many active sessions; dependency: an earlier job has not succeeded';

CREATE TABLE finops.job_schedule (
	job_name text NOT NULL,
	scheduled_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CONSTRAINT job_schedule_pkey PRIMARY KEY (job_name)
);
COMMENT ON TABLE finops.job_schedule IS 'jobs that a scheduler is expected to run: since finops.schedule_jobs, or since one first ran them as scheduled';

CREATE VIEW finops.job_late WITH (security_invoker = true) AS
SELECT j.job_name, d.due_at, l.last_started_at, pg_catalog.now() OPERATOR(pg_catalog.-) d.due_at AS late_by
FROM finops.job_registry j
	JOIN finops.job_schedule s ON s.job_name OPERATOR(pg_catalog.=) j.job_name
	CROSS JOIN LATERAL (SELECT finops.due_before(j.schedule, j.guard, j.time_zone, pg_catalog.now() OPERATOR(pg_catalog.-) j.late_after) AS due_at) d
	CROSS JOIN LATERAL (SELECT pg_catalog.max(r.started_at) AS last_started_at FROM finops.job_run r
		WHERE r.job_name OPERATOR(pg_catalog.=) j.job_name AND (r.skipped_for IS NULL OR r.skipped_for OPERATOR(pg_catalog.<>) ALL (ARRAY['load', 'dependency']))) l
WHERE j.enabled AND d.due_at OPERATOR(pg_catalog.>) s.scheduled_at
	AND (l.last_started_at IS NULL OR l.last_started_at OPERATOR(pg_catalog.<) d.due_at);
COMMENT ON VIEW finops.job_late IS 'jobs that should have run and did not, although a scheduler is expected to run them';
COMMENT ON COLUMN finops.job_late.due_at IS 'the last time it was due at least late_after ago';

CREATE PROCEDURE finops.require_no_transaction(what text)
LANGUAGE c
AS 'MODULE_PATHNAME', 'finops_require_no_transaction';
COMMENT ON PROCEDURE finops.require_no_transaction(text) IS 'refuses to go on where the calling procedure could not commit';

CREATE FUNCTION finops.start_job(name text, scheduled boolean, attempt integer, due_within interval)
RETURNS TABLE (run_id bigint, command text, reason text)
LANGUAGE c VOLATILE ROWS 1
AS 'MODULE_PATHNAME', 'finops_start_job';
COMMENT ON FUNCTION finops.start_job(text, boolean, integer, interval) IS 'part of finops.run_job: records a run; command is NULL where it is not to run, for that reason';

CREATE FUNCTION finops.limit_job(run_id bigint)
RETURNS void
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_limit_job';
COMMENT ON FUNCTION finops.limit_job(bigint) IS 'part of finops.run_job: starts the time limit of a run; NULL ends it';

CREATE FUNCTION finops.run_in_worker(command text)
RETURNS void
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_run_in_worker';
COMMENT ON FUNCTION finops.run_in_worker(text) IS 'part of finops.run_job: runs one statement as the caller in a background worker and waits for it';

CREATE FUNCTION finops.finish_job(run_id bigint, code text, message text, detail text, hint text, answer jsonb)
RETURNS TABLE (code_of text, message_of text, wait float8)
LANGUAGE c VOLATILE ROWS 1
AS 'MODULE_PATHNAME', 'finops_finish_job';
COMMENT ON FUNCTION finops.finish_job(bigint, text, text, text, text, jsonb) IS 'part of finops.run_job: records the end of a run, failed where there is a code; answers the error as recorded and the seconds to wait before a further attempt, NULL: none';

CREATE FUNCTION finops.fail_job(name text, code text, message text, detail text, hint text)
RETURNS void
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_fail_job';
COMMENT ON FUNCTION finops.fail_job(text, text, text, text, text) IS 'part of finops.run_job: raises the error of a job once it is recorded';

CREATE PROCEDURE finops.attempt_job(name text, scheduled boolean, due_within interval, INOUT code text, INOUT said text, INOUT detail text, INOUT hint text)
LANGUAGE plpgsql
AS $$
DECLARE
	run bigint;
	job_command text;
	skipped text;
	answer jsonb;
	wait float8;
BEGIN
	FOR attempt IN 1..4 LOOP
		code := NULL;
		said := NULL;
		detail := NULL;
		hint := NULL;
		answer := NULL;
		SELECT s.run_id, s.command, s.reason INTO run, job_command, skipped FROM finops.start_job(name, scheduled, attempt, due_within) s;
		COMMIT;
		IF job_command IS NULL THEN
			IF skipped IS NOT NULL THEN
				RAISE NOTICE 'job "%" skipped: %', name, skipped;
				said := 'skipped: ' OPERATOR(pg_catalog.||) skipped;
			END IF;
			RETURN;
		END IF;
		BEGIN
			PERFORM finops.limit_job(run);
			PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
			IF job_command OPERATOR(pg_catalog.~*) '^\s*(\(|(select|with|values|table)\M)'
				-- a WITH that changes rows is no subquery
				AND NOT (job_command OPERATOR(pg_catalog.~*) '^\s*with\M' AND job_command OPERATOR(pg_catalog.~*) '\m(insert|update|delete|merge)\M') THEN
				EXECUTE pg_catalog.format('SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.to_jsonb(r)), ''[]'') FROM (%s) AS r', job_command) INTO answer;
			ELSE
				PERFORM finops.run_in_worker(job_command);
			END IF;
			PERFORM finops.limit_job(NULL);
		EXCEPTION WHEN query_canceled OR assert_failure OR OTHERS THEN
			GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, said = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
		END;
		SELECT f.code_of, f.message_of, f.wait INTO code, said, wait FROM finops.finish_job(run, code, said, detail, hint, answer) f;
		COMMIT;
		IF wait IS NULL THEN
			RETURN;
		END IF;
		PERFORM pg_catalog.pg_sleep(wait);
	END LOOP;
END
$$;
COMMENT ON PROCEDURE finops.attempt_job(text, boolean, interval, text, text, text, text) IS 'part of finops.run_job: the attempts of a job; answers the error of the last one';

CREATE PROCEDURE finops.run_job(name text, scheduled boolean DEFAULT false, due_within interval DEFAULT NULL)
LANGUAGE plpgsql
AS $$
DECLARE
	code text;
	said text;
	detail text;
	hint text;
BEGIN
	CALL finops.require_no_transaction('finops.run_job()');
	CALL finops.attempt_job(name, scheduled, due_within, code, said, detail, hint);
	PERFORM finops.fail_job(name, code, said, detail, hint);
END
$$;
COMMENT ON PROCEDURE finops.run_job(text, boolean, interval) IS 'runs a job of finops.job_registry and records each attempt in finops.job_run; raises the error of the last one after it is recorded. scheduled: a scheduler calls, so that guard and dependencies count. due_within: nothing happens unless it was due so shortly before';

CREATE FUNCTION finops.due_jobs()
RETURNS TABLE (job_name text, due_at timestamptz)
LANGUAGE c VOLATILE ROWS 20
AS 'MODULE_PATHNAME', 'finops_due_jobs';
COMMENT ON FUNCTION finops.due_jobs() IS 'jobs that were due in the last 24 hours and did not start since, each after those it depends on';

CREATE PROCEDURE finops.run_nightly(INOUT result jsonb DEFAULT NULL)
LANGUAGE plpgsql
AS $$
DECLARE
	name text;
	code text;
	said text;
	detail text;
	hint text;
	begun timestamptz;
BEGIN
	CALL finops.require_no_transaction('finops.run_nightly()');
	result := '{}';
	FOR name IN SELECT d.job_name FROM finops.due_jobs() d LOOP
		begun := pg_catalog.clock_timestamp();
		CALL finops.attempt_job(name, true, NULL, code, said, detail, hint);
		result := result OPERATOR(pg_catalog.||) pg_catalog.jsonb_build_object(name, coalesce(code OPERATOR(pg_catalog.||) ': ' OPERATOR(pg_catalog.||) said, said,
			pg_catalog.round(EXTRACT(epoch FROM pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) begun), 1)::text OPERATOR(pg_catalog.||) ' s'));
	END LOOP;
END
$$;
COMMENT ON PROCEDURE finops.run_nightly(jsonb) IS 'runs every job that is due, one after the other, each after those it depends on; a failure stops only what depends on it. result: seconds or error by job';

CREATE FUNCTION finops.close_lost_runs()
RETURNS bigint
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_close_lost_runs';
COMMENT ON FUNCTION finops.close_lost_runs() IS 'records runs as failed whose session ended before they did; every start of a job does so too';

CREATE FUNCTION finops.set_job(job_name text, schedule text DEFAULT NULL, command text DEFAULT NULL, description text DEFAULT NULL, enabled boolean DEFAULT NULL,
	time_zone text DEFAULT NULL, guard text DEFAULT NULL, depends_on text[] DEFAULT NULL, max_retries integer DEFAULT NULL,
	retry_delay interval DEFAULT NULL, time_limit interval DEFAULT NULL, late_after interval DEFAULT NULL)
RETURNS text
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_set_job';
COMMENT ON FUNCTION finops.set_job(text, text, text, text, boolean, text, text, text[], integer, interval, interval, interval) IS 'adds a job, or changes what is given of one: of a shipped job by a row that overrides it';

CREATE FUNCTION finops.schedule_jobs()
RETURNS TABLE (job text, schedule text, cron_name text, jobid bigint)
LANGUAGE c VOLATILE ROWS 10
AS 'MODULE_PATHNAME', 'finops_schedule_jobs';
COMMENT ON FUNCTION finops.schedule_jobs() IS 'registers every enabled job in pg_cron as finops:<database>:<job>, and removes ours that are no longer in the registry';

CREATE FUNCTION finops.unschedule_jobs()
RETURNS bigint
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_unschedule_jobs';
COMMENT ON FUNCTION finops.unschedule_jobs() IS 'removes every job of ours from pg_cron and returns their number; run it before DROP EXTENSION';

CREATE FUNCTION finops.purge_job_runs(keep interval DEFAULT '90 days')
RETURNS bigint
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_purge_job_runs';
COMMENT ON FUNCTION finops.purge_job_runs(interval) IS 'deletes old runs of jobs, and pg_cron''s log of them; returns the number of rows';

CREATE FUNCTION finops.open_periods(as_of date DEFAULT NULL)
RETURNS SETOF date
LANGUAGE c VOLATILE ROWS 2
AS 'MODULE_PATHNAME', 'finops_open_periods';
COMMENT ON FUNCTION finops.open_periods(date) IS 'the current and the previous month (UTC, of today or as_of) that have facts and are not locked';

CREATE FUNCTION finops.close_reminders(as_of date DEFAULT NULL)
RETURNS TABLE (billing_period date, days_since_end integer, gate text, status text, detail text, next_call text)
LANGUAGE c VOLATILE ROWS 5
AS 'MODULE_PATHNAME', 'finops_close_reminders';
COMMENT ON FUNCTION finops.close_reminders(date) IS 'months with a bill that have ended and are not closed, and the last gate they passed';

-- the month close

CREATE FUNCTION finops.begin_close(period date, provisional boolean)
RETURNS void
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_begin_close';
COMMENT ON FUNCTION finops.begin_close(date, boolean) IS 'part of finops.close_month: checks the period and waits for another close of it';

CREATE FUNCTION finops.close_step(period date, step text)
RETURNS text
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_close_step';
COMMENT ON FUNCTION finops.close_step(date, text) IS 'part of finops.close_month: does one step and describes it';

CREATE FUNCTION finops.close_verdict(period date, step text, provisional boolean)
RETURNS text
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_close_verdict';
COMMENT ON FUNCTION finops.close_verdict(date, text, boolean) IS 'part of finops.close_month: why the close stops after a step, with the next call; NULL when it goes on';

CREATE FUNCTION finops.end_close(period date, provisional boolean, stopped text)
RETURNS text
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_end_close';
COMMENT ON FUNCTION finops.end_close(date, boolean, text) IS 'part of finops.close_month: the result of the close, its audit event and the end of its lock';

CREATE PROCEDURE finops.close_month(period date, provisional boolean DEFAULT false, INOUT result text DEFAULT NULL)
LANGUAGE plpgsql
AS $$
DECLARE
	step text;
	said text;
	detail text;
	hint text;
	stopped text;
BEGIN
	CALL finops.require_no_transaction('finops.close_month()');
	PERFORM finops.begin_close(period, provisional);
	COMMIT;
	FOR step IN SELECT s.step FROM pg_catalog.unnest(ARRAY['readiness', 'tags', 'allocation', 'reconciliation', 'documents', 'control', 'issue']) AS s(step) LOOP
		IF stopped IS NULL AND NOT (provisional AND step OPERATOR(pg_catalog.=) 'issue') THEN
			BEGIN
				said := finops.close_step(period, step);
			EXCEPTION WHEN object_not_in_prerequisite_state OR invalid_parameter_value THEN
				GET STACKED DIAGNOSTICS said = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
				stopped := pg_catalog.format('%s: %s. %s Next: %s', step, said, detail, pg_catalog.regexp_replace(hint, '^Run ', ''));
			END;
			COMMIT;
			IF stopped IS NULL THEN
				stopped := finops.close_verdict(period, step, provisional);
			END IF;
			RAISE NOTICE 'close of %, %', pg_catalog.to_char(period, 'YYYY-MM'), coalesce('stopped at ' OPERATOR(pg_catalog.||) stopped, pg_catalog.format('%s: %s', step, said));
		END IF;
	END LOOP;
	result := finops.end_close(period, provisional, stopped);
	COMMIT;
END
$$;
COMMENT ON PROCEDURE finops.close_month(date, boolean, text) IS 'closes a month gate by gate, committing after each: readiness, tags, allocation, reconciliation, documents, control, issue and lock; a gate that is shut is returned in result with its reason and the next call';

-- set-up

CREATE FUNCTION finops.setup()
RETURNS TABLE (step integer, subject text, state text, detail text, next_call text)
LANGUAGE c VOLATILE ROWS 15
AS 'MODULE_PATHNAME', 'finops_setup';
COMMENT ON FUNCTION finops.setup() IS 'the first run: what is there, what is missing before a month can be closed, and the call that sets it; the tag keys that could identify tenants';

REVOKE ALL ON PROCEDURE finops.require_no_transaction(text), finops.run_job(text, boolean, interval), finops.run_nightly(jsonb),
	finops.attempt_job(text, boolean, interval, text, text, text, text), finops.close_month(date, boolean, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION finops.guard_refusal(text, timestamptz, text, text), finops.limit_job(bigint), finops.run_in_worker(text), finops.due_jobs(), finops.close_lost_runs(),
	finops.set_job(text, text, text, text, boolean, text, text, text[], integer, interval, interval, interval),
	finops.start_job(text, boolean, integer, interval), finops.finish_job(bigint, text, text, text, text, jsonb),
	finops.fail_job(text, text, text, text, text), finops.schedule_jobs(), finops.unschedule_jobs(),
	finops.purge_job_runs(interval), finops.open_periods(date), finops.close_reminders(date),
	finops.begin_close(date, boolean), finops.close_step(date, text), finops.close_verdict(date, text, boolean),
	finops.end_close(date, boolean, text), finops.setup() FROM PUBLIC;
REVOKE ALL ON finops.job, finops.job_run, finops.job_registry, finops.job_schedule, finops.job_late FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('finops.job', 'WHERE NOT shipped');
SELECT pg_catalog.pg_extension_config_dump('finops.job_run', '');
SELECT pg_catalog.pg_extension_config_dump('finops.job_schedule', '');
SELECT pg_catalog.pg_extension_config_dump('finops.job_run_run_id_seq', '');

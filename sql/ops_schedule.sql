-- Schedules, guards, retries, limits and dependencies of jobs.
\set VERBOSITY default
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';

-- nonsense is refused when it is written
SELECT finops.set_job('test-a', schedule => '0 25 * * *', command => 'SELECT 1');
SELECT finops.set_job('test-a', guard => 'first moonday', command => 'SELECT 1');
SELECT finops.set_job('test-a', time_zone => 'Europe/Atlantis', command => 'SELECT 1');
SELECT finops.set_job('test-a', schedule => '0 3 * * *');
SELECT finops.set_job('test-a', depends_on => '{test-none}', command => 'SELECT 1');
\set VERBOSITY terse
SELECT finops.set_job('test-a', max_retries => 4, command => 'SELECT 1');
SELECT finops.set_job('test-a', command => E' \n');
SELECT finops.set_job('test-a', time_limit => '0', command => 'SELECT 1');
SELECT finops.set_job('test-a', retry_delay => '-1 second', command => 'SELECT 1');
SELECT finops.set_job(NULL);
INSERT INTO finops.job (job_name, schedule, command) VALUES ('test-a', '* * * *', 'SELECT 1');
SELECT count(*) FROM finops.job WHERE NOT shipped;

-- when a job is due: Berlin leaves summer time on 2026-10-25 and enters it on 2026-03-29
SELECT s, g, z, finops.due_before(s, g, z, a) FROM (VALUES
	('0 8 * * *', NULL, 'Europe/Berlin', timestamptz '2026-07-01 06:00+00'),
	('0 8 * * *', NULL, 'Europe/Berlin', '2026-07-01 05:59:59+00'),
	('0 8 * * *', NULL, 'Europe/Berlin', '2026-10-25 07:00+00'),
	('30 2 * * *', NULL, 'Europe/Berlin', '2026-03-29 12:00+00'),
	('30 2 * * *', NULL, 'Europe/Berlin', '2026-10-25 12:00+00'),
	('0 9 * * 1', 'first monday', 'UTC', '2026-11-21 00:00+00'),
	('0 15 * * 5', 'last friday', 'UTC', '2026-11-21 00:00+00'),
	('*/15 * * * *', 'hours 02-08', 'UTC', '2026-11-21 12:07+00'),
	('0 0 29 2 *', NULL, NULL, '2023-12-31 00:00+00'),
	('0 0 30 2 *', NULL, NULL, '2023-12-31 00:00+00'),
	('@reboot', NULL, NULL, '2023-12-31 00:00+00'),
	(NULL, NULL, NULL, '2023-12-31 00:00+00')) AS v(s, g, z, a);
SELECT finops.guard_refusal(g, '2026-11-02 09:00+00', z) FROM (VALUES ('first monday', 'UTC'), ('first monday', 'Pacific/Honolulu'), ('last friday', 'UTC'), ('hours 02-08,14-16', 'UTC'), ('hours 09-10', 'UTC'),
	('business day 1 and active sessions < 1000 and once a day', 'UTC')) AS v(g, z);
SELECT finops.in_window('2026-11-02 02:00+00'), finops.in_window('2026-11-02 08:00+00'), finops.in_window('2026-11-02 23:00+00', '22-04'), finops.in_window('2026-11-02 23:00+00', '22-04', 'Europe/Berlin');
SELECT finops.in_window(now(), 'never');

-- further attempts wait twice as long each; what would meet the same is not tried again
SELECT finops.set_job('test-again', command => 'SELECT 1 / 0', max_retries => 2, retry_delay => '20 milliseconds');
CALL finops.run_job('test-again');
SELECT finops.set_job('test-final', command => 'SELECT no_such_column', max_retries => 3);
CALL finops.run_job('test-final');
SELECT finops.set_job('test-endless', command => 'SELECT pg_sleep(600)', max_retries => 3, time_limit => '100 milliseconds');
CALL finops.run_job('test-endless');
SELECT finops.set_job('test-rows', command => $$SELECT v AS source, nullif(v = 2, false)::text AS error FROM generate_series(1, 3) AS v$$);
CALL finops.run_job('test-rows');
SELECT job_name, status, attempt, error_message, detail, started_at - lag(finished_at) OVER (PARTITION BY job_name ORDER BY run_id) >= interval '20 milliseconds' * attempt / 2 AS waited
FROM finops.job_run ORDER BY run_id;
SELECT count(*) AS locks FROM pg_locks WHERE locktype = 'advisory';

-- a limit does not outlive its run
SELECT finops.set_job('test-limited', command => 'SELECT 1', time_limit => '300 milliseconds');
CALL finops.run_job('test-limited');
SELECT pg_sleep(0.5) IS NOT NULL AS slept;

-- a scheduler is told no by guards and dependencies, a person is not
SET client_min_messages = warning;
SELECT finops.set_job('test-first', schedule => '0 0 1 1 *', command => 'SELECT 1 / (SELECT count(*) FROM finops.job_run WHERE job_name = ''test-limited'' AND attempt = 7)');
SELECT finops.set_job('test-second', schedule => '0 0 1 1 *', command => 'SELECT 2', depends_on => '{test-first}');
SELECT finops.set_job('test-third', schedule => '* * * * *', command => 'SELECT 3', guard => 'day 30 and day 31');
SELECT finops.set_job('test-first', depends_on => '{test-second}');
CALL finops.run_job('test-second', true);
CALL finops.run_job('test-first', true);
CALL finops.run_job('test-second', true);
CALL finops.run_job('test-second');
INSERT INTO finops.job_run (job_name, executed_by, status, finished_at, attempt) VALUES ('test-limited', 'x', 'succeeded', now(), 7);
CALL finops.run_job('test-first', true);
CALL finops.run_job('test-second', true);
CALL finops.run_job('test-third', true);
CALL finops.run_job('test-third');
SELECT job_name, status, scheduled, skipped_for, regexp_replace(error_message, '\d{4}-\d\d-\d\d \d\d:\d\d', '...') AS error FROM finops.job_run WHERE job_name IN ('test-first', 'test-second', 'test-third') AND skipped_for IS DISTINCT FROM 'guard' ORDER BY run_id;
SELECT count(*), min(skipped_for) FROM finops.job_run WHERE job_name = 'test-third' AND status = 'skipped';
-- of a scheduler that fires too often only what is due counts
SELECT finops.set_job('test-third', schedule => '0 0 1 1 *', guard => 'hours 00-24');
CALL finops.run_job('test-third', true, '1 second');
SELECT count(*) FROM finops.job_run WHERE job_name = 'test-third' AND scheduled AND status = 'succeeded';
CALL finops.run_job('test-third', true, '400 days');
CALL finops.run_job('test-third', true, '400 days');
SELECT count(*) FROM finops.job_run WHERE job_name = 'test-third' AND scheduled AND status = 'succeeded';

-- once a day
SELECT finops.set_job('test-once', schedule => '* * * * *', command => 'SELECT 1', guard => 'once a day');
CALL finops.run_job('test-once', true);
CALL finops.run_job('test-once', true);
SELECT status, skipped_for, error_message FROM finops.job_run WHERE job_name = 'test-once' ORDER BY run_id;

-- what did not run although it should have
SELECT job_name FROM finops.job_late;
SELECT finops.set_job('test-first', schedule => '* * * * *');
UPDATE finops.job_schedule SET scheduled_at = now() - interval '2 years';
UPDATE finops.job_run SET started_at = started_at - interval '2 hours' WHERE job_name = 'test-first';
SELECT job_name, due_at > now() - interval '17 minutes' AS due, last_started_at IS NULL AS never, late_by >= interval '15 minutes' AS late FROM finops.job_late ORDER BY 1;
SELECT finops.set_job('test-first', enabled => false);
SELECT job_name FROM finops.job_late;

-- a change of a shipped job is a row of its own that says only what changes
SELECT finops.set_job('budgets', schedule => '0 5 * * *', time_zone => 'Europe/Berlin');
SELECT schedule, time_zone, command, depends_on, shipped, overridden FROM finops.job_registry WHERE job_name = 'budgets';
SELECT jsonb_strip_nulls(to_jsonb(j)) FROM finops.job j WHERE job_name = 'budgets' AND NOT shipped;

-- a night: what is due, each after what it depends on
DELETE FROM finops.job WHERE NOT shipped;
DELETE FROM finops.job_run;
DELETE FROM finops.job_schedule;
INSERT INTO finops.job (job_name, enabled) SELECT job_name, false FROM finops.job WHERE shipped;
INSERT INTO finops.job (job_name, schedule, command, depends_on) VALUES ('test-w', '0 2 * * *', 'SELECT 4', '{test-y}'), ('test-x', '0 3 * * *', 'SELECT 1', '{test-z}'), ('test-y', '1 3 * * *', 'SELECT 1 / 0', '{test-x}'), ('test-z', '2 3 * * *', 'SELECT 3', NULL),
	('test-never', '0 3 29 2 *', 'SELECT 5', NULL), ('test-demand', NULL, 'SELECT 6', NULL);
SELECT count(*) FROM finops.due_jobs();
CALL finops.run_nightly(NULL) \gset
SELECT regexp_replace(key, 'test-', '') AS job, regexp_replace(regexp_replace(value, '\d\.\d s', 'ran'), '\d{4}-\d\d-\d\d', '...') AS what FROM jsonb_each_text(:'result') ORDER BY 1;
SELECT job_name, status, skipped_for FROM finops.job_run ORDER BY run_id;
SELECT count(*) FROM finops.due_jobs() WHERE job_name <> 'test-w';
DELETE FROM finops.job WHERE NOT shipped;
DELETE FROM finops.job_run;
DELETE FROM finops.job_schedule;

-- retention
SELECT object, keep, action FROM finops.retention_policy ORDER BY object COLLATE "C";
BEGIN;
INSERT INTO cost_cache (cache_key, source, created_at) VALUES ('t-old', 't', now() - interval '8 days'), ('t-new', 't', now() - interval '6 days');
INSERT INTO api_metrics (endpoint, response_time_ms, created_at) VALUES ('t', 1, now() - interval '91 days'), ('t', 1, now() - interval '30 days');
SELECT finops.cache_cleanup(), finops.purge_logs(), finops.purge_logs('20 days');
SELECT partition, created FROM finops.rotate_partitions('2001-12-15');
SELECT partition, created FROM finops.rotate_partitions('2001-12-15');
INSERT INTO fact_cost_raw (bill_billing_period_start_date, provider, service, charge_category, billed_cost, effective_cost, source, delivery_id)
VALUES ('2001-12-01', 'AWS', 'EC2', 'Usage', 1, 1, 'test', 1), ('2002-01-01', 'AWS', 'EC2', 'Usage', 1, 1, 'test', 2);
INSERT INTO finops.delivery (source, billing_period, digest, format) VALUES ('test', '2001-12-01', 'x', 'cur'), ('test', '2002-01-01', 'y', 'cur');
INSERT INTO period_lock (period_start, period_end, state) VALUES ('2001-12-01', '2001-12-31', 'LOCKED');
SELECT object, action, removed > 0 AS removed, kept_locked > 0 AS kept FROM finops.apply_retention() WHERE object = 'fact_cost_raw';
SELECT billing_period, status FROM finops.delivery WHERE source = 'test' ORDER BY 1;
SELECT count(*) AS attached, (SELECT count(*) FROM finops.fact_cost_raw_2002_01) AS detached FROM fact_cost_raw WHERE source = 'test' AND bill_billing_period_start_date < '2003-01-01';
INSERT INTO finops.retention_policy (object, keep, action) VALUES ('fact_cost_raw', '30 days', 'drop');
SELECT object, action, kept_locked > 0 AS kept FROM finops.apply_retention() WHERE object = 'fact_cost_raw';
INSERT INTO finops.retention_policy (object, enabled) VALUES ('query_log', false);
SELECT count(*) FROM finops.apply_retention() WHERE object = 'query_log';
SELECT finops.apply_retention('9000-01-01');
ROLLBACK;
SELECT finops.purge_logs('-1 day');
INSERT INTO finops.retention_policy (object, keep) VALUES ('invoice_header', '1 day');
SELECT * FROM finops.ingest_bills();
INSERT INTO finops.bill_source (address) VALUES ('/no/such/bill.csv');
SELECT status, error FROM finops.ingest_bills();
DELETE FROM finops.bill_source;

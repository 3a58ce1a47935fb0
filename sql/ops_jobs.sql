-- Jobs with and without a scheduler, and the close of a month that has no bill.
\set VERBOSITY default
\set SHOW_CONTEXT never
SELECT job_name, schedule, enabled FROM finops.job WHERE shipped ORDER BY job_name COLLATE "C";

-- one run at a time is recorded, succeeded or failed, outside a transaction only
CALL finops.run_job(NULL);
CALL finops.run_job('no-such-job');
BEGIN;
CALL finops.run_job('job-purge');
ROLLBACK;
CREATE FUNCTION pg_temp.inside() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CALL finops.run_job('job-purge'); END $$;
SELECT pg_temp.inside();
CALL finops.run_job('job-purge');
INSERT INTO finops.job (job_name, schedule, command, description) VALUES
	('test-numbers', '0 0 1 1 *', 'SELECT i, i * i AS square FROM generate_series(1, 3) AS i', 'answers'),
	('test-fails', '0 0 1 1 *', 'SELECT 1 / 0', 'fails'),
	('test-refused', '0 0 1 1 *', 'SELECT finops.lock_period(''2023-01-01'')', 'fails with a hint'),
	('test-writes', '0 0 1 1 *', 'SELECT nextval(''finops.no_such_sequence'')', 'fails');
CALL finops.run_job('test-numbers');
CALL finops.run_job('test-fails');
CALL finops.run_job('test-refused');
CALL finops.run_job('test-writes');
-- a run whose session went away is found by the next run
INSERT INTO finops.job_run (job_name, executed_by) VALUES ('test-numbers', 'gone');
CALL finops.run_job('test-numbers');
SET statement_timeout = '50ms';
UPDATE finops.job SET command = 'SELECT pg_sleep(60)' WHERE job_name = 'test-fails';
CALL finops.run_job('test-fails');
RESET statement_timeout;
SELECT job_name, status, error_message, detail, finished_at >= started_at AS finished FROM finops.job_run ORDER BY run_id;
SELECT count(*) AS locks FROM pg_locks WHERE locktype = 'advisory';
-- a row of the user comes before the shipped one
INSERT INTO finops.job (job_name, schedule, command, description) VALUES ('job-purge', '0 0 1 1 *', 'SELECT ''mine'' AS answer', 'override');
CALL finops.run_job('job-purge');
SELECT detail FROM finops.job_run ORDER BY run_id DESC LIMIT 1;
INSERT INTO finops.job (job_name, schedule, command, description) VALUES ('Not a name', '* * * * *', 'SELECT 1', 'x');
SELECT finops.purge_job_runs(NULL);
SELECT finops.purge_job_runs('-1 day');
UPDATE finops.job_run SET finished_at = finished_at - interval '91 days' WHERE job_name = 'test-numbers';
SELECT finops.purge_job_runs();
DELETE FROM finops.job WHERE NOT shipped;
DELETE FROM finops.job_run;

-- months that jobs work on
BEGIN;
CREATE TABLE finops.fact_cost_raw_2023_01 PARTITION OF fact_cost_raw FOR VALUES FROM ('2023-01-01') TO ('2023-02-01');
CREATE TABLE finops.fact_cost_raw_2023_02 PARTITION OF fact_cost_raw FOR VALUES FROM ('2023-02-01') TO ('2023-03-01');
INSERT INTO fact_cost_raw (bill_billing_period_start_date, provider, service, charge_category, billed_cost, effective_cost, source, delivery_id)
VALUES ('2023-01-01', 'AWS', 'EC2', 'Usage', 1, 1, 'test', 1), ('2023-02-01', 'AWS', 'EC2', 'Usage', 1, 1, 'test', 2);
INSERT INTO finops.cost_daily (billing_period, usage_date, source, provider, service, charge_category, currency, billed_cost, effective_cost, line_items)
VALUES ('2023-01-01', '2023-01-31', 'test', 'AWS', 'EC2', 'Usage', 'USD', 1, 1, 1), ('2023-02-01', '2023-02-11', 'test', 'AWS', 'EC2', 'Usage', 'USD', 1, 1, 1);
SELECT array_agg(to_char(p, 'YYYY-MM')) FROM finops.open_periods('2023-02-15') AS p;
SELECT array_agg(to_char(p, 'YYYY-MM')) FROM finops.open_periods('2023-03-31') AS p;
SELECT count(*) FROM finops.open_periods('2023-05-01') AS p;
INSERT INTO finops.period_gate (period_start, gate, position, status, detail) VALUES ('2023-01-01', 'allocation', 2, 'completed', NULL), ('2023-01-01', 'reconciliation', 3, 'failed', 'EC2 -6.00');
SELECT to_char(billing_period, 'YYYY-MM') AS month, days_since_end, gate, status, detail, next_call FROM finops.close_reminders('2023-03-05')
WHERE billing_period >= '2023-01-01';
INSERT INTO period_lock (period_start, period_end, state) VALUES ('2023-01-01', '2023-01-31', 'LOCKED');
SELECT array_agg(to_char(p, 'YYYY-MM')) FROM finops.open_periods('2023-02-15') AS p;
SELECT to_char(billing_period, 'YYYY-MM') AS month, gate FROM finops.close_reminders('2023-03-05') WHERE billing_period >= '2023-01-01';
SELECT * FROM finops.readiness('2023-02-01');
INSERT INTO finops.delivery (source, billing_period, digest, format, line_items, billed_cost) VALUES ('AWS/1', '2023-02-01', 'x', 'cur', 1, 1.5);
SELECT * FROM finops.readiness('2023-02-01') WHERE item = 'control total';
ROLLBACK;

-- the close: arguments, and a month without a bill
CALL finops.close_month(NULL);
CALL finops.close_month('2023-05-02');
CALL finops.close_month('2023-05-01', NULL);
CALL finops.close_month('9999-05-01');
BEGIN;
CALL finops.close_month('2023-05-01');
ROLLBACK;
CALL finops.close_month('2023-05-01');
SELECT action, object_id, metadata FROM audit_event WHERE action = 'close_month' AND object_id = '2023-05';
DELETE FROM audit_event WHERE action = 'close_month' AND object_id = '2023-05';
SELECT count(*) AS locks FROM pg_locks WHERE locktype = 'advisory';

-- pg_cron, where it is loaded, is not created in the database that it belongs to
DO $$
BEGIN
	PERFORM finops.schedule_jobs();
EXCEPTION WHEN object_not_in_prerequisite_state THEN
	RAISE NOTICE '%', SQLERRM;
END $$;

-- The grants of docs/security.md: the reader reads, the operator runs the
-- month and its jobs, neither issues, locks, closes nor schedules.
BEGIN;
SELECT plan(8);

CREATE ROLE finops_reader;
CREATE ROLE finops_operator;
GRANT finops_reader TO finops_operator;

SELECT finops.grant_role('reader', 'finops_reader') \g /dev/null
SELECT finops.grant_role('operator', 'finops_operator') \g /dev/null

SELECT is(count(*) FILTER (WHERE has_function_privilege('finops_operator', p.oid, 'EXECUTE')), 10::bigint, 'the operator may run jobs and all their parts')
FROM pg_proc p WHERE p.pronamespace = 'finops'::regnamespace
	AND p.proname IN ('run_job', 'attempt_job', 'require_no_transaction', 'start_job', 'limit_job', 'run_in_worker', 'finish_job', 'fail_job', 'open_periods', 'close_reminders');
SELECT is(count(*) FILTER (WHERE has_function_privilege('finops_operator', p.oid, 'EXECUTE')), 0::bigint, 'the operator may not issue, lock, close or schedule')
FROM pg_proc p WHERE p.pronamespace = 'finops'::regnamespace
	AND p.proname IN ('issue_invoices', 'lock_period', 'close_month', 'schedule_jobs');
SELECT count(*) FROM finops.generate_bill('2020-05-01', 500, 5) \g /dev/null

SET LOCAL ROLE finops_reader;
SELECT is(count(*), 500::bigint, 'the reader sees the facts') FROM fact_cost_raw WHERE bill_billing_period_start_date = '2020-05-01';
SELECT throws_ok($$ SELECT finops.allocate('2020-05-01') $$, '42501', NULL, 'the reader may not allocate');
SET LOCAL ROLE finops_operator;
SELECT lives_ok($$ SELECT finops.validate_tags('2020-05-01') $$, 'the operator validates tags');
SELECT lives_ok($$ SELECT finops.allocate('2020-05-01') $$, 'the operator allocates');
SELECT lives_ok($$ SELECT finops.reconcile('2020-05-01') $$, 'the operator reconciles');
SELECT lives_ok($$ SELECT count(*) FROM finops.prepare_invoices('2020-05-01') $$, 'the operator prepares documents');
RESET ROLE;
SELECT * FROM finish();
ROLLBACK;

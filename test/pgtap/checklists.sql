-- Checklists: every one runs, verdicts follow what the queries find, steps of
-- people are signed, reports are read.
BEGIN;
SELECT no_plan();

SELECT set_eq('SELECT DISTINCT name FROM finops.checklist', $$SELECT unnest(ARRAY['daily_am', 'daily_pm', 'weekly_planning', 'midweek', 'weekly_summary', 'monthly_planning', 'mid_month', 'month_end', 'p1', 'p2', 'p3',
	'pipeline_monitoring', 'pipeline_maintenance', 'model_monitoring', 'model_maintenance', 'realtime_monitoring', 'performance_optimization', 'backup_verification', 'recovery_test', 'security_monitoring', 'security_review',
	'cost_monitoring', 'cost_optimization', 'dashboard_daily', 'dashboard_cache_cleanup', 'dashboard_performance', 'dashboard_rotation', 'dashboard_incident', 'dashboard_release', 'dashboard_maintenance',
	'commercial_daily', 'commercial_weekly', 'commercial_monthly', 'forecast_drivers', 'forecast_rollback'])$$, 'every block of the runbooks');
SELECT is(count(*), c.steps, format('checklist %s runs all its steps', c.name)) FROM (SELECT k.name, (SELECT count(*) FROM finops.checklist_step s WHERE s.checklist = k.name) AS steps FROM finops.checklist k) c,
	LATERAL finops.run_checklist(c.name) r GROUP BY c.name, c.steps ORDER BY c.name;
SELECT is_empty($$SELECT c.checklist, r.step_no, r.result FROM finops.checklist_result r JOIN finops.checklist_run c USING (run_id) WHERE r.result ~ '^[0-9A-Z]{5}: '$$, 'no step raises an error');
SELECT is_empty($$SELECT name FROM finops.checklist c WHERE NOT EXISTS (SELECT FROM finops.checklist_step s WHERE s.checklist = c.name)$$, 'no checklist is empty');
SELECT is((SELECT count(DISTINCT runbook_id) FROM finops.checklist_step WHERE runbook_id LIKE 'S004-%'), 38::bigint, 'every statement of the logistics runbook has its step');
SELECT is_empty($$SELECT s.runbook_id FROM finops.checklist_step s WHERE s.runbook_id IS NOT NULL AND NOT EXISTS (SELECT FROM finops.runbook r WHERE r.id = s.runbook_id)$$, 'statements are those of the catalogue');

-- verdicts
CREATE FUNCTION pg_temp.verdict(list text, no integer) RETURNS text LANGUAGE sql AS $$ SELECT verdict || ': ' || coalesce(result, '') FROM finops.run_checklist(list) WHERE step_no = no $$;
INSERT INTO finops.source_sync (table_name, last_sync_at) VALUES ('orders', now() - interval '361 minutes');
SELECT is(pg_temp.verdict('daily_am', 2), 'fail: table_name orders, minutes 361', 'freshness beyond 360 minutes fails');
UPDATE finops.source_sync SET last_sync_at = now() - interval '359 minutes';
SELECT is(pg_temp.verdict('daily_am', 2), 'pass: no rows', 'within 360 it passes');
INSERT INTO finops.dq_check (table_name, row_count, null_keys, sla_result) VALUES ('orders', 10, 3, 'FAIL'), ('orders', 10, 3, 'PASS');
SELECT is(pg_temp.verdict('daily_am', 4), 'fail: table_name orders, null_keys 3, row_count 10', 'data quality');
INSERT INTO finops.query_log (query_id, start_time, total_elapsed_time_seconds) VALUES ('q1', now(), 301), ('q2', now(), 300), ('q3', now(), 61);
SELECT is(pg_temp.verdict('daily_am', 6), 'fail: query_id q1, seconds 301', 'a query above 300 s, not one of 300');
SELECT ok(pg_temp.verdict('performance_optimization', 1) LIKE 'fail: 3 rows, the first: query_id q1%', 'above 60 s within the week');
INSERT INTO finops.warehouse (warehouse_name, cost_per_credit) VALUES ('wh', 3);
INSERT INTO finops.warehouse_metering VALUES ('wh', (now() AT TIME ZONE 'UTC')::date, 333, 0.5);
SELECT ok(pg_temp.verdict('daily_am', 7) LIKE 'fail: warehouse_name wh%', '333.5 credits of 3 are above 1000');
UPDATE finops.warehouse_metering SET credits_used_compute = 332;
SELECT is(pg_temp.verdict('daily_am', 7), 'pass: no rows', '332.5 of 3 are not');
INSERT INTO finops.backup_log VALUES ('all', now() - interval '2 hours', 1, 'SUCCESS');
SELECT ok(pg_temp.verdict('backup_verification', 1) LIKE 'pass: backups 1, good 1%', 'a good backup');
INSERT INTO finops.backup_log VALUES ('one', now() - interval '1 hour', 1, 'FAILED');
SELECT ok(pg_temp.verdict('backup_verification', 1) LIKE 'fail: backups 2, good 1%', 'and one that failed');
INSERT INTO finops.feature_drift VALUES ('f', 0.3, 0.2, now()), ('g', 0.2, 0.2, now());
SELECT is(pg_temp.verdict('model_monitoring', 2), 'fail: feature_name f, drift_score 0.3, threshold 0.2', 'drift above its threshold, not at it');
SELECT is(pg_temp.verdict('p1', 7), 'outside: ', 'what no database does');
SELECT is(pg_temp.verdict('p1', 9), 'manual: ', 'what a person does');

-- a checklist of one's own, one that fails, one that overrides
INSERT INTO finops.checklist (name, title, document) VALUES ('own', 'A <b>title</b>', 'ours');
INSERT INTO finops.checklist_step (checklist, step_no, step, kind, pass_when, query) VALUES
	('own', 1, 'one', 'check', 'ok', 'SELECT 1 AS a, true AS ok UNION ALL SELECT 2, false'),
	('own', 2, 'broken', 'check', 'always', 'SELECT 1/0'),
	('own', 3, 'text', 'check', 'rows', 'SELECT ''all <is> well'' AS result');
INSERT INTO finops.checklist_step (checklist, step_no, step, kind) VALUES ('own', 4, 'sign', 'manual');
SELECT results_eq($$SELECT step_no, verdict, result FROM finops.run_checklist('own')$$,
	$$VALUES (1, 'fail', '2 rows, the first: 1'), (2, 'fail', '22012: division by zero'), (3, 'pass', 'all <is> well'), (4, 'manual', NULL)$$, 'a step that raises has failed, and the others go on');
SELECT max(run_id) AS run FROM finops.checklist_run \gset
SELECT is((SELECT format('%s %s %s', verdict, note, signed_by = current_user) FROM finops.sign_step(:run, 4, 'done & dusted')), 'pass done & dusted t', 'signed');
SELECT is((SELECT verdict FROM finops.sign_step(:run, 1, passed => false)), 'fail', 'looked at');
SELECT throws_ok(format('SELECT finops.sign_step(%s, 3)', :run), '22023', NULL, 'a check that passed needs no signature');
SELECT throws_ok(format('SELECT finops.sign_step(%s, 9)', :run), 'P0002', NULL, 'no such step');
SELECT ok(finops.checklist_report(:run) LIKE 'A <b>title</b>%2 fail, 2 pass%', 'the report counts');
SELECT finops.checklist_report(:run, 'html') AS page \gset
SELECT ok(:'page' LIKE '%A &lt;b&gt;title%' AND :'page' LIKE '%all &lt;is&gt; well%' AND :'page' LIKE '%done &amp; dusted%', 'and escapes as a page');
SELECT ok(xmlparse(document replace(replace(replace(:'page', '<!DOCTYPE html>', ''), '<meta charset="utf-8">', ''), '&#39;', '''')) IS NOT NULL, 'whose elements are closed');
SELECT throws_ok('SELECT finops.checklist_report(NULL, ''pdf'')', '22023', 'format "pdf" is not known', 'another format');
SELECT throws_ok('SELECT finops.checklist_report(-1)', 'P0002', NULL, 'no such run');
SELECT throws_ok($$SELECT finops.run_checklist('nightly')$$, '22023', 'there is no checklist "nightly"', 'an unknown list');
SELECT throws_ok('SELECT finops.run_checklist(NULL)', '22004', NULL, 'NULL');
INSERT INTO finops.checklist_step (checklist, step_no, step, kind) VALUES ('p3', 1, 'ours instead', 'manual');
SELECT is((SELECT step FROM finops.run_checklist('p3') WHERE step_no = 1), 'ours instead', 'a step of the user comes before the shipped one');
SELECT throws_ok($$INSERT INTO finops.checklist_step (checklist, step_no, step, kind) VALUES ('own', 5, 'x', 'check')$$, '23514', NULL, 'a check needs a query');

-- rights: a query of the user runs as the caller
CREATE ROLE checklist_runner;
GRANT EXECUTE ON FUNCTION finops.run_checklist(text) TO checklist_runner;
UPDATE finops.checklist_step SET query = 'SELECT count(*) FROM finops.incident', step = 'reads' WHERE checklist = 'own' AND step_no = 2;
SET LOCAL ROLE checklist_runner;
SELECT is(result, '42501: permission denied for table incident', 'with no more rights than the caller has') FROM finops.run_checklist('own') WHERE step_no = 2;
SELECT is(verdict, 'pass', 'shipped ones run as the owner') FROM finops.run_checklist('daily_am') WHERE step_no = 11;
RESET ROLE;

-- what is due: once, unless a guard is against it; a list without steps stops no other
INSERT INTO finops.checklist (name, title, document, schedule, enabled) SELECT name, title, document, schedule, false FROM finops.checklist c WHERE shipped AND NOT EXISTS (SELECT FROM finops.checklist o WHERE o.name = c.name AND NOT o.shipped);
UPDATE finops.checklist SET enabled = false WHERE NOT shipped;
INSERT INTO finops.checklist (name, title, document, schedule, guard) VALUES ('due_minute', 'x', 'x', '* * * * *', NULL), ('due_never', 'x', 'x', '* * * * *', 'day 30 and day 31'), ('due_empty', 'x', 'x', '* * * * *', NULL);
INSERT INTO finops.checklist_step (checklist, step_no, step, query, pass_when) SELECT n, s, 'x', 'SELECT 1 AS n', p FROM unnest('{due_minute,due_never}'::text[]) n, (VALUES (1, 'rows'), (2, 'no rows'), (3, 'always')) AS v(s, p);
SELECT results_eq('SELECT name, due_at, failed FROM finops.run_due_checklists()', $$VALUES ('due_minute', date_trunc('minute', now()), 1::bigint)$$, 'one of three is due, and one of its steps fails');
SELECT is_empty('SELECT * FROM finops.run_due_checklists()', 'not twice');
UPDATE finops.checklist_run SET started_at = now() - interval '2 minutes' WHERE checklist = 'due_minute';
SELECT is((SELECT count(*) FROM finops.run_due_checklists()), 1::bigint, 'it is when its time comes again');
UPDATE finops.checklist SET enabled = false WHERE name = 'due_minute';
UPDATE finops.checklist_run SET started_at = now() - interval '2 minutes' WHERE checklist = 'due_minute';
SELECT is_empty('SELECT * FROM finops.run_due_checklists()', 'and not when it is off');

-- purge
UPDATE finops.checklist_run SET started_at = now() - interval '500 days' WHERE run_id = :run;
UPDATE finops.checklist_run SET started_at = now() - interval '8 days' WHERE checklist IN ('realtime_monitoring', 'security_review');
SELECT is(finops.purge_checklists(), 1 + (SELECT count(*) FROM finops.checklist_run WHERE checklist = 'realtime_monitoring'), 'old runs go, those of every minute after a week');
SELECT is((SELECT count(*) FROM finops.checklist_run WHERE checklist = 'security_review'), 1::bigint, 'others stay');
SELECT throws_ok($$SELECT finops.purge_checklists('-1 day')$$, '22023', NULL, 'negative');
SELECT * FROM finish();
ROLLBACK;

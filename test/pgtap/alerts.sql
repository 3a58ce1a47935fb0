-- Alert policies: what is refused, the states, hysteresis, silence, inhibition,
-- escalation, policies that fail, and that each crossing is told once.
BEGIN;
SELECT plan(76);
SET client_min_messages = error;
CREATE TABLE public.al_watch (scope text, value numeric, detail jsonb DEFAULT '{}');
CREATE TABLE public.al_parent (scope text, value numeric, detail jsonb DEFAULT '{}');
CREATE FUNCTION pg_temp.told(OUT told text) LANGUAGE sql AS $$
	SELECT string_agg(concat_ws(' ', payload ->> 'event', payload ->> 'policy_id', payload ->> 'scope'), ', ' ORDER BY outbox_id) FROM finops.outbox WHERE topic = 'alert' AND payload ->> 'policy_id' LIKE 'al-%' $$;
CREATE FUNCTION pg_temp.state(policy text, object text, OUT state text) LANGUAGE sql AS $$
	SELECT a.state FROM finops.alert a WHERE a.policy_id = policy AND a.scope = object $$;

-- every shipped policy: its query parses and runs
SELECT is((SELECT count(*) FROM finops.alert_policy_in_force), (SELECT count(*) FROM finops.alert_policy WHERE shipped), 'without rows of the user the shipped policies are in force');
SELECT set_eq($$SELECT unnest(ARRAY['cur-freshness', 'cur-freshness-critical', 'allocation-variance', 'allocation-variance-critical', 'budget-stale', 'recon-failed', 'tag-coverage-drop', 'invoice-lag', 'rmse-drift',
	'forecast-outlier', 'PAYMENT_MISMATCH', 'quota-80', 'quota-95', 'quota-100', 'budget-actual', 'budget-forecast', 'job-late', 'job-failed', 'runner-backlog', 'dashboard-down', 'high-error-rate',
	'database-connection-failure', 'slow-api-responses', 'aws-api-throttling', 'stale-data']) EXCEPT SELECT policy_id FROM finops.alert_policy WHERE shipped$$, $$SELECT NULL::text WHERE false$$, 'every alarm of the runbooks has a policy');
SELECT finops.evaluate_alerts() \g /dev/null
SELECT is((SELECT string_agg(policy_id || ' ' || error, '; ') FROM finops.alert_policy_state WHERE error IS NOT NULL), NULL, 'every shipped policy can be evaluated');
SELECT is((SELECT count(*) FROM finops.alert_policy_in_force WHERE severity_class IS NOT NULL AND acknowledge_within IS NULL), 0::bigint, 'every severity class of a shipped policy has its time to acknowledge');
SELECT results_eq($$SELECT class, acknowledge_within FROM finops.severity_scale WHERE scale = 'commercial-ops' AND shipped ORDER BY 1$$,
	$$VALUES ('SEV-1', '15 minutes'::interval), ('SEV-2', '1 hour'), ('SEV-3', '4 hours'), ('SEV-4', '1 day')$$, 'the escalation table of commercial operations');
INSERT INTO finops.alert_policy (policy_id, enabled) SELECT policy_id, false FROM finops.alert_policy WHERE shipped AND policy_id <> 'alert-policy-failed';
SELECT finops.evaluate_alerts() \g /dev/null
SELECT is((SELECT count(*) FROM finops.alert WHERE state IN ('firing', 'pending')), 0::bigint, 'alerts of a policy that is switched off end');

-- what could never work is refused
PREPARE refused AS INSERT INTO finops.alert_policy (policy_id, severity, operator, threshold, query) VALUES ('al-x', 'warning', '>', 1, $1);
SELECT throws_ok($$EXECUTE refused('SELEC 1')$$, '42601', NULL, 'a query that does not parse');
SELECT throws_ok($$EXECUTE refused('SELECT 1 AS scope, 2 AS value')$$, '42703', NULL, 'a query without detail');
SELECT throws_ok($$EXECUTE refused('SELECT scope, value, detail FROM al_watch')$$, '42P01', NULL, 'a name that is not qualified');
SELECT throws_ok($$EXECUTE refused('SELECT ''x'' AS scope, now() AS value, ''{}''::jsonb AS detail')$$, '42846', NULL, 'a value that is no number');
SELECT throws_ok($$EXECUTE refused('SELECT 1; DROP TABLE public.al_watch')$$, '42601', NULL, 'two statements');
SELECT throws_ok($$EXECUTE refused('SELECT 1 AS scope, 1 AS value, NULL AS detail) AS q; SELECT * FROM (SELECT 1 AS scope, 1 AS value, NULL AS detail')$$, '42601', NULL, 'two statements in parentheses');
SELECT throws_ok($$EXECUTE refused('DELETE FROM public.al_watch RETURNING scope, value, detail')$$, '42601', NULL, 'a statement that writes');
SELECT throws_ok($$INSERT INTO finops.alert_policy (policy_id, severity, operator, threshold, query) VALUES ('al-x', 'warning', '>', 'NaN', 'SELECT 1')$$, '22023', NULL, 'NaN as threshold');
SELECT throws_ok($$INSERT INTO finops.alert_policy (policy_id, severity, operator, threshold, query) VALUES ('al-x', 'warning', '>', 'Infinity', 'SELECT 1')$$, '22023', NULL, 'an infinite threshold');
SELECT throws_ok($$INSERT INTO finops.alert_policy (policy_id, severity, operator, query) VALUES ('al-x', 'warning', '>', 'SELECT 1')$$, '22023', NULL, 'no threshold');
SELECT throws_ok($$INSERT INTO finops.alert_policy (policy_id, severity, operator, threshold, clear_threshold, query) VALUES ('al-x', 'warning', '>', 1, 2, 'SELECT 1')$$, '22023', 'alert policy "al-x" could never clear at 2', 'a clear threshold beyond the threshold');
SELECT throws_ok($$INSERT INTO finops.alert_policy (policy_id, severity, operator, threshold, clear_threshold, query) VALUES ('al-x', 'warning', '<', 1, 0, 'SELECT 1')$$, '22023', NULL, 'and of the other direction');
SELECT throws_ok($$INSERT INTO finops.alert_policy (policy_id, severity, operator, threshold, query) VALUES ('al-x', 'warning', '=>', 1, 'SELECT 1')$$, '22023', NULL, 'an operator that is none');
SELECT throws_ok($$INSERT INTO finops.alert_policy (policy_id, severity, operator, threshold, for_duration, query) VALUES ('al-x', 'warning', '>', 1, '-1 minute', 'SELECT 1')$$, '22023', NULL, 'a negative duration');
SELECT throws_ok($$INSERT INTO finops.alert_policy (policy_id, severity, operator, threshold, inhibited_by, query) VALUES ('al-x', 'warning', '>', 1, '{al-x}', 'SELECT 1')$$, '22023', NULL, 'a policy that inhibits itself');
SELECT throws_ok($$INSERT INTO finops.alert_policy (policy_id, severity, operator, threshold, severity_class, query) VALUES ('al-x', 'warning', '>', 1, 'SEV-9', 'SELECT 1')$$, '22023', NULL, 'an unknown severity class');
SELECT throws_ok($$INSERT INTO finops.alert_policy (policy_id, severity, operator, threshold, channels, query) VALUES ('al-x', 'warning', '>', 1, '{""}', 'SELECT 1')$$, '22023', NULL, 'a blank channel');
SELECT throws_ok($$UPDATE finops.alert_policy SET threshold = 3 WHERE policy_id = 'cur-freshness' AND shipped$$, '55000', NULL, 'a shipped policy does not change');
SELECT throws_ok($$DELETE FROM finops.alert_policy WHERE policy_id = 'cur-freshness' AND shipped$$, '55000', NULL, 'nor go away');
UPDATE finops.alert_policy SET threshold = 3, enabled = NULL WHERE policy_id = 'cur-freshness' AND NOT shipped;
SELECT results_eq($$SELECT threshold, clear_threshold, severity, enabled FROM finops.alert_policy_in_force WHERE policy_id = 'cur-freshness'$$, $$VALUES (3::numeric, 3::numeric, 'warning', true)$$, 'an override changes what it says and no more');
UPDATE finops.alert_policy SET enabled = false WHERE policy_id = 'cur-freshness' AND NOT shipped;

-- the rights of a policy
CREATE ROLE al_user;
GRANT USAGE ON SCHEMA finops TO al_user;
GRANT INSERT, SELECT ON finops.alert_policy TO al_user;
SET ROLE al_user;
SELECT throws_ok(format($$INSERT INTO finops.alert_policy (policy_id, severity, operator, threshold, owner_role, query) VALUES ('al-x', 'warning', '>', 1, %L, 'SELECT 1')$$, session_user), '42501', NULL, 'nobody writes a policy that runs as somebody else');
INSERT INTO finops.alert_policy (policy_id, severity, operator, threshold, query) VALUES ('al-user', 'warning', '>', 1, 'SELECT scope, value, detail FROM public.al_watch'),
	('al-sets', 'warning', '>', 1, $$SELECT set_config('search_path', 'al_user', false) || set_config('al.left', 'behind', false) AS scope, 0 AS value, '{}'::jsonb AS detail$$);
CREATE TEMP TABLE al_path AS SELECT current_setting('search_path') AS path;
RESET ROLE;
CREATE FUNCTION public.al_write() RETURNS numeric LANGUAGE sql VOLATILE AS 'INSERT INTO public.al_watch VALUES (''written'', 1); SELECT 1::numeric';
INSERT INTO finops.alert_policy (policy_id, severity, operator, threshold, query) VALUES ('al-writes', 'warning', '>', 0, $$SELECT 'x' AS scope, public.al_write() AS value, '{}'::jsonb AS detail$$);
SELECT lives_ok($$SELECT finops.evaluate_alerts()$$, 'policies that fail do not stop the evaluation');
SELECT matches((SELECT error FROM finops.alert_policy_state WHERE policy_id = 'al-user'), '^42501: ', 'a policy has the rights of its owner');
SELECT matches((SELECT error FROM finops.alert_policy_state WHERE policy_id = 'al-writes'), '^25006: ', 'a policy cannot write');
SELECT is((SELECT count(*) FROM public.al_watch), 0::bigint, 'and did not');
SELECT is(concat_ws(' ', current_setting('search_path'), nullif(current_setting('al.left', true), '')), (SELECT path FROM al_path), 'nor does it leave a setting to who evaluates');
SELECT set_eq($$SELECT scope FROM finops.alert WHERE policy_id = 'alert-policy-failed' AND state = 'firing'$$, ARRAY['al-user', 'al-writes'], 'both are reported');
DELETE FROM finops.alert_policy WHERE policy_id IN ('al-user', 'al-sets', 'al-writes');
SELECT finops.evaluate_alerts() \g /dev/null

SELECT lives_ok($$INSERT INTO finops.alert_policy (policy_id, severity, operator, threshold, query, enabled) VALUES ('al-gone', 'warning', '>', 1, 'SELECT scope, value, detail FROM public.al_gone', false)$$, 'a policy that is off may name what is not there');
SELECT throws_ok($$UPDATE finops.alert_policy SET enabled = true WHERE policy_id = 'al-gone'$$, '42P01', NULL, 'and is not switched on');
-- states and hysteresis
INSERT INTO finops.alert_policy (policy_id, title, severity, severity_scale, severity_class, operator, threshold, clear_threshold, query)
	VALUES ('al-level', 'Level', 'warning', 'commercial-ops', 'SEV-2', '>', 100, 90, 'SELECT scope, value, detail FROM public.al_watch');
INSERT INTO public.al_watch VALUES ('a', 100), ('b', 100.01), ('c', NULL), (NULL, 1), ('a', 99), ('d', 'NaN');
SELECT is(finops.evaluate_alerts(), 1::bigint, 'one crosses the threshold; the threshold itself does not');
SELECT is(pg_temp.told(), 'firing al-level b', 'and is told');
SELECT is(finops.evaluate_alerts(), 0::bigint, 'once');
UPDATE public.al_watch SET value = 95 WHERE scope = 'b';
SELECT is(finops.evaluate_alerts(), 0::bigint, 'above the clear threshold it stands');
SELECT is(pg_temp.state('al-level', 'b'), 'firing', 'and fires');
UPDATE public.al_watch SET value = 101 WHERE scope = 'b';
SELECT is(finops.evaluate_alerts(), 0::bigint, 'no new crossing');
UPDATE public.al_watch SET value = 90 WHERE scope = 'b';
SELECT is(finops.evaluate_alerts(), 1::bigint, 'at the clear threshold it is over');
SELECT is(pg_temp.told(), 'firing al-level b, resolved al-level b', 'which is told too');
UPDATE public.al_watch SET value = 95 WHERE scope = 'b';
SELECT is(finops.evaluate_alerts(), 0::bigint, 'between the thresholds nothing happens');
UPDATE public.al_watch SET value = 102 WHERE scope = 'b';
SELECT is(finops.evaluate_alerts(), 1::bigint, 'a second crossing is told again');
SELECT results_eq($$SELECT state, crossing, notified_crossing, value FROM finops.alert WHERE policy_id = 'al-level' AND scope = 'b'$$, $$VALUES ('firing', 2, 2, 102::numeric)$$, 'it is counted');
DELETE FROM public.al_watch WHERE scope = 'b';
SELECT is(finops.evaluate_alerts(), 1::bigint, 'an object that is gone');
SELECT is(pg_temp.state('al-level', 'b'), 'resolved', 'has no alert');

-- a time that it must stand
UPDATE finops.alert_policy SET for_duration = '10 minutes' WHERE policy_id = 'al-level';
INSERT INTO public.al_watch VALUES ('p', 200);
SELECT is(finops.evaluate_alerts(), 0::bigint, 'not told before its time');
SELECT is(pg_temp.state('al-level', 'p'), 'pending', 'it is pending');
UPDATE finops.alert SET since = since - interval '11 minutes' WHERE scope = 'p';
SELECT is(finops.evaluate_alerts(), 1::bigint, 'told after it');
SELECT is((SELECT string_agg(event, ' ' ORDER BY event_id) FROM finops.alert_event WHERE policy_id = 'al-level' AND scope = 'p'), 'pending firing notified', 'its history');

-- acknowledgement and escalation
SELECT is((SELECT acknowledge_by - fired_at FROM finops.alert WHERE scope = 'p'), '1 hour'::interval, 'an hour to acknowledge SEV-2');
UPDATE finops.alert SET acknowledge_by = now() - interval '1 minute' WHERE scope = 'p';
SELECT is(finops.evaluate_alerts(), 1::bigint, 'nobody acknowledged: told again');
SELECT is((SELECT payload ->> 'event' || ' ' || (payload ->> 'escalation') FROM finops.outbox ORDER BY outbox_id DESC LIMIT 1), 'escalation 1', 'as an escalation');
SELECT finops.acknowledge_alert(alert_id, 'on it') FROM finops.alert WHERE scope = 'p' \g /dev/null
UPDATE finops.alert SET acknowledge_by = now() - interval '1 minute' WHERE scope = 'p';
SELECT is(finops.evaluate_alerts(), 0::bigint, 'what is acknowledged is not escalated');
SELECT throws_ok($$SELECT finops.acknowledge_alert(-1, 'x')$$, '22023', NULL, 'an alert that does not fire cannot be acknowledged');
UPDATE finops.alert SET acknowledged_at = NULL, acknowledge_by = now() - interval '1 minute', escalations = 3 WHERE scope = 'p';
SELECT is(finops.evaluate_alerts(), 0::bigint, 'escalations end');

-- silence
UPDATE finops.alert_policy SET for_duration = NULL WHERE policy_id = 'al-level';
SELECT throws_ok($$SELECT finops.silence_alert('al-level', NULL, now() - interval '1 hour', 'x')$$, '22023', NULL, 'a silence that is over');
SELECT throws_ok($$SELECT finops.silence_alert('al-nothing', NULL, now() + interval '1 hour', 'x')$$, '22023', NULL, 'a silence of nothing');
SELECT finops.silence_alert('al-level', 's', now() + interval '1 hour', 'maintenance') AS silence \gset
INSERT INTO public.al_watch VALUES ('s', 300), ('t', 300);
SELECT is(finops.evaluate_alerts(), 1::bigint, 'one of two is silenced');
SELECT results_eq($$SELECT state, muted FROM finops.alert WHERE scope = 's'$$, $$VALUES ('firing', 'silenced')$$, 'it fires silently');
UPDATE finops.alert_silence SET until = now() - interval '1 second', starts_at = now() - interval '1 day' WHERE silence_id = :silence;
SELECT is(finops.evaluate_alerts(), 1::bigint, 'at the end of the silence it is told');

-- inhibition, whatever the order of the policies
INSERT INTO finops.alert_policy (policy_id, severity, operator, threshold, query) VALUES ('al-parent', 'critical', '>', 0, 'SELECT scope, value, detail FROM public.al_parent');
UPDATE finops.alert_policy SET inhibited_by = '{al-parent}' WHERE policy_id = 'al-level';
INSERT INTO public.al_watch VALUES ('i', 300), ('j', 300);
INSERT INTO public.al_parent VALUES ('i', 1);
SELECT is(finops.evaluate_alerts(), 2::bigint, 'the parent and what it does not inhibit');
SELECT is((SELECT payload -> 'inhibits' FROM finops.outbox WHERE payload ->> 'policy_id' = 'al-parent'), '{"count": 1, "alerts": ["al-level i"]}'::jsonb, 'the parent lists what it keeps back');
DELETE FROM public.al_parent;
SELECT is(finops.evaluate_alerts(), 2::bigint, 'when the parent ends, the child is told');

-- no data, a changed definition, counters
UPDATE finops.alert_policy SET no_data = 'fail' WHERE policy_id = 'al-level';
CREATE TEMP TABLE al_kept AS SELECT * FROM public.al_watch;
DELETE FROM public.al_watch;
SELECT is(finops.evaluate_alerts(), 1::bigint, 'a policy that must see rows and sees none is reported');
SELECT is(pg_temp.state('al-level', 'j'), 'firing', 'its alerts stay');
UPDATE finops.alert_policy SET no_data = NULL WHERE policy_id = 'al-level';
INSERT INTO public.al_watch SELECT * FROM al_kept;
SELECT finops.evaluate_alerts() \g /dev/null
UPDATE finops.alert_policy SET threshold = 250, clear_threshold = NULL WHERE policy_id = 'al-level';
SELECT is(finops.evaluate_alerts(), 5::bigint, 'a policy that was changed is armed again: four are told anew, one is over');
DELETE FROM finops.alert_policy WHERE policy_id = 'al-level';
INSERT INTO finops.alert_policy (policy_id, severity, operator, threshold, increase_over, query) VALUES ('al-counter', 'warning', '>', 5, '5 minutes', 'SELECT scope, value, detail FROM public.al_parent');
INSERT INTO public.al_parent VALUES ('n', 1000);
SELECT finops.evaluate_alerts() \g /dev/null
SELECT is(pg_temp.state('al-counter', 'n'), NULL, 'a counter is judged by its increase');
UPDATE public.al_parent SET value = 3;
SELECT finops.evaluate_alerts() \g /dev/null
SELECT is(pg_temp.state('al-counter', 'n'), NULL, 'one that falls was reset: it grew by 3');
UPDATE public.al_parent SET value = 6;
SELECT finops.evaluate_alerts() \g /dev/null
SELECT is((SELECT value FROM finops.alert WHERE policy_id = 'al-counter'), 6::numeric, 'and by 6 in sum');
UPDATE finops.alert_sample SET sampled_at = sampled_at - interval '10 minutes' WHERE policy_id = 'al-counter';
SELECT finops.evaluate_alerts() \g /dev/null
SELECT is(pg_temp.state('al-counter', 'n'), 'resolved', 'it clears when the increase is past');
SELECT is((SELECT count(*) FROM finops.alert_sample WHERE policy_id = 'al-counter'), 2::bigint, 'readings are kept as long as they count');
SELECT throws_ok($$SELECT finops.purge_alerts('-1 day')$$, '22023', NULL, 'a negative time to keep');
SELECT cmp_ok(finops.purge_alerts('0'), '>', 0::bigint, 'what ended is forgotten');

SELECT * FROM finish();
ROLLBACK;

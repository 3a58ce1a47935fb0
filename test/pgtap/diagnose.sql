-- The diagnosis: roots and consequences, checks of one's own and their rights,
-- findings that somebody works on.
BEGIN;
SELECT no_plan();
INSERT INTO finops.diagnosis_check (check_id, position, section, severity, cause, caused_by, query, enabled)
SELECT check_id, position, section, severity, cause, caused_by, query, false FROM finops.diagnosis_check WHERE shipped;
SELECT is_empty('SELECT * FROM finops.diagnose()', 'a row of the user comes before the shipped check: all are off');
SELECT is_empty($$SELECT c.check_id, split_part(e, '=', 1) FROM finops.diagnosis_check c, unnest(c.caused_by) e WHERE shipped AND split_part(e, '=', 1) <> 'job-late'
	AND NOT EXISTS (SELECT FROM finops.diagnosis_check o WHERE o.shipped AND o.check_id = split_part(e, '=', 1))$$, 'causes that checks name are checks');
SELECT cmp_ok(count(*), '>=', 50::bigint, 'checks') FROM finops.diagnosis_check WHERE shipped;

CREATE TABLE pg_temp.fault (name text, scope text);
CREATE FUNCTION pg_temp.add(id text, caused text[], severity text DEFAULT 'SEV-3') RETURNS void LANGUAGE sql AS $$
	INSERT INTO finops.diagnosis_check (check_id, section, severity, cause, caused_by, query)
	VALUES (id, 'Section of ' || id, severity, 'cause of ' || id, caused, format('SELECT scope, name || '' in '' || scope AS seen FROM pg_temp.fault WHERE name = %L ORDER BY scope', id)) $$;
CREATE FUNCTION pg_temp.roots() RETURNS text LANGUAGE sql AS $$ SELECT coalesce(string_agg(finding || ' ' || scope || CASE WHEN consequences = '[]' THEN '' ELSE ' → ' ||
	(SELECT string_agg((c ->> 'finding') || ' ' || (c ->> 'scope'), ', ') FROM jsonb_array_elements(consequences) c) END, '; '), '') FROM finops.diagnose() $$;
SELECT pg_temp.add('a', '{}'), pg_temp.add('b', '{a}'), pg_temp.add('c', '{b,a=*}', 'SEV-1'), pg_temp.add('x', '{y}'), pg_temp.add('y', '{x}') \g /dev/null
SELECT is(pg_temp.roots(), '', 'nothing is wrong');
INSERT INTO pg_temp.fault VALUES ('a', '2025-06'), ('b', '2025-06');
SELECT is(pg_temp.roots(), 'a 2025-06 → b 2025-06', 'a finding of the same scope is a consequence');
INSERT INTO pg_temp.fault VALUES ('b', '2025-06/T-1'), ('b', '2025-07'), ('c', '2025-06');
SELECT is(pg_temp.roots(), 'a 2025-06 → b 2025-06, b 2025-06/T-1, c 2025-06; b 2025-07', 'so is one of a part of it, and what follows from it; another month is not');
DELETE FROM pg_temp.fault WHERE name = 'a';
SELECT is(pg_temp.roots(), 'b 2025-06 → c 2025-06; b 2025-06/T-1 → c 2025-06; b 2025-07', 'without the root they are roots');
DELETE FROM pg_temp.fault WHERE name = 'b';
INSERT INTO pg_temp.fault VALUES ('a', 'elsewhere');
SELECT is(pg_temp.roots(), 'a elsewhere → c 2025-06', 'a cause of any scope');
DELETE FROM pg_temp.fault WHERE name = 'a';
INSERT INTO pg_temp.fault VALUES ('x', '1'), ('y', '1');
SELECT is(pg_temp.roots(), 'c 2025-06; x 1 → y 1', 'the most severe first; causes in a circle have one root');
DELETE FROM pg_temp.fault;

INSERT INTO pg_temp.fault SELECT 'a', lpad(n::text, 3, '0') FROM generate_series(1, 60) n;
SELECT results_eq('SELECT count(*), max(seen) FROM finops.diagnose()', $$VALUES (50::bigint, 'a in 050; and more of the same')$$, 'fifty findings of a check are enough');
DELETE FROM pg_temp.fault;

-- what a check says, and what it leaves to its row
INSERT INTO pg_temp.fault VALUES ('a', 'z');
SELECT results_eq('SELECT section, severity, cause, resolve_call FROM finops.diagnose()', $$VALUES ('Section of a', 'SEV-3', 'cause of a', 'SELECT finops.escalate_finding(''a'', ''z'')')$$, 'section, severity and cause of the row; without a call it is escalated');
UPDATE finops.diagnosis_check SET query = $$SELECT 'z' AS scope, 'seen' AS seen, 'other cause' AS cause, 'CALL x()' AS resolve_call, 'SELECT 1' AS evidence_query, 'Sect' AS section, 'SEV-2' AS severity$$ WHERE check_id = 'a';
SELECT results_eq('SELECT section, severity, cause, resolve_call, evidence_query FROM finops.diagnose()', $$VALUES ('Sect', 'SEV-2', 'other cause', 'CALL x()', 'SELECT 1')$$, 'or what the query says');

-- checks that fail
UPDATE finops.diagnosis_check SET query = 'SELECT 1 AS one' WHERE check_id = 'a';
SELECT results_eq('SELECT finding, scope, seen FROM finops.diagnose()', $$VALUES ('check-failed', 'a', 'check a cannot run: 42703: the query of check "a" must return the columns scope and seen')$$, 'without its columns');
UPDATE finops.diagnosis_check SET query = 'SELECT nonsense' WHERE check_id = 'a';
SELECT ok(seen LIKE 'check a cannot run: 42703: column "nonsense" does not exist%', 'with an error') FROM finops.diagnose();
UPDATE finops.diagnosis_check SET query = 'DELETE FROM pg_temp.fault' WHERE check_id = 'a';
SELECT ok(seen ~ '^check a cannot run: (0A000|25006)', 'that would write') FROM finops.diagnose();
UPDATE finops.diagnosis_check SET query = 'SELECT ''x'' AS scope, ''y'' AS seen; SELECT 2' WHERE check_id = 'a';
SELECT is(finding || ' ' || (resolve_call ~ '^SELECT finops.disable_check\(''a'''), 'check-failed true', 'or has two statements') FROM finops.diagnose();
UPDATE finops.diagnosis_check SET query = 'SELECT 1/0' WHERE check_id = 'a';
INSERT INTO pg_temp.fault VALUES ('b', 'q');
SELECT is((SELECT count(*) FROM finops.diagnose()), 2::bigint, 'the others go on');
SELECT lives_ok($$SELECT finops.disable_check('a', 'it divides by zero')$$, 'taken out');
SELECT is(pg_temp.roots(), 'b q', 'it is not run any more');
SELECT is((SELECT metadata ->> 'reason' FROM audit_event WHERE action = 'disable_check'), 'it divides by zero', 'audited');
SELECT throws_ok($$SELECT finops.disable_check('nothing', 'x')$$, '22023', 'there is no check "nothing"', 'an unknown check');
SELECT throws_ok($$SELECT finops.disable_check('a', ' ')$$, '22023', 'reason must not be blank', 'no reason');
SELECT throws_ok($$SELECT finops.disable_check(NULL, 'x')$$, '22004', NULL, 'NULL');

-- findings that somebody works on
SELECT throws_ok($$SELECT finops.escalate_finding('b', 'other')$$, '22023', 'check "b" finds nothing about "other" now', 'what is not found cannot be escalated');
SELECT finops.escalate_finding('b', 'q', 'told the provider') AS id \gset
SELECT is(pg_temp.roots(), '', 'a finding that is in hand is no finding');
SELECT results_eq(format('SELECT severity, source, evidence ->> ''note'' FROM finops.incident WHERE incident_id = %s', :id), $$VALUES ('SEV-3', 'diagnosis', 'told the provider')$$, 'its incident');
UPDATE finops.incident SET acknowledge_by = now() - interval '1 second' WHERE incident_id = :id;
SELECT is(pg_temp.roots(), 'b q', 'when nobody answers in time it is back');
SELECT count(*) FROM finops.acknowledge_incident(:id) \g /dev/null
SELECT is(pg_temp.roots(), '', 'somebody answers');
SELECT count(*) FROM finops.resolve_incident(:id, 'over') \g /dev/null
SELECT is(pg_temp.roots(), 'b q', 'resolved, and still there');

-- rights
CREATE ROLE diagnose_caller;
GRANT EXECUTE ON FUNCTION finops.diagnose() TO diagnose_caller;
DELETE FROM finops.diagnosis_check WHERE check_id IN ('c', 'x', 'y');
UPDATE finops.diagnosis_check SET query = 'SELECT tenant_id AS scope, tenant_name AS seen FROM @s@.tenant_master' WHERE check_id = 'b';
SET LOCAL ROLE diagnose_caller;
SELECT is(seen, 'check b cannot run: 42501: permission denied for table tenant_master', 'a check of a user has the rights of the caller') FROM finops.diagnose();
RESET ROLE;

-- the resolving calls refuse what they cannot do
SELECT throws_ok('SELECT * FROM finops.reprocess_period(''2025-06-15'')', '22023', NULL, 'a day that begins no month');
SELECT throws_ok('SELECT * FROM finops.reingest(-1)', '22023', 'delivery -1 cannot be loaded again', 'an unknown delivery');
SELECT throws_ok('SELECT finops.settle_invoice(''nothing'')', 'P0002', 'there is no invoice "nothing"', 'an unknown invoice');
SELECT throws_ok('SELECT finops.accept_recon(''RECON-1900-01'', ''x'', ''y'')', '22023', NULL, 'an unknown reconciliation');
SELECT throws_ok('SELECT * FROM finops.emit_invoices(NULL)', '22004', NULL, 'no month');
SELECT throws_ok($$SELECT finops.tell_quota('nobody', 'gb', '2025-06-01')$$, 'P0002', 'unknown tenant "nobody"', 'an unknown tenant');
SELECT throws_ok('SELECT finops.tell_quota(NULL, ''x'', ''2025-06-01'')', '22004', NULL, 'no tenant');
SELECT * FROM finish();
ROLLBACK;

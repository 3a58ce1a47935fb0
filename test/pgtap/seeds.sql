-- docs/seeds.md names functions, relations and tests: each of them exists, and
-- every statement, step and item has its row.
BEGIN;
SELECT no_plan();
CREATE TEMP TABLE line (no serial, text text);
\copy line (text) FROM PROGRAM 'sed "s/\\\\/\\\\\\\\/g" docs/seeds.md' WITH (DELIMITER E'\x01')
CREATE TEMP TABLE file (path text);
\copy file FROM PROGRAM 'find test sql scripts docs .ci .github -type f 2>/dev/null; ls README.md Makefile finops.control'
SELECT ok(count(*) > 300, 'the file is read') FROM line;

CREATE TEMP VIEW code AS SELECT l.no, m[1] AS code FROM line l, LATERAL regexp_matches(l.text, '`([^`]+)`', 'g') AS m;
SELECT is_empty($$
	SELECT DISTINCT n.name FROM (SELECT (regexp_matches(c.code, '(?:finops|forecast)\.[a-z_0-9]+', 'g'))[1] AS name FROM code c) n
	WHERE NOT EXISTS (SELECT FROM pg_proc p WHERE p.pronamespace::regnamespace || '.' || p.proname = n.name)
	AND to_regclass(n.name) IS NULL AND current_setting(n.name, true) IS NULL AND n.name NOT IN ('finops.control', 'forecast.sql')
$$, 'every function, relation and setting exists');
SELECT is_empty($$
	SELECT DISTINCT c.code FROM code c WHERE c.code ~ '^(test|sql|scripts|\.ci|\.github)/' AND NOT EXISTS (SELECT FROM file f WHERE f.path = c.code)
$$, 'every test exists');
SELECT is_empty($$
	SELECT DISTINCT m[1] FROM line l, LATERAL regexp_matches(l.text, '\]\((?:\.\./)?([a-zA-Z0-9/_-]+\.md)', 'g') AS m
	WHERE NOT EXISTS (SELECT FROM file f WHERE f.path IN (m[1], 'docs/' || m[1]))
$$, 'every page that it points at exists');
SELECT is_empty($$SELECT id FROM finops.runbook r WHERE shipped AND NOT EXISTS (SELECT FROM line l WHERE l.text LIKE '| ' || r.id || ' | %')$$, 'every statement has its row');
SELECT is_empty($$
	SELECT s.checklist, s.step_no FROM finops.checklist_step s WHERE s.shipped AND NOT EXISTS (
		SELECT FROM line l WHERE l.text LIKE '| ' || s.step_no || ' | ' || s.step || ' | ' || s.kind || ' |%'
		AND l.no > (SELECT h.no FROM line h WHERE h.text LIKE '### `' || s.checklist || '` %'))
$$, 'every step of every checklist has its row');
SELECT is_empty($$
	SELECT s || '.' || n FROM unnest(ARRAY[5, 2, 5, 5, 12, 5, 5, 9, 5, 3, 5, 5]) WITH ORDINALITY AS x(items, s), LATERAL generate_series(1, x.items) n
	WHERE (SELECT count(*) FROM line l WHERE l.text LIKE '| ' || s || '.' || n || ' | %') <> 1
$$, 'all 66 items of the forecaster''s checklist have one row');
SELECT is_empty($$SELECT policy_id FROM finops.alert_policy p WHERE shipped AND NOT EXISTS (SELECT FROM code c WHERE c.code = p.policy_id)$$, 'every shipped policy is named');
SELECT is_empty($$SELECT job_name FROM finops.job j WHERE shipped AND NOT EXISTS (SELECT FROM code c WHERE c.code = j.job_name)$$, 'every shipped job is named');
SELECT * FROM finish();
ROLLBACK;

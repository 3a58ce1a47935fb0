-- Every function of budgets, operations, reports and the other dialects, each
-- argument in turn NULL, empty and hostile: it answers, or refuses with a
-- condition that says what is wrong, and never by an internal error.  Functions
-- come from the source, arguments from the catalog; a new one is tried without
-- a word here.
BEGIN;
SELECT no_plan();
SET LOCAL timezone = 'UTC';
SET LOCAL client_min_messages = error;
\set QUIET on
\o /dev/null
SELECT * FROM finops.generate_bill(date '2025-05-01', 300);
SELECT finops.set_budget('B', 100, 'platform');
SELECT finops.open_incident('SEV-2', 'known');
\o

CREATE TEMP TABLE source (name text);
\copy source FROM PROGRAM 'sed -nE "s/^CREATE FUNCTION +(@extschema@\.|finops\.)?([a-z_0-9]+)\(.*/\2/p" src/budget/*.sql src/ops/*.sql src/report/*.sql src/compat/*.sql'

-- hostile values of a type, as they stand in a call
CREATE TEMP TABLE hostile (type regtype, value text);
INSERT INTO hostile
SELECT regtype 'text', v FROM (VALUES (''), (' '), ($$'; DROP TABLE finops.job; --$$), ('"quoted"'), ('<script>alert(1)</script>'), ('%s%n%I'), ('$1'), (E'\\'),
	(E'a\nb\001'), (E'\u202Etfel\uFEFF'), ('{"a": ['), ('-1'), ('NaN'), ('../../etc/passwd'), (repeat('x', 300)), (repeat('(', 100000))) AS t(v)
UNION ALL SELECT regtype 'jsonb', v FROM (VALUES ('null'), ('[]'), ('{}'), ('"x"'), ('-1'), ('{"": null}'), ('{"a": {"b": [null, {}]}}'), ('[null]'), ('[1e400, -1e400]'),
	('["<script>", "''"]'), ('{"x": 1e131000}')) AS t(v)
UNION ALL SELECT regtype 'date', v FROM (VALUES ('infinity'), ('-infinity'), ('4713-01-01 BC'), ('5874897-12-31'), ('0001-01-01'), ('9000-01-01')) AS t(v)
UNION ALL SELECT t, v FROM (VALUES ('infinity'), ('-infinity'), ('4713-01-01 BC'), ('294276-12-31')) AS x(v), unnest('{timestamp,timestamptz}'::regtype[]) t
UNION ALL SELECT regtype 'interval', v FROM (VALUES ('0'), ('-1 day'), ('178000000 years'), ('-178000000 years')) AS t(v)
UNION ALL SELECT regtype 'numeric', v FROM (VALUES ('NaN'), ('Infinity'), ('-Infinity'), ('-1'), ('0'), ('1e100000'), ('1e-16000')) AS t(v)
UNION ALL SELECT regtype 'float8', v FROM (VALUES ('NaN'), ('Infinity'), ('-Infinity'), ('1e308'), ('1e-320')) AS t(v)
UNION ALL SELECT regtype 'integer', v FROM (VALUES ('0'), ('-1'), ('2147483647'), ('-2147483648')) AS t(v)
UNION ALL SELECT regtype 'bigint', v FROM (VALUES ('0'), ('-1'), ('9223372036854775807'), ('-9223372036854775808')) AS t(v)
UNION ALL SELECT regtype 'boolean', v FROM (VALUES ('true'), ('false')) AS t(v)
UNION ALL SELECT regtype 'regclass', v FROM (VALUES ('0'), ('4294967295'), ('pg_class'), ('pg_toast.pg_toast_1255'), ('pg_class_oid_index'), ('pg_stat_activity')) AS t(v)
UNION ALL SELECT regtype 'text[]', v FROM (VALUES ('{}'), ('{NULL}'), ('{""}'), ('{{a,b},{c,d}}'), ('[5:6]={a,b}'), ('{<script>,"''"}')) AS t(v)
UNION ALL SELECT t, v FROM (VALUES ('{}'), ('{NULL}'), ('{NaN}'), ('{Infinity,-1}'), ('{{1,2},{3,4}}'), ('[5:6]={1,2}')) AS x(v), unnest('{numeric[],float8[]}'::regtype[]) t;

-- what else a call must be given, so that it gets as far as it can
CREATE FUNCTION pg_temp.harmless(argument text, type regtype) RETURNS text LANGUAGE sql AS $$
	SELECT coalesce((SELECT v FROM (VALUES ('budget_id', 'B'), ('period', '2025-05-01'), ('severity', 'SEV-2'), ('report', 'cost_by_service'), ('unit', 'day'),
			('dialect', 'snowflake'), ('until', '9000-01-01'), ('incident_id', (SELECT max(i.incident_id)::text FROM finops.incident i)), ('schedule', '0 4 * * *'), ('time_zone', 'UTC'), ('format', '%Y-%m'), ('series', '[{"name": "a", "values": [1, 2]}]'),
			('labels', '{a,b}'), ('sources', '{a,b}'), ('targets', '{c,d}')) AS k(name, v)
		WHERE name = argument AND NOT (argument = 'period' AND type <> 'date'::regtype)),
		CASE type WHEN 'date'::regtype THEN '2025-05-01' WHEN 'timestamptz'::regtype THEN '2025-05-01 00:00+00' WHEN 'timestamp'::regtype THEN '2025-05-01'
			WHEN 'boolean'::regtype THEN 'false' WHEN 'jsonb'::regtype THEN '{}' WHEN 'interval'::regtype THEN '1 day' WHEN 'text[]'::regtype THEN '{a,b}'
			WHEN 'numeric[]'::regtype THEN '{1,2}' WHEN 'float8[]'::regtype THEN '{1,2}' WHEN 'regclass'::regtype THEN 'finops.focus_cost_and_usage' WHEN 'text'::regtype THEN 'x' ELSE '1' END)
$$;

CREATE TEMP TABLE call AS
SELECT p.oid::regprocedure::text AS function, p.proname AS name, a.argument, a.no > p.pronargs - p.pronargdefaults AS optional, a.value, format('%s(%s)', p.oid::regproc, (
	SELECT string_agg(format('%I => %L::%s', p.proargnames[n], CASE WHEN n = a.no THEN a.value ELSE pg_temp.harmless(p.proargnames[n], p.proargtypes[n - 1]::regtype) END,
		p.proargtypes[n - 1]::regtype), ', ' ORDER BY n)
	FROM generate_series(1, p.pronargs) n WHERE n = a.no OR n <= p.pronargs - p.pronargdefaults)) AS text
FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'finops',
LATERAL (SELECT n AS no, p.proargnames[n] AS argument, h.value FROM generate_series(1, p.pronargs) n
	JOIN (TABLE hostile UNION ALL SELECT DISTINCT type, NULL FROM hostile) h ON h.type = p.proargtypes[n - 1]::regtype) a
WHERE p.proname IN (SELECT name FROM source) AND p.prokind = 'f' AND p.prorettype <> 'trigger'::regtype;

-- what a call answers, undone again
CREATE FUNCTION pg_temp.answer(call text, OUT code text, OUT message text, OUT ms numeric) LANGUAGE plpgsql AS $$
DECLARE
	began timestamptz := clock_timestamp();
BEGIN
	EXECUTE 'SELECT string_agg(q::text, '''') FROM ' || call || ' AS q';
	RAISE EXCEPTION USING ERRCODE = 'ZZ999', MESSAGE = 'undone';
EXCEPTION WHEN OTHERS THEN
	code := nullif(SQLSTATE, 'ZZ999');
	message := SQLERRM;
	ms := extract(epoch FROM clock_timestamp() - began) * 1000;
END $$;
CREATE TEMP TABLE answer AS SELECT c.*, a.* FROM call c, LATERAL pg_temp.answer(c.text) a;
SELECT cmp_ok(count(DISTINCT function), '>=', 100::bigint, 'the catalog knows the functions') FROM answer;

-- rules of the tables of budgets and jobs, a budget that is exceeded and texts
-- that are SQL have conditions of their own
SELECT is_empty($$
	SELECT function, argument, left(value, 40), code, left(message, 200) FROM answer
	WHERE code NOT IN ('22004', '22008', '22023', '42703', '42704', '42809', '42P01', '55000', 'P0002')
	AND NOT (code = '23514' AND (name IN ('set_budget', 'set_job', 'plan_budget', 'budget_guardrail')))
	AND NOT (code = '42601' AND (name, argument) IN (('emit_invoices', 'fix'), ('run_in_worker', 'command')))
$$, 'every call is answered or refused by name, none fails inside');
SELECT is_empty($$ SELECT function, argument, left(value, 40), message FROM answer WHERE message ~ '(cache lookup|unrecognized|could not|internal|returned NULL|violates not-null)' AND code <> '22023' $$,
	'no message is of the inside');
SELECT is_empty($$ SELECT function, argument, left(value, 40), length(message) FROM answer WHERE length(message) > 1000 AND argument <> 'predicted_cost' $$,
	'no message repeats what is very long');
SELECT is_empty($$ SELECT function, argument, left(value, 40), ms FROM answer WHERE ms > 20000 $$, 'none takes long');

-- NULL is refused where a value must be given; checks of tables and parts of
-- procedures and views take it, and a silence may be of every policy or scope
SELECT is_empty($$
	SELECT a.function, a.argument, a.code FROM answer a JOIN pg_proc p ON p.oid = a.function::regprocedure
	WHERE a.value IS NULL AND a.code IS DISTINCT FROM '22004' AND NOT p.proisstrict AND a.optional = false
	AND a.name NOT IN ('check_schedule', 'check_guard', 'check_time_zone', 'check_budget_thresholds', 'due_before', 'guard_refusal', 'bi_key', 'csv_field',
		'focus_condition_sql', 'focus_violation_sql', 'focus_rules_of', 'focus_columns_of', 'start_job', 'limit_job', 'finish_job', 'fail_job')
	AND (a.name, a.argument) NOT IN (('end_close', 'stopped'), ('silence_alert', 'policy_id'), ('silence_alert', 'scope'))
$$, 'NULL is refused where an argument has no default');

SELECT has_table('finops', 'job', 'the tables are there still');
SELECT * FROM finish();
ROLLBACK;

-- Rules of data quality and profiles, against counts worked out by hand; the
-- state of the profile; whose rights rules run with.
BEGIN;
SELECT * FROM no_plan();
SET LOCAL client_min_messages = warning;

CREATE FUNCTION pg_temp.state_of(sql text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE sql;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END
$$;

CREATE TABLE public.q_orders (id int, customer text, amount numeric, score float8, placed_at timestamptz, tags text[]);
CREATE TABLE public.q_customers (name text, note text);
INSERT INTO public.q_customers VALUES ('ann'), ('bob');
INSERT INTO public.q_orders
SELECT g, CASE WHEN g = 10 THEN NULL WHEN g IN (3, 4) THEN 'eve' WHEN g % 2 = 0 THEN 'ann' ELSE 'bob' END, g * 10.5, g, now() - interval '2 hours' - g * interval '1 minute', '{a}'
FROM generate_series(1, 10) g;
INSERT INTO public.q_orders (id, amount, score) VALUES (10, 'NaN', 'NaN'), (9, -1.25, '-Infinity');

-- one rule of each kind, its answer beside it

INSERT INTO finops.quality_rule (rule_name, relation, kind, columns, threshold, lower, upper, reference_relation, reference_columns, filter) VALUES
	('customer known', 'public.q_orders', 'null_ratio', '{customer}', 0.2, NULL, NULL, NULL, NULL, NULL),
	('customer or score', 'public.q_orders', 'null_ratio', '{customer,score}', 0.25, NULL, NULL, NULL, NULL, NULL),
	('one order an id', 'public.q_orders', 'unique', '{id}', NULL, NULL, NULL, NULL, NULL, NULL),
	('ids and amounts', 'public.q_orders', 'unique', '{id,amount}', NULL, NULL, NULL, NULL, NULL, NULL),
	('customer exists', 'public.q_orders', 'referential', '{customer}', NULL, NULL, NULL, 'public.q_customers', '{name}', NULL),
	('old customers exist', 'public.q_orders', 'referential', '{customer}', NULL, NULL, NULL, 'public.q_customers', '{name}', 'id > 4'),
	('amount is positive', 'public.q_orders', 'range', '{amount}', 0.1, '0', '1000', NULL, NULL, NULL),
	('amount is finite', 'public.q_orders', 'range', '{amount}', 0.2, NULL, '1e9', NULL, NULL, NULL),
	('rows enough', 'public.q_orders', 'volume', '{}', NULL, '10', '20', NULL, NULL, NULL),
	('rows too many', 'public.q_orders', 'volume', '{}', NULL, NULL, '11', NULL, NULL, NULL),
	('rows as ever', 'public.q_orders', 'volume', '{}', 0.5, NULL, NULL, NULL, NULL, NULL),
	('fresh', 'public.q_orders', 'freshness', '{placed_at}', 120, NULL, NULL, NULL, NULL, NULL),
	('fresh enough', 'public.q_orders', 'freshness', '{placed_at}', 122, NULL, NULL, NULL, NULL, NULL),
	('fresh of none', 'public.q_orders', 'freshness', '{placed_at}', NULL, NULL, NULL, NULL, NULL, 'false'),
	('columns', 'public.q_orders', 'schema', '{}', NULL, NULL, NULL, NULL, NULL, NULL),
	('scores', 'public.q_orders', 'distribution', '{score}', NULL, NULL, NULL, NULL, NULL, NULL),
	('nothing there', 'public.q_no_such', 'volume', '{}', NULL, NULL, NULL, NULL, NULL, NULL),
	('no such column', 'public.q_orders', 'null_ratio', '{nope}', NULL, NULL, NULL, NULL, NULL, NULL),
	('a wrong filter', 'public.q_orders', 'volume', '{}', NULL, NULL, NULL, NULL, NULL, 'id >'),
	('a filter that writes', 'public.q_orders', 'volume', '{}', NULL, NULL, NULL, NULL, NULL, $$id > 0) AND (SELECT set_config('finops.track_access', 'x', false)) = '1'$$),
	('without a schema', 'fact_cost_raw', 'null_ratio', '{line_item_currency_code}', NULL, NULL, NULL, NULL, NULL, 'false'),
	('off', 'public.q_orders', 'volume', '{}', NULL, NULL, NULL, NULL, NULL, NULL);
UPDATE finops.quality_rule SET enabled = false WHERE rule_name = 'off';
CREATE TEMP TABLE ran AS SELECT * FROM finops.run_quality_rules();
SELECT results_eq($$ SELECT rule, result, status, round(actual, 4), threshold FROM ran WHERE rule !~ '^(fresh|nothing|no such|a )' ORDER BY rule COLLATE "C" $$,
$$ VALUES ('amount is finite', 'PASS', 'OK', 0.0833, 0.2), ('amount is positive', 'FAIL', 'BROKEN', 0.1667, 0.1), ('columns', 'PASS', 'BASELINE', NULL, 0),
	('customer exists', 'FAIL', 'BROKEN', 2, 0), ('customer known', 'FAIL', 'BROKEN', 0.25, 0.2), ('customer or score', 'PASS', 'OK', 0.25, 0.25),
	('ids and amounts', 'PASS', 'OK', 0, 0), ('old customers exist', 'PASS', 'OK', 0, 0), ('one order an id', 'FAIL', 'BROKEN', 2, 0),
	('rows as ever', 'PASS', 'LEARNING', NULL, 0.5), ('rows enough', 'PASS', 'OK', 12, 20), ('rows too many', 'FAIL', 'BROKEN', 12, 11),
	('scores', 'PASS', 'BASELINE', NULL, 0.01), ('without a schema', 'PASS', 'EMPTY', NULL, 0) $$, 'what each kind measures');
SELECT results_eq($$ SELECT rule, result, status, trunc(actual) FROM ran WHERE rule ~ '^fresh' ORDER BY rule COLLATE "C" $$,
	$$ VALUES ('fresh', 'FAIL', 'BROKEN', 121::numeric), ('fresh enough', 'PASS', 'OK', 121), ('fresh of none', 'FAIL', 'EMPTY', NULL) $$, 'age in minutes; nothing is not fresh');
SELECT results_eq($$ SELECT rule, result, status, detail->>'sqlstate' FROM ran WHERE rule ~ '^(nothing|no such|a )' ORDER BY rule COLLATE "C" $$,
	$$ VALUES ('a filter that writes', 'FAIL', 'ERROR', '42601'), ('a wrong filter', 'FAIL', 'ERROR', '42601'), ('no such column', 'FAIL', 'ERROR', '42703'), ('nothing there', 'FAIL', 'ERROR', '42P01') $$,
	'a rule that cannot be run fails, and the others do not');
SELECT results_eq($$ SELECT row_count, null_keys FROM vw_data_quality_summary WHERE table_name = 'public.q_orders' AND null_keys IS NOT NULL ORDER BY sla_result $$,
	$$ VALUES (12::bigint, 3::bigint), (12, 3) $$, 'the summary of the runbook reads completeness');
SELECT results_eq($$ SELECT constraint_name, orphan_count, test_result FROM test_foreign_key_constraints WHERE constraint_name ~ 'exist' ORDER BY 1 $$,
	$$ VALUES ('customer exists', 2::bigint, 'FAIL'), ('old customers exist', 0, 'PASS') $$, 'and references');
SELECT is((SELECT count(*) FROM finops.quality_result), 21::bigint, 'the newest result of each');
SELECT is((SELECT detail->>'rows_of_one_key' FROM finops.quality_result WHERE rule_name = 'one order an id'), '2', 'what repeats');
SELECT finops.evaluate_alerts() \g /dev/null
SELECT is((SELECT string_agg(scope, ', ' ORDER BY scope COLLATE "C") FROM finops.alert WHERE policy_id = 'data-quality' AND scope !~ '^(fresh|nothing|no such|a )'),
	'amount is positive, customer exists, customer known, one order an id, rows too many', 'each rule alarms for itself');

-- changes of a table

ALTER TABLE public.q_orders DROP COLUMN tags, ADD COLUMN channel text, ALTER COLUMN id TYPE bigint;
SELECT is((SELECT concat_ws(' ', result, actual, detail) FROM finops.run_quality_rules('columns')),
	'FAIL 3 {"added": ["channel"], "changed": ["id: integer is bigint"], "removed": ["tags"]}', 'columns that came, went and changed');
SELECT ok(finops.accept_baseline('columns'), 'accepted');
SELECT ok(NOT finops.accept_baseline('columns'), 'once');
SELECT is((SELECT status FROM finops.run_quality_rules('columns')), 'BASELINE', 'taken anew');
SELECT is((SELECT status FROM finops.run_quality_rules('columns')), 'OK', 'and compared with from then on');

-- volume: 12 three times, then 24

SELECT is((SELECT result FROM finops.run_quality_rules('off')), 'PASS', 'one that is off runs by its name');
SELECT count(*) FROM finops.run_quality_rules('rows as ever') \g /dev/null
SELECT count(*) FROM finops.run_quality_rules('rows as ever') \g /dev/null
SELECT is((SELECT concat_ws(' ', result, status, round(actual, 2), detail->>'median') FROM finops.run_quality_rules('rows as ever')), 'PASS OK 0.00 12', 'as many as ever');
INSERT INTO public.q_orders (id, score) SELECT g, g FROM generate_series(11, 22) g;
SELECT is((SELECT concat_ws(' ', result, round(actual, 2)) FROM finops.run_quality_rules('rows as ever')), 'FAIL 1.00', 'twice as many');

-- distribution: 1,000 values, then the same again, then a shifted half

TRUNCATE public.q_orders;
INSERT INTO public.q_orders (score) SELECT (g * 7919) % 1009 FROM generate_series(1, 1000) g;
SELECT ok(finops.accept_baseline('scores'), 'the old one is gone');
SELECT is((SELECT status FROM finops.run_quality_rules('scores')), 'BASELINE', 'a new one');
SELECT is((SELECT cardinality(bounds) || ' ' || (SELECT sum(c) FROM unnest(counts) c) FROM finops.quality_baseline WHERE rule_name = 'scores'), '9 1000', 'at the deciles, and counted');
TRUNCATE public.q_orders;
INSERT INTO public.q_orders (score) SELECT (g * 6007) % 1009 FROM generate_series(1, 700) g;
SELECT is((SELECT concat_ws(' ', result, status, actual < 0.1, (detail->>'p_value')::float8 > 0.01) FROM finops.run_quality_rules('scores')), 'PASS OK t t', 'the same distribution');
UPDATE public.q_orders SET score = score + 300 WHERE score < 300;
SELECT is((SELECT concat_ws(' ', result, actual > threshold, (detail->>'p_value')::float8 < 1e-6) FROM finops.run_quality_rules('scores')), 'FAIL t t', 'another one');
UPDATE finops.quality_rule SET least_effect = 1000 WHERE rule_name = 'scores';
SELECT is((SELECT concat_ws(' ', result, actual > threshold) FROM finops.run_quality_rules('scores')), 'PASS t', 'certain, but of no weight');
TRUNCATE public.q_orders;
SELECT is((SELECT concat_ws(' ', result, status) FROM finops.run_quality_rules('scores')), 'PASS EMPTY', 'of nothing');

-- whose rights

CREATE ROLE q_operator;
SELECT finops.grant_role('operator', 'q_operator') \g /dev/null
SET LOCAL ROLE q_operator;
SELECT is((SELECT concat_ws(' ', result, status, detail->>'sqlstate') FROM finops.run_quality_rules('customer known')), 'FAIL ERROR 42501', 'a rule reads what its caller may');
SELECT is(pg_temp.state_of($$INSERT INTO finops.quality_rule (rule_name, relation, kind) VALUES ('x', 'public.q_orders', 'volume')$$), '42501', 'and operators write none');
SELECT is(pg_temp.state_of($$SELECT * FROM finops.profile_table('public.q_orders')$$), '42501', 'a profile neither');
RESET ROLE;

-- profiles; times are ISO 8601 in the zone of the session

SET LOCAL timezone = 'Asia/Kolkata';

CREATE TABLE public.p (i int, big bigint, small smallint, f float8, r real, n numeric, t text, c char(5), v varchar, d date, ts timestamptz, b boolean, j jsonb, u uuid, x int);
ALTER TABLE public.p DROP COLUMN x;
INSERT INTO public.p VALUES
	(1, -9223372036854775808, 1, 1.5, 1.5, 1.10, 'b', 'x', 'ä', '2024-02-29', '2024-01-01 00:00+00', true, '{"a": 1}', '00000000-0000-0000-0000-000000000001'),
	(2, 9223372036854775807, 2, 'NaN', 'Infinity', 12345678901234567890.123456789, 'a', 'y', 'z', '2023-01-01', '2024-01-02 00:00+00', false, '{"a": 1}', '00000000-0000-0000-0000-000000000002'),
	(3, 0, 3, 2.5, -1, 1.1, 'b', 'x ', repeat('é', 40), '2024-12-31', '2023-01-01 00:00+00', true, NULL, '00000000-0000-0000-0000-000000000001'),
	(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
SELECT results_eq($$ SELECT column_name, data_type, row_count, nulls, null_ratio, distinct_estimate, minimum, maximum FROM finops.profile_table('public.p') $$,
$$ VALUES ('i', 'integer', 4::bigint, 1::bigint, 0.25::float8, 3::bigint, '1', '3'), ('big', 'bigint', 4, 1, 0.25, 3, '-9223372036854775808', '9223372036854775807'),
	('small', 'smallint', 4, 1, 0.25, 3, '1', '3'), ('f', 'double precision', 4, 1, 0.25, 3, '1.5', '2.5'), ('r', 'real', 4, 1, 0.25, 3, '-1', 'Infinity'),
	('n', 'numeric', 4, 1, 0.25, 2, '1.10', '12345678901234567890.123456789'), ('t', 'text', 4, 1, 0.25, 2, 'a', 'b'), ('c', 'character', 4, 1, 0.25, 2, 'x', 'y'),
	('v', 'character varying', 4, 1, 0.25, 3, 'z', repeat('é', 32)), ('d', 'date', 4, 1, 0.25, 3, '2023-01-01', '2024-12-31'),
	('ts', 'timestamp with time zone', 4, 1, 0.25, 3, '2023-01-01 05:30:00+05:30', '2024-01-02 05:30:00+05:30'),
	('b', 'boolean', 4, 1, 0.25, 2, 'f', 't'), ('j', 'jsonb', 4, 2, 0.5, 1, NULL, NULL), ('u', 'uuid', 4, 1, 0.25, 2, NULL, NULL) $$, 'a profile of every type');
SELECT results_eq($$ SELECT column_name, mean, round(deviation::numeric, 12) FROM finops.profile_table('public.p', '{f,i,r,small,d,t}') $$,
$$ VALUES ('f', 2::float8, round(sqrt(0.5), 12)), ('i', 2, 1), ('r', 0.25, round(sqrt(3.125), 12)), ('small', 2, 1), ('d', NULL, NULL), ('t', NULL, NULL) $$, 'of finite numbers, in the order that is asked for');
SELECT results_eq($$ SELECT column_name, row_count, nulls, null_ratio, distinct_estimate, minimum FROM finops.profile_table('public.q_orders', '{id}') $$,
	$$ VALUES ('id', 0::bigint, 0::bigint, NULL::float8, 0::bigint, NULL::text) $$, 'of no rows');
CREATE TABLE public.p_none ();
SELECT is((SELECT count(*) FROM finops.profile_table('public.p_none')), 0::bigint, 'of no columns');
CREATE TABLE public.p_wide AS SELECT 1 AS c0;
SELECT format('ALTER TABLE public.p_wide %s', string_agg(format('ADD COLUMN c%s int DEFAULT %s', i, i), ', ')) FROM generate_series(1, 199) i \gexec
SELECT is((SELECT count(*) || ' ' || max(maximum::int) FROM finops.profile_table('public.p_wide')), '200 199', 'of more columns than a call takes');
CREATE VIEW public.p_view AS SELECT i, t AS "odd ""name'" FROM public.p WHERE i > 1;
SELECT is((SELECT string_agg(column_name || ' ' || row_count, ', ') FROM finops.profile_table('public.p_view')), 'i 2, odd "name'' 2', 'of a view');

-- many rows, serial and parallel

CREATE TABLE public.p_many AS SELECT g AS id, g % 100 AS hundred, (g % 1000) / 8.0 AS n, sqrt(g) AS f, 'k' || g % 5000 AS k, CASE WHEN g % 4 = 0 THEN g END AS gap FROM generate_series(1, 40000) g;
ALTER TABLE public.p_many SET (parallel_workers = 2);
ANALYZE public.p_many;
SELECT results_eq($$ SELECT column_name, abs(p.distinct_estimate - t.d) <= 0.06 * t.d, nulls, minimum, maximum, p.mean BETWEEN t.mean * (1 - 1e-9) AND t.mean * (1 + 1e-9), deviation BETWEEN t.sd * (1 - 1e-9) AND t.sd * (1 + 1e-9)
	FROM finops.profile_table('public.p_many', '{id,hundred,n,f,gap}') p, LATERAL (SELECT count(DISTINCT x) AS d, avg(x) AS mean, stddev(x) AS sd FROM (
		SELECT CASE p.column_name WHEN 'id' THEN id WHEN 'hundred' THEN hundred WHEN 'n' THEN n WHEN 'f' THEN f ELSE gap END AS x FROM public.p_many) v) t $$,
$$ VALUES ('id', true, 0::bigint, '1', '40000', true, true), ('hundred', true, 0, '0', '99', true, true), ('n', true, 0, '0.00000000000000000000', '124.8750000000000000', true, true),
	('f', true, 0, '1', '200', true, true), ('gap', true, 30000, '4', '40000', true, true) $$, 'as the server''s own aggregates have it');
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
SET LOCAL max_parallel_workers_per_gather = 2;
CREATE TEMP TABLE together AS SELECT column_name, row_count, nulls, distinct_estimate, minimum, maximum, round(mean::numeric, 6) AS mean, round(deviation::numeric, 6) AS sd FROM finops.profile_table('public.p_many');
SET LOCAL max_parallel_workers_per_gather = 0;
SELECT set_eq('SELECT * FROM together', $$ SELECT column_name, row_count, nulls, distinct_estimate, minimum, maximum, round(mean::numeric, 6) AS mean, round(deviation::numeric, 6) AS sd FROM finops.profile_table('public.p_many') $$, 'parallel and serial agree');

-- what is not accepted

SELECT is(pg_temp.state_of('SELECT * FROM ' || call), state, call || ' is ' || state)
FROM (VALUES
	('finops.run_quality_rules(''no such rule'')', 'P0002'), ('finops.run_quality_rules('''')', 'P0002'), ('finops.accept_baseline(NULL)', '22004'), ('finops.accept_baseline(''x'')', 'P0002'),
	('finops.profile_table(NULL)', '22004'), ('finops.profile_table(0)', '42P01'), ('finops.profile_table(''public.p'', ''{nope}'')', '42703'),
	('finops.profile_table(''public.p'', ''{NULL}'')', '22004'), ('finops.profile_table(''public.p'', ''{ctid}'')', '42703'), ('finops.profile_table(''public.p'', ''{x}'')', '42703'),
	('finops.profile_table(''public.p'', ''{}'')', 'no error'), ('finops.profile_table(''finops.dq_check_check_id_seq'')', '42809'), ('finops.profile_table(''pg_catalog.pg_class_oid_index'')', '42809'),
	('finops.profile_final(''\x'')', '22023'), ('finops.profile_final(decode(repeat(''00'', 4400), ''hex''))', '22023'), ('finops.profile_combine(''\x01'', NULL)', '22023'),
	('finops.profile_accum(NULL, 1)', '0A000')
) v(call, state);
SELECT is(pg_temp.state_of($$INSERT INTO finops.quality_rule (rule_name, relation, kind, columns, threshold, lower) VALUES ('r', 'public.p', $$ || rest), '23514', rest)
FROM (VALUES ($$'odd', '{i}', 0, NULL)$$), ($$'range', '{i}', 0, NULL)$$), ($$'unique', '{}', 0, NULL)$$), ($$'freshness', '{i,f}', 0, NULL)$$), ($$'null_ratio', '{NULL}', 0, NULL)$$),
	($$'volume', '{}', 'NaN', NULL)$$), ($$'volume', '{}', -1, NULL)$$), ($$'distribution', '{f}', 1, NULL)$$), ($$'referential', '{i}', 0, NULL)$$)) v(rest);
INSERT INTO finops.quality_rule (rule_name, relation, kind, columns, lower) VALUES ('hostile', 'public."p; DROP TABLE p"', 'volume', '{}', NULL),
	('hostile column', 'public.p', 'null_ratio', '{"i); DROP TABLE p; --"}', NULL), ('hostile bound', 'public.p', 'range', '{i}', $$1'); DROP TABLE p; --$$), ('three.part.name.x', 'a.b.c', 'volume', '{}', NULL), ('dots', '..', 'volume', '{}', NULL);
SELECT results_eq($$ SELECT q.detail->>'sqlstate' FROM unnest('{hostile,hostile column,hostile bound,three.part.name.x,dots}'::text[]) WITH ORDINALITY n(r, o), LATERAL finops.run_quality_rules(n.r) q ORDER BY o $$,
	ARRAY['42P01', '42703', '22P02', '42602', '42602'], 'names are names and values are values');
SELECT is(finops.mask_statement($$SELECT 'secret', 4711 /* x */ FROM "T 1" WHERE a = $1$$), 'SELECT ?, ? FROM "T 1" WHERE a = $1', 'a masked statement');
SELECT is(finops.mask_statement(repeat('é', 1000)), repeat('é', 511), 'is cut at a character');
SELECT is(finops.mask_statement(NULL), NULL, 'of nothing');
SELECT * FROM finish();
ROLLBACK;

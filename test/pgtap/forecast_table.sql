-- finops.forecast_table: many series, in workers and without, with the caller's rights.
BEGIN;
SELECT * FROM no_plan();

CREATE FUNCTION pg_temp.raises(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	hint text;
BEGIN
	EXECUTE statement;
	RETURN 'none';
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	RETURN SQLSTATE || CASE WHEN hint = '' THEN ' no hint' ELSE '' END;
END $$;

CREATE TABLE fc_rows AS
SELECT 'p' || k % 3 AS provider, 'S ''' || k || '"' AS "service; DROP", (date '2018-01-01' + i * interval '1 month')::date AS month,
	(100 + k + 10 * sin(i / 12.0 * 2 * pi()) + (hashint4(i * 7919 + k) & 255) / 50.0)::numeric AS cost
FROM generate_series(1, 12) AS k, generate_series(0, 59) AS i;

-- the same as forecasts one by one

CREATE TEMP TABLE one_by_one AS
SELECT ARRAY[provider, s."service; DROP"] AS keys_of, f.step, (date '2023-01-01' + (f.step - 1) * interval '1 month')::timestamp AS at, f.mean, f.lower, f.upper
FROM (SELECT provider, "service; DROP", array_agg(cost::float8 ORDER BY month) AS y FROM fc_rows GROUP BY 1, 2) AS s,
	finops.forecast(s.y, 6, 12) AS f;
SELECT set_eq($$ SELECT keys_of, step, at, mean, lower, upper FROM finops.forecast_table('fc_rows', 'month', 'cost', '{provider,service; DROP}', 6, '{"workers": 0}') $$,
	'SELECT * FROM one_by_one', 'one process: as finops.forecast');
SELECT set_eq($$ SELECT keys_of, step, at, mean, lower, upper FROM finops.forecast_table('fc_rows', 'month', 'cost', '{provider,service; DROP}', 6, '{"workers": 2}') $$,
	'SELECT * FROM one_by_one', 'three processes: the same bits');
SELECT results_eq($$ SELECT t.*::text FROM finops.forecast_table('fc_rows'::regclass, 'month', 'cost', '{provider,service; DROP}', 6) AS t $$,
	$$ SELECT t.*::text FROM finops.forecast_table('SELECT * FROM fc_rows ORDER BY random(); -- shuffled', 'month', 'cost', '{provider,service; DROP}', 6, '{"workers": 1}') AS t $$,
	'a query in another order: the same rows in the same order');
SELECT results_eq($$ SELECT keys_of, mean FROM finops.forecast_table('SELECT provider, array_agg(cost::float8 ORDER BY month) AS y FROM fc_rows WHERE "service; DROP" IN (SELECT min("service; DROP") FROM fc_rows GROUP BY provider) GROUP BY 1', NULL, 'y', '{provider}', 3, '{"season_length": 12, "model": "theta", "levels": []}') $$,
	$$ SELECT ARRAY[provider], f.mean FROM (SELECT provider, array_agg(cost::float8 ORDER BY month) AS y FROM fc_rows WHERE "service; DROP" IN (SELECT min("service; DROP") FROM fc_rows GROUP BY provider) GROUP BY 1) s, finops.forecast(y, 3, 12, 'theta') f ORDER BY 1, f.step $$,
	'series that are arrays already');
SELECT is((SELECT count(DISTINCT keys_of) FROM finops.forecast_table('fc_rows', 'month', 'cost', '{}', 3)), 1::bigint, 'without keys all rows are one series');
SELECT is((SELECT count(*) FROM finops.forecast_table('SELECT * FROM fc_rows WHERE false', 'month', 'cost', '{provider}', 3)), 0::bigint, 'no rows, no forecasts');
SELECT is((SELECT count(*) FROM finops.forecast_table('SELECT * FROM fc_rows WHERE false', 'month', 'cost', '{}', 3)), 0::bigint, 'nor without keys');

-- one bad series does not stop the others

SELECT results_eq($$ SELECT keys_of[1], step, mean, error FROM finops.forecast_table($q$ VALUES
	('nan', date '2024-01-01', 1::float8), ('nan', date '2024-01-02', 'NaN'), ('good', date '2024-01-01', 4), ('good', date '2024-01-02', 4), (NULL, date '2024-01-01', 7),
	('null', date '2024-01-01', NULL), ('far', date '0001-01-01', 1), ('far', date '9999-01-01', 1) $q$, 'column2', 'column3', '{column1}', 1, '{"model": "naive"}') $$,
	$$ VALUES ('far', NULL::int, NULL::float8, 'series has more than 1000000 buckets'), ('good', 1, 4::float8, NULL),
	('nan', NULL, NULL, 'an observation of the series is not a finite number below 1e300'), ('null', NULL, NULL, 'series is empty'), (NULL, 1, 7, NULL) $$,
	'each series has its own error');
SELECT results_eq($$ SELECT step, error FROM finops.forecast_table($q$ SELECT '{1,2}'::float8[] AS y $q$, NULL, 'y', '{}', 1, '{"model": "holt_winters", "season_length": 1}') $$,
	$$ VALUES (NULL::int, 'model "holt_winters" needs a season') $$, 'a model that does not suit the series');
SELECT results_eq($$ SELECT error FROM finops.forecast_table($q$ SELECT y FROM (VALUES ('{1,NULL}'::float8[]), ('{}'), (NULL), ('{{1,2}}')) v(y) $q$, NULL, 'y', '{}', 1) ORDER BY 1 $$,
	$$ VALUES ('series is empty'), ('series is empty'), ('series must have one dimension and no nulls'), ('series must have one dimension and no nulls') $$, 'arrays that are no series');

-- options

SELECT results_eq($$ SELECT keys_of[1], at, mean FROM finops.forecast_table($q$ VALUES ('a', date '2024-01-01', 2), ('a', date '2024-01-02', 2), ('b', date '2024-01-01', 6), ('b', date '2024-01-04', 9) $q$,
	'column2', 'column3', '{column1}', 1, '{"model": "mean", "align": "common", "bucket": "day", "season_length": 1}') $$,
	$$ VALUES ('a', timestamp '2024-01-05', 1::float8), ('b', '2024-01-05', 3.75) $$, 'series that end together');
SELECT results_eq($$ SELECT mean FROM finops.forecast_table($q$ VALUES (date '2024-01-01', 6), (date '2024-01-04', 9) $q$, 'column1', 'column2', '{}', 1, '{"model": "mean", "gaps": "interpolate", "bucket": "day"}') $$,
	$$ VALUES (7.5::float8) $$, 'gaps interpolated: 6, 7, 8, 9');
SELECT results_eq($$ SELECT mean FROM finops.forecast_table($q$ VALUES (date '2024-01-01', 6), (date '2024-01-04', 9) $q$, 'column1', 'column2', '{}', 1, '{"model": "mean", "gaps": "previous", "bucket": "day"}') $$,
	$$ VALUES (6.75::float8) $$, 'gaps as before: 6, 6, 6, 9');
SELECT results_eq($$ SELECT at FROM finops.forecast_table($q$ SELECT t, 1 AS v FROM generate_series('2024-03-01 00:00+01'::timestamptz, '2024-03-09 23:00+01', '1 hour') t $q$, 't', 'v', '{}', 1, '{"bucket": "day", "time_zone": "Europe/Berlin"}') $$,
	$$ VALUES (timestamp '2024-03-10') $$, 'days of a place');

SELECT set_eq($$ SELECT keys_of[2], step, mean FROM finops.forecast_table('fc_rows', 'month', 'cost', '{provider,service; DROP}', 2, '{"forecast": {"lambda": "log", "upper": 105}}') $$,
	$$ SELECT s.k, f.step, f.mean FROM (SELECT "service; DROP" AS k, array_agg(cost::float8 ORDER BY month) AS y FROM fc_rows GROUP BY 1) AS s, finops.forecast(s.y, 2, 12, options => '{"lambda": "log", "upper": 105}') AS f $$,
	'options of forecasts');

-- forecasts in workers of a query, and in one process: the same text

CREATE TABLE fc_series AS SELECT k, array_agg((100 + 10 * sin(i / 12.0 * 2 * pi()) + (hashint4(i * 7919 + k) & 255) / 50.0)::float8 ORDER BY i) AS y FROM generate_series(1, 60) k, generate_series(1, 60) i GROUP BY k;
ANALYZE fc_series;
SET LOCAL extra_float_digits = 0;
SET LOCAL max_parallel_workers_per_gather = 0;
CREATE TEMP TABLE serial AS SELECT k, f.step, concat_ws(' ', f.mean, f.lower, f.upper) AS bytes FROM fc_series, finops.forecast(y, 6, 12) f;
SET LOCAL max_parallel_workers_per_gather = 2;
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
ALTER TABLE fc_series SET (parallel_workers = 2);
CREATE FUNCTION pg_temp.plan(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	line text;
	plan text := '';
BEGIN
	FOR line IN EXECUTE 'EXPLAIN ' || statement LOOP
		plan := plan || line || E'\n';
	END LOOP;
	RETURN plan;
END $$;
SELECT matches(pg_temp.plan('SELECT k, f.step, f.mean FROM fc_series, finops.forecast(y, 6, 12) f'), 'Gather', 'workers forecast');
CREATE TEMP TABLE parallel AS SELECT k, f.step, concat_ws(' ', f.mean, f.lower, f.upper) AS bytes FROM fc_series, finops.forecast(y, 6, 12) f;
SELECT results_eq('SELECT * FROM parallel ORDER BY 1, 2', 'SELECT * FROM serial ORDER BY 1, 2', 'parallel and serial plans print the same');
RESET extra_float_digits;

-- what a caller may not read stays unread

SET LOCAL client_min_messages = warning;
CREATE ROLE fc_nobody;
GRANT USAGE ON SCHEMA finops TO fc_nobody;
SET LOCAL ROLE fc_nobody;
SELECT is(pg_temp.raises($$ SELECT * FROM finops.forecast_table('fc_rows', 'month', 'cost') $$), '42501 no hint', 'a table that the caller may not read');
SELECT is((SELECT count(*) FROM finops.forecast_table('VALUES (date ''2024-01-01'', 1)', 'column1', 'column2', '{}', 2)), 2::bigint, 'anybody may forecast what he can read');
RESET ROLE;

-- cancel

SET LOCAL statement_timeout = '400ms';
SELECT is(pg_temp.raises($$ SELECT count(*) FROM finops.forecast_table(
	'SELECT k, array_agg((hashint4(i * 31 + k) & 1023)::float8) AS y FROM generate_series(1, 20000) k, generate_series(1, 60) i GROUP BY k', NULL, 'y', '{k}', 12, '{"workers": 1, "season_length": 12}') $$),
	'57014 no hint', 'a cancel ends it');
SET LOCAL statement_timeout = 0;
SELECT is((SELECT count(*) FROM finops.forecast_table('fc_rows', 'month', 'cost', '{provider,service; DROP}', 1)), 12::bigint, 'and the session goes on');

-- bad input

SELECT is(pg_temp.raises($$ SELECT * FROM finops.forecast_table('SELECT 1; DROP TABLE fc_rows', 'month', 'cost') $$), '22023', 'two statements');
SELECT is(pg_temp.raises($$ SELECT * FROM finops.forecast_table('SELECT 1) AS q; DROP TABLE fc_rows; --', 'month', 'cost') $$), '42601 no hint', 'a parenthesis that ends early');
SELECT is(pg_temp.raises($$ SELECT * FROM finops.forecast_table('SELECT 1 INTO fc_other', 'month', 'cost') $$), '22023', 'SELECT INTO');
SELECT is(pg_temp.raises($$ SELECT * FROM finops.forecast_table('WITH d AS (DELETE FROM fc_rows RETURNING *) SELECT * FROM d', 'month', 'cost') $$), '0A000 no hint', 'a query that writes');
SELECT is(pg_temp.raises($$ SELECT * FROM finops.forecast_table('', 'month', 'cost') $$) ~ '^(42602|22023|42P01)', true, 'an empty source');
SELECT is(pg_temp.raises($$ SELECT * FROM finops.forecast_table('fc_none', 'month', 'cost') $$), '42P01', 'a relation that is not there');
SELECT is(pg_temp.raises($$ SELECT * FROM finops.forecast_table(NULL::text, 'month', 'cost') $$), '22004 no hint', 'no source');
SELECT is(pg_temp.raises($$ SELECT * FROM finops.forecast_table('fc_rows', 'provider', 'cost') $$), '22023', 'a column without times');
SELECT is(pg_temp.raises($$ SELECT * FROM finops.forecast_table('fc_rows', 'month', 'provider') $$), '22023', 'a column without numbers');
SELECT is(pg_temp.raises($$ SELECT * FROM finops.forecast_table('fc_rows', NULL, 'cost') $$), '22023', 'no times');
SELECT is(pg_temp.raises($$ SELECT * FROM finops.forecast_table('fc_rows', 'month', '') $$), '22023', 'an empty name');
SELECT is(pg_temp.raises($$ SELECT * FROM finops.forecast_table('fc_rows', 'month', 'cost', '{NULL}') $$), '22023', 'a key that is NULL');
SELECT is(pg_temp.raises($$ SELECT * FROM finops.forecast_table('fc_rows', 'month', 'cost', '{{a,b}}') $$), '22023', 'keys of two dimensions');
SELECT is(pg_temp.raises($$ SELECT * FROM finops.forecast_table('fc_rows', 'month', 'cost', '{}', 0) $$), '22023', 'horizon 0');
SELECT is(pg_temp.raises($$ SELECT * FROM finops.forecast_table('fc_rows', 'month', 'cost', '{}', 1000000) $$), '22023', 'horizon 1,000,000');
SELECT is(pg_temp.raises(format($$ SELECT * FROM finops.forecast_table('fc_rows', 'month', 'cost', '{}', 1, %L) $$, o)), '22023', o)
FROM unnest(ARRAY['[]', '1', '{"modl": "auto"}', '{"model": 1}', '{"model": "none"}', '{"levels": 80}', '{"levels": ["80"]}', '{"levels": [100]}', '{"bucket": "fortnight"}',
	'{"season_length": 0}', '{"season_length": 1.5}', '{"forecast": 1}', '{"forecast": {"magic": 1}}', '{"forecast": {"sum": 3}}', '{"workers": -1}', '{"workers": "two"}', '{"gaps": "none"}', '{"align": true}', '{"time_zone": "Europe/Berlin"}']) AS o;

SELECT is(pg_temp.raises(q), '22023', q || ' has a hint') FROM unnest(ARRAY[$$ SELECT finops.forecast('{{1,2},{3,4}}', 1) $$, $$ SELECT finops.cost_forecast(121) $$,
	$$ SELECT finops.forecast('{1,2,3,-4,5,6}', 1, 1, 'ets', options => '{"lambda":"log"}') $$, $$ SELECT finops.forecast('{1,2,3,-4,5,6}', 1, 1, 'croston') $$]) AS q;
SELECT throws_ok($$ SELECT finops.forecast('{1,2,3,-4,5,6}', 1, 1, 'ets', options => '{"lambda":"log"}') $$, '22023', 'lambda needs positive observations', 'it is the logarithm that cannot');
SELECT is(pg_temp.raises($$ SELECT * FROM finops.forecast_table('DELETE FROM fc_rows RETURNING *', 'month', 'cost', '{provider}', 3) $$), '22023', 'another statement is none');
SELECT * FROM finish();
ROLLBACK;

-- finops.series_agg and the scores: every type of time, parallel plans, bad input.
BEGIN;
SELECT * FROM no_plan();

CREATE FUNCTION pg_temp.raises(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	hint text;
BEGIN
	EXECUTE statement;
	RETURN 'none';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	RETURN SQLSTATE || CASE WHEN hint = '' THEN ' no hint' ELSE '' END;
END $$;

-- times of every type

CREATE TEMP TABLE day_cost AS
SELECT d::date AS day, (extract(doy FROM d) + 0.25)::numeric AS cost
FROM generate_series('2024-01-01'::timestamp, '2024-03-10', '1 day') AS d;
SELECT is((SELECT (finops.series_agg(day, cost, 'day')).series FROM day_cost),
	(SELECT array_agg(cost::float8 ORDER BY day) FROM day_cost), 'dates and numeric');
SELECT is((SELECT (finops.series_agg(day::timestamp, cost::float8, interval '1 day')).series FROM day_cost),
	(SELECT array_agg(cost::float8 ORDER BY day) FROM day_cost), 'timestamps and float8, an interval');
SET LOCAL TimeZone = 'Pacific/Auckland';
SELECT is((SELECT (finops.series_agg((day::timestamp AT TIME ZONE 'UTC'), cost, 'day')).series FROM day_cost),
	(SELECT array_agg(cost::float8 ORDER BY day) FROM day_cost), 'timestamps with time zone are cut by UTC, whatever the session has');
SET LOCAL TimeZone = 'UTC';
SELECT results_eq($$ SELECT s.series, s.start_at, s.bucket, s.season_length, s.row_count, s.gaps, s.partial, s.partial_value
	FROM (SELECT (finops.series_agg(day, cost, 'month')).* FROM day_cost) AS s $$,
	$$ SELECT ARRAY[sum(cost) FILTER (WHERE day < '2024-02-01'), sum(cost) FILTER (WHERE day >= '2024-02-01' AND day < '2024-03-01')]::float8[],
		'2024-01-01'::timestamp, '1 mon'::interval, 12, 70::bigint, 0, true, (sum(cost) FILTER (WHERE day >= '2024-03-01'))::float8 FROM day_cost $$,
	'months: the one in course is left out and reported');
SELECT is((SELECT s.season_length FROM (SELECT (finops.series_agg(day, cost, NULL::text)).* FROM day_cost) AS s), 7, 'days are recognised');
SELECT results_eq($$ SELECT s.series, s.season_length, s.time_zone FROM (SELECT (finops.series_agg(t, 1, 'day', 'Europe/Berlin')).*
	FROM generate_series('2024-03-30 00:00+01'::timestamptz, '2024-04-01 23:00+02', '1 hour') AS t) AS s $$,
	$$ VALUES ('{24,23,24}'::float8[], 7, 'Europe/Berlin') $$, 'the day on which clocks are put forward has 23 hours');
SELECT results_eq($$ SELECT s.series, s.gaps, s.gap_at, s.duplicates, s.ignored
	FROM (SELECT (finops.series_agg(d, v, 'day')).* FROM (VALUES (date '2024-01-05', 7), ('2024-01-01', 1), ('2024-01-01', 2),
		('2024-01-03', NULL), (NULL, 4), ('infinity', 1), ('-infinity', 1), ('5874897-12-31', 1)) AS q(d, v)) AS s $$,
	$$ VALUES ('{3,0,0,0,7}'::float8[], 3, '{2,3,4}'::int[], 1::bigint, 5::bigint) $$, 'gaps, duplicates and rows that say nothing');
SELECT is((SELECT finops.series_agg(d, v, 'day')::text FROM (SELECT NULL::date, NULL::float8) AS q(d, v)), NULL, 'no row that says something: NULL');
SELECT is((SELECT finops.series_agg(day, cost, 'day')::text FROM day_cost WHERE false), NULL, 'no row: NULL');
SELECT ok((SELECT (finops.series_agg(day, 'NaN'::float8, 'week')).series[1] = 'NaN' FROM day_cost), 'NaN stays NaN');
SELECT is((SELECT (finops.series_agg(d, v, 'day')).series FROM (VALUES (date '2024-01-01', 'Infinity'::float8), ('2024-01-01', 1)) q(d, v)), '{Infinity}'::float8[], 'an infinite value stays one');

-- forecasts of it

SELECT ok((SELECT count(*) = 12 AND bool_and(f.mean > 0) FROM (SELECT (finops.series_agg(day, cost, 'day')).* FROM day_cost) AS s,
	finops.forecast(s.series, 12, s.season_length) AS f), 'a series goes into a forecast');

-- a parallel plan has the same bits

CREATE TABLE pg_temp_rows AS
SELECT i % 7 AS k, timestamp '2024-01-01' + (hashint4(i) & 1023) * interval '1 hour' AS t,
	((hashint4(i + 1) & 65535) / 100.0)::float8 AS v, ((hashint4(i + 2) & 65535) / 100.0)::float8 AS p
FROM generate_series(1, 60000) AS i;
ANALYZE pg_temp_rows;
SET LOCAL max_parallel_workers_per_gather = 0;
CREATE TEMP TABLE serial AS
SELECT k, finops.series_agg(t, v, 'day')::text AS s, finops.mase(v, p, 3.3) AS mase, finops.rmsse(v, p, 3.3) AS rmsse,
	finops.pinball(v, p, 0.9) AS pinball, finops.crps(v, p, 10) AS crps, finops.crps(v, ARRAY[p, p / 2, p * 2]) AS sample,
	finops.msis(v, p - 50, p + 50, 3.3, 95) AS msis, finops.coverage(v, p - 50, p + 50) AS coverage
FROM pg_temp_rows GROUP BY k;
SET LOCAL max_parallel_workers_per_gather = 2;
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
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
SELECT matches(pg_temp.plan('SELECT k, finops.series_agg(t, v, ''day''), finops.crps(v, p, 10) FROM pg_temp_rows GROUP BY k'),
	'Partial (Hash|Group)Aggregate', 'workers aggregate');
CREATE TEMP TABLE parallel AS
SELECT k, finops.series_agg(t, v, 'day')::text AS s, finops.mase(v, p, 3.3) AS mase, finops.rmsse(v, p, 3.3) AS rmsse,
	finops.pinball(v, p, 0.9) AS pinball, finops.crps(v, p, 10) AS crps, finops.crps(v, ARRAY[p, p / 2, p * 2]) AS sample,
	finops.msis(v, p - 50, p + 50, 3.3, 95) AS msis, finops.coverage(v, p - 50, p + 50) AS coverage
FROM pg_temp_rows GROUP BY k;
SELECT results_eq('SELECT * FROM parallel ORDER BY k', 'SELECT * FROM serial ORDER BY k', 'parallel and serial plans agree to the last digit');
SELECT results_eq($$ SELECT k, (SELECT array_agg(round(v::numeric, 6)) FROM unnest(s.series[1:5]) v) FROM (SELECT k, (finops.series_agg(t, v, 'day')).* FROM pg_temp_rows GROUP BY k) AS s ORDER BY k $$,
	$$ SELECT k, (array_agg(v ORDER BY t))[1:5] FROM (SELECT k, t::date AS t, round(sum(v::numeric), 6) AS v FROM pg_temp_rows GROUP BY 1, 2) AS q GROUP BY k ORDER BY k $$,
	'sums are those of numeric');

-- scores, worked out by hand

SELECT results_eq($$ SELECT finops.mase(a, p, 2), finops.rmsse(a, p, 2), finops.pinball(a, p, 0.9), finops.coverage(a, p - 1, p + 1),
	finops.msis(a, p - 1, p + 1, 2, 95) FROM (VALUES (10.0::float8, 9.0::float8), (4, 7), (NULL, 1), (1, NULL)) AS q(a, p) $$,
	$$ VALUES (1::float8, sqrt(1.25::float8), 0.6::float8, 0.5::float8, 21::float8) $$, 'two pairs');
SELECT is((SELECT round(finops.crps(0, 0, 1)::numeric, 12)), 0.233694977255, 'CRPS of a standard normal: (sqrt 2 - 1) / sqrt pi');
SELECT is((SELECT finops.crps(0.5, '{1,0}'::float8[])), 0.25::float8, 'CRPS of a sample');
SELECT is((SELECT finops.mase(1, 2, 0)), NULL, 'without a scale there is no MASE');
SELECT is(finops.mase_scale('{1,3,2,6}', 2), 2::float8, 'scale of a season');
SELECT is(finops.mase_scale('{5,5,5}'), NULL, 'a constant has no scale');
SELECT is(round(finops.rmsse_scale('{1,3,2,6}')::numeric, 12), round(sqrt(7.0), 12), 'root mean square scale');

-- bad input

SELECT is(pg_temp.raises($$ SELECT finops.series_agg(day, cost, 'fortnight') FROM day_cost $$), '22023', 'an unknown bucket');
SELECT is(pg_temp.raises($$ SELECT finops.series_agg(day, cost, '') FROM day_cost $$), '22023', 'an empty bucket');
SELECT is(pg_temp.raises($$ SELECT finops.series_agg(day, cost, interval '-1 day') FROM day_cost $$), '22023', 'a negative bucket');
SELECT is(pg_temp.raises($$ SELECT finops.series_agg(day, cost, interval '1 month 2 days') FROM day_cost $$), '22023', 'a bucket of two units');
SELECT is(pg_temp.raises($$ SELECT finops.series_agg(day, cost, interval '0') FROM day_cost $$), '22023', 'a bucket of nothing');
SELECT is(pg_temp.raises($$ SELECT finops.series_agg(day, cost, CASE WHEN day < '2024-02-01' THEN 'day' ELSE 'week' END) FROM day_cost $$), '22023', 'two buckets');
SELECT is(pg_temp.raises($$ SELECT finops.series_agg(day::timestamptz, cost, 'day', 'Mars/Olympus') FROM day_cost $$), '22023', 'an unknown time zone');
SELECT is(pg_temp.raises($$ SELECT finops.series_agg(d, 1, 'hour') FROM (VALUES (date '1900-01-01'), ('2900-01-01')) AS q(d) $$), '54000', 'too many buckets');
SELECT is(pg_temp.raises($$ SELECT finops.series_final('\x0102') $$), '22023 no hint', 'a state that is none');
SELECT is(pg_temp.raises($$ SELECT finops.series_final(overlay(finops.series_state(day, cost, 'day') PLACING '\xffffff7f'::bytea FROM 5)) FROM day_cost $$),
	'22023 no hint', 'a state with a false count');
SELECT is(pg_temp.raises($$ SELECT finops.series_final(substr(finops.series_state(day, cost, 'day'), 1, 300)) FROM day_cost $$), '22023 no hint', 'a state cut short');
SELECT is(pg_temp.raises($$ SELECT finops.score_mean('{1,2,3,4}') $$), '22023 no hint', 'a state of a score that is none');
SELECT is(pg_temp.raises($$ SELECT finops.pinball(1, 2, 1.5) $$), '22023', 'a quantile above 1');
SELECT is(pg_temp.raises($$ SELECT finops.msis(1, 0, 2, 1, 100) $$), '22023', 'a level of 100 percent');
SELECT is(pg_temp.raises($$ SELECT finops.mase(1, 2, -1) $$), '22023', 'a negative scale');
SELECT is(pg_temp.raises($$ SELECT finops.crps(1, 2, -1) $$), '22023', 'a negative deviation');
SELECT is(pg_temp.raises($$ SELECT finops.crps(1, '{1,NULL}'::float8[]) $$), '22023', 'a sample with a NULL');
SELECT is(pg_temp.raises($$ SELECT finops.mase_scale('{1,2}', 0) $$), '22023', 'a season of 0');

SELECT * FROM finish();
ROLLBACK;

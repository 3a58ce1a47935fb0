-- Room forecast: forecasts, backtests and error measures.
BEGIN;
SELECT * FROM no_plan();

CREATE FUNCTION pg_temp.noise(i int, seed int) RETURNS float8 LANGUAGE sql IMMUTABLE AS
$$ SELECT ((hashint4(i * 7919 + seed) & 65535) / 65535.0 - 0.5)::float8 $$;

CREATE TEMP TABLE monthly AS
SELECT array_agg(200 + 2 * i + 30 * sin(2 * pi() * i / 12) + 4 * pg_temp.noise(i, 1) ORDER BY i) AS y
FROM generate_series(1, 96) AS i;

-- simple models, values worked out by hand

SELECT results_eq(
	$$ SELECT step, mean FROM finops.forecast('{3,5,4}', 2, 1, 'naive') $$,
	$$ VALUES (1, 4::float8), (2, 4) $$, 'naive repeats the last value');
SELECT results_eq(
	$$ SELECT step, mean FROM finops.forecast('{1,2,3,4,5,6}', 4, 3, 'seasonal_naive') $$,
	$$ VALUES (1, 4::float8), (2, 5), (3, 6), (4, 4) $$, 'seasonal naive repeats the last season');
SELECT results_eq(
	$$ SELECT step, mean FROM finops.forecast('{2,9,4,8}', 2, 1, 'drift') $$,
	$$ VALUES (1, 10::float8), (2, 12) $$, 'drift goes on along first and last');
SELECT results_eq(
	$$ SELECT step, mean FROM finops.forecast('{1,2,6}', 2, 1, 'mean') $$,
	$$ VALUES (1, 3::float8), (2, 3) $$, 'mean');
-- naive residuals 2 and -1: variance 2.5, 95 percent half width 1.959964 sqrt(2.5 h)
SELECT results_eq(
	$$ SELECT round(((upper[1] - lower[1]) / 2)::numeric, 6) FROM finops.forecast('{3,5,4}', 2, 1, 'naive', '{95}') $$,
	$$ VALUES (3.098975), (4.382613) $$, 'naive interval grows with the root of the step');

-- what auto does

SELECT is((SELECT count(*) FROM monthly, finops.forecast(y, 18)), 18::bigint, 'one row per step');
SELECT ok((SELECT max(abs(f.mean - (200 + 2 * (96 + f.step) + 30 * sin(2 * pi() * (96 + f.step) / 12)))) < 8
	FROM monthly, finops.forecast(y, 12) AS f), 'auto follows trend and season');
SELECT is((SELECT finops.fit_model(y) ->> 'season_length' FROM monthly), '12', 'season is found');
SELECT ok((SELECT bool_and(f.lower[1] > f.lower[2] AND f.lower[2] < f.mean AND f.mean < f.upper[1] AND f.upper[1] < f.upper[2])
	FROM monthly, finops.forecast(y, 12) AS f), 'wider level, wider interval');
SELECT ok((SELECT bool_and(f.lower[1] = g.lower[3] AND f.upper[2] = g.upper[1] AND g.upper[1] = g.upper[2])
	FROM monthly, finops.forecast(y, 6) AS f JOIN LATERAL finops.forecast(y, 6, levels => '{95,95,80}') AS g USING (step)),
	'bounds come in the order of the levels asked for');
SELECT ok((SELECT abs(sum((m ->> 'weight')::float8) - 1) < 1e-12
	FROM monthly, jsonb_array_elements(finops.fit_model(y) -> 'members') AS m), 'weights of the members sum to 1');
SELECT results_eq(
	$$ SELECT f.step, f.mean * 1024, f.upper[2] * 1024 FROM monthly, finops.forecast(y, 6) AS f $$,
	$$ SELECT f.step, f.mean, f.upper[2] FROM monthly, finops.forecast((SELECT array_agg(v * 1024 ORDER BY o) FROM unnest(y) WITH ORDINALITY u(v, o)), 6) AS f $$,
	'another unit, the same forecast (powers of two bit for bit)');
SELECT ok((SELECT bool_and(f.mean > 0 AND f.lower[2] >= 0) FROM finops.forecast('{90,71,52,40,22,11,5,3,2}', 24) AS f),
	'positive series are not forecast below zero');
SELECT ok((SELECT count(*) = 12 AND max(abs(mean - 7)) = 0 AND max(upper[2] - lower[2]) = 0
	FROM finops.forecast(array_fill(7::float8, ARRAY[30]), 12)), 'a constant goes on, without doubt');
SELECT results_eq(
	$$ SELECT mean, lower, upper FROM finops.forecast('{42}', 1) $$,
	$$ VALUES (42::float8, '{NULL,NULL}'::float8[], '{NULL,NULL}'::float8[]) $$, 'one value: its bounds are unknown');
SELECT is((SELECT count(*) FROM finops.forecast('{1,2,3,4}', 3, 1000)), 3::bigint, 'a season longer than the series is none');
SELECT ok((SELECT bool_and(f.mean IS NOT NULL AND abs(f.mean) < 1e301) FROM finops.forecast('{1e300,-1e300,1e300,-3e299,5e299,1e300}', 3) AS f),
	'huge values do not overflow');

-- all models answer on a seasonal series

SELECT is((SELECT count(*) FROM finops.forecast((SELECT y FROM monthly), 5, 12, m)), 5::bigint, m)
FROM unnest('{auto,naive,seasonal_naive,drift,mean,ses,holt,damped,holt_winters,holt_winters_multiplicative,ets,theta,otm,dotm,"ETS(A,N,A)","ETS(M,Ad,M)",MAN,aaa}'::text[]) AS m;

SELECT is((SELECT round(mean::numeric, 9) FROM finops.forecast(array_fill(v, ARRAY[30]), 1, 4, m)), v::numeric, m || ' on a constant ' || v)
FROM unnest('{auto,naive,seasonal_naive,drift,mean,ses,holt,damped,holt_winters,ets,theta,otm,dotm}'::text[]) AS m, unnest('{0,7,-3}'::float8[]) AS v;

-- backtest

SELECT results_eq(
	$$ SELECT fold, origin, rmse, mae, bias, mase FROM finops.backtest('{1,2,3,4,6,8}', 1, 1, 'naive', 2) $$,
	$$ VALUES (1, 4, 2::float8, 2::float8, -2::float8, 2::float8), (2, 5, 2, 2, -2, 1.6) $$,
	'folds end with the series, errors by hand');
SELECT ok((SELECT avg(b.skill) > 0.3 FROM monthly, finops.backtest(y, 6) AS b), 'auto beats seasonal naive where there is a trend');

-- error measures, by hand: errors 1, 0, 2, 0 on actuals 1, 2, 3, 0

CREATE TEMP TABLE pair (i int, a float8, p float8);
INSERT INTO pair VALUES (1, 1, 2), (2, 2, 2), (3, 3, 5), (4, 0, 0), (5, NULL, 1), (6, 1, NULL);
SELECT is(finops.mse(a, p), 1.25::float8, 'mse') FROM pair;
SELECT is(finops.rmse(a, p), sqrt(1.25::float8), 'rmse') FROM pair;
SELECT is(finops.mae(a, p), 0.75::float8, 'mae') FROM pair;
SELECT is(round(finops.mape(a, p)::numeric, 10), 55.5555555556, 'mape leaves out actual zeros: (1 + 0 + 2/3) / 3') FROM pair;
SELECT is(round(finops.smape(a, p)::numeric, 10), 29.1666666667, 'smape: 200 (1/3 + 0 + 2/8 + 0) / 4') FROM pair;
SELECT is(finops.wape(a, p), 50::float8, 'wape: 3 of 6') FROM pair;
SELECT is(finops.r2(a, p), 0::float8, 'r2: 1 - 5/5') FROM pair;
SELECT is(finops.bias(a, p), 0.75::float8, 'bias') FROM pair;
SELECT is(finops.directional_accuracy(a, p ORDER BY i), 2 / 3::float8, 'direction: up-flat, up-up, down-down') FROM pair;
SELECT is(num_nulls(finops.mse(a, p), finops.rmse(a, p), finops.mae(a, p), finops.mape(a, p), finops.smape(a, p), finops.wape(a, p), finops.r2(a, p), finops.bias(a, p), finops.directional_accuracy(a, p)), 9, 'no pair, no measure')
FROM pair WHERE i > 4;
SELECT ok(finops.mape(a, p) IS NULL AND finops.wape(a, p) IS NULL AND finops.r2(a, p) IS NULL, 'division by nothing is NULL')
FROM (VALUES (0::float8, 1::float8), (0, 2)) AS v(a, p);
SELECT is(finops.r2(a, p), 0.98::float8, 'r2 far from zero')
FROM (VALUES (1e8 + 0.0::float8, 1e8 + 0.5::float8), (1e8 + 5, 1e8 + 5.5), (1e8 + 10, 1e8 + 9.5), (1e8 + 5, 1e8 + 5.5)) AS v(a, p);
SELECT ok(finops.mae(a, p) = 'NaN', 'NaN in, NaN out') FROM (VALUES (1::float8, 'NaN'::float8), (1, 2)) AS v(a, p);
SELECT is(finops.bias(a, p), 1 / 4::float8, 'sums are compensated')
FROM (VALUES (0::float8, 1e16::float8), (0, 1), (0, -1e16), (0, 0)) AS v(a, p);

-- serial and parallel plans agree to the last printed digit

CREATE TABLE public.forecast_pairs AS
SELECT 1e6 + 1000 * pg_temp.noise(i, 2) AS a, 1e6 + 1000 * pg_temp.noise(i, 3) AS p FROM generate_series(1, 200000) AS i;
ALTER TABLE public.forecast_pairs SET (parallel_workers = 2);
SET LOCAL extra_float_digits = 0;
SET LOCAL max_parallel_workers_per_gather = 0;
CREATE TEMP TABLE serial AS
SELECT ARRAY[finops.mse(a, p), finops.rmse(a, p), finops.mae(a, p), finops.mape(a, p), finops.smape(a, p), finops.wape(a, p), finops.r2(a, p), finops.bias(a, p)]::text AS v FROM public.forecast_pairs;
SET LOCAL max_parallel_workers_per_gather = 2;
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
CREATE TEMP TABLE parallel AS
SELECT ARRAY[finops.mse(a, p), finops.rmse(a, p), finops.mae(a, p), finops.mape(a, p), finops.smape(a, p), finops.wape(a, p), finops.r2(a, p), finops.bias(a, p)]::text AS v FROM public.forecast_pairs;
SELECT is(p.v, s.v, 'parallel equals serial') FROM serial s, parallel p;
RESET extra_float_digits;

-- bad input

CREATE FUNCTION pg_temp.fails(statement text, state text) RETURNS SETOF text LANGUAGE sql AS
$$ SELECT throws_ok(statement, state::char(5), NULL, statement) $$;
SELECT pg_temp.fails(s, '22023') FROM unnest(ARRAY[
	$$ SELECT finops.forecast('{}', 1) $$,
	$$ SELECT finops.forecast('{1,NULL,3}', 1) $$,
	$$ SELECT finops.forecast('{1,NaN}', 1) $$,
	$$ SELECT finops.forecast('{1,-Infinity}', 1) $$,
	$$ SELECT finops.forecast('{{1,2},{3,4}}', 1) $$,
	$$ SELECT finops.forecast('{1,2}', 0) $$,
	$$ SELECT finops.forecast('{1,2}', -1) $$,
	$$ SELECT finops.forecast('{1,2}', 1000000) $$,
	$$ SELECT finops.forecast('{1,2}', 1, 0) $$,
	$$ SELECT finops.forecast('{1,2}', 1, model => 'prophet') $$,
	$$ SELECT finops.forecast('{1,2}', 1, model => '') $$,
	$$ SELECT finops.forecast('{1,2}', 1, levels => '{0}') $$,
	$$ SELECT finops.forecast('{1,2}', 1, levels => '{100}') $$,
	$$ SELECT finops.forecast('{1,2}', 1, levels => '{NaN}') $$,
	$$ SELECT finops.forecast('{1,2,3}', 1, 1, 'holt_winters') $$,
	$$ SELECT finops.forecast('{1,2,3,4}', 1, 4, 'seasonal_naive', '{80,NULL}') $$,
	$$ SELECT finops.forecast('{1,2,3}', 1, 4, 'seasonal_naive') $$,
	$$ SELECT finops.forecast('{1,2,0,4,5,6,3,2,3,4,5,6}', 1, 4, 'ETS(M,N,M)') $$,
	$$ SELECT finops.backtest('{1,2,3}', 1, 1, 'auto', 3) $$,
	$$ SELECT finops.backtest('{1,2,3}', 1, 1, 'auto', 0) $$,
	$$ SELECT finops.error_accum('{1,2}', 1, 2) $$,
	$$ SELECT finops.error_combine('{20060704,-1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0}', NULL) $$,
	$$ SELECT finops.direction_final('{1,NULL}') $$
]) AS s;
SELECT pg_temp.fails(s, '22004') FROM unnest(ARRAY[
	$$ SELECT finops.forecast(NULL, 1) $$,
	$$ SELECT finops.forecast('{1,2}', NULL) $$,
	$$ SELECT finops.forecast('{1,2}', 1, 1, NULL) $$,
	$$ SELECT finops.forecast('{1,2}', 1, 1, 'auto', NULL) $$
]) AS s;

SELECT * FROM finish();
ROLLBACK;

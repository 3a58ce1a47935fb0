-- The same digits on every run, in parallel and serial plans and on every
-- server: forecasts of generated series, as text with 15 digits.
SET extra_float_digits = 0;
CREATE TEMP TABLE made AS
SELECT k, m, array_agg(round((100 + k + 0.4 * t + CASE WHEN m > 1 THEN 12 * (t % m) / m ELSE 0 END
	+ ((t * 7919 + k * 104729) % 1009) / 50.0)::numeric, 3)::float8 ORDER BY t) AS y
FROM (VALUES (1, 1), (2, 4), (3, 7), (4, 12)) AS v(k, m), generate_series(1, 96) AS t GROUP BY k, m;
SELECT k, model, f.step, f.mean, f.lower[2] AS lower_95, f.upper[2] AS upper_95
FROM made, unnest('{auto,ets,dotm,arima,ces,stl+ets}'::text[]) WITH ORDINALITY AS u(model, o), finops.forecast(y, 5, m, model) AS f
WHERE f.step IN (1, 5) AND (m > 1 OR model <> 'stl+ets') ORDER BY k, o, f.step;
-- in workers and in the session
CREATE TABLE many_bits AS SELECT k AS id, y FROM made, generate_series(1, 3);
SELECT count(*) AS differences FROM (
	SELECT * FROM finops.forecast_table('many_bits', NULL, 'y', '{id}', 6, '{"workers": 0}')
	EXCEPT SELECT * FROM finops.forecast_table('many_bits', NULL, 'y', '{id}', 6, '{"workers": 2}')) AS d;
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT count(*) AS differences FROM (
	SELECT id, f.mean FROM many_bits, finops.forecast(y, 3, 7, 'auto') AS f
	EXCEPT SELECT k, f.mean FROM made, finops.forecast(y, 3, 7, 'auto') AS f) AS d;
DROP TABLE many_bits;

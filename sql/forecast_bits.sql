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
-- what can be worked out otherwise: naive, seasonal naive, drift and mean with their variances (Hyndman and
-- Athanasopoulos, Forecasting: Principles and Practice, table 5.2), in numeric; how many differ by 1e-12
WITH value AS (SELECT k, m, o::int AS t, v::numeric AS v FROM made, unnest(y) WITH ORDINALITY AS u(v, o)),
total AS (SELECT k, m, avg(v) AS mean, max(v) FILTER (WHERE t = 1) AS first, max(v) FILTER (WHERE t = 96) AS last,
	sum(v * v) - sum(v) ^ 2 / 96 AS squares FROM value GROUP BY k, m),
step AS (SELECT k, sum((a.v - b.v) ^ 2) / 95 AS naive, (sum((a.v - b.v) ^ 2) - sum(a.v - b.v) ^ 2 / 95) / 94 AS drift
	FROM value a JOIN value b USING (k) WHERE a.t = b.t + 1 GROUP BY k),
season AS (SELECT a.k, sum((a.v - b.v) ^ 2) / (96 - a.m) AS variance FROM value a JOIN value b ON b.k = a.k AND a.t = b.t + a.m GROUP BY a.k, a.m),
closed AS (
	SELECT k, m, 'naive' AS model, h, last AS mean, h * s.naive AS variance FROM total JOIN step s USING (k), generate_series(1, 9) AS h
	UNION ALL SELECT k, m, 'mean', h, mean, squares / 95 * (1 + 1 / 96.0) FROM total, generate_series(1, 9) AS h
	UNION ALL SELECT k, m, 'drift', h, last + h * (last - first) / 95, h * (1 + h / 95.0) * s.drift FROM total JOIN step s USING (k), generate_series(1, 9) AS h
	UNION ALL SELECT k, m, 'snaive', h, (SELECT v FROM value v WHERE v.k = t.k AND v.t = 96 - t.m + 1 + (h - 1) % t.m), ((h - 1) / m + 1) * s.variance
		FROM total t JOIN season s USING (k), generate_series(1, 9) AS h WHERE m > 1)
SELECT c.model, count(*) AS steps, count(*) FILTER (WHERE abs(f.mean - c.mean::float8) > 1e-12 * c.mean::float8) AS means,
	max(round(((f.upper[2] - f.mean) / 1.95996398454005 / sqrt(c.variance)::float8)::numeric, 6)) AS widest, min(round(((f.upper[2] - f.mean) / 1.95996398454005 / sqrt(c.variance)::float8)::numeric, 6)) AS narrowest
FROM closed c JOIN made USING (k), LATERAL (SELECT * FROM finops.forecast(y, 9, made.m, c.model) AS f WHERE f.step = c.h) AS f GROUP BY 1 ORDER BY 1;
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

-- Speed of finops.forecast on generated monthly series (n = 100, season 12, 18
-- steps) beside plain SQL that repeats last year; then, where FINOPS_SHARED
-- names a directory with data/series, accuracy, coverage and speed on public
-- series, whole groups, one setting for all, a model per line.
-- CPU is that of this process, in seconds per 1,000 series.
\set ON_ERROR_STOP 1
\pset footer off
SET client_min_messages = warning;

CREATE FUNCTION pg_temp.cpu() RETURNS float8 LANGUAGE sql VOLATILE AS
$$ SELECT (s[14]::float8 + s[15]::float8) / 100 FROM (SELECT string_to_array(pg_read_file('/proc/self/stat'), ' ')) AS v(s) $$;

-- sMAPE and MASE as in the M4 competition; MSIS of the 95 percent interval
CREATE FUNCTION pg_temp.score(y float8[], test float8[], m int, model text)
RETURNS TABLE (smape float8, mase float8, cover_80 float8, cover_95 float8, msis float8) LANGUAGE sql AS $$
	WITH scale AS (SELECT avg(abs(y[t] - y[t - m])) AS s FROM generate_series(m + 1, cardinality(y)) AS t)
	SELECT avg(CASE WHEN f.mean = test[f.step] THEN 0 ELSE 200 * abs(f.mean - test[f.step]) / (abs(f.mean) + abs(test[f.step])) END),
		avg(abs(f.mean - test[f.step])) / min(s),
		avg((test[f.step] BETWEEN f.lower[1] AND f.upper[1])::int),
		avg((test[f.step] BETWEEN f.lower[2] AND f.upper[2])::int),
		avg(f.upper[2] - f.lower[2] + 40 * greatest(f.lower[2] - test[f.step], test[f.step] - f.upper[2], 0)) / min(s)
	FROM finops.forecast(y, cardinality(test), m, model) AS f, scale
$$;

CREATE TEMP TABLE generated AS
SELECT i AS id, (SELECT array_agg(100 + 0.3 * t + 15 * sin(2 * pi() * t / 12) + (hashint4(i * 131 + t) & 1023) / 100.0 ORDER BY t) FROM generate_series(1, 100) AS t) AS y
FROM generate_series(1, 500) AS i;

CREATE TEMP TABLE speed (position int, model text, cpu_per_1000 numeric);
SELECT format('WITH start AS MATERIALIZED (SELECT pg_temp.cpu() AS s), run AS MATERIALIZED (SELECT count(*) AS n FROM start, generated, finops.forecast(CASE WHEN s > 0 THEN y END, 18, 12, %L) AS f)
	INSERT INTO speed SELECT %s, %L, ((CASE WHEN n > 0 THEN pg_temp.cpu() END - s) * 1000 / 500)::numeric(10, 3) FROM start, run', m, o, m)
FROM unnest('{seasonal_naive,theta,dotm,holt_winters,ces,ets,arima,auto}'::text[]) WITH ORDINALITY AS u(m, o) \gexec
INSERT INTO speed
WITH start AS MATERIALIZED (SELECT pg_temp.cpu() AS s),
	run AS MATERIALIZED (SELECT sum(y[100 - 12 + 1 + (j - 1) % 12]) AS n FROM start, generated, generate_series(1, 18) AS j WHERE s > 0)
SELECT 0, 'plain SQL, last year', ((CASE WHEN n > 0 THEN pg_temp.cpu() END - s) * 1000 / 500)::numeric(10, 3) FROM start, run;
\echo 'generated monthly series, n = 100'
SELECT model, cpu_per_1000 FROM speed ORDER BY position;

\set data `cd "${FINOPS_SHARED:-/nonexistent}/data/series" 2>/dev/null && for f in m1_yearly m1_quarterly m1_monthly tourism_yearly tourism_quarterly tourism_monthly m3_quarterly; do { zcat $f.csv.gz 2>/dev/null || cat $f.csv; } | awk -F, -v f=$f 'NR > 1 { print f "," $0 }'; done`
CREATE TEMP TABLE value AS
SELECT v[1] AS grp, v[2] AS id, v[3]::int AS m, v[4]::int AS period, v[5]::float8 AS value, v[6] AS set
FROM (SELECT string_to_array(line, ',') FROM string_to_table(:'data', E'\n') AS line WHERE line <> '') AS s(v);
SELECT count(*) > 0 AS have FROM value \gset
\if :have
CREATE TEMP TABLE series AS
SELECT grp, id, m, array_agg(value ORDER BY period) FILTER (WHERE set = 'train') AS y, array_agg(value ORDER BY period) FILTER (WHERE set = 'test') AS test
FROM value GROUP BY 1, 2, 3;
CREATE TEMP TABLE accuracy (grp text, model text, series bigint, smape float8, mase float8, cover_80 float8, cover_95 float8, msis float8, cpu float8);
SELECT format('WITH start AS MATERIALIZED (SELECT pg_temp.cpu() AS s),
	run AS MATERIALIZED (SELECT count(*) AS n, avg(a.smape) AS smape, avg(a.mase) AS mase, avg(a.cover_80) AS c80, avg(a.cover_95) AS c95, avg(a.msis) AS msis
		FROM start, series, pg_temp.score(CASE WHEN s > 0 THEN y END, test, m, %L) AS a WHERE grp = %L)
	INSERT INTO accuracy SELECT %L, %L, n, smape, mase, c80, c95, msis, (CASE WHEN n > 0 THEN pg_temp.cpu() END - s) * 1000 / n FROM start, run', mo, g, g, mo)
FROM (SELECT DISTINCT grp FROM series) AS v(g), unnest('{seasonal_naive,theta,ces,ets,arima,auto}'::text[]) AS u(mo) \gexec
\echo 'public series; CPU with scoring'
SELECT grp AS group, model, series, round(smape::numeric, 3) AS smape, round(mase::numeric, 4) AS mase,
	round(cover_80::numeric, 3) AS cover_80, round(cover_95::numeric, 3) AS cover_95, round(msis::numeric, 2) AS msis, round(cpu::numeric, 2) AS cpu_per_1000
FROM accuracy ORDER BY grp, array_position('{seasonal_naive,theta,ces,ets,arima,auto}', model);
\else
\echo 'public series: skipped, FINOPS_SHARED names no directory with data/series'
\endif

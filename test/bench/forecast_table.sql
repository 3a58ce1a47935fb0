-- How finops.forecast_table scales: monthly series of 100 values, one process
-- against two, from arrays, and a fifth of them from rows, which the server
-- aggregates first.  CPU is that of the session's own
-- process, in seconds: with two processes the rest is in the worker, so that
-- the quotient is what an otherwise idle machine gains.  Run with
-- scripts/bench.sh forecast_table; FINOPS_SERIES=N for fewer than 100,000.
\set ON_ERROR_STOP 1
\pset footer off
\getenv series FINOPS_SERIES
\if :{?series}
\else
\set series 100000
\endif
CREATE FUNCTION pg_temp.cpu() RETURNS float8 LANGUAGE sql VOLATILE AS
$$ SELECT (s[14]::float8 + s[15]::float8) / 100 FROM (SELECT string_to_array(pg_read_file('/proc/self/stat'), ' ')) AS v(s) $$;
SELECT greatest(:series / 5, 1) AS row_series \gset
\set value '(100 + k % 17 + 20 * sin(i / 12.0 * 2 * pi()) + (hashint4(i * 7919 + k) & 65535) / 6553.6)::float8'
CREATE TABLE many AS
SELECT k, (date '2017-01-01' + i * interval '1 month')::date AS month, :value AS v
FROM generate_series(1, :row_series) AS k, generate_series(0, 99) AS i;
CREATE TABLE many_arrays AS
SELECT k, (SELECT array_agg(:value ORDER BY i) FROM generate_series(0, 99) AS i) AS y FROM generate_series(1, :series) AS k;
ANALYZE many;
ANALYZE many_arrays;
SET max_parallel_workers_per_gather = 1;
CREATE TEMP TABLE speed (source text, workers int, seconds float8, cpu float8, rows bigint);
CREATE PROCEDURE pg_temp.measure(source text, call text, workers int) LANGUAGE plpgsql AS $$
DECLARE
	began timestamptz := clock_timestamp();
	cpu float8 := pg_temp.cpu();
	rows bigint;
BEGIN
	EXECUTE format('SELECT count(*) FROM finops.forecast_table(%s, 12, %L)', call, format('{"workers": %s, "season_length": 12}', workers)) INTO rows;
	INSERT INTO speed VALUES (source, workers, extract(epoch FROM clock_timestamp() - began), pg_temp.cpu() - cpu, rows);
END $$;
CALL pg_temp.measure('arrays', $$ 'many_arrays', NULL, 'y', '{k}' $$, 0);
CALL pg_temp.measure('arrays', $$ 'many_arrays', NULL, 'y', '{k}' $$, 1);
CALL pg_temp.measure('rows', $$ 'many', 'month', 'v', '{k}' $$, 0);
CALL pg_temp.measure('rows', $$ 'many', 'month', 'v', '{k}' $$, 1);
SELECT source, max(rows) / 12 AS series,
	max(seconds) FILTER (WHERE workers = 0)::numeric(10, 2) AS seconds_one, max(seconds) FILTER (WHERE workers = 1)::numeric(10, 2) AS seconds_two,
	max(cpu) FILTER (WHERE workers = 0)::numeric(10, 2) AS cpu_one, max(cpu) FILTER (WHERE workers = 1)::numeric(10, 2) AS cpu_two,
	(max(cpu) FILTER (WHERE workers = 0) / max(cpu) FILTER (WHERE workers = 1))::numeric(10, 2) AS gain
FROM speed GROUP BY source;

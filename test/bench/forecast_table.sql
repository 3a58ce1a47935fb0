-- How finops.forecast_table scales: 100,000 monthly series of 100 values, one
-- process against two.  Run with scripts/bench.sh forecast_table; -v series=N.
\if :{?series}
\else
\set series 100000
\endif
CREATE TEMP TABLE many AS
SELECT k, array_agg((100 + k % 17 + 20 * sin(i / 12.0 * 2 * pi()) + (hashint4(i * 7919 + k) & 65535) / 6553.6)::float8 ORDER BY i) AS y
FROM generate_series(1, :series) AS k, generate_series(0, 99) AS i GROUP BY k;
\timing on
SELECT count(*) AS one_process FROM finops.forecast_table('many', NULL, 'y', '{k}', 12, '{"workers": 0, "season_length": 12}');
SELECT count(*) AS two_processes FROM finops.forecast_table('many', NULL, 'y', '{k}', 12, '{"workers": 1, "season_length": 12}');

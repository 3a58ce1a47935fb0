-- finops.apportion against sum(numeric), finops.apportion_part against
-- row_number(), over the same rows.  psql -v rows=10000000 -f this file;
-- compare the timings of each pair.
\if :{?rows}
\else
\set rows 2000000
\endif
SET max_parallel_workers_per_gather = 0;
SET jit = off;
SET work_mem = '1GB';
CREATE TEMP TABLE bench AS
SELECT i, i / 10 AS g10, i / 100 AS g100, i / 1000 AS g1000,
	((hashint4(i)::bigint + 2147483648)::numeric / 10000000000)::numeric(18,10) AS weight
FROM generate_series(0, :rows - 1) i;
ANALYZE bench;
\timing on
\echo groups of 10: sum, apportion
SELECT count(x) FROM (SELECT sum(weight) AS x FROM bench GROUP BY g10 OFFSET 0) s;
SELECT count(x) FROM (SELECT finops.apportion(1234.56, array_agg(weight)) AS x FROM bench GROUP BY g10 OFFSET 0) s;
\echo groups of 100: sum, apportion
SELECT count(x) FROM (SELECT sum(weight) AS x FROM bench GROUP BY g100 OFFSET 0) s;
SELECT count(x) FROM (SELECT finops.apportion(1234.56, array_agg(weight)) AS x FROM bench GROUP BY g100 OFFSET 0) s;
\echo groups of 1000: sum, apportion
SELECT count(x) FROM (SELECT sum(weight) AS x FROM bench GROUP BY g1000 OFFSET 0) s;
SELECT count(x) FROM (SELECT finops.apportion(1234.56, array_agg(weight)) AS x FROM bench GROUP BY g1000 OFFSET 0) s;
\echo windows of 100: row_number, apportion_part
SELECT count(x) FROM (SELECT row_number() OVER (PARTITION BY g100 ORDER BY i) AS x FROM bench OFFSET 0) s;
SELECT count(x) FROM (SELECT finops.apportion_part(1234.56, weight) OVER (PARTITION BY g100 ORDER BY i) AS x FROM bench OFFSET 0) s;

-- finops.profile_table against count(*) and avg() of the same ten million rows
-- (FINOPS_LINES times a hundred), serial and parallel; pairs, in turn
\set rows :lines * 100
CREATE UNLOGGED TABLE big AS
SELECT g AS id, (g * 7919 % 1000003) / 1000.0::float8 AS score, (g % 99991 / 100.0)::numeric(12, 4) AS amount, 'label-' || g % 1000 AS label
FROM generate_series(1::bigint, :rows) g;
VACUUM ANALYZE big;
CREATE TEMP TABLE took (workers int, what text, ms float8);
CREATE FUNCTION pg_temp.took(n int, name text, sql text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	began timestamptz;
BEGIN
	PERFORM set_config('max_parallel_workers_per_gather', n::text, false);
	began := clock_timestamp();
	EXECUTE sql;
	INSERT INTO took VALUES (n, name, extract(epoch FROM clock_timestamp() - began) * 1000);
END
$$;
SELECT pg_temp.took(n, s.name, s.sql)
FROM generate_series(1, 5) i, unnest('{0,2}'::int[]) n, (VALUES (1, 'count', 'SELECT count(*) FROM big'), (2, 'avg', 'SELECT avg(score) FROM big'),
	(3, 'profile', $q$SELECT * FROM finops.profile_table('big')$q$)) s(o, name, sql)
ORDER BY i, n, s.o \g /dev/null
SELECT workers, round(max(ms) FILTER (WHERE what = 'count')) AS count_ms, round(max(ms) FILTER (WHERE what = 'avg')) AS avg_ms, round(max(ms) FILTER (WHERE what = 'profile')) AS profile_ms,
	round((max(ms) FILTER (WHERE what = 'profile') / sum(ms) FILTER (WHERE what <> 'profile'))::numeric, 2) AS profile_of_both
FROM (SELECT workers, what, percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) AS ms FROM took GROUP BY workers, what) m GROUP BY workers ORDER BY workers;

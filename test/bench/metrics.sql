-- A scrape with a million requests, 150,000 runs of jobs and 20,000 queries of
-- Athena: in the session's first call, and later.  CPU is that of the session.
\set ON_ERROR_STOP 1
SET client_min_messages = warning;
CREATE FUNCTION pg_temp.cpu(OUT ms numeric) LANGUAGE sql AS $$
	SELECT (f[14]::numeric + f[15]::numeric) * 10 FROM string_to_array(pg_read_file('/proc/self/stat'), ' ') f $$;
INSERT INTO api_metrics (endpoint, status_code, response_time_ms, created_at)
SELECT CASE n % 10 WHEN 0 THEN 'AWSInsightsIndexService.GetCostAndUsage' ELSE '/api/costs' END, CASE n % 100 WHEN 1 THEN 500 ELSE 200 END, n % 1000, now() - n * interval '7 s'
FROM generate_series(1, 1000000) n;
INSERT INTO finops.job_run (job_name, status, executed_by, started_at, finished_at)
SELECT j.job_name, 'succeeded', 'bench', now() - n * interval '10 minutes', now() - n * interval '10 minutes' FROM finops.job_registry j, generate_series(1, 5000) n;
INSERT INTO athena_query_executions (query_execution_id, status, data_scanned_in_bytes, execution_time_millis, scan_cost_usd, creation_time)
SELECT n::text, 'SUCCEEDED', 1e9, 100, 0.01, now() - n * interval '1 minute' FROM generate_series(1, 20000) n;
INSERT INTO finops.delivery (source, billing_period, digest, format) SELECT 's' || n, '2025-01-01', n::text, 'focus' FROM generate_series(1, 5000) n;
VACUUM ANALYZE;
SELECT finops.count_requests() AS counted;
\connect
CREATE FUNCTION pg_temp.cpu(OUT ms numeric) LANGUAGE sql AS $$
	SELECT (f[14]::numeric + f[15]::numeric) * 10 FROM string_to_array(pg_read_file('/proc/self/stat'), ' ') f $$;
SELECT pg_temp.cpu() AS before \gset
\timing on
SELECT length(finops.prometheus_metrics()) AS first;
SELECT length(finops.prometheus_metrics()) AS second;
SELECT finops.health_check() ->> 'status' AS health;
\timing off
SELECT pg_temp.cpu() - :before AS cpu_ms_of_three;
SELECT pg_temp.cpu() AS before \gset
SELECT count(*) AS scrapes FROM generate_series(1, 100) n, LATERAL (SELECT length(finops.prometheus_metrics()) + n) m(l) WHERE m.l > 0;
SELECT (pg_temp.cpu() - :before) / 100 AS cpu_ms_of_one;

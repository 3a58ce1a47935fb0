-- Health and metrics: values worked out by hand, counters that never fall, and the partitions of cur_table that a month prunes.
BEGIN;
SELECT * FROM no_plan();
TRUNCATE api_metrics, athena_query_executions, cost_cache, finops.request_total, finops.athena_total;

CREATE FUNCTION pg_temp.metric(name text, label text DEFAULT NULL) RETURNS float8 LANGUAGE sql AS $$
	SELECT s.value FROM finops.metric_samples() s WHERE s.metric = name AND (label IS NULL OR label IN (SELECT v FROM jsonb_each_text(s.labels) AS l(k, v)))
$$;
CREATE FUNCTION pg_temp.raises(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN 'none';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END $$;

-- whose a request is

SELECT results_eq($$ SELECT finops.request_api(e) FROM unnest('{/api/costs,GET /health,AmazonAthena.StartQueryExecution,AWSInsightsIndexService.GetCostAndUsage,"",NULL}'::text[]) e $$,
	$$ VALUES ('dashboard'), ('dashboard'), ('athena'), ('cost-explorer'), ('cost-explorer'), ('cost-explorer') $$, 'by the name of the endpoint');
SELECT results_eq($$ SELECT finops.request_throttled(s, c) FROM (VALUES (429, NULL), (400, 'ThrottlingException'), (200, ''), (NULL::int, NULL::text)) v(s, c) $$,
	$$ VALUES (true), (true), (false), (false) $$, 'refused as too many');

SELECT results_eq($$ SELECT finops.request_status(s) FROM unnest('{200,599,99,600,0,-2147483648,2147483647,NULL}'::int[]) s $$, $$ VALUES ('200'), ('599'), ('other'), ('other'), ('other'), ('other'), ('other'), ('none') $$, 'few statuses, whatever is written');

-- ten requests to the dashboard of 100, 200, ... 1,000 ms, two of them 503; five to Cost Explorer, two of them refused

INSERT INTO api_metrics (endpoint, status_code, response_time_ms, created_at) SELECT '/api/costs', CASE WHEN n > 8 THEN 503 ELSE 200 END, n * 100, now() - interval '1 minute' FROM generate_series(1, 10) n;
INSERT INTO api_metrics (endpoint, status_code, response_time_ms, error_code) SELECT 'AWSInsightsIndexService.GetCostAndUsage', CASE WHEN n > 3 THEN 400 ELSE 200 END, 2000, CASE WHEN n > 3 THEN 'ThrottlingException' END FROM generate_series(1, 5) n;
INSERT INTO api_metrics (endpoint, response_time_ms) VALUES ('AWSInsightsIndexService.GetCostAndUsage', 500), ('AmazonAthena.GetQueryExecution', 7);
SELECT results_eq($$ SELECT pg_temp.metric('dashboard_http_requests_total', '200'), pg_temp.metric('dashboard_http_requests_total', '503'), pg_temp.metric('dashboard_http_requests_total', '500'),
	pg_temp.metric('dashboard_http_request_duration_seconds', '0.5'), round(pg_temp.metric('dashboard_http_request_duration_seconds', '0.95')::numeric, 6),
	pg_temp.metric('dashboard_http_request_duration_seconds_sum'), pg_temp.metric('dashboard_http_request_duration_seconds_count') $$,
	$$ VALUES (8::float8, 2::float8, 0::float8, 0.55::float8, 0.955000, 5.5::float8, 10::float8) $$, 'requests to the dashboard');
SELECT results_eq($$ SELECT pg_temp.metric('aws_cost_explorer_api_requests_total'), pg_temp.metric('aws_cost_explorer_api_errors_total'), pg_temp.metric('aws_cost_explorer_api_throttles_total'),
	pg_temp.metric('aws_cost_explorer_api_duration_seconds_sum') $$,
	$$ VALUES (6::float8, 3::float8, 2::float8, 10.5::float8) $$, 'requests to Cost Explorer; no answer is an error');

-- counters stay, whatever is deleted

CREATE TEMP TABLE before AS SELECT * FROM finops.request_count;
DELETE FROM api_metrics WHERE status_code = 503;
SELECT set_eq('SELECT * FROM finops.request_count', 'SELECT * FROM before', 'a deletion changes no counter');
SELECT is(finops.count_requests(), 15::bigint, 'rows that were left are counted');
SELECT set_eq('SELECT * FROM finops.request_count', 'SELECT * FROM before', 'nor does counting');
SELECT is(finops.count_requests(), 0::bigint, 'once');
INSERT INTO api_metrics (endpoint, status_code, response_time_ms) VALUES ('/api/costs', 200, 1000);
DELETE FROM api_metrics WHERE endpoint = '/api/costs';
SELECT results_eq($$ SELECT requests, response_ms FROM finops.request_count WHERE api = 'dashboard' AND status = '200' $$, $$ VALUES (9::bigint, 4600::numeric) $$, 'of what is deleted only the new is added');
INSERT INTO api_metrics (endpoint, status_code, response_time_ms) VALUES ('/api/costs', 200, 1000);
TRUNCATE api_metrics;
SELECT is(pg_temp.metric('dashboard_http_requests_total', '200'), 10::float8, 'a truncated table keeps its counters');

-- Athena: 2^40 bytes at 5 USD, 2^39 bytes, a failed one, one that runs

INSERT INTO athena_query_executions (query_execution_id, status, data_scanned_in_bytes, execution_time_millis, scan_cost_usd) VALUES
	('m-1', 'SUCCEEDED', 1099511627776, 30000, 5), ('m-2', 'SUCCEEDED', 549755813888, 10000, 2.5), ('m-3', 'FAILED', NULL, 500, 0), ('m-4', 'RUNNING', 1, 1, 1);
SELECT results_eq($$ SELECT pg_temp.metric('athena_queries_total', 'SUCCEEDED'), pg_temp.metric('athena_queries_total', 'FAILED'), pg_temp.metric('athena_data_scanned_bytes_sum'), pg_temp.metric('athena_query_cost_usd_sum'),
	pg_temp.metric('athena_query_duration_seconds_sum'), pg_temp.metric('athena_query_duration_seconds', '0.5'), pg_temp.metric('finops_athena_largest_scan_bytes') $$,
	$$ VALUES (2::float8, 1::float8, 1649267441664::float8, 7.5::float8, 40.5::float8, 10::float8, 1099511627776::float8) $$, 'queries of Athena');
-- the price of a scan that the history does not know: 5 USD for 2^40 bytes, half of it for 2^39
SELECT results_eq($$ SELECT finops.athena_scan_cost(s, b, c, p)::float8 FROM (VALUES ('SUCCEEDED', 549755813888, NULL, NULL), ('SUCCEEDED', 549755813888, 7, NULL), ('SUCCEEDED', 549755813888, 7, 10), ('FAILED', 549755813888, NULL, NULL),
	(NULL, NULL, NULL, NULL), ('CANCELLED', 549755813888::numeric, NULL::numeric, 0::numeric)) v(s, b, c, p) $$, $$ VALUES (2.5::float8), (7), (5), (0), (0), (0) $$, 'known, from the bytes, at another price, failed, unknown, free');
INSERT INTO athena_query_executions (query_execution_id, status, data_scanned_in_bytes, creation_time) VALUES ('m-5', 'SUCCEEDED', 1099511627776, now() - interval '3 days'), ('m-6', 'SUCCEEDED', 1e15, now() - interval '8 days');
SELECT results_eq($$ SELECT day, queries, gb_scanned::float8, cost_usd::float8 FROM finops.athena_cost() $$, $$ VALUES ((now() AT TIME ZONE 'UTC')::date - 3, 1::bigint, 1024::float8, 5::float8),
	((now() AT TIME ZONE 'UTC')::date, 4, (1099511627776 + 549755813888 + 1) / 1073741824::float8, 8.5) $$, 'the last seven days: gigabytes / 1024 * 5, and what was charged');
SELECT results_eq($$ SELECT sum(cost_usd)::float8 FROM finops.athena_cost('30 days', 10) $$, $$ SELECT ((1099511627776 * 2 + 549755813888 + 1 + 1e15) / 1099511627776 * 10)::float8 $$, 'at another price');
SELECT is(pg_temp.raises(format('SELECT * FROM finops.athena_cost(%s)', args)), state, args) FROM (VALUES ('NULL', '22004'), ($$ '-1 day' $$, '22023'), ($$ '1 day', -1 $$, '22023'), ($$ '1 day', 'NaN' $$, '22023'), ($$ '1 day', 'Infinity' $$, '22023')) v(args, state);
DELETE FROM athena_query_executions WHERE query_execution_id IN ('m-5', 'm-6');
UPDATE finops.athena_total SET queries = queries - 2, scanned_bytes = scanned_bytes - 1099511627776 - 1e15, scan_cost_usd = scan_cost_usd - finops.athena_scan_cost('', 1099511627776 + 1e15, NULL);
DELETE FROM athena_query_executions WHERE query_execution_id IN ('m-2', 'm-4');
SELECT results_eq($$ SELECT pg_temp.metric('athena_queries_total', 'SUCCEEDED'), pg_temp.metric('athena_query_cost_usd_sum') $$, $$ VALUES (2::float8, 7.5::float8) $$, 'a deleted query still counts');
TRUNCATE athena_query_executions;
SELECT results_eq($$ SELECT pg_temp.metric('athena_queries_total', 'FAILED'), pg_temp.metric('athena_query_cost_usd_sum'), pg_temp.metric('athena_query_duration_seconds', '0.5') $$,
	$$ VALUES (1::float8, 7.5::float8, 'NaN'::float8) $$, 'also of a table that was emptied');

-- the cache

SELECT is(pg_temp.metric('aws_cost_explorer_data_age_seconds'), NULL, 'no data has no age');
INSERT INTO cost_cache (cache_key, source, last_updated) VALUES ('m-1', 'cost-explorer', now() - interval '73 hours'), ('m-2', 'cost-explorer', now() - interval '80 hours'), ('m-3', 'we"ird\source
', now() - interval '1 hour');
SELECT results_eq($$ SELECT floor(pg_temp.metric('aws_cost_explorer_data_age_seconds') / 3600), pg_temp.metric('finops_cache_entries', 'cost-explorer') $$, $$ VALUES (73::float8, 2::float8) $$, 'age of the newest entry');
SELECT ok(position(E'finops_cache_entries{source="we\\"ird\\\\source\\n"} 1\n' IN finops.prometheus_metrics()) > 0, 'labels are escaped');

-- expired entries go, but for the newest of a source
INSERT INTO cost_cache (cache_key, source, last_updated, created_at, expires_at) VALUES ('x-1', 'x', now() - interval '2 hours', now(), now() - interval '1 hour'), ('x-2', 'x', now() - interval '1 hour', now(), now() - interval '1 minute'),
	('y-1', 'y', now() - interval '2 hours', now(), now() + interval '1 hour'), ('y-2', 'y', now(), now() - interval '8 days', NULL);
SELECT results_eq($$ SELECT finops.cache_cleanup() FROM (SELECT) o $$, $$ VALUES (2::bigint) $$, 'an expired entry and an old one');
SELECT set_eq($$ SELECT cache_key FROM cost_cache WHERE source IN ('x', 'y') $$, $$ VALUES ('x-2'), ('y-1') $$, 'the rest stays');
DELETE FROM cost_cache WHERE source IN ('x', 'y');

-- a hundred sources at most, the one of Cost Explorer among them
INSERT INTO cost_cache (cache_key, source) SELECT 's-' || n, 'source ' || (n + 1) / 2 FROM generate_series(1, 400) n;
SELECT results_eq($$ SELECT count(*), bool_or(labels ->> 'source' = 'cost-explorer') FROM finops.metric_samples('finops_cache_entries') $$, $$ VALUES (100::bigint, true) $$, 'sources are as many as a scrape can take');
DELETE FROM cost_cache WHERE source LIKE 'source %';

-- the format: each family has its head once and its samples behind it

CREATE TEMP TABLE line AS SELECT n, l FROM string_to_table(finops.prometheus_metrics(), E'\n') WITH ORDINALITY AS t(l, n);
SELECT is_empty($$ SELECT l FROM line WHERE l <> '' AND l !~ '^# (HELP|TYPE) [a-z_]+ .' AND l !~ '^[a-z_]+(\{[a-z_]+="([^"\\]|\\["\\n])*"(,[a-z_]+="([^"\\]|\\["\\n])*")*\})? ([+-]?[0-9.]+(e[+-]?[0-9]+)?|NaN|[+-]Inf)$' $$, 'every line is a head or a sample');
SELECT is_empty($$ SELECT split_part(l, ' ', 3) FROM line WHERE l LIKE '# TYPE%' GROUP BY 1 HAVING count(*) > 1 $$, 'no family stands twice');
SELECT is_empty($$ SELECT s FROM unnest('{dashboard_http_request_duration_seconds,dashboard_http_requests_total,dashboard_cache_hits_total,dashboard_cache_misses_total,dashboard_database_connections_active,dashboard_database_connections_max,
	dashboard_database_connection_errors_total,aws_cost_explorer_api_requests_total,aws_cost_explorer_api_errors_total,aws_cost_explorer_api_throttles_total,aws_cost_explorer_api_duration_seconds,
	athena_queries_total,athena_query_duration_seconds,athena_data_scanned_bytes,athena_query_cost_usd}'::text[]) s WHERE NOT EXISTS (SELECT FROM line WHERE l = '# TYPE ' || trim(E'\n\t' FROM s) || ' ' || split_part(l, ' ', 4)) $$, 'the names of the runbook');
SELECT is(pg_temp.metric('dashboard_database_connections_max'), current_setting('max_connections')::float8, 'max_connections');
SELECT is(pg_temp.raises($$ SELECT finops.metric_samples('no_such_metric') $$), '22023', 'a family that there is not');
SELECT is(pg_temp.raises($$ SELECT finops.metric_samples('') $$), '22023', 'an empty name');

-- health

CREATE FUNCTION pg_temp.health(name text) RETURNS text LANGUAGE sql AS $$ SELECT finops.health_check() -> 'checks' -> name ->> 'status' $$;
DELETE FROM finops.delivery;
SELECT results_eq($$ SELECT pg_temp.health('ingest'), pg_temp.health('cache') $$, $$ VALUES ('empty', 'degraded') $$, 'no bill is no failure, old data is');
INSERT INTO finops.delivery (source, billing_period, digest, format, loaded_at) VALUES ('m', '2030-01-01', 'x', 'focus', now() - interval '47 hours');
SELECT is(pg_temp.health('ingest'), 'ok', 'a bill of yesterday');
UPDATE finops.delivery SET loaded_at = now() - interval '49 hours';
SELECT is(pg_temp.health('ingest'), 'degraded', 'one that is two days old');
SELECT is(finops.health_check() ->> 'status', CASE WHEN pg_temp.health('disk') = 'failed' THEN 'failed' ELSE 'degraded' END, 'the whole is as its worst part');
UPDATE finops.delivery SET loaded_at = now() - interval '97 hours';
SELECT results_eq($$ SELECT pg_temp.health('ingest'), finops.health_check() ->> 'status' $$, $$ VALUES ('failed', 'failed') $$, 'four days');
INSERT INTO finops.job_run (job_name, status, executed_by) VALUES ('retention', 'failed', 'me');
SELECT results_eq($$ SELECT c ->> 'status', c -> 'failed' FROM (SELECT finops.health_check() -> 'checks' -> 'jobs') h(c) $$, $$ VALUES ('degraded', '["retention"]'::jsonb) $$, 'a job that failed');
SELECT is(pg_temp.metric('finops_job_failed', 'retention'), 1::float8, 'is a metric, too');
INSERT INTO finops.job_run (job_name, status, executed_by) VALUES ('retention', 'succeeded', 'me');
SELECT is(pg_temp.metric('finops_job_failed', 'retention'), 0::float8, 'until it succeeds');
ALTER TABLE finops.channel RENAME TO channel_gone;
SELECT results_eq($$ SELECT c ->> 'status', left(c ->> 'error', 5) FROM (SELECT finops.health_check() -> 'checks' -> 'messages') h(c) $$, $$ VALUES ('failed', '42P01') $$, 'a check that cannot run has failed');
ALTER TABLE finops.channel_gone RENAME TO channel;

-- features that are switched off

SELECT results_eq($$ SELECT string_agg(feature, ' ' ORDER BY feature), bool_and(enabled), bool_and(setting = 'finops.enable_' || feature) FROM finops.feature_flags() $$,
	$$ VALUES ('advanced_filters anomaly_detection athena cost_explorer custom_date_ranges data_export forecasting', true, true) $$, 'all are on');
CREATE TEMP TABLE switched (feature text, call text);
INSERT INTO switched VALUES ('forecasting', $$ SELECT * FROM finops.forecast('{1,2,3}', 1) $$), ('forecasting', $$ SELECT * FROM finops.forecast_table('SELECT 1', 't', 'v', '{}', 3) $$), ('forecasting', 'SELECT * FROM finops.cost_forecast()'),
	('forecasting', 'SELECT * FROM finops.recalc_forecast()'), ('forecasting', $$ SELECT * FROM finops.predict('m') $$), ('forecasting', $$ SELECT * FROM finops.train_model('m') $$),
	('anomaly_detection', 'SELECT * FROM finops.detect_anomalies()'), ('athena', $$ SELECT * FROM finops.athena_query('SELECT 1') $$), ('athena', 'SELECT finops.fetch_athena_history()'),
	('cost_explorer', $$ SELECT * FROM finops.fetch_cost_explorer('2024-01-01', '2024-02-01') $$), ('custom_date_ranges', $$ SELECT * FROM finops.fetch_cost_explorer('2024-01-02', '2024-02-01') $$),
	('custom_date_ranges', $$ SELECT * FROM finops.fetch_cost_explorer('2024-01-01', '2024-01-31') $$), ('advanced_filters', $$ SELECT * FROM finops.fetch_cost_explorer('2024-01-01', '2024-02-01', filter => '{}') $$),
	('data_export', $$ SELECT finops.export_focus('2024-01-01') $$), ('data_export', $$ SELECT finops.journal_csv('2024-01-01') $$);
CREATE FUNCTION pg_temp.switched_off(feature text, call text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('finops.enable_' || feature, 'off', true);
	EXECUTE call;
	RETURN 'none';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || CASE WHEN SQLERRM ~ 'switched off' THEN ' switched off' ELSE SQLERRM END;
END $$;
SELECT is(pg_temp.switched_off(feature, call), '55000 switched off', feature || call) FROM switched;
SELECT ok(pg_temp.raises(call) <> '55000', 'on again:' || call) FROM switched WHERE feature IN ('forecasting', 'data_export', 'anomaly_detection') AND call !~ 'recalc|predict|train';
SELECT results_eq($$ SELECT DISTINCT finops.feature_enabled(feature) FROM switched $$, $$ VALUES (true) $$, 'each is on');
SELECT results_eq($$ SELECT j.job_name FROM finops.job_registry j WHERE j.command ~ 'feature_enabled' ORDER BY 1 $$, $$ VALUES ('anomalies'), ('forecast'), ('model-maintenance'), ('retraining') $$, 'jobs ask before');
SET LOCAL finops.enable_anomaly_detection = off;
SELECT results_eq((SELECT command FROM finops.job_registry WHERE job_name = 'anomalies'), $$ VALUES (0::bigint) $$, 'and do nothing then');
SELECT results_eq($$ SELECT feature FROM finops.feature_flags() WHERE NOT enabled $$, $$ VALUES ('anomaly_detection') $$, 'what is off is shown');
SELECT is(pg_temp.raises(format('SELECT finops.feature_enabled(%s)', a)) || pg_temp.raises(format('SELECT finops.require_feature(%s)', a)), s, coalesce(a, '')) FROM (VALUES ('NULL', '2200422004'), ($$ '' $$, '2202322023'), ($$ 'Athena' $$, '2202322023'), ('repeat(''x'', 100000)', '2202322023')) v(a, s);
SET LOCAL finops.enable_anomaly_detection = on;

-- partition columns that prune: January, February 2024, and January 2025

SELECT finops.generate_bill(p, 200, 3) FROM unnest('{2024-01-01,2024-02-01,2025-01-01}'::date[]) p;
CREATE FUNCTION pg_temp.scanned(condition text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT json) SELECT sum(line_item_unblended_cost) FROM cur_database.cur_table WHERE ' || condition INTO plan;
	RETURN (SELECT string_agg(DISTINCT m[1], ' ' ORDER BY m[1]) FROM regexp_matches(plan::text, '"Relation Name": "fact_cost_raw_([0-9_]+)"', 'g') AS m);
END $$;
SELECT results_eq($$ SELECT pg_temp.scanned(c) FROM unnest(ARRAY['year = ''2024'' AND month = ''01''', 'year = ''2024''', 'month = ''01'' AND year IN (''2024'', ''2025'')', 'year > ''2024'' AND year < ''2026''']) c $$,
	$$ VALUES ('2024_01'), ('2024_01 2024_02'), ('2024_01 2025_01'), ('2025_01') $$, 'only the partitions of the months that are asked for are read');
SELECT results_eq($$ SELECT year, month, count(*), sum(line_item_unblended_cost) FROM cur_database.cur_table WHERE year IN ('2024', '2025') GROUP BY 1, 2 ORDER BY 1, 2 $$,
	$$ SELECT to_char(bill_billing_period_start_date, 'YYYY'), to_char(bill_billing_period_start_date, 'MM'), count(*), sum(line_item_unblended_cost) FROM fact_cost_raw
		WHERE bill_billing_period_start_date BETWEEN '2024-01-01' AND '2025-12-31' GROUP BY 1, 2 ORDER BY 1, 2 $$, 'with the figures of the facts');
SELECT results_eq($$ SELECT finops.year_text(d), finops.month_text(d) FROM unnest('{2024-01-31,0001-12-31,12345-06-01,infinity,-infinity,0044-03-15 BC}'::date[]) d $$,
	$$ VALUES ('2024', '01'), ('0001', '12'), ('12345', '06'), (NULL, NULL), (NULL, NULL), (NULL, '03') $$, 'year and month of a day as text');

SELECT * FROM finish();
ROLLBACK;

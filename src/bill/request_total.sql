-- room bill: totals of requests and queries that never fall, although the rows
-- that they count are deleted after a while

CREATE FUNCTION finops.request_api(endpoint text)
RETURNS text
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'finops_request_api';
COMMENT ON FUNCTION finops.request_api(text) IS 'whose endpoint it is: a path is one of the dashboard, a name that begins with AmazonAthena. one of Athena, another name an operation of Cost Explorer';

CREATE FUNCTION finops.request_throttled(status_code integer, error_code text)
RETURNS boolean
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'finops_request_throttled';
COMMENT ON FUNCTION finops.request_throttled(integer, text) IS 'whether an API refused a request because there were too many';

CREATE FUNCTION finops.request_status(status_code integer)
RETURNS text
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'finops_request_status';
COMMENT ON FUNCTION finops.request_status(integer) IS 'a status of HTTP as text, 100 to 599; other for another number, none where there was no answer';

CREATE TABLE finops.request_total (
	api text NOT NULL,
	status text NOT NULL,
	requests bigint NOT NULL,
	throttled bigint NOT NULL,
	response_ms numeric NOT NULL,
	counted_to bigint NOT NULL,
	CONSTRAINT request_total_pkey PRIMARY KEY (api, status)
);
COMMENT ON TABLE finops.request_total IS 'requests that finops.request_count need not count again: those of api_metrics up to the greatest counted_to, and those that were deleted';
COMMENT ON COLUMN finops.request_total.status IS 'of finops.request_status';
COMMENT ON COLUMN finops.request_total.counted_to IS 'api_metrics.id';

CREATE VIEW finops.request_count AS
SELECT t.api, t.status, pg_catalog.sum(t.requests)::bigint AS requests, pg_catalog.sum(t.throttled)::bigint AS throttled,
	pg_catalog.sum(t.response_ms) AS response_ms
FROM (
	SELECT o.api, o.status, o.requests, o.throttled, o.response_ms FROM finops.request_total o
	UNION ALL
	SELECT finops.request_api(m.endpoint), finops.request_status(m.status_code), pg_catalog.count(*),
		pg_catalog.count(*) FILTER (WHERE finops.request_throttled(m.status_code, m.error_code)), pg_catalog.sum(m.response_time_ms)
	FROM @extschema@.api_metrics m
	WHERE m.id OPERATOR(pg_catalog.>) (SELECT COALESCE(pg_catalog.max(k.counted_to), 0) FROM finops.request_total k)
	GROUP BY 1, 2
) t
GROUP BY t.api, t.status;
COMMENT ON VIEW finops.request_count IS 'all requests there ever were in api_metrics, by API and status';

CREATE FUNCTION finops.count_requests()
RETURNS bigint
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_count_requests';
COMMENT ON FUNCTION finops.count_requests() IS 'adds the newest rows of api_metrics to finops.request_total, so that they need not be counted at each look; returns how many, 0 where another transaction writes requests';
REVOKE ALL ON FUNCTION finops.count_requests() FROM PUBLIC;

CREATE FUNCTION finops.keep_request_total()
RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'finops_keep_request_total';
COMMENT ON FUNCTION finops.keep_request_total() IS 'adds requests that are deleted to finops.request_total';
REVOKE ALL ON FUNCTION finops.keep_request_total() FROM PUBLIC;

CREATE TRIGGER keep_request_total AFTER DELETE ON @extschema@.api_metrics
	REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION finops.keep_request_total();
CREATE TRIGGER keep_request_total_truncate BEFORE TRUNCATE ON @extschema@.api_metrics
	FOR EACH STATEMENT EXECUTE FUNCTION finops.keep_request_total();

CREATE FUNCTION finops.athena_scan_cost(status text, scanned_bytes numeric, scan_cost_usd numeric, usd_per_tb numeric DEFAULT NULL)
RETURNS numeric
LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'finops_athena_scan_cost';
COMMENT ON FUNCTION finops.athena_scan_cost(text, numeric, numeric, numeric) IS 'what a query of Athena cost, in USD: scan_cost_usd where it is known, else scanned bytes by the terabyte of 2^40 at usd_per_tb (NULL: finops.athena_price_per_tb); 0 for a failed one';

CREATE TABLE finops.athena_total (
	status text NOT NULL,
	queries bigint NOT NULL,
	execution_ms numeric NOT NULL,
	scanned_bytes numeric NOT NULL,
	scan_cost_usd numeric NOT NULL,
	CONSTRAINT athena_total_pkey PRIMARY KEY (status)
);
COMMENT ON TABLE finops.athena_total IS 'finished queries that were deleted from athena_query_executions, by status';

CREATE VIEW finops.athena_count AS
SELECT t.status, pg_catalog.sum(t.queries)::bigint AS queries, pg_catalog.sum(t.execution_ms) AS execution_ms,
	pg_catalog.sum(t.scanned_bytes) AS scanned_bytes, pg_catalog.sum(t.scan_cost_usd) AS scan_cost_usd
FROM (
	SELECT o.status, o.queries, o.execution_ms, o.scanned_bytes, o.scan_cost_usd FROM finops.athena_total o
	UNION ALL
	SELECT q.status, pg_catalog.count(*), COALESCE(pg_catalog.sum(q.execution_time_millis), 0),
		COALESCE(pg_catalog.sum(q.data_scanned_in_bytes), 0),
		pg_catalog.sum(finops.athena_scan_cost(q.status, q.data_scanned_in_bytes, q.scan_cost_usd))
	FROM @extschema@.athena_query_executions q
	WHERE q.status OPERATOR(pg_catalog.=) ANY (ARRAY['SUCCEEDED', 'FAILED', 'CANCELLED'])
	GROUP BY q.status
) t
GROUP BY t.status;
COMMENT ON VIEW finops.athena_count IS 'all queries there ever were in athena_query_executions that finished, by status';

CREATE FUNCTION finops.athena_cost(since interval DEFAULT '7 days', usd_per_tb numeric DEFAULT NULL)
RETURNS TABLE (day date, queries bigint, gb_scanned numeric, cost_usd numeric)
LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 7
AS 'MODULE_PATHNAME', 'finops_athena_cost';
COMMENT ON FUNCTION finops.athena_cost(interval, numeric) IS 'queries of Athena, gigabytes (2^30) that they scanned and what that cost, by day (UTC); usd_per_tb: at another price than they were charged';
REVOKE ALL ON FUNCTION finops.athena_cost(interval, numeric) FROM PUBLIC;

CREATE FUNCTION finops.keep_athena_total()
RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'finops_keep_athena_total';
COMMENT ON FUNCTION finops.keep_athena_total() IS 'adds queries that are deleted to finops.athena_total';
REVOKE ALL ON FUNCTION finops.keep_athena_total() FROM PUBLIC;

CREATE TRIGGER keep_athena_total AFTER DELETE ON @extschema@.athena_query_executions
	REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION finops.keep_athena_total();
CREATE TRIGGER keep_athena_total_truncate BEFORE TRUNCATE ON @extschema@.athena_query_executions
	FOR EACH STATEMENT EXECUTE FUNCTION finops.keep_athena_total();

CREATE SEQUENCE finops.cost_cache_hits;
COMMENT ON SEQUENCE finops.cost_cache_hits IS 'answers of Cost Explorer that came from cost_cache; a sequence, as it counts what fails later too and nobody waits for it';
CREATE SEQUENCE finops.cost_cache_misses;
COMMENT ON SEQUENCE finops.cost_cache_misses IS 'answers of Cost Explorer that had to be fetched';

REVOKE ALL ON finops.request_total, finops.request_count, finops.athena_total, finops.athena_count,
	finops.cost_cache_hits, finops.cost_cache_misses
FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('finops.request_total', '');
SELECT pg_catalog.pg_extension_config_dump('finops.athena_total', '');
SELECT pg_catalog.pg_extension_config_dump('finops.cost_cache_hits', '');
SELECT pg_catalog.pg_extension_config_dump('finops.cost_cache_misses', '');

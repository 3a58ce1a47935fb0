-- room ops: health and metrics for monitoring systems

CREATE FUNCTION finops.health_check()
RETURNS jsonb
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_health_check';
COMMENT ON FUNCTION finops.health_check() IS 'status ok, degraded or failed, and the status of each check: connections, transactions, ingest, cache, jobs, scheduler, messages, wal, disk; empty is what was never set up';

CREATE FUNCTION finops.metric_samples(family text DEFAULT NULL)
RETURNS TABLE (metric text, labels jsonb, value float8)
LANGUAGE c VOLATILE ROWS 100
AS 'MODULE_PATHNAME', 'finops_metric_samples';
COMMENT ON FUNCTION finops.metric_samples(text) IS 'the samples of finops.prometheus_metrics as rows, for exporters that run queries; of one family, or of all';

CREATE FUNCTION finops.prometheus_metrics()
RETURNS text
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_prometheus_metrics';
COMMENT ON FUNCTION finops.prometheus_metrics() IS 'metrics of the dashboard, of the APIs of AWS, of loads, jobs, messages and the server in the text format of Prometheus';

REVOKE ALL ON FUNCTION finops.health_check(), finops.metric_samples(text), finops.prometheus_metrics() FROM PUBLIC;

-- The 35 statements that run as they were written, sent by psql to a fresh
-- database with its default search_path.  What they answer is worked out from
-- test/data/runbook_data.sql.
SET client_min_messages = warning;
DROP DATABASE IF EXISTS dashboard;
CREATE DATABASE dashboard;
\c dashboard
CREATE EXTENSION finops;
SHOW search_path;
SET datestyle = ISO;
SET timezone = 'UTC';
SET intervalstyle = postgres;

-- nothing is there yet, and nothing fails but the share of no rows
SELECT COUNT(*) FILTER (WHERE resource_tags_user_tenant_id IS NULL) AS untagged, COUNT(*) AS total FROM fact_cost_raw;
\set VERBOSITY sqlstate
-- S002-Q7
SELECT COUNT(*) FILTER (WHERE resource_tags_user_tenant_id IS NULL) AS untagged,
       COUNT(*) AS total,
       ROUND(100.0 * COUNT(*) FILTER (WHERE resource_tags_user_tenant_id IS NOT NULL) / COUNT(*), 2) AS tag_coverage_pct
FROM fact_cost_raw;
\set VERBOSITY default

BEGIN;
\getenv src PG_ABS_SRCDIR
\set data :src /test/data/runbook_data.sql
\set ECHO none
\i :data
\set ECHO all
\set s3 file:// :src /test/data/s3
SET finops.s3_endpoint = :'s3';

-- S000-Q1
INSERT INTO forecast.drivers
SELECT *
FROM EXTERNAL_TABLE('s3://finops-data/forecast/drivers/drivers_2025-07-01.csv');
SELECT driver_code, scenario, period_start, value, unit, load_dt FROM forecast.drivers ORDER BY driver_code, period_start;
-- S000-Q2
DELETE FROM forecast.drivers WHERE load_dt = '2025-07-01';
SELECT count(*) FROM forecast.drivers;

-- S001-Q1
SELECT COUNT(*) FROM cost_cache WHERE created_at > NOW() - INTERVAL '1 hour';
-- S001-Q3
SELECT 1;
-- S001-Q5: one row is older than a week
DELETE FROM cost_cache 
WHERE created_at < NOW() - INTERVAL '7 days';
SAVEPOINT one_source;
DELETE FROM cost_cache WHERE source = 'athena';
-- S001-Q4: one source is left, so that its row fits into variables
SELECT 
  source,
  MAX(last_updated) as latest_data,
  NOW() - MAX(last_updated) as age
FROM cost_cache 
GROUP BY source \gset cache_
SELECT :'cache_source' AS source, :'cache_latest_data' = (now() - interval '20 minutes')::text AS latest_data, :'cache_age' AS age;
ROLLBACK TO one_source;
-- S001-Q7
SELECT 
  endpoint,
  AVG(response_time_ms) as avg_response,
  MAX(response_time_ms) as max_response,
  COUNT(*) as request_count
FROM api_metrics 
WHERE created_at > NOW() - INTERVAL '7 days'
GROUP BY endpoint
ORDER BY avg_response DESC;
-- S001-Q8
SELECT 
  query_execution_id,
  query,
  status,
  data_scanned_in_bytes / 1024 / 1024 / 1024 AS gb_scanned,
  execution_time_millis / 1000 AS execution_seconds,
  creation_time
FROM athena_query_executions 
WHERE creation_time > CURRENT_DATE - INTERVAL '7' DAY
ORDER BY gb_scanned DESC
LIMIT 20 \crosstabview query_execution_id status gb_scanned
-- S001-Q10
SELECT 
  year,
  month,
  COUNT(*) as record_count,
  SUM(line_item_unblended_cost) as total_cost
FROM cur_database.cur_table
WHERE year = '2024'
GROUP BY year, month
ORDER BY year, month;
-- S001-Q11
SELECT 
  line_item_product_code as service,
  DATE_FORMAT(line_item_usage_start_date, '%Y-%m') as month,
  SUM(line_item_unblended_cost) as cost
FROM cur_database.cur_table
WHERE year = '2024'
  AND month = '01'
  AND line_item_usage_start_date >= DATE('2024-01-01')
  AND line_item_usage_start_date < DATE('2024-02-01')
  AND line_item_line_item_type = 'Usage'
GROUP BY 1, 2
ORDER BY 3 DESC
LIMIT 100;
-- S001-Q12: at least this session
SELECT 
  state,
  COUNT(*) 
FROM pg_stat_activity 
WHERE datname = 'dashboard' 
GROUP BY state \g /dev/null
SELECT count(*) > 0 AS active FROM finops.run_runbook('S001-Q12') WHERE result->>'state' = 'active';

-- S002-Q1
SELECT MAX(line_item_usage_end_date) FROM fact_cost_raw;
-- S002-Q2
SELECT service, variance_pct FROM recon_summary WHERE status='warning';
-- S002-Q3
SELECT * FROM recon_exceptions WHERE category='Allocation' \crosstabview exception_id category variance_usd
-- S002-Q4
SELECT budget_id, last_refreshed_at FROM budget_master ORDER BY last_refreshed_at ASC;
-- S002-Q5
SELECT * FROM recon_summary ORDER BY period_start DESC LIMIT 5 \crosstabview recon_id service variance_pct
-- S002-Q6
SELECT * FROM recon_exceptions WHERE recon_id='RECON-2025-09' \crosstabview exception_id category variance_usd
-- S002-Q7
SELECT COUNT(*) FILTER (WHERE resource_tags_user_tenant_id IS NULL) AS untagged,
       COUNT(*) AS total,
       ROUND(100.0 * COUNT(*) FILTER (WHERE resource_tags_user_tenant_id IS NOT NULL) / COUNT(*), 2) AS tag_coverage_pct
FROM fact_cost_raw;
-- S002-Q8
SELECT tenant_id, period_start, status FROM invoice_header WHERE status='open';
SET enable_hashjoin = off;
SET enable_mergejoin = off;
-- S002-Q9: rows in the order of the table
SELECT i.invoice_id, i.status, p.payment_id, p.status, p.amount_usd
FROM invoice_header i
LEFT JOIN payment_txn p ON p.invoice_id=i.invoice_id
WHERE i.status!='paid';
-- S002-Q10
SELECT tenant_id, metric_code, metric_value, cap_value, utilization
FROM usage_snapshot_daily WHERE utilization >= 1.0;

-- S004-Q1
SELECT table_name, minutes_since_sync 
FROM vw_data_freshness_monitoring 
WHERE minutes_since_sync > 360;
-- S004-Q2
SHOW WAREHOUSES;
-- S004-Q3
SELECT * FROM vw_data_quality_summary 
WHERE sla_result = 'FAIL';
-- S004-Q4
SELECT * FROM test_foreign_key_constraints 
WHERE test_result = 'FAIL';
-- S004-Q5
SELECT * FROM vw_performance_monitoring 
WHERE total_elapsed_time_seconds > 300
ORDER BY start_time DESC \crosstabview query_id query_type total_elapsed_time_seconds
-- S004-Q6
SELECT * FROM vw_cost_monitoring 
WHERE daily_cost_usd > 1000 \crosstabview warehouse_name cost_per_credit daily_cost_usd
-- S004-Q8
SELECT MAX(feature_date) as latest_features 
FROM tbl_ml_consolidated_feature_store \gset feature_
SELECT :'feature_latest_features' = (CURRENT_DATE - 1)::text AS latest_features;
-- S004-Q18
SHOW WAREHOUSES;
-- S004-Q19
SELECT * FROM vw_data_quality_summary WHERE sla_result = 'FAIL';
-- S004-Q20
SELECT * FROM vw_performance_monitoring 
WHERE total_elapsed_time_seconds > 300 \crosstabview query_id query_type total_elapsed_time_seconds
-- S004-Q21
SELECT 
    table_name,
    minutes_since_sync,
    CASE 
        WHEN minutes_since_sync <= 60 THEN 'EXCELLENT'
        WHEN minutes_since_sync <= 360 THEN 'GOOD'
        WHEN minutes_since_sync <= 720 THEN 'ACCEPTABLE'
        ELSE 'POOR'
    END as freshness_status
FROM vw_data_freshness_monitoring
ORDER BY minutes_since_sync DESC;
-- S004-Q25
SELECT 
    model_name,
    accuracy_score,
    precision_score,
    recall_score,
    f1_score,
    last_updated
FROM tbl_ml_model_registry 
WHERE status = 'ACTIVE'
ORDER BY last_updated DESC;
-- S004-Q38
SELECT 
    optimization_type,
    potential_savings_usd,
    implementation_effort,
    priority_level
FROM vw_cost_optimization_opportunities
WHERE status = 'ACTIVE'
ORDER BY potential_savings_usd DESC;
ROLLBACK;

-- S001-Q6: cannot run inside a transaction block or a function
VACUUM ANALYZE cost_cache;

\c postgres
SET client_min_messages = warning;
DROP DATABASE dashboard;

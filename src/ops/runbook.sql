-- room ops: the runbook catalogue, statements by id

CREATE TABLE finops.runbook (
	id text NOT NULL,
	document text NOT NULL,
	section text,
	dialect text NOT NULL DEFAULT 'postgresql',
	position integer NOT NULL DEFAULT 1,
	kind text NOT NULL DEFAULT 'query',
	sql_verbatim text NOT NULL,
	sql_pg text,
	shipped boolean NOT NULL DEFAULT false,
	CONSTRAINT runbook_pkey PRIMARY KEY (id, shipped),
	CONSTRAINT runbook_id_check CHECK (pg_catalog.btrim(id) OPERATOR(pg_catalog.<>) ''),
	CONSTRAINT runbook_dialect_check CHECK (dialect OPERATOR(pg_catalog.=) ANY (ARRAY['athena', 'hive', 'mysql', 'postgresql', 'snowflake', 'trino'])),
	CONSTRAINT runbook_kind_check CHECK (kind OPERATOR(pg_catalog.=) ANY (ARRAY['query', 'dml', 'utility']))
);
COMMENT ON TABLE finops.runbook IS 'statements of operations runbooks, run by id with finops.run_runbook; a row with shipped = false overrides the shipped row of the same id';
COMMENT ON COLUMN finops.runbook.id IS 'document and statement, such as S002-Q7';
COMMENT ON COLUMN finops.runbook.position IS 'place of the statement in its document';
COMMENT ON COLUMN finops.runbook.kind IS 'query: reads; dml: changes rows; utility: changes how rows are stored';
COMMENT ON COLUMN finops.runbook.sql_verbatim IS 'the statement as its runbook has it, in dialect';
COMMENT ON COLUMN finops.runbook.sql_pg IS 'text for PostgreSQL; NULL: the statement runs as written';

CREATE FUNCTION finops.run_runbook(id text)
RETURNS TABLE (row_no bigint, result json)
AS 'MODULE_PATHNAME', 'finops_run_runbook'
LANGUAGE C VOLATILE COST 10000;
COMMENT ON FUNCTION finops.run_runbook(text) IS 'runs a statement of finops.runbook as the caller, with the install schema first in search_path; one JSON object per row, a repeated column name gets _2, _3; a statement without rows answers {"affected_rows": n}; utility statements are 0A000 with the text to run';

GRANT SELECT ON finops.runbook TO PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('finops.runbook', 'WHERE NOT shipped');

INSERT INTO finops.runbook (id, document, section, dialect, position, kind, shipped, sql_verbatim) VALUES
('S000-Q1', 'Updating Forecast Drivers', 'Step 3 load drivers', 'athena', 1, 'dml', true, $q$INSERT INTO forecast.drivers
SELECT *
FROM EXTERNAL_TABLE('s3://finops-data/forecast/drivers/drivers_2025-07-01.csv');$q$),
('S000-Q2', 'Updating Forecast Drivers', 'Rollback delete partition', 'athena', 2, 'dml', true, $q$DELETE FROM forecast.drivers WHERE load_dt = '2025-07-01';$q$),
('S001-Q1', 'AWS Costs Dashboard Operations', 'Data not loading: cache freshness', 'postgresql', 1, 'query', true, $q$SELECT COUNT(*) FROM cost_cache WHERE created_at > NOW() - INTERVAL '1 hour';$q$),
('S001-Q2', 'AWS Costs Dashboard Operations', 'Athena: update partition metadata', 'hive', 2, 'utility', true, $q$MSCK REPAIR TABLE cur_database.cur_table$q$),
('S001-Q3', 'AWS Costs Dashboard Operations', 'Daily health: DB ping', 'postgresql', 3, 'query', true, $q$SELECT 1;$q$),
('S001-Q4', 'AWS Costs Dashboard Operations', 'Daily health: data freshness', 'postgresql', 4, 'query', true, $q$SELECT 
  source,
  MAX(last_updated) as latest_data,
  NOW() - MAX(last_updated) as age
FROM cost_cache 
GROUP BY source;$q$),
('S001-Q5', 'AWS Costs Dashboard Operations', 'Weekly cleanup: delete old cache', 'postgresql', 5, 'dml', true, $q$DELETE FROM cost_cache 
WHERE created_at < NOW() - INTERVAL '7 days';$q$),
('S001-Q6', 'AWS Costs Dashboard Operations', 'Weekly cleanup: vacuum', 'postgresql', 6, 'utility', true, $q$VACUUM ANALYZE cost_cache;$q$),
('S001-Q7', 'AWS Costs Dashboard Operations', 'Weekly performance review', 'postgresql', 7, 'query', true, $q$SELECT 
  endpoint,
  AVG(response_time_ms) as avg_response,
  MAX(response_time_ms) as max_response,
  COUNT(*) as request_count
FROM api_metrics 
WHERE created_at > NOW() - INTERVAL '7 days'
GROUP BY endpoint
ORDER BY avg_response DESC;$q$),
('S001-Q8', 'AWS Costs Dashboard Operations', 'Athena: query history', 'athena', 8, 'query', true, $q$SELECT 
  query_execution_id,
  query,
  status,
  data_scanned_in_bytes / 1024 / 1024 / 1024 AS gb_scanned,
  execution_time_millis / 1000 AS execution_seconds,
  creation_time
FROM athena_query_executions 
WHERE creation_time > CURRENT_DATE - INTERVAL '7' DAY
ORDER BY gb_scanned DESC
LIMIT 20;$q$),
('S001-Q9', 'AWS Costs Dashboard Operations', 'Athena: partition health', 'hive', 9, 'query', true, $q$SHOW PARTITIONS cur_database.cur_table;$q$),
('S001-Q10', 'AWS Costs Dashboard Operations', 'Athena: data distribution', 'athena', 10, 'query', true, $q$SELECT 
  year,
  month,
  COUNT(*) as record_count,
  SUM(line_item_unblended_cost) as total_cost
FROM cur_database.cur_table
WHERE year = '2024'
GROUP BY year, month
ORDER BY year, month;$q$),
('S001-Q11', 'AWS Costs Dashboard Operations', 'Athena: optimized query template', 'athena', 11, 'query', true, $q$SELECT 
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
LIMIT 100;$q$),
('S001-Q12', 'AWS Costs Dashboard Operations', 'Memory: pg_stat_activity pool status', 'postgresql', 12, 'query', true, $q$SELECT 
  state,
  COUNT(*) 
FROM pg_stat_activity 
WHERE datname = 'dashboard' 
GROUP BY state;$q$),
('S002-Q1', 'Commercial-Ops', '1 CUR ingestion validation', 'postgresql', 1, 'query', true, $q$SELECT MAX(line_item_usage_end_date) FROM fact_cost_raw;$q$),
('S002-Q2', 'Commercial-Ops', '2 Allocation: affected services', 'postgresql', 2, 'query', true, $q$SELECT service, variance_pct FROM recon_summary WHERE status='warning';$q$),
('S002-Q3', 'Commercial-Ops', '2 Allocation: exceptions', 'postgresql', 3, 'query', true, $q$SELECT * FROM recon_exceptions WHERE category='Allocation';$q$),
('S002-Q4', 'Commercial-Ops', '3 Budgets: staleness', 'postgresql', 4, 'query', true, $q$SELECT budget_id, last_refreshed_at FROM budget_master ORDER BY last_refreshed_at ASC;$q$),
('S002-Q5', 'Commercial-Ops', '4 Recon: latest summaries', 'postgresql', 5, 'query', true, $q$SELECT * FROM recon_summary ORDER BY period_start DESC LIMIT 5;$q$),
('S002-Q6', 'Commercial-Ops', '4 Recon: exceptions of one run', 'postgresql', 6, 'query', true, $q$SELECT * FROM recon_exceptions WHERE recon_id='RECON-2025-09';$q$),
('S002-Q7', 'Commercial-Ops', '5 Tag coverage', 'postgresql', 7, 'query', true, $q$SELECT COUNT(*) FILTER (WHERE resource_tags_user_tenant_id IS NULL) AS untagged,
       COUNT(*) AS total,
       ROUND(100.0 * COUNT(*) FILTER (WHERE resource_tags_user_tenant_id IS NOT NULL) / COUNT(*), 2) AS tag_coverage_pct
FROM fact_cost_raw;$q$),
('S002-Q8', 'Commercial-Ops', '6 Invoices pending', 'postgresql', 8, 'query', true, $q$SELECT tenant_id, period_start, status FROM invoice_header WHERE status='open';$q$),
('S002-Q9', 'Commercial-Ops', '7 Payment reconciliation', 'postgresql', 9, 'query', true, $q$SELECT i.invoice_id, i.status, p.payment_id, p.status, p.amount_usd
FROM invoice_header i
LEFT JOIN payment_txn p ON p.invoice_id=i.invoice_id
WHERE i.status!='paid';$q$),
('S002-Q10', 'Commercial-Ops', '8 Quota breaches', 'postgresql', 10, 'query', true, $q$SELECT tenant_id, metric_code, metric_value, cap_value, utilization
FROM usage_snapshot_daily WHERE utilization >= 1.0;$q$),
('S004-Q1', 'Logistics Analytics Operations', 'Daily AM: freshness', 'snowflake', 1, 'query', true, $q$SELECT table_name, minutes_since_sync 
FROM vw_data_freshness_monitoring 
WHERE minutes_since_sync > 360;$q$),
('S004-Q2', 'Logistics Analytics Operations', 'Daily AM: warehouse status', 'snowflake', 2, 'query', true, $q$SHOW WAREHOUSES;$q$),
('S004-Q3', 'Logistics Analytics Operations', 'Daily AM: data quality', 'snowflake', 3, 'query', true, $q$SELECT * FROM vw_data_quality_summary 
WHERE sla_result = 'FAIL';$q$),
('S004-Q4', 'Logistics Analytics Operations', 'Daily AM: referential integrity', 'snowflake', 4, 'query', true, $q$SELECT * FROM test_foreign_key_constraints 
WHERE test_result = 'FAIL';$q$),
('S004-Q5', 'Logistics Analytics Operations', 'Daily AM: slow queries', 'snowflake', 5, 'query', true, $q$SELECT * FROM vw_performance_monitoring 
WHERE total_elapsed_time_seconds > 300
ORDER BY start_time DESC;$q$),
('S004-Q6', 'Logistics Analytics Operations', 'Daily AM: warehouse costs', 'snowflake', 6, 'query', true, $q$SELECT * FROM vw_cost_monitoring 
WHERE daily_cost_usd > 1000;$q$),
('S004-Q7', 'Logistics Analytics Operations', 'Daily PM: completeness', 'snowflake', 7, 'query', true, $q$SELECT COUNT(*) as shipment_count 
FROM tbl_fact_shipments 
WHERE DATE(pickup_date) = CURRENT_DATE();$q$),
('S004-Q8', 'Logistics Analytics Operations', 'Daily PM: feature freshness', 'snowflake', 8, 'query', true, $q$SELECT MAX(feature_date) as latest_features 
FROM tbl_ml_consolidated_feature_store;$q$),
('S004-Q9', 'Logistics Analytics Operations', 'Mon weekly performance', 'snowflake', 9, 'query', true, $q$SELECT 
    DATE_TRUNC('week', date_key) as week,
    AVG(on_time_rate_pct) as avg_on_time_rate,
    SUM(total_revenue_usd) as weekly_revenue,
    AVG(profit_margin_pct) as avg_profit_margin
FROM vw_consolidated_dashboard 
WHERE date_key >= DATEADD('week', -4, CURRENT_DATE())
GROUP BY 1
ORDER BY 1;$q$),
('S004-Q10', 'Logistics Analytics Operations', 'Wed data-quality trend', 'snowflake', 10, 'query', true, $q$SELECT 
    table_name,
    AVG(null_keys * 100.0 / row_count) as avg_null_percentage
FROM vw_data_quality_summary 
WHERE evaluation_timestamp >= DATEADD('week', -1, CURRENT_TIMESTAMP())
GROUP BY 1
ORDER BY 2 DESC;$q$),
('S004-Q11', 'Logistics Analytics Operations', 'Fri weekly business metrics', 'snowflake', 11, 'query', true, $q$SELECT 
    'Weekly Summary' as report_type,
    COUNT(DISTINCT customer_id) as active_customers,
    COUNT(*) as total_shipments,
    AVG(on_time_rate_pct) as avg_on_time_rate,
    SUM(total_revenue_usd) as total_revenue,
    AVG(profit_margin_pct) as avg_profit_margin
FROM vw_consolidated_dashboard 
WHERE date_key >= DATEADD('week', -1, CURRENT_DATE());$q$),
('S004-Q12', 'Logistics Analytics Operations', 'First-Mon monthly business metrics', 'snowflake', 12, 'query', true, $q$SELECT 
    DATE_TRUNC('month', date_key) as month,
    COUNT(DISTINCT customer_id) as active_customers,
    COUNT(*) as total_shipments,
    AVG(on_time_rate_pct) as avg_on_time_rate,
    SUM(total_revenue_usd) as monthly_revenue,
    AVG(profit_margin_pct) as avg_profit_margin,
    SUM(total_carbon_emissions_kg) as total_emissions
FROM vw_consolidated_dashboard 
WHERE date_key >= DATEADD('month', -12, CURRENT_DATE())
GROUP BY 1
ORDER BY 1;$q$),
('S004-Q13', 'Logistics Analytics Operations', 'First-Mon monthly cost analysis', 'snowflake', 13, 'query', true, $q$SELECT 
    DATE_TRUNC('month', cost_date) as month,
    SUM(estimated_daily_cost_usd) as monthly_cost,
    AVG(credits_used_compute) as avg_compute_credits,
    AVG(credits_used_cloud_services) as avg_cloud_credits
FROM vw_cost_monitoring 
WHERE cost_date >= DATEADD('month', -12, CURRENT_DATE())
GROUP BY 1
ORDER BY 1;$q$),
('S004-Q14', 'Logistics Analytics Operations', '15th slow queries (month)', 'snowflake', 14, 'query', true, $q$SELECT 
    query_id,
    query_text,
    total_elapsed_time_seconds,
    bytes_scanned,
    rows_produced
FROM vw_performance_monitoring 
WHERE total_elapsed_time_seconds > 60
AND start_time >= DATEADD('month', -1, CURRENT_TIMESTAMP())
ORDER BY total_elapsed_time_seconds DESC;$q$),
('S004-Q15', 'Logistics Analytics Operations', 'Last-Fri monthly business report', 'snowflake', 15, 'query', true, $q$WITH monthly_metrics AS (
    SELECT 
        DATE_TRUNC('month', date_key) as month,
        COUNT(*) as total_shipments,
        AVG(on_time_rate_pct) as avg_on_time_rate,
        SUM(total_revenue_usd) as total_revenue,
        AVG(profit_margin_pct) as avg_profit_margin,
        SUM(total_carbon_emissions_kg) as total_emissions
    FROM vw_consolidated_dashboard 
    WHERE date_key >= DATEADD('month', -12, CURRENT_DATE())
    GROUP BY 1
)
SELECT 
    month,
    total_shipments,
    avg_on_time_rate,
    total_revenue,
    avg_profit_margin,
    total_emissions,
    LAG(total_shipments) OVER (ORDER BY month) as prev_month_shipments,
    LAG(total_revenue) OVER (ORDER BY month) as prev_month_revenue,
    (total_shipments - LAG(total_shipments) OVER (ORDER BY month)) * 100.0 / 
    LAG(total_shipments) OVER (ORDER BY month) as shipment_growth_pct,
    (total_revenue - LAG(total_revenue) OVER (ORDER BY month)) * 100.0 / 
    LAG(total_revenue) OVER (ORDER BY month) as revenue_growth_pct
FROM monthly_metrics
ORDER BY month;$q$),
('S004-Q16', 'Logistics Analytics Operations', 'Last-Fri data-quality SLA trend', 'snowflake', 16, 'query', true, $q$SELECT 
    table_name,
    AVG(CASE WHEN sla_result = 'PASS' THEN 1.0 ELSE 0.0 END) as pass_rate,
    COUNT(*) as total_checks,
    SUM(CASE WHEN sla_result = 'FAIL' THEN 1 ELSE 0 END) as failures
FROM vw_data_quality_sla 
WHERE evaluation_timestamp >= DATEADD('month', -1, CURRENT_TIMESTAMP())
GROUP BY 1
ORDER BY pass_rate ASC;$q$),
('S004-Q17', 'Logistics Analytics Operations', 'P1: data integrity', 'snowflake', 17, 'query', true, $q$SELECT COUNT(*) FROM tbl_fact_shipments WHERE DATE(pickup_date) = CURRENT_DATE();$q$),
('S004-Q18', 'Logistics Analytics Operations', 'P1: warehouse status', 'snowflake', 18, 'query', true, $q$SHOW WAREHOUSES;$q$),
('S004-Q19', 'Logistics Analytics Operations', 'P2: data quality', 'snowflake', 19, 'query', true, $q$SELECT * FROM vw_data_quality_summary WHERE sla_result = 'FAIL';$q$),
('S004-Q20', 'Logistics Analytics Operations', 'P2: performance', 'snowflake', 20, 'query', true, $q$SELECT * FROM vw_performance_monitoring 
WHERE total_elapsed_time_seconds > 300;$q$),
('S004-Q21', 'Logistics Analytics Operations', '4-hourly freshness with status', 'snowflake', 21, 'query', true, $q$SELECT 
    table_name,
    minutes_since_sync,
    CASE 
        WHEN minutes_since_sync <= 60 THEN 'EXCELLENT'
        WHEN minutes_since_sync <= 360 THEN 'GOOD'
        WHEN minutes_since_sync <= 720 THEN 'ACCEPTABLE'
        ELSE 'POOR'
    END as freshness_status
FROM vw_data_freshness_monitoring
ORDER BY minutes_since_sync DESC;$q$),
('S004-Q22', 'Logistics Analytics Operations', '4-hourly pipeline performance', 'snowflake', 22, 'query', true, $q$SELECT 
    model_name,
    run_duration_seconds,
    status,
    error_message
FROM vw_dbt_run_results 
WHERE last_run_at >= DATEADD('hour', -4, CURRENT_TIMESTAMP())
ORDER BY run_duration_seconds DESC;$q$),
('S004-Q23', 'Logistics Analytics Operations', '4-hourly data quality', 'snowflake', 23, 'query', true, $q$SELECT 
    table_name,
    row_count,
    null_keys,
    (null_keys * 100.0 / row_count) as null_percentage
FROM vw_data_quality_summary
WHERE evaluation_timestamp >= DATEADD('hour', -4, CURRENT_TIMESTAMP())
ORDER BY null_percentage DESC;$q$),
('S004-Q24', 'Logistics Analytics Operations', 'Weekly slow models', 'snowflake', 24, 'query', true, $q$SELECT 
    model_name,
    AVG(run_duration_seconds) as avg_duration,
    COUNT(*) as run_count
FROM vw_dbt_run_results 
WHERE last_run_at >= DATEADD('week', -1, CURRENT_TIMESTAMP())
GROUP BY 1
HAVING avg_duration > 300
ORDER BY avg_duration DESC;$q$),
('S004-Q25', 'Logistics Analytics Operations', '6-hourly model performance', 'snowflake', 25, 'query', true, $q$SELECT 
    model_name,
    accuracy_score,
    precision_score,
    recall_score,
    f1_score,
    last_updated
FROM tbl_ml_model_registry 
WHERE status = 'ACTIVE'
ORDER BY last_updated DESC;$q$),
('S004-Q26', 'Logistics Analytics Operations', '6-hourly feature drift', 'snowflake', 26, 'query', true, $q$SELECT 
    feature_name,
    drift_score,
    threshold,
    CASE 
        WHEN drift_score > threshold THEN 'DRIFT_DETECTED'
        ELSE 'NORMAL'
    END as drift_status
FROM vw_ml_feature_monitoring
WHERE evaluation_timestamp >= DATEADD('day', -1, CURRENT_TIMESTAMP())
ORDER BY drift_score DESC;$q$),
('S004-Q27', 'Logistics Analytics Operations', '6-hourly prediction quality', 'snowflake', 27, 'query', true, $q$SELECT 
    model_name,
    COUNT(*) as prediction_count,
    AVG(confidence_score) as avg_confidence,
    SUM(CASE WHEN confidence_score < 0.7 THEN 1 ELSE 0 END) as low_confidence_count
FROM vw_ml_real_time_features
WHERE prediction_timestamp >= DATEADD('day', -1, CURRENT_TIMESTAMP())
GROUP BY 1;$q$),
('S004-Q28', 'Logistics Analytics Operations', 'Sunday feature store update', 'snowflake', 28, 'query', true, $q$SELECT 
    feature_name,
    COUNT(*) as feature_count,
    MIN(feature_date) as earliest_date,
    MAX(feature_date) as latest_date
FROM tbl_ml_consolidated_feature_store
WHERE feature_date >= DATEADD('week', -1, CURRENT_DATE())
GROUP BY 1;$q$),
('S004-Q29', 'Logistics Analytics Operations', 'Continuous system performance', 'snowflake', 29, 'query', true, $q$SELECT 
    warehouse_name,
    AVG(credits_used_compute) as avg_compute_credits,
    AVG(credits_used_cloud_services) as avg_cloud_credits,
    COUNT(*) as query_count
FROM vw_performance_monitoring
WHERE start_time >= DATEADD('hour', -1, CURRENT_TIMESTAMP())
GROUP BY 1;$q$),
('S004-Q30', 'Logistics Analytics Operations', 'Continuous query performance', 'snowflake', 30, 'query', true, $q$SELECT 
    query_type,
    AVG(total_elapsed_time_seconds) as avg_duration,
    MAX(total_elapsed_time_seconds) as max_duration,
    COUNT(*) as query_count
FROM vw_performance_monitoring
WHERE start_time >= DATEADD('hour', -1, CURRENT_TIMESTAMP())
GROUP BY 1
ORDER BY avg_duration DESC;$q$),
('S004-Q31', 'Logistics Analytics Operations', 'Weekly slow queries', 'snowflake', 31, 'query', true, $q$SELECT 
    query_id,
    query_text,
    total_elapsed_time_seconds,
    bytes_scanned,
    rows_produced
FROM vw_performance_monitoring
WHERE total_elapsed_time_seconds > 60
AND start_time >= DATEADD('week', -1, CURRENT_TIMESTAMP())
ORDER BY total_elapsed_time_seconds DESC;$q$),
('S004-Q32', 'Logistics Analytics Operations', 'Daily 02:00 backup status', 'snowflake', 32, 'query', true, $q$SELECT 
    table_name,
    last_backup_time,
    backup_size_gb,
    backup_status
FROM vw_backup_status
WHERE last_backup_time >= DATEADD('day', -1, CURRENT_TIMESTAMP())
ORDER BY last_backup_time DESC;$q$),
('S004-Q33', 'Logistics Analytics Operations', '4-hourly user access', 'snowflake', 33, 'query', true, $q$SELECT 
    user_name,
    role_name,
    last_login_time,
    failed_login_count
FROM vw_user_access_monitoring
WHERE last_login_time >= DATEADD('day', -1, CURRENT_TIMESTAMP())
ORDER BY last_login_time DESC;$q$),
('S004-Q34', 'Logistics Analytics Operations', '4-hourly data access', 'snowflake', 34, 'query', true, $q$SELECT 
    user_name,
    table_name,
    access_type,
    access_count,
    last_access_time
FROM vw_data_access_monitoring
WHERE last_access_time >= DATEADD('day', -1, CURRENT_TIMESTAMP())
ORDER BY access_count DESC;$q$),
('S004-Q35', 'Logistics Analytics Operations', 'Friday security assessment', 'snowflake', 35, 'query', true, $q$SELECT 
    security_metric,
    current_value,
    threshold,
    status
FROM vw_security_monitoring
WHERE evaluation_date >= DATEADD('week', -1, CURRENT_DATE())
ORDER BY status DESC;$q$),
('S004-Q36', 'Logistics Analytics Operations', '6-hourly cost analysis', 'snowflake', 36, 'query', true, $q$SELECT 
    warehouse_name,
    daily_cost_usd,
    daily_credits_used,
    cost_per_credit,
    cost_trend
FROM vw_cost_monitoring
WHERE cost_date >= DATEADD('day', -7, CURRENT_DATE())
ORDER BY daily_cost_usd DESC;$q$),
('S004-Q37', 'Logistics Analytics Operations', '6-hourly budget monitoring', 'snowflake', 37, 'query', true, $q$SELECT 
    budget_category,
    monthly_budget_usd,
    current_spend_usd,
    remaining_budget_usd,
    budget_utilization_pct
FROM vw_budget_monitoring
WHERE month = DATE_TRUNC('month', CURRENT_DATE())
ORDER BY budget_utilization_pct DESC;$q$),
('S004-Q38', 'Logistics Analytics Operations', 'Monday cost optimization', 'snowflake', 38, 'query', true, $q$SELECT 
    optimization_type,
    potential_savings_usd,
    implementation_effort,
    priority_level
FROM vw_cost_optimization_opportunities
WHERE status = 'ACTIVE'
ORDER BY potential_savings_usd DESC;$q$);


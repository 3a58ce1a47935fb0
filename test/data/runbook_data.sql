-- A small world for the 62 runbook statements, with answers that can be worked
-- out by hand.  Rows that look-backs must find stand relative to now(), others
-- have fixed times; each look-back also has a row that it must not find.  The
-- file is included within a transaction, where now() stands still.
\getenv src PG_ABS_SRCDIR
\set jan :src '/test/data/runbook_cur_2024_01.csv'
\set feb :src '/test/data/runbook_cur_2024_02.csv'

-- S001, S002: five lines of January 2024 (18.8500000125), one of February (7)
SELECT status, rows_loaded, billed_cost FROM finops.load_bill(:'jan');
SELECT status, rows_loaded, billed_cost FROM finops.load_bill(:'feb');

-- S001
INSERT INTO cost_cache (cache_key, source, created_at, last_updated) VALUES
	('ce:2024-01', 'cost-explorer', now() - interval '30 minutes', now() - interval '20 minutes'),
	('ce:2023-12', 'cost-explorer', now() - interval '8 days', now() - interval '8 days'),
	('athena:1', 'athena', now() - interval '2 hours', now() - interval '90 minutes');
INSERT INTO api_metrics (endpoint, response_time_ms, created_at) VALUES
	('/costs', 100, now() - interval '1 day'), ('/costs', 300, now() - interval '6 days'),
	('/costs', 9999, now() - interval '8 days'), ('/health', 5, now());
-- 1.5 GiB in 2.5 s, 0.5 GiB in 0.012 s, and one too old
INSERT INTO athena_query_executions (query_execution_id, query, status, data_scanned_in_bytes, execution_time_millis, creation_time) VALUES
	('q-1', 'SELECT 1', 'SUCCEEDED', 1610612736, 2500, now() - interval '1 day'),
	('q-2', 'SELECT 2', 'FAILED', 536870912, 12, now() - interval '2 days'),
	('q-3', 'SELECT 3', 'SUCCEEDED', 10737418240, 60000, now() - interval '9 days');

-- S002
INSERT INTO tenant_master (tenant_id, tenant_name) VALUES ('TEN-00123', 'Acme'), ('TEN-00200', 'Bolt')
ON CONFLICT (tenant_id) DO UPDATE SET tenant_name = EXCLUDED.tenant_name, status = 'active', billing_mode = 'invoice';
INSERT INTO finops.recon_run (recon_id, period_start, period_end, revision, run_id, stage, provisional, cost_basis, currency, status, detail,
	aws_total_usd, allocated_total_usd, operator_overhead_usd, unallocated_usd, invoiced_total_usd, not_yet_invoiced_usd, executed_by)
SELECT to_char(m, '"RECON"-YYYY-MM'), m, m + interval '1 month' - interval '1 day', 1, 1, 2, false, 'effective', 'USD', 'ok', '',
	100, 100, 0, 0, 0, 100, 'test'
FROM generate_series(timestamp '2025-04-01', '2025-09-01', '1 month') AS m;
INSERT INTO recon_summary (recon_id, service, period_start, period_end, aws_total_usd, allocated_total_usd, invoiced_total_usd,
	operator_overhead_usd, unallocated_usd, variance_usd, variance_pct, status)
SELECT recon_id, 'ALL', period_start, period_end, 100, 100, 0, 0, 0, 0, 0, 'ok' FROM finops.recon_run WHERE recon_id LIKE 'RECON-2025-%'
UNION ALL
SELECT 'RECON-2025-04', 'AmazonS3', '2025-04-01', '2025-04-30', 50, 49.65, 0, 0, 0.35, -0.35, -0.7, 'warning';
INSERT INTO recon_exceptions (exception_id, recon_id, service, category, description, variance_usd, severity) VALUES
	('RX-202504-0001', 'RECON-2025-04', 'AmazonS3', 'Allocation', 'no rule', -0.35, 'warning'),
	('RX-202509-0001', 'RECON-2025-09', 'AmazonEC2', 'Tagging', 'no tenant', 12, 'warning');
INSERT INTO budget_master (budget_id, scope_type, scope_ref, category, period, target_usd, actual_usd, last_refreshed_at) VALUES
	('BUDG-TEN-0001', 'tenant', 'TEN-00123', 'Compute', 'monthly', 1000, 850, '2024-01-02 04:00+00'),
	('BUDG-PLATFORM', 'platform', NULL, NULL, 'monthly', 400, 500, '2024-01-01 04:00+00'),
	('BUDG-QUARTER', 'platform', NULL, 'Quarter', 'quarterly', 1200, 1, '2024-01-04 04:00+00');
INSERT INTO budget_master (budget_id, period_start, target_usd, actual_usd, last_refreshed_at) VALUES
	('BUDG-OLD', '2024-01-01', 10, 1, '2024-01-03 04:00+00');
-- vw_budget_monitoring compares with the session's month, the default is UTC's
UPDATE budget_master SET period_start = date_trunc('month', CURRENT_DATE) WHERE budget_id <> 'BUDG-OLD';
INSERT INTO invoice_header (invoice_id, tenant_id, period_start, period_end, status) VALUES
	('INV-202401-TEN00123', 'TEN-00123', '2024-01-01', '2024-01-31', 'open');
INSERT INTO invoice_header (invoice_id, tenant_id, period_start, period_end, status, paid_at, invoice_number, number_series, number_seq,
	issued_at, due_at, prev_hash, hash, issuer, recipient) VALUES
	('INV-202401-TEN00200', 'TEN-00200', '2024-01-01', '2024-01-31', 'paid', now(), 'T-1', 'test', 1, now(), now(), '', '', '{}', '{}'),
	('INV-202402-TEN00123', 'TEN-00123', '2024-02-01', '2024-02-29', 'issued', NULL, 'T-2', 'test', 2, now(), now(), '', '', '{}', '{}');
INSERT INTO payment_txn (payment_id, invoice_id, method, currency, amount, amount_usd, status) VALUES
	('PAY-1', 'INV-202402-TEN00123', 'card', 'USD', 40.50, 40.50, 'pending'),
	('PAY-2', 'INV-202401-TEN00200', 'card', 'USD', 99, 99, 'confirmed');
INSERT INTO usage_snapshot_daily (tenant_id, metric_code, usage_date, metric_value, cap_value, utilization) VALUES
	('TEN-00123', 'storage_gb_peak', '2024-01-31', 500, 500, 1), ('TEN-00200', 'storage_gb_peak', '2024-01-31', 450, 500, 0.9);

-- S004: freshness, at the edges of the bands
INSERT INTO finops.source_sync (table_name, data_source, last_sync_at) VALUES
	('fact_cost_raw', 'cur', now() - interval '60 minutes'), ('dim_customer', 'erp', now() - interval '360 minutes'),
	('dim_route', 'erp', now() - interval '720 minutes'), ('tbl_fact_shipments', 'tms', now() - interval '721 minutes');
-- 10 of 200 (5 %) an hour ago, 1 of 100 (1 %) three days ago: mean 3 %; none of an empty table
INSERT INTO finops.dq_check (sla_type, table_name, row_count, unique_keys, null_keys, sla_result, evaluation_timestamp) VALUES
	('completeness', 'tbl_fact_shipments', 200, 200, 10, 'PASS', now() - interval '1 hour'),
	('completeness', 'tbl_fact_shipments', 100, 100, 1, 'PASS', now() - interval '3 days'),
	('completeness', 'cost_cache', 0, 0, 0, 'PASS', now() - interval '2 hours'),
	('completeness', 'tbl_fact_shipments', 50, 40, 10, 'FAIL', '2024-01-15 08:00+00'),
	('freshness', 'tbl_fact_shipments', NULL, NULL, NULL, 'FAIL', now() - interval '5 days'),
	('freshness', 'cost_cache', NULL, NULL, NULL, 'PASS', now() - interval '20 days');
INSERT INTO finops.fk_check (constraint_name, child_table, parent_table, orphan_count, test_result, evaluated_at) VALUES
	('shipment_customer', 'tbl_fact_shipments', 'dim_customer', 3, 'FAIL', '2024-01-15 08:00+00'),
	('shipment_route', 'tbl_fact_shipments', 'dim_route', 2, 'FAIL', '2024-01-10 08:00+00'),
	('shipment_route', 'tbl_fact_shipments', 'dim_route', 0, 'PASS', '2024-01-11 08:00+00');
INSERT INTO finops.query_log (query_id, query_text, query_type, warehouse_name, start_time, total_elapsed_time_seconds, bytes_scanned,
	rows_produced, credits_used_compute, credits_used_cloud_services) VALUES
	('01', 'SELECT a', 'SELECT', 'WH_ANALYTICS', now() - interval '30 minutes', 400, 1000, 10, 0.5, 0.1),
	('02', 'SELECT b', 'SELECT', 'WH_ANALYTICS', now() - interval '20 minutes', 20, 500, 1, 0.3, 0.05),
	('03', 'INSERT c', 'INSERT', 'WH_LOADING', now() - interval '10 minutes', 70, 0, 7, 1, 0.2),
	('04', 'SELECT d', 'SELECT', 'WH_ANALYTICS', now() - interval '10 days', 100, 2000, 20, 0.4, 0),
	('05', 'SELECT e', 'SELECT', 'WH_ANALYTICS', '2024-01-15 08:00+00', 500, 3000, 30, 0.6, 0);
-- (300 + 50) * 3 = 1050, then 100 * 3 = 300: 71.43 % below; 12.5 * 2 = 25; 600 * 2 = 1200
INSERT INTO finops.warehouse (warehouse_name, size, auto_suspend_s, cost_per_credit) VALUES
	('WH_ANALYTICS', 'M', 300, 3), ('WH_LOADING', 'S', 60, 2);
INSERT INTO finops.warehouse_metering (warehouse_name, cost_date, credits_used_compute, credits_used_cloud_services) VALUES
	('WH_ANALYTICS', CURRENT_DATE - 2, 300, 50), ('WH_ANALYTICS', CURRENT_DATE - 1, 100, 0),
	('WH_LOADING', CURRENT_DATE - 1, 10, 2.5), ('WH_LOADING', '2024-01-10', 600, 0);
-- margins: 40 and 25 computed, 10 given; the third is on time by its dates
INSERT INTO tbl_fact_shipments (shipment_id, customer_id, pickup_date, delivery_date, requested_delivery_date, revenue_usd, total_cost_usd,
	profit_margin_pct, on_time_delivery_flag, carbon_emissions_kg) VALUES
	('S1', 'C1', CURRENT_DATE + time '10:00', NULL, NULL, 100, 60, NULL, true, 5),
	('S2', 'C2', CURRENT_DATE + time '11:00', NULL, NULL, 200, 150, NULL, false, 7),
	('S3', 'C1', CURRENT_DATE - 40 + time '10:00', '2024-01-20', '2024-01-21', 300, NULL, 10, NULL, 11),
	('S4', 'C3', '2024-01-15 10:00', NULL, NULL, 1000, 1, NULL, true, 99);
INSERT INTO tbl_ml_consolidated_feature_store (feature_name, feature_date, feature_value) VALUES
	('load_factor', CURRENT_DATE - 1, 0.7), ('load_factor', CURRENT_DATE - 3, 0.6), ('load_factor', '2024-01-01', 0.5), ('mau', '2024-01-01', 10);
-- 400 s two hours ago, 500 s three days ago: mean 450 s
INSERT INTO finops.job_run (job_name, status, error_message, started_at, finished_at, executed_by) VALUES
	('nightly', 'succeeded', NULL, now() - interval '2 hours', now() - interval '2 hours' + interval '400 seconds', 'test'),
	('nightly', 'succeeded', NULL, now() - interval '3 days', now() - interval '3 days' + interval '500 seconds', 'test'),
	('nightly', 'succeeded', NULL, '2024-01-15 02:00+00', '2024-01-15 08:00+00', 'test'),
	('quick', 'failed', '22023: out of range', now() - interval '1 hour', now() - interval '1 hour' + interval '10 seconds', 'test');
INSERT INTO tbl_ml_model_registry (model_name, model_version, status, accuracy_score, precision_score, recall_score, f1_score, last_updated) VALUES
	('ets-cost', '1', 'DEPRECATED', 0.5, 0.5, 0.5, 0.5, '2024-01-10 06:00+00'), ('ets-cost', '2', 'ACTIVE', 0.9, 0.8, 0.7, 0.75, '2024-01-20 06:00+00'),
	('theta-cost', '1', 'ACTIVE', 0.8, NULL, NULL, NULL, '2024-01-21 06:00+00');
INSERT INTO finops.feature_drift (feature_name, drift_score, threshold, evaluation_timestamp) VALUES
	('load_factor', 0.25, 0.2, now() - interval '2 hours'), ('mau', 0.2, 0.2, now() - interval '3 hours'), ('mau', 0.9, 0.2, now() - interval '2 days');
INSERT INTO finops.prediction_log (model_name, confidence_score, prediction_timestamp) VALUES
	('ets-cost', 0.875, now() - interval '1 hour'), ('ets-cost', 0.625, now() - interval '2 hours'), ('ets-cost', 0.1, now() - interval '3 days'),
	('theta-cost', 0.7, now() - interval '1 hour');
INSERT INTO finops.backup_log (table_name, last_backup_time, backup_size_gb, backup_status) VALUES
	('fact_cost_raw', now() - interval '3 hours', 12.5, 'COMPLETED'), ('invoice_header', now() - interval '1 hour', 0.25, 'FAILED'),
	('fact_cost_raw', now() - interval '27 hours', 12.4, 'COMPLETED');
INSERT INTO finops.login_stat (user_name, role_name, last_login_time, failed_login_count) VALUES
	('alice', 'analyst', now() - interval '1 hour', 0), ('bob', 'operator', now() - interval '2 days', 1), ('mallory', NULL, now() - interval '2 hours', 7);
INSERT INTO finops.data_access_stat (user_name, table_name, access_type, access_count, last_access_time) VALUES
	('bob', 'cost_cache', 'DELETE', 3, now() - interval '5 hours'), ('alice', 'fact_cost_raw', 'SELECT', 42, now() - interval '1 hour'),
	('alice', 'invoice_header', 'SELECT', 99, now() - interval '3 days');
INSERT INTO finops.security_metric (security_metric, current_value, threshold, status, evaluation_date) VALUES
	('failed_logins', 7, 5, 'ALERT', CURRENT_DATE), ('mfa_coverage_pct', 100, 95, 'OK', CURRENT_DATE - 3), ('failed_logins', 9, 5, 'ALERT', CURRENT_DATE - 8);
INSERT INTO finops.recommendation (optimization_type, potential_savings_usd, implementation_effort, priority_level, status) VALUES
	('rightsizing', 120.50, 'LOW', 'HIGH', 'ACTIVE'), ('savings_plan', 300, 'MEDIUM', 'HIGH', 'ACTIVE'), ('scheduling', 900, 'LOW', 'LOW', 'DISMISSED');

-- The 62 runbook statements: that the catalogue holds them as they were
-- written, and that each answers what was worked out by hand from
-- test/data/runbook_data.sql, as written where that is possible and by
-- finops.run_runbook always.
BEGIN;
SELECT * FROM no_plan();
SET LOCAL timezone = 'UTC';
SET LOCAL intervalstyle = postgres;
\set QUIET on
\o /dev/null
\ir ../data/runbook_data.sql
\o
\set s3 file:// :src /test/data/s3
SET LOCAL finops.s3_endpoint = :'s3';

-- the catalogue

SELECT is(md5(string_agg(id || ':' || md5(sql_verbatim), ',' ORDER BY id COLLATE "C")), '5498d5a65f4bb73ba3448dfe8d287a93',
	'the texts are those of the runbooks, byte for byte')
FROM finops.runbook WHERE shipped;
SELECT results_eq($$ SELECT left(id, 4), count(*)::int FROM finops.runbook WHERE shipped GROUP BY 1 ORDER BY 1 $$,
	$$ VALUES ('S000', 2), ('S001', 12), ('S002', 10), ('S004', 38) $$, 'all four documents are there');
SELECT results_eq($$ SELECT id FROM finops.runbook WHERE shipped AND position <> split_part(id, 'Q', 2)::int $$, ARRAY[]::text[],
	'the position is the number in the id');
SELECT results_eq($$ SELECT id FROM finops.runbook
	WHERE shipped AND coalesce(sql_pg, sql_verbatim) <> finops.translate_sql(sql_verbatim, dialect) $$, ARRAY[]::text[],
	'the text for PostgreSQL is the translation');

-- what each statement answers: the keys looked at (all when NULL), whether
-- the order is the statement's, and whether it runs as written

CREATE TEMP TABLE expected (id text PRIMARY KEY, verbatim boolean, ordered boolean, keys text[], rows jsonb);
INSERT INTO expected VALUES
	('S000-Q1', false, true, NULL, '[{"affected_rows": 3}]'),
	('S000-Q2', false, true, NULL, '[{"affected_rows": 3}]'),
	('S001-Q1', true, true, NULL, '[{"count": 1}]'),
	('S001-Q3', true, true, NULL, '[{"?column?": 1}]'),
	('S001-Q4', true, false, NULL, jsonb_build_array(
		jsonb_build_object('source', 'athena', 'latest_data', now() - interval '90 minutes', 'age', interval '90 minutes'),
		jsonb_build_object('source', 'cost-explorer', 'latest_data', now() - interval '20 minutes', 'age', interval '20 minutes'))),
	('S001-Q7', true, true, NULL, '[{"endpoint": "/costs", "avg_response": 200, "max_response": 300, "request_count": 2},
		{"endpoint": "/health", "avg_response": 5, "max_response": 5, "request_count": 1}]'),
	('S001-Q8', true, true, '{query_execution_id,query,status,gb_scanned,execution_seconds}', '[
		{"query_execution_id": "q-1", "query": "SELECT 1", "status": "SUCCEEDED", "gb_scanned": 1.5, "execution_seconds": 2.5},
		{"query_execution_id": "q-2", "query": "SELECT 2", "status": "FAILED", "gb_scanned": 0.5, "execution_seconds": 0.012}]'),
	('S001-Q10', true, true, NULL, '[{"year": "2024", "month": "01", "record_count": 5, "total_cost": 18.8500000125},
		{"year": "2024", "month": "02", "record_count": 1, "total_cost": 7}]'),
	('S001-Q11', true, true, NULL, '[{"service": "AmazonEC2", "month": "2024-01", "cost": 15}, {"service": "AmazonS3", "month": "2024-01", "cost": 3.5},
		{"service": "AWSLambda", "month": "2024-01", "cost": 0.0000000125}]'),
	('S001-Q12', true, false, NULL, '[]'),
	('S002-Q1', true, true, NULL, '[{"max": "2024-02-10T12:00:00"}]'),
	('S002-Q2', true, true, NULL, '[{"service": "AmazonS3", "variance_pct": -0.7}]'),
	('S002-Q3', true, true, '{exception_id,recon_id,service}', '[{"exception_id": "RX-202504-0001", "recon_id": "RECON-2025-04", "service": "AmazonS3"}]'),
	('S002-Q4', true, true, NULL, '[{"budget_id": "BUDG-PLATFORM", "last_refreshed_at": "2024-01-01T04:00:00+00:00"},
		{"budget_id": "BUDG-TEN-0001", "last_refreshed_at": "2024-01-02T04:00:00+00:00"},
		{"budget_id": "BUDG-OLD", "last_refreshed_at": "2024-01-03T04:00:00+00:00"},
		{"budget_id": "BUDG-QUARTER", "last_refreshed_at": "2024-01-04T04:00:00+00:00"}]'),
	('S002-Q5', true, true, '{recon_id,service,status}', '[{"recon_id": "RECON-2025-09", "service": "ALL", "status": "ok"},
		{"recon_id": "RECON-2025-08", "service": "ALL", "status": "ok"}, {"recon_id": "RECON-2025-07", "service": "ALL", "status": "ok"},
		{"recon_id": "RECON-2025-06", "service": "ALL", "status": "ok"}, {"recon_id": "RECON-2025-05", "service": "ALL", "status": "ok"}]'),
	('S002-Q6', true, true, '{exception_id,category,variance_usd}', '[{"exception_id": "RX-202509-0001", "category": "Tagging", "variance_usd": 12}]'),
	('S002-Q7', true, true, NULL, '[{"untagged": 3, "total": 6, "tag_coverage_pct": 50}]'),
	('S002-Q8', true, true, NULL, '[{"tenant_id": "TEN-00123", "period_start": "2024-01-01", "status": "open"}]'),
	('S002-Q9', true, false, '{invoice_id,payment_id,amount_usd}', '[{"invoice_id": "INV-202401-TEN00123", "payment_id": null, "amount_usd": null},
		{"invoice_id": "INV-202402-TEN00123", "payment_id": "PAY-1", "amount_usd": 40.5}]'),
	('S002-Q10', true, true, NULL, '[{"tenant_id": "TEN-00123", "metric_code": "storage_gb_peak", "metric_value": 500, "cap_value": 500, "utilization": 1}]'),
	('S004-Q1', true, false, NULL, '[{"table_name": "dim_route", "minutes_since_sync": 720}, {"table_name": "tbl_fact_shipments", "minutes_since_sync": 721}]'),
	('S004-Q3', true, true, NULL, '[{"table_name": "tbl_fact_shipments", "row_count": 50, "unique_keys": 40, "null_keys": 10, "sla_result": "FAIL",
		"evaluation_timestamp": "2024-01-15T08:00:00+00:00"}]'),
	('S004-Q4', true, true, '{constraint_name,orphan_count}', '[{"constraint_name": "shipment_customer", "orphan_count": 3}]'),
	('S004-Q5', true, true, '{query_id,total_elapsed_time_seconds}', '[{"query_id": "01", "total_elapsed_time_seconds": 400},
		{"query_id": "05", "total_elapsed_time_seconds": 500}]'),
	('S004-Q6', true, false, '{warehouse_name,daily_cost_usd}', '[{"warehouse_name": "WH_ANALYTICS", "daily_cost_usd": 1050},
		{"warehouse_name": "WH_LOADING", "daily_cost_usd": 1200}]'),
	('S004-Q7', false, true, NULL, '[{"shipment_count": 2}]'),
	('S004-Q8', true, true, NULL, jsonb_build_array(jsonb_build_object('latest_features', CURRENT_DATE - 1))),
	('S004-Q9', false, true, NULL, jsonb_build_array(jsonb_build_object('week', date_trunc('week', CURRENT_DATE),
		'avg_on_time_rate', 50, 'weekly_revenue', 300, 'avg_profit_margin', 32.5))),
	('S004-Q10', false, true, NULL, '[{"table_name": "cost_cache", "avg_null_percentage": null}, {"table_name": "tbl_fact_shipments", "avg_null_percentage": 3}]'),
	('S004-Q11', false, true, NULL, '[{"report_type": "Weekly Summary", "active_customers": 2, "total_shipments": 2, "avg_on_time_rate": 50,
		"total_revenue": 300, "avg_profit_margin": 32.5}]'),
	('S004-Q12', false, true, NULL, jsonb_build_array(
		jsonb_build_object('month', date_trunc('month', CURRENT_DATE - 40), 'active_customers', 1, 'total_shipments', 1, 'avg_on_time_rate', 100,
			'monthly_revenue', 300, 'avg_profit_margin', 10, 'total_emissions', 11),
		jsonb_build_object('month', date_trunc('month', CURRENT_DATE), 'active_customers', 2, 'total_shipments', 2, 'avg_on_time_rate', 50,
			'monthly_revenue', 300, 'avg_profit_margin', 32.5, 'total_emissions', 12))),
	('S004-Q13', false, true, NULL, (SELECT jsonb_agg(jsonb_build_object('month', month, 'monthly_cost', cost, 'avg_compute_credits', compute,
			'avg_cloud_credits', cloud) ORDER BY month)
		FROM (SELECT date_trunc('month', day), sum(cost), avg(compute), avg(cloud)
			FROM (VALUES (CURRENT_DATE - 2, 1050, 300, 50), (CURRENT_DATE - 1, 300, 100, 0), (CURRENT_DATE - 1, 25, 10, 2.5)) AS v(day, cost, compute, cloud)
			GROUP BY 1) AS g(month, cost, compute, cloud))),
	('S004-Q14', false, true, NULL, '[{"query_id": "01", "query_text": "SELECT a", "total_elapsed_time_seconds": 400, "bytes_scanned": 1000, "rows_produced": 10},
		{"query_id": "04", "query_text": "SELECT d", "total_elapsed_time_seconds": 100, "bytes_scanned": 2000, "rows_produced": 20},
		{"query_id": "03", "query_text": "INSERT c", "total_elapsed_time_seconds": 70, "bytes_scanned": 0, "rows_produced": 7}]'),
	('S004-Q15', false, true, NULL, jsonb_build_array(
		jsonb_build_object('month', date_trunc('month', CURRENT_DATE - 40), 'total_shipments', 1, 'avg_on_time_rate', 100, 'total_revenue', 300,
			'avg_profit_margin', 10, 'total_emissions', 11, 'prev_month_shipments', NULL, 'prev_month_revenue', NULL,
			'shipment_growth_pct', NULL, 'revenue_growth_pct', NULL),
		jsonb_build_object('month', date_trunc('month', CURRENT_DATE), 'total_shipments', 2, 'avg_on_time_rate', 50, 'total_revenue', 300,
			'avg_profit_margin', 32.5, 'total_emissions', 12, 'prev_month_shipments', 1, 'prev_month_revenue', 300,
			'shipment_growth_pct', 100, 'revenue_growth_pct', 0))),
	('S004-Q16', false, true, '{table_name,total_checks,failures}', '[{"table_name": "tbl_fact_shipments", "total_checks": 3, "failures": 1},
		{"table_name": "cost_cache", "total_checks": 2, "failures": 0}]'),
	('S004-Q17', false, true, NULL, '[{"count": 2}]'),
	('S004-Q19', true, true, '{table_name,row_count}', '[{"table_name": "tbl_fact_shipments", "row_count": 50}]'),
	('S004-Q20', true, false, '{query_id}', '[{"query_id": "01"}, {"query_id": "05"}]'),
	('S004-Q21', true, true, NULL, '[{"table_name": "tbl_fact_shipments", "minutes_since_sync": 721, "freshness_status": "POOR"},
		{"table_name": "dim_route", "minutes_since_sync": 720, "freshness_status": "ACCEPTABLE"},
		{"table_name": "dim_customer", "minutes_since_sync": 360, "freshness_status": "GOOD"},
		{"table_name": "fact_cost_raw", "minutes_since_sync": 60, "freshness_status": "EXCELLENT"}]'),
	('S004-Q22', false, true, NULL, '[{"model_name": "nightly", "run_duration_seconds": 400, "status": "succeeded", "error_message": null},
		{"model_name": "quick", "run_duration_seconds": 10, "status": "failed", "error_message": "22023: out of range"}]'),
	('S004-Q23', false, true, NULL, '[{"table_name": "cost_cache", "row_count": null, "null_keys": 0, "null_percentage": null},
		{"table_name": "tbl_fact_shipments", "row_count": 200, "null_keys": 10, "null_percentage": 5}]'),
	('S004-Q24', false, true, NULL, '[{"model_name": "nightly", "avg_duration": 450, "run_count": 2}]'),
	('S004-Q25', true, true, '{model_name,accuracy_score,precision_score,recall_score,f1_score}', '[
		{"model_name": "theta-cost", "accuracy_score": 0.8, "precision_score": null, "recall_score": null, "f1_score": null},
		{"model_name": "ets-cost", "accuracy_score": 0.9, "precision_score": 0.8, "recall_score": 0.7, "f1_score": 0.75}]'),
	('S004-Q26', false, true, NULL, '[{"feature_name": "load_factor", "drift_score": 0.25, "threshold": 0.2, "drift_status": "DRIFT_DETECTED"},
		{"feature_name": "mau", "drift_score": 0.2, "threshold": 0.2, "drift_status": "NORMAL"}]'),
	('S004-Q27', false, false, NULL, '[{"model_name": "ets-cost", "prediction_count": 2, "avg_confidence": 0.75, "low_confidence_count": 1},
		{"model_name": "theta-cost", "prediction_count": 1, "avg_confidence": 0.7, "low_confidence_count": 0}]'),
	('S004-Q28', false, true, NULL, jsonb_build_array(jsonb_build_object('feature_name', 'load_factor', 'feature_count', 2,
		'earliest_date', CURRENT_DATE - 3, 'latest_date', CURRENT_DATE - 1))),
	('S004-Q29', false, false, NULL, '[{"warehouse_name": "WH_ANALYTICS", "avg_compute_credits": 0.4, "avg_cloud_credits": 0.075, "query_count": 2},
		{"warehouse_name": "WH_LOADING", "avg_compute_credits": 1, "avg_cloud_credits": 0.2, "query_count": 1}]'),
	('S004-Q30', false, true, NULL, '[{"query_type": "SELECT", "avg_duration": 210, "max_duration": 400, "query_count": 2},
		{"query_type": "INSERT", "avg_duration": 70, "max_duration": 70, "query_count": 1}]'),
	('S004-Q31', false, true, '{query_id}', '[{"query_id": "01"}, {"query_id": "03"}]'),
	('S004-Q32', false, true, '{table_name,backup_size_gb,backup_status}', '[{"table_name": "invoice_header", "backup_size_gb": 0.25, "backup_status": "FAILED"},
		{"table_name": "fact_cost_raw", "backup_size_gb": 12.5, "backup_status": "COMPLETED"}]'),
	('S004-Q33', false, true, '{user_name,role_name,failed_login_count}', '[{"user_name": "alice", "role_name": "analyst", "failed_login_count": 0},
		{"user_name": "mallory", "role_name": null, "failed_login_count": 7}]'),
	('S004-Q34', false, true, '{user_name,table_name,access_type,access_count}', '[
		{"user_name": "alice", "table_name": "fact_cost_raw", "access_type": "SELECT", "access_count": 42},
		{"user_name": "bob", "table_name": "cost_cache", "access_type": "DELETE", "access_count": 3}]'),
	('S004-Q35', false, true, NULL, '[{"security_metric": "mfa_coverage_pct", "current_value": 100, "threshold": 95, "status": "OK"},
		{"security_metric": "failed_logins", "current_value": 7, "threshold": 5, "status": "ALERT"}]'),
	('S004-Q36', false, true, NULL, '[
		{"warehouse_name": "WH_ANALYTICS", "daily_cost_usd": 1050, "daily_credits_used": 350, "cost_per_credit": 3, "cost_trend": null},
		{"warehouse_name": "WH_ANALYTICS", "daily_cost_usd": 300, "daily_credits_used": 100, "cost_per_credit": 3, "cost_trend": -71.43},
		{"warehouse_name": "WH_LOADING", "daily_cost_usd": 25, "daily_credits_used": 12.5, "cost_per_credit": 2, "cost_trend": null}]'),
	('S004-Q37', false, true, NULL, '[{"budget_category": "platform", "monthly_budget_usd": 400, "current_spend_usd": 500, "remaining_budget_usd": -100,
			"budget_utilization_pct": 125},
		{"budget_category": "Compute", "monthly_budget_usd": 1000, "current_spend_usd": 850, "remaining_budget_usd": 150, "budget_utilization_pct": 85}]'),
	('S004-Q38', true, true, NULL, '[{"optimization_type": "savings_plan", "potential_savings_usd": 300, "implementation_effort": "MEDIUM", "priority_level": "HIGH"},
		{"optimization_type": "rightsizing", "potential_savings_usd": 120.5, "implementation_effort": "LOW", "priority_level": "HIGH"}]');
-- what rewritten statements answer: the partitions of both months up to now
INSERT INTO expected VALUES
	('S001-Q2', false, true, NULL, jsonb_build_array(jsonb_build_object('msck_repair_table',
		(date_part('year', CURRENT_DATE)::int - 2024) * 12 + date_part('month', CURRENT_DATE)::int - 2))),
	('S001-Q9', false, true, '{partition}', (SELECT jsonb_agg(jsonb_build_object('partition', to_char(m, '"year="YYYY"/month="MM')) ORDER BY m)
		FROM generate_series(timestamp '2024-01-01', CURRENT_DATE, '1 month') AS m)),
	('S004-Q2', false, true, '{name,size}', '[{"name": "WH_ANALYTICS", "size": "M"}, {"name": "WH_LOADING", "size": "S"}]'),
	('S004-Q18', false, true, '{name,cost_per_credit}', '[{"name": "WH_ANALYTICS", "cost_per_credit": 3}, {"name": "WH_LOADING", "cost_per_credit": 2}]'),
	('S001-Q5', false, true, NULL, '[{"affected_rows": 1}]');

CREATE FUNCTION pg_temp.look(row_ jsonb, keys text[]) RETURNS jsonb LANGUAGE sql AS $$
	SELECT CASE WHEN keys IS NULL THEN row_
		ELSE (SELECT jsonb_object_agg(k, row_->k) FROM unnest(keys) AS k WHERE row_ ? k) END
$$;
CREATE FUNCTION pg_temp.in_order(answer jsonb, what expected) RETURNS jsonb LANGUAGE sql AS $$
	SELECT coalesce(jsonb_agg(r ORDER BY CASE WHEN what.ordered THEN n END, r), '[]') FROM jsonb_array_elements(answer) WITH ORDINALITY AS a(r, n)
$$;
CREATE FUNCTION pg_temp.catalogue(what expected) RETURNS jsonb LANGUAGE sql AS $$
	SELECT pg_temp.in_order(coalesce(jsonb_agg(pg_temp.look(result::jsonb, what.keys) ORDER BY row_no), '[]'), what)
	FROM finops.run_runbook(what.id)
$$;
CREATE FUNCTION pg_temp.as_written(what expected) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	one record;
	answer jsonb := '[]';
BEGIN
	FOR one IN EXECUTE (SELECT sql_verbatim FROM finops.runbook r WHERE r.id = what.id) LOOP
		answer := answer || jsonb_build_array(pg_temp.look(to_jsonb(one), what.keys));
	END LOOP;
	RETURN pg_temp.in_order(answer, what);
END $$;

SELECT is(pg_temp.as_written(e), pg_temp.in_order(e.rows, e), e.id || ' as written')
FROM expected e WHERE e.verbatim ORDER BY e.id COLLATE "C";
SELECT is(pg_temp.catalogue(e), pg_temp.in_order(e.rows, e), e.id || ' by run_runbook')
FROM expected e ORDER BY e.id COLLATE "C";

-- DML and SHOW, which a PL/pgSQL loop does not take
SELECT lives_ok(sql_verbatim, 'S000-Q1 runs as written') FROM finops.runbook WHERE id = 'S000-Q1';
SELECT throws_ok(sql_verbatim, '23505', NULL, 'S000-Q1 does not load a file twice') FROM finops.runbook WHERE id = 'S000-Q1';
SELECT results_eq($$ SELECT driver_code, period_start, value, load_dt FROM forecast.drivers ORDER BY 1, 2 $$,
	$$ VALUES ('MAU', date '2025-08-01', 120000::numeric, date '2025-07-01'), ('MAU', '2025-09-01', 125500.5, '2025-07-01'),
		('STORAGE_GB', '2025-08-01', 5120, '2025-07-01') $$, 'S000-Q1 loads the lines of the file');
SELECT lives_ok(sql_verbatim, id || ' runs as written') FROM finops.runbook WHERE id IN ('S000-Q2', 'S001-Q5') ORDER BY id;
SELECT is_empty('SELECT FROM forecast.drivers', 'S000-Q2 removes them');
SHOW WAREHOUSES \gset
SELECT is(:'warehouses'::text, 'WH_ANALYTICS, WH_LOADING', 'S004-Q2 and S004-Q18 as written');
SELECT throws_ok($$ SELECT finops.run_runbook('S001-Q6') $$, '0A000', NULL, 'S001-Q6 is not run inside a function; sql/runbook_verbatim.sql runs it');

SELECT results_eq($$ SELECT count(*)::int FROM (SELECT id FROM expected UNION SELECT 'S001-Q6') t JOIN finops.runbook USING (id) $$, ARRAY[62],
	'every statement was run: 62 of 62');

-- the 27 have no other way
SELECT throws_ok(sql_verbatim, '42601', NULL, id || ' is no PostgreSQL as it is written')
FROM finops.runbook WHERE sql_pg IS NOT NULL AND id NOT IN ('S004-Q2', 'S004-Q18') ORDER BY id COLLATE "C";
SELECT results_eq($$ SELECT count(*)::int FROM finops.runbook WHERE sql_pg IS NOT NULL AND id NOT IN ('S004-Q2', 'S004-Q18') $$, ARRAY[27],
	'27 statements need a translation');

SELECT * FROM finish();
ROLLBACK;

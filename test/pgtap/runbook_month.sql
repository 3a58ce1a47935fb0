-- The runbook statements over what the functions of finops write, for a month
-- that is loaded and events that are injected; every answer is worked out from
-- the text of the bill, from base rows by plain SQL, or by hand.
BEGIN;
SELECT no_plan();
SET LOCAL search_path = public;
SET LOCAL timezone = 'UTC';
SET LOCAL client_min_messages = error;
\set QUIET on

CREATE FUNCTION pg_temp.answer(id text) RETURNS SETOF jsonb LANGUAGE sql AS $$ SELECT result::jsonb FROM finops.run_runbook($1) ORDER BY row_no $$;

-- the month, and its text split by a regular expression rather than by the loader
SELECT * FROM finops.generate_bill('2024-01-01', 3000, 10, 8) \g /dev/null
CREATE TEMP TABLE text_line AS
SELECT n, (SELECT array_agg(trim('"' FROM m[1]) ORDER BY no) FROM regexp_matches(line, '("(?:[^"]|"")*"|[^,]*)(?:,|$)', 'g') WITH ORDINALITY AS c(m, no)) AS cells
FROM finops.generated_bill_lines('2024-01-01', 3000, 10, 8) WITH ORDINALITY AS l(line, n);
CREATE TEMP TABLE line AS
SELECT jsonb_object(h.cells[1:63], l.cells[1:63]) AS cell FROM text_line l, text_line h WHERE h.n = 1 AND l.n > 1;
CREATE TEMP TABLE bill AS
SELECT cell->>'line_item_product_code' AS product, cell->>'line_item_line_item_type' AS type, (cell->>'line_item_unblended_cost')::numeric AS cost,
	(cell->>'line_item_usage_start_date')::timestamptz AS start, (cell->>'line_item_usage_end_date')::timestamptz AS stop, cell AS cell FROM line;
SELECT is(count(*), 3000::bigint, 'the month has its lines') FROM bill;

SELECT results_eq($$ SELECT pg_temp.answer('S001-Q10') $$,
	$$ SELECT jsonb_build_object('year', '2024', 'month', '01', 'record_count', count(*), 'total_cost', sum(cost)) FROM bill $$, 'S001-Q10: lines and cost of the month');
SELECT set_eq($$ SELECT a->>'service' AS c1, a->>'month' AS c2, (a->>'cost')::numeric AS c3 FROM pg_temp.answer('S001-Q11') a $$,
	$$ SELECT product, '2024-01', sum(cost) FROM bill WHERE type = 'Usage' AND start < '2024-02-01' GROUP BY 1 ORDER BY 3 DESC LIMIT 100 $$, 'S001-Q11: cost of each service');
SELECT is(a, jsonb_build_object('max', (SELECT max(stop)::timestamp FROM bill)), 'S002-Q1: the newest charge') FROM pg_temp.answer('S002-Q1') a;
SELECT is((SELECT (a->>'untagged')::bigint FROM pg_temp.answer('S002-Q7') a), (SELECT count(*) FROM fact_cost_raw WHERE coalesce(resource_tags_user_tenant_id, '') = ''), 'S002-Q7: lines without a tenant');
SELECT is((SELECT (a->>'total')::bigint FROM pg_temp.answer('S002-Q7') a), 3000::bigint, 'S002-Q7: of all lines');
SELECT ok((SELECT a->>'partition' FROM pg_temp.answer('S001-Q9') a LIMIT 1) = 'year=2024/month=01', 'S001-Q9: the partition of the month');

-- allocated without a rule for what is shared, reconciled: exceptions and warnings
SELECT * FROM finops.generate_bill('2025-09-01', 3000, 10, 8) \g /dev/null
SELECT finops.allocate('2025-09-01') \g /dev/null
SELECT finops.reconcile('2025-09-01') \g /dev/null
-- 70 of 10,000 of a service that nobody is tagged for, in the month before
CREATE TABLE finops.fact_cost_raw_2025_08 PARTITION OF fact_cost_raw FOR VALUES FROM ('2025-08-01') TO ('2025-09-01');
INSERT INTO fact_cost_raw (bill_billing_period_start_date, line_item_usage_start_date, provider, service, charge_category, billed_cost, effective_cost, tenant_id, source, delivery_id)
SELECT '2025-08-01', '2025-08-02', 'AWS', 'RM-W', 'Usage', c, c, t, 'test', 1 FROM (VALUES (9930, (SELECT min(tenant_id) FROM tenant_master)), (70, NULL)) v(c, t);
SELECT finops.allocate('2025-08-01') \g /dev/null
SELECT finops.reconcile('2025-08-01') \g /dev/null
CREATE TEMP TABLE place AS
SELECT f.service, f.cost AS loaded, coalesce(a.cost, 0) AS placed, coalesce(a.left_over, 0) AS left_over
FROM (SELECT service, sum(effective_cost) AS cost FROM fact_cost_raw WHERE bill_billing_period_start_date = '2025-09-01' GROUP BY 1) f
LEFT JOIN (SELECT service, sum(amount) FILTER (WHERE kind <> 'unallocated') AS cost, sum(amount) FILTER (WHERE kind = 'unallocated') AS left_over
	FROM finops.allocation_current WHERE period_start = '2025-09-01' GROUP BY 1) a USING (service);
CREATE TEMP TABLE verdict AS
SELECT service, loaded, placed - loaded AS variance, round((placed - loaded) * 100 / nullif(abs(loaded), 0), 2) AS pct,
	CASE WHEN abs(placed - loaded) < 1 OR abs((placed - loaded) / nullif(loaded, 0)) <= 0.005 THEN 'ok' WHEN abs((placed - loaded) / nullif(loaded, 0)) <= 0.01 THEN 'warning' ELSE 'failed' END AS status
FROM place;
SELECT cmp_ok(count(*), '>', 0::bigint, 'services are out of tolerance') FROM verdict WHERE status <> 'ok';
SELECT set_eq($$ SELECT a->>'service' AS c1, round((a->>'variance_pct')::numeric, 2) AS c2 FROM pg_temp.answer('S002-Q2') a $$,
	$$ SELECT service, pct FROM verdict WHERE status = 'warning' UNION ALL VALUES ('ALL', -0.7), ('RM-W', -0.7) $$, 'S002-Q2: 70 of 10,000 is in the warning band');
SELECT set_eq($$ SELECT a->>'service' AS c1 FROM pg_temp.answer('S002-Q3') a WHERE a->>'recon_id' = 'RECON-2025-09' AND a->>'severity' <> 'info' $$,
	$$ SELECT service FROM verdict WHERE status <> 'ok' UNION SELECT service FROM verdict WHERE abs(variance) >= 1
		AND (SELECT abs(sum(variance)) > 0.005 * sum(loaded) FROM verdict) $$, 'S002-Q3: an exception for each service');
SELECT set_eq($$ SELECT a->>'service' AS c1, (a->>'aws_total_usd')::numeric AS c2, (a->>'variance_usd')::numeric AS c3 FROM pg_temp.answer('S002-Q5') a WHERE a->>'service' = 'ALL' AND a->>'recon_id' = 'RECON-2025-09' $$,
	$$ SELECT 'ALL', sum(loaded), sum(variance) AS variance FROM verdict $$, 'S002-Q5: the totals of the month');
SELECT set_has($$ SELECT a->>'service' AS c1, (a->>'variance_usd')::numeric AS c2 FROM pg_temp.answer('S002-Q6') a WHERE a->>'category' = 'Allocation' $$,
	$$ SELECT service, variance FROM verdict WHERE status <> 'ok' $$, 'S002-Q6: what each is out by');

-- documents, a payment that waits, a quota that is reached
SELECT finops.prepare_invoices('2025-09-01') \g /dev/null
SELECT set_eq($$ SELECT a->>'tenant_id' AS c1 FROM pg_temp.answer('S002-Q8') a $$,
	$$ SELECT DISTINCT c.tenant_id::text FROM finops.allocation_current c JOIN tenant_master t USING (tenant_id) WHERE c.period_start = '2025-09-01' AND t.billing_mode = 'invoice' $$, 'S002-Q8: a document waits for each tenant');
SELECT set_eq($$ SELECT a->>'invoice_id' AS c1 FROM pg_temp.answer('S002-Q9') a $$, $$ SELECT invoice_id::text FROM invoice_header $$, 'S002-Q9: none of them is paid');
SELECT count(*) FROM finops.set_metric('rm_gb', 'GB', 'sum_daily') a, finops.set_plan('RM-P', 0) b, finops.register_tenant('RM-T', 'T') c, finops.bind_plan('RM-T', 'RM-P', '2025-09-01') d \g /dev/null
SELECT count(*) FROM finops.set_cap('RM-P', 'rm_gb', 100) a \g /dev/null
SELECT count(*) FROM (VALUES (0, 60), (1, 39), (2, 5)) u(d, v), LATERAL finops.record_usage('RM-T', 'rm_gb', v, date '2025-09-01' + d) \g /dev/null
SELECT finops.refresh_usage('2025-09-01') \g /dev/null
SELECT is(a, '{"tenant_id": "RM-T", "metric_code": "rm_gb", "metric_value": 5, "cap_value": 100, "utilization": 1.04}', 'S002-Q10: 60 + 39 + 5 of 100') FROM pg_temp.answer('S002-Q10') a;

-- budgets: ten a day of this month
INSERT INTO finops.cost_daily (billing_period, usage_date, source, provider, service, account_id, tenant_id, charge_category, currency, billed_cost, effective_cost, line_items)
SELECT date_trunc('month', d)::date, d, 'rm', 'AWS', 'RM-S', 'a', 'RM-T', 'Usage', 'USD', 10, 10, 1 FROM generate_series(date_trunc('month', now()::timestamp), CURRENT_DATE, '1 day') AS d;
SELECT finops.set_budget('RM-B', 400, 'tenant', 'RM-T', category => 'RM') \g /dev/null
SELECT finops.refresh_budgets() \g /dev/null
SELECT is(a, jsonb_build_object('budget_category', 'RM', 'monthly_budget_usd', 400, 'current_spend_usd', spent, 'remaining_budget_usd', 400 - spent, 'budget_utilization_pct', round(spent * 100 / 400, 2)), 'S004-Q37: ten for each day until today')
FROM pg_temp.answer('S004-Q37') a, (SELECT 10.0 * extract(day FROM CURRENT_DATE) AS spent) s WHERE a->>'budget_category' = 'RM';
SELECT is((SELECT (a->>'last_refreshed_at')::timestamptz FROM pg_temp.answer('S002-Q4') a WHERE a->>'budget_id' = 'RM-B'), now(), 'S002-Q4: it was refreshed now');

-- shipments that break their rules: 2 of 10 without a customer, 3 of unknown routes
CREATE TABLE public.rm_route (route_id text);
INSERT INTO public.rm_route SELECT 'R' || n FROM generate_series(1, 3) n;
INSERT INTO tbl_fact_shipments (shipment_id, customer_id, route_id, pickup_date, revenue_usd, total_cost_usd, on_time_delivery_flag)
SELECT 'S' || n, CASE WHEN n > 2 THEN 'C' || n % 3 END, CASE WHEN n > 7 THEN 'X' ELSE 'R' || 1 + n % 3 END, CURRENT_DATE + time '08:00', 100, 80, n % 2 = 0 FROM generate_series(1, 10) n;
INSERT INTO finops.quality_rule (rule_name, relation, kind, columns, threshold, reference_relation, reference_columns) VALUES
	('rm customer', 'public.tbl_fact_shipments', 'null_ratio', '{customer_id}', 0.1, NULL, NULL),
	('rm revenue', 'public.tbl_fact_shipments', 'null_ratio', '{revenue_usd}', 0.1, NULL, NULL),
	('rm route', 'public.tbl_fact_shipments', 'referential', '{route_id}', NULL, 'public.rm_route', '{route_id}');
SELECT count(*) FROM finops.run_quality_rules(NULL) \g /dev/null
SELECT is(a->>'shipment_count', '10', 'S004-Q7: ten today') FROM pg_temp.answer('S004-Q7') a;
SELECT is(a, '{"count": 10}', 'S004-Q17: the same') FROM pg_temp.answer('S004-Q17') a;
SELECT set_eq(format('SELECT (a->>''row_count'')::int AS c1, (a->>''null_keys'')::int AS c2 FROM pg_temp.answer(%L) a WHERE a->>''table_name'' ~ ''shipments''', q), 'VALUES (10, 2)', q || ': two of ten without a customer')
FROM unnest('{S004-Q3,S004-Q19}'::text[]) q;
SELECT set_eq($$ SELECT (a->>'orphan_count')::int AS c1, a->>'test_result' AS c2 FROM pg_temp.answer('S004-Q4') a WHERE a->>'child_table' ~ 'shipments' $$, $$ VALUES (3, 'FAIL') $$, 'S004-Q4: three of no route');
SELECT is((SELECT round((a->>'avg_null_percentage')::numeric, 6) FROM pg_temp.answer('S004-Q10') a WHERE a->>'table_name' ~ 'shipments'), 10::numeric, 'S004-Q10: 20 and 0 per cent on average');
SELECT results_eq($$ SELECT round((a->>'null_percentage')::numeric, 6) AS c1 FROM pg_temp.answer('S004-Q23') a WHERE a->>'table_name' ~ 'shipments' $$, $$ VALUES (20::numeric), (0) $$, 'S004-Q23: each of them');
SELECT is((SELECT (a->>'failures') || ' of ' || (a->>'total_checks') FROM pg_temp.answer('S004-Q16') a WHERE a->>'table_name' ~ 'shipments'), '2 of 3', 'S004-Q16: two of three rules failed');
SELECT is((a->>'total_revenue')::numeric || ' ' || (a->>'total_shipments') || ' ' || round((a->>'avg_on_time_rate')::numeric) || ' ' || round((a->>'avg_profit_margin')::numeric) || ' ' || (a->>'active_customers'),
	'1000 10 50 20 3', 'S004-Q11: ten of 100 with 80 of cost, half on time') FROM pg_temp.answer('S004-Q11') a;

-- freshness, runs, drift, models
SELECT is((SELECT a->>'freshness_status' FROM pg_temp.answer('S004-Q21') a WHERE a->>'table_name' = 'fact_cost_raw'), 'EXCELLENT', 'S004-Q21: the bill came now');
UPDATE finops.delivery SET loaded_at = loaded_at - interval '13 hours';
SELECT is((SELECT round((a->>'minutes_since_sync')::numeric) FROM pg_temp.answer('S004-Q1') a WHERE a->>'table_name' = 'fact_cost_raw'), 780::numeric, 'S004-Q1: a bill of thirteen hours ago');
SELECT finops.refresh_features(CURRENT_DATE, 90) \g /dev/null
SELECT is((SELECT (a->>'latest_features')::date FROM pg_temp.answer('S004-Q8') a), (SELECT max(feature_date) FROM tbl_ml_consolidated_feature_store), 'S004-Q8: the newest feature');
CREATE TEMP TABLE drift AS SELECT * FROM finops.evaluate_feature_drift(CURRENT_DATE);
SELECT set_eq($$ SELECT a->>'feature_name' AS c1, (a->>'drift_score')::float8 AS c2, a->>'drift_status' AS c3 FROM pg_temp.answer('S004-Q26') a $$,
	$$ SELECT feature, score, CASE WHEN score > limit_of THEN 'DRIFT_DETECTED' ELSE 'NORMAL' END FROM drift $$, 'S004-Q26: what drifts now');
SELECT set_eq($$ SELECT a->>'feature_name' AS c1, (a->>'feature_count')::bigint AS c2, (a->>'latest_date')::date AS c3 FROM pg_temp.answer('S004-Q28') a $$,
	$$ SELECT feature_name, count(*), max(feature_date) FROM tbl_ml_consolidated_feature_store WHERE feature_date >= CURRENT_DATE - 7 GROUP BY 1 $$, 'S004-Q28: features of a week');
CREATE TABLE public.rm_series AS SELECT (date '2020-01-01' + i * interval '1 month')::date AS month, (100 + i + 10 * sin(2 * pi() * i / 12) + (hashint4(i) & 63))::numeric AS cost FROM generate_series(0, 47) i;
SELECT finops.train_model('rm', 'rm_series', 'month', 'cost', '{"horizon": 3, "models": ["ets", "naive"]}') \g /dev/null
SELECT set_eq($$ SELECT a->>'model_name' AS c1, (a->>'accuracy_score')::float8 AS c2 FROM pg_temp.answer('S004-Q25') a $$,
	$$ SELECT model_name, accuracy_score FROM tbl_ml_model_registry WHERE model_name = 'rm' AND status = 'ACTIVE' $$, 'S004-Q25: the model that is active');
SELECT set_eq($$ SELECT a->>'model_name' AS c1, (a->>'prediction_count')::int AS c2, round((a->>'avg_confidence')::numeric, 9) AS c3, (a->>'low_confidence_count')::int AS c4 FROM pg_temp.answer('S004-Q27') a $$,
	$$ SELECT 'rm' AS model, 3 AS n, round(avg(c)::numeric, 9) AS confidence, (count(*) FILTER (WHERE c < 0.7))::int AS low
	FROM (SELECT 1 - (upper_80 - mean) / mean AS c FROM forecast.prediction WHERE model_name = 'rm') f $$, 'S004-Q27: three forecasts, by the width of their intervals');
INSERT INTO finops.job_run (job_name, status, started_at, finished_at, executed_by) VALUES ('rm', 'succeeded', now() - interval '20 minutes', now() - interval '10 minutes', 'test');
SELECT is((SELECT (a->>'run_duration_seconds')::numeric FROM pg_temp.answer('S004-Q22') a WHERE a->>'model_name' = 'rm'), 600::numeric, 'S004-Q22: a run of ten minutes');
SELECT is((SELECT (a->>'avg_duration')::numeric FROM pg_temp.answer('S004-Q24') a WHERE a->>'model_name' = 'rm'), 600::numeric, 'S004-Q24: which is slow');

SELECT * FROM finish();
ROLLBACK;

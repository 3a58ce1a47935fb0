-- Larger plans for tenants that outgrow theirs.
BEGIN;
SELECT plan(8);
SET LOCAL client_min_messages = warning;
SELECT count(*) FROM finops.set_metric('ug_gb', 'GB', 'sum_daily') a, finops.set_metric('ug_run', 'h', 'sum_daily') b \g /dev/null
SELECT count(*) FROM finops.set_plan('UG-S', 100) a, finops.set_plan('UG-M', 200) b, finops.set_plan('UG-L', 300) c, finops.set_plan('UG-X', 150, effective_to => '2021-01-31') d, finops.set_plan('UG-E', 120, currency => 'EUR') e \g /dev/null
SELECT count(*) FROM (VALUES ('UG-S', 'ug_gb', 100), ('UG-M', 'ug_gb', 200), ('UG-L', 'ug_gb', 500), ('UG-X', 'ug_gb', 500), ('UG-E', 'ug_gb', 500), ('UG-S', 'ug_run', 50), ('UG-M', 'ug_run', 60), ('UG-L', 'ug_run', 500)) v(p, m, c), LATERAL finops.set_cap(p, m, c) \g /dev/null
SELECT count(*) FROM generate_series(1, 5) n, LATERAL finops.register_tenant('UG-' || n, 'T', currency => 'USD') a, LATERAL finops.bind_plan('UG-' || n, CASE n WHEN 5 THEN 'UG-L' ELSE 'UG-S' END, '2021-01-01') b \g /dev/null
-- one over 95 % twice, one once, one twice with another metric that the next plan would not hold, one at 94.9 %, one in the largest plan
SELECT finops.load_usage((SELECT jsonb_agg(jsonb_build_object('tenant_id', t, 'metric_code', m, 'usage_date', d, 'metric_value', v)) FROM (VALUES
	('UG-1', 'ug_gb', '2021-02-10', 97), ('UG-1', 'ug_gb', '2021-03-10', 95), ('UG-2', 'ug_gb', '2021-02-10', 50), ('UG-2', 'ug_gb', '2021-03-10', 120),
	('UG-3', 'ug_gb', '2021-02-10', 96), ('UG-3', 'ug_gb', '2021-03-10', 96), ('UG-3', 'ug_run', '2021-03-11', 59),
	('UG-4', 'ug_gb', '2021-02-10', 100), ('UG-4', 'ug_gb', '2021-03-10', 94.9), ('UG-5', 'ug_gb', '2021-02-10', 600), ('UG-5', 'ug_gb', '2021-03-10', 700)) v(t, m, d, v))) \g /dev/null
SELECT finops.refresh_usage('2021-02-01') \g /dev/null
SELECT is_empty($$SELECT * FROM finops.recommend_upgrades('2021-02-01')$$, 'one month is not enough');
SELECT finops.refresh_usage('2021-03-01') \g /dev/null
SELECT results_eq($$SELECT tenant_id, plan_code, metric_code, utilization, utilization_before, recommended_plan, price_difference FROM finops.recommend_upgrades('2021-03-01')$$,
	$$VALUES ('UG-1', 'UG-S', 'ug_gb', 0.95, 0.97, 'UG-M', 100::numeric), ('UG-3', 'UG-S', 'ug_gb', 0.96, 0.96, 'UG-L', 200), ('UG-5', 'UG-L', 'ug_gb', 1.4, 1.2, NULL, NULL)$$, 'two are: the cheapest plan that would do');
SELECT results_eq($$SELECT dedup_key, severity, payload ->> 'recommended_plan' FROM finops.outbox WHERE topic = 'plan_upgrade' ORDER BY 1$$,
	$$VALUES ('UG-1|UG-S|2021-03', 'info', 'UG-M'), ('UG-3|UG-S|2021-03', 'info', 'UG-L'), ('UG-5|UG-L|2021-03', 'info', NULL)$$, 'it is told');
SELECT finops.refresh_usage('2021-03-01') \g /dev/null
SELECT is((SELECT count(*) FROM finops.outbox WHERE topic = 'plan_upgrade'), 3::bigint, 'once');
SELECT is((SELECT next_call FROM finops.recommend_upgrades('2021-03-01') WHERE tenant_id = 'UG-1'), $$SELECT finops.change_plan('UG-1', 'UG-M', when_mode => 'scheduled')$$, 'with the call');
SELECT lives_ok((SELECT next_call FROM finops.recommend_upgrades('2021-03-01') WHERE tenant_id = 'UG-1'), 'that runs');
SELECT throws_ok($$SELECT finops.recommend_upgrades('2021-03-02')$$, '22023', NULL, 'a period begins a month');
SELECT throws_ok($$SELECT finops.recommend_upgrades(NULL)$$, '22004', NULL, 'and is said');
SELECT * FROM finish();
ROLLBACK;

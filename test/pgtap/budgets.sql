-- Budgets: scopes, periods, amounts, forecasts, burn rates, trees, guardrail;
-- every figure by hand from ten a day and a fee of 50 on each first.
BEGIN;
SELECT * FROM no_plan();
SET LOCAL search_path = public;
SET LOCAL client_min_messages = warning;

SELECT count(*) FROM finops.register_tenant('BU-1', 'one') a, finops.register_tenant('BU-2', 'two') b, finops.set_plan('BU-P', 0) c, finops.bind_plan('BU-1', 'BU-P', '2025-06-11'),
	finops.set_metric('bu_gb', 'GB', 'sum_daily') d, finops.set_metric('bu_peak', 'GB', 'peak_monthly') e \g /dev/null
CREATE FUNCTION pg_temp.spend(tenant text, day date, cost numeric, category text DEFAULT 'Usage', currency text DEFAULT 'USD') RETURNS void LANGUAGE sql AS $$
	INSERT INTO finops.cost_daily (billing_period, usage_date, source, provider, service, account_id, tenant_id, charge_category, currency, billed_cost, effective_cost, line_items)
	VALUES (date_trunc('month', day)::date, day, 'bu', 'AWS', 'BU-' || category, 'acc-' || tenant, tenant, category, currency, cost * 2, cost, 1) $$;
-- BU-1 from the 1st of January to the 20th of June, BU-2 one a day in June, and tax
SELECT count(pg_temp.spend('BU-1', d::date, 10 + CASE WHEN extract(day FROM d) = 1 THEN 50 ELSE 0 END)) FROM generate_series(timestamp '2025-01-01', '2025-06-20', '1 day') AS d \g /dev/null
SELECT count(pg_temp.spend('BU-2', d::date, 1)) FROM generate_series(timestamp '2025-06-01', '2025-06-20', '1 day') AS d \g /dev/null
SELECT pg_temp.spend('BU-1', '2025-06-10', 7, 'Tax') \g /dev/null
SELECT finops.set_fx_rate('EUR', '2025-06-01', 1.5) \g /dev/null
SELECT pg_temp.spend('BU-2', '2025-06-03', 4, 'Purchase', 'EUR') \g /dev/null

-- months alone, of which none is older than the days that are looked at
SELECT finops.set_budget('bu-alone', 400, 'tenant', 'BU-1') \g /dev/null
SELECT finops.refresh_budgets('2025-06-20') \g /dev/null
SELECT is(actual_usd, 257::numeric, 'a month alone') FROM budget_master WHERE budget_id = 'bu-alone';
DELETE FROM budget_master WHERE budget_id = 'bu-alone';
SELECT finops.set_budget(v.id, v.amount, v.scope, v.ref, v.period) FROM (VALUES
	('bu-tenant', 400::numeric, 'tenant', 'BU-1', 'monthly'), ('bu-plan', 400, 'plan', 'BU-P', 'monthly'), ('bu-all', 400, 'platform', NULL, 'monthly'),
	('bu-service', 400, 'service', 'BU-Usage', 'quarterly'), ('bu-account', 400, 'account', 'acc-BU-2', 'annual'), ('bu-day', 8, 'tenant', 'BU-1', 'daily'),
	('bu-zero', 0, 'tenant', 'BU-2', 'monthly'), ('bu-nothing', 10, 'tenant', 'BU-3', 'monthly'), ('bu-fiscal', 4000, 'tenant', 'BU-1', 'annual'),
	('bu-billed', 1000, 'tenant', 'BU-1', 'monthly'), ('bu-usage', 400, 'tenant', 'BU-1', 'monthly'), ('bu-once', 400, 'tenant', 'BU-1', 'monthly'),
	('bu-later', 1, 'tenant', 'BU-1', 'monthly')) AS v(id, amount, scope, ref, period) \g /dev/null
UPDATE budget_master SET fiscal_start = 4 WHERE budget_id = 'bu-fiscal';
UPDATE budget_master SET cost_basis = 'billed' WHERE budget_id = 'bu-billed';
UPDATE budget_master SET charges = 'usage' WHERE budget_id = 'bu-usage';
UPDATE budget_master SET recurring = false, period_start = '2025-03-01' WHERE budget_id = 'bu-once';
UPDATE budget_master SET effective_from = '2025-07-01', period_start = '2025-07-01' WHERE budget_id = 'bu-later';
SELECT is(finops.refresh_budgets('2025-06-20'), 12::bigint, 'every budget that is on is refreshed');

-- June to the 20th: BU-1 20 * 10 + 50 + 7, BU-2 20 + 4 EUR * 1.5; ten days to come
SELECT results_eq($$SELECT budget_id, period_start, period_end, actual_usd, forecast_usd FROM budget_master WHERE budget_id LIKE 'bu-%' AND budget_id <> 'bu-later' ORDER BY budget_id COLLATE "C"$$, $$VALUES
	('bu-account', date '2025-01-01', date '2025-12-31', 26::numeric, (26 + 194)::numeric),
	('bu-all', '2025-06-01', '2025-06-30', 283, 283 + 110),
	('bu-billed', '2025-06-01', '2025-06-30', 514, 514 + 200),
	('bu-day', '2025-06-20', '2025-06-20', 10, NULL),
	('bu-fiscal', '2025-04-01', '2026-03-31', 967, 967 + 2840 + 9 * 50),
	('bu-nothing', '2025-06-01', '2025-06-30', 0, 0),
	('bu-once', '2025-03-01', '2025-03-31', 360, 360),
	('bu-plan', '2025-06-01', '2025-06-30', 100, 100 + 100),
	('bu-service', '2025-04-01', '2025-06-30', 980, 980 + 110),
	('bu-tenant', '2025-06-01', '2025-06-30', 257, 257 + 100),
	('bu-usage', '2025-06-01', '2025-06-30', 250, 250 + 100),
	('bu-zero', '2025-06-01', '2025-06-30', 26, 36)$$,
	'actual and forecast of every scope and period');
SELECT results_eq($$SELECT budget_id, status, utilization, variance_pct, exhausted_on FROM budget_master WHERE budget_id IN ('bu-tenant', 'bu-all', 'bu-zero', 'bu-day', 'bu-service', 'bu-account', 'bu-usage') ORDER BY budget_id COLLATE "C"$$, $$VALUES
	('bu-account', 'ok', 0.065, -93.5, NULL::date), ('bu-all', 'ok', 0.7075, -29.25, NULL), ('bu-day', 'breached', 1.25, 25.0, NULL), ('bu-service', 'breached', 2.45, 145.0, '2025-06-20'),
	('bu-tenant', 'ok', 0.6425, -35.75, NULL), ('bu-usage', 'ok', 0.625, -37.5, NULL), ('bu-zero', 'breached', NULL, NULL, '2025-06-20')$$, 'status, use and the day on which it is used up');
-- 257 of 400 after 20 of 30 days; ten a day of 13.33
SELECT results_eq($$SELECT burn_rate, burn_windows, burn_level FROM budget_master WHERE budget_id = 'bu-tenant'$$, $$VALUES (0.9638, '{"1": 0.75, "2": 0.75, "3": 0.75, "7": 0.75, "14": 0.75}'::jsonb, NULL::text)$$, 'burn rates');
UPDATE budget_master SET target_usd = v.target FROM (VALUES ('bu-tenant', 50), ('bu-usage', 150), ('bu-plan', 170), ('bu-once', 260)) v(id, target) WHERE budget_id = v.id;
SELECT cmp_ok(finops.refresh_budgets('2025-06-20'), '=', 12::bigint, 'refreshed with less');
SELECT results_eq($$SELECT budget_id, burn_level, exhausted_on FROM budget_master WHERE budget_id IN ('bu-tenant', 'bu-usage', 'bu-plan', 'bu-once') ORDER BY budget_id COLLATE "C"$$, $$VALUES
	('bu-once', NULL, date '2025-03-31'), ('bu-plan', 'note', '2025-06-27'), ('bu-tenant', 'page', '2025-06-20'), ('bu-usage', 'ticket', '2025-06-20')$$, 'six times, twice, 1.2 times the pace');
UPDATE budget_master SET target_usd = 300 WHERE budget_id = 'bu-tenant';
SELECT cmp_ok(finops.refresh_budgets('2025-06-20'), '=', 12::bigint, 'and once more');
SELECT is(exhausted_on, date '2025-06-25', '43 that are left last for five days') FROM budget_master WHERE budget_id = 'bu-tenant';

-- thresholds in percent and as an amount
INSERT INTO finops.budget_threshold (budget_id, threshold_kind, threshold_pct, threshold_usd, severity) VALUES ('bu-tenant', 'forecast', 119, NULL, 'info'), ('bu-tenant', 'actual', NULL, 257.01, 'critical');
SELECT results_eq($$SELECT threshold_kind, threshold_pct, threshold_usd, observed_usd, crossed, severity FROM finops.budget_status WHERE budget_id = 'bu-tenant' ORDER BY 1, 3, 2$$, $$VALUES
	('actual', 80::numeric, 240::numeric, 257::numeric, true, 'warning'), ('actual', NULL, 257.01, 257, false, 'critical'), ('actual', 95, 285, 257, false, 'critical'), ('actual', 100, 300, 257, false, 'critical'),
	('forecast', 100, 300, 357, true, 'warning'), ('forecast', 119, 357, 357, true, 'info')$$, 'thresholds in percent and as an amount, at their edges');
SELECT results_eq($$SELECT budget_id, threshold_kind, crossed FROM finops.budget_status WHERE budget_id IN ('bu-nothing', 'bu-zero', 'bu-day') AND threshold_pct = 100 ORDER BY 1, 2$$, $$VALUES
	('bu-day', 'actual', true), ('bu-day', 'forecast', false), ('bu-nothing', 'actual', false), ('bu-nothing', 'forecast', false), ('bu-zero', 'actual', true), ('bu-zero', 'forecast', true)$$, 'no cost crosses nothing, a budget of 0 is crossed by any');
SELECT throws_ok(format('SELECT finops.set_budget(''bu-bad'', 1, thresholds => %L)', j), '22023', NULL, 'refused: ' || j) FROM unnest(ARRAY['[]', '{"warning": 0}', '{"warning": -1}', '{"critical": 11}', '{"warning": "x"}', '{"warn": 0.8}', '{"warning": 0.9, "critical": 0.8}', '1', '{"forecast": null}']) j;
SELECT throws_ok(format('INSERT INTO finops.budget_threshold VALUES (''bu-all'', %s)', v), '23514', NULL, 'refused: ' || v) FROM unnest(ARRAY['''actual'', 0, NULL', '''actual'', NULL, NULL', '''actual'', 80, 1', '''actual'', ''NaN'', NULL', '''actual'', NULL, ''Infinity''', '''usage'', 80, NULL']) v;
SELECT throws_ok(format('INSERT INTO budget_master (budget_id, target_usd, %s', v), '23514', NULL, 'refused: ' || v) FROM unnest(ARRAY['scope_type) VALUES (''bu-bad'', 1, ''tenant'')', 'scope_type, scope_ref) VALUES (''bu-bad'', 1, ''tag'', ''=x'')', 'period) VALUES (''bu-bad'', 1, ''hourly'')', 'auto_periods) VALUES (''bu-bad'', 1, 0)', 'parent_id) VALUES (''bu-bad'', 1, ''bu-bad'')', 'metric_type) VALUES (''bu-bad'', 1, ''platform_metric'')', 'fiscal_start) VALUES (''bu-bad'', ''NaN'', 1)']) v;

-- amounts by plan: after the last month its amount goes on
SELECT is(finops.plan_budget('bu-service', '{100,200}', '2025-04-01'), 2::bigint, 'two months are planned');
SELECT is(finops.plan_budget('bu-day', '{60,90}', '2025-05-01'), 2::bigint, 'of a daily budget too');
UPDATE budget_master SET amount_method = 'auto_history', auto_periods = 3, auto_adjust_pct = 10 WHERE budget_id = 'bu-tenant';
UPDATE budget_master SET amount_method = 'auto_history', auto_periods = 4 WHERE budget_id IN ('bu-zero', 'bu-nothing');
UPDATE budget_master SET amount_method = 'auto_forecast', auto_adjust_pct = -10 WHERE budget_id = 'bu-all';
SELECT cmp_ok(finops.refresh_budgets('2025-06-20'), '=', 12::bigint, 'amounts are set');
-- May 360, April 350, March 360; BU-2 had nothing before June; three a day of June's ninety
SELECT results_eq($$SELECT budget_id, target_usd FROM budget_master WHERE budget_id IN ('bu-service', 'bu-day', 'bu-tenant', 'bu-zero', 'bu-nothing', 'bu-all') ORDER BY budget_id COLLATE "C"$$, $$VALUES
	('bu-all', 353.7::numeric), ('bu-day', 3), ('bu-nothing', 10), ('bu-service', 500), ('bu-tenant', 392.33), ('bu-zero', 0)$$, 'planned and automatic amounts');
SELECT results_eq($$SELECT payload ->> 'budget_id', (payload ->> 'previous_usd')::numeric, (payload ->> 'amount_usd')::numeric FROM finops.outbox WHERE topic = 'budget_amount' AND dedup_key LIKE 'bu-%' ORDER BY 1$$,
	$$VALUES ('bu-all', 400::numeric, 353.7::numeric), ('bu-tenant', 300, 392.33)$$, 'a change of an automatic amount is told');
SELECT cmp_ok(finops.refresh_budgets('2025-06-20'), '=', 12::bigint, 'a second time');
SELECT is(target_usd, 392.33, 'an automatic amount is set once for a period') FROM budget_master WHERE budget_id = 'bu-tenant';
-- the next period: the last one is kept, the bill has not begun with it
SELECT is(finops.refresh_budgets('2025-07-02'), 13::bigint, 'July, and the budget that begins with it');
SELECT results_eq($$SELECT period_start, target_usd, actual_usd FROM finops.budget_history WHERE budget_id = 'bu-tenant'$$, $$VALUES (date '2025-06-01', 392.33, 257::numeric)$$, 'the period that is over is kept');
SELECT results_eq($$SELECT period_start, actual_usd, forecast_usd, burn_rate FROM budget_master WHERE budget_id = 'bu-usage'$$, $$VALUES (date '2025-07-01', 0::numeric, 360::numeric, NULL::numeric)$$, 'nothing is there, thirty-one days and a fee are expected');
SELECT is(data_through, date '2025-06-20', 'how far the bill is') FROM budget_master WHERE budget_id = 'bu-usage';
-- a last day that has not arrived in full is no model
SELECT pg_temp.spend('BU-1', '2025-06-21', 3) \g /dev/null
SELECT finops.refresh_budgets('2025-06-21') \g /dev/null
SELECT results_eq($$SELECT actual_usd, forecast_usd, data_through FROM budget_master WHERE budget_id = 'bu-usage'$$, $$VALUES (253::numeric, 353::numeric, date '2025-06-20')$$, 'what is there counts, the day does not');

-- usage of a metric and cost as allocated
SELECT count(*) FROM (VALUES ('BU-1', 'bu_gb', 5, date '2025-06-01'), ('BU-1', 'bu_gb', 7, '2025-06-02'), ('BU-2', 'bu_gb', 8, '2025-06-02'), ('BU-1', 'bu_peak', 9, '2025-06-01'), ('BU-1', 'bu_peak', 4, '2025-06-02')) u(t, m, v, d), LATERAL finops.record_usage(t, m, v, d) \g /dev/null
INSERT INTO budget_master (budget_id, scope_type, scope_ref, metric_type, metric_code, target_usd) VALUES ('bu-m1', 'tenant', 'BU-1', 'platform_metric', 'bu_gb', 100), ('bu-m2', 'platform', NULL, 'platform_metric', 'bu_gb', 100),
	('bu-m3', 'tenant', 'BU-1', 'platform_metric', 'bu_peak', 10), ('bu-c', 'tenant', 'BU-1', 'composite', NULL, 100), ('bu-o', 'platform', NULL, 'operator_overhead', NULL, 100);
CREATE TABLE finops.bu_entries PARTITION OF fact_cost_allocated FOR VALUES FROM ('2025-06-01') TO ('2025-07-01');
INSERT INTO fact_cost_allocated (tenant_id, period_start, period_end, service, category, rule_id, rule_version, run_id, kind, origin, currency, allocated_cost_usd) VALUES
	('BU-1', '2025-06-01', '2025-06-30', 's', 'c', 'r', 1, 1, 'direct', 'o', 'USD', 30), ('BU-1', '2025-06-01', '2025-06-30', 's', 'c', 'r', 1, 1, 'shared', 'o', 'EUR', 20), ('BU-2', '2025-06-01', '2025-06-30', 's', 'c', 'r', 1, 1, 'direct', 'o', 'USD', 5),
	(NULL, '2025-06-01', '2025-06-30', 's', 'c', 'r', 1, 1, 'overhead', 'o', 'USD', 11), (NULL, '2025-06-01', '2025-06-30', 's', 'c', 'r', 1, 1, 'unallocated', 'o', 'USD', 1000);
SELECT finops.refresh_budgets('2025-06-20') \g /dev/null
SELECT results_eq($$SELECT budget_id, actual_usd, forecast_usd FROM budget_master WHERE budget_id IN ('bu-m1', 'bu-m2', 'bu-m3', 'bu-c', 'bu-o') ORDER BY budget_id COLLATE "C"$$, $$VALUES
	('bu-c', 60::numeric, 90::numeric), ('bu-m1', 12, 180), ('bu-m2', 20, 300), ('bu-m3', 9, 9), ('bu-o', 11, 16.5)$$, 'units of a metric, cost as allocated, overhead');

-- a tree
SELECT is(finops.set_budget('bu-root', 1000), 'bu-root', 'a root');
SELECT count(finops.set_budget(id, amount, 'tenant', t, p, 'bu-root')) FROM (VALUES ('bu-k1', 600, 'BU-1', 'monthly'), ('bu-k2', 1200, 'BU-2', 'quarterly')) k(id, amount, t, p) \g /dev/null
SELECT is_empty($$SELECT FROM finops.budget_finding WHERE budget_id = 'bu-root'$$, '600 a month and 1200 a quarter are within 1000 a month');
SELECT finops.set_budget('bu-k1', 600.01) \g /dev/null
SELECT results_eq($$SELECT finding, detail FROM finops.budget_finding WHERE budget_id = 'bu-root'$$, $$VALUES ('children exceed parent', '2 parts are given 12000.12 a year, the budget has 12000')$$, 'a cent more is not');
SELECT throws_ok('SELECT finops.set_budget(''bu-root'', parent_id => ''bu-k1'')', '22023', NULL, 'no circle');
SELECT throws_ok('SELECT finops.set_budget(''bu-root'', parent_id => ''bu-none'')', '22023', 'there is no budget "bu-none"', 'no unknown parent');
UPDATE budget_master SET parent_id = 'bu-k1' WHERE budget_id = 'bu-root';
SELECT set_eq($$SELECT budget_id FROM finops.budget_finding WHERE finding = 'circular tree'$$, ARRAY['bu-root', 'bu-k1'], 'a circle that was made by hand is found');
UPDATE budget_master SET parent_id = NULL WHERE budget_id = 'bu-root';
SELECT set_eq($$SELECT budget_id FROM finops.budget_finding WHERE finding = 'unknown scope' AND budget_id LIKE 'bu-%'$$, ARRAY['bu-nothing'], 'a tenant that does not exist');
UPDATE budget_master SET last_refreshed_at = now() - interval '25 hours' WHERE budget_id = 'bu-k2';
SELECT set_eq($$SELECT budget_id FROM finops.budget_finding WHERE finding = 'stale' AND budget_id LIKE 'bu-%'$$, ARRAY['bu-k2'], 'stale after 24 hours');
SELECT is(m.stale, v.stale, v.id) FROM (VALUES ('bu-k1', false), ('bu-root', false)) v(id, stale) JOIN vw_budget_monitoring m ON m.budget_id = v.id;

-- the guardrail
SELECT is(finops.budget_guardrail('bu-root', 1000), 0::numeric, 'all of it may be spent');
SELECT throws_ok('SELECT finops.budget_guardrail(''bu-root'', 1000.01)', '23514', 'predicted cost 1000.01 exceeds budget "bu-root" by 0.01', 'a cent more not');
UPDATE budget_master SET forecast_usd = 900, actual_usd = 100 WHERE budget_id = 'bu-root';
UPDATE budget_master SET forecast_usd = 300, actual_usd = 100, target_usd = 500 WHERE budget_id = 'bu-k1';
SELECT is(finops.budget_guardrail('bu-k1', 100, true), 100::numeric, 'on top of the forecast');
SELECT throws_ok('SELECT finops.budget_guardrail(''bu-k1'', 101, true)', '23514', 'predicted cost 1001 exceeds budget "bu-root" by 1', 'the budget above it counts');
SELECT throws_ok(format('SELECT finops.budget_guardrail(%s)', v), state, NULL, 'refused: ' || v) FROM (VALUES ('''bu-none'', 1', '22023'), ('NULL, 1', '22004'), ('''bu-root'', NULL', '22004'), ('''bu-root'', ''NaN''', '22023'), ('''bu-root'', ''Infinity''', '22023'), ('''bu-root'', -1', '22023')) a(v, state);
SELECT throws_ok(v, state, NULL, 'refused: ' || v) FROM (VALUES ('SELECT finops.refresh_budgets(NULL)', '22004'), ('SELECT finops.refresh_budgets(''infinity'')', '22023'), ('SELECT finops.plan_budget(''bu-none'', ''{1}'')', '22023'), ('SELECT finops.plan_budget(''bu-root'', ''{}'')', '22023'),
	('SELECT finops.plan_budget(''bu-root'', ''{1}'', ''2025-06-02'')', '22023'), ('SELECT finops.plan_budget(''bu-root'', ''{-1}'')', '23514'), ('SELECT finops.set_budget(''bu-new'')', '22023'), ('SELECT finops.set_budget(NULL, 1)', '22004'), ('SELECT finops.set_budget(''bu-new'', -1)', '23514')) a(v, state);
SELECT * FROM finish();
ROLLBACK;

-- Usage, quotas, top-ups and balances, by hand.
BEGIN;
SELECT * FROM no_plan();
SET LOCAL search_path = public;
SET LOCAL client_min_messages = warning;

SELECT count(*) FROM finops.set_metric('us_gb', 'GB', 'sum_daily') a, finops.set_metric('us_peak', 'GB', 'peak_monthly') b, finops.set_metric('us_avg', 'load', 'avg') c,
	finops.set_plan('US-P', 0) d, finops.register_tenant('US-T', 'T') e, finops.register_tenant('US-H', 'half') f, finops.bind_plan('US-T', 'US-P', '2026-03-01') g, finops.bind_plan('US-H', 'US-P', '2026-03-17', '2026-03-31') h \g /dev/null
SELECT throws_ok(s, state, NULL, s) FROM (VALUES ('SELECT finops.set_metric(''us_gb'', ''MB'')', '55000'), ('SELECT finops.set_metric(''us_x'')', '22023'), ('SELECT finops.set_metric(''us_x'', ''GB'', ''median'')', '22023'),
	('SELECT finops.set_cap(''US-P'', ''us_gb'', -1)', '22023'), ('SELECT finops.set_cap(''US-P'', ''us_gb'', ''NaN'')', '22023'), ('SELECT finops.set_cap(''US-P'', ''us_x'', 1)', 'P0002'), ('SELECT finops.set_cap(''US-X'', ''us_gb'', 1)', 'P0002'),
	('SELECT finops.set_cap(''US-P'', ''us_gb'', 1, action_on_100 => ''stop'')', '22023')) v(s, state);
SELECT count(*) FROM finops.set_cap('US-P', 'us_gb', 100, action_on_100 => 'topup') a, finops.set_cap('US-P', 'us_peak', 500, threshold_80 => 450) b, finops.set_cap('US-P', 'us_avg', 10) c \g /dev/null

-- recording
SELECT throws_ok(format('SELECT finops.record_usage(%s)', a), state, NULL, 'refused: ' || a) FROM (VALUES
	('''US-T'', ''us_gb'', -0.001, ''2026-03-01''', '22023'), ('''US-T'', ''us_gb'', ''NaN'', ''2026-03-01''', '22023'), ('''US-T'', ''us_gb'', ''Infinity'', ''2026-03-01''', '22023'),
	('''US-T'', ''us_x'', 1, ''2026-03-01''', 'P0002'), ('''US-X'', ''us_gb'', 1, ''2026-03-01''', 'P0002'), ('''US-T'', ''us_gb'', 1, ''infinity''', '22023'), ('NULL, ''us_gb'', 1', '22004')) v(a, state);
SELECT is(finops.load_usage(jsonb_agg(jsonb_build_object('tenant_id', 'US-T', 'metric_code', 'us_gb', 'usage_date', date '2026-03-01' + d, 'metric_value', v))), 6::bigint, 'many days at once')
FROM (VALUES (0, 79.9), (1, 0.1), (2, 12), (3, 3), (4, 4.999999), (5, 0)) u(d, v);
SELECT throws_ok(format('SELECT finops.load_usage(%L)', j), '22023', NULL, 'refused: ' || j) FROM unnest(ARRAY['{}', '[{"tenant_id": "US-T"}]', '[{"tenant_id": "US-T", "metric_code": "us_gb", "usage_date": "2026-03-09", "metric_value": -1}]',
	'[{"tenant_id": "US-X", "metric_code": "us_gb", "usage_date": "2026-03-09", "metric_value": 1}]', '[{"tenant_id": "US-T", "metric_code": "us_gb", "usage_date": "2026-03-09", "metric_value": 1}, {"tenant_id": "US-T", "metric_code": "us_gb", "usage_date": "2026-03-09", "metric_value": 2}]']) j;
SELECT count(*) FROM finops.record_usage('US-T', 'us_peak', 400, '2026-03-01') a, finops.record_usage('US-T', 'us_peak', 449, '2026-03-02') b, finops.record_usage('US-T', 'us_peak', 450, '2026-03-03') c, finops.record_usage('US-T', 'us_peak', 10, '2026-03-04') d,
	finops.record_usage('US-T', 'us_avg', 8, '2026-03-01') e, finops.record_usage('US-T', 'us_avg', 12, '2026-03-02') f, finops.record_usage('US-H', 'us_gb', 30, '2026-03-20') g \g /dev/null
SELECT cmp_ok(finops.refresh_usage('2026-03-01'), '=', 13::bigint, 'every row gets its cap');
SELECT is(finops.refresh_usage('2026-03-01'), 0::bigint, 'computing again changes nothing');
SELECT results_eq($$SELECT metric_code, usage_date - date '2026-03-01', cap_value, utilization, quota_event FROM usage_snapshot_daily WHERE tenant_id = 'US-T' ORDER BY 1, 2$$,
	$$VALUES ('us_avg', 0, 10::numeric, 0.8::numeric, 'EVENT_QUOTA_80'), ('us_avg', 1, 10, 1, 'EVENT_QUOTA_100'),
	('us_gb', 0, 100, 0.799, NULL), ('us_gb', 1, 100, 0.8, 'EVENT_QUOTA_80'), ('us_gb', 2, 100, 0.92, 'EVENT_QUOTA_80'), ('us_gb', 3, 100, 0.95, 'EVENT_QUOTA_95'), ('us_gb', 4, 100, 0.99999999, 'EVENT_QUOTA_95'), ('us_gb', 5, 100, 0.99999999, 'EVENT_QUOTA_95'),
	('us_peak', 0, 500, 0.8, NULL), ('us_peak', 1, 500, 0.898, NULL), ('us_peak', 2, 500, 0.9, 'EVENT_QUOTA_80'), ('us_peak', 3, 500, 0.9, 'EVENT_QUOTA_80')$$,
	'sums add up, peaks stay, means move; thresholds at their edges and by the plan''s own');
SELECT is((SELECT cap_value FROM usage_snapshot_daily WHERE tenant_id = 'US-H'), 48.387097, 'a cap of 15 of 31 days');
SELECT results_eq($$SELECT dedup_key, severity FROM finops.outbox WHERE topic = 'quota_event' AND dedup_key LIKE 'US-%' ORDER BY outbox_id$$,
	$$VALUES ('US-T|us_avg|2026-03|80|2026-03-01', 'info'), ('US-T|us_avg|2026-03|95|2026-03-02', 'warning'), ('US-T|us_avg|2026-03|100|2026-03-02|10', 'critical'),
	('US-T|us_gb|2026-03|80|2026-03-02', 'info'), ('US-T|us_gb|2026-03|95|2026-03-04', 'warning'), ('US-T|us_peak|2026-03|80|2026-03-03', 'info')$$, 'one message for each crossing');

-- a day that arrives late makes a crossing an earlier one
SELECT count(*) FROM finops.record_usage('US-T', 'us_peak', 451, '2026-03-02') \g /dev/null
SELECT count(finops.refresh_usage('2026-03-01')) \g /dev/null
SELECT is((SELECT count(*) FROM finops.outbox WHERE dedup_key LIKE 'US-T|us_peak|%'), 1::bigint, 'not a second one');
SELECT count(*) FROM finops.record_usage('US-T', 'us_peak', 449, '2026-03-02') \g /dev/null

-- projection: 100 - 0.000001 in six days
SELECT results_eq($$SELECT value_to_date, days_elapsed, days_total, projected_value, projected_utilization, cap_reached_on FROM finops.usage_projection('2026-03-01', '2026-03-06') WHERE tenant_id = 'US-T' AND metric_code = 'us_gb'$$,
	$$VALUES (99.999999, 6, 31, 516.666661500000, 5.166666615000, date '2026-03-07')$$, 'the daily mean to the end of the month');
SELECT is((SELECT projected_value FROM finops.usage_projection('2026-03-01', '2026-03-06') WHERE metric_code = 'us_peak'), 450::numeric, 'a peak stays');
SELECT throws_ok($$SELECT * FROM finops.usage_projection('2026-03-01', '2026-02-28')$$, '22023', NULL, 'not before the month');

-- automatic top-ups: two of 10 are agreed, reaching 125 of 100 asks for three
SELECT count(*) FROM finops.set_topup_sku('US-10', 'us_gb', 10, 4.5, 'USD', effective_from => '2026-01-01') a, finops.set_topup_sku('US-50', 'us_gb', 50, 20, 'USD', rollover_months => 1, effective_from => '2026-01-01') b,
	finops.set_topup_sku('US-OP', 'us_gb', 5, 1, 'USD', operator_only => true, effective_from => '2026-01-01') c \g /dev/null
SELECT count(*) FROM finops.record_usage('US-T', 'us_gb', 25.000001, '2026-03-07') \g /dev/null
SELECT count(finops.refresh_usage('2026-03-01')) \g /dev/null
SELECT is_empty($$SELECT * FROM topup_ledger WHERE tenant_id = 'US-T'$$, 'nothing is bought without consent');
SELECT is((SELECT quota_event || cap_value FROM usage_snapshot_daily WHERE tenant_id = 'US-T' AND metric_code = 'us_gb' AND usage_date = '2026-03-07'), 'EVENT_QUOTA_100100', 'the cap is reached');
SELECT count(*) FROM finops.consent_topup('US-T', 'US-10', 2) \g /dev/null
SELECT count(finops.refresh_usage('2026-03-01')) \g /dev/null
SELECT results_eq($$SELECT topup_id, quantity, topup_value, amount, effective_from, effective_to, automatic FROM topup_ledger WHERE tenant_id = 'US-T'$$,
	$$VALUES ('AUTO-US-T-US-10-202603-1', 2, 20::numeric, 9.0::numeric, date '2026-03-07', date '2026-03-31', true)$$, 'as many as were agreed');
SELECT is((SELECT cap_value FROM usage_snapshot_daily WHERE tenant_id = 'US-T' AND metric_code = 'us_gb' AND usage_date = '2026-03-07'), 120::numeric, 'they raise the cap from their day on');
SELECT is((SELECT count(*) FROM finops.outbox WHERE dedup_key LIKE 'US-T|us_gb|2026-03|100|%'), 2::bigint, 'the raised cap is crossed again');
SELECT is((SELECT count(*) FROM finops.outbox WHERE dedup_key LIKE 'US-T|us_gb|2026-03|80|%' OR dedup_key LIKE 'US-T|us_gb|2026-03|95|%'), 2::bigint, 'the thresholds below it are not told again');
SELECT is(finops.refresh_usage('2026-03-01'), 0::bigint, 'and nothing is bought twice');
SELECT count(*) FROM finops.consent_topup('US-T', 'US-10', 3) \g /dev/null
SELECT count(finops.refresh_usage('2026-03-01')) \g /dev/null
SELECT is((SELECT array_agg(topup_id || ' ' || quantity ORDER BY topup_id) FROM topup_ledger WHERE tenant_id = 'US-T'), ARRAY['AUTO-US-T-US-10-202603-1 2', 'AUTO-US-T-US-10-202603-2 1'], 'one more when one more is agreed');
SELECT is((SELECT quota_event FROM usage_snapshot_daily WHERE tenant_id = 'US-T' AND metric_code = 'us_gb' AND usage_date = '2026-03-07'), 'EVENT_QUOTA_95', 'then the month is below its cap');

-- by hand: once per id, offered, in an open month
SELECT is((SELECT status || quantity FROM finops.top_up('US-T', 'US-50', 1, 'US-A', at => '2026-03-08 10:00+00')), 'active1', 'a top-up');
SELECT is((SELECT count(*) FROM finops.top_up('US-T', 'US-50', 1, 'US-A', at => '2026-03-08 10:00+00')), 1::bigint, 'the same id again is the same purchase');
SELECT is((SELECT received FROM finops.usage_balance WHERE lot_id = 'US-A'), 50::numeric, 'with one lot');
SELECT throws_ok(s, state, NULL, s) FROM (VALUES ('SELECT finops.top_up(''US-T'', ''US-50'', 2, ''US-A'', at => ''2026-03-08'')', '23505'), ('SELECT finops.top_up(''US-T'', ''US-50'', 0)', '22023'), ('SELECT finops.top_up(''US-T'', ''US-X'')', 'P0002'),
	('SELECT finops.top_up(''US-X'', ''US-50'')', 'P0002'), ('SELECT finops.top_up(''US-T'', ''US-50'', at => ''2025-12-31'')', '55000'), ('SELECT finops.set_topup_sku(''US-50'', ''us_gb'', 60, 20)', '55000'),
	('SELECT finops.set_topup_sku(''US-60'', ''us_gb'', 0, 20)', '22023'), ('SELECT finops.set_topup_sku(''US-60'', ''us_gb'', 60, ''NaN'')', '22023'), ('SELECT finops.set_topup_sku(''US-60'', ''us_gb'', 60, 1, ''ZZZ'')', '22023')) v(s, state);

-- drawdown: the lot that expires first before the others
SELECT count(finops.refresh_usage('2026-03-01')) \g /dev/null
SELECT results_eq($$SELECT lot_id, received, used, expired, balance FROM finops.usage_balance WHERE tenant_id = 'US-T' ORDER BY 1$$,
	$$VALUES ('AUTO-US-T-US-10-202603-1', 20::numeric, 20::numeric, 0::numeric, 0::numeric), ('AUTO-US-T-US-10-202603-2', 10, 10, 0, 0), ('US-A', 50, 50, 0, 0)$$, 'prepaid units are used first');
SELECT count(*) FROM finops.record_usage('US-T', 'us_gb', 0.1, '2026-03-01') a, finops.record_usage('US-T', 'us_gb', 0, '2026-03-07') b \g /dev/null
SELECT count(finops.refresh_usage('2026-03-01')) \g /dev/null
SELECT results_eq($$SELECT lot_id, used, balance FROM finops.usage_balance WHERE tenant_id = 'US-T' ORDER BY 1$$,
	$$VALUES ('AUTO-US-T-US-10-202603-1', 20::numeric, 0::numeric), ('AUTO-US-T-US-10-202603-2', 0.199999, 9.800001), ('US-A', 0, 50)$$, 'less usage gives prepaid units back: 20.199999 used');
SELECT count(finops.refresh_usage('2026-04-01')) \g /dev/null
SELECT results_eq($$SELECT lot_id, expired, balance FROM finops.usage_balance WHERE tenant_id = 'US-T' ORDER BY 1$$,
	$$VALUES ('AUTO-US-T-US-10-202603-1', 0::numeric, 0::numeric), ('AUTO-US-T-US-10-202603-2', 9.800001, 0), ('US-A', 0, 50)$$, 'what is left expires with its month, or rolls over');
SELECT count(*) FROM finops.record_usage('US-T', 'us_gb', 30, '2026-04-02') \g /dev/null
SELECT count(finops.refresh_usage('2026-04-01')), count(finops.refresh_usage('2026-05-01')) \g /dev/null
SELECT is((SELECT used || ' ' || expired || ' ' || balance FROM finops.usage_balance WHERE lot_id = 'US-A'), '30 20 0', 'a lot that rolled over is used, then expires');
SELECT is((SELECT cap_value FROM usage_snapshot_daily WHERE tenant_id = 'US-T' AND usage_date = '2026-04-02'), 150::numeric, 'and raised the cap meanwhile');
SELECT is_empty($$SELECT lot_id FROM finops.usage_balance WHERE received <> used + expired + balance OR balance < 0$$, 'received = used + expired + balance');
SELECT throws_ok($$UPDATE finops.usage_balance_entry SET quantity = 1$$, '55000', NULL, 'entries are not changed');
SELECT throws_ok($$DELETE FROM finops.usage_balance_entry$$, '55000', NULL, 'nor removed');

-- pending top-ups add nothing until they are settled
SELECT count(*) FROM finops.top_up('US-H', 'US-10', 1, 'US-B', 'bank 1', '2026-03-20 10:00+00', true) a \g /dev/null
SELECT is_empty($$SELECT * FROM finops.usage_balance WHERE lot_id = 'US-B'$$, 'a pending top-up is no lot');
SELECT is((SELECT status FROM finops.settle_topup('US-B', 'active')), 'active', 'it is paid');
SELECT is((SELECT balance FROM finops.usage_balance WHERE lot_id = 'US-B'), 10::numeric, 'and a lot');
SELECT throws_ok($$SELECT finops.settle_topup('US-B', 'failed')$$, '55000', NULL, 'an active one does not fail');
SELECT is((SELECT status FROM finops.settle_topup('US-B', 'reversed')), 'reversed', 'but can be reversed');
SELECT is((SELECT balance FROM finops.usage_balance WHERE lot_id = 'US-B'), 0::numeric, 'its lot with it');
SELECT throws_ok($$SELECT finops.settle_topup('US-A', 'reversed')$$, '55000', 'top-up "US-A" has been used', 'one that was used cannot');

-- transactions, and frozen rows
SELECT count(*) FROM finops.record_usage('US-H', 'us_gb', 5, event_id => 'e1', occurred_at => '2026-03-21 10:00+00') a, finops.record_usage('US-H', 'us_gb', 7, event_id => 'e2', occurred_at => '2026-03-21 11:00+00') b, finops.record_usage('US-H', 'us_gb', 7, event_id => 'e2', occurred_at => '2026-03-21 11:00+00') c \g /dev/null
SELECT is((SELECT metric_value FROM usage_snapshot_daily WHERE tenant_id = 'US-H' AND usage_date = '2026-03-21'), 12::numeric, 'a day is the sum of its transactions, each once');
SELECT throws_ok($$SELECT finops.record_usage('US-H', 'us_gb', 8, event_id => 'e2', occurred_at => '2026-03-21 11:00+00')$$, '23505', NULL, 'an event does not change');
UPDATE usage_snapshot_daily SET frozen = true WHERE tenant_id = 'US-H' AND usage_date = '2026-03-21';
SELECT throws_ok($$UPDATE usage_snapshot_daily SET metric_value = 1 WHERE tenant_id = 'US-H' AND usage_date = '2026-03-21'$$, '55000', NULL, 'frozen usage does not change');
INSERT INTO period_lock (period_start, period_end, state) VALUES ('2026-03-01', '2026-03-31', 'LOCKED') ON CONFLICT (period_start) DO UPDATE SET state = 'LOCKED';
SELECT throws_ok(s, '55000', NULL, s) FROM unnest(ARRAY['SELECT finops.record_usage(''US-T'', ''us_gb'', 1, ''2026-03-31'')', 'SELECT finops.refresh_usage(''2026-03-01'')', 'SELECT finops.top_up(''US-T'', ''US-10'', at => ''2026-03-31'')']) s;

SELECT * FROM finish();
ROLLBACK;

-- Usage of a month that is locked: frozen, what comes late is billed with the
-- next month, and free again where the month is opened.
BEGIN;
SELECT plan(28);
SET LOCAL client_min_messages = warning;
CREATE FUNCTION pg_temp.bill(month date, cost numeric) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TABLE finops.fact_cost_raw_%s PARTITION OF fact_cost_raw FOR VALUES FROM (%L) TO (%L)', to_char(month, 'YYYY_MM'), month, (month + interval '1 month')::date);
	INSERT INTO fact_cost_raw (bill_billing_period_start_date, line_item_usage_start_date, provider, service, charge_category, billed_cost, effective_cost, tenant_id, source, delivery_id)
	VALUES (month, month, 'AWS', 'EC2', 'Usage', cost, cost, 'uf-a', 'AWS/1', 0);
	PERFORM finops.rebuild_rollup(month);
END $$;
CREATE FUNCTION pg_temp.close(month date) RETURNS text LANGUAGE plpgsql AS $$
DECLARE step text; stopped text;
BEGIN
	PERFORM finops.begin_close(month, false);
	FOR step IN SELECT unnest(ARRAY['readiness', 'tags', 'allocation', 'reconciliation', 'documents', 'control', 'issue']) LOOP
		IF stopped IS NULL THEN
			PERFORM finops.close_step(month, step);
			stopped := finops.close_verdict(month, step, false);
		END IF;
	END LOOP;
	RETURN finops.end_close(month, false, stopped);
END $$;
SELECT count(*) FROM finops.set_issuer('Example Ltd', 'x, DE', 'DE1', number_format => 'UF{SEQ:5}', credit_number_format => 'UFC{SEQ:5}') \g /dev/null
SELECT count(*) FROM finops.set_metric('uf_call', 'call', 'sum_daily') a, finops.set_metric('uf_pay', 'USD', 'sum_daily') b, finops.set_metric('uf_peak', 'GB', 'peak_monthly') c \g /dev/null
SELECT count(*) FROM finops.set_plan('UF', 100) \g /dev/null
SELECT count(*) FROM finops.set_plan_price('UF', 'Calls', 'standard', 'uf_call', 0.01) a, finops.set_plan_price('UF', 'Payments', 'percentage', 'uf_pay', rate_pct => 2) b,
	finops.set_plan_price('UF', 'Storage', 'standard', 'uf_peak', 3) c \g /dev/null
SELECT count(*) FROM finops.register_tenant('uf-a', 'A', '{"address": "x, DE"}', '{"rate_pct": 19}', currency => 'USD') \g /dev/null
SELECT count(*) FROM finops.bind_plan('uf-a', 'UF', '2020-01-01') \g /dev/null
-- by use alone, and there was none: a document of 0 that is not issued
SELECT count(*) FROM finops.set_plan('UF-USE', 0) a, finops.set_plan_price('UF-USE', 'Calls', 'standard', 'uf_call', 0.01) b, finops.register_tenant('uf-b', 'B', '{"address": "x, DE"}', '{"rate_pct": 19}', currency => 'USD') c \g /dev/null
SELECT count(*) FROM finops.bind_plan('uf-b', 'UF-USE', '2020-01-01') a, finops.register_tenant('uf-c', 'C', billing_mode => 'showback') b \g /dev/null
SELECT pg_temp.bill('2020-01-01', 50), pg_temp.bill('2020-02-01', 60) \g /dev/null
SELECT count(*) FROM finops.record_usage('uf-c', 'uf_call', 400, '2020-01-10') \g /dev/null
SELECT count(*) FROM finops.record_usage('uf-a', 'uf_call', 1000, '2020-01-10') a, finops.record_usage('uf-a', 'uf_peak', 7, '2020-01-11') b,
	finops.record_usage('uf-a', 'uf_pay', 200, '2020-01-12', event_id => 'p1', occurred_at => '2020-01-12 10:00+00') c \g /dev/null
SELECT throws_ok($$SELECT finops.record_late_usage('uf-a', 'uf_call', 1, '2020-01-10')$$, '55000', NULL, 'usage of an open month is not late');
SELECT matches(pg_temp.close('2020-01-01'), '^closed', 'the month is closed');
SELECT is((SELECT array_agg(DISTINCT frozen) FROM usage_snapshot_daily WHERE tenant_id = 'uf-a'), ARRAY[true], 'its usage is frozen');
SELECT is((SELECT subtotal FROM invoice_header WHERE tenant_id = 'uf-a'), 100 + 50 + 10 + 21 + 4.00, 'its invoice has the usage');
SELECT is_empty($$SELECT * FROM finops.verify_period('2020-01-01')$$, 'and its seal holds');
SELECT throws_ok($$UPDATE usage_snapshot_daily SET metric_value = 0 WHERE tenant_id = 'uf-a'$$, '55000', NULL, 'whoever writes');
SELECT throws_ok($$SELECT finops.record_usage('uf-a', 'uf_call', 1, '2020-01-10')$$, '55000', 'billing period 2020-01 is locked', 'recording is refused');

-- what comes late
SELECT is((SELECT (metric_value, event_id IS NULL)::text FROM finops.record_late_usage('uf-a', 'uf_call', 1500, '2020-01-10', reason => 'meter was down')), '(1500,t)', 'the day as it was');
SELECT is((SELECT count(*) FROM finops.record_late_usage('uf-a', 'uf_call', 1500, '2020-01-10') a JOIN finops.late_usage b ON b.late_id <= a.late_id), 1::bigint, 'again the same changes nothing');
SELECT lives_ok($$SELECT finops.record_late_usage('uf-a', 'uf_call', 250, '2020-01-31')$$, 'a day that had none');
SELECT is((SELECT metric_value FROM finops.record_late_usage('uf-a', 'uf_pay', 50, '2020-01-12', event_id => 'p2')), 250::numeric, 'one transaction more: the day has both');
SELECT is((SELECT count(*) FROM finops.record_late_usage('uf-a', 'uf_pay', 50, '2020-01-12', event_id => 'p2')), 1::bigint, 'once');
SELECT is((SELECT count(*) FROM finops.late_usage WHERE event_id = 'p2'), 1::bigint, 'and not twice');
SELECT throws_ok($$SELECT finops.record_late_usage('uf-a', 'uf_pay', 51, '2020-01-12', event_id => 'p2')$$, '23505', NULL, 'not with other values');
SELECT throws_ok($$SELECT finops.record_late_usage('uf-a', 'uf_pay', 200, '2020-01-12', event_id => 'p1')$$, '23505', NULL, 'not what the month has already');
SELECT throws_ok($$SELECT finops.record_late_usage('uf-a', 'uf_call', -1, '2020-01-12')$$, '22023', NULL, 'not below zero');
SELECT is((SELECT metric_value FROM finops.record_late_usage('uf-a', 'uf_peak', 5, '2020-01-11', event_id => 'k1')), 7::numeric, 'a transaction beside a value of the day: below the peak');
SELECT is((SELECT array_agg(r.metric_value) FROM generate_series(1, 2) n, LATERAL finops.record_late_usage('uf-c', 'uf_call', 5, '2020-01-10', event_id => 'c' || n) r), ARRAY[405, 410]::numeric[], 'each on top of it');
SELECT throws_ok($$UPDATE finops.late_usage SET metric_value = 1$$, '55000', NULL, 'what is recorded stays');
SELECT is((SELECT array_agg(status) FROM invoice_header WHERE tenant_id = 'uf-b'), ARRAY['open'], 'a tenant without use has no invoice of the month');
SELECT count(*) FROM finops.record_late_usage('uf-b', 'uf_call', 300, '2020-01-15') \g /dev/null
SELECT count(*) FROM finops.allocate('2020-02-01') a, finops.prepare_invoices('2020-02-01') b \g /dev/null
SELECT results_eq($$SELECT metric_code, quantity, amount, service_period_start, service_period_end FROM invoice_detail WHERE tenant_id = 'uf-b' AND period_start = '2020-02-01' AND reference_ids ? 'late_month'$$,
	$$VALUES ('uf_call', 300::numeric, 3.00, '2020-01-01'::date, '2020-01-31'::date)$$, 'use that is known later stands on its next document');
-- 0.01 x (1500 + 250 - 1000), 2 % of 50
SELECT results_eq($$SELECT metric_code, quantity, amount, service_period_start, service_period_end FROM invoice_detail WHERE tenant_id = 'uf-a' AND period_start = '2020-02-01' AND reference_ids ? 'late_month' ORDER BY metric_code, line_no$$,
	$$VALUES ('uf_call', 750::numeric, 7.50, '2020-01-01'::date, '2020-01-31'::date), ('uf_pay', -200, -4.00, '2020-01-01', '2020-01-31'), ('uf_pay', 250, 5.00, '2020-01-01', '2020-01-31')$$, 'the next document bills the difference for the month it was');
SELECT is((SELECT subtotal FROM invoice_header WHERE tenant_id = 'uf-a' AND period_start = '2020-01-01'), 185.00, 'the invoice of the month stays');
SELECT is_empty($$SELECT * FROM finops.verify_period('2020-01-01')$$, 'so does the seal');
SELECT lives_ok($$SELECT finops.record_late_usage('uf-a', 'uf_peak', 6, '2020-01-20')$$, 'a value below the peak');
SELECT count(*) FROM finops.prepare_invoices('2020-02-01') \g /dev/null
SELECT is((SELECT sum(amount) FROM invoice_detail WHERE tenant_id = 'uf-a' AND period_start = '2020-02-01' AND reference_ids ? 'late_month'), 8.50, 'changes nothing');

-- opened again
CREATE ROLE uf_one; CREATE ROLE uf_two;
GRANT USAGE ON SCHEMA finops TO uf_one, uf_two;
GRANT EXECUTE ON FUNCTION finops.reopen_period(date, text), finops.approve_reopen(bigint, text), finops.record_usage(text, text, numeric, date, text, timestamptz, numeric) TO uf_one, uf_two;
SET SESSION AUTHORIZATION uf_one;
SELECT finops.reopen_period('2020-01-01', 'usage') AS request \gset
SET SESSION AUTHORIZATION uf_two;
SELECT finops.approve_reopen(:request, 'ok') \g /dev/null
RESET SESSION AUTHORIZATION;
SELECT is((SELECT array_agg(DISTINCT frozen) FROM usage_snapshot_daily WHERE tenant_id = 'uf-a'), ARRAY[false], 'its usage is free');
SELECT count(*) FROM finops.record_usage('uf-a', 'uf_call', 1100, '2020-01-10') \g /dev/null
UPDATE usage_snapshot_daily SET last_updated_at = clock_timestamp() WHERE metric_code = 'uf_call' AND usage_date = '2020-01-10';
SELECT count(*) FROM finops.prepare_invoices('2020-02-01') \g /dev/null
SELECT is((SELECT amount FROM invoice_detail WHERE tenant_id = 'uf-a' AND period_start = '2020-02-01' AND reference_ids ? 'late_month' AND metric_code = 'uf_call'), 3.50, 'what is recorded since holds');
SELECT * FROM finish();
ROLLBACK;

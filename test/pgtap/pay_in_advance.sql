-- Plans that are paid in advance: the coming month on the document of this
-- one, changes since on the month's own, revenue in the month that is served.
BEGIN;
SELECT plan(17);
SET LOCAL client_min_messages = warning;
CREATE TABLE finops.fact_cost_allocated_2021_09 PARTITION OF fact_cost_allocated FOR VALUES FROM ('2021-09-01') TO ('2021-10-01');
CREATE TABLE finops.fact_cost_allocated_2021_10 PARTITION OF fact_cost_allocated FOR VALUES FROM ('2021-10-01') TO ('2021-11-01');
CREATE TABLE finops.fact_cost_allocated_2021_11 PARTITION OF fact_cost_allocated FOR VALUES FROM ('2021-11-01') TO ('2021-12-01');
INSERT INTO fact_cost_allocated (tenant_id, period_start, period_end, service, category, rule_id, rule_version, run_id, kind, origin, currency, allocated_cost_usd)
SELECT 'AD-1', m, m + 27, 'S1', 'OTHER', 'direct-tag', 1, 1, 'direct', 'o', 'USD', 5 FROM unnest(ARRAY['2021-09-01', '2021-10-01', '2021-11-01']::date[]) m;
INSERT INTO finops.period_gate (period_start, gate, position, status) SELECT m, 'reconciliation', 3, 'ok' FROM unnest(ARRAY['2021-09-01', '2021-10-01', '2021-11-01']::date[]) m;
SELECT count(*) FROM finops.set_issuer('Example Ltd', '1 High Street', 'DE1', number_format => 'AD{SEQ:5}', credit_number_format => 'ADC{SEQ:5}') \g /dev/null
SELECT count(*) FROM finops.set_plan('AD-A', 300, pay_in_advance => true) a, finops.set_plan('AD-B', 310, pay_in_advance => true) b, finops.set_plan('AD-C', 40) c \g /dev/null
SELECT count(*) FROM finops.set_plan_price('AD-A', 'Seats', 'standard', 'seats', 25) a, finops.set_plan_price('AD-B', 'Seats', 'standard', 'seats', 25) b \g /dev/null
SELECT count(*) FROM generate_series(1, 3) n, LATERAL finops.register_tenant('AD-' || n, 'A' || n, '{"address": "x"}', '{"rate_pct": 19}', seats => CASE n WHEN 1 THEN 2 END) \g /dev/null
SELECT count(*) FROM finops.bind_plan('AD-1', 'AD-A', '2021-09-10') a, finops.bind_plan('AD-2', 'AD-A', '2021-10-01', '2021-10-31') b, finops.bind_plan('AD-3', 'AD-C', '2021-09-01') c \g /dev/null

SELECT count(*) FROM finops.issue_invoices('2021-09-01') \g /dev/null
CREATE FUNCTION pg_temp.lines(tenant text, month date) RETURNS TABLE (line_type text, quantity numeric, unit text, amount numeric, first date, last date) LANGUAGE sql AS $$
	SELECT d.line_type, d.quantity, d.unit, d.amount, d.service_period_start, d.service_period_end FROM invoice_detail d
	WHERE d.tenant_id = tenant AND d.period_start = month AND d.line_type <> 'allocation' ORDER BY d.line_no $$;
SELECT results_eq($$SELECT * FROM pg_temp.lines('AD-1', '2021-09-01')$$, $$VALUES ('subscription', 21::numeric, 'day', 210.00, '2021-09-10'::date, '2021-09-30'::date),
	('subscription', 1, 'month', 300.00, '2021-10-01', '2021-10-31'), ('seat', 2, 'seat', 35.00, '2021-09-10', '2021-09-30'), ('seat', 2, 'seat', 50.00, '2021-10-01', '2021-10-31')$$,
	'the first document has the rest of the month and all of the next');
SELECT results_eq($$SELECT * FROM pg_temp.lines('AD-2', '2021-09-01')$$, $$VALUES ('subscription', 1::numeric, 'month', 300.00, '2021-10-01'::date, '2021-10-31'::date)$$,
	'a plan that begins next month is billed before it does');
SELECT results_eq($$SELECT * FROM pg_temp.lines('AD-3', '2021-09-01')$$, $$VALUES ('subscription', 1::numeric, 'month', 40.00, '2021-09-01'::date, '2021-09-30'::date)$$, 'other plans in arrears');

-- an upgrade and a seat in the month that is paid
SELECT count(*) FROM finops.change_plan('AD-1', 'AD-B', '2021-10-11 12:00+00', 'immediate') a, finops.set_seats('AD-1', 3, '2021-10-21') b \g /dev/null
SELECT count(*) FROM finops.issue_invoices('2021-10-01') \g /dev/null
-- by hand: 300 / 31 x 10 = 96.774, 310 / 31 x 21 = 210; seats 50 / 31 x 10 = 16.129 twice, 75 / 31 x 11 = 26.613, together 58.87
SELECT results_eq($$SELECT * FROM pg_temp.lines('AD-1', '2021-10-01')$$, $$VALUES ('subscription', 10::numeric, 'day', 96.77, '2021-10-01'::date, '2021-10-10'::date),
	('subscription', 21, 'day', 210.00, '2021-10-11', '2021-10-31'), ('subscription', 1, 'month', 310.00, '2021-11-01', '2021-11-30'),
	('seat', 2, 'seat', 16.13, '2021-10-01', '2021-10-10'), ('seat', 2, 'seat', 16.13, '2021-10-11', '2021-10-20'), ('seat', 3, 'seat', 26.61, '2021-10-21', '2021-10-31'),
	('seat', 3, 'seat', 75.00, '2021-11-01', '2021-11-30'), ('subscription', -1, 'month', -300.00, '2021-10-01', '2021-10-31'), ('seat', -2, 'seat', -50.00, '2021-10-01', '2021-10-31')$$,
	'what changed is reversed and billed as it was');
SELECT is((SELECT sum(d.amount) FROM invoice_detail d WHERE d.tenant_id = 'AD-1' AND d.service_period_start >= '2021-10-01' AND d.service_period_end <= '2021-10-31' AND d.line_type <> 'allocation'),
	96.77 + 210 + 58.87, 'October on all documents is what October costs');
SELECT is((SELECT description FROM invoice_detail WHERE tenant_id = 'AD-1' AND period_start = '2021-10-01' AND amount = -300), 'Billed in advance: Plan AD-A, 2021-10', 'and says so');
SELECT is_empty($$SELECT * FROM pg_temp.lines('AD-2', '2021-10-01')$$, 'a plan that ends is not billed again');
SELECT count(*) FROM finops.issue_invoices('2021-11-01') \g /dev/null
SELECT results_eq($$SELECT * FROM pg_temp.lines('AD-1', '2021-11-01')$$, $$VALUES ('subscription', 1::numeric, 'month', 310.00, '2021-12-01'::date, '2021-12-31'::date), ('seat', 3, 'seat', 75.00, '2021-12-01', '2021-12-31')$$,
	'a month without changes has the next one only');
SELECT results_eq($$SELECT line_type, amount FROM finops.price_preview('AD-1', '2021-11-01') WHERE line_type <> 'allocation'$$, $$VALUES ('subscription', 310::numeric), ('seat', 75)$$, 'as the preview says');

-- a plan that is billed before it begins keeps its price
SELECT throws_ok($$SELECT finops.set_plan('AD-A', 301)$$, '55000', NULL, 'the price is on an invoice');
SELECT throws_ok($$UPDATE plan_master SET pay_in_advance = false WHERE plan_code = 'AD-A'$$, '55000', NULL, 'so is when it is due');

-- reissued: nothing twice
SELECT count(*) FROM finops.reissue_invoice((SELECT invoice_id FROM invoice_header WHERE tenant_id = 'AD-1' AND period_start = '2021-09-01' AND kind = 'invoice'), 'address') \g /dev/null
SELECT is((SELECT subtotal FROM invoice_header WHERE tenant_id = 'AD-1' AND period_start = '2021-09-01' AND revision = 2 AND kind = 'invoice'), 600.00, 'a revision bills what the invoice billed');
SELECT is_empty($$SELECT * FROM finops.verify_invoices()$$, 'nothing is wrong');
SELECT is((SELECT bool_and(r.identical) FROM invoice_header h, finops.rebuild_invoice(h.invoice_id) r WHERE h.kind = 'invoice'), true, 'every document is rebuilt byte by byte');

-- earned when it is served
SELECT results_eq($$SELECT origin_period, sum(credit - debit) FROM finops.journal('2021-10-01') WHERE source = 'revenue' AND role = 'revenue' AND tenant_id = 'AD-3' GROUP BY 1$$,
	$$VALUES ('2021-10-01'::date, 40.00)$$, 'revenue of a plan in arrears');
SELECT results_eq($$SELECT reference, sum(credit - debit) FROM finops.journal('2021-10-01') WHERE role = 'revenue' AND tenant_id = 'AD-2' GROUP BY 1$$,
	$$VALUES ('INV-202109-AD2', 300.00)$$, 'revenue of a month that was paid in advance stands in that month');
SELECT is_empty($$SELECT * FROM finops.journal('2021-09-01') WHERE tenant_id = 'AD-2'$$, 'and not in the month of its document');
SELECT * FROM finish();
ROLLBACK;

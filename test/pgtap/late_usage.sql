-- Usage that comes after its month was billed: the difference, on the original service period.
BEGIN;
SELECT plan(19);
-- plans that price usage
SELECT to_regproc('finops.set_metric') IS NOT NULL AS priced \gset
\if :priced
\o /dev/null
SELECT finops.set_issuer('Example Ltd', '1 High Street, Berlin, DE', 'DE1');
SELECT finops.set_metric('lu_api', 'call', 'sum_daily');
SELECT finops.set_plan('LU-S', 10, currency => 'USD'), finops.set_plan('LU-V', 0, currency => 'USD');
SELECT finops.set_plan_price('LU-S', 'Calls', 'standard', 'lu_api', 0.013);
SELECT finops.set_plan_price('LU-V', 'Calls', 'volume', 'lu_api', tiers => '[{"up_to": 1000, "unit_price": 0.02}, {"up_to": null, "unit_price": 0.015}]');
SELECT finops.register_tenant('LU-A', 'A', '{"address": "x, DE"}', '{"rate_pct": 19}', currency => 'USD');
SELECT finops.register_tenant('LU-B', 'B', '{"address": "x, DE"}', '{"rate_pct": 19, "inclusive": true}', currency => 'USD');
SELECT finops.bind_plan('LU-A', 'LU-S', '2022-01-01'), finops.bind_plan('LU-B', 'LU-V', '2022-01-01');
SELECT finops.record_usage('LU-A', 'lu_api', 1000, '2022-03-10'), finops.record_usage('LU-B', 'lu_api', 900, '2022-03-10');
SELECT finops.prepare_invoices('2022-03-01');
\o
SELECT is((SELECT sum(amount) FROM invoice_detail WHERE tenant_id = 'LU-A' AND metric_code = 'lu_api'), 13.00, '1,000 calls at 0.013');
SELECT is((SELECT sum(gross_amount) FROM invoice_detail WHERE tenant_id = 'LU-B'), 18.00, '900 calls at 0.02, with tax');
-- issued, as issue_invoices does, before what comes late
UPDATE invoice_header SET status = 'issued', invoice_number = 'LU-' || tenant_id, number_series = 'invoice-lu', number_seq = ascii(right(tenant_id, 1)), issued_at = '2022-04-01', due_at = '2022-05-01',
	prev_hash = '', hash = 'x', issuer = '{"legal_name": "Example Ltd"}', recipient = '{"tenant_name": "A"}' WHERE tenant_id IN ('LU-A', 'LU-B');
UPDATE usage_snapshot_daily SET last_updated_at = '2022-03-31' WHERE tenant_id IN ('LU-A', 'LU-B');
SELECT count(*) FROM finops.prepare_invoices('2022-04-01') \g /dev/null
SELECT is_empty($$SELECT FROM invoice_detail d JOIN invoice_header h USING (invoice_id) WHERE h.period_start = '2022-04-01' AND d.metric_code = 'lu_api'$$, 'nothing came late: nothing is billed');

SELECT finops.record_usage('LU-A', 'lu_api', 500, '2022-03-31'), finops.record_usage('LU-B', 'lu_api', 600, '2022-03-31') \g /dev/null
SELECT count(*) FROM finops.prepare_invoices('2022-04-01') \g /dev/null
CREATE TEMP VIEW late AS SELECT d.*, h.currency FROM invoice_detail d JOIN invoice_header h USING (invoice_id) WHERE h.period_start = '2022-04-01' AND d.metric_code = 'lu_api' AND d.reference_ids ? 'late_month';
SELECT results_eq($$SELECT line_type, quantity, unit_price, amount, service_period_start, service_period_end, description FROM late WHERE tenant_id = 'LU-A'$$,
	$$VALUES ('usage', 500::numeric, 0.013, 6.50, '2022-03-01'::date, '2022-03-31'::date, 'Late usage: Calls, 2022-03')$$, '500 more calls on the next document, for March');
SELECT is((SELECT 13.00 + amount FROM late WHERE tenant_id = 'LU-A'), 1500 * 0.013, 'billed before and now is the rate of all');
SELECT results_eq($$SELECT quantity, gross_amount, reference_ids ->> 'late' FROM late WHERE tenant_id = 'LU-B' ORDER BY line_no$$,
	$$VALUES (-900::numeric, -18.00, 'reversal'), (1500::numeric, 22.50, 'new')$$, 'another tier of a volume price: reversal and new line');
SELECT is((SELECT subtotal FROM invoice_header WHERE invoice_id = 'INV-202203-LUA'), 23.00, 'the issued document stays');
SELECT is((SELECT count(*) FROM finops.prepare_invoices('2022-04-01')), 2::bigint, 'prepared again');
SELECT is((SELECT count(*) FROM late), 3::bigint, 'it is billed once');

-- more of it, after the difference was billed
UPDATE invoice_header SET status = 'issued', invoice_number = 'LU2-' || tenant_id, number_series = 'invoice-lu', number_seq = 100 + ascii(right(tenant_id, 1)), issued_at = '2022-05-01', due_at = '2022-06-01',
	prev_hash = '', hash = 'x', issuer = '{"legal_name": "Example Ltd"}', recipient = '{"tenant_name": "A"}' WHERE tenant_id IN ('LU-A', 'LU-B') AND period_start = '2022-04-01';
SELECT count(*) FROM finops.prepare_invoices('2022-05-01') \g /dev/null
CREATE TEMP VIEW may AS SELECT d.* FROM invoice_detail d JOIN invoice_header h USING (invoice_id) WHERE h.period_start = '2022-05-01' AND d.metric_code = 'lu_api';
SELECT is_empty($$SELECT FROM may$$, 'what was billed late is not billed again');
SELECT finops.record_usage('LU-A', 'lu_api', 300, '2022-03-31') \g /dev/null
SELECT count(*) FROM finops.prepare_invoices('2022-05-01') \g /dev/null
SELECT results_eq($$SELECT quantity, amount FROM may WHERE tenant_id = 'LU-A'$$, $$VALUES (-200::numeric, -2.60)$$, 'usage that is taken back is credited');
SELECT is((SELECT sum(amount) FROM invoice_detail d JOIN invoice_header h USING (invoice_id) WHERE d.tenant_id = 'LU-A' AND d.metric_code = 'lu_api' AND d.service_period_start = '2022-03-01'
	OR d.tenant_id = 'LU-A' AND d.metric_code = 'lu_api' AND h.period_start = '2022-03-01'), 1300 * 0.013, 'all of March is the rate of its usage');

-- a credit note gives back and is not billed again; a replaced invoice does not count
SELECT count(*) FROM finops.credit_invoice('INV-202203-LUA', 'goodwill', (SELECT jsonb_build_array(jsonb_build_object('line_no', line_no, 'amount', 5)) FROM invoice_detail WHERE invoice_id = 'INV-202203-LUA' AND metric_code = 'lu_api')) \g /dev/null
SELECT count(*) FROM finops.prepare_invoices('2022-05-01') \g /dev/null
SELECT is((SELECT sum(amount) FROM may WHERE tenant_id = 'LU-A'), -2.60, 'what was given back is not billed again');
SET LOCAL finops.late_usage_months = 1;
SELECT count(*) FROM finops.prepare_invoices('2022-05-01') \g /dev/null
SELECT is_empty($$SELECT FROM may$$, 'March is more than one month back');
SET LOCAL finops.late_usage_months = 0;
SELECT count(*) FROM finops.prepare_invoices('2022-05-01') \g /dev/null
SELECT is_empty($$SELECT FROM may$$, '0 months: late usage is left out');
RESET finops.late_usage_months;
SELECT count(*) FROM finops.reissue_invoice('INV-202203-LUA', 'all of it anew') \g /dev/null
SELECT is((SELECT sum(amount) FROM invoice_detail WHERE invoice_id = 'INV-202203-LUA-R2' AND metric_code = 'lu_api'), 16.90, 'a revision rates the month as it is');
SELECT count(*) FROM finops.prepare_invoices('2022-05-01') \g /dev/null
SELECT is_empty($$SELECT FROM may WHERE tenant_id = 'LU-A'$$, 'an open revision has no late usage');
SELECT is((SELECT count(*) FROM finops.verify_invoices() v WHERE v.invoice_id LIKE 'INV-202204-LU%' AND v.problem ~ 'amount|total|tax'), 0::bigint, 'documents with late usage add up');
SELECT ok(bool_and(abs(quantity * unit_price - coalesce(gross_amount, amount)) <= 0.005), 'each line is quantity x price') FROM late;
\else
SELECT skip('no plan prices usage', 19);
\endif
SELECT * FROM finish();
ROLLBACK;

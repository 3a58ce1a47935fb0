-- Fees of dunning notices as lines of the next document.
BEGIN;
SELECT plan(9);
SET LOCAL client_min_messages = warning;
SELECT count(*) FROM finops.set_issuer('Example Ltd', 'x', 'DE1', number_format => 'DF{SEQ:5}', credit_number_format => 'DFC{SEQ:5}') \g /dev/null
SELECT count(*) FROM finops.set_plan('DF', 100, currency => 'EUR') a, finops.set_fx_rate('EUR', '2020-01-01', 1.1) b \g /dev/null
SELECT count(*) FROM generate_series(1, 3) n, LATERAL finops.register_tenant('DF-' || n, 'T' || n, '{"address": "x"}', '{"rate_pct": 20}', currency => 'EUR') \g /dev/null
SELECT count(*) FROM finops.bind_plan('DF-1', 'DF', '2021-01-01') \g /dev/null
CREATE FUNCTION pg_temp.bill(id text, tenant text, net numeric) RETURNS void LANGUAGE sql AS $$
	INSERT INTO invoice_header (invoice_id, invoice_number, tenant_id, plan_code, period_start, period_end, status, currency, subtotal, tax, total, fx_rate, subtotal_usd, tax_usd, total_usd,
		issuer, recipient, issued_at, due_at, number_series, number_seq, prev_hash, hash)
	SELECT id, id || '-N', tenant, 'DF', '2021-02-01', '2021-02-28', 'issued', 'EUR', net, 0, net, 1.1, net * 1.1, 0, net * 1.1, '{}', '{}', '2021-03-01', '2021-03-10', 'df', n, '0', '0'
	FROM (SELECT 1 + count(*)::int AS n FROM invoice_header WHERE number_series = 'df') x $$;
SELECT pg_temp.bill('DFI-1', 'DF-1', 119), pg_temp.bill('DFI-2', 'DF-2', 50), pg_temp.bill('DFI-3', 'DF-3', 60) \g /dev/null
SELECT count(*) FROM finops.set_dunning_level(1, 5, 7.50) a, finops.set_dunning_level(2, 15, 9, charge_fee => false) b, finops.set_dunning_level(3, 30, 12) c \g /dev/null
SELECT count(*) FROM finops.block_dunning(tenant_id => 'DF-3', reason => 'x') \g /dev/null
SELECT results_eq($$SELECT invoice_id, fee, billed_in FROM finops.run_dunning('2021-03-20') ORDER BY 1$$, $$VALUES ('DFI-1', 7.50, '2021-03-01'::date), ('DFI-2', 7.50, '2021-03-01')$$, 'a notice says where its fee stands');
SELECT results_eq($$SELECT invoice_id, fee, billed_in FROM finops.run_dunning('2021-03-28') ORDER BY 1$$, $$VALUES ('DFI-1', 9::numeric, NULL::date), ('DFI-2', 9, NULL)$$, 'or that it is only stated');
SELECT count(*) FROM finops.prepare_invoices('2021-03-01') \g /dev/null
SELECT results_eq($$SELECT tenant_id, line_type, amount, tax_rate, description, reference_ids ->> 'dunned_invoice_id', service_period_start FROM invoice_detail WHERE period_start = '2021-03-01' AND service = 'dunning' ORDER BY 1$$,
	$$VALUES ('DF-1', 'adjustment', 7.50, 0.2, 'Dunning fee for invoice DFI-1-N, level 1', 'DFI-1', '2021-03-20'::date), ('DF-2', 'adjustment', 7.50, 0.2, 'Dunning fee for invoice DFI-2-N, level 1', 'DFI-2', '2021-03-20')$$,
	'it stands on the document of that month');
SELECT is((SELECT (plan_code, total)::text FROM invoice_header WHERE tenant_id = 'DF-2' AND period_start = '2021-03-01'), '(DF,9.00)', 'also of a tenant that has no plan any more');
SELECT is((SELECT total FROM invoice_header WHERE tenant_id = 'DF-1' AND period_start = '2021-03-01'), 129.00, 'beside what is billed');
-- no supply, no tax
SELECT count(*) FROM finops.set_tax_code('adjustment', 'damages', 'dunning') a, finops.set_tax_rate('DE', 0, '2000-01-01', tax_code => 'damages') b, finops.set_tax_rate('DE', 20, '2000-01-01') c \g /dev/null
SELECT count(*) FROM finops.register_tenant('DF-1', tax_profile => '{"jurisdiction": "DE"}') \g /dev/null
SELECT count(*) FROM finops.prepare_invoices('2021-03-01') \g /dev/null
SELECT is((SELECT total FROM invoice_header WHERE tenant_id = 'DF-1' AND period_start = '2021-03-01'), 127.50, 'taxed as a kind of supply of its own');
SELECT is((SELECT bool_and(r.identical) FROM invoice_header h, finops.rebuild_invoice(h.invoice_id) r WHERE h.period_start = '2021-03-01' AND h.tenant_id LIKE 'DF-%'), true, 'such a document is rebuilt byte by byte');
-- a notice for a day whose document is issued
UPDATE invoice_header SET status = 'issued', invoice_number = 'DFX-' || tenant_id, number_series = 'dfx', number_seq = ascii(right(tenant_id, 1)), issued_at = '2021-04-01', due_at = '2030-01-01', prev_hash = '', hash = 'x', issuer = '{}', recipient = '{}'
WHERE period_start = '2021-03-01' AND tenant_id LIKE 'DF-%';
SELECT count(*) FROM finops.run_dunning('2021-04-12') \g /dev/null
SELECT results_eq($$SELECT invoice_id, level, billed_in FROM finops.dunning_notice WHERE level = 3 ORDER BY 1$$, $$VALUES ('DFI-1', 3, '2021-04-01'::date), ('DFI-2', 3, '2021-04-01')$$, 'the next month''s');
DELETE FROM finops.dunning_notice WHERE level = 3;
UPDATE finops.dunning_policy SET days_overdue = 18 WHERE level = 3;
SELECT count(*) FROM finops.run_dunning('2021-03-31') \g /dev/null
SELECT is((SELECT min(billed_in) FROM finops.dunning_notice WHERE level = 3), date_trunc('month', now())::date, 'or this month''s, where that one is issued');
SELECT * FROM finish();
ROLLBACK;

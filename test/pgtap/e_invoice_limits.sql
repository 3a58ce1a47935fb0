-- What EN 16931 cannot express is refused, with what to do instead.
BEGIN;
SELECT plan(9);
SET LOCAL client_min_messages = warning;
CREATE TABLE finops.fact_cost_allocated_2021_11 PARTITION OF fact_cost_allocated FOR VALUES FROM ('2021-11-01') TO ('2021-12-01');
SELECT count(*) FROM finops.set_issuer('Example GmbH', 'Ring 1, 10115 Berlin, DE', 'DE123456789', number_format => 'EL{SEQ:5}', credit_number_format => 'ELC{SEQ:5}') \g /dev/null
INSERT INTO finops.currency (code, minor_unit) VALUES ('XBT', 2);
SELECT count(*) FROM finops.set_fx_rate('XBT', '2021-01-01', 1) a, finops.set_fx_rate('BHD', '2021-01-01', 2.65) b \g /dev/null
SELECT count(*) FROM finops.set_tax_rate('CA-QC', 5, '2000-01-01', name => 'GST') a, finops.set_tax_rate('CA-QC', 9.975, '2000-01-01', name => 'QST') b, finops.set_tax_rate('LOW', 0.4, '2000-01-01') c,
	finops.set_tax_rate('DE', 19, '2000-01-01') d \g /dev/null
SELECT count(*) FROM finops.set_plan('EL', 1000, 0) a, finops.set_plan('EL-O', 1000, 0, tax_category => 'O') b \g /dev/null
SELECT count(*) FROM (VALUES ('EL-1', '{"jurisdiction": "CA-QC"}', 'USD'), ('EL-2', '{"jurisdiction": "LOW"}', 'USD'), ('EL-3', '{"rate_pct": 19}', 'XBT'), ('EL-4', '{"rate_pct": 19}', 'BHD'), ('EL-5', '{"rate_pct": 19}', 'USD'), ('EL-6', '{"category": "O"}', 'USD'))
	v(id, profile, currency), LATERAL finops.register_tenant(id, id, '{"address": "Main 1, Wien, AT", "endpoint_scheme": "0999", "endpoint": "1", "email": "a@b.at"}', profile::jsonb, currency => v.currency) \g /dev/null
SELECT count(*) FROM generate_series(1, 6) n, LATERAL finops.bind_plan('EL-' || n, 'EL', '2021-11-01') \g /dev/null
INSERT INTO fact_cost_allocated (tenant_id, period_start, period_end, service, category, rule_id, rule_version, run_id, kind, origin, currency, allocated_cost_usd)
SELECT 'EL-' || n, '2021-11-01', '2021-11-30', 'S1', 'OTHER', 'direct-tag', 1, 1, 'direct', 'o', 'USD', 5 FROM generate_series(1, 6) n;
INSERT INTO finops.period_gate (period_start, gate, position, status) VALUES ('2021-11-01', 'reconciliation', 3, 'ok');
SELECT count(*) FROM finops.issue_invoices('2021-11-01') \g /dev/null
SELECT throws_ok($$SELECT finops.invoice_ubl('INV-202111-EL1')$$, '0A000', 'taxes of "INV-202111-EL1" are not those of its lines', 'several taxes on a line');
SELECT throws_ok($$SELECT finops.invoice_ubl('INV-202111-EL2')$$, '0A000', 'a tax of 0.4 percent cannot stand in an e-invoice', 'a rate that rounds to none');
SELECT throws_ok($$SELECT finops.invoice_ubl('INV-202111-EL3')$$, '0A000', 'an e-invoice cannot be in XBT', 'a currency that is not of ISO 4217');
SELECT throws_ok($$SELECT finops.invoice_ubl('INV-202111-EL4')$$, '0A000', 'an e-invoice cannot be in BHD', 'a currency of three decimals');
SELECT lives_ok($$SELECT finops.invoice_ubl('INV-202111-EL5')$$, 'what can be expressed is');
SELECT matches(finops.invoice_ubl('INV-202111-EL5')::text, '<cbc:EndpointID schemeID="EM">a@b.at<', 'an address of an unknown scheme is left out');
SELECT lives_ok($$SELECT finops.invoice_ubl('INV-202111-EL6')$$, 'outside the scope by itself');
SELECT lives_ok($$SELECT finops.invoice_html('INV-202111-EL1')$$, 'and as a page in any case');
-- beside others: two categories on one document, as if a line were outside the scope
SET LOCAL session_replication_role = replica;
UPDATE invoice_detail SET tax_category = 'O', tax_rate = 0 WHERE invoice_id = 'INV-202111-EL5' AND line_no = 2;
UPDATE finops.invoice_tax SET taxable_amount = 1000 WHERE invoice_id = 'INV-202111-EL5';
INSERT INTO finops.invoice_tax (invoice_id, tax_category, tax_rate, taxable_amount, tax_amount) VALUES ('INV-202111-EL5', 'O', 0, 5, 0);
SET LOCAL session_replication_role = origin;
SELECT throws_ok($$SELECT finops.invoice_ubl('INV-202111-EL5')$$, '0A000', NULL, 'outside the scope beside others');
SELECT * FROM finish();
ROLLBACK;

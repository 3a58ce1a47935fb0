-- Issued documents: rebuilt from their inputs, issued beside tenants that
-- cannot be, with terms, languages and policies of their own.
BEGIN;
SELECT plan(33);

CREATE TABLE finops.fact_cost_allocated_2021_11 PARTITION OF fact_cost_allocated FOR VALUES FROM ('2021-11-01') TO ('2021-12-01');
SELECT count(*) FROM finops.set_issuer('Example Ltd', '1 High Street', 'DE1', number_format => 'EM{SEQ:5}') \g /dev/null
SELECT count(*) FROM finops.set_fx_rate('EUR', '2021-11-01', 1.0843) a, finops.set_fx_rate('JPY', '2021-11-01', 0.0067) b \g /dev/null
SELECT count(*) FROM finops.set_plan('EM-A', 49.99, 7.25) a, finops.set_plan('EM-Z', 0) b \g /dev/null
SELECT count(*) FROM generate_series(1, 40) n, LATERAL finops.register_tenant('EM-' || to_char(n, 'FM00'), 'T' || n, '{"address": "x"}',
	(ARRAY['{"rate_pct": 19}', '{"rate_pct": 7.7, "inclusive": true}', '{"exempt": true}', '{"category": "AE", "tax_id": "FR1"}'])[1 + n % 4]::jsonb,
	currency => (ARRAY['USD', 'EUR', 'JPY'])[1 + n % 3]) \g /dev/null
SELECT count(*) FROM generate_series(1, 40) n, LATERAL finops.bind_plan('EM-' || to_char(n, 'FM00'), 'EM-A', '2021-11-01'::date + n % 30) \g /dev/null
INSERT INTO fact_cost_allocated (tenant_id, period_start, period_end, service, category, rule_id, rule_version, run_id, kind, origin, currency, allocated_cost_usd)
SELECT 'EM-' || to_char(n, 'FM00'), '2021-11-01', '2021-11-30', 'S' || s, 'OTHER', 'direct-tag', 1, 1, 'direct', 'o', CASE s % 2 WHEN 0 THEN 'USD' ELSE 'EUR' END,
	((n * 7919 + s * 104729) % 10007 - 2000) * 0.0123456789 FROM generate_series(1, 40) n, generate_series(1, 7) s;
-- one tenant pays a price in a currency without rate, one has no address, one no plan
SELECT count(*) FROM finops.set_plan('EM-CHF', 10, currency => 'CHF') a, finops.register_tenant('EM-X1', 'X1', '{"address": "x"}', '{"rate_pct": 19}') b,
	finops.register_tenant('EM-X2', 'X2', '{}', '{"rate_pct": 19}') c, finops.register_tenant('EM-X3', 'X3', '{"address": "x"}', '{"rate_pct": 19}') d \g /dev/null
SELECT count(*) FROM finops.bind_plan('EM-X1', 'EM-CHF', '2021-11-01') a, finops.bind_plan('EM-X2', 'EM-A', '2021-11-01') b \g /dev/null
INSERT INTO fact_cost_allocated (tenant_id, period_start, period_end, service, category, rule_id, rule_version, run_id, kind, origin, currency, allocated_cost_usd)
VALUES ('EM-X3', '2021-11-01', '2021-11-30', 'S1', 'OTHER', 'direct-tag', 1, 1, 'direct', 'o', 'USD', 5);
-- a tenant of 0 and one with a credit
SELECT count(*) FROM finops.register_tenant('EM-Z0', 'Z0', '{"address": "x"}', '{"rate_pct": 19}') a, finops.register_tenant('EM-Z1', 'Z1', '{"address": "x"}', '{"rate_pct": 19}') b \g /dev/null
SELECT count(*) FROM finops.bind_plan('EM-Z0', 'EM-Z', '2021-11-01') a, finops.bind_plan('EM-Z1', 'EM-Z', '2021-11-01') b \g /dev/null
INSERT INTO fact_cost_allocated (tenant_id, period_start, period_end, service, category, rule_id, rule_version, run_id, kind, origin, currency, allocated_cost_usd)
VALUES ('EM-Z1', '2021-11-01', '2021-11-30', 'S1', 'OTHER', 'direct-tag', 1, 1, 'direct', 'o', 'USD', -12.50);

-- terms, language, purchase order
INSERT INTO finops.invoice_phrase (language, phrase, text) VALUES ('de', 'allocation', '{service} im Monat {month}'), ('de', 'terms_month_end', 'Zahlbar {days} Tage nach Monatsende');
SELECT is((SELECT (language, po_number, payment_terms_days, payment_terms_from)::text FROM finops.set_billing('EM-01', language => 'de-AT', time_zone => 'Europe/Vienna',
	po_number => 'PO 4711', payment_terms_days => 14, payment_terms_from => 'month_end')), '(de-AT,"PO 4711",14,month_end)', 'a tenant is billed in its own way');
SELECT throws_ok($$SELECT finops.set_billing('EM-01', payment_terms_from => 'never')$$, '22023', NULL, 'terms are one of the choices');
SELECT throws_ok($$SELECT finops.set_billing('EM-01', language => 'Deutsch')$$, '22023', NULL, 'a language is a tag');
SELECT throws_ok($$SELECT finops.set_billing('EM-01', time_zone => 'Mars/Base')$$, '22023', NULL, 'a time zone is known');
SELECT throws_ok($$SELECT finops.set_billing('nobody')$$, 'P0002', NULL, 'so is a tenant');
SELECT throws_ok($$SELECT finops.set_issuer_policy(tax_rounding => 'up')$$, '22023', NULL, 'rounding is per line or per category');

SET LOCAL client_min_messages = error;
SELECT is(count(*), 44::bigint, 'all but one tenant are prepared') FROM finops.prepare_invoices('2021-11-01');
SELECT is((tenant_id, step, reason)::text, '(EM-X1,prepare,"no exchange rate for CHF in billing period 2021-11")', 'the one is reported') FROM finops.invoice_failure;
SELECT throws_ok($$SELECT finops.prepare_invoices('2021-11-01', 'EM-X1')$$, '55000', NULL, 'asked for alone it is an error');
SELECT is(description, 'S1 im Monat 2021-11', 'texts are in the language of the tenant') FROM invoice_detail WHERE tenant_id = 'EM-01' AND service = 'S1';
SELECT is((language, po_number, terms)::text, '(de-AT,"PO 4711","Zahlbar 14 Tage nach Monatsende")', 'so are the terms') FROM invoice_header WHERE tenant_id = 'EM-01' AND period_start = '2021-11-01';

INSERT INTO finops.period_gate (period_start, gate, position, status) VALUES ('2021-11-01', 'reconciliation', 3, 'ok');
CREATE TEMP TABLE issued AS SELECT * FROM finops.issue_invoices('2021-11-01');
SELECT is(array_agg(tenant_id ORDER BY tenant_id COLLATE "C"), ARRAY['EM-X2', 'EM-X3', 'EM-Z0', 'EM-Z1'], 'documents without plan or address, of 0 and with credit stay open')
FROM issued WHERE status = 'open' AND total >= -100 AND tenant_id ~ '[XZ]';
SELECT results_eq($$SELECT tenant_id, step FROM finops.invoice_failure ORDER BY tenant_id COLLATE "C"$$, $$VALUES ('EM-X1', 'prepare'), ('EM-X2', 'issue'), ('EM-X3', 'issue')$$, 'each is reported with its step');
SELECT is(bool_and(call LIKE 'SELECT finops.%'), true, 'and with a call') FROM finops.invoice_failure;
CREATE TEMP TABLE helps AS SELECT tenant_id, call FROM finops.invoice_failure;
SELECT is(count(*) FILTER (WHERE status = 'issued'), max(number_seq) - min(number_seq) + 1, 'numbers have no gap') FROM issued;
SELECT is(due_at, (date_trunc('month', issued_at AT TIME ZONE 'Europe/Vienna') + interval '1 month -1 day' + interval '14 days') AT TIME ZONE 'Europe/Vienna', 'due from the end of the month in the tenant''s zone')
FROM issued WHERE tenant_id = 'EM-01';
SELECT is((SELECT count(*) FROM finops.set_issuer_policy(zero_invoices => 'issue')), 1::bigint, 'the issuer may issue zero invoices');
SELECT is((SELECT count(*) FROM finops.set_billing('EM-Z1', credit_balances => 'issue')), 1::bigint, 'a tenant may get its credit balance');
SELECT is((SELECT array_agg(status ORDER BY tenant_id COLLATE "C") FROM finops.issue_invoices('2021-11-01') WHERE tenant_id IN ('EM-Z0', 'EM-Z1')), ARRAY['issued', 'issued'], 'then both are issued');
SELECT is_empty($$SELECT * FROM finops.verify_invoices()$$, 'nothing is wrong');

-- rebuilt from stored inputs
SELECT is((SELECT count(*) FROM issued i CROSS JOIN LATERAL finops.rebuild_invoice(i.invoice_id) r WHERE i.status = 'issued' AND NOT r.identical), 0::bigint, 'every issued document is rebuilt byte by byte');
SELECT cmp_ok((SELECT count(*) FROM issued i CROSS JOIN LATERAL finops.rebuild_invoice(i.invoice_id) r WHERE i.status = 'issued'), '>', 250::bigint, 'header, lines, taxes and the whole');
-- what the inputs came from may change
SELECT count(*) FROM finops.set_fx_rate('EUR', '2021-11-01', 2) \g /dev/null
UPDATE tenant_master SET tax_profile = '{"rate_pct": 1}' WHERE tenant_id LIKE 'EM-%';
SELECT is((SELECT bool_and(r.identical) FROM issued i CROSS JOIN LATERAL finops.rebuild_invoice(i.invoice_id) r WHERE i.status = 'issued'), true, 'also after rates and profiles changed');
SELECT throws_ok(format($$UPDATE finops.invoice_input SET inputs = '' WHERE invoice_id = %L$$, (SELECT min(invoice_id) FROM issued WHERE status = 'issued')), '55000', NULL, 'inputs of issued documents never change');
SET LOCAL session_replication_role = replica;
UPDATE invoice_detail SET cost = cost + 1 WHERE invoice_id = 'INV-202111-EM04' AND line_no = 2;
SET LOCAL session_replication_role = origin;
SELECT is((SELECT array_agg(part ORDER BY part) FROM finops.rebuild_invoice('INV-202111-EM04') WHERE NOT identical), ARRAY['document', 'line 2'], 'a changed line does not follow from the inputs');
SELECT is((SELECT count(*) FROM finops.verify_invoices() WHERE invoice_id = 'INV-202111-EM04'), 1::bigint, 'and is found by verification');
SELECT throws_ok($$SELECT finops.rebuild_invoice('nothing')$$, 'P0002', NULL, 'an unknown document');

-- a replaced invoice of one tenant: its revision is issued by a call for the tenant too
SELECT count(*) FROM finops.reissue_invoice('INV-202111-EM07', 'tax came late') \g /dev/null
INSERT INTO finops.period_gate (period_start, gate, position, status) VALUES ('2021-11-01', 'reconciliation', 3, 'ok') ON CONFLICT (period_start, gate) DO UPDATE SET status = 'ok';
SELECT results_eq($$SELECT invoice_id, status FROM finops.issue_invoices('2021-11-01', 'EM-07')$$, $$VALUES ('INV-202111-EM07', 'paid'), ('INV-202111-EM07-R2', 'issued')$$, 'the revision of a replaced invoice is issued');
SELECT results_eq($$SELECT invoice_id, number_seq FROM finops.issue_invoices('2021-11-01', 'EM-07')$$, $$SELECT invoice_id, number_seq FROM invoice_header WHERE tenant_id = 'EM-07' AND kind = 'invoice' ORDER BY revision$$, 'once');
SELECT is((SELECT count(*) FROM finops.verify_invoices() WHERE invoice_id LIKE 'INV-202111-EM07%'), 0::bigint, 'and stands in the chain');
SELECT is((SELECT sum(total) FROM invoice_header WHERE coalesce(original_invoice_id, invoice_id) = 'INV-202111-EM07'), 0.00, 'what it replaced sums to 0');

-- the calls that are named help
SELECT is(call, $$SELECT finops.register_tenant('EM-X2', billing_contact => '{"address": "Main Street 2, Example City"}')$$, 'the call gives what is missing and nothing else') FROM helps WHERE tenant_id = 'EM-X2';
SELECT lives_ok((SELECT call FROM helps WHERE tenant_id = 'EM-X2'), 'it runs');
SELECT * FROM finish();
ROLLBACK;

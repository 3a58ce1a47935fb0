-- Two issuers with series of their own; everything that is missing told at
-- once; money that has not come, and the same bank lines under two names of
-- their account.
BEGIN;
SELECT plan(46);
SET LOCAL client_min_messages = warning;
CREATE TABLE finops.fact_cost_allocated_2021_09 PARTITION OF fact_cost_allocated FOR VALUES FROM ('2021-09-01') TO ('2021-10-01');
INSERT INTO tenant_master (tenant_id, tenant_name, currency, billing_mode) SELECT 'IS-' || n, 'T' || n, 'USD', 'invoice' FROM generate_series(1, 4) n;
INSERT INTO fact_cost_allocated (tenant_id, period_start, period_end, service, category, rule_id, rule_version, run_id, kind, origin, currency, allocated_cost_usd)
SELECT 'IS-' || n, '2021-09-01', '2021-09-30', 'S1', 'OTHER', 'direct-tag', 1, 1, 'direct', 'o', 'USD', 5 FROM generate_series(1, 4) n;

-- what is missing
CREATE FUNCTION pg_temp.refusal(call text, OUT message text, OUT detail text, OUT hint text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE call;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
END $$;
CREATE TEMP TABLE refused AS SELECT * FROM pg_temp.refusal($$SELECT finops.issue_invoices('2021-09-01')$$);
SELECT is(message, 'documents of billing period 2021-09 cannot be issued: 10 things are missing', 'all that is missing is told at once') FROM refused;
SELECT matches(detail, E'1\\. Issuer "default" lacks legal_name, address, vat_id\\.\n2\\. Tenant "IS-1" has no plan\\.\n3\\. Tenant "IS-1" lacks billing_contact\\.address, tax_profile\\.rate_pct', 'each field of each') FROM refused;
SELECT matches(detail, '2021-09 is not reconciled', 'and the stage') FROM refused;

-- the calls of the hint run, but for the last, which need a bill
SELECT lives_ok(trim(call), 'call ' || n) FROM refused, regexp_split_to_table(split_part(hint, E':\n', 2), ';\n') WITH ORDINALITY AS c(call, n) WHERE n IN (1, 2, 3);
INSERT INTO finops.period_gate (period_start, gate, position, status) VALUES ('2021-09-01', 'reconciliation', 3, 'ok');
SELECT matches((SELECT message FROM pg_temp.refusal($$SELECT finops.issue_invoices('2021-09-01', 'IS-2')$$)), 'cannot be issued: [0-9]+ things', 'for one tenant too');
SELECT count(*) FROM generate_series(1, 4) n, LATERAL finops.register_tenant('IS-' || n, billing_contact => '{"address": "x, DE"}', tax_profile => '{"rate_pct": 20}') \g /dev/null
SELECT count(*) FROM generate_series(2, 4) n, LATERAL finops.bind_plan('IS-' || n, 'standard', '2021-09-01') \g /dev/null

-- a second issuer
SELECT throws_ok($$SELECT finops.set_billing('IS-3', issuer_id => 'AT')$$, 'P0002', NULL, 'an issuer must be known');
SELECT is((SELECT (issuer_id, number_format, credit_number_format)::text FROM finops.set_issuer('Beispiel GmbH', 'Ring 1, 1010 Wien, AT', 'ATU12345678', issuer_id => 'AT')),
	'(AT,AT-INV-{YYYY}-{SEQ:6},AT-CN-{YYYY}-{SEQ:6})', 'a second issuer has series of its own');
SELECT throws_ok($$SELECT finops.set_issuer(issuer_id => 'AT', number_format => 'INV-{YY}-{SEQ:3}')$$, '22023', NULL, 'that cannot be taken for those of another');
SELECT throws_ok($$SELECT finops.set_issuer(issuer_id => 'AT', credit_number_format => 'AT-INV-{YYYY}-{SEQ:3}')$$, '22023', NULL, 'nor for those of its other series');
SELECT throws_ok($$SELECT finops.set_issuer(issuer_id => 'A T')$$, '22023', NULL, 'an id is a word');
SELECT throws_ok($$SELECT finops.set_issuer(issuer_id => NULL)$$, '22004', NULL, 'or is missing');
SELECT is((SELECT issuer_id FROM finops.set_billing('IS-3', issuer_id => 'AT')), 'AT', 'a tenant is invoiced by it');
-- where it is another day than in UTC, and tax is accounted for in euros
SELECT CASE WHEN extract(hour FROM now() AT TIME ZONE 'UTC') >= 10 THEN 'Pacific/Kiritimati' ELSE 'Pacific/Pago_Pago' END AS zone \gset
SELECT throws_ok($$SELECT finops.set_issuer_policy('AT', tax_currency => 'XQX')$$, '22023', NULL, 'tax is accounted for in a currency that exists');
SELECT is((SELECT (time_zone, tax_currency)::text FROM finops.set_issuer_policy('AT', time_zone => :'zone', tax_currency => 'EUR')), format('(%s,EUR)', :'zone'), 'an issuer has a time zone and a currency of tax');
UPDATE finops.period_gate SET status = 'ok' WHERE period_start = '2021-09-01';
SELECT count(*) FROM finops.prepare_invoices('2021-09-01') \g /dev/null
INSERT INTO finops.period_gate (period_start, gate, position, status) VALUES ('2021-09-01', 'reconciliation', 3, 'ok') ON CONFLICT (period_start, gate) DO UPDATE SET status = 'ok';
SELECT count(*) FROM finops.issue_invoices('2021-09-01') \g /dev/null
SELECT results_eq($$SELECT tenant_id, regexp_replace(number_series, '[0-9]{4}', 'Y'), number_seq, issuer ->> 'legal_name' FROM invoice_header WHERE tenant_id LIKE 'IS-%' ORDER BY tenant_id$$,
	$$VALUES ('IS-1', 'invoice/Y', 1::bigint, 'Example Ltd'), ('IS-2', 'invoice/Y', 2, 'Example Ltd'), ('IS-3', 'AT:invoice/Y', 1, 'Beispiel GmbH'), ('IS-4', 'invoice/Y', 3, 'Example Ltd')$$, 'each has numbers without gap');
SELECT results_eq($$SELECT number_series LIKE 'AT:credit_note/%', invoice_number LIKE 'AT-CN-%-000001', issuer ->> 'vat_id' FROM finops.credit_invoice('INV-202109-IS3', 'wrong')$$,
	$$VALUES (true, true, 'ATU12345678')$$, 'who issued the invoice issues its credit note');
SELECT is_empty($$SELECT * FROM finops.verify_invoices()$$, 'both chains hold');
SELECT matches(finops.invoice_html('INV-202109-IS3'), 'Beispiel GmbH', 'it stands on the document');
SELECT count(*) FROM finops.set_fx_rate('EUR', '2021-09-01', 1.25) \g /dev/null
SELECT matches(finops.invoice_ubl('INV-202109-IS3')::text, 'ATU12345678', 'and in the e-invoice');
SELECT is((xpath('//*[local-name() = "TaxCurrencyCode" or local-name() = "IssueDate"]/text()', x))::text, format('{%s,EUR}', to_char(d, 'YYYY-MM-DD')), 'with the day of its issuer and the currency of its tax')
FROM (SELECT finops.invoice_ubl('INV-202109-IS3') AS x) u, LATERAL (SELECT (issued_at AT TIME ZONE :'zone')::date AS d FROM invoice_header WHERE invoice_id = 'INV-202109-IS3') h;
-- 20 % of 5.00 are 1.00 USD, at 1.25 USD for a euro 0.80 EUR
SELECT matches(finops.invoice_ubl('INV-202109-IS3')::text, '<cbc:TaxAmount currencyID="USD">1.00</cbc:TaxAmount>.*</cac:TaxTotal><cac:TaxTotal><cbc:TaxAmount currencyID="EUR">0.80</cbc:TaxAmount></cac:TaxTotal>', 'the tax in both');
SELECT matches(finops.invoice_ubl(invoice_id)::text, '<cbc:TaxAmount currencyID="EUR">0.80</cbc:TaxAmount>', 'of its credit note too') FROM invoice_header WHERE original_invoice_id = 'INV-202109-IS3';
SELECT matches(finops.invoice_html('INV-202109-IS3'), 'VAT: 0.80 EUR', 'and on the page');
SELECT doesnt_match(finops.invoice_ubl('INV-202109-IS1')::text, 'TaxCurrencyCode', 'other issuers state it once');
DELETE FROM finops.fx_rate WHERE currency = 'EUR';
SELECT is((SELECT hint FROM pg_temp.refusal($$SELECT finops.invoice_ubl('INV-202109-IS3')$$)), $$Run SELECT finops.set_fx_rate('EUR', '2021-09-01', 1.0) with your own data.$$, 'without a rate the call is named');

-- money that has not come
SELECT throws_ok($$SELECT finops.record_payment('IS-P1', 5, 'USD', 'card', 'x', 'INV-202109-IS1', now() + interval '2 days')$$, '22023', NULL, 'a payment of a day to come is refused');
SELECT lives_ok($$SELECT finops.record_payment('IS-P1', 5, 'USD', 'card', 'x', 'INV-202109-IS1', now())$$, 'one of today is not');
SELECT current_setting('data_directory') || '/is_statement.csv' AS csv \gset
COPY (SELECT unnest(ARRAY['Date,Amount,Currency,Name,Reference', '2099-01-01,12.50,USD,X,y'])) TO :'csv';
SELECT throws_like(format($$SELECT finops.load_bank_statement(%L, account => 'US 1')$$, :'csv'), '%has not begun', 'nor is a bank line of a day to come');

-- one account, written in three ways
COPY (SELECT unnest(ARRAY['Date,Amount,Currency,Name,Reference', '2021-09-20,12.50,USD,X,same', '2021-09-20,12.50,USD,X,same', '2021-09-21,1.00,USD,Y,'])) TO :'csv';
SELECT results_eq(format($$SELECT payments, duplicates, status FROM finops.load_bank_statement(%L)$$, :'csv'), $$VALUES (3::bigint, 0::bigint, 'loaded')$$, 'a statement that does not say its account');
SELECT results_eq(format($$SELECT payments, duplicates, status FROM finops.load_bank_statement(%L, account => 'us12 34')$$, :'csv'), $$VALUES (0::bigint, 3::bigint, 'unchanged')$$, 'is not loaded again with it');
COPY (SELECT unnest(ARRAY['Date,Amount,Currency,Name,Reference', '2021-09-21,1.00,USD,Y,', '2021-09-22,2.00,USD,Z,'])) TO :'csv';
SELECT results_eq(format($$SELECT account, payments, duplicates FROM finops.load_bank_statement(%L, account => 'us12 34')$$, :'csv'), $$VALUES ('US1234', 1::bigint, 1::bigint)$$, 'lines that overlap neither');
SELECT results_eq(format($$SELECT payments, duplicates FROM finops.load_bank_statement(%L)$$, :'csv'), $$VALUES (0::bigint, 2::bigint)$$, 'nor the other way round');
SELECT results_eq(format($$SELECT payments, duplicates FROM finops.load_bank_statement(%L, account => 'US99')$$, :'csv'), $$VALUES (1::bigint, 1::bigint)$$, 'another account has lines of its own, but for what was loaded without one');
-- texts
SELECT results_eq($$SELECT language, count(*) FROM finops.invoice_phrase WHERE shipped GROUP BY language ORDER BY language COLLATE "C"$$,
	$$SELECT l, count(*) FROM unnest(ARRAY['de', 'en', 'es', 'fr']) l, finops.invoice_phrase WHERE language = 'en' AND shipped GROUP BY l ORDER BY l COLLATE "C"$$, 'each text is there in each language');
SELECT is_empty($$SELECT e.language, e.phrase FROM finops.invoice_phrase e JOIN finops.invoice_phrase o ON o.phrase = e.phrase AND o.language = 'en' AND o.shipped
	WHERE ARRAY(SELECT m[1] FROM regexp_matches(e.text, '{([a-z]+)}', 'g') m ORDER BY 1) <> ARRAY(SELECT m[1] FROM regexp_matches(o.text, '{([a-z]+)}', 'g') m ORDER BY 1)$$, 'with the same values');
SELECT is((SELECT text FROM finops.invoice_phrase WHERE language = 'de' AND phrase = 'over_maximum'), U&'Tarif {plan}, auf den H\00F6chstbetrag, {month}', 'characters are what they are');
SELECT is((SELECT text FROM finops.set_invoice_phrase('it', 'subscription', 'Piano {plan}, {month}')), 'Piano {plan}, {month}', 'a language is added');
SELECT is((SELECT text FROM finops.set_invoice_phrase('de', 'subscription', U&'\65E5\672C {plan} \+01F600')), U&'\65E5\672C {plan} \+01F600', 'a text is replaced');
SELECT throws_ok($$SELECT finops.set_invoice_phrase('de', 'subscription', '{price}')$$, '22023', NULL, 'with values that it has');
SELECT throws_ok($$SELECT finops.set_invoice_phrase('de', 'nothing', 'x')$$, '22023', NULL, 'a text that there is');
SELECT throws_ok($$SELECT finops.set_invoice_phrase('Deutsch', 'subscription', 'x')$$, '22023', NULL, 'in a language');
SELECT count(*) FROM finops.set_billing('IS-4', language => 'de-CH') a, finops.reissue_invoice('INV-202109-IS4', 'language') b \g /dev/null
SELECT is((SELECT (h.language, d.description)::text FROM invoice_detail d JOIN invoice_header h USING (invoice_id) WHERE h.tenant_id = 'IS-4' AND h.revision = 2 AND d.line_type = 'subscription'),
	U&'(de-CH,"\65E5\672C standard \+01F600")', 'lines are in the language of the tenant');
SELECT is((SELECT terms FROM invoice_header WHERE tenant_id = 'IS-4' AND revision = 2 AND kind = 'invoice'), 'Zahlbar innerhalb von 30 Tagen', 'so are the terms');
SELECT is((SELECT text FROM finops.set_invoice_phrase('de', 'subscription', '')), 'Tarif {plan}, {month}', 'an empty text takes it back');
SELECT * FROM finish();
ROLLBACK;

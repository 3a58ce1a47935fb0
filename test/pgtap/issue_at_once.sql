-- A month that one call makes and issues is the month that is prepared first
-- and issued then: the same documents, numbers and refusals.
BEGIN;
SELECT plan(14);

CREATE TABLE finops.fact_cost_allocated_2021_05 PARTITION OF fact_cost_allocated FOR VALUES FROM ('2021-05-01') TO ('2021-06-01');
SELECT count(*) FROM finops.set_issuer('Example Ltd', '1 High Street', 'DE1', number_format => 'AO{SEQ:4}') \g /dev/null
INSERT INTO finops.issuer (issuer_id, legal_name, address, vat_id, number_format) VALUES ('second', 'Second Ltd', '"2 High Street"', 'DE2', 'SE{SEQ:4}');
SELECT count(*) FROM finops.set_plan('AO-A', 49.99, 7.25) a, finops.set_plan('AO-Z', 0) b \g /dev/null
SELECT count(*) FROM generate_series(1, 30) n, LATERAL finops.register_tenant('AO-' || to_char(n, 'FM00'), 'T' || n, '{"address": "x"}',
	(ARRAY['{"rate_pct": 19}', '{"rate_pct": 7}'])[1 + n % 2]::jsonb) \g /dev/null
SELECT count(*) FROM generate_series(1, 30) n, LATERAL finops.bind_plan('AO-' || to_char(n, 'FM00'), 'AO-' || CASE WHEN n > 27 THEN 'Z' ELSE 'A' END, '2021-05-01') \g /dev/null
SELECT count(*) FROM generate_series(1, 10) n, LATERAL finops.set_billing('AO-' || to_char(3 * n, 'FM00'), issuer_id => 'second') \g /dev/null
SELECT count(*) FROM finops.set_billing('AO-05', time_zone => 'Asia/Tokyo', payment_terms_days => 10, payment_terms_from => 'month_end') \g /dev/null
-- AO-28 has a plan of 0, AO-29 gets back 3 and 7 % tax, AO-30 pays 7
INSERT INTO fact_cost_allocated (tenant_id, period_start, period_end, service, category, rule_id, rule_version, run_id, kind, origin, currency, allocated_cost_usd)
SELECT 'AO-' || to_char(n, 'FM00'), '2021-05-01', '2021-05-31', 'S' || s, 'OTHER', 'direct-tag', 1, 1, 'direct', 'o', 'USD', ((n * 7919 + s * 104729) % 10007) * 0.0123456789
FROM generate_series(1, 27) n, generate_series(1, 4) s
UNION ALL VALUES ('AO-29', '2021-05-01'::date, '2021-05-31'::date, 'S1', 'OTHER', 'direct-tag', 1, 1, 'direct', 'o', 'USD', -3),
	('AO-30', '2021-05-01', '2021-05-31', 'S1', 'OTHER', 'direct-tag', 1, 1, 'direct', 'o', 'USD', 7);
SET LOCAL client_min_messages = error;
CREATE TEMP VIEW content AS
SELECT md5(string_agg(to_jsonb(h)::text, ' ' ORDER BY h.invoice_id)) AS sum FROM (
	SELECT invoice_id, invoice_number, tenant_id, plan_code, status, subtotal, tax, total, total_usd, fx_rate, tax_rate, issuer_id, recon_id, issuer, recipient,
		issued_by, number_series, number_seq, input_digest, prev_hash = '' AS first, due_at - issued_at BETWEEN '29 days' AND '31 days' AS due,
		(SELECT jsonb_agg(to_jsonb(d) ORDER BY d.line_no) FROM invoice_detail d WHERE d.invoice_id = o.invoice_id) AS lines,
		(SELECT jsonb_agg(to_jsonb(t) ORDER BY t.tax_rate) FROM finops.invoice_tax t WHERE t.invoice_id = o.invoice_id) AS taxes
	FROM invoice_header o WHERE period_start = '2021-05-01') h;

SELECT throws_ok($$SELECT * FROM finops.issue_invoices('2021-05-01')$$, '55000', 'billing period 2021-05 is not reconciled', 'nothing is issued before the reconciliation');
SELECT is(count(*), 0::bigint, 'and nothing was written') FROM invoice_header WHERE period_start = '2021-05-01';
INSERT INTO finops.period_gate (period_start, gate, position, status) VALUES ('2021-05-01', 'reconciliation', 3, 'ok');

SAVEPOINT before;
SELECT count(*) FROM finops.prepare_invoices('2021-05-01') \g /dev/null
SELECT count(*) FROM finops.issue_invoices('2021-05-01') \g /dev/null
SELECT sum AS prepared_first FROM content \gset
ROLLBACK TO before;

SELECT is(count(*), 30::bigint, 'all are returned') FROM finops.issue_invoices('2021-05-01');
SELECT is((SELECT sum FROM content), :'prepared_first', 'content, numbers and parties are those of a month prepared first');
SELECT is(string_agg(number_series || ' ' || n || ' ' || lo || ' ' || hi, ', ' ORDER BY number_series), 'invoice 18 AO0001 AO0018, second:invoice 10 SE0001 SE0010', 'each issuer numbers without gaps')
FROM (SELECT number_series, count(*) AS n, min(invoice_number) AS lo, max(invoice_number) AS hi FROM invoice_header WHERE period_start = '2021-05-01' AND status = 'issued' GROUP BY 1) x;
SELECT is(string_agg(tenant_id || ' ' || status || ' ' || total, ', ' ORDER BY tenant_id), 'AO-28 open 0.00, AO-29 open -3.21', 'what is no demand for money stays open')
FROM invoice_header WHERE period_start = '2021-05-01' AND status <> 'issued';
SELECT is(count(*), 0::bigint, 'every document is as it was issued') FROM finops.verify_invoices();
SELECT is(count(*), 28::bigint, 'each issue is on record') FROM audit_event WHERE action = 'invoice_issue' AND object_id LIKE 'INV-202105-AO%';
SELECT is((SELECT status FROM finops.period_gate WHERE period_start = '2021-05-01' AND gate = 'documents'), 'issued', 'the gate says issued');
SELECT is(count(*), 30::bigint, 'a second call finds the same') FROM finops.issue_invoices('2021-05-01');
SELECT throws_ok($$UPDATE invoice_header SET total = 0 WHERE tenant_id = 'AO-01' AND period_start = '2021-05-01'$$, '55000', NULL, 'what is issued never changes');

-- a tenant without address does not stop the others
ROLLBACK TO before;
UPDATE tenant_master SET billing_contact = '{}' WHERE tenant_id = 'AO-07';
SELECT count(*) FROM finops.issue_invoices('2021-05-01') \g /dev/null
SELECT is(string_agg(tenant_id, ', ' ORDER BY tenant_id), 'AO-07, AO-28, AO-29', 'its document stays open') FROM invoice_header WHERE period_start = '2021-05-01' AND status = 'open';
SELECT is((SELECT reason FROM finops.invoice_failure WHERE tenant_id = 'AO-07'), 'missing: billing_contact.address', 'and the reason is kept');

-- an issuer that is incomplete stops the month
ROLLBACK TO before;
UPDATE finops.issuer SET vat_id = '' WHERE issuer_id = 'second';
SELECT throws_ok($$SELECT * FROM finops.issue_invoices('2021-05-01')$$, '55000', 'issuer "second" is incomplete', 'an issuer has a VAT id where there is tax');

SELECT * FROM finish();
ROLLBACK;

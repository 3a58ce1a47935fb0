-- Documents worked out by hand: proration, rounding, tax, currencies, credit
-- notes, payments.  Nothing stays behind.
\pset format unaligned
BEGIN;
CREATE TABLE finops.fact_cost_allocated_2022_03 PARTITION OF fact_cost_allocated FOR VALUES FROM ('2022-03-01') TO ('2022-04-01');
CREATE FUNCTION pg_temp.cost(tenant text, service text, amount numeric) RETURNS void LANGUAGE sql AS $$
	INSERT INTO fact_cost_allocated (tenant_id, period_start, period_end, service, category, rule_id, rule_version, run_id, kind, origin, currency, allocated_cost_usd)
	VALUES (tenant, '2022-03-01', '2022-03-31', service, 'OTHER', 'direct-tag', 1, 1, 'direct', 'o', 'USD', amount)
$$;
SELECT legal_name, address, vat_id, currency, number_format, credit_number_format, payment_terms_days
FROM finops.set_issuer('Example Ltd', '{"street": "1 High Street", "country": "DE"}', 'DE123456789', number_format => 'T{SEQ:4}', credit_number_format => 'C{SEQ:4}', payment_terms_days => 14);
SELECT tenant_id, tenant_name, status, billing_mode, currency FROM finops.register_tenant(E' I-A\t', 'Alpha', '{"address": "A"}', '{"rate_pct": 19}');
SELECT tenant_id, status FROM finops.register_tenant('I-B', 'Beta', '{"address": "B"}', '{"rate_pct": 19, "inclusive": true}');
SELECT tenant_id, currency FROM finops.register_tenant('I-C', 'Chiba', '{"address": "C"}', '{"rate_pct": 10}', currency => 'JPY');
SELECT tenant_id, currency FROM finops.register_tenant('I-D', 'Dana', '{"address": "D"}', '{"exempt": true}', currency => 'BHD');
SELECT tenant_id, billing_mode FROM finops.register_tenant('I-E', 'Echo', '{"address": "E"}', '{"rate_pct": 19}');
SELECT tenant_id, billing_mode FROM finops.register_tenant('I-F', 'Show', billing_mode => 'showback');
-- a tenant that the loader saw becomes a registered one
INSERT INTO tenant_master (tenant_id, tenant_name, status, billing_mode) VALUES ('I.G', 'I.G', 'unregistered', 'showback');
SELECT tenant_id, tenant_name, status, billing_mode FROM finops.register_tenant('I.G', 'Golf', '{"address": "G"}', '{"rate_pct": 0}');
-- its letters and digits are those of another tenant
SELECT tenant_id FROM finops.register_tenant('I-G', 'Gamma', '{"address": "G"}', '{"rate_pct": 0}');
SELECT currency, valid_from, rate FROM finops.set_fx_rate('JPY', '2022-01-01', 0.01);
SELECT currency, valid_from, rate FROM finops.set_fx_rate('BHD', '2022-03-31', 2.65);
SELECT plan_code, base_price, markup_pct, currency FROM finops.set_plan('T-GOLD', 100);
SELECT plan_code, base_price, markup_pct, currency FROM finops.set_plan('T-PLUS', 100, 10);
SELECT plan_code, currency FROM finops.set_plan('T-YEN', 9800, currency => 'JPY');
SELECT plan_code, currency FROM finops.set_plan('T-DINAR', 12.345, currency => 'BHD');
SELECT plan_code FROM finops.set_plan('T-FREE', 0);
SELECT tenant_id, plan_code, period_start, period_end FROM finops.bind_plan('I-A', 'T-GOLD', '2022-03-22');
SELECT plan_code FROM finops.bind_plan('I-B', 'T-PLUS', '2021-01-01');
SELECT plan_code FROM finops.bind_plan('I-C', 'T-YEN', '2022-03-01', '2022-03-31');
SELECT plan_code FROM finops.bind_plan('I-D', 'T-GOLD', '2022-01-01', '2022-02-28');
SELECT plan_code FROM finops.bind_plan('I-D', 'T-DINAR', '2022-03-01', '2022-03-05');
SELECT plan_code FROM finops.bind_plan('I-E', 'T-FREE', '2022-03-01');
SELECT plan_code FROM finops.bind_plan('I.G', 'T-FREE', '2022-03-01');
SELECT plan_code FROM finops.bind_plan('I-G', 'T-GOLD', '2022-03-01', '2022-03-01');

SELECT pg_temp.cost(t, s, a) FROM (VALUES
	('I-A', 'EC2', 10.005), ('I-A', 'S3', 0.3333333333), ('I-A', 'NAT', -1.115),
	('I-B', 'EC2', 10.005), ('I-B', 'S3', 0.3333333333), ('I-B', 'NAT', -1.115),
	('I-C', 'EC2', 10.005), ('I-C', 'S3', 1.004),
	('I-D', 'EC2', 2.65), ('I-D', 'S3', 0.0053),
	('I-E', 'EC2', -5), ('I-F', 'EC2', 7)) v(t, s, a) \g /dev/null

-- I-A: 100 x 10/31 = 32.26; 10.005 + 0.3333333333 - 1.115 = 9.22; tax 41.48 x 19 % = 7.88
-- I-B: gross 100.00 + 11.01 + 0.37 - 1.23 = 110.15, tax in it 110.15 x 19/119 = 17.59
-- I-C: 9800 + 1000.5 + 100.4 yen, tax 10 % of 10901 = 1090
-- I-D: 12.345 x 5/31 = 1.991, 2.65 USD = 1.000, 0.0053 USD = 0.002
SELECT invoice_id, invoice_number, tenant_id, plan_code, period_end, kind, revision, status, currency, subtotal, tax, total, subtotal_usd, tax_usd, total_usd, fx_rate, tax_rate, tax_inclusive
FROM finops.prepare_invoices('2022-03-01');
SELECT invoice_id, line_no, line_type, service, description, quantity, unit, unit_price, amount, gross_amount, tax_rate, cost, cost_usd, amount_usd FROM invoice_detail WHERE period_start = '2022-03-01' ORDER BY 1, 2;
SELECT gate, status, detail FROM finops.period_gate WHERE period_start = '2022-03-01';

-- again: nothing is written
CREATE TEMP TABLE before AS SELECT ctid::text AS c, invoice_id FROM invoice_header WHERE period_start = '2022-03-01';
SELECT count(*) FROM finops.prepare_invoices('2022-03-01');
SELECT count(*) FROM before b FULL JOIN (SELECT ctid, invoice_id FROM invoice_header WHERE period_start = '2022-03-01') h ON h.invoice_id = b.invoice_id AND h.ctid::text = b.c WHERE b.invoice_id IS NULL OR h.invoice_id IS NULL;
-- more cost: this document is rewritten in place; showback: this one goes
SELECT pg_temp.cost('I-A', 'EC2', 1) \g /dev/null
SELECT billing_mode FROM finops.register_tenant('I-G', billing_mode => 'showback');
SELECT invoice_id, subtotal, tax, total FROM finops.prepare_invoices('2022-03-01');
SELECT count(*) FROM before b JOIN invoice_header h ON h.invoice_id = b.invoice_id AND h.ctid::text = b.c;
SELECT pg_temp.cost('I-A', 'EC2', -1) \g /dev/null
SELECT invoice_id, total FROM finops.prepare_invoices('2022-03-01', 'I-A');

-- issue: one tenant, then the others, then all again
INSERT INTO finops.period_gate (period_start, gate, position, status) VALUES ('2022-03-01', 'reconciliation', 3, 'ok');
SELECT invoice_id, invoice_number, status, recon_id, due_at - issued_at AS terms, recipient, issuer FROM finops.issue_invoices('2022-03-01', 'I-B');
SELECT invoice_id, invoice_number, status, total FROM finops.issue_invoices('2022-03-01');
SELECT count(*), count(DISTINCT invoice_number) FROM finops.issue_invoices('2022-03-01');
SELECT series, last_number FROM finops.number_series WHERE series = 'invoice';
SELECT gate, status, detail FROM finops.period_gate WHERE period_start = '2022-03-01' ORDER BY position;
SELECT * FROM finops.verify_invoices();

-- payments
SELECT payment_id, invoice_id, amount, amount_usd, status FROM finops.record_payment('T-1', 20, 'USD', 'card', 'ref', 'INV-202203-IA', '2022-04-10 12:00+00');
SELECT payment_id, amount FROM finops.record_payment('T-1', 20, 'USD', 'card', 'ref', 'INV-202203-IA');
SELECT status, paid_at FROM invoice_header WHERE invoice_id = 'INV-202203-IA';
SELECT payment_id, amount FROM finops.record_payment('T-2', 29.36, 'USD', 'bank_transfer', NULL, 'INV-202203-IA', '2022-04-12 12:00+00');
SELECT status, paid_at AT TIME ZONE 'UTC' FROM invoice_header WHERE invoice_id = 'INV-202203-IA';
SELECT payment_id, amount, amount_usd FROM finops.record_payment('T-3', 11991, 'JPY', 'wallet', NULL, 'INV-202203-IC');
SELECT payment_id, invoice_id, amount, amount_usd FROM finops.record_payment('T-4', 1.5, 'BHD', 'wallet', NULL);
SELECT tenant_id, currency, not_due, open_amount, unapplied FROM finops.receivables_ageing((now() AT TIME ZONE 'UTC')::date) WHERE tenant_id IS NULL OR tenant_id LIKE 'I-%';
SELECT tenant_id, currency, days_1_30, days_31_60, days_61_90, days_over_90 FROM finops.receivables_ageing((now() AT TIME ZONE 'UTC')::date + 14 + 31) WHERE tenant_id IS NULL OR tenant_id LIKE 'I-%';

-- credit notes in parts add up to the invoice, whatever the order
SELECT invoice_id, invoice_number, kind, status, original_invoice_id, reason, subtotal, tax, total FROM finops.credit_invoice('INV-202203-IB', 'wrong price', '[{"line_no": 1, "amount": 0.05}]');
SELECT invoice_id, subtotal, tax, total FROM finops.credit_invoice('INV-202203-IB', 'wrong price', '[{"line_no": 3}, {"line_no": 2, "amount": 4.5}]');
SELECT invoice_id, subtotal, tax, total FROM finops.credit_invoice('INV-202203-IB', 'cancelled');
SELECT line_no, line_type, quantity, unit_price, amount, cost FROM invoice_detail WHERE invoice_id = 'CN-202203-IB-R3' ORDER BY 1;
SELECT sum(subtotal), sum(tax), sum(total) FROM invoice_header WHERE tenant_id = 'I-B';
SELECT service, sum(amount), sum(cost_usd) FROM invoice_detail WHERE tenant_id = 'I-B' GROUP BY 1 ORDER BY 1;
SELECT invoice_id, invoice_number, status FROM invoice_header WHERE tenant_id = 'I-B' ORDER BY 1;
SELECT * FROM finops.verify_invoices();
-- every change left a trace
SELECT action, object_type, count(*) FROM audit_event WHERE action IN ('issuer_change', 'fx_rate_change', 'tenant_change', 'plan_change', 'plan_binding', 'invoice_prepare', 'invoice_issue', 'credit_note_issue', 'payment_capture') AND occurred_at >= now() GROUP BY 1, 2 ORDER BY 1;
ROLLBACK;

-- Lago's case: 68.33 + 68.33 + 57.50 + 85.00 at 20 % = 334.99, four credit notes in any order
BEGIN;
CREATE TABLE finops.fact_cost_allocated_2022_04 PARTITION OF fact_cost_allocated FOR VALUES FROM ('2022-04-01') TO ('2022-05-01');
SELECT count(*) FROM finops.set_issuer('Example Ltd', '1 High Street', 'DE123456789', number_format => 'T{SEQ}', credit_number_format => 'C{SEQ}'),
	finops.register_tenant('I-L', 'Lago', '{"address": "L"}', '{"rate_pct": 20}'), finops.set_plan('T-FREE', 0), finops.bind_plan('I-L', 'T-FREE', '2022-04-01');
INSERT INTO fact_cost_allocated (tenant_id, period_start, period_end, service, category, rule_id, rule_version, run_id, kind, origin, currency, allocated_cost_usd)
SELECT 'I-L', '2022-04-01', '2022-04-30', s, 'OTHER', 'direct-tag', 1, 1, 'direct', 'o', 'USD', a FROM (VALUES ('A', 68.33), ('B', 68.33), ('C', 57.50), ('D', 85.00)) v(s, a);
SELECT count(*) FROM finops.prepare_invoices('2022-04-01');
INSERT INTO finops.period_gate (period_start, gate, position, status) VALUES ('2022-04-01', 'reconciliation', 3, 'resolved');
SELECT total FROM finops.issue_invoices('2022-04-01');
SELECT sum(c.total) FROM unnest(ARRAY[4, 2, 5, 3]) WITH ORDINALITY n(line, i)
CROSS JOIN LATERAL finops.credit_invoice('INV-202204-IL', 'back', jsonb_build_array(jsonb_build_object('line_no', n.line))) c;
SELECT tax, total FROM invoice_header WHERE kind = 'credit_note' AND tenant_id = 'I-L' ORDER BY revision;
ROLLBACK;

-- more rows than work_mem holds, to the end and into an error: no temporary file is left behind
BEGIN;
SET LOCAL work_mem = '64kB';
CREATE TABLE finops.fact_cost_allocated_2022_04 PARTITION OF fact_cost_allocated FOR VALUES FROM ('2022-04-01') TO ('2022-05-01');
INSERT INTO tenant_master (tenant_id, tenant_name, currency) SELECT 'W-' || n, 'W', 'EUR' FROM generate_series(1, 400) n;
INSERT INTO fact_cost_allocated (tenant_id, period_start, period_end, service, category, rule_id, rule_version, run_id, kind, origin, currency, allocated_cost_usd)
SELECT 'W-' || n, '2022-04-01', '2022-04-30', 'S' || s, 'OTHER', 'direct-tag', 1, 1, 'direct', 'o', 'USD', n * s * 0.01 FROM generate_series(1, 400) n, generate_series(1, 5) s;
SAVEPOINT a;
SELECT count(*) FROM finops.prepare_invoices('2022-04-01');
ROLLBACK TO a;
SELECT rate FROM finops.set_fx_rate('EUR', '2022-04-01', 1);
-- 0.01 x (1 + 2 + 3 + 4 + 5) x (1 + ... + 400)
SELECT count(*), sum(total) FROM finops.prepare_invoices('2022-04-01');
ROLLBACK;

-- What is refused, with its text and what helps.  Nothing stays behind.
\pset format unaligned
\set ON_ERROR_ROLLBACK on
BEGIN;
CREATE TABLE finops.fact_cost_allocated_2022_05 PARTITION OF fact_cost_allocated FOR VALUES FROM ('2022-05-01') TO ('2022-06-01');
-- periods and tenants
SELECT finops.prepare_invoices(NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT finops.prepare_invoices('2022-05-02');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.prepare_invoices('infinity');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.prepare_invoices('9000-01-01');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.prepare_invoices('2022-05-01', 'nobody');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.issue_invoices(NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT finops.issue_invoices('2022-05-31');
\echo :LAST_ERROR_SQLSTATE
DO $$ BEGIN PERFORM finops.issue_invoices(date_trunc('month', now() AT TIME ZONE 'UTC')::date); EXCEPTION WHEN object_not_in_prerequisite_state THEN RAISE NOTICE '%', regexp_replace(SQLERRM, '\d{4}-\d\d', 'YYYY-MM'); END $$;
SELECT finops.issue_invoices('2022-05-01', 'nobody');
\echo :LAST_ERROR_SQLSTATE
-- set-up
SELECT finops.set_issuer(' ');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.set_issuer('E', currency => 'XXX');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.set_issuer('E', number_format => 'INV-{YYYY}');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.set_issuer('E', number_format => 'INV-{DAY}-{SEQ}');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.set_issuer('E', credit_number_format => repeat('x', 100) || '{SEQ}');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.set_issuer('E', payment_terms_days => -1);
\echo :LAST_ERROR_SQLSTATE
SELECT finops.set_issuer('E', bank => '[]');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.set_issuer('E', address => '{');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.set_fx_rate('USD', '2022-01-01', 1);
\echo :LAST_ERROR_SQLSTATE
SELECT finops.set_fx_rate('EUR', '2022-01-01', 0);
\echo :LAST_ERROR_SQLSTATE
SELECT finops.set_fx_rate('EUR', '2022-01-01', 'NaN');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.set_fx_rate('EUR', '2022-01-01', 'Infinity');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.set_fx_rate('EUR', 'infinity', 1);
\echo :LAST_ERROR_SQLSTATE
SELECT finops.set_fx_rate('QQQ', '2022-01-01', 1);
\echo :LAST_ERROR_SQLSTATE
SELECT finops.register_tenant(NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT finops.register_tenant('  ');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.register_tenant('R-A', ' ');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.register_tenant('R-A', 'A', '"text"');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.register_tenant('R-A', 'A', NULL, '[19]');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.register_tenant('R-A', 'A', NULL, '{"rate": 19}');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.register_tenant('R-A', 'A', NULL, '{"rate_pct": -1}');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.register_tenant('R-A', 'A', NULL, '{"rate_pct": "19"}');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.register_tenant('R-A', 'A', NULL, '{"exempt": "yes"}');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.register_tenant('R-A', 'A', billing_mode => 'free');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.register_tenant('R-A', 'A', currency => 'EURO');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.register_tenant('R-A', 'A', seats => -1);
\echo :LAST_ERROR_SQLSTATE
SELECT finops.set_plan(NULL, 1);
\echo :LAST_ERROR_SQLSTATE
SELECT finops.set_plan('R-P', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT finops.set_plan('R-P', -1);
\echo :LAST_ERROR_SQLSTATE
SELECT finops.set_plan('R-P', 'NaN');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.set_plan('R-P', 'Infinity');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.set_plan('R-P', 1, -100);
\echo :LAST_ERROR_SQLSTATE
SELECT finops.set_plan('R-P', 1, currency => 'usd');
\echo :LAST_ERROR_SQLSTATE
INSERT INTO tenant_master (tenant_id, tenant_name, status, billing_mode) VALUES ('R-U', 'R-U', 'unregistered', 'showback');
SELECT tenant_id FROM finops.register_tenant('R-A', 'A');
SELECT plan_code FROM finops.set_plan('R-P', 31);
SELECT finops.bind_plan('R-A', 'R-P', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT finops.bind_plan('R-A', 'R-P', '-infinity');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.bind_plan('R-A', 'R-P', '2022-05-02', '2022-05-01');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.bind_plan('nobody', 'R-P', '2022-05-01');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.bind_plan('R-U', 'R-P', '2022-05-01');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.bind_plan('R-A', 'none', '2022-05-01');
\echo :LAST_ERROR_SQLSTATE
SELECT period_start, period_end FROM finops.bind_plan('R-A', 'R-P', '2022-05-10', '2022-05-20');
SELECT plan_code FROM finops.set_plan('R-Q', 62);
SELECT finops.bind_plan('R-A', 'R-Q', '2022-05-20');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.bind_plan('R-A', 'R-Q', '2022-05-01', '2022-05-10');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.bind_plan('R-A', 'R-Q', '2022-05-10', '2022-05-20');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.bind_plan('R-A', 'R-P', '2022-05-12', '2022-05-13');
\echo :LAST_ERROR_SQLSTATE
SELECT period_start, period_end FROM finops.bind_plan('R-A', 'R-Q', '2022-05-21');
SELECT finops.bind_plan('R-A', 'R-P', '2022-05-10');
\echo :LAST_ERROR_SQLSTATE
SELECT period_start, period_end FROM finops.bind_plan('R-A', 'R-P', '2022-05-10', '2022-05-15');
SELECT count(*) FROM audit_event WHERE action = 'plan_binding' AND occurred_at >= now();
SELECT period_start, period_end FROM finops.bind_plan('R-A', 'R-P', '2022-05-10', '2022-05-15');
SELECT count(*) FROM audit_event WHERE action = 'plan_binding' AND occurred_at >= now();
-- issue: every precondition, one after the other
SELECT finops.issue_invoices('2022-05-01');
\echo :LAST_ERROR_SQLSTATE
INSERT INTO fact_cost_allocated (tenant_id, period_start, period_end, service, category, rule_id, rule_version, run_id, kind, origin, currency, allocated_cost_usd)
VALUES ('R-A', '2022-05-01', '2022-05-31', 'EC2', 'OTHER', 'direct-tag', 1, 1, 'direct', 'o', 'EUR', 10);
SELECT finops.issue_invoices('2022-05-01');
\echo :LAST_ERROR_SQLSTATE
SELECT rate FROM finops.set_fx_rate('EUR', '2022-05-31', 1.1);
SELECT finops.issue_invoices('2022-05-01');
\echo :LAST_ERROR_SQLSTATE
INSERT INTO finops.period_gate (period_start, gate, position, status, detail) VALUES ('2022-05-01', 'reconciliation', 3, 'failed', 'EC2: 12.00 USD of 1000.00 USD (1.2 %) is unallocated.');
SELECT finops.issue_invoices('2022-05-01');
\echo :LAST_ERROR_SQLSTATE
-- also where nobody gets an invoice
SAVEPOINT nobody;
UPDATE tenant_master SET billing_mode = 'showback' WHERE tenant_id LIKE 'R-%';
SELECT finops.issue_invoices('2022-05-01');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK TO nobody;
UPDATE finops.period_gate SET status = 'warning' WHERE period_start = '2022-05-01';
SELECT finops.issue_invoices('2022-05-01');
\echo :LAST_ERROR_SQLSTATE
UPDATE finops.period_gate SET status = 'ok' WHERE period_start = '2022-05-01';
SELECT finops.issue_invoices('2022-05-01');
\echo :LAST_ERROR_SQLSTATE
SELECT tenant_id FROM finops.register_tenant('R-A', tax_profile => '{"rate_pct": 10}');
SELECT legal_name FROM finops.set_issuer('Example Ltd');
SELECT finops.issue_invoices('2022-05-01');
\echo :LAST_ERROR_SQLSTATE
SELECT legal_name FROM finops.set_issuer(address => '1 High Street', vat_id => 'DE1', number_format => 'R{SEQ}');
SELECT count(*) FROM generate_series(1, 7) n, LATERAL finops.register_tenant('R-' || n);
INSERT INTO fact_cost_allocated (tenant_id, period_start, period_end, service, category, rule_id, rule_version, run_id, kind, origin, currency, allocated_cost_usd)
SELECT 'R-' || n, '2022-05-01', '2022-05-31', 'EC2', 'OTHER', 'direct-tag', 1, 1, 'direct', 'o', 'USD', n FROM generate_series(1, 7) n;
SELECT finops.issue_invoices('2022-05-01');
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) FROM generate_series(1, 7) n, LATERAL finops.bind_plan('R-' || n, 'R-P', '2022-05-01');
SELECT finops.issue_invoices('2022-05-01');
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) FROM generate_series(1, 7) n, LATERAL finops.register_tenant('R-' || n, billing_mode => 'chargeback');
-- these documents were judged, then changed
SELECT invoice_id, total FROM finops.prepare_invoices('2022-05-01');
SELECT billing_contact FROM finops.register_tenant('R-A', billing_contact => '{"address": "A"}');
INSERT INTO finops.period_gate (period_start, gate, position, status) VALUES ('2022-05-01', 'reconciliation', 3, 'ok') ON CONFLICT DO NOTHING;
SELECT tenant_id FROM finops.register_tenant('R-A', tax_profile => '{"rate_pct": 20}');
SELECT finops.issue_invoices('2022-05-01');
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) FROM finops.prepare_invoices('2022-05-01');
SELECT finops.issue_invoices('2022-05-01');
\echo :LAST_ERROR_SQLSTATE
INSERT INTO finops.period_gate (period_start, gate, position, status) VALUES ('2022-05-01', 'reconciliation', 3, 'resolved');
SELECT invoice_id, invoice_number, currency, subtotal, tax, total FROM finops.issue_invoices('2022-05-01');
-- issued: nothing changes any more
UPDATE invoice_header SET total = total + 1, subtotal = subtotal + 1 WHERE period_start = '2022-05-01';
\echo :LAST_ERROR_SQLSTATE
UPDATE invoice_header SET status = 'void' WHERE period_start = '2022-05-01';
\echo :LAST_ERROR_SQLSTATE
UPDATE invoice_header SET status = 'open', invoice_number = NULL WHERE period_start = '2022-05-01';
\echo :LAST_ERROR_SQLSTATE
DELETE FROM invoice_header WHERE period_start = '2022-05-01';
\echo :LAST_ERROR_SQLSTATE
TRUNCATE invoice_header CASCADE;
\echo :LAST_ERROR_SQLSTATE
UPDATE invoice_detail SET amount = amount + 1 WHERE period_start = '2022-05-01';
\echo :LAST_ERROR_SQLSTATE
DELETE FROM invoice_detail WHERE period_start = '2022-05-01';
\echo :LAST_ERROR_SQLSTATE
TRUNCATE invoice_detail;
\echo :LAST_ERROR_SQLSTATE
SELECT finops.set_plan('R-Q', 63);
\echo :LAST_ERROR_SQLSTATE
SELECT base_price FROM finops.set_plan('R-Q', 62);
-- payments
SELECT finops.record_payment(NULL, 1, 'USD', 'card', 'r');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.record_payment('R1', NULL, 'USD', 'card', 'r');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.record_payment('R1', 0, 'USD', 'card', 'r');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.record_payment('R1', -1, 'USD', 'card', 'r');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.record_payment('R1', 'NaN', 'USD', 'card', 'r');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.record_payment('R1', 'Infinity', 'USD', 'card', 'r');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.record_payment('R1', 1.005, 'USD', 'card', 'r');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.record_payment('R1', 1, 'XXX', 'card', 'r');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.record_payment('R1', 1, 'USD', 'gold', 'r');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.record_payment('R1', 1, 'USD', 'card', 'r', 'INV-0');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.record_payment('R1', 1, 'EUR', 'card', 'r', 'INV-202205-RA');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.record_payment('R1', 100, 'USD', 'card', 'r', 'INV-202205-RA');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.record_payment('R1', 1, 'CHF', 'card', 'r');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.record_payment('R1', 1, 'USD', 'card', 'r', paid_at => 'infinity');
\echo :LAST_ERROR_SQLSTATE
SELECT amount FROM finops.record_payment('R1', 1, 'USD', 'card', 'r', 'INV-202205-RA');
SELECT finops.record_payment('R1', 2, 'USD', 'card', 'r', 'INV-202205-RA');
\echo :LAST_ERROR_SQLSTATE
UPDATE payment_txn SET amount = 2 WHERE payment_id = 'R1';
\echo :LAST_ERROR_SQLSTATE
DELETE FROM payment_txn WHERE payment_id = 'R1';
\echo :LAST_ERROR_SQLSTATE
TRUNCATE payment_txn;
\echo :LAST_ERROR_SQLSTATE
-- credit notes
SELECT finops.credit_invoice(NULL, 'x');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.credit_invoice('INV-202205-RA', ' ');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.credit_invoice('INV-0', 'x');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.credit_invoice('INV-202205-RA', 'x', '{}');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.credit_invoice('INV-202205-RA', 'x', '[]');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.credit_invoice('INV-202205-RA', 'x', '[{"line": 1}]');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.credit_invoice('INV-202205-RA', 'x', '[{"line_no": 1.5}]');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.credit_invoice('INV-202205-RA', 'x', '[{"line_no": 1}, {"line_no": 1}]');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.credit_invoice('INV-202205-RA', 'x', '[{"line_no": 9}]');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.credit_invoice('INV-202205-RA', 'x', '[{"line_no": 1, "amount": 1000}]');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.credit_invoice('INV-202205-RA', 'x', '[{"line_no": 1, "amount": -1}]');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.credit_invoice('INV-202205-RA', 'x', '[{"line_no": 1, "amount": 0}]');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.credit_invoice('INV-202205-RA', 'x', '[{"line_no": 1, "amount": 0.001}]');
\echo :LAST_ERROR_SQLSTATE
SELECT total FROM finops.credit_invoice('INV-202205-RA', 'x');
SELECT finops.credit_invoice('INV-202205-RA', 'x');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.credit_invoice('CN-202205-RA', 'x');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.receivables_ageing(NULL);
\echo :LAST_ERROR_SQLSTATE
-- an open document may be voided, and is then left alone; a new one is revision 2
SELECT count(*) FROM finops.prepare_invoices('2022-05-01');
SELECT tenant_id, billing_mode FROM finops.register_tenant('R-1', billing_mode => 'invoice');
SELECT invoice_id FROM finops.prepare_invoices('2022-05-01', 'R-1');
SELECT finops.record_payment('R2', 1, 'USD', 'card', 'r', 'INV-202205-R1');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.credit_invoice('INV-202205-R1', 'x');
\echo :LAST_ERROR_SQLSTATE
UPDATE invoice_header SET status = 'void' WHERE invoice_id = 'INV-202205-R1';
UPDATE invoice_header SET status = 'open' WHERE invoice_id = 'INV-202205-R1';
\echo :LAST_ERROR_SQLSTATE
SELECT finops.record_payment('R2', 1, 'USD', 'card', 'r', 'INV-202205-R1');
\echo :LAST_ERROR_SQLSTATE
SELECT invoice_id, revision, status FROM finops.prepare_invoices('2022-05-01', 'R-1');
-- a locked month: nothing is prepared, what is issued is returned
UPDATE period_lock SET state = 'LOCKED' WHERE period_start = '2022-05-01';
SELECT finops.prepare_invoices('2022-05-01');
\echo :LAST_ERROR_SQLSTATE
SELECT invoice_id, status FROM finops.issue_invoices('2022-05-01');
ROLLBACK;
BEGIN READ ONLY;
SELECT finops.prepare_invoices('2022-05-01');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.issue_invoices('2022-05-01');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.record_payment('R1', 1, 'USD', 'card', 'r');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
-- who may call
BEGIN;
CREATE ROLE regress_finops_nobody;
SET LOCAL ROLE regress_finops_nobody;
SELECT finops.prepare_invoices('2022-05-01');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.issue_invoices('2022-05-01');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.verify_invoices();
\echo :LAST_ERROR_SQLSTATE
SELECT finops.set_issuer('x');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.record_payment('R1', 1, 'USD', 'card', 'r');
\echo :LAST_ERROR_SQLSTATE
SELECT finops.credit_invoice('x', 'y');
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) FROM invoice_header;
RESET ROLE;
-- with EXECUTE alone it works on tables that the role cannot read
GRANT EXECUTE ON FUNCTION finops.set_plan(text, numeric, numeric, text, text, text, integer, integer, date, date, text, numeric, numeric, boolean, text) TO regress_finops_nobody;
SET LOCAL ROLE regress_finops_nobody;
SELECT plan_code FROM finops.set_plan('R-X', 1);
SELECT count(*) FROM plan_master;
RESET ROLE;
SELECT actor_id, action, object_id FROM audit_event WHERE object_id = 'R-X' AND occurred_at >= now();
ROLLBACK;

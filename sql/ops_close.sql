-- A month from bill to lock: every gate that is shut says why and what next.
\set VERBOSITY default
\set SHOW_CONTEXT never
SET finops.cost_basis = 'effective';
CREATE TABLE finops.fact_cost_raw_2023_11 PARTITION OF fact_cost_raw FOR VALUES FROM ('2023-11-01') TO ('2023-12-01');
INSERT INTO fact_cost_raw (bill_billing_period_start_date, line_item_usage_start_date, provider, service, charge_category, billed_cost,
	effective_cost, tenant_id, resource_tags_user_tenant_id, source, delivery_id)
SELECT '2023-11-01', timestamp '2023-11-01' + d * interval '1 day', 'AWS', s, 'Usage', b, e, t, t, 'test', 1
FROM (VALUES (0, 'AmazonEC2', 6000, 5964.0000000001, 'close-a'), (29, 'AmazonEC2', 30, 36, NULL), (3, 'AmazonS3', 4000, 4000, 'close-b')) AS v(d, s, b, e, t);
SELECT finops.rebuild_rollup('2023-11-01');
SELECT step, subject, state, next_call FROM finops.setup() WHERE subject IN ('bill', 'tenant key');
SELECT * FROM finops.readiness('2023-11-01');
INSERT INTO tenant_master (tenant_id, tenant_name, billing_mode) VALUES ('close-a', 'Tenant A', 'invoice'), ('close-b', 'Tenant B', 'showback');

-- 36 of 10000 is 0.36 % of the total, and 0.6 % of its service: a warning
CALL finops.close_month('2023-11-01');
SELECT service, variance_usd, round(variance_pct, 4) AS variance_pct, status FROM recon_summary WHERE recon_id = 'RECON-2023-11' ORDER BY 1;
SELECT gate, status FROM finops.period_gate WHERE period_start = '2023-11-01' ORDER BY position;
SELECT * FROM finops.issue_invoices('2023-11-01');
-- 1.2 % has failed
UPDATE fact_cost_raw SET effective_cost = CASE WHEN tenant_id IS NULL THEN 72 ELSE 5928.0000000001 END
WHERE service = 'AmazonEC2' AND bill_billing_period_start_date = '2023-11-01';
SELECT finops.rebuild_rollup('2023-11-01');
CALL finops.close_month('2023-11-01');
SELECT status FROM finops.period_gate WHERE period_start = '2023-11-01' AND gate = 'reconciliation';
-- a provisional close goes on to the documents, issues nothing and locks nothing
SET client_min_messages = warning;
CALL finops.close_month('2023-11-01', provisional => true);
RESET client_min_messages;
SELECT invoice_id, status, total FROM invoice_header WHERE period_start = '2023-11-01';

-- a rule places it; the open document of before is computed anew; then one thing after the other is missing
SELECT finops.add_allocation_rule('close-shared', 'proportional', '2023-11-01', effective_to => '2023-12-01');
CALL finops.close_month('2023-11-01');
SET client_min_messages = warning;
SELECT count(*) FROM finops.set_issuer('Issuer Ltd', '1 Street', 'VAT-1', number_format => 'CLOSE-{SEQ:3}');
CALL finops.close_month('2023-11-01');
SELECT tenant_id, step, reason, call FROM finops.invoice_failure WHERE period_start = '2023-11-01';
SELECT count(*) FROM finops.set_plan('close-plan', 100);
SELECT count(*) FROM finops.bind_plan('close-a', 'close-plan', '2023-11-01');
CALL finops.close_month('2023-11-01');
SELECT count(*) FROM finops.register_tenant('close-a', billing_contact => '{"address": "2 Street"}', tax_profile => '{"rate_pct": 20}');
DO $$
DECLARE answer text;
BEGIN
	CALL finops.close_month('2023-11-01', false, answer);
	RAISE WARNING '%', regexp_replace(answer, '[0-9a-f]{64}', '<hash>');
END $$;
RESET client_min_messages;
SELECT gate, status, regexp_replace(detail, '[0-9a-f]{64}', '<hash>') AS detail FROM finops.period_gate WHERE period_start = '2023-11-01' ORDER BY position;
SELECT invoice_id, invoice_number, status, subtotal, tax, total FROM invoice_header WHERE period_start = '2023-11-01';
-- cost in = allocated + overhead + unallocated, per service and in total; allocated = invoiced + not yet invoiced
SELECT service, aws_total_usd, allocated_total_usd, operator_overhead_usd, unallocated_usd, invoiced_total_usd,
	allocated_total_usd + operator_overhead_usd + unallocated_usd - aws_total_usd = 0 AS adds_up
FROM finops.recon_detail WHERE recon_id = 'RECON-2023-11' ORDER BY 1;
SELECT aws_total_usd, allocated_total_usd - invoiced_total_usd - not_yet_invoiced_usd = 0 AS adds_up, status FROM finops.recon_run WHERE recon_id = 'RECON-2023-11';
SELECT state, cost_basis, recon_id FROM period_lock WHERE period_start = '2023-11-01';
SELECT object, row_count FROM finops.period_seal WHERE period_start = '2023-11-01' AND row_count > 0 ORDER BY 1;
SELECT * FROM finops.verify_period('2023-11-01');

-- closed twice, and nothing of it moves
CALL finops.close_month('2023-11-01');
CALL finops.close_month('2023-11-01', provisional => true);
SELECT finops.allocate('2023-11-01');
SELECT finops.reconcile('2023-11-01');
SELECT count(*) FROM finops.prepare_invoices('2023-11-01');
SELECT finops.rebuild_rollup('2023-11-01');
-- a payment does, and the seal holds
SELECT count(*) FROM finops.record_payment('close-pay', (SELECT total FROM invoice_header WHERE period_start = '2023-11-01'), 'USD', 'bank_transfer', 'ref', 'INV-202311-closea');
SELECT status FROM invoice_header WHERE period_start = '2023-11-01';
SELECT * FROM finops.verify_period('2023-11-01');

-- the same identities on billed cost
SET finops.cost_basis = 'billed';
CREATE TABLE finops.fact_cost_raw_2023_12 PARTITION OF fact_cost_raw FOR VALUES FROM ('2023-12-01') TO ('2024-01-01');
INSERT INTO fact_cost_raw (bill_billing_period_start_date, line_item_usage_start_date, provider, service, charge_category, billed_cost,
	effective_cost, tenant_id, source, delivery_id)
SELECT '2023-12-01', '2023-12-31', 'AWS', 'AmazonEC2', 'Usage', 100.123, 99, 'close-b', 'test', 2;
SELECT finops.rebuild_rollup('2023-12-01');
SET client_min_messages = warning;
CALL finops.close_month('2023-12-01', provisional => true);
RESET client_min_messages;
SELECT cost_basis, aws_total_usd, allocated_total_usd, status, provisional FROM finops.recon_run WHERE recon_id = 'RECON-2023-12';

-- leave nothing behind
SET client_min_messages = warning;
SET session_replication_role = replica;
DROP TABLE finops.fact_cost_raw_2023_11, finops.fact_cost_raw_2023_12, finops.fact_cost_allocated_2023_11, finops.fact_cost_allocated_2023_12;
DELETE FROM recon_exceptions WHERE recon_id ~ 'RECON-2023';
DELETE FROM recon_summary WHERE recon_id ~ 'RECON-2023';
DELETE FROM finops.recon_detail WHERE recon_id ~ 'RECON-2023';
DELETE FROM finops.recon_run WHERE recon_id ~ 'RECON-2023';
DELETE FROM finops.recon_history WHERE recon_id ~ 'RECON-2023';
DELETE FROM finops.period_seal WHERE period_start >= '2023-01-01' AND period_start < '2024-01-01';
DELETE FROM finops.period_gate WHERE period_start >= '2023-01-01' AND period_start < '2024-01-01';
DELETE FROM period_lock WHERE period_start >= '2023-01-01' AND period_start < '2024-01-01';
DELETE FROM rule_version_map WHERE period_start >= '2023-01-01' AND period_start < '2024-01-01';
DELETE FROM finops.cost_daily WHERE billing_period >= '2023-01-01' AND billing_period < '2024-01-01';
DELETE FROM tag_validation_log WHERE period_start >= '2023-01-01' AND period_start < '2024-01-01';
DELETE FROM finops.payment_application WHERE payment_id = 'close-pay';
DELETE FROM payment_txn WHERE payment_id = 'close-pay';
DELETE FROM invoice_detail WHERE tenant_id LIKE 'close-%';
DELETE FROM invoice_header WHERE tenant_id LIKE 'close-%';
DELETE FROM tenant_plan_binding WHERE tenant_id LIKE 'close-%';
DELETE FROM tenant_master WHERE tenant_id LIKE 'close-%';
DELETE FROM plan_master WHERE plan_code = 'close-plan';
DELETE FROM finops.issuer;
DELETE FROM finops.number_series;
DELETE FROM allocation_rules WHERE rule_id = 'close-shared';
RESET session_replication_role;
RESET finops.cost_basis;

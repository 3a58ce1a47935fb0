-- Closed means closed.
\set VERBOSITY default
\set SHOW_CONTEXT never
SELECT finops.lock_period(NULL);
SELECT finops.lock_period('2023-01-02');
DO $$
DECLARE month date := date_trunc('month', now() AT TIME ZONE 'UTC');
BEGIN
	PERFORM finops.lock_period(month);
EXCEPTION WHEN invalid_parameter_value THEN
	RAISE NOTICE '%', replace(SQLERRM, to_char(month, 'YYYY-MM'), '<this month>');
END $$;
SELECT finops.lock_period('2023-01-01');
SELECT * FROM finops.verify_period('2023-01-01');
SELECT * FROM finops.verify_period(NULL);

BEGIN;
CREATE TABLE finops.fact_cost_raw_2023_01 PARTITION OF fact_cost_raw FOR VALUES FROM ('2023-01-01') TO ('2023-02-01');
CREATE TABLE finops.fact_cost_raw_2023_02 PARTITION OF fact_cost_raw FOR VALUES FROM ('2023-02-01') TO ('2023-03-01');
CREATE TABLE finops.fact_cost_allocated_2023_01 PARTITION OF fact_cost_allocated FOR VALUES FROM ('2023-01-01') TO ('2023-02-01');
INSERT INTO fact_cost_raw (bill_billing_period_start_date, line_item_usage_start_date, provider, service, charge_category, billed_cost,
	effective_cost, tenant_id, resource_tags, source, delivery_id)
VALUES ('2023-01-01', '2023-01-05', 'AWS', 'EC2', 'Usage', 100, 100, 'a', '{"tenant_id": "a"}', 'test', 1),
	('2023-01-01', '2023-01-06', 'AWS', 'S3', 'Usage', 50, 50, 'b', NULL, 'test', 1),
	('2023-02-01', '2023-02-06', 'AWS', 'S3', 'Usage', 70, 70, 'b', NULL, 'test', 2);
INSERT INTO fact_cost_allocated (tenant_id, period_start, period_end, service, category, rule_id, rule_version, run_id, kind, origin, currency,
	allocated_cost_usd)
VALUES ('a', '2023-01-01', '2023-01-31', 'EC2', 'OTHER', 'direct-tag', 1, 1, 'direct', 'test', 'USD', 100),
	('b', '2023-01-01', '2023-01-31', 'S3', 'OTHER', 'direct-tag', 1, 1, 'direct', 'test', 'USD', 50);
INSERT INTO tenant_master (tenant_id, tenant_name, billing_mode) VALUES ('a', 'Tenant A', 'invoice'), ('b', 'Tenant B', 'showback');
INSERT INTO finops.cost_daily (billing_period, usage_date, source, provider, service, charge_category, currency, billed_cost, effective_cost, line_items)
VALUES ('2023-01-01', '2023-01-05', 'test', 'AWS', 'EC2', 'Usage', 'USD', 100, 100, 1), ('2023-02-01', '2023-02-06', 'test', 'AWS', 'S3', 'Usage', 'USD', 70, 70, 1);
INSERT INTO finops.period_gate (period_start, gate, position, status) VALUES ('2023-01-01', 'allocation', 2, 'completed');
SELECT finops.reconcile('2023-01-01');

-- every gate is asked, and names the next call
SAVEPOINT a;
SELECT finops.lock_period('2023-01-01');
ROLLBACK TO a;
INSERT INTO invoice_header (invoice_id, tenant_id, period_start, period_end, subtotal, total, subtotal_usd, total_usd)
VALUES ('INV-A', 'a', '2023-01-01', '2023-01-31', 5, 5, 5, 5);
SELECT finops.lock_period('2023-01-01');
ROLLBACK TO a;
-- a document that came after the reconciliation of the documents
INSERT INTO invoice_header (invoice_id, tenant_id, period_start, period_end, kind, subtotal, total, subtotal_usd, total_usd)
VALUES ('INV-A', 'a', '2023-01-01', '2023-01-31', 'invoice', 0, 0, 0, 0), ('INV-B', 'b', '2023-01-01', '2023-01-31', 'invoice', 0, 0, 0, 0);
INSERT INTO invoice_detail (invoice_id, line_no, tenant_id, period_start, line_type, service, description, quantity, unit, unit_price, unit_price_usd, amount, amount_usd, tax_rate, cost, cost_currency, cost_usd)
VALUES ('INV-A', 1, 'a', '2023-01-01', 'allocation', 'EC2', 'x', 1, 'month', 0, 0, 0, 0, 0, 100, 'USD', 100);
SELECT finops.reconcile('2023-01-01');
INSERT INTO invoice_detail (invoice_id, line_no, tenant_id, period_start, line_type, service, description, quantity, unit, unit_price, unit_price_usd, amount, amount_usd, tax_rate, cost, cost_currency, cost_usd)
VALUES ('INV-B', 1, 'b', '2023-01-01', 'allocation', 'S3', 'x', 1, 'month', 0, 0, 0, 0, 0, 50, 'USD', 50);
UPDATE finops.period_gate SET status = 'ok' WHERE gate = 'reconciliation';
SELECT finops.lock_period('2023-01-01');
ROLLBACK TO a;
UPDATE finops.period_gate SET status = 'failed', detail = 'Allocation EC2 -6.00 (-2.40 %)' WHERE gate = 'reconciliation';
SELECT finops.lock_period('2023-01-01');
ROLLBACK TO a;
DELETE FROM finops.period_gate WHERE gate = 'reconciliation';
SELECT finops.lock_period('2023-01-01');
ROLLBACK TO a;
UPDATE tenant_master SET billing_mode = 'showback';
\set VERBOSITY terse
\o /dev/null
SET LOCAL client_min_messages = warning;
SELECT finops.lock_period('2023-01-01');
RESET client_min_messages;
\o
SELECT state, locked_by = current_user AS by_me, hash_head ~ '^[0-9a-f]{64}$' AS hashed FROM period_lock WHERE period_start = '2023-01-01';
SELECT object, row_count FROM finops.period_seal ORDER BY object COLLATE "C";
SELECT * FROM finops.verify_period('2023-01-01');
-- the head can be worked out by hand from what it covers
SELECT encode(sha256(convert_to(string_agg(object || ' ' || row_count || ' ' || array_to_string(columns, ',') || ' ' || digest, E'\n'
	ORDER BY object COLLATE "C"), 'UTF8')), 'hex') = (SELECT hash_head FROM period_lock WHERE period_start = '2023-01-01') AS same_head
FROM finops.period_seal WHERE period_start = '2023-01-01';

-- a role with every right on every table changes nothing of it
CREATE ROLE regress_finops_clerk;
GRANT USAGE, CREATE ON SCHEMA finops TO regress_finops_clerk;
GRANT ALL ON ALL TABLES IN SCHEMA finops, public TO regress_finops_clerk;
GRANT ALL ON ALL SEQUENCES IN SCHEMA finops, public TO regress_finops_clerk;
SET ROLE regress_finops_clerk;
\set VERBOSITY default
SAVEPOINT a;
INSERT INTO fact_cost_raw SELECT * FROM fact_cost_raw WHERE bill_billing_period_start_date = '2023-01-01';
\set VERBOSITY terse
ROLLBACK TO a;
INSERT INTO finops.fact_cost_raw_2023_01 SELECT * FROM finops.fact_cost_raw_2023_01;
ROLLBACK TO a;
UPDATE fact_cost_raw SET effective_cost = 0;
ROLLBACK TO a;
UPDATE fact_cost_raw SET bill_billing_period_start_date = '2023-01-01' WHERE bill_billing_period_start_date = '2023-02-01';
ROLLBACK TO a;
DELETE FROM finops.fact_cost_raw_2023_01;
ROLLBACK TO a;
TRUNCATE fact_cost_raw;
ROLLBACK TO a;
TRUNCATE finops.fact_cost_raw_2023_01;
ROLLBACK TO a;
INSERT INTO fact_cost_allocated SELECT * FROM fact_cost_allocated;
ROLLBACK TO a;
DELETE FROM fact_cost_allocated;
ROLLBACK TO a;
TRUNCATE finops.fact_cost_allocated_2023_01;
ROLLBACK TO a;
UPDATE finops.cost_daily SET effective_cost = 0;
ROLLBACK TO a;
UPDATE finops.cost_daily SET billing_period = '2023-01-01' WHERE billing_period = '2023-02-01';
ROLLBACK TO a;
DELETE FROM finops.cost_daily;
ROLLBACK TO a;
TRUNCATE finops.cost_daily;
ROLLBACK TO a;
DELETE FROM recon_exceptions;
DELETE FROM recon_summary;
ROLLBACK TO a;
UPDATE recon_summary SET note = 'x';
ROLLBACK TO a;
DELETE FROM finops.recon_detail;
ROLLBACK TO a;
TRUNCATE finops.recon_run CASCADE;
ROLLBACK TO a;
UPDATE period_lock SET state = 'OPEN';
ROLLBACK TO a;
DELETE FROM period_lock;
ROLLBACK TO a;
TRUNCATE period_lock;
ROLLBACK TO a;
DELETE FROM finops.period_seal;
ROLLBACK TO a;
ALTER TABLE finops.fact_cost_raw_2023_01 DISABLE TRIGGER finops_locked;
ROLLBACK TO a;
DROP TRIGGER finops_locked ON finops.fact_cost_raw_2023_01;
ROLLBACK TO a;
-- other months go on
UPDATE fact_cost_raw SET effective_cost = 71 WHERE bill_billing_period_start_date = '2023-02-01';
DELETE FROM finops.cost_daily WHERE billing_period = '2023-02-01';
RESET ROLE;
-- nor do the functions
SAVEPOINT a;
SELECT finops.lock_period('2023-01-01');
\set VERBOSITY default
ROLLBACK TO a;
SELECT finops.reconcile('2023-01-01');
ROLLBACK TO a;
SELECT finops.resolve_recon('RECON-2023-01');
ROLLBACK TO a;
SELECT * FROM finops.verify_period('2023-01-01');

-- what the owner can do, and that it is seen
ALTER TABLE finops.fact_cost_raw_2023_01 DISABLE TRIGGER finops_locked;
UPDATE fact_cost_raw SET resource_tags = '{"tenant_id": "A"}' WHERE service = 'EC2';
SELECT * FROM finops.verify_period('2023-01-01');
ROLLBACK TO a;
SET LOCAL session_replication_role = replica;
DELETE FROM fact_cost_allocated WHERE tenant_id = 'a';
UPDATE recon_summary SET variance_usd = 1;
RESET session_replication_role;
SELECT * FROM finops.verify_period('2023-01-01');
ROLLBACK TO a;
SET LOCAL session_replication_role = replica;
UPDATE finops.period_seal SET digest = 'x' WHERE object = 'fact_cost_raw';
DELETE FROM finops.period_seal WHERE object = 'recon_run';
RESET session_replication_role;
ALTER TABLE finops.cost_daily DISABLE TRIGGER locked_delete;
DROP TRIGGER finops_locked_truncate ON finops.fact_cost_allocated_2023_01;
SELECT * FROM finops.verify_period('2023-01-01');
ROLLBACK TO a;
ROLLBACK;

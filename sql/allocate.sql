-- allocation: a month by hand, and what is refused
\set VERBOSITY default
\set SHOW_CONTEXT never
BEGIN;
CREATE TABLE finops.fact_cost_raw_2021_09 PARTITION OF fact_cost_raw FOR VALUES FROM ('2021-09-01') TO ('2021-10-01');
INSERT INTO tenant_master (tenant_id, tenant_name) VALUES ('TEN-1', 'One'), ('TEN-2', 'Two');
INSERT INTO fact_cost_raw (bill_billing_period_start_date, provider, service, charge_category, billed_cost, effective_cost, tenant_id, source, delivery_id)
SELECT '2021-09-01', 'AWS', v.service, 'Usage', v.cost, v.cost, v.tenant, 'test', 0
FROM (VALUES ('EC2', 100, 'TEN-1'), ('EC2', 50, 'TEN-2'), ('NAT', 10, NULL), ('Support', 3.5, NULL), ('Other', 0.05, NULL)) v(service, cost, tenant);
SELECT finops.add_allocation_rule('nat', 'proportional', '2021-01-01', category => 'NAT', service_match => 'NAT');
SELECT finops.add_allocation_rule('support', 'equal', '2021-01-01', service_match => 'Support', billable => false);
SELECT severity, rule_id, check_name, detail, currency, cost FROM finops.validate_rules('2021-09-01');
SELECT finops.allocate('2021-09-01') > 0 AS allocated;
SELECT kind, tenant_id, service, category, rule_id, rule_version, amount FROM finops.allocation_current
WHERE period_start = '2021-09-01' ORDER BY kind, service, tenant_id;
SELECT "position", path, share, pool_amount, amount FROM finops.explain_allocation('TEN-1', '2021-09-01');
SAVEPOINT s;
SELECT finops.explain_allocation('TEN-9', '2021-09-01');
ROLLBACK TO s;
SELECT finops.add_allocation_rule('kms', 'fixed_pct', '2021-01-01', weights => '{"TEN-1": 60, "TEN-2": 50}');
ROLLBACK TO s;
SELECT finops.add_allocation_rule('kms', 'fixed_pct', '2021-01-01', weights => '{"TEN-9": 60}');
ROLLBACK TO s;
SELECT finops.add_allocation_rule('kms', 'fixed_pct', '2021-01-01', weights => '{"TEN-1": "much"}');
ROLLBACK TO s;
SELECT finops.add_allocation_rule('kms', 'even', '2021-01-01');
ROLLBACK TO s;
SELECT finops.add_allocation_rule('kms', 'equal', '2021-01-01', charge_category => 'Fee');
ROLLBACK TO s;
SELECT finops.add_allocation_rule('kms', 'fixed_fee', '2021-01-01', weights => '[1]');
ROLLBACK TO s;
SELECT finops.add_allocation_rule('unallocated', 'equal', '2021-01-01');
ROLLBACK TO s;
SELECT finops.add_allocation_rule(' ', 'equal', '2021-01-01');
ROLLBACK TO s;
SELECT finops.add_allocation_rule('nat', 'equal', '2020-01-01');
ROLLBACK TO s;
SELECT finops.add_allocation_rule('nat', 'equal', '2021-01-15');
ROLLBACK TO s;
SELECT finops.add_allocation_rule('nat', 'equal', '2021-02-01', '2021-02-01');
ROLLBACK TO s;
SELECT finops.add_allocation_rule(NULL, 'equal', '2021-02-01');
ROLLBACK TO s;
INSERT INTO allocation_rules (rule_id, formula, effective_from, weights_json) VALUES ('kms', 'fixed_pct', '2021-01-01', '{"TEN-1": 101}');
SELECT finops.allocate('2021-09-01');
ROLLBACK TO s;
UPDATE period_lock SET state = 'LOCKED' WHERE period_start = '2021-09-01';
SELECT finops.allocate('2021-09-01');
ROLLBACK TO s;
-- a month of many lines says once that an index is missing
UPDATE period_lock SET state = 'OPEN' WHERE period_start = '2021-09-01';
SELECT finops.allocate('2021-09-01') > 0 AS allocated;
UPDATE pg_class SET reltuples = 999999 WHERE oid = 'finops.fact_cost_raw_2021_09'::regclass;
SELECT count(*) FROM (SELECT max(id) AS id FROM fact_cost_allocated WHERE period_start = '2021-09-01') e, finops.entry_lines(e.id, 1);
UPDATE pg_class SET reltuples = 1000000 WHERE oid = 'finops.fact_cost_raw_2021_09'::regclass;
SELECT count(*) FROM (SELECT max(id) AS id FROM fact_cost_allocated WHERE period_start = '2021-09-01') e, finops.entry_lines(e.id, 1);
SELECT count(*) FROM (SELECT max(id) AS id FROM fact_cost_allocated WHERE period_start = '2021-09-01') e, finops.entry_lines(e.id, 1);
ROLLBACK TO s;
SET TRANSACTION READ ONLY;
SELECT finops.allocate('2021-09-01');
ROLLBACK;
SELECT finops.allocate('2021-10-01');
SELECT finops.allocate(NULL);
SELECT finops.allocate('2021-10-31');
SELECT finops.allocate('infinity');
SELECT finops.explain_allocation('TEN-1', '2021-10-01');
SELECT finops.explain_allocation(NULL, '2021-10-01');
\set VERBOSITY terse
INSERT INTO allocation_rules (rule_id, formula, effective_from) VALUES ('direct-tag', 'equal', '2021-01-01');

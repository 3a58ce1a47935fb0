-- What finops.validate_rules says of cost that policies place
BEGIN;
SET client_min_messages = warning;
SELECT plan(3);
CREATE TABLE finops.fact_cost_raw_2025_01 PARTITION OF fact_cost_raw FOR VALUES FROM ('2025-01-01') TO ('2025-02-01');
INSERT INTO fact_cost_raw (bill_billing_period_start_date, provider, service, charge_category, billed_cost, effective_cost, line_item_usage_start_date, tenant_id, source, delivery_id)
SELECT '2025-01-01', 'AWS', l.service, l.category, l.cost, l.cost, '2025-01-01', l.tenant, 'test', 0
FROM (VALUES ('charged', 'Usage', 100, 'a'), ('charged', 'Credit', -10, NULL), ('credit only', 'Credit', -5, NULL), ('untagged', 'Usage', 7, NULL), ('untagged', 'Credit', -1, NULL)) l(service, category, cost, tenant);
SELECT results_eq($$ SELECT detail, cost FROM finops.validate_rules('2025-01-01') WHERE check_name = 'no_rule' ORDER BY 1 $$,
	$$ VALUES ('No rule places cost of credit only.', -5::numeric), ('No rule places cost of untagged.', 7) $$,
	'credits that follow the charges of their service need no rule');
INSERT INTO finops.allocation_policy (policy, value) VALUES ('credits', 'rules');
SELECT results_eq($$ SELECT detail, cost FROM finops.validate_rules('2025-01-01') WHERE check_name = 'no_rule' ORDER BY 1 $$,
	$$ VALUES ('No rule places cost of charged.', -10::numeric), ('No rule places cost of credit only.', -5), ('No rule places cost of untagged.', 6) $$,
	'unless the policy leaves them to rules');
SELECT finops.allocate('2025-01-01') AS run \gset
SELECT is((SELECT sum(allocated_cost_usd) FROM fact_cost_allocated WHERE kind = 'unallocated'), -9.00, 'which is what an allocation leaves');
SELECT * FROM finish();
ROLLBACK;

-- tags: coverage, the tenant key, validation, and what is refused
\set VERBOSITY default
\set SHOW_CONTEXT never
BEGIN;
CREATE TABLE finops.fact_cost_raw_2021_11 PARTITION OF fact_cost_raw FOR VALUES FROM ('2021-11-01') TO ('2021-12-01');
INSERT INTO fact_cost_raw (bill_billing_period_start_date, line_item_resource_id, provider, service, charge_category, billed_cost, effective_cost, resource_tags, source, delivery_id)
SELECT '2021-11-01', v.resource, 'AWS', 'EC2', 'Usage', v.cost, v.cost, v.tags::jsonb, 'test', 0
FROM (VALUES ('i-1', 10, '{"cost_center": "CC1", "env": "prod"}'), ('i-2', 30, '{"cost_center": " CC2 "}'), ('i-3', 60, '{"cost_center": "", "environment": "qa"}')) v(resource, cost, tags);
SELECT round(finops.tag_coverage(resource_tags ->> 'cost_center'), 6) AS rows_pct, finops.tag_coverage_cost(billed_cost, resource_tags ->> 'cost_center') AS cost_pct
FROM fact_cost_raw WHERE bill_billing_period_start_date = '2021-11-01';
SELECT tag_key, rows_total, rows_tagged, round(rows_pct, 6) AS rows_pct, cost_total, cost_tagged, round(cost_pct, 6) AS cost_pct, currency
FROM finops.tag_coverage_report('2021-11-01');
SELECT tag_key, distinct_values, suitable, example_values FROM finops.tag_key_candidates();
SAVEPOINT s;
SELECT * FROM finops.set_tenant_key('CostCenter');
ROLLBACK TO s;
SELECT * FROM finops.set_tenant_key('nothing like it');
ROLLBACK TO s;
SELECT * FROM finops.set_tenant_key('  ');
ROLLBACK TO s;
SELECT * FROM finops.set_tenant_key(NULL);
ROLLBACK TO s;
SELECT tenant_key, currency, tenants, tenants_registered, rows_total, rows_tagged, round(rows_pct, 6) AS rows_pct, cost_total, cost_tagged, round(cost_pct, 6) AS cost_pct
FROM finops.set_tenant_key('cost_center');
SELECT line_item_resource_id, tenant_id, resource_tags ->> 'cost_center' AS as_delivered FROM fact_cost_raw WHERE bill_billing_period_start_date = '2021-11-01' ORDER BY 1;
SELECT finops.validate_tags('2021-11-01') > 0 AS validated;
SELECT severity, tag_key, check_name, resource_id, line_items, cost, quarantined, detail FROM tag_validation_log
WHERE period_start = '2021-11-01' ORDER BY 1, 2, 3, 4;
SAVEPOINT s;
UPDATE period_lock SET state = 'LOCKED' WHERE period_start = '2021-11-01';
SELECT finops.validate_tags('2021-11-01');
ROLLBACK TO s;
INSERT INTO tag_policy (tag_key, value_pattern) VALUES ('env', '(');
SELECT finops.validate_tags('2021-11-01');
ROLLBACK;
SELECT finops.validate_tags('2021-10-01');
SELECT finops.validate_tags('2021-10-02');
SELECT finops.validate_tags(NULL);
SELECT finops.tag_coverage_report('2021-10-02');
SELECT finops.tag_coverage_cost('NaN', 'x');
SELECT finops.tag_coverage(VARIADIC '{}'::text[]);
SELECT finops.tag_coverage_pct('\x00');

-- Hours of a bill are UTC, also where the clocks of the session change
BEGIN;
SET client_min_messages = warning;
SELECT plan(4);
INSERT INTO tenant_master (tenant_id, tenant_name) VALUES ('a', 'a'), ('b', 'b');
CREATE TABLE finops.fact_cost_raw_2025_03 PARTITION OF fact_cost_raw FOR VALUES FROM ('2025-03-01') TO ('2025-04-01');
INSERT INTO fact_cost_raw (bill_billing_period_start_date, provider, service, charge_category, billed_cost, effective_cost, line_item_usage_start_date, source, delivery_id)
SELECT '2025-03-01', 'AWS', 's', 'Usage', 1, 1, timestamp '2025-03-30' + h * interval '1 hour', 'test', 0 FROM generate_series(0, 3) h;
INSERT INTO finops.driver (driver, grain) VALUES ('requests', 'hour');
-- each hour belongs to one tenant
INSERT INTO finops.driver_value (driver, target, slice, value)
SELECT 'requests', CASE WHEN h = 2 THEN 'b' ELSE 'a' END, timestamp '2025-03-30' + h * interval '1 hour', 1 FROM generate_series(0, 3) h;
SELECT finops.add_allocation_rule('hourly', 'driver', '2025-03-01', driver => 'requests') AS version \gset
SET TimeZone = 'Europe/Berlin';
SET DateStyle = 'German';
SELECT finops.allocate('2025-03-01') AS run \gset
SELECT is((SELECT sum(allocated_cost_usd) FROM fact_cost_allocated WHERE tenant_id = 'a'), 3.00, 'three hours of one');
SELECT is((SELECT sum(allocated_cost_usd) FROM fact_cost_allocated WHERE tenant_id = 'b'), 1.00, 'the hour that the clocks of Berlin leave out is of the other');
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
SELECT ok(identical, 'replayed elsewhere') FROM finops.replay_allocation(:run);
SET work_mem = '64kB';
SELECT finops.allocate('2025-03-01') AS again \gset
SELECT is((SELECT detail ->> 'entries_posted' FROM finops.run WHERE run_id = :again), '0', 'and allocated again, with little memory');
SELECT * FROM finish();
ROLLBACK;

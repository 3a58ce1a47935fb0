-- Keys and parts beyond work_mem: held in files, the entries are the same.
BEGIN;
SET client_min_messages = warning;
SELECT plan(13);
SET work_mem = '64MB';

INSERT INTO tenant_master (tenant_id, tenant_name) SELECT 'tenant-' || t, 'tenant-' || t FROM generate_series(1, 400) t;
INSERT INTO finops.pool (pool_id) SELECT 'p' || p FROM generate_series(1, 66) p;
CREATE TABLE finops.fact_cost_raw_2025_01 PARTITION OF fact_cost_raw FOR VALUES FROM ('2025-01-01') TO ('2025-02-01');
INSERT INTO fact_cost_raw (bill_billing_period_start_date, provider, service, charge_category, billed_cost, effective_cost,
	line_item_usage_type, line_item_usage_start_date, tenant_id, source, delivery_id)
SELECT date '2025-01-01', 'AWS', l.service, CASE WHEN l.cost < 0 THEN 'Credit' ELSE 'Usage' END, l.cost, l.cost, l.type, l.at, l.tenant, 'test', 0
FROM (
	-- pools that feed each other, a third of them credits, some with more digits than 1e-9
	SELECT 'pooled', 'pool-' || p, CASE WHEN p % 3 = 0 THEN -1 ELSE 1 END * (p * 13.371234567 + CASE WHEN p % 4 = 1 THEN 0.00000000000123 ELSE 0 END), timestamp '2025-01-01', NULL FROM generate_series(1, 66) p
	-- a month by the hour, of which each hour has a key
	UNION ALL SELECT 'hourly-' || s, 'hourly', (h * 7 + s) % 11 * CASE WHEN s = 2 THEN -0.37 ELSE 1.3700012345678 END, timestamp '2025-01-01' + h * interval '1 hour', NULL
		FROM generate_series(0, 47) h, generate_series(1, 3) s
	UNION ALL SELECT 'capped-' || s, 'capped', 911.5 * CASE WHEN s = 3 THEN -1 ELSE 1 END, timestamp '2025-01-01', NULL FROM generate_series(1, 3) s
	UNION ALL SELECT 'wide', 'wide', 1234.56, timestamp '2025-01-01', NULL
	UNION ALL SELECT 'simple-' || s, 'simple-' || s, 77.7, timestamp '2025-01-01', NULL FROM generate_series(1, 20) s
	UNION ALL SELECT 'support', 'support', 500.000000000001, timestamp '2025-01-01', NULL
	UNION ALL SELECT 'own-' || s, 'own', t * 0.37, timestamp '2025-01-01', 'tenant-' || t FROM generate_series(1, 400) t, generate_series(1, 3) s
) l(service, type, cost, at, tenant);
INSERT INTO finops.driver (driver, grain) SELECT 'month-' || d, 'month' FROM generate_series(1, 20) d UNION ALL VALUES ('hour', 'hour'), ('wide', 'month');
-- digits differ, so that they have to be kept beside the weights
INSERT INTO finops.driver_value (driver, target, slice, value)
SELECT 'month-' || d, 'tenant-' || t, timestamp '2025-01-01', round(((hashint4(d * 7919 + t) & 65535) / 100.0)::numeric, CASE WHEN d % 2 = 0 THEN 2 ELSE t % 4 END) FROM generate_series(1, 20) d, generate_series(1, 400) t
UNION ALL SELECT 'hour', 'tenant-' || t, timestamp '2025-01-01' + h * interval '1 hour', ((hashint4(h * 7919 + t) & 65535) / 1000.0)::numeric FROM generate_series(0, 47) h, generate_series(1, 400) t
-- and those that no integer holds
UNION ALL SELECT 'wide', 'tenant-' || t, timestamp '2025-01-01', t * 1000000000000000000.000000000000000001 FROM generate_series(1, 400) t;
INSERT INTO allocation_rules (rule_id, formula, usage_type_like, driver, caps, stage, key_metric, effective_from) VALUES
	('hourly', 'driver', 'hourly', 'hour', NULL, 'pool', 'direct_cost', '2025-01-01'),
	('wide', 'driver', 'wide', 'wide', NULL, 'pool', 'direct_cost', '2025-01-01'),
	('capped', 'equal', 'capped', NULL, '{"*": {"max": 3}, "tenant-7": {"min": 20, "max": 30}}', 'pool', 'direct_cost', '2025-01-01'),
	('support', 'proportional', 'support', NULL, NULL, 'overhead', 'allocated_cost', '2025-01-01');
INSERT INTO allocation_rules (rule_id, formula, usage_type_like, driver, effective_from)
SELECT 'simple-' || s, 'driver', 'simple-' || s, 'month-' || s, '2025-01-01' FROM generate_series(1, 20) s;
INSERT INTO allocation_rules (rule_id, formula, usage_type_like, driver, pool_id, legs, effective_from)
SELECT 'pool-' || p, 'driver', 'pool-' || p, 'month-' || p % 20 + 1, 'p' || p,
	jsonb_build_object('percent', (SELECT jsonb_object_agg('pool:p' || q, (p * q) % 7 / 5.0) FROM generate_series(1, 66) q WHERE q <> p)), '2025-01-01'
FROM generate_series(1, 66) p;

SELECT finops.allocate('2025-01-01') AS run \gset
SELECT is((SELECT sum(allocated_cost_usd) FROM fact_cost_allocated), (SELECT sum(effective_cost) FROM fact_cost_raw), 'cost in is cost out');
SELECT ok((SELECT sum(cardinality(i.targets)) * 12 > 4 * 65536 FROM finops.allocation_input i WHERE i.part = 'key'),
	'the keys are many times the memory of what follows');
CREATE TEMP TABLE entry AS SELECT tenant_id, kind, origin, allocated_cost_usd, share, key_metric, key_value::text, key_total::text, rung FROM fact_cost_allocated;
SELECT ok(count(DISTINCT scale(key_value::numeric)) > 2, 'weights are shown with their own digits') FROM entry WHERE origin LIKE '%simple-1|%';
SELECT is(count(*), 0::bigint, 'and are those recorded') FROM entry e
	LEFT JOIN finops.driver_value v ON v.driver = 'month-1' AND v.target = e.tenant_id AND v.value::text = e.key_value
	WHERE e.origin = 'AWS|simple-1|Usage|USD|simple-1' AND v.driver IS NULL;
SELECT is(count(*), 400::bigint, 'also weights that no integer holds') FROM entry e
	JOIN finops.driver_value v ON v.driver = 'wide' AND v.target = e.tenant_id AND v.value::text = e.key_value WHERE e.origin LIKE '%|wide|%';

SET work_mem = '64kB';
SELECT ok(identical, 'replayed in 64 kB to the same bytes') FROM finops.replay_allocation(:run);
CREATE TEMP TABLE preview AS SELECT tenant_id, kind, origin, amount, share, key_metric, key_value::text, key_total::text, rung FROM finops.preview_allocation('2025-01-01');
SELECT is(count(*), 0::bigint, 'the same preview in 64 kB, with shares, keys and rungs')
FROM ((TABLE preview EXCEPT ALL TABLE entry) UNION ALL (TABLE entry EXCEPT ALL TABLE preview)) d;
SELECT finops.allocate('2025-01-01') AS again \gset
SELECT is((SELECT detail ->> 'digest' FROM finops.run WHERE run_id = :again), (SELECT detail ->> 'digest' FROM finops.run WHERE run_id = :run), 'allocated in 64 kB to the same digest');
SELECT is((SELECT detail ->> 'entries_posted' FROM finops.run WHERE run_id = :again), '0', 'which posts nothing');
SET finops.packed_entries = 0;
SELECT finops.allocate('2025-01-01') AS packed \gset
SELECT is((SELECT detail ->> 'digest' FROM finops.run WHERE run_id = :packed), (SELECT detail ->> 'digest' FROM finops.run WHERE run_id = :run), 'nor does packing in 64 kB change it');
-- an hour's cost follows the hour's use; added up over the hours, as SQL does it
SELECT is(count(*), 400::bigint, 'hours are added up')
FROM entry e JOIN (SELECT v.target, sum(c.cost * v.value / t.total) AS amount FROM finops.driver_value v
		JOIN (SELECT slice, sum(value) AS total FROM finops.driver_value WHERE driver = 'hour' GROUP BY 1) t USING (slice)
		JOIN (SELECT line_item_usage_start_date AS slice, sum(effective_cost) AS cost FROM fact_cost_raw WHERE service = 'hourly-1' GROUP BY 1) c USING (slice)
		WHERE v.driver = 'hour' GROUP BY 1) s ON s.target = e.tenant_id
WHERE e.origin LIKE 'AWS|hourly-1|%' AND abs(e.allocated_cost_usd - s.amount) < 0.00000005;
SELECT ok(max(allocated) <= 9 AND count(*) > 300, 'bounds hold') FROM (SELECT tenant_id, sum(allocated_cost_usd) AS allocated FROM entry
	WHERE origin LIKE '%capped-%' AND tenant_id IS NOT NULL AND tenant_id <> 'tenant-7' GROUP BY 1) c;
SELECT ok(identical, 'allocated and replayed in one statement') FROM finops.replay_allocation(finops.allocate('2025-01-01'));
SELECT * FROM finish();
ROLLBACK;

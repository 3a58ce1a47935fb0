-- The minimum charge, and those who succeed tenants that have left.
BEGIN;
SET client_min_messages = warning;
SELECT no_plan();

INSERT INTO tenant_master (tenant_id, tenant_name) SELECT 't' || t, 't' || t FROM generate_series(1, 30) t;
INSERT INTO finops.pool (pool_id) VALUES ('a'), ('b');
CREATE TABLE finops.fact_cost_raw_2025_01 PARTITION OF fact_cost_raw FOR VALUES FROM ('2025-01-01') TO ('2025-02-01');
CREATE TABLE finops.fact_cost_raw_2025_02 PARTITION OF fact_cost_raw FOR VALUES FROM ('2025-02-01') TO ('2025-03-01');
INSERT INTO fact_cost_raw (bill_billing_period_start_date, provider, service, charge_category, billed_cost, effective_cost,
	line_item_usage_type, line_item_usage_start_date, tenant_id, line_item_currency_code, source, delivery_id)
SELECT date '2025-01-01', 'AWS', l.service, CASE WHEN l.cost < 0 THEN 'Credit' ELSE 'Usage' END, l.cost, l.cost, l.type, timestamp '2025-01-01', l.tenant, l.currency, 'test', 0
FROM (SELECT 'pooled-' || p, 'pool-' || p, 100.123456789, 'USD', NULL FROM unnest('{a,b}'::text[]) p
	UNION ALL SELECT 'driven', 'driven', 77.7000000000009, 'USD', NULL UNION ALL SELECT 'driven', 'driven', 10.01, 'EUR', NULL
	UNION ALL SELECT 'driven', 'driven', -20.3, 'USD', NULL
	UNION ALL SELECT 'slow', 'slow', 12.5, 'USD', NULL UNION ALL SELECT 'support', 'support', 9.99, 'USD', NULL
	UNION ALL SELECT 'capped', 'capped', 60, 'USD', NULL
	UNION ALL SELECT 'own', 'own', t * 0.01, 'USD', 't' || t FROM generate_series(1, 30) t) l(service, type, cost, currency, tenant);
INSERT INTO finops.driver (driver, grain) VALUES ('gb', 'month');
-- the first ten use next to nothing
INSERT INTO finops.driver_value (driver, target, slice, value)
SELECT 'gb', 't' || t, timestamp '2025-01-01', CASE WHEN t <= 10 THEN t * 0.01 ELSE t * t END FROM generate_series(1, 30) t;
INSERT INTO allocation_rules (rule_id, formula, usage_type_like, driver, pool_id, legs, caps, stage, key_metric, effective_from) VALUES
	('pool-a', 'driver', 'pool-a', 'gb', 'a', '{"percent": {"pool:b": 30}}', NULL, 'pool', 'direct_cost', '2025-01-01'),
	('pool-b', 'driver', 'pool-b', 'gb', 'b', '{"percent": {"pool:a": 20}}', NULL, 'pool', 'direct_cost', '2025-01-01'),
	('driven', 'driver', 'driven', 'gb', NULL, NULL, NULL, 'pool', 'direct_cost', '2025-01-01'),
	('capped', 'driver', 'capped', 'gb', NULL, NULL, '{"t30": {"max": 2}}', 'pool', 'direct_cost', '2025-01-01'),
	('support', 'proportional', 'support', NULL, NULL, NULL, NULL, 'overhead', 'allocated_cost', '2025-01-01');
INSERT INTO allocation_rules (rule_id, formula, usage_type_like, weights_json, effective_from) VALUES ('slow', 'fixed_fee', 'slow', '{"t1": 0.04, "t12": 5}', '2025-01-01');

CREATE TEMP TABLE before AS SELECT * FROM finops.preview_allocation('2025-01-01');
CREATE TEMP TABLE small AS SELECT currency, tenant_id, sum(amount) AS amount FROM before WHERE kind = 'shared' GROUP BY 1, 2 HAVING abs(sum(amount)) < 0.25;
SELECT ok(count(*) FILTER (WHERE currency = 'USD') > 0 AND count(*) FILTER (WHERE currency = 'EUR') > 0, 'some have next to nothing') FROM small;
SELECT ok((SELECT count(*) FROM before b JOIN small s USING (currency, tenant_id) WHERE b.kind = 'shared' AND b.origin LIKE o) > 0, 'of ' || o)
FROM unnest('{%pool-a,%driven,%capped,%slow,%support}'::text[]) o;
SELECT throws_ok($$ INSERT INTO finops.allocation_policy (policy, value) VALUES ('minimum_charge', '-1') $$, '23514', NULL, 'a negative minimum charge');
SELECT throws_ok($$ INSERT INTO finops.allocation_policy (policy, value) VALUES ('minimum_charge', 'NaN') $$, '23514', NULL, 'one that is no number');
INSERT INTO finops.allocation_policy (policy, value) VALUES ('minimum_charge', '0.25');

CREATE TEMP TABLE after AS SELECT * FROM finops.preview_allocation('2025-01-01');
CREATE TEMP TABLE expected AS
	SELECT b.origin, CASE WHEN s.tenant_id IS NULL THEN b.tenant_id END AS tenant_id, CASE WHEN s.tenant_id IS NULL THEN b.kind ELSE 'overhead' END AS kind, sum(b.amount) AS amount
	FROM before b LEFT JOIN small s ON s.currency = b.currency AND s.tenant_id = b.tenant_id AND b.kind = 'shared' GROUP BY 1, 2, 3 HAVING sum(b.amount) <> 0;
SELECT is((SELECT count(*) FROM (
	(SELECT origin, tenant_id, kind, sum(amount) FROM after GROUP BY 1, 2, 3 EXCEPT ALL TABLE expected)
	UNION ALL (TABLE expected EXCEPT ALL SELECT origin, tenant_id, kind, sum(amount) FROM after GROUP BY 1, 2, 3)) d), 0::bigint, 'theirs is the operator''s, origin by origin, and nothing else moves');
SELECT is((SELECT count(*) FROM (SELECT origin, sum(share) FROM after WHERE origin NOT LIKE '%direct-tag%' GROUP BY 1 EXCEPT SELECT origin, sum(share) FROM before GROUP BY 1) x), 0::bigint, 'shares add up to what they did');
SELECT is((SELECT count(*) FROM after a JOIN small s USING (currency, tenant_id) WHERE a.kind = 'direct'), (SELECT count(*) FROM before a JOIN small s USING (currency, tenant_id) WHERE a.kind = 'direct'), 'tagged cost stays');
SELECT ok(bool_or(key_metric = 'below_minimum'), 'the operator''s entries say why') FROM after WHERE kind = 'overhead';
SELECT finops.allocate('2025-01-01') AS run \gset
SELECT is((SELECT sum(allocated_cost_usd) FROM fact_cost_allocated), (SELECT sum(effective_cost) FROM fact_cost_raw), 'cost in is cost out');
SELECT is((SELECT array_agg(f ->> 'detail' ORDER BY f ->> 'currency') FROM finops.run r, jsonb_array_elements(r.detail -> 'findings') f WHERE r.run_id = :run AND f ->> 'check' = 'below_minimum'),
	(SELECT array_agg(format('The operator keeps %s units of 1e-9 of %s tenants.', trunc(amount * 1000000000), n) ORDER BY currency) FROM (SELECT currency, sum(amount) AS amount, count(*) AS n FROM small GROUP BY 1) s), 'the run says how much and of how many');
DELETE FROM finops.allocation_policy WHERE NOT shipped;
SELECT ok(identical, 'replayed under the policy of its time') FROM finops.replay_allocation(:run);
SELECT finops.allocate('2025-01-01') AS none \gset
SELECT is((SELECT count(*) FROM (SELECT origin, tenant_id, kind, sum(allocated_cost_usd) FROM fact_cost_allocated GROUP BY 1, 2, 3 HAVING sum(allocated_cost_usd) <> 0
	EXCEPT ALL SELECT origin, tenant_id, kind, sum(amount) FROM before GROUP BY 1, 2, 3) d), 0::bigint, 'without the policy everybody has theirs again');
SET finops.packed_entries = 0;
INSERT INTO finops.allocation_policy (policy, value) VALUES ('minimum_charge', '0.25');
SELECT finops.allocate('2025-01-01') AS packed \gset
SELECT ok((SELECT (detail ->> 'packed_origins')::integer > 0 FROM finops.run WHERE run_id = :packed), 'packed');
SELECT is((SELECT detail ->> 'digest' FROM finops.run WHERE run_id = :packed), (SELECT detail ->> 'digest' FROM finops.run WHERE run_id = :run), 'the same entries when they are packed');
DELETE FROM finops.allocation_policy WHERE NOT shipped;

-- successors of successors
INSERT INTO tenant_master (tenant_id, tenant_name) VALUES ('heir', 'heir');
INSERT INTO fact_cost_raw (bill_billing_period_start_date, provider, service, charge_category, billed_cost, effective_cost,
	line_item_usage_type, line_item_usage_start_date, tenant_id, line_item_currency_code, source, delivery_id)
SELECT date '2025-02-01', 'AWS', 'own', 'Usage', t, t, 'own', timestamp '2025-02-01', 't' || t, 'USD', 'test', 0 FROM generate_series(1, 6) t
UNION ALL SELECT date '2025-02-01', 'AWS', 'even', 'Usage', 70, 70, 'even', timestamp '2025-02-01', NULL, 'USD', 'test', 0;
INSERT INTO allocation_rules (rule_id, formula, usage_type_like, weights_json, effective_from) VALUES ('even', 'fixed_pct', 'even', '{"t1": 50, "t4": 25, "t6": 25}', '2025-02-01');
INSERT INTO finops.tenant_successor (tenant_id, successor_id, effective_from) VALUES
	('t1', 't2', '2025-01-01'), ('t2', 't3', '2025-01-01'), ('t3', 'heir', '2025-02-01'), ('t4', 't5', '2025-01-01'), ('t5', NULL, '2025-01-01'), ('heir', 't6', '2025-03-01');
SELECT is((SELECT string_agg(x, ', ' ORDER BY x) FROM (SELECT service || ' ' || coalesce(tenant_id, kind) || ' ' || trim_scale(sum(amount)) AS x FROM finops.preview_allocation('2025-02-01') GROUP BY service, tenant_id, kind) p),
	'even heir 35, even overhead 17.5, even t6 17.5, own heir 6, own overhead 9, own t6 6', 'cost goes to the last who succeeds, as of the period');
INSERT INTO finops.tenant_successor (tenant_id, successor_id, effective_from) VALUES ('t6', 't7', '2025-01-01'), ('t7', 't8', '2025-01-01'), ('t8', 't7', '2025-01-01');
SELECT throws_ok($$ SELECT count(*) FROM finops.preview_allocation('2025-02-01') $$, '55000', 'nobody succeeds tenant "t6" in the end', 'tenants that succeed one another');
UPDATE finops.tenant_successor SET successor_id = 'nobody' WHERE tenant_id = 't8';
SELECT throws_ok($$ SELECT count(*) FROM finops.preview_allocation('2025-02-01') $$, '55000', 'tenant "nobody" is unknown', 'a successor that nobody knows');
SELECT * FROM finish();
ROLLBACK;

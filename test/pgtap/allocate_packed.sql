-- Entries of large systems of pools, packed or not: the same numbers.
BEGIN;
SELECT plan(27);
SET LOCAL client_min_messages = warning;

-- twelve pools that feed each other and forty tenants; one cost is a credit, one rule keeps a part for the operator, one tenant has left; a late rule follows what was placed
CREATE FUNCTION pg_temp.month(p date) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO tenant_master (tenant_id, tenant_name) SELECT 't' || t, 't' || t FROM generate_series(1, 40) t ON CONFLICT DO NOTHING;
	EXECUTE format('CREATE TABLE finops.fact_cost_raw_%s PARTITION OF fact_cost_raw FOR VALUES FROM (%L) TO (%L)', to_char(p, 'YYYY_MM'), p, p + interval '1 month');
	INSERT INTO fact_cost_raw (bill_billing_period_start_date, provider, service, charge_category, billed_cost, effective_cost, line_item_usage_type,
		line_item_usage_start_date, line_item_currency_code, source, delivery_id)
	SELECT p, 'AWS', 'S|' || k % 3, CASE WHEN k % 6 = 0 THEN 'Credit' ELSE 'Usage' END, c.cost, c.cost, 'pool-' || k, p, CASE WHEN k = 11 THEN 'EUR' ELSE 'USD' END, 'x', 0
	FROM generate_series(1, 12) k CROSS JOIN LATERAL (SELECT round((hashint4(k) & 65535) * CASE WHEN k % 6 = 0 THEN -0.37113 ELSE 1.131931 END, 2 + k % 5) AS cost) c;
	INSERT INTO fact_cost_raw (bill_billing_period_start_date, provider, service, charge_category, billed_cost, effective_cost, line_item_usage_type, line_item_usage_start_date, tenant_id, source, delivery_id)
	SELECT p, 'AWS', 'Own', 'Usage', t * 1.01, t * 1.01, 'own', p, 't' || t, 'x', 0 FROM generate_series(1, 40) t;
	INSERT INTO fact_cost_raw (bill_billing_period_start_date, provider, service, charge_category, billed_cost, effective_cost, line_item_usage_type, line_item_usage_start_date, source, delivery_id)
	VALUES (p, 'AWS', 'Support', 'Usage', 100, 100, 'support', p, 'x', 0);
END $$;
INSERT INTO finops.pool (pool_id) SELECT 'p' || k FROM generate_series(1, 12) k;
SELECT pg_temp.month('2019-01-01'), pg_temp.month('2019-02-01');
INSERT INTO finops.tenant_successor (tenant_id, successor_id, effective_from) VALUES ('t40', 't1', '2018-01-01');
SELECT finops.add_allocation_rule('rule-' || k, CASE WHEN k % 2 = 0 THEN 'equal' ELSE 'proportional' END, '2018-01-01', usage_type_like => 'pool-' || k, pool_id => 'p' || k,
	category => 'C' || k % 2, zero_key_policy => 'equal', legs => jsonb_build_object('percent', (SELECT jsonb_object_agg('pool:p' || q, 1 + (k * q) % 5) FROM generate_series(1, 12) q WHERE q <> k)
		|| CASE WHEN k = 5 THEN '{"operator": 3.5}' ELSE '{}' END::jsonb))
FROM generate_series(1, 12) k;
SELECT finops.add_allocation_rule('support', 'proportional', '2018-01-01', stage => 'overhead', service_match => 'Support', key_metric => 'allocated_cost');


CREATE FUNCTION pg_temp.explained(p date) RETURNS TABLE (tenant text, x text) LANGUAGE sql AS $$
	SELECT t.tenant_id, (to_jsonb(e))::text FROM tenant_master t CROSS JOIN LATERAL finops.explain_allocation(t.tenant_id, p) e
	WHERE t.tenant_id ~ '^t\d+$' $$;
-- every entry netted, and what the sums are of
CREATE FUNCTION pg_temp.entries(p date) RETURNS TABLE (x text) LANGUAGE sql AS $$
	SELECT concat_ws(' ', tenant_id, kind, service, category, rule_id, rule_version, origin, currency, sum(allocated_cost_usd)) FROM finops.allocation_entry WHERE period_start = p
	GROUP BY tenant_id, kind, service, category, rule_id, rule_version, origin, currency HAVING sum(allocated_cost_usd) <> 0 $$;
CREATE FUNCTION pg_temp.sums(p date) RETURNS TABLE (x text) LANGUAGE sql AS $$
	SELECT concat_ws(' ', tenant_id, kind, service, category, currency, trim_scale(sum(allocated_cost_usd))) FROM fact_cost_allocated WHERE period_start = p
	GROUP BY tenant_id, kind, service, category, currency HAVING sum(allocated_cost_usd) <> 0 $$;
CREATE FUNCTION pg_temp.detail(p date, name text) RETURNS text LANGUAGE sql AS $$
	SELECT detail ->> name FROM finops.run WHERE kind = 'allocate' AND period_start = p ORDER BY run_id DESC LIMIT 1 $$;
CREATE FUNCTION pg_temp.allocate(p date, packed text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('finops.packed_entries', packed, true), finops.allocate(p);
END $$;

-- the same month both ways
SELECT pg_temp.allocate('2019-01-01', '-1'), pg_temp.allocate('2019-02-01', '0');
SELECT is((SELECT count(*) FROM finops.allocation_packed WHERE period_start = '2019-01-01'), 0::bigint, 'nothing is packed below the setting');
SELECT is((SELECT count(*) FROM finops.allocation_packed WHERE period_start = '2019-02-01'), 12::bigint, 'one row for each origin that goes through pools');
SELECT cmp_ok((SELECT count(*) FROM finops.allocation_entry WHERE period_start = '2019-02-01'), '>', (SELECT count(*) FROM fact_cost_allocated WHERE period_start = '2019-02-01'), 'there are fewer sums than entries');
SELECT is(pg_temp.detail('2019-02-01', 'digest'), pg_temp.detail('2019-01-01', 'digest'), 'the digest of the entries is the same');
SELECT is(pg_temp.detail('2019-02-01', 'entries'), pg_temp.detail('2019-01-01', 'entries'), 'so is their number');
SELECT bag_eq($$ SELECT * FROM pg_temp.entries('2019-02-01') $$, $$ SELECT * FROM pg_temp.entries('2019-01-01') $$, 'the entries are the same');
SELECT bag_eq($$ SELECT tenant_id, origin, allocated_cost_usd, share, key_metric, rung, stage, kind FROM finops.allocation_entry WHERE period_start = '2019-02-01' $$,
	$$ SELECT tenant_id, origin, allocated_cost_usd, share, key_metric, rung, stage, kind FROM fact_cost_allocated WHERE period_start = '2019-01-01' $$, 'with their shares');
SELECT bag_eq($$ SELECT * FROM pg_temp.sums('2019-02-01') $$, $$ SELECT * FROM pg_temp.sums('2019-01-01') $$, 'fact_cost_allocated adds up to the same by tenant and service');
SELECT bag_eq($$ SELECT * FROM pg_temp.explained('2019-02-01') $$, $$ SELECT * FROM pg_temp.explained('2019-01-01') $$, 'every tenant is explained in the same words');
SELECT is((SELECT count(*) FROM pg_temp.explained('2019-02-01') WHERE x LIKE '%<- pool rule-%'), (SELECT count(*) FROM pg_temp.explained('2019-01-01') WHERE x LIKE '%<- pool rule-%'), 'the ways through pools as well');
SELECT is_empty($$ SELECT origin FROM finops.allocation_packed WHERE period_start = '2019-02-01' GROUP BY origin
	HAVING sum(finops.packed_total(units)) <> (SELECT sum(f.effective_cost) FROM fact_cost_raw f WHERE f.bill_billing_period_start_date = '2019-02-01'
		AND f.line_item_usage_type = 'pool-' || substr((array_agg(rule_id))[1], 6)) $$, 'every packed origin adds up to its cost');
SELECT ok((SELECT identical FROM finops.replay_allocation((SELECT max(run_id) FROM finops.run WHERE period_start = '2019-02-01'))), 'a packed run is replayed to the byte');
SELECT is((SELECT array_agg(l.cost) FROM finops.allocation_packed p CROSS JOIN LATERAL finops.entry_lines(p.id) l WHERE p.rule_id = 'rule-7' AND p.period_start = '2019-02-01'),
	(SELECT array_agg(effective_cost) FROM fact_cost_raw WHERE line_item_usage_type = 'pool-7' AND bill_billing_period_start_date = '2019-02-01'), 'the lines of a packed entry');
SELECT is((SELECT count(*) FROM finops.entry_lines((SELECT min(id) FROM fact_cost_allocated WHERE rule_id = 'packed-pools' AND service = 'S|1' AND currency = 'USD' AND period_start = '2019-02-01'))), 4::bigint, 'the lines of a sum');

-- again, unchanged and changed; a tenant more and a list of other length
SELECT pg_temp.allocate('2019-02-01', '0');
SELECT is(pg_temp.detail('2019-02-01', 'entries_posted'), '0', 'a run that changes nothing posts nothing');
UPDATE fact_cost_raw SET billed_cost = 777.77, effective_cost = 777.77 WHERE line_item_usage_type = 'pool-3';
INSERT INTO tenant_master (tenant_id, tenant_name) VALUES ('t200', 't200');
SELECT pg_temp.allocate('2019-01-01', '-1'), pg_temp.allocate('2019-02-01', '0');
SELECT bag_eq($$ SELECT * FROM pg_temp.entries('2019-02-01') $$, $$ SELECT * FROM pg_temp.entries('2019-01-01') $$, 'differences are posted to packed entries');
SELECT bag_eq($$ SELECT * FROM pg_temp.sums('2019-02-01') $$, $$ SELECT * FROM pg_temp.sums('2019-01-01') $$, 'and to their sums');
SELECT is((SELECT sum(finops.packed_total(units)) FROM finops.allocation_packed WHERE period_start = '2019-02-01' AND run_id = (SELECT max(run_id) FROM finops.run WHERE period_start = '2019-02-01')),
	777.77 - (SELECT round((hashint4(3) & 65535) * 1.131931, 5)), 'which add up to what changed');
SELECT bag_eq($$ SELECT * FROM pg_temp.explained('2019-02-01') $$, $$ SELECT * FROM pg_temp.explained('2019-01-01') $$, 'and the explanations follow');

-- from one form to the other and back
SELECT pg_temp.allocate('2019-02-01', '-1');
SELECT is((SELECT count(*) FROM fact_cost_allocated WHERE period_start = '2019-02-01' GROUP BY rule_id HAVING rule_id = 'packed-pools' AND sum(allocated_cost_usd) <> 0), NULL, 'unpacked again, the sums are taken back');
SELECT bag_eq($$ SELECT * FROM pg_temp.entries('2019-02-01') $$, $$ SELECT * FROM pg_temp.entries('2019-01-01') $$, 'and the entries stand');
SELECT pg_temp.allocate('2019-01-01', '0');
SELECT bag_eq($$ SELECT * FROM pg_temp.entries('2019-01-01') $$, $$ SELECT * FROM pg_temp.entries('2019-02-01') $$, 'packed afterwards they are the same');
SELECT bag_eq($$ SELECT * FROM pg_temp.explained('2019-01-01') $$, $$ SELECT * FROM pg_temp.explained('2019-02-01') $$, 'in the same words');

-- the functions by themselves
SELECT is((SELECT string_agg(concat_ws(' ', coalesce(tenant_id, '-'), kind, amount, share), ', ') FROM finops.unpack_allocation('{t:a,t:b,o,u}', '{750000000,0,249999999,1}', 2::smallint)),
	'a shared 0.75 0.750000000000000000, - overhead 0.249999999 0.249999999000000000, - unallocated 0.000000001 0.000000001000000000', 'a row unpacked');
SELECT is(finops.packed_amount('{750000000,-5,249999999,1}', 2, 2::smallint), -0.000000005, 'one of its amounts');
SELECT is(finops.place_units('{1,2}', '{t:b,o}', '{t:a,t:b,o,u}', true), '{0,-1,-2,0}', 'units in another list');
SELECT throws_ok($$ SELECT finops.place_units('{1,2}', '{t:b,o}', '{t:a,o,u}', false) $$, '22023', NULL, 'which must have all targets');
SELECT * FROM finish();
ROLLBACK;

-- allocation: methods, pools that feed pools, fallbacks, policies, evidence
BEGIN;
SELECT no_plan();

CREATE FUNCTION pg_temp.line(p date, tenant text, service text, cost numeric, category text DEFAULT 'Usage', type text DEFAULT 'Usage', tags jsonb DEFAULT NULL,
	account text DEFAULT NULL, at timestamp DEFAULT NULL, status text DEFAULT NULL, origin date DEFAULT NULL, resource text DEFAULT NULL, region text DEFAULT NULL)
RETURNS void LANGUAGE sql AS $$
	INSERT INTO fact_cost_raw (bill_billing_period_start_date, provider, service, charge_category, billed_cost, effective_cost, line_item_line_item_type,
		line_item_usage_account_id, line_item_usage_start_date, tenant_id, resource_tags, commitment_discount_status, origin_period, charge_class,
		line_item_resource_id, product_region, source, delivery_id)
	VALUES (p, 'AWS', service, category, cost, cost, type, account, at, tenant, tags, status, origin, CASE WHEN origin IS NOT NULL THEN 'Correction' END, resource, region, 'test', 0)
$$;
CREATE FUNCTION pg_temp.month(p date) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TABLE finops.fact_cost_raw_%s PARTITION OF fact_cost_raw FOR VALUES FROM (%L) TO (%L)',
		to_char(p, 'YYYY_MM'), p, (p + interval '1 month')::date);
END $$;
SELECT pg_temp.month(p::date) FROM generate_series(date '2021-01-01', '2021-08-01', '1 month') p;
CREATE FUNCTION pg_temp.split(p date, o text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(x.t || ' ' || trim_scale(x.amount), ', ' ORDER BY x.t)
	FROM (SELECT coalesce(tenant_id, kind) AS t, sum(allocated_cost_usd) AS amount FROM fact_cost_allocated
		WHERE period_start = p AND service = o GROUP BY 1 HAVING sum(allocated_cost_usd) <> 0) x
$$;
INSERT INTO tenant_master (tenant_id, tenant_name) VALUES ('A', 'A'), ('B', 'B'), ('C', 'C'), ('D', 'D');

-- a system of pools as arrays: the four answers to one case, worked out by hand

SELECT is(finops.solve_pools('{1000,500}', '{{0,0.2},{0.4,0}}', '{{0.5,0.3},{0.1,0.5}}'), '{728.260870,771.739130,0.000000}'::numeric[], 'reciprocal');
SELECT is((finops.solve_pools('{1000,500}', '{{0,0.2},{0.4,0}}', '{{0.5,0.3},{0.1,0.5}}', 'direct'))[:2], '{708.333333,791.666667}'::numeric[], 'direct');
SELECT is((finops.solve_pools('{1000,500}', '{{0,0.2},{0.4,0}}', '{{0.5,0.3},{0.1,0.5}}', 'step_down'))[:2], '{616.666667,883.333333}'::numeric[], 'step-down, first pool first');
SELECT is((finops.solve_pools('{500,1000}', '{{0,0.4},{0.2,0}}', '{{0.1,0.5},{0.5,0.3}}', 'step_down'))[:2], '{800.000000,700.000000}'::numeric[], 'step-down, second pool first');
SELECT is((SELECT sum(x) FROM unnest(finops.solve_pools('{-1000.00,0.01}', '{{0,1},{0.5,0}}', '{{0},{0.25}}')) x), -999.99, 'a credit in a circle adds up');
SELECT throws_ok($$ SELECT finops.solve_pools('{1,1}', '{{0,1},{1,0}}', '{{0},{0}}') $$, '22023', 'cost of pool 1 goes round in pools and never reaches a target', 'closed');
SELECT throws_ok($$ SELECT finops.solve_pools('{1}', '{{0}}', '{{1.1}}') $$, '22023', NULL, 'over-allocated');
SELECT throws_ok($$ SELECT finops.solve_pools('{1}', '{{0}}', '{{NaN}}') $$, '22023', NULL, 'NaN');
SELECT throws_ok($$ SELECT finops.solve_pools('{NaN}', '{{0}}', '{{1}}') $$, '22023', NULL, 'a cost that is no number');
SELECT throws_ok($$ SELECT finops.solve_pools('{1}', '{{0}}', '{{1}}', 'guess') $$, '22023', 'unknown method "guess"', 'unknown method');

-- the same, pool by pool: 1 / 0.92 of a pool's own cost goes through it, 0.2 / 0.92 or 0.4 / 0.92 of it through the other
SELECT is((SELECT string_agg(pool || ' ' || amounts::text, ' ' ORDER BY pool) FROM finops.trace_pools('{1000,500}', '{{0,0.2},{0.4,0}}', '{{0.5,0.3},{0.1,0.5}}')),
	'1 {565.217391,434.782609,0.000000} 2 {163.043478,336.956522,0.000000}', 'what each pool comes to');
SELECT is((SELECT string_agg(amounts::text, ' ' ORDER BY pool) FROM finops.trace_pools('{-1000.00,0,10}', '{{0,0.5,0},{0,0,0},{0,0,0}}', '{{0.25},{0.5},{0}}')),
	'{-500.000000,-500.000000} {0.000000,0.000000} {0.000000,10.000000}', 'a credit, a pool without cost, and one that gives to nobody');
SELECT results_eq($$ WITH s AS (SELECT array_agg(round((p * 7919 % 1000) - 50.123456, 6) ORDER BY p) AS costs,
	(SELECT array_agg(x ORDER BY p) FROM (SELECT p, array_agg((p * 31 + q * 17) % 97 / 20000.0::float8 ORDER BY q) AS x FROM generate_series(1, 150) p, generate_series(1, 150) q GROUP BY p) w) AS w,
	(SELECT array_agg(x ORDER BY p) FROM (SELECT p, array_agg((p * 13 + t * 29) % 89 / 10000.0::float8 ORDER BY t) AS x FROM generate_series(1, 150) p, generate_series(1, 70) t GROUP BY p) b) AS b
	FROM generate_series(1, 150) p),
	t AS (SELECT s.costs, t.* FROM s CROSS JOIN LATERAL finops.trace_pools(s.costs, s.w, s.b) t)
	SELECT (SELECT bool_and((SELECT sum(x) FROM unnest(t.amounts) x) = t.costs[t.pool]) FROM t),
	(SELECT max(abs(y.amount - a.amount)) < 0.0001 FROM s CROSS JOIN LATERAL unnest(finops.solve_pools(s.costs, s.w, s.b)) WITH ORDINALITY a(amount, n)
		JOIN (SELECT n, sum(x) AS amount FROM t CROSS JOIN LATERAL unnest(t.amounts) WITH ORDINALITY u(x, n) GROUP BY n) y USING (n)) $$,
	$$ VALUES (true, true) $$, 'pools of several blocks add up, each by itself and at the targets');
SELECT is((SELECT count(*) FROM finops.trace_pools(NULL, '{{0}}', '{{1}}')), 0::bigint, 'no rows for a NULL argument');
SELECT throws_ok($$ SELECT * FROM finops.trace_pools('{1,1}', '{{0,1},{1,0}}', '{{0},{0}}') $$, '22023', 'cost of pool 1 goes round in pools and never reaches a target', 'a circle that nothing leaves');
SELECT throws_ok($$ SELECT * FROM finops.trace_pools('{1}', '{{0,0}}', '{{1}}') $$, '22023', NULL, 'pool_shares that are not square');

-- the same case as rules, and a circle closed by drivers

INSERT INTO finops.pool (pool_id) VALUES ('s1'), ('s2'), ('net');
SELECT lives_ok($$
	SELECT finops.add_allocation_rule('s2', 'fixed_pct', '2020-01-01', service_match => 'S2', pool_id => 's2', weights => '{"A": 10, "B": 50, "unallocated": 40}');
	SELECT finops.add_allocation_rule('s1', 'fixed_pct', '2020-01-01', service_match => 'S1', pool_id => 's1', weights => '{"A": 50, "B": 30, "pool:s2": 20}');
	UPDATE allocation_rules SET weights_json = '{"A": 10, "B": 50, "pool:s1": 40}' WHERE rule_id = 's2'
$$, 'pools that feed each other');
SELECT pg_temp.line('2021-01-01', NULL, 'S1', 1000), pg_temp.line('2021-01-01', NULL, 'S2', 500), pg_temp.line('2021-01-01', 'A', 'EC2', 300), pg_temp.line('2021-01-01', 'B', 'EC2', 100);
CREATE TEMP TABLE run AS SELECT finops.allocate('2021-01-01') AS id;
SELECT is((SELECT string_agg(tenant_id || ' ' || amount, ', ' ORDER BY tenant_id) FROM (SELECT tenant_id, trim_scale(round(sum(allocated_cost_usd), 6)) AS amount
	FROM fact_cost_allocated WHERE period_start = '2021-01-01' AND kind = 'shared' GROUP BY 1) x), 'A 728.26087, B 771.73913', 'the published answer');
SELECT is((SELECT array_agg(total ORDER BY service) FROM (SELECT service, sum(allocated_cost_usd) AS total FROM fact_cost_allocated WHERE period_start = '2021-01-01' AND kind = 'shared' GROUP BY 1) x),
	'{1000.000000000,500.000000000}'::numeric[], 'every pool foots by itself');
SELECT is((SELECT count(*) FROM (SELECT 1 FROM fact_cost_allocated WHERE period_start = '2021-01-01' GROUP BY origin HAVING sum(share) <> 1) s), 0::bigint, 'shares add up to 1');
SELECT is((SELECT array_agg(identical) FROM run, finops.replay_allocation(run.id)), '{t}', 'a replay from the pinned inputs is identical');
SELECT throws_ok($$ SELECT finops.replay_allocation(-1) $$, '22023', NULL, 'no such run');
SELECT is((SELECT sum(amount) FROM finops.explain_allocation('A', '2021-01-01')), (SELECT sum(allocated_cost_usd) FROM fact_cost_allocated WHERE period_start = '2021-01-01' AND tenant_id = 'A'), 'the explanation adds up');

SELECT results_eq($$ SELECT path, trim_scale(round(amount, 4)) FROM finops.explain_allocation('A', '2021-01-01') WHERE kind = 'shared' $$,
	$$ VALUES ('A <- rule s1 version 1 by percent <- S1 Usage', 543.4783), ('A <- pool s1 <- rule s2 version 1 by percent <- S2 Usage', 108.6957),
	('A <- rule s2 version 1 by percent <- S2 Usage', 54.3478), ('A <- pool s2 <- rule s1 version 1 by percent <- S1 Usage', 21.7391) $$, 'path through the pools: gross cost 1000 / 0.92, a fifth of it on to s2, a tenth of that to A');

-- what is refused

SELECT throws_ok($$ SELECT finops.add_allocation_rule('c', 'fixed_pct', '2020-01-01', pool_id => 'net', weights => '{"pool:net": 100}') $$, '22023', 'allocation rule "c" cannot be added', 'a circle without exit');
SELECT throws_ok($$ SELECT finops.add_allocation_rule('c', 'fixed_pct', '2020-01-01', weights => '{"pool:nowhere": 100}') $$, '22023', 'allocation rule "c" cannot be added', 'an unknown pool');
SELECT throws_ok($$ SELECT finops.add_allocation_rule('c', 'driver', '2020-01-01') $$, '22023', 'formula driver needs a driver', 'no driver');
SELECT throws_ok($$ SELECT finops.add_allocation_rule('c', 'driver', '2020-01-01', driver => 'nothing') $$, '23503', 'driver "nothing" is unknown', 'an unknown driver');
SELECT throws_ok($$ SELECT finops.add_allocation_rule('c', 'equal', '2020-01-01', pool_id => 'nothing') $$, '23503', 'pool "nothing" is unknown', 'an unknown pool');
SELECT throws_ok($$ SELECT finops.add_allocation_rule('packed-pools', 'equal', '2020-01-01') $$, '22023', '"packed-pools" is a built-in rule', 'the rule of packed entries is built in');
SELECT throws_ok($$ INSERT INTO allocation_rules (rule_id, effective_from) VALUES ('packed-pools', '2020-01-01') $$, '23514', NULL, 'also where it is inserted');
SELECT throws_ok($$ SELECT finops.add_allocation_rule('c', 'equal', '2020-01-01', match => '{"tags": {"team": {"regex": "("}}}') $$, '2201B', NULL, 'a pattern that is none');
SELECT throws_ok($$ SELECT finops.add_allocation_rule('c', 'equal', '2020-01-01', match => '{"colour": "red"}') $$, '22023', 'allocation rule "c" cannot be added', 'an unknown dimension');
SELECT throws_ok($$ SELECT finops.add_allocation_rule('c', 'equal', '2020-01-01', match => '{"region": {"near": "eu"}}') $$, '22023', 'allocation rule "c" cannot be added', 'an unknown operator');
SELECT throws_ok($$ SELECT finops.add_allocation_rule('c', 'equal', '2020-01-01', service_match => 'a\') $$, '22023', 'service_match ends in a backslash', 'a pattern ending in a backslash');
SELECT throws_ok($$ INSERT INTO allocation_rules (rule_id, formula, service_match, effective_from) VALUES ('c', 'equal', 'a\', '2020-01-01') $$, '23514', NULL, 'also by INSERT');
SELECT throws_ok($$ SELECT finops.add_allocation_rule('c', 'equal', '2020-01-01', fallback => '{guess}') $$, '22023', 'allocation rule "c" cannot be added', 'an unknown rung');
SELECT throws_ok($$ SELECT finops.add_allocation_rule('c', 'equal', '2020-01-01', caps => '{"A": {"min": 5, "max": 1}}') $$, '22023', 'allocation rule "c" cannot be added', 'bounds the wrong way round');
SELECT throws_ok($$ SELECT finops.add_allocation_rule('c', 'equal', '2020-01-01', legs => '{"percent": {"A": 101}}') $$, '22023', 'allocation rule "c" cannot be added', 'percents of more than all');
SELECT throws_ok($$ SELECT finops.add_allocation_rule('c', 'weighted', '2020-01-01', params => '{"drivers": []}') $$, '22023', 'allocation rule "c" cannot be added', 'no drivers to weigh');
SELECT throws_ok($$ SELECT finops.add_allocation_rule('c', 'proportional', '2020-01-01', key_metric => 'allocated_cost') $$, '22023', 'allocation rule "c" cannot be added', 'a key that is not known yet');

-- drivers

INSERT INTO finops.driver (driver, unit, grain) VALUES ('gb', 'GB', 'month'), ('req', 'count', 'day'), ('vcpu', 'vCPU-h', 'month'), ('mem', 'GB-h', 'month'), ('none', 'x', 'month');
SELECT is(finops.record_driver_values('gb', '2021-02-01', '{"A": 30, "B": 70}'), 2::bigint, 'values are recorded');
SELECT is(finops.record_driver_values('gb', '2021-02-01', '{"A": 30, "B": 70, "C": 150}'), 3::bigint, 'and replaced');
SELECT throws_ok($$ SELECT finops.record_driver_values('gb', '2021-02-01', '{"Q": 1}') $$, '22023', 'values of driver "gb" cannot be recorded', 'an unknown tenant');
SELECT throws_ok($$ SELECT finops.record_driver_values('gb', '2021-02-01', '{"A": -1}') $$, '22023', 'values of driver "gb" cannot be recorded', 'a negative value');
SELECT throws_ok($$ SELECT finops.record_driver_values('gb', '2021-02-01', '{"A": null}') $$, '22023', 'values of driver "gb" cannot be recorded', 'no value');
SELECT throws_ok($$ SELECT finops.record_driver_values('gb', '2021-02-02', '{"A": 1}') $$, '22023', 'slice does not begin a month', 'not a slice');
SELECT throws_ok($$ SELECT finops.record_driver_values('km', '2021-02-01', '{"A": 1}') $$, '22023', 'driver "km" is unknown', 'an unknown driver');
SELECT throws_ok($$ INSERT INTO finops.driver_value VALUES ('gb', 'D', '2021-02-01', 'NaN') $$, '23514', NULL, 'NaN by INSERT');
SELECT throws_ok($$ INSERT INTO finops.driver_value VALUES ('gb', 'D', '2021-02-01', NULL) $$, '23502', NULL, 'NULL by INSERT');

-- published case of split cost: four pods on one instance of 4 vCPU and 16 GB at 1 USD
INSERT INTO tenant_master (tenant_id, tenant_name) VALUES ('pod1', '1'), ('pod2', '2'), ('pod3', '3'), ('pod4', '4');
SELECT finops.record_driver_values('vcpu', '2021-02-01', '{"pod1": 1, "pod2": 1.9, "pod3": 1, "pod4": 1}'), finops.record_driver_values('mem', '2021-02-01', '{"pod1": 4, "pod2": 6, "pod3": 2, "pod4": 2}');
SELECT lives_ok($$
	SELECT finops.add_allocation_rule('split', 'weighted', '2020-01-01', service_match => 'EKS', stage => 'split',
		params => '{"drivers": [{"driver": "vcpu", "weight": 9, "capacity": 4}, {"driver": "mem", "weight": 1, "capacity": 16}]}');
	SELECT finops.add_allocation_rule('traffic', 'driver', '2020-01-01', service_match => 'Traffic', driver => 'gb');
	SELECT finops.add_allocation_rule('tiers', 'tiered', '2020-01-01', service_match => 'Tiers', driver => 'gb', params => '{"tiers": [{"upto": 50, "price": 2}, {"upto": 100, "price": 1}, {"price": 0.5}]}');
	SELECT finops.add_allocation_rule('room', 'capacity', '2020-01-01', service_match => 'Room', driver => 'gb', params => '{"capacity": 500}', residual_target => 'operator');
	SELECT finops.add_allocation_rule('peak', 'shared_peak', '2020-01-01', service_match => 'Peak', driver => 'gb');
	SELECT finops.add_allocation_rule('same', 'inherit', '2020-01-01', service_match => 'Same', params => '{"rule": "traffic"}');
	SELECT finops.add_allocation_rule('capped', 'driver', '2020-01-01', service_match => 'Capped', driver => 'gb', caps => '{"C": {"max": 40}, "A": {"min": 25}}');
	SELECT finops.add_allocation_rule('legs', 'driver', '2020-01-01', service_match => 'Legs', driver => 'gb', legs => '{"amount": {"D": 10}, "percent": {"A": 50}}');
	SELECT finops.add_allocation_rule('daily', 'driver', '2020-01-01', service_match => 'Daily', driver => 'req');
	SELECT finops.add_allocation_rule('owner', 'direct', '2020-01-01', stage => 'direct', match => '{"account": ["111", "112"], "tags": {"team": {"prefix": "web"}}}', weights => '{"D": 1}');
	SELECT finops.add_allocation_rule('res', 'direct', '2020-01-01', stage => 'direct', match => '{"resource": {"regex": "^i-[0-9]+$"}, "region": {"not_in": ["us-east-1"]}, "tags": {"team": {"absent": true}}}', weights => '{"B": 1}');
	SELECT finops.add_allocation_rule('keyless', 'driver', '2020-01-01', service_match => 'Keyless', driver => 'none', fallback => '{driver:gb}');
	SELECT finops.add_allocation_rule('support', 'proportional', '2020-01-01', service_match => 'Support', stage => 'overhead', key_metric => 'allocated_cost')
$$, 'a rule of every method');
SELECT pg_temp.line('2021-02-01', NULL, v.s, 100) FROM unnest('{Traffic,Tiers,Room,Peak,Same,Capped,Legs,Keyless}'::text[]) v(s);
SELECT pg_temp.line('2021-02-01', NULL, 'EKS', 1.000000);
SELECT pg_temp.line('2021-02-01', NULL, 'Daily', 10, at => '2021-02-01 05:00'), pg_temp.line('2021-02-01', NULL, 'Daily', 30, at => '2021-02-02 05:00');
SELECT finops.record_driver_values('req', '2021-02-01', '{"A": 1, "B": 1}'), finops.record_driver_values('req', '2021-02-02', '{"A": 10, "B": 20}');
SELECT pg_temp.line('2021-02-01', NULL, 'Owned', 7, account => '112', tags => '{"team": "web-1"}'), pg_temp.line('2021-02-01', NULL, 'Owned', 2, account => '113', tags => '{"team": "web-1"}'),
	pg_temp.line('2021-02-01', NULL, 'Owned', 5, resource => 'i-12', region => 'eu-west-1'), pg_temp.line('2021-02-01', NULL, 'Owned', 1, resource => 'i-12', region => 'us-east-1');
CREATE TEMP TABLE preview AS SELECT * FROM finops.preview_allocation('2021-02-01');
SELECT is((SELECT count(*) FROM fact_cost_allocated WHERE period_start = '2021-02-01'), 0::bigint, 'a preview writes nothing');
SELECT isnt(finops.allocate('2021-02-01'), NULL, 'all of them');
SELECT set_eq($$ SELECT tenant_id, kind, origin, amount, share, key_metric, rung FROM preview $$,
	$$ SELECT tenant_id, kind, origin, allocated_cost_usd, share, key_metric, rung FROM fact_cost_allocated WHERE period_start = '2021-02-01' $$, 'the preview is what came');
SELECT is((SELECT string_agg(tenant_id || ' ' || round(allocated_cost_usd, 6), ', ' ORDER BY tenant_id) || ' = ' || trim_scale(sum(allocated_cost_usd)) FROM fact_cost_allocated WHERE period_start = '2021-02-01' AND service = 'EKS'),
	'pod1 0.229199, pod2 0.400314, pod3 0.185243, pod4 0.185243 = 1', 'split cost, nine to one: the published parts, adding up to exactly 1');
SELECT is(pg_temp.split('2021-02-01', 'Traffic'), 'A 12, B 28, C 60', 'by a driver');
SELECT is(pg_temp.split('2021-02-01', 'Same'), 'A 12, B 28, C 60', 'as another rule');
SELECT is(pg_temp.split('2021-02-01', 'Room'), 'A 6, B 14, C 30, overhead 50', 'practical capacity, the unused half kept apart');
SELECT is(pg_temp.split('2021-02-01', 'Peak'), 'A 6.67, B 20, C 73.33', 'a peak of 150: 10, 10 + 20, 10 + 20 + 80');
SELECT is(pg_temp.split('2021-02-01', 'Capped'), 'A 25, B 35, C 40', 'bounds: 25 at least, 40 at most, the rest by key');
SELECT is(pg_temp.split('2021-02-01', 'Legs'), 'A 54.8, B 11.2, C 24, D 10', 'amount, percent of the original, then the key');
SELECT is(pg_temp.split('2021-02-01', 'Daily'), 'A 15, B 25', 'a day''s cost follows that day''s use');
SELECT is(pg_temp.split('2021-02-01', 'Owned'), 'B 5, D 7, unallocated 3', 'owners by account, tag and resource');
SELECT is((SELECT string_agg(DISTINCT key_metric || ' ' || rung, ', ') FROM fact_cost_allocated WHERE period_start = '2021-02-01' AND service = 'Keyless'), 'driver:gb (no key) 1', 'a fallback says which rung');
SELECT is((SELECT detail ->> 'provisional' FROM finops.run ORDER BY run_id DESC LIMIT 1), 'true', 'late driver values make a run provisional');
SELECT is((SELECT string_agg(driver || ' ' || slices_present || '/' || slices_expected, ', ') FROM finops.late_drivers('2021-02-01')), 'none 0/1, req 2/28', 'and are listed');
SELECT is((SELECT count(*) FROM (SELECT 1 FROM fact_cost_allocated WHERE period_start = '2021-02-01' GROUP BY origin HAVING sum(share) <> 1) s), 0::bigint, 'shares of every origin add up to 1, whatever the method');

-- evidence
SELECT is((SELECT array_agg(l.cost ORDER BY l.cost) FROM fact_cost_allocated a, finops.entry_lines(a.id) l WHERE a.period_start = '2021-02-01' AND a.service = 'Daily' AND a.tenant_id = 'A'), '{10,30}'::numeric[], 'lines of an entry');
SELECT is((SELECT array_agg(l.cost ORDER BY l.cost) FROM fact_cost_allocated a, finops.entry_lines(a.id) l WHERE a.period_start = '2021-02-01' AND a.service = 'Owned' AND a.kind = 'unallocated'), '{1,2}'::numeric[], 'lines nobody took');
SELECT is((SELECT array_agg(l.cost) FROM fact_cost_allocated a, finops.entry_lines(a.id) l WHERE a.period_start = '2021-01-01' AND a.service = 'EC2' AND a.tenant_id = 'A'), '{300}'::numeric[], 'lines of tagged cost');
SELECT is((SELECT array_agg(f.effective_cost) FROM fact_cost_allocated a JOIN fact_cost_raw f ON f.row_id::text = ANY (a.source_line_ids) WHERE a.period_start = '2021-02-01' AND a.service = 'Room' AND a.tenant_id = 'A'), '{100}'::numeric[], 'few lines are named with the entry');
SELECT throws_ok($$ SELECT finops.entry_lines(-1) $$, '22023', 'allocation entry -1 is unknown', 'no such entry');
SELECT throws_ok($$ SELECT finops.entry_lines(NULL) $$, '22004', 'entry_id must not be null', 'nor one that is null');
SELECT throws_ok($$ SELECT finops.entry_lines(1, -1) $$, '22023', 'max_lines must not be negative', 'nor fewer lines than none');
SELECT is((SELECT array_agg((SELECT count(*) FROM finops.entry_lines(a.id, n)) ORDER BY n) FROM fact_cost_allocated a, unnest('{0,1,2,5}'::bigint[]) n
	WHERE a.period_start = '2021-02-01' AND a.service = 'Daily' AND a.tenant_id = 'A'), '{0,1,2,2}'::bigint[], 'so many lines of an entry as are asked for');
SELECT is((SELECT array_agg(d.usage_date || ' ' || d.line_items || ' ' || d.cost ORDER BY d.usage_date) FROM fact_cost_allocated a, finops.entry_cost_daily(a.id) d
	WHERE a.period_start = '2021-02-01' AND a.service = 'Daily' AND a.tenant_id = 'A'),
	(SELECT array_agg(x ORDER BY x) FROM (SELECT line_item_usage_start_date::date || ' ' || count(*) || ' ' || sum(effective_cost) AS x
	FROM fact_cost_raw WHERE service = 'Daily' GROUP BY line_item_usage_start_date::date) d), 'an entry by day');
SELECT throws_ok($$ SELECT finops.entry_cost_daily(-1) $$, '22023', 'allocation entry -1 is unknown', 'no days of no entry');
SELECT is(finops.index_lines('2021-02-01'), true, 'the index over lines before the lock');
SELECT is(finops.index_lines('2021-02-01'), false, 'is made once');
SELECT throws_ok($$ SELECT finops.index_lines('2001-02-01') $$, '55000', 'no bill is loaded for billing period 2001-02', 'and only for a bill');

-- policies: support after all else on a base without itself; discounts, credits, unused commitment, input tax

SELECT pg_temp.line('2021-03-01', 'A', 'EC2', 300), pg_temp.line('2021-03-01', 'B', 'EC2', 100), pg_temp.line('2021-03-01', NULL, 'Traffic', 100),
	pg_temp.line('2021-03-01', NULL, 'Support', 50), pg_temp.line('2021-03-01', NULL, 'EC2', -40, type => 'EdpDiscount'),
	pg_temp.line('2021-03-01', NULL, 'EC2', -8, 'Credit', 'Credit'), pg_temp.line('2021-03-01', NULL, 'EC2', 9, status => 'Unused'),
	pg_temp.line('2021-03-01', NULL, 'Traffic', -10, type => 'PrivateRateDiscount'), pg_temp.line('2021-03-01', 'A', 'Tax', 20, 'Tax', 'Tax');
SELECT finops.record_driver_values('gb', '2021-03-01', '{"C": 1}');
INSERT INTO finops.allocation_policy (policy, value) VALUES ('input_tax', 'recoverable');
SELECT isnt(finops.allocate('2021-03-01'), NULL, 'policies');
SELECT is(pg_temp.split('2021-03-01', 'Tax'), 'overhead 20', 'recoverable input tax is never allocated');
SELECT is((SELECT trim_scale(sum(allocated_cost_usd)) FROM fact_cost_allocated WHERE period_start = '2021-03-01' AND rule_id = 'discount' AND service = 'Traffic' AND tenant_id = 'C'), -10::numeric, 'a discount follows the discounted charge through its rule');
SELECT is((SELECT array_agg(round(share, 4) ORDER BY tenant_id) FROM fact_cost_allocated WHERE period_start = '2021-03-01' AND rule_id = 'discount' AND service = 'EC2' AND tenant_id IS NOT NULL),
	(SELECT ARRAY[round(300 / 409.0, 4), round(100 / 409.0, 4)]), 'in the shares of that charge');
SELECT is((SELECT kind FROM fact_cost_allocated WHERE period_start = '2021-03-01' AND rule_id = 'unused-commitment'), 'overhead', 'unused commitment is the operator''s');
SELECT is((SELECT bool_and(abs(s.allocated_cost_usd - 50 * o.amount / t.total) < 0.000001) FROM fact_cost_allocated s
	JOIN (SELECT tenant_id, sum(allocated_cost_usd) AS amount FROM fact_cost_allocated WHERE period_start = '2021-03-01' AND rule_id <> 'support' AND tenant_id IS NOT NULL GROUP BY 1) o USING (tenant_id)
	CROSS JOIN (SELECT sum(allocated_cost_usd) AS total FROM fact_cost_allocated WHERE period_start = '2021-03-01' AND rule_id <> 'support' AND tenant_id IS NOT NULL) t
	WHERE s.period_start = '2021-03-01' AND s.rule_id = 'support'), true, 'support is a percentage of what else was placed');

-- corrections of a locked month follow that month's charge; departed tenants have successors

UPDATE period_lock SET state = 'LOCKED' WHERE period_start = '2021-02-01';
SELECT pg_temp.line('2021-04-01', NULL, 'Traffic', -50, origin => '2021-02-01'), pg_temp.line('2021-04-01', 'B', 'EC2', 10, origin => '2021-02-01'),
	pg_temp.line('2021-04-01', 'A', 'EC2', 60), pg_temp.line('2021-04-01', NULL, 'Traffic', 10);
INSERT INTO finops.tenant_successor (tenant_id, successor_id, effective_from) VALUES ('A', 'D', '2021-04-01'), ('C', NULL, '2021-04-01');
SELECT finops.record_driver_values('gb', '2021-04-01', '{"A": 1, "B": 3, "C": 1}');
SELECT isnt(finops.allocate('2021-04-01'), NULL, 'corrections and successors');
SELECT is((SELECT string_agg(coalesce(tenant_id, kind) || ' ' || trim_scale(allocated_cost_usd) || ' ' || to_char(origin_period, 'YYYY-MM-DD'), ', ' ORDER BY tenant_id) FROM fact_cost_allocated WHERE period_start = '2021-04-01' AND rule_id = 'origin-period'),
	'B -14 2021-02-01, D -6 2021-02-01, overhead -30 2021-02-01', 'a correction follows the shares of the charge it corrects');
SELECT is((SELECT to_char(origin_period, 'YYYY-MM-DD') || ' ' || origin FROM fact_cost_allocated WHERE period_start = '2021-04-01' AND tenant_id = 'B' AND kind = 'direct'), '2021-02-01 AWS|EC2|Usage|USD|direct-tag|B|2021-02', 'a tagged correction names its month');
SELECT is((SELECT string_agg(coalesce(tenant_id, kind) || ' ' || trim_scale(allocated_cost_usd), ', ' ORDER BY tenant_id) FROM fact_cost_allocated WHERE period_start = '2021-04-01' AND origin_period IS NULL AND service = 'Traffic'),
	'B 6, D 2, overhead 2', 'late use of a departed tenant goes to its successor or the operator');
SELECT is((SELECT tenant_id || ' ' || key_metric FROM fact_cost_allocated WHERE period_start = '2021-04-01' AND origin = 'AWS|EC2|Usage|USD|direct-tag|A'), 'D successor', 'so does its tagged cost');

-- previous period, closed circles of a month, caps that cannot hold

DELETE FROM finops.tenant_successor;
SELECT pg_temp.line('2021-05-01', NULL, 'Traffic', 10), pg_temp.line('2021-05-01', NULL, 'Capped', 10), pg_temp.line('2021-05-01', NULL, 'Loop', 10);
UPDATE allocation_rules SET fallback = '{previous_period}' WHERE rule_id = 'traffic';
UPDATE allocation_rules SET caps = '{"*": {"max": 1}}', fallback = '{equal}' WHERE rule_id = 'capped';
INSERT INTO allocation_rules (rule_id, formula, service_match, weights_json, pool_id, zero_key_policy, effective_from) VALUES ('loop', 'fixed_pct', 'Loop', '{"pool:net": 100}', 'net', 'operator', '2021-05-01');
SELECT is((SELECT severity FROM finops.validate_rules('2021-05-01') WHERE rule_id = 'loop' AND check_name = 'closed_cycle'), 'warning', 'a closed circle is reported');
SELECT isnt(finops.allocate('2021-05-01'), NULL, 'a month of fallbacks');
SELECT is(pg_temp.split('2021-05-01', 'Traffic'), 'B 7.5, D 2.5', 'the key of the previous period');
SELECT is(pg_temp.split('2021-05-01', 'Loop'), 'overhead 10', 'a closed circle falls to its policy');
SELECT is(pg_temp.split('2021-05-01', 'Capped'), 'A 1, B 1, C 1, D 1, overhead 2, pod1 1, pod2 1, pod3 1, pod4 1', 'what upper bounds keep out is the operator''s');
SELECT is((SELECT array_agg(x ->> 'check' ORDER BY x ->> 'check') FROM finops.run r, jsonb_array_elements(r.detail -> 'findings') x WHERE r.run_id = (SELECT max(run_id) FROM finops.run)), '{caps_too_low,closed_cycle}', 'both are findings of the run');

-- four eyes

INSERT INTO finops.allocation_policy (policy, value) VALUES ('approval', 'four_eyes');
SELECT throws_ok($$ SELECT finops.approve_rule('s1', 1) $$, '42501', NULL, 'who prepared it cannot approve it');
UPDATE allocation_rules SET prepared_by = 'somebody' WHERE rule_id = 'traffic';
SELECT lives_ok($$ SELECT finops.approve_rule('traffic', 1, 'as agreed') $$, 'another one can');
SELECT throws_ok($$ SELECT finops.approve_rule('traffic', 1) $$, '55000', NULL, 'once');
SELECT throws_ok($$ SELECT finops.approve_rule('traffic', 9) $$, '22023', NULL, 'an unknown version');
SELECT isnt(finops.allocate('2021-05-01'), NULL, 'under four eyes');
SELECT is(pg_temp.split('2021-05-01', 'Capped') || '; ' || pg_temp.split('2021-05-01', 'Traffic'), 'unallocated 10; B 7.5, D 2.5', 'only approved versions count');

-- names of the caller's tables do not matter
CREATE TEMP TABLE finops_cost (x int);
CREATE TEMP TABLE finops_rule (x int);
CREATE TEMP TABLE finops_entry (x int);
SELECT lives_ok($$ SELECT finops.allocate('2021-05-01') $$, 'temporary tables of the caller are in nobody''s way');

SELECT is((SELECT bool_and(identical) FROM finops.run r, finops.replay_allocation(r.run_id) WHERE r.kind = 'allocate'), true, 'every run of this test replays to the same bytes');
SELECT is((SELECT count(*) FROM (SELECT bill_billing_period_start_date AS p, service, sum(effective_cost) AS cost FROM fact_cost_raw GROUP BY 1, 2) f
	FULL JOIN (SELECT period_start AS p, service, sum(allocated_cost_usd) AS placed FROM fact_cost_allocated GROUP BY 1, 2) a USING (p, service) WHERE cost IS DISTINCT FROM placed AND coalesce(cost, 0) <> coalesce(placed, 0)), 0::bigint, 'cost in is cost out');
-- large amounts: the base of support, a cap among many tenants, fixed amounts among many tenants
DELETE FROM finops.allocation_policy WHERE NOT shipped;
INSERT INTO tenant_master (tenant_id, tenant_name) SELECT 'L' || i, 'L' || i FROM generate_series(1, 3000) i;
INSERT INTO finops.driver (driver) VALUES ('large');
CREATE TABLE finops.fact_cost_raw_2016_01 PARTITION OF fact_cost_raw FOR VALUES FROM ('2016-01-01') TO ('2016-02-01');
INSERT INTO fact_cost_raw (bill_billing_period_start_date, provider, service, charge_category, billed_cost, effective_cost, line_item_usage_start_date, tenant_id, source, delivery_id)
SELECT '2016-01-01', 'AWS', service, 'Usage', cost, cost, '2016-01-01', tenant_id, 'l', 0
FROM (VALUES ('Own', 20000000, 'L1'), ('Own', 10000000.123456789, 'L2'), ('Own', 5, 'L3'), ('LargeSupport', 30, NULL), ('LargeCap', 9000000, NULL), ('LargeFee', 5000000, NULL)) v(service, cost, tenant_id);
SELECT finops.add_allocation_rule('large-support', 'proportional', '2016-01-01', effective_to => '2016-02-01', stage => 'overhead', service_match => 'LargeSupport', key_metric => 'allocated_cost');
SELECT finops.add_allocation_rule('large-fee', 'fixed_fee', '2016-01-01', effective_to => '2016-02-01', service_match => 'LargeFee',
	weights => (SELECT jsonb_object_agg('L' || i, CASE i WHEN 7 THEN 4000000 ELSE 1 END) FROM generate_series(1, 3000) i));
SELECT finops.add_allocation_rule('large-cap', 'driver', '2016-01-01', effective_to => '2016-02-01', service_match => 'LargeCap', driver => 'large', caps => '{"L9": {"max": 1}}');
SELECT finops.record_driver_values('large', '2016-01-01', (SELECT jsonb_object_agg('L' || i, CASE i WHEN 8 THEN 6000 ELSE 1 END) FROM generate_series(1, 3000) i));
SELECT finops.allocate('2016-01-01');
SELECT is((SELECT sum(allocated_cost_usd) FROM fact_cost_allocated WHERE period_start = '2016-01-01' AND service = 'LargeFee' AND tenant_id = 'L7'), 4000000.00, 'a fixed amount among 3,000 is paid in full');
SELECT is((SELECT trim_scale(sum(allocated_cost_usd)) FROM fact_cost_allocated WHERE period_start = '2016-01-01' AND service = 'LargeFee' AND kind = 'unallocated'), 997001::numeric, 'and the rest is the residual');
SELECT is((SELECT round(sum(allocated_cost_usd), 4) FROM fact_cost_allocated WHERE period_start = '2016-01-01' AND service = 'LargeCap' AND tenant_id = 'L8'),
	round((9000000 - 1)::numeric * 6000 / 8998, 4), 'who has no bound among 3,000 has none');
SELECT is((SELECT sum(allocated_cost_usd) FROM fact_cost_allocated WHERE period_start = '2016-01-01' AND service = 'LargeCap' AND kind = 'overhead'), NULL, 'nothing is kept out');
SELECT results_eq($$ SELECT s.tenant_id, round(s.allocated_cost_usd, 6) FROM fact_cost_allocated s WHERE s.period_start = '2016-01-01' AND s.rule_id = 'large-support' AND s.tenant_id IN ('L1', 'L2', 'L8') ORDER BY 1 $$,
	$$ SELECT o.tenant_id, round(30 * o.amount / t.total, 6) FROM (SELECT tenant_id, sum(allocated_cost_usd) AS amount FROM fact_cost_allocated
		WHERE period_start = '2016-01-01' AND rule_id <> 'large-support' AND tenant_id IS NOT NULL GROUP BY 1) o
		CROSS JOIN (SELECT sum(allocated_cost_usd) AS total FROM fact_cost_allocated WHERE period_start = '2016-01-01' AND rule_id <> 'large-support' AND tenant_id IS NOT NULL) t
		WHERE o.tenant_id IN ('L1', 'L2', 'L8') ORDER BY 1 $$, 'support follows large amounts as well');
SELECT * FROM finish();
ROLLBACK;

-- allocation: random months of all methods at once; finops.allocate itself
-- compares cost and entries and raises XX001 where they differ
BEGIN;
SELECT plan(8);
SET LOCAL statement_timeout = '120s';

CREATE FUNCTION pg_temp.rnd(i bigint, salt bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$ SELECT (hashint8extended(i, salt) & 9223372036854775807) $$;
CREATE TABLE finops.fact_cost_raw_2021_01 PARTITION OF fact_cost_raw FOR VALUES FROM ('2021-01-01') TO ('2021-02-01');
CREATE TABLE finops.fact_cost_raw_2021_02 PARTITION OF fact_cost_raw FOR VALUES FROM ('2021-02-01') TO ('2021-03-01');
INSERT INTO tenant_master (tenant_id, tenant_name) SELECT 't' || i, i FROM generate_series(1, 12) i;
INSERT INTO finops.pool (pool_id) SELECT 'p' || i FROM generate_series(1, 8) i;
INSERT INTO finops.driver (driver, grain) VALUES ('m1', 'month'), ('m2', 'month'), ('d1', 'day');

-- a month of rules: eight distribute pools, any rule may give to any of them
CREATE FUNCTION pg_temp.rules(seed bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM rule_version_map;
	DELETE FROM allocation_rules;
	INSERT INTO allocation_rules (rule_id, formula, effective_from, service_match, pool_id, weights_json, driver, params, legs, caps, fallback, stage, key_metric, zero_key_policy, residual_target, billable, charge_category)
	SELECT 'r' || i, CASE WHEN w.formula = 'inherit' AND i = 20 THEN 'equal' ELSE w.formula END, '2021-01-01', 's' || i, CASE WHEN i <= 8 THEN 'p' || i END,
		CASE WHEN w.formula IN ('fixed_pct', 'direct') THEN (SELECT coalesce(jsonb_object_agg(k, v), '{"t1": 1}') FROM (
			SELECT 'pool:p' || j AS k, pg_temp.rnd(j, seed * 97 + i) % 9 AS v FROM generate_series(1, 8) j WHERE w.caps IS NULL AND pg_temp.rnd(j, seed * 89 + i) % 3 = 0
			UNION ALL SELECT 't' || j, pg_temp.rnd(j, seed * 83 + i) % 3 FROM generate_series(1, 12) j WHERE pg_temp.rnd(j, seed * 79 + i) % 3 > 0 AND pg_temp.rnd(i, seed * 61) % 4 > 0
			UNION ALL SELECT 'operator', 1 WHERE pg_temp.rnd(i, seed * 71) % 3 = 0) x)
			WHEN w.formula = 'fixed_fee' THEN '{"t1": 3.5, "t2": 0.01}' END,
		CASE WHEN w.formula IN ('driver', 'capacity', 'tiered', 'shared_peak') THEN (ARRAY['m1', 'm2', 'd1'])[1 + pg_temp.rnd(i, seed * 67) % 3] END,
		CASE w.formula WHEN 'weighted' THEN '{"drivers": [{"driver": "m1", "weight": 9}, {"driver": "d1", "weight": 1, "capacity": 7.5}]}'
			WHEN 'capacity' THEN '{"capacity": 30}' WHEN 'tiered' THEN '{"tiers": [{"upto": 5, "price": 3}, {"price": 0.7}]}' WHEN 'inherit' THEN '{"rule": "r20"}' END::jsonb,
		CASE WHEN w.caps IS NULL AND w.late IS NULL THEN CASE pg_temp.rnd(i, seed * 59) % 5 WHEN 0 THEN '{"amount": {"t3": 2.25}}' WHEN 1 THEN '{"percent": {"t4": 12.5, "pool:p2": 20}}' WHEN 2 THEN '{"amount": {"t5": 100}, "percent": {"t6": 50}}' END END::jsonb,
		w.caps, CASE pg_temp.rnd(i, seed * 53) % 3 WHEN 0 THEN '{previous_period,driver:m2}' WHEN 1 THEN '{direct_cost}' END::text[],
		CASE WHEN w.late THEN 'overhead' ELSE 'pool' END, CASE WHEN w.late THEN 'allocated_cost' ELSE 'direct_cost' END,
		(ARRAY['operator', 'unallocated', 'equal'])[1 + pg_temp.rnd(i, seed * 47) % 3], (ARRAY['operator', 'unallocated'])[1 + pg_temp.rnd(i, seed * 43) % 2], pg_temp.rnd(i, seed * 41) % 12 > 0,
		CASE WHEN pg_temp.rnd(i, seed * 37) % 6 = 0 THEN 'Usage' END
	FROM generate_series(1, 20) i CROSS JOIN LATERAL (
		SELECT f.formula, CASE WHEN pg_temp.rnd(i, seed * 31) % 4 = 0 AND f.formula IN ('driver', 'proportional', 'equal', 'direct') THEN
			(ARRAY['{"*": {"max": 1.5}}', '{"t1": {"min": 2}, "*": {"max": 40}}', '{"*": {"min": 9}}'])[1 + pg_temp.rnd(i, seed * 29) % 3] END::jsonb AS caps,
			CASE WHEN f.formula = 'proportional' AND pg_temp.rnd(i, seed * 23) % 2 = 0 THEN true END AS late
		FROM (SELECT (ARRAY['proportional', 'equal', 'fixed_pct', 'fixed_fee', 'direct', 'driver', 'weighted', 'tiered', 'capacity', 'inherit', 'shared_peak', 'fixed_pct', 'direct'])[1 + pg_temp.rnd(i, seed * 19) % 13] AS formula) f) w;
END $$;
CREATE FUNCTION pg_temp.bill(p date, seed bigint) RETURNS void LANGUAGE sql AS $$
	DELETE FROM finops.driver_value;
	INSERT INTO finops.driver_value SELECT 'm1', t, p, pg_temp.rnd(hashtext(t), seed) % 4 FROM unnest('{t1,t2,t3,pool:p1,pool:p5,t9}'::text[]) t WHERE seed % 5 > 0;
	INSERT INTO finops.driver_value SELECT 'm2', t, p, pg_temp.rnd(hashtext(t), seed + 1) % 4 / 3.0 FROM unnest('{t1,t4,t8,t12}'::text[]) t;
	INSERT INTO finops.driver_value SELECT 'd1', t, p + d, pg_temp.rnd(hashtext(t) + d, seed + 2) % 5 FROM unnest('{t2,t3,t5,pool:p3}'::text[]) t, generate_series(0, 3) d;
	DELETE FROM fact_cost_raw WHERE bill_billing_period_start_date = p;
	INSERT INTO fact_cost_raw (bill_billing_period_start_date, provider, service, charge_category, billed_cost, effective_cost, line_item_line_item_type,
		line_item_usage_start_date, line_item_currency_code, commitment_discount_status, tenant_id, origin_period, source, delivery_id)
	SELECT p, 'AWS', 's' || pg_temp.rnd(i, seed + 3) % 24, (ARRAY['Usage', 'Usage', 'Usage', 'Credit', 'Tax'])[1 + pg_temp.rnd(i, seed + 4) % 5], c.cost, c.cost,
		CASE WHEN pg_temp.rnd(i, seed + 5) % 9 = 0 THEN 'EdpDiscount' ELSE 'Usage' END, p + pg_temp.rnd(i, seed + 6) % 4 * interval '1 day',
		(ARRAY['USD', 'USD', 'EUR'])[1 + pg_temp.rnd(i, seed + 7) % 3], CASE WHEN pg_temp.rnd(i, seed + 8) % 11 = 0 THEN 'Unused' END,
		CASE WHEN pg_temp.rnd(i, seed + 9) % 3 = 0 THEN 't' || 1 + pg_temp.rnd(i, seed + 10) % 14 END,
		CASE WHEN pg_temp.rnd(i, seed + 11) % 17 = 0 AND p > '2021-01-01' THEN date '2021-01-01' END, 'test', 0
	FROM generate_series(1, 90) i CROSS JOIN LATERAL (SELECT round((pg_temp.rnd(i, seed + 12) % 2000000 - 500000)::numeric / 10000, (pg_temp.rnd(i, seed + 13) % 7)::int)
		+ CASE WHEN pg_temp.rnd(i, seed + 14) % 20 = 0 THEN 0.0000000000123 ELSE 0 END AS cost) c
$$;
CREATE FUNCTION pg_temp.months(seeds int, p date) RETURNS TABLE (runs bigint, shares_off bigint, replays_off bigint) LANGUAGE plpgsql AS $$
DECLARE
	run bigint;
	bad bigint;
BEGIN
	runs := 0; shares_off := 0; replays_off := 0;
	FOR seed IN 1 .. seeds LOOP
		PERFORM pg_temp.rules(seed);
		PERFORM pg_temp.bill(p, seed);
		run := finops.allocate(p);
		runs := runs + 1;
		EXECUTE 'SELECT count(*) FROM (SELECT 1 FROM finops.preview_allocation($1) WHERE share IS NOT NULL GROUP BY origin HAVING sum(share) <> 1 AND abs(sum(amount)) > 0.1) s' INTO bad USING p;
		shares_off := shares_off + bad;
		SELECT count(*) INTO bad FROM finops.replay_allocation(run) r WHERE NOT r.identical;
		replays_off := replays_off + bad;
	END LOOP;
	RETURN NEXT;
END $$;
CREATE TEMP TABLE first_month AS SELECT * FROM pg_temp.months(30, '2021-01-01');
CREATE TEMP TABLE second_month AS SELECT * FROM pg_temp.months(10, '2021-02-01');
SELECT is(runs, 30::bigint, 'random months add up per origin, service and currency') FROM first_month;
SELECT is(runs, 10::bigint, 'also with corrections of an earlier month') FROM second_month;
SELECT is((SELECT sum(shares_off) FROM (TABLE first_month UNION ALL TABLE second_month) x), 0::numeric, 'shares of every origin of some size add up to 1 (parts that round to nothing have no entry)');
SELECT is((SELECT sum(replays_off) FROM (TABLE first_month UNION ALL TABLE second_month) x), 0::numeric, 'every run replays to the same bytes');
SELECT is((SELECT count(*) FROM tenant_master m WHERE (SELECT coalesce(sum(amount), 0) FROM finops.explain_allocation(m.tenant_id, '2021-02-01') e)
	<> (SELECT coalesce(sum(allocated_cost_usd), 0) FROM fact_cost_allocated a WHERE a.tenant_id = m.tenant_id AND a.period_start = '2021-02-01')), 0::bigint, 'every tenant''s cost is explained');
SELECT is((SELECT count(*) FROM (SELECT a.origin, a.origin_period, (SELECT sum(l.cost) FROM finops.entry_lines(min(a.id)) l) AS lines, sum(a.allocated_cost_usd) AS cost FROM fact_cost_allocated a
	WHERE a.period_start = '2021-02-01' GROUP BY 1, 2 HAVING sum(a.allocated_cost_usd) <> 0 ORDER BY 1 LIMIT 60) x WHERE lines IS DISTINCT FROM cost), 0::bigint, 'the lines behind an entry add up to its origin');
CREATE TEMP TABLE entry_day AS SELECT a.id, d.* FROM (SELECT min(id) AS id FROM fact_cost_allocated WHERE period_start = '2021-02-01' GROUP BY origin, origin_period HAVING sum(allocated_cost_usd) <> 0 ORDER BY 1 LIMIT 60) a
	CROSS JOIN LATERAL finops.entry_cost_daily(a.id) d;
SELECT is((SELECT count(*) FROM (SELECT e.id, e.cost FROM (SELECT id, sum(cost) AS cost, sum(line_items) AS n FROM entry_day GROUP BY 1) e
	CROSS JOIN LATERAL (SELECT sum(l.cost) AS cost, count(*) AS n FROM finops.entry_lines(e.id) l) l WHERE (l.cost, l.n) IS DISTINCT FROM (e.cost, e.n)) x), 0::bigint, 'and by day to the same');
SELECT finops.rebuild_rollup('2021-02-01');
SELECT is((SELECT count(*) FROM (SELECT * FROM entry_day EXCEPT ALL SELECT e.id, d.* FROM (SELECT DISTINCT id FROM entry_day) e CROSS JOIN LATERAL finops.entry_cost_daily(e.id) d) x), 0::bigint, 'days are the same from the lines and from the roll-up');
SELECT * FROM finish();
ROLLBACK;

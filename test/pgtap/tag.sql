-- tags: coverage aggregates, report, candidates, the tenant key, validation
BEGIN;
SELECT plan(52);

CREATE TABLE finops.fact_cost_raw_2021_11 PARTITION OF fact_cost_raw FOR VALUES FROM ('2021-11-01') TO ('2021-12-01');
CREATE TABLE finops.fact_cost_raw_2021_12 PARTITION OF fact_cost_raw FOR VALUES FROM ('2021-12-01') TO ('2022-01-01');
CREATE FUNCTION pg_temp.line(p date, resource text, cost numeric, tags jsonb, category text DEFAULT 'Usage', currency text DEFAULT 'USD', billed numeric DEFAULT NULL)
RETURNS void LANGUAGE sql AS $$
	INSERT INTO fact_cost_raw (bill_billing_period_start_date, line_item_resource_id, provider, service, charge_category, billed_cost, effective_cost,
		line_item_currency_code, resource_tags, resource_tags_user_tenant_id, resource_tags_user_plan_id, resource_tags_user_environment, tenant_id, source, delivery_id)
	VALUES (p, resource, 'AWS', 'EC2', category, coalesce(billed, cost), cost, currency, tags, nullif(btrim(tags ->> 'tenant_id'), ''), nullif(btrim(tags ->> 'plan_id'), ''),
		nullif(btrim(tags ->> 'environment'), ''), nullif(btrim(tags ->> 'tenant_id'), ''), 'test', 0)
$$;

-- aggregates

CREATE TEMP TABLE t (id int, cost numeric, a text, b text);
INSERT INTO t VALUES (1, 10, 'x', 'y'), (2, 20.5, 'x', NULL), (3, -5.25, ' ', 'y'), (4, 0, 'x', E'\t\n'), (5, NULL, 'x', 'y'), (6, 4.75, '', '');
SELECT is((SELECT round(finops.tag_coverage(a), 6) FROM t), 66.666667, 'rows with a tag; blanks do not count');
SELECT is((SELECT round(finops.tag_coverage(a, b), 6) FROM t), 33.333333, 'rows with both tags');
SELECT is((SELECT finops.tag_coverage(VARIADIC ARRAY[a, b]) FROM t WHERE id < 3), 50.0, 'an array of tags');
SELECT is((SELECT finops.tag_coverage(a) FROM t WHERE false), NULL, 'no rows');
SELECT is((SELECT finops.tag_coverage(VARIADIC NULL::text[]) FROM t), 0.0, 'no array of tags is no tag');
SELECT is((SELECT round(finops.tag_coverage_cost(cost, a), 6) FROM t), round(100 * 30.5 / 30.00, 6), 'cost with a tag; a credit without one makes it more than all');
SELECT is((SELECT round(finops.tag_coverage_cost(cost, a, b), 6) FROM t), round(100 * 10 / 30.00, 6), 'cost with both tags');
SELECT is((SELECT finops.tag_coverage_cost(cost, a) FROM t WHERE id = 4), NULL, 'no cost');
SELECT is((SELECT finops.tag_coverage_cost(cost, a) FROM t WHERE id = 5), NULL, 'unknown cost');
SELECT is((SELECT finops.tag_coverage_cost(cost, a) FROM t WHERE false), NULL, 'no rows, no cost coverage');
SELECT is((SELECT finops.tag_coverage_cost(c, v) FROM (VALUES (0.1, 'x'), (1e-15, NULL), (123456789012345678.5, NULL), (-123456789012345678.5, 'y'), (123456789012345678.5, 'x')) s(c, v)),
	(SELECT 100 * 0.1 / (123456789012345678.6 + 1e-15)), 'sums are exact over unequal scales');
SELECT is((SELECT array_agg(x ORDER BY id) FROM (SELECT id, round(finops.tag_coverage(a) OVER (ORDER BY id), 2) AS x FROM t) s),
	'{100.00,100.00,66.67,75.00,80.00,66.67}'::numeric[], 'as a window aggregate');
SELECT throws_ok($$ SELECT finops.tag_coverage_cost('NaN', 'x') $$, '22023', 'cost must be a finite number', 'NaN');
SELECT throws_ok($$ SELECT finops.tag_coverage_cost('Infinity', 'x') $$, '22023', 'cost must be a finite number', 'infinity');
SELECT throws_ok($$ SELECT finops.tag_coverage_cost(1e60, 'x') $$, '22003', 'cost is too large for tag_coverage_cost', 'too many digits');
SELECT throws_ok($$ SELECT finops.tag_coverage(VARIADIC '{}'::text[]) $$, '22023', 'tag coverage needs at least one tag', 'no tag');
SELECT throws_ok(format('SELECT finops.tag_coverage_pct(%L)', s), '22023', 'invalid state of a tag coverage aggregate', 'a state of our own making: ' || s)
FROM unnest(ARRAY['\x', '\x00', '\x' || repeat('00', 68), '\x' || repeat('ff', 64)]) s;
SELECT is(finops.tag_coverage_pct(finops.tag_coverage_step(NULL, 'x')), 100.0, 'state functions work on their own');

-- every way to cut the rows gives the same
CREATE TEMP TABLE many AS SELECT i, ((i * 7919) % 100003 - 20000)::numeric / (10 ^ (i % 12))::numeric AS cost, CASE WHEN i % 3 = 0 THEN 'x' END AS tag FROM generate_series(1, 20000) i;
SELECT is((SELECT round(finops.tag_coverage_cost(cost, tag), 14) FROM many), (SELECT round(100 * sum(cost) FILTER (WHERE tag IS NOT NULL) / sum(cost), 14) FROM many), 'equals plain SQL');
SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0; SET LOCAL min_parallel_table_scan_size = 0;
CREATE TABLE public.tag_many AS SELECT * FROM many;
ANALYZE public.tag_many;
CREATE FUNCTION pg_temp.plan_of(q text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE l text; r text := '';
BEGIN
	FOR l IN EXECUTE 'EXPLAIN (COSTS OFF) ' || q LOOP r := r || l || E'\n'; END LOOP;
	RETURN r;
END $$;
SELECT matches(pg_temp.plan_of('SELECT finops.tag_coverage_cost(cost, tag), finops.tag_coverage(tag) FROM public.tag_many'), 'Partial Aggregate', 'the plan is parallel');
SELECT is((SELECT finops.tag_coverage_cost(cost, tag) FROM public.tag_many), (SELECT finops.tag_coverage_cost(cost, tag) FROM many), 'partial states combine');
SELECT is((SELECT round(finops.tag_coverage(tag), 10) FROM public.tag_many), round(100 * 6666 / 20000.0, 10), 'also of rows');

-- who may call what
CREATE ROLE finops_tag_reader;
SET LOCAL ROLE finops_tag_reader;
SELECT is((SELECT finops.tag_coverage(x) FROM (VALUES ('a'), (NULL)) v(x)), 50.0, 'anybody may aggregate');
SELECT throws_ok($$ SELECT finops.tag_coverage_step(NULL, 'x') $$, '42501', NULL, 'nobody may call a state function');
SELECT throws_ok($$ SELECT * FROM finops.tag_coverage_report() $$, '42501', NULL, 'nor read a report');
RESET ROLE;

-- a small bill: keys with blanks, blank values, colliding keys

SELECT pg_temp.line('2021-11-01', 'r1', 100, '{"tenant_id": "A", "plan_id": "P", "env": "prod", "Team": " red "}', billed => 90);
SELECT pg_temp.line('2021-11-01', 'r1', 50, '{"tenant_id": "A", "plan_id": "P", "env": "prod", "Team": "red"}', billed => 60);
SELECT pg_temp.line('2021-11-01', 'r2', 30, '{"tenant_id": " ", "environment": "qa", "Team": "blue"}');
SELECT pg_temp.line('2021-11-01', NULL, 20, NULL);
SELECT pg_temp.line('2021-11-01', NULL, -10, NULL, 'Credit');
SELECT pg_temp.line('2021-11-01', 'r3', 7, '{"tenant_id": "Z", " Team": "x", "aws:createdBy": "somebody"}');
SELECT pg_temp.line('2021-12-01', 'r4', 5, '{"Team": "green"}', currency => 'EUR');
INSERT INTO tenant_master (tenant_id, tenant_name) VALUES ('A', 'A');

SELECT results_eq($$ SELECT tag_key, rows_total, rows_tagged, round(rows_pct, 3), cost_total, cost_tagged, round(cost_pct, 3), currency
	FROM finops.tag_coverage_report('2021-11-01') WHERE tag_key IN ('Team', ' Team', 'tenant_id') ORDER BY tag_key $$,
	$$ VALUES (' Team', 6::bigint, 1::bigint, 16.667, 197::numeric, 7::numeric, 3.553, 'USD'), ('Team', 6, 3, 50.000, 197, 180, 91.371, 'USD'), ('tenant_id', 6, 3, 50.000, 197, 157, 79.695, 'USD') $$,
	'report: lines and billed cost per key, blank values do not count');
SELECT is((SELECT count(*) FROM finops.tag_coverage_report() WHERE tag_key = 'Team'), 2::bigint, 'currencies apart');
SELECT is((SELECT count(*) FROM finops.tag_coverage_report('2021-10-01')), 0::bigint, 'a month without a bill');
SELECT throws_ok($$ SELECT * FROM finops.tag_coverage_report('2021-11-02') $$, '22023', '2021-11-02 is not the first day of a month', 'not a period');
SELECT results_eq($$ SELECT tag_key, distinct_values, suitable FROM finops.tag_key_candidates() $$,
	$$ VALUES ('Team', 2::bigint, true), ('tenant_id', 2, true), (' Team', 1, false), ('env', 1, false), ('plan_id', 1, false), ('environment', 1, false), ('aws:createdBy', 1, false) $$,
	'candidates by what they cover');

-- validation
SELECT lives_ok($$ SELECT finops.validate_tags('2021-11-01') $$, 'tags are validated');
SELECT results_eq($$ SELECT resource_id, tag_key, check_name, severity, line_items, cost, quarantined FROM tag_validation_log WHERE period_start = '2021-11-01'
	ORDER BY check_name, tag_key, resource_id $$,
	$$ VALUES ('r2', 'tenant_id', 'blank_value', 'critical', 1::bigint, 30::numeric, true),
		(NULL, ' Team', 'colliding_key', 'info', 1, 7, false), (NULL, 'Team', 'colliding_key', 'info', 3, 180, false),
		(NULL, 'env', 'colliding_key', 'info', 2, 150, false), (NULL, 'environment', 'colliding_key', 'info', 1, 30, false),
		('r2', 'environment', 'invalid_value', 'info', 1, 30, false),
		('r2', 'plan_id', 'missing', 'warning', 1, 30, false), ('r3', 'plan_id', 'missing', 'warning', 1, 7, false), (NULL, 'plan_id', 'missing', 'warning', 1, 20, false),
		(NULL, 'tenant_id', 'missing', 'critical', 1, 20, true), ('r3', 'tenant_id', 'unknown_tenant', 'warning', 1, 7, false) $$,
	'findings per resource, key and check');
SELECT is((SELECT detail ->> 'critical' FROM finops.run WHERE kind = 'validate_tags' ORDER BY run_id DESC LIMIT 1), '2', 'counted in the run');
SELECT is((SELECT status || ': ' || detail FROM finops.period_gate WHERE period_start = '2021-11-01' AND gate = 'tags'), 'completed: 2 critical, 4 warning and 5 info findings', 'and in the gate');
CREATE TEMP TABLE before AS SELECT resource_id, tag_key, check_name, line_items FROM tag_validation_log WHERE period_start = '2021-11-01';
INSERT INTO tag_policy (tag_key, version, required, severity, effective_from) VALUES ('plan_id', '2.0', false, 'info', '2021-11-01'), ('Team', '2.0', true, 'warning', '2022-01-01');
SELECT finops.validate_tags('2021-11-01');
SELECT is((SELECT count(*) FROM tag_validation_log WHERE period_start = '2021-11-01'), (SELECT count(*) - 3 FROM before), 'a policy of the user hides the shipped one; a later one waits');
SELECT throws_ok($$ SELECT finops.validate_tags('2021-10-01') $$, '55000', 'no bill is loaded for billing period 2021-10', 'nothing to validate');
SELECT throws_ok($$ SELECT finops.validate_tags(NULL) $$, '22004', 'billing period must not be null', 'no period');

-- the tenant key
SELECT results_eq($$ SELECT tenant_key, currency, tenants, tenants_registered, rows_total, rows_tagged, cost_total, cost_tagged FROM finops.set_tenant_key('Team') $$,
	$$ VALUES ('Team', 'USD', 2::bigint, 3::bigint, 6::bigint, 3::bigint, 197::numeric, 180::numeric), ('Team', 'EUR', 1, 3, 1, 1, 5, 5) $$, 'a key is chosen');
SELECT is((SELECT array_agg(tenant_id ORDER BY row_id) FROM fact_cost_raw WHERE bill_billing_period_start_date = '2021-11-01'), '{red,red,blue,NULL,NULL,NULL}'::text[], 'values are trimmed');
SELECT is((SELECT array_agg(tenant_id || ' ' || status || ' ' || billing_mode ORDER BY tenant_id) FROM tenant_master WHERE tenant_id IN ('red', 'blue', 'green')),
	'{blue unregistered showback,green unregistered showback,red unregistered showback}'::text[], 'unseen values become unregistered tenants');
SELECT is((SELECT string_agg(tenant_id || ' ' || sum, ',' ORDER BY tenant_id) FROM (SELECT tenant_id, sum(billed_cost) FROM finops.cost_daily WHERE billing_period = '2021-11-01' AND tenant_id IS NOT NULL GROUP BY 1) s),
	'blue 30,red 150', 'the roll-up follows');
SELECT is((SELECT count(*) FROM finops.period_gate WHERE period_start = '2021-11-01' AND position >= 1), 0::bigint, 'gates are cleared');
SELECT is((SELECT metadata ->> 'tenants_registered' FROM audit_event WHERE action = 'tenant_key_set' AND object_id = 'Team'), '3', 'the choice is audited');
UPDATE period_lock SET state = 'LOCKED' WHERE period_start = '2021-11-01';
SELECT lives_ok($$ SELECT * FROM finops.set_tenant_key('tenant_id') $$, 'another key');
SELECT is((SELECT string_agg(coalesce(tenant_id, '-'), ' ' ORDER BY row_id) FROM fact_cost_raw WHERE source = 'test'), 'red red blue - - - -', 'a locked month keeps its tenants');
SELECT throws_ok($$ SELECT finops.validate_tags('2021-11-01') $$, '55000', 'billing period 2021-11 is locked', 'nor is it judged again');
SELECT throws_ok($$ SELECT * FROM finops.set_tenant_key('team') $$, '22023', 'no loaded bill has a tag key "team"', 'an unknown key');
SELECT throws_ok($$ SELECT * FROM finops.set_tenant_key(' ') $$, '22023', 'tag_key must not be blank', 'a blank key');
SELECT throws_ok($$ SELECT * FROM finops.set_tenant_key(NULL) $$, '22004', 'tag_key must not be null', 'no key');

SELECT * FROM finish();
ROLLBACK;

-- Reconciliation and seal against plain SQL on random months.
BEGIN;
SELECT plan(20);
SELECT setseed(0.4711);

-- variance
SELECT is(finops.variance_pct(a, e), e.g, format('variance_pct(%s, %s)', a, e.e))
FROM (VALUES (100::numeric, 150::numeric, -33.3333333333333333::numeric), (0, 5, -100), (-90, -100, 10), (0, 0, NULL), ('NaN', 1, 'NaN'), ('Infinity', 1, 'Infinity')) AS v(a, b, g),
	LATERAL (SELECT b AS e, g) AS e;
CREATE TABLE pairs AS
SELECT i % 7 AS service, round((random() * 1000 - 200)::numeric, 1 + i % 9) AS actual, round((random() * 1000 - 100)::numeric, 1 + i % 5) AS expected
FROM generate_series(1, 30000) AS i;
ANALYZE pairs;
SELECT is_empty($$
	SELECT service FROM pairs GROUP BY service
	HAVING finops.recon_variance(actual, expected) IS DISTINCT FROM trim_scale((sum(actual) - sum(expected)) * 100 / abs(sum(expected)))
$$, 'recon_variance is the variance of the sums');
CREATE TEMP TABLE serial AS SELECT finops.recon_variance(actual, expected) AS v FROM pairs;
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
CREATE FUNCTION pg_temp.plan_of(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE line text; answer text := '';
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		answer := answer || line || E'\n';
	END LOOP;
	RETURN answer;
END $$;
SELECT matches(pg_temp.plan_of('SELECT finops.recon_variance(actual, expected) FROM pairs'), 'Partial Aggregate', 'recon_variance is aggregated by workers');
SELECT is((SELECT finops.recon_variance(actual, expected) FROM pairs), (SELECT v FROM serial), 'workers give the same digits');
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;

-- a random month: 40 services, tagged, shared, overhead and unplaced cost, credits among them
CREATE TABLE finops.fact_cost_raw_2023_09 PARTITION OF fact_cost_raw FOR VALUES FROM ('2023-09-01') TO ('2023-10-01');
CREATE TABLE finops.fact_cost_allocated_2023_09 PARTITION OF fact_cost_allocated FOR VALUES FROM ('2023-09-01') TO ('2023-10-01');
CREATE TABLE line AS
SELECT i, 'service ' || i % 40 AS service, round((random() * 100 - 12)::numeric, 10) AS amount,
	CASE WHEN random() < 0.02 * (i % 40) / 40 THEN 'unallocated' WHEN random() < 0.1 THEN 'overhead' ELSE 'tenant ' || i % 11 END AS place
FROM generate_series(1, 8000) AS i;
INSERT INTO fact_cost_raw (bill_billing_period_start_date, line_item_usage_start_date, provider, service, charge_category, billed_cost,
	effective_cost, tenant_id, resource_tags, source, delivery_id)
SELECT '2023-09-01', timestamp '2023-09-01' + i % 30 * interval '1 day', 'AWS', service, 'Usage', amount, amount,
	CASE WHEN place LIKE 'tenant%' AND i % 3 > 0 THEN place END, jsonb_build_object('n', i), 'test', 1
FROM line;
INSERT INTO fact_cost_allocated (tenant_id, period_start, period_end, service, category, rule_id, rule_version, run_id, kind, origin, currency, allocated_cost_usd)
SELECT CASE WHEN place LIKE 'tenant%' THEN place END, '2023-09-01', '2023-09-30', service, 'OTHER',
	CASE WHEN place = 'unallocated' THEN place ELSE 'rule' END, 1, 1, CASE WHEN place LIKE 'tenant%' THEN 'shared' ELSE place END, 'test', 'USD', sum(amount)
FROM line GROUP BY place, service;
INSERT INTO finops.period_gate (period_start, gate, position, status) VALUES ('2023-09-01', 'allocation', 2, 'completed');
SELECT is(finops.reconcile('2023-09-01'), 'RECON-2023-09', 'a random month is reconciled');
CREATE TABLE truth AS
SELECT service, sum(amount) AS cost_in, sum(amount) FILTER (WHERE place <> 'unallocated') - sum(amount) AS variance
FROM line GROUP BY service;
SELECT results_eq(
	'SELECT service, aws_total_usd, variance_usd, status FROM finops.recon_detail WHERE recon_id = ''RECON-2023-09'' ORDER BY service',
	$$SELECT service, cost_in, variance, CASE WHEN abs(variance) < 1 OR abs(variance / cost_in) <= 0.005 THEN 'ok'
		WHEN abs(variance / cost_in) <= 0.01 THEN 'warning' ELSE 'failed' END FROM truth ORDER BY service$$,
	'every service is judged as plain SQL judges it');
SELECT cmp_ok((SELECT count(DISTINCT status)::int FROM finops.recon_detail WHERE recon_id = 'RECON-2023-09'), '=', 3, 'the month has services of every class');
SELECT set_eq('SELECT service FROM recon_summary WHERE recon_id = ''RECON-2023-09'' AND service <> ''ALL''',
	'SELECT service FROM finops.recon_detail WHERE recon_id = ''RECON-2023-09'' AND status <> ''ok''', 'recon_summary lists the services out of tolerance');
SELECT results_eq(
	'SELECT aws_total_usd, allocated_total_usd + operator_overhead_usd + unallocated_usd, variance_usd FROM recon_summary WHERE recon_id = ''RECON-2023-09'' AND service = ''ALL''',
	$$SELECT sum(amount), sum(amount), -sum(amount) FILTER (WHERE place = 'unallocated') FROM line$$, 'the total adds up to the last digit');
SELECT set_eq('SELECT service FROM recon_exceptions WHERE recon_id = ''RECON-2023-09'' AND category = ''Allocation'' AND severity <> ''info''',
	$$SELECT d.service FROM finops.recon_detail d, recon_summary s WHERE d.recon_id = 'RECON-2023-09' AND s.recon_id = d.recon_id AND s.service = 'ALL'
		AND (d.status <> 'ok' OR s.status <> 'ok' AND abs(d.variance_usd) >= 1)$$, 'each has its exception');
-- a run on the same data finds the same
CREATE TEMP TABLE first_run AS SELECT * FROM finops.recon_detail WHERE recon_id = 'RECON-2023-09';
SELECT is(finops.reconcile('2023-09-01'), 'RECON-2023-09', 'and again');
SELECT results_eq('SELECT * FROM finops.recon_detail WHERE recon_id = ''RECON-2023-09'' ORDER BY service', 'SELECT * FROM first_run ORDER BY service', 'a second run finds the same');

-- the seal, worked out as the documentation says
SELECT finops.resolve_exception(exception_id, 'test', 'none', 'test') FROM recon_exceptions WHERE recon_id = 'RECON-2023-09' \g /dev/null
SELECT finops.resolve_recon('RECON-2023-09') \g /dev/null
SET LOCAL client_min_messages = warning;
SELECT finops.lock_period('2023-09-01') \g /dev/null
RESET client_min_messages;
SET LOCAL TimeZone = 'UTC';
SET LOCAL DateStyle = 'ISO';
SET LOCAL IntervalStyle = 'postgres';
CREATE FUNCTION pg_temp.digest_of(relation text, condition text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE answer text; list text;
BEGIN
	SELECT string_agg(quote_ident(c), ', ' ORDER BY no) INTO list
	FROM finops.period_seal s, unnest(s.columns) WITH ORDINALITY AS x(c, no) WHERE s.period_start = '2023-09-01' AND s.object = relation;
	EXECUTE format('WITH row_digest AS (SELECT encode(sha256(convert_to(ROW(%s)::text, ''UTF8'')), ''hex'') AS h FROM %I WHERE %s),
		bucket AS (SELECT left(h, 2) AS b, sha256(decode(string_agg(h, '''' ORDER BY h COLLATE "C"), ''hex'')) AS h FROM row_digest GROUP BY 1)
		SELECT encode(sha256(string_agg(h, ''''::bytea ORDER BY b COLLATE "C")), ''hex'') FROM bucket', list, relation, condition) INTO answer;
	RETURN answer;
END $$;
SELECT is(pg_temp.digest_of('fact_cost_raw', 'bill_billing_period_start_date = ''2023-09-01'''),
	(SELECT digest FROM finops.period_seal WHERE period_start = '2023-09-01' AND object = 'fact_cost_raw'), 'digest of the facts, by plain SQL');
SELECT is(pg_temp.digest_of('fact_cost_allocated', 'period_start = ''2023-09-01'''),
	(SELECT digest FROM finops.period_seal WHERE period_start = '2023-09-01' AND object = 'fact_cost_allocated'), 'digest of the entries, by plain SQL');
SET LOCAL TimeZone = 'Asia/Kolkata';
SET LOCAL DateStyle = 'German';
SET LOCAL extra_float_digits = 0;
SELECT is_empty('SELECT * FROM finops.verify_period(''2023-09-01'')', 'the seal holds whatever the settings of the session');

SELECT * FROM finish();
ROLLBACK;

-- Reconciliation and seal against plain SQL on random months.
BEGIN;
SELECT plan(32);
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

-- the seal
SELECT finops.resolve_exception(exception_id, 'test', 'none', 'test') FROM recon_exceptions WHERE recon_id = 'RECON-2023-09' \g /dev/null
SELECT finops.resolve_recon('RECON-2023-09') \g /dev/null
SET LOCAL client_min_messages = warning;
CREATE TEMP TABLE bridge AS SELECT * FROM finops.cost_bridge('2023-09-01') WITH ORDINALITY b;
SELECT finops.lock_period('2023-09-01') \g /dev/null
RESET client_min_messages;
SELECT results_eq('SELECT position, line, amount::text, currency FROM finops.cost_bridge(''2023-09-01'') WITH ORDINALITY b ORDER BY ordinality', 'SELECT position, line, amount::text, currency FROM bridge ORDER BY ordinality', 'the bridge from billed to effective cost is that of the open month');
SELECT is((SELECT jsonb_array_length(detail -> 'cost_bridge') FROM finops.run WHERE kind = 'lock' AND period_start = '2023-09-01')::bigint, (SELECT count(*) FROM bridge), 'and kept with the lock');
-- the digest by plain SQL: bytes by the send functions, ChaCha20 as RFC 8439 has it
CREATE FUNCTION pg_temp.rotl(x bigint, n int) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$ SELECT ((x << n) | (x >> (32 - n))) & 4294967295 $$;
CREATE FUNCTION pg_temp.chacha(key bytea) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
	s bigint[]; x bigint[]; answer bigint[] := '{}'; q int[];
	quarters int[] := ARRAY[[1,5,9,13],[2,6,10,14],[3,7,11,15],[4,8,12,16],[1,6,11,16],[2,7,12,13],[3,8,9,14],[4,5,10,15]];
BEGIN
	FOR block IN 0..3 LOOP
		s := ARRAY[1634760805, 857760878, 2036477234, 1797285236]::bigint[];
		FOR i IN 0..7 LOOP
			s := s || (get_byte(key, 4 * i) + (get_byte(key, 4 * i + 1)::bigint << 8) + (get_byte(key, 4 * i + 2)::bigint << 16) + (get_byte(key, 4 * i + 3)::bigint << 24));
		END LOOP;
		s := s || ARRAY[block, 0, 0, 0]::bigint[];
		x := s;
		FOR r IN 1..10 LOOP
			FOR i IN 1..8 LOOP
				q := ARRAY[quarters[i][1], quarters[i][2], quarters[i][3], quarters[i][4]];
				x[q[1]] := (x[q[1]] + x[q[2]]) & 4294967295; x[q[4]] := pg_temp.rotl(x[q[4]] # x[q[1]], 16);
				x[q[3]] := (x[q[3]] + x[q[4]]) & 4294967295; x[q[2]] := pg_temp.rotl(x[q[2]] # x[q[3]], 12);
				x[q[1]] := (x[q[1]] + x[q[2]]) & 4294967295; x[q[4]] := pg_temp.rotl(x[q[4]] # x[q[1]], 8);
				x[q[3]] := (x[q[3]] + x[q[4]]) & 4294967295; x[q[2]] := pg_temp.rotl(x[q[2]] # x[q[3]], 7);
			END LOOP;
		END LOOP;
		FOR i IN 1..16 LOOP
			answer := answer || ((x[i] + s[i]) & 4294967295);
		END LOOP;
	END LOOP;
	RETURN answer;
END $$;
CREATE FUNCTION pg_temp.reversed(b bytea) RETURNS bytea LANGUAGE sql AS $$ SELECT coalesce(string_agg(substr(b, i, 1), '' ORDER BY i DESC), '') FROM generate_series(1, length(b)) i $$;
CREATE FUNCTION pg_temp.field(b bytea) RETURNS bytea LANGUAGE sql AS $$ SELECT CASE WHEN b IS NULL THEN '\xffffffff'::bytea ELSE int4send(length(b)) || b END $$;
CREATE TABLE sealed_row (t text, i int, d date, x bigint, b boolean, missing text);
INSERT INTO sealed_row VALUES ('zwei', 2, '2023-09-30', -5, true, NULL), (U&'\00fcnf', -7, '1999-12-31', 1::bigint << 40, false, NULL), ('zwei', 2, '2023-09-30', -5, true, NULL);
CREATE FUNCTION pg_temp.by_hand() RETURNS text LANGUAGE plpgsql AS $$
DECLARE r sealed_row; words bigint[]; lanes numeric[] := array_fill(0::numeric, ARRAY[32]); n int := 0; bytes bytea; two64 numeric := 18446744073709551616;
BEGIN
	FOR r IN SELECT * FROM sealed_row LOOP
		words := pg_temp.chacha(sha256(pg_temp.field(convert_to(r.t, 'UTF8')) || pg_temp.field(pg_temp.reversed(int4send(r.i)))
			|| pg_temp.field(pg_temp.reversed(date_send(r.d))) || pg_temp.field(pg_temp.reversed(int8send(r.x))) || pg_temp.field(boolsend(r.b)) || pg_temp.field(NULL)));
		FOR k IN 1..32 LOOP
			lanes[k] := mod(lanes[k] + words[2 * k - 1] + words[2 * k]::numeric * 4294967296, two64);
		END LOOP;
		n := n + 1;
	END LOOP;
	bytes := pg_temp.reversed(int8send(n));
	FOR k IN 1..32 LOOP
		bytes := bytes || pg_temp.reversed(int8send(CASE WHEN lanes[k] >= two64 / 2 THEN lanes[k] - two64 ELSE lanes[k] END::bigint));
	END LOOP;
	RETURN encode(sha256(bytes), 'hex');
END $$;
SELECT is((SELECT finops.seal_digest(r, '{t,i,d,x,b,missing}') FROM sealed_row r), pg_temp.by_hand(), 'the digest, worked out as the documentation says');
CREATE FUNCTION pg_temp.digest_of(relation text, condition text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE answer text; list text[];
BEGIN
	SELECT s.columns INTO list FROM finops.period_seal s WHERE s.period_start = '2023-09-01' AND s.object = relation;
	EXECUTE format('SELECT finops.seal_digest(t, $1) FROM (SELECT * FROM %I WHERE %s ORDER BY random()) t', relation, condition) INTO answer USING list;
	RETURN answer;
END $$;
SELECT is(pg_temp.digest_of('fact_cost_raw', 'bill_billing_period_start_date = ''2023-09-01'''),
	(SELECT digest FROM finops.period_seal WHERE period_start = '2023-09-01' AND object = 'fact_cost_raw'), 'facts in any order have one digest');
SELECT is(pg_temp.digest_of('fact_cost_allocated', 'period_start = ''2023-09-01'''),
	(SELECT digest FROM finops.period_seal WHERE period_start = '2023-09-01' AND object = 'fact_cost_allocated'), 'so have entries');
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
SELECT matches(pg_temp.plan_of('SELECT finops.seal_digest(t, ''{row_id}'') FROM fact_cost_raw t'), 'Partial Aggregate', 'workers add theirs');
SELECT is_empty('SELECT * FROM finops.verify_period(''2023-09-01'')', 'the sum of the workers is the sum');
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
SELECT isnt((SELECT finops.seal_digest(r, '{t,i}') FROM (VALUES ('a', 1), ('b', 2)) r(t, i)), (SELECT finops.seal_digest(r, '{t,i}') FROM (VALUES ('a', 2), ('b', 1)) r(t, i)), 'values belong to their row');
SELECT isnt((SELECT finops.seal_digest(r, '{t,u}') FROM (VALUES ('ab', 'c')) r(t, u)), (SELECT finops.seal_digest(r, '{t,u}') FROM (VALUES ('a', 'bc')) r(t, u)), 'and to their column');
SELECT isnt((SELECT finops.seal_digest(r, '{x}') FROM (VALUES (1.0)) r(x)), (SELECT finops.seal_digest(r, '{x}') FROM (VALUES (1.00)) r(x)), 'the scale of an amount counts');
SELECT is((SELECT finops.seal_digest(r, '{x}') FROM (VALUES (1)) r(x) WHERE false), encode(sha256(decode(repeat('00', 264), 'hex')), 'hex'), 'no rows');
SELECT throws_ok($$SELECT finops.seal_digest(r, '{nope}') FROM (VALUES (1)) r(x)$$, '42703', 'row has no column "nope"', 'a column that is not there');
SELECT throws_ok($$SELECT finops.seal_final('\x0102')$$, '22023', 'invalid state of aggregate finops.seal_digest', 'a state that is none');
SELECT throws_ok($$SELECT finops.seal_accum(NULL, ROW(1), '{x}')$$, '55000', NULL, 'outside of an aggregate');
SET LOCAL TimeZone = 'Asia/Kolkata';
SET LOCAL DateStyle = 'German';
SET LOCAL extra_float_digits = 0;
SELECT is_empty('SELECT * FROM finops.verify_period(''2023-09-01'')', 'the seal holds whatever the settings of the session');

SELECT * FROM finish();
ROLLBACK;

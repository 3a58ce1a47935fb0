-- Room insight: commitments applied to usage that the caller names, and searched for
BEGIN;
SELECT no_plan();
SET LOCAL statement_timeout = '120s';

-- the usage of the provider's five published scenarios
CREATE TEMP TABLE used (hour timestamp, account_id text, usage_type text, quantity numeric, rate numeric);
INSERT INTO used VALUES ('2026-01-01', '1', 'r5.4xlarge', 4, 1), ('2026-01-01', '1', 'm5.24xlarge', 1, 10), ('2026-01-01', '1', 'vcpu', 400, 0.04),
	('2026-01-01', '1', 'memory', 1600, 0.004), ('2026-01-01', '1', 'duration', 1500000, 0.000015), ('2026-01-01', '1', 'requests', 1000000, 0.0000002);
CREATE TEMP TABLE rates (commitment text, usage_type text, rate numeric);
INSERT INTO rates VALUES ('compute', 'r5.4xlarge', 0.7), ('compute', 'm5.24xlarge', 8.2), ('compute', 'vcpu', 0.03), ('compute', 'memory', 0.003),
	('compute', 'duration', 0.00001275), ('compute', 'requests', 0.0000002), ('instance', 'r5.4xlarge', 0.6), ('reserved', 'r5.4xlarge', 1);
CREATE TEMP TABLE bought (commitment text, kind text, account_id text, shared boolean, hourly numeric, units numeric, starts timestamp, ends timestamp);

CREATE FUNCTION pg_temp.applied(VARIADIC hourly numeric[]) RETURNS TABLE (used numeric, remaining numeric, cost numeric) LANGUAGE sql AS $$
	DELETE FROM bought;
	INSERT INTO bought SELECT * FROM (VALUES ('compute', 'flexible', '1', true, hourly[1], NULL::numeric), ('instance', 'family', '1', true, hourly[2], NULL),
		('reserved', 'reservation', '1', true, 0, hourly[3])) v(commitment, kind, account_id, shared, hourly, units) WHERE coalesce(v.hourly + coalesce(v.units, 0), 0) > 0;
	SELECT a.used, a.remaining, a.cost FROM finops.apply_commitments('bought_usage', 'bought', 'rates') a WHERE a.commitment IS NULL;
$$;
CREATE TEMP VIEW bought_usage AS SELECT * FROM used;
SELECT results_eq($$ SELECT * FROM pg_temp.applied(50) $$, $$ VALUES (47.125, 0.0, 50.0) $$, 'scenario 1 uses 47.125 of 50.00');
SELECT results_eq($$ SELECT used, round(remaining, 5) FROM pg_temp.applied(2) $$, $$ VALUES (2.0, 56.24286) $$, 'scenario 2 leaves 56.24286');
SELECT results_eq($$ SELECT * FROM pg_temp.applied(19.6) $$, $$ VALUES (19.6, 32.7, 52.3) $$, 'scenario 3 leaves 32.70');
SELECT results_eq($$ SELECT * FROM pg_temp.applied(18.2, NULL, 2) $$, $$ VALUES (18.2, 32.7, 50.9) $$, 'scenario 4: two reservations first, 32.70 left');
SELECT results_eq($$ SELECT * FROM pg_temp.applied(16.8, 3) $$, $$ VALUES (19.2, 32.7, 52.5) $$, 'scenario 5: the plan for the family first, 32.70 left');
SELECT results_eq($$ SELECT commitment, fee, used, unused, covered, savings, utilisation FROM finops.apply_commitments('used', 'bought', 'rates') WHERE commitment = 'instance' $$,
	$$ VALUES ('instance', 3.0, 2.4, 0.6, 4.0, 1.0, 0.8) $$, 'what it does not need is lost');

-- a reservation by units: 3 of 4 used, at 1.50 for all four
SELECT results_eq($$ SELECT units, fee, used, unused, covered, utilisation, break_even_utilisation FROM finops.apply_commitments(
	$q$ SELECT timestamp '2026-01-01' AS hour, 'a' AS account_id, 'x' AS usage_type, 3 AS quantity, 1 AS rate $q$,
	$q$ SELECT 'r' AS commitment, 'reservation' AS kind, 'a' AS account_id, true AS shared, 1.5 AS hourly, 4 AS units, NULL AS starts, NULL AS ends $q$,
	$q$ SELECT 'r' AS commitment, 'x' AS usage_type, 1 AS rate $q$) WHERE commitment = 'r' $$,
	$$ VALUES (4.0, 1.5, 1.125, 0.375, 3.0, 0.75, 0.375) $$, 'a reservation of which a quarter is not used');

-- valid from its first whole hour to its end; hours without usage cost as well
SELECT results_eq($$ SELECT fee, used, remaining, cost FROM finops.apply_commitments(
	$q$ SELECT timestamp '2026-01-01' + h * interval '1 hour' AS hour, NULL AS account_id, 'x' AS usage_type, 2 AS quantity, 1 AS rate FROM unnest('{0,1,2,9}'::int[]) h $q$,
	$q$ SELECT 'p' AS commitment, 'flexible' AS kind, NULL AS account_id, NULL::boolean AS shared, 1 AS hourly, NULL AS units, timestamp '2026-01-01 00:30' AS starts, '2026-01-01 09:00' AS ends $q$,
	$q$ SELECT 'p' AS commitment, 'x' AS usage_type, 0.5 AS rate $q$) WHERE commitment IS NULL $$,
	$$ VALUES (8.0, 2.0, 4.0, 12.0) $$, 'a term, and hours in which nothing runs');

-- one plan alone: the least cost of every breakpoint, found by plain SQL
CREATE TEMP TABLE demand AS
SELECT i AS sample, timestamp '2026-02-01' + h * interval '1 hour' AS hour, 'a' AS account_id, 't' || t AS usage_type,
	((i * 7919 + h * 104729 + t * 1299709) % 9973) / 1000.0 AS quantity, (1 + (i + t) % 5) / 10.0 AS rate, 0.35 + ((i * 31 + t * 17) % 60) / 100.0 AS price
FROM generate_series(1, 40) i, generate_series(0, 15) h, generate_series(0, 3) t;
CREATE FUNCTION pg_temp.breakpoint_cost(s int) RETURNS numeric LANGUAGE sql AS $$
	WITH d AS (SELECT hour, quantity * rate AS od, quantity * rate * price AS paid,
			coalesce(sum(quantity * rate * price) OVER w - quantity * rate * price, 0) AS before FROM demand WHERE sample = s
			WINDOW w AS (PARTITION BY hour ORDER BY price, rate * price, usage_type)),
		c AS (SELECT 0 AS at UNION SELECT before + paid FROM d)
	SELECT min(at * 16 + (SELECT sum(od * (1 - least(greatest(at - before, 0) / nullif(paid, 0), 1))) FROM d WHERE paid > 0)) FROM c $$;
SELECT is(count(*), 0::bigint, 'the best plan alone costs what the best breakpoint does, 40 times') FROM generate_series(1, 40) s,
	LATERAL finops.apply_commitments(format('SELECT * FROM demand WHERE sample = %s', s),
		$q$ SELECT 'p' AS commitment, 'flexible' AS kind, 'a' AS account_id, true AS shared, NULL AS hourly, NULL AS units, NULL AS starts, NULL AS ends $q$,
		format('SELECT DISTINCT ''p'' AS commitment, usage_type, rate * price AS rate FROM demand WHERE sample = %s', s)) a
WHERE a.commitment IS NULL AND abs(a.cost - pg_temp.breakpoint_cost(s)) > 0.00000001;

-- two plans together, against every pair of amounts of a grid
CREATE FUNCTION pg_temp.two(a numeric, b numeric) RETURNS numeric LANGUAGE sql AS $$
	SELECT cost FROM finops.apply_commitments('SELECT * FROM demand WHERE sample = 7',
		format('SELECT * FROM (VALUES (''f'', ''family'', ''a'', true, %L::numeric, NULL::numeric, NULL::timestamp, NULL::timestamp), (''c'', ''flexible'', ''a'', true, %L, NULL, NULL, NULL)) v(commitment, kind, account_id, shared, hourly, units, starts, ends)', a, b),
		'SELECT DISTINCT c AS commitment, usage_type, rate * (price - CASE c WHEN ''f'' THEN 0.1 ELSE 0 END) AS rate FROM demand, unnest(''{f,c}''::text[]) c WHERE sample = 7 AND (c = ''c'' OR usage_type IN (''t0'', ''t1''))')
	WHERE commitment IS NULL $$;
SELECT ok(pg_temp.two(NULL, NULL) <= (SELECT min(pg_temp.two(a / 2.0, b / 2.0)) FROM generate_series(0, 12) a, generate_series(0, 12) b), 'two plans found together cost no more than any of a grid');
SELECT ok(cost <= greedy_cost, 'nor than one after another') FROM finops.apply_commitments('SELECT * FROM demand WHERE sample = 9',
	$q$ SELECT v.*, NULL AS units, NULL AS starts, NULL AS ends FROM (VALUES ('f', 'family', 'a', true, NULL), ('c', 'flexible', 'a', true, NULL)) v(commitment, kind, account_id, shared, hourly) $q$,
	$q$ SELECT DISTINCT c AS commitment, usage_type, rate * (price - CASE c WHEN 'f' THEN 0.1 ELSE 0 END) AS rate FROM demand, unnest('{f,c}'::text[]) c WHERE sample = 9 $q$) WHERE commitment IS NULL;

-- limits
SELECT ok(coverage <= 0.4 AND coverage > 0.3, 'no more than a share of the bill') FROM finops.apply_commitments('SELECT * FROM demand WHERE sample = 3',
	$q$ SELECT 'p' AS commitment, 'flexible' AS kind, 'a' AS account_id, true AS shared, NULL AS hourly, NULL AS units, NULL AS starts, NULL AS ends $q$,
	$q$ SELECT DISTINCT 'p' AS commitment, usage_type, rate * 0.2 AS rate FROM demand WHERE sample = 3 $q$, '{"max_share": 0.4}') WHERE commitment IS NULL;
SELECT ok(utilisation >= 0.97, 'no more than is well used') FROM finops.apply_commitments('SELECT * FROM demand WHERE sample = 3',
	$q$ SELECT 'p' AS commitment, 'flexible' AS kind, 'a' AS account_id, true AS shared, NULL AS hourly, NULL AS units, NULL AS starts, NULL AS ends $q$,
	$q$ SELECT DISTINCT 'p' AS commitment, usage_type, rate * 0.2 AS rate FROM demand WHERE sample = 3 $q$, '{"min_utilisation": 0.97, "step": 0.01}') WHERE commitment IS NULL;

-- what cannot be
PREPARE one(numeric, numeric, text, numeric) AS SELECT cost FROM finops.apply_commitments(
	format('SELECT timestamp ''2026-01-01'' AS hour, 1 AS account_id, 1 AS usage_type, %L::numeric AS quantity, %L::numeric AS rate', $1, $2),
	format('SELECT ''p'' AS commitment, %L AS kind, 1 AS account_id, true AS shared, %L::numeric AS hourly, NULL AS units, NULL AS starts, NULL AS ends', $3, $4),
	'SELECT ''p'' AS commitment, 1 AS usage_type, 0.5 AS rate') WHERE commitment IS NULL;
SELECT throws_ok($$ EXECUTE one('NaN', 1, 'flexible', 1) $$, '22023', NULL, 'a quantity that is no number');
SELECT throws_ok($$ EXECUTE one(1, 'Infinity', 'flexible', 1) $$, '22023', NULL, 'an infinite rate');
SELECT throws_ok($$ EXECUTE one(-1, 1, 'flexible', 1) $$, '22023', NULL, 'negative usage');
SELECT throws_ok($$ EXECUTE one(1, -1, 'flexible', 1) $$, '22023', NULL, 'a negative rate');
SELECT throws_ok($$ EXECUTE one(1, 1, 'flexible', -1) $$, '22023', NULL, 'a negative commitment');
SELECT throws_ok($$ EXECUTE one(1, 1, 'flexible', 'NaN') $$, '22023', NULL, 'a commitment that is no number');
SELECT throws_ok($$ EXECUTE one(1, 1, 'no kind', 1) $$, '22023', NULL, 'an unknown kind');
SELECT throws_ok($$ EXECUTE one(NULL, 1, 'flexible', 1) $$, '22004', NULL, 'usage without a quantity');
SELECT throws_ok($$ EXECUTE one(1, 1e30, 'flexible', 1) $$, '22003', NULL, 'a rate that is too large');
SELECT throws_ok($$ EXECUTE one(1e18, 1e6, 'flexible', 1) $$, '22003', NULL, 'a cost that is too large');
SELECT throws_ok($$ EXECUTE one(1, 1, 'flexible', 1e8) $$, '22003', NULL, 'a commitment that is too large');
SELECT throws_ok($$ SELECT * FROM finops.apply_commitments(NULL, 'bought', 'rates') $$, '22004', NULL, 'no usage');
SELECT throws_ok($$ SELECT * FROM finops.apply_commitments('used', 'no_such_table', 'rates') $$, '42P01', NULL, 'an unknown table');
SELECT throws_ok($$ SELECT * FROM finops.apply_commitments('used; DROP TABLE used', 'bought', 'rates') $$, '42602', NULL, 'neither a name nor a query');
SELECT throws_ok($$ SELECT * FROM finops.apply_commitments('used', 'SELECT * FROM bought UNION ALL SELECT * FROM bought', 'rates') $$, '22023', NULL, 'a commitment twice');
SELECT throws_ok($$ SELECT * FROM finops.apply_commitments('used', 'bought', 'rates', '{"share": 1}') $$, '22023', NULL, 'an unknown option');
SELECT throws_ok($$ SELECT * FROM finops.apply_commitments('SELECT * FROM used UNION ALL SELECT ''9999-01-01'', ''1'', ''x'', 1, 1', 'bought', 'rates') $$, '54000', NULL, 'too many hours');
SELECT results_eq($$ SELECT commitment, fee, utilisation FROM finops.apply_commitments('SELECT * FROM used WHERE false', 'SELECT * FROM bought LIMIT 1', 'rates') $$,
	$$ VALUES ('compute', 0.0, NULL::numeric), (NULL, 0.0, NULL) $$, 'no usage, no hours, nothing to divide by');

SELECT * FROM finish();
ROLLBACK;

-- Room reconcile: sums by key without those that are zero, against GROUP BY
BEGIN;
SELECT no_plan();

CREATE FUNCTION pg_temp.rnd(i bigint, salt bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$ SELECT (hashint8extended(i, salt) & 9223372036854775807) $$;

CREATE TABLE nonzero_test AS
SELECT CASE WHEN i % 97 = 0 THEN NULL ELSE 'tenant ' || repeat('ä', (pg_temp.rnd(i, 1) % 4)::int) || pg_temp.rnd(i, 2) % 9000 END AS key,
	CASE WHEN i % 89 = 0 THEN NULL ELSE round((pg_temp.rnd(i, 3) % 2000 - 1000) / 10.0 ^ (pg_temp.rnd(i, 4) % 12)::int, (pg_temp.rnd(i, 5) % 12)::int) END AS amount
FROM generate_series(1, 60000) i;
INSERT INTO nonzero_test SELECT key, -amount FROM nonzero_test;
INSERT INTO nonzero_test SELECT 'tenant ' || i, round(i / 1000.0, 3 + i % 3) FROM generate_series(1, 400) i;
INSERT INTO nonzero_test VALUES ('', 1), ('', -0.75), (repeat('long ', 20000), 3.10), ('zero', 0.00), ('credit', -12.5000);
ANALYZE nonzero_test;

CREATE TEMP VIEW by_group AS SELECT key, sum(amount)::text FROM nonzero_test WHERE key IS NOT NULL GROUP BY 1 HAVING sum(amount) <> 0;
CREATE TEMP VIEW by_aggregate AS SELECT j.* FROM (SELECT finops.nonzero_sums(key, amount) AS sums FROM nonzero_test) n, jsonb_each_text(n.sums) j;
SELECT bag_eq('TABLE by_aggregate', 'TABLE by_group', 'the sums and their digits are those of GROUP BY');
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
SET LOCAL max_parallel_workers_per_gather = 2;
SELECT bag_eq('TABLE by_aggregate', 'TABLE by_group', 'and with workers');

SELECT is((SELECT finops.nonzero_sums(key, amount) FROM nonzero_test WHERE false), '{}', 'no rows');
SELECT is((SELECT finops.nonzero_sums(key, amount) FROM nonzero_test WHERE key IS NULL OR amount IS NULL), '{}', 'rows without key or amount');
SELECT is((SELECT finops.nonzero_sums('k', x) FROM unnest('{0.000000000000000000000001,99999999999999}'::numeric[]) x), '{"k": 99999999999999.000000000000000000000001}', '38 digits');
SELECT is((SELECT finops.nonzero_sums('k', x) FROM unnest('{0.0000000000000000000000001,1}'::numeric[]) x), NULL, '25 decimals');
SELECT is((SELECT finops.nonzero_sums('k', x) FROM unnest('{1,1e20}'::numeric[]) x), NULL, 'an amount that is too large');
SELECT is((SELECT finops.nonzero_sums('k', 100000000000000) FROM generate_series(1, 3)), NULL, 'a sum that is too large');
SELECT is((SELECT finops.nonzero_sums('k', x) FROM unnest('{NaN,1}'::numeric[]) x), NULL, 'NaN');
SELECT is((SELECT finops.nonzero_sums('k', x) FROM unnest('{-Infinity}'::numeric[]) x), NULL, 'Infinity');

-- states that do not come from these functions
SELECT throws_ok($$ SELECT finops.nonzero_sums_step('\x00', 'k', 1) $$, '22023', NULL, 'a state that is too short');
SELECT throws_ok(format('SELECT finops.nonzero_sums_result(%L)', repeat('\377', 4000)::bytea), '22023', NULL, 'a state of other bytes');
CREATE TEMP TABLE state AS SELECT finops.nonzero_sums_step(finops.nonzero_sums_step(NULL, 'a', 1.5), 'b', 2) AS s;
SELECT is(finops.nonzero_sums_result(finops.nonzero_sums_merge(s, s)), '{"a": 3.0, "b": 4}', 'states are merged') FROM state;
SELECT is(finops.nonzero_sums_result(finops.nonzero_sums_merge(NULL, s)), '{"a": 1.5, "b": 2}', 'also with none') FROM state;
SELECT throws_ok(format('SELECT finops.nonzero_sums_result(%L)', substr(s, 1, 60)), '22023', NULL, 'a state that was cut off') FROM state;
SELECT throws_ok(format('SELECT finops.nonzero_sums_result(%L)', overlay(s PLACING '\xffffff7f' FROM 5 FOR 4)), '22023', NULL, 'a state with more places than bytes') FROM state;

SELECT * FROM finish();
ROLLBACK;

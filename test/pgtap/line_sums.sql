-- Room allocate: sums of lines by tenant and key, against GROUP BY
BEGIN;
SELECT no_plan();
SET LOCAL work_mem = '64MB';

SELECT is(finops.unpack_texts(finops.pack_texts('a'::text, NULL::text, ''::text, repeat('ä', 200))), ARRAY['a', NULL, '', repeat('ä', 200)], 'texts come back, long ones and NULL');
SELECT is(finops.unpack_texts(finops.pack_texts('a'::text) || finops.pack_texts(repeat('b', 70000), 'c'::text)), ARRAY['a', repeat('b', 70000), 'c'], 'values put together are those of more texts');
SELECT is(length(finops.pack_texts(repeat('b', 252))), 253, 'a byte of length');
SELECT is(finops.unpack_texts(finops.pack_texts(repeat('b', n))), ARRAY[repeat('b', n)], n || ' bytes') FROM unnest('{252,253,254,255,256}'::int[]) n;
SELECT is(finops.unpack_texts(''), '{}'::text[], 'nothing');
SELECT throws_ok('SELECT finops.pack_texts(1)', '42804', NULL, 'a number is no text');
SELECT throws_ok($$ SELECT finops.pack_texts(VARIADIC ARRAY['a']) $$, '0A000', NULL, 'nor is an array');
SELECT throws_ok(format('SELECT finops.unpack_texts(%L)', x), '22023', NULL, 'bytes that end within a text: ' || x::text) FROM unnest('{"\\x05", "\\x056161", "\\xff", "\\xffffffffff", "\\xffffffff7f61"}'::bytea[]) x;
SELECT throws_ok($$ SELECT finops.unpack_texts('\x02ff') $$, '22021', NULL, 'bytes that are no text');

CREATE FUNCTION pg_temp.rnd(i bigint, salt bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$ SELECT (hashint8extended(i, salt) & 9223372036854775807) $$;
CREATE TABLE line_test AS
SELECT i AS line, CASE WHEN i % 11 > 0 THEN 'tenant ' || repeat('ä', (pg_temp.rnd(i, 1) % 4)::int) || pg_temp.rnd(i, 2) % 900 END AS tenant,
	finops.pack_texts('service ' || pg_temp.rnd(i, 6) % 20, CASE WHEN i % 3 > 0 THEN (i % 5)::text END) AS key,
	CASE WHEN i % 89 > 0 THEN round((pg_temp.rnd(i, 3) % 2000 - 1000) / 10.0 ^ (pg_temp.rnd(i, 4) % 12)::int, (pg_temp.rnd(i, 5) % 22)::int) END AS amount
FROM generate_series(1, 60000) i;
INSERT INTO line_test VALUES (-5, NULL, finops.pack_texts('service 1'::text), 1234567890123456.12345678901234567891), (70000, '', finops.pack_texts(''::text), -0.00), (70001, 'x', NULL, 1);
ANALYZE line_test;
CREATE TEMP VIEW by_group AS SELECT tenant, finops.unpack_texts(key) AS texts, sum(amount)::text AS cost FROM line_test WHERE key IS NOT NULL AND amount IS NOT NULL GROUP BY 1, key;
CREATE TEMP VIEW key_by_group AS SELECT finops.unpack_texts(key) AS texts, count(*) FILTER (WHERE tenant IS NULL) AS n, min(line) FILTER (WHERE tenant IS NULL) AS first_line, max(line) FILTER (WHERE tenant IS NULL) AS last_line
	FROM line_test WHERE key IS NOT NULL AND amount IS NOT NULL GROUP BY key;
CREATE TEMP VIEW by_block AS SELECT a.tenant_id, k.texts, a.cost::text
	FROM (SELECT finops.line_sums(tenant, key, amount, CASE WHEN tenant IS NULL THEN line END) AS s FROM line_test) x, finops.line_sums_amounts(x.s) a JOIN finops.line_sums_keys(x.s) k USING (key_no);
CREATE TEMP VIEW key_by_block AS SELECT k.texts, k.n, k.first_line, k.last_line
	FROM (SELECT finops.line_sums(tenant, key, amount, CASE WHEN tenant IS NULL THEN line END) AS s FROM line_test) x, finops.line_sums_keys(x.s) k;
SELECT set_eq('SELECT tenant, texts::text, cost FROM by_group', 'SELECT tenant_id, texts::text, cost FROM by_block', 'the sums and their digits are those of GROUP BY');
SELECT set_eq('SELECT texts::text, n, first_line, last_line FROM key_by_group', 'SELECT texts::text, n, first_line, last_line FROM key_by_block', 'so are the lines');
SELECT is(count(*), count(DISTINCT (tenant_id, texts)), 'each sum stands once') FROM by_block;
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
SET LOCAL max_parallel_workers_per_gather = 2;
SELECT set_eq('SELECT tenant, texts::text, cost FROM by_group', 'SELECT tenant_id, texts::text, cost FROM by_block', 'and with workers');
SELECT set_eq('SELECT texts::text, n, first_line, last_line FROM key_by_group', 'SELECT texts::text, n, first_line, last_line FROM key_by_block', 'and their lines');
SELECT is(array_agg(a.tenant_no), array_agg(DISTINCT a.place), 'tenants are numbered in the order of their bytes')
FROM (SELECT DISTINCT a.tenant_no, dense_rank() OVER (ORDER BY a.tenant_id COLLATE "C")::int AS place
	FROM (SELECT finops.line_sums(tenant, key, amount, NULL) AS s FROM line_test) x, finops.line_sums_amounts(x.s) a WHERE a.tenant_id IS NOT NULL ORDER BY 1) a;

-- what does not fit is not there
SELECT is(finops.line_sums('t', finops.pack_texts('k'::text), x, NULL) = '', a.gave_up, a.amounts)
FROM (VALUES ('1 -2.5', false), ('NaN', true), ('1 Infinity', true), ('1e40', true), ('9e35 9e35', false), ('1e-30', false), ('1 1e-40', true), ('123456789012345678901234567890123456 0.00001', true)) a(amounts, gave_up)
CROSS JOIN LATERAL unnest(string_to_array(a.amounts, ' ')::numeric[]) x GROUP BY a.amounts, a.gave_up;
SELECT ok((SELECT finops.line_sums('t', key, amount, line) FROM line_test WHERE false) IS NULL, 'no lines');
SET LOCAL work_mem = '64kB';
SELECT is((SELECT finops.line_sums(tenant, key, amount, line) FROM line_test), '', 'work_mem bounds it');

-- states that do not come from these functions
SELECT throws_ok($$ SELECT finops.line_sums_step('\x00', 't', 'k', 1, 1) $$, '22023', NULL, 'a state that is too short');
SELECT throws_ok(format('SELECT * FROM finops.line_sums_amounts(%L)', repeat('\377', 4000)::bytea), '22023', NULL, 'a state of other bytes');
CREATE TEMP TABLE state AS SELECT finops.line_sums_step(finops.line_sums_step(NULL, 'a', finops.pack_texts('k'::text), 1.5, 7), NULL, finops.pack_texts('k'::text), 2, 9) AS s;
SELECT is(string_agg(format('%s %s', a.tenant_id, a.cost), ', ' ORDER BY a.tenant_id), 'a 3.0,  4', 'states are merged') FROM state, finops.line_sums_amounts(finops.line_sums_merge(s, s)) a;
SELECT is(format('%s %s %s %s', k.texts, k.n, k.first_line, k.last_line), '{k} 4 7 9', 'and their lines') FROM state, finops.line_sums_keys(finops.line_sums_merge(s, s)) k;
SELECT is(finops.line_sums_merge(NULL, s), s, 'also with none') FROM state;
SELECT * FROM finish();
ROLLBACK;

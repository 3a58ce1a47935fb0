-- exact money: apportion and apportion_part against plain SQL arithmetic
BEGIN;
SELECT plan(31);

-- 100,000 random splits of one to six parts; the seed is fixed
CREATE FUNCTION pg_temp.rnd(i bigint, salt bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$ SELECT (hashint8extended(i, salt) & 9223372036854775807) $$;

CREATE TEMP TABLE split AS
SELECT s.id,
	CASE WHEN pg_temp.rnd(s.id, 2) % 3 = 0 THEN -1 ELSE 1 END
		* round((pg_temp.rnd(s.id, 1) % 1000000000)::numeric / (10 ^ (pg_temp.rnd(s.id, 3) % 9))::numeric,
			(pg_temp.rnd(s.id, 3) % 9)::int) AS amount
FROM generate_series(1, 100000) s(id);

CREATE TEMP TABLE part AS
SELECT s.id, p.pos,
	CASE pg_temp.rnd(s.id, 4) % 4
		WHEN 0 THEN 1
		WHEN 1 THEN (pg_temp.rnd(s.id * 10 + p.pos, 5) % 4)::numeric
		ELSE round((pg_temp.rnd(s.id * 10 + p.pos, 6) % 100000000)::numeric / 1000, (pg_temp.rnd(s.id * 10 + p.pos, 7) % 4)::int)
	END AS weight
FROM split s, generate_series(1, 1 + (pg_temp.rnd(s.id, 8) % 6)::int) p(pos);
CREATE INDEX ON part (id);

ANALYZE split, part;
DELETE FROM split s WHERE (SELECT sum(weight) FROM part p WHERE p.id = s.id) = 0;
DELETE FROM part p WHERE NOT EXISTS (SELECT FROM split s WHERE s.id = p.id);

SELECT cmp_ok((SELECT count(*) FROM split), '>', 95000::bigint, 'enough splits are left');

CREATE TEMP TABLE result AS
SELECT s.id, s.amount, greatest(2, scale(s.amount)) AS digits, w.weights, finops.apportion(s.amount, w.weights) AS parts
FROM split s, LATERAL (SELECT array_agg(weight ORDER BY pos) AS weights FROM part p WHERE p.id = s.id) w;

-- largest remainder as the textbook says it, on integer units
CREATE TEMP TABLE oracle AS
SELECT id, array_agg(sign(amount) * (q + (claim <= left_over)::int) / (10 ^ digits)::numeric ORDER BY pos) AS parts
FROM (SELECT *, row_number() OVER (PARTITION BY id ORDER BY r DESC, w DESC, pos) AS claim,
		units - sum(q) OVER (PARTITION BY id) AS left_over
	FROM (SELECT *, div(units * w, total) AS q, mod(units * w, total) AS r
		FROM (SELECT p.id, p.pos, s.amount, s.digits, abs(s.amount) * (10 ^ s.digits)::numeric AS units,
				p.weight * 1000 AS w, sum(p.weight * 1000) OVER (PARTITION BY p.id) AS total
			FROM part p JOIN result s USING (id)) a) b) c
GROUP BY id;

SELECT is((SELECT count(*) FROM result JOIN oracle USING (id) WHERE result.parts IS DISTINCT FROM oracle.parts), 0::bigint,
	'every split equals the textbook method');
SELECT is((SELECT count(*) FROM result r WHERE amount <> (SELECT sum(x) FROM unnest(r.parts) x)), 0::bigint,
	'parts add up to the amount');
SELECT is((SELECT count(*) FROM result r, LATERAL (SELECT sum(x) AS total FROM unnest(r.weights) x) t,
		LATERAL unnest(r.weights, r.parts) AS u(w, p)
	WHERE abs(u.p) * (10 ^ digits)::numeric NOT IN (div(abs(amount) * (10 ^ digits)::numeric * u.w, t.total),
		div(abs(amount) * (10 ^ digits)::numeric * u.w, t.total) + 1)
		OR (u.w = 0 AND u.p <> 0)), 0::bigint, 'each part is floor or ceiling of its share, a zero weight gets zero');
SELECT is((SELECT count(*) FROM result r, unnest(r.parts) x WHERE scale(x) <> digits), 0::bigint,
	'parts have the scale asked for');
SELECT is((SELECT count(*) FROM result r
	WHERE finops.apportion(-amount, weights) IS DISTINCT FROM (SELECT array_agg(-x ORDER BY o) FROM unnest(parts) WITH ORDINALITY u(x, o))), 0::bigint,
	'a refund repeats its charge');
SELECT is((SELECT count(*) FROM result r
	WHERE (SELECT array_agg(x ORDER BY x) FROM unnest(finops.apportion(amount, (SELECT array_agg(w ORDER BY hash_numeric(w), o DESC) FROM unnest(weights) WITH ORDINALITY u(w, o)))) x)
		IS DISTINCT FROM (SELECT array_agg(x ORDER BY x) FROM unnest(parts) x)), 0::bigint,
	'the order of the weights does not change the set of parts');
SELECT is((SELECT count(*) FROM result r
	WHERE finops.apportion(amount, (SELECT array_agg(w * 1e40 ORDER BY o) FROM unnest(weights) WITH ORDINALITY u(w, o))) IS DISTINCT FROM parts), 0::bigint,
	'large weights take the general path to the same parts');
SELECT is((SELECT count(*) FROM result r
	WHERE id % 10 = 0 AND (SELECT array_agg(trim_scale(x) ORDER BY o) FROM unnest(finops.apportion(round(amount * 1e30), weights, 2)) WITH ORDINALITY u(x, o))
		IS DISTINCT FROM (SELECT array_agg(trim_scale(x * 1e30) ORDER BY o) FROM unnest(finops.apportion(amount, weights, 32)) WITH ORDINALITY u(x, o))), 0::bigint,
	'a large amount splits like the same amount at a finer scale');
SELECT is((SELECT count(*) FROM (SELECT id, array_agg(x ORDER BY pos) AS parts
		FROM (SELECT p.id, p.pos, finops.apportion_part(s.amount, p.weight) OVER (PARTITION BY p.id ORDER BY p.pos) AS x
			FROM part p JOIN split s USING (id)) w GROUP BY id) w JOIN result USING (id)
	WHERE w.parts IS DISTINCT FROM result.parts), 0::bigint, 'the window function gives the parts of the array form');
SELECT is((SELECT count(*) FROM (SELECT id, array_agg(x ORDER BY pos) AS parts
		FROM (SELECT p.id, p.pos, finops.apportion_part(s.amount, p.weight * 1e50, NULL) OVER (PARTITION BY p.id ORDER BY p.pos) AS x
			FROM part p JOIN split s USING (id) WHERE p.id <= 3000) w GROUP BY id) w JOIN result USING (id)
	WHERE w.parts IS DISTINCT FROM result.parts), 0::bigint, 'also on its general path');

-- many parts: selection of the left-over units beyond small sizes
SELECT is((SELECT sum(x) FROM unnest(finops.apportion(1234567.89, (SELECT array_agg(pg_temp.rnd(i, 9) % 1000) FROM generate_series(1, 50000) i))) x),
	1234567.89, '50,000 parts add up');
SELECT is((SELECT array_agg(DISTINCT x ORDER BY x) FROM unnest(finops.apportion(100.00, array_fill(7::numeric, ARRAY[3000]))) x),
	'{0.03,0.04}'::numeric[], '3,000 equal parts differ by one unit');
SELECT is((SELECT array_agg(o ORDER BY o) FROM unnest(finops.apportion(0.05, array_fill(1::numeric, ARRAY[400]))) WITH ORDINALITY u(x, o) WHERE x > 0),
	'{1,2,3,4,5}'::bigint[], 'of equal claims the first are served');

-- worked cases
SELECT is(finops.apportion(100, '{1,1,1}'), '{33.34,33.33,33.33}'::numeric[], 'a hundred in three');
SELECT is(finops.apportion(-100, '{1,1,1}'), '{-33.34,-33.33,-33.33}'::numeric[], 'minus a hundred in three');
SELECT is(finops.apportion(100, '{1,1,1}', 0), '{34,33,33}'::numeric[], 'a currency without minor unit');
SELECT is(finops.apportion(0.02, '{1,3}'), '{0.00,0.02}'::numeric[], 'equal remainders go by weight');
SELECT is(finops.apportion(0, '{1,2}')::text, '{0.00,0.00}', 'nothing to split');
SELECT is((finops.apportion(1, '{1,1,1}', 16383))[1], ('0.' || repeat('3', 16382) || '4')::numeric, 'largest scale');
SELECT is(finops.apportion(9223372036854775807, '{1}', 0), '{9223372036854775807}'::numeric[], 'largest amount of the fast path');
SELECT is(finops.apportion(9223372036854775808, '{1,1}', 0), '{4611686018427387904,4611686018427387904}'::numeric[], 'one more');
SELECT is(finops.apportion(1e1000, '{1,1}'), ARRAY[5e999, 5e999]::numeric[], 'a thousand digits');
SELECT is(finops.apportion(NULL, '{1}'), NULL, 'no amount, no parts');
SELECT is(finops.apportion(1, NULL), NULL, 'no weights, no parts');
SELECT results_eq($$ SELECT finops.apportion_part(NULL, g) OVER (ORDER BY g) FROM generate_series(1, 2) g $$,
	ARRAY[NULL, NULL]::numeric[], 'no amount in a partition, no parts');
SELECT results_eq($$ SELECT finops.apportion_part(10, g, 3) OVER (ORDER BY g DESC ROWS BETWEEN CURRENT ROW AND CURRENT ROW) FROM generate_series(1, 2) g $$,
	ARRAY[6.667, 3.333], 'the frame clause is without effect');

-- stored forms: compressed and out-of-line values, short headers
CREATE TEMP TABLE wide (a numeric, w numeric);
INSERT INTO wide SELECT repeat('7', 9000)::numeric, g FROM generate_series(1, 3) g;
SELECT is((SELECT sum(x) FROM (SELECT finops.apportion_part(a, w) OVER (ORDER BY w) AS x FROM wide) s), repeat('7', 9000)::numeric, 'toasted amounts');
SELECT is((SELECT sum(x) FROM (SELECT finops.apportion_part(10, a) OVER (ORDER BY w) AS x FROM wide) s), 10.00, 'toasted weights');

SELECT throws_ok($$ SELECT finops.apportion_part(g, 1) OVER () FROM generate_series(1, 2) g $$, '22023',
	'amount and scale must be the same in all rows of a partition', 'one amount per partition');
SELECT throws_ok($$ SELECT finops.apportion_part(1, 1, g) OVER () FROM generate_series(1, 2) g $$, '22023',
	'amount and scale must be the same in all rows of a partition', 'one scale per partition');

SELECT * FROM finish();
ROLLBACK;

-- Do the causes that finops.change_causes ranks first name what was injected?
-- CASES estates of each kind (default 200): accounts, services, regions and
-- usage types with shares as uneven as real ones, every cell shaken by up to
-- 15 percent between the months.  One element of a dimension, or two of it, or
-- one pair of two dimensions cost 1.3 to 4 times as much or 0.1 to 0.7 as much;
-- the change is at least three times what shaking alone makes of the total.
\getenv cases CASES
\if :{?cases}
\else
\set cases 200
\endif
\set ON_ERROR_STOP 1
SET client_min_messages = warning;
SELECT count(*) FROM unnest('{2024-01-01,2024-02-01}'::date[]) p, finops.generate_bill(p, 100, 3, 1) \g /dev/null
CREATE FUNCTION pg_temp.rnd(VARIADIC n int[]) RETURNS float8 LANGUAGE sql IMMUTABLE AS $$
	SELECT (hashtextextended(array_to_string(n, ' '), 4711) & 2147483647) / 2147483648.0 $$;
CREATE TEMP TABLE cause AS
SELECT k.kind, n AS c, k.kind * 100000 + n AS id, 1 + floor(pg_temp.rnd(n, k.kind, 1) * 4)::int AS d1, 1 + floor(pg_temp.rnd(n, k.kind, 2) * 4)::int AS d2,
	CASE WHEN pg_temp.rnd(n, k.kind, 3) < 0.7 THEN 1.3 + 2.7 * pg_temp.rnd(n, k.kind, 4) ELSE 0.1 + 0.6 * pg_temp.rnd(n, k.kind, 4) END AS factor
FROM generate_series(1, :cases) n, (VALUES (1), (2), (3)) k(kind);
-- four dimensions of 8 accounts, 6 services, 4 regions, 5 usage types
CREATE TEMP TABLE cell AS
SELECT z.id, a, s, r, u, exp(1.2 * (pg_temp.rnd(z.id, 11, a) + pg_temp.rnd(z.id, 12, s) + pg_temp.rnd(z.id, 13, r) + pg_temp.rnd(z.id, 14, u)) + pg_temp.rnd(z.id, a, s, r * 10 + u)) AS base,
	1 + 0.3 * (pg_temp.rnd(z.id, 21, a * 1000 + s * 100 + r * 10 + u) - 0.5) AS shake
FROM cause z, generate_series(1, 8) a, generate_series(1, 6) s, generate_series(1, 4) r, generate_series(1, 5) u;
-- the elements: of dimension d1 one or two, or one of d1 and one of d2
CREATE TEMP TABLE meant AS
SELECT z.*, CASE WHEN z.kind = 3 AND z.d2 = z.d1 THEN 1 + z.d1 % 4 ELSE z.d2 END AS other,
	1 + floor(pg_temp.rnd(z.id, 31) * (ARRAY[8, 6, 4, 5])[z.d1])::int AS e1
FROM cause z;
ALTER TABLE meant ADD e2 int;
UPDATE meant SET e2 = CASE kind WHEN 2 THEN 1 + (e1 + floor(pg_temp.rnd(id, 32) * ((ARRAY[8, 6, 4, 5])[d1] - 1))::int) % (ARRAY[8, 6, 4, 5])[d1]
	WHEN 3 THEN 1 + floor(pg_temp.rnd(id, 32) * (ARRAY[8, 6, 4, 5])[other])::int END;
CREATE TEMP TABLE moved AS
SELECT c.*, c.base * c.shake * CASE WHEN m.kind = 1 AND e[m.d1] = m.e1 OR m.kind = 2 AND e[m.d1] IN (m.e1, m.e2) OR m.kind = 3 AND e[m.d1] = m.e1 AND e[m.other] = m.e2
	THEN m.factor ELSE 1 END AS after
FROM cell c JOIN meant m USING (id) CROSS JOIN LATERAL (SELECT ARRAY[a, s, r, u] AS e) x;
-- what cannot be told from shaking is no case
DELETE FROM meant m WHERE (SELECT abs(sum(after - base * shake)) < 3 * abs(sum(base * shake - base)) OR abs(sum(after - base * shake)) < 0.02 * sum(base) FROM moved v WHERE v.id = m.id);
INSERT INTO fact_cost_raw (delivery_id, bill_billing_period_start_date, provider, source, line_item_usage_account_id, service, product_region, line_item_usage_type, effective_cost, billed_cost, charge_category, line_item_line_item_type)
SELECT (SELECT min(delivery_id) FROM finops.delivery), p.day, 'case ' || id, 'case', 'a' || a, 's' || s, 'r' || r, 'u' || u, round(x.cost::numeric, 4), round(x.cost::numeric, 4), 'Usage', 'Usage'
FROM moved JOIN meant USING (id) CROSS JOIN (VALUES ('2024-01-01'::date), ('2024-02-01')) p(day) CROSS JOIN LATERAL (SELECT CASE WHEN p.day = '2024-01-01' THEN base ELSE after END AS cost) x;
CREATE INDEX ON fact_cost_raw (provider);
ANALYZE fact_cost_raw;
CREATE TEMP TABLE found AS
SELECT m.id, m.kind, x.dimension, x.elements, (ARRAY['account', 'service', 'region', 'usage_type'])[m.d1] AS d1, (ARRAY['account', 'service', 'region', 'usage_type'])[m.other] AS d2,
	substr('asru', m.d1, 1) || m.e1 AS e1, CASE m.kind WHEN 2 THEN substr('asru', m.d1, 1) ELSE substr('asru', m.other, 1) END || m.e2 AS e2
FROM meant m LEFT JOIN LATERAL (SELECT min(f.dimension) AS dimension, array_agg(f.element ORDER BY f.element) AS elements
	FROM finops.change_causes('2024-01-01', '2024-02-01', jsonb_build_object('provider', 'case ' || m.id)) f WHERE f.rank = 1) x ON true;
SELECT CASE kind WHEN 1 THEN 'one element' WHEN 2 THEN 'two elements of a dimension' ELSE 'a pair of two dimensions' END AS cause, count(*) AS cases,
	round(100.0 * count(*) FILTER (WHERE CASE kind WHEN 1 THEN dimension = d1 AND elements = ARRAY[e1] WHEN 2 THEN dimension = d1 AND elements = ARRAY[least(e1, e2), greatest(e1, e2)]
		ELSE dimension IN (d1 || ', ' || d2, d2 || ', ' || d1) AND elements[1] IN (e1 || ', ' || e2, e2 || ', ' || e1) END) / count(*), 1) AS exactly_pct,
	round(100.0 * count(*) FILTER (WHERE CASE kind WHEN 3 THEN dimension ~ d1 AND elements[1] ~ e1 OR dimension ~ d2 AND elements[1] ~ e2 ELSE dimension = d1 AND e1 = ANY (elements) END) / count(*), 1) AS contains_pct
FROM found GROUP BY kind ORDER BY kind;

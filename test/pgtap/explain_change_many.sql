-- A hundred thousand random changes, each of its own tenant: the parts of every
-- one add up to the last digit, with items that are new, gone, free, without a
-- quantity, of quantities of 0 and below, and costs of up to 20 decimals.
BEGIN;
SELECT plan(4);
SELECT count(*) FROM unnest('{2024-01-01,2024-02-01}'::date[]) p, finops.generate_bill(p, 20, 3, 1) \g /dev/null
CREATE FUNCTION pg_temp.r(n int, salt int) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$ SELECT hashint8extended(n * 64::bigint + salt, 4242) & 1048575 $$;
INSERT INTO fact_cost_raw (delivery_id, bill_billing_period_start_date, provider, source, service, tenant_id, line_item_usage_type, pricing_unit, line_item_usage_amount,
	list_cost, contracted_cost, effective_cost, billed_cost, charge_category, line_item_line_item_type)
SELECT (SELECT min(delivery_id) FROM finops.delivery), p.day, 'many', 'many', 'S', 'em-' || n, 'item ' || i, 'h',
	CASE WHEN x.q % 23 = 0 THEN NULL WHEN x.q % 29 = 0 THEN 0 WHEN x.q % 31 = 0 THEN -x.q ELSE x.q / 7.0 END,
	CASE WHEN x.c % 11 > 0 THEN x.c * 1.3 / 999983 END, CASE WHEN x.c % 7 > 0 THEN x.c * 1.1 / 99991 END, e.cost, e.cost,
	CASE WHEN x.q % 37 = 0 THEN 'Credit' WHEN x.q % 41 = 0 THEN 'Tax' ELSE 'Usage' END, 'Usage'
FROM generate_series(1, 100000) n, generate_series(1, 2) i, (VALUES ('2024-01-01'::date, 0), ('2024-02-01', 8)) p(day, salt),
	LATERAL (SELECT pg_temp.r(n, p.salt + i) AS q, pg_temp.r(n, p.salt + i + 2) AS c, pg_temp.r(n, p.salt + i + 4) AS there) x,
	LATERAL (SELECT round((x.c - 200000)::numeric / (ARRAY[1, 3, 1000, 99999999977])[1 + x.q % 4], (x.c % 21)::int) AS cost) e
WHERE x.there % 10 < 8;
ANALYZE fact_cost_raw;
CREATE TEMP TABLE parted AS SELECT * FROM finops.explain_change('2024-01-01', '2024-02-01', '{tenant}', '{"provider": "many"}');
SELECT cmp_ok(count(*), '>', 99000::bigint, 'a hundred thousand changes, but those that no line was drawn for') FROM parted;
SELECT is_empty($$SELECT * FROM parted WHERE change <> rate + volume + mix + new_cost + gone_cost + credits + other OR rate <> list_price + discount + commitment OR change <> cost_to - cost_from$$,
	'the parts of each add up to its change');
SELECT is_empty($$SELECT p.element, p.cost_from, p.cost_to, f.c0, f.c1 FROM parted p FULL JOIN (SELECT tenant_id, coalesce(sum(effective_cost) FILTER (WHERE bill_billing_period_start_date = '2024-01-01'), 0) AS c0,
		coalesce(sum(effective_cost) FILTER (WHERE bill_billing_period_start_date = '2024-02-01'), 0) AS c1 FROM fact_cost_raw WHERE provider = 'many' GROUP BY 1) f ON f.tenant_id = p.element[1]
	WHERE (p.cost_from, p.cost_to) IS DISTINCT FROM (f.c0, f.c1)$$, 'and each change is that of the lines');
SELECT ok(bool_and(n > 100), 'every part occurs') FROM (SELECT unnest(ARRAY[count(*) FILTER (WHERE rate <> 0), count(*) FILTER (WHERE list_price <> 0), count(*) FILTER (WHERE discount <> 0),
	count(*) FILTER (WHERE commitment <> 0), count(*) FILTER (WHERE volume <> 0), count(*) FILTER (WHERE mix <> 0), count(*) FILTER (WHERE new_cost <> 0), count(*) FILTER (WHERE gone_cost <> 0),
	count(*) FILTER (WHERE credits <> 0), count(*) FILTER (WHERE other <> 0)]) AS n FROM parted) x;
SELECT * FROM finish();
ROLLBACK;

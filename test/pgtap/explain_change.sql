-- Why cost has changed: parts worked out by hand, and parts that add up.
BEGIN;
SELECT no_plan();

SELECT count(*) FROM finops.generate_bill('2024-01-01', 3000, 10, 1) \g /dev/null
SELECT count(*) FROM finops.generate_bill('2024-02-01', 3000, 10, 2) \g /dev/null

CREATE FUNCTION pg_temp.line(period date, service text, usage_type text, q numeric, list numeric, contracted numeric, effective numeric, category text DEFAULT 'Usage') RETURNS void LANGUAGE sql AS $$
	INSERT INTO fact_cost_raw (delivery_id, bill_billing_period_start_date, provider, source, service, line_item_usage_type, pricing_unit, line_item_usage_amount,
		list_cost, contracted_cost, effective_cost, billed_cost, charge_category, line_item_line_item_type)
	VALUES ((SELECT min(delivery_id) FROM finops.delivery), period, 'hand', 'hand', service, usage_type, 'h', q, list, contracted, effective, effective, category, category)
$$;
-- A: 10 hours at 2, then 15 at 3; list 4 and 5, contracted 3 and 4
SELECT '' FROM (SELECT pg_temp.line('2024-01-01', 'S', 'A', 10, 40, 30, 20), pg_temp.line('2024-02-01', 'S', 'A', 15, 75, 60, 45)) x \g /dev/null
-- B: 10 hours at 1, then 5 at 1
SELECT '' FROM (SELECT pg_temp.line('2024-01-01', 'S', 'B', 10, 10, 10, 10), pg_temp.line('2024-02-01', 'S', 'B', 5, 5, 5, 5)) x \g /dev/null
SELECT '' FROM (SELECT pg_temp.line('2024-02-01', 'S', 'new', 1, 7, 7, 7), pg_temp.line('2024-01-01', 'S', 'gone', 1, 4, 4, 4)) x \g /dev/null
SELECT '' FROM (SELECT pg_temp.line('2024-02-01', 'S', NULL, NULL, NULL, NULL, -3, 'Credit'), pg_temp.line('2024-02-01', 'S', NULL, NULL, NULL, NULL, 2, 'Tax')) x \g /dev/null

-- X(A) = 20 * 15/10 = 30, X(B) = 5; Q 20 -> 20, so volume 0, mix 35 - 30 = 5, rate 45 - 30 = 15:
-- list 75 - 60 = 15, discount (60 - 75) - (45 - 60) = 0, commitment (45 - 60) - (30 - 45) = 0
SELECT results_eq($$SELECT element, cost_from, cost_to, change, rate, list_price, discount, commitment, volume, mix, new_cost, gone_cost, credits, other
	FROM finops.explain_change('2024-01-01', '2024-02-01', '{service}', '{"provider": "hand"}')$$,
	$$VALUES ('{S}'::text[], 34::numeric, 56::numeric, 22::numeric, 15::numeric, 15::numeric, 0::numeric, 0::numeric, 0::numeric, 5::numeric, 7::numeric, -4::numeric, -3::numeric, 2::numeric)$$,
	'parts worked out by hand');
SELECT results_eq($$SELECT element, change, rate, volume, mix FROM finops.explain_change('2024-01-01', '2024-02-01', '{usage_type}', '{"provider": ["hand"], "usage_type": ["A", "B"]}') ORDER BY element$$,
	$$VALUES ('{A}'::text[], 25::numeric, 15::numeric, 10::numeric, 0::numeric), ('{B}', -5, 0, -5, 0)$$, 'by usage type: no mix within one');

SELECT is_empty(format($$SELECT * FROM finops.explain_change('2024-01-01', '2024-02-01', %L) WHERE change <> rate + volume + mix + new_cost + gone_cost + credits + other
	OR rate <> list_price + discount + commitment OR change <> cost_to - cost_from$$, d), 'parts add up by ' || d)
FROM unnest(ARRAY['{service}', '{account,region}', '{usage_type,operation}', '{total}', '{tenant}', '{charge_category}', '{tag:cost_center}']) d;
SELECT results_eq(format($$SELECT sum(cost_from), sum(cost_to) FROM finops.explain_change('2024-01-01', '2024-02-01', %L)$$, d),
	$$SELECT sum(effective_cost) FILTER (WHERE bill_billing_period_start_date = '2024-01-01'), sum(effective_cost) FILTER (WHERE bill_billing_period_start_date = '2024-02-01') FROM fact_cost_raw$$,
	'and all elements to the bill by ' || d)
FROM unnest(ARRAY['{service}', '{account,region,usage_type}', '{total}']) d;

-- one account of the hand-made provider's successor triples: it is the cause
INSERT INTO fact_cost_raw (delivery_id, bill_billing_period_start_date, provider, source, service, line_item_usage_account_id, product_region, effective_cost, billed_cost, charge_category, line_item_line_item_type)
SELECT (SELECT min(delivery_id) FROM finops.delivery), p, 'cause', 'cause', 's' || s, 'a' || a, 'r' || r, c, c, 'Usage', 'Usage'
FROM unnest(ARRAY['2024-01-01', '2024-02-01']::date[]) p, generate_series(1, 5) s, generate_series(1, 5) a, generate_series(1, 3) r,
LATERAL (SELECT 100 * CASE WHEN a = 4 AND p = '2024-02-01' THEN 3 ELSE 1 END + s AS c) x;
SELECT results_eq($$SELECT dimension, element, contribution_pct FROM finops.change_causes('2024-01-01', '2024-02-01', '{"provider": "cause"}') WHERE rank = 1$$,
	$$VALUES ('account', 'a4', 100.00)$$, 'the account that grew is the first cause');

-- one service of one region: the pair, then the dimension it surprises more
INSERT INTO fact_cost_raw (delivery_id, bill_billing_period_start_date, provider, source, service, line_item_usage_account_id, product_region, effective_cost, billed_cost, charge_category, line_item_line_item_type)
SELECT (SELECT min(delivery_id) FROM finops.delivery), p, 'pair', 'pair', 's' || s, 'a' || a, 'r' || r, c, c, 'Usage', 'Usage'
FROM unnest(ARRAY['2024-01-01', '2024-02-01']::date[]) p, generate_series(1, 5) s, generate_series(1, 5) a, generate_series(1, 3) r,
LATERAL (SELECT 100 * CASE WHEN s = 2 AND r = 3 AND p = '2024-02-01' THEN 4 ELSE 1 END AS c) x;
SELECT results_eq($$SELECT rank, dimension, element, cost_from, cost_to, contribution_pct FROM finops.change_causes('2024-01-01', '2024-02-01', '{"provider": "pair"}') WHERE rank <= 2$$,
	$$VALUES (1, 'service, region', 's2, r3', 500::numeric, 2000::numeric, 100.00), (2, 'service', 's2', 1500, 3000, 100.00)$$, 'a service of a region that grew is the first cause, as a pair');

SELECT throws_ok($$SELECT * FROM finops.explain_change('2024-01-01', '2024-02-01', '{colour}')$$, '22023', 'dimension "colour" is unknown', 'an unknown dimension');
SELECT throws_ok($$SELECT * FROM finops.explain_change('2024-01-01', '2024-02-01', '{}')$$, '22023', 'dimensions must be one to eight, not 0', 'no dimension');
SELECT throws_ok($$SELECT * FROM finops.explain_change('2024-01-01', '2024-02-01', '{NULL}')$$, '22004', 'dimensions must not contain nulls', 'a missing dimension');
SELECT throws_ok($$SELECT * FROM finops.explain_change('2024-01-15', '2024-02-01')$$, '22023', NULL, 'no month');
SELECT throws_ok($$SELECT * FROM finops.explain_change('2024-01-01', '2999-01-01', '{}')$$, '22023', 'billing period 2999-01 has not begun', 'a month to come is not one in which all is gone');
SELECT throws_ok($$SELECT * FROM finops.change_causes('2999-01-01', '2024-01-01', '[]')$$, '22023', 'billing period 2999-01 has not begun', 'causes: a month to come');
SELECT throws_ok($$SELECT * FROM finops.explain_change('2024-01-01', '2024-02-01', '{service}', '[]')$$, '22023', 'filter must be an object', 'no filter');
SELECT throws_ok($$SELECT * FROM finops.explain_change('2024-01-01', '2024-02-01', '{service}', '{"service": 1}')$$, '22023', NULL, 'a filter by a number');
SELECT throws_ok($$SELECT * FROM finops.change_causes('2024-01-01', '2024-02-01', '{"x''; DROP TABLE y": "1"}')$$, '22023', NULL, 'a hostile filter');
SELECT is_empty($$SELECT * FROM finops.explain_change('2024-01-01', '2024-02-01', '{service}', '{"tag:a''b": "c''d"}')$$, 'quotes in tags are text');
SELECT is_empty($$SELECT * FROM finops.change_causes('2020-01-01', '2020-02-01')$$, 'months without cost');

SELECT * FROM finish();
ROLLBACK;

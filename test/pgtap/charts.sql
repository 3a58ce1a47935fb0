-- charts as SVG
BEGIN;
SELECT plan(24);

CREATE FUNCTION pg_temp.refused(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	hint text;
	detail text;
BEGIN
	EXECUTE 'SELECT ' || call;
	RETURN 'nothing';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT, detail = PG_EXCEPTION_DETAIL;
	IF hint LIKE 'A call that runs: SELECT %' THEN
		EXECUTE substr(hint, length('A call that runs: ') + 1);
		RETURN SQLSTATE || ' ' || detail;
	END IF;
	RETURN SQLSTATE;
END $$;

-- each is well-formed XML
SELECT is((xpath('name(/*)', x::xml))[1]::text, 'svg', name || ' is well-formed')
FROM (VALUES
	('a line', finops.chart_line(ARRAY['Jan', 'Feb'], '{"cost": [1, null]}', '{"title": "Cost & more", "unit": "USD"}')),
	('an interval', finops.chart_line(ARRAY['Jan', 'Feb'], '[{"name": "f", "values": [1, 2], "lower": [0, 1], "upper": [2, 3]}]')),
	('a stack', finops.chart_stack(ARRAY['Jan', 'Feb'], '{"a": [1, 2], "b": [-3, 4]}')),
	('bars', finops.chart_bar(ARRAY['<script>', NULL], ARRAY[1, -2])),
	('a flow', finops.chart_flow(ARRAY['p', 'p'], ARRAY['t"', 'u'''], ARRAY[1, 2])),
	('nothing', finops.chart_bar('{}', '{}'))) AS c (name, x);

SELECT is((xpath('count(//*[local-name()="circle"])', finops.chart_line(ARRAY['a', 'b', 'c'], '{"x": [1, null, 3]}')::xml))[1]::text, '2', 'a null is a gap');
SELECT matches(finops.chart_bar(ARRAY['a'], ARRAY[1234567.5]), '<title>1,234,567\.50 &#183;', 'a tip has the number in full');
SELECT matches(finops.chart_bar(ARRAY[NULL], ARRAY[1]::float8[]), '>\(none\)</text>', 'a name of NULL');
SELECT unalike(finops.chart_bar(ARRAY['<script>alert(1)</script>'], ARRAY[1], '{"title": "<img src=x>", "unit": "\"><b>"}'), '%<script>%', 'names are text');
SELECT matches(finops.chart_line(ARRAY['a'], '{"x": [100]}', '{"from_zero": false, "width": 300, "height": 90}'), 'width="300"', 'sizes');
SELECT unalike(finops.chart_flow(ARRAY['p', 'q'], ARRAY['t', 't'], ARRAY[1, 0]), '%>q</text>%', 'a flow of 0 is passed over');

SELECT is(pg_temp.refused($$finops.chart_line(ARRAY['a', 'b'], '{"x": [1]}')$$), '22023 A series has 1 values for 2 labels.', 'too few values');
SELECT is(pg_temp.refused($$finops.chart_line(ARRAY['a'], '{"x": ["1"]}')$$), '22023 The values of a series are a JSON array of numbers and nulls.', 'a text as value');
SELECT is(pg_temp.refused($$finops.chart_stack(ARRAY['a'], '{"x": [1e400]}')$$), '22023 A value is not a finite number.', 'a number that is no float8');
SELECT is(pg_temp.refused($$finops.chart_bar(ARRAY['a'], ARRAY['NaN'::float8])$$), '22023 A value is not a finite number.', 'NaN');
SELECT is(pg_temp.refused($$finops.chart_bar(ARRAY['a'], ARRAY['infinity'::float8])$$), '22023 A value is not a finite number.', 'infinity');
SELECT is(pg_temp.refused($$finops.chart_flow(ARRAY['a'], ARRAY['b'], ARRAY[-1])$$), '22023 A flow is below zero.', 'a flow below zero');
SELECT is(pg_temp.refused($$finops.chart_flow(ARRAY['a'], ARRAY['b', 'c'], ARRAY[1])$$), '22023 There are 1 sources and 2 targets.', 'arrays of two lengths');
SELECT is(pg_temp.refused($$finops.chart_line(ARRAY['a'], (SELECT jsonb_object_agg(i, '[1]'::jsonb) FROM generate_series(1, 9) i))$$), '22023 There are 9 series; up to 8 can be told apart. Add the small ones up.', 'too many series');
SELECT is(pg_temp.refused($$finops.chart_bar(array_fill('x'::text, ARRAY[401]), '{}')$$), '22023 There are 401 names; a chart shows up to 400.', 'too many names');
SELECT is((SELECT count(*) FROM unnest(ARRAY['[1]', '1', '"x"', '{"x": 1}', '[[1]]', '[{"name": "x"}]', '[{"values": [1], "lower": [1]}]', '[{"values": [1], "colour": "red"}]', '[{"name": 1, "values": [1]}]', '{"x": null}']) AS j (series)
	WHERE pg_temp.refused(format('finops.chart_line(ARRAY[''a''], %L)', series)) LIKE '22023 %'), 10::bigint, 'series of other shapes');
SELECT is((SELECT count(*) FROM unnest(ARRAY['[]', '1', '{"title": 1}', '{"width": 10}', '{"height": 1e9}', '{"from_zero": "x"}', '{"colour": "red"}', '{"unit": []}']) AS j (options)
	WHERE pg_temp.refused(format('finops.chart_bar(ARRAY[''a''], ARRAY[1], %L)', options)) LIKE '22023 %'), 8::bigint, 'options that are none');
SELECT is((SELECT string_agg(pg_temp.refused(c), ',') FROM unnest(ARRAY[$$finops.chart_line(NULL, '{}')$$, $$finops.chart_stack('{}', NULL)$$, $$finops.chart_bar(NULL, '{}')$$, $$finops.chart_flow('{}', '{}', NULL)$$]) c),
	'22004,22004,22004,22004', 'arguments of NULL');

SELECT * FROM finish();
ROLLBACK;

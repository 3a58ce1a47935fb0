-- FOCUS: the rounding tolerance of invoices
BEGIN;
SELECT * FROM no_plan();

-- the four worked cases of FOCUS 1.4, appendix on rounding variance tolerance
SELECT is(abs(difference) <= finops.focus_rounding_tolerance(n, 'USD'), within,
	format('%s lines, difference %s', n, difference))
FROM (VALUES (5::bigint, 0.02, true), (5, 5.00, false), (1000000, 4.50, true), (1000000, 15.00, false))
	AS c(n, difference, within);
SELECT is(finops.focus_rounding_tolerance(5, 'USD'), 1.00, '100 cents for few lines');
SELECT is(finops.focus_rounding_tolerance(1000000, 'USD'), 5.00, 'half a cent times the root of many lines');
-- 40,000 lines are the turning point: sqrt(40000) / 2 = 100
SELECT is(finops.focus_rounding_tolerance(40000, 'USD'), 1.00, 'both terms are equal at 40,000 lines');
SELECT ok(finops.focus_rounding_tolerance(40001, 'USD') > 1, 'the second term is the larger one beyond that');
SELECT is(finops.focus_rounding_tolerance(5, 'JPY'), 100::numeric, 'a yen has no subunit');
SELECT is(finops.focus_rounding_tolerance(5, 'BHD'), 0.1, 'a dinar has a thousand');
SELECT is(finops.focus_rounding_tolerance(0, 'EUR'), 1.00, 'no line');
SELECT is(finops.focus_rounding_tolerance(5, 'XBT'), NULL::numeric, 'unknown currency');
SELECT is(finops.focus_rounding_tolerance(NULL, 'EUR'), NULL::numeric, 'unknown number of lines');
SELECT throws_ok($$SELECT finops.focus_rounding_tolerance(-1, 'EUR')$$, '2201F', NULL, 'a negative number of lines');

-- units
SELECT is(finops.focus_unit(unit), focus, format('unit "%s"', unit))
FROM (VALUES ('Hrs', 'Hours'), ('GB-Mo', 'GB-Months'), ('Lambda-GB-Second', 'Lambda GB-Seconds'), ('DPU-Hour', 'DPU-Hours'), ('Requests', 'Requests'), ('', 'Units'),
	('64K-Chunks', 'Chunks'), ('1 Hour', 'Hours'), ('100 Hours', '100 Hours'), ('10K', '10000 Units'), ('1M', '1000000 Units'), ('1/Month', 'Units/Month'), ('1 GB/Month', 'GB/Month'),
	('100 GB/Month', '100 GB Months'), ('gibibyte month', 'GiB-Months'), ('byte-seconds', 'B-Seconds'), ('WriteCapacityUnit-Hours', 'WriteCapacityUnit-Hours'), ('1 GB/月', 'GB')) AS c(unit, focus);
SELECT matches(finops.focus_unit(repeat('x-', 5000)), '^[x ]+$', 'an endless unit');

SELECT * FROM finish();
ROLLBACK;

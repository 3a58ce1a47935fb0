-- Every function of a billing period refuses what is no month that has begun.
-- The functions come from the catalog, so a new one is tried without a word here.
BEGIN;
SELECT no_plan();

CREATE TEMP TABLE period_function ON COMMIT DROP AS
SELECT p.oid::regproc::text AS name, i.no AS argument, p.proargtypes, p.pronargs
FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'finops',
LATERAL (SELECT n AS no FROM generate_series(1, p.pronargs) n
	WHERE p.proargnames[n] IN ('period', 'billing_period') AND p.proargtypes[n - 1] = 'date'::regtype) i
WHERE p.prokind = 'f';

SELECT cmp_ok(count(*), '>=', 17::bigint, 'the catalog knows the functions of a billing period') FROM period_function;

-- a call with the period, and with a harmless value for what else must be given
CREATE FUNCTION pg_temp.call(f period_function, period text) RETURNS text LANGUAGE sql AS $$
	SELECT format('SELECT %s(%s)', f.name, string_agg(
		CASE WHEN n = f.argument THEN format('%L::date', period)
			ELSE format('%L::%s', CASE f.proargtypes[n - 1]::regtype WHEN 'text'::regtype THEN 'x' WHEN 'boolean'::regtype THEN 'false' WHEN 'date'::regtype THEN '2020-01-01' ELSE '4' END,
				f.proargtypes[n - 1]::regtype) END, ', ' ORDER BY n))
	FROM generate_series(1, f.pronargs) n
$$;

-- NULL is an answer here: all months, or every month of the bill
SELECT throws_ok(pg_temp.call(f, NULL), '22004', 'billing period must not be null', f.name || ': NULL')
FROM period_function f WHERE f.name NOT IN ('finops.tag_coverage_report', 'finops.load_bill') ORDER BY f.name;
SELECT throws_ok(pg_temp.call(f, '2001-02-03'), '22023', '2001-02-03 is not the first day of a month', f.name || ': not the first day')
FROM period_function f WHERE f.name <> 'finops.load_bill' ORDER BY f.name;
SELECT throws_ok(pg_temp.call(f, 'infinity'), '22023', 'billing period must be a finite date', f.name || ': infinity')
FROM period_function f WHERE f.name <> 'finops.load_bill' ORDER BY f.name;
SELECT throws_ok(pg_temp.call(f, '0001-01-01'), '22023', 'billing period must lie between 1900 and 9999', f.name || ': year 1')
FROM period_function f WHERE f.name <> 'finops.load_bill' ORDER BY f.name;

-- rules and text may be tried ahead of time; the parts of the close follow begin_close, which refuses;
-- finops.emit_invoices runs the query it is given first
SELECT throws_ok(pg_temp.call(f, '9000-01-01'), '22023', 'billing period 9000-01 has not begun', f.name || ': a month that has not begun')
FROM period_function f WHERE f.name NOT IN ('finops.load_bill', 'finops.validate_rules', 'finops.generated_bill_lines', 'finops.close_step', 'finops.close_verdict', 'finops.end_close', 'finops.emit_invoices') ORDER BY f.name;
SELECT throws_ok($$ SELECT finops.load_bill('/bill.csv', billing_period => '9000-01-01') $$, '22023', 'billing period 9000-01 has not begun', 'finops.load_bill: a month that has not begun');

-- days
SELECT throws_ok($$ SELECT * FROM finops.close_reminders('infinity') $$, '22023', 'as_of must lie between 1900 and 9999', 'close_reminders: infinity');
SELECT throws_ok($$ SELECT * FROM finops.open_periods('5874897-12-01') $$, '22023', 'as_of must lie between 1900 and 9999', 'open_periods: beyond timestamps');

SELECT * FROM finish();
ROLLBACK;

-- Room forecast: what is known of cost to come: steps, ends of commitments, days that fill up; forecasts of cost taken apart
BEGIN;
SELECT no_plan();
SET LOCAL statement_timeout = '120s';
DELETE FROM finops.cost_daily;

CREATE FUNCTION pg_temp.months(group_by text DEFAULT 'total', basis text DEFAULT 'effective', as_of date DEFAULT NULL)
RETURNS TABLE (key text, month date, mean numeric) LANGUAGE sql AS
$$ SELECT key, month, round(mean::numeric, 6) FROM finops.cost_forecast(3, group_by, as_of, basis) $$;

-- steps of one's own, on 100 a day

INSERT INTO finops.cost_daily
SELECT date_trunc('month', d)::date, d::date, 'test', 'AWS', '1', 'AmazonEC2', NULL, 'acme', 'Usage', 'USD', 100, 100, NULL, 24
FROM generate_series(date '2029-01-01', '2029-03-31', '1 day') AS d;
INSERT INTO forecast.known_step (starts_on, ends_on, amount_per_day, tenant_id, note) VALUES ('2029-04-11', '2029-05-11', 20, 'acme', 'migration'),
	('2029-06-01', NULL, -70, NULL, 'a discount of nobody');
INSERT INTO forecast.known_step (starts_on, amount_per_day, currency) VALUES ('2029-04-01', 1000, 'EUR');
INSERT INTO forecast.known_step (starts_on, amount_per_day, tenant_id, basis) VALUES ('2029-04-01', 5, 'other', NULL), ('2029-06-30', 3, 'acme', 'billed');
SELECT results_eq($$ SELECT month, mean FROM pg_temp.months() $$,
	$$ VALUES (date '2029-04-01', 3550.0), ('2029-05-01', 3455), ('2029-06-01', 1050) $$, 'total: 20 for twenty days and for ten, 5 always, 70 less from June');
SELECT results_eq($$ SELECT key, month, mean FROM pg_temp.months('tenant') $$,
	$$ VALUES ('acme', date '2029-04-01', 3400.0), ('acme', '2029-05-01', 3300), ('acme', '2029-06-01', 3000) $$, 'by tenant: what names the tenant');
SELECT is((SELECT mean FROM pg_temp.months('total', 'billed') WHERE month = '2029-06-01'), 1053.0, 'a step of the billed basis');
SELECT is((SELECT round(steps::numeric, 6) FROM finops.explain_cost_forecast(1)), 550.0, 'explained');
-- known steps of the past are no level shifts: 50 more from 27 March on
DELETE FROM forecast.known_step;
UPDATE finops.cost_daily SET effective_cost = 150 WHERE usage_date >= '2029-03-27';
INSERT INTO forecast.known_step (starts_on, amount_per_day) VALUES ('2029-03-27', 50);
SELECT is((SELECT mean FROM pg_temp.months() WHERE month = '2029-05-01'), 4650.0, 'what was before a known step is told with it');
UPDATE forecast.known_step SET ends_on = '2029-05-01';
SELECT results_eq($$ SELECT mean FROM pg_temp.months() $$, $$ VALUES (4500.0), (3100), (3000) $$, 'and its end is known as well');
DELETE FROM forecast.known_step;
UPDATE finops.cost_daily SET effective_cost = 100;

SELECT throws_ok($$ INSERT INTO forecast.known_step (starts_on, ends_on, amount_per_day) VALUES ('2029-04-02', '2029-04-02', 1) $$, '23514', NULL, 'no step of no day');
SELECT throws_ok($$ INSERT INTO forecast.known_step (starts_on, amount_per_day) VALUES ('2029-04-02', 'NaN') $$, '23514', NULL, 'no step of no number');

-- days that fill up: 40 percent at once, 80 after a day, then all

CREATE FUNCTION pg_temp.delivered(at timestamptz) RETURNS void LANGUAGE sql AS $$
	DELETE FROM finops.delivery WHERE source = 'test';
	INSERT INTO finops.delivery (source, billing_period, digest, format, loaded_at)
	SELECT 'test', m::date, md5(m::text), 'cur', least(at, m + interval '2 months') FROM generate_series(date '2029-01-01', '2029-03-01', '1 month') AS m
$$;
DELETE FROM finops.cost_daily WHERE usage_date > '2029-03-21';
UPDATE finops.cost_daily SET effective_cost = 40, billed_cost = 40 WHERE usage_date = '2029-03-21';
UPDATE finops.cost_daily SET effective_cost = 80, billed_cost = 80 WHERE usage_date = '2029-03-20';
SELECT pg_temp.delivered('2029-03-21 12:00+00');
SELECT is(finops.note_days(), 14::bigint, 'two weeks are noted');
SELECT results_eq($$ SELECT usage_date, age, effective_cost FROM forecast.day_seen ORDER BY age LIMIT 3 $$,
	$$ VALUES (date '2029-03-21', 0, 40.0), ('2029-03-20', 1, 80), ('2029-03-19', 2, 100) $$, 'by their age at the load');
SELECT is(finops.note_days(), 14::bigint, 'the same load again');
SELECT is((SELECT count(*) FROM forecast.day_seen), 14::bigint, 'is noted once');
SELECT is_empty($$ SELECT * FROM finops.completion_curve() $$, 'one day says nothing');
DELETE FROM forecast.day_seen;
SELECT lives_ok('SELECT * FROM finops.run_forecasts()', 'the nightly forecasts');
SELECT is((SELECT count(*) FROM forecast.day_seen), 14::bigint, 'note the days');
INSERT INTO forecast.day_seen
SELECT 'test', 'USD', date '2029-02-01' + i, age, 100 * v, 100 * v FROM generate_series(0, 10) AS i, (VALUES (0, 0.4), (1, 0.8), (2, 1.0), (3, 0.99)) AS a(age, v);
SELECT results_eq($$ SELECT source, currency, age, days, completeness FROM finops.completion_curve() WHERE age < 4 $$,
	$$ VALUES ('test', 'USD', 0, 11::bigint, 0.4::float8), ('test', 'USD', 1, 11, 0.8), ('test', 'USD', 2, 11, 1), ('test', 'USD', 3, 11, 1) $$, 'the median of eleven days, which never falls');
SELECT results_eq($$ SELECT month, mean FROM pg_temp.months() LIMIT 1 $$, $$ VALUES (date '2029-03-01', 3100.0) $$, 'a day of 40 percent is left out, one of 80 is completed');
SELECT results_eq($$ SELECT round(usage_to_date::numeric, 6), round(late::numeric, 6) FROM finops.explain_cost_forecast(1) $$,
	$$ VALUES (1980.0, 20.0) $$, 'nineteen days and 80; 20 are to come');
SELECT is((SELECT round(cost_to_date::numeric, 6) FROM finops.cost_forecast(1)), 1980.0, 'to date is what is there');
SELECT is((SELECT usage_to_date + late <> 2000 AND late_days > 0 FROM finops.explain_cost_forecast(1, options => '{"late": false}')), true, 'without the curve the rule stands');
SELECT pg_temp.delivered('2029-03-23 12:00+00');
SELECT is((SELECT round(late::numeric, 6) FROM finops.explain_cost_forecast(1)), 80.0, 'what age does not explain any more is told by the days before');
UPDATE finops.cost_daily SET effective_cost = 100;
SELECT is((SELECT round(late::numeric, 6) FROM finops.explain_cost_forecast(1)), 0.0, 'nothing is missing');
SELECT throws_ok($$ SELECT * FROM finops.completion_curve('list') $$, '22023', NULL, 'an unknown basis');
DELETE FROM forecast.day_seen;
DELETE FROM finops.delivery WHERE source = 'test';
DELETE FROM finops.cost_daily;

-- a savings plan: 100 a day at public prices for 70, 10 of it not used, until 20 May

CREATE FUNCTION pg_temp.load(ends text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	path text := current_setting('data_directory') || '/finops_test_known.csv';
	object oid;
BEGIN
	SELECT lo_from_bytea(0, convert_to('identity/LineItemId,bill/PayerAccountId,bill/BillingPeriodStartDate,lineItem/UsageStartDate,lineItem/LineItemType,lineItem/ProductCode,lineItem/UsageType,lineItem/UnblendedCost,pricing/publicOnDemandCost,lineItem/CurrencyCode,savingsPlan/SavingsPlanARN,savingsPlan/SavingsPlanEffectiveCost,savingsPlan/TotalCommitmentToDate,savingsPlan/UsedCommitment,savingsPlan/EndTime' || E'\n'
		|| string_agg(concat_ws(',', to_char(d, 'YYYYMMDD') || n, '111122223333', to_char(d, 'YYYY-MM-01"T"00:00:00"Z"'), to_char(d, 'YYYY-MM-DD"T"00:00:00"Z"'), v.type, v.product, 'Box', v.billed, coalesce(v.public::text, ''), 'USD',
			'arn:aws:savingsplans::1:savingsplan/A', coalesce(v.cost::text, ''), coalesce(v.total::text, ''), coalesce(v.used::text, ''), ends) || E'\n', '' ORDER BY d, n), 'UTF8'))
	INTO object FROM generate_series(timestamp '2017-03-01', '2017-04-30', '1 day') AS d,
		(VALUES (1, 'SavingsPlanCoveredUsage', 'AmazonEC2', 100, 100, 70, NULL::int, NULL::int), (2, 'SavingsPlanNegation', 'AmazonEC2', -100, 0, NULL, NULL, NULL),
			(3, 'SavingsPlanRecurringFee', 'ComputeSavingsPlans', 80, 0, NULL, 80, 70)) AS v(n, type, product, billed, public, cost, total, used);
	PERFORM lo_export(object, path);
	PERFORM lo_unlink(object);
	PERFORM finops.load_bill(path, source_id => 'known');
END $$;

SELECT pg_temp.load('2017-05-20T00:00:00Z');
SELECT is((SELECT DISTINCT other_columns ->> 'savingsPlan/EndTime' FROM fact_cost_raw WHERE source = 'known'), '2017-05-20T00:00:00Z', 'the bill''s end is kept');
SELECT results_eq($$ SELECT month, mean FROM pg_temp.months(as_of => '2017-05-01') $$,
	$$ VALUES (date '2017-05-01', 2470.0), ('2017-06-01', 2400), ('2017-07-01', 2470) $$, 'without its end: 70 a day, and 300 that are lost');
SELECT results_eq($$ SELECT provider, currency, ends_on, status, effective_per_day, billed_per_day FROM finops.refresh_known_steps('2017-05-01') $$,
	$$ VALUES ('AWS', 'USD', date '2017-05-20', 'step', 20.0, 20.0) $$, 'the end costs 100 instead of 80');
SELECT results_eq($$ SELECT service, basis, charge_category, amount_per_day FROM forecast.known_step ORDER BY 2 DESC, 1 $$,
	$$ VALUES ('AmazonEC2', 'effective', 'Usage', 30.0), ('ComputeSavingsPlans', 'effective', 'Purchase', -10.0),
	('AmazonEC2', 'billed', 'Usage', 100.0), ('ComputeSavingsPlans', 'billed', 'Purchase', -80.0) $$, 'usage, negated, at its price, and no fee');
SELECT results_eq($$ SELECT month, mean FROM pg_temp.months(as_of => '2017-05-01') $$,
	$$ VALUES (date '2017-05-01', 2710.0), ('2017-06-01', 3000), ('2017-07-01', 3090) $$, 'twelve days of May more; then all at public prices, but for the month of 31 days that bookings do not see');
SELECT is((SELECT mean FROM pg_temp.months('service', as_of => '2017-05-01') WHERE key = 'AmazonEC2' AND month = '2017-06-01'), 3000.0, 'by service');
SELECT isnt_empty($$ SELECT FROM finops.refresh_known_steps() $$, 'by itself as of the day after usage');
SELECT is((SELECT count(*) FROM forecast.known_step), 4::bigint, 'again: written anew');
-- after its end: what is known of before is not forgotten
SELECT is((SELECT count(*) FROM finops.refresh_known_steps('2017-07-15')), 0::bigint, 'a commitment without lines in two months');
SELECT is((SELECT count(*) FROM forecast.known_step), 4::bigint, 'keeps its steps');

-- what one knows better
INSERT INTO forecast.commitment_end VALUES ('AWS', 'arn:aws:savingsplans::1:savingsplan/A', NULL, 'will be renewed');
SELECT is((SELECT status FROM finops.refresh_known_steps('2017-05-01')), 'renewed', 'a renewal');
SELECT is_empty('SELECT FROM forecast.known_step', 'is no step');
UPDATE forecast.commitment_end SET ends_on = '2017-06-16';
SELECT is((SELECT ends_on FROM finops.refresh_known_steps('2017-05-01')), date '2017-06-16', 'another end');
SELECT is((SELECT mean FROM pg_temp.months(as_of => '2017-05-01') WHERE month = '2017-06-01'), 2700.0, 'fifteen days at 80, fifteen at 100');
DELETE FROM forecast.commitment_end;
UPDATE fact_cost_raw SET other_columns = NULL WHERE source = 'known';
SELECT is((SELECT status FROM finops.refresh_known_steps('2017-05-01')), 'no end', 'a bill that does not tell');
UPDATE fact_cost_raw SET other_columns = '{"savings_plan_end_time": "soon"}' WHERE source = 'known';
SELECT is((SELECT status FROM finops.refresh_known_steps('2017-05-01')), 'no end', 'an end that is no date');
UPDATE fact_cost_raw SET other_columns = '{"savings_plan_end_time": "2018-02-31T23:59:59.000Z"}', list_cost = NULL, contracted_cost = NULL WHERE source = 'known';
SELECT results_eq($$ SELECT status, ends_on, effective_per_day FROM finops.refresh_known_steps('2017-05-01') $$,
	$$ VALUES ('no price', date '2018-03-04', NULL::numeric) $$, 'a day that no month has, and a price that nobody says');
SELECT is_empty('SELECT FROM forecast.known_step', 'without a price there is no step');
UPDATE fact_cost_raw SET other_columns = '{"savings_plan_end_time": "2017-05-20T00:00:00Z"}', list_cost = 100 WHERE source = 'known';
SELECT lives_ok('SELECT * FROM finops.run_forecasts()', 'the nightly forecasts');
SELECT isnt_empty($$ SELECT FROM forecast.known_step WHERE starts_on = '2017-05-20' $$, 'know the ends of commitments');
DELETE FROM forecast.known_step;
DELETE FROM finops.cost_daily;

-- taken apart: fees, holidays, tax, bookings, a shift, a year of months; the parts add up

CREATE FUNCTION pg_temp.u(a int, b int) RETURNS float8 LANGUAGE sql IMMUTABLE AS $$ SELECT (hashint4(a * 7919 + b) & 65535) / 65536.0 $$;
INSERT INTO finops.cost_daily
SELECT date_trunc('month', d)::date, d::date, 'test', 'AWS', a::text, 'AmazonEC2', NULL, 'acme', 'Usage', 'USD', c, c, NULL, 24
FROM generate_series(1, 2) AS a, generate_series(CASE a WHEN 1 THEN timestamp '2027-11-05' ELSE '2028-09-01' END, '2029-03-17', '1 day') AS d,
	LATERAL (SELECT (100 + 20 * pg_temp.u((extract(epoch FROM d) / 86400)::int, a)) * CASE WHEN extract(isodow FROM d) > 5 THEN 0.6 ELSE 1 END
		* CASE WHEN a = 2 AND d >= '2029-02-20' THEN 1.6 ELSE 1 END + CASE WHEN extract(day FROM d) = 1 THEN 300 ELSE 0 END) AS v(c);
INSERT INTO finops.cost_daily
SELECT m::date, m::date, 'test', 'AWS', '1', 'AmazonEC2', NULL, 'acme', k, 'USD', c, c, NULL, 1
FROM generate_series(date '2028-01-01', '2029-02-01', '1 month') AS m, (VALUES ('Tax', 250), ('Purchase', 40), ('Credit', -15)) AS v(k, c);
INSERT INTO finops.cost_daily SELECT '2029-02-01', '2029-02-01', 'test', 'AWS', '3', 'OCBPremiumSupport', NULL, NULL, k, 'USD', 20, 20, NULL, 1 FROM unnest('{Purchase,Tax}'::text[]) AS k;
INSERT INTO finops.cost_daily SELECT '2029-01-01', '2029-01-01', 'test', 'AWS', '3', 'OCBPremiumSupport', NULL, NULL, k, 'USD', 25, 25, NULL, 1 FROM unnest('{Purchase,Tax}'::text[]) AS k;
INSERT INTO finops.holiday VALUES ('2029-04-02', 'feast', 'XX'), ('2028-12-25', 'feast', 'XX'), ('2029-01-01', 'feast', 'XX');
UPDATE finops.cost_daily SET effective_cost = 30 WHERE usage_date = '2028-12-25' AND charge_category = 'Usage';
INSERT INTO forecast.known_step (starts_on, amount_per_day, account_id) VALUES ('2029-05-01', 7, '2');
CREATE TEMP TABLE part AS SELECT e.*, f.mean AS forecast, f.cost_to_date
FROM unnest('{total,account,service}'::text[]) AS g, finops.explain_cost_forecast(4, g) AS e JOIN LATERAL finops.cost_forecast(4, g) AS f USING (key, currency, month);
SELECT is((SELECT count(*) FROM part), 24::bigint, 'every month of every key');
SELECT is_empty($$ SELECT key, month FROM part WHERE abs(mean - (usage_to_date + late + level + shifts + trend + season + holidays + fees + steps + tax + bookings)) > 1e-9 * abs(mean) OR mean IS DISTINCT FROM forecast $$,
	'parts add up to the forecast');
SELECT ok(bool_and(CASE WHEN month = '2029-03-01' THEN fees = 0 ELSE abs(fees / CASE key WHEN '1' THEN 300 WHEN '2' THEN 300 ELSE 600 END - 1) < 0.1 END), 'fees on the 1st to come')
FROM part WHERE key <> '3' AND key <> 'OCBPremiumSupport';
SELECT ok(bool_and(shifts > 0 AND abs(shifts / (level + shifts) - 0.375) < 0.04), 'what a shift by 1.6 has put on the level') FROM part WHERE key = '2';
SELECT is((SELECT sum(steps) FROM part WHERE key = '2'), 7 * 61::float8, 'steps');
SELECT is((SELECT array_agg((tax, bookings)::text ORDER BY month) FROM part WHERE key = 'OCBPremiumSupport'), '{"(20,20)","(20,20)","(20,20)","(20,20)"}', 'a key without usage has its bookings: the smaller of two');
SELECT ok((SELECT holidays < 0 FROM part WHERE key = '2' AND month = '2029-04-01') AND (SELECT bool_and(holidays = 0) FROM part WHERE month <> '2029-04-01'), 'a holiday to come');
SELECT ok(bool_and(abs(tax / (250 * 3.0 / 3) - 1) < 0.35 AND bookings BETWEEN 24.999 AND 25.001), 'tax follows usage, bookings their schedule') FROM part WHERE key = '1' AND month > '2029-03-01';

-- switches
SELECT ok(bool_and(level_shifts = 1 AND outliers >= 0), 'a shift is reported') FROM part WHERE key = '2';
SELECT is((SELECT sum(steps) FROM finops.explain_cost_forecast(4, 'account', options => '{"steps": false}')), 0::float8, 'no steps');
SELECT is((SELECT sum(abs(holidays)) FROM finops.explain_cost_forecast(4, 'account', options => '{"holidays": false}')), 0::float8, 'no holidays');
SELECT is((SELECT sum(fees) FROM finops.explain_cost_forecast(4, 'account', options => '{"fees": false}')), 0::float8, 'no fees');
SELECT is((SELECT sum(abs(shifts)) + sum(level_shifts) FROM finops.explain_cost_forecast(4, 'account', options => '{"level_shifts": false}')), 0::float8, 'no level shifts');
SELECT is((SELECT sum(outliers) + sum(late_days) FROM finops.explain_cost_forecast(4, 'account', options => '{"outliers": false}')), 0::bigint, 'no outliers');
SELECT is_empty($$ SELECT FROM finops.explain_cost_forecast(4, 'account', options => '{"level_shifts": false, "outliers": false}') AS e JOIN finops.cost_forecast(4, 'account', options => '{"level_shifts": false, "outliers": false}') AS f USING (key, month)
	WHERE abs(e.mean - (usage_to_date + e.late + level + shifts + trend + season + holidays + fees + steps + tax + bookings)) > 1e-9 * abs(e.mean) OR e.mean <> f.mean $$, 'without treatments the parts add up too');
SELECT throws_ok($$ SELECT * FROM finops.cost_forecast(options => '{"outlier": false}') $$, '22023', NULL, 'an unknown switch');
SELECT throws_ok($$ SELECT * FROM finops.cost_forecast(options => '{"outliers": 1}') $$, '22023', NULL, 'a switch that is no boolean');

SELECT throws_ok($$ SELECT * FROM finops.explain_cost_forecast(0) $$, '22023', NULL, 'no months');
SELECT throws_ok($$ SELECT * FROM finops.explain_cost_forecast(1, 'colour') $$, '22023', NULL, 'an unknown group');
SELECT throws_ok($$ SELECT * FROM finops.explain_cost_forecast(1, NULL) $$, '22004', NULL, 'no group');
SELECT throws_ok($$ SELECT * FROM finops.explain_cost_forecast(1, 'total', NULL, 'list') $$, '22023', NULL, 'an unknown basis');

SELECT * FROM finish();
ROLLBACK;

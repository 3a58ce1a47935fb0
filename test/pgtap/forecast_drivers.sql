-- Drivers with a fixed and a variable part, scenarios, runs that are repeated, and what a run says about the one before.
BEGIN;
SELECT * FROM no_plan();
DELETE FROM unit_cost_forecast;
DELETE FROM forecast.backtest;
DELETE FROM forecast.run;

CREATE FUNCTION pg_temp.raises(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	hint text;
BEGIN
	EXECUTE statement;
	RETURN 'none';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	RETURN SQLSTATE || CASE WHEN hint = '' THEN ' no hint' ELSE '' END;
END $$;

-- twelve months of 500 + 2 per 1,000 calls, one of them with a charge of 9,000; and 0.5 per GB
INSERT INTO forecast.driver_scope (driver_code, services) VALUES ('fc_calls', '{FcApi}'), ('fc_gb', '{FcStore}');
INSERT INTO forecast.unit_kpi
SELECT m::date, 'fc_calls', 1000 * (100 + 40 * (extract(month FROM m)::int % 3) + extract(month FROM m)::int), 1000 FROM generate_series(timestamp '2030-01-01', '2030-12-01', '1 month') AS m
UNION ALL SELECT m::date, 'fc_gb', 1000 + 10 * extract(month FROM m)::int, 1 FROM generate_series(timestamp '2030-01-01', '2030-12-01', '1 month') AS m;
INSERT INTO finops.cost_daily
SELECT k.kpi_date, k.kpi_date, 'test', 'AWS', '1', s.service, NULL, NULL, 'Usage', current_setting('finops.reporting_currency'), s.cost, s.cost, NULL, 1
FROM forecast.unit_kpi k, LATERAL (SELECT CASE k.driver_code WHEN 'fc_calls' THEN 'FcApi' ELSE 'FcStore' END AS service,
	CASE k.driver_code WHEN 'fc_calls' THEN 500 + 2 * k.quantity / 1000 + CASE WHEN k.kpi_date = '2030-04-01' THEN 9000 ELSE 0 END ELSE k.quantity / 2 END AS cost) s
WHERE k.driver_code LIKE 'fc\_%';
INSERT INTO forecast.drivers (driver_code, scenario, period_start, value, load_dt)
SELECT d, s.name, m::date, s.factor * CASE d WHEN 'fc_calls' THEN 200000 ELSE 2000 END, date '2031-01-02'
FROM unnest('{fc_calls,fc_gb,fc_unknown}'::text[]) d, (VALUES ('base', 1), ('high', 2)) AS s(name, factor), generate_series(timestamp '2031-01-01', '2032-06-01', '1 month') AS m;

SET LOCAL client_min_messages = error;
SELECT results_eq($$ SELECT status, forecast_rows, total_cost > 0, message FROM finops.recalc_forecast('2031-01-15') $$,
	$$ VALUES ('completed', 48::bigint, true, 'Forecast drivers updated (2031-01-02). Dashboard refreshed. No earlier run to compare with.') $$, 'twelve months, two drivers, two scenarios');
SELECT results_eq($$ SELECT DISTINCT scenario, round(fixed_cost, 1), round(variable_cost, 1), round(total_cost, 1), lower_usd <= total_cost AND total_cost <= upper_usd
	FROM unit_cost_forecast WHERE driver_code = 'fc_calls' ORDER BY 1 $$,
	$$ VALUES ('base', 500.0, 400.0, 900.0, true), ('high', 500.0, 800.0, 1300.0, true) $$, 'a fixed and a variable part, in spite of the charge');
SELECT results_eq($$ SELECT DISTINCT scenario, fixed_cost, variable_cost = total_cost, round(total_cost, 2) FROM unit_cost_forecast WHERE driver_code = 'fc_gb' ORDER BY 1 $$,
	$$ VALUES ('base', 0::numeric, true, 1000.00), ('high', 0, true, 2000.00) $$, 'cost in proportion');
SELECT results_eq($$ SELECT metrics -> 'drivers_without_unit_cost' FROM forecast.run $$, $$ VALUES ('["fc_unknown"]'::jsonb) $$, 'a driver without history is named');
SELECT results_eq($$ SELECT o.severity, o.payload ->> 'drivers_of' FROM finops.outbox o, forecast.run r WHERE o.topic = 'forecast_refreshed' AND o.dedup_key = r.run_id::text $$,
	$$ VALUES ('info', '2031-01-02') $$, 'the channel is told');

-- repeated with the same dates: the same bytes

CREATE TEMP VIEW content AS
SELECT run_id, string_agg(concat_ws(',', driver_code, scenario, month, quantity, unit_cost, total_cost, lower_usd, upper_usd, fixed_cost, variable_cost), E'\n' ORDER BY driver_code, scenario, month) AS bytes
FROM unit_cost_forecast GROUP BY run_id;
INSERT INTO forecast.drivers (driver_code, scenario, period_start, value, load_dt) VALUES ('fc_gb', 'base', '2031-01-01', 5000, '2031-01-10');
SELECT results_eq($$ SELECT status, variance_pct, drivers_of FROM finops.recalc_forecast('2031-01-15') $$, $$ VALUES ('warning', 150.0000, date '2031-01-10') $$,
	'a new set: the month in common is 150 percent more');
SELECT results_eq($$ SELECT status, drivers_of FROM finops.recalc_forecast('2031-01-15', '2031-01-02') $$, $$ VALUES ('warning', date '2031-01-02') $$, 'back to the set before');
SELECT is((SELECT count(DISTINCT bytes) FROM content WHERE bytes LIKE '%fc_calls%'), 1::bigint, 'gives its forecast to the byte');
SELECT results_eq($$ SELECT status, variance_pct FROM finops.recalc_forecast('2031-01-15', '2031-01-02') $$, $$ VALUES ('completed', 0::numeric) $$, 'and once more differs by nothing');
INSERT INTO forecast.drivers (driver_code, scenario, period_start, value, load_dt) VALUES ('fc_gb', 'low', '2031-01-01', 5000, '2031-01-20');
SELECT results_eq($$ SELECT status, variance_pct, message FROM finops.recalc_forecast('2031-01-25') $$,
	$$ VALUES ('warning', NULL::numeric, 'Forecast drivers updated (2031-01-20). Dashboard refreshed. The earlier run has no driver, scenario and month in common.') $$, 'nothing to compare is said, too');
UPDATE forecast.drivers SET value = 0 WHERE load_dt = '2031-01-20';
SELECT results_eq($$ SELECT status, variance_pct FROM finops.recalc_forecast('2031-01-25') $$, $$ VALUES ('warning', -100.0000) $$, 'nothing left is a warning');
SELECT results_eq($$ SELECT status, variance_pct FROM finops.recalc_forecast('2031-01-25') $$, $$ VALUES ('completed', 0::numeric) $$, 'nothing twice is not');
UPDATE forecast.drivers SET value = 7 WHERE load_dt = '2031-01-20';
SELECT results_eq($$ SELECT status, variance_pct, message ~ 'the earlier run came to 0' FROM finops.recalc_forecast('2031-01-25') $$, $$ VALUES ('warning', NULL::numeric, true) $$, 'something after nothing is a warning');

-- what if

CREATE TEMP TABLE chosen AS SELECT run_id FROM content WHERE bytes LIKE '%fc_calls%' LIMIT 1;
SELECT results_eq($$ SELECT s.month, s.quantity, s.changed_quantity, round(s.total_cost, 1), round(s.changed_cost, 1), round(s.difference, 1) FROM chosen, finops.forecast_scenario('fc_calls', 0.25, 'base', run_id) s LIMIT 1 $$,
	$$ VALUES (date '2031-01-01', 200000::numeric, 250000.000000, 900.0, 1000.0, 100.0) $$, 'a quarter more calls: the fixed part stays');
SELECT results_eq($$ SELECT count(*), sum(changed_cost - total_cost - difference) FROM chosen, finops.forecast_scenario('fc_gb', -1, run_id => run_id) $$, $$ VALUES (12::bigint, 0::numeric) $$, 'none at all');
SELECT is(pg_temp.raises(format('SELECT * FROM finops.forecast_scenario(%s)', args)), state, args)
FROM (VALUES ('NULL, 1', '22004 no hint'), ($$ 'fc_gb', NULL $$, '22004 no hint'), ($$ 'fc_gb', -1.5 $$, '22023'), ($$ 'fc_gb', 'NaN' $$, '22023'), ($$ 'none', 0.1 $$, '22023'),
	($$ 'fc_gb', 0.1, 'none' $$, '22023'), ($$ 'fc_gb', 0.1, 'base', '00000000-0000-0000-0000-000000000000' $$, '22023')) AS v(args, state);

SELECT * FROM finish();
ROLLBACK;

-- Drivers, unit cost and the forecast of cost.
\set ON_ERROR_STOP 0
\set VERBOSITY terse
BEGIN;
DELETE FROM forecast.drivers;
DELETE FROM unit_cost_forecast;
DELETE FROM forecast.run;
DELETE FROM finops.cost_daily;
CREATE FUNCTION pg_temp.put(name text, content text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	path text := current_setting('data_directory') || '/' || name;
	object oid := lo_from_bytea(0, convert_to(content, 'UTF8'));
BEGIN
	PERFORM lo_export(object, path);
	PERFORM lo_unlink(object);
	RETURN path;
END $$;
-- SQLSTATE, message, detail and hint of a statement
CREATE FUNCTION pg_temp.try(statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	message text;
	detail text;
	hint text;
BEGIN
	EXECUTE statement;
	RETURN NEXT 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN NEXT SQLSTATE || ' ' || replace(message, current_setting('data_directory'), '<data>');
	IF detail <> '' THEN RETURN NEXT 'DETAIL ' || detail; END IF;
	IF hint <> '' THEN RETURN NEXT 'HINT ' || hint; END IF;
END $$;
CREATE FUNCTION pg_temp.try_drivers(content text) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT pg_temp.try(format('SELECT * FROM finops.load_drivers(%L)', pg_temp.put('drivers_2028-05-01.csv', content)))
$$;

-- a driver file: columns by name, months in two spellings, defaults
SELECT * FROM finops.load_drivers(pg_temp.put('drivers_2028-05-01.csv', E'Unit,Driver,Month,Value,Scenario,Owner\ncalls,api_calls,2028-05,2000000,base,x\ncalls,api_calls,2028-06-01,2100000.5,,y\n"calls",api_calls,2028-06,3000000,high,\n\nGB,storage_gb,2028-05,500,,\n'));
SELECT * FROM forecast.drivers ORDER BY driver_code, scenario, period_start;
-- again: nothing changes; another content: the set is replaced
SELECT * FROM finops.load_drivers(pg_temp.put('drivers_2028-05-01.csv', E'Unit,Driver,Month,Value,Scenario,Owner\ncalls,api_calls,2028-05,2000000,base,x\ncalls,api_calls,2028-06-01,2100000.5,,y\n"calls",api_calls,2028-06,3000000,high,\n\nGB,storage_gb,2028-05,500,,\n'));
SELECT * FROM finops.load_drivers(pg_temp.put('drivers_2028-05-01.csv', E'driver_code,period_start,value\napi_calls,2028-05,2000000\napi_calls,2028-06,2200000\n'));
-- the date of the caller stands above the one of the name
SELECT * FROM finops.load_drivers(current_setting('data_directory') || '/drivers_2028-05-01.csv', '2028-04-01');
SELECT load_dt, count(*), min(source_file) FROM forecast.drivers GROUP BY 1 ORDER BY 1;

-- unit cost: 0.40, 0.42, 0.38, 0.40 per 1,000 calls; its mean goes on, with
-- 80 percent interval 1.281552 * sqrt(0.0008 / 3 * 5/4) = 0.023398
INSERT INTO forecast.unit_kpi SELECT d::date, 'api_calls', 1000000, 1000 FROM generate_series(date '2028-01-01', '2028-04-01', '1 month') AS d;
INSERT INTO finops.cost_daily SELECT m, m, 'test', 'AWS', '1', 'AmazonApiGateway', NULL, NULL, 'Usage', 'USD', c, c, NULL, 1
FROM (VALUES (date '2028-01-01', 400), ('2028-02-01', 420), ('2028-03-01', 380), ('2028-04-01', 400)) AS v(m, c);
SELECT driver_code, month, total_cost, quantity, trim_scale(unit_cost) AS unit_cost, currency FROM vw_unit_cost ORDER BY month;
SELECT drivers_of, status, forecast_rows, total_cost, previous_total, variance_pct, message FROM finops.recalc_forecast('2028-05-10');
SELECT driver_code, scenario, month, quantity, unit_cost, total_cost, lower_usd, upper_usd FROM unit_cost_forecast ORDER BY month;
-- 2.9 percent more is within tolerance, 3.1 percent more is not
UPDATE forecast.drivers SET value = value * 1.029 WHERE load_dt = '2028-05-01';
SELECT drivers_of, status, total_cost, previous_total, variance_pct, message FROM finops.recalc_forecast('2028-05-10');
UPDATE forecast.drivers SET value = value * 1.031 WHERE load_dt = '2028-05-01';
SELECT drivers_of, status, total_cost, previous_total, variance_pct, message FROM finops.recalc_forecast('2028-05-10');
-- roll back to the drivers before
SELECT finops.rollback_drivers('2028-05-01');
SELECT drivers_of, status, total_cost, message FROM finops.recalc_forecast('2028-05-10');
SELECT drivers_of, status, total_cost FROM finops.recalc_forecast('2028-05-10', driver_load_dt => '2028-04-01');
SELECT count(*), count(DISTINCT run_id), bool_and(run_name ~ '^Reforecast_\d{8}_\d{6}$'), min(machine_version), min(horizon_months) FROM forecast.run;

-- what is refused
SELECT pg_temp.try($$ SELECT finops.rollback_drivers('2028-05-01') $$);
SELECT pg_temp.try($$ SELECT finops.rollback_drivers(NULL) $$);
SELECT pg_temp.try($$ SELECT * FROM finops.recalc_forecast('2028-05-10', '1999-01-01') $$);
SELECT pg_temp.try($$ SELECT * FROM finops.recalc_forecast('infinity') $$);
SELECT pg_temp.try($$ SELECT * FROM finops.load_drivers(NULL) $$);
SELECT pg_temp.try($$ SELECT * FROM finops.load_drivers('drivers_2028-05-01.csv') $$);
SELECT pg_temp.try($$ SELECT * FROM finops.load_drivers('/nowhere/drivers_2028-05-01.csv') $$);
SELECT pg_temp.try($$ SELECT * FROM finops.load_drivers('/nowhere/drivers.csv') $$);
SELECT pg_temp.try($$ SELECT * FROM finops.load_drivers('/nowhere/drivers_2028-02-30.csv') $$);
SELECT pg_temp.try_drivers('');
SELECT pg_temp.try_drivers(E'driver_code,period_start,value\n');
SELECT pg_temp.try_drivers(E'name,when,much\na,b,c\n');
SELECT pg_temp.try_drivers(E'driver,month,value\n,2028-05,1\n');
SELECT pg_temp.try_drivers(E'driver,month,value\na,2028-05-02,1\n');
SELECT pg_temp.try_drivers(E'driver,month,value\na,2028-05,1\na,May,1\n');
SELECT pg_temp.try_drivers(E'driver,month,value\na,2028-05,-1\n');
SELECT pg_temp.try_drivers(E'driver,month,value\na,2028-05,"1,000"\n');
SELECT pg_temp.try_drivers(E'driver,month,value\na,2028-05,NaN\n');
SELECT pg_temp.try_drivers(E'driver,month,value\na,2028-05,\n');
SELECT pg_temp.try_drivers(E'driver,month,value\na,2028-05,1\na,2028-05,2\n');
SELECT pg_temp.try_drivers(E'driver,month,value\n"a,2028-05,1\n');
CREATE ROLE regress_forecast_reader;
GRANT EXECUTE ON FUNCTION finops.load_drivers(text, date) TO regress_forecast_reader;
SET LOCAL ROLE regress_forecast_reader;
SELECT finops.load_drivers('/nowhere/drivers_2028-05-01.csv');
ROLLBACK;

-- forecast of cost: 90 days of 100 a day, 90 more on each 1st of a month, tax
-- of 10 percent, a purchase that happened once, a last day that is not
-- complete; so April is (30 * 100 + 90) * 1.1 = 3399, May 3509
BEGIN;
DELETE FROM finops.cost_daily;
INSERT INTO finops.cost_daily
SELECT date_trunc('month', d)::date, d::date, 'test', 'AWS', '1', 'AmazonEC2', NULL, 'acme', 'Usage', 'USD', c, c, NULL, 24
FROM generate_series(date '2029-01-01', '2029-03-31', '1 day') AS d, LATERAL (SELECT 100 + 90 * (extract(day FROM d) = 1)::int) AS v(c);
INSERT INTO finops.cost_daily VALUES
	('2029-04-01', '2029-04-01', 'test', 'AWS', '1', 'AmazonEC2', NULL, 'acme', 'Usage', 'USD', 7, 7, NULL, 3),
	('2029-01-01', '2029-01-01', 'test', 'AWS', '1', 'AmazonEC2', NULL, 'acme', 'Tax', 'USD', 319, 319, NULL, 1),
	('2029-02-01', '2029-02-01', 'test', 'AWS', '1', 'AmazonEC2', NULL, 'acme', 'Tax', 'USD', 289, 289, NULL, 1),
	('2029-03-01', '2029-03-01', 'test', 'AWS', '1', 'AmazonEC2', NULL, 'acme', 'Tax', 'USD', 319, 319, NULL, 1),
	('2029-02-01', '2029-02-03', 'test', 'AWS', '1', 'AmazonEC2', NULL, 'acme', 'Purchase', 'USD', 5000, 5000, NULL, 1);
SELECT key, currency, month, round(cost_to_date::numeric, 4) AS cost_to_date, round(mean::numeric, 4) AS mean,
	round(lower_80::numeric, 4) AS lower_80, round(upper_95::numeric, 4) AS upper_95
FROM finops.cost_forecast(3);
-- in the middle of a month: what is there, 1090 of usage and 319 of tax, and
-- 21 days of 100
SELECT key, month, round(cost_to_date::numeric, 4) AS cost_to_date, round(mean::numeric, 4) AS mean
FROM finops.cost_forecast(2, 'tenant', as_of => '2029-03-11');
SELECT count(*) FROM finops.cost_forecast(as_of => '2000-01-01');
ROLLBACK;
SELECT finops.cost_forecast(0);
SELECT finops.cost_forecast(12, 'colour');
SELECT finops.cost_forecast(12, basis => 'list');
SELECT finops.cost_forecast(NULL);

-- messages of the array functions
\set VERBOSITY default
SELECT finops.forecast('{}', 12);
SELECT finops.forecast('{1,NULL}', 12);
SELECT finops.forecast('{1,Infinity}', 12);
SELECT finops.forecast('{1,2}', 0);
SELECT finops.forecast('{1,2}', 12, -7);
SELECT finops.forecast('{1,2}', 12, model => 'prophet');
SELECT finops.forecast('{1,2}', 12, levels => '{100}');
SELECT finops.forecast('{1,2,3}', 12, 7, 'seasonal_naive');
SELECT finops.forecast('{1,2,3}', 12, 1, 'holt_winters');
SELECT finops.forecast('{1,2,3}', 12, 52, 'holt_winters');
SELECT finops.forecast('{1,0,3}', 12, 1, 'ETS(M,N,N)');
SELECT finops.backtest('{1,2,3}', 1, 1, 'auto', 3);

-- Functions of other dialects and the translator.
SET datestyle = ISO;
SET timezone = 'Europe/Vienna';

-- DATE_FORMAT; examples of the MySQL 8.0 Reference Manual first
SELECT date_format(timestamp '2009-10-04 22:23:00', '%W %M %Y'), date_format(date '1900-10-04', '%D %y %a %d %m %b %j'),
	date_format(timestamp '1997-10-04 22:23:00', '%H %k %I %r %T %S %w'), date_format(date '1999-01-01', '%X %V');
SELECT date_format(timestamp '2024-01-31 00:05:09.000123', '%Y-%m-%dT%H:%i:%s.%f %l %p %% %Q %');
-- the session's time zone
SELECT date_format(timestamptz '2024-01-31 23:30+00', '%Y-%m-%d %H');
SELECT date_format(timestamp 'infinity', '%Y') IS NULL AS infinite, date_format(NULL::date, '%Y') IS NULL AS null_date,
	date_format(date '2024-01-01', '') = '' AS empty, date_format(date '0001-01-01 BC', '%Y') AS year_zero, length(date_format(date '2024-01-01', repeat('%M', 100000)));

-- DATEADD: clipped to the month, units in any case, a date stays a date
SELECT dateadd('week', -4, date '2024-03-01'), dateadd('MONTH', 1, date '2024-01-31'), dateadd('q', 1, date '2024-11-30'), dateadd('yy', -1, date '2024-02-29');
SELECT dateadd('hour', -4, timestamp '2024-03-31 03:00'), dateadd('mi', 90, timestamp '2024-03-31 03:00'), dateadd('ms', 1, timestamp '2024-03-31');
-- across the change to summer time a day is a day and 24 hours are 24 hours
SELECT dateadd('day', 1, timestamptz '2024-03-30 12:00+01'), dateadd('hour', 24, timestamptz '2024-03-30 12:00+01');
SELECT pg_typeof(dateadd('day', 1, CURRENT_DATE)), pg_typeof(dateadd('day', 1, LOCALTIMESTAMP)), pg_typeof(dateadd('day', 1, CURRENT_TIMESTAMP));
SELECT dateadd('day', 1, date 'infinity'), dateadd('day', 1, timestamp '-infinity'), dateadd(NULL, 1, CURRENT_DATE) IS NULL AS null_unit;
SELECT dateadd('hour', -4, CURRENT_DATE);
SELECT dateadd('fortnight', 1, CURRENT_DATE);
SELECT dateadd('', 1, LOCALTIMESTAMP);
SELECT dateadd('year', 2147483647, CURRENT_DATE);
SELECT dateadd('week', 2147483647, LOCALTIMESTAMP);
SELECT dateadd('day', 2147483647, CURRENT_DATE);

-- DATEDIFF counts boundaries; weeks begin on Monday
SELECT datediff('year', date '2023-12-31', date '2024-01-01') AS years, datediff('quarter', date '2023-12-31', date '2024-04-01') AS quarters,
	datediff('month', timestamp '2024-03-01 00:00', timestamp '2024-02-29 23:59') AS months, datediff('week', date '2024-01-07', date '2024-01-08') AS weeks,
	datediff('day', timestamp '2024-01-01 23:59', timestamp '2024-01-02 00:00') AS days, datediff('hour', timestamp '2024-01-01 23:59', timestamp '2024-01-02 00:00') AS hours,
	datediff('second', date '2024-01-01', date '2024-01-02') AS seconds, datediff('us', timestamp '1999-12-31 23:59:59.999999', timestamp '2000-01-01 00:00:00.000001') AS us;
SELECT datediff('day', timestamptz '2024-01-31 22:30+00', timestamptz '2024-01-31 23:30+00') AS days, datediff('hour', timestamptz '2024-03-31 00:30+01', timestamptz '2024-03-31 04:30+02') AS elapsed_hours;
SELECT datediff('day', date 'infinity', CURRENT_DATE);
SELECT datediff('us', date '4713-01-01 BC', date '5874897-12-31');

-- LAST_DAY, ADD_MONTHS
SELECT last_day(date '2024-02-10'), last_day(date '2023-12-31'), last_day(date 'infinity'), add_months(date '2024-02-29', 1), add_months(date '2023-01-31', 1), add_months(date '2024-03-30', -1);
SELECT add_months(date '2024-01-31', 2147483647);

-- the translator; test/unit/translate_test.c has its rules one by one
SELECT finops.translate_sql('SELECT DATEADD(''week'', -4, CURRENT_DATE()) -- CURRENT_DATE()', 'Snowflake');
SELECT finops.translate_sql($$SELECT CURRENT_DATE()$$, 'postgresql'), finops.translate_sql('', 'trino') = '' AS empty, finops.translate_sql(NULL, 'trino') IS NULL AS null_sql;
SELECT finops.translate_sql('MSCK REPAIR TABLE a."b''c"', 'athena');
SELECT finops.translate_sql('SELECT 1', 'oracle');
SELECT finops.translate_sql('SELECT 1', NULL) IS NULL AS null_dialect;
SELECT length(finops.translate_sql(repeat('CURRENT_DATE() ', 60000), 'trino'));
SELECT finops.translate_sql(repeat('x', 1048577), 'trino');
-- an alias that is repeated without end
SELECT finops.translate_sql('SELECT SUM(' || repeat('x+', 20000) || 'x) AS a FROM t HAVING a' || repeat('+a', 2000), 'snowflake');

-- partitions: what there is, and what is not ours to make
SELECT partition FROM finops.show_partitions('pg_class');
SELECT finops.msck_repair_table('pg_class');
SELECT finops.msck_repair_table('no_such_table');
BEGIN READ ONLY;
SELECT finops.msck_repair_table('cur_database.cur_table');
ROLLBACK;
BEGIN;
CREATE TABLE finops.fact_cost_raw_2024_11 PARTITION OF fact_cost_raw FOR VALUES FROM ('2024-11-01') TO ('2024-12-01');
SELECT finops.msck_repair_table('fact_cost_raw') > 0 AS made, finops.msck_repair_table('cur_database.cur_table') AS again;
SELECT partition FROM finops.show_partitions('cur_database.cur_table') WHERE partition BETWEEN 'year=2024/month=11' AND 'year=2025/month=02';
ROLLBACK;

-- EXTERNAL_TABLE: a driver file by its s3:// address, here a directory
\getenv src PG_ABS_SRCDIR
\set s3 file:// :src /test/data/s3
\set VERBOSITY sqlstate
SELECT * FROM external_table('s3://finops-data/forecast/drivers/drivers_2025-07-01.csv');
SET finops.s3_endpoint = :'s3';
SELECT * FROM external_table('s3://finops-data/forecast/drivers/drivers_2025-07-01.csv');
SELECT * FROM external_table(NULL);
SELECT * FROM external_table('s3://finops-data/forecast/drivers/drivers_2025-08-01.csv');
SELECT * FROM external_table('s3://finops-data/../../runbook_data.sql');
SELECT * FROM external_table('ftp://finops-data/x');
SELECT * FROM external_table(:'src' || '/test/data/runbook_cur_2024_01.csv');
BEGIN;
CREATE ROLE regress_finops_nobody;
GRANT EXECUTE ON FUNCTION external_table(text) TO regress_finops_nobody;
SET ROLE regress_finops_nobody;
SELECT * FROM external_table('s3://finops-data/forecast/drivers/drivers_2025-07-01.csv');
ROLLBACK;
\set VERBOSITY default
RESET finops.s3_endpoint;

-- SHOW WAREHOUSES
SHOW warehouses;
BEGIN;
INSERT INTO finops.warehouse (warehouse_name, size) VALUES ('WH_LOADING', 'S'), ('COMPUTE_WH', 'XS');
SHOW WAREHOUSES;
SELECT name, setting, context FROM pg_settings WHERE name = 'warehouses';
SELECT name, size, cost_per_credit FROM finops.show_warehouses();
-- who may not read the table sees nothing
CREATE ROLE regress_finops_nobody;
SET ROLE regress_finops_nobody;
SHOW WAREHOUSES;
ROLLBACK;
SET warehouses = 'x';
-- it does not fix the snapshot of a transaction
BEGIN ISOLATION LEVEL REPEATABLE READ;
SHOW WAREHOUSES;
SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;
COMMIT;
RESET timezone;
RESET datestyle;

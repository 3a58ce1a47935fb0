-- room core: periods as arguments, currencies, settings, gates
\set VERBOSITY default
\set SHOW_CONTEXT never

-- a billing period is the first day of a month (the generator takes one and writes nothing)
SELECT count(*) FROM finops.generated_bill_lines(NULL, 1);
SELECT count(*) FROM finops.generated_bill_lines('2020-05-02', 1);
SELECT count(*) FROM finops.generated_bill_lines('infinity', 1);
SELECT count(*) FROM finops.generated_bill_lines('-infinity', 1);
SELECT count(*) FROM finops.generated_bill_lines('0044-03-01 BC', 1);
SELECT count(*) FROM finops.generated_bill_lines('1899-12-01', 1);
SELECT count(*) FROM finops.generated_bill_lines('10000-01-01', 1);
SELECT count(*) FROM finops.generated_bill_lines('1900-01-01', 1);
SELECT count(*) FROM finops.generated_bill_lines('9998-12-01', 1);
SELECT count(*) FROM finops.generated_bill_lines('9999-01-01', 1);

-- minor units (ISO 4217), and a row of one's own before the shipped one
SELECT c.code, finops.currency_minor_unit(c.code)
FROM unnest(ARRAY['BHD', 'CLF', 'EUR', 'JPY', 'USD', 'XXX', 'usd', '']) WITH ORDINALITY AS c(code, n) ORDER BY c.n;
SELECT finops.currency_minor_unit(NULL) IS NULL AS null_in_null_out;
BEGIN;
INSERT INTO finops.currency (code, minor_unit, cash_increment) VALUES ('JPY', 2, 0.05), ('XBT', 8, NULL);
SELECT finops.currency_minor_unit('JPY'), finops.currency_minor_unit('XBT');
ROLLBACK;
SELECT finops.currency_minor_unit('JPY'), finops.currency_minor_unit('XBT');
INSERT INTO finops.currency (code, minor_unit) VALUES ('eur', 2);
INSERT INTO finops.currency (code, minor_unit) VALUES ('EUR', -1);
INSERT INTO finops.currency (code, minor_unit, shipped) VALUES ('EUR', 2, true);

-- settings
SHOW finops.cost_basis;
SHOW finops.recon_amount_floor;
SHOW finops.reporting_currency;
SHOW finops.s3_endpoint;
SET finops.cost_basis = 'blended';
SET finops.recon_amount_floor = '-1';
SET finops.recon_amount_floor = '1e3';
SET finops.recon_amount_floor = '.';
SET finops.recon_amount_floor = '';
SET finops.recon_amount_floor = 'NaN';
SET finops.recon_amount_floor = '.5';
SHOW finops.recon_amount_floor;
RESET finops.recon_amount_floor;
SET finops.reporting_currency = 'usd';
SET finops.reporting_currency = 'US';
SET finops.reporting_currency = 'EUR';
RESET finops.reporting_currency;
SET finops.no_such_setting = 1;
CREATE ROLE regress_finops_user;
SET ROLE regress_finops_user;
SET finops.cost_basis = 'billed';
SET finops.recon_amount_floor = '5';
SET finops.reporting_currency = 'EUR';
SET finops.s3_endpoint = 'file:///tmp';
-- the server's own message differs between versions
\set VERBOSITY sqlstate
SHOW finops.s3_endpoint;
\set VERBOSITY default
SELECT finops.currency_minor_unit('USD');
SELECT * FROM tenant_master;
SELECT * FROM finops.run;
UPDATE finops.currency SET minor_unit = 0;
RESET ROLE;
RESET finops.cost_basis;
DROP ROLE regress_finops_user;

-- checks of the tables
\set VERBOSITY terse
INSERT INTO tenant_master (tenant_id, tenant_name) VALUES (' ', 'blank');
INSERT INTO tenant_master (tenant_id, tenant_name, status) VALUES ('T', 'bills nothing', 'unregistered');
INSERT INTO period_lock (period_start, period_end) VALUES ('2020-05-02', '2020-05-31');
INSERT INTO period_lock (period_start, period_end, state) VALUES ('2020-05-01', '2020-05-31', 'CLOSED');

-- a schema that only looks like pg_cron's is not touched with the owner's rights
BEGIN;
CREATE SCHEMA cron;
CREATE TABLE cron.trapped (who text);
CREATE TABLE cron.job_run_details (end_time timestamptz, database text, command text);
CREATE FUNCTION cron.trap() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO cron.trapped VALUES (current_user); RETURN NULL; END $$;
CREATE TRIGGER trap BEFORE DELETE ON cron.job_run_details FOR EACH STATEMENT EXECUTE FUNCTION cron.trap();
SELECT finops.purge_job_runs();
SELECT count(*) AS trapped FROM cron.trapped;
ROLLBACK;

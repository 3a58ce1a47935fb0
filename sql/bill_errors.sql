-- What load_bill refuses, and that nothing stays behind.
\set ON_ERROR_STOP 0
CREATE SCHEMA bill_errors;
SET search_path = bill_errors, public;
CREATE FUNCTION put(name text, content bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	path text := current_setting('data_directory') || '/finops_test_' || name;
	object oid := lo_from_bytea(0, content);
BEGIN
	PERFORM lo_export(object, path);
	PERFORM lo_unlink(object);
	RETURN path;
END $$;
CREATE FUNCTION put(name text, content text) RETURNS text LANGUAGE sql AS
	$$ SELECT bill_errors.put(name, convert_to(content, 'UTF8')) $$;
-- SQLSTATE, message, detail and hint of a statement, without the place of the server's files
CREATE FUNCTION try(statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	state text;
	message text;
	detail text;
	hint text;
	context text;
BEGIN
	EXECUTE statement;
	RETURN NEXT 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT, context = PG_EXCEPTION_CONTEXT;
	message := replace(message, current_setting('finops_test.dir') || '/finops_test_', 'DIR/');
	RETURN NEXT state || ' ' || message;
	IF detail <> '' THEN RETURN NEXT 'DETAIL ' || detail; END IF;
	IF hint <> '' THEN RETURN NEXT 'HINT ' || hint; END IF;
	-- the file, where a line of it could not be read
	IF context ~ '^file ' THEN RETURN NEXT 'CONTEXT ' || regexp_replace(split_part(context, E'\n', 1), '^file .*/', 'file '); END IF;
END $$;
CREATE FUNCTION try_file(name text, content bytea) RETURNS SETOF text LANGUAGE sql AS
	$$ SELECT bill_errors.try(format('SELECT finops.load_bill(%L)', bill_errors.put(name, content))) $$;
CREATE FUNCTION try_text(content text) RETURNS SETOF text LANGUAGE sql AS
	$$ SELECT bill_errors.try_file('bad.csv', convert_to(content, 'UTF8')) $$;
SELECT set_config('finops_test.dir', current_setting('data_directory'), false) IS NOT NULL;
\pset tuples_only on
\pset format unaligned

-- arguments
SELECT try('SELECT finops.load_bill(NULL)');
SELECT try('SELECT finops.load_bill(''bill.csv'')');
SELECT try('SELECT finops.load_bill(''../bill.csv'')');
SELECT try('SELECT finops.load_bill(''file://bill.csv'')');
SELECT try('SELECT finops.load_bill('''')');
SELECT try('SELECT finops.load_bill(''https://example.com/bill.csv.gz'')');
SELECT try('SELECT finops.load_bill(''s3://bucket/bill.csv.gz'')');
SELECT try('SELECT finops.load_bill(''/bill.csv'', ''excel'')');
SELECT try('SELECT finops.load_bill(''/bill.csv'', NULL)');
SELECT try('SELECT finops.load_bill(''/bill.csv'', billing_period => ''2019-01-15'')');
SELECT try('SELECT finops.load_bill(''/bill.csv'', billing_period => ''infinity'')');
SELECT try('SELECT finops.load_bill(''/bill.csv'', source_id => '' '')');
SELECT try('SELECT finops.rebuild_rollup(NULL)');
SELECT try('SELECT finops.cost_bridge(''2019-01-02'')');

SELECT try('SELECT finops.load_bill(''/bill.csv'', billing_period => ''9000-01-01'')');
-- files
SELECT try(format('SELECT finops.load_bill(%L)', '/' || repeat('long', 1000)));
SELECT try('SELECT finops.load_bill(''/nonexistent/bill.csv'')');
SELECT try('SELECT finops.load_bill(''file:///nonexistent/my%20bill.csv'')');
SELECT try('SELECT finops.load_bill(''/tmp'')');
SELECT try('SELECT finops.load_bill(''/dev/null'')');
SELECT try_file('empty.csv', '');
SELECT try_file('plain.csv.gz', 'BilledCost,EffectiveCost');
SELECT try_file('report.parquet', 'PAR1....');
SELECT try_file('report.zip', 'PK\003\004....');
SELECT try_file('program', '\x7f454c46020101000000');
-- gzip: cut off in the data, in the trailer and in the header; damaged; followed by something else
\set gz '\'\\x1f8b08000000000002ff4587bb0a80300c0077bfa54a2b38e877e8e212aa0925106b69e3e0dffb18148ee34e3812b0d206f2959e89ccbf475c842212c2ba17350b8bc0238e011265de118afaac805ea99a8a0f645cd376a6b5aeafed8d1bad1d5ee6ea02b221059571000000\''
SELECT try_file('cut.csv.gz', substr(:gz::bytea, 1, 60));
SELECT try_file('cut.csv.gz', substr(:gz::bytea, 1, length(:gz::bytea) - 3));
SELECT try_file('cut.csv.gz', substr(:gz::bytea, 1, 5));
SELECT try_file('damaged.csv.gz', set_byte(:gz::bytea, 40, 255));
SELECT try_file('wrong_sum.csv.gz', set_byte(:gz::bytea, length(:gz::bytea) - 8, 1 + get_byte(:gz::bytea, length(:gz::bytea) - 8)));
SELECT try_file('more.csv.gz', :gz::bytea || 'more');

-- records
SELECT try_text(E'BilledCost,EffectiveCost,BillingPeriodStart\n');
SELECT try_text(E'\n\n');
SELECT try_text(E'name,value\n1,2\n');
SELECT try_text(E'only one column\n1\n');
SELECT try_text(E'BilledCost,BillingPeriodStart\n1,2019-01-01\n');
SELECT try_text(E'line_item_unblended_cost,bill_billing_period_start_date\n1,2019-01-01\n');
SELECT try('SELECT finops.load_bill(' || quote_literal(put('focus.csv', E'BilledCost,EffectiveCost,BillingPeriodStart\n1,1,2019-01-01\n')) || ', ''cur'')');
SELECT try_text(E'BilledCost,EffectiveCost,BillingPeriodStart\n1,1,2019-01-01\n1,1\n');
SELECT try_text(E'BilledCost,EffectiveCost,BillingPeriodStart\n1,1,2019-01-01,\n');
SELECT try_text(E'BilledCost,EffectiveCost,BillingPeriodStart,ChargeDescription\n1,1,2019-01-01,"two\nlines"\n1,1,2019-01-01,"never closed\n1,1,2019-01-01,x\n');
SELECT try_text(E'BilledCost,EffectiveCost,BillingPeriodStart,ChargeDescription\n1,1,2019-01-01,"closed" too early\n');
SELECT try_file('nul.csv', 'BilledCost,EffectiveCost,BillingPeriodStart\0121,1,2019-01-01\0121,\0001,2019-01-01\012');
SELECT try_file('late_nul.csv', ('BilledCost,EffectiveCost,BillingPeriodStart' || E'\n' || repeat(E'1,1,2019-01-01\n', 100))::bytea || '1,\0001,2019-01-01\012');

-- values
SELECT try_text(E'BilledCost,EffectiveCost,BillingPeriodStart\n1,1,2019-01-01\n"$10,000.00",1,2019-01-01\n');
SELECT try_text(E'BilledCost,EffectiveCost,BillingPeriodStart\n"0,19",1,2019-01-01\n');
SELECT try_text(E'BilledCost;EffectiveCost;BillingPeriodStart\n-12,5;1;2019-01-01\n');
SELECT try_text(E'BilledCost,EffectiveCost,BillingPeriodStart\n1,NaN,2019-01-01\n');
SELECT try_text(E'BilledCost,EffectiveCost,BillingPeriodStart\nInfinity,1,2019-01-01\n');
SELECT try_text(E'BilledCost,EffectiveCost,BillingPeriodStart\n+1,1,2019-01-01\n');
SELECT try_text(E'BilledCost,EffectiveCost,BillingPeriodStart\n0x10,1,2019-01-01\n');
SELECT try_text(E'BilledCost,EffectiveCost,BillingPeriodStart\n1e,1,2019-01-01\n');
SELECT try_text(E'BilledCost,EffectiveCost,BillingPeriodStart\n1e100000,1,2019-01-01\n');
SELECT try_text(E'BilledCost,EffectiveCost,BillingPeriodStart\n0.' || repeat('1', 1000) || E',1,2019-01-01\n');
SELECT try_text(E'BilledCost,EffectiveCost,ListCost,BillingPeriodStart\n1,1,' || repeat('long', 100) || E',2019-01-01\n');
SELECT try_text(E'BilledCost,EffectiveCost,BillingPeriodStart\n1,1,2019-02-29\n');
SELECT try_text(E'BilledCost,EffectiveCost,BillingPeriodStart\n1,1,January\n');
SELECT try_text(E'BilledCost,EffectiveCost,BillingPeriodStart,ChargePeriodEnd\n1,1,2019-01-01,2019-01-01T30:00:00Z\n');
SELECT try_text(E'BilledCost,EffectiveCost,BillingPeriodStart\n1,1,\n');
SELECT try_text(E'BilledCost,EffectiveCost,BillingPeriodStart\n1,1,2019-01-01\n1,1,9000-01-01\n');
SELECT try_text(E'BilledCost,EffectiveCost,BillingPeriodStart,Tags\n1,1,2019-01-01,{"a":1\n');
SELECT try_text(E'BilledCost,EffectiveCost,BillingPeriodStart,Tags\n1,1,2019-01-01,"{""a"": ""\\u0000""}"\n');
SELECT try_text(E'BilledCost,EffectiveCost,BillingPeriodStart,Tags\n1,1,2019-01-01,"""a"": ""b"","\n');
SELECT try_file('latin1.csv', 'BilledCost,EffectiveCost,BillingPeriodStart,ChargeDescription\0121,1,2019-01-01,caf\351\012');
SELECT try_file('latin1_header.csv', 'BilledCost,EffectiveCost,BillingPeriodStart,caf\351\012');
SELECT try_file('latin1_number.csv', 'BilledCost,EffectiveCost,BillingPeriodStart\0121\240000,1,2019-01-01\012');

-- the period
SELECT try(format('SELECT finops.load_bill(%L, billing_period => ''2019-02-01'')', put('jan.csv', E'BilledCost,EffectiveCost,BillingPeriodStart\n1,1,2019-02-01\n1,1,2019-01-01\n')));
SELECT try(format('SELECT finops.load_bill(%L)', put('many.csv', (SELECT E'BilledCost,EffectiveCost,BillingPeriodStart\n' || string_agg(format('1,1,%s-%s-01', 1990 + n / 12, to_char(n % 12 + 1, 'FM00')), E'\n') FROM generate_series(0, 130) n))));
BEGIN;
INSERT INTO period_lock (period_start, period_end, state) VALUES ('2019-01-01', '2019-01-31', 'LOCKED');
-- a locked month is not written to; its bill, of which nothing was known, is posted in the open month
SET LOCAL client_min_messages = error;
SELECT try(format('SELECT finops.load_bill(%L)', put('jan.csv', E'BilledCost,EffectiveCost,BillingPeriodStart\n1,1,2019-01-01\n')));
-- also when only a later line belongs to it
SELECT try(format('SELECT finops.load_bill(%L)', put('jan.csv', E'BilledCost,EffectiveCost,BillingPeriodStart\n1,1,2019-02-01\n1,1,2019-01-01\n')));
SELECT bill_billing_period_start_date = '2019-02-01' AS open_month, origin_period = '2019-01-01' AS origin, charge_class, count(*) FROM fact_cost_raw WHERE bill_billing_period_start_date IN ('2019-01-01', '2019-02-01') GROUP BY 1, 2, 3 ORDER BY 1, 2;
SELECT try('SELECT finops.rebuild_rollup(''2019-01-01'')');
ROLLBACK;

-- a good month stays as it is when a bad restatement of it fails
SELECT status FROM finops.load_bill(put('good.csv', E'BilledCost,EffectiveCost,BillingAccountId,BillingPeriodStart\n1,1,a,2019-01-01\n'));
SELECT try_text(E'BilledCost,EffectiveCost,BillingAccountId,BillingPeriodStart\n2,2,a,2019-01-01\n3,x,a,2019-01-01\n');
SELECT try_text((SELECT E'BilledCost,EffectiveCost,BillingAccountId,BillingPeriodStart\n' || string_agg(E'2,2,a,2019-01-01\n', '') || 'bad,2,a,2019-01-01' FROM generate_series(1, 60000)));
SELECT billed_cost, count(*) OVER () FROM fact_cost_raw WHERE bill_billing_period_start_date = '2019-01-01';
SELECT status, line_items FROM finops.delivery WHERE billing_period = '2019-01-01';
SELECT count(*) FROM cur_ingestion_log WHERE period_start = '2019-01-01';
SELECT count(*) FROM fact_cost_delta WHERE bill_period = '2019-01';

-- privileges: EXECUTE, then files of the server
CREATE ROLE finops_test_loader;
SELECT put('good_2.csv', E'BilledCost,EffectiveCost,BillingAccountId,BillingPeriodStart\n1,1,a,2019-01-01\n5,5,a,2019-01-01\n') IS NOT NULL;
GRANT USAGE ON SCHEMA bill_errors TO finops_test_loader;
SET ROLE finops_test_loader;
SELECT try('SELECT finops.load_bill(''/nonexistent/bill.csv'')');
SELECT try('SELECT finops.rebuild_rollup(''2019-01-01'')');
SELECT try('SELECT finops.cost_bridge(''2019-01-01'')');
RESET ROLE;
GRANT EXECUTE ON FUNCTION finops.load_bill TO finops_test_loader;
SET ROLE finops_test_loader;
SELECT try('SELECT finops.load_bill(''/nonexistent/bill.csv'')');
RESET ROLE;
GRANT pg_read_server_files TO finops_test_loader;
SET ROLE finops_test_loader;
SELECT try('SELECT finops.load_bill(''/nonexistent/bill.csv'')');
SELECT try('SELECT count(*) FROM public.fact_cost_raw');
-- with both it loads, and needs no privilege on the tables
SELECT status, rows_loaded FROM finops.load_bill(current_setting('finops_test.dir') || '/finops_test_good_2.csv');
SELECT current_user;
RESET ROLE;
SELECT replace(executed_by, session_user, 'owner') AS executed_by, status FROM cur_ingestion_log WHERE period_start = '2019-01-01' ORDER BY log_id;
BEGIN READ ONLY;
SELECT finops.load_bill('/nonexistent/bill.csv');
ROLLBACK;

-- a cursor outlives the error of its load, the open file does not
SELECT put('bad_number.csv', E'BilledCost,EffectiveCost,BillingAccountId,BillingPeriodStart\n1x,1,a,2019-01-01\n') IS NOT NULL;
BEGIN;
DECLARE bill CURSOR FOR SELECT * FROM finops.load_bill(current_setting('finops_test.dir') || '/finops_test_bad_number.csv');
SAVEPOINT a;
FETCH bill;
ROLLBACK TO a;
COMMIT;

-- nothing of this stays
REVOKE EXECUTE ON FUNCTION finops.load_bill FROM finops_test_loader;
\set VERBOSITY terse
SET client_min_messages = warning;
DROP SCHEMA bill_errors CASCADE;
DROP ROLE finops_test_loader;
DELETE FROM fact_cost_raw WHERE bill_billing_period_start_date = '2019-01-01';
DELETE FROM finops.cost_daily WHERE billing_period = '2019-01-01';
DELETE FROM finops.delivery WHERE billing_period = '2019-01-01';
DELETE FROM finops.period_gate WHERE period_start = '2019-01-01';
DELETE FROM period_lock WHERE period_start = '2019-01-01';
DELETE FROM cur_ingestion_log WHERE period_start = '2019-01-01';
DELETE FROM finops.run WHERE period_start = '2019-01-01';
DELETE FROM fact_cost_delta WHERE bill_period = '2019-01';
DELETE FROM audit_event WHERE action = 'bill_load';
DROP TABLE finops.fact_cost_raw_2019_01;

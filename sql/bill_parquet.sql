-- Parquet through an extension of the server; stand-ins with the interfaces of pg_duckdb and parquet_fdw.
\set ON_ERROR_STOP 0
\set VERBOSITY terse
SET client_min_messages = warning;
SELECT '/tmp/finops_test_' || current_setting('port') || '.parquet' AS path, 'finops_test_' || current_setting('port') AS file \gset
CREATE SCHEMA bill_parquet;
SET search_path = bill_parquet, public;
CREATE FUNCTION put(path text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	object oid := lo_from_bytea(0, 'PAR1 not what a stand-in reads PAR1');
BEGIN
	PERFORM lo_export(object, path);
	PERFORM lo_unlink(object);
	RETURN path;
END $$;
CREATE TABLE bill AS SELECT * FROM (VALUES
	('Usage', 1.4724e-06::float8, timestamp '2018-08-01', timestamp '2018-08-01 05:00', '111', 'AmazonS3', 'say "hi", twice', '{"team": "a"}'::jsonb, 12::bigint),
	('Usage', 1e20, '2018-08-01', '2018-08-31 23:00', '111', 'AmazonEC2', NULL, NULL, NULL),
	('Tax', 0.1, '2018-08-01', NULL, '111', 'AmazonEC2', '', '{}', 0)) AS b(line_item_line_item_type, line_item_unblended_cost, bill_billing_period_start_date, line_item_usage_start_date, bill_payer_account_id, line_item_product_code, line_item_line_item_description, resource_tags, line_item_usage_amount);

-- none of them
SELECT put(:'path') <> '';
CREATE FUNCTION try(path text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM finops.load_bill(path);
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || replace(SQLERRM, path, 'FILE');
END $$;
SELECT try(:'path');
-- pg_duckdb: read_parquet in the extension's schema
BEGIN;
SET LOCAL allow_system_table_mods = on;
CREATE FUNCTION read_parquet(path text) RETURNS SETOF bill LANGUAGE sql AS $$ SELECT * FROM bill_parquet.bill WHERE path LIKE '/tmp/finops_test_%.parquet' $$;
INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion) SELECT 4000000000, 'pg_duckdb', 10, oid, false, '1' FROM pg_namespace WHERE nspname = 'bill_parquet';
SELECT status, rows_loaded, trim_scale(billed_cost) AS billed FROM finops.load_bill(:'path');
SELECT line_item_line_item_type AS type, billed_cost, line_item_usage_start_date AS used, line_item_line_item_description AS description, resource_tags AS tags, line_item_usage_amount AS amount FROM fact_cost_raw WHERE bill_billing_period_start_date = '2018-08-01' ORDER BY row_id;
SELECT format, d.digest = encode(sha256(pg_read_binary_file(:'path')), 'hex') AS digest, line_count FROM finops.delivery d JOIN finops.delivery_file USING (delivery_id) WHERE d.billing_period = '2018-08-01';
SELECT status FROM finops.load_bill(:'path');
SELECT to_regclass('pg_temp.finops_parquet') IS NULL AS gone;
ROLLBACK;
-- a value that no bill may have
BEGIN;
SET LOCAL allow_system_table_mods = on;
CREATE FUNCTION read_parquet(path text) RETURNS SETOF bill LANGUAGE sql AS $$ SELECT * FROM bill_parquet.bill UNION ALL SELECT 'Usage', 'NaN', '2018-08-01', NULL, '111', 'AmazonS3', NULL, NULL, NULL $$;
INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion) SELECT 4000000000, 'pg_duckdb', 10, oid, false, '1' FROM pg_namespace WHERE nspname = 'bill_parquet';
SELECT status, rows_loaded, trim_scale(billed_cost) AS billed FROM finops.load_bill(:'path');
ROLLBACK;
-- parquet_fdw: a server, whose schema is a directory and whose tables are its files
CREATE EXTENSION IF NOT EXISTS postgres_fdw;
CREATE FOREIGN DATA WRAPPER parquet_fdw HANDLER postgres_fdw_handler VALIDATOR postgres_fdw_validator;
SELECT format('CREATE SERVER parquet FOREIGN DATA WRAPPER parquet_fdw OPTIONS (dbname %L, port %L, host %L)', current_database(), current_setting('port'), split_part(current_setting('unix_socket_directories'), ',', 1)) AS server \gset
:server;
SELECT format('CREATE USER MAPPING FOR PUBLIC SERVER parquet OPTIONS (user %L)', current_user) AS mapping \gset
:mapping;
CREATE SCHEMA "/tmp";
CREATE TABLE "/tmp".:"file" AS SELECT * FROM bill;
SELECT status, rows_loaded, trim_scale(billed_cost) AS billed FROM finops.load_bill(:'path');
SELECT to_regclass('finops.' || :'file') IS NULL AS gone;
-- what is left goes
DELETE FROM fact_cost_raw WHERE bill_billing_period_start_date = '2018-08-01';
DELETE FROM finops.cost_daily WHERE billing_period = '2018-08-01';
DELETE FROM finops.delivery_file f USING finops.delivery d WHERE f.delivery_id = d.delivery_id AND d.billing_period = '2018-08-01';
DELETE FROM finops.delivery WHERE billing_period = '2018-08-01';
DROP SCHEMA "/tmp" CASCADE;
DROP FOREIGN DATA WRAPPER parquet_fdw CASCADE;
DROP EXTENSION postgres_fdw;
\set remove 'cat >/dev/null; rm ' :path
COPY (SELECT) TO PROGRAM :'remove';
DROP SCHEMA bill_parquet CASCADE;

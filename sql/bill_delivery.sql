-- Deliveries of several files: manifests, prefixes; rejected lines.
\set ON_ERROR_STOP 0
SELECT current_setting('data_directory') || '/finops_test_delivery' AS root \gset
\set mkdir 'cat >/dev/null; mkdir -p "' :root '"/r/20190301-20190401/a1 "' :root '"/r/20190301-20190401/a2 "' :root '"/r/20190401-20190501/b1 "' :root '"/x/metadata/BILLING_PERIOD=2019-05 "' :root '"/x/data/BILLING_PERIOD=2019-05 "' :root '"/az/run "' :root '"/plain/.hidden "' :root '"/two/BILLING_PERIOD=2019-07/v1 "' :root '"/two/BILLING_PERIOD=2019-07/v2 "' :root '"/p/r/20190201-20190301/c1 "' :root '"/empty'
COPY (SELECT) TO PROGRAM :'mkdir';
BEGIN;
CREATE SCHEMA bill_delivery;
SET search_path = bill_delivery, public;
CREATE FUNCTION put(name text, content text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	path text := current_setting('data_directory') || '/finops_test_delivery/' || name;
	object oid := lo_from_bytea(0, convert_to(content, 'UTF8'));
BEGIN
	PERFORM lo_export(object, path);
	PERFORM lo_unlink(object);
	RETURN path;
END $$;
-- lines: day, resource, cost, of account 111 in a month
CREATE FUNCTION lines(month text, VARIADIC line text[]) RETURNS text LANGUAGE sql AS $$
	SELECT E'line_item_line_item_type,bill_billing_period_start_date,bill_payer_account_id,line_item_product_code,line_item_resource_id,line_item_unblended_cost\n'
		|| string_agg(format(E'Usage,%s-01T00:00:00Z,111,AmazonEC2,%s,%s\n', month, split_part(l, ' ', 1), split_part(l, ' ', 2)), '' ORDER BY n)
	FROM unnest(line) WITH ORDINALITY AS u(l, n)
$$;
CREATE FUNCTION load(name text, source_id text DEFAULT NULL, billing_period date DEFAULT NULL, slash text DEFAULT '')
RETURNS TABLE (month text, status text, rows_loaded bigint, rows_rejected bigint, billed_cost numeric)
LANGUAGE sql AS $$
	SELECT to_char(l.billing_period, 'YYYY-MM'), l.status, l.rows_loaded, l.rows_rejected, trim_scale(l.billed_cost)
	FROM finops.load_bill(current_setting('data_directory') || '/finops_test_delivery/' || name || slash, source_id => source_id, billing_period => billing_period) l
$$;
CREATE FUNCTION try(sql text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	message text; detail text; hint text; context text;
	dir text := current_setting('data_directory');
BEGIN
	EXECUTE sql;
	RETURN NEXT 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT, context = PG_EXCEPTION_CONTEXT;
	RETURN NEXT SQLSTATE || ' ' || replace(message, dir, 'DIR');
	IF detail <> '' THEN RETURN NEXT 'DETAIL ' || replace(detail, dir, 'DIR'); END IF;
	IF hint <> '' THEN RETURN NEXT 'HINT ' || hint; END IF;
	IF context LIKE '%file %, line %' OR context LIKE '%passed over%' THEN
		RETURN NEXT 'CONTEXT ' || split_part(replace(context, dir, 'DIR'), E'\nSQL ', 1);
	END IF;
END $$;
CREATE FUNCTION manifest(month text, assembly text, VARIADIC keys text[]) RETURNS text LANGUAGE sql AS $$
	SELECT jsonb_build_object('assemblyId', assembly, 'account', '111', 'reportName', 'daily', 'bucket', 'bills',
		'columns', jsonb_build_array(jsonb_build_object('category', 'lineItem', 'name', 'UnblendedCost')),
		'billingPeriod', jsonb_build_object('start', replace(month, '-', '') || '01T000000.000Z'),
		'reportKeys', to_jsonb(keys), 'additionalArtifactKeys', '[]'::jsonb)::text
$$;

-- a report in two files: one delivery, 1.25 + 2 + 0.5 = 3.75
SELECT put('r/20190301-20190401/a1/daily-1.csv', lines('2019-03', 'i-1 1.25', 'i-2 2')) <> '',
	put('r/20190301-20190401/a1/daily-2.csv', lines('2019-03', 'i-3 0.5')) <> '';
SELECT put('r/20190301-20190401/a1/daily-Manifest.json', manifest('2019-03', 'a1',
	'p/r/20190301-20190401/a1/daily-1.csv', 'p/r/20190301-20190401/a1/daily-2.csv')) <> '';
SELECT * FROM load('r/20190301-20190401/a1/daily-Manifest.json');
SELECT source, format, assembly_id, bill_state, kind, line_items, replace(address, :'root', 'ROOT') AS address FROM finops.delivery WHERE billing_period = '2019-03-01' ORDER BY delivery_id;
SELECT f.position, replace(f.address, :'root', 'ROOT') AS address, f.digest = encode(sha256(pg_read_binary_file(replace(f.address, 'file://', ''))), 'hex') AS digest, f.byte_count = length(pg_read_binary_file(replace(f.address, 'file://', ''))) AS bytes, f.line_count
FROM finops.delivery_file f JOIN finops.delivery d USING (delivery_id) WHERE d.billing_period = '2019-03-01' ORDER BY 1;
SELECT * FROM load('r/20190301-20190401/a1/daily-Manifest.json');
-- restated under another assembly, which the manifest of the month names too; files beside it are no delivery
SELECT put('r/20190301-20190401/a2/daily-1.csv', lines('2019-03', 'i-1 1.25', 'i-2 2')) <> '',
	put('r/20190301-20190401/a2/daily-2.csv', lines('2019-03', 'i-3 0.75', 'i-4 1')) <> '',
	put('r/20190301-20190401/a2/daily-RedshiftManifest.json', '{"entries": []}') <> '',
	put('r/20190301-20190401/a2/daily-Manifest.json', manifest('2019-03', 'a2', 'p/r/20190301-20190401/a2/daily-1.csv', 'p/r/20190301-20190401/a2/daily-2.csv')) <> '',
	put('r/20190301-20190401/daily-Manifest.json', manifest('2019-03', 'a2', 'p/r/20190301-20190401/a2/daily-1.csv', 'p/r/20190301-20190401/a2/daily-2.csv')) <> '',
	put('r/20190401-20190501/b1/daily-1.csv', lines('2019-04', 'i-1 7')) <> '',
	put('r/20190401-20190501/b1/daily-Manifest.json', manifest('2019-04', 'b1', 'p/r/20190401-20190501/b1/daily-1.csv')) <> '';
SELECT * FROM load('r', billing_period => '2019-03-01', slash => '/');
SELECT change_type, record_count, trim_scale(billed_cost_difference) AS billed FROM fact_cost_delta WHERE bill_period = '2019-03' AND record_count > 0 ORDER BY 1;
SELECT * FROM load('r', slash => '/');
SELECT assembly_id, status, trim_scale(billed_cost) AS billed FROM finops.delivery WHERE billing_period IN ('2019-03-01', '2019-04-01') ORDER BY delivery_id;
-- Data Exports: the month stands in the path, the files beside metadata
SELECT put('x/metadata/BILLING_PERIOD=2019-05/x-Manifest.json', '{"executionId": "e1", "exportArn": "arn:x", "dataFiles": ["s3://bills/p/x/data/BILLING_PERIOD=2019-05/x-00001.csv"]}') <> '',
	put('x/data/BILLING_PERIOD=2019-05/x-00001.csv', lines('2019-05', 'i-1 1.5')) <> '';
SELECT * FROM load('x', slash => '/');
-- Azure: the number of rows is announced
SELECT put('az/run/manifest.json', '{"exportConfig": {"resourceId": "/sub/1"}, "runInfo": {"runId": "u"}, "blobs": [{"blobName": "root/export/run/part_0.csv", "dataRowCount": 2}]}') <> '',
	put('az/run/part_0.csv', lines('2019-06', 'i-1 1', 'i-2 1')) <> '';
SELECT * FROM load('az', slash => '/');
SELECT put('az/run/part_0.csv', lines('2019-06', 'i-1 1')) <> '';
SELECT try($$ SELECT * FROM load('az', slash => '/') $$);
-- a bucket: keys are looked up in it, and a manifest leads to no other
SELECT put('p/r/20190201-20190301/c1/daily-1.csv', lines('2019-02', 'i-1 4')) <> '',
	put('p/r/20190201-20190301/c1/daily-Manifest.json', manifest('2019-02', 'c1', 'r/20190201-20190301/c1/daily-1.csv')) <> '',
	put('p/r/20190201-20190301/daily-Manifest.json', manifest('2019-02', 'c1', 's3://p/r/20190201-20190301/c1/daily-1.csv')) <> '';
SELECT set_config('finops.s3_endpoint', 'file://' || :'root', true) <> '';
SELECT status, rows_loaded, trim_scale(billed_cost) AS billed FROM finops.load_bill('s3://p/r/');
SELECT d.address, f.address AS file FROM finops.delivery d JOIN finops.delivery_file f USING (delivery_id) WHERE d.billing_period = '2019-02-01';
SELECT put('p/r/20190201-20190301/daily-Manifest.json', manifest('2019-02', 'c1', 's3://r/20190301-20190401/a1/daily-1.csv')) <> '';
SELECT try($$ SELECT finops.load_bill('s3://p/r/') $$);
RESET finops.s3_endpoint;
-- what is wrong with a manifest
SELECT put('bad-Manifest.json', '{"reportKeys": ["a.csv"') <> '';
SELECT try($$ SELECT * FROM load('bad-Manifest.json') $$);
SELECT put('bad-Manifest.json', '{"name": "app"}') <> '';
SELECT try($$ SELECT * FROM load('bad-Manifest.json') $$);
SELECT put('bad-Manifest.json', '{"reportKeys": []}') <> '';
SELECT try($$ SELECT * FROM load('bad-Manifest.json') $$);
SELECT put('bad-Manifest.json', manifest('2019-03', 'a3', 'p/daily-9.csv')) <> '';
SELECT try($$ SELECT * FROM load('bad-Manifest.json') $$);
SELECT put('bad-Manifest.json', manifest('2019-03', 'a3', '../../postgresql.conf')) <> '';
SELECT try($$ SELECT * FROM load('bad-Manifest.json') $$);
SELECT put('bad-Manifest.json', manifest('2019-03', 'a3', 'https://example.com/a.csv')) <> '';
SELECT try($$ SELECT * FROM load('bad-Manifest.json') $$);
SELECT put('bad-Manifest.json', manifest('2019-03', 'a3', '/etc/passwd')) <> '';
SELECT try($$ SELECT * FROM load('bad-Manifest.json') $$);
SELECT try($$ SELECT * FROM load('r/20190301-20190401/daily-Manifest.json', billing_period => '2019-04-01') $$);
-- a file of the wrong month under a manifest
SELECT put('bad-Manifest.json', manifest('2019-03', 'a3', 'p/other.csv')) <> '', put('other.csv', lines('2019-04', 'i-1 1')) <> '';
SELECT try($$ SELECT * FROM load('bad-Manifest.json') $$);
SELECT trim_scale(sum(billed_cost)) AS still FROM fact_cost_raw WHERE bill_billing_period_start_date = '2019-03-01';
-- a directory without manifests: all its bills are one delivery
SELECT put('plain/2.csv', lines('2019-08', 'i-2 2')) <> '', put('plain/1.csv', lines('2019-08', 'i-1 1')) <> '',
	put('plain/notes.txt', 'x') <> '', put('plain/_x.csv', 'x') <> '', put('plain/.hidden/3.csv', 'x') <> '', put('plain/empty.csv', '') <> '';
SELECT * FROM load('plain', slash => '/');
SELECT f.position, regexp_replace(f.address, '.*/', '') AS file, f.line_count FROM finops.delivery_file f JOIN finops.delivery d USING (delivery_id) WHERE d.billing_period = '2019-08-01' ORDER BY 1;
SELECT * FROM load('plain', slash => '/');
-- two versions of a month and no manifest
SELECT put('two/BILLING_PERIOD=2019-07/v1/1.csv', lines('2019-07', 'i-1 1')) <> '', put('two/BILLING_PERIOD=2019-07/v2/1.csv', lines('2019-07', 'i-1 2')) <> '';
SELECT try($$ SELECT * FROM load('two', slash => '/') $$);
SELECT * FROM load('two/BILLING_PERIOD=2019-07/v2', slash => '/');
SELECT try($$ SELECT * FROM load('empty', slash => '/') $$);
SELECT try($$ SELECT * FROM load('r', billing_period => '2019-09-01', slash => '/') $$);
SELECT try($$ SELECT * FROM load('absent', slash => '/') $$);
SELECT try($$ SELECT * FROM finops.load_bill('/tmp/x.csv', mode => 'merge') $$);

-- a line without account belongs to the account of the others, first or last; the bill is the same one
SELECT put('payer.csv', lines('2018-02', 'i-1 1', 'i-2 2')) <> '';
SELECT * FROM load('payer.csv');
SELECT put('payer.csv', lines('2018-02', 'i-1 1', 'i-2 2') || E'Tax,2018-02-01T00:00:00Z,,AmazonEC2,,0.5\n') <> '';
SELECT * FROM load('payer.csv');
SELECT put('payer2.csv', replace(lines('2018-02', 'i-1 1', 'i-2 2', 'i-3 4'), '111,AmazonEC2,i-1', ',AmazonEC2,i-1')) <> '';
SELECT * FROM load('payer2.csv');
SELECT source, account_id, status, line_items, trim_scale(billed_cost) AS billed FROM finops.delivery WHERE billing_period = '2018-02-01' ORDER BY delivery_id;
-- two accounts in one file: known by its address, and a copy elsewhere may be the same bill
SELECT put('payer3.csv', replace(lines('2018-01', 'i-1 1', 'i-2 2'), '111,AmazonEC2,i-1', '222,AmazonEC2,i-1')) <> '';
SELECT * FROM load('payer3.csv', source_id => 'two accounts');
SELECT put('payer4.csv', replace(lines('2018-01', 'i-1 1', 'i-2 3'), '111,AmazonEC2,i-1', '222,AmazonEC2,i-1')) <> '';
\set VERBOSITY terse
SELECT * FROM load('payer4.csv');
\set VERBOSITY default
-- rejected lines: five bad ones of eight
\set bad 'BilledCost,EffectiveCost,BillingAccountId,BillingPeriodStart,ServiceName,Tags\n1,1,a,2019-10-01,S,\n2x,2,a,2019-10-01,S,\n3,3,a,2019-10-01,S\n4,4,a,2019-13-01,S,\n5,5,a,2019-10-01,S,"{""k"": }"\n6,6,a,,S,\n7,7,a,2019-10-01,S,\n8,8,a,2019-10-01,S,\n'
SELECT put('bad.csv', replace(:'bad', '\n', E'\n')) <> '';
SELECT try($$ SELECT * FROM load('bad.csv') $$);
SET LOCAL finops.max_rejects = 4;
SELECT try($$ SELECT * FROM load('bad.csv') $$);
SELECT count(*) FROM finops.bill_reject;
SELECT count(*) FROM fact_cost_raw WHERE bill_billing_period_start_date = '2019-10-01';
SET LOCAL finops.max_rejects = 5;
\set VERBOSITY terse
SELECT * FROM load('bad.csv');
\set VERBOSITY default
SELECT r.line_number AS line, r.column_name AS column, r.sqlstate, r.reason, r.raw_text, r.billed_cost AS cost, to_char(r.billing_period, 'YYYY-MM') AS month, regexp_replace(r.address, '.*/', '') AS file
FROM finops.bill_reject r JOIN finops.delivery d USING (delivery_id) WHERE d.source = r.source ORDER BY reject_id;
SELECT l.row_count, l.rejected_count, d.rejected_lines FROM cur_ingestion_log l JOIN finops.delivery d USING (delivery_id) WHERE l.period_start = '2019-10-01';
-- the same bytes again: unchanged, nothing rejected twice
SELECT * FROM load('bad.csv');
SELECT count(*) FROM finops.bill_reject;
-- bytes that are no text, and a record beyond 8 kB
SELECT put('long.csv', E'BilledCost,EffectiveCost,BillingAccountId,BillingPeriodStart,ServiceName\n1,1,b,2019-11-01,S\n1,1z,b,2019-11-01,' || repeat('long', 3000) || E'\n') <> '';
DO $$ DECLARE o oid := lo_from_bytea(0, E'BilledCost,EffectiveCost,BillingAccountId,BillingPeriodStart,ServiceName\\012-1,1,b,2019-11-01,S\\3771\\0121,1,b,2019-11-01,S\\012'::bytea);
BEGIN PERFORM lo_export(o, current_setting('data_directory') || '/finops_test_delivery/latin.csv'); PERFORM lo_unlink(o); END $$;
SET LOCAL finops.max_rejects = -1;
\set VERBOSITY terse
SELECT * FROM load('long.csv');
SELECT * FROM load('latin.csv', source_id => 'latin');
\set VERBOSITY default
SELECT column_name, sqlstate, length(raw_text), left(raw_text, 40) FROM finops.bill_reject WHERE billing_period = '2019-11-01' ORDER BY reject_id;
-- lines of the old bill that change their place while the new one is written go with the others
SELECT put('moved.csv', lines('2018-06', VARIADIC array_agg('i-' || n || repeat('x', 200) || ' 1'))) <> '' FROM generate_series(1, 60) n;
SELECT * FROM load('moved.csv');
CREATE FUNCTION move() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	UPDATE public.fact_cost_raw SET line_item_resource_id = line_item_resource_id || repeat('y', 400)
	WHERE bill_billing_period_start_date = '2018-06-01' AND delivery_id < NEW.delivery_id AND length(line_item_resource_id) < 400;
	RETURN NULL;
END $$;
CREATE TRIGGER move AFTER INSERT ON finops.fact_cost_raw_2018_06 FOR EACH ROW EXECUTE FUNCTION move();
SELECT put('moved.csv', lines('2018-06', VARIADIC array_agg('i-' || n || repeat('x', 200) || ' 2'))) <> '' FROM generate_series(1, 60) n;
SELECT * FROM load('moved.csv');
SELECT count(*), sum(billed_cost) AS billed, count(DISTINCT delivery_id) AS deliveries FROM fact_cost_raw WHERE bill_billing_period_start_date = '2018-06-01';
-- a bill without header line: other columns make another bill of the same bytes
SELECT put('bare.csv', E'1,2,c,2018-03-01,S\n') <> '';
SELECT status, trim_scale(billed_cost) AS billed FROM finops.load_bill(:'root' || '/bare.csv', columns => '{EffectiveCost,BilledCost,BillingAccountId,BillingPeriodStart,ServiceName}');
SELECT status, trim_scale(billed_cost) AS billed FROM finops.load_bill(:'root' || '/bare.csv', columns => '{BilledCost,EffectiveCost,BillingAccountId,BillingPeriodStart,ServiceName}');
SELECT status, trim_scale(billed_cost) AS billed FROM finops.load_bill(:'root' || '/bare.csv', columns => '{BilledCost,EffectiveCost,BillingAccountId,BillingPeriodStart,ServiceName}');
-- lines passed over because another month was asked for are not "unchanged" when all are wanted
SELECT put('months.csv', lines('2018-04', 'i-1 1') || E'Usage,2018-05-01T00:00:00Z,111,AmazonEC2,i-2,2\n') <> '';
\set VERBOSITY terse
SELECT * FROM load('months.csv', billing_period => '2018-04-01');
SELECT * FROM load('months.csv', billing_period => '2018-04-01');
\set VERBOSITY default
SELECT * FROM load('months.csv');
SELECT * FROM load('months.csv');
-- nothing but bad lines is no bill
SELECT put('none.csv', E'BilledCost,EffectiveCost,BillingAccountId,BillingPeriodStart\nx,1,b,2019-12-01\n') <> '';
SELECT try($$ SELECT * FROM load('none.csv') $$);
ROLLBACK;
\set remove 'cat >/dev/null; rm -r "' :root '"'
COPY (SELECT) TO PROGRAM :'remove';

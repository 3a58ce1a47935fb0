-- Loading bills: formats, restatement, periods, sources.
\set ON_ERROR_STOP 0
SELECT current_setting('data_directory') AS dir \gset
BEGIN;
-- files of the server, written by the server
CREATE FUNCTION pg_temp.put(name text, content bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	path text := current_setting('data_directory') || '/finops_test_' || name;
	object oid := lo_from_bytea(0, content);
BEGIN
	PERFORM lo_export(object, path);
	PERFORM lo_unlink(object);
	RETURN path;
END $$;
CREATE FUNCTION pg_temp.put(name text, content text) RETURNS text LANGUAGE sql AS
	$$ SELECT pg_temp.put(name, convert_to(content, 'UTF8')) $$;
CREATE FUNCTION pg_temp.load(name text, content text, source_id text DEFAULT NULL)
RETURNS TABLE (billing_period text, status text, rows_loaded bigint, billed_cost numeric, effective_cost numeric)
LANGUAGE sql AS $$
	SELECT to_char(l.billing_period, 'YYYY-MM'), l.status, l.rows_loaded, trim_scale(l.billed_cost), trim_scale(l.effective_cost)
	FROM finops.load_bill(pg_temp.put(name, content), source_id => source_id) l
$$;

-- every line type of a cost and usage report; sums worked out by hand:
-- billed 161.2500014724, effective 8.8000014724
\set cur 'line_item_line_item_type,line_item_unblended_cost,bill_billing_period_start_date,bill_payer_account_id,identity_line_item_id,identity_time_interval,line_item_product_code,line_item_operation,reservation_effective_cost,reservation_reservation_a_r_n,reservation_unused_amortized_upfront_fee_for_billing_period,reservation_unused_recurring_fee,savings_plan_savings_plan_a_r_n,savings_plan_savings_plan_effective_cost,savings_plan_total_commitment_to_date,savings_plan_used_commitment,resource_tags_user_tenant_id,resource_tags_user_cost_center,resource_tags_aws_created_by\nUsage,1.5,2019-03-01T00:00:00Z,111,L1,i,AmazonEC2,RunInstances,,,,,,,,,acme,42,\nUsage,1.4724E-6,2019-03-01T00:00:00Z,111,L2,i,AmazonS3,,,,,,,,,," ",\\N,IAMUser\nDiscountedUsage,0,2019-03-01T00:00:00Z,111,L3,i,AmazonEC2,,0.25,arn:ri,,,,,,,acme,,\nRIFee,10,2019-03-01T00:00:00Z,111,L4,i,AmazonEC2,,,arn:ri,0.1,0.2,,,,,,,\nSavingsPlanCoveredUsage,2,2019-03-01T00:00:00Z,111,L5,i,AmazonEC2,,,,,,arn:sp,1.25,,,acme,,\nSavingsPlanNegation,-2,2019-03-01T00:00:00Z,111,L6,i,AmazonEC2,,,,,,arn:sp,,,,,,\nSavingsPlanRecurringFee,3,2019-03-01T00:00:00Z,111,L7,i,ComputeSavingsPlans,,,,,,arn:sp,,3,1.25,,,\nSavingsPlanUpfrontFee,100,2019-03-01T00:00:00Z,111,L8,i,ComputeSavingsPlans,,,,,,arn:sp,,,,,,\nFee,50,2019-03-01T00:00:00Z,111,L9,i,AmazonEC2,,,arn:ri,,,,,,,,,\nFee,5,2019-03-01T00:00:00Z,111,L10,i,AWSSupport,,,,,,,,,,,,\nTax,0.4,2019-03-01T00:00:00Z,111,L11,i,AmazonEC2,,,,,,,,,,,,\nCredit,-1,2019-03-01T00:00:00Z,111,L12,i,AmazonEC2,,,,,,,,,,,,\nRefund,-0.5,2019-03-01T00:00:00Z,111,L13,i,AmazonEC2,,,,,,,,,,,,\nRefund,-7,2019-03-01T00:00:00Z,111,L14,i,ComputeSavingsPlans,,,,,,,,,,,,\nEdpDiscount,-0.15,2019-03-01T00:00:00Z,111,L15,i,AmazonEC2,,,,,,,,,,,,\n'
SELECT replace(replace(:'cur', '\n', E'\n'), '\\N', '\N') AS cur \gset
SELECT * FROM pg_temp.load('march.csv', :'cur');
SELECT line_item_line_item_type AS type, charge_category, commitment_discount_status AS status, commitment_discount_category AS kind,
	billed_cost, effective_cost, tenant_id, resource_tags
FROM fact_cost_raw WHERE bill_billing_period_start_date = '2019-03-01' ORDER BY row_id;
SELECT position, line, trim_scale(amount) AS amount FROM finops.cost_bridge('2019-03-01');

-- the roll-up equals the facts
SELECT trim_scale(sum(billed_cost)) AS billed, trim_scale(sum(effective_cost)) AS effective, sum(line_items) AS lines
FROM finops.cost_daily WHERE billing_period = '2019-03-01';
SELECT finops.rebuild_rollup('2019-03-01') = count(*) AS same_rows FROM finops.cost_daily WHERE billing_period = '2019-03-01';
-- a tenant nobody registered is shown only
SELECT tenant_id, status, billing_mode FROM tenant_master WHERE tenant_id = 'acme';
SELECT gate, status, replace(detail, :'dir', 'DIR') FROM finops.period_gate WHERE period_start = '2019-03-01';

-- the same bytes again change nothing but the log
SELECT * FROM pg_temp.load('march.csv', :'cur');
SELECT * FROM pg_temp.load('march_renamed.csv', :'cur');
SELECT status, row_count, source, replace(address, :'dir', 'DIR') AS address FROM cur_ingestion_log WHERE period_start = '2019-03-01' ORDER BY log_id;

-- a restated month under another name replaces it: L1 changes, L13 goes, L16 comes
INSERT INTO finops.period_gate (period_start, gate, position, status) VALUES ('2019-03-01', 'allocation', 2, 'completed');
SELECT replace(regexp_replace(:'cur', 'Refund,-0.5[^\n]*\n', ''), 'Usage,1.5,', 'Usage,1.75,')
	|| E'Usage,0.125,2019-03-01T00:00:00Z,111,L16,i,AmazonEC2,,,,,,,,,,,,\n' AS restated \gset
SELECT * FROM pg_temp.load('march_2.csv', :'restated');
SELECT change_type, record_count, trim_scale(billed_cost_difference) AS billed, trim_scale(effective_cost_difference) AS effective
FROM fact_cost_delta WHERE bill_period = '2019-03' ORDER BY delta_id;
SELECT count(*), count(DISTINCT delivery_id) AS deliveries, trim_scale(sum(billed_cost)) AS billed FROM fact_cost_raw WHERE bill_billing_period_start_date = '2019-03-01';
SELECT source, status, line_items, superseded_by IS NOT NULL AS superseded FROM finops.delivery WHERE billing_period = '2019-03-01' ORDER BY delivery_id;
SELECT gate, status FROM finops.period_gate WHERE period_start = '2019-03-01' ORDER BY position;
-- and the older delivery can come back
SELECT * FROM pg_temp.load('march.csv', :'cur');

-- legacy names, other order, byte-order mark, CRLF, quotes, no optional columns
SELECT * FROM pg_temp.load('legacy.csv', E'\uFEFF"lineItem/UnblendedCost","resourceTags/user:CostCenter","lineItem/LineItemType","resourceTags/aws:createdBy","resourceTags/user:Tenant-Id","bill/PayerAccountId","lineItem/LineItemDescription","bill/BillingPeriodStartDate","savingsPlan/SavingsPlanEffectiveCost","lineItem/UsageStartDate"\r\n'
	'"1","7","Usage","me","globex","222","say ""hi"", and\nbye","2019-04-01T00:00:00.000Z","","2019-04-30T23:30:00-02:00"\r\n'
	'\r\n'
	'2,,SavingsPlanCoveredUsage,,,222,,2019-04-01T00:00:00Z,0.5,4/2/2019');
SELECT line_item_line_item_description AS description, to_char(line_item_usage_start_date, 'YYYY-MM-DD HH24:MI:SS') AS starts, resource_tags_user_cost_center AS cost_center,
	resource_tags, tenant_id, provider, service, product_region
FROM fact_cost_raw WHERE bill_billing_period_start_date = '2019-04-01' ORDER BY row_id;

-- CUR 2.0: tags as a map; net columns; a line type and columns nobody knows
SELECT * FROM pg_temp.load('cur2.csv', E'bill_payer_account_id,bill_billing_period_start_date,line_item_line_item_type,line_item_unblended_cost,line_item_net_unblended_cost,resource_tags,product_region_code,shiny_column\n'
	'333,2019-05-01 00:00:00,Usage,10,9,"{""user_tenant_id"": ""ini\\u0074ech"", ""aws_created_by"": ""x"", ""user_n"": 5}",eu-west-1,1\n'
	'333,2019-05-01 00:00:00,EdpDiscount,-1,,,,\n'
	'333,2019-05-01 00:00:00,LateFee,2,2,,,\n');
SELECT line_item_line_item_type AS type, charge_category, trim_scale(line_item_unblended_cost) AS unblended, billed_cost, effective_cost, tenant_id, resource_tags, product_region
FROM fact_cost_raw WHERE bill_billing_period_start_date = '2019-05-01' ORDER BY row_id;
SELECT jsonb_pretty(detail) FROM cur_ingestion_log WHERE period_start = '2019-05-01';

-- FOCUS, two accounts of two providers, two periods: the file is its own source
\set focus 'BilledCost,EffectiveCost,ListCost,BillingAccountId,BillingPeriodStart,BillingPeriodEnd,ChargePeriodStart,ChargeCategory,ChargeClass,ProviderName,ServiceName,CommitmentDiscountStatus,CommitmentDiscountId,Tags\n1.25,1.25,2,"a1","2019-06-01 00:00:00","2019-07-01 00:00:00","2019-06-03 05:00:00","Usage",NULL,"Amazon Web Services","EC2",NULL,NULL,"{""tenant_id"": ""acme""}"\n0,0.5,1,"a1","2019-06-01 00:00:00",NULL,"2019-06-03 05:00:00","usage",NULL,"AWS","EC2","Used","sp-1",{}\n120,0,(null),"b2","2019-06-01 00:00:00","NULL",null,"Purchase","Correction","Acme Cloud","Desk",NULL,NULL,"""plan_id"": ""p1"", ""tenant_id"": "" ini """\n-3,-2.5,NULL,"b2",2019-07-01,8/1/19,7/5/19,"Credit",NULL,"Azure","Desk",NULL,NULL,\n'
SELECT replace(:'focus', '\n', E'\n') AS focus \gset
SELECT * FROM pg_temp.load('focus.csv', :'focus');
SELECT to_char(bill_billing_period_start_date, 'YYYY-MM') AS period, provider, service, charge_category AS category, charge_class AS class, commitment_discount_status AS status,
	billed_cost, effective_cost, list_cost, tenant_id, to_char(line_item_usage_start_date, 'YYYY-MM-DD HH24:MI') AS starts
FROM fact_cost_raw WHERE replace(source, :'dir', 'DIR') = 'file://DIR/finops_test_focus.csv' ORDER BY row_id;
SELECT position, line, trim_scale(amount) AS amount FROM finops.cost_bridge('2019-06-01') WHERE amount <> 0 OR position = 12;
-- loading it again leaves both periods; a restated one changes only what differs
SELECT * FROM pg_temp.load('focus.csv', :'focus');
SELECT * FROM pg_temp.load('focus.csv', replace(:'focus', '-3,-2.5', '-4,-2.5'));
SELECT bill_period, change_type, record_count, trim_scale(billed_cost_difference) AS billed FROM fact_cost_delta
WHERE replace(source, :'dir', 'DIR') = 'file://DIR/finops_test_focus.csv' ORDER BY delta_id;
-- lines without ids are compared by content; two sources of one period stand side by side
SELECT * FROM pg_temp.load('other.csv', :'focus', 'copy of the bill');
SELECT replace(source, :'dir', 'DIR') AS source, count(*) FROM fact_cost_raw WHERE bill_billing_period_start_date = '2019-06-01' GROUP BY source ORDER BY 1;

-- the second account comes late, after lines have been written; the month has another bill, which is said in a warning with its path
SET LOCAL client_min_messages = error;
SELECT * FROM pg_temp.load('late.csv', (SELECT E'BilledCost,EffectiveCost,BillingAccountId,ProviderName,ChargeDescription,BillingPeriodStart\n'
	|| string_agg(format('0.001,0.001,%s,AWS,%s,2019-0%s-01', CASE WHEN n = 40000 THEN 'z' ELSE 'y' END, repeat('x', 60), 7 + n % 2), E'\n') FROM generate_series(1, 40000) n));
RESET client_min_messages;
SELECT replace(source, :'dir', 'DIR') AS source, count(*), sum(billed_cost) FROM fact_cost_raw WHERE bill_billing_period_start_date >= '2019-07-01' AND bill_billing_period_start_date < '2019-09-01' GROUP BY source ORDER BY 1;

-- gzip of two members; the period given must be that of the bill
SELECT to_char(billing_period, 'YYYY-MM') AS period, status, rows_loaded, billed_cost
FROM finops.load_bill(pg_temp.put('two.csv.gz', decode('1f8b08000000000002ff4587bb0a80300c0077bfa54a2b38e877e8e212aa0925106b69e3e0dffb18148ee34e3812b0d206f2959e89ccbf475c842212c2ba17350b8bc0238e011265de118afaac805ea99a8a0f645cd376a6b5aeafed8d1bad1d5ee6ea02b2210595710000001f8b08000000000002ff0b2d4e4c4fd531d033d5313230b4d4350022c31003032b308ae20200f351630b1f000000', 'hex')), billing_period => '2019-09-01');
-- a bill that does not say its period takes the one that is given
SELECT to_char(billing_period, 'YYYY-MM') AS period, status, rows_loaded, billed_cost
FROM finops.load_bill(pg_temp.put('bare.csv', E'line_item_line_item_type,line_item_unblended_cost\nUsage,3\n'), 'cur', '2019-10-01');

-- a report without commitment columns warns; split cost lines are counted in their parent
SELECT * FROM pg_temp.load('poor.csv', E'bill_payer_account_id,bill_billing_period_start_date,line_item_line_item_type,line_item_unblended_cost,line_item_operation\n555,2019-12-01,DiscountedUsage,0.5,RunInstances\n555,2019-12-01,Usage,3,EKSPod-EC2\n555,2019-12-01,Usage,1,RunInstances\n555,2019-12-01,Usage,,RunInstances\n');
SELECT position, line, trim_scale(amount) AS amount FROM finops.cost_bridge('2019-12-01') WHERE amount <> 0 OR position = 12;
SELECT detail - 'unmapped_columns' FROM cur_ingestion_log WHERE period_start = '2019-12-01';

-- another tag key names the tenant
INSERT INTO finops.tenant_key (tag_key) VALUES ('team');
SELECT * FROM pg_temp.load('team.csv', E'bill_payer_account_id,bill_billing_period_start_date,line_item_line_item_type,line_item_unblended_cost,resource_tags_user_team,resource_tags_user_tenant_id\n444,2019-11-01,Usage,1," blue",acme\n444,2019-11-01,Usage,1,  ,acme\n');
SELECT tenant_id, resource_tags_user_tenant_id FROM fact_cost_raw WHERE bill_billing_period_start_date = '2019-11-01' ORDER BY row_id;

-- in a map of tags too: a key or value with escapes is its text, an object is nobody's name; set_tenant_key says the same
SELECT E'bill_payer_account_id,bill_billing_period_start_date,line_item_line_item_type,line_item_unblended_cost,resource_tags\n'
	|| string_agg(format(E'333,2019-10-01,Usage,1,"%s"\n', replace(tags, '"', '""')), '' ORDER BY n) AS map
FROM unnest(ARRAY['{"te\u0061m": "x"}', '{"user_te\u0061m": " y "}', '{"team": {"a": 1}}', '{"team": [1]}', '{"team": true}', '{"team": null}', '{"team": "\u0041"}', '{"team": "\t"}']) WITH ORDINALITY t(tags, n) \gset
SELECT * FROM pg_temp.load('map.csv', :'map');
CREATE TEMP TABLE loaded ON COMMIT DROP AS SELECT row_id, tenant_id FROM fact_cost_raw;
SELECT f.resource_tags, f.tenant_id FROM fact_cost_raw f WHERE bill_billing_period_start_date = '2019-10-01' ORDER BY row_id;
SELECT count(*) FROM finops.set_tenant_key('team');
SELECT count(*) AS differing FROM fact_cost_raw f JOIN loaded l USING (row_id)
WHERE bill_billing_period_start_date = '2019-10-01' AND f.tenant_id IS DISTINCT FROM l.tenant_id;

-- a month that was taken out is not loaded into
ALTER TABLE fact_cost_raw DETACH PARTITION finops.fact_cost_raw_2019_10;
SAVEPOINT a;
SELECT * FROM pg_temp.load('october.csv', E'bill_payer_account_id,bill_billing_period_start_date,line_item_line_item_type,line_item_unblended_cost\n333,2019-10-01,Usage,2\n');
ROLLBACK TO a;

-- the second part of a bill in the place of the first
SELECT status FROM pg_temp.load('part_1.csv', E'identity_line_item_id,bill_payer_account_id,bill_billing_period_start_date,line_item_line_item_type,line_item_unblended_cost\nA,222,2019-09-01,Usage,1\nB,222,2019-09-01,Usage,1\n');
SELECT status FROM pg_temp.load('part_1b.csv', E'identity_line_item_id,bill_payer_account_id,bill_billing_period_start_date,line_item_line_item_type,line_item_unblended_cost\nB,222,2019-09-01,Usage,2\nC,222,2019-09-01,Usage,1\n');
SELECT status FROM pg_temp.load('part_2.csv', E'identity_line_item_id,bill_payer_account_id,bill_billing_period_start_date,line_item_line_item_type,line_item_unblended_cost\nD,222,2019-09-01,Usage,1\n');

-- three months in one bill, one after the other: two wait in files while the first is copied
SELECT E'BilledCost,EffectiveCost,BillingAccountId,ChargeDescription,BillingPeriodStart\n'
	|| string_agg(format(E'%s,%s,three,%s,2019-0%s-01\n', n % 100, n % 10, repeat('x', 120), 6 + n % 3), '' ORDER BY n % 3, n) AS three
FROM generate_series(1, 30000) n \gset
SELECT * FROM pg_temp.load('three.csv', :'three');
SELECT bill_billing_period_start_date AS month, count(*), sum(billed_cost) AS billed, sum(effective_cost) AS effective, count(DISTINCT row_id) AS ids
FROM fact_cost_raw WHERE bill_payer_account_id = 'three' GROUP BY 1 ORDER BY 1;
SELECT 6 + n % 3 AS month, count(*), sum(n % 100) AS billed, sum(n % 10) AS effective FROM generate_series(1, 30000) n GROUP BY 1 ORDER BY 1;

-- another account after the first megabyte, when lines have been copied and others wait: the load starts again
SELECT replace(:'three', 'three,', 'four,') || E'1,1,five,y,2019-08-01\n1,1,five,y,2019-06-01\n' AS four \gset
SET LOCAL client_min_messages = error;
SELECT * FROM pg_temp.load('four.csv', :'four');
RESET client_min_messages;
SELECT bill_payer_account_id, count(*), sum(billed_cost) AS billed, count(DISTINCT source) AS sources FROM fact_cost_raw WHERE bill_payer_account_id IN ('four', 'five') GROUP BY 1 ORDER BY 1;

-- the bill under the name of report queries
SELECT year, month, count(*) FROM cur_database.cur_table WHERE year = '2019' AND month IN ('03', '04') GROUP BY 1, 2 ORDER BY 2;
ROLLBACK;

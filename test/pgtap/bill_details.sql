-- Room bill: numbers of the Google Cloud console, columns of one name, bills
-- in several currencies
BEGIN;
SELECT no_plan();
SET LOCAL client_min_messages = warning;

CREATE FUNCTION pg_temp.load(name text, content text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	path text := current_setting('data_directory') || '/finops_test_' || name || '.csv';
	object oid := lo_from_bytea(0, convert_to(content, 'UTF8'));
BEGIN
	PERFORM lo_export(object, path);
	PERFORM lo_unlink(object);
	RETURN (SELECT concat_ws(' ', l.status, l.rows_loaded, coalesce(l.billed_cost::text, 'NULL'), coalesce(l.effective_cost::text, 'NULL')) FROM finops.load_bill(path) l);
END $$;

-- commas between thousands, in this format only and where they can be nothing else
CREATE FUNCTION pg_temp.gcp(cost text) RETURNS text LANGUAGE sql AS $$
	SELECT pg_temp.load('parted', E'billing_account_id,service.description,usage_start_time,cost,currency,invoice.month\n01-AB,Cloud Storage,2016-07-01T00:00:00Z,"' || cost || E'",USD,201607\n')
$$;
SELECT is(pg_temp.gcp('1,234.56'), 'loaded 1 1234.56 1234.56', 'a thousand and decimals');
SELECT is(pg_temp.gcp('-12,345,678.9'), 'replaced 1 -12345678.9 -12345678.9', 'millions below zero');
SELECT is(pg_temp.gcp('1,234,567'), 'replaced 1 1234567 1234567', 'millions without decimals');
SELECT throws_ok(format('SELECT pg_temp.gcp(%L)', cost), '22P02', NULL, 'not a number: ' || cost)
FROM unnest('{"1,234","12,34.5","1,2345.6",",123.4","1,,234.5","1234,567.8","1.234,567","1,234.5,6","-,123.4","1,234.5 USD"}'::text[]) cost;
SELECT throws_ok($$ SELECT pg_temp.load('parted', E'BilledCost,EffectiveCost,BillingPeriodStart\n"1,234.56",1,2016-07-01\n') $$, '22P02', NULL, 'FOCUS has no such numbers');
SELECT is((SELECT sum(billed_cost) FROM fact_cost_raw WHERE bill_billing_period_start_date = '2016-07-01'), 1234567::numeric, 'what failed left the bill as it was');

-- columns of one name: the first is read, and the log tells
SELECT is(pg_temp.load('repeated', E'BilledCost,EffectiveCost,BillingAccountId,BillingPeriodStart,BilledCost,Tags,Tags,x_a,x_a,x_a\n3,4,acc,2016-08-01,5,,,1,2,3\n'), 'loaded 1 3 4', 'columns of one name');
SELECT is(detail -> 'repeated_columns', '["BilledCost", "Tags", "x_a"]', 'are named in the log')
FROM cur_ingestion_log WHERE period_start = '2016-08-01' ORDER BY log_id DESC LIMIT 1;
SELECT is(pg_temp.load('single', E'BilledCost,EffectiveCost,BillingAccountId,BillingPeriodStart\n3,4,acc2,2016-08-01\n'), 'loaded 1 3 4', 'columns of their own names');
SELECT ok(NOT detail ? 'repeated_columns', 'are not') FROM cur_ingestion_log WHERE period_start = '2016-08-01' ORDER BY log_id DESC LIMIT 1;

-- several currencies have no sum
SELECT is(pg_temp.load('currencies', E'BilledCost,EffectiveCost,BillingAccountId,BillingPeriodStart,BillingCurrency\n3,2,acc,2016-09-01,EUR\n4,4,acc,2016-09-01,USD\n'), 'loaded 2 NULL NULL', 'two currencies');
SELECT is(pg_temp.load('currencies', E'BilledCost,EffectiveCost,BillingAccountId,BillingPeriodStart,BillingCurrency\n3,2,acc,2016-09-01,EUR\n4,4,acc,2016-09-01,EUR\n'), 'replaced 2 7 6', 'one currency');
SELECT results_eq($$ SELECT currency, sum(billed_cost), sum(effective_cost) FROM finops.cost_daily WHERE billing_period = '2016-09-01' GROUP BY 1 $$, $$ VALUES ('EUR', 7.0, 6.0) $$, 'as the roll-up says');

SELECT * FROM finish();
ROLLBACK;

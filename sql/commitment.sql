-- What reservations and savings plans cost and what was used of them, for
-- every kind of fee; and columns that come and go.  Amounts in the comments
-- are worked out by hand.
\set VERBOSITY terse
\pset format unaligned
BEGIN;
CREATE FUNCTION pg_temp.load(name text, content text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	path text := current_setting('data_directory') || '/finops_test_' || name;
	object oid := lo_from_bytea(0, convert_to(content, 'UTF8'));
	result text;
BEGIN
	PERFORM lo_export(object, path);
	PERFORM lo_unlink(object);
	SELECT concat_ws(' ', l.status, l.rows_loaded, trim_scale(l.billed_cost), trim_scale(l.effective_cost)) INTO result
	FROM finops.load_bill(path, source_id => name) l;
	RETURN result;
END $$;

-- AWS.  r1: fee 10 + 5 amortised upfront = 15 = used 6.5 + 4 + unused 1.5 + 3;
-- r2: 7.2 = 7.1 + 0.2 is 0.1 too much; r3: used 0.5 without a fee; r4: 1 = 0.9999999 + 0 within rounding;
-- p1: fee 3 + 1.5 = 4.5 = used 2 + unused 4.5 - 2.
-- Billed 10 + 7.2 + 1 + 3 + 100 + 50 - 9 - 0.25 = 161.95;
-- effective 6.5 + 4 + 4.5 + 7.1 + 0.2 + 0.5 + 0.9999999 + 2 + 2.5 - 0.25 = 28.0499999
\set cur 'bill_payer_account_id,bill_billing_period_start_date,line_item_line_item_type,line_item_product_code,line_item_unblended_cost,reservation_reservation_arn,reservation_effective_cost,reservation_amortized_upfront_fee_for_billing_period,reservation_unused_amortized_upfront_fee_for_billing_period,reservation_unused_recurring_fee,savings_plan_savings_plan_arn,savings_plan_savings_plan_effective_cost,savings_plan_total_commitment_to_date,savings_plan_used_commitment,savings_plan_amortized_upfront_commitment_for_billing_period\n'
SELECT replace(:'cur', '\n', E'\n') AS cur \gset
SELECT pg_temp.load('commitments.csv', :'cur' ||
	E'1,2020-05-01,DiscountedUsage,AmazonEC2,0,r1,6.5,,,,,,,,\n'
	'1,2020-05-01,DiscountedUsage,AmazonEC2,0,r1,4,,,,,,,,\n'
	'1,2020-05-01,RIFee,AmazonEC2,10,r1,,5,1.5,3,,,,,\n'
	'1,2020-05-01,DiscountedUsage,AmazonEC2,0,r2,7.1,,,,,,,,\n'
	'1,2020-05-01,RIFee,AmazonEC2,7.2,r2,,0,0,0.2,,,,,\n'
	'1,2020-05-01,DiscountedUsage,AmazonRDS,0,r3,0.5,,,,,,,,\n'
	'1,2020-05-01,DiscountedUsage,AmazonRDS,0,r4,0.9999999,,,,,,,,\n'
	'1,2020-05-01,RIFee,AmazonRDS,1,r4,,0,0,0,,,,,\n'
	'1,2020-05-01,SavingsPlanCoveredUsage,AmazonEC2,3.5,,,,,,p1,2,,,\n'
	'1,2020-05-01,SavingsPlanNegation,AmazonEC2,-3.5,,,,,,p1,,,,\n'
	'1,2020-05-01,SavingsPlanRecurringFee,ComputeSavingsPlans,3,,,,,,p1,,4.5,2,1.5\n'
	'1,2020-05-01,SavingsPlanUpfrontFee,ComputeSavingsPlans,100,,,,,,p1,,,,\n'
	'1,2020-05-01,Fee,AmazonEC2,50,r1,,,,,,,,,\n'
	'1,2020-05-01,Refund,ComputeSavingsPlans,-9,,,,,,p1,,,,\n'
	'1,2020-05-01,PrivateRateDiscount,AmazonEC2,-0.25,,,,,,,,,,\n');
SELECT commitment_discount_id AS id, commitment_discount_type AS type, trim_scale(fee) AS fee, trim_scale(used) AS used, trim_scale(unused) AS unused, trim_scale(difference) AS difference, line_items, status
FROM finops.commitment_identity('2020-05-01');
SELECT flag, amount, detail FROM finops.delivery_flag WHERE source = 'commitments.csv';
SELECT detail -> 'commitments' AS commitments FROM cur_ingestion_log WHERE source = 'commitments.csv';
SELECT line, trim_scale(amount) AS amount FROM finops.cost_bridge('2020-05-01') WHERE amount <> 0 OR line = 'residual';

-- FOCUS: fee 8 = used 6 + unused 2; prepaid: nothing to check; two currencies stay apart
SELECT pg_temp.load('focus_commitments.csv', E'BilledCost,EffectiveCost,BillingPeriodStart,BillingCurrency,ChargeCategory,ChargeFrequency,CommitmentDiscountId,CommitmentDiscountStatus,CommitmentDiscountType,ProviderName\n'
	'8,0,2020-06-01,USD,Purchase,Recurring,c1,,Reserved Instance,AWS\n0,6,2020-06-01,USD,Usage,Usage-Based,c1,Used,Reserved Instance,AWS\n0,2,2020-06-01,USD,Usage,Usage-Based,c1,Unused,Reserved Instance,AWS\n'
	'700,0,2020-06-01,USD,Purchase,One-Time,c2,,Savings Plan,AWS\n0,1,2020-06-01,USD,Usage,Usage-Based,c2,Used,Savings Plan,AWS\n0,1,2020-06-01,EUR,Usage,Usage-Based,c2,Used,Savings Plan,AWS\n');
SELECT commitment_discount_id AS id, commitment_discount_type AS type, currency, fee, used, unused, difference, status FROM finops.commitment_identity('2020-06-01');
SELECT count(*) AS none FROM finops.commitment_identity('2020-07-01');

-- net columns come first: billed 6 + 2 + 0 = 8, effective 6 + 0.9 + 1.4 = 8.3; fee of r9 2 + 0.3 = 2.3 = 0.9 + 1.4
SELECT pg_temp.load('net.csv', E'bill_payer_account_id,bill_billing_period_start_date,line_item_line_item_type,line_item_unblended_cost,line_item_net_unblended_cost,reservation_reservation_arn,reservation_effective_cost,reservation_net_effective_cost,reservation_amortized_upfront_fee_for_billing_period,reservation_net_amortized_upfront_fee_for_billing_period,reservation_unused_amortized_upfront_fee_for_billing_period,reservation_net_unused_amortized_upfront_fee_for_billing_period,reservation_unused_recurring_fee,reservation_net_unused_recurring_fee\n'
	'1,2020-08-01,Usage,7,6,,,,,,,,,\n'
	'1,2020-08-01,EdpDiscount,-1,,,,,,,,,,\n'
	'1,2020-08-01,BundledDiscount,-0.5,,,,,,,,,,\n'
	'1,2020-08-01,DiscountedUsage,0,0,r9,1,0.9,,,,,,\n'
	'1,2020-08-01,RIFee,2.2,2,r9,,,0.4,0.3,0.7,0.6,0.9,0.8\n');
SELECT commitment_discount_id AS id, fee, used, unused, difference, status FROM finops.commitment_identity('2020-08-01');

-- columns that come and go, and ones that nobody knows
SELECT pg_temp.load('drift.csv', E'BilledCost,EffectiveCost,BillingPeriodStart,x_Team,Shiny\n1,1,2020-09-01,a,b\n');
SELECT pg_temp.load('drift.csv', E'BilledCost,EffectiveCost,BillingPeriodStart,ListCost,Shiny,New\n1,1,2020-09-01,2,b,c\n');
SELECT source, billing_period = '2020-09-01' AS september, change, column_name, known FROM finops.schema_drift WHERE source = 'drift.csv' ORDER BY change, column_name;
SELECT detail - 'blank_costs' - 'lines_without_amortised_cost' AS detail FROM cur_ingestion_log WHERE source = 'drift.csv' ORDER BY log_id;
ROLLBACK;

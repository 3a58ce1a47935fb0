-- Room bill: the sums by kind from which the bridge of an open month is answered.  Amounts worked out by hand.
BEGIN;
SELECT no_plan();
SET LOCAL client_min_messages = error;
CREATE FUNCTION pg_temp.load(line text, mode text DEFAULT 'auto') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	path text := current_setting('data_directory') || '/finops_test_cost_kind.csv';
	object oid := lo_from_bytea(0, convert_to(E'bill_payer_account_id,bill_billing_period_start_date,line_item_line_item_type,line_item_product_code,line_item_operation,line_item_unblended_cost,reservation_reservation_arn,reservation_effective_cost,reservation_unused_amortized_upfront_fee_for_billing_period,reservation_unused_recurring_fee,savings_plan_savings_plan_arn,savings_plan_savings_plan_effective_cost,savings_plan_total_commitment_to_date,savings_plan_used_commitment,line_item_currency_code\n' || line, 'UTF8'));
	result text;
BEGIN
	PERFORM lo_export(object, path);
	PERFORM lo_unlink(object);
	SELECT l.status INTO result FROM finops.load_bill(path, source_id => 'kinds', mode => mode) l;
	RETURN result;
END $$;
CREATE VIEW pg_temp.bridge AS SELECT * FROM finops.cost_bridge('2019-07-01');
CREATE FUNCTION pg_temp.amounts(of text DEFAULT 'USD') RETURNS text LANGUAGE sql AS
	$$ SELECT string_agg(trim_scale(amount)::text, ' ' ORDER BY position) FROM pg_temp.bridge WHERE currency = of $$;
-- the kinds are the facts, to the digits shown, and the bridge without them is the same
CREATE FUNCTION pg_temp.same(what text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	RETURN NEXT is_empty($q$
		WITH f AS (SELECT bill_billing_period_start_date, source, coalesce(line_item_line_item_type, ''), commitment_discount_status, reservation_arn IS NOT NULL, right(line_item_product_code, 12) IS NOT DISTINCT FROM 'SavingsPlans',
			line_item_operation IS NOT DISTINCT FROM 'EKSPod-EC2' OR line_item_operation IS NOT DISTINCT FROM 'ECSTask-EC2', effective_cost = 0, line_item_currency_code, sum(billed_cost)::text, sum(effective_cost)::text, count(*)
			FROM fact_cost_raw GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9),
		k AS (SELECT billing_period, source, line_type, commitment_status, reserved, savings_plan, split, free, currency, billed_cost::text, effective_cost::text, line_items FROM finops.cost_kind)
		(TABLE f EXCEPT ALL TABLE k) UNION ALL (TABLE k EXCEPT ALL TABLE f)
	$q$, what || ': the kinds are the facts');
	CREATE TEMP TABLE from_kinds AS SELECT position, line, amount::text, currency FROM pg_temp.bridge;
	CREATE TEMP TABLE kept AS TABLE finops.cost_kind;
	DELETE FROM finops.cost_kind;
	RETURN NEXT results_eq('SELECT position, line, amount::text, currency FROM pg_temp.bridge ORDER BY 4, 1', 'SELECT * FROM from_kinds ORDER BY 4, 1', what || ': and so is the bridge');
	INSERT INTO finops.cost_kind TABLE kept;
	DROP TABLE kept, from_kinds;
END $$;

-- billed 10 + 0 + 6 + 5 - 5 + 4 + 100 + 0.7 = 120.7; effective 10 + 4 + 3 + (1 + 2) + 1 = 21; in EUR 2
\set commitments '1,2019-07-01,DiscountedUsage,AmazonEC2,,0,r1,4,,,,,,,USD\n1,2019-07-01,RIFee,AmazonEC2,,6,r1,,1,2,,,,,USD\n1,2019-07-01,SavingsPlanCoveredUsage,AmazonEC2,,5,,,,,p1,3,,,USD\n1,2019-07-01,SavingsPlanNegation,AmazonEC2,,-5,,,,,p1,,,,USD\n1,2019-07-01,SavingsPlanRecurringFee,ComputeSavingsPlans,,4,,,,,p1,,4,3,USD\n1,2019-07-01,Usage,AmazonEKS,EKSPod-EC2,0.7,,,,,,,,,USD\n1,2019-07-01,Usage,AmazonEC2,Run,0,,,,,,,,,USD\n1,2019-07-01,Usage,AmazonEC2,Run,2,,,,,,,,,EUR\n'
SELECT replace(:'commitments', '\n', E'\n') AS commitments \gset
SELECT is(pg_temp.load(:'commitments' || E'1,2019-07-01,Usage,AmazonEC2,Run,10.00,,,,,,,,,USD\n1,2019-07-01,SavingsPlanUpfrontFee,ComputeSavingsPlans,,100,,,,,p1,,,,USD\n'), 'loaded', 'a bill');
SELECT is(pg_temp.amounts(), '120.7 -100 0 -10 0 7 4 -0.7 0 21 -99.7 0', 'its bridge');
SELECT is(pg_temp.amounts('EUR'), '2 0 0 0 0 0 0 0 0 2 0 0', 'and that of the other currency');
SELECT * FROM pg_temp.same('loaded');

-- 2.5 more usage, a refund of 9, no upfront fee: billed 120.7 + 2.5 - 9 - 100 = 14.2; effective 21 + 2.5 = 23.5
\set restated '1,2019-07-01,Usage,AmazonEC2,Run,12.500,,,,,,,,,USD\n1,2019-07-01,Refund,ComputeSavingsPlans,,-9,,,,,p1,,,,USD\n'
SELECT replace(:'restated', '\n', E'\n') AS restated \gset
SELECT is(pg_temp.load(:'commitments' || :'restated'), 'replaced', 'restated');
SELECT is(pg_temp.amounts(), '14.2 0 9 -10 0 7 4 -0.7 0 23.5 9.3 0', 'its bridge');
SELECT * FROM pg_temp.same('restated');

SELECT is(pg_temp.load(E'1,2019-07-01,Usage,AmazonEC2,Run,1.5,,,,,,,,,USD\n1,2019-07-01,Credit,AmazonEC2,,-0.25,,,,,,,,,USD\n', 'append'), 'appended', 'an increment with a credit');
SELECT is(pg_temp.amounts(), '15.45 0 9 -10 0 7 4 -0.7 0 24.75 9.3 0', 'its bridge');
SELECT * FROM pg_temp.same('appended');

-- digits that do not fit the sums of a load
SELECT is(pg_temp.load(:'commitments' || E'1,2019-07-01,Usage,AmazonEC2,Run,1.000000000000000000000000000000000001,,,,,,,,,USD\n'), 'replaced', 'another bill, without the increment');
SELECT is(count(DISTINCT source), 1::bigint, 'the increment is gone from the kinds') FROM finops.cost_kind WHERE billing_period = '2019-07-01';
SELECT * FROM pg_temp.same('many digits');

-- more kinds than one would think of, and than fit into memory
SELECT is(pg_temp.load((SELECT string_agg(format(E'1,2019-07-01,%s%s,AmazonEC2,Run,%s,,,,,,,,,USD\n', repeat('Kind', 1000), i % 5000, i / 100.0), '') FROM generate_series(1, 6000) i)), 'replaced', 'lines of many types');
SELECT * FROM pg_temp.same('many types');

-- facts changed by hand: the roll-ups are written anew
DELETE FROM fact_cost_raw WHERE bill_billing_period_start_date = '2019-07-01' AND billed_cost < 30;
SELECT finops.rebuild_rollup('2019-07-01') \g /dev/null
SELECT * FROM pg_temp.same('rebuilt');
DELETE FROM finops.cost_kind WHERE billing_period = '2019-07-01' AND billed_cost > 59;
SELECT is((SELECT amount FROM pg_temp.bridge WHERE position = 1), (SELECT sum(billed_cost) FROM fact_cost_raw WHERE bill_billing_period_start_date = '2019-07-01'), 'kinds that are not what was delivered are not believed');
SELECT * FROM finish();
ROLLBACK;

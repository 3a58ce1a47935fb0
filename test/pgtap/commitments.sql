-- Room insight: what the commitments of a month cover, waste and save
BEGIN;
SELECT no_plan();
SET LOCAL statement_timeout = '120s';

CREATE TEMP TABLE line (type text, product text, usage_type text, instance text, billed numeric, public numeric, currency text,
	plan text, plan_cost numeric, commitment numeric, used numeric, reservation text, reservation_cost numeric, unused numeric);

INSERT INTO line VALUES
	-- one plan used whole, one used 7 of 20
	('SavingsPlanCoveredUsage', 'AmazonEC2', 'BoxUsage:r5.large', 'r5.large', 100, 100, 'USD', 'A', 70, NULL, NULL, NULL, NULL, NULL),
	('SavingsPlanNegation', 'AmazonEC2', 'BoxUsage:r5.large', 'r5.large', -100, 0, 'USD', 'A', NULL, NULL, NULL, NULL, NULL, NULL),
	('SavingsPlanRecurringFee', 'ComputeSavingsPlans', 'ComputeSP', NULL, 70, 0, 'USD', 'A', NULL, 70, 70, NULL, NULL, NULL),
	('SavingsPlanCoveredUsage', 'AWSLambda', 'Lambda-GB-Second', NULL, 10, 10, 'USD', 'B', 7, NULL, NULL, NULL, NULL, NULL),
	('SavingsPlanNegation', 'AWSLambda', 'Lambda-GB-Second', NULL, -10, 0, 'USD', 'B', NULL, NULL, NULL, NULL, NULL, NULL),
	('SavingsPlanRecurringFee', 'ComputeSavingsPlans', 'ComputeSP', NULL, 20, 0, 'USD', 'B', NULL, 20, 7, NULL, NULL, NULL),
	-- a reservation of 4, used 3
	('DiscountedUsage', 'AmazonRDS', 'InstanceUsage:db.r5.large', 'db.r5.large', 0, 8, 'USD', NULL, NULL, NULL, NULL, 'R', 3, NULL),
	('RIFee', 'AmazonRDS', 'HeavyUsage:db.r5.large', 'db.r5.large', 4, 0, 'USD', NULL, NULL, NULL, NULL, 'R', NULL, 1);
INSERT INTO line VALUES
	-- on demand: instances, and more of a usage type that is covered
	('Usage', 'AmazonEC2', 'BoxUsage:m5.large', 'm5.large', 36, 36, 'USD'),
	('Usage', 'AWSLambda', 'Lambda-GB-Second', NULL, 4, 4, 'USD'),
	-- none of it: disks, spot, requests, instances of a service without commitments
	('Usage', 'AmazonEC2', 'EBS:VolumeUsage.gp3', NULL, 25, 25, 'USD'),
	('Usage', 'AmazonEC2', 'SpotUsage:m5.large', 'm5.large', 5, 5, 'USD'),
	('Usage', 'AWSLambda', 'Lambda-Request', NULL, 3, 3, 'USD'),
	('Usage', 'AmazonElastiCache', 'NodeUsage:cache.r5.large', 'cache.r5.large', 50, 50, 'USD'),
	('Tax', 'AmazonEC2', NULL, NULL, 9, 0, 'USD');

CREATE FUNCTION pg_temp.load(bill text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	path text := current_setting('data_directory') || '/finops_test_commitments.csv';
	object oid;
BEGIN
	SELECT lo_from_bytea(0, convert_to('identity/LineItemId,bill/PayerAccountId,bill/BillingPeriodStartDate,lineItem/UsageStartDate,lineItem/LineItemType,lineItem/ProductCode,lineItem/UsageType,product/instanceType,lineItem/UnblendedCost,pricing/publicOnDemandCost,lineItem/CurrencyCode,savingsPlan/SavingsPlanARN,savingsPlan/SavingsPlanEffectiveCost,savingsPlan/TotalCommitmentToDate,savingsPlan/UsedCommitment,reservation/ReservationARN,reservation/EffectiveCost,reservation/UnusedRecurringFee,reservation/UnusedAmortizedUpfrontFeeForBillingPeriod' || E'\n'
		|| string_agg(concat_ws(',', n, '111122223333', '2017-04-01T00:00:00Z', '2017-04-02T00:00:00Z', type, product, coalesce(usage_type, ''), coalesce(instance, ''), billed, coalesce(public::text, ''), currency,
			coalesce('arn:aws:savingsplans::1:savingsplan/' || plan, ''), coalesce(plan_cost::text, ''), coalesce(commitment::text, ''), coalesce(used::text, ''),
			coalesce('arn:aws:rds:us-east-1:1:ri:' || reservation, ''), coalesce(reservation_cost::text, ''), coalesce(unused::text, ''), coalesce(0 * unused, 0)) || E'\n', ''), 'UTF8'))
	INTO object FROM (SELECT row_number() OVER () AS n, * FROM line) l;
	PERFORM lo_export(object, path);
	PERFORM lo_unlink(object);
	PERFORM finops.load_bill(path, source_id => bill);
END $$;

SELECT pg_temp.load('commitments');

SELECT results_eq($$ SELECT provider, currency, ondemand_equivalent, covered, on_demand, fee, used, unused, savings, lines_without_price FROM finops.commitment_coverage('2017-04-01') $$,
	$$ VALUES ('AWS', 'USD', 158.0, 118.0, 40.0, 94.0, 80.0, 14.0, 24.0, 0::bigint) $$, 'amounts: only what a commitment could have covered is on demand');
SELECT results_eq($$ SELECT round(coverage, 12), round(utilisation, 12), round(discount, 12), round(break_even_utilisation, 12), round(effective_savings_rate, 12)
	FROM finops.commitment_coverage('2017-04-01') $$,
	$$ VALUES (round(118 / 158.0, 12), round(80 / 94.0, 12), round(38 / 118.0, 12), round(80 / 118.0, 12), round(24 / 158.0, 12)) $$, 'ratios are those of totals');
SELECT ok(abs(effective_savings_rate - coverage * (1 - (1 - discount) / utilisation)) < 1e-12, 'effective savings = coverage (1 - (1 - discount) / utilisation)')
FROM finops.commitment_coverage('2017-04-01');
SELECT is((SELECT sum(used) FROM finops.commitment_identity('2017-04-01')), used, 'as finops.commitment_identity has it')
FROM finops.commitment_coverage('2017-04-01');
SELECT is_empty($$ SELECT * FROM finops.commitment_coverage('2017-05-01') $$, 'a month without commitments has no row');

-- a covered line whose price nobody says
UPDATE fact_cost_raw SET list_cost = NULL, contracted_cost = NULL
WHERE source = 'commitments' AND line_item_usage_type = 'Lambda-GB-Second' AND commitment_discount_status = 'Used';
SELECT results_eq($$ SELECT lines_without_price, covered, coverage, effective_savings_rate, round(utilisation, 12) FROM finops.commitment_coverage('2017-04-01') $$,
	$$ VALUES (1::bigint, NULL::numeric, NULL::numeric, NULL::numeric, round(80 / 94.0, 12)) $$, 'without its price coverage is unknown, utilisation is not');

-- nothing of a plan used
UPDATE fact_cost_raw SET commitment_discount_status = 'Unused' WHERE source = 'commitments' AND commitment_discount_status = 'Used';
SELECT results_eq($$ SELECT covered, on_demand, fee, used, unused, savings, coverage, utilisation, discount, effective_savings_rate FROM finops.commitment_coverage('2017-04-01') $$,
	$$ VALUES (0.0, 0.0, 94.0, 0.0, 94.0, -94.0, NULL::numeric, 0.0, NULL::numeric, NULL::numeric) $$, 'all of it wasted');

SELECT throws_ok($$ SELECT * FROM finops.commitment_coverage(NULL) $$, '22004', NULL, 'no period');
SELECT throws_ok($$ SELECT * FROM finops.commitment_coverage('2017-04-02') $$, '22023', NULL, 'not the first of a month');

SELECT * FROM finish();
ROLLBACK;

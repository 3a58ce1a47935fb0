-- Room bill: public bills to the last digit, and what a load leaves behind.
\set shared `echo "$FINOPS_SHARED"`
BEGIN;
SELECT no_plan();

SELECT :'shared' <> '' AND (pg_stat_file(:'shared' || '/data/cur', true)).isdir IS TRUE AS have_bills \gset
CREATE FUNCTION pg_temp.bill(path text) RETURNS text LANGUAGE sql AS
	$$ SELECT current_setting('finops_test.shared') || '/data/' || path $$;
SELECT set_config('finops_test.shared', :'shared', true);

-- sums of a bill's load over its periods
CREATE FUNCTION pg_temp.load(path text) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', string_agg(DISTINCT status, ','), sum(rows_loaded), trim_scale(sum(billed_cost)), trim_scale(sum(effective_cost)))
	FROM finops.load_bill(pg_temp.bill(path))
$$;
CREATE FUNCTION pg_temp.rollup_is_exact() RETURNS SETOF text LANGUAGE sql AS $$
	SELECT is_empty($q$
		(SELECT bill_billing_period_start_date, coalesce(line_item_usage_start_date::date, bill_billing_period_start_date), source, provider,
			coalesce(line_item_usage_account_id, bill_payer_account_id), service, product_region, tenant_id, charge_category, line_item_currency_code,
			sum(billed_cost), sum(effective_cost), sum(list_cost), count(*)
		FROM fact_cost_raw GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
		EXCEPT ALL
		SELECT billing_period, usage_date, source, provider, account_id, service, region, tenant_id, charge_category, currency,
			billed_cost, effective_cost, list_cost, line_items FROM finops.cost_daily)
	$q$, 'the roll-up is the facts');
$$;

-- names and categories of services: one row for each, of FOCUS categories
SELECT is(array_agg(provider ORDER BY provider), '{AWS,Google Cloud,Microsoft,Oracle}', 'services of four providers') FROM (SELECT DISTINCT provider FROM finops.service_catalog) p;
SELECT is_empty($$ SELECT provider, service FROM finops.service_catalog WHERE shipped GROUP BY 1, 2 HAVING count(DISTINCT (service_category, service_subcategory)) > 1 $$, 'one category each');
SELECT is_empty($$ SELECT * FROM finops.service_catalog WHERE service <> trim(service) OR service = '' OR service_name = '' $$, 'without stray blanks');
SELECT results_eq($$ SELECT service_name, service_category, service_subcategory FROM finops.service_catalog
	WHERE (provider, service) IN (('Microsoft', 'Microsoft.Compute'), ('Google Cloud', 'Compute Engine'), ('Oracle', 'COMPUTE'), ('AWS', 'AmazonEC2')) ORDER BY provider $$,
	$$ VALUES ('Amazon Elastic Compute Cloud', 'Compute', 'Virtual Machines'), ('Compute Engine', 'Compute', 'Virtual Machines'),
		('Virtual Machines', 'Compute', 'Virtual Machines'), ('COMPUTE', 'Compute', 'Virtual Machines') $$, 'virtual machines of all of them');

\if :have_bills

SELECT is(pg_temp.load('cur/Oct2018-WorkshopCUR.csv.gz'), 'loaded 119307 4064.4831315379 4195.9571093179', 'a month with reservations');
SELECT is(pg_temp.load('cur/Oct2018-WorkshopCUR.csv.gz'), 'unchanged 0 4064.4831315379 4195.9571093179', 'and again');
SELECT is(count(*), 119307::bigint, 'has its lines once') FROM fact_cost_raw WHERE bill_billing_period_start_date = '2018-10-01';
SELECT is(sum(line_item_blended_cost), 4064.4831300796, 'blended cost') FROM fact_cost_raw WHERE bill_billing_period_start_date = '2018-10-01';
SELECT is(amount, 131.4739777800, 'effective less billed') FROM finops.cost_bridge('2018-10-01') WHERE line = 'effective less billed';
SELECT is(sum(amount), 0.0, 'no residual') FROM finops.cost_bridge('2018-10-01') WHERE line = 'residual';
SELECT is(amount, 232.25379599, 'commitment cost used') FROM finops.cost_bridge('2018-10-01') WHERE line = 'commitment cost used';
SELECT is(amount, 48.99556079, 'commitment cost unused') FROM finops.cost_bridge('2018-10-01') WHERE line = 'commitment cost unused';
SELECT results_eq($$ SELECT sum(fee), sum(used), sum(unused), array_agg(DISTINCT status) FROM finops.commitment_identity('2018-10-01') $$,
	$$ VALUES (281.24935160, 232.25379599, 48.99556079, '{ok}'::text[]) $$, 'reservations add up within the provider''s rounding');
SELECT is(count(resource_tags_user_cost_center), 34460::bigint, 'lines with a cost center') FROM fact_cost_raw WHERE bill_billing_period_start_date = '2018-10-01';
SELECT is(sum(billed_cost), 381.512234686, 'and their cost') FROM fact_cost_raw
WHERE bill_billing_period_start_date = '2018-10-01' AND resource_tags_user_cost_center IS NOT NULL;
SELECT is(array_agg(DISTINCT bill_invoice_id), ARRAY['156090591'], 'its invoice') FROM fact_cost_raw WHERE bill_billing_period_start_date = '2018-10-01';

SELECT is(pg_temp.load('cur/Workload_Step5CUR.csv.gz'), 'loaded 5941 70.2696581094 70.2696581094', 'a month with a savings plan');
SELECT is(sum(amount), 0.0, 'no residual') FROM finops.cost_bridge('2019-11-01') WHERE line = 'residual';
SELECT results_eq($$ SELECT sum(fee), sum(used), sum(unused), array_agg(DISTINCT status) FROM finops.commitment_identity('2019-11-01') $$,
	$$ VALUES (12.696, 12.696, 0.0, '{ok}'::text[]) $$, 'and savings plans');
SELECT is(pg_temp.load('cur/aws_sample.csv'), 'loaded 1281 1.6823086974 1.6823086974', 'legacy names, no resources, no tags');
SELECT is(count(*), 12::bigint, 'tax lines') FROM fact_cost_raw WHERE bill_billing_period_start_date = '2023-11-01' AND charge_category = 'Tax';

SELECT is(pg_temp.load('focus/focus_sample.csv'), 'loaded 1000 20.52022672899 14.97651418586', 'FOCUS from three providers');
SELECT results_eq($$ SELECT provider, count(*) FROM fact_cost_raw WHERE source LIKE '%focus_sample.csv' GROUP BY 1 ORDER BY 1 $$,
	$$ VALUES ('AWS', 942::bigint), ('Microsoft', 51), ('Oracle', 7) $$, 'by provider');
SELECT is(sum(list_cost), 20.39090575119, 'list cost') FROM fact_cost_raw WHERE source LIKE '%focus_sample.csv';
SELECT is(sum(contracted_cost), 14.97626039326, 'contracted cost') FROM fact_cost_raw WHERE source LIKE '%focus_sample.csv';
SELECT results_eq($$ SELECT sum(pricing_quantity), sum(consumed_quantity), count(*) - count(contracted_cost), count(*) - count(consumed_quantity), count(*) - count(nullif(pricing_category, ''))
	FROM fact_cost_raw WHERE source LIKE '%focus_sample.csv' $$, $$ VALUES (13438.62931081682, 13438.712904456820057, 7::bigint, 1::bigint, 7::bigint) $$, 'quantities, and what is not given');
SELECT is(count(other_columns ->> 'Id'), 1000::bigint, 'a column of its own is kept') FROM fact_cost_raw WHERE source LIKE '%focus_sample.csv';
SELECT is(count(resource_tags), 711::bigint, 'lines with tags') FROM fact_cost_raw WHERE source LIKE '%focus_sample.csv';
SELECT is(sum(amount), 0.0, 'no residual') FROM finops.cost_bridge('2024-09-01') WHERE line = 'residual';

-- the published correction in its three styles: 1200 and 300 of 1500, list 2000
CREATE FUNCTION pg_temp.lands(style text, outcome text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	RETURN NEXT is(pg_temp.load('focus/corrections_1.4/open_previous_s1_original.csv'), 'loaded 1 1500 1500', style || ': the original');
	RETURN NEXT is(pg_temp.load('focus/corrections_1.4/open_previous_s1_' || style || '.csv'), outcome, style || ': its correction');
	RETURN NEXT is(split_part(pg_temp.load('focus/corrections_1.4/open_previous_s1_' || style || '.csv'), ' ', 1), 'unchanged', style || ': and once more');
	RETURN NEXT results_eq($q$ SELECT line_item_resource_id, sum(billed_cost), sum(effective_cost), sum(list_cost), sum(line_item_usage_amount) FROM fact_cost_raw WHERE bill_billing_period_start_date = '2025-06-01' AND bill_invoice_id = 'INV-20250601-20250701' GROUP BY 1 ORDER BY 1 $q$,
		$q$ VALUES ('R-111', 1200::numeric, 1200::numeric, 1600::numeric, 800::numeric), ('R-222', 300, 300, 400, 200) $q$, style || ': together');
	RETURN QUERY SELECT * FROM pg_temp.rollup_is_exact();
END $$;
SAVEPOINT corrections;
SELECT * FROM pg_temp.lands('replacement', 'replaced 2 1500 1500');
ROLLBACK TO corrections;
SELECT * FROM pg_temp.lands('delta', 'appended 3 0 0');
ROLLBACK TO corrections;
SELECT * FROM pg_temp.lands('ledger', 'appended 2 0 0');
SELECT is(pg_temp.load('focus/corrections_1.4/open_previous_s1_replacement.csv'), 'replaced 2 1500 1500', 'a replacement takes the place of the ledger, too');
SELECT is(sum(billed_cost), 1500::numeric, 'and nothing counts twice') FROM fact_cost_raw WHERE bill_invoice_id = 'INV-20250601-20250701';
SELECT is((SELECT status FROM finops.load_bill(pg_temp.bill('focus/corrections_1.4/open_previous_s1_original.csv'), source_id => 'one')), 'loaded', 'an original under a name');
SELECT is((SELECT status FROM finops.load_bill(pg_temp.bill('focus/corrections_1.4/open_previous_s1_replacement.csv'), source_id => 'one')), 'replaced', 'and what replaces it');
SELECT results_eq($$ SELECT line_item_resource_id, sum(billed_cost) FROM fact_cost_raw WHERE source = 'one' GROUP BY 1 ORDER BY 1 $$,
	$$ VALUES ('R-111', 1200::numeric), ('R-222', 300) $$, 'stands alone');

-- small examples of the specification: what loads has its control total, what does not says why
CREATE TEMP TABLE example (path text, outcome text);
INSERT INTO example VALUES
	('commitment_discount_flexibility/one_hundred_percent_utilization_with_commitment_discount_flexibility_with_1_resource.csv', '3 2.75 2.75 6.25'),
	('commitment_discount_flexibility/one_hundred_percent_utilization_with_commitment_discount_flexibility_with_2_resources.csv', '3 2 2 8'),
	('commitment_discount_flexibility/one_hundred_percent_utilization_without_commitment_discount_flexibility.csv', '2 1.5 1.5 6'),
	('commitment_discount_flexibility/zero_percent_utilization_without_commitment_discount_flexibility.csv', '3 3.5 3.5 8'),
	('commitment_discount_scenarios/commitment_discount_purchase_scenario_1.csv', '1 8760 0'),
	('commitment_discount_scenarios/commitment_discount_purchase_scenario_2.csv', '22007 invalid time "2023-02-01T30:00:00Z" in column "ChargePeriodEnd", line 4'),
	('commitment_discount_scenarios/commitment_discount_purchase_scenario_3.csv', '22007 invalid time "2023-02-01T30:00:00Z" in column "ChargePeriodEnd", line 5'),
	('commitment_discount_scenarios/commitment_discount_usage_scenario_1.csv', '1 0 1'),
	('commitment_discount_scenarios/commitment_discount_usage_scenario_2.csv', '1 0 1'),
	('commitment_discount_scenarios/commitment_discount_usage_scenario_3.csv', '2 0 1'),
	('commitment_discount_scenarios/commitment_discount_usage_scenario_4.csv', '2 0.5 1.5'),
	('saas_examples/simple_agreements/simple_saas_agreements_a1.csv', '22P02 invalid number "$10,000.00" in column "BilledCost", line 2'),
	('saas_examples/simple_agreements/simple_saas_agreements_a2.csv', '22P02 invalid number "$50,000.00" in column "BilledCost", line 2'),
	('saas_examples/simple_agreements/simple_saas_agreements_a3.csv', '22P02 invalid number "$1,000.00" in column "BilledCost", line 2'),
	('saas_examples/simple_agreements/simple_saas_agreements_b.csv', '22P02 invalid number "$50,000.00" in column "BilledCost", line 2'),
	('saas_examples/simple_agreements/simple_saas_agreements_c.csv', '22P02 invalid number "$10,100.00" in column "BilledCost", line 2'),
	('saas_examples/spend_agreements/saas_spend_agreements_a1.csv', '4 1200 1200 1257 1200'),
	('saas_examples/spend_agreements/saas_spend_agreements_a2.csv', '13 1200 1200 1257 1200'),
	('saas_examples/spend_agreements/saas_spend_agreements_b1.csv', '5 1200 1200 2457 2400'),
	('saas_examples/spend_agreements/saas_spend_agreements_b2.csv', '14 1200 1200 2457 2400'),
	('saas_examples/virtual_currency_pricing_model_a1.csv', '1 200000 0 200000 200000'),
	('saas_examples/virtual_currency_pricing_model_b1.csv', '1 100000 0 200000 100000'),
	('saas_examples/virtual_currency_pricing_model_c.csv', '2 53000 0 53000 53000'),
	('saas_examples/virtual_currency_pricing_model_a2.csv', '3 0 1230 1230 1230'),
	('saas_examples/virtual_currency_pricing_model_b2.csv', '3 0 615 1230 615'),
	('saas_examples/virtual_currency_pricing_model_b3.csv', '3 0 495 1230 495');
-- lines, billed, effective, list and contracted cost
CREATE FUNCTION pg_temp.example(path text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM finops.load_bill(pg_temp.bill('focus/examples_1.2/' || path), source_id => path);
	RETURN (SELECT concat_ws(' ', count(*), trim_scale(sum(billed_cost)), trim_scale(sum(effective_cost)), trim_scale(sum(list_cost)), trim_scale(sum(contracted_cost)))
		FROM fact_cost_raw WHERE source = path);
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
SELECT is(pg_temp.example(path), outcome, path) FROM example ORDER BY path;

-- Azure: covered usage of the amortised export is not billed
SELECT is(pg_temp.load('azure/azure_ea_sample.csv'), 'loaded 27 1.26136926505726 1.26136926505726', 'an Azure export');
SELECT is(pg_temp.load('azure/EA_ActualCost_Small.csv'), 'loaded 11 8.5450077867419368 8.5450077867419368', 'actual cost');
SELECT is(pg_temp.load('azure/EA_AmortizedCost_Small.csv'), 'replaced 28 15.797780136168644627485419 16.296932136636644627485419', 'amortised cost');
SELECT results_eq($$ SELECT pricing_category, commitment_discount_type, sum(effective_cost) FROM fact_cost_raw
	WHERE provider = 'Microsoft' AND bill_payer_account_id = '8611537' GROUP BY 1, 2 ORDER BY 1, 2 $$,
	$$ VALUES ('Committed', 'Reservation', 0.493152), ('Committed', 'Savings Plan', 0.006000000468), ('Standard', NULL, 15.797780136168644627485419) $$, 'by pricing model');
SELECT is(count(*), 28::bigint, 'tags without braces') FROM fact_cost_raw
WHERE provider = 'Microsoft' AND bill_payer_account_id = '8611537' AND (resource_tags IS NULL OR jsonb_typeof(resource_tags) = 'object');
SELECT throws_ok(format('SELECT finops.load_bill(%L)', pg_temp.bill('azure/Template_ragged.csv')), '22P04',
	'line 2 has 10 fields, the header has 11', 'every line lacks its last field');
SELECT * FROM pg_temp.rollup_is_exact();

\else
SELECT skip('FINOPS_SHARED has no bills', 1);
\endif

-- what stands without any bill
SELECT ok(NOT has_function_privilege('public', p.oid, 'EXECUTE'), p.proname || ' is not for PUBLIC')
FROM pg_proc p WHERE p.oid IN ('finops.load_bill(text, text, date, text, text, text[])'::regprocedure, 'finops.rebuild_rollup(date)'::regprocedure, 'finops.cost_bridge(date)'::regprocedure)
ORDER BY p.proname;
SELECT throws_ok($$ INSERT INTO fact_cost_raw (bill_billing_period_start_date, provider, service, charge_category, billed_cost, effective_cost, source, delivery_id)
	VALUES ('1999-01-01', 'AWS', 'x', 'Usage', 1, 1, 'x', 1) $$, '23514', NULL, 'no month without its partition');
SELECT is_empty($$ SELECT * FROM finops.cost_bridge('1999-01-01') $$, 'a month without facts has no bridge');
SELECT is(finops.rebuild_rollup('1999-01-01'), 0::bigint, 'and an empty roll-up');

SELECT finish();
ROLLBACK;

-- reports as CSV, against figures worked out by hand
BEGIN;
SELECT * FROM no_plan();
SET LOCAL TimeZone = 'Asia/Tokyo';

INSERT INTO finops.cost_daily (billing_period, usage_date, source, provider, account_id, service, tenant_id, charge_category, currency, billed_cost, effective_cost, line_items) VALUES
	('2026-05-01', '2026-05-03', 's', 'aws', '1', 'Compute', 'acme', 'Usage', 'USD', 1000, 1000, 1),
	('2026-06-01', '2026-06-02', 's', 'aws', '1', 'Compute', 'acme', 'Usage', 'USD', 900.000000000000000000000001, 900, 2),
	('2026-06-01', '2026-06-03', 's', 'aws', NULL, E'a "b", c\nd', NULL, 'Credit', 'USD', -0.5, -0.5, 1),
	('2026-06-01', '2026-06-03', 's', 'aws', '1', 'Compute', 'acme', 'Usage', 'EUR', 7.25, 7.25, 1);

SELECT is(finops.report_csv('cost_by_service', '2026-06-01'),
E'provider,service,currency,effective_cost,billed_cost,effective_cost_last_month\r\n'
'aws,Compute,EUR,7.25,7.25,0\r\n'
'aws,Compute,USD,900,900.000000000000000000000001,1000\r\n'
'aws,"a ""b"", c\nd",USD,-0.5,-0.5,0\r\n', 'by service: quotes, every currency, every digit');
SELECT is(finops.report_csv('cost_by_tenant', '2026-06-01'),
E'tenant_id,currency,effective_cost,billed_cost,effective_cost_last_month\r\n'
'acme,EUR,7.25,7.25,0\r\nacme,USD,900,900.000000000000000000000001,1000\r\n,USD,-0.5,-0.5,0\r\n', 'by tenant: NULL is nothing');
SELECT is(finops.report_csv('cost_by_day', '2026-06-01'),
E'day,charge_category,currency,effective_cost,billed_cost,line_items\r\n'
'2026-06-02,Usage,USD,900,900.000000000000000000000001,2\r\n2026-06-03,Credit,USD,-0.5,-0.5,1\r\n2026-06-03,Usage,EUR,7.25,7.25,1\r\n', 'by day');
SELECT is(finops.report_csv('cost_by_month', '2026-06-01'),
E'month,currency,effective_cost,billed_cost,line_items\r\n2026-05-01,USD,1000,1000,1\r\n'
'2026-06-01,EUR,7.25,7.25,1\r\n2026-06-01,USD,899.5,899.500000000000000000000001,3\r\n', 'by month');
SELECT is(finops.report_csv('cost_by_account', '2011-01-01'), E'provider,account_id,currency,effective_cost,billed_cost,effective_cost_last_month\r\n', 'a month without anything has its header');
INSERT INTO finops.recommendation (recommendation_id, optimization_type, resource_id, potential_savings_usd, status) VALUES ('rc-1', 'terminate', 'a,b', 1.5, 'ACTIVE'), ('rc-2', 'terminate', 'c', 2, 'DISMISSED');
SELECT matches(finops.report_csv('recommendations', '2026-06-01'), E'^recommendation_id,state,optimization_type,[^\r]*\r\nrc-1,proposed,terminate,,,,,"a,b",USD,,1.5,[^\r]*\r\n$', 'open recommendations only');
INSERT INTO forecast.unit_kpi (kpi_date, driver_code, quantity) VALUES ('2026-06-05', 'orders', 100);
SELECT matches(finops.report_csv('unit_cost', '2026-06-01'), E'\r\norders,EUR,7.25,100,100[.]0*,0.07250*,[^\r]*\r\norders,USD,899.5,100,100[.]0*,8.9950*,[^\r]*\r\n$', 'cost of a unit in every currency');

-- every report of a month that was run
SELECT count(*) FROM finops.generate_bill('2025-03-01', 1000, 3, 5) \g /dev/null
SELECT finops.allocate('2025-03-01'), finops.reconcile('2025-03-01') \g /dev/null
SELECT matches(finops.report_csv(report, '2025-03-01'), E'^[a-z_0-9]+(,[a-z_0-9]+)+\r\n', report || ' has a header') FROM finops.reports();
SELECT is((SELECT sum(split_part(line, ',', 8)::numeric) FROM string_to_table(rtrim(finops.report_csv('allocation', '2025-03-01'), E'\r\n'), E'\r\n') WITH ORDINALITY AS l(line, n) WHERE n > 1),
	(SELECT sum(effective_cost) FROM fact_cost_raw WHERE bill_billing_period_start_date = '2025-03-01'), 'the allocation adds up to the facts');
SELECT is((SELECT array_agg(report) FROM finops.reports()), (SELECT array_agg(report ORDER BY report COLLATE "C") FROM finops.reports()), 'reports are in order');

SELECT throws_ok($$SELECT finops.report_csv('sales', '2026-06-01')$$, '22023', 'there is no report "sales"', 'an unknown report');
SELECT throws_ok($$SELECT finops.report_csv('', '2026-06-01')$$, '22023', NULL, 'no name');
SELECT throws_ok($$SELECT finops.report_csv(repeat('x''; --', 1000), '2026-06-01')$$, '22023', NULL, 'a hostile name');
SELECT throws_ok($$SELECT finops.report_csv(NULL, '2026-06-01')$$, '22004', NULL, 'NULL');
SELECT throws_ok($$SELECT finops.report_csv('bridge', NULL)$$, '22004', NULL, 'no month');
SELECT throws_ok($$SELECT finops.report_csv('bridge', '2026-06-02')$$, '22023', NULL, 'a day that is not the first');
SELECT throws_ok($$SELECT finops.report_csv('bridge', '9999-01-01')$$, '22023', NULL, 'a month to come');
CREATE ROLE report_csv_nobody;
SET LOCAL ROLE report_csv_nobody;
SELECT throws_ok($$SELECT finops.report_csv('bridge', '2026-06-01')$$, '42501', NULL, 'not for everybody');
SELECT lives_ok($$SELECT * FROM finops.reports()$$, 'their names are');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;

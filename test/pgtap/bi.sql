-- the star views: one total wherever one looks, whatever the lines are like
BEGIN;
SELECT * FROM no_plan();
SET LOCAL TimeZone = 'Pacific/Kiritimati';

-- lines as bills have them: no tenant, no account, no region; credits, tax,
-- amounts of many digits, several currencies; names that keys could confuse
INSERT INTO finops.cost_daily (billing_period, usage_date, source, provider, account_id, service, region, tenant_id, charge_category, currency, billed_cost, effective_cost, list_cost, line_items) VALUES
	('2026-05-01', '2026-05-03', 's', 'AWS', '1', 'AmazonEC2', 'eu-west-1', 'acme', 'Usage', 'USD', 1000.000000000000000000000001, 900, 1200, 7),
	('2026-05-01', '2026-05-03', 's2', 'AWS', '1', 'AmazonEC2', 'eu-west-1', 'acme', 'Usage', 'USD', 0.1, 0.1, NULL, 1),
	('2026-05-01', '2026-05-04', 's', 'AWS', '1', 'AmazonEC2', 'eu-west-1', NULL, 'Usage', 'USD', 17.5, 17.5, NULL, 1),
	('2026-05-01', '2026-05-04', 's', 'AWS', NULL, 'Tax', NULL, NULL, 'Tax', 'USD', 80.01, 80.01, NULL, 1),
	('2026-05-01', '2026-06-01', 's', 'AWS', NULL, 'Refund', NULL, NULL, 'Credit', 'USD', -300.25, -300.25, NULL, 1),
	('2026-05-01', '2019-02-28', 's', 'a/b', 'c', 'x', '', 'it''s "<odd>", really', 'Adjustment', 'USD', -0.000000000000000000000001, 0, NULL, 1),
	('2026-05-01', '2026-05-05', 's', 'a', 'b/c', 'b/x', 'r', '(none)', 'Usage', 'USD', 5, 5, 5, 1),
	('2026-05-01', '2026-05-05', 's', 'a%2Fb', 'c', 'x', 'r', repeat('long ', 60), 'Usage', 'USD', 3, 3, 3, 1),
	('2026-05-01', '2026-05-05', 's', 'Microsoft', '1', 'AmazonEC2', 'eu-west-1', 'acme', 'Usage', 'EUR', 44.44, 40, 50, 2),
	('2026-06-01', '2026-06-05', 's', 'Microsoft', '1', 'Storage', 'eu-west-1', E'\u05E9\u05DC\u05D5\u05DD', 'Purchase', 'JPY', 100, 0, 100, 1),
	('2026-06-01', '2026-06-30', 's', 'AWS', '1', 'AmazonEC2', 'eu-west-1', 'acme', 'Usage', 'USD', 999999999999999999.99, 1, NULL, 3);

CREATE TEMP TABLE expected AS
SELECT currency, sum(billed_cost) AS billed, sum(effective_cost) AS effective, sum(list_cost) AS list, sum(line_items) AS lines FROM finops.cost_daily GROUP BY currency;
SELECT is((SELECT billed FROM expected WHERE currency = 'USD'), 1000000000000000805.350000000000000000000000::numeric, 'the total by hand');

PREPARE expected AS SELECT * FROM expected ORDER BY currency;
SELECT results_eq('SELECT currency_key, sum(billed_cost), sum(effective_cost), sum(list_cost), sum(line_items)::numeric FROM bi_fact_cost_day GROUP BY 1 ORDER BY 1',
	'expected', 'by day');
SELECT results_eq('SELECT currency_key, sum(billed_cost), sum(effective_cost), sum(list_cost), sum(line_items)::numeric FROM bi_fact_cost_month GROUP BY 1 ORDER BY 1',
	'expected', 'by month');
SELECT results_eq($$SELECT currency_key, sum(billed_cost), sum(effective_cost), sum(list_cost), sum(line_items)::numeric FROM bi_fact_cost_day
	JOIN bi_dim_date USING (date_key) JOIN bi_dim_billing_period USING (billing_period) JOIN bi_dim_provider USING (provider_key)
	JOIN bi_dim_account USING (account_key) JOIN bi_dim_service USING (service_key) JOIN bi_dim_region USING (region_key)
	JOIN bi_dim_tenant USING (tenant_key) JOIN bi_dim_charge_category USING (charge_category_key) JOIN bi_dim_currency USING (currency_key) GROUP BY 1 ORDER BY 1$$,
	'expected', 'by day, through every dimension');
SELECT results_eq($$SELECT currency_key, sum(billed_cost), sum(effective_cost), sum(list_cost), sum(line_items)::numeric FROM bi_fact_cost_month
	JOIN bi_dim_billing_period USING (billing_period) JOIN bi_dim_provider USING (provider_key)
	JOIN bi_dim_account USING (account_key) JOIN bi_dim_service USING (service_key) JOIN bi_dim_region USING (region_key)
	JOIN bi_dim_tenant USING (tenant_key) JOIN bi_dim_charge_category USING (charge_category_key) JOIN bi_dim_currency USING (currency_key) GROUP BY 1 ORDER BY 1$$,
	'expected', 'by month, through every dimension');

-- the grain, and keys that are unique and never NULL
SELECT is_empty($$SELECT 1 FROM bi_fact_cost_day GROUP BY billing_period, date_key, provider_key, account_key, service_key, region_key, tenant_key, charge_category_key, currency_key HAVING count(*) > 1$$,
	'the grain of bi_fact_cost_day');
SELECT is_empty($$SELECT 1 FROM bi_fact_cost_month GROUP BY billing_period, provider_key, account_key, service_key, region_key, tenant_key, charge_category_key, currency_key HAVING count(*) > 1$$,
	'the grain of bi_fact_cost_month');
SELECT is((SELECT (line_items, billed_cost)::text FROM bi_fact_cost_day WHERE date_key = '2026-05-03'), '(8,1000.100000000000000000000001)', 'two deliveries of a day are one row');
SELECT is((SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'v' AND c.relname ~ '^bi_'
	AND n.oid = (SELECT extnamespace FROM pg_extension WHERE extname = 'finops')), 13::bigint, 'thirteen views');
SELECT is_empty(format('SELECT %I FROM %I GROUP BY 1 HAVING count(*) > 1 OR %1$I IS NULL', key, view), view || ': one row for each key')
FROM (VALUES ('bi_dim_date', 'date_key'), ('bi_dim_billing_period', 'billing_period'), ('bi_dim_provider', 'provider_key'), ('bi_dim_account', 'account_key'),
	('bi_dim_service', 'service_key'), ('bi_dim_region', 'region_key'), ('bi_dim_tenant', 'tenant_key'),
	('bi_dim_charge_category', 'charge_category_key'), ('bi_dim_currency', 'currency_key'), ('bi_fact_invoice', 'invoice_id')) AS v(view, key);
SELECT is_empty($$SELECT * FROM bi_fact_cost_day f WHERE NOT (f.account_key IS NOT NULL AND f.service_key IS NOT NULL AND f.region_key IS NOT NULL AND f.tenant_key IS NOT NULL)$$, 'no key is NULL');
SELECT results_eq($$SELECT service_key, service_name, service_category FROM bi_dim_service WHERE provider_key IN ('AWS', 'a', 'a/b', 'a%2Fb') AND service_key !~ 'Refund|Tax' ORDER BY service_key COLLATE "C"$$,
	$$VALUES ('AWS/AmazonEC2', 'Amazon Elastic Compute Cloud', 'Compute'), ('a%252Fb/x', 'x', 'Other'), ('a%2Fb/x', 'x', 'Other'), ('a/b/x', 'b/x', 'Other')$$, 'keys of odd names differ; known services have their category');
SELECT results_eq($$SELECT date_key, year, quarter, month, month_start, year_month, day_of_month, iso_year, iso_week, day_of_week, day_name, is_weekend FROM bi_dim_date WHERE date_key IN ('2019-02-28', '2026-05-31') ORDER BY 1$$,
	$$VALUES (date '2019-02-28', 2019, 1, 2, date '2019-02-01', '2019-02', 28, 2019, 9, 4, 'Thursday', false), (date '2026-05-31', 2026, 2, 5, date '2026-05-01', '2026-05', 31, 2026, 22, 7, 'Sunday', true)$$, 'days');
SELECT is((SELECT count(*) FROM bi_dim_date WHERE year_month IN ('2026-05', '2026-06')), 61::bigint, 'every day of a billing period');
SELECT is((SELECT (tenant_id, tenant_name, is_registered)::text FROM bi_dim_tenant WHERE tenant_key = ''), '(,"(none)",f)', 'cost without a tenant');
SELECT is(finops.bi_key(NULL, NULL), '/', 'nothing has a key too');
SELECT isnt(finops.bi_key('a', '/b'), finops.bi_key('a/', 'b'), 'keys differ');

-- an allocated month: what was placed is what came in
DELETE FROM finops.cost_daily;
SELECT count(*) FROM finops.generate_bill('2025-03-01', 2000, 5, 11) \g /dev/null
SELECT finops.allocate('2025-03-01') \g /dev/null
SELECT results_eq($$SELECT currency_key, sum(allocated_cost) FROM bi_fact_allocation_month WHERE billing_period = '2025-03-01' GROUP BY 1$$,
	$$SELECT currency_key, sum(effective_cost) FROM bi_fact_cost_month WHERE billing_period = '2025-03-01' GROUP BY 1$$, 'allocated is cost in');
SELECT results_eq($$SELECT currency_key, sum(allocated_cost) FROM bi_fact_allocation_month JOIN bi_dim_tenant USING (tenant_key) JOIN bi_dim_billing_period USING (billing_period) JOIN bi_dim_currency USING (currency_key) GROUP BY 1$$,
	$$SELECT line_item_currency_code, sum(effective_cost) FROM fact_cost_raw GROUP BY 1$$, 'through its dimensions, it is the facts');
SELECT is_empty($$SELECT 1 FROM bi_fact_allocation_month GROUP BY billing_period, tenant_key, allocation_kind, service, currency_key HAVING count(*) > 1$$, 'the grain of bi_fact_allocation_month');

-- who sees what
SELECT min(tenant_id) AS tenant FROM tenant_master \gset
CREATE ROLE bi_reader;
CREATE ROLE bi_tenant;
CREATE ROLE bi_nobody;
SELECT finops.grant_role('reader', 'bi_reader'), finops.grant_role('tenant', 'bi_tenant', :'tenant') \g /dev/null
CREATE TEMP TABLE own AS SELECT sum(billed_cost) AS billed FROM finops.cost_daily WHERE tenant_id = :'tenant';
GRANT SELECT ON own, expected TO bi_reader, bi_tenant;
CREATE FUNCTION pg_temp.readable(schemas text) RETURNS TABLE (relation text) LANGUAGE sql STABLE AS $$
	SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE c.relkind IN ('r', 'p', 'v', 'm') AND n.nspname ~ schemas AND has_table_privilege(c.oid, 'SELECT') $$;
SELECT is_empty($$SELECT c.relname FROM pg_class c WHERE c.relname ~ '^bi_(fact|dim)' AND NOT 'security_invoker=true' = ANY (c.reloptions)$$, 'every view reads with the rights of its caller');

SET LOCAL ROLE bi_reader;
SELECT is((SELECT count(*) FROM bi_dim_tenant WHERE tenant_key <> ''), 5::bigint, 'a reader sees every tenant');
SELECT throws_ok(format('SELECT * FROM %s', r), '42501', NULL, r || ' is not for a BI role')
FROM unnest('{finops.access_right,finops.role_grant,finops.number_series,finops.period_seal,finops.channel,finops.outbox,finops.bank_line,finops.job}'::text[]) AS r;
SELECT is_empty($$SELECT relation FROM pg_temp.readable('^(finops|forecast|cur_database)$') WHERE relation ~ '^finops\.fact_|seal|number_series|role_grant|bank|outbox|channel|payer'$$, 'internal tables and partitions are not readable by a BI role');
SET LOCAL ROLE bi_tenant;
SELECT is((SELECT sum(billed_cost) FROM bi_fact_cost_day), (SELECT billed FROM own), 'a tenant sees its own cost');
SELECT results_eq('SELECT DISTINCT tenant_key FROM bi_fact_cost_month UNION SELECT tenant_key FROM bi_fact_allocation_month UNION SELECT tenant_key FROM bi_dim_tenant',
	format('VALUES (%L)', :'tenant'), 'and no other');
SET LOCAL ROLE bi_nobody;
SELECT throws_ok('SELECT * FROM bi_fact_cost_day', '42501', NULL, 'nobody sees nothing');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;

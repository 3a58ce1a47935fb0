-- What finops.setup() tells to do next can be run as it stands, and then is done.
BEGIN;
SELECT plan(16);

CREATE FUNCTION pg_temp.state(wanted text) RETURNS text LANGUAGE sql AS $$ SELECT s.state FROM finops.setup() s WHERE s.subject = wanted $$;
CREATE FUNCTION pg_temp.detail(wanted text) RETURNS text LANGUAGE sql AS $$ SELECT s.detail FROM finops.setup() s WHERE s.subject = wanted $$;
CREATE FUNCTION pg_temp.next_call(wanted text) RETURNS text LANGUAGE sql AS $$ SELECT s.next_call FROM finops.setup() s WHERE s.subject = wanted $$;
CREATE TEMP TABLE before ON COMMIT DROP AS SELECT (SELECT count(*) FROM tenant_master) AS tenants, (SELECT count(*) FROM plan_master) AS plans,
	(SELECT count(*) FROM finops.cost_daily) AS days, (SELECT count(*) FROM allocation_rules) AS rules, (SELECT count(*) FROM finops.issuer) AS issuers;
SELECT results_eq('SELECT * FROM before', 'VALUES (0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint)', 'a database in which nothing happened yet');

SELECT is(pg_temp.next_call('bill'), $$SELECT * FROM finops.load_bill('/path/to/bill.csv.gz')$$, 'first a bill');
SELECT is(pg_temp.next_call('tenants'), $$SELECT * FROM finops.register_tenant('TEN00001', 'Example Ltd')$$, 'without a bill a tenant is made up');

INSERT INTO finops.cost_daily (billing_period, usage_date, source, provider, account_id, service, tenant_id, charge_category, currency, billed_cost, effective_cost, list_cost, line_items)
VALUES ('2023-08-01', '2023-08-02', 'test', 'AWS', '1', 'EC2', 'S-1', 'Usage', 'USD', 1, 1, 1, 1), ('2023-09-01', '2023-09-02', 'test', 'AWS', '1', 'EC2', NULL, 'Usage', 'USD', 2, 3, 2, 2);
INSERT INTO tenant_master (tenant_id, tenant_name, status, billing_mode) VALUES ('S-1', 'S-1', 'unregistered', 'showback');
SELECT is(pg_temp.detail('bill'), '3 lines in 2 months, effective cost 4.00', 'many');
DELETE FROM finops.cost_daily WHERE billing_period = '2023-09-01';
SELECT is(pg_temp.detail('bill'), '1 line in 1 month, effective cost 1.00', 'one');

SELECT lives_ok(pg_temp.next_call('tenants'), 'the call for tenants');
SELECT is(pg_temp.detail('tenants'), '1 tenant, 1 with invoices, 0 unregistered (showback only)', 'the tenant gets invoices');
SELECT is(pg_temp.next_call('allocation rules'), $$SELECT finops.add_allocation_rule('shared', 'proportional', '2023-08-01')$$, 'a rule that the oldest open month needs');
SELECT lives_ok(pg_temp.next_call('allocation rules'), 'the call for rules');
SELECT is(pg_temp.detail('allocation rules'), '1 rule in force', 'one rule');
SELECT lives_ok(pg_temp.next_call('issuer'), 'the call for the issuer');
SELECT is(pg_temp.state('issuer'), 'ok', 'the issuer is complete');
SELECT lives_ok(pg_temp.next_call('plans'), 'the call for plans');
SELECT lives_ok(pg_temp.next_call('plan bindings'), 'the call for bindings');
SELECT is(pg_temp.state('plan bindings') || ', ' || pg_temp.detail('plans'), 'ok, 1 plan', 'the tenant has the plan');
SELECT is(pg_temp.next_call('month close'), $$CALL finops.close_month('2023-08-01')$$, 'then the close');

SELECT * FROM finish();
ROLLBACK;

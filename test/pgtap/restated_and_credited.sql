-- A month is closed; the provider then restates it and credits the same amount in the next month's bill.  Worked out by hand.
-- May: A 100 of x, B 50 of y, C 30 shared 2:1, so x has 120 and y 60.  Restated: A 76, C 24; that is 30 less.
BEGIN;
SELECT plan(38);
SET LOCAL client_min_messages = error;
CREATE FUNCTION pg_temp.load(month date, VARIADIC line text[]) RETURNS TABLE (of_month text, status text) LANGUAGE plpgsql AS $$
DECLARE
	path text := current_setting('data_directory') || '/finops_test_restated.csv';
	object oid;
BEGIN
	SELECT lo_from_bytea(0, convert_to(E'BillingPeriodStart,BillingAccountId,ProviderName,ServiceName,ChargePeriodStart,ChargePeriodEnd,ResourceId,BilledCost,EffectiveCost,ChargeCategory,Tags,BillingCurrency,InvoiceId\n'
		|| string_agg(format(E'%s,acc,Acme Cloud,Compute,%s,%s,%s,%s,%s,%s,%s,USD,I-%s\n', to_char($1, 'YYYY-MM-DD'), coalesce(p[5], to_char($1, 'YYYY-MM-DD')), to_char(coalesce(p[5]::date, $1) + 1, 'YYYY-MM-DD'),
			p[1], p[2], p[2], coalesce(nullif(p[3], ''), 'Usage'), CASE WHEN p[4] <> '-' THEN format('"{""tenant_id"": ""%s""}"', p[4]) ELSE '' END, to_char($1, 'YYYYMM')), '' ORDER BY n), 'UTF8'))
	INTO object FROM (SELECT string_to_array(l, ' ') AS p, n FROM unnest(line) WITH ORDINALITY AS u(l, n)) u;
	PERFORM lo_export(object, path);
	PERFORM lo_unlink(object);
	RETURN QUERY SELECT to_char(l.billing_period, 'YYYY-MM'), l.status FROM finops.load_bill(path) l;
END $$;
CREATE FUNCTION pg_temp.reconcile(period date) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM finops.allocate(period);
	PERFORM finops.reconcile(period);
	PERFORM finops.prepare_invoices(period);
	RETURN finops.reconcile(period);
END $$;
-- corrections and offsets count in the sums by kind, as their lines do
CREATE VIEW pg_temp.other_kinds AS
WITH f AS (SELECT bill_billing_period_start_date, source, line_item_line_item_type, effective_cost = 0, sum(billed_cost) AS billed, sum(effective_cost) AS effective, count(*) FROM fact_cost_raw WHERE bill_billing_period_start_date IN ('2017-05-01', '2017-06-01') GROUP BY 1, 2, 3, 4),
k AS (SELECT billing_period, source, line_type, free, sum(billed_cost) AS billed, sum(effective_cost) AS effective, sum(line_items)::bigint FROM finops.cost_kind WHERE billing_period IN ('2017-05-01', '2017-06-01') GROUP BY 1, 2, 3, 4)
(TABLE f EXCEPT TABLE k) UNION ALL (TABLE k EXCEPT TABLE f);
CREATE VIEW pg_temp.june AS
SELECT coalesce(to_char(origin_period, 'YYYY-MM'), '') AS origin, tenant_id, sum(allocated_cost_usd) AS cost FROM fact_cost_allocated WHERE period_start = '2017-06-01' GROUP BY 1, 2 HAVING sum(allocated_cost_usd) <> 0;

SELECT finops.set_issuer('Example Ltd', '1 Street', 'VAT-1', 'USD', 'RC-{SEQ:4}') \g /dev/null
SELECT count(*) FROM (VALUES ('rc-x'), ('rc-y')) t(id), LATERAL finops.register_tenant(id, id, '{"address": "2 Street"}', '{"rate_pct": 0}', 'invoice', 'USD') \g /dev/null
SELECT finops.set_plan('rc', base_price => 0) \g /dev/null
SELECT count(*) FROM (VALUES ('rc-x'), ('rc-y')) t(id), LATERAL finops.bind_plan(id, 'rc', '2017-05-01') \g /dev/null
SELECT finops.add_allocation_rule('rc-shared', 'proportional', '2017-01-01') \g /dev/null
SELECT results_eq($$SELECT * FROM pg_temp.load('2017-05-01', 'A 100 Usage rc-x', 'B 50 Usage rc-y', 'C 30')$$, $$VALUES ('2017-05'::text, 'loaded'::text)$$, 'the month is loaded');
SELECT is(pg_temp.reconcile('2017-05-01'), 'RECON-2017-05', 'allocated and reconciled');
SELECT results_eq($$SELECT tenant_id, sum(cost) FROM invoice_header JOIN invoice_detail USING (invoice_id, tenant_id) WHERE invoice_header.period_start = '2017-05-01' GROUP BY 1 ORDER BY 1$$,
	$$VALUES ('rc-x'::text, 120::numeric), ('rc-y', 60)$$, 'documents pass on 120 and 60');
SELECT count(*) FROM finops.issue_invoices('2017-05-01') \g /dev/null
SELECT ok(length(finops.lock_period('2017-05-01')) = 64, 'issued and locked');
SELECT is_empty($$SELECT * FROM finops.verify_period('2017-05-01')$$, 'the lock holds');
CREATE TEMP TABLE sealed AS SELECT object, row_count, digest FROM finops.period_seal WHERE period_start = '2017-05-01';

-- a line of a document back to the bill
CREATE TEMP VIEW explained AS SELECT e.* FROM invoice_detail d, LATERAL finops.explain_invoice_line(d.invoice_id, d.line_no) e WHERE d.period_start = '2017-05-01' AND d.tenant_id = 'rc-x' AND d.line_type = 'allocation';
SELECT results_eq($$SELECT step, name, amount FROM explained WHERE step IN ('entry', 'rule') ORDER BY position$$,
	$$VALUES ('entry'::text, 'Acme Cloud|Compute|Usage|USD|direct-tag|rc-x'::text, 100::numeric), ('entry', 'Acme Cloud|Compute|Usage|USD|rc-shared', 20), ('rule', 'direct-tag', 100), ('rule', 'rc-shared', 20)$$, 'its entries and rules');
SELECT is((SELECT round((reference ->> 'key_value')::numeric / (reference ->> 'key_total')::numeric * 3, 6) FROM explained WHERE name LIKE '%rc-shared' AND step = 'entry'), 2.000000, 'two of three parts of the shared cost');
SELECT results_eq($$SELECT name, amount FROM explained WHERE step = 'delivery'$$, $$VALUES ('Acme Cloud/acc'::text, 180::numeric)$$, 'the delivery');
SELECT ok((SELECT bool_and(l.n > 0) FROM explained x, LATERAL (SELECT count(*) AS n FROM finops.entry_lines((x.reference ->> 'entry_id')::bigint)) l WHERE x.step = 'entry'), 'and their bill lines');
SELECT throws_ok($$SELECT * FROM finops.explain_invoice_line('none', 1)$$, '22023', 'document "none" has no line 1', 'a line that does not exist');

SAVEPOINT locked;
-- restated first: 30 less are posted in June; then the bill of June credits 24 and 6 as well
SELECT results_eq($$SELECT * FROM pg_temp.load('2017-06-01', 'A 60 Usage rc-x', 'B 60 Usage rc-y')$$, $$VALUES ('2017-06'::text, 'loaded'::text)$$, 'June');
SELECT results_eq($$SELECT * FROM pg_temp.load('2017-05-01', 'A 76 Usage rc-x', 'B 50 Usage rc-y', 'C 24')$$, $$VALUES ('2017-05'::text, 'corrected'::text)$$, 'May again');
SELECT pg_temp.reconcile('2017-06-01') \g /dev/null
SELECT results_eq('SELECT * FROM pg_temp.june ORDER BY 1, 2', $$VALUES (''::text, 'rc-x'::text, 60::numeric), ('', 'rc-y', 60), ('2017-05', 'rc-x', -28), ('2017-05', 'rc-y', -2)$$,
	'24 less of x, and 6 shared as they were in May');
SELECT is((SELECT aws_total_usd FROM recon_summary WHERE recon_id = 'RECON-2017-06' AND service = 'ALL'), 90::numeric, 'cost in of June before the credit');
SELECT results_eq($$SELECT * FROM pg_temp.load('2017-06-01', 'A 60 Usage rc-x', 'B 60 Usage rc-y', 'credit -30 Credit - 2017-05-10')$$, $$VALUES ('2017-06'::text, 'replaced'::text)$$, 'June with a credit of the same amount');
SELECT pg_temp.reconcile('2017-06-01') \g /dev/null
CREATE TEMP VIEW outcome AS
SELECT 'cost in' AS what, aws_total_usd AS amount FROM finops.recon_run WHERE recon_id = 'RECON-2017-06'
UNION ALL SELECT 'allocated', allocated_total_usd FROM finops.recon_run WHERE recon_id = 'RECON-2017-06'
UNION ALL SELECT 'invoiced', invoiced_total_usd FROM finops.recon_run WHERE recon_id = 'RECON-2017-06'
UNION ALL SELECT tenant_id, sum(cost) FROM pg_temp.june GROUP BY 1
UNION ALL SELECT 'locked and corrections', sum(billed_cost) FROM fact_cost_raw WHERE bill_billing_period_start_date = '2017-05-01'
	OR origin_period = '2017-05-01' AND delivery_id IN (SELECT delivery_id FROM finops.delivery WHERE kind = 'correction')
UNION ALL SELECT 'delivered', delivered_billed_cost FROM finops.delivery WHERE kind = 'correction' AND status = 'current' AND origin_period = '2017-05-01'
UNION ALL SELECT 'flagged', amount FROM finops.delivery_flag WHERE flag = 'credited_twice' AND origin_period = '2017-05-01' AND source = 'Acme Cloud/acc'
UNION ALL SELECT e.cause, e.variance_usd FROM recon_exceptions e WHERE recon_id = 'RECON-2017-06' AND category = 'Timing' AND cause IS NOT NULL;
CREATE TEMP TABLE expected (what text, amount numeric);
INSERT INTO expected VALUES ('allocated', 90), ('cost in', 90), ('credited twice', 30), ('delivered', 150), ('flagged', -30), ('invoiced', 90), ('locked and corrections', 150), ('rc-x', 32), ('rc-y', 58), ('restated', -30);
SELECT results_eq('SELECT what::text, amount FROM outcome ORDER BY what COLLATE "C"', 'SELECT * FROM expected ORDER BY what COLLATE "C"', 'posted once, flagged, and everything counts it once');
SELECT results_eq($$SELECT description FROM recon_exceptions WHERE recon_id = 'RECON-2017-06' AND cause IN ('restated', 'credited twice') ORDER BY cause$$,
	$$VALUES ('-30.00 USD credited for 2017-05 though restated as well: taken back, it counts once'::text), ('-30.00 USD of corrections of 2017-05, which is locked')$$, 'and the reconciliation says so');
SELECT results_eq($$SELECT c ->> 'kind', c ->> 'origin_period', (c ->> 'billed_cost')::numeric FROM finops.recon_run, jsonb_array_elements(evidence -> 'corrections') c WHERE recon_id = 'RECON-2017-06' ORDER BY 1$$,
	$$VALUES ('correction'::text, '2017-05'::text, -30::numeric), ('offset', '2017-05', 30)$$, 'its evidence too');
SELECT is_empty($$SELECT * FROM finops.verify_period('2017-05-01')$$, 'the locked month is as it was');
SELECT results_eq($$SELECT object, row_count, digest FROM finops.period_seal WHERE period_start = '2017-05-01' ORDER BY 1$$, 'SELECT * FROM sealed ORDER BY 1', 'and its seal');
SELECT is((SELECT state FROM finops.readiness('2017-06-01') WHERE item = 'corrections'), 'ok', 'locked lines and corrections are the control total');

SELECT is_empty('SELECT * FROM pg_temp.other_kinds', 'the sums by kind are the facts');

-- who owns the tables changes a correction, then what was delivered
SAVEPOINT untampered;
UPDATE fact_cost_raw SET billed_cost = billed_cost - 0.000001 WHERE bill_billing_period_start_date = '2017-06-01' AND origin_period = '2017-05-01' AND billed_cost = 24;
SELECT results_eq($$SELECT * FROM finops.verify_period('2017-05-01')$$,
	$$VALUES ('delivery'::text, 'source Acme Cloud/acc delivered 150 billed, 150 effective; locked lines and corrections are 149.999999 and 150'::text)$$, 'a changed correction is found');
ROLLBACK TO untampered;
UPDATE finops.cost_daily SET billed_cost = billed_cost + 1 WHERE billing_period = '2017-06-01' AND source LIKE '%#corrections/2017-05' AND billed_cost < 0;
SELECT ok((SELECT state = 'blocked' AND detail LIKE '%2017-05 of Acme Cloud/acc is off by %' AND next_call = 'SELECT * FROM finops.verify_period(''2017-05-01'')' FROM finops.readiness('2017-06-01') WHERE item = 'corrections'), 'and shuts the next close');
ROLLBACK TO untampered;
DELETE FROM fact_cost_raw WHERE bill_billing_period_start_date = '2017-06-01' AND origin_period = '2017-05-01' AND delivery_id IN (SELECT delivery_id FROM finops.delivery WHERE kind = 'correction');
SELECT is((SELECT problem FROM finops.verify_period('2017-05-01') WHERE object = 'delivery'), 'source Acme Cloud/acc delivered 150 billed, 150 effective; locked lines and corrections are 180 and 180', 'as are deleted ones');
ROLLBACK TO untampered;
ALTER TABLE finops.fact_cost_raw_2017_05 DISABLE TRIGGER USER;
UPDATE fact_cost_raw SET billed_cost = billed_cost + 7 WHERE bill_billing_period_start_date = '2017-05-01' AND line_item_resource_id = 'B';
SELECT set_eq($$SELECT object FROM finops.verify_period('2017-05-01')$$, $$VALUES ('delivery'::text), ('fact_cost_raw'), ('finops.fact_cost_raw_2017_05')$$, 'a changed locked line breaks seal and control total');

ROLLBACK TO locked;
-- the credit first, then the restatement
SELECT results_eq($$SELECT * FROM pg_temp.load('2017-06-01', 'A 60 Usage rc-x', 'B 60 Usage rc-y', 'credit -30 Credit - 2017-05-10')$$, $$VALUES ('2017-06'::text, 'loaded'::text)$$, 'the credit comes first');
SELECT pg_temp.reconcile('2017-06-01') \g /dev/null
SELECT is((SELECT aws_total_usd FROM finops.recon_run WHERE recon_id = 'RECON-2017-06'), 90::numeric, 'and counts');
SELECT results_eq($$SELECT * FROM pg_temp.load('2017-05-01', 'A 76 Usage rc-x', 'B 50 Usage rc-y', 'C 24')$$, $$VALUES ('2017-05'::text, 'corrected'::text)$$, 'May again');
SELECT pg_temp.reconcile('2017-06-01') \g /dev/null
SELECT is((SELECT aws_total_usd FROM finops.recon_run WHERE recon_id = 'RECON-2017-06'), 90::numeric, 'it still counts once');
SELECT results_eq('SELECT tenant_id, sum(cost) FROM pg_temp.june GROUP BY 1 ORDER BY 1', $$VALUES ('rc-x'::text, 32::numeric), ('rc-y', 58)$$, 'and reaches the same tenants');
SELECT results_eq($$SELECT flag, amount FROM finops.delivery_flag WHERE origin_period = '2017-05-01'$$, $$VALUES ('credited_twice'::text, -30::numeric)$$, 'flagged');
SELECT set_eq($$SELECT cause, variance_usd FROM recon_exceptions WHERE recon_id = 'RECON-2017-06' AND cause IN ('restated', 'credited twice')$$, $$VALUES ('restated'::text, -30::numeric), ('credited twice', 30)$$, 'said');
SELECT is_empty($$SELECT * FROM finops.verify_period('2017-05-01')$$, 'the locked month is as it was');
SELECT is((SELECT state FROM finops.readiness('2017-06-01') WHERE item = 'corrections'), 'ok', 'with its control total');
-- June closes with it
SELECT count(*) FROM finops.issue_invoices('2017-06-01') \g /dev/null
SELECT ok(length(finops.lock_period('2017-06-01')) = 64, 'June is locked');
SELECT is_empty($$SELECT * FROM finops.verify_period('2017-05-01') UNION ALL SELECT * FROM finops.verify_period('2017-06-01')$$, 'both months hold');
SELECT is_empty('SELECT * FROM pg_temp.other_kinds', 'the sums by kind are the facts');
SELECT * FROM finish();
ROLLBACK;

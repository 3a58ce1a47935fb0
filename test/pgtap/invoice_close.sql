-- A month of random lines through allocation, documents and reconciliation: what is
-- invoiced at cost is what is allocated, and credit notes take all of it back.
BEGIN;
SELECT plan(13);
SET LOCAL client_min_messages = error;
CREATE TABLE finops.fact_cost_raw_2022_06 PARTITION OF fact_cost_raw FOR VALUES FROM ('2022-06-01') TO ('2022-07-01');
-- 6 tenants, 5 services, credits, and lines without tenant
INSERT INTO fact_cost_raw (bill_billing_period_start_date, line_item_usage_start_date, provider, service, charge_category, billed_cost, effective_cost, tenant_id, source, delivery_id)
SELECT '2022-06-01', timestamp '2022-06-01' + n % 720 * interval '1 hour', 'AWS', 'S' || n % 5, CASE WHEN n % 5 = 4 THEN 'Credit' ELSE 'Usage' END, c, c,
	CASE WHEN n % 7 > 0 THEN 'CL-' || n % 7 END, 'test', 1
FROM (SELECT n, CASE WHEN n % 5 = 4 THEN -1 ELSE 1 END * (n * 48271::bigint % 2147483647) * 0.00000000123 AS c FROM generate_series(1, 4000) n) x;
INSERT INTO tenant_master (tenant_id, tenant_name, status, billing_mode) SELECT 'CL-' || n, 'CL-' || n, 'unregistered', 'showback' FROM generate_series(1, 6) n;
INSERT INTO allocation_rules (rule_id, formula, key_metric, effective_from) VALUES ('rest', 'proportional', 'direct_cost', '2022-01-01');
SELECT finops.allocate('2022-06-01') \g /dev/null
SELECT count(*) FROM finops.set_issuer('Example Ltd', '1 High Street', 'DE1') \g /dev/null
SELECT count(*) FROM finops.set_plan('CLOSE', 500, 3) \g /dev/null
SELECT count(*) FROM (SELECT tenant_id, row_number() OVER (ORDER BY tenant_id) AS n FROM tenant_master WHERE tenant_id LIKE 'CL-%') t,
	LATERAL finops.register_tenant(t.tenant_id, billing_contact => '{"address": "x"}', tax_profile => jsonb_build_object('rate_pct', 19, 'inclusive', n % 2 = 0)) r,
	LATERAL finops.bind_plan(r.tenant_id, 'CLOSE', '2022-06-01') b \g /dev/null
SELECT cmp_ok(count(*)::int, '>=', 5, 'tenants of the bill are registered') FROM tenant_plan_binding WHERE plan_code = 'CLOSE';
CREATE TEMP VIEW allocated AS SELECT tenant_id, service, sum(amount) AS cost FROM finops.allocation_current WHERE period_start = '2022-06-01' AND tenant_id IS NOT NULL GROUP BY 1, 2 HAVING sum(amount) <> 0;
CREATE TEMP VIEW invoiced AS SELECT tenant_id, service, sum(cost_usd) AS cost FROM invoice_detail WHERE period_start = '2022-06-01' AND service IS NOT NULL GROUP BY 1, 2;

SELECT throws_ok($$SELECT finops.issue_invoices('2022-06-01')$$, '55000', 'billing period 2022-06 is not reconciled', 'not before the reconciliation');
SELECT count(*) FROM finops.prepare_invoices('2022-06-01') \g /dev/null
SELECT set_eq('SELECT * FROM invoiced', 'SELECT * FROM allocated', 'prepared: invoiced at cost is allocated, per tenant and service');
SELECT finops.reconcile('2022-06-01') \g /dev/null
SELECT is(status, 'ok', 'reconciled with the documents') FROM finops.period_gate WHERE period_start = '2022-06-01' AND gate = 'reconciliation';
SELECT count(*) FROM finops.prepare_invoices('2022-06-01') \g /dev/null
SELECT is(status, 'ok', 'prepared again unchanged: the verdict stays') FROM finops.period_gate WHERE period_start = '2022-06-01' AND gate = 'reconciliation';
SELECT is(count(*) FILTER (WHERE status = 'issued'), count(*), 'all are issued') FROM finops.issue_invoices('2022-06-01');
SELECT is_empty('SELECT * FROM finops.verify_invoices()', 'and verified');
SELECT results_eq($$SELECT invoiced_total_usd, allocated_total_usd FROM recon_summary WHERE recon_id = 'RECON-2022-06' AND service = 'ALL'$$,
	'SELECT sum(cost), sum(cost) FROM allocated', 'the summary says the same to the last digit');
SELECT cmp_ok(count(*)::int, '>', 0, 'some lines are credits') FROM invoice_detail WHERE period_start = '2022-06-01' AND cost_usd < 0;

SELECT finops.credit_invoice(invoice_id, 'test', '[{"line_no": 1}, {"line_no": 2, "amount": 0.01}]') FROM invoice_header WHERE period_start = '2022-06-01' AND kind = 'invoice' ORDER BY 1 LIMIT 1 \g /dev/null
SELECT finops.credit_invoice(invoice_id, 'test') FROM invoice_header WHERE period_start = '2022-06-01' AND kind = 'invoice' \g /dev/null
SELECT is_empty('SELECT * FROM invoiced WHERE cost <> 0', 'credited in full: no cost is invoiced');
SELECT is_empty($$SELECT tenant_id FROM invoice_header WHERE period_start = '2022-06-01' GROUP BY 1 HAVING sum(total) <> 0 OR sum(tax) <> 0$$, 'and nothing is owed');
SELECT finops.reconcile('2022-06-01') \g /dev/null
SELECT is(invoiced_total_usd, 0::numeric, 'reconciliation sees it') FROM recon_summary WHERE recon_id = 'RECON-2022-06' AND service = 'ALL';
SELECT is_empty($$SELECT * FROM recon_exceptions WHERE recon_id = 'RECON-2022-06' AND category = 'Payment'$$, 'a credited invoice is settled without payment');
ROLLBACK;

-- Prepare and issue: tenants with 10 lines each (subscription and 9 services),
-- two tax rates, numbers, references checked, hash chain.  Beside it the same
-- documents by set-based SQL without chain and without comparison.
\getenv tenants TENANTS
\if :{?tenants}
\else
\set tenants 10000
\endif
\set ON_ERROR_STOP 1
SET client_min_messages = warning;
CREATE TABLE finops.fact_cost_allocated_2022_09 PARTITION OF fact_cost_allocated FOR VALUES FROM ('2022-09-01') TO ('2022-10-01');
SELECT finops.set_issuer('Example Ltd', '1 High Street', 'DE1') \g /dev/null
SELECT finops.set_plan('BENCH', 99.99, 5) \g /dev/null
INSERT INTO tenant_master (tenant_id, tenant_name, billing_contact, tax_profile)
SELECT 'B-' || to_char(n, 'FM0000000'), 'T', '{"address": "x"}', jsonb_build_object('rate_pct', (ARRAY[19, 7])[1 + n % 2]) FROM generate_series(1, :tenants) n;
INSERT INTO tenant_plan_binding (tenant_id, plan_code, period_start) SELECT 'B-' || to_char(n, 'FM0000000'), 'BENCH', date '2022-09-01' + n % 30 FROM generate_series(1, :tenants) n;
INSERT INTO fact_cost_allocated (tenant_id, period_start, period_end, service, category, rule_id, rule_version, run_id, kind, origin, currency, allocated_cost_usd)
SELECT 'B-' || to_char(n, 'FM0000000'), '2022-09-01', '2022-09-30', 'Service' || s, 'OTHER', 'direct-tag', 1, 1, 'direct', 'o', 'USD', ((n * 7919 + s * 104729) % 100003) * 0.0012345678
FROM generate_series(1, :tenants) n, generate_series(1, 9) s;
INSERT INTO finops.period_gate (period_start, gate, position, status) VALUES ('2022-09-01', 'reconciliation', 3, 'ok');
VACUUM ANALYZE;
CHECKPOINT;

\echo :tenants tenants, plain SQL into tables of the same keys
CREATE TABLE plain_header (invoice_id text PRIMARY KEY, invoice_number bigint UNIQUE, tenant_id text NOT NULL REFERENCES tenant_master, period_start date, status text, subtotal numeric, tax numeric, total numeric, UNIQUE (tenant_id, period_start));
CREATE TABLE plain_detail (invoice_id text REFERENCES plain_header, line_no int, service text, description text, quantity numeric, unit_price numeric, amount numeric, cost numeric, PRIMARY KEY (invoice_id, line_no));
\timing on
BEGIN;
CREATE TEMP TABLE plain_line AS
SELECT tenant_id, row_number() OVER (PARTITION BY tenant_id ORDER BY class, service) AS line_no, service, amount, cost FROM (
	SELECT tenant_id, 1 AS class, NULL AS service, round(base_price * (date '2022-10-01' - b.period_start) / 30, 2) AS amount, NULL::numeric AS cost FROM tenant_plan_binding b JOIN plan_master USING (plan_code)
	UNION ALL SELECT tenant_id, 2, service, round(sum(amount) * 1.05, 2), sum(amount) FROM finops.allocation_current WHERE period_start = '2022-09-01' AND tenant_id IS NOT NULL GROUP BY 1, 3) x;
INSERT INTO plain_header SELECT 'INV-' || tenant_id, row_number() OVER (ORDER BY tenant_id), tenant_id, '2022-09-01', 'issued', s, t, s + t
FROM (SELECT tenant_id, sum(amount) AS s, round(sum(amount) * (tax_profile ->> 'rate_pct')::numeric / 100, 2) AS t FROM plain_line JOIN tenant_master USING (tenant_id) GROUP BY tenant_id, tax_profile) x;
INSERT INTO plain_detail SELECT 'INV-' || tenant_id, line_no, service, coalesce(service, 'Plan') || ', 2022-09', 1, cost, amount, cost FROM plain_line;
COMMIT;
\echo prepare
SELECT count(*), sum(total) FROM finops.prepare_invoices('2022-09-01');
\echo prepare again, nothing changed
SELECT count(*) FROM finops.prepare_invoices('2022-09-01');
\echo issue
SELECT count(*), max(invoice_number) FROM finops.issue_invoices('2022-09-01');
\echo issue again
SELECT count(*) FROM finops.issue_invoices('2022-09-01');
\echo verify
SELECT count(*) AS problems FROM finops.verify_invoices();

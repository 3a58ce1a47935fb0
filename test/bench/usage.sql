-- Usage of ten metrics per tenant by graduated prices: caps and events, then
-- documents.  Beside it the prices alone by set-based SQL.
\getenv tenants TENANTS
\if :{?tenants}
\else
\set tenants 10000
\endif
\set ON_ERROR_STOP 1
SET client_min_messages = warning;
SELECT finops.set_issuer('Example Ltd', '1 High Street', 'DE1') \g /dev/null
SELECT finops.set_plan('BENCH', 99.99) \g /dev/null
SELECT finops.set_metric('m' || i, 'unit', 'sum_daily') FROM generate_series(1, 10) i \g /dev/null
SELECT finops.set_plan_price('BENCH', 'c' || i, 'graduated', 'm' || i, included => 10, tiers => '[{"up_to": 100, "unit_price": 0.0123}, {"up_to": 1000, "unit_price": 0.01}, {"up_to": null, "unit_price": 0.0075}]')
FROM generate_series(1, 10) i \g /dev/null
INSERT INTO tenant_master (tenant_id, tenant_name, billing_contact, tax_profile)
SELECT 'B-' || to_char(n, 'FM0000000'), 'T', '{"address": "x"}', '{"rate_pct": 19}' FROM generate_series(1, :tenants) n;
INSERT INTO tenant_plan_binding (tenant_id, plan_code, period_start) SELECT 'B-' || to_char(n, 'FM0000000'), 'BENCH', '2022-09-01' FROM generate_series(1, :tenants) n;
INSERT INTO usage_snapshot_daily (tenant_id, metric_code, usage_date, metric_value)
SELECT 'B-' || to_char(n, 'FM0000000'), 'm' || m, '2022-09-15', (n * 7919 + m * 104729) % 5000 FROM generate_series(1, :tenants) n, generate_series(1, 10) m;
VACUUM ANALYZE;
CHECKPOINT;
\timing on
\echo :tenants tenants, prices by plain SQL
SELECT sum(amount) FROM (SELECT u.tenant_id, u.metric_code, round(sum(greatest(least(q, t.up_to) - t.floor, 0) * t.price), 2) AS amount
	FROM (SELECT tenant_id, metric_code, greatest(sum(metric_value) - 10, 0) AS q FROM usage_snapshot_daily WHERE usage_date >= '2022-09-01' AND usage_date < '2022-10-01' GROUP BY 1, 2) u
	CROSS JOIN (VALUES (0, 100, 0.0123), (100, 1000, 0.01), (1000, 1000000000, 0.0075)) t(floor, up_to, price) GROUP BY 1, 2) x;
\echo refresh_usage
SELECT finops.refresh_usage('2022-09-01');
\echo prepare_invoices: usage refreshed, priced, taxed and written
SELECT count(*), sum(total) FROM finops.prepare_invoices('2022-09-01');
SELECT sum(amount) FROM invoice_detail WHERE line_type IN ('usage', 'overage') AND period_start = '2022-09-01';

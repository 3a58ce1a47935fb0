-- Three-way reconciliation of :tenants tenants and :lines invoice lines (1 M entries, 1 M bill lines) against a set-based
-- SQL query by hand that finds the same: variance per service and differences per tenant.
-- Usage: psql -v tenants=100000 -v lines=1000000 -f test/bench/reconcile.sql
\set period '2022-03-01'
\set QUIET on
SET client_min_messages = warning;
CREATE TABLE finops.fact_cost_raw_2022_03 PARTITION OF fact_cost_raw FOR VALUES FROM ('2022-03-01') TO ('2022-04-01');
CREATE TABLE finops.fact_cost_allocated_2022_03 PARTITION OF fact_cost_allocated FOR VALUES FROM ('2022-03-01') TO ('2022-04-01');
INSERT INTO tenant_master (tenant_id, tenant_name, billing_mode) SELECT 'bench-' || i, 'Tenant ' || i, 'invoice' FROM generate_series(0, :tenants - 1) AS i;
INSERT INTO fact_cost_raw (bill_billing_period_start_date, line_item_usage_start_date, bill_invoice_id, line_item_resource_id, line_item_usage_type, provider, service,
	charge_category, billed_cost, effective_cost, tenant_id, resource_tags, source, delivery_id)
SELECT :'period', timestamp :'period' + i % 31 * interval '1 day', 'I-1', 'arn:aws:ec2:eu-central-1:111111111111:instance/i-' || i % 50000, 'BoxUsage:m5.large', 'AWS',
	'Service ' || (i + i / :tenants) % 40, 'Usage', 0.01 * (i % 977), 0.01 * (i % 977), 'bench-' || i % :tenants, jsonb_build_object('tenant_id', 'bench-' || i % :tenants), 'bench', b.id
FROM generate_series(1, :lines) AS i,
	(SELECT coalesce(max(delivery_id), 0) + 1 AS id FROM finops.delivery) AS b;
INSERT INTO finops.delivery (source, billing_period, digest, format, line_items, billed_cost, effective_cost, delivery_id)
SELECT 'bench', :'period', 'bench', 'cur', count(*), sum(billed_cost), sum(effective_cost), min(delivery_id) FROM fact_cost_raw WHERE bill_billing_period_start_date = :'period';
SELECT finops.rebuild_rollup(:'period') \g /dev/null
INSERT INTO fact_cost_allocated (tenant_id, period_start, period_end, service, category, rule_id, rule_version, run_id, kind, origin, currency, allocated_cost_usd)
SELECT tenant_id, :'period', '2022-03-31', service, 'OTHER', 'direct-tag', 1, 1, 'direct', 'AWS|' || service || '|Usage|USD|direct-tag', 'USD', sum(effective_cost)
FROM fact_cost_raw WHERE bill_billing_period_start_date = :'period' GROUP BY tenant_id, service;
INSERT INTO invoice_header (invoice_id, tenant_id, period_start, period_end) SELECT 'INV-' || tenant_id, tenant_id, :'period', '2022-03-31' FROM tenant_master WHERE tenant_id LIKE 'bench-%';
-- :lines lines: the allocation in parts; every thousandth document lacks a cent
INSERT INTO invoice_detail (invoice_id, line_no, tenant_id, period_start, line_type, service, description, quantity, unit, unit_price, unit_price_usd, amount, amount_usd, tax_rate,
	cost, cost_currency, cost_usd)
SELECT 'INV-' || a.tenant_id, row_number() OVER (PARTITION BY a.tenant_id), a.tenant_id, :'period', 'allocation', a.service, a.service || ', March 2022', 1, 'month', 0, 0, 0, 0, 0,
	c.cost, 'USD', c.cost
FROM (SELECT tenant_id, service, allocated_cost_usd AS amount, count(*) OVER () AS n FROM fact_cost_allocated WHERE period_start = :'period') AS a,
	LATERAL (SELECT ceil(:lines / a.n::numeric)::int AS k) AS k, LATERAL generate_series(1, k.k) AS part,
	LATERAL (SELECT CASE WHEN part = 1 THEN a.amount - round(a.amount / k.k, 4) * (k.k - 1)
		- CASE WHEN right(a.tenant_id, 3) = '000' THEN 1 ELSE 0 END ELSE round(a.amount / k.k, 4) END AS cost) AS c;
-- as the function that makes partitions does
CREATE INDEX ON finops.fact_cost_allocated_2022_03 (tenant_id);
INSERT INTO finops.period_gate (period_start, gate, position, status) VALUES (:'period', 'allocation', 2, 'completed');
VACUUM ANALYZE fact_cost_raw;
VACUUM ANALYZE fact_cost_allocated;
VACUUM ANALYZE invoice_header;
VACUUM ANALYZE invoice_detail;
VACUUM ANALYZE tenant_master;
VACUUM ANALYZE finops.cost_daily;
SELECT (SELECT count(*) FROM fact_cost_raw WHERE bill_billing_period_start_date = :'period') AS bill_lines, (SELECT count(*) FROM fact_cost_allocated WHERE period_start = :'period') AS entries,
	(SELECT count(*) FROM invoice_detail WHERE period_start = :'period') AS invoice_lines, (SELECT count(*) FROM tenant_master WHERE tenant_id LIKE 'bench-%') AS tenants;
CREATE TABLE bench_time (what text, ms numeric);
CREATE PROCEDURE bench_by_hand() LANGUAGE plpgsql AS $$
DECLARE started timestamptz := clock_timestamp();
BEGIN
	CREATE TEMP TABLE by_service AS
	WITH cost AS (SELECT service, sum(effective_cost) AS cost_in, count(*) AS n FROM fact_cost_raw WHERE bill_billing_period_start_date = '2022-03-01' GROUP BY 1),
	placed AS (SELECT service, sum(allocated_cost_usd) FILTER (WHERE tenant_id IS NOT NULL) AS allocated,
			coalesce(sum(allocated_cost_usd) FILTER (WHERE kind = 'overhead'), 0) AS overhead FROM fact_cost_allocated WHERE period_start = '2022-03-01' GROUP BY 1),
	invoiced AS (SELECT d.service, sum(d.cost_usd) AS invoiced FROM invoice_header h JOIN invoice_detail d USING (invoice_id) WHERE h.period_start = '2022-03-01' AND h.status <> 'void' GROUP BY 1)
	SELECT service, cost_in, allocated, overhead, invoiced, (allocated + overhead - cost_in) / nullif(abs(cost_in), 0) * 100 AS variance_pct
	FROM cost FULL JOIN placed USING (service) FULL JOIN invoiced USING (service);
	CREATE TEMP TABLE by_tenant AS
	WITH placed AS (SELECT tenant_id, sum(allocated_cost_usd) AS allocated FROM fact_cost_allocated WHERE period_start = '2022-03-01' AND tenant_id IS NOT NULL GROUP BY 1),
	invoiced AS (SELECT h.tenant_id, sum(d.cost_usd) AS invoiced FROM invoice_header h JOIN invoice_detail d USING (invoice_id) WHERE h.period_start = '2022-03-01' AND h.status <> 'void' GROUP BY 1)
	SELECT tenant_id, allocated, invoiced, invoiced - allocated AS difference FROM placed FULL JOIN invoiced USING (tenant_id)
	WHERE coalesce(invoiced, 0) <> coalesce(allocated, 0);
	INSERT INTO bench_time VALUES ('by hand', extract(epoch FROM clock_timestamp() - started) * 1000);
	DROP TABLE by_service, by_tenant;
END $$;
CREATE PROCEDURE bench_reconcile() LANGUAGE plpgsql AS $$
DECLARE started timestamptz := clock_timestamp();
BEGIN
	PERFORM finops.reconcile('2022-03-01');
	INSERT INTO bench_time VALUES ('finops.reconcile', extract(epoch FROM clock_timestamp() - started) * 1000);
END $$;
CALL bench_by_hand();
CALL bench_reconcile();
TRUNCATE bench_time;
CALL bench_by_hand();
CALL bench_reconcile();
CALL bench_by_hand();
CALL bench_reconcile();
CALL bench_by_hand();
CALL bench_reconcile();
SELECT what, round(min(ms)) AS best_ms, round(percentile_cont(0.5) WITHIN GROUP (ORDER BY ms)::numeric) AS median_ms FROM bench_time GROUP BY 1;
SELECT round(min(ms) FILTER (WHERE what <> 'by hand') / min(ms) FILTER (WHERE what = 'by hand'), 2) AS ratio_of_best FROM bench_time;
SELECT category, severity, count(*), sum(variance_usd) AS variance FROM recon_exceptions WHERE recon_id = 'RECON-2022-03' GROUP BY 1, 2;

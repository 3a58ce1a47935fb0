-- One month: :lines x 200 rules x :tenants, against one parallel aggregate scan
-- of the same lines by service and tenant.  A tenth of the lines has no tenant;
-- 20 of the rules are proportional over all tenants, the others fixed or even.
\if :{?tenants}
\else
\set tenants 10000
\endif
\set period '2025-01-01'
\pset tuples_only on
CREATE TABLE finops.fact_cost_raw_2025_01 PARTITION OF fact_cost_raw FOR VALUES FROM ('2025-01-01') TO ('2025-02-01');
INSERT INTO fact_cost_raw (bill_billing_period_start_date, provider, service, charge_category, billed_cost, effective_cost, line_item_usage_type,
	line_item_usage_account_id, line_item_usage_start_date, tenant_id, resource_tags, source, delivery_id)
SELECT :'period', 'AWS', 'service-' || i % 40, 'Usage', c.cost, c.cost, 'type-' || i % 200, (i % 50)::text, timestamp '2025-01-01' + i % 744 * interval '1 hour',
	CASE WHEN i % 10 > 0 THEN 'tenant-' || (hashint8(i + 7)::bigint + 2147483648) % :tenants END, jsonb_build_object('team', 'team-' || i % 20), 'bench', 0
FROM generate_series(1, :lines::bigint) i CROSS JOIN LATERAL (SELECT ((hashint8(i)::bigint + 2147483648) % 1000000)::numeric / 1000000 AS cost) c;
INSERT INTO tenant_master (tenant_id, tenant_name) SELECT DISTINCT tenant_id, tenant_id FROM fact_cost_raw WHERE tenant_id IS NOT NULL;
VACUUM ANALYZE fact_cost_raw;
INSERT INTO allocation_rules (rule_id, formula, usage_type_like, match, weights_json, effective_from)
SELECT 'rule-' || i, CASE WHEN i % 10 = 0 THEN 'proportional' ELSE 'fixed_pct' END, 'type-' || i,
	CASE i % 4 WHEN 0 THEN '{"account": {"not_in": ["x"]}}' WHEN 1 THEN '{"tags": {"team": {"prefix": "team"}}}' END::jsonb,
	(SELECT jsonb_object_agg(tenant_id, 20) FROM (SELECT tenant_id FROM tenant_master ORDER BY hashtext(tenant_id || i) LIMIT 5) t), '2025-01-01'
FROM generate_series(0, 199) i;
\timing on
\echo aggregate by service and tenant
SELECT count(*) FROM (SELECT service, tenant_id, sum(effective_cost) FROM fact_cost_raw WHERE bill_billing_period_start_date = :'period' GROUP BY 1, 2) s;
\echo allocate
SELECT finops.allocate(:'period') IS NOT NULL;
\timing off
SELECT count(*) || ' entries' FROM fact_cost_allocated;
\timing on
\echo preview
SELECT count(*) FROM finops.preview_allocation(:'period');
\echo allocate again, unchanged
SELECT finops.allocate(:'period') IS NOT NULL;
\echo explain one tenant
SELECT count(*), sum(amount) FROM finops.explain_allocation('tenant-1', :'period');
\echo replay
SELECT identical FROM finops.replay_allocation((SELECT max(run_id) FROM finops.run));

-- Systems of pools: 1,000 pools x 10,000 targets, dense, cyclic, every twentieth
-- cost a credit.  The answer adds up to the costs exactly.
\if :{?pools}
\else
\set pools 1000
\endif
\if :{?targets}
\else
\set targets 10000
\endif
CREATE TEMP TABLE bench AS
WITH w AS (SELECT p, array_agg((hashint4(p * :pools + q) & 65535) / 65536.0 * 1.2 / :pools ORDER BY q) AS shares
	FROM generate_series(1, :pools) p, generate_series(1, :pools) q GROUP BY p),
b AS (SELECT p, array_agg(CASE WHEN hashint4(p * 7919 + t) & 7 < 2 THEN 0 ELSE (hashint4(p * :targets + t) & 65535) / 65536.0 * 0.7 / :targets END ORDER BY t) AS shares
	FROM generate_series(1, :pools) p, generate_series(1, :targets) t GROUP BY p)
SELECT (SELECT array_agg(round((hashint4(p) & 1048575) * CASE WHEN p % 20 = 0 THEN -0.431234 ELSE 0.914321 END, 6) ORDER BY p) FROM generate_series(1, :pools) p) AS costs,
	(SELECT array_agg(w.shares::float8[] ORDER BY w.p) FROM w) AS pool_shares,
	(SELECT array_agg(b.shares::float8[] ORDER BY b.p) FROM b) AS target_shares;
\timing on
\echo read the arrays, solve and apply
SELECT (SELECT sum(x) FROM unnest(pool_shares) x) IS NOT NULL AS read, (SELECT sum(x) FROM unnest(target_shares[1:10]) x) IS NOT NULL FROM bench;
CREATE TEMP TABLE answer AS SELECT finops.solve_pools(costs, pool_shares, target_shares) AS amounts FROM bench;
SELECT (SELECT sum(x) FROM unnest(amounts) x) = (SELECT sum(x) FROM unnest(costs) x) AS exact FROM answer, bench;
\echo the same with full origin evidence: pools x targets entries, written
CREATE TEMP TABLE evidence (pool integer, amounts numeric[]);
ALTER TABLE evidence ALTER amounts SET STORAGE EXTERNAL;
INSERT INTO evidence SELECT t.* FROM bench CROSS JOIN LATERAL finops.trace_pools(costs, pool_shares, target_shares) t;
SELECT count(*) AS pools, bool_and(costs[pool] = (SELECT sum(x) FROM unnest(e.amounts) x)) AS exact FROM evidence e, bench;
\timing off
SELECT max(abs(y.amount - a.amount)) AS furthest_from_the_sums FROM answer CROSS JOIN LATERAL unnest(amounts) WITH ORDINALITY a(amount, t)
	JOIN (SELECT x.t, sum(x.amount) AS amount FROM evidence e CROSS JOIN LATERAL unnest(e.amounts) WITH ORDINALITY x(amount, t) GROUP BY 1) y USING (t);
\echo the same size through finops.allocate: :pools rules that give half to all other pools and half to :targets tenants, evenly or by their own cost
SET client_min_messages = warning;
INSERT INTO tenant_master (tenant_id, tenant_name) SELECT 'tenant-' || t, 'tenant-' || t FROM generate_series(1, :targets) t;
INSERT INTO finops.pool (pool_id) SELECT 'p' || p FROM generate_series(1, :pools) p;
CREATE TABLE finops.fact_cost_raw_2025_01 PARTITION OF fact_cost_raw FOR VALUES FROM ('2025-01-01') TO ('2025-02-01');
INSERT INTO fact_cost_raw (bill_billing_period_start_date, provider, service, charge_category, billed_cost, effective_cost, line_item_usage_type, line_item_usage_start_date, tenant_id, source, delivery_id)
SELECT '2025-01-01', 'AWS', l.service, CASE WHEN l.cost < 0 THEN 'Credit' ELSE 'Usage' END, l.cost, l.cost, l.usage_type, '2025-01-01', l.tenant_id, 'bench', 0
FROM (SELECT 'service-' || p % 20 AS service, 'pool-' || p AS usage_type, costs[p] AS cost, NULL::text AS tenant_id FROM bench, generate_series(1, :pools) p
	UNION ALL SELECT 'own', 'own', ((hashint4(t) & 1048575) * 0.0143)::numeric, 'tenant-' || t FROM generate_series(1, :targets) t) l;
INSERT INTO allocation_rules (rule_id, formula, usage_type_like, legs, pool_id, effective_from)
SELECT 'rule-' || p, CASE WHEN p % 3 = 0 THEN 'equal' ELSE 'proportional' END, 'pool-' || p, jsonb_build_object('percent',
	(SELECT jsonb_object_agg('pool:p' || q, round((hashint4(p * :pools + q) & 65535) / 65536.0 * 100 / :pools, 8)) FROM generate_series(1, :pools) q WHERE q <> p)), 'p' || p, '2025-01-01'
FROM generate_series(1, :pools) p;
VACUUM ANALYZE fact_cost_raw, tenant_master, allocation_rules;
\timing on
SELECT finops.allocate('2025-01-01') IS NOT NULL AS allocated;
\timing off
SELECT detail ->> 'entries' AS entries, detail ->> 'entries_posted' AS rows_written, detail ->> 'packed_origins' AS packed_origins FROM finops.run ORDER BY run_id DESC LIMIT 1;
\timing on
\echo explain one tenant
SELECT count(*) AS origins, sum(amount) AS cost FROM finops.explain_allocation('tenant-17', '2025-01-01');
\echo again, unchanged
SELECT finops.allocate('2025-01-01') IS NOT NULL AS allocated;
\echo every entry
SELECT count(*) AS entries, sum(allocated_cost_usd) AS cost FROM finops.allocation_entry WHERE period_start = '2025-01-01';

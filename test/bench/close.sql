-- The close of a month of :lines bill lines and :tenants tenants, step by step.
-- Usage: psql -v lines=10000000 -v tenants=10000 -f test/bench/close.sql
\set period '2025-06-01'
\set QUIET on
\pset tuples_only on
SET client_min_messages = warning;
SELECT rows_loaded || ' lines loaded' FROM finops.generate_bill(:'period', :lines, :tenants);
SELECT count(*) || ' tenants' FROM (SELECT DISTINCT tenant_id FROM finops.cost_daily WHERE billing_period = :'period' AND tenant_id IS NOT NULL) t;
SELECT FROM finops.set_issuer('Bench Ltd', '1 Street', 'VAT-1', 'USD', 'BENCH-{SEQ:6}');
SELECT FROM finops.set_plan('bench', 10, 5);
SELECT count(*) FROM tenant_master t, LATERAL finops.register_tenant(t.tenant_id, t.tenant_id, '{"address": "2 Street"}', '{"rate_pct": 20}', 'invoice', 'USD') \g /dev/null
SELECT count(*) FROM tenant_master t, LATERAL finops.bind_plan(t.tenant_id, 'bench', '2025-01-01') \g /dev/null
SELECT finops.add_allocation_rule('shared', 'proportional', '2025-01-01') \g /dev/null
SELECT clock_timestamp() AS started \gset
SET client_min_messages = notice;
CALL finops.close_month(:'period');
SELECT 'closed in ' || round(extract(epoch FROM clock_timestamp() - :'started')::numeric, 1) || ' s';
-- each step ends where the next begins; the first is readiness
SELECT rpad(step, 18) || round(extract(epoch FROM finished_at - lag(finished_at, 1, :'started') OVER (ORDER BY run_id))::numeric, 1) || ' s'
FROM (SELECT run_id, kind AS step, finished_at FROM finops.run WHERE period_start = :'period' AND started_at >= :'started') r ORDER BY run_id;
SELECT object || ': ' || row_count FROM finops.period_seal WHERE period_start = :'period' AND row_count > 0 ORDER BY 1;
\timing on
\echo verify_period
SELECT count(*) FROM finops.verify_period(:'period');

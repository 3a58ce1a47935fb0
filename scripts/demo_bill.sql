-- The demo on a bill of one's own, run by demo.sh: :bill is the file.
-- A real bill knows no tenants, so the best candidate among its tag keys
-- becomes the tenant key; what that leaves is shown as unallocated.
\set ON_ERROR_STOP 1
\pset null ''
\set tick 'SELECT lpad((extract(epoch FROM clock_timestamp())::bigint - :began)::text, 3) AS elapsed \\gset'
SET client_min_messages = warning;

CREATE TEMP TABLE loaded AS SELECT * FROM finops.load_bill(:'bill');
:tick
\echo [:elapsed s] loaded
\echo

\echo 'Bill'
SELECT to_char(billing_period, 'YYYY-MM') AS month, status, to_char(rows_loaded, '999,999,999') AS lines, rows_rejected AS rejected,
	billed_cost AS "billed cost", effective_cost AS "effective cost"
FROM loaded ORDER BY billing_period;

\echo 'What is there and what is missing: finops.setup(), whose column next_call has the calls'
SELECT step, subject, state, left(detail, 100) AS detail FROM finops.setup();

SELECT EXISTS (SELECT FROM finops.tag_key_candidates() WHERE suitable) AS has_key \gset
\if :has_key
-- candidates come best first
SELECT tag_key AS best, round(cost_pct, 2) AS best_pct FROM finops.tag_key_candidates() WITH ORDINALITY
WHERE suitable ORDER BY ordinality LIMIT 1 \gset
\echo Taking the best candidate, :best_pct % of the cost: SELECT * FROM finops.set_tenant_key(:'best')
SELECT * FROM finops.set_tenant_key(:'best') \g /dev/null
\echo 'Its values are tenants now, unregistered ones: their cost is shown and never invoiced.'
\else
\echo 'No tag key of this bill could identify tenants; all cost stays unallocated.'
\endif
\echo

-- the latest month, provisionally while it still runs
SELECT max(billing_period) AS m3, to_char(max(billing_period), 'FMMonth YYYY') AS month3,
	max(billing_period) + interval '1 month' > now() AS provisional FROM loaded \gset

CALL finops.close_month(:'m3', :'provisional') \gset
:tick
\echo [:elapsed s] CALL finops.close_month(:'m3')
\pset tuples_only on
\pset format unaligned
SELECT '    ' || regexp_split_to_table(regexp_replace(:'result', ' Next: .*', ''), '; ')
UNION ALL SELECT '    ' || substring(:'result' FROM 'Next: .*');
\pset format aligned
\pset tuples_only off
\echo

\ir demo_month.sql

\echo 'Tenants of this bill'
SELECT tenant_id AS tenant, status, billing_mode AS "billing mode" FROM tenant_master ORDER BY tenant_id LIMIT 20;

-- nobody is registered without being asked: this is undone
\echo 'Open documents they would get on a plan at cost, after finops.register_tenant() and finops.bind_plan() (rolled back)'
BEGIN;
\o /dev/null
SELECT finops.set_issuer(legal_name => 'Example Cloud Services Ltd', address => '1 Harbour Street, Exampleton', vat_id => 'EX123456789');
SELECT finops.set_plan('at-cost', 0);
SELECT finops.register_tenant(tenant_id, billing_mode => 'invoice') FROM tenant_master WHERE status = 'unregistered';
SELECT finops.bind_plan(tenant_id, 'at-cost', :'m3') FROM tenant_master;
SELECT finops.prepare_invoices(:'m3');
\o
SELECT invoice_id AS document, tenant_id AS tenant, plan_code AS plan, to_char(subtotal, '999,999,990.00') AS net, currency, status
FROM invoice_header WHERE period_start = :'m3' ORDER BY invoice_id LIMIT 20;
ROLLBACK;

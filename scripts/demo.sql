-- The demo: three months of a generated bill, each from load to invoices.
-- Run by demo.sh; :began is its start in seconds, :lines the lines per month.
\set ON_ERROR_STOP 1
\pset null ''
\set tick 'SELECT lpad((extract(epoch FROM clock_timestamp())::bigint - :began)::text, 3) AS elapsed \\gset'

SELECT (date_trunc('month', CURRENT_DATE) - interval '3 months')::date AS m1,
	(date_trunc('month', CURRENT_DATE) - interval '2 months')::date AS m2,
	(date_trunc('month', CURRENT_DATE) - interval '1 month')::date AS m3,
	to_char(date_trunc('month', CURRENT_DATE) - interval '1 month', 'FMMonth YYYY') AS month3 \gset

-- the steps of a close are notices; the demo shows its results
SET client_min_messages = warning;
\o /dev/null
:tick
\echo [:elapsed s] loading three months of :lines bill lines each
SELECT * FROM finops.generate_bill(:'m1', :lines, 12);
:tick
\echo [:elapsed s] :m1 is loaded
SELECT * FROM finops.generate_bill(:'m2', :lines, 12);
:tick
\echo [:elapsed s] :m2 is loaded
SELECT * FROM finops.generate_bill(:'m3', :lines, 12);
:tick
\echo [:elapsed s] :m3 is loaded

-- who issues, what it costs, and who the tenants are
SELECT * FROM finops.set_issuer(legal_name => 'Example Cloud Services Ltd', address => '1 Harbour Street, Exampleton',
	vat_id => 'EX123456789', currency => 'USD', number_format => 'EX-{YYYY}-{SEQ:5}', payment_terms_days => 30);
SELECT * FROM finops.set_plan('team', 49, 8);
SELECT * FROM finops.set_plan('business', 490, 5);
SELECT count(*)
FROM tenant_master t, LATERAL finops.register_tenant(t.tenant_id, initcap(t.tenant_id) || ' Inc.',
	'{"name": "Accounts payable", "address": "2 Market Square, Exampleton", "email": "ap@example.com"}',
	'{"rate_pct": 20, "tax_id": "EX987654321"}', 'invoice', 'USD', 5);
SELECT count(*)
FROM (SELECT tenant_id, row_number() OVER (ORDER BY tenant_id) AS n FROM tenant_master) t,
	LATERAL finops.bind_plan(t.tenant_id, CASE WHEN t.n % 3 = 0 THEN 'business' ELSE 'team' END, :'m1');

-- cost that no tag places: support is the operator's, the rest follows direct cost
SELECT finops.add_allocation_rule('support', 'proportional', :'m1', service_match => 'AWSSupport%', billable => false, priority => 10);
SELECT finops.add_allocation_rule('shared', 'proportional', :'m1');
CALL finops.close_month(:'m1') \gset
:tick
\echo [:elapsed s] :result
CALL finops.close_month(:'m2') \gset
:tick
\echo [:elapsed s] :result
CALL finops.close_month(:'m3') \gset
:tick
\echo [:elapsed s] :result
SELECT finops.refresh_outlook();
:tick
\echo [:elapsed s] the days to come are forecast
\o
\echo
\echo 'Bills'
SELECT to_char(billing_period, 'YYYY-MM') AS month, to_char(line_items, '999,999,999') AS lines,
	to_char(billed_cost, '999,999,990.00') AS "billed USD", to_char(effective_cost, '999,999,990.00') AS "effective USD"
FROM finops.delivery WHERE status = 'current' ORDER BY billing_period;

\ir demo_month.sql

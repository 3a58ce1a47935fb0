-- A generated bill of June 2025, allocated, reconciled, invoiced and locked
-- through the public functions.  :schema is the install schema; with
-- -v stop=prepared the month ends with open documents.
\set ON_ERROR_STOP 1
SET search_path = :"schema", pg_catalog;

SELECT * FROM finops.generate_bill('2025-06-01', 3000, 6, 7);

SELECT * FROM finops.set_issuer(legal_name => 'Example Cloud Services Ltd', address => '1 Harbour Street, Exampleton',
	vat_id => 'EX123456789', currency => 'USD', number_format => 'EX-{YYYY}-{SEQ:5}', payment_terms_days => 30);
SELECT * FROM finops.set_plan('team', 49, 8);
SELECT count(*) AS tenants
FROM tenant_master t, LATERAL finops.register_tenant(t.tenant_id, t.tenant_id || ' Inc.',
	'{"name": "Accounts payable", "address": "2 Market Square, Exampleton", "email": "ap@example.com"}',
	'{"rate_pct": 20, "tax_id": "EX987654321"}', 'invoice', 'USD', 5);
SELECT count(*) AS bindings FROM tenant_master t, LATERAL finops.bind_plan(t.tenant_id, 'team', '2025-01-01');

-- shared cost follows direct cost, support is the operator's
SELECT finops.add_allocation_rule('support', 'proportional', '2025-01-01', service_match => 'AWSSupport%', billable => false, priority => 10);
SELECT finops.add_allocation_rule('shared', 'proportional', '2025-01-01');

\if :{?stop}
SELECT finops.allocate('2025-06-01');
SELECT finops.reconcile('2025-06-01');
SELECT count(*) AS documents FROM finops.prepare_invoices('2025-06-01');
SELECT finops.reconcile('2025-06-01');
\else
CALL finops.close_month('2025-06-01');
SELECT state = 'LOCKED' AS locked FROM period_lock WHERE period_start = '2025-06-01' \gset
\if :locked
\else
SELECT * FROM finops.period_gate ORDER BY position;
DO $$ BEGIN RAISE EXCEPTION 'the month was not locked'; END $$;
\endif
\endif

-- Changes of what documents are computed from are noticed, whatever table they
-- are made in; an issue without them takes documents as they were prepared.
BEGIN;
SELECT * FROM no_plan();
SET LOCAL search_path = public;
SET LOCAL client_min_messages = warning;

CREATE FUNCTION pg_temp.moved(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	i bigint := (SELECT last_value FROM finops.document_input_seq);
	u bigint := (SELECT last_value FROM finops.document_usage_seq);
BEGIN
	EXECUTE statement;
	RETURN concat_ws(' ', CASE WHEN i < (SELECT last_value FROM finops.document_input_seq) THEN 'input' END,
		CASE WHEN u < (SELECT last_value FROM finops.document_usage_seq) THEN 'usage' END);
END $$;
SELECT nextval('finops.document_input_seq'), nextval('finops.document_usage_seq') \g /dev/null

-- every table, by statements that change no row
SELECT is(pg_temp.moved(format(s, t)), 'input', format(s, t))
FROM unnest(ARRAY['DELETE FROM %s WHERE false', 'INSERT INTO %1$s SELECT * FROM %1$s WHERE false']) s, unnest(ARRAY['tenant_master', 'finops.tenant_billing', 'finops.issuer', 'tenant_plan_binding', 'plan_master', 'finops.plan_price', 'plan_metric_map',
	'metric_catalog', 'finops.plan_pause', 'finops.seat_count', 'finops.currency', 'finops.fx_rate', 'finops.tax_rate', 'finops.tax_code',
	'finops.invoice_phrase', 'finops.invoice_replacement', 'fact_cost_allocated']) t;
SELECT is(pg_temp.moved(format(s, t)), kind, format(s, t))
FROM (VALUES ('DELETE FROM %s WHERE false', 'input'), ('INSERT INTO %1$s SELECT * FROM %1$s WHERE false', 'usage')) v(s, kind), unnest(ARRAY['usage_snapshot_daily', 'finops.usage_event', 'finops.usage_balance_entry', 'topup_catalog', 'finops.topup_consent', 'topup_ledger']) t;
SELECT is(pg_temp.moved('UPDATE usage_snapshot_daily SET metric_value = metric_value WHERE false'), 'usage', 'usage that changes');
SELECT is(pg_temp.moved(format('UPDATE usage_snapshot_daily SET %1$s = %1$s WHERE false', c)), 'input', 'usage that goes to another ' || c) FROM unnest(ARRAY['tenant_id', 'usage_date']) c;
SELECT is(pg_temp.moved('TRUNCATE finops.tax_code'), 'input', 'a truncated table');
SELECT is(pg_temp.moved('INSERT INTO finops.run (kind) SELECT kind FROM finops.run WHERE false'), '', 'a table that no document depends on');
SET LOCAL session_replication_role = replica;
SELECT is(pg_temp.moved('UPDATE plan_master SET base_price = 1 WHERE false'), 'input', 'what replication writes');
RESET session_replication_role;

-- a month with every kind of charge leaves a mark
CREATE TABLE finops.fact_cost_allocated_2024_04 PARTITION OF fact_cost_allocated FOR VALUES FROM ('2024-04-01') TO ('2024-05-01');
SELECT count(*) FROM finops.set_issuer('I', 'A', 'V', 'USD') \g /dev/null
INSERT INTO metric_catalog (metric_code, domain, unit, aggregation) VALUES ('IC_M', 'compute', 'u', 'sum_daily');
SELECT count(*) FROM finops.set_plan('IC', 10, currency => 'USD') a, finops.set_plan_price('IC', 'calls', metric_code => 'IC_M', unit_price => 0.5) b \g /dev/null
SELECT count(*) FROM unnest(ARRAY['IC-1', 'IC-2', 'IC-3', 'IC-4']) t, LATERAL finops.register_tenant(t, t, '{"address": "x"}', '{"rate_pct": 10}', currency => 'USD') r,
	LATERAL finops.bind_plan(t, 'IC', '2024-04-01') b \g /dev/null
SELECT count(*) FROM finops.record_usage('IC-1', 'IC_M', 3, '2024-04-05') \g /dev/null
SELECT count(*) FROM finops.pause_plan('IC-1', '2024-04-20') \g /dev/null
INSERT INTO fact_cost_allocated (tenant_id, period_start, period_end, service, category, rule_id, rule_version, run_id, kind, origin, currency, allocated_cost_usd)
SELECT t, '2024-04-01', '2024-04-30', 'EC2', 'OTHER', 'direct-tag', 1, 1, 'direct', 'o', 'USD', 1 FROM unnest(ARRAY['IC-1', 'IC-2', 'IC-3', 'IC-4']) t;
SELECT is(count(*)::int, 4, 'prepared') FROM finops.prepare_invoices('2024-04-01') WHERE tenant_id LIKE 'IC-%';
INSERT INTO finops.period_gate (period_start, gate, position, status) VALUES ('2024-04-01', 'reconciliation', 3, 'ok');
CREATE FUNCTION pg_temp.marked() RETURNS boolean LANGUAGE sql AS $$ SELECT mark IS NOT NULL FROM finops.period_gate WHERE period_start = '2024-04-01' AND gate = 'documents' $$;
SELECT ok(pg_temp.marked(), 'the preparation has left its mark');

-- who only has cost is issued although usage came in, who has usage is not
SELECT count(*) FROM finops.record_usage('IC-2', 'IC_M', 1, '2024-04-06') \g /dev/null
SELECT is(total, 12.10, 'a tenant without usage') FROM finops.issue_invoices('2024-04-01', 'IC-3');
SELECT throws_ok($$SELECT finops.issue_invoices('2024-04-01', 'IC-2')$$, '55000', 'documents of billing period 2024-04 are out of date', 'a tenant with more usage than was prepared');
SELECT throws_ok($$SELECT finops.issue_invoices('2024-04-01')$$, '55000', 'documents of billing period 2024-04 are out of date', 'all tenants');

-- the other ways in which a document is out of date
SELECT count(*) FROM finops.prepare_invoices('2024-04-01') \g /dev/null
SELECT count(*) FROM finops.prepare_invoices('2024-04-01') \g /dev/null
INSERT INTO finops.period_gate (period_start, gate, position, status) VALUES ('2024-04-01', 'reconciliation', 3, 'ok') ON CONFLICT (period_start, gate) DO UPDATE SET status = 'ok';
SAVEPOINT prepared;
INSERT INTO fact_cost_allocated (tenant_id, period_start, period_end, service, category, rule_id, rule_version, run_id, kind, origin, currency, allocated_cost_usd)
VALUES ('IC-4', '2024-04-01', '2024-04-30', 'S3', 'OTHER', 'direct-tag', 1, 1, 'direct', 'o', 'USD', 1);
SELECT throws_ok($$SELECT finops.issue_invoices('2024-04-01', 'IC-4')$$, '55000', 'documents of billing period 2024-04 are out of date', 'more cost');
ROLLBACK TO prepared;
SELECT count(*) FROM finops.set_billing('IC-4', po_number => 'PO-1') \g /dev/null
SELECT throws_ok($$SELECT finops.issue_invoices('2024-04-01', 'IC-4')$$, '55000', 'documents of billing period 2024-04 are out of date', 'another purchase order');
ROLLBACK TO prepared;
SET LOCAL finops.reporting_currency = 'EUR';
SELECT throws_ok($$SELECT finops.issue_invoices('2024-04-01', 'IC-4')$$, '55000', NULL, 'another reporting currency');
ROLLBACK TO prepared;
UPDATE invoice_header SET status = 'void' WHERE tenant_id = 'IC-4';
SELECT is(invoice_id, 'INV-202404-IC4-R2', 'a document that was taken back is made anew') FROM finops.issue_invoices('2024-04-01', 'IC-4');
ROLLBACK TO prepared;
DELETE FROM fact_cost_allocated WHERE period_start = '2024-04-01';
SELECT throws_ok($$SELECT finops.issue_invoices('2024-04-01', 'IC-4')$$, '55000', 'documents of billing period 2024-04 cannot be issued: 2 things are missing', 'no cost any more');
ROLLBACK TO prepared;
UPDATE tenant_master SET billing_contact = NULL WHERE tenant_id = 'IC-4';
SELECT throws_ok($$SELECT finops.issue_invoices('2024-04-01', 'IC-4')$$, '55000', 'billing data of 1 tenant is incomplete', 'no address any more');
ROLLBACK TO prepared;

-- somebody's own trigger or check on documents is served
CREATE TABLE public.seen (invoice_id text);
CREATE FUNCTION pg_temp.see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.seen VALUES (new.invoice_id); RETURN new; END $$;
CREATE TRIGGER see AFTER UPDATE ON invoice_header FOR EACH ROW EXECUTE FUNCTION pg_temp.see();
SELECT is(total, 12.10, 'issued with a trigger') FROM finops.issue_invoices('2024-04-01', 'IC-4');
SELECT is((SELECT array_agg(invoice_id) FROM seen), ARRAY['INV-202404-IC4'], 'the trigger has seen it');
ROLLBACK TO prepared;
ALTER TABLE invoice_header ADD CONSTRAINT own CHECK (total <> 12.10 OR status = 'open') NOT VALID;
SELECT throws_ok($$SELECT finops.issue_invoices('2024-04-01', 'IC-4')$$, '23514', NULL, 'a check of the user holds');
ROLLBACK TO prepared;

-- all of them, without computing them again
SELECT is(count(*)::int, 4, 'all are issued') FROM finops.issue_invoices('2024-04-01') WHERE status = 'issued';
SELECT is_empty('SELECT * FROM finops.verify_invoices()', 'and sound');
SELECT is((SELECT count(*)::int FROM audit_event WHERE action = 'invoice_issue' AND object_id LIKE 'INV-202404-IC%'), 4, 'each issue is written down once');

-- late usage of January stands on March's document; then February is prepared and has it
CREATE TABLE finops.fact_cost_allocated_2023_01 PARTITION OF fact_cost_allocated FOR VALUES FROM ('2023-01-01') TO ('2023-02-01');
CREATE TABLE finops.fact_cost_allocated_2023_03 PARTITION OF fact_cost_allocated FOR VALUES FROM ('2023-03-01') TO ('2023-04-01');
SELECT count(*) FROM finops.register_tenant('IC-L', 'L', '{"address": "x"}', '{"rate_pct": 0}', currency => 'USD') r, finops.bind_plan('IC-L', 'IC', '2023-01-01') b \g /dev/null
INSERT INTO fact_cost_allocated (tenant_id, period_start, period_end, service, category, rule_id, rule_version, run_id, kind, origin, currency, allocated_cost_usd)
SELECT 'IC-L', p, p + 27, 'EC2', 'OTHER', 'direct-tag', 1, 1, 'direct', 'o', 'USD', 1 FROM unnest(ARRAY['2023-01-01', '2023-03-01']::date[]) p;
INSERT INTO finops.period_gate (period_start, gate, position, status) SELECT p, 'reconciliation', 3, 'ok' FROM unnest(ARRAY['2023-01-01', '2023-03-01']::date[]) p;
SELECT count(*) FROM finops.record_usage('IC-L', 'IC_M', 2, '2023-01-05') \g /dev/null
SELECT is(total, 12.00, 'January') FROM finops.issue_invoices('2023-01-01', 'IC-L');
UPDATE usage_snapshot_daily SET metric_value = 4, last_updated_at = clock_timestamp() WHERE tenant_id = 'IC-L';
SELECT is(total, 12.00, 'March has what came in late') FROM finops.prepare_invoices('2023-03-01') WHERE tenant_id = 'IC-L';
SELECT is(total, 11.00, 'February too') FROM finops.prepare_invoices('2023-02-01') WHERE tenant_id = 'IC-L';
SELECT throws_ok($$SELECT finops.issue_invoices('2023-03-01', 'IC-L')$$, '55000', 'documents of billing period 2023-03 are out of date', 'but it is billed once');

-- what comes late for a tenant that never had usage, while its document is prepared
SELECT count(*) FROM finops.register_tenant('IC-N', 'N', '{"address": "x"}', '{"rate_pct": 0}', currency => 'USD') r, finops.bind_plan('IC-N', 'IC', '2023-01-01') b \g /dev/null
INSERT INTO fact_cost_allocated (tenant_id, period_start, period_end, service, category, rule_id, rule_version, run_id, kind, origin, currency, allocated_cost_usd)
SELECT 'IC-N', p, p + 27, 'EC2', 'OTHER', 'direct-tag', 1, 1, 'direct', 'o', 'USD', 1 FROM unnest(ARRAY['2023-01-01', '2023-03-01']::date[]) p;
SELECT count(*) FROM finops.prepare_invoices('2023-01-01', 'IC-N') a, finops.prepare_invoices('2023-03-01') b \g /dev/null
INSERT INTO finops.period_gate (period_start, gate, position, status) SELECT p, 'reconciliation', 3, 'ok' FROM unnest(ARRAY['2023-01-01', '2023-03-01']::date[]) p
ON CONFLICT (period_start, gate) DO UPDATE SET status = 'ok';
SELECT is(total, 11.00, 'January without usage') FROM finops.issue_invoices('2023-01-01', 'IC-N');
SELECT count(*) FROM finops.prepare_invoices('2023-03-01') \g /dev/null
SAVEPOINT ready;
SELECT is(total, 11.00, 'so March') FROM finops.issue_invoices('2023-03-01', 'IC-N');
ROLLBACK TO ready;
INSERT INTO finops.late_usage (tenant_id, metric_code, usage_date, metric_value, recorded_by) VALUES ('IC-N', 'IC_M', '2023-01-05', 2, 'test');
SELECT throws_ok($$SELECT finops.issue_invoices('2023-03-01', 'IC-N')$$, '55000', 'documents of billing period 2023-03 are out of date', 'the late usage is not missed');
SELECT * FROM finish();
ROLLBACK;

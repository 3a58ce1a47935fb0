-- topic document: compute, issue, verify and guard documents

CREATE FUNCTION finops.prepare_invoices(period date, tenant_id text DEFAULT NULL)
RETURNS SETOF @extschema@.invoice_header
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_prepare_invoices';
COMMENT ON FUNCTION finops.prepare_invoices(date, text) IS 'computes the open documents of a billing period, for one tenant or all, and returns the period''s documents; unchanged ones are not touched';
REVOKE ALL ON FUNCTION finops.prepare_invoices(date, text) FROM PUBLIC;

CREATE FUNCTION finops.issue_invoices(period date, tenant_id text DEFAULT NULL)
RETURNS SETOF @extschema@.invoice_header
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_issue_invoices';
COMMENT ON FUNCTION finops.issue_invoices(date, text) IS 'numbers and freezes the documents of a reconciled billing period, for one tenant or all, and returns the period''s documents';
REVOKE ALL ON FUNCTION finops.issue_invoices(date, text) FROM PUBLIC;

CREATE FUNCTION finops.verify_invoices()
RETURNS TABLE (invoice_id text, problem text)
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_verify_invoices';
COMMENT ON FUNCTION finops.verify_invoices() IS 'recomputes every issued document, its link in the hash chain and the numbers of its series; empty when all is as it was issued';
REVOKE ALL ON FUNCTION finops.verify_invoices() FROM PUBLIC;

-- what is issued stays

CREATE FUNCTION finops.guard_invoice_header()
RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'finops_guard_invoice_header';
COMMENT ON FUNCTION finops.guard_invoice_header() IS 'trigger: open documents may change, issued ones only become paid';
REVOKE ALL ON FUNCTION finops.guard_invoice_header() FROM PUBLIC;

CREATE FUNCTION finops.guard_invoice_detail()
RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'finops_guard_invoice_detail';
COMMENT ON FUNCTION finops.guard_invoice_detail() IS 'trigger: lines change only while their document is open';
REVOKE ALL ON FUNCTION finops.guard_invoice_detail() FROM PUBLIC;

CREATE TRIGGER invoice_header_guard BEFORE UPDATE OR DELETE ON @extschema@.invoice_header
	FOR EACH ROW EXECUTE FUNCTION finops.guard_invoice_header();
COMMENT ON TRIGGER invoice_header_guard ON @extschema@.invoice_header IS 'issued documents never change';
CREATE TRIGGER invoice_header_no_truncate BEFORE TRUNCATE ON @extschema@.invoice_header
	FOR EACH STATEMENT EXECUTE FUNCTION finops.guard_truncate();
COMMENT ON TRIGGER invoice_header_no_truncate ON @extschema@.invoice_header IS 'documents are not truncated';
CREATE TRIGGER invoice_detail_guard BEFORE UPDATE OR DELETE ON @extschema@.invoice_detail
	FOR EACH ROW EXECUTE FUNCTION finops.guard_invoice_detail();
COMMENT ON TRIGGER invoice_detail_guard ON @extschema@.invoice_detail IS 'lines of issued documents never change';
CREATE TRIGGER invoice_detail_no_truncate BEFORE TRUNCATE ON @extschema@.invoice_detail
	FOR EACH STATEMENT EXECUTE FUNCTION finops.guard_truncate();
COMMENT ON TRIGGER invoice_detail_no_truncate ON @extschema@.invoice_detail IS 'lines are not truncated';

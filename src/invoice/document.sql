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

CREATE FUNCTION finops.rebuild_invoice(invoice_id text)
RETURNS TABLE (part text, stored text, rebuilt text, identical boolean)
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_rebuild_invoice';
COMMENT ON FUNCTION finops.rebuild_invoice(text) IS 'computes a document again from the inputs stored with it and compares header, lines, taxes and the whole, each as SHA-256 of its bytes';
REVOKE ALL ON FUNCTION finops.rebuild_invoice(text) FROM PUBLIC;

CREATE FUNCTION finops.set_billing(tenant_id text, issuer_id text DEFAULT NULL, language text DEFAULT NULL, time_zone text DEFAULT NULL,
	po_number text DEFAULT NULL, payment_terms_days integer DEFAULT NULL, payment_terms_from text DEFAULT NULL,
	zero_invoices text DEFAULT NULL, credit_balances text DEFAULT NULL)
RETURNS SETOF finops.tenant_billing
LANGUAGE c VOLATILE ROWS 1
AS 'MODULE_PATHNAME', 'finops_set_billing';
COMMENT ON FUNCTION finops.set_billing(text, text, text, text, text, integer, text, text, text) IS 'how a tenant is billed where it differs from its issuer: language, time zone, purchase order, payment terms, zero invoices, credit balances; what is NULL keeps its value, an empty text takes it back';
REVOKE ALL ON FUNCTION finops.set_billing(text, text, text, text, text, integer, text, text, text) FROM PUBLIC;

CREATE FUNCTION finops.set_issuer_policy(issuer_id text DEFAULT 'default', language text DEFAULT NULL, time_zone text DEFAULT NULL,
	payment_terms_from text DEFAULT NULL, tax_rounding text DEFAULT NULL, zero_invoices text DEFAULT NULL, credit_balances text DEFAULT NULL,
	tax_currency text DEFAULT NULL)
RETURNS SETOF finops.issuer
LANGUAGE c VOLATILE ROWS 1
AS 'MODULE_PATHNAME', 'finops_set_issuer_policy';
COMMENT ON FUNCTION finops.set_issuer_policy(text, text, text, text, text, text, text, text) IS 'how an issuer bills: language, time zone, from when payment terms run, where tax is rounded, zero invoices, credit balances, in which currency it accounts for tax; what is NULL keeps its value';
REVOKE ALL ON FUNCTION finops.set_issuer_policy(text, text, text, text, text, text, text, text) FROM PUBLIC;

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
CREATE TRIGGER invoice_detail_guard_update AFTER UPDATE ON @extschema@.invoice_detail
	REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION finops.guard_invoice_detail();
COMMENT ON TRIGGER invoice_detail_guard_update ON @extschema@.invoice_detail IS 'lines of issued documents never change';
CREATE TRIGGER invoice_detail_guard_delete AFTER DELETE ON @extschema@.invoice_detail
	REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION finops.guard_invoice_detail();
COMMENT ON TRIGGER invoice_detail_guard_delete ON @extschema@.invoice_detail IS 'lines of issued documents stay';
CREATE TRIGGER invoice_tax_guard_update AFTER UPDATE ON finops.invoice_tax
	REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION finops.guard_invoice_detail();
COMMENT ON TRIGGER invoice_tax_guard_update ON finops.invoice_tax IS 'taxes of issued documents never change';
CREATE TRIGGER invoice_tax_guard_delete AFTER DELETE ON finops.invoice_tax
	REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION finops.guard_invoice_detail();
COMMENT ON TRIGGER invoice_tax_guard_delete ON finops.invoice_tax IS 'taxes of issued documents stay';
CREATE TRIGGER invoice_tax_no_truncate BEFORE TRUNCATE ON finops.invoice_tax
	FOR EACH STATEMENT EXECUTE FUNCTION finops.guard_truncate();
COMMENT ON TRIGGER invoice_tax_no_truncate ON finops.invoice_tax IS 'taxes of documents are not truncated';
CREATE TRIGGER invoice_input_guard_update AFTER UPDATE ON finops.invoice_input
	REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION finops.guard_invoice_detail();
COMMENT ON TRIGGER invoice_input_guard_update ON finops.invoice_input IS 'inputs of issued documents never change';
CREATE TRIGGER invoice_input_guard_delete AFTER DELETE ON finops.invoice_input
	REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION finops.guard_invoice_detail();
COMMENT ON TRIGGER invoice_input_guard_delete ON finops.invoice_input IS 'inputs of issued documents stay';
CREATE TRIGGER invoice_input_no_truncate BEFORE TRUNCATE ON finops.invoice_input
	FOR EACH STATEMENT EXECUTE FUNCTION finops.guard_truncate();
COMMENT ON TRIGGER invoice_input_no_truncate ON finops.invoice_input IS 'inputs of documents are not truncated';
CREATE TRIGGER invoice_detail_no_truncate BEFORE TRUNCATE ON @extschema@.invoice_detail
	FOR EACH STATEMENT EXECUTE FUNCTION finops.guard_truncate();
COMMENT ON TRIGGER invoice_detail_no_truncate ON @extschema@.invoice_detail IS 'lines are not truncated';

-- texts of documents

CREATE TABLE finops.invoice_phrase (
	language text NOT NULL,
	phrase text NOT NULL,
	text text NOT NULL,
	shipped boolean NOT NULL DEFAULT false,
	CONSTRAINT invoice_phrase_pkey PRIMARY KEY (language, phrase, shipped),
	CONSTRAINT invoice_phrase_language_check CHECK (language OPERATOR(pg_catalog.~) '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$'),
	CONSTRAINT invoice_phrase_text_check CHECK (pg_catalog.btrim(text) OPERATOR(pg_catalog.<>) '')
);
COMMENT ON TABLE finops.invoice_phrase IS 'texts of documents by language; English, German, French and Spanish are shipped, rows with shipped = false add languages or override shipped texts (finops.set_invoice_phrase)';
COMMENT ON COLUMN finops.invoice_phrase.text IS '{name} stands for a value';

INSERT INTO finops.invoice_phrase (language, phrase, text, shipped) VALUES
	('en', 'allocation', '{service}, {month}', true),
	('en', 'subscription', 'Plan {plan}, {month}', true),
	('en', 'subscription_part', 'Plan {plan}, {from} to {to} ({days} of {of} days)', true),
	('en', 'terms_issue', 'Payable within {days} days', true),
	('en', 'terms_issue_0', 'Payable at once', true),
	('en', 'terms_month_end', 'Payable {days} days after the end of the month', true),
	('en', 'terms_month_end_0', 'Payable by the end of the month', true);

REVOKE ALL ON finops.invoice_phrase FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('finops.invoice_phrase', 'WHERE NOT shipped');

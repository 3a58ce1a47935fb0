-- topic void: documents that are taken back before and after issue

CREATE TABLE finops.invoice_replacement (
	invoice_id text NOT NULL,
	credit_invoice_id text,
	reason text NOT NULL,
	requested_by text NOT NULL,
	requested_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	CONSTRAINT invoice_replacement_pkey PRIMARY KEY (invoice_id),
	CONSTRAINT invoice_replacement_invoice_fkey FOREIGN KEY (invoice_id) REFERENCES @extschema@.invoice_header (invoice_id),
	CONSTRAINT invoice_replacement_credit_fkey FOREIGN KEY (credit_invoice_id) REFERENCES @extschema@.invoice_header (invoice_id),
	CONSTRAINT invoice_replacement_reason_check CHECK (pg_catalog.btrim(reason) OPERATOR(pg_catalog.<>) '')
);
COMMENT ON TABLE finops.invoice_replacement IS 'issued invoices that were cancelled by a credit note so that a new revision takes their place (finops.reissue_invoice)';
COMMENT ON COLUMN finops.invoice_replacement.credit_invoice_id IS 'the credit note of what was left; NULL: it had been credited in full before';
REVOKE ALL ON finops.invoice_replacement FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('finops.invoice_replacement', '');

CREATE FUNCTION finops.void_invoice(invoice_id text, reason text)
RETURNS SETOF @extschema@.invoice_header
LANGUAGE c VOLATILE ROWS 1
AS 'MODULE_PATHNAME', 'finops_void_invoice';
COMMENT ON FUNCTION finops.void_invoice(text, text) IS 'takes an open document back; the next preparation makes a new revision. An issued one is credited or reissued';
REVOKE ALL ON FUNCTION finops.void_invoice(text, text) FROM PUBLIC;

CREATE FUNCTION finops.reissue_invoice(invoice_id text, reason text)
RETURNS SETOF @extschema@.invoice_header
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_reissue_invoice';
COMMENT ON FUNCTION finops.reissue_invoice(text, text) IS 'cancels an issued invoice by a credit note for all that is left and prepares a new revision from the data of today; returns the credit note and the open revision';
REVOKE ALL ON FUNCTION finops.reissue_invoice(text, text) FROM PUBLIC;

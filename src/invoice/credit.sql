-- topic credit: what takes an issued invoice back

CREATE FUNCTION finops.credit_invoice(invoice_id text, reason text, lines jsonb DEFAULT NULL)
RETURNS SETOF @extschema@.invoice_header
LANGUAGE c VOLATILE ROWS 1
AS 'MODULE_PATHNAME', 'finops_request_credit';
COMMENT ON FUNCTION finops.credit_invoice(text, text, jsonb) IS 'issues a credit note for all that is left of an invoice, or for lines [{"line_no": 1}, {"line_no": 2, "amount": 12.50}] with net amounts';
REVOKE ALL ON FUNCTION finops.credit_invoice(text, text, jsonb) FROM PUBLIC;

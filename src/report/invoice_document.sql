-- topic invoice_document: documents as people and machines read them

CREATE FUNCTION finops.invoice_html(invoice_id text)
RETURNS text
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_invoice_html';
COMMENT ON FUNCTION finops.invoice_html(text) IS 'an invoice or credit note as one self-contained HTML page that prints on A4; one that is not issued says that it is a draft';
REVOKE ALL ON FUNCTION finops.invoice_html(text) FROM PUBLIC;

CREATE FUNCTION finops.invoice_ubl(invoice_id text)
RETURNS xml
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_invoice_ubl';
COMMENT ON FUNCTION finops.invoice_ubl(text) IS 'an issued invoice or credit note as UBL 2.1, EN 16931; what is missing is named with the call that sets it';
REVOKE ALL ON FUNCTION finops.invoice_ubl(text) FROM PUBLIC;

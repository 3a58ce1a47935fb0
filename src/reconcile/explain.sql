CREATE FUNCTION finops.explain_invoice_line(invoice_id text, line_no integer)
RETURNS TABLE ("position" bigint, step text, name text, detail text, amount numeric, currency text, reference jsonb)
LANGUAGE c VOLATILE ROWS 20
AS 'MODULE_PATHNAME', 'finops_explain_invoice_line';
COMMENT ON FUNCTION finops.explain_invoice_line(text, integer) IS 'a line of a document back to the bill: the line, the allocation entries whose amounts add up to its cost, their rules, the deliveries and, where they are few, the bill lines';
REVOKE ALL ON FUNCTION finops.explain_invoice_line(text, integer) FROM PUBLIC;

-- topic month: a billing period on one page

CREATE FUNCTION finops.report_html(period date)
RETURNS text
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_report_html';
COMMENT ON FUNCTION finops.report_html(date) IS 'a billing period as one self-contained HTML page: headline numbers, trend and forecast, cost by service and tenant, tag coverage, allocation flow, reconciliation, budgets, documents, receivables and open findings';
REVOKE ALL ON FUNCTION finops.report_html(date) FROM PUBLIC;

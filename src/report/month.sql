-- topic month: a billing period on one page

CREATE FUNCTION finops.report_html(period date)
RETURNS text
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_report_html';
COMMENT ON FUNCTION finops.report_html(date) IS 'a billing period as one self-contained HTML page: headline numbers, trend and forecast, cost by service and tenant, tag coverage, allocation flow, key figures with their level, cost per unit, reconciliation, budgets, documents, receivables, open recommendations, anomalies and open findings';
REVOKE ALL ON FUNCTION finops.report_html(date) FROM PUBLIC;

CREATE FUNCTION finops.report_csv(report text, period date)
RETURNS text
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_report_csv';
COMMENT ON FUNCTION finops.report_csv(text, date) IS 'a report of a billing period as CSV (RFC 4180) with a header: every row and digit behind finops.report_html; finops.reports() names them';
REVOKE ALL ON FUNCTION finops.report_csv(text, date) FROM PUBLIC;

CREATE FUNCTION finops.reports()
RETURNS TABLE (report text, description text)
LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 18
AS 'MODULE_PATHNAME', 'finops_reports';
COMMENT ON FUNCTION finops.reports() IS 'the reports that finops.report_csv writes';

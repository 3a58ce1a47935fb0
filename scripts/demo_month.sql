-- What a FinOps engineer wants to see of the month :m3 (:month3 in words);
-- included by demo.sql and demo_bill.sql.
\echo 'Tag coverage of' :month3
SELECT tag_key AS "tag key", round(rows_pct, 1) AS "% of lines", round(cost_pct, 1) AS "% of cost"
FROM finops.tag_coverage_report(:'m3') ORDER BY cost_pct DESC NULLS LAST, tag_key LIMIT 10;

\echo 'Cost of' :month3 'by tenant: what tags say, and the share of common cost'
WITH entry AS (
	SELECT coalesce(tenant_id, '(' || kind || ')') AS tenant, currency,
		sum(amount) FILTER (WHERE kind = 'direct') AS direct, sum(amount) FILTER (WHERE kind = 'shared') AS shared, sum(amount) AS total
	FROM finops.allocation_current WHERE period_start = :'m3' GROUP BY 1, 2
)
SELECT coalesce(tenant, 'cost in') AS tenant, to_char(sum(direct), '999,999,990.00') AS direct,
	to_char(sum(shared), '999,999,990.00') AS shared, to_char(sum(total), '999,999,990.00') AS total, currency
FROM entry GROUP BY GROUPING SETS ((currency, tenant), (currency))
ORDER BY currency, grouping(tenant), left(tenant, 1) = '(', sum(total) DESC;

\echo 'Reconciliation: cost in = allocated + overhead + unallocated'
SELECT recon_id AS reconciliation, service, to_char(aws_total_usd, '999,999,990.00') AS "cost in", to_char(allocated_total_usd, '999,999,990.00') AS allocated,
	to_char(operator_overhead_usd, '999,999,990.00') AS overhead, to_char(unallocated_usd, '999,999,990.00') AS unallocated,
	to_char(invoiced_total_usd, '999,999,990.00') AS "invoiced at cost", round(variance_pct, 2) AS "variance %", status
FROM recon_summary ORDER BY period_start, service <> 'ALL', abs(variance_usd) DESC, service;

\echo 'Documents of' :month3
SELECT coalesce(invoice_number, invoice_id) AS document, tenant_id AS tenant, plan_code AS plan, to_char(subtotal, '999,999,990.00') AS net,
	to_char(tax, '999,999,990.00') AS tax, to_char(total, '999,999,990.00') AS total, currency, status, due_at::date AS due
FROM invoice_header WHERE period_start = :'m3' ORDER BY number_seq, invoice_id;

\echo 'From billed to effective cost of' :month3
SELECT line, to_char(amount, '999,999,990.0000000000') AS amount, currency
FROM finops.cost_bridge(:'m3') WHERE amount <> 0 OR line = 'residual' ORDER BY position;

\echo 'Forecast of the next 12 months, with 80 % intervals: finops.cost_forecast()'
SELECT to_char(month, 'YYYY-MM') AS month, to_char(mean::numeric, '999,999,990') AS expected,
	to_char(lower_80::numeric, '999,999,990') AS lower, to_char(upper_80::numeric, '999,999,990') AS upper, currency
FROM finops.cost_forecast(12) ORDER BY currency, month;

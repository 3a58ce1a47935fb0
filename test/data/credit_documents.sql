-- Credits the documents of random_documents.sql: halves of lines, single units, the rest.
SELECT count(*) FROM (SELECT DISTINCT n FROM made) k, LATERAL (SELECT jsonb_agg(jsonb_build_object('line_no', d.line_no, 'amount', trunc(d.amount / 2, CASE WHEN h.currency = 'JPY' THEN 0 ELSE 2 END))) AS lines
	FROM invoice_detail d JOIN invoice_header h USING (invoice_id) WHERE d.invoice_id = 'INV-UB-' || k.n AND abs(d.amount) > 2 AND (d.line_no = 1 OR d.amount < 0)) p, LATERAL finops.credit_invoice('INV-UB-' || k.n, 'half #1#', p.lines);
SELECT count(*) FROM (SELECT d.invoice_id, d.line_no FROM invoice_detail d WHERE d.invoice_id LIKE 'INV-UB-%' AND d.amount > 2 ORDER BY d.invoice_id, pg_temp.rnd(d.line_no * 77, 1000)) d,
	LATERAL finops.credit_invoice(d.invoice_id, 'part', jsonb_build_array(jsonb_build_object('line_no', d.line_no, 'amount', 1.00)));

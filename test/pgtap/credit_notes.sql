-- Credit notes add up to their invoice, in any order and any partition.
BEGIN;
SELECT plan(22);
\set documents 60
\o /dev/null
\ir ../data/random_documents.sql

-- Lago's four lines, credited one by one in each of the 24 orders
CREATE TEMP TABLE orders AS SELECT row_number() OVER (ORDER BY a, b, c, d) AS n, ARRAY[a, b, c, d] AS lines
FROM generate_series(1, 4) a, generate_series(1, 4) b, generate_series(1, 4) c, generate_series(1, 4) d WHERE a NOT IN (b, c, d) AND b NOT IN (c, d) AND c <> d;
SELECT count(*) FROM orders o, LATERAL finops.register_tenant('LA-' || o.n, 'L', '{"address": "x"}', '{"rate_pct": 20}', currency => 'EUR');
INSERT INTO invoice_header (invoice_id, invoice_number, tenant_id, period_start, period_end, status, currency, subtotal, tax, total, subtotal_usd, tax_usd, total_usd, tax_rate, issuer, recipient, issued_at, due_at, number_series, number_seq, prev_hash, hash, fx_rate)
SELECT 'INV-LA-' || n, 'LA' || n, 'LA-' || n, '2024-02-01', '2024-02-29', 'issued', 'EUR', 279.16, 55.83, 334.99, 279.16 * 1.1, 55.83 * 1.1, 334.99 * 1.1, 0.2, '{}', '{}', '2024-03-01', '2024-03-31', 'invoice-la', n, '', 'x', 1.1 FROM orders;
INSERT INTO invoice_detail (invoice_id, line_no, tenant_id, period_start, line_type, description, quantity, unit, unit_price, unit_price_usd, amount, amount_usd, tax_rate)
SELECT 'INV-LA-' || n, l, 'LA-' || n, '2024-02-01', 'seat', 'Seats', 1, 'month', x, x * 1.1, x, x * 1.1, 0.2 FROM orders, unnest(ARRAY[68.33, 68.33, 57.50, 85.00]) WITH ORDINALITY u(x, l);
INSERT INTO finops.invoice_tax (invoice_id, tax_category, tax_rate, taxable_amount, tax_amount) SELECT 'INV-LA-' || n, 'S', 0.2, 279.16, 55.83 FROM orders;
SELECT count(*) FROM orders o, generate_series(1, 4) i, LATERAL finops.credit_invoice('INV-LA-' || o.n, 'line ' || i, jsonb_build_array(jsonb_build_object('line_no', o.lines[i])));
\o
SELECT is(count(*), 96::bigint, 'four notes for each of 24 orders, the last one accepted') FROM invoice_header WHERE original_invoice_id LIKE 'INV-LA-%';
SELECT is_empty($$SELECT original_invoice_id FROM invoice_header WHERE original_invoice_id LIKE 'INV-LA-%' GROUP BY 1 HAVING sum(total) <> -334.99 OR sum(tax) <> -55.83$$, 'they add up to 334.99');
SELECT is_empty($$SELECT invoice_id FROM invoice_header WHERE original_invoice_id LIKE 'INV-LA-%' AND (abs(tax - subtotal * 0.2) > 0.01 OR fx_rate <> 1.1)$$, 'each note is within a cent of its own tax, at the original rate of exchange');
SELECT is(count(*), 24::bigint, 'what is fully credited is settled') FROM invoice_header WHERE invoice_id LIKE 'INV-LA-%' AND status = 'paid';
SELECT throws_ok($$SELECT finops.credit_invoice('INV-LA-1', 'again')$$, '55000');
SELECT ok(bool_and(number_seq = expected), 'numbers of credit notes have no gap') FROM (SELECT number_seq, row_number() OVER (ORDER BY number_seq) + min(number_seq) OVER () - 1 AS expected FROM invoice_header
	WHERE kind = 'credit_note' AND number_series IN (SELECT number_series FROM invoice_header WHERE original_invoice_id LIKE 'INV-LA-%')) x;

-- random documents in random parts: half of each line, then line by line, negative ones first, then the rest
\o /dev/null
\ir ../data/credit_documents.sql
\o
SELECT cmp_ok(count(*)::int, '>', 200, 'many notes') FROM invoice_header WHERE original_invoice_id LIKE 'INV-UB-%';
SELECT is_empty($$SELECT h.invoice_id FROM invoice_header h JOIN invoice_header c ON c.original_invoice_id = h.invoice_id WHERE h.invoice_id LIKE 'INV-UB-%' GROUP BY h.invoice_id HAVING h.total + sum(c.total) < 0$$, 'never more than is left');
SELECT throws_ok($$SELECT finops.credit_invoice('INV-UB-1', 'more', '[{"line_no": 1, "amount": 99999999}]')$$, '22023');
SELECT count(*) FROM (SELECT invoice_id FROM invoice_header WHERE invoice_id LIKE 'INV-UB-%' AND status = 'issued') i, LATERAL finops.credit_invoice(i.invoice_id, 'the rest') \g /dev/null
SELECT is_empty($$SELECT h.invoice_id FROM invoice_header h LEFT JOIN invoice_header c ON c.original_invoice_id = h.invoice_id WHERE h.invoice_id LIKE 'INV-UB-%' GROUP BY h.invoice_id
	HAVING h.total + coalesce(sum(c.total), 0) <> 0 OR h.tax + coalesce(sum(c.tax), 0) <> 0$$, 'fully credited invoices sum to 0.00, net and tax');
SELECT is_empty($$SELECT d.line_no FROM invoice_detail d JOIN invoice_header h USING (invoice_id) WHERE coalesce(h.original_invoice_id, h.invoice_id) LIKE 'INV-UB-%'
	GROUP BY coalesce(h.original_invoice_id, h.invoice_id), d.line_no HAVING sum(d.amount) <> 0 OR coalesce(sum(d.gross_amount), 0) <> 0$$, 'so does each line, also with tax');
SELECT is_empty($$SELECT t.tax_category FROM finops.invoice_tax t JOIN invoice_header h USING (invoice_id) WHERE coalesce(h.original_invoice_id, h.invoice_id) LIKE 'INV-UB-%'
	GROUP BY coalesce(h.original_invoice_id, h.invoice_id), t.tax_category, t.tax_rate HAVING sum(t.taxable_amount) <> 0 OR sum(t.tax_amount) <> 0$$, 'and each tax');
SELECT is_empty($$SELECT h.invoice_id FROM invoice_header h WHERE h.kind = 'credit_note' AND h.original_invoice_id LIKE 'INV-UB-%' AND
	NOT EXISTS (SELECT FROM finops.invoice_tax t WHERE t.invoice_id = h.invoice_id HAVING sum(t.taxable_amount) = h.subtotal AND sum(t.tax_amount) = h.tax)$$, 'the tax table of a note adds up to its header');

-- computed again from the invoice and the notes before it
SELECT is((SELECT bool_and(r.identical) FROM invoice_header h, finops.rebuild_invoice(h.invoice_id) r WHERE h.kind = 'credit_note'), true, 'every credit note is rebuilt byte by byte');
SELECT is((SELECT array_agg(r.part) FROM finops.rebuild_invoice('CN-UB-1') r), (SELECT ARRAY['header'] || array_agg('line ' || line_no ORDER BY line_no) FROM invoice_detail WHERE invoice_id = 'CN-UB-1')
	|| (SELECT array_agg(format('tax %s %s', tax_category, trim_scale(tax_rate)) ORDER BY tax_category, tax_rate) FROM finops.invoice_tax WHERE invoice_id = 'CN-UB-1') || ARRAY['document'], 'part by part');
SET LOCAL session_replication_role = replica;
UPDATE invoice_detail SET amount = amount - 0.01 WHERE invoice_id = 'CN-UB-1' AND line_no = 1;
SET LOCAL session_replication_role = origin;
SELECT is((SELECT array_agg(r.part) FROM finops.rebuild_invoice('CN-UB-1') r WHERE NOT identical AND part IN ('line 1', 'document')), ARRAY['line 1', 'document'], 'what was tampered with shows');
SELECT cmp_ok((SELECT count(*)::int FROM finops.verify_invoices() WHERE invoice_id = 'CN-UB-1'), '>', 0, 'and is found by verification');
SET LOCAL session_replication_role = replica;
UPDATE invoice_detail SET amount = amount + 0.01 WHERE invoice_id = 'CN-UB-1' AND line_no = 1;
SET LOCAL session_replication_role = origin;

-- e-invoices: what they refuse
SELECT throws_ok($$SELECT finops.invoice_ubl(NULL)$$, '22004');
SELECT throws_ok($$SELECT finops.invoice_ubl('INV-0')$$, 'P0002');
INSERT INTO invoice_header (invoice_id, tenant_id, period_start, period_end, revision) VALUES ('INV-UB-OPEN', 'UB-1', '2024-02-01', '2024-02-29', 9);
SELECT throws_ok($$SELECT finops.invoice_ubl('INV-UB-OPEN')$$, '55000', 'document "INV-UB-OPEN" is not issued');
SELECT throws_like($$SELECT finops.invoice_ubl('INV-LA-1')$$, '%is missing for the e-invoice of "INV-LA-1"');
SELECT is_empty($$SELECT invoice_id FROM invoice_header WHERE coalesce(original_invoice_id, invoice_id) LIKE 'INV-UB-%' AND number_series IS NOT NULL
	AND xpath_exists('//*[local-name()="PayableAmount"]', finops.invoice_ubl(invoice_id)) IS NOT TRUE$$, 'every document has an e-invoice');

SELECT * FROM finish();
ROLLBACK;

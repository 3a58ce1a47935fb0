-- Invariants of documents over seeded random data, recomputed in plain SQL.
BEGIN;
SELECT plan(34);

CREATE TABLE finops.fact_cost_allocated_2022_01 PARTITION OF fact_cost_allocated FOR VALUES FROM ('2022-01-01') TO ('2022-02-01');
CREATE TEMP TABLE had AS SELECT coalesce(max(last_number), 0) AS n FROM finops.number_series WHERE series = 'invoice';

SELECT count(*) FROM finops.set_issuer('Example Ltd', '1 High Street', 'DE1', number_format => 'PG{SEQ:7}', credit_number_format => 'PC{SEQ:7}') \g /dev/null
SELECT count(*) FROM finops.set_fx_rate('JPY', '2022-01-01', 0.0067) a, finops.set_fx_rate('BHD', '2022-01-01', 2.6525) b \g /dev/null
\set tenants 240
-- a linear congruential generator: the same data everywhere
CREATE FUNCTION pg_temp.rnd(seed bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$ SELECT ((seed * 1103515245 + 12345) % 2147483647 * 48271 + 11) % 2147483647 * 16807 % 2147483647 $$;
SELECT count(*) FROM generate_series(1, 3) n, LATERAL finops.set_plan('PG-' || n, (ARRAY[0, 99.99, 1234.567])[n], (ARRAY[0, 7.5, 12.345])[n], (ARRAY['USD', 'USD', 'JPY'])[n]) \g /dev/null
SELECT count(*) FROM generate_series(1, :tenants) n, LATERAL finops.register_tenant('PG-' || to_char(n, 'FM000'), 'T' || n, '{"address": "x"}',
	(ARRAY['{"rate_pct": 19}', '{"rate_pct": 7.7, "inclusive": true}', '{"exempt": true}', '{"rate_pct": 20.5}', '{"rate_pct": 100, "inclusive": true}'])[1 + n % 5]::jsonb,
	currency => (ARRAY['USD', 'JPY', 'BHD'])[1 + n % 3]) \g /dev/null
SELECT count(*) FROM generate_series(1, :tenants) n, LATERAL finops.bind_plan('PG-' || to_char(n, 'FM000'), 'PG-' || 1 + n % 3, '2022-01-01'::date + n % 31) \g /dev/null
SELECT count(*) FROM generate_series(1, :tenants, 4) n, LATERAL finops.bind_plan('PG-' || to_char(n, 'FM000'), 'PG-2', '2021-01-01'::date, '2022-01-01'::date + n % 31 - 1) WHERE n % 31 > 0 \g /dev/null
INSERT INTO fact_cost_allocated (tenant_id, period_start, period_end, service, category, rule_id, rule_version, run_id, kind, origin, currency, allocated_cost_usd)
SELECT 'PG-' || to_char(n, 'FM000'), '2022-01-01', '2022-01-31', 'S' || s, 'OTHER', 'direct-tag', 1, 1, 'direct', 'o', 'USD',
	(pg_temp.rnd(n * 1000 + s) - CASE WHEN pg_temp.rnd(s * 7919 + n) % 8 = 0 THEN 2147483647 ELSE 0 END) * 0.0000000125
FROM generate_series(1, :tenants) n, generate_series(1, 9) s;
-- exact halves, where rounding line by line drifts most
UPDATE fact_cost_allocated SET allocated_cost_usd = round(allocated_cost_usd, 2) + 0.005 WHERE service IN ('S1', 'S2', 'S3') AND period_start = '2022-01-01';

CREATE TEMP TABLE prepared AS SELECT * FROM finops.prepare_invoices('2022-01-01');
SELECT is(count(*), :tenants::bigint, 'each tenant has a document') FROM prepared;
CREATE TEMP TABLE unit AS SELECT code, ('1e-' || minor_unit)::numeric AS unit, minor_unit AS digits FROM finops.currency;
CREATE TEMP VIEW line AS SELECT l.*, h.currency, h.fx_rate, u.unit AS minor, u.digits FROM invoice_detail l JOIN invoice_header h USING (invoice_id) JOIN unit u ON u.code = h.currency WHERE h.period_start = '2022-01-01' AND h.kind = 'invoice';

SELECT is_empty($$SELECT invoice_id FROM invoice_header h WHERE period_start = '2022-01-01' AND (total <> subtotal + tax
	OR subtotal <> (SELECT sum(amount) FROM invoice_detail l WHERE l.invoice_id = h.invoice_id))$$, 'total = sum of lines + tax');
SELECT is_empty($$SELECT invoice_id FROM invoice_header h JOIN unit u ON u.code = h.currency WHERE period_start = '2022-01-01'
	AND NOT tax_inclusive AND tax <> round(subtotal * tax_rate, digits)$$, 'tax on the sum of the lines, half away from zero');
SELECT is_empty($$SELECT invoice_id FROM invoice_header h JOIN unit u ON u.code = h.currency WHERE period_start = '2022-01-01'
	AND tax_inclusive AND (abs(tax - total * tax_rate / (1 + tax_rate)) * 2 > unit OR total <> (SELECT sum(gross_amount) FROM invoice_detail l WHERE l.invoice_id = h.invoice_id))$$,
	'included tax is within half a minor unit of exact, gross lines add up to the total');
SELECT is_empty($$SELECT invoice_id FROM line WHERE amount <> round(amount, digits) OR scale(amount) <> digits OR gross_amount <> round(gross_amount, digits)$$,
	'amounts are in whole minor units');
SELECT results_eq($$SELECT sum(cost_usd) FROM line WHERE line_type = 'allocation'$$, $$SELECT sum(allocated_cost_usd) FROM fact_cost_allocated WHERE period_start = '2022-01-01'$$,
	'invoiced at cost = allocated, to the last digit');
SELECT is_empty($$SELECT tenant_id, service, cost_usd FROM line WHERE line_type = 'allocation' EXCEPT SELECT tenant_id, service, allocated_cost_usd FROM fact_cost_allocated WHERE period_start = '2022-01-01'$$,
	'so per tenant and service');
-- exact amount of an allocation line, from the inputs
CREATE TEMP VIEW exact AS SELECT l.*, coalesce(l.gross_amount, l.amount) AS priced, l.cost * (1 + p.markup_pct / 100) / l.fx_rate AS amount_exact
FROM line l JOIN invoice_header h USING (invoice_id) JOIN plan_master p ON p.plan_code = h.plan_code WHERE l.line_type = 'allocation';
SELECT is_empty($$SELECT invoice_id, line_no FROM exact WHERE abs(priced - amount_exact) >= minor$$, 'each line is the floor or the ceiling of its exact amount');
SELECT is_empty($$SELECT invoice_id FROM exact GROUP BY invoice_id, digits HAVING sum(priced) <> round(sum(amount_exact), digits)$$, 'rounded lines add up to the rounded sum');
SELECT cmp_ok(count(*)::int, '>', 60, 'rounding line by line would miss that in many documents (the test can fail)')
FROM (SELECT FROM exact GROUP BY invoice_id, digits HAVING sum(round(amount_exact, digits)) <> round(sum(amount_exact), digits)) x;
CREATE TEMP VIEW part AS SELECT l.invoice_id, l.digits, l.minor, p.base_price, p.currency AS priced_in, coalesce(l.gross_amount, l.amount) AS priced, p.base_price * coalesce(f.rate, 1) / l.fx_rate
		* (least(coalesce(b.period_end, '2022-01-31'), '2022-01-31') - greatest(b.period_start, '2022-01-01') + 1) / 31.0::numeric(40, 30) AS priced_exact
	FROM line l JOIN tenant_plan_binding b ON b.binding_id = (l.reference_ids ->> 'binding_id')::uuid JOIN plan_master p USING (plan_code)
	LEFT JOIN finops.fx_rate f ON f.currency = p.currency WHERE l.line_type = 'subscription';
SELECT is_empty($$SELECT invoice_id FROM part GROUP BY invoice_id, base_price, priced_in, digits HAVING sum(priced) <> round(sum(priced_exact), digits)$$, 'subscriptions are prorated by day; parts of one price add up to it, rounded once');
SELECT is_empty($$SELECT invoice_id FROM part WHERE abs(priced - priced_exact) >= minor$$, 'each part is the floor or the ceiling of its exact price');
SELECT is_empty($$SELECT invoice_id FROM line WHERE abs(quantity * unit_price - coalesce(gross_amount, amount)) > minor$$, 'quantity x unit price is the amount, but for rounding');
SELECT is_empty($$SELECT invoice_id FROM invoice_header WHERE period_start = '2022-01-01' AND (total_usd <> total * fx_rate OR total_usd <> subtotal_usd + tax_usd)$$, 'reporting currency: exact products that add up');
SELECT is_empty($$SELECT invoice_id FROM invoice_header WHERE period_start = '2022-01-01' AND (status <> 'open' OR invoice_number IS NOT NULL)$$, 'prepared documents are open, without number');

-- mirrored cost gives mirrored allocation lines
CREATE TEMP TABLE mirror AS SELECT tenant_id, service, coalesce(gross_amount, amount) AS amount FROM line WHERE line_type = 'allocation';
SAVEPOINT mirror;
UPDATE fact_cost_allocated SET allocated_cost_usd = -allocated_cost_usd WHERE period_start = '2022-01-01';
SELECT count(*) FROM finops.prepare_invoices('2022-01-01') \g /dev/null
SELECT is_empty($$SELECT tenant_id, service, -amount FROM mirror EXCEPT SELECT tenant_id, service, coalesce(gross_amount, amount) FROM line WHERE line_type = 'allocation'$$, 'negated cost gives negated lines');
ROLLBACK TO mirror;

-- settings of the session do not matter
CREATE TEMP TABLE digests AS SELECT invoice_id, input_digest FROM invoice_header WHERE period_start = '2022-01-01';
SET LOCAL DateStyle = 'German'; SET LOCAL TimeZone = 'Pacific/Kiritimati'; SET LOCAL extra_float_digits = -5; SET LOCAL bytea_output = 'escape'; SET LOCAL IntervalStyle = 'sql_standard';
SELECT count(*) FROM finops.prepare_invoices('2022-01-01') \g /dev/null
SELECT is(count(*), 0::bigint, 'documents do not depend on session settings') FROM digests d FULL JOIN (SELECT * FROM invoice_header WHERE period_start = '2022-01-01') h USING (invoice_id) WHERE d.input_digest IS DISTINCT FROM h.input_digest;

-- numbers
INSERT INTO finops.period_gate (period_start, gate, position, status) VALUES ('2022-01-01', 'reconciliation', 3, 'ok');
SAVEPOINT aborted;
SELECT cmp_ok(count(invoice_number), '>', 100::bigint, 'issued, then aborted') FROM finops.issue_invoices('2022-01-01');
ROLLBACK TO aborted;
SELECT is(count(invoice_number), 1::bigint, 'one tenant is issued') FROM finops.issue_invoices('2022-01-01', 'PG-004');
CREATE TEMP TABLE issued AS SELECT * FROM finops.issue_invoices('2022-01-01');
SELECT is(count(*), (SELECT count(*) FROM prepared WHERE total > 0), 'documents with a positive total are issued') FROM issued WHERE status = 'issued';
SELECT is(ARRAY[count(*), count(DISTINCT invoice_number), max(number_seq) - min(number_seq) + 1, min(number_seq)],
	ARRAY[count(*), count(*), count(*), (SELECT n + 1 FROM had)], 'numbers have no gap and no duplicate, aborts included') FROM issued WHERE status = 'issued';
SELECT is_empty($$SELECT FROM (SELECT issued_at, lag(issued_at) OVER (ORDER BY number_seq) AS before FROM issued WHERE number_seq IS NOT NULL) x WHERE issued_at < before$$, 'numbers follow the time of issue');
SELECT results_eq($$SELECT * FROM finops.issue_invoices('2022-01-01')$$, $$SELECT * FROM issued$$, 'issued again: the same rows');
SELECT is_empty($$SELECT * FROM finops.verify_invoices()$$, 'nothing is wrong');

-- tampering by somebody who can switch triggers off
CREATE FUNCTION pg_temp.tamper(statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE found text[];
BEGIN
	BEGIN
		SET LOCAL session_replication_role = replica;
		EXECUTE statement;
		SET LOCAL session_replication_role = origin;
		found := ARRAY(SELECT problem FROM finops.verify_invoices());
		RAISE EXCEPTION 'undo' USING ERRCODE = 'ZZ001';
	EXCEPTION WHEN SQLSTATE 'ZZ001' THEN
		NULL;
	END;
	RETURN QUERY SELECT * FROM unnest(found);
END $$;
CREATE TEMP TABLE victim AS SELECT invoice_id, number_seq, tenant_id FROM issued WHERE status = 'issued' ORDER BY number_seq OFFSET 10 LIMIT 1;
SELECT results_eq($$SELECT pg_temp.tamper('UPDATE invoice_header SET recipient = recipient || ''{"tenant_name": "Mallory"}'' WHERE invoice_id = (SELECT invoice_id FROM victim)')$$,
	ARRAY['hash does not match the document'], 'a changed recipient is found');
SELECT results_eq($$SELECT pg_temp.tamper('UPDATE invoice_detail SET description = description || ''.'' WHERE line_no = 2 AND invoice_id = (SELECT invoice_id FROM victim)')$$,
	ARRAY['hash does not match the document'], 'a changed text is found');
SELECT results_eq($$SELECT pg_temp.tamper('UPDATE invoice_detail SET cost_usd = cost_usd + 1 WHERE line_no = 2 AND invoice_id = (SELECT invoice_id FROM victim)')$$,
	ARRAY['hash does not match the document'], 'a changed cost is found');
SELECT cmp_ok(count(*)::int, '>=', 2, 'a removed line is found by its sum and by the hash')
FROM pg_temp.tamper('DELETE FROM invoice_detail WHERE line_no = 2 AND invoice_id = (SELECT invoice_id FROM victim)');
SELECT results_eq($$SELECT pg_temp.tamper('DELETE FROM invoice_header WHERE invoice_id = (SELECT invoice_id FROM victim)')$$,
	$$SELECT unnest(ARRAY[format('number %s of series invoice is missing', number_seq), 'previous hash is not the hash of the document before it']) FROM victim$$, 'a removed document is found');
SELECT is(count(*), 1::bigint, 'a document removed at the end is found')
FROM pg_temp.tamper('DELETE FROM invoice_header WHERE number_seq = (SELECT max(number_seq) FROM issued)');
SELECT cmp_ok(count(*)::int, '>=', 1, 'a document signed anew is found by its neighbour')
FROM pg_temp.tamper('UPDATE invoice_header SET hash = md5(hash) || md5(hash) WHERE invoice_id = (SELECT invoice_id FROM victim)');

-- credit notes: everything that was billed comes back
SELECT count(*) FROM issued i CROSS JOIN LATERAL finops.credit_invoice(i.invoice_id, 'test') c WHERE i.status = 'issued' \g /dev/null
SELECT is_empty($$SELECT tenant_id FROM invoice_header WHERE period_start = '2022-01-01' AND status <> 'open' GROUP BY tenant_id HAVING sum(total) <> 0 OR sum(tax) <> 0$$, 'fully credited: 0 is left');
SELECT is_empty($$SELECT * FROM finops.verify_invoices()$$, 'credit notes are chained too');
SELECT ok(bool_or(x LIKE 'credits %, which is not issued'), 'a credit note whose invoice is gone is found')
FROM pg_temp.tamper('DELETE FROM invoice_header WHERE invoice_id = (SELECT invoice_id FROM victim)') x;
ROLLBACK;

-- Matching: PAYMENTS bank lines (default 100000) against twice as many open
-- invoices of PAYMENTS / 5 tenants, first with exact references only, then
-- with declared noise and labels.  The share matched by itself and the number
-- matched wrongly are counted against the labels.
\getenv payments PAYMENTS
\if :{?payments}
\else
\set payments 100000
\endif
\getenv seed SEED
\if :{?seed}
\else
\set seed 1
\endif
\set ON_ERROR_STOP 1
SET client_min_messages = warning;
\set invoices 2 * :payments
\set tenants :payments / 5

CREATE FUNCTION pg_temp.rnd(n bigint, salt int) RETURNS float8 LANGUAGE sql IMMUTABLE AS $$
	SELECT (hashint8extended(n * 1000 + salt, 7919) & 2147483647) / 2147483648.0::float8 $$;
CREATE FUNCTION pg_temp.pick(a text[], r float8) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT a[1 + floor(r * cardinality(a))::int] $$;

-- names of two words and a legal form; some differ in a letter, some are long
CREATE TEMP TABLE tenant AS
SELECT n, 'BP-' || to_char(n, 'FM0000000') AS tenant_id,
	pg_temp.pick(ARRAY['Nord','Süd','Alpen','Blau','Grün','Müller','Meier','Schön','Rot','Stern','Berg','Tal','Fluss','Hafen','Stadt','Wald','Feld','Luft','Glas','Stahl','Silver','Golden','Rapid','Bright','Quiet'], pg_temp.rnd(n, 1))
	|| pg_temp.pick(ARRAY['technik','werk','bau','handel','druck','soft','data','cloud','media','pharma','logistik','energie','labs','motors','foods','trade'], pg_temp.rnd(n, 2)) || ' '
	|| chr(65 + (n / 676 % 26)::int) || chr(97 + (n / 26 % 26)::int) || chr(97 + (n % 26)::int) || pg_temp.pick(ARRAY['ler','mann','sen','ova','ini','ski','berg','ton'], pg_temp.rnd(n, 3)) || ' '
	|| pg_temp.pick(ARRAY['GmbH','AG','Ltd','Inc.','S.A.','B.V.','GmbH & Co. KG','LLC'], pg_temp.rnd(n, 4)) AS name,
	'DE' || to_char(10 + n % 90, 'FM00') || to_char(37040044 + n % 977, 'FM00000000') || to_char(n * 7919 % 10000000000, 'FM0000000000') AS iban
FROM generate_series(1, :tenants) n;
INSERT INTO tenant_master (tenant_id, tenant_name, currency) SELECT tenant_id, name, 'EUR' FROM tenant;
SELECT count(*) FROM finops.set_fx_rate('EUR', '2020-01-01', 1.1) \g /dev/null
INSERT INTO finops.payer_account (account, tenant_id) SELECT iban, tenant_id FROM tenant WHERE pg_temp.rnd(n, 5) < 0.6;

-- amounts spread over four decades, one in seven a list price
CREATE TEMP TABLE bill AS
SELECT n, 'BP-' || to_char(t, 'FM0000000') AS tenant_id, t,
	'INV-2026-' || to_char(n, 'FM000000') AS number,
	CASE WHEN pg_temp.rnd(n, 6) < 0.15 THEN pg_temp.pick(ARRAY['49.00','99.00','199.00','499.00'], pg_temp.rnd(n, 7))::numeric
		ELSE round((10 * 10 ^ (3 * pg_temp.rnd(n, 8)))::numeric, 2) END AS total
FROM (SELECT n, 1 + floor(pg_temp.rnd(n, 9) * (:tenants))::bigint AS t FROM generate_series(1, :invoices) n) x;
INSERT INTO invoice_header (invoice_id, invoice_number, tenant_id, period_start, period_end, revision, status, currency, subtotal, total, fx_rate, subtotal_usd, total_usd,
	issuer, recipient, issued_at, due_at, number_series, number_seq, prev_hash, hash)
SELECT 'INV-202601-' || replace(tenant_id, '-', '') || '-R' || n, number, tenant_id, '2026-01-01', '2026-01-31', n, 'issued', 'EUR', total, total, 1.1, total * 1.1, total * 1.1,
	'{"legal_name": "Example Ltd"}', '{"name": "x"}', '2026-02-01', '2026-03-03', 'bench', n, repeat('0', 64), repeat('0', 64) FROM bill;
-- a second database of the same for the exact run is a savepoint
CREATE TEMP TABLE line (payment_id text, invoices text[], amount numeric, name text, account text, text text, noise text);

\echo exact references
BEGIN;
INSERT INTO payment_txn (payment_id, method, currency, amount, amount_usd, remittance, payer_name, payer_account, paid_at)
SELECT 'PX-' || b.n, 'bank_transfer', 'EUR', b.total, b.total * 1.1, 'Invoice ' || b.number, t.name, t.iban, '2026-02-20' FROM bill b JOIN tenant t ON t.n = b.t WHERE b.n <= :payments;
ANALYZE payment_txn, invoice_header, tenant_master;
\timing on
SELECT * FROM finops.match_payments();
\timing off
SELECT reason, count(*), min(payment_id), min(invoice_id) FROM finops.payment_suggestion GROUP BY 1;
SELECT count(*) AS not_matched FROM invoice_header WHERE number_seq <= :payments AND number_series = 'bench' AND status <> 'paid';
ROLLBACK;
VACUUM payment_txn, invoice_header, finops.payment_application;

-- lines with declared noise; each invoice is meant by one of them at most
CREATE TEMP TABLE meant AS SELECT b.*, t.name, t.iban, pg_temp.rnd(b.n, 100 + :seed) AS kind, pg_temp.rnd(b.n, 200 + :seed) AS r1, pg_temp.rnd(b.n, 300 + :seed) AS r2, pg_temp.rnd(b.n, 400 + :seed) AS r3
FROM bill b JOIN tenant t ON t.n = b.t WHERE b.n <= :payments;
-- how a number is written: as it is, in lower case, with other separators or none, with scanner's errors
CREATE FUNCTION pg_temp.written(number text, r float8) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE floor(r * 8) WHEN 0 THEN lower(number) WHEN 1 THEN replace(number, '-', ' ') WHEN 2 THEN replace(number, '-', '') WHEN 3 THEN replace(number, '-', '/')
		WHEN 4 THEN replace(number, '0', 'O') WHEN 5 THEN replace(number, '-', ' - ') ELSE number END $$;
CREATE FUNCTION pg_temp.typo(number text, r float8) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE floor(r * 3) WHEN 0 THEN overlay(number PLACING (floor(r * 1000)::int % 10)::text FROM 10 + floor(r * 100)::int % 6 FOR 1)
		WHEN 1 THEN overlay(number PLACING '' FROM 10 + floor(r * 100)::int % 6 FOR 1) ELSE overlay(number PLACING (floor(r * 1000)::int % 10)::text FROM 10 + floor(r * 100)::int % 6 FOR 0) END $$;
INSERT INTO line
SELECT 'PN-' || n, ARRAY[number], CASE WHEN noise IN ('bank fee') THEN total - least(round((5 + 15 * r2)::numeric, 2), round(total * 0.15, 2)) WHEN noise = 'partial' THEN round(total * 0.4, 2) ELSE total END,
	CASE WHEN noise = 'other name' THEN (SELECT o.name FROM tenant o WHERE o.n = 1 + (m.t + 17) % (:tenants)) WHEN noise = 'no name' THEN NULL
		WHEN r3 < 0.1 THEN upper(left(name, 20)) WHEN r3 < 0.2 THEN replace(replace(upper(name), 'Ü', 'UE'), 'Ö', 'OE') ELSE name END,
	CASE WHEN noise = 'other name' AND r2 < 0.5 THEN (SELECT o.iban FROM tenant o WHERE o.n = 1 + (m.t + 17) % (:tenants)) WHEN noise = 'no name' THEN NULL ELSE iban END,
	CASE noise WHEN 'typo' THEN 'Rechnung ' || pg_temp.typo(number, r2) WHEN 'truncated' THEN CASE WHEN r2 < 0.5 THEN 'Rg ' || right(number, 6) WHEN r2 < 0.75 THEN 'Nr. ' || ltrim(right(number, 6), '0') ELSE 'Payment ' || left(number, 11) END
		WHEN 'no reference' THEN pg_temp.pick(ARRAY['Vielen Dank', 'services february', '', 'payment'], r2) ELSE pg_temp.pick(ARRAY['Invoice ', 'RE ', 'Rechnungsnr. ', '/INV/', 'paiement facture '], r1) || pg_temp.written(number, r2) END, noise
FROM (SELECT m.*, CASE WHEN kind < 0.62 THEN 'clean' WHEN kind < 0.70 THEN 'typo' WHEN kind < 0.75 THEN 'truncated' WHEN kind < 0.83 THEN 'no reference' WHEN kind < 0.88 THEN 'bank fee'
	WHEN kind < 0.92 THEN 'other name' WHEN kind < 0.95 THEN 'no name' WHEN kind < 0.96 THEN 'partial' END AS noise FROM meant m WHERE kind < 0.96) m;
-- several invoices of a tenant in one payment, with and without their numbers
INSERT INTO line
SELECT 'PN-C' || t, array_agg(number ORDER BY n), sum(total), min(name), min(iban),
	CASE WHEN min(r1) < 0.5 THEN 'Invoices ' || string_agg(CASE WHEN r2 < 0.7 THEN number ELSE pg_temp.written(number, r2) END, ', ' ORDER BY n) ELSE 'monthly payment' END, CASE WHEN min(r1) < 0.5 THEN 'combined, numbers' ELSE 'combined' END
FROM meant WHERE kind >= 0.96 AND kind < 0.99 GROUP BY t;
-- two payments without reference for one invoice
INSERT INTO line
SELECT 'PN-T' || n || '-' || half, ARRAY[number], CASE half WHEN 1 THEN round(total * (0.3 + 0.4 * r2)::numeric, 2) ELSE total - round(total * (0.3 + 0.4 * r2)::numeric, 2) END, name, iban, 'instalment', 'two for one'
FROM meant, generate_series(1, 2) half WHERE kind >= 0.99;
-- the same line again under another identity: nothing is meant
INSERT INTO line SELECT payment_id || '-D', '{}', amount, name, account, text, 'duplicate' FROM line WHERE noise IN ('clean', 'typo', 'bank fee') AND hashtext(payment_id) % 40 = 0;
INSERT INTO payment_txn (payment_id, method, currency, amount, amount_usd, remittance, payer_name, payer_account, paid_at)
SELECT payment_id, 'bank_transfer', 'EUR', amount, amount * 1.1, text, name, account, timestamptz '2026-02-20' + (CASE noise WHEN 'duplicate' THEN 1 ELSE 0 END) * interval '1 day' FROM line WHERE amount > 0;
ANALYZE payment_txn, invoice_header;
\echo with noise
\timing on
SELECT * FROM finops.match_payments();
\timing off
CREATE TEMP TABLE judged AS
SELECT l.*, a.got, coalesce(a.got, '{}') = '{}' AS left_alone, coalesce(a.got, '{}') <> '{}' AND NOT (a.got <@ l.invoices) AS wrong, coalesce(a.got, '{}') = l.invoices AS right
FROM line l LEFT JOIN (SELECT payment_id, array_agg(h.invoice_number ORDER BY h.number_seq) AS got, array_agg(rule) AS rules FROM finops.payment_application JOIN invoice_header h USING (invoice_id) GROUP BY 1) a USING (payment_id) WHERE amount > 0;
SELECT noise, count(*) AS lines, count(*) FILTER (WHERE "right") AS right, count(*) FILTER (WHERE wrong) AS wrong, round(100.0 * count(*) FILTER (WHERE "right") / count(*), 2) AS right_pct FROM judged GROUP BY 1 ORDER BY 2 DESC;
SELECT count(*) AS lines, round(100.0 * count(*) FILTER (WHERE "right") / count(*), 2) AS right_pct, count(*) FILTER (WHERE wrong) AS wrong FROM judged;
SELECT count(*) AS problems FROM finops.verify_payments();
\if :{?show}
SELECT l.*, (SELECT json_agg(json_build_object('inv', h.invoice_number, 'total', h.total, 'rule', a.rule, 'amt', a.amount)) FROM finops.payment_application a JOIN invoice_header h USING (invoice_id) WHERE a.payment_id = l.payment_id) FROM judged l WHERE wrong LIMIT 20;
SELECT l.noise, s.reason, count(*), min(l.payment_id), min(l.text), min(s.invoice_id), min(l.invoices::text) FROM judged l LEFT JOIN LATERAL (SELECT * FROM finops.payment_suggestion s WHERE s.payment_id = l.payment_id LIMIT 1) s ON true WHERE left_alone AND noise <> 'duplicate' GROUP BY 1, 2 ORDER BY 3 DESC;
\endif

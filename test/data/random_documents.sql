-- Random issued invoices as a month of them might look; :documents of them, from tenant UB-1.
-- A linear congruential generator: the same data everywhere.
CREATE FUNCTION pg_temp.rnd(seed bigint, below bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS
	$$ SELECT (((seed * 1103515245 + 12345) % 2147483647 * 48271 + 11) % 2147483647 * 16807 % 2147483647) % below $$;
SELECT count(*) FROM finops.set_issuer('Müller & Söhne <Cloud> GmbH', '{"street": "Hauptstraße 1", "city": "Köln", "postal_code": "50667", "country": "DE", "company_id": "HRB 1234", "email": "billing@example.com"}',
	'DE 123456789', 'EUR', bank => '{"name": "Bank \"A\"", "iban": "DE89 3704 0044 0532 0130 00", "bic": "COBADEFFXXX"}');
SELECT count(*) FROM finops.set_fx_rate('EUR', '2024-01-01', 1.0843) a, finops.set_issuer_policy(tax_currency => 'EUR') b;
CREATE TEMP TABLE kind AS SELECT n, CASE WHEN n % 10 < 5 THEN 'S' ELSE (ARRAY['Z','E','AE','K','G','O'])[1 + n / 10 % 6] END AS category, n % 7 = 3 AND n % 10 < 5 AS inclusive, n % 11 = 0 AS per_line,
	CASE n % 13 WHEN 1 THEN 'JPY' WHEN 2 THEN 'USD' ELSE 'EUR' END AS currency, CASE n % 13 WHEN 1 THEN 1 ELSE 0.01 END AS unit FROM generate_series(1, :documents) n;
SELECT count(*) FROM kind k, LATERAL finops.register_tenant('UB-' || k.n, CASE WHEN k.n % 17 = 0 THEN 'Ltd "O''Hare" & <Sons> ' || chr(8238) || 'x' ELSE 'Tenant ' || k.n END,
	CASE WHEN k.n % 3 = 0 THEN jsonb_build_object('address', '2 Rue <Basse>, 75001 Paris, FR')
		ELSE jsonb_build_object('address', jsonb_build_object('street', '2 Low Street', 'city', 'Vienna', 'postcode', '1010', 'country', 'AT'), 'email', 'ap@example.com', 'buyer_reference', 'R-' || k.n) END,
	jsonb_build_object('category', k.category, 'rate_pct', CASE WHEN k.category = 'S' THEN 19 ELSE 0 END, 'tax_id', CASE WHEN k.n % 3 = 0 THEN 'FR32123456789' ELSE 'ATU12345678' END, 'inclusive', k.inclusive),
	currency => k.currency);
CREATE TEMP TABLE made AS
SELECT k.*, l AS line_no, x.rate, r.price, r.quantity, round(r.price * r.quantity / k.unit) * k.unit AS amount
FROM kind k, LATERAL generate_series(1, 1 + pg_temp.rnd(n, 12)::int) l,
	LATERAL (SELECT CASE WHEN k.category = 'S' THEN (ARRAY[0.19, 0.19, 0.07, 0.2, 0.077])[CASE WHEN k.inclusive OR k.per_line THEN 1 ELSE 1 + pg_temp.rnd(n * 100 + l, 5) END] ELSE 0 END AS rate) x,
	LATERAL (SELECT (pg_temp.rnd(n * 1000 + l, 100000000) - CASE WHEN l > 1 AND pg_temp.rnd(n + l * 7919, 8) = 0 THEN 100000000 ELSE 0 END) * 0.0000123456 AS price,
		(ARRAY[1, 1, 3, 12.5, 0.000123, 730])[1 + pg_temp.rnd(n * 31 + l, 6)] AS quantity) r;
-- a document owes money
UPDATE made m SET price = x.price, quantity = 1, amount = x.price FROM (SELECT n, 5000 + 2 * coalesce(sum(-amount) FILTER (WHERE amount < 0), 0) AS price FROM made WHERE line_no > 1 GROUP BY n) x WHERE x.n = m.n AND m.line_no = 1;
UPDATE made SET price = 5000, quantity = 1, amount = 5000 WHERE line_no = 1 AND amount < 5000;
-- net and tax of inclusive prices and of rounding per line, line by line but for the tax of categories
CREATE TEMP TABLE netted AS SELECT m.*, CASE WHEN inclusive THEN amount - round(amount * rate / (1 + rate) / unit) * unit ELSE amount END AS net,
	CASE WHEN inclusive THEN round(amount * rate / (1 + rate) / unit) * unit ELSE round(amount * rate / unit) * unit END AS line_tax FROM made m;
CREATE TEMP TABLE taxed AS SELECT n, category, rate, sum(net) AS net, CASE WHEN bool_or(inclusive OR per_line) THEN sum(line_tax) ELSE round(sum(net) * rate / min(unit)) * min(unit) END AS tax FROM netted GROUP BY n, category, rate;
INSERT INTO invoice_header (invoice_id, invoice_number, tenant_id, period_start, period_end, kind, status, currency, subtotal, tax, total, subtotal_usd, tax_usd, total_usd, tax_inclusive, tax_rounding,
	po_number, issuer, recipient, issued_at, due_at, number_series, number_seq, prev_hash, hash)
SELECT 'INV-UB-' || k.n, 'UB' || to_char(k.n, 'FM000000'), 'UB-' || k.n, '2024-02-01', '2024-02-29', 'invoice', 'issued', k.currency, t.net, t.tax, t.net + t.tax, t.net, t.tax, t.net + t.tax, k.inclusive,
	CASE WHEN k.per_line OR k.inclusive THEN 'line' ELSE 'category' END, CASE WHEN k.n % 4 = 0 THEN 'PO-' || k.n END, to_jsonb(i.*),
	jsonb_build_object('tenant_id', m.tenant_id, 'tenant_name', m.tenant_name, 'billing_contact', m.billing_contact, 'tax_profile', m.tax_profile),
	'2024-03-01 12:00+00', '2024-03-31 12:00+00', 'invoice-ub', k.n, '', 'x'
FROM kind k JOIN (SELECT n, sum(net) AS net, sum(tax) AS tax FROM taxed GROUP BY n) t USING (n) JOIN tenant_master m ON m.tenant_id = 'UB-' || k.n CROSS JOIN finops.issuer i WHERE i.issuer_id = 'default';
INSERT INTO invoice_detail (invoice_id, line_no, tenant_id, period_start, line_type, description, quantity, unit, unit_price, unit_price_usd, amount, amount_usd, gross_amount, tax_rate, tax_category, service_period_start, service_period_end)
SELECT 'INV-UB-' || n, line_no, 'UB-' || n, '2024-02-01', 'overage', 'Line ' || line_no || CASE WHEN line_no = 3 THEN ' <b>&amp;' || chr(1) ELSE '' END, quantity, (ARRAY['month', 'GB', 'hour', 'seat', 'day'])[1 + line_no % 5], price, price, net, net,
	CASE WHEN inclusive THEN amount END, rate, category, '2024-02-01', '2024-02-29' FROM netted;
INSERT INTO finops.invoice_tax (invoice_id, tax_category, tax_rate, taxable_amount, tax_amount) SELECT 'INV-UB-' || n, category, rate, net, tax FROM taxed;

-- The bill against the provider's invoices: every cause by hand.
BEGIN;
SELECT plan(27);
CREATE TABLE finops.fact_cost_raw_2022_08 PARTITION OF fact_cost_raw FOR VALUES FROM ('2022-08-01') TO ('2022-09-01');
CREATE TABLE finops.fact_cost_raw_2022_09 PARTITION OF fact_cost_raw FOR VALUES FROM ('2022-09-01') TO ('2022-10-01');
CREATE FUNCTION pg_temp.line(invoice text, service text, category text, amount numeric, currency text DEFAULT 'USD', quantity numeric DEFAULT NULL,
	period date DEFAULT '2022-08-01', n int DEFAULT 1) RETURNS void LANGUAGE sql AS $$
	INSERT INTO fact_cost_raw (bill_billing_period_start_date, line_item_usage_start_date, bill_invoice_id, provider, service, charge_category, billed_cost,
		effective_cost, line_item_currency_code, line_item_usage_amount, source, delivery_id)
	SELECT period, period, invoice, 'AWS', service, category, amount, amount, currency, quantity, 'test', 1 FROM generate_series(1, n)
$$;
-- four lines of one invoice that agrees to the digit, five that are 0.02 off
SELECT pg_temp.line('EXACT', 'EC2', 'Usage', 25, n => 4) \g /dev/null
SELECT pg_temp.line('ROUND', 'EC2', 'Usage', 20.004, n => 5) \g /dev/null
SELECT pg_temp.line('FAR', 'EC2', 'Usage', 21, n => 5) \g /dev/null
SELECT pg_temp.line('TAX', 'EC2', 'Usage', 100), pg_temp.line('TAX', 'EC2', 'Tax', 19) \g /dev/null
SELECT pg_temp.line('CREDIT', 'EC2', 'Usage', 100), pg_temp.line('CREDIT', 'EC2', 'Credit', -30) \g /dev/null
SELECT pg_temp.line('RATE', 'EC2', 'Usage', 220, quantity => 100), pg_temp.line('RATE', 'S3', 'Usage', 55, quantity => 11) \g /dev/null
SELECT pg_temp.line('SERVICES', 'EC2', 'Usage', 70), pg_temp.line('SERVICES', 'AWSDataTransfer', 'Usage', 30) \g /dev/null
SELECT pg_temp.line('EURO', 'EC2', 'Usage', 90, 'EUR') \g /dev/null
SELECT pg_temp.line('LATE', 'EC2', 'Usage', 40), pg_temp.line('LATE', 'EC2', 'Usage', 12.5, period => '2022-09-01') \g /dev/null
SELECT pg_temp.line('SPLIT-1', 'EC2', 'Usage', 33), pg_temp.line('EXTRA', 'EC2', 'Usage', 7777) \g /dev/null
SELECT finops.set_fx_rate('EUR', '2022-08-01', 1.25, 'ECB') \g /dev/null
SELECT finops.set_fx_rate('EUR', '2022-09-01', 9.99, 'ECB') \g /dev/null

SELECT throws_ok($$SELECT * FROM finops.compare_provider_invoice('2022-08-01')$$, '55000', NULL, 'nothing is compared with nothing');
SELECT results_eq($$SELECT invoice_id, currency, total, line_items, status FROM finops.load_provider_invoice('2022-08-01', '[
	{"invoice_id": "EXACT", "amount": 100}, {"invoice_id": "ROUND", "amount": "100.00"}, {"invoice_id": "FAR", "amount": 100},
	{"invoice_id": "TAX", "amount": 115}, {"invoice_id": "TAX", "amount": 15, "charge_category": "Tax"},
	{"invoice_id": "CREDIT", "amount": 100},
	{"invoice_id": "RATE", "service": "EC2", "amount": 200, "quantity": 100, "unit_price": 2}, {"invoice_id": "RATE", "service": "S3", "amount": 50, "quantity": 10, "unit_price": 5},
	{"invoice_id": "SERVICES", "amount": 100}, {"invoice_id": "SERVICES", "service": "EC2", "amount": 70}, {"invoice_id": "SERVICES", "service": "S3", "amount": 30},
	{"invoice_id": "EURO", "amount": 112.5}, {"invoice_id": "LATE", "amount": 52.5}, {"invoice_id": "SPLIT-2", "amount": 33}, {"invoice_id": "GONE", "total": 600}]') WHERE invoice_id IN ('RATE', 'SERVICES')$$,
	$$VALUES ('RATE'::text, 'USD'::text, 250::numeric, 2::bigint, 'loaded'::text), ('SERVICES', 'USD', 100, 3, 'loaded')$$, 'totals are taken, or added up from the parts');
SELECT is((SELECT string_agg(DISTINCT status, ',') FROM finops.load_provider_invoice('2022-08-01', '[{"invoice_id": "EXACT", "amount": 100.0}]')), 'unchanged', 'the same again changes nothing');
SELECT is((SELECT status FROM finops.load_provider_invoice('2022-08-01', '{"invoice_id": "GONE", "amount": 500}')), 'replaced', 'another amount replaces the invoice');

CREATE TEMP TABLE found AS SELECT * FROM finops.compare_provider_invoice('2022-08-01');
CREATE FUNCTION pg_temp.causes(id text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(concat_ws(' ', currency, cause, trim_scale(amount), status), '; ' ORDER BY currency COLLATE "C", cause COLLATE "C") FROM found WHERE invoice_id = id $$;
SELECT is(pg_temp.causes('EXACT'), 'USD 0 ok', 'no difference');
SELECT is(pg_temp.causes('ROUND'), 'USD rounding 0.02 explained', '0.02 over 5 lines is rounding');
SELECT is(pg_temp.causes('FAR'), 'USD unexplained 5 unexplained', '5.00 over 5 lines is not');
SELECT is(pg_temp.causes('TAX'), 'USD tax 4 explained', '19 of tax where the invoice has 15');
SELECT is(pg_temp.causes('CREDIT'), 'USD credit -30 explained', 'a credit that the invoice does not show');
SELECT is(pg_temp.causes('RATE'), 'USD extra 5 explained; USD rate 20 explained', '2.20 instead of 2 for 100, and one more at 5');
SELECT is(pg_temp.causes('SERVICES'), 'USD regrouped 0 explained', 'the same amount under another service');
SELECT is(pg_temp.causes('EURO'), 'EUR currency 90 explained; USD currency -112.5 explained', '90 EUR at 1.25 of the period, not at the rate of the next');
SELECT is(pg_temp.causes('LATE'), 'USD late -12.5 explained', 'lines that came with the bill of the next month');
SELECT is(pg_temp.causes('SPLIT-1') || pg_temp.causes('SPLIT-2'), 'USD regrouped 33 explainedUSD regrouped -33 explained', 'the same amount under another id');
SELECT is(pg_temp.causes('GONE'), 'USD missing -500 explained', 'an invoice without bill lines');
SELECT is(pg_temp.causes('EXTRA'), 'USD extra 7777 explained', 'bill lines without an invoice');
SELECT is_empty('SELECT invoice_id FROM found GROUP BY invoice_id, currency, difference HAVING sum(amount) <> difference', 'the causes add up to the difference');
SELECT is((SELECT sum(amount) FROM found), (SELECT sum(billed_cost) FROM fact_cost_raw WHERE bill_billing_period_start_date = '2022-08-01')
	- (SELECT sum(total) FROM (SELECT invoice_id, coalesce(sum(amount) FILTER (WHERE charge_category IS NULL AND service IS NULL), sum(amount)) AS total
		FROM finops.provider_invoice GROUP BY 1) x), 'and all of them to the difference of the month');
-- many lines: half a subunit times the square root of their number
SELECT pg_temp.line('MANY', 'EC2', 'Usage', 0.0001, n => 90000), pg_temp.line('MANY', 'EC2', 'Usage', 1.49) \g /dev/null
SELECT is((SELECT status FROM finops.load_provider_invoice('2022-08-01', '[{"invoice_id": "MANY", "amount": 9}]')), 'loaded', 'one more invoice');
SELECT is((SELECT concat_ws(' ', cause, trim_scale(amount), round(tolerance, 5)) FROM finops.compare_provider_invoice('2022-08-01') WHERE invoice_id = 'MANY'), 'rounding 1.49 1.50001', '1.49 over 90,001 lines');
-- an open invoice is no yardstick
SELECT count(*) FROM finops.load_provider_invoice('2022-08-01', '[{"invoice_id": "FAR", "amount": 100, "status": "open"}]') \g /dev/null
SELECT is((SELECT cause FROM finops.compare_provider_invoice('2022-08-01') WHERE invoice_id = 'FAR'), 'late', 'an open invoice is exempt');

-- what cannot be taken
SELECT throws_ok($$SELECT finops.load_provider_invoice('2022-08-01', '[{"invoice_id": "X", "amount": "12,50"}]')$$, '22023', 'row 1 of the provider''s invoices cannot be taken', 'a comma in a number');
SELECT throws_ok($$SELECT finops.load_provider_invoice('2022-08-01', '[{"invoice_id": "X", "amount": 1}, {"invoice_id": "X", "amount": 1}]')$$, '22023', 'row 2 of the provider''s invoices cannot be taken', 'two totals');
SELECT throws_ok($$SELECT finops.load_provider_invoice('2022-08-01', '[{"invoice_id": "X", "amount": "NaN"}]')$$, '22023', 'row 1 of the provider''s invoices cannot be taken', 'NaN');
SELECT throws_ok($$SELECT finops.load_provider_invoice('2022-08-01', '[7]')$$, '22023', 'row 1 of the provider''s invoices cannot be taken', 'no object');
SELECT throws_ok($$SELECT finops.load_provider_invoice('2022-08-01')$$, '22023', 'either lines or source must be given', 'nothing given');

-- a real bill, where the samples are at hand: one invoice id is the total of the month
\set shared `echo "$FINOPS_SHARED"`
SELECT :'shared' <> '' AND (pg_stat_file(:'shared' || '/data/cur', true)).isdir IS TRUE AS has_shared \gset
\if :has_shared
SELECT count(*) FROM finops.load_bill(:'shared' || '/data/cur/Oct2018-WorkshopCUR.csv.gz') \g /dev/null
SELECT count(*) FROM finops.load_provider_invoice('2018-10-01', '[{"invoice_id": "156090591", "amount": 4064.48}]') \g /dev/null
SELECT is((SELECT string_agg(concat_ws(' ', invoice_id, actual, line_items, cause, status), ';') FROM finops.compare_provider_invoice('2018-10-01')),
	'156090591 4064.4831315379 119307 rounding explained', 'October 2018 is one invoice');
\else
SELECT skip('the samples are not at hand', 1);
\endif

SELECT * FROM finish();
ROLLBACK;

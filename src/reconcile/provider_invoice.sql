
-- what the provider's own invoices say

CREATE TABLE finops.provider_invoice (
	period_start date NOT NULL,
	invoice_id text NOT NULL,
	line_no integer NOT NULL,
	currency text NOT NULL,
	charge_category text,
	service text,
	amount numeric NOT NULL,
	quantity numeric,
	unit_price numeric,
	provider text,
	payer_account_id text,
	status text NOT NULL DEFAULT 'final',
	source text,
	digest text NOT NULL,
	loaded_by text NOT NULL,
	loaded_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	CONSTRAINT provider_invoice_pkey PRIMARY KEY (period_start, invoice_id, line_no),
	CONSTRAINT provider_invoice_period_check CHECK (pg_catalog.date_part('day', period_start) OPERATOR(pg_catalog.=) 1),
	CONSTRAINT provider_invoice_category_check CHECK (charge_category OPERATOR(pg_catalog.=) ANY (ARRAY['Usage', 'Purchase', 'Tax', 'Credit', 'Adjustment'])),
	CONSTRAINT provider_invoice_status_check CHECK (status OPERATOR(pg_catalog.=) ANY (ARRAY['final', 'open'])),
	CONSTRAINT provider_invoice_finite_check CHECK (amount OPERATOR(pg_catalog.>) '-Infinity'::numeric AND amount OPERATOR(pg_catalog.<) 'Infinity'::numeric
		AND quantity OPERATOR(pg_catalog.>) '-Infinity'::numeric AND quantity OPERATOR(pg_catalog.<) 'Infinity'::numeric
		AND unit_price OPERATOR(pg_catalog.>) '-Infinity'::numeric AND unit_price OPERATOR(pg_catalog.<) 'Infinity'::numeric)
);
COMMENT ON TABLE finops.provider_invoice IS 'what the provider''s invoices of a billing period say: totals, and the parts of them where they are known; written by finops.load_provider_invoice';
COMMENT ON COLUMN finops.provider_invoice.charge_category IS 'NULL together with service: the total of the invoice';
COMMENT ON COLUMN finops.provider_invoice.amount IS 'billed cost in currency; credits are negative';
COMMENT ON COLUMN finops.provider_invoice.quantity IS 'quantity of the service, where the invoice shows it; with unit_price it tells a difference of rate from one of quantity';
COMMENT ON COLUMN finops.provider_invoice.status IS 'final, or open where the provider may still change it';
COMMENT ON COLUMN finops.provider_invoice.digest IS 'SHA-256, hex, over the rows of the invoice as given';

CREATE FUNCTION finops.load_provider_invoice(period date, lines jsonb DEFAULT NULL, source text DEFAULT NULL)
RETURNS TABLE (invoice_id text, currency text, total numeric, line_items bigint, status text)
LANGUAGE c VOLATILE ROWS 10
AS 'MODULE_PATHNAME', 'finops_load_provider_invoice';
COMMENT ON FUNCTION finops.load_provider_invoice(date, jsonb, text) IS 'takes what the provider''s invoices of a billing period say, as a JSON array of rows or as a CSV file (invoice_id, amount; optional currency, charge_category, service, quantity, unit_price, provider, payer_account_id, status); an invoice that is given again is replaced';

CREATE FUNCTION finops.compare_provider_invoice(period date)
RETURNS TABLE (invoice_id text, currency text, expected numeric, actual numeric, difference numeric, line_items bigint, tolerance numeric,
	cause text, amount numeric, status text, detail text)
LANGUAGE c VOLATILE ROWS 20
AS 'MODULE_PATHNAME', 'finops_compare_provider_invoice';
COMMENT ON FUNCTION finops.compare_provider_invoice(date) IS 'the bill lines of a billing period against the provider''s invoices, per invoice id and currency, with the difference split by cause; the amounts of an invoice add up to its difference';

REVOKE ALL ON FUNCTION finops.load_provider_invoice(date, jsonb, text), finops.compare_provider_invoice(date) FROM PUBLIC;
REVOKE ALL ON finops.provider_invoice FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('finops.provider_invoice', '');

-- topic payment: payments and receivables

CREATE TABLE @extschema@.payment_txn (
	payment_id text NOT NULL,
	invoice_id text,
	method text NOT NULL,
	currency text NOT NULL,
	amount numeric NOT NULL,
	amount_usd numeric NOT NULL,
	provider_ref text,
	status text NOT NULL DEFAULT 'confirmed',
	paid_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CONSTRAINT payment_txn_pkey PRIMARY KEY (payment_id),
	CONSTRAINT payment_txn_invoice_fkey FOREIGN KEY (invoice_id) REFERENCES @extschema@.invoice_header (invoice_id),
	CONSTRAINT payment_txn_id_check CHECK (pg_catalog.btrim(payment_id) OPERATOR(pg_catalog.<>) ''),
	CONSTRAINT payment_txn_method_check CHECK (method OPERATOR(pg_catalog.=) ANY (ARRAY['card', 'wallet', 'bank_transfer', 'credit'])),
	CONSTRAINT payment_txn_status_check CHECK (status OPERATOR(pg_catalog.=) ANY (ARRAY['pending', 'confirmed', 'failed', 'refunded'])),
	CONSTRAINT payment_txn_amount_check CHECK (amount OPERATOR(pg_catalog.>) 0 AND amount OPERATOR(pg_catalog.<) 'Infinity'::pg_catalog.numeric),
	CONSTRAINT payment_txn_usd_check CHECK (amount_usd OPERATOR(pg_catalog.>) 0 AND amount_usd OPERATOR(pg_catalog.<) 'Infinity'::pg_catalog.numeric)
);
COMMENT ON TABLE @extschema@.payment_txn IS 'payments received, each for one invoice or unapplied (finops.record_payment)';
COMMENT ON COLUMN @extschema@.payment_txn.amount_usd IS 'amount in the reporting currency at the rate of the invoice, unrounded';

CREATE INDEX payment_txn_invoice_idx ON @extschema@.payment_txn (invoice_id);

CREATE FUNCTION finops.record_payment(payment_id text, amount numeric, currency text, method text, provider_ref text,
	invoice_id text DEFAULT NULL, paid_at timestamptz DEFAULT pg_catalog.now())
RETURNS SETOF @extschema@.payment_txn
LANGUAGE c VOLATILE ROWS 1
AS 'MODULE_PATHNAME', 'finops_record_payment';
COMMENT ON FUNCTION finops.record_payment(text, numeric, text, text, text, text, timestamptz) IS 'records a confirmed payment once, for one invoice or for none yet; an invoice with nothing left open becomes paid';
REVOKE ALL ON FUNCTION finops.record_payment(text, numeric, text, text, text, text, timestamptz) FROM PUBLIC;

CREATE FUNCTION finops.receivables_ageing(as_of date DEFAULT CURRENT_DATE)
RETURNS TABLE (tenant_id text, currency text, not_due numeric, days_1_30 numeric, days_31_60 numeric, days_61_90 numeric,
	days_over_90 numeric, open_amount numeric, unapplied numeric)
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_receivables_ageing';
COMMENT ON FUNCTION finops.receivables_ageing(date) IS 'what tenants owed at the end of a day, by days past due, in each currency; payments without invoice in a row without tenant';
REVOKE ALL ON FUNCTION finops.receivables_ageing(date) FROM PUBLIC;

-- what is received stays

CREATE FUNCTION finops.guard_payment()
RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'finops_guard_payment';
COMMENT ON FUNCTION finops.guard_payment() IS 'trigger: of a payment only the status moves on';
REVOKE ALL ON FUNCTION finops.guard_payment() FROM PUBLIC;

CREATE TRIGGER payment_txn_guard BEFORE UPDATE OR DELETE ON @extschema@.payment_txn
	FOR EACH ROW EXECUTE FUNCTION finops.guard_payment();
COMMENT ON TRIGGER payment_txn_guard ON @extschema@.payment_txn IS 'of a payment only the status moves on';
CREATE TRIGGER payment_txn_no_truncate BEFORE TRUNCATE ON @extschema@.payment_txn
	FOR EACH STATEMENT EXECUTE FUNCTION finops.guard_truncate();
COMMENT ON TRIGGER payment_txn_no_truncate ON @extschema@.payment_txn IS 'payments are not truncated';

REVOKE ALL ON @extschema@.payment_txn FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('@extschema@.payment_txn', '');

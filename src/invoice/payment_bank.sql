-- topic bank: statements of bank accounts become payments

CREATE TABLE finops.bank_statement (
	account text NOT NULL,
	statement_id text NOT NULL,
	currency text NOT NULL,
	format text NOT NULL,
	from_date date,
	to_date date,
	opening_balance numeric,
	closing_balance numeric,
	entries bigint NOT NULL,
	source text NOT NULL,
	loaded_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	loaded_by text NOT NULL,
	CONSTRAINT bank_statement_pkey PRIMARY KEY (account, statement_id),
	CONSTRAINT bank_statement_format_check CHECK (format OPERATOR(pg_catalog.=) ANY (ARRAY['camt.053', 'csv']))
);
COMMENT ON TABLE finops.bank_statement IS 'bank statements that were loaded (finops.load_bank_statement); opening balance and entries make the closing balance where the bank says both';
COMMENT ON COLUMN finops.bank_statement.account IS 'the own account, as the bank writes it; empty where a file does not say it';

CREATE TABLE finops.bank_line (
	line_key text NOT NULL,
	content_key text NOT NULL,
	account text NOT NULL,
	statement_id text NOT NULL,
	line_no bigint NOT NULL,
	booking_date date NOT NULL,
	value_date date,
	amount numeric NOT NULL,
	charges numeric,
	currency text NOT NULL,
	kind text NOT NULL,
	counterparty_name text,
	counterparty_account text,
	remittance text,
	structured_reference text,
	end_to_end_id text,
	bank_reference text,
	payment_id text,
	CONSTRAINT bank_line_pkey PRIMARY KEY (line_key),
	CONSTRAINT bank_line_statement_fkey FOREIGN KEY (account, statement_id) REFERENCES finops.bank_statement (account, statement_id),
	CONSTRAINT bank_line_kind_check CHECK (kind OPERATOR(pg_catalog.=) ANY (ARRAY['payment', 'outgoing', 'charge_back', 'reversal'])),
	CONSTRAINT bank_line_amount_check CHECK (amount OPERATOR(pg_catalog.>) '-Infinity'::numeric AND amount OPERATOR(pg_catalog.<) 'Infinity'::numeric)
);
CREATE INDEX bank_line_statement_idx ON finops.bank_line (account, statement_id);
CREATE INDEX bank_line_content_idx ON finops.bank_line (content_key);
CREATE INDEX bank_line_end_to_end_idx ON finops.bank_line (end_to_end_id) WHERE end_to_end_id IS NOT NULL;
COMMENT ON TABLE finops.bank_line IS 'lines of bank statements, each once: a line that is there already is not loaded again, whichever statement brings it';
COMMENT ON COLUMN finops.bank_line.line_key IS 'SHA-256 of account and the bank''s reference; without one of account, day, amount and texts, counted where a statement has several of the same';
COMMENT ON COLUMN finops.bank_line.content_key IS 'the same without the account: by it a line is known again where one of two files does not say the account';
COMMENT ON COLUMN finops.bank_line.amount IS 'in currency; what came in is positive';
COMMENT ON COLUMN finops.bank_line.kind IS 'payment: came in; outgoing: went out; charge_back: took an earlier payment back; reversal: of a line that is not known';
COMMENT ON COLUMN finops.bank_line.line_no IS 'line of the source';

CREATE FUNCTION finops.load_bank_statement(source text, format text DEFAULT 'auto', account text DEFAULT NULL, currency text DEFAULT NULL,
	date_order text DEFAULT NULL, decimal_sign text DEFAULT NULL)
RETURNS TABLE (statement_id text, account text, currency text, lines bigint, payments bigint, duplicates bigint,
	opening_balance numeric, closing_balance numeric, status text)
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_load_bank_statement';
COMMENT ON FUNCTION finops.load_bank_statement(text, text, text, text, text, text) IS 'loads a bank statement, CAMT.053 of any version or CSV, from a server file, http(s) or s3; what came in becomes unapplied payments for finops.match_payments; lines that are there already are not loaded again';
REVOKE ALL ON FUNCTION finops.load_bank_statement(text, text, text, text, text, text) FROM PUBLIC;

CREATE TRIGGER bank_line_guard BEFORE UPDATE OR DELETE OR TRUNCATE ON finops.bank_line
	FOR EACH STATEMENT EXECUTE FUNCTION finops.guard_settlement();
COMMENT ON TRIGGER bank_line_guard ON finops.bank_line IS 'rows are added, never changed';

REVOKE ALL ON finops.bank_statement, finops.bank_line FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('finops.bank_statement', '');
SELECT pg_catalog.pg_extension_config_dump('finops.bank_line', '');

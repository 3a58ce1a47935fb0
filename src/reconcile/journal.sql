-- topic journal: double entry of a billing period

CREATE TABLE finops.journal_account (
	role text NOT NULL,
	account text NOT NULL,
	name text NOT NULL,
	shipped boolean NOT NULL DEFAULT false,
	CONSTRAINT journal_account_pkey PRIMARY KEY (role, shipped),
	CONSTRAINT journal_account_role_check CHECK (role OPERATOR(pg_catalog.=) ANY (ARRAY['expense', 'prepaid', 'accrual', 'payable', 'bank', 'receivable', 'unbilled', 'revenue',
		'output_tax', 'unapplied', 'write_off', 'fx', 'internal_recharge', 'recharge_recovery', 'input_tax', 'rounding', 'customer_credit', 'opening'])),
	CONSTRAINT journal_account_account_check CHECK (pg_catalog.btrim(account) OPERATOR(pg_catalog.<>) '')
);
COMMENT ON TABLE finops.journal_account IS 'which account of the ledger takes what (finops.set_journal_account); a row of one''s own goes before the shipped one';
INSERT INTO finops.journal_account (role, account, name, shipped) VALUES
	('expense', '5000', 'Cloud cost', true), ('prepaid', '1300', 'Prepaid commitments', true), ('accrual', '2100', 'Accrued cost', true), ('payable', '2000', 'Payables to cloud providers', true),
	('bank', '1000', 'Bank', true), ('receivable', '1200', 'Receivables', true), ('unbilled', '1210', 'Unbilled revenue', true), ('revenue', '4000', 'Revenue', true),
	('output_tax', '2200', 'Output tax', true), ('unapplied', '2300', 'Unapplied cash', true), ('write_off', '6000', 'Write-offs and small differences', true),
	('fx', '7000', 'Realised exchange differences', true), ('internal_recharge', '8000', 'Internal recharge', true), ('recharge_recovery', '8010', 'Cost recharged internally', true),
	('input_tax', '1400', 'Input tax', true), ('rounding', '7010', 'Rounding of documents', true), ('customer_credit', '2310', 'Credit balances of customers', true),
	('opening', '3900', 'Opening balances', true);

CREATE TABLE finops.journal_entry (
	posted_period date NOT NULL,
	line_no bigint NOT NULL,
	origin_period date NOT NULL,
	posting_date date NOT NULL,
	source text NOT NULL,
	reference text NOT NULL,
	tenant_id text,
	role text NOT NULL,
	account text NOT NULL,
	account_name text NOT NULL,
	currency text NOT NULL,
	debit numeric NOT NULL,
	credit numeric NOT NULL,
	base_debit numeric NOT NULL,
	base_credit numeric NOT NULL,
	posted_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	posted_by text NOT NULL,
	CONSTRAINT journal_entry_pkey PRIMARY KEY (posted_period, line_no),
	CONSTRAINT journal_entry_side_check CHECK (debit OPERATOR(pg_catalog.>=) 0 AND credit OPERATOR(pg_catalog.>=) 0 AND (debit OPERATOR(pg_catalog.=) 0 OR credit OPERATOR(pg_catalog.=) 0))
);
CREATE INDEX journal_entry_origin_idx ON finops.journal_entry (origin_period);
COMMENT ON TABLE finops.journal_entry IS 'the journal of locked periods as it was posted when they were locked; never changes, what turns out otherwise is a correction in an open period';
COMMENT ON COLUMN finops.journal_entry.origin_period IS 'the period that a correction is of';
COMMENT ON COLUMN finops.journal_entry.base_debit IS 'in the reporting currency, unrounded; so base_credit';

CREATE FUNCTION finops.journal(period date)
RETURNS TABLE (posting_date date, source text, reference text, tenant_id text, role text, account text, account_name text, currency text,
	debit numeric, credit numeric, base_debit numeric, base_credit numeric, origin_period date)
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_journal';
COMMENT ON FUNCTION finops.journal(date) IS 'double entry of a billing period: as posted, or as it stands now with corrections of posted periods; debits and credits are equal in each currency and in the reporting currency';

CREATE FUNCTION finops.post_journal(period date)
RETURNS bigint
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_post_journal';
COMMENT ON FUNCTION finops.post_journal(date) IS 'posts what is not posted yet of the journal of a locked billing period, which its lock does already; returns how many lines that were';

CREATE FUNCTION finops.journal_csv(period date)
RETURNS text
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_journal_csv';
COMMENT ON FUNCTION finops.journal_csv(date) IS 'finops.journal as CSV with a header, RFC 4180';

CREATE FUNCTION finops.journal_check(period date)
RETURNS TABLE ("check" text, currency text, ledger numeric, expected numeric, difference numeric)
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_journal_check';
COMMENT ON FUNCTION finops.journal_check(date) IS 'debits against credits of a billing period, and the balances at its end: receivables, credit balances and unapplied cash against the ageing, prepaid commitments against opening + purchases - amortisation of the bills, realised exchange differences and tax in the reporting currency against payments and documents';

CREATE FUNCTION finops.set_journal_account(role text, account text, name text DEFAULT NULL)
RETURNS SETOF finops.journal_account
LANGUAGE c VOLATILE ROWS 1
AS 'MODULE_PATHNAME', 'finops_set_journal_account';
COMMENT ON FUNCTION finops.set_journal_account(text, text, text) IS 'says which account of the ledger takes what';

REVOKE ALL ON FUNCTION finops.journal(date), finops.post_journal(date), finops.journal_csv(date), finops.journal_check(date), finops.set_journal_account(text, text, text) FROM PUBLIC;

CREATE TRIGGER journal_entry_guard BEFORE UPDATE OR DELETE OR TRUNCATE ON finops.journal_entry
	FOR EACH STATEMENT EXECUTE FUNCTION finops.guard_settlement();
COMMENT ON TRIGGER journal_entry_guard ON finops.journal_entry IS 'rows are added, never changed';

REVOKE ALL ON finops.journal_account, finops.journal_entry FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('finops.journal_account', 'WHERE NOT shipped');
SELECT pg_catalog.pg_extension_config_dump('finops.journal_entry', '');

-- topic journal_opening: what was prepaid before the first bill

CREATE TABLE finops.prepaid_opening (
	currency text NOT NULL,
	period_start date NOT NULL,
	amount numeric NOT NULL,
	note text,
	set_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	set_by text NOT NULL,
	CONSTRAINT prepaid_opening_pkey PRIMARY KEY (currency),
	CONSTRAINT prepaid_opening_amount_check CHECK (amount OPERATOR(pg_catalog.>=) 0 AND amount OPERATOR(pg_catalog.<) 'Infinity'::pg_catalog.numeric)
);
COMMENT ON TABLE finops.prepaid_opening IS 'what was left of prepaid commitments when a billing period began, in each currency: the bills that are loaded have their amortisation, not their purchase (finops.set_prepaid_opening)';
COMMENT ON COLUMN finops.prepaid_opening.period_start IS 'the first billing period whose bills are loaded, as a rule';

CREATE FUNCTION finops.set_prepaid_opening(period date, amount numeric, currency text DEFAULT NULL, note text DEFAULT NULL)
RETURNS SETOF finops.prepaid_opening
LANGUAGE c VOLATILE ROWS 1
AS 'MODULE_PATHNAME', 'finops_set_prepaid_opening';
COMMENT ON FUNCTION finops.set_prepaid_opening(date, numeric, text, text) IS 'says what was left of prepaid commitments when a billing period began: the opening balance of the journal; again for a currency replaces it, 0 takes it back';

REVOKE ALL ON FUNCTION finops.set_prepaid_opening(date, numeric, text, text) FROM PUBLIC;
REVOKE ALL ON finops.prepaid_opening FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('finops.prepaid_opening', '');

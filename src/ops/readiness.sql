
-- gate 0 of the close: what a month needs

CREATE TABLE finops.expected_delivery (
	source text NOT NULL,
	valid_from date NOT NULL DEFAULT '1900-01-01',
	valid_to date,
	required boolean NOT NULL DEFAULT true,
	note text,
	set_by text NOT NULL DEFAULT CURRENT_USER,
	set_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	CONSTRAINT expected_delivery_pkey PRIMARY KEY (source, valid_from),
	CONSTRAINT expected_delivery_source_check CHECK (pg_catalog.btrim(source) OPERATOR(pg_catalog.<>) ''),
	CONSTRAINT expected_delivery_to_check CHECK (valid_to OPERATOR(pg_catalog.>) valid_from)
);
COMMENT ON TABLE finops.expected_delivery IS 'whose bills a month must have, beside the sources that delivered the month before; the row with the latest valid_from on or before the first day of the billing period holds';
COMMENT ON COLUMN finops.expected_delivery.source IS 'as in finops.delivery: provider/billing account';
COMMENT ON COLUMN finops.expected_delivery.valid_to IS 'first day on which nothing is expected any more';
COMMENT ON COLUMN finops.expected_delivery.required IS 'false: the source has ended, no bill of it is expected';

CREATE TABLE finops.readiness_waiver (
	period_start date NOT NULL,
	item text NOT NULL,
	reason text NOT NULL,
	waived_by text NOT NULL,
	waived_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	CONSTRAINT readiness_waiver_pkey PRIMARY KEY (period_start, item),
	CONSTRAINT readiness_waiver_reason_check CHECK (pg_catalog.btrim(reason) OPERATOR(pg_catalog.<>) '')
);
COMMENT ON TABLE finops.readiness_waiver IS 'items of readiness with which a month is closed although they are blocked, and why';

CREATE TABLE finops.readiness_log (
	run_id bigint NOT NULL,
	period_start date NOT NULL,
	item text NOT NULL,
	state text NOT NULL,
	detail text NOT NULL,
	next_call text,
	checked_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	CONSTRAINT readiness_log_pkey PRIMARY KEY (run_id, item)
);
CREATE INDEX readiness_log_period_idx ON finops.readiness_log (period_start);
COMMENT ON TABLE finops.readiness_log IS 'what each close of a month found when it began';

CREATE FUNCTION finops.readiness(period date)
RETURNS TABLE (item text, state text, detail text, next_call text)
LANGUAGE c VOLATILE ROWS 10
AS 'MODULE_PATHNAME', 'finops_readiness';
COMMENT ON FUNCTION finops.readiness(date) IS 'what a month needs before it is closed; state is ok, note, waived or blocked, with the next call where it is not ok';

CREATE FUNCTION finops.waive_readiness(period date, item text, reason text)
RETURNS void
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_waive_readiness';
COMMENT ON FUNCTION finops.waive_readiness(date, text, text) IS 'lets a month be closed although an item of its readiness is blocked; audited';

-- who does what by when

CREATE TABLE finops.close_policy (
	step text NOT NULL,
	"position" integer NOT NULL,
	owner text NOT NULL,
	due_business_day integer NOT NULL,
	effective_from date NOT NULL DEFAULT '1900-01-01',
	shipped boolean NOT NULL DEFAULT false,
	CONSTRAINT close_policy_pkey PRIMARY KEY (step, effective_from, shipped),
	CONSTRAINT close_policy_step_check CHECK (step OPERATOR(pg_catalog.=) ANY (ARRAY['readiness', 'tags', 'allocation', 'reconciliation', 'documents', 'control', 'issue', 'lock'])),
	CONSTRAINT close_policy_due_check CHECK (due_business_day OPERATOR(pg_catalog.>) 0 AND due_business_day OPERATOR(pg_catalog.<=) 60)
);
COMMENT ON TABLE finops.close_policy IS 'owner and due day of each step of the close; a row of the user comes before a shipped row, the latest that holds on the first day of the billing period counts';
COMMENT ON COLUMN finops.close_policy.due_business_day IS 'business days after the end of the billing period: 1 is the first one';

INSERT INTO finops.close_policy (step, "position", owner, due_business_day, shipped) VALUES
	('readiness', 1, 'FinOps', 3, true),
	('tags', 2, 'Platform', 3, true),
	('allocation', 3, 'FinOps', 4, true),
	('reconciliation', 4, 'FinOps', 4, true),
	('documents', 5, 'Billing', 5, true),
	('control', 6, 'Billing', 5, true),
	('issue', 7, 'Billing', 6, true),
	('lock', 8, 'Finance', 6, true);

CREATE FUNCTION finops.close_calendar(period date)
RETURNS TABLE ("position" integer, step text, owner text, due date, state text, detail text, next_call text)
LANGUAGE c VOLATILE ROWS 8
AS 'MODULE_PATHNAME', 'finops_close_calendar';
COMMENT ON FUNCTION finops.close_calendar(date) IS 'the steps of the close of a month with owner, due day and state: done, open, stopped, late or waiting';

REVOKE ALL ON FUNCTION finops.readiness(date), finops.waive_readiness(date, text, text), finops.close_calendar(date) FROM PUBLIC;
REVOKE ALL ON finops.expected_delivery, finops.readiness_waiver, finops.readiness_log, finops.close_policy FROM PUBLIC;
GRANT SELECT ON finops.close_policy TO PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('finops.expected_delivery', '');
SELECT pg_catalog.pg_extension_config_dump('finops.readiness_waiver', '');
SELECT pg_catalog.pg_extension_config_dump('finops.readiness_log', '');
SELECT pg_catalog.pg_extension_config_dump('finops.close_policy', 'WHERE NOT shipped');

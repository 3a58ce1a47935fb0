-- room reconcile: the control of a billing period, its exceptions, the lock

-- policy

CREATE TABLE finops.recon_policy (
	stage text NOT NULL,
	policy_version text NOT NULL,
	warning_pct numeric NOT NULL,
	failed_pct numeric NOT NULL,
	effective_from date NOT NULL DEFAULT '1900-01-01',
	shipped boolean NOT NULL DEFAULT false,
	CONSTRAINT recon_policy_pkey PRIMARY KEY (stage, effective_from, shipped),
	CONSTRAINT recon_policy_stage_check CHECK (stage OPERATOR(pg_catalog.=) ANY (ARRAY['allocation', 'tagging', 'invoice', 'fx', 'timing'])),
	CONSTRAINT recon_policy_pct_check CHECK (warning_pct OPERATOR(pg_catalog.>=) 0 AND failed_pct OPERATOR(pg_catalog.>=) warning_pct
		AND failed_pct OPERATOR(pg_catalog.<) 'Infinity'::numeric)
);
COMMENT ON TABLE finops.recon_policy IS 'thresholds of the reconciliation; the version in force on the first day of the billing period judges it, a row of the user comes before a shipped row';
COMMENT ON COLUMN finops.recon_policy.stage IS 'allocation: cost in against what was placed; tagging: cost without a tenant; invoice: documents at cost against the allocation; fx: documents against their rate; timing: usage that began more than a day outside the period';
COMMENT ON COLUMN finops.recon_policy.warning_pct IS 'percent; an absolute variance above it is a warning, exactly on it is still ok';
COMMENT ON COLUMN finops.recon_policy.failed_pct IS 'percent; an absolute variance above it has failed, exactly on it is a warning';

INSERT INTO finops.recon_policy (stage, policy_version, warning_pct, failed_pct, shipped) VALUES
	('allocation', '1.0', 0.5, 1.0, true),
	('tagging', '1.0', 0.5, 0.5, true),
	('invoice', '1.0', 0.5, 1.0, true),
	('fx', '1.0', 0.25, 0.25, true),
	('timing', '1.0', 0.5, 0.5, true);

-- the current run of a period

CREATE TABLE finops.recon_run (
	recon_id text NOT NULL,
	period_start date NOT NULL,
	period_end date NOT NULL,
	revision integer NOT NULL,
	run_id bigint NOT NULL,
	stage integer NOT NULL,
	provisional boolean NOT NULL,
	cost_basis text NOT NULL,
	currency text NOT NULL,
	status text NOT NULL,
	detail text NOT NULL,
	aws_total_usd numeric NOT NULL,
	allocated_total_usd numeric NOT NULL,
	operator_overhead_usd numeric NOT NULL,
	unallocated_usd numeric NOT NULL,
	invoiced_total_usd numeric NOT NULL,
	not_yet_invoiced_usd numeric NOT NULL,
	accrued_usd numeric NOT NULL DEFAULT 0,
	evidence jsonb,
	executed_by text NOT NULL,
	run_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	CONSTRAINT recon_run_pkey PRIMARY KEY (recon_id),
	CONSTRAINT recon_run_period_key UNIQUE (period_start),
	CONSTRAINT recon_run_stage_check CHECK (stage OPERATOR(pg_catalog.=) ANY (ARRAY[2, 4])),
	CONSTRAINT recon_run_status_check CHECK (status OPERATOR(pg_catalog.=) ANY (ARRAY['ok', 'warning', 'failed', 'resolved']))
);
COMMENT ON TABLE finops.recon_run IS 'the current reconciliation of each billing period; superseded runs stand in finops.recon_history';
COMMENT ON COLUMN finops.recon_run.revision IS 'counts the runs of the period';
COMMENT ON COLUMN finops.recon_run.stage IS '2: bill against allocation; 4: also documents against allocation';
COMMENT ON COLUMN finops.recon_run.provisional IS 'true while the period has not ended';
COMMENT ON COLUMN finops.recon_run.currency IS 'the reporting currency: amounts in another currency are converted at the rate of finops.fx_rate for the last day of the period';
COMMENT ON COLUMN finops.recon_run.status IS 'worst of all services, the total and the documents; resolved once each of them is';
COMMENT ON COLUMN finops.recon_run.aws_total_usd IS 'cost in: the cost of all providers in the period on its cost basis';
COMMENT ON COLUMN finops.recon_run.not_yet_invoiced_usd IS 'allocated_total_usd - invoiced_total_usd: cost of tenants that get no invoice, or none yet';
COMMENT ON COLUMN finops.recon_run.accrued_usd IS 'accruals of this month and reversals of earlier ones (finops.accrual_entry); beside cost in, never in it';
COMMENT ON COLUMN finops.recon_run.evidence IS 'thresholds used, digests of the inputs and the line counts';

CREATE TABLE finops.recon_detail (
	recon_id text NOT NULL,
	service text NOT NULL,
	aws_total_usd numeric NOT NULL,
	allocated_total_usd numeric NOT NULL,
	operator_overhead_usd numeric NOT NULL,
	unallocated_usd numeric NOT NULL,
	invoiced_total_usd numeric NOT NULL,
	variance_usd numeric NOT NULL,
	variance_pct numeric,
	status text NOT NULL,
	line_items bigint NOT NULL,
	untagged_usd numeric NOT NULL,
	out_of_period_usd numeric NOT NULL,
	CONSTRAINT recon_detail_pkey PRIMARY KEY (recon_id, service),
	CONSTRAINT recon_detail_run_fkey FOREIGN KEY (recon_id) REFERENCES finops.recon_run (recon_id),
	CONSTRAINT recon_detail_status_check CHECK (status OPERATOR(pg_catalog.=) ANY (ARRAY['ok', 'warning', 'failed']))
);
COMMENT ON TABLE finops.recon_detail IS 'the current reconciliation of every service, in or out of tolerance';
COMMENT ON COLUMN finops.recon_detail.variance_usd IS 'allocated + operator overhead - cost in; what no rule places shows as a negative variance';
COMMENT ON COLUMN finops.recon_detail.variance_pct IS 'signed percent of abs(cost in); NULL where cost in is 0';
COMMENT ON COLUMN finops.recon_detail.untagged_usd IS 'cost of lines without a tenant, placed by rules or not';
COMMENT ON COLUMN finops.recon_detail.out_of_period_usd IS 'cost of lines whose usage begins more than one day outside the period';

CREATE TABLE finops.recon_stage (
	recon_id text NOT NULL,
	stage integer NOT NULL,
	name text NOT NULL,
	expected_usd numeric NOT NULL,
	actual_usd numeric NOT NULL,
	variance_usd numeric NOT NULL,
	variance_pct numeric,
	policy_version text NOT NULL,
	warning_pct numeric NOT NULL,
	failed_pct numeric NOT NULL,
	status text NOT NULL,
	CONSTRAINT recon_stage_pkey PRIMARY KEY (recon_id, stage, name),
	CONSTRAINT recon_stage_run_fkey FOREIGN KEY (recon_id) REFERENCES finops.recon_run (recon_id),
	CONSTRAINT recon_stage_status_check CHECK (status OPERATOR(pg_catalog.=) ANY (ARRAY['ok', 'warning', 'failed']))
);
COMMENT ON TABLE finops.recon_stage IS 'the current reconciliation by stage: 1 tags, 2 allocation against bill, 3 documents against allocation, 4 fx and timing';
COMMENT ON COLUMN finops.recon_stage.status IS 'by the thresholds of the policy; tags and timing explain and do not shut the gate';

CREATE TABLE finops.recon_currency (
	recon_id text NOT NULL,
	currency text NOT NULL,
	rate numeric,
	cost_in numeric NOT NULL,
	allocated numeric NOT NULL,
	operator_overhead numeric NOT NULL,
	unallocated numeric NOT NULL,
	invoiced numeric NOT NULL,
	cost_in_usd numeric NOT NULL,
	allocated_usd numeric NOT NULL,
	operator_overhead_usd numeric NOT NULL,
	unallocated_usd numeric NOT NULL,
	invoiced_usd numeric NOT NULL,
	fx_difference_usd numeric NOT NULL,
	CONSTRAINT recon_currency_pkey PRIMARY KEY (recon_id, currency),
	CONSTRAINT recon_currency_run_fkey FOREIGN KEY (recon_id) REFERENCES finops.recon_run (recon_id)
);
COMMENT ON TABLE finops.recon_currency IS 'the current reconciliation per currency of the bill, in that currency and in the reporting currency';
COMMENT ON COLUMN finops.recon_currency.rate IS 'units of the reporting currency for one unit in this period; NULL: none, counted at 1';
COMMENT ON COLUMN finops.recon_currency.invoiced IS 'allocation lines of documents at cost, in this currency';
COMMENT ON COLUMN finops.recon_currency.fx_difference_usd IS 'invoiced at the rates of the documents less invoiced at the rate of the period';

CREATE TABLE finops.recon_query (
	digest text NOT NULL,
	query text NOT NULL,
	CONSTRAINT recon_query_pkey PRIMARY KEY (digest)
);
COMMENT ON TABLE finops.recon_query IS 'the statements with which reconciliations were made; evidence.query_digest of finops.recon_run names them';

CREATE TABLE @extschema@.recon_summary (
	recon_id text NOT NULL,
	service text NOT NULL DEFAULT 'ALL',
	period_start date NOT NULL,
	period_end date NOT NULL,
	aws_total_usd numeric NOT NULL,
	allocated_total_usd numeric NOT NULL,
	invoiced_total_usd numeric NOT NULL,
	operator_overhead_usd numeric NOT NULL,
	unallocated_usd numeric NOT NULL,
	variance_usd numeric NOT NULL,
	variance_pct numeric,
	status text NOT NULL,
	resolved_by text,
	resolved_at timestamptz,
	note text,
	created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	CONSTRAINT recon_summary_pkey PRIMARY KEY (recon_id, service),
	CONSTRAINT recon_summary_run_fkey FOREIGN KEY (recon_id) REFERENCES finops.recon_run (recon_id),
	CONSTRAINT recon_summary_status_check CHECK (status OPERATOR(pg_catalog.=) ANY (ARRAY['ok', 'warning', 'failed', 'resolved']))
);
COMMENT ON TABLE @extschema@.recon_summary IS 'the current reconciliation of each period: one row ALL and one row per service out of tolerance';
COMMENT ON COLUMN @extschema@.recon_summary.period_end IS 'last calendar day of the period';
COMMENT ON COLUMN @extschema@.recon_summary.aws_total_usd IS 'cost in of all providers on the cost basis of the period';
COMMENT ON COLUMN @extschema@.recon_summary.invoiced_total_usd IS 'allocation lines of documents at cost, before markup and tax, less credit notes';
COMMENT ON COLUMN @extschema@.recon_summary.variance_usd IS 'allocated + operator overhead - cost in';
COMMENT ON COLUMN @extschema@.recon_summary.variance_pct IS 'signed percent of abs(cost in); NULL where cost in is 0';
COMMENT ON COLUMN @extschema@.recon_summary.status IS 'ok, warning, failed, or resolved by finops.resolve_recon; documents are issued on ok and resolved only';

CREATE TABLE @extschema@.recon_exceptions (
	exception_id text NOT NULL,
	recon_id text NOT NULL,
	tenant_id text,
	service text,
	category text NOT NULL,
	description text NOT NULL,
	expected_usd numeric,
	actual_usd numeric,
	variance_usd numeric NOT NULL,
	variance_pct numeric,
	severity text NOT NULL,
	status text NOT NULL DEFAULT 'open',
	cause text,
	adjusting_entry text,
	approver text,
	note text,
	created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	resolved_at timestamptz,
	CONSTRAINT recon_exceptions_pkey PRIMARY KEY (exception_id),
	CONSTRAINT recon_exceptions_run_fkey FOREIGN KEY (recon_id) REFERENCES finops.recon_run (recon_id),
	CONSTRAINT recon_exceptions_category_check CHECK (category OPERATOR(pg_catalog.=) ANY (ARRAY['Tagging', 'Allocation', 'Invoice', 'Timing', 'FX', 'Payment'])),
	CONSTRAINT recon_exceptions_severity_check CHECK (severity OPERATOR(pg_catalog.=) ANY (ARRAY['info', 'warning', 'failed'])),
	CONSTRAINT recon_exceptions_status_check CHECK (status OPERATOR(pg_catalog.=) ANY (ARRAY['open', 'resolved']))
);
CREATE INDEX recon_exceptions_recon_idx ON @extschema@.recon_exceptions (recon_id);
COMMENT ON TABLE @extschema@.recon_exceptions IS 'what the current reconciliation of each period found, by service or tenant; info rows explain and do not stop the close';
COMMENT ON COLUMN @extschema@.recon_exceptions.exception_id IS 'RX-YYYYMM-NNNN, numbered anew by each run';
COMMENT ON COLUMN @extschema@.recon_exceptions.cause IS 'why it differs; set by finops.resolve_exception';
COMMENT ON COLUMN @extschema@.recon_exceptions.adjusting_entry IS 'the entry, document or decision that settles the amount';

CREATE TABLE finops.recon_history (
	recon_id text NOT NULL,
	revision integer NOT NULL,
	relation text NOT NULL,
	key text NOT NULL,
	content jsonb NOT NULL,
	superseded_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	CONSTRAINT recon_history_pkey PRIMARY KEY (recon_id, revision, relation, key),
	CONSTRAINT recon_history_relation_check CHECK (relation OPERATOR(pg_catalog.=) ANY (ARRAY['recon_run', 'recon_detail', 'recon_stage', 'recon_currency', 'recon_summary', 'recon_exceptions']))
);
COMMENT ON TABLE finops.recon_history IS 'superseded reconciliations: every row of their tables as it stood, as jsonb';
COMMENT ON COLUMN finops.recon_history.key IS 'service of a detail or summary row, id of an exception, the period of a run';

-- the seal of a locked period

CREATE TABLE finops.period_seal (
	period_start date NOT NULL,
	object text NOT NULL,
	row_count bigint NOT NULL,
	digest text NOT NULL,
	columns text[] NOT NULL,
	CONSTRAINT period_seal_pkey PRIMARY KEY (period_start, object)
);
COMMENT ON TABLE finops.period_seal IS 'what a locked period consisted of, per relation; finops.verify_period compares';
COMMENT ON COLUMN finops.period_seal.digest IS 'finops.seal_digest of the rows; see docs/reconcile.md';
COMMENT ON COLUMN finops.period_seal.columns IS 'the columns that are sealed, in the order in which they are hashed';

CREATE FUNCTION finops.seal_accum(state bytea, "row" record, columns text[])
RETURNS bytea
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'finops_seal_accum';
COMMENT ON FUNCTION finops.seal_accum(bytea, record, text[]) IS 'state function of finops.seal_digest';

CREATE FUNCTION finops.seal_combine(state bytea, other bytea)
RETURNS bytea
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'finops_seal_combine';
COMMENT ON FUNCTION finops.seal_combine(bytea, bytea) IS 'combine function of finops.seal_digest';

CREATE FUNCTION finops.seal_final(state bytea)
RETURNS text
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'finops_seal_final';
COMMENT ON FUNCTION finops.seal_final(bytea) IS 'final function of finops.seal_digest';

CREATE AGGREGATE finops.seal_digest("row" record, columns text[]) (
	SFUNC = finops.seal_accum,
	STYPE = bytea,
	SSPACE = 272,
	FINALFUNC = finops.seal_final,
	COMBINEFUNC = finops.seal_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE finops.seal_digest(record, text[]) IS 'digest, hex, of the named columns of all rows, whatever their order';

REVOKE ALL ON FUNCTION finops.seal_accum(bytea, record, text[]), finops.seal_combine(bytea, bytea), finops.seal_final(bytea),
	finops.seal_digest(record, text[]) FROM PUBLIC;

-- variance

CREATE FUNCTION finops.variance_pct(actual numeric, expected numeric)
RETURNS numeric
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'finops_variance_pct';
COMMENT ON FUNCTION finops.variance_pct(numeric, numeric) IS 'signed percent of abs(expected); NULL when nothing is expected, which callers treat as failed unless actual is 0 too';

CREATE FUNCTION finops.recon_variance_accum(state numeric[], actual numeric, expected numeric)
RETURNS numeric[]
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'finops_recon_variance_accum';
COMMENT ON FUNCTION finops.recon_variance_accum(numeric[], numeric, numeric) IS 'state function of finops.recon_variance';

CREATE FUNCTION finops.recon_variance_combine(state numeric[], other numeric[])
RETURNS numeric[]
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'finops_recon_variance_combine';
COMMENT ON FUNCTION finops.recon_variance_combine(numeric[], numeric[]) IS 'combine function of finops.recon_variance';

CREATE FUNCTION finops.recon_variance_final(state numeric[])
RETURNS numeric
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'finops_recon_variance_final';
COMMENT ON FUNCTION finops.recon_variance_final(numeric[]) IS 'final function of finops.recon_variance';

REVOKE ALL ON FUNCTION finops.recon_variance_accum(numeric[], numeric, numeric), finops.recon_variance_combine(numeric[], numeric[]),
	finops.recon_variance_final(numeric[]) FROM PUBLIC;

CREATE AGGREGATE finops.recon_variance(actual numeric, expected numeric) (
	SFUNC = finops.recon_variance_accum,
	STYPE = numeric[],
	FINALFUNC = finops.recon_variance_final,
	COMBINEFUNC = finops.recon_variance_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE finops.recon_variance(numeric, numeric) IS 'signed percent by which the sum of actual differs from the sum of expected, NULL counting as 0; NULL when nothing is expected in sum or there are no rows';

-- reconciliation

CREATE FUNCTION finops.reconcile(period date, stages integer DEFAULT 4)
RETURNS text
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_reconcile';
COMMENT ON FUNCTION finops.reconcile(date, integer) IS 'compares bill, allocation and, with 4 stages, the documents of a billing period and sets its reconciliation gate; returns RECON-YYYY-MM';

CREATE FUNCTION finops.resolve_recon(recon_id text, service text DEFAULT 'ALL', note text DEFAULT NULL)
RETURNS text
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_resolve_recon';
COMMENT ON FUNCTION finops.resolve_recon(text, text, text) IS 'marks a reconciliation, or one service of it, as resolved where every exception carries cause, amount, adjusting entry and approver; returns the status of the gate';

CREATE FUNCTION finops.resolve_exception(exception_id text, cause text, adjusting_entry text, approver text, note text DEFAULT NULL)
RETURNS void
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_resolve_exception';
COMMENT ON FUNCTION finops.resolve_exception(text, text, text, text, text) IS 'writes down why an exception is accepted, what settles it and who approved';

CREATE FUNCTION finops.lock_period(period date)
RETURNS text
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_lock_period';
COMMENT ON FUNCTION finops.lock_period(date) IS 'closes a reconciled billing period for good and returns its hash head';

CREATE FUNCTION finops.verify_period(period date)
RETURNS TABLE (object text, problem text)
LANGUAGE c VOLATILE ROWS 5
AS 'MODULE_PATHNAME', 'finops_verify_period';
COMMENT ON FUNCTION finops.verify_period(date) IS 'compares a locked billing period with its seal; no row: nothing changed';

REVOKE ALL ON FUNCTION finops.reconcile(date, integer), finops.resolve_recon(text, text, text),
	finops.resolve_exception(text, text, text, text, text), finops.lock_period(date), finops.verify_period(date) FROM PUBLIC;

-- what guards them

CREATE FUNCTION finops.guard_columns()
RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'finops_guard_columns';
COMMENT ON FUNCTION finops.guard_columns() IS 'trigger: refuses an UPDATE of columns other than those named';

CREATE FUNCTION finops.before_resolve()
RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'finops_before_resolve';
COMMENT ON FUNCTION finops.before_resolve() IS 'trigger: the rule under which a reconciliation becomes resolved';

CREATE FUNCTION finops.after_resolve()
RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'finops_after_resolve';
COMMENT ON FUNCTION finops.after_resolve() IS 'trigger: sets the gate and writes the audit event of a resolution';

CREATE FUNCTION finops.refuse_locked_period()
RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'finops_refuse_locked_period';
COMMENT ON FUNCTION finops.refuse_locked_period() IS 'trigger: refuses any change of the partition of a locked billing period';

CREATE FUNCTION finops.refuse_locked_rows()
RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'finops_refuse_locked_rows';
COMMENT ON FUNCTION finops.refuse_locked_rows() IS 'trigger: refuses UPDATE and DELETE of rows of a locked billing period, and TRUNCATE while any is locked';

CREATE FUNCTION finops.guard_period_lock()
RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'finops_guard_period_lock';
COMMENT ON FUNCTION finops.guard_period_lock() IS 'trigger: refuses UPDATE and DELETE of the lock of a billing period';

CREATE FUNCTION finops.refuse_locked_insert()
RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'finops_refuse_locked_insert';
COMMENT ON FUNCTION finops.refuse_locked_insert() IS 'trigger: refuses rows of a locked billing period to every role but the owner of the table';

REVOKE ALL ON FUNCTION finops.refuse_locked_insert() FROM PUBLIC;
REVOKE ALL ON FUNCTION finops.guard_columns(), finops.before_resolve(), finops.after_resolve(), finops.refuse_locked_period(),
	finops.refuse_locked_rows(), finops.guard_period_lock() FROM PUBLIC;

CREATE TRIGGER a_guard_columns BEFORE UPDATE ON @extschema@.recon_summary
FOR EACH ROW EXECUTE FUNCTION finops.guard_columns('status', 'note');

CREATE TRIGGER b_before_resolve BEFORE UPDATE ON @extschema@.recon_summary
FOR EACH ROW EXECUTE FUNCTION finops.before_resolve();

CREATE TRIGGER c_after_resolve AFTER UPDATE ON @extschema@.recon_summary
FOR EACH ROW EXECUTE FUNCTION finops.after_resolve();

CREATE TRIGGER a_guard_columns BEFORE UPDATE ON @extschema@.recon_exceptions
FOR EACH ROW EXECUTE FUNCTION finops.guard_columns('status', 'cause', 'adjusting_entry', 'approver', 'note', 'resolved_at');

CREATE TRIGGER guard_locked BEFORE UPDATE OR DELETE ON @extschema@.period_lock
FOR EACH ROW EXECUTE FUNCTION finops.guard_period_lock();

CREATE TRIGGER guard_locked_truncate BEFORE TRUNCATE ON @extschema@.period_lock
FOR EACH STATEMENT EXECUTE FUNCTION finops.refuse_locked_rows('period_start');

CREATE TRIGGER locked_update AFTER UPDATE ON finops.recon_run
REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION finops.refuse_locked_rows('period_start');
CREATE TRIGGER locked_delete AFTER DELETE ON finops.recon_run
REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION finops.refuse_locked_rows('period_start');
CREATE TRIGGER locked_truncate BEFORE TRUNCATE ON finops.recon_run
FOR EACH STATEMENT EXECUTE FUNCTION finops.refuse_locked_rows('period_start');

CREATE TRIGGER locked_update AFTER UPDATE ON finops.recon_detail
REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION finops.refuse_locked_rows('recon_id');
CREATE TRIGGER locked_delete AFTER DELETE ON finops.recon_detail
REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION finops.refuse_locked_rows('recon_id');
CREATE TRIGGER locked_truncate BEFORE TRUNCATE ON finops.recon_detail
FOR EACH STATEMENT EXECUTE FUNCTION finops.refuse_locked_rows('recon_id');

CREATE TRIGGER locked_update AFTER UPDATE ON @extschema@.recon_summary
REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION finops.refuse_locked_rows('period_start');
CREATE TRIGGER locked_delete AFTER DELETE ON @extschema@.recon_summary
REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION finops.refuse_locked_rows('period_start');
CREATE TRIGGER locked_truncate BEFORE TRUNCATE ON @extschema@.recon_summary
FOR EACH STATEMENT EXECUTE FUNCTION finops.refuse_locked_rows('period_start');

CREATE TRIGGER locked_update AFTER UPDATE ON @extschema@.recon_exceptions
REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION finops.refuse_locked_rows('recon_id');
CREATE TRIGGER locked_delete AFTER DELETE ON @extschema@.recon_exceptions
REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION finops.refuse_locked_rows('recon_id');
CREATE TRIGGER locked_truncate BEFORE TRUNCATE ON @extschema@.recon_exceptions
FOR EACH STATEMENT EXECUTE FUNCTION finops.refuse_locked_rows('recon_id');

CREATE TRIGGER locked_update AFTER UPDATE ON finops.recon_stage
REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION finops.refuse_locked_rows('recon_id');
CREATE TRIGGER locked_delete AFTER DELETE ON finops.recon_stage
REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION finops.refuse_locked_rows('recon_id');
CREATE TRIGGER locked_truncate BEFORE TRUNCATE ON finops.recon_stage
FOR EACH STATEMENT EXECUTE FUNCTION finops.refuse_locked_rows('recon_id');

CREATE TRIGGER locked_update AFTER UPDATE ON finops.recon_currency
REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION finops.refuse_locked_rows('recon_id');
CREATE TRIGGER locked_delete AFTER DELETE ON finops.recon_currency
REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION finops.refuse_locked_rows('recon_id');
CREATE TRIGGER locked_truncate BEFORE TRUNCATE ON finops.recon_currency
FOR EACH STATEMENT EXECUTE FUNCTION finops.refuse_locked_rows('recon_id');

CREATE TRIGGER locked_update AFTER UPDATE ON finops.period_seal
REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION finops.refuse_locked_rows('period_start');
CREATE TRIGGER locked_delete AFTER DELETE ON finops.period_seal
REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION finops.refuse_locked_rows('period_start');
CREATE TRIGGER locked_truncate BEFORE TRUNCATE ON finops.period_seal
FOR EACH STATEMENT EXECUTE FUNCTION finops.refuse_locked_rows('period_start');

CREATE TRIGGER locked_update AFTER UPDATE ON @extschema@.rule_version_map
REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION finops.refuse_locked_rows('period_start');
CREATE TRIGGER locked_delete AFTER DELETE ON @extschema@.rule_version_map
REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION finops.refuse_locked_rows('period_start');
CREATE TRIGGER locked_truncate BEFORE TRUNCATE ON @extschema@.rule_version_map
FOR EACH STATEMENT EXECUTE FUNCTION finops.refuse_locked_rows('period_start');

CREATE TRIGGER locked_update AFTER UPDATE ON finops.cost_daily
REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION finops.refuse_locked_rows('billing_period');
CREATE TRIGGER locked_delete AFTER DELETE ON finops.cost_daily
REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION finops.refuse_locked_rows('billing_period');
CREATE TRIGGER locked_truncate BEFORE TRUNCATE ON finops.cost_daily
FOR EACH STATEMENT EXECUTE FUNCTION finops.refuse_locked_rows('billing_period');

CREATE TRIGGER locked_update AFTER UPDATE ON finops.cost_kind
REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION finops.refuse_locked_rows('billing_period');
CREATE TRIGGER locked_delete AFTER DELETE ON finops.cost_kind
REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION finops.refuse_locked_rows('billing_period');
CREATE TRIGGER locked_truncate BEFORE TRUNCATE ON finops.cost_kind
FOR EACH STATEMENT EXECUTE FUNCTION finops.refuse_locked_rows('billing_period');

CREATE TRIGGER locked_update AFTER UPDATE ON @extschema@.usage_snapshot_daily
REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION finops.refuse_locked_rows('usage_date');
CREATE TRIGGER locked_delete AFTER DELETE ON @extschema@.usage_snapshot_daily
REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION finops.refuse_locked_rows('usage_date');
CREATE TRIGGER locked_truncate BEFORE TRUNCATE ON @extschema@.usage_snapshot_daily
FOR EACH STATEMENT EXECUTE FUNCTION finops.refuse_locked_rows('usage_date');

CREATE TRIGGER locked_update AFTER UPDATE ON finops.period_rate
REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION finops.refuse_locked_rows('period_start');
CREATE TRIGGER locked_delete AFTER DELETE ON finops.period_rate
REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION finops.refuse_locked_rows('period_start');
CREATE TRIGGER locked_truncate BEFORE TRUNCATE ON finops.period_rate
FOR EACH STATEMENT EXECUTE FUNCTION finops.refuse_locked_rows('period_start');

CREATE TRIGGER locked_update AFTER UPDATE ON finops.allocation_input
REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION finops.refuse_locked_rows('period_start');
CREATE TRIGGER locked_delete AFTER DELETE ON finops.allocation_input
REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION finops.refuse_locked_rows('period_start');
CREATE TRIGGER locked_truncate BEFORE TRUNCATE ON finops.allocation_input
FOR EACH STATEMENT EXECUTE FUNCTION finops.refuse_locked_rows('period_start');

CREATE TRIGGER locked_insert BEFORE INSERT ON finops.allocation_input
FOR EACH ROW EXECUTE FUNCTION finops.refuse_locked_insert('period_start');
CREATE TRIGGER locked_update AFTER UPDATE ON finops.allocation_packed
REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION finops.refuse_locked_rows('period_start');
CREATE TRIGGER locked_delete AFTER DELETE ON finops.allocation_packed
REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION finops.refuse_locked_rows('period_start');
CREATE TRIGGER locked_truncate BEFORE TRUNCATE ON finops.allocation_packed
FOR EACH STATEMENT EXECUTE FUNCTION finops.refuse_locked_rows('period_start');

CREATE TRIGGER locked_insert BEFORE INSERT ON finops.allocation_packed
FOR EACH ROW EXECUTE FUNCTION finops.refuse_locked_insert('period_start');
CREATE TRIGGER locked_update AFTER UPDATE ON finops.allocation_target
REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION finops.refuse_locked_rows('period_start');
CREATE TRIGGER locked_delete AFTER DELETE ON finops.allocation_target
REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION finops.refuse_locked_rows('period_start');
CREATE TRIGGER locked_truncate BEFORE TRUNCATE ON finops.allocation_target
FOR EACH STATEMENT EXECUTE FUNCTION finops.refuse_locked_rows('period_start');

CREATE TRIGGER locked_insert BEFORE INSERT ON finops.allocation_target
FOR EACH ROW EXECUTE FUNCTION finops.refuse_locked_insert('period_start');
CREATE TRIGGER locked_insert BEFORE INSERT ON finops.cost_daily
FOR EACH ROW EXECUTE FUNCTION finops.refuse_locked_insert('billing_period');
CREATE TRIGGER locked_insert BEFORE INSERT ON finops.cost_kind
FOR EACH ROW EXECUTE FUNCTION finops.refuse_locked_insert('billing_period');
CREATE TRIGGER locked_insert BEFORE INSERT ON @extschema@.usage_snapshot_daily
FOR EACH ROW EXECUTE FUNCTION finops.refuse_locked_insert('usage_date');
CREATE TRIGGER locked_insert BEFORE INSERT ON @extschema@.invoice_header
FOR EACH ROW EXECUTE FUNCTION finops.refuse_locked_insert('period_start');
CREATE TRIGGER locked_insert BEFORE INSERT ON @extschema@.invoice_detail
FOR EACH ROW EXECUTE FUNCTION finops.refuse_locked_insert('period_start');
CREATE TRIGGER locked_insert BEFORE INSERT ON @extschema@.rule_version_map
FOR EACH ROW EXECUTE FUNCTION finops.refuse_locked_insert('period_start');
CREATE TRIGGER locked_insert BEFORE INSERT ON @extschema@.recon_summary
FOR EACH ROW EXECUTE FUNCTION finops.refuse_locked_insert('recon_id');
CREATE TRIGGER locked_insert BEFORE INSERT ON @extschema@.recon_exceptions
FOR EACH ROW EXECUTE FUNCTION finops.refuse_locked_insert('recon_id');
CREATE TRIGGER locked_insert BEFORE INSERT ON finops.recon_run
FOR EACH ROW EXECUTE FUNCTION finops.refuse_locked_insert('period_start');
CREATE TRIGGER locked_insert BEFORE INSERT ON finops.recon_detail
FOR EACH ROW EXECUTE FUNCTION finops.refuse_locked_insert('recon_id');
CREATE TRIGGER locked_insert BEFORE INSERT ON finops.recon_stage
FOR EACH ROW EXECUTE FUNCTION finops.refuse_locked_insert('recon_id');
CREATE TRIGGER locked_insert BEFORE INSERT ON finops.recon_currency
FOR EACH ROW EXECUTE FUNCTION finops.refuse_locked_insert('recon_id');
CREATE TRIGGER locked_insert BEFORE INSERT ON finops.period_seal
FOR EACH ROW EXECUTE FUNCTION finops.refuse_locked_insert('period_start');
CREATE TRIGGER locked_insert BEFORE INSERT ON finops.period_rate
FOR EACH ROW EXECUTE FUNCTION finops.refuse_locked_insert('period_start');

REVOKE ALL ON finops.recon_run, finops.recon_detail, finops.recon_history, finops.recon_stage, finops.recon_currency,
	finops.recon_query, finops.period_seal,
	@extschema@.recon_summary, @extschema@.recon_exceptions FROM PUBLIC;
GRANT SELECT ON finops.recon_policy TO PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('finops.recon_policy', 'WHERE NOT shipped');
SELECT pg_catalog.pg_extension_config_dump('finops.recon_run', '');
SELECT pg_catalog.pg_extension_config_dump('finops.recon_detail', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.recon_summary', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.recon_exceptions', '');
SELECT pg_catalog.pg_extension_config_dump('finops.recon_history', '');
SELECT pg_catalog.pg_extension_config_dump('finops.recon_stage', '');
SELECT pg_catalog.pg_extension_config_dump('finops.recon_currency', '');
SELECT pg_catalog.pg_extension_config_dump('finops.recon_query', '');
SELECT pg_catalog.pg_extension_config_dump('finops.period_seal', '');

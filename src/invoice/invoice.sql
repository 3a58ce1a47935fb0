-- room invoice: what its topics refer to: plans and metrics, the issuer, exchange rates, documents

-- plans and metrics

CREATE TABLE @extschema@.plan_master (
	plan_code text NOT NULL,
	plan_family text NOT NULL,
	version text NOT NULL DEFAULT 'v1',
	currency text NOT NULL DEFAULT 'USD',
	billing_cycle text NOT NULL DEFAULT 'monthly',
	base_price numeric NOT NULL,
	markup_pct numeric NOT NULL DEFAULT 0,
	base_seats integer NOT NULL DEFAULT 0,
	max_seats integer,
	proration text NOT NULL DEFAULT 'day',
	full_month_caps boolean NOT NULL DEFAULT false,
	pay_in_advance boolean NOT NULL DEFAULT false,
	minimum_amount numeric NOT NULL DEFAULT 0,
	maximum_amount numeric,
	tax_category text,
	metadata jsonb,
	effective_from date,
	effective_to date,
	created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	updated_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CONSTRAINT plan_master_pkey PRIMARY KEY (plan_code),
	CONSTRAINT plan_master_version_key UNIQUE (plan_family, plan_code, version),
	CONSTRAINT plan_master_code_check CHECK (pg_catalog.btrim(plan_code) OPERATOR(pg_catalog.<>) ''),
	CONSTRAINT plan_master_cycle_check CHECK (billing_cycle OPERATOR(pg_catalog.=) 'monthly'),
	CONSTRAINT plan_master_price_check CHECK (base_price OPERATOR(pg_catalog.>=) 0 AND base_price OPERATOR(pg_catalog.<) 'Infinity'::pg_catalog.numeric),
	CONSTRAINT plan_master_markup_check CHECK (markup_pct OPERATOR(pg_catalog.>) -100 AND markup_pct OPERATOR(pg_catalog.<) 'Infinity'::pg_catalog.numeric),
	CONSTRAINT plan_master_seats_check CHECK (base_seats OPERATOR(pg_catalog.>=) 0 AND (max_seats IS NULL OR max_seats OPERATOR(pg_catalog.>=) base_seats)),
	CONSTRAINT plan_master_proration_check CHECK (proration OPERATOR(pg_catalog.=) ANY (ARRAY['day', 'second', 'none'])),
	CONSTRAINT plan_master_commitment_check CHECK (minimum_amount OPERATOR(pg_catalog.>=) 0 AND minimum_amount OPERATOR(pg_catalog.<) 'Infinity'::pg_catalog.numeric
		AND (maximum_amount IS NULL OR (maximum_amount OPERATOR(pg_catalog.>=) minimum_amount AND maximum_amount OPERATOR(pg_catalog.<) 'Infinity'::pg_catalog.numeric))),
	CONSTRAINT plan_master_effective_check CHECK (effective_to OPERATOR(pg_catalog.>=) effective_from)
);
COMMENT ON TABLE @extschema@.plan_master IS 'plans: monthly price and markup on allocated cost; a plan that is on an issued document never changes, a new price is a new plan code';
COMMENT ON COLUMN @extschema@.plan_master.base_price IS 'price of a full calendar month in the plan''s currency, unrounded';
COMMENT ON COLUMN @extschema@.plan_master.base_seats IS 'seats that the base price includes';
COMMENT ON COLUMN @extschema@.plan_master.proration IS 'how the base price of a part of a month is counted: by days of the tenant''s calendar, by seconds, or in full';
COMMENT ON COLUMN @extschema@.plan_master.full_month_caps IS 'caps are not reduced when the plan holds for a part of a month';
COMMENT ON COLUMN @extschema@.plan_master.pay_in_advance IS 'base price, fees and seats of a month stand on the document of the month before; usage and cost are billed in arrears all the same';
COMMENT ON COLUMN @extschema@.plan_master.minimum_amount IS 'what subscription, seats and usage of a full month come to at least; the difference is billed as a true-up';
COMMENT ON COLUMN @extschema@.plan_master.maximum_amount IS 'what subscription, seats and usage of a full month come to at most';
COMMENT ON COLUMN @extschema@.plan_master.effective_from IS 'first day on which the plan can be bound; effective_to the last one';
COMMENT ON COLUMN @extschema@.plan_master.markup_pct IS 'percent added to allocated cost that is passed on; 0 passes it on at cost';

CREATE TABLE @extschema@.metric_catalog (
	metric_code text NOT NULL,
	domain text NOT NULL,
	unit text NOT NULL,
	aggregation text NOT NULL,
	visibility text NOT NULL DEFAULT 'tenant',
	source text,
	owner_team text,
	retention_days integer NOT NULL DEFAULT 395,
	effective_date date,
	status text NOT NULL DEFAULT 'active',
	CONSTRAINT metric_catalog_pkey PRIMARY KEY (metric_code),
	CONSTRAINT metric_catalog_aggregation_check CHECK (aggregation OPERATOR(pg_catalog.=) ANY (ARRAY['sum_daily', 'peak_monthly', 'max_monthly', 'sum_monthly', 'max_daily', 'avg'])),
	CONSTRAINT metric_catalog_visibility_check CHECK (visibility OPERATOR(pg_catalog.=) ANY (ARRAY['tenant', 'operator'])),
	CONSTRAINT metric_catalog_retention_check CHECK (retention_days OPERATOR(pg_catalog.>) 0)
);
COMMENT ON TABLE @extschema@.metric_catalog IS 'usage metrics: unit and how daily values become a monthly one';
COMMENT ON COLUMN @extschema@.metric_catalog.aggregation IS 'sum_daily and sum_monthly add up, peak_monthly, max_monthly and max_daily take the highest, avg the mean';

-- who issues, in which currencies, with which numbers

CREATE TABLE finops.issuer (
	issuer_id text NOT NULL DEFAULT 'default',
	legal_name text,
	address jsonb,
	vat_id text,
	currency text NOT NULL DEFAULT 'USD',
	number_format text NOT NULL DEFAULT 'INV-{YYYY}-{SEQ:6}',
	credit_number_format text NOT NULL DEFAULT 'CN-{YYYY}-{SEQ:6}',
	payment_terms_days integer NOT NULL DEFAULT 30,
	bank jsonb,
	payment_terms_from text NOT NULL DEFAULT 'issue',
	language text NOT NULL DEFAULT 'en',
	time_zone text NOT NULL DEFAULT 'UTC',
	tax_rounding text NOT NULL DEFAULT 'category',
	zero_invoices text NOT NULL DEFAULT 'skip',
	credit_balances text NOT NULL DEFAULT 'hold',
	tax_currency text,
	updated_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CONSTRAINT issuer_pkey PRIMARY KEY (issuer_id),
	CONSTRAINT issuer_terms_check CHECK (payment_terms_days OPERATOR(pg_catalog.>=) 0 AND payment_terms_days OPERATOR(pg_catalog.<=) 3650),
	CONSTRAINT issuer_rounding_check CHECK (tax_rounding OPERATOR(pg_catalog.=) ANY (ARRAY['line', 'category'])),
	CONSTRAINT issuer_terms_from_check CHECK (payment_terms_from OPERATOR(pg_catalog.=) ANY (ARRAY['issue', 'month_end'])),
	CONSTRAINT issuer_language_check CHECK (language OPERATOR(pg_catalog.~) '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$'),
	CONSTRAINT issuer_zero_check CHECK (zero_invoices OPERATOR(pg_catalog.=) ANY (ARRAY['skip', 'issue'])),
	CONSTRAINT issuer_credit_check CHECK (credit_balances OPERATOR(pg_catalog.=) ANY (ARRAY['hold', 'issue', 'carry', 'refund']))
);
COMMENT ON TABLE finops.issuer IS 'who issues invoices: legal name, address, VAT id, bank, number format and payment terms (finops.set_issuer)';
COMMENT ON COLUMN finops.issuer.payment_terms_from IS 'issue: due payment_terms_days after issue; month_end: after the end of the month of issue';
COMMENT ON COLUMN finops.issuer.language IS 'of the texts of documents (finops.invoice_phrase), where the tenant has none of its own';
COMMENT ON COLUMN finops.issuer.time_zone IS 'in which days of issue, due days and ageing are counted';
COMMENT ON COLUMN finops.issuer.tax_rounding IS 'line: the tax is rounded for each line and added up; category: once for each tax category and rate on the sum of its lines';
COMMENT ON COLUMN finops.issuer.zero_invoices IS 'skip: a document of 0 stays open; issue: it is issued';
COMMENT ON COLUMN finops.issuer.credit_balances IS 'of a document with a negative total: hold: it stays open; otherwise it is issued and its balance, like that of credit notes and money that is not applied, stands (issue), pays the next invoices (carry) or is to be paid back (refund); finops.settle_credits';
COMMENT ON COLUMN finops.issuer.tax_currency IS 'in which the issuer accounts for tax: documents in another currency state their tax in it too, at the rates of their billing period (finops.fx_rate_of); NULL: they do not';
COMMENT ON COLUMN finops.issuer.number_format IS 'text with {SEQ:n} (running number, at least n digits) and {YYYY}, {YY}, {MM} of the day of issue; with {YYYY} or {YY} numbers start at 1 each year';

CREATE TABLE finops.tenant_billing (
	tenant_id text NOT NULL,
	issuer_id text,
	language text,
	time_zone text,
	po_number text,
	payment_terms_days integer,
	payment_terms_from text,
	zero_invoices text,
	credit_balances text,
	updated_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CONSTRAINT tenant_billing_pkey PRIMARY KEY (tenant_id),
	CONSTRAINT tenant_billing_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES @extschema@.tenant_master (tenant_id),
	CONSTRAINT tenant_billing_issuer_fkey FOREIGN KEY (issuer_id) REFERENCES finops.issuer (issuer_id),
	CONSTRAINT tenant_billing_terms_check CHECK (payment_terms_days OPERATOR(pg_catalog.>=) 0 AND payment_terms_days OPERATOR(pg_catalog.<=) 3650),
	CONSTRAINT tenant_billing_terms_from_check CHECK (payment_terms_from OPERATOR(pg_catalog.=) ANY (ARRAY['issue', 'month_end'])),
	CONSTRAINT tenant_billing_language_check CHECK (language OPERATOR(pg_catalog.~) '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$'),
	CONSTRAINT tenant_billing_zero_check CHECK (zero_invoices OPERATOR(pg_catalog.=) ANY (ARRAY['skip', 'issue'])),
	CONSTRAINT tenant_billing_credit_check CHECK (credit_balances OPERATOR(pg_catalog.=) ANY (ARRAY['hold', 'issue', 'carry', 'refund']))
);
COMMENT ON TABLE finops.tenant_billing IS 'how a tenant is billed where it differs from its issuer (finops.set_billing); NULL: as the issuer has it';
COMMENT ON COLUMN finops.tenant_billing.issuer_id IS 'who invoices the tenant; NULL: the issuer default';
COMMENT ON COLUMN finops.tenant_billing.po_number IS 'purchase order of the tenant, printed on its documents';

CREATE TABLE finops.number_series (
	series text NOT NULL,
	last_number bigint NOT NULL DEFAULT 0,
	last_hash text,
	updated_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CONSTRAINT number_series_pkey PRIMARY KEY (series),
	CONSTRAINT number_series_last_check CHECK (last_number OPERATOR(pg_catalog.>=) 0)
);
COMMENT ON TABLE finops.number_series IS 'last number and last hash of each series of documents; a series is kind, or kind and year';

CREATE TABLE finops.fx_rate (
	currency text NOT NULL,
	valid_from date NOT NULL,
	rate numeric NOT NULL,
	source text NOT NULL DEFAULT 'manual',
	set_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CONSTRAINT fx_rate_pkey PRIMARY KEY (currency, valid_from),
	CONSTRAINT fx_rate_currency_check CHECK (currency OPERATOR(pg_catalog.~) '^[A-Z]{3}$'),
	CONSTRAINT fx_rate_rate_check CHECK (rate OPERATOR(pg_catalog.>) 0 AND rate OPERATOR(pg_catalog.<) 'Infinity'::pg_catalog.numeric)
);
COMMENT ON TABLE finops.fx_rate IS 'units of the reporting currency for one unit of a currency; the row with the latest valid_from on or before the last day of a billing period holds';
COMMENT ON COLUMN finops.fx_rate.source IS 'who published the rate, such as ECB';

CREATE TABLE finops.period_rate (
	period_start date NOT NULL,
	currency text NOT NULL,
	rate numeric NOT NULL,
	valid_from date NOT NULL,
	source text NOT NULL,
	frozen_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	CONSTRAINT period_rate_pkey PRIMARY KEY (period_start, currency)
);
COMMENT ON TABLE finops.period_rate IS 'the exchange rates of locked billing periods, as they stood at the lock; a rate set later changes none of them';
COMMENT ON COLUMN finops.period_rate.valid_from IS 'of the row of finops.fx_rate that was taken';

CREATE FUNCTION finops.fx_rate_of(currency text, day date)
RETURNS numeric
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, finops, pg_temp
AS $$
	SELECT CASE WHEN $1 = coalesce(pg_catalog.current_setting('finops.reporting_currency', true), 'USD') THEN 1::numeric ELSE coalesce(
		(SELECT p.rate FROM finops.period_rate p WHERE p.currency = $1 AND $2 >= p.period_start AND $2 < p.period_start + interval '1 month'),
		(SELECT x.rate FROM finops.fx_rate x WHERE x.currency = $1
			AND x.valid_from < pg_catalog.date_trunc('month', $2::timestamp) + interval '1 month'
			ORDER BY x.valid_from DESC LIMIT 1)) END
$$;
COMMENT ON FUNCTION finops.fx_rate_of(text, date) IS 'units of the reporting currency for one unit of a currency in the billing period of a day: frozen at its lock, before that the latest rate on or before its last day; NULL where there is none';
REVOKE ALL ON FUNCTION finops.fx_rate_of(text, date) FROM PUBLIC;

-- documents

CREATE TABLE @extschema@.invoice_header (
	invoice_id text NOT NULL,
	invoice_number text,
	tenant_id text NOT NULL,
	plan_code text,
	period_start date NOT NULL,
	period_end date NOT NULL,
	kind text NOT NULL DEFAULT 'invoice',
	revision integer NOT NULL DEFAULT 1,
	status text NOT NULL DEFAULT 'open',
	currency text NOT NULL DEFAULT 'USD',
	subtotal numeric NOT NULL DEFAULT 0,
	tax numeric NOT NULL DEFAULT 0,
	total numeric NOT NULL DEFAULT 0,
	subtotal_usd numeric NOT NULL DEFAULT 0,
	tax_usd numeric NOT NULL DEFAULT 0,
	total_usd numeric NOT NULL DEFAULT 0,
	fx_rate numeric NOT NULL DEFAULT 1,
	tax_rate numeric NOT NULL DEFAULT 0,
	tax_inclusive boolean NOT NULL DEFAULT false,
	tax_treatment text NOT NULL DEFAULT 'standard',
	tax_rounding text NOT NULL DEFAULT 'category',
	issuer_id text NOT NULL DEFAULT 'default',
	language text NOT NULL DEFAULT 'en',
	po_number text,
	terms text,
	payment_terms_days integer,
	payment_terms_from text,
	original_invoice_id text,
	recon_id text,
	issuer jsonb,
	recipient jsonb,
	reason text,
	issued_at timestamptz,
	due_at timestamptz,
	paid_at timestamptz,
	created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	input_digest text,
	digest text,
	issued_by text,
	number_series text,
	number_seq bigint,
	prev_hash text,
	hash text,
	CONSTRAINT invoice_header_pkey PRIMARY KEY (invoice_id),
	CONSTRAINT invoice_header_number_key UNIQUE (invoice_number),
	CONSTRAINT invoice_header_series_key UNIQUE (number_series, number_seq),
	CONSTRAINT invoice_header_tenant_key UNIQUE (tenant_id, period_start, kind, revision),
	CONSTRAINT invoice_header_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES @extschema@.tenant_master (tenant_id),
	CONSTRAINT invoice_header_plan_fkey FOREIGN KEY (plan_code) REFERENCES @extschema@.plan_master (plan_code),
	CONSTRAINT invoice_header_kind_check CHECK (kind OPERATOR(pg_catalog.=) ANY (ARRAY['invoice', 'credit_note'])),
	CONSTRAINT invoice_header_original_check CHECK ((kind OPERATOR(pg_catalog.=) 'credit_note') OPERATOR(pg_catalog.=) (original_invoice_id IS NOT NULL)),
	CONSTRAINT invoice_header_status_check CHECK (status OPERATOR(pg_catalog.=) ANY (ARRAY['open', 'issued', 'paid', 'void'])),
	CONSTRAINT invoice_header_revision_check CHECK (revision OPERATOR(pg_catalog.>=) 1),
	CONSTRAINT invoice_header_period_check CHECK (pg_catalog.date_part('day', period_start) OPERATOR(pg_catalog.=) 1 AND period_end OPERATOR(pg_catalog.>=) period_start),
	CONSTRAINT invoice_header_finite_check CHECK (
		subtotal OPERATOR(pg_catalog.>) '-Infinity'::pg_catalog.numeric AND subtotal OPERATOR(pg_catalog.<) 'Infinity'::pg_catalog.numeric
		AND tax OPERATOR(pg_catalog.>) '-Infinity'::pg_catalog.numeric AND tax OPERATOR(pg_catalog.<) 'Infinity'::pg_catalog.numeric
		AND fx_rate OPERATOR(pg_catalog.>) 0 AND fx_rate OPERATOR(pg_catalog.<) 'Infinity'::pg_catalog.numeric
		AND tax_rate OPERATOR(pg_catalog.>=) 0 AND tax_rate OPERATOR(pg_catalog.<) 'Infinity'::pg_catalog.numeric),
	CONSTRAINT invoice_header_total_check CHECK (total OPERATOR(pg_catalog.=) (subtotal OPERATOR(pg_catalog.+) tax)),
	CONSTRAINT invoice_header_usd_check CHECK (
		subtotal_usd OPERATOR(pg_catalog.=) (subtotal OPERATOR(pg_catalog.*) fx_rate)
		AND tax_usd OPERATOR(pg_catalog.=) (tax OPERATOR(pg_catalog.*) fx_rate)
		AND total_usd OPERATOR(pg_catalog.=) (total OPERATOR(pg_catalog.*) fx_rate)),
	CONSTRAINT invoice_header_issued_check CHECK (
		CASE WHEN status OPERATOR(pg_catalog.=) ANY (ARRAY['issued', 'paid'])
			THEN invoice_number IS NOT NULL AND number_series IS NOT NULL AND number_seq IS NOT NULL AND issued_at IS NOT NULL
				AND due_at IS NOT NULL AND prev_hash IS NOT NULL AND hash IS NOT NULL AND issuer IS NOT NULL AND recipient IS NOT NULL
			ELSE invoice_number IS NULL AND number_series IS NULL AND number_seq IS NULL AND issued_at IS NULL AND hash IS NULL END),
	CONSTRAINT invoice_header_rounding_check CHECK (tax_rounding OPERATOR(pg_catalog.=) ANY (ARRAY['line', 'category'])),
	CONSTRAINT invoice_header_paid_check CHECK ((status OPERATOR(pg_catalog.=) 'paid') OPERATOR(pg_catalog.=) (paid_at IS NOT NULL))
) WITH (fillfactor = 50);
-- a document is written again when it is issued and when it is paid: half of each page, so that the version that is paid stays there and no index learns of it
COMMENT ON TABLE @extschema@.invoice_header IS 'invoices and credit notes; open ones are recomputed by finops.prepare_invoices, issued ones never change';
COMMENT ON COLUMN @extschema@.invoice_header.invoice_id IS 'exists from preparation: INV-<YYYYMM>-<tenant>, -R2 and so on for later revisions, CN- for credit notes';
COMMENT ON COLUMN @extschema@.invoice_header.invoice_number IS 'legal number without gaps, given at issue';
COMMENT ON COLUMN @extschema@.invoice_header.subtotal IS 'sum of the lines, net of tax, in the document''s currency';
COMMENT ON COLUMN @extschema@.invoice_header.subtotal_usd IS 'subtotal in the reporting currency: subtotal x fx_rate, unrounded; so tax_usd and total_usd';
COMMENT ON COLUMN @extschema@.invoice_header.fx_rate IS 'units of the reporting currency for one unit of the document''s currency, fixed with the document';
COMMENT ON COLUMN @extschema@.invoice_header.tax_rate IS 'ratio: 0.19 is 19 percent';
COMMENT ON COLUMN @extschema@.invoice_header.tax_inclusive IS 'prices included the tax: total = sum of gross_amount of the lines, and the net lines are derived from it';
COMMENT ON COLUMN @extschema@.invoice_header.tax_treatment IS 'how the tax was found: standard, exempt, reverse_charge, ...';
COMMENT ON COLUMN @extschema@.invoice_header.tax_rounding IS 'line or category, as finops.issuer had it';
COMMENT ON COLUMN @extschema@.invoice_header.terms IS 'payment terms as they are printed, in the document''s language';
COMMENT ON COLUMN @extschema@.invoice_header.issued_by IS 'role that issued it';
COMMENT ON COLUMN @extschema@.invoice_header.digest IS 'SHA-256, hex, over header, lines and taxes of an issued document; hash links it to the document before it';
COMMENT ON COLUMN @extschema@.invoice_header.original_invoice_id IS 'the invoice that a credit note credits; no foreign key, since pg_dump warns of one from a table to itself (finops.verify_invoices checks it)';
COMMENT ON COLUMN @extschema@.invoice_header.issuer IS 'the issuer''s data as they stood at issue';
COMMENT ON COLUMN @extschema@.invoice_header.recipient IS 'the tenant''s name, billing contact and tax profile as they stood at issue';
COMMENT ON COLUMN @extschema@.invoice_header.input_digest IS 'SHA-256, hex, over what was computed: header, lines and taxes; preparation rewrites an open document when it differs';
COMMENT ON COLUMN @extschema@.invoice_header.hash IS 'SHA-256, hex, over the document and the hash of the document before it in its series (finops.verify_invoices)';

CREATE INDEX invoice_header_period_idx ON @extschema@.invoice_header (period_start);
CREATE INDEX invoice_header_original_idx ON @extschema@.invoice_header (original_invoice_id) WHERE original_invoice_id IS NOT NULL;

CREATE TABLE @extschema@.invoice_detail (
	invoice_id text NOT NULL,
	line_no integer NOT NULL,
	tenant_id text NOT NULL,
	period_start date NOT NULL,
	line_type text NOT NULL,
	service text,
	metric_code text,
	description text NOT NULL,
	quantity numeric NOT NULL,
	unit text NOT NULL,
	unit_price numeric NOT NULL,
	unit_price_usd numeric NOT NULL,
	amount numeric NOT NULL,
	amount_usd numeric NOT NULL,
	gross_amount numeric,
	tax_rate numeric NOT NULL,
	cost numeric,
	cost_currency text,
	cost_usd numeric,
	reference_ids jsonb,
	notes text,
	service_period_start date,
	service_period_end date,
	tax_category text NOT NULL DEFAULT 'S',
	CONSTRAINT invoice_detail_pkey PRIMARY KEY (invoice_id, line_no),
	CONSTRAINT invoice_detail_invoice_fkey FOREIGN KEY (invoice_id) REFERENCES @extschema@.invoice_header (invoice_id) ON DELETE CASCADE,
	CONSTRAINT invoice_detail_line_no_check CHECK (line_no OPERATOR(pg_catalog.>) 0),
	CONSTRAINT invoice_detail_type_check CHECK (line_type OPERATOR(pg_catalog.=) ANY (ARRAY['subscription', 'seat', 'topup', 'overage', 'usage', 'commitment', 'allocation', 'adjustment', 'credit', 'rounding'])),
	CONSTRAINT invoice_detail_category_check CHECK (tax_category OPERATOR(pg_catalog.=) ANY (ARRAY['S', 'Z', 'E', 'AE', 'K', 'G', 'O'])),
	CONSTRAINT invoice_detail_service_period_check CHECK (service_period_end OPERATOR(pg_catalog.>=) service_period_start),
	CONSTRAINT invoice_detail_finite_check CHECK (
		amount OPERATOR(pg_catalog.>) '-Infinity'::pg_catalog.numeric AND amount OPERATOR(pg_catalog.<) 'Infinity'::pg_catalog.numeric
		AND amount_usd OPERATOR(pg_catalog.>) '-Infinity'::pg_catalog.numeric AND amount_usd OPERATOR(pg_catalog.<) 'Infinity'::pg_catalog.numeric
		AND unit_price OPERATOR(pg_catalog.>) '-Infinity'::pg_catalog.numeric AND unit_price OPERATOR(pg_catalog.<) 'Infinity'::pg_catalog.numeric
		AND unit_price_usd OPERATOR(pg_catalog.>) '-Infinity'::pg_catalog.numeric AND unit_price_usd OPERATOR(pg_catalog.<) 'Infinity'::pg_catalog.numeric
		AND quantity OPERATOR(pg_catalog.>) '-Infinity'::pg_catalog.numeric AND quantity OPERATOR(pg_catalog.<) 'Infinity'::pg_catalog.numeric
		AND tax_rate OPERATOR(pg_catalog.>=) 0 AND tax_rate OPERATOR(pg_catalog.<) 'Infinity'::pg_catalog.numeric),
	CONSTRAINT invoice_detail_gross_check CHECK (gross_amount OPERATOR(pg_catalog.>) '-Infinity'::pg_catalog.numeric AND gross_amount OPERATOR(pg_catalog.<) 'Infinity'::pg_catalog.numeric),
	CONSTRAINT invoice_detail_cost_check CHECK (
		(cost IS NULL) OPERATOR(pg_catalog.=) (cost_usd IS NULL)
		AND (cost IS NULL) OPERATOR(pg_catalog.=) (cost_currency IS NULL)
		AND cost OPERATOR(pg_catalog.>) '-Infinity'::pg_catalog.numeric AND cost OPERATOR(pg_catalog.<) 'Infinity'::pg_catalog.numeric
		AND cost_usd OPERATOR(pg_catalog.>) '-Infinity'::pg_catalog.numeric AND cost_usd OPERATOR(pg_catalog.<) 'Infinity'::pg_catalog.numeric)
);
COMMENT ON TABLE @extschema@.invoice_detail IS 'lines of invoices and credit notes; amounts are rounded once to the minor unit of the document''s currency';
COMMENT ON COLUMN @extschema@.invoice_detail.unit_price IS 'price of one unit in the document''s currency, unrounded; includes the tax where the document is tax-inclusive';
COMMENT ON COLUMN @extschema@.invoice_detail.amount IS 'net amount in the document''s currency, at its minor unit';
COMMENT ON COLUMN @extschema@.invoice_detail.amount_usd IS 'amount in the reporting currency: amount x fx_rate of the header, unrounded';
COMMENT ON COLUMN @extschema@.invoice_detail.gross_amount IS 'amount including tax of a tax-inclusive document, else NULL';
COMMENT ON COLUMN @extschema@.invoice_detail.tax_rate IS 'ratio: 0.19 is 19 percent';
COMMENT ON COLUMN @extschema@.invoice_detail.cost IS 'allocated cost that the line passes on, at cost: before markup and tax, unrounded, in cost_currency';
COMMENT ON COLUMN @extschema@.invoice_detail.cost_usd IS 'cost in the reporting currency, unrounded; what reconciliation counts as invoiced';

COMMENT ON COLUMN @extschema@.invoice_detail.service_period_start IS 'first day of what the line is for; NULL: the billing period';
COMMENT ON COLUMN @extschema@.invoice_detail.service_period_end IS 'last day of what the line is for';
COMMENT ON COLUMN @extschema@.invoice_detail.tax_category IS 'VAT category of EN 16931: S standard, Z zero rated, E exempt, AE reverse charge, K intra-community, G export, O outside the scope';

CREATE TABLE finops.invoice_tax (
	invoice_id text NOT NULL,
	tax_category text NOT NULL,
	tax_rate numeric NOT NULL,
	taxable_amount numeric NOT NULL,
	tax_amount numeric NOT NULL,
	reason text,
	CONSTRAINT invoice_tax_pkey PRIMARY KEY (invoice_id, tax_category, tax_rate),
	CONSTRAINT invoice_tax_invoice_fkey FOREIGN KEY (invoice_id) REFERENCES @extschema@.invoice_header (invoice_id) ON DELETE CASCADE,
	CONSTRAINT invoice_tax_category_check CHECK (tax_category OPERATOR(pg_catalog.=) ANY (ARRAY['S', 'Z', 'E', 'AE', 'K', 'G', 'O'])),
	CONSTRAINT invoice_tax_finite_check CHECK (
		tax_rate OPERATOR(pg_catalog.>=) 0 AND tax_rate OPERATOR(pg_catalog.<) 'Infinity'::pg_catalog.numeric
		AND taxable_amount OPERATOR(pg_catalog.>) '-Infinity'::pg_catalog.numeric AND taxable_amount OPERATOR(pg_catalog.<) 'Infinity'::pg_catalog.numeric
		AND tax_amount OPERATOR(pg_catalog.>) '-Infinity'::pg_catalog.numeric AND tax_amount OPERATOR(pg_catalog.<) 'Infinity'::pg_catalog.numeric)
);
COMMENT ON TABLE finops.invoice_tax IS 'tax of a document by VAT category and rate; the rows of a document add up to its subtotal and tax';
COMMENT ON COLUMN finops.invoice_tax.tax_rate IS 'ratio: 0.19 is 19 percent';
COMMENT ON COLUMN finops.invoice_tax.taxable_amount IS 'sum of the net lines of the category and rate';
COMMENT ON COLUMN finops.invoice_tax.reason IS 'why no tax is due, such as reverse charge';

CREATE TABLE finops.invoice_input (
	invoice_id text NOT NULL,
	inputs bytea NOT NULL,
	CONSTRAINT invoice_input_pkey PRIMARY KEY (invoice_id),
	CONSTRAINT invoice_input_invoice_fkey FOREIGN KEY (invoice_id) REFERENCES @extschema@.invoice_header (invoice_id) ON DELETE CASCADE
);
COMMENT ON TABLE finops.invoice_input IS 'what a document was computed from beside its lines: exact amounts, exchange rates and taxes, in a compact form (finops.rebuild_invoice)';

CREATE TABLE finops.invoice_failure (
	period_start date NOT NULL,
	tenant_id text NOT NULL,
	step text NOT NULL,
	reason text NOT NULL,
	call text,
	failed_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CONSTRAINT invoice_failure_pkey PRIMARY KEY (period_start, tenant_id),
	CONSTRAINT invoice_failure_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES @extschema@.tenant_master (tenant_id),
	CONSTRAINT invoice_failure_step_check CHECK (step OPERATOR(pg_catalog.=) ANY (ARRAY['prepare', 'issue']))
);
COMMENT ON TABLE finops.invoice_failure IS 'tenants that the last run over all tenants could not bill, why, and the call that helps; a run that bills them removes them';

-- set-up

CREATE FUNCTION finops.set_issuer(legal_name text DEFAULT NULL, address text DEFAULT NULL, vat_id text DEFAULT NULL, currency text DEFAULT NULL,
	number_format text DEFAULT NULL, payment_terms_days integer DEFAULT NULL, bank jsonb DEFAULT NULL, credit_number_format text DEFAULT NULL,
	issuer_id text DEFAULT 'default')
RETURNS SETOF finops.issuer
LANGUAGE c VOLATILE ROWS 1
AS 'MODULE_PATHNAME', 'finops_set_issuer';
COMMENT ON FUNCTION finops.set_issuer(text, text, text, text, text, integer, jsonb, text, text) IS 'says who issues invoices, default or another issuer_id for tenants that finops.set_billing gives it; what is NULL keeps its value; address is text or the text of a JSON object; at first currency is the reporting currency, numbers INV-{YYYY}-{SEQ:6}, of another issuer with its id before them, terms 30 days';
REVOKE ALL ON FUNCTION finops.set_issuer(text, text, text, text, text, integer, jsonb, text, text) FROM PUBLIC;

CREATE FUNCTION finops.set_fx_rate(currency text, valid_from date, rate numeric, source text DEFAULT 'manual')
RETURNS SETOF finops.fx_rate
LANGUAGE c VOLATILE ROWS 1
AS 'MODULE_PATHNAME', 'finops_set_fx_rate';
COMMENT ON FUNCTION finops.set_fx_rate(text, date, numeric, text) IS 'units of the reporting currency for one unit of a currency, from a day on, and who published it';
REVOKE ALL ON FUNCTION finops.set_fx_rate(text, date, numeric, text) FROM PUBLIC;

CREATE FUNCTION finops.register_tenant(tenant_id text, tenant_name text DEFAULT NULL, billing_contact jsonb DEFAULT NULL, tax_profile jsonb DEFAULT NULL,
	billing_mode text DEFAULT NULL, currency text DEFAULT NULL, seats integer DEFAULT NULL)
RETURNS SETOF @extschema@.tenant_master
LANGUAGE c VOLATILE ROWS 1
AS 'MODULE_PATHNAME', 'finops_register_tenant';
COMMENT ON FUNCTION finops.register_tenant(text, text, jsonb, jsonb, text, text, integer) IS 'makes a tenant known or completes it; an unregistered one becomes active; what is NULL keeps its value, billing_mode of a new tenant is invoice';
REVOKE ALL ON FUNCTION finops.register_tenant(text, text, jsonb, jsonb, text, text, integer) FROM PUBLIC;

-- what is issued stays

CREATE FUNCTION finops.guard_truncate()
RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'finops_guard_truncate';
COMMENT ON FUNCTION finops.guard_truncate() IS 'trigger: documents and payments cannot be truncated';
REVOKE ALL ON FUNCTION finops.guard_truncate() FROM PUBLIC;

REVOKE ALL ON @extschema@.plan_master, @extschema@.metric_catalog, finops.issuer, finops.number_series, finops.fx_rate,
	finops.period_rate, finops.tenant_billing, @extschema@.invoice_header, @extschema@.invoice_detail, finops.invoice_tax,
	finops.invoice_input, finops.invoice_failure FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('@extschema@.plan_master', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.metric_catalog', '');
SELECT pg_catalog.pg_extension_config_dump('finops.issuer', '');
SELECT pg_catalog.pg_extension_config_dump('finops.tenant_billing', '');
SELECT pg_catalog.pg_extension_config_dump('finops.number_series', '');
SELECT pg_catalog.pg_extension_config_dump('finops.fx_rate', '');
SELECT pg_catalog.pg_extension_config_dump('finops.period_rate', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.invoice_header', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.invoice_detail', '');
SELECT pg_catalog.pg_extension_config_dump('finops.invoice_tax', '');
SELECT pg_catalog.pg_extension_config_dump('finops.invoice_input', '');
SELECT pg_catalog.pg_extension_config_dump('finops.invoice_failure', '');

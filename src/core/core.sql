-- room core: schemas, currencies, tenants, periods, runs, audit

-- complain if the script is sourced in psql rather than by CREATE EXTENSION
\echo Use "CREATE EXTENSION finops" to load this file. \quit

SET LOCAL search_path TO pg_catalog, pg_temp;

CREATE SCHEMA finops;
CREATE SCHEMA forecast;
CREATE SCHEMA cur_database;

COMMENT ON SCHEMA finops IS 'FinOps functions, policies and internal tables';
COMMENT ON SCHEMA forecast IS 'forecast drivers, runs and unit cost';
COMMENT ON SCHEMA cur_database IS 'the bill under the name that cost and usage report queries use';

GRANT USAGE ON SCHEMA finops, forecast, cur_database TO PUBLIC;

-- currencies

CREATE TABLE finops.currency (
	code text NOT NULL,
	minor_unit smallint NOT NULL,
	cash_increment numeric,
	shipped boolean NOT NULL DEFAULT false,
	CONSTRAINT currency_pkey PRIMARY KEY (code, shipped),
	CONSTRAINT currency_code_check CHECK (code OPERATOR(pg_catalog.~) '^[A-Z]{3}$'),
	CONSTRAINT currency_minor_unit_check CHECK (minor_unit OPERATOR(pg_catalog.>=) 0 AND minor_unit OPERATOR(pg_catalog.<=) 10)
);
COMMENT ON TABLE finops.currency IS 'ISO 4217 currencies; a row with shipped = false overrides the shipped row of the same code';
COMMENT ON COLUMN finops.currency.minor_unit IS 'digits after the decimal point of an amount on a document (ISO 4217 exponent)';
COMMENT ON COLUMN finops.currency.cash_increment IS 'smallest payable step where it is larger than the minor unit, such as 0.05';

INSERT INTO finops.currency (code, minor_unit, shipped)
SELECT c.code, e.minor_unit, true
FROM (VALUES
	(0::smallint, 'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF'),
	(2::smallint, 'AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD YER ZAR ZMW ZWG'),
	(3::smallint, 'BHD IQD JOD KWD LYD OMR TND'),
	(4::smallint, 'CLF UYW')
) AS e(minor_unit, codes),
	pg_catalog.unnest(pg_catalog.string_to_array(e.codes, ' ')) AS c(code);

CREATE FUNCTION finops.currency_minor_unit(code text)
RETURNS smallint
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, finops, pg_temp
AS $$
	SELECT c.minor_unit FROM finops.currency c WHERE c.code = $1 ORDER BY c.shipped LIMIT 1
$$;
COMMENT ON FUNCTION finops.currency_minor_unit(text) IS 'digits after the decimal point of an amount in this currency (ISO 4217 exponent, or its override); NULL for an unknown currency';

CREATE FUNCTION finops.focus_rounding_tolerance("rows" bigint, currency text)
RETURNS numeric
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, finops, pg_temp
AS $$
	SELECT GREATEST(100 * u.subunit, sqrt($1::numeric) * 0.5 * u.subunit)
	FROM (SELECT 10::numeric ^ (- finops.currency_minor_unit($2)) AS subunit) u
$$;
COMMENT ON FUNCTION finops.focus_rounding_tolerance(bigint, text) IS 'by how much an invoice and the sum of its bill lines may differ (FOCUS 1.4, rounding variance tolerance): the larger of 100 subunits of the currency and half a subunit times the square root of the number of lines; NULL for an unknown currency, 2201F for a negative number of lines';

-- tenants

CREATE TABLE @extschema@.tenant_master (
	tenant_id text NOT NULL,
	tenant_name text NOT NULL,
	status text NOT NULL DEFAULT 'active',
	billing_mode text NOT NULL DEFAULT 'invoice',
	currency text NOT NULL DEFAULT 'USD',
	seats integer,
	billing_contact jsonb,
	tax_profile jsonb,
	created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	updated_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CONSTRAINT tenant_master_pkey PRIMARY KEY (tenant_id),
	CONSTRAINT tenant_master_id_check CHECK (pg_catalog.btrim(tenant_id) OPERATOR(pg_catalog.<>) ''),
	CONSTRAINT tenant_master_status_check CHECK (status OPERATOR(pg_catalog.=) ANY (ARRAY['active', 'suspended', 'closed', 'unregistered'])),
	CONSTRAINT tenant_master_billing_mode_check CHECK (billing_mode OPERATOR(pg_catalog.=) ANY (ARRAY['invoice', 'showback', 'chargeback'])),
	CONSTRAINT tenant_master_unregistered_check CHECK (status OPERATOR(pg_catalog.<>) 'unregistered' OR billing_mode OPERATOR(pg_catalog.=) 'showback'),
	CONSTRAINT tenant_master_seats_check CHECK (seats OPERATOR(pg_catalog.>=) 0)
);
COMMENT ON TABLE @extschema@.tenant_master IS 'tenants to which cost is allocated; unregistered ones were seen in a bill only and get no invoice';
COMMENT ON COLUMN @extschema@.tenant_master.billing_mode IS 'invoice: gets documents; chargeback: booked internally; showback: shown only';
COMMENT ON COLUMN @extschema@.tenant_master.tax_profile IS '{"rate_pct", "jurisdiction", "category" (EN 16931: S, Z, E, AE, K, G, O), "exempt", "reason", "reason_code", "tax_id", "inclusive"} (finops.tax_of)';

CREATE TABLE finops.tenant_key (
	tag_key text NOT NULL,
	singleton boolean NOT NULL DEFAULT true,
	set_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CONSTRAINT tenant_key_pkey PRIMARY KEY (singleton),
	CONSTRAINT tenant_key_singleton_check CHECK (singleton),
	CONSTRAINT tenant_key_tag_key_check CHECK (tag_key OPERATOR(pg_catalog.<>) '')
);
COMMENT ON TABLE finops.tenant_key IS 'the tag key whose value names the tenant of a charge, one row; without a row it is tenant_id';
COMMENT ON COLUMN finops.tenant_key.tag_key IS 'a key of resource_tags, as delivered';

-- periods

CREATE TABLE @extschema@.period_lock (
	period_start date NOT NULL,
	period_end date NOT NULL,
	state text NOT NULL DEFAULT 'OPEN',
	cost_basis text,
	recon_id text,
	locked_at timestamptz,
	locked_by text,
	hash_head text,
	CONSTRAINT period_lock_pkey PRIMARY KEY (period_start),
	CONSTRAINT period_lock_start_check CHECK (pg_catalog.date_part('day', period_start) OPERATOR(pg_catalog.=) 1),
	CONSTRAINT period_lock_end_check CHECK (period_end OPERATOR(pg_catalog.>) period_start),
	CONSTRAINT period_lock_state_check CHECK (state OPERATOR(pg_catalog.=) ANY (ARRAY['OPEN', 'LOCKED', 'ATTENTION_REQUIRED'])),
	CONSTRAINT period_lock_cost_basis_check CHECK (cost_basis OPERATOR(pg_catalog.=) ANY (ARRAY['effective', 'billed']))
);
COMMENT ON TABLE @extschema@.period_lock IS 'billing periods: open, locked, and the cost basis fixed by the first allocation';
COMMENT ON COLUMN @extschema@.period_lock.period_end IS 'last calendar day of the period';
COMMENT ON COLUMN @extschema@.period_lock.cost_basis IS 'effective or billed; NULL until the period is first allocated';
COMMENT ON COLUMN @extschema@.period_lock.hash_head IS 'SHA-256 over the locked period, hex; see finops.lock_period';

CREATE TABLE finops.period_gate (
	period_start date NOT NULL,
	gate text NOT NULL,
	position integer NOT NULL,
	status text NOT NULL,
	detail text,
	run_id bigint,
	set_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	mark text,
	CONSTRAINT period_gate_pkey PRIMARY KEY (period_start, gate)
);
COMMENT ON TABLE finops.period_gate IS 'what each gate of the month close last found; a writer clears the gates whose inputs it changes';
COMMENT ON COLUMN finops.period_gate.mark IS 'state of the inputs when the gate was passed, where its room notices changes; NULL: unknown';

-- runs and audit

CREATE TABLE finops.run (
	run_id bigint GENERATED BY DEFAULT AS IDENTITY,
	kind text NOT NULL,
	period_start date,
	status text NOT NULL DEFAULT 'started',
	executed_by text NOT NULL,
	started_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	finished_at timestamptz,
	detail jsonb,
	CONSTRAINT run_pkey PRIMARY KEY (run_id),
	CONSTRAINT run_status_check CHECK (status OPERATOR(pg_catalog.=) ANY (ARRAY['started', 'completed', 'failed', 'skipped']))
);
COMMENT ON TABLE finops.run IS 'every load, validation, allocation, reconciliation, preparation and issue that ended without an error';

CREATE TABLE @extschema@.audit_event (
	event_id uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid(),
	occurred_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	actor_type text,
	actor_id text,
	action text,
	object_type text,
	object_id text,
	metadata jsonb,
	CONSTRAINT audit_event_pkey PRIMARY KEY (event_id),
	CONSTRAINT audit_event_actor_type_check CHECK (actor_type OPERATOR(pg_catalog.=) ANY (ARRAY['system', 'tenant_user', 'operator_user']))
);
COMMENT ON TABLE @extschema@.audit_event IS 'who did what to which object, and when';

REVOKE ALL ON finops.tenant_key, finops.period_gate, finops.run, @extschema@.audit_event, @extschema@.tenant_master, @extschema@.period_lock FROM PUBLIC;
GRANT SELECT ON finops.currency TO PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('finops.currency', 'WHERE NOT shipped');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.tenant_master', '');
SELECT pg_catalog.pg_extension_config_dump('finops.tenant_key', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.period_lock', '');
SELECT pg_catalog.pg_extension_config_dump('finops.period_gate', '');
SELECT pg_catalog.pg_extension_config_dump('finops.run', '');
SELECT pg_catalog.pg_extension_config_dump('finops.run_run_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.audit_event', '');

-- exact money

CREATE FUNCTION finops.apportion(amount numeric, weights numeric[], scale integer DEFAULT NULL)
RETURNS numeric[]
AS 'MODULE_PATHNAME', 'finops_apportion'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10;
COMMENT ON FUNCTION finops.apportion(numeric, numeric[], integer) IS 'splits the amount over the weights by largest remainder; the parts add up to the amount exactly. scale: digits after the point of the parts, NULL: those of the amount, at least 2';

CREATE FUNCTION finops.apportion_part(amount numeric, weight numeric, scale integer DEFAULT NULL)
RETURNS numeric
AS 'MODULE_PATHNAME', 'finops_apportion_part'
LANGUAGE C WINDOW IMMUTABLE PARALLEL SAFE COST 10;
COMMENT ON FUNCTION finops.apportion_part(numeric, numeric, integer) IS 'window function: the row''s part of the amount that all rows of its partition name, in proportion to weight, by largest remainder; ties go by the window''s ORDER BY';


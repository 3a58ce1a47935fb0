-- topic plan: what plans allow and cost, and which tenant has which plan on which days

CREATE TABLE @extschema@.plan_metric_map (
	plan_code text NOT NULL,
	metric_code text NOT NULL,
	cap_value numeric NOT NULL,
	threshold_80 numeric,
	threshold_95 numeric,
	threshold_100 numeric,
	unit text NOT NULL,
	action_on_100 text,
	overage_unit_price numeric,
	notes text,
	effective_from date NOT NULL,
	effective_to date,
	CONSTRAINT plan_metric_map_pkey PRIMARY KEY (plan_code, metric_code, effective_from),
	CONSTRAINT plan_metric_map_plan_fkey FOREIGN KEY (plan_code) REFERENCES @extschema@.plan_master (plan_code),
	CONSTRAINT plan_metric_map_metric_fkey FOREIGN KEY (metric_code) REFERENCES @extschema@.metric_catalog (metric_code),
	CONSTRAINT plan_metric_map_cap_check CHECK (cap_value OPERATOR(pg_catalog.>=) 0 AND cap_value OPERATOR(pg_catalog.<) 'Infinity'::pg_catalog.numeric),
	CONSTRAINT plan_metric_map_price_check CHECK (overage_unit_price OPERATOR(pg_catalog.>=) 0 AND overage_unit_price OPERATOR(pg_catalog.<) 'Infinity'::pg_catalog.numeric),
	CONSTRAINT plan_metric_map_effective_check CHECK (effective_to OPERATOR(pg_catalog.>=) effective_from)
);
COMMENT ON TABLE @extschema@.plan_metric_map IS 'cap of a metric under a plan, forward effective; the row with the latest effective_from on or before a day holds';
COMMENT ON COLUMN @extschema@.plan_metric_map.threshold_80 IS 'value at which EVENT_QUOTA_80 is due where it is not 80 % of the cap; so threshold_95 and threshold_100';

CREATE TABLE @extschema@.tenant_plan_binding (
	binding_id uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid(),
	tenant_id text NOT NULL,
	plan_code text NOT NULL,
	period_start date NOT NULL,
	period_end date,
	status text NOT NULL DEFAULT 'active',
	seats integer,
	starts_at timestamptz,
	ends_at timestamptz,
	created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CONSTRAINT tenant_plan_binding_pkey PRIMARY KEY (binding_id),
	CONSTRAINT tenant_plan_binding_start_key UNIQUE (tenant_id, period_start),
	CONSTRAINT tenant_plan_binding_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES @extschema@.tenant_master (tenant_id),
	CONSTRAINT tenant_plan_binding_plan_fkey FOREIGN KEY (plan_code) REFERENCES @extschema@.plan_master (plan_code),
	CONSTRAINT tenant_plan_binding_status_check CHECK (status OPERATOR(pg_catalog.=) ANY (ARRAY['active', 'scheduled', 'expired'])),
	CONSTRAINT tenant_plan_binding_period_check CHECK (pg_catalog.isfinite(period_start) AND (period_end IS NULL OR (pg_catalog.isfinite(period_end) AND period_end OPERATOR(pg_catalog.>=) period_start))),
	CONSTRAINT tenant_plan_binding_seats_check CHECK (seats OPERATOR(pg_catalog.>=) 0)
);
COMMENT ON TABLE @extschema@.tenant_plan_binding IS 'which plan a tenant has on which days; the days of two bindings of a tenant never overlap (finops.bind_plan)';
COMMENT ON COLUMN @extschema@.tenant_plan_binding.seats IS 'seats that the tenant has where finops.set_seats has said nothing';
COMMENT ON COLUMN @extschema@.tenant_plan_binding.starts_at IS 'instant of a change of plan, for plans that are prorated by second; NULL: local midnight of period_start; so ends_at';
COMMENT ON COLUMN @extschema@.tenant_plan_binding.period_end IS 'last day of the plan; NULL: open-ended';

CREATE INDEX tenant_plan_binding_plan_idx ON @extschema@.tenant_plan_binding (plan_code);

-- what the components of a plan cost

CREATE FUNCTION finops.tiers_problem(tiers jsonb)
RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'finops_tiers_problem';
COMMENT ON FUNCTION finops.tiers_problem(jsonb) IS 'what is wrong with the tiers of a price (gaps, overlaps, no open end, negative prices), NULL when nothing is';

CREATE TABLE finops.plan_price (
	plan_code text NOT NULL,
	component text NOT NULL,
	basis text NOT NULL,
	model text NOT NULL,
	metric_code text,
	currency text NOT NULL,
	unit_price numeric NOT NULL DEFAULT 0,
	flat_fee numeric NOT NULL DEFAULT 0,
	package_size numeric,
	tiers jsonb,
	included numeric,
	rate_pct numeric,
	fixed_fee numeric,
	free_count bigint,
	free_amount numeric,
	transaction_min numeric,
	transaction_max numeric,
	minimum numeric,
	maximum numeric,
	proration text NOT NULL DEFAULT 'day',
	rollover_periods integer NOT NULL DEFAULT 0,
	tax_category text,
	description text,
	set_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CONSTRAINT plan_price_pkey PRIMARY KEY (plan_code, component),
	CONSTRAINT plan_price_plan_fkey FOREIGN KEY (plan_code) REFERENCES @extschema@.plan_master (plan_code),
	CONSTRAINT plan_price_metric_fkey FOREIGN KEY (metric_code) REFERENCES @extschema@.metric_catalog (metric_code),
	CONSTRAINT plan_price_basis_check CHECK (basis OPERATOR(pg_catalog.=) ANY (ARRAY['period', 'seat', 'usage']) AND (basis OPERATOR(pg_catalog.=) 'usage') OPERATOR(pg_catalog.=) (metric_code IS NOT NULL)),
	CONSTRAINT plan_price_model_check CHECK (model OPERATOR(pg_catalog.=) ANY (ARRAY['standard', 'graduated', 'volume', 'package', 'percentage', 'dynamic'])),
	CONSTRAINT plan_price_tiers_check CHECK (finops.tiers_problem(tiers) IS NULL),
	CONSTRAINT plan_price_proration_check CHECK (proration OPERATOR(pg_catalog.=) ANY (ARRAY['day', 'second', 'none'])),
	CONSTRAINT plan_price_rollover_check CHECK (rollover_periods OPERATOR(pg_catalog.>=) 0 AND rollover_periods OPERATOR(pg_catalog.<=) 120),
	CONSTRAINT plan_price_number_check CHECK (
		unit_price OPERATOR(pg_catalog.>=) 0 AND unit_price OPERATOR(pg_catalog.<) 'Infinity'::pg_catalog.numeric AND flat_fee OPERATOR(pg_catalog.>=) 0 AND flat_fee OPERATOR(pg_catalog.<) 'Infinity'::pg_catalog.numeric
		AND package_size OPERATOR(pg_catalog.>) 0 AND package_size OPERATOR(pg_catalog.<) 'Infinity'::pg_catalog.numeric AND included OPERATOR(pg_catalog.>=) 0 AND included OPERATOR(pg_catalog.<) 'Infinity'::pg_catalog.numeric
		AND rate_pct OPERATOR(pg_catalog.>=) 0 AND rate_pct OPERATOR(pg_catalog.<) 'Infinity'::pg_catalog.numeric AND fixed_fee OPERATOR(pg_catalog.>=) 0 AND fixed_fee OPERATOR(pg_catalog.<) 'Infinity'::pg_catalog.numeric
		AND free_count OPERATOR(pg_catalog.>=) 0 AND free_amount OPERATOR(pg_catalog.>=) 0 AND free_amount OPERATOR(pg_catalog.<) 'Infinity'::pg_catalog.numeric
		AND transaction_min OPERATOR(pg_catalog.>=) 0 AND transaction_min OPERATOR(pg_catalog.<) 'Infinity'::pg_catalog.numeric
		AND transaction_max OPERATOR(pg_catalog.>=) 0 AND transaction_max OPERATOR(pg_catalog.<) 'Infinity'::pg_catalog.numeric
		AND minimum OPERATOR(pg_catalog.>=) 0 AND minimum OPERATOR(pg_catalog.<) 'Infinity'::pg_catalog.numeric AND maximum OPERATOR(pg_catalog.>=) 0 AND maximum OPERATOR(pg_catalog.<) 'Infinity'::pg_catalog.numeric)
);
COMMENT ON TABLE finops.plan_price IS 'components of plans and what they cost, in the plan''s currency (finops.set_plan_price); unchanged once the plan is on an issued invoice';
COMMENT ON COLUMN finops.plan_price.basis IS 'what is priced: the period itself, seats beyond what is included, or usage of a metric';
COMMENT ON COLUMN finops.plan_price.unit_price IS 'of a unit or of a package, all decimals kept; of model dynamic the factor on the price that the usage carries';
COMMENT ON COLUMN finops.plan_price.tiers IS '[{"up_to": 100, "unit_price": 0.10, "flat_fee": 0}, {"up_to": null, "unit_price": 0.05}]; a quantity of exactly up_to is in the tier';
COMMENT ON COLUMN finops.plan_price.included IS 'units without charge; NULL: the plan''s cap of the metric, or its base_seats';
COMMENT ON COLUMN finops.plan_price.rollover_periods IS 'for how many months included units that were not used stay usable';
COMMENT ON COLUMN finops.plan_price.proration IS 'how a part of a month is counted where the period itself or seats are priced; usage is not prorated, its included units are';

-- when a tenant pauses, and how many seats it has

CREATE TABLE finops.plan_pause (
	tenant_id text NOT NULL,
	paused_at timestamptz NOT NULL,
	resumed_at timestamptz,
	reason text,
	set_by text NOT NULL,
	CONSTRAINT plan_pause_pkey PRIMARY KEY (tenant_id, paused_at),
	CONSTRAINT plan_pause_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES @extschema@.tenant_master (tenant_id),
	CONSTRAINT plan_pause_order_check CHECK (pg_catalog.isfinite(paused_at) AND (resumed_at IS NULL OR (pg_catalog.isfinite(resumed_at) AND resumed_at OPERATOR(pg_catalog.>) paused_at)))
);
COMMENT ON TABLE finops.plan_pause IS 'when tenants pause: half-open, without base price and seats; usage is billed all the same';

CREATE TABLE finops.seat_count (
	tenant_id text NOT NULL,
	from_date date NOT NULL,
	seats integer NOT NULL,
	set_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CONSTRAINT seat_count_pkey PRIMARY KEY (tenant_id, from_date),
	CONSTRAINT seat_count_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES @extschema@.tenant_master (tenant_id),
	CONSTRAINT seat_count_check CHECK (seats OPERATOR(pg_catalog.>=) 0 AND pg_catalog.isfinite(from_date))
);
COMMENT ON TABLE finops.seat_count IS 'seats of tenants from a day on; within a month the highest number so far is billed, seats given back count from the next month on';

CREATE TABLE @extschema@.upgrade_ledger (
	upgrade_id uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid(),
	tenant_id text NOT NULL,
	from_plan text NOT NULL,
	to_plan text NOT NULL,
	when_mode text NOT NULL,
	status text NOT NULL DEFAULT 'active',
	proration_amount numeric,
	currency text,
	activated_at timestamptz NOT NULL,
	actor text NOT NULL,
	created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CONSTRAINT upgrade_ledger_pkey PRIMARY KEY (upgrade_id),
	CONSTRAINT upgrade_ledger_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES @extschema@.tenant_master (tenant_id),
	CONSTRAINT upgrade_ledger_from_fkey FOREIGN KEY (from_plan) REFERENCES @extschema@.plan_master (plan_code),
	CONSTRAINT upgrade_ledger_to_fkey FOREIGN KEY (to_plan) REFERENCES @extschema@.plan_master (plan_code),
	CONSTRAINT upgrade_ledger_mode_check CHECK (when_mode OPERATOR(pg_catalog.=) ANY (ARRAY['immediate', 'scheduled'])),
	CONSTRAINT upgrade_ledger_status_check CHECK (status OPERATOR(pg_catalog.=) ANY (ARRAY['active', 'scheduled']))
);
COMMENT ON TABLE @extschema@.upgrade_ledger IS 'changes of plan (finops.change_plan)';
COMMENT ON COLUMN @extschema@.upgrade_ledger.proration_amount IS 'what the change adds to the month it falls into, at the currency''s minor unit; documents compute it anew';

CREATE FUNCTION finops.set_plan(plan_code text, base_price numeric, markup_pct numeric DEFAULT 0, currency text DEFAULT NULL,
	plan_family text DEFAULT NULL, version text DEFAULT NULL, base_seats integer DEFAULT NULL, max_seats integer DEFAULT NULL,
	effective_from date DEFAULT NULL, effective_to date DEFAULT NULL, proration text DEFAULT NULL, minimum_amount numeric DEFAULT NULL,
	maximum_amount numeric DEFAULT NULL, full_month_caps boolean DEFAULT NULL, tax_category text DEFAULT NULL,
	pay_in_advance boolean DEFAULT NULL)
RETURNS SETOF @extschema@.plan_master
LANGUAGE c VOLATILE ROWS 1
AS 'MODULE_PATHNAME', 'finops_set_plan';
COMMENT ON FUNCTION finops.set_plan(text, numeric, numeric, text, text, text, integer, integer, date, date, text, numeric, numeric, boolean, text, boolean) IS 'creates or changes a plan: price of a full month and percent on allocated cost; what is NULL keeps its value; refused once the plan is on an issued invoice: a new price is a new version under a new plan code';
REVOKE ALL ON FUNCTION finops.set_plan(text, numeric, numeric, text, text, text, integer, integer, date, date, text, numeric, numeric, boolean, text, boolean) FROM PUBLIC;

CREATE FUNCTION finops.set_plan_price(plan_code text, component text, model text DEFAULT 'standard', metric_code text DEFAULT NULL,
	unit_price numeric DEFAULT NULL, tiers jsonb DEFAULT NULL, included numeric DEFAULT NULL, flat_fee numeric DEFAULT NULL,
	package_size numeric DEFAULT NULL, rate_pct numeric DEFAULT NULL, fixed_fee numeric DEFAULT NULL, free_amount numeric DEFAULT NULL,
	free_count bigint DEFAULT NULL, transaction_min numeric DEFAULT NULL, transaction_max numeric DEFAULT NULL, minimum numeric DEFAULT NULL,
	maximum numeric DEFAULT NULL, currency text DEFAULT NULL, proration text DEFAULT NULL, rollover_periods integer DEFAULT NULL,
	tax_category text DEFAULT NULL, description text DEFAULT NULL)
RETURNS SETOF finops.plan_price
LANGUAGE c VOLATILE ROWS 1
AS 'MODULE_PATHNAME', 'finops_set_plan_price';
COMMENT ON FUNCTION finops.set_plan_price(text, text, text, text, numeric, jsonb, numeric, numeric, numeric, numeric, numeric, numeric, bigint, numeric, numeric, numeric, numeric, text, text, integer, text, text) IS 'what a component of a plan costs; metric_code names a usage metric, seats for seats, NULL for a fee of the period; replaces what the component was';
REVOKE ALL ON FUNCTION finops.set_plan_price(text, text, text, text, numeric, jsonb, numeric, numeric, numeric, numeric, numeric, numeric, bigint, numeric, numeric, numeric, numeric, text, text, integer, text, text) FROM PUBLIC;

CREATE FUNCTION finops.plan_of_family(plan_family text, day date DEFAULT CURRENT_DATE)
RETURNS text
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT p.plan_code FROM @extschema@.plan_master p
	WHERE p.plan_family = $1 AND coalesce(p.effective_from <= $2, true) AND coalesce(p.effective_to >= $2, true)
	ORDER BY p.effective_from DESC NULLS LAST, p.created_at DESC, p.plan_code COLLATE "C" DESC LIMIT 1
$$;
COMMENT ON FUNCTION finops.plan_of_family(text, date) IS 'the version of a plan family that can be bound on a day: the one with the latest effective_from; NULL when there is none';
REVOKE ALL ON FUNCTION finops.plan_of_family(text, date) FROM PUBLIC;

CREATE FUNCTION finops.bind_plan(tenant_id text, plan_code text, from_date date, to_date date DEFAULT NULL)
RETURNS SETOF @extschema@.tenant_plan_binding
LANGUAGE c VOLATILE ROWS 1
AS 'MODULE_PATHNAME', 'finops_bind_plan';
COMMENT ON FUNCTION finops.bind_plan(text, text, date, date) IS 'gives a tenant a plan from one day to another, both included; the same tenant, plan and from_date again sets the end';
REVOKE ALL ON FUNCTION finops.bind_plan(text, text, date, date) FROM PUBLIC;

CREATE FUNCTION finops.change_plan(tenant_id text, plan_code text, at timestamptz DEFAULT pg_catalog.now(), when_mode text DEFAULT NULL)
RETURNS SETOF @extschema@.upgrade_ledger
LANGUAGE c VOLATILE ROWS 1
AS 'MODULE_PATHNAME', 'finops_change_plan';
COMMENT ON FUNCTION finops.change_plan(text, text, timestamptz, text) IS 'ends the tenant''s plan and begins another: immediate, or scheduled for the next month; by default upgrades are immediate and downgrades scheduled';
REVOKE ALL ON FUNCTION finops.change_plan(text, text, timestamptz, text) FROM PUBLIC;

CREATE FUNCTION finops.pause_plan(tenant_id text, at timestamptz DEFAULT pg_catalog.now(), reason text DEFAULT NULL)
RETURNS SETOF finops.plan_pause
LANGUAGE c VOLATILE ROWS 1
AS 'MODULE_PATHNAME', 'finops_pause_plan';
COMMENT ON FUNCTION finops.pause_plan(text, timestamptz, text) IS 'base price and seats are not billed from an instant on, by day from its local day on';
REVOKE ALL ON FUNCTION finops.pause_plan(text, timestamptz, text) FROM PUBLIC;

CREATE FUNCTION finops.resume_plan(tenant_id text, at timestamptz DEFAULT pg_catalog.now())
RETURNS SETOF finops.plan_pause
LANGUAGE c VOLATILE ROWS 1
AS 'MODULE_PATHNAME', 'finops_resume_plan';
COMMENT ON FUNCTION finops.resume_plan(text, timestamptz) IS 'ends the pause of a tenant';
REVOKE ALL ON FUNCTION finops.resume_plan(text, timestamptz) FROM PUBLIC;

CREATE FUNCTION finops.set_seats(tenant_id text, seats integer, from_date date DEFAULT CURRENT_DATE)
RETURNS SETOF finops.seat_count
LANGUAGE c VOLATILE ROWS 1
AS 'MODULE_PATHNAME', 'finops_set_seats';
COMMENT ON FUNCTION finops.set_seats(text, integer, date) IS 'how many seats a tenant has from a day on; not more than max_seats of its plan';
REVOKE ALL ON FUNCTION finops.set_seats(text, integer, date) FROM PUBLIC;

-- texts of the lines that plans and usage make

INSERT INTO finops.invoice_phrase (language, phrase, text, shipped) VALUES
	('en', 'subscription_part_second', 'Plan {plan}, {from} to {to}, by second', true),
	('en', 'component', '{component}, {month}', true),
	('en', 'component_part', '{component}, {from} to {to} ({days} of {of} days)', true),
	('en', 'component_part_second', '{component}, {from} to {to}, by second', true),
	('en', 'usage', '{component}, {month}', true),
	('en', 'overage', '{metric} beyond the plan, {month}', true),
	('en', 'component_minimum', '{component}, up to the minimum, {month}', true),
	('en', 'component_maximum', '{component}, down to the maximum, {month}', true),
	('en', 'true_up', 'Plan {plan}, up to the minimum, {month}', true),
	('en', 'over_maximum', 'Plan {plan}, down to the maximum, {month}', true),
	('en', 'topup', 'Top-up {sku}, {day}', true);

CREATE FUNCTION finops.price_preview(tenant_id text, period date)
RETURNS TABLE (line_no integer, line_type text, description text, metric_code text, quantity numeric, unit text, unit_price numeric,
	amount numeric, currency text, tax_category text, detail jsonb)
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_price_preview';
COMMENT ON FUNCTION finops.price_preview(text, date) IS 'what a tenant would be charged for a billing period and how it comes about: amounts before rounding (12 decimals), conversion and tax; detail names the plan, the component, usage, prepaid and included units and the tiers';
REVOKE ALL ON FUNCTION finops.price_preview(text, date) FROM PUBLIC;

-- a plan on an issued document stays as it is

CREATE FUNCTION finops.guard_plan()
RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'finops_guard_plan';
COMMENT ON FUNCTION finops.guard_plan() IS 'trigger: what an issued invoice was priced by does not change';
REVOKE ALL ON FUNCTION finops.guard_plan() FROM PUBLIC;

CREATE TRIGGER plan_master_guard BEFORE UPDATE ON @extschema@.plan_master FOR EACH ROW
	WHEN ((OLD.base_price, OLD.markup_pct, OLD.currency, OLD.base_seats, OLD.proration, OLD.full_month_caps, OLD.pay_in_advance, OLD.minimum_amount, OLD.maximum_amount, OLD.tax_category, OLD.version)
		IS DISTINCT FROM (NEW.base_price, NEW.markup_pct, NEW.currency, NEW.base_seats, NEW.proration, NEW.full_month_caps, NEW.pay_in_advance, NEW.minimum_amount, NEW.maximum_amount, NEW.tax_category, NEW.version))
	EXECUTE FUNCTION finops.guard_plan();
COMMENT ON TRIGGER plan_master_guard ON @extschema@.plan_master IS 'the price of a plan on an issued invoice does not change';
CREATE TRIGGER plan_price_guard BEFORE UPDATE OR DELETE ON finops.plan_price FOR EACH ROW EXECUTE FUNCTION finops.guard_plan();
COMMENT ON TRIGGER plan_price_guard ON finops.plan_price IS 'components of a plan on an issued invoice do not change';
CREATE TRIGGER plan_metric_map_guard BEFORE UPDATE OR DELETE ON @extschema@.plan_metric_map FOR EACH ROW EXECUTE FUNCTION finops.guard_plan();
COMMENT ON TRIGGER plan_metric_map_guard ON @extschema@.plan_metric_map IS 'caps of a plan on an issued invoice do not change; a new cap is a row with a later effective_from';

REVOKE ALL ON @extschema@.plan_metric_map, @extschema@.tenant_plan_binding, @extschema@.upgrade_ledger, finops.plan_price, finops.plan_pause, finops.seat_count FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('@extschema@.plan_metric_map', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.tenant_plan_binding', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.upgrade_ledger', '');
SELECT pg_catalog.pg_extension_config_dump('finops.plan_price', '');
SELECT pg_catalog.pg_extension_config_dump('finops.plan_pause', '');
SELECT pg_catalog.pg_extension_config_dump('finops.seat_count', '');

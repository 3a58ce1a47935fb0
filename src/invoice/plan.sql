-- topic plan: caps of plans, and which tenant has which plan on which days

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
COMMENT ON COLUMN @extschema@.tenant_plan_binding.period_end IS 'last day of the plan; NULL: open-ended';

CREATE INDEX tenant_plan_binding_plan_idx ON @extschema@.tenant_plan_binding (plan_code);

CREATE FUNCTION finops.set_plan(plan_code text, base_price numeric, markup_pct numeric DEFAULT 0, currency text DEFAULT NULL,
	plan_family text DEFAULT NULL, version text DEFAULT NULL, base_seats integer DEFAULT NULL)
RETURNS SETOF @extschema@.plan_master
LANGUAGE c VOLATILE ROWS 1
AS 'MODULE_PATHNAME', 'finops_set_plan';
COMMENT ON FUNCTION finops.set_plan(text, numeric, numeric, text, text, text, integer) IS 'creates or changes a plan: price of a full month and percent on allocated cost; refused once the plan is on an issued invoice';
REVOKE ALL ON FUNCTION finops.set_plan(text, numeric, numeric, text, text, text, integer) FROM PUBLIC;

CREATE FUNCTION finops.bind_plan(tenant_id text, plan_code text, from_date date, to_date date DEFAULT NULL)
RETURNS SETOF @extschema@.tenant_plan_binding
LANGUAGE c VOLATILE ROWS 1
AS 'MODULE_PATHNAME', 'finops_bind_plan';
COMMENT ON FUNCTION finops.bind_plan(text, text, date, date) IS 'gives a tenant a plan from one day to another, both included; the same tenant, plan and from_date again sets the end';
REVOKE ALL ON FUNCTION finops.bind_plan(text, text, date, date) FROM PUBLIC;

REVOKE ALL ON @extschema@.plan_metric_map, @extschema@.tenant_plan_binding FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('@extschema@.plan_metric_map', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.tenant_plan_binding', '');

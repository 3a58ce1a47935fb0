-- room allocate: rules and versions, entries, explanation

-- rules

CREATE TABLE @extschema@.allocation_rules (
	rule_id text NOT NULL,
	rule_version integer NOT NULL DEFAULT 1,
	priority integer NOT NULL DEFAULT 100,
	category text NOT NULL DEFAULT 'OTHER',
	formula text NOT NULL DEFAULT 'proportional',
	provider text,
	service_match text,
	usage_type_like text,
	charge_category text,
	key_metric text NOT NULL DEFAULT 'direct_cost',
	weights_json jsonb,
	zero_key_policy text NOT NULL DEFAULT 'unallocated',
	residual_target text NOT NULL DEFAULT 'unallocated',
	billable boolean NOT NULL DEFAULT true,
	effective_from date NOT NULL,
	effective_to date,
	owner_team text,
	notes text,
	created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CONSTRAINT allocation_rules_pkey PRIMARY KEY (rule_id, rule_version),
	CONSTRAINT allocation_rules_id_check CHECK (pg_catalog.btrim(rule_id) OPERATOR(pg_catalog.<>) ''
		AND rule_id OPERATOR(pg_catalog.<>) ALL (ARRAY['direct-tag', 'unallocated'])),
	CONSTRAINT allocation_rules_version_check CHECK (rule_version OPERATOR(pg_catalog.>) 0),
	CONSTRAINT allocation_rules_category_check CHECK (pg_catalog.btrim(category) OPERATOR(pg_catalog.<>) ''),
	CONSTRAINT allocation_rules_formula_check CHECK (formula OPERATOR(pg_catalog.=) ANY (ARRAY['proportional', 'equal', 'fixed_pct', 'fixed_fee'])),
	CONSTRAINT allocation_rules_key_metric_check CHECK (key_metric OPERATOR(pg_catalog.=) 'direct_cost'),
	CONSTRAINT allocation_rules_weights_check CHECK (NOT billable
		OR formula OPERATOR(pg_catalog.<>) ALL (ARRAY['fixed_pct', 'fixed_fee'])
		OR COALESCE(pg_catalog.jsonb_typeof(weights_json), '') OPERATOR(pg_catalog.=) 'object'),
	CONSTRAINT allocation_rules_charge_category_check CHECK (charge_category OPERATOR(pg_catalog.=) ANY (ARRAY['Usage', 'Purchase', 'Tax', 'Credit', 'Adjustment'])),
	CONSTRAINT allocation_rules_zero_key_check CHECK (zero_key_policy OPERATOR(pg_catalog.=) ANY (ARRAY['unallocated', 'operator', 'equal', 'error'])),
	CONSTRAINT allocation_rules_residual_check CHECK (residual_target OPERATOR(pg_catalog.=) ANY (ARRAY['unallocated', 'operator'])),
	CONSTRAINT allocation_rules_dates_check CHECK (effective_to OPERATOR(pg_catalog.>) effective_from)
);
COMMENT ON TABLE @extschema@.allocation_rules IS 'how cost without a tenant tag is placed; a version is in force from effective_from until the day before effective_to, and the version in force on the first day of a billing period allocates it';
COMMENT ON COLUMN @extschema@.allocation_rules.priority IS 'a charge is placed by the matching rule with the lowest priority, then rule_id; it leaves its bucket once';
COMMENT ON COLUMN @extschema@.allocation_rules.category IS 'category of the entries the rule writes, such as NAT, PLINK, CLOUDWATCH, S3, EBS, OTHER';
COMMENT ON COLUMN @extschema@.allocation_rules.formula IS 'proportional: by key_metric; equal: over active tenants; fixed_pct: percent per tenant of weights_json; fixed_fee: amount per tenant and period of weights_json';
COMMENT ON COLUMN @extschema@.allocation_rules.provider IS 'provider name, such as AWS; NULL: any';
COMMENT ON COLUMN @extschema@.allocation_rules.service_match IS 'LIKE pattern on the service; NULL: any';
COMMENT ON COLUMN @extschema@.allocation_rules.usage_type_like IS 'LIKE pattern on the usage type; NULL: any, also lines without one';
COMMENT ON COLUMN @extschema@.allocation_rules.key_metric IS 'direct_cost: a tenant''s tagged usage and purchase cost of the period in the currency of the bucket, before tax, credits and adjustments; below zero counts as zero';
COMMENT ON COLUMN @extschema@.allocation_rules.weights_json IS '{"tenant": percent} or {"tenant": amount}';
COMMENT ON COLUMN @extschema@.allocation_rules.zero_key_policy IS 'where the cost goes when no tenant has a key: unallocated, operator (overhead), equal (over active tenants) or error';
COMMENT ON COLUMN @extschema@.allocation_rules.residual_target IS 'where the part goes that fixed percents or amounts leave: unallocated or operator (overhead)';
COMMENT ON COLUMN @extschema@.allocation_rules.billable IS 'false: the cost the rule matches is operator overhead and never billed';

CREATE TABLE @extschema@.rule_version_map (
	period_start date NOT NULL,
	rule_id text NOT NULL,
	rule_version integer NOT NULL,
	run_id bigint,
	pinned_by text,
	pinned_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	CONSTRAINT rule_version_map_pkey PRIMARY KEY (period_start, rule_id),
	CONSTRAINT rule_version_map_rule_fkey FOREIGN KEY (rule_id, rule_version) REFERENCES @extschema@.allocation_rules (rule_id, rule_version)
);
COMMENT ON TABLE @extschema@.rule_version_map IS 'the rule versions with which the current allocation of a billing period was made';

-- entries

CREATE SEQUENCE finops.fact_cost_allocated_id_seq;
COMMENT ON SEQUENCE finops.fact_cost_allocated_id_seq IS 'ids of allocation entries';

CREATE TABLE @extschema@.fact_cost_allocated (
	id bigint NOT NULL DEFAULT pg_catalog.nextval('finops.fact_cost_allocated_id_seq'),
	tenant_id text,
	period_start date NOT NULL,
	period_end date NOT NULL,
	service text NOT NULL,
	category text NOT NULL,
	rule_id text NOT NULL,
	rule_version integer NOT NULL,
	run_id bigint NOT NULL,
	kind text NOT NULL,
	origin text NOT NULL,
	currency text NOT NULL,
	allocated_cost_usd numeric NOT NULL,
	share numeric,
	key_metric text,
	key_value numeric,
	key_total numeric,
	source_line_ids text[],
	evidence_links text[],
	reversal_of bigint,
	origin_period date,
	created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CONSTRAINT fact_cost_allocated_kind_check CHECK (kind OPERATOR(pg_catalog.=) ANY (ARRAY['direct', 'shared', 'overhead', 'unallocated', 'reversal', 'correction'])),
	CONSTRAINT fact_cost_allocated_tenant_check CHECK (CASE WHEN kind OPERATOR(pg_catalog.=) ANY (ARRAY['direct', 'shared']) THEN tenant_id IS NOT NULL
		WHEN kind OPERATOR(pg_catalog.=) ANY (ARRAY['overhead', 'unallocated']) THEN tenant_id IS NULL ELSE true END),
	CONSTRAINT fact_cost_allocated_period_check CHECK (pg_catalog.date_part('day', period_start) OPERATOR(pg_catalog.=) 1 AND period_end OPERATOR(pg_catalog.>) period_start),
	CONSTRAINT fact_cost_allocated_amount_check CHECK (allocated_cost_usd OPERATOR(pg_catalog.<>) ALL (ARRAY['NaN', 'Infinity', '-Infinity']::numeric[]))
) PARTITION BY RANGE (period_start);
COMMENT ON TABLE @extschema@.fact_cost_allocated IS 'allocation entries, append-only: the sum over all entries of a period is its current allocation, a re-run adds balanced differences';
COMMENT ON COLUMN @extschema@.fact_cost_allocated.period_end IS 'last calendar day of the period';
COMMENT ON COLUMN @extschema@.fact_cost_allocated.kind IS 'direct and shared cost belong to the tenant; overhead is kept by the operator; unallocated waits for a rule; reversal and correction are posted for a locked month';
COMMENT ON COLUMN @extschema@.fact_cost_allocated.origin IS 'the cost bucket the entry splits: provider|service|charge category|currency|rule; entries of one origin add up to the bucket';
COMMENT ON COLUMN @extschema@.fact_cost_allocated.allocated_cost_usd IS 'amount in currency, at the scale of the bucket';
COMMENT ON COLUMN @extschema@.fact_cost_allocated.share IS 'ratio 0..1 of the bucket, 18 digits; the shares of one origin add up to 1';
COMMENT ON COLUMN @extschema@.fact_cost_allocated.key_metric IS 'what the shares were measured by';

CREATE VIEW finops.allocation_current AS
SELECT a.period_start, a.tenant_id, a.kind, a.service, a.category, a.rule_id, a.rule_version, a.currency,
	pg_catalog.sum(a.allocated_cost_usd) AS amount
FROM @extschema@.fact_cost_allocated a
GROUP BY a.period_start, a.tenant_id, a.kind, a.service, a.category, a.rule_id, a.rule_version, a.currency
HAVING pg_catalog.sum(a.allocated_cost_usd) OPERATOR(pg_catalog.<>) 0;
COMMENT ON VIEW finops.allocation_current IS 'the current allocation: entries netted per period, tenant, kind, service, category, rule version and currency';

REVOKE ALL ON @extschema@.allocation_rules, @extschema@.rule_version_map, @extschema@.fact_cost_allocated, finops.allocation_current FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('@extschema@.allocation_rules', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.rule_version_map', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.fact_cost_allocated', '');
SELECT pg_catalog.pg_extension_config_dump('finops.fact_cost_allocated_id_seq', '');

-- functions

CREATE FUNCTION finops.add_allocation_rule(
	rule_id text, formula text, effective_from date, effective_to date DEFAULT NULL,
	category text DEFAULT 'OTHER', provider text DEFAULT NULL, service_match text DEFAULT NULL,
	usage_type_like text DEFAULT NULL, charge_category text DEFAULT NULL, weights jsonb DEFAULT NULL,
	priority integer DEFAULT 100, billable boolean DEFAULT true, zero_key_policy text DEFAULT 'unallocated',
	residual_target text DEFAULT 'unallocated', owner_team text DEFAULT NULL, notes text DEFAULT NULL)
RETURNS integer
AS 'MODULE_PATHNAME', 'finops_add_allocation_rule'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION finops.add_allocation_rule(text, text, date, date, text, text, text, text, text, jsonb, integer, boolean, text, text, text, text) IS 'adds a version of an allocation rule, checked, and returns its number; an open-ended earlier version ends where it begins';
REVOKE ALL ON FUNCTION finops.add_allocation_rule(text, text, date, date, text, text, text, text, text, jsonb, integer, boolean, text, text, text, text) FROM PUBLIC;

CREATE FUNCTION finops.validate_rules(period date)
RETURNS TABLE (severity text, rule_id text, check_name text, detail text, currency text, cost numeric)
AS 'MODULE_PATHNAME', 'finops_validate_rules'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION finops.validate_rules(date) IS 'faults of the allocation rules in force, rules without effect, cost several rules match and cost no rule matches';
REVOKE ALL ON FUNCTION finops.validate_rules(date) FROM PUBLIC;

CREATE FUNCTION finops.allocate(period date)
RETURNS bigint
AS 'MODULE_PATHNAME', 'finops_allocate'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 100000;
COMMENT ON FUNCTION finops.allocate(date) IS 'places the cost of a billing period by tag and rules, posts the differences to the entries that stand and returns the run id; every unit of cost is placed exactly once';
REVOKE ALL ON FUNCTION finops.allocate(date) FROM PUBLIC;

CREATE FUNCTION finops.explain_allocation(tenant_id text, period date)
RETURNS TABLE ("position" bigint, path text, kind text, service text, category text, rule_id text, rule_version integer,
	currency text, key_metric text, key_value numeric, key_total numeric, share numeric, pool_amount numeric, amount numeric, origin text)
AS 'MODULE_PATHNAME', 'finops_explain_allocation'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION finops.explain_allocation(text, date) IS 'where a tenant''s cost of a billing period came from: one row per origin with path, share and amount; the amounts add up to the tenant''s cost';
REVOKE ALL ON FUNCTION finops.explain_allocation(text, date) FROM PUBLIC;


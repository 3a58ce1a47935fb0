-- room allocate: rules and versions, entries, explanation

-- pools, drivers and who follows whom

CREATE TABLE finops.pool (
	pool_id text NOT NULL,
	pool_name text,
	owner_team text,
	created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CONSTRAINT pool_pkey PRIMARY KEY (pool_id),
	CONSTRAINT pool_id_check CHECK (pg_catalog.btrim(pool_id) OPERATOR(pg_catalog.<>) '')
);
COMMENT ON TABLE finops.pool IS 'shared cost that is gathered under a name before it is distributed; the rule with this pool_id distributes it, weights of other rules name it as pool:<pool_id>';

CREATE TABLE finops.driver (
	driver text NOT NULL,
	unit text,
	grain text NOT NULL DEFAULT 'month',
	owner_team text,
	description text,
	created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CONSTRAINT driver_pkey PRIMARY KEY (driver),
	CONSTRAINT driver_name_check CHECK (pg_catalog.btrim(driver) OPERATOR(pg_catalog.<>) ''),
	CONSTRAINT driver_grain_check CHECK (grain OPERATOR(pg_catalog.=) ANY (ARRAY['hour', 'day', 'month']))
);
COMMENT ON TABLE finops.driver IS 'a measured quantity by which shared cost is split, such as gigabytes or requests';
COMMENT ON COLUMN finops.driver.grain IS 'length of a slice; cost is split slice by slice, so that an hour''s cost follows that hour''s use';

CREATE TABLE finops.driver_value (
	driver text NOT NULL,
	target text NOT NULL,
	slice timestamp NOT NULL,
	value numeric NOT NULL,
	recorded_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	CONSTRAINT driver_value_pkey PRIMARY KEY (driver, slice, target),
	CONSTRAINT driver_value_driver_fkey FOREIGN KEY (driver) REFERENCES finops.driver (driver),
	CONSTRAINT driver_value_value_check CHECK (value OPERATOR(pg_catalog.>=) 0 AND value OPERATOR(pg_catalog.<) 'Infinity')
);
COMMENT ON TABLE finops.driver_value IS 'what each target used of a driver in a slice of time; negative values and NaN are refused';
COMMENT ON COLUMN finops.driver_value.target IS 'a tenant id, or pool:<pool_id>';
COMMENT ON COLUMN finops.driver_value.slice IS 'start of the hour, day or month, UTC';

CREATE TABLE finops.tenant_successor (
	tenant_id text NOT NULL,
	successor_id text,
	effective_from date NOT NULL,
	notes text,
	CONSTRAINT tenant_successor_pkey PRIMARY KEY (tenant_id),
	CONSTRAINT tenant_successor_self_check CHECK (successor_id OPERATOR(pg_catalog.<>) tenant_id)
);
COMMENT ON TABLE finops.tenant_successor IS 'who takes the cost of a tenant that has left';
COMMENT ON COLUMN finops.tenant_successor.successor_id IS 'a tenant; NULL: the operator';
COMMENT ON COLUMN finops.tenant_successor.effective_from IS 'the first billing period whose cost the successor takes';

CREATE TABLE finops.allocation_policy (
	policy text NOT NULL,
	value text NOT NULL,
	effective_from date NOT NULL DEFAULT '1900-01-01',
	shipped boolean NOT NULL DEFAULT false,
	CONSTRAINT allocation_policy_pkey PRIMARY KEY (policy, effective_from, shipped),
	CONSTRAINT allocation_policy_value_check CHECK (policy OPERATOR(pg_catalog.||) '=' OPERATOR(pg_catalog.||) value OPERATOR(pg_catalog.=) ANY (ARRAY['input_tax=cost', 'input_tax=recoverable',
		'unused_commitment=operator', 'unused_commitment=rules', 'discounts=follow', 'discounts=rules', 'credits=follow', 'credits=rules',
		'approval=none', 'approval=four_eyes'])
		OR policy OPERATOR(pg_catalog.=) 'minimum_charge' AND value OPERATOR(pg_catalog.~) '^[0-9]{1,9}([.][0-9]{1,9})?$')
);
COMMENT ON TABLE finops.allocation_policy IS 'what is argued about, decided once: the value in force on the first day of a billing period holds; a row of the user comes before a shipped row';
COMMENT ON COLUMN finops.allocation_policy.policy IS 'input_tax: cost or recoverable (never allocated); unused_commitment: operator or rules; discounts: follow the discounted charge or rules; credits that no rule matches: follow the charges of their service or stay unallocated (rules); approval of rule versions: none or four_eyes; minimum_charge: an amount, a tenant to whom rules give less than that of a currency in a period pays none of it, the operator keeps it';

INSERT INTO finops.allocation_policy (policy, value, shipped) VALUES
	('input_tax', 'cost', true),
	('unused_commitment', 'operator', true),
	('discounts', 'follow', true),
	('credits', 'follow', true),
	('approval', 'none', true),
	('minimum_charge', '0', true);

REVOKE ALL ON finops.pool, finops.driver, finops.driver_value, finops.tenant_successor, finops.allocation_policy FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('finops.pool', '');
SELECT pg_catalog.pg_extension_config_dump('finops.driver', '');
SELECT pg_catalog.pg_extension_config_dump('finops.driver_value', '');
SELECT pg_catalog.pg_extension_config_dump('finops.tenant_successor', '');
SELECT pg_catalog.pg_extension_config_dump('finops.allocation_policy', 'WHERE NOT shipped');

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
	stage text NOT NULL DEFAULT 'pool',
	match jsonb,
	driver text,
	legs jsonb,
	fallback text[],
	caps jsonb,
	params jsonb,
	pool_id text,
	prepared_by text DEFAULT SESSION_USER,
	approved_by text,
	approved_at timestamptz,
	CONSTRAINT allocation_rules_pkey PRIMARY KEY (rule_id, rule_version),
	CONSTRAINT allocation_rules_id_check CHECK (pg_catalog.btrim(rule_id) OPERATOR(pg_catalog.<>) ''
		AND rule_id OPERATOR(pg_catalog.<>) ALL (ARRAY['direct-tag', 'unallocated', 'input-tax', 'unused-commitment', 'discount', 'credit', 'origin-period', 'packed-pools'])),
	CONSTRAINT allocation_rules_version_check CHECK (rule_version OPERATOR(pg_catalog.>) 0),
	CONSTRAINT allocation_rules_category_check CHECK (pg_catalog.btrim(category) OPERATOR(pg_catalog.<>) ''),
	CONSTRAINT allocation_rules_formula_check CHECK (formula OPERATOR(pg_catalog.=) ANY (ARRAY['proportional', 'equal', 'fixed_pct', 'fixed_fee', 'direct', 'driver', 'weighted', 'tiered', 'capacity', 'inherit', 'shared_peak'])),
	CONSTRAINT allocation_rules_key_metric_check CHECK (key_metric OPERATOR(pg_catalog.=) ANY (ARRAY['direct_cost', 'allocated_cost'])),
	CONSTRAINT allocation_rules_weights_check CHECK (NOT billable
		OR formula OPERATOR(pg_catalog.<>) ALL (ARRAY['fixed_pct', 'fixed_fee', 'direct'])
		OR COALESCE(pg_catalog.jsonb_typeof(weights_json), '') OPERATOR(pg_catalog.=) 'object'),
	CONSTRAINT allocation_rules_charge_category_check CHECK (charge_category OPERATOR(pg_catalog.=) ANY (ARRAY['Usage', 'Purchase', 'Tax', 'Credit', 'Adjustment'])),
	CONSTRAINT allocation_rules_zero_key_check CHECK (zero_key_policy OPERATOR(pg_catalog.=) ANY (ARRAY['unallocated', 'operator', 'equal', 'error'])),
	CONSTRAINT allocation_rules_residual_check CHECK (residual_target OPERATOR(pg_catalog.=) ANY (ARRAY['unallocated', 'operator'])),
	CONSTRAINT allocation_rules_dates_check CHECK (effective_to OPERATOR(pg_catalog.>) effective_from),
	CONSTRAINT allocation_rules_like_check CHECK (service_match OPERATOR(pg_catalog.!~) '(^|[^\\])(\\\\)*\\$'
		AND usage_type_like OPERATOR(pg_catalog.!~) '(^|[^\\])(\\\\)*\\$'),
	CONSTRAINT allocation_rules_stage_check CHECK (stage OPERATOR(pg_catalog.=) ANY (ARRAY['direct', 'split', 'pool', 'overhead', 'residual'])),
	CONSTRAINT allocation_rules_driver_check CHECK (NOT billable
		OR formula OPERATOR(pg_catalog.<>) ALL (ARRAY['driver', 'tiered', 'capacity', 'shared_peak']) OR driver IS NOT NULL),
	CONSTRAINT allocation_rules_json_check CHECK (COALESCE(pg_catalog.jsonb_typeof(match), 'object') OPERATOR(pg_catalog.=) 'object'
		AND COALESCE(pg_catalog.jsonb_typeof(legs), 'object') OPERATOR(pg_catalog.=) 'object'
		AND COALESCE(pg_catalog.jsonb_typeof(caps), 'object') OPERATOR(pg_catalog.=) 'object'
		AND COALESCE(pg_catalog.jsonb_typeof(params), 'object') OPERATOR(pg_catalog.=) 'object'),
	CONSTRAINT allocation_rules_approval_check CHECK (approved_by OPERATOR(pg_catalog.<>) prepared_by),
	CONSTRAINT allocation_rules_driver_fkey FOREIGN KEY (driver) REFERENCES finops.driver (driver),
	CONSTRAINT allocation_rules_pool_fkey FOREIGN KEY (pool_id) REFERENCES finops.pool (pool_id),
	-- ranges of one hash stand for equality, which gist has for text only by another extension
	CONSTRAINT allocation_rules_overlap_excl EXCLUDE USING gist (
		(pg_catalog.int8range(pg_catalog.hashtextextended(rule_id, 0), pg_catalog.hashtextextended(rule_id, 0), '[]')) WITH OPERATOR(pg_catalog.&&),
		(pg_catalog.daterange(effective_from, effective_to)) WITH OPERATOR(pg_catalog.&&))
);
COMMENT ON TABLE @extschema@.allocation_rules IS 'how cost without a tenant tag is placed; a version is in force from effective_from until the day before effective_to, and the version in force on the first day of a billing period allocates it';
COMMENT ON COLUMN @extschema@.allocation_rules.priority IS 'a charge is placed by the matching rule with the lowest priority, then rule_id; it leaves its bucket once';
COMMENT ON COLUMN @extschema@.allocation_rules.category IS 'category of the entries the rule writes, such as NAT, PLINK, CLOUDWATCH, S3, EBS, OTHER';
COMMENT ON COLUMN @extschema@.allocation_rules.formula IS 'proportional: by key_metric; equal: over active tenants; fixed_pct: percent per target of weights_json; fixed_fee: amount per target and period of weights_json; direct: by the weights of weights_json; driver: by driver values; weighted: by several drivers; tiered: by the price of each tenant''s use; capacity: by use of a practical capacity, the unused part goes to residual_target; inherit: as another rule; shared_peak: by fair share of the highest demand';
COMMENT ON COLUMN @extschema@.allocation_rules.provider IS 'provider name, such as AWS; NULL: any';
COMMENT ON COLUMN @extschema@.allocation_rules.service_match IS 'LIKE pattern on the service; NULL: any';
COMMENT ON COLUMN @extschema@.allocation_rules.usage_type_like IS 'LIKE pattern on the usage type; NULL: any, also lines without one';
COMMENT ON COLUMN @extschema@.allocation_rules.key_metric IS 'of formula proportional. allocated_cost: what the earlier stages placed on the tenant, before tax and credits below zero; direct_cost: a tenant''s tagged usage and purchase cost of the period in the currency of the bucket, before tax, credits and adjustments; below zero counts as zero';
COMMENT ON COLUMN @extschema@.allocation_rules.weights_json IS '{target: percent}, {target: amount} or {target: weight}; a target is a tenant id, pool:<pool_id>, operator or unallocated';
COMMENT ON COLUMN @extschema@.allocation_rules.zero_key_policy IS 'where the cost goes when no tenant has a key: unallocated, operator (overhead), equal (over active tenants) or error';
COMMENT ON COLUMN @extschema@.allocation_rules.residual_target IS 'where the part goes that fixed percents or amounts leave: unallocated or operator (overhead)';
COMMENT ON COLUMN @extschema@.allocation_rules.stage IS 'stages place cost in the order direct (an owner by account, tag or resource), split (parts of a resource by telemetry), pool (shared cost, pools that feed pools solved together), overhead (a percentage of what the earlier stages placed), residual';
COMMENT ON COLUMN @extschema@.allocation_rules.match IS 'further predicates, all of which hold: {"account": ["1", "2"], "region": {"prefix": "eu-"}, "tags": {"team": {"regex": "^a"}}, ...}; operators eq, in, not_in, prefix, like, regex, absent';
COMMENT ON COLUMN @extschema@.allocation_rules.driver IS 'the driver of formula driver, tiered, capacity or shared_peak';
COMMENT ON COLUMN @extschema@.allocation_rules.legs IS '{"amount": {target: amount}, "percent": {target: percent}}: fixed amounts first, then percents of the original, the formula splits the rest';
COMMENT ON COLUMN @extschema@.allocation_rules.fallback IS 'tried in order when nobody has a key, before zero_key_policy: previous_period, direct_cost, equal, driver:<name>';
COMMENT ON COLUMN @extschema@.allocation_rules.caps IS '{tenant: {"min": amount, "max": amount}} per billing period and currency, "*" for all others';
COMMENT ON COLUMN @extschema@.allocation_rules.params IS 'weighted: {"drivers": [{"driver", "weight", "capacity"}]}; tiered: {"tiers": [{"upto", "price"}]}; capacity: {"capacity"}; inherit: {"rule"}';
COMMENT ON COLUMN @extschema@.allocation_rules.pool_id IS 'the pool this rule distributes, besides the cost it matches itself';
COMMENT ON COLUMN @extschema@.allocation_rules.approved_by IS 'see finops.approve_rule; under policy approval = four_eyes only approved versions are used';
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
	stage text,
	rung smallint,
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
COMMENT ON COLUMN @extschema@.fact_cost_allocated.source_line_ids IS 'row_id of the lines of the origin where they are few; finops.entry_lines finds them all';
COMMENT ON COLUMN @extschema@.fact_cost_allocated.origin_period IS 'of a correction: the locked period it belongs to';
COMMENT ON COLUMN @extschema@.fact_cost_allocated.rung IS 'step of the fallback chain that gave the key; 0: the rule''s own key';
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

-- what a run was made from

CREATE TABLE finops.allocation_input (
	run_id bigint NOT NULL,
	period_start date NOT NULL,
	part text NOT NULL,
	"position" integer NOT NULL,
	name text NOT NULL,
	detail jsonb,
	targets text[],
	amounts numeric[],
	CONSTRAINT allocation_input_pkey PRIMARY KEY (run_id, part, "position"),
	CONSTRAINT allocation_input_part_check CHECK (part OPERATOR(pg_catalog.=) ANY (ARRAY['rule', 'node', 'key', 'bucket', 'direct', 'policy']))
);
CREATE INDEX allocation_input_period_idx ON finops.allocation_input (period_start, run_id);
COMMENT ON TABLE finops.allocation_input IS 'what an allocation was made from: rule versions, nodes of the pool graph, keys with their values, buckets and direct cost; finops.replay_allocation makes the same entries from it';
COMMENT ON COLUMN finops.allocation_input.part IS 'rule, node (a rule in a currency and slice), key (a vector of weights), bucket (cost that a node distributes), direct (tagged cost), policy (minimum_charge)';

REVOKE ALL ON finops.allocation_input FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('finops.allocation_input', '');

-- functions

CREATE FUNCTION finops.add_allocation_rule(
	rule_id text, formula text, effective_from date, effective_to date DEFAULT NULL,
	category text DEFAULT 'OTHER', provider text DEFAULT NULL, service_match text DEFAULT NULL,
	usage_type_like text DEFAULT NULL, charge_category text DEFAULT NULL, weights jsonb DEFAULT NULL,
	priority integer DEFAULT 100, billable boolean DEFAULT true, zero_key_policy text DEFAULT 'unallocated',
	residual_target text DEFAULT 'unallocated', owner_team text DEFAULT NULL, notes text DEFAULT NULL,
	stage text DEFAULT 'pool', match jsonb DEFAULT NULL, driver text DEFAULT NULL, legs jsonb DEFAULT NULL,
	fallback text[] DEFAULT NULL, caps jsonb DEFAULT NULL, params jsonb DEFAULT NULL, pool_id text DEFAULT NULL, key_metric text DEFAULT 'direct_cost')
RETURNS integer
AS 'MODULE_PATHNAME', 'finops_add_allocation_rule'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION finops.add_allocation_rule(text, text, date, date, text, text, text, text, text, jsonb, integer, boolean, text, text, text, text, text, jsonb, text, jsonb, text[], jsonb, jsonb, text, text) IS 'adds a version of an allocation rule, checked, and returns its number; an open-ended earlier version ends where it begins';
REVOKE ALL ON FUNCTION finops.add_allocation_rule(text, text, date, date, text, text, text, text, text, jsonb, integer, boolean, text, text, text, text, text, jsonb, text, jsonb, text[], jsonb, jsonb, text, text) FROM PUBLIC;

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


CREATE FUNCTION finops.preview_allocation(period date)
RETURNS TABLE (tenant_id text, kind text, service text, category text, rule_id text, rule_version integer, origin text, currency text,
	amount numeric, share numeric, key_metric text, key_value numeric, key_total numeric, stage text, rung smallint)
AS 'MODULE_PATHNAME', 'finops_preview_allocation'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 100000;
COMMENT ON FUNCTION finops.preview_allocation(date) IS 'the entries finops.allocate would come to, without writing any';
REVOKE ALL ON FUNCTION finops.preview_allocation(date) FROM PUBLIC;

CREATE FUNCTION finops.replay_allocation(run_id bigint)
RETURNS TABLE (entries bigint, digest text, digest_of_run text, identical boolean)
AS 'MODULE_PATHNAME', 'finops_replay_allocation'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 100000 ROWS 1;
COMMENT ON FUNCTION finops.replay_allocation(bigint) IS 'makes the entries of an allocation run again from its pinned inputs and compares their digest (SHA-256, hex) with that of the run';
REVOKE ALL ON FUNCTION finops.replay_allocation(bigint) FROM PUBLIC;

CREATE FUNCTION finops.entry_lines(entry_id bigint, max_lines bigint DEFAULT NULL)
RETURNS TABLE (row_id bigint, identity_line_item_id text, service text, usage_type text, resource_id text, usage_start timestamp, cost numeric, currency text)
AS 'MODULE_PATHNAME', 'finops_entry_lines'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 100000;
COMMENT ON FUNCTION finops.entry_lines(bigint, bigint) IS 'the bill lines whose cost an allocation entry has a part of, with their full cost, in no particular order; at most max_lines of them';
REVOKE ALL ON FUNCTION finops.entry_lines(bigint, bigint) FROM PUBLIC;

CREATE FUNCTION finops.entry_cost_daily(entry_id bigint)
RETURNS TABLE (usage_date date, account_id text, region text, line_items bigint, cost numeric, currency text)
AS 'MODULE_PATHNAME', 'finops_entry_cost_daily'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 100000;
COMMENT ON FUNCTION finops.entry_cost_daily(bigint) IS 'what the bill lines of an allocation entry''s origin come to by day, account and region, with their full cost';
REVOKE ALL ON FUNCTION finops.entry_cost_daily(bigint) FROM PUBLIC;

CREATE FUNCTION finops.index_lines(period date)
RETURNS boolean
AS 'MODULE_PATHNAME', 'finops_index_lines'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 100000;
COMMENT ON FUNCTION finops.index_lines(date) IS 'makes the index over the bill lines of a month that finops.entry_lines finds them by, which finops.lock_period makes anyway; false where it is there';
REVOKE ALL ON FUNCTION finops.index_lines(date) FROM PUBLIC;

CREATE FUNCTION finops.approve_rule(rule_id text, rule_version integer, note text DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME', 'finops_approve_rule'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION finops.approve_rule(text, integer, text) IS 'approves a version of an allocation rule; whoever prepared it cannot approve it';
REVOKE ALL ON FUNCTION finops.approve_rule(text, integer, text) FROM PUBLIC;

CREATE FUNCTION finops.record_driver_values(driver text, slice timestamp, "values" jsonb)
RETURNS bigint
AS 'MODULE_PATHNAME', 'finops_record_driver_values'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION finops.record_driver_values(text, timestamp, jsonb) IS 'writes what each target used of a driver in a slice, {target: value}, in place of what was recorded for it; returns the number of targets';
REVOKE ALL ON FUNCTION finops.record_driver_values(text, timestamp, jsonb) FROM PUBLIC;

CREATE FUNCTION finops.late_drivers(period date)
RETURNS TABLE (driver text, grain text, slices_expected bigint, slices_present bigint)
AS 'MODULE_PATHNAME', 'finops_late_drivers'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION finops.late_drivers(date) IS 'drivers that rules in force use and whose values of the billing period are not all there; an allocation with a late driver is provisional';
REVOKE ALL ON FUNCTION finops.late_drivers(date) FROM PUBLIC;

CREATE FUNCTION finops.solve_pools(costs numeric[], pool_shares float8[], target_shares float8[], method text DEFAULT 'reciprocal')
RETURNS numeric[]
AS 'MODULE_PATHNAME', 'finops_solve_pools'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 100000;
COMMENT ON FUNCTION finops.solve_pools(numeric[], float8[], float8[], text) IS 'cost of pools that feed each other, placed on targets: costs of n pools, pool_shares n x n (row: giver), target_shares n x m, all ratios 0..1 of the giver''s output; what the shares of a pool leave is the operator''s and the last element of the result. method: reciprocal, direct or step_down (in the order of the pools). The result adds up to the costs exactly';

CREATE FUNCTION finops.trace_pools(costs numeric[], pool_shares float8[], target_shares float8[])
RETURNS TABLE (pool integer, amounts numeric[])
AS 'MODULE_PATHNAME', 'finops_trace_pools'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 100000 ROWS 100;
COMMENT ON FUNCTION finops.trace_pools(numeric[], float8[], float8[]) IS 'where the own cost of each pool ends up when pools feed each other: one row per pool with the amounts of the m targets and, last, of the operator, which add up to the pool''s cost exactly; arguments as those of finops.solve_pools, reciprocal method';

-- entries of pools that feed pools, packed: one row for each origin

CREATE TABLE finops.allocation_target (
	list_id bigint NOT NULL,
	period_start date NOT NULL,
	targets text[] NOT NULL,
	CONSTRAINT allocation_target_pkey PRIMARY KEY (list_id)
);
CREATE INDEX allocation_target_period_idx ON finops.allocation_target (period_start);
COMMENT ON TABLE finops.allocation_target IS 'lists of targets of packed allocation entries; list_id is the run that wrote them';
COMMENT ON COLUMN finops.allocation_target.targets IS 't:<tenant_id> by byte order, then o for the operator and u for unallocated';

CREATE TABLE finops.allocation_packed (
	id bigint NOT NULL DEFAULT pg_catalog.nextval('finops.fact_cost_allocated_id_seq'),
	period_start date NOT NULL,
	run_id bigint NOT NULL,
	list_id bigint NOT NULL,
	service text NOT NULL,
	category text NOT NULL,
	rule_id text NOT NULL,
	rule_version integer NOT NULL,
	origin text NOT NULL,
	currency text NOT NULL,
	key_metric text,
	stage text,
	rung smallint,
	source_line_ids text[],
	amount_scale smallint NOT NULL,
	units bigint[] NOT NULL,
	created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CONSTRAINT allocation_packed_pkey PRIMARY KEY (id),
	CONSTRAINT allocation_packed_list_fkey FOREIGN KEY (list_id) REFERENCES finops.allocation_target (list_id),
	CONSTRAINT allocation_packed_scale_check CHECK (amount_scale OPERATOR(pg_catalog.>=) 0 AND amount_scale OPERATOR(pg_catalog.<=) 9),
	CONSTRAINT allocation_packed_units_check CHECK (pg_catalog.array_ndims(units) OPERATOR(pg_catalog.=) 1)
);
ALTER TABLE finops.allocation_packed ALTER units SET STORAGE EXTERNAL;
CREATE INDEX allocation_packed_period_idx ON finops.allocation_packed (period_start);
COMMENT ON TABLE finops.allocation_packed IS 'allocation entries of large systems of pools, append-only, one row for each origin; their sums by target stand in fact_cost_allocated under rule packed-pools, finops.allocation_entry has each of them';
COMMENT ON COLUMN finops.allocation_packed.units IS 'amounts in units of 10^-9 of currency, one for each target of the list; those of the rows of one origin add up to its allocation';
COMMENT ON COLUMN finops.allocation_packed.amount_scale IS 'digits that the amounts have at least';

REVOKE ALL ON finops.allocation_target, finops.allocation_packed FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('finops.allocation_target', '');
SELECT pg_catalog.pg_extension_config_dump('finops.allocation_packed', '');

CREATE FUNCTION finops.unpack_allocation(targets text[], units bigint[], amount_scale smallint)
RETURNS TABLE (tenant_id text, kind text, amount numeric, share numeric)
AS 'MODULE_PATHNAME', 'finops_unpack_allocation'
LANGUAGE C IMMUTABLE PARALLEL SAFE ROWS 1000;
COMMENT ON FUNCTION finops.unpack_allocation(text[], bigint[], smallint) IS 'the entries of a packed row; share is the ratio 0..1 of the row, NULL where amounts have both signs';

CREATE FUNCTION finops.packed_amount(units bigint[], "position" integer, amount_scale smallint)
RETURNS numeric
AS 'MODULE_PATHNAME', 'finops_packed_amount'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION finops.packed_amount(bigint[], integer, smallint) IS 'the amount at a place of a packed row, read without the others';

CREATE FUNCTION finops.packed_total(units bigint[])
RETURNS numeric
AS 'MODULE_PATHNAME', 'finops_packed_total'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION finops.packed_total(bigint[]) IS 'the sum of the amounts of a packed row';

CREATE FUNCTION finops.place_units(units bigint[], from_targets text[], to_targets text[], negate boolean)
RETURNS bigint[]
AS 'MODULE_PATHNAME', 'finops_place_units'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION finops.place_units(bigint[], text[], text[], boolean) IS 'units of one list of targets in the order of another that has all of them, with the other sign where negate is true';

CREATE FUNCTION finops.add_units(state bigint[], units bigint[])
RETURNS bigint[]
AS 'MODULE_PATHNAME', 'finops_add_units'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION finops.add_units(bigint[], bigint[]) IS 'adds two arrays of units element by element';

CREATE AGGREGATE finops.sum_units(bigint[]) (
	SFUNC = finops.add_units,
	STYPE = bigint[],
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE finops.sum_units(bigint[]) IS 'the sum of arrays of units, element by element';

CREATE VIEW finops.allocation_entry AS
SELECT a.id, a.tenant_id, a.period_start, a.period_end, a.service, a.category, a.rule_id, a.rule_version, a.run_id, a.kind, a.origin, a.currency,
	a.allocated_cost_usd, a.share, a.key_metric, a.key_value, a.key_total, a.source_line_ids, a.origin_period, a.created_at, a.stage, a.rung
FROM @extschema@.fact_cost_allocated a
WHERE a.rule_id OPERATOR(pg_catalog.<>) 'packed-pools'
UNION ALL
SELECT p.id, u.tenant_id, p.period_start, (p.period_start OPERATOR(pg_catalog.+) interval '1 month')::date OPERATOR(pg_catalog.-) 1, p.service, p.category,
	p.rule_id, p.rule_version, p.run_id, u.kind, p.origin, p.currency,
	u.amount, u.share, p.key_metric, NULL::numeric, NULL::numeric, p.source_line_ids, NULL::date, p.created_at, p.stage, p.rung
FROM finops.allocation_packed p JOIN finops.allocation_target l ON l.list_id OPERATOR(pg_catalog.=) p.list_id
CROSS JOIN LATERAL finops.unpack_allocation(l.targets, p.units, p.amount_scale) u;
COMMENT ON VIEW finops.allocation_entry IS 'all allocation entries, those that are packed one by one, in place of their sums';
REVOKE ALL ON finops.allocation_entry FROM PUBLIC;
REVOKE ALL ON FUNCTION finops.packed_amount(bigint[], integer, smallint), finops.packed_total(bigint[]),
	finops.place_units(bigint[], text[], text[], boolean), finops.add_units(bigint[], bigint[]), finops.sum_units(bigint[]) FROM PUBLIC;

-- room allocate: sums of bill lines by tenant and what else they are summed by

CREATE FUNCTION finops.pack_texts(VARIADIC texts "any")
RETURNS bytea
AS 'MODULE_PATHNAME', 'finops_pack_texts'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 25;
COMMENT ON FUNCTION finops.pack_texts("any") IS 'texts as one value, which is the same only where all of them are, NULLs included; finops.unpack_texts makes them again';

CREATE FUNCTION finops.unpack_texts(packed bytea)
RETURNS text[]
AS 'MODULE_PATHNAME', 'finops_unpack_texts'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION finops.unpack_texts(bytea) IS 'the texts that finops.pack_texts was given';

CREATE FUNCTION finops.line_sums_step(state bytea, tenant_id text, key bytea, amount numeric, line bigint)
RETURNS bytea
AS 'MODULE_PATHNAME', 'finops_line_sums_step'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10;
COMMENT ON FUNCTION finops.line_sums_step(bytea, text, bytea, numeric, bigint) IS 'state function of finops.line_sums';

CREATE FUNCTION finops.line_sums_merge(state bytea, other bytea)
RETURNS bytea
AS 'MODULE_PATHNAME', 'finops_line_sums_merge'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.line_sums_merge(bytea, bytea) IS 'combine function of finops.line_sums';

CREATE AGGREGATE finops.line_sums(tenant_id text, key bytea, amount numeric, line bigint) (
	SFUNC = finops.line_sums_step,
	STYPE = bytea,
	SSPACE = 1000000,
	COMBINEFUNC = finops.line_sums_merge,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE finops.line_sums(text, bytea, numeric, bigint) IS 'exact sums by tenant and key in one value, with how many lines of a key were named, the first and the last; empty where they do not fit in half of what work_mem allows a hash table, or an amount not in fixed point of 128 bits';

CREATE FUNCTION finops.line_sums_keys(sums bytea)
RETURNS TABLE (key_no integer, texts text[], n bigint, first_line bigint, last_line bigint)
AS 'MODULE_PATHNAME', 'finops_line_sums_keys'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION finops.line_sums_keys(bytea) IS 'the keys of finops.line_sums, which finops.pack_texts has made, and their lines';

CREATE FUNCTION finops.line_sums_amounts(sums bytea)
RETURNS TABLE (tenant_id text, tenant_no integer, key_no integer, cost numeric)
AS 'MODULE_PATHNAME', 'finops_line_sums_amounts'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 100000;
COMMENT ON FUNCTION finops.line_sums_amounts(bytea) IS 'the sums of finops.line_sums; tenants are numbered in the order of their bytes';

-- states are taken from these functions alone
REVOKE ALL ON FUNCTION finops.pack_texts("any"), finops.unpack_texts(bytea), finops.line_sums_step(bytea, text, bytea, numeric, bigint),
	finops.line_sums_merge(bytea, bytea), finops.line_sums(text, bytea, numeric, bigint), finops.line_sums_keys(bytea), finops.line_sums_amounts(bytea) FROM PUBLIC;

-- room ops: what is in the columns of a relation

CREATE TYPE finops.column_profile AS (
	row_count bigint,
	nulls bigint,
	null_ratio float8,
	distinct_estimate bigint,
	minimum text,
	maximum text,
	mean float8,
	deviation float8
);
COMMENT ON TYPE finops.column_profile IS 'what is in a column';
COMMENT ON COLUMN finops.column_profile.null_ratio IS '0..1; NULL of no rows';
COMMENT ON COLUMN finops.column_profile.distinct_estimate IS 'different values without NULL, by HyperLogLog with a standard error of 1.6 percent';
COMMENT ON COLUMN finops.column_profile.minimum IS 'smallest value; text by its bytes, up to 64 of them; NULL for types without such an order';
COMMENT ON COLUMN finops.column_profile.mean IS 'of finite numbers, as float8';
COMMENT ON COLUMN finops.column_profile.deviation IS 'standard deviation of the sample; NULL of fewer than two numbers';

CREATE FUNCTION finops.profile_accum(bytea, VARIADIC "any")
RETURNS bytea
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'finops_profile_accum';
COMMENT ON FUNCTION finops.profile_accum(bytea, VARIADIC "any") IS 'transition of profile_agg';

CREATE FUNCTION finops.profile_combine(bytea, bytea)
RETURNS bytea
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'finops_profile_combine';
COMMENT ON FUNCTION finops.profile_combine(bytea, bytea) IS 'merges two states of profile_agg';

CREATE FUNCTION finops.profile_final(bytea)
RETURNS finops.column_profile[]
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'finops_profile_final';
COMMENT ON FUNCTION finops.profile_final(bytea) IS 'final step of profile_agg';

REVOKE ALL ON FUNCTION finops.profile_accum(bytea, VARIADIC "any"), finops.profile_combine(bytea, bytea), finops.profile_final(bytea) FROM PUBLIC;

CREATE AGGREGATE finops.profile_agg(VARIADIC "any") (
	SFUNC = finops.profile_accum,
	STYPE = bytea,
	SSPACE = 16384,
	FINALFUNC = finops.profile_final,
	COMBINEFUNC = finops.profile_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE finops.profile_agg(VARIADIC "any") IS 'profiles of up to 90 columns, in their order';

CREATE FUNCTION finops.profile_table(relation regclass, columns text[] DEFAULT NULL)
RETURNS TABLE (column_name text, data_type text, row_count bigint, nulls bigint, null_ratio float8, distinct_estimate bigint,
	minimum text, maximum text, mean float8, deviation float8)
LANGUAGE c VOLATILE PARALLEL RESTRICTED COST 1000000 ROWS 20
AS 'MODULE_PATHNAME', 'finops_profile_table';
COMMENT ON FUNCTION finops.profile_table(regclass, text[]) IS 'rows, nulls, different values, smallest and largest value, mean and deviation of each column, in one scan with the rights of the caller';

-- room reconcile: which keys do not balance

CREATE FUNCTION finops.nonzero_sums_step(state bytea, key text, amount numeric)
RETURNS bytea
AS 'MODULE_PATHNAME', 'finops_nonzero_sums_step'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.nonzero_sums_step(bytea, text, numeric) IS 'state function of finops.nonzero_sums';

CREATE FUNCTION finops.nonzero_sums_merge(state bytea, other bytea)
RETURNS bytea
AS 'MODULE_PATHNAME', 'finops_nonzero_sums_merge'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.nonzero_sums_merge(bytea, bytea) IS 'combine function of finops.nonzero_sums';

CREATE FUNCTION finops.nonzero_sums_result(state bytea)
RETURNS jsonb
AS 'MODULE_PATHNAME', 'finops_nonzero_sums_result'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.nonzero_sums_result(bytea) IS 'final function of finops.nonzero_sums';

CREATE AGGREGATE finops.nonzero_sums(key text, amount numeric) (
	SFUNC = finops.nonzero_sums_step,
	STYPE = bytea,
	SSPACE = 1000000,
	FINALFUNC = finops.nonzero_sums_result,
	COMBINEFUNC = finops.nonzero_sums_merge,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE finops.nonzero_sums(text, numeric) IS 'exact sums by key as {key: sum}, without those that are zero; NULL where they do not fit fixed point of 38 digits, 24 of them decimals';

-- states are taken from these functions alone
REVOKE ALL ON FUNCTION finops.nonzero_sums_step(bytea, text, numeric), finops.nonzero_sums_merge(bytea, bytea),
	finops.nonzero_sums_result(bytea), finops.nonzero_sums(text, numeric) FROM PUBLIC;

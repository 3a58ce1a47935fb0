-- room forecast: drift of rows, with verdicts that know the size of the samples

CREATE TYPE finops.drift_verdict AS (
	statistic float8,
	critical_value float8,
	p_value float8,
	reference_rows bigint,
	recent_rows bigint,
	bins integer,
	drifted boolean
);
COMMENT ON TYPE finops.drift_verdict IS 'whether two samples come from one distribution';
COMMENT ON COLUMN finops.drift_verdict.statistic IS 'population stability index, or Kolmogorov-Smirnov distance; NULL where a sample is empty';
COMMENT ON COLUMN finops.drift_verdict.critical_value IS 'the least statistic that is called drift at these sample sizes; NULL where the test is exact, or nothing can differ';
COMMENT ON COLUMN finops.drift_verdict.p_value IS 'chance of such a statistic, or a larger one, without drift';
COMMENT ON COLUMN finops.drift_verdict.bins IS 'bins that hold anything; distinct values for Kolmogorov-Smirnov';
COMMENT ON COLUMN finops.drift_verdict.drifted IS 'false alarms are the share alpha, 5 percent for the aggregates';

CREATE FUNCTION finops.hist_combine(bytea, bytea)
RETURNS bytea
AS 'MODULE_PATHNAME', 'finops_hist_combine'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.hist_combine(bytea, bytea) IS 'adds two states of hist_agg or psi_agg';
REVOKE ALL ON FUNCTION finops.hist_combine(bytea, bytea) FROM PUBLIC;

CREATE FUNCTION finops.hist_accum(bytea, float8, float8[])
RETURNS bytea
AS 'MODULE_PATHNAME', 'finops_hist_accum'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.hist_accum(bytea, float8, float8[]) IS 'transition of hist_agg';
REVOKE ALL ON FUNCTION finops.hist_accum(bytea, float8, float8[]) FROM PUBLIC;

CREATE FUNCTION finops.hist_final(bytea)
RETURNS bigint[]
AS 'MODULE_PATHNAME', 'finops_hist_final'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.hist_final(bytea) IS 'final step of hist_agg';
REVOKE ALL ON FUNCTION finops.hist_final(bytea) FROM PUBLIC;

CREATE AGGREGATE finops.hist_agg(value float8, bounds float8[]) (
	SFUNC = finops.hist_accum,
	STYPE = bytea,
	FINALFUNC = finops.hist_final,
	COMBINEFUNC = finops.hist_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE finops.hist_agg(float8, float8[]) IS 'rows by bin: up to and with the first bound, up to and with the second, ..., above the last, and NULL; NaN is above all';

CREATE FUNCTION finops.psi_accum(bytea, float8, boolean, float8[])
RETURNS bytea
AS 'MODULE_PATHNAME', 'finops_psi_accum'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.psi_accum(bytea, float8, boolean, float8[]) IS 'transition of psi_agg';
REVOKE ALL ON FUNCTION finops.psi_accum(bytea, float8, boolean, float8[]) FROM PUBLIC;

CREATE FUNCTION finops.psi_final(bytea)
RETURNS finops.drift_verdict
AS 'MODULE_PATHNAME', 'finops_psi_final'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.psi_final(bytea) IS 'final step of psi_agg';
REVOKE ALL ON FUNCTION finops.psi_final(bytea) FROM PUBLIC;

CREATE AGGREGATE finops.psi_agg(value float8, recent boolean, bounds float8[]) (
	SFUNC = finops.psi_accum,
	STYPE = bytea,
	FINALFUNC = finops.psi_final,
	COMBINEFUNC = finops.hist_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE finops.psi_agg(float8, boolean, float8[]) IS 'population stability index of the recent rows against the others, half a row added to each bin, judged at 5 percent; rows whose recent is NULL do not count';

CREATE FUNCTION finops.psi_test(reference bigint[], recent bigint[], alpha float8 DEFAULT 0.05)
RETURNS finops.drift_verdict
AS 'MODULE_PATHNAME', 'finops_psi_test'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION finops.psi_test(bigint[], bigint[], float8) IS 'population stability index of counts by bin, as finops.hist_agg gives them; alpha: share of false alarms';

CREATE FUNCTION finops.ks_combine(bytea, bytea)
RETURNS bytea
AS 'MODULE_PATHNAME', 'finops_ks_combine'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.ks_combine(bytea, bytea) IS 'joins two states of ks_agg';
REVOKE ALL ON FUNCTION finops.ks_combine(bytea, bytea) FROM PUBLIC;

CREATE FUNCTION finops.ks_accum(bytea, float8, boolean)
RETURNS bytea
AS 'MODULE_PATHNAME', 'finops_ks_accum'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.ks_accum(bytea, float8, boolean) IS 'transition of ks_agg';
REVOKE ALL ON FUNCTION finops.ks_accum(bytea, float8, boolean) FROM PUBLIC;

CREATE FUNCTION finops.ks_final(bytea)
RETURNS finops.drift_verdict
AS 'MODULE_PATHNAME', 'finops_ks_final'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10000;
COMMENT ON FUNCTION finops.ks_final(bytea) IS 'final step of ks_agg';
REVOKE ALL ON FUNCTION finops.ks_final(bytea) FROM PUBLIC;

CREATE AGGREGATE finops.ks_agg(value float8, recent boolean) (
	SFUNC = finops.ks_accum,
	STYPE = bytea,
	FINALFUNC = finops.ks_final,
	COMBINEFUNC = finops.ks_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE finops.ks_agg(float8, boolean) IS 'Kolmogorov-Smirnov distance of the recent rows from the others, judged at 5 percent; rows with a NULL do not count, NaN is above all; keeps all values';

CREATE FUNCTION finops.ks_test(reference float8[], recent float8[], alpha float8 DEFAULT 0.05)
RETURNS finops.drift_verdict
AS 'MODULE_PATHNAME', 'finops_ks_test'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10000;
COMMENT ON FUNCTION finops.ks_test(float8[], float8[], float8) IS 'two-sample Kolmogorov-Smirnov test: exact up to 4 million pairs of values, the limit distribution beyond; alpha: share of false alarms';

CREATE FUNCTION finops.quantile_bounds(sample float8[], bins integer DEFAULT 10)
RETURNS float8[]
AS 'MODULE_PATHNAME', 'finops_quantile_bounds'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION finops.quantile_bounds(float8[], integer) IS 'bounds that cut a sample into bins of about equal size, equal ones once; NULL for an empty one';

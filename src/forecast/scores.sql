-- room forecast: scores of forecasts with scales, quantiles and intervals

CREATE FUNCTION finops.mase_scale(series float8[], season_length integer DEFAULT 1)
RETURNS float8
AS 'MODULE_PATHNAME', 'finops_mase_scale'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.mase_scale(float8[], integer) IS 'mean absolute error of seasonal naive within a training series; NULL when it is 0';

CREATE FUNCTION finops.rmsse_scale(series float8[], season_length integer DEFAULT 1)
RETURNS float8
AS 'MODULE_PATHNAME', 'finops_rmsse_scale'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.rmsse_scale(float8[], integer) IS 'root mean squared error of seasonal naive within a training series; NULL when it is 0';

CREATE FUNCTION finops.score_combine(float8[], float8[])
RETURNS float8[]
AS 'MODULE_PATHNAME', 'finops_score_combine'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.score_combine(float8[], float8[]) IS 'adds two states of a score';
REVOKE ALL ON FUNCTION finops.score_combine(float8[], float8[]) FROM PUBLIC;

CREATE FUNCTION finops.score_mean(float8[])
RETURNS float8
AS 'MODULE_PATHNAME', 'finops_score_mean'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.score_mean(float8[]) IS 'final step: the mean score';
REVOKE ALL ON FUNCTION finops.score_mean(float8[]) FROM PUBLIC;

CREATE FUNCTION finops.score_root(float8[])
RETURNS float8
AS 'MODULE_PATHNAME', 'finops_score_root'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.score_root(float8[]) IS 'final step: the root of the mean score';
REVOKE ALL ON FUNCTION finops.score_root(float8[]) FROM PUBLIC;

CREATE FUNCTION finops.score_mase(float8[], float8, float8, float8)
RETURNS float8[]
AS 'MODULE_PATHNAME', 'finops_score_mase'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.score_mase(float8[], float8, float8, float8) IS 'transition of finops.mase';
REVOKE ALL ON FUNCTION finops.score_mase(float8[], float8, float8, float8) FROM PUBLIC;

CREATE AGGREGATE finops.mase(actual float8, predicted float8, scale float8) (
	SFUNC = finops.score_mase,
	STYPE = float8[],
	FINALFUNC = finops.score_mean,
	COMBINEFUNC = finops.score_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE finops.mase(float8, float8, float8) IS 'mean absolute error in units of scale (finops.mase_scale of the training series); rows with a NULL or scale 0 are skipped';

CREATE FUNCTION finops.score_rmsse(float8[], float8, float8, float8)
RETURNS float8[]
AS 'MODULE_PATHNAME', 'finops_score_rmsse'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.score_rmsse(float8[], float8, float8, float8) IS 'transition of finops.rmsse';
REVOKE ALL ON FUNCTION finops.score_rmsse(float8[], float8, float8, float8) FROM PUBLIC;

CREATE AGGREGATE finops.rmsse(actual float8, predicted float8, scale float8) (
	SFUNC = finops.score_rmsse,
	STYPE = float8[],
	FINALFUNC = finops.score_root,
	COMBINEFUNC = finops.score_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE finops.rmsse(float8, float8, float8) IS 'root mean squared error in units of scale (finops.rmsse_scale of the training series)';

CREATE FUNCTION finops.score_pinball(float8[], float8, float8, float8)
RETURNS float8[]
AS 'MODULE_PATHNAME', 'finops_score_pinball'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.score_pinball(float8[], float8, float8, float8) IS 'transition of finops.pinball';
REVOKE ALL ON FUNCTION finops.score_pinball(float8[], float8, float8, float8) FROM PUBLIC;

CREATE AGGREGATE finops.pinball(actual float8, predicted float8, quantile float8) (
	SFUNC = finops.score_pinball,
	STYPE = float8[],
	FINALFUNC = finops.score_mean,
	COMBINEFUNC = finops.score_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE finops.pinball(float8, float8, float8) IS 'mean pinball loss of a predicted quantile (0..1)';

CREATE FUNCTION finops.score_crps_normal(float8[], float8, float8, float8)
RETURNS float8[]
AS 'MODULE_PATHNAME', 'finops_score_crps_normal'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.score_crps_normal(float8[], float8, float8, float8) IS 'transition of finops.crps';
REVOKE ALL ON FUNCTION finops.score_crps_normal(float8[], float8, float8, float8) FROM PUBLIC;

CREATE AGGREGATE finops.crps(actual float8, mean float8, stddev float8) (
	SFUNC = finops.score_crps_normal,
	STYPE = float8[],
	FINALFUNC = finops.score_mean,
	COMBINEFUNC = finops.score_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE finops.crps(float8, float8, float8) IS 'mean continuous ranked probability score of normal forecasts, in the unit of the values';

CREATE FUNCTION finops.score_crps_sample(float8[], float8, float8[])
RETURNS float8[]
AS 'MODULE_PATHNAME', 'finops_score_crps_sample'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.score_crps_sample(float8[], float8, float8[]) IS 'transition of finops.crps';
REVOKE ALL ON FUNCTION finops.score_crps_sample(float8[], float8, float8[]) FROM PUBLIC;

CREATE AGGREGATE finops.crps(actual float8, sample float8[]) (
	SFUNC = finops.score_crps_sample,
	STYPE = float8[],
	FINALFUNC = finops.score_mean,
	COMBINEFUNC = finops.score_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE finops.crps(float8, float8[]) IS 'mean continuous ranked probability score of forecasts given as simulated values';

CREATE FUNCTION finops.score_msis(float8[], float8, float8, float8, float8, float8)
RETURNS float8[]
AS 'MODULE_PATHNAME', 'finops_score_msis'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.score_msis(float8[], float8, float8, float8, float8, float8) IS 'transition of finops.msis';
REVOKE ALL ON FUNCTION finops.score_msis(float8[], float8, float8, float8, float8, float8) FROM PUBLIC;

CREATE AGGREGATE finops.msis(actual float8, lower float8, upper float8, scale float8, level float8) (
	SFUNC = finops.score_msis,
	STYPE = float8[],
	FINALFUNC = finops.score_mean,
	COMBINEFUNC = finops.score_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE finops.msis(float8, float8, float8, float8, float8) IS 'mean scaled interval score of intervals of a level (percent); scale as for mase';

CREATE FUNCTION finops.score_coverage(float8[], float8, float8, float8)
RETURNS float8[]
AS 'MODULE_PATHNAME', 'finops_score_coverage'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.score_coverage(float8[], float8, float8, float8) IS 'transition of finops.coverage';
REVOKE ALL ON FUNCTION finops.score_coverage(float8[], float8, float8, float8) FROM PUBLIC;

CREATE AGGREGATE finops.coverage(actual float8, lower float8, upper float8) (
	SFUNC = finops.score_coverage,
	STYPE = float8[],
	FINALFUNC = finops.score_mean,
	COMBINEFUNC = finops.score_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE finops.coverage(float8, float8, float8) IS 'share (0..1) of actual values within their interval, bounds included';

-- room forecast: the life of a model

CREATE TABLE forecast.model_source (
	model_name text NOT NULL,
	source text NOT NULL,
	ts_column text NOT NULL,
	value_column text NOT NULL,
	options jsonb,
	registered_by text NOT NULL,
	search_path text NOT NULL,
	registered_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	CONSTRAINT model_source_pkey PRIMARY KEY (model_name)
);
COMMENT ON TABLE forecast.model_source IS 'where the series of a model is read from';
COMMENT ON COLUMN forecast.model_source.source IS 'relation or SELECT, read as registered_by';
COMMENT ON COLUMN forecast.model_source.options IS 'options of finops.train_model, for training again';
COMMENT ON COLUMN forecast.model_source.search_path IS 'in which the names of the source are meant';

CREATE TABLE forecast.prediction (
	model_id uuid NOT NULL,
	model_name text NOT NULL,
	model_version text NOT NULL,
	origin_at timestamp NOT NULL,
	step integer NOT NULL,
	target_at timestamp NOT NULL,
	mean float8 NOT NULL,
	lower_80 float8,
	upper_80 float8,
	lower_95 float8,
	upper_95 float8,
	actual float8,
	made_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	CONSTRAINT prediction_pkey PRIMARY KEY (model_id, origin_at, step),
	CONSTRAINT prediction_model_id_fkey FOREIGN KEY (model_id) REFERENCES @extschema@.tbl_ml_model_registry (model_id)
);
CREATE INDEX prediction_target_idx ON forecast.prediction (model_name, target_at);
COMMENT ON TABLE forecast.prediction IS 'forecasts of registered models, with what came';
COMMENT ON COLUMN forecast.prediction.origin_at IS 'start of the first bucket that was forecast';
COMMENT ON COLUMN forecast.prediction.actual IS 'written by finops.score_predictions, NULL until the bucket is complete';

-- the confidence of a forecast: how narrow its interval is beside its mean
CREATE VIEW @extschema@.vw_ml_real_time_features AS
SELECT p.prediction_id, p.model_name, p.confidence_score, p.predicted, p.actual, p.prediction_timestamp
FROM finops.prediction_log p
UNION ALL
SELECT NULL, f.model_name,
	CASE WHEN f.mean OPERATOR(pg_catalog.<>) 0 THEN GREATEST(0, 1::float8 OPERATOR(pg_catalog.-) ((f.upper_80 OPERATOR(pg_catalog.-) f.lower_80)
		OPERATOR(pg_catalog./) (2::float8 OPERATOR(pg_catalog.*) pg_catalog.abs(f.mean))))
		WHEN f.upper_80 IS NOT NULL THEN 0 END,
	f.mean::numeric, f.actual::numeric, f.made_at
FROM forecast.prediction f;
COMMENT ON VIEW @extschema@.vw_ml_real_time_features IS 'predictions with their confidence: forecasts of registered models, and what other systems write into finops.prediction_log; confidence of a forecast is 1 less half its 80 % interval in proportion to its mean, at least 0';
REVOKE ALL ON @extschema@.vw_ml_real_time_features FROM PUBLIC;

CREATE FUNCTION finops.train_model(model_name text, source text DEFAULT NULL, ts text DEFAULT NULL, value text DEFAULT NULL, options jsonb DEFAULT NULL)
RETURNS TABLE (model_id uuid, model_version text, status text, model text, window_size integer, rmse float8, mape float8,
	mase float8, rmse_ratio float8, candidates integer, run_id uuid)
AS 'MODULE_PATHNAME', 'finops_train_model'
LANGUAGE C VOLATILE COST 1000000 ROWS 1;
COMMENT ON FUNCTION finops.train_model(text, text, text, text, jsonb) IS 'searches the best model of a grid by backtest, registers it as a new version and forecasts with it; source NULL: as registered';
REVOKE ALL ON FUNCTION finops.train_model(text, text, text, text, jsonb) FROM PUBLIC;

CREATE FUNCTION finops.activate_model(model_name text, version text)
RETURNS text
AS 'MODULE_PATHNAME', 'finops_activate_model'
LANGUAGE C VOLATILE;
COMMENT ON FUNCTION finops.activate_model(text, text) IS 'makes a version the active one; returns the one before';
REVOKE ALL ON FUNCTION finops.activate_model(text, text) FROM PUBLIC;

CREATE FUNCTION finops.rollback_model(model_name text)
RETURNS text
AS 'MODULE_PATHNAME', 'finops_rollback_model'
LANGUAGE C VOLATILE;
COMMENT ON FUNCTION finops.rollback_model(text) IS 'makes the version that was active before the active one again; returns it';
REVOKE ALL ON FUNCTION finops.rollback_model(text) FROM PUBLIC;

CREATE FUNCTION finops.predict(model_name text, horizon integer DEFAULT NULL)
RETURNS TABLE (model_version text, step integer, target_at timestamp, mean float8, lower_80 float8, upper_80 float8, lower_95 float8, upper_95 float8)
AS 'MODULE_PATHNAME', 'finops_predict'
LANGUAGE C VOLATILE COST 100000 ROWS 12;
COMMENT ON FUNCTION finops.predict(text, integer) IS 'forecasts of the active version from the end of its series, stored in forecast.prediction';
REVOKE ALL ON FUNCTION finops.predict(text, integer) FROM PUBLIC;

CREATE FUNCTION finops.score_predictions(model_name text)
RETURNS bigint
AS 'MODULE_PATHNAME', 'finops_score_predictions'
LANGUAGE C VOLATILE COST 100000;
COMMENT ON FUNCTION finops.score_predictions(text) IS 'puts actual values beside stored forecasts; returns how many are new or restated';
REVOKE ALL ON FUNCTION finops.score_predictions(text) FROM PUBLIC;

CREATE VIEW forecast.accuracy AS
SELECT p.model_name, p.model_version, pg_catalog.date_trunc('month', p.target_at)::date AS month,
	pg_catalog.count(*) AS forecasts, finops.rmse(p.actual, p.mean) AS rmse, finops.mae(p.actual, p.mean) AS mae,
	finops.mape(p.actual, p.mean) AS mape, finops.wape(p.actual, p.mean) AS wape, finops.bias(p.actual, p.mean) AS bias,
	finops.coverage(p.actual, p.lower_80, p.upper_80) AS coverage_80,
	finops.coverage(p.actual, p.lower_95, p.upper_95) AS coverage_95
FROM forecast.prediction p
WHERE p.actual IS NOT NULL
GROUP BY p.model_name, p.model_version, pg_catalog.date_trunc('month', p.target_at)::date;
COMMENT ON VIEW forecast.accuracy IS 'errors of stored forecasts by month of what they were for';

CREATE VIEW forecast.outlier AS
SELECT o.model_name, o.model_version, o.target_at, o.step, o.actual, o.mean, o.z, o.deviation_pct,
	CASE WHEN pg_catalog.abs(o.z) OPERATOR(pg_catalog.>) 3 OR pg_catalog.abs(o.deviation_pct) OPERATOR(pg_catalog.>) 50 THEN 'high' ELSE 'medium' END AS severity
FROM (
	SELECT DISTINCT ON (p.model_name, p.target_at) p.model_name, p.model_version, p.target_at, p.step, p.actual, p.mean,
		(p.actual OPERATOR(pg_catalog.-) p.mean) OPERATOR(pg_catalog.*) 2.5631031310892007::float8
			OPERATOR(pg_catalog./) NULLIF(p.upper_80 OPERATOR(pg_catalog.-) p.lower_80, 0) AS z,
		(p.actual OPERATOR(pg_catalog.-) p.mean) OPERATOR(pg_catalog.*) 100 OPERATOR(pg_catalog./) NULLIF(pg_catalog.abs(p.mean), 0) AS deviation_pct
	FROM forecast.prediction p
	WHERE p.actual IS NOT NULL
	ORDER BY p.model_name, p.target_at, p.step, p.made_at DESC
) AS o
WHERE pg_catalog.abs(o.z) OPERATOR(pg_catalog.>) 2.5 OR pg_catalog.abs(o.deviation_pct) OPERATOR(pg_catalog.>) 20;
COMMENT ON VIEW forecast.outlier IS 'actual values far from their newest forecast: more than 2.5 deviations (high: 3) or 20 percent (high: 50)';

-- drift

CREATE FUNCTION finops.drift_statistics(errors float8[], options jsonb DEFAULT NULL)
RETURNS TABLE (observations integer, cusum float8, cusum_alarm_at integer, page_hinkley float8, page_hinkley_alarm_at integer, tracking_signal float8)
AS 'MODULE_PATHNAME', 'finops_drift_statistics'
LANGUAGE C IMMUTABLE PARALLEL SAFE ROWS 1;
COMMENT ON FUNCTION finops.drift_statistics(float8[], jsonb) IS 'CUSUM, Page-Hinkley and tracking signal of errors in units of their expected deviation, oldest first';

CREATE FUNCTION finops.coverage_bound(n integer, level float8 DEFAULT 80, alpha float8 DEFAULT 0.01)
RETURNS integer
AS 'MODULE_PATHNAME', 'finops_coverage_bound'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.coverage_bound(integer, float8, float8) IS 'the fewest of n actual values within intervals of a level (percent) that chance explains with probability alpha';

CREATE FUNCTION finops.psi(reference float8[], recent float8[], bins integer DEFAULT 10)
RETURNS float8
AS 'MODULE_PATHNAME', 'finops_psi'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.psi(float8[], float8[], integer) IS 'population stability index over quantiles of the reference; NULL where one is empty';

CREATE FUNCTION finops.ks_statistic(reference float8[], recent float8[])
RETURNS float8
AS 'MODULE_PATHNAME', 'finops_ks_statistic'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.ks_statistic(float8[], float8[]) IS 'two-sample Kolmogorov-Smirnov distance, 0..1; NULL where one is empty';

CREATE FUNCTION finops.model_drift(model_name text DEFAULT NULL, options jsonb DEFAULT NULL)
RETURNS TABLE (model_of text, model_version text, observations integer, cusum float8, page_hinkley float8, tracking_signal float8,
	inside_80 integer, coverage_bound integer, rmse_ratio float8, periods_over integer, drifted boolean, reasons text)
AS 'MODULE_PATHNAME', 'finops_model_drift'
LANGUAGE C VOLATILE ROWS 10;
COMMENT ON FUNCTION finops.model_drift(text, jsonb) IS 'drift of the active models by the errors of their stored forecasts; NULL: all models';
REVOKE ALL ON FUNCTION finops.model_drift(text, jsonb) FROM PUBLIC;

CREATE FUNCTION finops.check_forecasts(since date DEFAULT '-infinity')
RETURNS TABLE (alarm text, model_name text, severity text, dedup_key text, detail jsonb)
AS 'MODULE_PATHNAME', 'finops_check_forecasts'
LANGUAGE C VOLATILE ROWS 10;
COMMENT ON FUNCTION finops.check_forecasts(date) IS 'alarms forecast-outlier (for actual values since a day) and rmse-drift, each posted to the outbox once';
REVOKE ALL ON FUNCTION finops.check_forecasts(date) FROM PUBLIC;

CREATE FUNCTION finops.retrain_drifted()
RETURNS TABLE (model_of text, new_version text, error text)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	drifting record;
BEGIN
	FOR drifting IN SELECT d.model_of AS name FROM finops.model_drift() AS d WHERE d.drifted LOOP
		new_version := NULL;
		error := NULL;
		BEGIN
			SELECT t.model_version INTO new_version FROM finops.train_model(drifting.name) AS t;
		EXCEPTION WHEN OTHERS THEN
			error := SQLERRM;
		END;
		RETURN QUERY SELECT drifting.name, new_version, error;
	END LOOP;
END
$$;
COMMENT ON FUNCTION finops.retrain_drifted() IS 'trains the models that have drifted anew, from their registered source; what is wrong with one does not stop the others';
REVOKE ALL ON FUNCTION finops.retrain_drifted() FROM PUBLIC;

REVOKE ALL ON forecast.model_source, forecast.prediction, forecast.accuracy, forecast.outlier FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('forecast.model_source', '');
SELECT pg_catalog.pg_extension_config_dump('forecast.prediction', '');

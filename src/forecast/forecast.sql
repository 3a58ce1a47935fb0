-- room forecast: drivers, unit cost, runs and their backtests, model registry,
-- feature store and drift

-- drivers; columns stand in the order of a roadmap export with load_dt
-- appended, so that INSERT ... SELECT * from such a file fits

CREATE TABLE forecast.drivers (
	driver_code text NOT NULL,
	scenario text NOT NULL DEFAULT 'base',
	period_start date NOT NULL,
	value numeric NOT NULL,
	unit text,
	source_file text,
	environment text NOT NULL DEFAULT 'FinOps',
	load_dt date NOT NULL,
	CONSTRAINT drivers_pkey PRIMARY KEY (load_dt, driver_code, scenario, period_start),
	CONSTRAINT drivers_code_check CHECK (pg_catalog.btrim(driver_code) OPERATOR(pg_catalog.<>) ''),
	CONSTRAINT drivers_period_start_check CHECK (pg_catalog.date_part('day', period_start) OPERATOR(pg_catalog.=) 1),
	CONSTRAINT drivers_value_check CHECK (value OPERATOR(pg_catalog.>=) 0 AND value OPERATOR(pg_catalog.<) 'Infinity')
);
COMMENT ON TABLE forecast.drivers IS 'projected business drivers per month (users, requests, GB stored, CPU hours), one set per load date';
COMMENT ON COLUMN forecast.drivers.scenario IS 'base, or low, medium, high and others as the roadmap names them';
COMMENT ON COLUMN forecast.drivers.period_start IS 'first day of the projected month';
COMMENT ON COLUMN forecast.drivers.value IS 'projected quantity of the month in unit';
COMMENT ON COLUMN forecast.drivers.load_dt IS 'date of the driver file; a set is loaded, replaced and rolled back by it';

CREATE TABLE forecast.unit_kpi (
	kpi_date date NOT NULL,
	driver_code text NOT NULL,
	quantity numeric NOT NULL,
	unit_size numeric NOT NULL DEFAULT 1,
	CONSTRAINT unit_kpi_pkey PRIMARY KEY (kpi_date, driver_code),
	CONSTRAINT unit_kpi_quantity_check CHECK (quantity OPERATOR(pg_catalog.>=) 0 AND quantity OPERATOR(pg_catalog.<) 'Infinity'),
	CONSTRAINT unit_kpi_unit_size_check CHECK (unit_size OPERATOR(pg_catalog.>) 0 AND unit_size OPERATOR(pg_catalog.<) 'Infinity')
);
COMMENT ON TABLE forecast.unit_kpi IS 'measured business quantities, per day or per month';
COMMENT ON COLUMN forecast.unit_kpi.unit_size IS 'quantity that counts as one unit: 1000 gives the cost per 1,000 calls';

CREATE TABLE forecast.driver_scope (
	driver_code text NOT NULL,
	services text[],
	account_ids text[],
	tenant_ids text[],
	CONSTRAINT driver_scope_pkey PRIMARY KEY (driver_code)
);
COMMENT ON TABLE forecast.driver_scope IS 'the cost that a driver causes; a driver without a row is set against all cost';
COMMENT ON COLUMN forecast.driver_scope.services IS 'services as in fact_cost_raw.service; NULL: all';
COMMENT ON COLUMN forecast.driver_scope.account_ids IS 'usage accounts; NULL: all';
COMMENT ON COLUMN forecast.driver_scope.tenant_ids IS 'tenants; NULL: all';

-- runs

CREATE TABLE forecast.run (
	run_id uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid(),
	run_name text NOT NULL,
	machine_version text NOT NULL DEFAULT 'v1.3',
	as_of date NOT NULL,
	driver_load_dt date,
	horizon_months integer NOT NULL DEFAULT 12,
	model text,
	status text NOT NULL DEFAULT 'started',
	metrics jsonb,
	started_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	finished_at timestamptz,
	CONSTRAINT run_pkey PRIMARY KEY (run_id),
	CONSTRAINT run_horizon_months_check CHECK (horizon_months OPERATOR(pg_catalog.>) 0),
	CONSTRAINT run_status_check CHECK (status OPERATOR(pg_catalog.=) ANY (ARRAY['started', 'completed', 'warning', 'failed']))
);
COMMENT ON TABLE forecast.run IS 'forecast calculations; a unit cost calculation is named Reforecast_ and its UTC time';
COMMENT ON COLUMN forecast.run.status IS 'warning: completed, and the total left the run before by more than 3 percent';

CREATE TABLE @extschema@.unit_cost_forecast (
	run_id uuid NOT NULL,
	driver_code text NOT NULL,
	scenario text NOT NULL,
	month date NOT NULL,
	quantity numeric,
	unit_cost numeric,
	total_cost numeric,
	lower_usd numeric,
	upper_usd numeric,
	last_refresh timestamptz NOT NULL DEFAULT pg_catalog.now(),
	fixed_cost numeric,
	variable_cost numeric,
	CONSTRAINT unit_cost_forecast_pkey PRIMARY KEY (run_id, driver_code, scenario, month),
	CONSTRAINT unit_cost_forecast_run_id_fkey FOREIGN KEY (run_id) REFERENCES forecast.run (run_id)
);
COMMENT ON TABLE @extschema@.unit_cost_forecast IS 'projected cost per driver, scenario and month; the newest run has the greatest last_refresh';
COMMENT ON COLUMN @extschema@.unit_cost_forecast.quantity IS 'driver projection of the month';
COMMENT ON COLUMN @extschema@.unit_cost_forecast.unit_cost IS 'expected cost of one unit (unit_size of forecast.unit_kpi); an estimate';
COMMENT ON COLUMN @extschema@.unit_cost_forecast.fixed_cost IS 'part of total_cost that does not depend on the quantity; 0 where cost follows the quantity';
COMMENT ON COLUMN @extschema@.unit_cost_forecast.lower_usd IS 'lower end of the 80 percent interval of total_cost';
COMMENT ON COLUMN @extschema@.unit_cost_forecast.upper_usd IS 'upper end of the 80 percent interval of total_cost';

CREATE TABLE forecast.backtest (
	run_id uuid NOT NULL,
	fold integer NOT NULL,
	train_start date,
	train_end date,
	test_start date,
	test_end date,
	mse float8,
	rmse float8,
	mae float8,
	mape float8,
	r2 float8,
	directional_accuracy float8,
	bias float8,
	CONSTRAINT backtest_pkey PRIMARY KEY (run_id, fold),
	CONSTRAINT backtest_run_id_fkey FOREIGN KEY (run_id) REFERENCES forecast.run (run_id)
);
COMMENT ON TABLE forecast.backtest IS 'errors of a run by rolling origin, one row per fold';

-- models, features and predictions as machine learning runbooks read them

CREATE TABLE @extschema@.tbl_ml_model_registry (
	model_id uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid(),
	model_name text NOT NULL,
	model_type text,
	model_version text NOT NULL,
	status text NOT NULL DEFAULT 'TRAINING',
	accuracy_score float8,
	precision_score float8,
	recall_score float8,
	f1_score float8,
	performance_metrics jsonb,
	hyperparameters jsonb,
	drift_score float8,
	training_date timestamptz,
	deployment_date timestamptz,
	last_updated timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CONSTRAINT tbl_ml_model_registry_pkey PRIMARY KEY (model_id),
	CONSTRAINT tbl_ml_model_registry_name_key UNIQUE (model_name, model_version),
	CONSTRAINT tbl_ml_model_registry_status_check CHECK (status OPERATOR(pg_catalog.=) ANY (ARRAY['TRAINING', 'ACTIVE', 'DEPRECATED', 'FAILED']))
);
COMMENT ON TABLE @extschema@.tbl_ml_model_registry IS 'trained models with their scores; at most one version of a name should be ACTIVE';
COMMENT ON COLUMN @extschema@.tbl_ml_model_registry.accuracy_score IS 'of a classifier its accuracy, of a forecaster 1 - WAPE; 0..1';

CREATE TABLE @extschema@.tbl_ml_consolidated_feature_store (
	feature_id bigint GENERATED BY DEFAULT AS IDENTITY,
	feature_name text NOT NULL,
	entity_id text,
	feature_date date NOT NULL,
	feature_value float8,
	CONSTRAINT tbl_ml_consolidated_feature_store_pkey PRIMARY KEY (feature_id)
);
CREATE INDEX tbl_ml_consolidated_feature_store_date_idx ON @extschema@.tbl_ml_consolidated_feature_store (feature_date);
COMMENT ON TABLE @extschema@.tbl_ml_consolidated_feature_store IS 'feature values per entity and day';

CREATE TABLE finops.feature_drift (
	feature_name text NOT NULL,
	drift_score float8,
	threshold float8,
	evaluation_timestamp timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CONSTRAINT feature_drift_pkey PRIMARY KEY (feature_name, evaluation_timestamp)
);
COMMENT ON TABLE finops.feature_drift IS 'drift of a feature against its reference at a time; above threshold it has drifted';

CREATE TABLE finops.prediction_log (
	prediction_id bigint GENERATED BY DEFAULT AS IDENTITY,
	model_name text NOT NULL,
	confidence_score float8,
	predicted numeric,
	actual numeric,
	prediction_timestamp timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CONSTRAINT prediction_log_pkey PRIMARY KEY (prediction_id),
	CONSTRAINT prediction_log_confidence_score_check CHECK (confidence_score OPERATOR(pg_catalog.>=) 0 AND confidence_score OPERATOR(pg_catalog.<=) 1)
);
CREATE INDEX prediction_log_timestamp_idx ON finops.prediction_log (prediction_timestamp);
COMMENT ON TABLE finops.prediction_log IS 'predictions that were made, with the actual value once it is known';

CREATE VIEW @extschema@.vw_ml_feature_monitoring AS
SELECT d.feature_name, d.drift_score, d.threshold, d.evaluation_timestamp
FROM finops.feature_drift d;
COMMENT ON VIEW @extschema@.vw_ml_feature_monitoring IS 'drift of features';

-- unit cost

CREATE VIEW forecast.vw_unit_cost AS
WITH kpi AS (
	SELECT k.driver_code,
		pg_catalog.date_trunc('month', k.kpi_date::timestamp)::date AS month,
		pg_catalog.sum(k.quantity) AS quantity,
		pg_catalog.sum(k.quantity OPERATOR(pg_catalog./) k.unit_size) AS units
	FROM forecast.unit_kpi k
	GROUP BY 1, 2
), cost AS (
	SELECT k.driver_code, k.month, c.currency, pg_catalog.sum(c.effective_cost) AS total_cost
	FROM kpi k
		LEFT JOIN forecast.driver_scope s ON s.driver_code OPERATOR(pg_catalog.=) k.driver_code
		JOIN finops.cost_daily c ON c.billing_period OPERATOR(pg_catalog.=) k.month
	WHERE (s.services IS NULL OR c.service OPERATOR(pg_catalog.=) ANY (s.services))
		AND (s.account_ids IS NULL OR c.account_id OPERATOR(pg_catalog.=) ANY (s.account_ids))
		AND (s.tenant_ids IS NULL OR c.tenant_id OPERATOR(pg_catalog.=) ANY (s.tenant_ids))
	GROUP BY 1, 2, 3
)
SELECT k.driver_code, k.month, c.total_cost, k.quantity,
	c.total_cost OPERATOR(pg_catalog./) NULLIF(k.units, 0) AS unit_cost,
	c.currency, k.units
FROM kpi k
	LEFT JOIN cost c ON c.driver_code OPERATOR(pg_catalog.=) k.driver_code AND c.month OPERATOR(pg_catalog.=) k.month;
COMMENT ON VIEW forecast.vw_unit_cost IS 'effective cost of a month against a business quantity: what one unit (unit_size of forecast.unit_kpi) cost';
COMMENT ON COLUMN forecast.vw_unit_cost.total_cost IS 'effective cost of the driver''s scope; NULL when no cost is loaded for the month';
COMMENT ON COLUMN forecast.vw_unit_cost.units IS 'quantity in units (unit_size of forecast.unit_kpi)';
COMMENT ON COLUMN forecast.vw_unit_cost.unit_cost IS 'total_cost per unit; NULL when there was no quantity';

CREATE VIEW @extschema@.vw_unit_cost AS
SELECT u.driver_code, u.month, u.total_cost, u.quantity, u.unit_cost, u.currency
FROM forecast.vw_unit_cost u;
COMMENT ON VIEW @extschema@.vw_unit_cost IS 'forecast.vw_unit_cost under the name that runbooks use';

CREATE VIEW forecast.unit_cost_current AS
SELECT u.driver_code, u.scenario, u.month, u.quantity, u.unit_cost, u.total_cost, u.lower_usd, u.upper_usd,
	u.fixed_cost, u.variable_cost, r.driver_load_dt, r.as_of, u.last_refresh, u.run_id
FROM @extschema@.unit_cost_forecast u
	JOIN forecast.run r ON r.run_id OPERATOR(pg_catalog.=) u.run_id
WHERE u.last_refresh OPERATOR(pg_catalog.=) (SELECT pg_catalog.max(n.last_refresh) FROM @extschema@.unit_cost_forecast n);
COMMENT ON VIEW forecast.unit_cost_current IS 'unit_cost_forecast of the newest run, for dashboards';

-- forecasts of arrays

CREATE FUNCTION finops.forecast_support(internal)
RETURNS internal
AS 'MODULE_PATHNAME', 'finops_forecast_support'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION finops.forecast_support(internal) IS 'tells the planner that a forecast has as many rows as its horizon';
REVOKE ALL ON FUNCTION finops.forecast_support(internal) FROM PUBLIC;

CREATE FUNCTION finops.forecast(series float8[], horizon integer, season_length integer DEFAULT NULL,
	model text DEFAULT 'auto', levels float8[] DEFAULT '{80,95}', options jsonb DEFAULT NULL)
RETURNS TABLE (step integer, mean float8, lower float8[], upper float8[])
AS 'MODULE_PATHNAME', 'finops_forecast'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 20000 ROWS 12 SUPPORT finops.forecast_support;
COMMENT ON FUNCTION finops.forecast(float8[], integer, integer, text, float8[], jsonb) IS 'forecasts the next horizon values of a series, with an interval per level (percent); season_length NULL: found in the series; options: transformation, bounds, seasons, kind of interval, totals, regressors';

CREATE FUNCTION finops.fit_model(series float8[], season_length integer DEFAULT NULL, model text DEFAULT 'auto',
	options jsonb DEFAULT NULL)
RETURNS jsonb
AS 'MODULE_PATHNAME', 'finops_fit_model'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 20000;
COMMENT ON FUNCTION finops.fit_model(float8[], integer, text, jsonb) IS 'what a forecast of this series is made of: models with weights, parameters, criteria and errors';

CREATE FUNCTION finops.explain_forecast(series float8[], horizon integer, season_length integer DEFAULT NULL,
	model text DEFAULT 'auto', options jsonb DEFAULT NULL)
RETURNS TABLE (step integer, mean float8, level float8, trend float8, season float8, regressors float8, fees float8,
	shifts float8, seasons float8[])
AS 'MODULE_PATHNAME', 'finops_explain_forecast'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 20000 ROWS 12 SUPPORT finops.forecast_support;
COMMENT ON FUNCTION finops.explain_forecast(float8[], integer, integer, text, jsonb) IS 'means of finops.forecast as level + shifts + trend + season + regressors + monthly fees; seasons: the parts of season, the shortest first';

CREATE FUNCTION finops.backtest(series float8[], horizon integer, season_length integer DEFAULT NULL,
	model text DEFAULT 'auto', folds integer DEFAULT 5)
RETURNS TABLE (model_name text, fold integer, origin integer, steps integer, rmse float8, mae float8,
	mape float8, smape float8, wape float8, mase float8, bias float8, coverage_80 float8,
	coverage_95 float8, naive_rmse float8, skill float8)
AS 'MODULE_PATHNAME', 'finops_backtest'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 100000 ROWS 5;
COMMENT ON FUNCTION finops.backtest(float8[], integer, integer, text, integer) IS 'errors of forecasts made at earlier origins; origin = observations used; skill = 1 - rmse / rmse of seasonal naive';

-- forecast of cost

CREATE FUNCTION finops.cost_forecast(horizon_months integer DEFAULT 12, group_by text DEFAULT 'total',
	as_of date DEFAULT NULL, basis text DEFAULT NULL, options jsonb DEFAULT NULL)
RETURNS TABLE (key text, currency text, month date, cost_to_date float8, mean float8,
	lower_80 float8, upper_80 float8, lower_95 float8, upper_95 float8)
AS 'MODULE_PATHNAME', 'finops_cost_forecast'
LANGUAGE C VOLATILE COST 1000000 ROWS 12;
COMMENT ON FUNCTION finops.cost_forecast(integer, text, date, text, jsonb) IS 'cost of the coming months, the one in course first, in total or by provider, account, service, region or tenant; days before as_of are used; estimates';
REVOKE ALL ON FUNCTION finops.cost_forecast(integer, text, date, text, jsonb) FROM PUBLIC;

CREATE FUNCTION finops.explain_cost_forecast(horizon_months integer DEFAULT 12, group_by text DEFAULT 'total',
	as_of date DEFAULT NULL, basis text DEFAULT NULL, options jsonb DEFAULT NULL)
RETURNS TABLE (key text, currency text, month date, mean float8, usage_to_date float8, late float8, level float8,
	shifts float8, trend float8, season float8, holidays float8, fees float8, steps float8, tax float8, bookings float8,
	late_days integer, level_shifts integer, outliers integer)
AS 'MODULE_PATHNAME', 'finops_explain_cost_forecast'
LANGUAGE C VOLATILE COST 1000000 ROWS 12;
COMMENT ON FUNCTION finops.explain_cost_forecast(integer, text, date, text, jsonb) IS 'means of finops.cost_forecast as usage to date + late days + level + shifts + trend + season + holidays + fees + steps + tax + bookings; how many days and shifts were treated';
REVOKE ALL ON FUNCTION finops.explain_cost_forecast(integer, text, date, text, jsonb) FROM PUBLIC;

-- drivers and the forecast of unit cost

CREATE FUNCTION finops.load_drivers(source text, load_dt date DEFAULT NULL)
RETURNS TABLE (driver_load_dt date, status text, rows_loaded bigint, drivers bigint, months bigint)
AS 'MODULE_PATHNAME', 'finops_load_drivers'
LANGUAGE C VOLATILE ROWS 1;
COMMENT ON FUNCTION finops.load_drivers(text, date) IS 'loads a driver file (CSV or workbook, with a header) as the set of its load date, which is taken from the file name; replaces that set, or says unchanged';
REVOKE ALL ON FUNCTION finops.load_drivers(text, date) FROM PUBLIC;

CREATE FUNCTION finops.rollback_drivers(load_dt date)
RETURNS bigint
AS 'MODULE_PATHNAME', 'finops_rollback_drivers'
LANGUAGE C VOLATILE;
COMMENT ON FUNCTION finops.rollback_drivers(date) IS 'removes the drivers of a load date; returns how many rows';
REVOKE ALL ON FUNCTION finops.rollback_drivers(date) FROM PUBLIC;

CREATE FUNCTION finops.recalc_forecast(as_of date DEFAULT CURRENT_DATE, driver_load_dt date DEFAULT NULL)
RETURNS TABLE (run_id uuid, run_name text, drivers_of date, status text, forecast_rows bigint,
	total_cost numeric, previous_total numeric, variance_pct numeric, message text)
AS 'MODULE_PATHNAME', 'finops_recalc_forecast'
LANGUAGE C VOLATILE ROWS 1;
COMMENT ON FUNCTION finops.recalc_forecast(date, date) IS 'projects twelve months of cost per driver and scenario from the drivers of a load date (NULL: the latest up to as_of) and the cost per unit; compares with the run before';
REVOKE ALL ON FUNCTION finops.recalc_forecast(date, date) FROM PUBLIC;

-- error measures

CREATE FUNCTION finops.error_accum(float8[], float8, float8)
RETURNS float8[]
AS 'MODULE_PATHNAME', 'finops_error_accum'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.error_accum(float8[], float8, float8) IS 'transition of the error measures';
REVOKE ALL ON FUNCTION finops.error_accum(float8[], float8, float8) FROM PUBLIC;

CREATE FUNCTION finops.error_combine(float8[], float8[])
RETURNS float8[]
AS 'MODULE_PATHNAME', 'finops_error_combine'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.error_combine(float8[], float8[]) IS 'adds two states of the error measures';
REVOKE ALL ON FUNCTION finops.error_combine(float8[], float8[]) FROM PUBLIC;

CREATE FUNCTION finops.error_mse(float8[])
RETURNS float8
AS 'MODULE_PATHNAME', 'finops_error_mse'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.error_mse(float8[]) IS 'final step of finops.mse';
REVOKE ALL ON FUNCTION finops.error_mse(float8[]) FROM PUBLIC;

CREATE AGGREGATE finops.mse(actual float8, predicted float8) (
	SFUNC = finops.error_accum,
	STYPE = float8[],
	FINALFUNC = finops.error_mse,
	COMBINEFUNC = finops.error_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE finops.mse(float8, float8) IS 'mean squared error; pairs with a NULL are skipped; NULL without a pair';

CREATE FUNCTION finops.error_rmse(float8[])
RETURNS float8
AS 'MODULE_PATHNAME', 'finops_error_rmse'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.error_rmse(float8[]) IS 'final step of finops.rmse';
REVOKE ALL ON FUNCTION finops.error_rmse(float8[]) FROM PUBLIC;

CREATE AGGREGATE finops.rmse(actual float8, predicted float8) (
	SFUNC = finops.error_accum,
	STYPE = float8[],
	FINALFUNC = finops.error_rmse,
	COMBINEFUNC = finops.error_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE finops.rmse(float8, float8) IS 'root mean squared error';

CREATE FUNCTION finops.error_mae(float8[])
RETURNS float8
AS 'MODULE_PATHNAME', 'finops_error_mae'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.error_mae(float8[]) IS 'final step of finops.mae';
REVOKE ALL ON FUNCTION finops.error_mae(float8[]) FROM PUBLIC;

CREATE AGGREGATE finops.mae(actual float8, predicted float8) (
	SFUNC = finops.error_accum,
	STYPE = float8[],
	FINALFUNC = finops.error_mae,
	COMBINEFUNC = finops.error_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE finops.mae(float8, float8) IS 'mean absolute error';

CREATE FUNCTION finops.error_mape(float8[])
RETURNS float8
AS 'MODULE_PATHNAME', 'finops_error_mape'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.error_mape(float8[]) IS 'final step of finops.mape';
REVOKE ALL ON FUNCTION finops.error_mape(float8[]) FROM PUBLIC;

CREATE AGGREGATE finops.mape(actual float8, predicted float8) (
	SFUNC = finops.error_accum,
	STYPE = float8[],
	FINALFUNC = finops.error_mape,
	COMBINEFUNC = finops.error_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE finops.mape(float8, float8) IS 'mean absolute percentage error, in percent; pairs with actual = 0 are left out; NULL when none is left';

CREATE FUNCTION finops.error_smape(float8[])
RETURNS float8
AS 'MODULE_PATHNAME', 'finops_error_smape'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.error_smape(float8[]) IS 'final step of finops.smape';
REVOKE ALL ON FUNCTION finops.error_smape(float8[]) FROM PUBLIC;

CREATE AGGREGATE finops.smape(actual float8, predicted float8) (
	SFUNC = finops.error_accum,
	STYPE = float8[],
	FINALFUNC = finops.error_smape,
	COMBINEFUNC = finops.error_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE finops.smape(float8, float8) IS 'symmetric mean absolute percentage error, 0..200 percent; a pair of zeros counts 0';

CREATE FUNCTION finops.error_wape(float8[])
RETURNS float8
AS 'MODULE_PATHNAME', 'finops_error_wape'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.error_wape(float8[]) IS 'final step of finops.wape';
REVOKE ALL ON FUNCTION finops.error_wape(float8[]) FROM PUBLIC;

CREATE AGGREGATE finops.wape(actual float8, predicted float8) (
	SFUNC = finops.error_accum,
	STYPE = float8[],
	FINALFUNC = finops.error_wape,
	COMBINEFUNC = finops.error_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE finops.wape(float8, float8) IS 'sum of absolute errors in percent of the sum of absolute actuals; NULL when that is 0';

CREATE FUNCTION finops.error_r2(float8[])
RETURNS float8
AS 'MODULE_PATHNAME', 'finops_error_r2'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.error_r2(float8[]) IS 'final step of finops.r2';
REVOKE ALL ON FUNCTION finops.error_r2(float8[]) FROM PUBLIC;

CREATE AGGREGATE finops.r2(actual float8, predicted float8) (
	SFUNC = finops.error_accum,
	STYPE = float8[],
	FINALFUNC = finops.error_r2,
	COMBINEFUNC = finops.error_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE finops.r2(float8, float8) IS '1 - squared errors / squared deviations of the actuals; NULL when the actuals do not vary';

CREATE FUNCTION finops.error_bias(float8[])
RETURNS float8
AS 'MODULE_PATHNAME', 'finops_error_bias'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.error_bias(float8[]) IS 'final step of finops.bias';
REVOKE ALL ON FUNCTION finops.error_bias(float8[]) FROM PUBLIC;

CREATE AGGREGATE finops.bias(actual float8, predicted float8) (
	SFUNC = finops.error_accum,
	STYPE = float8[],
	FINALFUNC = finops.error_bias,
	COMBINEFUNC = finops.error_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE finops.bias(float8, float8) IS 'mean of predicted - actual';

CREATE FUNCTION finops.direction_accum(float8[], float8, float8)
RETURNS float8[]
AS 'MODULE_PATHNAME', 'finops_direction_accum'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.direction_accum(float8[], float8, float8) IS 'transition of finops.directional_accuracy';
REVOKE ALL ON FUNCTION finops.direction_accum(float8[], float8, float8) FROM PUBLIC;

CREATE FUNCTION finops.direction_final(float8[])
RETURNS float8
AS 'MODULE_PATHNAME', 'finops_direction_final'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.direction_final(float8[]) IS 'final step of finops.directional_accuracy';
REVOKE ALL ON FUNCTION finops.direction_final(float8[]) FROM PUBLIC;

CREATE AGGREGATE finops.directional_accuracy(actual float8, predicted float8) (
	SFUNC = finops.direction_accum,
	STYPE = float8[],
	FINALFUNC = finops.direction_final,
	PARALLEL = UNSAFE
);
COMMENT ON AGGREGATE finops.directional_accuracy(float8, float8) IS 'share (0..1) of steps in which actual and predicted move the same way; use it with ORDER BY; NULL with fewer than two pairs';

REVOKE ALL ON forecast.drivers, forecast.unit_kpi, forecast.driver_scope, forecast.run, forecast.backtest,
	@extschema@.unit_cost_forecast, @extschema@.tbl_ml_model_registry, @extschema@.tbl_ml_consolidated_feature_store,
	@extschema@.tbl_ml_consolidated_feature_store_feature_id_seq, finops.feature_drift,
	finops.prediction_log, finops.prediction_log_prediction_id_seq,
	forecast.vw_unit_cost, @extschema@.vw_unit_cost, forecast.unit_cost_current,
	@extschema@.vw_ml_feature_monitoring FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('forecast.drivers', '');
SELECT pg_catalog.pg_extension_config_dump('forecast.unit_kpi', '');
SELECT pg_catalog.pg_extension_config_dump('forecast.driver_scope', '');
SELECT pg_catalog.pg_extension_config_dump('forecast.run', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.unit_cost_forecast', '');
SELECT pg_catalog.pg_extension_config_dump('forecast.backtest', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.tbl_ml_model_registry', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.tbl_ml_consolidated_feature_store', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.tbl_ml_consolidated_feature_store_feature_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('finops.feature_drift', '');
SELECT pg_catalog.pg_extension_config_dump('finops.prediction_log', '');
SELECT pg_catalog.pg_extension_config_dump('finops.prediction_log_prediction_id_seq', '');

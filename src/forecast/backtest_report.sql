-- room forecast: backtests by horizon and the gate that models pass

CREATE FUNCTION finops.backtest_report(series float8[], horizons integer[], season_length integer DEFAULT NULL,
	models text[] DEFAULT '{auto,seasonal_naive}', folds integer DEFAULT 5, options jsonb DEFAULT NULL)
RETURNS TABLE (model text, horizon integer, forecasts bigint, rmse float8, mae float8, mape float8, smape float8,
	wape float8, mase float8, rmsse float8, pinball float8, crps float8, msis float8, coverage_80 float8,
	coverage_95 float8, bias float8, directional_accuracy float8, r2 float8, error text)
AS 'MODULE_PATHNAME', 'finops_backtest_report'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 200000 ROWS 10;
COMMENT ON FUNCTION finops.backtest_report(float8[], integer[], integer, text[], integer, jsonb) IS 'errors of forecasts made at earlier origins, per model and horizon; horizon NULL: over all steps up to the longest';

CREATE FUNCTION finops.quality_gate(series float8[], horizon integer, season_length integer DEFAULT NULL,
	model text DEFAULT 'auto', folds integer DEFAULT 5, max_rmse_ratio float8 DEFAULT 1.05,
	max_mape float8 DEFAULT NULL, max_nrmse float8 DEFAULT NULL, baseline text DEFAULT 'seasonal_naive')
RETURNS TABLE (gate text, value float8, threshold float8, passed boolean)
AS 'MODULE_PATHNAME', 'finops_quality_gate'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 200000 ROWS 3;
COMMENT ON FUNCTION finops.quality_gate(float8[], integer, integer, text, integer, float8, float8, float8, text) IS 'raises when a model''s backtest is worse than the gates: rmse in units of the baseline''s, mape in percent, rmse in units of the mean absolute actual';

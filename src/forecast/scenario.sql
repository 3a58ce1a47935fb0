-- room forecast: what if

CREATE FUNCTION finops.forecast_scenario(driver text, change numeric, scenario text DEFAULT 'base', run_id uuid DEFAULT NULL)
RETURNS TABLE (month date, quantity numeric, changed_quantity numeric, total_cost numeric, changed_cost numeric,
	difference numeric, fixed_cost numeric, variable_cost numeric)
AS 'MODULE_PATHNAME', 'finops_forecast_scenario'
LANGUAGE C VOLATILE ROWS 12;
COMMENT ON FUNCTION finops.forecast_scenario(text, numeric, text, uuid) IS 'cost of the forecast months with a driver changed by a ratio (0.2: a fifth more); the fixed part stays; run_id NULL: the newest run';
REVOKE ALL ON FUNCTION finops.forecast_scenario(text, numeric, text, uuid) FROM PUBLIC;

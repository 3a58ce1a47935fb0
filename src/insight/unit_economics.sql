-- room insight: what a unit costs, why that changed, and what is left of revenue

CREATE FUNCTION finops.unit_economics(period date, months integer DEFAULT 3)
RETURNS TABLE (driver_code text, currency text, total_cost numeric, quantity numeric, units numeric, unit_cost numeric, unit_cost_before numeric, change_pct numeric,
	cost_share_pct numeric, basis text, points integer, fixed_cost numeric, variable_unit_cost numeric, r2 float8, elasticity float8, reason text)
LANGUAGE c STABLE PARALLEL RESTRICTED COST 100000 ROWS 10
AS 'MODULE_PATHNAME', 'finops_unit_economics';
COMMENT ON FUNCTION finops.unit_economics(date, integer) IS 'effective cost per unit of every driver in a month, its share of all cost, and by a robust line through the days of the last months (through up to 24 months where quantities are monthly) what is fixed in a month and what one more unit costs, estimates; NULL with a reason where there is no quantity or no line';

CREATE FUNCTION finops.explain_unit_cost(driver_code text, from_period date, to_period date)
RETURNS TABLE (currency text, units_from numeric, units_to numeric, unit_cost_from numeric, unit_cost_to numeric, change numeric,
	volume_leverage numeric, rate numeric, intensity numeric, fixed_change numeric, marginal_cost numeric, reason text)
LANGUAGE c STABLE PARALLEL RESTRICTED COST 1000000 ROWS 1
AS 'MODULE_PATHNAME', 'finops_explain_unit_cost';
COMMENT ON FUNCTION finops.explain_unit_cost(text, date, date) IS 'why a unit of a driver costs more or less: change = volume_leverage (fixed cost spread over other volume) + rate (prices) + intensity (usage per unit) + fixed_change, to the last digit; marginal_cost: usage cost of one more unit at the prices before. NULL with a reason where a month has no quantity';

CREATE FUNCTION finops.tenant_margin(period date)
RETURNS TABLE (tenant_id text, currency text, revenue numeric, allocated_cost numeric, margin numeric, margin_pct numeric, reason text)
LANGUAGE c STABLE PARALLEL RESTRICTED COST 100000 ROWS 1000
AS 'MODULE_PATHNAME', 'finops_tenant_margin';
COMMENT ON FUNCTION finops.tenant_margin(date) IS 'per tenant and in the reporting currency: documents of the month without tax, less their credit notes, against allocated cost; NULL with a reason where there is no revenue or no exchange rate. The largest loss comes first';

REVOKE ALL ON FUNCTION finops.unit_economics(date, integer), finops.explain_unit_cost(text, date, date), finops.tenant_margin(date) FROM PUBLIC;

-- topic usage_upgrade: plans that tenants outgrow

CREATE FUNCTION finops.recommend_upgrades(period date)
RETURNS TABLE (tenant_id text, plan_code text, metric_code text, value numeric, cap_value numeric, utilization numeric, utilization_before numeric,
	recommended_plan text, price_difference numeric, currency text, next_call text)
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_recommend_upgrades';
COMMENT ON FUNCTION finops.recommend_upgrades(date) IS 'tenants whose usage reached 95 percent of a cap in this month and the one before, with the cheapest larger plan that would do, NULL where there is none; finops.refresh_usage posts one message of each (topic plan_upgrade)';
REVOKE ALL ON FUNCTION finops.recommend_upgrades(date) FROM PUBLIC;

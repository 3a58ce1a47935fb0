-- room insight: why cost has changed

CREATE FUNCTION finops.explain_change(from_period date, to_period date, dimensions text[] DEFAULT '{service}', filter jsonb DEFAULT NULL)
RETURNS TABLE (element text[], currency text, cost_from numeric, cost_to numeric, change numeric, rate numeric, list_price numeric, discount numeric,
	commitment numeric, volume numeric, mix numeric, new_cost numeric, gone_cost numeric, credits numeric, other numeric)
LANGUAGE c STABLE PARALLEL RESTRICTED COST 1000000 ROWS 50
AS 'MODULE_PATHNAME', 'finops_explain_change';
COMMENT ON FUNCTION finops.explain_change(date, date, text[], jsonb) IS 'effective cost of two months by dimensions (provider, account, service, region, tenant, usage_type, operation, instance_type, resource, charge_category, total, tag:key): change = rate + volume + mix + new_cost + gone_cost + credits + other and rate = list_price + discount + commitment, to the last digit';

CREATE FUNCTION finops.change_causes(from_period date, to_period date, filter jsonb DEFAULT NULL)
RETURNS TABLE (rank integer, dimension text, element text, cost_from numeric, cost_to numeric, change numeric, contribution_pct numeric, surprise float8)
LANGUAGE c STABLE PARALLEL RESTRICTED COST 1000000 ROWS 20
AS 'MODULE_PATHNAME', 'finops_change_causes';
COMMENT ON FUNCTION finops.change_causes(date, date, jsonb) IS 'which elements of which dimension a change of effective cost comes from, the most surprising of the dimensions that explain two thirds first (Adtributor, NSDI 2014); where an element of another dimension within the first has its change, the pair of both comes before, as dimension "service, region"';

REVOKE ALL ON FUNCTION finops.explain_change(date, date, text[], jsonb), finops.change_causes(date, date, jsonb) FROM PUBLIC;

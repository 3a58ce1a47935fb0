-- room forecast: forecasts of a hierarchy that add up

CREATE FUNCTION finops.reconcile_hierarchy(source text, path text DEFAULT 'path', value text DEFAULT 'mean',
	step text DEFAULT NULL, residuals text DEFAULT NULL, method text DEFAULT NULL, nonnegative boolean DEFAULT false)
RETURNS TABLE (node text[], at_step integer, base float8, reconciled float8)
AS 'MODULE_PATHNAME', 'finops_reconcile_hierarchy'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 100000 ROWS 1000;
COMMENT ON FUNCTION finops.reconcile_hierarchy(text, text, text, text, text, text, boolean) IS 'makes forecasts of the nodes of a tree add up: bottom_up, top_down, ols, structural, variance, shrink (minimum trace); every path is text[], the total is {}';

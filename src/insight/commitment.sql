-- room insight: what commitments cover, waste and save

CREATE FUNCTION finops.commitment_coverage(period date)
RETURNS TABLE (provider text, currency text, ondemand_equivalent numeric, covered numeric, on_demand numeric, fee numeric, used numeric, unused numeric, savings numeric,
	lines_without_price bigint, coverage numeric, utilisation numeric, discount numeric, break_even_utilisation numeric, effective_savings_rate numeric)
LANGUAGE c STABLE PARALLEL RESTRICTED COST 1000000 ROWS 5
AS 'MODULE_PATHNAME', 'finops_commitment_coverage';
COMMENT ON FUNCTION finops.commitment_coverage(date) IS 'what the commitments of a billing period cover, waste and save, by provider and currency; every ratio is one of totals, and unused commitment counts';

-- what it shows are sums over all accounts
REVOKE ALL ON FUNCTION finops.commitment_coverage(date) FROM PUBLIC;

CREATE FUNCTION finops.apply_commitments(usage text, commitments text, rates text, options jsonb DEFAULT NULL)
RETURNS TABLE (commitment text, kind text, hourly numeric, units numeric, fee numeric, used numeric, unused numeric, covered numeric, savings numeric,
	on_demand numeric, remaining numeric, cost numeric, coverage numeric, utilisation numeric, discount numeric, effective_savings_rate numeric,
	break_even_utilisation numeric, greedy_cost numeric)
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 10
AS 'MODULE_PATHNAME', 'finops_apply_commitments';
COMMENT ON FUNCTION finops.apply_commitments(text, text, text, jsonb) IS 'reservations and savings plans applied to hourly usage in the provider''s order, from relations or queries read with the caller''s rights; the amount of a plan whose hourly is NULL is searched for. A row each, and one for all';

-- room bill: generated bills

CREATE FUNCTION finops.generate_bill(billing_period date, line_items bigint DEFAULT 100000, tenants integer DEFAULT 50, seed bigint DEFAULT 1)
RETURNS TABLE (run_id bigint, delivery_id bigint, billing_period date, status text, rows_loaded bigint, rows_rejected bigint, billed_cost numeric, effective_cost numeric)
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 1
AS 'MODULE_PATHNAME', 'finops_generate_bill';
COMMENT ON FUNCTION finops.generate_bill(date, bigint, integer, bigint) IS 'loads a generated bill, for demo, tests and benchmarks: the same arguments give the same bill, the same seed the same estate in every month';

-- it writes facts
REVOKE ALL ON FUNCTION finops.generate_bill(date, bigint, integer, bigint) FROM PUBLIC;

CREATE FUNCTION finops.generated_bill_lines(billing_period date, line_items bigint DEFAULT 100000, tenants integer DEFAULT 50, seed bigint DEFAULT 1)
RETURNS SETOF text
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 1000 ROWS 100000
AS 'MODULE_PATHNAME', 'finops_generated_bill_lines';
COMMENT ON FUNCTION finops.generated_bill_lines(date, bigint, integer, bigint) IS 'the text of a generated bill as CUR 2.0 CSV, header first, one row per line; the same arguments give the same text everywhere';


-- room bill: what commitments cost and what was used of them; what bills have that they did not have before

CREATE FUNCTION finops.commitment_identity(period date)
RETURNS TABLE (source text, provider text, commitment_discount_id text, commitment_discount_type text, currency text,
	fee numeric, used numeric, unused numeric, difference numeric, tolerance numeric, line_items bigint, status text)
LANGUAGE c STABLE PARALLEL RESTRICTED COST 1000000 ROWS 20
AS 'MODULE_PATHNAME', 'finops_commitment_identity';
COMMENT ON FUNCTION finops.commitment_identity(date) IS 'for each reservation and savings plan of a billing period: its fee (recurring and amortised upfront) = cost used + cost unused; ok within the provider''s rounding';

-- what it shows are sums over all accounts
REVOKE ALL ON FUNCTION finops.commitment_identity(date) FROM PUBLIC;

CREATE VIEW finops.schema_drift AS
WITH delivered AS (
	SELECT l.log_id, l.delivery_id, l.source, l.format, l.period_start, l.started_at,
		pg_catalog.lag(l.log_id) OVER (PARTITION BY l.source, l.format ORDER BY l.log_id) AS previous_log_id,
		l.detail OPERATOR(pg_catalog.->) 'column_names' AS names,
		l.detail OPERATOR(pg_catalog.->) 'unknown_columns' AS unknown
	FROM @extschema@.cur_ingestion_log l
	WHERE l.detail OPERATOR(pg_catalog.?) 'column_names'
)
SELECT d.delivery_id, d.source, d.format, d.period_start AS billing_period, c.change, c.column_name,
	NOT d.unknown OPERATOR(pg_catalog.?) c.column_name AND NOT p.unknown OPERATOR(pg_catalog.?) c.column_name AS known,
	d.started_at AS loaded_at
FROM delivered d
JOIN delivered p ON p.log_id OPERATOR(pg_catalog.=) d.previous_log_id
CROSS JOIN LATERAL (
	SELECT 'appeared', n.name FROM pg_catalog.jsonb_array_elements_text(d.names) AS n(name) WHERE NOT p.names OPERATOR(pg_catalog.?) n.name
	UNION ALL
	SELECT 'disappeared', n.name FROM pg_catalog.jsonb_array_elements_text(p.names) AS n(name) WHERE NOT d.names OPERATOR(pg_catalog.?) n.name
) AS c(change, column_name)
WHERE p.names OPERATOR(pg_catalog.<>) d.names;
COMMENT ON VIEW finops.schema_drift IS 'columns that a bill has or lacks against the load of the same source and format before it';
COMMENT ON COLUMN finops.schema_drift.change IS 'appeared or disappeared';
COMMENT ON COLUMN finops.schema_drift.known IS 'false: the format does not know the column';
REVOKE ALL ON finops.schema_drift FROM PUBLIC;

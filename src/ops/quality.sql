-- room ops: rules of data quality, and their results

CREATE TABLE finops.quality_rule (
	rule_name text NOT NULL,
	relation text NOT NULL,
	kind text NOT NULL,
	columns text[] NOT NULL DEFAULT '{}',
	threshold numeric,
	lower text,
	upper text,
	reference_relation text,
	reference_columns text[],
	filter text,
	least_effect float8 NOT NULL DEFAULT 0.1,
	severity text NOT NULL DEFAULT 'warning',
	enabled boolean NOT NULL DEFAULT true,
	description text,
	CONSTRAINT quality_rule_pkey PRIMARY KEY (rule_name),
	CONSTRAINT quality_rule_rule_name_check CHECK (pg_catalog.btrim(rule_name) OPERATOR(pg_catalog.<>) ''),
	CONSTRAINT quality_rule_kind_check CHECK (kind OPERATOR(pg_catalog.=) ANY (ARRAY['null_ratio', 'unique', 'referential', 'range', 'distribution', 'volume', 'freshness', 'schema'])),
	CONSTRAINT quality_rule_columns_check CHECK (pg_catalog.array_position(columns, NULL) IS NULL AND CASE kind
		WHEN 'volume' THEN true WHEN 'schema' THEN true
		WHEN 'null_ratio' THEN pg_catalog.cardinality(columns) OPERATOR(pg_catalog.>) 0
		WHEN 'unique' THEN pg_catalog.cardinality(columns) OPERATOR(pg_catalog.>) 0
		WHEN 'referential' THEN pg_catalog.cardinality(columns) OPERATOR(pg_catalog.>) 0
		ELSE pg_catalog.cardinality(columns) OPERATOR(pg_catalog.=) 1 END),
	CONSTRAINT quality_rule_reference_check CHECK (kind OPERATOR(pg_catalog.<>) 'referential'
		OR reference_relation IS NOT NULL AND pg_catalog.cardinality(COALESCE(reference_columns, columns)) OPERATOR(pg_catalog.=) pg_catalog.cardinality(columns)),
	CONSTRAINT quality_rule_range_check CHECK (kind OPERATOR(pg_catalog.<>) 'range' OR lower IS NOT NULL OR upper IS NOT NULL),
	CONSTRAINT quality_rule_threshold_check CHECK (threshold OPERATOR(pg_catalog.>=) 0 AND threshold OPERATOR(pg_catalog.<) 'Infinity'),
	CONSTRAINT quality_rule_alpha_check CHECK (kind OPERATOR(pg_catalog.<>) 'distribution' OR threshold IS NULL
		OR threshold OPERATOR(pg_catalog.>) 0 AND threshold OPERATOR(pg_catalog.<) 1),
	CONSTRAINT quality_rule_severity_check CHECK (severity OPERATOR(pg_catalog.=) ANY (ARRAY['info', 'warning', 'critical']))
);
COMMENT ON TABLE finops.quality_rule IS 'what must be true of the data of a relation; run by finops.run_quality_rules with the rights of its caller';
COMMENT ON COLUMN finops.quality_rule.relation IS 'schema.relation; without a schema, the one of CREATE EXTENSION';
COMMENT ON COLUMN finops.quality_rule.kind IS 'null_ratio, unique, referential, range, distribution, volume, freshness or schema';
COMMENT ON COLUMN finops.quality_rule.threshold IS 'the largest value that passes: ratio of rows with a NULL (0), of values out of range (0), change of volume (0.5), rows that repeat a key or refer to nothing (0), minutes of age (1440), changed columns (0); for a distribution, the share of false alarms (0.01)';
COMMENT ON COLUMN finops.quality_rule.lower IS 'smallest value of a range, in the type of its column; smallest number of rows of a volume';
COMMENT ON COLUMN finops.quality_rule.reference_columns IS 'NULL: named as columns';
COMMENT ON COLUMN finops.quality_rule.filter IS 'an SQL condition on the rows that count; NULL: all';
COMMENT ON COLUMN finops.quality_rule.least_effect IS 'the least stability index of a distribution that matters, however certain it is';

CREATE TABLE finops.quality_baseline (
	rule_name text NOT NULL,
	taken_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	bounds float8[],
	counts bigint[],
	definition jsonb,
	CONSTRAINT quality_baseline_pkey PRIMARY KEY (rule_name)
);
COMMENT ON TABLE finops.quality_baseline IS 'what rules of distribution and schema compare with: what they saw first, or when it was accepted';
COMMENT ON COLUMN finops.quality_baseline.counts IS 'rows by bin, as finops.hist_agg counts them with these bounds';
COMMENT ON COLUMN finops.quality_baseline.definition IS 'type of each column';

CREATE VIEW finops.quality_result AS
SELECT DISTINCT ON (d.rule_name) d.rule_name, d.table_name, d.sla_type, d.severity, d.sla_result, d.sla_status, d.actual_value, d.threshold_value,
	d.row_count, d.unique_keys, d.null_keys, d.detail, d.evaluation_timestamp
FROM finops.dq_check d
WHERE d.rule_name IS NOT NULL
ORDER BY d.rule_name, d.evaluation_timestamp DESC, d.check_id DESC;
COMMENT ON VIEW finops.quality_result IS 'the newest result of each rule of data quality; vw_data_quality_sla has all of them';
COMMENT ON COLUMN finops.quality_result.threshold_value IS 'the largest value that passes; for a distribution, the limit at these sample sizes';
COMMENT ON COLUMN finops.quality_result.row_count IS 'rows that count';
COMMENT ON COLUMN finops.quality_result.unique_keys IS 'different keys; NULL for other kinds';
COMMENT ON COLUMN finops.quality_result.null_keys IS 'rows with a NULL in a column of the rule; NULL for other kinds';
COMMENT ON COLUMN finops.quality_result.sla_status IS 'OK, BROKEN, EMPTY (no rows), BASELINE (taken now), LEARNING (too few results) or ERROR (it could not be run)';

CREATE FUNCTION finops.run_quality_rules(rule_name text DEFAULT NULL)
RETURNS TABLE (rule text, result text, status text, actual numeric, threshold numeric, detail jsonb)
LANGUAGE c VOLATILE COST 1000000 ROWS 20
AS 'MODULE_PATHNAME', 'finops_run_quality_rules';
COMMENT ON FUNCTION finops.run_quality_rules(text) IS 'runs the rules of data quality that are enabled, or one, and writes finops.dq_check; one that cannot be run fails and stops no other';

CREATE FUNCTION finops.accept_baseline(rule_name text)
RETURNS boolean
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_accept_baseline';
COMMENT ON FUNCTION finops.accept_baseline(text) IS 'lets the next run of a rule take what it sees as its baseline; whether there was another one';

REVOKE ALL ON FUNCTION finops.run_quality_rules(text), finops.accept_baseline(text) FROM PUBLIC;
REVOKE ALL ON finops.quality_rule, finops.quality_baseline, finops.quality_result FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('finops.quality_rule', '');
SELECT pg_catalog.pg_extension_config_dump('finops.quality_baseline', '');

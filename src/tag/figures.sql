-- room tag: coverage figures, quarantine, export of the policy

CREATE FUNCTION finops.tag_policy_in_force(as_of date)
RETURNS TABLE (tag_key text, version text, required boolean, value_pattern text, allowed_values text[], severity text, enforced_for text[])
LANGUAGE sql STABLE STRICT PARALLEL SAFE ROWS 10
SET search_path = pg_catalog, finops, pg_temp
AS $$
	SELECT DISTINCT ON (p.tag_key) p.tag_key, p.version, p.required, p.value_pattern, p.allowed_values, p.severity, p.enforced_for
	FROM @extschema@.tag_policy p WHERE p.effective_from <= $1
	ORDER BY p.tag_key, p.shipped, p.effective_from DESC, p.version COLLATE "C" DESC
$$;
COMMENT ON FUNCTION finops.tag_policy_in_force(date) IS 'the tag policy on a day: per key the latest version in force, a row of the user before a shipped one';

CREATE FUNCTION finops.tag_coverage_figures(period date)
RETURNS TABLE (figure text, covered numeric, total numeric, pct numeric, delivered_pct numeric, currency text)
AS 'MODULE_PATHNAME', 'finops_tag_coverage_figures'
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 10000 ROWS 12;
COMMENT ON FUNCTION finops.tag_coverage_figures(date) IS 'how well a billing period is tagged: rows with tenant, rows with all required keys, resources, taggable cost, valid values; with virtual tags (pct) and as delivered (delivered_pct); tax, credits, adjustments, support and fees apart';
REVOKE ALL ON FUNCTION finops.tag_coverage_figures(date) FROM PUBLIC;

CREATE VIEW finops.tag_quarantine AS
SELECT l.period_start, l.service, l.resource_id, l.check_name, l.detail, l.line_items, l.currency, l.cost, l.run_id
FROM @extschema@.tag_validation_log l
WHERE l.quarantined;
COMMENT ON VIEW finops.tag_quarantine IS 'charges without a known owner as finops.validate_tags last found them; their cost waits in the unallocated pool until a tag, a virtual tag or an allocation rule places it';
REVOKE ALL ON finops.tag_quarantine FROM PUBLIC;

CREATE FUNCTION finops.export_tag_policy(format text DEFAULT 'tag_policy', as_of date DEFAULT CURRENT_DATE)
RETURNS SETOF jsonb
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE ROWS 1
SET search_path = pg_catalog, finops, pg_temp
AS $$
BEGIN
	IF format = 'tag_policy' THEN
		RETURN QUERY SELECT jsonb_build_object('tags', COALESCE(jsonb_object_agg(lower(p.tag_key),
				jsonb_build_object('tag_key', jsonb_build_object('@@assign', p.tag_key))
				|| CASE WHEN p.allowed_values IS NULL THEN '{}'::jsonb
					ELSE jsonb_build_object('tag_value', jsonb_build_object('@@assign', to_jsonb(p.allowed_values))) END
				|| CASE WHEN p.enforced_for IS NULL THEN '{}'::jsonb
					ELSE jsonb_build_object('enforced_for', jsonb_build_object('@@assign', to_jsonb(p.enforced_for))) END), '{}'))
			FROM finops.tag_policy_in_force(as_of) p;
	ELSIF format = 'config_rule' THEN
		RETURN QUERY SELECT jsonb_build_object('ConfigRuleName', 'required-tags' || CASE WHEN g.part = 0 THEN '' ELSE '-' || (g.part + 1) END,
				'Description', 'Resources carry the tags that the FinOps tag policy requires.',
				'Source', jsonb_build_object('Owner', 'AWS', 'SourceIdentifier', 'REQUIRED_TAGS'),
				'InputParameters', g.parameters::text)
			FROM (
				SELECT k.part, jsonb_object_agg(e.name, e.value) AS parameters
				FROM (
					SELECT (row_number() OVER (ORDER BY p.tag_key COLLATE "C") - 1) / 6 AS part,
						(row_number() OVER (ORDER BY p.tag_key COLLATE "C") - 1) % 6 + 1 AS place,
						p.tag_key, p.allowed_values
					FROM finops.tag_policy_in_force(as_of) p WHERE p.required
				) k
				CROSS JOIN LATERAL (VALUES (format('tag%sKey', k.place), k.tag_key),
					(format('tag%sValue', k.place), array_to_string(k.allowed_values, ','))) e(name, value)
				WHERE e.value IS NOT NULL
				GROUP BY k.part
			) g
			ORDER BY g.part;
	ELSE
		RAISE EXCEPTION 'unknown export format "%"', left(format, 64)
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Formats are tag_policy and config_rule.';
	END IF;
END
$$;
COMMENT ON FUNCTION finops.export_tag_policy(text, date) IS 'the tag policy in force as documents that AWS takes: tag_policy (AWS Organizations) or config_rule (AWS Config required-tags, six keys a rule)';

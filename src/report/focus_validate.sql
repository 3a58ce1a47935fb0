-- room report: checking a table against the rules of FOCUS

CREATE FUNCTION finops.focus_rules_of(version text, dataset text)
RETURNS TABLE (rule_id text, column_name text, requirement text, kind text, parameter text, condition text)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 600
SET search_path = pg_catalog, finops, pg_temp
AS $$
	SELECT CASE WHEN r.dataset <> 'CostAndUsage' OR $1 <> '1.2' THEN CASE r.dataset WHEN 'CostAndUsage' THEN 'CAU-' WHEN 'ContractCommitment' THEN 'CCT-' WHEN 'InvoiceDetail' THEN 'IND-' ELSE 'BIP-' END ELSE '' END
			|| r.entity || '-' || r.class || '-' || lpad(r.number::text, 3, '0') || '-' || r.suffix,
		CASE WHEN r.kind = 'present' THEN r.parameter WHEN r.class = 'C' THEN r.entity END,
		r.requirement,
		-- malformed in the model of 1.3 only
		CASE WHEN $1 = '1.3' AND r.entity = 'CapacityReservationStatus' AND r.number IN (3, 4) THEN 'defective' ELSE r.kind END,
		r.parameter, r.condition
	FROM finops.focus_rule r
	WHERE r.dataset = $2 AND $1 IN ('1.2', '1.3', '1.4') AND r.since <= $1 AND $1 <= COALESCE(r.until, $1)
$$;
COMMENT ON FUNCTION finops.focus_rules_of(text, text) IS 'the rules of one dataset in one version of FOCUS, with the ids of its requirements model';

CREATE FUNCTION finops.focus_condition_sql(condition text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT string_agg('(' || a.terms || ')', ' OR ')
	FROM regexp_split_to_table($1, ' or ') o(part)
	CROSS JOIN LATERAL (
		SELECT string_agg(CASE
				WHEN t.m[2] = '-' THEN format('%I IS NULL', t.m[1])
				WHEN t.m[2] = '!' THEN format('%I IS NOT NULL', t.m[1])
				WHEN t.m[2] = '<>' AND t.m[3] = '0' THEN format('%I IS DISTINCT FROM 0', '#' || t.m[1])
				WHEN t.m[2] = '<>' THEN format('%I::text IS DISTINCT FROM %L', t.m[1], t.m[3])
				ELSE format('%I::text = ANY (%L::text[])', t.m[1], string_to_array(t.m[3], '|'))
			END, ' AND ') AS terms
		FROM regexp_split_to_table(o.part, ' & ') i(term)
		CROSS JOIN LATERAL regexp_matches(i.term, '^(\w+)(-|!|<>|=)(.*)$') t(m)
	) a
$$;
COMMENT ON FUNCTION finops.focus_condition_sql(text) IS 'part of finops.validate_focus: the condition of a rule as SQL';

CREATE FUNCTION finops.focus_violation_sql(kind text, name text, parameter text, type text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE
		WHEN $1 = 'notnull' THEN format('%I IS NULL', $2)
		WHEN $1 = 'null' THEN format('%I IS NOT NULL', $2)
		WHEN $1 = 'in' THEN format('%I::text <> ALL (%L::text[])', $2, string_to_array($3, '|'))
		WHEN $1 IN ('eq', 'ne') AND $3 ~ '^[0-9.]+$' THEN format('%I %s %s', '#' || $2, CASE $1 WHEN 'eq' THEN '<>' ELSE '=' END, $3)
		WHEN $1 IN ('eq', 'ne') THEN format('%I::text %s %L', $2, CASE $1 WHEN 'eq' THEN '<>' ELSE '=' END, $3)
		WHEN $1 = 'ge' THEN format('%I < %s', '#' || $2, $3)
		WHEN $1 = 'fraction' THEN format('%1$I < 0 OR %1$I > 1', '#' || $2)
		WHEN $1 = 'same' THEN format('%I::text <> %I::text', $2, $3)
		WHEN $1 = 'notbefore' AND $4 = 'time' THEN format('%I < %I', $2, $3)
		WHEN $1 = 'notbefore' THEN format('%I::text COLLATE "C" < %I::text COLLATE "C"', $2, $3)
		WHEN $1 = 'product' THEN (SELECT format('abs(%1$I * %2$I - %3$I) > 1e-10 + 1e-6 * abs(%3$I)', '#' || m[1], '#' || m[2], '#' || m[3])
			FROM regexp_matches($3, '^(\w+)\*(\w+)=(\w+)$') m)
		WHEN $1 = 'subcategory' THEN format('%I::text NOT IN (SELECT s.service_subcategory FROM finops.focus_subcategory s)', $2)
		WHEN $1 = 'pair' THEN format('(%I::text, %I::text) NOT IN (SELECT s.service_category, s.service_subcategory FROM finops.focus_subcategory s)', $3, $2)
		WHEN $1 = 'elements' THEN format('jsonb_typeof(%1$I -> ''Elements'') IS DISTINCT FROM ''array'' AND %1$I IS NOT NULL'
			' OR jsonb_path_exists(%1$I, %2$L)', '@' || $2, format('lax $.Elements[*] ? (!exists(@.%s))', $3))
		-- types and formats: typed columns have them, but for values that are no numbers and no times
		WHEN $1 IN ('decimal', 'numeric') AND $4 = 'number' THEN format('%I::text = ANY (''{NaN,Infinity,-Infinity}''::text[])', $2)
		WHEN $1 IN ('datetime', 'timestamp') AND $4 = 'time' THEN format('NOT isfinite(%I)', $2)
		WHEN $1 = 'json' AND $4 = 'json' THEN format('jsonb_typeof(%I) <> ''object''', '@' || $2)
		WHEN $1 = 'keyvalue' AND $4 = 'json' THEN format('jsonb_typeof(%1$I) <> ''object'' OR jsonb_path_exists(%1$I, ''strict $.* ? (@.type() == "object" || @.type() == "array")'', ''{}'', true)', '@' || $2)
		WHEN $1 = 'string' AND $4 = 'text' THEN 'false'
		WHEN $1 IN ('string', 'decimal', 'datetime', 'json', 'keyvalue') AND $4 <> 'text' THEN format('%I IS NOT NULL', $2)
		WHEN $4 <> 'text' THEN 'false'
		-- prices may be in a virtual currency, credits or tokens, which is any text
		WHEN $1 = 'currency' AND $2 = 'PricingCurrency' THEN format('NOT finops.focus_format_ok(%I::text, ''text'')', $2)
		ELSE format('NOT finops.focus_format_ok(%I::text, %L)', $2, CASE $1 WHEN 'decimal' THEN 'numeric' WHEN 'national' THEN 'currency' ELSE $1 END)
	END
$$;
COMMENT ON FUNCTION finops.focus_violation_sql(text, text, text, text) IS 'part of finops.validate_focus: when a row violates a rule, as SQL; NULL is no violation. "#X" is column X as a number, "@X" as jsonb';

CREATE FUNCTION finops.focus_columns_of(relation regclass)
RETURNS TABLE (name text, type text)
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT a.attname::text, CASE
		WHEN b.oid IN ('numeric'::regtype, 'int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'float4'::regtype, 'float8'::regtype) THEN 'number'
		WHEN b.oid IN ('timestamptz'::regtype, 'timestamp'::regtype, 'date'::regtype) THEN 'time'
		WHEN b.oid IN ('json'::regtype, 'jsonb'::regtype) THEN 'json'
		WHEN b.typcategory IN ('S', 'E') OR b.oid = 'uuid'::regtype THEN 'text'
		ELSE 'other'
	END
	FROM pg_attribute a
	JOIN pg_type t ON t.oid = a.atttypid
	JOIN pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
	WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
$$;
COMMENT ON FUNCTION finops.focus_columns_of(regclass) IS 'part of finops.validate_focus: columns and what kind of type they have';

CREATE FUNCTION finops.validate_focus(relation regclass, version text DEFAULT '1.2', dataset text DEFAULT 'CostAndUsage')
RETURNS TABLE (rule_id text, column_name text, requirement text, status text, violations bigint, detail text)
LANGUAGE plpgsql STABLE STRICT PARALLEL RESTRICTED ROWS 600
SET search_path = pg_catalog, finops, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	rules jsonb;
	source text;
	filters text;
	groups text;
	counts bigint[];
	grouped bigint[] := '{}';
BEGIN
	IF NOT EXISTS (SELECT FROM pg_class k WHERE k.oid = relation AND k.relkind IN ('r', 'p', 'v', 'm', 'f')) THEN
		RAISE EXCEPTION '% is not a table or view', relation
			USING ERRCODE = 'wrong_object_type', HINT = 'Run SELECT * FROM finops.validate_focus(''finops.focus_cost_and_usage'').';
	END IF;
	IF NOT EXISTS (SELECT FROM finops.focus_rules_of(validate_focus.version, validate_focus.dataset)) THEN
		RAISE EXCEPTION 'no rules for dataset "%" of FOCUS "%"', left(validate_focus.dataset, 60), left(validate_focus.version, 60)
			USING ERRCODE = 'invalid_parameter_value',
			DETAIL = 'Datasets are CostAndUsage of 1.2 to 1.4, ContractCommitment of 1.3 and 1.4, InvoiceDetail and BillingPeriod of 1.4.',
			HINT = format('Run SELECT * FROM finops.validate_focus(%L, ''1.2'', ''CostAndUsage'').', relation::text);
	END IF;

	-- rule by rule: why it is skipped, or its place among the counts
	SELECT jsonb_agg(to_jsonb(n)) INTO rules
	FROM (
		SELECT w.*, CASE WHEN w.skipped IS NULL AND w.kind NOT IN ('present', 'one', 'unique') THEN count(*) FILTER (WHERE w.skipped IS NULL AND w.kind NOT IN ('present', 'one', 'unique')) OVER o END AS place,
			CASE WHEN w.skipped IS NULL AND w.kind IN ('one', 'unique') THEN count(*) FILTER (WHERE w.skipped IS NULL AND w.kind IN ('one', 'unique')) OVER o END AS group_place
		FROM (
			SELECT r.rule_id, r.column_name, r.requirement, r.kind, r.parameter, r.condition, c.type, CASE
					WHEN r.kind = 'dynamic' THEN 'dynamic: it needs knowledge that is not in the data'
					WHEN r.kind = 'composite' THEN 'composite: its parts are rules of their own'
					WHEN r.kind = 'optional' THEN 'optional: nothing is required'
					WHEN r.kind = 'defective' THEN 'defective: the published rule contradicts the specification'
					WHEN r.kind = 'present' THEN NULL
					WHEN c.name IS NULL THEN format('column "%s" is absent', r.column_name)
					ELSE (SELECT format('column "%s" is absent', min(m[1])) FROM regexp_matches(concat_ws(' & ', r.condition, CASE WHEN r.kind IN ('one', 'pair', 'same', 'notbefore', 'product') THEN replace(r.parameter, '*', '=') || '=' END),
						'(?:^| & | or |=)([A-Z]\w+)(?=[-!=<])', 'g') m WHERE m[1] NOT IN (SELECT k.name FROM finops.focus_columns_of(relation) k) HAVING count(*) > 0)
				END AS skipped
			FROM finops.focus_rules_of(validate_focus.version, validate_focus.dataset) r
			LEFT JOIN finops.focus_columns_of(relation) c ON c.name = r.column_name
		) w
		WINDOW o AS (ORDER BY w.rule_id COLLATE "C" ROWS UNBOUNDED PRECEDING)
	) n;

	-- texts become numbers and jsonb once per row; what they are not is NULL, and a violation of another rule
	SELECT format('(SELECT r.*%s FROM %s r OFFSET 0) r', string_agg(CASE c.type
			WHEN 'number' THEN format(', r.%I::numeric AS %I', c.name, '#' || c.name)
			WHEN 'json' THEN format(', r.%I::jsonb AS %I', c.name, '@' || c.name)
			WHEN 'text' THEN CASE WHEN u.numbers THEN format(', CASE WHEN finops.focus_format_ok(r.%1$I::text, ''numeric'') THEN r.%1$I::numeric END AS %2$I', c.name, '#' || c.name) ELSE '' END
				|| CASE WHEN u.documents THEN format(', CASE WHEN finops.focus_format_ok(r.%1$I::text, ''json'') THEN r.%1$I::jsonb END AS %2$I', c.name, '@' || c.name) ELSE '' END
		END, ''), relation) INTO source
	FROM finops.focus_columns_of(relation) c
	JOIN (
		SELECT r.column_name AS name, bool_or(r.kind = 'decimal') AS numbers, bool_or(r.kind = 'elements') AS documents
		FROM finops.focus_rules_of(validate_focus.version, validate_focus.dataset) r GROUP BY r.column_name
	) u ON u.name = c.name;

	SELECT string_agg(format(', count(*) FILTER (WHERE (%s) AND (%s))', COALESCE(finops.focus_condition_sql(j.rule ->> 'condition'), 'true'),
			finops.focus_violation_sql(j.rule ->> 'kind', j.rule ->> 'column_name', j.rule ->> 'parameter', j.rule ->> 'type')), '' ORDER BY (j.rule ->> 'place')::bigint)
		FILTER (WHERE j.rule ->> 'place' IS NOT NULL)
	INTO filters
	FROM jsonb_array_elements(rules) j(rule);
	EXECUTE format('SELECT ARRAY[count(*)%s] FROM %s', filters, source) INTO counts;

	-- one value per key: all keys in one pass
	SELECT format('SELECT ARRAY[%s] FROM (SELECT %s FROM %s r GROUP BY GROUPING SETS (%s)) g',
		string_agg(format('count(*) FILTER (WHERE g.%I = 0 AND g.%I IS NOT NULL AND g.%I)', 'grouping ' || k.name, k.name, 'bad ' || k.place), ', ' ORDER BY k.place),
		string_agg(DISTINCT format('r.%I, GROUPING(r.%I) AS %I', k.name, k.name, 'grouping ' || k.name), ', ')
			|| string_agg(CASE k.kind WHEN 'unique' THEN format(', count(*) > 1 AS %I', 'bad ' || k.place)
				ELSE format(', min(r.%1$I::text COLLATE "C") <> max(r.%1$I::text COLLATE "C") AS %2$I', k.parameter, 'bad ' || k.place) END, ''),
		relation, string_agg(DISTINCT format('(r.%I)', k.name), ', '))
	INTO groups
	FROM (
		SELECT j.rule ->> 'column_name' AS name, j.rule ->> 'kind' AS kind, j.rule ->> 'parameter' AS parameter, (j.rule ->> 'group_place')::bigint AS place
		FROM jsonb_array_elements(rules) j(rule)
		WHERE j.rule ->> 'group_place' IS NOT NULL
	) k
	HAVING count(*) > 0;
	IF groups IS NOT NULL THEN
		EXECUTE groups INTO grouped;
	END IF;

	RETURN QUERY
	SELECT j.rule ->> 'rule_id', j.rule ->> 'column_name', j.rule ->> 'requirement',
		CASE WHEN j.rule ->> 'skipped' IS NOT NULL THEN 'skipped' WHEN v.n > 0 THEN 'fail' ELSE 'pass' END, v.n,
		COALESCE(j.rule ->> 'skipped', CASE WHEN v.n = 0 THEN NULL WHEN j.rule ->> 'kind' = 'present' THEN 'the column is absent'
			WHEN j.rule ->> 'kind' IN ('one', 'unique') THEN format('%s values', v.n) ELSE format('%s of %s rows', v.n, counts[1]) END)
	FROM jsonb_array_elements(rules) j(rule)
	CROSS JOIN LATERAL (
		SELECT CASE
			WHEN j.rule ->> 'skipped' IS NOT NULL THEN NULL
			WHEN j.rule ->> 'kind' = 'present' THEN CASE WHEN j.rule ->> 'type' IS NULL THEN 1 ELSE 0 END
			WHEN j.rule ->> 'place' IS NOT NULL THEN counts[(j.rule ->> 'place')::integer + 1]
			ELSE grouped[(j.rule ->> 'group_place')::integer]
		END::bigint AS n
	) v
	ORDER BY j.rule ->> 'rule_id' COLLATE "C";
END
$$;
COMMENT ON FUNCTION finops.validate_focus(regclass, text, text) IS 'checks a table or view with FOCUS column names, of texts or types, against the rules of FOCUS 1.2, 1.3 or 1.4, in two passes over it; reads with the rights of its caller';

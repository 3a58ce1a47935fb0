-- room tag: virtual tags, rules and registry

CREATE TABLE finops.virtual_tag_rule (
	rule_id text NOT NULL,
	"position" integer NOT NULL DEFAULT 100,
	tag_key text NOT NULL,
	action text NOT NULL,
	value text,
	from_keys text[],
	letter_case text,
	synonyms jsonb,
	pattern text,
	replacement text,
	overwrite boolean NOT NULL DEFAULT false,
	providers text[],
	account_ids text[],
	services text[],
	regions text[],
	usage_type_pattern text,
	resource_pattern text,
	tag_conditions jsonb,
	valid_from date NOT NULL DEFAULT '1900-01-01',
	valid_to date,
	note text,
	CONSTRAINT virtual_tag_rule_pkey PRIMARY KEY (rule_id, valid_from),
	CONSTRAINT virtual_tag_rule_key_check CHECK (pg_catalog.btrim(tag_key) OPERATOR(pg_catalog.<>) ''),
	CONSTRAINT virtual_tag_rule_action_check CHECK (action OPERATOR(pg_catalog.=) ANY (ARRAY['set', 'alias', 'normalise'])),
	CONSTRAINT virtual_tag_rule_set_check CHECK ((action OPERATOR(pg_catalog.=) 'set') OPERATOR(pg_catalog.=) (value IS NOT NULL)
		AND pg_catalog.btrim(value) OPERATOR(pg_catalog.<>) ''),
	CONSTRAINT virtual_tag_rule_alias_check CHECK ((action OPERATOR(pg_catalog.=) 'alias') OPERATOR(pg_catalog.=) (from_keys IS NOT NULL)
		AND pg_catalog.array_position(from_keys, NULL) IS NULL AND pg_catalog.cardinality(from_keys) OPERATOR(pg_catalog.>) 0),
	CONSTRAINT virtual_tag_rule_normalise_check CHECK ((action OPERATOR(pg_catalog.=) 'normalise')
		OPERATOR(pg_catalog.=) (letter_case IS NOT NULL OR synonyms IS NOT NULL OR pattern IS NOT NULL)),
	CONSTRAINT virtual_tag_rule_case_check CHECK (letter_case OPERATOR(pg_catalog.=) ANY (ARRAY['lower', 'upper'])),
	CONSTRAINT virtual_tag_rule_synonyms_check CHECK (pg_catalog.jsonb_typeof(synonyms) OPERATOR(pg_catalog.=) 'object'),
	CONSTRAINT virtual_tag_rule_pattern_check CHECK ((pattern IS NULL) OPERATOR(pg_catalog.=) (replacement IS NULL)
		AND (pattern IS NULL OR ('' OPERATOR(pg_catalog.~) pattern) IS NOT NULL)),
	CONSTRAINT virtual_tag_rule_usage_type_check CHECK (usage_type_pattern IS NULL OR ('' OPERATOR(pg_catalog.~) usage_type_pattern) IS NOT NULL),
	CONSTRAINT virtual_tag_rule_resource_check CHECK (resource_pattern IS NULL OR ('' OPERATOR(pg_catalog.~) resource_pattern) IS NOT NULL),
	CONSTRAINT virtual_tag_rule_tags_check CHECK (pg_catalog.jsonb_typeof(tag_conditions) OPERATOR(pg_catalog.=) 'object'),
	CONSTRAINT virtual_tag_rule_valid_check CHECK (valid_to OPERATOR(pg_catalog.>) valid_from)
);
COMMENT ON TABLE finops.virtual_tag_rule IS 'rules that complete and normalise tags, in the order of position, then rule_id; each sees what the ones before it made; tags as delivered stay as they are';
COMMENT ON COLUMN finops.virtual_tag_rule.tag_key IS 'the key that gets a value; tenant_id, or the chosen tenant key, decides the tenant';
COMMENT ON COLUMN finops.virtual_tag_rule.action IS 'set: give the value; alias: take the value of the first key of from_keys that has one; normalise: change the value there is';
COMMENT ON COLUMN finops.virtual_tag_rule.from_keys IS 'compared exactly first, then without case, blanks and punctuation';
COMMENT ON COLUMN finops.virtual_tag_rule.synonyms IS 'of normalise: {"other value": "value"}, compared without case, blanks and punctuation';
COMMENT ON COLUMN finops.virtual_tag_rule.pattern IS 'of normalise: regular expression whose first match is replaced by replacement';
COMMENT ON COLUMN finops.virtual_tag_rule.overwrite IS 'of set and alias: also where the key has a value; otherwise only where it is absent or blank';
COMMENT ON COLUMN finops.virtual_tag_rule.tag_conditions IS '{"key": null (absent or blank) | "value" | ["one", "of"] | {"prefix": "text"} | {"regex": "expression"}}, all must hold';
COMMENT ON COLUMN finops.virtual_tag_rule.valid_from IS 'first billing period (its first day) that the rule applies to';
COMMENT ON COLUMN finops.virtual_tag_rule.valid_to IS 'first day on which it no longer applies';

CREATE TABLE finops.resource_tag (
	resource_id text NOT NULL,
	tag_key text NOT NULL,
	tag_value text NOT NULL,
	valid_from date NOT NULL DEFAULT '1900-01-01',
	valid_to date,
	CONSTRAINT resource_tag_pkey PRIMARY KEY (resource_id, tag_key, valid_from),
	CONSTRAINT resource_tag_value_check CHECK (pg_catalog.btrim(tag_value) OPERATOR(pg_catalog.<>) ''),
	CONSTRAINT resource_tag_valid_check CHECK (valid_to OPERATOR(pg_catalog.>) valid_from)
);
COMMENT ON TABLE finops.resource_tag IS 'registry of resources: tags that hold where the bill has none, before any rule';
COMMENT ON COLUMN finops.resource_tag.resource_id IS 'as fact_cost_raw.line_item_resource_id has it';

REVOKE ALL ON finops.virtual_tag_rule, finops.resource_tag FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('finops.virtual_tag_rule', '');
SELECT pg_catalog.pg_extension_config_dump('finops.resource_tag', '');

CREATE FUNCTION finops.virtual_tags(rules jsonb, tags jsonb, registry jsonb DEFAULT NULL, provider text DEFAULT NULL, account_id text DEFAULT NULL,
	service text DEFAULT NULL, region text DEFAULT NULL, usage_type text DEFAULT NULL, resource_id text DEFAULT NULL)
RETURNS jsonb
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 100
AS 'MODULE_PATHNAME', 'finops_virtual_tags';
COMMENT ON FUNCTION finops.virtual_tags(jsonb, jsonb, jsonb, text, text, text, text, text, text) IS 'what an array of rules (rows of finops.virtual_tag_rule as JSON, in order) makes of the tags of one charge: the keys whose value differs from the delivered one; NULL when none does';

CREATE FUNCTION finops.effective_tags(resource_tags jsonb, virtual_tags jsonb)
RETURNS jsonb
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'finops_effective_tags';
COMMENT ON FUNCTION finops.effective_tags(jsonb, jsonb) IS 'tags of a charge as delivered, completed and normalised by its virtual tags';

CREATE FUNCTION finops.tag_sync(period date)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 100000
AS 'MODULE_PATHNAME', 'finops_tag_sync';
COMMENT ON FUNCTION finops.tag_sync(date) IS 'applies registry and virtual tag rules to the charges of an open billing period and derives their tenants; returns the lines that changed';
REVOKE ALL ON FUNCTION finops.tag_sync(date) FROM PUBLIC;

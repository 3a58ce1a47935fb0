-- virtual tags: rules, registry, what they do to facts, figures, validation and the exported policy
BEGIN;
SELECT plan(45);

-- one charge at a time

CREATE FUNCTION pg_temp.made(rules jsonb, tags jsonb, registry jsonb DEFAULT NULL, resource text DEFAULT NULL) RETURNS jsonb LANGUAGE sql AS $$
	SELECT finops.virtual_tags((SELECT coalesce(jsonb_agg(r || '{"rule_id": "r"}'), '[]') FROM jsonb_array_elements(rules) r), tags, registry, 'AWS', '111', 'EC2', 'eu-west-1', 'BoxUsage:m5.large', resource)
$$;
SELECT is(finops.virtual_tags('[]', '{"a": "b"}'), NULL, 'no rule, no difference');
SELECT is(pg_temp.made('[{"tag_key": "env", "action": "set", "value": "prod"}]', NULL), '{"env": "prod"}', 'a charge without tags is completed');
SELECT is(pg_temp.made('[{"tag_key": "env", "action": "set", "value": "prod"}]', '{"env": "qa"}'), NULL, 'a value is left alone');
SELECT is(pg_temp.made('[{"tag_key": "env", "action": "set", "value": "prod"}]', '{"env": " \t"}'), '{"env": "prod"}', 'a blank one is none');
SELECT is(pg_temp.made('[{"tag_key": "env", "action": "set", "value": "prod", "overwrite": true}]', '{"env": "qa"}'), '{"env": "prod"}', 'unless the rule says so');
SELECT is(pg_temp.made('[{"tag_key": "environment", "action": "alias", "from_keys": ["stage", "env"]}]', '{"env": "qa", "Stage": "live"}'), '{"environment": "live"}', 'the first alias wins, also where spelled alike');
SELECT is(pg_temp.made('[{"tag_key": "environment", "action": "alias", "from_keys": ["env"]}]', '{"Env": "a", "env": "b"}'), '{"environment": "b"}', 'exact spelling comes first');
SELECT is(pg_temp.made('[{"tag_key": "org", "action": "alias", "from_keys": ["org"]}]', '{" org": "x"}'), '{"org": "x"}', 'a key with a leading blank');
SELECT is(pg_temp.made('[{"tag_key": "env", "action": "normalise", "synonyms": {"Production": "prod", "pre-prod": "staging"}}]', '{"env": "PRE PROD"}'), '{"env": "staging"}', 'synonyms know no case, blanks and punctuation');
SELECT is(pg_temp.made('[{"tag_key": "env", "action": "normalise", "letter_case": "lower"}]', '{"env": " Qa "}'), '{"env": "qa"}', 'case');
SELECT is(pg_temp.made('[{"tag_key": "cc", "action": "normalise", "pattern": "^CC-?0*", "replacement": ""}]', '{"cc": "CC-0042"}'), '{"cc": "42"}', 'expressions');
SELECT is(pg_temp.made('[{"tag_key": "cc", "action": "normalise", "pattern": "^none$", "replacement": ""}]', '{"cc": "none"}'), '{"cc": null}', 'a value may be taken away');
SELECT is(pg_temp.made('[{"tag_key": "e", "action": "alias", "from_keys": ["env"]}, {"tag_key": "e", "action": "normalise", "letter_case": "upper"}, {"tag_key": "cc", "action": "set", "value": "1", "tag_conditions": {"e": "QA"}}]',
	'{"env": "qa"}'), '{"e": "QA", "cc": "1"}', 'each rule sees what the ones before it made');
SELECT is((SELECT count(pg_temp.made(jsonb_build_array(jsonb_build_object('tag_key', 'x', 'action', 'set', 'value', 'y', 'tag_conditions', c::jsonb)), '{"a": "prod-1", "n": 5}')) FROM (VALUES
	('{"a": "prod-1"}'), ('{"a": ["qa", "prod-1"]}'), ('{"a": {"prefix": "prod"}}'), ('{"a": {"regex": "-[0-9]$"}}'), ('{"b": null}'), ('{"n": "5"}'), ('{}')) v(c)), 7::bigint, 'conditions that hold');
SELECT is((SELECT count(pg_temp.made(jsonb_build_array(jsonb_build_object('tag_key', 'x', 'action', 'set', 'value', 'y', 'tag_conditions', c::jsonb)), '{"a": "prod-1"}')) FROM (VALUES
	('{"a": "prod"}'), ('{"a": ["qa"]}'), ('{"a": {"prefix": "rod"}}'), ('{"a": {"regex": "^[0-9]"}}'), ('{"a": null}'), ('{"b": {"regex": "."}}'), ('{"a": "prod-1", "b": "z"}')) v(c)), 0::bigint, 'and that do not');
SELECT is((SELECT count(pg_temp.made(jsonb_build_array(v.c::jsonb || '{"tag_key": "x", "action": "set", "value": "y"}'), NULL, resource => 'arn:1')) FROM (VALUES
	('{"providers": ["AWS"]}'), ('{"account_ids": ["9", "111"]}'), ('{"services": ["EC2"], "regions": ["eu-west-1"]}'), ('{"usage_type_pattern": "^BoxUsage"}'), ('{"resource_pattern": "arn"}'),
	('{"providers": ["Microsoft"]}'), ('{"services": []}'), ('{"resource_pattern": "^x"}')) v(c)), 5::bigint, 'what a charge is');
SELECT is(pg_temp.made('[]', '{"a": "b", "c": ""}', '{"a": "z", "c": "d", "e": "f"}'), '{"c": "d", "e": "f"}', 'the registry completes');
SELECT is(pg_temp.made('[{"tag_key": "a", "action": "normalise", "letter_case": "upper"}]', '{"a": {"deep": 1}, "b": [1]}'), NULL, 'objects and arrays are no values');
SELECT is(finops.effective_tags(a::jsonb, b::jsonb), c::jsonb, 'in effect: ' || coalesce(a, '-') || ' and ' || coalesce(b, '-'))
FROM (VALUES (NULL, NULL, NULL), ('{"a": "b"}', NULL, '{"a": "b"}'), ('5', '{"a": "b"}', '{"a": "b"}'), ('{"a": "b", "c": "d"}', '{"a": "x"}', '{"a": "x", "c": "d"}')) v(a, b, c);
SELECT throws_ok($$ SELECT finops.virtual_tags(NULL, NULL) $$, '22004', NULL, 'no rules');
SELECT throws_ok(format('SELECT finops.virtual_tags(%L, NULL)', r), '22023', NULL, 'not rules: ' || r)
FROM unnest(ARRAY['{}', '5', '[5]', '[{"rule_id": "r", "tag_key": "a", "action": "burn"}]', '[{"rule_id": "r", "tag_key": "a", "action": "set", "value": "v", "services": [null]}]']) r;
SELECT throws_ok($$ INSERT INTO finops.virtual_tag_rule (rule_id, tag_key, action, value, usage_type_pattern) VALUES ('x', 'k', 'set', 'v', '(') $$, '2201B', NULL, 'a broken expression is refused when written');
SELECT throws_ok($$ INSERT INTO finops.virtual_tag_rule (rule_id, tag_key, action, from_keys) VALUES ('x', 'k', 'set', '{a}') $$, '23514', NULL, 'an action without what it needs');

-- a month: 10 + 30 + 60 of usage, 5 support, 7 tax

CREATE TABLE finops.fact_cost_raw_2021_11 PARTITION OF fact_cost_raw FOR VALUES FROM ('2021-11-01') TO ('2021-12-01');
INSERT INTO fact_cost_raw (bill_billing_period_start_date, line_item_usage_account_id, line_item_resource_id, provider, service, charge_category, billed_cost, effective_cost, resource_tags, source, delivery_id)
SELECT '2021-11-01', '111', v.resource, 'AWS', v.service, v.category, v.cost, v.cost, v.tags::jsonb, 'test', 0
FROM (VALUES ('i-1', 'EC2', 'Usage', 10, '{"Tenant ID": "ACME", "env": "Production"}'), ('i-2', 'EC2', 'Usage', 30, '{"tenant_id": " beta "}'),
	('i-3', 'S3', 'Usage', 60, '{"tenant_id": "", "environment": "qa"}'), (NULL, 'AWSSupportBusiness', 'Purchase', 5, NULL), (NULL, 'Tax', 'Tax', 7, NULL)) v(resource, service, category, cost, tags);
INSERT INTO finops.resource_tag (resource_id, tag_key, tag_value) VALUES ('i-3', 'tenant_id', 'gamma');
INSERT INTO finops.virtual_tag_rule (rule_id, "position", tag_key, action, from_keys) VALUES ('tenant', 1, 'tenant_id', 'alias', '{tenant_id}'), ('env', 1, 'environment', 'alias', '{env}');
INSERT INTO finops.virtual_tag_rule (rule_id, "position", tag_key, action, synonyms, letter_case)
VALUES ('prod', 2, 'environment', 'normalise', '{"production": "prod"}', NULL), ('case', 3, 'tenant_id', 'normalise', NULL, 'lower');
INSERT INTO finops.virtual_tag_rule (rule_id, "position", tag_key, action, value, services) VALUES ('plan', 4, 'plan_id', 'set', 'P1', '{EC2}');
INSERT INTO finops.virtual_tag_rule (rule_id, tag_key, action, value, valid_from, valid_to)
VALUES ('early', 'plan_id', 'set', 'old', '2021-01-01', '2021-11-01'), ('late', 'plan_id', 'set', 'new', '2021-12-01', NULL);

SELECT is(finops.tag_sync('2021-11-01'), 3::bigint, 'three lines change');
SELECT results_eq($$ SELECT line_item_resource_id, virtual_tags, tenant_id FROM fact_cost_raw WHERE bill_billing_period_start_date = '2021-11-01' AND charge_category = 'Usage' ORDER BY 1 $$,
	$$ VALUES ('i-1', '{"plan_id": "P1", "tenant_id": "acme", "environment": "prod"}'::jsonb, 'acme'), ('i-2', '{"plan_id": "P1"}', 'beta'), ('i-3', '{"tenant_id": "gamma"}', 'gamma') $$, 'virtual tags and tenants');
SELECT results_eq($$ SELECT tenant_id, sum(billed_cost) FROM finops.cost_daily WHERE billing_period = '2021-11-01' GROUP BY 1 ORDER BY 1 $$,
	$$ VALUES ('acme', 10::numeric), ('beta', 30), ('gamma', 60), (NULL, 12) $$, 'the roll-up is in step');
SELECT is((SELECT count(*) FROM tenant_master WHERE tenant_id IN ('acme', 'beta', 'gamma') AND status = 'unregistered'), 3::bigint, 'new tenants are known, not invoiced');
SELECT is(finops.tag_sync('2021-11-01'), 0::bigint, 'again: nothing');
SELECT results_eq($$ SELECT figure, covered, total, round(pct, 3), round(delivered_pct, 3) FROM finops.tag_coverage_figures('2021-11-01') $$,
	$$ VALUES ('rows_with_tenant', 3::numeric, 5::numeric, 60.000, 20.000), ('rows_required', 2, 3, 66.667, 0.000), ('resources', 2, 3, 66.667, 0.000),
		('cost', 100, 100, 100.000, 30.000), ('valid_values', 6, 7, 85.714, 50.000), ('apart: support', NULL, 5, NULL, NULL), ('apart: tax', NULL, 7, NULL, NULL) $$,
	'four figures, valid values, and what cannot be tagged');

-- validation judges what is in effect

INSERT INTO tag_policy (tag_key, version, required, severity, allowed_values) VALUES ('environment', '2', true, 'warning', '{prod,test}');
SELECT finops.validate_tags('2021-11-01');
SELECT results_eq($$ SELECT resource_id, check_name FROM tag_validation_log WHERE period_start = '2021-11-01' AND tag_key = 'environment' AND check_name <> 'colliding_key' ORDER BY 1, 2 $$,
	$$ VALUES ('i-2', 'missing'), ('i-3', 'value_not_allowed'), (NULL, 'missing') $$, 'values by the policy');
SELECT is((SELECT array_agg(resource_id) FROM finops.tag_quarantine WHERE period_start = '2021-11-01'), '{NULL}', 'only support has no owner');
SELECT finops.validate_tags('2021-11-01');
SELECT results_eq($$ SELECT severity, status, payload -> 'largest' -> 0 ->> 'service' FROM finops.outbox WHERE topic = 'tag_findings' AND dedup_key LIKE '2021-11 %' $$,
	$$ VALUES ('critical', 'pending', 'AWSSupportBusiness') $$, 'one message for one set of findings');

-- rules go, their traces too; a locked month stays

DELETE FROM finops.virtual_tag_rule;
DELETE FROM finops.resource_tag;
SELECT is(finops.tag_sync('2021-11-01'), 3::bigint, 'what the rules made goes with them');
SELECT is((SELECT array_agg(tenant_id ORDER BY line_item_resource_id) FROM fact_cost_raw WHERE bill_billing_period_start_date = '2021-11-01' AND charge_category = 'Usage'), '{NULL,beta,NULL}', 'tenants as delivered');
UPDATE period_lock SET state = 'LOCKED' WHERE period_start = '2021-11-01';
SELECT throws_ok($$ SELECT finops.tag_sync('2021-11-01') $$, '55000', NULL, 'a locked month');

-- the policy for others

SELECT is((SELECT x -> 'tags' -> 'environment' FROM finops.export_tag_policy('tag_policy') x),
	'{"tag_key": {"@@assign": "environment"}, "tag_value": {"@@assign": ["prod", "test"]}}', 'as a tag policy of AWS Organizations');
INSERT INTO tag_policy (tag_key, version) SELECT 'key' || n, '1' FROM generate_series(1, 5) n;
SELECT results_eq($$ SELECT x ->> 'ConfigRuleName', (x ->> 'InputParameters')::jsonb FROM finops.export_tag_policy('config_rule') x $$,
	$$ VALUES ('required-tags', '{"tag1Key": "environment", "tag1Value": "prod,test", "tag2Key": "key1", "tag3Key": "key2", "tag4Key": "key3", "tag5Key": "key4", "tag6Key": "key5"}'::jsonb),
		('required-tags-2', '{"tag1Key": "plan_id", "tag2Key": "tenant_id"}') $$, 'as AWS Config rules, six keys each');
SELECT throws_ok($$ SELECT finops.export_tag_policy('yaml') $$, '22023', 'unknown export format "yaml"', 'nothing else');

SELECT * FROM finish();
ROLLBACK;

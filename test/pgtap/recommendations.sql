-- Room insight: the life of recommendations
BEGIN;
SELECT no_plan();
SET LOCAL statement_timeout = '120s';

-- January and February 2017: i-stop costs 2.40 a day up to the 5th of February, i-resize 4.80 up to the 5th and 2.40 as i-new since,
-- i-stay 1.20; a plan bought on the 5th of February covers usage worth 3.00 a day for 2.00 and wastes 0.50
CREATE TEMP TABLE line AS
SELECT 'i-stop' AS resource, day, 2.4 AS cost, '' AS plan, 'Usage' AS type, NULL::numeric AS paid FROM generate_series(timestamp '2017-01-01', '2017-02-05', '1 day') day
UNION ALL SELECT 'i-resize', day, 4.8, '', 'Usage', NULL FROM generate_series(timestamp '2017-01-01', '2017-02-05', '1 day') day
UNION ALL SELECT 'i-new', day, 2.4, '', 'Usage', NULL FROM generate_series(timestamp '2017-02-06', '2017-02-28', '1 day') day
UNION ALL SELECT 'i-stay', day, 1.2, '', 'Usage', NULL FROM generate_series(timestamp '2017-01-01', '2017-02-28', '1 day') day
UNION ALL SELECT 'i-covered', day, 3, 'arn:plan', 'SavingsPlanCoveredUsage', 2 FROM generate_series(timestamp '2017-02-06', '2017-02-28', '1 day') day
UNION ALL SELECT '', day, 2.5, 'arn:plan', 'SavingsPlanRecurringFee', NULL FROM generate_series(timestamp '2017-02-06', '2017-02-28', '1 day') day;
CREATE FUNCTION pg_temp.load(month date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	path text := current_setting('data_directory') || '/finops_test_recommendations.csv';
	object oid;
BEGIN
	SELECT lo_from_bytea(0, convert_to('identity/LineItemId,bill/PayerAccountId,bill/BillingPeriodStartDate,lineItem/UsageStartDate,lineItem/UsageEndDate,lineItem/LineItemType,lineItem/ProductCode,lineItem/UsageType,lineItem/ResourceId,product/instanceType,product/region,lineItem/UnblendedCost,pricing/publicOnDemandCost,lineItem/CurrencyCode,savingsPlan/SavingsPlanARN,savingsPlan/SavingsPlanEffectiveCost,savingsPlan/TotalCommitmentToDate,savingsPlan/UsedCommitment' || E'\n'
		|| string_agg(concat_ws(',', row_number, '444444444444', to_char(month, 'YYYY-MM-DD"T"00:00:00"Z"'), to_char(day, 'YYYY-MM-DD"T"00:00:00"Z"'), to_char(day + interval '1 day', 'YYYY-MM-DD"T"00:00:00"Z"'),
			type, 'AmazonEC2', 'BoxUsage:m5.large', resource, 'm5.large', 'eu-west-1', cost, CASE type WHEN 'SavingsPlanRecurringFee' THEN 0 ELSE cost END, 'USD', plan, coalesce(paid::text, ''),
			CASE type WHEN 'SavingsPlanRecurringFee' THEN '2.5' ELSE '' END, CASE type WHEN 'SavingsPlanRecurringFee' THEN '2' ELSE '' END) || E'\n', ''), 'UTF8'))
	INTO object FROM (SELECT row_number() OVER (), * FROM line WHERE date_trunc('month', day) = month) x;
	PERFORM lo_export(object, path);
	PERFORM lo_unlink(object);
	PERFORM finops.load_bill(path, source_id => 'recommendations');
END $$;
SELECT pg_temp.load('2017-01-01'), pg_temp.load('2017-02-01') \g /dev/null
INSERT INTO finops.resource_metric SELECT r, m, timestamp '2017-01-01' + h * interval '1 hour', CASE WHEN r = 'i-resize' THEN 20 ELSE 1 END
FROM generate_series(0, 27 * 24 - 1) h, unnest('{i-stop,i-resize,i-stay}'::text[]) r, unnest('{cpu_pct,memory_pct,network_bytes}'::text[]) m WHERE r <> 'i-resize' OR m <> 'network_bytes';
INSERT INTO finops.instance_type (instance_type, family, vcpu, memory_gib, hourly_price) VALUES ('m5.large', 'm5', 2, 8, 0.2), ('m5.medium', 'm5', 1, 4, 0.1);
DELETE FROM finops.recommendation;

SELECT results_eq($$ SELECT * FROM finops.refresh_recommendations('2017-01-28') $$, $$ VALUES (3::bigint, 0::bigint, 0::bigint, 0::bigint, 3::bigint) $$, 'three are proposed');
SELECT results_eq($$ SELECT * FROM finops.refresh_recommendations('2017-01-28') $$, $$ VALUES (0::bigint, 0::bigint, 0::bigint, 0::bigint, 3::bigint) $$, 'once');
SELECT results_eq($$ SELECT resource_id, optimization_type, state, status, potential_savings_usd, priority_level, proposed_by FROM finops.recommendation ORDER BY 1 $$,
	$$ VALUES ('i-resize', 'rightsizing', 'proposed', 'ACTIVE', 73.0, 'MEDIUM', NULL::text), ('i-stay', 'terminate', 'proposed', 'ACTIVE', 36.5, 'MEDIUM', NULL), ('i-stop', 'terminate', 'proposed', 'ACTIVE', 73.0, 'MEDIUM', NULL) $$,
	'with what they would save in a month');
SELECT results_eq($$ SELECT resource_id FROM finops.open_recommendation ORDER BY 1 $$, $$ VALUES ('i-resize'), ('i-stay'), ('i-stop') $$, 'they are open');
SELECT is(count(*), 3::bigint, 'and what the runbook shows') FROM vw_cost_optimization_opportunities WHERE status = 'ACTIVE';

CREATE FUNCTION pg_temp.id(resource text) RETURNS text LANGUAGE sql AS $$ SELECT recommendation_id FROM finops.recommendation WHERE resource_id = resource ORDER BY state NOT IN ('proposed', 'approved', 'done'), recommendation_id LIMIT 1 $$;
SELECT throws_ok($$ SELECT finops.complete_recommendation(pg_temp.id('i-stop')) $$, '55000', NULL, 'not done before it is approved');
SELECT lives_ok($$ SELECT finops.assign_recommendation(pg_temp.id('i-stop'), 'ann'), finops.approve_recommendation(pg_temp.id('i-stop'), 'agreed'), finops.approve_recommendation(pg_temp.id('i-resize')) $$, 'approved');
SELECT throws_ok($$ SELECT finops.approve_recommendation(pg_temp.id('i-stop')) $$, '55000', NULL, 'once');
SELECT results_eq($$ SELECT state, owner, reason, decided_by = CURRENT_USER FROM finops.recommendation WHERE resource_id = 'i-stop' $$, $$ VALUES ('approved', 'ann', 'agreed', true) $$, 'by whom and why');

-- shutdown lists
SELECT results_eq($$ SELECT resource_id, savings FROM finops.send_shutdown_list() $$, $$ VALUES ('i-stop', 73.0) $$, 'a dry run lists what is approved to be stopped');
SELECT is_empty($$ SELECT FROM finops.outbox WHERE topic = 'shutdown_list' $$, 'and sends nothing');
SELECT results_eq($$ SELECT resource_id FROM finops.send_shutdown_list(false) $$, $$ VALUES ('i-stop') $$, 'then it is sent');
SELECT results_eq($$ SELECT severity, payload -> 'dry_run', payload #>> '{items,0,resource_id}' FROM finops.outbox WHERE topic = 'shutdown_list' $$, $$ VALUES ('warning', 'false'::jsonb, 'i-stop') $$, 'to the outbox');
SELECT is_empty($$ SELECT * FROM finops.send_shutdown_list(false) $$, 'once');
SELECT is(count(*), 1::bigint, 'really') FROM finops.outbox WHERE topic = 'shutdown_list';

-- dismissed for a while, and for good
SELECT throws_ok($$ SELECT finops.dismiss_recommendation(pg_temp.id('i-stay'), ' ') $$, '22023', NULL, 'not without a reason');
SELECT finops.dismiss_recommendation(pg_temp.id('i-stay'), 'needed', '2017-01-28') \g /dev/null
SELECT is(proposed, 1::bigint, 'proposed again from that day on') FROM finops.refresh_recommendations('2017-01-28');
SELECT finops.dismiss_recommendation(pg_temp.id('i-stay'), 'needed for ever') \g /dev/null
SELECT is(proposed, 0::bigint, 'not what was dismissed for good') FROM finops.refresh_recommendations('2017-01-28');

-- done, and verified on the bills since
SELECT finops.complete_recommendation(pg_temp.id('i-stop'), NULL, '2017-02-05 12:00+00'), finops.complete_recommendation(pg_temp.id('i-resize'), 'i-new', '2017-02-05 12:00+00') \g /dev/null
INSERT INTO finops.recommendation (recommendation_id, optimization_type, potential_savings_usd, provider) VALUES ('plan', 'savings_plan', 20, 'AWS');
SELECT finops.approve_recommendation('plan'), finops.complete_recommendation('plan', 'arn:plan', '2017-02-05 12:00+00') \g /dev/null
SELECT is_empty($$ SELECT * FROM finops.verify_recommendations('2017-02-12') $$, 'six days are too few');
SELECT results_eq($$ SELECT optimization_type, verified_savings, verified_from, verified_to FROM finops.verify_recommendations('2017-03-05') ORDER BY 1 $$,
	$$ VALUES ('rightsizing', 73.0, date '2017-02-06', date '2017-02-28'), ('savings_plan', round(0.5 * 730 / 24, 4), '2017-02-06', '2017-02-28'), ('terminate', 73.0, '2017-02-06', '2017-02-28') $$,
	'half of 146, 3.00 - 2.00 - 0.50 a day, and all of 73');
SELECT results_eq($$ SELECT state, status FROM finops.recommendation WHERE resource_id = 'i-stop' $$, $$ VALUES ('verified', 'VERIFIED') $$, 'verified');
SELECT is_empty($$ SELECT * FROM finops.verify_recommendations('2017-03-05') $$, 'once');

-- what is not found any more
SELECT ok(proposed = 2, 'found anew once it is verified') FROM finops.refresh_recommendations('2017-01-28');
SELECT is(expired, 2::bigint, 'and expired when the metrics are gone') FROM finops.refresh_recommendations('2017-01-14') WHERE (SELECT count(*) FROM finops.open_recommendation) = 2;

-- four eyes
CREATE ROLE finops_test_proposer;
SELECT finops.grant_role('approver', 'finops_test_proposer') \g /dev/null
SET LOCAL finops.four_eyes = on;
CREATE TEMP TABLE own (id text);
GRANT ALL ON own TO finops_test_proposer;
SET LOCAL ROLE finops_test_proposer;
INSERT INTO own SELECT finops.propose_recommendation('storage', 'bucket', 10, 'Archive it.', details => '{"size": 3}');
RESET ROLE;
SELECT throws_ok($$ SELECT finops.approve_recommendation(id) FROM own $$, '42501', NULL, 'who logged in to propose does not approve');
UPDATE finops.recommendation r SET proposed_session = 'somebody' FROM own WHERE recommendation_id = id;
SELECT lives_ok($$ SELECT finops.approve_recommendation(id) FROM own $$, 'another person does');
RESET finops.four_eyes;

-- audit
SELECT ok(bool_and(EXISTS (SELECT FROM audit_event e WHERE e.action = a AND e.object_type IN ('recommendation', 'shutdown_list'))), 'every step is audited') FROM unnest('{propose,approve,complete,dismiss,assign,verify,refresh,send}'::text[]) a;

SELECT throws_ok($$ SELECT finops.approve_recommendation('none') $$, 'P0002', NULL, 'an unknown one');
SELECT throws_ok($$ SELECT finops.approve_recommendation(NULL) $$, '22004', NULL, 'none');
SELECT throws_ok($$ SELECT finops.complete_recommendation(id, NULL, 'infinity') FROM own $$, '22023', NULL, 'done in the future');
SELECT throws_ok($$ SELECT finops.propose_recommendation('storage', 'b', 'NaN', 'x') $$, '23514', NULL, 'a saving that is no number');
SELECT throws_ok($$ SELECT finops.propose_recommendation('storage', 'b', NULL, 'x') $$, '22004', NULL, 'no saving');
SELECT throws_ok($$ SELECT * FROM finops.refresh_recommendations('2017-01-28', '{"nonsense": 1}') $$, '22023', NULL, 'an unknown option');
SELECT throws_ok($$ SELECT * FROM finops.verify_recommendations(NULL) $$, '22004', NULL, 'no day');

SELECT * FROM finish();
ROLLBACK;

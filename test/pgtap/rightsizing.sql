-- Room insight: rules on metrics and cost of resources
BEGIN;
SELECT no_plan();
SET LOCAL statement_timeout = '120s';

-- 28 days of February 2017, a line a day and resource; costs of a day
CREATE TEMP TABLE line (resource text, product text, usage_type text, instance text, daily numeric, plan boolean, amount numeric);
INSERT INTO line VALUES
	('i-idle', 'AmazonEC2', 'BoxUsage:m5.large', 'm5.large', 2.4, false, 24),
	('i-busy', 'AmazonEC2', 'BoxUsage:m5.xlarge', 'm5.xlarge', 4.8, false, 24),
	('i-half', 'AmazonEC2', 'BoxUsage:m5.xlarge', 'm5.xlarge', 4.8, false, 24),
	('i-memory', 'AmazonEC2', 'BoxUsage:m5.xlarge', 'm5.xlarge', 4.8, false, 24),
	('i-night', 'AmazonEC2', 'BoxUsage:c9.large', 'c9.large', 2.4, false, 24),
	('i-plan', 'AmazonEC2', 'BoxUsage:m5.large', 'm5.large', 1.2, true, 12),
	('i-plan', 'AmazonEC2', 'BoxUsage:m5.large', 'm5.large', 1.2, false, 12),
	('i-old', 'AmazonEC2', 'BoxUsage:m4.large', 'm4.large', 2.4, false, 24),
	('i-unknown', 'AmazonEC2', 'BoxUsage:m5.large', 'm5.large', 2.4, false, 24),
	('vol-small', 'AmazonEC2', 'EBS:VolumeUsage.gp2', NULL, 1.2, false, 480 / 30.416666666667),
	('vol-large', 'AmazonEC2', 'EBS:VolumeUsage.gp2', NULL, 5, false, 2000 / 30.416666666667),
	('vol-loose', 'AmazonEC2', 'EBS:VolumeUsage.gp3', NULL, 0.8, false, 10);
CREATE FUNCTION pg_temp.load(bill text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	path text := current_setting('data_directory') || '/finops_test_rightsizing.csv';
	object oid;
BEGIN
	SELECT lo_from_bytea(0, convert_to('identity/LineItemId,bill/PayerAccountId,bill/BillingPeriodStartDate,lineItem/UsageStartDate,lineItem/UsageEndDate,lineItem/LineItemType,lineItem/ProductCode,lineItem/UsageType,lineItem/ResourceId,lineItem/UsageAmount,product/instanceType,product/region,lineItem/UnblendedCost,pricing/publicOnDemandCost,lineItem/CurrencyCode,savingsPlan/SavingsPlanARN,savingsPlan/SavingsPlanEffectiveCost' || E'\n'
		|| string_agg(concat_ws(',', row_number, '333333333333', '2017-02-01T00:00:00Z', to_char(day, 'YYYY-MM-DD"T"00:00:00"Z"'), to_char(day + interval '1 day', 'YYYY-MM-DD"T"00:00:00"Z"'),
			CASE WHEN plan THEN 'SavingsPlanCoveredUsage' ELSE 'Usage' END, product, usage_type, resource, amount, coalesce(instance, ''), 'eu-west-1', daily, daily, 'USD',
			CASE WHEN plan THEN 'arn:plan' ELSE '' END, CASE WHEN plan THEN '0.8' ELSE '' END) || E'\n', ''), 'UTF8'))
	INTO object FROM (SELECT row_number() OVER (), l.*, day FROM line l, generate_series(timestamp '2017-02-01', '2017-02-28', '1 day') day) x;
	PERFORM lo_export(object, path);
	PERFORM lo_unlink(object);
	PERFORM finops.load_bill(path, source_id => bill);
END $$;
SELECT pg_temp.load('rightsizing');
INSERT INTO finops.instance_type (instance_type, family, vcpu, memory_gib, hourly_price, successor) VALUES ('m5.large', 'm5', 2, 8, 0.1, NULL),
	('m5.xlarge', 'm5', 4, 16, 0.2, NULL), ('m5.2xlarge', 'm5', 8, 32, 0.4, NULL), ('m4.large', 'm4', 2, 8, 0.1, 'm6.large'), ('m6.large', 'm6', 2, 8, 0.09, NULL);

-- hour by hour: i-idle 2 % and 100 kB an hour; i-busy 90 %; i-half 30 % and 35 % of memory; i-memory 10 % and 45 % of memory;
-- i-night 1 % from 18 to 7 o'clock, 60 % else; i-plan as i-idle
CREATE TEMP TABLE sample AS SELECT r.resource_id, r.metric, timestamp '2017-02-01' + h * interval '1 hour' AS measured_at, CASE WHEN r.resource_id = 'i-night' AND h % 24 BETWEEN 7 AND 18 THEN 60 ELSE r.value END AS value
FROM generate_series(0, 671) h, (VALUES ('i-idle', 'cpu_pct', 2), ('i-idle', 'network_bytes', 100000), ('i-busy', 'cpu_pct', 90), ('i-busy', 'memory_pct', 20), ('i-half', 'cpu_pct', 30), ('i-half', 'memory_pct', 35),
	('i-memory', 'cpu_pct', 10), ('i-memory', 'memory_pct', 45), ('i-night', 'cpu_pct', 1), ('i-night', 'memory_pct', 50), ('i-plan', 'cpu_pct', 2), ('i-plan', 'network_bytes', 100000), ('vol-loose', 'attachments', 0)) r(resource_id, metric, value);
SELECT is(finops.load_resource_metrics('sample'), 13 * 672::bigint, 'metrics from a table');
SELECT is(finops.load_resource_metrics('SELECT * FROM sample WHERE metric = ''cpu_pct'''), 6 * 672::bigint, 'and from a query, again');
SELECT is(count(*), 13 * 672::bigint, 'a value of the same time is replaced') FROM finops.resource_metric;

CREATE TEMP TABLE found AS SELECT * FROM finops.find_rightsizing('2017-03-01');
-- a month is 730 / 24 days
SELECT results_eq($$ SELECT resource_id, rule_id, optimization_type, savings, frees_commitment FROM found WHERE resource_id LIKE 'i-%' ORDER BY 1 $$,
	$$ VALUES ('i-half', 'rightsizing', 'rightsizing', round(2.4 * 730 / 24, 4), 0.0), ('i-idle', 'idle-instance', 'terminate', 73.0, 0.0),
		('i-night', 'off-hours', 'scheduling', round(73 * 84 / 168.0, 4), 0.0), ('i-old', 'generation', 'generation', 7.3, 0.0), ('i-plan', 'idle-instance', 'terminate', 36.5, round(0.8 * 730 / 24, 4)) $$,
	'what is idle, too large, needed by day and of an old kind; of what a plan covers nothing is saved but freed');
SELECT results_eq($$ SELECT current_type, target_type, round(projected_utilisation::numeric, 6) FROM found WHERE resource_id = 'i-half' $$, $$ VALUES ('m5.xlarge', 'm5.large', 0.84) $$,
	'35 % of memory on half of it, and a fifth more, is 84 %');
SELECT ok(NOT EXISTS (SELECT FROM found WHERE resource_id IN ('i-busy', 'i-memory', 'i-unknown')), 'busy processors, 45 % of memory (108 % of half), and no metrics at all: nothing');
SELECT results_eq($$ SELECT resource_id, rule_id, savings FROM found WHERE resource_id LIKE 'vol-%' ORDER BY 1 $$,
	$$ VALUES ('vol-large', 'gp2-to-gp3', round((0.2 - 0.8 * 3000 * 0.06 / 2000) * 5 * 730 / 24, 4)), ('vol-loose', 'unattached-volume', round(0.8 * 730 / 24, 4)), ('vol-small', 'gp2-to-gp3', round(0.2 * 1.2 * 730 / 24, 4)) $$,
	'volumes: of 2,000 GB the 6,000 operations are 3,000 more than included');
SELECT ok(bool_and(presence = 1 AND confidence = 0.85), 'all hours there') FROM found WHERE rule_id = 'idle-instance';
SELECT results_eq($$ SELECT details -> 'measured' FROM found WHERE resource_id = 'i-half' $$, $$ VALUES ('{"cpu_pct quantile": 30.0000, "memory_pct max": 35.0000}'::jsonb) $$, 'what was measured');

-- metrics that are missing half of the time, a peak on one day, network on one day
DELETE FROM finops.resource_metric WHERE resource_id = 'i-half' AND date_part('hour', measured_at) >= 12;
UPDATE finops.resource_metric SET value = 50 WHERE resource_id = 'i-idle' AND metric = 'cpu_pct' AND measured_at = '2017-02-20 11:00';
UPDATE finops.resource_metric SET value = 5000000 WHERE resource_id = 'i-plan' AND metric = 'network_bytes' AND measured_at = '2017-02-20 11:00';
SELECT ok(NOT EXISTS (SELECT FROM finops.find_rightsizing('2017-03-01') WHERE resource_id = 'i-half'), 'half of the hours are too few');
SELECT ok(NOT EXISTS (SELECT FROM finops.find_rightsizing('2017-03-01') WHERE resource_id IN ('i-idle', 'i-plan') AND rule_id = 'idle-instance'), 'one peak, or one day with traffic, and it is not idle');
SELECT ok(EXISTS (SELECT FROM finops.find_rightsizing('2017-02-16') WHERE resource_id = 'i-idle' AND rule_id = 'idle-instance'), 'in the days before it was');

-- rules of your own: as many days out of 14, average with a stricter limit, quantile with a target of 80 %
INSERT INTO finops.rightsizing_rule (rule_id, description, optimization_type, lookback_days, min_presence, min_days, action, min_savings) VALUES ('mine', 'on four days', 'terminate', 14, 0.9, 4, 'Ask.', 0);
INSERT INTO finops.rightsizing_condition (rule_id, "position", metric, statistic, per_day, threshold) VALUES ('mine', 1, 'cpu_pct', 'max', true, 5), ('mine', 2, 'network_bytes', 'sum', true, 7000000);
SELECT results_eq($$ SELECT resource_id FROM finops.find_rightsizing('2017-03-01') WHERE rule_id = 'mine' ORDER BY 1 $$, $$ VALUES ('i-idle'), ('i-plan') $$, 'low on at least four days');
UPDATE finops.rightsizing_rule SET min_days = 14 WHERE rule_id = 'mine';
SELECT is_empty($$ SELECT resource_id FROM finops.find_rightsizing('2017-03-01') WHERE rule_id = 'mine' $$, 'not on all of them: of i-plan one day has 23 hours of 100 kB and 5 MB');
INSERT INTO finops.rightsizing_rule (rule_id, description, optimization_type, target, lookback_days, min_presence, action, enabled) VALUES ('rightsizing', 'none', 'rightsizing', 'smaller', 14, 0, 'No.', false);
SELECT ok(NOT EXISTS (SELECT FROM finops.find_rightsizing('2017-02-16') WHERE rule_id = 'rightsizing'), 'a row of your own takes the place of the shipped one');

-- other statistics, against plain SQL: of i-night, and of metrics by the day
INSERT INTO finops.resource_metric SELECT 'i-unknown', 'by_day', day, extract(day FROM day) FROM generate_series(timestamp '2017-02-15', '2017-02-28', '1 day') day;
INSERT INTO finops.rightsizing_rule (rule_id, description, optimization_type, lookback_days, min_presence, min_days, saving_share, action, min_savings) VALUES ('stats', 'all', 'terminate', 14, 0.9, 10, 0.9, 'Ask.', 0), ('daily', 'by day', 'terminate', 14, 1, 1, 1, 'Ask.', 0);
INSERT INTO finops.rightsizing_condition (rule_id, "position", metric, statistic, quantile, per_day, comparison, threshold) VALUES ('stats', 1, 'cpu_pct', 'cv', NULL, false, '>', 0), ('stats', 2, 'cpu_pct', 'night_share', NULL, false, '<', 0.5),
	('stats', 3, 'cpu_pct', 'weekend_share', NULL, false, '>', 0.9), ('stats', 4, 'cpu_pct', 'quantile', 0.25, true, '<=', 1), ('stats', 5, 'cpu_pct', 'avg', NULL, false, '>', 5), ('stats', 6, 'cpu_pct', 'min', NULL, false, '>=', 1),
	('daily', 1, 'by_day', 'quantile', 0.5, false, '<=', 21.5), ('daily', 2, 'by_day', 'sum', NULL, false, '>=', 301);
SELECT results_eq($$ SELECT (details #>> '{measured,cpu_pct cv}')::numeric, (details #>> '{measured,cpu_pct night_share}')::numeric, (details #>> '{measured,cpu_pct weekend_share}')::numeric, (details #>> '{measured,cpu_pct avg}')::numeric
	FROM finops.find_rightsizing('2017-03-01') WHERE rule_id = 'stats' AND resource_id = 'i-night' $$,
	$$ SELECT round((stddev_samp(value) / avg(value))::numeric, 4), round((avg(value) FILTER (WHERE extract(hour FROM measured_at) >= 22 OR extract(hour FROM measured_at) < 6) / avg(value))::numeric, 4), 1.0000, round(avg(value)::numeric, 4)
	FROM finops.resource_metric WHERE resource_id = 'i-night' AND metric = 'cpu_pct' AND measured_at >= '2017-02-15' AND measured_at < '2017-03-01' $$, 'statistics, against their definition');
SELECT results_eq($$ SELECT presence, (details #>> '{measured,by_day quantile}')::numeric, (details #>> '{measured,by_day sum}')::numeric FROM finops.find_rightsizing('2017-03-01') WHERE rule_id = 'daily' $$,
	$$ VALUES (1::float8, 21.5000, 301.0000) $$, 'metrics by the day: all days are there');

-- files
CREATE FUNCTION pg_temp.file(content text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	path text := current_setting('data_directory') || '/finops_test_metrics.csv';
	object oid := lo_from_bytea(0, convert_to(content, 'UTF8'));
BEGIN
	PERFORM lo_export(object, path);
	PERFORM lo_unlink(object);
	RETURN finops.load_resource_metrics(path);
END $$;
SELECT is(pg_temp.file(E'value,metric,resource_id,measured_at,unit\n1.5,cpu_pct,i-file,2017-02-01T00:00:00Z,x\n\n2e1, cpu_pct ,i-file,2017-02-01 03:00+02:00,x\n3,cpu_pct,i-file,2017-02-01 01:00,x\n'), 2::bigint, 'a file, columns in any order; the last of one time counts');
SELECT results_eq($$ SELECT measured_at, value FROM finops.resource_metric WHERE resource_id = 'i-file' ORDER BY 1 $$, $$ VALUES (timestamp '2017-02-01 00:00', 1.5::float8), ('2017-02-01 01:00', 3) $$, 'in UTC');
SELECT throws_ok($$ SELECT pg_temp.file(E'resource_id,metric,measured_at,value\na,b,2017-02-01,NaN\n') $$, '22P04', NULL, 'a value that is no number');
SELECT throws_ok($$ SELECT pg_temp.file(E'resource_id,metric,measured_at,value\na,b,2017-02-01,1\na,b,yesterday,1\n') $$, '22P04', 'line 3 has no valid measured_at', 'a time that is none, with its line');
SELECT throws_ok($$ SELECT pg_temp.file(E'resource_id,metric,measured_at,value\na,b\n') $$, '22P04', NULL, 'a short line');
SELECT throws_ok($$ SELECT pg_temp.file(E'resource_id,metric,value\n') $$, '22P04', NULL, 'a column that is missing');
SELECT throws_ok($$ SELECT pg_temp.file('') $$, '22P04', NULL, 'an empty file');
SELECT throws_ok($$ SELECT pg_temp.file(E'resource_id,metric,measured_at,value\na,"b,2017-02-01,1\n') $$, '22P04', NULL, 'a quote that does not end');
SELECT throws_ok($$ SELECT finops.load_resource_metrics('/no/such/file.csv') $$, '58P01', NULL, 'no such file');
SELECT throws_ok($$ SELECT finops.load_resource_metrics('no_such_table') $$, '42P01', NULL, 'no such table');
SELECT throws_ok($$ SELECT finops.load_resource_metrics(NULL) $$, '22004', NULL, 'nothing to load');
SELECT throws_ok($$ SELECT finops.load_resource_metrics('SELECT ''a'' AS resource_id, NULL AS metric, now() AS measured_at, 1 AS value') $$, '22004', NULL, 'a metric without a name');
SELECT throws_ok($$ SELECT finops.load_resource_metrics('SELECT ''a'' AS resource_id, ''b'' AS metric, now() AS measured_at, ''Infinity''::float8 AS value') $$, '23514', NULL, 'a value without end');
SELECT throws_ok($$ SELECT * FROM finops.find_rightsizing(NULL) $$, '22004', NULL, 'no day');
SELECT throws_ok($$ SELECT * FROM finops.find_rightsizing('-infinity') $$, '22023', NULL, 'no finite day');
SELECT throws_ok($$ UPDATE finops.rightsizing_condition SET threshold = 'NaN' WHERE rule_id = 'mine' $$, '23514', NULL, 'a limit that is no number');
SELECT is_empty($$ SELECT * FROM finops.find_rightsizing('2001-01-01') $$, 'before the first bill');

-- what runs on weekdays only costs nothing at weekends, at the end of the window neither: 18 of 26 days, from the 1st to Sunday 26
DELETE FROM fact_cost_raw WHERE line_item_resource_id = 'i-idle' AND extract(isodow FROM line_item_usage_start_date) >= 6;
SELECT results_eq($$ SELECT rule_id, current_cost FROM finops.find_rightsizing('2017-02-27') WHERE resource_id = 'i-idle' $$,
	$$ VALUES ('off-hours', round(73.0 * 18 / 26, 4)) $$, 'days without cost count');

SELECT * FROM finish();
ROLLBACK;

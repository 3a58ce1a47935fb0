-- Anomalies of daily cost: one cause is one finding, late cost is judged again,
-- what people said is learned.  Costs are 100 + 10 a + s on weekdays, 0.6 of
-- it at weekends, and within 2 % of that.
BEGIN;
SELECT no_plan();

CREATE FUNCTION pg_temp.cost(d date, a int, s int) RETURNS numeric LANGUAGE sql AS $$
	SELECT round((100 + 10 * a + s) * CASE WHEN extract(isodow FROM d) >= 6 THEN 0.6 ELSE 1 END * (1 + ((d - '2000-01-01'::date) * 31 + a * 7 + s * 13) % 21 / 1000.0), 4)
$$;
INSERT INTO finops.cost_daily (billing_period, usage_date, source, provider, account_id, service, tenant_id, charge_category, currency, billed_cost, effective_cost, line_items)
SELECT date_trunc('month', d)::date, d::date, 't', 'aws', 'a' || a, 's' || s, 't' || a % 3, 'Usage', 'USD', c, c, 10
FROM generate_series('2025-01-01'::timestamp, '2025-10-31', '1 day') d, generate_series(1, 4) a, generate_series(1, 5) s, pg_temp.cost(d::date, a, s) c;

SELECT is_empty($$SELECT * FROM finops.detect_anomalies('2025-09-01')$$, 'an even estate has no findings');
SELECT is(count(*)::int, 1 + 1 + 4 + 5 + 3 + 20, 'every series is known afterwards') FROM finops.anomaly_series;

-- four times the cost of one service of one account, three days
UPDATE finops.cost_daily SET effective_cost = effective_cost * 4 WHERE account_id = 'a2' AND service = 's3' AND usage_date BETWEEN '2025-09-16' AND '2025-09-18';
SELECT results_eq($$SELECT dimension, key, direction, first_day, last_day, days FROM finops.detect_anomalies('2025-09-20')$$,
	$$VALUES ('account_service', 'a2 s3', 'rise', '2025-09-16'::date, '2025-09-18'::date, 3)$$, 'one cause is one finding');
SELECT ok(count(*) >= 3 AND bool_and(explained_by = (SELECT f.anomaly_id FROM finops.anomaly f WHERE f.dimension = 'account_service')), 'what contains it points at it')
FROM finops.anomaly WHERE dimension IN ('account', 'service', 'total', 'provider', 'tenant');
-- three days of 3 * 123, give or take what was expected
SELECT ok(abs(impact - 3 * 3 * 123) < 30, 'the impact is what it cost more') FROM finops.anomaly WHERE dimension = 'account_service';
CREATE TEMP TABLE before AS SELECT * FROM finops.anomaly;
SELECT count(*) FROM finops.detect_anomalies('2025-09-20') \g /dev/null
SELECT set_eq($$SELECT * FROM finops.anomaly$$, $$SELECT * FROM before$$, 'a second run changes nothing');

-- states as a server of the other byte order left them, of which only the first eight bytes are made here
CREATE TEMP TABLE odd AS SELECT dimension, key, day FROM finops.anomaly_day;
UPDATE finops.anomaly_series SET state = overlay(state PLACING '\x6643573300000001' FROM 1);
SELECT count(*) FROM finops.detect_anomalies('2025-09-20') \g /dev/null
SELECT set_eq($$SELECT dimension, key, day FROM finops.anomaly_day$$, $$SELECT * FROM odd$$, 'series whose state cannot be read are learned from all of their days');
UPDATE finops.anomaly_series SET state = set_byte(state, 7, 255) WHERE dimension = 'total';
SELECT throws_ok($$SELECT * FROM finops.detect_anomalies('2025-09-20')$$, 'XX001', NULL, 'a damaged state is refused');
DELETE FROM finops.anomaly_series;

-- an outage of an account, and late cost that fills it
UPDATE finops.cost_daily SET effective_cost = 0 WHERE account_id = 'a4' AND usage_date = '2025-10-07';
SELECT ok(bool_or(dimension = 'account' AND key = 'a4' AND direction = 'drop' AND first_day = '2025-10-07'), 'a drop is found') FROM finops.detect_anomalies('2025-10-09');
SELECT is(count(*)::int, 1, 'and is one finding') FROM finops.anomaly WHERE first_day = '2025-10-07' AND explained_by IS NULL AND state = 'open';
UPDATE finops.cost_daily SET effective_cost = pg_temp.cost(usage_date, 4, right(service, 1)::int) WHERE account_id = 'a4' AND usage_date = '2025-10-07';
SELECT count(*) FROM finops.detect_anomalies('2025-10-10') \g /dev/null
SELECT ok(count(*) > 0 AND bool_and(state = 'withdrawn'), 'it is withdrawn when its cost arrives late') FROM finops.anomaly WHERE first_day = '2025-10-07';

-- the newest day is not judged while its bill is incomplete
DELETE FROM finops.cost_daily WHERE usage_date > '2025-10-14';
UPDATE finops.cost_daily SET effective_cost = effective_cost / 10, line_items = 1 WHERE usage_date = '2025-10-13';
SELECT is(count(*)::int, 0, 'an incomplete day has no verdict') FROM finops.detect_anomalies('2025-10-15') WHERE last_day = '2025-10-13';
UPDATE finops.cost_daily SET effective_cost = effective_cost * 10, line_items = 10 WHERE usage_date = '2025-10-13';
INSERT INTO finops.cost_daily (billing_period, usage_date, source, provider, account_id, service, tenant_id, charge_category, currency, billed_cost, effective_cost, line_items)
SELECT date_trunc('month', d)::date, d::date, 't', 'aws', 'a' || a, 's' || s, 't' || a % 3, 'Usage', 'USD', c, c, 10
FROM generate_series('2025-10-15'::timestamp, '2025-10-31', '1 day') d, generate_series(1, 4) a, generate_series(1, 5) s, pg_temp.cost(d::date, a, s) c;

-- feedback
SELECT lives_ok($$SELECT finops.judge_anomaly((SELECT anomaly_id FROM finops.anomaly WHERE dimension = 'account_service' AND key = 'a2 s3'), 'expected', 'load test')$$, 'a verdict');
UPDATE finops.cost_daily SET effective_cost = effective_cost * 4 WHERE account_id = 'a2' AND service = 's3' AND usage_date = '2025-10-21';
UPDATE finops.cost_daily SET effective_cost = effective_cost * 9 WHERE account_id = 'a1' AND service = 's1' AND usage_date = '2025-10-21';
SELECT count(*) FROM finops.detect_anomalies('2025-10-23') \g /dev/null
SELECT is(state, 'expected', 'what is like an expected one is expected') FROM finops.anomaly WHERE key = 'a2 s3' AND first_day = '2025-10-21';
SELECT is(state, 'open', 'another series is not') FROM finops.anomaly WHERE key = 'a1 s1' AND first_day = '2025-10-21';

-- refusals
SELECT throws_ok($$SELECT finops.judge_anomaly(1, 'perhaps')$$, '22023', 'verdict "perhaps" is unknown', 'an unknown verdict');
SELECT throws_ok($$SELECT finops.judge_anomaly(-1, 'expected')$$, 'P0002', 'anomaly -1 does not exist', 'an unknown anomaly');
SELECT throws_ok($$SELECT * FROM finops.detect_anomalies(NULL)$$, '22004', 'as_of must not be null', 'no day');
SELECT throws_ok($$SELECT * FROM finops.detect_anomalies('infinity')$$, '22023', NULL, 'no finite day');
SELECT throws_ok($$INSERT INTO finops.anomaly_policy (dimension) VALUES ('colour')$$, '23514', NULL, 'a dimension that does not exist');
SELECT throws_ok($$INSERT INTO finops.anomaly_policy (dimension, sensitivity) VALUES ('total', 'NaN')$$, '23514', NULL, 'a sensitivity that is none');

-- scores of streams
SELECT is(finops.anomaly_scores(ARRAY[1, 2, 3]), ARRAY[0, 0, 0]::float8[], 'too few values have no score');
WITH s AS (SELECT array_agg(CASE WHEN i = 700 THEN 50 ELSE i * 7919 % 1009 / 100.0 END::float8 ORDER BY i) AS y FROM generate_series(1, 1000) i),
r AS (SELECT i, score FROM s, unnest(finops.anomaly_scores(s.y)) WITH ORDINALITY u(score, i))
SELECT ok((SELECT score FROM r WHERE i = 700) = (SELECT max(score) FROM r) AND (SELECT count(*) FROM r WHERE score > 0.675) = 1, 'a value never seen stands out');
WITH RECURSIVE run AS (
	SELECT 1 AS i, n.state, n.score FROM finops.anomaly_next(NULL, 5) n
	UNION ALL
	SELECT r.i + 1, n.state, n.score FROM run r, LATERAL finops.anomaly_next(r.state, (r.i + 1) * 7919 % 13 + CASE WHEN r.i = 250 THEN 90 ELSE 0 END) n WHERE r.i < 260)
SELECT is((SELECT array_agg(score ORDER BY i) FROM run), finops.anomaly_scores((SELECT array_agg(CASE WHEN i = 1 THEN 5 ELSE i * 7919 % 13 + CASE WHEN i = 251 THEN 90 ELSE 0 END END::float8 ORDER BY i) FROM generate_series(1, 260) i)),
	'a stream has the scores of its series');
SELECT throws_ok($$SELECT finops.anomaly_next('\x00', 1)$$, '22023', 'state is not one of finops.anomaly_next()', 'a state that is none');
SELECT throws_ok($$SELECT finops.anomaly_next(NULL, 'NaN')$$, '22023', NULL, 'a value that is none');
SELECT throws_ok($$SELECT finops.anomaly_scores('{}')$$, '22023', 'series is empty', 'no series');
SELECT throws_ok($$SELECT finops.anomaly_scores('{1,NULL}')$$, '22023', NULL, 'a missing value');
SELECT throws_ok($$SELECT finops.anomaly_scores('{1,2}', 0)$$, '22023', 'season length must be between 1 and 100000, not 0', 'no season');

-- a service that all tenants use costs five times as much: nobody wants a finding for each tenant
DELETE FROM finops.cost_daily;
DELETE FROM finops.anomaly;
DELETE FROM finops.anomaly_day;
DELETE FROM finops.anomaly_series;
INSERT INTO finops.cost_daily (billing_period, usage_date, source, provider, account_id, service, tenant_id, charge_category, currency, billed_cost, effective_cost, line_items)
SELECT date_trunc('month', d)::date, d::date, 't', 'aws', 'a' || a, 's' || s, 't' || a % 3, 'Usage', 'USD', c, c, 10
FROM generate_series('2025-01-01'::timestamp, '2025-04-30', '1 day') d, generate_series(1, 4) a, generate_series(1, 5) s,
	LATERAL (SELECT pg_temp.cost(d::date, a, s) * CASE WHEN s = 2 AND d IN ('2025-04-15', '2025-04-16') THEN 5 ELSE 1 END AS c) x;
SELECT results_eq($$SELECT dimension, key FROM finops.detect_anomalies('2025-04-25')$$, $$VALUES ('service', 's2')$$, 'a service is one finding, not one for each tenant that uses it');
SELECT is(count(*)::int, 3, 'tenants have their share of it') FROM finops.anomaly
WHERE dimension = 'tenant' AND explained_by IS NOT NULL;

SELECT * FROM finish();
ROLLBACK;

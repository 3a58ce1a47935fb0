-- Room insight: which commitments to buy, from the facts
BEGIN;
SELECT no_plan();
SET LOCAL statement_timeout = '200s';

-- Four weeks from Monday 2017-05-01 on, hour by hour, on demand: m5 in account 1 at 10.00 in office hours and 4.00 else,
-- r5 in account 2 at 3.00 always; disks, spot and requests of no offer beside them.
CREATE TEMP TABLE line AS
SELECT timestamp '2017-05-01' + h * interval '1 hour' AS at, l.*,
	CASE l.usage_type WHEN 'BoxUsage:m5.xlarge' THEN CASE WHEN h / 24 % 7 < 5 AND h % 24 BETWEEN 8 AND 17 THEN 10 ELSE 4 END ELSE l.hourly END AS cost
FROM generate_series(0, 671) h, (VALUES ('111111111111', 'BoxUsage:m5.xlarge', 'm5.xlarge', 0), ('222222222222', 'BoxUsage:r5.large', 'r5.large', 3),
	('111111111111', 'EBS:VolumeUsage.gp3', NULL, 1), ('111111111111', 'SpotUsage:m5.large', 'm5.large', 2)) l(account, usage_type, instance, hourly);

CREATE FUNCTION pg_temp.load(bill text, condition text, month text DEFAULT '2017-05-01') RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	path text := current_setting('data_directory') || '/finops_test_recommend.csv';
	object oid;
BEGIN
	EXECUTE format('SELECT lo_from_bytea(0, convert_to(''identity/LineItemId,bill/PayerAccountId,bill/BillingPeriodStartDate,lineItem/UsageAccountId,lineItem/UsageStartDate,lineItem/UsageEndDate,lineItem/LineItemType,lineItem/ProductCode,lineItem/UsageType,product/instanceType,product/region,lineItem/UnblendedCost,pricing/publicOnDemandCost,lineItem/CurrencyCode,savingsPlan/SavingsPlanARN,savingsPlan/SavingsPlanEffectiveCost'' || E''\n''
		|| string_agg(concat_ws('','', row_number, ''999999999999'', %L || ''T00:00:00Z'', account, to_char(at, ''YYYY-MM-DD"T"HH24:MI:SS"Z"''), to_char(at + length, ''YYYY-MM-DD"T"HH24:MI:SS"Z"''),
			type, ''AmazonEC2'', usage_type, coalesce(instance, ''''), ''eu-west-1'', cost, cost, ''USD'', plan, paid) || E''\n'', ''''), ''UTF8''))
		FROM (SELECT row_number() OVER (), * FROM (%s) x) l', month, condition) INTO object;
	PERFORM lo_export(object, path);
	PERFORM lo_unlink(object);
	PERFORM finops.load_bill(path, source_id => bill);
END $$;
SELECT pg_temp.load('recommend', $$SELECT at, interval '1 hour' AS length, account, 'Usage' AS type, usage_type, instance, cost, '' AS plan, '' AS paid FROM line$$);

SELECT is_empty($$ SELECT * FROM finops.recommend_commitments('2017-05-29') $$, 'nothing is on offer');
INSERT INTO finops.commitment_offer (offer_id, kind, step, upfront_share) VALUES ('compute-1y', 'flexible', 0.01, 0), ('m5-1y', 'family', 0.01, 1);
INSERT INTO finops.commitment_rate (offer_id, service, region, family, usage_type, discount) VALUES ('compute-1y', 'AmazonEC2', NULL, 'm5', NULL, 0.25),
	('compute-1y', 'AmazonEC2', NULL, 'r5', NULL, 0.2), ('compute-1y', 'AmazonEC2', NULL, NULL, 'SpotUsage:m5.large', 0.5);

-- compute alone: r5 (20 %) comes after m5 (25 %).  250 of 672 hours have 10.00 of m5, so the part above 4.00 is used 29.8 % < 75 % of the time:
-- 4.00 x 0.75 + 3.00 x 0.80 = 5.40 an hour; in office hours 6.00 of 10.00 more would come first, still all of it used.
CREATE FUNCTION pg_temp.cost_of(c numeric) RETURNS numeric LANGUAGE sql AS $$
	SELECT c * 730 + 730 * avg(m5 - least(m5, c / 0.75) + 3 - least(3, greatest(c - m5 * 0.75, 0) / 0.8))
	FROM (SELECT at, sum(cost) AS m5 FROM line WHERE usage_type LIKE '%m5.x%' GROUP BY 1) h $$;
SELECT results_eq($$ SELECT offer_id, kind, term_months, hourly, upfront, monthly_fee FROM finops.recommend_commitments('2017-05-29', '{"offers": ["compute-1y"], "lag_days": 0}') WHERE offer_id IS NOT NULL $$,
	$$ VALUES ('compute-1y', 'flexible', 12, 5.4, 0.0, 3942.0) $$, 'the flexible plan alone, by hand');
SELECT is(hourly, (SELECT c FROM (SELECT g / 100.0 AS c FROM generate_series(0, 1000) g) g ORDER BY pg_temp.cost_of(c), c LIMIT 1), 'as every amount tried says')
FROM finops.recommend_commitments('2017-05-29', '{"offers": ["compute-1y"], "lag_days": 0}') WHERE offer_id IS NOT NULL;
SELECT ok(abs(cost - pg_temp.cost_of(5.4)) < 0.000001 AND abs(cost_before - pg_temp.cost_of(0)) < 0.000001 AND abs(savings - (cost_before - cost)) < 0.000001
	AND on_demand = cost_before AND abs(cost - monthly_fee - remaining) < 0.000001, 'and its cost, against the definition')
FROM finops.recommend_commitments('2017-05-29', '{"offers": ["compute-1y"], "lag_days": 0}') WHERE offer_id IS NULL;
SELECT ok(abs(effective_savings_rate - coverage * (1 - (1 - discount) / utilisation)) < 1e-9 AND abs(break_even_utilisation - (1 - discount)) < 1e-11, 'the identity of the ratios')
FROM finops.recommend_commitments('2017-05-29', '{"offers": ["compute-1y"], "lag_days": 0}') WHERE offer_id IS NULL;
SELECT ok(savings_p10 <= savings_p50 AND savings_p50 <= savings_p90 AND abs(savings_p50 - savings) < 0.000001, 'four equal weeks differ in nothing')
FROM finops.recommend_commitments('2017-05-29', '{"offers": ["compute-1y"], "lag_days": 0}') WHERE offer_id IS NULL;

-- both: the family plan at 40 % takes 4.00 of m5, and 29.8 % of the time is not enough for the rest; the flexible plan covers 3.20 of that in
-- the 50 office hours of a week, 3.00 of r5 in the others
INSERT INTO finops.commitment_rate (offer_id, family, discount) VALUES ('m5-1y', 'm5', 0.4);
SELECT results_eq($$ SELECT offer_id, kind, hourly, upfront, break_even_months, payback_months FROM finops.recommend_commitments('2017-05-29', '{"lag_days": 0}') WHERE offer_id IS NOT NULL ORDER BY 1 $$,
	$$ VALUES ('compute-1y', 'flexible', 2.4, 0.0, round(12 * 2.4 / ((50 * 3.2 + 118 * 3) / 168), 12), NULL::numeric), ('m5-1y', 'family', 2.4, 21024.0, 7.2, 7.2) $$, 'two offers together, by hand: upfront is 2.40 x 8760, paid back in 7.2 months');
SELECT ok(cost <= greedy_cost AND savings > 0, 'never dearer than one after another') FROM finops.recommend_commitments('2017-05-29', '{"lag_days": 0}') WHERE offer_id IS NULL;
SELECT results_eq($$ SELECT offer_id, hourly FROM finops.recommend_commitments('2017-05-29', '{"lag_days": 0, "upfront_limit": 8760}') WHERE offer_id = 'm5-1y' $$,
	$$ VALUES ('m5-1y', 1.0) $$, 'no more upfront than there is cash');
SELECT results_eq($$ SELECT offer_id, upfront FROM finops.recommend_commitments('2017-05-29', '{"lag_days": 0, "upfront_limit": 0}') WHERE offer_id IS NOT NULL $$,
	$$ VALUES ('compute-1y', 0.0) $$, 'and nothing upfront where there is none');
SELECT ok(coverage <= 0.25, 'no more than a share of it') FROM finops.recommend_commitments('2017-05-29', '{"lag_days": 0, "max_share": 0.25}') WHERE offer_id IS NULL;
SELECT results_eq($$ SELECT a, b, c FROM (SELECT savings_p10, savings_p50, savings_p90 FROM finops.recommend_commitments('2017-05-29', '{"lookback_days": 10, "lag_days": 0, "seed": 7}') WHERE offer_id IS NULL) x(a, b, c) $$,
	$$ SELECT savings_p10, savings_p50, savings_p90 FROM finops.recommend_commitments('2017-05-29', '{"lookback_days": 10, "lag_days": 0, "seed": 7}') WHERE offer_id IS NULL $$, 'the same seed, the same draws');
-- the last two days are a weekend: 7.00 an hour, so a guard of two days changes nothing; and of an offer there is no more than that
UPDATE finops.commitment_offer SET most_hourly = 1.5 WHERE offer_id = 'm5-1y';
SELECT results_eq($$ SELECT offer_id, hourly FROM finops.recommend_commitments('2017-05-29', '{"lag_days": 0, "guard_days": 2}') WHERE offer_id IS NOT NULL ORDER BY 1 $$,
	$$ VALUES ('compute-1y', 3.52), ('m5-1y', 1.5) $$, 'no more than an offer allows: what of m5 is left, 1.50, goes to the flexible plan');
UPDATE finops.commitment_offer SET most_hourly = NULL, kind = 'reservation', step = 0.7 WHERE offer_id = 'm5-1y';
SELECT results_eq($$ SELECT units, hourly FROM finops.recommend_commitments('2017-05-29', '{"lag_days": 0, "offers": ["m5-1y"]}') WHERE offer_id IS NOT NULL $$,
	$$ VALUES (3.0, 2.1) $$, 'reservations are bought in whole units');
UPDATE finops.commitment_offer SET kind = 'family', step = 0.01 WHERE offer_id = 'm5-1y';

-- the curve: least at 2.40, none at nothing
SELECT ok(count(*) = 11 AND min(savings) FILTER (WHERE hourly = 0) = 0 AND max(hourly) = 6 AND (array_agg(hourly ORDER BY cost))[1] = 2.4, 'points of the curve')
FROM finops.commitment_curve('2017-05-29', 'm5-1y', 11, '{"lag_days": 0}');
SELECT ok(bool_and(abs(cost - (monthly_fee + 730 * (SELECT avg(m5 - least(m5, hourly / 0.6)) FROM (SELECT sum(cost) AS m5 FROM line WHERE usage_type LIKE '%m5.x%' GROUP BY at) h))) < 0.000001), 'each by definition')
FROM finops.commitment_curve('2017-05-29', 'm5-1y', 7, '{"lag_days": 0, "offers": ["m5-1y"]}');

-- bought already, until the end of September: 1.00 an hour.  Usage that the bill shows under it is demand again.
INSERT INTO finops.commitment (commitment_id, offer_id, hourly, ends_at) VALUES ('arn:aws:savingsplans::1:savingsplan/A', 'm5-1y', 1, '2017-09-26');
SELECT results_eq($$ SELECT offer_id, hourly FROM finops.recommend_commitments('2017-05-29', '{"lag_days": 0, "offers": ["m5-1y"]}') WHERE offer_id IS NOT NULL $$,
	$$ VALUES ('m5-1y', 2.4) $$, 'what ends after 120 of 365 days is replaced: 1.00 more would lie idle for a third of the time, and saves for two');
UPDATE finops.commitment SET ends_at = '2018-03-26';
SELECT results_eq($$ SELECT offer_id, hourly FROM finops.recommend_commitments('2017-05-29', '{"lag_days": 0, "offers": ["m5-1y"]}') WHERE offer_id IS NOT NULL $$,
	$$ VALUES ('m5-1y', 1.4) $$, 'what stays for most of the term is not bought again');
SELECT results_eq($$ SELECT tranche, buy_date, target_hourly, buy_hourly, bought_hourly FROM finops.commitment_ladder('2017-05-29', 2, '{"lag_days": 0, "offers": ["m5-1y"]}') WHERE offer_id IS NOT NULL $$,
	$$ VALUES (1, date '2017-05-29', 1.4, 0.7, 0.7), (2, '2017-06-29', 1.4, 0.7, 1.4) $$, 'a ladder of two');
SELECT ok(bool_and(cost_of_waiting >= 0) AND max(cost_of_waiting) FILTER (WHERE tranche = 1) > 0 AND max(cost_of_waiting) FILTER (WHERE tranche = 2) = 0, 'and what waiting costs')
FROM finops.commitment_ladder('2017-05-29', 2, '{"lag_days": 0, "offers": ["m5-1y"]}') WHERE offer_id IS NULL;
SELECT is(round(cost_of_waiting, 6), round(0.7 * 730 * (1 / 0.6 - 1), 6), 'half of it, all of which would be used')
FROM finops.commitment_ladder('2017-05-29', 2, '{"lag_days": 0, "offers": ["m5-1y"]}') WHERE offer_id IS NULL AND tranche = 1;
DELETE FROM finops.commitment;

-- a line of a day is spread over its hours
SELECT pg_temp.load('recommend', $$SELECT date_trunc('day', at) AS at, interval '1 day' AS length, account, 'Usage' AS type, usage_type, instance, sum(cost) AS cost, '' AS plan, '' AS paid FROM line GROUP BY 1, account, usage_type, instance$$);
SELECT results_eq($$ SELECT offer_id, hourly FROM finops.recommend_commitments('2017-05-29', '{"lag_days": 0, "offers": ["m5-1y"]}') WHERE offer_id IS NOT NULL $$,
	$$ VALUES ('m5-1y', 3.9) $$, 'of days, 20 at 6.50 an hour and 8 at 4.00: 71 % is enough for all of 6.50');

-- forecast demand: ten weeks that grow by 0.02 a day
CREATE FUNCTION pg_temp.growing(month date) RETURNS void LANGUAGE sql AS $$
	SELECT pg_temp.load('growing-' || month, format($q$SELECT at, interval '1 hour' AS length, '555' AS account, 'Usage' AS type, 'BoxUsage:z1.large' AS usage_type, 'z1.large' AS instance,
		round(4 + 0.02 * (at::date - date '2017-01-01'), 4) AS cost, '' AS plan, '' AS paid FROM generate_series(timestamp %L, timestamp %L + interval '1 month' - interval '1 hour', '1 hour') at$q$, month, month), to_char(month, 'YYYY-MM-DD')) $$;
SELECT pg_temp.growing(m::date) FROM generate_series(timestamp '2017-01-01', '2017-03-01', '1 month') m \g /dev/null
INSERT INTO finops.commitment_offer (offer_id, kind, step) VALUES ('z1', 'family', 0.01);
INSERT INTO finops.commitment_rate (offer_id, family, discount) VALUES ('z1', 'z1', 0.3);
CREATE TEMP TABLE seen AS SELECT 'past' AS demand, * FROM finops.recommend_commitments('2017-04-01', '{"lag_days": 0, "offers": ["z1"]}') WHERE offer_id IS NULL;
INSERT INTO seen SELECT 'forecast', * FROM finops.recommend_commitments('2017-04-01', '{"lag_days": 0, "offers": ["z1"], "demand": "forecast"}') WHERE offer_id IS NULL;
-- the last 28 days are 5.24 to 5.78 an hour; a year on with that trend they would be 9.36 on average
SELECT ok(abs(on_demand - 730 * 5.51) < 0.001, 'past demand is that of the last weeks') FROM seen WHERE demand = 'past';
SELECT ok(on_demand BETWEEN 730 * 6.5 AND 730 * 11 AND hourly > (SELECT hourly FROM seen WHERE demand = 'past'), 'forecast demand grows, and with it what to buy') FROM seen WHERE demand = 'forecast';
SELECT ok(cost <= cost_before AND cost <= greedy_cost AND savings_p10 <= savings_p90, 'and is as consistent') FROM seen WHERE demand = 'forecast';

SELECT throws_ok($$ SELECT * FROM finops.recommend_commitments(NULL) $$, '22004', NULL, 'no day');
SELECT throws_ok($$ SELECT * FROM finops.recommend_commitments('infinity') $$, '22023', NULL, 'no finite day');
SELECT throws_ok($$ SELECT * FROM finops.recommend_commitments('2017-05-29', '{"lookback": 3}') $$, '22023', NULL, 'an unknown option');
SELECT throws_ok($$ SELECT * FROM finops.recommend_commitments('2017-05-29', '{"max_share": 2}') $$, '22023', NULL, 'a share above one');
SELECT throws_ok($$ SELECT * FROM finops.recommend_commitments('2017-05-29', '{"max_share": 0}') $$, '22023', NULL, 'a share of nothing');
SELECT throws_ok($$ SELECT * FROM finops.recommend_commitments('2017-05-29', '{"demand": "forecast", "lag_days": 0}') $$, '55000', NULL, 'too little to forecast from');
SELECT throws_ok($$ SELECT * FROM finops.commitment_curve('2017-05-29', 'none') $$, '22023', NULL, 'an unknown offer');
SELECT throws_ok($$ SELECT * FROM finops.commitment_curve('2017-05-29', 'm5-1y', 1) $$, '22023', NULL, 'a curve of one point');
SELECT throws_ok($$ SELECT * FROM finops.commitment_ladder('2017-05-29', 0) $$, '22023', NULL, 'a ladder without rungs');
SELECT throws_ok($$ INSERT INTO finops.commitment_rate (offer_id, discount) VALUES ('m5-1y', 'NaN') $$, '23514', NULL, 'a discount that is no number');
SELECT throws_ok($$ INSERT INTO finops.commitment_offer (offer_id, kind, most_hourly) VALUES ('x', 'family', 'NaN') $$, '23514', NULL, 'a limit that is no number');
SELECT throws_ok($$ SELECT * FROM finops.recommend_commitments('2017-05-29', '{"offers": ["m5-1y", "m5-1j"]}') $$, '22023', 'there is no offer "m5-1j"', 'an offer that is misspelt is not one that is not worth buying');
SELECT throws_ok($$ INSERT INTO finops.commitment (commitment_id, offer_id, hourly) VALUES ('x', 'm5-1y', 'NaN') $$, '23514', NULL, 'an amount that is no number');
SELECT is_empty($$ SELECT * FROM finops.recommend_commitments('2016-01-01') $$, 'before the first bill');

SELECT * FROM finish();
ROLLBACK;

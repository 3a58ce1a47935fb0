-- The life of a model: training, activation, stored forecasts, drift, features and checks of a source.
BEGIN;
SELECT * FROM no_plan();
SET LOCAL client_min_messages = warning;

CREATE FUNCTION pg_temp.raises(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	hint text;
BEGIN
	EXECUTE statement;
	RETURN 'none';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	RETURN SQLSTATE || CASE WHEN hint = '' THEN ' no hint' ELSE '' END;
END $$;
CREATE FUNCTION pg_temp.cost(i int) RETURNS numeric LANGUAGE sql IMMUTABLE AS
$$ SELECT (200 + 2 * i + 30 * sin(2 * pi() * i / 12) + (hashint4(i) & 255) / 32.0)::numeric $$;

CREATE TABLE fc_life AS
SELECT (date '2020-01-01' + i * interval '1 month')::date AS month, pg_temp.cost(i) AS cost FROM generate_series(0, 71) AS i;

-- training

SELECT results_eq($$ SELECT model_version, status, rmse_ratio < 1, candidates FROM finops.train_model('fc', 'fc_life', 'month', 'cost', '{"horizon": 6, "models": ["ets", "theta", "holt_winters", "naive"], "windows": [0, 36]}') $$,
	$$ VALUES ('v1', 'ACTIVE', true, 8) $$, 'a model is trained and active');
SELECT is((SELECT (performance_metrics ->> 'rmse')::float8 FROM tbl_ml_model_registry WHERE model_name = 'fc'),
	(SELECT min((c ->> 'rmse')::float8) FROM tbl_ml_model_registry, jsonb_array_elements(performance_metrics -> 'candidates') c WHERE model_name = 'fc'), 'the best of the grid was taken');
SELECT results_eq($$ SELECT round(r.rmse::numeric, 6), round(r.mase::numeric, 6) FROM tbl_ml_model_registry g, (SELECT array_agg(cost::float8 ORDER BY month) AS y FROM fc_life) s,
	finops.backtest_report(s.y, '{6}', 12, ARRAY[g.hyperparameters ->> 'model'], 5, CASE WHEN g.hyperparameters ->> 'window' = '0' THEN '{}'::jsonb ELSE '{"window": "sliding", "window_size": 36}' END) r
	WHERE g.model_name = 'fc' AND r.horizon IS NULL $$,
	$$ SELECT round((performance_metrics ->> 'rmse')::numeric, 6), round((performance_metrics ->> 'mase')::numeric, 6) FROM tbl_ml_model_registry WHERE model_name = 'fc' $$, 'with the errors that a backtest has');
SELECT results_eq($$ SELECT count(*), count(DISTINCT b.fold), bool_and(b.test_start > b.train_end), round(sqrt(avg(b.mse))::numeric, 9) = round((min(r.metrics ->> 'rmse'))::numeric, 9)
	FROM forecast.backtest b JOIN forecast.run r USING (run_id) WHERE r.run_name = 'Train_fc_v1' $$, $$ VALUES (5::bigint, 5::bigint, true, true) $$, 'run and folds are kept');
SELECT results_eq($$ SELECT count(*), min(target_at), max(target_at), bool_and(lower_95 < lower_80 AND lower_80 < mean AND mean < upper_80 AND upper_80 < upper_95) FROM forecast.prediction WHERE model_name = 'fc' $$,
	$$ VALUES (6::bigint, timestamp '2026-01-01', timestamp '2026-06-01', true) $$, 'and what it forecasts');
SELECT results_eq($$ SELECT model_version, status FROM finops.train_model('fc', options => '{"horizon": 6, "models": ["naive"], "max_rmse_ratio": 0.0001}') $$, $$ VALUES ('v2', 'FAILED') $$, 'a version that fails its gate');
SELECT is((SELECT model_version FROM tbl_ml_model_registry WHERE model_name = 'fc' AND status = 'ACTIVE'), 'v1', 'is not activated');
SELECT results_eq($$ SELECT model_version, status FROM finops.train_model('fc', options => '{"horizon": 6, "models": ["naive"], "activate": false}') $$, $$ VALUES ('v3', 'DEPRECATED') $$, 'trained without being activated');
SELECT results_eq($$ SELECT model_version, model <> 'naive' FROM finops.train_model('fc') $$, $$ VALUES ('v4', true) $$, 'trained again as registered');

-- versions

SELECT is(finops.rollback_model('fc'), 'v1', 'back to the version before');
SELECT is(pg_temp.raises($$ SELECT finops.rollback_model('fc') $$), '55000', 'and no further');
SELECT is(finops.activate_model('fc', 'v4'), 'v1', 'forward by name');
SELECT is(finops.rollback_model('fc'), 'v1', 'and back');
SELECT is((SELECT count(*) FROM tbl_ml_model_registry WHERE model_name = 'fc' AND status = 'ACTIVE'), 1::bigint, 'one version is active');
SELECT is(pg_temp.raises($$ SELECT finops.activate_model('fc', 'v2') $$), '22023', 'a failed version is not activated');
SELECT is((SELECT count(*) FROM audit_event WHERE object_type = 'model' AND object_id = 'fc'), 7::bigint, 'all of it is audited');

-- what came

INSERT INTO fc_life SELECT (date '2020-01-01' + i * interval '1 month')::date, pg_temp.cost(i) FROM generate_series(72, 75) AS i;
SELECT is(finops.score_predictions('fc'), (SELECT 4 * count(DISTINCT model_id) FROM forecast.prediction WHERE model_name = 'fc'), 'four months for each version that forecast');
SELECT is(finops.score_predictions('fc'), 0::bigint, 'once');
UPDATE fc_life SET cost = cost + 1 WHERE month = '2026-02-01';
SELECT is(finops.score_predictions('fc'), (SELECT count(DISTINCT model_id) FROM forecast.prediction WHERE model_name = 'fc'), 'a restated month again');
SELECT results_eq($$ SELECT a.month, a.forecasts, round(a.mae::numeric, 9) FROM forecast.accuracy a WHERE a.model_name = 'fc' AND a.model_version = 'v1' ORDER BY 1 $$,
	$$ SELECT l.month, 1::bigint, round(abs(p.mean - l.cost::float8)::numeric, 9) FROM forecast.prediction p JOIN fc_life l ON l.month = p.target_at::date WHERE p.model_name = 'fc' AND p.model_version = 'v1' ORDER BY 1 $$, 'accuracy over time');
SELECT results_eq($$ SELECT step, target_at FROM finops.predict('fc', 2) $$, $$ VALUES (1, timestamp '2026-05-01'), (2, '2026-06-01') $$, 'forecasts from the new end');
SELECT is((SELECT count(*) FROM finops.predict('fc', 2)), 2::bigint, 'again: they replace those before');
SELECT results_eq($$ SELECT drifted FROM finops.model_drift('fc') $$, $$ VALUES (false) $$, 'no drift yet');

-- drift: three origins whose errors are far above those of training

INSERT INTO forecast.prediction (model_id, model_name, model_version, origin_at, step, target_at, mean, lower_80, upper_80, lower_95, upper_95, actual)
SELECT r.model_id, 'fc', 'v1', timestamp '2026-07-01' + o * interval '1 month', s, timestamp '2026-07-01' + (o + s) * interval '1 month', 100, 90, 110, 85, 115, 140
FROM tbl_ml_model_registry r, generate_series(0, 5) o, generate_series(1, 6) s WHERE r.model_name = 'fc' AND r.model_version = 'v1';
SELECT results_eq($$ SELECT drifted, reasons, periods_over >= 6 FROM finops.model_drift('fc') $$, $$ VALUES (true, 'cusum, page-hinkley, coverage, rmse', true) $$, 'errors that grew, to one side, out of their intervals');
SELECT results_eq($$ SELECT alarm, model_name, severity FROM finops.check_forecasts('2026-12-01') WHERE model_name = 'fc' ORDER BY detail ->> 'at' NULLS FIRST LIMIT 2 $$,
	$$ VALUES ('rmse-drift', 'fc', 'warning'), ('forecast-outlier', 'fc', 'critical') $$, 'alarms');
SELECT is((SELECT count(*) FROM finops.outbox WHERE topic IN ('rmse-drift', 'forecast-outlier') AND payload ->> 'model' = 'fc'),
	(SELECT count(*) FROM finops.check_forecasts('2026-12-01') WHERE model_name = 'fc'), 'each is posted once');
SELECT ok((SELECT drift_score > 1 FROM tbl_ml_model_registry WHERE model_name = 'fc' AND model_version = 'v1'), 'the registry shows the score');
SELECT results_eq($$ SELECT model_of, new_version, error FROM finops.retrain_drifted() WHERE model_of = 'fc' $$, $$ VALUES ('fc', 'v5', NULL::text) $$, 'it is trained anew');
SELECT is_empty($$ SELECT * FROM finops.model_drift('fc') WHERE drifted $$, 'and starts afresh');

-- rights: a source is read as the role that registered it

CREATE ROLE fc_owner;
CREATE ROLE fc_operator;
GRANT USAGE ON SCHEMA finops, forecast TO fc_owner, fc_operator;
GRANT EXECUTE ON FUNCTION finops.train_model(text, text, text, text, jsonb), finops.predict(text, integer) TO fc_owner, fc_operator;
CREATE TABLE fc_secret AS SELECT * FROM fc_life;
GRANT SELECT ON fc_secret TO fc_owner;
SET LOCAL ROLE fc_operator;
SELECT is(pg_temp.raises($$ SELECT * FROM finops.train_model('fc_secret', 'fc_secret', 'month', 'cost') $$), '42501 no hint', 'a source that the caller may not read');
SELECT is(pg_temp.raises($$ SELECT * FROM finops.model_drift() $$), '42501 no hint', 'functions are not for everybody');
RESET ROLE;
SET LOCAL ROLE fc_owner;
SELECT is((SELECT status FROM finops.train_model('fc_secret', 'fc_secret', 'month', 'cost', '{"horizon": 3, "models": ["naive"]}')), 'ACTIVE', 'registered by who may read it');
RESET ROLE;
SET LOCAL ROLE fc_operator;
CREATE TEMP TABLE fc_secret AS SELECT date '2020-01-01' + i AS month, 1 AS cost FROM generate_series(1, 40) i;
SELECT is((SELECT status FROM finops.train_model('fc_secret')), 'ACTIVE', 'trained again by an operator, as its owner');
RESET ROLE;
DROP TABLE pg_temp.fc_secret;
SELECT is((SELECT max((performance_metrics ->> 'observations')::int) FROM tbl_ml_model_registry WHERE model_name = 'fc_secret' AND model_version = 'v2'), 76, 'from its table, not the operator''s temporary one');
REVOKE SELECT ON fc_secret FROM fc_owner;
SELECT is(pg_temp.raises($$ SELECT * FROM finops.predict('fc_secret') $$), '42501 no hint', 'a right that was taken away');

-- drift of arrays

SELECT results_eq($$ SELECT * FROM finops.drift_statistics('{0,0,2,2,2,2}', '{"cusum_threshold": 4, "cusum_slack": 0.5}') $$,
	$$ VALUES (6, 6::float8, 5, (SELECT page_hinkley FROM finops.drift_statistics('{0,0,2,2,2,2}')), NULL::int, 1::float8) $$, 'CUSUM by hand');
SELECT is(finops.coverage_bound(10), 5, 'P(X <= 4) of ten at 0.8 is 0.006');
SELECT is(finops.psi('{1,2,3,4}', '{4,3,2,1}', 4), 0::float8, 'no drift');
SELECT is(finops.ks_statistic('{1,2,3,4}', '{5,6,7,8}'), 1::float8, 'all drifted');
SELECT is(finops.psi('{}', '{1}'), NULL, 'nothing to compare');

-- features

CREATE TABLE fc_days AS
SELECT date '2024-06-01' + i AS day, (100 + i)::numeric AS cost, CASE WHEN i % 4 = 0 THEN 'a' WHEN i % 4 = 1 THEN 'b' END AS project FROM generate_series(0, 39) i WHERE i <> 5;
SELECT results_eq($$ SELECT f.day, cost, day_of_week, is_weekend, month, quarter, is_holiday, is_day_before_holiday, is_day_after_holiday, lag_1, lag_7, lag_30, mean_7, round(std_7::numeric, 6), min_7, max_7, mean_30, tag_cost
	FROM forecast.features('fc_days', 'day', 'cost', '{project}') f WHERE f.day IN ('2024-06-06', '2024-07-04', '2024-07-05') $$,
	$$ VALUES (date '2024-06-06', 0::float8, 4, false, 6, 2, false, false, false, 104::float8, NULL::float8, NULL::float8, NULL::float8, NULL::numeric, NULL::float8, NULL::float8, NULL::float8, '{}'::jsonb),
	('2024-07-04', 133, 4, false, 7, 3, true, false, false, 132, 126, 103, 129, 2.160247, 126, 132, (SELECT (sum(100 + i) - 105) / 30.0 FROM generate_series(3, 32) i)::float8, '{"project=b": 133}'),
	('2024-07-05', 134, 5, false, 7, 3, false, false, true, 133, 127, 104, 130, 2.160247, 127, 133, (SELECT (sum(100 + i) - 105) / 30.0 FROM generate_series(4, 33) i)::float8, '{}') $$, 'calendar, lags, statistics of the days before, tags');
SELECT is((SELECT string_agg(to_char(d, 'MM-DD'), ' ' ORDER BY d) FROM generate_series(timestamp '2025-01-01', '2025-12-31', '1 day') d WHERE finops.is_us_holiday(d::date)),
	'01-01 01-20 02-17 05-26 06-19 07-04 09-01 10-13 11-11 11-27 12-25', 'holidays of 2025');
SELECT is((SELECT count(*) FROM forecast.features('SELECT * FROM fc_days WHERE false', 'day', 'cost')), 0::bigint, 'no rows, no days');

SELECT results_eq($$ SELECT check_name, findings, passed FROM forecast.validate_input('fc_days', 'day', 'cost') WHERE findings > 0 $$, $$ VALUES ('gaps', 1::bigint, false), ('outliers', 1, false), ('incomplete', 1, false) $$, 'a gap');
SELECT results_eq($$ SELECT check_name, severity, findings FROM forecast.validate_input($q$ SELECT * FROM (VALUES (date '2024-01-01', 1::float8, 'Usage'), ('2024-01-02', -2, 'Usage'), ('2024-01-03', -2, 'Credit'), (NULL, 1, 'Usage'),
	('2024-01-04', NULL, 'Usage'), ('2024-01-05', 'NaN', 'Usage'), ('2024-01-02', 1, 'Usage')) v(d, c, k) $q$, 'd', 'c', 'k') WHERE NOT passed $$,
	$$ VALUES ('not_finite', 'error', 1::bigint), ('negative', 'error', 1), ('missing_time', 'warning', 1), ('missing_value', 'warning', 1), ('duplicates', 'info', 1) $$, 'what is wrong with rows');
SELECT results_eq($$ SELECT check_name FROM forecast.validate_input('SELECT * FROM fc_days WHERE false', 'day', 'cost') WHERE NOT passed $$, $$ VALUES ('empty') $$, 'no rows');

-- targets and the feature store

INSERT INTO finops.cost_daily
SELECT date_trunc('month', d)::date, d::date, 'test', 'AWS', 'acc' || n, 'Fc' || n, NULL, NULL, 'Usage', current_setting('finops.reporting_currency'), n, n * (10 + CASE WHEN d > '2019-03-25' THEN 50 ELSE extract(dow FROM d) END)::numeric, NULL, 1
FROM generate_series(timestamp '2019-01-01', '2019-03-31', '1 day') d, generate_series(1, 2) n;
SELECT results_eq($$ SELECT (SELECT cost FROM forecast.daily_cost WHERE day = '2019-01-01'), (SELECT cost FROM forecast.service_daily_cost WHERE day = '2019-01-01' AND service = 'Fc2'),
	(SELECT cost FROM forecast.account_monthly_cost WHERE month = '2019-02-01' AND account_id = 'acc1') $$, $$ VALUES (36::numeric, 24::numeric, 364::numeric) $$, 'targets');
SELECT is(finops.refresh_features('2019-03-31', 60), (60 * 3 * 6)::bigint, 'features of sixty days, the total and two services');
SELECT finops.refresh_features('2019-04-10', 60) \g /dev/null
SELECT is((SELECT max(feature_date) FROM tbl_ml_consolidated_feature_store), date '2019-03-31', 'days that no bill has reached are not written');
SELECT is(finops.refresh_features('2019-03-31', 60), (60 * 3 * 6)::bigint, 'again: they replace those before');
SELECT results_eq($$ SELECT feature_name, feature_value FROM tbl_ml_consolidated_feature_store WHERE feature_date = '2019-03-08' AND entity_id = 'service:Fc2' ORDER BY 1 $$,
	$$ VALUES ('cost_day', 30::float8), ('cost_lag_1', 28), ('cost_lag_7', 30), ('cost_mean_30', (SELECT avg(2 * (10 + extract(dow FROM d)))::float8 FROM generate_series(timestamp '2019-02-06', '2019-03-07', '1 day') d)), ('cost_mean_7', 26), ('cost_std_7', sqrt(4 * 28 / 6.0)::float8) $$, 'values');
SELECT results_eq($$ SELECT feature, drifted FROM finops.evaluate_feature_drift('2019-03-31', 50, 6) WHERE feature IN ('cost_day', 'cost_mean_30') $$, $$ VALUES ('cost_day', true), ('cost_mean_30', false) $$, 'the last six days have drifted; the mean of thirty days follows later');
SELECT results_eq($$ SELECT feature, drifted FROM finops.evaluate_feature_drift('2019-03-21', 28, 14, 5) WHERE feature = 'cost_day' $$, $$ VALUES ('cost_day', false) $$, 'those before have not');
INSERT INTO tbl_ml_consolidated_feature_store (feature_name, feature_date, feature_value)
SELECT f, date '2019-06-30' - i, (hashint4(i) & 1023)::float8 + CASE WHEN f = 'own_shift' AND i < 14 THEN 700 ELSE 0 END FROM unnest('{own_noise,own_shift,own_flat}'::text[]) f, generate_series(0, 73) i;
UPDATE tbl_ml_consolidated_feature_store SET feature_value = 7 WHERE feature_name = 'own_flat';
SELECT results_eq($$ SELECT feature, drifted, (SELECT finops.psi(array_agg(feature_value) FILTER (WHERE feature_date <= '2019-06-16'), array_agg(feature_value) FILTER (WHERE feature_date > '2019-06-16'), 10) > 0.2 FROM tbl_ml_consolidated_feature_store s WHERE s.feature_name = feature)
	FROM finops.evaluate_feature_drift('2019-06-30') WHERE feature LIKE 'own%' $$, $$ VALUES ('own_flat', false, false), ('own_noise', false, true), ('own_shift', true, true) $$, 'two weeks of noise are beyond 0.2 by chance, and are no drift');
SELECT ok((SELECT count(*) > 0 FROM vw_ml_feature_monitoring WHERE drift_score > threshold), 'where the runbook looks');

-- bad input

SELECT is(pg_temp.raises('SELECT * FROM ' || call), state, call)
FROM (VALUES
	($$ finops.train_model(NULL) $$, '22004 no hint'), ($$ finops.train_model('') $$, '22023'), ($$ finops.train_model('fc_none') $$, '22023'), ($$ finops.train_model('x', 'fc_life') $$, '22004 no hint'),
	($$ finops.train_model('x', 'fc_life', 'month', 'cost', '{"models": ["magic"]}') $$, '22023'), ($$ finops.train_model('x', 'fc_life', 'month', 'cost', '{"criterion": "luck"}') $$, '22023'),
	($$ finops.train_model('x', 'fc_life', 'month', 'cost', '{"horizon": 0}') $$, '22023'), ($$ finops.train_model('x', 'fc_life', 'month', 'cost', '{"horizon": 1000}') $$, '22023'),
	($$ finops.train_model('x', 'fc_life', 'month', 'cost', '{"windows": [-1]}') $$, '22023'), ($$ finops.train_model('x', 'fc_life', 'cost', 'cost') $$, '22023'),
	($$ finops.train_model('x', 'SELECT * FROM fc_life WHERE false', 'month', 'cost') $$, '22023'), ($$ finops.train_model('x', 'SELECT 1; SELECT 2', 'month', 'cost') $$, '22023'),
	($$ finops.predict('fc_none') $$, '22023'), ($$ finops.predict(NULL) $$, '22004 no hint'), ($$ finops.predict('fc', 0) $$, '22023'), ($$ finops.score_predictions('fc_none') $$, '22023'),
	($$ finops.activate_model('fc', NULL) $$, '22004 no hint'), ($$ finops.rollback_model('fc_none') $$, '55000'), ($$ finops.check_forecasts(NULL) $$, '22004 no hint'),
	($$ finops.model_drift('fc', '{"alpha": 2}') $$, '22023'), ($$ finops.drift_statistics('{}') $$, '22023'), ($$ finops.drift_statistics('{1,NaN}') $$, '22023'),
	($$ finops.coverage_bound(-1) $$, '22023'), ($$ finops.coverage_bound(10, 100) $$, '22023'), ($$ finops.psi('{1,NULL}', '{1}') $$, '22023'), ($$ finops.psi('{1}', '{Infinity}') $$, '22023'), ($$ finops.psi('{1}', '{1}', 0) $$, '22023'),
	($$ forecast.features(NULL, 'day', 'cost') $$, '22004 no hint'), ($$ forecast.features('fc_days', 'project', 'cost') $$, '22023'), ($$ forecast.features('fc_days', 'day', 'project') $$, '22023'),
	($$ forecast.features('fc_days', 'day', 'cost', '{NULL}') $$, '22023'), ($$ forecast.features('VALUES (date ''0001-01-01'', 1), (''9999-01-01'', 1)', 'column1', 'column2') $$, '54000'),
	($$ forecast.validate_input('fc_days', NULL, 'cost') $$, '22004 no hint'), ($$ forecast.validate_input('fc_days; DROP TABLE fc_days', 'day', 'cost') $$, '42602 no hint'),
	($$ finops.refresh_features(NULL) $$, '22004 no hint'), ($$ finops.refresh_features('infinity') $$, '22023'), ($$ finops.refresh_features('2019-01-01', 0) $$, '22023'), ($$ finops.evaluate_feature_drift('2019-01-01', 1) $$, '22023'),
	($$ finops.evaluate_feature_drift('2019-01-01', 10, 10, 0) $$, '22023')) AS c(call, state);

SELECT * FROM finish();
ROLLBACK;

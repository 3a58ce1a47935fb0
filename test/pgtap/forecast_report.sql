-- Backtests by horizon, the quality gate and hierarchies that add up.
BEGIN;
SELECT * FROM no_plan();

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

-- by hand: naive on 1 2 4 7 11 16 22, horizons 1 and 2, two folds from origins 3 and 5:
-- errors at step 1: 4-7, 11-16; at step 2: 4-11, 11-22
SELECT results_eq($$ SELECT horizon, forecasts, rmse, mae, round(mape::numeric, 10), bias, round(mase::numeric, 10), directional_accuracy, error
	FROM finops.backtest_report('{1,2,4,7,11,16,22}', '{1,2}', 1, '{naive}', 2, '{"stride": 2}') $$,
	$$ VALUES (1, 2::bigint, sqrt(17::float8), 4::float8, round((300.0 / 7 + 500.0 / 16) / 2, 10), -4::float8, round((3 / 1.5 + 5 / 2.5) / 2, 10), 0::float8, NULL::text),
	(2, 2, sqrt(85::float8), 9, round((700.0 / 11 + 1100.0 / 22) / 2, 10), -9, round((7 / 1.5 + 11 / 2.5) / 2, 10), 0, NULL),
	(NULL, 4, sqrt(51::float8), 6.5, round((300.0 / 7 + 500.0 / 16 + 700.0 / 11 + 1100.0 / 22) / 4, 10), -6.5, round((3 / 1.5 + 5 / 2.5 + 7 / 1.5 + 11 / 2.5) / 4, 10), 0, NULL) $$,
	'a backtest by hand');
-- origins 4 and 6, the mean of the two values before: 5.5 and 13.5 against 11 and 22
SELECT results_eq($$ SELECT mae FROM finops.backtest_report('{1,2,4,7,11,16,22}', '{1}', 1, '{mean}', 2, '{"window": "sliding", "window_size": 2, "stride": 2}') WHERE horizon = 1 $$,
	$$ VALUES (7::float8) $$, 'a window that slides');

CREATE TEMP TABLE seasonal AS
SELECT array_agg(200 + 2 * i + 30 * sin(2 * pi() * i / 12) + (hashint4(i) & 255) / 32.0 ORDER BY i) AS y FROM generate_series(1, 96) AS i;
SELECT results_eq($$ SELECT round(r.rmse::numeric, 9), round(r.mae::numeric, 9), round(r.smape::numeric, 9), round(r.bias::numeric, 9), round(r.coverage_95::numeric, 9)
	FROM seasonal, finops.backtest_report(y, '{12}', 12, '{theta}', 3) AS r WHERE horizon IS NULL $$,
	$$ SELECT round(sqrt(avg(b.rmse ^ 2))::numeric, 9), round(avg(b.mae)::numeric, 9), round(avg(b.smape)::numeric, 9), round(avg(b.bias)::numeric, 9), round(avg(b.coverage_95)::numeric, 9)
	FROM seasonal, finops.backtest(y, 12, 12, 'theta', 3) AS b $$, 'over all steps: as finops.backtest');
SELECT ok((SELECT min(rmse) FILTER (WHERE model = 'auto') < min(rmse) FILTER (WHERE model = 'seasonal_naive')
	FROM seasonal, finops.backtest_report(y, '{1,6,12}', 12) WHERE horizon IS NULL), 'auto beats seasonal naive');
SELECT ok((SELECT bool_and(crps > 0 AND crps = 2 * pinball AND msis > 0 AND crps < 2 * mae AND rmsse > 0 AND coverage_80 <= coverage_95 AND r2 <= 1)
	FROM seasonal, finops.backtest_report(y, '{1,6,12}', 12)), 'scores of intervals');
SELECT results_eq($$ SELECT DISTINCT error FROM finops.backtest_report('{1,2,3,4,5,6,7,8,9,10}', '{1}', 1, '{holt_winters}', 2) $$,
	$$ VALUES ('the model needs a season') $$, 'a model that does not suit the series says so');

-- the gate

SELECT results_eq($$ SELECT gate, passed, value < threshold FROM seasonal, finops.quality_gate(y, 12, 12, 'auto', 3, 0.9, 10, 0.1) $$,
	$$ VALUES ('rmse_ratio', true, true), ('mape', true, true), ('nrmse', true, true) $$, 'a good model passes');
SELECT is(pg_temp.raises($$ SELECT finops.quality_gate(y, 12, 12, 'mean', 3) FROM seasonal $$), '23514', 'a model worse than the baseline is refused');
SELECT is(pg_temp.raises($$ SELECT finops.quality_gate(y, 12, 12, 'auto', 3, NULL, 0.001) FROM seasonal $$), '23514', 'a MAPE above the gate');
SELECT is(pg_temp.raises($$ SELECT finops.quality_gate(y, 12, 12, 'auto', 3, NULL, NULL, 0.00001) FROM seasonal $$), '23514', 'an NRMSE above the gate');
SELECT is((SELECT count(*) FROM finops.quality_gate(array_fill(5::float8, ARRAY[30]), 5, 1, 'naive', 2)), 3::bigint, 'exact forecasts of a constant pass');
SELECT is(pg_temp.raises($$ SELECT finops.quality_gate(array_fill(0::float8, ARRAY[30]), 5, 1, 'naive', 2, NULL, 5) $$), '23514', 'a gate that is not defined is not passed');

-- hierarchies

CREATE TABLE fc_tree AS SELECT * FROM (VALUES
	('{}'::text[], 1, 10::numeric, '{2,-2}'::float8[]), ('{a}', 1, 4, '{1,1}'), ('{b}', 1, 5, '{-1,1}'),
	('{}', 2, 20, NULL), ('{a}', 2, 9, NULL), ('{b}', 2, 9, NULL)) AS t(path, step, mean, errors);
SELECT results_eq($$ SELECT node, at_step, base, round(reconciled::numeric, 9) FROM finops.reconcile_hierarchy('fc_tree', step => 'step') $$,
	$$ VALUES ('{}'::text[], 1, 10::float8, 9.5), ('{}', 2, 20, 19), ('{a}', 1, 4, 4.25), ('{a}', 2, 9, 9.5), ('{b}', 1, 5, 5.25), ('{b}', 2, 9, 9.5) $$, 'structural, two steps');
SELECT results_eq($$ SELECT round(reconciled::numeric, 9) FROM finops.reconcile_hierarchy('SELECT * FROM fc_tree WHERE step = 1', method => 'variance', residuals => 'errors') $$,
	$$ VALUES (round(10 - 4 / 6.0, 9)), (round(4 + 1 / 6.0, 9)), (round(5 + 1 / 6.0, 9)) $$, 'variances of residuals');
SELECT results_eq($$ SELECT method, reconciled FROM (VALUES ('bottom_up'), ('top_down')) m(method), finops.reconcile_hierarchy('SELECT * FROM fc_tree WHERE step = 2', method => m.method) r WHERE node = '{a}' $$,
	$$ VALUES ('bottom_up', 9::float8), ('top_down', 10) $$, 'bottom-up and top-down');

CREATE TABLE fc_deep AS
SELECT p.path, s AS step, round((100 * abs(hashtext(p.path::text || s) % 1000) / 1000.0)::numeric, 3) - CASE WHEN cardinality(p.path) = 5 THEN 5 ELSE 0 END AS mean,
	(SELECT array_agg((hashtext(p.path::text || i || 'e') % 1000) / 100.0 ORDER BY i) FROM generate_series(1, 24) i)::float8[] AS errors
FROM (SELECT DISTINCT (ARRAY['p' || k % 2, 'acc' || k % 4, 's' || k % 12, 't' || k])[1:n] AS path FROM generate_series(0, 59) k, generate_series(0, 4) n) p, generate_series(1, 3) s;
SELECT is_empty(format($$ WITH r AS (SELECT * FROM finops.reconcile_hierarchy('fc_deep', step => 'step', residuals => 'errors', method => %L, nonnegative => %L))
	SELECT a.node, a.at_step FROM r a JOIN r c ON c.at_step = a.at_step AND cardinality(c.node) = cardinality(a.node) + 1 AND c.node[1:cardinality(a.node)] = a.node
	GROUP BY a.node, a.at_step, a.reconciled HAVING abs(sum(c.reconciled) - a.reconciled) > 1e-9 * greatest(1, abs(a.reconciled)) $$, m, nn),
	format('%s%s: total, provider, account, service and tenant add up', m, CASE WHEN nn THEN ', not below zero' ELSE '' END))
FROM unnest('{bottom_up,top_down,ols,structural,variance,shrink}'::text[]) m, unnest('{f,t}'::boolean[]) nn;
SELECT is((SELECT count(*) FROM finops.reconcile_hierarchy('fc_deep', step => 'step', residuals => 'errors', nonnegative => true) WHERE reconciled < 0), 0::bigint, 'none is negative');
SELECT results_eq($$ SELECT node, reconciled FROM finops.reconcile_hierarchy('SELECT * FROM fc_deep ORDER BY random()', step => 'step', residuals => 'errors') $$,
	$$ SELECT node, reconciled FROM finops.reconcile_hierarchy('fc_deep', step => 'step', residuals => 'errors') $$, 'in any order, the same bits');
SELECT is((SELECT count(*) FROM finops.reconcile_hierarchy('SELECT * FROM fc_tree WHERE false')), 0::bigint, 'no rows, no nodes');

-- a real hierarchy with gaps and zeros: 336 series of cost below four levels

\set pbs `zcat "${FINOPS_SHARED:-/nonexistent}/data/series/pbs_cost_usage.csv.gz" 2>/dev/null | cut -d, -f2-6,8 | tail -n +2`
SELECT :'pbs' <> '' AS has_pbs \gset
\if :has_pbs
CREATE TEMP TABLE pbs AS
SELECT p[1:4] AS leaf, p[5]::date AS month, p[6]::numeric AS cost
FROM (SELECT string_to_array(line, ',') AS p FROM string_to_table(:'pbs', E'\n') AS line WHERE line <> '') AS l;
CREATE TEMP TABLE pbs_base AS
SELECT n.path, f.step, f.mean
FROM (SELECT leaf[1:k] AS path, (finops.series_agg(month, cost, 'month')).series AS y FROM pbs, generate_series(0, 4) AS k GROUP BY 1) AS n,
	finops.forecast(n.y, 3, 12, 'theta') AS f;
SELECT is_empty(format($$ WITH r AS (SELECT * FROM finops.reconcile_hierarchy('SELECT * FROM pbs_base', step => 'step', method => %L, nonnegative => true))
	SELECT t.at_step FROM r t, r l WHERE t.node = '{}' AND l.at_step = t.at_step AND cardinality(l.node) = 4
	GROUP BY t.at_step, t.reconciled HAVING abs(sum(l.reconciled) - t.reconciled) > 1e-9 * t.reconciled OR min(l.reconciled) < 0 $$, m), 'PBS adds up: ' || m)
FROM unnest('{bottom_up,top_down,ols,structural}'::text[]) AS m;
\else
SELECT skip('FINOPS_SHARED has no series', 4);
\endif

-- bad input

SELECT is(pg_temp.raises(format('SELECT * FROM finops.%s', call)), state, call)
FROM (VALUES
	($$ backtest_report(NULL, '{1}') $$, '22004 no hint'), ($$ backtest_report('{}', '{1}') $$, '22023'), ($$ backtest_report('{1,NULL}', '{1}') $$, '22023'),
	($$ backtest_report('{1,2,3}', '{}') $$, '22023'), ($$ backtest_report('{1,2,3}', '{0}') $$, '22023'), ($$ backtest_report('{1,2,3}', '{1,1}') $$, '22023'),
	($$ backtest_report('{1,2,3}', '{1000000}') $$, '22023'), ($$ backtest_report('{1,2,3}', '{2}') $$, '22023'), ($$ backtest_report('{1,2,3,4,5,6,7}', '{1}', 1, '{magic}') $$, '22023'),
	($$ backtest_report('{1,2,3,4,5,6,7}', '{1}', 1, '{}') $$, '22023'), ($$ backtest_report('{1,2,3,4,5,6,7}', '{1}', 0) $$, '22023'), ($$ backtest_report('{1,2,3,4,5,6,7}', '{1}', 1, '{naive}', 0) $$, '22023'),
	($$ backtest_report('{1,2,3,4,5,6,7}', '{1}', 1, '{naive}', 2, '{"window": "wide"}') $$, '22023'), ($$ backtest_report('{1,2,3,4,5,6,7}', '{1}', 1, '{naive}', 2, '{"window": "sliding", "window_size": 9}') $$, '22023'),
	($$ backtest_report('{1,2,Infinity}', '{1}') $$, '22023'),
	($$ quality_gate('{1,2,3}', 5) $$, '22023'), ($$ quality_gate('{1,2,3,4,5,6,7}', 1, 1, 'auto', 5, -1) $$, '22023'), ($$ quality_gate('{1,2,3,4,5,6,7}', 1, 1, 'auto', 5, 'NaN') $$, '22023'),
	($$ quality_gate('{1,2,3,4,5,6,7}', 1, 1, 'holt_winters') $$, '22023'), ($$ quality_gate('{1,2,3,4,5,6,7}', NULL) $$, '22004 no hint'), ($$ quality_gate('{1,2,3,4,5,6,7}', 1, 1, NULL) $$, '22004 no hint'),
	($$ reconcile_hierarchy(NULL) $$, '22004 no hint'), ($$ reconcile_hierarchy('fc_tree', method => 'magic') $$, '22023'), ($$ reconcile_hierarchy('fc_tree', 'mean') $$, '22023'),
	($$ reconcile_hierarchy('fc_tree', 'path', 'path') $$, '22023'), ($$ reconcile_hierarchy('fc_tree') $$, '22023'), ($$ reconcile_hierarchy('SELECT * FROM fc_tree WHERE NOT (path = ''{a}'' AND step = 2)', step => 'step') $$, '22023'),
	($$ reconcile_hierarchy('fc_tree', step => 'step', method => 'shrink') $$, '22023'), ($$ reconcile_hierarchy('SELECT ''{NULL}''::text[] AS path, 1 AS mean') $$, '22023'),
	($$ reconcile_hierarchy('SELECT ''{a}''::text[] AS path, ''NaN''::float8 AS mean') $$, '22023'), ($$ reconcile_hierarchy('SELECT NULL::text[] AS path, 1 AS mean') $$, '22023'),
	($$ reconcile_hierarchy('SELECT ''{a}''::text[] AS path, 1 AS mean, ''{1,NULL}''::float8[] AS e', residuals => 'e') $$, '22023')) AS c(call, state);

SELECT * FROM finish();
ROLLBACK;

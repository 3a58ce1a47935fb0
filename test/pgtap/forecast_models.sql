-- Models and options of finops.forecast.
BEGIN;
SELECT plan(40);

CREATE TEMP TABLE s AS
SELECT array_agg(100 + t + 20 * sin(2 * pi() * t / 12) + (hashint4(t) & 255) / 32.0 ORDER BY t) AS y FROM generate_series(1, 96) AS t;

SELECT is((SELECT count(*) FROM s, unnest('{arima,ces,stl+theta,mstl+arima,"mean(ets, theta)","median(ses,holt,damped)","weighted(ets, arima, dotm)","ARIMA(1,1,1)(0,1,1)",croston,sba,tsb,intermittent}'::text[]) AS m,
	finops.forecast(y, 6, 12, m)), 72::bigint, 'every model answers');
SELECT is((SELECT bool_and(lower[2] <= lower[1] AND lower[1] <= mean AND mean <= upper[1] AND upper[1] <= upper[2])
	FROM s, unnest('{arima,ces,stl+theta,"mean(ets, theta)"}'::text[]) AS m, finops.forecast(y, 24, 12, m)), true, 'bounds in order');
SELECT is((SELECT bool_and(abs(f.mean - (100 + 96 + f.step + 4 + 20 * sin(2 * pi() * (96 + f.step) / 12))) < 12)
	FROM s, unnest('{arima,ces,stl+holt,auto}'::text[]) AS m, finops.forecast(y, 12, 12, m) AS f), true, 'trend and season go on');

-- options
SELECT results_eq($$ SELECT step, mean FROM s, finops.forecast(y, 12, 12, 'naive', options => '{"sum": 4}') $$,
	$$ SELECT i, 4 * y[96] FROM s, generate_series(1, 3) AS i $$, 'totals of four steps');
-- random walk: the sum of n steps has variance sigma^2 n (n + 1) (2n + 1) / 6
SELECT is((SELECT round(((t.upper[1] - t.lower[1]) / (f.upper[1] - f.lower[1]))::numeric, 9) FROM s,
	finops.forecast(y, 4, 12, 'naive', '{90}', '{"sum": 4}') AS t, finops.forecast(y, 1, 12, 'naive', '{90}') AS f),
	round(sqrt(30)::numeric, 9), 'a total knows that errors go together');
SELECT is((SELECT max(mean) FROM s, finops.forecast(y, 12, 12, options => '{"upper": 180, "lower": 170}')), 180::float8, 'upper bound');
SELECT is((SELECT min(mean) FROM s, finops.forecast(y, 12, 12, options => '{"lower": 215}')), 215::float8, 'lower bound');
SELECT cmp_ok((SELECT min(lower[2]) FROM finops.forecast('{5,-3,4,-2,1,-4,2,0.5,-1}', 12, 1, options => '{"non_negative": true}')), '>=', 0::float8, 'not negative');
SELECT is((SELECT bool_and(mean > 0 AND lower[2] > 0) FROM finops.forecast('{9,2,7,1,8,3,0.5,6,2,9,1}', 12, 1, 'ses', options => '{"lambda": "log"}')), true, 'logarithm keeps positive');
SELECT cmp_ok((SELECT mean FROM finops.forecast('{9,2,7,1,8,3,0.5,6,2,9,1}', 1, 1, 'ses', options => '{"lambda": 0}')), '>',
	(SELECT mean FROM finops.forecast('{9,2,7,1,8,3,0.5,6,2,9,1}', 1, 1, 'ses', options => '{"lambda": 0, "median": true}')), 'mean above median after a logarithm');
SELECT is((SELECT jsonb_agg(f ORDER BY f) FROM s, finops.forecast(y, 6, 12, 'ets', options => '{"interval": "simulated", "seed": 7}') AS f),
	(SELECT jsonb_agg(f ORDER BY f) FROM s, finops.forecast(y, 6, 12, 'ets', options => '{"interval": "simulated", "seed": 7}') AS f), 'a seed repeats');
SELECT isnt((SELECT lower FROM s, finops.forecast(y, 1, 12, 'ets', options => '{"interval": "simulated", "seed": 7}')),
	(SELECT lower FROM s, finops.forecast(y, 1, 12, 'ets', options => '{"interval": "simulated", "seed": 8}')), 'another seed, other paths');
SELECT is((SELECT bool_and(lower[2] < mean AND mean < upper[2]) FROM s, unnest('{conformal,adaptive,analytic}'::text[]) AS i,
	finops.forecast(y, 6, 12, 'holt_winters', options => jsonb_build_object('interval', i))), true, 'kinds of interval');

-- a regressor that doubles every seventh value: its future is in the forecast
SELECT is((SELECT bool_and(abs(f.mean - (50 + 50 * ((100 + f.step) % 7 = 0)::int)) < 2)
	FROM (SELECT array_agg(50 + 50 * (t % 7 = 0)::int + (t % 3) / 2.0 ORDER BY t) FILTER (WHERE t <= 100) AS y,
		jsonb_build_object('regressors', jsonb_agg((t % 7 = 0)::int ORDER BY t)) AS o FROM generate_series(1, 114) AS t) AS v,
	finops.forecast(v.y, 14, 1, 'arima', options => v.o) AS f), true, 'a regressor moves the forecast');

-- level shift
SELECT is((SELECT abs(mean - 300) < 5 FROM (SELECT array_agg(CASE WHEN t > 50 THEN 300 ELSE 100 END + (t % 5) - 2 ORDER BY t) AS y FROM generate_series(1, 70) AS t) AS v,
	finops.forecast(v.y, 1, 1, 'mean', options => '{"level_shifts": true}')), true, 'what was before a shift is moved');
SELECT is((SELECT finops.fit_model(v.y, 1, 'mean', '{"level_shifts": true}') ->> 'level_shifts'
	FROM (SELECT array_agg((CASE WHEN t > 50 THEN 300 ELSE 100 END + (t % 5) - 2)::float8 ORDER BY t) AS y FROM generate_series(1, 70) AS t) AS v), '[51]', 'and reported');

-- explanation
SELECT is((SELECT finops.fit_model(y, 12, 'ARIMA(0,1,1)(0,1,1)') #>> '{members,0,model}' FROM s), 'ARIMA(0,1,1)(0,1,1)[12]', 'orders');
SELECT is((SELECT round(sum((m ->> 'weight')::numeric), 9) FROM s, jsonb_array_elements(finops.fit_model(y, 12) -> 'members') AS m), 1.000000000, 'weights sum to one');

SELECT is((SELECT bool_and(abs(e.mean - (e.level + e.trend + e.season + e.regressors + e.fees + e.shifts)) < 1e-9 * abs(e.mean) AND abs(e.season - e.seasons[1]) < 1e-9 AND abs(e.mean - f.mean) < 1e-9 * abs(f.mean))
	FROM s, unnest('{auto,arima,theta,"mean(ets, ces)"}'::text[]) AS m, finops.explain_forecast(y, 6, 12, m) AS e JOIN LATERAL finops.forecast(y, 6, 12, m) AS f USING (step)), true, 'parts add up to the forecast');

-- level shifts: 100 until day 50, 300 since
SELECT ok(bool_and(abs(e.shifts - 200) < 3 AND abs(e.level - 100) < 3 AND e.seasons = '{}'::float8[] AND abs(e.mean - (e.level + e.shifts + e.trend)) < 1e-9), 'what a shift has put on the level')
FROM (SELECT array_agg((CASE WHEN t > 50 THEN 300 ELSE 100 END + (t % 5) - 2)::float8 ORDER BY t) AS y FROM generate_series(1, 70) AS t) AS v,
	finops.explain_forecast(v.y, 3, 1, 'ses', '{"level_shifts": true}') AS e;

SELECT ok(bool_and(lower[2] >= 0), 'a short series without negative values has no bound below 0') FROM finops.forecast('{1,2}', 3);

-- conformal totals: 0 and 2 in turn, every two add up to 2
SELECT is((SELECT array_agg((round(mean::numeric, 9), round(lower[1]::numeric, 9), round(upper[1]::numeric, 9))::text ORDER BY step) FROM finops.forecast((SELECT array_agg(2.0::float8 * (i % 2) ORDER BY i) FROM generate_series(1, 200) AS i), 6, 1, 'mean', '{80}', jsonb_build_object('sum', 2, 'interval', k))),
	'{"(2.000000000,2.000000000,2.000000000)","(2.000000000,2.000000000,2.000000000)","(2.000000000,2.000000000,2.000000000)"}', k || ' intervals of totals are those of earlier totals') FROM unnest('{conformal,adaptive}'::text[]) AS k;

-- a day of hours in a week of days: the longer season is found
SELECT is((SELECT finops.fit_model(array_agg(v ORDER BY t), 24) -> 'seasons'
	FROM (SELECT t, (100 + 40 * sin(2 * pi() * t / 24)) * CASE WHEN t / 24 % 7 < 5 THEN 1 ELSE 0.5 END + (hashint4(t) & 7) AS v FROM generate_series(0, 24 * 7 * 5 - 1) AS t) AS x), '[24, 168]', 'a week is found in hours');
SELECT cmp_ok((SELECT avg(abs(f.mean / v - 1)) FROM (SELECT array_agg((100 + 40 * sin(2 * pi() * t / 24)) * CASE WHEN t / 24 % 7 < 5 THEN 1 ELSE 0.5 END + (hashint4(t) & 7) ORDER BY t) AS y FROM generate_series(0, 24 * 7 * 5 - 1) AS t) AS x,
	finops.forecast(y, 48, 24) AS f, LATERAL (SELECT (100 + 40 * sin(2 * pi() * (839 + f.step) / 24)) * CASE WHEN (839 + f.step) / 24 % 7 < 5 THEN 1 ELSE 0.5 END + 3.5) AS w(v)), '<', 0.04::float8, 'and forecast');

-- daily series: a level shift and an outlier are treated, and can be left
SELECT is((SELECT finops.fit_model(y, 7) -> 'level_shifts' FROM (SELECT array_agg((CASE WHEN t > 70 THEN 300 ELSE 100 END + t * 7919 % 13)::float8 ORDER BY t) AS y FROM generate_series(1, 90) AS t) AS v), '[71]', 'auto takes out a level shift of a daily series');
SELECT is((SELECT finops.fit_model(y, 7, options => '{"level_shifts": false}') -> 'level_shifts' FROM (SELECT array_agg((CASE WHEN t > 70 THEN 300 ELSE 100 END + t * 7919 % 13)::float8 ORDER BY t) AS y FROM generate_series(1, 90) AS t) AS v), NULL, 'unless told not to');

-- intermittent demand: about every third step; for each series the sizes differ
CREATE TEMP TABLE demand AS
SELECT i, array_agg(CASE WHEN u < 0.35 AND (i % 3 > 0 OR t < 60) THEN 10 + i % 7 + z ELSE 0 END ORDER BY t) FILTER (WHERE t <= 80) AS y,
	array_agg(CASE WHEN u < 0.35 AND i % 3 > 0 THEN 10 + i % 7 + z ELSE 0 END ORDER BY t) FILTER (WHERE t > 80) AS test
FROM generate_series(1, 60) AS i, generate_series(1, 92) AS t,
	LATERAL (SELECT (hashint4(i * 7919 + t * 104729)::int8 & 65535) / 65536.0::float8, (hashint4(i * 31 + t * 15485863)::int8 & 255) / 32.0::float8) AS v(u, z)
GROUP BY 1;
SELECT is((SELECT count(*) FROM demand WHERE (finops.fit_model(y, 1) ->> 'intermittent')::bool AND finops.fit_model(y, 1) ->> 'why' LIKE 'demand comes %'), 60::bigint, 'auto knows intermittent demand');
CREATE TEMP TABLE miss AS
SELECT model, avg(sqrt(e)) AS rmse FROM demand, unnest('{auto,mean,ses}'::text[]) AS model,
	LATERAL (SELECT avg((f.mean - test[f.step]) ^ 2) FROM finops.forecast(y, 12, 1, model) AS f) AS v(e) GROUP BY 1;
SELECT ok((SELECT rmse FROM miss WHERE model = 'auto') < (SELECT min(rmse) FROM miss WHERE model <> 'auto'), 'and beats mean and SES where a third of the demands ended');
SELECT is((SELECT bool_and(f.mean >= 0 AND f.lower[2] >= 0) FROM demand, finops.forecast(y, 12, 1) AS f), true, 'never below zero');
SELECT ok((SELECT bool_and(mean < 0.01) FROM finops.forecast(array_cat(array_fill(0::float8, '{6}'), array_cat('{5,0,4,6,0,5,5,0,6,4,5,0,5,4}', array_fill(0::float8, '{25}'))), 5, 1)), 'demand that ended long ago');
SELECT is((SELECT finops.fit_model(array_agg((CASE WHEN t % 7 < 4 THEN 100 + t * 7919 % 13 ELSE 0 END)::float8 ORDER BY t), 7) ->> 'intermittent' FROM generate_series(1, 84) AS t), 'false', 'days off are a season');
SELECT is((SELECT bool_and(abs(f.mean - CASE WHEN (84 + step) % 7 < 4 THEN 106 ELSE 0 END) < 12) FROM (SELECT array_agg((CASE WHEN t % 7 < 4 THEN 100 + t * 7919 % 13 ELSE 0 END)::float8 ORDER BY t) AS y FROM generate_series(1, 84) AS t) AS v, finops.forecast(y, 14, 7) AS f), true, 'and stay zero');

SELECT is((SELECT bool_and(abs(a.mean - b.mean) < 1e-9) FROM (SELECT array_agg((100 + t % 7 * 5 + t * 7919 % 13)::float8 ORDER BY t) AS y FROM generate_series(1, 120) AS t) AS v,
	finops.forecast(y, 3, 7) AS a, finops.forecast(y, 30, 7) AS b WHERE b.step = a.step), true, 'a daily forecast does not depend on how far it goes');

-- refused
SELECT throws_ok($$ SELECT finops.forecast('{1,2,3}', 2, 1, options => '{"colour": 1}') $$, '22023', NULL, 'unknown option');
SELECT throws_ok($$ SELECT finops.forecast('{1,2,3}', 2, 1, options => '{"regressors": [1, 2, 3]}') $$, '22023', NULL, 'regressors of the wrong length');
SELECT throws_ok($$ SELECT finops.forecast('{1,2,3}', 2, 1, options => '{"lower": 2, "upper": 1}') $$, '22023', NULL, 'bounds that cross');
SELECT throws_ok($$ SELECT finops.forecast('{1,0,3}', 2, 1, options => '{"lambda": 0}') $$, '22023', NULL, 'logarithm of zero');
SELECT throws_ok($$ SELECT finops.forecast('{1,-1,3}', 2, 1, 'croston') $$, '22023', NULL, 'demand below zero');
SELECT throws_ok($$ SELECT finops.forecast('{1,2,3,4,5,6}', 2, 1, 'mean(ets, auto)') $$, '22023', NULL, 'auto is no part of a combination');
SELECT * FROM finish();
ROLLBACK;

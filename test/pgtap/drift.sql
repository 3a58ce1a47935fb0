-- Drift of rows: histograms, population stability index, Kolmogorov-Smirnov;
-- serial, parallel and partial, and what is not accepted.
BEGIN;
SELECT * FROM no_plan();

CREATE FUNCTION pg_temp.state_of(sql text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE sql;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END
$$;

-- histograms

SELECT is(finops.hist_agg(v, '{1,2}'), '{2,1,3,1}', 'a bound belongs to the bin below it; NaN and Infinity are above all; NULL is apart')
FROM (VALUES (-5::float8), (1), (1.5), (2.5), ('NaN'), ('Infinity'), (NULL)) t(v);
SELECT is(finops.hist_agg(v, '{1,2}'), NULL, 'no rows') FROM (SELECT 1::float8 WHERE false) t(v);
SELECT is(finops.quantile_bounds('{5,1,4,2,3,6,8,7}', 4), '{2,4,6}'::float8[], 'quarters');
SELECT is(finops.quantile_bounds('{3,3,3}'), '{3}'::float8[], 'a constant has a bin of its own');
SELECT is(finops.quantile_bounds('{}'), NULL, 'of nothing');

-- index: (0.5 - p) ln(0.5 / p) twice, p = 25.5 / 101

SELECT is(round((finops.psi_test('{50,50}', '{25,75}')).statistic::numeric, 12),
	round(((0.5 - 25.5/101) * ln(0.5 / (25.5/101)) + (0.5 - 75.5/101) * ln(0.5 / (75.5/101)))::numeric, 12), 'the index by its definition, half a row added to each bin');
SELECT is((SELECT (t).drifted || ' ' || (t).reference_rows || ' ' || (t).recent_rows || ' ' || (t).bins FROM finops.psi_test('{50,50}', '{25,75}') t), 'true 100 100 2', 'its verdict');
SELECT ok(NOT (finops.psi_test('{50,50}', '{41,59}')).drifted, 'index 0.033 is chance with 100 rows');
SELECT ok((finops.psi_test('{50000,50000}', '{49000,51000}')).drifted, 'index 0.0004 is not with 100,000');
SELECT ok((finops.psi_test('{50,50}', '{41,59}', 0.5)).drifted, 'at a level of one half it is');
SELECT is(finops.psi_test('{50,50}', '{0,0}')::text, '(,,,100,0,2,)', 'nothing to compare with');
SELECT is((finops.psi_test('{50,0}', '{9,0}'))::text, '(0,,1,50,9,1,f)', 'a constant does not drift');

CREATE TEMP TABLE sample AS
SELECT ((i * 7919) % 10007) / 10007.0::float8 AS v, false AS recent FROM generate_series(1, 5000) i
UNION ALL SELECT ((i * 6007) % 9973) / 9973.0::float8 * 0.8, true FROM generate_series(1, 4000) i
UNION ALL SELECT NULL, true FROM generate_series(1, 10);
ANALYZE sample;

SELECT is(finops.psi_agg(v, recent, b)::text,
	(SELECT finops.psi_test(finops.hist_agg(v, b) FILTER (WHERE NOT recent), finops.hist_agg(v, b) FILTER (WHERE recent))::text FROM sample), 'the aggregate is the test of two histograms')
FROM sample, (SELECT finops.quantile_bounds(array_agg(s.v)) AS b FROM sample s WHERE NOT s.recent) q GROUP BY b;
SELECT is(finops.ks_agg(v, recent)::text,
	(SELECT finops.ks_test(array_agg(v) FILTER (WHERE NOT recent), array_agg(v) FILTER (WHERE recent AND v IS NOT NULL))::text FROM sample), 'as that of distances is the test of two arrays') FROM sample;
SELECT is(round((finops.ks_agg(v, recent)).statistic::numeric, 6), round(finops.ks_statistic(array_agg(v) FILTER (WHERE NOT recent), array_agg(v) FILTER (WHERE recent AND v IS NOT NULL))::numeric, 6), 'the distance is that of ks_statistic') FROM sample;
SELECT ok((finops.ks_agg(v, recent)).drifted AND (finops.psi_agg(v, recent, '{0.2,0.4,0.6,0.8}')).drifted, 'a fifth lower has drifted') FROM sample;
SELECT ok((finops.ks_agg(v, recent)).statistic BETWEEN 0.199 AND 0.201, 'by a fifth') FROM sample;

-- exact: of 70 orders 2 separate four from four

SELECT is((SELECT (t).statistic::text || ' ' || round((t).p_value::numeric, 12) || ' ' || (t).drifted FROM finops.ks_test('{1,2,3,4}', '{5,6,7,8}') t), '1 0.028571428571 true', 'all of one sample below the other');
SELECT is(finops.ks_test('{1,2}', '{}')::text, '(,,,2,0,0,)', 'nothing to compare');
SELECT is(finops.ks_agg(v, r)::text, '(0.5,,1,2,1,3,f)', 'NULL and a row of neither sample do not count; NaN is above all')
FROM (VALUES (1::float8, false), ('NaN', false), (NULL, true), (3, NULL), (2, true)) t(v, r);

-- partial states

SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
SET LOCAL max_parallel_workers_per_gather = 2;
CREATE TABLE drift_sample AS SELECT * FROM sample;
ALTER TABLE drift_sample SET (parallel_workers = 2);
ANALYZE drift_sample;
CREATE TEMP TABLE together AS
SELECT finops.ks_agg(v, recent)::text AS ks, finops.psi_agg(v, recent, '{0.2,0.4,0.6,0.8}')::text AS psi, finops.hist_agg(v, '{0.5}')::text AS hist FROM drift_sample;
SET LOCAL max_parallel_workers_per_gather = 0;
SELECT is((SELECT t::text FROM together t), (SELECT ROW(finops.ks_agg(v, recent)::text, finops.psi_agg(v, recent, '{0.2,0.4,0.6,0.8}')::text, finops.hist_agg(v, '{0.5}')::text)::text FROM drift_sample), 'parallel and serial agree');
SELECT is(finops.hist_final(finops.hist_combine(finops.hist_accum(NULL, 1, '{2}'), finops.hist_accum(finops.hist_accum(NULL, 3, '{2}'), NULL, '{2}'))), '{1,1,1}', 'states add up');
SELECT is((finops.ks_final(finops.ks_combine(finops.ks_accum(NULL, 1, false), finops.ks_accum(NULL, 2, true)))).statistic, 1::float8, 'samples join');
SELECT is(finops.hist_combine(NULL, NULL), NULL, 'none');
SELECT is(finops.ks_combine(NULL, NULL), NULL, 'no sample');

-- what is not accepted

SELECT is(pg_temp.state_of('SELECT ' || call), state, call || ' is ' || state)
FROM (VALUES
	('finops.hist_agg(1, NULL)', '22004'), ($$finops.hist_agg(1, '{}')$$, '22023'), ($$finops.hist_agg(1, '{1,NULL}')$$, '22023'),
	($$finops.hist_agg(1, '{2,1}')$$, '22023'), ($$finops.hist_agg(1, '{1,1}')$$, '22023'), ($$finops.hist_agg(1, '{NaN}')$$, '22023'),
	($$finops.hist_agg(1, '{{1,2}}')$$, '22023'), ($$finops.hist_agg(1, array_fill(1::float8, '{1001}'))$$, '22023'),
	($$finops.hist_agg(x, ARRAY[x]) FROM (VALUES (1::float8), (2)) t(x)$$, '22023'),
	($$finops.psi_agg(1, true, NULL)$$, '22004'), ($$finops.psi_agg(1, NULL, '{1}')$$, 'no error'),
	($$finops.psi_test(NULL, '{1}')$$, '22004'), ($$finops.psi_test('{1}', NULL)$$, '22004'), ($$finops.psi_test('{1,2}', '{1}')$$, '2202E'),
	($$finops.psi_test('{}', '{}')$$, '22023'), ($$finops.psi_test('{-1}', '{1}')$$, '22023'), ($$finops.psi_test('{NULL}', '{1}')$$, '22023'),
	($$finops.psi_test('{9223372036854775807}', '{1}')$$, '22023'), ($$finops.psi_test('{1}', '{1}', 0)$$, '22023'),
	($$finops.psi_test('{1}', '{1}', 'NaN')$$, '22023'), ($$finops.psi_test('{1}', '{1}', NULL)$$, '22004'),
	($$finops.ks_test(NULL, '{1}')$$, '22004'), ($$finops.ks_test('{1,NULL}', '{1}')$$, '22023'), ($$finops.ks_test('{NaN}', '{1}')$$, '22023'),
	($$finops.ks_test('{1}', '{Infinity}')$$, '22023'), ($$finops.ks_test('{1}', '{1}', 1)$$, '22023'),
	($$finops.quantile_bounds(NULL)$$, '22004'), ($$finops.quantile_bounds('{1}', 1)$$, '22023'), ($$finops.quantile_bounds('{1}', NULL)$$, '22004'),
	($$finops.hist_final('\x')$$, '22023'), ($$finops.hist_final('\x00112233445566778899aabbccddeeff')$$, '22023'),
	($$finops.psi_final(finops.hist_accum(NULL, 1, '{1}'))$$, '22023'), ($$finops.ks_final(finops.hist_accum(NULL, 1, '{1}'))$$, '22023'),
	($$finops.hist_combine(finops.hist_accum(NULL, 1, '{1}'), finops.hist_accum(NULL, 1, '{2}'))$$, '22023'),
	($$finops.hist_combine('\x00', NULL)$$, '22023'), ($$finops.ks_combine('\x00', NULL)$$, '22023'), ($$finops.ks_accum('\x00', 1, true)$$, '22023')
) v(call, state);
SELECT is(pg_temp.state_of(format('SELECT finops.hist_final(set_byte(finops.hist_accum(NULL, 1, %L), %s, 200))', '{1}', b)), '22023', format('byte %s of a state is checked', b))
FROM generate_series(0, 11) b;
SELECT is(has_function_privilege('public', f, 'EXECUTE'), false, f || ' is not for everybody')
FROM unnest('{finops.hist_final(bytea),finops.psi_final(bytea),finops.ks_final(bytea),"finops.ks_accum(bytea,float8,boolean)"}'::text[]) f;
SELECT * FROM finish();
ROLLBACK;

-- Tax rates by jurisdiction, kind of supply and day, and what a tax profile comes to.
BEGIN;
SELECT plan(24);

SELECT count(*) FROM finops.set_tax_rate('DE', 16, '2020-07-01') a, finops.set_tax_rate('DE', 19, '2021-01-01') b, finops.set_tax_rate('DE', 7, '2021-01-01', 'reduced') c,
	finops.set_tax_rate('CA-QC', 5, '2010-01-01', name => 'GST') d, finops.set_tax_rate('CA-QC', 7.5, '2010-01-01', name => 'QST', compound => true) e,
	finops.set_tax_rate('CA-QC', 9.975, '2013-01-01', name => 'QST') f \g /dev/null
SELECT is((SELECT rate FROM finops.tax_of('{"jurisdiction": "DE"}', '2020-12-31')), 0.16, 'the rate of the day before it rises');
SELECT is((SELECT rate FROM finops.tax_of('{"jurisdiction": "DE"}', '2021-01-01')), 0.19, 'the rate of the day on which it rises');
SELECT is((SELECT rate FROM finops.tax_of('{"jurisdiction": "DE"}', '2021-01-01', 'reduced')), 0.07, 'the reduced rate');
SELECT results_eq($$SELECT category, rate, missing FROM finops.tax_of('{"jurisdiction": "DE"}', '2020-06-30')$$, $$VALUES (NULL::text, NULL::numeric, 'tax rate of DE, standard, on 2020-06-30')$$, 'no rate on that day: it says which is missing');
SELECT is((SELECT missing FROM finops.tax_of('{}', '2021-01-01')), 'tax_profile.rate_pct, jurisdiction, category or exempt', 'an empty profile');
SELECT is((SELECT missing FROM finops.tax_of(NULL, '2021-01-01')), 'tax_profile.rate_pct, jurisdiction, category or exempt', 'no profile');
SELECT results_eq($$SELECT category, rate FROM finops.tax_of('{"rate_pct": 19}', '2021-01-01')$$, $$VALUES ('S', 0.19)$$, 'a rate of its own');
SELECT results_eq($$SELECT category, rate, reason FROM finops.tax_of('{"rate_pct": 0}', '2021-01-01')$$, $$VALUES ('Z', 0::numeric, NULL::text)$$, 'a rate of 0 is zero-rated, without a reason');
SELECT is((SELECT rate FROM finops.tax_of('{"rate_pct": 19, "jurisdiction": "DE"}', '2021-01-01', 'reduced')), 0.07, 'the reduced rate of the jurisdiction goes before the tenant''s own');
SELECT is((SELECT rate FROM finops.tax_of('{"rate_pct": 19}', '2021-01-01', 'reduced')), 0.19, 'but only where there is one');
SELECT results_eq($$SELECT category, rate, reason_code, reason FROM finops.tax_of('{"category": "AE", "jurisdiction": "DE"}', '2021-01-01')$$, $$VALUES ('AE', 0::numeric, 'VATEX-EU-AE', 'Reverse charge')$$, 'reverse charge as declared');
SELECT results_eq($$SELECT category, rate, reason_code, reason FROM finops.tax_of('{"exempt": true, "reason": "Article 132", "reason_code": "VATEX-EU-132"}', '2021-01-01')$$, $$VALUES ('E', 0::numeric, 'VATEX-EU-132', 'Article 132')$$, 'an exemption with its reason');
SELECT set_eq($$SELECT c, x.reason_code FROM unnest(ARRAY['S','Z','E','AE','K','G','O']) c, finops.tax_of(jsonb_build_object('category', c, 'rate_pct', 19), '2021-01-01') x$$,
	$$VALUES ('S', NULL), ('Z', NULL), ('E', NULL), ('AE', 'VATEX-EU-AE'), ('K', 'VATEX-EU-IC'), ('G', 'VATEX-EU-G'), ('O', 'VATEX-EU-O')$$, 'codes of reasons, by category');
SELECT is((SELECT missing FROM finops.tax_of('{"category": "S", "rate_pct": 0}', '2021-01-01')), 'tax_profile.rate_pct above 0 for category S', 'the standard rate is above 0');
SELECT is((SELECT rate FROM finops.tax_of('{"jurisdiction": "CA-QC"}', '2012-12-31')), 0.12875, 'compound: 5 % + 7.5 % of 105 %');
SELECT is((SELECT rate FROM finops.tax_of('{"jurisdiction": "CA-QC"}', '2013-01-01')), 0.14975, 'side by side: 5 % + 9.975 %');
SELECT is((SELECT parts FROM finops.tax_of('{"jurisdiction": "CA-QC"}', '2012-12-31')), '[{"name": "GST", "rate": 0.05, "compound": false}, {"name": "QST", "rate": 0.075, "compound": true}]'::jsonb, 'its parts, compound ones last');
SELECT ok((SELECT inclusive FROM finops.tax_of('{"rate_pct": 19, "inclusive": true}', '2021-01-01')), 'inclusive prices');
SELECT throws_ok($$SELECT finops.set_tax_rate('DE', 100.5, '2021-01-01')$$, '22023', 'invalid rate_pct 100.5');
SELECT throws_ok($$SELECT finops.set_tax_rate('DE', 'NaN', '2021-01-01')$$, '22023', 'invalid rate_pct NaN');
SELECT throws_ok($$SELECT finops.set_tax_rate(' ', 19, '2021-01-01')$$, '22023', 'jurisdiction must not be blank');
SELECT throws_ok($$SELECT finops.set_tax_code('gift', 'reduced')$$, '22023', 'unknown line_type "gift"');
SELECT throws_ok($$SELECT finops.register_tenant('TAX-1', 'T', tax_profile => '{"category": "X"}')$$, '22023', 'invalid tax profile');

SELECT is((SELECT count(*)::int FROM pg_constraint c, regexp_matches(pg_get_constraintdef(c.oid), '''([a-z]+)''::text', 'g') m, finops.set_tax_code(m[1], 'reduced')
	WHERE c.conname = 'invoice_detail_type_check'), 10, 'each type of line can be another kind of supply');
SELECT * FROM finish();
ROLLBACK;

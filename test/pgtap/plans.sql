-- Plans: versions, components and their prices, changes within a month.
BEGIN;
SELECT * FROM no_plan();
SET LOCAL search_path = public;
SET LOCAL client_min_messages = warning;

INSERT INTO metric_catalog (metric_code, domain, unit, aggregation) VALUES ('pl_gb', 'storage', 'GB', 'sum_daily');
SELECT count(*) FROM finops.set_plan('PL-A', 100, currency => 'USD', plan_family => 'PL', effective_to => '2026-01-31') c1, finops.set_plan('PL-B', 300, 5, 'USD', 'PL', 'v2', effective_from => '2026-02-01', base_seats => 2, max_seats => 5) c2,
	finops.register_tenant('PL-T', 'T') c3, finops.register_tenant('PL-U', 'U') c4 \g /dev/null

-- versions
SELECT is(finops.plan_of_family('PL', d), w, 'the version of ' || d) FROM (VALUES (date '2026-01-31', 'PL-A'), ('2026-02-01', 'PL-B'), ('2030-01-01', 'PL-B')) v(d, w);
SELECT is(finops.plan_of_family('PL-none'), NULL, 'no version of a family that is not there');
SELECT throws_ok($$SELECT finops.bind_plan('PL-T', 'PL-A', '2026-02-01')$$, '22023', 'plan "PL-A" cannot be bound from that day on', 'a version that is over is not bound');
SELECT throws_ok($$SELECT finops.bind_plan('PL-T', 'PL-B', '2026-01-31')$$, '22023', 'plan "PL-B" cannot be bound from that day on', 'nor one that is not yet effective');
SELECT throws_ok($$SELECT finops.bind_plan('PL-T', 'PL-X', '2026-01-31')$$, 'P0002', 'unknown plan "PL-X"', 'an unknown plan is refused');
SELECT lives_ok($$SELECT finops.bind_plan('PL-T', 'PL-A', '2026-01-05')$$, 'a plan is bound');
SELECT throws_ok($$SELECT finops.bind_plan('PL-T', 'PL-B', '2026-02-05')$$, '23P01', NULL, 'days do not overlap');
SELECT throws_ok(format('SELECT finops.set_plan(%L, %s)', 'PL-C', a), '22023', NULL, 'refused: ' || a) FROM unnest(ARRAY[
	'-1', '''NaN''', '1, base_seats => -1', '1, base_seats => 3, max_seats => 2', '1, effective_from => ''2026-02-01'', effective_to => ''2026-01-01''',
	'1, minimum_amount => 10, maximum_amount => 9', '1, minimum_amount => -1', '1, proration => ''hour''', '1, currency => ''ZZZ''']) a;

-- components
SELECT lives_ok(format('SELECT finops.set_plan_price(''PL-A'', %s)', a), 'accepted: ' || a) FROM unnest(ARRAY[
	'''fee'', flat_fee => 9.99', '''micro'', ''standard'', ''pl_gb'', 0.000000000001',
	'''grad'', ''graduated'', ''pl_gb'', tiers => ''[{"up_to": 10, "unit_price": 1}, {"from": 10, "unit_price": 0.5, "flat_fee": 2}]''',
	'''vol'', ''volume'', ''pl_gb'', tiers => ''[{"up_to": null, "unit_price": 0.5}]''',
	'''pack'', ''package'', ''pl_gb'', 5, package_size => 100', '''pct'', ''percentage'', ''pl_gb'', rate_pct => 1.5, free_count => 3, transaction_max => 2',
	'''dyn'', ''dynamic'', ''pl_gb''', '''seats'', ''standard'', ''seats'', 10']) a;
SELECT is((SELECT basis || ' ' || currency FROM finops.plan_price WHERE plan_code = 'PL-A' AND component = c), w, c) FROM (VALUES ('fee', 'period USD'), ('seats', 'seat USD'), ('pct', 'usage USD')) v(c, w);
SELECT throws_ok(format('SELECT finops.set_plan_price(''PL-A'', ''x'', %s)', a), state, NULL, 'refused: ' || a) FROM (VALUES
	('''graduated'', ''pl_gb'', tiers => ''[{"up_to": 10, "unit_price": 1}, {"from": 11, "unit_price": 0.5}]''', '22023'),
	('''graduated'', ''pl_gb'', tiers => ''[{"up_to": 10, "unit_price": 1}, {"from": 9, "unit_price": 0.5}]''', '22023'),
	('''graduated'', ''pl_gb'', tiers => ''[{"up_to": 10, "unit_price": 1}, {"up_to": 10, "unit_price": 0.5}]''', '22023'),
	('''volume'', ''pl_gb'', tiers => ''[{"up_to": 10, "unit_price": 1}]''', '22023'),
	('''volume'', ''pl_gb'', tiers => ''[{"unit_price": -1}]''', '22023'),
	('''volume'', ''pl_gb'', tiers => ''[{"unit_price": "1"}]''', '22023'),
	('''volume'', ''pl_gb'', tiers => ''[{"price": 1}]''', '22023'),
	('''volume'', ''pl_gb'', tiers => ''{}''', '22023'), ('''volume'', ''pl_gb'', tiers => ''[]''', '22023'), ('''volume'', ''pl_gb'', tiers => ''[1]''', '22023'), ('''volume'', ''pl_gb''', '22023'),
	('''standard'', ''pl_gb'', -0.01', '22023'), ('''standard'', ''pl_gb'', ''NaN''', '22023'), ('''standard'', ''pl_gb'', ''Infinity''', '22023'),
	('''standard'', ''pl_gb'', 1e-39', '22003'), ('''standard'', ''pl_gb'', 1, minimum => 2, maximum => 1', '22023'),
	('''package'', ''pl_gb'', 1', '22023'), ('''package'', ''pl_gb'', 1, package_size => 0', '22023'), ('''standard'', ''pl_gb'', 1, rate_pct => 1', '22023'),
	('''bulk'', ''pl_gb'', 1', '22023'), ('''volume''', '22023'), ('''standard'', ''nope'', 1', 'P0002'), ('''standard'', ''pl_gb'', 1, currency => ''EUR''', '22023'), ('''standard'', ''pl_gb'', 1, rollover_periods => -1', '22023')) v(a, state);
SELECT throws_ok($$SELECT finops.set_plan_price('PL-X', 'x', unit_price => 1)$$, 'P0002', 'unknown plan "PL-X"', 'a price of an unknown plan');
SELECT throws_ok($$INSERT INTO finops.plan_price (plan_code, component, basis, model, currency, tiers) VALUES ('PL-A', 'raw', 'period', 'volume', 'USD', '[{"up_to": 1}]')$$, '23514', NULL, 'tiers are checked whoever writes them');
SELECT is((SELECT count(*) FROM audit_event WHERE action = 'plan_price_change' AND object_id = 'PL-A'), 8::bigint, 'each change is audited');
SELECT count(*) FROM finops.set_plan_price('PL-A', 'fee', flat_fee => 9.990) c1 \g /dev/null
SELECT is((SELECT count(*) FROM audit_event WHERE action = 'plan_price_change' AND object_id = 'PL-A'), 8::bigint, 'a repetition changes nothing');

-- what is issued keeps its price
CREATE FUNCTION pg_temp.issue(tenant text, month date) RETURNS void LANGUAGE sql AS $$
	INSERT INTO invoice_header (invoice_id, invoice_number, tenant_id, plan_code, period_start, period_end, status, number_series, number_seq, issued_at, due_at, prev_hash, hash, issuer, recipient)
	VALUES ('PL-I-' || month, 'PL-N-' || month, tenant, NULL, month, month + 27, 'issued', 'pl', extract(epoch FROM month::timestamp)::bigint, now(), now(), '', '', '{}', '{}') $$;
SELECT pg_temp.issue('PL-T', '2026-01-01') \g /dev/null
SELECT throws_ok(s, '55000', 'plan "PL-A" is on issued invoices', s) FROM unnest(ARRAY[
	'SELECT finops.set_plan(''PL-A'', 101)', 'SELECT finops.set_plan_price(''PL-A'', ''micro'', ''standard'', ''pl_gb'', 1)', 'SELECT finops.set_plan_price(''PL-A'', ''more'', unit_price => 1)',
	'UPDATE plan_master SET markup_pct = 9 WHERE plan_code = ''PL-A''', 'DELETE FROM finops.plan_price WHERE plan_code = ''PL-A''']) s;
SELECT lives_ok($$SELECT finops.set_plan('PL-A', 100, effective_to => '2026-02-28')$$, 'but it can end');
SELECT lives_ok($$SELECT finops.set_plan('PL-B', 310, 5)$$, 'and the next version is free');

-- changes within a month
INSERT INTO finops.tenant_billing (tenant_id, time_zone) VALUES ('PL-U', 'America/New_York');
SELECT count(*) FROM finops.set_plan('PL-S', 90, proration => 'second') c1, finops.set_plan('PL-L', 390, proration => 'second') c2, finops.bind_plan('PL-U', 'PL-S', '2026-03-01', '2026-05-31') c3 \g /dev/null
SELECT is((SELECT when_mode || ' ' || proration_amount || ' ' || activated_at::timestamptz(0) FROM finops.change_plan('PL-U', 'PL-L', '2026-03-11 02:00+00')),
	'immediate 212.90 ' || timestamptz '2026-03-11 02:00+00', 'an upgrade is immediate: 300.00 x 22 / 31');
SELECT results_eq($$SELECT plan_code, period_start, period_end, ends_at FROM tenant_plan_binding WHERE tenant_id = 'PL-U' ORDER BY 2$$,
	$$VALUES ('PL-S', date '2026-03-01', date '2026-03-09', timestamptz '2026-03-11 02:00+00'), ('PL-L', '2026-03-10', '2026-05-31', NULL)$$, 'on the tenant''s day, to the end the old one had');
SELECT throws_ok($$SELECT finops.change_plan('PL-U', 'PL-S', '2026-03-10 20:00+00', 'immediate')$$, '55000', NULL, 'one change a day');
SELECT throws_ok($$SELECT finops.change_plan('PL-U', 'PL-L', '2026-03-20')$$, '22023', NULL, 'a plan it has is no change');
SELECT throws_ok($$SELECT finops.change_plan('PL-U', 'PL-S', '2026-06-20')$$, 'P0002', NULL, 'no plan to change');
SELECT throws_ok($$SELECT finops.change_plan('PL-U', 'PL-S', '2026-03-20', 'later')$$, '22023', NULL, 'an unknown mode');
SELECT is((SELECT when_mode || ' ' || activated_at::timestamptz FROM finops.change_plan('PL-U', 'PL-S', '2026-04-01 01:00+00')),
	'scheduled ' || timestamptz '2026-04-01 04:00+00', 'a downgrade waits for the first midnight of the next month');

SELECT is((SELECT count(*) FROM finops.pause_plan('PL-U', '2026-04-10 12:00+00', 'renovation')), 1::bigint, 'a pause');
SELECT throws_ok($$SELECT finops.pause_plan('PL-U', '2026-04-12')$$, '55000', 'tenant "PL-U" is paused then', 'one pause at a time');
SELECT throws_ok($$SELECT finops.resume_plan('PL-U', '2026-04-10 12:00+00')$$, '22023', NULL, 'a pause lasts');
SELECT lives_ok($$SELECT finops.resume_plan('PL-U', '2026-04-20 12:00+00')$$, 'and ends');
SELECT throws_ok($$SELECT finops.resume_plan('PL-U', '2026-04-21')$$, '55000', 'tenant "PL-U" is not paused', 'once');
SELECT throws_ok($$SELECT finops.pause_plan('PL-U', 'infinity')$$, '22023', NULL, 'not for ever');

SELECT count(*) FROM finops.bind_plan('PL-T', 'PL-A', '2026-01-05', '2026-01-31') c1, finops.bind_plan('PL-T', 'PL-B', '2026-02-01') c2 \g /dev/null
SELECT lives_ok($$SELECT finops.set_seats('PL-T', 5, '2026-02-10')$$, 'as many seats as the plan has');
SELECT throws_ok($$SELECT finops.set_seats('PL-T', 6, '2026-02-10')$$, '22023', 'plan "PL-B" has at most 5 seats', 'not more');
SELECT throws_ok($$SELECT finops.set_seats('PL-T', -1, '2026-02-10')$$, '22023', NULL, 'not below zero');
SELECT throws_ok($$SELECT finops.set_seats('PL-X', 1, '2026-02-10')$$, 'P0002', NULL, 'an unknown tenant');

SELECT * FROM finish();
ROLLBACK;

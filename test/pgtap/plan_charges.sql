-- Charges for plans and usage on documents, worked out by hand: parts of a
-- month, seats, pauses, tiers at their edges, commitments, top-ups.
BEGIN;
SELECT * FROM no_plan();
SET LOCAL search_path = public;
SET LOCAL client_min_messages = warning;

INSERT INTO finops.issuer (issuer_id, legal_name, currency) VALUES ('default', 'I', 'USD') ON CONFLICT (issuer_id) DO UPDATE SET currency = 'USD';
CREATE FUNCTION pg_temp.tenant(id text, currency text DEFAULT 'USD', zone text DEFAULT 'UTC') RETURNS void LANGUAGE sql AS $$
	SELECT count(*) FROM finops.register_tenant(id, id, currency => currency);
	INSERT INTO finops.tenant_billing (tenant_id, time_zone) VALUES (id, zone) $$;
CREATE FUNCTION pg_temp.lines(tenant text, month date) RETURNS TABLE (line_type text, quantity numeric, unit text, amount numeric) LANGUAGE sql AS $$
	SELECT count(*) FROM finops.prepare_invoices(month, tenant);
	SELECT l.line_type, l.quantity, l.unit, l.amount FROM invoice_detail l JOIN invoice_header h USING (invoice_id)
	WHERE h.tenant_id = tenant AND h.period_start = month AND h.status = 'open' ORDER BY l.line_no $$;
CREATE FUNCTION pg_temp.total(tenant text, month date) RETURNS numeric LANGUAGE sql AS $$
	SELECT count(*) FROM finops.prepare_invoices(month, tenant);
	SELECT sum(l.amount) FROM invoice_detail l JOIN invoice_header h USING (invoice_id) WHERE h.tenant_id = tenant AND h.period_start = month AND h.status = 'open' $$;

-- three plans of one price in a month: 3.23 + 3.23 + 3.55 one by one would be 10.01
SELECT pg_temp.tenant('PC-3') \g /dev/null
SELECT count(*) FROM finops.set_plan('PC-A', 10, currency => 'USD') a, finops.set_plan('PC-B', 10, currency => 'USD') b, finops.set_plan('PC-C', 10, currency => 'USD') c,
	finops.bind_plan('PC-3', 'PC-A', '2026-01-01', '2026-01-10') d, finops.bind_plan('PC-3', 'PC-B', '2026-01-11', '2026-01-20') e, finops.bind_plan('PC-3', 'PC-C', '2026-01-21') f \g /dev/null
SELECT results_eq($$SELECT quantity, unit, amount FROM pg_temp.lines('PC-3', '2026-01-01')$$, $$VALUES (10::numeric, 'day', 3.23), (10, 'day', 3.22), (11, 'day', 3.55)$$, 'parts of a month add up to the full price');
SELECT results_eq($$SELECT quantity, unit, amount FROM pg_temp.lines('PC-3', '2026-02-01')$$, $$VALUES (1::numeric, 'month', 10.00)$$, 'a full month is one line');

-- a pause by day: days 10 to 19 of 30 are not charged, 1/3 of 99.99 each
SELECT pg_temp.tenant('PC-P') \g /dev/null
SELECT count(*) FROM finops.set_plan('PC-P', 99.99, currency => 'USD') a, finops.bind_plan('PC-P', 'PC-P', '2026-01-01') b, finops.pause_plan('PC-P', '2026-04-10 15:00+00') c, finops.resume_plan('PC-P', '2026-04-20 01:00+00') d \g /dev/null
SELECT results_eq($$SELECT quantity, unit, amount FROM pg_temp.lines('PC-P', '2026-04-01')$$, $$VALUES (9::numeric, 'day', 30.00), (11, 'day', 36.66)$$, 'a pause leaves two parts: 29.997 + 36.663');
SELECT count(*) FROM finops.pause_plan('PC-P', '2026-05-01') a \g /dev/null
SELECT is_empty($$SELECT * FROM pg_temp.lines('PC-P', '2026-06-01')$$, 'a month of pause is not billed');

-- an upgrade by second at half of March in Berlin, which has a day of 23 hours
SELECT pg_temp.tenant('PC-S', zone => 'Europe/Berlin') \g /dev/null
SELECT count(*) FROM finops.set_plan('PC-S1', 100, currency => 'USD', proration => 'second') a, finops.set_plan('PC-S2', 300, currency => 'USD', proration => 'second') b, finops.bind_plan('PC-S', 'PC-S1', '2026-01-01') c,
	finops.change_plan('PC-S', 'PC-S2', timestamptz '2026-02-28 23:00+00' + interval '1337400 seconds') d \g /dev/null
SELECT results_eq($$SELECT quantity, unit, amount FROM pg_temp.lines('PC-S', '2026-03-01')$$, $$VALUES (1337400::numeric, 'second', 50.00), (1337400, 'second', 150.00)$$, 'halves of a month by second, an hour short');
SELECT results_eq($$SELECT quantity, unit, amount FROM pg_temp.lines('PC-S', '2026-04-01')$$, $$VALUES (1::numeric, 'month', 300.00)$$, 'then the new plan');

-- a change within the first day of a month: the old plan has its hours of that day
SELECT pg_temp.tenant('PC-F') \g /dev/null
SELECT count(*) FROM finops.set_plan('PC-F1', 3100, currency => 'USD', proration => 'second') a, finops.set_plan('PC-F2', 6200, currency => 'USD', proration => 'second') b, finops.bind_plan('PC-F', 'PC-F1', '2026-01-01') c,
	finops.change_plan('PC-F', 'PC-F2', '2026-05-01 12:00+00', 'immediate') d \g /dev/null
SELECT results_eq($$SELECT quantity, unit, amount FROM pg_temp.lines('PC-F', '2026-05-01')$$, $$VALUES (43200::numeric, 'second', 50.00), (2635200, 'second', 6100.00)$$, 'half a day at 100 a day, 30.5 at 200');
SELECT is((SELECT array_agg(ARRAY[service_period_start, service_period_end]) FROM (SELECT l.* FROM invoice_detail l JOIN invoice_header h USING (invoice_id) WHERE h.tenant_id = 'PC-F' ORDER BY l.line_no) x),
	ARRAY[ARRAY['2026-05-01', '2026-05-01'], ARRAY['2026-05-01', '2026-05-31']]::date[], 'with their days');
SELECT results_eq($$SELECT quantity, unit, amount FROM pg_temp.lines('PC-F', '2026-04-01')$$, $$VALUES (1::numeric, 'month', 3100.00)$$, 'the month before is full');

-- plans by second and by day meet at midnight: 9 days of 31 at 100 a day, 22 at 200
SELECT pg_temp.tenant('PC-G'), pg_temp.tenant('PC-H') \g /dev/null
SELECT count(*) FROM finops.set_plan('PC-G1', 6200, currency => 'USD', proration => 'day') a, finops.set_plan('PC-H1', 3100, currency => 'USD', proration => 'day') b,
	finops.bind_plan('PC-G', 'PC-F1', '2026-01-01') c, finops.bind_plan('PC-H', 'PC-H1', '2026-01-01') d,
	finops.change_plan('PC-G', 'PC-G1', '2026-05-10 12:00+00', 'immediate') e, finops.change_plan('PC-H', 'PC-F2', '2026-05-10 12:00+00', 'immediate') f \g /dev/null
SELECT results_eq($$SELECT amount FROM pg_temp.lines('PC-G', '2026-05-01')$$, $$VALUES (900.00), (4400.00)$$, 'from seconds to days no hour is billed twice');
SELECT results_eq($$SELECT amount FROM pg_temp.lines('PC-H', '2026-05-01')$$, $$VALUES (900.00), (4400.00)$$, 'from days to seconds none is free');

-- a change before another one that is planned: no time between them is free
SELECT count(*) FROM finops.set_plan('PC-F3', 9300, currency => 'USD', proration => 'second') a, finops.change_plan('PC-F', 'PC-F1', '2026-07-20 12:00+00', 'immediate') b, finops.change_plan('PC-F', 'PC-F3', '2026-07-10 00:00+00', 'immediate') c \g /dev/null
SELECT results_eq($$SELECT quantity, unit, amount FROM pg_temp.lines('PC-F', '2026-07-01')$$, $$VALUES (777600::numeric, 'second', 1800.00), (907200, 'second', 3150.00), (993600, 'second', 1150.00)$$, '9 days at 200, 10.5 at 300, 11.5 at 100');

-- any division of a month in any zone adds up, by day and by second
CREATE TEMP TABLE zone ON COMMIT DROP AS SELECT name, row_number() OVER (ORDER BY name) AS n FROM (SELECT DISTINCT name FROM pg_timezone_names WHERE name IN (
	'Africa/Cairo', 'Africa/Casablanca', 'America/Anchorage', 'America/Asuncion', 'America/Bogota', 'America/Caracas', 'America/Chicago', 'America/Havana', 'America/Los_Angeles', 'America/New_York', 'America/Nuuk',
	'America/Santiago', 'America/Sao_Paulo', 'America/St_Johns', 'Antarctica/Troll', 'Asia/Amman', 'Asia/Beirut', 'Asia/Dhaka', 'Asia/Jerusalem', 'Asia/Kabul', 'Asia/Kathmandu', 'Asia/Kolkata', 'Asia/Pyongyang', 'Asia/Shanghai',
	'Asia/Tehran', 'Asia/Tokyo', 'Atlantic/Azores', 'Australia/Adelaide', 'Australia/Eucla', 'Australia/Lord_Howe', 'Australia/Sydney', 'Europe/Berlin', 'Europe/Dublin', 'Europe/London', 'Europe/Moscow', 'Pacific/Apia', 'Pacific/Auckland',
	'Pacific/Chatham', 'Pacific/Easter', 'Pacific/Kiritimati', 'Pacific/Marquesas', 'UTC')) z;
SELECT cmp_ok(count(*)::int, '>=', 40, 'time zones') FROM zone;
SELECT pg_temp.tenant('PC-Z' || n, zone => name) FROM zone \g /dev/null
SELECT count(*) FROM finops.set_plan('PC-Z1', 99.97, currency => 'USD', proration => 'second') a, finops.set_plan('PC-Z2', 99.97, currency => 'USD', proration => 'second') b,
	finops.set_plan('PC-D1', 99.97, currency => 'USD') c, finops.set_plan('PC-D2', 99.97, currency => 'USD') d \g /dev/null
-- four parts, cut at midnights and at instants, over the changes of the clocks in March and October 2025 and 2026, and February 2024
SELECT count(*) FROM zone z CROSS JOIN LATERAL (SELECT CASE WHEN n % 2 = 0 THEN 'PC-Z' ELSE 'PC-D' END AS p) x CROSS JOIN LATERAL finops.bind_plan('PC-Z' || n, p || '1', '2024-01-01') b \g /dev/null
SELECT count(*) FROM zone z CROSS JOIN LATERAL (SELECT CASE WHEN n % 2 = 0 THEN 'PC-Z' ELSE 'PC-D' END AS p) x
	CROSS JOIN (VALUES (1, timestamptz '2024-02-11 13:17:19.123456+00', '2'), (2, '2025-03-12 01:02:03+00', '1'), (3, '2025-03-30 00:59:59.999999+00', '2'), (4, '2025-10-17 21:00+00', '1'), (5, '2025-10-26 11:11:11+00', '2'), (6, '2026-03-08 07:00+00', '1')) c(k, at, v)
	CROSS JOIN LATERAL finops.change_plan('PC-Z' || n, p || v, c.at, 'immediate') b \g /dev/null
SELECT count(*) FROM (VALUES ('2024-02-01'::date), ('2025-03-01'), ('2025-10-01'), ('2026-03-01'), ('2026-04-01')) m(d), finops.prepare_invoices(m.d) \g /dev/null
SELECT is_empty($$SELECT h.tenant_id, h.period_start, sum(l.amount), count(*) FROM invoice_header h JOIN invoice_detail l USING (invoice_id) WHERE h.tenant_id LIKE 'PC-Z%' GROUP BY 1, 2 HAVING sum(l.amount) <> 99.97$$, 'the parts of every month add up to its price');
SELECT is((SELECT count(*) FROM invoice_header WHERE tenant_id LIKE 'PC-Z%'), 5 * count(*), 'for every tenant and month') FROM zone;
SELECT cmp_ok(count(*), '>=', 3 * (SELECT count(*) FROM zone), 'in parts') FROM (SELECT 1 FROM invoice_detail WHERE tenant_id LIKE 'PC-Z%' AND unit IN ('day', 'second') AND period_start = '2025-03-01') x;
SELECT is_empty($$SELECT z.name, d FROM zone z, generate_series(timestamp '2024-01-01', '2026-12-31', '1 day') d WHERE (d + interval '1 day') AT TIME ZONE z.name < d AT TIME ZONE z.name$$, 'no local day ends before it begins');

-- seats: two included, the highest number so far counts from its day on
SELECT pg_temp.tenant('PC-E') \g /dev/null
SELECT count(*) FROM finops.set_plan('PC-E', 0, currency => 'USD', base_seats => 2, max_seats => 20) a, finops.set_plan_price('PC-E', 'Seats', 'standard', 'seats', 12.40) b, finops.bind_plan('PC-E', 'PC-E', '2026-01-01') c,
	finops.set_seats('PC-E', 5, '2025-12-15') d, finops.set_seats('PC-E', 7, '2026-01-11') e, finops.set_seats('PC-E', 4, '2026-01-21') f \g /dev/null
SELECT results_eq($$SELECT quantity, unit, amount FROM pg_temp.lines('PC-E', '2026-01-01') WHERE line_type = 'seat'$$, $$VALUES (3::numeric, 'seat', 12.00), (5, 'seat', 42.00)$$, 'three seats for ten days, five for 21');
SELECT results_eq($$SELECT quantity, unit, amount FROM pg_temp.lines('PC-E', '2026-02-01') WHERE line_type = 'seat'$$, $$VALUES (2::numeric, 'seat', 24.80)$$, 'seats given back count from the next month on');

-- usage at the edges of tiers: included 100, then 10 at 1.00 (+3), 10 at 0.50 (+2), 0.25 (+1)
SELECT count(*) FROM finops.set_metric('pc_api', 'call', 'sum_daily') a, finops.set_metric('pc_tx', 'USD', 'sum_daily') b, finops.set_metric('pc_dyn', 'kWh', 'sum_daily') c, finops.set_metric('pc_peak', 'GB', 'peak_monthly') d \g /dev/null
CREATE TEMP TABLE example (model text, args text, used numeric, amount numeric) ON COMMIT DROP;
INSERT INTO example
SELECT 'graduated', 'included => 100, tiers => ''[{"up_to": 10, "unit_price": 1, "flat_fee": 3}, {"up_to": 20, "unit_price": 0.5, "flat_fee": 2}, {"up_to": null, "unit_price": 0.25, "flat_fee": 1}]''', 100 + q, a
FROM (VALUES (-100, 0), (0, 0), (1, 4), (10, 13), (11, 15.5), (20, 20), (21, 21.25), (100, 41)) v(q, a)
UNION ALL SELECT 'volume', 'included => 100, tiers => ''[{"up_to": 10, "unit_price": 1, "flat_fee": 3}, {"up_to": 20, "unit_price": 0.5, "flat_fee": 2}, {"up_to": null, "unit_price": 0.25, "flat_fee": 1}]''', 100 + q, a
FROM (VALUES (0, 0), (1, 4), (10, 13), (11, 7.5), (20, 12), (21, 6.25), (100, 26)) v(q, a)
UNION ALL SELECT 'standard', 'unit_price => 0.000123, included => 0', q, a FROM (VALUES (0, 0), (40, 0), (41, 0.01), (1000000, 123)) v(q, a)
UNION ALL SELECT 'standard', 'unit_price => 0.05, included => 0, flat_fee => 7', q, a FROM (VALUES (0, 7), (1, 7.05)) v(q, a)
UNION ALL SELECT 'package', 'unit_price => 5, package_size => 100, included => 0', q, a FROM (VALUES (0, 0), (1, 5), (100, 5), (101, 10)) v(q, a)
UNION ALL SELECT 'standard', 'unit_price => 2, included => 0, minimum => 50, maximum => 80', q, a FROM (VALUES (0, 50), (24, 50), (25, 50), (26, 52), (40, 80), (41, 80)) v(q, a)
UNION ALL SELECT 'percentage', 'rate_pct => 1.5, free_amount => 100', q, a FROM (VALUES (100, 0), (101, 0.02), (300, 3)) v(q, a);
ALTER TABLE example ADD n serial;
SELECT count(*) FROM example e CROSS JOIN LATERAL pg_temp.tenant('PC-X' || n) t CROSS JOIN LATERAL finops.set_plan('PC-X' || n, 0, currency => 'USD') p \g /dev/null
DO $$ DECLARE e record; BEGIN
	FOR e IN SELECT * FROM example LOOP
		EXECUTE format('SELECT finops.set_plan_price(%L, ''Calls'', %L, ''pc_api'', %s)', 'PC-X' || e.n, e.model, e.args);
		PERFORM finops.bind_plan('PC-X' || e.n, 'PC-X' || e.n, '2026-01-01');
		IF e.used > 0 THEN PERFORM finops.record_usage('PC-X' || e.n, 'pc_api', trunc(e.used / 3, 2), '2026-01-03'), finops.record_usage('PC-X' || e.n, 'pc_api', e.used - trunc(e.used / 3, 2), '2026-01-30'); END IF;
	END LOOP; END $$;
SELECT count(*) FROM finops.prepare_invoices('2026-01-01') \g /dev/null
SELECT is((SELECT coalesce(sum(l.amount), 0) FROM invoice_detail l WHERE l.tenant_id = 'PC-X' || e.n), e.amount, format('%s of %s, %s', e.model, e.used, left(e.args, 40))) FROM example e ORDER BY n;
SELECT is((SELECT sum(amount) FROM finops.price_preview('PC-X' || e.n, '2026-01-01')), (SELECT 15.5), 'the preview computes the same') FROM example e WHERE model = 'graduated' AND used = 111;
SELECT is((SELECT detail -> 'tiers' -> 1 ->> 'amount' FROM finops.price_preview('PC-X' || e.n, '2026-01-01') WHERE line_type = 'overage'), '2.5', 'and tells its steps') FROM example e WHERE model = 'graduated' AND used = 111;

-- transactions: 1.5 percent and 0.25 each, two free; usage that carries its price
SELECT pg_temp.tenant('PC-T') \g /dev/null
SELECT count(*) FROM finops.set_plan('PC-T', 0, currency => 'USD') a, finops.set_plan_price('PC-T', 'Fees', 'percentage', 'pc_tx', rate_pct => 1.5, fixed_fee => 0.25, free_count => 2, transaction_max => 2) b,
	finops.set_plan_price('PC-T', 'Energy', 'dynamic', 'pc_dyn', 1.1, included => 10) c, finops.bind_plan('PC-T', 'PC-T', '2026-01-01') d \g /dev/null
SELECT count(*) FROM (VALUES ('t3', 100, 5), ('t1', 1000, 1), ('t4', 400, 9), ('t2', 1000, 2)) v(id, amount, day) CROSS JOIN LATERAL finops.record_usage('PC-T', 'pc_tx', amount, event_id => id, occurred_at => timestamptz '2026-01-01 12:00+00' + day * interval '1 day') r \g /dev/null
SELECT count(*) FROM (VALUES ('d1', 8, 0.30), ('d2', 7, 0.20)) v(id, q, p) CROSS JOIN LATERAL finops.record_usage('PC-T', 'pc_dyn', q, event_id => id, occurred_at => '2026-01-09 12:00+00', unit_price => p) r \g /dev/null
SELECT results_eq($$SELECT amount FROM pg_temp.lines('PC-T', '2026-01-01') WHERE line_type IN ('usage', 'overage') ORDER BY 1$$, $$VALUES (1.10), (3.75)$$, '1.75 + 2.00 in the order of time; 5 x 0.20 x 1.1');

-- overage by the plan's cap, in proportion to the days of the plan
SELECT pg_temp.tenant('PC-O') \g /dev/null
SELECT count(*) FROM finops.set_plan('PC-O', 0, currency => 'USD') a, finops.set_cap('PC-O', 'pc_api', 310, overage_unit_price => 0.10) b, finops.set_cap('PC-O', 'pc_peak', 62, overage_unit_price => 1) c, finops.bind_plan('PC-O', 'PC-O', '2026-01-22') d,
	finops.record_usage('PC-O', 'pc_api', 105, '2026-01-25') e, finops.record_usage('PC-O', 'pc_peak', 20, '2026-01-25') f, finops.record_usage('PC-O', 'pc_peak', 25, '2026-01-26') g, finops.record_usage('PC-O', 'pc_api', 999, '2026-01-21') h \g /dev/null
SELECT results_eq($$SELECT quantity, amount FROM pg_temp.lines('PC-O', '2026-01-01') WHERE line_type = 'overage'$$, $$VALUES (5::numeric, 0.50), (5, 5.00)$$, '105 of 100 calls and 25 of 20 GB in ten days; usage without a plan is not billed');

-- prepaid first: 60 of 100 used are prepaid, 30 included, 10 over
SELECT pg_temp.tenant('PC-U') \g /dev/null
SELECT count(*) FROM finops.set_plan('PC-U', 0, currency => 'USD') a, finops.set_plan_price('PC-U', 'Calls', 'standard', 'pc_api', 1, included => 30) b, finops.bind_plan('PC-U', 'PC-U', '2026-01-01') c, finops.set_topup_sku('PC-60', 'pc_api', 60, 12.5, 'USD', effective_from => '2026-01-01') d,
	finops.top_up('PC-U', 'PC-60', 1, 'PC-TOP', at => '2026-01-05') e, finops.record_usage('PC-U', 'pc_api', 100, '2026-01-25') f \g /dev/null
SELECT results_eq($$SELECT line_type, quantity, amount FROM pg_temp.lines('PC-U', '2026-01-01') WHERE line_type <> 'subscription'$$, $$VALUES ('overage', 10::numeric, 10.00), ('topup', 1, 12.50)$$, 'prepaid, then included, then overage; the top-up is billed');
SELECT is((SELECT balance FROM finops.usage_balance WHERE lot_id = 'PC-TOP'), 0::numeric, 'and its lot is drawn');

-- a plan's minimum and maximum: three lines of 33.333 under 100, over 90
SELECT pg_temp.tenant('PC-M') \g /dev/null
SELECT pg_temp.tenant('PC-N') \g /dev/null
SELECT count(*) FROM finops.set_plan('PC-M', 33.333, currency => 'USD', minimum_amount => 100.01) a, finops.set_plan_price('PC-M', 'b', flat_fee => 33.333) b, finops.set_plan_price('PC-M', 'c', flat_fee => 33.333) c,
	finops.set_plan('PC-N', 33.333, currency => 'USD', maximum_amount => 90) d, finops.set_plan_price('PC-N', 'b', flat_fee => 33.333) e, finops.set_plan_price('PC-N', 'c', flat_fee => 33.333) f,
	finops.bind_plan('PC-M', 'PC-M', '2026-01-01') g, finops.bind_plan('PC-N', 'PC-N', '2026-01-17') h \g /dev/null
SELECT is(pg_temp.total('PC-M', '2026-01-01'), 100.01, 'exactly the minimum');
SELECT is((SELECT sum(amount) FROM invoice_detail WHERE tenant_id = 'PC-M' AND line_type = 'commitment'), 0.01, 'by a true-up of 0.011');
SELECT is(pg_temp.total('PC-N', '2026-01-01'), 43.55, 'the maximum of 15 of 31 days: 90 x 15 / 31');
SELECT is(pg_temp.total('PC-N', '2026-02-01'), 90.00, 'exactly the maximum');

-- currencies without and with three decimals; a plan in another currency than its document
SELECT count(*) FROM finops.set_fx_rate('JPY', '2025-01-01', 0.0065) a, finops.set_fx_rate('BHD', '2025-01-01', 2.65) b \g /dev/null
SELECT pg_temp.tenant('PC-J', 'JPY') \g /dev/null
SELECT pg_temp.tenant('PC-K', 'BHD') \g /dev/null
SELECT count(*) FROM finops.set_plan('PC-J', 1000, currency => 'JPY') a, finops.set_plan('PC-K', 10, currency => 'USD') b, finops.bind_plan('PC-J', 'PC-J', '2026-02-01', '2026-02-01') c, finops.bind_plan('PC-K', 'PC-K', '2026-02-01') d \g /dev/null
SELECT is(pg_temp.total('PC-J', '2026-02-01'), 36::numeric, 'a day of 28 in yen');
SELECT is(pg_temp.total('PC-K', '2026-02-01'), 3.774, '10 USD at 2.65 in dinars');

SELECT * FROM finish();
ROLLBACK;

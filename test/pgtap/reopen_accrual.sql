-- Accruals that reverse by themselves, and a locked month that two open again.
BEGIN;
SELECT plan(32);
SET LOCAL client_min_messages = warning;
CREATE FUNCTION pg_temp.bill(src text, month date, service text, cost numeric) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF to_regclass('finops.fact_cost_raw_' || to_char(month, 'YYYY_MM')) IS NULL THEN
		EXECUTE format('CREATE TABLE finops.fact_cost_raw_%s PARTITION OF fact_cost_raw FOR VALUES FROM (%L) TO (%L)', to_char(month, 'YYYY_MM'), month, (month + interval '1 month')::date);
	END IF;
	INSERT INTO fact_cost_raw (bill_billing_period_start_date, line_item_usage_start_date, provider, service, charge_category, billed_cost, effective_cost, tenant_id, source, delivery_id)
	VALUES (month, month, 'AWS', service, 'Usage', cost, cost, 'ra-a', src, 0);
	PERFORM finops.rebuild_rollup(month);
END $$;
CREATE FUNCTION pg_temp.close(month date, provisional boolean) RETURNS text LANGUAGE plpgsql AS $$
DECLARE step text; stopped text;
BEGIN
	PERFORM finops.begin_close(month, provisional);
	FOR step IN SELECT unnest(ARRAY['readiness', 'tags', 'allocation', 'reconciliation', 'documents', 'control', 'issue']) LOOP
		IF stopped IS NULL AND NOT (provisional AND step = 'issue') THEN
			PERFORM finops.close_step(month, step);
			stopped := finops.close_verdict(month, step, provisional);
		END IF;
	END LOOP;
	RETURN finops.end_close(month, provisional, stopped);
END $$;
CREATE VIEW pg_temp.accruals AS SELECT to_char(period_start, 'YYYY-MM') AS month, source, service, kind, method, amount FROM finops.accrual_entry ORDER BY entry_id;
INSERT INTO tenant_master (tenant_id, tenant_name, billing_mode) VALUES ('ra-a', 'A', 'showback');
SELECT pg_temp.bill('AWS/1', '2020-01-01', 'EC2', 100.006), pg_temp.bill('AWS/2', '2020-01-01', 'S3', 40), pg_temp.bill('AWS/2', '2020-01-01', 'RDS', 2) \g /dev/null
SELECT pg_temp.bill('AWS/1', '2020-02-01', 'EC2', 110) \g /dev/null

-- a final close stops, a provisional one accrues what the missing source cost the month before
SELECT matches(pg_temp.close('2020-02-01', false), '^stopped at readiness: deliveries: no bill of AWS/2', 'a final close waits for the bill');
SELECT is_empty('SELECT * FROM pg_temp.accruals', 'and accrues nothing');
SELECT matches(pg_temp.close('2020-02-01', true), '^provisional 2020-02', 'a provisional one goes on');
SELECT results_eq('SELECT * FROM pg_temp.accruals', $$VALUES ('2020-02'::text, 'AWS/2'::text, 'RDS'::text, 'accrual'::text, 'estimate'::text, 2.00::numeric), ('2020-03', 'AWS/2', 'RDS', 'reversal', 'estimate', -2.00),
	('2020-02', 'AWS/2', 'S3', 'accrual', 'estimate', 40.00), ('2020-03', 'AWS/2', 'S3', 'reversal', 'estimate', -40.00)$$, 'accruals with their reversals in the next month');
SELECT is((SELECT accrued_usd::text || ' ' || aws_total_usd FROM finops.recon_run WHERE recon_id = 'RECON-2020-02'), '42.00 110', 'they stand beside cost in, not in it');
SELECT is((SELECT count(*) FROM recon_exceptions WHERE recon_id = 'RECON-2020-02' AND category = 'Timing' AND description LIKE '%accrued for AWS/2, no bill yet'), 2::bigint, 'as lines of their own');
SELECT pg_temp.close('2020-02-01', true) \g /dev/null
SELECT is((SELECT count(*) FROM finops.accrual_entry), 4::bigint, 'again: nothing is booked twice');
SELECT finops.book_accrual('2020-02-01', 'SaaS', 'Seats', 12.5, reason => 'contract 7') \g /dev/null
SELECT throws_ok($$SELECT finops.book_accrual('2020-02-01', 'SaaS', 'Seats', 12.505)$$, '22023', NULL, 'half a cent cannot be accrued');
SELECT throws_ok($$SELECT finops.book_accrual('2020-02-01', 'SaaS', 'Seats', 'NaN')$$, '22023', 'amount must be finite', 'nor NaN');
SELECT throws_ok($$SELECT finops.book_accrual('2020-02-01', ' ', 'Seats', 1)$$, '22023', 'source must not be blank', 'nor for nobody');
-- the bill comes: the accrual ends, in its month and in the next
SELECT pg_temp.bill('AWS/2', '2020-02-01', 'S3', 44) \g /dev/null
SELECT finops.validate_tags('2020-02-01'), finops.allocate('2020-02-01'), finops.reconcile('2020-02-01') \g /dev/null
SELECT is((SELECT accrued_usd::text || ' ' || aws_total_usd FROM finops.recon_run WHERE recon_id = 'RECON-2020-02'), '12.50 154', 'the bill counts, its accrual does not any more');
SELECT is((SELECT string_agg(concat_ws(' ', to_char(period_start, 'MM'), service, sum), ', ' ORDER BY period_start, service) FROM
	(SELECT period_start, service, sum(amount) FROM finops.accrual_entry GROUP BY 1, 2 HAVING sum(amount) <> 0) x), '02 Seats 12.5, 03 Seats -12.5', 'only what was booked by hand stands');
SELECT is((SELECT sum(amount) FROM finops.accrual_entry), 0::numeric, 'all entries add up to 0');

-- the month is locked with it
SELECT is((SELECT string_agg(detail, ',') FROM finops.readiness('2020-02-01') WHERE state = 'blocked'), NULL, 'the month is ready');
SELECT matches(pg_temp.close('2020-02-01', false), '^closed 2020-02', 'and closed');
SELECT throws_ok($$SELECT finops.book_accrual('2020-02-01', 'X', 'Y', 1)$$, '55000', NULL, 'nothing is accrued in a locked month');
SELECT finops.book_accrual('2020-01-01', 'X', 'Y', 1) \g /dev/null
SELECT is((SELECT period_start FROM finops.accrual_entry WHERE source = 'X' AND kind = 'reversal'), '2020-03-01'::date, 'a reversal goes into the next month that is open');
SELECT throws_ok('UPDATE finops.accrual_entry SET amount = 1 WHERE period_start = ''2020-02-01''', '55000', NULL, 'locked accruals do not change');
CREATE ROLE ra_clerk;
GRANT ALL ON usage_snapshot_daily, invoice_detail, finops.accrual_entry TO ra_clerk;
GRANT USAGE ON SCHEMA finops TO ra_clerk;
SET LOCAL ROLE ra_clerk;
SELECT throws_ok($$INSERT INTO usage_snapshot_daily (tenant_id, metric_code, usage_date, metric_value) VALUES ('ra-a', 'm', '2020-02-05', 1)$$, '55000', 'billing period 2020-02 is locked', 'a clerk adds no usage to a locked month');
SELECT lives_ok($$INSERT INTO usage_snapshot_daily (tenant_id, metric_code, usage_date, metric_value) VALUES ('ra-a', 'm', '2020-03-05', 1)$$, 'but to an open one');
RESET ROLE;

-- two open it again
CREATE ROLE ra_one;
CREATE ROLE ra_two;
GRANT USAGE ON SCHEMA finops TO ra_one, ra_two;
GRANT EXECUTE ON FUNCTION finops.reopen_period(date, text), finops.approve_reopen(bigint, text) TO ra_one, ra_two;
CREATE TEMP TABLE head AS SELECT hash_head FROM period_lock WHERE period_start = '2020-02-01';
GRANT ALL ON head TO ra_one, ra_two;
SET LOCAL ROLE ra_one;
SELECT throws_ok($$SELECT finops.reopen_period('2020-03-01', 'x')$$, '55000', 'billing period 2020-03 is not locked', 'an open month');
SELECT throws_ok($$SELECT finops.reopen_period('2020-02-01', '')$$, '22023', 'reason must not be blank', 'no reason');
SELECT finops.reopen_period('2020-02-01', 'a tenant was missing') AS request \gset
SELECT throws_ok($$SELECT finops.reopen_period('2020-02-01', 'again')$$, '55000', 'reopening of 2020-02 is requested already', 'asked for already');
SELECT throws_ok(format('SELECT finops.approve_reopen(%s)', :request), '42501', NULL, 'who asked cannot approve');
SET LOCAL ROLE ra_two;
-- the role that logged in asked as another one: it cannot approve either
SELECT throws_ok(format('SELECT finops.approve_reopen(%s)', :request), '42501', NULL, 'nor can the session that asked, under another role');
RESET ROLE;
SET LOCAL SESSION AUTHORIZATION ra_two;
SELECT is(finops.approve_reopen(:request, 'checked'), (SELECT hash_head FROM head), 'another role opens it and gets the hash head');
RESET SESSION AUTHORIZATION;
SELECT is((SELECT state || coalesce(hash_head, ' none') FROM period_lock WHERE period_start = '2020-02-01'), 'OPEN none', 'the month is open');
SELECT is((SELECT concat_ws(' ', status, requested_by, approved_by, reason, note, hash_head = (SELECT hash_head FROM head), jsonb_array_length(seal) > 10) FROM finops.period_reopening),
	'approved ra_one ra_two a tenant was missing checked t t', 'and its lock stays in the history');
SELECT lives_ok($$UPDATE fact_cost_raw SET tenant_id = 'ra-a' WHERE bill_billing_period_start_date = '2020-02-01'$$, 'facts can be changed');
SELECT finops.allocate('2020-02-01') \g /dev/null
SELECT matches(pg_temp.close('2020-02-01', false), '^closed 2020-02', 'it is closed again');
SELECT is_empty('SELECT * FROM finops.verify_period(''2020-02-01'')', 'under a new seal');
SELECT is((SELECT concat_ws(' ', count(*) > 0, sum(debit) = sum(credit), count(*) - count(DISTINCT (origin_period, source, reference, tenant_id, role, currency))) FROM finops.journal_entry WHERE posted_period = '2020-02-01'), 't t 0',
	'its journal was posted by the first lock, and not again by the second');
SELECT * FROM finish();
ROLLBACK;

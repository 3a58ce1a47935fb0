-- Gate 0 of the close and the calendar, on hand-made months.
BEGIN;
SELECT plan(24);
CREATE FUNCTION pg_temp.days(src text, month date, pattern text, cost numeric DEFAULT 10, currency text DEFAULT 'USD') RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF to_regclass('finops.fact_cost_raw_' || to_char(month, 'YYYY_MM')) IS NULL THEN
		EXECUTE format('CREATE TABLE finops.fact_cost_raw_%s PARTITION OF fact_cost_raw FOR VALUES FROM (%L) TO (%L)', to_char(month, 'YYYY_MM'), month, (month + interval '1 month')::date);
	END IF;
	INSERT INTO fact_cost_raw (bill_billing_period_start_date, line_item_usage_start_date, bill_invoice_id, provider, service, charge_category, billed_cost,
		effective_cost, line_item_currency_code, tenant_id, source, delivery_id)
	SELECT month, d, 'I-1', 'AWS', 'EC2', 'Usage', cost, cost, currency, 'r-a', src, 0 FROM generate_series(month::timestamp, month + interval '1 month' - interval '1 day', '1 day') d
	WHERE CASE pattern WHEN 'daily' THEN true WHEN 'first' THEN extract(day FROM d) = 1 WHEN 'weekdays' THEN extract(isodow FROM d) < 6
		ELSE extract(day FROM d)::text <> ALL (string_to_array(pattern, ',')) END;
	PERFORM finops.rebuild_rollup(month);
END $$;
CREATE FUNCTION pg_temp.found(month date, wanted text) RETURNS text LANGUAGE sql AS $$ SELECT state || ': ' || detail FROM finops.readiness(month) WHERE item = wanted $$;

SELECT pg_temp.days('AWS/1', '2021-01-01', 'daily'), pg_temp.days('AWS/2', '2021-01-01', 'weekdays'), pg_temp.days('SaaS', '2021-01-01', 'first') \g /dev/null
SELECT is(pg_temp.found('2021-01-01', 'deliveries'), 'ok: every expected source has delivered', 'nothing is expected of a first month');
SELECT is(pg_temp.found('2021-01-01', 'days'), 'ok: no source misses a day', 'a source keeps its own pattern: daily, on weekdays, monthly');
SELECT is(pg_temp.found('2021-01-01', 'invoice ids'), 'ok: every line with cost carries an invoice id', 'invoice ids');

-- the next month: one payer has not delivered, one misses two days and a Saturday that it never has
SELECT pg_temp.days('AWS/2', '2021-02-01', '10,11,6,7,13,14,20,21,27,28'), pg_temp.days('SaaS', '2021-02-01', 'first') \g /dev/null
SELECT is(pg_temp.found('2021-02-01', 'deliveries'), 'blocked: no bill of AWS/1', 'a source that delivered the month before is expected');
SELECT is(pg_temp.found('2021-02-01', 'days'), 'blocked: no lines on 2021-02-10 of AWS/2, 2021-02-11 of AWS/2', 'days that the pattern asks for');
INSERT INTO finops.expected_delivery (source, valid_from) VALUES ('GCP/9', '2021-02-01');
SELECT is(pg_temp.found('2021-02-01', 'deliveries'), 'blocked: no bill of AWS/1, GCP/9', 'a source that was told is expected');
SELECT is(pg_temp.found('2021-01-01', 'deliveries'), 'ok: every expected source has delivered', 'from its first day on');
INSERT INTO finops.expected_delivery (source, valid_from, required) VALUES ('AWS/1', '2021-02-01', false);
UPDATE finops.expected_delivery SET valid_to = '2021-02-01', valid_from = '2020-01-01' WHERE source = 'GCP/9';
SELECT is(pg_temp.found('2021-02-01', 'deliveries'), 'ok: every expected source has delivered', 'and one that has ended is not');

-- a truncated bill: daily until the 20th
SELECT pg_temp.days('AWS/1', '2021-03-01', '21,22,23,24,25,26,27,28,29,30,31') \g /dev/null
SELECT is(pg_temp.found('2021-03-01', 'days'), 'blocked: no lines on 2021-03-21 of AWS/1, 2021-03-22 of AWS/1, 2021-03-23 of AWS/1 and 8 more', 'a bill that ends early');

-- waiving
SELECT throws_ok($$SELECT finops.waive_readiness('2021-02-01', 'bill', 'x')$$, '22023', 'item "bill" cannot be waived', 'a month without a bill is none');
SELECT throws_ok($$SELECT finops.waive_readiness('2021-02-01', 'days', ' ')$$, '22023', 'reason must not be blank', 'a waiver needs a reason');
SELECT lives_ok($$SELECT finops.waive_readiness('2021-02-01', 'days', 'the provider was down')$$, 'a gap that is known');
SELECT is(pg_temp.found('2021-02-01', 'days'), 'waived: no lines on 2021-02-10 of AWS/2, 2021-02-11 of AWS/2; waived: the provider was down', 'does not stop the close any more');
SELECT is((SELECT metadata ->> 'reason' FROM audit_event WHERE action = 'waive_readiness'), 'the provider was down', 'and is audited');

-- rates and usage
SELECT pg_temp.days('OCI/3', '2021-02-01', 'first', 5, 'CHF') \g /dev/null
SELECT is(pg_temp.found('2021-02-01', 'rates'), 'blocked: no rate of CHF', 'a foreign currency needs a rate');
SELECT count(*) FROM finops.set_fx_rate('CHF', '2021-03-01', 1.1) \g /dev/null
SELECT is(pg_temp.found('2021-02-01', 'rates'), 'blocked: no rate of CHF', 'one that is of the month');
SELECT count(*) FROM finops.set_fx_rate('CHF', '2021-02-28', 1.1) \g /dev/null
SELECT is(pg_temp.found('2021-02-01', 'rates'), 'ok: every currency has a rate', 'such as the last day');
SELECT is(pg_temp.found('2021-02-01', 'usage'), 'ok: usage that plans ask for is complete', 'no plan asks for usage');
INSERT INTO tenant_master (tenant_id, tenant_name) VALUES ('r-a', 'A'), ('r-b', 'B');
INSERT INTO plan_master (plan_code, plan_family, base_price) VALUES ('r-plan', 'r', 1);
INSERT INTO metric_catalog (metric_code, domain, unit, aggregation) VALUES ('r-gb', 'storage', 'GB', 'sum_daily');
INSERT INTO plan_metric_map (plan_code, metric_code, cap_value, unit, effective_from) VALUES ('r-plan', 'r-gb', 100, 'GB', '2020-01-01');
INSERT INTO tenant_plan_binding (tenant_id, plan_code, period_start, period_end) VALUES ('r-a', 'r-plan', '2021-01-01', NULL), ('r-b', 'r-plan', '2021-02-27', '2021-02-28');
INSERT INTO usage_snapshot_daily (tenant_id, metric_code, usage_date, metric_value) SELECT 'r-a', 'r-gb', d, 1 FROM generate_series('2021-02-01', '2021-02-27', interval '1 day') d;
SELECT is(pg_temp.found('2021-02-01', 'usage'), 'blocked: no snapshot of r-a r-gb on 1 day from 2021-02-28, r-b r-gb on 2 days from 2021-02-27', 'every day of every binding');
UPDATE tenant_master SET status = 'closed' WHERE tenant_id = 'r-b';
INSERT INTO usage_snapshot_daily (tenant_id, metric_code, usage_date, metric_value) VALUES ('r-a', 'r-gb', '2021-02-28', 1);
SELECT is(pg_temp.found('2021-02-01', 'usage'), 'ok: usage that plans ask for is complete', 'of active tenants');
SELECT is_empty($$SELECT * FROM finops.readiness('2021-02-01') WHERE state = 'ok' AND next_call IS NOT NULL OR state IN ('note', 'blocked') AND next_call IS NULL$$, 'what is not ok names a call, and only that');

-- the calendar: business days after the month, without weekends and holidays
INSERT INTO finops.holiday VALUES ('2021-03-01', 'a holiday');
SELECT results_eq($$SELECT step, owner, due FROM finops.close_calendar('2021-02-01') WHERE step IN ('readiness', 'lock')$$,
	$$VALUES ('readiness'::text, 'FinOps'::text, '2021-03-04'::date), ('lock', 'Finance', '2021-03-09')$$, 'the third and the sixth business day after February 2021');
INSERT INTO finops.close_policy (step, "position", owner, due_business_day, effective_from) VALUES ('lock', 8, 'CFO', 1, '2021-02-01');
SELECT results_eq($$SELECT owner, due, state FROM finops.close_calendar('2021-02-01') WHERE step = 'lock'$$, $$VALUES ('CFO'::text, '2021-03-02'::date, 'late'::text)$$, 'a policy of the user comes first');
SELECT is((SELECT owner FROM finops.close_calendar('2021-01-01') WHERE step = 'lock'), 'Finance', 'from its day on');
SELECT * FROM finish();
ROLLBACK;

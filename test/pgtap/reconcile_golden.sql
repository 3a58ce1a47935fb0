-- Golden reconciliations, worked out by hand.
BEGIN;
SELECT plan(16);
SET LOCAL client_min_messages = warning;
CREATE FUNCTION pg_temp.month(period date, facts jsonb, entries jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TABLE finops.fact_cost_raw_%s PARTITION OF fact_cost_raw FOR VALUES FROM (%L) TO (%L)', to_char(period, 'YYYY_MM'), period, (period + interval '1 month')::date);
	EXECUTE format('CREATE TABLE finops.fact_cost_allocated_%s PARTITION OF fact_cost_allocated FOR VALUES FROM (%L) TO (%L)', to_char(period, 'YYYY_MM'), period, (period + interval '1 month')::date);
	INSERT INTO fact_cost_raw (bill_billing_period_start_date, line_item_usage_start_date, provider, service, charge_category, billed_cost, effective_cost, line_item_currency_code, source, delivery_id)
	SELECT period, period, 'AWS', f ->> 's', 'Usage', (f ->> 'c')::numeric, (f ->> 'c')::numeric, coalesce(f ->> 'cur', 'USD'), 'test', 1 FROM jsonb_array_elements(facts) f;
	INSERT INTO fact_cost_allocated (tenant_id, period_start, period_end, service, category, rule_id, rule_version, run_id, kind, origin, currency, allocated_cost_usd)
	SELECT e ->> 't', period, (period + interval '1 month')::date - 1, e ->> 's', 'OTHER', CASE WHEN e ->> 't' IS NULL THEN 'unallocated' ELSE 'rule' END, 1, 1,
		CASE WHEN e ->> 't' IS NULL THEN 'unallocated' ELSE 'shared' END, 'test', coalesce(e ->> 'cur', 'USD'), (e ->> 'c')::numeric FROM jsonb_array_elements(entries) e;
	INSERT INTO finops.period_gate (period_start, gate, position, status) VALUES (period, 'allocation', 2, 'completed');
	RETURN finops.reconcile(period);
END $$;

-- three lines of 50 against two entries of 60 and 40: joined line by line to entries, both sums are 300 and the variance 0 %
SELECT pg_temp.month('2019-01-01', '[{"s":"EC2","c":50},{"s":"EC2","c":50},{"s":"EC2","c":50}]', '[{"s":"EC2","t":"a","c":60},{"s":"EC2","t":"b","c":40},{"s":"EC2","c":50}]') \g /dev/null
SELECT is((SELECT round((sum(a.allocated_cost_usd) - sum(f.effective_cost)) / sum(f.effective_cost) * 100, 2) FROM fact_cost_raw f JOIN fact_cost_allocated a USING (service)
	WHERE f.bill_billing_period_start_date = '2019-01-01' AND a.period_start = '2019-01-01' AND a.tenant_id IS NOT NULL), 0.00, 'the fan-out join of lines and entries says 0 %');
SELECT results_eq($$SELECT service, aws_total_usd, allocated_total_usd, round(variance_pct, 2), status FROM recon_summary WHERE recon_id = 'RECON-2019-01' ORDER BY 1$$,
	$$VALUES ('ALL'::text, 150::numeric, 100::numeric, -33.33::numeric, 'failed'::text), ('EC2', 150, 100, -33.33, 'failed')$$, 'a third of the cost missing is -33.33 %');

-- a service whose credits exceed its usage: 90 of -100 placed is +10 % of abs(cost in)
SELECT pg_temp.month('2019-02-01', '[{"s":"Credits","c":20},{"s":"Credits","c":-120},{"s":"EC2","c":5000}]', '[{"s":"Credits","t":"a","c":-90},{"s":"Credits","c":-10},{"s":"EC2","t":"a","c":5000}]') \g /dev/null
SELECT results_eq($$SELECT service, aws_total_usd, variance_usd, round(variance_pct, 2), status FROM finops.recon_detail WHERE recon_id = 'RECON-2019-02' ORDER BY 1$$,
	$$VALUES ('Credits'::text, -100::numeric, 10::numeric, 10.00::numeric, 'failed'::text), ('EC2', 5000, 0, 0.00, 'ok')$$, 'a negative service keeps its sign');
SELECT is((SELECT status FROM recon_summary WHERE recon_id = 'RECON-2019-02' AND service = 'ALL'), 'ok', 'the total is within 0.5 %');
SELECT is((SELECT status FROM finops.period_gate WHERE period_start = '2019-02-01' AND gate = 'reconciliation'), 'failed', 'and the gate is shut all the same');

-- a service of which nothing is expected: its lines cancel, something was placed
SELECT pg_temp.month('2019-03-01', '[{"s":"Refunds","c":70},{"s":"Refunds","c":-70},{"s":"EC2","c":1000}]', '[{"s":"Refunds","t":"a","c":0.02},{"s":"Refunds","c":-0.02},{"s":"EC2","t":"a","c":1000}]') \g /dev/null
SELECT results_eq($$SELECT service, aws_total_usd, variance_usd, variance_pct, status FROM finops.recon_detail WHERE recon_id = 'RECON-2019-03' AND service = 'Refunds'$$,
	$$VALUES ('Refunds'::text, 0::numeric, 0.02::numeric, NULL::numeric, 'failed'::text)$$, 'nothing expected and something there has failed, however small');
SELECT is((SELECT description FROM recon_exceptions WHERE recon_id = 'RECON-2019-03' AND service = 'Refunds' AND severity = 'failed'), 'nothing expected, 0.02 USD placed', 'and says so');

-- two currencies, each by itself and together at the rate of the month
SELECT finops.set_fx_rate('EUR', '2019-04-15', 1.25, 'ECB') \g /dev/null
SELECT pg_temp.month('2019-04-01', '[{"s":"EC2","c":100},{"s":"EC2","c":80,"cur":"EUR"},{"s":"S3","c":8,"cur":"EUR"}]',
	'[{"s":"EC2","t":"a","c":100},{"s":"EC2","t":"a","c":60,"cur":"EUR"},{"s":"EC2","c":20,"cur":"EUR"},{"s":"S3","t":"b","c":8,"cur":"EUR"}]') \g /dev/null
SELECT results_eq($$SELECT currency, rate, cost_in, allocated, unallocated, cost_in_usd, unallocated_usd FROM finops.recon_currency WHERE recon_id = 'RECON-2019-04' ORDER BY 1$$,
	$$VALUES ('EUR'::text, 1.25::numeric, 88::numeric, 68::numeric, 20::numeric, 110.00::numeric, 25.00::numeric), ('USD', 1, 100, 100, 0, 100, 0)$$, 'per currency');
SELECT results_eq($$SELECT service, aws_total_usd, variance_usd, variance_pct FROM finops.recon_detail WHERE recon_id = 'RECON-2019-04' ORDER BY 1$$,
	$$VALUES ('EC2'::text, 200.00::numeric, -25.00::numeric, -12.5::numeric), ('S3', 10.00, 0.00, 0)$$, 'and in the reporting currency');
SELECT results_eq($$SELECT stage, name, expected_usd, actual_usd, status FROM finops.recon_stage WHERE recon_id = 'RECON-2019-04' AND stage = 2$$,
	$$VALUES (2, 'allocation'::text, 210.00::numeric, 185.00::numeric, 'failed'::text)$$, 'stage 2 of the month');
-- a document at another rate than the month's: its difference is a stage of its own
INSERT INTO tenant_master (tenant_id, tenant_name) VALUES ('b', 'B');
INSERT INTO invoice_header (invoice_id, tenant_id, period_start, period_end, currency, subtotal, total, subtotal_usd, total_usd, fx_rate) VALUES ('INV-B', 'b', '2019-04-01', '2019-04-30', 'EUR', 8, 8, 9.6, 9.6, 1.2);
INSERT INTO invoice_detail (invoice_id, line_no, tenant_id, period_start, line_type, service, description, quantity, unit, unit_price, unit_price_usd, amount, amount_usd, tax_rate, cost, cost_currency, cost_usd)
VALUES ('INV-B', 1, 'b', '2019-04-01', 'allocation', 'S3', 'S3', 1, 'month', 8, 9.6, 8, 9.6, 0, 8, 'EUR', 9.6);
SELECT finops.reconcile('2019-04-01') \g /dev/null
SELECT results_eq($$SELECT expected_usd, actual_usd, round(variance_pct, 2), status FROM finops.recon_stage WHERE recon_id = 'RECON-2019-04' AND name = 'fx'$$,
	$$VALUES (10.00::numeric, 9.6::numeric, -4.00::numeric, 'failed'::text)$$, '8 EUR at 1.20 where the month has 1.25');
SELECT is((SELECT fx_difference_usd FROM finops.recon_currency WHERE recon_id = 'RECON-2019-04' AND currency = 'EUR'), -0.40, 'the amount of it');
SELECT is((SELECT count(*) FROM recon_exceptions WHERE recon_id = 'RECON-2019-04' AND category = 'FX' AND tenant_id = 'b'), 1::bigint, 'with its exception');

-- the provider's invoice: what cannot be explained shuts the gate
SELECT count(*) FROM finops.load_provider_invoice('2019-03-01', '[{"invoice_id": "P-1", "amount": 1500}]') \g /dev/null
UPDATE fact_cost_raw SET bill_invoice_id = 'P-1' WHERE bill_billing_period_start_date = '2019-03-01';
SELECT finops.reconcile('2019-03-01') \g /dev/null
SELECT is((SELECT severity || ' ' || description FROM recon_exceptions WHERE recon_id = 'RECON-2019-03' AND description LIKE 'invoice P-1%'), 'failed invoice P-1 of the provider: -500.00 USD of difference unexplained', 'an unexplained difference is an exception');

-- evidence: the queries, the parameters, what was read
SELECT ok((SELECT q.query LIKE '%fact_cost_allocated%' AND r.evidence -> 'parameters' ->> 'basis' = r.cost_basis AND r.evidence ? 'entries_up_to' AND r.evidence ->> 'cost_in_from' = 'facts'
	FROM finops.recon_run r JOIN finops.recon_query q ON q.digest = r.evidence ->> 'query_digest' WHERE recon_id = 'RECON-2019-03'), 'the evidence names the queries');
SELECT ok(EXISTS (SELECT FROM finops.recon_history WHERE recon_id = 'RECON-2019-03' AND relation = 'recon_stage'), 'superseded stages are kept');
SELECT * FROM finish();
ROLLBACK;

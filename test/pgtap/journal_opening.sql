-- A commitment that was bought before the first bill: its amortisation takes
-- off from an opening balance, not from nothing.
BEGIN;
SELECT plan(14);
SET LOCAL client_min_messages = warning;
CREATE FUNCTION pg_temp.bill(month date, cost numeric) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TABLE finops.fact_cost_raw_%s PARTITION OF fact_cost_raw FOR VALUES FROM (%L) TO (%L)', to_char(month, 'YYYY_MM'), month, (month + interval '1 month')::date);
	INSERT INTO fact_cost_raw (bill_billing_period_start_date, line_item_usage_start_date, provider, service, charge_category, billed_cost, effective_cost, tenant_id, source, delivery_id, line_item_line_item_type)
	VALUES (month, month, 'AWS', 'EC2', 'Usage', 0, cost, 'jo-a', 'AWS/1', 0, 'DiscountedUsage');
	PERFORM finops.rebuild_rollup(month);
END $$;
CREATE VIEW pg_temp.prepaid AS SELECT substr("check", 10) AS what, m.month, c.ledger, c.difference
FROM unnest(ARRAY['2019-03-01', '2019-04-01']::date[]) m(month), LATERAL finops.journal_check(m.month) c WHERE "check" LIKE 'prepaid:%' AND currency = 'USD';
SELECT pg_temp.bill('2019-03-01', 100), pg_temp.bill('2019-04-01', 150) \g /dev/null

SELECT is((SELECT ledger FROM pg_temp.prepaid WHERE month = '2019-04-01' AND what LIKE 'opening +%'), -250::numeric, 'without it the account is overdrawn');
SELECT is((SELECT (currency, period_start, amount, note)::text FROM finops.set_prepaid_opening('2019-03-01', 900.5, note => 'reserved instances of 2018')),
	'(USD,01/03/2019,900.5,"reserved instances of 2018")', 'what was left when the first month began');
SELECT results_eq($$SELECT role, debit, credit, posting_date FROM finops.journal('2019-03-01') WHERE source = 'opening' ORDER BY role COLLATE "C"$$,
	$$VALUES ('opening', 0::numeric, 900.5, '2019-03-01'::date), ('prepaid', 900.5, 0, '2019-03-01')$$, 'stands in its journal');
SELECT is_empty($$SELECT FROM finops.journal('2019-04-01') WHERE source = 'opening'$$, 'and not in the next');
SELECT results_eq($$SELECT month, ledger FROM pg_temp.prepaid WHERE what = 'opening' ORDER BY month$$, $$VALUES ('2019-03-01'::date, 900.5::numeric), ('2019-04-01', 800.5)$$, 'the account opens with it');
SELECT results_eq($$SELECT month, ledger FROM pg_temp.prepaid WHERE what LIKE 'opening +%' ORDER BY month$$, $$VALUES ('2019-03-01'::date, 800.5::numeric), ('2019-04-01', 650.5)$$, 'and closes with what is left');
SELECT is_empty($$SELECT * FROM pg_temp.prepaid WHERE what LIKE 'opening%' AND difference <> 0$$, 'nothing differs');

-- posted, and then set right
INSERT INTO finops.journal_entry (posted_period, line_no, origin_period, posting_date, source, reference, tenant_id, role, account, account_name, currency, debit, credit, base_debit, base_credit, posted_by)
SELECT '2019-03-01', row_number() OVER (), origin_period, posting_date, source, reference, tenant_id, role, account, account_name, currency, debit, credit, base_debit, base_credit, 'test' FROM finops.journal('2019-03-01');
SELECT is_empty($$SELECT * FROM pg_temp.prepaid WHERE what LIKE 'opening%' AND difference <> 0$$, 'nothing differs when the month is posted');
SELECT is((SELECT amount FROM finops.set_prepaid_opening('2019-03-01', 1000)), 1000::numeric, 'another amount');
SELECT results_eq($$SELECT role, debit, credit, origin_period FROM finops.journal('2019-04-01') WHERE source = 'opening' ORDER BY role COLLATE "C"$$,
	$$VALUES ('opening', 0::numeric, 99.5, '2019-03-01'::date), ('prepaid', 99.5, 0, '2019-03-01')$$, 'is a correction in the open month');
SELECT is_empty($$SELECT * FROM pg_temp.prepaid WHERE what LIKE 'opening%' AND month = '2019-04-01' AND difference <> 0$$, 'and nothing differs');
SELECT throws_ok($$SELECT finops.set_prepaid_opening('2019-03-01', -1)$$, '22023', NULL, 'not below zero');
SELECT throws_ok($$SELECT finops.set_prepaid_opening('2019-03-01', 'NaN')$$, '22023', NULL, 'a number');
SELECT throws_ok($$SELECT finops.set_prepaid_opening('2019-03-01', 1, 'XQX')$$, '22023', NULL, 'in a currency that there is');
SELECT * FROM finish();
ROLLBACK;

-- Credit balances by policy: carried to the next invoices, paid back, or shown.
BEGIN;
SELECT plan(28);
SET LOCAL client_min_messages = warning;
SELECT count(*) FROM finops.set_issuer('Example Ltd', 'x', 'DE1', number_format => 'CB{SEQ:5}', credit_number_format => 'CBC{SEQ:5}') a, finops.set_issuer('Zweite', 'x', 'AT1', issuer_id => 'B') b \g /dev/null
SELECT count(*) FROM finops.set_fx_rate('EUR', '2020-01-01', 1.1) \g /dev/null
INSERT INTO tenant_master (tenant_id, tenant_name, currency, billing_mode) SELECT 'CB-' || n, 'T' || n, 'EUR', 'invoice' FROM generate_series(1, 5) n;
CREATE FUNCTION pg_temp.bill(id text, tenant text, net numeric, due date, issuer text DEFAULT 'default', original text DEFAULT NULL) RETURNS void LANGUAGE sql AS $$
	INSERT INTO invoice_header (invoice_id, invoice_number, tenant_id, period_start, period_end, kind, revision, status, currency, subtotal, tax, total, fx_rate, subtotal_usd, tax_usd, total_usd,
		issuer, recipient, issuer_id, issued_at, due_at, number_series, number_seq, prev_hash, hash, original_invoice_id)
	SELECT id, 'CB-2021-' || to_char(n, 'FM00000'), tenant, '2021-02-01', '2021-02-28', CASE WHEN original IS NULL THEN 'invoice' ELSE 'credit_note' END, n, 'issued', 'EUR', net, 0, net, 1.1, net * 1.1, 0, net * 1.1, '{}', '{}', issuer,
		due - interval '10 days', due, 'cb', n, '0', '0', original
	FROM (SELECT 1 + count(*)::int AS n FROM invoice_header WHERE number_series = 'cb') x $$;

-- a paid invoice that was credited, and a negative document; two invoices to come, and one of another issuer
SELECT pg_temp.bill('CBI-1', 'CB-1', 100, '2021-03-10') \g /dev/null
SELECT count(*) FROM finops.record_payment('CB-P1', 100, 'EUR', 'bank_transfer', 'x', 'CBI-1', '2021-03-09') \g /dev/null
SELECT pg_temp.bill('CBC-1', 'CB-1', -30, '2021-03-20', original => 'CBI-1'), pg_temp.bill('CBI-2', 'CB-1', -25, '2021-03-21') \g /dev/null
SELECT pg_temp.bill('CBI-3', 'CB-1', 20, '2021-04-10'), pg_temp.bill('CBI-4', 'CB-1', 50, '2021-05-10'), pg_temp.bill('CBI-5', 'CB-1', 70, '2021-04-01', 'B') \g /dev/null
-- money beyond an invoice
SELECT count(*) FROM finops.set_settlement_policy(over_payment => 'credit') \g /dev/null
SELECT pg_temp.bill('CBI-6', 'CB-2', 10, '2021-03-10') \g /dev/null
SELECT count(*) FROM finops.record_payment('CB-P2', 25, 'EUR', 'bank_transfer', 'x', 'CBI-6', '2021-03-09') \g /dev/null
SELECT pg_temp.bill('CBI-7', 'CB-2', 40, '2021-04-10') \g /dev/null
-- a tenant that gets it back, one for whom it stands
SELECT pg_temp.bill('CBI-8', 'CB-3', -15, '2021-03-10'), pg_temp.bill('CBI-9', 'CB-4', -5, '2021-03-10'), pg_temp.bill('CBI-10', 'CB-4', 9, '2021-04-10') \g /dev/null

SELECT results_eq($$SELECT tenant_id, issuer_id, kind, reference, amount, policy FROM finops.credit_balance WHERE tenant_id LIKE 'CB-%' ORDER BY reference$$,
	$$VALUES ('CB-2', 'default', 'payment', 'CB-P2', 15::numeric, 'hold'), ('CB-1', 'default', 'credit', 'CBI-1', 30, 'hold'), ('CB-1', 'default', 'credit', 'CBI-2', 25, 'hold'),
	('CB-3', 'default', 'credit', 'CBI-8', 15, 'hold'), ('CB-4', 'default', 'credit', 'CBI-9', 5, 'hold')$$, 'what is owed to tenants');
SELECT is_empty($$SELECT * FROM finops.settle_credits()$$, 'it stands where no policy says otherwise');
SELECT throws_ok($$SELECT finops.set_issuer_policy(credit_balances => 'keep')$$, '22023', NULL, 'a policy is one of four');
SELECT is((SELECT credit_balances FROM finops.set_issuer_policy(credit_balances => 'carry')), 'carry', 'the issuer carries it forward');
SELECT count(*) FROM finops.set_billing('CB-3', credit_balances => 'refund') a, finops.set_billing('CB-4', credit_balances => 'issue') b \g /dev/null
SELECT results_eq($$SELECT tenant_id, kind, sum(amount) FROM finops.settle_credits() GROUP BY 1, 2 ORDER BY 1$$, $$VALUES ('CB-1', 'credit', 55::numeric), ('CB-2', 'payment', 15)$$, 'all that can be carried is');
SELECT results_eq($$SELECT invoice_id, open_amount, status FROM finops.invoice_balance WHERE tenant_id IN ('CB-1', 'CB-2') ORDER BY invoice_id$$,
	$$VALUES ('CBI-1', 0::numeric, 'paid'), ('CBI-2', 0, 'paid'), ('CBI-3', 0, 'paid'), ('CBI-4', 15, 'issued'), ('CBI-5', 70, 'issued'), ('CBI-6', 0, 'paid'), ('CBI-7', 25, 'issued')$$,
	'the oldest invoice first; that of another issuer stays');
SELECT results_eq($$SELECT invoice_id, other_invoice_id, amount FROM finops.receivable_adjustment WHERE kind = 'credit_transfer' AND amount > 0 ORDER BY adjustment_id$$,
	$$VALUES ('CBI-3', 'CBI-1', 20::numeric), ('CBI-4', 'CBI-1', 10), ('CBI-4', 'CBI-2', 25)$$, 'the older credit first');
SELECT is((SELECT (rule, amount)::text FROM finops.payment_application WHERE invoice_id = 'CBI-7'), '(carried,15)', 'money that was not applied too');
SELECT is_empty($$SELECT * FROM finops.settle_credits()$$, 'once');
SELECT is_empty($$SELECT * FROM finops.verify_payments()$$, 'nothing is wrong');
SELECT is((SELECT open_amount FROM finops.invoice_balance WHERE invoice_id = 'CBI-9'), -5::numeric, 'where it stands it stands');

-- to be paid back
SELECT results_eq($$SELECT payload ->> 'tenant_id', (payload ->> 'amount')::numeric, payload -> 'items' -> 0 ->> 'call' FROM finops.outbox WHERE topic = 'refund_due'$$,
	$$VALUES ('CB-3', 15::numeric, 'SELECT finops.pay_out(''CBI-8'', 15, ''REF-1'')')$$, 'what is to be paid back is told');
SELECT is((SELECT count(*) FROM finops.settle_credits()), 0::bigint, 'again');
SELECT is((SELECT count(*) FROM finops.outbox WHERE topic = 'refund_due'), 1::bigint, 'but told once');
SELECT throws_ok($$SELECT finops.pay_out('CBI-8', 16, 'REF-1')$$, '22023', NULL, 'not more than the balance');
SELECT throws_ok($$SELECT finops.pay_out('CBI-4', 1, 'REF-1')$$, '22023', NULL, 'not for an invoice without one');
SELECT is((SELECT (kind, amount)::text FROM finops.pay_out('CBI-8', 15, 'REF-1')), '(payout,-15)', 'it is paid back');
SELECT is((SELECT count(*) FROM finops.pay_out('CBI-8', 15, 'REF-1')), 1::bigint, 'once');
SELECT throws_ok($$SELECT finops.pay_out('CBI-8', 14, 'REF-1')$$, '23505', NULL, 'not with other data');
SELECT is((SELECT open_amount FROM finops.invoice_balance WHERE invoice_id = 'CBI-8'), 0::numeric, 'nothing is owed any more');
SELECT pg_temp.bill('CBI-13', 'CB-3', -15, '2021-06-09') \g /dev/null
SELECT count(*) FROM finops.settle_credits() \g /dev/null
SELECT is((SELECT count(*) FROM finops.outbox WHERE topic = 'refund_due'), 2::bigint, 'the same amount for something else is told again');

-- after a matching
SELECT pg_temp.bill('CBI-11', 'CB-2', -8, '2021-06-10') \g /dev/null
SELECT count(*) FROM finops.match_payments() \g /dev/null
SELECT is((SELECT open_amount FROM finops.invoice_balance WHERE invoice_id = 'CBI-7'), 17::numeric, 'the matching of payments carries forward as well');
SELECT throws_ok($$SELECT finops.apply_credit('CBI-9', 'CBI-5')$$, '22023', NULL, 'by hand only within a tenant');
SELECT pg_temp.bill('CBI-12', 'CB-1', -3, '2021-06-11', 'B') \g /dev/null
SELECT throws_ok($$SELECT finops.apply_credit('CBI-12', 'CBI-4')$$, '22023', NULL, 'and an issuer');
SELECT throws_ok($$SELECT finops.settle_credits('nobody')$$, 'P0002', NULL, 'an unknown tenant');

-- in the books
SELECT is((SELECT sum(credit - debit) FROM finops.journal(date_trunc('month', now())::date) WHERE source = 'payout' AND tenant_id = 'CB-3' AND role = 'bank'), 15::numeric, 'money went out');
SELECT is((SELECT sum(credit - debit) FROM finops.journal('2021-03-01') WHERE role = 'customer_credit'), 55::numeric, 'credit balances are no receivables');
SELECT is_empty($$SELECT * FROM finops.journal_check('2021-03-01') WHERE difference <> 0 UNION ALL SELECT * FROM finops.journal_check(date_trunc('month', now())::date) WHERE difference <> 0$$, 'the ledger is what the ageing says, then and now');
SELECT * FROM finish();
ROLLBACK;

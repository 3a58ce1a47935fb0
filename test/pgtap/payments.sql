-- Settlement: what is applied, taken back, returned and written off adds up.
BEGIN;
SELECT plan(48);
INSERT INTO tenant_master (tenant_id, tenant_name, currency) VALUES ('PY-1', 'Nordlicht Energie AG', 'EUR'), ('PY-2', 'Müller Stahlbau GmbH', 'EUR'), ('PY-3', 'Third', 'USD');
SELECT count(*) FROM finops.set_fx_rate('EUR', '2020-01-01', 1.1) \g /dev/null
CREATE FUNCTION pg_temp.bill(id text, tenant text, total numeric, issued timestamptz DEFAULT '2024-02-01 00:00Z', currency text DEFAULT 'EUR') RETURNS void LANGUAGE sql AS $$
	INSERT INTO invoice_header (invoice_id, invoice_number, tenant_id, period_start, period_end, revision, status, currency, subtotal, total, fx_rate, subtotal_usd, total_usd,
		issuer, recipient, issued_at, due_at, number_series, number_seq, prev_hash, hash)
	SELECT id, 'N-2024-' || to_char(n, 'FM00000'), tenant, '2024-01-01', '2024-01-31', n, 'issued', bill.currency, total, total, f, total * f, total * f, '{}', '{}', issued, issued + interval '30 days', 'py', n, '0', '0'
	FROM (SELECT 1 + count(*)::int AS n, CASE bill.currency WHEN 'EUR' THEN 1.1 ELSE 1 END AS f FROM invoice_header WHERE number_series = 'py') x $$;
SELECT pg_temp.bill('PYI-1', 'PY-1', 100), pg_temp.bill('PYI-2', 'PY-1', 250.50), pg_temp.bill('PYI-3', 'PY-2', 100), pg_temp.bill('PYI-4', 'PY-2', 75.25), pg_temp.bill('PYI-5', 'PY-3', 110, currency => 'USD'), pg_temp.bill('PYI-6', 'PY-2', 900) \g /dev/null
CREATE FUNCTION pg_temp.state(id text) RETURNS text LANGUAGE sql AS $$ SELECT h.status || ' ' || b.open_amount FROM invoice_header h JOIN finops.invoice_balance b USING (invoice_id) WHERE h.invoice_id = id $$;

-- record_payment: as before, with an entry
SELECT is((SELECT invoice_id FROM finops.record_payment('PYP-1', 40, 'EUR', 'card', 'r1', 'PYI-1', '2024-02-10 12:00Z')), 'PYI-1', 'a part is recorded');
SELECT is(pg_temp.state('PYI-1'), 'issued 60', 'and leaves the rest open');
SELECT results_eq($$SELECT payment_id, invoice_id, amount, invoice_amount, rule, applied_at FROM finops.payment_application WHERE payment_id = 'PYP-1'$$,
	$$VALUES ('PYP-1', 'PYI-1', 40::numeric, 40::numeric, 'named', '2024-02-10 12:00Z'::timestamptz)$$, 'what it paid stands in an entry');
SELECT throws_like($$SELECT finops.record_payment('PYP-X', 60.01, 'EUR', 'card', 'r', 'PYI-1')$$, '%more than what is open%', 'without a policy more than that is refused');
SELECT count(*) FROM finops.set_settlement_policy('PY-1', over_payment => 'next_invoice') \g /dev/null
SELECT lives_ok($$SELECT finops.record_payment('PYP-2', 100, 'EUR', 'card', 'r2', 'PYI-1', '2024-02-11 12:00Z')$$, 'by policy the rest pays the next invoice');
SELECT is(pg_temp.state('PYI-1') || ', ' || pg_temp.state('PYI-2'), 'paid 0, issued 210.50', 'oldest first');
SELECT is((SELECT unapplied FROM finops.payment_balance WHERE payment_id = 'PYP-2'), 0::numeric, 'nothing is left of it');
SELECT count(*) FROM finops.set_settlement_policy('PY-1', over_payment => 'credit', short_tolerance => 0.50) \g /dev/null
SELECT lives_ok($$SELECT finops.record_payment('PYP-3', 210.10, 'EUR', 'bank_transfer', 'r3', 'PYI-2', '2024-02-12 12:00Z')$$, 'a payment short by a little');
SELECT is(pg_temp.state('PYI-2'), 'paid 0.00', 'settles the invoice');
SELECT results_eq($$SELECT kind, amount FROM finops.receivable_adjustment WHERE invoice_id = 'PYI-2'$$, $$VALUES ('small_difference', 0.40)$$, 'by an entry of what was missing');
SELECT throws_ok($$SELECT finops.record_payment('PYP-X', 1, 'EUR', 'card', 'r', 'PYI-9')$$, 'P0002', NULL, 'an unknown invoice is refused');

-- taking back
SELECT is((SELECT kind FROM finops.charge_back('PYP-3', 'CB-1', 'disputed')), 'charge_back', 'the bank takes a payment back');
SELECT is(pg_temp.state('PYI-2'), 'issued 210.50', 'its invoice is open again, with the small difference');
SELECT is((SELECT count(*) FROM finops.charge_back('PYP-3', 'CB-1', 'disputed')), 1::bigint, 'the same reference again is the same');
SELECT throws_like($$SELECT finops.charge_back('PYP-3', 'CB-2', 'again', 1)$$, '%more than what is left%', 'there is nothing left to take back');
SELECT throws_ok($$SELECT finops.charge_back('PYP-1', 'CB-1', 'other')$$, '23505', NULL, 'a reference is of one payment');
SELECT throws_like($$SELECT finops.refund_payment('PYP-1', 10, 'RF-1', 'x')$$, '%more than what is left%', 'what pays an invoice is not refunded');
SELECT is((SELECT amount FROM finops.unapply_payment((SELECT application_id FROM finops.payment_application WHERE payment_id = 'PYP-1'), 'wrong invoice')), -40::numeric, 'an application is taken back');
SELECT is(pg_temp.state('PYI-1'), 'issued 40', 'and its invoice is open again');
SELECT throws_ok($$SELECT finops.unapply_payment((SELECT min(application_id) FROM finops.payment_application WHERE payment_id = 'PYP-1'), 'again')$$, '55000', NULL, 'once');
SELECT is((SELECT amount FROM finops.refund_payment('PYP-1', 15, 'RF-1', 'too much')), 15::numeric, 'unapplied money is refunded');
SELECT is((SELECT amount FROM finops.apply_payment('PYP-1', 'PYI-1')), 25::numeric, 'the rest is applied, as much as fits');
SELECT is(pg_temp.state('PYI-1'), 'issued 15', 'and the invoice is open by what was refunded');
SELECT throws_like($$SELECT finops.apply_payment('PYP-1', 'PYI-2', 1)$$, '%more than what is left%', 'no more than there is');
SELECT throws_ok($$UPDATE finops.payment_application SET amount = 1$$, '55000', NULL, 'entries never change');
SELECT throws_ok($$DELETE FROM finops.payment_outflow$$, '55000', NULL, 'nor are they removed');

-- another currency
SELECT count(*) FROM finops.record_payment('PYP-4', 100, 'EUR', 'bank_transfer', 'r4', NULL, '2024-02-12') \g /dev/null
SELECT throws_like($$SELECT finops.apply_payment('PYP-4', 'PYI-5')$$, 'payment in EUR for an invoice in USD', 'needs both amounts');
SELECT is((SELECT invoice_amount FROM finops.apply_payment('PYP-4', 'PYI-5', 100, 110)), 110::numeric, 'in each currency');
SELECT is(pg_temp.state('PYI-5'), 'paid 0', 'and settles');

-- matching
INSERT INTO payment_txn (payment_id, method, currency, amount, amount_usd, remittance, payer_name, payer_account, paid_at) VALUES
	('PYM-1', 'bank_transfer', 'EUR', 100, 110, 'n 2024 00003', 'MUELLER STAHLBAU', 'DE11', '2024-02-20'),
	('PYM-2', 'bank_transfer', 'EUR', 75.25, 82.775, 'danke', NULL, 'de 11', '2024-02-21'),
	('PYM-3', 'bank_transfer', 'EUR', 75.25, 82.775, 'danke', NULL, 'de 11', '2024-02-22'),
	('PYM-4', 'bank_transfer', 'EUR', 15, 16.5, 'N-2024-00001', 'Stranger', NULL, '2024-02-22'),
	('PYM-5', 'bank_transfer', 'EUR', 77, 84.7, 'N-2024-00006', 'Stranger', NULL, '2024-02-22');
SELECT results_eq($$SELECT * FROM finops.match_payments()$$, $$VALUES ('exact', 'EUR', 1::bigint, 75.25), ('reference', 'EUR', 2, 115.00), ('suggested', 'EUR', 1, 77.00)$$, 'each rule with its payments');
SELECT results_eq($$SELECT payment_id, invoice_id, tenant_id FROM payment_txn WHERE payment_id LIKE 'PYM-%' ORDER BY 1$$,
	$$VALUES ('PYM-1', 'PYI-3', 'PY-2'), ('PYM-2', 'PYI-4', 'PY-2'), ('PYM-3', NULL, NULL), ('PYM-4', 'PYI-1', 'PY-1'), ('PYM-5', NULL, NULL)$$, 'payments know their invoice and tenant');
SELECT is((SELECT string_agg(status, ' ' ORDER BY invoice_id) FROM invoice_header WHERE invoice_id IN ('PYI-1', 'PYI-3', 'PYI-4')), 'paid paid paid', 'invoices are paid');
SELECT is((SELECT paid_at FROM invoice_header WHERE invoice_id = 'PYI-4'), '2024-02-21'::timestamptz, 'on the day of the payment');
SELECT is((SELECT source FROM finops.payer_account WHERE account = 'DE11' AND tenant_id = 'PY-2'), 'learned', 'the account is known from now on');
SELECT results_eq($$SELECT payment_id, invoice_id, reason, status FROM finops.payment_suggestion$$, $$VALUES ('PYM-5', 'PYI-6', 'the reference fits, the amount does not', 'open')$$, 'a suggestion says why');
SELECT results_eq($$SELECT rule, payments FROM finops.match_payments()$$, $$VALUES ('suggested', 1::bigint)$$, 'again: nothing new');
SELECT is((SELECT rule FROM finops.accept_suggestion((SELECT suggestion_id FROM finops.payment_suggestion WHERE status = 'open'))), 'suggestion', 'a suggestion is accepted');
SELECT is(pg_temp.state('PYI-6'), 'issued 823', 'and applied');
SELECT throws_ok($$SELECT finops.accept_suggestion(0)$$, 'P0002', NULL, 'an unknown suggestion');
SELECT is((SELECT count(*) FROM finops.match_payments()), 0::bigint, 'a payment without candidates is left alone');
SELECT is_empty($$SELECT * FROM finops.verify_payments()$$, 'every unit is where it should be');
SELECT is((SELECT sum(applied + returned + unapplied) FROM finops.payment_balance), (SELECT sum(amount) FROM payment_txn WHERE status = 'confirmed'), 'applied + returned + unapplied = received');

-- a payment that somebody inserted for its invoice is applied
INSERT INTO payment_txn (payment_id, invoice_id, method, currency, amount, amount_usd, paid_at) VALUES ('PYM-6', 'PYI-6', 'card', 'EUR', 823, 905.3, '2024-02-25');
SELECT results_eq($$SELECT rule, payments FROM finops.match_payments()$$, $$VALUES ('named', 1::bigint)$$, 'it names its invoice');
SELECT is(pg_temp.state('PYI-6'), 'paid 0.00', 'which is settled');

-- ageing: as of any day
SELECT is((SELECT sum(open_amount) FROM finops.receivables_ageing('2024-02-01') WHERE tenant_id LIKE 'PY-%' AND currency = 'EUR'), 1425.75, 'all is open on the day of issue');
SELECT is((SELECT sum(not_due + days_1_30 + days_31_60 + days_61_90 + days_over_90 - open_amount) FROM finops.receivables_ageing('2024-02-21')), 0::numeric, 'buckets are the open balance');
SELECT is((SELECT sum(open_amount) FROM finops.receivables_ageing('9999-12-01') WHERE tenant_id LIKE 'PY-%'), (SELECT sum(open_amount) FROM finops.invoice_balance WHERE tenant_id LIKE 'PY-%'), 'at the end it is what is open now');
SELECT is((SELECT sum(unapplied) FROM finops.receivables_ageing('9999-12-01')), (SELECT sum(unapplied) FROM finops.payment_balance), 'so is what is unapplied');
SELECT * FROM finish();
ROLLBACK;

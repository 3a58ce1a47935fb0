-- Payments that no invoice reflects.
BEGIN;
SELECT plan(7);
SET LOCAL client_min_messages = warning;
SELECT count(*) FROM finops.set_fx_rate('EUR', '2020-01-01', 1.1) \g /dev/null
INSERT INTO tenant_master (tenant_id, tenant_name, currency, billing_mode) SELECT 'PM-' || n, 'Tenant ' || n, 'EUR', 'invoice' FROM generate_series(1, 3) n;
CREATE FUNCTION pg_temp.bill(id text, tenant text, net numeric, state text DEFAULT 'issued') RETURNS void LANGUAGE sql AS $$
	INSERT INTO invoice_header (invoice_id, invoice_number, tenant_id, period_start, period_end, revision, status, currency, subtotal, tax, total, fx_rate, subtotal_usd, tax_usd, total_usd,
		issuer, recipient, issued_at, due_at, number_series, number_seq, prev_hash, hash)
	SELECT id, CASE state WHEN 'issued' THEN 'PM-2021-' || to_char(n, 'FM00000') END, tenant, '2021-02-01', '2021-02-28', n, state, 'EUR', net, 0, net, 1.1, net * 1.1, 0, net * 1.1,
		CASE state WHEN 'issued' THEN '{}'::jsonb END, CASE state WHEN 'issued' THEN '{}'::jsonb END, CASE state WHEN 'issued' THEN timestamptz '2021-03-01' END, CASE state WHEN 'issued' THEN timestamptz '2021-03-10' END,
		CASE state WHEN 'issued' THEN 'pm' END, CASE state WHEN 'issued' THEN n END, CASE state WHEN 'issued' THEN '0' END, CASE state WHEN 'issued' THEN '0' END
	FROM (SELECT 1 + count(*)::int AS n FROM invoice_header WHERE tenant_id LIKE 'PM-%') x $$;
SELECT pg_temp.bill('PMI-1', 'PM-1', 100), pg_temp.bill('PMI-2', 'PM-1', 70), pg_temp.bill('PMI-3', 'PM-2', 50) \g /dev/null
SELECT is_empty($$SELECT * FROM finops.payment_mismatch$$, 'no payments, no mismatch');
-- in full; in part; too much; for nobody known
SELECT count(*) FROM finops.set_settlement_policy(over_payment => 'credit') \g /dev/null
SELECT count(*) FROM finops.record_payment('PMP-1', 100, 'EUR', 'card', 'a', 'PMI-1', '2021-03-05') a, finops.record_payment('PMP-2', 30, 'EUR', 'card', 'b', 'PMI-2', '2021-03-06') b,
	finops.record_payment('PMP-3', 55, 'EUR', 'card', 'c', 'PMI-3', '2021-03-07') c, finops.record_payment('PMP-4', 12, 'EUR', 'bank_transfer', 'd', NULL, '2021-03-08') d \g /dev/null
SELECT count(*) FROM finops.match_payments() \g /dev/null
SELECT results_eq($$SELECT code, payment_id, invoice_id, unapplied, invoice_status, open_amount, reason FROM finops.payment_mismatch ORDER BY payment_id$$,
	$$VALUES ('PAYMENT_MISMATCH', 'PMP-2', 'PMI-2', 0::numeric, 'issued', 40::numeric, 'the invoice is paid in part'), ('PAYMENT_MISMATCH', 'PMP-3', 'PMI-3', 5, 'paid', NULL, 'more than the invoice'),
	('PAYMENT_MISMATCH', 'PMP-4', NULL, 12, NULL, NULL, 'no invoice was found')$$, 'what no status reflects');
SELECT is_empty($$SELECT FROM finops.outbox WHERE topic = 'payment_mismatch'$$, 'telling is the alert policy''s');
SELECT lives_ok(next_call, 'the call settles ' || payment_id) FROM finops.payment_mismatch WHERE payment_id IN ('PMP-2', 'PMP-3') ORDER BY payment_id;
SELECT results_eq($$SELECT payment_id FROM finops.payment_mismatch$$, $$VALUES ('PMP-4')$$, 'then they are gone');
-- the runbook's statement shows the same
SELECT is_empty($$SELECT i.invoice_id, i.status, p.payment_id, p.status, p.amount_usd FROM invoice_header i LEFT JOIN payment_txn p ON p.invoice_id = i.invoice_id WHERE i.status != 'paid' AND i.tenant_id LIKE 'PM-%'$$,
	'every invoice is paid');
SELECT * FROM finish();
ROLLBACK;

-- Documents that are taken back: void before issue, replaced after it.
BEGIN;
SELECT plan(26);
\o /dev/null
SELECT count(*) FROM finops.set_issuer('Example Ltd', '1 High Street, Berlin, DE', 'DE1');
SELECT count(*) FROM finops.set_plan('VO-1', 100, currency => 'USD');
SELECT count(*) FROM finops.register_tenant('VO-A', 'A', '{"address": "x, DE"}', '{"rate_pct": 19}', currency => 'USD');
SELECT count(*) FROM finops.register_tenant('VO-B', 'B', '{"address": "x"}', '{"rate_pct": 19}', currency => 'USD');
SELECT count(*) FROM finops.bind_plan('VO-A', 'VO-1', '2022-01-01') a, finops.bind_plan('VO-B', 'VO-1', '2022-01-01') b;
SELECT count(*) FROM finops.prepare_invoices('2022-03-01');
\o
SELECT throws_ok($$SELECT finops.void_invoice('INV-202203-VOA', ' ')$$, '22023');
SELECT throws_ok($$SELECT finops.void_invoice(NULL, 'x')$$, '22004');
SELECT throws_ok($$SELECT finops.void_invoice('INV-0', 'x')$$, 'P0002');
SELECT results_eq($$SELECT invoice_id, status, reason FROM finops.void_invoice('INV-202203-VOA', 'wrong plan')$$, $$VALUES ('INV-202203-VOA', 'void', 'wrong plan')$$, 'an open document becomes void');
SELECT throws_ok($$SELECT finops.void_invoice('INV-202203-VOA', 'x')$$, '55000', 'invoice "INV-202203-VOA" is void');
SELECT throws_ok($$SELECT finops.reissue_invoice('INV-202203-VOB', 'x')$$, '55000', 'invoice "INV-202203-VOB" is open');
SELECT results_eq($$SELECT invoice_id, status FROM finops.prepare_invoices('2022-03-01', 'VO-A')$$, $$VALUES ('INV-202203-VOA-R2', 'open')$$, 'the next preparation makes a revision');
SELECT isnt_empty($$SELECT FROM audit_event WHERE action = 'invoice_void' AND object_id = 'INV-202203-VOA'$$, 'audited');

-- issue it, as issue_invoices does, without a reconciliation
CREATE FUNCTION pg_temp.issue(id text, n int) RETURNS void LANGUAGE sql AS $$
	UPDATE invoice_header SET status = 'issued', invoice_number = 'VO' || n, number_series = 'invoice-vo', number_seq = n, issued_at = '2022-04-01', due_at = '2022-05-01', prev_hash = '', hash = 'x',
		issuer = '{"legal_name": "Example Ltd"}', recipient = '{"tenant_name": "A"}' WHERE invoice_id = id $$;
SELECT pg_temp.issue('INV-202203-VOA-R2', 1);
SELECT throws_ok($$SELECT finops.void_invoice('INV-202203-VOA-R2', 'x')$$, '55000', 'invoice "INV-202203-VOA-R2" is issued');
SELECT is((SELECT total FROM invoice_header WHERE invoice_id = 'INV-202203-VOA-R2'), 119.00, 'it was 119.00');
SELECT count(*) FROM finops.credit_invoice('INV-202203-VOA-R2', 'goodwill', '[{"line_no": 1, "amount": 10}]') \g /dev/null
SELECT throws_ok($$SELECT finops.reissue_invoice('CN-202203-VOA', 'x')$$, '55000', 'document "CN-202203-VOA" is a credit note');
SELECT count(*) FROM finops.register_tenant('VO-A', tax_profile => '{"category": "AE", "tax_id": "FR1"}') \g /dev/null
CREATE TEMP TABLE again AS SELECT * FROM finops.reissue_invoice('INV-202203-VOA-R2', 'tax id came late');
SELECT results_eq($$SELECT invoice_id, kind, status, subtotal, tax FROM again ORDER BY kind$$,
	$$VALUES ('CN-202203-VOA-R2', 'credit_note', 'issued', -90.00, -17.10), ('INV-202203-VOA-R3', 'invoice', 'open', 100.00, 0.00)$$, 'a credit note for what was left, at the old tax, and an open revision at the new one');
SELECT is((SELECT sum(total) FROM invoice_header WHERE coalesce(original_invoice_id, invoice_id) = 'INV-202203-VOA-R2'), 0.00, 'the cancelled invoice and its notes sum to 0.00');
SELECT is((SELECT status FROM invoice_header WHERE invoice_id = 'INV-202203-VOA-R2'), 'paid', 'it counts as settled');
SELECT throws_ok($$SELECT finops.reissue_invoice('INV-202203-VOA-R2', 'x')$$, '55000', 'invoice "INV-202203-VOA-R2" has been replaced');
SELECT results_eq($$SELECT invoice_id, status FROM finops.prepare_invoices('2022-03-01', 'VO-A') ORDER BY revision$$, $$VALUES ('INV-202203-VOA-R2', 'paid'), ('INV-202203-VOA-R3', 'open')$$, 'preparing again changes nothing');
SELECT results_eq($$SELECT credit_invoice_id, reason FROM finops.invoice_replacement WHERE invoice_id = 'INV-202203-VOA-R2'$$, $$VALUES ('CN-202203-VOA-R2', 'tax id came late')$$, 'what replaced it is kept');
SELECT pg_temp.issue('INV-202203-VOA-R3', 2);
SELECT results_eq($$SELECT invoice_id FROM finops.prepare_invoices('2022-03-01', 'VO-A') ORDER BY revision$$, $$VALUES ('INV-202203-VOA-R2'), ('INV-202203-VOA-R3')$$, 'once the revision is issued there is no other');
SELECT count(*) FROM finops.credit_invoice('INV-202203-VOA-R3', 'cancelled') \g /dev/null
SELECT is((SELECT count(*) FROM finops.reissue_invoice('INV-202203-VOA-R3', 'after all')), 1::bigint, 'an invoice credited before needs no further note');
SELECT is((SELECT credit_invoice_id FROM finops.invoice_replacement WHERE invoice_id = 'INV-202203-VOA-R3'), NULL, 'and names none');
SELECT is((SELECT status FROM invoice_header WHERE invoice_id = 'INV-202203-VOA-R4'), 'open', 'its revision is open');
SELECT matches(finops.invoice_ubl('CN-202203-VOA-R2')::text, '<cbc:CreditNoteTypeCode>381<', 'the note has an e-invoice');
SELECT matches(finops.invoice_html('INV-202203-VOA-R4'), 'Draft, not issued', 'the revision is a draft');

-- a locked month
UPDATE period_lock SET state = 'LOCKED', locked_at = now() WHERE period_start = '2022-03-01';
SELECT throws_ok($$SELECT finops.void_invoice('INV-202203-VOB', 'x')$$, '55000');
SELECT throws_ok($$SELECT finops.reissue_invoice('INV-202203-VOA-R3', 'x')$$, '55000');
SELECT is((SELECT status FROM invoice_header WHERE invoice_id = 'INV-202203-VOB'), 'open', 'nothing happened');
SELECT * FROM finish();
ROLLBACK;

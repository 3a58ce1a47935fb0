-- Bank statements, receivables, dunning, four eyes and the journal.
BEGIN;
SELECT plan(73);
INSERT INTO tenant_master (tenant_id, tenant_name, currency, billing_mode) VALUES ('RC-1', 'Nordlicht Energie AG', 'EUR', 'invoice'), ('RC-2', 'Müller Stahlbau GmbH', 'EUR', 'invoice'), ('RC-3', 'Inner Team', 'USD', 'chargeback');
SELECT count(*) FROM finops.set_fx_rate('EUR', '2020-01-01', 1.1) \g /dev/null
SELECT count(*) FROM finops.set_fx_rate('EUR', '2021-03-10', 1.25) \g /dev/null
CREATE FUNCTION pg_temp.bill(id text, tenant text, net numeric, tax numeric, issued timestamptz DEFAULT '2021-03-01 12:00Z', kind text DEFAULT 'invoice', original text DEFAULT NULL) RETURNS void LANGUAGE sql AS $$
	INSERT INTO invoice_header (invoice_id, invoice_number, tenant_id, period_start, period_end, kind, revision, status, currency, subtotal, tax, total, fx_rate, subtotal_usd, tax_usd, total_usd,
		issuer, recipient, issued_at, due_at, number_series, number_seq, prev_hash, hash, original_invoice_id)
	SELECT id, 'RC-2021-' || to_char(n, 'FM00000'), tenant, '2021-02-01', '2021-02-28', bill.kind, n, 'issued', 'EUR', net, bill.tax, net + bill.tax, 1.1, net * 1.1, bill.tax * 1.1, (net + bill.tax) * 1.1, '{}', '{}', issued, issued + interval '10 days', 'rc', n, '0', '0', original
	FROM (SELECT 1 + count(*)::int AS n FROM invoice_header WHERE number_series = 'rc') x $$;
SELECT pg_temp.bill('RCI-1', 'RC-1', 100, 19), pg_temp.bill('RCI-2', 'RC-1', 200, 38), pg_temp.bill('RCI-3', 'RC-2', 50, 0) \g /dev/null

-- bank statements
SELECT current_setting('data_directory') || '/rc_statement.xml' AS camt, current_setting('data_directory') || '/rc_statement.csv' AS csv, current_setting('data_directory') || '/rc_bad.csv' AS bad \gset
COPY (SELECT '<?xml version="1.0"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><Stmt><Id>RC-S1</Id><Acct><Id><IBAN>DE99RC</IBAN></Id><Ccy>EUR</Ccy></Acct>'
 '<Bal><Tp><CdOrPrtry><Cd>OPBD</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">10.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2021-03-15</Dt></Dt></Bal><Bal><Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">124.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2021-03-15</Dt></Dt></Bal>'
 '<Ntry><Amt Ccy="EUR">119.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>2021-03-15</Dt></BookgDt><AcctSvcrRef>RC-A</AcctSvcrRef><NtryDtls><TxDtls><Refs><EndToEndId>RC-E1</EndToEndId></Refs><RltdPties><Dbtr><Pty><Nm>Nordlicht Energie</Nm></Pty></Dbtr><DbtrAcct><Id><IBAN>DE11RC</IBAN></Id></DbtrAcct></RltdPties><RmtInf><Ustrd>Rg. RC/2021/00001</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>'
 '<Ntry><Amt Ccy="EUR">5.00</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>2021-03-15</Dt></BookgDt></Ntry></Stmt></BkToCstmrStmt></Document>') TO :'camt';
SELECT results_eq(format($$SELECT statement_id, account, lines, payments, duplicates, opening_balance, closing_balance, status FROM finops.load_bank_statement(%L)$$, :'camt'),
	$$VALUES ('RC-S1', 'DE99RC', 2::bigint, 1::bigint, 0::bigint, 10::numeric, 124::numeric, 'loaded')$$, 'a statement is loaded');
SELECT results_eq(format($$SELECT lines, payments, duplicates, status FROM finops.load_bank_statement(%L)$$, :'camt'), $$VALUES (2::bigint, 0::bigint, 2::bigint, 'unchanged')$$, 'once');
SELECT results_eq($$SELECT amount, kind, counterparty_account, end_to_end_id FROM finops.bank_line WHERE statement_id = 'RC-S1' ORDER BY line_no, amount DESC$$,
	$$VALUES (119::numeric, 'payment', 'DE11RC', 'RC-E1'), (-5, 'outgoing', NULL, NULL)$$, 'its lines');
SELECT results_eq($$SELECT amount, currency, payer_name, remittance, paid_at FROM payment_txn WHERE payment_id LIKE 'BANK-%'$$,
	$$VALUES (119::numeric, 'EUR', 'Nordlicht Energie', 'Rg. RC/2021/00001 RC-E1', '2021-03-15 00:00Z'::timestamptz)$$, 'what came in is a payment');
COPY (SELECT unnest(ARRAY['Buchungstag;Betrag;Währung;Auftraggeber;Verwendungszweck;IBAN', '16.03.2021;20,00;EUR;X;same;', '16.03.2021;20,00;EUR;X;same;', '17.03.2021;-1,00;EUR;Bank;fee;'])) TO :'csv';
SELECT results_eq(format($$SELECT lines, payments, duplicates FROM finops.load_bank_statement(%L, account => 'DE99RC')$$, :'csv'), $$VALUES (3::bigint, 2::bigint, 0::bigint)$$, 'CSV: two lines that say the same are two');
SELECT results_eq(format($$SELECT lines, payments, duplicates FROM finops.load_bank_statement(%L, account => 'DE99RC')$$, :'csv'), $$VALUES (3::bigint, 0::bigint, 3::bigint)$$, 'but not a second time');
COPY (SELECT unnest(ARRAY['Date,Amount', '2021-03-16,12.x'])) TO :'bad';
SELECT throws_like(format($$SELECT finops.load_bank_statement(%L)$$, :'bad'), 'line 2 of%', 'what is malformed is refused with its line');
SELECT throws_ok(format($$SELECT finops.load_bank_statement(%L)$$, :'bad'), '22P04', NULL, 'as 22P04');
COPY (SELECT unnest(ARRAY['Date,Amount', '2021-03-16,12.5'])) TO :'bad';
SELECT throws_like(format($$SELECT finops.load_bank_statement(%L)$$, :'bad'), 'the currency%', 'a currency must be known');
SELECT throws_ok(format($$SELECT finops.load_bank_statement(%L, currency => 'JPY')$$, :'bad'), '22023', NULL, 'and its digits');
SELECT throws_ok($$SELECT finops.load_bank_statement(NULL)$$, '22004', NULL, 'no source');
SELECT throws_ok($$SELECT finops.load_bank_statement('/nowhere', 'mt940')$$, '22023', NULL, 'an unknown format');
SELECT results_eq($$SELECT rule, payments FROM finops.match_payments()$$, $$VALUES ('reference', 1::bigint)$$, 'the payment finds its invoice');
SELECT is((SELECT status FROM invoice_header WHERE invoice_id = 'RCI-1'), 'paid', 'which is paid');
COPY (SELECT '<Document><BkToCstmrStmt><Stmt><Id>RC-S2</Id><Acct><Id><IBAN>DE99RC</IBAN></Id></Acct><Ntry><Amt Ccy="EUR">119.00</Amt><CdtDbtInd>DBIT</CdtDbtInd><RvslInd>true</RvslInd><Sts>BOOK</Sts><BookgDt><Dt>2021-03-20</Dt></BookgDt><NtryDtls><TxDtls><Refs><EndToEndId>RC-E1</EndToEndId></Refs></TxDtls></NtryDtls></Ntry></Stmt></BkToCstmrStmt></Document>') TO :'camt';
SELECT is((SELECT status FROM finops.load_bank_statement(:'camt')), 'loaded', 'a reversal');
SELECT is((SELECT status FROM invoice_header WHERE invoice_id = 'RCI-1'), 'issued', 'charges the payment back: the invoice is open again');
SELECT is((SELECT kind FROM finops.bank_line WHERE statement_id = 'RC-S2'), 'charge_back', 'and the line says so');

-- statements of account
SELECT results_eq($$SELECT kind, reference, debit, credit, balance FROM finops.account_statement('RC-1', '2021-03-02', '2021-03-31') WHERE kind <> 'payment'$$,
	$$VALUES ('opening balance', NULL, NULL::numeric, NULL::numeric, 357::numeric), ('closing balance', NULL, NULL, NULL, 238)$$, 'opening and closing balance');
SELECT is((SELECT balance FROM finops.account_statement('RC-1', '2021-01-01', '9999-01-01') WHERE kind = 'closing balance'),
	(SELECT sum(open_amount - unapplied) FROM finops.receivables_ageing('9999-01-01') WHERE tenant_id = 'RC-1'), 'the balance is what is open less what is unapplied');
SELECT throws_ok($$SELECT finops.account_statement('RC-1', '2021-02-02', '2021-02-01')$$, '22023', NULL, 'days in the wrong order');
SELECT throws_ok($$SELECT finops.account_statement('RC-9', '2021-02-02', '2021-02-03')$$, 'P0002', NULL, 'an unknown tenant');

-- the issuer's days
SELECT count(*) FROM finops.set_issuer('Example Ltd', 'x', 'DE1') \g /dev/null
UPDATE finops.issuer SET time_zone = 'Pacific/Auckland';
SELECT is((SELECT sum(open_amount) FROM finops.receivables_ageing('2021-03-01') WHERE tenant_id LIKE 'RC-%'), NULL, 'at noon UTC it is the next day in Auckland');
UPDATE finops.issuer SET time_zone = 'UTC';
SELECT is((SELECT sum(open_amount) FROM finops.receivables_ageing('2021-03-01') WHERE tenant_id LIKE 'RC-%'), 407::numeric, 'in UTC it is not');

-- dunning
SELECT is((SELECT count(*) FROM finops.set_dunning_level(1, 5, 0, 60)) + (SELECT count(*) FROM finops.set_dunning_level(2, 15, 5, 60, 'warning')), 2::bigint, 'two levels');
SELECT is((SELECT count(*) FROM finops.run_dunning('2021-03-15')), 0::bigint, 'four days late: nothing');
SELECT results_eq($$SELECT invoice_id, level, open_amount, days_overdue FROM finops.run_dunning('2021-03-16') ORDER BY 1$$,
	$$VALUES ('RCI-1', 1, 119::numeric, 5), ('RCI-2', 1, 238, 5)$$, 'five days late: level 1, but not below the minimum');
SELECT is((SELECT count(*) FROM finops.run_dunning('2021-03-16')), 0::bigint, 'once');
SELECT is((SELECT (payload ->> 'open_amount') FROM finops.outbox WHERE topic = 'dunning' AND dedup_key LIKE 'RC-1 %')::numeric, 357::numeric, 'one message for the tenant');
SELECT lives_ok($$SELECT finops.block_dunning(invoice_id => 'RCI-2', reason => 'disputed', kind => 'dispute', until_date => '2021-03-30')$$, 'a dispute');
SELECT results_eq($$SELECT invoice_id, level, fee FROM finops.run_dunning('2021-03-27')$$, $$VALUES ('RCI-1', 2, 5::numeric)$$, 'level 2 of the other');
SELECT results_eq($$SELECT invoice_id, level FROM finops.run_dunning('2021-03-31')$$, $$VALUES ('RCI-2', 2)$$, 'after the dispute');
SELECT throws_ok($$SELECT finops.run_dunning('9999-01-01')$$, '22023', NULL, 'not ahead of time');
SELECT throws_ok($$SELECT finops.block_dunning('RC-1', 'RCI-1', 'x')$$, '22023', NULL, 'tenant or invoice');
SELECT throws_ok($$SELECT finops.set_dunning_level(0, 1)$$, '22023', NULL, 'levels count from 1');

-- write-offs and four eyes
SELECT throws_like($$SELECT finops.write_off('RCI-3', 50.01, 'x')$$, 'cannot write that off%', 'no more than is open');
SELECT is((SELECT amount FROM finops.write_off('RCI-3', 10, 'goodwill')), 10::numeric, 'a write-off');
SET LOCAL finops.four_eyes = on;
CREATE ROLE rc_first; CREATE ROLE rc_second;
GRANT USAGE ON SCHEMA finops TO rc_first, rc_second;
GRANT EXECUTE ON FUNCTION finops.write_off(text, numeric, text), finops.approve(text, text, text) TO rc_first, rc_second;
SET LOCAL client_min_messages = warning;
SET LOCAL SESSION AUTHORIZATION rc_first;
SELECT * FROM finops.write_off('RCI-3', 40, 'insolvent') \g /dev/null
RESET SESSION AUTHORIZATION;
SELECT request_id AS request FROM finops.approval_request WHERE object_id = 'RCI-3' \gset
SELECT is((SELECT open_amount FROM finops.invoice_balance WHERE invoice_id = 'RCI-3'), 40::numeric, 'with four eyes it waits');
GRANT rc_second TO rc_first;


SET LOCAL SESSION AUTHORIZATION rc_first;

SAVEPOINT s;
SET LOCAL ROLE rc_second;
\set ON_ERROR_STOP 0
SELECT finops.approve('write_off', :'request') \g /dev/null
\set ON_ERROR_STOP 1
\set state :LAST_ERROR_SQLSTATE
ROLLBACK TO s;
RESET SESSION AUTHORIZATION;
SELECT is(:'state'::text, '42501', 'whoever asked cannot approve, under another role neither');
SET LOCAL SESSION AUTHORIZATION rc_second;
SELECT finops.approve('write_off', :'request', 'seen') AS adjustment \gset
RESET SESSION AUTHORIZATION;
SELECT results_eq(format($$SELECT booked_by, approved_by, amount FROM finops.receivable_adjustment WHERE adjustment_id = %s$$, :'adjustment'), $$VALUES ('rc_first', 'rc_second', 40::numeric)$$, 'somebody else can, and both are written down');
SELECT is((SELECT status FROM invoice_header WHERE invoice_id = 'RCI-3'), 'paid', 'nothing is open');
SELECT throws_ok(format($$SELECT finops.approve('write_off', %L)$$, :'request'), '55000', NULL, 'once');
SELECT throws_ok($$SELECT finops.approve('write_off', '999999')$$, 'P0002', NULL, 'an unknown request');
SELECT is((SELECT count(*) FROM finops.credit_invoice('RCI-2', 'wrong price')), 0::bigint, 'a credit note waits too');
SELECT is((SELECT payload ->> 'reason' FROM finops.approval_request WHERE kind = 'credit_note' AND object_id = 'RCI-2'), 'wrong price', 'with its arguments');
SELECT is((SELECT finops.reject('credit_note', request_id::text, 'no') FROM finops.approval_request WHERE kind = 'credit_note' AND object_id = 'RCI-2'), 'RCI-2', 'and is turned down');
SELECT throws_ok($$SELECT finops.approve('bogus', '1')$$, '22023', NULL, 'an unknown kind');
SELECT throws_ok($$SELECT finops.approve('rule', 'nothing')$$, '22023', NULL, 'a rule has a version');
SET LOCAL finops.four_eyes = off;
RESET client_min_messages;

-- the journal
INSERT INTO finops.accrual_entry (period_start, origin_period, source, service, currency, amount, kind, method, reason, booked_by) VALUES
	('2021-02-01', '2021-02-01', 'aws', 'EC2', 'USD', 70, 'accrual', 'manual', 'x', 'x'), ('2021-03-01', '2021-02-01', 'aws', 'EC2', 'USD', -70, 'reversal', 'manual', 'x', 'x');
SELECT count(*) FROM finops.record_payment('RCP-1', 238, 'EUR', 'bank_transfer', 'r', NULL, '2021-03-12') a, finops.apply_payment('RCP-1', 'RCI-2') b \g /dev/null
SELECT results_eq($$SELECT role, currency, debit, credit FROM finops.journal('2021-02-01') ORDER BY 1, 2, 3, 4$$,
	$$VALUES ('accrual', 'USD', 0::numeric, 70::numeric), ('expense', 'USD', 70, 0), ('revenue', 'EUR', 0, 50), ('revenue', 'EUR', 0, 100), ('revenue', 'EUR', 0, 200),
		('unbilled', 'EUR', 50, 0), ('unbilled', 'EUR', 100, 0), ('unbilled', 'EUR', 200, 0)$$, 'a period: accrued cost, revenue that is not billed yet');
-- received at 1.25, owed at 1.1: 238 x 0.15 are gained
SELECT results_eq($$SELECT role, debit, credit, base_debit, base_credit FROM finops.journal('2021-03-01') WHERE source = 'application' AND reference = 'RCP-1 RCI-2' ORDER BY role$$,
	$$VALUES ('fx', 0::numeric, 0::numeric, 0::numeric, 35.7), ('receivable', 0, 238, 0, 261.8), ('unapplied', 238, 0, 297.5, 0)$$, 'the exchange difference is realised on payment');
SELECT is((SELECT sum(debit - credit) FROM finops.journal('2021-03-01') WHERE role = 'accrual'), 70::numeric, 'the accrual is reversed');
SELECT is((SELECT sum(base_credit) FROM finops.journal('2021-03-01') WHERE role = 'output_tax'), 57 * 1.1, 'tax in the reporting currency');
SELECT is_empty($$SELECT currency FROM finops.journal('2021-03-01') GROUP BY 1 HAVING sum(debit) <> sum(credit)$$, 'debits are credits in each currency');
SELECT is((SELECT sum(base_debit - base_credit) FROM finops.journal('2021-03-01')), 0::numeric, 'and in the reporting currency');
SELECT is_empty($$SELECT * FROM finops.journal_check('2021-03-01') WHERE difference <> 0$$, 'receivables and unapplied cash are what the ageing says');
SELECT is_empty($$SELECT * FROM finops.journal_check(date_trunc('month', now())::date) WHERE difference <> 0$$, 'today too');
SELECT ok(finops.journal_csv('2021-02-01') LIKE 'posting_date,source,%' || E'\r\n' || '2021-02-28,accrual,aws 2021-02,,accrual,2100,Accrued cost,USD,0,70,0,70,2021-02-01' || E'\r\n%', 'as CSV');
SELECT throws_ok($$SELECT finops.post_journal('2021-02-01')$$, '55000', NULL, 'only locked periods are posted');
SET LOCAL session_replication_role = replica;
INSERT INTO period_lock (period_start, period_end, state, locked_at, locked_by, hash_head) VALUES ('2021-02-01', '2021-02-28', 'LOCKED', now(), 'x', 'x');
SET LOCAL session_replication_role = origin;
SELECT is(finops.post_journal('2021-02-01'), 8::bigint, 'posted');
SELECT is(finops.post_journal('2021-02-01'), 0::bigint, 'once');
SELECT pg_temp.bill('RCI-4', 'RC-1', 7, 0) \g /dev/null
SELECT is((SELECT count(*) FROM finops.journal('2021-02-01')), 8::bigint, 'a posted period stays');
SELECT results_eq($$SELECT role, debit, credit FROM finops.journal('2021-03-01') WHERE origin_period = '2021-02-01' ORDER BY 1$$, $$VALUES ('revenue', 0::numeric, 7::numeric), ('unbilled', 7, 0)$$, 'what is new of it is a correction in the open one');
-- opened again, the month has a bill of 100 and 19 tax
CREATE TABLE finops.fact_cost_raw_2021_02 PARTITION OF fact_cost_raw FOR VALUES FROM ('2021-02-01') TO ('2021-03-01');
SET LOCAL session_replication_role = replica;
INSERT INTO fact_cost_raw (bill_billing_period_start_date, line_item_usage_start_date, provider, service, charge_category, billed_cost, effective_cost, line_item_currency_code, source, delivery_id)
VALUES ('2021-02-01', '2021-02-03', 'AWS', 'X', 'Usage', 100, 100, 'USD', 'rc', 1), ('2021-02-01', '2021-02-03', 'AWS', 'X', 'Tax', 19, 19, 'USD', 'rc', 1);
INSERT INTO finops.cost_daily (billing_period, usage_date, source, provider, service, charge_category, currency, billed_cost, effective_cost, line_items)
VALUES ('2021-02-01', '2021-02-03', 'rc', 'AWS', 'X', 'Usage', 'USD', 100, 100, 1), ('2021-02-01', '2021-02-03', 'rc', 'AWS', 'X', 'Tax', 'USD', 19, 19, 1);
SET LOCAL session_replication_role = origin;
SELECT is(finops.post_journal('2021-02-01'), 3::bigint, 'what a month that was opened again differs by is posted');
SELECT results_eq($$SELECT role, debit, credit FROM finops.journal('2021-02-01') WHERE source = 'bill' ORDER BY 1$$, $$VALUES ('expense', 100::numeric, 0::numeric), ('input_tax', 19, 0), ('payable', 0, 119)$$, 'with the tax of the bill');
SELECT is(finops.post_journal('2021-02-01'), 0::bigint, 'once');
INSERT INTO invoice_detail (invoice_id, line_no, tenant_id, period_start, line_type, description, quantity, unit, unit_price, unit_price_usd, amount, amount_usd, tax_rate)
VALUES ('RCI-4', 1, 'RC-1', '2021-02-01', 'usage', 'x', 1, 'EA', 6.98, 7.678, 6.98, 7.678, 0), ('RCI-4', 2, 'RC-1', '2021-02-01', 'rounding', 'x', 1, 'EA', 0.02, 0.022, 0.02, 0.022, 0);
SELECT results_eq($$SELECT role, debit, credit FROM finops.journal('2021-03-01') WHERE origin_period = '2021-02-01' ORDER BY 1$$, $$VALUES ('revenue', 0::numeric, 6.98), ('rounding', 0, 0.02), ('unbilled', 7, 0)$$, 'what only rounds a total is no revenue');
SELECT throws_ok($$UPDATE finops.journal_entry SET debit = 1$$, '55000', NULL, 'posted rows never change');
SELECT is((SELECT account FROM finops.set_journal_account('revenue', '4400', 'Erlöse')), '4400', 'accounts of one''s own');
SELECT is((SELECT min(account_name) FROM finops.journal('2021-03-01') WHERE role = 'revenue'), 'Erlöse', 'are used');
SELECT throws_ok($$SELECT finops.set_journal_account('x', '1')$$, '22023', NULL, 'an unknown role');
-- two issuers: each invoice is late by the days of its own
SELECT count(*) FROM finops.set_issuer('Kiwi Ltd', 'x', 'NZ1', issuer_id => 'NZ') a, finops.set_issuer_policy('NZ', time_zone => 'Pacific/Auckland') b \g /dev/null
INSERT INTO tenant_master (tenant_id, tenant_name, currency, billing_mode) VALUES ('RZ-1', 'Z1', 'USD', 'invoice'), ('RZ-2', 'Z2', 'USD', 'invoice');
INSERT INTO invoice_header (invoice_id, invoice_number, tenant_id, period_start, period_end, status, currency, subtotal, total, subtotal_usd, total_usd, issuer_id, issuer, recipient, issued_at, due_at, number_series, number_seq, prev_hash, hash)
SELECT 'RZI-' || n, 'RZ-' || n, 'RZ-' || n, '2021-02-01', '2021-02-28', 'issued', 'USD', 10, 10, 10, 10, CASE n WHEN 1 THEN 'default' ELSE 'NZ' END, '{}', '{}', '2021-03-01 12:00Z', '2021-03-31 12:00Z', 'rz' || n, 1, '', 'x' FROM generate_series(1, 2) n;
SELECT results_eq($$SELECT tenant_id, not_due, days_1_30 FROM finops.receivables_ageing('2021-04-01') WHERE tenant_id LIKE 'RZ-%' ORDER BY tenant_id$$,
	$$VALUES ('RZ-1', 0::numeric, 10::numeric), ('RZ-2', 10, 0)$$, 'noon of 31 March in UTC is 1 April in Auckland');
SELECT is((finops.invoice_html('RZI-2') ~ '1.April.2021'), true, 'as it stands on the document');
UPDATE finops.dunning_policy SET days_overdue = 1, minimum = 0 WHERE level = 1;
SELECT results_eq($$SELECT invoice_id, days_overdue FROM finops.run_dunning('2021-04-01') WHERE invoice_id LIKE 'RZI-%'$$, $$VALUES ('RZI-1', 1)$$, 'dunning counts the same days');
INSERT INTO invoice_header (invoice_id, invoice_number, tenant_id, period_start, period_end, kind, original_invoice_id, status, currency, subtotal, total, subtotal_usd, total_usd, issuer, recipient, issued_at, due_at, number_series, number_seq, prev_hash, hash)
VALUES ('RZC-1', 'RZC-1', 'RZ-1', '2021-02-01', '2021-02-28', 'credit_note', 'RZI-1', 'issued', 'USD', -4, -4, -4, -4, '{}', '{}', '2021-03-01 13:00Z', '2021-03-31 12:00Z', 'rzc', 1, '', 'x');
SELECT results_eq($$SELECT kind, balance FROM finops.account_statement('RZ-1', '2021-03-01', '2021-03-01')$$, $$VALUES ('opening balance', 0::numeric), ('invoice', 10), ('credit_note', 6), ('closing balance', 6)$$, 'an invoice comes before its credit note of the same day');
SELECT * FROM finish();
ROLLBACK;

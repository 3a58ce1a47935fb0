-- topic payment_mismatch: payments that no invoice reflects

CREATE VIEW finops.payment_mismatch WITH (security_invoker = true) AS
SELECT 'PAYMENT_MISMATCH' AS code, x.payment_id, x.invoice_id, x.tenant_id, x.currency, x.amount, x.unapplied, x.invoice_status, x.open_amount, x.reason, x.next_call, x.paid_at
FROM (
	SELECT b.payment_id, coalesce(p.invoice_id, s.invoice_id) AS invoice_id, p.tenant_id, b.currency, b.amount, b.unapplied, h.status AS invoice_status, NULL::numeric AS open_amount,
		CASE WHEN s.suggestion_id IS NOT NULL THEN 'suggested: ' OPERATOR(pg_catalog.||) s.reason
			WHEN h.invoice_id IS NULL THEN 'no invoice was found'
			WHEN h.status OPERATOR(pg_catalog.=) ANY (ARRAY['open', 'void']) THEN 'the invoice is ' OPERATOR(pg_catalog.||) h.status
			WHEN h.currency OPERATOR(pg_catalog.<>) b.currency THEN 'the invoice is in ' OPERATOR(pg_catalog.||) h.currency
			WHEN h.status OPERATOR(pg_catalog.=) 'paid' THEN 'more than the invoice'
			ELSE 'not applied' END AS reason,
		CASE WHEN s.suggestion_id IS NOT NULL THEN pg_catalog.format('SELECT finops.accept_suggestion(%s)', s.suggestion_id)
			WHEN h.status OPERATOR(pg_catalog.=) 'paid' THEN pg_catalog.format('SELECT finops.refund_payment(%L, %s, %L, %L)', b.payment_id, b.unapplied, 'REF-1', 'over-paid')
			WHEN h.status OPERATOR(pg_catalog.=) 'issued' AND h.currency OPERATOR(pg_catalog.=) b.currency THEN pg_catalog.format('SELECT finops.apply_payment(%L, %L)', b.payment_id, h.invoice_id)
			ELSE pg_catalog.format('SELECT * FROM finops.invoice_balance WHERE open_amount > 0 AND currency = %L', b.currency) END AS next_call, b.paid_at
	FROM finops.payment_balance b JOIN @extschema@.payment_txn p ON p.payment_id OPERATOR(pg_catalog.=) b.payment_id
	LEFT JOIN LATERAL (SELECT y.suggestion_id, y.invoice_id, y.reason FROM finops.payment_suggestion y
		WHERE y.payment_id OPERATOR(pg_catalog.=) b.payment_id AND y.status OPERATOR(pg_catalog.=) 'open' ORDER BY y.suggestion_id LIMIT 1) s ON true
	LEFT JOIN @extschema@.invoice_header h ON h.invoice_id OPERATOR(pg_catalog.=) coalesce(p.invoice_id, s.invoice_id)
	WHERE b.unapplied OPERATOR(pg_catalog.>) 0
	UNION ALL SELECT a.payment_id, i.invoice_id, i.tenant_id, i.currency, a.amount, 0, i.status, i.open_amount, 'the invoice is paid in part',
		pg_catalog.format('SELECT finops.write_off(%L, %s, %L)', i.invoice_id, i.open_amount, 'short payment'), a.paid_at
	FROM finops.invoice_balance i CROSS JOIN LATERAL (SELECT (pg_catalog.array_agg(v.payment_id ORDER BY v.applied_at DESC))[1] AS payment_id, pg_catalog.sum(v.invoice_amount) AS amount,
		pg_catalog.max(v.applied_at) AS paid_at FROM finops.payment_application v WHERE v.invoice_id OPERATOR(pg_catalog.=) i.invoice_id) a
	WHERE i.status OPERATOR(pg_catalog.=) 'issued' AND i.open_amount OPERATOR(pg_catalog.>) 0 AND i.paid OPERATOR(pg_catalog.>) 0) x;
COMMENT ON VIEW finops.payment_mismatch IS 'payments that no invoice''s status reflects, PAYMENT_MISMATCH: money that is not applied, with the reason, and invoices that are paid in part; next_call settles them';
COMMENT ON COLUMN finops.payment_mismatch.unapplied IS 'of the payment, in its currency; 0 where the invoice is paid in part';

REVOKE ALL ON finops.payment_mismatch FROM PUBLIC;

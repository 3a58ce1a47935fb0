-- topic receivable_credit: what is owed to tenants

CREATE VIEW finops.credit_balance WITH (security_invoker = true) AS
SELECT c.tenant_id, c.issuer_id, c.currency, c.kind, c.reference, c.amount, c.since,
	coalesce(b.credit_balances, i.credit_balances) AS policy,
	CASE WHEN c.kind OPERATOR(pg_catalog.=) 'payment' THEN pg_catalog.format('SELECT finops.refund_payment(%L, %s, %L, %L)', c.reference, c.amount, 'REF-1', 'refund')
		ELSE pg_catalog.format('SELECT finops.pay_out(%L, %s, %L)', c.reference, c.amount, 'REF-1') END AS next_call
FROM (SELECT x.tenant_id, h.issuer_id, x.currency, 'credit' AS kind, x.invoice_id AS reference, OPERATOR(pg_catalog.-) x.open_amount AS amount, x.issued_at AS since
	FROM finops.invoice_balance x JOIN @extschema@.invoice_header h ON h.invoice_id OPERATOR(pg_catalog.=) x.invoice_id
	WHERE x.open_amount OPERATOR(pg_catalog.<) 0
	UNION ALL SELECT p.tenant_id, coalesce((SELECT h.issuer_id FROM @extschema@.invoice_header h WHERE h.invoice_id OPERATOR(pg_catalog.=) t.invoice_id),
			(SELECT y.issuer_id FROM finops.tenant_billing y WHERE y.tenant_id OPERATOR(pg_catalog.=) p.tenant_id), 'default'), p.currency, 'payment', p.payment_id, p.unapplied, p.paid_at
	FROM finops.payment_balance p JOIN @extschema@.payment_txn t ON t.payment_id OPERATOR(pg_catalog.=) p.payment_id
	WHERE p.unapplied OPERATOR(pg_catalog.>) 0 AND p.tenant_id IS NOT NULL) c
LEFT JOIN finops.tenant_billing b ON b.tenant_id OPERATOR(pg_catalog.=) c.tenant_id
LEFT JOIN finops.issuer i ON i.issuer_id OPERATOR(pg_catalog.=) coalesce(b.issuer_id, 'default');
COMMENT ON VIEW finops.credit_balance IS 'what is owed to tenants: credit balances of invoices and payments that are not applied, with the policy that says what becomes of them and the call that pays them back';
COMMENT ON COLUMN finops.credit_balance.kind IS 'credit: of an invoice, by credit notes or a negative total; payment: money that is not applied';
COMMENT ON COLUMN finops.credit_balance.policy IS 'hold and issue: it stands; carry: the next invoices are paid with it; refund: it is to be paid back';

CREATE FUNCTION finops.settle_credits(tenant_id text DEFAULT NULL)
RETURNS TABLE (tenant_id text, currency text, kind text, reference text, invoice_id text, amount numeric)
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_settle_credits';
COMMENT ON FUNCTION finops.settle_credits(text) IS 'settles credit balances by policy: carry pays the oldest open invoices of the tenant, refund posts a message that it is due; finops.match_payments does it as well';
REVOKE ALL ON FUNCTION finops.settle_credits(text) FROM PUBLIC;

CREATE FUNCTION finops.pay_out(invoice_id text, amount numeric, reference text)
RETURNS SETOF finops.receivable_adjustment
LANGUAGE c VOLATILE ROWS 1
AS 'MODULE_PATHNAME', 'finops_pay_out';
COMMENT ON FUNCTION finops.pay_out(text, numeric, text) IS 'records money paid to a tenant for the credit balance of an invoice, once for each reference';
REVOKE ALL ON FUNCTION finops.pay_out(text, numeric, text) FROM PUBLIC;

CREATE UNIQUE INDEX receivable_adjustment_payout_key ON finops.receivable_adjustment (reason) WHERE kind OPERATOR(pg_catalog.=) 'payout';

REVOKE ALL ON finops.credit_balance FROM PUBLIC;

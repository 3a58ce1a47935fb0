-- room report: the datasets of FOCUS beside cost and usage

-- contract commitments: what the charges say about them

CREATE VIEW finops.focus_contract_commitment AS
SELECT
	k.currency AS "BillingCurrency",
	pg_catalog.jsonb_build_object('IsGlobalScope', true) AS "ContractCommitmentApplicability",
	'Discount' AS "ContractCommitmentBenefitCategory",
	k.category AS "ContractCommitmentCategory",
	CASE WHEN k.category OPERATOR(pg_catalog.=) 'Spend' THEN k.cost END AS "ContractCommitmentCost",
	k.created AS "ContractCommitmentCreated",
	pg_catalog.concat_ws(' ', k.type, k.name, k.commitment) AS "ContractCommitmentDescription",
	CASE WHEN k.contracted OPERATOR(pg_catalog.>) 0 THEN pg_catalog.round(GREATEST(0, LEAST(1, 1 OPERATOR(pg_catalog.-) k.used OPERATOR(pg_catalog./) k.contracted)), 6) ELSE 0 END AS "ContractCommitmentDiscountPercentage",
	k.periods OPERATOR(pg_catalog.||) CASE WHEN k.periods OPERATOR(pg_catalog.=) 1 THEN ' Month' ELSE ' Months' END AS "ContractCommitmentDurationType",
	'Hourly' AS "ContractCommitmentFulfillmentInterval",
	k.commitment AS "ContractCommitmentId",
	k.updated AS "ContractCommitmentLastUpdated",
	CASE WHEN k.last_period OPERATOR(pg_catalog.<) n.last_period THEN 'Expired' ELSE 'Active' END AS "ContractCommitmentLifecycleStatus",
	'Continuous' AS "ContractCommitmentModel",
	'Public' AS "ContractCommitmentOfferCategory",
	CASE WHEN k.payment OPERATOR(pg_catalog.=) 'All Upfront' THEN 'One-Time' ELSE 'Monthly' END AS "ContractCommitmentPaymentInterval",
	k.payment AS "ContractCommitmentPaymentModel",
	CASE k.payment WHEN 'All Upfront' THEN 1 WHEN 'No Upfront' THEN 0
		ELSE GREATEST(0.000001, LEAST(0.999999, pg_catalog.round(k.upfront OPERATOR(pg_catalog./) (k.upfront OPERATOR(pg_catalog.+) k.recurring), 6))) END AS "ContractCommitmentPaymentUpfrontPercentage",
	k.period_end AS "ContractCommitmentPeriodEnd",
	k.period_start AS "ContractCommitmentPeriodStart",
	CASE WHEN k.category OPERATOR(pg_catalog.=) 'Usage' THEN k.quantity END AS "ContractCommitmentQuantity",
	k.type AS "ContractCommitmentType",
	CASE WHEN k.category OPERATOR(pg_catalog.=) 'Usage' THEN k.unit END AS "ContractCommitmentUnit",
	k.commitment AS "ContractId",
	k.period_end AS "ContractPeriodEnd",
	k.period_start AS "ContractPeriodStart",
	k.issuer AS "InvoiceIssuerName",
	k.currency AS "PricingCurrency",
	CASE WHEN k.category OPERATOR(pg_catalog.=) 'Spend' THEN k.cost END AS "PricingCurrencyContractCommitmentCost",
	k.service_provider AS "ServiceProviderName"
FROM (
	SELECT c.*, CASE WHEN c.upfront OPERATOR(pg_catalog.<=) 0 THEN 'No Upfront' WHEN c.recurring OPERATOR(pg_catalog.>) 0 THEN 'Partial Upfront' ELSE 'All Upfront' END AS payment
	FROM (
		SELECT
			l."CommitmentDiscountId" AS commitment,
			pg_catalog.min(l."BillingCurrency" COLLATE "C") AS currency,
			pg_catalog.min(l."CommitmentDiscountCategory") AS category,
			pg_catalog.min(l."CommitmentDiscountType") AS type,
			pg_catalog.min(l."CommitmentDiscountName") AS name,
			pg_catalog.min(l."InvoiceIssuerName") AS issuer,
			pg_catalog.min(l."ServiceProviderName") AS service_provider,
			pg_catalog.min(l."ChargePeriodStart") AS period_start,
			pg_catalog.max(l."ChargePeriodEnd") AS period_end,
			pg_catalog.max(l.billing_period) AS last_period,
			pg_catalog.count(DISTINCT l.billing_period) AS periods,
			pg_catalog.min(d.loaded_at) AS created,
			pg_catalog.max(d.loaded_at) AS updated,
			COALESCE(pg_catalog.sum(l."EffectiveCost"), 0) AS cost,
			COALESCE(pg_catalog.sum(l."CommitmentDiscountQuantity") FILTER (WHERE l."ChargeCategory" OPERATOR(pg_catalog.=) 'Usage'), 0) AS quantity,
			COALESCE(pg_catalog.min(l."CommitmentDiscountUnit") FILTER (WHERE l."ChargeCategory" OPERATOR(pg_catalog.=) 'Usage'), pg_catalog.min(l."CommitmentDiscountUnit"), 'Units') AS unit,
			COALESCE(pg_catalog.sum(l."EffectiveCost") FILTER (WHERE l."CommitmentDiscountStatus" OPERATOR(pg_catalog.=) 'Used'), 0) AS used,
			COALESCE(pg_catalog.sum(l."ContractedCost") FILTER (WHERE l."CommitmentDiscountStatus" OPERATOR(pg_catalog.=) 'Used'), 0) AS contracted,
			COALESCE(pg_catalog.sum(l."BilledCost") FILTER (WHERE l."ChargeCategory" OPERATOR(pg_catalog.=) 'Purchase' AND l."ChargeFrequency" OPERATOR(pg_catalog.=) 'One-Time'), 0) AS upfront,
			COALESCE(pg_catalog.sum(l."BilledCost") FILTER (WHERE l."ChargeCategory" OPERATOR(pg_catalog.=) 'Purchase' AND l."ChargeFrequency" OPERATOR(pg_catalog.<>) 'One-Time'), 0) AS recurring
		FROM finops.focus_line l
		LEFT JOIN finops.delivery d ON d.delivery_id OPERATOR(pg_catalog.=) l.delivery_id
		WHERE l."CommitmentDiscountId" IS NOT NULL
		GROUP BY l."CommitmentDiscountId"
	) c
) k
CROSS JOIN (SELECT pg_catalog.max(d.billing_period) AS last_period FROM finops.delivery d WHERE d.status OPERATOR(pg_catalog.=) 'current') n;
COMMENT ON VIEW finops.focus_contract_commitment IS 'the commitments that charges name, as the 30 columns of FOCUS 1.4 Contract Commitment; what no bill says follows from the charges: a commitment begins with the first of them and ends with the last';
COMMENT ON COLUMN finops.focus_contract_commitment."ContractCommitmentCost" IS 'effective cost of the commitment, used and unused, in the bills that are loaded';
COMMENT ON COLUMN finops.focus_contract_commitment."ContractCommitmentDurationType" IS 'billing periods with charges';

-- invoices: our own

CREATE VIEW finops.focus_invoice_detail AS
SELECT
	x.amount AS "BilledCost",
	h.tenant_id AS "BillingAccountId",
	h.currency AS "BillingCurrency",
	pg_catalog.timezone('UTC', h.period_start::pg_catalog.timestamp OPERATOR(pg_catalog.+) interval '1 month') AS "BillingPeriodEnd",
	pg_catalog.timezone('UTC', h.period_start::pg_catalog.timestamp) AS "BillingPeriodStart",
	x.charge_category AS "ChargeCategory",
	h.created_at AS "InvoiceDetailCreated",
	x.description AS "InvoiceDetailDescription",
	CASE WHEN x.service IS NOT NULL THEN pg_catalog.jsonb_build_object('ServiceName', x.service) END AS "InvoiceDetailGrain",
	h.invoice_id OPERATOR(pg_catalog.||) '-' OPERATOR(pg_catalog.||) x.line AS "InvoiceDetailId",
	GREATEST(h.created_at, h.issued_at, h.paid_at) AS "InvoiceDetailLastUpdated",
	COALESCE(h.invoice_number, h.invoice_id) AS "InvoiceId",
	h.issued_at AS "InvoiceIssueDate",
	CASE h.status WHEN 'open' THEN 'Open' WHEN 'void' THEN 'Voided' ELSE 'Issued' END AS "InvoiceIssueStatus",
	COALESCE(h.issuer OPERATOR(pg_catalog.->>) 'legal_name', i.legal_name, 'unnamed issuer') AS "InvoiceIssuerName",
	h.currency AS "PaymentCurrency",
	x.amount AS "PaymentCurrencyBilledCost",
	h.invoice_id OPERATOR(pg_catalog.||) '-' OPERATOR(pg_catalog.||) x.line AS "PaymentCurrencyInvoiceDetailId",
	h.due_at AS "PaymentDueDate",
	COALESCE(h.terms, 'Net ' OPERATOR(pg_catalog.||) COALESCE(pg_catalog.date_part('day', pg_catalog.date_trunc('day', h.due_at) OPERATOR(pg_catalog.-) pg_catalog.date_trunc('day', h.issued_at))::pg_catalog.int4, h.payment_terms_days, i.payment_terms_days, 30)) AS "PaymentTerms",
	h.po_number AS "PurchaseOrderNumber",
	COALESCE(o.invoice_number, h.original_invoice_id, h.invoice_number, h.invoice_id) AS "ReferenceInvoiceId"
FROM @extschema@.invoice_header h
LEFT JOIN @extschema@.invoice_header o ON o.invoice_id OPERATOR(pg_catalog.=) h.original_invoice_id
LEFT JOIN finops.issuer i ON i.issuer_id OPERATOR(pg_catalog.=) h.issuer_id
CROSS JOIN LATERAL (
	SELECT pg_catalog.lpad(d.line_no::pg_catalog.text, 4, '0') AS line, d.amount, d.description, d.service,
		CASE
			WHEN d.line_type OPERATOR(pg_catalog.=) ANY (ARRAY['subscription', 'seat', 'topup', 'commitment']) THEN 'Purchase'
			WHEN d.line_type OPERATOR(pg_catalog.=) ANY (ARRAY['overage', 'allocation', 'usage']) THEN 'Usage'
			WHEN d.line_type OPERATOR(pg_catalog.=) 'credit' THEN 'Credit'
			ELSE 'Adjustment'
		END AS charge_category
	FROM @extschema@.invoice_detail d
	WHERE d.invoice_id OPERATOR(pg_catalog.=) h.invoice_id
	UNION ALL
	SELECT 'tax-' OPERATOR(pg_catalog.||) t.tax_category OPERATOR(pg_catalog.||) pg_catalog.trim_scale(t.tax_rate OPERATOR(pg_catalog.*) 100)::pg_catalog.text, t.tax_amount,
		'Tax ' OPERATOR(pg_catalog.||) pg_catalog.trim_scale(t.tax_rate OPERATOR(pg_catalog.*) 100)::pg_catalog.text OPERATOR(pg_catalog.||) ' %', NULL, 'Tax'
	FROM finops.invoice_tax t WHERE t.invoice_id OPERATOR(pg_catalog.=) h.invoice_id AND t.tax_amount OPERATOR(pg_catalog.<>) 0
	UNION ALL
	SELECT 'tax', h.tax, 'Tax', NULL, 'Tax' WHERE h.tax OPERATOR(pg_catalog.<>) 0 AND NOT EXISTS (SELECT FROM finops.invoice_tax t WHERE t.invoice_id OPERATOR(pg_catalog.=) h.invoice_id)
) x;
COMMENT ON VIEW finops.focus_invoice_detail IS 'our invoices and credit notes as the 22 columns of FOCUS 1.4 Invoice Detail: a row per line and one for each tax rate; BilledCost of an invoice adds up to its total';

-- billing periods: our locks

CREATE VIEW finops.focus_billing_period AS
SELECT
	COALESCE(d.created, l.locked_at, pg_catalog.timezone('UTC', p.period::pg_catalog.timestamp)) AS "BillingPeriodCreated",
	pg_catalog.timezone('UTC', p.period::pg_catalog.timestamp OPERATOR(pg_catalog.+) interval '1 month') AS "BillingPeriodEnd",
	GREATEST(d.updated, l.locked_at, COALESCE(d.created, l.locked_at, pg_catalog.timezone('UTC', p.period::pg_catalog.timestamp))) AS "BillingPeriodLastUpdated",
	pg_catalog.timezone('UTC', p.period::pg_catalog.timestamp) AS "BillingPeriodStart",
	CASE WHEN l.state OPERATOR(pg_catalog.=) 'LOCKED' THEN 'Closed' ELSE 'Open' END AS "BillingPeriodStatus",
	p.issuer AS "InvoiceIssuerName"
FROM (
	SELECT f.billing_period AS period, f."InvoiceIssuerName" AS issuer FROM finops.focus_line f
	UNION
	SELECT h.period_start, COALESCE(h.issuer OPERATOR(pg_catalog.->>) 'legal_name', i.legal_name, 'unnamed issuer')
	FROM @extschema@.invoice_header h
	LEFT JOIN finops.issuer i ON i.issuer_id OPERATOR(pg_catalog.=) 'default'
) p
LEFT JOIN @extschema@.period_lock l ON l.period_start OPERATOR(pg_catalog.=) p.period
LEFT JOIN (
	SELECT d.billing_period, pg_catalog.min(d.loaded_at) AS created, pg_catalog.max(d.loaded_at) AS updated
	FROM finops.delivery d
	GROUP BY d.billing_period
) d ON d.billing_period OPERATOR(pg_catalog.=) p.period;
COMMENT ON VIEW finops.focus_billing_period IS 'billing periods by invoice issuer as the 6 columns of FOCUS 1.4 Billing Period: Closed once they are locked';

REVOKE ALL ON finops.focus_contract_commitment, finops.focus_invoice_detail, finops.focus_billing_period FROM PUBLIC;

-- room bill: the facts as FOCUS 1.2 columns

-- the view

CREATE VIEW finops.focus_cost_and_usage AS
SELECT
	f.line_item_availability_zone AS "AvailabilityZone",
	f.billed_cost AS "BilledCost",
	COALESCE(f.bill_payer_account_id, f.line_item_usage_account_id, f.source) AS "BillingAccountId",
	NULL::pg_catalog.text AS "BillingAccountName",
	CASE
		WHEN f.provider OPERATOR(pg_catalog.=) 'AWS' THEN 'Management Account'
		WHEN f.provider OPERATOR(pg_catalog.=) 'Microsoft' THEN 'Billing Profile'
		WHEN f.provider OPERATOR(pg_catalog.=) 'Oracle' THEN 'Tenancy'
		ELSE 'Billing Account'
	END AS "BillingAccountType",
	f.line_item_currency_code AS "BillingCurrency",
	t.period_end AS "BillingPeriodEnd",
	t.period_start AS "BillingPeriodStart",
	NULL::pg_catalog.text AS "CapacityReservationId",
	NULL::pg_catalog.text AS "CapacityReservationStatus",
	f.charge_category AS "ChargeCategory",
	f.charge_class AS "ChargeClass",
	f.line_item_line_item_description AS "ChargeDescription",
	COALESCE(f.charge_frequency,
		CASE WHEN f.charge_category OPERATOR(pg_catalog.=) 'Usage' THEN 'Usage-Based' ELSE 'One-Time' END) AS "ChargeFrequency",
	COALESCE(t.charge_end, t.period_end) AS "ChargePeriodEnd",
	COALESCE(pg_catalog.timezone('UTC', f.line_item_usage_start_date), t.period_start) AS "ChargePeriodStart",
	f.commitment_discount_category AS "CommitmentDiscountCategory",
	f.commitment_discount_id AS "CommitmentDiscountId",
	NULL::pg_catalog.text AS "CommitmentDiscountName",
	CASE
		WHEN f.commitment_discount_id IS NULL THEN NULL
		WHEN f.commitment_discount_category OPERATOR(pg_catalog.=) 'Spend' AND f.charge_category OPERATOR(pg_catalog.=) 'Usage' THEN f.effective_cost
		WHEN f.commitment_discount_category OPERATOR(pg_catalog.=) 'Spend' THEN f.billed_cost
		ELSE a.quantity
	END AS "CommitmentDiscountQuantity",
	f.commitment_discount_status AS "CommitmentDiscountStatus",
	CASE
		WHEN f.savings_plan_arn IS NOT NULL THEN 'Savings Plan'
		WHEN f.reservation_arn IS NOT NULL THEN 'Reservation'
	END AS "CommitmentDiscountType",
	CASE
		WHEN f.commitment_discount_id IS NULL THEN NULL
		WHEN f.commitment_discount_category OPERATOR(pg_catalog.=) 'Spend' THEN f.line_item_currency_code
		WHEN a.quantity IS NOT NULL THEN f.pricing_unit
	END AS "CommitmentDiscountUnit",
	u.consumed AS "ConsumedQuantity",
	CASE WHEN u.consumed IS NOT NULL THEN f.pricing_unit END AS "ConsumedUnit",
	a.contracted_cost AS "ContractedCost",
	u.contracted_price AS "ContractedUnitPrice",
	f.effective_cost AS "EffectiveCost",
	f.bill_invoice_id AS "InvoiceId",
	COALESCE(CASE WHEN a.focus THEN f.bill_billing_entity ELSE f.line_item_legal_entity END, f.provider) AS "InvoiceIssuerName",
	a.list_cost AS "ListCost",
	u.list_price AS "ListUnitPrice",
	CASE
		WHEN f.charge_category OPERATOR(pg_catalog.=) 'Usage' AND f.commitment_discount_status IS NOT NULL THEN 'Committed'
		WHEN f.charge_category OPERATOR(pg_catalog.=) 'Usage' AND f.line_item_usage_type OPERATOR(pg_catalog.~~) '%SpotUsage%' THEN 'Dynamic'
		WHEN f.charge_category OPERATOR(pg_catalog.=) ANY (ARRAY['Usage', 'Purchase']) THEN 'Standard'
	END AS "PricingCategory",
	f.line_item_currency_code AS "PricingCurrency",
	u.contracted_price AS "PricingCurrencyContractedUnitPrice",
	f.effective_cost AS "PricingCurrencyEffectiveCost",
	u.list_price AS "PricingCurrencyListUnitPrice",
	a.quantity AS "PricingQuantity",
	CASE WHEN a.quantity IS NOT NULL THEN f.pricing_unit END AS "PricingUnit",
	f.provider AS "ProviderName",
	COALESCE(f.line_item_legal_entity, f.provider) AS "PublisherName",
	f.product_region AS "RegionId",
	f.product_region AS "RegionName",
	f.line_item_resource_id AS "ResourceId",
	NULL::pg_catalog.text AS "ResourceName",
	NULL::pg_catalog.text AS "ResourceType",
	COALESCE(c.service_category, 'Other') AS "ServiceCategory",
	COALESCE(c.service_name, f.service) AS "ServiceName",
	COALESCE(c.service_subcategory, 'Other (Other)') AS "ServiceSubcategory",
	u.sku AS "SkuId",
	CASE WHEN u.sku IS NOT NULL THEN f.line_item_usage_type END AS "SkuMeter",
	CASE WHEN u.sku IS NOT NULL AND f.product_instance_type IS NOT NULL
		THEN pg_catalog.jsonb_build_object('InstanceType', f.product_instance_type) END AS "SkuPriceDetails",
	u.sku AS "SkuPriceId",
	f.line_item_usage_account_id AS "SubAccountId",
	NULL::pg_catalog.text AS "SubAccountName",
	CASE
		WHEN f.line_item_usage_account_id IS NULL THEN NULL
		WHEN f.provider OPERATOR(pg_catalog.=) 'AWS' THEN 'Account'
		WHEN f.provider OPERATOR(pg_catalog.=) 'Microsoft' THEN 'Subscription'
		WHEN f.provider OPERATOR(pg_catalog.=) 'Google Cloud' THEN 'Project'
		WHEN f.provider OPERATOR(pg_catalog.=) 'Oracle' THEN 'Compartment'
		ELSE 'Sub Account'
	END AS "SubAccountType",
	f.resource_tags AS "Tags"
FROM @extschema@.fact_cost_raw f
LEFT JOIN finops.delivery d ON d.delivery_id OPERATOR(pg_catalog.=) f.delivery_id
-- a row of the user's own before the shipped one
LEFT JOIN (
	SELECT DISTINCT ON (s.provider, s.service) s.provider, s.service, s.service_name, s.service_category, s.service_subcategory
	FROM finops.service_catalog s
	ORDER BY s.provider, s.service, s.shipped
) c ON c.provider OPERATOR(pg_catalog.=) f.provider AND c.service OPERATOR(pg_catalog.=) f.service
CROSS JOIN LATERAL (
	SELECT
		pg_catalog.timezone('UTC', f.bill_billing_period_start_date::pg_catalog.timestamp) AS period_start,
		pg_catalog.timezone('UTC', f.bill_billing_period_start_date::pg_catalog.timestamp OPERATOR(pg_catalog.+) interval '1 month') AS period_end,
		-- cost and usage reports end a month at 23:59:59, FOCUS periods exclude their end
		pg_catalog.timezone('UTC', CASE WHEN pg_catalog.date_trunc('second', f.line_item_usage_end_date)::pg_catalog.time OPERATOR(pg_catalog.=) '23:59:59'
			THEN pg_catalog.date_trunc('second', f.line_item_usage_end_date) OPERATOR(pg_catalog.+) interval '1 second'
			ELSE f.line_item_usage_end_date END) AS charge_end
) t
CROSS JOIN LATERAL (
	SELECT
		COALESCE(d.format OPERATOR(pg_catalog.=) 'focus', false) AS focus,
		CASE WHEN f.charge_category OPERATOR(pg_catalog.=) ANY (ARRAY['Usage', 'Purchase']) THEN f.line_item_usage_amount END AS quantity,
		-- a negation repeats the list price of the usage it cancels
		CASE
			WHEN f.line_item_line_item_type OPERATOR(pg_catalog.=) 'SavingsPlanNegation' THEN 0
			WHEN f.charge_category OPERATOR(pg_catalog.=) 'Usage' OR d.format OPERATOR(pg_catalog.=) 'focus' THEN COALESCE(f.list_cost, f.billed_cost)
			ELSE f.billed_cost
		END AS list_cost,
		CASE
			WHEN f.line_item_line_item_type OPERATOR(pg_catalog.=) 'SavingsPlanNegation' THEN 0
			WHEN f.contracted_cost IS NOT NULL THEN f.contracted_cost
			WHEN f.commitment_discount_status IS NOT NULL THEN COALESCE(f.list_cost, f.billed_cost)
			ELSE f.billed_cost
		END AS contracted_cost
) a
CROSS JOIN LATERAL (
	SELECT
		CASE WHEN f.charge_category OPERATOR(pg_catalog.=) 'Usage' AND f.commitment_discount_status IS DISTINCT FROM 'Unused' THEN a.quantity END AS consumed,
		CASE WHEN a.quantity OPERATOR(pg_catalog.<>) 0 THEN a.contracted_cost OPERATOR(pg_catalog./) a.quantity END AS contracted_price,
		CASE WHEN a.quantity OPERATOR(pg_catalog.<>) 0 THEN a.list_cost OPERATOR(pg_catalog./) a.quantity END AS list_price,
		CASE
			WHEN f.charge_category OPERATOR(pg_catalog.<>) ALL (ARRAY['Usage', 'Purchase']) OR f.line_item_usage_type IS NULL THEN NULL
			WHEN a.focus THEN f.line_item_usage_type
			ELSE pg_catalog.concat_ws(':', f.line_item_product_code, f.line_item_usage_type, f.line_item_operation)
		END AS sku
) u;
COMMENT ON VIEW finops.focus_cost_and_usage IS 'all facts as the 57 columns of FOCUS 1.2 Cost and Usage; the sums of BilledCost and EffectiveCost are those of the facts';
COMMENT ON COLUMN finops.focus_cost_and_usage."ChargePeriodEnd" IS 'excluded from the charge period';
COMMENT ON COLUMN finops.focus_cost_and_usage."ListCost" IS 'cost at public prices of usage; what is billed of everything else and where the bill does not say';
COMMENT ON COLUMN finops.focus_cost_and_usage."ListUnitPrice" IS 'ListCost / PricingQuantity; their product may differ from ListCost behind the sixteenth digit';
COMMENT ON COLUMN finops.focus_cost_and_usage."SkuId" IS 'of a cost and usage report: product code, usage type and operation';

REVOKE ALL ON finops.focus_cost_and_usage FROM PUBLIC;

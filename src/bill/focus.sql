-- room bill: the facts as FOCUS columns

CREATE FUNCTION finops.focus_unit(unit text) RETURNS text
AS 'MODULE_PATHNAME', 'finops_focus_unit'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION finops.focus_unit(text) IS 'a provider''s unit in the unit format of FOCUS: Hrs is Hours, GB-Mo is GB-Months, 10K is 10000 Units';

-- A line of the view is a fact.  Three kinds of fact differ, so that the sums
-- of BilledCost and EffectiveCost stay those of the facts:
--   savings plan negations are left out, and the usage they negate bills 0;
--   where the two do not cancel, one adjustment per plan bills the rest;
--   a purchase has no effective cost: what the fact has, which is the unused
--   part of a commitment, or a fee that is used up at once, is a second line.
-- FOCUS bills come back as delivered: a value is derived only where it is NULL
-- and FOCUS says that it must or should not be.

CREATE VIEW finops.focus_line AS
SELECT
	f.row_id, f.bill_billing_period_start_date AS billing_period, f.source, f.delivery_id, f.provider, f.service, f.tenant_id,
	f.charge_category AS fact_charge_category, part.n AS part,
	f.line_item_availability_zone AS "AvailabilityZone",
	a.billed_cost AS "BilledCost",
	COALESCE(f.bill_payer_account_id, f.line_item_usage_account_id, f.source) AS "BillingAccountId",
	COALESCE(f.billing_account_name, f.bill_payer_account_id, f.line_item_usage_account_id, f.source) AS "BillingAccountName",
	COALESCE(f.billing_account_type, CASE
		WHEN f.provider OPERATOR(pg_catalog.=) 'AWS' THEN 'Management Account'
		WHEN f.provider OPERATOR(pg_catalog.=) 'Microsoft' THEN 'Billing Profile'
		WHEN f.provider OPERATOR(pg_catalog.=) 'Oracle' THEN 'Tenancy'
		ELSE 'Billing Account'
	END) AS "BillingAccountType",
	f.line_item_currency_code AS "BillingCurrency",
	t.period_end AS "BillingPeriodEnd",
	t.period_start AS "BillingPeriodStart",
	f.capacity_reservation_id AS "CapacityReservationId",
	CASE
		WHEN a.focus OR (f.capacity_reservation_id IS NOT NULL AND a.category OPERATOR(pg_catalog.<>) 'Usage') THEN f.capacity_reservation_status
		WHEN f.capacity_reservation_id IS NOT NULL THEN COALESCE(f.capacity_reservation_status, 'Used')
	END AS "CapacityReservationStatus",
	a.category AS "ChargeCategory",
	f.charge_class AS "ChargeClass",
	COALESCE(f.line_item_line_item_description, pg_catalog.concat_ws(' ', f.service, f.line_item_usage_type, f.line_item_operation, f.line_item_line_item_type)) AS "ChargeDescription",
	CASE
		WHEN a.focus AND f.charge_frequency IS NOT NULL THEN f.charge_frequency
		WHEN a.category OPERATOR(pg_catalog.=) 'Purchase' AND f.charge_frequency OPERATOR(pg_catalog.=) 'Usage-Based' THEN 'Recurring'
		ELSE COALESCE(f.charge_frequency, CASE WHEN a.category OPERATOR(pg_catalog.=) 'Usage' THEN 'Usage-Based' ELSE 'One-Time' END)
	END AS "ChargeFrequency",
	COALESCE(t.charge_end, t.period_end) AS "ChargePeriodEnd",
	COALESCE(pg_catalog.timezone('UTC', f.line_item_usage_start_date), t.period_start) AS "ChargePeriodStart",
	CASE
		WHEN a.focus THEN COALESCE(f.commitment_discount_category, CASE WHEN a.commitment IS NOT NULL THEN 'Usage' END)
		WHEN a.commitment IS NOT NULL THEN a.commitment_category
	END AS "CommitmentDiscountCategory",
	a.commitment AS "CommitmentDiscountId",
	CASE WHEN a.focus OR a.commitment IS NOT NULL THEN f.commitment_discount_name END AS "CommitmentDiscountName",
	CASE WHEN u.commits THEN u.commitment_quantity ELSE f.commitment_discount_quantity END AS "CommitmentDiscountQuantity",
	a.status AS "CommitmentDiscountStatus",
	CASE
		WHEN a.focus AND f.commitment_discount_type IS NOT NULL THEN f.commitment_discount_type
		WHEN a.commitment IS NOT NULL THEN COALESCE(f.commitment_discount_type,
			CASE WHEN f.savings_plan_arn IS NOT NULL OR a.commitment_category OPERATOR(pg_catalog.=) 'Spend' THEN 'Savings Plan' ELSE 'Reservation' END)
	END AS "CommitmentDiscountType",
	CASE
		WHEN NOT u.commits THEN f.commitment_discount_unit
		WHEN a.focus OR f.commitment_discount_quantity IS NOT NULL THEN COALESCE(f.commitment_discount_unit, 'Units')
		WHEN a.commitment_category OPERATOR(pg_catalog.=) 'Spend' THEN f.line_item_currency_code
		ELSE a.unit
	END AS "CommitmentDiscountUnit",
	u.consumed AS "ConsumedQuantity",
	CASE
		WHEN a.focus THEN COALESCE(f.consumed_unit, CASE WHEN u.consumed IS NOT NULL THEN a.unit END)
		WHEN u.consumed IS NOT NULL THEN COALESCE(finops.focus_unit(f.consumed_unit), a.unit)
	END AS "ConsumedUnit",
	m.contracted_cost AS "ContractedCost",
	p.contracted_price AS "ContractedUnitPrice",
	a.effective_cost AS "EffectiveCost",
	f.bill_invoice_id AS "InvoiceId",
	COALESCE(f.invoice_issuer_name, CASE WHEN a.focus THEN f.bill_billing_entity ELSE f.line_item_legal_entity END, f.provider) AS "InvoiceIssuerName",
	m.list_cost AS "ListCost",
	p.list_price AS "ListUnitPrice",
	CASE
		WHEN f.pricing_category IS NOT NULL AND (a.focus OR a.priced) THEN f.pricing_category
		WHEN NOT a.priced THEN NULL
		WHEN a.status IS NOT NULL THEN 'Committed'
		WHEN f.line_item_usage_type OPERATOR(pg_catalog.~~) '%SpotUsage%' THEN 'Dynamic'
		ELSE 'Standard'
	END AS "PricingCategory",
	COALESCE(f.pricing_currency, f.line_item_currency_code) AS "PricingCurrency",
	CASE WHEN a.focus OR a.other_currency THEN COALESCE(f.pricing_currency_contracted_unit_price, p.contracted_price)
		ELSE p.contracted_price END AS "PricingCurrencyContractedUnitPrice",
	CASE WHEN a.focus OR a.other_currency THEN COALESCE(f.pricing_currency_effective_cost, a.effective_cost)
		ELSE a.effective_cost END AS "PricingCurrencyEffectiveCost",
	CASE WHEN a.focus OR a.other_currency THEN COALESCE(f.pricing_currency_list_unit_price, p.list_price)
		ELSE p.list_price END AS "PricingCurrencyListUnitPrice",
	m.quantity AS "PricingQuantity",
	CASE
		WHEN a.focus THEN COALESCE(f.pricing_unit, CASE WHEN m.quantity IS NOT NULL THEN 'Units' END)
		WHEN m.quantity IS NOT NULL THEN a.unit
	END AS "PricingUnit",
	COALESCE(f.provider_name, f.provider) AS "ProviderName",
	COALESCE(f.publisher_name, f.line_item_legal_entity, f.provider) AS "PublisherName",
	f.product_region AS "RegionId",
	CASE WHEN a.focus OR f.product_region IS NOT NULL THEN COALESCE(f.region_name, f.product_region) END AS "RegionName",
	f.line_item_resource_id AS "ResourceId",
	f.resource_name AS "ResourceName",
	CASE WHEN f.line_item_resource_id IS NULL AND NOT a.focus THEN NULL WHEN f.resource_type IS NOT NULL OR f.line_item_resource_id IS NULL THEN f.resource_type ELSE CASE
		WHEN f.line_item_resource_id OPERATOR(pg_catalog.~~) 'arn:%' THEN COALESCE(NULLIF(pg_catalog.split_part(f.line_item_resource_id, ':', 3), ''), 'Resource')
		WHEN f.line_item_resource_id OPERATOR(pg_catalog.~~) 'i-%' THEN 'Instance'
		WHEN f.line_item_resource_id OPERATOR(pg_catalog.~~) 'vol-%' THEN 'Volume'
		WHEN f.line_item_resource_id OPERATOR(pg_catalog.~~) 'nat-%' THEN 'NAT Gateway'
		WHEN f.line_item_resource_id OPERATOR(pg_catalog.~~*) '%/providers/%'
			THEN COALESCE(pg_catalog.substring(f.line_item_resource_id, '(?i).*/providers/([^/]+/[^/]+)/'), 'Resource')
		ELSE 'Resource'
	END END AS "ResourceType",
	s.category AS "ServiceCategory",
	COALESCE(CASE WHEN NOT a.focus THEN c.service_name END, f.service) AS "ServiceName",
	s.subcategory AS "ServiceSubcategory",
	k.sku AS "SkuId",
	CASE
		WHEN a.focus THEN COALESCE(f.sku_meter, k.sku)
		WHEN k.sku IS NOT NULL THEN COALESCE(f.sku_meter, f.line_item_usage_type, k.sku)
	END AS "SkuMeter",
	CASE
		WHEN a.focus OR (k.sku_price IS NOT NULL AND f.sku_price_details IS NOT NULL) THEN f.sku_price_details
		WHEN k.sku_price IS NOT NULL AND f.product_instance_type IS NOT NULL THEN pg_catalog.jsonb_build_object('InstanceType', f.product_instance_type)
	END AS "SkuPriceDetails",
	k.sku_price AS "SkuPriceId",
	f.line_item_usage_account_id AS "SubAccountId",
	CASE WHEN a.focus OR f.line_item_usage_account_id IS NOT NULL THEN COALESCE(f.sub_account_name, f.line_item_usage_account_id) END AS "SubAccountName",
	CASE
		WHEN f.line_item_usage_account_id IS NULL AND NOT a.focus THEN NULL
		WHEN f.line_item_usage_account_id IS NULL OR f.sub_account_type IS NOT NULL THEN f.sub_account_type
		WHEN f.provider OPERATOR(pg_catalog.=) 'AWS' THEN 'Account'
		WHEN f.provider OPERATOR(pg_catalog.=) 'Microsoft' THEN 'Subscription'
		WHEN f.provider OPERATOR(pg_catalog.=) 'Google Cloud' THEN 'Project'
		WHEN f.provider OPERATOR(pg_catalog.=) 'Oracle' THEN 'Compartment'
		ELSE 'Sub Account'
	END AS "SubAccountType",
	f.resource_tags AS "Tags",
	f.allocated_method_details AS "AllocatedMethodDetails",
	f.allocated_method_id AS "AllocatedMethodId",
	f.allocated_resource_id AS "AllocatedResourceId",
	f.allocated_resource_name AS "AllocatedResourceName",
	f.allocated_tags AS "AllocatedTags",
	CASE
		WHEN a.focus OR f.contract_applied IS NOT NULL OR a.commitment IS NULL OR a.status IS NULL THEN f.contract_applied
		WHEN a.commitment_category OPERATOR(pg_catalog.=) 'Spend' THEN pg_catalog.jsonb_build_object('Elements', pg_catalog.jsonb_build_array(pg_catalog.jsonb_build_object(
			'ContractId', a.commitment, 'ContractCommitmentId', a.commitment, 'ContractCommitmentAppliedCost', a.effective_cost)))
		ELSE pg_catalog.jsonb_build_object('Elements', pg_catalog.jsonb_build_array(pg_catalog.jsonb_build_object(
			'ContractId', a.commitment, 'ContractCommitmentId', a.commitment, 'ContractCommitmentAppliedQuantity', u.commitment_quantity, 'ContractCommitmentAppliedUnit', a.unit)))
	END AS "ContractApplied",
	COALESCE(f.host_provider_name, f.provider_name, f.provider) AS "HostProviderName",
	f.invoice_detail_id AS "InvoiceDetailId",
	COALESCE(f.service_provider_name, f.provider_name, f.provider) AS "ServiceProviderName"
FROM @extschema@.fact_cost_raw f
LEFT JOIN finops.delivery d ON d.delivery_id OPERATOR(pg_catalog.=) f.delivery_id
-- a row of the user's own before the shipped one
LEFT JOIN (
	SELECT DISTINCT ON (s.provider, s.service) s.provider, s.service, s.service_name, s.service_category, s.service_subcategory
	FROM finops.service_catalog s
	ORDER BY s.provider, s.service, s.shipped
) c ON c.provider OPERATOR(pg_catalog.=) f.provider AND c.service OPERATOR(pg_catalog.=) f.service
-- 2: the line for the effective cost of a purchase
JOIN (VALUES (1), (2)) part (n) ON part.n OPERATOR(pg_catalog.=) 1
	OR (f.charge_category OPERATOR(pg_catalog.=) 'Purchase' AND f.effective_cost OPERATOR(pg_catalog.<>) 0 AND d.format IS DISTINCT FROM 'focus')
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
		b.*,
		CASE WHEN b.focus THEN COALESCE(f.pricing_unit, 'Units') ELSE COALESCE(finops.focus_unit(f.pricing_unit), 'Units') END AS unit,
		CASE
			WHEN b.focus OR b.commitment IS NULL THEN CASE WHEN b.focus THEN f.commitment_discount_status END
			WHEN part.n OPERATOR(pg_catalog.=) 2 THEN 'Unused'
			WHEN b.category OPERATOR(pg_catalog.=) 'Usage' THEN COALESCE(f.commitment_discount_status, 'Used')
		END AS status,
		b.category OPERATOR(pg_catalog.=) 'Usage' OR b.category OPERATOR(pg_catalog.=) 'Purchase' AS priced,
		f.pricing_currency OPERATOR(pg_catalog.<>) f.line_item_currency_code AS other_currency,
		COALESCE(f.commitment_discount_category, 'Usage') AS commitment_category
	FROM (
		SELECT
			COALESCE(d.format OPERATOR(pg_catalog.=) 'focus', false) AS focus,
			CASE WHEN part.n OPERATOR(pg_catalog.=) 2 THEN 'Usage' ELSE f.charge_category END AS category,
			CASE
				WHEN part.n OPERATOR(pg_catalog.=) 2 OR f.line_item_line_item_type OPERATOR(pg_catalog.=) 'SavingsPlanCoveredUsage' THEN 0
				ELSE f.billed_cost
			END AS billed_cost,
			CASE
				WHEN part.n OPERATOR(pg_catalog.=) 1 AND f.charge_category OPERATOR(pg_catalog.=) 'Purchase' AND d.format IS DISTINCT FROM 'focus' THEN 0
				ELSE f.effective_cost
			END AS effective_cost,
			-- of the second line of a fee: the fees of commitments leave what was not used
			CASE
				WHEN part.n OPERATOR(pg_catalog.=) 1 OR f.line_item_line_item_type OPERATOR(pg_catalog.=) ANY (ARRAY['RIFee', 'SavingsPlanRecurringFee'])
				THEN f.commitment_discount_id
			END AS commitment
	) b
	OFFSET 0
) a
-- costs and the quantity they are prices of; both prices are never negative
CROSS JOIN LATERAL (
	SELECT
		CASE WHEN NOT a.focus AND c0.list OPERATOR(pg_catalog.*) c0.contracted OPERATOR(pg_catalog.<) 0 THEN c0.contracted ELSE c0.list END AS list_cost,
		c0.contracted AS contracted_cost,
		CASE
			WHEN a.focus AND f.pricing_quantity IS NOT NULL THEN f.pricing_quantity
			WHEN NOT a.priced OR (a.focus AND f.charge_class OPERATOR(pg_catalog.=) 'Correction') THEN NULL
			WHEN c0.contracted OPERATOR(pg_catalog.=) 0 AND c0.list OPERATOR(pg_catalog.=) 0 THEN COALESCE(c0.quantity, 0)
			WHEN COALESCE(c0.quantity, 0) OPERATOR(pg_catalog.=) 0 THEN CASE WHEN c0.contracted OPERATOR(pg_catalog.<) 0
				OR (c0.contracted OPERATOR(pg_catalog.=) 0 AND c0.list OPERATOR(pg_catalog.<) 0) THEN -1 ELSE 1 END
			WHEN c0.contracted OPERATOR(pg_catalog.<) 0 OR (c0.contracted OPERATOR(pg_catalog.=) 0 AND c0.list OPERATOR(pg_catalog.<) 0)
				THEN OPERATOR(pg_catalog.-) pg_catalog.abs(c0.quantity)
			ELSE pg_catalog.abs(c0.quantity)
		END AS quantity
	FROM (
		SELECT
			CASE
				WHEN part.n OPERATOR(pg_catalog.=) 2 THEN 0
				WHEN a.category OPERATOR(pg_catalog.=) 'Usage' OR a.focus THEN COALESCE(f.list_cost, f.contracted_cost, f.billed_cost)
				ELSE f.billed_cost
			END AS list,
			CASE
				WHEN part.n OPERATOR(pg_catalog.=) 2 THEN 0
				WHEN f.contracted_cost IS NOT NULL THEN f.contracted_cost
				WHEN a.status IS NOT NULL THEN COALESCE(f.list_cost, f.billed_cost)
				ELSE f.billed_cost
			END AS contracted,
			CASE WHEN part.n OPERATOR(pg_catalog.=) 2 THEN 0 ELSE COALESCE(f.pricing_quantity, f.line_item_usage_amount) END AS quantity
		OFFSET 0
	) c0
	OFFSET 0
) m
CROSS JOIN LATERAL (
	SELECT
		-- the price as delivered, when it explains the cost
		CASE
			WHEN a.focus AND f.list_unit_price IS NOT NULL THEN f.list_unit_price
			WHEN m.quantity IS NULL OR (a.focus AND NOT a.priced) THEN NULL
			WHEN m.quantity OPERATOR(pg_catalog.=) 0 THEN pg_catalog.abs(COALESCE(f.list_unit_price, 0))
			WHEN f.list_unit_price OPERATOR(pg_catalog.*) m.quantity OPERATOR(pg_catalog.=) m.list_cost THEN f.list_unit_price
			ELSE m.list_cost OPERATOR(pg_catalog./) m.quantity
		END AS list_price,
		CASE
			WHEN a.focus AND f.contracted_unit_price IS NOT NULL THEN f.contracted_unit_price
			WHEN m.quantity IS NULL OR (a.focus AND NOT a.priced) THEN NULL
			WHEN m.quantity OPERATOR(pg_catalog.=) 0 THEN pg_catalog.abs(COALESCE(f.contracted_unit_price, 0))
			WHEN f.contracted_unit_price OPERATOR(pg_catalog.*) m.quantity OPERATOR(pg_catalog.=) m.contracted_cost THEN f.contracted_unit_price
			ELSE m.contracted_cost OPERATOR(pg_catalog./) m.quantity
		END AS contracted_price
	OFFSET 0
) p
CROSS JOIN LATERAL (
	SELECT
		CASE
			WHEN a.focus AND f.consumed_quantity IS NOT NULL THEN f.consumed_quantity
			WHEN a.category OPERATOR(pg_catalog.<>) 'Usage' OR a.status OPERATOR(pg_catalog.=) 'Unused' THEN NULL
			WHEN a.focus AND f.charge_class OPERATOR(pg_catalog.=) 'Correction' THEN NULL
			WHEN part.n OPERATOR(pg_catalog.=) 2 THEN 0
			ELSE COALESCE(f.consumed_quantity, f.line_item_usage_amount, m.quantity)
		END AS consumed,
		-- the quantity must not be null
		COALESCE(a.commitment IS NOT NULL AND a.priced AND f.charge_class IS DISTINCT FROM 'Correction', false) AS commits,
		CASE
			WHEN part.n OPERATOR(pg_catalog.=) 1 AND f.commitment_discount_quantity IS NOT NULL THEN f.commitment_discount_quantity
			WHEN a.commitment_category OPERATOR(pg_catalog.=) 'Spend' AND a.category OPERATOR(pg_catalog.=) 'Usage' THEN a.effective_cost
			WHEN a.commitment_category OPERATOR(pg_catalog.=) 'Spend' THEN a.billed_cost
			WHEN part.n OPERATOR(pg_catalog.=) 1 THEN m.quantity
			-- of a reservation's fee: the part of its hours that its cost says is unused
			WHEN f.billed_cost OPERATOR(pg_catalog.+) COALESCE(f.amortised_upfront_fee, 0) OPERATOR(pg_catalog.>) 0
			THEN pg_catalog.round(COALESCE(f.line_item_usage_amount, 0) OPERATOR(pg_catalog.*) LEAST(1, f.effective_cost
				OPERATOR(pg_catalog./) (f.billed_cost OPERATOR(pg_catalog.+) COALESCE(f.amortised_upfront_fee, 0))), 9)
			ELSE COALESCE(f.line_item_usage_amount, 0)
		END AS commitment_quantity
	OFFSET 0
) u
CROSS JOIN LATERAL (
	SELECT
		CASE
			WHEN a.focus THEN COALESCE(f.service_category, c.service_category, 'Other')
			ELSE COALESCE(c.service_category, f.service_category, 'Other')
		END AS category,
		CASE
			WHEN a.focus AND f.service_subcategory IS NOT NULL THEN f.service_subcategory
			WHEN c.service_category OPERATOR(pg_catalog.=) f.service_category OR f.service_category IS NULL OR NOT a.focus
			THEN COALESCE(c.service_subcategory, f.service_subcategory, 'Other (' OPERATOR(pg_catalog.||) COALESCE(f.service_category, 'Other') OPERATOR(pg_catalog.||) ')')
			ELSE 'Other (' OPERATOR(pg_catalog.||) f.service_category OPERATOR(pg_catalog.||) ')'
		END AS subcategory
) s
-- a price belongs to one SKU: its id names the SKU, or gets the SKU before it
CROSS JOIN LATERAL (
	SELECT
		CASE WHEN a.focus AND f.sku_id IS NOT NULL THEN f.sku_id WHEN a.priced THEN k0.sku END AS sku,
		CASE
			WHEN a.focus AND f.sku_price_id IS NOT NULL THEN f.sku_price_id
			WHEN NOT a.priced THEN NULL
			WHEN f.sku_price_id IS NULL THEN k0.sku
			WHEN pg_catalog.starts_with(f.sku_price_id, k0.sku OPERATOR(pg_catalog.||) '.') THEN f.sku_price_id
			ELSE k0.sku OPERATOR(pg_catalog.||) '.' OPERATOR(pg_catalog.||) f.sku_price_id
		END AS sku_price
	FROM (
		SELECT COALESCE(f.sku_id,
			CASE WHEN NOT a.focus AND f.line_item_usage_type IS NOT NULL
				THEN pg_catalog.concat_ws(':', f.line_item_product_code, f.line_item_usage_type, f.line_item_operation) END,
			f.line_item_usage_type, f.service) AS sku
	) k0
	OFFSET 0
) k
WHERE f.line_item_line_item_type IS DISTINCT FROM 'SavingsPlanNegation'
UNION ALL
-- what covered usage and its negation leave
SELECT
	NULL::pg_catalog.int8, g.period, g.source, g.delivery_id, g.provider, 'ComputeSavingsPlans', NULL, 'Adjustment', 3, NULL, g.rest, g.account,
	g.account, 'Management Account', g.currency, pg_catalog.timezone('UTC', g.period::pg_catalog.timestamp OPERATOR(pg_catalog.+) interval '1 month'),
	pg_catalog.timezone('UTC', g.period::pg_catalog.timestamp), NULL, NULL, 'Adjustment', NULL, 'Savings plan covered usage less its negation',
	'One-Time', pg_catalog.timezone('UTC', g.period::pg_catalog.timestamp OPERATOR(pg_catalog.+) interval '1 month'),
	pg_catalog.timezone('UTC', g.period::pg_catalog.timestamp), 'Spend', g.commitment, NULL, NULL::pg_catalog.numeric, NULL, 'Savings Plan', NULL,
	NULL::pg_catalog.numeric, NULL, g.rest, NULL::pg_catalog.numeric, 0, g.invoice, g.issuer, g.rest, NULL::pg_catalog.numeric, NULL, g.currency,
	NULL::pg_catalog.numeric, 0, NULL::pg_catalog.numeric, NULL::pg_catalog.numeric, NULL, g.provider, g.issuer, NULL, NULL, NULL, NULL, NULL, 'Other',
	'Savings Plans', 'Other (Other)', NULL, NULL, NULL::pg_catalog.jsonb, NULL, g.sub_account, g.sub_account,
	CASE WHEN g.sub_account IS NOT NULL THEN 'Account' END, NULL::pg_catalog.jsonb, NULL::pg_catalog.jsonb, NULL, NULL, NULL, NULL::pg_catalog.jsonb,
	NULL::pg_catalog.jsonb, g.provider, NULL, g.provider
FROM (
	SELECT f.bill_billing_period_start_date AS period, f.source, f.delivery_id, f.provider,
		COALESCE(f.bill_payer_account_id, f.line_item_usage_account_id, f.source) AS account, f.line_item_usage_account_id AS sub_account,
		f.line_item_currency_code AS currency, f.commitment_discount_id AS commitment, f.bill_invoice_id AS invoice,
		COALESCE(f.line_item_legal_entity, f.provider) AS issuer, pg_catalog.sum(f.billed_cost) AS rest
	FROM @extschema@.fact_cost_raw f
	WHERE f.line_item_line_item_type OPERATOR(pg_catalog.=) ANY (ARRAY['SavingsPlanCoveredUsage', 'SavingsPlanNegation'])
	GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
	HAVING pg_catalog.sum(f.billed_cost) OPERATOR(pg_catalog.<>) 0
) g;
COMMENT ON VIEW finops.focus_line IS 'all facts as lines with the columns of FOCUS, of every version; the sums of BilledCost and EffectiveCost are those of the facts';
COMMENT ON COLUMN finops.focus_line.row_id IS 'the fact; NULL where covered usage and its negation leave a difference';
COMMENT ON COLUMN finops.focus_line.fact_charge_category IS 'of the fact: a purchase has a second line of category Usage for its effective cost';
COMMENT ON COLUMN finops.focus_line.part IS '1: the fact, 2: its effective cost, 3: the difference of a savings plan';

CREATE VIEW finops.focus_cost_and_usage AS
SELECT
	l."AvailabilityZone", l."BilledCost", l."BillingAccountId", l."BillingAccountName", l."BillingAccountType", l."BillingCurrency",
	l."BillingPeriodEnd", l."BillingPeriodStart", l."CapacityReservationId", l."CapacityReservationStatus", l."ChargeCategory", l."ChargeClass",
	l."ChargeDescription", l."ChargeFrequency", l."ChargePeriodEnd", l."ChargePeriodStart", l."CommitmentDiscountCategory", l."CommitmentDiscountId",
	l."CommitmentDiscountName", l."CommitmentDiscountQuantity", l."CommitmentDiscountStatus", l."CommitmentDiscountType", l."CommitmentDiscountUnit",
	l."ConsumedQuantity", l."ConsumedUnit", l."ContractedCost", l."ContractedUnitPrice", l."EffectiveCost", l."InvoiceId", l."InvoiceIssuerName",
	l."ListCost", l."ListUnitPrice", l."PricingCategory", l."PricingCurrency", l."PricingCurrencyContractedUnitPrice", l."PricingCurrencyEffectiveCost",
	l."PricingCurrencyListUnitPrice", l."PricingQuantity", l."PricingUnit", l."ProviderName", l."PublisherName", l."RegionId", l."RegionName",
	l."ResourceId", l."ResourceName", l."ResourceType", l."ServiceCategory", l."ServiceName", l."ServiceSubcategory", l."SkuId", l."SkuMeter",
	l."SkuPriceDetails", l."SkuPriceId", l."SubAccountId", l."SubAccountName", l."SubAccountType", l."Tags"
FROM finops.focus_line l;
COMMENT ON VIEW finops.focus_cost_and_usage IS 'all facts as the 57 columns of FOCUS 1.2 Cost and Usage; the sums of BilledCost and EffectiveCost are those of the facts';
COMMENT ON COLUMN finops.focus_cost_and_usage."ChargePeriodEnd" IS 'excluded from the charge period';
COMMENT ON COLUMN finops.focus_cost_and_usage."ListCost" IS 'cost at public prices of usage; what is billed of everything else and where the bill does not say';
COMMENT ON COLUMN finops.focus_cost_and_usage."ListUnitPrice" IS 'as delivered when it times PricingQuantity is ListCost, else their quotient; the product may differ from ListCost behind the sixteenth digit';
COMMENT ON COLUMN finops.focus_cost_and_usage."SkuId" IS 'of a report without SKUs: product code, usage type and operation';

REVOKE ALL ON finops.focus_line, finops.focus_cost_and_usage FROM PUBLIC;

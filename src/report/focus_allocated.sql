-- room report: FOCUS 1.3 and 1.4, with the allocation, and the datasets beside cost and usage

CREATE FUNCTION finops.focus_part(amount numeric, low numeric, high numeric) RETURNS numeric
AS 'MODULE_PATHNAME', 'finops_focus_part'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION finops.focus_part(numeric, numeric, numeric) IS 'the part of an amount between two points of 0..1, to 12 digits more than it has; parts that meet add up to the amount';

-- Lines without a tenant are split as the allocation has split the cost of
-- their provider, service, charge category and currency.
CREATE VIEW finops.focus_share AS
SELECT
	p.period_start, p.provider, p.service, p.charge_category, p.currency, p.tenant_id, p.low, p.high,
	p.high OPERATOR(pg_catalog.-) p.low AS ratio, p.method_id,
	COALESCE(p.tenant_id, p.kind) AS resource_id,
	COALESCE(t.tenant_name, p.tenant_id, p.kind) AS resource_name,
	CASE WHEN p.tenant_id IS NOT NULL THEN pg_catalog.jsonb_build_object('tenant_id', p.tenant_id) END AS tags,
	pg_catalog.jsonb_build_object('Elements', pg_catalog.jsonb_build_array(pg_catalog.jsonb_build_object('AllocatedRatio', p.high OPERATOR(pg_catalog.-) p.low))) AS method_details
FROM (
	SELECT
		e.*,
		pg_catalog.round(pg_catalog.sum(e.amount) OVER o OPERATOR(pg_catalog./) pg_catalog.sum(e.amount) OVER b, 18) AS high,
		pg_catalog.round((pg_catalog.sum(e.amount) OVER o OPERATOR(pg_catalog.-) e.amount) OPERATOR(pg_catalog./) pg_catalog.sum(e.amount) OVER b, 18) AS low,
		-- a part against the sign of the whole is no ratio
		pg_catalog.min(pg_catalog.sign(e.amount) OPERATOR(pg_catalog.*) pg_catalog.sign(e.total)) OVER b OPERATOR(pg_catalog.>=) 0 AS ratios
	FROM (
		SELECT g.*, pg_catalog.sum(g.amount) OVER (PARTITION BY g.period_start, g.provider, g.service, g.charge_category, g.currency) AS total
		FROM (
			SELECT
				a.period_start, pg_catalog.replace(pg_catalog.replace(pg_catalog.split_part(a.origin, '|', 1), '%7C', '|'), '%25', '%') AS provider, a.service, pg_catalog.split_part(a.origin, '|', 3) AS charge_category, a.currency,
				a.tenant_id, CASE WHEN a.tenant_id IS NULL THEN a.kind END AS kind, pg_catalog.sum(a.allocated_cost_usd) AS amount,
				pg_catalog.string_agg(DISTINCT pg_catalog.concat_ws(' v', a.rule_id, a.rule_version), ', ' ORDER BY pg_catalog.concat_ws(' v', a.rule_id, a.rule_version)) AS method_id
			FROM @extschema@.fact_cost_allocated a
			WHERE a.kind OPERATOR(pg_catalog.=) ANY (ARRAY['shared', 'overhead', 'unallocated'])
			GROUP BY 1, 2, 3, 4, 5, 6, 7
			HAVING pg_catalog.sum(a.allocated_cost_usd) OPERATOR(pg_catalog.<>) 0
		) g
	) e
	WHERE e.total OPERATOR(pg_catalog.<>) 0
	WINDOW
		b AS (PARTITION BY e.period_start, e.provider, e.service, e.charge_category, e.currency),
		o AS (PARTITION BY e.period_start, e.provider, e.service, e.charge_category, e.currency ORDER BY e.tenant_id, e.kind)
) p
LEFT JOIN @extschema@.tenant_master t ON t.tenant_id OPERATOR(pg_catalog.=) p.tenant_id
WHERE p.ratios AND p.high OPERATOR(pg_catalog.>) p.low AND NOT (p.low OPERATOR(pg_catalog.=) 0 AND p.high OPERATOR(pg_catalog.=) 1 AND p.tenant_id IS NULL);
COMMENT ON VIEW finops.focus_share IS 'how the allocation splits cost without a tenant: the ratios of one provider, service, charge category and currency add up to 1';
COMMENT ON COLUMN finops.focus_share.low IS 'where the part begins in 0..1; high: where it ends';

CREATE VIEW finops.focus_line_allocated AS
SELECT
	l.billing_period, l.row_id, l.part, s.tenant_id, l."AvailabilityZone",
	CASE WHEN s.high IS NULL THEN l."BilledCost" ELSE finops.focus_part(l."BilledCost", s.low, s.high) END AS "BilledCost", l."BillingAccountId",
	l."BillingAccountName", l."BillingAccountType", l."BillingCurrency", l."BillingPeriodEnd", l."BillingPeriodStart", l."CapacityReservationId",
	l."CapacityReservationStatus", l."ChargeCategory", l."ChargeClass", l."ChargeDescription", l."ChargeFrequency", l."ChargePeriodEnd",
	l."ChargePeriodStart", l."CommitmentDiscountCategory", l."CommitmentDiscountId", l."CommitmentDiscountName",
	CASE WHEN s.high IS NULL THEN l."CommitmentDiscountQuantity" ELSE finops.focus_part(l."CommitmentDiscountQuantity", s.low, s.high) END AS "CommitmentDiscountQuantity",
	l."CommitmentDiscountStatus", l."CommitmentDiscountType", l."CommitmentDiscountUnit",
	CASE WHEN s.high IS NULL THEN l."ConsumedQuantity" ELSE finops.focus_part(l."ConsumedQuantity", s.low, s.high) END AS "ConsumedQuantity",
	l."ConsumedUnit", CASE WHEN s.high IS NULL THEN l."ContractedCost" ELSE finops.focus_part(l."ContractedCost", s.low, s.high) END AS "ContractedCost",
	l."ContractedUnitPrice",
	CASE WHEN s.high IS NULL THEN l."EffectiveCost" ELSE finops.focus_part(l."EffectiveCost", s.low, s.high) END AS "EffectiveCost", l."InvoiceId",
	l."InvoiceIssuerName", CASE WHEN s.high IS NULL THEN l."ListCost" ELSE finops.focus_part(l."ListCost", s.low, s.high) END AS "ListCost",
	l."ListUnitPrice", l."PricingCategory", l."PricingCurrency", l."PricingCurrencyContractedUnitPrice",
	CASE WHEN s.high IS NULL THEN l."PricingCurrencyEffectiveCost" ELSE finops.focus_part(l."PricingCurrencyEffectiveCost", s.low, s.high) END AS "PricingCurrencyEffectiveCost",
	l."PricingCurrencyListUnitPrice",
	CASE WHEN s.high IS NULL THEN l."PricingQuantity" ELSE finops.focus_part(l."PricingQuantity", s.low, s.high) END AS "PricingQuantity",
	l."PricingUnit", l."ProviderName", l."PublisherName", l."RegionId", l."RegionName", l."ResourceId", l."ResourceName", l."ResourceType",
	l."ServiceCategory", l."ServiceName", l."ServiceSubcategory", l."SkuId", l."SkuMeter", l."SkuPriceDetails", l."SkuPriceId", l."SubAccountId",
	l."SubAccountName", l."SubAccountType", l."Tags", COALESCE(l."AllocatedMethodDetails", s.method_details) AS "AllocatedMethodDetails",
	COALESCE(l."AllocatedMethodId", s.method_id) AS "AllocatedMethodId", COALESCE(l."AllocatedResourceId", s.resource_id) AS "AllocatedResourceId",
	COALESCE(l."AllocatedResourceName", s.resource_name) AS "AllocatedResourceName", COALESCE(l."AllocatedTags", s.tags) AS "AllocatedTags",
	l."ContractApplied", l."HostProviderName", l."InvoiceDetailId", l."ServiceProviderName"
FROM finops.focus_line l
LEFT JOIN finops.focus_share s ON l.tenant_id IS NULL AND l."AllocatedMethodId" IS NULL
	AND s.period_start OPERATOR(pg_catalog.=) l.billing_period AND s.provider OPERATOR(pg_catalog.=) l.provider AND s.service OPERATOR(pg_catalog.=) l.service
	AND s.charge_category OPERATOR(pg_catalog.=) l.fact_charge_category AND s.currency OPERATOR(pg_catalog.=) l."BillingCurrency";
COMMENT ON VIEW finops.focus_line_allocated IS 'the lines of finops.focus_line, those without a tenant split over tenants as the allocation has split them; costs and quantities of the parts add up to those of the line';

CREATE VIEW finops.focus_1_3_cost_and_usage AS
SELECT
	l."AllocatedMethodDetails", l."AllocatedMethodId", l."AllocatedResourceId", l."AllocatedResourceName", l."AllocatedTags", l."AvailabilityZone",
	l."BilledCost", l."BillingAccountId", l."BillingAccountName", l."BillingAccountType", l."BillingCurrency", l."BillingPeriodEnd",
	l."BillingPeriodStart", l."CapacityReservationId", l."CapacityReservationStatus", l."ChargeCategory", l."ChargeClass", l."ChargeDescription",
	l."ChargeFrequency", l."ChargePeriodEnd", l."ChargePeriodStart", l."CommitmentDiscountCategory", l."CommitmentDiscountId",
	l."CommitmentDiscountName", l."CommitmentDiscountQuantity", l."CommitmentDiscountStatus", l."CommitmentDiscountType", l."CommitmentDiscountUnit",
	l."ConsumedQuantity", l."ConsumedUnit", l."ContractApplied", l."ContractedCost", l."ContractedUnitPrice", l."EffectiveCost", l."HostProviderName",
	l."InvoiceId", l."InvoiceIssuerName", l."ListCost", l."ListUnitPrice", l."PricingCategory", l."PricingCurrency",
	l."PricingCurrencyContractedUnitPrice", l."PricingCurrencyEffectiveCost", l."PricingCurrencyListUnitPrice", l."PricingQuantity", l."PricingUnit",
	l."ProviderName", l."PublisherName", l."RegionId", l."RegionName", l."ResourceId", l."ResourceName", l."ResourceType", l."ServiceCategory",
	l."ServiceName", l."ServiceProviderName", l."ServiceSubcategory", l."SkuId", l."SkuMeter", l."SkuPriceDetails", l."SkuPriceId", l."SubAccountId",
	l."SubAccountName", l."SubAccountType", l."Tags"
FROM finops.focus_line_allocated l;
COMMENT ON VIEW finops.focus_1_3_cost_and_usage IS 'all facts as the 65 columns of FOCUS 1.3 Cost and Usage, shared cost split by the allocation';

CREATE VIEW finops.focus_1_4_cost_and_usage AS
SELECT
	l."AllocatedMethodDetails", l."AllocatedMethodId", l."AllocatedResourceId", l."AllocatedResourceName", l."AllocatedTags", l."AvailabilityZone",
	l."BilledCost", l."BillingAccountId", l."BillingAccountName", l."BillingAccountType", l."BillingCurrency", l."BillingPeriodEnd",
	l."BillingPeriodStart", l."CapacityReservationId", l."CapacityReservationStatus", l."ChargeCategory", l."ChargeClass", l."ChargeDescription",
	l."ChargeFrequency", l."ChargePeriodEnd", l."ChargePeriodStart", l."CommitmentDiscountCategory", l."CommitmentDiscountId",
	l."CommitmentDiscountName", l."CommitmentDiscountQuantity", l."CommitmentDiscountStatus", l."CommitmentDiscountType", l."CommitmentDiscountUnit",
	NULL::pg_catalog.jsonb AS "CommitmentProgramEligibilityDetails", l."ConsumedQuantity", l."ConsumedUnit", l."ContractApplied", l."ContractedCost",
	l."ContractedUnitPrice", l."EffectiveCost", l."HostProviderName", l."InvoiceDetailId", l."InvoiceId", l."InvoiceIssuerName", l."ListCost",
	l."ListUnitPrice", l."PricingCategory", l."PricingCurrency", l."PricingCurrencyContractedUnitPrice", l."PricingCurrencyEffectiveCost",
	l."PricingCurrencyListUnitPrice", l."PricingQuantity", l."PricingUnit", l."ProviderName", l."PublisherName", l."RegionId", l."RegionName",
	l."ResourceId", l."ResourceName", l."ResourceType", l."ServiceCategory", l."ServiceName", l."ServiceProviderName", l."ServiceSubcategory", l."SkuId",
	l."SkuMeter", l."SkuPriceDetails", l."SkuPriceId", l."SubAccountId", l."SubAccountName", l."SubAccountType", l."Tags"
FROM finops.focus_line_allocated l;
COMMENT ON VIEW finops.focus_1_4_cost_and_usage IS 'all facts as the 67 columns of FOCUS 1.4 Cost and Usage, shared cost split by the allocation';
COMMENT ON COLUMN finops.focus_1_4_cost_and_usage."CommitmentProgramEligibilityDetails" IS 'NULL: no bill says which programs a charge could have used';

REVOKE ALL ON finops.focus_share, finops.focus_line_allocated, finops.focus_1_3_cost_and_usage, finops.focus_1_4_cost_and_usage FROM PUBLIC;

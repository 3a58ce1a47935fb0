-- room report: what FOCUS asks for

CREATE TABLE finops.focus_rule (
	dataset text NOT NULL,
	since text NOT NULL,
	until text,
	entity text NOT NULL,
	class text NOT NULL,
	number integer NOT NULL,
	suffix text NOT NULL,
	requirement text NOT NULL,
	kind text NOT NULL,
	parameter text,
	condition text,
	CONSTRAINT focus_rule_pkey PRIMARY KEY (dataset, entity, class, number, since)
);
COMMENT ON TABLE finops.focus_rule IS 'the rules of FOCUS 1.2, 1.3 and 1.4 as finops.validate_focus checks them';
COMMENT ON COLUMN finops.focus_rule.since IS 'first version of the rule';
COMMENT ON COLUMN finops.focus_rule.until IS 'last version of the rule; NULL: the rule is in force';
COMMENT ON COLUMN finops.focus_rule.entity IS 'the column, dataset or attribute whose rule it is';
COMMENT ON COLUMN finops.focus_rule.class IS 'C: of a column, D: of the dataset, A: of an attribute';
COMMENT ON COLUMN finops.focus_rule.suffix IS 'end of the rule id: M mandatory, C conditional, O optional';
COMMENT ON COLUMN finops.focus_rule.kind IS 'the check; dynamic: it needs knowledge that is not in the data, composite: its parts are rules of their own, optional: nothing is required, defective: the published rule contradicts the specification';
COMMENT ON COLUMN finops.focus_rule.condition IS 'rows that the rule is about: terms joined by & and or, where X- is X IS NULL, X! is X IS NOT NULL, and <> also holds for NULL';

CREATE TABLE finops.focus_subcategory (
	service_category text NOT NULL,
	service_subcategory text NOT NULL,
	CONSTRAINT focus_subcategory_pkey PRIMARY KEY (service_category, service_subcategory)
);
COMMENT ON TABLE finops.focus_subcategory IS 'the service subcategories of FOCUS and their categories';

INSERT INTO finops.focus_subcategory (service_category, service_subcategory)
SELECT pg_catalog.split_part(c.line, ':', 1), s.name
FROM pg_catalog.regexp_split_to_table($list$AI and Machine Learning: AI Platforms, Bots, Generative AI, Machine Learning, Natural Language Processing;
Analytics: Analytics Platforms, Business Intelligence, Data Processing, Search, Streaming Analytics;
Business Applications: Productivity and Collaboration;
Compute: Containers, End User Computing, Quantum Compute, Serverless Compute, Virtual Machines;
Databases: Caching, Data Warehouses, Ledger Databases, NoSQL Databases, Relational Databases, Time Series Databases;
Developer Tools: Developer Platforms, Continuous Integration and Deployment, Development Environments, Source Code Management, Quality Assurance;
Identity: Identity and Access Management;
Integration: API Management, Messaging, Workflow Orchestration;
Internet of Things: IoT Analytics, IoT Platforms;
Management and Governance: Architecture, Compliance, Cost Management, Data Governance, Disaster Recovery, Endpoint Management, Observability, Support;
Media: Content Creation, Gaming, Media Streaming, Mixed Reality;
Migration: Data Migration, Resource Migration;
Mobile:;
Multicloud: Multicloud Integration;
Networking: Application Networking, Content Delivery, Network Connectivity, Network Infrastructure, Network Routing, Network Security;
Security: Secret Management, Security Posture Management, Threat Detection and Response;
Storage: Backup Storage, Block Storage, File Storage, Object Storage, Storage Platforms;
Web: Application Platforms;
Other:$list$, E';\\s*') c(line)
CROSS JOIN LATERAL (
	SELECT pg_catalog.regexp_split_to_table(pg_catalog.btrim(pg_catalog.split_part(c.line, ':', 2)), ', ') AS name
	UNION ALL SELECT 'Other (' OPERATOR(pg_catalog.||) pg_catalog.split_part(c.line, ':', 1) OPERATOR(pg_catalog.||) ')'
) s
WHERE s.name OPERATOR(pg_catalog.<>) '';

-- Each line: dataset, first and last version, class, entity, then its rules:
-- number or numbers, suffix (M where nothing is said), ~ for SHOULD, the check
-- and what it takes, after ? the condition.
INSERT INTO finops.focus_rule (dataset, since, until, entity, class, number, suffix, requirement, kind, parameter, condition)
SELECT l.dataset, l.since, l.until, l.entity, l.class, n.number, COALESCE(NULLIF(r.part[3], ''), 'M'),
	CASE WHEN k.kind OPERATOR(pg_catalog.=) 'optional' THEN 'MAY'
		WHEN r.part[4] OPERATOR(pg_catalog.=) '' THEN 'MUST'
		WHEN k.kind OPERATOR(pg_catalog.=) 'present' THEN 'RECOMMENDED' ELSE 'SHOULD' END,
	k.kind, NULLIF(pg_catalog.btrim(r.part[6]), ''), pg_catalog.btrim(r.part[7])
FROM (VALUES
	('CostAndUsage', '1.2', NULL, 'D', 'CostAndUsage', '0 comp; 1-2 dyn; 46C comp; 50C comp; 54C comp; 48C ~present PricingCurrencyContractedUnitPrice; 52C ~present PricingCurrencyEffectiveCost; 56C ~present PricingCurrencyListUnitPrice; 49C may; 53C may; 57C may; 3C ~present AvailabilityZone; 4C present ListUnitPrice; 5M present BillingAccountName; 6M present BilledCost; 7C present BillingAccountType; 8M present ChargeCategory; 9M present BillingPeriodStart; 10M present BillingPeriodEnd; 11C present ConsumedQuantity; 12C present CommitmentDiscountName; 13C present CommitmentDiscountId; 14C present CommitmentDiscountType; 15C present CommitmentDiscountUnit; 16C present CommitmentDiscountCategory; 17C present CommitmentDiscountStatus; 18C present CommitmentDiscountQuantity; 19C present SubAccountId; 20C present CapacityReservationStatus; 21M present PublisherName; 22C present PricingCategory; 23M present InvoiceIssuerName; 24M present BillingAccountId; 25M present ChargeDescription; 26M present ChargeClass; 27O ~present ChargeFrequency; 28M present ChargePeriodEnd; 29C present SubAccountName; 30M present ContractedCost; 31M present EffectiveCost; 32M present ListCost; 33O ~present InvoiceId; 34C present ContractedUnitPrice; 35M present BillingCurrency; 36M present PricingQuantity; 37M present ChargePeriodStart; 38M present ProviderName; 39C present ResourceType; 40M present ServiceCategory; 41M present ServiceName; 42O ~present ServiceSubcategory; 43C present ResourceId; 44C present ResourceName; 45C present PricingCurrency; 47C present PricingCurrencyContractedUnitPrice; 51C present PricingCurrencyEffectiveCost; 55C present PricingCurrencyListUnitPrice; 58C present SkuPriceId; 59C present SkuMeter; 60C present SkuId; 61C present SkuPriceDetails; 62C present RegionName; 63C present RegionId; 64C present Tags; 65C present CapacityReservationId; 66C present ConsumedUnit; 67C present SubAccountType; 68M present PricingUnit'),
	('CostAndUsage', '1.2', NULL, 'C', 'AvailabilityZone', '0C comp; 1 str; 2 txt; 3C dyn'),
	('CostAndUsage', '1.2', NULL, 'C', 'BilledCost', '0 comp; 1 dec; 2 num; 3 nn; 4 num; 5C def; 6-7 dyn'),
	('CostAndUsage', '1.2', NULL, 'C', 'BillingAccountId', '0 comp; 1 nn; 2 str; 3 txt; 4 dyn; 5O dyn'),
	('CostAndUsage', '1.2', NULL, 'C', 'BillingAccountName', '0 comp; 1 str; 2 txt; 3C nn'),
	('CostAndUsage', '1.2', NULL, 'C', 'BillingAccountType', '0C comp; 1 str; 2 txt; 3C comp; 4C nu ? BillingAccountId-; 5C nn ? BillingAccountId!; 6 dyn'),
	('CostAndUsage', '1.2', NULL, 'C', 'BillingCurrency', '0 comp; 1 str; 2 txt; 3 cur; 4 nn; 5 dyn; 6 nat'),
	('CostAndUsage', '1.2', NULL, 'C', 'BillingPeriodEnd', '0 comp; 1 dt; 2 ts; 3 nn; 4 dyn'),
	('CostAndUsage', '1.2', NULL, 'C', 'BillingPeriodStart', '0 comp; 1 dt; 2 ts; 3 nn; 4 dyn'),
	('CostAndUsage', '1.2', NULL, 'C', 'CapacityReservationId', '0C comp; 1 str; 2 txt; 3C comp; 4C dyn; 5C nn ? CapacityReservationStatus=Unused; 6C dyn; 7C comp; 8 dyn; 9O dyn'),
	('CostAndUsage', '1.2', NULL, 'C', 'CapacityReservationStatus', '0C comp; 1 str; 2C comp; 3C nu ? CapacityReservationId-; 4C nn ? CapacityReservationId! & ChargeCategory=Usage; 5C comp; 6 in Used|Unused; 7C dyn; 8C dyn'),
	('CostAndUsage', '1.2', NULL, 'C', 'ChargeCategory', '0 comp; 1 str; 2 nn; 3 in Usage|Purchase|Tax|Credit|Adjustment'),
	('CostAndUsage', '1.2', NULL, 'C', 'ChargeClass', '0 comp; 1 str; 2C comp; 3-4C dyn; 5C in Correction'),
	('CostAndUsage', '1.2', NULL, 'C', 'ChargeDescription', '0 comp; 1 str; 2 txt; 3O ~nn; 4O dyn'),
	('CostAndUsage', '1.2', NULL, 'C', 'ChargeFrequency', '0O comp; 1 str; 2 nn; 3 in One-Time|Recurring|Usage-Based; 4C ne Usage-Based ? ChargeCategory=Purchase'),
	('CostAndUsage', '1.2', NULL, 'C', 'ChargePeriodEnd', '0 comp; 1 dt; 2 ts; 3 nn; 4 dyn'),
	('CostAndUsage', '1.2', NULL, 'C', 'ChargePeriodStart', '0 comp; 1 dt; 2 ts; 3 nn; 4 dyn'),
	('CostAndUsage', '1.2', NULL, 'C', 'CommitmentDiscountCategory', '0C comp; 1 str; 2C comp; 3C nu ? CommitmentDiscountId-; 4C nn ? CommitmentDiscountId!; 5 in Spend|Usage'),
	('CostAndUsage', '1.2', NULL, 'C', 'CommitmentDiscountId', '0C comp; 1 str; 2 txt; 3C comp; 4-5C dyn; 6C comp; 7 dyn; 8C dyn'),
	('CostAndUsage', '1.2', NULL, 'C', 'CommitmentDiscountName', '0C comp; 1 str; 2 txt; 3C comp; 4C nu ? CommitmentDiscountId-; 5C comp; 6-7C dyn'),
	('CostAndUsage', '1.2', NULL, 'C', 'CommitmentDiscountQuantity', '0C comp; 1 dec; 2 num; 3-4C comp; 5C nn ? CommitmentDiscountId! & ChargeCategory=Usage|Purchase & ChargeClass<>Correction; 6C may; 7C nu ? ChargeCategory=Tax|Credit|Adjustment or CommitmentDiscountId- or ChargeClass=Correction; 8C comp; 9 dyn; 10C comp; 11-12C dyn; 13C comp; 14-15C dyn'),
	('CostAndUsage', '1.2', NULL, 'C', 'CommitmentDiscountStatus', '0C comp; 1 str; 2C comp; 3-4C def; 5 def'),
	('CostAndUsage', '1.2', NULL, 'C', 'CommitmentDiscountType', '0C comp; 1 str; 2 txt; 3C comp; 4C nu ? CommitmentDiscountId-; 5C nn ? CommitmentDiscountId!'),
	('CostAndUsage', '1.2', NULL, 'C', 'CommitmentDiscountUnit', '0C comp; 1 str; 2 txt; 3 ~unit; 4C comp; 5C nu ? CommitmentDiscountQuantity-; 6C nn ? CommitmentDiscountQuantity!; 7C comp; 8-9 dyn; 10C dyn'),
	('CostAndUsage', '1.2', NULL, 'C', 'ConsumedQuantity', '0C comp; 1 dec; 2 num; 3C comp; 4C nu ? ChargeCategory<>Usage or CommitmentDiscountStatus=Unused; 5C comp; 6C nn ? ChargeCategory=Usage & CommitmentDiscountStatus<>Unused & ChargeClass<>Correction; 7C may; 8C dyn'),
	('CostAndUsage', '1.2', NULL, 'C', 'ConsumedUnit', '0C comp; 1 str; 2 txt; 3O ~unit; 4C comp; 5C nu ? ConsumedQuantity-; 6C nn ? ConsumedQuantity!'),
	('CostAndUsage', '1.2', NULL, 'C', 'ContractedCost', '0 comp; 1 dec; 2 num; 3 nn; 4 num; 5 dyn; 6C comp; 7-10C dyn'),
	('CostAndUsage', '1.2', NULL, 'C', 'ContractedUnitPrice', '0C comp; 1 comp; 2 dec; 3 num; 4 comp; 5C nu ? ChargeCategory=Tax; 6C nn ? ChargeCategory=Usage|Purchase & ChargeClass<>Correction; 7O dyn; 8C comp; 9C ge 0; 10C dyn; 11C product ContractedUnitPrice*PricingQuantity=ContractedCost ? ChargeClass<>Correction; 12C dyn'),
	('CostAndUsage', '1.2', NULL, 'C', 'EffectiveCost', '0 comp; 1 dec; 2 num; 3 nn; 4 num; 5C eq 0 ? ChargeCategory=Purchase; 6 dyn; 7O dyn; 8C comp; 9-10C dyn; 11C comp; 12-13C dyn'),
	('CostAndUsage', '1.2', NULL, 'C', 'InvoiceId', '0O comp; 1 str; 2 txt; 3C comp; 4-5C def; 6O dyn; 7C dyn'),
	('CostAndUsage', '1.2', NULL, 'C', 'InvoiceIssuerName', '0 comp; 1 str; 2 txt; 3 nn'),
	('CostAndUsage', '1.2', NULL, 'C', 'ProviderName', '0 comp; 1 str; 2 txt; 3 nn'),
	('CostAndUsage', '1.2', NULL, 'C', 'PublisherName', '0 comp; 1 str; 2 txt; 3 nn'),
	('CostAndUsage', '1.2', NULL, 'C', 'ListCost', '0 comp; 1 dec; 2 num; 3 nn; 4 num; 5 dyn; 6C comp; 7-8C dyn; 9C product ListUnitPrice*PricingQuantity=ListCost ? ChargeClass<>Correction; 10C dyn'),
	('CostAndUsage', '1.2', NULL, 'C', 'ListUnitPrice', '0C comp; 1 dec; 2 num; 3 comp; 4C nu ? ChargeCategory=Tax; 5C nn ? ChargeCategory=Usage|Purchase & ChargeClass<>Correction; 6O may; 7C comp; 8 ge 0; 9 dyn; 10C product ListUnitPrice*PricingQuantity=ListCost ? ChargeClass<>Correction; 11C dyn'),
	('CostAndUsage', '1.2', NULL, 'C', 'PricingCategory', '0 comp; 1 str; 2 comp; 3C nu ? ChargeCategory=Tax; 4C nn ? ChargeCategory=Usage|Purchase & ChargeClass<>Correction; 5O dyn; 6C comp; 7 in Standard|Committed|Dynamic|Other; 8-11C dyn'),
	('CostAndUsage', '1.2', NULL, 'C', 'PricingCurrency', '0C comp; 1 str; 2 txt; 3 cur; 4 nn'),
	('CostAndUsage', '1.2', NULL, 'C', 'PricingCurrencyContractedUnitPrice', '0C comp; 1 dec; 2 num; 3 comp; 4C nu ? ChargeCategory=Tax; 5C nn ? ChargeCategory=Usage|Purchase & ChargeClass<>Correction; 6O dyn; 7C comp; 8C ge 0; 9-10C dyn'),
	('CostAndUsage', '1.2', NULL, 'C', 'PricingCurrencyEffectiveCost', '0C comp; 1 dec; 2 num; 3 nn; 4 num; 5-6 dyn'),
	('CostAndUsage', '1.2', NULL, 'C', 'PricingCurrencyListUnitPrice', '0C comp; 1 dec; 2 num; 3 comp; 4C nu ? ChargeCategory=Tax; 5C nn ? ChargeCategory=Usage|Purchase & ChargeClass<>Correction; 6O dyn; 7C comp; 8 ge 0; 9 dyn; 10C dyn'),
	('CostAndUsage', '1.2', NULL, 'C', 'PricingQuantity', '0 comp; 1 dec; 2 num; 3 comp; 4C nu ? ChargeCategory=Tax; 5C nn ? ChargeCategory=Usage|Purchase & ChargeClass<>Correction; 6O dyn; 7C comp; 8 num; 9-10C dyn'),
	('CostAndUsage', '1.2', NULL, 'C', 'PricingUnit', '0 comp; 1 str; 2 txt; 3O ~unit; 4C comp; 5C nu ? PricingQuantity-; 6C nn ? PricingQuantity!; 7C comp; 8 dyn; 9C dyn'),
	('CostAndUsage', '1.2', NULL, 'C', 'RegionId', '0C comp; 1 str; 2 txt; 3C comp; 4-5C dyn'),
	('CostAndUsage', '1.2', NULL, 'C', 'RegionName', '0C comp; 1 str; 2 txt; 3C comp; 4C nu ? RegionId-; 5C nn ? RegionId!'),
	('CostAndUsage', '1.2', NULL, 'C', 'ResourceId', '0C comp; 1 str; 2 txt; 3C comp; 4-5C dyn; 6C comp; 7 dyn; 8O dyn'),
	('CostAndUsage', '1.2', NULL, 'C', 'ResourceName', '0C comp; 1 str; 2 txt; 3C comp; 4-6C dyn'),
	('CostAndUsage', '1.2', NULL, 'C', 'ResourceType', '0C comp; 1 str; 2 txt; 3C comp; 4C nu ? ResourceId-; 5C nn ? ResourceId!'),
	('CostAndUsage', '1.2', NULL, 'C', 'ServiceCategory', '0 comp; 1 str; 2 nn; 3 in AI and Machine Learning|Analytics|Business Applications|Compute|Databases|Developer Tools|Multicloud|Identity|Integration|Internet of Things|Management and Governance|Media|Migration|Mobile|Networking|Security|Storage|Web|Other'),
	('CostAndUsage', '1.2', NULL, 'C', 'ServiceName', '0 comp; 1 str; 2 txt; 3 nn; 4C comp; 5C one ServiceCategory; 6C dyn; 7C comp; 8C ~one ServiceSubcategory; 9C dyn'),
	('CostAndUsage', '1.2', NULL, 'C', 'ServiceSubcategory', '0O comp; 1 str; 2 nn; 3 subcategory; 4 pair ServiceCategory'),
	('CostAndUsage', '1.2', NULL, 'C', 'SkuId', '0C comp; 1 str; 2 txt; 3 comp; 4C nu ? ChargeCategory=Tax; 5C nn ? ChargeCategory=Usage|Purchase & ChargeClass<>Correction; 6O dyn; 7 comp; 8-10 dyn; 11C dyn; 12O dyn'),
	('CostAndUsage', '1.2', NULL, 'C', 'SkuMeter', '0C comp; 1 str; 2 txt; 3C comp; 4C nu ? SkuId-; 5C ~nn ? SkuId!; 6O dyn'),
	('CostAndUsage', '1.2', NULL, 'C', 'SkuPriceDetails', '0C comp; 1 kv; 2O dyn; 3C comp; 4C nu ? SkuPriceId-; 5C may; 6C comp; 7-8 dyn; 9-10C dyn; 11O dyn; 12O comp; 13-14O dyn; 15-16O dyn; 17-18C dyn; 19 comp; 20-21 dyn; 22C dyn'),
	('CostAndUsage', '1.2', NULL, 'C', 'SkuPriceId', '0C comp; 1 str; 2 txt; 3 comp; 4C nu ? ChargeCategory=Tax; 5C nn ? ChargeCategory=Usage|Purchase & ChargeClass<>Correction; 6O dyn; 7C comp; 8 one SkuId; 9-10 dyn; 11O may; 12C dyn; 13 dyn; 14-15C dyn'),
	('CostAndUsage', '1.2', NULL, 'C', 'SubAccountId', '0C comp; 1 str; 2 txt; 3C comp; 4-5C dyn'),
	('CostAndUsage', '1.2', NULL, 'C', 'SubAccountName', '0C comp; 1 str; 2 txt; 3C comp; 4C nu ? SubAccountId-; 5C nn ? SubAccountId!'),
	('CostAndUsage', '1.2', NULL, 'C', 'SubAccountType', '0C comp; 1 str; 2 txt; 3C comp; 4C nu ? SubAccountId-; 5C nn ? SubAccountId!; 6 dyn'),
	('CostAndUsage', '1.2', NULL, 'C', 'Tags', '0C comp; 1 kv; 2O may; 3C comp; 4-6 dyn; 7O dyn; 8-9 dyn; 10C dyn; 11 comp; 12-13 dyn; 14 comp; 15-16C dyn; 17 dyn'),
	('CostAndUsage', '1.2', '1.2', 'A', 'DateTimeFormat', '0 comp; 1-2 dyn; 3 comp; 4-6 dyn'),
	('CostAndUsage', '1.2', '1.2', 'A', 'CurrencyFormat', '0C comp; 1-2C dyn'),
	('CostAndUsage', '1.2', '1.2', 'A', 'NumericFormat', '0 comp; 1O dyn; 2-12 dyn; 13O dyn'),
	('CostAndUsage', '1.2', '1.2', 'A', 'StringHandling', '0 comp; 1 dyn; 2O dyn; 3-7 dyn; 8C dyn'),
	('CostAndUsage', '1.2', '1.2', 'A', 'ColumnHandling', '0 comp; 1-3 dyn; 4-5O dyn; 6 dyn; 7O dyn; 8 dyn; 9 comp; 10 dyn; 11-14O dyn'),
	('CostAndUsage', '1.2', '1.2', 'A', 'UnitFormat', '0 comp; 1 dyn; 2O dyn; 3 dyn; 4C dyn'),
	('CostAndUsage', '1.2', '1.2', 'A', 'KeyValueFormat', '0 comp; 1-4 dyn'),
	('CostAndUsage', '1.2', '1.2', 'A', 'DiscountHandling', '0C comp; 1C dyn; 2C comp; 3-4C dyn; 5C comp; 6-7C dyn; 8C comp; 9-20C dyn'),
	('CostAndUsage', '1.2', '1.2', 'A', 'NullHandling', '0 comp; 1C dyn; 2 dyn'),
	('CostAndUsage', '1.3', NULL, 'D', 'CostAndUsage', '69C ~present AllocatedMethodDetails; 70C present AllocatedMethodId; 71C present AllocatedResourceId; 72C present AllocatedResourceName; 73C present AllocatedTags; 74C present ContractApplied; 75M present HostProviderName; 76M present ServiceProviderName'),
	('CostAndUsage', '1.3', NULL, 'C', 'AllocatedMethodDetails', '0C comp; 1 json; 2 elements AllocatedRatio'),
	('CostAndUsage', '1.3', NULL, 'C', 'AllocatedMethodId', '0C comp; 1 str; 2 txt; 3C comp; 4-5C dyn; 6 dyn'),
	('CostAndUsage', '1.3', NULL, 'C', 'AllocatedResourceId', '0C comp; 1 str; 2 txt; 3C comp; 4-5C dyn'),
	('CostAndUsage', '1.3', NULL, 'C', 'AllocatedResourceName', '0C comp; 1 str; 2 txt; 3C comp; 4C nu ? AllocatedResourceId-; 5C nn ? AllocatedResourceId!; 6C dyn'),
	('CostAndUsage', '1.3', NULL, 'C', 'AllocatedTags', '0C comp; 1 kv'),
	('CostAndUsage', '1.3', NULL, 'C', 'ContractApplied', '0C comp; 1 json; 2 elements ContractId'),
	('CostAndUsage', '1.3', NULL, 'C', 'HostProviderName', '0 comp; 1 str; 2 txt; 3 nn'),
	('CostAndUsage', '1.3', NULL, 'C', 'ServiceProviderName', '0 comp; 1 str; 2 txt; 3 nn'),
	('CostAndUsage', '1.3', NULL, 'C', 'PricingCurrencyContractedUnitPrice', '12C def'),
	('CostAndUsage', '1.4', NULL, 'D', 'CostAndUsage', '97C present CommitmentProgramEligibilityDetails; 98C present InvoiceDetailId'),
	('CostAndUsage', '1.4', NULL, 'C', 'CommitmentProgramEligibilityDetails', '0C comp; 1 json'),
	('CostAndUsage', '1.4', NULL, 'C', 'InvoiceDetailId', '0C comp; 1 str; 2 txt'),
	('ContractCommitment', '1.3', NULL, 'D', 'ContractCommitment', '0-2 comp; 3M present BillingCurrency; 4M present ContractCommitmentCost; 5M present ContractCommitmentId; 6M present ContractCommitmentCategory; 7M present ContractCommitmentDescription; 8M present ContractCommitmentPeriodEnd; 9M present ContractCommitmentPeriodStart; 10M present ContractCommitmentQuantity; 11M present ContractCommitmentType; 12M present ContractCommitmentUnit; 13M present ContractId; 14M present ContractPeriodEnd; 15M present ContractPeriodStart'),
	('ContractCommitment', '1.4', NULL, 'D', 'ContractCommitment', '17M present ContractCommitmentApplicability; 18M present ContractCommitmentBenefitCategory; 19M present ContractCommitmentCreated; 20M present ContractCommitmentDiscountPercentage; 21M present ContractCommitmentDurationType; 22M present ContractCommitmentFulfillmentInterval; 23M present ContractCommitmentLastUpdated; 24M present ContractCommitmentLifecycleStatus; 25M present ContractCommitmentModel; 26M present ContractCommitmentOfferCategory; 27M present ContractCommitmentPaymentInterval; 28M present ContractCommitmentPaymentModel; 29C present ContractCommitmentPaymentUpfrontPercentage; 30M present InvoiceIssuerName; 31C present PricingCurrency; 32C present PricingCurrencyContractCommitmentCost; 33M present ServiceProviderName; 34-40 dyn'),
	('ContractCommitment', '1.3', NULL, 'C', 'BillingCurrency', '0 comp; 1 str; 2 txt; 3 cur; 4C nn; 5 dyn; 6 nat'),
	('ContractCommitment', '1.3', NULL, 'C', 'ContractCommitmentCategory', '0 comp; 1 str; 2 nn; 3 in Spend|Usage'),
	('ContractCommitment', '1.3', NULL, 'C', 'ContractCommitmentCost', '0 comp; 1 dec; 2 num; 3C comp; 4C nn ? ContractCommitmentCategory=Spend; 5C may; 7 dyn'),
	('ContractCommitment', '1.3', '1.3', 'C', 'ContractCommitmentCost', '6 num'),
	('ContractCommitment', '1.3', NULL, 'C', 'ContractCommitmentPeriodStart', '0 comp; 1 dt; 2 ts; 3 nn; 4 dyn'),
	('ContractCommitment', '1.3', NULL, 'C', 'ContractCommitmentPeriodEnd', '0 comp; 1 dt; 2 ts; 3 nn; 4 dyn'),
	('ContractCommitment', '1.3', NULL, 'C', 'ContractPeriodStart', '0 comp; 1 dt; 2 ts; 3 nn; 4 dyn'),
	('ContractCommitment', '1.3', NULL, 'C', 'ContractPeriodEnd', '0 comp; 1 dt; 2 ts; 3 nn; 4 dyn'),
	('ContractCommitment', '1.3', NULL, 'C', 'ContractCommitmentDescription', '0 comp; 1 str; 2 txt; 3O ~nn; 4O dyn'),
	('ContractCommitment', '1.3', NULL, 'C', 'ContractCommitmentId', '0 comp; 1 str; 2 txt; 3 nn; 5 dyn; 6O dyn; 7 one ContractId; 8O dyn'),
	('ContractCommitment', '1.3', '1.3', 'C', 'ContractCommitmentId', '9 unique'),
	('ContractCommitment', '1.3', NULL, 'C', 'ContractCommitmentQuantity', '0 comp; 1 dec; 2 num; 3C comp; 4C nn ? ContractCommitmentCategory=Usage; 5C may'),
	('ContractCommitment', '1.3', '1.3', 'C', 'ContractCommitmentQuantity', '6 num'),
	('ContractCommitment', '1.3', NULL, 'C', 'ContractCommitmentType', '0 comp; 1 str; 2 txt; 3 nn; 4 dyn'),
	('ContractCommitment', '1.3', NULL, 'C', 'ContractCommitmentUnit', '0 comp; 1 str; 2 txt; 3O ~unit; 4C comp; 5C nu ? ContractCommitmentQuantity-; 6C nn ? ContractCommitmentQuantity!'),
	('ContractCommitment', '1.3', NULL, 'C', 'ContractId', '0 comp; 1 str; 2 txt; 3 nn; 4C comp; 5 dyn; 6O dyn'),
	('ContractCommitment', '1.4', NULL, 'C', 'ContractCommitmentApplicability', '0 comp; 1 dyn; 2 txt; 3 json; 4 json; 5 nn'),
	('ContractCommitment', '1.4', NULL, 'C', 'ContractCommitmentBenefitCategory', '0 comp; 1 str; 2 nn; 3 in Discount|Entitlement|Availability|Other'),
	('ContractCommitment', '1.4', NULL, 'C', 'ContractCommitmentCreated', '0 comp; 1 dt; 2 ts; 3 nn; 4 dyn'),
	('ContractCommitment', '1.4', NULL, 'C', 'ContractCommitmentLastUpdated', '0 comp; 1 dt; 2 ts; 3 nn; 4C dyn; 5 notbefore ContractCommitmentCreated'),
	('ContractCommitment', '1.4', NULL, 'C', 'ContractCommitmentDiscountPercentage', '0 comp; 1 dec; 2 num; 3C comp; 4C nn ? ContractCommitmentBenefitCategory=Discount; 5C nu ? ContractCommitmentBenefitCategory=Availability; 6 fraction; 7 comp; 8-9 dyn; 10C dyn'),
	('ContractCommitment', '1.4', NULL, 'C', 'ContractCommitmentDurationType', '0 comp; 1 str; 2 txt; 3 nn; 4O ~duration; 5O ~duration; 6-7O dyn'),
	('ContractCommitment', '1.4', NULL, 'C', 'ContractCommitmentFulfillmentInterval', '0 comp; 1 str; 2 nn; 3 in Hourly|Daily|Weekly|Monthly|Quarterly|Semi-Annually|Annually|Total Term|Transactional|Custom; 4C ne Full Period ? ContractCommitmentModel=Continuous'),
	('ContractCommitment', '1.4', NULL, 'C', 'ContractCommitmentLifecycleStatus', '0 comp; 1 str; 2 nn; 3 in Proposed|Pending|Active|Exhausted|Expired|Canceled|Superseded; 4C dyn'),
	('ContractCommitment', '1.4', NULL, 'C', 'ContractCommitmentModel', '0 comp; 1 str; 2 nn; 3 in Continuous|Discontinuous; 4C eq Discontinuous ? ContractCommitmentFulfillmentInterval=Full Period'),
	('ContractCommitment', '1.4', NULL, 'C', 'ContractCommitmentOfferCategory', '0 comp; 1 str; 2 nn; 3 in Negotiated|Public'),
	('ContractCommitment', '1.4', NULL, 'C', 'ContractCommitmentPaymentInterval', '0 comp; 1 str; 2 nn; 3 in One-Time|Monthly|Quarterly|Semi-Annual|Annual|Custom; 4C eq One-Time ? ContractCommitmentPaymentModel=All Upfront; 5O dyn'),
	('ContractCommitment', '1.4', NULL, 'C', 'ContractCommitmentPaymentModel', '0 comp; 1 str; 2 nn; 3 in No Upfront|Partial Upfront|All Upfront'),
	('ContractCommitment', '1.4', NULL, 'C', 'ContractCommitmentPaymentUpfrontPercentage', '0C comp; 1 dec; 2 num; 3 nn; 4 fraction; 5C eq 1 ? ContractCommitmentPaymentModel=All Upfront; 6C eq 0 ? ContractCommitmentPaymentModel=No Upfront; 7C dyn'),
	('ContractCommitment', '1.4', NULL, 'C', 'InvoiceIssuerName', '0 comp; 1 str; 2 txt; 3 nn; 4 dyn'),
	('ContractCommitment', '1.4', NULL, 'C', 'PricingCurrency', '0C comp; 1 str; 2 txt; 3 cur; 4 nn'),
	('ContractCommitment', '1.4', NULL, 'C', 'PricingCurrencyContractCommitmentCost', '0C comp; 1 dec; 2 num; 3C comp; 4C nn ? ContractCommitmentCategory=Spend & PricingCurrency!; 5C may; 6 dyn'),
	('ContractCommitment', '1.4', NULL, 'C', 'ServiceProviderName', '0 comp; 1 str; 2 txt; 3 nn'),
	('InvoiceDetail', '1.4', NULL, 'D', 'InvoiceDetail', '0 comp; 1C dyn; 2-3 comp; 4M present BilledCost; 5M present BillingAccountId; 6M present BillingCurrency; 7M present BillingPeriodEnd; 8M present BillingPeriodStart; 9M present ChargeCategory; 10M present InvoiceDetailCreated; 11M present InvoiceDetailDescription; 12M present InvoiceDetailGrain; 13M present InvoiceDetailId; 14M present InvoiceDetailLastUpdated; 15M present InvoiceId; 16M present InvoiceIssueDate; 17M present InvoiceIssueStatus; 18M present InvoiceIssuerName; 19C present PaymentCurrency; 20C present PaymentCurrencyBilledCost; 21C present PaymentCurrencyInvoiceDetailId; 22M present PaymentDueDate; 23M present PaymentTerms; 24C present PurchaseOrderNumber; 25M present ReferenceInvoiceId; 26C dyn; 27-34 dyn; 35 comp; 36-39 dyn'),
	('InvoiceDetail', '1.4', NULL, 'C', 'BilledCost', '0 comp; 1 dec; 2 num; 3 nn; 4-7 dyn; 8C dyn; 9C comp; 10-11C dyn; 12C comp; 13-14C dyn'),
	('InvoiceDetail', '1.4', NULL, 'C', 'BillingAccountId', '0 comp; 1 str; 2 txt; 3 nn; 4 dyn; 5O dyn'),
	('InvoiceDetail', '1.4', NULL, 'C', 'BillingCurrency', '0 comp; 1 str; 2 txt; 3 cur; 4 nn; 5 dyn; 6 nat'),
	('InvoiceDetail', '1.4', NULL, 'C', 'BillingPeriodEnd', '0 comp; 1 dt; 2 ts; 3 nn; 4-5 dyn'),
	('InvoiceDetail', '1.4', NULL, 'C', 'BillingPeriodStart', '0 comp; 1 dt; 2 ts; 3 nn; 4-5 dyn'),
	('InvoiceDetail', '1.4', NULL, 'C', 'ChargeCategory', '0 comp; 1 str; 2 nn; 3 in Usage|Purchase|Tax|Credit|Adjustment; 4C comp; 5-9C dyn; 10C comp; 11C dyn'),
	('InvoiceDetail', '1.4', NULL, 'C', 'InvoiceDetailCreated', '0 comp; 1 dt; 2 ts; 3 nn; 4 dyn; 5C dyn'),
	('InvoiceDetail', '1.4', NULL, 'C', 'InvoiceDetailDescription', '0 comp; 1 str; 2 txt; 3O ~nn; 4O dyn; 5 dyn'),
	('InvoiceDetail', '1.4', NULL, 'C', 'InvoiceDetailGrain', '0 comp; 1 json; 2 kv; 3-8C dyn; 9 comp; 10-11 dyn; 12 txt'),
	('InvoiceDetail', '1.4', NULL, 'C', 'InvoiceDetailId', '0 comp; 1 str; 2 txt; 3 nn; 4 dyn'),
	('InvoiceDetail', '1.4', NULL, 'C', 'InvoiceDetailLastUpdated', '0 comp; 1 dt; 2 ts; 3 nn; 4C dyn; 5 notbefore InvoiceDetailCreated'),
	('InvoiceDetail', '1.4', NULL, 'C', 'InvoiceId', '0 comp; 1 str; 2 txt; 3 nn; 4O dyn; 5 dyn'),
	('InvoiceDetail', '1.4', NULL, 'C', 'InvoiceIssueDate', '0 comp; 1 dt; 2 ts; 3O may; 4 dyn'),
	('InvoiceDetail', '1.4', NULL, 'C', 'PaymentDueDate', '0 comp; 1 dt; 2 ts; 3O may; 4 dyn'),
	('InvoiceDetail', '1.4', NULL, 'C', 'InvoiceIssueStatus', '0 comp; 1 str; 2 txt; 3 nn; 4 in Open|Issued|Voided; 5-6 dyn'),
	('InvoiceDetail', '1.4', NULL, 'C', 'InvoiceIssuerName', '0 comp; 1 str; 2 txt; 3 nn; 4 dyn'),
	('InvoiceDetail', '1.4', NULL, 'C', 'PaymentCurrency', '0C comp; 1 str; 2 txt; 3 nn; 4 dyn; 5 nat'),
	('InvoiceDetail', '1.4', NULL, 'C', 'PaymentCurrencyBilledCost', '0C comp; 1 dec; 2 num; 3 nn; 4-7 dyn'),
	('InvoiceDetail', '1.4', NULL, 'C', 'PaymentCurrencyInvoiceDetailId', '0C comp; 1 str; 2 txt; 3 nn; 4 dyn; 5C same InvoiceDetailId ? PaymentCurrencyBilledCost<>0'),
	('InvoiceDetail', '1.4', NULL, 'C', 'PaymentTerms', '0 comp; 1 str; 2 txt; 3 nn; 4 dyn'),
	('InvoiceDetail', '1.4', NULL, 'C', 'PurchaseOrderNumber', '0C comp; 1 str; 2 txt; 3O may; 4 dyn'),
	('InvoiceDetail', '1.4', NULL, 'C', 'ReferenceInvoiceId', '0 comp; 1 str; 2 txt; 3 nn; 4-5C dyn'),
	('BillingPeriod', '1.4', NULL, 'D', 'BillingPeriod', '1-3 comp; 4M present BillingPeriodCreated; 5M present BillingPeriodEnd; 6M present BillingPeriodLastUpdated; 7M present BillingPeriodStart; 8M present BillingPeriodStatus; 9M present InvoiceIssuerName; 11-17 dyn'),
	('BillingPeriod', '1.4', NULL, 'C', 'BillingPeriodCreated', '0 comp; 1 dt; 2 ts; 3 nn; 4 dyn'),
	('BillingPeriod', '1.4', NULL, 'C', 'BillingPeriodEnd', '0 comp; 1 dt; 2 ts; 3 nn; 4 dyn'),
	('BillingPeriod', '1.4', NULL, 'C', 'BillingPeriodStart', '0 comp; 1 dt; 2 ts; 3 nn; 4 dyn'),
	('BillingPeriod', '1.4', NULL, 'C', 'BillingPeriodLastUpdated', '0 comp; 1 dt; 2 ts; 3 nn; 4 dyn; 5 notbefore BillingPeriodCreated'),
	('BillingPeriod', '1.4', NULL, 'C', 'BillingPeriodStatus', '0 comp; 1 str; 2 nn; 3 in Open|Closed; 4 dyn; 5C dyn'),
	('BillingPeriod', '1.4', NULL, 'C', 'InvoiceIssuerName', '0 comp; 1 str; 2 txt; 3 nn; 4 dyn')
) l(dataset, since, until, class, entity, rules)
CROSS JOIN LATERAL pg_catalog.regexp_split_to_table(l.rules, '; ') i(item)
CROSS JOIN LATERAL pg_catalog.regexp_matches(i.item, '^([0-9]+)(?:-([0-9]+))?([MCO]?) (~?)([a-z]+)([^?]*)(?:[?] (.*))?$') r(part)
CROSS JOIN LATERAL (
	SELECT COALESCE((SELECT v.long FROM (VALUES ('comp', 'composite'), ('dyn', 'dynamic'), ('def', 'defective'), ('may', 'optional'), ('str', 'string'), ('dec', 'decimal'), ('dt', 'datetime'),
		('kv', 'keyvalue'), ('txt', 'text'), ('num', 'numeric'), ('ts', 'timestamp'), ('cur', 'currency'), ('nat', 'national'), ('nn', 'notnull'), ('nu', 'null')) v(short, long)
		WHERE v.short OPERATOR(pg_catalog.=) r.part[5]), r.part[5]) AS kind
) k
CROSS JOIN LATERAL pg_catalog.generate_series(r.part[1]::pg_catalog.int4, COALESCE(r.part[2], r.part[1])::pg_catalog.int4) n(number);

REVOKE ALL ON finops.focus_rule, finops.focus_subcategory FROM PUBLIC;
GRANT SELECT ON finops.focus_rule, finops.focus_subcategory TO PUBLIC;

-- nothing in them is the user's
SELECT pg_catalog.pg_extension_config_dump('finops.focus_rule', 'WHERE false');
SELECT pg_catalog.pg_extension_config_dump('finops.focus_subcategory', 'WHERE false');

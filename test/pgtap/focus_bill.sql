-- FOCUS bills of version 1.0 come back by the rules of later ones
BEGIN;
SELECT * FROM no_plan();

CREATE FUNCTION pg_temp.load(name text, content text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	path text := current_setting('data_directory') || '/finops_test_' || name;
	object oid := lo_from_bytea(0, convert_to(content, 'UTF8'));
BEGIN
	PERFORM lo_export(object, path);
	PERFORM lo_unlink(object);
	RETURN (SELECT sum(rows_loaded) FROM finops.load_bill(path));
END $$;
CREATE FUNCTION pg_temp.violated(version text, relation regclass) RETURNS text LANGUAGE sql
AS $$ SELECT string_agg(v.rule_id, ', ' ORDER BY v.rule_id) FROM finops.validate_focus(relation, version) v WHERE v.status = 'fail' $$;

-- without the columns that came later, SkuMeter among them: usage, usage under
-- a plan and what is left of it, the plan's fee, a credit, a tax
SELECT is(pg_temp.load('focus10.csv',
	E'BilledCost,EffectiveCost,ListCost,ContractedCost,BillingAccountId,BillingAccountName,BillingCurrency,BillingPeriodStart,BillingPeriodEnd,ChargeCategory,ChargeClass,ChargeDescription,ChargeFrequency,ChargePeriodStart,ChargePeriodEnd,CommitmentDiscountCategory,CommitmentDiscountId,CommitmentDiscountName,CommitmentDiscountStatus,CommitmentDiscountType,ConsumedQuantity,ConsumedUnit,PricingCategory,PricingQuantity,PricingUnit,ListUnitPrice,ContractedUnitPrice,ProviderName,PublisherName,InvoiceIssuerName,RegionId,RegionName,ResourceId,ResourceName,ResourceType,ServiceCategory,ServiceName,SkuId,SkuPriceId,SubAccountId,SubAccountName,Tags\n'
	|| string_agg(concat_ws(',', cost, 'acc,Org,USD,2023-05-01T00:00:00Z,2023-06-01T00:00:00Z', category, ',charge', frequency, '2023-05-02T00:00:00Z,2023-05-02T01:00:00Z', rest), E'\n') || E'\n'), 6::bigint, 'a bill of FOCUS 1.0')
FROM (VALUES
	('0.12,0.12,0.12,0.12', 'Usage', 'Usage-Based', ',,,,,1,Hours,Standard,1,Hours,0.12,0.12,P,P,P,r,R,vm1,one,VM,Compute,Machines,s1,s1.p,sub,Sub,"{""env"": ""prod""}"'),
	('0,3,5,5', 'Usage', 'Usage-Based', 'Spend,sp1,Plan,Used,Plan,1,Hours,Committed,1,Hours,5,5,P,P,P,r,R,vm2,two,VM,Compute,Machines,s2,s2.p,sub,Sub,{}'),
	('0,1,0,0', 'Usage', 'Usage-Based', 'Spend,sp1,Plan,Unused,Plan,,,Committed,,,,,P,P,P,r,R,sp1,Plan,Plan,Compute,Machines,s2,s2.p,sub,Sub,{}'),
	('4,0,4,4', 'Purchase', 'Recurring', 'Spend,sp1,Plan,,Plan,,,Standard,1,Hours,4,4,P,P,P,r,R,sp1,Plan,Plan,Compute,Machines,s3,s3.p,sub,Sub,{}'),
	('-1.5,-1.5,-1.5,-1.5', 'Credit', 'One-Time', ',,,,,,,,,,,,P,P,P,,,,,,Other,Credits,,,,,{}'),
	('0.77,0.77,0.77,0.77', 'Tax', 'One-Time', ',,,,,,,,,,,,P,P,P,,,,,,Other,Tax,,,,,{}')) l(cost, category, frequency, rest);
SELECT is(sum("BilledCost") || ' ' || sum("EffectiveCost"), '3.39 3.39', 'its cost') FROM finops.focus_cost_and_usage;
SELECT is(pg_temp.violated(version, relation::regclass), NULL, format('no rule of %s is violated', version))
FROM (VALUES ('1.2', 'finops.focus_cost_and_usage'), ('1.3', 'finops.focus_1_3_cost_and_usage'), ('1.4', 'finops.focus_1_4_cost_and_usage')) v(version, relation);
SELECT is(string_agg(DISTINCT "SkuMeter", ' ' ORDER BY "SkuMeter"), 's1 s2 s3', 'a meter is called as its SKU') FROM finops.focus_cost_and_usage;

SELECT * FROM finish();
ROLLBACK;

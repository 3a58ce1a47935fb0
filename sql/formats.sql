-- Bill formats: recognised by their header, costs by their rules.  Sums in
-- the comments are worked out by hand.
\set VERBOSITY terse
\pset format unaligned
BEGIN;
CREATE FUNCTION pg_temp.load(name text, content text, format text DEFAULT 'auto', columns text[] DEFAULT NULL)
RETURNS TABLE (period text, kind text, rows bigint, billed numeric, effective numeric) LANGUAGE plpgsql AS $$
DECLARE
	path text := current_setting('data_directory') || '/finops_test_' || name;
	object oid := lo_from_bytea(0, convert_to(content, 'UTF8'));
BEGIN
	PERFORM lo_export(object, path);
	PERFORM lo_unlink(object);
	PERFORM finops.load_bill(path, format, source_id => name, columns => columns);
	RETURN QUERY SELECT to_char(d.billing_period, 'YYYY-MM'), d.format, d.line_items, trim_scale(d.billed_cost), trim_scale(d.effective_cost)
	FROM finops.delivery d WHERE d.source = name AND d.status = 'current';
END $$;
CREATE FUNCTION pg_temp.refused(name text, content text, format text DEFAULT 'auto', columns text[] DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_temp.load(name, content, format, columns);
	RETURN 'loaded';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
CREATE VIEW pg_temp.facts AS SELECT * FROM fact_cost_raw ORDER BY row_id;

-- Azure, Enterprise Agreement, amortised: covered and unused hours cost but are
-- not billed.  Billed 1.5 + 0.25 + 0.1 - 2 = -0.15;
-- effective -0.15 + 0.493152 + 0.006 + 0.007 + 0.008 = 0.364152
SELECT * FROM pg_temp.load('azure_ea.csv', E'\uFEFFBillingAccountId,BillingAccountName,BillingPeriodStartDate,BillingPeriodEndDate,SubscriptionId,SubscriptionName,Date,Product,PartNumber,MeterId,MeterCategory,MeterSubCategory,MeterName,Quantity,EffectivePrice,Cost,UnitPrice,BillingCurrency,ResourceLocation,ConsumedService,ResourceId,ResourceName,AdditionalInfo,Tags,ResourceGroup,ReservationId,ReservationName,ChargeType,Frequency,PublisherName,PayGPrice,PricingModel,benefitId,benefitName,Shiny,UnitOfMeasure\r\n'
	'861,Trey,09/01/2023,09/30/2023,sub-1,Prod,09/30/2023,VM D2,997,m1,Virtual Machines,D,D2,3,0.5,1.5,0.5,CAD,EastUS,Microsoft.Compute,/x/vm1,vm1,"{""ServiceType"":""D2""}","""tenant_id"": ""acme"",""Cost-Center"": ""7""",rg1,,,Usage,UsageBased,,0.6,OnDemand,,,s,1 Hour\r\n'
	'861,Trey,09/01/2023,09/30/2023,sub-1,Prod,12/31/2023,VM D2,997,m1,Virtual Machines,D,D2,8,0.061644,0.493152,0.146,CAD,EastUS,Microsoft.Compute,/x/vm2,vm2,,,rg1,r1,Res,Usage,UsageBased,,0.6,Reservation,,,,1 Hour\r\n'
	'861,Trey,09/01/2023,09/30/2023,sub-1,Prod,2/28/2024,VM D2,997,m1,Virtual Machines,D,D2,1,0.006,0.006,0.146,CAD,EastUS,Microsoft.Compute,/x/vm2,vm2,,,rg1,,,Usage,UsageBased,,0.6,SavingsPlan,/plans/p1,Plan,,1 Hour\r\n'
	'861,Trey,09/01/2023,09/30/2023,sub-1,Prod,09/30/2023,VM D2,997,m1,Virtual Machines,D,D2,1,0.007,7E-3,0.146,CAD,EastUS,Microsoft.Compute,,,,,,r1,Res,UnusedReservation,UsageBased,,0.6,Reservation,,,,1 Hour\r\n'
	'861,Trey,09/01/2023,09/30/2023,sub-1,Prod,09/30/2023,VM D2,997,m1,,D,D2,1,0.008,.008,0.146,CAD,EastUS,,,,,,,,,UnusedSavingsPlan,UsageBased,,0.6,SavingsPlan,/plans/p1,Plan,,1 Hour\r\n'
	'861,Trey,09/01/2023,09/30/2023,sub-1,Prod,09/30/2023,VM D2,997,m1,Virtual Machines,D,D2,1,0.25,0.25,0.146,CAD,EastUS,Microsoft.Compute,/x/vm3,vm3,,,rg1,,,Usage,UsageBased,,0.6,Spot,,,,1 Hour\r\n'
	'861,Trey,09/01/2023,09/30/2023,sub-1,Prod,09/30/2023,Tool,,,Marketplace,,,1,0.1,0.1,,CAD,,,,,,,,,,Purchase,OneTime,Vendor,,,,,,1\r\n'
	'861,Trey,09/01/2023,09/30/2023,sub-1,Prod,09/30/2023,Tool,,,,,,1,-2,-2,,CAD,,,,,,,,,,Refund,OneTime,Vendor,,,,,,1\r\n');
SELECT charge_category AS category, service, commitment_discount_id AS id, commitment_discount_type AS type, commitment_discount_status AS status, pricing_category AS pricing,
	charge_frequency AS frequency, billed_cost AS billed, effective_cost AS effective, to_char(line_item_usage_end_date, 'YYYY-MM-DD') AS ends
FROM pg_temp.facts WHERE source = 'azure_ea.csv';
SELECT provider, bill_payer_account_id AS payer, billing_account_name, line_item_usage_account_id AS account, sub_account_name, product_region AS region, line_item_currency_code AS currency,
	resource_name, sku_id, sku_meter, pricing_quantity, list_unit_price, contracted_unit_price, tenant_id, resource_tags_user_cost_center AS cost_center, resource_tags, other_columns
FROM pg_temp.facts WHERE source = 'azure_ea.csv' LIMIT 1;

-- Azure, Microsoft Customer Agreement, actual: camel case, cost in three currencies, ISO dates.
-- Billed 10.5 + 87.6 + 0.01 = 98.11; how the purchase is amortised the file does not say
SELECT * FROM pg_temp.load('azure_mca.csv', E'invoiceId,billingAccountId,billingProfileId,billingProfileName,costCenter,billingPeriodEndDate,billingPeriodStartDate,date,consumedService,meterId,meterName,meterCategory,ProductName,SubscriptionId,resourceGroupName,ResourceId,resourceLocation,location,effectivePrice,quantity,unitOfMeasure,chargeType,billingCurrency,pricingCurrency,costInBillingCurrency,costInPricingCurrency,costInUsd,paygCostInBillingCurrency,tags,frequency,reservationId,pricingModel,provider\n'
	'I1,acc,prof,Main,cc,2024-01-31,2024-01-01,2024-01-05,Microsoft.Storage,m2,Hot LRS,Storage,Blob,sub-2,rg,/x/s1,westeurope,EU West,1.05,10,1 GB,Usage,EUR,USD,10.5,11.3,11.3,12.5,"{""project"": ""apollo""}",UsageBased,,OnDemand,Azure\n'
	'I1,acc,prof,Main,cc,2024-01-31,2024-01-01,2024-01-06,Microsoft.Compute,m3,D2,Virtual Machines,Reserved D2,sub-2,rg,,,EU West,87.6,1,1 Hour,Purchase,EUR,USD,87.6,94,94,87.6,,OneTime,res-9,Reservation,Azure\n'
	'I1,acc,prof,Main,cc,2024-01-31,2024-01-01,2024-01-06,,,,,Rounding,sub-2,,,,,,,,RoundingAdjustment,EUR,USD,0.01,0,0,,,,,,Azure\n');
SELECT charge_category AS category, service, bill_invoice_id AS invoice, product_region AS region, line_item_currency_code AS currency, pricing_currency, list_cost, billed_cost AS billed, effective_cost AS effective,
	commitment_discount_id AS id, resource_tags_user_project AS project, other_columns ->> 'costInUsd' AS in_usd
FROM pg_temp.facts WHERE source = 'azure_mca.csv';

-- Azure, pay as you go: lower case, no billing period but a month, only a cost in USD; semicolons
SELECT * FROM pg_temp.load('azure_old.csv', E'subscriptionguid,usagedatetime,billingperiod,metercategory,pretaxcost,currency,instanceid,tags\n'
	'g1,2021-02-02,202102,Load Balancer,0.075,GBP,/x/lb,\n');
SELECT * FROM pg_temp.load('azure_usd.csv', E'SubscriptionId,UsageDate,ServiceName,CostUSD\ng1,2021-03-02,Storage,0.5\n');
SELECT source, line_item_usage_account_id AS account, service, line_item_currency_code AS currency, provider FROM pg_temp.facts WHERE source IN ('azure_old.csv', 'azure_usd.csv');

-- Google Cloud, BigQuery export: credits are netted.
-- 10 - 3 - 1.5 = 5.5; 0.1 - 0.1 = 0 exactly; 20.48; 2.05; 0.001; billed 28.031
SELECT * FROM pg_temp.load('gcp.csv', E'billing_account_id,service.id,service.description,sku.id,sku.description,usage_start_time,usage_end_time,project.id,project.name,labels,project.labels,location.location,location.region,cost,currency,currency_conversion_rate,usage.amount,usage.unit,usage.amount_in_pricing_units,usage.pricing_unit,credits,invoice.month,cost_type,adjustment_info.id\n'
	'01-AB,6F81,Compute Engine,2E27,N1 Predefined Instance Core,2023-05-31 23:00:00 UTC,2023-06-01 00:00:00 UTC,prj,Project,"[{""key"":""tenant_id"",""value"":""acme""},{""key"":""env"",""value"":""prod""}]","[{""key"":""tenant_id"",""value"":""other""},{""key"":""cost_center"",""value"":""9""}]",us-central1,us-central1,10,EUR,0.9,3600,seconds,1,hour,"[{""name"":""SUD"",""amount"":-3,""type"":""SUSTAINED_USAGE_DISCOUNT""},{""name"":""Promo"",""amount"":-1.5E0}]",202306,regular,\n'
	'01-AB,6F81,Compute Engine,2E27,N1,2023-06-01 00:00:00 UTC,2023-06-01 01:00:00 UTC,prj,Project,[],,us,,0.1,EUR,0.9,1,seconds,1,hour,"[{""amount"":""-0.1""}]",202306,regular,\n'
	'01-AB,6F81,Compute Engine,C1,Commitment v1: Cpu in Americas for 1 Year,2023-06-01 00:00:00 UTC,,prj,,,,us,,20.48,EUR,0.9,,,,,[],202306,regular,\n'
	'01-AB,X,Invoice,T,Tax,2023-06-30,,,,,,,,2.05,EUR,0.9,,,,,,202306,tax,\n'
	'01-AB,X,Invoice,R,Rounding,2023-06-30,,,,,,,,0.001,EUR,0.9,,,,,,202306,rounding_error,a1\n');
SELECT charge_category AS category, charge_frequency AS frequency, service, line_item_unblended_cost AS cost, credit_amount AS credit, billed_cost AS billed, effective_cost AS effective, credits
FROM pg_temp.facts WHERE source = 'gcp.csv';
SELECT provider, bill_payer_account_id AS payer, line_item_usage_account_id AS account, product_region AS region, to_char(line_item_usage_start_date, 'YYYY-MM-DD HH24') AS starts, sku_id, sku_meter, line_item_usage_amount AS amount, pricing_unit AS unit,
	consumed_quantity, consumed_unit, tenant_id, resource_tags_user_cost_center AS cost_center, resource_tags, other_columns
FROM pg_temp.facts WHERE source = 'gcp.csv' LIMIT 1;
-- credits as a total, labels in columns: 4 - 0.5 = 3.5
SELECT * FROM pg_temp.load('gcp_flat.csv', E'billing_account_id,service_description,usage_start_time,cost,currency,total_credits,invoice_month,labels.tenant_id\n01-AB,Cloud Storage,2023-07-01T00:00:00+00:00,4,USD,-0.5,2023-07,ini\n');
-- the file export, two credits of a line: 7.25 - 1.25 - 1 = 5
SELECT * FROM pg_temp.load('gcp_file.csv', E'Account ID,Line Item,Start Time,End Time,Project,Measurement1,Measurement1 Total Consumption,Measurement1 Units,Credit1,Credit1 Amount,Credit1 Currency,Credit2,Credit2 Amount,Cost,Currency,Project Number,Project ID,Project Name,Project Labels,Description\n'
	'00-1,com.google.cloud/services/compute-engine/VmimageN1Standard_1,2018-05-23T00:00:00-07:00,2018-05-24T00:00:00-07:00,77,x,86400,seconds,SUD,-1.25,USD,Promo,-1,7.25,USD,77,my-prj,My Project,,N1 Standard\n');
SELECT service, line_item_usage_account_id AS account, line_item_usage_amount AS amount, pricing_unit, billed_cost, tenant_id FROM pg_temp.facts WHERE source IN ('gcp_flat.csv', 'gcp_file.csv') ORDER BY 1;

-- the console's cost table: lines about the invoice before the header, totals behind the lines; 1.25 - 0.5 = 0.75
SELECT * FROM pg_temp.load('gcp_table.csv', E'Invoice number,512\nInvoice date,2023-08-31\nCurrency,CHF\nTotal amount due,"CHF 1,234.56"\n\nBilling account name,Billing account ID,Project name,Project ID,Service description,Service ID,SKU description,SKU ID,Credit type,Cost type,Usage start date,Usage end date,Usage amount,Usage unit,Unrounded Cost (CHF),Cost (CHF)\n'
	'Main,01-AB,My,prj,Compute Engine,6F,N1,2E,,Usage,2023-08-01,2023-08-31,10,hour,1.2500001,1.25\n'
	'Main,01-AB,My,prj,Compute Engine,6F,N1,2E,Promotion,Promotion,2023-08-01,2023-08-31,,,-0.5000001,-0.50\n'
	',,,,,,,,,Total,,,,,0.75,0.75\n');
SELECT line_item_currency_code AS currency, charge_category AS category, service, line_item_usage_amount AS amount, billed_cost, other_columns FROM pg_temp.facts WHERE source = 'gcp_table.csv';

-- Oracle: a correction, tags with a namespace; 0.04 - 0.01 = 0.03
SELECT * FROM pg_temp.load('oci.csv', E'lineItem/referenceNo,lineItem/tenantId,lineItem/intervalUsageStart,lineItem/intervalUsageEnd,product/service,product/compartmentId,product/compartmentName,product/region,product/availabilityDomain,product/resourceId,usage/billedQuantity,usage/billedQuantityOverage,cost/subscriptionId,cost/productSku,product/Description,cost/unitPrice,cost/unitPriceOverage,cost/myCost,cost/myCostOverage,cost/currencyCode,cost/billingUnitReadable,cost/overageFlag,lineItem/isCorrection,lineItem/backreferenceNo,tags/Finance.CostCenter,tags/tenant_id\n'
	'r1,ocid1.tenancy,2024-03-01T00:00Z,2024-03-01T01:00Z,COMPUTE,ocid1.comp,dev,us-ashburn-1,AD-1,ocid1.instance,2,,55,B88514,Standard - E2,0.02,,0.04,,USD,OCPU HOURS,N,false,,42,acme\n'
	'r2,ocid1.tenancy,2024-03-01T00:00Z,2024-03-01T01:00Z,COMPUTE,ocid1.comp,dev,us-ashburn-1,AD-1,ocid1.instance,-0.5,,55,B88514,Standard - E2,0.02,,-0.01,,USD,OCPU HOURS,N,true,r1,,\n');
SELECT provider, service, charge_class, bill_payer_account_id AS payer, sub_account_name AS compartment, line_item_usage_amount AS amount, pricing_unit AS unit, sku_id, billed_cost, tenant_id,
	resource_tags_user_cost_center AS cost_center, resource_tags, other_columns
FROM pg_temp.facts WHERE source = 'oci.csv';

-- FOCUS 1.4 in odd case, with columns of its own; everything is kept as it was delivered
SELECT * FROM pg_temp.load('focus14.csv', E'BilledCost,EffectiveCost,ContractedCost,ListCost,BillingAccountId,BillingAccountName,BillingAccountType,BillingCurrency,BillingPeriodStart,BillingPeriodEnd,ChargePeriodStart,ChargePeriodEnd,ChargeCategory,ChargeFrequency,ServiceProviderName,HostProviderName,InvoiceIssuerName,InvoiceId,InvoiceDetailId,ServiceName,ServiceCategory,ServiceSubcategory,SkuId,SkuPriceid,SkuMeter,SkuPriceDetails,ListUnitPrice,ContractedUnitPrice,PricingQuantity,PricingUnit,PricingCategory,ConsumedQuantity,ConsumedUnit,PricingCurrency,PricingCurrencyEffectiveCost,RegionName,ResourceName,ResourceType,SubAccountId,SubAccountName,AllocatedMethodId,AllocatedMethodDetails,AllocatedTags,ContractApplied,x_Team,Tags\n'
	'1.50,1.25,1.5,2.00,A,Acme,Billing Account,EUR,2024-04-01T00:00:00Z,2024-05-01T00:00:00Z,2024-04-01T00:00:00Z,2024-04-02T00:00:00Z,Usage,Usage-Based,Snow,AWS,Reseller,INV,D1,Warehouse,Analytics,Data Warehouses,S,P,Meter,"{""CoreCount"": 4}",0.2,0.15,10,Credits,Standard,100,GB,CRD,3,Ohio,wh,Warehouse,SA,Sub,Usage Based,"{""Elements"": [{""AllocatedRatio"": 0.25}]}","{""env"": ""prod""}",not json,blue,{}\n');
SELECT provider, provider_name, service_provider_name, host_provider_name, invoice_issuer_name, bill_invoice_id AS invoice, invoice_detail_id AS detail, service, service_category, service_subcategory,
	sku_id, sku_price_id, sku_meter, sku_price_details, list_unit_price, contracted_unit_price, pricing_quantity, pricing_unit, pricing_category
FROM pg_temp.facts WHERE source = 'focus14.csv';
SELECT consumed_quantity, consumed_unit, pricing_currency, pricing_currency_effective_cost, product_region, region_name, resource_name, resource_type, sub_account_name, billing_account_type,
	allocated_method_id, allocated_method_details, allocated_tags, contract_applied, resource_tags, other_columns
FROM pg_temp.facts WHERE source = 'focus14.csv';
-- unknown columns are only named
SET finops.keep_unknown_columns = off;
SELECT * FROM pg_temp.load('focus_dropped.csv', E'BilledCost,EffectiveCost,BillingPeriodStart,x_Team\n1,1,2024-05-01,blue\n');
RESET finops.keep_unknown_columns;
SELECT other_columns FROM pg_temp.facts WHERE source = 'focus_dropped.csv';
SELECT detail -> 'unknown_columns' AS unknown FROM cur_ingestion_log WHERE source IN ('focus14.csv', 'focus_dropped.csv', 'azure_ea.csv') ORDER BY log_id;

-- CUR 2.0: maps for tags, cost categories, discounts and product attributes; net columns.
-- Usage 9, discount 0 (in the net amounts), plan fee 6 billed and 3 - 1 unused, refund of a plan -4 billed
SELECT * FROM pg_temp.load('cur2.csv', E'bill_payer_account_id,bill_payer_account_name,bill_billing_period_start_date,line_item_usage_account_name,line_item_line_item_type,line_item_product_code,line_item_unblended_cost,line_item_net_unblended_cost,resource_tags,cost_category,discount,discount_total_discount,product,product_sku,pricing_rate_code,pricing_public_on_demand_rate,pricing_public_on_demand_cost,savings_plan_savings_plan_arn,savings_plan_total_commitment_to_date,savings_plan_used_commitment,savings_plan_net_amortized_upfront_commitment_for_billing_period,savings_plan_amortized_upfront_commitment_for_billing_period,split_line_item_parent_resource_id\n'
	'333,Payer,2024-06-01T00:00:00.000Z,Team A,Usage,,10,9,"{""user_tenant_id"": ""acme"", ""aws_created_by"": ""x""}","{""Team"": ""blue""}","{""edp_discount"": ""-1""}",-1,"{""product_name"": ""Amazon Widget"", ""region"": ""eu-west-1""}",SKU1,SKU1.JRT,0.5,12,,,,,,\n'
	'333,Payer,2024-06-01T00:00:00.000Z,Team A,EdpDiscount,AmazonEC2,-1,,,,,,,,,,,,,,,,\n'
	'333,Payer,2024-06-01T00:00:00.000Z,Team A,SavingsPlanRecurringFee,ComputeSavingsPlans,7,6,,,,,,,,,,arn:sp,3,1,1.5,1.75,\n'
	'333,Payer,2024-06-01T00:00:00.000Z,Team A,Refund,ComputeSavingsPlans,-4,-4,,,,,,,,,,arn:sp,,,,,\n'
	'333,Payer,2024-06-01T00:00:00.000Z,Team A,Usage,AmazonEKS,0.3,0.3,,,,,,,,,,,,,,,i-1\n');
SELECT line_item_line_item_type AS type, service, product_region AS region, billed_cost AS billed, effective_cost AS effective, amortised_upfront_fee AS upfront, list_cost, list_unit_price, sku_id, sku_price_id,
	tenant_id, resource_tags, cost_categories, discounts, billing_account_name, sub_account_name
FROM pg_temp.facts WHERE source = 'cur2.csv';
-- legacy names of the same
SELECT * FROM pg_temp.load('cur1.csv', E'bill/BillingPeriodStartDate,lineItem/LineItemType,lineItem/UnblendedCost,costCategory/Team,discount/EdpDiscount,lineItem/Operation\n2024-07-01T00:00:00Z,Usage,1,blue,-0.1,\n2024-07-01T00:00:00Z,Usage,0,,,EKSPod-EC2\n');
SELECT cost_categories, discounts FROM pg_temp.facts WHERE source = 'cur1.csv';

-- a dump without header line, separated by 0x01, \N for null; tabs; semicolons
SELECT * FROM pg_temp.load('dump.txt', E'L1\x01Usage\x011.5\x012020-08-01 00:00:00\x01\\N\x01i-1\nL2\x01Tax\x010.25\x012020-08-01 00:00:00\x01red\x01\\N\n', 'auto',
	'{identity_line_item_id,line_item_line_item_type,line_item_unblended_cost,bill_billing_period_start_date,resource_tags_user_team,line_item_resource_id}');
SELECT identity_line_item_id AS id, charge_category AS category, line_item_resource_id AS resource, billed_cost, resource_tags FROM pg_temp.facts WHERE source = 'dump.txt';
SELECT * FROM pg_temp.load('tabs.tsv', E'BilledCost\tEffectiveCost\tBillingPeriodStart\tServiceName\n1\t2\t2020-09-01\t"a\tb, c"\n');
SELECT * FROM pg_temp.load('semicolons.csv', E'SubscriptionId;Date;MeterCategory;Cost;Tags\ns;10/02/2020;Storage, hot;1.5;\n');
SELECT service FROM pg_temp.facts WHERE source IN ('tabs.tsv', 'semicolons.csv') ORDER BY 1;

-- what is refused
SELECT pg_temp.refused('bad1.csv', E'billing_account_id,service.description,cost,credits,invoice.month\na,b,1,"[{""amount"": ""$1""}]",202306\n');
SELECT pg_temp.refused('bad2.csv', E'billing_account_id,service.description,cost,credits,invoice.month\na,b,1,"{}",202306\n');
SELECT pg_temp.refused('bad3.csv', E'billing_account_id,service.description,cost,labels,invoice.month\na,b,1,"[{''key'': ''x''}]",202306\n');
SELECT pg_temp.refused('bad4.csv', E'billing_account_id,service.description,cost,invoice.month\na,b,1,202313\n');
SELECT pg_temp.refused('bad5.csv', E'SubscriptionId,Date,MeterCategory,Cost\na,2023-09-31,b,1\n');
SELECT pg_temp.refused('bad6.csv', E'SubscriptionId,Date,MeterCategory,Cost\na,2023-09-30,b,"1,000.00"\n');
SELECT pg_temp.refused('bad7.csv', E'SubscriptionId,Date,MeterCategory,Cost\na,2023-09-30,b,1\n', 'oci');
SELECT pg_temp.refused('bad8.csv', E'line_item_unblended_cost,line_item_line_item_type,cost_category,bill_billing_period_start_date\n1,Usage,blue,2024-01-01\n');
SELECT pg_temp.refused('bad9.txt', E'1,Usage\n', 'auto', '{}');
SELECT pg_temp.refused('bad10.txt', E'1,Usage\n', 'auto', '{line_item_unblended_cost,NULL}');
SELECT pg_temp.refused('bad11.txt', E'1,Usage,x\n', 'auto', '{line_item_unblended_cost,line_item_line_item_type}');
SELECT pg_temp.refused('bad12.txt', E'1,Usage\n', 'auto', '{cost,type}');
SELECT pg_temp.refused('bad13.csv', E'Invoice number,512\nname,value\n\na,b,c\n');
ROLLBACK;

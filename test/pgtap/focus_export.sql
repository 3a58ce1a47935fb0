-- FOCUS: exports of 1.2 to 1.4, with the allocation, and the other datasets
BEGIN;
\set shared `echo "$FINOPS_SHARED"`
SELECT * FROM no_plan();

-- a month with tenants, shared cost, invoices, one of them paid and one credited
SELECT is((SELECT status FROM finops.generate_bill('2020-06-01', 2500, 6, 9)), 'loaded', 'a bill');
SELECT isnt(finops.set_issuer(legal_name => 'Ärger, "Cloud" & Co', payment_terms_days => 14), NULL, 'an issuer whose name wants quotes');
SELECT isnt(finops.set_plan('focus-team', 49, 8), NULL, 'a plan');
SELECT ok(count(*) > 3, 'tenants') FROM (SELECT DISTINCT tenant_id FROM fact_cost_raw WHERE bill_billing_period_start_date = '2020-06-01' AND tenant_id IS NOT NULL) t,
	finops.register_tenant(t.tenant_id, 'Tenant ' || t.tenant_id, tax_profile => '{"rate_pct": 19}') r, finops.bind_plan(t.tenant_id, 'focus-team', '2020-06-01') b;
SELECT isnt(finops.add_allocation_rule('focus-support', 'proportional', '2020-06-01', service_match => 'AWSSupport%', billable => false, priority => 10), NULL, 'a rule for the operator');
SELECT isnt(finops.add_allocation_rule('focus-shared', 'proportional', '2020-06-01'), NULL, 'a rule for the rest');
SELECT isnt(finops.allocate('2020-06-01'), NULL, 'allocated');

-- the allocation
CREATE TEMP TABLE plain AS SELECT * FROM finops.focus_line WHERE billing_period = '2020-06-01';
CREATE TEMP TABLE split AS SELECT * FROM finops.focus_line_allocated WHERE billing_period = '2020-06-01';
SELECT ok(count(*) FILTER (WHERE "AllocatedResourceId" IS NOT NULL) > 100, 'shared lines are split') FROM split;
SELECT is_empty($$SELECT row_id, part, sum(("AllocatedMethodDetails" #>> '{Elements,0,AllocatedRatio}')::numeric) FROM split WHERE "AllocatedMethodId" IS NOT NULL
	GROUP BY 1, 2 HAVING sum(("AllocatedMethodDetails" #>> '{Elements,0,AllocatedRatio}')::numeric) <> 1$$, 'the ratios of a line add up to 1');
SELECT is_empty($$SELECT row_id, part, sum("BilledCost"), sum("EffectiveCost"), sum("ListCost"), sum("ContractedCost"), sum("PricingQuantity"), sum("ConsumedQuantity"), sum("CommitmentDiscountQuantity") FROM split GROUP BY 1, 2
	EXCEPT SELECT row_id, part, "BilledCost", "EffectiveCost", "ListCost", "ContractedCost", "PricingQuantity", "ConsumedQuantity", "CommitmentDiscountQuantity" FROM plain$$, 'and so do costs and quantities, exactly');
SELECT is((SELECT trim_scale(sum("BilledCost")) || ' ' || trim_scale(sum("EffectiveCost")) FROM finops.focus_1_3_cost_and_usage WHERE "BillingPeriodStart" = '2020-06-01 00:00+00'),
	trim_scale(sum(billed_cost)) || ' ' || trim_scale(sum(effective_cost)), 'the sums are those of the facts') FROM fact_cost_raw WHERE bill_billing_period_start_date = '2020-06-01';
-- shares against the entries themselves: a tenant's part of all shared cost
SELECT is_empty($$SELECT a.tenant_id, round(sum(a.allocated_cost_usd), 6) FROM fact_cost_allocated a WHERE a.period_start = '2020-06-01' AND a.kind = 'shared' GROUP BY 1
	EXCEPT SELECT "AllocatedResourceId", round(sum("EffectiveCost"), 6) FROM split WHERE "AllocatedMethodId" IS NOT NULL GROUP BY 1$$, 'each tenant has what its allocation entries say');
SELECT results_eq($$SELECT DISTINCT "AllocatedResourceName", "AllocatedTags", "AllocatedMethodId" FROM split WHERE "AllocatedResourceId" = (SELECT min(tenant_id) FROM tenant_master)$$,
	$$SELECT 'Tenant ' || min(tenant_id), jsonb_build_object('tenant_id', min(tenant_id)), 'focus-shared v1' FROM tenant_master$$, 'whose the part is, and by which rule');
SELECT is(count(*), 0::bigint, 'lines of a tenant are not split') FROM split WHERE tenant_id IS NOT NULL AND "AllocatedMethodId" IS NOT NULL AND row_id IN (SELECT row_id FROM plain WHERE tenant_id IS NOT NULL);
SELECT is(finops.focus_part(10, 0, 0.333) + finops.focus_part(10, 0.333, 1), 10::numeric, 'parts meet');

-- invoices and locks
SELECT isnt(finops.prepare_invoices('2020-06-01'), NULL, 'invoices');
SELECT is_empty($$SELECT "InvoiceId", sum("BilledCost") FROM finops.focus_invoice_detail GROUP BY 1 EXCEPT SELECT invoice_id, total FROM invoice_header$$, 'lines and tax of an open invoice add up to its total');
SELECT is(array_agg(DISTINCT "InvoiceIssueStatus" || ' ' || "PaymentTerms" || ' ' || "InvoiceIssuerName"), ARRAY['Open Payable within 14 days Ärger, "Cloud" & Co'], 'open invoices') FROM finops.focus_invoice_detail;
SELECT set_eq('SELECT DISTINCT "ChargeCategory" FROM finops.focus_invoice_detail WHERE "BilledCost" <> 0 AND "ChargeCategory" <> ''Adjustment''', ARRAY['Purchase', 'Usage', 'Tax'], 'plans are purchases, cost is usage, tax is tax');
SELECT is_empty($$SELECT * FROM finops.focus_billing_period WHERE "BillingPeriodStart" = '2020-06-01 00:00+00' AND "BillingPeriodStatus" <> 'Open'$$, 'the month is open');
SAVEPOINT open;
UPDATE period_lock SET state = 'LOCKED', locked_at = now() WHERE period_start = '2020-06-01';
SELECT string_agg("BillingPeriodStatus" || ' ' || "InvoiceIssuerName", '; ' ORDER BY "InvoiceIssuerName" COLLATE "C") AS closed FROM finops.focus_billing_period WHERE "BillingPeriodStart" = '2020-06-01 00:00+00' \gset
ROLLBACK TO SAVEPOINT open;
SELECT matches(:'closed'::text, '^Closed Amazon Web Services, Inc.;.* Closed Ärger, "Cloud" & Co$', 'a locked month is closed, of each issuer');

-- every commitment of the charges once
SELECT is(count(*) || ' ' || count(DISTINCT "ContractCommitmentId"), (SELECT count(DISTINCT commitment_discount_id) || ' ' || count(DISTINCT commitment_discount_id) FROM fact_cost_raw WHERE commitment_discount_id IS NOT NULL), 'commitments')
FROM finops.focus_contract_commitment;
SELECT is(sum("ContractCommitmentCost"), (SELECT sum(effective_cost) FROM fact_cost_raw WHERE commitment_discount_category = 'Spend'), 'a plan costs what was used of it and what was not') FROM finops.focus_contract_commitment;
SELECT is_empty($$SELECT jsonb_path_query("ContractApplied", '$.Elements[*].ContractCommitmentId') #>> '{}' FROM plain EXCEPT SELECT "ContractCommitmentId" FROM finops.focus_contract_commitment$$, 'ContractApplied names them');

-- the export violates no rule of any dataset: read back as texts
CREATE FUNCTION pg_temp.read_back(version text, dataset text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	lines text := (SELECT string_agg(l, E'\n') FROM finops.export_focus('2020-06-01', version, dataset) l);
BEGIN
	DROP TABLE IF EXISTS back;
	EXECUTE (SELECT format('CREATE TEMP TABLE back (%s)', string_agg(format('%I text', n), ', ' ORDER BY o)) FROM string_to_table(split_part(lines, E'\n', 1), ',') WITH ORDINALITY h(n, o));
	PERFORM pg_temp.copy_lines(lines);
	RETURN (SELECT string_agg(v.rule_id, ', ' ORDER BY v.rule_id) FROM finops.validate_focus('back', version, dataset) v WHERE v.status = 'fail');
END $$;
-- a small reader of RFC 4180 of its own
CREATE FUNCTION pg_temp.copy_lines(lines text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('INSERT INTO back SELECT %s FROM (SELECT array_agg(CASE WHEN m[1] LIKE ''"%%'' THEN replace(substr(m[1], 2, length(m[1]) - 2), ''""'', ''"'') ELSE nullif(m[1], '''') END ORDER BY o) AS c'
		' FROM string_to_table($1, E''\n'') WITH ORDINALITY r(line, n), regexp_matches(r.line, ''("(?:[^"]|"")*"|[^,]*)(?:,|$)'', ''g'') WITH ORDINALITY f(m, o) WHERE n > 1 GROUP BY n) x',
		(SELECT string_agg(format('c[%s]', attnum), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'pg_temp.back'::regclass AND attnum > 0)) USING lines;
END $$;
SELECT is(pg_temp.read_back(version, dataset), NULL, format('the export of %s %s violates no rule', dataset, version))
FROM (VALUES ('1.2', 'CostAndUsage'), ('1.3', 'CostAndUsage'), ('1.4', 'CostAndUsage'), ('1.3', 'ContractCommitment'), ('1.4', 'ContractCommitment'), ('1.4', 'InvoiceDetail'), ('1.4', 'BillingPeriod')) v(version, dataset);
SELECT is(pg_temp.read_back('1.2', 'CostAndUsage'), NULL, 'once more, to look at');
SELECT is((SELECT count(*) || ' ' || sum("EffectiveCost"::numeric) || ' ' || sum("ListCost"::numeric) FROM back), count(*) || ' ' || trim_scale(sum("EffectiveCost")) || ' ' || sum(trim_scale("ListCost")), 'the lines are the rows') FROM plain;
SELECT is_empty($$SELECT "Tags"::jsonb FROM back EXCEPT SELECT "Tags" FROM plain$$, 'tags come back');
SELECT is((SELECT l FROM finops.export_focus('2020-06-01') l LIMIT 1), string_agg(attname, ',' ORDER BY attnum), 'the header is the view''s') FROM pg_attribute WHERE attrelid = 'finops.focus_cost_and_usage'::regclass AND attnum > 0;
SELECT is(array_length(string_to_array((SELECT l FROM finops.export_focus('2020-06-01', version, dataset) l LIMIT 1), ','), 1), n, format('%s columns', n))
FROM (VALUES ('1.3', 'CostAndUsage', 65), ('1.4', 'CostAndUsage', 67), ('1.3', 'ContractCommitment', 13), ('1.4', 'ContractCommitment', 30), ('1.4', 'InvoiceDetail', 22), ('1.4', 'BillingPeriod', 6)) v(version, dataset, n);
SELECT is(count(*), (SELECT count(*) + 1 FROM plain), 'without the allocation a line is a line') FROM finops.export_focus('2020-06-01', '1.3', allocated => false);
SELECT is(count(*), 1::bigint, 'a month without facts is a header') FROM finops.export_focus('1999-01-01');
SELECT is(finops.focus_part(NULL, 0, 1), NULL::numeric, 'a part of nothing');
-- the other datasets are as broken as one makes them
CREATE TEMP TABLE invoices AS SELECT * FROM finops.focus_invoice_detail;
UPDATE invoices SET "InvoiceIssueStatus" = 'Sent', "PaymentCurrencyInvoiceDetailId" = 'x', "InvoiceDetailLastUpdated" = "InvoiceDetailCreated" - interval '1 day', "PaymentTerms" = NULL WHERE ctid = '(0,1)';
SELECT set_eq($$SELECT rule_id || ' ' || violations FROM finops.validate_focus('invoices', '1.4', 'InvoiceDetail') WHERE status = 'fail'$$,
	ARRAY['IND-InvoiceIssueStatus-C-004-M 1', 'IND-PaymentCurrencyInvoiceDetailId-C-005-C 1', 'IND-InvoiceDetailLastUpdated-C-005-M 1', 'IND-PaymentTerms-C-003-M 1'], 'a broken invoice line');
CREATE TEMP TABLE commitments AS SELECT * FROM finops.focus_contract_commitment;
UPDATE commitments SET "ContractCommitmentDurationType" = 'forever', "ContractCommitmentDiscountPercentage" = 80, "ContractCommitmentPaymentUpfrontPercentage" = 0.5, "ContractCommitmentPaymentModel" = 'All Upfront' WHERE ctid = '(0,1)';
SELECT set_eq($$SELECT rule_id FROM finops.validate_focus('commitments', '1.4', 'ContractCommitment') WHERE status = 'fail'$$,
	ARRAY['CCT-ContractCommitmentDurationType-C-004-O', 'CCT-ContractCommitmentDurationType-C-005-O', 'CCT-ContractCommitmentDiscountPercentage-C-006-M', 'CCT-ContractCommitmentPaymentUpfrontPercentage-C-005-C', 'CCT-ContractCommitmentPaymentInterval-C-004-C'], 'a broken commitment');
CREATE TEMP TABLE periods AS SELECT * FROM finops.focus_billing_period;
UPDATE periods SET "BillingPeriodStatus" = 'Locked', "BillingPeriodEnd" = NULL WHERE ctid = '(0,1)';
SELECT set_eq($$SELECT rule_id FROM finops.validate_focus('periods', '1.4', 'BillingPeriod') WHERE status = 'fail'$$, ARRAY['BIP-BillingPeriodStatus-C-003-M', 'BIP-BillingPeriodEnd-C-003-M'], 'a broken billing period');
CREATE TEMP TABLE shares AS SELECT * FROM finops.focus_1_3_cost_and_usage WHERE "AllocatedMethodId" IS NOT NULL LIMIT 5;
UPDATE shares SET "AllocatedMethodDetails" = '{"Elements": [{"Ratio": 1}]}', "AllocatedResourceName" = NULL, "HostProviderName" = NULL, "AllocatedTags" = '{"a": []}' WHERE ctid = '(0,1)';
SELECT set_eq($$SELECT rule_id FROM finops.validate_focus('shares', '1.3') WHERE status = 'fail'$$,
	ARRAY['CAU-AllocatedMethodDetails-C-002-M', 'CAU-AllocatedResourceName-C-005-C', 'CAU-HostProviderName-C-003-M', 'CAU-AllocatedTags-C-001-M'], 'a broken share');

-- CSV
SELECT is(finops.csv_field(v), c, format('field %L', v)) FROM (VALUES ('a', 'a'), (NULL, ''), ('', '""'), ('a,b', '"a,b"'), ('a"b', '"a""b"'), (E'a\nb', E'"a\nb"'), (E'a\r', E'"a\r"'), ('a b', 'a b'), ('ä', 'ä')) f(v, c);

-- what cannot be asked
SELECT throws_ok($$SELECT finops.export_focus('2020-06-01', '1.1')$$, '22023', NULL, 'a version before 1.2');
SELECT throws_ok($$SELECT finops.export_focus('2020-06-01', '1.3', 'InvoiceDetail')$$, '22023', NULL, 'a dataset before its version');
SELECT throws_ok($$SELECT finops.export_focus('2020-06-01', NULL)$$, '22023', NULL, 'no version');
SELECT throws_ok($$SELECT finops.export_focus('2020-06-02')$$, '22023', NULL, 'a day that is no billing period');
CREATE ROLE focus_stranger;
SET LOCAL ROLE focus_stranger;
SELECT throws_ok($$SELECT finops.export_focus('2020-06-01')$$, '42501', NULL, 'not for everybody');
RESET ROLE;

-- what bills can hold, in one cost and usage report: covered usage and a
-- negation that do not cancel, a refund, a credit, a discount without a
-- quantity, a support fee, an unused reservation
CREATE TEMP TABLE odd (line text);
INSERT INTO odd VALUES
	('identity/LineItemId,bill/BillingPeriodStartDate,bill/BillingPeriodEndDate,bill/PayerAccountId,lineItem/UsageAccountId,lineItem/LineItemType,lineItem/UsageStartDate,lineItem/UsageEndDate,lineItem/ProductCode,lineItem/UsageType,lineItem/Operation,lineItem/UsageAmount,lineItem/CurrencyCode,lineItem/UnblendedCost,lineItem/LineItemDescription,lineItem/ResourceId,pricing/unit,pricing/publicOnDemandCost,savingsPlan/SavingsPlanARN,savingsPlan/SavingsPlanEffectiveCost,savingsPlan/TotalCommitmentToDate,savingsPlan/UsedCommitment,reservation/ReservationARN,reservation/EffectiveCost,reservation/UnusedRecurringFee,reservation/UnusedAmortizedUpfrontFeeForBillingPeriod'),
	('1,2019-05-01T00:00:00Z,2019-06-01T00:00:00Z,1,2,SavingsPlanCoveredUsage,2019-05-01T00:00:00Z,2019-05-01T01:00:00Z,AmazonEC2,BoxUsage:m5.large,RunInstances,1,USD,0.10,covered,i-1,Hrs,0.10,arn:sp,0.07,,,,,,'),
	('2,2019-05-01T00:00:00Z,2019-06-01T00:00:00Z,1,2,SavingsPlanNegation,2019-05-01T00:00:00Z,2019-05-01T01:00:00Z,AmazonEC2,BoxUsage:m5.large,RunInstances,1,USD,-0.09,negation,,Hrs,0,arn:sp,,,,,,,'),
	('3,2019-05-01T00:00:00Z,2019-06-01T00:00:00Z,1,2,SavingsPlanRecurringFee,2019-05-01T00:00:00Z,2019-06-01T00:00:00Z,ComputeSavingsPlans,ComputeSP:1yrNoUpfront,,1,USD,0.10,fee,,,0,arn:sp,,0.10,0.07,,,,'),
	('4,2019-05-01T00:00:00Z,2019-06-01T00:00:00Z,1,2,RIFee,2019-05-01T00:00:00Z,2019-06-01T00:00:00Z,AmazonEC2,HeavyUsage:m5.large,RunInstances,744,USD,7.44,fee of a reservation,,Hrs,0,,,,,arn:ri,,1.86,0'),
	('5,2019-05-01T00:00:00Z,2019-06-01T00:00:00Z,1,2,Refund,2019-05-01T00:00:00Z,2019-06-01T00:00:00Z,AmazonEC2,,,,USD,-3,refund,,,,,,,,,,,'),
	('6,2019-05-01T00:00:00Z,2019-06-01T00:00:00Z,1,2,Credit,2019-05-01T00:00:00Z,2019-06-01T00:00:00Z,AmazonEC2,,,0,USD,-1.5,credit,,,,,,,,,,,'),
	('7,2019-05-01T00:00:00Z,2019-06-01T00:00:00Z,1,2,EdpDiscount,2019-05-01T00:00:00Z,2019-06-01T00:00:00Z,AmazonEC2,BoxUsage:m5.large,RunInstances,,USD,-0.5,discount,i-1,,,,,,,,,,'),
	('8,2019-05-01T00:00:00Z,2019-06-01T00:00:00Z,1,2,Fee,2019-05-01T00:00:00Z,2019-06-01T00:00:00Z,AWSSupportBusiness,,,,USD,100,support,,,,,,,,,,,'),
	('9,2019-05-01T00:00:00Z,2019-06-01T00:00:00Z,1,2,Usage,2019-05-01T00:00:00Z,2019-05-01T01:00:00Z,AmazonS3,TimedStorage,,2,USD,-0.4,"negative, with a list price",arn:aws:s3:::bucket,GB-Mo,0.05,,,,,,,,'),
	('10,2019-05-01T00:00:00Z,2019-06-01T00:00:00Z,1,2,Usage,2019-05-01T00:00:00Z,2019-05-01T01:00:00Z,AmazonS3,Requests,,-3,USD,0.3,a negative quantity,bucket,Requests,0.3,,,,,,,,'),
	('11,2019-05-01T00:00:00Z,2019-06-01T00:00:00Z,1,2,Usage,2019-05-01T00:00:00Z,2019-05-01T01:00:00Z,AmazonS3,Requests,,0,USD,0,nothing,bucket,,0,,,,,,,,'),
	('12,2019-05-01T00:00:00Z,2019-06-01T00:00:00Z,1,2,Tax,2019-05-01T00:00:00Z,2019-06-01T00:00:00Z,AmazonS3,,,,USD,0.02,tax,,,,,,,,,,,'),
	('13,2019-05-01T00:00:00Z,2019-06-01T00:00:00Z,1,,Usage,2019-05-01T00:00:00Z,2019-05-01T01:00:00Z,,,,1,USD,1,no product and no account,,10K,,,,,,,,,');
SELECT format('COPY odd TO %L', current_setting('data_directory') || '/finops_focus_odd.csv') \gexec
SELECT is((SELECT status FROM finops.load_bill(current_setting('data_directory') || '/finops_focus_odd.csv', source_id => 'odd')), 'loaded', 'an odd bill');
CREATE TEMP TABLE odd_focus AS SELECT * FROM finops.focus_line WHERE source = 'odd';
SELECT is_empty($$SELECT rule_id, violations FROM finops.validate_focus('odd_focus') WHERE status = 'fail'$$, 'violates no rule');
SELECT is_empty($$SELECT rule_id, violations FROM finops.validate_focus('odd_focus', '1.4') WHERE status = 'fail' AND rule_id NOT LIKE '%CommitmentProgramEligibilityDetails'  AND rule_id <> 'CAU-CostAndUsage-D-097-C'$$, 'nor of 1.4');
-- billed: 0.10 - 0.09 + 0.10 + 7.44 - 3 - 1.5 - 0.5 + 100 - 0.4 + 0.3 + 0.02 + 1; effective: 0.07 + 0.03 + 1.86 - 3 - 1.5 - 0.5 + 100 - 0.4 + 0.3 + 0.02 + 1
SELECT is(sum("BilledCost") || ' ' || sum("EffectiveCost"), '103.47 97.88', 'with the sums of the bill') FROM odd_focus;
SELECT results_eq($$SELECT part, "ChargeCategory", "BilledCost", "EffectiveCost", "CommitmentDiscountStatus", "CommitmentDiscountQuantity" FROM odd_focus
	WHERE "CommitmentDiscountId" IS NOT NULL ORDER BY "CommitmentDiscountId", part, "ChargeCategory" DESC$$,
	$$VALUES (1, 'Purchase', 7.44, 0::numeric, NULL, 744::numeric), (2, 'Usage', 0, 1.86, 'Unused', 186),
		(1, 'Usage', 0, 0.07, 'Used', 0.07), (1, 'Purchase', 0.10, 0, NULL, 0.10), (2, 'Usage', 0, 0.03, 'Unused', 0.03), (3, 'Adjustment', 0.01, 0, NULL, NULL)$$,
	'commitments: a quarter of the reservation and thirty percent of the plan were not used, and a cent is left of the negation');
SELECT results_eq($$SELECT part, "ChargeCategory", "BilledCost", "EffectiveCost", "PricingQuantity", "ListUnitPrice", "CommitmentDiscountStatus" FROM odd_focus WHERE "ServiceName" LIKE '%Support%' ORDER BY part$$,
	$$VALUES (1, 'Purchase', 100::numeric, 0::numeric, 1::numeric, 100::numeric, NULL), (2, 'Usage', 0, 100, 0, 0, NULL)$$, 'a fee that is used up at once');
SELECT results_eq($$SELECT "PricingQuantity", "ContractedUnitPrice", "ListUnitPrice" FROM odd_focus WHERE "ChargeDescription" IN ('negative, with a list price', 'a negative quantity', 'discount') ORDER BY "BilledCost"$$,
	$$VALUES (-1::numeric, 0.5, 0.5), (-2, 0.2, 0.2), (3, 0.1, 0.1)$$, 'prices are never negative');

-- our own export, loaded as a bill, is the same rows
CREATE TEMP TABLE before AS SELECT * FROM finops.focus_cost_and_usage;
CREATE TEMP TABLE before_1_4 AS SELECT * FROM finops.focus_1_4_cost_and_usage WHERE "BillingPeriodStart" = '2020-06-01 00:00+00';
SELECT format($$COPY (SELECT finops.export_focus('2020-06-01', %L)) TO %L (FORMAT csv, DELIMITER E'\x01', QUOTE E'\x02')$$, version, current_setting('data_directory') || '/finops_focus_' || version || '.csv')
FROM (VALUES ('1.2'), ('1.4')) v(version) \gexec
TRUNCATE fact_cost_raw;
SELECT is((SELECT status FROM finops.load_bill(current_setting('data_directory') || '/finops_focus_1.2.csv', source_id => 'export of 1.2')), 'loaded', 'the export of 1.2 as a bill');
SELECT is_empty($$(SELECT * FROM before WHERE "BillingPeriodStart" = '2020-06-01 00:00+00' EXCEPT ALL SELECT * FROM finops.focus_cost_and_usage)
	UNION ALL (SELECT * FROM finops.focus_cost_and_usage EXCEPT ALL SELECT * FROM before)$$, 'comes back row by row');
-- a restated month whose intermediate results do not fit into memory
SET LOCAL work_mem = '64kB';
SELECT is((SELECT status FROM finops.load_bill(current_setting('data_directory') || '/finops_focus_1.4.csv', source_id => 'export of 1.2')), 'replaced', 'the export of 1.4 in its place');
RESET work_mem;
SELECT is_empty($$(SELECT * FROM before_1_4 EXCEPT ALL SELECT * FROM finops.focus_1_4_cost_and_usage) UNION ALL (SELECT * FROM finops.focus_1_4_cost_and_usage EXCEPT ALL SELECT * FROM before_1_4)$$,
	'comes back row by row, with its allocation');

-- FOCUS bills come back as delivered, column by column
CREATE FUNCTION pg_temp.changed(path text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	DROP TABLE IF EXISTS delivered;
	EXECUTE (SELECT format('CREATE TEMP TABLE delivered (%s)', string_agg(format('%I text', regexp_replace(name, '\W', '', 'g')), ', ' ORDER BY o)) FROM string_to_table(split_part(pg_read_file(path, 0, 4000), E'\n', 1), ',') WITH ORDINALITY h(name, o));
	EXECUTE format('COPY delivered FROM %L (FORMAT csv, HEADER, NULL ''NULL'')', path);
	TRUNCATE fact_cost_raw;
	PERFORM finops.load_bill(path, source_id => 'as delivered');
	EXECUTE (SELECT format('SELECT string_agg(DISTINCT name, '', '') FROM (%s) x', string_agg(format('SELECT %L AS name WHERE EXISTS (%s)', a.attname,
		format(CASE WHEN v.atttypid = 'numeric'::regtype THEN 'SELECT %1$I::numeric FROM delivered WHERE %1$I <> '''' EXCEPT ALL SELECT %1$I FROM roundtrip'
			WHEN v.atttypid = 'timestamptz'::regtype THEN 'SELECT (replace(replace(%1$I, ''T'', '' ''), ''Z'', '''') || ''+00'')::timestamptz FROM delivered WHERE %1$I <> '''' EXCEPT ALL SELECT %1$I FROM roundtrip'
			WHEN v.atttypid = 'jsonb'::regtype THEN 'SELECT %1$I::jsonb FROM delivered WHERE %1$I <> '''' EXCEPT ALL SELECT %1$I FROM roundtrip'
			ELSE 'SELECT %1$I FROM delivered WHERE %1$I <> '''' EXCEPT ALL SELECT %1$I FROM roundtrip' END, a.attname)), ' UNION ALL '))
		FROM pg_attribute a JOIN pg_attribute v ON v.attrelid = 'finops.focus_cost_and_usage'::regclass AND v.attname = a.attname WHERE a.attrelid = 'pg_temp.delivered'::regclass AND a.attnum > 0) INTO result;
	RETURN result;
END $$;
CREATE TEMP VIEW roundtrip AS SELECT * FROM finops.focus_cost_and_usage;
CREATE FUNCTION pg_temp.violated_by(path text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	TRUNCATE fact_cost_raw;
	PERFORM finops.load_bill(path, source_id => path);
	IF NOT EXISTS (SELECT FROM finops.focus_cost_and_usage) THEN RETURN 'no lines'; END IF;
	RETURN (SELECT string_agg(v.rule_id, ', ') FROM (VALUES ('finops.focus_cost_and_usage'::regclass, '1.2'), ('finops.focus_1_3_cost_and_usage', '1.3'), ('finops.focus_1_4_cost_and_usage', '1.4')) x(relation, version),
		finops.validate_focus(x.relation, x.version) v WHERE v.status = 'fail');
END $$;
-- real bills
SELECT :'shared' <> '' AND (pg_stat_file(:'shared' || '/data/cur', true)).isdir IS TRUE AS has_shared \gset
\if :has_shared
TRUNCATE fact_cost_raw;
SELECT is((SELECT string_agg(DISTINCT status, ',') FROM finops.load_bill(:'shared' || '/data/cur/' || path)), 'loaded', path) FROM (VALUES ('Oct2018-WorkshopCUR.csv.gz'), ('Workload_Step5CUR.csv.gz'), ('aws_sample.csv')) f(path);
CREATE TEMP TABLE real AS SELECT * FROM finops.focus_cost_and_usage;
SELECT is_empty($$SELECT rule_id, violations FROM finops.validate_focus('real') WHERE status = 'fail'$$, 'real bills violate no rule');
SELECT is(sum("BilledCost") || ' ' || sum("EffectiveCost"), (SELECT sum(billed_cost) || ' ' || sum(effective_cost) FROM fact_cost_raw), 'and keep their sums') FROM real;
SELECT is_empty($$SELECT rule_id, violations FROM finops.validate_focus('finops.focus_contract_commitment', '1.4', 'ContractCommitment') WHERE status = 'fail'$$, 'nor do their commitments');
SELECT is(pg_temp.changed(:'shared' || '/data/focus/focus_sample.csv'), NULL, 'the published sample comes back as delivered');
SELECT is(pg_temp.violated_by(:'shared' || '/data/azure/' || path), NULL, path || ' violates no rule') FROM (VALUES ('EA_ActualCost_Small.csv'), ('EA_AmortizedCost_Small.csv'), ('azure_ea_sample.csv')) f(path);
\else
SELECT skip('FINOPS_SHARED has no bills', 10);
\endif

SELECT * FROM finish();
ROLLBACK;

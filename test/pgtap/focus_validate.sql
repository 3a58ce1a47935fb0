-- FOCUS: checking tables against the rules
BEGIN;
\set shared `echo "$FINOPS_SHARED"`
SELECT * FROM no_plan();

-- the rules: numbers of the published model of 1.2
SELECT results_eq($$SELECT class, count(*) FROM finops.focus_rule WHERE since = '1.2' GROUP BY 1 ORDER BY 1$$, $$VALUES ('A', 82::bigint), ('C', 470), ('D', 69)$$, 'rules of 1.2 by class');
SELECT is(count(*) || ' ' || count(DISTINCT rule_id), '621 621', 'their ids are distinct') FROM finops.focus_rules_of('1.2', 'CostAndUsage');
SELECT is(count(*), 82::bigint, 'pairs of category and subcategory') FROM finops.focus_subcategory;
SELECT set_eq($$SELECT rule_id FROM finops.focus_rules_of('1.2', 'CostAndUsage') WHERE kind = 'defective'$$,
	ARRAY['BilledCost-C-005-C', 'CommitmentDiscountStatus-C-003-C', 'CommitmentDiscountStatus-C-004-C', 'CommitmentDiscountStatus-C-005-M', 'InvoiceId-C-004-C', 'InvoiceId-C-005-C'], 'rules set aside by name');
SELECT is(count(DISTINCT column_name), n, format('columns of %s %s', dataset, version))
FROM (VALUES ('CostAndUsage', '1.2', 57::bigint), ('CostAndUsage', '1.3', 65), ('CostAndUsage', '1.4', 67), ('ContractCommitment', '1.3', 13), ('ContractCommitment', '1.4', 30),
	('InvoiceDetail', '1.4', 22), ('BillingPeriod', '1.4', 6)) v(dataset, version, n)
CROSS JOIN LATERAL finops.focus_rules_of(version, dataset) GROUP BY dataset, version, n ORDER BY dataset, version;
SELECT is_empty($$SELECT * FROM finops.focus_rule r WHERE kind IN ('one', 'pair', 'same', 'notbefore') AND NOT EXISTS (SELECT FROM finops.focus_rule c WHERE c.dataset = r.dataset AND c.kind = 'present' AND c.parameter = r.parameter)$$,
	'columns named by rules are columns');
SELECT is_empty($$SELECT m[1] FROM finops.focus_rule r, regexp_matches(r.condition, '(?:^| & | or )(\w+?)(?:-|!|=|<>)', 'g') m
	WHERE NOT EXISTS (SELECT FROM finops.focus_rule c WHERE c.dataset = r.dataset AND c.kind = 'present' AND c.parameter = m[1])$$, 'and so are those of conditions');

-- formats
SELECT is(finops.focus_format_ok(value, format), ok, format('%s "%s"', format, value))
FROM (VALUES ('numeric', '1', true), ('numeric', '-12.50', true), ('numeric', '1.5E-7', true), ('numeric', '.5', true), ('numeric', '+1', false), ('numeric', '1,000', false), ('numeric', '1E', false), ('numeric', '', false), ('numeric', '-', false),
	('numeric', 'NaN', false), ('numeric', '1e9999', false), ('numeric', '$1', false),
	('timestamp', '2024-02-29T23:59:59Z', true), ('timestamp', '2023-02-29T00:00:00Z', false), ('timestamp', '2024-01-01 00:00:00', false), ('timestamp', '2024-01-01T00:00:00', false), ('timestamp', '2024-01-01T24:00:00Z', false), ('timestamp', '2024-13-01T00:00:00Z', false),
	('datetime', '2024-01-01', true), ('datetime', '2024-01-01T00:00:00.123+05:30', true), ('datetime', '2024-01-01T00:00:00.', false), ('datetime', '01/01/2024', false), ('datetime', '2024-01-01T00:00:00+', false),
	('currency', 'EUR', true), ('currency', 'eur', false), ('currency', 'EURO', false),
	('unit', 'GB', true), ('unit', 'GB-Hours', true), ('unit', 'GB-Hour', false), ('unit', 'GB/Hour', true), ('unit', 'GB/Hours', false), ('unit', '1000 Requests', true), ('unit', 'Requests/3 Months', true), ('unit', 'Requests/3 Month', false), ('unit', 'Lambda-GB-Seconds', false),
	('unit', '10K', false), ('unit', 'API Requests', true), ('unit', 'Units ', false), ('unit', '', false),
	('keyvalue', '{"a": "b", "c": 1, "d": null}', true), ('keyvalue', '{"a": {"b": 1}}', false), ('keyvalue', '{"a": [1]}', false), ('keyvalue', '{"a": "{"}', true), ('keyvalue', '[1]', false), ('keyvalue', '{"a"}', false), ('keyvalue', '{}', true),
	('json', '{"Elements": [{"a": 1}]}', true), ('json', '{"Elements": [{]}', false), ('json', '1', false),
	('text', 'Größe 大', true), ('text', E'a\x01b', false), ('duration', '3 Years', true), ('duration', '0 Years', false), ('duration', '1 Year', true), ('duration', '1Year', false), ('duration', '2 Fortnights', false)) c(format, value, ok);
SELECT throws_ok($$SELECT finops.focus_format_ok('1', 'roman')$$, '22023', NULL, 'an unknown format');

-- the facts, typed and as texts
SELECT is((SELECT status FROM finops.generate_bill('2020-05-01', 3000, 20, 5)), 'loaded', 'a bill');
CREATE TEMP TABLE typed AS SELECT * FROM finops.focus_cost_and_usage WHERE "BillingPeriodStart" = '2020-05-01 00:00+00';
SELECT format('CREATE TEMP TABLE texts AS SELECT %s FROM typed', string_agg(CASE WHEN atttypid = 'timestamptz'::regtype THEN format($$to_char(%1$I AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS %1$I$$, attname)
	ELSE format('%I::text', attname) END, ', ' ORDER BY attnum)) FROM pg_attribute WHERE attrelid = 'typed'::regclass AND attnum > 0 \gexec
SELECT is_empty($$SELECT * FROM finops.validate_focus('finops.focus_cost_and_usage') WHERE status = 'fail'$$, 'the view violates no rule');
SELECT is_empty($$SELECT * FROM finops.validate_focus('texts') WHERE status = 'fail'$$, 'nor do its texts');
SELECT results_eq($$SELECT status, count(*) FROM finops.validate_focus('typed') GROUP BY 1 ORDER BY 1$$, $$VALUES ('pass', 265::bigint), ('skipped', 356)$$, 'every rule that a machine can check is checked');
SELECT is_empty($$SELECT * FROM finops.validate_focus('typed') WHERE (status = 'skipped') <> (violations IS NULL) OR (status = 'skipped' AND detail IS NULL)$$, 'and what is skipped says why');

-- one thing broken at a time: the rules that say so, and no others.  "u" is a
-- usage line, "p" a purchase, "c" usage under a commitment, "t" a tax
CREATE TEMP TABLE kinds AS
SELECT * FROM (
	SELECT t.*, CASE WHEN "ChargeCategory" = 'Tax' THEN 't' WHEN "ChargeCategory" = 'Purchase' THEN 'p' WHEN "CommitmentDiscountStatus" = 'Used' THEN 'c' WHEN "ChargeCategory" = 'Usage' AND "CommitmentDiscountId" IS NULL AND "BilledCost" > 0 AND "ResourceId" IS NOT NULL THEN 'u' END AS x_kind,
		row_number() OVER (PARTITION BY "ChargeCategory", "CommitmentDiscountStatus", "BilledCost" > 0, "ResourceId" IS NULL ORDER BY "ChargePeriodStart", "SkuId", "ResourceId", "BilledCost") AS x_line FROM typed t
) k WHERE x_kind IS NOT NULL AND x_line <= 3;
SELECT set_eq('SELECT DISTINCT x_kind FROM kinds', ARRAY['u', 'p', 'c', 't'], 'lines of each kind');
CREATE FUNCTION pg_temp.violated(kind text, change text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	DROP TABLE IF EXISTS broken;
	CREATE TEMP TABLE broken AS SELECT * FROM kinds;
	EXECUTE CASE WHEN kind = 'column' THEN 'ALTER TABLE broken ' || change ELSE format('UPDATE broken SET %s WHERE x_kind = %L AND x_line = 1', change, kind) END;
	RETURN (SELECT string_agg(v.rule_id, ', ' ORDER BY v.rule_id COLLATE "C") FROM finops.validate_focus('broken') v WHERE v.status = 'fail');
END $$;
SELECT is(pg_temp.violated(kind, change), rules, format('%s: %s', kind, change))
FROM (VALUES
	('u', '"BilledCost" = "BilledCost"', NULL),
	('u', '"BilledCost" = NULL', 'BilledCost-C-003-M'),
	('u', $q$"BilledCost" = 'NaN'$q$, 'BilledCost-C-001-M, BilledCost-C-002-M, BilledCost-C-004-M'),
	('u', '"BillingAccountId" = NULL', 'BillingAccountId-C-001-M, BillingAccountType-C-004-C'),
	('u', $q$"BillingCurrency" = 'Dollar'$q$, 'BillingCurrency-C-003-M, BillingCurrency-C-006-M'),
	('u', $q$"ChargeCategory" = 'Use'$q$, 'ChargeCategory-C-003-M, ConsumedQuantity-C-004-C'),
	('u', $q$"ChargeClass" = 'Corrected'$q$, 'ChargeClass-C-005-C'),
	('u', '"ChargeDescription" = NULL', 'ChargeDescription-C-003-O'),
	('column', $q$ALTER "ChargeDescription" TYPE text USING E'a\x02'$q$, 'ChargeDescription-C-002-M'),
	('p', $q$"ChargeFrequency" = 'Usage-Based'$q$, 'ChargeFrequency-C-004-C'),
	('u', $q$"ChargeFrequency" = 'Daily'$q$, 'ChargeFrequency-C-003-M'),
	('u', $q$"ChargePeriodEnd" = 'infinity'$q$, 'ChargePeriodEnd-C-001-M, ChargePeriodEnd-C-002-M'),
	('u', '"ChargePeriodStart" = NULL', 'ChargePeriodStart-C-003-M'),
	('p', '"EffectiveCost" = 1', 'EffectiveCost-C-005-C'),
	('u', '"ListCost" = "ListCost" * 1.01', 'ListCost-C-009-C, ListUnitPrice-C-010-C'),
	('u', '"ListCost" = "ListCost" * 1.0000000000001', NULL),
	('u', '"ContractedUnitPrice" = -"ContractedUnitPrice"', 'ContractedUnitPrice-C-009-C, ContractedUnitPrice-C-011-C'),
	('u', '"ContractedUnitPrice" = NULL', 'ContractedUnitPrice-C-006-C'),
	('t', '"ListUnitPrice" = 1', 'ListUnitPrice-C-004-C'),
	('u', '"PricingQuantity" = NULL', 'PricingQuantity-C-005-C, PricingUnit-C-005-C'),
	('u', $q$"PricingUnit" = 'Hrs-Mo'$q$, 'PricingUnit-C-003-O'),
	('u', '"ConsumedUnit" = NULL', 'ConsumedUnit-C-006-C'),
	('p', '"ConsumedQuantity" = 1', 'ConsumedQuantity-C-004-C, ConsumedUnit-C-006-C'),
	('c', '"ConsumedQuantity" = NULL', 'ConsumedQuantity-C-006-C, ConsumedUnit-C-005-C'),
	('c', '"CommitmentDiscountQuantity" = NULL', 'CommitmentDiscountQuantity-C-005-C, CommitmentDiscountUnit-C-005-C'),
	('c', $q$"CommitmentDiscountCategory" = 'Money'$q$, 'CommitmentDiscountCategory-C-005-M'),
	('c', '"CommitmentDiscountId" = NULL', 'CommitmentDiscountCategory-C-003-C, CommitmentDiscountQuantity-C-007-C, CommitmentDiscountType-C-004-C'),
	('u', $q$"CapacityReservationStatus" = 'Unused'$q$, 'CapacityReservationId-C-005-C, CapacityReservationStatus-C-003-C'),
	('u', $q$"ServiceName" = 'x', "ServiceCategory" = 'Database'$q$, 'ServiceCategory-C-003-M, ServiceSubcategory-C-004-M'),
	('u', $q$"ServiceName" = 'x', "ServiceSubcategory" = 'Other'$q$, 'ServiceSubcategory-C-003-M, ServiceSubcategory-C-004-M'),
	('u', $q$"ServiceName" = 'x', "ServiceCategory" = 'Mobile', "ServiceSubcategory" = 'Other (Mobile)'$q$, NULL),
	('u', '"ResourceType" = NULL', 'ResourceType-C-005-C'),
	('u', '"RegionName" = NULL', 'RegionName-C-005-C'),
	('u', '"SkuMeter" = NULL', 'SkuMeter-C-005-C'),
	('u', '"SkuPriceId" = NULL, "SkuPriceDetails" = NULL', 'SkuPriceId-C-005-C'),
	('u', $q$"SkuPriceDetails" = '{"a": {"b": 1}}'$q$, 'SkuPriceDetails-C-001-M'),
	('u', $q$"Tags" = '[]'$q$, 'Tags-C-001-M'),
	('u', '"SubAccountId" = NULL', 'SubAccountName-C-004-C, SubAccountType-C-004-C'),
	('u', '"PricingCurrencyListUnitPrice" = NULL', 'PricingCurrencyListUnitPrice-C-005-C'),
	('u', $q$"PricingCurrency" = 'Credits'$q$, NULL),
	('u', $q$"PricingCurrency" = E'Cre\x02dits'$q$, 'PricingCurrency-C-002-M, PricingCurrency-C-003-M'),
	('column', 'DROP "BilledCost"', 'CostAndUsage-D-006-M'),
	('column', 'DROP "ServiceSubcategory"', 'CostAndUsage-D-042-O'),
	('column', $q$ALTER "EffectiveCost" TYPE text USING '1,000'$q$, 'EffectiveCost-C-001-M, EffectiveCost-C-002-M, EffectiveCost-C-004-M'),
	('column', $q$ALTER "ChargeFrequency" TYPE bytea USING convert_to("ChargeFrequency", 'UTF8')$q$, 'ChargeFrequency-C-001-M, ChargeFrequency-C-003-M')
) c(kind, change, rules);
-- keys that must have one value
UPDATE kinds SET "ServiceName" = 'one', "ServiceCategory" = 'Web', "ServiceSubcategory" = 'Other (Web)', "SkuPriceId" = 'p', "SkuId" = 's' WHERE x_kind = 'u';
SELECT is(pg_temp.violated('u', $$"ServiceCategory" = 'Mobile', "ServiceSubcategory" = 'Other (Mobile)'$$), 'ServiceName-C-005-C, ServiceName-C-008-C', 'a service with two categories');
SELECT is(pg_temp.violated('u', $$"SkuId" = 't'$$), 'SkuPriceId-C-008-M', 'a price with two SKUs');

-- what cannot be asked
SELECT throws_ok($$SELECT * FROM finops.validate_focus('kinds', '2.0')$$, '22023', NULL, 'an unknown version');
SELECT throws_ok($$SELECT * FROM finops.validate_focus('kinds', '1.2', 'InvoiceDetail')$$, '22023', NULL, 'a dataset before its version');
SELECT is_empty($$SELECT * FROM finops.validate_focus(NULL)$$, 'no relation');
CREATE TEMP TABLE empty AS SELECT * FROM typed LIMIT 0;
SELECT is_empty($$SELECT * FROM finops.validate_focus('empty') WHERE status = 'fail'$$, 'an empty table violates nothing');
CREATE TEMP TABLE nothing ();
SELECT is(count(*) FILTER (WHERE status = 'pass'), 0::bigint, 'a table without columns keeps no rule') FROM finops.validate_focus('nothing');
-- names that want quotes
CREATE SCHEMA "odd ""schema";
CREATE TABLE "odd ""schema"."odd table" AS SELECT * FROM typed LIMIT 5;
SELECT is_empty($$SELECT * FROM finops.validate_focus('"odd ""schema"."odd table"') WHERE status = 'fail'$$, 'names that want quotes');
-- it reads with the rights of the caller
CREATE ROLE focus_reader;
CREATE TEMP TABLE mine ("BilledCost" numeric);
GRANT SELECT ON mine TO focus_reader;
GRANT USAGE ON SCHEMA finops TO focus_reader;
SET LOCAL ROLE focus_reader;
SELECT throws_ok($$SELECT * FROM finops.validate_focus('finops.focus_cost_and_usage')$$, '42501', NULL, 'it reads with the rights of its caller');
SELECT is(status, 'pass', 'a table that one may read') FROM finops.validate_focus('mine') WHERE rule_id = 'CostAndUsage-D-006-M';
RESET ROLE;

CREATE FUNCTION pg_temp.load_sample(path text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE (SELECT format('CREATE TEMP TABLE sample (%s)', string_agg(format('%I text', regexp_replace(name, '\W', '', 'g')), ', ' ORDER BY o)) FROM string_to_table(split_part(pg_read_file(path, 0, 4000), E'\n', 1), ',') WITH ORDINALITY h(name, o));
	EXECUTE format('COPY sample FROM %L (FORMAT csv, HEADER, NULL ''NULL'')', path);
END $$;
-- the published sample: 14 of the columns of 1.2 are not in it
SELECT :'shared' <> '' AND (pg_stat_file(:'shared' || '/data/focus', true)).isdir IS TRUE AS has_shared \gset
\if :has_shared
SELECT lives_ok(format('SELECT pg_temp.load_sample(%L)', :'shared' || '/data/focus/focus_sample.csv'), 'the published sample');
SELECT is(count(*) FILTER (WHERE status = 'fail') || ' ' || count(*) FILTER (WHERE detail LIKE 'column % absent'), '43 55', 'violated rules and rules of absent columns in the published sample') FROM finops.validate_focus('sample');
SELECT results_eq($$SELECT rule_id, violations FROM finops.validate_focus('sample') WHERE rule_id IN ('ContractedCost-C-003-M', 'PricingUnit-C-003-O', 'ServiceName-C-005-C') ORDER BY 1$$,
	$$VALUES ('ContractedCost-C-003-M', 7::bigint), ('PricingUnit-C-003-O', 9), ('ServiceName-C-005-C', 1)$$, 'its known faults');
\else
SELECT skip('FINOPS_SHARED has no sample', 3);
\endif

SELECT * FROM finish();
ROLLBACK;

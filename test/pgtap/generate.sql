-- Generated bills: the identities that a real bill obeys, computed from the
-- facts and, independently of the loader, from the text of the bill.
BEGIN;
SELECT * FROM no_plan();

CREATE TEMP TABLE bill (billing_period date, line_items bigint, tenants int, seed bigint);
-- one line a month per meter, daily, hourly
INSERT INTO bill VALUES ('2020-02-01', 700, 12, 5), ('2020-03-01', 3000, 20, 6), ('2020-04-01', 41000, 30, 7);
CREATE TEMP TABLE loaded AS
SELECT g.*, b.line_items AS asked FROM bill b
CROSS JOIN LATERAL finops.generate_bill(b.billing_period, b.line_items, b.tenants, b.seed) g;

SELECT is(status || ' ' || rows_loaded || ' ' || rows_rejected, 'loaded ' || asked || ' 0',
	billing_period || ': every line asked for is loaded') FROM loaded ORDER BY 1;

CREATE TEMP TABLE fact AS SELECT f.*, f.bill_billing_period_start_date AS p FROM fact_cost_raw f JOIN loaded l USING (delivery_id);
ANALYZE fact;

-- the text, split by a regular expression rather than by the loader
CREATE TEMP TABLE text_line AS
SELECT b.billing_period AS p, l.n, (SELECT array_agg(m[1] ORDER BY no) FROM regexp_matches(l.line, '("(?:[^"]|"")*"|[^,]*)(?:,|$)', 'g') WITH ORDINALITY AS c(m, no)) AS cells
FROM bill b
CROSS JOIN LATERAL finops.generated_bill_lines(b.billing_period, b.line_items, b.tenants, b.seed) WITH ORDINALITY AS l(line, n)
WHERE b.line_items < 10000;
CREATE TEMP TABLE line AS
SELECT l.p, l.n, jsonb_object(h.cells[1:63], l.cells[1:63]) AS cell
FROM text_line l JOIN text_line h ON h.p = l.p AND h.n = 1 WHERE l.n > 1;
CREATE TEMP TABLE control AS SELECT p, sum((cell ->> 'line_item_unblended_cost')::numeric) AS billed, count(*) AS lines FROM line GROUP BY 1;
SELECT is(l.billed_cost, c.billed, l.billing_period || ': billed cost is the sum of the text') FROM loaded l JOIN control c ON c.p = l.billing_period;
SELECT is(l.rows_loaded, c.lines, l.billing_period || ': the text has as many lines') FROM loaded l JOIN control c ON c.p = l.billing_period;
SELECT is(count(*), 2::bigint, 'two bills were compared with their text') FROM control;

SELECT is(sum(f.billed_cost)::text || ' ' || sum(f.effective_cost), l.billed_cost::text || ' ' || l.effective_cost,
	l.billing_period || ': the result shows the sums of the facts')
FROM fact f JOIN loaded l USING (delivery_id) GROUP BY l.billing_period, l.billed_cost, l.effective_cost;
SELECT is(sum(c.billed_cost)::text || ' ' || sum(c.effective_cost) || ' ' || sum(c.line_items), l.billed_cost::text || ' ' || l.effective_cost || ' ' || l.rows_loaded,
	l.billing_period || ': so does the roll-up')
FROM finops.cost_daily c JOIN loaded l USING (billing_period) JOIN bill b USING (billing_period) WHERE c.source = 'generated/' || b.seed
GROUP BY l.billing_period, l.billed_cost, l.effective_cost, l.rows_loaded;

-- lines
SELECT is(count(*), count(DISTINCT (identity_line_item_id, identity_time_interval)), p || ': line id and interval are a key') FROM fact GROUP BY p ORDER BY p;
SELECT ok(count(*) > 2 * count(DISTINCT identity_line_item_id), 'a line id repeats for every hour') FROM fact WHERE p = '2020-04-01';
SELECT is(array_agg(DISTINCT line_item_line_item_type ORDER BY line_item_line_item_type),
	'{Credit,DiscountedUsage,Fee,RIFee,Refund,SavingsPlanCoveredUsage,SavingsPlanNegation,SavingsPlanRecurringFee,Tax,Usage}'::text[],
	p || ': kinds of lines') FROM fact GROUP BY p ORDER BY p;
SELECT cmp_ok(count(*) FILTER (WHERE billed_cost = 0) * 100 / count(*), '>=', 40::bigint, p || ': many lines bill nothing') FROM fact GROUP BY p ORDER BY p;
SELECT cmp_ok(max(scale(trim_scale(billed_cost))), '=', 10, p || ': costs have ten decimals') FROM fact GROUP BY p ORDER BY p;
SELECT is(count(*) FILTER (WHERE line_item_line_item_type IN ('Credit', 'Refund', 'SavingsPlanNegation') AND billed_cost >= 0)
	+ count(*) FILTER (WHERE line_item_line_item_type NOT IN ('Credit', 'Refund', 'SavingsPlanNegation') AND billed_cost < 0), 0::bigint,
	p || ': credits, refunds and negations are negative, nothing else is') FROM fact GROUP BY p ORDER BY p;
SELECT cmp_ok(count(DISTINCT line_item_usage_account_id), '>=', 4::bigint, p || ': several accounts') FROM fact GROUP BY p ORDER BY p;
SELECT cmp_ok(count(DISTINCT service), '>=', 20::bigint, p || ': many services') FROM fact GROUP BY p ORDER BY p;
SELECT is(min(line_item_usage_start_date) >= min(p) AND max(line_item_usage_end_date) <= max(p) + interval '1 month', true,
	p || ': charge periods lie in the month') FROM fact GROUP BY p ORDER BY p;
SELECT is(mode() WITHIN GROUP (ORDER BY line_item_usage_end_date - line_item_usage_start_date), w.width, p || ': time unit of the lines')
FROM fact JOIN (VALUES ('2020-02-01'::date, interval '29 days'), ('2020-03-01', '1 day'), ('2020-04-01', '1 hour')) AS w(p, width) USING (p)
GROUP BY p, w.width ORDER BY p;

-- commitments
SELECT is(sum(list_cost), 0::numeric, p || ': a negation has no list cost, its usage has it')
FROM fact WHERE line_item_line_item_type = 'SavingsPlanNegation' GROUP BY p ORDER BY p;
SELECT is(sum(billed_cost), 0::numeric, p || ': covered usage and negation cancel')
FROM fact WHERE line_item_line_item_type IN ('SavingsPlanCoveredUsage', 'SavingsPlanNegation') GROUP BY p ORDER BY p;
SELECT is_empty($$
	SELECT p, savings_plan_arn, line_item_usage_start_date, line_item_usage_type, line_item_usage_account_id
	FROM fact WHERE line_item_line_item_type IN ('SavingsPlanCoveredUsage', 'SavingsPlanNegation')
	GROUP BY 1, 2, 3, 4, 5 HAVING sum(billed_cost) <> 0
$$, 'they do per plan, time unit, usage type and account');
SELECT is(sum(billed_cost) FILTER (WHERE line_item_line_item_type = 'SavingsPlanRecurringFee'),
	sum(effective_cost) FILTER (WHERE line_item_line_item_type IN ('SavingsPlanRecurringFee', 'SavingsPlanCoveredUsage')),
	p || ': fee of the plans = used + unused commitment') FROM fact GROUP BY p ORDER BY p;
SELECT cmp_ok(sum(billed_cost) FILTER (WHERE line_item_line_item_type = 'SavingsPlanRecurringFee'), '>', 0::numeric, p || ': there is a plan') FROM fact GROUP BY p ORDER BY p;
-- amortised upfront is not in the facts: what the columns of the text say
SELECT is(sum(nullif(cell ->> 'reservation_effective_cost', '')::numeric) FILTER (WHERE kind = 'DiscountedUsage')
	+ sum(nullif(cell ->> 'reservation_unused_recurring_fee', '')::numeric) FILTER (WHERE kind = 'RIFee')
	+ sum(nullif(cell ->> 'reservation_unused_amortized_upfront_fee_for_billing_period', '')::numeric) FILTER (WHERE kind = 'RIFee'),
	sum((cell ->> 'line_item_unblended_cost')::numeric) FILTER (WHERE kind = 'RIFee')
	+ sum(nullif(cell ->> 'reservation_amortized_upfront_fee_for_billing_period', '')::numeric) FILTER (WHERE kind = 'RIFee'),
	p || ': reservations, used + unused = recurring + amortised upfront')
FROM line CROSS JOIN LATERAL (SELECT cell ->> 'line_item_line_item_type') AS k(kind) GROUP BY p ORDER BY p;
SELECT is(sum(effective_cost) FILTER (WHERE line_item_line_item_type IN ('DiscountedUsage', 'RIFee')) > 0 AND
	count(*) FILTER (WHERE line_item_line_item_type = 'Fee' AND reservation_arn IS NOT NULL AND billed_cost > 0 AND effective_cost = 0) >= 1, true,
	p || ': a reservation is paid upfront in the month its term begins') FROM fact GROUP BY p ORDER BY p;
SELECT is((SELECT amount FROM finops.cost_bridge(billing_period) WHERE line = 'residual'), 0::numeric,
	billing_period || ': the bridge from billed to effective has no residual') FROM loaded ORDER BY 1;

-- tax: a rate of the account's other lines for the same product, to the cent
SELECT is_empty($$
	SELECT t.p, t.service, t.billed_cost
	FROM fact t
	CROSS JOIN LATERAL (SELECT sum(c.billed_cost) AS base FROM fact c WHERE c.p = t.p AND c.service = t.service
		AND c.line_item_usage_account_id = t.line_item_usage_account_id AND c.charge_category <> 'Tax') c
	WHERE t.charge_category = 'Tax'
	AND t.billed_cost NOT IN (round(c.base * 0.0825, 2), round(c.base * 0.20, 2)) OR (t.charge_category = 'Tax' AND c.base <= 0)
$$, 'every tax line follows from the charges of its account and product');
SELECT cmp_ok(count(*), '>=', 3::bigint, p || ': there are tax lines') FROM fact WHERE charge_category = 'Tax' GROUP BY p ORDER BY p;

-- tags
SELECT ok(sum(effective_cost) FILTER (WHERE tenant_id IS NOT NULL) / sum(effective_cost) BETWEEN 0.965 AND 0.995,
	p || ': 97 to 99 % of cost carries a tenant') FROM fact GROUP BY p ORDER BY p;
SELECT ok(count(tenant_id) * 100 / count(*) BETWEEN 50 AND 85, p || ': about two thirds of the lines do') FROM fact GROUP BY p ORDER BY p;
SELECT is(count(DISTINCT tenant_id), b.tenants::bigint, p || ': every tenant has something to pay for')
FROM fact JOIN bill b ON b.billing_period = fact.p WHERE p = '2020-02-01' GROUP BY p, b.tenants;
SELECT is_empty($$SELECT DISTINCT tenant_id FROM fact WHERE tenant_id !~ '^TEN-[0-9]{5}$'$$, 'tenant ids are TEN-nnnnn');
SELECT is_empty($$SELECT DISTINCT f.tenant_id FROM fact f LEFT JOIN tenant_master t USING (tenant_id)
	WHERE f.tenant_id IS NOT NULL AND t.tenant_id IS NULL$$, 'tenants seen in the bill are registered');
SELECT cmp_ok(count(DISTINCT k), '>=', 10::bigint, p || ': tag keys') FROM fact, jsonb_object_keys(resource_tags) k GROUP BY p ORDER BY p;
SELECT ok(bool_or(resource_tags ? 'env') AND bool_or(resource_tags ? 'environment') AND bool_or(resource_tags ? ' org') AND bool_or(resource_tags ? 'org')
	AND bool_or(resource_tags ->> 'cost_center' = ' ') AND bool_or(resource_tags ->> 'tenant_id' = ''), p || ': keys collide, values are blank') FROM fact GROUP BY p ORDER BY p;

-- shape and growth: one seed is one estate in every month
CREATE TEMP TABLE month AS
SELECT m::date AS p, g.billed_cost, g.effective_cost
FROM generate_series('2023-01-01'::date, '2023-03-01', '1 month') m CROSS JOIN LATERAL finops.generate_bill(m::date, 3000, 20, 6) g;
SELECT ok((SELECT effective_cost FROM month WHERE p = '2023-02-01') < (SELECT min(effective_cost) FROM month WHERE p <> '2023-02-01'), 'a short month costs less');
SELECT ok((SELECT effective_cost FROM month WHERE p = '2023-03-01') > (SELECT effective_cost FROM loaded WHERE billing_period = '2020-03-01'), 'three years later the same estate costs more');
SELECT cmp_ok(count(*), '>=', 11::bigint, 'reservations live on from month to month') FROM (
	SELECT reservation_arn FROM fact_cost_raw WHERE source = 'generated/6' AND line_item_line_item_type = 'RIFee' AND bill_billing_period_start_date = '2023-01-01'
	INTERSECT
	SELECT reservation_arn FROM fact_cost_raw WHERE source = 'generated/6' AND line_item_line_item_type = 'RIFee' AND bill_billing_period_start_date = '2023-02-01') r;
SELECT ok(avg(c) FILTER (WHERE extract(isodow FROM d) <= 5) > 1.1 * avg(c) FILTER (WHERE extract(isodow FROM d) > 5), 'working days cost more')
FROM (SELECT line_item_usage_start_date::date AS d, sum(billed_cost) AS c FROM fact WHERE p = '2020-04-01' AND line_item_line_item_type = 'Usage'
	AND line_item_usage_end_date - line_item_usage_start_date = interval '1 hour' GROUP BY 1) x;
SELECT ok(sum(billed_cost) FILTER (WHERE extract(hour FROM line_item_usage_start_date) BETWEEN 9 AND 15)
	> 1.2 * sum(billed_cost) FILTER (WHERE extract(hour FROM line_item_usage_start_date) BETWEEN 17 AND 23), 'a day peaks at noon')
FROM fact WHERE p = '2020-04-01' AND line_item_line_item_type = 'Usage';

-- deterministic
SELECT is((SELECT status FROM finops.generate_bill('2020-02-01', 700, 12, 5)), 'unchanged', 'the same bill again changes nothing');
SELECT is((SELECT string_agg(l, E'\n') FROM finops.generated_bill_lines('2020-02-01', 200) l),
	(SELECT string_agg(l, E'\n') FROM finops.generated_bill_lines('2020-02-01', 200, 50, 1) l), 'defaults: 50 tenants, seed 1');
SELECT isnt((SELECT string_agg(l, E'\n') FROM finops.generated_bill_lines('2020-02-01', 200, 50, 2) l),
	(SELECT string_agg(l, E'\n') FROM finops.generated_bill_lines('2020-02-01', 200, 50, 1) l), 'another seed is another bill');
SELECT is(count(*), 41001::bigint, 'the text in the select list') FROM (SELECT finops.generated_bill_lines('2020-04-01', 41000, 30, 7)) l;

-- FOCUS
SELECT is(sum("BilledCost")::text || ' ' || sum("EffectiveCost"), l.billed_cost::text || ' ' || l.effective_cost,
	l.billing_period || ': the FOCUS view has the sums of the facts')
FROM finops.focus_cost_and_usage v JOIN loaded l ON v."BillingPeriodStart" = l.billing_period::timestamp AT TIME ZONE 'UTC'
GROUP BY l.billing_period, l.billed_cost, l.effective_cost ORDER BY l.billing_period;
CREATE TEMP TABLE focus AS SELECT v.* FROM finops.focus_cost_and_usage v WHERE "BillingPeriodStart" = '2020-03-01 00:00+00';
CREATE TEMP TABLE lines AS SELECT count(*) FILTER (WHERE line_item_line_item_type <> 'SavingsPlanNegation') + count(*) FILTER (WHERE charge_category = 'Purchase' AND effective_cost <> 0) AS n,
	count(*) AS facts FROM fact_cost_raw WHERE bill_billing_period_start_date = '2020-03-01';
SELECT is((SELECT count(*) FROM focus), n, 'one row per fact but negations, and one for the effective cost of a purchase') FROM lines;
SELECT is(facts, 3000::bigint, 'of 3000 facts') FROM lines;
SELECT is_empty($$SELECT * FROM focus WHERE "ChargeCategory" = 'Purchase' AND "EffectiveCost" <> 0$$, 'purchases have no effective cost');
SELECT is_empty($$SELECT * FROM focus WHERE "CommitmentDiscountType" = 'Savings Plan' AND "ChargeCategory" = 'Usage' AND "BilledCost" <> 0$$, 'usage that a savings plan covers bills nothing');
SELECT is(array_agg(a.attname::text ORDER BY a.attnum),
	string_to_array('AvailabilityZone BilledCost BillingAccountId BillingAccountName BillingAccountType BillingCurrency BillingPeriodEnd BillingPeriodStart CapacityReservationId CapacityReservationStatus ChargeCategory ChargeClass ChargeDescription ChargeFrequency ChargePeriodEnd ChargePeriodStart CommitmentDiscountCategory CommitmentDiscountId CommitmentDiscountName CommitmentDiscountQuantity CommitmentDiscountStatus CommitmentDiscountType CommitmentDiscountUnit ConsumedQuantity ConsumedUnit ContractedCost ContractedUnitPrice EffectiveCost InvoiceId InvoiceIssuerName ListCost ListUnitPrice PricingCategory PricingCurrency PricingCurrencyContractedUnitPrice PricingCurrencyEffectiveCost PricingCurrencyListUnitPrice PricingQuantity PricingUnit ProviderName PublisherName RegionId RegionName ResourceId ResourceName ResourceType ServiceCategory ServiceName ServiceSubcategory SkuId SkuMeter SkuPriceDetails SkuPriceId SubAccountId SubAccountName SubAccountType Tags', ' '),
	'the 57 columns of FOCUS 1.2, in its order')
FROM pg_attribute a WHERE a.attrelid = 'finops.focus_cost_and_usage'::regclass AND a.attnum > 0;
SELECT is(string_agg(a.attname || ' ' || a.atttypid::regtype, ', ' ORDER BY a.attnum), NULL, 'types: numeric costs and quantities, timestamptz times, jsonb tags, text')
FROM pg_attribute a WHERE a.attrelid = 'finops.focus_cost_and_usage'::regclass AND a.attnum > 0
AND a.atttypid::regtype::text <> CASE
	WHEN a.attname ~ '(Cost|Quantity|UnitPrice)$' THEN 'numeric'
	WHEN a.attname ~ 'Period(Start|End)$' THEN 'timestamp with time zone'
	WHEN a.attname IN ('Tags', 'SkuPriceDetails') THEN 'jsonb'
	ELSE 'text' END;
SELECT is_empty($$SELECT * FROM focus WHERE num_nulls("BilledCost", "BillingAccountId", "BillingAccountType", "BillingCurrency", "BillingPeriodEnd", "BillingPeriodStart",
	"ChargeCategory", "ChargeFrequency", "ChargePeriodEnd", "ChargePeriodStart", "ContractedCost", "EffectiveCost", "InvoiceIssuerName", "ListCost", "ProviderName",
	"PublisherName", "ServiceCategory", "ServiceName", "ServiceSubcategory") > 0$$, 'columns that may not be null are not');
SELECT is_empty($$SELECT * FROM focus WHERE "ChargeCategory" <> ALL ('{Usage,Purchase,Tax,Credit,Adjustment}')
	OR "ChargeFrequency" <> ALL ('{One-Time,Recurring,Usage-Based}') OR ("ChargeCategory" = 'Purchase' AND "ChargeFrequency" = 'Usage-Based')
	OR "PricingCategory" <> ALL ('{Standard,Dynamic,Committed,Other}') OR "CommitmentDiscountStatus" <> ALL ('{Used,Unused}')
	OR "CommitmentDiscountCategory" <> ALL ('{Spend,Usage}')$$, 'values are those that FOCUS allows');
SELECT is_empty($$SELECT * FROM focus WHERE "ChargePeriodStart" < "BillingPeriodStart" OR "ChargePeriodEnd" > "BillingPeriodEnd"
	OR "ChargePeriodEnd" <= "ChargePeriodStart" OR "BillingPeriodEnd" <> '2020-04-01 00:00+00'$$, 'charge periods exclude their end and lie in the month');
SELECT is_empty($$SELECT * FROM focus WHERE ("CommitmentDiscountId" IS NULL) <> ("CommitmentDiscountCategory" IS NULL)
	OR ("CommitmentDiscountId" IS NULL) <> ("CommitmentDiscountType" IS NULL)
	OR ("CommitmentDiscountStatus" IS NOT NULL AND ("CommitmentDiscountId" IS NULL OR "ChargeCategory" <> 'Usage'))
	OR ("CommitmentDiscountQuantity" IS NULL) <> ("CommitmentDiscountUnit" IS NULL)$$, 'commitment columns go together');
SELECT is_empty($$SELECT * FROM focus WHERE abs("ListUnitPrice" * "PricingQuantity" - "ListCost") > 1e-9 * greatest(1, abs("ListCost"))
	OR abs("ContractedUnitPrice" * "PricingQuantity" - "ContractedCost") > 1e-9 * greatest(1, abs("ContractedCost"))$$, 'price times quantity is cost');
SELECT is_empty($$SELECT * FROM focus WHERE "ServiceCategory" = 'Other' AND "ServiceName" NOT LIKE '%observe%' AND "ServiceName" NOT LIKE '%scanner%'$$,
	'every AWS product of the bill has a category');
SELECT is(count(DISTINCT ("ServiceName", "ServiceCategory")), count(DISTINCT "ServiceName"), 'a service has one category') FROM focus;
-- one line of each kind, worked out from the facts
SELECT results_eq($$SELECT "ServiceName", "ServiceCategory", "PricingCategory", "BillingAccountType", "SubAccountType" FROM focus
	WHERE "SkuMeter" LIKE '%SpotUsage%' LIMIT 1$$,
	$$VALUES ('Amazon Elastic Compute Cloud', 'Compute', 'Dynamic', 'Management Account', 'Account')$$, 'a spot instance');
SELECT is_empty($$SELECT * FROM focus WHERE "CommitmentDiscountType" = 'Savings Plan' AND "ChargeCategory" = 'Usage' AND "CommitmentDiscountStatus" IS NULL$$, 'negations are left out');
SELECT is(sum("ContractedCost") > sum("EffectiveCost"), true, 'commitments save money') FROM focus WHERE "CommitmentDiscountStatus" = 'Used';
-- a row of one's own comes first
INSERT INTO finops.service_catalog (provider, service, service_name, service_category, service_subcategory) VALUES ('AWS', 'AWSGlue', 'Glue', 'Integration', 'Other (Integration)');
SELECT is(array_agg(DISTINCT "ServiceName" || ' ' || "ServiceCategory"), '{Glue Integration}', 'a category of one''s own comes before the shipped one')
FROM finops.focus_cost_and_usage WHERE "BillingPeriodStart" = '2020-03-01 00:00+00' AND "SkuMeter" LIKE '%ETL-DPU-Hour';
SELECT is(count(*), (SELECT n FROM lines), 'and doubles no line') FROM finops.focus_cost_and_usage WHERE "BillingPeriodStart" = '2020-03-01 00:00+00';
SELECT throws_ok($$INSERT INTO finops.service_catalog VALUES ('AWS', 'x', 'x', 'Database', 'Other')$$, '23514', NULL, 'no other categories than those of FOCUS');

SELECT * FROM finish();
ROLLBACK;

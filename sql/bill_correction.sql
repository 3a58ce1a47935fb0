-- Corrections: FOCUS replacement, delta and ledger; bills of locked months.
\set ON_ERROR_STOP 0
\set VERBOSITY terse
BEGIN;
CREATE SCHEMA bill_correction;
SET search_path = bill_correction, public;
CREATE FUNCTION put(name text, content text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	path text := current_setting('data_directory') || '/finops_test_' || name;
	object oid := lo_from_bytea(0, convert_to(content, 'UTF8'));
BEGIN
	PERFORM lo_export(object, path);
	PERFORM lo_unlink(object);
	RETURN path;
END $$;
-- FOCUS lines: resource, cost, list cost, quantity [, class [, category [, tenant [, invoice]]]]
CREATE FUNCTION focus(month date, VARIADIC line text[]) RETURNS text LANGUAGE sql AS $$
	SELECT E'BillingPeriodStart,BillingAccountId,ProviderName,ServiceName,ChargePeriodStart,ChargePeriodEnd,ResourceId,BilledCost,EffectiveCost,ListCost,ConsumedQuantity,ChargeClass,ChargeCategory,Tags,InvoiceId,BillingCurrency,SubAccountId\n'
		|| string_agg(format(E'%s,acc,Acme Cloud,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,USD,%s\n', to_char(month::timestamp, 'YYYY-MM-DD'),
			coalesce(nullif(split_part(l, ' ', 9), ''), 'Compute'),
			to_char(coalesce(nullif(split_part(l, ' ', 10), '')::timestamp, month), 'YYYY-MM-DD'), to_char(coalesce(nullif(split_part(l, ' ', 10), '')::timestamp, month) + interval '1 hour', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
			split_part(l, ' ', 1), split_part(l, ' ', 2), split_part(l, ' ', 2), split_part(l, ' ', 3), split_part(l, ' ', 4),
			coalesce(nullif(split_part(l, ' ', 5), '-'), ''), coalesce(nullif(nullif(split_part(l, ' ', 6), '-'), ''), 'Usage'),
			CASE WHEN split_part(l, ' ', 7) NOT IN ('', '-') THEN '"{""tenant_id"": ""' || split_part(l, ' ', 7) || '""}"' ELSE '' END,
			coalesce(nullif(split_part(l, ' ', 8), '-'), ''), 'sub-1'), '' ORDER BY n)
	FROM unnest(line) WITH ORDINALITY AS u(l, n)
$$;
CREATE FUNCTION load(name text, content text, mode text DEFAULT 'auto', source_id text DEFAULT NULL)
RETURNS TABLE (month text, status text, rows_loaded bigint, billed_cost numeric)
LANGUAGE sql AS $$
	SELECT to_char(l.billing_period, 'YYYY-MM'), l.status, l.rows_loaded, trim_scale(l.billed_cost)
	FROM finops.load_bill(put('correction_' || name, content), mode => mode, source_id => source_id) l
$$;
CREATE VIEW resources AS
	SELECT to_char(bill_billing_period_start_date::timestamp, 'YYYY-MM') AS month, line_item_resource_id AS resource, trim_scale(sum(billed_cost)) AS billed, trim_scale(sum(list_cost)) AS list, trim_scale(sum(line_item_usage_amount)) AS used
	FROM fact_cost_raw WHERE bill_billing_period_start_date BETWEEN '2018-01-01' AND '2018-12-01' GROUP BY 1, 2;
CREATE VIEW rollup_differs AS
	SELECT count(*) FROM (SELECT bill_billing_period_start_date, source, sum(billed_cost), sum(effective_cost), count(*) FROM fact_cost_raw GROUP BY 1, 2
		EXCEPT SELECT billing_period, source, sum(billed_cost), sum(effective_cost), sum(line_items)::bigint FROM finops.cost_daily GROUP BY 1, 2) t;

-- one charge of 1500 (list 2000), of which 300 belong to another resource: R-111 1200, R-222 300, 1500, list 2000
SELECT * FROM load('original.csv', focus('2018-01-01', 'R-111 1500 2000 1000'));
SAVEPOINT original;
SELECT * FROM load('replacement.csv', focus('2018-01-01', 'R-111 1200 1600 800', 'R-222 300 400 200'));
SELECT * FROM resources ORDER BY 2;
ROLLBACK TO original;
SELECT * FROM load('delta.csv', focus('2018-01-01', 'R-111 -1500 -2000 -1000', 'R-111 1200 1600 800', 'R-222 300 400 200'));
SELECT * FROM resources ORDER BY 2;
SELECT * FROM load('delta.csv', focus('2018-01-01', 'R-111 -1500 -2000 -1000', 'R-111 1200 1600 800', 'R-222 300 400 200'));
SELECT * FROM load('delta.csv', focus('2018-01-01', 'R-111 -1500 -2000 -1000', 'R-111 1200 1600 800', 'R-222 300 400 200'), source_id => 'Acme Cloud/acc');
SELECT * FROM load('original.csv', focus('2018-01-01', 'R-111 1500 2000 1000'));
SELECT regexp_replace(source, '#increment/.*', '#increment/'), kind, base_source, status, line_items, trim_scale(billed_cost) AS billed FROM finops.delivery WHERE billing_period = '2018-01-01' ORDER BY delivery_id;
ROLLBACK TO original;
SELECT * FROM load('ledger.csv', focus('2018-01-01', 'R-111 -300 -400 -200', 'R-222 300 400 200'));
SELECT * FROM resources ORDER BY 2;
-- taken for an increment, but it is the whole bill: who says so is believed
SAVEPOINT ledger;
SELECT * FROM load('ledger.csv', focus('2018-01-01', 'R-111 -300 -400 -200', 'R-222 300 400 200'), 'replace');
SELECT * FROM resources ORDER BY 2;
SELECT * FROM load('ledger.csv', focus('2018-01-01', 'R-111 -300 -400 -200', 'R-222 300 400 200'), 'replace');
ROLLBACK TO ledger;
-- another one on top of it: 100 more move
SELECT * FROM load('ledger2.csv', focus('2018-01-01', 'R-222 -100 -133 -66', 'R-333 100 133 66'));
SELECT * FROM resources ORDER BY 2;
-- the whole bill again takes the place of all of it
SELECT * FROM load('again.csv', focus('2018-01-01', 'R-111 1200 1600 800', 'R-222 300 400 201'));
SELECT * FROM resources ORDER BY 2;
SELECT kind, status, line_items FROM finops.delivery WHERE billing_period = '2018-01-01' ORDER BY delivery_id;
SELECT trim_scale(sum(billed_cost_difference)) AS difference FROM fact_cost_delta WHERE bill_period = '2018-01';
SELECT * FROM rollup_differs;
ROLLBACK TO original;
-- a delta that negates everything and says it again, changed and unchanged
SELECT status FROM load('three.csv', focus('2018-01-01', 'A 10 10 1', 'B 20 20 1', 'C 30 30 1'));
SELECT * FROM load('all.csv', focus('2018-01-01', 'A -10 -10 -1', 'B -20 -20 -1', 'C -30 -30 -1', 'A 10 10 1', 'B 20 20 1', 'C 31 31 1'));
SELECT * FROM resources ORDER BY 2;
ROLLBACK TO original;
-- more than what was taken back
SELECT * FROM load('more.csv', focus('2018-01-01', 'R-111 -1500 -2000 -1000', 'R-111 1600 2100 1000'));
SELECT * FROM resources ORDER BY 2;
ROLLBACK TO original;
-- nothing but corrections
SELECT * FROM load('class.csv', focus('2018-01-01', 'R-111 -1 -1 -1 Correction', 'R-9 0.5 0.5 1 Correction'));
SELECT * FROM resources ORDER BY 2;
ROLLBACK TO original;
-- a bill with credits, restated: replaced
SELECT status FROM load('credit.csv', focus('2018-01-01', 'A 10 10 1', 'B 20 20 1', 'C -5 0 0 - Credit'));
SELECT status, billed_cost FROM load('credit2.csv', focus('2018-01-01', 'A 11 11 1', 'B 20 20 1', 'C -6 0 0 - Credit'));
-- both at once
SELECT status FROM load('five.csv', focus('2018-01-01', 'A 10 10 1', 'B 20 20 1', 'C 30 30 1', 'D 40 40 1', 'E 50 50 1'));
SAVEPOINT five;
SELECT * FROM load('what.csv', focus('2018-01-01', 'A -10 -10 -1', 'B 20 20 1'));
ROLLBACK TO five;
SELECT status, billed_cost FROM load('what.csv', focus('2018-01-01', 'A -10 -10 -1', 'B 20 20 1'), mode => 'replace');
ROLLBACK TO five;
SELECT status, billed_cost FROM load('what.csv', focus('2018-01-01', 'A -10 -10 -1', 'B 20 20 1'), mode => 'append');
SELECT trim_scale(sum(billed)) FROM resources;
SELECT * FROM load('none.csv', focus('2018-02-01', 'A 1 1 1'), mode => 'append');
ROLLBACK TO original;

-- provisional and final
SELECT status FROM load('p.csv', focus('2018-03-01', 'A 10 10 1', 'B 0 0 1'));
SELECT status FROM load('f.csv', focus('2018-03-01', 'A 10 10 1 - - - I-1', 'B 0 0 1'));
SELECT status FROM load('p2.csv', focus('2018-03-01', 'A 12 10 1', 'B 1 0 1 - - - I-1'));
SELECT bill_state, status FROM finops.delivery WHERE billing_period = '2018-03-01' ORDER BY delivery_id;
SELECT flag, source FROM finops.delivery_flag WHERE billing_period = '2018-03-01';

-- a locked month: 2018-05 is 100 + 50 + 7, tenants x and y
SELECT * FROM load('may.csv', focus('2018-05-01', 'A 100 100 1 - - x', 'B 50 50 1 - - y', 'C 7 7 1 - - y'));
SELECT * FROM load('june.csv', focus('2018-06-01', 'A 90 90 1 - - x'));
INSERT INTO period_lock (period_start, period_end, state) VALUES ('2018-05-01', '2018-05-31', 'LOCKED') ON CONFLICT (period_start) DO UPDATE SET state = 'LOCKED';
CREATE VIEW may AS SELECT line_item_resource_id AS resource, tenant_id AS tenant, trim_scale(sum(billed_cost)) AS billed, trim_scale(sum(line_item_usage_amount)) AS used FROM fact_cost_raw WHERE bill_billing_period_start_date = '2018-05-01' OR origin_period = '2018-05-01' GROUP BY 1, 2;
-- A costs 80, B belongs to x, D is new, C is gone: 80 + 50 + 3 = 133, 24 less
SELECT * FROM load('may2.csv', focus('2018-05-01', 'A 80 100 1 - - x', 'B 50 50 1 - - x', 'D 3 3 1 - - y'));
SELECT to_char(bill_billing_period_start_date::timestamp, 'YYYY-MM') AS month, to_char(origin_period::timestamp, 'YYYY-MM') AS origin, source, charge_class, line_item_resource_id AS resource, tenant_id, trim_scale(billed_cost) AS billed, trim_scale(line_item_usage_amount) AS used FROM fact_cost_raw WHERE source LIKE '%#%' AND bill_billing_period_start_date = '2018-06-01' ORDER BY resource, billed;
SELECT * FROM may ORDER BY 1, 2;
SELECT source, kind, base_source, to_char(origin_period::timestamp, 'YYYY-MM') AS origin, line_items, trim_scale(billed_cost) AS billed, delivered_lines, trim_scale(delivered_billed_cost) AS delivered FROM finops.delivery WHERE billing_period IN ('2018-05-01', '2018-06-01') ORDER BY delivery_id;
SELECT detail ->> 'origin_period' AS origin, detail ->> 'delivered_billed_cost' AS delivered, row_count FROM cur_ingestion_log WHERE source LIKE '%#corrections/2018-05';
SELECT sum(billed_cost) FROM fact_cost_raw WHERE bill_billing_period_start_date = '2018-05-01';
SELECT * FROM load('may2.csv', focus('2018-05-01', 'A 80 100 1 - - x', 'B 50 50 1 - - x', 'D 3 3 1 - - y'));
-- the open month again: corrections stay
SELECT * FROM load('june2.csv', focus('2018-06-01', 'A 91 91 1 - - x'));
SELECT trim_scale(sum(billed)) FROM may;
SELECT * FROM rollup_differs;
-- back to the first statement: nothing is left of the corrections
SAVEPOINT restated;
SELECT * FROM load('may.csv', focus('2018-05-01', 'A 100 100 1 - - x', 'B 50 50 1 - - y', 'C 7 7 1 - - y'));
SELECT count(*) FROM fact_cost_raw WHERE origin_period = '2018-05-01';
SELECT * FROM load('may.csv', focus('2018-05-01', 'A 100 100 1 - - x', 'B 50 50 1 - - y', 'C 7 7 1 - - y'));
ROLLBACK TO restated;
-- June is locked as well: the next statement posts the rest in July; 70 + 50 + 3 = 123
UPDATE period_lock SET state = 'LOCKED' WHERE period_start = '2018-06-01';
SELECT * FROM load('may3.csv', focus('2018-05-01', 'A 70 100 1 - - x', 'B 50 50 1 - - x', 'D 3 3 1 - - y'));
SELECT line_item_resource_id AS resource, trim_scale(billed_cost) AS billed FROM fact_cost_raw WHERE bill_billing_period_start_date = '2018-07-01' ORDER BY 2;
SELECT trim_scale(sum(billed)) FROM may;
-- and the statement before it is no longer the last one
SELECT * FROM load('may2.csv', focus('2018-05-01', 'A 80 100 1 - - x', 'B 50 50 1 - - x', 'D 3 3 1 - - y'));
SELECT trim_scale(sum(billed)) FROM may;
ROLLBACK TO restated;
-- other invoice ids and other line ids are no difference
SELECT * FROM load('may4.csv', focus('2018-05-01', 'D 3 3 1 - - y I-7', 'A 80 100 1 - - x I-7', 'B 50 50 1 - - x I-7'));
SELECT trim_scale(sum(billed)) FROM may;
ROLLBACK TO restated;
-- a delta for the locked month
SELECT * FROM load('mayd.csv', focus('2018-05-01', 'A -80 -100 -1 - - x', 'A 60 75 1 - - x'));
SELECT trim_scale(sum(billed)) FROM may;
SELECT * FROM load('mayd.csv', focus('2018-05-01', 'A -80 -100 -1 - - x', 'A 60 75 1 - - x'));
SELECT * FROM load('may5.csv', focus('2018-05-01', 'A 65 100 1 - - x', 'B 50 50 1 - - x', 'D 3 3 1 - - y'));
SELECT * FROM may ORDER BY 1, 2;
ROLLBACK TO restated;
-- a bill of another source for the locked month, and this one under another name
SELECT * FROM load('other.csv', replace(focus('2018-05-01', 'Z 1 1 1'), ',acc,', ',acc2,'));
SELECT flag, source FROM finops.delivery_flag WHERE billing_period = '2018-05-01';
SAVEPOINT other;
SELECT * FROM load('may6.csv', focus('2018-05-01', 'A 1 1 1'), source_id => 'mine');
ROLLBACK TO other;
SELECT * FROM load('may7.csv', replace(focus('2018-05-01', 'A 1 1 1'), ',acc,', ',,'));
ROLLBACK TO other;
-- months of which one is locked
SELECT * FROM load('both.csv', focus('2018-05-01', 'A 1 1 1 - - x') || split_part(focus('2018-06-01', 'A 2 2 1 - - x'), E'\n', 2) || E'\n');
SELECT * FROM load('both2.csv', split_part(focus('2018-05-01', 'A 1 1 1'), E'\n', 1) || E'\n' || split_part(focus('2018-06-01', 'A 3 3 1 - - x'), E'\n', 2) || E'\n' || split_part(focus('2018-05-01', 'A 1 1 1 - - x'), E'\n', 2) || E'\n');
SELECT trim_scale(sum(billed)) FROM may;
ROLLBACK TO restated;

-- restated and credited: A -20 in the restatement, and as a credit of June for May
SELECT status, billed_cost FROM load('june3.csv', focus('2018-06-01', 'A 90 90 1 - - x', 'A -20 0 0 - Credit - - Compute 2018-05-31', 'A -3 0 0 - Credit - - Compute 2018-06-01'));
SELECT flag, trim_scale(amount) AS amount, detail FROM finops.delivery_flag WHERE origin_period = '2018-05-01' ORDER BY flag_id;
ROLLBACK TO original;
SELECT status FROM load('may.csv', focus('2018-05-01', 'A 100 100 1 - - x', 'B 50 50 1 - - y'));
SELECT status FROM load('june.csv', focus('2018-06-01', 'A 90 90 1 - - x'));
INSERT INTO period_lock (period_start, period_end, state) VALUES ('2018-05-01', '2018-05-31', 'LOCKED') ON CONFLICT (period_start) DO UPDATE SET state = 'LOCKED';
SAVEPOINT closed;
-- first restated, then credited: 150 - 20 + 90 = 220
SELECT status, billed_cost FROM load('may2.csv', focus('2018-05-01', 'A 80 100 1 - - x', 'B 50 50 1 - - y'));
SELECT status, billed_cost FROM load('june3.csv', focus('2018-06-01', 'A 90 90 1 - - x', 'A -20 0 0 - Credit - - Compute 2018-05-31'));
SELECT trim_scale(sum(billed_cost)) AS total FROM fact_cost_raw WHERE bill_billing_period_start_date BETWEEN '2018-05-01' AND '2018-06-01';
SELECT trim_scale(sum(billed_cost)) AS may FROM fact_cost_raw WHERE bill_billing_period_start_date = '2018-05-01' OR origin_period = '2018-05-01';
SELECT source, kind, line_items, trim_scale(billed_cost) AS billed FROM finops.delivery WHERE billing_period = '2018-06-01' AND status = 'current' ORDER BY source;
SELECT flag, service, account_id, currency, trim_scale(amount) AS amount, detail FROM finops.delivery_flag WHERE origin_period = '2018-05-01' ORDER BY flag_id;
-- June again, with the credit and without it
SELECT status, billed_cost FROM load('june4.csv', focus('2018-06-01', 'A 92 90 1 - - x', 'A -20 0 0 - Credit - - Compute 2018-05-31'));
SELECT trim_scale(sum(billed_cost)) AS total FROM fact_cost_raw WHERE bill_billing_period_start_date BETWEEN '2018-05-01' AND '2018-06-01';
SELECT status, billed_cost FROM load('june5.csv', focus('2018-06-01', 'A 92 90 1 - - x'));
SELECT trim_scale(sum(billed_cost)) AS total FROM fact_cost_raw WHERE bill_billing_period_start_date BETWEEN '2018-05-01' AND '2018-06-01';
SELECT * FROM rollup_differs;
ROLLBACK TO closed;
-- first credited, then restated
SELECT status, billed_cost FROM load('june3.csv', focus('2018-06-01', 'A 90 90 1 - - x', 'A -20 0 0 - Credit - - Compute 2018-05-31'));
SELECT status, billed_cost FROM load('may2.csv', focus('2018-05-01', 'A 80 100 1 - - x', 'B 50 50 1 - - y'));
SELECT trim_scale(sum(billed_cost)) AS total FROM fact_cost_raw WHERE bill_billing_period_start_date BETWEEN '2018-05-01' AND '2018-06-01';
-- once more: no second offset
SELECT status, billed_cost FROM load('may2.csv', focus('2018-05-01', 'A 80 100 1 - - x', 'B 50 50 1 - - y'));
SELECT source, line_items FROM finops.delivery WHERE kind = 'offset' AND status = 'current';
-- June closes; what is settled stays, the credit is not taken back again in July
UPDATE period_lock SET state = 'LOCKED' WHERE period_start = '2018-06-01';
SELECT status, billed_cost FROM load('july.csv', focus('2018-07-01', 'A 10 10 1 - - x'));
SELECT status, billed_cost FROM load('may3.csv', focus('2018-05-01', 'A 79 100 1 - - x', 'B 50 50 1 - - y'));
SELECT trim_scale(sum(billed_cost)) AS total FROM fact_cost_raw WHERE bill_billing_period_start_date BETWEEN '2018-05-01' AND '2018-07-01';
ROLLBACK TO closed;
-- the credit stands in a month that is locked when the restatement comes
SELECT status, billed_cost FROM load('june3.csv', focus('2018-06-01', 'A 90 90 1 - - x', 'A -20 0 0 - Credit - - Compute 2018-05-31'));
UPDATE period_lock SET state = 'LOCKED' WHERE period_start = '2018-06-01';
SELECT status, billed_cost FROM load('may2.csv', focus('2018-05-01', 'A 80 100 1 - - x', 'B 50 50 1 - - y'));
SELECT source, to_char(billing_period::timestamp, 'YYYY-MM') AS month, trim_scale(billed_cost) AS billed FROM finops.delivery WHERE kind IN ('offset', 'correction') AND status = 'current' ORDER BY 1;
ROLLBACK;

-- One month of :lines bill lines through the cycle; for scale also an insert of
-- the same text into a table with one column.
\set period '2025-06-01'
\pset tuples_only on
\timing off
CREATE TEMP TABLE bill_text AS SELECT finops.generated_bill_lines(:'period', :lines, 50) AS line;
SELECT pg_size_pretty(sum(length(line) + 1)) || ' of CSV, ' || count(*) - 1 || ' lines' FROM bill_text;
\timing on
\echo generate the text
SELECT count(*) FROM finops.generated_bill_lines(:'period', :lines, 50);
\echo generate and load
SELECT rows_loaded FROM finops.generate_bill(:'period', :lines, 50);
\echo insert the same text into a table with one column
CREATE TEMP TABLE copied (LIKE bill_text);
INSERT INTO copied SELECT line FROM bill_text;
\echo total by service from the facts
SELECT count(*) FROM (SELECT service, sum(effective_cost) FROM fact_cost_raw WHERE bill_billing_period_start_date = :'period' GROUP BY 1) s;
\echo the same from the daily roll-up
SELECT count(*) FROM (SELECT service, sum(effective_cost) FROM finops.cost_daily WHERE billing_period = :'period' GROUP BY 1) s;
\echo tag coverage
SELECT count(*) FROM finops.tag_coverage_report(:'period');
\timing off
SELECT finops.add_allocation_rule('shared', 'proportional', :'period');
\timing on
\echo allocate
SELECT finops.allocate(:'period') IS NOT NULL;
\echo reconcile
SELECT finops.reconcile(:'period');
\echo load again, unchanged
SELECT status FROM finops.generate_bill(:'period', :lines, 50);
\echo forecast twelve months
SELECT count(*) FROM finops.cost_forecast(12);

-- A month of :lines bill lines as FOCUS: the view, the export, the check.
\set period '2025-06-01'
\pset tuples_only on
\timing off
SELECT rows_loaded FROM finops.generate_bill(:'period', :lines, 50);
SELECT finops.add_allocation_rule('shared', 'proportional', :'period');
SELECT finops.allocate(:'period') IS NOT NULL;
\timing on
\echo rows of FOCUS 1.2 into a table
CREATE TEMP TABLE focus AS SELECT * FROM finops.focus_cost_and_usage;
\echo lines of CSV, 1.2
SELECT count(*), pg_size_pretty(sum(length(l))) FROM finops.export_focus(:'period') l;
\echo check the view
SELECT count(*) FILTER (WHERE status = 'fail') FROM finops.validate_focus('finops.focus_cost_and_usage');
\echo check the table
SELECT count(*) FILTER (WHERE status = 'fail') FROM finops.validate_focus('focus');
\echo lines of CSV, 1.4, shared cost split over tenants
SELECT count(*), pg_size_pretty(sum(length(l))) FROM finops.export_focus(:'period', '1.4') l;

-- How fast bills are generated: the text alone, and as a delivery, against a
-- COPY of the same text into one column.  Lines by psql -v lines=1000000.
\if :{?lines}
\else
\set lines 100000
\endif
SELECT format('generated bill of %s lines', :lines) AS bench;
\timing on
\echo text, lines counted
SELECT count(*) FROM (SELECT finops.generated_bill_lines('2020-01-01', :lines)) l;
\echo delivery
SELECT rows_loaded, billed_cost FROM finops.generate_bill('2020-01-01', :lines);
\echo the same again, unchanged
SELECT status FROM finops.generate_bill('2020-01-01', :lines);
\echo sum over the FOCUS view, and over the facts
SELECT sum("BilledCost"), sum("EffectiveCost") FROM finops.focus_cost_and_usage;
SELECT sum(billed_cost), sum(effective_cost) FROM fact_cost_raw;
\timing off

-- generated bills: results, restatement, refusals
\set VERBOSITY default
\set SHOW_CONTEXT never
-- arguments
SELECT * FROM finops.generate_bill(NULL);
SELECT * FROM finops.generate_bill('2020-07-01', NULL);
SELECT * FROM finops.generate_bill('2020-07-01', 100, NULL);
SELECT * FROM finops.generate_bill('2020-07-01', 100, 5, NULL);
SELECT * FROM finops.generate_bill('2020-07-31');
SELECT * FROM finops.generate_bill('infinity');
SELECT * FROM finops.generate_bill('2999-01-01');
SELECT * FROM finops.generate_bill('9999-01-01');
SELECT * FROM finops.generate_bill('2020-07-01', 0);
SELECT * FROM finops.generate_bill('2020-07-01', -1);
SELECT * FROM finops.generate_bill('2020-07-01', 1000000001);
SELECT * FROM finops.generate_bill('2020-07-01', 100, 0);
SELECT * FROM finops.generate_bill('2020-07-01', 100, 1000001);
SELECT * FROM finops.generated_bill_lines('2020-07-01', 0);
SELECT * FROM finops.generated_bill_lines('2020-07-01', 1, 0);
-- nothing was written
SELECT count(*) FROM finops.delivery WHERE billing_period = '2020-07-01';
-- the ends of the ranges
SELECT count(*), max(length(l)) < 4096 AS bounded FROM finops.generated_bill_lines('1900-02-01', 50, 1000000, -9223372036854775808) l;
SELECT count(*), max(length(l)) < 4096 AS bounded FROM finops.generated_bill_lines('2020-02-01', 1, 1, 9223372036854775807) l;

BEGIN;
-- load, load again, another size, another seed
SELECT billing_period, status, rows_loaded, rows_rejected, billed_cost > 0 AS billed, effective_cost > 0 AS effective
FROM finops.generate_bill('2020-07-01', 300, 4);
SELECT billing_period, status, rows_loaded, rows_rejected FROM finops.generate_bill('2020-07-01', 300, 4);
SELECT billing_period, status, rows_loaded, rows_rejected FROM finops.generate_bill('2020-07-01', 400, 4);
SELECT billing_period, status, rows_loaded, rows_rejected FROM finops.generate_bill('2020-07-01', 300, 4, 2);
SELECT source, address, format, status, line_items FROM finops.delivery WHERE billing_period = '2020-07-01' ORDER BY delivery_id;
SELECT source, count(*) FROM fact_cost_raw WHERE bill_billing_period_start_date = '2020-07-01' GROUP BY 1 ORDER BY 1;
SELECT status, count(*) FROM tenant_master WHERE tenant_id LIKE 'TEN-0000_' GROUP BY 1;
SELECT gate, status FROM finops.period_gate WHERE period_start = '2020-07-01' ORDER BY position;
-- a bill of one line
SELECT billing_period, status, rows_loaded, rows_rejected FROM finops.generate_bill('2020-08-01', 1, 1, 3);
-- a locked month
UPDATE period_lock SET state = 'LOCKED' WHERE period_start = '2020-07-01';
SAVEPOINT locked;
SELECT * FROM finops.generate_bill('2020-07-01', 300, 4, 9);
ROLLBACK TO locked;
SELECT source, count(*) FROM fact_cost_raw WHERE bill_billing_period_start_date = '2020-07-01' GROUP BY 1 ORDER BY 1;
ROLLBACK;
BEGIN READ ONLY;
SELECT * FROM finops.generate_bill('2020-07-01', 300, 4);
ROLLBACK;

-- privileges: writing is not for everybody, the text is
CREATE ROLE regress_finops_reader;
SET ROLE regress_finops_reader;
SELECT * FROM finops.generate_bill('2020-07-01', 300, 4);
SELECT * FROM finops.focus_cost_and_usage;
SELECT count(*) FROM finops.generated_bill_lines('2020-07-01', 300, 4);
SELECT service_category FROM finops.service_catalog WHERE provider = 'AWS' AND service = 'AmazonEC2';
INSERT INTO finops.service_catalog VALUES ('AWS', 'x', 'x', 'Other', 'Other (Other)');
RESET ROLE;
DROP ROLE regress_finops_reader;

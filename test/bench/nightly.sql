-- A night on :lines new bill lines of 10,000 tenants, 500 budgets and 1,000
-- series of 400 days: every job that is due, in order, with its seconds.
-- Usage: psql -v lines=1000000 -f test/bench/nightly.sql
-- The bill is written to a file beside the server's data and loaded by the job
-- ingest; jobs that send or need what is not set up here are off.
\set QUIET on
\pset tuples_only on
SET client_min_messages = warning;
SELECT date_trunc('month', timezone('UTC', now()) - interval '1 month')::date AS period, current_setting('data_directory') || '/nightly.csv' AS file \gset
\o /dev/null
SELECT finops.set_issuer('Bench Ltd', '1 Street', 'VAT-1', 'USD', 'BENCH-{SEQ:6}');
SELECT finops.set_plan('bench', 10, 5);
SELECT count(*) FROM generate_series(0, 9999) AS i, LATERAL format('TEN-%s', lpad(i::text, 5, '0')) AS t,
	LATERAL finops.register_tenant(t, t, '{"address": "2 Street"}', '{"rate_pct": 20}', 'invoice', 'USD');
SELECT count(*) FROM generate_series(0, 9999) AS i, LATERAL finops.bind_plan(format('TEN-%s', lpad(i::text, 5, '0')), 'bench', '2025-01-01');
SELECT finops.add_allocation_rule('shared', 'proportional', '2025-01-01');
SELECT finops.set_budget('all', 500000);
SELECT count(finops.set_budget('tenant-' || i, 500, 'tenant', format('TEN-%s', lpad((i * 20)::text, 5, '0')), parent_id => 'all')) FROM generate_series(1, 450) AS i;
SELECT count(finops.set_budget('service-' || i, 9000, 'service', (ARRAY['AmazonEC2', 'AmazonS3', 'AmazonRDS', 'AWSLambda'])[1 + i % 4], (ARRAY['daily', 'monthly', 'quarterly', 'annual'])[1 + i / 4 % 4]))
FROM generate_series(1, 45) AS i;
SELECT count(finops.set_budget('tag-' || i, 9000, 'tag', 'environment=prod')) FROM generate_series(1, 4) AS i;
-- 400 days of 1,000 accounts, in the roll-up only
INSERT INTO finops.cost_daily (billing_period, usage_date, source, provider, service, account_id, charge_category, currency, billed_cost, effective_cost, line_items)
SELECT date_trunc('month', d)::date, d::date, 'history', 'AWS', 'History', 'series-' || i, 'Usage', 'USD', c, c, 1
FROM generate_series(1, 1000) AS i, generate_series(:'period'::timestamp - interval '370 days', :'period'::timestamp + interval '29 days', '1 day') AS d,
	LATERAL round((40 + i % 70 + 10 * sin(extract(doy FROM d) / 7 * 6.2831853) + (i * 7919 + extract(epoch FROM d)::bigint / 86400 * 104729) % 13)::numeric, 4) AS c;
-- each line another tenant
COPY (SELECT regexp_replace(l, 'TEN-\d{5}', 'TEN-' || lpad((n % 10000)::text, 5, '0'), 'g') FROM finops.generated_bill_lines(:'period', :lines, 500) WITH ORDINALITY AS g(l, n))
	TO :'file' WITH (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02');
INSERT INTO finops.bill_source (address) VALUES (:'file');
SELECT finops.set_job('delivery', enabled => false);
ANALYZE;
\o
SELECT clock_timestamp() AS started \gset
CALL finops.run_nightly(NULL) \gset
SELECT 'a night in ' || round(extract(epoch FROM clock_timestamp() - :'started')::numeric, 1) || ' s';
SELECT rpad(job_name, 22) || lpad(round(extract(epoch FROM finished_at - started_at), 1)::text, 6) || ' s  ' || status || coalesce(': ' || left(error_message, 120), '')
FROM finops.job_run WHERE started_at >= :'started' ORDER BY run_id;
SELECT count(DISTINCT tenant_id) || ' tenants with cost, ' || (SELECT count(*) FROM invoice_header) || ' documents, ' || (SELECT count(DISTINCT (dimension, key)) FROM forecast.cost_outlook) || ' series forecast, '
	|| (SELECT count(*) FILTER (WHERE data_through IS NOT NULL) || ' of ' || count(*) FROM budget_master) || ' budgets' FROM finops.cost_daily WHERE billing_period = :'period';

-- Month run: tenants with 10 lines each (subscription and 9 services), two tax
-- rates, numbers, references, durable transactions.  Beside it the same
-- documents by set-based SQL: lines, tax per rate, headers with contiguous
-- numbers and unique (tenant, period), details with primary and foreign key;
-- without hash chain, stored inputs and comparison.  Three runs of each, one
-- after the other, seconds and seconds of processor of the backend; the last
-- lines are medians and their ratio.
\getenv tenants TENANTS
\if :{?tenants}
\else
\set tenants 10000
\endif
\set ON_ERROR_STOP 1
SET client_min_messages = warning;
SET synchronous_commit = on;
SELECT finops.set_issuer('Example Ltd', '1 High Street', 'DE1') \g /dev/null
SELECT finops.set_plan('BENCH', 99.99, 5) \g /dev/null
INSERT INTO tenant_master (tenant_id, tenant_name, billing_contact, tax_profile)
SELECT 'B-' || to_char(n, 'FM0000000'), 'T', '{"address": "x"}', jsonb_build_object('rate_pct', (ARRAY[19, 7])[1 + n % 2]) FROM generate_series(1, :tenants) n;
INSERT INTO tenant_plan_binding (tenant_id, plan_code, period_start) SELECT 'B-' || to_char(n, 'FM0000000'), 'BENCH', date '2022-07-01' FROM generate_series(1, :tenants) n;
CREATE TABLE finops.fact_cost_allocated_2022_07 PARTITION OF fact_cost_allocated FOR VALUES FROM ('2022-07-01') TO ('2022-08-01');
CREATE TABLE finops.fact_cost_allocated_2022_08 PARTITION OF fact_cost_allocated FOR VALUES FROM ('2022-08-01') TO ('2022-09-01');
CREATE TABLE finops.fact_cost_allocated_2022_09 PARTITION OF fact_cost_allocated FOR VALUES FROM ('2022-09-01') TO ('2022-10-01');
INSERT INTO fact_cost_allocated (tenant_id, period_start, period_end, service, category, rule_id, rule_version, run_id, kind, origin, currency, allocated_cost_usd)
SELECT 'B-' || to_char(n, 'FM0000000'), p, p + 29, 'Service' || s, 'OTHER', 'direct-tag', 1, 1, 'direct', 'o', 'USD', ((n * 7919 + s * 104729) % 100003) * 0.0012345678
FROM unnest(ARRAY['2022-07-01', '2022-08-01', '2022-09-01']::date[]) p, generate_series(1, :tenants) n, generate_series(1, 9) s;
INSERT INTO finops.period_gate (period_start, gate, position, status) SELECT p, 'reconciliation', 3, 'ok' FROM unnest(ARRAY['2022-07-01', '2022-08-01', '2022-09-01']::date[]) p;
CREATE TABLE plain_header (invoice_id text PRIMARY KEY, invoice_number bigint UNIQUE, tenant_id text NOT NULL REFERENCES tenant_master, period_start date, status text, subtotal numeric, tax numeric, total numeric, UNIQUE (tenant_id, period_start));
CREATE TABLE plain_detail (invoice_id text REFERENCES plain_header, line_no int, service text, description text, quantity numeric, unit_price numeric, amount numeric, cost numeric, PRIMARY KEY (invoice_id, line_no));
CREATE TEMP TABLE figure (what text, run int, seconds numeric, cpu numeric);
CREATE FUNCTION pg_temp.cpu() RETURNS numeric LANGUAGE sql AS $$
	SELECT (s[12]::numeric + s[13]::numeric) / 100 FROM (SELECT string_to_array(regexp_replace(pg_read_file('/proc/self/stat'), '^.*\) ', ''), ' ') AS s) x $$;
VACUUM ANALYZE;

CREATE PROCEDURE pg_temp.plain(p date) LANGUAGE plpgsql AS $$
BEGIN
	CREATE TEMP TABLE plain_line ON COMMIT DROP AS
	SELECT tenant_id, row_number() OVER (PARTITION BY tenant_id ORDER BY class, service) AS line_no, service, amount, cost FROM (
		SELECT tenant_id, 1 AS class, NULL AS service, round(base_price, 2) AS amount, NULL::numeric AS cost FROM tenant_plan_binding b JOIN plan_master USING (plan_code)
		UNION ALL SELECT tenant_id, 2, service, round(sum(allocated_cost_usd) * 1.05, 2), sum(allocated_cost_usd) FROM fact_cost_allocated WHERE period_start = p GROUP BY 1, 3) x;
	INSERT INTO plain_header SELECT 'INV-' || to_char(p, 'YYYYMM') || '-' || tenant_id, coalesce((SELECT max(invoice_number) FROM plain_header), 0) + row_number() OVER (ORDER BY tenant_id), tenant_id, p, 'issued', s, t, s + t
	FROM (SELECT tenant_id, sum(amount) AS s, round(sum(amount) * (tax_profile ->> 'rate_pct')::numeric / 100, 2) AS t FROM plain_line JOIN tenant_master USING (tenant_id) GROUP BY tenant_id, tax_profile) x;
	INSERT INTO plain_detail SELECT 'INV-' || to_char(p, 'YYYYMM') || '-' || tenant_id, line_no, service, coalesce(service, 'Plan') || ', ' || to_char(p, 'YYYY-MM'), 1, cost, amount, cost FROM plain_line ORDER BY tenant_id, line_no;
END $$;

\set run 1
\set period 2022-07-01
SELECT extract(epoch FROM clock_timestamp()) AS t, pg_temp.cpu() AS c \gset
CALL pg_temp.plain(:'period');
INSERT INTO figure SELECT 'plain', :run, extract(epoch FROM clock_timestamp()) - :t, pg_temp.cpu() - :c;
SELECT extract(epoch FROM clock_timestamp()) AS t, pg_temp.cpu() AS c \gset
SELECT count(*) AS issued FROM finops.issue_invoices(:'period') \g /dev/null
INSERT INTO figure SELECT 'issue', :run, extract(epoch FROM clock_timestamp()) - :t, pg_temp.cpu() - :c;

\set run 2
\set period 2022-08-01
SELECT extract(epoch FROM clock_timestamp()) AS t, pg_temp.cpu() AS c \gset
CALL pg_temp.plain(:'period');
INSERT INTO figure SELECT 'plain', :run, extract(epoch FROM clock_timestamp()) - :t, pg_temp.cpu() - :c;
SELECT extract(epoch FROM clock_timestamp()) AS t, pg_temp.cpu() AS c \gset
SELECT count(*) AS issued FROM finops.issue_invoices(:'period') \g /dev/null
INSERT INTO figure SELECT 'issue', :run, extract(epoch FROM clock_timestamp()) - :t, pg_temp.cpu() - :c;

\set run 3
\set period 2022-09-01
SELECT extract(epoch FROM clock_timestamp()) AS t, pg_temp.cpu() AS c \gset
CALL pg_temp.plain(:'period');
INSERT INTO figure SELECT 'plain', :run, extract(epoch FROM clock_timestamp()) - :t, pg_temp.cpu() - :c;
SELECT extract(epoch FROM clock_timestamp()) AS t, pg_temp.cpu() AS c \gset
SELECT count(*) AS prepared FROM finops.prepare_invoices(:'period') \g /dev/null
INSERT INTO figure SELECT 'prepare, before the issue', :run, extract(epoch FROM clock_timestamp()) - :t, pg_temp.cpu() - :c;
SELECT extract(epoch FROM clock_timestamp()) AS t, pg_temp.cpu() AS c \gset
SELECT count(*) AS issued FROM finops.issue_invoices(:'period') \g /dev/null
INSERT INTO figure SELECT 'issue of what is prepared', :run, extract(epoch FROM clock_timestamp()) - :t, pg_temp.cpu() - :c;

SELECT extract(epoch FROM clock_timestamp()) AS t, pg_temp.cpu() AS c \gset
SELECT count(*) AS problems FROM finops.verify_invoices();
INSERT INTO figure SELECT 'verify, three months', 1, extract(epoch FROM clock_timestamp()) - :t, pg_temp.cpu() - :c;
SELECT :tenants AS tenants, what, run, round(seconds, 2) AS seconds, round(cpu, 2) AS cpu FROM figure ORDER BY run, what;
SELECT round((percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) FILTER (WHERE what = 'issue') / percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) FILTER (WHERE what = 'plain'))::numeric, 2) AS ratio,
	round((percentile_cont(0.5) WITHIN GROUP (ORDER BY cpu) FILTER (WHERE what = 'issue') / percentile_cont(0.5) WITHIN GROUP (ORDER BY cpu) FILTER (WHERE what = 'plain'))::numeric, 2) AS cpu_ratio FROM figure;

-- The page of a month and its reports from a roll-up as large as that of ten
-- million lines: :lines generated lines, allocated and reconciled, their
-- roll-up laid :copies times over accounts of their own, and as eleven months
-- before.  Usage: scripts/bench.sh report
\if :{?copies}
\else
\set copies 4
\endif
\set QUIET on
\pset tuples_only on
SET client_min_messages = warning;
SELECT date_trunc('month', timezone('UTC', now()) - interval '1 month')::date AS period \gset
\o /dev/null
SELECT * FROM finops.generate_bill(:'period', :lines, 50);
SELECT finops.add_allocation_rule('shared', 'proportional', '2020-01-01');
SELECT finops.allocate(:'period');
SELECT finops.reconcile(:'period');
INSERT INTO finops.cost_daily SELECT billing_period, usage_date, source, provider, account_id || '-' || i, service, region, tenant_id, charge_category, currency,
	billed_cost, effective_cost, list_cost, line_items
FROM finops.cost_daily, generate_series(2, :copies) AS i;
INSERT INTO finops.cost_daily SELECT (billing_period - m * interval '1 month')::date, (usage_date - m * interval '1 month')::date, source, provider, account_id, service,
	region, tenant_id, charge_category, currency, billed_cost, effective_cost, list_cost, line_items
FROM finops.cost_daily, generate_series(1, 11) AS m;
INSERT INTO forecast.unit_kpi (kpi_date, driver_code, quantity) SELECT (:'period'::date - m * interval '1 month')::date, 'driver ' || i, 1000 * i
FROM generate_series(0, 11) AS m, generate_series(1, 5) AS i;
INSERT INTO finops.recommendation (optimization_type, resource_id, potential_savings_usd, created_at)
SELECT 'terminate', 'i-' || i, i, now() - i * interval '1 hour' FROM generate_series(1, 5000) AS i;
SELECT finops.refresh_outlook(max_series => 20);
VACUUM ANALYZE finops.cost_daily;
\o
SELECT count(*) FILTER (WHERE billing_period = :'period') || ' rows of the roll-up in the month, ' || count(*) || ' in all, '
	|| (SELECT count(*) FROM fact_cost_allocated) || ' entries' FROM finops.cost_daily;
-- CPU of the session in hundredths of a second; workers of parallel plans are not in it
CREATE FUNCTION pg_temp.cpu() RETURNS integer LANGUAGE sql AS $$
	SELECT f[14]::integer + f[15]::integer FROM string_to_array(pg_read_file('/proc/self/stat'), ' ') AS f $$;
CREATE TEMP TABLE took (what text, seconds numeric, cpu integer);
DO $$
DECLARE
	period date := (date_trunc('month', timezone('UTC', now()) - interval '1 month'))::date;
	what text;
	started timestamptz;
	n bigint;
	used integer;
BEGIN
	FOR what IN SELECT w FROM unnest('{report_html,cost_by_service,cost_by_tenant,cost_by_day,cost_by_month,bi_fact_cost_month,bi_fact_cost_day}'::text[]) AS w, generate_series(1, 5) LOOP
		started := clock_timestamp();
		used := pg_temp.cpu();
		IF what = 'report_html' THEN
			n := length(finops.report_html(period));
		ELSIF what LIKE 'bi%' THEN
			EXECUTE format('SELECT count(*) FROM (SELECT service_key, sum(effective_cost) FROM %I WHERE billing_period = $1 GROUP BY 1) s', what) INTO n USING period;
		ELSE
			n := length(finops.report_csv(what, period));
		END IF;
		INSERT INTO took VALUES (what, extract(epoch FROM clock_timestamp() - started), pg_temp.cpu() - used);
	END LOOP;
END $$;
SELECT rpad(what, 22) || round(percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds)::numeric, 3) || ' s, of ' || count(*) || ': ' || round(min(seconds), 3) || ' to ' || round(max(seconds), 3) || '; CPU ' || round(avg(cpu) / 100, 2) || ' s'
FROM took GROUP BY what ORDER BY what;

-- Evaluation of BUDGETS objects (default 100000): a tenth of them crosses, then
-- nothing changes, then the rest crosses, then all are over.  CPU is that of
-- the session.
\getenv budgets BUDGETS
\if :{?budgets}
\else
\set budgets 100000
\endif
\set ON_ERROR_STOP 1
SET client_min_messages = warning;
CREATE FUNCTION pg_temp.cpu(OUT seconds numeric) LANGUAGE sql AS $$
	SELECT round((f[14]::numeric + f[15]::numeric) / 100, 2) FROM string_to_array(pg_read_file('/proc/self/stat'), ' ') f $$;
CREATE TABLE public.bench_budget AS
SELECT 'budget-' || n AS budget_id, 1000::numeric AS threshold_usd, CASE WHEN n % 10 = 0 THEN 1200 ELSE 500 END::numeric AS observed_usd
FROM generate_series(1, :budgets) n;
INSERT INTO finops.alert_policy (policy_id, enabled) SELECT policy_id, false FROM finops.alert_policy WHERE shipped;
INSERT INTO finops.alert_policy (policy_id, title, severity, operator, threshold, query) VALUES ('bench', 'Bench', 'warning', '>=', 100,
	$$SELECT b.budget_id AS scope, b.observed_usd * 100 / b.threshold_usd AS value, to_jsonb(b) AS detail FROM public.bench_budget b$$);
SELECT pg_temp.cpu() AS before \gset
\timing on
SELECT finops.evaluate_alerts() AS a_tenth_crosses;
SELECT finops.evaluate_alerts() AS nothing_changes;
UPDATE public.bench_budget SET observed_usd = 2000;
SELECT finops.evaluate_alerts() AS the_rest_crosses;
UPDATE public.bench_budget SET observed_usd = 10;
SELECT finops.evaluate_alerts() AS all_are_over;
\timing off
SELECT pg_temp.cpu() - :before AS cpu_seconds_in_all;

-- Watching SERIES services of accounts (default 10000, and the accounts, services
-- and totals of them) over 400 days: the first run, which
-- learns all of them, a run with nothing new and one with a day more.  And the
-- same values through finops.anomaly_scores, a series an array.
\getenv series SERIES
\if :{?series}
\else
\set series 10000
\endif
\set ON_ERROR_STOP 1
SET client_min_messages = warning;
SET search_path = public, finops;
\set accounts :series / 100
INSERT INTO finops.cost_daily (billing_period, usage_date, source, provider, account_id, service, charge_category, currency, billed_cost, effective_cost, line_items)
SELECT date_trunc('month', d)::date, d::date, 't', 'aws', 'a' || to_char(a, 'FM0000'), 's' || to_char(s, 'FM000'), 'Usage', 'USD', c, c, 10
FROM generate_series('2024-01-01'::timestamp, '2024-01-01'::timestamp + interval '399 days', '1 day') d, generate_series(1, :accounts) a, generate_series(1, 100) s,
LATERAL (SELECT round((50 + a % 97 + s) * CASE WHEN extract(isodow FROM d) >= 6 THEN 0.6 ELSE 1 END
	* (1 + (hashint4(a * 1000 + s + extract(doy FROM d)::int * 7919) & 1023) / 20000.0), 6) AS c) x;
VACUUM ANALYZE finops.cost_daily;
SELECT count(*) AS rows, pg_size_pretty(pg_table_size('finops.cost_daily')) AS size FROM finops.cost_daily;
\timing on
\echo one scan of the roll-up, summed by account and service
SELECT count(*) FROM (SELECT account_id, service, sum(effective_cost) FROM finops.cost_daily GROUP BY 1, 2) x;
\echo the first run
SELECT count(*) AS findings FROM finops.detect_anomalies('2025-02-03');
\timing off
SELECT dimension, count(*) AS series FROM finops.anomaly_series GROUP BY 1 ORDER BY 1;
INSERT INTO finops.cost_daily (billing_period, usage_date, source, provider, account_id, service, charge_category, currency, billed_cost, effective_cost, line_items)
SELECT '2025-02-01', '2025-02-04', source, provider, account_id, service, charge_category, currency, billed_cost * 1.01, effective_cost * 1.01, 10
FROM finops.cost_daily WHERE usage_date = '2025-01-28';
VACUUM ANALYZE finops.anomaly_series;
\timing on
\echo one new day
SELECT count(*) AS findings FROM finops.detect_anomalies('2025-02-05');
\echo nothing new
SELECT count(*) AS findings FROM finops.detect_anomalies('2025-02-05');
\timing off
CREATE TABLE series AS SELECT account_id, service, array_agg(effective_cost::float8 ORDER BY usage_date) AS cost FROM finops.cost_daily GROUP BY 1, 2;
ANALYZE series;
ALTER TABLE series SET (parallel_workers = 1);
SET parallel_setup_cost = 0;
\timing on
\echo anomaly_scores of each series
SELECT count(*) FROM series WHERE (finops.anomaly_scores(cost, 7))[400] >= 0;

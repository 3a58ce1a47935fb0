-- Every shipped alert policy stands where its runbook says it does, and not
-- one step before.
BEGIN;
SELECT plan(46);
SET client_min_messages = error;
SET TimeZone = 'UTC';
-- others leave their alerts to the transaction
DELETE FROM finops.alert;
CREATE FUNCTION pg_temp.standing(policy text, OUT scopes text) LANGUAGE sql AS $$
	SELECT coalesce(string_agg(a.scope, ' ' ORDER BY a.scope COLLATE "C"), '') FROM finops.alert a WHERE a.policy_id = policy AND a.state IN ('pending', 'firing') $$;
CREATE FUNCTION pg_temp.told(policy text, OUT n bigint) LANGUAGE sql AS $$
	SELECT count(*) FROM finops.outbox o WHERE o.topic = 'alert' AND o.payload ->> 'policy_id' = policy AND o.payload ->> 'event' = 'firing' $$;
SELECT finops.evaluate_alerts() \g /dev/null

-- the bill: a source whose usage ended 1, 3 and 5 days ago
INSERT INTO finops.cost_daily (billing_period, usage_date, source, provider, service, tenant_id, charge_category, currency, billed_cost, effective_cost, line_items)
SELECT date_trunc('month', d)::date, d::date, s, 'AWS', 'AmazonEC2', 'AP-T', 'Usage', 'USD', 1, 1, 1
FROM (VALUES ('AP/1', now() - interval '2 days'), ('AP/3', now() - interval '4 days'), ('AP/5', now() - interval '6 days')) v(s, d);
SELECT finops.evaluate_alerts() \g /dev/null
SELECT is(pg_temp.standing('cur-freshness'), 'AP/3 AP/5', 'cur-freshness: more than 2 days');
SELECT is(pg_temp.standing('cur-freshness-critical'), 'AP/5', 'cur-freshness-critical: more than 4 days');
SELECT is((SELECT muted FROM finops.alert WHERE policy_id = 'cur-freshness' AND scope = 'AP/5'), 'inhibited', 'which is told instead of the first');
SELECT is(pg_temp.standing('tag-coverage-drop'), '', 'tag-coverage-drop: every line has a tenant');
INSERT INTO finops.cost_daily (billing_period, usage_date, source, provider, service, tenant_id, charge_category, currency, billed_cost, effective_cost, line_items)
SELECT b.p, b.p, 'AP/tags', 'AWS', 'AmazonEC2', t, 'Usage', 'USD', 1, 1, n
FROM (SELECT max(billing_period) AS p FROM finops.cost_daily WHERE billing_period <= now()) b, (VALUES ('AP-T', 9800), (NULL, 200)) v(t, n);
SELECT finops.evaluate_alerts() \g /dev/null
SELECT is(pg_temp.standing('tag-coverage-drop'), '', 'at 98 percent and a little more it does not stand');
UPDATE finops.cost_daily SET line_items = 230 WHERE source = 'AP/tags' AND tenant_id IS NULL;
SELECT finops.evaluate_alerts() \g /dev/null
SELECT isnt(pg_temp.standing('tag-coverage-drop'), '', 'below it does');

-- reconciliation: exactly on a threshold is the lower class
INSERT INTO finops.recon_run SELECT 'RECON-2031-01', '2031-01-01', '2031-01-31', 1, 1, 2, false, 'effective', 'USD', 'failed', '', 0, 0, 0, 0, 0, 0, 0, NULL, 'x';
INSERT INTO recon_summary (recon_id, service, period_start, period_end, aws_total_usd, allocated_total_usd, invoiced_total_usd, operator_overhead_usd, unallocated_usd, variance_usd, variance_pct, status)
SELECT 'RECON-2031-01', s, '2031-01-01', '2031-01-31', 0, 0, 0, 0, 0, 0, v, t
FROM (VALUES ('A', 0.5, 'warning'), ('B', -0.51, 'warning'), ('C', 1.0, 'warning'), ('D', -1.01, 'failed'), ('E', NULL, 'failed'), ('F', 9, 'resolved')) x(s, v, t);
SELECT finops.evaluate_alerts() \g /dev/null
SELECT is(pg_temp.standing('allocation-variance'), '2031-01/B 2031-01/C 2031-01/D 2031-01/E', 'allocation-variance: more than 0.5 percent of either sign');
SELECT is(pg_temp.standing('allocation-variance-critical'), '2031-01/D 2031-01/E', 'allocation-variance-critical: more than 1 percent, or nothing was expected');
SELECT is(pg_temp.told('allocation-variance'), 2::bigint, 'each service is told by one of them');
SELECT is(pg_temp.standing('recon-failed'), 'RECON-2031-01', 'recon-failed');
SELECT is((SELECT acknowledge_by - fired_at FROM finops.alert WHERE policy_id = 'recon-failed'), '15 minutes'::interval, 'SEV-1: 15 minutes');
UPDATE recon_summary SET status = 'resolved' WHERE recon_id = 'RECON-2031-01' AND status <> 'resolved';
SELECT finops.evaluate_alerts() \g /dev/null
SELECT is(pg_temp.standing('recon-failed') || pg_temp.standing('allocation-variance'), '', 'a reconciliation that is resolved clears all');

-- invoices and payments
INSERT INTO tenant_master (tenant_id, tenant_name, billing_mode) VALUES ('AP-T', 'Policy', 'invoice');
INSERT INTO invoice_header (invoice_id, tenant_id, period_start, period_end, status) VALUES ('AP-1', 'AP-T', (date_trunc('month', now()) - interval '2 months')::date, (date_trunc('month', now()) - interval '1 month')::date - 1, 'open');
INSERT INTO payment_txn (payment_id, tenant_id, method, currency, amount, amount_usd, paid_at) VALUES ('AP-P1', 'AP-T', 'card', 'USD', 10, 10, now() - interval '2 days'), ('AP-P2', 'AP-T', 'card', 'USD', 10, 10, now());
SELECT finops.evaluate_alerts() \g /dev/null
SELECT is(pg_temp.standing('invoice-lag'), to_char(now() - interval '2 months', 'YYYY-MM'), 'invoice-lag: a document that is open more than 72 h after its month');
SELECT is(pg_temp.standing('PAYMENT_MISMATCH'), 'payment AP-P1', 'PAYMENT_MISMATCH: not applied after a day');

-- quotas
INSERT INTO usage_snapshot_daily (tenant_id, metric_code, usage_date, metric_value, cap_value, utilization)
SELECT 'AP-T', m, date_trunc('month', now())::date, u, 1, u FROM (VALUES ('m079', 0.7999), ('m080', 0.8), ('m092', 0.92), ('m095', 0.95), ('m100', 1)) v(m, u);
SELECT finops.evaluate_alerts() \g /dev/null
SELECT is((SELECT string_agg(split_part(payload ->> 'scope', '/', 2) || ' ' || (payload ->> 'policy_id'), ', ' ORDER BY payload ->> 'scope') FROM finops.outbox WHERE topic = 'alert' AND payload ->> 'policy_id' LIKE 'quota-%'),
	'm080 quota-80, m092 quota-80, m095 quota-95, m100 quota-100', 'quotas: the highest level that is reached is told');

-- budgets
INSERT INTO budget_master (budget_id, target_usd, actual_usd, forecast_usd, last_refreshed_at) VALUES ('AP-B1', 1000, 799.99, 999.99, now()), ('AP-B2', 1000, 800, 800, now()), ('AP-B3', 1000, 1000, 2000, now() - interval '25 hours'), ('AP-B4', 1000, 0, 1000, now());
SELECT finops.evaluate_alerts() \g /dev/null
SELECT is(regexp_replace(pg_temp.standing('budget-actual'), '/[0-9-]+/', ' ', 'g'), 'AP-B2 80% AP-B3 100% AP-B3 80% AP-B3 95%', 'budget-actual: each threshold that is reached');
SELECT is((SELECT string_agg(severity, ' ' ORDER BY scope COLLATE "C") FROM finops.alert WHERE policy_id = 'budget-actual' AND scope LIKE 'AP-B3%'), 'critical warning critical', 'with its severity');
SELECT is(regexp_replace(pg_temp.standing('budget-forecast'), '/[0-9-]+/', ' ', 'g'), 'AP-B3 100% AP-B4 100%', 'budget-forecast');
SELECT is(pg_temp.told('budget-forecast'), 1::bigint, 'a forecast is not told where the budget is used up');
SELECT is(pg_temp.standing('budget-stale'), '*', 'budget-stale: once, however many are');
INSERT INTO budget_master (budget_id, target_usd, last_refreshed_at, enabled, effective_from, effective_to) VALUES ('AP-B5', 1, now() - interval '99 hours', false, NULL, NULL), ('AP-B6', 1, now() - interval '99 hours', true, now()::date + 9, NULL), ('AP-B7', 1, now() - interval '99 hours', true, NULL, now()::date - 9);
SELECT finops.evaluate_alerts() \g /dev/null
SELECT is((SELECT value || ' h, ' || (detail ->> 'budgets') FROM finops.alert WHERE policy_id = 'budget-stale'), '25.0 h, 1', 'none that is off, to come or over');
UPDATE budget_master SET forecast_usd = 985 WHERE budget_id = 'AP-B4';
SELECT finops.evaluate_alerts() \g /dev/null
UPDATE budget_master SET forecast_usd = 1001 WHERE budget_id = 'AP-B4';
SELECT finops.evaluate_alerts() \g /dev/null
SELECT is(pg_temp.told('budget-forecast'), 1::bigint, 'a forecast that wavers is told once');
UPDATE budget_master SET forecast_usd = 979 WHERE budget_id = 'AP-B4';
SELECT finops.evaluate_alerts() \g /dev/null
UPDATE budget_master SET forecast_usd = 1001 WHERE budget_id = 'AP-B4';
SELECT finops.evaluate_alerts() \g /dev/null
SELECT is(pg_temp.told('budget-forecast'), 2::bigint, 'one that was below 98 percent is armed again');
SELECT finops.evaluate_alerts() \g /dev/null
SELECT is(pg_temp.told('budget-actual'), 4::bigint, 'thresholds of the actual cost are told once');

-- jobs and messages
INSERT INTO finops.job_run (job_name, status, started_at, executed_by, error_message) VALUES ('ap-good', 'failed', now() - interval '2 days', 'x', 'e'), ('ap-good', 'succeeded', now() - interval '1 day', 'x', NULL), ('ap-bad', 'succeeded', now() - interval '2 days', 'x', NULL), ('ap-bad', 'failed', now() - interval '1 day', 'x', 'e');
INSERT INTO finops.job_run (job_name, status, started_at, executed_by) SELECT 'ap-long', 'started', now() - interval '2 hours', 'x' FROM generate_series(1, 11);
SELECT finops.evaluate_alerts() \g /dev/null
SELECT is(pg_temp.standing('job-failed'), 'ap-bad', 'job-failed: by the last run');
SELECT is(pg_temp.standing('runner-backlog'), 'jobs', 'runner-backlog: more than 10 runs unfinished for an hour');
UPDATE finops.job_run SET started_at = now() - interval '50 minutes' WHERE job_name = 'ap-long';
INSERT INTO finops.channel (channel_id, kind, target) VALUES ('ap', 'webhook', 'https://ap.example/x');
INSERT INTO finops.notification (outbox_id, channel_id, queued_at) SELECT o.outbox_id, 'ap', now() - interval '16 minutes' FROM finops.outbox o ORDER BY 1 LIMIT 11;
INSERT INTO finops.notification_message (channel_id, kind, idempotency_key, severity, parts, status, created_at) VALUES ('ap', 'single', 'ap-1', 'info', 1, 'dead', now());
SELECT finops.evaluate_alerts() \g /dev/null
SELECT is(pg_temp.standing('runner-backlog'), 'notifications', 'or messages that wait for a quarter of an hour');
SELECT is(pg_temp.standing('delivery-failed'), 'ap', 'delivery-failed: a message was given up');

-- the costs dashboard
INSERT INTO api_metrics (endpoint, status_code, response_time_ms, created_at) SELECT '/api/costs', CASE WHEN n <= 1 THEN 500 ELSE 200 END, 5000, now() - interval '1 minute' FROM generate_series(1, 10) n;
INSERT INTO api_metrics (endpoint, status_code, response_time_ms, created_at) VALUES ('/health', 200, 1, now() - interval '90 seconds');
INSERT INTO cost_cache (cache_key, source, last_updated) VALUES ('ap-1', 'athena', now() - interval '71 hours'), ('ap-2', 'cost-explorer', now() - interval '73 hours'), ('ap-3', 'cost-explorer', now() - interval '80 hours');
SELECT finops.evaluate_alerts() \g /dev/null
SELECT is(concat_ws('|', pg_temp.standing('high-error-rate'), pg_temp.standing('slow-api-responses'), pg_temp.standing('dashboard-down')), '||', 'a tenth of the requests, 5 seconds and an answer of a minute ago are not too much');
SELECT is(pg_temp.standing('stale-data'), 'cost-explorer', 'stale-data: the newest of a source is older than 72 h');
SELECT is((SELECT state FROM finops.alert WHERE policy_id = 'stale-data'), 'pending', 'it must stand for half an hour');
UPDATE api_metrics SET response_time_ms = 5001 WHERE endpoint = '/api/costs';
INSERT INTO api_metrics (endpoint, status_code, response_time_ms, created_at) VALUES ('/api/costs', 503, 6000, now() - interval '1 minute');
INSERT INTO api_metrics (endpoint, status_code, response_time_ms, created_at, error_code) SELECT 'ce', 400, 1, now() - interval '2 minutes', 'ThrottlingException' FROM generate_series(1, 6);
UPDATE api_metrics SET created_at = now() - interval '3 minutes' WHERE endpoint = '/health';
SELECT finops.evaluate_alerts() \g /dev/null
SELECT is(pg_temp.standing('high-error-rate'), '*', 'high-error-rate: two of 18 failed');
SELECT is(pg_temp.standing('slow-api-responses'), '*', 'slow-api-responses: the 95th percentile is over 5 s');
SELECT is(pg_temp.standing('dashboard-down'), '/health', 'dashboard-down: no answer for 2 minutes');
SELECT is(pg_temp.standing('aws-api-throttling'), 'ce', 'aws-api-throttling: more than 5 refusals');
UPDATE api_metrics SET created_at = now() - interval '6 minutes' WHERE endpoint = 'ce';
SELECT finops.evaluate_alerts() \g /dev/null
SELECT is(pg_temp.standing('aws-api-throttling'), '', 'it clears by itself, as no counter of everything does');
INSERT INTO athena_query_executions (query_execution_id, data_scanned_in_bytes) VALUES ('ap-small', 1099511627776), ('ap-big', 1099511627777);

-- logistics
INSERT INTO finops.source_sync (table_name, last_sync_at, sla_minutes) VALUES ('ap_good', now() - interval '359 minutes', 360), ('ap_late', now() - interval '361 minutes', 360);
INSERT INTO finops.dq_check (table_name, sla_result, evaluation_timestamp) VALUES ('ap_a', 'FAIL', now() - interval '1 hour'), ('ap_a', 'PASS', now()), ('ap_b', 'FAIL', now());
INSERT INTO finops.fk_check (constraint_name, test_result) VALUES ('ap_fk', 'FAIL');
INSERT INTO finops.query_log (query_id, start_time, total_elapsed_time_seconds) VALUES ('ap-q1', now(), 300), ('ap-q2', now(), 300.1);
INSERT INTO finops.warehouse (warehouse_name, cost_per_credit) VALUES ('AP_WH', 1);
INSERT INTO finops.warehouse_metering (warehouse_name, cost_date, credits_used_compute) VALUES ('AP_WH', current_date, 1000.5), ('AP_WH', current_date - 1, 1000);
INSERT INTO finops.prediction_log (model_name, confidence_score) VALUES ('ap-m1', 0.7), ('ap-m2', 0.69);
INSERT INTO finops.feature_drift (feature_name, drift_score, threshold) VALUES ('ap-f1', 0.2, 0.2), ('ap-f2', 0.21, 0.2);
INSERT INTO finops.security_metric (security_metric, current_value, threshold, status) VALUES ('ap-s1', 5, 5, 'OK'), ('ap-s2', 6, 5, 'BAD');
SELECT finops.evaluate_alerts() \g /dev/null
INSERT INTO finops.anomaly (dimension, key, currency, direction, first_day, last_day, days, actual_cost, expected_cost, impact, score, new_level, state, explained_by)
SELECT 'service', 'ap-' || s, 'USD', 'rise', current_date - d, current_date - d, 1, 3, 1, 2, 9, false, s, e
FROM (VALUES ('open', 2, NULL::bigint), ('expected', 2, NULL), ('closed', 2, NULL), ('unexpected', 20, NULL), ('withdrawn', 2, NULL)) v(s, d, e);
INSERT INTO finops.anomaly (dimension, key, currency, direction, first_day, last_day, days, actual_cost, expected_cost, impact, score, new_level, explained_by)
SELECT 'total', 'total', 'USD', 'rise', current_date - 2, current_date - 2, 1, 3, 1, 2, 9, false, max(anomaly_id) FROM finops.anomaly;
SELECT finops.evaluate_alerts() \g /dev/null
SELECT is(pg_temp.standing('cost-anomaly'), 'service/ap-open rise ' || to_char(current_date - 2, 'YYYY-MM-DD'), 'cost-anomaly: findings that nobody has judged and that are recent');
SELECT is(pg_temp.standing('athena-scan'), 'ap-big', 'athena-scan: more than 1 TiB');
SELECT is(pg_temp.standing('data-freshness'), 'ap_late', 'data-freshness: older than its allowance');
SELECT is(pg_temp.standing('data-quality') || ' ' || pg_temp.standing('referential-integrity'), 'completeness/ap_b ap_fk', 'data-quality and referential-integrity: by the newest check');
SELECT is(pg_temp.standing('slow-query'), 'ap-q2', 'slow-query: more than 300 s');
SELECT is(pg_temp.standing('warehouse-cost'), 'AP_WH/' || to_char(current_date, 'YYYY-MM-DD'), 'warehouse-cost: more than 1000 a day');
SELECT is(pg_temp.standing('low-confidence') || ' ' || pg_temp.standing('feature-drift') || ' ' || pg_temp.standing('security-metric'), 'ap-m2 ap-f2 ap-s2', 'low-confidence, feature-drift and security-metric');
SELECT is((SELECT string_agg(policy_id || ': ' || error, '; ') FROM finops.alert_policy_state WHERE error IS NOT NULL), NULL, 'no policy failed');
INSERT INTO finops.notification_message (channel_id, kind, idempotency_key, severity, parts, status, created_at, sent_at) VALUES ('ap', 'single', 'ap-2', 'info', 1, 'sent', now() - interval '3 days', now() - interval '3 days'), ('ap', 'single', 'ap-3', 'info', 1, 'sent', now(), now());
INSERT INTO finops.delivery_attempt (message_id, channel_id, started_at, outcome) SELECT message_id, 'ap', created_at, 'sent' FROM finops.notification_message WHERE idempotency_key IN ('ap-2', 'ap-3');
INSERT INTO finops.notification (outbox_id, channel_id, message_id) SELECT (SELECT max(outbox_id) FROM finops.outbox), 'ap', message_id FROM finops.notification_message WHERE idempotency_key = 'ap-2';
SELECT is(finops.purge_alerts('2 days'), 2::bigint, 'a message that was sent is forgotten with its attempt');
SELECT is((SELECT string_agg(idempotency_key, ' ' ORDER BY 1) FROM finops.notification_message), 'ap-1 ap-3', 'one that was given up and a new one are not');
SELECT * FROM finish();
ROLLBACK;

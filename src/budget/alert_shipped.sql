-- room budget: the alert policies that are shipped

INSERT INTO finops.alert_policy (policy_id, title, severity, severity_scale, severity_class, operator, threshold, clear_threshold,
	for_duration, increase_over, no_data, inhibited_by, covers_topics, notify_resolved, opens_incident, runbook, query, owner_role, shipped)
VALUES
	-- bill to cash
	('cur-freshness', 'The bill is late', 'warning', 'commercial-ops', 'SEV-3', '>', 2, NULL, NULL, NULL, NULL, '{cur-freshness-critical}', NULL, true, false,
		'SELECT * FROM finops.load_bill(''...'')',
$$SELECT d.source AS scope, round(extract(epoch FROM now() AT TIME ZONE 'UTC' - (max(d.usage_date) + 1)::timestamp)::numeric / 86400, 2) AS value,
 jsonb_build_object('latest_usage', max(d.usage_date), 'unit', 'days', 'evidence', 'SELECT MAX(line_item_usage_end_date) FROM fact_cost_raw') AS detail
FROM finops.cost_daily d WHERE d.charge_category = 'Usage' AND d.usage_date <= (now() AT TIME ZONE 'UTC')::date
 AND d.billing_period >= (date_trunc('month', now() AT TIME ZONE 'UTC') - interval '3 months')::date GROUP BY d.source$$, NULL, true),
	('cur-freshness-critical', 'The bill is very late', 'critical', 'commercial-ops', 'SEV-2', '>', 4, NULL, NULL, NULL, NULL, NULL, NULL, true, true,
		'SELECT * FROM finops.load_bill(''...'')',
$$SELECT d.source AS scope, round(extract(epoch FROM now() AT TIME ZONE 'UTC' - (max(d.usage_date) + 1)::timestamp)::numeric / 86400, 2) AS value,
 jsonb_build_object('latest_usage', max(d.usage_date), 'unit', 'days', 'evidence', 'SELECT MAX(line_item_usage_end_date) FROM fact_cost_raw') AS detail
FROM finops.cost_daily d WHERE d.charge_category = 'Usage' AND d.usage_date <= (now() AT TIME ZONE 'UTC')::date
 AND d.billing_period >= (date_trunc('month', now() AT TIME ZONE 'UTC') - interval '3 months')::date GROUP BY d.source$$, NULL, true),
	('cost-anomaly', 'Cost is not as expected', 'warning', 'commercial-ops', 'SEV-3', '>', 0, NULL, NULL, NULL, NULL, NULL, NULL, false, false,
		'SELECT * FROM finops.detect_anomalies(), then finops.judge_anomaly(<anomaly_id>, ''expected'')',
$$SELECT concat(a.dimension, '/', a.key, ' ', a.direction, ' ', to_char(a.first_day, 'YYYY-MM-DD')) AS scope, round(abs(a.impact), 2) AS value,
 jsonb_build_object('anomaly_id', a.anomaly_id, 'impact', a.impact, 'impact_pct', a.impact_pct, 'currency', a.currency, 'last_day', to_char(a.last_day, 'YYYY-MM-DD'), 'unit', 'money') AS detail
FROM finops.anomaly a WHERE a.explained_by IS NULL AND a.state IN ('open', 'unexpected') AND a.last_day > (now() AT TIME ZONE 'UTC')::date - 14$$, NULL, true),
	('allocation-variance', 'Allocation differs from the bill', 'warning', 'commercial-ops', 'SEV-3', '>', 0.5, NULL, NULL, NULL, NULL, '{allocation-variance-critical}', NULL, true, false,
		'SELECT service, variance_pct FROM recon_summary WHERE status = ''warning''',
$$SELECT to_char(r.period_start, 'YYYY-MM') || '/' || r.service AS scope, coalesce(abs(r.variance_pct), CASE r.status WHEN 'failed' THEN 100 END) AS value,
 jsonb_build_object('recon_id', r.recon_id, 'variance_pct', r.variance_pct, 'variance_usd', r.variance_usd, 'status', r.status, 'unit', 'percent') AS detail
FROM @extschema@.recon_summary r WHERE r.status <> 'resolved'$$, NULL, true),
	('allocation-variance-critical', 'Allocation differs much from the bill', 'critical', 'commercial-ops', 'SEV-2', '>', 1.0, NULL, NULL, NULL, NULL, NULL, NULL, true, true,
		'SELECT * FROM recon_exceptions WHERE category = ''Allocation''',
$$SELECT to_char(r.period_start, 'YYYY-MM') || '/' || r.service AS scope, coalesce(abs(r.variance_pct), CASE r.status WHEN 'failed' THEN 100 END) AS value,
 jsonb_build_object('recon_id', r.recon_id, 'variance_pct', r.variance_pct, 'variance_usd', r.variance_usd, 'status', r.status, 'unit', 'percent') AS detail
FROM @extschema@.recon_summary r WHERE r.status <> 'resolved'$$, NULL, true),
	('recon-failed', 'Reconciliation failed, invoices are blocked', 'critical', 'commercial-ops', 'SEV-1', '>', 0, NULL, NULL, NULL, NULL, NULL, NULL, true, true,
		'SELECT finops.reconcile(''<period>''), then finops.resolve_recon(''<recon_id>'')',
$$SELECT r.recon_id AS scope, (count(*) FILTER (WHERE r.status = 'failed'))::numeric AS value,
 jsonb_build_object('period', to_char(r.period_start, 'YYYY-MM'), 'services', jsonb_agg(r.service ORDER BY r.service) FILTER (WHERE r.status = 'failed'),
  'variance_pct', max(r.variance_pct) FILTER (WHERE r.service = 'ALL'), 'evidence', format('SELECT * FROM recon_exceptions WHERE recon_id = %L', r.recon_id)) AS detail
FROM @extschema@.recon_summary r GROUP BY r.recon_id, r.period_start$$, NULL, true),
	('tag-coverage-drop', 'Usage without a tenant', 'warning', 'commercial-ops', 'SEV-3', '<', 98, 98.5, NULL, NULL, NULL, NULL, NULL, true, false,
		'SELECT finops.validate_tags(''<period>''), then SELECT * FROM finops.tag_quarantine',
$$SELECT to_char(d.billing_period, 'YYYY-MM') AS scope,
 round(coalesce(sum(d.line_items) FILTER (WHERE d.tenant_id IS NOT NULL), 0) * 100 / sum(d.line_items), 2) AS value,
 jsonb_build_object('line_items', sum(d.line_items), 'untagged', coalesce(sum(d.line_items) FILTER (WHERE d.tenant_id IS NULL), 0), 'unit', 'percent') AS detail
FROM finops.cost_daily d WHERE d.billing_period = (SELECT max(c.billing_period) FROM finops.cost_daily c WHERE c.billing_period <= (now() AT TIME ZONE 'UTC')::date)
GROUP BY d.billing_period HAVING sum(d.line_items) > 0$$, NULL, true),
	('invoice-lag', 'Invoices are late', 'warning', 'commercial-ops', 'SEV-2', '>', 72, NULL, NULL, NULL, NULL, NULL, NULL, true, true,
		'CALL finops.close_month(''<period>'')',
$$SELECT to_char(m.period, 'YYYY-MM') AS scope, round(extract(epoch FROM now() AT TIME ZONE 'UTC' - (m.period + interval '1 month'))::numeric / 3600, 1) AS value,
 jsonb_build_object('unit', 'hours', 'tenants', count(*), 'first', (array_agg(m.tenant_id ORDER BY m.tenant_id COLLATE "C"))[1:10],
  'evidence', 'SELECT tenant_id, period_start, status FROM invoice_header WHERE status = ''open''') AS detail
FROM (SELECT h.period_start AS period, h.tenant_id FROM @extschema@.invoice_header h WHERE h.status = 'open' AND h.kind = 'invoice'
  AND h.period_start < date_trunc('month', now() AT TIME ZONE 'UTC')
 UNION
 SELECT p.period, b.tenant_id FROM (SELECT DISTINCT l.billing_period AS period FROM finops.delivery l
   WHERE l.billing_period < date_trunc('month', now() AT TIME ZONE 'UTC') AND l.billing_period >= date_trunc('month', now() AT TIME ZONE 'UTC') - interval '12 months'
   AND l.loaded_at < (l.billing_period + interval '1 month' + interval '45 days') AT TIME ZONE 'UTC') p
  JOIN @extschema@.tenant_plan_binding b ON b.period_start < p.period + interval '1 month' AND coalesce(b.period_end, 'infinity') >= p.period
  WHERE NOT EXISTS (SELECT FROM @extschema@.invoice_header h WHERE h.tenant_id = b.tenant_id AND h.period_start = p.period AND h.kind = 'invoice')
  AND NOT EXISTS (SELECT FROM @extschema@.period_lock k WHERE k.period_start = p.period AND k.state = 'LOCKED')
 UNION
 SELECT f.period_start, f.tenant_id FROM finops.invoice_failure f) m
GROUP BY m.period$$, NULL, true),
	('PAYMENT_MISMATCH', 'A payment fits no invoice', 'warning', 'commercial-ops', 'SEV-3', '>', 0, NULL, NULL, NULL, NULL, NULL, NULL, true, false,
		'SELECT * FROM finops.match_payments()',
$$SELECT 'payment ' || b.payment_id AS scope, b.unapplied AS value, jsonb_build_object('tenant_id', b.tenant_id, 'currency', b.currency, 'amount', b.amount, 'paid_at', b.paid_at) AS detail
FROM finops.payment_balance b WHERE b.unapplied > 0 AND b.paid_at < now() - interval '1 day'
UNION ALL
SELECT 'invoice ' || i.invoice_id, 1, jsonb_build_object('tenant_id', i.tenant_id, 'open_amount', i.open_amount, 'paid', i.paid, 'status', i.status)
FROM finops.invoice_balance i WHERE i.status = 'issued' AND i.open_amount <= 0 AND i.paid > 0$$, NULL, true),
	-- quotas: the message of the highest level that is reached
	('quota-80', 'Quota at 80 percent', 'info', 'commercial-ops', 'SEV-4', '>=', 80, NULL, NULL, NULL, NULL, '{quota-95,quota-100}', '{quota_event}', false, false,
		'SELECT tenant_id, metric_code, metric_value, cap_value, utilization FROM usage_snapshot_daily WHERE utilization >= 0.8',
$$SELECT concat_ws('/', u.tenant_id, u.metric_code, to_char(u.usage_date, 'YYYY-MM')) AS scope, u.utilization * 100 AS value,
 jsonb_build_object('tenant_id', u.tenant_id, 'metric_code', u.metric_code, 'cap_value', u.cap_value, 'usage_date', u.usage_date, 'unit', 'percent') AS detail
FROM (SELECT DISTINCT ON (s.tenant_id, s.metric_code) s.* FROM @extschema@.usage_snapshot_daily s
 WHERE s.usage_date >= date_trunc('month', now() AT TIME ZONE 'UTC') AND s.utilization IS NOT NULL ORDER BY s.tenant_id, s.metric_code, s.usage_date DESC) u$$, NULL, true),
	('quota-95', 'Quota at 95 percent', 'warning', 'commercial-ops', 'SEV-3', '>=', 95, NULL, NULL, NULL, NULL, '{quota-100}', '{quota_event}', false, false,
		'SELECT tenant_id, metric_code, metric_value, cap_value, utilization FROM usage_snapshot_daily WHERE utilization >= 0.95',
$$SELECT concat_ws('/', u.tenant_id, u.metric_code, to_char(u.usage_date, 'YYYY-MM')) AS scope, u.utilization * 100 AS value,
 jsonb_build_object('tenant_id', u.tenant_id, 'metric_code', u.metric_code, 'cap_value', u.cap_value, 'usage_date', u.usage_date, 'unit', 'percent') AS detail
FROM (SELECT DISTINCT ON (s.tenant_id, s.metric_code) s.* FROM @extschema@.usage_snapshot_daily s
 WHERE s.usage_date >= date_trunc('month', now() AT TIME ZONE 'UTC') AND s.utilization IS NOT NULL ORDER BY s.tenant_id, s.metric_code, s.usage_date DESC) u$$, NULL, true),
	('quota-100', 'Quota reached', 'critical', 'commercial-ops', 'SEV-2', '>=', 100, NULL, NULL, NULL, NULL, NULL, '{quota_event}', true, false,
		'SELECT finops.top_up(<tenant_id>, <sku_code>), or another plan',
$$SELECT concat_ws('/', u.tenant_id, u.metric_code, to_char(u.usage_date, 'YYYY-MM')) AS scope, u.utilization * 100 AS value,
 jsonb_build_object('tenant_id', u.tenant_id, 'metric_code', u.metric_code, 'cap_value', u.cap_value, 'usage_date', u.usage_date, 'unit', 'percent') AS detail
FROM (SELECT DISTINCT ON (s.tenant_id, s.metric_code) s.* FROM @extschema@.usage_snapshot_daily s
 WHERE s.usage_date >= date_trunc('month', now() AT TIME ZONE 'UTC') AND s.utilization IS NOT NULL ORDER BY s.tenant_id, s.metric_code, s.usage_date DESC) u$$, NULL, true),
	-- budgets; a forecast is armed again only 2 percent below the threshold
	('budget-actual', 'Budget threshold reached', 'warning', 'commercial-ops', 'SEV-3', '>=', 100, NULL, NULL, NULL, NULL, NULL, NULL, false, false,
		'SELECT * FROM finops.budget_status WHERE crossed',
$$SELECT concat_ws('/', b.budget_id, b.period_start, coalesce(trim_scale(b.threshold_pct) || '%', trim_scale(b.threshold_usd)::text)) AS scope,
 greatest(100, coalesce(round(b.observed_usd * 100 / nullif(b.threshold_usd, 0), 2), 100)) AS value,
 to_jsonb(b) || jsonb_build_object('unit', 'percent of the threshold') AS detail
FROM finops.budget_status b WHERE b.threshold_kind = 'actual' AND b.crossed$$, NULL, true),
	('budget-forecast', 'Budget will be exceeded', 'warning', 'commercial-ops', 'SEV-3', '>=', 100, 98, NULL, NULL, NULL, '{budget-actual}', NULL, false, false,
		'SELECT * FROM finops.budget_status WHERE crossed',
$$SELECT concat_ws('/', b.budget_id, b.period_start, coalesce(trim_scale(b.threshold_pct) || '%', trim_scale(b.threshold_usd)::text)) AS scope,
 CASE WHEN b.crossed THEN greatest(100, coalesce(round(b.observed_usd * 100 / nullif(b.threshold_usd, 0), 2), 100))
  ELSE least(99.99, trunc(b.observed_usd * 100 / nullif(b.threshold_usd, 0), 2)) END AS value,
 to_jsonb(b) || jsonb_build_object('unit', 'percent of the threshold') AS detail
FROM finops.budget_status b WHERE b.threshold_kind = 'forecast' AND (b.crossed OR b.observed_usd * 100 > b.threshold_usd * 98)$$, NULL, true),
	('budget-stale', 'Budget data is stale', 'warning', 'commercial-ops', 'SEV-3', '>', 24, NULL, NULL, NULL, NULL, NULL, NULL, true, false,
		'SELECT finops.refresh_budgets()',
$$SELECT '*' AS scope, round(extract(epoch FROM now() - min(b.last_refreshed_at))::numeric / 3600, 1) AS value,
 jsonb_build_object('unit', 'hours', 'budgets', count(*) FILTER (WHERE b.last_refreshed_at < now() - interval '24 hours'),
  'evidence', 'SELECT budget_id, last_refreshed_at FROM budget_master ORDER BY last_refreshed_at ASC') AS detail
FROM @extschema@.budget_master b WHERE b.enabled AND coalesce(b.effective_from < (now() AT TIME ZONE 'UTC')::date, true)
 AND coalesce(b.effective_to >= (now() AT TIME ZONE 'UTC')::date, true) HAVING count(*) > 0$$, NULL, true),
	-- forecasts
	('rmse-drift', 'A forecast model has drifted', 'warning', 'commercial-ops', 'SEV-3', '>', 0, NULL, NULL, NULL, NULL, NULL, '{rmse-drift}', true, false,
		'SELECT * FROM finops.retrain_drifted()',
$$SELECT m.model_of AS scope, m.drifted::int::numeric AS value,
 jsonb_build_object('version', m.model_version, 'rmse_ratio', m.rmse_ratio, 'periods_over', m.periods_over, 'reasons', m.reasons, 'observations', m.observations) AS detail
FROM finops.model_drift() m$$, NULL, true),
	('forecast-outlier', 'An actual value is far from its forecast', 'warning', 'commercial-ops', 'SEV-4', '>', 0, NULL, NULL, NULL, NULL, NULL, '{forecast-outlier}', false, false,
		'SELECT * FROM forecast.outlier',
$$SELECT concat_ws('/', o.model_name, to_char(o.target_at, 'YYYY-MM-DD"T"HH24:MI')) AS scope, greatest(abs(o.z), 0.001)::numeric AS value,
 jsonb_build_object('actual', o.actual, 'forecast', o.mean, 'z', o.z, 'deviation_pct', o.deviation_pct,
  'severity', CASE o.severity WHEN 'high' THEN 'critical' ELSE 'warning' END) AS detail
FROM forecast.outlier o WHERE o.target_at >= now() AT TIME ZONE 'UTC' - interval '14 days'$$, NULL, true),
	-- operations
	('job-failed', 'A job failed', 'warning', 'commercial-ops', 'SEV-2', '>', 0, NULL, NULL, NULL, NULL, NULL, NULL, true, true,
		'CALL finops.run_job(''<job>'')',
$$SELECT r.job_name AS scope, (r.status = 'failed')::int::numeric AS value, jsonb_build_object('run_id', r.run_id, 'started_at', r.started_at, 'error', left(r.error_message, 500)) AS detail
FROM (SELECT DISTINCT ON (j.job_name) j.* FROM finops.job_run j WHERE j.status IN ('succeeded', 'failed') ORDER BY j.job_name, j.started_at DESC, j.run_id DESC) r$$, NULL, true),
	('job-late', 'A job did not run when it should have', 'warning', 'commercial-ops', 'SEV-3', '>', 0, NULL, NULL, NULL, NULL, NULL, NULL, true, false,
		'CALL finops.run_job(''<job>''); is the scheduler running?',
$$SELECT l.job_name AS scope, round(extract(epoch FROM l.late_by)::numeric / 60, 1) AS value,
 jsonb_build_object('unit', 'minutes', 'due_at', l.due_at, 'last_started_at', l.last_started_at) AS detail FROM finops.job_late l$$, NULL, true),
	('runner-backlog', 'Work piles up', 'warning', 'commercial-ops', 'SEV-3', '>', 10, 5, NULL, NULL, NULL, NULL, NULL, true, false,
		'CALL finops.deliver_notifications(); SELECT * FROM finops.job_run WHERE status = ''started''',
$$SELECT 'jobs' AS scope, count(*)::numeric AS value, jsonb_build_object('what', 'runs unfinished for an hour', 'oldest', min(r.started_at)) AS detail
FROM finops.job_run r WHERE r.status = 'started' AND r.started_at < now() - interval '1 hour'
UNION ALL
SELECT 'notifications', count(*)::numeric, jsonb_build_object('what', 'messages that wait for a quarter of an hour', 'oldest', min(o.created_at))
FROM finops.notification n JOIN finops.outbox o ON o.outbox_id = n.outbox_id JOIN finops.channel c ON c.channel_id = n.channel_id
WHERE n.message_id IS NULL AND c.enabled AND c.digest_interval IS NULL AND n.queued_at < now() - interval '15 minutes'$$, NULL, true),
	('delivery-failed', 'Messages could not be delivered', 'warning', 'commercial-ops', 'SEV-2', '>', 0, NULL, NULL, NULL, NULL, NULL, NULL, true, false,
		'SELECT finops.redeliver(channel_id => ''<channel>'')',
$$SELECT m.channel_id AS scope, count(*)::numeric AS value, jsonb_build_object('last_error', left(max(m.error), 500), 'since', min(m.created_at)) AS detail
FROM finops.notification_message m WHERE m.status = 'dead' GROUP BY m.channel_id$$, NULL, true),
	('alert-policy-failed', 'An alert policy cannot be evaluated', 'warning', 'commercial-ops', 'SEV-3', '>', 0, NULL, NULL, NULL, NULL, NULL, NULL, true, false,
		'SELECT * FROM finops.alert_policy_state WHERE error IS NOT NULL',
$$SELECT s.policy_id AS scope, (s.error IS NOT NULL)::int::numeric AS value, jsonb_build_object('error', s.error, 'failing_since', s.failing_since) AS detail
FROM finops.alert_policy_state s WHERE s.policy_id <> 'alert-policy-failed'$$, NULL, true),
	-- the costs dashboard; counters are judged by their increase, so that they clear
	('dashboard-down', 'The dashboard does not answer', 'critical', 'costs-dashboard', 'P1', '<', 1, NULL, '2 minutes', NULL, 'keep', NULL, NULL, true, true,
		'SELECT * FROM finops.health_check()',
$$SELECT m.endpoint AS scope, (m.created_at > now() - interval '2 minutes' AND coalesce(m.status_code, 0) < 500)::int::numeric AS value,
 jsonb_build_object('last_answer', m.created_at, 'status_code', m.status_code) AS detail
FROM (SELECT DISTINCT ON (a.endpoint) a.* FROM @extschema@.api_metrics a WHERE a.endpoint ~ '(^|/)health' AND a.created_at > now() - interval '1 day'
 ORDER BY a.endpoint, a.created_at DESC, a.id DESC) m$$, NULL, true),
	('high-error-rate', 'Many requests fail', 'critical', 'costs-dashboard', 'P2', '>', 0.1, NULL, '5 minutes', NULL, NULL, '{dashboard-down}', NULL, true, true,
		'SELECT endpoint, status_code, count(*) FROM api_metrics WHERE created_at > now() - interval ''5 minutes'' GROUP BY 1, 2',
$$SELECT '*' AS scope, round((count(*) FILTER (WHERE a.status_code >= 500))::numeric / count(*), 4) AS value,
 jsonb_build_object('requests', count(*), 'failed', count(*) FILTER (WHERE a.status_code >= 500), 'unit', 'ratio') AS detail
FROM @extschema@.api_metrics a WHERE a.created_at > now() - interval '5 minutes' HAVING count(*) > 0$$, NULL, true),
	('database-connection-failure', 'Connections to the database fail', 'critical', 'costs-dashboard', 'P2', '>', 0, NULL, '1 minute', '5 minutes', NULL, NULL, NULL, true, true,
		'SELECT state, count(*) FROM pg_stat_activity GROUP BY state',
$$SELECT d.datname AS scope, d.sessions_fatal::numeric AS value, jsonb_build_object('counter', 'sessions ended by a fatal error', 'unit', 'in 5 minutes') AS detail
FROM pg_catalog.pg_stat_database d WHERE d.datname = current_database()$$, NULL, true),
	('slow-api-responses', 'Requests are slow', 'warning', 'costs-dashboard', 'P3', '>', 5000, NULL, '10 minutes', NULL, NULL, '{dashboard-down}', NULL, true, false,
		'SELECT endpoint, avg(response_time_ms) FROM api_metrics WHERE created_at > now() - interval ''7 days'' GROUP BY endpoint',
$$SELECT '*' AS scope, round((percentile_cont(0.95) WITHIN GROUP (ORDER BY a.response_time_ms))::numeric, 1) AS value,
 jsonb_build_object('requests', count(*), 'unit', 'ms, 95th percentile of 5 minutes') AS detail
FROM @extschema@.api_metrics a WHERE a.created_at > now() - interval '5 minutes' HAVING count(*) > 0$$, NULL, true),
	('aws-api-throttling', 'AWS refuses requests: too many', 'warning', 'costs-dashboard', 'P3', '>', 5, NULL, '5 minutes', NULL, NULL, NULL, NULL, true, false,
		'ALTER SYSTEM SET finops.cost_explorer_rate = ...',
$$SELECT a.endpoint AS scope, count(*)::numeric AS value, jsonb_build_object('unit', 'in 5 minutes') AS detail
FROM @extschema@.api_metrics a WHERE a.created_at > now() - interval '5 minutes' AND (a.status_code = 429 OR a.error_code ~ 'Throttl|TooManyRequests|LimitExceeded')
GROUP BY a.endpoint$$, NULL, true),
	('stale-data', 'Data of the dashboard is stale', 'warning', 'costs-dashboard', 'P3', '>', 72, NULL, '30 minutes', NULL, NULL, NULL, NULL, true, false,
		'SELECT source, max(last_updated) FROM cost_cache GROUP BY source',
$$SELECT c.source AS scope, round(extract(epoch FROM now() - max(c.last_updated))::numeric / 3600, 1) AS value, jsonb_build_object('unit', 'hours', 'latest', max(c.last_updated)) AS detail
FROM @extschema@.cost_cache c GROUP BY c.source$$, NULL, true),
	('athena-scan', 'A query scans more than 1 TiB', 'warning', 'costs-dashboard', 'P3', '>', 1099511627776, NULL, NULL, NULL, NULL, NULL, NULL, false, false,
		'SELECT * FROM athena_query_executions ORDER BY data_scanned_in_bytes DESC',
$$SELECT a.query_execution_id AS scope, a.data_scanned_in_bytes AS value, jsonb_build_object('unit', 'bytes', 'workgroup', a.workgroup, 'query', left(a.query, 200)) AS detail
FROM @extschema@.athena_query_executions a WHERE a.creation_time > now() - interval '1 day'$$, NULL, true),
	-- logistics
	('data-freshness', 'A table was not brought up to date', 'warning', 'logistics', 'P2', '>', 100, NULL, NULL, NULL, NULL, NULL, NULL, true, false,
		'SELECT table_name, minutes_since_sync FROM vw_data_freshness_monitoring WHERE minutes_since_sync > 360',
$$SELECT f.table_name AS scope, round(f.minutes_since_sync::numeric * 100 / f.sla_minutes, 1) AS value,
 jsonb_build_object('unit', 'percent of the age that is allowed', 'minutes', round(f.minutes_since_sync::numeric), 'allowed', f.sla_minutes) AS detail
FROM @extschema@.vw_data_freshness_monitoring f WHERE f.table_name <> 'fact_cost_raw'$$, NULL, true),
	('data-quality', 'A data quality check failed', 'warning', 'logistics', 'P2', '>', 0, NULL, NULL, NULL, NULL, NULL, NULL, true, false,
		'SELECT * FROM vw_data_quality_sla WHERE sla_result = ''FAIL''',
$$SELECT coalesce(q.rule_name, q.sla_type || '/' || q.table_name) AS scope, (q.sla_result = 'FAIL')::int::numeric AS value, jsonb_build_object('table', q.table_name, 'actual', q.actual_value, 'threshold', q.threshold_value, 'severity', q.severity, 'at', q.evaluation_timestamp) AS detail
FROM (SELECT DISTINCT ON (d.sla_type, d.table_name, d.rule_name) d.* FROM finops.dq_check d WHERE d.rule_name IS NULL OR EXISTS (SELECT FROM finops.quality_rule r WHERE r.rule_name = d.rule_name AND r.enabled)
 ORDER BY d.sla_type, d.table_name, d.rule_name, d.evaluation_timestamp DESC, d.check_id DESC) q$$, NULL, true),
	('referential-integrity', 'Rows refer to nothing', 'warning', 'logistics', 'P2', '>', 0, NULL, NULL, NULL, NULL, NULL, NULL, true, false,
		'SELECT * FROM test_foreign_key_constraints WHERE test_result = ''FAIL''',
$$SELECT t.constraint_name AS scope, (t.test_result = 'FAIL')::int::numeric AS value, jsonb_build_object('orphans', t.orphan_count, 'table', t.child_table) AS detail
FROM @extschema@.test_foreign_key_constraints t$$, NULL, true),
	('slow-query', 'A query is slow', 'info', 'logistics', 'P3', '>', 300, NULL, NULL, NULL, NULL, NULL, NULL, false, false,
		'SELECT * FROM vw_performance_monitoring WHERE total_elapsed_time_seconds > 300 ORDER BY start_time DESC',
$$SELECT p.query_id AS scope, p.total_elapsed_time_seconds AS value, jsonb_build_object('unit', 'seconds', 'user', p.user_name, 'query', left(p.query_text, 200)) AS detail
FROM @extschema@.vw_performance_monitoring p WHERE p.start_time > now() - interval '1 day'$$, NULL, true),
	('warehouse-cost', 'A warehouse costs more than its limit of a day', 'warning', 'logistics', 'P3', '>', 100, NULL, NULL, NULL, NULL, NULL, NULL, false, false,
		'SELECT * FROM vw_cost_monitoring WHERE daily_cost_usd > 1000',
$$SELECT c.warehouse_name || '/' || c.cost_date AS scope, round(c.daily_cost_usd * 100 / nullif(coalesce(w.daily_cost_threshold_usd, 1000), 0), 1) AS value,
 jsonb_build_object('unit', 'percent of the limit', 'daily_cost_usd', c.daily_cost_usd, 'limit_usd', coalesce(w.daily_cost_threshold_usd, 1000)) AS detail
FROM @extschema@.vw_cost_monitoring c JOIN finops.warehouse w ON w.warehouse_name = c.warehouse_name WHERE c.cost_date > (now() AT TIME ZONE 'UTC')::date - 7$$, NULL, true),
	('low-confidence', 'Predictions with little confidence', 'info', 'logistics', 'P3', '<', 0.7, NULL, NULL, NULL, NULL, NULL, NULL, true, false,
		'SELECT * FROM vw_ml_real_time_features WHERE confidence_score < 0.7',
$$SELECT p.model_name AS scope, round(avg(p.confidence_score)::numeric, 4) AS value, jsonb_build_object('predictions', count(*), 'unit', 'ratio') AS detail
FROM @extschema@.vw_ml_real_time_features p WHERE p.prediction_timestamp > now() - interval '1 hour' GROUP BY p.model_name HAVING count(p.confidence_score) > 0$$, NULL, true),
	('feature-drift', 'A feature has drifted', 'warning', 'logistics', 'P3', '>', 0, NULL, NULL, NULL, NULL, NULL, NULL, true, false,
		'SELECT * FROM vw_ml_feature_monitoring WHERE drift_score > threshold',
$$SELECT f.feature_name AS scope, (f.drift_score > f.threshold)::int::numeric AS value, jsonb_build_object('drift_score', f.drift_score, 'threshold', f.threshold, 'at', f.evaluation_timestamp) AS detail
FROM (SELECT DISTINCT ON (d.feature_name) d.* FROM finops.feature_drift d ORDER BY d.feature_name, d.evaluation_timestamp DESC) f$$, NULL, true),
	('security-metric', 'A security measure is out of bounds', 'critical', 'logistics', 'P2', '>', 0, NULL, NULL, NULL, NULL, NULL, NULL, true, true,
		'SELECT * FROM vw_security_monitoring ORDER BY status DESC',
$$SELECT m.security_metric AS scope, (m.current_value > m.threshold)::int::numeric AS value, jsonb_build_object('current', m.current_value, 'threshold', m.threshold, 'status', m.status, 'day', m.evaluation_date) AS detail
FROM (SELECT DISTINCT ON (s.security_metric) s.* FROM finops.security_metric s ORDER BY s.security_metric, s.evaluation_date DESC) m$$, NULL, true);

CREATE TRIGGER alert_policy_check BEFORE INSERT OR UPDATE OR DELETE ON finops.alert_policy FOR EACH ROW EXECUTE FUNCTION finops.check_alert_policy();
COMMENT ON TRIGGER alert_policy_check ON finops.alert_policy IS 'a policy that could never work is refused, a shipped one is overridden and not changed';

-- room ops: the checks of the diagnosis

CREATE VIEW finops.watched_month AS
SELECT m.period, m.live,
	pg_catalog.now() OPERATOR(pg_catalog.>=) pg_catalog.timezone('UTC', m.period OPERATOR(pg_catalog.+) interval '1 month') AS ended
FROM (
	SELECT d.billing_period AS period,
		pg_catalog.bool_or(d.loaded_at OPERATOR(pg_catalog.<) pg_catalog.timezone('UTC', d.billing_period OPERATOR(pg_catalog.+) interval '1 month' OPERATOR(pg_catalog.+) interval '45 days')) AS live
	FROM finops.delivery d
	WHERE d.status OPERATOR(pg_catalog.=) 'current'
	GROUP BY d.billing_period
) m
WHERE NOT EXISTS (SELECT FROM @extschema@.period_lock l WHERE l.period_start OPERATOR(pg_catalog.=) m.period AND l.state OPERATOR(pg_catalog.=) 'LOCKED')
	AND (m.live OR EXISTS (SELECT FROM finops.run r WHERE r.kind OPERATOR(pg_catalog.=) 'allocate' AND r.period_start OPERATOR(pg_catalog.=) m.period));
COMMENT ON VIEW finops.watched_month IS 'open months that the diagnosis looks at: those with a bill that was loaded while the month was young, and those that were allocated; history that was only loaded is none';
COMMENT ON COLUMN finops.watched_month.live IS 'a bill of it was loaded within 45 days of its end';

CREATE INDEX usage_snapshot_daily_reached_idx ON @extschema@.usage_snapshot_daily (usage_date) WHERE utilization OPERATOR(pg_catalog.>=) 1;

CREATE VIEW finops.runner_backlog AS
SELECT b.queue, b.waiting, b.oldest
FROM (
	SELECT 'job runs' AS queue, pg_catalog.count(*) AS waiting, pg_catalog.min(r.started_at) AS oldest
	FROM finops.job_run r
	WHERE r.status OPERATOR(pg_catalog.=) 'started'
	UNION ALL
	SELECT 'outbox', pg_catalog.count(*), pg_catalog.min(o.created_at)
	FROM finops.outbox o
	WHERE o.status OPERATOR(pg_catalog.=) 'pending'
) b;
COMMENT ON VIEW finops.runner_backlog IS 'what waits: runs of jobs that have not ended, and messages that have not been sent; the source of the alarm runner-backlog';

INSERT INTO finops.diagnosis_check (check_id, "position", section, severity, cause, caused_by, shipped, query) VALUES

-- Commercial-Ops 1: ingestion

('load-job-failed', 110, 'Commercial-Ops 1: CUR ingestion', 'SEV-2', 'the job that loads the bill raised an error: the file is not there, cannot be read (AccessDenied), or is damaged', '{job-stuck}', true, $q$
SELECT j.job_name AS scope, format('job %s failed on %s: %s', j.job_name, to_char(l.started_at, 'YYYY-MM-DD HH24:MI'), left(l.error_message, 400)) AS seen,
	format('CALL finops.run_job(%L)', j.job_name) AS resolve_call,
	format('SELECT * FROM finops.job_run WHERE job_name = %L ORDER BY run_id DESC LIMIT 5', j.job_name) AS evidence_query
FROM finops.job_registry j,
	LATERAL (SELECT * FROM finops.job_run r WHERE r.job_name = j.job_name AND r.status IN ('succeeded', 'failed') ORDER BY r.started_at DESC, r.run_id DESC LIMIT 1) l
WHERE j.enabled AND l.status = 'failed' AND j.command ~ 'finops\.(load_bill|ingest_bills|generate_bill|reingest)'
$q$),

('cur-freshness', 120, 'Commercial-Ops 1: CUR ingestion', 'SEV-3', 'the provider has not delivered, or nobody loads what it delivers', '{load-job-failed=*,job-stuck=*,job-late=*}', true, $q$
WITH spaced AS (SELECT s.source, s.day, s.day - lag(s.day) OVER (PARTITION BY s.source ORDER BY s.day) AS gap
	FROM (SELECT DISTINCT d.source, d.day, max(d.day) OVER (PARTITION BY d.source) AS newest FROM source_day d WHERE d.n > 0 AND d.day <= (now() AT TIME ZONE 'UTC')::date) s WHERE s.day > s.newest - 35),
last AS (SELECT s.source, max(s.day) AS day, max(s.gap) AS gap, count(*) AS days FROM spaced s GROUP BY 1),
late AS (SELECT l.source, l.day, (now() AT TIME ZONE 'UTC')::date - l.day AS age, l.gap FROM last l
	WHERE l.days >= 3 AND (SELECT d.loaded_at < (d.billing_period + interval '1 month' + interval '45 days') AT TIME ZONE 'UTC' FROM finops.delivery d WHERE d.source = l.source AND d.status = 'current' AND d.kind = 'bill' ORDER BY d.billing_period DESC, d.delivery_id DESC LIMIT 1)
	AND NOT EXISTS (SELECT FROM finops.expected_delivery e WHERE e.source = l.source AND NOT e.required AND e.valid_from <= (now() AT TIME ZONE 'UTC')::date)
	AND (now() AT TIME ZONE 'UTC')::date - l.day > greatest(2, 2 * l.gap))
SELECT t.source AS scope, format('the newest day of %s is %s, %s days ago', t.source, t.day, t.age) AS seen,
	CASE WHEN t.age > 4 THEN 'SEV-2' ELSE 'SEV-3' END AS severity,
	coalesce((SELECT format('CALL finops.run_job(%L)', j.job_name) FROM finops.job_registry j WHERE j.enabled AND (j.command ~ 'finops\.load_bill' OR j.command ~ 'finops\.ingest_bills' AND EXISTS (SELECT FROM finops.bill_source b WHERE b.enabled)) ORDER BY j.job_name LIMIT 1),
		(SELECT format('SELECT * FROM finops.reingest(%s)', d.delivery_id) FROM finops.delivery d WHERE d.source = t.source AND d.status = 'current' AND d.kind = 'bill' ORDER BY d.billing_period DESC, d.delivery_id DESC LIMIT 1)) AS resolve_call,
	'SELECT MAX(line_item_usage_end_date) FROM fact_cost_raw' AS evidence_query
FROM late t
$q$),

('bill-missing', 130, 'Commercial-Ops 1: CUR ingestion', 'SEV-2', 'the provider has not delivered the month, or its account has ended: INSERT INTO finops.expected_delivery (source, valid_from, required) says so', '{load-job-failed=*,job-stuck=*}', true, $q$
WITH month AS (SELECT w.period FROM finops.watched_month w WHERE w.ended
	UNION SELECT (date_trunc('month', now() AT TIME ZONE 'UTC') - interval '1 month')::date WHERE extract(day FROM now() AT TIME ZONE 'UTC') > 3),
told AS (SELECT DISTINCT ON (m.period, e.source) m.period, e.source, e.required AND coalesce(e.valid_to > m.period, true) AS required
	FROM month m JOIN finops.expected_delivery e ON e.valid_from <= m.period ORDER BY m.period, e.source, e.valid_from DESC),
wanted AS (SELECT t.period, t.source FROM told t WHERE t.required
	UNION SELECT m.period, d.source FROM month m JOIN finops.delivery d ON d.billing_period = (m.period - interval '1 month')::date AND d.status = 'current' AND d.kind = 'bill'
	WHERE NOT EXISTS (SELECT FROM told t WHERE t.period = m.period AND t.source = d.source AND NOT t.required)
	-- of a source that delivered the month before while it ran
	UNION SELECT c.period, d.source FROM (SELECT date_trunc('month', now() AT TIME ZONE 'UTC')::date AS period WHERE extract(day FROM now() AT TIME ZONE 'UTC') > 4) c
		JOIN finops.delivery d ON d.billing_period = (c.period - interval '1 month')::date AND d.kind = 'bill' AND d.loaded_at < c.period::timestamp AT TIME ZONE 'UTC'
	WHERE NOT EXISTS (SELECT FROM finops.expected_delivery e WHERE e.source = d.source AND NOT e.required AND e.valid_from <= c.period))
SELECT to_char(w.period, 'YYYY-MM') || '/' || w.source AS scope, format('no bill of %s for %s', w.source, to_char(w.period, 'YYYY-MM')) AS seen,
	coalesce((SELECT format('SELECT * FROM finops.load_bill(%L, source_id => %L)', replace(replace(d.address, to_char(d.billing_period, 'YYYY-MM'), to_char(w.period, 'YYYY-MM')),
			to_char(d.billing_period, 'YYYYMMDD') || '-' || to_char(d.billing_period + interval '1 month', 'YYYYMMDD'), to_char(w.period, 'YYYYMMDD') || '-' || to_char(w.period + interval '1 month', 'YYYYMMDD')), w.source)
		FROM finops.delivery d WHERE d.source = w.source AND d.status = 'current' AND d.kind = 'bill' AND d.address IS NOT NULL ORDER BY d.billing_period DESC LIMIT 1),
		format('SELECT finops.escalate_finding(''bill-missing'', %L)', to_char(w.period, 'YYYY-MM') || '/' || w.source)) AS resolve_call,
	format('SELECT * FROM finops.delivery WHERE source = %L ORDER BY billing_period DESC', w.source) AS evidence_query
FROM wanted w
WHERE NOT EXISTS (SELECT FROM finops.delivery d WHERE d.billing_period = w.period AND d.source = w.source AND d.status = 'current')
	AND NOT EXISTS (SELECT FROM finops.readiness_waiver v WHERE v.period_start = w.period AND v.item = 'deliveries')
$q$),

('control-total', 140, 'Commercial-Ops 1: CUR ingestion', 'SEV-1', 'rows of the bill were changed after it was loaded', '{}', true, $q$
WITH said AS (SELECT d.source, d.billing_period, sum(d.line_items) AS n, sum(d.billed_cost) AS billed, sum(d.effective_cost) AS effective,
	max(d.delivery_id) FILTER (WHERE d.kind = 'bill') AS delivery_id, array_agg(d.delivery_id) AS ids
	FROM finops.delivery d WHERE d.status = 'current' AND d.billing_period IN (SELECT period FROM finops.watched_month ORDER BY period DESC LIMIT 3) GROUP BY 1, 2),
rolled AS (SELECT s.source, s.billing_period, sum(s.n) AS n, sum(s.billed) AS billed, sum(s.effective) AS effective FROM source_day s GROUP BY 1, 2),
kinds AS (SELECT k.source, k.billing_period, sum(k.line_items) AS n, sum(k.billed_cost) AS billed, sum(k.effective_cost) AS effective
	FROM finops.cost_kind k WHERE k.billing_period IN (SELECT s.billing_period FROM said s) GROUP BY 1, 2),
part AS (SELECT s.*, (coalesce(r.n, 0), coalesce(r.billed, 0), coalesce(r.effective, 0)) <> (s.n, s.billed, s.effective)
		OR (coalesce(k.n, 0), coalesce(k.billed, 0), coalesce(k.effective, 0)) <> (s.n, s.billed, s.effective) AS off,
	coalesce((SELECT c.reltuples FROM pg_class c WHERE c.oid = to_regclass('finops.fact_cost_raw_' || to_char(s.billing_period, 'YYYY_MM'))), 0) AS rows_about
	FROM said s LEFT JOIN rolled r USING (source, billing_period) LEFT JOIN kinds k USING (source, billing_period)),
stands AS (SELECT p.*, f.n AS facts, f.billed AS facts_billed, f.effective AS facts_effective FROM part p,
	LATERAL (SELECT count(*) AS n, coalesce(sum(f.billed_cost), 0) AS billed, coalesce(sum(f.effective_cost), 0) AS effective FROM @s@.fact_cost_raw f
		WHERE f.bill_billing_period_start_date = p.billing_period AND f.delivery_id = ANY (p.ids)) f
	WHERE p.off OR p.rows_about <= 300000)
SELECT to_char(s.billing_period, 'YYYY-MM') || '/' || s.source AS scope,
	CASE WHEN (s.facts, s.facts_billed, s.facts_effective) = (s.n, s.billed, s.effective) THEN format('the roll-up of %s in %s is not what its lines add up to', s.source, to_char(s.billing_period, 'YYYY-MM'))
		ELSE format('%s has %s lines with billed cost %s in %s, delivered were %s lines with %s', s.source, s.facts, round(s.facts_billed, 2), to_char(s.billing_period, 'YYYY-MM'), s.n, round(s.billed, 2)) END AS seen,
	CASE WHEN (s.facts, s.facts_billed, s.facts_effective) = (s.n, s.billed, s.effective) THEN 'facts were changed and put back, or finops.cost_daily or finops.cost_kind was written by hand' END AS cause,
	CASE WHEN (s.facts, s.facts_billed, s.facts_effective) = (s.n, s.billed, s.effective) THEN format('SELECT finops.rebuild_rollup(%L)', s.billing_period)
		WHEN s.delivery_id IS NOT NULL THEN format('SELECT * FROM finops.reingest(%s)', s.delivery_id) END AS resolve_call,
	format('SELECT * FROM finops.readiness(%L) WHERE item = ''control total''', s.billing_period) AS evidence_query
FROM stands s
WHERE s.off OR (s.facts, s.facts_billed, s.facts_effective) <> (s.n, s.billed, s.effective)
$q$),

('day-gap', 150, 'Commercial-Ops 1: CUR ingestion', 'SEV-3', 'the bill was cut short, or the provider has not yet closed the days', '{load-job-failed=*,job-stuck=*,cur-freshness=*,bill-missing,control-total}', true, $q$
WITH present AS (SELECT DISTINCT source, billing_period, day FROM source_day WHERE n > 0),
span AS (SELECT p.source, min(p.day) AS first_day FROM present p GROUP BY 1),
calendar AS (SELECT s.source, g.day::date AS day, extract(isodow FROM g.day) AS weekday, p.day IS NOT NULL AS present
	FROM span s CROSS JOIN LATERAL generate_series(s.first_day::timestamp, (SELECT max(billing_period) + interval '1 month' - interval '1 day' FROM present), interval '1 day') AS g(day)
	LEFT JOIN present p ON p.source = s.source AND p.day = g.day::date
	WHERE g.day < (now() AT TIME ZONE 'UTC')::date - 2
		AND EXISTS (SELECT FROM present m WHERE m.source = s.source AND m.billing_period = date_trunc('month', g.day)::date)),
judged AS (SELECT c.*, count(*) FILTER (WHERE present) OVER w AS present_days, count(*) OVER w AS all_days FROM calendar c WINDOW w AS (PARTITION BY source, weekday)),
gap AS (SELECT j.source, date_trunc('month', j.day)::date AS period, count(*) AS days, min(j.day) AS first_day FROM judged j
	WHERE NOT j.present AND j.all_days > 1 AND j.present_days * 4 >= (j.all_days - 1) * 3 GROUP BY 1, 2)
SELECT to_char(g.period, 'YYYY-MM') || '/' || g.source AS scope, format('%s has no lines on %s day(s) of %s, the first is %s', g.source, g.days, to_char(g.period, 'YYYY-MM'), g.first_day) AS seen,
	(SELECT format('SELECT * FROM finops.reingest(%s)', max(d.delivery_id)) FROM finops.delivery d WHERE d.source = g.source AND d.billing_period = g.period AND d.status = 'current' AND d.kind = 'bill' HAVING count(*) > 0) AS resolve_call,
	format('SELECT usage_date, sum(line_items) FROM finops.cost_daily WHERE billing_period = %L AND source = %L GROUP BY 1 ORDER BY 1', g.period, g.source) AS evidence_query
FROM gap g JOIN finops.watched_month w ON w.period = g.period
WHERE NOT EXISTS (SELECT FROM finops.readiness_waiver v WHERE v.period_start = g.period AND v.item = 'days')
$q$),

('bill-rejects', 160, 'Commercial-Ops 1: CUR ingestion', 'SEV-3', 'lines of the bill could not be read and were left out (finops.max_rejects)', '{}', true, $q$
SELECT to_char(d.billing_period, 'YYYY-MM') || '/' || d.source AS scope,
	format('%s lines of %s were rejected, the first because %s', d.rejected_lines, d.source, (SELECT r.reason FROM finops.bill_reject r WHERE r.delivery_id = d.delivery_id ORDER BY r.reject_id LIMIT 1)) AS seen,
	format('SELECT * FROM finops.reingest(%s)', d.delivery_id) AS resolve_call,
	format('SELECT line_number, column_name, reason, raw_text FROM finops.bill_reject WHERE delivery_id = %s', d.delivery_id) AS evidence_query
FROM finops.delivery d JOIN finops.watched_month w ON w.period = d.billing_period
WHERE d.status = 'current' AND d.kind = 'bill' AND d.rejected_lines > 0
$q$),

-- Commercial-Ops 2: allocation

('allocation-missing', 210, 'Commercial-Ops 2: Allocation', 'SEV-2', 'the bill changed, and nobody allocated it since', '{load-job-failed=*,job-failed=allocation,job-stuck=allocation,job-late=*,control-total}', true, $q$
SELECT to_char(w.period, 'YYYY-MM') AS scope, CASE WHEN EXISTS (SELECT FROM finops.run r WHERE r.kind = 'allocate' AND r.period_start = w.period)
	THEN format('the bill of %s changed after its last allocation', to_char(w.period, 'YYYY-MM')) ELSE format('%s is not allocated', to_char(w.period, 'YYYY-MM')) END AS seen,
	format('SELECT * FROM finops.reprocess_period(%L)', w.period) AS resolve_call,
	format('SELECT * FROM finops.period_gate WHERE period_start = %L ORDER BY position', w.period) AS evidence_query
FROM finops.watched_month w
WHERE NOT EXISTS (SELECT FROM finops.period_gate g WHERE g.period_start = w.period AND g.gate = 'allocation')
$q$),

('allocation-lost', 220, 'Commercial-Ops 2: Allocation', 'SEV-1', 'allocation entries were deleted', '{allocation-missing}', true, $q$
SELECT to_char(w.period, 'YYYY-MM') AS scope, format('%s was allocated in run %s, which has no entries', to_char(w.period, 'YYYY-MM'), g.run_id) AS seen,
	format('SELECT * FROM finops.reprocess_period(%L)', w.period) AS resolve_call,
	format('SELECT count(*) FROM fact_cost_allocated WHERE period_start = %L', w.period) AS evidence_query
FROM finops.watched_month w JOIN finops.period_gate g ON g.period_start = w.period AND g.gate = 'allocation'
WHERE EXISTS (SELECT FROM source_day s WHERE s.billing_period = w.period HAVING sum(s.effective) <> 0)
	AND NOT EXISTS (SELECT FROM @s@.fact_cost_allocated f WHERE f.period_start = w.period)
	AND NOT EXISTS (SELECT FROM finops.allocation_packed p WHERE p.period_start = w.period)
$q$),

('rules-changed', 230, 'Commercial-Ops 2: Allocation', 'SEV-3', 'a rule of the month was added or approved after the month was allocated', '{allocation-missing}', true, $q$
SELECT to_char(w.period, 'YYYY-MM') AS scope, format('rule %s, version %s, came after the allocation of %s', min(a.rule_id), min(a.rule_version), to_char(w.period, 'YYYY-MM')) AS seen,
	format('SELECT * FROM finops.reprocess_period(%L)', w.period) AS resolve_call,
	format('SELECT r.rule_id, r.rule_version, r.created_at, r.approved_at FROM allocation_rules r WHERE r.effective_from < %L ORDER BY greatest(r.created_at, r.approved_at) DESC', w.period + interval '1 month') AS evidence_query
FROM finops.watched_month w JOIN finops.period_gate g ON g.period_start = w.period AND g.gate = 'allocation' JOIN finops.run u ON u.run_id = g.run_id
	JOIN @s@.allocation_rules a ON a.effective_from < w.period + interval '1 month' AND coalesce(a.effective_to > w.period, true)
		AND greatest(a.created_at, a.approved_at) > u.started_at
		AND (a.prepared_by IS NULL OR a.approved_by IS NOT NULL OR NOT EXISTS (SELECT FROM finops.allocation_policy p WHERE p.policy = 'approval' AND p.value = 'four_eyes' AND p.effective_from <= w.period))
GROUP BY w.period
$q$),

('allocation-variance', 240, 'Commercial-Ops 2: Allocation', 'SEV-3', 'cost without an owner that no rule places', '{allocation-missing,allocation-lost,rules-changed,tag-sync-pending,control-total,recon-missing}', true, $q$
SELECT to_char(m.period_start, 'YYYY-MM') AS scope, format('%s of %s is not placed: %s', round(-sum(m.variance_usd), 2), to_char(m.period_start, 'YYYY-MM'),
		string_agg(format('%s %s %%', m.service, round(m.variance_pct, 2)), ', ' ORDER BY abs(m.variance_usd) DESC, m.service)) AS seen,
	CASE WHEN bool_or(m.status = 'failed') THEN 'SEV-2' ELSE 'SEV-3' END AS severity,
	format('SELECT * FROM finops.place_unallocated(%L)', m.period_start) AS resolve_call,
	'SELECT service, variance_pct FROM recon_summary WHERE status=''warning''' AS evidence_query
FROM @s@.recon_summary m JOIN finops.watched_month w ON w.period = m.period_start
WHERE m.service <> 'ALL' AND m.status IN ('warning', 'failed') AND EXISTS (SELECT FROM finops.recon_detail d WHERE d.recon_id = m.recon_id AND d.service = m.service AND d.unallocated_usd <> 0)
GROUP BY m.period_start
$q$),

('driver-late', 250, 'Commercial-Ops 2: Allocation', 'SEV-3', 'the source of a driver has not reported; finops.record_driver_values() takes what it says', '{}', true, $q$
SELECT to_char(w.period, 'YYYY-MM') || '/' || l.driver AS scope, format('driver %s has %s of %s values of %s', l.driver, l.slices_present, l.slices_expected, to_char(w.period, 'YYYY-MM')) AS seen,
	format('SELECT finops.waive_readiness(%L, ''drivers'', ''the source has no more values'')', w.period) AS resolve_call,
	format('SELECT * FROM finops.late_drivers(%L)', w.period) AS evidence_query
FROM finops.watched_month w, LATERAL finops.late_drivers(w.period) l
WHERE w.ended AND EXISTS (SELECT FROM finops.driver) AND NOT EXISTS (SELECT FROM finops.readiness_waiver v WHERE v.period_start = w.period AND v.item = 'drivers')
$q$),

-- Commercial-Ops 3: budgets

('budget-stale', 310, 'Commercial-Ops 3: Budgets', 'SEV-3', 'the refresh of the budgets has not run', '{job-failed=budgets,job-stuck=budgets,job-late=*,allocation-missing=*}', true, $q$
SELECT 'budgets' AS scope, format('%s budget(s) are older than 24 hours, such as %s of %s', count(*), min(b.budget_id), to_char(min(b.last_refreshed_at), 'YYYY-MM-DD HH24:MI')) AS seen,
	'SELECT finops.refresh_budgets()' AS resolve_call, 'SELECT budget_id, last_refreshed_at FROM budget_master ORDER BY last_refreshed_at ASC' AS evidence_query
FROM @s@.budget_master b JOIN finops.budget_finding f ON f.budget_id = b.budget_id AND f.finding = 'stale' HAVING count(*) > 0
$q$),

('alert-unanswered', 320, 'Commercial-Ops 3: Budgets and alerts', 'SEV-3', 'nobody has acknowledged it in time', '{}', true, $q$
SELECT format('%s/%s', a.policy_id, a.scope) AS scope, format('alert %s of %s was to be acknowledged by %s', a.policy_id, a.scope, to_char(a.acknowledge_by, 'YYYY-MM-DD HH24:MI')) AS seen,
	format('SELECT finops.acknowledge_alert(%s, ''seen'')', a.alert_id) AS resolve_call, format('SELECT * FROM finops.alert_event WHERE alert_id = %s ORDER BY event_id', a.alert_id) AS evidence_query
FROM finops.alert a WHERE a.state = 'firing' AND a.acknowledged_at IS NULL AND a.acknowledge_by < now()
$q$),

('policy-failed', 325, 'Commercial-Ops 3: Budgets and alerts', 'SEV-3', 'the query of the policy fails; what it watches is watched by nobody', '{}', true, $q$
SELECT s.policy_id AS scope, format('alert policy %s cannot be evaluated since %s: %s', s.policy_id, to_char(s.failing_since, 'YYYY-MM-DD HH24:MI'), left(s.error, 300)) AS seen,
	CASE WHEN EXISTS (SELECT FROM finops.alert_policy o WHERE o.policy_id = s.policy_id AND NOT o.shipped) THEN format('UPDATE finops.alert_policy SET enabled = false WHERE policy_id = %L AND NOT shipped', s.policy_id)
		ELSE format('INSERT INTO finops.alert_policy (policy_id, enabled) VALUES (%L, false)', s.policy_id) END AS resolve_call,
	format('SELECT * FROM finops.alert_policy_state WHERE policy_id = %L', s.policy_id) AS evidence_query
FROM finops.alert_policy_state s JOIN finops.alert_policy_in_force p ON p.policy_id = s.policy_id AND p.enabled
WHERE s.error IS NOT NULL
$q$),

-- Commercial-Ops 4: reconciliation

('recon-missing', 410, 'Commercial-Ops 4: Reconciliation', 'SEV-3', 'the month was allocated, or its documents changed, after the last reconciliation', '{allocation-missing,allocation-lost,rules-changed,documents-stale,tag-sync-pending,job-failed=reconciliation,job-stuck=reconciliation}', true, $q$
SELECT to_char(w.period, 'YYYY-MM') AS scope, format('%s is allocated and not reconciled', to_char(w.period, 'YYYY-MM')) AS seen,
	format('SELECT finops.reconcile(%L, %s)', w.period, CASE WHEN w.ended OR EXISTS (SELECT FROM @s@.invoice_header h WHERE h.period_start = w.period AND h.status = 'open') THEN 4 ELSE 2 END) AS resolve_call,
	'SELECT * FROM recon_summary ORDER BY period_start DESC LIMIT 5' AS evidence_query
FROM finops.watched_month w
WHERE EXISTS (SELECT FROM finops.period_gate g WHERE g.period_start = w.period AND g.gate = 'allocation')
	AND NOT EXISTS (SELECT FROM finops.period_gate g WHERE g.period_start = w.period AND g.gate = 'reconciliation')
$q$),

('recon-failed', 420, 'Commercial-Ops 4: Reconciliation', 'SEV-2', 'the sides differ by more than the tolerance', '{allocation-missing,allocation-variance,allocation-lost,rules-changed,recon-missing,fx-rate-missing,documents-stale,tag-sync-pending,control-total}', true, $q$
SELECT to_char(w.period, 'YYYY-MM') AS scope, format('the reconciliation of %s is %s: %s', to_char(w.period, 'YYYY-MM'), g.status, left(g.detail, 300)) AS seen,
	(SELECT left(string_agg(DISTINCT format('%s: %s', e.category, e.description), '; '), 300) FROM @s@.recon_exceptions e WHERE e.recon_id = 'RECON-' || to_char(w.period, 'YYYY-MM') AND e.severity <> 'info' AND e.status = 'open') AS cause,
	CASE WHEN EXISTS (SELECT FROM @s@.invoice_header h WHERE h.period_start = w.period AND h.status = 'open') AND NOT EXISTS (SELECT FROM finops.period_gate d WHERE d.period_start = w.period AND d.gate = 'documents')
		THEN format('SELECT * FROM finops.reprocess_period(%L)', w.period)
		ELSE format('SELECT finops.accept_recon(%L, ''looked at, accepted as it is'', current_user)', 'RECON-' || to_char(w.period, 'YYYY-MM')) END AS resolve_call,
	format('SELECT * FROM recon_exceptions WHERE recon_id=%L', 'RECON-' || to_char(w.period, 'YYYY-MM')) AS evidence_query
FROM finops.watched_month w JOIN finops.period_gate g ON g.period_start = w.period AND g.gate = 'reconciliation'
WHERE g.status IN ('warning', 'failed')
$q$),

('fx-rate-missing', 430, 'Commercial-Ops 4: Reconciliation', 'SEV-2', 'nobody has set an exchange rate that holds in the month; the call takes the next one that is known', '{}', true, $q$
SELECT to_char(x.period, 'YYYY-MM') || '/' || x.currency AS scope, format('no rate of %s in %s', x.currency, to_char(x.period, 'YYYY-MM')) AS seen,
	format('SELECT * FROM finops.set_fx_rate(%L, %L, %s)', x.currency, (x.period + interval '1 month' - interval '1 day')::date,
		coalesce((SELECT r.rate::text FROM finops.fx_rate r WHERE r.currency = x.currency AND r.valid_from > x.period ORDER BY r.valid_from LIMIT 1), 'NULL')) AS resolve_call,
	format('SELECT * FROM finops.fx_rate WHERE currency = %L ORDER BY valid_from DESC', x.currency) AS evidence_query
FROM (SELECT w.period, s.currency FROM finops.watched_month w JOIN source_day s ON s.billing_period = w.period GROUP BY 1, 2
	UNION SELECT w.period, m.currency FROM finops.watched_month w, @s@.tenant_master m WHERE w.ended AND m.billing_mode = 'invoice' AND m.status = 'active'
		AND EXISTS (SELECT FROM finops.cost_daily c WHERE c.billing_period = w.period AND c.tenant_id = m.tenant_id)
		AND m.currency <> current_setting('finops.reporting_currency')) x
WHERE finops.fx_rate_of(x.currency, x.period) IS NULL
$q$),

-- Commercial-Ops 5: tags

('tags-unjudged', 510, 'Commercial-Ops 5: Tagging', 'SEV-3', 'tags of the month were not validated since its bill was loaded', '{allocation-missing,load-job-failed=*,job-failed=tag-validation,job-stuck=tag-validation}', true, $q$
SELECT to_char(w.period, 'YYYY-MM') AS scope, format('the tags of %s are not validated', to_char(w.period, 'YYYY-MM')) AS seen,
	format('SELECT finops.validate_tags(%L)', w.period) AS resolve_call,
	format('SELECT * FROM finops.tag_coverage_report(%L)', w.period) AS evidence_query
FROM finops.watched_month w
WHERE NOT EXISTS (SELECT FROM finops.period_gate g WHERE g.period_start = w.period AND g.gate = 'tags')
$q$),

('tag-sync-pending', 520, 'Commercial-Ops 5: Tagging', 'SEV-3', 'the resource registry has learned tags that the lines of the month lack', '{allocation-missing,tags-unjudged}', true, $q$
WITH latest AS (SELECT w.period, (SELECT max(r.run_id) FROM finops.run r WHERE r.kind = 'validate_tags' AND r.period_start = w.period) AS run_id FROM finops.watched_month w),
known AS (SELECT l.period_start, l.resource_id, l.tag_key, l.cost FROM latest x JOIN @s@.tag_validation_log l ON l.run_id = x.run_id AND l.period_start = x.period
	JOIN finops.resource_tag t ON t.resource_id = l.resource_id AND t.tag_key = l.tag_key AND t.valid_from < x.period + interval '1 month' AND coalesce(t.valid_to > x.period, true)
	WHERE l.check_name IN ('missing', 'blank_value'))
SELECT to_char(k.period_start, 'YYYY-MM') AS scope, format('the registry has tags of %s resource(s) of %s that have none, such as %s %s', count(DISTINCT k.resource_id), to_char(k.period_start, 'YYYY-MM'), min(k.resource_id), min(k.tag_key)) AS seen,
	format('SELECT * FROM finops.reprocess_period(%L)', k.period_start) AS resolve_call,
	format('SELECT * FROM tag_validation_log WHERE period_start = %L AND check_name = ''missing'' ORDER BY cost DESC', k.period_start) AS evidence_query
FROM known k GROUP BY k.period_start
$q$),

('tag-coverage-drop', 530, 'Commercial-Ops 5: Tagging', 'SEV-3', 'resources were made without the tag of their tenant; who provisions them has to add it', '{allocation-variance,tag-sync-pending,control-total,bill-missing,day-gap}', true, $q$
WITH month AS (SELECT s.billing_period, sum(s.effective) AS cost, sum(s.untagged) AS untagged FROM source_day s WHERE s.effective > 0 GROUP BY 1),
pct AS (SELECT m.billing_period, round(100 * (m.cost - coalesce(m.untagged, 0)) / m.cost, 2) AS pct FROM month m WHERE m.cost > 0)
SELECT to_char(p.billing_period, 'YYYY-MM') AS scope, format('%s %% of the cost of %s has a tenant, %s %% of the month before', p.pct, to_char(p.billing_period, 'YYYY-MM'), b.pct) AS seen,
	format('SELECT * FROM finops.tag_quarantine WHERE period_start = %L ORDER BY cost DESC', p.billing_period) AS evidence_query
FROM pct p JOIN pct b ON b.billing_period = (p.billing_period - interval '1 month')::date JOIN finops.watched_month w ON w.period = p.billing_period
WHERE p.pct < b.pct - 10
$q$),

-- Commercial-Ops 6: invoices

('documents-stale', 610, 'Commercial-Ops 6: Invoices', 'SEV-3', 'the month was allocated again after its documents were computed', '{allocation-missing,allocation-lost,rules-changed,tag-sync-pending,job-failed=invoice-preparation}', true, $q$
SELECT to_char(w.period, 'YYYY-MM') AS scope, format('open documents of %s are older than its allocation', to_char(w.period, 'YYYY-MM')) AS seen,
	format('SELECT * FROM finops.reprocess_period(%L)', w.period) AS resolve_call,
	format('SELECT * FROM finops.period_gate WHERE period_start = %L ORDER BY position', w.period) AS evidence_query
FROM finops.watched_month w
WHERE EXISTS (SELECT FROM @s@.invoice_header h WHERE h.period_start = w.period AND h.status = 'open' AND h.kind = 'invoice')
	AND EXISTS (SELECT FROM finops.period_gate g WHERE g.period_start = w.period AND g.gate = 'allocation')
	AND NOT EXISTS (SELECT FROM finops.period_gate g WHERE g.period_start = w.period AND g.gate IN ('reconciliation', 'documents'))
$q$),

('invoice-failed', 620, 'Commercial-Ops 6: Invoices', 'SEV-2', 'what the document of the tenant needs is missing', '{fx-rate-missing,allocation-missing,documents-stale}', true, $q$
SELECT to_char(f.period_start, 'YYYY-MM') || '/' || f.tenant_id AS scope, format('tenant %s cannot be billed for %s: %s', f.tenant_id, to_char(f.period_start, 'YYYY-MM'), f.reason) AS seen, f.reason AS cause,
	format('SELECT * FROM finops.emit_invoices(%L, %L%s)', f.period_start, f.tenant_id, CASE WHEN f.call LIKE 'SELECT %' AND f.call !~ 'value, day|plan_code, from_date|, rate\)' THEN ', ' || quote_literal(f.call) END) AS resolve_call,
	format('SELECT * FROM finops.invoice_failure WHERE period_start = %L', f.period_start) AS evidence_query
FROM finops.invoice_failure f
WHERE NOT EXISTS (SELECT FROM @s@.period_lock l WHERE l.period_start = f.period_start AND l.state = 'LOCKED')
$q$),

('usage-incomplete', 630, 'Commercial-Ops 6: Invoices', 'SEV-3', 'days without a usage snapshot that a plan asks for; finops.record_usage() takes them', '{}', true, $q$
WITH wanted AS (SELECT w.period, b.tenant_id, p.metric_code, sum(least((w.period + interval '1 month')::date - 1, b.period_end, p.effective_to) - greatest(w.period, b.period_start, p.effective_from) + 1) AS days
	FROM finops.watched_month w JOIN @s@.tenant_plan_binding b ON b.status <> 'scheduled' AND b.period_start < w.period + interval '1 month' AND coalesce(b.period_end >= w.period, true)
	JOIN @s@.tenant_master m ON m.tenant_id = b.tenant_id AND m.status = 'active'
	JOIN (SELECT DISTINCT plan_code, metric_code, effective_from, effective_to FROM @s@.plan_metric_map) p ON p.plan_code = b.plan_code
	WHERE w.ended AND least((w.period + interval '1 month')::date - 1, b.period_end, p.effective_to) >= greatest(w.period, b.period_start, p.effective_from) GROUP BY 1, 2, 3),
found AS (SELECT w.period, u.tenant_id, u.metric_code, count(*) AS days FROM finops.watched_month w
	JOIN @s@.usage_snapshot_daily u ON u.usage_date >= w.period AND u.usage_date < w.period + interval '1 month'
	WHERE w.ended AND EXISTS (SELECT FROM wanted) GROUP BY 1, 2, 3),
gap AS (SELECT x.period, count(*) AS pairs, sum(x.days - coalesce(f.days, 0)) AS days, min(x.tenant_id) AS tenant_id, min(x.metric_code) AS metric_code
	FROM wanted x LEFT JOIN found f USING (period, tenant_id, metric_code) WHERE coalesce(f.days, 0) < x.days GROUP BY 1)
SELECT to_char(g.period, 'YYYY-MM') AS scope, format('%s day(s) of usage are missing in %s, such as %s of %s', g.days, to_char(g.period, 'YYYY-MM'), g.metric_code, g.tenant_id) AS seen,
	format('SELECT finops.waive_readiness(%L, ''usage'', ''there was no more usage'')', g.period) AS resolve_call,
	format('SELECT * FROM finops.readiness(%L) WHERE item = ''usage''', g.period) AS evidence_query
FROM gap g WHERE NOT EXISTS (SELECT FROM finops.readiness_waiver v WHERE v.period_start = g.period AND v.item = 'usage')
$q$),

('invoice-lag', 640, 'Commercial-Ops 6: Invoices', 'SEV-2', 'nobody issued the documents of the month within 72 hours of its end', '{recon-failed,recon-missing,allocation-variance,allocation-missing,allocation-lost,rules-changed,documents-stale,fx-rate-missing,invoice-failed,usage-incomplete,bill-missing,control-total,day-gap,tag-sync-pending,driver-late,job-failed=*,load-job-failed=*}', true, $q$
WITH open AS (SELECT h.period_start AS period, h.tenant_id, h.status FROM @s@.invoice_header h WHERE h.status = 'open' AND h.kind = 'invoice' AND h.total > 0
	AND now() > (h.period_start + interval '1 month' + interval '72 hours') AT TIME ZONE 'UTC'
	UNION ALL SELECT w.period, m.tenant_id, 'missing' FROM finops.watched_month w JOIN finops.period_gate g ON g.period_start = w.period AND g.gate = 'reconciliation' AND g.status IN ('ok', 'resolved')
	JOIN @s@.tenant_master m ON m.billing_mode = 'invoice' AND m.status = 'active'
	WHERE w.ended AND now() > (w.period + interval '1 month' + interval '72 hours') AT TIME ZONE 'UTC'
		AND EXISTS (SELECT FROM finops.run r WHERE r.kind = 'prepare_invoices' AND r.period_start = w.period)
		AND EXISTS (SELECT FROM finops.cost_daily c WHERE c.billing_period = w.period AND c.tenant_id = m.tenant_id)
		AND NOT EXISTS (SELECT FROM @s@.invoice_header h WHERE h.period_start = w.period AND h.tenant_id = m.tenant_id AND h.kind = 'invoice' AND h.status <> 'void')
		AND NOT EXISTS (SELECT FROM finops.invoice_failure f WHERE f.period_start = w.period AND f.tenant_id = m.tenant_id))
SELECT to_char(o.period, 'YYYY-MM') || CASE WHEN count(*) = 1 THEN '/' || min(o.tenant_id) ELSE '' END AS scope,
	CASE WHEN count(*) = 1 THEN format('tenant %s has no invoice of %s (%s)', min(o.tenant_id), to_char(o.period, 'YYYY-MM'), min(o.status))
		ELSE format('%s tenants have no invoice of %s, such as %s', count(*), to_char(o.period, 'YYYY-MM'), min(o.tenant_id)) END AS seen,
	CASE WHEN count(*) = 1 THEN format('SELECT * FROM finops.emit_invoices(%L, %L)', o.period, min(o.tenant_id))
		ELSE format('SELECT * FROM finops.emit_invoices(%L)', o.period) END AS resolve_call,
	'SELECT tenant_id, period_start, status FROM invoice_header WHERE status=''open''' AS evidence_query
FROM open o GROUP BY o.period
$q$),

('close-late', 650, 'Commercial-Ops 6: Invoices', 'SEV-3', 'the month has ended and nobody closed it by its due day', '{recon-failed,recon-missing,allocation-variance,allocation-missing,allocation-lost,rules-changed,documents-stale,fx-rate-missing,invoice-failed,invoice-lag,usage-incomplete,bill-missing,control-total,day-gap,tags-unjudged,tag-sync-pending,tag-coverage-drop,driver-late,job-failed=*,load-job-failed=*}', true, $q$
SELECT to_char(w.period, 'YYYY-MM') AS scope, format('%s was due to be closed on %s', to_char(w.period, 'YYYY-MM'), c.due) AS seen,
	format('CALL finops.close_month(%L)', w.period) AS resolve_call, format('SELECT * FROM finops.close_calendar(%L)', w.period) AS evidence_query
FROM finops.watched_month w, LATERAL (SELECT max(k.due) AS due FROM finops.close_calendar(w.period) k) c
WHERE w.ended AND w.live AND c.due < (now() AT TIME ZONE 'UTC')::date
$q$),

-- Commercial-Ops 7: payments

('payment-unmatched', 710, 'Commercial-Ops 7: Payments', 'SEV-3', 'the matching has not run since the payment came in, or its event was lost on the way', '{job-failed=*}', true, $q$
SELECT p.payment_id AS scope, format('payment %s of %s %s is not applied, though invoice %s is open', p.payment_id, p.amount, p.currency, h.invoice_id) AS seen,
	'SELECT * FROM finops.match_payments()' AS resolve_call,
	'SELECT i.invoice_id, i.status, p.payment_id, p.status, p.amount_usd FROM invoice_header i LEFT JOIN payment_txn p ON p.invoice_id=i.invoice_id WHERE i.status!=''paid''' AS evidence_query
FROM @s@.payment_txn p, LATERAL (SELECT h.invoice_id FROM @s@.invoice_header h WHERE h.status = 'issued' AND h.kind = 'invoice' AND h.currency = p.currency
	AND (h.invoice_id = p.invoice_id OR p.invoice_id IS NULL AND (h.tenant_id = p.tenant_id AND h.total = p.amount OR h.invoice_number IS NOT NULL AND strpos(p.remittance, h.invoice_number) > 0)) LIMIT 1) h
WHERE p.status = 'confirmed' AND p.created_at > now() - interval '60 days'
	AND NOT EXISTS (SELECT FROM finops.payment_application a WHERE a.payment_id = p.payment_id)
	AND NOT EXISTS (SELECT FROM finops.payment_outflow o WHERE o.payment_id = p.payment_id)
	AND NOT EXISTS (SELECT FROM finops.payment_suggestion s WHERE s.payment_id = p.payment_id)
LIMIT 1
$q$),

('payment-suggested', 720, 'Commercial-Ops 7: Payments', 'SEV-4', 'the evidence was not enough to apply the payment without a person', '{payment-unmatched=*}', true, $q$
SELECT DISTINCT ON (s.payment_id) s.payment_id AS scope, format('payment %s may be for invoice %s: %s', s.payment_id, s.invoice_id, s.reason) AS seen, s.reason AS cause,
	format('SELECT * FROM finops.accept_suggestion(%s)', s.suggestion_id) AS resolve_call,
	format('SELECT * FROM finops.payment_suggestion WHERE payment_id = %L', s.payment_id) AS evidence_query
FROM finops.payment_suggestion s WHERE s.status = 'open' ORDER BY s.payment_id, s.suggestion_id
$q$),

('payment-mismatch', 730, 'Commercial-Ops 7: Payments', 'SEV-2', 'the status of the invoice was changed by hand', '{payment-unmatched=*}', true, $q$
SELECT h.invoice_id AS scope, format('invoice %s is %s, and %s %s of it are open', h.invoice_id, h.status, b.open_amount, h.currency) AS seen,
	format('SELECT finops.settle_invoice(%L)', h.invoice_id) AS resolve_call,
	format('SELECT * FROM finops.invoice_balance WHERE invoice_id = %L', h.invoice_id) AS evidence_query
FROM @s@.invoice_header h JOIN finops.invoice_balance b ON b.invoice_id = h.invoice_id
WHERE h.kind = 'invoice' AND h.total > 0 AND (h.status = 'issued' AND b.open_amount <= 0 OR h.status = 'paid' AND b.open_amount > 0)
	AND h.issued_at > now() - interval '400 days'
$q$),

-- Commercial-Ops 8: quotas

('usage-unrefreshed', 810, 'Commercial-Ops 8: Quotas', 'SEV-4', 'usage was written and not compared with the caps of the plans', '{job-failed=*}', true, $q$
SELECT to_char(m.month, 'YYYY-MM') AS scope, format('usage of %s in %s is not compared with its cap', min(x.metric_code), to_char(m.month, 'YYYY-MM')) AS seen,
	format('SELECT finops.refresh_usage(%L)', m.month) AS resolve_call,
	format('SELECT * FROM usage_snapshot_daily WHERE usage_date >= %L AND utilization IS NULL', m.month) AS evidence_query
FROM (SELECT date_trunc('month', max(u.usage_date))::date AS month FROM @s@.usage_snapshot_daily u) m,
	LATERAL (SELECT u.metric_code FROM @s@.usage_snapshot_daily u JOIN @s@.tenant_plan_binding b ON b.tenant_id = u.tenant_id AND b.status <> 'scheduled'
			AND b.period_start <= u.usage_date AND coalesce(b.period_end >= u.usage_date, true)
		JOIN @s@.plan_metric_map p ON p.plan_code = b.plan_code AND p.metric_code = u.metric_code AND p.effective_from <= u.usage_date AND coalesce(p.effective_to >= u.usage_date, true)
		WHERE u.usage_date >= (SELECT max(l.usage_date) FROM @s@.usage_snapshot_daily l) - 1 AND u.utilization IS NULL AND NOT u.frozen LIMIT 1) x
WHERE NOT EXISTS (SELECT FROM @s@.period_lock l WHERE l.period_start = m.month AND l.state = 'LOCKED') GROUP BY m.month
$q$),

('quota-reached', 820, 'Commercial-Ops 8: Quotas', 'SEV-3', 'the tenant uses more than its plan includes, and was not told', '{usage-unrefreshed=*}', true, $q$
SELECT format('%s/%s', r.tenant_id, r.metric_code) AS scope, format('tenant %s uses %s %% of its cap of %s %s', r.tenant_id, round(r.utilization * 100, 1), trim_scale(r.cap_value), r.metric_code) AS seen,
	format('SELECT finops.tell_quota(%L, %L, %L)', r.tenant_id, r.metric_code, r.month) AS resolve_call,
	'SELECT tenant_id, metric_code, metric_value, cap_value, utilization FROM usage_snapshot_daily WHERE utilization >= 1.0' AS evidence_query
FROM (SELECT DISTINCT ON (u.tenant_id, u.metric_code) u.*, date_trunc('month', u.usage_date)::date AS month FROM @s@.usage_snapshot_daily u
	WHERE u.utilization >= 1 AND u.usage_date >= date_trunc('month', now() AT TIME ZONE 'UTC')::date ORDER BY u.tenant_id, u.metric_code, u.usage_date DESC) r
	JOIN @s@.tenant_master t ON t.tenant_id = r.tenant_id AND t.status = 'active'
WHERE NOT EXISTS (SELECT FROM finops.outbox o WHERE o.topic = 'tenant_notice' AND o.dedup_key = concat_ws('|', 'quota', r.tenant_id, r.metric_code, to_char(r.month, 'YYYY-MM'), trim_scale(r.cap_value)))
$q$),

-- Commercial-Ops 9: runners

('job-stuck', 910, 'Commercial-Ops 9: Runner capacity', 'SEV-2', 'the session that ran the job is gone, or the job waits for a lock', '{}', true, $q$
WITH run AS (SELECT r.*, l.pid FROM finops.job_run r LEFT JOIN pg_locks l ON l.locktype = 'advisory' AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
	AND l.classid = 1718185472 AND l.objid::bigint = (hashtext('job ' || r.job_name)::bigint & 4294967295) AND l.objsubid = 2 AND l.granted WHERE r.status = 'started')
SELECT r.job_name AS scope, CASE WHEN r.pid IS NULL THEN format('job %s began %s and its session is gone', r.job_name, to_char(r.started_at, 'YYYY-MM-DD HH24:MI'))
	ELSE format('job %s runs for %s minutes', r.job_name, round(extract(epoch FROM now() - r.started_at) / 60)) END AS seen,
	CASE WHEN r.pid IS NULL THEN 'the session that ran the job went away' ELSE 'the job waits for a lock, or has more to do than it can' END AS cause,
	CASE WHEN r.pid IS NULL THEN format('CALL finops.run_job(%L)', r.job_name) ELSE format('SELECT pg_catalog.pg_cancel_backend(%s)', r.pid) END AS resolve_call,
	format('SELECT * FROM finops.job_run WHERE run_id = %s', r.run_id) AS evidence_query
FROM run r WHERE r.pid IS NULL AND r.started_at < now() - interval '10 seconds' OR r.started_at < now() - interval '2 hours'
$q$),

('job-failed', 920, 'Commercial-Ops 9: Runner capacity', 'SEV-3', 'the job raised an error', '{load-job-failed=*,job-stuck}', true, $q$
SELECT j.job_name AS scope, format('job %s failed on %s: %s', j.job_name, to_char(l.started_at, 'YYYY-MM-DD HH24:MI'), left(l.error_message, 400)) AS seen,
	CASE WHEN j.command ~ 'finops\.(allocate|reprocess)' THEN 'Commercial-Ops 2: Allocation' WHEN j.command ~ 'finops\.refresh_budgets' THEN 'Commercial-Ops 3: Budgets' WHEN j.command ~ 'finops\.reconcile' THEN 'Commercial-Ops 4: Reconciliation'
		WHEN j.command ~ 'finops\.validate_tags' THEN 'Commercial-Ops 5: Tagging' WHEN j.command ~ 'finops\.(prepare|issue)_invoices' THEN 'Commercial-Ops 6: Invoices' WHEN j.command ~ 'finops\.(match|record)_payment' THEN 'Commercial-Ops 7: Payments'
		WHEN j.command ~ 'finops\.refresh_usage' THEN 'Commercial-Ops 8: Quotas' WHEN j.command ~ 'finops\.(recalc_forecast|predict|retrain|train)' THEN 'Forecast drivers 4: Recalculate' END AS section,
	format('CALL finops.run_job(%L)', j.job_name) AS resolve_call,
	format('SELECT * FROM finops.job_run WHERE job_name = %L ORDER BY run_id DESC LIMIT 5', j.job_name) AS evidence_query
FROM finops.job_registry j,
	LATERAL (SELECT * FROM finops.job_run r WHERE r.job_name = j.job_name AND r.status IN ('succeeded', 'failed') ORDER BY r.started_at DESC, r.run_id DESC LIMIT 1) l
WHERE j.enabled AND l.status = 'failed' AND j.command !~ 'finops\.(load_bill|ingest_bills|generate_bill|reingest)'
$q$),

('api-throttled', 930, 'Commercial-Ops 9: Runner capacity', 'SEV-3', 'more requests than the provider takes (finops.cost_explorer_rate); background jobs belong into off-peak hours', '{}', true, $q$
SELECT m.endpoint AS scope, format('%s answers of %s within an hour were throttled', count(*), m.endpoint) AS seen,
	format('SELECT * FROM api_metrics WHERE endpoint = %L AND created_at > now() - interval ''1 hour'' ORDER BY created_at DESC', m.endpoint) AS evidence_query
FROM @s@.api_metrics m WHERE m.created_at > now() - interval '1 hour' AND (m.error_code ~* 'throttl' OR m.status_code = 429) GROUP BY m.endpoint HAVING count(*) > 5
$q$),

-- Commercial-Ops 10: recovery

('views-stale', 1010, 'Commercial-Ops 10: General recovery', 'SEV-4', 'a month changed after the dashboards were refreshed', '{allocation-missing=*,recon-missing=*}', true, $q$
SELECT v.view_name AS scope, format('view %s was refreshed on %s, a month changed on %s', v.view_name, to_char(v.refreshed_at, 'YYYY-MM-DD HH24:MI'), to_char(g.set_at, 'YYYY-MM-DD HH24:MI')) AS seen,
	'SELECT * FROM finops.refresh_views()' AS resolve_call, 'SELECT * FROM finops.view_refresh' AS evidence_query
FROM (SELECT view_name, refreshed_at FROM finops.view_refresh WHERE to_regclass(view_name) IS NOT NULL ORDER BY refreshed_at LIMIT 1) v, (SELECT max(p.set_at) AS set_at FROM finops.period_gate p) g
WHERE g.set_at > v.refreshed_at
$q$),

('period-attention', 1020, 'Commercial-Ops 10: General recovery', 'SEV-2', 'somebody marked the month', '{}', true, $q$
SELECT to_char(l.period_start, 'YYYY-MM') AS scope, format('%s needs attention', to_char(l.period_start, 'YYYY-MM')) AS seen,
	CASE WHEN now() >= timezone('UTC', l.period_start + interval '1 month') THEN format('CALL finops.close_month(%L)', l.period_start) END AS resolve_call,
	format('SELECT * FROM period_lock WHERE period_start = %L', l.period_start) AS evidence_query
FROM @s@.period_lock l WHERE l.state = 'ATTENTION_REQUIRED'
$q$),

('approval-waiting', 1030, 'Commercial-Ops 10: General recovery', 'SEV-4', 'nobody but who asked has looked at it', '{}', true, $q$
SELECT a.request_id::text AS scope, format('%s of %s waits since %s for a second person', a.kind, a.object_id, to_char(a.requested_at, 'YYYY-MM-DD HH24:MI')) AS seen,
	format('SELECT finops.approve(%L, %L)', a.kind, a.request_id) AS resolve_call, 'SELECT * FROM finops.approval_request WHERE status = ''requested''' AS evidence_query
FROM finops.approval_request a WHERE a.status = 'requested' AND a.requested_at < now() - interval '1 day'
$q$),

-- Commercial-Ops 11 and 12: escalation and post-mortems

('incident-unanswered', 1110, 'Commercial-Ops 11: Escalation', 'SEV-2', 'nobody has acknowledged it in time', '{}', true, $q$
SELECT i.incident_id::text AS scope, format('incident %s (%s, %s) was to be acknowledged by %s', i.incident_id, i.severity, i.title, to_char(i.acknowledge_by, 'YYYY-MM-DD HH24:MI')) AS seen, i.severity,
	format('SELECT * FROM finops.acknowledge_incident(%s)', i.incident_id) AS resolve_call, format('SELECT * FROM finops.incident WHERE incident_id = %s', i.incident_id) AS evidence_query
FROM finops.incident i WHERE i.status = 'open' AND i.acknowledge_by < now()
$q$),

('incident-overdue', 1120, 'Commercial-Ops 11: Escalation', 'SEV-2', 'the time for its resolution is over', '{incident-unanswered}', true, $q$
SELECT i.incident_id::text AS scope, format('incident %s (%s, %s) was to be resolved by %s', i.incident_id, i.severity, i.title, to_char(i.resolve_by, 'YYYY-MM-DD HH24:MI')) AS seen, i.severity,
	format('SELECT * FROM finops.resolve_incident(%s, ''over'')', i.incident_id) AS resolve_call, format('SELECT * FROM finops.incident_event WHERE incident_id = %s', i.incident_id) AS evidence_query
FROM finops.incident i WHERE i.status <> 'resolved' AND i.resolve_by < now()
$q$),

('postmortem-overdue', 1130, 'Commercial-Ops 12: Post-mortem', 'SEV-3', 'a SEV-1 or SEV-2 needs its post-mortem within 48 hours', '{incident-unanswered}', true, $q$
SELECT i.incident_id::text AS scope, format('the post-mortem of incident %s (%s) was due on %s', i.incident_id, i.title, to_char(i.postmortem_due, 'YYYY-MM-DD HH24:MI')) AS seen,
	format('SELECT * FROM finops.file_postmortem(%s, root_cause => %L, impact => %L, prevention => %L)', i.incident_id, coalesce(i.evidence ->> 'cause', i.title), coalesce(i.evidence ->> 'seen', i.title),
		CASE WHEN i.source_id IS NOT NULL THEN format('%s %s watches it', i.source, i.source_id) ELSE 'a check of its own in finops.diagnosis_check' END) AS resolve_call,
	format('SELECT finops.postmortem_html(%s)', i.incident_id) AS evidence_query
FROM finops.incident i WHERE i.postmortem IS NULL AND i.postmortem_due < now()
$q$),

-- Forecast drivers

('drivers-unused', 1210, 'Forecast drivers 4: Recalculate', 'SEV-3', 'drivers were loaded and the forecast was not computed anew', '{job-failed=*}', true, $q$
SELECT d.load_dt::text AS scope, format('drivers of %s are in no forecast', d.load_dt) AS seen, 'SELECT * FROM finops.recalc_forecast()' AS resolve_call,
	'SELECT run_name, driver_load_dt, status FROM forecast.run ORDER BY started_at DESC LIMIT 5' AS evidence_query
FROM (SELECT max(load_dt) AS load_dt FROM forecast.drivers) d
WHERE d.load_dt IS NOT NULL AND EXISTS (SELECT FROM forecast.run) AND NOT EXISTS (SELECT FROM forecast.run r WHERE r.status IN ('completed', 'warning') AND r.driver_load_dt >= d.load_dt)
$q$),

('model-drift', 1220, 'Resource forecaster 11.1: RMSE drift', 'SEV-3', 'the series has changed since the model was trained', '{job-failed=*}', true, $q$
SELECT d.model_of AS scope, format('model %s %s has drifted by %s', d.model_of, d.model_version, d.reasons) AS seen,
	format('SELECT * FROM finops.train_model(%L)', d.model_of) AS resolve_call, format('SELECT * FROM finops.model_drift(%L)', d.model_of) AS evidence_query
FROM finops.model_drift() d WHERE d.drifted
UNION ALL
SELECT r.model_name, format('model %s %s has drifted: score %s, from 1 on it is too much', r.model_name, r.model_version, round(r.drift_score::numeric, 2)),
	NULL, format('SELECT * FROM tbl_ml_model_registry WHERE model_name = %L', r.model_name)
FROM @s@.tbl_ml_model_registry r WHERE r.status = 'ACTIVE' AND r.drift_score >= 1 AND NOT EXISTS (SELECT FROM forecast.prediction p WHERE p.model_id = r.model_id)
$q$),

('feature-drift', 1230, 'Logistics: Feature drift', 'SEV-3', 'the feature is distributed otherwise than when the models were trained; those that are computed of cost_day follow it', '{model-drift=*}', true, $q$
SELECT f.feature_name AS scope, format('feature %s has a drift of %s, the limit is %s', f.feature_name, round(f.drift_score::numeric, 4), round(f.threshold::numeric, 4)) AS seen,
	format('SELECT * FROM vw_ml_feature_monitoring WHERE feature_name = %L ORDER BY evaluation_timestamp DESC', f.feature_name) AS evidence_query
FROM (SELECT DISTINCT ON (feature_name) * FROM finops.feature_drift WHERE evaluation_timestamp > now() - interval '7 days'
	AND (feature_name = 'cost_day' OR feature_name !~ '^cost_(lag|mean|std)_\d+$') ORDER BY feature_name, evaluation_timestamp DESC) f WHERE f.drift_score > f.threshold
$q$),

-- Costs dashboard

('cache-stale', 1310, 'Costs dashboard: Data not loading', 'SEV-3', 'answers of the provider are kept and not renewed', '{api-throttled=*,job-failed=*}', true, $q$
SELECT c.source AS scope, format('the newest answer of %s is of %s', c.source, to_char(c.latest, 'YYYY-MM-DD HH24:MI')) AS seen,
	format('DELETE FROM @s@.cost_cache WHERE source = %L AND last_updated < now() - interval ''72 hours''', c.source) AS resolve_call,
	'SELECT source, MAX(last_updated) as latest_data, NOW() - MAX(last_updated) as age FROM cost_cache GROUP BY source' AS evidence_query
FROM (SELECT source, max(last_updated) AS latest FROM @s@.cost_cache GROUP BY 1) c WHERE c.latest < now() - interval '72 hours'
$q$),

('api-errors', 1320, 'Costs dashboard: Unresponsive', 'SEV-1', 'the service behind the endpoint fails', '{}', true, $q$
SELECT m.endpoint AS scope, format('%s of %s answers of %s within 5 minutes were errors', count(*) FILTER (WHERE m.status_code >= 500), count(*), m.endpoint) AS seen,
	format('SELECT * FROM api_metrics WHERE endpoint = %L ORDER BY created_at DESC LIMIT 50', m.endpoint) AS evidence_query
FROM @s@.api_metrics m WHERE m.created_at > now() - interval '5 minutes' GROUP BY m.endpoint HAVING count(*) FILTER (WHERE m.status_code >= 500) > 0.1 * count(*) AND count(*) >= 10
$q$),

('athena-scan-limit', 1330, 'Costs dashboard: Athena queries', 'SEV-3', 'a query without a filter on the partitions', '{}', true, $q$
SELECT q.query_execution_id AS scope, format('query %s scanned %s GiB, the cutoff is 1024', q.query_execution_id, round(q.data_scanned_in_bytes / 1073741824, 1)) AS seen,
	format('SELECT query FROM athena_query_executions WHERE query_execution_id = %L', q.query_execution_id) AS evidence_query
FROM @s@.athena_query_executions q WHERE q.creation_time > now() - interval '7 days' AND q.data_scanned_in_bytes > 1099511627776
$q$),

('idle-in-transaction', 1340, 'Costs dashboard: Memory and connections', 'SEV-3', 'a client has forgotten its transaction; it keeps locks and hinders vacuum', '{}', true, $q$
SELECT a.pid::text AS scope, format('session %s of %s idles in a transaction since %s', a.pid, coalesce(a.usename, '?'), to_char(a.state_change, 'YYYY-MM-DD HH24:MI')) AS seen,
	format('SELECT pg_catalog.pg_terminate_backend(%s, 5000)', a.pid) AS resolve_call, 'SELECT state, COUNT(*) FROM pg_stat_activity GROUP BY state' AS evidence_query
FROM pg_stat_activity a WHERE a.datname = current_database() AND a.state LIKE 'idle in transaction%' AND a.state_change < now() - interval '1 hour' AND a.pid <> pg_backend_pid()
$q$),

('connections-full', 1350, 'Costs dashboard: Memory and connections', 'SEV-1', 'clients open more sessions than they use', '{idle-in-transaction=*}', true, $q$
SELECT 'connections' AS scope, format('%s of %s connections are taken', count(*), current_setting('max_connections')) AS seen,
	CASE WHEN count(*) FILTER (WHERE a.datname = current_database() AND a.state = 'idle') > 0
		THEN 'SELECT count(pg_catalog.pg_terminate_backend(pid, 5000)) FROM pg_catalog.pg_stat_activity WHERE datname = pg_catalog.current_database() AND state = ''idle'' AND pid <> pg_catalog.pg_backend_pid()' END AS resolve_call,
	'SELECT state, COUNT(*) FROM pg_stat_activity GROUP BY state' AS evidence_query
FROM pg_stat_activity a WHERE a.backend_type = 'client backend' HAVING count(*) >= 0.9 * current_setting('max_connections')::numeric
$q$),

-- Logistics

('source-stale', 1410, 'Logistics: Data freshness', 'SEV-3', 'what fills the table has not run', '{load-job-failed=*,job-failed=*,job-stuck=*}', true, $q$
SELECT s.table_name AS scope, format('%s was brought up to date on %s, %s minutes may pass', s.table_name, to_char(s.last_sync_at, 'YYYY-MM-DD HH24:MI'), s.sla_minutes) AS seen,
	coalesce(CASE WHEN s.table_name = 'tbl_ml_consolidated_feature_store' THEN 'SELECT finops.refresh_features()' END,
		(SELECT format('CALL finops.run_job(%L)', j.job_name) FROM finops.job_registry j WHERE j.enabled AND (j.job_name IN (s.table_name, s.data_source) OR s.table_name = ANY (regexp_split_to_array(j.command, '\W+')))
			ORDER BY j.job_name = s.data_source DESC NULLS LAST, j.job_name LIMIT 1)) AS resolve_call,
	'SELECT table_name, minutes_since_sync FROM vw_data_freshness_monitoring WHERE minutes_since_sync > 360' AS evidence_query
FROM finops.source_sync s WHERE s.last_sync_at < now() - s.sla_minutes * interval '1 minute'
$q$),

('quality-failed', 1420, 'Logistics: Data quality', 'SEV-3', 'what fills the table writes less than it should, or other than it did; when it is mended the rule has to see it', '{source-stale,load-job-failed=*}', true, $q$
SELECT coalesce(c.rule_name, format('%s/%s', c.table_name, c.sla_type)) AS scope, format('%s of %s fails: %s, the threshold is %s', c.sla_type, c.table_name, c.actual_value, c.threshold_value) AS seen,
	CASE WHEN EXISTS (SELECT FROM finops.quality_rule r WHERE r.rule_name = c.rule_name AND r.enabled) THEN format('SELECT * FROM finops.run_quality_rules(%L)', c.rule_name) END AS resolve_call,
	'SELECT * FROM vw_data_quality_summary WHERE sla_result = ''FAIL''' AS evidence_query
FROM (SELECT DISTINCT ON (table_name, sla_type, rule_name) * FROM finops.dq_check WHERE evaluation_timestamp > now() - interval '2 days' ORDER BY table_name, sla_type, rule_name, evaluation_timestamp DESC, check_id DESC) c
WHERE c.sla_result = 'FAIL' AND (c.rule_name IS NULL OR EXISTS (SELECT FROM finops.quality_rule r WHERE r.rule_name = c.rule_name AND r.enabled))
$q$),

('reference-broken', 1430, 'Logistics: Referential integrity', 'SEV-2', 'rows point at rows that are not there', '{quality-failed}', true, $q$
SELECT f.constraint_name AS scope, format('%s rows of %s point at nothing in %s', f.orphan_count, f.child_table, f.parent_table) AS seen,
	(SELECT format('SELECT * FROM finops.run_quality_rules(%L)', r.rule_name) FROM finops.quality_rule r WHERE r.rule_name = f.constraint_name AND r.enabled) AS resolve_call,
	'SELECT * FROM test_foreign_key_constraints WHERE test_result = ''FAIL''' AS evidence_query
FROM @s@.test_foreign_key_constraints f WHERE f.test_result = 'FAIL' AND f.evaluated_at > now() - interval '8 days'
$q$),

('backup-failed', 1440, 'Logistics: Backup verification', 'SEV-1', 'the backup did not run, or did not end well', '{}', true, $q$
SELECT b.table_name AS scope, format('the backup of %s of %s is %s', b.table_name, to_char(b.last_backup_time, 'YYYY-MM-DD HH24:MI'), b.backup_status) AS seen,
	format('SELECT * FROM vw_backup_status WHERE table_name = %L ORDER BY last_backup_time DESC', b.table_name) AS evidence_query
FROM (SELECT DISTINCT ON (table_name) * FROM finops.backup_log ORDER BY table_name, last_backup_time DESC) b
WHERE b.backup_status !~* '^(success|ok|complete|verified|pass)' OR b.last_backup_time < now() - interval '26 hours'
$q$),

('security-failed', 1450, 'Logistics: Security assessment', 'SEV-1', 'a security measure is beyond its threshold', '{}', true, $q$
SELECT m.security_metric AS scope, format('%s is %s, the threshold is %s', m.security_metric, m.current_value, m.threshold) AS seen,
	CASE WHEN m.security_metric IN ('superuser_logins', 'expired_passwords', 'schemas_public_may_write', 'unencrypted_connections') THEN 'SELECT * FROM finops.collect_monitors()' END AS resolve_call,
	format('SELECT * FROM vw_security_monitoring WHERE security_metric = %L ORDER BY evaluation_date DESC', m.security_metric) AS evidence_query
FROM (SELECT DISTINCT ON (security_metric) * FROM finops.security_metric ORDER BY security_metric, evaluation_date DESC) m WHERE m.status ~* '^(fail|critical|breach)'
$q$);

INSERT INTO finops.diagnosis_check (check_id, "position", section, severity, cause, caused_by, requires, shipped, query) VALUES
('jobs-unscheduled', 940, 'Commercial-Ops 9: Runner capacity', 'SEV-3', 'jobs were added, changed or lost since they were scheduled', '{}', 'pg_cron', true, $q$
SELECT 'schedule' AS scope, format('%s job(s) of the registry are not in pg_cron, such as %s', count(*), min(j.job_name)) AS seen, 'SELECT * FROM finops.schedule_jobs()' AS resolve_call,
	'SELECT jobid, jobname, schedule, active FROM cron.job WHERE database = current_database()' AS evidence_query
FROM finops.job_registry j
WHERE j.enabled AND j.schedule IS NOT NULL AND EXISTS (SELECT FROM cron.job c WHERE c.database = current_database() AND c.jobname::text LIKE 'finops:%')
	AND NOT EXISTS (SELECT FROM cron.job c WHERE c.database = current_database() AND pg_catalog.starts_with(c.command, format('CALL finops.run_job(%L, true', j.job_name)))
HAVING count(*) > 0
$q$);

REVOKE ALL ON finops.watched_month, finops.runner_backlog FROM PUBLIC;

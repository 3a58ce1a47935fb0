-- room ops: checks of jobs, checklists and messages

INSERT INTO finops.diagnosis_check (check_id, "position", section, severity, cause, caused_by, requires, shipped, query) VALUES

('job-late', 950, 'Commercial-Ops 9: Runner capacity', 'SEV-3', 'the scheduler does not run, or the job has to wait', '{job-stuck,jobs-unscheduled=*}', 'finops.job_late', true, $q$
SELECT l.job_name AS scope, format('job %s was due on %s and did not start', l.job_name, to_char(l.due_at, 'YYYY-MM-DD HH24:MI')) AS seen,
	format('CALL finops.run_job(%L)', l.job_name) AS resolve_call, format('SELECT * FROM finops.job_late WHERE job_name = %L', l.job_name) AS evidence_query
FROM finops.job_late l
$q$),

('checklist-overdue', 1140, 'Logistics: Daily, weekly and monthly operations', 'SEV-4', 'the job that runs the checklists has stopped', '{job-failed=checklists,job-stuck=checklists,job-late=*,jobs-unscheduled=*}', 'finops.due_before', true, $q$
SELECT 'checklists' AS scope, format('%s checklist(s) were due and have not run, such as %s of %s', count(*), min(c.name), to_char(min(d.due_at), 'YYYY-MM-DD HH24:MI')) AS seen,
	'SELECT * FROM finops.run_due_checklists()' AS resolve_call, 'SELECT checklist, max(started_at) FROM finops.checklist_run GROUP BY 1' AS evidence_query
FROM (SELECT DISTINCT ON (name) * FROM finops.checklist ORDER BY name, shipped) c,
	LATERAL (SELECT finops.due_before(c.schedule, c.guard, c.time_zone, now() - interval '3 hours') AS due_at) d
WHERE c.enabled AND c.schedule IS NOT NULL AND EXISTS (SELECT FROM finops.checklist_run r WHERE r.checklist = c.name AND r.due_at IS NOT NULL)
	AND (SELECT max(r.started_at) FROM finops.checklist_run r WHERE r.checklist = c.name) < d.due_at
HAVING count(*) > 0
$q$),

('message-waiting', 330, 'Commercial-Ops 3: Budgets and alerts', 'SEV-3', 'nobody sends what stands in the outbox', '{job-failed=delivery,job-stuck=delivery,job-late=*,jobs-unscheduled=*}', 'finops.notification', true, $q$
WITH able AS (SELECT c.* FROM finops.channel c LEFT JOIN finops.channel_state s ON s.channel_id = c.channel_id
	WHERE c.enabled AND coalesce(s.paused_until < now() - interval '5 minutes', true) AND coalesce(s.last_summary_at + c.digest_interval < now() - interval '1 hour', true)
		AND (SELECT count(*) FROM finops.delivery_attempt t WHERE t.channel_id = c.channel_id AND t.started_at > now() - c.rate_interval - interval '5 minutes') < c.rate_limit),
waits AS (SELECT o.outbox_id, o.created_at FROM finops.notification n JOIN able c ON c.channel_id = n.channel_id JOIN finops.outbox o ON o.outbox_id = n.outbox_id
	WHERE n.message_id IS NULL AND o.status = 'queued' AND o.created_at < now() - interval '1 hour'
	UNION SELECT o.outbox_id, o.created_at FROM finops.outbox o JOIN able c ON c.channel_id = ANY (o.channels) OR (c.topics IS NULL OR o.topic = ANY (c.topics)) AND (c.policies IS NULL OR o.topic = 'alert' AND o.payload ->> 'policy_id' = ANY (c.policies))
		AND array_position(ARRAY['info', 'warning', 'critical'], o.severity) >= array_position(ARRAY['info', 'warning', 'critical'], c.min_severity)
	WHERE o.status = 'pending' AND o.created_at < now() - interval '1 hour')
SELECT 'outbox' AS scope, format('%s message(s) wait for longer than an hour, the first since %s', count(*), to_char(min(w.created_at), 'YYYY-MM-DD HH24:MI')) AS seen,
	'CALL finops.deliver_notifications()' AS resolve_call, 'SELECT topic, count(*), min(created_at) FROM finops.outbox WHERE status IN (''pending'', ''queued'') GROUP BY 1' AS evidence_query
FROM waits w HAVING count(*) > 0
$q$),

('delivery-failed', 340, 'Commercial-Ops 3: Budgets and alerts', 'SEV-3', 'the other side did not take the messages; finops.redeliver() lets them go once more when it does', '{}', 'finops.notification', true, $q$
SELECT m.channel_id AS scope, format('%s message(s) of channel %s were given up, the last of them because of %s', count(*), m.channel_id, left((array_agg(m.error ORDER BY m.message_id DESC))[1], 300)) AS seen,
	format('SELECT finops.redeliver(channel_id => %L)', m.channel_id) AS resolve_call,
	format('SELECT * FROM finops.notification_message WHERE channel_id = %L AND status = ''dead''', m.channel_id) AS evidence_query
FROM finops.notification_message m JOIN finops.channel c ON c.channel_id = m.channel_id AND c.enabled
WHERE m.status = 'dead' AND m.created_at > now() - interval '7 days' GROUP BY m.channel_id
$q$);

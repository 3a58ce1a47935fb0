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
SELECT 'outbox' AS scope, format('%s message(s) wait for longer than an hour, the first since %s', count(*), to_char(min(o.created_at), 'YYYY-MM-DD HH24:MI')) AS seen,
	'CALL finops.deliver_notifications()' AS resolve_call, 'SELECT topic, count(*), min(created_at) FROM finops.outbox WHERE status IN (''pending'', ''queued'') GROUP BY 1' AS evidence_query
FROM finops.outbox o JOIN finops.notification n ON n.outbox_id = o.outbox_id AND n.message_id IS NULL
WHERE o.status = 'queued' AND o.created_at < now() - interval '1 hour' HAVING count(*) > 0
$q$);

-- Incidents: times of the escalation tables, timeline, messages, post-mortems.
BEGIN;
SELECT no_plan();
CREATE FUNCTION pg_temp.minutes(id bigint, until text) RETURNS numeric LANGUAGE sql AS $$
	SELECT round(extract(epoch FROM (to_jsonb(i) ->> until)::timestamptz - i.opened_at) / 60) FROM finops.incident i WHERE i.incident_id = id $$;

-- opening
SELECT finops.open_incident('SEV-1', 'the bank <feed> & more is down', '{"seen": "no line since noon"}', scope => '2025-06') AS sev1 \gset
SELECT finops.open_incident('SEV-2', 'two') AS sev2 \gset
SELECT finops.open_incident('SEV-3', 'three') AS sev3 \gset
SELECT finops.open_incident('SEV-4', 'four') AS sev4 \gset
SELECT is(array_agg(pg_temp.minutes(i, 'acknowledge_by') ORDER BY no), '{15,60,240,1440}', 'commercial operations: 15 minutes, 1 hour, 4 hours, 1 day')
FROM unnest(ARRAY[:sev1, :sev2, :sev3, :sev4]) WITH ORDINALITY AS x(i, no);
SELECT is(array_agg(pg_temp.minutes(i, 'postmortem_due') ORDER BY no), '{2880,2880,NULL,NULL}', 'a post-mortem within 48 hours for SEV-1 and SEV-2')
FROM unnest(ARRAY[:sev1, :sev2, :sev3, :sev4]) WITH ORDINALITY AS x(i, no);
SELECT is(array_agg(pg_temp.minutes(finops.open_incident(s, s, scale => 'logistics'), 'acknowledge_by') ORDER BY s), '{15,60,240,240}', 'logistics: to acknowledge') FROM unnest(ARRAY['P1', 'P2', 'P3', 'P4']) s;
SELECT is(array_agg(pg_temp.minutes(incident_id, 'resolve_by') ORDER BY incident_id), '{240,1440,10080,10080}', 'logistics: to resolve within 4 hours, a day, a week') FROM finops.incident WHERE scale = 'logistics';
SELECT is(array_agg(severity ORDER BY incident_id), '{SEV-1,SEV-2,SEV-3,SEV-4}', 'P1 to P4 are kept as SEV-1 to SEV-4') FROM finops.incident WHERE scale = 'logistics';
SELECT is((SELECT count(*) FROM finops.outbox WHERE topic = 'incident'), (SELECT count(*) FROM finops.incident), 'each has its message for the ticket system');
SELECT results_eq(format($$SELECT severity, payload ->> 'title', payload ->> 'event', payload -> 'evidence' ->> 'seen' FROM finops.outbox WHERE dedup_key = '%s opened'$$, :sev1),
	$$VALUES ('critical', 'the bank <feed> & more is down', 'opened', 'no line since noon')$$, 'what the message says');
SELECT is(finops.open_incident('SEV-2', 'a', source => 'alert', source_id => 'x', scope => 's'), finops.open_incident('SEV-2', 'b', source => 'alert', source_id => 'x', scope => 's'), 'one per source, id and scope');
SELECT is((SELECT count(*) FROM finops.incident WHERE source_id = 'x'), 1::bigint, 'while it is not resolved');
SELECT count(*) FROM finops.incident i, LATERAL finops.resolve_incident(i.incident_id, 'over') r WHERE i.source_id = 'x' \g /dev/null
SELECT isnt(finops.open_incident('SEV-2', 'c', source => 'alert', source_id => 'x', scope => 's'), NULL, 'again later is another');
SELECT is((SELECT count(*) FROM finops.incident WHERE source_id = 'x'), 2::bigint, 'with a row of its own');

-- what it refuses
SELECT throws_ok($$SELECT finops.open_incident('SEV-9', 'x')$$, '22023', 'there is no severity "SEV-9" of scale "commercial-ops"', 'a severity that the scale does not have');
SELECT throws_ok($$SELECT finops.open_incident('SEV-1', ' ')$$, '22023', 'title must not be blank', 'no title');
SELECT throws_ok($$SELECT finops.open_incident('SEV-1', 'x', source => 'rumour')$$, '22023', 'source "rumour" is not known', 'another source');
SELECT throws_ok($$SELECT finops.open_incident(NULL, 'x')$$, '22004', 'severity must not be null', 'NULL');
SELECT throws_ok($$SELECT finops.acknowledge_incident(-1)$$, 'P0002', 'there is no incident -1', 'an unknown incident');

-- its life
SELECT is((SELECT status FROM finops.acknowledge_incident(:sev1, 'on it')), 'acknowledged', 'acknowledged');
SELECT is((SELECT ticket FROM finops.note_incident(:sev1, 'called the bank', ticket => 'OPS-7')), 'OPS-7', 'a ticket');
SELECT is((SELECT status FROM finops.resolve_incident(:sev1, 'the bank restarted it')), 'resolved', 'resolved');
SELECT throws_ok(format('SELECT finops.resolve_incident(%s, ''again'')', :sev1), '55000', format('incident %s is resolved', :sev1), 'twice');
SELECT throws_ok(format('SELECT finops.acknowledge_incident(%s)', :sev1), '55000', NULL, 'acknowledged too late');
SELECT is((SELECT string_agg(kind, ',' ORDER BY event_id) FROM finops.incident_event WHERE incident_id = :sev1), 'opened,acknowledged,note,ticket,resolved', 'its timeline');
SELECT throws_ok(format($$SELECT finops.file_postmortem(%s, 'x', ' ', 'y')$$, :sev1), '22023', 'impact must not be blank', 'a post-mortem has three parts');
SELECT is((SELECT postmortem ->> 'root_cause' FROM finops.file_postmortem(:sev1, 'a <full> disk', 'no payments for 2 h', 'a check of the disk')), 'a <full> disk', 'a post-mortem');
SELECT finops.postmortem_html(:sev1) AS page \gset
SELECT ok(:'page' LIKE '%a &lt;full&gt; disk%' AND :'page' LIKE '%&lt;feed&gt; &amp; more%' AND :'page' NOT LIKE '%<feed>%', 'the page escapes what people wrote');
SELECT ok(:'page' LIKE '%no payments for 2 h%' AND :'page' LIKE '%a check of the disk%' AND :'page' LIKE '%called the bank%' AND :'page' LIKE '%no line since noon%' AND :'page' LIKE '%OPS-7%', 'impact, prevention, timeline, evidence and ticket');
SELECT ok(:'page' !~ '(src|href)=|<script|@import|url\(', 'nothing of it comes from elsewhere');
SELECT ok(xmlparse(document replace(replace(replace(:'page', '<!DOCTYPE html>', ''), '<meta charset="utf-8">', ''), '&#39;', '''')) IS NOT NULL, 'every element is closed');
SELECT throws_ok('SELECT finops.postmortem_html(-1)', 'P0002', NULL, 'no page of nothing');

-- incidents of alerts
INSERT INTO finops.alert_policy (policy_id, title, severity, severity_scale, severity_class, query, operator, threshold, opens_incident) VALUES
	('t-opens', 'it opens', 'critical', 'logistics', 'P1', 'SELECT ''s''::text AS scope, 1::numeric AS value, NULL::jsonb AS detail', '>', 0, true), ('t-quiet', 'it does not', 'critical', NULL, NULL, 'SELECT ''s''::text AS scope, 1::numeric AS value, NULL::jsonb AS detail', '>', 0, false);
INSERT INTO finops.alert (policy_id, scope, state, since, value, threshold) VALUES ('t-opens', 'a', 'firing', now(), 3, 0), ('t-opens', 'b', 'pending', now(), 3, 0), ('t-quiet', 'a', 'firing', now(), 3, 0);
INSERT INTO finops.alert (policy_id, scope, state, since, value, threshold, muted) VALUES ('t-opens', 'c', 'firing', now(), 3, 0, 'silenced'), ('t-opens', 'd', 'firing', now(), 3, 0, 'inhibited');
SELECT is(finops.open_alert_incidents(), 1::bigint, 'one for each firing alert of a policy that opens them, none for one that nobody is told of');
SELECT is(finops.open_alert_incidents(), 0::bigint, 'once');
SELECT results_eq($$SELECT severity, scale, title, scope, evidence ->> 'value' FROM finops.incident WHERE source_id = 't-opens'$$, $$VALUES ('SEV-1', 'logistics', 'it opens', 'a', '3')$$, 'by the class of its policy');

-- the daily report
SELECT is(finops.incident_digest(), (SELECT count(*) FROM finops.incident WHERE severity = 'SEV-3'), 'the report tells of every SEV-3');
SELECT is(finops.incident_digest(), 0::bigint, 'once a day');
SELECT is((SELECT payload -> 'incidents' -> 0 ->> 'title' FROM finops.outbox WHERE topic = 'incident_digest'), 'three', 'with its title');
SELECT is(finops.incident_digest('2001-01-01'), 0::bigint, 'nothing to tell of a day before');
SELECT throws_ok($$SELECT finops.incident_digest('infinity')$$, '22023', NULL, 'a day that cannot be');

-- notices to tenants
INSERT INTO tenant_master (tenant_id, tenant_name, billing_contact) VALUES ('n-1', 'One', '{"email": "one@example.com"}'), ('n-2', 'Two', NULL);
INSERT INTO metric_catalog (metric_code, domain, unit, aggregation) VALUES ('n-gb', 'storage', 'GB', 'sum_daily');
INSERT INTO usage_snapshot_daily (tenant_id, metric_code, usage_date, metric_value, cap_value, utilization) VALUES
	('n-1', 'n-gb', '2021-03-05', 60, 100, 0.9), ('n-1', 'n-gb', '2021-03-06', 60, 100, 1.2), ('n-1', 'n-gb', '2021-03-07', 60, 100, 1.8), ('n-2', 'n-gb', '2021-03-07', 1, 100, 0.01);
SELECT is(finops.notify_tenants('2021-03-09'), 1::bigint, 'a cap that is reached: one notice');
SELECT results_eq($$SELECT payload ->> 'notice', payload ->> 'tenant_id', payload ->> 'contact', payload ->> 'usage_date', (payload ->> 'utilization')::numeric FROM finops.outbox WHERE topic = 'tenant_notice'$$,
	$$VALUES ('quota_reached', 'n-1', 'one@example.com', '2021-03-07', 1.8)$$, 'to whom, of what');
SELECT is(finops.notify_tenants('2021-03-09'), 0::bigint, 'once');
INSERT INTO plan_master (plan_code, plan_family, base_price) VALUES ('n-a', 'n', 1), ('n-b', 'n', 2);
INSERT INTO upgrade_ledger (tenant_id, from_plan, to_plan, when_mode, status, activated_at, actor) VALUES ('n-2', 'n-a', 'n-b', 'immediate', 'active', '2021-03-08 12:00+00', 'x');
SELECT is(finops.notify_tenants('2021-03-09'), 1::bigint, 'a plan that changed');
SELECT is((SELECT payload ->> 'to_plan' FROM finops.outbox WHERE topic = 'tenant_notice' AND payload ->> 'notice' = 'plan_changed'), 'n-b', 'says to which');
SELECT is((SELECT count(*) FROM finops.runner_backlog), 2::bigint, 'the backlog: runs and messages');
SELECT is((SELECT waiting FROM finops.runner_backlog WHERE queue = 'outbox'), (SELECT count(*) FROM finops.outbox WHERE status = 'pending'), 'messages that wait');
SELECT * FROM finish();
ROLLBACK;

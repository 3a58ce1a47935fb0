-- room budget: alert policies, the state of alerts, silences

-- how fast whom to tell

CREATE TABLE finops.severity_scale (
	scale text NOT NULL,
	class text NOT NULL,
	meaning text NOT NULL,
	acknowledge_within interval NOT NULL,
	resolve_within interval,
	action text NOT NULL,
	shipped boolean NOT NULL DEFAULT false,
	CONSTRAINT severity_scale_pkey PRIMARY KEY (scale, class, shipped),
	CONSTRAINT severity_scale_acknowledge_check CHECK (acknowledge_within OPERATOR(pg_catalog.>) '0'::interval)
);
COMMENT ON TABLE finops.severity_scale IS 'escalation tables: classes of severity with the time to acknowledge; a row with shipped = false overrides the shipped one';
COMMENT ON COLUMN finops.severity_scale.scale IS 'whose table: commercial-ops (SEV-1 to SEV-4), costs-dashboard and logistics (P1 to P4)';
COMMENT ON COLUMN finops.severity_scale.acknowledge_within IS 'an alert that nobody acknowledged in this time is escalated';

INSERT INTO finops.severity_scale (scale, class, meaning, acknowledge_within, resolve_within, action, shipped) VALUES
	('commercial-ops', 'SEV-1', 'money is wrong or the close is blocked', '15 minutes', NULL, 'notify operations and FinOps; post-mortem within 48 hours', true),
	('commercial-ops', 'SEV-2', 'a figure is out of tolerance', '1 hour', NULL, 'open an incident with evidence; post-mortem within 48 hours', true),
	('commercial-ops', 'SEV-3', 'late or incomplete, nothing is wrong yet', '4 hours', NULL, 'daily report', true),
	('commercial-ops', 'SEV-4', 'maintenance', '1 day', NULL, 'maintenance backlog', true),
	('costs-dashboard', 'P1', 'down, breach or account compromise', '5 minutes', NULL, 'page at once; escalate after 15 minutes', true),
	('costs-dashboard', 'P2', 'errors or no connection', '15 minutes', NULL, 'tell the team', true),
	('costs-dashboard', 'P3', 'slow or stale', '2 hours', NULL, 'tell the team', true),
	('costs-dashboard', 'P4', 'cosmetic', '1 day', NULL, 'next business day', true),
	('logistics', 'P1', 'down, data loss or breach', '15 minutes', '4 hours', 'all hands', true),
	('logistics', 'P2', 'performance or data quality', '1 hour', '24 hours', 'owner of the pipeline', true),
	('logistics', 'P3', 'minor', '4 hours', '7 days', 'backlog', true),
	('logistics', 'P4', 'cosmetic', '4 hours', '7 days', 'backlog', true);

-- what is watched

CREATE TABLE finops.alert_policy (
	policy_id text NOT NULL,
	title text,
	severity text,
	severity_scale text,
	severity_class text,
	query text,
	operator text,
	threshold numeric,
	clear_threshold numeric,
	for_duration interval,
	increase_over interval,
	no_data text,
	inhibited_by text[],
	acknowledge_within interval,
	escalate_to text[],
	max_escalations integer,
	channels text[],
	covers_topics text[],
	notify_resolved boolean,
	opens_incident boolean,
	runbook text,
	enabled boolean,
	owner_role text DEFAULT CURRENT_USER,
	shipped boolean NOT NULL DEFAULT false,
	CONSTRAINT alert_policy_pkey PRIMARY KEY (policy_id, shipped),
	CONSTRAINT alert_policy_id_check CHECK (policy_id OPERATOR(pg_catalog.~) '^[A-Za-z][A-Za-z0-9_.-]{0,79}$'),
	CONSTRAINT alert_policy_severity_check CHECK (severity OPERATOR(pg_catalog.=) ANY (ARRAY['info', 'warning', 'critical'])),
	CONSTRAINT alert_policy_operator_check CHECK (operator OPERATOR(pg_catalog.=) ANY (ARRAY['>', '>=', '<', '<=', '=', '<>'])),
	CONSTRAINT alert_policy_threshold_check CHECK (threshold OPERATOR(pg_catalog.>) '-Infinity'::numeric AND threshold OPERATOR(pg_catalog.<) 'Infinity'::numeric),
	CONSTRAINT alert_policy_clear_check CHECK (clear_threshold OPERATOR(pg_catalog.>) '-Infinity'::numeric AND clear_threshold OPERATOR(pg_catalog.<) 'Infinity'::numeric),
	CONSTRAINT alert_policy_for_check CHECK (for_duration OPERATOR(pg_catalog.>=) '0'::interval),
	CONSTRAINT alert_policy_increase_check CHECK (increase_over OPERATOR(pg_catalog.>) '0'::interval),
	CONSTRAINT alert_policy_acknowledge_check CHECK (acknowledge_within OPERATOR(pg_catalog.>) '0'::interval),
	CONSTRAINT alert_policy_escalations_check CHECK (max_escalations OPERATOR(pg_catalog.>=) 0),
	CONSTRAINT alert_policy_no_data_check CHECK (no_data OPERATOR(pg_catalog.=) ANY (ARRAY['ok', 'keep', 'fail'])),
	CONSTRAINT alert_policy_shipped_check CHECK (NOT shipped OR (query IS NOT NULL AND operator IS NOT NULL AND threshold IS NOT NULL AND severity IS NOT NULL AND title IS NOT NULL))
);
COMMENT ON TABLE finops.alert_policy IS 'what is watched; a row with shipped = false is a policy of the user, or overrides what is not NULL in it of the shipped policy of the same name';
COMMENT ON COLUMN finops.alert_policy.severity IS 'info, warning or critical; a row of the query may give another one in detail as "severity"';
COMMENT ON COLUMN finops.alert_policy.severity_class IS 'class within severity_scale, such as SEV-2; it gives the time to acknowledge';
COMMENT ON COLUMN finops.alert_policy.query IS 'returns scope text, value numeric and detail jsonb, one row for each object that is watched; names are qualified; runs read-only with the rights of owner_role';
COMMENT ON COLUMN finops.alert_policy.operator IS 'the alert stands where value operator threshold is true';
COMMENT ON COLUMN finops.alert_policy.clear_threshold IS 'an alert that fires stands until value operator clear_threshold is no longer true; NULL: threshold';
COMMENT ON COLUMN finops.alert_policy.for_duration IS 'how long it must stand before it fires; NULL: it fires at once';
COMMENT ON COLUMN finops.alert_policy.increase_over IS 'value is a counter that only grows: its increase over this time is judged; a counter that falls was reset';
COMMENT ON COLUMN finops.alert_policy.no_data IS 'what it means that the query returns no row, or none for an object that had an alert: ok (nothing to watch any more), keep (alerts stay as they are) or fail (keep, and no row at all is reported as a failure of the policy); NULL: ok';
COMMENT ON COLUMN finops.alert_policy.inhibited_by IS 'policies that, while they fire for the same scope or for scope *, keep this one from notifying';
COMMENT ON COLUMN finops.alert_policy.acknowledge_within IS 'NULL: that of the severity class; without one nothing is escalated';
COMMENT ON COLUMN finops.alert_policy.escalate_to IS 'channels of escalations; NULL: those of the alert';
COMMENT ON COLUMN finops.alert_policy.max_escalations IS 'how often an alert that nobody acknowledges is told again; NULL: 3';
COMMENT ON COLUMN finops.alert_policy.channels IS 'channels that are told; NULL: those whose topics, policies and severity fit';
COMMENT ON COLUMN finops.alert_policy.covers_topics IS 'topics of the outbox that say the same; their messages are not sent while this policy is enabled';
COMMENT ON COLUMN finops.alert_policy.runbook IS 'the call or section that resolves it; part of the message';
COMMENT ON COLUMN finops.alert_policy.owner_role IS 'role with whose rights the query runs; of shipped queries the extension''s owner';

CREATE FUNCTION finops.check_alert_policy()
RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'finops_check_alert_policy';
COMMENT ON FUNCTION finops.check_alert_policy() IS 'refuses an alert policy that could never work; its query is not tried while check_function_bodies is off, as in a restore';

CREATE VIEW finops.alert_policy_in_force WITH (security_invoker = true) AS
SELECT k.policy_id,
	coalesce(o.title, s.title, k.policy_id) AS title,
	coalesce(o.severity, s.severity) AS severity,
	coalesce(o.severity_scale, s.severity_scale) AS severity_scale,
	coalesce(o.severity_class, s.severity_class) AS severity_class,
	coalesce(o.query, s.query) AS query,
	coalesce(o.operator, s.operator) AS operator,
	coalesce(o.threshold, s.threshold) AS threshold,
	coalesce(o.clear_threshold, CASE WHEN o.threshold IS NULL AND o.operator IS NULL THEN s.clear_threshold END, o.threshold, s.threshold) AS clear_threshold,
	coalesce(o.for_duration, s.for_duration, '0'::interval) AS for_duration,
	coalesce(o.increase_over, s.increase_over) AS increase_over,
	coalesce(o.no_data, s.no_data, 'ok') AS no_data,
	coalesce(o.inhibited_by, s.inhibited_by, '{}'::text[]) AS inhibited_by,
	coalesce(o.acknowledge_within, s.acknowledge_within,
		(SELECT c.acknowledge_within FROM finops.severity_scale c
		WHERE c.scale OPERATOR(pg_catalog.=) coalesce(o.severity_scale, s.severity_scale) AND c.class OPERATOR(pg_catalog.=) coalesce(o.severity_class, s.severity_class)
		ORDER BY c.shipped LIMIT 1)) AS acknowledge_within,
	coalesce(o.escalate_to, s.escalate_to) AS escalate_to,
	coalesce(o.max_escalations, s.max_escalations, 3) AS max_escalations,
	coalesce(o.channels, s.channels) AS channels,
	coalesce(o.covers_topics, s.covers_topics, '{}'::text[]) AS covers_topics,
	coalesce(o.notify_resolved, s.notify_resolved, true) AS notify_resolved,
	coalesce(o.opens_incident, s.opens_incident, false) AS opens_incident,
	coalesce(o.runbook, s.runbook) AS runbook,
	coalesce(o.enabled, s.enabled, true) AS enabled,
	CASE WHEN o.query IS NOT NULL THEN o.owner_role END AS owner_role
FROM (SELECT DISTINCT p.policy_id FROM finops.alert_policy p) k
LEFT JOIN finops.alert_policy s ON s.policy_id OPERATOR(pg_catalog.=) k.policy_id AND s.shipped
LEFT JOIN finops.alert_policy o ON o.policy_id OPERATOR(pg_catalog.=) k.policy_id AND NOT o.shipped;
COMMENT ON VIEW finops.alert_policy_in_force IS 'alert policies as they count: what the user set before what is shipped';
COMMENT ON COLUMN finops.alert_policy_in_force.owner_role IS 'NULL: a shipped query, which runs as the extension''s owner';

CREATE TABLE finops.alert_policy_state (
	policy_id text NOT NULL,
	evaluated_at timestamptz NOT NULL,
	milliseconds numeric,
	rows_seen bigint NOT NULL DEFAULT 0,
	breached bigint NOT NULL DEFAULT 0,
	error text,
	failing_since timestamptz,
	CONSTRAINT alert_policy_state_pkey PRIMARY KEY (policy_id)
);
COMMENT ON TABLE finops.alert_policy_state IS 'how the last evaluation of each alert policy went';
COMMENT ON COLUMN finops.alert_policy_state.error IS 'SQLSTATE and message; NULL where it went well';

-- what was found

CREATE TABLE finops.alert (
	alert_id bigint GENERATED BY DEFAULT AS IDENTITY,
	policy_id text NOT NULL,
	scope text NOT NULL,
	state text NOT NULL,
	severity text NOT NULL DEFAULT 'warning',
	since timestamptz NOT NULL,
	value numeric,
	threshold numeric,
	detail jsonb NOT NULL DEFAULT '{}',
	definition text NOT NULL DEFAULT '',
	crossing integer NOT NULL DEFAULT 0,
	fired_at timestamptz,
	resolved_at timestamptz,
	notified_crossing integer NOT NULL DEFAULT 0,
	resolved_crossing integer NOT NULL DEFAULT 0,
	muted text,
	acknowledge_by timestamptz,
	acknowledged_at timestamptz,
	acknowledged_by text,
	acknowledge_note text,
	escalations integer NOT NULL DEFAULT 0,
	CONSTRAINT alert_pkey PRIMARY KEY (alert_id),
	CONSTRAINT alert_scope_key UNIQUE (policy_id, scope),
	CONSTRAINT alert_state_check CHECK (state OPERATOR(pg_catalog.=) ANY (ARRAY['ok', 'pending', 'firing', 'resolved'])),
	CONSTRAINT alert_severity_check CHECK (severity OPERATOR(pg_catalog.=) ANY (ARRAY['info', 'warning', 'critical'])),
	CONSTRAINT alert_muted_check CHECK (muted OPERATOR(pg_catalog.=) ANY (ARRAY['silenced', 'inhibited']))
) WITH (fillfactor = 70);
CREATE INDEX alert_state_idx ON finops.alert (state) WHERE state OPERATOR(pg_catalog.<>) 'ok';
COMMENT ON TABLE finops.alert IS 'state of each object that ever crossed the threshold of a policy; written by finops.evaluate_alerts';
COMMENT ON COLUMN finops.alert.scope IS 'the object, as the query of the policy names it';
COMMENT ON COLUMN finops.alert.since IS 'when it came into its state';
COMMENT ON COLUMN finops.alert.definition IS 'digest of query, operator and thresholds that it was judged by; a policy that was changed is armed again';
COMMENT ON COLUMN finops.alert.crossing IS 'how often it fired; each crossing is notified once';
COMMENT ON COLUMN finops.alert.notified_crossing IS 'the last crossing of which a message was written';
COMMENT ON COLUMN finops.alert.resolved_crossing IS 'the last crossing of whose end a message was written';
COMMENT ON COLUMN finops.alert.muted IS 'why a firing alert is not notified now: silenced or inhibited';
COMMENT ON COLUMN finops.alert.acknowledge_by IS 'when it is escalated, or was to be, unless somebody acknowledges it';

CREATE TABLE finops.alert_event (
	event_id bigint GENERATED BY DEFAULT AS IDENTITY,
	alert_id bigint NOT NULL,
	policy_id text NOT NULL,
	scope text NOT NULL,
	event text NOT NULL,
	crossing integer NOT NULL,
	occurred_at timestamptz NOT NULL,
	value numeric,
	detail jsonb,
	CONSTRAINT alert_event_pkey PRIMARY KEY (event_id),
	CONSTRAINT alert_event_event_check CHECK (event OPERATOR(pg_catalog.=) ANY (ARRAY['ok', 'pending', 'firing', 'resolved', 'notified', 'escalated', 'acknowledged']))
);
CREATE INDEX alert_event_alert_idx ON finops.alert_event (alert_id);
CREATE INDEX alert_event_occurred_idx ON finops.alert_event (occurred_at);
COMMENT ON TABLE finops.alert_event IS 'history of alerts: each change of state, message, escalation and acknowledgement';

CREATE TABLE finops.alert_sample (
	policy_id text NOT NULL,
	scope text NOT NULL,
	sampled_at timestamptz NOT NULL,
	value numeric NOT NULL,
	CONSTRAINT alert_sample_pkey PRIMARY KEY (policy_id, scope, sampled_at)
);
COMMENT ON TABLE finops.alert_sample IS 'readings of counters, for policies that judge an increase; kept as long as they count';

CREATE TABLE finops.alert_silence (
	silence_id bigint GENERATED BY DEFAULT AS IDENTITY,
	policy_id text,
	scope text,
	starts_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	until timestamptz NOT NULL,
	reason text NOT NULL,
	created_by text NOT NULL,
	CONSTRAINT alert_silence_pkey PRIMARY KEY (silence_id),
	CONSTRAINT alert_silence_until_check CHECK (until OPERATOR(pg_catalog.>=) starts_at)
);
COMMENT ON TABLE finops.alert_silence IS 'times in which alerts are not notified; one that still fires at the end is notified then';
COMMENT ON COLUMN finops.alert_silence.policy_id IS 'NULL: every policy';
COMMENT ON COLUMN finops.alert_silence.scope IS 'NULL: every object';

CREATE FUNCTION finops.evaluate_alerts()
RETURNS bigint
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_evaluate_alerts';
COMMENT ON FUNCTION finops.evaluate_alerts() IS 'judges every enabled alert policy and writes what is to be told into finops.outbox, once for each crossing; returns the number of messages';

CREATE FUNCTION finops.acknowledge_alert(alert_id bigint, note text DEFAULT NULL)
RETURNS void
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_acknowledge_alert';
COMMENT ON FUNCTION finops.acknowledge_alert(bigint, text) IS 'somebody looks after a firing alert: it is not escalated any more; audited';

CREATE FUNCTION finops.silence_alert(policy_id text, scope text, until timestamptz, reason text)
RETURNS bigint
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_silence_alert';
COMMENT ON FUNCTION finops.silence_alert(text, text, timestamptz, text) IS 'no message of a policy (NULL: any) and scope (NULL: any) until a time; returns the silence_id; audited';

CREATE FUNCTION finops.end_silence(silence_id bigint)
RETURNS void
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_end_silence';
COMMENT ON FUNCTION finops.end_silence(bigint) IS 'ends a silence now; audited';

CREATE FUNCTION finops.purge_alerts(keep interval DEFAULT '400 days')
RETURNS bigint
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_purge_alerts';
COMMENT ON FUNCTION finops.purge_alerts(interval) IS 'deletes alerts that ended with their history, silences that are over and the record of messages that were sent, where older; returns the number of rows';

REVOKE ALL ON FUNCTION finops.check_alert_policy(), finops.evaluate_alerts(), finops.acknowledge_alert(bigint, text),
	finops.silence_alert(text, text, timestamptz, text), finops.end_silence(bigint), finops.purge_alerts(interval) FROM PUBLIC;
REVOKE ALL ON finops.severity_scale, finops.alert_policy, finops.alert_policy_in_force, finops.alert_policy_state,
	finops.alert, finops.alert_alert_id_seq, finops.alert_event, finops.alert_event_event_id_seq,
	finops.alert_sample, finops.alert_silence, finops.alert_silence_silence_id_seq FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('finops.severity_scale', 'WHERE NOT shipped');
SELECT pg_catalog.pg_extension_config_dump('finops.alert_policy', 'WHERE NOT shipped');
SELECT pg_catalog.pg_extension_config_dump('finops.alert_policy_state', '');
SELECT pg_catalog.pg_extension_config_dump('finops.alert', '');
SELECT pg_catalog.pg_extension_config_dump('finops.alert_alert_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('finops.alert_event', '');
SELECT pg_catalog.pg_extension_config_dump('finops.alert_event_event_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('finops.alert_sample', '');
SELECT pg_catalog.pg_extension_config_dump('finops.alert_silence', '');
SELECT pg_catalog.pg_extension_config_dump('finops.alert_silence_silence_id_seq', '');

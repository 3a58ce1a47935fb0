/*-------------------------------------------------------------------------
 *
 * incident.c
 *	  Incidents: opened, acknowledged, resolved, and what is told of them.
 *
 * Nothing is sent from here: opening an incident writes a message of topic
 * "incident" into the outbox, whose channel is the ticket system.  The times
 * by which somebody must answer come from the escalation tables of the
 * runbooks (finops.severity_scale).
 *
 *-------------------------------------------------------------------------
 */
#include "ops/ops.h"

#include "utils/jsonb.h"

PG_FUNCTION_INFO_V1(finops_open_incident);
PG_FUNCTION_INFO_V1(finops_acknowledge_incident);
PG_FUNCTION_INFO_V1(finops_note_incident);
PG_FUNCTION_INFO_V1(finops_resolve_incident);
PG_FUNCTION_INFO_V1(finops_open_alert_incidents);
PG_FUNCTION_INFO_V1(finops_incident_digest);
PG_FUNCTION_INFO_V1(finops_notify_tenants);

/* The incident as who is told of it reads it. */
#define INCIDENT_PAYLOAD \
	"jsonb_build_object('incident_id', i.incident_id, 'severity', i.severity, 'scale', i.scale, 'title', i.title," \
	" 'scope', i.scope, 'status', i.status, 'source', i.source, 'source_id', i.source_id, 'opened_at', i.opened_at," \
	" 'opened_by', i.opened_by, 'acknowledge_by', i.acknowledge_by, 'resolve_by', i.resolve_by," \
	" 'postmortem_due', i.postmortem_due, 'ticket', i.ticket, 'resolution', i.resolution, 'evidence', i.evidence," \
	" 'action', (SELECT s.action FROM finops.severity_scale s WHERE s.scale = i.scale AND right(s.class, 1) = right(i.severity, 1)" \
	"  ORDER BY s.shipped LIMIT 1))"

/* The same as the end of a message: what is sent when, and how urgent it is. */
static void
post(int64 incident_id, const char *event)
{
	FINOPS_RUN("INSERT INTO finops.outbox (topic, dedup_key, severity, payload)"
			   " SELECT 'incident', i.incident_id || ' ' || $2, CASE WHEN $2 = 'resolved' THEN 'info'"
			   "  WHEN i.severity IN ('SEV-1', 'SEV-2') THEN 'critical' WHEN i.severity = 'SEV-3' THEN 'warning' ELSE 'info' END,"
			   " " INCIDENT_PAYLOAD " || jsonb_build_object('event', $2)"
			   " FROM finops.incident i WHERE i.incident_id = $1 ON CONFLICT (topic, dedup_key) DO NOTHING",
			   ARG_INT8(incident_id), ARG_TEXT(event));
}

void
OpsIncidentEvent(const FinopsSession *session, int64 incident_id, const char *kind, const char *note)
{
	FINOPS_RUN("INSERT INTO finops.incident_event (incident_id, actor, kind, note) VALUES ($1, $2, $3, $4)",
			   ARG_INT8(incident_id), ARG_TEXT(FinopsCallerName(session)), ARG_TEXT(kind), ARG_TEXT(note));
}

static char *
text_arg(FunctionCallInfo fcinfo, int argno, const char *name)
{
	char	   *value;

	FinopsRequireArg(fcinfo, argno, name);
	value = text_to_cstring(PG_GETARG_TEXT_PP(argno));
	if (strspn(value, " \t\r\n") == strlen(value))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be blank", name)));
	return value;
}

static char *
optional_text_arg(FunctionCallInfo fcinfo, int argno)
{
	return PG_ARGISNULL(argno) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(argno));
}

/* Refuses a severity that the scale does not have. */
static void
require_severity(const char *scale, const char *severity)
{
	if (FINOPS_RUN("SELECT FROM finops.severity_scale WHERE scale = $1 AND (class = $2 OR $2 = 'SEV-' || right(class, 1))",
				   ARG_TEXT(scale), ARG_TEXT(severity)) > 0)
		return;
	FINOPS_RUN("SELECT string_agg(DISTINCT class, ', ') FROM finops.severity_scale WHERE scale = $1", ARG_TEXT(scale));
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("there is no severity \"%s\" of scale \"%s\"", FinopsQuoteForMessage(severity),
					FinopsQuoteForMessage(scale)),
			 FinopsText(0, 1) != NULL ? errdetail("It has %s.", FinopsText(0, 1)) : 0,
			 errhint("SELECT scale, class, meaning FROM finops.severity_scale lists them.")));
}

int64
OpsOpenIncident(const FinopsSession *session, const OpsIncident *incident)
{
	int64		id;

	require_severity(incident->scale, incident->severity);
	if (FINOPS_RUN("WITH level AS (SELECT s.*, 'SEV-' || right(s.class, 1) AS incident_severity FROM finops.severity_scale s"
				   "   WHERE s.scale = $1 AND (s.class = $2 OR $2 = 'SEV-' || right(s.class, 1)) ORDER BY s.shipped LIMIT 1)"
				   " INSERT INTO finops.incident (severity, scale, title, scope, source, source_id, opened_by, evidence,"
				   "  acknowledge_by, resolve_by, postmortem_due)"
				   " SELECT l.incident_severity, $1, $3, $4, $5, $6, $7, coalesce($8, '{}'), now() + l.acknowledge_within, now() + l.resolve_within,"
				   "  CASE WHEN l.incident_severity IN ('SEV-1', 'SEV-2') THEN now() + interval '48 hours' END"
				   " FROM level l ON CONFLICT DO NOTHING RETURNING incident_id",
				   ARG_TEXT(incident->scale), ARG_TEXT(incident->severity), ARG_TEXT(incident->title),
				   ARG_TEXT(incident->scope), ARG_TEXT(incident->source), ARG_TEXT(incident->source_id),
				   ARG_TEXT(FinopsCallerName(session)), incident->evidence) == 0)
	{
		/* seen by a later snapshot than the one that met the conflict */
		FINOPS_RUN("SELECT incident_id FROM finops.incident WHERE source = $1 AND source_id = $2 AND scope = $3 AND status <> 'resolved'",
				   ARG_TEXT(incident->source), ARG_TEXT(incident->source_id), ARG_TEXT(incident->scope));
		return SPI_processed > 0 ? FinopsInt64(0, 1) : 0;
	}
	id = FinopsInt64(0, 1);
	OpsIncidentEvent(session, id, "opened", incident->title);
	FinopsAudit(session, "incident_open", "incident", psprintf(INT64_FORMAT, id), "{}");
	post(id, "opened");
	return id;
}

/*
 * finops.open_incident(severity text, title text, evidence jsonb, scope text,
 *						source text, source_id text, scale text) → bigint
 *
 * Errors: 22004; 22023 for a severity that the scale does not have, a blank
 * title, an unknown source; 40001 where the incident of this source was
 * resolved meanwhile.
 */
Datum
finops_open_incident(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	OpsIncident incident;
	int64		id;

	incident.severity = text_arg(fcinfo, 0, "severity");
	incident.title = text_arg(fcinfo, 1, "title");
	incident.evidence = ARG_DATUM(JSONBOID, PG_ARGISNULL(2) ? (Datum) 0 : PG_GETARG_DATUM(2),
								  PG_ARGISNULL(2));
	FinopsRequireArg(fcinfo, 3, "scope");
	incident.scope = text_to_cstring(PG_GETARG_TEXT_PP(3));
	incident.source = text_arg(fcinfo, 4, "source");
	incident.source_id = optional_text_arg(fcinfo, 5);
	incident.scale = text_arg(fcinfo, 6, "scale");
	if (strcmp(incident.source, "manual") != 0 && strcmp(incident.source, "alert") != 0 &&
		strcmp(incident.source, "diagnosis") != 0 && strcmp(incident.source, "checklist") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("source \"%s\" is not known", FinopsQuoteForMessage(incident.source)),
				 errdetail("Incidents come from manual, alert, diagnosis or checklist.")));
	FinopsRequireWritable("finops.open_incident()");
	FinopsBegin(&session);
	id = OpsOpenIncident(&session, &incident);
	FinopsEnd(&session);
	if (id == 0)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("the incident of \"%s\" was resolved meanwhile", FinopsQuoteForMessage(incident.source_id)),
				 errhint("Repeat the call.")));
	PG_RETURN_INT64(id);
}

/* Status of an incident that this transaction now holds; P0002, 55000. */
char *
OpsLockIncident(int64 incident_id, bool unresolved)
{
	char	   *status;

	if (FINOPS_RUN("SELECT status FROM finops.incident WHERE incident_id = $1 FOR UPDATE", ARG_INT8(incident_id)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("there is no incident " INT64_FORMAT, incident_id),
				 errhint("SELECT incident_id, title FROM finops.incident WHERE status <> 'resolved' lists them.")));
	status = FinopsText(0, 1);
	if (unresolved && strcmp(status, "resolved") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("incident " INT64_FORMAT " is resolved", incident_id),
				 errdetail("What happens again is a new incident."),
				 errhint("SELECT finops.open_incident('SEV-3', 'title') opens one.")));
	return status;
}

/* The row of the incident is what the function returns. */
void
OpsReturnIncident(FunctionCallInfo fcinfo, int64 incident_id)
{
	FINOPS_RUN("SELECT * FROM finops.incident WHERE incident_id = $1", ARG_INT8(incident_id));
	FinopsReturnRows(fcinfo);
}

/*
 * finops.acknowledge_incident(incident_id bigint, note text) → incident
 *
 * Again changes nothing but the timeline.  Errors: 22004, P0002; 55000
 * resolved.
 */
Datum
finops_acknowledge_incident(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *note = optional_text_arg(fcinfo, 1);
	int64		id;

	FinopsRequireArg(fcinfo, 0, "incident_id");
	FinopsRequireWritable("finops.acknowledge_incident()");
	id = PG_GETARG_INT64(0);
	FinopsBegin(&session);
	(void) OpsLockIncident(id, true);
	FINOPS_RUN("UPDATE finops.incident SET status = 'acknowledged', acknowledged_at = coalesce(acknowledged_at, clock_timestamp()),"
			   " acknowledged_by = coalesce(acknowledged_by, $2) WHERE incident_id = $1",
			   ARG_INT8(id), ARG_TEXT(FinopsCallerName(&session)));
	OpsIncidentEvent(&session, id, "acknowledged", note);
	post(id, "acknowledged");
	OpsReturnIncident(fcinfo, id);
	FinopsEnd(&session);
	return (Datum) 0;
}

/*
 * finops.note_incident(incident_id bigint, note text, ticket text) → incident
 *
 * Errors: 22004; 22023 blank note; P0002.
 */
Datum
finops_note_incident(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *note;
	char	   *ticket = optional_text_arg(fcinfo, 2);
	int64		id;

	FinopsRequireArg(fcinfo, 0, "incident_id");
	note = text_arg(fcinfo, 1, "note");
	FinopsRequireWritable("finops.note_incident()");
	id = PG_GETARG_INT64(0);
	FinopsBegin(&session);
	(void) OpsLockIncident(id, false);
	OpsIncidentEvent(&session, id, "note", note);
	if (ticket != NULL)
	{
		FINOPS_RUN("UPDATE finops.incident SET ticket = $2 WHERE incident_id = $1", ARG_INT8(id), ARG_TEXT(ticket));
		OpsIncidentEvent(&session, id, "ticket", ticket);
	}
	OpsReturnIncident(fcinfo, id);
	FinopsEnd(&session);
	return (Datum) 0;
}

/*
 * finops.resolve_incident(incident_id bigint, resolution text) → incident
 *
 * Errors: 22004; 22023 blank resolution; P0002; 55000 resolved already.
 */
Datum
finops_resolve_incident(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *resolution;
	int64		id;

	FinopsRequireArg(fcinfo, 0, "incident_id");
	resolution = text_arg(fcinfo, 1, "resolution");
	FinopsRequireWritable("finops.resolve_incident()");
	id = PG_GETARG_INT64(0);
	FinopsBegin(&session);
	(void) OpsLockIncident(id, true);
	FINOPS_RUN("UPDATE finops.incident SET status = 'resolved', resolved_at = clock_timestamp(), resolved_by = $2, resolution = $3,"
			   " acknowledged_at = coalesce(acknowledged_at, clock_timestamp()), acknowledged_by = coalesce(acknowledged_by, $2)"
			   " WHERE incident_id = $1", ARG_INT8(id), ARG_TEXT(FinopsCallerName(&session)), ARG_TEXT(resolution));
	OpsIncidentEvent(&session, id, "resolved", resolution);
	FinopsAudit(&session, "incident_resolve", "incident", psprintf(INT64_FORMAT, id), "{}");
	post(id, "resolved");
	OpsReturnIncident(fcinfo, id);
	FinopsEnd(&session);
	return (Datum) 0;
}

/*
 * finops.open_alert_incidents() → bigint
 *
 * One incident per firing alert of a policy that opens them, of the policy's
 * severity; again opens nothing, and neither does one that is silenced or
 * kept back by another.
 */
Datum
finops_open_alert_incidents(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	int64		opened = 0;
	uint64		n;
	SPITupleTable *rows;

	FinopsRequireWritable("finops.open_alert_incidents()");
	FinopsBegin(&session);
	n = FINOPS_RUN0("SELECT coalesce(p.severity_class, a.severity), p.title, a.policy_id, a.scope, coalesce(p.severity_scale, 'commercial-ops'),"
					" jsonb_build_object('alert_id', a.alert_id, 'value', a.value, 'threshold', a.threshold, 'since', a.since,"
					"  'seen', format('%s: %s is %s', p.title, a.scope, a.value), 'cause', p.title, 'runbook', p.runbook, 'detail', a.detail)"
					" FROM finops.alert a JOIN finops.alert_policy_in_force p USING (policy_id)"
					" WHERE a.state = 'firing' AND a.muted IS NULL AND p.opens_incident AND NOT EXISTS (SELECT FROM finops.incident i WHERE i.source = 'alert'"
					"  AND i.source_id = a.policy_id AND i.scope = a.scope AND i.status <> 'resolved') ORDER BY a.alert_id");
	rows = SPI_tuptable;
	for (uint64 i = 0; i < n; i++)
	{
		HeapTuple	row = rows->vals[i];
		char	   *severity = SPI_getvalue(row, rows->tupdesc, 1);
		OpsIncident incident = {.title = SPI_getvalue(row, rows->tupdesc, 2), .source = "alert",
			.source_id = SPI_getvalue(row, rows->tupdesc, 3), .scope = SPI_getvalue(row, rows->tupdesc, 4),
		.scale = SPI_getvalue(row, rows->tupdesc, 5)};
		bool		isnull;
		Datum		evidence = SPI_getbinval(row, rows->tupdesc, 6, &isnull);

		CHECK_FOR_INTERRUPTS();
		incident.evidence = (FinopsArg) {JSONBOID, evidence, isnull};
		incident.severity = strcmp(severity, "critical") == 0 ? "SEV-2" : strcmp(severity, "warning") == 0 ? "SEV-3" :
			strcmp(severity, "info") == 0 ? "SEV-4" : severity;
		opened += OpsOpenIncident(&session, &incident) > 0;
	}
	FinopsEnd(&session);
	PG_RETURN_INT64(opened);
}

/* A day; NULL is today, UTC.  22023 outside 1900 … 9999. */
static FinopsArg
day_arg(FunctionCallInfo fcinfo, int argno)
{
	if (PG_ARGISNULL(argno))
		return (FinopsArg) {DATEOID, (Datum) 0, true};
	FinopsCheckDay(PG_GETARG_DATEADT(argno), "as_of");
	return ARG_DATE(PG_GETARG_DATEADT(argno));
}

/*
 * finops.incident_digest(as_of date) → bigint
 *
 * The daily report of SEV-3; 0 where there is nothing to tell, or the day has
 * been told.  Errors: 22023 for a day that cannot be.
 */
Datum
finops_incident_digest(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	FinopsArg	day = day_arg(fcinfo, 0);
	int64		told;

	FinopsRequireWritable("finops.incident_digest()");
	FinopsBegin(&session);
	FINOPS_RUN("WITH told AS (SELECT i.*, coalesce($1, (now() AT TIME ZONE 'UTC')::date) AS day FROM finops.incident i WHERE i.severity = 'SEV-3'"
			   "   AND (i.opened_at AT TIME ZONE 'UTC')::date <= coalesce($1, (now() AT TIME ZONE 'UTC')::date)"
			   "   AND (i.status <> 'resolved' OR (i.resolved_at AT TIME ZONE 'UTC')::date >= coalesce($1, (now() AT TIME ZONE 'UTC')::date))),"
			   " sent AS (INSERT INTO finops.outbox (topic, dedup_key, severity, payload)"
			   "  SELECT 'incident_digest', max(i.day)::text, 'info', jsonb_build_object('day', max(i.day),"
			   "   'open', count(*) FILTER (WHERE i.status <> 'resolved'), 'resolved', count(*) FILTER (WHERE i.status = 'resolved'),"
			   "   'incidents', jsonb_agg(" INCIDENT_PAYLOAD " ORDER BY i.incident_id)) FROM told i HAVING count(*) > 0"
			   "  ON CONFLICT (topic, dedup_key) DO NOTHING RETURNING outbox_id)"
			   " SELECT CASE WHEN EXISTS (SELECT FROM sent) THEN (SELECT count(*) FROM told) ELSE 0 END", day);
	told = FinopsInt64(0, 1);
	FinopsEnd(&session);
	PG_RETURN_INT64(told);
}

/*
 * Caps that were reached on the last day that is known of a tenant and
 * metric in the month, and changes of plan that took effect in it.
 * $1 first day of the month, $2 tenant or NULL, $3 metric or NULL.
 */
static const char *const notice_sql =
	"WITH reached AS (SELECT DISTINCT ON (u.tenant_id, u.metric_code) u.tenant_id, u.metric_code, u.usage_date, u.metric_value,"
	"   u.cap_value, u.utilization FROM @s@.usage_snapshot_daily u WHERE u.usage_date >= $1 AND u.usage_date < $1 + interval '1 month'"
	"   AND u.utilization >= 1 AND coalesce(u.tenant_id = $2, true) AND coalesce(u.metric_code = $3, true)"
	"   ORDER BY u.tenant_id, u.metric_code, u.usage_date DESC),"
	" notice AS (SELECT r.tenant_id, concat_ws('|', 'quota', r.tenant_id, r.metric_code, to_char($1, 'YYYY-MM'), trim_scale(r.cap_value)) AS key,"
	"   'warning' AS severity, jsonb_build_object('notice', 'quota_reached', 'metric_code', r.metric_code, 'usage_date', r.usage_date,"
	"    'cap_value', r.cap_value, 'utilization', r.utilization, 'offer', 'plan upgrade or top-up') AS what FROM reached r"
	"  UNION ALL SELECT g.tenant_id, 'upgrade|' || g.upgrade_id, 'info', jsonb_build_object('notice', 'plan_changed',"
	"    'from_plan', g.from_plan, 'to_plan', g.to_plan, 'activated_at', g.activated_at, 'proration_amount', g.proration_amount, 'currency', g.currency)"
	"  FROM @s@.upgrade_ledger g WHERE $3 IS NULL AND coalesce(g.tenant_id = $2, true)"
	"   AND g.activated_at >= $1 AND g.activated_at < $1 + interval '1 month' AND g.activated_at <= now())"
	" INSERT INTO finops.outbox (topic, dedup_key, severity, payload)"
	" SELECT 'tenant_notice', n.key, n.severity, n.what || jsonb_build_object('tenant_id', n.tenant_id, 'tenant_name', t.tenant_name,"
	"  'contact', t.billing_contact ->> 'email') FROM notice n JOIN @s@.tenant_master t USING (tenant_id)"
	" WHERE t.status = 'active' ON CONFLICT (topic, dedup_key) DO NOTHING";

/*
 * finops.notify_tenants(as_of date, tenant_id text, metric_code text) → bigint
 *
 * Errors: 22023 for a day that cannot be.
 */
Datum
finops_notify_tenants(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	FinopsArg	day = day_arg(fcinfo, 0);
	FinopsArg	month;
	bool		isnull;
	int64		told;

	FinopsRequireWritable("finops.notify_tenants()");
	FinopsBegin(&session);
	FINOPS_RUN("SELECT date_trunc('month', coalesce($1, (now() AT TIME ZONE 'UTC')::date)::timestamp)::date", day);
	month = ARG_DATUM(DATEOID, FinopsValue(0, 1, &isnull), false);
	told = (int64) FINOPS_RUN(notice_sql, month, ARG_TEXT(optional_text_arg(fcinfo, 1)),
							  ARG_TEXT(optional_text_arg(fcinfo, 2)));
	FinopsEnd(&session);
	PG_RETURN_INT64(told);
}

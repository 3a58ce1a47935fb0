/*-------------------------------------------------------------------------
 *
 * alert_answer.c
 *	  What people do about alerts: acknowledge, silence, forget.
 *
 *-------------------------------------------------------------------------
 */
#include "budget/alert.h"

#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(finops_acknowledge_alert);
PG_FUNCTION_INFO_V1(finops_silence_alert);
PG_FUNCTION_INFO_V1(finops_end_silence);
PG_FUNCTION_INFO_V1(finops_purge_alerts);

/* SQL text, NULL for SQL NULL and for the blank text. */
static char *
text_or_null(FunctionCallInfo fcinfo, int argno)
{
	char	   *value = PG_ARGISNULL(argno) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(argno));

	return value == NULL || value[strspn(value, " \t\r\n")] == '\0' ? NULL : value;
}

/*
 * finops.acknowledge_alert(alert_id bigint, note text): again keeps who came
 * first.  Errors: 22004; 22023 for an alert that does not fire.
 */
Datum
finops_acknowledge_alert(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	int64		alert;
	char	   *note = text_or_null(fcinfo, 1);

	FinopsRequireArg(fcinfo, 0, "alert_id");
	FinopsRequireWritable("finops.acknowledge_alert()");
	alert = PG_GETARG_INT64(0);
	FinopsBegin(&session);
	if (FINOPS_RUN("SELECT acknowledged_at IS NULL FROM finops.alert WHERE alert_id = $1 AND state = 'firing' FOR UPDATE",
				   ARG_INT8(alert)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("no firing alert has the id %lld", (long long) alert),
				 errhint("SELECT alert_id, policy_id, scope FROM finops.alert WHERE state = 'firing'")));
	if (FinopsText(0, 1)[0] == 't')
	{
		FINOPS_RUN("WITH a AS (UPDATE finops.alert SET acknowledged_at = clock_timestamp(), acknowledged_by = $2, acknowledge_note = $3"
				   "  WHERE alert_id = $1 RETURNING *)"
				   " INSERT INTO finops.alert_event (alert_id, policy_id, scope, event, crossing, occurred_at, value, detail)"
				   " SELECT alert_id, policy_id, scope, 'acknowledged', crossing, acknowledged_at, value,"
				   "  jsonb_build_object('by', acknowledged_by, 'note', acknowledge_note) FROM a",
				   ARG_INT8(alert), ARG_TEXT(FinopsCallerName(&session)), ARG_TEXT(note));
		FINOPS_RUN("SELECT jsonb_build_object('policy_id', policy_id, 'scope', scope, 'crossing', crossing, 'note', $2::text)::text"
				   " FROM finops.alert WHERE alert_id = $1", ARG_INT8(alert), ARG_TEXT(note));
		FinopsAudit(&session, "acknowledge_alert", "alert", psprintf("%lld", (long long) alert), FinopsText(0, 1));
	}
	FinopsEnd(&session);
	PG_RETURN_VOID();
}

/*
 * finops.silence_alert(policy_id, scope, until, reason) -> bigint
 *
 * Errors: 22004 for until and reason; 22023 for an unknown policy, a time
 * that is over or infinite, a blank reason.
 */
Datum
finops_silence_alert(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *policy = text_or_null(fcinfo, 0);
	char	   *scope = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
	char	   *reason = text_or_null(fcinfo, 3);
	TimestampTz until;
	int64		silence;

	FinopsRequireArg(fcinfo, 2, "until");
	FinopsRequireArg(fcinfo, 3, "reason");
	FinopsRequireWritable("finops.silence_alert()");
	until = PG_GETARG_TIMESTAMPTZ(2);
	if (TIMESTAMP_NOT_FINITE(until) || until <= GetCurrentTimestamp())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a silence ends in the future"),
				 errhint("SELECT finops.silence_alert('job-late', NULL, now() + interval '2 hours', 'maintenance')")));
	if (reason == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a silence needs a reason")));
	FinopsBegin(&session);
	if (policy != NULL &&
		FINOPS_RUN("SELECT FROM finops.alert_policy WHERE policy_id = $1", ARG_TEXT(policy)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is no alert policy \"%s\"", FinopsQuoteForMessage(policy)),
				 errhint("SELECT policy_id, title FROM finops.alert_policy_in_force")));
	FINOPS_RUN("INSERT INTO finops.alert_silence (policy_id, scope, until, reason, created_by)"
			   " VALUES ($1, $2, $3, $4, $5) RETURNING silence_id",
			   ARG_TEXT(policy), ARG_TEXT(scope),
			   ARG_DATUM(TIMESTAMPTZOID, TimestampTzGetDatum(until), false),
			   ARG_TEXT(reason), ARG_TEXT(FinopsCallerName(&session)));
	silence = FinopsInt64(0, 1);
	FINOPS_RUN("SELECT to_jsonb(s)::text FROM finops.alert_silence s WHERE silence_id = $1", ARG_INT8(silence));
	FinopsAudit(&session, "silence_alert", "alert_policy", policy != NULL ? policy : "*", FinopsText(0, 1));
	FinopsEnd(&session);
	PG_RETURN_INT64(silence);
}

/* finops.end_silence(silence_id bigint): 22004; 22023 for none that lasts. */
Datum
finops_end_silence(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	int64		silence;

	FinopsRequireArg(fcinfo, 0, "silence_id");
	FinopsRequireWritable("finops.end_silence()");
	silence = PG_GETARG_INT64(0);
	FinopsBegin(&session);
	if (FINOPS_RUN("UPDATE finops.alert_silence SET until = greatest(starts_at, clock_timestamp())"
				   " WHERE silence_id = $1 AND until > clock_timestamp()"
				   " RETURNING coalesce(policy_id, '*'), to_jsonb(alert_silence)::text",
				   ARG_INT8(silence)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("no silence that lasts has the id %lld", (long long) silence),
				 errhint("SELECT * FROM finops.alert_silence WHERE until > now()")));
	FinopsAudit(&session, "end_silence", "alert_policy", FinopsText(0, 1), FinopsText(0, 2));
	FinopsEnd(&session);
	PG_RETURN_VOID();
}

/*
 * finops.purge_alerts(keep interval) -> bigint: an alert that fires is kept
 * with its history, and the outbox, whose keys say what was told.  Errors: 22004, 22023 negative.
 */
Datum
finops_purge_alerts(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	FinopsArg	keep;
	int64		rows;

	FinopsRequireArg(fcinfo, 0, "keep");
	FinopsRequireWritable("finops.purge_alerts()");
	keep = FinopsKeepArg(fcinfo, 0);
	FinopsBegin(&session);
	rows = (int64) FINOPS_RUN("DELETE FROM finops.alert_event e WHERE e.occurred_at < now() - $1 AND NOT EXISTS"
							  " (SELECT FROM finops.alert a WHERE a.alert_id = e.alert_id AND a.state IN ('pending', 'firing'))", keep);
	rows += (int64) FINOPS_RUN("DELETE FROM finops.alert a WHERE a.state IN ('ok', 'resolved') AND a.since < now() - $1", keep);
	rows += (int64) FINOPS_RUN("DELETE FROM finops.alert_silence s WHERE s.until < now() - $1", keep);
	rows += (int64) FINOPS_RUN("DELETE FROM finops.alert_policy_state s WHERE s.evaluated_at < now() - $1", keep);
	/* attempts that a limit still counts stay */
	rows += (int64) FINOPS_RUN("DELETE FROM finops.delivery_attempt t USING finops.notification_message m WHERE m.message_id = t.message_id"
							   " AND m.status = 'sent' AND m.sent_at < now() - $1"
							   " AND t.started_at < now() - coalesce((SELECT max(c.rate_interval) FROM finops.channel c), '0')", keep);
	FINOPS_RUN("DELETE FROM finops.notification n USING finops.notification_message m WHERE m.message_id = n.message_id"
			   " AND m.status = 'sent' AND m.sent_at < now() - $1"
			   " AND NOT EXISTS (SELECT FROM finops.delivery_attempt t WHERE t.message_id = m.message_id)", keep);
	rows += (int64) FINOPS_RUN("DELETE FROM finops.notification_message m WHERE m.status = 'sent' AND m.sent_at < now() - $1"
							   " AND NOT EXISTS (SELECT FROM finops.notification n WHERE n.message_id = m.message_id)", keep);
	FinopsEnd(&session);
	PG_RETURN_INT64(rows);
}

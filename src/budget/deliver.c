/*-------------------------------------------------------------------------
 *
 * deliver.c
 *	  From the outbox to the channels: who gets what, when, and what came of
 *	  it.
 *
 * finops.deliver_notifications() routes the pending messages of the outbox,
 * then claims, sends and records one message of a channel after the other,
 * with a commit after each step.  No lock is held while something is sent.
 *
 * A claim is made under a lock on the channel's state: it counts the attempts
 * of the past rate_interval, takes a message and writes its attempt.  So
 * however many deliverers there are, a channel gets no more attempts than its
 * limit.  The last place that is left goes to a summary of all that waits.
 *
 * A message that is being sent belongs to its session.  Where that is gone,
 * or its lease is over, nobody knows whether the message arrived: it is sent
 * again with the same idempotency key, or held where the channel says so.
 *
 *-------------------------------------------------------------------------
 */
#include "budget/deliver.h"

#include "common/pg_prng.h"
#include "nodes/parsenodes.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(finops_route_notifications);
PG_FUNCTION_INFO_V1(finops_claim_message);
PG_FUNCTION_INFO_V1(finops_send_message);
PG_FUNCTION_INFO_V1(finops_redeliver);

#define LAST_DELAY_S	3600

#define SEVERITY_RANK(column) "array_position(ARRAY['info', 'warning', 'critical'], " column ")"

/* ---------------------------------------------------------------------
 * Routing
 * ---------------------------------------------------------------------
 */

/*
 * A message whose channels are all unknown goes by topic, so that it is not
 * lost.  One that no channel takes waits a week for one that does.
 */
static const char *const route_sql =
	"WITH due AS MATERIALIZED (SELECT o.outbox_id, o.topic, o.severity, o.channels, o.created_at, o.payload ->> 'policy_id' AS policy_id"
	"  FROM finops.outbox o WHERE o.status = 'pending' ORDER BY o.outbox_id FOR UPDATE SKIP LOCKED),"
	" covered AS MATERIALIZED (SELECT DISTINCT t.topic FROM finops.alert_policy_in_force p CROSS JOIN LATERAL unnest(p.covers_topics) AS t(topic)"
	"  WHERE p.enabled AND EXISTS (SELECT FROM finops.alert_policy_state s WHERE s.policy_id = p.policy_id AND s.error IS NULL)),"
	" open AS MATERIALIZED (SELECT d.*, EXISTS (SELECT FROM finops.channel n WHERE n.enabled AND n.channel_id = ANY (d.channels)) AS named"
	"  FROM due d WHERE d.topic NOT IN (SELECT topic FROM covered)),"
	" routed AS (INSERT INTO finops.notification (outbox_id, channel_id)"
	"  SELECT d.outbox_id, c.channel_id FROM open d JOIN finops.channel c ON c.enabled AND CASE WHEN d.named THEN c.channel_id = ANY (d.channels)"
	"   ELSE (c.topics IS NULL OR d.topic = ANY (c.topics)) AND (c.policies IS NULL OR (d.topic = 'alert' AND d.policy_id = ANY (c.policies)))"
	"    AND " SEVERITY_RANK("d.severity") " >= " SEVERITY_RANK("c.min_severity") " END"
	"  ON CONFLICT DO NOTHING RETURNING outbox_id),"
	" taken AS MATERIALIZED (SELECT DISTINCT outbox_id FROM routed)"
	" UPDATE finops.outbox o SET status = CASE WHEN t.outbox_id IS NULL THEN 'dropped' ELSE 'queued' END"
	" FROM due d LEFT JOIN taken t ON t.outbox_id = d.outbox_id WHERE o.outbox_id = d.outbox_id"
	" AND (t.outbox_id IS NOT NULL OR d.topic IN (SELECT topic FROM covered) OR d.created_at < now() - interval '7 days')";

/* CALL finops.route_notifications(): 25001 where the caller could not commit. */
Datum
finops_route_notifications(PG_FUNCTION_ARGS)
{
	FinopsSession session;

	if (fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) ||
		((CallContext *) fcinfo->context)->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("finops.deliver_notifications() cannot run inside a transaction"),
				 errdetail("It commits before and after each message."),
				 errhint("CALL it as a statement of its own, outside BEGIN ... COMMIT and functions.")));
	FinopsRequireWritable("finops.deliver_notifications()");
	FinopsCheckNetworkAccess();
	FinopsBegin(&session);
	FINOPS_RUN0("INSERT INTO finops.channel_state (channel_id) SELECT c.channel_id FROM finops.channel c ON CONFLICT DO NOTHING");
	FINOPS_RUN0(route_sql);
	FinopsEnd(&session);
	PG_RETURN_VOID();
}

/* ---------------------------------------------------------------------
 * Claiming
 * ---------------------------------------------------------------------
 */

/* Who does not know our session's start cannot tell that we are gone. */
#define SENDER_IS_GONE \
	"(m.lease_until < clock_timestamp() OR m.claimed_by = pg_backend_pid() OR NOT EXISTS (SELECT FROM pg_stat_get_activity(m.claimed_by) a" \
	" WHERE a.backend_start IS NULL OR a.backend_start = m.claimed_since))"

static const char *const lost_sql =
	"WITH gone AS (UPDATE finops.notification_message m SET status = CASE c.on_doubt WHEN 'hold' THEN 'dead' ELSE 'retry' END,"
	"  next_attempt_at = CASE c.on_doubt WHEN 'hold' THEN NULL ELSE $2 END, error = 'the sender went away; it is not known whether the message arrived'"
	"  FROM finops.channel c WHERE c.channel_id = $1 AND m.channel_id = $1 AND m.status = 'sending' AND " SENDER_IS_GONE
	"  RETURNING m.message_id)"
	" UPDATE finops.delivery_attempt t SET outcome = 'lost', finished_at = clock_timestamp()"
	" FROM gone WHERE t.message_id = gone.message_id AND t.outcome IS NULL";

static const char *const begin_sql =
	"WITH m AS (UPDATE finops.notification_message SET status = 'sending', attempts = attempts + 1, claimed_by = pg_backend_pid(), claimed_since = $2,"
	"  lease_until = clock_timestamp() + make_interval(secs => $3), next_attempt_at = NULL WHERE message_id = $1 RETURNING message_id, channel_id),"
	" s AS (UPDATE finops.channel_state c SET last_claim_at = clock_timestamp() FROM m WHERE c.channel_id = m.channel_id)"
	" INSERT INTO finops.delivery_attempt (message_id, channel_id, started_at) SELECT message_id, channel_id, clock_timestamp() FROM m";

static int64
begin_attempt(int64 message)
{
	FINOPS_RUN(begin_sql, ARG_INT8(message),
			   ARG_DATUM(TIMESTAMPTZOID, TimestampTzGetDatum(MyStartTimestamp), false),
			   ARG_INT4(finops_delivery_timeout * 2 + 60));
	return message;
}

/* A new message of one waiting notification, or of all of them. */
static int64
make_message(const char *channel, bool summary)
{
	FINOPS_RUN(summary ?
			   "WITH part AS MATERIALIZED (SELECT n.outbox_id, o.severity FROM finops.notification n JOIN finops.outbox o USING (outbox_id)"
			   "  WHERE n.channel_id = $1 AND n.message_id IS NULL),"
			   " m AS (INSERT INTO finops.notification_message (channel_id, kind, idempotency_key, severity, parts, created_at)"
			   "  SELECT $1, 'summary', gen_random_uuid()::text, (ARRAY['info', 'warning', 'critical'])[max(" SEVERITY_RANK("severity") ")],"
			   "   count(*), clock_timestamp() FROM part RETURNING message_id),"
			   " s AS (UPDATE finops.channel_state SET last_summary_at = clock_timestamp() WHERE channel_id = $1)"
			   " UPDATE finops.notification n SET message_id = m.message_id FROM m, part"
			   " WHERE n.channel_id = $1 AND n.outbox_id = part.outbox_id RETURNING m.message_id" :
			   "WITH part AS MATERIALIZED (SELECT n.outbox_id, o.severity FROM finops.notification n JOIN finops.outbox o USING (outbox_id)"
			   "  WHERE n.channel_id = $1 AND n.message_id IS NULL ORDER BY " SEVERITY_RANK("o.severity") " DESC, n.outbox_id LIMIT 1),"
			   " m AS (INSERT INTO finops.notification_message (channel_id, kind, idempotency_key, severity, parts, created_at)"
			   "  SELECT $1, 'single', gen_random_uuid()::text, severity, 1, clock_timestamp() FROM part RETURNING message_id)"
			   " UPDATE finops.notification n SET message_id = m.message_id FROM m, part"
			   " WHERE n.channel_id = $1 AND n.outbox_id = part.outbox_id RETURNING m.message_id",
			   ARG_TEXT(channel));
	return FinopsInt64(0, 1);
}

/*
 * Under the lock of the channel: a message that was due, else a new one where
 * the limit leaves room; 0 where neither is there.
 */
static int64
claim_from(const char *channel, FinopsArg due)
{
	int64		left,
				waiting;
	bool		digest,
				digest_due;

	if (FINOPS_RUN("SELECT FROM finops.channel_state s WHERE s.channel_id = $1"
				   " AND coalesce(s.paused_until, '-infinity') <= clock_timestamp() FOR UPDATE SKIP LOCKED", ARG_TEXT(channel)) == 0)
		return 0;
	FINOPS_RUN(lost_sql, ARG_TEXT(channel), due);
	FINOPS_RUN("SELECT c.rate_limit - (SELECT count(*) FROM finops.delivery_attempt t WHERE t.channel_id = c.channel_id"
			   "  AND t.started_at > clock_timestamp() - c.rate_interval),"
			   " (SELECT count(*) FROM (SELECT FROM finops.notification n WHERE n.channel_id = c.channel_id AND n.message_id IS NULL LIMIT 2) w),"
			   " c.digest_interval IS NOT NULL, coalesce(s.last_summary_at + c.digest_interval <= clock_timestamp(), true)"
			   " FROM finops.channel c JOIN finops.channel_state s USING (channel_id) WHERE c.channel_id = $1 AND c.enabled", ARG_TEXT(channel));
	if (SPI_processed == 0)
		return 0;
	left = FinopsInt64(0, 1);
	waiting = FinopsInt64(0, 2);
	digest = FinopsText(0, 3)[0] == 't';
	digest_due = FinopsText(0, 4)[0] == 't';
	if (left <= 0)
		return 0;
	if (FINOPS_RUN("SELECT m.message_id FROM finops.notification_message m WHERE m.channel_id = $1 AND m.status = 'retry'"
				   " AND m.next_attempt_at <= $2 ORDER BY m.message_id LIMIT 1", ARG_TEXT(channel), due) > 0)
		return begin_attempt(FinopsInt64(0, 1));
	if (waiting == 0 || (digest && !digest_due))
		return 0;
	return begin_attempt(make_message(channel, digest || (left == 1 && waiting > 1)));
}

/*
 * finops.claim_message(due timestamptz) -> bigint: channels that were not
 * served for the longest time first.
 */
Datum
finops_claim_message(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	FinopsArg	due;
	uint64		n;
	char	  **channels;
	int64		message = 0;

	FinopsRequireArg(fcinfo, 0, "due");
	FinopsRequireWritable("finops.deliver_notifications()");
	FinopsCheckNetworkAccess();
	due = ARG_DATUM(TIMESTAMPTZOID, PG_GETARG_DATUM(0), false);
	FinopsBegin(&session);
	n = FINOPS_RUN0("SELECT c.channel_id FROM finops.channel c JOIN finops.channel_state s USING (channel_id)"
					" WHERE c.enabled AND coalesce(s.paused_until, '-infinity') <= clock_timestamp()"
					" AND (EXISTS (SELECT FROM finops.notification n WHERE n.channel_id = c.channel_id AND n.message_id IS NULL)"
					"  OR EXISTS (SELECT FROM finops.notification_message m WHERE m.channel_id = c.channel_id AND m.status IN ('sending', 'retry')))"
					" ORDER BY s.last_claim_at NULLS FIRST, c.channel_id COLLATE \"C\"");
	channels = palloc_array(char *, n + 1);
	for (uint64 i = 0; i < n; i++)
		channels[i] = FinopsText(i, 1);
	for (uint64 i = 0; i < n && message == 0; i++)
		message = claim_from(channels[i], due);
	FinopsEnd(&session);
	if (message == 0)
		PG_RETURN_NULL();
	PG_RETURN_INT64(message);
}

/* ---------------------------------------------------------------------
 * Sending and recording
 * ---------------------------------------------------------------------
 */

/* Twice as long each time, with jitter of a quarter; at least what was asked for. */
static int64
delay_ms(const Outgoing *message, const Outcome *outcome)
{
	double		s = finops_delivery_retry_delay;

	for (int i = 1; i < message->attempts && s < LAST_DELAY_S; i++)
		s *= 2;
	s = Min(s, LAST_DELAY_S) * (0.75 + 0.5 * pg_prng_double(&pg_global_prng_state));
	return (int64) (Max(s, outcome->retry_after) * 1000);
}

static const char *const record_sql =
	"WITH m AS (UPDATE finops.notification_message SET status = $2, error = $3, claimed_by = NULL, claimed_since = NULL, lease_until = NULL,"
	"  sent_at = CASE $2 WHEN 'sent' THEN clock_timestamp() END,"
	"  next_attempt_at = CASE $2 WHEN 'retry' THEN clock_timestamp() + make_interval(secs => $5 / 1000.0) END"
	"  WHERE message_id = $1 AND status = 'sending' AND claimed_by = pg_backend_pid() RETURNING message_id, channel_id),"
	" t AS (UPDATE finops.delivery_attempt t SET finished_at = clock_timestamp(), outcome = $2, error = $3, status_code = $4"
	"  FROM m WHERE t.message_id = m.message_id AND t.outcome IS NULL)"
	" UPDATE finops.channel_state s SET failures = CASE $2 WHEN 'retry' THEN s.failures + 1 ELSE 0 END,"
	"  paused_until = CASE $2 WHEN 'retry' THEN clock_timestamp() + make_interval(secs => $5 / 1000.0) END"
	" FROM m WHERE s.channel_id = m.channel_id";

static const char *const settle_sql =
	"UPDATE finops.outbox o SET status = CASE $2 WHEN 'dead' THEN 'failed' ELSE 'sent' END FROM finops.notification p"
	" WHERE p.message_id = $1 AND o.outbox_id = p.outbox_id AND ($2 = 'dead' OR NOT EXISTS (SELECT FROM finops.notification x"
	"  LEFT JOIN finops.notification_message y ON y.message_id = x.message_id"
	"  WHERE x.outbox_id = p.outbox_id AND y.status IS DISTINCT FROM 'sent'))";

static void
record(const Outgoing *message, const Outcome *outcome, const char *status)
{
	FinopsArg	code = ARG_INT4(outcome->status);

	code.isnull = outcome->status == 0;
	if (FINOPS_RUN(record_sql, ARG_INT8(message->id), ARG_TEXT(status),
				   ARG_TEXT(outcome->sent ? NULL : outcome->error), code,
				   ARG_INT8(delay_ms(message, outcome))) > 0 && strcmp(status, "retry") != 0)
		FINOPS_RUN(settle_sql, ARG_INT8(message->id), ARG_TEXT(status));
}

static bool
read_message(Outgoing *message)
{
	if (FINOPS_RUN("SELECT m.channel_id, c.kind, c.target, c.secret, m.idempotency_key, m.severity, m.attempts, c.max_attempts"
				   " FROM finops.notification_message m JOIN finops.channel c USING (channel_id)"
				   " WHERE m.message_id = $1 AND m.status = 'sending' AND m.claimed_by = pg_backend_pid() AND m.claimed_since = $2",
				   ARG_INT8(message->id),
				   ARG_DATUM(TIMESTAMPTZOID, TimestampTzGetDatum(MyStartTimestamp), false)) == 0)
		return false;
	message->channel = FinopsText(0, 1);
	message->kind = FinopsText(0, 2);
	message->target = FinopsText(0, 3);
	message->secret = FinopsText(0, 4);
	message->key = FinopsText(0, 5);
	message->severity = FinopsText(0, 6);
	message->attempts = (int) FinopsInt64(0, 7);
	message->max_attempts = (int) FinopsInt64(0, 8);
	return true;
}

/* Errors of preparing and sending are the outcome; a cancel is raised. */
static void
try_to_send(const Outgoing *message, Outcome *outcome)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	outcome->retry_after = -1;
	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		DeliverSend(message, outcome);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		CurrentResourceOwner = owner;
		if (error->sqlerrcode == ERRCODE_QUERY_CANCELED)
			ReThrowError(error);
		outcome->sent = false;
		outcome->permanent = error->sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE;
		snprintf(outcome->error, sizeof(outcome->error), "%s: %s", unpack_sql_state(error->sqlerrcode), error->message);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
}

/*
 * finops.send_message(message_id bigint) -> text: 55000 for one that this
 * session did not claim, 42501 without the right to use the network.
 */
Datum
finops_send_message(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	Outgoing	message = {0};
	Outcome		outcome = {0};
	const char *status;

	FinopsRequireArg(fcinfo, 0, "message_id");
	FinopsRequireWritable("finops.deliver_notifications()");
	FinopsCheckNetworkAccess();
	message.id = PG_GETARG_INT64(0);
	FinopsBegin(&session);
	if (!read_message(&message))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("message %lld was not claimed by this session", (long long) message.id),
				 errhint("CALL finops.deliver_notifications()")));
	DeliverRender(&message);
	try_to_send(&message, &outcome);
	status = outcome.sent ? "sent" : outcome.permanent || message.attempts >= message.max_attempts ? "dead" : "retry";
	record(&message, &outcome, status);
	FinopsEnd(&session);
	PG_RETURN_TEXT_P(cstring_to_text(status));
}

/* finops.redeliver(message_id, channel_id) -> bigint: 22023 when neither is given. */
Datum
finops_redeliver(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	FinopsArg	message = ARG_INT8(PG_ARGISNULL(0) ? 0 : PG_GETARG_INT64(0));
	char	   *channel = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
	int64		n;

	message.isnull = PG_ARGISNULL(0);
	FinopsRequireWritable("finops.redeliver()");
	if (message.isnull && channel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("neither a message nor a channel is given"),
				 errhint("SELECT message_id, channel_id, error FROM finops.notification_message WHERE status = 'dead'")));
	FinopsBegin(&session);
	FINOPS_RUN("WITH m AS (UPDATE finops.notification_message SET status = 'retry', attempts = 0, next_attempt_at = clock_timestamp()"
			   "  WHERE status = 'dead' AND ($1::bigint IS NULL OR message_id = $1) AND ($2::text IS NULL OR channel_id = $2)"
			   "  RETURNING message_id, channel_id),"
			   " s AS (UPDATE finops.channel_state c SET paused_until = NULL FROM (SELECT DISTINCT channel_id FROM m) d WHERE d.channel_id = c.channel_id),"
			   " o AS (UPDATE finops.outbox o SET status = 'queued' FROM m JOIN finops.notification n USING (message_id) WHERE o.outbox_id = n.outbox_id)"
			   " SELECT count(*), jsonb_build_object('messages', coalesce(jsonb_agg(message_id ORDER BY message_id), '[]'))::text FROM m",
			   message, ARG_TEXT(channel));
	n = FinopsInt64(0, 1);
	if (n > 0)
		FinopsAudit(&session, "redeliver", "channel", channel != NULL ? channel : "*", FinopsText(0, 2));
	FinopsEnd(&session);
	PG_RETURN_INT64(n);
}

/*-------------------------------------------------------------------------
 *
 * alert.c
 *	  finops.evaluate_alerts: which alerts stand, and of which one is told.
 *
 * Each policy's query is run once; what it saw is merged with finops.alert by
 * one statement.  When all policies are judged, one statement writes what is
 * to be told into the outbox and notes that it was told, so that policies
 * that fire together inhibit one another whatever their order.
 *
 *	  ok -> pending	 the threshold is crossed, for for_duration
 *	  -> firing		 a crossing: counted, and told once
 *	  -> resolved	 clear_threshold is no longer crossed; may fire again
 *
 * One evaluation at a time: the lock is held to the end of the transaction, in
 * which state and messages become visible together or not at all.  A message
 * is known by alert, crossing and event, which the outbox holds but once.
 *
 *-------------------------------------------------------------------------
 */
#include "budget/alert.h"

#include "lib/stringinfo.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(finops_evaluate_alerts);

typedef struct Policy
{
	char	   *id;
	char	   *query;
	char	   *operator;
	char	   *owner;			/* NULL: a shipped query */
	bool		is_counter;
} Policy;

/* ---------------------------------------------------------------------
 * One policy
 * ---------------------------------------------------------------------
 */

/* The increase of each counter over the policy's time; $1 policy, $2 now. */
static void
judge_increase(const char *policy, TimestampTz now)
{
	FinopsArg	id = ARG_TEXT(policy);
	FinopsArg	at = ARG_DATUM(TIMESTAMPTZOID, TimestampTzGetDatum(now), false);

	FINOPS_RUN("INSERT INTO finops.alert_sample (policy_id, scope, sampled_at, value)"
			   " SELECT DISTINCT ON (o.scope) $1, o.scope, $2, o.value FROM observed o WHERE o.value IS NOT NULL"
			   " ORDER BY o.scope, o.value DESC ON CONFLICT DO NOTHING", id, at);
	/* the last reading before the time began is where the increase starts */
	FINOPS_RUN("DELETE FROM finops.alert_sample s USING finops.alert_policy_in_force p"
			   " WHERE s.policy_id = $1 AND p.policy_id = $1 AND s.sampled_at < $2 - p.increase_over"
			   " AND EXISTS (SELECT FROM finops.alert_sample l WHERE l.policy_id = $1 AND l.scope = s.scope"
			   "  AND l.sampled_at > s.sampled_at AND l.sampled_at <= $2 - p.increase_over)", id, at);
	FINOPS_STAGE("increase",
				 "SELECT d.scope, sum(d.step) AS value FROM (SELECT s.scope, CASE WHEN lag(s.value) OVER w IS NULL THEN 0"
				 "  WHEN s.value >= lag(s.value) OVER w THEN s.value - lag(s.value) OVER w ELSE s.value END AS step"
				 "  FROM finops.alert_sample s WHERE s.policy_id = $1 WINDOW w AS (PARTITION BY s.scope ORDER BY s.sampled_at)) d"
				 " GROUP BY d.scope", id);
}

/*
 * What was seen, judged: one row for each scope, the worst where there are
 * several.  Operators come from a checked list.
 */
static void
stage_judged(const Policy *policy)
{
	const char *source = policy->is_counter ?
		"(SELECT s.scope, i.value, s.detail FROM observed s JOIN increase i ON i.scope = s.scope)" : "observed";

	FINOPS_STAGE("judged",
				 psprintf("SELECT DISTINCT ON (o.scope) o.scope, o.value, o.detail,"
						  " o.value %s p.threshold AS breached, o.value %s p.clear_threshold AS held,"
						  " CASE WHEN o.detail ->> 'severity' IN ('info', 'warning', 'critical') THEN o.detail ->> 'severity' ELSE p.severity END AS severity"
						  " FROM %s AS o, finops.alert_policy_in_force p WHERE p.policy_id = $1"
						  " ORDER BY o.scope, (o.value %s p.threshold) DESC NULLS LAST, abs(o.value - p.threshold) DESC NULLS LAST",
						  policy->operator, policy->operator, source, policy->operator),
				 ARG_TEXT(policy->id));
}

/*
 * $1 policy, $2 now.  An alert that was judged by another definition starts
 * anew; a scope whose value is NULL stays as it is.
 */
static const char *const merge_sql =
	"WITH p AS MATERIALIZED (SELECT f.for_duration, f.no_data, f.threshold,"
	"  md5(concat_ws('|', f.query, f.operator, f.threshold, f.clear_threshold)) AS definition"
	"  FROM finops.alert_policy_in_force f WHERE f.policy_id = $1),"
	" step AS MATERIALIZED (SELECT a.alert_id, a.state AS was, o.value, o.detail, o.severity,"
	"  a.definition <> p.definition AND o.value IS NOT NULL AS anew,"
	"  CASE WHEN o.scope IS NULL THEN CASE WHEN p.no_data <> 'ok' THEN a.state WHEN a.state = 'firing' THEN 'resolved' ELSE 'ok' END"
	"   WHEN o.value IS NULL THEN a.state"
	"   WHEN a.state IN ('ok', 'resolved') OR a.definition <> p.definition THEN"
	"    CASE WHEN NOT o.breached THEN CASE a.state WHEN 'firing' THEN 'resolved' WHEN 'pending' THEN 'ok' ELSE a.state END"
	"     WHEN p.for_duration > '0' THEN 'pending' ELSE 'firing' END"
	"   WHEN a.state = 'pending' THEN CASE WHEN NOT o.breached THEN 'ok' WHEN $2 - a.since >= p.for_duration THEN 'firing' ELSE 'pending' END"
	"   WHEN o.held THEN 'firing' ELSE 'resolved' END AS state"
	"  FROM p, finops.alert a LEFT JOIN judged o ON o.scope = a.scope"
	"  WHERE a.policy_id = $1 AND (a.state IN ('pending', 'firing') OR o.breached)),"
	" changed AS (UPDATE finops.alert a SET state = s.state,"
	"   since = CASE WHEN s.state <> s.was OR s.anew THEN $2 ELSE a.since END,"
	"   value = coalesce(s.value, a.value), detail = coalesce(s.detail, a.detail), severity = coalesce(s.severity, a.severity),"
	"   threshold = p.threshold, definition = CASE WHEN s.value IS NULL THEN a.definition ELSE p.definition END,"
	"   crossing = a.crossing + f.fires::int, fired_at = CASE WHEN f.fires THEN $2 ELSE a.fired_at END,"
	"   resolved_at = CASE WHEN f.fires THEN NULL WHEN s.state = 'resolved' AND s.was = 'firing' THEN $2 ELSE a.resolved_at END,"
	"   acknowledge_by = CASE WHEN f.fires THEN NULL ELSE a.acknowledge_by END,"
	"   acknowledged_at = CASE WHEN f.fires THEN NULL ELSE a.acknowledged_at END,"
	"   acknowledged_by = CASE WHEN f.fires THEN NULL ELSE a.acknowledged_by END,"
	"   acknowledge_note = CASE WHEN f.fires THEN NULL ELSE a.acknowledge_note END,"
	"   escalations = CASE WHEN f.fires THEN 0 ELSE a.escalations END,"
	"   muted = CASE WHEN s.state = 'firing' THEN a.muted END"
	"  FROM p, step s CROSS JOIN LATERAL (SELECT s.state = 'firing' AND (s.was <> 'firing' OR s.anew) AS fires) f"
	"  WHERE a.alert_id = s.alert_id AND (s.state <> s.was OR s.anew OR (s.value IS NOT NULL"
	"   AND (a.value, a.detail, a.severity) IS DISTINCT FROM (s.value, s.detail, s.severity)))"
	"  RETURNING a.alert_id, a.scope, a.state, a.crossing, a.value, a.detail, s.state <> s.was OR f.fires AS moved),"
	" added AS (INSERT INTO finops.alert (policy_id, scope, state, severity, since, value, threshold, detail, definition, crossing, fired_at)"
	"  SELECT $1, o.scope, CASE WHEN p.for_duration > '0' THEN 'pending' ELSE 'firing' END, o.severity, $2, o.value, p.threshold,"
	"   o.detail, p.definition, CASE WHEN p.for_duration > '0' THEN 0 ELSE 1 END, CASE WHEN p.for_duration > '0' THEN NULL ELSE $2 END"
	"  FROM p, judged o WHERE o.breached AND NOT EXISTS (SELECT FROM finops.alert a WHERE a.policy_id = $1 AND a.scope = o.scope)"
	"  RETURNING alert_id, scope, state, crossing, value, detail)"
	" INSERT INTO finops.alert_event (alert_id, policy_id, scope, event, crossing, occurred_at, value, detail)"
	" SELECT c.alert_id, $1, c.scope, c.state, c.crossing, $2, c.value, c.detail FROM changed c WHERE c.moved"
	" UNION ALL SELECT n.alert_id, $1, n.scope, n.state, n.crossing, $2, n.value, n.detail FROM added n";

static const char *const record_sql =
	"INSERT INTO finops.alert_policy_state AS s (policy_id, evaluated_at, milliseconds, rows_seen, breached, error, failing_since)"
	" VALUES ($1, $2, $3, $4, $5, $6, CASE WHEN $6 IS NOT NULL THEN $2 END)"
	" ON CONFLICT (policy_id) DO UPDATE SET evaluated_at = EXCLUDED.evaluated_at, milliseconds = EXCLUDED.milliseconds,"
	" rows_seen = EXCLUDED.rows_seen, breached = EXCLUDED.breached, error = EXCLUDED.error,"
	" failing_since = CASE WHEN EXCLUDED.error IS NOT NULL THEN coalesce(s.failing_since, EXCLUDED.failing_since) END";

/* The role of the query; what is wrong with it otherwise. */
static Oid
policy_role(const Policy *policy, Oid extension_owner, char **error)
{
	Oid			role = policy->owner == NULL ? extension_owner : get_role_oid(policy->owner, true);

	if (!OidIsValid(role))
		*error = psprintf("42704: role \"%s\" does not exist", policy->owner);
	return role;
}

static char *
no_rows_error(const Policy *policy)
{
	FINOPS_RUN("SELECT no_data FROM finops.alert_policy_in_force WHERE policy_id = $1", ARG_TEXT(policy->id));
	return strcmp(FinopsText(0, 1), "fail") == 0 ? "02000: the query returned no row" : NULL;
}

static void
evaluate(const Policy *policy, Oid extension_owner, TimestampTz now)
{
	FinopsSession session;
	AlertRows	seen = {0};
	TimestampTz start = GetCurrentTimestamp();
	int64		breached = 0;
	Oid			role = policy_role(policy, extension_owner, &seen.error);

	if (seen.error == NULL)
		seen = AlertObserve(policy->query, role);
	FinopsBegin(&session);
	if (seen.error == NULL && seen.rows == 0)
		seen.error = no_rows_error(policy);
	if (seen.error == NULL)
	{
		FinopsStageRows("observed", seen.tupdesc, seen.store, seen.rows);
		if (policy->is_counter)
			judge_increase(policy->id, now);
		stage_judged(policy);
		FINOPS_RUN0("SELECT count(*) FILTER (WHERE breached) FROM judged");
		breached = FinopsInt64(0, 1);
		FINOPS_RUN(merge_sql, ARG_TEXT(policy->id),
				   ARG_DATUM(TIMESTAMPTZOID, TimestampTzGetDatum(now), false));
	}
	else
	{
		if (seen.store != NULL)
			tuplestore_end(seen.store);
		ereport(WARNING,
				(errmsg("alert policy \"%s\" cannot be evaluated", policy->id),
				 errdetail_internal("%s", seen.error)));
	}
	FINOPS_RUN(record_sql, ARG_TEXT(policy->id),
			   ARG_DATUM(TIMESTAMPTZOID, TimestampTzGetDatum(now), false),
			   ARG_NUMERIC(int64_to_numeric((GetCurrentTimestamp() - start) / 1000)),
			   ARG_INT8((int64) seen.rows), ARG_INT8(breached), ARG_TEXT(seen.error));
	FinopsEnd(&session);
}

/* ---------------------------------------------------------------------
 * What is told
 * ---------------------------------------------------------------------
 */

/* Alerts of policies that are gone or switched off end without a word. */
static const char *const retire_sql =
	"WITH gone AS (UPDATE finops.alert a SET state = 'ok', since = $1, muted = NULL, acknowledge_by = NULL"
	"  WHERE a.state IN ('pending', 'firing') AND a.policy_id <> ALL (ARRAY(SELECT p.policy_id FROM in_force p)) RETURNING a.*)"
	" INSERT INTO finops.alert_event (alert_id, policy_id, scope, event, crossing, occurred_at, value)"
	" SELECT alert_id, policy_id, scope, 'ok', crossing, $1, value FROM gone";

/* Which firing alert keeps which back, by equality that can be hashed. */
static const char *const inhibited_sql =
	"WITH source AS MATERIALIZED (SELECT i.policy_id, i.scope FROM finops.alert i WHERE i.state = 'firing'"
	"  AND i.policy_id = ANY (ARRAY(SELECT unnest(p.inhibited_by) FROM in_force p))),"
	" target AS MATERIALIZED (SELECT a.alert_id, a.policy_id, a.scope, u.inhibitor FROM finops.alert a JOIN in_force p ON p.policy_id = a.policy_id"
	"  CROSS JOIN LATERAL unnest(p.inhibited_by) AS u(inhibitor) WHERE a.state = 'firing')"
	" SELECT t.alert_id, t.policy_id, t.scope, t.inhibitor FROM target t JOIN source s ON s.policy_id = t.inhibitor AND s.scope = t.scope"
	" UNION SELECT t.alert_id, t.policy_id, t.scope, t.inhibitor FROM target t JOIN source s ON s.policy_id = t.inhibitor AND s.scope = '*'";

/* Firing alerts, those that stopped since they were told, and what keeps them silent. */
static const char *const told_sql =
	"SELECT a.alert_id, CASE WHEN a.state <> 'firing' THEN NULL"
	"  WHEN EXISTS (SELECT FROM finops.alert_silence s WHERE (s.policy_id IS NULL OR s.policy_id = a.policy_id)"
	"   AND (s.scope IS NULL OR s.scope = a.scope) AND s.starts_at <= $1 AND s.until > $1) THEN 'silenced'"
	"  WHEN i.alert_id IS NOT NULL THEN 'inhibited' END AS muted"
	" FROM finops.alert a JOIN in_force p ON p.policy_id = a.policy_id"
	" LEFT JOIN (SELECT DISTINCT alert_id FROM inhibited) i ON i.alert_id = a.alert_id"
	" WHERE a.state = 'firing' OR (a.state = 'resolved' AND p.notify_resolved AND a.notified_crossing = a.crossing AND a.resolved_crossing < a.crossing)";

static const char *const mute_sql =
	"UPDATE finops.alert a SET muted = t.muted FROM told t WHERE t.alert_id = a.alert_id AND a.muted IS DISTINCT FROM t.muted";

/* What an alert keeps back, of alerts k; one for everything lists them all. */
#define KEPT_BACK \
	"jsonb_build_object('count', count(*), 'alerts', (array_agg(k.policy_id || ' ' || k.scope" \
	" ORDER BY k.policy_id COLLATE \"C\", k.scope COLLATE \"C\"))[1:20])"

static const char *const tell_sql =
	"WITH child AS MATERIALIZED (SELECT i.scope, i.inhibitor, i.policy_id FROM inhibited i JOIN told t ON t.alert_id = i.alert_id"
	"  WHERE t.muted = 'inhibited'),"
	" kept AS (SELECT k.inhibitor, k.scope, " KEPT_BACK " AS list FROM child k WHERE k.scope <> '*' GROUP BY 1, 2"
	"  UNION ALL SELECT k.inhibitor, '*', " KEPT_BACK " FROM child k GROUP BY 1),"
	" due AS MATERIALIZED (SELECT a.*, e.event, p.title, p.severity_class, p.operator, p.runbook, p.channels, p.escalate_to, p.acknowledge_within"
	"  FROM told t JOIN finops.alert a ON a.alert_id = t.alert_id JOIN in_force p ON p.policy_id = a.policy_id"
	"  CROSS JOIN LATERAL (SELECT CASE WHEN a.state = 'resolved' THEN 'resolved'"
	"   WHEN a.notified_crossing < a.crossing THEN 'firing'"
	"   WHEN a.acknowledged_at IS NULL AND a.acknowledge_by <= $1 AND a.escalations < p.max_escalations THEN 'escalation' END AS event) e"
	"  WHERE t.muted IS NULL AND e.event IS NOT NULL),"
	" noted AS (UPDATE finops.alert a SET notified_crossing = a.crossing,"
	"   resolved_crossing = CASE d.event WHEN 'resolved' THEN a.crossing ELSE a.resolved_crossing END,"
	"   escalations = a.escalations + (d.event = 'escalation')::int,"
	"   acknowledge_by = CASE d.event WHEN 'resolved' THEN NULL ELSE $1 + d.acknowledge_within END"
	"  FROM due d WHERE d.alert_id = a.alert_id),"
	" event AS (INSERT INTO finops.alert_event (alert_id, policy_id, scope, event, crossing, occurred_at, value)"
	"  SELECT alert_id, policy_id, scope, CASE event WHEN 'escalation' THEN 'escalated' ELSE 'notified' END, crossing, $1, value FROM due),"
	" message AS (INSERT INTO finops.outbox (topic, dedup_key, severity, channels, payload)"
	"  SELECT 'alert', concat_ws('/', d.alert_id, d.crossing, d.event, CASE d.event WHEN 'escalation' THEN d.escalations + 1 END), d.severity,"
	"   CASE d.event WHEN 'escalation' THEN coalesce(d.escalate_to, d.channels) ELSE d.channels END,"
	"   jsonb_strip_nulls(jsonb_build_object('event', d.event, 'policy_id', d.policy_id, 'title', d.title, 'scope', d.scope,"
	"    'severity', d.severity, 'severity_class', d.severity_class, 'value', d.value, 'operator', d.operator, 'threshold', d.threshold,"
	"    'alert_id', d.alert_id, 'crossing', d.crossing, 'fired_at', d.fired_at, 'resolved_at', d.resolved_at,"
	"    'escalation', CASE d.event WHEN 'escalation' THEN d.escalations + 1 END,"
	"    'acknowledge_by', CASE d.event WHEN 'resolved' THEN NULL ELSE $1 + d.acknowledge_within END,"
	"    'runbook', d.runbook, 'detail', d.detail, 'inhibits', c.list))"
	"  FROM due d LEFT JOIN kept c ON c.inhibitor = d.policy_id AND c.scope = d.scope AND d.event = 'firing'"
	"  ORDER BY d.alert_id ON CONFLICT (topic, dedup_key) DO NOTHING RETURNING 1)"
	" SELECT count(*) FROM message";

static int64
tell(TimestampTz now)
{
	FinopsArg	at = ARG_DATUM(TIMESTAMPTZOID, TimestampTzGetDatum(now), false);

	FINOPS_STAGE0("in_force", "SELECT * FROM finops.alert_policy_in_force WHERE enabled");
	FINOPS_RUN(retire_sql, at);
	FINOPS_STAGE0("inhibited", inhibited_sql);
	FINOPS_STAGE("told", told_sql, at);
	FINOPS_RUN0(mute_sql);
	FINOPS_RUN(tell_sql, at);
	return FinopsInt64(0, 1);
}

/* ---------------------------------------------------------------------
 * The evaluation
 * ---------------------------------------------------------------------
 */

/* Enabled policies, that on failed policies last. */
static List *
read_policies(MemoryContext context)
{
	List	   *policies = NIL;
	MemoryContext old;
	uint64		n;

	FINOPS_RUN0("DELETE FROM finops.alert_policy_state s WHERE NOT EXISTS"
				" (SELECT FROM finops.alert_policy_in_force p WHERE p.policy_id = s.policy_id AND p.enabled)");
	n = FINOPS_RUN0("SELECT policy_id, query, operator, owner_role, increase_over IS NOT NULL"
					" FROM finops.alert_policy_in_force WHERE enabled AND query IS NOT NULL AND operator IS NOT NULL AND threshold IS NOT NULL"
					" ORDER BY policy_id = 'alert-policy-failed', policy_id COLLATE \"C\"");
	old = MemoryContextSwitchTo(context);
	for (uint64 i = 0; i < n; i++)
	{
		Policy	   *policy = palloc(sizeof(Policy));

		policy->id = pstrdup(FinopsText(i, 1));
		policy->query = pstrdup(FinopsText(i, 2));
		policy->operator = pstrdup(FinopsText(i, 3));
		policy->owner = FinopsText(i, 4) == NULL ? NULL : pstrdup(FinopsText(i, 4));
		policy->is_counter = FinopsText(i, 5)[0] == 't';
		policies = lappend(policies, policy);
	}
	MemoryContextSwitchTo(old);
	return policies;
}

/*
 * finops.evaluate_alerts() -> bigint
 *
 * The number of messages that were written.  A policy whose query fails warns
 * and stops no other.  Errors: 25006 in a read-only transaction.
 */
Datum
finops_evaluate_alerts(PG_FUNCTION_ARGS)
{
	MemoryContext context = CurrentMemoryContext;
	MemoryContext work = AllocSetContextCreate(context, "finops alert", ALLOCSET_DEFAULT_SIZES);
	FinopsSession session;
	List	   *policies;
	ListCell   *cell;
	TimestampTz now;
	Oid			owner;
	int64		messages;

	(void) fcinfo;
	FinopsRequireWritable("finops.evaluate_alerts()");
	FinopsBegin(&session);
	owner = GetUserId();
	FinopsLock(FINOPS_LOCK_ALERTS, 0);
	/* after the wait: who held the lock may have judged at a later time */
	now = GetCurrentTimestamp();
	policies = read_policies(context);
	FinopsEnd(&session);
	foreach(cell, policies)
	{
		MemoryContextSwitchTo(work);
		evaluate(lfirst(cell), owner, now);
		MemoryContextSwitchTo(context);
		MemoryContextReset(work);
	}
	FinopsBegin(&session);
	messages = tell(now);
	FinopsEnd(&session);
	PG_RETURN_INT64(messages);
}

/*-------------------------------------------------------------------------
 *
 * run.c
 *	  Runs, the audit trail and the outbox: who did what to which month, how it
 *	  ended, and whom to tell.
 *
 * The row of a run is written in the run's own transaction, so a run that
 * raised leaves none; jobs record failures themselves after their rollback.
 *
 *-------------------------------------------------------------------------
 */
#include "core/core.h"

int64
FinopsStartRun(const FinopsSession *session, const char *kind, DateADT period)
{
	FINOPS_RUN("INSERT INTO finops.run (kind, period_start, executed_by)"
			   " VALUES ($1, $2, $3) RETURNING run_id",
			   ARG_TEXT(kind), ARG_DATE(period),
			   ARG_TEXT(FinopsCallerName(session)));
	return FinopsInt64(0, 1);
}

void
FinopsFinishRun(int64 run_id, const char *status, const char *detail_json)
{
	FINOPS_RUN("UPDATE finops.run SET status = $2, detail = $3::jsonb,"
			   " finished_at = clock_timestamp() WHERE run_id = $1",
			   ARG_INT8(run_id), ARG_TEXT(status), ARG_TEXT(detail_json));
}

void
FinopsAudit(const FinopsSession *session, const char *action,
			const char *object_type, const char *object_id,
			const char *metadata_json)
{
	FINOPS_RUN("INSERT INTO @s@.audit_event"
			   " (actor_type, actor_id, action, object_type, object_id, metadata)"
			   " VALUES ('operator_user', $1, $2, $3, $4, $5::jsonb)",
			   ARG_TEXT(FinopsCallerName(session)), ARG_TEXT(action),
			   ARG_TEXT(object_type), ARG_TEXT(object_id),
			   ARG_TEXT(metadata_json));
}

void
FinopsPostOutbox(const char *topic, const char *key, const char *severity,
				 const char *payload_json)
{
	FINOPS_RUN("INSERT INTO finops.outbox (topic, dedup_key, severity, payload)"
			   " VALUES ($1, $2, $3, $4::jsonb) ON CONFLICT (topic, dedup_key) DO NOTHING",
			   ARG_TEXT(topic), ARG_TEXT(key), ARG_TEXT(severity),
			   ARG_TEXT(payload_json));
}

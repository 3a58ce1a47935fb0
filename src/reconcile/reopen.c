/*-------------------------------------------------------------------------
 *
 * reopen.c
 *	  A locked month is opened again: one asks, another approves.
 *
 * Corrections belong into the open month.  Where a month has to be opened
 * all the same, its lock, its seal and its rates stay in
 * finops.period_reopening, so that the hash head that once left the server
 * can still be explained.  Issued documents stay issued.
 *
 *-------------------------------------------------------------------------
 */
#include "reconcile/reconcile.h"

#include "invoice/usage.h"

PG_FUNCTION_INFO_V1(finops_reopen_period);
PG_FUNCTION_INFO_V1(finops_approve_reopen);

/* Set while the triggers of the lock let an approved reopening pass. */
bool		finops_recon_reopening = false;

static char *
session_user_name(void)
{
	return GetUserNameFromId(GetSessionUserId(), false);
}

static void
require_locked(DateADT period)
{
	if (FINOPS_RUN("SELECT FROM @s@.period_lock WHERE period_start = $1 AND state = 'LOCKED' AND hash_head IS NOT NULL",
				   ARG_DATE(period)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("billing period %s is not locked", FinopsPeriodText(period)),
				 errhint("It can be changed as it is.")));
}

/*
 * finops.reopen_period(period date, reason text) → bigint
 *
 * Errors: 22004; 22023 for the period or a blank reason; 55000 where the
 * month is not locked, or is asked for already.
 */
Datum
finops_reopen_period(PG_FUNCTION_ARGS)
{
	DateADT		period = FinopsPeriodArg(fcinfo, 0);
	FinopsSession session;
	char	   *reason;
	int64		request_id;

	FinopsRequireArg(fcinfo, 1, "reason");
	FinopsRequireWritable("finops.reopen_period()");
	FinopsCheckPeriodNotFuture(period);
	reason = text_to_cstring(PG_GETARG_TEXT_PP(1));
	if (strspn(reason, " \t\n") == strlen(reason))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("reason must not be blank")));
	FinopsBegin(&session);
	FinopsLock(FINOPS_LOCK_PERIOD, period);
	require_locked(period);
	if (FINOPS_RUN("SELECT r.request_id, r.requested_by FROM finops.period_reopening r"
				   " WHERE r.period_start = $1 AND r.status = 'requested'", ARG_DATE(period)) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("reopening of %s is requested already", FinopsPeriodText(period)),
				 errdetail("Request %s of %s waits for approval.", FinopsText(0, 1), FinopsText(0, 2)),
				 errhint("Another role runs SELECT finops.approve_reopen(%s).", FinopsText(0, 1))));
	FINOPS_RUN("INSERT INTO finops.period_reopening (period_start, reason, requested_by, requested_session, locked_at, locked_by, hash_head)"
			   " SELECT l.period_start, $2, $3, $4, l.locked_at, l.locked_by, l.hash_head FROM @s@.period_lock l"
			   " WHERE l.period_start = $1 RETURNING request_id",
			   ARG_DATE(period), ARG_TEXT(reason), ARG_TEXT(FinopsCallerName(&session)),
			   ARG_TEXT(session_user_name()));
	request_id = FinopsInt64(0, 1);
	FINOPS_RUN("SELECT jsonb_build_object('request_id', $1, 'reason', $2)::text", ARG_INT8(request_id), ARG_TEXT(reason));
	FinopsAudit(&session, "reopen_period", "period_lock", FinopsPeriodText(period), FinopsText(0, 1));
	FinopsEnd(&session);
	PG_RETURN_INT64(request_id);
}

/* The period of a request that waits; whoever asked cannot approve. */
static DateADT
require_request(const FinopsSession *session, int64 request_id)
{
	bool		isnull;
	DateADT		period;

	if (FINOPS_RUN("SELECT r.period_start, r.status, r.requested_by, r.requested_session FROM finops.period_reopening r"
				   " WHERE r.request_id = $1 FOR UPDATE", ARG_INT8(request_id)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is no request %lld", (long long) request_id),
				 errhint("SELECT * FROM finops.period_reopening WHERE status = 'requested' lists them.")));
	period = DatumGetDateADT(FinopsValue(0, 1, &isnull));
	if (strcmp(FinopsText(0, 2), "requested") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("request %lld is %s already", (long long) request_id, FinopsText(0, 2)),
				 errhint("SELECT * FROM finops.period_reopening WHERE request_id = %lld shows by whom.", (long long) request_id)));
	if (FinopsIsSamePerson(session, FinopsText(0, 3), FinopsText(0, 4)))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("a reopening is approved by another role than asked for it"),
				 errdetail("Request %lld is of %s.", (long long) request_id, FinopsText(0, 3)),
				 errhint("Another role runs SELECT finops.approve_reopen(%lld).", (long long) request_id)));
	return period;
}

/* Takes the lock off, with the triggers of the lock told to let it pass. */
static void
open_period(DateADT period)
{
	finops_recon_reopening = true;
	PG_TRY();
	{
		ReconUnlockPartitions(period);
		FINOPS_RUN("DELETE FROM finops.period_seal WHERE period_start = $1", ARG_DATE(period));
		FINOPS_RUN("DELETE FROM finops.period_rate WHERE period_start = $1", ARG_DATE(period));
		FINOPS_RUN("UPDATE @s@.period_lock SET state = 'OPEN', locked_at = NULL, locked_by = NULL, hash_head = NULL"
				   " WHERE period_start = $1", ARG_DATE(period));
		UsageThaw(period);
	}
	PG_FINALLY();
	{
		finops_recon_reopening = false;
	}
	PG_END_TRY();
}

/*
 * finops.approve_reopen(request_id bigint, note text DEFAULT NULL) → text
 *
 * Returns the hash head of the lock.  Errors: 22004; 22023 for an unknown
 * request; 42501 for the role that asked; 55000 where the request is approved
 * or the month is not locked any more.
 */
Datum
finops_approve_reopen(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	MemoryContext context = CurrentMemoryContext;
	DateADT		period;
	char	   *head;
	text	   *result;

	FinopsRequireArg(fcinfo, 0, "request_id");
	FinopsRequireWritable("finops.approve_reopen()");
	FinopsBegin(&session);
	period = require_request(&session, PG_GETARG_INT64(0));
	FinopsLock(FINOPS_LOCK_PERIOD, period);
	require_locked(period);
	FINOPS_RUN("UPDATE finops.period_reopening SET status = 'approved', approved_by = $2, approved_at = clock_timestamp(), note = $3,"
			   " seal = (SELECT jsonb_agg(to_jsonb(s) ORDER BY s.object) FROM finops.period_seal s WHERE s.period_start = $4),"
			   " rates = (SELECT jsonb_agg(to_jsonb(p) ORDER BY p.currency) FROM finops.period_rate p WHERE p.period_start = $4)"
			   " WHERE request_id = $1 RETURNING hash_head",
			   ARG_INT8(PG_GETARG_INT64(0)), ARG_TEXT(FinopsCallerName(&session)),
			   ARG_TEXT(PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1))), ARG_DATE(period));
	head = FinopsText(0, 1);
	open_period(period);
	FinopsClearGates(period, FINOPS_GATE_RECONCILIATION);
	FINOPS_RUN("SELECT jsonb_build_object('request_id', $1, 'hash_head', $2)::text",
			   ARG_INT8(PG_GETARG_INT64(0)), ARG_TEXT(head));
	FinopsAudit(&session, "approve_reopen", "period_lock", FinopsPeriodText(period), FinopsText(0, 1));
	MemoryContextSwitchTo(context);
	result = cstring_to_text(head);
	FinopsEnd(&session);
	PG_RETURN_TEXT_P(result);
}

/*-------------------------------------------------------------------------
 *
 * approval.c
 *	  Four eyes: whoever prepares something does not approve it.
 *
 * A person is known by the role that calls and by the role that logged in;
 * SET ROLE makes nobody another one.
 *
 *-------------------------------------------------------------------------
 */
#include "core/core.h"

/* finops.four_eyes */
bool		finops_four_eyes = false;

/* A request that is approved runs: it does not ask again. */
static bool running_approved = false;
static char *approved_request_of;
static char *approved_request_by;

static char *
session_user_name(void)
{
	return GetUserNameFromId(GetSessionUserId(), false);
}

bool
FinopsIsSamePerson(const FinopsSession *session, const char *role, const char *login)
{
	const char *caller = FinopsCallerName(session);
	const char *user = session_user_name();

	return (role != NULL && (strcmp(role, caller) == 0 || strcmp(role, user) == 0)) ||
		(login != NULL && (strcmp(login, caller) == 0 || strcmp(login, user) == 0));
}

bool
FinopsAwaitsApproval(const FinopsSession *session, const char *kind,
					 const char *object_id, const char *payload_json)
{
	char	   *id;

	if (!finops_four_eyes || running_approved)
		return false;
	if (FINOPS_RUN("INSERT INTO finops.approval_request AS r (kind, object_id, payload, requested_by, requested_session) VALUES ($1, $2, $3::jsonb, $4, $5)"
				   " ON CONFLICT (kind, object_id) WHERE status = 'requested' DO NOTHING RETURNING request_id::text",
				   ARG_TEXT(kind), ARG_TEXT(object_id), ARG_TEXT(payload_json),
				   ARG_TEXT(FinopsCallerName(session)), ARG_TEXT(session_user_name())) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s of \"%s\" waits for approval already", strcmp(kind, "write_off") == 0 ? "a write-off" : "a credit note",
						FinopsQuoteForMessage(object_id)),
				 errhint("SELECT * FROM finops.approval_request WHERE status = 'requested' lists what waits.")));
	id = FinopsText(0, 1);
	FinopsAudit(session, "request_approval", kind, object_id, payload_json);
	ereport(NOTICE,
			(errmsg("nothing is done before somebody else approves it"),
			 errhint("Another role runs SELECT finops.approve('%s', '%s').", kind, id)));
	return true;
}

/*
 * The payload of a request that waits, marked as approved; 42501 for whoever
 * asked.  What follows runs by FinopsRunApproved() without asking again.
 */
char *
FinopsTakeApproval(const FinopsSession *session, const char *kind, int64 request_id,
				   const char *note, char **object_id)
{
	char	   *payload;

	if (FINOPS_RUN("SELECT r.object_id, r.payload::text, r.requested_by, r.requested_session, r.status FROM finops.approval_request r"
				   " WHERE r.request_id = $1 AND r.kind = $2 FOR UPDATE", ARG_INT8(request_id), ARG_TEXT(kind)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("there is no request %lld of a %s", (long long) request_id, kind),
				 errhint("SELECT * FROM finops.approval_request WHERE status = 'requested' lists what waits.")));
	*object_id = FinopsText(0, 1);
	payload = FinopsText(0, 2);
	if (strcmp(FinopsText(0, 5), "requested") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("request %lld is %s already", (long long) request_id, FinopsText(0, 5))));
	if (FinopsIsSamePerson(session, FinopsText(0, 3), FinopsText(0, 4)))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("a %s is approved by another role than asked for it", kind),
				 errdetail("Request %lld is of %s.", (long long) request_id, FinopsText(0, 3))));
	approved_request_of = FinopsText(0, 3);
	approved_request_by = pstrdup(FinopsCallerName(session));
	FINOPS_RUN("UPDATE finops.approval_request SET status = 'approved', decided_by = $2, decided_session = $3, decided_at = clock_timestamp(), note = $4"
			   " WHERE request_id = $1", ARG_INT8(request_id), ARG_TEXT(FinopsCallerName(session)), ARG_TEXT(session_user_name()), ARG_TEXT(note));
	return payload;
}

const char *
FinopsRequestedBy(const FinopsSession *session)
{
	return running_approved ? approved_request_of : FinopsCallerName(session);
}

const char *
FinopsApprovedBy(void)
{
	return running_approved ? approved_request_by : NULL;
}

void
FinopsRunApproved(const char *sql, const char *payload)
{
	bool		before = running_approved;

	running_approved = true;
	PG_TRY();
	{
		FINOPS_RUN(sql, ARG_TEXT(payload));
	}
	PG_FINALLY();
	{
		running_approved = before;
	}
	PG_END_TRY();
}

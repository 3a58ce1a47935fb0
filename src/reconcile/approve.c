/*-------------------------------------------------------------------------
 *
 * approve.c
 *	  finops.approve(): one call for everything that needs a second person.
 *
 * It stands below the rooms whose work it approves.
 *
 *-------------------------------------------------------------------------
 */
#include "reconcile/reconcile.h"

PG_FUNCTION_INFO_V1(finops_approve);
PG_FUNCTION_INFO_V1(finops_reject);

static char *
required_text(FunctionCallInfo fcinfo, int argno, const char *name)
{
	FinopsRequireArg(fcinfo, argno, name);
	return text_to_cstring(PG_GETARG_TEXT_PP(argno));
}

static int64
request_number(const char *id)
{
	char	   *end;
	long long	n;

	errno = 0;
	n = strtoll(id, &end, 10);
	if (errno != 0 || end == id || *end != '\0' || n <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is no id of a request", FinopsQuoteForMessage(id)),
				 errhint("SELECT * FROM finops.approval_request WHERE status = 'requested' lists what waits.")));
	return n;
}

static void
approve_rule(const char *id, const char *note)
{
	const char *colon = strrchr(id, ':');

	if (colon == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is no version of a rule", FinopsQuoteForMessage(id)),
				 errhint("Give rule:version, such as SELECT finops.approve('rule', 'direct-tag:2').")));
	FINOPS_RUN("SELECT finops.approve_rule($1, $2, $3)", ARG_TEXT(pnstrdup(id, colon - id)),
			   ARG_INT4((int32) Min(request_number(colon + 1), INT32_MAX)), ARG_TEXT(note));
}

/*
 * finops.approve(kind text, id text, note text DEFAULT NULL) → text
 *
 * Returns the id of what was done: adjustment, credit note, hash head, rule.
 * Errors: 22004; 22023 for an unknown kind or id; P0002; 42501 for whoever
 * prepared it; 55000 where it is decided already; those of the work itself.
 */
Datum
finops_approve(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	MemoryContext context = CurrentMemoryContext;
	char	   *kind = required_text(fcinfo, 0, "kind");
	char	   *id = required_text(fcinfo, 1, "id");
	char	   *note = PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2));
	char	   *object_id;
	char	   *payload;
	text	   *result;

	FinopsRequireWritable("finops.approve()");
	FinopsBegin(&session);
	if (strcmp(kind, "rule") == 0)
	{
		approve_rule(id, note);
		FINOPS_RUN("SELECT $1", ARG_TEXT(id));
	}
	else if (strcmp(kind, "reopen") == 0)
		FINOPS_RUN("SELECT finops.approve_reopen($1, $2)", ARG_INT8(request_number(id)), ARG_TEXT(note));
	else if (strcmp(kind, "write_off") == 0 || strcmp(kind, "credit_note") == 0)
	{
		payload = FinopsTakeApproval(&session, kind, request_number(id), note, &object_id);
		FinopsAudit(&session, "approve", kind, object_id, payload);
		FinopsRunApproved(strcmp(kind, "write_off") == 0 ?
						  "SELECT w.adjustment_id::text FROM jsonb_to_record($1::jsonb) AS p(invoice_id text, amount numeric, reason text),"
						  " finops.write_off(p.invoice_id, p.amount, p.reason) w" :
						  "SELECT c.invoice_id FROM jsonb_to_record($1::jsonb) AS p(invoice_id text, reason text, lines jsonb),"
						  " finops.credit_invoice(p.invoice_id, p.reason, p.lines) c", payload);
	}
	else
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("nothing of kind \"%s\" is approved", FinopsQuoteForMessage(kind)),
				 errhint("Use rule, credit_note, write_off or reopen.")));
	MemoryContextSwitchTo(context);
	result = cstring_to_text(FinopsText(0, 1));
	FinopsEnd(&session);
	PG_RETURN_TEXT_P(result);
}

/*
 * finops.reject(kind text, id text, note text) → text, the object
 */
Datum
finops_reject(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	MemoryContext context = CurrentMemoryContext;
	char	   *kind = required_text(fcinfo, 0, "kind");
	char	   *id = required_text(fcinfo, 1, "id");
	char	   *note = required_text(fcinfo, 2, "note");
	text	   *result;

	FinopsRequireWritable("finops.reject()");
	FinopsBegin(&session);
	if (FINOPS_RUN("UPDATE finops.approval_request SET status = 'rejected', decided_by = $3, decided_session = session_user, decided_at = clock_timestamp(), note = $4"
				   " WHERE request_id = $1 AND kind = $2 AND status = 'requested' RETURNING object_id",
				   ARG_INT8(request_number(id)), ARG_TEXT(kind), ARG_TEXT(FinopsCallerName(&session)),
				   ARG_TEXT(note)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("no request %s of a %s waits", FinopsQuoteForMessage(id), FinopsQuoteForMessage(kind)),
				 errhint("SELECT * FROM finops.approval_request WHERE status = 'requested' lists what waits.")));
	MemoryContextSwitchTo(context);
	result = cstring_to_text(FinopsText(0, 1));
	FINOPS_RUN("SELECT jsonb_build_object('request_id', $1, 'note', $2)::text", ARG_TEXT(id), ARG_TEXT(note));
	FinopsAudit(&session, "reject", kind, text_to_cstring(result), FinopsText(0, 1));
	FinopsEnd(&session);
	PG_RETURN_TEXT_P(result);
}

/*-------------------------------------------------------------------------
 *
 * resolve.c
 *	  How an exception and a reconciliation out of tolerance are settled.
 *
 * A row of recon_summary becomes resolved when it is within tolerance after
 * a new run, or when every open exception that concerns it carries cause,
 * amount, adjusting entry and approver.  The rule stands in the trigger on
 * recon_summary, so that the UPDATE of a runbook and finops.resolve_recon()
 * pass the same gate; nothing else of a reconciliation can be updated.
 *
 *-------------------------------------------------------------------------
 */
#include "reconcile/reconcile.h"

#include "access/htup_details.h"
#include "commands/trigger.h"
#include "utils/datum.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(finops_resolve_recon);
PG_FUNCTION_INFO_V1(finops_resolve_exception);
PG_FUNCTION_INFO_V1(finops_guard_columns);
PG_FUNCTION_INFO_V1(finops_before_resolve);
PG_FUNCTION_INFO_V1(finops_after_resolve);

/* Who called resolve_recon(), while its UPDATE runs as the owner. */
static Oid	resolving_caller = InvalidOid;

static TriggerData *
trigger_data(FunctionCallInfo fcinfo, TriggerEvent when)
{
	TriggerData *data = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_FOR_ROW(data->tg_event) ||
		!TRIGGER_FIRED_BY_UPDATE(data->tg_event) ||
		(data->tg_event & TRIGGER_EVENT_TIMINGMASK) != when)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function must be called by its own trigger")));
	return data;
}

static bool
column_changed(const TriggerData *data, TupleDesc desc, int attno)
{
	Form_pg_attribute att = TupleDescAttr(desc, attno - 1);
	bool		null_before,
				null_after;
	Datum		before = heap_getattr(data->tg_trigtuple, attno, desc, &null_before);
	Datum		after = heap_getattr(data->tg_newtuple, attno, desc, &null_after);

	if (null_before || null_after)
		return null_before != null_after;
	return !datumIsEqual(before, after, att->attbyval, att->attlen);
}

static bool
may_change(const Trigger *trigger, const char *column)
{
	for (int i = 0; i < trigger->tgnargs; i++)
		if (strcmp(trigger->tgargs[i], column) == 0)
			return true;
	return false;
}

/*
 * Trigger BEFORE UPDATE FOR EACH ROW; its arguments are the columns that may
 * change.  55000 for any other.
 */
Datum
finops_guard_columns(PG_FUNCTION_ARGS)
{
	TriggerData *data = trigger_data(fcinfo, TRIGGER_EVENT_BEFORE);
	TupleDesc	desc = RelationGetDescr(data->tg_relation);

	for (int attno = 1; attno <= desc->natts; attno++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, attno - 1);

		if (att->attisdropped || may_change(data->tg_trigger, NameStr(att->attname)) ||
			!column_changed(data, desc, attno))
			continue;
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("column \"%s\" of \"%s\" cannot be updated", NameStr(att->attname),
						RelationGetRelationName(data->tg_relation)),
				 errdetail("What a reconciliation found is not edited."),
				 errhint("Correct the cause and run finops.reconcile() again, or settle it by finops.resolve_exception().")));
	}
	return PointerGetDatum(data->tg_newtuple);
}

static char *
column_text(HeapTuple tuple, TupleDesc desc, const char *column)
{
	return SPI_getvalue(tuple, desc, SPI_fnumber(desc, column));
}

static DateADT
column_date(HeapTuple tuple, TupleDesc desc, const char *column)
{
	bool		isnull;
	Datum		value = SPI_getbinval(tuple, desc, SPI_fnumber(desc, column), &isnull);

	return DatumGetDateADT(value);
}

/* The rule of this file's head comment, for one row out of tolerance. */
static void
require_evidence(const char *recon_id, const char *service)
{
	uint64		n;
	StringInfoData detail;

	n = FINOPS_RUN("SELECT e.exception_id, concat_ws(', ',"
				   "  CASE WHEN e.cause IS NULL THEN 'cause' END,"
				   "  CASE WHEN e.adjusting_entry IS NULL THEN 'adjusting entry' END,"
				   "  CASE WHEN e.approver IS NULL THEN 'approver' END),"
				   " count(*) OVER (), coalesce(e.service, e.tenant_id, '')"
				   " FROM @s@.recon_exceptions e WHERE e.recon_id = $1"
				   " AND e.severity <> 'info' AND ($2 = 'ALL' OR e.service = $2)"
				   " AND (e.cause IS NULL OR e.adjusting_entry IS NULL OR e.approver IS NULL)"
				   " ORDER BY e.exception_id LIMIT 5",
				   ARG_TEXT(recon_id), ARG_TEXT(service));
	if (n == 0)
		return;
	initStringInfo(&detail);
	for (uint64 i = 0; i < n; i++)
		appendStringInfo(&detail, "%s%s (%s) lacks %s", i > 0 ? "; " : "",
						 FinopsText(i, 1), FinopsText(i, 4), FinopsText(i, 2));
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg_plural("%s, service %s, is out of tolerance and has %lld unsettled exception",
						   "%s, service %s, is out of tolerance and has %lld unsettled exceptions",
						   FinopsInt64(0, 3), recon_id, service, (long long) FinopsInt64(0, 3)),
			 errdetail_internal("%s.", detail.data),
			 errhint("Correct the cause and run finops.reconcile() again, or settle each by SELECT finops.resolve_exception('%s', cause, adjusting_entry, approver).",
					 FinopsText(0, 1))));
}

/* Who resolved it and when, whatever the statement said. */
static HeapTuple
stamp(const TriggerData *data, TupleDesc desc)
{
	Oid			by = OidIsValid(resolving_caller) ? resolving_caller : GetUserId();
	int			columns[2] = {SPI_fnumber(desc, "resolved_by"), SPI_fnumber(desc, "resolved_at")};
	Datum		values[2];
	bool		nulls[2] = {false, false};

	values[0] = CStringGetTextDatum(GetUserNameFromId(by, false));
	values[1] = TimestampTzGetDatum(GetCurrentTimestamp());
	return heap_modify_tuple_by_cols(data->tg_newtuple, desc, 2, columns, values, nulls);
}

/* Trigger BEFORE UPDATE OF status on recon_summary FOR EACH ROW. */
Datum
finops_before_resolve(PG_FUNCTION_ARGS)
{
	TriggerData *data = trigger_data(fcinfo, TRIGGER_EVENT_BEFORE);
	TupleDesc	desc = RelationGetDescr(data->tg_relation);
	char	   *before = column_text(data->tg_trigtuple, desc, "status");
	char	   *after = column_text(data->tg_newtuple, desc, "status");
	FinopsSession session;

	if (strcmp(before, after) == 0)
		return PointerGetDatum(data->tg_newtuple);
	if (strcmp(after, "resolved") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("status of a reconciliation can only be set to resolved"),
				 errhint("Run finops.reconcile() to judge the period again.")));
	FinopsBegin(&session);
	FinopsOpenPeriod(column_date(data->tg_newtuple, desc, "period_start"));
	if (strcmp(before, "ok") != 0)
		require_evidence(column_text(data->tg_newtuple, desc, "recon_id"),
						 column_text(data->tg_newtuple, desc, "service"));
	FinopsEnd(&session);
	return PointerGetDatum(stamp(data, desc));
}

/* Trigger AFTER UPDATE OF status on recon_summary FOR EACH ROW: gate, audit. */
Datum
finops_after_resolve(PG_FUNCTION_ARGS)
{
	TriggerData *data = trigger_data(fcinfo, TRIGGER_EVENT_AFTER);
	TupleDesc	desc = RelationGetDescr(data->tg_relation);
	char	   *recon_id = column_text(data->tg_newtuple, desc, "recon_id");
	char	   *metadata;
	FinopsSession session;

	if (strcmp(column_text(data->tg_trigtuple, desc, "status"),
			   column_text(data->tg_newtuple, desc, "status")) == 0)
		return PointerGetDatum(NULL);
	FinopsBegin(&session);
	if (OidIsValid(resolving_caller))
		session.caller = resolving_caller;
	FINOPS_RUN("SELECT jsonb_build_object('service', $1, 'was', $2, 'note', $3)::text,"
			   " (SELECT run_id FROM finops.recon_run WHERE recon_id = $4)",
			   ARG_TEXT(column_text(data->tg_newtuple, desc, "service")),
			   ARG_TEXT(column_text(data->tg_trigtuple, desc, "status")),
			   ARG_TEXT(column_text(data->tg_newtuple, desc, "note")),
			   ARG_TEXT(recon_id));
	metadata = FinopsText(0, 1);
	(void) ReconSetGate(column_date(data->tg_newtuple, desc, "period_start"),
						FinopsInt64(0, 2));
	FinopsAudit(&session, "resolve_recon", "recon_summary", recon_id, metadata);
	FinopsEnd(&session);
	return PointerGetDatum(NULL);
}

/* The period of a reconciliation; 22023 for one that does not exist. */
static DateADT
recon_period(const char *recon_id)
{
	bool		isnull;

	if (FINOPS_RUN("SELECT period_start FROM finops.recon_run WHERE recon_id = $1",
				   ARG_TEXT(recon_id)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is no reconciliation \"%s\"", FinopsQuoteForMessage(recon_id)),
				 errhint("A reconciliation is called RECON-YYYY-MM; SELECT recon_id FROM finops.recon_run lists them.")));
	return DatumGetDateADT(FinopsValue(0, 1, &isnull));
}

static char *
text_arg(FunctionCallInfo fcinfo, int argno)
{
	return PG_ARGISNULL(argno) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(argno));
}

/* An argument that must say something: 22004 for NULL, 22023 for blanks. */
static char *
required_text(FunctionCallInfo fcinfo, int argno, const char *name)
{
	char	   *value;

	FinopsRequireArg(fcinfo, argno, name);
	value = text_arg(fcinfo, argno);
	if (strspn(value, " \t\r\n") == strlen(value))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be empty", name)));
	return value;
}

/*
 * finops.resolve_recon(recon_id text, service text DEFAULT 'ALL',
 *						note text DEFAULT NULL) → text
 *
 * Marks a row of recon_summary as resolved under the rule of the head
 * comment; ALL marks every row of the reconciliation.  Returns the status of
 * the reconciliation gate.  Errors: 22004, 22023 unknown reconciliation or
 * service; 55000 exceptions without evidence, or a locked period.
 */
Datum
finops_resolve_recon(PG_FUNCTION_ARGS)
{
	char	   *recon_id = required_text(fcinfo, 0, "recon_id");
	char	   *service = required_text(fcinfo, 1, "service");
	char	   *note = text_arg(fcinfo, 2);
	FinopsSession session;
	DateADT		period;
	text	   *result;
	MemoryContext context = CurrentMemoryContext;
	char	   *status;

	FinopsBegin(&session);
	period = recon_period(recon_id);
	FinopsOpenPeriod(period);
	resolving_caller = session.caller;
	PG_TRY();
	{
		if (FINOPS_RUN("UPDATE @s@.recon_summary SET status = 'resolved', note = coalesce($3, note)"
					   " WHERE recon_id = $1 AND (service = $2 OR $2 = 'ALL')",
					   ARG_TEXT(recon_id), ARG_TEXT(service), ARG_TEXT(note)) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("%s has no row for service \"%s\"", recon_id, FinopsQuoteForMessage(service)),
					 errdetail("A service within tolerance has no row in recon_summary."),
					 errhint("SELECT service, status FROM recon_summary WHERE recon_id = '%s' lists them.", recon_id)));
	}
	PG_FINALLY();
	{
		resolving_caller = InvalidOid;
	}
	PG_END_TRY();
	status = FinopsGateStatus(period, FINOPS_GATE_RECONCILIATION, NULL);
	MemoryContextSwitchTo(context);
	result = cstring_to_text(status);
	FinopsEnd(&session);
	PG_RETURN_TEXT_P(result);
}

/*
 * finops.resolve_exception(exception_id text, cause text, adjusting_entry
 *							text, approver text, note text DEFAULT NULL)
 *
 * Writes down why an exception is accepted and what settles its amount, and
 * marks it resolved.  Errors: 22004, 22023 for a missing argument or an
 * unknown exception; 55000 for a locked period.
 */
Datum
finops_resolve_exception(PG_FUNCTION_ARGS)
{
	char	   *exception_id = required_text(fcinfo, 0, "exception_id");
	char	   *cause = required_text(fcinfo, 1, "cause");
	char	   *entry = required_text(fcinfo, 2, "adjusting_entry");
	char	   *approver = required_text(fcinfo, 3, "approver");
	FinopsSession session;
	char	   *recon_id;

	FinopsBegin(&session);
	if (FINOPS_RUN("SELECT recon_id FROM @s@.recon_exceptions WHERE exception_id = $1",
				   ARG_TEXT(exception_id)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is no exception \"%s\"", FinopsQuoteForMessage(exception_id)),
				 errhint("SELECT exception_id, description FROM recon_exceptions lists them; a new run numbers them anew.")));
	recon_id = FinopsText(0, 1);
	FinopsOpenPeriod(recon_period(recon_id));
	FINOPS_RUN("UPDATE @s@.recon_exceptions SET status = 'resolved', cause = $2,"
			   " adjusting_entry = $3, approver = $4, note = coalesce($5, note),"
			   " resolved_at = clock_timestamp() WHERE exception_id = $1",
			   ARG_TEXT(exception_id), ARG_TEXT(cause), ARG_TEXT(entry),
			   ARG_TEXT(approver), ARG_TEXT(text_arg(fcinfo, 4)));
	FINOPS_RUN("SELECT jsonb_build_object('recon_id', recon_id, 'cause', cause, 'amount', variance_usd,"
			   " 'adjusting_entry', adjusting_entry, 'approver', approver)::text"
			   " FROM @s@.recon_exceptions WHERE exception_id = $1", ARG_TEXT(exception_id));
	FinopsAudit(&session, "resolve_exception", "recon_exceptions", exception_id,
				FinopsText(0, 1));
	FinopsEnd(&session);
	PG_RETURN_VOID();
}

/*-------------------------------------------------------------------------
 *
 * close.c
 *	  The steps of the month close; the procedure that commits between them
 *	  stands in ops.sql.
 *
 *	  readiness → tags → allocation → reconciliation → documents → control →
 *	  issue
 *
 * A step does its work and says what it did; after its COMMIT a verdict says
 * whether the close goes on.  So a gate that is shut leaves its evidence, and
 * the caller gets the reason and the next call instead of an error.  Steps
 * call the public functions with the rights of the caller.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/invoice.h"
#include "ops/ops.h"

PG_FUNCTION_INFO_V1(finops_begin_close);
PG_FUNCTION_INFO_V1(finops_close_step);
PG_FUNCTION_INFO_V1(finops_close_verdict);
PG_FUNCTION_INFO_V1(finops_end_close);
PG_FUNCTION_INFO_V1(finops_open_periods);
PG_FUNCTION_INFO_V1(finops_close_reminders);

/* One step: the calls it makes, and the gate that says how it went. */
typedef struct CloseStep
{
	const char *name;
	const char *calls[2];
	int			gate;			/* -1: none */
} CloseStep;

static const CloseStep close_steps[] = {
	{"readiness", {NULL, NULL}, FINOPS_GATE_LOAD},
	{"tags", {"SELECT finops.validate_tags($1)", NULL}, FINOPS_GATE_TAGS},
	{"allocation", {"SELECT finops.allocate($1)", NULL}, FINOPS_GATE_ALLOCATION},
	{"reconciliation", {"SELECT finops.reconcile($1, 2)", NULL}, FINOPS_GATE_RECONCILIATION},
	{"documents", {"SELECT count(*) FROM finops.prepare_invoices($1)", NULL}, FINOPS_GATE_DOCUMENTS},
	{"control", {"SELECT finops.reconcile($1)", NULL}, FINOPS_GATE_RECONCILIATION},
	{"issue", {"SELECT count(*) FROM finops.issue_invoices($1)", "SELECT finops.lock_period($1)"}, FINOPS_GATE_DOCUMENTS},
};

static const CloseStep *
find_step(const char *name)
{
	for (int i = 0; i < (int) lengthof(close_steps); i++)
		if (strcmp(close_steps[i].name, name) == 0)
			return &close_steps[i];
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("there is no step \"%s\" in the close", FinopsQuoteForMessage(name))));
	return NULL;
}

static char *
close_lock_name(DateADT period)
{
	return psprintf("close %s", FinopsPeriodText(period));
}

static void
require_not_closed(DateADT period)
{
	if (FinopsPeriodIsLocked(period))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("billing period %s is already closed", FinopsPeriodText(period)),
				 errdetail("A closed month never changes."),
				 errhint("SELECT * FROM finops.verify_period(date '%s-01') checks that nothing changed since; corrections belong into the open month.",
						 FinopsPeriodText(period))));
}

/*
 * finops.begin_close(period date, provisional boolean): the arguments, then
 * the lock of the close; another session's close of the month is waited for.
 */
Datum
finops_begin_close(PG_FUNCTION_ARGS)
{
	DateADT		period = FinopsPeriodArg(fcinfo, 0);
	FinopsSession session;

	FinopsRequireArg(fcinfo, 1, "provisional");
	FinopsRequireWritable("finops.close_month()");
	FinopsCheckPeriodNotFuture(period);
	if (!PG_GETARG_BOOL(1) && !FinopsPeriodHasEnded(period))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("billing period %s has not ended", FinopsPeriodText(period)),
				 errhint("CALL finops.close_month(date '%s-01', provisional => true) closes it provisionally.",
						 FinopsPeriodText(period))));
	FinopsBegin(&session);
	(void) OpsHold(close_lock_name(period), true);
	require_not_closed(period);
	FinopsEnd(&session);
	PG_RETURN_VOID();
}

/* Checks readiness, keeps what it found and says in one line what matters. */
static char *
check_readiness(const FinopsSession *session, DateADT period)
{
	StringInfoData buf;
	StringInfoData values;
	int64		run_id;

	initStringInfo(&buf);
	initStringInfo(&values);
	OpsRunReadiness(period);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		char	   *next = FinopsText(i, 4);

		/* the bill, and what is worth a look */
		if (i == 0 || strcmp(FinopsText(i, 2), "ok") != 0)
			appendStringInfo(&buf, "%s%s", i > 0 ? ", " : "", FinopsText(i, 3));
		appendStringInfo(&values, "%s(%s, %s, %s, %s)", i > 0 ? ", " : "",
						 quote_literal_cstr(FinopsText(i, 1)), quote_literal_cstr(FinopsText(i, 2)),
						 quote_literal_cstr(FinopsText(i, 3)), next != NULL ? quote_literal_cstr(next) : "NULL");
	}
	run_id = FinopsStartRun(session, "readiness", period);
	FINOPS_RUN(psprintf("INSERT INTO finops.readiness_log (run_id, period_start, item, state, detail, next_call)"
						" SELECT $1, $2, v.* FROM (VALUES %s) AS v", values.data),
			   ARG_INT8(run_id), ARG_DATE(period));
	FinopsFinishRun(run_id, "completed", "{}");
	return buf.data;
}

/* Runs the calls of a step with the rights of the caller; the last answer. */
static char *
run_calls(const CloseStep *step, DateADT period)
{
	Oid			types[1] = {DATEOID};
	Datum		values[1] = {DateADTGetDatum(period)};
	char	   *answer = NULL;
	MemoryContext context = CurrentMemoryContext;

	for (int i = 0; i < (int) lengthof(step->calls) && step->calls[i] != NULL; i++)
	{
		char	   *text;

		if (SPI_connect() != SPI_OK_CONNECT)
			elog(ERROR, "SPI_connect failed");
		if (SPI_execute_with_args(step->calls[i], 1, types, values, NULL, false, 1) != SPI_OK_SELECT)
			elog(ERROR, "step \"%s\" returned no row", step->name);
		text = SPI_processed > 0 ?
			SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1) : NULL;
		answer = text != NULL ? MemoryContextStrdup(context, text) : NULL;
		SPI_finish();
	}
	return answer;
}

/*
 * finops.close_step(period date, step text) → text: does the work of a step
 * and describes it.
 */
Datum
finops_close_step(PG_FUNCTION_ARGS)
{
	DateADT		period = FinopsPeriodArg(fcinfo, 0);
	const CloseStep *step;
	MemoryContext context = CurrentMemoryContext;
	FinopsSession session;
	char	   *answer;
	char	   *status = NULL;
	char	   *detail = NULL;
	text	   *result;

	FinopsRequireArg(fcinfo, 1, "step");
	step = find_step(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	answer = run_calls(step, period);
	FinopsBegin(&session);
	if (step->gate == FINOPS_GATE_LOAD)
		status = check_readiness(&session, period);
	else
		status = FinopsGateStatus(period, (FinopsGate) step->gate, &detail);
	if (status == NULL)
		status = answer != NULL ? answer : "done";
	MemoryContextSwitchTo(context);
	result = cstring_to_text(detail != NULL ? psprintf("%s, %s", status, detail) : status);
	FinopsEnd(&session);
	PG_RETURN_TEXT_P(result);
}

/*
 * Why readiness stops the close; NULL when it does not.  A provisional close
 * accrues what is missing, but needs a bill that is what was delivered.
 */
static char *
readiness_verdict(DateADT period, bool provisional)
{
	OpsRunReadiness(period);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		char	   *item = FinopsText(i, 1);

		if (strcmp(FinopsText(i, 2), "blocked") != 0)
			continue;
		if (provisional && strcmp(item, "bill") != 0 && strcmp(item, "control total") != 0)
			continue;
		return psprintf("%s: %s. Next: %s", item, FinopsText(i, 3), FinopsText(i, 4));
	}
	return NULL;
}

/* Why the reconciliation stops the close; NULL when it does not. */
static char *
reconciliation_verdict(DateADT period)
{
	char	   *detail = NULL;
	char	   *status = FinopsGateStatus(period, FINOPS_GATE_RECONCILIATION, &detail);
	char	   *month = FinopsPeriodText(period);

	if (status != NULL && (strcmp(status, "ok") == 0 || strcmp(status, "resolved") == 0))
		return NULL;
	return psprintf("%s: %s. Next: SELECT * FROM recon_exceptions WHERE recon_id = 'RECON-%s';"
					" place the cost by a tag or a rule and CALL finops.close_month(date '%s-01') again,"
					" or settle it by finops.resolve_exception() and finops.resolve_recon('RECON-%s')",
					status != NULL ? status : "missing", detail != NULL ? detail : "", month, month, month);
}

/* A provisional close estimates the bills that are missing. */
static void
accrue_missing(const FinopsSession *session, DateADT period)
{
	int64		entries;

	FinopsOpenPeriod(period);
	entries = OpsAccrueMissing(session, period);
	if (entries == 0)
		return;
	FinopsClearGates(period, FINOPS_GATE_RECONCILIATION);
	FinopsAudit(session, "accrue_missing", "billing_period", FinopsPeriodText(period),
				psprintf("{\"entries\": %lld}", (long long) entries));
}

/*
 * finops.close_verdict(period date, step text, provisional boolean) → text:
 * why the close stops after this step, with the next call; NULL: it goes on.
 */
Datum
finops_close_verdict(PG_FUNCTION_ARGS)
{
	DateADT		period = FinopsPeriodArg(fcinfo, 0);
	const CloseStep *step;
	MemoryContext context = CurrentMemoryContext;
	FinopsSession session;
	char	   *verdict = NULL;
	text	   *result = NULL;

	FinopsRequireArg(fcinfo, 1, "step");
	FinopsRequireArg(fcinfo, 2, "provisional");
	step = find_step(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	FinopsBegin(&session);
	if (step->gate == FINOPS_GATE_LOAD)
	{
		verdict = readiness_verdict(period, PG_GETARG_BOOL(2));
		if (verdict == NULL && PG_GETARG_BOOL(2))
			accrue_missing(&session, period);
	}
	else if (step->gate == FINOPS_GATE_RECONCILIATION && !PG_GETARG_BOOL(2))
		verdict = reconciliation_verdict(period);
	MemoryContextSwitchTo(context);
	if (verdict != NULL)
		result = cstring_to_text(psprintf("%s: %s", step->name, verdict));
	FinopsEnd(&session);
	if (result == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(result);
}

static const char *
plural_s(const char *count)
{
	return strcmp(count, "1") == 0 ? "" : "s";
}

/* What a close that was not stopped has come to. */
static char *
describe_close(DateADT period, bool provisional)
{
	char	   *month = FinopsPeriodText(period);
	char	   *status;
	char	   *detail = NULL;
	char	   *from;

	FINOPS_RUN("SELECT count(*) FILTER (WHERE h.status IN ('issued', 'paid')),"
			   " count(*) FILTER (WHERE h.status = 'open'),"
			   " (SELECT l.hash_head FROM @s@.period_lock l WHERE l.period_start = $1)"
			   " FROM @s@.invoice_header h WHERE h.period_start = $1 AND h.kind = 'invoice'",
			   ARG_DATE(period));
	if (!provisional)
		return psprintf("closed %s: %s document%s issued, %s open, hash head %s", month,
						FinopsText(0, 1), plural_s(FinopsText(0, 1)),
						FinopsText(0, 2), FinopsText(0, 3));
	month = psprintf("%s: %s open document%s", month, FinopsText(0, 2),
					 plural_s(FinopsText(0, 2)));
	status = FinopsGateStatus(period, FINOPS_GATE_RECONCILIATION, &detail);
	from = FinopsPeriodHasEnded(period) ? "" :
		psprintf(" from %s-01 on", FinopsPeriodText(FinopsPeriodEnd(period)));
	return psprintf("provisional %s, reconciliation %s, %s. Next: CALL finops.close_month(date '%s-01')%s",
					month, status != NULL ? status : "missing", detail != NULL ? detail : "",
					FinopsPeriodText(period), from);
}

/*
 * finops.end_close(period date, provisional boolean, stopped text) → text:
 * the result of the close; writes the audit event and releases the lock.
 */
Datum
finops_end_close(PG_FUNCTION_ARGS)
{
	DateADT		period = FinopsPeriodArg(fcinfo, 0);
	MemoryContext context = CurrentMemoryContext;
	FinopsSession session;
	char	   *outcome;
	text	   *result;

	FinopsRequireArg(fcinfo, 1, "provisional");
	FinopsBegin(&session);
	/* the documents that could not be issued were told in what was undone */
	if (!PG_ARGISNULL(2) && strncmp(text_to_cstring(PG_GETARG_TEXT_PP(2)), "issue:", 6) == 0)
		InvoiceKeepFailures(period);
	outcome = PG_ARGISNULL(2) ? describe_close(period, PG_GETARG_BOOL(1)) :
		psprintf("stopped at %s", text_to_cstring(PG_GETARG_TEXT_PP(2)));
	FINOPS_RUN("SELECT jsonb_build_object('result', $1, 'provisional', $2)::text",
			   ARG_TEXT(outcome), ARG_BOOL(PG_GETARG_BOOL(1)));
	FinopsAudit(&session, "close_month", "billing_period", FinopsPeriodText(period),
				FinopsText(0, 1));
	OpsRelease(close_lock_name(period));
	MemoryContextSwitchTo(context);
	result = cstring_to_text(outcome);
	FinopsEnd(&session);
	PG_RETURN_TEXT_P(result);
}

/* A day for a question about time; NULL is today, UTC.  22023 outside 1900 … 9999. */
static FinopsArg
day_arg(FunctionCallInfo fcinfo, int argno)
{
	FinopsArg	today = {DATEOID, (Datum) 0, true};
	DateADT		day;

	if (PG_ARGISNULL(argno))
		return today;
	day = PG_GETARG_DATEADT(argno);
	FinopsCheckDay(day, "as_of");
	return ARG_DATE(day);
}

/* FinopsReturnRows is for rows; these are plain dates. */
static void
return_dates(FunctionCallInfo fcinfo)
{
	ReturnSetInfo *rsinfo;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	for (uint64 i = 0; i < SPI_processed; i++)
		tuplestore_puttuple(rsinfo->setResult, SPI_tuptable->vals[i]);
}

/*
 * finops.open_periods(as_of date DEFAULT NULL) → SETOF date: the month of
 * as_of and the one before, where they have facts and are not locked.
 */
Datum
finops_open_periods(PG_FUNCTION_ARGS)
{
	FinopsSession session;

	FinopsBegin(&session);
	FINOPS_RUN("SELECT m.period FROM (SELECT date_trunc('month',"
			   "  coalesce($1, (now() AT TIME ZONE 'UTC')::date)::timestamp) AS this) t,"
			   " LATERAL (VALUES ((t.this - interval '1 month')::date), (t.this::date)) AS m(period)"
			   " WHERE EXISTS (SELECT FROM @s@.fact_cost_raw f WHERE f.bill_billing_period_start_date = m.period)"
			   " AND NOT EXISTS (SELECT FROM @s@.period_lock l WHERE l.period_start = m.period AND l.state = 'LOCKED')"
			   " ORDER BY 1", day_arg(fcinfo, 0));
	return_dates(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

/*
 * finops.close_reminders(as_of date DEFAULT NULL)
 *	-> TABLE(billing_period date, days_since_end int, gate text, status text,
 *			 detail text, next_call text)
 *
 * Months with facts that have ended and are not closed, with the last gate
 * they passed.
 */
Datum
finops_close_reminders(PG_FUNCTION_ARGS)
{
	FinopsSession session;

	FinopsBegin(&session);
	FINOPS_RUN("SELECT c.billing_period, today.day - (c.billing_period + interval '1 month')::date,"
			   " g.gate, g.status, g.detail,"
			   " format('CALL finops.close_month(date %L)', c.billing_period::text)"
			   " FROM (SELECT coalesce($1, (now() AT TIME ZONE 'UTC')::date) AS day) today,"
			   " (SELECT DISTINCT d.billing_period FROM finops.cost_daily d) c"
			   " LEFT JOIN LATERAL (SELECT * FROM finops.period_gate p WHERE p.period_start = c.billing_period"
			   "  ORDER BY p.position DESC LIMIT 1) g ON true"
			   " WHERE (c.billing_period + interval '1 month')::date <= today.day"
			   " AND NOT EXISTS (SELECT FROM @s@.period_lock l WHERE l.period_start = c.billing_period AND l.state = 'LOCKED')"
			   " ORDER BY 1", day_arg(fcinfo, 0));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

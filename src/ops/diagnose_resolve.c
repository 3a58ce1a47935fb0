/*-------------------------------------------------------------------------
 *
 * diagnose_resolve.c
 *	  Calls that put findings of the diagnosis right, where they take several
 *	  calls of the rooms above.
 *
 * What they call runs with the rights of the caller, in one transaction: all
 * of it is done, or nothing.
 *
 *-------------------------------------------------------------------------
 */
#include "ops/ops.h"

#include "invoice/invoice.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(finops_reprocess_period);
PG_FUNCTION_INFO_V1(finops_reingest);
PG_FUNCTION_INFO_V1(finops_place_unallocated);
PG_FUNCTION_INFO_V1(finops_accept_recon);
PG_FUNCTION_INFO_V1(finops_emit_invoices);
PG_FUNCTION_INFO_V1(finops_settle_invoice);
PG_FUNCTION_INFO_V1(finops_tell_quota);
PG_FUNCTION_INFO_V1(finops_refresh_views);

/*
 * A query with the rights of the caller and a pinned search path; the first
 * value of its first row as text in the caller's context, NULL where there is
 * none.  With fcinfo its rows are what the function returns.
 */
static char *
call(FunctionCallInfo fcinfo, const char *sql, int nargs, const FinopsArg *args)
{
	MemoryContext context = CurrentMemoryContext;
	int			level = NewGUCNestLevel();
	Oid			types[4];
	Datum		values[4];
	char		nulls[5] = "";
	char	   *answer = NULL;
	int			rc;

	for (int i = 0; i < nargs; i++)
	{
		types[i] = args[i].type;
		values[i] = args[i].value;
		nulls[i] = args[i].isnull ? 'n' : ' ';
	}
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	rc = SPI_execute_with_args(sql, nargs, types, values, nulls, false, 0);
	if (rc < 0)
		elog(ERROR, "SPI_execute_with_args failed: %s", SPI_result_code_string(rc));
	if (fcinfo != NULL)
		FinopsReturnRows(fcinfo);
	else if (rc == SPI_OK_SELECT && SPI_processed > 0)
	{
		char	   *text = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);

		answer = text != NULL ? MemoryContextStrdup(context, text) : NULL;
	}
	SPI_finish();
	AtEOXact_GUC(false, level);
	return answer;
}

#define CALL(sql, ...) \
	call(NULL, sql, lengthof(((FinopsArg[]) {__VA_ARGS__})), (FinopsArg[]) {__VA_ARGS__})

/* One row (step, result) of the answer, where there is one. */
static void
report(FunctionCallInfo fcinfo, const char *step, const char *result)
{
	ReturnSetInfo *rsinfo;
	Datum		values[2];
	bool		nulls[2] = {false, result == NULL};

	if (fcinfo == NULL)
		return;
	rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	values[0] = CStringGetTextDatum(step);
	values[1] = result != NULL ? CStringGetTextDatum(result) : (Datum) 0;
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* Open documents of a month. */
static int64
open_documents(DateADT period)
{
	FinopsSession session;
	int64		n;

	FinopsBegin(&session);
	FINOPS_RUN("SELECT count(*) FROM @s@.invoice_header WHERE period_start = $1 AND status = 'open'", ARG_DATE(period));
	n = FinopsInt64(0, 1);
	FinopsEnd(&session);
	return n;
}

static void
reprocess(FunctionCallInfo fcinfo, DateADT period)
{
	bool		documents = open_documents(period) > 0;

	report(fcinfo, "tags", psprintf("run %s", CALL("SELECT finops.validate_tags($1)", ARG_DATE(period))));
	report(fcinfo, "allocation", psprintf("run %s", CALL("SELECT finops.allocate($1)", ARG_DATE(period))));
	if (documents)
		report(fcinfo, "documents", CALL("SELECT count(*) FROM finops.prepare_invoices($1)", ARG_DATE(period)));
	report(fcinfo, "reconciliation", CALL("SELECT finops.reconcile($1, $2)", ARG_DATE(period),
										ARG_INT4(documents || FinopsPeriodHasEnded(period) ? 4 : 2)));
}

/*
 * finops.reprocess_period(period date) → TABLE(step text, result text)
 *
 * Errors: 22004, 22023 for the period; what the steps raise, such as 55000
 * for a locked month.
 */
Datum
finops_reprocess_period(PG_FUNCTION_ARGS)
{
	DateADT		period = FinopsPeriodArg(fcinfo, 0);

	FinopsRequireWritable("finops.reprocess_period()");
	InitMaterializedSRF(fcinfo, 0);
	reprocess(fcinfo, period);
	return (Datum) 0;
}

/*
 * The call that loads a delivery, its month and whether that was allocated.
 * A bill that has not changed would not be loaded again, so its digest stops
 * standing for it; it is superseded by the load, in this transaction.
 */
static char *
load_call(int64 delivery_id, DateADT *period, bool *allocated)
{
	bool		isnull;
	MemoryContext context = CurrentMemoryContext;
	FinopsSession session;
	char	   *sql;

	FinopsBegin(&session);
	if (FINOPS_RUN("SELECT CASE WHEN d.format = 'generated' THEN (SELECT format('SELECT * FROM finops.generate_bill(%L, %s, %s, %s)',"
				   "   d.billing_period, m[1], m[2], m[3]) FROM regexp_match(d.address, 'line_items=(\\d+)&tenants=(\\d+)&seed=(\\d+)') AS m)"
				   "  ELSE format('SELECT * FROM finops.load_bill(%L, source_id => %L)', d.address, d.source) END, d.billing_period,"
				   " EXISTS (SELECT FROM finops.run r WHERE r.kind = 'allocate' AND r.period_start = d.billing_period) FROM finops.delivery d"
				   " WHERE d.delivery_id = $1 AND d.status = 'current' AND d.kind = 'bill' AND d.address IS NOT NULL",
				   ARG_INT8(delivery_id)) == 0 || FinopsText(0, 1) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("delivery " INT64_FORMAT " cannot be loaded again", delivery_id),
				 errdetail("It must be a bill that stands and has an address."),
				 errhint("SELECT delivery_id, address FROM finops.delivery WHERE status = 'current' AND kind = 'bill' lists them.")));
	sql = MemoryContextStrdup(context, FinopsText(0, 1));
	*period = DatumGetDateADT(FinopsValue(0, 2, &isnull));
	*allocated = DatumGetBool(FinopsValue(0, 3, &isnull));
	if (FINOPS_RUN("SELECT FROM finops.delivery d JOIN @s@.period_lock l ON l.period_start = d.billing_period AND l.state = 'LOCKED'"
				   " WHERE d.delivery_id = $1", ARG_INT8(delivery_id)) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the billing period of delivery " INT64_FORMAT " is locked", delivery_id),
				 errdetail("What is delivered late of a locked month are corrections of the open one."),
				 errhint("Run %s.", sql)));
	FINOPS_RUN("UPDATE finops.delivery SET digest = 'loaded again: ' || digest WHERE delivery_id = $1", ARG_INT8(delivery_id));
	FinopsEnd(&session);
	return sql;
}

/*
 * finops.reingest(delivery_id bigint) → the rows of finops.load_bill()
 *
 * Errors: 22004; 22023 for a delivery that does not stand or has no address;
 * 55000 for a locked month; what the load raises.
 */
Datum
finops_reingest(PG_FUNCTION_ARGS)
{
	DateADT		period;
	bool		allocated;

	FinopsRequireArg(fcinfo, 0, "delivery_id");
	FinopsRequireWritable("finops.reingest()");
	(void) call(fcinfo, load_call(PG_GETARG_INT64(0), &period, &allocated), 0, NULL);
	if (allocated)
		reprocess(NULL, period);
	return (Datum) 0;
}

/*
 * finops.place_unallocated(period date, service text) → TABLE(step, result)
 *
 * Errors: as reprocess_period, and what add_allocation_rule() raises.
 */
Datum
finops_place_unallocated(PG_FUNCTION_ARGS)
{
	DateADT		period = FinopsPeriodArg(fcinfo, 0);
	char	   *service = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
	char	   *rule = psprintf("placed-%s%s%s", FinopsPeriodText(period), service != NULL ? "-" : "", service != NULL ? service : "");
	char	   *version;

	FinopsRequireWritable("finops.place_unallocated()");
	InitMaterializedSRF(fcinfo, 0);
	version = CALL("SELECT finops.add_allocation_rule($1, 'proportional', $2, effective_to => ($2 + interval '1 month')::date,"
				   " service_match => $3, priority => 1000000, notes => 'cost that no other rule places')",
				   ARG_TEXT(rule), ARG_DATE(period), ARG_TEXT(service));
	report(fcinfo, "rule", psprintf("%s, version %s", rule, version));
	reprocess(fcinfo, period);
	return (Datum) 0;
}

/*
 * finops.accept_recon(recon_id text, cause text, approver text) → text
 *
 * Errors: 22004; 22023 an unknown reconciliation; what resolve_exception()
 * and resolve_recon() raise.
 */
Datum
finops_accept_recon(PG_FUNCTION_ARGS)
{
	static const char *const name[] = {"recon_id", "cause", "approver"};
	MemoryContext context = CurrentMemoryContext;
	FinopsSession session;
	char	   *arg[3];
	char	  **ids;
	uint64		n;

	for (int i = 0; i < 3; i++)
	{
		FinopsRequireArg(fcinfo, i, name[i]);
		arg[i] = text_to_cstring(PG_GETARG_TEXT_PP(i));
	}
	FinopsRequireWritable("finops.accept_recon()");
	FinopsBegin(&session);
	n = FINOPS_RUN("SELECT exception_id FROM @s@.recon_exceptions WHERE recon_id = $1 AND severity <> 'info' AND status = 'open'"
				   " ORDER BY 1", ARG_TEXT(arg[0]));
	ids = MemoryContextAlloc(context, sizeof(char *) * Max(n, 1));
	for (uint64 i = 0; i < n; i++)
		ids[i] = MemoryContextStrdup(context, FinopsText(i, 1));
	FinopsEnd(&session);
	for (uint64 i = 0; i < n; i++)
		(void) CALL("SELECT finops.resolve_exception($1, $2, 'none: accepted as it is', $3)",
					ARG_TEXT(ids[i]), ARG_TEXT(arg[1]), ARG_TEXT(arg[2]));
	PG_RETURN_TEXT_P(cstring_to_text(CALL("SELECT finops.resolve_recon($1, 'ALL', $2)", ARG_TEXT(arg[0]), ARG_TEXT(arg[1]))));
}

/* Whether the documents of the month can be issued now. */
static bool
may_issue(DateADT period)
{
	FinopsSession session;
	char	   *status;
	bool		open;

	if (!FinopsPeriodHasEnded(period))
		return false;
	FinopsBegin(&session);
	status = FinopsGateStatus(period, FINOPS_GATE_RECONCILIATION, NULL);
	open = status != NULL && (strcmp(status, "ok") == 0 || strcmp(status, "resolved") == 0);
	FinopsEnd(&session);
	return open;
}

/*
 * finops.emit_invoices(period date, tenant_id text, fix text)
 *	→ TABLE(step text, result text)
 *
 * Errors: 22004, 22023 for the period; what the steps raise.
 */
Datum
finops_emit_invoices(PG_FUNCTION_ARGS)
{
	DateADT		period = FinopsPeriodArg(fcinfo, 0);
	FinopsSession session;
	FinopsArg	tenant;

	FinopsRequireWritable("finops.emit_invoices()");
	tenant = ARG_TEXT(PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1)));
	InitMaterializedSRF(fcinfo, 0);
	if (!PG_ARGISNULL(2))
		report(fcinfo, "fix", call(NULL, text_to_cstring(PG_GETARG_TEXT_PP(2)), 0, NULL));
	report(fcinfo, "documents", CALL("SELECT count(*) FROM finops.prepare_invoices($1, $2)", ARG_DATE(period), tenant));
	FinopsBegin(&session);
	FINOPS_RUN("DELETE FROM finops.invoice_failure WHERE period_start = $1 AND tenant_id = $2", ARG_DATE(period), tenant);
	FinopsEnd(&session);
	report(fcinfo, "reconciliation", CALL("SELECT finops.reconcile($1)", ARG_DATE(period)));
	if (may_issue(period))
		report(fcinfo, "issue", CALL("SELECT string_agg(invoice_number, ', ') FROM finops.issue_invoices($1, $2)", ARG_DATE(period), tenant));
	else
		report(fcinfo, "issue", "not yet: the month has not ended, or its reconciliation is not ok");
	return (Datum) 0;
}

/*
 * finops.settle_invoice(invoice_id text) → text
 *
 * Errors: 22004; P0002.
 */
Datum
finops_settle_invoice(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	MemoryContext context = CurrentMemoryContext;
	char	   *id;
	text	   *status;

	FinopsRequireArg(fcinfo, 0, "invoice_id");
	FinopsRequireWritable("finops.settle_invoice()");
	id = text_to_cstring(PG_GETARG_TEXT_PP(0));
	FinopsBegin(&session);
	if (FINOPS_RUN("SELECT FROM @s@.invoice_header WHERE invoice_id = $1 FOR UPDATE", ARG_TEXT(id)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("there is no invoice \"%s\"", FinopsQuoteForMessage(id))));
	InvoiceSettle(id, ARG_DATUM(TIMESTAMPTZOID, TimestampTzGetDatum(GetCurrentTimestamp()), false));
	FINOPS_RUN("SELECT status FROM @s@.invoice_header WHERE invoice_id = $1", ARG_TEXT(id));
	MemoryContextSwitchTo(context);
	status = cstring_to_text(FinopsText(0, 1));
	FinopsAudit(&session, "invoice_settle", "invoice", id, "{}");
	FinopsEnd(&session);
	PG_RETURN_TEXT_P(status);
}

/*
 * finops.tell_quota(tenant_id text, metric_code text, period date) → text
 *
 * Errors: 22004, 22023 for the period; P0002 an unknown tenant; what
 * refresh_usage() raises.
 */
Datum
finops_tell_quota(PG_FUNCTION_ARGS)
{
	DateADT		period = FinopsPeriodArg(fcinfo, 2);
	FinopsSession session;
	FinopsArg	tenant;
	FinopsArg	metric;
	char	   *told;

	FinopsRequireArg(fcinfo, 0, "tenant_id");
	FinopsRequireArg(fcinfo, 1, "metric_code");
	FinopsCheckPeriodNotFuture(period);
	FinopsRequireWritable("finops.tell_quota()");
	tenant = ARG_TEXT(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	metric = ARG_TEXT(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	FinopsBegin(&session);
	InvoiceRequireTenant(TextDatumGetCString(tenant.value));
	FinopsEnd(&session);
	(void) CALL("SELECT finops.refresh_usage($1)", ARG_DATE(period));
	told = CALL("SELECT finops.notify_tenants($1, $2, $3)", ARG_DATE(period), tenant, metric);
	PG_RETURN_TEXT_P(cstring_to_text(strcmp(told, "0") == 0 ? "the cap is not reached, or the tenant was told" : "the tenant is told"));
}

/* Materialized views over relations of the extension, directly or through views. */
static const char *const views_sql =
	"WITH RECURSIVE reader AS (SELECT d.refobjid AS relation FROM (SELECT e.objid AS refobjid FROM pg_depend e JOIN pg_extension x"
	"   ON x.oid = e.refobjid AND x.extname = 'finops' WHERE e.classid = 'pg_class'::regclass AND e.refclassid = 'pg_extension'::regclass AND e.deptype = 'e') d"
	"  UNION SELECT r.ev_class FROM reader JOIN pg_depend d ON d.refobjid = reader.relation AND d.refclassid = 'pg_class'::regclass"
	"   AND d.classid = 'pg_rewrite'::regclass JOIN pg_rewrite r ON r.oid = d.objid)"
	" SELECT format('%I.%I', n.nspname, c.relname) FROM reader JOIN pg_class c ON c.oid = reader.relation AND c.relkind = 'm'"
	" JOIN pg_namespace n ON n.oid = c.relnamespace ORDER BY c.oid";

/*
 * finops.refresh_views() → TABLE(view_name text, seconds numeric)
 *
 * Errors: what REFRESH MATERIALIZED VIEW raises, such as 42501 for a view
 * that is not the caller's.
 */
Datum
finops_refresh_views(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	MemoryContext context = CurrentMemoryContext;
	char	  **names;
	uint64		n;

	FinopsRequireWritable("finops.refresh_views()");
	InitMaterializedSRF(fcinfo, 0);
	FinopsBegin(&session);
	n = FINOPS_RUN0(views_sql);
	names = MemoryContextAlloc(context, sizeof(char *) * Max(n, 1));
	for (uint64 i = 0; i < n; i++)
		names[i] = MemoryContextStrdup(context, FinopsText(i, 1));
	FinopsEnd(&session);
	for (uint64 i = 0; i < n; i++)
	{
		ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
		TimestampTz started = GetCurrentTimestamp();
		Datum		values[2];
		bool		nulls[2] = {false, false};

		(void) call(NULL, psprintf("REFRESH MATERIALIZED VIEW %s", names[i]), 0, NULL);
		values[0] = CStringGetTextDatum(names[i]);
		values[1] = DirectFunctionCall3(numeric_in, CStringGetDatum(psprintf("%.3f", (double) (GetCurrentTimestamp() - started) / USECS_PER_SEC)),
										ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		FinopsBegin(&session);
		FINOPS_RUN("INSERT INTO finops.view_refresh (view_name, refreshed_by) VALUES ($1, $2)"
				   " ON CONFLICT (view_name) DO UPDATE SET refreshed_at = clock_timestamp(), refreshed_by = EXCLUDED.refreshed_by",
				   ARG_TEXT(names[i]), ARG_TEXT(FinopsCallerName(&session)));
		FinopsEnd(&session);
	}
	return (Datum) 0;
}

/*-------------------------------------------------------------------------
 *
 * alert_query.c
 *	  The query of an alert policy, which somebody else wrote.
 *
 * It runs in a subtransaction that is read-only, with the rights of its owner
 * and as a security-restricted operation, with the settings that change the
 * meaning of a statement pinned, and no longer than finops.alert_timeout.
 * Whatever it raises ends it alone.
 *
 *-------------------------------------------------------------------------
 */
#include "budget/alert.h"

#include "executor/tstoreReceiver.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "utils/plancache.h"
#include "utils/resowner.h"
#include "utils/timeout.h"

#define WRAPPED \
	"SELECT pg_catalog.left(coalesce(q.scope::text, ''), 500) AS scope, nullif(q.value::numeric, 'NaN') AS value," \
	" coalesce(q.detail::jsonb, '{}') AS detail" \
	" FROM (\n%s\n) AS q"

/* Row security is what its owner is subject to. */
static const char *const query_settings[][2] = {
	{"search_path", "pg_catalog, pg_temp"},
	{"row_security", "on"},
	{"standard_conforming_strings", "on"},
	{"DateStyle", "ISO, YMD"},
	{"IntervalStyle", "postgres"},
	{"TimeZone", "UTC"},
	{"jit", "off"},
};

static TimeoutId query_timeout = MAX_TIMEOUTS;
static volatile sig_atomic_t query_took_too_long;

/* A statement that is cancelled: the flag tells by whom. */
static void
on_timeout(void)
{
	query_took_too_long = true;
	InterruptPending = true;
	QueryCancelPending = true;
	SetLatch(MyLatch);
}

static void
become(Oid role)
{
	Oid			user;
	int			sec_context;

	GetUserIdAndSecContext(&user, &sec_context);
	SetUserIdAndSecContext(role, sec_context | SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION);
	for (size_t i = 0; i < lengthof(query_settings); i++)
		(void) set_config_option(query_settings[i][0], query_settings[i][1],
								 PGC_SUSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

/* Parentheses in a query could make several statements of it. */
static SPIPlanPtr
prepare(const char *query)
{
	SPIPlanPtr	plan = SPI_prepare_cursor(psprintf(WRAPPED, query), 0, NULL, CURSOR_OPT_PARALLEL_OK);

	if (plan == NULL)
		elog(ERROR, "could not prepare: %s", SPI_result_code_string(SPI_result));
	if (list_length(SPI_plan_get_plan_sources(plan)) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR), errmsg("it is more than one statement")));
	return plan;
}

static void
run(const char *query, AlertRows *result, MemoryContext context)
{
	SPIExecuteOptions options = {0};
	SPIPlanPtr	plan = prepare(query);
	CachedPlanSource *source;
	MemoryContext old;
	int			rc;

	source = (CachedPlanSource *) linitial(SPI_plan_get_plan_sources(plan));
	old = MemoryContextSwitchTo(context);
	result->tupdesc = CreateTupleDescCopy(source->resultDesc);
	MemoryContextSwitchTo(old);
	options.dest = CreateTuplestoreDestReceiver();
	SetTuplestoreDestReceiverParams(options.dest, result->store, context, true, NULL, NULL);
	rc = SPI_execute_plan_extended(plan, &options);
	if (rc < 0)
		elog(ERROR, "SPI_execute_plan_extended failed: %s", SPI_result_code_string(rc));
	result->rows = SPI_processed;
}

/*
 * The sub-transaction may be rolled back: what it leaves is in the caller's
 * context, and the store's files belong to the caller's resource owner.
 */
AlertRows
AlertObserve(const char *query, Oid role)
{
	AlertRows	result = {0};
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	Oid			user;
	int			sec_context;

	if (query_timeout == MAX_TIMEOUTS)
		query_timeout = RegisterTimeout(USER_TIMEOUT, on_timeout);
	result.store = tuplestore_begin_heap(true, false, work_mem);
	GetUserIdAndSecContext(&user, &sec_context);
	query_took_too_long = false;
	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		int			guc_level = NewGUCNestLevel();

		become(role);
		XactReadOnly = true;
		if (SPI_connect() != SPI_OK_CONNECT)
			elog(ERROR, "SPI_connect failed");
		enable_timeout_after(query_timeout, finops_alert_timeout * 1000);
		run(query, &result, context);
		disable_timeout(query_timeout, false);
		/* a time that ran out just now ends the query, not what follows it */
		CHECK_FOR_INTERRUPTS();
		if (SPI_finish() != SPI_OK_FINISH)
			elog(ERROR, "SPI_finish failed");
		/* what the query set goes with it: the session is somebody else's */
		AtEOXact_GUC(false, guc_level);
		SetUserIdAndSecContext(user, sec_context);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		disable_timeout(query_timeout, false);
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		CurrentResourceOwner = owner;
		if (error->sqlerrcode == ERRCODE_QUERY_CANCELED && !query_took_too_long)
			ReThrowError(error);
		/* it failed as its time ran out: nothing is left to be cancelled */
		if (query_took_too_long)
		{
			QueryCancelPending = false;
			result.error = psprintf("%s: it took longer than %d s",
									unpack_sql_state(ERRCODE_QUERY_CANCELED), finops_alert_timeout);
		}
		else
			result.error = psprintf("%s: %s", unpack_sql_state(error->sqlerrcode), error->message);
		tuplestore_clear(result.store);
		result.rows = 0;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return result;
}

void
AlertTryQuery(const char *policy, const char *query, Oid role)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	/* what it parses to is thrown away with the subtransaction */
	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		(void) NewGUCNestLevel();
		become(role);
		if (SPI_connect() != SPI_OK_CONNECT)
			elog(ERROR, "SPI_connect failed");
		(void) prepare(query);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
	}
	PG_END_TRY();
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	if (error == NULL)
		return;
	if (error->sqlerrcode == ERRCODE_QUERY_CANCELED)
		ReThrowError(error);
	ereport(ERROR,
			(errcode(error->sqlerrcode),
			 errmsg("the query of alert policy \"%s\" cannot be used: %s",
					FinopsQuoteForMessage(policy), error->message),
			 errdetail("It must return scope text, value numeric and detail jsonb, one row for each object that is watched, and qualify every name that is not of pg_catalog."),
			 errhint("SELECT t.budget_id AS scope, t.actual_usd AS value, '{}'::jsonb AS detail FROM public.budget_master AS t")));
}

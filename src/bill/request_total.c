/*-------------------------------------------------------------------------
 *
 * request_total.c
 *	  Totals of requests and queries that never fall.
 *
 * A monitoring system wants counters, and the rows that would be counted are
 * deleted after some time.  So a deletion adds its rows to a total, and what
 * is read is that total and the rows that are left.  No trigger counts
 * insertions: they would be counted again by the restore of a dump.
 *
 * Counting millions of requests at each look would take too long.
 * finops.count_requests() adds those up to a row number to the total, which
 * from then on stand for themselves.  It must not overlook one with a smaller
 * number whose transaction has not committed: a share lock makes sure that
 * there is none, and is not waited for, as writers would queue behind it.
 *
 *-------------------------------------------------------------------------
 */
#include "core/core.h"

#include "bill/aws_api.h"
#include "catalog/namespace.h"
#include "commands/trigger.h"
#include "storage/lmgr.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(finops_request_api);
PG_FUNCTION_INFO_V1(finops_request_status);
PG_FUNCTION_INFO_V1(finops_request_throttled);
PG_FUNCTION_INFO_V1(finops_count_requests);
PG_FUNCTION_INFO_V1(finops_athena_scan_cost);
PG_FUNCTION_INFO_V1(finops_athena_cost);
PG_FUNCTION_INFO_V1(finops_keep_request_total);
PG_FUNCTION_INFO_V1(finops_keep_athena_total);

/* Requests that are not in the total yet, into it; in one order, so that nobody waits in a ring. */
#define ADD_REQUESTS(rows, counted_to) \
	"INSERT INTO finops.request_total AS t (api, status, requests, throttled, response_ms," \
	" counted_to)" \
	" SELECT finops.request_api(r.endpoint), finops.request_status(r.status_code), count(*)," \
	" count(*) FILTER (WHERE finops.request_throttled(r.status_code, r.error_code))," \
	" sum(r.response_time_ms), " counted_to \
	" FROM " rows " r, (SELECT coalesce(max(counted_to), 0) AS counted FROM finops.request_total) k" \
	" WHERE r.id > k.counted GROUP BY 1, 2, k.counted ORDER BY 1, 2" \
	" ON CONFLICT (api, status) DO UPDATE SET requests = t.requests + EXCLUDED.requests," \
	" throttled = t.throttled + EXCLUDED.throttled, response_ms = t.response_ms +" \
	" EXCLUDED.response_ms," \
	" counted_to = greatest(t.counted_to, EXCLUDED.counted_to)"

#define ADD_QUERIES(rows) \
	"INSERT INTO finops.athena_total AS t (status, queries, execution_ms, scanned_bytes," \
	" scan_cost_usd)" \
	" SELECT r.status, count(*), coalesce(sum(r.execution_time_millis), 0)," \
	" coalesce(sum(r.data_scanned_in_bytes), 0)," \
	" sum(finops.athena_scan_cost(r.status, r.data_scanned_in_bytes, r.scan_cost_usd))" \
	" FROM " rows " r WHERE r.status IN ('SUCCEEDED', 'FAILED', 'CANCELLED') GROUP BY 1 ORDER BY 1" \
	" ON CONFLICT (status) DO UPDATE SET queries = t.queries + EXCLUDED.queries," \
	" execution_ms = t.execution_ms + EXCLUDED.execution_ms, scanned_bytes = t.scanned_bytes +" \
	" EXCLUDED.scanned_bytes," \
	" scan_cost_usd = t.scan_cost_usd + EXCLUDED.scan_cost_usd"

static bool
contains(const text *haystack, const char *needle)
{
	const char *p = VARDATA_ANY(haystack);
	size_t		len = strlen(needle);

	for (size_t left = VARSIZE_ANY_EXHDR(haystack); left >= len; left--, p++)
		if (memcmp(p, needle, len) == 0)
			return true;
	return false;
}

/* finops.request_api(endpoint text) returns text: dashboard, athena or cost-explorer, also for NULL. */
Datum
finops_request_api(PG_FUNCTION_ARGS)
{
	static const char athena[] = "AmazonAthena.";
	text	   *endpoint;

	if (PG_ARGISNULL(0))
		PG_RETURN_TEXT_P(cstring_to_text("cost-explorer"));
	endpoint = PG_GETARG_TEXT_PP(0);
	if (contains(endpoint, "/"))
		PG_RETURN_TEXT_P(cstring_to_text("dashboard"));
	if (VARSIZE_ANY_EXHDR(endpoint) >= strlen(athena) &&
		memcmp(VARDATA_ANY(endpoint), athena, strlen(athena)) == 0)
		PG_RETURN_TEXT_P(cstring_to_text("athena"));
	PG_RETURN_TEXT_P(cstring_to_text("cost-explorer"));
}

/* finops.request_status(status_code integer) returns text: few values, whatever is written. */
Datum
finops_request_status(PG_FUNCTION_ARGS)
{
	int32		status;

	if (PG_ARGISNULL(0))
		PG_RETURN_TEXT_P(cstring_to_text("none"));
	status = PG_GETARG_INT32(0);
	if (status < 100 || status > 599)
		PG_RETURN_TEXT_P(cstring_to_text("other"));
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("%d", status)));
}

/* finops.request_throttled(status_code integer, error_code text) returns boolean, never NULL. */
Datum
finops_request_throttled(PG_FUNCTION_ARGS)
{
	text	   *code = PG_ARGISNULL(1) ? NULL : PG_GETARG_TEXT_PP(1);

	if (!PG_ARGISNULL(0) && PG_GETARG_INT32(0) == 429)
		PG_RETURN_BOOL(true);
	PG_RETURN_BOOL(code != NULL && (contains(code, "Throttl") || contains(code, "TooManyRequests") ||
									contains(code, "LimitExceeded")));
}

static Numeric
numeric_of(const char *text)
{
	return DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(text),
											   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
}

/*
 * finops.athena_scan_cost(status, scanned_bytes, scan_cost_usd, usd_per_tb)
 * returns numeric, never NULL.  A price that is given counts for all.
 */
Datum
finops_athena_scan_cost(PG_FUNCTION_ARGS)
{
	char	   *status = PG_ARGISNULL(0) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(0));
	Numeric		price;
	Datum		cost;

	if (!PG_ARGISNULL(2) && PG_ARGISNULL(3))
		PG_RETURN_NUMERIC(PG_GETARG_NUMERIC(2));
	if (PG_ARGISNULL(1) || (status != NULL && strcmp(status, "FAILED") == 0))
		PG_RETURN_NUMERIC(numeric_of("0"));
	price = PG_ARGISNULL(3) ? numeric_of(finops_athena_price_per_tb) : PG_GETARG_NUMERIC(3);
	cost = DirectFunctionCall2(numeric_mul, PG_GETARG_DATUM(1), NumericGetDatum(price));
	PG_RETURN_DATUM(DirectFunctionCall2(numeric_div, cost, NumericGetDatum(numeric_of("1099511627776"))));
}

static bool
is_price(Datum price)
{
	if (numeric_is_nan(DatumGetNumeric(price)) || numeric_is_inf(DatumGetNumeric(price)))
		return false;
	return DatumGetBool(DirectFunctionCall2(numeric_ge, price, NumericGetDatum(numeric_of("0"))));
}

/*
 * finops.athena_cost(since interval, usd_per_tb numeric)
 *	-> TABLE(day date, queries bigint, gb_scanned numeric, cost_usd numeric)
 *
 * Errors: 22004; 22023 for a time or a price below 0.
 */
Datum
finops_athena_cost(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	FinopsArg	since;
	FinopsArg	price = {NUMERICOID, (Datum) 0, PG_ARGISNULL(1)};

	if (!price.isnull)
		price.value = PG_GETARG_DATUM(1);
	FinopsRequireArg(fcinfo, 0, "since");
	since = FinopsKeepArg(fcinfo, 0);
	if (!price.isnull && !is_price(price.value))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("usd_per_tb must be a price"),
				 errhint("Leave it out for finops.athena_price_per_tb.")));
	FinopsBegin(&session);
	FINOPS_RUN("SELECT timezone('UTC', q.creation_time)::date, count(*),"
			   " coalesce(sum(q.data_scanned_in_bytes), 0) / 1073741824,"
			   " sum(finops.athena_scan_cost(q.status, q.data_scanned_in_bytes, q.scan_cost_usd, $2))"
			   " FROM @s@.athena_query_executions q WHERE q.creation_time > now() - $1 AND isfinite(q.creation_time)"
			   " GROUP BY 1 ORDER BY 1", since, price);
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

/* finops.count_requests() returns bigint.  Errors: 25006 in a read-only transaction. */
Datum
finops_count_requests(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	Oid			relation;
	int64		n = 0;

	FinopsRequireWritable("finops.count_requests()");
	FinopsBegin(&session);
	relation = get_relname_relid("api_metrics", FINOPS_EXTENSION_SCHEMA(get_extension_oid("finops",
	false)));
	/* a transaction with an older snapshot does not see who committed before the lock */
	if (!IsolationUsesXactSnapshot() && ConditionalLockRelationOid(relation, ShareLock))
	{
		FINOPS_RUN0("SELECT count(*) FROM @s@.api_metrics m"
					" WHERE m.id > (SELECT coalesce(max(counted_to), 0) FROM finops.request_total)");
		n = FinopsInt64(0, 1);
		if (n > 0)
			FINOPS_RUN0(ADD_REQUESTS("@s@.api_metrics", "(SELECT max(id) FROM @s@.api_metrics)"));
	}
	FinopsEnd(&session);
	PG_RETURN_INT64(n);
}

/* Rows that a statement removed: its transition table, or the table before it is emptied. */
static void
keep(FunctionCallInfo fcinfo, const char *removed, const char *all)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	FinopsSession session;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("this function is a trigger")));
	FinopsBegin(&session);
	if (TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event))
		FINOPS_RUN0(all);
	else
	{
		if (SPI_register_trigger_data(trigger) != SPI_OK_TD_REGISTER)
			elog(ERROR, "SPI_register_trigger_data failed");
		FINOPS_RUN0(removed);
	}
	FinopsEnd(&session);
}

/* Of api_metrics: removed rows that are not counted yet. */
Datum
finops_keep_request_total(PG_FUNCTION_ARGS)
{
	keep(fcinfo, ADD_REQUESTS("old_rows", "k.counted"), ADD_REQUESTS("@s@.api_metrics", "k.counted"));
	return PointerGetDatum(NULL);
}

/* Of athena_query_executions. */
Datum
finops_keep_athena_total(PG_FUNCTION_ARGS)
{
	keep(fcinfo, ADD_QUERIES("old_rows"), ADD_QUERIES("@s@.athena_query_executions"));
	return PointerGetDatum(NULL);
}

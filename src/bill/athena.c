/*-------------------------------------------------------------------------
 *
 * athena.c
 *	  Queries in Amazon Athena: running one, and the history of all.
 *
 * A query is started with a token, so that a repeated request does not start
 * it twice, asked after with growing pauses, and its rows are fetched page by
 * page.  When the statement ends before the query does, by a cancel or an
 * error, the query is told to stop: what it still scans would be paid for.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/aws_api.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/fmgrprotos.h"

#define WHO				"Athena"
#define FIRST_PAUSE		100		/* ms */
#define LONGEST_PAUSE	5000
#define STOP_WITHIN		1000
#define MAX_QUERY		262144	/* bytes, a limit of the service */

typedef struct AthenaRun
{
	ApiMeter	meter;
	MemoryContext context;
	char	   *workgroup;
	char	   *id;				/* QueryExecutionId, once started */
	Jsonb	   *execution;		/* QueryExecution, as last seen */
	bool		ended;
} AthenaRun;

static Jsonb *
call(ApiMeter *meter, const char *action, const char *body)
{
	return ApiCall(meter, "athena", NULL, psprintf("AmazonAthena.%s", action), body, WHO);
}

/* A JSON object without its null members, from the result of a query. */
static char *
json_text(void)
{
	return FinopsText(0, 1);
}

pg_noreturn static void
raise_answer(const char *action, const char *member)
{
	ereport(ERROR,
			(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
			 errmsg("the answer of %s is not understood", WHO),
			 errdetail("That to %s has no %s.", action, member)));
}

/* ---------------------------------------------------------------------
 * What a query may scan
 * ---------------------------------------------------------------------
 */

/*
 * How much a query scans is known when it has.  The workgroup can cut it off;
 * with finops.athena_scan_limit it has to, at that size or below.
 */
static void
check_scan_limit(AthenaRun *run)
{
	int64		limit = (int64) finops_athena_scan_limit * 1024 * 1024;
	Jsonb	   *answer;
	char	   *cutoff;

	if (limit == 0)
		return;
	FINOPS_RUN("SELECT jsonb_build_object('WorkGroup', $1)::text", ARG_TEXT(run->workgroup));
	answer = call(&run->meter, "GetWorkGroup", json_text());
	cutoff = FinopsJsonText(answer, "WorkGroup", "Configuration", "BytesScannedCutoffPerQuery", NULL);
	if (cutoff == NULL || strtoll(cutoff, NULL, 10) > limit)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("workgroup \"%s\" lets a query scan more than finops.athena_scan_limit",
						FinopsQuoteForMessage(run->workgroup)),
				 cutoff == NULL ? errdetail("It has no limit per query.") :
				 errdetail("Its limit per query is %s bytes, that of the setting " INT64_FORMAT ".", cutoff, limit),
				 errhint("Set BytesScannedCutoffPerQuery of the workgroup to " INT64_FORMAT " or less, or name another workgroup.",
						 limit)));
}

/* ---------------------------------------------------------------------
 * One query
 * ---------------------------------------------------------------------
 */

static char *
new_token(void)
{
	char		bytes[20];
	char	   *token = palloc(2 * sizeof(bytes) + 1);

	if (!pg_strong_random(bytes, sizeof(bytes)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random numbers")));
	token[hex_encode(bytes, sizeof(bytes), token)] = '\0';
	return token;
}

static void
start_query(AthenaRun *run, const char *sql, const char *database, const char *output)
{
	Jsonb	   *answer;

	FINOPS_RUN("SELECT (jsonb_build_object('QueryString', $1, 'WorkGroup', $2, 'ClientRequestToken', $3)"
			   " || CASE WHEN $4 IS NULL THEN '{}' ELSE jsonb_build_object('QueryExecutionContext', jsonb_build_object('Database', $4)) END"
			   " || CASE WHEN $5 IS NULL THEN '{}' ELSE jsonb_build_object('ResultConfiguration', jsonb_build_object('OutputLocation', $5)) END)::text",
			   ARG_TEXT(sql), ARG_TEXT(run->workgroup), ARG_TEXT(new_token()),
			   ARG_TEXT(database), ARG_TEXT(output));
	answer = call(&run->meter, "StartQueryExecution", json_text());
	run->id = FinopsJsonText(answer, "QueryExecutionId", NULL);
	if (run->id == NULL)
		raise_answer("StartQueryExecution", "QueryExecutionId");
}

/* Ask after the query until it has ended. */
static const char *
wait_for_query(AthenaRun *run)
{
	int			pause = FIRST_PAUSE;
	char	   *body;

	FINOPS_RUN("SELECT jsonb_build_object('QueryExecutionId', $1)::text", ARG_TEXT(run->id));
	body = json_text();
	for (;;)
	{
		Jsonb	   *answer = call(&run->meter, "GetQueryExecution", body);
		char	   *state = FinopsJsonText(answer, "QueryExecution", "Status", "State", NULL);

		run->execution = FinopsJsonMember(answer, "QueryExecution");
		if (state == NULL || run->execution == NULL)
			raise_answer("GetQueryExecution", "State");
		run->ended = strcmp(state, "QUEUED") != 0 && strcmp(state, "RUNNING") != 0;
		if (run->ended)
			return state;
		ApiWaitUntil(TimestampTzPlusMilliseconds(GetCurrentTimestamp(), pause));
		pause = Min(pause * 2, LONGEST_PAUSE);
	}
}

/*
 * While an error is being handled: one attempt, briefly, whose own failure
 * is forgotten.  The request is ready, since nothing may be queried now.
 */
static void
stop_query(AthenaRun *run, const char *body)
{
	AwsWatch	watch = run->meter.watch;
	MemoryContext context = CurrentMemoryContext;

	watch.give_up_ms = STOP_WITHIN;

	PG_TRY();
	{
		HOLD_INTERRUPTS();
		(void) FinopsAwsCall("athena", NULL, "AmazonAthena.StopQueryExecution", NULL, body, &watch);
		RESUME_INTERRUPTS();
	}
	PG_CATCH();
	{
		/* an error has set interrupts free already */
		MemoryContextSwitchTo(context);
		FlushErrorState();
	}
	PG_END_TRY();
}

/* ---------------------------------------------------------------------
 * History
 * ---------------------------------------------------------------------
 */

/*
 * Keep what the service says of queries, $1 an array of QueryExecution.  AWS
 * charges each query for megabytes scanned, rounded up and at least 10; DDL
 * and failed queries are free.  A TB is 2^40 bytes here, as in the runbook.
 */
static int64
store_executions(FinopsArg executions)
{
	return (int64) FINOPS_RUN(
		"INSERT INTO @s@.athena_query_executions AS h (query_execution_id, workgroup, query, status,"
		" data_scanned_in_bytes, execution_time_millis, creation_time, completion_time, database_name,"
		" statement_type, status_reason, output_location, scan_cost_usd)"
		" SELECT q.id, q.workgroup, q.query, q.status, q.scanned, q.millis, q.created, q.completed,"
		" q.database, q.type, q.reason, q.output,"
		" CASE WHEN q.type = 'DDL' OR q.status = 'FAILED' THEN 0"
		" WHEN q.scanned IS NULL OR q.status IN ('QUEUED', 'RUNNING') THEN NULL"
		" ELSE greatest(ceil(q.scanned / 1048576), 10) * 1048576 * $2::numeric / 1099511627776 END"
		" FROM (SELECT e->>'QueryExecutionId' AS id, e->>'WorkGroup' AS workgroup, e->>'Query' AS query,"
		" e->'Status'->>'State' AS status, (e->'Statistics'->>'DataScannedInBytes')::numeric AS scanned,"
		" (e->'Statistics'->>'EngineExecutionTimeInMillis')::numeric AS millis,"
		" coalesce(to_timestamp((e->'Status'->>'SubmissionDateTime')::float8), clock_timestamp()) AS created,"
		" to_timestamp((e->'Status'->>'CompletionDateTime')::float8) AS completed,"
		" e->'QueryExecutionContext'->>'Database' AS database, e->>'StatementType' AS type,"
		" e->'Status'->>'StateChangeReason' AS reason, e->'ResultConfiguration'->>'OutputLocation' AS output"
		" FROM jsonb_array_elements($1) AS x(e)) AS q WHERE q.id IS NOT NULL"
		" ON CONFLICT (query_execution_id) DO UPDATE SET workgroup = EXCLUDED.workgroup, query = EXCLUDED.query,"
		" status = EXCLUDED.status, data_scanned_in_bytes = EXCLUDED.data_scanned_in_bytes,"
		" execution_time_millis = EXCLUDED.execution_time_millis, creation_time = EXCLUDED.creation_time,"
		" completion_time = EXCLUDED.completion_time, database_name = EXCLUDED.database_name,"
		" statement_type = EXCLUDED.statement_type, status_reason = EXCLUDED.status_reason,"
		" output_location = EXCLUDED.output_location, scan_cost_usd = EXCLUDED.scan_cost_usd",
		executions, ARG_TEXT(finops_athena_price_per_tb));
}

static void
store_run(AthenaRun *run)
{
	bool		isnull;

	FINOPS_RUN("SELECT jsonb_build_array($1)", ARG_DATUM(JSONBOID, JsonbPGetDatum(run->execution), false));
	store_executions(ARG_DATUM(JSONBOID, FinopsValue(0, 1, &isnull), false));
}

/* ---------------------------------------------------------------------
 * Rows
 * ---------------------------------------------------------------------
 */

/*
 * Everything comes as text with the type beside it: numbers become JSON
 * numbers with all their digits, unless they are NaN or infinite.  Columns of
 * one name become name, name_2.  The answer to a query begins with the
 * names of its columns as a row, that to SHOW and the like does not.
 */
static const char rows_of_page[] =
"WITH columns AS MATERIALIZED ("
" SELECT c.n, c.type, CASE WHEN c.twin = 1 THEN c.name ELSE c.name || '_' || c.twin END AS name, c.name AS given"
" FROM (SELECT i.n, coalesce(i.c->>'Name', '') AS name, coalesce(i.c->>'Type', 'varchar') AS type,"
" row_number() OVER (PARTITION BY i.c->>'Name' ORDER BY i.n) AS twin"
" FROM jsonb_array_elements($1->'ResultSet'->'ResultSetMetadata'->'ColumnInfo') WITH ORDINALITY AS i(c, n)) AS c"
"), cells AS ("
" SELECT r.n AS row_no, c.n, c.name, c.type, c.given, r.r->'Data'->((c.n - 1)::integer)->>'VarCharValue' AS value"
" FROM jsonb_array_elements($1->'ResultSet'->'Rows') WITH ORDINALITY AS r(r, n), columns AS c"
")"
" SELECT coalesce(jsonb_object_agg(d.name, CASE WHEN d.value IS NULL THEN 'null'"
" WHEN d.type IN ('tinyint', 'smallint', 'int', 'integer', 'bigint', 'float', 'real', 'double', 'decimal')"
" AND d.value ~ '^-?[0-9]+([.][0-9]*)?([eE][-+]?[0-9]{1,3})?$' THEN to_jsonb(d.value::numeric)"
" WHEN d.type = 'boolean' AND d.value IN ('true', 'false') THEN to_jsonb(d.value::boolean)"
" ELSE to_jsonb(d.value) END ORDER BY d.n), '{}')"
" FROM cells AS d GROUP BY d.row_no"
" HAVING NOT ($2 AND d.row_no = 1 AND bool_and(d.value IS NOT DISTINCT FROM d.given))"
" ORDER BY d.row_no";

static void
return_page(ReturnSetInfo *rsinfo, Jsonb *page, bool first)
{
	MemoryContext work = AllocSetContextCreate(CurrentMemoryContext, "finops page", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(work);

	FINOPS_RUN(rows_of_page, ARG_DATUM(JSONBOID, JsonbPGetDatum(page), false), ARG_BOOL(first));
	for (uint64 i = 0; i < SPI_tuptable->numvals; i++)
		tuplestore_puttuple(rsinfo->setResult, SPI_tuptable->vals[i]);
	SPI_freetuptable(SPI_tuptable);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(work);
}

static void
return_results(AthenaRun *run, FunctionCallInfo fcinfo)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	char	   *type = FinopsJsonText(run->execution, "StatementType", NULL);
	bool		has_names = type == NULL || strcmp(type, "DML") == 0;
	MemoryContext work = AllocSetContextCreate(CurrentMemoryContext, "finops results", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = CurrentMemoryContext;
	char	   *token = NULL;

	for (bool first = true;; first = false)
	{
		Jsonb	   *page;
		char	   *next;

		MemoryContextSwitchTo(work);
		FINOPS_RUN("SELECT (jsonb_build_object('QueryExecutionId', $1, 'MaxResults', 1000)"
				   " || CASE WHEN $2 IS NULL THEN '{}' ELSE jsonb_build_object('NextToken', $2) END)::text",
				   ARG_TEXT(run->id), ARG_TEXT(token));
		page = call(&run->meter, "GetQueryResults", json_text());
		next = FinopsJsonText(page, "NextToken", NULL);
		if (FinopsJsonMember(page, "ResultSet") == NULL)
			raise_answer("GetQueryResults", "ResultSet");
		return_page(rsinfo, page, first && has_names);
		MemoryContextSwitchTo(old);
		if (next == NULL || *next == '\0')
			break;
		if (token != NULL && strcmp(next, token) == 0)
			raise_answer("GetQueryResults", "further NextToken");
		token = pstrdup(next);
		MemoryContextReset(work);
	}
	MemoryContextDelete(work);
}

/* ---------------------------------------------------------------------
 * For SQL
 * ---------------------------------------------------------------------
 */

static void
raise_ended(AthenaRun *run, const char *state)
{
	char	   *reason = FinopsJsonText(run->execution, "Status", "StateChangeReason", NULL);
	bool		failed = strcmp(state, "FAILED") == 0;

	ereport(ERROR,
			(errcode(failed ? ERRCODE_EXTERNAL_ROUTINE_EXCEPTION : ERRCODE_OPERATOR_INTERVENTION),
			 errmsg("the query %s in Athena", failed ? "failed" : "was stopped"),
			 reason != NULL ? errdetail("%s", reason) : 0,
			 errhint("Its execution id is %s; SELECT finops.fetch_athena_history(%s) keeps it.",
					 run->id, quote_literal_cstr(run->workgroup))));
}

static void
run_query(AthenaRun *run, FunctionCallInfo fcinfo, const char *sql,
		  const char *database, const char *output)
{
	const char *state;
	char	   *stop;

	check_scan_limit(run);
	start_query(run, sql, database, output);
	FINOPS_RUN("SELECT jsonb_build_object('QueryExecutionId', $1)::text", ARG_TEXT(run->id));
	stop = json_text();
	PG_TRY();
	{
		state = wait_for_query(run);
	}
	PG_CATCH();
	{
		MemoryContext caught = MemoryContextSwitchTo(run->context);
		ErrorData  *error = CopyErrorData();

		FlushErrorState();
		if (!run->ended)
			stop_query(run, stop);
		MemoryContextSwitchTo(caught);
		ReThrowError(error);
	}
	PG_END_TRY();
	if (strcmp(state, "SUCCEEDED") != 0)
		raise_ended(run, state);
	return_results(run, fcinfo);
	store_run(run);
	ApiMeterWrite();
}

PG_FUNCTION_INFO_V1(finops_athena_query);

/*
 * finops.athena_query(sql, database, workgroup, output_location): the rows as
 * objects, in the order of the answer.
 *
 * 22004 and 22023 for arguments, and for what the service calls invalid;
 * 38000 with the service's reason when the query fails; 57P00 when somebody
 * else stopped it; 55000 for a workgroup without the limit that
 * finops.athena_scan_limit asks for; 42501, 28000, 53400, 08006, 22P04 and
 * 54000 as finops.fetch_cost_explorer; 25006 in a read-only transaction.
 */
Datum
finops_athena_query(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	AthenaRun	run = {0};
	char	   *sql,
			   *database = NULL,
			   *output = NULL;

	FinopsRequireArg(fcinfo, 0, "sql");
	FinopsRequireArg(fcinfo, 2, "workgroup");
	FinopsRequireFeature(FINOPS_ATHENA);
	FinopsRequireWritable("finops.athena_query()");
	sql = text_to_cstring(PG_GETARG_TEXT_PP(0));
	if (*sql == '\0' || strlen(sql) > MAX_QUERY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a query has 1 to %d bytes, not %zu", MAX_QUERY, strlen(sql))));
	if (!PG_ARGISNULL(1))
		database = text_to_cstring(PG_GETARG_TEXT_PP(1));
	run.workgroup = text_to_cstring(PG_GETARG_TEXT_PP(2));
	if (!PG_ARGISNULL(3))
		output = text_to_cstring(PG_GETARG_TEXT_PP(3));
	if (output != NULL && strncmp(output, "s3://", 5) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("output_location \"%s\" is not an s3:// address", FinopsQuoteForMessage(output)),
				 errhint("Leave it out when the workgroup has one.")));
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	FinopsBegin(&session);
	run.context = CurrentMemoryContext;
	ApiMeterInit(&run.meter, NULL, 0, "0");
	run_query(&run, fcinfo, sql, database, output);
	FinopsEnd(&session);
	return (Datum) 0;
}

/* The ids of one page of the list, at most 50. */
static Jsonb *
list_page(ApiMeter *meter, const char *workgroup, int n, const char *token)
{
	FINOPS_RUN("SELECT (jsonb_build_object('WorkGroup', $1, 'MaxResults', $2)"
			   " || CASE WHEN $3 IS NULL THEN '{}' ELSE jsonb_build_object('NextToken', $3) END)::text",
			   ARG_TEXT(workgroup), ARG_INT4(n), ARG_TEXT(token));
	return call(meter, "ListQueryExecutions", json_text());
}

static int64
store_page(ApiMeter *meter, Jsonb *ids)
{
	Jsonb	   *answer,
			   *executions;

	FINOPS_RUN("SELECT jsonb_build_object('QueryExecutionIds', $1)::text",
			   ARG_DATUM(JSONBOID, JsonbPGetDatum(ids), false));
	answer = call(meter, "BatchGetQueryExecution", json_text());
	executions = FinopsJsonMember(answer, "QueryExecutions");
	if (executions == NULL)
		raise_answer("BatchGetQueryExecution", "QueryExecutions");
	return store_executions(ARG_DATUM(JSONBOID, JsonbPGetDatum(executions), false));
}

PG_FUNCTION_INFO_V1(finops_fetch_athena_history);

/*
 * finops.fetch_athena_history(workgroup, max_queries): how many queries were
 * written to athena_query_executions, new or brought up to date.  Errors as
 * finops.athena_query.
 */
Datum
finops_fetch_athena_history(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	ApiMeter	meter;
	char	   *workgroup,
			   *token = NULL;
	int			left;
	int64		stored = 0;

	FinopsRequireFeature(FINOPS_ATHENA);
	FinopsRequireArg(fcinfo, 0, "workgroup");
	FinopsRequireArg(fcinfo, 1, "max_queries");
	FinopsRequireWritable("finops.fetch_athena_history()");
	workgroup = text_to_cstring(PG_GETARG_TEXT_PP(0));
	left = PG_GETARG_INT32(1);
	if (left < 1 || left > 100000)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_queries must be 1 to 100000, not %d", left)));
	FinopsBegin(&session);
	ApiMeterInit(&meter, NULL, 0, "0");
	do
	{
		Jsonb	   *list = list_page(&meter, workgroup, Min(left, 50), token);
		Jsonb	   *ids = FinopsJsonMember(list, "QueryExecutionIds");
		char	   *next = FinopsJsonText(list, "NextToken", NULL);

		if (ids != NULL && JB_ROOT_COUNT(ids) > 0)
			stored += store_page(&meter, ids);
		if (token != NULL && next != NULL && strcmp(next, token) == 0)
			raise_answer("ListQueryExecutions", "further NextToken");
		token = next;
		left -= 50;
	} while (token != NULL && *token != '\0' && left > 0);
	ApiMeterWrite();
	FinopsEnd(&session);
	PG_RETURN_INT64(stored);
}

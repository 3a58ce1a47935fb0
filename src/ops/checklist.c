/*-------------------------------------------------------------------------
 *
 * checklist.c
 *	  Checklists: their steps are run, judged and kept; what a person does is
 *	  signed.
 *
 * A step is a query; whether it passes is told by its rows.  Each runs in a
 * subtransaction of its own, so that one that fails is a failed step, not the
 * end of the list.  Shipped queries run as the owner, those of a user with
 * the rights of the caller.
 *
 *-------------------------------------------------------------------------
 */
#include "ops/ops.h"

#include "common/hashfn.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(finops_run_checklist);
PG_FUNCTION_INFO_V1(finops_run_due_checklists);
PG_FUNCTION_INFO_V1(finops_sign_step);
PG_FUNCTION_INFO_V1(finops_purge_checklists);

/* A checklist of the user before the shipped one; the same for steps. */
#define CHECKLISTS "(SELECT DISTINCT ON (name) * FROM finops.checklist ORDER BY name, shipped)"

typedef struct Step
{
	int			no;
	char	   *text;
	char	   *kind;
	char	   *query;
	char	   *pass_when;
	char	   *threshold;
	char	   *runbook_id;
	bool		shipped;
} Step;

/* What a query came to; in the form of the columns of finops.checklist_result. */
typedef struct Outcome
{
	const char *verdict;
	char	   *result;
	int64		row_count;		/* -1: none */
	char	   *rows;			/* json as text, or NULL */
} Outcome;

/*
 * Number of rows, 20 of them, the first in words, and whether column ok is
 * true in all; %s is the query.
 */
static const char *const judge_sql =
	"SELECT x.n, x.rows::text, CASE WHEN x.n > 1 THEN x.n || ' rows, the first: ' ELSE '' END ||"
	" coalesce(x.rows -> 0 ->> 'result', (SELECT string_agg(CASE WHEN e.all_of = 1 THEN coalesce(e.value, 'none') ELSE e.key || ' ' || coalesce(e.value, 'none') END, ', ')"
	"  FROM (SELECT j.key, left(j.value, 200) AS value, count(*) OVER () AS all_of FROM json_each_text(x.rows -> 0) j WHERE j.key <> 'ok') e), 'nothing'), x.ok"
	" FROM (SELECT count(*) AS n, json_agg(r.j) FILTER (WHERE r.no <= 20) AS rows, bool_and(coalesce((r.j ->> 'ok')::boolean, false)) AS ok"
	"  FROM (SELECT row_to_json(q) AS j, row_number() OVER () AS no FROM (%s) AS q) r) x";

static void
run_query(const FinopsSession *session, const Step *step, Outcome *outcome)
{
	char	   *sql = psprintf(judge_sql, FinopsExpandSchema(step->query));
	bool		ok;
	bool		isnull;

	if (OpsQueryAs(session, step->shipped, sql, false, 1) != SPI_OK_SELECT)
		elog(ERROR, "step %d is no query", step->no);
	outcome->row_count = FinopsInt64(0, 1);
	outcome->rows = FinopsText(0, 2);
	outcome->result = outcome->row_count == 0 ? pstrdup("no rows") : FinopsText(0, 3);
	ok = DatumGetBool(FinopsValue(0, 4, &isnull)) && !isnull;
	if (strcmp(step->pass_when, "no rows") == 0)
		ok = outcome->row_count == 0;
	else if (strcmp(step->pass_when, "rows") == 0)
		ok = outcome->row_count > 0;
	else if (strcmp(step->pass_when, "always") == 0)
		ok = true;
	outcome->verdict = ok ? "pass" : "fail";
}

/* What OpsTry is given. */
typedef struct StepRun
{
	const FinopsSession *session;
	const Step *step;
	Outcome    *outcome;
} StepRun;

static void
try_step(void *arg)
{
	StepRun    *run = arg;

	run_query(run->session, run->step, run->outcome);
}

/* An error is what the step came to. */
static void
run_step(const FinopsSession *session, const Step *step, Outcome *outcome)
{
	StepRun		run = {session, step, outcome};
	ErrorData  *error = OpsTry(try_step, &run);

	if (error == NULL)
		return;
	outcome->verdict = "fail";
	outcome->result = psprintf("%s: %s", unpack_sql_state(error->sqlerrcode), error->message);
	outcome->row_count = -1;
	outcome->rows = NULL;
	FreeErrorData(error);
}

static Step *
read_steps(const char *name, int *count)
{
	uint64		n;
	Step	   *steps;

	n = FINOPS_RUN("SELECT s.step_no, s.step, s.kind, s.query, s.pass_when, s.threshold, s.runbook_id, s.shipped FROM"
				   " (SELECT DISTINCT ON (step_no) * FROM finops.checklist_step WHERE checklist = $1 ORDER BY step_no, shipped) s"
				   " WHERE EXISTS (SELECT FROM finops.checklist WHERE name = $1) ORDER BY s.step_no", ARG_TEXT(name));
	if (n == 0)
	{
		FINOPS_RUN0("SELECT string_agg(name, ', ' ORDER BY name COLLATE \"C\") FROM " CHECKLISTS " c");
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is no checklist \"%s\"", FinopsQuoteForMessage(name)),
				 errdetail("There are %s.", FinopsText(0, 1)),
				 errhint("SELECT name, title, schedule FROM finops.checklist lists them.")));
	}
	steps = palloc_array(Step, n);
	for (uint64 i = 0; i < n; i++)
	{
		bool		isnull;

		steps[i].no = (int) FinopsInt64(i, 1);
		steps[i].text = FinopsText(i, 2);
		steps[i].kind = FinopsText(i, 3);
		steps[i].query = FinopsText(i, 4);
		steps[i].pass_when = FinopsText(i, 5);
		steps[i].threshold = FinopsText(i, 6);
		steps[i].runbook_id = FinopsText(i, 7);
		steps[i].shipped = DatumGetBool(FinopsValue(i, 8, &isnull));
	}
	*count = (int) n;
	return steps;
}

static void
keep_result(int64 run_id, const Step *step, const Outcome *outcome, TimestampTz started)
{
	FINOPS_RUN("INSERT INTO finops.checklist_result (run_id, step_no, step, verdict, result, threshold, row_count, rows, runbook_id, milliseconds)"
			   " VALUES ($1, $2, $3, $4, $5, $6, nullif($7, -1), $8::json, $9, CASE WHEN $4 IN ('pass', 'fail') THEN round(($10 / 1000.0), 1) END)",
			   ARG_INT8(run_id), ARG_INT4(step->no), ARG_TEXT(step->text), ARG_TEXT(outcome->verdict),
			   ARG_TEXT(outcome->result), ARG_TEXT(step->threshold), ARG_INT8(outcome->row_count),
			   ARG_TEXT(outcome->rows), ARG_TEXT(step->runbook_id),
			   ARG_INT8(GetCurrentTimestamp() - started));
}

/* Within a session: runs a checklist and answers the id of its run. */
static int64
run_checklist(const FinopsSession *session, const char *name, FinopsArg due_at)
{
	int			n;
	Step	   *steps = read_steps(name, &n);
	int64		run_id;

	FINOPS_RUN("INSERT INTO finops.checklist_run (checklist, run_by, due_at) VALUES ($1, $2, $3) RETURNING run_id",
			   ARG_TEXT(name), ARG_TEXT(FinopsCallerName(session)), due_at);
	run_id = FinopsInt64(0, 1);
	for (int i = 0; i < n; i++)
	{
		Outcome		outcome = {steps[i].kind, NULL, -1, NULL};
		TimestampTz started = GetCurrentTimestamp();

		CHECK_FOR_INTERRUPTS();
		if (steps[i].query != NULL)
			run_step(session, &steps[i], &outcome);
		keep_result(run_id, &steps[i], &outcome, started);
	}
	FINOPS_RUN("UPDATE finops.checklist_run SET finished_at = clock_timestamp() WHERE run_id = $1", ARG_INT8(run_id));
	return run_id;
}

/*
 * finops.run_checklist(name text)
 *	→ TABLE(step_no int, step text, result text, threshold text, verdict text)
 *
 * Errors: 22004; 22023 unknown checklist (lists the names).
 */
Datum
finops_run_checklist(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *name;
	int64		run_id;

	FinopsRequireArg(fcinfo, 0, "checklist name");
	FinopsRequireWritable("finops.run_checklist()");
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	FinopsBegin(&session);
	run_id = run_checklist(&session, name, ARG_DATUM(TIMESTAMPTZOID, (Datum) 0, true));
	FINOPS_RUN("SELECT step_no, step, result, threshold, verdict FROM finops.checklist_result WHERE run_id = $1 ORDER BY step_no",
			   ARG_INT8(run_id));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

/* Checklists that have come due since they last ran; $1 the instant. */
static const char *const due_sql =
	"SELECT c.name, d.due_at FROM " CHECKLISTS " c, LATERAL (SELECT finops.due_before(c.schedule, c.guard, c.time_zone, coalesce($1, now())) AS due_at) d"
	" WHERE c.enabled AND c.schedule IS NOT NULL AND EXISTS (SELECT FROM finops.checklist_step s WHERE s.checklist = c.name)"
	" AND d.due_at > coalesce((SELECT max(r.started_at) FROM finops.checklist_run r WHERE r.checklist = c.name),"
	"  coalesce($1, now()) - interval '1 day') ORDER BY d.due_at, c.name COLLATE \"C\"";

/*
 * finops.run_due_checklists(at timestamptz)
 *	→ TABLE(name text, run_id bigint, due_at timestamptz, failed bigint)
 */
Datum
finops_run_due_checklists(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	FinopsArg	at = {TIMESTAMPTZOID, PG_ARGISNULL(0) ? (Datum) 0 : PG_GETARG_DATUM(0), PG_ARGISNULL(0)};
	StringInfoData ids;
	SPITupleTable *rows;
	uint64		n;

	FinopsRequireWritable("finops.run_due_checklists()");
	FinopsBegin(&session);
	/* two sessions at once would both find them due */
	FinopsLock(FINOPS_LOCK_JOB, (int32) hash_bytes((const unsigned char *) due_sql, (int) strlen(due_sql)));
	n = FINOPS_RUN(due_sql, at);
	rows = SPI_tuptable;
	initStringInfo(&ids);
	appendStringInfoChar(&ids, '{');
	for (uint64 i = 0; i < n; i++)
	{
		bool		isnull;
		Datum		due_at = SPI_getbinval(rows->vals[i], rows->tupdesc, 2, &isnull);

		appendStringInfo(&ids, "%s" INT64_FORMAT, i > 0 ? "," : "",
						 run_checklist(&session, SPI_getvalue(rows->vals[i], rows->tupdesc, 1),
									   ARG_DATUM(TIMESTAMPTZOID, due_at, isnull)));
	}
	appendStringInfoChar(&ids, '}');
	FINOPS_RUN("SELECT r.checklist, r.run_id, r.due_at, (SELECT count(*) FROM finops.checklist_result x WHERE x.run_id = r.run_id AND x.verdict = 'fail')"
			   " FROM finops.checklist_run r WHERE r.run_id = ANY ($1::bigint[]) ORDER BY r.run_id", ARG_TEXT(ids.data));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

/*
 * finops.sign_step(run_id bigint, step_no int, note text, passed boolean)
 *	→ checklist_result
 *
 * Errors: 22004; P0002 no such step; 22023 a check that has passed.
 */
Datum
finops_sign_step(PG_FUNCTION_ARGS)
{
	static const char *const name[] = {"run_id", "step_no", NULL, "passed"};
	FinopsSession session;
	char	   *note = PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2));
	FinopsArg	run_id;
	FinopsArg	step_no;

	for (int i = 0; i < 4; i++)
		if (name[i] != NULL)
			FinopsRequireArg(fcinfo, i, name[i]);
	FinopsRequireWritable("finops.sign_step()");
	run_id = ARG_INT8(PG_GETARG_INT64(0));
	step_no = ARG_INT4(PG_GETARG_INT32(1));
	FinopsBegin(&session);
	if (FINOPS_RUN("SELECT verdict = 'pass' AND signed_by IS NULL FROM finops.checklist_result"
				   " WHERE run_id = $1 AND step_no = $2 FOR UPDATE", run_id, step_no) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("run " INT64_FORMAT " has no step %d", PG_GETARG_INT64(0), PG_GETARG_INT32(1)),
				 errhint("SELECT run_id, step_no, step FROM finops.checklist_result WHERE signed_by IS NULL lists them.")));
	if (FinopsText(0, 1)[0] == 't')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("step %d of run " INT64_FORMAT " has passed its check", PG_GETARG_INT32(1), PG_GETARG_INT64(0)),
				 errdetail("Steps that a person does, and steps that failed, are signed.")));
	FINOPS_RUN("UPDATE finops.checklist_result SET verdict = CASE WHEN $3 THEN 'pass' ELSE 'fail' END, note = $4, signed_by = $5,"
			   " signed_at = clock_timestamp() WHERE run_id = $1 AND step_no = $2 RETURNING *",
			   run_id, step_no, ARG_BOOL(PG_GETARG_BOOL(3)), ARG_TEXT(note),
			   ARG_TEXT(FinopsCallerName(&session)));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

/*
 * finops.purge_checklists(keep interval) → bigint
 *
 * Errors: 22004; 22023 negative.
 */
Datum
finops_purge_checklists(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	FinopsArg	keep;
	int64		removed;

	FinopsRequireArg(fcinfo, 0, "keep");
	FinopsRequireWritable("finops.purge_checklists()");
	keep = FinopsKeepArg(fcinfo, 0);
	FinopsBegin(&session);
	removed = (int64) FINOPS_RUN("DELETE FROM finops.checklist_run r WHERE r.started_at < now() - $1 OR r.started_at < now() - interval '7 days'"
								 " AND EXISTS (SELECT FROM " CHECKLISTS " c WHERE c.name = r.checklist AND split_part(c.schedule, ' ', 2) = '*')", keep);
	FinopsEnd(&session);
	PG_RETURN_INT64(removed);
}

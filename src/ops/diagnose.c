/*-------------------------------------------------------------------------
 *
 * diagnose.c
 *	  What is wrong, why, and which call puts it right.
 *
 * Each check is a query of finops.diagnosis_check that returns a row per
 * finding.  It runs in a subtransaction of its own: a check that fails is a
 * finding, and the others go on.  Shipped queries run as the owner, those of
 * a user with the rights of the caller, and neither may write.
 *
 * One failure shows in many places: a month that was not allocated is not
 * reconciled, has no documents and is late.  Each check names the checks that
 * explain it, so the findings make a graph.  What is returned are its roots;
 * what can be reached from a root are its consequences.
 *
 *-------------------------------------------------------------------------
 */
#include "ops/ops.h"

#include "ops/cause_graph.h"
#include "utils/array.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/jsonb.h"

PG_FUNCTION_INFO_V1(finops_diagnose);
PG_FUNCTION_INFO_V1(finops_disable_check);
PG_FUNCTION_INFO_V1(finops_escalate_finding);

/* Of one check; there is no use in more, and the last row says so. */
#define MAX_FINDINGS 50

typedef struct Check
{
	char	   *id;
	char	   *section;
	char	   *severity;
	char	   *cause;
	char	   *query;
	char	  **caused_by;
	int			ncauses;
	bool		shipped;
} Check;

typedef struct Finding
{
	const Check *check;
	const char *id;				/* the check, or check-failed */
	char	   *section;
	char	   *severity;
	char	   *scope;
	char	   *seen;
	char	   *evidence;
	char	   *cause;
	char	   *resolve;
} Finding;

typedef struct Diagnosis
{
	FinopsSession session;
	Check	   *checks;
	int			nchecks;
	Finding    *findings;
	int			nfindings;
	int			room;
} Diagnosis;

/* Rows of the daily roll-up of the months that are watched; see docs. */
static const char *const source_day_sql =
	"SELECT c.billing_period, c.source, c.usage_date AS day, c.currency, sum(c.line_items) AS n, sum(c.billed_cost) AS billed,"
	" sum(c.effective_cost) AS effective, sum(c.effective_cost) FILTER (WHERE c.tenant_id IS NULL) AS untagged"
	" FROM finops.cost_daily c WHERE c.billing_period = ANY (ARRAY(SELECT DISTINCT x.period FROM ("
	"   SELECT w.period FROM finops.watched_month w ORDER BY w.period DESC LIMIT 3) w,"
	"  LATERAL (VALUES (w.period), ((w.period - interval '1 month')::date)) AS x(period)))"
	" GROUP BY 1, 2, 3, 4";

static void
read_checks(Diagnosis *d)
{
	uint64		n = FINOPS_RUN0("SELECT c.check_id, c.section, c.severity, c.cause, c.query, c.caused_by, c.shipped FROM"
								" (SELECT DISTINCT ON (check_id) * FROM finops.diagnosis_check ORDER BY check_id, shipped) c"
								" WHERE c.enabled AND (c.requires IS NULL OR to_regclass(c.requires) IS NOT NULL"
								"  OR to_regproc(c.requires) IS NOT NULL OR EXISTS (SELECT FROM pg_extension e WHERE e.extname = c.requires))"
								" ORDER BY c.position, c.check_id COLLATE \"C\"");

	d->nchecks = (int) n;
	d->checks = palloc0_array(Check, Max(n, 1));
	for (uint64 i = 0; i < n; i++)
	{
		Check	   *check = &d->checks[i];
		bool		isnull;
		Datum	   *causes;

		check->id = FinopsText(i, 1);
		check->section = FinopsText(i, 2);
		check->severity = FinopsText(i, 3);
		check->cause = FinopsText(i, 4);
		check->query = FinopsText(i, 5);
		deconstruct_array(DatumGetArrayTypePCopy(FinopsValue(i, 6, &isnull)),
						  TEXTOID, -1, false, TYPALIGN_INT, &causes, NULL, &check->ncauses);
		check->caused_by = palloc_array(char *, Max(check->ncauses, 1));
		for (int j = 0; j < check->ncauses; j++)
			check->caused_by[j] = TextDatumGetCString(causes[j]);
		check->shipped = DatumGetBool(FinopsValue(i, 7, &isnull));
	}
}

static Finding *
new_finding(Diagnosis *d, const Check *check)
{
	Finding    *finding;

	if (d->nfindings == d->room)
	{
		d->room = Max(d->room * 2, 32);
		d->findings = d->findings == NULL ? palloc_array(Finding, d->room) :
			repalloc_array(d->findings, Finding, d->room);
	}
	finding = &d->findings[d->nfindings++];
	memset(finding, 0, sizeof(Finding));
	finding->check = check;
	finding->id = check->id;
	return finding;
}

/* A column by its name, in this context; NULL where there is none. */
static char *
column(SPITupleTable *rows, uint64 i, const char *name)
{
	int			number = SPI_fnumber(rows->tupdesc, name);

	return number > 0 ? SPI_getvalue(rows->vals[i], rows->tupdesc, number) : NULL;
}

static char *
first_of(char *value, const char *otherwise)
{
	return value != NULL && value[0] != '\0' ? value : pstrdup(otherwise);
}

static void
take_findings(Diagnosis *d, const Check *check)
{
	SPITupleTable *rows = SPI_tuptable;
	uint64		n = Min(rows->numvals, MAX_FINDINGS);

	if (SPI_fnumber(rows->tupdesc, "scope") <= 0 || SPI_fnumber(rows->tupdesc, "seen") <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("the query of check \"%s\" must return the columns scope and seen", check->id)));
	for (uint64 i = 0; i < n; i++)
	{
		Finding    *finding = new_finding(d, check);

		finding->section = first_of(column(rows, i, "section"), check->section);
		finding->severity = first_of(column(rows, i, "severity"), check->severity);
		finding->scope = first_of(column(rows, i, "scope"), "");
		finding->seen = first_of(column(rows, i, "seen"), check->id);
		finding->cause = first_of(column(rows, i, "cause"), check->cause);
		finding->evidence = first_of(column(rows, i, "evidence_query"), FinopsExpandSchema(check->query));
		finding->resolve = first_of(column(rows, i, "resolve_call"),
									psprintf("SELECT finops.escalate_finding(%s, %s)", quote_literal_cstr(check->id),
											 quote_literal_cstr(finding->scope)));
		if (i + 1 == MAX_FINDINGS && rows->numvals > n)
			finding->seen = psprintf("%s; and more of the same", finding->seen);
	}
}

static void
run_query(Diagnosis *d, const Check *check)
{
	if (OpsQueryAs(&d->session, check->shipped, FinopsExpandSchema(check->query), true,
				   MAX_FINDINGS + 1) != SPI_OK_SELECT)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the query of check \"%s\" is no SELECT", check->id)));
}

static void
report_failure(Diagnosis *d, const Check *check, const ErrorData *error)
{
	Finding    *finding = new_finding(d, check);

	finding->id = "check-failed";
	finding->section = check->section;
	finding->severity = "SEV-3";
	finding->scope = check->id;
	finding->seen = psprintf("check %s cannot run: %s: %s", check->id, unpack_sql_state(error->sqlerrcode), error->message);
	finding->evidence = psprintf("SELECT * FROM finops.diagnosis_check WHERE check_id = %s", quote_literal_cstr(check->id));
	finding->cause = error->hint != NULL ? psprintf("the query of the check fails: %s", error->hint) :
		pstrdup("the query of the check fails");
	finding->resolve = psprintf("SELECT finops.disable_check(%s, %s)", quote_literal_cstr(check->id),
								quote_literal_cstr(psprintf("it fails with %s", unpack_sql_state(error->sqlerrcode))));
}

/* What OpsTry is given. */
typedef struct CheckRun
{
	Diagnosis  *diagnosis;
	const Check *check;
} CheckRun;

static void
try_check(void *arg)
{
	CheckRun   *run = arg;

	run_query(run->diagnosis, run->check);
	take_findings(run->diagnosis, run->check);
	SPI_freetuptable(SPI_tuptable);
}

static void
run_check(Diagnosis *d, const Check *check)
{
	CheckRun	run = {d, check};
	int			before = d->nfindings;
	ErrorData  *error = OpsTry(try_check, &run);

	if (error == NULL)
		return;
	d->nfindings = before;
	report_failure(d, check, error);
	FreeErrorData(error);
}

/* Findings that somebody works on: their incident is not resolved and not overdue. */
static void
drop_findings_in_hand(Diagnosis *d)
{
	int			kept = 0;
	uint64		n = FINOPS_RUN0("SELECT source_id, scope FROM finops.incident i WHERE i.source = 'diagnosis' AND i.status <> 'resolved'"
								" AND (i.status = 'acknowledged' OR now() < i.acknowledge_by) AND coalesce(now() < i.resolve_by, true)");

	for (int i = 0; i < d->nfindings; i++)
	{
		bool		in_hand = false;

		for (uint64 j = 0; j < n && !in_hand; j++)
			in_hand = strcmp(FinopsText(j, 1), d->findings[i].id) == 0 &&
				strcmp(FinopsText(j, 2), d->findings[i].scope) == 0;
		if (!in_hand)
			d->findings[kept++] = d->findings[i];
	}
	d->nfindings = kept;
}

/* Which findings explain which; a finding never explains itself. */
static CauseGraph *
make_graph(const Diagnosis *d)
{
	CauseGraph *graph = palloc(CauseGraphSize(d->nfindings));

	CauseGraphInit(graph, d->nfindings);
	for (int i = 0; i < d->nfindings; i++)
	{
		const Finding *effect = &d->findings[i];

		CHECK_FOR_INTERRUPTS();
		if (effect->id != effect->check->id)
			continue;			/* a check that fails is explained by nothing */
		for (int j = 0; j < d->nfindings; j++)
			for (int k = 0; k < effect->check->ncauses && i != j; k++)
				if (CauseMatches(effect->check->caused_by[k], d->findings[j].id,
								 d->findings[j].scope, effect->scope))
					CauseGraphAdd(graph, j, i);
	}
	CauseGraphSolve(graph);
	return graph;
}

static void
append_member(StringInfo out, const char *name, const char *value, bool first)
{
	appendStringInfo(out, "%s\"%s\": ", first ? "{" : ", ", name);
	escape_json(out, value);
}

/* What follows from a finding, as JSON. */
static Datum
consequences(const Diagnosis *d, const CauseGraph *graph, int root)
{
	StringInfoData out;
	bool		any = false;

	initStringInfo(&out);
	appendStringInfoChar(&out, '[');
	for (int i = 0; i < d->nfindings; i++)
	{
		const Finding *finding = &d->findings[i];

		if (i == root || !CauseGraphReaches(graph, root, i))
			continue;
		appendStringInfoString(&out, any ? ", " : "");
		append_member(&out, "finding", finding->id, true);
		append_member(&out, "section", finding->section, false);
		append_member(&out, "severity", finding->severity, false);
		append_member(&out, "scope", finding->scope, false);
		append_member(&out, "seen", finding->seen, false);
		appendStringInfoChar(&out, '}');
		any = true;
	}
	appendStringInfoChar(&out, ']');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(out.data));
}

/* 1 to 4; a severity that is none of ours comes last. */
static int
level_of(const char *severity)
{
	if (strncmp(severity, "SEV-", 4) == 0 && severity[4] >= '1' && severity[4] <= '3')
		return severity[4] - '0';
	return 4;
}

static void
return_roots(FunctionCallInfo fcinfo, const Diagnosis *d, const CauseGraph *graph)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	for (int level = 1; level <= 4; level++)
		for (int i = 0; i < d->nfindings; i++)
		{
			const Finding *f = &d->findings[i];
			const char *text[] = {f->section, f->id, f->severity, f->scope,
			f->seen, f->evidence, f->cause, f->resolve};
			Datum		values[9];
			bool		nulls[9] = {false};

			if (!CauseGraphIsRoot(graph, i) || level != level_of(f->severity))
				continue;
			for (int j = 0; j < (int) lengthof(text); j++)
				values[j] = CStringGetTextDatum(text[j]);
			values[8] = consequences(d, graph, i);
			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		}
}

/*
 * finops.diagnose() → TABLE(section, finding, severity, scope, seen,
 *	evidence_query, cause, resolve_call text, consequences jsonb)
 *
 * Writes nothing; a healthy system returns no row.
 */
Datum
finops_diagnose(PG_FUNCTION_ARGS)
{
	Diagnosis	d;

	memset(&d, 0, sizeof(d));
	InitMaterializedSRF(fcinfo, 0);
	FinopsBegin(&d.session);
	read_checks(&d);
	FINOPS_STAGE0("source_day", source_day_sql);
	for (int i = 0; i < d.nchecks; i++)
		run_check(&d, &d.checks[i]);
	drop_findings_in_hand(&d);
	return_roots(fcinfo, &d, make_graph(&d));
	FinopsEnd(&d.session);
	return (Datum) 0;
}

/* A check as it counts, or 22023 with how to list them. */
static void
require_check(const char *id)
{
	if (FINOPS_RUN("SELECT * FROM finops.diagnosis_check WHERE check_id = $1 ORDER BY shipped LIMIT 1", ARG_TEXT(id)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is no check \"%s\"", FinopsQuoteForMessage(id)),
				 errhint("SELECT check_id, section FROM finops.diagnosis_check lists them.")));
}

/*
 * finops.disable_check(check_id text, reason text)
 *
 * Errors: 22004; 22023 an unknown check or a blank reason.
 */
Datum
finops_disable_check(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *id;
	char	   *reason;

	FinopsRequireArg(fcinfo, 0, "check_id");
	FinopsRequireArg(fcinfo, 1, "reason");
	FinopsRequireWritable("finops.disable_check()");
	id = text_to_cstring(PG_GETARG_TEXT_PP(0));
	reason = text_to_cstring(PG_GETARG_TEXT_PP(1));
	if (strspn(reason, " \t\r\n") == strlen(reason))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("reason must not be blank")));
	FinopsBegin(&session);
	require_check(id);
	FINOPS_RUN("INSERT INTO finops.diagnosis_check (check_id, position, section, severity, cause, query, caused_by, requires, enabled)"
			   " SELECT check_id, position, section, severity, cause, query, caused_by, requires, false"
			   " FROM finops.diagnosis_check WHERE check_id = $1 ORDER BY shipped LIMIT 1"
			   " ON CONFLICT (check_id, shipped) DO UPDATE SET enabled = false", ARG_TEXT(id));
	FINOPS_RUN("SELECT jsonb_build_object('reason', $1)::text", ARG_TEXT(reason));
	FinopsAudit(&session, "disable_check", "diagnosis_check", id, FinopsText(0, 1));
	FinopsEnd(&session);
	PG_RETURN_VOID();
}

/*
 * finops.escalate_finding(check_id text, scope text, note text) → bigint
 *
 * Errors: 22004; 22023 an unknown check, or one that does not find this now.
 */
Datum
finops_escalate_finding(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	OpsIncident incident = {.scale = "commercial-ops", .source = "diagnosis"};
	bool		isnull;
	int64		id;

	FinopsRequireArg(fcinfo, 0, "check_id");
	FinopsRequireArg(fcinfo, 1, "scope");
	FinopsRequireWritable("finops.escalate_finding()");
	incident.source_id = text_to_cstring(PG_GETARG_TEXT_PP(0));
	incident.scope = text_to_cstring(PG_GETARG_TEXT_PP(1));
	FinopsBegin(&session);
	require_check(incident.source_id);
	if (FINOPS_RUN("SELECT d.severity, d.seen, jsonb_build_object('section', d.section, 'seen', d.seen, 'cause', d.cause,"
				   " 'evidence_query', d.evidence_query, 'note', $3) FROM finops.diagnose() d"
				   " WHERE d.finding = $1 AND d.scope = $2",
				   ARG_TEXT(incident.source_id), ARG_TEXT(incident.scope),
				   ARG_TEXT(PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2)))) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("check \"%s\" finds nothing about \"%s\" now", FinopsQuoteForMessage(incident.source_id),
						FinopsQuoteForMessage(incident.scope)),
				 errhint("SELECT finding, scope, seen FROM finops.diagnose() lists what is found.")));
	incident.severity = FinopsText(0, 1);
	incident.title = FinopsText(0, 2);
	incident.evidence = ARG_DATUM(JSONBOID, FinopsValue(0, 3, &isnull), false);
	id = OpsOpenIncident(&session, &incident);
	FinopsEnd(&session);
	PG_RETURN_INT64(id);
}

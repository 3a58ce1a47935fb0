/*-------------------------------------------------------------------------
 *
 * checklist_report.c
 *	  A run of a checklist to read.
 *
 *-------------------------------------------------------------------------
 */
#include "ops/ops.h"

#include "core/markup.h"

PG_FUNCTION_INFO_V1(finops_checklist_report);

#define UTC(column) "to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC'"

/* Columns of the steps, from 1. */
enum
{
	STEP_NO = 1, STEP_TEXT, STEP_VERDICT, STEP_RESULT, STEP_THRESHOLD, STEP_STATEMENT, STEP_SIGNED
};

static const char *const step_sql =
	"SELECT x.step_no, x.step, x.verdict, x.result, x.threshold, x.runbook_id,"
	" 'signed by ' || x.signed_by || ', ' || " UTC("x.signed_at") " || coalesce(': ' || x.note, '')"
	" FROM finops.checklist_result x WHERE x.run_id = $1 ORDER BY x.step_no";

/* Title, when and by whom, and how many steps came to what. */
static const char *const run_sql =
	"SELECT coalesce(c.title, r.checklist), coalesce(c.document, ''), 'run ' || r.run_id || ' of ' || " UTC("r.started_at") " || ', by ' || r.run_by ||"
	"  coalesce(', due ' || " UTC("r.due_at") ", ''), (SELECT string_agg(s.n || ' ' || s.verdict, ', ' ORDER BY s.verdict) FROM"
	"  (SELECT x.verdict, count(*) AS n FROM finops.checklist_result x WHERE x.run_id = r.run_id GROUP BY 1) s), r.run_id"
	" FROM finops.checklist_run r LEFT JOIN LATERAL (SELECT * FROM finops.checklist k WHERE k.name = r.checklist ORDER BY k.shipped LIMIT 1) c ON true"
	" WHERE r.run_id = $1 OR $1 IS NULL ORDER BY r.run_id DESC LIMIT 1";

static void
text_steps(StringInfo out, uint64 n)
{
	for (uint64 i = 0; i < n; i++)
	{
		appendStringInfo(out, "%3s  %-7s  %s\n", FinopsText(i, STEP_NO), FinopsText(i, STEP_VERDICT), FinopsText(i, STEP_TEXT));
		for (int column = STEP_RESULT; column <= STEP_SIGNED; column++)
			if (FinopsText(i, column) != NULL && column != STEP_STATEMENT)
				appendStringInfo(out, "              %s%s\n", column == STEP_THRESHOLD ? "passes: " : "", FinopsText(i, column));
	}
}

static void
html_steps(StringInfo out, uint64 n)
{
	appendStringInfoString(out, "<table>\n<tr><th>no</th><th>step</th><th>verdict</th><th>result</th><th>passes</th><th>statement</th></tr>\n");
	for (uint64 i = 0; i < n; i++)
	{
		appendStringInfo(out, "<tr><td>%s</td><td>", FinopsText(i, STEP_NO));
		MarkupText(out, FinopsText(i, STEP_TEXT));
		appendStringInfo(out, "</td><td class=\"%s\">%s</td><td>", FinopsText(i, STEP_VERDICT), FinopsText(i, STEP_VERDICT));
		MarkupText(out, FinopsText(i, STEP_RESULT));
		MarkupElement(out, "div", FinopsText(i, STEP_SIGNED));
		appendStringInfoString(out, "</td><td>");
		MarkupText(out, FinopsText(i, STEP_THRESHOLD));
		appendStringInfoString(out, "</td><td>");
		MarkupText(out, FinopsText(i, STEP_STATEMENT));
		appendStringInfoString(out, "</td></tr>\n");
	}
	appendStringInfoString(out, "</table>\n</body>\n</html>\n");
}

/*
 * finops.checklist_report(run_id bigint, format text) → text
 *
 * Errors: 22004 format; 22023 another format; P0002 no such run.
 */
Datum
finops_checklist_report(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	MemoryContext context = CurrentMemoryContext;
	FinopsArg	run_id = {INT8OID, PG_ARGISNULL(0) ? (Datum) 0 : PG_GETARG_DATUM(0), PG_ARGISNULL(0)};
	StringInfoData out;
	char	   *format;
	char	   *head[4];
	bool		html;

	FinopsRequireArg(fcinfo, 1, "format");
	format = text_to_cstring(PG_GETARG_TEXT_PP(1));
	html = strcmp(format, "html") == 0;
	if (!html && strcmp(format, "text") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("format \"%s\" is not known", FinopsQuoteForMessage(format)),
				 errdetail("A report is text or html.")));
	initStringInfo(&out);
	FinopsBegin(&session);
	if (FINOPS_RUN(run_sql, run_id) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("there is no such run of a checklist"),
				 errhint("SELECT run_id, checklist, started_at FROM finops.checklist_run lists them.")));
	for (int i = 0; i < 4; i++)
		head[i] = FinopsText(0, i + 1);
	if (html)
	{
		appendStringInfoString(&out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
		MarkupElement(&out, "title", head[0]);
		appendStringInfo(&out, "\n%s</head>\n<body>\n", OPS_PAGE_STYLE);
		MarkupElement(&out, "h1", head[0]);
		for (int i = 1; i < 4; i++)
			MarkupElement(&out, "p", head[i]);
		appendStringInfoChar(&out, '\n');
	}
	else
		appendStringInfo(&out, "%s\n%s\n%s\n%s\n\n", head[0], head[1], head[2], head[3] != NULL ? head[3] : "");
	run_id = ARG_INT8(FinopsInt64(0, 5));
	if (html)
		html_steps(&out, FINOPS_RUN(step_sql, run_id));
	else
		text_steps(&out, FINOPS_RUN(step_sql, run_id));
	FinopsEnd(&session);
	MemoryContextSwitchTo(context);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(out.data, out.len));
}

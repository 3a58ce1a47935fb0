/*-------------------------------------------------------------------------
 *
 * postmortem.c
 *	  What was learned from an incident: kept, and on a page to read.
 *
 *-------------------------------------------------------------------------
 */
#include "ops/ops.h"

#include "core/markup.h"

PG_FUNCTION_INFO_V1(finops_file_postmortem);
PG_FUNCTION_INFO_V1(finops_postmortem_html);

static const char *const part_name[] = {"root_cause", "impact", "prevention"};

/*
 * finops.file_postmortem(incident_id bigint, root_cause text, impact text,
 *						  prevention text) → incident
 *
 * Errors: 22004; 22023 a blank part; P0002.
 */
Datum
finops_file_postmortem(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *part[3];
	int64		id;

	FinopsRequireArg(fcinfo, 0, "incident_id");
	for (int i = 0; i < 3; i++)
	{
		FinopsRequireArg(fcinfo, i + 1, part_name[i]);
		part[i] = text_to_cstring(PG_GETARG_TEXT_PP(i + 1));
		if (strspn(part[i], " \t\r\n") == strlen(part[i]))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("%s must not be blank", part_name[i]),
					 errdetail("A post-mortem says what caused it, what it did, and what will prevent the next.")));
	}
	FinopsRequireWritable("finops.file_postmortem()");
	id = PG_GETARG_INT64(0);
	FinopsBegin(&session);
	(void) OpsLockIncident(id, false);
	FINOPS_RUN("UPDATE finops.incident SET postmortem = jsonb_build_object('root_cause', $2, 'impact', $3, 'prevention', $4,"
			   " 'filed_by', $5, 'filed_at', clock_timestamp()) WHERE incident_id = $1",
			   ARG_INT8(id), ARG_TEXT(part[0]), ARG_TEXT(part[1]), ARG_TEXT(part[2]),
			   ARG_TEXT(FinopsCallerName(&session)));
	OpsIncidentEvent(&session, id, "postmortem", part[0]);
	FinopsAudit(&session, "incident_postmortem", "incident", psprintf(INT64_FORMAT, id), "{}");
	OpsReturnIncident(fcinfo, id);
	FinopsEnd(&session);
	return (Datum) 0;
}

static void
row(StringInfo out, const char *name, const char *value)
{
	if (value == NULL || value[0] == '\0')
		return;
	appendStringInfoString(out, "<tr><th>");
	MarkupText(out, name);
	appendStringInfoString(out, "</th><td>");
	MarkupText(out, value);
	appendStringInfoString(out, "</td></tr>\n");
}

static void
section(StringInfo out, const char *title, const char *text)
{
	MarkupElement(out, "h2", title);
	appendStringInfoString(out, "\n<p>");
	MarkupText(out, text != NULL ? text : "Not written yet.");
	appendStringInfoString(out, "</p>\n");
}

#define UTC(column) "to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC'"

static const char *const incident_sql =
	"SELECT i.incident_id, i.title, i.severity, i.scope, i.status, " UTC("i.opened_at") ", i.opened_by,"
	" " UTC("i.acknowledge_by") ", " UTC("i.acknowledged_at") " || ' by ' || i.acknowledged_by ||"
	"  CASE WHEN i.acknowledged_at > i.acknowledge_by THEN ' (late)' ELSE '' END,"
	" " UTC("i.resolved_at") " || ' by ' || i.resolved_by, i.resolution, i.ticket, " UTC("i.postmortem_due") ","
	" (i.postmortem ->> 'filed_by') || ', ' || " UTC("(i.postmortem ->> 'filed_at')::timestamptz") ","
	" i.postmortem ->> 'root_cause', i.postmortem ->> 'impact', i.postmortem ->> 'prevention',"
	" to_char(coalesce(i.resolved_at, now()) - i.opened_at, 'FMDDD\"d\" HH24\"h\" MI\"min\"'),"
	" CASE WHEN i.evidence <> '{}' THEN jsonb_pretty(i.evidence) END"
	" FROM finops.incident i WHERE i.incident_id = $1";

/*
 * finops.postmortem_html(incident_id bigint) → text
 *
 * Nothing of it comes from elsewhere: no script, no style sheet, no image.
 * Errors: 22004; P0002.
 */
Datum
finops_postmortem_html(PG_FUNCTION_ARGS)
{
	static const char *const label[] = {NULL, NULL, "Severity", "About", "Status", "Opened", "Opened by", "Acknowledge by",
	"Acknowledged", "Resolved", "Resolution", "Ticket", "Post-mortem due", "Filed"};
	MemoryContext context = CurrentMemoryContext;
	FinopsSession session;
	StringInfoData out;
	char	   *evidence;
	uint64		n;

	FinopsRequireArg(fcinfo, 0, "incident_id");
	FinopsBegin(&session);
	if (FINOPS_RUN(incident_sql, ARG_INT8(PG_GETARG_INT64(0))) == 0)
		(void) OpsLockIncident(PG_GETARG_INT64(0), false);
	MemoryContextSwitchTo(context);
	initStringInfo(&out);
	MemoryContextSwitchTo(session.context);
	appendStringInfo(&out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>Post-mortem of incident %s</title>\n%s</head>\n<body>\n<h1>",
					 FinopsText(0, 1), OPS_PAGE_STYLE);
	MarkupText(&out, psprintf("Incident %s: %s", FinopsText(0, 1), FinopsText(0, 2)));
	appendStringInfoString(&out, "</h1>\n<table>\n");
	for (int i = 2; i < (int) lengthof(label); i++)
		row(&out, label[i], FinopsText(0, i + 1));
	row(&out, "Lasted", FinopsText(0, 18));
	appendStringInfoString(&out, "</table>\n");
	section(&out, "Root cause", FinopsText(0, 15));
	section(&out, "Impact", FinopsText(0, 16));
	section(&out, "Prevention", FinopsText(0, 17));
	evidence = FinopsText(0, 19);
	n = FINOPS_RUN("SELECT " UTC("occurred_at") ", kind, actor, note FROM finops.incident_event WHERE incident_id = $1 ORDER BY event_id",
				   ARG_INT8(PG_GETARG_INT64(0)));
	appendStringInfoString(&out, "<h2>Timeline</h2>\n<table>\n<tr><th>when</th><th>what</th><th>who</th><th>note</th></tr>\n");
	for (uint64 i = 0; i < n; i++)
	{
		appendStringInfoString(&out, "<tr>");
		for (int column = 1; column <= 4; column++)
		{
			appendStringInfoString(&out, "<td>");
			MarkupText(&out, FinopsText(i, column));
			appendStringInfoString(&out, "</td>");
		}
		appendStringInfoString(&out, "</tr>\n");
	}
	appendStringInfoString(&out, "</table>\n");
	if (evidence != NULL)
	{
		appendStringInfoString(&out, "<h2>Evidence</h2>\n<pre>");
		MarkupText(&out, evidence);
		appendStringInfoString(&out, "</pre>\n");
	}
	appendStringInfoString(&out, "</body>\n</html>\n");
	FinopsEnd(&session);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(out.data, out.len));
}

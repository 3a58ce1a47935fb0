/*-------------------------------------------------------------------------
 *
 * deliver_text.c
 *	  What a message says: one line, plain text, and JSON with everything.
 *
 * It is made anew for each attempt from rows that do not change, so that an
 * attempt that is repeated says the same.
 *
 *-------------------------------------------------------------------------
 */
#include "budget/deliver.h"

#define SHOWN_PARTS		"20"

/* "CRITICAL firing: Reconciliation failed (RECON-2025-09)" of a row o. */
#define LINE \
	"upper(o.severity) || CASE WHEN o.topic = 'alert' THEN ' ' || coalesce(o.payload ->> 'event', '') ELSE '' END || ': '" \
	" || coalesce(o.payload ->> 'title', o.topic) || CASE WHEN o.topic <> 'alert' THEN ' (' || left(o.dedup_key, 80) || ')'" \
	"  WHEN o.payload ->> 'scope' IN ('', '*') THEN '' ELSE coalesce(' (' || (o.payload ->> 'scope') || ')', '') END"

#define FACTS(object) \
	"(SELECT string_agg(f.key || ': ' || left(f.value, 500), E'\\n' ORDER BY f.key COLLATE \"C\")" \
	" FROM jsonb_each_text(CASE jsonb_typeof(" object ") WHEN 'object' THEN " object " ELSE jsonb_build_object('payload', " object ") END) f)"

/* $1 the message */
static const char *const single_sql =
	"SELECT " LINE ","
	" concat_ws(E'\\n', " LINE ", CASE WHEN o.topic = 'alert' THEN concat_ws(E'\\n',"
	"   'value ' || (o.payload ->> 'value') || ' ' || (o.payload ->> 'operator') || ' ' || (o.payload ->> 'threshold'),"
	"   " FACTS("o.payload -> 'detail'") ", 'acknowledge by ' || (o.payload ->> 'acknowledge_by'),"
	"   'keeps back ' || (o.payload -> 'inhibits' ->> 'count') || ' others: ' || (o.payload -> 'inhibits' ->> 'alerts'),"
	"   'next: ' || (o.payload ->> 'runbook'), 'alert ' || (o.payload ->> 'alert_id'))"
	"  ELSE " FACTS("o.payload") " END),"
	" j.body::text, j.body::text"
	" FROM finops.notification_message m JOIN finops.notification n ON n.message_id = m.message_id JOIN finops.outbox o ON o.outbox_id = n.outbox_id"
	" CROSS JOIN LATERAL (SELECT jsonb_build_object('id', m.idempotency_key, 'kind', 'single', 'channel', m.channel_id, 'severity', o.severity,"
	"  'count', 1, 'topic', o.topic, 'key', o.dedup_key, 'created_at', o.created_at, 'title', " LINE ", 'payload', o.payload) AS body) j"
	" WHERE m.message_id = $1";

static const char *const summary_sql =
	"WITH part AS MATERIALIZED (SELECT o.*, " LINE " AS line FROM finops.notification n JOIN finops.outbox o ON o.outbox_id = n.outbox_id WHERE n.message_id = $1),"
	" shown AS (SELECT string_agg(s.line, E'\\n' ORDER BY array_position(ARRAY['critical', 'warning', 'info'], s.severity), s.outbox_id) AS lines"
	"  FROM (SELECT * FROM part p ORDER BY array_position(ARRAY['critical', 'warning', 'info'], p.severity), p.outbox_id LIMIT " SHOWN_PARTS ") s),"
	" kind AS (SELECT coalesce(p.payload ->> 'policy_id', p.topic) AS name, p.severity, count(*) AS n FROM part p GROUP BY 1, 2),"
	" kinds AS (SELECT jsonb_agg(jsonb_build_object('name', k.name, 'severity', k.severity, 'count', k.n) ORDER BY k.n DESC, k.name COLLATE \"C\") AS list,"
	"  string_agg(k.n || ' ' || k.severity || ' ' || k.name, E'\\n' ORDER BY k.n DESC, k.name COLLATE \"C\") AS lines FROM kind k),"
	" head AS (SELECT m.parts || ' messages, ' || (SELECT count(*) FROM part p WHERE p.severity = 'critical') || ' critical' AS title,"
	"  jsonb_build_object('id', m.idempotency_key, 'kind', 'summary', 'channel', m.channel_id, 'severity', m.severity, 'count', m.parts,"
	"   'created_at', m.created_at, 'by', kinds.list) AS body, m.parts FROM finops.notification_message m, kinds WHERE m.message_id = $1)"
	" SELECT h.title, concat_ws(E'\\n', h.title, left(kinds.lines, 4000), '', shown.lines,"
	"  CASE WHEN h.parts > " SHOWN_PARTS " THEN 'and ' || (h.parts - " SHOWN_PARTS ") || ' more: SELECT o.* FROM finops.outbox o JOIN finops.notification n"
	" USING (outbox_id) WHERE n.message_id = ' || $1 END),"
	" (h.body || jsonb_build_object('messages', (SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('topic', p.topic, 'key', p.dedup_key,"
	"  'severity', p.severity, 'event', p.payload -> 'event', 'policy_id', p.payload -> 'policy_id', 'scope', p.payload -> 'scope', 'value', p.payload -> 'value',"
	"  'alert_id', p.payload -> 'alert_id', 'payload', CASE WHEN p.topic <> 'alert' THEN p.payload END)) ORDER BY p.outbox_id) FROM part p)))::text,"
	" (h.body || '{\"truncated\": true}')::text FROM head h, kinds, shown";

void
DeliverRender(Outgoing *message)
{
	FINOPS_RUN("SELECT kind FROM finops.notification_message WHERE message_id = $1", ARG_INT8(message->id));
	FINOPS_RUN(strcmp(FinopsText(0, 1), "summary") == 0 ? summary_sql : single_sql, ARG_INT8(message->id));
	if (SPI_processed == 0)
		elog(ERROR, "message %lld has no parts", (long long) message->id);
	message->title = FinopsText(0, 1);
	message->text = FinopsText(0, 2);
	message->json = FinopsText(0, 3);
	message->short_json = FinopsText(0, 4);
}

/*-------------------------------------------------------------------------
 *
 * alert_policy.c
 *	  Alert policies as they are written: what could never work is refused.
 *
 * A row of the user overrides what is not NULL in it of the shipped policy of
 * the same name, so what is judged is both together.  What it refers to is not
 * looked for while check_function_bodies is off, as in a restore: tables and
 * severity classes may come later.
 *
 *-------------------------------------------------------------------------
 */
#include "budget/alert.h"

#include "commands/trigger.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(finops_check_alert_policy);

/* The columns that are judged, in the order of the query below. */
enum
{
	POLICY_QUERY = 1, POLICY_OPERATOR, POLICY_THRESHOLD, POLICY_CLEAR, POLICY_SEVERITY,
	POLICY_FOR, POLICY_INHIBITED, POLICY_CHANNELS, POLICY_SHIPS, POLICY_CLASS
};

static const char *const merged_sql =
	"SELECT coalesce(o.query, s.query), coalesce(o.operator, s.operator), coalesce(o.threshold, s.threshold)::text,"
	" CASE WHEN CASE coalesce(o.operator, s.operator) WHEN '>' THEN o.clear_threshold <= coalesce(o.threshold, s.threshold)"
	"   WHEN '>=' THEN o.clear_threshold <= coalesce(o.threshold, s.threshold)"
	"   WHEN '<' THEN o.clear_threshold >= coalesce(o.threshold, s.threshold)"
	"   WHEN '<=' THEN o.clear_threshold >= coalesce(o.threshold, s.threshold)"
	"   ELSE o.clear_threshold = coalesce(o.threshold, s.threshold) END IS FALSE THEN o.clear_threshold::text END,"
	" coalesce(o.severity, s.severity), CASE WHEN o.for_duration < '0' OR o.increase_over <= '0' OR o.acknowledge_within <= '0' THEN 'negative' END,"
	" CASE WHEN o.policy_id = ANY (o.inhibited_by) THEN 'itself' END,"
	" (SELECT c FROM unnest(o.channels || o.escalate_to) AS c WHERE coalesce(btrim(c), '') = '' LIMIT 1),"
	" CASE WHEN s.policy_id IS NOT NULL THEN 'shipped' END,"
	" CASE WHEN o.severity_class IS NOT NULL AND NOT EXISTS (SELECT FROM finops.severity_scale c"
	"  WHERE c.class = o.severity_class AND c.scale = coalesce(o.severity_scale, s.severity_scale)) THEN o.severity_class END"
	" FROM (SELECT $1::text AS policy_id, $2::text AS query, $3::text AS operator, $4::numeric AS threshold,"
	"  $5::numeric AS clear_threshold, $6::text AS severity, $7::interval AS for_duration, $8::interval AS increase_over,"
	"  $9::interval AS acknowledge_within, $10::text[] AS inhibited_by, $11::text[] AS channels, $12::text[] AS escalate_to,"
	"  $13::text AS severity_scale, $14::text AS severity_class) AS o"
	" LEFT JOIN finops.alert_policy s ON s.policy_id = o.policy_id AND s.shipped";

static const struct
{
	const char *name;
	Oid			type;
}			judged_columns[] = {
	{"policy_id", TEXTOID}, {"query", TEXTOID}, {"operator", TEXTOID}, {"threshold", NUMERICOID},
	{"clear_threshold", NUMERICOID}, {"severity", TEXTOID}, {"for_duration", INTERVALOID},
	{"increase_over", INTERVALOID}, {"acknowledge_within", INTERVALOID}, {"inhibited_by", TEXTARRAYOID},
	{"channels", TEXTARRAYOID}, {"escalate_to", TEXTARRAYOID}, {"severity_scale", TEXTOID},
	{"severity_class", TEXTOID}
};

static Datum
column(HeapTuple row, TupleDesc desc, const char *name, bool *isnull)
{
	return SPI_getbinval(row, desc, SPI_fnumber(desc, name), isnull);
}

static bool
is_shipped(HeapTuple row, TupleDesc desc)
{
	bool		isnull;
	Datum		shipped = column(row, desc, "shipped", &isnull);

	return !isnull && DatumGetBool(shipped);
}

pg_noreturn static void
refuse(const char *policy, const char *what, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("alert policy \"%s\" %s", FinopsQuoteForMessage(policy), what),
			 errhint("%s", hint)));
}

static void
refuse_shipped(const char *policy)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("alert policy \"%s\" is shipped and does not change", FinopsQuoteForMessage(policy)),
			 errdetail("An upgrade would bring its row again, and a dump leaves it out."),
			 errhint("INSERT INTO finops.alert_policy (policy_id, threshold) VALUES (%s, ...) overrides it; enabled => false switches it off.",
					 quote_literal_cstr(policy))));
}

static void
refuse_infinite(const char *policy, HeapTuple row, TupleDesc desc, const char *name)
{
	bool		isnull;
	Datum		value = column(row, desc, name, &isnull);

	if (!isnull && (numeric_is_nan(DatumGetNumeric(value)) || numeric_is_inf(DatumGetNumeric(value))))
		refuse(policy, psprintf("has no usable %s", name), "Give a finite number.");
}

static bool
is_one_of(const char *value, const char *const *list)
{
	for (; *list != NULL; list++)
		if (strcmp(value, *list) == 0)
			return true;
	return false;
}

static void
judge_words(const char *policy)
{
	static const char *const operators[] = {">", ">=", "<", "<=", "=", "<>", NULL};
	static const char *const severities[] = {"info", "warning", "critical", NULL};

	if (!is_one_of(FinopsText(0, POLICY_OPERATOR), operators))
		refuse(policy, "has an unknown operator", "Operators are >, >=, <, <=, = and <>.");
	if (!is_one_of(FinopsText(0, POLICY_SEVERITY), severities))
		refuse(policy, "has an unknown severity", "Severities are info, warning and critical; severity_class holds SEV-1 and the like.");
}

static void
judge(const char *policy, HeapTuple row, TupleDesc desc)
{
	FinopsArg	args[lengthof(judged_columns)];

	refuse_infinite(policy, row, desc, "threshold");
	refuse_infinite(policy, row, desc, "clear_threshold");
	for (size_t i = 0; i < lengthof(judged_columns); i++)
	{
		args[i].type = judged_columns[i].type;
		args[i].value = column(row, desc, judged_columns[i].name, &args[i].isnull);
	}
	(void) FinopsRun(merged_sql, lengthof(args), args);
	if (FinopsText(0, POLICY_QUERY) == NULL || FinopsText(0, POLICY_OPERATOR) == NULL ||
		FinopsText(0, POLICY_THRESHOLD) == NULL || FinopsText(0, POLICY_SEVERITY) == NULL)
		refuse(policy, "needs a query, an operator, a threshold and a severity",
			   "Only what overrides a shipped policy may leave them out; SELECT policy_id FROM finops.alert_policy WHERE shipped lists those.");
	judge_words(policy);
	if (FinopsText(0, POLICY_CLEAR) != NULL)
		refuse(policy, psprintf("could never clear at %s", FinopsText(0, POLICY_CLEAR)),
			   "clear_threshold lies on the quiet side of threshold: for > and >= at or below it, for < and <= at or above it, for = and <> the same.");
	if (FinopsText(0, POLICY_FOR) != NULL)
		refuse(policy, "has a negative time", "for_duration is 0 or more, increase_over and acknowledge_within are more than 0.");
	if (FinopsText(0, POLICY_INHIBITED) != NULL)
		refuse(policy, "inhibits itself", "inhibited_by names other policies.");
	if (FinopsText(0, POLICY_CHANNELS) != NULL)
		refuse(policy, "names a blank channel", "channels and escalate_to hold channel ids of finops.channel.");
	if (FinopsText(0, POLICY_CLASS) != NULL && check_function_bodies)
		refuse(policy, psprintf("has the unknown severity class \"%s\"", FinopsQuoteForMessage(FinopsText(0, POLICY_CLASS))),
			   "SELECT scale, class FROM finops.severity_scale lists them; give severity_scale too.");
}

/* The role with whose rights the query runs: one that the writer may use. */
static Oid
query_role(const char *policy, HeapTuple row, TupleDesc desc)
{
	char	   *name = SPI_getvalue(row, desc, SPI_fnumber(desc, "owner_role"));
	Oid			caller = FinopsCaller();
	Oid			role;

	if (name == NULL)
		refuse(policy, "has a query and no owner_role", "Leave owner_role out: it is the role that writes the row.");
	role = get_role_oid(name, true);
	if (superuser_arg(caller))
		return role;
	if (!OidIsValid(role) || !has_privs_of_role(caller, role))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to let alert policy \"%s\" run as role \"%s\"",
						FinopsQuoteForMessage(policy), FinopsQuoteForMessage(name)),
				 errhint("Leave owner_role out: it is the role that writes the row.")));
	return role;
}

Datum
finops_check_alert_policy(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	TupleDesc	desc;
	HeapTuple	row;
	FinopsSession session;
	char	   *policy,
			   *query;
	Datum		enabled;
	bool		no_word;
	Oid			role = InvalidOid;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_FOR_ROW(data->tg_event) ||
		!TRIGGER_FIRED_BEFORE(data->tg_event))
		elog(ERROR, "finops_check_alert_policy: not called as a trigger before each row");
	desc = data->tg_relation->rd_att;
	row = TRIGGER_FIRED_BY_UPDATE(data->tg_event) ? data->tg_newtuple : data->tg_trigtuple;
	policy = SPI_getvalue(row, desc, SPI_fnumber(desc, "policy_id"));
	if (creating_extension)
		return PointerGetDatum(row);
	if (is_shipped(data->tg_trigtuple, desc) || is_shipped(row, desc))
		refuse_shipped(policy);
	if (TRIGGER_FIRED_BY_DELETE(data->tg_event) || policy == NULL)
		return PointerGetDatum(row);
	query = SPI_getvalue(row, desc, SPI_fnumber(desc, "query"));
	enabled = column(row, desc, "enabled", &no_word);
	FinopsBegin(&session);
	judge(policy, row, desc);
	if (query != NULL)
		role = query_role(policy, row, desc);
	FinopsEnd(&session);
	/* one that is off may name what is gone, and is tried when it is switched on */
	if (query != NULL && check_function_bodies && OidIsValid(role) && (no_word || DatumGetBool(enabled)))
		AlertTryQuery(policy, query, role);
	return PointerGetDatum(row);
}

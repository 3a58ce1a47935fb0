/*-------------------------------------------------------------------------
 *
 * rules.c
 *	  Allocation rules: adding versions, and what is wrong with them.
 *
 * Rules may be written by plain INSERT; constraints keep out what one row
 * can show.  What takes more than one row (overlapping versions, unknown
 * tenants) is checked by finops.add_allocation_rule when a version is added,
 * by finops.validate_rules on request, and by finops.allocate before it uses
 * them.  A trigger cannot do that: it would also judge the rows of a dump in
 * the order in which they come back.
 *
 *-------------------------------------------------------------------------
 */
#include "allocate/allocate.h"

#include "utils/jsonb.h"

PG_FUNCTION_INFO_V1(finops_add_allocation_rule);
PG_FUNCTION_INFO_V1(finops_validate_rules);

/*
 * Faults of the rule versions r of a set: severity, rule, check and a
 * sentence.  Severity error is what allocate refuses.
 */
#define FAULTS(rules) \
	"SELECT 'error' AS severity, r.rule_id, 'overlap' AS check_name," \
	" format('Versions %s and %s are in force on the same day.', r.rule_version, o.rule_version) AS detail" \
	" FROM " rules " r JOIN @s@.allocation_rules o ON o.rule_id = r.rule_id" \
	"  AND o.rule_version <> r.rule_version" \
	"  AND o.effective_from < coalesce(r.effective_to, 'infinity')" \
	"  AND r.effective_from < coalesce(o.effective_to, 'infinity')" \
	"  AND (r.rule_version < o.rule_version OR NOT EXISTS (SELECT FROM " rules " x" \
	"   WHERE x.rule_id = o.rule_id AND x.rule_version = o.rule_version))" \
	" UNION ALL SELECT 'error', r.rule_id, 'weight'," \
	"  format('The weight of \"%s\" is %s, not a number of at least zero.', left(e.key, 64), left(e.value::text, 64))" \
	"  FROM " rules " r CROSS JOIN LATERAL jsonb_each(CASE jsonb_typeof(r.weights_json)" \
	"   WHEN 'object' THEN r.weights_json ELSE '{}' END) e" \
	"  WHERE r.billable AND r.formula IN ('fixed_pct', 'fixed_fee')" \
	"  AND CASE jsonb_typeof(e.value) WHEN 'number' THEN (e.value)::numeric < 0 ELSE true END" \
	" UNION ALL SELECT 'error', r.rule_id, 'over_allocated'," \
	"  format('Its percents add up to %s.', sum((e.value)::numeric))" \
	"  FROM " rules " r CROSS JOIN LATERAL jsonb_each(CASE jsonb_typeof(r.weights_json)" \
	"   WHEN 'object' THEN r.weights_json ELSE '{}' END) e" \
	"  WHERE r.billable AND r.formula = 'fixed_pct' AND jsonb_typeof(e.value) = 'number'" \
	"  GROUP BY r.rule_id, r.rule_version HAVING sum((e.value)::numeric) > 100" \
	" UNION ALL SELECT 'error', r.rule_id, 'unknown_tenant'," \
	"  format('Its weights name \"%s\", which is not in tenant_master.', left(e.key, 64))" \
	"  FROM " rules " r CROSS JOIN LATERAL jsonb_each(CASE jsonb_typeof(r.weights_json)" \
	"   WHEN 'object' THEN r.weights_json ELSE '{}' END) e" \
	"  WHERE r.billable AND r.formula IN ('fixed_pct', 'fixed_fee')" \
	"  AND NOT EXISTS (SELECT FROM @s@.tenant_master t WHERE t.tenant_id = e.key)"

#define RULES_OF_PERIOD \
	"(SELECT * FROM @s@.allocation_rules r WHERE " ALLOCATE_IN_FORCE ")"

void
AllocateCheckRules(DateADT period)
{
	if (FINOPS_RUN(FAULTS(RULES_OF_PERIOD) " ORDER BY 2, 3, 4 LIMIT 1",
				   ARG_DATE(period)) == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("allocation rule \"%s\" cannot be used for %s",
					FinopsText(0, 2), FinopsPeriodText(period)),
			 errdetail("%s", FinopsText(0, 4)),
			 errhint("SELECT * FROM finops.validate_rules('%s-01') lists every fault.",
					 FinopsPeriodText(period))));
}

/*
 * finops.validate_rules(period date) -> TABLE (severity, rule_id, check_name,
 * detail, currency, cost)
 *
 * Faults of the rules in force (severity error: allocate refuses them), rules
 * that match nothing, services where several rules match the same cost, and
 * cost that no rule matches, on the cost basis.  Reads the facts once.
 */
Datum
finops_validate_rules(PG_FUNCTION_ARGS)
{
	DateADT		period = FinopsPeriodArg(fcinfo, 0);
	FinopsSession session;

	FinopsBegin(&session);
	FINOPS_RUN(
		"WITH rule AS MATERIALIZED " RULES_OF_PERIOD ","
		" cost AS MATERIALIZED ("
		"  SELECT c.provider, c.service, c.charge_category, c.line_item_currency_code AS currency,"
		"   c.line_item_usage_type AS usage_type,"
		"   sum(CASE $2 WHEN 'billed' THEN c.billed_cost ELSE c.effective_cost END) AS cost"
		"  FROM @s@.fact_cost_raw c"
		"  WHERE c.bill_billing_period_start_date = $1 AND c.tenant_id IS NULL GROUP BY 1, 2, 3, 4, 5),"
		" hit AS MATERIALIZED ("
		"  SELECT c.*, m.rules FROM cost c CROSS JOIN LATERAL ("
		"   SELECT array_agg(r.rule_id ORDER BY r.priority, r.rule_id COLLATE \"C\") AS rules"
		"   FROM rule r WHERE " ALLOCATE_MATCHES ") m)"
		" SELECT f.*, NULL::text AS currency, NULL::numeric AS cost FROM (" FAULTS("rule") ") f"
		" UNION ALL SELECT 'info', r.rule_id, 'mid_month',"
		"  'It begins within a month and is used from the next one on.', NULL, NULL"
		"  FROM @s@.allocation_rules r WHERE r.effective_from > $1"
		"  AND r.effective_from < ($1 + interval '1 month')::date"
		" UNION ALL SELECT 'info', r.rule_id, 'matches_nothing',"
		"  'It places no cost of this period.', NULL, NULL"
		"  FROM rule r WHERE NOT EXISTS (SELECT FROM hit h WHERE h.rules[1] = r.rule_id)"
		" UNION ALL SELECT 'info', h.rules[1], 'several_rules',"
		"  format('Cost of %s is also matched by %s.', h.service, array_to_string(h.rules[2:], ', ')),"
		"  h.currency, sum(h.cost)"
		"  FROM hit h WHERE cardinality(h.rules) > 1 GROUP BY h.rules, h.service, h.currency"
		" UNION ALL SELECT 'warning', NULL, 'no_rule', format('No rule places cost of %s.', h.service),"
		"  h.currency, sum(h.cost)"
		"  FROM hit h WHERE h.rules IS NULL GROUP BY h.service, h.currency HAVING sum(h.cost) <> 0"
		" ORDER BY 1, 2, 3, 4, 5",
		ARG_DATE(period),
		ARG_TEXT(FinopsBasisName(FinopsPeriodBasis(period, false))));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

static void
check_effective_dates(FunctionCallInfo fcinfo)
{
	DateADT		from;

	FinopsRequireArg(fcinfo, 0, "rule_id");
	FinopsRequireArg(fcinfo, 1, "formula");
	FinopsRequireArg(fcinfo, 2, "effective_from");
	from = FinopsPeriodArg(fcinfo, 2);
	if (!PG_ARGISNULL(3))
	{
		FinopsCheckPeriodStart(PG_GETARG_DATEADT(3));
		if (PG_GETARG_DATEADT(3) <= from)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("effective_to must be later than effective_from"),
					 errdetail("effective_to is the first day on which the version is no longer in force.")));
	}
}

/* What a text argument of a rule may be; NULL: its default, if it has one. */
static const struct
{
	int			argno;
	const char *name;
	const char *values[6];
}			rule_words[] = {
	{1, "formula", {"proportional", "equal", "fixed_pct", "fixed_fee"}},
	{8, "charge_category", {"Usage", "Purchase", "Tax", "Credit", "Adjustment"}},
	{12, "zero_key_policy", {"unallocated", "operator", "equal", "error"}},
	{13, "residual_target", {"unallocated", "operator"}},
};

static void
check_words(FunctionCallInfo fcinfo)
{
	for (int i = 0; i < (int) lengthof(rule_words); i++)
	{
		const char *const *value = rule_words[i].values;
		StringInfoData known;
		char	   *given;

		if (PG_ARGISNULL(rule_words[i].argno))
			continue;
		given = text_to_cstring(PG_GETARG_TEXT_PP(rule_words[i].argno));
		initStringInfo(&known);
		for (; *value != NULL && strcmp(*value, given) != 0; value++)
			appendStringInfo(&known, "%s'%s'", known.len == 0 ? "" : ", ", *value);
		if (*value == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("unknown %s \"%s\"", rule_words[i].name, FinopsQuoteForMessage(given)),
					 errhint("Use one of %s.", known.data)));
	}
}

static void
check_not_blank(const char *given, const char *name)
{
	if (given[strspn(given, " ")] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be blank", name)));
}

static void
check_rule_id(const char *given)
{
	check_not_blank(given, "rule_id");
	if (strcmp(given, "direct-tag") == 0 || strcmp(given, "unallocated") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is a built-in rule", given),
				 errhint("Give the rule another rule_id.")));
}

/* Fixed percents and amounts stand in the weights. */
static void
check_weights(FunctionCallInfo fcinfo)
{
	char	   *formula = text_to_cstring(PG_GETARG_TEXT_PP(1));

	if ((strcmp(formula, "fixed_pct") != 0 && strcmp(formula, "fixed_fee") != 0) ||
		(!PG_ARGISNULL(11) && !PG_GETARG_BOOL(11)))
		return;
	if (PG_ARGISNULL(9) || !JB_ROOT_IS_OBJECT(PG_GETARG_JSONB_P(9)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("formula %s needs weights", formula),
				 errhint("Give weights => '{\"tenant id\": 60, \"another tenant id\": 40}', in percent for fixed_pct and in the currency of the bill for fixed_fee.")));
}

/*
 * The new version takes over from an open-ended earlier one on its first day.
 */
static void
end_previous_version(const char *rule_id, DateADT from)
{
	FINOPS_RUN("UPDATE @s@.allocation_rules SET effective_to = $2"
			   " WHERE rule_id = $1 AND effective_to IS NULL AND effective_from < $2",
			   ARG_TEXT(rule_id), ARG_DATE(from));
}

static FinopsArg
argument(FunctionCallInfo fcinfo, int argno, Oid type)
{
	return ARG_DATUM(type, PG_GETARG_DATUM(argno), PG_ARGISNULL(argno));
}

static int32
insert_version(FunctionCallInfo fcinfo)
{
	FINOPS_RUN("INSERT INTO @s@.allocation_rules (rule_id, rule_version, formula, effective_from,"
			   " effective_to, category, provider, service_match, usage_type_like, charge_category,"
			   " weights_json, priority, billable, zero_key_policy, residual_target, owner_team, notes)"
			   " SELECT $1, coalesce(max(rule_version), 0) + 1, $2, $3, $4, coalesce($5, 'OTHER'),"
			   " $6, $7, $8, $9, $10, coalesce($11, 100), coalesce($12, true),"
			   " coalesce($13, 'unallocated'), coalesce($14, 'unallocated'), $15, $16"
			   " FROM @s@.allocation_rules WHERE rule_id = $1 RETURNING rule_version",
			   argument(fcinfo, 0, TEXTOID), argument(fcinfo, 1, TEXTOID),
			   argument(fcinfo, 2, DATEOID), argument(fcinfo, 3, DATEOID),
			   argument(fcinfo, 4, TEXTOID), argument(fcinfo, 5, TEXTOID),
			   argument(fcinfo, 6, TEXTOID), argument(fcinfo, 7, TEXTOID),
			   argument(fcinfo, 8, TEXTOID), argument(fcinfo, 9, JSONBOID),
			   argument(fcinfo, 10, INT4OID), argument(fcinfo, 11, BOOLOID),
			   argument(fcinfo, 12, TEXTOID), argument(fcinfo, 13, TEXTOID),
			   argument(fcinfo, 14, TEXTOID), argument(fcinfo, 15, TEXTOID));
	return (int32) FinopsInt64(0, 1);
}

/*
 * finops.add_allocation_rule(rule_id, formula, effective_from, effective_to,
 * category, provider, service_match, usage_type_like, charge_category,
 * weights, priority, billable, zero_key_policy, residual_target, owner_team,
 * notes) -> integer
 *
 * Adds a version and returns its number.  22004 for a missing rule_id,
 * formula or effective_from; 22023 for a value no rule may have and for a
 * version that overlaps another, over-allocates or names unknown tenants.
 */
Datum
finops_add_allocation_rule(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *rule_id;
	int32		version;

	check_effective_dates(fcinfo);
	check_words(fcinfo);
	check_rule_id(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	if (!PG_ARGISNULL(4))
		check_not_blank(text_to_cstring(PG_GETARG_TEXT_PP(4)), "category");
	check_weights(fcinfo);
	FinopsRequireWritable("finops.add_allocation_rule()");
	rule_id = text_to_cstring(PG_GETARG_TEXT_PP(0));
	FinopsBegin(&session);
	FINOPS_RUN0("LOCK TABLE @s@.allocation_rules IN SHARE ROW EXCLUSIVE MODE");
	end_previous_version(rule_id, PG_GETARG_DATEADT(2));
	version = insert_version(fcinfo);
	if (FINOPS_RUN(FAULTS("(SELECT * FROM @s@.allocation_rules"
						  "  WHERE rule_id = $1 AND rule_version = $2)")
				   " ORDER BY 3, 4 LIMIT 1",
				   ARG_TEXT(rule_id), ARG_INT4(version)) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("allocation rule \"%s\" cannot be added",
						FinopsQuoteForMessage(rule_id)),
				 errdetail("%s", FinopsText(0, 4)),
				 strcmp(FinopsText(0, 3), "unknown_tenant") == 0 ?
				 errhint("Register the tenant by finops.register_tenant.") :
				 errhint("Change the rule and add it again.")));
	FINOPS_RUN("SELECT jsonb_build_object('rule_version', $1, 'effective_from', $2)::text",
			   ARG_INT4(version), ARG_DATE(PG_GETARG_DATEADT(2)));
	FinopsAudit(&session, "allocation_rule_added", "allocation_rule", rule_id,
				FinopsText(0, 1));
	FinopsEnd(&session);
	PG_RETURN_INT32(version);
}

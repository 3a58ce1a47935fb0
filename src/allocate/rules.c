/*-------------------------------------------------------------------------
 *
 * rules.c
 *	  Allocation rules: adding and approving versions, driver values.
 *
 * Rules may be written by plain INSERT; constraints keep out what one row can
 * show, and versions that overlap.  What takes more than one row (unknown
 * tenants, pools without a rule) is checked by finops.add_allocation_rule
 * when a version is added, by finops.validate_rules on request, and by
 * finops.allocate before it uses them; see faults.c.  A trigger cannot do
 * that: it would also judge the rows of a dump in the order in which they
 * come back.
 *
 *-------------------------------------------------------------------------
 */
#include "allocate/allocate.h"

#include "utils/jsonb.h"

PG_FUNCTION_INFO_V1(finops_add_allocation_rule);
PG_FUNCTION_INFO_V1(finops_approve_rule);
PG_FUNCTION_INFO_V1(finops_record_driver_values);

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
	const char *values[12];
}			rule_words[] = {
	{1, "formula", {"proportional", "equal", "fixed_pct", "fixed_fee", "direct", "driver", "weighted",
	"tiered", "capacity", "inherit", "shared_peak"}},
	{8, "charge_category", {"Usage", "Purchase", "Tax", "Credit", "Adjustment"}},
	{12, "zero_key_policy", {"unallocated", "operator", "equal", "error"}},
	{13, "residual_target", {"unallocated", "operator"}},
	{16, "stage", {"direct", "split", "pool", "overhead", "residual"}},
	{24, "key_metric", {"direct_cost", "allocated_cost"}},
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
	static const char *const built_in[] = {"direct-tag", "unallocated", "input-tax",
	"unused-commitment", "discount", "credit", "origin-period", ALLOCATE_PACKED_RULE};

	check_not_blank(given, "rule_id");
	for (int i = 0; i < (int) lengthof(built_in); i++)
	{
		if (strcmp(given, built_in[i]) != 0)
			continue;
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is a built-in rule", given),
				 errhint("Give the rule another rule_id.")));
	}
}

/* Fixed percents and amounts stand in the weights. */
static void
check_weights(FunctionCallInfo fcinfo)
{
	char	   *formula = text_to_cstring(PG_GETARG_TEXT_PP(1));

	if ((strcmp(formula, "fixed_pct") != 0 && strcmp(formula, "fixed_fee") != 0 &&
		 strcmp(formula, "direct") != 0) ||
		(!PG_ARGISNULL(11) && !PG_GETARG_BOOL(11)))
		return;
	if (PG_ARGISNULL(9) || !JB_ROOT_IS_OBJECT(PG_GETARG_JSONB_P(9)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("formula %s needs weights", formula),
				 errhint("Give weights => '{\"tenant id\": 60, \"another tenant id\": 40}', in percent for fixed_pct and in the currency of the bill for fixed_fee.")));
}

/* Formulas that follow a driver name one. */
static void
check_driver(FunctionCallInfo fcinfo)
{
	static const char *const formulas[] = {"driver", "tiered", "capacity", "shared_peak"};
	char	   *formula = text_to_cstring(PG_GETARG_TEXT_PP(1));

	for (int i = 0; i < (int) lengthof(formulas) && PG_ARGISNULL(18); i++)
		if (strcmp(formula, formulas[i]) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("formula %s needs a driver", formula),
					 errhint("INSERT INTO finops.driver (driver, unit, grain) VALUES ('requests', 'count', 'month'), then give driver => 'requests'.")));
}

/* A pattern must not end in the escape character. */
static void
check_pattern(FunctionCallInfo fcinfo, int argno, const char *name)
{
	char	   *pattern;
	int			escapes = 0;

	if (PG_ARGISNULL(argno))
		return;
	pattern = text_to_cstring(PG_GETARG_TEXT_PP(argno));
	for (int i = (int) strlen(pattern) - 1; i >= 0 && pattern[i] == '\\'; i--)
		escapes++;
	if (escapes % 2 == 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s ends in a backslash", name),
				 errdetail("A backslash takes the meaning from the character behind it, and there is none."),
				 errhint("Write two backslashes for one in a name.")));
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

static int64
next_version(const char *rule_id)
{
	FINOPS_RUN("SELECT coalesce(max(rule_version), 0)::bigint + 1 FROM @s@.allocation_rules WHERE rule_id = $1",
			   ARG_TEXT(rule_id));
	return FinopsInt64(0, 1);
}

/* Every day has at most one version of a rule. */
static void
refuse_overlap(const char *rule_id, DateADT from, FinopsArg to)
{
	char	   *other;

	if (FINOPS_RUN("SELECT r.rule_version FROM @s@.allocation_rules r WHERE r.rule_id = $1"
				   " AND daterange(r.effective_from, r.effective_to) && daterange($2, $3) ORDER BY 1 LIMIT 1",
				   ARG_TEXT(rule_id), ARG_DATE(from), to) == 0)
		return;
	other = FinopsText(0, 1);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("allocation rule \"%s\" cannot be added", FinopsQuoteForMessage(rule_id)),
			 errdetail("Versions %lld and %s are in force on the same day.",
					   (long long) next_version(rule_id), other),
			 errhint("Change the rule and add it again.")));
}

/* What foreign keys would find as well, but not say what to do about. */
static void
refuse_unregistered(const char *driver, const char *pool)
{
	if (driver != NULL && FINOPS_RUN("SELECT 1 FROM finops.driver d WHERE d.driver = $1", ARG_TEXT(driver)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
				 errmsg("driver \"%s\" is unknown", FinopsQuoteForMessage(driver)),
				 errhint("INSERT INTO finops.driver (driver, unit, grain) VALUES (%s, 'count', 'month').",
						 quote_literal_cstr(driver))));
	if (pool != NULL && FINOPS_RUN("SELECT 1 FROM finops.pool p WHERE p.pool_id = $1", ARG_TEXT(pool)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
				 errmsg("pool \"%s\" is unknown", FinopsQuoteForMessage(pool)),
				 errhint("INSERT INTO finops.pool (pool_id) VALUES (%s).", quote_literal_cstr(pool))));
}

static FinopsArg
argument(FunctionCallInfo fcinfo, int argno, Oid type)
{
	return ARG_DATUM(type, PG_GETARG_DATUM(argno), PG_ARGISNULL(argno));
}

static int32
insert_version(FunctionCallInfo fcinfo, const char *prepared_by)
{
	FINOPS_RUN("INSERT INTO @s@.allocation_rules (rule_id, rule_version, formula, effective_from,"
			   " effective_to, category, provider, service_match, usage_type_like, charge_category,"
			   " weights_json, priority, billable, zero_key_policy, residual_target, owner_team, notes,"
			   " stage, match, driver, legs, fallback, caps, params, pool_id, key_metric, prepared_by)"
			   " SELECT $1, coalesce(max(rule_version), 0) + 1, $2, $3, $4, coalesce($5, 'OTHER'),"
			   " $6, $7, $8, $9, $10, coalesce($11, 100), coalesce($12, true),"
			   " coalesce($13, 'unallocated'), coalesce($14, 'unallocated'), $15, $16,"
			   " coalesce($17, 'pool'), $18, $19, $20, $21, $22, $23, $24, coalesce($25, 'direct_cost'), $26"
			   " FROM @s@.allocation_rules WHERE rule_id = $1 RETURNING rule_version",
			   argument(fcinfo, 0, TEXTOID), argument(fcinfo, 1, TEXTOID),
			   argument(fcinfo, 2, DATEOID), argument(fcinfo, 3, DATEOID),
			   argument(fcinfo, 4, TEXTOID), argument(fcinfo, 5, TEXTOID),
			   argument(fcinfo, 6, TEXTOID), argument(fcinfo, 7, TEXTOID),
			   argument(fcinfo, 8, TEXTOID), argument(fcinfo, 9, JSONBOID),
			   argument(fcinfo, 10, INT4OID), argument(fcinfo, 11, BOOLOID),
			   argument(fcinfo, 12, TEXTOID), argument(fcinfo, 13, TEXTOID),
			   argument(fcinfo, 14, TEXTOID), argument(fcinfo, 15, TEXTOID),
			   argument(fcinfo, 16, TEXTOID), argument(fcinfo, 17, JSONBOID),
			   argument(fcinfo, 18, TEXTOID), argument(fcinfo, 19, JSONBOID),
			   argument(fcinfo, 20, TEXTARRAYOID), argument(fcinfo, 21, JSONBOID),
			   argument(fcinfo, 22, JSONBOID), argument(fcinfo, 23, TEXTOID),
			   argument(fcinfo, 24, TEXTOID), ARG_TEXT(prepared_by));
	return (int32) FinopsInt64(0, 1);
}

/*
 * finops.add_allocation_rule(rule_id, formula, effective_from, effective_to,
 * category, provider, service_match, usage_type_like, charge_category,
 * weights, priority, billable, zero_key_policy, residual_target, owner_team,
 * notes, stage, match, driver, legs, fallback, caps, params, pool_id,
 * key_metric) -> integer
 *
 * Adds a version and returns its number.  22004 for a missing rule_id,
 * formula or effective_from; 22023 for a value no rule may have and for a
 * version that overlaps another, over-allocates, names unknown tenants, pools
 * or drivers in its lists, or closes a circle of pools that nothing leaves.
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
	check_pattern(fcinfo, 6, "service_match");
	check_pattern(fcinfo, 7, "usage_type_like");
	check_driver(fcinfo);
	FinopsRequireWritable("finops.add_allocation_rule()");
	rule_id = text_to_cstring(PG_GETARG_TEXT_PP(0));
	FinopsBegin(&session);
	refuse_unregistered(PG_ARGISNULL(18) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(18)),
						PG_ARGISNULL(23) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(23)));
	FINOPS_RUN0("LOCK TABLE @s@.allocation_rules IN SHARE ROW EXCLUSIVE MODE");
	end_previous_version(rule_id, PG_GETARG_DATEADT(2));
	refuse_overlap(rule_id, PG_GETARG_DATEADT(2), argument(fcinfo, 3, DATEOID));
	version = insert_version(fcinfo, FinopsCallerName(&session));
	AllocateCheckVersion(rule_id, version);
	FINOPS_RUN("SELECT jsonb_build_object('rule_version', $1, 'effective_from', $2)::text",
			   ARG_INT4(version), ARG_DATE(PG_GETARG_DATEADT(2)));
	FinopsAudit(&session, "allocation_rule_added", "allocation_rule", rule_id,
				FinopsText(0, 1));
	FinopsEnd(&session);
	PG_RETURN_INT32(version);
}

/*
 * finops.approve_rule(rule_id text, rule_version integer, note text) -> void
 *
 * 22004 for NULL, 22023 for an unknown version, 42501 for the one who
 * prepared it, 55000 for one that is approved.
 */
Datum
finops_approve_rule(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *rule_id;
	int32		version;
	const char *caller;

	FinopsRequireArg(fcinfo, 0, "rule_id");
	FinopsRequireArg(fcinfo, 1, "rule_version");
	FinopsRequireWritable("finops.approve_rule()");
	rule_id = text_to_cstring(PG_GETARG_TEXT_PP(0));
	version = PG_GETARG_INT32(1);
	FinopsBegin(&session);
	caller = FinopsCallerName(&session);
	if (FINOPS_RUN("SELECT r.prepared_by, r.approved_by FROM @s@.allocation_rules r"
				   " WHERE r.rule_id = $1 AND r.rule_version = $2 FOR UPDATE",
				   ARG_TEXT(rule_id), ARG_INT4(version)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("allocation rule \"%s\" has no version %d", FinopsQuoteForMessage(rule_id), version),
				 errhint("SELECT rule_id, rule_version, approved_by FROM allocation_rules lists them.")));
	if (FinopsText(0, 2) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("version %d of allocation rule \"%s\" is approved", version, FinopsQuoteForMessage(rule_id)),
				 errdetail("\"%s\" approved it.", FinopsText(0, 2))));
	if (FinopsIsSamePerson(&session, FinopsText(0, 1), NULL))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("\"%s\" cannot approve what it prepared", caller),
				 errhint("Let another role run SELECT finops.approve_rule(%s, %d).",
						 quote_literal_cstr(rule_id), version)));
	FINOPS_RUN("UPDATE @s@.allocation_rules SET approved_by = $3, approved_at = now()"
			   " WHERE rule_id = $1 AND rule_version = $2",
			   ARG_TEXT(rule_id), ARG_INT4(version), ARG_TEXT(caller));
	FINOPS_RUN("SELECT jsonb_build_object('rule_version', $1, 'note', $2)::text", ARG_INT4(version),
			   PG_ARGISNULL(2) ? ARG_TEXT(NULL) : ARG_TEXT(text_to_cstring(PG_GETARG_TEXT_PP(2))));
	FinopsAudit(&session, "allocation_rule_approved", "allocation_rule", rule_id, FinopsText(0, 1));
	FinopsEnd(&session);
	PG_RETURN_VOID();
}

static void
refuse_driver_values(const char *driver)
{
	if (FINOPS_RUN("SELECT 1 FROM finops.driver d WHERE d.driver = $1", ARG_TEXT(driver)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("driver \"%s\" is unknown", FinopsQuoteForMessage(driver)),
				 errhint("INSERT INTO finops.driver (driver, unit, grain) VALUES (%s, 'count', 'month').",
						 quote_literal_cstr(driver))));
	if (FINOPS_RUN0("SELECT v.target, v.reason FROM (SELECT g.key AS target, CASE WHEN jsonb_typeof(g.value) <> 'number'"
					"   THEN format('is %s, not a number of at least zero', left(g.value::text, 64))"
					"  WHEN (g.value)::numeric < 0 THEN format('is %s, not a number of at least zero', left(g.value::text, 64))"
					"  WHEN g.key LIKE 'pool:%' AND NOT EXISTS (SELECT FROM finops.pool p WHERE 'pool:' || p.pool_id = g.key)"
					"   THEN 'belongs to no pool of finops.pool'"
					"  WHEN g.key NOT LIKE 'pool:%' AND NOT EXISTS (SELECT FROM @s@.tenant_master t WHERE t.tenant_id = g.key)"
					"   AND NOT EXISTS (SELECT FROM finops.tenant_successor s WHERE s.tenant_id = g.key)"
					"   THEN 'belongs to no tenant of tenant_master' END AS reason FROM finops_given g) v"
					" WHERE v.reason IS NOT NULL ORDER BY 1 LIMIT 1") > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("values of driver \"%s\" cannot be recorded", FinopsQuoteForMessage(driver)),
				 errdetail("The value of \"%s\" %s.", FinopsQuoteForMessage(FinopsText(0, 1)), FinopsText(0, 2)),
				 errhint("Targets are tenants (finops.register_tenant) and pools, as pool:<pool_id>.")));
}

/*
 * finops.record_driver_values(driver text, slice timestamp, values jsonb) ->
 * bigint
 *
 * 22004 for NULL; 22023 for an unknown driver, a slice that is none of its
 * grain, unknown targets and values that are not numbers of at least zero.
 */
Datum
finops_record_driver_values(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	FinopsArg	slice;
	char	   *driver;
	uint64		n;

	FinopsRequireArg(fcinfo, 0, "driver");
	FinopsRequireArg(fcinfo, 1, "slice");
	FinopsRequireArg(fcinfo, 2, "values");
	FinopsRequireWritable("finops.record_driver_values()");
	driver = text_to_cstring(PG_GETARG_TEXT_PP(0));
	slice = ARG_DATUM(TIMESTAMPOID, PG_GETARG_DATUM(1), false);
	if (!JB_ROOT_IS_OBJECT(PG_GETARG_JSONB_P(2)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("values must be an object"),
				 errhint("Give values => '{\"tenant id\": 12.5, \"pool:network\": 3}'.")));
	FinopsBegin(&session);
	FINOPS_STAGE("finops_given", "SELECT * FROM jsonb_each($1)", ARG_DATUM(JSONBOID, PG_GETARG_DATUM(2), false));
	refuse_driver_values(driver);
	if (FINOPS_RUN("SELECT d.grain FROM finops.driver d WHERE d.driver = $1 AND date_trunc(d.grain, $2) <> $2",
				   ARG_TEXT(driver), slice) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("slice does not begin a %s", FinopsText(0, 1)),
				 errdetail("Values of driver \"%s\" are by %s.", FinopsQuoteForMessage(driver), FinopsText(0, 1))));
	FINOPS_RUN("DELETE FROM finops.driver_value v WHERE v.driver = $1 AND v.slice = $2",
			   ARG_TEXT(driver), slice);
	n = FINOPS_RUN("INSERT INTO finops.driver_value (driver, target, slice, value)"
				   " SELECT $1, g.key, $2, (g.value)::numeric FROM finops_given g",
				   ARG_TEXT(driver), slice);
	FinopsEnd(&session);
	PG_RETURN_INT64((int64) n);
}

/*-------------------------------------------------------------------------
 *
 * budget.c
 *	  Budgets: their thresholds, amounts and place in a tree, and the
 *	  guardrail that stops what would cost more than is left.
 *
 *-------------------------------------------------------------------------
 */
#include "budget/budget.h"

#include "common/hashfn.h"
#include "utils/array.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"

PG_FUNCTION_INFO_V1(finops_check_budget_thresholds);
PG_FUNCTION_INFO_V1(finops_set_budget);
PG_FUNCTION_INFO_V1(finops_plan_budget);
PG_FUNCTION_INFO_V1(finops_budget_guardrail);

#define MAX_RATIO	10.0

void
BudgetLock(void)
{
	FinopsLock(FINOPS_LOCK_JOB, (int32) hash_bytes((const unsigned char *) "budgets", 7));
}

/* ---------------------------------------------------------------------
 * Thresholds
 * ---------------------------------------------------------------------
 */
pg_noreturn static void
bad_thresholds(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("thresholds of a budget: %s", what),
			 errdetail("They are ratios of its amount, above 0 and up to 10."),
			 errhint("Use {\"warning\": 0.8, \"critical\": 0.95, \"forecast\": 1.0}; amounts stand in finops.budget_threshold.")));
}

/* A threshold as number; -1 where it is none of ours. */
static double
threshold_ratio(const char *key, const JsonbValue *value)
{
	double		ratio;

	if (strcmp(key, "alert_channels") == 0)
		return -1;
	if (strcmp(key, "warning") != 0 && strcmp(key, "critical") != 0 && strcmp(key, "forecast") != 0)
		bad_thresholds(psprintf("unknown key \"%s\"", FinopsQuoteForMessage(key)));
	if (value->type != jbvNumeric)
		bad_thresholds(psprintf("\"%s\" is not a number", key));
	ratio = DatumGetFloat8(DirectFunctionCall1(numeric_float8, NumericGetDatum(value->val.numeric)));
	if (!(ratio > 0 && ratio <= MAX_RATIO))
		bad_thresholds(psprintf("\"%s\" is %g", key, ratio));
	return ratio;
}

/* finops.check_budget_thresholds(thresholds jsonb) → boolean */
Datum
finops_check_budget_thresholds(PG_FUNCTION_ARGS)
{
	double		warning = 0.8;
	double		critical = 0.95;
	Jsonb	   *thresholds;
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;

	if (PG_ARGISNULL(0))
		PG_RETURN_BOOL(true);
	thresholds = PG_GETARG_JSONB_P(0);
	if (!JB_ROOT_IS_OBJECT(thresholds))
		bad_thresholds("not an object");
	iterator = JsonbIteratorInit(&thresholds->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		char	   *key;
		double		ratio;

		if (token != WJB_KEY)
			continue;
		key = pnstrdup(value.val.string.val, value.val.string.len);
		(void) JsonbIteratorNext(&iterator, &value, true);
		ratio = threshold_ratio(key, &value);
		if (strcmp(key, "warning") == 0)
			warning = ratio;
		else if (strcmp(key, "critical") == 0)
			critical = ratio;
	}
	if (warning > critical)
		bad_thresholds(psprintf("\"warning\" %g is above \"critical\" %g", warning, critical));
	PG_RETURN_BOOL(true);
}

/* ---------------------------------------------------------------------
 * Making budgets
 * ---------------------------------------------------------------------
 */
static char *
budget_id_arg(FunctionCallInfo fcinfo)
{
	FinopsRequireArg(fcinfo, 0, "budget_id");
	return text_to_cstring(PG_GETARG_TEXT_PP(0));
}

pg_noreturn static void
no_such_budget(const char *budget)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("there is no budget \"%s\"", FinopsQuoteForMessage(budget)),
			 errhint("Make one with SELECT finops.set_budget('%s', 1000).", FinopsQuoteForMessage(budget))));
}

/* A budget must not stand above itself. */
static void
check_tree(const char *budget, const char *parent)
{
	if (FINOPS_RUN("SELECT FROM @s@.budget_master WHERE budget_id = $1", ARG_TEXT(parent)) == 0)
		no_such_budget(parent);
	if (FINOPS_RUN("WITH RECURSIVE up(id) AS (SELECT $2 UNION SELECT b.parent_id FROM up JOIN @s@.budget_master b"
				   "  ON b.budget_id = up.id WHERE b.parent_id IS NOT NULL) SELECT FROM up WHERE id = $1",
				   ARG_TEXT(budget), ARG_TEXT(parent)) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("budget \"%s\" cannot be a part of \"%s\"", FinopsQuoteForMessage(budget),
						FinopsQuoteForMessage(parent)),
				 errdetail("That budget is a part of it, or the same."),
				 errhint("Give a budget that stands above it.")));
}

static FinopsArg
optional_arg(FunctionCallInfo fcinfo, int argno, Oid type)
{
	return (FinopsArg) {type, PG_ARGISNULL(argno) ? (Datum) 0 : PG_GETARG_DATUM(argno), PG_ARGISNULL(argno)};
}

/*
 * finops.set_budget(budget_id, amount, scope_type, scope_ref, period,
 *					 parent_id, thresholds, category) → text
 *
 * What is NULL stays as it is, or as the table has it for a new budget.
 * Errors: 22004, 22023 no amount for a new budget, a parent that does not
 * exist or is a part of it, thresholds; 23514 what the table refuses.
 */
Datum
finops_set_budget(PG_FUNCTION_ARGS)
{
	char	   *budget = budget_id_arg(fcinfo);
	FinopsArg	args[8];
	FinopsSession session;

	FinopsRequireWritable("finops.set_budget()");
	args[0] = ARG_TEXT(budget);
	for (int i = 1; i < 8; i++)
		args[i] = optional_arg(fcinfo, i, i == 1 ? NUMERICOID : i == 6 ? JSONBOID : TEXTOID);
	FinopsBegin(&session);
	BudgetLock();
	if (!args[5].isnull)
		check_tree(budget, TextDatumGetCString(args[5].value));
	if (FinopsRun("UPDATE @s@.budget_master SET target_usd = coalesce($2, target_usd), scope_type = coalesce($3, scope_type),"
				  " scope_ref = CASE WHEN $3 = 'platform' THEN NULL ELSE coalesce($4, scope_ref) END,"
				  " period = coalesce($5, period), parent_id = coalesce($6, parent_id),"
				  " thresholds_json = coalesce($7, thresholds_json), category = coalesce($8, category) WHERE budget_id = $1",
				  8, args) == 0)
	{
		if (args[1].isnull)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("a new budget needs an amount"),
					 errhint("Run SELECT finops.set_budget('%s', 1000).", FinopsQuoteForMessage(budget))));
		FinopsRun("INSERT INTO @s@.budget_master (budget_id, target_usd, scope_type, scope_ref, period, parent_id, thresholds_json, category)"
				  " VALUES ($1, $2, coalesce($3, 'platform'), $4, coalesce($5, 'monthly'), $6, $7, $8)", 8, args);
	}
	FINOPS_RUN("SELECT to_jsonb(b)::text FROM (SELECT target_usd, scope_type, scope_ref, period, parent_id, thresholds_json"
			   " FROM @s@.budget_master WHERE budget_id = $1) b", ARG_TEXT(budget));
	FinopsAudit(&session, "set_budget", "budget", budget, FinopsText(0, 1));
	FinopsEnd(&session);
	PG_RETURN_TEXT_P(cstring_to_text(budget));
}

/*
 * finops.plan_budget(budget_id text, amounts numeric[], first_month date
 *					  DEFAULT NULL) → bigint
 *
 * Errors: 22004, also for one of the amounts; 22023 unknown budget, no
 * amounts, a day that is no first of a month; 23514 a negative amount.
 */
Datum
finops_plan_budget(PG_FUNCTION_ARGS)
{
	char	   *budget = budget_id_arg(fcinfo);
	ArrayType  *amounts;
	FinopsSession session;
	FinopsArg	first = optional_arg(fcinfo, 2, DATEOID);
	uint64		months;

	FinopsRequireArg(fcinfo, 1, "amounts");
	FinopsRequireWritable("finops.plan_budget()");
	amounts = PG_GETARG_ARRAYTYPE_P(1);
	if (ARR_NDIM(amounts) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("amounts must be a list of one amount for each month"),
				 errhint("Use '{1000,1000,1200}'.")));
	if (array_contains_nulls(amounts))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("amounts must not contain null"),
				 errhint("Use '{1000,1000,1200}'.")));
	if (!first.isnull)
		FinopsCheckPeriodStart(DatumGetDateADT(first.value));
	FinopsBegin(&session);
	BudgetLock();
	if (FINOPS_RUN("UPDATE @s@.budget_master SET amount_method = 'planned' WHERE budget_id = $1", ARG_TEXT(budget)) == 0)
		no_such_budget(budget);
	months = FINOPS_RUN("INSERT INTO finops.budget_plan (budget_id, month, amount_usd)"
						" SELECT $1, (date_trunc('month', coalesce($2, b.period_start)::timestamp) + (a.n - 1) * interval '1 month')::date, a.amount"
						" FROM @s@.budget_master b, unnest($3::numeric[]) WITH ORDINALITY AS a(amount, n) WHERE b.budget_id = $1"
						" ON CONFLICT (budget_id, month) DO UPDATE SET amount_usd = EXCLUDED.amount_usd",
						ARG_TEXT(budget), first, ARG_DATUM(NUMERICARRAYOID, PointerGetDatum(amounts), false));
	FinopsEnd(&session);
	PG_RETURN_INT64((int64) months);
}

/* ---------------------------------------------------------------------
 * The guardrail
 * ---------------------------------------------------------------------
 */
static void
check_predicted(FunctionCallInfo fcinfo)
{
	Numeric		cost;

	FinopsRequireArg(fcinfo, 1, "predicted cost");
	FinopsRequireArg(fcinfo, 2, "additional");
	cost = PG_GETARG_NUMERIC(1);
	if (numeric_is_nan(cost) || numeric_is_inf(cost) ||
		DatumGetBool(DirectFunctionCall2(numeric_lt, NumericGetDatum(cost),
										 DirectFunctionCall1(int4_numeric, Int32GetDatum(0)))))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("predicted cost must be an amount of 0 or more")));
}

/*
 * finops.budget_guardrail(budget_id text, predicted_cost numeric,
 *						   additional boolean DEFAULT false) → numeric
 *
 * What the predicted cost leaves of the budget.  The budgets above it are
 * looked at too where the cost is additional: it then comes on top of what
 * each is forecast to spend.  Errors: 22004, 22023, and 23514 where a budget
 * is exceeded, which ends psql -v ON_ERROR_STOP=1 with status 3.
 */
Datum
finops_budget_guardrail(PG_FUNCTION_ARGS)
{
	char	   *budget = budget_id_arg(fcinfo);
	FinopsSession session;
	Datum		left;
	bool		isnull;

	check_predicted(fcinfo);
	FinopsBegin(&session);
	if (FINOPS_RUN("WITH RECURSIVE up(id, level) AS (SELECT $1, 0 UNION SELECT b.parent_id, up.level + 1 FROM up"
				   "   JOIN @s@.budget_master b ON b.budget_id = up.id"
				   "   WHERE $3 AND b.parent_id IS NOT NULL AND up.level < 100)"
				   " SELECT b.budget_id, trim_scale(b.target_usd)::text, trim_scale(x.cost)::text, trim_scale(x.cost - b.target_usd)::text,"
				   "  x.cost > b.target_usd, b.target_usd - x.cost, b.last_refreshed_at < now() - interval '24 hours', b.period_start::text"
				   " FROM up JOIN @s@.budget_master b ON b.budget_id = up.id,"
				   " LATERAL (SELECT $2 + CASE WHEN $3 THEN greatest(coalesce(b.forecast_usd, b.actual_usd), b.actual_usd) ELSE 0 END AS cost) x"
				   " WHERE b.enabled OR up.level = 0 ORDER BY x.cost > b.target_usd DESC, up.level LIMIT 1",
				   ARG_TEXT(budget), ARG_NUMERIC(PG_GETARG_NUMERIC(1)), ARG_BOOL(PG_GETARG_BOOL(2))) == 0)
		no_such_budget(budget);
	if (FinopsText(0, 7)[0] == 't' && PG_GETARG_BOOL(2))
		ereport(WARNING,
				(errcode(ERRCODE_WARNING),
				 errmsg("budget \"%s\" was not refreshed for 24 hours", FinopsText(0, 1)),
				 errhint("Run SELECT finops.refresh_budgets().")));
	if (FinopsText(0, 5)[0] == 't')
		ereport(ERROR,
				(errcode(ERRCODE_CHECK_VIOLATION),
				 errmsg("predicted cost %s exceeds budget \"%s\" by %s", FinopsText(0, 3), FinopsText(0, 1), FinopsText(0, 4)),
				 errdetail("The budget has %s for the period from %s.", FinopsText(0, 2), FinopsText(0, 8)),
				 errhint("Reduce the cost, or raise the amount with SELECT finops.set_budget('%s', ...).", FinopsText(0, 1))));
	left = FinopsValue(0, 6, &isnull);
	left = SPI_datumTransfer(left, false, -1);
	FinopsEnd(&session);
	PG_RETURN_DATUM(left);
}

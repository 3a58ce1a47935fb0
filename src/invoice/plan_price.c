/*-------------------------------------------------------------------------
 *
 * plan_price.c
 *	  The components of a plan and what they cost.
 *
 * A component prices the period itself, seats, or a usage metric, by one of
 * the models of price.c, in the plan's currency.  What is stored has been
 * checked: tiers without gaps or overlaps, nothing negative, NaN or infinite,
 * nothing beyond 128 bits.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/invoice.h"
#include "invoice/plan.h"

#include "utils/jsonb.h"

PG_FUNCTION_INFO_V1(finops_set_plan_price);
PG_FUNCTION_INFO_V1(finops_tiers_problem);

#define MAX_TIERS 1000

/* ---------------------------------------------------------------------
 * Numbers
 * ---------------------------------------------------------------------
 */

bool
PlanDecimal(Datum value, PriceDecimal *result)
{
	struct varlena *v = (struct varlena *) DatumGetPointer(value);

	if (VARATT_IS_EXTENDED(v) && !VARATT_IS_SHORT(v))
		v = pg_detoast_datum(v);
	return PriceDecode(VARDATA_ANY(v), VARSIZE_ANY_EXHDR(v), result);
}

Datum
PlanNumeric(PriceDecimal value)
{
	char		text[PRICE_TEXT_MAX];

	PriceFormat(PriceTrim(value), text);
	return DirectFunctionCall3(numeric_in, CStringGetDatum(text),
							   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
}

/* An amount with all digits of its currency. */
Datum
PlanMinorNumeric(int128 minor, int digits)
{
	PriceDecimal value = {minor, digits};
	char		text[PRICE_TEXT_MAX];

	PriceFormat(value, text);
	return DirectFunctionCall3(numeric_in, CStringGetDatum(text),
							   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
}

void
PlanRefuseRange(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("%s has too many digits", what),
			 errdetail("Prices, quantities and amounts are computed exactly with up to 38 digits."),
			 errhint("Use fewer digits after the decimal point, or a larger unit.")));
}

/* ---------------------------------------------------------------------
 * Tiers: [{"up_to": 100, "unit_price": 0.10, "flat_fee": 0}, ...,
 *		   {"up_to": null, "unit_price": 0.05}]; "from" may repeat the edge below
 * ---------------------------------------------------------------------
 */

static JsonbValue *
member(JsonbContainer *object, const char *key, JsonbValue *buffer)
{
	JsonbValue *value = getKeyJsonValueFromContainer(object, key, strlen(key), buffer);

	return value == NULL || value->type == jbvNull ? NULL : value;
}

/* A decimal of a tier; what is not there is zero. */
static const char *
read_member(JsonbContainer *object, const char *key, bool *found, PriceDecimal *result)
{
	JsonbValue	buffer;
	JsonbValue *value = member(object, key, &buffer);

	*found = value != NULL;
	memset(result, 0, sizeof(*result));
	if (value == NULL)
		return NULL;
	if (value->type != jbvNumeric)
		return "Members of a tier must be numbers.";
	if (!PlanDecimal(NumericGetDatum(value->val.numeric), result))
		return "A number of a tier has too many digits.";
	return NULL;
}

static const char *
check_members(JsonbContainer *object)
{
	static const char *const known[] = {"from", "up_to", "unit_price", "flat_fee"};
	JsonbIterator *it = JsonbIteratorInit(object);
	JsonbValue	v;
	JsonbIteratorToken token;

	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		bool		good = token != WJB_KEY;

		for (size_t i = 0; i < lengthof(known) && !good; i++)
			good = strlen(known[i]) == (size_t) v.val.string.len &&
				memcmp(known[i], v.val.string.val, v.val.string.len) == 0;
		if (!good)
			return "A tier has the members from, up_to, unit_price and flat_fee.";
	}
	return NULL;
}

/* One tier; floor is the edge below it and becomes the one above. */
static const char *
read_tier(JsonbContainer *object, PriceTier *tier, PriceDecimal *floor)
{
	PriceDecimal from;
	bool		found;
	const char *problem = check_members(object);

	if (problem != NULL || (problem = read_member(object, "from", &found, &from)) != NULL)
		return problem;
	if (found && PriceCompare(from, *floor) != 0)
		return PriceCompare(from, *floor) > 0 ?
			"There is a gap between tiers." : "Tiers overlap.";
	if ((problem = read_member(object, "unit_price", &found, &tier->unit_price)) != NULL ||
		(problem = read_member(object, "flat_fee", &found, &tier->flat_fee)) != NULL ||
		(problem = read_member(object, "up_to", &found, &tier->up_to)) != NULL)
		return problem;
	tier->open_ended = !found;
	*floor = tier->up_to;
	return NULL;
}

static const char *
read_tiers(Jsonb *tiers, Price *price)
{
	PriceTier  *out;
	PriceDecimal floor = {0, 0};
	int			n;

	if (!JB_ROOT_IS_ARRAY(tiers) || JB_ROOT_IS_SCALAR(tiers))
		return "Tiers must be a JSON array.";
	n = JB_ROOT_COUNT(tiers);
	if (n == 0 || n > MAX_TIERS)
		return "There must be 1 to 1000 tiers.";
	out = palloc0_array(PriceTier, n);
	for (int i = 0; i < n; i++)
	{
		JsonbValue *value = getIthJsonbValueFromContainer(&tiers->root, i);
		const char *problem;

		if (value->type != jbvBinary || !JsonContainerIsObject(value->val.binary.data))
			return "Tiers must be JSON objects.";
		problem = read_tier(value->val.binary.data, &out[i], &floor);
		if (problem != NULL)
			return problem;
	}
	price->tiers = out;
	price->ntiers = n;
	return NULL;
}

/*
 * finops.tiers_problem(tiers jsonb) -> text
 *
 * What is wrong with tiers, NULL when nothing is.
 */
Datum
finops_tiers_problem(PG_FUNCTION_ARGS)
{
	Price		price = {.model = PRICE_GRADUATED};
	const char *problem = read_tiers(PG_GETARG_JSONB_P(0), &price);

	if (problem == NULL)
		problem = PriceCheck(&price);
	if (problem == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(problem));
}

/* ---------------------------------------------------------------------
 * Prices
 * ---------------------------------------------------------------------
 */

static const char *const model_names[] = {
	"standard", "graduated", "volume", "package", "percentage", "dynamic"
};

static bool
read_decimal(HeapTuple row, TupleDesc desc, int column, PriceDecimal *result)
{
	bool		isnull;
	Datum		value = SPI_getbinval(row, desc, column, &isnull);

	memset(result, 0, sizeof(*result));
	if (!isnull && !PlanDecimal(value, result))
		PlanRefuseRange("a price");
	return !isnull;
}

/* A row's price, its tiers allocated in the current context. */
void
PlanReadPrice(HeapTuple row, TupleDesc desc, int column, Price *price)
{
	char	   *model = SPI_getvalue(row, desc, column);
	bool		isnull;
	Datum		value;

	memset(price, 0, sizeof(*price));
	for (size_t i = 0; i < lengthof(model_names); i++)
		if (strcmp(model, model_names[i]) == 0)
			price->model = (PriceModel) i;
	(void) read_decimal(row, desc, column + 1, &price->unit_price);
	(void) read_decimal(row, desc, column + 2, &price->flat_fee);
	(void) read_decimal(row, desc, column + 3, &price->package_size);
	(void) read_decimal(row, desc, column + 4, &price->included);
	(void) read_decimal(row, desc, column + 5, &price->rate_pct);
	(void) read_decimal(row, desc, column + 6, &price->fixed_fee);
	value = SPI_getbinval(row, desc, column + 7, &isnull);
	price->has_free_count = !isnull;
	price->free_count = isnull ? 0 : DatumGetInt64(value);
	price->has_free_amount = read_decimal(row, desc, column + 8, &price->free_amount);
	(void) read_decimal(row, desc, column + 9, &price->transaction_min);
	price->has_transaction_max = read_decimal(row, desc, column + 10, &price->transaction_max);
	(void) read_decimal(row, desc, column + 11, &price->minimum);
	price->has_maximum = read_decimal(row, desc, column + 12, &price->maximum);
	value = SPI_getbinval(row, desc, column + 13, &isnull);
	if (!isnull)
	{
		const char *problem = read_tiers(DatumGetJsonbP(value), price);

		if (problem != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("invalid tiers"), errdetail("%s", problem)));
	}
}

static void
refuse_price(const char *component, const char *problem)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid price of component \"%s\"", FinopsQuoteForMessage(component)),
			 errdetail("%s", problem),
			 errhint("Use for example SELECT finops.set_plan_price('GOLD', 'api', 'graduated', 'api_calls',"
					 " tiers => '[{\"up_to\": 1000, \"unit_price\": 0.01}, {\"up_to\": null, \"unit_price\": 0.005}]').")));
}

static void
check_model(const char *component, const char *model)
{
	for (size_t i = 0; i < lengthof(model_names); i++)
		if (strcmp(model, model_names[i]) == 0)
			return;
	refuse_price(component, "The model is standard, graduated, volume, package, percentage or dynamic; cost-plus is the plan's markup_pct.");
}

/* A component stays in the currency of its plan. */
static void
check_currency(const char *plan, const char *currency)
{
	FINOPS_RUN("SELECT currency FROM @s@.plan_master WHERE plan_code = $1", ARG_TEXT(plan));
	if (currency != NULL && strcmp(currency, FinopsText(0, 1)) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("currency mismatch: plan \"%s\" is in %s, not %s",
						FinopsQuoteForMessage(plan), FinopsText(0, 1), FinopsQuoteForMessage(currency)),
				 errhint("Leave currency out, or create a plan in that currency with finops.set_plan().")));
}

void
PlanCheckProration(const char *proration)
{
	if (proration != NULL && strcmp(proration, "day") != 0 &&
		strcmp(proration, "second") != 0 && strcmp(proration, "none") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown proration \"%s\"", FinopsQuoteForMessage(proration)),
				 errhint("Use day, second or none.")));
}

/* The row as it would be stored makes a price that PriceCheck accepts. */
static void
check_staged(const char *component)
{
	Price		price;
	const char *problem;

	FINOPS_RUN0("SELECT " PLAN_PRICE_COLUMNS("n") " FROM new_price n");
	PlanReadPrice(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &price);
	problem = PriceCheck(&price);
	if (problem != NULL)
		refuse_price(component, problem);
}

static void
check_numbers(FunctionCallInfo fcinfo, const char *component)
{
	for (int i = 4; i <= 16; i++)
	{
		PriceDecimal value;

		if (PG_ARGISNULL(i) || i == 5 || i == 12)
			continue;
		if (numeric_is_nan(PG_GETARG_NUMERIC(i)) || numeric_is_inf(PG_GETARG_NUMERIC(i)))
			refuse_price(component, "Numbers must not be NaN or infinite.");
		if (!PlanDecimal(PG_GETARG_DATUM(i), &value))
			PlanRefuseRange("a price");
	}
}

static void
check_tiers(FunctionCallInfo fcinfo, const char *component)
{
	Price		price;
	const char *problem = PG_ARGISNULL(5) ? NULL : read_tiers(PG_GETARG_JSONB_P(5), &price);

	if (problem != NULL)
		refuse_price(component, problem);
}

/* Compared as jsonb: what is stored already is not written again. */
#define STORED(p) "to_jsonb(" p ".*) - '{set_at}'::text[]"

static void
store_price(const FinopsSession *session, const char *plan)
{
	if (FINOPS_RUN0("INSERT INTO finops.plan_price AS p"
					" SELECT n.* FROM new_price n"
					" ON CONFLICT (plan_code, component) DO UPDATE SET basis = EXCLUDED.basis, model = EXCLUDED.model,"
					" metric_code = EXCLUDED.metric_code, currency = EXCLUDED.currency, unit_price = EXCLUDED.unit_price,"
					" flat_fee = EXCLUDED.flat_fee, package_size = EXCLUDED.package_size, tiers = EXCLUDED.tiers,"
					" included = EXCLUDED.included, rate_pct = EXCLUDED.rate_pct, fixed_fee = EXCLUDED.fixed_fee,"
					" free_count = EXCLUDED.free_count, free_amount = EXCLUDED.free_amount,"
					" transaction_min = EXCLUDED.transaction_min, transaction_max = EXCLUDED.transaction_max,"
					" minimum = EXCLUDED.minimum, maximum = EXCLUDED.maximum, proration = EXCLUDED.proration,"
					" rollover_periods = EXCLUDED.rollover_periods, tax_category = EXCLUDED.tax_category,"
					" description = EXCLUDED.description, set_at = EXCLUDED.set_at"
					" WHERE " STORED("p") " <> " STORED("EXCLUDED")
					" RETURNING to_jsonb(p.*)::text") > 0)
		FinopsAudit(session, "plan_price_change", "plan", plan, FinopsText(0, 1));
}

static void
stage_price(FunctionCallInfo fcinfo, const char *plan, const char *component)
{
	FINOPS_STAGE("new_price",
				 "SELECT $1::text AS plan_code, $2::text AS component,"
				 " CASE WHEN $4 = 'seats' THEN 'seat' WHEN $4 IS NULL THEN 'period' ELSE 'usage' END AS basis,"
				 " coalesce($3, 'standard') AS model, nullif($4, 'seats') AS metric_code, m.currency,"
				 " coalesce($5, CASE WHEN $3 = 'dynamic' THEN 1 ELSE 0 END)::numeric AS unit_price, coalesce($8, 0)::numeric AS flat_fee,"
				 " $9::numeric AS package_size, $6::jsonb AS tiers, $7::numeric AS included,"
				 " $10::numeric AS rate_pct, $11::numeric AS fixed_fee, $12::bigint AS free_count,"
				 " $13::numeric AS free_amount, $14::numeric AS transaction_min,"
				 " $15::numeric AS transaction_max, $16::numeric AS minimum, $17::numeric AS maximum,"
				 " coalesce($18, 'day') AS proration, coalesce($19, 0)::integer AS rollover_periods,"
				 " $20::text AS tax_category, $21::text AS description, now() AS set_at"
				 " FROM @s@.plan_master m WHERE m.plan_code = $1",
				 ARG_TEXT(plan), ARG_TEXT(component), ARG_TEXT(InvoiceTextArg(fcinfo, 2)),
				 ARG_TEXT(InvoiceTextArg(fcinfo, 3)), InvoiceDatumArg(fcinfo, 4, NUMERICOID),
				 InvoiceDatumArg(fcinfo, 5, JSONBOID), InvoiceDatumArg(fcinfo, 6, NUMERICOID),
				 InvoiceDatumArg(fcinfo, 7, NUMERICOID), InvoiceDatumArg(fcinfo, 8, NUMERICOID),
				 InvoiceDatumArg(fcinfo, 9, NUMERICOID), InvoiceDatumArg(fcinfo, 10, NUMERICOID),
				 InvoiceDatumArg(fcinfo, 12, INT8OID), InvoiceDatumArg(fcinfo, 11, NUMERICOID),
				 InvoiceDatumArg(fcinfo, 13, NUMERICOID), InvoiceDatumArg(fcinfo, 14, NUMERICOID),
				 InvoiceDatumArg(fcinfo, 15, NUMERICOID), InvoiceDatumArg(fcinfo, 16, NUMERICOID),
				 ARG_TEXT(InvoiceTextArg(fcinfo, 18)), InvoiceDatumArg(fcinfo, 19, INT4OID),
				 ARG_TEXT(InvoiceTextArg(fcinfo, 20)), ARG_TEXT(InvoiceTextArg(fcinfo, 21)));
}

/* What would be another price than that of an issued invoice. */
static void
refuse_change_of_issued(const char *plan)
{
	if (FINOPS_RUN0("SELECT FROM new_price n WHERE NOT EXISTS (SELECT FROM finops.plan_price p"
					" WHERE p.plan_code = n.plan_code AND p.component = n.component"
					" AND " STORED("p") " = " STORED("n") ")") > 0)
		PlanRefuseIssued(plan);
}

/*
 * finops.set_plan_price(plan_code text, component text, model text, ...)
 *	-> finops.plan_price
 *
 * Errors: 22004; 22023 for an unknown model, contradictions, tiers with gaps
 * or overlaps, negative, NaN or infinite numbers and another currency than
 * the plan's; 22003 for more than 38 digits; P0002 for an unknown plan or
 * metric; 55000 when the plan is on an issued invoice and would change.
 */
Datum
finops_set_plan_price(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *plan = InvoiceRequiredText(fcinfo, 0, "plan_code");
	char	   *component = InvoiceRequiredText(fcinfo, 1, "component");
	char	   *model = InvoiceTextArg(fcinfo, 2);
	char	   *metric = InvoiceTextArg(fcinfo, 3);

	if (model != NULL)
		check_model(component, model);
	check_numbers(fcinfo, component);
	check_tiers(fcinfo, component);
	PlanCheckProration(InvoiceTextArg(fcinfo, 18));
	if (!PG_ARGISNULL(19) && (PG_GETARG_INT32(19) < 0 || PG_GETARG_INT32(19) > 120))
		refuse_price(component, "rollover_periods must be from 0 to 120.");
	if (metric == NULL && model != NULL && strcmp(model, "standard") != 0)
		refuse_price(component, "A fee of the period is of model standard; the other models price a metric or seats.");
	FinopsBegin(&session);
	PlanRequire(plan);
	if (metric != NULL && strcmp(metric, "seats") != 0)
		PlanRequireMetric(metric);
	check_currency(plan, InvoiceTextArg(fcinfo, 17));
	stage_price(fcinfo, plan, component);
	check_staged(component);
	refuse_change_of_issued(plan);
	store_price(&session, plan);
	FINOPS_RUN("SELECT * FROM finops.plan_price WHERE plan_code = $1 AND component = $2",
			   ARG_TEXT(plan), ARG_TEXT(component));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

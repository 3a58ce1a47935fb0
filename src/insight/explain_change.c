/*-------------------------------------------------------------------------
 *
 * explain_change.c
 *	  finops.explain_change: why the cost of one month is not that of another.
 *
 * Usage is compared item by item: a usage type, operation and unit of a
 * service in a region.  With quantity q and cost C of an item before (0) and
 * after (1), what its quantity of today would have cost at the price of then is
 * X = C0 q1 / q0, and
 *
 *	  rate = sum (C1 - X)			of items that were there before and after
 *	  volume = sum C0 * (Q1 / Q0 - 1)	Q: quantity of all items of a unit
 *	  mix = sum (X) - sum C0 * Q1 / Q0
 *	  new, gone						items of one of the two months only
 *
 * which add up to the change.  The rate is parted once more by the same X of
 * list cost L, contracted cost K and effective cost E: list price L1 - XL,
 * negotiated discount (K1 - L1) - (XK - XL), commitment coverage (E1 - K1) -
 * (XE - XK).  Credits, and charges without a quantity such as tax and fees,
 * are parts of their own.  X is rounded to 20 decimals before it is used, the
 * same value on both sides, so that the parts add up to the last digit.
 *
 *-------------------------------------------------------------------------
 */
#include "insight/insight.h"

#include "utils/array.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(finops_explain_change);
PG_FUNCTION_INFO_V1(finops_change_causes);

static const char *const dimensions[][2] = {
	{"provider", "f.provider"},
	{"account", "f.line_item_usage_account_id"},
	{"service", "f.service"},
	{"region", "f.product_region"},
	{"tenant", "f.tenant_id"},
	{"usage_type", "coalesce(f.line_item_usage_type, f.sku_id)"},
	{"operation", "f.line_item_operation"},
	{"instance_type", "f.product_instance_type"},
	{"resource", "f.line_item_resource_id"},
	{"charge_category", "f.charge_category"},
	{"total", "'total'::text"}
};

/* The expression of a dimension, which never holds a caller's text but a quoted tag key. */
static char *
dimension_sql(const char *name)
{
	for (int i = 0; i < (int) lengthof(dimensions); i++)
		if (strcmp(dimensions[i][0], name) == 0)
			return psprintf("coalesce(%s, '(none)')", dimensions[i][1]);
	if (strncmp(name, "tag:", strlen("tag:")) == 0)
		return psprintf("coalesce(f.resource_tags ->> %s, '(none)')", quote_literal_cstr(name + strlen("tag:")));
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("dimension \"%s\" is unknown", FinopsQuoteForMessage(name)),
			 errhint("Use provider, account, service, region, tenant, usage_type, operation, instance_type, resource, charge_category, total, or tag: and a tag key.")));
	return NULL;
}

/* An array of the dimensions' values. */
static char *
element_sql(ArrayType *names)
{
	StringInfoData sql;
	Datum	   *values;
	bool	   *nulls;
	int			n;

	deconstruct_array(names, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &n);
	if (n == 0 || n > 8)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("dimensions must be one to eight, not %d", n),
				 errhint("SELECT * FROM finops.explain_change('2025-01-01', '2025-02-01', '{service}');")));
	initStringInfo(&sql);
	appendStringInfoString(&sql, "ARRAY[");
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("dimensions must not contain nulls")));
		appendStringInfo(&sql, "%s%s", i > 0 ? ", " : "", dimension_sql(TextDatumGetCString(values[i])));
	}
	appendStringInfoString(&sql, "]");
	return sql.data;
}

/* One value or a list of them, as the elements of an array constructor. */
static char *
values_sql(JsonbValue *value)
{
	StringInfoData sql;
	JsonbIterator *it;
	JsonbValue	v;
	JsonbIteratorToken token;
	int			n = 0;

	if (value->type == jbvString)
		return quote_literal_cstr(pnstrdup(value->val.string.val, value->val.string.len));
	if (value->type != jbvBinary || !JsonContainerIsArray(value->val.binary.data))
		return NULL;
	initStringInfo(&sql);
	it = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		if (v.type != jbvString)
			return NULL;
		appendStringInfo(&sql, "%s%s", n++ > 0 ? ", " : "",
						 quote_literal_cstr(pnstrdup(v.val.string.val, v.val.string.len)));
	}
	return n > 0 ? sql.data : NULL;
}

/* {"service": "AmazonEC2", "account": ["1", "2"]} as conditions. */
static char *
filter_sql(FunctionCallInfo fcinfo, int argno)
{
	StringInfoData sql;
	JsonbIterator *it;
	JsonbValue	key,
				value;
	Jsonb	   *filter;

	initStringInfo(&sql);
	if (PG_ARGISNULL(argno))
		return sql.data;
	filter = PG_GETARG_JSONB_P(argno);
	it = JsonbIteratorInit(&filter->root);
	if (JsonbIteratorNext(&it, &key, false) != WJB_BEGIN_OBJECT)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("filter must be an object"),
				 errhint("Name dimensions with one value or a list, such as {\"service\": \"AmazonEC2\", \"account\": [\"1\", \"2\"]}.")));
	while (JsonbIteratorNext(&it, &key, true) == WJB_KEY)
	{
		char	   *name = pnstrdup(key.val.string.val, key.val.string.len);
		char	   *values;

		(void) JsonbIteratorNext(&it, &value, true);
		values = values_sql(&value);
		if (values == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("filter of \"%s\" is neither a text nor a list of texts", FinopsQuoteForMessage(name))));
		appendStringInfo(&sql, " AND %s = ANY (ARRAY[%s])", dimension_sql(name), values);
	}
	return sql.data;
}

static const char change_sql[] =
"WITH fact AS (SELECT %s AS element, f.line_item_currency_code AS currency, f.bill_billing_period_start_date = $2 AS after,"
"   CASE f.charge_category WHEN 'Usage' THEN 'usage' WHEN 'Credit' THEN 'credit' ELSE 'other' END AS kind,"
"   " INSIGHT_ITEM_SQL " AS item, " INSIGHT_UNIT_SQL " AS unit, " INSIGHT_QUANTITY_SQL " AS q,"
"   f.effective_cost AS e, coalesce(f.contracted_cost, f.list_cost, f.effective_cost) AS k,"
"   coalesce(f.list_cost, f.contracted_cost, f.effective_cost) AS l"
"  FROM @s@.fact_cost_raw f WHERE f.bill_billing_period_start_date IN ($1, $2)%s),"
" item AS (SELECT element, currency, kind, unit, item,"
"   coalesce(sum(q) FILTER (WHERE NOT after), 0) AS q0, coalesce(sum(q) FILTER (WHERE after), 0) AS q1,"
"   coalesce(sum(e) FILTER (WHERE NOT after), 0) AS e0, coalesce(sum(e) FILTER (WHERE after), 0) AS e1,"
"   coalesce(sum(k) FILTER (WHERE NOT after), 0) AS k0, coalesce(sum(k) FILTER (WHERE after), 0) AS k1,"
"   coalesce(sum(l) FILTER (WHERE NOT after), 0) AS l0, coalesce(sum(l) FILTER (WHERE after), 0) AS l1,"
"   bool_or(NOT after) AS was, bool_or(after) AS remains"
"  FROM fact GROUP BY 1, 2, 3, 4, 5),"
" judged AS (SELECT i.*, CASE WHEN kind <> 'usage' THEN kind WHEN NOT was THEN 'new' WHEN NOT remains THEN 'gone'"
"   WHEN q0 > 0 AND q1 > 0 THEN 'both' ELSE 'other' END AS part FROM item i),"
" scaled AS (SELECT j.*, CASE part WHEN 'both' THEN round(e0 * q1 / q0, 20) END AS xe,"
"   CASE part WHEN 'both' THEN round(k0 * q1 / q0, 20) END AS xk, CASE part WHEN 'both' THEN round(l0 * q1 / q0, 20) END AS xl FROM judged j),"
" grouped AS (SELECT element, currency, unit, part, sum(e0) AS e0, sum(e1) AS e1, sum(xe) AS xe, sum(l1 - xl) AS list_price,"
"   sum((k1 - l1) - (xk - xl)) AS discount, sum((e1 - k1) - (xe - xk)) AS commitment,"
"   CASE part WHEN 'both' THEN round(sum(e0) * sum(q1) / sum(q0), 20) END AS at_volume"
"  FROM scaled GROUP BY 1, 2, 3, 4),"
" parts AS (SELECT element, currency, sum(e0) AS cost_from, sum(e1) AS cost_to, sum(e1) - sum(e0) AS change,"
"   coalesce(sum(e1 - xe) FILTER (WHERE part = 'both'), 0) AS rate, coalesce(sum(list_price), 0) AS list_price,"
"   coalesce(sum(discount), 0) AS discount, coalesce(sum(commitment), 0) AS commitment,"
"   coalesce(sum(at_volume - e0), 0) AS volume, coalesce(sum(xe - at_volume), 0) AS mix,"
"   coalesce(sum(e1) FILTER (WHERE part = 'new'), 0) AS new_cost, coalesce(-sum(e0) FILTER (WHERE part = 'gone'), 0) AS gone_cost,"
"   coalesce(sum(e1 - e0) FILTER (WHERE part = 'credit'), 0) AS credits, coalesce(sum(e1 - e0) FILTER (WHERE part = 'other'), 0) AS other"
"  FROM grouped GROUP BY 1, 2)"
" SELECT element, currency, cost_from, cost_to, change, rate, list_price, discount, commitment, volume, mix, new_cost, gone_cost, credits, other"
" FROM parts ORDER BY abs(change) DESC, element, currency";

/*
 * finops.explain_change(from_period, to_period, dimensions text[], filter
 * jsonb): effective cost; change = rate + volume + mix + new_cost + gone_cost +
 * credits + other, rate = list_price + discount + commitment, exactly.
 */
Datum
finops_explain_change(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	DateADT		from = FinopsPeriodArg(fcinfo, 0),
				to = FinopsPeriodArg(fcinfo, 1);
	char	   *sql;

	FinopsCheckPeriodNotFuture(from);
	FinopsCheckPeriodNotFuture(to);
	FinopsRequireArg(fcinfo, 2, "dimensions");
	sql = psprintf(change_sql, element_sql(PG_GETARG_ARRAYTYPE_P(2)), filter_sql(fcinfo, 3));
	FinopsBegin(&session);
	FinopsReturnQuery(fcinfo, sql, 2, (FinopsArg[]) {ARG_DATE(from), ARG_DATE(to)});
	FinopsEnd(&session);
	return (Datum) 0;
}

/*
 * Elements of one dimension at a time, after Bhagwan et al., "Adtributor"
 * (NSDI 2014): the most surprising ones that explain a tenth of the change
 * each, until four fifths are explained (two thirds in the paper, which leaves
 * out the smaller of two causes); the dimension whose elements surprise most
 * comes first, if they explain two thirds.  Surprise is the Jensen-Shannon divergence of an element's
 * share of cost before and after.
 */
static const char causes_sql[] =
"WITH cost AS (SELECT d.dimension, d.element, coalesce(sum(f.effective_cost) FILTER (WHERE f.bill_billing_period_start_date = $1), 0) AS c0,"
"   coalesce(sum(f.effective_cost) FILTER (WHERE f.bill_billing_period_start_date = $2), 0) AS c1"
"  FROM @s@.fact_cost_raw f CROSS JOIN LATERAL (VALUES %s) AS d(dimension, element)"
"  WHERE f.bill_billing_period_start_date IN ($1, $2)%s GROUP BY 1, 2),"
" whole AS (SELECT dimension, sum(c0)::float8 AS t0, sum(c1)::float8 AS t1, sum(c1 - c0) AS change FROM cost GROUP BY 1),"
" share AS (SELECT c.*, w.change AS whole, CASE WHEN w.change <> 0 THEN (c.c1 - c.c0) / w.change END AS power,"
"   CASE WHEN w.t0 > 0 THEN greatest(c.c0::float8, 0) / w.t0 ELSE 0 END AS p, CASE WHEN w.t1 > 0 THEN greatest(c.c1::float8, 0) / w.t1 ELSE 0 END AS q"
"  FROM cost c JOIN whole w USING (dimension)),"
" surprised AS (SELECT s.*, 0.5 * (CASE WHEN p > 0 THEN p * ln(2 * p / (p + q)) ELSE 0 END + CASE WHEN q > 0 THEN q * ln(2 * q / (p + q)) ELSE 0 END) AS surprise FROM share s),"
" kept AS (SELECT s.*, coalesce(sum(s.power) OVER (PARTITION BY s.dimension ORDER BY s.surprise DESC, s.element ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before"
"  FROM surprised s WHERE s.power > 0.1),"
" cause AS (SELECT k.*, sum(k.surprise) OVER (PARTITION BY k.dimension) AS total, sum(k.power) OVER (PARTITION BY k.dimension) AS explained,"
"   count(*) OVER (PARTITION BY k.dimension) AS size FROM kept k WHERE k.before <= 0.8)"
" SELECT (dense_rank() OVER (ORDER BY (explained >= 0.67) DESC, total DESC, size, dimension))::int4 AS rank, dimension, element, c0, c1, c1 - c0 AS change,"
"  round(power * 100, 2) AS contribution, surprise FROM cause ORDER BY 1, surprise DESC, element";

static const char *const tried[] = {"provider", "account", "service", "region", "tenant", "usage_type", "operation", "instance_type", "charge_category"};

/* The causes among the lines of a filter as a stage, of all dimensions but one. */
static void
stage_causes(const char *name, DateADT from, DateADT to, const char *filter, const char *but)
{
	StringInfoData rows;

	initStringInfo(&rows);
	for (int i = 0; i < (int) lengthof(tried); i++)
		if (but == NULL || strcmp(tried[i], but) != 0)
			appendStringInfo(&rows, "%s('%s', %s)", rows.len > 0 ? ", " : "", tried[i], dimension_sql(tried[i]));
	FINOPS_STAGE(name, psprintf(causes_sql, rows.data, filter), ARG_DATE(from), ARG_DATE(to));
}

/*
 * Where one element is the cause, a part of it may be: an element of another
 * dimension, within the first, that has nine tenths of its change though less
 * than nine tenths of its cost.  It comes before it, as a pair.
 */
static const char *const pairs_sql =
"WITH part AS (SELECT p.*, w.c0 AS whole FROM within_cause p, cause w WHERE p.rank = 1 AND w.rank = 1 AND p.contribution BETWEEN 90 AND 112"
"   AND greatest(p.c0, p.c1) < 0.9 * greatest(w.c0, w.c1) AND (SELECT count(*) FROM within_cause o WHERE o.rank = 1) = 1)"
" SELECT 1 AS rank, w.dimension || ', ' || p.dimension, w.element || ', ' || p.element, p.c0, p.c1, p.change,"
"  round(p.contribution * w.contribution / 100, 2), p.surprise FROM part p, cause w WHERE w.rank = 1"
" UNION ALL SELECT c.rank + (SELECT count(*) FROM part)::int4, c.dimension, c.element, c.c0, c.c1, c.change, c.contribution, c.surprise FROM cause c"
" ORDER BY 1, 8 DESC, 3";

/* finops.change_causes(from_period, to_period, filter jsonb): where a change comes from. */
Datum
finops_change_causes(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	DateADT		from = FinopsPeriodArg(fcinfo, 0),
				to = FinopsPeriodArg(fcinfo, 1);
	char	   *filter;

	FinopsCheckPeriodNotFuture(from);
	FinopsCheckPeriodNotFuture(to);
	filter = filter_sql(fcinfo, 2);
	FinopsBegin(&session);
	stage_causes("cause", from, to, filter, NULL);
	if (FINOPS_RUN0("SELECT dimension, element FROM cause WHERE rank = 1") == 1)
	{
		char	   *dimension = FinopsText(0, 1);

		stage_causes("within_cause", from, to,
					 psprintf("%s AND %s = %s", filter, dimension_sql(dimension), quote_literal_cstr(FinopsText(0, 2))), dimension);
		FINOPS_RUN0(pairs_sql);
	}
	else
		FINOPS_RUN0("SELECT * FROM cause ORDER BY 1, surprise DESC, element");
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

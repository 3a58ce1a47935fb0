/*-------------------------------------------------------------------------
 *
 * unit_economics.c
 *	  What a unit costs, why that changed, and what is left of revenue.
 *
 * A driver has measured quantities (forecast.unit_kpi) and a scope of cost
 * (forecast.driver_scope, else all cost).  Cost per unit is a ratio of sums of
 * a month, never a mean of ratios.
 *
 * The change of a cost per unit is parted exactly.  With n units, V the cost of
 * usage and F all other cost of the scope before (0) and after (1), and X what
 * the usage after would have cost at the prices before (item by item, as in
 * explain_change.c),
 *
 *	  volume leverage = F0/n1 - F0/n0	fixed cost is spread over more or fewer
 *	  rate = V1/n1 - X/n1				other prices
 *	  intensity = X/n1 - V0/n0			more or less usage per unit, other items
 *	  fixed change = F1/n1 - F0/n1
 *
 * Each quotient is rounded to 20 decimals once, so that the parts add up to the
 * last digit.  Items of one month only have the price of that month.
 *
 *-------------------------------------------------------------------------
 */
#include "insight/insight.h"

#include "forecast/robust.h"
#include "utils/array.h"

#include <math.h>

PG_FUNCTION_INFO_V1(finops_unit_economics);
PG_FUNCTION_INFO_V1(finops_explain_unit_cost);
PG_FUNCTION_INFO_V1(finops_tenant_margin);

#define MOST_MONTHS		24
#define DAYS_FOR_DAILY	28		/* days with a quantity, else months are compared */
#define LEAST_POINTS	6		/* of a line that means something */

/*
 * Quantities and cost of all drivers by day or month; $1 the month, $2 the
 * first day after it, $3 how many months back.
 */
#define BACK "($1 - make_interval(months => $3 - 1))::date"
#define IN_SCOPE(column, list) "(" list " IS NULL OR " column " = ANY (" list "))"
#define KPI_BY(bucket) \
	"SELECT driver_code, " bucket " AS at, sum(quantity) AS quantity, sum(quantity / unit_size) AS units" \
	" FROM forecast.unit_kpi WHERE kpi_date >= " BACK " AND kpi_date < $2 GROUP BY 1, 2"
#define COST_BY(bucket, cost, range) \
	"SELECT d.driver_code, c.currency, " bucket " AS at, sum(c.effective_cost) AS cost FROM (SELECT DISTINCT driver_code FROM kpi) d" \
	" LEFT JOIN forecast.driver_scope s USING (driver_code) JOIN " cost " c ON " range \
	" AND " IN_SCOPE("c.service", "s.services") " AND " IN_SCOPE("c.account_id", "s.account_ids") \
	" AND " IN_SCOPE("c.tenant_id", "s.tenant_ids") " GROUP BY 1, 2, 3"

/* the days of a month are added up once, not for each driver, and not at all without drivers */
static const char *const month_cost =
"(SELECT m.billing_period, m.currency, m.service, m.account_id, m.tenant_id, sum(m.effective_cost) AS effective_cost FROM finops.cost_daily m"
" WHERE m.billing_period >= " BACK " AND m.billing_period < $2 AND EXISTS (SELECT FROM kpi) GROUP BY 1, 2, 3, 4, 5)";

/* %s: the cost by month */
static const char *const monthly_sql =
"WITH kpi AS (" KPI_BY("date_trunc('month', kpi_date::timestamp)::date") ")"
" SELECT k.driver_code, c.currency, k.at, k.quantity, k.units, c.cost FROM kpi k LEFT JOIN ("
COST_BY("c.billing_period", "%s", "true") ") c USING (driver_code, at)";

/* Tax, credits and fees are booked on days on which they do not arise. */
static const char *const daily_sql =
"WITH kpi AS (" KPI_BY("kpi_date") ")"
" SELECT k.driver_code, c.currency, k.at, k.units, c.cost FROM kpi k JOIN ("
COST_BY("c.usage_date", "finops.cost_daily", "c.usage_date >= " BACK " AND c.usage_date < $2 AND c.charge_category = 'Usage'") ") c USING (driver_code, at)";

/* The points of each line; days where there are enough of them. */
static const char *const points_sql =
"SELECT driver_code, currency, 'day' AS basis, count(*)::int4 AS points, array_agg(units::float8 ORDER BY at) AS x,"
" array_agg(cost::float8 ORDER BY at) AS y FROM unit_day GROUP BY 1, 2 HAVING count(*) >= $1"
" UNION ALL SELECT m.driver_code, m.currency, 'month', count(*)::int4, array_agg(m.units::float8 ORDER BY m.at), array_agg(m.cost::float8 ORDER BY m.at)"
" FROM unit_month m WHERE m.cost IS NOT NULL AND NOT EXISTS (SELECT FROM (SELECT d.driver_code FROM unit_day d"
"  WHERE d.driver_code = m.driver_code AND d.currency = m.currency OFFSET $1 - 1 LIMIT 1) enough) GROUP BY 1, 2";

/* $1 the month, $2 the first day after it. */
static const char *const economics_sql =
"WITH whole AS (SELECT c.currency, sum(c.effective_cost) AS cost FROM finops.cost_daily c WHERE c.billing_period = $1 GROUP BY 1)"
" SELECT m.driver_code, m.currency, m.cost, m.quantity, m.units, m.cost / nullif(m.units, 0), b.cost / nullif(b.units, 0),"
" round((m.cost / nullif(m.units, 0) / nullif(b.cost / nullif(b.units, 0), 0) - 1) * 100, 2),"
" round(m.cost / nullif(w.cost, 0) * 100, 2), l.basis, l.points,"
" round((l.fixed * CASE l.basis WHEN 'day' THEN $2 - $1 ELSE 1 END)::numeric, 6),"
" round(l.slope::numeric, 6), l.r2, l.elasticity,"
" CASE WHEN m.cost IS NULL THEN 'no cost is loaded for the scope in this month' WHEN m.units = 0 THEN 'no quantity in this month'"
" WHEN l.basis IS NULL THEN 'too few days or months, or their quantity does not vary: no line' END"
" FROM unit_month m LEFT JOIN unit_month b ON b.driver_code = m.driver_code AND b.currency = m.currency AND b.at = ($1 - interval '1 month')::date"
" LEFT JOIN unit_line l ON l.driver_code = m.driver_code AND l.currency = m.currency LEFT JOIN whole w ON w.currency = m.currency"
" WHERE m.at = $1 ORDER BY m.driver_code, m.currency";

static double *
float_array(Datum value, int *n)
{
	Datum	   *elements;
	double	   *values;

	deconstruct_array(DatumGetArrayTypeP(value), FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
					  &elements, NULL, n);
	values = palloc(Max(*n, 1) * sizeof(double));
	for (int i = 0; i < *n; i++)
		values[i] = DatumGetFloat8(elements[i]);
	return values;
}

/* Share of the variance of y that the line explains, never below 0; elasticity at the means. */
static void
judge_line(const RobustLine *line, const double *x, const double *y, int n, double *r2, double *elasticity)
{
	double		mean_x = 0,
				mean_y = 0,
				left = 0,
				all = 0;

	for (int i = 0; i < n; i++)
	{
		mean_x += x[i] / n;
		mean_y += y[i] / n;
	}
	for (int i = 0; i < n; i++)
	{
		double		e = y[i] - line->fixed - line->slope * x[i];

		left += e * e;
		all += (y[i] - mean_y) * (y[i] - mean_y);
	}
	*r2 = all > 0 ? Max(0, 1 - left / all) : 0;
	*elasticity = line->slope * mean_x / (line->fixed + line->slope * mean_x);
}

/* Stage unit_line: the lines of what points_sql found. */
static void
stage_lines(void)
{
	uint64		n = FINOPS_RUN(points_sql, ARG_INT8(DAYS_FOR_DAILY));
	TupleDesc	tupdesc;
	Tuplestorestate *store = FinopsStageEmpty("unit_line",
											  "SELECT NULL::text AS driver_code, NULL::text AS currency, NULL::text AS basis, NULL::int4 AS points,"
											  " NULL::float8 AS fixed, NULL::float8 AS slope, NULL::float8 AS r2, NULL::float8 AS elasticity", &tupdesc);

	for (uint64 i = 0; i < n; i++)
	{
		Datum		values[8];
		bool		nulls[8] = {false};
		bool		isnull;
		int			points;
		double	   *x = float_array(FinopsValue(i, 5, &isnull), &points),
				   *y = float_array(FinopsValue(i, 6, &isnull), &points),
					r2,
					elasticity;
		RobustLine	line;

		CHECK_FOR_INTERRUPTS();
		if (points < LEAST_POINTS || !RobustFit(x, y, points, &line))
			continue;
		judge_line(&line, x, y, points, &r2, &elasticity);
		for (int col = 1; col <= 4; col++)
			values[col - 1] = FinopsValue(i, col, &nulls[col - 1]);
		values[4] = Float8GetDatum(line.fixed);
		values[5] = Float8GetDatum(line.slope);
		values[6] = Float8GetDatum(r2);
		values[7] = Float8GetDatum(elasticity);
		nulls[7] = !isfinite(elasticity);
		tuplestore_putvalues(store, tupdesc, values, nulls);
		pfree(x);
		pfree(y);
	}
	SPI_freetuptable(SPI_tuptable);
}

/*
 * Stages unit_month: quantities and cost of every driver in a month and those
 * before it, so many in all.  cost: a relation of billing_period, currency,
 * service, account_id, tenant_id and effective_cost, NULL for the roll-up.
 */
void
InsightStageUnitMonths(DateADT period, int months, const char *cost)
{
	FINOPS_STAGE("unit_month", psprintf(monthly_sql, cost == NULL ? month_cost : cost), ARG_DATE(period), ARG_DATE(FinopsPeriodEnd(period)), ARG_INT4(months));
}

/*
 * finops.unit_economics(period date, months integer): a row per driver with a
 * quantity in the month and currency of its cost.
 *
 * Errors: 22004; 22023 for the period, and months that are not 1 to 24.
 */
Datum
finops_unit_economics(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	DateADT		period = FinopsPeriodArg(fcinfo, 0),
				end = FinopsPeriodEnd(period);
	int			months;

	FinopsRequireArg(fcinfo, 1, "months");
	months = PG_GETARG_INT32(1);
	if (months < 1 || months > MOST_MONTHS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("months must be 1 to %d, not %d", MOST_MONTHS, months),
				 errhint("SELECT * FROM finops.unit_economics('2025-01-01', 3);")));
	FinopsCheckPeriodNotFuture(period);
	FinopsBegin(&session);
	InsightStageUnitMonths(period, MOST_MONTHS, NULL);
	FINOPS_STAGE("unit_day", daily_sql, ARG_DATE(period), ARG_DATE(end), ARG_INT4(months));
	stage_lines();
	FINOPS_RUN(economics_sql, ARG_DATE(period), ARG_DATE(end));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

/* $1 and $2 the months, $3 the driver, $4 and $5 its units in them. */
static const char *const unit_change_sql =
"WITH item AS (SELECT f.line_item_currency_code AS currency, " INSIGHT_ITEM_SQL " AS item, " INSIGHT_UNIT_SQL " AS unit,"
"   coalesce(sum(" INSIGHT_QUANTITY_SQL ") FILTER (WHERE f.bill_billing_period_start_date = $1), 0) AS q0,"
"   coalesce(sum(" INSIGHT_QUANTITY_SQL ") FILTER (WHERE f.bill_billing_period_start_date = $2), 0) AS q1,"
"   coalesce(sum(f.effective_cost) FILTER (WHERE f.bill_billing_period_start_date = $1), 0) AS e0,"
"   coalesce(sum(f.effective_cost) FILTER (WHERE f.bill_billing_period_start_date = $2), 0) AS e1, f.charge_category = 'Usage' AS usage"
"  FROM @s@.fact_cost_raw f LEFT JOIN forecast.driver_scope s ON s.driver_code = $3"
"  WHERE f.bill_billing_period_start_date IN ($1, $2) AND " IN_SCOPE("f.service", "s.services")
"   AND " IN_SCOPE("coalesce(f.line_item_usage_account_id, f.bill_payer_account_id)", "s.account_ids")
"   AND " IN_SCOPE("f.tenant_id", "s.tenant_ids") " GROUP BY 1, 2, 3, f.charge_category = 'Usage'),"
" parts AS (SELECT currency, CASE WHEN usage AND q0 > 0 THEN e0 ELSE 0 END AS v0, CASE WHEN usage AND q1 > 0 THEN e1 ELSE 0 END AS v1,"
"   CASE WHEN usage AND q1 > 0 THEN CASE WHEN q0 > 0 THEN round(e0 * q1 / q0, 20) ELSE e1 END ELSE 0 END AS x, e0, e1 FROM item),"
" sums AS (SELECT currency, sum(v0) AS v0, sum(v1) AS v1, sum(x) AS x, sum(e0) - sum(v0) AS f0, sum(e1) - sum(v1) AS f1 FROM parts GROUP BY 1),"
" per AS (SELECT currency, v0, x, round(v0 / nullif($4, 0), 20) AS u0, round(v1 / nullif($5, 0), 20) AS u1, round(x / nullif($5, 0), 20) AS ux,"
"   round(f0 / nullif($4, 0), 20) AS g0, round(f1 / nullif($5, 0), 20) AS g1, round(f0 / nullif($5, 0), 20) AS gx FROM sums)"
" SELECT currency, $4, $5, u0 + g0, u1 + g1, u1 + g1 - (u0 + g0), gx - g0,"
"  CASE WHEN $4 <> 0 THEN u1 - ux END, ux - u0, CASE WHEN $4 <> 0 THEN g1 - gx END,"
"  round((x - v0) / nullif($5 - $4, 0), 20),"
"  CASE WHEN $4 = 0 AND $5 = 0 THEN 'no quantity in either month' WHEN $4 = 0 THEN 'no quantity in the first month'"
"   WHEN $5 = 0 THEN 'no quantity in the second month' WHEN $4 = $5 THEN 'the same quantity in both months: no marginal cost' END"
" FROM per ORDER BY currency";

/*
 * finops.explain_unit_cost(driver_code text, from_period date, to_period date):
 * a row per currency of the scope's cost.
 *
 * Errors: 22004; 22023 for the periods; P0002 for a driver that was never
 * measured.
 */
Datum
finops_explain_unit_cost(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	DateADT		from = FinopsPeriodArg(fcinfo, 1),
				to = FinopsPeriodArg(fcinfo, 2);
	FinopsArg	units[2];
	char	   *driver;
	bool		isnull;

	FinopsCheckPeriodNotFuture(from);
	FinopsCheckPeriodNotFuture(to);
	FinopsRequireArg(fcinfo, 0, "driver_code");
	driver = text_to_cstring(PG_GETARG_TEXT_PP(0));
	FinopsBegin(&session);
	FINOPS_RUN("SELECT coalesce(sum(k.quantity / k.unit_size) FILTER (WHERE k.kpi_date >= $2 AND k.kpi_date < $3), 0),"
			   " coalesce(sum(k.quantity / k.unit_size) FILTER (WHERE k.kpi_date >= $4 AND k.kpi_date < $5), 0), count(*)"
			   " FROM forecast.unit_kpi k WHERE k.driver_code = $1", ARG_TEXT(driver), ARG_DATE(from), ARG_DATE(FinopsPeriodEnd(from)),
			   ARG_DATE(to), ARG_DATE(FinopsPeriodEnd(to)));
	if (FinopsInt64(0, 3) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("driver \"%s\" has no measured quantities", FinopsQuoteForMessage(driver)),
				 errhint("INSERT INTO forecast.unit_kpi (kpi_date, driver_code, quantity) VALUES (...); SELECT DISTINCT driver_code FROM forecast.unit_kpi lists those that have.")));
	for (int i = 0; i < 2; i++)
		units[i] = ARG_DATUM(NUMERICOID, FinopsValue(0, i + 1, &isnull), false);
	FINOPS_RUN(unit_change_sql, ARG_DATE(from), ARG_DATE(to), ARG_TEXT(driver), units[0], units[1]);
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

/*
 * finops.tenant_margin(period date).
 *
 * Errors: 22004, 22023 for the period.
 */
Datum
finops_tenant_margin(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	DateADT		period = FinopsPeriodArg(fcinfo, 0);

	FinopsCheckPeriodNotFuture(period);
	FinopsBegin(&session);
	FinopsReturnQuery(fcinfo,
					  "WITH rate AS (SELECT c.currency, finops.fx_rate_of(c.currency, $1) AS rate FROM"
					  "  (SELECT DISTINCT a.currency FROM @s@.fact_cost_allocated a WHERE a.period_start = $1) c),"
					  " cost AS (SELECT a.tenant_id, sum(a.allocated_cost_usd * r.rate) AS cost, bool_or(r.rate IS NULL) AS no_rate"
					  "  FROM @s@.fact_cost_allocated a JOIN rate r USING (currency) WHERE a.period_start = $1 AND a.tenant_id IS NOT NULL GROUP BY 1),"
					  " revenue AS (SELECT h.tenant_id, sum(h.subtotal_usd) AS revenue FROM @s@.invoice_header h"
					  "  WHERE h.period_start = $1 AND h.status <> 'void' GROUP BY 1),"
					  " margin AS (SELECT tenant_id, r.revenue, CASE WHEN c.no_rate THEN NULL ELSE coalesce(c.cost, 0) END AS cost, coalesce(c.no_rate, false) AS no_rate"
					  "  FROM cost c FULL JOIN revenue r USING (tenant_id))"
					  " SELECT m.tenant_id, $2, m.revenue, m.cost, m.revenue - m.cost, round((1 - m.cost / nullif(m.revenue, 0)) * 100, 2),"
					  "  CASE WHEN m.no_rate THEN 'no exchange rate for cost of this tenant: finops.set_fx_rate()'"
					  "   WHEN m.revenue IS NULL THEN 'no document of this month' || CASE WHEN t.billing_mode <> 'invoice' THEN ': billing mode ' || t.billing_mode ELSE '' END"
					  "   WHEN m.revenue = 0 THEN 'the documents of this month add up to 0' END"
					  " FROM margin m LEFT JOIN @s@.tenant_master t USING (tenant_id)"
					  " ORDER BY m.revenue - m.cost NULLS LAST, m.cost DESC NULLS LAST, m.tenant_id", 2,
					  (FinopsArg[]) {ARG_DATE(period), ARG_TEXT(finops_reporting_currency)});
	FinopsEnd(&session);
	return (Datum) 0;
}

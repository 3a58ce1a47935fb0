/*-------------------------------------------------------------------------
 *
 * cost_forecast.c
 *	  finops.cost_forecast: the coming months of cost, from the daily roll-up.
 *
 * A month's cost is the sum of
 *
 *	  usage by day		the smoothing of cost_series.c; from twelve complete
 *						months of history on, months after the current one
 *						are the automatic model on the month's cost per day,
 *						which sees the year;
 *	  holidays			of finops.holiday, when those before had an effect;
 *	  first-of-month	fees that the days of usage show on each 1st, at
 *						their usual amount;
 *	  tax				at its ratio to usage in the last three months;
 *	  other bookings	purchases, credits and adjustments by their schedule:
 *						every month, every so many months, or not again
 *						(CostScheduled).
 *
 * The month in course counts what is there and forecasts the rest.  The last
 * day is left out when the bill has clearly not caught up with it.
 * Everything here is an estimate, hence float8.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/forecast.h"

#include "forecast/cost_series.h"

#include "utils/array.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"

#include <math.h>

PG_FUNCTION_INFO_V1(finops_cost_forecast);

#define MAX_MONTHS_AHEAD	120
#define MAX_DAYS_BACK		1500
#define MONTHLY_FROM		12	/* complete months for the monthly model */
#define RECENT				3	/* months that say what is usual */

/* What one key brings: days of usage, bookings by month. */
typedef struct CostHistory
{
	char	   *key;
	char	   *currency;
	int			n;				/* days */
	double	   *daily;
	int			nmonths;		/* months that the days touch */
	double	   *tax;			/* [nmonths] */
	double	   *other;			/* [nmonths] */
} CostHistory;

/* The calendar of one call: days and months counted from the first day. */
typedef struct Calendar
{
	DateADT		first;			/* first day of history */
	DateADT		last;			/* last day that is complete */
	int			ahead;			/* months to forecast */
	int			ndays;			/* days to forecast */
	DateADT		start;			/* first day of the first forecast month */
	int		   *holiday;		/* [days of history and ahead] its number, or -1 */
	int			holidays;		/* different names */
} Calendar;

static int
month_number(DateADT day)
{
	int			year,
				month,
				dom;

	j2date(day + POSTGRES_EPOCH_JDATE, &year, &month, &dom);
	return year * 12 + month - 1;
}

static int
day_of_month(DateADT day)
{
	int			year,
				month,
				dom;

	j2date(day + POSTGRES_EPOCH_JDATE, &year, &month, &dom);
	return dom;
}

static DateADT
first_of(int month)
{
	return date2j(month / 12, month % 12 + 1, 1) - POSTGRES_EPOCH_JDATE;
}

/* The column by which cost is grouped; the only text that enters a query. */
static const char *
group_column(const char *group_by)
{
	static const char *const groups[][2] = {
		{"total", "'total'::text"}, {"provider", "c.provider"},
		{"account", "c.account_id"}, {"service", "c.service"},
		{"region", "c.region"}, {"tenant", "c.tenant_id"}
	};

	for (int i = 0; i < (int) lengthof(groups); i++)
		if (strcmp(group_by, groups[i][0]) == 0)
			return groups[i][1];
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("cost cannot be grouped by \"%s\"",
					FinopsQuoteForMessage(group_by)),
			 errhint("Use total, provider, account, service, region or tenant.")));
	return NULL;
}

/*
 * First and last day of usage before as_of.  The last day is dropped when it
 * has less than 0.8 of the lines that a day of the week before had.
 */
static bool
read_calendar(Calendar *cal, DateADT as_of, int ahead)
{
	bool		isnull;
	DateADT		last;

	FINOPS_RUN("WITH days AS (SELECT c.usage_date AS day, sum(c.line_items) AS lines"
			   " FROM finops.cost_daily c WHERE c.charge_category = 'Usage'"
			   " AND c.usage_date < $1 AND c.usage_date >= c.billing_period GROUP BY 1),"
			   " ends AS (SELECT min(day) AS first, max(day) AS last FROM days)"
			   " SELECT e.first, CASE WHEN d.lines < 0.8 * (SELECT percentile_disc(0.5)"
			   " WITHIN GROUP (ORDER BY p.lines) FROM days p"
			   " WHERE p.day < e.last AND p.day >= e.last - 7)"
			   " THEN e.last - 1 ELSE e.last END"
			   " FROM ends e JOIN days d ON d.day = e.last",
			   ARG_DATE(as_of));
	if (SPI_processed == 0)
		return false;
	cal->first = DatumGetDateADT(FinopsValue(0, 1, &isnull));
	last = DatumGetDateADT(FinopsValue(0, 2, &isnull));
	if (last < cal->first)
		last = cal->first;
	cal->last = last;
	cal->first = Max(cal->first, last - MAX_DAYS_BACK);
	cal->ahead = ahead;
	cal->start = first_of(month_number(last + 1));
	cal->ndays = first_of(month_number(cal->start) + ahead) - (last + 1);
	return true;
}

/* Numbers the holidays of history and of the days ahead by their names. */
static void
read_holidays(Calendar *cal)
{
	int			days = cal->last - cal->first + 1 + cal->ndays;
	bool		isnull;
	int			rows = (int) FINOPS_RUN("SELECT DISTINCT ON (h.day) (h.day - $1)::int4,"
										" (dense_rank() OVER (ORDER BY h.name COLLATE \"C\") - 1)::int4"
										" FROM finops.holiday h WHERE h.day >= $1 AND h.day < $1 + $2"
										" ORDER BY h.day, h.name COLLATE \"C\"",
										ARG_DATE(cal->first), ARG_INT4(days));

	cal->holiday = palloc_array(int, days);
	cal->holidays = 0;
	for (int t = 0; t < days; t++)
		cal->holiday[t] = -1;
	for (int i = 0; i < rows; i++)
	{
		int			k = DatumGetInt32(FinopsValue(i, 2, &isnull));

		cal->holiday[DatumGetInt32(FinopsValue(i, 1, &isnull))] = k;
		cal->holidays = Max(cal->holidays, k + 1);
	}
}

/*
 * Takes the holidays of a key's history out of its days; what those to come
 * add to each forecast month goes into extra[ahead].
 */
static void
take_holidays(const Calendar *cal, CostHistory *h, const int *month, double *extra)
{
	int			skip = cal->last - cal->first + 1 - h->n;
	const int  *holiday = cal->holiday + skip;
	double	   *effect = palloc_array(double, cal->holidays + 1);

	if (cal->holidays == 0 ||
		!CostTakeHolidays(h->daily, h->n, holiday, cal->holidays, effect))
		return;
	for (int j = 0; j < cal->ndays; j++)
		if (holiday[h->n + j] >= 0)
			extra[month[j]] += (effect[holiday[h->n + j]] - 1) * CostUsualDay(h->daily, h->n, j);
}

/*
 * One row per key and currency: the usage of each day as an array, gaps as 0,
 * from the key's first day on; bookings per month beside it.
 */
static CostHistory *
read_histories(const Calendar *cal, const char *column, const char *cost,
			   int *count)
{
	char	   *sql = psprintf(
							   "WITH cost AS (SELECT %s AS key, c.currency,"
							   " CASE WHEN c.charge_category = 'Usage' THEN 'Usage'"
							   " WHEN c.charge_category = 'Tax' THEN 'Tax' ELSE 'Other' END AS kind,"
							   " CASE WHEN c.charge_category = 'Usage' THEN greatest(c.usage_date, $1)"
							   " ELSE greatest(c.billing_period, $1) END AS day, sum(%s)::float8 AS cost"
							   " FROM finops.cost_daily c"
							   " WHERE c.usage_date >= $1 AND (c.usage_date <= $2 OR"
							   " (c.charge_category <> 'Usage' AND c.billing_period <= $2))"
							   " GROUP BY 1, 2, 3, 4)"
							   " SELECT coalesce(key, '(none)'), currency,"
							   " array_agg((day - $1)::int4 ORDER BY kind, day),"
							   " array_agg(cost ORDER BY kind, day),"
							   " array_agg(CASE kind WHEN 'Usage' THEN 0 WHEN 'Tax' THEN 1 ELSE 2 END ORDER BY kind, day)"
							   " FROM cost GROUP BY key, currency"
							   " ORDER BY sum(cost) DESC, key COLLATE \"C\", currency",
							   column, cost);
	int			rows = (int) FINOPS_RUN(sql, ARG_DATE(cal->first), ARG_DATE(cal->last));
	CostHistory *histories = palloc0_array(CostHistory, Max(rows, 1));
	int			ndays = cal->last - cal->first + 1,
				nmonths = month_number(cal->last) - month_number(cal->first) + 1;

	for (int i = 0; i < rows; i++)
	{
		CostHistory *h = &histories[i];
		bool		isnull;
		ArrayType  *days = DatumGetArrayTypePCopy(FinopsValue(i, 3, &isnull)),
				   *costs = DatumGetArrayTypePCopy(FinopsValue(i, 4, &isnull)),
				   *kinds = DatumGetArrayTypePCopy(FinopsValue(i, 5, &isnull));
		int			n = ArrayGetNItems(ARR_NDIM(days), ARR_DIMS(days)),
					begin = ndays;

		h->key = FinopsText(i, 1);
		h->currency = FinopsText(i, 2);
		h->daily = palloc0_array(double, ndays);
		h->nmonths = nmonths;
		h->tax = palloc0_array(double, nmonths);
		h->other = palloc0_array(double, nmonths);
		for (int k = 0; k < n; k++)
		{
			int			day = ((int32 *) ARR_DATA_PTR(days))[k],
						kind = ((int32 *) ARR_DATA_PTR(kinds))[k];
			double		amount = ((double *) ARR_DATA_PTR(costs))[k];

			if (kind == 0)
			{
				h->daily[day] += amount;
				begin = Min(begin, day);
			}
			else
				(kind == 1 ? h->tax : h->other)
					[month_number(cal->first + day) - month_number(cal->first)] += amount;
		}
		h->n = ndays - begin;
		h->daily += begin;
	}
	*count = rows;
	return histories;
}

/* Months of history that are there from first to last day. */
static int
complete_months(const Calendar *cal, const CostHistory *h, int *first)
{
	DateADT		begin = cal->last - h->n + 1;

	*first = month_number(begin) + (day_of_month(begin) == 1 ? 0 : 1);
	return Max(month_number(cal->start) - *first, 0);
}

/* The amount of bookings that the month ahead (0: of cal->start) may expect. */
static double
expected_bookings(const Calendar *cal, const double *booked, int ahead)
{
	return CostScheduled(booked, month_number(cal->start) - month_number(cal->first), ahead);
}

static double
tax_ratio(const Calendar *cal, const CostHistory *h)
{
	int			end = month_number(cal->start) - month_number(cal->first);
	double		tax = 0,
				usage = 0;

	for (int i = Max(end - RECENT, 0); i < end; i++)
	{
		tax += h->tax[i];
		for (int t = 0; t < h->n; t++)
			if (month_number(cal->last - h->n + 1 + t) - month_number(cal->first) == i)
				usage += h->daily[t];
	}
	return usage > 0 ? tax / usage : 0;
}

/* A booking of the month in course: what is there, unless more is usual. */
static double
expected_booking(double booked, double usual)
{
	return fabs(booked) > fabs(usual) ? booked : usual;
}

/*
 * Replaces the days' sums of the months after the current one by the
 * automatic model on the cost per day of complete months.
 */
static void
use_monthly_model(const Calendar *cal, const CostHistory *h, CostMonths *m,
				  double *bounds)
{
	static const double levels[2] = {80, 95};
	int			first,
				n = complete_months(cal, h, &first),
				ahead = cal->ahead;
	double	   *rate = palloc0_array(double, n),
			   *mean = palloc_array(double, ahead),
			   *lower = palloc_array(double, 2 * ahead),
			   *upper = palloc_array(double, 2 * ahead);
	FcRequest	q = {.y = rate, .n = n, .m = 12, .model = {FC_AUTO, {0}},
	.h = ahead, .nlevels = 2, .levels = levels, .interrupt = ForecastInterrupt};

	for (int t = 0; t < h->n; t++)
	{
		int			month = month_number(cal->last - h->n + 1 + t) - first;

		if (month >= 0 && month < n)
			rate[month] += h->daily[t];
	}
	for (int i = 0; i < n; i++)
		rate[i] /= first_of(first + i + 1) - first_of(first + i);
	ForecastRun(&q, "auto", mean, lower, upper, NULL);
	for (int i = cal->last + 1 > cal->start ? 1 : 0; i < ahead; i++)
	{
		int			month = month_number(cal->start) + i,
					days = first_of(month + 1) - first_of(month);

		m->mean[i] = mean[i] * days;
		for (int k = 0; k < 2; k++)
		{
			bounds[4 * i + 2 * k] = lower[2 * i + k] * days;
			bounds[4 * i + 2 * k + 1] = upper[2 * i + k] * days;
		}
	}
}

static void
put_month(ReturnSetInfo *rsinfo, const CostHistory *h, DateADT month,
		  double to_date, double mean, const double *bounds)
{
	Datum		values[9];
	bool		nulls[9] = {false};

	values[0] = CStringGetTextDatum(h->key);
	values[1] = CStringGetTextDatum(h->currency);
	values[2] = DateADTGetDatum(month);
	values[3] = Float8GetDatum(to_date);
	values[4] = Float8GetDatum(mean);
	for (int i = 0; i < 4; i++)
		values[5 + i] = Float8GetDatum(bounds[i]);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* Days, fees, tax and bookings of one key, month by month. */
static void
forecast_key(ReturnSetInfo *rsinfo, const Calendar *cal, CostHistory *h)
{
	int		   *dom = palloc_array(int, h->n),
			   *month = palloc_array(int, cal->ndays),
				first,
				course = cal->last + 1 > cal->start ? 0 : -1;
	double		fee,
				ratio = tax_ratio(cal, h),
				to_date = 0,
			   *bounds = palloc_array(double, 4 * cal->ahead),
			   *holidays = palloc0_array(double, cal->ahead);
	CostMonths	m = {.ndays = cal->ndays, .month = month, .nmonths = cal->ahead};

	for (int t = 0; t < h->n; t++)
	{
		dom[t] = day_of_month(cal->last - h->n + 1 + t);
		if (cal->last - h->n + 1 + t >= cal->start)
			to_date += h->daily[t];
	}
	for (int j = 0; j < cal->ndays; j++)
		month[j] = month_number(cal->last + 1 + j) - month_number(cal->start);
	m.mean = palloc_array(double, cal->ahead);
	m.sample = palloc_array(double, (Size) cal->ahead * COST_PATHS);
	fee = CostTakeFees(h->daily, h->n, dom);
	take_holidays(cal, h, month, holidays);
	CostForecastDays(h->daily, h->n, &m, ForecastInterrupt);
	for (int i = 0; i < cal->ahead; i++)
	{
		static const double at[4] = {0.10, 0.90, 0.025, 0.975};

		for (int k = 0; k < 4; k++)
			bounds[4 * i + k] = CostQuantile(m.sample + (Size) i * COST_PATHS, at[k]);
	}
	if (complete_months(cal, h, &first) >= MONTHLY_FROM)
		use_monthly_model(cal, h, &m, bounds);
	for (int i = 0; i < cal->ahead; i++)
	{
		m.mean[i] += holidays[i];
		for (int k = 0; k < 4; k++)
			bounds[4 * i + k] += holidays[i];
	}
	for (int i = 0; i < cal->ahead; i++)
	{
		bool		in_course = i == course;
		int			index = month_number(cal->start) + i - month_number(cal->first);
		double		usage = m.mean[i] + (in_course ? to_date + m.completion : fee),
					tax = usage * ratio,
					other = expected_bookings(cal, h->other, i),
					fixed;

		if (in_course && index < h->nmonths)
		{
			tax = expected_booking(h->tax[index], tax);
			other = expected_booking(h->other[index], other);
		}
		fixed = usage - m.mean[i] + tax + other;
		for (int k = 0; k < 4; k++)
			bounds[4 * i + k] += fixed;
		put_month(rsinfo, h, first_of(month_number(cal->start) + i),
				  in_course ? to_date + (index < h->nmonths ? h->tax[index] + h->other[index] : 0) : 0,
				  m.mean[i] + fixed, bounds + 4 * i);
	}
}

/*
 * finops.cost_forecast(horizon_months, group_by, as_of, basis): rows (key,
 * currency, month, cost_to_date, mean, lower_80, upper_80, lower_95,
 * upper_95), amounts in the currency of the row.  22023 for unknown
 * arguments; no row when there is no cost.
 */
Datum
finops_cost_forecast(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	Calendar	cal;
	int			ahead,
				count = 0;
	const char *column,
			   *cost;
	DateADT		as_of = PG_ARGISNULL(2) ? date2j(9999, 1, 1) - POSTGRES_EPOCH_JDATE : PG_GETARG_DATEADT(2);
	char	   *basis;

	FinopsRequireArg(fcinfo, 0, "horizon_months");
	FinopsRequireArg(fcinfo, 1, "group_by");
	ahead = PG_GETARG_INT32(0);
	if (ahead < 1 || ahead > MAX_MONTHS_AHEAD)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("horizon_months must be between 1 and %d, not %d",
						MAX_MONTHS_AHEAD, ahead)));
	column = group_column(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	basis = PG_ARGISNULL(3) ? pstrdup(FinopsBasisName(finops_cost_basis)) :
		text_to_cstring(PG_GETARG_TEXT_PP(3));
	if (strcmp(basis, "effective") != 0 && strcmp(basis, "billed") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown cost basis \"%s\"", FinopsQuoteForMessage(basis)),
				 errhint("Use effective or billed.")));
	cost = strcmp(basis, "billed") == 0 ? "c.billed_cost" : "c.effective_cost";

	InitMaterializedSRF(fcinfo, 0);
	FinopsBegin(&session);
	if (read_calendar(&cal, as_of, ahead))
	{
		CostHistory *histories;

		read_holidays(&cal);
		histories = read_histories(&cal, column, cost, &count);

		for (int i = 0; i < count; i++)
			if (histories[i].n > 0)
				forecast_key((ReturnSetInfo *) fcinfo->resultinfo, &cal, &histories[i]);
	}
	FinopsEnd(&session);
	return (Datum) 0;
}

/*-------------------------------------------------------------------------
 *
 * cost_history.c
 *	  What forecasts of cost start from: the days of each key from the daily
 *	  roll-up, how complete the newest are, holidays, and known steps.
 *
 * New days are not complete.  Where finops.note_days has seen how days of a
 * source filled up, each new day is divided by the share that days of its age
 * mostly have, and a day of which less than half is there is left out.  Where
 * nothing has been seen, the last day is left out when it has clearly fewer
 * lines than others.
 *
 * A known step is a change of daily cost with a date.  Days are told as they
 * would have been with the steps of the last day in force, so that a step of
 * the past is no level shift to be found, and months to come get what steps
 * change after the last day.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/cost_history.h"

#include "utils/array.h"
#include "utils/datetime.h"

#include <math.h>

#define MAX_DAYS_BACK		1500

/* What is known of a day at least, so that little is not multiplied much. */
#define LEAST_SHARE			"0.2"

int
CostMonthNumber(DateADT day)
{
	int			year,
				month,
				dom;

	j2date(day + POSTGRES_EPOCH_JDATE, &year, &month, &dom);
	return year * 12 + month - 1;
}

int
CostDayOfMonth(DateADT day)
{
	int			year,
				month,
				dom;

	j2date(day + POSTGRES_EPOCH_JDATE, &year, &month, &dom);
	return dom;
}

DateADT
CostFirstOf(int month)
{
	return date2j(month / 12, month % 12 + 1, 1) - POSTGRES_EPOCH_JDATE;
}

char *
CostBasisArg(FunctionCallInfo fcinfo, int argno)
{
	char	   *basis = PG_ARGISNULL(argno) ? pstrdup(FinopsBasisName(finops_cost_basis)) :
		text_to_cstring(PG_GETARG_TEXT_PP(argno));

	if (strcmp(basis, "effective") != 0 && strcmp(basis, "billed") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown cost basis \"%s\"", FinopsQuoteForMessage(basis)),
				 errhint("Use effective or billed.")));
	return basis;
}

/* The column by which cost is grouped; the only text that enters a query. */
const char *
CostGroupColumn(const char *group_by)
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

/* The completeness of new days, where it is known: stage day_completeness. */
static void
stage_completeness(const char *basis, bool late)
{
	FINOPS_STAGE("day_completeness",
				 "SELECT l.source, l.billing_period, k.currency, l.loaded - k.age AS usage_date,"
				 " greatest(k.share, " LEAST_SHARE ") AS share"
				 " FROM (" COMPLETION_CURVE ") k JOIN (" CURRENT_LOADS ") l USING (source)"
				 " WHERE $2 AND k.share > 0 AND k.share < 1 AND l.loaded - k.age >= l.billing_period"
				 " AND l.loaded - k.age < (l.billing_period + interval '1 month')::date",
				 ARG_TEXT(basis), ARG_BOOL(late));
}

#define OF_THE_DAY \
	" LEFT JOIN day_completeness k ON k.source = c.source AND k.billing_period = c.billing_period" \
	" AND k.currency = c.currency AND k.usage_date = c.usage_date AND c.charge_category = 'Usage'"

/*
 * First and last day of usage before as_of.  A last day that is known to be
 * less than half there is dropped; one of which nothing is known, when it has
 * less than 0.8 of the lines that a day of the week before had.
 */
bool
CostReadCalendar(Calendar *cal, DateADT as_of, int ahead, const char *basis, bool late)
{
	bool		isnull;
	DateADT		last;

	stage_completeness(basis, late);
	FINOPS_RUN("WITH days AS (SELECT c.usage_date AS day, sum(c.line_items) AS lines, bool_or(k.share IS NOT NULL) AS known,"
			   " sum(v.cost) AS cost, sum(v.cost / coalesce(k.share, 1)) AS whole"
			   " FROM finops.cost_daily c" OF_THE_DAY
			   ", LATERAL (SELECT (CASE $2 WHEN 'billed' THEN c.billed_cost ELSE c.effective_cost END)::float8 AS cost) v"
			   " WHERE c.charge_category = 'Usage'"
			   " AND c.usage_date < $1 AND c.usage_date >= c.billing_period GROUP BY 1),"
			   " ends AS (SELECT min(day) AS first, max(day) FILTER (WHERE NOT known OR cost >= 0.5 * whole) AS last FROM days)"
			   " SELECT e.first, CASE WHEN NOT d.known AND d.lines < 0.8 * (SELECT percentile_disc(0.5)"
			   " WITHIN GROUP (ORDER BY p.lines) FROM days p"
			   " WHERE p.day < e.last AND p.day >= e.last - 7)"
			   " THEN e.last - 1 ELSE e.last END"
			   " FROM ends e JOIN days d ON d.day = e.last",
			   ARG_DATE(as_of), ARG_TEXT(basis));
	if (SPI_processed == 0)
		return false;
	cal->first = DatumGetDateADT(FinopsValue(0, 1, &isnull));
	last = DatumGetDateADT(FinopsValue(0, 2, &isnull));
	if (last < cal->first)
		last = cal->first;
	cal->last = last;
	cal->first = Max(cal->first, last - MAX_DAYS_BACK);
	cal->ahead = ahead;
	cal->start = CostFirstOf(CostMonthNumber(last + 1));
	cal->ndays = CostFirstOf(CostMonthNumber(cal->start) + ahead) - (last + 1);
	return true;
}

/* Numbers the holidays of history and of the days ahead by their names. */
void
CostReadHolidays(Calendar *cal)
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

/* A row of day, kind, amount and what of it is still to be delivered. */
static void
put_amount(const Calendar *cal, CostHistory *h, int day, int kind, double amount,
		   double lacking)
{
	int			month = CostMonthNumber(cal->first + day) - CostMonthNumber(cal->first);

	if (kind == 1)
		h->tax[month] += amount;
	else if (kind == 2)
		h->other[month] += amount;
	else
	{
		h->daily[day] += amount + lacking;
		h->usage[month] += amount + lacking;
		if (cal->first + day >= cal->start)
		{
			h->to_date += amount;
			h->lacking += lacking;
		}
	}
}

static void
fill_history(const Calendar *cal, CostHistory *h, int row)
{
	bool		isnull;
	ArrayType  *days = DatumGetArrayTypePCopy(FinopsValue(row, 3, &isnull)),
			   *costs = DatumGetArrayTypePCopy(FinopsValue(row, 4, &isnull)),
			   *kinds = DatumGetArrayTypePCopy(FinopsValue(row, 5, &isnull)),
			   *lacks = DatumGetArrayTypePCopy(FinopsValue(row, 6, &isnull));
	int			n = ArrayGetNItems(ARR_NDIM(days), ARR_DIMS(days)),
				ndays = cal->last - cal->first + 1,
				begin = ndays;

	h->key = FinopsText(row, 1);
	h->currency = FinopsText(row, 2);
	h->daily = palloc0_array(double, ndays);
	h->nmonths = CostMonthNumber(cal->last) - CostMonthNumber(cal->first) + 1;
	h->usage = palloc0_array(double, h->nmonths);
	h->tax = palloc0_array(double, h->nmonths);
	h->other = palloc0_array(double, h->nmonths);
	h->steps = palloc0_array(double, cal->ahead);
	for (int k = 0; k < n; k++)
	{
		int			day = ((int32 *) ARR_DATA_PTR(days))[k],
					kind = ((int32 *) ARR_DATA_PTR(kinds))[k];

		put_amount(cal, h, day, kind, ((double *) ARR_DATA_PTR(costs))[k],
				   ((double *) ARR_DATA_PTR(lacks))[k]);
		if (kind == 0)
			begin = Min(begin, day);
	}
	h->n = ndays - begin;
	h->daily += begin;
}

/* ---------------------------------------------------------------------
 * Known steps
 * ---------------------------------------------------------------------
 */
typedef struct KnownStep
{
	DateADT		from;
	DateADT		to;				/* first day without it */
	double		amount;
	bool		booked;			/* by month, as purchases are */
} KnownStep;

static bool
in_force(const KnownStep *step, DateADT day)
{
	return day >= step->from && day < step->to;
}

static void
apply_step(const Calendar *cal, CostHistory *h, const KnownStep *step)
{
	bool		now = in_force(step, cal->last);

	for (DateADT day = cal->first; day <= cal->last; day++)
	{
		int			t = day - (cal->last - h->n + 1);
		double		change = in_force(step, day) == now ? 0 : (now ? step->amount : -step->amount);

		if (step->booked)
			h->other[CostMonthNumber(day) - CostMonthNumber(cal->first)] += change;
		else if (t >= 0 && change != 0)
			h->daily[t] = h->daily[t] >= 0 ? Max(h->daily[t] + change, 0) : h->daily[t] + change;
	}
	for (int j = 0; j < cal->ndays; j++)
	{
		DateADT		day = cal->last + 1 + j;

		if (in_force(step, day) != now)
			h->steps[CostMonthNumber(day) - CostMonthNumber(cal->start)] +=
				now ? -step->amount : step->amount;
	}
}

static void
read_steps(const Calendar *cal, const char *column, const char *basis,
		   CostHistory *histories, int count)
{
	int			rows = (int) FINOPS_RUN(psprintf("SELECT coalesce(%s, '(none)'), c.currency, c.starts_on,"
												 " coalesce(c.ends_on, 'infinity'), c.amount_per_day::float8,"
												 " c.charge_category = 'Purchase'"
												 " FROM forecast.known_step c WHERE (c.basis IS NULL OR c.basis = $1)"
												 " AND c.starts_on <= $3 AND (c.starts_on > $2 OR c.ends_on > $2)"
												 " ORDER BY c.step_id", column),
										ARG_TEXT(basis), ARG_DATE(cal->first),
										ARG_DATE(cal->last + cal->ndays));

	for (int i = 0; i < rows; i++)
	{
		bool		isnull;
		char	   *key = FinopsText(i, 1),
				   *currency = FinopsText(i, 2);
		KnownStep	step = {
			DatumGetDateADT(FinopsValue(i, 3, &isnull)), DatumGetDateADT(FinopsValue(i, 4, &isnull)),
			DatumGetFloat8(FinopsValue(i, 5, &isnull)), DatumGetBool(FinopsValue(i, 6, &isnull))
		};

		for (int k = 0; k < count; k++)
			if (strcmp(histories[k].key, key) == 0 && strcmp(histories[k].currency, currency) == 0)
				apply_step(cal, &histories[k], &step);
	}
}

/*
 * One row per key and currency: the usage of each day as an array, gaps as 0,
 * from the key's first day on; bookings per month beside it.
 */
CostHistory *
CostReadHistories(const Calendar *cal, const char *column, const char *basis,
				  bool steps, int *count)
{
	const char *cost = strcmp(basis, "billed") == 0 ? "c.billed_cost" : "c.effective_cost";
	char	   *sql = psprintf("WITH cost AS (SELECT %s AS key, c.currency,"
							   " CASE c.charge_category WHEN 'Usage' THEN 0 WHEN 'Tax' THEN 1 ELSE 2 END AS kind,"
							   " CASE WHEN c.charge_category = 'Usage' THEN greatest(c.usage_date, $1)"
							   " ELSE greatest(c.billing_period, $1) END AS day, sum(%s)::float8 AS cost,"
							   " coalesce(sum(%s * (1 / k.share - 1)::numeric), 0)::float8 AS lacking"
							   " FROM finops.cost_daily c" OF_THE_DAY
							   " WHERE c.usage_date >= $1 AND (c.usage_date <= $2 OR"
							   " (c.charge_category <> 'Usage' AND c.billing_period <= $2))"
							   " GROUP BY 1, 2, 3, 4)"
							   " SELECT coalesce(key, '(none)'), currency,"
							   " array_agg((day - $1)::int4 ORDER BY kind, day),"
							   " array_agg(cost ORDER BY kind, day),"
							   " array_agg(kind ORDER BY kind, day),"
							   " array_agg(lacking ORDER BY kind, day)"
							   " FROM cost GROUP BY key, currency"
							   " ORDER BY sum(cost) DESC, key COLLATE \"C\", currency",
							   column, cost, cost);
	CostHistory *histories;

	*count = (int) FINOPS_RUN(sql, ARG_DATE(cal->first), ARG_DATE(cal->last));
	histories = palloc0_array(CostHistory, Max(*count, 1));
	for (int i = 0; i < *count; i++)
		fill_history(cal, &histories[i], i);
	FinopsEndStage("day_completeness");
	if (steps)
		read_steps(cal, column, basis, histories, *count);
	return histories;
}

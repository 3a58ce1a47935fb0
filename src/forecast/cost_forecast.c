/*-------------------------------------------------------------------------
 *
 * cost_forecast.c
 *	  finops.cost_forecast and finops.explain_cost_forecast: the coming months
 *	  of cost, from the daily roll-up.
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
 *						(CostScheduled);
 *	  known steps		of forecast.known_step, such as ends of commitments.
 *
 * The month in course counts what is there and forecasts the rest; new days
 * and steps of the past are treated in cost_history.c.  Everything here is an
 * estimate, hence float8.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/forecast.h"

#include "forecast/cost_history.h"
#include "forecast/cost_series.h"
#include "forecast/jsonb_options.h"

#include "utils/datetime.h"

#include <math.h>

PG_FUNCTION_INFO_V1(finops_cost_forecast);
PG_FUNCTION_INFO_V1(finops_explain_cost_forecast);

#define MAX_MONTHS_AHEAD	120
#define MONTHLY_FROM		12	/* complete months for the monthly model */
#define RECENT				3	/* months that say what is usual */

/* A month taken apart; the parts add up to its forecast. */
typedef struct CostParts
{
	double		to_date;		/* usage of the month in course as delivered */
	double		late;			/* what is to come for its days */
	double		level;			/* of the days to come, before level shifts */
	double		shifts;
	double		trend;
	double		season;			/* of weekdays, later of months of the year */
	double		holidays;
	double		fees;			/* on the 1st, as the days of usage show them */
	double		steps;
	double		tax;
	double		bookings;
	double		booked;			/* tax and bookings of the month in course; no
								 * part of its own */
	int			late_days;		/* days taken as incomplete by the rule */
	int			level_shifts;
	int			outliers;		/* days replaced */
} CostParts;

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

/* Months of history that are there from first to last day. */
static int
complete_months(const Calendar *cal, const CostHistory *h, int *first)
{
	DateADT		begin = cal->last - h->n + 1;

	*first = CostMonthNumber(begin) + (CostDayOfMonth(begin) == 1 ? 0 : 1);
	return Max(CostMonthNumber(cal->start) - *first, 0);
}

/* The amount of bookings that the month ahead (0: of cal->start) may expect. */
static double
expected_bookings(const Calendar *cal, const double *booked, int ahead)
{
	return CostScheduled(booked, CostMonthNumber(cal->start) - CostMonthNumber(cal->first), ahead);
}

/* What is treated; all of it unless options say otherwise. */
typedef struct CostOptions
{
	bool		outliers;
	bool		shifts;
	bool		late;
	bool		holidays;
	bool		fees;
	bool		steps;
	bool		explain;		/* parts are asked for */
} CostOptions;

static double
tax_ratio(const Calendar *cal, const CostHistory *h)
{
	int			end = CostMonthNumber(cal->start) - CostMonthNumber(cal->first);
	double		tax = 0,
				usage = 0;

	for (int i = Max(end - RECENT, 0); i < end; i++)
	{
		tax += h->tax[i];
		usage += h->usage[i];
	}
	return usage > 0 ? tax / usage : 0;
}

/* A booking of the month in course: what is there, unless more is usual. */
static double
expected_booking(double booked, double usual)
{
	return fabs(booked) > fabs(usual) ? booked : usual;
}

static int
days_of_month(const Calendar *cal, int ahead)
{
	int			month = CostMonthNumber(cal->start) + ahead;

	return CostFirstOf(month + 1) - CostFirstOf(month);
}

/* The first month ahead of which every day is to come. */
static int
after_course(const Calendar *cal)
{
	return cal->last + 1 > cal->start ? 1 : 0;
}

/* Parts of the months after the one in course from those of the cost per day. */
static void
take_months_apart(const Calendar *cal, const FcRequest *q, double *mean, CostParts *parts)
{
	int			ahead = cal->ahead;
	double	   *memory = palloc_array(double, (6 + FC_MOST_SEASONS) * (Size) ahead);
	FcParts		rates = {.level = memory, .shifts = memory + ahead, .trend = memory + 2 * ahead,
		.season = memory + 3 * ahead, .regressors = memory + 4 * ahead, .fees = memory + 5 * ahead,
	.seasons = memory + 6 * ahead};

	ForecastCheck(FcExplain(q, mean, &rates, palloc(sizeof(FcDetail))), q, "auto");
	for (int i = after_course(cal); i < ahead; i++)
	{
		int			days = days_of_month(cal, i);

		parts[i].level = rates.level[i] * days;
		parts[i].shifts = rates.shifts[i] * days;
		parts[i].trend = rates.trend[i] * days;
		parts[i].season = rates.season[i] * days;
	}
}

/*
 * Replaces the days' sums of the months after the current one by the
 * automatic model on the cost per day of complete months.  parts may be NULL.
 */
static void
use_monthly_model(const Calendar *cal, const CostHistory *h, CostMonths *m,
				  double *bounds, CostParts *parts)
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
		int			month = CostMonthNumber(cal->last - h->n + 1 + t) - first;

		if (month >= 0 && month < n)
			rate[month] += h->daily[t];
	}
	for (int i = 0; i < n; i++)
		rate[i] /= CostFirstOf(first + i + 1) - CostFirstOf(first + i);
	ForecastRun(&q, "auto", mean, lower, upper, NULL);
	for (int i = after_course(cal); i < ahead; i++)
	{
		int			days = days_of_month(cal, i);

		m->mean[i] = mean[i] * days;
		for (int k = 0; k < 2; k++)
		{
			bounds[4 * i + 2 * k] = lower[2 * i + k] * days;
			bounds[4 * i + 2 * k + 1] = upper[2 * i + k] * days;
		}
	}
	if (parts != NULL)
		take_months_apart(cal, &q, mean, parts);
}

/*
 * The days to come as level, trend and week, as explain.c does it: behind the
 * last day the week goes on.
 */
static void
take_days_apart(const CostMonths *m, CostParts *parts)
{
	int			n = m->ndays,
				week = n > 2 * FC_WEEK ? FC_WEEK : 1;
	double	   *path = palloc_array(double, n + FC_WEEK + 1),
				slope,
				level;

	memcpy(path, m->day, n * sizeof(double));
	for (int j = n; j < n + week + 1; j++)
		path[j] = week == 1 ? path[j - 1] : 2 * path[j - week] - path[j - 2 * week];
	level = FcBase(path, week, &slope) - slope;
	for (int j = 0; j < n; j++)
	{
		CostParts  *part = &parts[m->month[j]];
		double		base = FcBase(path + j, week, &slope);

		part->level += level - m->shifted;
		part->shifts += m->shifted;
		part->trend += base - level;
		part->season += m->day[j] - base;
	}
}

/* The days of one key, month by month, with bounds of months. */
static void
forecast_days(const Calendar *cal, const CostOptions *o, CostHistory *h, CostMonths *m,
			  double *bounds, CostParts *parts)
{
	static const double at[4] = {0.10, 0.90, 0.025, 0.975};
	double	   *holidays = palloc0_array(double, cal->ahead);
	int		   *dom = palloc_array(int, h->n),
				first;
	double		fee = 0;

	for (int t = 0; t < h->n; t++)
		dom[t] = CostDayOfMonth(cal->last - h->n + 1 + t);
	if (o->fees)
		fee = CostTakeFees(h->daily, h->n, dom);
	if (o->holidays)
		take_holidays(cal, h, m->month, holidays);
	CostForecastDays(h->daily, h->n, m, ForecastInterrupt);
	take_days_apart(m, parts);
	for (int i = 0; i < cal->ahead; i++)
		for (int k = 0; k < 4; k++)
			bounds[4 * i + k] = CostQuantile(m->sample + (Size) i * COST_PATHS, at[k]);
	if (complete_months(cal, h, &first) >= MONTHLY_FROM)
		use_monthly_model(cal, h, m, bounds, o->explain ? parts : NULL);
	for (int i = 0; i < m->late; i++)
		if (cal->last - i >= cal->start)
			parts[0].late += m->completion[i];
	for (int i = 0; i < cal->ahead; i++)
	{
		parts[i].holidays = holidays[i];
		parts[i].fees = i == 0 && cal->last + 1 > cal->start ? 0 : fee;
	}
}

/* Tax and other bookings of month i, the month in course being what it has. */
static void
add_bookings(const Calendar *cal, const CostHistory *h, int i, double usage,
			 CostParts *part)
{
	int			index = CostMonthNumber(cal->start) + i - CostMonthNumber(cal->first);
	bool		in_course = i == 0 && cal->last + 1 > cal->start && index < h->nmonths;

	part->tax = h->n > 0 ? usage * tax_ratio(cal, h) : expected_bookings(cal, h->tax, i);
	part->bookings = expected_bookings(cal, h->other, i);
	if (in_course)
	{
		part->tax = expected_booking(h->tax[index], part->tax);
		part->bookings = expected_booking(h->other[index], part->bookings);
		part->booked = h->tax[index] + h->other[index];
	}
}

/* Parts, means and bounds (four a month, 80 and 95 percent) of one key. */
static void
forecast_key(const Calendar *cal, const CostOptions *o, CostHistory *h, double *mean,
			 double *bounds, CostParts *parts)
{
	CostMonths	m = {.ndays = cal->ndays, .month = palloc_array(int, cal->ndays), .nmonths = cal->ahead,
		.mean = mean, .day = palloc_array(double, cal->ndays),
		.keep_outliers = !o->outliers, .keep_shifts = !o->shifts,
	.sample = palloc_array(double, (Size) cal->ahead * COST_PATHS)};

	memset(mean, 0, cal->ahead * sizeof(double));
	memset(bounds, 0, 4 * cal->ahead * sizeof(double));
	memset(parts, 0, cal->ahead * sizeof(CostParts));
	for (int j = 0; j < cal->ndays; j++)
		((int *) m.month)[j] = CostMonthNumber(cal->last + 1 + j) - CostMonthNumber(cal->start);
	parts[0].to_date = h->to_date;
	parts[0].late = h->lacking;
	if (h->n > 0)
		forecast_days(cal, o, h, &m, bounds, parts);
	for (int i = 0; i < cal->ahead; i++)
	{
		CostParts  *part = &parts[i];
		double		more;

		part->late_days = m.late;
		part->level_shifts = m.shifts;
		part->outliers = m.outliers;
		part->steps = h->steps[i];
		more = part->to_date + part->late + part->holidays + part->fees + part->steps;
		add_bookings(cal, h, i, mean[i] + more, part);
		more += part->tax + part->bookings;
		mean[i] += more;
		for (int k = 0; k < 4; k++)
			bounds[4 * i + k] += more;
	}
}

static void
put_forecast(ReturnSetInfo *rsinfo, Datum *values, const CostParts *part,
			 double mean, const double *bounds)
{
	bool		nulls[9] = {false};

	values[3] = Float8GetDatum(part->to_date + part->booked);
	values[4] = Float8GetDatum(mean);
	for (int i = 0; i < 4; i++)
		values[5 + i] = Float8GetDatum(bounds[i]);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

static void
put_parts(ReturnSetInfo *rsinfo, Datum *values, const CostParts *part, double mean)
{
	bool		nulls[18] = {false};

	values[3] = Float8GetDatum(mean);
	values[4] = Float8GetDatum(part->to_date);
	values[5] = Float8GetDatum(part->late);
	values[6] = Float8GetDatum(part->level);
	values[7] = Float8GetDatum(part->shifts);
	values[8] = Float8GetDatum(part->trend);
	values[9] = Float8GetDatum(part->season);
	values[10] = Float8GetDatum(part->holidays);
	values[11] = Float8GetDatum(part->fees);
	values[12] = Float8GetDatum(part->steps);
	values[13] = Float8GetDatum(part->tax);
	values[14] = Float8GetDatum(part->bookings);
	values[15] = Int32GetDatum(part->late_days);
	values[16] = Int32GetDatum(part->level_shifts);
	values[17] = Int32GetDatum(part->outliers);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

static CostOptions
read_options(FunctionCallInfo fcinfo, int argno)
{
	Jsonb	   *json = OptionsArg(fcinfo, argno, "outliers, level_shifts, late, holidays, fees, steps");

	return (CostOptions) {
		.outliers = OptionBool(json, "outliers", true),
		.shifts = OptionBool(json, "level_shifts", true),
		.late = OptionBool(json, "late", true),
		.holidays = OptionBool(json, "holidays", true),
		.fees = OptionBool(json, "fees", true),
		.steps = OptionBool(json, "steps", true),
	};
}

/* Both functions; explain: the parts instead of the bounds. */
static void
return_forecasts(FunctionCallInfo fcinfo, bool explain)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	FinopsSession session;
	Calendar	cal;
	int			ahead,
				count = 0;
	const char *column;
	DateADT		as_of = PG_ARGISNULL(2) ? date2j(9999, 1, 1) - POSTGRES_EPOCH_JDATE : PG_GETARG_DATEADT(2);
	char	   *basis;
	CostOptions options;

	FinopsRequireFeature(FINOPS_FORECASTING);
	FinopsRequireArg(fcinfo, 0, "horizon_months");
	FinopsRequireArg(fcinfo, 1, "group_by");
	ahead = PG_GETARG_INT32(0);
	if (ahead < 1 || ahead > MAX_MONTHS_AHEAD)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("horizon_months must be between 1 and %d, not %d",
						MAX_MONTHS_AHEAD, ahead),
				 errhint("It counts from the month in course; a year is 12.")));
	column = CostGroupColumn(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	basis = CostBasisArg(fcinfo, 3);
	options = read_options(fcinfo, 4);
	options.explain = explain;
	InitMaterializedSRF(fcinfo, 0);
	FinopsBegin(&session);
	if (CostReadCalendar(&cal, as_of, ahead, basis, options.late))
	{
		CostHistory *histories;
		CostParts  *parts = palloc_array(CostParts, ahead);
		double	   *mean = palloc_array(double, 5 * ahead),
				   *bounds = mean + ahead;

		CostReadHolidays(&cal);
		histories = CostReadHistories(&cal, column, basis, options.steps, &count);
		for (int k = 0; k < count; k++)
		{
			Datum		values[18];

			forecast_key(&cal, &options, &histories[k], mean, bounds, parts);
			values[0] = CStringGetTextDatum(histories[k].key);
			values[1] = CStringGetTextDatum(histories[k].currency);
			for (int i = 0; i < ahead; i++)
			{
				values[2] = DateADTGetDatum(CostFirstOf(CostMonthNumber(cal.start) + i));
				if (explain)
					put_parts(rsinfo, values, &parts[i], mean[i]);
				else
					put_forecast(rsinfo, values, &parts[i], mean[i], bounds + 4 * i);
			}
		}
	}
	FinopsEnd(&session);
}

/*
 * finops.cost_forecast(horizon_months, group_by, as_of, basis, options): rows
 * (key, currency, month, cost_to_date, mean, lower_80, upper_80, lower_95,
 * upper_95), amounts in the currency of the row.  22023 for unknown
 * arguments; no row when there is no cost.
 */
Datum
finops_cost_forecast(PG_FUNCTION_ARGS)
{
	return_forecasts(fcinfo, false);
	return (Datum) 0;
}

/*
 * finops.explain_cost_forecast(horizon_months, group_by, as_of, basis,
 * options): rows (key, currency, month, mean, usage_to_date, late, level,
 * shifts, trend, season, holidays, fees, steps, tax, bookings, late_days,
 * level_shifts, outliers); from usage_to_date to bookings they add up to the
 * mean, the last three count what was treated.
 */
Datum
finops_explain_cost_forecast(PG_FUNCTION_ARGS)
{
	return_forecasts(fcinfo, true);
	return (Datum) 0;
}

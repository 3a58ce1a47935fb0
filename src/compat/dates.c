/*-------------------------------------------------------------------------
 *
 * dates.c
 *	  Date functions of other dialects: DATE_FORMAT (MySQL, Trino), DATEADD,
 *	  DATEDIFF, LAST_DAY and ADD_MONTHS (Snowflake).
 *
 * They follow the argument's type: a timestamp with time zone is read in the
 * session's time zone, and a date stays a date.  Snowflake's DATEADD makes a
 * timestamp of a date when the unit is shorter than a day; a PostgreSQL
 * function has one result type, so that call is refused with the cast that
 * says what is meant.
 *
 *-------------------------------------------------------------------------
 */
#include "core/core.h"

#include "compat/compat.h"

#include "common/int.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(finops_date_format_date);
PG_FUNCTION_INFO_V1(finops_date_format_timestamp);
PG_FUNCTION_INFO_V1(finops_date_format_timestamptz);
PG_FUNCTION_INFO_V1(finops_dateadd_date);
PG_FUNCTION_INFO_V1(finops_dateadd_timestamp);
PG_FUNCTION_INFO_V1(finops_dateadd_timestamptz);
PG_FUNCTION_INFO_V1(finops_datediff_date);
PG_FUNCTION_INFO_V1(finops_datediff_timestamp);
PG_FUNCTION_INFO_V1(finops_datediff_timestamptz);
PG_FUNCTION_INFO_V1(finops_last_day);
PG_FUNCTION_INFO_V1(finops_add_months);

/* ---------------------------------------------------------------------
 * DATE_FORMAT
 * ---------------------------------------------------------------------
 */
static void
append_to_buffer(void *sink, const char *data, size_t len)
{
	appendBinaryStringInfo((StringInfo) sink, data, (int) len);
}

static Datum
format_tm(const struct pg_tm *tm, fsec_t fsec, text *format)
{
	StringInfoData out;
	int			julian = date2j(tm->tm_year, tm->tm_mon, tm->tm_mday);
	DateFormatFields fields = {
		.year = tm->tm_year,
		.month = tm->tm_mon,
		.day = tm->tm_mday,
		.hour = tm->tm_hour,
		.minute = tm->tm_min,
		.second = tm->tm_sec,
		.microsecond = fsec,
		.weekday = j2day(julian),
		.yearday = julian - date2j(tm->tm_year, 1, 1) + 1,
	};

	initStringInfo(&out);
	DateFormat(&fields, VARDATA_ANY(format), VARSIZE_ANY_EXHDR(format),
			   append_to_buffer, &out);
	return PointerGetDatum(cstring_to_text_with_len(out.data, out.len));
}

static void
timestamp_parts(Timestamp at, struct pg_tm *tm, fsec_t *fsec)
{
	if (timestamp2tm(at, NULL, tm, fsec, NULL, NULL) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
}

/* In the session's time zone; returns its seconds west of Greenwich. */
static int
timestamptz_parts(TimestampTz at, struct pg_tm *tm, fsec_t *fsec)
{
	int			zone;

	if (timestamp2tm(at, &zone, tm, fsec, NULL, NULL) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	return zone;
}

static void
date_parts(DateADT date, struct pg_tm *tm)
{
	memset(tm, 0, sizeof(*tm));
	j2date(date + POSTGRES_EPOCH_JDATE, &tm->tm_year, &tm->tm_mon,
		   &tm->tm_mday);
}

/* date_format(date, text): NULL for infinite dates, as to_char. */
Datum
finops_date_format_date(PG_FUNCTION_ARGS)
{
	DateADT		date = PG_GETARG_DATEADT(0);
	struct pg_tm tm;

	if (DATE_NOT_FINITE(date))
		PG_RETURN_NULL();
	date_parts(date, &tm);
	return format_tm(&tm, 0, PG_GETARG_TEXT_PP(1));
}

/* date_format(timestamp, text) */
Datum
finops_date_format_timestamp(PG_FUNCTION_ARGS)
{
	Timestamp	at = PG_GETARG_TIMESTAMP(0);
	struct pg_tm tm;
	fsec_t		fsec;

	if (TIMESTAMP_NOT_FINITE(at))
		PG_RETURN_NULL();
	timestamp_parts(at, &tm, &fsec);
	return format_tm(&tm, fsec, PG_GETARG_TEXT_PP(1));
}

/* date_format(timestamptz, text): in the session's time zone. */
Datum
finops_date_format_timestamptz(PG_FUNCTION_ARGS)
{
	TimestampTz at = PG_GETARG_TIMESTAMPTZ(0);
	struct pg_tm tm;
	fsec_t		fsec;

	if (TIMESTAMP_NOT_FINITE(at))
		PG_RETURN_NULL();
	(void) timestamptz_parts(at, &tm, &fsec);
	return format_tm(&tm, fsec, PG_GETARG_TEXT_PP(1));
}

/* ---------------------------------------------------------------------
 * Units: names and abbreviations of Snowflake's "Supported date and time
 * parts"
 * ---------------------------------------------------------------------
 */
typedef enum DatePart
{
	PART_YEAR,
	PART_QUARTER,
	PART_MONTH,
	PART_WEEK,
	PART_DAY,
	PART_HOUR,					/* from here on shorter than a day */
	PART_MINUTE,
	PART_SECOND,
	PART_MILLISECOND,
	PART_MICROSECOND
} DatePart;

static const struct
{
	const char *name;
	DatePart	part;
}			part_names[] =
{
	{"year", PART_YEAR}, {"y", PART_YEAR}, {"yy", PART_YEAR},
	{"yyy", PART_YEAR}, {"yyyy", PART_YEAR}, {"yr", PART_YEAR},
	{"years", PART_YEAR}, {"yrs", PART_YEAR},
	{"quarter", PART_QUARTER}, {"q", PART_QUARTER}, {"qtr", PART_QUARTER},
	{"qtrs", PART_QUARTER}, {"quarters", PART_QUARTER},
	{"month", PART_MONTH}, {"mm", PART_MONTH}, {"mon", PART_MONTH},
	{"mons", PART_MONTH}, {"months", PART_MONTH},
	{"week", PART_WEEK}, {"w", PART_WEEK}, {"wk", PART_WEEK},
	{"weekofyear", PART_WEEK}, {"woy", PART_WEEK}, {"wy", PART_WEEK},
	{"weeks", PART_WEEK},
	{"day", PART_DAY}, {"d", PART_DAY}, {"dd", PART_DAY},
	{"days", PART_DAY}, {"dayofmonth", PART_DAY},
	{"hour", PART_HOUR}, {"h", PART_HOUR}, {"hh", PART_HOUR},
	{"hr", PART_HOUR}, {"hours", PART_HOUR}, {"hrs", PART_HOUR},
	{"minute", PART_MINUTE}, {"m", PART_MINUTE}, {"mi", PART_MINUTE},
	{"min", PART_MINUTE}, {"minutes", PART_MINUTE}, {"mins", PART_MINUTE},
	{"second", PART_SECOND}, {"s", PART_SECOND}, {"sec", PART_SECOND},
	{"seconds", PART_SECOND}, {"secs", PART_SECOND},
	{"millisecond", PART_MILLISECOND}, {"ms", PART_MILLISECOND},
	{"msec", PART_MILLISECOND}, {"milliseconds", PART_MILLISECOND},
	{"microsecond", PART_MICROSECOND}, {"us", PART_MICROSECOND},
	{"usec", PART_MICROSECOND}, {"microseconds", PART_MICROSECOND},
};

static DatePart
part_of(text *unit)
{
	char	   *name = text_to_cstring(unit);

	for (int i = 0; i < (int) lengthof(part_names); i++)
		if (pg_strcasecmp(name, part_names[i].name) == 0)
			return part_names[i].part;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unit \"%s\" is not known", FinopsQuoteForMessage(name)),
			 errhint("Units are year, quarter, month, week, day, hour, minute, second, millisecond and microsecond.")));
}

static void
part_out_of_range(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
			 errmsg("%s out of range", what)));
}

/* ---------------------------------------------------------------------
 * DATEADD, ADD_MONTHS, LAST_DAY
 * ---------------------------------------------------------------------
 */
static Interval *
part_interval(DatePart part, int32 n)
{
	static const int32 months[] = {[PART_YEAR] = 12,[PART_QUARTER] = 3,[PART_MONTH] = 1};
	Interval   *span = palloc0(sizeof(Interval));

	switch (part)
	{
		case PART_YEAR:
		case PART_QUARTER:
		case PART_MONTH:
			if (pg_mul_s32_overflow(n, months[part], &span->month))
				part_out_of_range("interval");
			break;
		case PART_WEEK:
			if (pg_mul_s32_overflow(n, 7, &span->day))
				part_out_of_range("interval");
			break;
		case PART_DAY:
			span->day = n;
			break;
		case PART_HOUR:
			span->time = n * USECS_PER_HOUR;
			break;
		case PART_MINUTE:
			span->time = n * USECS_PER_MINUTE;
			break;
		case PART_SECOND:
			span->time = n * USECS_PER_SEC;
			break;
		case PART_MILLISECOND:
			span->time = n * INT64CONST(1000);
			break;
		case PART_MICROSECOND:
			span->time = n;
			break;
	}
	return span;
}

/* A day later than the month has becomes the month's last. */
static DateADT
add_interval_to_date(DateADT date, Interval *span)
{
	Datum		sum = DirectFunctionCall2(date_pl_interval,
										  DateADTGetDatum(date),
										  IntervalPGetDatum(span));

	return DatumGetDateADT(DirectFunctionCall1(timestamp_date, sum));
}

/*
 * dateadd(unit text, n int, d date) returns date.  22023 for an unknown unit
 * and for units shorter than a day, 22008 beyond the range of dates.
 */
Datum
finops_dateadd_date(PG_FUNCTION_ARGS)
{
	DatePart	part = part_of(PG_GETARG_TEXT_PP(0));

	if (part >= PART_HOUR)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unit \"%s\" is shorter than a day",
						text_to_cstring(PG_GETARG_TEXT_PP(0))),
				 errdetail("Adding to a date gives a date."),
				 errhint("Cast the date: dateadd('%s', %d, value::timestamp).",
						 text_to_cstring(PG_GETARG_TEXT_PP(0)),
						 PG_GETARG_INT32(1))));
	if (DATE_NOT_FINITE(PG_GETARG_DATEADT(2)))
		PG_RETURN_DATEADT(PG_GETARG_DATEADT(2));
	PG_RETURN_DATEADT(add_interval_to_date(PG_GETARG_DATEADT(2),
										   part_interval(part, PG_GETARG_INT32(1))));
}

/* dateadd(unit text, n int, t timestamp) returns timestamp. */
Datum
finops_dateadd_timestamp(PG_FUNCTION_ARGS)
{
	Interval   *span = part_interval(part_of(PG_GETARG_TEXT_PP(0)),
									 PG_GETARG_INT32(1));

	return DirectFunctionCall2(timestamp_pl_interval, PG_GETARG_DATUM(2),
							   IntervalPGetDatum(span));
}

/*
 * dateadd(unit text, n int, t timestamptz) returns timestamptz: days and
 * longer units are days of the session's time zone.
 */
Datum
finops_dateadd_timestamptz(PG_FUNCTION_ARGS)
{
	Interval   *span = part_interval(part_of(PG_GETARG_TEXT_PP(0)),
									 PG_GETARG_INT32(1));

	return DirectFunctionCall2(timestamptz_pl_interval, PG_GETARG_DATUM(2),
							   IntervalPGetDatum(span));
}

static DateADT
end_of_month(DateADT date)
{
	struct pg_tm tm;
	int			next;

	date_parts(date, &tm);
	next = tm.tm_mon == 12 ? date2j(tm.tm_year + 1, 1, 1) :
		date2j(tm.tm_year, tm.tm_mon + 1, 1);
	return next - 1 - POSTGRES_EPOCH_JDATE;
}

/* last_day(date) returns date: the last day of its month. */
Datum
finops_last_day(PG_FUNCTION_ARGS)
{
	DateADT		date = PG_GETARG_DATEADT(0);
	DateADT		last;

	if (DATE_NOT_FINITE(date))
		PG_RETURN_DATEADT(date);
	last = end_of_month(date);
	if (!IS_VALID_DATE(last))
		part_out_of_range("date");
	PG_RETURN_DATEADT(last);
}

/*
 * add_months(date, int) returns date: the last day of a month stays the last
 * day of the other month.
 */
Datum
finops_add_months(PG_FUNCTION_ARGS)
{
	DateADT		date = PG_GETARG_DATEADT(0);
	DateADT		sum;

	if (DATE_NOT_FINITE(date))
		PG_RETURN_DATEADT(date);
	sum = add_interval_to_date(date, part_interval(PART_MONTH,
												   PG_GETARG_INT32(1)));
	if (date == end_of_month(date))
		sum = end_of_month(sum);
	if (!IS_VALID_DATE(sum))
		part_out_of_range("date");
	PG_RETURN_DATEADT(sum);
}

/* ---------------------------------------------------------------------
 * DATEDIFF: the number of unit boundaries between two times, so that from
 * 23:59 to 00:00 is one day, and weeks begin on Monday
 * ---------------------------------------------------------------------
 */
static int64
floor_div(int64 a, int64 b)
{
	return a / b - (a % b < 0 ? 1 : 0);
}

/* Index of the unit that holds this time, counted from a fixed origin. */
static int64
part_index(DatePart part, const struct pg_tm *tm, fsec_t fsec)
{
	int64		julian = date2j(tm->tm_year, tm->tm_mon, tm->tm_mday);
	int64		seconds = (((julian - POSTGRES_EPOCH_JDATE) * 24 + tm->tm_hour) * 60 +
						   tm->tm_min) * 60 + tm->tm_sec;
	int64		result = 0;

	switch (part)
	{
		case PART_YEAR:
			return tm->tm_year;
		case PART_QUARTER:
			return tm->tm_year * INT64CONST(4) + (tm->tm_mon - 1) / 3;
		case PART_MONTH:
			return tm->tm_year * INT64CONST(12) + tm->tm_mon - 1;
		case PART_WEEK:
			return floor_div(julian, 7);	/* Julian day 0 is a Monday */
		case PART_DAY:
			return julian;
		case PART_HOUR:
			return floor_div(seconds, SECS_PER_HOUR);
		case PART_MINUTE:
			return floor_div(seconds, SECS_PER_MINUTE);
		case PART_SECOND:
			return seconds;
		case PART_MILLISECOND:
			return seconds * 1000 + fsec / 1000;
		case PART_MICROSECOND:
			if (pg_mul_s64_overflow(seconds, USECS_PER_SEC, &result) ||
				pg_add_s64_overflow(result, fsec, &result))
				part_out_of_range("difference");
			return result;
	}
	return result;
}

static int64
part_difference(DatePart part, const struct pg_tm *from, fsec_t from_fsec,
				const struct pg_tm *to, fsec_t to_fsec)
{
	int64		result;

	if (pg_sub_s64_overflow(part_index(part, to, to_fsec),
							part_index(part, from, from_fsec), &result))
		part_out_of_range("difference");
	return result;
}

static void
refuse_infinite(bool infinite)
{
	if (infinite)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("difference of infinite times is not defined")));
}

/* datediff(unit text, a date, b date) returns bigint: b - a. */
Datum
finops_datediff_date(PG_FUNCTION_ARGS)
{
	DatePart	part = part_of(PG_GETARG_TEXT_PP(0));
	DateADT		a = PG_GETARG_DATEADT(1);
	DateADT		b = PG_GETARG_DATEADT(2);
	struct pg_tm from,
				to;

	refuse_infinite(DATE_NOT_FINITE(a) || DATE_NOT_FINITE(b));
	date_parts(a, &from);
	date_parts(b, &to);
	PG_RETURN_INT64(part_difference(part, &from, 0, &to, 0));
}

/* datediff(unit text, a timestamp, b timestamp) returns bigint */
Datum
finops_datediff_timestamp(PG_FUNCTION_ARGS)
{
	DatePart	part = part_of(PG_GETARG_TEXT_PP(0));
	Timestamp	a = PG_GETARG_TIMESTAMP(1);
	Timestamp	b = PG_GETARG_TIMESTAMP(2);
	struct pg_tm from,
				to;
	fsec_t		from_fsec,
				to_fsec;

	refuse_infinite(TIMESTAMP_NOT_FINITE(a) || TIMESTAMP_NOT_FINITE(b));
	timestamp_parts(a, &from, &from_fsec);
	timestamp_parts(b, &to, &to_fsec);
	PG_RETURN_INT64(part_difference(part, &from, from_fsec, &to, to_fsec));
}

/*
 * datediff(unit text, a timestamptz, b timestamptz) returns bigint: boundaries
 * of the session's time zone.  Units shorter than a day count elapsed time, so
 * both times are read with the zone offset of b.
 */
Datum
finops_datediff_timestamptz(PG_FUNCTION_ARGS)
{
	DatePart	part = part_of(PG_GETARG_TEXT_PP(0));
	TimestampTz a = PG_GETARG_TIMESTAMPTZ(1);
	TimestampTz b = PG_GETARG_TIMESTAMPTZ(2);
	struct pg_tm from,
				to;
	fsec_t		from_fsec,
				to_fsec;
	int			zone;

	refuse_infinite(TIMESTAMP_NOT_FINITE(a) || TIMESTAMP_NOT_FINITE(b));
	(void) timestamptz_parts(a, &from, &from_fsec);
	zone = timestamptz_parts(b, &to, &to_fsec);
	if (part >= PART_HOUR)
		timestamp_parts(a - zone * USECS_PER_SEC, &from, &from_fsec);
	PG_RETURN_INT64(part_difference(part, &from, from_fsec, &to, to_fsec));
}

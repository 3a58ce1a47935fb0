/*-------------------------------------------------------------------------
 *
 * date_format.c
 *	  DATE_FORMAT as MySQL defines it and Trino, Athena and Hive follow.
 *
 * Codes and their results are those of the MySQL 8.0 Reference Manual,
 * "Date and Time Functions", DATE_FORMAT and WEEK; names are English.  A
 * percent sign before any other character gives that character, one at the
 * end gives itself.
 *
 *-------------------------------------------------------------------------
 */
#include "compat/compat.h"

#include <stdio.h>

static const char *const month_names[] = {
	"January", "February", "March", "April", "May", "June", "July",
	"August", "September", "October", "November", "December"
};

static const char *const day_names[] = {
	"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday",
	"Saturday"
};

static bool
is_leap(int year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Weeks begin on Sunday, week 1 with the first Sunday; 0 before it. */
static int
sunday_week(int yearday, int weekday)
{
	return (yearday - 1 + 7 - weekday) / 7;
}

/* The same, days before week 1 in the last week of the year before. */
static int
sunday_week_of_year(const DateFormatFields *f, int *year)
{
	int			week = sunday_week(f->yearday, f->weekday);

	*year = f->year;
	if (week > 0)
		return week;
	*year = f->year - 1;
	return sunday_week(f->yearday + (is_leap(*year) ? 366 : 365), f->weekday);
}

/*
 * Weeks begin on Monday, week 1 has four or more days in the year: 0 for
 * days before it, 53 for days at the end that lie in week 1 of the next year.
 */
static int
monday_week(int yearday, int weekday)
{
	int			monday_based = (weekday + 6) % 7;

	return (yearday - 1 - monday_based + 10) / 7;
}

/* The same with the days at both ends in the year their week belongs to. */
static int
monday_week_of_year(const DateFormatFields *f, int *year)
{
	int			week = monday_week(f->yearday, f->weekday);
	int			days = is_leap(f->year) ? 366 : 365;
	int			monday_based = (f->weekday + 6) % 7;

	*year = f->year;
	if (week == 0)
	{
		*year = f->year - 1;
		return monday_week(f->yearday + (is_leap(*year) ? 366 : 365),
						   f->weekday);
	}
	/* from Thursday on the week is this year's */
	if (days - f->yearday < 3 - monday_based)
	{
		*year = f->year + 1;
		return 1;
	}
	return week;
}

static const char *
ordinal_suffix(int day)
{
	if (day / 10 == 1)
		return "th";
	switch (day % 10)
	{
		case 1:
			return "st";
		case 2:
			return "nd";
		case 3:
			return "rd";
		default:
			return "th";
	}
}

/* The text of a week code; false for codes of other kinds. */
static bool
format_week(const DateFormatFields *f, char code, char *out, size_t size)
{
	int			year;
	int			week;

	switch (code)
	{
		case 'U':
			snprintf(out, size, "%02d", sunday_week(f->yearday, f->weekday));
			return true;
		case 'u':
			snprintf(out, size, "%02d", monday_week(f->yearday, f->weekday));
			return true;
		case 'V':
		case 'X':
			week = sunday_week_of_year(f, &year);
			break;
		case 'v':
		case 'x':
			week = monday_week_of_year(f, &year);
			break;
		default:
			return false;
	}
	if (code == 'V' || code == 'v')
		snprintf(out, size, "%02d", week);
	else
		snprintf(out, size, "%04d", year);
	return true;
}

/* The text of a clock code; false for codes of other kinds. */
static bool
format_clock(const DateFormatFields *f, char code, char *out, size_t size)
{
	int			hour12 = (f->hour + 11) % 12 + 1;
	const char *half = f->hour < 12 ? "AM" : "PM";

	switch (code)
	{
		case 'f':
			snprintf(out, size, "%06d", f->microsecond);
			return true;
		case 'H':
			snprintf(out, size, "%02d", f->hour);
			return true;
		case 'h':
		case 'I':
			snprintf(out, size, "%02d", hour12);
			return true;
		case 'i':
			snprintf(out, size, "%02d", f->minute);
			return true;
		case 'k':
			snprintf(out, size, "%d", f->hour);
			return true;
		case 'l':
			snprintf(out, size, "%d", hour12);
			return true;
		case 'p':
			snprintf(out, size, "%s", half);
			return true;
		case 'r':
			snprintf(out, size, "%02d:%02d:%02d %s", hour12, f->minute,
					 f->second, half);
			return true;
		case 'S':
		case 's':
			snprintf(out, size, "%02d", f->second);
			return true;
		case 'T':
			snprintf(out, size, "%02d:%02d:%02d", f->hour, f->minute,
					 f->second);
			return true;
		default:
			return false;
	}
}

/* The text of a calendar code; false for codes of other kinds. */
static bool
format_calendar(const DateFormatFields *f, char code, char *out, size_t size)
{
	switch (code)
	{
		case 'a':
			snprintf(out, size, "%.3s", day_names[f->weekday]);
			return true;
		case 'b':
			snprintf(out, size, "%.3s", month_names[f->month - 1]);
			return true;
		case 'c':
			snprintf(out, size, "%d", f->month);
			return true;
		case 'D':
			snprintf(out, size, "%d%s", f->day, ordinal_suffix(f->day));
			return true;
		case 'd':
			snprintf(out, size, "%02d", f->day);
			return true;
		case 'e':
			snprintf(out, size, "%d", f->day);
			return true;
		case 'j':
			snprintf(out, size, "%03d", f->yearday);
			return true;
		case 'M':
			snprintf(out, size, "%s", month_names[f->month - 1]);
			return true;
		case 'm':
			snprintf(out, size, "%02d", f->month);
			return true;
		case 'W':
			snprintf(out, size, "%s", day_names[f->weekday]);
			return true;
		case 'w':
			snprintf(out, size, "%d", f->weekday);
			return true;
		case 'Y':
			snprintf(out, size, "%04d", f->year);
			return true;
		case 'y':
			snprintf(out, size, "%02d", (f->year % 100 + 100) % 100);
			return true;
		default:
			return false;
	}
}

/* Writes format with its codes replaced through emit. */
void
DateFormat(const DateFormatFields *fields, const char *format, size_t len,
		   CompatEmit emit, void *sink)
{
	size_t		plain = 0;		/* start of the text not yet written */
	size_t		i = 0;

	while (i + 1 < len)
	{
		char		out[32];

		if (format[i] != '%')
		{
			i++;
			continue;
		}
		emit(sink, format + plain, i - plain);
		if (format_calendar(fields, format[i + 1], out, sizeof(out)) ||
			format_clock(fields, format[i + 1], out, sizeof(out)) ||
			format_week(fields, format[i + 1], out, sizeof(out)))
		{
			emit(sink, out, strlen(out));
			plain = i + 2;
		}
		else
			plain = i + 1;		/* the character itself, %% gives % */
		i += 2;
	}
	emit(sink, format + plain, len - plain);
}

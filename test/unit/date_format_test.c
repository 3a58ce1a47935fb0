/* links: src/compat/date_format.c */
/*
 * DATE_FORMAT: the examples of the MySQL 8.0 Reference Manual (marked M), and
 * weeks compared with the C library's strftime over 400 years.
 */
#include "compat/compat.h"

#include <stdio.h>
#include <time.h>

static int	tests;
static int	failures;

typedef struct Buffer
{
	char		data[256];
	size_t		len;
} Buffer;

static void
append(void *sink, const char *data, size_t len)
{
	Buffer	   *buffer = sink;

	memcpy(buffer->data + buffer->len, data, len);
	buffer->len += len;
	buffer->data[buffer->len] = '\0';
}

static void
result(bool ok, const char *what)
{
	printf("%sok %d - %s\n", ok ? "" : "not ", ++tests, what);
	if (!ok)
		failures++;
}

static int
days_before(int year, int month, int day)
{
	static const int cumulated[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
	bool		leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return cumulated[month - 1] + day - 1 + (leap && month > 2 ? 1 : 0);
}

static int
month_days(int year, int month)
{
	if (month == 12)
		return 31;
	return days_before(year, month + 1, 1) - days_before(year, month, 1);
}

/* Zeller's congruence, Sunday = 0. */
static int
weekday(int year, int month, int day)
{
	int			m = month < 3 ? month + 12 : month;
	int			y = month < 3 ? year - 1 : year;

	return ((day + 13 * (m + 1) / 5 + y + y / 4 - y / 100 + y / 400) % 7 + 6) % 7;
}

static void
formats(int year, int month, int day, int hour, int minute, int second,
		const char *format, const char *expected)
{
	DateFormatFields f = {year, month, day, hour, minute, second, 4250,
		weekday(year, month, day), days_before(year, month, day) + 1};
	Buffer		out = {{0}, 0};

	DateFormat(&f, format, strlen(format), append, &out);
	result(strcmp(out.data, expected) == 0, format);
	if (strcmp(out.data, expected) != 0)
		printf("# got %s, expected %s\n", out.data, expected);
}

/* %U %v %x against strftime's %U %V %G. */
static void
weeks(void)
{
	int			wrong = 0;

	for (int year = 1900; year < 2300; year++)
		for (int month = 1; month <= 12; month++)
			for (int day = 1; day <= month_days(year, month); day++)
			{
				DateFormatFields f = {year, month, day, 0, 0, 0, 0,
				weekday(year, month, day), days_before(year, month, day) + 1};
				struct tm	tm = {.tm_year = year - 1900,.tm_mon = month - 1,.tm_mday = day,
				.tm_wday = f.weekday,.tm_yday = f.yearday - 1};
				Buffer		out = {{0}, 0};
				char		expected[64];

				strftime(expected, sizeof(expected), "%U %V %G %j %a %B", &tm);
				DateFormat(&f, "%U %v %x %j %a %M", 17, append, &out);
				if (strcmp(out.data, expected) != 0)
					wrong++;
			}
	result(wrong == 0, "weeks of 1900 to 2299 as strftime has them");
}

int
main(void)
{
	formats(2009, 10, 4, 22, 23, 0, "%W %M %Y", "Sunday October 2009");	/* M */
	formats(2007, 10, 4, 22, 23, 0, "%H:%i:%s", "22:23:00");	/* M */
	formats(1900, 10, 4, 22, 23, 0, "%D %y %a %d %m %b %j", "4th 00 Thu 04 10 Oct 277");	/* M */
	formats(1997, 10, 4, 22, 23, 0, "%H %k %I %r %T %S %w", "22 22 10 10:23:00 PM 22:23:00 00 6");	/* M */
	formats(1999, 1, 1, 0, 0, 0, "%X %V", "1998 52");	/* M */
	formats(2008, 2, 20, 0, 0, 0, "%U %u", "07 08");	/* M, WEEK modes 0 and 1 */
	formats(2008, 12, 31, 0, 0, 0, "%u %v %x", "53 01 2009");	/* M, WEEK mode 1 */
	formats(2000, 1, 1, 0, 0, 0, "%U %u %V %v", "00 00 52 52");	/* M, WEEK mode 0, 2 */
	formats(2024, 2, 29, 0, 5, 9, "%Y-%m %c %e %l %h %p %f", "2024-02 2 29 12 12 AM 004250");
	formats(2024, 2, 11, 12, 0, 0, "%D %l %p %r", "11th 12 PM 12:00:00 PM");
	formats(2024, 2, 1, 1, 0, 0, "%D", "1st");
	formats(2024, 2, 22, 1, 0, 0, "%D", "22nd");
	formats(2024, 2, 23, 1, 0, 0, "%D", "23rd");
	formats(2024, 2, 13, 1, 0, 0, "%D", "13th");
	formats(2024, 2, 1, 1, 0, 0, "", "");
	formats(2024, 2, 1, 1, 0, 0, "%%Y %Q %", "%Y Q %");
	formats(2024, 2, 1, 1, 0, 0, "100%%", "100%");
	formats(33, 2, 1, 1, 0, 0, "%Y %y", "0033 33");
	weeks();
	printf("1..%d\n", tests);
	return failures == 0 ? 0 : 1;
}

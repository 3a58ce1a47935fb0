/* links: src/ops/schedule.c */
/*-------------------------------------------------------------------------
 *
 * schedule_test.c
 *	  Cron schedules and guards, against a calendar of 2024 by hand: the 1st of
 *	  January is a Monday, the 29th of February a Thursday.
 *
 *-------------------------------------------------------------------------
 */
#include "ops/schedule.h"
#include "tap.h"

static bool
runs(const char *text, int month, int day)
{
	CronSchedule schedule;
	size_t		at;

	return CronParse(text, &schedule, &at) && CronRunsOn(&schedule, (CivilDay) {2024, month, day});
}

static bool
refused(const char *text)
{
	CronSchedule schedule;
	size_t		at;

	return !CronParse(text, &schedule, &at) && at <= strlen(text);
}

/* The last minute up to latest. */
static int
last(const char *text, const char *guard_text, int latest)
{
	CronSchedule schedule;
	Guard		guard = {0};
	size_t		at;

	if (!CronParse(text, &schedule, &at) || (guard_text != NULL && !GuardParse(guard_text, &guard, &at)))
		return -2;
	return CronLastMinute(&schedule, &guard, latest);
}

/* The days of a month on which a guard holds, as text. */
static const char *
days(const char *text, int year, int month)
{
	static char buffer[128];
	Guard		guard;
	size_t		at,
				length = 0;

	buffer[0] = '\0';
	if (!GuardParse(text, &guard, &at))
		return "refused";
	for (int day = 1; day <= CivilMonthDays(year, month); day++)
		if (GuardRunsOn(&guard, (CivilDay) {year, month, day}))
			length += (size_t) snprintf(buffer + length, sizeof(buffer) - length, "%s%d", length > 0 ? " " : "", day);
	return buffer;
}

static bool
holds_at(const char *text, int hour, int minute)
{
	Guard		guard;
	size_t		at;

	return GuardParse(text, &guard, &at) && GuardHourHolds(&guard.term[0], hour * 60 + minute);
}

static const char *
shifted(const char *text, int a, int b)
{
	static char buffer[CRON_TEXT];
	CronSchedule schedule;
	size_t		at;
	int			minutes[] = {a, b};

	if (!CronParse(text, &schedule, &at))
		return "refused";
	CronShift(&schedule, text, minutes, 2, buffer);
	return buffer;
}

static void
test_calendar(void)
{
	CivilDay	day = {2024, 3, 1};
	int			weekday = 5;	/* a Friday */
	bool		good = true;

	ok(CivilMonthDays(2024, 2) == 29 && CivilMonthDays(1900, 2) == 28 && CivilMonthDays(2000, 2) == 29, "leap years");
	for (int i = 0; i < 200000; i++)
	{
		good &= CivilWeekday(day) == weekday;
		day = CivilYesterday(day);
		weekday = (weekday + 6) % 7;
	}
	ok(good, "weekdays follow each other for five centuries");
	/* the proleptic Gregorian day of Julian day 2460371 - 200000 */
	ok(day.year == 1476 && day.month == 8 && day.day == 1, "and so do days");
}

static void
test_cron(void)
{
	ok(runs("0 3 * * *", 2, 29), "every day");
	ok(runs("0 9 * * 1", 1, 1) && !runs("0 9 * * 1", 1, 2), "Mondays");
	ok(runs("0 9 * * mon", 1, 8) && runs("0 9 * * Monday", 1, 8) && !runs("0 9 * * tue", 1, 8), "weekdays by name");
	ok(runs("0 9 * * 7", 1, 7) && runs("0 9 * * 0", 1, 7), "Sunday is 0 and 7");
	ok(runs("0 9 * * 5-7", 1, 7) && runs("0 9 * * 5-7", 1, 5) && !runs("0 9 * * 5-7", 1, 4), "a range to Sunday");
	ok(runs("0 14 15 * *", 5, 15) && !runs("0 14 15 * *", 5, 16), "the 15th");
	ok(runs("0 0 1 1,jul *", 7, 1) && !runs("0 0 1 1,jul *", 2, 1), "months by number and name");
	ok(runs("0 0 1 * mon", 1, 8) && runs("0 0 1 * mon", 2, 1) && !runs("0 0 1 * mon", 2, 2), "two restricted days: either");
	ok(runs("0 0 */2 * mon", 1, 15) && !runs("0 0 */2 * mon", 1, 8), "a star with a step restricts nothing: both");
	ok(!runs("0 0 31 2 *", 2, 29), "a day that does not exist");
	ok(runs("@daily", 3, 3) && runs("@weekly", 1, 7) && !runs("@weekly", 1, 8) && runs("@monthly", 3, 1) && runs("@yearly", 1, 1) && !runs("@annually", 2, 1),
	   "shorthands");
	ok(!runs("@reboot", 1, 1), "the start of the scheduler is no day");
	ok(last("*/15 2-4 * * *", NULL, 1439) == 4 * 60 + 45 && last("*/15 2-4 * * *", NULL, 4 * 60 + 44) == 4 * 60 + 30, "quarters of hours");
	ok(last("*/15 2-4 * * *", NULL, 119) == -1, "none so early");
	ok(last("0,30 * * * *", "hours 02-08", 1439) == 7 * 60 + 30, "within the hours of the guard");
	ok(last("5-10/2 0 * * *", NULL, 1439) == 9, "a step in a range");
	ok(refused("") && refused("* * * *") && refused("* * * * * *") && refused("60 * * * *") && refused("* 24 * * *") &&
	   refused("* * 0 * *") && refused("* * * 13 *") && refused("* * * * 8") && refused("*/0 * * * *") && refused("5-1 * * * *") &&
	   refused("a * * * *") && refused("1, * * * *") && refused("-1 * * * *") && refused("1/2 * * * *") && refused("* * * * mo") &&
	   refused("@sometimes") && refused("5 seconds") && refused("99999999999 * * * *") && refused("* * * * monday,x"), "nonsense");
}

static void
test_guard(void)
{
	ok(strcmp(days("first monday", 2024, 1), "1") == 0 && strcmp(days("First Mon", 2024, 2), "5") == 0, "first Monday");
	ok(strcmp(days("last friday", 2024, 1), "26") == 0 && strcmp(days("last fri", 2024, 5), "31") == 0, "last Friday");
	ok(strcmp(days("third tuesday", 2024, 2), "20") == 0 && strcmp(days("fifth thursday", 2024, 2), "29") == 0, "nth weekday");
	ok(strcmp(days("fifth friday", 2024, 2), "") == 0, "there is no fifth");
	ok(strcmp(days("last day", 2024, 2), "29") == 0 && strcmp(days("last day", 2023, 2), "28") == 0, "last day");
	ok(strcmp(days("day 31", 2024, 4), "") == 0 && strcmp(days("day 15", 2024, 4), "15") == 0, "a day");
	ok(strcmp(days("business day 1", 2024, 6), "3") == 0 && strcmp(days("business day 5", 2024, 6), "7") == 0, "business days");
	ok(strcmp(days("last business day", 2024, 6), "28") == 0, "last business day");
	ok(strcmp(days("last friday and last day", 2024, 5), "31") == 0 && strcmp(days("last friday and last day", 2024, 6), "") == 0, "both");
	ok(strcmp(days("active sessions < 5 and hours 02-08 and once a week", 2023, 2), "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28") == 0,
	   "terms that are not of the calendar hold on all days");
	ok(holds_at("hours 02-08,14-16", 2, 0) && holds_at("hours 02-08,14-16", 7, 59) && !holds_at("hours 02-08,14-16", 8, 0) &&
	   holds_at("hours 02-08, 14:30-16", 14, 30) && !holds_at("hours 02-08, 14:30-16", 14, 29), "hours are half-open");
	ok(holds_at("hours 22-04", 23, 0) && holds_at("hours 22-04", 3, 59) && !holds_at("hours 22-04", 4, 0) && !holds_at("hours 22-04", 21, 59), "hours past midnight");
	ok(holds_at("hours 20-24", 23, 59), "up to midnight");
	ok(strcmp(days("", 2024, 1), "refused") == 0 && strcmp(days("sixth monday", 2024, 1), "refused") == 0 && strcmp(days("first moonday", 2024, 1), "refused") == 0 &&
	   strcmp(days("first monday or day 3", 2024, 1), "refused") == 0 && strcmp(days("day 0", 2024, 1), "refused") == 0 && strcmp(days("day 32", 2024, 1), "refused") == 0 &&
	   strcmp(days("hours 08", 2024, 1), "refused") == 0 && strcmp(days("hours 25-26", 2024, 1), "refused") == 0 && strcmp(days("hours 8-8", 2024, 1), "refused") == 0 &&
	   strcmp(days("hours 24:30-3", 2024, 1), "refused") == 0 && strcmp(days("active sessions > 5", 2024, 1), "refused") == 0 && strcmp(days("once a year", 2024, 1), "refused") == 0 &&
	   strcmp(days("first monday and", 2024, 1), "refused") == 0 && strcmp(days("last day day", 2024, 1), "refused") == 0 && strcmp(days("business day 24", 2024, 1), "refused") == 0 &&
	   strcmp(days("day 1 and day 1 and day 1 and day 1 and day 1 and day 1 and day 1 and day 1 and day 1", 2024, 1), "refused") == 0, "nonsense");
}

static void
test_shift(void)
{
	/* Berlin: one or two hours behind GMT */
	ok(strcmp(shifted("0 8 * * 1", -60, -120), "0 6,7 * * 1") == 0, "both hours, the days as they were");
	ok(strcmp(shifted("30 1 15 * *", -60, -120), "30 0,23 * * *") == 0, "past midnight every day fires");
	ok(strcmp(shifted("0 9 * * 1-5", -330, -330), "30 3 * * 1-5") == 0, "half an hour");
	ok(strcmp(shifted("*/5 * * * *", -60, -120), "0,5,10,15,20,25,30,35,40,45,50,55 * * * *") == 0, "all day long");
	ok(strcmp(shifted("@daily", 300, 240), "0 4,5 * * *") == 0, "a shorthand has no fields to keep");
	ok(strcmp(shifted("* * * * *", 0, 0), "* * * * *") == 0, "always");
}

int
main(void)
{
	test_calendar();
	test_cron();
	test_guard();
	test_shift();
	printf("1..%d\n", number);
	return failed != 0;
}

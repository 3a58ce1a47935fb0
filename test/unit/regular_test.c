/* links: src/forecast/regular.c */
/*-------------------------------------------------------------------------
 *
 * regular_test.c
 *	  Regular series from rows: buckets of the calendar, gaps, partial ends,
 *	  and the same bits in any order.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/regular.h"
#include "tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static RegularBucket
bucket(const char *text)
{
	RegularBucket b = {0, 0, 0};

	if (!RegularParseBucket(text, &b))
		b.days = -1;
	return b;
}

static bool
same(const char *text, int32 months, int32 days, int64 micros)
{
	RegularBucket b = bucket(text),
				expected = {months, days, micros};

	return RegularSameBucket(&b, &expected);
}

/* Days from 2000-01-01, worked out with the calendar: */
#define DAY_1970	(-10957)
#define DAY_2024_02_29	8825
#define DAY_2100_03_01	36584	/* 2100 is no leap year */

static void
calendar(void)
{
	RegularBucket month = bucket("month"),
				week = bucket("week"),
				year = bucket("year"),
				quarter = bucket("quarter");
	int64		at;

	ok(RegularStart(&month, -360) == DAY_1970 * REGULAR_DAY, "1970-01-01");
	ok(RegularNumber(&month, DAY_2024_02_29 * REGULAR_DAY + 5) == 289, "the leap day is in February 2024");
	ok(RegularStart(&month, 290) == (DAY_2024_02_29 + 1) * REGULAR_DAY, "March 2024 begins after it");
	ok(RegularStart(&month, 1202) == DAY_2100_03_01 * REGULAR_DAY, "March 2100 begins 28 days after February");
	ok(RegularNumber(&month, DAY_1970 * REGULAR_DAY - 1) == -361, "the microsecond before 1970 is in December");
	ok(RegularNumber(&year, DAY_1970 * REGULAR_DAY) == -30, "years");
	ok(RegularNumber(&quarter, DAY_2024_02_29 * REGULAR_DAY) == 96, "quarters");
	/* 2024-02-29 was a Thursday, its week began on Monday the 26th */
	at = RegularNumber(&week, DAY_2024_02_29 * REGULAR_DAY);
	ok(RegularStart(&week, at) == (DAY_2024_02_29 - 3) * REGULAR_DAY, "weeks begin on Mondays");
	at = RegularNumber(&week, (DAY_2024_02_29 - 4) * REGULAR_DAY);
	ok(RegularStart(&week, at) == (DAY_2024_02_29 - 10) * REGULAR_DAY, "and a Sunday ends one");
	for (int64 m = -30000; m < 30000; m += 7)
		if (RegularNumber(&month, RegularStart(&month, m)) != m ||
			RegularNumber(&month, RegularStart(&month, m) - 1) != m - 1)
		{
			ok(false, "months of five thousand years begin where they end");
			return;
		}
	ok(true, "months of five thousand years begin where they end");
}

static void
names(void)
{
	ok(same("day", 0, 1, 0) && same("2 weeks", 0, 14, 0) && same(" 1 Month ", 1, 0, 0) &&
	   same("15 minutes", 0, 0, 900000000) && same("quarterly", 3, 0, 0) && same("3 mons", 3, 0, 0) &&
	   same("1 year", 12, 0, 0) && same("hours", 0, 0, REGULAR_MICROS(3600000000)), "names of buckets");
	ok(same("", 0, -1, 0) && same("0 days", 0, -1, 0) && same("-1 day", 0, -1, 0) && same("day day", 0, -1, 0) &&
	   same("1.5 hours", 0, -1, 0) && same("99999 days", 0, -1, 0) && same("fortnight", 0, -1, 0), "what is none");
	ok(RegularSeason(&(RegularBucket) {0, 0, REGULAR_MICROS(3600000000)}) == 24 &&
	   RegularSeason(&(RegularBucket) {0, 1, 0}) == 7 && RegularSeason(&(RegularBucket) {0, 7, 0}) == 52 &&
	   RegularSeason(&(RegularBucket) {1, 0, 0}) == 12 && RegularSeason(&(RegularBucket) {3, 0, 0}) == 4 &&
	   RegularSeason(&(RegularBucket) {12, 0, 0}) == 1 && RegularSeason(&(RegularBucket) {0, 3, 0}) == 1,
	   "seasons of the calendars");
}

static int
build(const int64 *at, const double *value, int n, const char *name, RegularSeries *s)
{
	RegularEntry *e = malloc((n + 1) * sizeof(RegularEntry));
	RegularBucket none = {0, 0, 0};
	int			status;

	for (int i = 0; i < n; i++)
		e[i] = (RegularEntry) {at[i], value[i], 0, 1};
	n = RegularCompact(e, n);
	status = RegularBuild(e, n, name == NULL ? none : bucket(name), NULL, NULL, s);
	free(e);
	return status;
}

static void
drop(RegularSeries *s)
{
	free(s->values);
	free(s->gap_at);
}

static void
series(void)
{
	RegularSeries s;
	int64		at[1000];
	double		value[1000];
	int			n = 0;

	/* days 0, 0, 1, 4 */
	at[0] = 0, at[1] = REGULAR_DAY / 2, at[2] = REGULAR_DAY, at[3] = 4 * REGULAR_DAY;
	value[0] = 1, value[1] = 2, value[2] = 4, value[3] = 8;
	ok(build(at, value, 4, "day", &s) == REGULAR_OK && s.n == 5 && s.values[0] == 3 && s.values[1] == 4 &&
	   s.values[2] == 0 && s.values[3] == 0 && s.values[4] == 8 && s.gaps == 2 && s.gap_at[0] == 3 &&
	   s.gap_at[1] == 4 && s.duplicates == 0, "gaps are 0 and are named");
	drop(&s);
	at[1] = 0;
	ok(build(at, value, 4, "day", &s) == REGULAR_OK && s.duplicates == 1 && s.values[0] == 3, "a time twice is summed and counted");
	drop(&s);

	/* hours of three days, the last one to 13:00 */
	for (n = 0; n < 62; n++)
	{
		at[n] = n * (REGULAR_DAY / 24);
		value[n] = 1;
	}
	ok(build(at, value, n, "day", &s) == REGULAR_OK && s.n == 2 && s.partial && s.partial_value == 14 && !s.first_partial,
	   "a last day that ended early is left out");
	drop(&s);
	ok(build(at + 20, value, 52 - 10 - 14 + 20 - 6, "day", &s) == REGULAR_OK && s.first_partial && s.first_value == 4 && s.start == REGULAR_DAY,
	   "so is a first day that began late");
	drop(&s);
	ok(build(at, value, n, NULL, &s) == REGULAR_OK && s.n == 62 && s.season == 24 && !s.partial, "hours are recognised");
	drop(&s);
	ok(build(at, value, 1, "month", &s) == REGULAR_OK && s.n == 1 && !s.partial && s.values[0] == 1, "one row is a series");
	drop(&s);
	ok(build(at, value, 0, "month", &s) == REGULAR_EMPTY, "no row is none");
	at[1] = REGULAR_MICROS(9000000000000000000);
	ok(build(at, value, 2, "hour", &s) == REGULAR_TOO_LONG, "too many buckets are refused");
}

static void
order(void)
{
	enum
	{
		ROWS = 1000
	};
	int64		at[ROWS];
	double		value[ROWS];
	RegularSeries a,
				b;
	uint64		x = 42;
	bool		good = true;

	for (int i = 0; i < ROWS; i++)
	{
		x = x * UINT64_C(6364136223846793005) + 1442695040888963407;
		at[i] = (int64) (x >> 40) % 20 * REGULAR_DAY + (int64) (x >> 20 & 3);
		value[i] = ldexp((double) (x >> 12 & 0xffffff) / 100, (int) (x >> 50) % 40 - 20) * (x & 1 ? 1 : -1);
	}
	build(at, value, ROWS, "day", &a);
	for (int turn = 0; turn < 20; turn++)
	{
		for (int i = ROWS - 1; i > 0; i--)
		{
			int			j;
			int64		t;
			double		v;

			x = x * UINT64_C(6364136223846793005) + 1442695040888963407;
			j = (int) ((x >> 33) % (i + 1));
			t = at[i], at[i] = at[j], at[j] = t;
			v = value[i], value[i] = value[j], value[j] = v;
		}
		build(at, value, ROWS, "day", &b);
		good &= a.n == b.n && a.duplicates == b.duplicates &&
			memcmp(a.values, b.values, a.n * sizeof(double)) == 0;
		drop(&b);
	}
	ok(good, "rows in any order give the same bits");
	drop(&a);
}

int
main(void)
{
	calendar();
	names();
	series();
	order();
	printf("1..%d\n", number);
	return failed > 0;
}

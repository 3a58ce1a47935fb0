/*-------------------------------------------------------------------------
 *
 * regular.c
 *	  Regular series from rows of (time, value).  Pure.
 *
 * A bucket holds the sum of its rows: cost and usage are flows.  Sums are
 * kept in twice the precision of a double, so that rows in any order give the
 * same bits.
 *
 * The last bucket is partial when its newest row is further from its end than
 * the newest rows of other buckets usually are: by more than half of the usual
 * distance between rows.  So a month whose last day is the 30th of 31 is
 * partial, and a week that always ends on a Friday is not.  The first bucket
 * is judged in the same way from its start.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/regular.h"

#include <math.h>
#include <stdlib.h>

#ifdef FINOPS_STANDALONE
#define ALLOC(type, n)	((type *) malloc((size_t) (n) * sizeof(type)))
#define FREE(p)			free(p)
#else
#define ALLOC(type, n)	((type *) MemoryContextAllocHuge(CurrentMemoryContext, (Size) (n) * sizeof(type)))
#define FREE(p)			pfree(p)
#endif

#define MINUTE	REGULAR_MICROS(60000000)
#define HOUR	REGULAR_MICROS(3600000000)

/* Monday 2000-01-03, the first day of a week after the epoch */
#define FIRST_MONDAY	2

/* ---------------------------------------------------------------------
 * Buckets
 * ---------------------------------------------------------------------
 */

static int64
floor_div(int64 a, int64 b)
{
	int64		q = a / b;

	return q - (a % b < 0);
}

/* Products and differences stop at the ends of what a time can be. */
static int64
multiply(int64 a, int64 b)
{
	int64		product;

	if (!__builtin_mul_overflow(a, b, &product))
		return product;
	return (a < 0) == (b < 0) ? INT64_MAX : INT64_MIN;
}

static int64
subtract(int64 a, int64 b)
{
	int64		difference;

	if (!__builtin_sub_overflow(a, b, &difference))
		return difference;
	return b < 0 ? INT64_MAX : INT64_MIN;
}

/* Days from 2000-01-01 to the first of a month, months counted from then. */
static int64
month_start(int64 month)
{
	int64		y = 2000 + floor_div(month, 12),
				m = month - floor_div(month, 12) * 12 + 1,
				era,
				yoe,
				doy;

	/* years that begin in March: the leap day is the last */
	y -= m <= 2;
	era = floor_div(y, 400);
	yoe = y - era * 400;
	doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 730425;
}

static int64
month_of_day(int64 day)
{
	/* from the mean length of a month, then exactly */
	int64		month = (int64) floor((double) day / 30.436875);

	while (month_start(month) > day)
		month--;
	while (month_start(month + 1) <= day)
		month++;
	return month;
}

/* "15 minutes", "day", "2 weeks", "quarter"; units in any case. */
bool
RegularParseBucket(const char *text, RegularBucket *bucket)
{
	static const struct
	{
		const char *name;
		int32		months;
		int32		days;
		int64		micros;
	}			units[] = {
		{"minute", 0, 0, MINUTE}, {"min", 0, 0, MINUTE},
		{"hour", 0, 0, HOUR}, {"day", 0, 1, 0}, {"week", 0, 7, 0},
		{"month", 1, 0, 0}, {"mon", 1, 0, 0}, {"quarter", 3, 0, 0},
		{"year", 12, 0, 0},
		{"hourly", 0, 0, HOUR}, {"daily", 0, 1, 0}, {"weekly", 0, 7, 0},
		{"monthly", 1, 0, 0}, {"quarterly", 3, 0, 0}, {"yearly", 12, 0, 0},
	};
	int			number = 1,
				digits = 0;
	char		name[16];
	size_t		length = 0;

	while (*text == ' ')
		text++;
	if (*text >= '0' && *text <= '9')
		for (number = 0; *text >= '0' && *text <= '9' && digits < 4; text++, digits++)
			number = number * 10 + (*text - '0');
	while (*text == ' ')
		text++;
	for (; *text != '\0' && *text != ' ' && length < sizeof(name) - 1; text++)
		name[length++] = *text >= 'A' && *text <= 'Z' ? *text - 'A' + 'a' : *text;
	name[length] = '\0';
	while (*text == ' ')
		text++;
	if (*text != '\0' || number < 1)
		return false;
	for (size_t i = 0; i < lengthof(units); i++)
	{
		size_t		size = strlen(units[i].name);

		if (strncmp(name, units[i].name, size) == 0 &&
			(name[size] == '\0' || (name[size] == 's' && name[size + 1] == '\0')))
		{
			bucket->months = units[i].months * number;
			bucket->days = units[i].days * number;
			bucket->micros = units[i].micros * number;
			return true;
		}
	}
	return false;
}

bool
RegularSameBucket(const RegularBucket *a, const RegularBucket *b)
{
	return a->months == b->months && a->days == b->days && a->micros == b->micros;
}

/* Steps of the season that a calendar of such buckets has. */
int
RegularSeason(const RegularBucket *bucket)
{
	if (bucket->months > 0)
		return bucket->months < 12 && 12 % bucket->months == 0 ? 12 / bucket->months : 1;
	if (bucket->days == 1)
		return 7;
	if (bucket->days == 7)
		return 52;
	if (bucket->micros > 0 && bucket->micros < REGULAR_DAY &&
		REGULAR_DAY % bucket->micros == 0)
		return (int) (REGULAR_DAY / bucket->micros);
	return 1;
}

int64
RegularStart(const RegularBucket *bucket, int64 number)
{
	if (bucket->months > 0)
		return multiply(month_start(number * bucket->months), REGULAR_DAY);
	if (bucket->days > 0)
		return multiply(number * bucket->days + FIRST_MONDAY, REGULAR_DAY);
	return multiply(number, bucket->micros);
}

int64
RegularNumber(const RegularBucket *bucket, int64 at)
{
	if (bucket->months > 0)
		return floor_div(month_of_day(floor_div(at, REGULAR_DAY)), bucket->months);
	if (bucket->days > 0)
		return floor_div(floor_div(at, REGULAR_DAY) - FIRST_MONDAY, bucket->days);
	return floor_div(at, bucket->micros);
}

/* ---------------------------------------------------------------------
 * Entries
 * ---------------------------------------------------------------------
 */

/* Adds a sum in twice the precision (Knuth's two-sum, renormalised). */
static void
add(double *hi, double *lo, double x, double y)
{
	double		sum = *hi + x,
				part = sum - *hi,
				error = (*hi - (sum - part)) + (x - part);

	if (!isfinite(sum))
	{
		*hi = sum;
		*lo = 0;
		return;
	}
	error += *lo + y;
	*hi = sum + error;
	*lo = error - (*hi - sum);
}

static int
by_time(const void *a, const void *b)
{
	int64		x = ((const RegularEntry *) a)->at,
				y = ((const RegularEntry *) b)->at;

	return x < y ? -1 : x > y;
}

int
RegularCompact(RegularEntry *entries, int count)
{
	int			left = 0;
	bool		sorted = true;

	for (int i = 1; i < count && sorted; i++)
		sorted = entries[i - 1].at <= entries[i].at;
	if (!sorted)
		qsort(entries, count, sizeof(RegularEntry), by_time);
	for (int i = 0; i < count; i++)
	{
		if (left > 0 && entries[left - 1].at == entries[i].at)
		{
			RegularEntry *e = &entries[left - 1];

			add(&e->hi, &e->lo, entries[i].hi, entries[i].lo);
			e->rows += entries[i].rows;
		}
		else
			entries[left++] = entries[i];
	}
	return left;
}

static int
by_value(const void *a, const void *b)
{
	int64		x = *(const int64 *) a,
				y = *(const int64 *) b;

	return x < y ? -1 : x > y;
}

/* The upper median; reorders. */
static int64
median(int64 *values, int n)
{
	qsort(values, n, sizeof(int64), by_value);
	return values[n / 2];
}

/* The usual distance between rows; 0 where there is one time only. */
static int64
usual_step(const RegularEntry *entries, int count)
{
	int64	   *gap,
				step;

	if (count < 2)
		return 0;
	gap = ALLOC(int64, count - 1);
	for (int i = 1; i < count; i++)
		gap[i - 1] = subtract(entries[i].at, entries[i - 1].at);
	step = median(gap, count - 1);
	FREE(gap);
	return step;
}

RegularBucket
RegularRecognise(const RegularEntry *entries, int count)
{
	static const int minutes[] = {30, 15, 10, 5, 1};
	static const int hours[] = {12, 8, 6, 4, 3, 2};
	int64		step = usual_step(entries, count);
	RegularBucket bucket = {0, 0, 0};

	if (step == 0)
		bucket.days = 1;
	else if (step < 45 * MINUTE)
	{
		bucket.micros = MINUTE;
		for (size_t i = 0; i < lengthof(minutes); i++)
			if (step >= minutes[i] * MINUTE)
			{
				bucket.micros = minutes[i] * MINUTE;
				break;
			}
	}
	else if (step < 20 * HOUR)
	{
		bucket.micros = HOUR;
		for (size_t i = 0; i < lengthof(hours); i++)
			if (step == hours[i] * HOUR)
				bucket.micros = step;
	}
	else if (step < 5 * REGULAR_DAY)
		bucket.days = 1;
	else if (step < 20 * REGULAR_DAY)
		bucket.days = 7;
	else if (step < 60 * REGULAR_DAY)
		bucket.months = 1;
	else if (step < 200 * REGULAR_DAY)
		bucket.months = 3;
	else
		bucket.months = 12;
	return bucket;
}

/* ---------------------------------------------------------------------
 * Series
 * ---------------------------------------------------------------------
 */

/* A bucket that has rows. */
typedef struct Filled
{
	int64		number;
	int64		lead;			/* from its start to its first row */
	int64		slack;			/* from its last row to its end */
	double		hi;
	double		lo;
} Filled;

/* Is the bucket at one end cut short, by the habit of the others? */
static bool
is_partial(const Filled *filled, int count, bool last, int64 step)
{
	int64	   *others,
				own = last ? filled[count - 1].slack : filled[0].lead,
				usual;
	int			skip = last ? count - 1 : 0,
				n = 0;

	if (count < 2)
		return false;
	others = ALLOC(int64, count - 1);
	for (int i = 0; i < count; i++)
		if (i != skip)
			others[n++] = last ? filled[i].slack : filled[i].lead;
	usual = median(others, n);
	FREE(others);
	return subtract(own, usual) > step / 2;
}

static int
fill(const RegularEntry *entries, int count, const RegularBucket *bucket,
	 RegularLocal local, void *arg, Filled *filled)
{
	int			n = 0;
	int64		end = 0;

	for (int i = 0; i < count; i++)
	{
		int64		at = local == NULL ? entries[i].at : local(entries[i].at, arg);
		int64		number = RegularNumber(bucket, at);

		/* clocks that are put back over midnight do not reopen a day */
		if (n > 0 && number < filled[n - 1].number)
			number = filled[n - 1].number;
		if (n == 0 || filled[n - 1].number != number)
		{
			filled[n].number = number;
			filled[n].lead = subtract(at, RegularStart(bucket, number));
			filled[n].hi = filled[n].lo = 0;
			end = RegularStart(bucket, number + 1);
			n++;
		}
		filled[n - 1].slack = subtract(end, at);
		add(&filled[n - 1].hi, &filled[n - 1].lo, entries[i].hi, entries[i].lo);
	}
	return n;
}

static double
total(const Filled *f)
{
	return isfinite(f->hi) ? f->hi + f->lo : f->hi;
}

/* Values, gaps and what was left out, from the filled buckets. */
static RegularStatus
lay_out(const Filled *filled, int count, int64 step, RegularSeries *s)
{
	int			first = 0,
				last = count - 1;
	int64		length;

	s->partial = is_partial(filled, count, true, step);
	s->first_partial = count > (s->partial ? 2 : 1) && is_partial(filled, count, false, step);
	if (s->partial)
		s->partial_value = total(&filled[last--]);
	if (s->first_partial)
		s->first_value = total(&filled[first++]);
	length = subtract(filled[last].number, filled[first].number);
	if (length >= REGULAR_MAX_LENGTH)
		return REGULAR_TOO_LONG;
	s->n = (int) length + 1;
	s->start = RegularStart(&s->bucket, filled[first].number);
	s->gaps = s->n - (last - first + 1);
	s->values = ALLOC(double, s->n);
	s->gap_at = ALLOC(int, Max(s->gaps, 1));
	s->gaps = 0;
	for (int i = first, at = 0; i <= last; i++)
	{
		for (; at < filled[i].number - filled[first].number; at++)
		{
			s->values[at] = 0;
			s->gap_at[s->gaps++] = at + 1;
		}
		s->values[at++] = total(&filled[i]);
	}
	return REGULAR_OK;
}

RegularStatus
RegularBuild(const RegularEntry *entries, int count, RegularBucket bucket,
			 RegularLocal local, void *arg, RegularSeries *s)
{
	Filled	   *filled;
	int			n;
	RegularStatus status;

	memset(s, 0, sizeof(*s));
	if (count <= 0)
		return REGULAR_EMPTY;
	if (bucket.months == 0 && bucket.days == 0 && bucket.micros == 0)
		bucket = RegularRecognise(entries, count);
	s->bucket = bucket;
	s->season = RegularSeason(&bucket);
	for (int i = 0; i < count; i++)
	{
		s->rows += entries[i].rows;
		s->duplicates += entries[i].rows - 1;
	}
	filled = ALLOC(Filled, count);
	/* parts of a day do not follow the clocks of a place */
	n = fill(entries, count, &bucket, bucket.micros > 0 ? NULL : local, arg, filled);
	status = lay_out(filled, n, usual_step(entries, count), s);
	FREE(filled);
	return status;
}

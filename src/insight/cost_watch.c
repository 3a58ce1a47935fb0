/*-------------------------------------------------------------------------
 *
 * cost_watch.c
 *	  Watches the daily cost of one thing and says which days are not as
 *	  expected.  Pure.
 *
 * A day's cost is expected to be
 *
 *	  exp(level + weekday + holiday) + charge of this day of the month
 *
 * The level is the median of the last 14 days without their weekdays; the
 * weekday is the median of what the last eight of its kind had beyond their
 * level; charges are money, not factors, and are expected when two of the last
 * three months had one of like size on the same day, counted from the first or
 * from the last of the month.  What is left, in logarithms, has the deviation
 * 1.4826 * median of its sizes over eight weeks (Hampel 1974).  A day is odd if
 * it is beyond so many deviations, so many percent and so much money.
 *
 * Medians are not moved by a single odd day, and odd days enter the memory
 * clipped, so that an event is not learned as normal while it lasts; after
 * five days beyond the limit on one side it is: the level has shifted, which
 * is said once.  Costs are taken as asinh(cost / 2u), the logarithm for all
 * that is large against u and harmless at zero and below; u is a hundredth of
 * the least money that matters.
 *
 *-------------------------------------------------------------------------
 */
#include "insight/cost_watch.h"

#include "core/fmath.h"

#include <math.h>
#include <stdlib.h>

#define LEVEL_DAYS	14
#define WEEKS		8
#define SPREAD_DAYS CW_DAYS
#define LEARNING	28
#define ACCEPTED	5			/* days beyond the limit that are a new level */
#define CLIP		3.0
#define LEAST_SPREAD 0.012		/* in logarithms: what rounding and counting make */
#define LIKE		0.4			/* charges that differ by this share are alike */
#define CHARGE_DOUBT 0.25		/* of a charge that is expected */
#define FEW				14			/* values that are sorted rather than searched */
#define HOLIDAY_DOUBT 0.6		/* on a holiday before any was seen */

/* The k-th day back, 1 is yesterday; k within 1..CW_DAYS. */
static CwDay *
back(CwState *s, int k)
{
	int			place = s->at - k;

	return &s->days[place < 0 ? place + CW_DAYS : place];
}

static int
known(const CwState *s)
{
	return Min(s->count, CW_DAYS);
}

static void
sort_few(float *v, int n)
{
	for (int i = 1; i < n; i++)
	{
		float		x = v[i];
		int			k = i;

		for (; k > 0 && v[k - 1] > x; k--)
			v[k] = v[k - 1];
		v[k] = x;
	}
}

/* The value that k others come before; the values are reordered around it (Hoare's selection). */
static float
selected(float *v, int n, int k)
{
	int			low = 0,
				high = n - 1;

	while (high - low > FEW)
	{
		float		pivot = v[low + (high - low) / 2];
		int			i = low,
					j = high;

		while (i <= j)
		{
			while (v[i] < pivot)
				i++;
			while (v[j] > pivot)
				j--;
			if (i <= j)
			{
				float		x = v[i];

				v[i++] = v[j];
				v[j--] = x;
			}
		}
		if (k <= j)
			high = j;
		else if (k >= i)
			low = i;
		else
			return v[k];
	}
	sort_few(v + low, high - low + 1);
	return v[k];
}

/* Median of values, which are reordered. */
static double
median(float *v, int n)
{
	float		upper = selected(v, n, n / 2);

	/* those before it are not greater */
	return n % 2 ? upper : (selected(v, n / 2, n / 2 - 1) + upper) / 2.0;
}

static double
to_log(double cost, double unit)
{
	double		x = fabs(cost) / (2 * unit),
				y = FmathLog(x + sqrt(x * x + 1));

	return cost < 0 ? -y : y;
}

static double
to_cost(double y, double unit)
{
	double		e = FmathExp(fabs(y)),
				x = unit * (e - 1 / e);

	return y < 0 ? -x : x;
}

/* What days of this weekday have beyond their level. */
static double
weekday_part(CwState *s, int weekday)
{
	float		v[WEEKS];
	int			n = 0;

	int			k = 1,
				days = known(s);

	while (k <= days && k <= 7 && back(s, k)->calendar.weekday != weekday)
		k++;
	for (; k <= days && n < WEEKS; k += 7)
	{
		CwDay	   *d = back(s, k);

		if (!d->calendar.holiday)
			v[n++] = d->plain - d->level;
	}
	return n >= 2 ? median(v, n) : 0;
}

static double
level_now(CwState *s)
{
	float		v[LEVEL_DAYS];
	int			n = 0;

	for (int k = 1; k <= known(s) && n < LEVEL_DAYS; k++)
	{
		CwDay	   *d = back(s, k);

		if (!d->calendar.holiday)
			v[n++] = d->clean - s->week[d->calendar.weekday];
	}
	return n > 0 ? median(v, n) : NAN;
}

static double
spread_now(CwState *s)
{
	float		v[SPREAD_DAYS];
	int			n = 0;
	double		middle;

	for (int k = 1; k <= known(s) && n < SPREAD_DAYS; k++)
	{
		CwDay	   *d = back(s, k);

		if (!d->calendar.holiday)
			v[n++] = fabs(d->clean - d->level - s->week[d->calendar.weekday]);
	}
	if (n == 0)
		return LEAST_SPREAD;
	middle = 1.4826 * median(v, n);
	return Max(Max(middle, selected(v, n, n * 9 / 10) / 1.645), LEAST_SPREAD);
}

static bool
alike(double a, double b)
{
	return a * b > 0 && fabs(a - b) <= LIKE * Max(fabs(a), fabs(b));
}

/*
 * Charges of the last months on days that match; up to three, 0 for none.  One
 * to three months are 28 to 31, 59 to 62 or 89 to 92 days.
 */
static int
month_charges(CwState *s, CwCalendar day, bool from_end, double *charges)
{
	static const int month_or_more[][2] = {{28, 31}, {59, 62}, {89, 92}};
	int			n = 0;

	for (int m = 0; m < 3; m++)
		for (int k = month_or_more[m][0]; k <= Min(month_or_more[m][1], known(s)); k++)
		{
			CwDay	   *d = back(s, k);

			if (from_end ? d->calendar.days_left != day.days_left : d->calendar.month_day != day.month_day)
				continue;
			charges[n++] = fabs(d->extra) > d->usual ? d->extra : 0;
			break;
		}
	return n;
}

static double
expected_charge(CwState *s, CwCalendar day, bool from_end)
{
	double		c[3];
	int			n = month_charges(s, day, from_end, c);

	if (n >= 2 && alike(c[0], c[1]))
		return (c[0] + c[1]) / 2;
	if (n >= 3 && alike(c[0], c[2]))
		return (c[0] + c[2]) / 2;
	if (n >= 3 && alike(c[1], c[2]))
		return (c[1] + c[2]) / 2;
	return 0;
}

/*
 * The charge of a day may be counted from the first or from the last of the
 * month; where the two disagree, the one nearer to what came is believed.
 */
static double
charge_of(CwState *s, CwCalendar day, double extra)
{
	double		first = expected_charge(s, day, false),
				last = day.days_left <= 3 ? expected_charge(s, day, true) : first;

	return fabs(extra - last) < fabs(extra - first) ? last : first;
}

/* A charge for the second time cannot be expected, but need not be reported. */
static bool
seen_last_month(CwState *s, CwCalendar day, double extra)
{
	double		c[3];

	if (month_charges(s, day, false, c) > 0 && alike(c[0], extra))
		return true;
	return day.days_left <= 3 && month_charges(s, day, true, c) > 0 && alike(c[0], extra);
}

static double
holiday_part(const CwState *s)
{
	float		v[CW_HOLIDAYS];
	int			n = Min(s->holidays, CW_HOLIDAYS);

	memcpy(v, s->holiday_rest, sizeof(v));
	if (n == 2)
		return fabs(v[0]) < fabs(v[1]) ? v[0] : v[1];
	return n > 2 ? median(v, n) : 0;
}

/* Everything remembered moves to another level. */
static void
move_memory(CwState *s, double move)
{
	for (int k = 1; k <= known(s); k++)
	{
		CwDay	   *d = back(s, k);

		d->plain += move;
		d->clean += move;
		d->level += move;
	}
}

/* The last days, all beyond the limit on one side, are the new level. */
static void
accept_level(CwState *s)
{
	float		v[ACCEPTED];

	for (int k = 1; k <= ACCEPTED; k++)
	{
		CwDay	   *d = back(s, k);

		v[k - 1] = d->raw - d->level - s->week[d->calendar.weekday];
	}
	s->moved = median(v, ACCEPTED);
	s->moved_at = s->count;
	move_memory(s, s->moved);
	for (int k = 1; k <= ACCEPTED; k++)
		back(s, k)->clean = back(s, k)->plain = back(s, k)->raw;
	for (int w = 0; w < 7; w++)
		s->week[w] = weekday_part(s, w);
	s->run = 0;
}

/* What is expected of a day, in logarithms and in money. */
typedef struct Expectation
{
	double		level;
	double		spread;
	double		base_log;
	double		base;			/* without charges */
	double		charge;
	double		limit;			/* in logarithms */
} Expectation;

static void
expect(CwState *s, CwCalendar day, double cost, const CwSettings *settings, double unit, Expectation *e)
{
	e->level = level_now(s);
	if (isnan(e->level))
		e->level = to_log(cost, unit);	/* nothing is known yet */
	e->spread = Max(s->spread, LEAST_SPREAD);
	e->base_log = e->level + s->week[day.weekday];
	if (day.holiday)
		e->base_log += holiday_part(s);
	e->base = to_cost(e->base_log, unit);
	e->charge = charge_of(s, day, cost - e->base);
	e->limit = Max(settings->sensitivity * e->spread, FmathLog(1 + settings->percent / 100));
	if (day.holiday)
		e->limit += s->holidays >= 3 ? Max(e->spread, HOLIDAY_DOUBT / 4) : HOLIDAY_DOUBT;
	if (e->charge != 0)
		e->limit += CHARGE_DOUBT * fabs(e->charge) / Max(fabs(e->base + e->charge), unit);
}

/* Is a day that left a newly accepted level back on the one before? */
static bool
returned(const CwState *s, double rest, double limit)
{
	return s->moved != 0 && s->count - s->moved_at <= LEVEL_DAYS &&
		fabs(rest) > limit && fabs(rest + s->moved) <= Max(limit, 0.3 * fabs(s->moved));
}

static CwVerdict
judge(CwState *s, CwCalendar day, double cost, const CwSettings *settings, double unit, const Expectation *e)
{
	CwVerdict	v = {NAN, NAN, NAN, 0, false, false};
	double		expected = e->base + e->charge,
				expected_log = to_log(expected, unit),
				rest = to_log(cost, unit) - expected_log;

	if (s->count < LEARNING)
		return v;
	v.expected = expected;
	v.low = Min(to_cost(expected_log - e->limit, unit), expected - settings->amount);
	v.high = Max(to_cost(expected_log + e->limit, unit), expected + settings->amount);
	v.score = rest / e->spread;
	v.odd = (cost < v.low || cost > v.high) && !seen_last_month(s, day, cost - e->base);
	return v;
}

/* Remember the day; outliers enter the memory clipped. */
static void
remember(CwState *s, CwCalendar day, double cost, const CwSettings *settings, double unit,
		 const Expectation *e)
{
	CwDay	   *d = &s->days[s->at];
	double		rest = to_log(cost - e->charge, unit) - e->base_log,
				most = CLIP * e->spread;

	d->calendar = day;
	d->raw = to_log(cost, unit);
	d->level = e->level;
	d->extra = cost - e->base;
	d->usual = Max(4 * e->spread * fabs(e->base), settings->amount);
	if (s->count < LEVEL_DAYS)
		most = INFINITY;
	d->plain = to_log(cost - e->charge, unit);
	d->clean = e->base_log + Max(-most, Min(most, rest));
	if (day.holiday)
	{
		if (s->count >= LEVEL_DAYS)
			s->holiday_rest[s->holidays++ % CW_HOLIDAYS] = d->plain - e->level - s->week[day.weekday];
		d->clean = e->level + s->week[day.weekday];
	}
	s->count++;
	s->at = s->at + 1 < CW_DAYS ? s->at + 1 : 0;
	if (!day.holiday)
		s->week[day.weekday] = weekday_part(s, day.weekday);
	if (s->count <= SPREAD_DAYS / 2 || s->count % 7 == 0)
		s->spread = spread_now(s);
}

CwVerdict
CwNext(CwState *s, CwCalendar day, double cost, const CwSettings *settings)
{
	double		unit = Max(settings->amount / 100, 1e-9);
	Expectation e;
	CwVerdict	v;

	expect(s, day, cost, settings, unit, &e);
	v = judge(s, day, cost, settings, unit, &e);
	if (v.odd && returned(s, to_log(cost, unit) - e.base_log, e.limit))
	{
		move_memory(s, -s->moved);
		s->moved = 0;
		expect(s, day, cost, settings, unit, &e);
		v = judge(s, day, cost, settings, unit, &e);
	}
	remember(s, day, cost, settings, unit, &e);
	if (!v.odd)
		s->run = 0;
	else
		s->run = v.score > 0 ? Max(s->run, 0) + 1 : Min(s->run, 0) - 1;
	if (abs(s->run) >= ACCEPTED)
	{
		accept_level(s);
		v.shifted = true;
	}
	return v;
}

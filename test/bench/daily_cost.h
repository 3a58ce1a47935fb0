/*-------------------------------------------------------------------------
 *
 * daily_cost.h
 *	  A benchmark for detectors of cost anomalies: 400 series of daily cost
 *	  over two calendar years with labelled events, from one frozen seed.
 *
 * What is normal here and must not be reported: weekday profiles, trends,
 * autocorrelated noise of 1 to 10 %, charges on the first, the last or another
 * day of each calendar month, holidays (known to the detector as dates), and
 * the last days of a month's bill arriving late.  What is an event: spikes of
 * one to five days, drops and outages, lasting shifts of the level in both
 * directions, ramps.  An event changes the day's cost by at least 25 % and by
 * five deviations of the series' noise; smaller ones nobody could label.
 *
 * Costs are as seen on the day they are complete; completeness() says what
 * share of a day is visible after so many days.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_DAILY_COST_H
#define FINOPS_DAILY_COST_H

#include "core/pure.h"

#include "core/fmath.h"

#define DC_SERIES	400
#define DC_DAYS		730
#define DC_SEED		20260131
#define DC_LEARNING 90			/* days without events */
#define DC_EVENTS	8			/* at most, of one series */

typedef enum DcKind
{
	DC_SPIKE, DC_BURST, DC_DROP, DC_OUTAGE, DC_RISE, DC_FALL, DC_RAMP, DC_KINDS
} DcKind;

typedef struct DcEvent
{
	DcKind		kind;
	int			first;			/* day it begins */
	int			last;			/* last day on which reporting it still helps */
	double		factor;			/* of the cost */
} DcEvent;

typedef struct DcDay
{
	int			month_day;		/* 1..31 */
	int			days_left;		/* to the end of the month, 0 on its last day */
	int			weekday;		/* 0 is Monday */
	bool		holiday;
} DcDay;

typedef struct DcSeries
{
	double		cost[DC_DAYS];
	double		noise;			/* deviation of the logarithm */
	double		late[4];		/* share visible after 0..3 days */
	int			nevents;
	DcEvent		events[DC_EVENTS];
} DcSeries;

static const char *const dc_kinds[] = {"spike", "burst", "drop", "outage", "rise", "fall", "ramp"};

/* The calendar of 2024 and 2025; 2024-01-01 was a Monday. */
static inline void
dc_calendar(DcDay *days)
{
	static const int lengths[2][12] = {
		{31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31},
		{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}
	};

	/* New Year, Good Friday, Easter Monday, Labour Day, Christmas, New Year's Eve */
	static const int holidays[] = {
		0, 88, 91, 121, 358, 359, 360, 365, 366 + 107, 366 + 110, 366 + 120, 366 + 357, 366 + 358, 366 + 359
	};
	int			d = 0;

	for (int y = 0; y < 2; y++)
		for (int m = 0; m < 12; m++)
			for (int k = 0; k < lengths[y][m] && d < DC_DAYS; k++, d++)
				days[d] = (DcDay) {k + 1, lengths[y][m] - 1 - k, d % 7, false};
	for (size_t i = 0; i < lengthof(holidays); i++)
		if (holidays[i] < DC_DAYS)
			days[holidays[i]].holiday = true;
}

static inline double
dc_uniform(FmathRandom *r, double from, double to)
{
	return from + (to - from) * ((double) (FmathNext(r) >> 11) / 9007199254740992.0);
}

static inline bool
dc_chance(FmathRandom *r, double p)
{
	return dc_uniform(r, 0, 1) < p;
}

static inline int
dc_pick(FmathRandom *r, int n)
{
	return (int) (FmathNext(r) % (uint64) n);
}

/* What belongs to a series for good. */
typedef struct DcNature
{
	double		level;
	double		trend;			/* of the logarithm, per day */
	double		week[7];
	double		persistence;
	double		holiday;		/* factor */
	double		month_charge;	/* in daily costs */
	int			month_day;		/* 0 the last day, else 1..28 */
	bool		from_end;
} DcNature;

static inline void
dc_nature(FmathRandom *r, DcSeries *s, DcNature *n)
{
	double		weekend = 1;

	if (!dc_chance(r, 0.25))
		weekend = dc_chance(r, 0.2) ? dc_uniform(r, 1.05, 1.5) : dc_uniform(r, 0.3, 0.95);
	n->level = FmathExp(dc_uniform(r, FmathLog(20), FmathLog(20000)));
	n->trend = FmathLog(dc_uniform(r, 0.75, 1.8)) / 365;
	for (int d = 0; d < 7; d++)
		n->week[d] = (d >= 5 ? weekend : 1) * dc_uniform(r, 0.97, 1.03);
	n->persistence = dc_uniform(r, 0, 0.6);
	n->holiday = dc_chance(r, 0.4) ? dc_uniform(r, 0.6, 0.9) : 1;
	n->month_charge = dc_chance(r, 0.35) ? dc_uniform(r, 0.4, 3) : 0;
	n->from_end = dc_chance(r, 0.2);
	n->month_day = n->from_end || dc_chance(r, 0.5) ? 1 : 1 + dc_pick(r, 28);
	s->noise = FmathExp(dc_uniform(r, FmathLog(0.01), FmathLog(0.1)));
	s->late[0] = dc_uniform(r, 0.3, 0.8);
	s->late[1] = dc_uniform(r, 0.85, 0.98);
	s->late[2] = dc_uniform(r, 0.985, 1);
	s->late[3] = 1;
}

static inline int
dc_length(FmathRandom *r, DcKind kind)
{
	switch (kind)
	{
		case DC_BURST:
			return 2 + dc_pick(r, 4);
		case DC_DROP:
			return 1 + dc_pick(r, 3);
		case DC_OUTAGE:
			return 1 + dc_pick(r, 2);
		case DC_RAMP:
			return 10;
		case DC_RISE:
		case DC_FALL:
			return 5;
		default:
			return 1;
	}
}

/* The factor of an event, never closer to 1 than five deviations and 25 %. */
static inline double
dc_factor(FmathRandom *r, DcKind kind, double noise)
{
	double		least = Max(FmathLog(1.25), 5 * noise);

	switch (kind)
	{
		case DC_OUTAGE:
			return dc_uniform(r, 0, 0.05);
		case DC_DROP:
		case DC_FALL:
			return FmathExp(-least - dc_uniform(r, 0, 0.8));
		case DC_RAMP:
			return FmathExp(least + dc_uniform(r, 0.2, 0.8));
		default:
			return FmathExp(least + dc_uniform(r, 0, 1.2));
	}
}

/* Logarithm of what an event does to the cost of a day. */
static inline double
dc_effect(const DcEvent *e, int day)
{
	double		full = FmathLog(Max(e->factor, 1e-6));

	if (day < e->first)
		return 0;
	if (e->kind == DC_RISE || e->kind == DC_FALL)
		return full;
	if (e->kind == DC_RAMP)
		return full * Min(1, (day - e->first + 1) / 10.0);
	return day <= e->last ? full : 0;
}

static inline void
dc_events(FmathRandom *r, DcSeries *s)
{
	int			day = DC_LEARNING + dc_pick(r, 200);

	s->nevents = 0;
	while (day < DC_DAYS - 15 && s->nevents < DC_EVENTS)
	{
		DcEvent    *e = &s->events[s->nevents++];

		e->kind = (DcKind) dc_pick(r, DC_KINDS);
		e->first = day;
		e->last = day + dc_length(r, e->kind) - 1;
		e->factor = dc_factor(r, e->kind, s->noise);
		day = e->last + 40 + dc_pick(r, 400);
	}
}

/* Series number k of the benchmark. */
static inline void
dc_series(int k, const DcDay *days, DcSeries *s)
{
	FmathRandom r;
	DcNature	n;
	double		noise = 0;

	FmathSeed(&r, DC_SEED + 1000003 * (uint64) k);
	dc_nature(&r, s, &n);
	dc_events(&r, s);
	for (int d = 0; d < DC_DAYS; d++)
	{
		double		x = FmathLog(n.level) + n.trend * d + FmathLog(n.week[days[d].weekday]);
		double		charge = 0;

		noise = n.persistence * noise + s->noise * sqrt(1 - n.persistence * n.persistence) * FmathNormal(&r);
		if (days[d].holiday)
			x += FmathLog(n.holiday);
		for (int i = 0; i < s->nevents; i++)
			x += dc_effect(&s->events[i], d);
		if (n.from_end ? days[d].days_left == 0 : days[d].month_day == n.month_day)
			charge = n.month_charge * n.level * FmathExp(n.trend * d);
		s->cost[d] = FmathExp(x + noise) + charge * FmathExp(s->noise / 3 * FmathNormal(&r));
	}
}

#endif							/* FINOPS_DAILY_COST_H */

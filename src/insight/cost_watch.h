/*-------------------------------------------------------------------------
 *
 * cost_watch.h
 *	  Watches the daily cost of one thing and says which days are not as
 *	  expected.  Pure.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_COST_WATCH_H
#define FINOPS_COST_WATCH_H

#include "core/pure.h"

#define CW_DAYS			112		/* days that are remembered: sixteen weeks, three months */
#define CW_HOLIDAYS		8		/* holidays that are remembered */

/* A day as the calendar has it. */
typedef struct CwCalendar
{
	int16_t		month_day;		/* 1..31 */
	int16_t		days_left;		/* to the end of the month, 0 on its last day */
	int16_t		weekday;		/* 0..6 */
	int16_t		holiday;		/* 1 on holidays */
} CwCalendar;

/* What is kept of a day. */
typedef struct CwDay
{
	CwCalendar	calendar;
	float		raw;			/* logarithm of its cost */
	float		plain;			/* the same without the charge expected */
	float		clean;			/* the same without outliers */
	float		level;			/* logarithmic level expected of it, without its weekday */
	float		extra;			/* cost beyond what its weekday and level explain */
	float		usual;			/* how much of that is ordinary */
} CwDay;

/* All that is known of a series; it holds no pointers and can be stored as it is. */
typedef struct CwState
{
	int32_t		count;			/* days seen, each the day after the one before */
	int32_t		at;				/* place of the next in the ring */
	int32_t		run;			/* days in a row beyond the limits, signed by the side */
	int32_t		holidays;		/* holidays seen */
	int32_t		moved_at;		/* number of the day when a new level was accepted */
	float		moved;			/* by how much it moved then */
	float		spread;			/* deviation of the logarithm from what is expected */
	float		week[7];		/* what each weekday has beyond the level */
	CwDay		days[CW_DAYS];	/* ring */
	float		holiday_rest[CW_HOLIDAYS];	/* ring */
} CwState;

typedef struct CwSettings
{
	double		sensitivity;	/* deviations that are odd */
	double		percent;		/* least change that matters, of the expected cost */
	double		amount;			/* least change that matters, in money */
} CwSettings;

typedef struct CwVerdict
{
	double		expected;		/* cost; NaN while the series is being learned */
	double		low;			/* costs between these are not odd */
	double		high;
	double		score;			/* deviations from what is expected, signed */
	bool		odd;
	bool		shifted;		/* the days since it left are accepted as the new level */
} CwVerdict;

extern CwVerdict CwNext(CwState *s, CwCalendar day, double cost, const CwSettings *settings);

#endif							/* FINOPS_COST_WATCH_H */

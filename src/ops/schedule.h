/*-------------------------------------------------------------------------
 *
 * schedule.h
 *	  Cron schedules and guards of jobs.  Pure; builds outside the server with
 *	  FINOPS_STANDALONE.
 *
 * A schedule is what pg_cron 1.4 takes: five fields (minute, hour, day of the
 * month, month, day of the week), or @hourly and its like.  Where both days
 * are restricted either is enough, as in every cron.
 *
 * A guard says more than cron can: terms joined by "and", all of which hold.
 *
 *	  first monday, second tue, last friday		day of the month by weekday
 *	  day 15, last day							day of the month
 *	  business day 3, last business day			counted Monday to Friday
 *	  hours 02-08,14-16 or 22:30-04:00			half-open, may pass midnight
 *	  active sessions < 5						other sessions at work
 *	  once a day, once a week, once a month		no success yet in this one
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_SCHEDULE_H
#define FINOPS_SCHEDULE_H

#include "core/pure.h"

#define MINUTES_A_DAY	1440
#define GUARD_TERMS		8
#define GUARD_WINDOWS	8

typedef struct CronSchedule
{
	uint64		minutes;		/* bit 0..59 */
	uint32		hours;			/* bit 0..23 */
	uint32		days;			/* bit 1..31 */
	uint32		months;			/* bit 1..12 */
	uint32		weekdays;		/* bit 0..6, Sunday is 0 */
	bool		any_day;		/* the field begins with a star */
	bool		any_weekday;
	bool		reboot;			/* @reboot: when the scheduler starts */
} CronSchedule;

typedef enum GuardKind
{
	GUARD_NTH_WEEKDAY,			/* nth 1..5, 0 is the last */
	GUARD_DAY,					/* nth 1..31, 0 is the last */
	GUARD_BUSINESS_DAY,			/* nth 1..23, 0 is the last */
	GUARD_HOURS,
	GUARD_SESSIONS,				/* fewer than nth */
	GUARD_ONCE					/* nth: 0 day, 1 week, 2 month */
} GuardKind;

typedef struct GuardTerm
{
	GuardKind	kind;
	int			nth;
	int			weekday;
	int			windows;
	int			from[GUARD_WINDOWS];	/* minutes of the day */
	int			to[GUARD_WINDOWS];
} GuardTerm;

typedef struct Guard
{
	int			terms;
	GuardTerm	term[GUARD_TERMS];
} Guard;

/* A civil day; weekday 0 is Sunday. */
typedef struct CivilDay
{
	int			year;
	int			month;
	int			day;
} CivilDay;

extern int	CivilWeekday(CivilDay day);
extern int	CivilMonthDays(int year, int month);
extern CivilDay CivilYesterday(CivilDay day);

/* False with the place of what was not understood: an offset into text. */
extern bool CronParse(const char *text, CronSchedule *schedule, size_t *at);
extern bool GuardParse(const char *text, Guard *guard, size_t *at);

extern bool CronRunsOn(const CronSchedule *schedule, CivilDay day);

/* The last minute up to latest at which the schedule and guard's hours run; -1. */
extern int	CronLastMinute(const CronSchedule *schedule, const Guard *guard, int latest);

/* Terms about the calendar, about the hour: those that can be foreseen. */
extern bool GuardDayHolds(const GuardTerm *term, CivilDay day);
extern bool GuardHourHolds(const GuardTerm *term, int minute);
extern bool GuardRunsOn(const Guard *guard, CivilDay day);

/*
 * The schedule for a scheduler whose clock differs by the given minutes
 * (add them to local time), each of which may hold at some time of the year:
 * it fires at least whenever the job is due.  Days stay as they are while no
 * time passes midnight, else every day fires.  buffer holds CRON_TEXT bytes.
 */
#define CRON_TEXT 512
extern void CronShift(const CronSchedule *schedule, const char *text, const int *minutes, int n,
					  char *buffer);

#endif							/* FINOPS_SCHEDULE_H */

/*-------------------------------------------------------------------------
 *
 * cost_history.h
 *	  Daily cost by key, and what is known of days to come.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_COST_HISTORY_H
#define FINOPS_COST_HISTORY_H

#include "core/core.h"

/* The calendar of one call: days and months counted from the first day. */
typedef struct Calendar
{
	DateADT		first;			/* first day of history */
	DateADT		last;			/* last day that is complete */
	int			ahead;			/* months to forecast */
	int			ndays;			/* days to forecast */
	DateADT		start;			/* first day of the first forecast month */
	int		   *holiday;		/* [days of history and ahead] its number, or -1 */
	int			holidays;		/* different names */
} Calendar;

/* What one key brings: days of usage, bookings by month, known steps. */
typedef struct CostHistory
{
	char	   *key;
	char	   *currency;
	int			n;				/* days */
	double	   *daily;
	int			nmonths;		/* months that the days touch */
	double	   *usage;			/* [nmonths] with what is still to be delivered */
	double	   *tax;			/* [nmonths] */
	double	   *other;			/* [nmonths] */
	double		to_date;		/* usage of the month in course as delivered */
	double		lacking;		/* of it: what is still to be delivered */
	double	   *steps;			/* [ahead] what known steps change */
} CostHistory;

extern int	CostMonthNumber(DateADT day);
extern int	CostDayOfMonth(DateADT day);
extern DateADT CostFirstOf(int month);

/* effective or billed; NULL: finops.cost_basis.  22023 for others. */
extern char *CostBasisArg(FunctionCallInfo fcinfo, int argno);

/* The column by which cost is grouped; 22023 for other names. */
extern const char *CostGroupColumn(const char *group_by);

/* False when there is no cost before as_of. */
extern bool CostReadCalendar(Calendar *cal, DateADT as_of, int ahead,
							 const char *basis, bool late);
extern void CostReadHolidays(Calendar *cal);
extern CostHistory *CostReadHistories(const Calendar *cal, const char *column,
									  const char *basis, bool steps, int *count);

/* Share of its cost that a day has at an age, by source and currency; $1: the column. */
#define COMPLETION_CURVE \
	"SELECT v.source, v.currency, v.age, v.days, max(v.share) OVER (PARTITION BY v.source, v.currency ORDER BY v.age) AS share" \
	" FROM (SELECT s.source, s.currency, s.age, count(*) AS days," \
	"  least(percentile_cont(0.5) WITHIN GROUP (ORDER BY (CASE $1 WHEN 'billed' THEN s.billed_cost / f.billed ELSE s.effective_cost / f.effective END)::float8), 1) AS share" \
	" FROM forecast.day_seen s JOIN (SELECT c.source, c.currency, c.usage_date, nullif(sum(c.billed_cost), 0) AS billed," \
	"  nullif(sum(c.effective_cost), 0) AS effective FROM finops.cost_daily c JOIN (" CURRENT_LOADS ") l USING (source, billing_period)" \
	"  WHERE c.charge_category = 'Usage' AND c.usage_date >= (SELECT min(m.usage_date) FROM forecast.day_seen m)" \
	"  AND l.loaded - c.usage_date >= 14 GROUP BY 1, 2, 3) f USING (source, currency, usage_date)" \
	" WHERE CASE $1 WHEN 'billed' THEN f.billed ELSE f.effective END > 0" \
	" GROUP BY 1, 2, 3 HAVING count(*) >= 10) v"

/* The day on which the current bill of a source and month was loaded, UTC. */
#define CURRENT_LOADS \
	"SELECT d.source, d.billing_period, timezone('UTC', max(d.loaded_at))::date AS loaded" \
	" FROM finops.delivery d WHERE d.status = 'current' GROUP BY 1, 2"

#endif							/* FINOPS_COST_HISTORY_H */

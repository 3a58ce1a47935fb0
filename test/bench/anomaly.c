/* links: src/core/fmath.c src/insight/cost_watch.c */
/*-------------------------------------------------------------------------
 *
 * anomaly.c
 *	  Scores detectors of cost anomalies on the series of daily_cost.h.
 *
 * Alerts on days that touch, or with up to two days between them, are one
 * alert.  An event is found by an alert that begins between its first day and
 * a day after its last; further alerts in that span change nothing; any other
 * alert is false.  Precision is of alerts, recall of events, delay in days
 * from the first day of an event.  The first 90 days are not scored.
 *
 *-------------------------------------------------------------------------
 */
#include "daily_cost.h"

#include "insight/cost_watch.h"

#include <stdio.h>
#include <stdlib.h>

typedef void (*Detector) (const double *cost, const DcDay *days, bool *flag);

typedef struct Score
{
	int			found[DC_KINDS];
	int			events[DC_KINDS];
	int			alerts;
	int			useful;
	int			delays[DC_DAYS];
	int			false_month;	/* false alerts on a day with a monthly charge */
} Score;

/* Today against the mean of the days before, in percent: no season, rises only. */
static void
mean_rule(const double *cost, bool *flag, int window, double percent)
{
	for (int d = window; d < DC_DAYS; d++)
	{
		double		sum = 0;

		for (int k = 1; k <= window; k++)
			sum += cost[d - k];
		flag[d] = cost[d] > sum / window * (1 + percent / 100);
	}
}

static void
mean_week(const double *cost, const DcDay *days, bool *flag)
{
	mean_rule(cost, flag, 7, 30);
}

static void
mean_month(const double *cost, const DcDay *days, bool *flag)
{
	mean_rule(cost, flag, 30, 50);
}

/* Three deviations from the mean of the days before, step days apart. */
static void
z_rule(const double *cost, bool *flag, int window, int step)
{
	for (int d = window * step; d < DC_DAYS; d++)
	{
		double		mean = 0,
					squares = 0;

		for (int k = 1; k <= window; k++)
			mean += cost[d - k * step] / window;
		for (int k = 1; k <= window; k++)
			squares += (cost[d - k * step] - mean) * (cost[d - k * step] - mean);
		flag[d] = fabs(cost[d] - mean) > 3 * sqrt(squares / (window - 1));
	}
}

static void
z_month(const double *cost, const DcDay *days, bool *flag)
{
	z_rule(cost, flag, 30, 1);
}

static void
z_weekday(const double *cost, const DcDay *days, bool *flag)
{
	z_rule(cost, flag, 8, 7);
}

static double sensitivity = 5,
			percent = 15;

static void
cost_watch(const double *cost, const DcDay *days, bool *flag)
{
	CwState		s = {0};
	CwSettings	settings = {sensitivity, percent, 1};

	for (int d = 0; d < DC_DAYS; d++)
	{
		CwCalendar	c = {days[d].month_day, days[d].days_left, days[d].weekday, days[d].holiday};

		flag[d] = CwNext(&s, c, cost[d], &settings).odd;
	}
}

static const struct
{
	const char *name;
	Detector	detect;
}			detectors[] = {
	{"7-day mean + 30 %", mean_week},
	{"30-day mean + 50 %", mean_month},
	{"z 3 of 30 days", z_month},
	{"z 3 of 8 weekdays", z_weekday},
	{"cost_watch", cost_watch},
};

/* The event that an alert beginning on a day belongs to, -1. */
static int
event_of(const DcSeries *s, int day)
{
	for (int i = 0; i < s->nevents; i++)
		if (day >= s->events[i].first && day <= s->events[i].last + 1)
			return i;
	return -1;
}

static void
score(const DcSeries *s, const DcDay *days, const bool *flag, Score *total)
{
	bool		found[DC_EVENTS] = {false};
	int			last = -10;

	for (int i = 0; i < s->nevents; i++)
		total->events[s->events[i].kind]++;
	for (int d = DC_LEARNING; d < DC_DAYS; d++)
	{
		int			e;

		if (!flag[d])
			continue;
		if (d - last <= 3 && event_of(s, d) == event_of(s, last))
		{
			last = d;
			continue;
		}
		last = d;
		e = event_of(s, d);
		if (e >= 0 && found[e])
			continue;
		total->alerts++;
		if (e < 0)
		{
			total->false_month += days[d].month_day == 1 || days[d].days_left == 0;
			continue;
		}
		found[e] = true;
		total->useful++;
		total->found[s->events[e].kind]++;
		total->delays[d - s->events[e].first]++;
	}
}

static int
median_delay(const Score *s)
{
	int			half = 0;

	for (int d = 0; d < DC_DAYS; d++)
		if ((half += s->delays[d]) * 2 >= s->useful)
			return d;
	return -1;
}

static void
print(const char *name, const Score *s)
{
	int			events = 0;
	double		precision = s->alerts ? (double) s->useful / s->alerts : 0,
				recall;

	for (int k = 0; k < DC_KINDS; k++)
		events += s->events[k];
	recall = (double) s->useful / events;
	printf("%-22s precision %.3f recall %.3f F1 %.3f, false alerts per series-year %.2f (%d of %d at a month's ends), median delay %d;",
		   name, precision, recall, 2 * precision * recall / (precision + recall),
		   (s->alerts - s->useful) / (DC_SERIES * (DC_DAYS - DC_LEARNING) / 365.25),
		   s->false_month, s->alerts - s->useful, median_delay(s));
	for (int k = 0; k < DC_KINDS; k++)
		printf(" %s %d/%d", dc_kinds[k], s->found[k], s->events[k]);
	printf("\n");
}

int
main(void)
{
	static DcDay days[DC_DAYS];
	static DcSeries s;

	dc_calendar(days);
	for (size_t m = 0; m < lengthof(detectors); m++)
	{
		Score		total = {{0}};

		for (int k = 0; k < DC_SERIES; k++)
		{
			bool		flag[DC_DAYS] = {false};

			dc_series(k, days, &s);
			detectors[m].detect(s.cost, days, flag);
			score(&s, days, flag, &total);
		}
		print(detectors[m].name, &total);
	}
	return 0;
}

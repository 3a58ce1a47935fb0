/* links: src/core/fmath.c src/insight/cost_watch.c */
/*-------------------------------------------------------------------------
 *
 * cost_watch_test.c
 *	  The watch over daily cost: what must be reported, what must not.
 *
 *-------------------------------------------------------------------------
 */
#include "insight/cost_watch.h"

#include "core/fmath.h"
#include "tap.h"

#include <math.h>
#include <stdio.h>

#define DAYS 300

static const CwSettings usual = {5, 15, 1};

/* 300 days of which every 30 are a month; day 0 is a Monday. */
static CwCalendar
day_of(int d)
{
	return (CwCalendar) {(int16_t) (d % 30 + 1), (int16_t) (29 - d % 30), (int16_t) (d % 7), 0};
}

/* 100 on weekdays, 60 on weekends, shaken by one percent up and down. */
static void
plain_cost(double *cost)
{
	for (int d = 0; d < DAYS; d++)
		cost[d] = (d % 7 >= 5 ? 60 : 100) * (d * 7919 % 11 < 5 ? 1.01 : 0.99);
}

static int
watch(const double *cost, CwVerdict *verdicts)
{
	CwState		s = {0};
	int			odd = 0;

	for (int d = 0; d < DAYS; d++)
	{
		verdicts[d] = CwNext(&s, day_of(d), cost[d], &usual);
		odd += verdicts[d].odd;
	}
	return odd;
}

static void
quiet_series(void)
{
	double		cost[DAYS];
	CwVerdict	v[DAYS];

	plain_cost(cost);
	ok(watch(cost, v) == 0, "weekdays are expected");
	ok(isnan(v[27].expected) && !isnan(v[28].expected), "four weeks are learned first");
	ok(fabs(v[299].expected - (299 % 7 >= 5 ? 60 : 100)) < 2, "what is expected is near what comes");
	for (int d = 0; d < DAYS; d += 30)
		cost[d] += 80;
	ok(watch(cost, v) <= 1 && !v[60].odd, "a charge on the first of each month is expected");
	ok(v[270].expected > 130, "and counted in");
	plain_cost(cost);
	for (int d = 29; d < DAYS; d += 30)
		cost[d] += 200;
	ok(watch(cost, v) <= 1 && !v[89].odd, "and one on the last");
	plain_cost(cost);
	for (int d = 0; d < DAYS; d++)
		cost[d] *= FmathExp(0.002 * d);
	ok(watch(cost, v) == 0, "growth of 0.2 % a day is no event");
	for (int d = 0; d < DAYS; d++)
		cost[d] = 0;
	ok(watch(cost, v) == 0, "nothing costs nothing");
	for (int d = 0; d < DAYS; d++)
		cost[d] = d * 7919 % 11 / 20.0;
	ok(watch(cost, v) == 0, "changes below the amount that matters");
}

static void
events(void)
{
	double		cost[DAYS];
	CwVerdict	v[DAYS];

	plain_cost(cost);
	cost[200] *= 1.5;
	ok(watch(cost, v) == 1 && v[200].odd && v[200].score > 5, "a spike, and only it");
	plain_cost(cost);
	cost[200] = 0;
	ok(watch(cost, v) == 1 && v[200].odd && v[200].score < -5, "an outage");
	plain_cost(cost);
	for (int d = 200; d < DAYS; d++)
		cost[d] *= 1.4;
	ok(watch(cost, v) == 5 && v[200].odd && v[204].odd && v[204].shifted, "a new level is reported until it is accepted");
	plain_cost(cost);
	for (int d = 200; d < 206; d++)
		cost[d] *= 2;
	ok(watch(cost, v) == 5 && v[204].shifted && !v[206].odd, "going back to the level before is no event");
	plain_cost(cost);
	cost[200] = -500;
	ok(watch(cost, v) == 1 && v[200].odd && v[200].low < v[200].expected, "a credit turns the day negative");
}

int
main(void)
{
	quiet_series();
	events();
	printf("1..%d\n", number);
	return failed > 0;
}

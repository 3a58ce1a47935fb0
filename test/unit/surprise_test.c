/* links: src/core/fmath.c src/insight/surprise.c */
/*-------------------------------------------------------------------------
 *
 * surprise_test.c
 *	  Scores of streams: novelty is high, repetition is not, and a stream
 *	  resumed from its tail is the same stream.
 *
 *-------------------------------------------------------------------------
 */
#include "insight/surprise.h"

#include "core/fmath.h"
#include "tap.h"

#include <stdio.h>
#include <stdlib.h>

#define LENGTH 6000

static double series[LENGTH];

static void
make_series(void)
{
	FmathRandom r;

	FmathSeed(&r, 7);
	for (int i = 0; i < LENGTH; i++)
		series[i] = 10 + FmathNormal(&r);
}

static void
novelty(void)
{
	Surprise   *s = SurpriseInit(malloc(SurpriseSize(LENGTH)), LENGTH);
	double		highest = 0,
				early = 0,
				event = 0,
				quiet = 0;

	for (int i = 0; i < LENGTH; i++)
	{
		double		score = SurpriseNext(s, i == 2000 ? 60 : series[i]);

		if (i <= 100)
			early = Max(early, score);
		if (i == 2000)
			event = score;
		if (i > 2000 && i <= 2100)
			quiet = Max(quiet, score);
		highest = Max(highest, score);
	}
	ok(early == 0, "a hundred values are learned first");
	/* first of 2001 values: log10 of 1901 totals, over 4 */
	ok(event > 0.8 && event <= 1, "fifty deviations are news");
	ok(quiet == 0, "and are not told twice");
	ok(highest <= 1, "scores end at 1");
	free(s);
}

static void
sameness(void)
{
	Surprise   *s = SurpriseInit(malloc(SurpriseSize(LENGTH)), LENGTH);
	double		highest = 0;

	for (int i = 0; i < LENGTH; i++)
		highest = Max(highest, SurpriseNext(s, 3.25));
	ok(highest == 0, "a constant never surprises");
	free(s);
}

static void
resumption(void)
{
	Surprise   *whole = SurpriseInit(malloc(SurpriseSize(0)), 0),
			   *parts = SurpriseInit(malloc(SurpriseSize(0)), 0);
	double	   *kept = malloc(sizeof(double) * SURPRISE_KEPT);
	float	   *totals = malloc(sizeof(float) * SURPRISE_MEMORY);
	int			different = 0;

	for (int i = 0; i < LENGTH; i++)
	{
		different += SurpriseNext(whole, series[i]) != SurpriseNext(parts, series[i]);
		if (i % 997 == 0 || i == 5 || i == LENGTH - 20)
		{
			int			nkept = SurpriseKept(parts, kept);
			Surprise   *next = SurpriseResume(malloc(SurpriseSize(0)), kept, nkept, totals,
											  SurpriseTotals(parts, totals), parts->count, parts->last_alert,
											  parts->kept_smooth);

			free(parts);
			parts = next;
		}
	}
	ok(different == 0, "a stream resumed from its tail goes on as it was");
	ok(SurpriseKept(whole, kept) == SURPRISE_KEPT && kept[SURPRISE_KEPT - 1] == series[LENGTH - 1], "the tail ends with the last value");
	free(whole);
	free(parts);
	free(kept);
	free(totals);
}

int
main(void)
{
	make_series();
	novelty();
	sameness();
	resumption();
	printf("1..%d\n", number);
	return failed > 0;
}

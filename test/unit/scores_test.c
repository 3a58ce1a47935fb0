/* links: src/core/fmath.c src/forecast/scores.c */
/*-------------------------------------------------------------------------
 *
 * scores_test.c
 *	  Scores of forecasts: hand-worked and published values.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/scores.h"

#include "core/fmath.h"

#include <stdio.h>

static int	number;
static int	failed;

static void
near(double got, double expected, const char *text)
{
	bool		good = fabs(got - expected) <= 1e-12 * (1 + fabs(expected));

	printf("%s %d - %s\n", good ? "ok" : "not ok", ++number, text);
	if (!good)
		printf("# got %.17g, expected %.17g\n", got, expected);
	failed += !good;
}

int
main(void)
{
	double		two[] = {1, 0},
				four[] = {4, 1, 3, 2},
				y[] = {1, 3, 2, 6},
				large[2000];
	FmathRandom r;

	near(ScorePinball(10, 8, 0.9), 1.8, "a quantile that was exceeded costs its share");
	near(ScorePinball(8, 10, 0.9), 0.2, "one that was not costs the rest");
	/* (sqrt 2 - 1) / sqrt pi */
	near(ScoreCrpsNormal(0, 0, 1), 0.23369497725510907, "CRPS of a standard normal at its mean");
	near(ScoreCrpsNormal(7, 3, 0), 4, "no deviation: the absolute error");
	near(ScoreCrpsNormal(5, 3, 2), 2 * ScoreCrpsNormal(1, 0, 1), "CRPS grows with the unit");
	/* E|X - y| - E|X - X'| / 2 */
	near(ScoreCrpsSample(0.5, two, 2), 0.25, "CRPS of two values");
	near(ScoreCrpsSample(2, four, 4), 1 - 0.625, "CRPS of four values");
	FmathSeed(&r, 1);
	for (int i = 0; i < 1000; i++)
	{
		large[2 * i] = FmathNormal(&r);
		large[2 * i + 1] = -large[2 * i];
	}
	near(fabs(ScoreCrpsSample(1, large, 2000) - ScoreCrpsNormal(1, 0, 1)) < 0.01, 1, "a large sample has the score of its distribution");
	near(ScoreInterval(12, 8, 11, 95), 43, "an interval that was left above");
	near(ScoreInterval(7, 8, 11, 80), 13, "and below");
	near(ScoreInterval(9, 8, 11, 95), 3, "an interval that held costs its width");
	near(ScoreNaiveAbsolute(y, 4, 1), 7.0 / 3, "mean absolute difference");
	near(ScoreNaiveAbsolute(y, 4, 2), 2, "over a season");
	near(ScoreNaiveSquare(y, 4, 1), sqrt(7), "root mean square difference");
	near(ScoreNaiveAbsolute(y, 4, 9), 7.0 / 3, "a series shorter than its season has steps of 1");
	near(ScoreNaiveAbsolute(y, 1, 1), 0, "one value has no scale");
	printf("1..%d\n", number);
	return failed > 0;
}

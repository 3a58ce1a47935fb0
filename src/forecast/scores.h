/*-------------------------------------------------------------------------
 *
 * scores.h
 *	  Scores of forecasts that need more than a pair of values.  Pure.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_SCORES_H
#define FINOPS_SCORES_H

#include "core/pure.h"

extern double ScorePinball(double actual, double predicted, double quantile);
extern double ScoreCrpsNormal(double actual, double mean, double stddev);
extern double ScoreCrpsSample(double actual, double *sample, int n);	/* sorts it */
extern double ScoreInterval(double actual, double lower, double upper,
							double level);

/* Mean absolute, and root mean square, seasonal difference; 0: no scale. */
extern double ScoreNaiveAbsolute(const double *y, int n, int m);
extern double ScoreNaiveSquare(const double *y, int n, int m);

#endif							/* FINOPS_SCORES_H */

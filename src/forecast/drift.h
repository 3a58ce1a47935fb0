/*-------------------------------------------------------------------------
 *
 * drift.h
 *	  Has a forecaster, or the data it sees, changed?  Pure.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_DRIFT_H
#define FINOPS_DRIFT_H

#include "core/pure.h"

typedef struct DriftResult
{
	double		statistic;		/* the largest so far */
	int			alarm_at;		/* first observation beyond the threshold, from 1; 0: none */
} DriftResult;

/* Errors in units of their expected deviation. */
extern DriftResult DriftCusum(const double *z, int n, double slack, double threshold);
extern DriftResult DriftPageHinkley(const double *z, int n, double delta, double threshold);
extern double DriftTrackingSignal(const double *z, int n);

/* The fewest of n within intervals of a share that chance alone explains. */
extern int	DriftCoverageBound(int n, double share, double alpha);

/* Sort their arguments; NaN where one is empty. */
extern double DriftPsi(double *reference, int n, double *recent, int m, int bins);
extern double DriftKs(double *reference, int n, double *recent, int m);

#endif							/* FINOPS_DRIFT_H */

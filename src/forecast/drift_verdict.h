/*-------------------------------------------------------------------------
 *
 * drift_verdict.h
 *	  Do two samples come from one distribution?  Pure.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_DRIFT_VERDICT_H
#define FINOPS_DRIFT_VERDICT_H

#include "core/pure.h"

typedef struct DriftVerdict
{
	double		statistic;		/* NaN where one sample is empty */
	double		critical;		/* the least statistic that is called drift */
	double		p_value;		/* chance of such a statistic without drift */
	int64		n;				/* of the reference */
	int64		m;				/* of the recent sample */
	int			bins;			/* that hold anything; distinct values of ks */
	bool		drifted;
} DriftVerdict;

/* P(X >= x) of the chi-square distribution, and the x of a P. */
extern double DriftChiSquareTail(double x, int df);
extern double DriftChiSquareQuantile(double tail, int df);

/* Counts by bin of two samples, which hold fewer than 2^62 values each. */
extern DriftVerdict DriftPsiTest(const int64 *reference, const int64 *recent, int bins, double alpha);

/* Sorts its samples; scratch has room for DRIFT_KS_SCRATCH(n, m) values. */
#define DRIFT_KS_DRAWS		20000	/* bridges that are drawn at most */
#define DRIFT_KS_POINTS		1000	/* distinct values up to which they are */
#define DRIFT_KS_SCRATCH(n, m) \
	((size_t) (n) + (m) + 1 + Max((size_t) (m) + 1, DRIFT_KS_DRAWS + DRIFT_KS_POINTS))
extern DriftVerdict DriftKsTest(double *reference, int n, double *recent, int m, double alpha,
								double *scratch, FinopsInterrupt interrupt);

/* Where n values, which are sorted, are cut into bins; how many cuts. */
extern int	DriftQuantiles(double *values, int n, int bins, double *bounds);

#endif							/* FINOPS_DRIFT_VERDICT_H */

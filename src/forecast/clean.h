/*-------------------------------------------------------------------------
 *
 * clean.h
 *	  Level shifts and outliers of a series.  Pure.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_CLEAN_H
#define FINOPS_CLEAN_H

#include "forecast/models.h"

#define FC_MAX_SHIFTS	4
#define FC_LATE_DAYS	3

extern int	FcAlignShifts(double *y, int n, int m, int *at, double *size);
extern int	FcReplaceOutliers(double *y, int n, int m,
							  FinopsInterrupt interrupt, bool *flag);

extern int	FcMaskLate(double *y, int n, int m, double *was);
extern int	FcFillGaps(double *y, int n, int m);
extern int	FcMonthlySpikes(const int *at, const double *size, int k,
							int limit, int *next);

#endif							/* FINOPS_CLEAN_H */

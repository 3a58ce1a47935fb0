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

extern int	FcAlignShifts(double *y, int n, int m, int *at);
extern int	FcReplaceOutliers(double *y, int n, int m,
							  FinopsInterrupt interrupt, bool *flag);

#endif							/* FINOPS_CLEAN_H */

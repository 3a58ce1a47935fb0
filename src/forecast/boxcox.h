/*-------------------------------------------------------------------------
 *
 * boxcox.h
 *	  Power transformations of a series.  Pure.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_BOXCOX_H
#define FINOPS_BOXCOX_H

#include "forecast/models.h"

extern double BoxCox(double y, double lambda);
extern double BoxCoxInverse(double w, double lambda);
extern double BoxCoxInverseSlope(double w, double lambda);
extern double BoxCoxMean(double w, double variance, double lambda);
extern double BoxCoxLambda(const double *y, int n, int m);

#endif							/* FINOPS_BOXCOX_H */

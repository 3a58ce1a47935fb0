/*-------------------------------------------------------------------------
 *
 * regress.h
 *	  Regression on known regressors with correlated errors.  Pure.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_REGRESS_H
#define FINOPS_REGRESS_H

#include "forecast/models.h"

extern bool FcRegress(const double *y, int n, const double *x, int k,
					  int stride, double ridge, double *beta, double *rest,
					  double *penalty);

#endif							/* FINOPS_REGRESS_H */

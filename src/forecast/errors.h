/*-------------------------------------------------------------------------
 *
 * errors.h
 *	  Sums behind the error measures of forecasts.  Pure.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_ERRORS_H
#define FINOPS_ERRORS_H

#include "core/fmath.h"

typedef struct ErrorSums
{
	double		pairs;
	double		nonzero;		/* pairs with actual <> 0 */
	FmathSum	error;			/* predicted - actual */
	FmathSum	absolute;
	FmathSum	square;
	FmathSum	percent;		/* |error / actual| */
	FmathSum	symmetric;		/* |error| / (|actual| + |predicted|) */
	FmathSum	actual;
	FmathSum	magnitude;		/* |actual| */
	FmathSum	actual_square;
} ErrorSums;

typedef enum ErrorMeasure
{
	ERROR_MSE,
	ERROR_RMSE,
	ERROR_MAE,
	ERROR_MAPE,
	ERROR_SMAPE,
	ERROR_WAPE,
	ERROR_R2,
	ERROR_BIAS
} ErrorMeasure;

extern void ErrorAdd(ErrorSums *sums, double actual, double predicted);
extern void ErrorMerge(ErrorSums *sums, const ErrorSums *other);

/* False where the measure is not defined. */
extern bool ErrorResult(const ErrorSums *sums, ErrorMeasure measure,
						double *result);

#endif							/* FINOPS_ERRORS_H */

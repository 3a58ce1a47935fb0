/*-------------------------------------------------------------------------
 *
 * arguments.h
 *	  Arguments of the functions on arrays.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_FORECAST_ARGUMENTS_H
#define FINOPS_FORECAST_ARGUMENTS_H

#include "forecast/forecast.h"

/* 22004 for NULL, 22023 for what is not a series, a horizon, levels. */
extern double *ForecastSeriesArg(FunctionCallInfo fcinfo, int argno, int *n);
extern int	ForecastHorizonArg(FunctionCallInfo fcinfo, int argno);
extern Datum ForecastBounds(const double *values, int n);
extern double *ForecastLevelsArg(FunctionCallInfo fcinfo, int argno, int *n);
extern char *ForecastModelNameArg(FunctionCallInfo fcinfo, int argno);

/* NULL: looked for in the series. */
extern int	ForecastSeasonArg(FunctionCallInfo fcinfo, int argno,
							  const double *y, int n);

/*
 * The options argument; NULL: the defaults.  n and h: observations and steps,
 * which regressors must cover.
 */
extern const FcOptions *ForecastOptionsArg(FunctionCallInfo fcinfo, int argno,
										   int n, int h);

/* An array of finite numbers without nulls, in memory of its own; its length in *n. */
extern double *ForecastSampleArg(FunctionCallInfo fcinfo, int argno, const char *name, int *n);

#endif							/* FINOPS_FORECAST_ARGUMENTS_H */

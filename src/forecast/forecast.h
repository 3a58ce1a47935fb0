/*-------------------------------------------------------------------------
 *
 * forecast.h
 *	  Room forecast: what other rooms may call.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_FORECAST_H
#define FINOPS_FORECAST_H

#include "core/core.h"

#include "forecast/models.h"

/* ---------------------------------------------------------------------
 * Forecasts, forecast.c
 * ---------------------------------------------------------------------
 */

/* CHECK_FOR_INTERRUPTS for pure code. */
extern void ForecastInterrupt(void);

/* 22023 with the list of names. */
extern FcModel ForecastModelArg(const char *name);

/*
 * FcForecast of a checked request, raising where the model does not suit the
 * series.  The arrays are the caller's.
 */
extern void ForecastRun(const FcRequest *request, const char *model_name,
						double *mean, double *lower, double *upper,
						FcDetail *detail);

#endif							/* FINOPS_FORECAST_H */

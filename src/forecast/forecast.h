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

extern void ForecastCheck(FcStatus status, const FcRequest *request,
						  const char *model_name);

/* ---------------------------------------------------------------------
 * Driver files, driver_file.c
 * ---------------------------------------------------------------------
 */

/* Columns in the order of forecast.drivers. */
enum
{
	DRIVER_CODE,
	DRIVER_SCENARIO,
	DRIVER_PERIOD_START,
	DRIVER_VALUE,
	DRIVER_UNIT,
	DRIVER_SOURCE_FILE,
	DRIVER_ENVIRONMENT,
	DRIVER_LOAD_DT,
	DRIVER_COLUMNS
};

/* A row of forecast.drivers, values in the order of its columns. */
typedef struct DriverRow
{
	Datum		values[DRIVER_COLUMNS];
	bool		nulls[DRIVER_COLUMNS];
} DriverRow;

/*
 * Reads a driver file: CSV with a header, plain, gzip or zip, or a workbook;
 * path, file://, https:// or s3:// as finops.load_bill takes them.  load_dt
 * NULL: the date in the file name.  Checks that the current user may read
 * from there, so call it before FinopsBegin.
 */
extern DriverRow *ForecastReadDrivers(const char *source,
									  const DateADT *load_dt, int *nrows);

#endif							/* FINOPS_FORECAST_H */

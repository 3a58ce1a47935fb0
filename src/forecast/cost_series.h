/*-------------------------------------------------------------------------
 *
 * cost_series.h
 *	  Forecasts of daily cost, summed to months.  Pure.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_COST_SERIES_H
#define FINOPS_COST_SERIES_H

#include "core/pure.h"

#define COST_PATHS	1000

/*
 * What stands on the first day of a month above the days after it, when that
 * is a pattern: taken out of the days, its usual amount returned, else 0.
 */
extern double CostTakeFees(double *daily, int n, const int *day_of_month);

extern bool CostTakeHolidays(double *daily, int n, const int *holiday, int names,
							 double *effect);
extern double CostUsualDay(const double *daily, int n, int ahead);

extern double CostScheduled(const double *booked, int n, int ahead);

typedef struct CostMonths
{
	int			ndays;			/* days to forecast */
	const int  *month;			/* [ndays] 0, 1, ... of each of them */
	int			nmonths;
	double	   *mean;			/* [nmonths] sums of the days' forecasts */
	double	   *sample;			/* [nmonths * COST_PATHS] simulated sums, ascending */
	int			late;			/* newest days taken as incomplete */
	double		completion;		/* what is expected to come for them */
	int			shifts;			/* level shifts taken out */
	int			outliers;		/* days replaced */
} CostMonths;

extern void CostForecastDays(const double *daily, int n, CostMonths *months,
							 FinopsInterrupt interrupt);
extern double CostQuantile(const double *sample, double p);
extern double CostMedian(const double *values, int n);

#endif							/* FINOPS_COST_SERIES_H */

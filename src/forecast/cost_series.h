/*-------------------------------------------------------------------------
 *
 * cost_series.h
 *	  Forecasts of daily cost, summed to months.  Pure.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_COST_SERIES_H
#define FINOPS_COST_SERIES_H

#include "forecast/clean.h"

#define COST_PATHS	1000

/*
 * What stands on the first day of a month above the days after it, when the
 * newest six months have it: taken out of the days, the median of the newest
 * three returned, else 0.
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
	double	   *day;			/* [ndays] the forecasts; or NULL */
	bool		keep_outliers;	/* and gaps, and late days, as they are */
	bool		keep_shifts;
	double	   *sample;			/* [nmonths * COST_PATHS] simulated sums, ascending */
	int			late;			/* newest days taken as incomplete */
	double		completion[FC_LATE_DAYS];	/* what is expected to come for
											 * them, the last day first */
	int			shifts;			/* level shifts taken out */
	double		shifted;		/* what they put on a day, in all */
	int			outliers;		/* days replaced */
} CostMonths;

extern void CostForecastDays(const double *daily, int n, CostMonths *months,
							 FinopsInterrupt interrupt);
extern double CostQuantile(const double *sample, double p);
extern double CostMedian(const double *values, int n);

#endif							/* FINOPS_COST_SERIES_H */

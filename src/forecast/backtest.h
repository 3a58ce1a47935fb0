/*-------------------------------------------------------------------------
 *
 * backtest.h
 *	  Errors of forecasts made at earlier origins, by horizon.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_BACKTEST_H
#define FINOPS_BACKTEST_H

#include "forecast/errors.h"
#include "forecast/arguments.h"

#include "utils/jsonb.h"

typedef struct BacktestSpec
{
	const double *y;
	int			n;
	int			m;
	const int  *horizons;
	int			nhorizons;
	int			longest;		/* of the horizons */
	int			folds;
	int			stride;			/* steps between origins */
	int			window;			/* observations used; 0: all before the origin */
	const FcOptions *options;	/* NULL: the defaults */
} BacktestSpec;

/* Sums over the forecasts of one horizon, or of all steps. */
typedef struct BacktestSums
{
	ErrorSums	errors;
	double		scaled_count;	/* forecasts with a scale */
	FmathSum	scaled;			/* |e| / mase scale */
	FmathSum	scaled_square;
	FmathSum	pinball;		/* mean over the quantiles */
	FmathSum	interval;		/* 95 % interval score / mase scale */
	double		intervals;		/* forecasts with bounds */
	double		inside_80;
	double		inside_95;
	double		same_direction;
} BacktestSums;

/* Where the result columns of a report stand. */
enum
{
	BACKTEST_FORECASTS,
	BACKTEST_RMSE,
	BACKTEST_MAE,
	BACKTEST_MAPE,
	BACKTEST_SMAPE,
	BACKTEST_WAPE,
	BACKTEST_MASE,
	BACKTEST_RMSSE,
	BACKTEST_PINBALL,
	BACKTEST_CRPS,
	BACKTEST_MSIS,
	BACKTEST_COVERAGE_80,
	BACKTEST_COVERAGE_95,
	BACKTEST_BIAS,
	BACKTEST_DIRECTION,
	BACKTEST_R2,
	BACKTEST_MEASURES
};

/* 22023 where the series is too short. */
extern void BacktestCheck(const BacktestSpec *spec);
extern int	BacktestOrigin(const BacktestSpec *spec, int fold);

/*
 * Sums by horizon, and behind them those of all steps; by_fold, of all steps,
 * may be NULL.  Not FC_OK: the model does not suit some training part.
 */
extern FcStatus BacktestModel(const BacktestSpec *spec, const FcModel *model,
							  BacktestSums *sums, BacktestSums *by_fold);

/* A measure; false where it is not defined. */
extern bool BacktestMeasure(const BacktestSums *sums, int measure, double *result);

/* The key "forecast" of other options: those of finops.forecast. */
extern const FcOptions *ForecastOptionsWithin(Jsonb *options);

/* A count between two bounds; 22004 and 22023. */
extern int	ForecastCountArg(FunctionCallInfo fcinfo, int argno, const char *name,
							 int least, int most);

#endif							/* FINOPS_BACKTEST_H */

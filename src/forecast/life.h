/*-------------------------------------------------------------------------
 *
 * life.h
 *	  Models by name: where their series comes from, and what is forecast.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_LIFE_H
#define FINOPS_LIFE_H

#include "forecast/backtest.h"
#include "forecast/regular.h"

/* Where the series of a model is read from, and with whose rights. */
typedef struct LifeSource
{
	char	   *source;			/* relation or query */
	char	   *ts;
	char	   *value;
	char	   *options;		/* of the training, as text; NULL: none */
	char	   *owner;			/* who registered it */
	char	   *search_path;	/* in which names of the source were meant */
} LifeSource;

/* The registered source of a model; 22023 when there is none.  In a session. */
extern LifeSource LifeFind(const char *model_name);

/*
 * Its series, read with the rights of its owner.  Not in a session.  The
 * arrays of the result are the caller's.
 */
extern void LifeRead(const LifeSource *source, const char *bucket,
					 const char *zone, RegularSeries *series);

/* What a version of a model forecasts with. */
typedef struct LifeModel
{
	char	   *name;
	int			season;
	int			window;			/* newest observations used; 0: all */
	int			horizon;
} LifeModel;

/* Forecasts from the end of the series into forecast.prediction.  In a session. */
extern int64 LifePredict(Datum model_id, const LifeModel *model,
						 const RegularSeries *series, int horizon);

extern FinopsArg LifeFloatArray(const double *values, int n);

#endif							/* FINOPS_LIFE_H */

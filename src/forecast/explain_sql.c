/*-------------------------------------------------------------------------
 *
 * explain_sql.c
 *	  finops.explain_forecast: a forecast as a sum of parts.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/arguments.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(finops_explain_forecast);

/*
 * finops.explain_forecast(series, horizon, season_length, model, options):
 * rows (step, mean, level, trend, season, regressors, fees, shifts, seasons):
 * level, trend, season, regressors, fees and shifts add up to the mean, the
 * elements of seasons (shortest first) to season.
 */
Datum
finops_explain_forecast(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext work = AllocSetContextCreate(CurrentMemoryContext,
											   "finops explain",
											   ALLOCSET_DEFAULT_SIZES);
	MemoryContext old;
	FcRequest	q = {0};
	FcDetail   *detail;
	FcParts		parts;
	double	   *mean;
	char	   *name;

	InitMaterializedSRF(fcinfo, 0);
	old = MemoryContextSwitchTo(work);
	q.y = ForecastSeriesArg(fcinfo, 0, &q.n);
	q.h = ForecastHorizonArg(fcinfo, 1);
	name = ForecastModelNameArg(fcinfo, 3);
	q.model = ForecastModelArg(name);
	q.m = ForecastSeasonArg(fcinfo, 2, q.y, q.n);
	/* a season longer than the series is none */
	q.m = Min(q.m, q.n + 1);
	q.options = ForecastOptionsArg(fcinfo, 4, q.n, q.h);
	q.interrupt = ForecastInterrupt;
	detail = palloc(sizeof(FcDetail));
	mean = palloc_array(double, (7 + FC_MOST_SEASONS) * (Size) q.h);
	parts.level = mean + q.h;
	parts.trend = mean + 2 * q.h;
	parts.season = mean + 3 * q.h;
	parts.regressors = mean + 4 * q.h;
	parts.fees = mean + 5 * q.h;
	parts.shifts = mean + 6 * q.h;
	parts.seasons = mean + 7 * (Size) q.h;
	ForecastCheck(FcExplain(&q, mean, &parts, detail), &q, name);
	for (int j = 0; j < q.h; j++)
	{
		Datum		values[9],
					seasons[FC_MOST_SEASONS];
		bool		nulls[9] = {false};

		values[0] = Int32GetDatum(j + 1);
		values[1] = Float8GetDatum(mean[j]);
		values[2] = Float8GetDatum(parts.level[j]);
		values[3] = Float8GetDatum(parts.trend[j]);
		values[4] = Float8GetDatum(parts.season[j]);
		values[5] = Float8GetDatum(parts.regressors[j]);
		values[6] = Float8GetDatum(parts.fees[j]);
		values[7] = Float8GetDatum(parts.shifts[j]);
		for (int k = 0; k < parts.nseasons; k++)
			seasons[k] = Float8GetDatum(parts.seasons[(Size) k * q.h + j]);
		values[8] = PointerGetDatum(construct_array(seasons, parts.nseasons, FLOAT8OID,
													sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(work);
	return (Datum) 0;
}

/*-------------------------------------------------------------------------
 *
 * forecast.c
 *	  finops.forecast and finops.backtest: arrays of float8 through the models.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/arguments.h"

#include "nodes/nodeFuncs.h"
#include "nodes/supportnodes.h"
#include "utils/array.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#include <math.h>

PG_FUNCTION_INFO_V1(finops_forecast);
PG_FUNCTION_INFO_V1(finops_forecast_support);
PG_FUNCTION_INFO_V1(finops_backtest);

void
ForecastInterrupt(void)
{
	CHECK_FOR_INTERRUPTS();
}

/* ---------------------------------------------------------------------
 * Arguments
 * ---------------------------------------------------------------------
 */

FcModel
ForecastModelArg(const char *name)
{
	FcModel		model;

	if (!FcModelFromName(name, &model))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown forecast model \"%s\"",
						FinopsQuoteForMessage(name)),
				 errhint("Models are: %s.", FC_MODEL_NAMES)));
	return model;
}

/* ---------------------------------------------------------------------
 * Running a model
 * ---------------------------------------------------------------------
 */
void
ForecastRun(const FcRequest *request, const char *model_name,
			double *mean, double *lower, double *upper, FcDetail *detail)
{
	ForecastCheck(FcForecast(request, mean, lower, upper, detail), request,
				  model_name);
}

/* Raises unless all is well. */
void
ForecastCheck(FcStatus status, const FcRequest *request, const char *model_name)
{
	switch (status)
	{
		case FC_OK:
			return;
		case FC_TOO_SHORT:
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("series of %d observations is too short for model \"%s\" with season length %d",
							request->n, FinopsQuoteForMessage(model_name),
							request->m),
					 errhint("Use model 'auto', which takes what suits the series.")));
			break;
		case FC_NEEDS_SEASON:
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("model \"%s\" needs a season",
							FinopsQuoteForMessage(model_name)),
					 errhint("Give season_length, such as 12 or 7; none was found in the series.")));
			break;
		case FC_SEASON_TOO_LONG:
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("season length %d is too long for model \"%s\"",
							request->m, FinopsQuoteForMessage(model_name)),
					 errhint("Seasonal smoothing goes up to %d; use 'auto' or 'theta' for longer seasons.",
							 ETS_MAX_SEASON)));
			break;
		case FC_NEEDS_POSITIVE:
			if (request->options != NULL && request->options->transform != FC_TRANSFORM_NONE)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("lambda needs positive observations"),
						 errhint("Leave lambda out, or give a power above 0.")));
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("model \"%s\" needs positive observations",
							FinopsQuoteForMessage(model_name)),
					 errhint("Use an additive form, or 'auto'.")));
			break;
		case FC_NEEDS_NONNEGATIVE:
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("model \"%s\" needs observations of at least 0",
							FinopsQuoteForMessage(model_name)),
					 errhint("Use 'auto', which takes any value.")));
			break;
		case FC_SINGULAR:
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("the effects of the regressors cannot be told apart"),
					 errdetail("There are %d regressors and %d observations.",
							   request->options->nregressors, request->n),
					 errhint("Give fewer regressors, or options => '{\"ridge\": 1}'.")));
			break;
	}
}

/*
 * finops.forecast(series, horizon, season_length, model, levels, options):
 * rows (step, mean, lower[], upper[]), bounds in the order of levels, NULL
 * where a single observation leaves the variance unknown.  In the unit of the
 * series.
 */
Datum
finops_forecast(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext work = AllocSetContextCreate(CurrentMemoryContext,
											   "finops forecast",
											   ALLOCSET_DEFAULT_SIZES);
	MemoryContext old;
	FcRequest	q = {0};
	double	   *mean,
			   *lower,
			   *upper;
	char	   *name;

	FinopsRequireFeature(FINOPS_FORECASTING);
	InitMaterializedSRF(fcinfo, 0);
	old = MemoryContextSwitchTo(work);
	q.y = ForecastSeriesArg(fcinfo, 0, &q.n);
	q.h = ForecastHorizonArg(fcinfo, 1);
	name = ForecastModelNameArg(fcinfo, 3);
	q.model = ForecastModelArg(name);
	q.levels = ForecastLevelsArg(fcinfo, 4, &q.nlevels);
	q.m = ForecastSeasonArg(fcinfo, 2, q.y, q.n);
	q.options = ForecastOptionsArg(fcinfo, 5, q.n, q.h);
	q.interrupt = ForecastInterrupt;
	mean = palloc_array(double, q.h);
	lower = palloc_array(double, (Size) q.h * Max(q.nlevels, 1));
	upper = palloc_array(double, (Size) q.h * Max(q.nlevels, 1));
	ForecastRun(&q, name, mean, lower, upper, NULL);
	if (q.options->sum > 0)
		q.h = (q.h + q.options->sum - 1) / q.options->sum;
	for (int j = 0; j < q.h; j++)
	{
		Datum		values[4];
		bool		nulls[4] = {false};

		values[0] = Int32GetDatum(j + 1);
		values[1] = Float8GetDatum(mean[j]);
		values[2] = ForecastBounds(lower + (Size) j * q.nlevels, q.nlevels);
		values[3] = ForecastBounds(upper + (Size) j * q.nlevels, q.nlevels);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(work);
	return (Datum) 0;
}

/* Planner support: a forecast has as many rows as its horizon. */
Datum
finops_forecast_support(PG_FUNCTION_ARGS)
{
	Node	   *node = (Node *) PG_GETARG_POINTER(0);

	if (IsA(node, SupportRequestRows))
	{
		SupportRequestRows *request = (SupportRequestRows *) node;

		if (is_funcclause(request->node))
		{
			List	   *args = ((FuncExpr *) request->node)->args;
			Node	   *horizon = list_length(args) > 1 ? lsecond(args) : NULL;

			if (horizon != NULL && IsA(horizon, Const) &&
				!((Const *) horizon)->constisnull &&
				DatumGetInt32(((Const *) horizon)->constvalue) > 0)
			{
				request->rows = DatumGetInt32(((Const *) horizon)->constvalue);
				PG_RETURN_POINTER(request);
			}
		}
	}
	PG_RETURN_POINTER(NULL);
}

/* ---------------------------------------------------------------------
 * Backtest
 * ---------------------------------------------------------------------
 */

/* Mean absolute seasonal difference of the training part; 0: no scale. */
static double
mase_scale(const double *y, int n, int m)
{
	double		sum = 0;

	if (n <= m)
		m = 1;
	for (int t = m; t < n; t++)
		sum += fabs(y[t] - y[t - m]) / (n - m);
	return sum;
}

static void
nullable(Datum *value, bool *isnull, bool known, double x)
{
	*isnull = !known;
	*value = Float8GetDatum(known ? x : 0);
}

/* One fold: errors of the forecast made at origin, against what came. */
static void
backtest_row(ReturnSetInfo *rsinfo, const char *model, int fold,
			 const FcRequest *q, const double *mean, const double *lower,
			 const double *upper)
{
	const double *actual = q->y + q->n;
	double		scale = mase_scale(q->y, q->n, q->m),
				square = 0,
				absolute = 0,
				naive = 0,
				signed_sum = 0,
				percent = 0,
				symmetric = 0,
				total = 0;
	int			inside[2] = {0, 0},
				nonzero = 0,
				season = q->m <= q->n ? q->m : 1;
	Datum		values[15];
	bool		nulls[15] = {false};

	for (int j = 0; j < q->h; j++)
	{
		double		e = mean[j] - actual[j],
					base = q->y[q->n - season + j % season] - actual[j];

		square += e * e / q->h;
		naive += base * base / q->h;
		absolute += fabs(e) / q->h;
		signed_sum += e / q->h;
		total += fabs(actual[j]) / q->h;
		if (actual[j] != 0)
		{
			percent += 100 * fabs(e / actual[j]);
			nonzero++;
		}
		if (e != 0)
			symmetric += 200 * fabs(e) / (fabs(mean[j]) + fabs(actual[j])) / q->h;
		for (int i = 0; i < 2; i++)
			if (actual[j] >= lower[2 * j + i] && actual[j] <= upper[2 * j + i])
				inside[i]++;
	}
	values[0] = CStringGetTextDatum(model);
	values[1] = Int32GetDatum(fold);
	values[2] = Int32GetDatum(q->n);
	values[3] = Int32GetDatum(q->h);
	values[4] = Float8GetDatum(sqrt(square));
	values[5] = Float8GetDatum(absolute);
	nullable(&values[6], &nulls[6], nonzero > 0, percent / Max(nonzero, 1));
	values[7] = Float8GetDatum(symmetric);
	nullable(&values[8], &nulls[8], total > 0, 100 * absolute / Max(total, 1e-300));
	nullable(&values[9], &nulls[9], scale > 0, absolute / Max(scale, 1e-300));
	values[10] = Float8GetDatum(signed_sum);
	values[11] = Float8GetDatum((double) inside[0] / q->h);
	values[12] = Float8GetDatum((double) inside[1] / q->h);
	values[13] = Float8GetDatum(sqrt(naive));
	nullable(&values[14], &nulls[14], naive > 0,
			 1 - sqrt(square) / Max(sqrt(naive), 1e-300));
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/*
 * finops.backtest(series, horizon, season_length, model, folds): rolling
 * origin with a growing window; the test windows of the folds do not overlap
 * and the last one ends with the series.  The season is looked for once, in
 * the part before the first origin, so that no fold sees its future.
 */
Datum
finops_backtest(PG_FUNCTION_ARGS)
{
	static const double levels[2] = {80, 95};
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext work = AllocSetContextCreate(CurrentMemoryContext,
											   "finops backtest",
											   ALLOCSET_DEFAULT_SIZES);
	MemoryContext old;
	FcRequest	q = {0};
	int			n,
				folds;
	char	   *name;
	double	   *bounds;

	InitMaterializedSRF(fcinfo, 0);
	old = MemoryContextSwitchTo(work);
	q.y = ForecastSeriesArg(fcinfo, 0, &n);
	q.h = ForecastHorizonArg(fcinfo, 1);
	name = ForecastModelNameArg(fcinfo, 3);
	q.model = ForecastModelArg(name);
	FinopsRequireArg(fcinfo, 4, "folds");
	folds = PG_GETARG_INT32(4);
	if (folds < 1 || folds > 1000)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("folds must be between 1 and 1000, not %d", folds)));
	if ((int64) folds * q.h >= n)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("series of %d observations is too short for %d folds of %d steps",
						n, folds, q.h),
				 errdetail("Each fold tests on its own window after a training part."),
				 errhint("Use fewer folds or a shorter horizon.")));
	q.m = ForecastSeasonArg(fcinfo, 2, q.y, n - folds * q.h);
	q.levels = levels;
	q.nlevels = 2;
	q.interrupt = ForecastInterrupt;
	bounds = palloc_array(double, 5 * (Size) q.h);
	for (int fold = 1; fold <= folds; fold++)
	{
		q.n = n - (folds - fold + 1) * q.h;
		ForecastRun(&q, name, bounds, bounds + q.h, bounds + 3 * (Size) q.h,
					NULL);
		backtest_row(rsinfo, name, fold, &q, bounds, bounds + q.h,
					 bounds + 3 * (Size) q.h);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(work);
	return (Datum) 0;
}

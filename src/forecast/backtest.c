/*-------------------------------------------------------------------------
 *
 * backtest.c
 *	  Errors of forecasts made at earlier origins, by horizon:
 *	  finops.backtest_report and finops.quality_gate.
 *
 * Fold k forecasts from an origin that is stride steps after that of fold
 * k - 1; the last fold ends with the series.  The window before the origin
 * grows with it, or slides with a fixed length.  Intervals are asked for at
 * ten levels, whose bounds with the mean are the 19 quantiles 0.05, 0.10 ...
 * 0.95 (and 0.025 and 0.975 for the 95 % interval); twice the mean pinball
 * loss of the 19 approximates the CRPS.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/backtest.h"

#include "forecast/jsonb_options.h"
#include "forecast/scores.h"

#include "utils/array.h"
#include "utils/memutils.h"

#include <math.h>

PG_FUNCTION_INFO_V1(finops_backtest_report);
PG_FUNCTION_INFO_V1(finops_quality_gate);

#define MAX_FOLDS	1000
#define MAX_MODELS	50

static const double levels[] = {10, 20, 30, 40, 50, 60, 70, 80, 90, 95};

#define NLEVELS		((int) lengthof(levels))
#define LEVEL_80	7
#define LEVEL_95	9

/* ---------------------------------------------------------------------
 * Arguments
 * ---------------------------------------------------------------------
 */
int
ForecastCountArg(FunctionCallInfo fcinfo, int argno, const char *name, int least,
				 int most)
{
	int			value;

	FinopsRequireArg(fcinfo, argno, name);
	value = PG_GETARG_INT32(argno);
	if (value < least || value > most)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be between %d and %d, not %d", name, least, most, value),
				 errhint("Give %s => %d, for example.", name, Max(least, Min(most, 5)))));
	return value;
}

/* The key "forecast" of other options: those of finops.forecast. */
const FcOptions *
ForecastOptionsWithin(Jsonb *options)
{
	JsonbValue *v = options == NULL ? NULL :
		getKeyJsonValueFromContainer(&options->root, "forecast", 8, NULL);
	Jsonb	   *own;
	LOCAL_FCINFO(fcinfo, 1);

	if (v == NULL || v->type == jbvNull)
		return &FcDefaults;
	own = JsonbValueToJsonb(v);
	if (JB_ROOT_IS_OBJECT(own) &&
		(getKeyJsonValueFromContainer(&own->root, "regressors", 10, NULL) != NULL ||
		 getKeyJsonValueFromContainer(&own->root, "sum", 3, NULL) != NULL))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("regressors and sum are for one series"),
				 errhint("Use finops.forecast() for them.")));
	InitFunctionCallInfoData(*fcinfo, NULL, 1, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = JsonbPGetDatum(own);
	fcinfo->args[0].isnull = false;
	return ForecastOptionsArg(fcinfo, 0, 0, 1);
}

/* ---------------------------------------------------------------------
 * Backtest
 * ---------------------------------------------------------------------
 */
int
BacktestOrigin(const BacktestSpec *spec, int fold)
{
	return spec->n - spec->longest - (spec->folds - fold) * spec->stride;
}

void
BacktestCheck(const BacktestSpec *spec)
{
	int64		first = (int64) spec->n - spec->longest -
		(int64) (spec->folds - 1) * spec->stride;

	if (first < Max(spec->window, 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("series of %d observations is too short for %d folds of %d steps",
						spec->n, spec->folds, spec->longest),
				 errdetail("The first fold would have %lld observations before its origin.",
						   (long long) Max(first, 0)),
				 errhint("Use fewer folds, a shorter horizon, stride or window.")));
}

static int
sign_of(double x)
{
	return x > 0 ? 1 : (x < 0 ? -1 : 0);
}

/* One forecast against what came. */
static void
add_forecast(BacktestSums *s, double actual, double last, double mean,
			 const double *lower, const double *upper, double absolute_scale,
			 double square_scale)
{
	double		e = mean - actual,
				pinball = ScorePinball(actual, mean, 0.5);

	ErrorAdd(&s->errors, actual, mean);
	s->same_direction += sign_of(actual - last) == sign_of(mean - last);
	if (absolute_scale > 0)
	{
		s->scaled_count += 1;
		FmathAdd(&s->scaled, fabs(e) / absolute_scale);
		FmathAdd(&s->scaled_square, e * e / square_scale / square_scale);
	}
	/* one observation says nothing about bounds */
	if (isnan(lower[0]))
		return;
	s->intervals += 1;
	for (int i = 0; i < LEVEL_95; i++)
		pinball += ScorePinball(actual, lower[i], 0.5 - levels[i] / 200) +
			ScorePinball(actual, upper[i], 0.5 + levels[i] / 200);
	FmathAdd(&s->pinball, pinball / (2 * LEVEL_95 + 1));
	if (absolute_scale > 0)
		FmathAdd(&s->interval, ScoreInterval(actual, lower[LEVEL_95], upper[LEVEL_95], 95) / absolute_scale);
	s->inside_80 += actual >= lower[LEVEL_80] && actual <= upper[LEVEL_80];
	s->inside_95 += actual >= lower[LEVEL_95] && actual <= upper[LEVEL_95];
}

FcStatus
BacktestModel(const BacktestSpec *spec, const FcModel *model,
			  BacktestSums *sums, BacktestSums *by_fold)
{
	int			h = spec->longest;
	double	   *mean = palloc_array(double, (Size) h * (1 + 2 * NLEVELS)),
			   *lower = mean + h,
			   *upper = lower + (Size) h * NLEVELS;
	FcStatus	status = FC_OK;

	memset(sums, 0, (spec->nhorizons + 1) * sizeof(BacktestSums));
	if (by_fold != NULL)
		memset(by_fold, 0, spec->folds * sizeof(BacktestSums));
	for (int fold = 1; fold <= spec->folds && status == FC_OK; fold++)
	{
		int			origin = BacktestOrigin(spec, fold);
		FcRequest	q = {.n = spec->window > 0 ? spec->window : origin,
		.m = spec->m, .h = h, .nlevels = NLEVELS, .levels = levels,
		.interrupt = ForecastInterrupt, .options = spec->options};
		double		absolute_scale,
					square_scale;
		const double *actual = spec->y + origin;

		CHECK_FOR_INTERRUPTS();
		q.y = actual - q.n;
		q.model = *model;
		status = FcForecast(&q, mean, lower, upper, NULL);
		if (status != FC_OK)
			break;
		absolute_scale = ScoreNaiveAbsolute(q.y, q.n, spec->m);
		square_scale = ScoreNaiveSquare(q.y, q.n, spec->m);
		for (int j = 0; j < h; j++)
		{
			BacktestSums *to[3] = {&sums[spec->nhorizons], by_fold == NULL ? NULL : &by_fold[fold - 1], NULL};

			for (int i = 0; i < spec->nhorizons; i++)
				if (spec->horizons[i] == j + 1)
					to[2] = &sums[i];
			for (int i = 0; i < 3; i++)
				if (to[i] != NULL)
					add_forecast(to[i], actual[j], actual[-1], mean[j], lower + (Size) j * NLEVELS,
								 upper + (Size) j * NLEVELS, absolute_scale, square_scale);
		}
	}
	pfree(mean);
	return status;
}

bool
BacktestMeasure(const BacktestSums *s, int measure, double *result)
{
	double		n = s->errors.pairs;

	switch (measure)
	{
		case BACKTEST_FORECASTS:
			*result = n;
			return true;
		case BACKTEST_RMSE:
			return ErrorResult(&s->errors, ERROR_RMSE, result);
		case BACKTEST_MAE:
			return ErrorResult(&s->errors, ERROR_MAE, result);
		case BACKTEST_MAPE:
			return ErrorResult(&s->errors, ERROR_MAPE, result);
		case BACKTEST_SMAPE:
			return ErrorResult(&s->errors, ERROR_SMAPE, result);
		case BACKTEST_WAPE:
			return ErrorResult(&s->errors, ERROR_WAPE, result);
		case BACKTEST_BIAS:
			return ErrorResult(&s->errors, ERROR_BIAS, result);
		case BACKTEST_R2:
			return ErrorResult(&s->errors, ERROR_R2, result);
		case BACKTEST_MASE:
			*result = FmathTotal(s->scaled) / s->scaled_count;
			return s->scaled_count > 0;
		case BACKTEST_RMSSE:
			*result = sqrt(FmathTotal(s->scaled_square) / s->scaled_count);
			return s->scaled_count > 0;
		case BACKTEST_PINBALL:
			*result = FmathTotal(s->pinball) / s->intervals;
			return s->intervals > 0;
		case BACKTEST_CRPS:
			*result = 2 * FmathTotal(s->pinball) / s->intervals;
			return s->intervals > 0;
		case BACKTEST_MSIS:
			*result = FmathTotal(s->interval) / s->scaled_count;
			return s->intervals > 0 && s->scaled_count > 0;
		case BACKTEST_COVERAGE_80:
			*result = s->inside_80 / s->intervals;
			return s->intervals > 0;
		case BACKTEST_COVERAGE_95:
			*result = s->inside_95 / s->intervals;
			return s->intervals > 0;
		case BACKTEST_DIRECTION:
			*result = s->same_direction / n;
			return n > 0;
	}
	return false;
}

/* ---------------------------------------------------------------------
 * Report
 * ---------------------------------------------------------------------
 */
static int *
horizons_arg(FunctionCallInfo fcinfo, int argno, BacktestSpec *spec)
{
	ArrayType  *array;
	int		   *horizons;

	FinopsRequireArg(fcinfo, argno, "horizons");
	array = PG_GETARG_ARRAYTYPE_P(argno);
	spec->nhorizons = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	horizons = (int *) ARR_DATA_PTR(array);
	if (ARR_NDIM(array) > 1 || array_contains_nulls(array) || spec->nhorizons == 0 ||
		spec->nhorizons > 1000)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("horizons must be 1 to 1000 numbers"),
				 errhint("Give steps ahead, such as '{1,3,12}'.")));
	spec->longest = 0;
	for (int i = 0; i < spec->nhorizons; i++)
	{
		if (horizons[i] < 1 || horizons[i] > FC_MAX_HORIZON)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("horizon must be between 1 and %d, not %d", FC_MAX_HORIZON, horizons[i]),
					 errhint("Give steps ahead, such as '{1,3,12}'.")));
		for (int j = 0; j < i; j++)
			if (horizons[j] == horizons[i])
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("horizon %d is there twice", horizons[i]),
						 errhint("Name each horizon once.")));
		spec->longest = Max(spec->longest, horizons[i]);
	}
	return horizons;
}

static char **
models_arg(FunctionCallInfo fcinfo, int argno, int *n)
{
	ArrayType  *array;
	Datum	   *values;
	char	  **names;

	FinopsRequireArg(fcinfo, argno, "models");
	array = PG_GETARG_ARRAYTYPE_P(argno);
	if (ARR_NDIM(array) > 1 || array_contains_nulls(array) ||
		ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)) == 0 ||
		ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)) > MAX_MODELS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("models must be 1 to %d names", MAX_MODELS),
				 errhint("Models are: %s.", FC_MODEL_NAMES)));
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &values, NULL, n);
	names = palloc_array(char *, *n);
	for (int i = 0; i < *n; i++)
		names[i] = TextDatumGetCString(values[i]);
	return names;
}

static const char *
status_text(FcStatus status)
{
	switch (status)
	{
		case FC_TOO_SHORT:
			return "a training part is too short for the model";
		case FC_NEEDS_SEASON:
			return "the model needs a season";
		case FC_SEASON_TOO_LONG:
			return "the season is too long for the model";
		case FC_NEEDS_POSITIVE:
			return "the model needs positive observations";
		case FC_NEEDS_NONNEGATIVE:
			return "the model needs observations that are not negative";
		default:
			return "the model does not suit the series";
	}
}

static void
report_row(ReturnSetInfo *rsinfo, const char *model, int horizon,
		   const BacktestSums *sums, const char *error)
{
	Datum		values[BACKTEST_MEASURES + 3];
	bool		nulls[BACKTEST_MEASURES + 3] = {false};

	values[0] = CStringGetTextDatum(model);
	values[1] = Int32GetDatum(horizon);
	nulls[1] = horizon == 0;
	for (int i = 0; i < BACKTEST_MEASURES; i++)
	{
		double		x = 0;

		nulls[2 + i] = error != NULL || !BacktestMeasure(sums, i, &x);
		values[2 + i] = i == BACKTEST_FORECASTS ? Int64GetDatum((int64) x) : Float8GetDatum(x);
	}
	nulls[BACKTEST_MEASURES + 2] = error == NULL;
	values[BACKTEST_MEASURES + 2] = error == NULL ? (Datum) 0 : CStringGetTextDatum(error);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/*
 * finops.backtest_report(series, horizons, season_length, models, folds,
 * options): per model a row for each horizon and, with horizon NULL, one over
 * all steps.
 */
Datum
finops_backtest_report(PG_FUNCTION_ARGS)
{
	static const char *const windows[] = {"expanding", "sliding"};
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Jsonb	   *options = OptionsArg(fcinfo, 5, "forecast, stride, window, window_size");
	BacktestSpec spec = {0};
	BacktestSums *sums;
	char	  **names;
	int			nmodels;
	bool		sliding;

	InitMaterializedSRF(fcinfo, 0);
	spec.y = ForecastSeriesArg(fcinfo, 0, &spec.n);
	spec.horizons = horizons_arg(fcinfo, 1, &spec);
	names = models_arg(fcinfo, 3, &nmodels);
	spec.folds = ForecastCountArg(fcinfo, 4, "folds", 1, MAX_FOLDS);
	spec.stride = OptionInt(options, "stride", spec.longest, 1, 1000000);
	sliding = OptionChoice(options, "window", windows, lengthof(windows), 0) == 1;
	BacktestCheck(&spec);
	/* a sliding window is as long as the first origin allows, unless given */
	spec.window = OptionInt(options, "window_size", sliding ? BacktestOrigin(&spec, 1) : 0, 1, 1000000);
	if (!sliding)
		spec.window = 0;
	BacktestCheck(&spec);
	spec.options = ForecastOptionsWithin(options);
	/* no fold sees its future in the season */
	spec.m = ForecastSeasonArg(fcinfo, 2, spec.y, BacktestOrigin(&spec, 1));
	sums = palloc_array(BacktestSums, spec.nhorizons + 1);
	for (int i = 0; i < nmodels; i++)
	{
		FcModel		model = ForecastModelArg(names[i]);
		FcStatus	status = BacktestModel(&spec, &model, sums, NULL);
		const char *error = status == FC_OK ? NULL : status_text(status);

		for (int j = 0; j < spec.nhorizons; j++)
			report_row(rsinfo, names[i], spec.horizons[j], &sums[j], error);
		report_row(rsinfo, names[i], 0, &sums[spec.nhorizons], error);
	}
	return (Datum) 0;
}

/* ---------------------------------------------------------------------
 * Quality gate
 * ---------------------------------------------------------------------
 */
typedef struct Gate
{
	const char *name;
	bool		asked;
	double		limit;
	bool		known;
	double		value;
} Gate;

static bool
gate_passes(const Gate *gate)
{
	return !gate->asked || (gate->known && gate->value <= gate->limit);
}

static Gate
gate_arg(FunctionCallInfo fcinfo, int argno, const char *name)
{
	Gate		gate = {.name = name, .asked = !PG_ARGISNULL(argno)};

	if (gate.asked)
		gate.limit = PG_GETARG_FLOAT8(argno);
	if (gate.asked && !(gate.limit >= 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("gate %s must be at least 0, not %g", name, gate.limit),
				 errhint("NULL leaves a gate out.")));
	return gate;
}

static void
run_model(const BacktestSpec *spec, const char *name, BacktestSums *all)
{
	BacktestSums sums[1];
	FcModel		model = ForecastModelArg(name);
	FcStatus	status = BacktestModel(spec, &model, sums, NULL);

	if (status != FC_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("model \"%s\" cannot be judged: %s", FinopsQuoteForMessage(name), status_text(status)),
				 errhint("Use model 'auto', a longer series or fewer folds.")));
	*all = sums[0];
}

static char *
gate_text(const Gate *gate, int n)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < n; i++)
		if (gate[i].asked)
		{
			appendStringInfo(&buf, "%s%s: ", buf.len > 0 ? ", " : "", gate[i].name);
			if (gate[i].known)
				appendStringInfo(&buf, "%.6g, at most %.6g", gate[i].value, gate[i].limit);
			else
				appendStringInfoString(&buf, "not defined");
		}
	return buf.data;
}

/*
 * finops.quality_gate(series, horizon, season_length, model, folds,
 * max_rmse_ratio, max_mape, max_nrmse, baseline): the gates as rows, or 23514
 * when one is not met.
 */
Datum
finops_quality_gate(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	BacktestSpec spec = {0};
	BacktestSums own,
				base;
	Gate		gate[3];
	char	   *model,
			   *baseline;
	double		rmse = 0,
				base_rmse = 0,
				magnitude;

	InitMaterializedSRF(fcinfo, 0);
	spec.y = ForecastSeriesArg(fcinfo, 0, &spec.n);
	spec.longest = spec.stride = ForecastCountArg(fcinfo, 1, "horizon", 1, FC_MAX_HORIZON);
	spec.folds = ForecastCountArg(fcinfo, 4, "folds", 1, MAX_FOLDS);
	FinopsRequireArg(fcinfo, 3, "model");
	FinopsRequireArg(fcinfo, 8, "baseline");
	model = text_to_cstring(PG_GETARG_TEXT_PP(3));
	baseline = text_to_cstring(PG_GETARG_TEXT_PP(8));
	gate[0] = gate_arg(fcinfo, 5, "rmse_ratio");
	gate[1] = gate_arg(fcinfo, 6, "mape");
	gate[2] = gate_arg(fcinfo, 7, "nrmse");
	BacktestCheck(&spec);
	spec.m = ForecastSeasonArg(fcinfo, 2, spec.y, BacktestOrigin(&spec, 1));
	run_model(&spec, model, &own);
	run_model(&spec, baseline, &base);
	(void) BacktestMeasure(&own, BACKTEST_RMSE, &rmse);
	(void) BacktestMeasure(&base, BACKTEST_RMSE, &base_rmse);
	/* nothing to beat: as good when both are exact */
	gate[0].known = base_rmse > 0 || rmse == 0;
	gate[0].value = base_rmse > 0 ? rmse / base_rmse : 1;
	gate[1].known = BacktestMeasure(&own, BACKTEST_MAPE, &gate[1].value);
	magnitude = FmathTotal(own.errors.magnitude) / own.errors.pairs;
	gate[2].known = magnitude > 0;
	gate[2].value = gate[2].known ? rmse / magnitude : 0;
	for (int i = 0; i < 3; i++)
		if (!gate_passes(&gate[i]))
			ereport(ERROR,
					(errcode(ERRCODE_CHECK_VIOLATION),
					 errmsg("model \"%s\" does not pass the gate %s", FinopsQuoteForMessage(model), gate[i].name),
					 errdetail("%s; baseline %s, %d folds of %d steps.", gate_text(gate, 3),
							   baseline, spec.folds, spec.longest),
					 errhint("finops.backtest_report() shows where a model is weak.")));
	for (int i = 0; i < 3; i++)
	{
		Datum		values[4] = {CStringGetTextDatum(gate[i].name), Float8GetDatum(gate[i].value),
		Float8GetDatum(gate[i].limit), BoolGetDatum(true)};
		bool		nulls[4] = {false, !gate[i].known, !gate[i].asked, !gate[i].asked};

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

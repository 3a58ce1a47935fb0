/*-------------------------------------------------------------------------
 *
 * arguments.c
 *	  Arguments of the functions on arrays.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/arguments.h"

#include "forecast/jsonb_options.h"

#include "utils/array.h"

#include <math.h>

#define MAX_LEVELS	100
#define MAX_VALUE	1e300		/* squares and sums of differences stay finite */
#define MAX_SUM		10000

/* Elements of a one-dimensional float8[] without NULLs. */
static double *
array_elements(ArrayType *array, const char *what, int *n)
{
	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must have one dimension, not %d", what,
						ARR_NDIM(array)),
				 errhint("Give one series at a time, such as ARRAY[1.5, 2.5].")));
	*n = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	if (array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not contain nulls", what),
				 errhint("Fill gaps before aggregating, for example with array_agg(coalesce(value, 0) ORDER BY day).")));
	return (double *) ARR_DATA_PTR(array);
}

double *
ForecastSeriesArg(FunctionCallInfo fcinfo, int argno, int *n)
{
	double	   *y;

	FinopsRequireArg(fcinfo, argno, "series");
	y = array_elements(PG_GETARG_ARRAYTYPE_P(argno), "series", n);
	if (*n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("series is empty"),
				 errhint("Give at least one observation, oldest first.")));
	for (int i = 0; i < *n; i++)
		if (!(fabs(y[i]) <= MAX_VALUE))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("observation %d of series is not a finite number below 1e300", i + 1),
					 errhint("Replace NaN and Infinity before forecasting.")));
	return y;
}

int
ForecastHorizonArg(FunctionCallInfo fcinfo, int argno)
{
	int			h;

	FinopsRequireArg(fcinfo, argno, "horizon");
	h = PG_GETARG_INT32(argno);
	if (h < 1 || h > FC_MAX_HORIZON)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("horizon must be between 1 and %d, not %d",
						FC_MAX_HORIZON, h),
				 errhint("horizon counts steps after the end of the series.")));
	return h;
}

/* NULL: looked for in the series. */
int
ForecastSeasonArg(FunctionCallInfo fcinfo, int argno, const double *y, int n)
{
	int			m,
				skip = Max(n - FC_MAX_FIT, 0);

	if (PG_ARGISNULL(argno))
		return FcDetectSeason(y + skip, n - skip, ForecastInterrupt);
	m = PG_GETARG_INT32(argno);
	if (m < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("season length must be at least 1, not %d", m),
				 errhint("Use 12 for monthly data with a yearly season, 7 for daily data with a weekly one, 1 for none, NULL to detect it.")));
	return m;
}

double *
ForecastLevelsArg(FunctionCallInfo fcinfo, int argno, int *n)
{
	double	   *levels;

	FinopsRequireArg(fcinfo, argno, "levels");
	levels = array_elements(PG_GETARG_ARRAYTYPE_P(argno), "levels", n);
	if (*n > MAX_LEVELS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("at most %d levels may be asked for", MAX_LEVELS)));
	for (int i = 0; i < *n; i++)
		if (!(levels[i] > 0 && levels[i] < 100))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("level %g is not between 0 and 100", levels[i]),
					 errhint("A level is a coverage in percent, such as 80 or 95.")));
	return levels;
}

char *
ForecastModelNameArg(FunctionCallInfo fcinfo, int argno)
{
	FinopsRequireArg(fcinfo, argno, "model");
	return text_to_cstring(PG_GETARG_TEXT_PP(argno));
}

/* ---------------------------------------------------------------------
 * Options
 * ---------------------------------------------------------------------
 */
#define OPTION_KEYS \
	"lambda, median, non_negative, lower, upper, seasons, interval, seed, sum, " \
	"outliers, level_shifts, regressors, ridge"

static void
transform_option(Jsonb *options, FcOptions *o)
{
	JsonbValue *v = getKeyJsonValueFromContainer(&options->root, "lambda", 6, NULL);

	o->median = OptionBool(options, "median", false);
	if (v == NULL || v->type == jbvNull)
		return;
	if (v->type == jbvString)
	{
		static const char *const names[] = {"auto", "log"};

		if (OptionChoice(options, "lambda", names, lengthof(names), 0) == 0)
			o->transform = FC_TRANSFORM_AUTO;
		else
		{
			o->transform = FC_TRANSFORM_LAMBDA;
			o->lambda = 0;
		}
		return;
	}
	o->transform = FC_TRANSFORM_LAMBDA;
	o->lambda = OptionNumber(options, "lambda", 1, -2, 2);
}

static void
season_option(Jsonb *options, FcOptions *o)
{
	int			n;
	double	   *seasons = OptionNumbers(options, "seasons", &n);

	if (seasons == NULL)
		return;
	if (n > STL_MAX_SEASONS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("at most %d seasons may be given, not %d",
						STL_MAX_SEASONS, n),
				 errhint("For hours: options => '{\"seasons\": [24, 168]}'.")));
	for (int i = 0; i < n; i++)
	{
		int			at = i;

		if (!(seasons[i] >= 2 && seasons[i] <= FC_MAX_FIT) ||
			seasons[i] != floor(seasons[i]))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("season length %g is not a whole number between 2 and %d",
							seasons[i], FC_MAX_FIT),
					 errhint("For hours: options => '{\"seasons\": [24, 168]}'.")));
		for (; at > 0 && o->seasons[at - 1] > (int) seasons[i]; at--)
			o->seasons[at] = o->seasons[at - 1];
		o->seasons[at] = (int) seasons[i];
		o->nseasons++;
	}
}

/* Columns one after the other: n values of the past, h of the future each. */
static void
regressor_option(Jsonb *options, FcOptions *o, int n, int h)
{
	int			count;
	double	   *values = OptionNumbers(options, "regressors", &count);
	int			stride = n + h;

	if (values == NULL)
		return;
	if (count == 0 || count % stride != 0 || count / stride > FC_MAX_REGRESSORS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("regressors have %d values, not a multiple of %d up to %d times",
						count, stride, FC_MAX_REGRESSORS),
				 errdetail("Each regressor needs %d values of the past and %d of the future.", n, h),
				 errhint("Give the columns one after the other in one array.")));
	for (int i = 0; i < count; i++)
		if (!(fabs(values[i]) <= MAX_VALUE))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("value %d of the regressors is not a finite number", i + 1),
					 errhint("Replace NaN and Infinity before forecasting.")));
	o->nregressors = count / stride;
	o->regressors = values;
}

static FcTreat
treat_option(Jsonb *options, const char *key)
{
	/* a missing key is neither of both */
	if (OptionBool(options, key, false) != OptionBool(options, key, true))
		return FC_TREAT_DEFAULT;
	return OptionBool(options, key, false) ? FC_TREAT_ALWAYS : FC_TREAT_NEVER;
}

const FcOptions *
ForecastOptionsArg(FunctionCallInfo fcinfo, int argno, int n, int h)
{
	static const char *const intervals[] = {"default", "analytic", "simulated",
	"conformal", "adaptive"};
	Jsonb	   *options = OptionsArg(fcinfo, argno, OPTION_KEYS);
	FcOptions  *o;

	if (options == NULL)
		return &FcDefaults;
	o = palloc(sizeof(FcOptions));
	*o = FcDefaults;
	transform_option(options, o);
	season_option(options, o);
	regressor_option(options, o, n, h);
	o->lower = OptionNumber(options, "lower",
							OptionBool(options, "non_negative", false) ? 0 : o->lower,
							-MAX_VALUE, MAX_VALUE);
	o->upper = OptionNumber(options, "upper", o->upper, -MAX_VALUE, MAX_VALUE);
	if (o->lower > o->upper)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("lower bound %g is above upper bound %g", o->lower, o->upper),
				 errhint("Give lower at most as high as upper.")));
	o->interval = (FcInterval) OptionChoice(options, "interval", intervals,
											lengthof(intervals), FC_INTERVAL_DEFAULT);
	o->seed = (uint64) OptionNumber(options, "seed", (double) FC_SEED, 0, 9007199254740992.0);
	o->sum = OptionInt(options, "sum", 0, 0, MAX_SUM);
	o->outliers = treat_option(options, "outliers");
	o->shifts = treat_option(options, "level_shifts");
	o->ridge = OptionNumber(options, "ridge", o->ridge, 0, MAX_VALUE);
	return o;
}

/* A float8[]; NaN, an unknown bound, becomes NULL. */
Datum
ForecastBounds(const double *values, int n)
{
	Datum	   *datums = palloc_array(Datum, Max(n, 1));
	bool	   *nulls = palloc_array(bool, Max(n, 1));
	int			dims[1] = {n},
				lbs[1] = {1};
	ArrayType  *result;

	if (n == 0)
		return PointerGetDatum(construct_empty_array(FLOAT8OID));
	for (int i = 0; i < n; i++)
	{
		nulls[i] = isnan(values[i]);
		datums[i] = Float8GetDatum(values[i]);
	}
	result = construct_md_array(datums, nulls, 1, dims, lbs, FLOAT8OID,
								sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
	pfree(datums);
	pfree(nulls);
	return PointerGetDatum(result);
}

double *
ForecastSampleArg(FunctionCallInfo fcinfo, int argno, const char *name, int *n)
{
	ArrayType  *array;
	double	   *values;

	FinopsRequireArg(fcinfo, argno, name);
	array = PG_GETARG_ARRAYTYPE_P_COPY(argno);
	*n = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	values = (double *) ARR_DATA_PTR(array);
	if (ARR_NDIM(array) > 1 || array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must have one dimension and no nulls", name),
				 errhint("Aggregate with array_agg(value) FILTER (WHERE value IS NOT NULL).")));
	for (int i = 0; i < *n; i++)
		if (!isfinite(values[i]))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("value %d of %s is not finite", i + 1, name),
					 errhint("Leave out NaN and Infinity.")));
	return values;
}

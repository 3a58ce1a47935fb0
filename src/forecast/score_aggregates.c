/*-------------------------------------------------------------------------
 *
 * score_aggregates.c
 *	  Aggregates over rows that each have a score: MASE, RMSSE, pinball, CRPS,
 *	  MSIS and coverage.
 *
 * The state is float8[]: magic, rows, and a compensated sum of scores; the
 * result is its mean, or the root of that.  A state is checked before use and
 * the functions are not executable by PUBLIC, as in error_aggregates.c.  Rows
 * with a NULL are skipped, and rows whose scale is 0.
 *
 *-------------------------------------------------------------------------
 */
#include "core/core.h"

#include "core/fmath.h"
#include "forecast/scores.h"

#include "utils/array.h"

PG_FUNCTION_INFO_V1(finops_score_mase);
PG_FUNCTION_INFO_V1(finops_score_rmsse);
PG_FUNCTION_INFO_V1(finops_score_pinball);
PG_FUNCTION_INFO_V1(finops_score_crps_normal);
PG_FUNCTION_INFO_V1(finops_score_crps_sample);
PG_FUNCTION_INFO_V1(finops_score_msis);
PG_FUNCTION_INFO_V1(finops_score_coverage);
PG_FUNCTION_INFO_V1(finops_score_combine);
PG_FUNCTION_INFO_V1(finops_score_mean);
PG_FUNCTION_INFO_V1(finops_score_root);
PG_FUNCTION_INFO_V1(finops_mase_scale);
PG_FUNCTION_INFO_V1(finops_rmsse_scale);

#define SCORE_MAGIC		20060706.0
#define SCORE_LENGTH	4

typedef struct ScoreSums
{
	double		magic;
	double		rows;
	FmathSum	score;
} ScoreSums;

static ScoreSums *
score_state(ArrayType *array)
{
	ScoreSums  *s = (ScoreSums *) ARR_DATA_PTR(array);

	if (ARR_NDIM(array) != 1 || ARR_DIMS(array)[0] != SCORE_LENGTH ||
		ARR_HASNULL(array) || ARR_ELEMTYPE(array) != FLOAT8OID ||
		s->magic != SCORE_MAGIC || !(s->rows >= 0) ||
		s->rows > 9007199254740992.0 || s->rows != floor(s->rows))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid state of a score")));
	return s;
}

/* The state to write to: inside an aggregate its own, else a copy. */
static ArrayType *
writable_state(FunctionCallInfo fcinfo)
{
	MemoryContext context,
				old;
	bool		aggregate = AggCheckCallContext(fcinfo, &context) != 0;
	Datum		zeros[SCORE_LENGTH];
	ArrayType  *array;

	if (!PG_ARGISNULL(0))
		return aggregate ? PG_GETARG_ARRAYTYPE_P(0) : PG_GETARG_ARRAYTYPE_P_COPY(0);
	for (int i = 0; i < SCORE_LENGTH; i++)
		zeros[i] = Float8GetDatum(i == 0 ? SCORE_MAGIC : 0);
	old = MemoryContextSwitchTo(aggregate ? context : CurrentMemoryContext);
	array = construct_array(zeros, SCORE_LENGTH, FLOAT8OID, sizeof(float8),
							FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
	MemoryContextSwitchTo(old);
	return array;
}

static bool
any_null(FunctionCallInfo fcinfo)
{
	for (int i = 1; i < PG_NARGS(); i++)
		if (PG_ARGISNULL(i))
			return true;
	return false;
}

static Datum
add_score(ArrayType *array, double score)
{
	ScoreSums  *s = score_state(array);

	s->rows += 1;
	FmathAdd(&s->score, score);
	PG_RETURN_ARRAYTYPE_P(array);
}

static Datum
no_score(ArrayType *array)
{
	(void) score_state(array);
	PG_RETURN_ARRAYTYPE_P(array);
}

static void
refuse(const char *what, double value, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s %g is out of range", what, value),
			 errhint("%s", hint)));
}

static double
scale_arg(FunctionCallInfo fcinfo, int argno)
{
	double		scale = PG_GETARG_FLOAT8(argno);

	if (scale < 0)
		refuse("scale", scale, "Use finops.mase_scale() or finops.rmsse_scale() of the training series.");
	return scale;
}

/* (state, actual, predicted, scale) */
Datum
finops_score_mase(PG_FUNCTION_ARGS)
{
	ArrayType  *state = writable_state(fcinfo);

	if (any_null(fcinfo) || scale_arg(fcinfo, 3) == 0)
		return no_score(state);
	return add_score(state, fabs(PG_GETARG_FLOAT8(2) - PG_GETARG_FLOAT8(1)) /
					 PG_GETARG_FLOAT8(3));
}

Datum
finops_score_rmsse(PG_FUNCTION_ARGS)
{
	ArrayType  *state = writable_state(fcinfo);
	double		e;

	if (any_null(fcinfo) || scale_arg(fcinfo, 3) == 0)
		return no_score(state);
	e = (PG_GETARG_FLOAT8(2) - PG_GETARG_FLOAT8(1)) / PG_GETARG_FLOAT8(3);
	return add_score(state, e * e);
}

/* (state, actual, predicted, quantile) */
Datum
finops_score_pinball(PG_FUNCTION_ARGS)
{
	ArrayType  *state = writable_state(fcinfo);

	if (any_null(fcinfo))
		return no_score(state);
	if (!(PG_GETARG_FLOAT8(3) > 0 && PG_GETARG_FLOAT8(3) < 1))
		refuse("quantile", PG_GETARG_FLOAT8(3), "A quantile is between 0 and 1, such as 0.9.");
	return add_score(state, ScorePinball(PG_GETARG_FLOAT8(1), PG_GETARG_FLOAT8(2),
										 PG_GETARG_FLOAT8(3)));
}

/* (state, actual, mean, standard deviation) */
Datum
finops_score_crps_normal(PG_FUNCTION_ARGS)
{
	ArrayType  *state = writable_state(fcinfo);

	if (any_null(fcinfo))
		return no_score(state);
	if (!(PG_GETARG_FLOAT8(3) >= 0))
		refuse("standard deviation", PG_GETARG_FLOAT8(3), "It must be at least 0.");
	return add_score(state, ScoreCrpsNormal(PG_GETARG_FLOAT8(1), PG_GETARG_FLOAT8(2),
											PG_GETARG_FLOAT8(3)));
}

/* (state, actual, sample of the forecast) */
Datum
finops_score_crps_sample(PG_FUNCTION_ARGS)
{
	ArrayType  *state = writable_state(fcinfo),
			   *sample;
	int			n;
	double		score;

	if (any_null(fcinfo))
		return no_score(state);
	sample = PG_GETARG_ARRAYTYPE_P_COPY(2);
	n = ArrayGetNItems(ARR_NDIM(sample), ARR_DIMS(sample));
	if (ARR_NDIM(sample) > 1 || array_contains_nulls(sample))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("sample must have one dimension and no nulls"),
				 errhint("Give the simulated values of one step, such as '{9.1,10.4,11}'.")));
	if (n == 0)
		return no_score(state);
	score = ScoreCrpsSample(PG_GETARG_FLOAT8(1), (double *) ARR_DATA_PTR(sample), n);
	pfree(sample);
	return add_score(state, score);
}

/* (state, actual, lower, upper, scale, level in percent) */
Datum
finops_score_msis(PG_FUNCTION_ARGS)
{
	ArrayType  *state = writable_state(fcinfo);

	if (any_null(fcinfo) || scale_arg(fcinfo, 4) == 0)
		return no_score(state);
	if (!(PG_GETARG_FLOAT8(5) > 0 && PG_GETARG_FLOAT8(5) < 100))
		refuse("level", PG_GETARG_FLOAT8(5), "A level is a coverage in percent, such as 80 or 95.");
	return add_score(state, ScoreInterval(PG_GETARG_FLOAT8(1), PG_GETARG_FLOAT8(2),
										  PG_GETARG_FLOAT8(3), PG_GETARG_FLOAT8(5)) /
					 PG_GETARG_FLOAT8(4));
}

/* (state, actual, lower, upper) */
Datum
finops_score_coverage(PG_FUNCTION_ARGS)
{
	ArrayType  *state = writable_state(fcinfo);

	if (any_null(fcinfo))
		return no_score(state);
	return add_score(state, PG_GETARG_FLOAT8(1) >= PG_GETARG_FLOAT8(2) &&
					 PG_GETARG_FLOAT8(1) <= PG_GETARG_FLOAT8(3) ? 1 : 0);
}

Datum
finops_score_combine(PG_FUNCTION_ARGS)
{
	ArrayType  *state = writable_state(fcinfo);
	ScoreSums  *s = score_state(state),
			   *other;

	if (!PG_ARGISNULL(1))
	{
		other = score_state(PG_GETARG_ARRAYTYPE_P(1));
		s->rows += other->rows;
		FmathMerge(&s->score, other->score);
	}
	PG_RETURN_ARRAYTYPE_P(state);
}

static bool
score_result(FunctionCallInfo fcinfo, double *mean)
{
	ScoreSums  *s;

	if (PG_ARGISNULL(0))
		return false;
	s = score_state(PG_GETARG_ARRAYTYPE_P(0));
	*mean = FmathTotal(s->score) / s->rows;
	return s->rows > 0;
}

Datum
finops_score_mean(PG_FUNCTION_ARGS)
{
	double		mean;

	if (!score_result(fcinfo, &mean))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(mean);
}

Datum
finops_score_root(PG_FUNCTION_ARGS)
{
	double		mean;

	if (!score_result(fcinfo, &mean))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(sqrt(mean));
}

/* ---------------------------------------------------------------------
 * Scales
 * ---------------------------------------------------------------------
 */

/* Of (series, season_length); NULL where every difference is 0. */
static Datum
scale_result(FunctionCallInfo fcinfo, double (*scale) (const double *, int, int))
{
	ArrayType  *series;
	int			m;
	double		result;

	FinopsRequireArg(fcinfo, 0, "series");
	FinopsRequireArg(fcinfo, 1, "season_length");
	series = PG_GETARG_ARRAYTYPE_P(0);
	m = PG_GETARG_INT32(1);
	if (ARR_NDIM(series) > 1 || array_contains_nulls(series))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("series must have one dimension and no nulls"),
				 errhint("finops.series_agg makes series without gaps.")));
	if (m < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("season length must be at least 1, not %d", m),
				 errhint("Use 12 for monthly data with a yearly season, 7 for daily data with a weekly one, 1 for none.")));
	result = scale((double *) ARR_DATA_PTR(series),
				   ArrayGetNItems(ARR_NDIM(series), ARR_DIMS(series)), m);
	if (!(result > 0))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(result);
}

Datum
finops_mase_scale(PG_FUNCTION_ARGS)
{
	return scale_result(fcinfo, ScoreNaiveAbsolute);
}

Datum
finops_rmsse_scale(PG_FUNCTION_ARGS)
{
	return scale_result(fcinfo, ScoreNaiveSquare);
}

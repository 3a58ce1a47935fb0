/*-------------------------------------------------------------------------
 *
 * error_aggregates.c
 *	  Aggregates of error measures: states as float8[], so that they combine
 *	  across workers and nodes.
 *
 * All measures share one state, its sums and one transition.  A state is what
 * another process sent, so its length, magic number and counts are checked
 * before use; the functions are not executable by PUBLIC.
 *
 *-------------------------------------------------------------------------
 */
#include "core/core.h"

#include "forecast/errors.h"

#include "utils/array.h"

PG_FUNCTION_INFO_V1(finops_error_accum);
PG_FUNCTION_INFO_V1(finops_error_combine);
PG_FUNCTION_INFO_V1(finops_error_mse);
PG_FUNCTION_INFO_V1(finops_error_rmse);
PG_FUNCTION_INFO_V1(finops_error_mae);
PG_FUNCTION_INFO_V1(finops_error_mape);
PG_FUNCTION_INFO_V1(finops_error_smape);
PG_FUNCTION_INFO_V1(finops_error_wape);
PG_FUNCTION_INFO_V1(finops_error_r2);
PG_FUNCTION_INFO_V1(finops_error_bias);
PG_FUNCTION_INFO_V1(finops_direction_accum);
PG_FUNCTION_INFO_V1(finops_direction_final);

#define ERROR_MAGIC		20060704.0
#define ERROR_LENGTH	(1 + (int) (sizeof(ErrorSums) / sizeof(double)))
#define DIRECTION_MAGIC 20060705.0

/* magic, pairs, last actual, last predicted, comparisons, hits */
#define DIRECTION_LENGTH 6

static void
bad_state(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid state of an error measure")));
}

static bool
is_count(double x)
{
	return x >= 0 && x <= 9007199254740992.0 && x == floor(x);
}

/* The doubles of a state, checked. */
static double *
state_values(ArrayType *array, double magic, int length)
{
	double	   *values;

	if (ARR_NDIM(array) != 1 || ARR_DIMS(array)[0] != length ||
		ARR_HASNULL(array) || ARR_ELEMTYPE(array) != FLOAT8OID)
		bad_state();
	values = (double *) ARR_DATA_PTR(array);
	if (values[0] != magic || !is_count(values[1]))
		bad_state();
	return values;
}

static double *
error_state(ArrayType *array)
{
	double	   *values = state_values(array, ERROR_MAGIC, ERROR_LENGTH);

	if (!is_count(values[2]) || values[2] > values[1])
		bad_state();
	return values;
}

static ArrayType *
new_state(MemoryContext context, double magic, int length)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	Datum	   *zeros = palloc0(length * sizeof(Datum));
	ArrayType  *array;

	for (int i = 0; i < length; i++)
		zeros[i] = Float8GetDatum(i == 0 ? magic : 0);
	array = construct_array(zeros, length, FLOAT8OID, sizeof(float8),
							FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
	pfree(zeros);
	MemoryContextSwitchTo(old);
	return array;
}

/* The state to write to: inside an aggregate its own, else a copy. */
static ArrayType *
writable_state(FunctionCallInfo fcinfo, double magic, int length)
{
	MemoryContext context;
	bool		aggregate = AggCheckCallContext(fcinfo, &context) != 0;

	if (PG_ARGISNULL(0))
		return new_state(aggregate ? context : CurrentMemoryContext, magic,
						 length);
	return aggregate ? PG_GETARG_ARRAYTYPE_P(0) : PG_GETARG_ARRAYTYPE_P_COPY(0);
}

/* Pairs in which either value is NULL are skipped. */
Datum
finops_error_accum(PG_FUNCTION_ARGS)
{
	ArrayType  *array = writable_state(fcinfo, ERROR_MAGIC, ERROR_LENGTH);
	double	   *values = error_state(array);

	if (!PG_ARGISNULL(1) && !PG_ARGISNULL(2))
		ErrorAdd((ErrorSums *) (values + 1), PG_GETARG_FLOAT8(1),
				 PG_GETARG_FLOAT8(2));
	PG_RETURN_ARRAYTYPE_P(array);
}

Datum
finops_error_combine(PG_FUNCTION_ARGS)
{
	ArrayType  *array = writable_state(fcinfo, ERROR_MAGIC, ERROR_LENGTH);
	double	   *values = error_state(array);

	if (!PG_ARGISNULL(1))
		ErrorMerge((ErrorSums *) (values + 1),
				   (ErrorSums *) (error_state(PG_GETARG_ARRAYTYPE_P(1)) + 1));
	PG_RETURN_ARRAYTYPE_P(array);
}

static Datum
error_final(FunctionCallInfo fcinfo, ErrorMeasure measure)
{
	double		result;

	if (PG_ARGISNULL(0) ||
		!ErrorResult((ErrorSums *) (error_state(PG_GETARG_ARRAYTYPE_P(0)) + 1),
					 measure, &result))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(result);
}

Datum
finops_error_mse(PG_FUNCTION_ARGS)
{
	return error_final(fcinfo, ERROR_MSE);
}

Datum
finops_error_rmse(PG_FUNCTION_ARGS)
{
	return error_final(fcinfo, ERROR_RMSE);
}

Datum
finops_error_mae(PG_FUNCTION_ARGS)
{
	return error_final(fcinfo, ERROR_MAE);
}

Datum
finops_error_mape(PG_FUNCTION_ARGS)
{
	return error_final(fcinfo, ERROR_MAPE);
}

Datum
finops_error_smape(PG_FUNCTION_ARGS)
{
	return error_final(fcinfo, ERROR_SMAPE);
}

Datum
finops_error_wape(PG_FUNCTION_ARGS)
{
	return error_final(fcinfo, ERROR_WAPE);
}

Datum
finops_error_r2(PG_FUNCTION_ARGS)
{
	return error_final(fcinfo, ERROR_R2);
}

Datum
finops_error_bias(PG_FUNCTION_ARGS)
{
	return error_final(fcinfo, ERROR_BIAS);
}

static int
sign_of(double x)
{
	return x > 0 ? 1 : (x < 0 ? -1 : 0);
}

/* Needs the order of the pairs, so there is no way to combine states. */
Datum
finops_direction_accum(PG_FUNCTION_ARGS)
{
	ArrayType  *array = writable_state(fcinfo, DIRECTION_MAGIC, DIRECTION_LENGTH);
	double	   *v = state_values(array, DIRECTION_MAGIC, DIRECTION_LENGTH);

	if (!PG_ARGISNULL(1) && !PG_ARGISNULL(2))
	{
		double		actual = PG_GETARG_FLOAT8(1),
					predicted = PG_GETARG_FLOAT8(2);

		if (v[1] > 0)
		{
			v[4] += 1;
			if (sign_of(actual - v[2]) == sign_of(predicted - v[3]))
				v[5] += 1;
		}
		v[1] += 1;
		v[2] = actual;
		v[3] = predicted;
	}
	PG_RETURN_ARRAYTYPE_P(array);
}

Datum
finops_direction_final(PG_FUNCTION_ARGS)
{
	double	   *v;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	v = state_values(PG_GETARG_ARRAYTYPE_P(0), DIRECTION_MAGIC, DIRECTION_LENGTH);
	if (!(v[4] > 0))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(v[5] / v[4]);
}

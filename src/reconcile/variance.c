/*-------------------------------------------------------------------------
 *
 * variance.c
 *	  The variance of an actual amount against an expected one.
 *
 * A variance is a signed percent of abs(expected), so that the sign always
 * says "too much" (+) or "too little" (-), also for a service whose cost is
 * negative because of credits.  Where nothing is expected there is no
 * percent, and the answer is NULL: the caller must treat an actual amount
 * that is not 0 as failed.
 *
 * The aggregate sums both sides first.  Summing percentages, or joining the
 * two sides before summing, is how a reconciliation hides a difference.  Its
 * state is numeric[2] = {actual, expected}; numeric addition is exact, so
 * the order of the rows and the number of workers do not matter.
 *
 *-------------------------------------------------------------------------
 */
#include "reconcile/reconcile.h"

#include "utils/array.h"

PG_FUNCTION_INFO_V1(finops_variance_pct);
PG_FUNCTION_INFO_V1(finops_recon_variance_accum);
PG_FUNCTION_INFO_V1(finops_recon_variance_combine);
PG_FUNCTION_INFO_V1(finops_recon_variance_final);

static bool
is_zero(Datum n)
{
	Datum		zero = NumericGetDatum(int64_to_numeric(0));

	return DatumGetBool(DirectFunctionCall2(numeric_eq, n, zero));
}

/*
 * (actual - expected) / abs(expected) * 100 without trailing zeros; expected
 * is not 0.
 */
static Datum
variance_pct(Datum actual, Datum expected)
{
	Datum		difference = DirectFunctionCall2(numeric_sub, actual, expected);
	Datum		hundredfold = DirectFunctionCall2(numeric_mul, difference,
												  NumericGetDatum(int64_to_numeric(100)));

	Datum		quotient = DirectFunctionCall2(numeric_div, hundredfold,
											   DirectFunctionCall1(numeric_abs, expected));

	return DirectFunctionCall1(numeric_trim_scale, quotient);
}

/*
 * finops.variance_pct(actual numeric, expected numeric) → numeric
 *
 * Percent, signed, of abs(expected); NULL when an argument is NULL or
 * nothing is expected.  NaN and infinities follow numeric arithmetic.  The
 * quotient has the scale of numeric division (at least 16 significant
 * digits); compare amounts, not this quotient, where a boundary counts.
 */
Datum
finops_variance_pct(PG_FUNCTION_ARGS)
{
	Datum		expected = PG_GETARG_DATUM(1);

	if (is_zero(expected))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(variance_pct(PG_GETARG_DATUM(0), expected));
}

/* A state comes from SQL, so anything may be in it. */
static void
read_state(ArrayType *state, Datum *sums)
{
	Datum	   *elements;
	bool	   *nulls;
	int			n;

	if (ARR_NDIM(state) != 1 || ARR_ELEMTYPE(state) != NUMERICOID ||
		ARR_DIMS(state)[0] != 2 || array_contains_nulls(state))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("state of recon_variance must be an array of two numbers")));
	deconstruct_array(state, NUMERICOID, -1, false, TYPALIGN_INT,
					  &elements, &nulls, &n);
	sums[0] = elements[0];
	sums[1] = elements[1];
}

static Datum
make_state(Datum *sums)
{
	return PointerGetDatum(construct_array(sums, 2, NUMERICOID, -1, false,
										   TYPALIGN_INT));
}

/*
 * One row.  NULL on either side counts as 0, so that the rows of a full join
 * can be passed as they are.
 */
Datum
finops_recon_variance_accum(PG_FUNCTION_ARGS)
{
	Datum		sums[2];

	if (PG_ARGISNULL(0))
		sums[0] = sums[1] = NumericGetDatum(int64_to_numeric(0));
	else
		read_state(PG_GETARG_ARRAYTYPE_P(0), sums);
	for (int side = 0; side < 2; side++)
		if (!PG_ARGISNULL(side + 1))
			sums[side] = DirectFunctionCall2(numeric_add, sums[side],
											 PG_GETARG_DATUM(side + 1));
	PG_RETURN_DATUM(make_state(sums));
}

Datum
finops_recon_variance_combine(PG_FUNCTION_ARGS)
{
	Datum		one[2];
	Datum		other[2];

	read_state(PG_GETARG_ARRAYTYPE_P(0), one);
	read_state(PG_GETARG_ARRAYTYPE_P(1), other);
	for (int side = 0; side < 2; side++)
		one[side] = DirectFunctionCall2(numeric_add, one[side], other[side]);
	PG_RETURN_DATUM(make_state(one));
}

/* NULL for no rows and where nothing is expected in sum. */
Datum
finops_recon_variance_final(PG_FUNCTION_ARGS)
{
	Datum		sums[2];

	read_state(PG_GETARG_ARRAYTYPE_P(0), sums);
	if (is_zero(sums[1]))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(variance_pct(sums[0], sums[1]));
}

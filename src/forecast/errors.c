/*-------------------------------------------------------------------------
 *
 * errors.c
 *	  Error measures of forecasts from compensated sums.  Pure.
 *
 * Definitions: Hyndman and Koehler (2006), Another look at measures of
 * forecast accuracy, International Journal of Forecasting 22; sMAPE as in the
 * M4 competition (0..200 percent).
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/errors.h"

void
ErrorAdd(ErrorSums *s, double actual, double predicted)
{
	double		e = predicted - actual,
				square = actual * actual,
				size = fabs(actual) + fabs(predicted);

	s->pairs += 1;
	FmathAdd(&s->error, e);
	FmathAdd(&s->absolute, fabs(e));
	FmathAdd(&s->square, e * e);
	if (actual != 0)
	{
		s->nonzero += 1;
		FmathAdd(&s->percent, fabs(e / actual));
	}
	if (size != 0)
		FmathAdd(&s->symmetric, fabs(e) / size);
	FmathAdd(&s->actual, actual);
	FmathAdd(&s->magnitude, fabs(actual));
	FmathAdd(&s->actual_square, square);
	/* what rounding took from the square */
	if (isfinite(square))
		FmathAdd(&s->actual_square, fma(actual, actual, -square));
}

void
ErrorMerge(ErrorSums *s, const ErrorSums *o)
{
	s->pairs += o->pairs;
	s->nonzero += o->nonzero;
	FmathMerge(&s->error, o->error);
	FmathMerge(&s->absolute, o->absolute);
	FmathMerge(&s->square, o->square);
	FmathMerge(&s->percent, o->percent);
	FmathMerge(&s->symmetric, o->symmetric);
	FmathMerge(&s->actual, o->actual);
	FmathMerge(&s->magnitude, o->magnitude);
	FmathMerge(&s->actual_square, o->actual_square);
}

/*
 * Sum of squared deviations of the actuals, sum y^2 - (sum y)^2 / n in twice
 * the precision, since the two are nearly equal when the mean is large.
 */
static double
total_square(const ErrorSums *s)
{
	double		sum = FmathTotal(s->actual),
				rest = (s->actual.hi - sum) + s->actual.lo,
				mean = sum / s->pairs,
				/* sum = mean n + remainder, exactly enough */
				remainder = fma(-mean, s->pairs, sum) + rest,
				product = mean * sum,
				error = fma(mean, sum, -product);
	FmathSum	total = s->actual_square;

	/* (sum)^2/n = mean sum + sum remainder / n + ... */
	FmathAdd(&total, -product);
	FmathAdd(&total, -error);
	FmathAdd(&total, -mean * (remainder + rest));
	return FmathTotal(total);
}

bool
ErrorResult(const ErrorSums *s, ErrorMeasure measure, double *result)
{
	double		n = s->pairs,
				total;

	if (!(n > 0))
		return false;
	switch (measure)
	{
		case ERROR_MSE:
			*result = FmathTotal(s->square) / n;
			return true;
		case ERROR_RMSE:
			*result = sqrt(FmathTotal(s->square) / n);
			return true;
		case ERROR_MAE:
			*result = FmathTotal(s->absolute) / n;
			return true;
		case ERROR_MAPE:
			*result = 100 * FmathTotal(s->percent) / s->nonzero;
			return s->nonzero > 0;
		case ERROR_SMAPE:
			*result = 200 * FmathTotal(s->symmetric) / n;
			return true;
		case ERROR_WAPE:
			total = FmathTotal(s->magnitude);
			*result = 100 * FmathTotal(s->absolute) / total;
			return total != 0;
		case ERROR_R2:
			total = total_square(s);
			*result = 1 - FmathTotal(s->square) / total;
			return total > 0 || isnan(total);
		case ERROR_BIAS:
			*result = FmathTotal(s->error) / n;
			return true;
	}
	return false;
}

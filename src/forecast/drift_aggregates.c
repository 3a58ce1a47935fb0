/*-------------------------------------------------------------------------
 *
 * drift_aggregates.c
 *	  Drift of rows: finops.hist_agg, psi_agg, ks_agg and the tests of
 *	  finished samples.
 *
 * States are bytea rather than internal, so that parallel workers and other
 * nodes compute partial ones, and in no order.  They are checked before use,
 * since they may come from anywhere, and their functions are not executable
 * by PUBLIC.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/arguments.h"
#include "forecast/drift_verdict.h"

#include "utils/array.h"
#include "utils/memutils.h"

#include <math.h>

PG_FUNCTION_INFO_V1(finops_hist_accum);
PG_FUNCTION_INFO_V1(finops_psi_accum);
PG_FUNCTION_INFO_V1(finops_hist_combine);
PG_FUNCTION_INFO_V1(finops_hist_final);
PG_FUNCTION_INFO_V1(finops_psi_final);
PG_FUNCTION_INFO_V1(finops_psi_test);
PG_FUNCTION_INFO_V1(finops_ks_accum);
PG_FUNCTION_INFO_V1(finops_ks_combine);
PG_FUNCTION_INFO_V1(finops_ks_final);
PG_FUNCTION_INFO_V1(finops_ks_test);
PG_FUNCTION_INFO_V1(finops_quantile_bounds);

#define HISTOGRAM_MAGIC		0x66684931
#define SAMPLES_MAGIC		0x66735031
#define MOST_BOUNDS			1000
#define MOST_COUNT			(PG_INT64_MAX / 4)
#define DEFAULT_ALPHA		0.05

/* Counts of one or two samples, and the bounds of their bins. */
typedef struct Histogram
{
	int32		vl_len_;		/* varlena header */
	uint32		magic;
	int32		bounds;			/* bins are one more, and one for nulls */
	int32		samples;
	int64		counts[FLEXIBLE_ARRAY_MEMBER];	/* bins of each sample, then the bounds */
} Histogram;

#define HISTOGRAM_BINS(h)	((h)->bounds + 2)
#define HISTOGRAM_BOUNDS(h) ((double *) ((h)->counts + (Size) (h)->samples * HISTOGRAM_BINS(h)))

/* Two samples: the reference from the front, the recent values from the back. */
typedef struct Samples
{
	int32		vl_len_;		/* varlena header */
	uint32		magic;
	int32		capacity;
	int32		n;
	int32		m;
	int32		unused;
	double		values[FLEXIBLE_ARRAY_MEMBER];
} Samples;

#define SAMPLES_MOST	((int) ((MaxAllocSize - sizeof(Samples)) / sizeof(double)))

pg_noreturn static void
bad_state(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid state of a drift aggregate")));
}

/* A state that is aligned, in memory of its own. */
static void *
copied_arg(FunctionCallInfo fcinfo, int argno)
{
	return PG_GETARG_BYTEA_P_COPY(argno);
}

static double
alpha_arg(FunctionCallInfo fcinfo, int argno)
{
	double		alpha;

	FinopsRequireArg(fcinfo, argno, "alpha");
	alpha = PG_GETARG_FLOAT8(argno);
	if (!(alpha > 0 && alpha < 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("alpha %g is out of range", alpha),
				 errhint("alpha is the share of false alarms, such as 0.05.")));
	return alpha;
}

static Datum
verdict_row(FunctionCallInfo fcinfo, const DriftVerdict *v)
{
	TupleDesc	tupdesc;
	Datum		values[7] = {Float8GetDatum(v->statistic), Float8GetDatum(v->critical),
		Float8GetDatum(v->p_value), Int64GetDatum(v->n), Int64GetDatum(v->m), Int32GetDatum(v->bins),
	BoolGetDatum(v->drifted)};
	bool		nulls[7] = {isnan(v->statistic), !isfinite(v->critical), isnan(v->p_value),
		false, false, false, isnan(v->statistic)};

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values, nulls));
}

/* ---------------------------------------------------------------------
 * Histograms
 * ---------------------------------------------------------------------
 */

static Size
histogram_size(int bounds, int samples)
{
	return offsetof(Histogram, counts) + sizeof(int64) * samples * (bounds + 2) + sizeof(double) * bounds;
}

static void
check_histogram(const Histogram *h, int samples)
{
	if (VARSIZE(h) < offsetof(Histogram, counts) || h->magic != HISTOGRAM_MAGIC ||
		h->samples != samples || h->bounds < 1 || h->bounds > MOST_BOUNDS ||
		VARSIZE(h) != histogram_size(h->bounds, h->samples))
		bad_state();
}

/* What another process sent may hold what no row makes. */
static Histogram *
histogram_arg(FunctionCallInfo fcinfo, int argno, int samples)
{
	Histogram  *h = copied_arg(fcinfo, argno);
	const double *bounds;

	check_histogram(h, samples);
	bounds = HISTOGRAM_BOUNDS(h);
	for (int i = 0; i < samples * HISTOGRAM_BINS(h); i++)
		if (h->counts[i] < 0 || h->counts[i] > MOST_COUNT)
			bad_state();
	for (int i = 0; i < h->bounds; i++)
		if (!isfinite(bounds[i]) || (i > 0 && bounds[i] <= bounds[i - 1]))
			bad_state();
	return h;
}

static ArrayType *
bounds_arg(FunctionCallInfo fcinfo, int argno)
{
	ArrayType  *array;

	FinopsRequireArg(fcinfo, argno, "bounds");
	array = PG_GETARG_ARRAYTYPE_P(argno);
	if (ARR_NDIM(array) != 1 || ARR_DIMS(array)[0] > MOST_BOUNDS || array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("bounds must be an array of 1 to %d numbers", MOST_BOUNDS),
				 errhint("SELECT finops.quantile_bounds(array_agg(value)) of the reference gives them.")));
	return array;
}

static Histogram *
new_histogram(MemoryContext context, const ArrayType *array, int samples)
{
	int			bounds = ARR_DIMS(array)[0];
	const double *given = (const double *) ARR_DATA_PTR(array);
	Histogram  *h = MemoryContextAllocZero(context, histogram_size(bounds, samples));

	for (int i = 0; i < bounds; i++)
		if (!isfinite(given[i]) || (i > 0 && given[i] <= given[i - 1]))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("bounds must be finite and ascend"),
					 errdetail("Bound %d is %g.", i + 1, given[i])));
	SET_VARSIZE(h, histogram_size(bounds, samples));
	h->magic = HISTOGRAM_MAGIC;
	h->bounds = bounds;
	h->samples = samples;
	memcpy(HISTOGRAM_BOUNDS(h), given, sizeof(double) * bounds);
	return h;
}

/* The first bin whose upper bound is not below x; NaN is above all numbers. */
static int
bin_of(const double *bounds, int n, double x)
{
	int			low = 0,
				high = n;

	while (low < high)
	{
		int			mid = low + (high - low) / 2;

		if (x <= bounds[mid])
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

static Datum
count_value(FunctionCallInfo fcinfo, int samples, int sample, int bounds_argno)
{
	MemoryContext context;
	bool		aggregate = AggCheckCallContext(fcinfo, &context) != 0;
	ArrayType  *bounds = bounds_arg(fcinfo, bounds_argno);
	Histogram  *h;
	int			bin;

	if (PG_ARGISNULL(0))
		h = new_histogram(aggregate ? context : CurrentMemoryContext, bounds, samples);
	else if (aggregate)
	{
		h = (Histogram *) PG_GETARG_BYTEA_P(0);
		check_histogram(h, samples);
	}
	else
		h = histogram_arg(fcinfo, 0, samples);
	if (ARR_DIMS(bounds)[0] != h->bounds ||
		memcmp(ARR_DATA_PTR(bounds), HISTOGRAM_BOUNDS(h), sizeof(double) * h->bounds) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("bounds must be the same for all rows")));
	if (sample >= 0)
	{
		bin = PG_ARGISNULL(1) ? h->bounds + 1 : bin_of(HISTOGRAM_BOUNDS(h), h->bounds, PG_GETARG_FLOAT8(1));
		h->counts[sample * HISTOGRAM_BINS(h) + bin]++;
	}
	PG_RETURN_POINTER(h);
}

/* finops.hist_accum(state, value, bounds) */
Datum
finops_hist_accum(PG_FUNCTION_ARGS)
{
	return count_value(fcinfo, 1, 0, 2);
}

/* finops.psi_accum(state, value, recent, bounds) */
Datum
finops_psi_accum(PG_FUNCTION_ARGS)
{
	return count_value(fcinfo, 2, PG_ARGISNULL(2) ? -1 : PG_GETARG_BOOL(2) ? 1 : 0, 3);
}

/* finops.hist_combine(state, state), of hist_agg and of psi_agg */
Datum
finops_hist_combine(PG_FUNCTION_ARGS)
{
	MemoryContext context;
	MemoryContext old;
	Histogram  *a,
			   *b;

	if (PG_ARGISNULL(0) && PG_ARGISNULL(1))
		PG_RETURN_NULL();
	if (AggCheckCallContext(fcinfo, &context) == 0)
		context = CurrentMemoryContext;
	old = MemoryContextSwitchTo(context);
	a = copied_arg(fcinfo, PG_ARGISNULL(0) ? 1 : 0);
	MemoryContextSwitchTo(old);
	if (VARSIZE(a) < offsetof(Histogram, counts) || (a->samples != 1 && a->samples != 2))
		bad_state();
	check_histogram(a, a->samples);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_POINTER(a);
	b = histogram_arg(fcinfo, 1, a->samples);
	if (a->bounds != b->bounds ||
		memcmp(HISTOGRAM_BOUNDS(a), HISTOGRAM_BOUNDS(b), sizeof(double) * a->bounds) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("bounds must be the same for all rows")));
	for (int i = 0; i < a->samples * HISTOGRAM_BINS(a); i++)
		a->counts[i] += b->counts[i];
	PG_RETURN_POINTER(a);
}

/* finops.hist_final(state): counts by bin, the last one of nulls */
Datum
finops_hist_final(PG_FUNCTION_ARGS)
{
	Histogram  *h;
	Datum	   *counts;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	h = histogram_arg(fcinfo, 0, 1);
	counts = palloc_array(Datum, HISTOGRAM_BINS(h));
	for (int i = 0; i < HISTOGRAM_BINS(h); i++)
		counts[i] = Int64GetDatum(h->counts[i]);
	PG_RETURN_ARRAYTYPE_P(construct_array(counts, HISTOGRAM_BINS(h), INT8OID, sizeof(int64), FLOAT8PASSBYVAL,
										  TYPALIGN_DOUBLE));
}

/* finops.psi_final(state) */
Datum
finops_psi_final(PG_FUNCTION_ARGS)
{
	Histogram  *h;
	DriftVerdict v;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	h = histogram_arg(fcinfo, 0, 2);
	v = DriftPsiTest(h->counts, h->counts + HISTOGRAM_BINS(h), HISTOGRAM_BINS(h), DEFAULT_ALPHA);
	return verdict_row(fcinfo, &v);
}

static const int64 *
counts_arg(FunctionCallInfo fcinfo, int argno, const char *name, int *n)
{
	ArrayType  *array;
	const int64 *counts;

	FinopsRequireArg(fcinfo, argno, name);
	array = PG_GETARG_ARRAYTYPE_P(argno);
	*n = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	counts = (const int64 *) ARR_DATA_PTR(array);
	if (ARR_NDIM(array) != 1 || array_contains_nulls(array) || *n > 100000)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be an array of 1 to 100000 counts without nulls", name),
				 errhint("finops.hist_agg(value, bounds) counts rows by bin.")));
	for (int i = 0; i < *n; i++)
		if (counts[i] < 0 || counts[i] > PG_INT64_MAX / 1000000)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("count %d of %s is out of range", i + 1, name)));
	return counts;
}

/* finops.psi_test(reference, recent, alpha) */
Datum
finops_psi_test(PG_FUNCTION_ARGS)
{
	int			n,
				m;
	const int64 *reference = counts_arg(fcinfo, 0, "reference", &n),
			   *recent = counts_arg(fcinfo, 1, "recent", &m);
	DriftVerdict v;

	if (n != m)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("reference has %d bins, recent has %d", n, m),
				 errhint("Count both with the same bounds.")));
	v = DriftPsiTest(reference, recent, n, alpha_arg(fcinfo, 2));
	return verdict_row(fcinfo, &v);
}

/* ---------------------------------------------------------------------
 * Samples
 * ---------------------------------------------------------------------
 */

static Size
samples_size(int capacity)
{
	return offsetof(Samples, values) + sizeof(double) * (Size) capacity;
}

static void
check_samples(const Samples *s)
{
	if (VARSIZE(s) < offsetof(Samples, values) || s->magic != SAMPLES_MAGIC ||
		s->capacity < 0 || s->capacity > SAMPLES_MOST || s->n < 0 || s->m < 0 ||
		s->n > s->capacity - s->m || VARSIZE(s) != samples_size(s->capacity))
		bad_state();
}

static Samples *
samples_arg(FunctionCallInfo fcinfo, int argno)
{
	Samples    *s = copied_arg(fcinfo, argno);

	check_samples(s);
	for (int i = 0; i < s->n; i++)
		if (isnan(s->values[i]))
			bad_state();
	for (int i = s->capacity - s->m; i < s->capacity; i++)
		if (isnan(s->values[i]))
			bad_state();
	return s;
}

static Samples *
new_samples(MemoryContext context, int64 capacity)
{
	Samples    *s;

	if (capacity > SAMPLES_MOST)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("more than %d values to compare", SAMPLES_MOST),
				 errhint("finops.psi_agg(value, recent, bounds) keeps counts instead of values.")));
	s = MemoryContextAllocZero(context, samples_size((int) capacity));
	SET_VARSIZE(s, samples_size((int) capacity));
	s->magic = SAMPLES_MAGIC;
	s->capacity = (int32) capacity;
	return s;
}

static void
append_samples(Samples *to, const Samples *from)
{
	memcpy(to->values + to->n, from->values, sizeof(double) * from->n);
	to->n += from->n;
	to->m += from->m;
	memcpy(to->values + to->capacity - to->m, from->values + from->capacity - from->m,
		   sizeof(double) * from->m);
}

/* finops.ks_accum(state, value, recent) */
Datum
finops_ks_accum(PG_FUNCTION_ARGS)
{
	MemoryContext context;
	bool		aggregate = AggCheckCallContext(fcinfo, &context) != 0;
	Samples    *s;
	double		x;

	if (!aggregate)
		context = CurrentMemoryContext;
	if (PG_ARGISNULL(0))
		s = new_samples(context, 64);
	else if (aggregate)
	{
		s = (Samples *) PG_GETARG_BYTEA_P(0);
		check_samples(s);
	}
	else
		s = samples_arg(fcinfo, 0);
	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_POINTER(s);
	if (s->n == s->capacity - s->m)
	{
		int64		wanted = Max((int64) s->capacity * 2, 64);
		Samples    *larger;

		if (s->capacity < SAMPLES_MOST)
			wanted = Min(wanted, SAMPLES_MOST);
		larger = new_samples(context, wanted);

		append_samples(larger, s);
		s = larger;
	}
	x = PG_GETARG_FLOAT8(1);
	if (isnan(x))
		x = INFINITY;
	if (PG_GETARG_BOOL(2))
		s->values[s->capacity - ++s->m] = x;
	else
		s->values[s->n++] = x;
	PG_RETURN_POINTER(s);
}

/* finops.ks_combine(state, state) */
Datum
finops_ks_combine(PG_FUNCTION_ARGS)
{
	MemoryContext context;
	Samples    *a = PG_ARGISNULL(0) ? NULL : samples_arg(fcinfo, 0),
			   *b = PG_ARGISNULL(1) ? NULL : samples_arg(fcinfo, 1),
			   *both;

	if (a == NULL && b == NULL)
		PG_RETURN_NULL();
	if (AggCheckCallContext(fcinfo, &context) == 0)
		context = CurrentMemoryContext;
	both = new_samples(context, (a != NULL ? (int64) a->n + a->m : 0) +
					   (b != NULL ? (int64) b->n + b->m : 0));
	if (a != NULL)
		append_samples(both, a);
	if (b != NULL)
		append_samples(both, b);
	PG_RETURN_POINTER(both);
}

static void
check_interrupts(void)
{
	CHECK_FOR_INTERRUPTS();
}

static DriftVerdict
ks_verdict(double *x, int n, double *y, int m, double alpha)
{
	double	   *scratch = MemoryContextAllocHuge(CurrentMemoryContext,
												sizeof(double) * DRIFT_KS_SCRATCH(n, m));
	DriftVerdict v = DriftKsTest(x, n, y, m, alpha, scratch, check_interrupts);

	pfree(scratch);
	return v;
}

/* finops.ks_final(state) */
Datum
finops_ks_final(PG_FUNCTION_ARGS)
{
	Samples    *s;
	DriftVerdict v;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	s = samples_arg(fcinfo, 0);
	v = ks_verdict(s->values, s->n, s->values + s->capacity - s->m, s->m, DEFAULT_ALPHA);
	return verdict_row(fcinfo, &v);
}

/* finops.ks_test(reference, recent, alpha) */
Datum
finops_ks_test(PG_FUNCTION_ARGS)
{
	int			n,
				m;
	double	   *reference = ForecastSampleArg(fcinfo, 0, "reference", &n),
			   *recent = ForecastSampleArg(fcinfo, 1, "recent", &m);
	DriftVerdict v = ks_verdict(reference, n, recent, m, alpha_arg(fcinfo, 2));

	return verdict_row(fcinfo, &v);
}

/* finops.quantile_bounds(sample, bins) */
Datum
finops_quantile_bounds(PG_FUNCTION_ARGS)
{
	int			n,
				cuts,
				bins;
	double	   *values = ForecastSampleArg(fcinfo, 0, "sample", &n);
	double	   *bounds;
	Datum	   *result;

	FinopsRequireArg(fcinfo, 1, "bins");
	bins = PG_GETARG_INT32(1);
	if (bins < 2 || bins > MOST_BOUNDS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("bins must be between 2 and %d, not %d", MOST_BOUNDS, bins)));
	bounds = palloc_array(double, bins);
	cuts = DriftQuantiles(values, n, bins, bounds);
	if (cuts == 0)
	{
		/* of a constant: what is above it is another bin */
		if (n == 0)
			PG_RETURN_NULL();
		bounds[cuts++] = values[0];
	}
	result = palloc_array(Datum, cuts);
	for (int i = 0; i < cuts; i++)
		result[i] = Float8GetDatum(bounds[i]);
	PG_RETURN_ARRAYTYPE_P(construct_array(result, cuts, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL,
										  TYPALIGN_DOUBLE));
}

/*-------------------------------------------------------------------------
 *
 * solve.c
 *	  finops.solve_pools: a system of pools given as arrays.
 *
 * The reciprocal method is what finops.allocate does; direct and step-down
 * are there to compare with.  Direct ignores what pools give to each other;
 * step-down closes one pool after the other and gives its cost to the targets
 * and the pools still open.
 *
 * finops.trace_pools says the same pool by pool: what of each pool's own cost
 * reaches each target.  With N = (I - W')^-1 and B the targets' shares that
 * is B'N, computed some origins at a time by matrix products.
 *
 *-------------------------------------------------------------------------
 */
#include "allocate/engine.h"

#include <math.h>

#include "core/linalg.h"
#include "utils/array.h"
#include "utils/fmgrprotos.h"

PG_FUNCTION_INFO_V1(finops_solve_pools);
PG_FUNCTION_INFO_V1(finops_trace_pools);

#define SOLVE_SCALE		6		/* least scale of the amounts */

/* Shares given: n pools to n pools and m targets, the rest to the operator. */
typedef struct System
{
	int			n;
	int			m;
	const double *pool;			/* n x n */
	const double *target;		/* n x m */
	FinopsReal *left;			/* n: the operator's share */
	FinopsReal *cost;			/* n, in units */
} System;

static void
check_interrupts(void)
{
	CHECK_FOR_INTERRUPTS();
}

static const double *
share_array(FunctionCallInfo fcinfo, int argno, const char *name, int rows, int *columns)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(argno);
	const double *values;
	int			n;

	if (ARR_NDIM(array) != 2 || ARR_DIMS(array)[0] != rows || array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be a two-dimensional array with a row for each of %d pools and no nulls", name, rows)));
	*columns = ARR_DIMS(array)[1];
	n = ArrayGetNItems(2, ARR_DIMS(array));
	values = (const double *) ARR_DATA_PTR(array);
	for (int i = 0; i < n; i++)
		if (!(values[i] >= 0 && values[i] <= 1 + 1e-9))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("%s must be ratios between 0 and 1", name),
					 errdetail("Pool %d gives %g.", i / *columns + 1, values[i])));
	return values;
}

static void
check_rows(System *s)
{
	for (int p = 0; p < s->n; p++)
	{
		FinopsReal total = 0;

		for (int q = 0; q < s->n; q++)
			total += s->pool[(size_t) p * s->n + q];
		for (int t = 0; t < s->m; t++)
			total += s->target[(size_t) p * s->m + t];
		if (total > 1 + 1e-9L)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("shares of pool %d add up to %.9Lg", p + 1, total),
					 errhint("A pool gives at most all it has.")));
		s->left[p] = Max(1 - total, 0);
	}
}

/* Pools that give to each other only: nothing could reach a target. */
static void
refuse_closed(const System *s)
{
	bool	   *leaks = palloc0_array(bool, s->n);
	bool		found = true;

	for (int p = 0; p < s->n; p++)
	{
		leaks[p] = s->left[p] > 1e-12L;
		for (int t = 0; t < s->m && !leaks[p]; t++)
			leaks[p] = s->target[(size_t) p * s->m + t] > 0;
	}
	while (found)
	{
		found = false;
		for (int p = 0; p < s->n; p++)
			for (int q = 0; q < s->n && !leaks[p]; q++)
				if (leaks[q] && s->pool[(size_t) p * s->n + q] > 0)
					leaks[p] = found = true;
	}
	for (int p = 0; p < s->n; p++)
		if (!leaks[p])
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("cost of pool %d goes round in pools and never reaches a target", p + 1),
					 errhint("Let one pool of the circle give a part to a target or to the operator.")));
}

/* I - W' and, in lu, its factors; both have room for n x n. */
static void
factor_system(const System *s, double *a, double *lu)
{
	for (int p = 0; p < s->n; p++)
		for (int q = 0; q < s->n; q++)
			a[(size_t) q * s->n + p] = (p == q) - s->pool[(size_t) p * s->n + q];
	if (lu != a)
		memcpy(lu, a, sizeof(double) * (Size) s->n * s->n);
	if (!LinalgFactorDominant(lu, s->n, check_interrupts))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the system of pools has no solution")));
}

static void
solve_reciprocal(const System *s, FinopsReal *gross)
{
	Size		size = sizeof(double) * (Size) s->n * s->n;
	double	   *a = palloc_extended(size, MCXT_ALLOC_HUGE);
	double	   *lu = palloc_extended(size, MCXT_ALLOC_HUGE);

	factor_system(s, a, lu);
	(void) LinalgSolveRefined(a, lu, s->n, s->cost, gross, 1e-3L, palloc_array(double, s->n));
	pfree(a);
	pfree(lu);
}

/* What the targets and, last, the operator get of pool p's gross cost. */
static void
give(const System *s, int p, FinopsReal amount, const bool *open, FinopsReal *gross,
	 FinopsReal *placed)
{
	FinopsReal total = s->left[p];

	for (int t = 0; t < s->m; t++)
		total += s->target[(size_t) p * s->m + t];
	for (int q = 0; open != NULL && q < s->n; q++)
		if (open[q])
			total += s->pool[(size_t) p * s->n + q];
	if (total <= 0)
	{
		placed[s->m] += amount;
		return;
	}
	for (int t = 0; t < s->m; t++)
		placed[t] += amount * s->target[(size_t) p * s->m + t] / total;
	placed[s->m] += amount * s->left[p] / total;
	for (int q = 0; open != NULL && q < s->n; q++)
		if (open[q])
			gross[q] += amount * s->pool[(size_t) p * s->n + q] / total;
}

static void
solve(const System *s, const char *method, FinopsReal *placed)
{
	FinopsReal *gross = palloc_array(FinopsReal, s->n);
	bool	   *open = palloc_array(bool, s->n);

	memcpy(gross, s->cost, sizeof(FinopsReal) * s->n);
	memset(open, true, s->n);
	if (strcmp(method, "reciprocal") == 0)
	{
		refuse_closed(s);
		solve_reciprocal(s, gross);
		for (int p = 0; p < s->n; p++)
		{
			const double *row = s->target + (size_t) p * s->m;

			for (int t = 0; t < s->m; t++)
				placed[t] += gross[p] * row[t];
			placed[s->m] += gross[p] * s->left[p];
		}
	}
	else
		for (int p = 0; p < s->n; p++)
		{
			open[p] = false;
			give(s, p, gross[p], strcmp(method, "step_down") == 0 ? open : NULL, gross, placed);
		}
}

typedef struct Fraction
{
	FinopsReal rest;
	int			at;
} Fraction;

static int
compare_fractions(const void *a, const void *b)
{
	const Fraction *x = a;
	const Fraction *y = b;

	if (x->rest != y->rest)
		return x->rest > y->rest ? -1 : 1;
	return x->at - y->at;
}

/*
 * Whole units that add up to the total: the floor of each, and one more for
 * those with the largest rests.
 */
static void
round_to_total(const FinopsReal *placed, int n, int64 total, int64 *units)
{
	Fraction   *order = palloc_array(Fraction, n);
	int64		left = total;

	for (int i = 0; i < n; i++)
	{
		FinopsReal floor_of = floorl(placed[i]);

		units[i] = (int64) floor_of;
		order[i] = (Fraction) {placed[i] - floor_of, i};
		left -= units[i];
	}
	qsort(order, n, sizeof(Fraction), compare_fractions);
	for (int i = 0; i < n && left > 0; i++, left--)
		units[order[i].at]++;
	for (int i = n - 1; i >= 0 && left < 0; i--, left++)
		units[order[i].at]--;
	if (left != 0)
		elog(ERROR, "solution of a system of pools is off by %lld units", (long long) left);
}

static int64
read_costs(ArrayType *array, System *s, int *scale)
{
	Datum	   *values;
	int64		total = 0;

	if (ARR_NDIM(array) != 1 || array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("costs must be a one-dimensional array without nulls")));
	deconstruct_array(array, NUMERICOID, -1, false, TYPALIGN_INT, &values, NULL, &s->n);
	s->cost = palloc_array(FinopsReal, s->n);
	s->left = palloc_array(FinopsReal, s->n);
	*scale = SOLVE_SCALE;
	for (int p = 0; p < s->n; p++)
		if (!numeric_is_nan(DatumGetNumeric(values[p])) && !numeric_is_inf(DatumGetNumeric(values[p])))
			*scale = Max(*scale, DatumGetInt32(DirectFunctionCall1(numeric_scale, values[p])));
	for (int p = 0; p < s->n; p++)
	{
		MoneyUnits	m;

		if (!MoneyDecodeNumeric(values[p], &m) || !MoneyRescale(&m.units, *scale - m.scale) ||
			m.units > (uint64) MONEY_MAX_UNITS / 8 / (uint64) s->n)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("costs must be finite numbers of at most 17 digits in all")));
		s->cost[p] = m.negative ? -(FinopsReal) m.units : (FinopsReal) m.units;
		total += m.negative ? -(int64) m.units : (int64) m.units;
	}
	return total;
}

/* Costs and shares, checked. */
static int64
read_system(FunctionCallInfo fcinfo, System *s, int *scale)
{
	int64		total = read_costs(PG_GETARG_ARRAYTYPE_P(0), s, scale);
	int			columns;

	s->pool = share_array(fcinfo, 1, "pool_shares", s->n, &columns);
	if (columns != s->n)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("pool_shares must have a column for each of %d pools", s->n)));
	s->target = share_array(fcinfo, 2, "target_shares", s->n, &s->m);
	check_rows(s);
	return total;
}

/*
 * finops.solve_pools(costs numeric[], pool_shares float8[], target_shares
 * float8[], method text) -> numeric[]
 *
 * Amounts of the m targets and, last, of the operator; they add up to the
 * costs.  NULL for a NULL argument; 22023 for arrays of other shapes, shares
 * below 0 or of a pool above 1, pools that give to each other only, and an
 * unknown method.
 */
Datum
finops_solve_pools(PG_FUNCTION_ARGS)
{
	System		s = {0};
	FinopsReal *placed;
	int64	   *units;
	Datum	   *result;
	char	   *method;
	int			scale;
	int64		total;

	for (int i = 0; i < 4; i++)
		if (PG_ARGISNULL(i))
			PG_RETURN_NULL();
	method = text_to_cstring(PG_GETARG_TEXT_PP(3));
	if (strcmp(method, "reciprocal") != 0 && strcmp(method, "direct") != 0 && strcmp(method, "step_down") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown method \"%s\"", FinopsQuoteForMessage(method)),
				 errhint("Use one of 'reciprocal', 'direct', 'step_down'.")));
	total = read_system(fcinfo, &s, &scale);
	placed = palloc0_array(FinopsReal, s.m + 1);
	solve(&s, method, placed);
	units = palloc_array(int64, s.m + 1);
	round_to_total(placed, s.m + 1, total, units);
	result = palloc_array(Datum, s.m + 1);
	for (int t = 0; t <= s.m; t++)
		result[t] = MoneyNumeric((uint64) (units[t] < 0 ? -units[t] : units[t]), units[t] < 0, scale);
	PG_RETURN_ARRAYTYPE_P(construct_array(result, s.m + 1, NUMERICOID, -1, false, TYPALIGN_INT));
}

/* Pools whose cost is traced at a time. */
#define TRACE_BLOCK		128

/*
 * Shares in which the own cost of pools from .. from + count reaches the
 * targets and, last, the operator: reached has room for count x (m + 1),
 * gross for n x count, turned for count x n.
 */
static void
trace_block(const System *s, const double *lu, int from, int count,
			double *gross, double *turned, double *reached)
{
	memset(gross, 0, sizeof(double) * (Size) s->n * count);
	for (int i = 0; i < count; i++)
		gross[(size_t) (from + i) * count + i] = 1;
	LinalgSolveFactoredMany(lu, s->n, gross, count, check_interrupts);
	/* the product is subtracted */
	for (int p = 0; p < s->n; p++)
		for (int i = 0; i < count; i++)
			turned[(size_t) i * s->n + p] = -gross[(size_t) p * count + i];
	memset(reached, 0, sizeof(double) * (Size) count * (s->m + 1));
	LinalgMultiplySubtract(reached, s->m + 1, turned, s->n, s->target, s->m,
						   count, s->n, s->m);
	for (int i = 0; i < count; i++)
	{
		double	   *left = &reached[(size_t) i * (s->m + 1) + s->m];

		for (int p = 0; p < s->n; p++)
			*left -= turned[(size_t) i * s->n + p] * (double) s->left[p];
	}
}

/* Room for the parts of one pool. */
typedef struct TraceRow
{
	FinopsReal *shares;
	uint64	   *weights;
	uint64	   *parts;
	uint64	   *scratch;
	Datum	   *amounts;
	MemoryContext context;		/* reset per pool */
} TraceRow;

/* The amounts of one pool's own cost, by largest remainder. */
static ArrayType *
split_traced(const System *s, int pool, int scale, const double *reached, TraceRow *row)
{
	bool		negative = s->cost[pool] < 0;
	int			n = s->m + 1;
	uint64		total;

	for (int t = 0; t < n; t++)
		row->shares[t] = reached[t];
	total = PoolsWeights(row->shares, n, row->weights);
	MoneyApportion((uint64) fabsl(s->cost[pool]), row->weights, total, n, row->parts,
				   row->scratch, check_interrupts);
	for (int t = 0; t < n; t++)
		row->amounts[t] = MoneyNumeric(row->parts[t], negative && row->parts[t] > 0, scale);
	return construct_array(row->amounts, n, NUMERICOID, -1, false, TYPALIGN_INT);
}

/*
 * finops.trace_pools(costs numeric[], pool_shares float8[], target_shares
 * float8[]) -> TABLE (pool integer, amounts numeric[])
 *
 * What each pool's own cost comes to at the m targets and, last, the
 * operator, by the reciprocal method; the amounts of a pool add up to its
 * cost.  No rows for a NULL argument; 22023 as finops.solve_pools.
 */
Datum
finops_trace_pools(PG_FUNCTION_ARGS)
{
	System		s = {0};
	TraceRow	row;
	ReturnSetInfo *result;
	double	   *lu;
	double	   *gross;
	double	   *turned;
	double	   *reached;
	int			scale;

	InitMaterializedSRF(fcinfo, 0);
	result = (ReturnSetInfo *) fcinfo->resultinfo;
	for (int i = 0; i < 3; i++)
		if (PG_ARGISNULL(i))
			return (Datum) 0;
	(void) read_system(fcinfo, &s, &scale);
	refuse_closed(&s);
	lu = palloc_extended(sizeof(double) * (Size) s.n * s.n, MCXT_ALLOC_HUGE);
	factor_system(&s, lu, lu);
	gross = palloc_array(double, (Size) s.n * TRACE_BLOCK);
	turned = palloc_array(double, (Size) s.n * TRACE_BLOCK);
	reached = palloc_extended(sizeof(double) * TRACE_BLOCK * (Size) (s.m + 1), MCXT_ALLOC_HUGE);
	row.shares = palloc_array(FinopsReal, s.m + 1);
	row.weights = palloc_array(uint64, s.m + 1);
	row.parts = palloc_array(uint64, s.m + 1);
	row.scratch = palloc_array(uint64, 2 * ((Size) s.m + 1));
	row.amounts = palloc_array(Datum, s.m + 1);
	row.context = AllocSetContextCreate(CurrentMemoryContext, "finops trace", ALLOCSET_DEFAULT_SIZES);
	for (int from = 0; from < s.n; from += TRACE_BLOCK)
	{
		int			count = Min(TRACE_BLOCK, s.n - from);

		trace_block(&s, lu, from, count, gross, turned, reached);
		for (int i = 0; i < count; i++)
		{
			MemoryContext old = MemoryContextSwitchTo(row.context);
			bool		nulls[2] = {false, false};
			Datum		values[2];

			values[0] = Int32GetDatum(from + i + 1);
			values[1] = PointerGetDatum(split_traced(&s, from + i, scale,
													 reached + (Size) i * (s.m + 1), &row));
			tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
			MemoryContextSwitchTo(old);
			MemoryContextReset(row.context);
		}
	}
	return (Datum) 0;
}

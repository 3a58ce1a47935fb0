/*-------------------------------------------------------------------------
 *
 * daily_costs.c
 *	  finops.daily_costs(day, cost): the cost of each day, from the first to
 *	  the last, in one value.
 *
 * What watches many series for anomalies reads one such value for each instead
 * of a row for each day.  Amounts are rounded to millionths of the currency row
 * by row and added as integers, so that sums do not depend on the order of
 * rows, on processes, or on how they were grouped before; what is beyond
 * 9.2 * 10^12 stays there.  The state is checked before use, since it may come
 * from anywhere, and its functions are not executable by PUBLIC.
 *
 *-------------------------------------------------------------------------
 */
#include "insight/daily_costs.h"

#include "common/int.h"
#include "core/money.h"
#include "port/pg_bitutils.h"
#include "utils/fmgrprotos.h"

#include <math.h>

PG_FUNCTION_INFO_V1(finops_daily_costs_accum);
PG_FUNCTION_INFO_V1(finops_daily_costs_combine);

#define MAGIC		0x66444331
#define SCALE		6
#define FIRST_DAYS	32
#define MOST_DAYS	36600		/* a hundred years: more is a mistake */

static Size
state_size(int capacity)
{
	return offsetof(DailyCosts, cost) + (Size) capacity * sizeof(int64);
}

static void
check_state(const DailyCosts *state)
{
	if (VARSIZE(state) < offsetof(DailyCosts, cost) || state->magic != MAGIC ||
		state->count < 1 || state->count > state->capacity || state->capacity > 2 * MOST_DAYS ||
		VARSIZE(state) != state_size(state->capacity) || !IS_VALID_DATE(state->first))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid state of daily costs")));
}

DailyCosts *
DailyCostsFrom(Datum value)
{
	struct varlena *raw = PG_DETOAST_DATUM(value);
	DailyCosts *state = palloc(Max(VARSIZE(raw), offsetof(DailyCosts, cost)));

	/* within a tuple a bytea is aligned less than its integers need */
	memcpy(state, raw, VARSIZE(raw));
	check_state(state);
	return state;
}

static DailyCosts *
new_state(MemoryContext context, DateADT first, int count)
{
	int			capacity = Max(FIRST_DAYS, (int) pg_nextpower2_32(count));
	DailyCosts *state = MemoryContextAllocZero(context, state_size(capacity));

	SET_VARSIZE(state, state_size(capacity));
	state->magic = MAGIC;
	state->first = first;
	state->count = count;
	state->capacity = capacity;
	return state;
}

/* The state with room for the days from one to another. */
static DailyCosts *
reach(DailyCosts *state, MemoryContext context, DateADT from, DateADT to)
{
	DateADT		first = Min(from, state->first),
				last = Max(to, state->first + state->count - 1);
	DailyCosts *larger;

	if (last - first >= MOST_DAYS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("days of cost are more than a hundred years apart"),
				 errhint("Leave out the days that are a mistake with a WHERE clause.")));
	if (first == state->first && last - first < state->capacity)
	{
		state->count = last - first + 1;
		return state;
	}
	larger = new_state(context, first, last - first + 1);
	memcpy(larger->cost + (state->first - first), state->cost, state->count * sizeof(int64));
	return larger;
}

static void
add(int64 *sum, int64 value)
{
	if (pg_add_s64_overflow(*sum, value, sum))
		*sum = value > 0 ? PG_INT64_MAX : PG_INT64_MIN;
}

/* Millionths, half away from zero; 0 for NaN. */
static int64
millionths(Datum cost)
{
	MoneyUnits	money;
	double		whole;

	if (MoneyDecodeNumeric(cost, &money))
	{
		if (money.scale > SCALE)
		{
			uint64		unit = 1;

			if (!MoneyRescale(&unit, money.scale - SCALE))
				return 0;
			money.units = money.units / unit + (money.units % unit >= (unit + 1) / 2);
			money.scale = SCALE;
		}
		if (MoneyRescale(&money.units, SCALE - money.scale))
			return money.negative ? -(int64) money.units : (int64) money.units;
	}
	whole = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, cost)) / DAILY_COSTS_UNIT;
	if (isnan(whole))
		return 0;
	return whole >= 9.2e18 ? PG_INT64_MAX : whole <= -9.2e18 ? PG_INT64_MIN : llrint(whole);
}

/* In an aggregate the state is changed in place, else a copy. */
static DailyCosts *
own_state(FunctionCallInfo fcinfo, MemoryContext *context)
{
	*context = CurrentMemoryContext;
	if (AggCheckCallContext(fcinfo, context) == AGG_CONTEXT_AGGREGATE && !PG_ARGISNULL(0) &&
		!VARATT_IS_EXTENDED(PG_GETARG_POINTER(0)))
	{
		DailyCosts *state = (DailyCosts *) PG_GETARG_POINTER(0);

		check_state(state);
		return state;
	}
	return PG_ARGISNULL(0) ? NULL : DailyCostsFrom(PG_GETARG_DATUM(0));
}

/* Transition: state, day, cost; rows without a day or a cost change nothing. */
Datum
finops_daily_costs_accum(PG_FUNCTION_ARGS)
{
	MemoryContext context;
	DailyCosts *state = own_state(fcinfo, &context);
	DateADT		day;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2) || !IS_VALID_DATE(PG_GETARG_DATEADT(1)))
	{
		if (state == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(state);
	}
	day = PG_GETARG_DATEADT(1);
	if (state == NULL)
		state = new_state(context, day, 1);
	else if (day < state->first || day >= state->first + state->count)
		state = reach(state, context, day, day);
	add(&state->cost[day - state->first], millionths(PG_GETARG_DATUM(2)));
	PG_RETURN_POINTER(state);
}

/* Adds two states; also the transition of finops.sum_daily_costs. */
Datum
finops_daily_costs_combine(PG_FUNCTION_ARGS)
{
	MemoryContext context;
	DailyCosts *state = own_state(fcinfo, &context);
	DailyCosts *other;

	if (PG_ARGISNULL(1))
	{
		if (state == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(state);
	}
	other = DailyCostsFrom(PG_GETARG_DATUM(1));
	if (state == NULL)
		state = new_state(context, other->first, other->count);
	else
		state = reach(state, context, other->first, other->first + other->count - 1);
	for (int i = 0; i < other->count; i++)
		add(&state->cost[other->first + i - state->first], other->cost[i]);
	pfree(other);
	PG_RETURN_POINTER(state);
}

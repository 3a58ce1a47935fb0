/*-------------------------------------------------------------------------
 *
 * coverage.c
 *	  The aggregates finops.tag_coverage and finops.tag_coverage_cost.
 *
 * Their states are bytea rather than internal, so that partial states can be
 * computed by parallel workers and on other nodes and combined: a fixed
 * struct with counts and, for cost, 128-bit sums of units over a common
 * scale.  A state that does not come from these functions is refused, and
 * only the aggregates' owner may call them directly.
 *
 * Sums are exact.  Units of 10^-scale fit as long as a sum has fewer than 38
 * digits at the largest scale seen; beyond that the aggregate raises 22003
 * rather than rounding.
 *
 *-------------------------------------------------------------------------
 */
#include "core/core.h"
#include "core/money.h"

#include <ctype.h>

#include "common/int.h"
#include "utils/array.h"
#include "utils/fmgrprotos.h"

PG_FUNCTION_INFO_V1(finops_tag_coverage_step);
PG_FUNCTION_INFO_V1(finops_tag_coverage_merge);
PG_FUNCTION_INFO_V1(finops_tag_coverage_pct);
PG_FUNCTION_INFO_V1(finops_tag_coverage_cost_step);
PG_FUNCTION_INFO_V1(finops_tag_coverage_cost_pct);

#define COVERAGE_MAGIC	0x74616731	/* "tag1" */

typedef struct Coverage
{
	int32		vl_len_;		/* varlena header */
	uint32		magic;
	int32		scale;			/* of the sums */
	int32		unused;
	int64		rows;
	int64		tagged_rows;
	int128		cost;
	int128		tagged_cost;
} Coverage;

static bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Every tag is present and not blank. */
static bool
all_present(FunctionCallInfo fcinfo, int argno)
{
	ArrayType  *tags;
	char	   *element;
	int			n;

	if (PG_ARGISNULL(argno))
		return false;
	tags = PG_GETARG_ARRAYTYPE_P(argno);
	n = ArrayGetNItems(ARR_NDIM(tags), ARR_DIMS(tags));
	if (n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("tag coverage needs at least one tag")));
	if (array_contains_nulls(tags))
		return false;
	element = ARR_DATA_PTR(tags);
	for (int i = 0; i < n; i++)
	{
		const char *text = VARDATA_ANY(element);
		int			len = (int) VARSIZE_ANY_EXHDR(element);
		int			at = 0;

		while (at < len && is_space(text[at]))
			at++;
		if (at == len)
			return false;
		element = att_addlength_pointer(element, -1, element);
		element = (char *) att_align_nominal(element, TYPALIGN_INT);
	}
	return true;
}

/*
 * A state as this call may change it: the aggregate's own in place, any other
 * as a checked copy (which is aligned as well), a new one for NULL.
 */
static Coverage *
state_arg(FunctionCallInfo fcinfo, int argno)
{
	MemoryContext aggcontext;
	bool		aggregate = AggCheckCallContext(fcinfo, &aggcontext) != 0;
	Coverage   *state;

	if (PG_ARGISNULL(argno))
	{
		state = MemoryContextAllocZero(aggregate ? aggcontext : CurrentMemoryContext,
									   sizeof(Coverage));
		SET_VARSIZE(state, sizeof(Coverage));
		state->magic = COVERAGE_MAGIC;
		return state;
	}
	state = (Coverage *) (aggregate && argno == 0 ? PG_GETARG_BYTEA_P(argno) :
						  PG_GETARG_BYTEA_P_COPY(argno));
	if (VARSIZE(state) != sizeof(Coverage) || state->magic != COVERAGE_MAGIC ||
		state->scale < 0 || state->scale > MONEY_MAX_SCALE ||
		state->tagged_rows < 0 || state->tagged_rows > state->rows)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid state of a tag coverage aggregate")));
	return state;
}

pg_noreturn static void
refuse_range(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("cost is too large for tag_coverage_cost"),
			 errdetail("Sums have at most 38 digits, those after the decimal point included.")));
}

static void
add_exactly(int128 *sum, int128 value)
{
	if (__builtin_add_overflow(*sum, value, sum))
		refuse_range();
}

/* Bring the sums to a larger scale. */
static void
raise_scale(Coverage *state, int scale)
{
	for (; state->scale < scale; state->scale++)
		if (__builtin_mul_overflow(state->cost, (int128) 10, &state->cost) ||
			__builtin_mul_overflow(state->tagged_cost, (int128) 10,
								   &state->tagged_cost))
			refuse_range();
}

/* 63-bit units of a cost; what has more digits is read from its text. */
static int128
cost_units(Numeric cost, int *scale)
{
	MoneyUnits	m;
	int128		units = 0;
	char	   *text;

	if (MoneyDecodeNumeric(NumericGetDatum(cost), &m) &&
		m.scale <= MONEY_MAX_SCALE)
	{
		*scale = m.scale;
		return m.negative ? -(int128) m.units : (int128) m.units;
	}
	if (numeric_is_nan(cost) || numeric_is_inf(cost))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("cost must be a finite number")));
	text = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(cost)));
	*scale = DatumGetInt32(DirectFunctionCall1(numeric_scale, NumericGetDatum(cost)));
	if (*scale > MONEY_MAX_SCALE)
		refuse_range();
	for (const char *p = text; *p != '\0'; p++)
		if (isdigit((unsigned char) *p) &&
			(__builtin_mul_overflow(units, (int128) 10, &units) ||
			 __builtin_add_overflow(units, (int128) (*p - '0'), &units)))
			refuse_range();
	return text[0] == '-' ? -units : units;
}

static void
add_cost(Coverage *state, Numeric cost, bool tagged)
{
	int			scale;
	int128		units = cost_units(cost, &scale);

	raise_scale(state, scale);
	for (; scale < state->scale; scale++)
		if (__builtin_mul_overflow(units, (int128) 10, &units))
			refuse_range();
	add_exactly(&state->cost, units);
	if (tagged)
		add_exactly(&state->tagged_cost, units);
}

/* An integer of 128 bits as numeric. */
static Numeric
numeric_of_int128(int128 value)
{
	char		digits[48];
	char	   *at = digits + sizeof(digits);
	bool		negative = value < 0;

	*--at = '\0';
	do
	{
		int			digit = (int) (value % 10);

		*--at = (char) ('0' + (negative ? -digit : digit));
		value /= 10;
	} while (value != 0);
	if (negative)
		*--at = '-';
	return DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(at),
											   ObjectIdGetDatum(InvalidOid),
											   Int32GetDatum(-1)));
}

/* 100 part / whole, to at least 16 significant digits. */
static Datum
percent(Numeric part, Numeric whole)
{
	Datum		scaled = DirectFunctionCall2(numeric_mul,
											 NumericGetDatum(int64_to_numeric(100)),
											 NumericGetDatum(part));

	return DirectFunctionCall2(numeric_div, scaled, NumericGetDatum(whole));
}

Datum
finops_tag_coverage_step(PG_FUNCTION_ARGS)
{
	Coverage   *state = state_arg(fcinfo, 0);

	state->rows++;
	state->tagged_rows += all_present(fcinfo, 1);
	PG_RETURN_POINTER(state);
}

Datum
finops_tag_coverage_cost_step(PG_FUNCTION_ARGS)
{
	Coverage   *state = state_arg(fcinfo, 0);
	bool		tagged = all_present(fcinfo, 2);

	if (PG_ARGISNULL(1))
		PG_RETURN_POINTER(state);
	state->rows++;
	state->tagged_rows += tagged;
	add_cost(state, PG_GETARG_NUMERIC(1), tagged);
	PG_RETURN_POINTER(state);
}

Datum
finops_tag_coverage_merge(PG_FUNCTION_ARGS)
{
	Coverage   *a = state_arg(fcinfo, 0);
	Coverage   *b;

	if (PG_ARGISNULL(1))
		PG_RETURN_POINTER(a);
	b = state_arg(fcinfo, 1);
	raise_scale(a, b->scale);
	raise_scale(b, a->scale);
	if (pg_add_s64_overflow(a->rows, b->rows, &a->rows))
		refuse_range();
	a->tagged_rows += b->tagged_rows;
	add_exactly(&a->cost, b->cost);
	add_exactly(&a->tagged_cost, b->tagged_cost);
	PG_RETURN_POINTER(a);
}

/*
 * finops.tag_coverage(VARIADIC tags text[]) -> numeric: percent of rows with
 * every tag present and not blank; NULL on no rows.
 */
Datum
finops_tag_coverage_pct(PG_FUNCTION_ARGS)
{
	Coverage   *state;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	state = state_arg(fcinfo, 0);
	if (state->rows == 0)
		PG_RETURN_NULL();
	return percent(int64_to_numeric(state->tagged_rows),
				   int64_to_numeric(state->rows));
}

/*
 * finops.tag_coverage_cost(cost numeric, VARIADIC tags text[]) -> numeric:
 * percent of the sum of cost on rows with every tag present and not blank;
 * NULL on no rows or when the costs add up to zero.  With credits among the
 * rows the percentage may lie outside 0..100.  22023 for a cost that is not
 * finite, 22003 for sums of more than 38 digits.
 */
Datum
finops_tag_coverage_cost_pct(PG_FUNCTION_ARGS)
{
	Coverage   *state;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	state = state_arg(fcinfo, 0);
	if (state->cost == 0)
		PG_RETURN_NULL();
	return percent(numeric_of_int128(state->tagged_cost),
				   numeric_of_int128(state->cost));
}

/*-------------------------------------------------------------------------
 *
 * nonzero.c
 *	  The aggregate finops.nonzero_sums: which keys do not balance.
 *
 * Of a hundred thousand tenants nearly all balance.  Grouping by tenant makes
 * every worker hand a sum of each to the leader, which sorts and merges them;
 * here a worker hands over one block, and what comes out are the few sums that
 * are not zero.
 *
 * The state is bytea (keyed_sum.c), so that workers and other nodes can
 * compute parts of it.  Sums are exact or not there: what does not fit fixed
 * point of 128 bits with 24 decimals makes the result NULL, and the caller
 * groups by key instead.
 *
 *-------------------------------------------------------------------------
 */
#include "reconcile/reconcile.h"

#include "bill/facts.h"
#include "core/money.h"
#include "reconcile/keyed_sum.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

PG_FUNCTION_INFO_V1(finops_nonzero_sums_step);
PG_FUNCTION_INFO_V1(finops_nonzero_sums_merge);
PG_FUNCTION_INFO_V1(finops_nonzero_sums_result);

/* A state that has nothing behind its header says that sums do not fit. */
static bool
gave_up(const bytea *state)
{
	return VARSIZE(state) == VARHDRSZ;
}

static bytea *
give_up(void)
{
	bytea	   *state = palloc(VARHDRSZ);

	SET_VARSIZE(state, VARHDRSZ);
	return state;
}

static bytea *
new_state(size_t size)
{
	bytea	   *state;

	if (!AllocSizeIsValid(size))
		return give_up();
	state = palloc(size);
	KeyedSumInit(state, size);
	SET_VARSIZE(state, size);
	return state;
}

/*
 * The state that this call may change: the aggregate's own in place, any other
 * as a copy.
 */
static bytea *
state_arg(FunctionCallInfo fcinfo, int argno)
{
	bool		own = argno == 0 && AggCheckCallContext(fcinfo, NULL) != 0;
	bytea	   *state;

	if (PG_ARGISNULL(argno))
		return new_state(KeyedSumFirstSize());
	state = own ? PG_GETARG_BYTEA_P(argno) : PG_GETARG_BYTEA_P_COPY(argno);
	if (!gave_up(state) && !KeyedSumValid(state, VARSIZE(state)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid state of aggregate finops.nonzero_sums")));
	return state;
}

/* Add an amount; the state, or a larger one. */
static bytea *
add(bytea *state, KeyedAmount amount)
{
	for (;;)
	{
		bytea	   *larger;

		switch (KeyedSumAdd(state, VARSIZE(state), amount))
		{
			case KEYED_SUM_OK:
				return state;
			case KEYED_SUM_OVERFLOW:
				return give_up();
			case KEYED_SUM_BROKEN:
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("invalid state of aggregate finops.nonzero_sums")));
			case KEYED_SUM_FULL:
				break;
		}
		larger = new_state(KeyedSumGrownSize(state, VARSIZE(state), amount.len));
		if (gave_up(larger) ||
			KeyedSumCopy(state, VARSIZE(state), larger, VARSIZE(larger)) != KEYED_SUM_OK)
			return give_up();
		state = larger;
	}
}

/* units * 10^-scale in units * 10^-KEYED_SUM_SCALE; false: it does not fit. */
static bool
to_fixed(const MoneyUnits *money, int128 *units)
{
	static const int64 powers[] = {
		1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000,
		INT64CONST(10000000000), INT64CONST(100000000000), INT64CONST(1000000000000)
	};
	int			digits = KEYED_SUM_SCALE - money->scale;
	int			most = (int) lengthof(powers) - 1;

	*units = money->negative ? -(int128) money->units : (int128) money->units;
	return digits >= 0 &&
		!__builtin_mul_overflow(*units, (int128) powers[Min(digits, most)], units) &&
		!__builtin_mul_overflow(*units, (int128) powers[Max(digits - most, 0)], units);
}

/* An amount of any stored form. */
static bool
amount_units(Datum amount, int128 *units, int *scale)
{
	MoneyUnits	money;
	char	   *text;

	if (MoneyDecodeNumeric(amount, &money))
	{
		*scale = money.scale;
		return to_fixed(&money, units);
	}
	text = DatumGetCString(DirectFunctionCall1(numeric_out, amount));
	return NumberCheck((Slice) {text, (int) strlen(text)}) == VALUE_OK &&
		NumberFixed((Slice) {text, (int) strlen(text)}, units, scale);
}

Datum
finops_nonzero_sums_step(PG_FUNCTION_ARGS)
{
	bytea	   *state = state_arg(fcinfo, 0);
	KeyedAmount amount;
	text	   *key;
	int			scale;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2) || gave_up(state))
		PG_RETURN_BYTEA_P(state);
	if (!amount_units(PG_GETARG_DATUM(2), &amount.units, &scale))
		PG_RETURN_BYTEA_P(give_up());
	key = PG_GETARG_TEXT_PP(1);
	amount.key = VARDATA_ANY(key);
	amount.len = (uint32) VARSIZE_ANY_EXHDR(key);
	amount.scale = (uint32) scale;
	PG_RETURN_BYTEA_P(add(state, amount));
}

Datum
finops_nonzero_sums_merge(PG_FUNCTION_ARGS)
{
	bytea	   *state;
	bytea	   *other;
	KeyedAmount amount;
	uint32		at = 0;

	if (PG_ARGISNULL(0) && !PG_ARGISNULL(1))
		PG_RETURN_BYTEA_P(state_arg(fcinfo, 1));
	state = state_arg(fcinfo, 0);
	if (PG_ARGISNULL(1) || gave_up(state))
		PG_RETURN_BYTEA_P(state);
	other = state_arg(fcinfo, 1);
	if (gave_up(other))
		PG_RETURN_BYTEA_P(other);
	while (!gave_up(state) && KeyedSumNext(other, VARSIZE(other), &at, &amount))
	{
		if (at % 1024 == 0)
			CHECK_FOR_INTERRUPTS();
		state = add(state, amount);
	}
	PG_RETURN_BYTEA_P(state);
}

/*
 * finops.nonzero_sums(key text, amount numeric) -> jsonb: {key: sum} of the
 * keys whose amounts do not add up to zero, exact; rows without key or amount
 * count for nothing.  {} where all are zero, NULL where an amount or a sum has
 * more than 24 decimals or more than 38 digits with 24 of them behind the
 * point, is not finite, or keys take more than a gigabyte.
 */
Datum
finops_nonzero_sums_result(PG_FUNCTION_ARGS)
{
	bytea	   *state = state_arg(fcinfo, 0);
	JsonbParseState *parse = NULL;
	KeyedAmount amount;
	uint32		at = 0;

	if (gave_up(state))
		PG_RETURN_NULL();
	(void) pushJsonbValue(&parse, WJB_BEGIN_OBJECT, NULL);
	while (KeyedSumNext(state, VARSIZE(state), &at, &amount))
	{
		JsonbValue	key = {.type = jbvString};
		JsonbValue	value = {.type = jbvNumeric};

		if (amount.units == 0)
			continue;
		CHECK_FOR_INTERRUPTS();
		key.val.string.val = unconstify(char *, amount.key);
		key.val.string.len = (int) amount.len;
		value.val.numeric = DatumGetNumeric(FactNumeric(amount.units, (int) amount.scale));
		(void) pushJsonbValue(&parse, WJB_KEY, &key);
		(void) pushJsonbValue(&parse, WJB_VALUE, &value);
	}
	PG_RETURN_POINTER(JsonbValueToJsonb(pushJsonbValue(&parse, WJB_END_OBJECT, NULL)));
}

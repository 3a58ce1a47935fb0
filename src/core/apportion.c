/*-------------------------------------------------------------------------
 *
 * apportion.c
 *	  finops.apportion and finops.apportion_part: an amount split over
 *	  weights so that the parts add up to it exactly.
 *
 * Amounts and weights whose units fit 63 bits are split by MoneyApportion on
 * integers, read from and written to the stored form of numeric.  Anything
 * larger takes the general path, the same method on numeric, which is exact
 * on integers of any size; results do not depend on the path.
 *
 * The weights of one split stand over a common scale, so that they and the
 * remainders compare as integers.
 *
 *-------------------------------------------------------------------------
 */
#include "core/core.h"
#include "core/money.h"

#include "utils/array.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "windowapi.h"

#define MAX_SCALE		16383	/* of numeric */
#define MIN_SCALE		2		/* of parts, where none is given */
#define EVAL_BATCH		1024	/* rows between two resets of memory */

/* Weights collected as units over a common scale. */
typedef struct UnitWeights
{
	uint64	   *units;
	size_t		n;
	int			scale;
	uint64		total;
} UnitWeights;

/* The parts of one partition, in its memory. */
typedef struct PartitionParts
{
	bool		ready;
	bool		is_null;		/* the amount is NULL, so are the parts */
	bool		negative;
	int			scale;
	int			scale_arg;		/* as given, -1 for NULL */
	Numeric		amount;			/* as given, to compare with every row */
	Numeric    *general;		/* parts of the general path, or NULL */
	uint64		units[FLEXIBLE_ARRAY_MEMBER];
} PartitionParts;

PG_FUNCTION_INFO_V1(finops_apportion);
PG_FUNCTION_INFO_V1(finops_apportion_part);

static void
check_interrupts(void)
{
	CHECK_FOR_INTERRUPTS();
}

static Numeric
numeric_of(const char *text)
{
	return DatumGetNumeric(DirectFunctionCall3(numeric_in,
											   CStringGetDatum(text),
											   ObjectIdGetDatum(InvalidOid),
											   Int32GetDatum(-1)));
}

/*
 * Does this server store numeric as money.c reads and writes it?  Looked at
 * once; the general path needs no such knowledge.
 */
static bool
stored_form_known(void)
{
	static const struct
	{
		const char *text;
		uint64		units;
		int			scale;
		bool		negative;
	}			probes[] = {
		{"0.00", 0, 2, false},
		{"-0.00005", 5, 5, true},
		{"1.50", 150, 2, false},
		{"-120000", 120000, 0, true},
		{"1234567890123.45678", UINT64_C(123456789012345678), 5, false}
	};
	static int	known = -1;

	for (size_t i = 0; known != 0 && known != 1 && i < lengthof(probes); i++)
	{
		Numeric		value = numeric_of(probes[i].text);
		size_t		len = VARSIZE(value) - VARHDRSZ;
		char		body[MONEY_MAX_ENCODED];
		MoneyUnits	m;

		if (!MoneyDecode(VARDATA(value), len, &m) ||
			m.units != probes[i].units || m.scale != probes[i].scale ||
			m.negative != probes[i].negative ||
			MoneyEncode(m.units, m.negative, m.scale, body) != len ||
			memcmp(body, VARDATA(value), len) != 0)
			known = 0;
		pfree(value);
	}
	if (known == -1)
		known = 1;
	return known == 1;
}

bool
MoneyDecodeNumeric(Datum value, MoneyUnits *result)
{
	struct varlena *v = (struct varlena *) DatumGetPointer(value);

	if (!stored_form_known())
		return false;
	if (VARATT_IS_EXTENDED(v) && !VARATT_IS_SHORT(v))
		v = pg_detoast_datum(v);
	return MoneyDecode(VARDATA_ANY(v), VARSIZE_ANY_EXHDR(v), result);
}

bool
MoneyDecodeWideNumeric(Datum value, int128 *units, int *scale)
{
	struct varlena *v = (struct varlena *) DatumGetPointer(value);

	if (!stored_form_known())
		return false;
	if (VARATT_IS_EXTENDED(v) && !VARATT_IS_SHORT(v))
		v = pg_detoast_datum(v);
	return MoneyDecodeWide(VARDATA_ANY(v), VARSIZE_ANY_EXHDR(v), units, scale);
}

Datum
MoneyNumeric(uint64 units, bool negative, int scale)
{
	struct varlena *v = palloc(VARHDRSZ + MONEY_MAX_ENCODED);

	SET_VARSIZE(v, VARHDRSZ + MoneyEncode(units, negative, scale, VARDATA(v)));
	return PointerGetDatum(v);
}

static int
scale_of(Numeric value)
{
	return DatumGetInt32(DirectFunctionCall1(numeric_scale,
											 NumericGetDatum(value)));
}

static bool
is_finite(Numeric value)
{
	return !numeric_is_nan(value) && !numeric_is_inf(value);
}

static bool
is_negative(Numeric value)
{
	Datum		sign = DirectFunctionCall1(numeric_sign, NumericGetDatum(value));

	return DatumGetInt32(DirectFunctionCall1(numeric_int4, sign)) < 0;
}

pg_noreturn static void
refuse_null_weight(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("weights must not be null"),
			 errhint("Leave the row out, or give it the weight 0.")));
}

pg_noreturn static void
refuse_negative_weight(Numeric weight)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("weights must not be negative"),
			 errdetail("One weight is %s.",
					   FinopsQuoteForMessage(DatumGetCString(
						DirectFunctionCall1(numeric_out, NumericGetDatum(weight))))),
			 errhint("Take usage or cost before credits as the weight.")));
}

pg_noreturn static void
refuse_zero_weights(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("weights must not all be zero"),
			 errdetail("There is nobody to give the amount to."),
			 errhint("Decide first where an amount without weights goes, for example to the operator.")));
}

static void
check_weight(Numeric weight)
{
	if (!is_finite(weight))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("weights must be finite numbers")));
	if (is_negative(weight))
		refuse_negative_weight(weight);
}

/*
 * The scale of the parts; -1 asks for that of the amount, at least two
 * digits.  Refuses one at which the parts could not add up.
 */
static int
resolve_scale(Numeric amount, int scale_arg, bool scale_null)
{
	int			own;

	if (!is_finite(amount))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("amount must be a finite number")));
	own = scale_of(amount);
	if (scale_null)
		return Max(MIN_SCALE, own);
	if (scale_arg < own)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("scale %d is smaller than the scale of the amount, %d",
						scale_arg, own),
				 errdetail("Parts of a smaller scale cannot add up to the amount."),
				 errhint("Round the amount before it is split, or leave scale out.")));
	if (scale_arg > MAX_SCALE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("scale %d is larger than %d", scale_arg, MAX_SCALE)));
	return scale_arg;
}

/* The amount as units of the given scale; false when it takes more bits. */
static bool
amount_units(Numeric amount, int scale, MoneyUnits *result)
{
	return scale <= MONEY_MAX_SCALE &&
		MoneyDecodeNumeric(NumericGetDatum(amount), result) &&
		MoneyRescale(&result->units, scale - result->scale);
}

/* Add one weight; false when the weights take more bits. */
static bool
add_weight(UnitWeights *w, Datum value)
{
	MoneyUnits	m;

	if (!MoneyDecodeNumeric(value, &m))
		return false;
	if (m.negative)
		refuse_negative_weight(DatumGetNumeric(value));
	if (m.scale > w->scale)
	{
		for (size_t i = 0; i < w->n; i++)
			if (!MoneyRescale(&w->units[i], m.scale - w->scale))
				return false;
		if (!MoneyRescale(&w->total, m.scale - w->scale))
			return false;
		w->scale = m.scale;
	}
	else if (!MoneyRescale(&m.units, w->scale - m.scale))
		return false;
	if (m.units > PG_UINT64_MAX - w->total)
		return false;
	w->units[w->n++] = m.units;
	w->total += m.units;
	return true;
}

static uint64 *
alloc_units(size_t n)
{
	return palloc_extended(mul_size(n, sizeof(uint64)), MCXT_ALLOC_HUGE);
}

static void
split_units(uint64 amount, const UnitWeights *w, uint64 *parts)
{
	uint64	   *scratch;

	if (w->total == 0)
		refuse_zero_weights();
	scratch = alloc_units(mul_size(2, w->n));
	MoneyApportion(amount, w->units, w->total, w->n, parts, scratch,
				   check_interrupts);
	pfree(scratch);
}

/* ---------------------------------------------------------------------
 * The general path
 * ---------------------------------------------------------------------
 */
static Numeric
call2(PGFunction function, Numeric a, Numeric b)
{
	return DatumGetNumeric(DirectFunctionCall2(function, NumericGetDatum(a),
											   NumericGetDatum(b)));
}

/* value * 10^scale as an integer; exact, scale is at least that of value */
static Numeric
scaled_integer(Numeric value, int scale)
{
	Numeric		product = call2(numeric_mul, value,
								numeric_of(psprintf("1e%d", scale)));

	return DatumGetNumeric(DirectFunctionCall2(numeric_round,
											   NumericGetDatum(product),
											   Int32GetDatum(0)));
}

typedef struct GeneralClaim
{
	Numeric		remainder;
	Numeric		weight;
	int			position;
} GeneralClaim;

static int
compare_numeric(Numeric a, Numeric b)
{
	return DatumGetInt32(DirectFunctionCall2(numeric_cmp, NumericGetDatum(a),
											 NumericGetDatum(b)));
}

static int
compare_claims(const void *a, const void *b)
{
	const GeneralClaim *x = a;
	const GeneralClaim *y = b;
	int			order = compare_numeric(y->remainder, x->remainder);

	if (order == 0)
		order = compare_numeric(y->weight, x->weight);
	if (order == 0)
		order = x->position - y->position;
	return order;
}

/* Checks the weights and makes them integers over a common scale. */
static Numeric
general_weights(const Numeric *weights, int n, GeneralClaim *claims)
{
	int			scale = 0;
	Numeric		total = int64_to_numeric(0);

	for (int i = 0; i < n; i++)
	{
		check_weight(weights[i]);
		scale = Max(scale, scale_of(weights[i]));
	}
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		claims[i].weight = scaled_integer(weights[i], scale);
		claims[i].position = i;
		total = call2(numeric_add, total, claims[i].weight);
	}
	if (compare_numeric(total, int64_to_numeric(0)) == 0)
		refuse_zero_weights();
	return total;
}

/*
 * Largest remainder on numeric; parts are allocated in the caller's context.
 * Intermediate products beyond the range of numeric are 22003.
 */
static void
split_general(Numeric amount, int scale, const Numeric *weights, int n,
			  Numeric *parts)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext work = AllocSetContextCreate(caller, "finops apportion",
											   ALLOCSET_DEFAULT_SIZES);
	GeneralClaim *claims;
	Numeric		total,
				left,
				unit;
	bool		negative;
	int64		k;

	MemoryContextSwitchTo(work);
	claims = palloc_extended(mul_size(n, sizeof(GeneralClaim)), MCXT_ALLOC_HUGE);
	total = general_weights(weights, n, claims);
	negative = is_negative(amount);
	left = scaled_integer(DatumGetNumeric(DirectFunctionCall1(numeric_abs, NumericGetDatum(amount))), scale);
	amount = left;
	for (int i = 0; i < n; i++)
	{
		Numeric		product = call2(numeric_mul, amount, claims[i].weight);

		CHECK_FOR_INTERRUPTS();
		parts[i] = call2(numeric_div_trunc, product, total);
		claims[i].remainder = call2(numeric_sub, product,
									call2(numeric_mul, parts[i], total));
		left = call2(numeric_sub, left, parts[i]);
	}
	qsort(claims, n, sizeof(GeneralClaim), compare_claims);
	k = DatumGetInt64(DirectFunctionCall1(numeric_int8, NumericGetDatum(left)));
	for (int64 i = 0; i < k; i++)
		parts[claims[i].position] = call2(numeric_add,
										  parts[claims[i].position],
										  int64_to_numeric(1));
	unit = numeric_of(psprintf("%s1e-%d", negative ? "-" : "", scale));
	MemoryContextSwitchTo(caller);
	for (int i = 0; i < n; i++)
		parts[i] = call2(numeric_mul, parts[i], unit);
	MemoryContextDelete(work);
}

/* ---------------------------------------------------------------------
 * The array form
 * ---------------------------------------------------------------------
 */
static void
check_weight_array(ArrayType *weights)
{
	if (ARR_NDIM(weights) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("weights must be a one-dimensional array")));
	if (ARR_NDIM(weights) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("weights must not be empty"),
				 errdetail("There is nobody to give the amount to.")));
	if (array_contains_nulls(weights))
		refuse_null_weight();
}

/* Collect the elements as units; false when they take more bits. */
static bool
collect_array(ArrayType *weights, UnitWeights *w)
{
	int			n = ArrayGetNItems(ARR_NDIM(weights), ARR_DIMS(weights));
	char	   *element = ARR_DATA_PTR(weights);

	*w = (UnitWeights) {alloc_units(n), 0, 0, 0};
	for (int i = 0; i < n; i++)
	{
		if (!add_weight(w, PointerGetDatum(element)))
			return false;
		element = att_addlength_pointer(element, -1, element);
		element = (char *) att_align_nominal(element, TYPALIGN_INT);
	}
	return true;
}

/* A numeric array written element by element into its final place. */
static ArrayType *
array_of_units(const uint64 *units, int n, bool negative, int scale)
{
	Size		header = ARR_OVERHEAD_NONULLS(1);
	ArrayType  *result = palloc(add_size(header,
										 mul_size(n, VARHDRSZ + MONEY_MAX_ENCODED)));
	char	   *at = (char *) result + header;

	memset(result, 0, header);
	result->ndim = 1;
	result->elemtype = NUMERICOID;
	ARR_DIMS(result)[0] = n;
	ARR_LBOUND(result)[0] = 1;
	for (int i = 0; i < n; i++)
	{
		Size		len = VARHDRSZ + MoneyEncode(units[i], negative, scale,
												 at + VARHDRSZ);

		SET_VARSIZE(at, len);
		if (len % ALIGNOF_INT != 0)
			memset(at + len, 0, INTALIGN(len) - len);
		at += INTALIGN(len);
	}
	SET_VARSIZE(result, at - (char *) result);
	return result;
}

static ArrayType *
array_general(Numeric amount, int scale, ArrayType *weights)
{
	Datum	   *elements;
	int			n;
	Numeric    *parts;

	deconstruct_array(weights, NUMERICOID, -1, false, TYPALIGN_INT, &elements,
					  NULL, &n);
	for (int i = 0; i < n; i++)
		elements[i] = NumericGetDatum(DatumGetNumeric(elements[i]));
	parts = palloc_extended(mul_size(n, sizeof(Numeric)), MCXT_ALLOC_HUGE);
	split_general(amount, scale, (Numeric *) elements, n, parts);
	return construct_array((Datum *) parts, n, NUMERICOID, -1, false,
						   TYPALIGN_INT);
}

/*
 * finops.apportion(amount numeric, weights numeric[], scale int) -> numeric[]
 *
 * Parts of the amount in proportion to the weights by largest remainder;
 * they add up to the amount exactly and each is the floor or the ceiling of
 * its exact share at the given scale.  NULL for a NULL amount or array;
 * 22023 for an amount or weights that cannot be split.
 */
Datum
finops_apportion(PG_FUNCTION_ARGS)
{
	Numeric		amount;
	ArrayType  *weights;
	UnitWeights w;
	MoneyUnits	m;
	uint64	   *parts;
	int			scale;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	amount = PG_GETARG_NUMERIC(0);
	weights = PG_GETARG_ARRAYTYPE_P(1);
	scale = resolve_scale(amount, PG_ARGISNULL(2) ? 0 : PG_GETARG_INT32(2),
						  PG_ARGISNULL(2));
	check_weight_array(weights);
	if (!amount_units(amount, scale, &m) || !collect_array(weights, &w))
		PG_RETURN_ARRAYTYPE_P(array_general(amount, scale, weights));
	parts = alloc_units(w.n);
	split_units(m.units, &w, parts);
	PG_RETURN_ARRAYTYPE_P(array_of_units(parts, (int) w.n, m.negative, scale));
}

/* ---------------------------------------------------------------------
 * The window function
 * ---------------------------------------------------------------------
 */
static Datum
weight_at(WindowObject window, int64 row)
{
	bool		isnull;
	bool		isout;
	Datum		value = WinGetFuncArgInPartition(window, 1, (int) row,
												 WINDOW_SEEK_HEAD, false,
												 &isnull, &isout);

	if (isnull || isout)
		refuse_null_weight();
	return value;
}

/* Collect the partition's weights as units; false when they take more bits. */
static bool
collect_partition(WindowObject window, int64 n, UnitWeights *w)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext eval = AllocSetContextCreate(caller, "finops weights",
											   ALLOCSET_SMALL_SIZES);
	bool		fits = true;

	*w = (UnitWeights) {alloc_units(n), 0, 0, 0};
	MemoryContextSwitchTo(eval);
	for (int64 i = 0; i < n && fits; i++)
	{
		fits = add_weight(w, weight_at(window, i));
		if (i % EVAL_BATCH == EVAL_BATCH - 1)
		{
			MemoryContextReset(eval);
			CHECK_FOR_INTERRUPTS();
		}
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(eval);
	return fits;
}

static void
partition_general(WindowObject window, int64 n, PartitionParts *state,
				  MemoryContext partition)
{
	Numeric    *weights = palloc_extended(mul_size(n, sizeof(Numeric)),
										  MCXT_ALLOC_HUGE);
	MemoryContext old;

	for (int64 i = 0; i < n; i++)
		weights[i] = DatumGetNumericCopy(weight_at(window, i));
	old = MemoryContextSwitchTo(partition);
	state->general = palloc_extended(mul_size(n, sizeof(Numeric)),
									 MCXT_ALLOC_HUGE);
	split_general(state->amount, state->scale, weights, (int) n,
				  state->general);
	MemoryContextSwitchTo(old);
}

/* On the first row of a partition: split its amount over all its rows. */
static void
split_partition(WindowObject window, int64 n, PartitionParts *state)
{
	MemoryContext partition = GetMemoryChunkContext(state);
	MemoryContext old;
	UnitWeights w;
	MoneyUnits	m;
	Datum		value;
	bool		isnull;

	value = WinGetFuncArgCurrent(window, 2, &isnull);
	state->scale_arg = isnull ? -1 : DatumGetInt32(value);
	if (!isnull && state->scale_arg < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("scale must not be negative")));
	value = WinGetFuncArgCurrent(window, 0, &state->is_null);
	state->ready = true;
	if (state->is_null)
		return;
	old = MemoryContextSwitchTo(partition);
	state->amount = DatumGetNumericCopy(value);
	MemoryContextSwitchTo(old);
	state->scale = resolve_scale(state->amount, state->scale_arg, isnull);

	if (amount_units(state->amount, state->scale, &m) &&
		collect_partition(window, n, &w))
	{
		state->negative = m.negative;
		split_units(m.units, &w, state->units);
		pfree(w.units);
	}
	else
		partition_general(window, n, state, partition);
}

/* Every row of a partition must name the same amount and scale. */
static void
check_same_amount(WindowObject window, const PartitionParts *state)
{
	bool		isnull;
	Datum		value = WinGetFuncArgCurrent(window, 0, &isnull);
	bool		same = isnull == state->is_null;

	if (same && !isnull)
	{
		struct varlena *v = PG_DETOAST_DATUM_PACKED(value);

		same = VARSIZE_ANY_EXHDR(v) == VARSIZE(state->amount) - VARHDRSZ &&
			memcmp(VARDATA_ANY(v), VARDATA(state->amount),
				   VARSIZE_ANY_EXHDR(v)) == 0;
	}
	if (same)
	{
		value = WinGetFuncArgCurrent(window, 2, &isnull);
		same = state->scale_arg == (isnull ? -1 : DatumGetInt32(value));
	}
	if (!same)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("amount and scale must be the same in all rows of a partition"),
				 errdetail("An amount counts as the same when its value and its number of digits agree."),
				 errhint("Partition by the pool the amount belongs to.")));
}

/*
 * finops.apportion_part(amount numeric, weight numeric, scale int) OVER
 * (PARTITION BY pool ORDER BY key) -> numeric
 *
 * The row's part of the amount that all rows of its partition name; see
 * finops.apportion.  The frame clause is without effect.
 */
Datum
finops_apportion_part(PG_FUNCTION_ARGS)
{
	WindowObject window = PG_WINDOW_OBJECT();
	int64		row = WinGetCurrentPosition(window);
	int64		n = WinGetPartitionRowCount(window);
	PartitionParts *state;

	if (n > (int64) ((MaxAllocSize - sizeof(PartitionParts)) / sizeof(uint64)))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("partition has too many rows to split an amount over")));
	state = WinGetPartitionLocalMemory(window,
									   offsetof(PartitionParts, units) +
									   n * sizeof(uint64));
	if (!state->ready)
		split_partition(window, n, state);
	else
		check_same_amount(window, state);
	if (state->is_null)
		PG_RETURN_NULL();
	if (state->general != NULL)
		PG_RETURN_NUMERIC(state->general[row]);
	PG_RETURN_DATUM(MoneyNumeric(state->units[row], state->negative, state->scale));
}

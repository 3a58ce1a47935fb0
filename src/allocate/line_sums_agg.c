/*-------------------------------------------------------------------------
 *
 * line_sums_agg.c
 *	  The aggregate finops.line_sums: bill lines by tenant and key.
 *
 * To group millions of lines by ten columns means to hash, to compare and to
 * hand from the workers to the leader ten values for each line or group, and
 * to find the state of each group anywhere in memory.  Here what the lines are
 * summed by, but for the tenant, is one value, finops.pack_texts, and a worker
 * hands over one block (line_sums.c).
 *
 * Sums are exact or not there: what does not fit fixed point of 128 bits, or
 * half of what work_mem allows a hash table, makes the result NULL, and the
 * caller groups by the same values instead.
 *
 *-------------------------------------------------------------------------
 */
#include "allocate/allocate.h"

#include "allocate/line_sums.h"
#include "catalog/pg_type.h"
#include "core/money.h"
#include "executor/nodeHash.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(finops_pack_texts);
PG_FUNCTION_INFO_V1(finops_unpack_texts);
PG_FUNCTION_INFO_V1(finops_line_sums_step);
PG_FUNCTION_INFO_V1(finops_line_sums_merge);
PG_FUNCTION_INFO_V1(finops_line_sums_keys);
PG_FUNCTION_INFO_V1(finops_line_sums_amounts);

/* ---------------------------------------------------------------------
 * Several texts as one value
 *
 * Each is its length plus one in a byte, 0 for NULL, and its bytes; longer
 * ones have LONG_TEXT and four bytes of length.
 * ---------------------------------------------------------------------
 */

#define LONG_TEXT	255

/* Of the call's site once, for all calls. */
static void
check_arguments(FunctionCallInfo fcinfo)
{
	if (fcinfo->flinfo->fn_extra != NULL)
		return;
	if (get_fn_expr_variadic(fcinfo->flinfo))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("finops.pack_texts takes texts, not an array of them")));
	for (int i = 0; i < PG_NARGS(); i++)
		if (get_fn_expr_argtype(fcinfo->flinfo, i) != TEXTOID)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("argument %d of finops.pack_texts is not text", i + 1),
					 errhint("Cast it: finops.pack_texts(value::text).")));
	fcinfo->flinfo->fn_extra = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, 1);
}

/*
 * finops.pack_texts(VARIADIC texts "any") -> bytea: texts as one value, which
 * is the same only where all of them are, NULLs included.  Put together by ||
 * such values are those of more texts.  42804: an argument is not text.
 */
Datum
finops_pack_texts(PG_FUNCTION_ARGS)
{
	struct varlena *texts[FUNC_MAX_ARGS];
	Size		size = VARHDRSZ;
	bytea	   *packed;
	char	   *to;

	check_arguments(fcinfo);
	for (int i = 0; i < PG_NARGS(); i++)
	{
		texts[i] = PG_ARGISNULL(i) ? NULL : PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(i));
		size += 1 + sizeof(uint32) + (texts[i] == NULL ? 0 : VARSIZE_ANY_EXHDR(texts[i]));
	}
	packed = palloc(size);
	to = VARDATA(packed);
	for (int i = 0; i < PG_NARGS(); i++)
	{
		uint32		len;

		if (texts[i] == NULL)
		{
			*to++ = 0;
			continue;
		}
		len = VARSIZE_ANY_EXHDR(texts[i]);
		if (len < LONG_TEXT - 1)
			*to++ = (char) (len + 1);
		else
		{
			*to++ = (char) LONG_TEXT;
			memcpy(to, &len, sizeof(len));
			to += sizeof(len);
		}
		memcpy(to, VARDATA_ANY(texts[i]), len);
		to += len;
	}
	SET_VARSIZE(packed, to - (char *) packed);
	PG_RETURN_BYTEA_P(packed);
}

/* The length of the text at *at, behind which *at then stands; -1 for NULL. */
static int64
next_length(const unsigned char **at, const unsigned char *end)
{
	uint32		len = *(*at)++;

	if (len == 0)
		return -1;
	if (len < LONG_TEXT)
		len--;
	else if (end - *at >= (ptrdiff_t) sizeof(len))
	{
		memcpy(&len, *at, sizeof(len));
		*at += sizeof(len);
	}
	if (len > (size_t) (end - *at))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("packed texts end within a text")));
	return len;
}

static Datum
unpack(const char *packed, Size size)
{
	const unsigned char *at = (const unsigned char *) packed;
	const unsigned char *end = at + size;
	Datum	   *texts = palloc_array(Datum, size + 1);
	bool	   *nulls = palloc_array(bool, size + 1);
	int			n = 0;
	int			first = 1;

	while (at < end)
	{
		int64		len = next_length(&at, end);

		nulls[n] = len < 0;
		if (len >= 0)
		{
			(void) pg_verifymbstr((const char *) at, (int) len, false);
			texts[n] = PointerGetDatum(cstring_to_text_with_len((const char *) at, (int) len));
			at += len;
		}
		n++;
	}
	if (n == 0)
		return PointerGetDatum(construct_empty_array(TEXTOID));
	return PointerGetDatum(construct_md_array(texts, nulls, 1, &n, &first, TEXTOID, -1, false, TYPALIGN_INT));
}

/*
 * finops.unpack_texts(packed bytea) -> text[]: what finops.pack_texts was
 * given.  22023 for what it has not made, 22021 for bytes that are no text in
 * the encoding of the database.
 */
Datum
finops_unpack_texts(PG_FUNCTION_ARGS)
{
	bytea	   *packed = PG_GETARG_BYTEA_PP(0);

	PG_RETURN_DATUM(unpack(VARDATA_ANY(packed), VARSIZE_ANY_EXHDR(packed)));
}

/* ---------------------------------------------------------------------
 * The aggregate
 * ---------------------------------------------------------------------
 */

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

/* While a block grows, both and a copy of the new one are there. */
static bytea *
new_state(const LineSumsRoom *room)
{
	size_t		size = LineSumsSize(room);
	bytea	   *state;

	if (!AllocSizeIsValid(size) || size > get_hash_memory_limit() / 2)
		return give_up();
	state = palloc(size);
	LineSumsInit(state, room);
	SET_VARSIZE(state, size);
	return state;
}

/*
 * A state: the aggregate's own, as it is, or any other as a copy that has been
 * looked through.
 */
static bytea *
state_arg(FunctionCallInfo fcinfo, int argno)
{
	bool		own = argno == 0 && AggCheckCallContext(fcinfo, NULL) != 0;
	bytea	   *state;

	if (PG_ARGISNULL(argno))
	{
		LineSumsRoom room = LineSumsFirstRoom();

		return new_state(&room);
	}
	state = own ? PG_GETARG_BYTEA_P(argno) : PG_GETARG_BYTEA_P_COPY(argno);
	if (!gave_up(state) &&
		!(own ? LineSumsIsBlock(state, VARSIZE(state)) : LineSumsValid(state, VARSIZE(state))))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid state of aggregate finops.line_sums")));
	return state;
}

/* Add an amount; the state, or a larger one. */
static bytea *
add(bytea *state, const LineAmount *amount)
{
	LineSumsStatus status;

	while ((status = LineSumsAdd(state, amount)) == LINE_SUMS_FULL)
	{
		LineSumsRoom room = LineSumsMoreRoom(state, amount);
		bytea	   *larger = LineSumsSize(&room) > VARSIZE(state) ? new_state(&room) : give_up();

		if (gave_up(larger))
			return larger;
		LineSumsCopy(state, larger);
		state = larger;
	}
	return status == LINE_SUMS_OK ? state : give_up();
}

/* The shorter way first, which most amounts can go. */
static bool
amount_units(Datum amount, int128 *units, uint32 *scale)
{
	MoneyUnits	money;
	int			digits;

	if (MoneyDecodeNumeric(amount, &money) && money.scale <= LINE_SUMS_MAX_SCALE)
	{
		*units = money.negative ? -(int128) money.units : (int128) money.units;
		*scale = (uint32) money.scale;
		return true;
	}
	if (!MoneyDecodeWideNumeric(amount, units, &digits))
		return false;
	*scale = (uint32) digits;
	return true;
}

/* step(state, tenant text, key bytea, amount numeric, line bigint) */
Datum
finops_line_sums_step(PG_FUNCTION_ARGS)
{
	bytea	   *state = state_arg(fcinfo, 0);
	LineAmount	amount = {.named = !PG_ARGISNULL(4)};
	bytea	   *key;

	if (PG_ARGISNULL(2) || PG_ARGISNULL(3) || gave_up(state))
		PG_RETURN_BYTEA_P(state);
	if (!amount_units(PG_GETARG_DATUM(3), &amount.units, &amount.scale))
		PG_RETURN_BYTEA_P(give_up());
	if (!PG_ARGISNULL(1))
	{
		text	   *tenant = PG_GETARG_TEXT_PP(1);

		amount.tenant = (LineSlice) {VARDATA_ANY(tenant), VARSIZE_ANY_EXHDR(tenant)};
	}
	key = PG_GETARG_BYTEA_PP(2);
	amount.key = (LineSlice) {VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key)};
	if (amount.named)
		amount.line = PG_GETARG_INT64(4);
	PG_RETURN_BYTEA_P(add(state, &amount));
}

/* Lines named stand at their key, not at each of its sums. */
static void
merge_lines(bytea *state, const bytea *other)
{
	for (uint32 no = 1; no <= LineSumsTexts(other); no++)
	{
		LineText	t;

		LineSumsText(other, no, &t);
		LineSumsAddLines(state, &t);
	}
}

Datum
finops_line_sums_merge(PG_FUNCTION_ARGS)
{
	bytea	   *state;
	bytea	   *other;
	LineSum		sum;
	uint32		at = 0;

	if (PG_ARGISNULL(0) && !PG_ARGISNULL(1))
		PG_RETURN_BYTEA_P(state_arg(fcinfo, 1));
	state = state_arg(fcinfo, 0);
	if (PG_ARGISNULL(1) || gave_up(state))
		PG_RETURN_BYTEA_P(state);
	other = state_arg(fcinfo, 1);
	if (gave_up(other))
		PG_RETURN_BYTEA_P(other);
	while (!gave_up(state) && LineSumsNext(other, &at, &sum))
	{
		LineAmount	amount = {sum.tenant, sum.key, sum.units, sum.scale, false, 0};

		if (at % 1024 == 0)
			CHECK_FOR_INTERRUPTS();
		state = add(state, &amount);
	}
	if (!gave_up(state))
		merge_lines(state, other);
	PG_RETURN_BYTEA_P(state);
}

/* ---------------------------------------------------------------------
 * What is in a block
 * ---------------------------------------------------------------------
 */

/* finops.line_sums_keys(sums bytea) -> TABLE (key_no, texts, n, first_line, last_line) */
Datum
finops_line_sums_keys(PG_FUNCTION_ARGS)
{
	bytea	   *state = state_arg(fcinfo, 0);
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	LineSum		sum;
	uint32		at = 0;
	bool	   *seen;

	InitMaterializedSRF(fcinfo, 0);
	if (gave_up(state))
		return (Datum) 0;
	seen = palloc0(sizeof(bool) * ((Size) LineSumsTexts(state) + 1));
	while (LineSumsNext(state, &at, &sum))
	{
		LineText	t;
		Datum		values[5];
		bool		nulls[5] = {false};

		if (seen[sum.key_no])
			continue;
		seen[sum.key_no] = true;
		LineSumsText(state, sum.key_no, &t);
		values[0] = Int32GetDatum((int32) sum.key_no);
		values[1] = unpack(t.text.bytes, t.text.len);
		values[2] = Int64GetDatum((int64) t.n);
		values[3] = Int64GetDatum(t.first);
		values[4] = Int64GetDatum(t.last);
		nulls[3] = nulls[4] = t.n == 0;
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* A tenant of a block and its place among those, by bytes. */
typedef struct TenantName
{
	LineSlice	name;
	uint32		no;
} TenantName;

static int
compare_tenants(const void *a, const void *b)
{
	const LineSlice *x = &((const TenantName *) a)->name;
	const LineSlice *y = &((const TenantName *) b)->name;
	int			order = memcmp(x->bytes, y->bytes, Min(x->len, y->len));

	return order != 0 ? order : x->len < y->len ? -1 : x->len > y->len;
}

/* The place of each tenant by its number, from 1; and the tenants as text. */
static int32 *
order_tenants(const bytea *state, Datum **texts)
{
	uint32		n_texts = LineSumsTexts(state);
	TenantName *tenants = palloc_extended(sizeof(TenantName) * ((Size) n_texts + 1), MCXT_ALLOC_HUGE);
	int32	   *places = palloc0(sizeof(int32) * ((Size) n_texts + 1));
	uint32		n = 0;
	LineSum		sum;
	uint32		at = 0;

	*texts = palloc0(sizeof(Datum) * ((Size) n_texts + 1));
	while (LineSumsNext(state, &at, &sum))
		if (sum.tenant_no > 0 && places[sum.tenant_no] == 0)
		{
			places[sum.tenant_no] = 1;
			(*texts)[sum.tenant_no] =
				PointerGetDatum(cstring_to_text_with_len(sum.tenant.bytes, (int) sum.tenant.len));
			tenants[n++] = (TenantName) {sum.tenant, sum.tenant_no};
		}
	qsort(tenants, n, sizeof(TenantName), compare_tenants);
	for (uint32 i = 0; i < n; i++)
		places[tenants[i].no] = (int32) i + 1;
	pfree(tenants);
	return places;
}

/* units * 10^-scale, of 128 bits */
static Datum
units_numeric(int128 units, int scale)
{
	const uint64 base = UINT64_C(1000000000000000000);
	bool		negative = units < 0;
	uint128		rest = negative ? -(uint128) units : (uint128) units;
	Datum		amount;

	if (rest <= (uint128) MONEY_MAX_UNITS)
		return MoneyNumeric((uint64) rest, negative, scale);
	amount = DirectFunctionCall2(numeric_mul, MoneyNumeric((uint64) (rest / base / base), negative, 0),
								 MoneyNumeric(base, false, 0));
	amount = DirectFunctionCall2(numeric_add, amount,
								 MoneyNumeric((uint64) (rest / base % base), negative, 0));
	amount = DirectFunctionCall2(numeric_mul, amount, MoneyNumeric(base, false, scale));
	return DirectFunctionCall2(numeric_add, amount,
							   MoneyNumeric((uint64) (rest % base), negative, scale));
}

/*
 * finops.line_sums_amounts(sums bytea) -> TABLE (tenant_id, tenant_no, key_no,
 * cost): tenants are numbered in the order of their bytes.
 */
Datum
finops_line_sums_amounts(PG_FUNCTION_ARGS)
{
	bytea	   *state = state_arg(fcinfo, 0);
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext row;
	LineSum		sum;
	uint32		at = 0;
	int32	   *places;
	Datum	   *tenants;

	InitMaterializedSRF(fcinfo, 0);
	if (gave_up(state))
		return (Datum) 0;
	places = order_tenants(state, &tenants);
	row = AllocSetContextCreate(CurrentMemoryContext, "finops sums", ALLOCSET_SMALL_SIZES);
	while (LineSumsNext(state, &at, &sum))
	{
		MemoryContext old = MemoryContextSwitchTo(row);
		Datum		values[4];
		bool		nulls[4] = {false};

		nulls[0] = nulls[1] = sum.tenant_no == 0;
		values[0] = tenants[sum.tenant_no];
		values[1] = Int32GetDatum(places[sum.tenant_no]);
		values[2] = Int32GetDatum((int32) sum.key_no);
		values[3] = units_numeric(sum.units, (int) sum.scale);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		MemoryContextSwitchTo(old);
		if (at % 1024 == 0)
		{
			MemoryContextReset(row);
			CHECK_FOR_INTERRUPTS();
		}
	}
	MemoryContextDelete(row);
	return (Datum) 0;
}

/*-------------------------------------------------------------------------
 *
 * seal.c
 *	  The digest of the rows of a relation, whatever their order: the
 *	  aggregate finops.seal_digest(row, columns).
 *
 *	  row    = SHA-256 over the sealed columns, each as its length (four
 *			   bytes, high byte first; ffffffff for NULL) and its bytes,
 *	  sum    = the sum of all rows' digests, stretched to 2048 bits
 *			   (seal_sum.c), lane by lane modulo 2^64,
 *	  digest = SHA-256 over the number of rows (eight bytes, low byte first)
 *			   and the lanes (low byte first).
 *
 * The bytes of a column are: text in UTF-8; integers, dates and times as the
 * server holds them, low byte first; numeric as its 16-bit units, low byte
 * first; jsonb the server's own form of the value, which is the same for the
 * same text (keys sorted, offsets at fixed strides); anything else the text of
 * its output function.  Compression, padding and the order of columns in the
 * table do not matter, so a dump and restore keeps the digest.
 *
 * The sum needs no sort and 272 bytes, and workers add theirs.
 *
 *-------------------------------------------------------------------------
 */
#include "reconcile/reconcile.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "common/cryptohash.h"
#include "mb/pg_wchar.h"
#include "port/pg_bswap.h"
#include "reconcile/seal_sum.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(finops_seal_accum);
PG_FUNCTION_INFO_V1(finops_seal_combine);
PG_FUNCTION_INFO_V1(finops_seal_final);

#define SEAL_MAGIC 0x5345414cu	/* "SEAL" */

typedef struct SealState
{
	int32		vl_len_;
	uint32		magic;
	uint64		rows;
	uint64		lanes[SEAL_LANES];
} SealState;

typedef enum SealKind
{
	SEAL_TEXT,
	SEAL_UNITS,					/* numeric: 16-bit units */
	SEAL_STORED,				/* jsonb */
	SEAL_BYTE,
	SEAL_INT16,
	SEAL_INT32,
	SEAL_INT64,
	SEAL_OUTPUT
} SealKind;

typedef struct SealColumn
{
	int			attno;			/* from 0 */
	SealKind	kind;
	FmgrInfo	output;
} SealColumn;

/* What stays the same from row to row. */
typedef struct SealPlan
{
	Oid			type;
	int32		typmod;
	TupleDesc	desc;
	int			ncolumns;
	SealColumn *columns;
	Datum	   *values;
	bool	   *nulls;
	StringInfoData bytes;
	pg_cryptohash_ctx *hash;
	MemoryContext scratch;		/* per row: detoasted and printed values */
	bool		convert;		/* server encoding is not UTF-8 */
} SealPlan;

static SealKind
kind_of(Oid type)
{
	switch (type)
	{
		case TEXTOID:
		case VARCHAROID:
			return SEAL_TEXT;
		case NUMERICOID:
			return SEAL_UNITS;
		case JSONBOID:
			return SEAL_STORED;
		case BOOLOID:
			return SEAL_BYTE;
		case INT2OID:
			return SEAL_INT16;
		case INT4OID:
		case DATEOID:
			return SEAL_INT32;
		case INT8OID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return SEAL_INT64;
		default:
			return SEAL_OUTPUT;
	}
}

static void
free_hash(Datum arg)
{
	pg_cryptohash_free((pg_cryptohash_ctx *) DatumGetPointer(arg));
}

static int
find_attribute(TupleDesc desc, const char *name)
{
	for (int i = 0; i < desc->natts; i++)
		if (!TupleDescAttr(desc, i)->attisdropped &&
			strcmp(NameStr(TupleDescAttr(desc, i)->attname), name) == 0)
			return i;
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("row has no column \"%s\"", FinopsQuoteForMessage(name))));
	return -1;
}

/* Lives as long as the aggregate; the hash is freed when it ends. */
static SealPlan *
make_plan(FunctionCallInfo fcinfo, HeapTupleHeader row, ArrayType *names)
{
	MemoryContext old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	SealPlan   *plan = palloc0_object(SealPlan);
	Datum	   *elements;
	bool	   *nulls;

	if (ARR_NDIM(names) > 1 || ARR_ELEMTYPE(names) != TEXTOID)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("columns must be a list of names")));
	deconstruct_array(names, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &plan->ncolumns);
	plan->type = HeapTupleHeaderGetTypeId(row);
	plan->typmod = HeapTupleHeaderGetTypMod(row);
	plan->desc = lookup_rowtype_tupdesc_copy(plan->type, plan->typmod);
	plan->columns = palloc0_array(SealColumn, Max(plan->ncolumns, 1));
	plan->values = palloc_array(Datum, plan->desc->natts);
	plan->nulls = palloc_array(bool, plan->desc->natts);
	for (int i = 0; i < plan->ncolumns; i++)
	{
		SealColumn *column = &plan->columns[i];
		Oid			output;
		bool		varlena;

		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("columns must be a list of names")));
		column->attno = find_attribute(plan->desc, TextDatumGetCString(elements[i]));
		column->kind = kind_of(TupleDescAttr(plan->desc, column->attno)->atttypid);
		getTypeOutputInfo(TupleDescAttr(plan->desc, column->attno)->atttypid, &output, &varlena);
		fmgr_info_cxt(output, &column->output, fcinfo->flinfo->fn_mcxt);
	}
	initStringInfo(&plan->bytes);
	plan->convert = GetDatabaseEncoding() != PG_UTF8;
	plan->scratch = AllocSetContextCreate(CurrentMemoryContext, "finops seal row", ALLOCSET_SMALL_SIZES);
	plan->hash = pg_cryptohash_create(PG_SHA256);
	if (plan->hash == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	AggRegisterCallback(fcinfo, free_hash, PointerGetDatum(plan->hash));
	MemoryContextSwitchTo(old);
	return plan;
}

static void
append_bytes(StringInfo out, const void *data, uint32 len)
{
	uint32		size = pg_hton32(len);

	enlargeStringInfo(out, (int) len + 4);
	memcpy(out->data + out->len, &size, 4);
	if (len > 0)
		memcpy(out->data + out->len + 4, data, len);
	out->len += (int) len + 4;
}

/* The low n bytes of an integer, low byte first. */
static void
append_integer(StringInfo out, uint64 value, uint32 n)
{
	unsigned char bytes[8];

	for (uint32 i = 0; i < n; i++)
		bytes[i] = (unsigned char) (value >> (8 * i));
	append_bytes(out, bytes, n);
}

static void
append_text(SealPlan *plan, const char *text, int len)
{
	char	   *utf8 = plan->convert ? pg_server_to_any(text, len, PG_UTF8) : NULL;

	if (utf8 != NULL && utf8 != text)
		append_bytes(&plan->bytes, utf8, (uint32) strlen(utf8));
	else
		append_bytes(&plan->bytes, text, (uint32) len);
}

static void
append_units(StringInfo out, const char *data, uint32 len)
{
#ifdef WORDS_BIGENDIAN
	char	   *swapped = palloc(len + 1);

	for (uint32 i = 0; i + 1 < len; i += 2)
	{
		swapped[i] = data[i + 1];
		swapped[i + 1] = data[i];
	}
	append_bytes(out, swapped, len);
#else
	append_bytes(out, data, len);
#endif
}

static void
append_value(SealPlan *plan, SealColumn *column, Datum value)
{
	struct varlena *v;
	char	   *text;

	switch (column->kind)
	{
		case SEAL_TEXT:
			v = PG_DETOAST_DATUM_PACKED(value);
			append_text(plan, VARDATA_ANY(v), (int) VARSIZE_ANY_EXHDR(v));
			break;
		case SEAL_UNITS:
			v = PG_DETOAST_DATUM_PACKED(value);
			append_units(&plan->bytes, VARDATA_ANY(v), (uint32) VARSIZE_ANY_EXHDR(v));
			break;
		case SEAL_STORED:
			v = PG_DETOAST_DATUM_PACKED(value);
			append_bytes(&plan->bytes, VARDATA_ANY(v), (uint32) VARSIZE_ANY_EXHDR(v));
			break;
		case SEAL_BYTE:
			append_integer(&plan->bytes, DatumGetBool(value) ? 1 : 0, 1);
			break;
		case SEAL_INT16:
			append_integer(&plan->bytes, (uint64) DatumGetInt16(value), 2);
			break;
		case SEAL_INT32:
			append_integer(&plan->bytes, (uint64) DatumGetInt32(value), 4);
			break;
		case SEAL_INT64:
			append_integer(&plan->bytes, (uint64) DatumGetInt64(value), 8);
			break;
		case SEAL_OUTPUT:
			text = OutputFunctionCall(&column->output, value);
			append_text(plan, text, (int) strlen(text));
			break;
	}
}

/* The SHA-256 of a row's sealed columns. */
static void
digest_row(SealPlan *plan, HeapTupleHeader row, unsigned char *digest)
{
	HeapTupleData tuple;
	MemoryContext old;

	tuple.t_len = HeapTupleHeaderGetDatumLength(row);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = row;
	heap_deform_tuple(&tuple, plan->desc, plan->values, plan->nulls);
	resetStringInfo(&plan->bytes);
	old = MemoryContextSwitchTo(plan->scratch);
	for (int i = 0; i < plan->ncolumns; i++)
	{
		SealColumn *column = &plan->columns[i];

		if (plan->nulls[column->attno])
			appendBinaryStringInfo(&plan->bytes, "\xff\xff\xff\xff", 4);
		else
			append_value(plan, column, plan->values[column->attno]);
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(plan->scratch);
	if (pg_cryptohash_init(plan->hash) < 0 ||
		pg_cryptohash_update(plan->hash, (uint8 *) plan->bytes.data, plan->bytes.len) < 0 ||
		pg_cryptohash_final(plan->hash, digest, SEAL_DIGEST) < 0)
		elog(ERROR, "could not compute SHA-256");
}

static SealState *
new_state(MemoryContext context)
{
	SealState  *state = MemoryContextAllocZero(context, sizeof(SealState));

	SET_VARSIZE(state, sizeof(SealState));
	state->magic = SEAL_MAGIC;
	return state;
}

/* A state may come from anybody who calls the functions of the aggregate. */
static SealState *
get_state(FunctionCallInfo fcinfo, int argno, MemoryContext context)
{
	SealState  *state = (SealState *) PG_GETARG_BYTEA_P(argno);

	if (VARSIZE(state) != sizeof(SealState) || state->magic != SEAL_MAGIC)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid state of aggregate finops.seal_digest")));
	if ((Pointer) state != DatumGetPointer(PG_GETARG_DATUM(argno)) || context == NULL)
	{
		SealState  *copy = MemoryContextAlloc(context != NULL ? context : CurrentMemoryContext,
											  sizeof(SealState));

		memcpy(copy, state, sizeof(SealState));
		return copy;
	}
	return state;
}

static MemoryContext
require_aggregate(FunctionCallInfo fcinfo)
{
	MemoryContext context;

	if (AggCheckCallContext(fcinfo, &context) != AGG_CONTEXT_AGGREGATE)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("function is part of aggregate finops.seal_digest")));
	return context;
}

/* finops.seal_accum(state bytea, row record, columns text[]) → bytea */
Datum
finops_seal_accum(PG_FUNCTION_ARGS)
{
	MemoryContext context = require_aggregate(fcinfo);
	SealState  *state = PG_ARGISNULL(0) ? new_state(context) : get_state(fcinfo, 0, context);
	SealPlan   *plan = fcinfo->flinfo->fn_extra;
	unsigned char digest[SEAL_DIGEST];
	HeapTupleHeader row;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("row and columns must not be null")));
	row = PG_GETARG_HEAPTUPLEHEADER(1);
	if (plan == NULL)
		plan = fcinfo->flinfo->fn_extra = make_plan(fcinfo, row, PG_GETARG_ARRAYTYPE_P(2));
	if (plan->type != HeapTupleHeaderGetTypeId(row) || plan->typmod != HeapTupleHeaderGetTypMod(row))
		elog(ERROR, "rows of one seal have different types");
	digest_row(plan, row, digest);
	SealAdd(state->lanes, digest);
	state->rows++;
	PG_RETURN_POINTER(state);
}

/* finops.seal_combine(state bytea, other bytea) → bytea */
Datum
finops_seal_combine(PG_FUNCTION_ARGS)
{
	MemoryContext context = require_aggregate(fcinfo);
	SealState  *state;
	SealState  *other;

	if (PG_ARGISNULL(1))
	{
		if (PG_ARGISNULL(0))
			PG_RETURN_NULL();
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	}
	other = get_state(fcinfo, 1, NULL);
	state = PG_ARGISNULL(0) ? new_state(context) : get_state(fcinfo, 0, context);
	for (int i = 0; i < SEAL_LANES; i++)
		state->lanes[i] += other->lanes[i];
	state->rows += other->rows;
	PG_RETURN_POINTER(state);
}

/* finops.seal_final(state bytea) → text: the digest, hex */
Datum
finops_seal_final(PG_FUNCTION_ARGS)
{
	unsigned char bytes[8 * (SEAL_LANES + 1)];
	unsigned char digest[SEAL_DIGEST];
	char		hex[2 * SEAL_DIGEST + 1];
	SealState  *state = PG_ARGISNULL(0) ? new_state(CurrentMemoryContext) : get_state(fcinfo, 0, NULL);
	pg_cryptohash_ctx *hash;

	for (int i = 0; i <= SEAL_LANES; i++)
		for (int b = 0; b < 8; b++)
			bytes[8 * i + b] = (unsigned char) ((i == 0 ? state->rows : state->lanes[i - 1]) >> (8 * b));
	hash = pg_cryptohash_create(PG_SHA256);
	if (hash == NULL || pg_cryptohash_init(hash) < 0 ||
		pg_cryptohash_update(hash, bytes, sizeof(bytes)) < 0 ||
		pg_cryptohash_final(hash, digest, sizeof(digest)) < 0)
		elog(ERROR, "could not compute SHA-256");
	pg_cryptohash_free(hash);
	hex[hex_encode((const char *) digest, sizeof(digest), hex)] = '\0';
	PG_RETURN_TEXT_P(cstring_to_text(hex));
}

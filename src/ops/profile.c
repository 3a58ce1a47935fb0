/*-------------------------------------------------------------------------
 *
 * profile.c
 *	  finops.profile_table: what is in the columns of a relation, in one scan.
 *
 * One aggregate takes all columns of a row, so that a row costs one call; its
 * state is bytea with a combine function, and the scan is the planner's:
 * parallel, of partitions, of views, of the rows that the caller may see.
 *
 * Numbers are profiled as float8.  Smallest and largest values are exact, but
 * for text, which is compared by bytes and told up to PROFILE_TEXT of them.
 *
 *-------------------------------------------------------------------------
 */
#include "core/core.h"

#include "access/table.h"
#include "common/hashfn.h"
#include "core/money.h"
#include "mb/pg_wchar.h"
#include "ops/ops.h"
#include "ops/sketch.h"
#include "parser/parse_type.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/typcache.h"

#include <math.h>

PG_FUNCTION_INFO_V1(finops_profile_accum);
PG_FUNCTION_INFO_V1(finops_profile_combine);
PG_FUNCTION_INFO_V1(finops_profile_final);
PG_FUNCTION_INFO_V1(finops_profile_table);

#define PROFILE_MAGIC	0x66705231
#define PROFILE_TEXT	64		/* bytes of a smallest or largest text or numeric */
#define PROFILE_COLUMNS	90		/* of one call; a function has at most 100 arguments */

typedef enum ProfileKind
{
	PROFILE_INTEGER,			/* by value, ordered as int64, and a number */
	PROFILE_ORDERED,			/* the same, but no number: dates, times, booleans */
	PROFILE_FLOAT,
	PROFILE_NUMERIC,
	PROFILE_TEXTUAL,
	PROFILE_OTHER				/* bytes that are equal or not */
} ProfileKind;

typedef struct ProfileColumn
{
	Oid			type;
	int32		kind;
	int64		nulls;
	int64		seen;			/* values with a place in the order: not NaN */
	double		shift;			/* the first number; sums are of differences to it */
	double		sum;
	double		squares;
	int64		finite;
	union
	{
		int64		i;
		double		d;
	}			least,
				most;
	int16		least_len;
	int16		most_len;
	int32		unused;
	char		least_bytes[PROFILE_TEXT];
	char		most_bytes[PROFILE_TEXT];
	unsigned char registers[SKETCH_SIZE];
} ProfileColumn;

typedef struct Profile
{
	int32		vl_len_;		/* varlena header */
	uint32		magic;
	int32		columns;
	int32		unused;
	int64		rows;
	ProfileColumn column[FLEXIBLE_ARRAY_MEMBER];
} Profile;

static Size
profile_size(int columns)
{
	return offsetof(Profile, column) + sizeof(ProfileColumn) * columns;
}

static void
check_profile(const Profile *p)
{
	if (VARSIZE(p) < offsetof(Profile, column) || p->magic != PROFILE_MAGIC ||
		p->columns < 1 || p->columns > PROFILE_COLUMNS || VARSIZE(p) != profile_size(p->columns))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid state of a profile")));
}

static ProfileKind
kind_of_type(Oid type)
{
	switch (type)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
			return PROFILE_INTEGER;
		case BOOLOID:
		case DATEOID:
		case TIMEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return PROFILE_ORDERED;
		case FLOAT4OID:
		case FLOAT8OID:
			return PROFILE_FLOAT;
		case NUMERICOID:
			return PROFILE_NUMERIC;
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			return PROFILE_TEXTUAL;
		default:
			return PROFILE_OTHER;
	}
}

/* A state of another process or caller, checked and in memory of its own. */
static Profile *
profile_arg(FunctionCallInfo fcinfo, int argno)
{
	Profile    *p = (Profile *) PG_GETARG_BYTEA_P_COPY(argno);

	check_profile(p);
	for (int i = 0; i < p->columns; i++)
	{
		const ProfileColumn *c = &p->column[i];

		if (c->kind != (int32) kind_of_type(c->type) || c->nulls < 0 || c->seen < 0 || c->finite < 0 ||
			c->finite > c->seen || c->nulls > p->rows || c->seen > p->rows ||
			c->least_len < 0 || c->least_len > PROFILE_TEXT || c->most_len < 0 || c->most_len > PROFILE_TEXT)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid state of a profile")));
	}
	return p;
}

static Profile *
new_profile(MemoryContext context, FunctionCallInfo fcinfo)
{
	int			columns = PG_NARGS() - 1;
	Profile    *p;

	if (columns > PROFILE_COLUMNS)
		ereport(ERROR,
				(errcode(ERRCODE_TOO_MANY_ARGUMENTS),
				 errmsg("cannot profile more than %d columns at once", PROFILE_COLUMNS)));
	p = MemoryContextAllocZero(context, profile_size(columns));
	SET_VARSIZE(p, profile_size(columns));
	p->magic = PROFILE_MAGIC;
	p->columns = columns;
	for (int i = 0; i < columns; i++)
	{
		Oid			type = get_fn_expr_argtype(fcinfo->flinfo, i + 1);

		p->column[i].type = OidIsValid(type) ? getBaseType(type) : UNKNOWNOID;
		p->column[i].kind = kind_of_type(p->column[i].type);
	}
	return p;
}

static inline void
add_number(ProfileColumn *c, double x)
{
	double		d;

	if (!isfinite(x))
		return;
	if (c->finite++ == 0)
		c->shift = x;
	d = x - c->shift;
	c->sum += d;
	c->squares += d * d;
}

static inline void
add_ordered(ProfileColumn *c, int64 x)
{
	if (c->seen++ == 0)
		c->least.i = c->most.i = x;
	else if (x < c->least.i)
		c->least.i = x;
	else if (x > c->most.i)
		c->most.i = x;
	SketchAdd(c->registers, SketchHash((uint64) x + UINT64_C(0x9e3779b97f4a7c15)));
}

static inline void
add_float(ProfileColumn *c, double x)
{
	uint64		bits;

	x += 0.0;					/* -0 is 0 */
	memcpy(&bits, &x, sizeof(bits));
	if (isnan(x))
		bits = 1;
	SketchAdd(c->registers, SketchHash(bits));
	if (isnan(x))
		return;
	if (c->seen++ == 0)
		c->least.d = c->most.d = x;
	else if (x < c->least.d)
		c->least.d = x;
	else if (x > c->most.d)
		c->most.d = x;
	add_number(c, x);
}

/* A numeric as it was written, when it is not too long. */
static void
keep_bytes(char *bytes, int16 *len, const struct varlena *v)
{
	Size		n = VARSIZE_ANY_EXHDR(v);

	*len = 0;
	if (n <= PROFILE_TEXT)
	{
		memcpy(bytes, VARDATA_ANY(v), n);
		*len = (int16) n;
	}
}

static Datum
kept_numeric(const char *bytes, int16 len)
{
	struct varlena *v = palloc(VARHDRSZ + len);

	SET_VARSIZE(v, VARHDRSZ + len);
	memcpy(VARDATA(v), bytes, len);
	return PointerGetDatum(v);
}

/* Whether a numeric is below (sign -1) or above (1) the one that is kept, whose float8 is the same. */
static bool
beyond_equal(Datum value, const char *bytes, int16 len, int sign)
{
	return len > 0 &&
		DatumGetInt32(DirectFunctionCall2(numeric_cmp, value, kept_numeric(bytes, len))) * sign > 0;
}

static void
add_numeric(ProfileColumn *c, Datum value)
{
	static const double tenth[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13,
	1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
	struct varlena *v = pg_detoast_datum_packed((struct varlena *) DatumGetPointer(value));
	MoneyUnits	m;
	double		x;
	int64		seen = c->seen;
	double		least = c->least.d,
				most = c->most.d;

	if (MoneyDecodeNumeric(PointerGetDatum(v), &m) && m.scale < (int) lengthof(tenth))
		x = (m.negative ? -1.0 : 1.0) * (double) m.units / tenth[m.scale];
	else
		x = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, PointerGetDatum(v)));
	add_float(c, x);
	if (c->seen == seen)
		return;
	if (seen == 0 || x < least ||
		(x == least && beyond_equal(PointerGetDatum(v), c->least_bytes, c->least_len, -1)))
		keep_bytes(c->least_bytes, &c->least_len, v);
	if (seen == 0 || x > most ||
		(x == most && beyond_equal(PointerGetDatum(v), c->most_bytes, c->most_len, 1)))
		keep_bytes(c->most_bytes, &c->most_len, v);
}

static int
compare_bytes(const char *a, int a_len, const char *b, int b_len)
{
	int			result = memcmp(a, b, Min(a_len, b_len));

	return result != 0 ? result : a_len - b_len;
}

static void
add_text(ProfileColumn *c, Datum value)
{
	struct varlena *v = pg_detoast_datum_packed((struct varlena *) DatumGetPointer(value));
	const char *s = VARDATA_ANY(v);
	int			len = (int) VARSIZE_ANY_EXHDR(v);
	int			kept;

	if (c->type == BPCHAROID)
		while (len > 0 && s[len - 1] == ' ')
			len--;
	SketchAdd(c->registers, hash_bytes_extended((const unsigned char *) s, len, 0));
	kept = Min(len, PROFILE_TEXT);
	if (c->seen == 0 || compare_bytes(s, kept, c->least_bytes, c->least_len) < 0)
	{
		memcpy(c->least_bytes, s, kept);
		c->least_len = (int16) kept;
	}
	if (c->seen == 0 || compare_bytes(s, kept, c->most_bytes, c->most_len) > 0)
	{
		memcpy(c->most_bytes, s, kept);
		c->most_len = (int16) kept;
	}
	c->seen++;
	if ((Pointer) v != DatumGetPointer(value))
		pfree(v);
}

static void
add_other(ProfileColumn *c, Datum value)
{
	int16		len;
	bool		by_value;

	get_typlenbyval(c->type, &len, &by_value);
	if (by_value)
		SketchAdd(c->registers, SketchHash((uint64) value));
	else if (len == -1)
	{
		struct varlena *v = pg_detoast_datum_packed((struct varlena *) DatumGetPointer(value));

		SketchAdd(c->registers, hash_bytes_extended((const unsigned char *) VARDATA_ANY(v),
													(int) VARSIZE_ANY_EXHDR(v), 0));
		if ((Pointer) v != DatumGetPointer(value))
			pfree(v);
	}
	else
		SketchAdd(c->registers, hash_bytes_extended((const unsigned char *) DatumGetPointer(value),
													len > 0 ? len : (int) strlen(DatumGetCString(value)), 0));
	c->seen++;
}

static inline void
add_value(ProfileColumn *c, Datum value)
{
	switch (c->type)
	{
		case INT8OID:
			add_ordered(c, DatumGetInt64(value));
			add_number(c, (double) DatumGetInt64(value));
			break;
		case INT4OID:
			add_ordered(c, DatumGetInt32(value));
			add_number(c, DatumGetInt32(value));
			break;
		case INT2OID:
			add_ordered(c, DatumGetInt16(value));
			add_number(c, DatumGetInt16(value));
			break;
		case FLOAT8OID:
			add_float(c, DatumGetFloat8(value));
			break;
		case FLOAT4OID:
			add_float(c, DatumGetFloat4(value));
			break;
		case DATEOID:
			add_ordered(c, DatumGetDateADT(value));
			break;
		case BOOLOID:
			add_ordered(c, DatumGetBool(value));
			break;
		case TIMEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			add_ordered(c, DatumGetInt64(value));
			break;
		case NUMERICOID:
			add_numeric(c, value);
			break;
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			add_text(c, value);
			break;
		default:
			add_other(c, value);
	}
}

/* finops.profile_accum(state, VARIADIC columns) */
Datum
finops_profile_accum(PG_FUNCTION_ARGS)
{
	MemoryContext context;
	Profile    *p;

	if (AggCheckCallContext(fcinfo, &context) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("profile_accum can only be called by its aggregate")));
	if (PG_ARGISNULL(0))
		p = new_profile(context, fcinfo);
	else
	{
		p = (Profile *) PG_GETARG_BYTEA_P(0);
		check_profile(p);
		if (p->columns != PG_NARGS() - 1)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid state of a profile")));
	}
	p->rows++;
	for (int i = 0; i < p->columns; i++)
	{
		if (PG_ARGISNULL(i + 1))
			p->column[i].nulls++;
		else
			add_value(&p->column[i], PG_GETARG_DATUM(i + 1));
	}
	PG_RETURN_POINTER(p);
}

/* ---------------------------------------------------------------------
 * Partial states
 * ---------------------------------------------------------------------
 */

/* Sums of differences to one number become those of differences to another. */
static void
merge_numbers(ProfileColumn *a, const ProfileColumn *b)
{
	double		d = b->shift - a->shift;

	if (b->finite == 0)
		return;
	if (a->finite == 0)
	{
		a->shift = b->shift;
		d = 0;
	}
	a->squares += b->squares + 2 * d * b->sum + d * d * (double) b->finite;
	a->sum += b->sum + d * (double) b->finite;
	a->finite += b->finite;
}

/* Whether what b keeps is beyond a, in the order that sign gives (-1: least). */
static bool
is_beyond(const ProfileColumn *a, const ProfileColumn *b, int sign)
{
	if (a->kind == PROFILE_INTEGER || a->kind == PROFILE_ORDERED)
		return sign < 0 ? b->least.i < a->least.i : b->most.i > a->most.i;
	if (a->kind == PROFILE_TEXTUAL)
		return sign < 0 ? compare_bytes(b->least_bytes, b->least_len, a->least_bytes, a->least_len) < 0 :
			compare_bytes(b->most_bytes, b->most_len, a->most_bytes, a->most_len) > 0;
	if (sign < 0 ? b->least.d != a->least.d : b->most.d != a->most.d)
		return sign < 0 ? b->least.d < a->least.d : b->most.d > a->most.d;
	if (a->kind != PROFILE_NUMERIC)
		return false;
	if (sign < 0)
		return b->least_len > 0 &&
			beyond_equal(kept_numeric(b->least_bytes, b->least_len), a->least_bytes, a->least_len, -1);
	return b->most_len > 0 &&
		beyond_equal(kept_numeric(b->most_bytes, b->most_len), a->most_bytes, a->most_len, 1);
}

static void
merge_column(ProfileColumn *a, const ProfileColumn *b)
{
	if (b->seen > 0 && (a->seen == 0 || is_beyond(a, b, -1)))
	{
		a->least = b->least;
		a->least_len = b->least_len;
		memcpy(a->least_bytes, b->least_bytes, PROFILE_TEXT);
	}
	if (b->seen > 0 && (a->seen == 0 || is_beyond(a, b, 1)))
	{
		a->most = b->most;
		a->most_len = b->most_len;
		memcpy(a->most_bytes, b->most_bytes, PROFILE_TEXT);
	}
	a->nulls += b->nulls;
	a->seen += b->seen;
	merge_numbers(a, b);
	SketchMerge(a->registers, b->registers);
}

/* finops.profile_combine(state, state) */
Datum
finops_profile_combine(PG_FUNCTION_ARGS)
{
	MemoryContext context;
	MemoryContext old;
	Profile    *a,
			   *b;

	if (PG_ARGISNULL(0) && PG_ARGISNULL(1))
		PG_RETURN_NULL();
	if (AggCheckCallContext(fcinfo, &context) == 0)
		context = CurrentMemoryContext;
	old = MemoryContextSwitchTo(context);
	a = profile_arg(fcinfo, PG_ARGISNULL(0) ? 1 : 0);
	MemoryContextSwitchTo(old);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_POINTER(a);
	b = profile_arg(fcinfo, 1);
	if (a->columns != b->columns)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid state of a profile")));
	for (int i = 0; i < a->columns; i++)
	{
		if (a->column[i].type != b->column[i].type)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid state of a profile")));
		merge_column(&a->column[i], &b->column[i]);
	}
	a->rows += b->rows;
	PG_RETURN_POINTER(a);
}

/* ---------------------------------------------------------------------
 * Results
 * ---------------------------------------------------------------------
 */

static Datum
extreme_text(const ProfileColumn *c, int64 i, double d, const char *bytes, int16 len, bool *isnull)
{
	Oid			output;
	bool		varlena;
	Datum		value;

	*isnull = c->seen == 0 || c->kind == PROFILE_OTHER;
	if (*isnull)
		return (Datum) 0;
	if (c->kind == PROFILE_TEXTUAL)
		return PointerGetDatum(cstring_to_text_with_len(bytes, pg_mbcliplen(bytes, len, len)));
	if (c->kind == PROFILE_NUMERIC && len > 0)
		value = kept_numeric(bytes, len);
	else if (c->kind == PROFILE_NUMERIC || c->type == FLOAT8OID)
		return CStringGetTextDatum(DatumGetCString(DirectFunctionCall1(float8out, Float8GetDatum(d))));
	else if (c->type == FLOAT4OID)
		value = Float4GetDatum((float4) d);
	else if (c->type == BOOLOID)
		value = BoolGetDatum(i != 0);
	else if (c->type == INT2OID)
		value = Int16GetDatum((int16) i);
	else if (c->type == INT4OID || c->type == DATEOID)
		value = Int32GetDatum((int32) i);
	else
		value = Int64GetDatum(i);
	getTypeOutputInfo(c->type, &output, &varlena);
	return CStringGetTextDatum(OidOutputFunctionCall(output, value));
}

static Datum
column_row(TupleDesc tupdesc, const Profile *p, const ProfileColumn *c)
{
	Datum		values[8];
	bool		nulls[8] = {0};
	double		n = (double) c->finite,
				mean = c->sum / n,
				distinct = SketchEstimate(c->registers);

	/* a sketch may say a little more than there is */
	if (distinct > (double) (p->rows - c->nulls))
		distinct = (double) (p->rows - c->nulls);
	values[0] = Int64GetDatum(p->rows);
	values[1] = Int64GetDatum(c->nulls);
	values[2] = Float8GetDatum((double) c->nulls / (double) p->rows);
	nulls[2] = p->rows == 0;
	values[3] = Int64GetDatum((int64) rint(distinct));
	values[4] = extreme_text(c, c->least.i, c->least.d, c->least_bytes, c->least_len, &nulls[4]);
	values[5] = extreme_text(c, c->most.i, c->most.d, c->most_bytes, c->most_len, &nulls[5]);
	values[6] = Float8GetDatum(c->shift + mean);
	nulls[6] = c->finite == 0 || c->kind == PROFILE_ORDERED;
	values[7] = Float8GetDatum(sqrt(Max(c->squares - mean * c->sum, 0) / (n - 1)));
	nulls[7] = c->finite < 2 || c->kind == PROFILE_ORDERED;
	return HeapTupleGetDatum(heap_form_tuple(tupdesc, values, nulls));
}

/* finops.profile_final(state): one element for each column */
Datum
finops_profile_final(PG_FUNCTION_ARGS)
{
	Profile    *p;
	TupleDesc	tupdesc;
	Oid			type = get_element_type(get_fn_expr_rettype(fcinfo->flinfo));
	Datum	   *rows;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	p = profile_arg(fcinfo, 0);
	if (!OidIsValid(type))
		elog(ERROR, "return type must be an array of rows");
	tupdesc = lookup_rowtype_tupdesc_copy(type, -1);
	rows = palloc_array(Datum, p->columns);
	for (int i = 0; i < p->columns; i++)
		rows[i] = column_row(tupdesc, p, &p->column[i]);
	PG_RETURN_ARRAYTYPE_P(construct_array(rows, p->columns, type, -1, false, TYPALIGN_DOUBLE));
}

/* ---------------------------------------------------------------------
 * finops.profile_table
 * ---------------------------------------------------------------------
 */

/* The columns that are asked for, checked: attribute numbers. */
static List *
columns_arg(FunctionCallInfo fcinfo, Relation rel)
{
	TupleDesc	tupdesc = RelationGetDescr(rel);
	List	   *columns = NIL;
	Datum	   *names;
	bool	   *nulls;
	int			n;

	if (PG_ARGISNULL(1))
	{
		for (int i = 0; i < tupdesc->natts; i++)
			if (!TupleDescAttr(tupdesc, i)->attisdropped)
				columns = lappend_int(columns, i + 1);
		return columns;
	}
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false, TYPALIGN_INT, &names, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		char	   *name;
		AttrNumber	at;

		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("columns must not contain null"),
					 errhint("Leave columns out to profile all of them.")));
		name = TextDatumGetCString(names[i]);
		at = get_attnum(RelationGetRelid(rel), name);
		if (at <= 0)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("column \"%s\" of relation \"%s\" does not exist", FinopsQuoteForMessage(name),
							RelationGetRelationName(rel))));
		columns = lappend_int(columns, at);
	}
	return columns;
}

/* One statement for some of the columns, from first on. */
static char *
profile_query(Relation rel, List *columns, int first)
{
	TupleDesc	tupdesc = RelationGetDescr(rel);
	StringInfoData names,
				types,
				arguments;
	int			last = Min(first + PROFILE_COLUMNS, list_length(columns));
	const char *schema = get_namespace_name(RelationGetNamespace(rel));

	initStringInfo(&names);
	initStringInfo(&types);
	initStringInfo(&arguments);
	for (int i = first; i < last; i++)
	{
		Form_pg_attribute a = TupleDescAttr(tupdesc, list_nth_int(columns, i) - 1);
		const char *comma = i > first ? ", " : "";

		appendStringInfo(&names, "%s%s", comma, quote_literal_cstr(NameStr(a->attname)));
		appendStringInfo(&types, "%s%s", comma, quote_literal_cstr(format_type_be(a->atttypid)));
		appendStringInfo(&arguments, "%st.%s", comma, quote_identifier(NameStr(a->attname)));
	}
	/* of no rows there is no state, and the third list is empty */
	return psprintf("SELECT n.name, n.type, COALESCE(n.row_count, 0), COALESCE(n.nulls, 0), n.null_ratio,"
					" COALESCE(n.distinct_estimate, 0), n.minimum, n.maximum, n.mean, n.deviation FROM (SELECT finops.profile_agg(%s) AS columns FROM %s t) p,"
					" ROWS FROM (unnest(ARRAY[%s]::text[]), unnest(ARRAY[%s]::text[]), unnest(p.columns))"
					" AS n(name, type, row_count, nulls, null_ratio, distinct_estimate, minimum, maximum, mean, deviation)",
					arguments.data,
					quote_qualified_identifier(schema, RelationGetRelationName(rel)),
					names.data, types.data);
}

static void
set_for_profile(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

/* finops.profile_table(relation, columns) */
Datum
finops_profile_table(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Relation	rel;
	List	   *columns;
	int			level;

	FinopsRequireArg(fcinfo, 0, "relation");
	rel = try_table_open(PG_GETARG_OID(0), AccessShareLock);
	if (rel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("there is no relation with OID %u", PG_GETARG_OID(0))));
	if (rel->rd_rel->relkind == RELKIND_COMPOSITE_TYPE || rel->rd_rel->relkind == RELKIND_SEQUENCE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" has no rows to profile", RelationGetRelationName(rel))));
	columns = columns_arg(fcinfo, rel);
	InitMaterializedSRF(fcinfo, 0);
	level = NewGUCNestLevel();
	/* names and operators are qualified; of the caller's settings, these change what is read or shown */
	set_for_profile("search_path", "pg_catalog, pg_temp");
	set_for_profile("DateStyle", "ISO, YMD");
	set_for_profile("jit", "off");
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	for (int first = 0; first < list_length(columns); first += PROFILE_COLUMNS)
	{
		SPIPlanPtr	plan = SPI_prepare_cursor(profile_query(rel, columns, first), 0, NULL,
											  CURSOR_OPT_PARALLEL_OK);

		if (plan == NULL || SPI_execute_plan(plan, NULL, NULL, true, 0) != SPI_OK_SELECT)
			elog(ERROR, "profile of a relation failed: %s", SPI_result_code_string(SPI_result));
		for (uint64 i = 0; i < SPI_processed; i++)
			tuplestore_puttuple(rsinfo->setResult, SPI_tuptable->vals[i]);
	}
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
	AtEOXact_GUC(false, level);
	table_close(rel, NoLock);
	return (Datum) 0;
}

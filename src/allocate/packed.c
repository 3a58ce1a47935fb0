/*-------------------------------------------------------------------------
 *
 * packed.c
 *	  Packed allocation entries: written, added up and unpacked.
 *
 * A row of finops.allocation_packed has the parts of one origin, bigint units
 * of 1e-9 in the order of the targets of its list.  Rows are never changed: a
 * later run posts the differences, and the sum over the rows of an origin is
 * its allocation.  The units are stored as they are, so that the amount of one
 * tenant is read from its place without the rest.
 *
 *-------------------------------------------------------------------------
 */
#include "allocate/engine.h"

#include "catalog/pg_type.h"
#include "common/int.h"
#include "utils/array.h"
#include "utils/fmgrprotos.h"

PG_FUNCTION_INFO_V1(finops_unpack_allocation);
PG_FUNCTION_INFO_V1(finops_packed_amount);
PG_FUNCTION_INFO_V1(finops_packed_total);
PG_FUNCTION_INFO_V1(finops_place_units);
PG_FUNCTION_INFO_V1(finops_add_units);

/* Elements of a one-dimensional array without nulls; 22023 for others. */
static const int64 *
units_of(ArrayType *array, int *n)
{
	*n = ARR_NDIM(array) == 0 ? 0 : ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	if (ARR_NDIM(array) > 1 || ARR_HASNULL(array))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("units must be a one-dimensional array without nulls")));
	return (const int64 *) ARR_DATA_PTR(array);
}

static Datum
amount_of(int64 units, int least)
{
	uint64		rest = units < 0 ? -(uint64) units : (uint64) units;
	int			scale = ENGINE_SCALE;

	for (; scale > least && rest % 10 == 0; scale--)
		rest /= 10;
	return MoneyNumeric(rest, units < 0, scale);
}

static Datum *
target_names(ArrayType *array, int n)
{
	Datum	   *names;
	int			found;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &names, NULL, &found);
	if (found != n)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there are %d units and %d targets", n, found)));
	return names;
}

/* The shares of the units, 18 digits, which add up to 1; NULL: both signs. */
static uint64 *
shares_of(const int64 *units, int n)
{
	uint64	   *weights = palloc_array(uint64, n + 1);
	uint64	   *shares;
	uint64		total = 0;
	bool		above = false;
	bool		below = false;

	for (int i = 0; i < n; i++)
	{
		above |= units[i] > 0;
		below |= units[i] < 0;
		weights[i] = units[i] < 0 ? -(uint64) units[i] : (uint64) units[i];
		total += weights[i];
		if (total > (uint64) MONEY_MAX_UNITS)
			return NULL;
	}
	if (above == below)
		return NULL;
	shares = palloc_array(uint64, n);
	MoneyApportion(UINT64_C(1000000000000000000), weights, total, n, shares,
				   palloc_array(uint64, 2 * (Size) n), NULL);
	return shares;
}

/*
 * finops.unpack_allocation(targets text[], units bigint[], amount_scale
 * smallint) -> TABLE (tenant_id text, kind text, amount numeric, share numeric)
 *
 * The entries of a packed row.  22023 for arrays of other shapes.
 */
Datum
finops_unpack_allocation(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result;
	const int64 *units;
	Datum	   *names;
	uint64	   *shares;
	int			n;
	int			scale;
	MemoryContext row;

	InitMaterializedSRF(fcinfo, 0);
	result = (ReturnSetInfo *) fcinfo->resultinfo;
	for (int i = 0; i < 3; i++)
		if (PG_ARGISNULL(i))
			return (Datum) 0;
	units = units_of(PG_GETARG_ARRAYTYPE_P(1), &n);
	names = target_names(PG_GETARG_ARRAYTYPE_P(0), n);
	scale = Min(Max(PG_GETARG_INT16(2), 0), ENGINE_SCALE);
	shares = shares_of(units, n);
	row = AllocSetContextCreate(CurrentMemoryContext, "finops unpack", ALLOCSET_DEFAULT_SIZES);
	for (int i = 0; i < n; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(row);
		const char *name = VARDATA_ANY(DatumGetPointer(names[i]));
		int			len = VARSIZE_ANY_EXHDR(DatumGetPointer(names[i]));
		bool		tenant = len > 2 && name[0] == 't';
		Datum		values[4] = {0};
		bool		nulls[4] = {!tenant, false, false, shares == NULL};

		if (units[i] != 0)
		{
			if (tenant)
				values[0] = PointerGetDatum(cstring_to_text_with_len(name + 2, len - 2));
			values[1] = CStringGetTextDatum(tenant ? "shared" : len == 1 && name[0] == 'o' ? "overhead" : "unallocated");
			values[2] = amount_of(units[i], scale);
			if (shares != NULL)
				values[3] = MoneyNumeric(shares[i], false, SHARE_SCALE);
			tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		}
		MemoryContextSwitchTo(old);
		if (i % 512 == 511)
			MemoryContextReset(row);
	}
	return (Datum) 0;
}

/*
 * finops.packed_amount(units bigint[], "position" integer, amount_scale
 * smallint) -> numeric
 *
 * One element as an amount, read without the others; NULL beyond them.
 */
Datum
finops_packed_amount(PG_FUNCTION_ARGS)
{
	int32		position = PG_GETARG_INT32(1);
	int			offset = (int) (ARR_OVERHEAD_NONULLS(1) - VARHDRSZ);
	struct varlena *slice;
	int64		units;

	if (position < 1 || position > (int32) (MaxAllocSize / sizeof(int64)))
		PG_RETURN_NULL();
	slice = PG_DETOAST_DATUM_SLICE(PG_GETARG_DATUM(0), offset + (position - 1) * (int) sizeof(int64),
								   sizeof(int64));
	if (VARSIZE_ANY_EXHDR(slice) < sizeof(int64))
		PG_RETURN_NULL();
	memcpy(&units, VARDATA_ANY(slice), sizeof(int64));
	PG_RETURN_DATUM(amount_of(units, Min(Max(PG_GETARG_INT16(2), 0), ENGINE_SCALE)));
}

/* finops.packed_total(units bigint[]) -> numeric: the sum of the amounts. */
Datum
finops_packed_total(PG_FUNCTION_ARGS)
{
	int			n;
	const int64 *units = units_of(PG_GETARG_ARRAYTYPE_P(0), &n);
	int128		total = 0;
	int64		whole;

	for (int i = 0; i < n; i++)
		total += units[i];
	whole = (int64) (total / 1000000000);
	PG_RETURN_DATUM(DirectFunctionCall2(numeric_add, NumericGetDatum(int64_to_numeric(whole)),
										amount_of((int64) (total - (int128) whole * 1000000000), 0)));
}

/* Targets stand in the order of the engine: tenants by bytes, then o and u. */
static int
compare_targets(Datum a, Datum b)
{
	const char *x = VARDATA_ANY(DatumGetPointer(a));
	const char *y = VARDATA_ANY(DatumGetPointer(b));
	int			len_x = VARSIZE_ANY_EXHDR(DatumGetPointer(a));
	int			len_y = VARSIZE_ANY_EXHDR(DatumGetPointer(b));
	int			order = (x[0] != 't') - (y[0] != 't');

	if (order == 0)
		order = memcmp(x, y, Min(len_x, len_y));
	return order != 0 ? order : len_x - len_y;
}

/*
 * finops.place_units(units bigint[], from_targets text[], to_targets text[],
 * negate boolean) -> bigint[]
 *
 * Units of one list of targets in the order of another that has all of them;
 * 22023 for one that has not.
 */
Datum
finops_place_units(PG_FUNCTION_ARGS)
{
	ArrayType  *to = PG_GETARG_ARRAYTYPE_P(2);
	bool		negate = PG_GETARG_BOOL(3);
	int			n;
	int			n_to = ARR_NDIM(to) == 0 ? 0 : ArrayGetNItems(ARR_NDIM(to), ARR_DIMS(to));
	const int64 *units = units_of(PG_GETARG_ARRAYTYPE_P(0), &n);
	Datum	   *from_names = target_names(PG_GETARG_ARRAYTYPE_P(1), n);
	Datum	   *to_names = target_names(to, n_to);
	Datum	   *placed = palloc_array(Datum, n_to + 1);
	int			at = 0;

	for (int i = 0; i < n_to; i++)
	{
		placed[i] = Int64GetDatum(0);
		if (at < n && compare_targets(from_names[at], to_names[i]) == 0)
		{
			placed[i] = Int64GetDatum(negate ? -units[at] : units[at]);
			at++;
		}
	}
	if (at < n)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a target is not in the list, or the lists are not in order")));
	PG_RETURN_ARRAYTYPE_P(construct_array(placed, n_to, INT8OID, 8, true, TYPALIGN_DOUBLE));
}

/* Transition function of finops.sum_units; 22003 beyond bigint. */
Datum
finops_add_units(PG_FUNCTION_ARGS)
{
	ArrayType  *state = AggCheckCallContext(fcinfo, NULL) ? PG_GETARG_ARRAYTYPE_P(0) :
		PG_GETARG_ARRAYTYPE_P_COPY(0);
	int			n;
	int			n_more;
	int64	   *units = (int64 *) units_of(state, &n);
	const int64 *more = units_of(PG_GETARG_ARRAYTYPE_P(1), &n_more);

	if (n != n_more)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("arrays of %d and %d units cannot be added", n, n_more)));
	for (int i = 0; i < n; i++)
		if (pg_add_s64_overflow(units[i], more[i], &units[i]))
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("sum of units is out of range")));
	PG_RETURN_ARRAYTYPE_P(state);
}

#define PACKED_COLUMNS \
	"service, category, rule_id, rule_version, origin, currency"

/*
 * Within a session: posts what stage finops_packed differs by from the packed
 * rows that stand; packed: whether there is such a stage.  Returns the number
 * of rows.
 */
int64
AllocatePostPacked(DateADT period, int64 run_id, bool packed)
{
	bool		standing = FINOPS_RUN("SELECT 1 FROM finops.allocation_packed WHERE period_start = $1 LIMIT 1",
									  ARG_DATE(period)) > 0;
	uint64		n;

	if (!packed && !standing)
		return 0;
	FINOPS_STAGE("finops_packed_list",
				 psprintf("SELECT array_agg(x.t ORDER BY left(x.t, 1) <> 't', x.t COLLATE \"C\") AS targets FROM ("
						  " SELECT unnest(l.targets) FROM finops.allocation_target l WHERE l.period_start = $1%s) x(t)",
						  packed ? " UNION SELECT unnest(n.targets) FROM finops_packed_target n" : ""),
				 ARG_DATE(period));
	if (standing)
		n = FINOPS_STAGE("finops_packed_post",
						 psprintf("SELECT x.* FROM (SELECT " PACKED_COLUMNS ", max(key_metric) AS key_metric, max(stage) AS stage,"
								  "  max(rung) AS rung, max(source_line_ids) AS source_line_ids, max(amount_scale) AS amount_scale,"
								  "  finops.sum_units(units) AS units FROM ("
								  "  SELECT " PACKED_COLUMNS ", NULL::text AS key_metric, NULL::text AS stage, NULL::smallint AS rung,"
								  "   NULL::text[] AS source_line_ids, p.amount_scale, finops.place_units(p.units, l.targets, t.targets, true) AS units"
								  "   FROM finops.allocation_packed p JOIN finops.allocation_target l USING (list_id) CROSS JOIN finops_packed_list t"
								  "   WHERE p.period_start = $1%s) u GROUP BY " PACKED_COLUMNS ") x"
								  " WHERE x.units <> array_fill(0::bigint, ARRAY[cardinality(x.units)]) ORDER BY x.origin COLLATE \"C\"",
								  packed ? " UNION ALL SELECT " PACKED_COLUMNS ", n.key_metric, n.stage, n.rung, n.source_line_ids, n.amount_scale,"
								  "   finops.place_units(n.units, m.targets, t.targets, false)"
								  "   FROM finops_packed n CROSS JOIN finops_packed_target m CROSS JOIN finops_packed_list t" : ""),
						 ARG_DATE(period));
	else
		n = FINOPS_STAGE0("finops_packed_post", "SELECT n.* FROM finops_packed n");
	if (n == 0)
		return 0;
	FINOPS_RUN("INSERT INTO finops.allocation_target (list_id, period_start, targets)"
			   " SELECT $2, $1, l.targets FROM finops_packed_list l", ARG_DATE(period), ARG_INT8(run_id));
	return (int64) FINOPS_RUN("INSERT INTO finops.allocation_packed (period_start, run_id, list_id, " PACKED_COLUMNS ","
							  " key_metric, stage, rung, source_line_ids, amount_scale, units)"
							  " SELECT $1, $2, $2, " PACKED_COLUMNS ", p.key_metric, p.stage, p.rung, p.source_line_ids,"
							  " p.amount_scale, p.units FROM finops_packed_post p",
							  ARG_DATE(period), ARG_INT8(run_id));
}

/*-------------------------------------------------------------------------
 *
 * series_agg.c
 *	  finops.series_agg: a regular series from rows of (time, value).
 *
 * The state is a bytea with one entry per time, so that it moves between
 * processes and combines in any order; it is checked before use, since it may
 * come from anywhere, and its functions are not executable by PUBLIC.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/series_agg.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "pgtime.h"
#include "utils/array.h"
#include "utils/date.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include <math.h>

PG_FUNCTION_INFO_V1(finops_series_accum);
PG_FUNCTION_INFO_V1(finops_series_combine);
PG_FUNCTION_INFO_V1(finops_series_trim);
PG_FUNCTION_INFO_V1(finops_series_final);

#define SERIES_MAGIC	0x66735231
#define SERIES_FIRST	16
#define SERIES_MOST		((int) ((MaxAllocSize - sizeof(SeriesState)) / sizeof(RegularEntry)))

static void
bad_state(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid state of a series")));
}

static Size
state_size(int capacity)
{
	return offsetof(SeriesState, entry) + (Size) capacity * sizeof(RegularEntry);
}

static void
check_state(const SeriesState *state)
{
	if (VARSIZE(state) < offsetof(SeriesState, entry) ||
		state->magic != SERIES_MAGIC ||
		state->capacity < 0 || state->capacity > SERIES_MOST ||
		state->count < 0 || state->count > state->capacity ||
		VARSIZE(state) != state_size(state->capacity) ||
		state->ignored < 0 ||
		state->bucket.months < 0 || state->bucket.days < 0 ||
		state->bucket.micros < 0 ||
		(state->bucket.months > 0) + (state->bucket.days > 0) + (state->bucket.micros > 0) > 1 ||
		memchr(state->zone, '\0', SERIES_ZONE_LENGTH) == NULL)
		bad_state();
}

/* What another process sent may hold entries that no row makes. */
static void
check_entries(const SeriesState *state)
{
	for (int i = 0; i < state->count; i++)
		if (!IS_VALID_TIMESTAMP(state->entry[i].at) || state->entry[i].rows < 1 ||
			state->entry[i].rows > PG_INT64_MAX / 4)
			bad_state();
}

SeriesState *
SeriesStateFrom(Datum datum)
{
	struct varlena *raw = pg_detoast_datum((struct varlena *) DatumGetPointer(datum));
	SeriesState *state;

	if (VARSIZE(raw) < offsetof(SeriesState, entry))
		bad_state();
	/* within a tuple a bytea is aligned less than its entries need */
	state = palloc(VARSIZE(raw));
	memcpy(state, raw, VARSIZE(raw));
	check_state(state);
	check_entries(state);
	return state;
}

static SeriesState *
new_state(MemoryContext context, int capacity)
{
	SeriesState *state = MemoryContextAlloc(context, state_size(capacity));

	memset(state, 0, state_size(capacity));
	SET_VARSIZE(state, state_size(capacity));
	state->magic = SERIES_MAGIC;
	state->capacity = capacity;
	return state;
}

/* Room for more entries: merges those of one time first. */
static SeriesState *
make_room(SeriesState *state, MemoryContext context, int more)
{
	SeriesState *larger;
	int64		wanted;

	state->count = RegularCompact(state->entry, state->count);
	if ((int64) state->count + more <= state->capacity &&
		state->count <= state->capacity / 2)
		return state;
	wanted = Max((int64) state->capacity * 2, (int64) state->count + more);
	wanted = Min(Max(wanted, SERIES_FIRST), SERIES_MOST);
	if (wanted < (int64) state->count + more)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a series has more than %d different times", SERIES_MOST),
				 errhint("Aggregate with date_trunc() first, for example by hour.")));
	larger = new_state(context, (int) wanted);
	larger->bucket = state->bucket;
	larger->ignored = state->ignored;
	memcpy(larger->zone, state->zone, SERIES_ZONE_LENGTH);
	memcpy(larger->entry, state->entry, state->count * sizeof(RegularEntry));
	larger->count = state->count;
	return larger;
}

/* ---------------------------------------------------------------------
 * Arguments
 * ---------------------------------------------------------------------
 */
static RegularBucket
bucket_arg(FunctionCallInfo fcinfo, int argno)
{
	RegularBucket bucket = {0, 0, 0};

	if (PG_ARGISNULL(argno))
		return bucket;
	if (get_fn_expr_argtype(fcinfo->flinfo, argno) == INTERVALOID)
	{
		Interval   *span = PG_GETARG_INTERVAL_P(argno);

		bucket.months = span->month;
		bucket.days = span->day;
		bucket.micros = span->time;
		if ((span->month > 0) + (span->day > 0) + (span->time > 0) != 1 ||
			span->month < 0 || span->day < 0 || span->time < 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("bucket must be positive and in one unit"),
					 errhint("Use an interval such as '1 hour', '1 day', '7 days', '1 month' or '3 months'.")));
	}
	else
	{
		char	   *given = text_to_cstring(PG_GETARG_TEXT_PP(argno));

		if (!RegularParseBucket(given, &bucket))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid bucket \"%s\"", FinopsQuoteForMessage(given)),
					 errhint("Use 'hour', 'day', 'week', 'month', 'quarter', 'year', or a number of them such as '15 minutes'.")));
		pfree(given);
	}
	return bucket;
}

/* False for NULL, infinity and dates that no timestamp holds. */
static bool
time_arg(FunctionCallInfo fcinfo, int argno, int64 *at)
{
	if (PG_ARGISNULL(argno))
		return false;
	if (get_fn_expr_argtype(fcinfo->flinfo, argno) == DATEOID)
	{
		DateADT		day = PG_GETARG_DATEADT(argno);

		if (DATE_NOT_FINITE(day) ||
			day < DATETIME_MIN_JULIAN - POSTGRES_EPOCH_JDATE ||
			day >= TIMESTAMP_END_JULIAN - POSTGRES_EPOCH_JDATE)
			return false;
		*at = day * USECS_PER_DAY;
		return true;
	}
	*at = PG_GETARG_TIMESTAMP(argno);
	return !TIMESTAMP_NOT_FINITE(*at);
}

/* Times with a zone are cut by UTC unless a zone is named. */
static void
zone_arg(FunctionCallInfo fcinfo, int argno, char *zone)
{
	zone[0] = '\0';
	if (get_fn_expr_argtype(fcinfo->flinfo, 1) != TIMESTAMPTZOID)
		return;
	strcpy(zone, "UTC");
	if (PG_NARGS() > argno && !PG_ARGISNULL(argno))
	{
		char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(argno));

		if (strlen(name) >= SERIES_ZONE_LENGTH || pg_tzset(name) == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("unknown time zone \"%s\"", FinopsQuoteForMessage(name)),
					 errhint("SELECT name FROM pg_timezone_names lists them.")));
		strcpy(zone, name);
		pfree(name);
	}
}

/* ---------------------------------------------------------------------
 * Aggregate
 * ---------------------------------------------------------------------
 */

static void
merge_settings(SeriesState *state, const RegularBucket *bucket, const char *zone)
{
	if (!RegularSameBucket(&state->bucket, bucket) || strcmp(state->zone, zone) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("bucket and time zone must be the same in all rows of a series"),
				 errhint("Give constants, or GROUP BY them.")));
}

/* finops.series_accum(state, time, value, bucket [, zone]) */
Datum
finops_series_accum(PG_FUNCTION_ARGS)
{
	MemoryContext context;
	SeriesState *state;
	RegularBucket bucket = bucket_arg(fcinfo, 3);
	char		zone[SERIES_ZONE_LENGTH];
	int64		at;

	if (AggCheckCallContext(fcinfo, &context) == 0)
		elog(ERROR, "series_accum called outside of an aggregate");
	if (PG_ARGISNULL(0))
	{
		state = new_state(context, SERIES_FIRST);
		state->bucket = bucket;
		zone_arg(fcinfo, 4, state->zone);
	}
	else
	{
		state = (SeriesState *) PG_GETARG_POINTER(0);
		if (VARATT_IS_EXTENDED(state))
			bad_state();
		check_state(state);
		zone_arg(fcinfo, 4, zone);
		merge_settings(state, &bucket, zone);
	}
	if (!time_arg(fcinfo, 1, &at) || PG_ARGISNULL(2))
		state->ignored++;
	else
	{
		RegularEntry entry = {at, PG_GETARG_FLOAT8(2), 0, 1};

		if (state->count == state->capacity)
			state = make_room(state, context, 1);
		state->entry[state->count++] = entry;
	}
	PG_RETURN_POINTER(state);
}

/* finops.series_combine(state, state) */
Datum
finops_series_combine(PG_FUNCTION_ARGS)
{
	MemoryContext context;
	SeriesState *state,
			   *other;

	if (AggCheckCallContext(fcinfo, &context) == 0)
		elog(ERROR, "series_combine called outside of an aggregate");
	if (PG_ARGISNULL(1))
	{
		if (PG_ARGISNULL(0))
			PG_RETURN_NULL();
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	}
	other = SeriesStateFrom(PG_GETARG_DATUM(1));
	if (PG_ARGISNULL(0))
	{
		state = new_state(context, Max(other->count, SERIES_FIRST));
		state->bucket = other->bucket;
		memcpy(state->zone, other->zone, SERIES_ZONE_LENGTH);
	}
	else
	{
		state = (SeriesState *) PG_GETARG_POINTER(0);
		if (VARATT_IS_EXTENDED(state))
			bad_state();
		check_state(state);
		merge_settings(state, &other->bucket, other->zone);
	}
	other->count = RegularCompact(other->entry, other->count);
	if (state->capacity - state->count < other->count)
		state = make_room(state, context, other->count);
	memcpy(state->entry + state->count, other->entry,
		   other->count * sizeof(RegularEntry));
	state->count += other->count;
	state->ignored += other->ignored;
	pfree(other);
	PG_RETURN_POINTER(state);
}

/* finops.series_trim(state): sorted, without room to grow */
Datum
finops_series_trim(PG_FUNCTION_ARGS)
{
	SeriesState *state;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	state = SeriesStateFrom(PG_GETARG_DATUM(0));
	state->count = RegularCompact(state->entry, state->count);
	state->capacity = state->count;
	SET_VARSIZE(state, state_size(state->capacity));
	PG_RETURN_POINTER(state);
}

/* ---------------------------------------------------------------------
 * Result
 * ---------------------------------------------------------------------
 */
static int64
local_time(int64 at, void *zone)
{
	Timestamp	local;
	struct pg_tm tm;
	fsec_t		fsec;
	int			tz;

	if (timestamp2tm(at, &tz, &tm, &fsec, NULL, (pg_tz *) zone) != 0 ||
		tm2timestamp(&tm, fsec, NULL, &local) != 0)
		return at;
	return local;
}

RegularStatus
SeriesFromState(SeriesState *state, RegularBucket bucket, RegularSeries *series)
{
	pg_tz	   *zone = state->zone[0] == '\0' || strcmp(state->zone, "UTC") == 0 ?
		NULL : pg_tzset(state->zone);

	state->count = RegularCompact(state->entry, state->count);
	if (!RegularSameBucket(&state->bucket, &(RegularBucket) {0, 0, 0}))
		bucket = state->bucket;
	return RegularBuild(state->entry, state->count, bucket,
						zone == NULL ? NULL : local_time, zone, series);
}

Datum
SeriesBucketInterval(const RegularBucket *bucket)
{
	Interval   *span = palloc0(sizeof(Interval));

	span->month = bucket->months;
	span->day = bucket->days;
	span->time = bucket->micros;
	return IntervalPGetDatum(span);
}

static Datum
int_array(const int *values, int n)
{
	Datum	   *datums = palloc_array(Datum, Max(n, 1));

	for (int i = 0; i < n; i++)
		datums[i] = Int32GetDatum(values[i]);
	return PointerGetDatum(construct_array(datums, n, INT4OID, sizeof(int32),
										   true, TYPALIGN_INT));
}

static Datum
float_array(const double *values, int n)
{
	Datum	   *datums = MemoryContextAllocHuge(CurrentMemoryContext,
												(Size) Max(n, 1) * sizeof(Datum));

	for (int i = 0; i < n; i++)
		datums[i] = Float8GetDatum(values[i]);
	return PointerGetDatum(construct_array(datums, n, FLOAT8OID, sizeof(float8),
										   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* A row of finops.regular_series, in the order of its columns. */
Datum
finops_series_final(PG_FUNCTION_ARGS)
{
	SeriesState *state;
	RegularSeries s;
	TupleDesc	tupdesc;
	Datum		values[14];
	bool		nulls[14] = {false};

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE ||
		tupdesc->natts != lengthof(values))
		elog(ERROR, "series_final must return finops.regular_series");
	state = SeriesStateFrom(PG_GETARG_DATUM(0));
	switch (SeriesFromState(state, (RegularBucket) {0, 0, 0}, &s))
	{
		case REGULAR_OK:
			break;
		case REGULAR_EMPTY:
			PG_RETURN_NULL();
		case REGULAR_TOO_LONG:
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("a series has more than %d buckets", REGULAR_MAX_LENGTH),
					 errhint("Use a longer bucket, or leave out times that are far from the others.")));
	}
	values[0] = float_array(s.values, s.n);
	values[1] = TimestampGetDatum(s.start);
	values[2] = SeriesBucketInterval(&s.bucket);
	values[3] = Int32GetDatum(s.season);
	values[4] = Int64GetDatum(s.rows);
	values[5] = Int32GetDatum(s.gaps);
	values[6] = int_array(s.gap_at, s.gaps);
	values[7] = Int64GetDatum(s.duplicates);
	values[8] = Int64GetDatum(state->ignored);
	values[9] = BoolGetDatum(s.partial);
	values[10] = Float8GetDatum(s.partial_value);
	nulls[10] = !s.partial;
	values[11] = BoolGetDatum(s.first_partial);
	values[12] = Float8GetDatum(s.first_value);
	nulls[12] = !s.first_partial;
	nulls[13] = state->zone[0] == '\0';
	values[13] = nulls[13] ? (Datum) 0 : CStringGetTextDatum(state->zone);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc),
													  values, nulls)));
}

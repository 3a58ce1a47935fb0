/*-------------------------------------------------------------------------
 *
 * forecast_table.c
 *	  finops.forecast_table: a forecast for every series of a table or query.
 *
 * One statement, run with the caller's rights, aggregates the rows to one
 * state of series_agg per key, in parallel where the planner sees fit; the
 * states go to disk beyond work_mem.  A first pass over them settles the
 * length of buckets, the second makes series and forecasts batches of them in
 * parallel workers.  What is wrong with one series stands in its row.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/arguments.h"
#include "forecast/backtest.h"
#include "forecast/forecast_job.h"
#include "forecast/jsonb_options.h"
#include "forecast/series_agg.h"
#include "forecast/source_query.h"

#include "commands/progress.h"
#include "optimizer/cost.h"
#include "utils/array.h"
#include "utils/backend_progress.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include <math.h>

PG_FUNCTION_INFO_V1(finops_forecast_table);

#define BATCH_BYTES		((Size) 12 * 1024 * 1024)
#define BATCH_SERIES	20000
#define MAX_BUCKETS		16		/* different lengths that are voted on */
#define PROGRESS_FORECAST	17	/* in place of a COPY command's kind */

#define TABLE_OPTIONS \
	"align, bucket, forecast, gaps, levels, model, season_length, time_zone, workers"

enum
{
	GAPS_ZERO,
	GAPS_INTERPOLATE,
	GAPS_PREVIOUS
};

typedef struct Table
{
	JobSettings settings;
	char	   *model;
	RegularBucket bucket;
	bool		common_end;
	int64		last_number;	/* of the newest bucket of all series */
	int			gaps;
	int			season;			/* 0: of the calendar */
	int			workers;
	bool		arrays;			/* values are series already */
	Tuplestorestate *states;
	TupleDesc	tupdesc;
	/* progress */
	int64		total;
	int64		before;			/* done in earlier batches */
	TimestampTz noticed_at;
} Table;

/* A series of the batch in course. */
typedef struct Pending
{
	Datum		keys;
	int64		start;			/* of the first forecast bucket, its number */
	RegularBucket bucket;
} Pending;

/* ---------------------------------------------------------------------
 * Arguments
 * ---------------------------------------------------------------------
 */
static void
read_options(Table *table, Jsonb *options)
{
	static const char *const gaps[] = {"zero", "interpolate", "previous"};
	static const char *const ends[] = {"own", "common"};
	static const double usual[] = {80, 95};
	double	   *levels;
	char	   *bucket = OptionText(options, "bucket", NULL);

	table->model = OptionText(options, "model", "auto");
	table->settings.model = ForecastModelArg(table->model);
	levels = OptionNumbers(options, "levels", &table->settings.nlevels);
	if (levels == NULL)
	{
		levels = (double *) usual;
		table->settings.nlevels = lengthof(usual);
	}
	if (table->settings.nlevels > JOB_MAX_LEVELS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("at most %d levels may be asked for", JOB_MAX_LEVELS),
				 errhint("Use the option \"levels\": [80, 95].")));
	for (int i = 0; i < table->settings.nlevels; i++)
	{
		if (!(levels[i] > 0 && levels[i] < 100))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("level %g is not between 0 and 100", levels[i]),
					 errhint("A level is a coverage in percent, such as 80 or 95.")));
		table->settings.levels[i] = levels[i];
	}
	if (bucket != NULL && !RegularParseBucket(bucket, &table->bucket))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid bucket \"%s\"", FinopsQuoteForMessage(bucket)),
				 errhint("Use 'hour', 'day', 'week', 'month', 'quarter', 'year', or a number of them such as '15 minutes'.")));
	table->settings.options = *ForecastOptionsWithin(options);
	table->season = OptionInt(options, "season_length", 0, 1, INT_MAX);
	table->gaps = OptionChoice(options, "gaps", gaps, lengthof(gaps), GAPS_ZERO);
	table->common_end = OptionChoice(options, "align", ends, lengthof(ends), 0) == 1;
	table->workers = OptionInt(options, "workers", max_parallel_workers_per_gather, 0, 64);
}

/* ---------------------------------------------------------------------
 * Series of the source
 * ---------------------------------------------------------------------
 */

/* The rows of the source, one per key: keys and state, or keys and array. */
static void
read_source(FunctionCallInfo fcinfo, Table *table, Jsonb *options)
{
	char	   *from = get_fn_expr_argtype(fcinfo->flinfo, 0) == REGCLASSOID ?
		SourceFromRelation(PG_GETARG_OID(0)) :
		SourceFrom(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	char	   *value = SourceColumnArg(fcinfo, 2, "value"),
			   *at = PG_ARGISNULL(1) ? NULL : SourceColumnArg(fcinfo, 1, "ts"),
			   *zone = OptionText(options, "time_zone", NULL),
			   *keys;
	int			nkeys;
	char	  **names = SourceNamesArg(fcinfo, 3, "keys", &nkeys);
	Oid			types[2];
	StringInfoData sql;

	keys = SourceKeys(names, nkeys);
	SourceTypes(from, psprintf("%s, %s", at == NULL ? "NULL::pg_catalog.int4" : at, value),
				types, 2);
	initStringInfo(&sql);
	if (at == NULL)
	{
		if (types[1] != FLOAT8ARRAYOID)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("without a time, value must be a column of float8[]"),
					 errhint("Name the column of times as second argument.")));
		table->arrays = true;
		appendStringInfo(&sql, "SELECT %s, %s::pg_catalog.float8[] FROM %s", keys, value, from);
	}
	else
	{
		SourceTime	time = SourceCheckTime(at, types[0]);

		SourceCheckNumber(value, types[1]);
		if (zone != NULL && time != SOURCE_TIMESTAMPTZ)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("option \"time_zone\" needs times with a time zone"),
					 errhint("Leave it out for dates and timestamps without one.")));
		/* the bucket is settled when all states are there */
		appendStringInfo(&sql, "SELECT %s, finops.series_state(%s, %s::pg_catalog.float8, NULL::pg_catalog.text%s) FROM %s",
						 keys, at, value,
						 zone == NULL ? "" : psprintf(", %s::pg_catalog.text", quote_literal_cstr(zone)),
						 from);
		for (int i = 0; i < nkeys; i++)
			appendStringInfo(&sql, "%s%s::pg_catalog.text", i == 0 ? " GROUP BY " : ", ", SourceColumn(names[i]));
		if (nkeys == 0)
			appendStringInfoString(&sql, " HAVING pg_catalog.count(*) OPERATOR(pg_catalog.>) 0");
	}
	for (int i = 0; i < nkeys; i++)
		appendStringInfo(&sql, "%s%s::pg_catalog.text COLLATE pg_catalog.\"C\"",
						 i == 0 ? " ORDER BY " : ", ", SourceColumn(names[i]));
	table->states = FinopsCollect(sql.data, &table->tupdesc);
}

/* Counts series and settles bucket and common end. */
static void
survey(Table *table, MemoryContext context)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(table->tupdesc, &TTSOpsMinimalTuple);
	RegularBucket bucket[MAX_BUCKETS];
	int64		votes[MAX_BUCKETS] = {0};
	int			nbuckets = 0,
				most = 0;
	bool		recognise = RegularSameBucket(&table->bucket, &(RegularBucket) {0, 0, 0});

	while (tuplestore_gettupleslot(table->states, true, false, slot))
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		bool		isnull;
		Datum		datum = slot_getattr(slot, 2, &isnull);

		CHECK_FOR_INTERRUPTS();
		table->total++;
		if (!isnull && !table->arrays && recognise)
		{
			SeriesState *state = SeriesStateFrom(datum);
			RegularBucket found;
			int			i = 0;

			state->count = RegularCompact(state->entry, state->count);
			found = RegularRecognise(state->entry, state->count);
			while (i < nbuckets && !RegularSameBucket(&bucket[i], &found))
				i++;
			if (i < MAX_BUCKETS)
			{
				if (i == nbuckets)
					bucket[nbuckets++] = found;
				/* one time says nothing about a distance */
				votes[i] += Max(state->count - 1, 0);
			}
		}
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	for (int i = 1; i < nbuckets; i++)
		if (votes[i] > votes[most])
			most = i;
	if (recognise && nbuckets > 0)
		table->bucket = bucket[most];
	ExecDropSingleTupleTableSlot(slot);
	tuplestore_rescan(table->states);
}

/* The newest bucket of all series, for those that end together. */
static void
find_common_end(Table *table, MemoryContext context)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(table->tupdesc, &TTSOpsMinimalTuple);

	table->last_number = PG_INT64_MIN;
	while (tuplestore_gettupleslot(table->states, true, false, slot))
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		bool		isnull;
		Datum		datum = slot_getattr(slot, 2, &isnull);
		RegularSeries s;

		CHECK_FOR_INTERRUPTS();
		if (!isnull &&
			SeriesFromState(SeriesStateFrom(datum), table->bucket, &s) == REGULAR_OK)
			table->last_number = Max(table->last_number,
									 RegularNumber(&s.bucket, s.start) + s.n);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	ExecDropSingleTupleTableSlot(slot);
	tuplestore_rescan(table->states);
}

static void
fill_gaps(const Table *table, RegularSeries *s)
{
	if (table->gaps == GAPS_ZERO)
		return;
	for (int g = 0; g < s->gaps;)
	{
		int			first = s->gap_at[g] - 1,
					next = first + 1;

		/* ends of a series have rows, so a gap has two neighbours */
		for (g++; g < s->gaps && s->gap_at[g] - 1 == next; g++)
			next++;
		for (int i = first; i < next; i++)
			s->values[i] = table->gaps == GAPS_PREVIOUS ? s->values[first - 1] :
				s->values[first - 1] + (s->values[next] - s->values[first - 1]) *
				(i - first + 1) / (next - first + 1);
	}
}

/* The values of a row, newest at the end; allocates in the current context. */
static double *
values_of(const Table *table, Datum datum, bool isnull, JobSeries *series,
		  Pending *pending)
{
	RegularSeries s;

	memset(series, 0, sizeof(*series));
	memset(pending, 0, sizeof(*pending));
	series->m = table->season;
	if (isnull)
	{
		series->status = JOB_EMPTY;
		return NULL;
	}
	if (table->arrays)
	{
		ArrayType  *array = DatumGetArrayTypeP(datum);
		int			n = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));

		if (ARR_NDIM(array) > 1 || array_contains_nulls(array))
			series->status = JOB_NULLS;
		else if (n == 0)
			series->status = JOB_EMPTY;
		series->n = series->status == JOB_OK ? Min(n, FC_MAX_FIT) : 0;
		return (double *) ARR_DATA_PTR(array) + n - series->n;
	}
	switch (SeriesFromState(SeriesStateFrom(datum), table->bucket, &s))
	{
		case REGULAR_OK:
			break;
		case REGULAR_EMPTY:
			series->status = JOB_EMPTY;
			return NULL;
		case REGULAR_TOO_LONG:
			series->status = JOB_TOO_LONG;
			return NULL;
	}
	fill_gaps(table, &s);
	pending->bucket = s.bucket;
	pending->start = RegularNumber(&s.bucket, s.start) + s.n;
	if (table->common_end && pending->start < table->last_number)
	{
		int64		length = Min(table->last_number - pending->start + s.n, REGULAR_MAX_LENGTH);
		double	   *longer = MemoryContextAllocHuge(CurrentMemoryContext, length * sizeof(double));

		memset(longer, 0, length * sizeof(double));
		memcpy(longer, s.values, Min(s.n, length) * sizeof(double));
		s.values = longer;
		s.n = (int) length;
		pending->start = table->last_number;
	}
	if (series->m == 0)
		series->m = s.season;
	series->n = Min(s.n, FC_MAX_FIT);
	return s.values + s.n - series->n;
}

/* ---------------------------------------------------------------------
 * Progress
 * ---------------------------------------------------------------------
 */
static void
tick(uint32 done, void *arg)
{
	Table	   *table = arg;
	TimestampTz now;

	if (done % 16 != 0)
		return;
	pgstat_progress_update_param(PROGRESS_COPY_BYTES_PROCESSED, table->before + done);
	if (finops_progress_interval == 0)
		return;
	now = GetCurrentTimestamp();
	if (now - table->noticed_at < finops_progress_interval * USECS_PER_SEC)
		return;
	table->noticed_at = now;
	ereport(INFO,
			(errmsg("forecast %lld of %lld series",
					(long long) (table->before + done), (long long) table->total)));
}

static void
begin_progress(Table *table)
{
	static const int index[] = {PROGRESS_COPY_COMMAND, PROGRESS_COPY_BYTES_TOTAL};
	const int64 value[] = {PROGRESS_FORECAST, table->total};

	table->noticed_at = GetCurrentTimestamp();
	pgstat_progress_start_command(PROGRESS_COMMAND_COPY, InvalidOid);
	pgstat_progress_update_multi_param(lengthof(index), index, value);
}

/* ---------------------------------------------------------------------
 * Forecasts
 * ---------------------------------------------------------------------
 */
static void
answer(ReturnSetInfo *rsinfo, const Table *table, JobBatch *batch, int i,
	   const Pending *pending, MemoryContext context)
{
	JobSeries  *series = &JobSeriesOf(batch)[i];
	Datum		values[8];
	bool		nulls[8] = {false};
	int			nlevels = batch->settings.nlevels;

	values[0] = pending->keys;
	values[6] = CStringGetTextDatum(table->model);
	if (series->status != JOB_OK)
	{
		memset(nulls + 1, true, 5);
		values[7] = CStringGetTextDatum(JobProblem(series, table->model));
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		return;
	}
	nulls[2] = table->arrays;
	nulls[7] = true;
	for (int j = 0; j < batch->settings.horizon; j++)
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		values[1] = Int32GetDatum(j + 1);
		values[2] = table->arrays ? (Datum) 0 :
			TimestampGetDatum(RegularStart(&pending->bucket, pending->start + j));
		values[3] = Float8GetDatum(JobMean(batch, i)[j]);
		values[4] = ForecastBounds(JobLower(batch, i) + (Size) j * nlevels, nlevels);
		values[5] = ForecastBounds(JobUpper(batch, i) + (Size) j * nlevels, nlevels);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
}

/* Forecasts of a batch of rows; false at the end of the source. */
static bool
run_batch(ReturnSetInfo *rsinfo, Table *table, TupleTableSlot *slot,
		  MemoryContext batch_context, MemoryContext row_context)
{
	MemoryContext old = MemoryContextSwitchTo(batch_context);
	Pending    *pending = palloc_array(Pending, BATCH_SERIES);
	JobSeries  *series = palloc_array(JobSeries, BATCH_SERIES);
	double	  **y = palloc_array(double *, BATCH_SERIES);
	Size		nvalues = 0;
	int			n = 0;
	bool		more = true;
	JobBatch   *batch;

	while (n < BATCH_SERIES &&
		   (n == 0 || JobSize(&table->settings, n + 1, nvalues) < BATCH_BYTES) &&
		   (more = tuplestore_gettupleslot(table->states, true, false, slot)))
	{
		bool		isnull;
		Datum		datum = slot_getattr(slot, 2, &isnull);
		double	   *values;

		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(row_context);
		values = values_of(table, datum, isnull, &series[n], &pending[n]);
		MemoryContextSwitchTo(batch_context);
		y[n] = palloc_array(double, Max(series[n].n, 1));
		if (series[n].n > 0)
			memcpy(y[n], values, series[n].n * sizeof(double));
		pending[n].keys = datumCopy(slot_getattr(slot, 1, &isnull), false, -1);
		series[n].values = nvalues;
		nvalues += series[n].n;
		n++;
		MemoryContextReset(row_context);
	}
	if (n > 0)
	{
		batch = MemoryContextAllocHuge(batch_context, JobSize(&table->settings, n, nvalues));
		JobInit(batch, &table->settings, n, nvalues);
		batch->nseries = n;
		for (int i = 0; i < n; i++)
		{
			JobSeriesOf(batch)[i] = series[i];
			memcpy(JobValues(batch) + series[i].values, y[i], series[i].n * sizeof(double));
		}
		JobRun(batch, table->workers, tick, table);
		for (int i = 0; i < n; i++)
			answer(rsinfo, table, batch, i, &pending[i], row_context);
		table->before += n;
		pgstat_progress_update_param(PROGRESS_COPY_BYTES_PROCESSED, table->before);
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(batch_context);
	return more;
}

/*
 * finops.forecast_table(source, ts, value, keys, horizon, options): rows
 * (keys, step, at, mean, lower[], upper[], model, error); a series that has no
 * forecast has one row with its error and no step.
 */
Datum
finops_forecast_table(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Table	   *table = palloc0(sizeof(Table));
	Jsonb	   *options = OptionsArg(fcinfo, 5, TABLE_OPTIONS);
	MemoryContext spi,
				batch_context,
				row_context;
	TupleTableSlot *slot;

	FinopsRequireFeature(FINOPS_FORECASTING);
	InitMaterializedSRF(fcinfo, 0);
	FinopsRequireArg(fcinfo, 0, "source");
	table->settings.horizon = ForecastHorizonArg(fcinfo, 4);
	read_options(table, options);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	spi = CurrentMemoryContext;
	batch_context = AllocSetContextCreate(spi, "finops forecast_table batch", ALLOCSET_DEFAULT_SIZES);
	row_context = AllocSetContextCreate(spi, "finops forecast_table row", ALLOCSET_DEFAULT_SIZES);
	read_source(fcinfo, table, options);
	survey(table, row_context);
	if (table->common_end && !table->arrays)
		find_common_end(table, row_context);
	slot = MakeSingleTupleTableSlot(table->tupdesc, &TTSOpsMinimalTuple);
	begin_progress(table);
	while (run_batch(rsinfo, table, slot, batch_context, row_context))
		CHECK_FOR_INTERRUPTS();
	pgstat_progress_end_command();
	ExecDropSingleTupleTableSlot(slot);
	FinopsEndStages(spi);
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
	return (Datum) 0;
}

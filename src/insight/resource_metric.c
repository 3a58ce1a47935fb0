/*-------------------------------------------------------------------------
 *
 * resource_metric.c
 *	  finops.load_resource_metrics: how much resources were used, from a CSV
 *	  file or from a relation that the caller may read.
 *
 *-------------------------------------------------------------------------
 */
#include "insight/insight.h"

#include "bill/bill.h"
#include "core/memory_source.h"
#include "forecast/source_query.h"

PG_FUNCTION_INFO_V1(finops_load_resource_metrics);

#define MOST_BYTES	(512 * 1024 * 1024)
#define COLUMNS		4
#define FETCH		10000
#define ANALYZE_ROWS	10000

static const char *const column_names[COLUMNS] = {"resource_id", "metric", "measured_at", "value"};

typedef struct MetricFile
{
	SourceAddress address;
	MemorySource memory;
	ByteSource *top;
	CsvReader	csv;
	int			field_of[COLUMNS];
} MetricFile;

/* ---------------------------------------------------------------------
 * A file
 * ---------------------------------------------------------------------
 */
static bool
is_address(const char *source)
{
	static const char *const schemes[] = {"/", "file://", "http://", "https://", "s3://"};

	for (size_t i = 0; i < lengthof(schemes); i++)
		if (pg_strncasecmp(source, schemes[i], strlen(schemes[i])) == 0)
			return true;
	return false;
}

static int
read_bytes(void *arg, char *buf, int len)
{
	MetricFile *file = arg;

	return FinopsSourceRead(file->top, buf, len, &file->address);
}

static void
close_file(void *arg)
{
	MetricFile *file = arg;

	if (file->top != NULL)
		file->top->close(file->top);
	file->top = NULL;
	CsvFree(&file->csv);
}

static MetricFile *
open_file(const char *source)
{
	MetricFile *file = palloc0(sizeof(MetricFile));
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));
	StringInfo	bytes;

	file->address = FinopsSourceAddress(source);
	FinopsCheckSourceAccess(&file->address);
	bytes = FinopsReadSmall(&file->address, MOST_BYTES);
	callback->func = close_file;
	callback->arg = file;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	MemorySourceInit(&file->memory, bytes->data, bytes->len);
	file->top = &file->memory.base;
	if (GzipMagic((const unsigned char *) bytes->data, bytes->len))
		file->top = GzipSourceOpen(file->top);
	if (file->top == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	CsvInit(&file->csv, read_bytes, file, '\0');
	return file;
}

static bool
next_record(MetricFile *file)
{
	CsvStatus	status = CsvNext(&file->csv);

	if (status == CSV_END)
		return false;
	if (status != CSV_RECORD)
		ereport(ERROR,
				(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
				 errmsg("line %lld of \"%s\" is not valid CSV", (long long) file->csv.line,
						FinopsQuoteForMessage(file->address.text)),
				 errhint("Export the file again.")));
	return true;
}

static void
read_header(MetricFile *file)
{
	if (!next_record(file))
		ereport(ERROR,
				(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
				 errmsg("\"%s\" is empty", FinopsQuoteForMessage(file->address.text))));
	for (int c = 0; c < COLUMNS; c++)
	{
		file->field_of[c] = -1;
		for (int i = 0; i < file->csv.nfields; i++)
			if (file->csv.fields[i].len == (int) strlen(column_names[c]) &&
				pg_strncasecmp(file->csv.fields[i].data, column_names[c], file->csv.fields[i].len) == 0)
				file->field_of[c] = i;
		if (file->field_of[c] < 0)
			ereport(ERROR,
					(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
					 errmsg("\"%s\" has no column %s", FinopsQuoteForMessage(file->address.text), column_names[c]),
					 errhint("Columns are resource_id, metric, measured_at and value.")));
	}
}

static bool
is_blank(const CsvReader *csv)
{
	return csv->nfields == 1 && csv->fields[0].len == 0;
}

/* Its records as text, with their line numbers, in stage metric_text. */
static void
stage_file(const char *source)
{
	MetricFile *file = open_file(source);
	TupleDesc	desc;
	Tuplestorestate *store;

	store = FinopsStageEmpty("metric_text", "SELECT NULL::bigint AS line, NULL::text AS resource_id, NULL::text AS metric,"
							 " NULL::text AS measured_at, NULL::text AS value", &desc);
	read_header(file);
	while (next_record(file))
	{
		Datum		values[COLUMNS + 1];
		bool		nulls[COLUMNS + 1] = {false};

		if (file->csv.line % 1000 == 0)
			CHECK_FOR_INTERRUPTS();
		if (is_blank(&file->csv))
			continue;
		values[0] = Int64GetDatum(file->csv.line);
		for (int c = 0; c < COLUMNS; c++)
		{
			Slice		s = {0};

			if (file->field_of[c] < file->csv.nfields)
				s = SliceTrim((Slice) {file->csv.fields[file->field_of[c]].data,
									   file->csv.fields[file->field_of[c]].len});
			nulls[c + 1] = s.data == NULL || s.len == 0;
			if (nulls[c + 1])
				continue;
			if (!Utf8Valid(s.data, s.len))
				ereport(ERROR,
						(errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
						 errmsg("line %lld of \"%s\" is not UTF-8", (long long) file->csv.line,
								FinopsQuoteForMessage(file->address.text)),
						 errhint("Export the file in UTF-8.")));
			values[c + 1] = PointerGetDatum(cstring_to_text_with_len(s.data, s.len));
		}
		tuplestore_putvalues(store, desc, values, nulls);
		for (int c = 1; c <= COLUMNS; c++)
			if (!nulls[c])
				pfree(DatumGetPointer(values[c]));
	}
	close_file(file);
}

/* Texts become values; the first line that does not is named. */
static void
stage_values(void)
{
	if (FINOPS_RUN0("SELECT t.line, CASE WHEN t.resource_id IS NULL THEN 'resource_id' WHEN t.metric IS NULL THEN 'metric'"
					" WHEN t.value IS NULL OR t.value !~ '^[-+]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][-+]?[0-9]{1,3})?$' THEN 'value' ELSE 'measured_at' END"
					" FROM metric_text t WHERE t.resource_id IS NULL OR t.metric IS NULL OR t.value IS NULL OR t.measured_at IS NULL"
					" OR t.value !~ '^[-+]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][-+]?[0-9]{1,3})?$'"
					" OR t.measured_at !~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)? ?(Z|UTC|[-+][0-9]{2}(:?[0-9]{2})?)?)?$'"
					" ORDER BY t.line LIMIT 1") > 0)
		ereport(ERROR,
				(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
				 errmsg("line %lld has no valid %s", (long long) FinopsInt64(0, 1), FinopsText(0, 2)),
				 errhint("Give times as 2026-01-31 15:00, in UTC or with an offset, and finite numbers with a decimal point.")));
	FINOPS_STAGE0("metric_new", "SELECT t.resource_id, t.metric, t.measured_at::timestamptz AT TIME ZONE 'UTC' AS measured_at, t.value::float8 AS value FROM metric_text t");
}

/* ---------------------------------------------------------------------
 * A relation, read as the caller
 * ---------------------------------------------------------------------
 */
static Tuplestorestate *
collect_relation(const char *source, TupleDesc *desc)
{
	MemoryContext context = CurrentMemoryContext;
	Tuplestorestate *store = tuplestore_begin_heap(true, false, work_mem);
	Portal		portal;

	SPI_connect();
	portal = SPI_cursor_open_with_args(NULL,
									   psprintf("SELECT src.resource_id::pg_catalog.text, src.metric::pg_catalog.text,"
												" src.measured_at::pg_catalog.timestamp, src.value::pg_catalog.float8 FROM %s",
												SourceFrom(source)), 0, NULL, NULL, NULL, true, 0);
	for (;;)
	{
		MemoryContext old;

		SPI_cursor_fetch(portal, true, FETCH);
		CHECK_FOR_INTERRUPTS();
		old = MemoryContextSwitchTo(context);
		if (*desc == NULL)
			*desc = CreateTupleDescCopy(SPI_tuptable->tupdesc);
		for (uint64 i = 0; i < SPI_processed; i++)
			tuplestore_puttuple(store, SPI_tuptable->vals[i]);
		MemoryContextSwitchTo(old);
		if (SPI_processed == 0)
			break;
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_cursor_close(portal);
	SPI_finish();
	return store;
}

static void
check_relation(void)
{
	if (FINOPS_RUN0("SELECT CASE WHEN m.resource_id IS NULL THEN 'resource_id' WHEN m.metric IS NULL THEN 'metric' WHEN m.measured_at IS NULL THEN 'measured_at' ELSE 'value' END"
					" FROM metric_new m WHERE m.resource_id IS NULL OR m.metric IS NULL OR m.measured_at IS NULL OR m.value IS NULL LIMIT 1") > 0)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s of a metric must not be null", FinopsText(0, 1))));
}

/*
 * finops.load_resource_metrics(source text) -> rows.  source: an address as
 * finops.load_bill takes them, of a CSV file (plain or gzip) with a header, or
 * a relation or SELECT with columns of the same names.  Of several values of
 * one time the last counts.
 *
 * 22004; 22P04 with the line for what is malformed; 23514 for what is not
 * finite; those of the source or of the caller's query.
 */
Datum
finops_load_resource_metrics(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	Tuplestorestate *store = NULL;
	TupleDesc	desc = NULL;
	char	   *source;
	int64		rows;

	FinopsRequireArg(fcinfo, 0, "source");
	FinopsRequireWritable("finops.load_resource_metrics()");
	source = text_to_cstring(PG_GETARG_TEXT_PP(0));
	if (!is_address(source))
		store = collect_relation(source, &desc);
	FinopsBegin(&session);
	if (store != NULL)
	{
		FinopsStageRows("metric_new", desc, store, tuplestore_tuple_count(store));
		check_relation();
	}
	else
	{
		stage_file(source);
		stage_values();
	}
	rows = (int64) FINOPS_RUN0("INSERT INTO finops.resource_metric AS r (resource_id, metric, measured_at, value)"
							   " SELECT DISTINCT ON (n.metric, n.resource_id, n.measured_at) n.resource_id, n.metric, n.measured_at, n.value"
							   " FROM (SELECT m.*, row_number() OVER () AS at FROM metric_new m) n ORDER BY n.metric, n.resource_id, n.measured_at, n.at DESC"
							   " ON CONFLICT (metric, resource_id, measured_at) DO UPDATE SET value = excluded.value");
	/* the rules join all of it, and autovacuum is not there yet */
	if (rows >= ANALYZE_ROWS)
		FINOPS_RUN0("ANALYZE finops.resource_metric");
	FinopsEnd(&session);
	PG_RETURN_INT64(rows);
}

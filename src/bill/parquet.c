/*-------------------------------------------------------------------------
 *
 * parquet.c
 *	  Bills in Parquet, through an extension of the server that reads it.
 *
 * The rows come as a relation: of pg_duckdb and pg_parquet as a temporary
 * table, of duckdb_fdw and parquet_fdw as a foreign table over a server that
 * the administrator has made.  Every column is taken as text, the rows wait
 * in a tuplestore, since no statement may run while COPY reads, and a byte
 * source gives them out as CSV.  From there on the bill is like any other,
 * digest (that of the file), header and rejected lines included.
 *
 * Doubles are written in their shortest form, which is what the provider
 * computed with; no sum is ever made of them before they are numeric.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/load.h"

#include "mb/pg_wchar.h"
#include "utils/tuplestore.h"

#define PARQUET_BATCH	(64 * 1024)

typedef struct ParquetRows
{
	Tuplestorestate *store;
	TupleDesc	columns;
} ParquetRows;

typedef struct ParquetSource
{
	ByteSource	base;
	ParquetRows *rows;
	TupleTableSlot *slot;
	StringInfoData text;
	int			at;
} ParquetSource;

bool
BillIsParquet(const BillFile *file)
{
	return file->nfirst >= 4 && memcmp(file->first, "PAR1", 4) == 0;
}

/* ---------------------------------------------------------------------
 * Four extensions, each a relation that holds the rows
 * ---------------------------------------------------------------------
 */

/* The schema of an installed extension, quoted, or NULL. */
static const char *
extension_schema(const char *name)
{
	if (FINOPS_RUN("SELECT quote_ident(n.nspname) FROM pg_extension e"
				   " JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = $1",
				   ARG_TEXT(name)) == 0)
		return NULL;
	return FinopsText(0, 1);
}

/* A server of a foreign data wrapper, quoted, or NULL. */
static const char *
server_of(const char *wrapper)
{
	if (FINOPS_RUN("SELECT quote_ident(s.srvname) FROM pg_foreign_server s"
				   " JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw WHERE w.fdwname = $1"
				   " ORDER BY s.srvname LIMIT 1", ARG_TEXT(wrapper)) == 0)
		return NULL;
	return FinopsText(0, 1);
}

#define ROWS_TABLE "finops_parquet"

static const char *
rows_by_pg_duckdb(const char *path)
{
	const char *schema = extension_schema("pg_duckdb");

	if (schema == NULL)
		return NULL;
	/* it refuses to run inside functions unless told so */
	FINOPS_RUN0("SELECT set_config(name, 'on', true) FROM pg_settings"
				" WHERE name = 'duckdb.unsafe_allow_execution_inside_functions'");
	FINOPS_RUN0(psprintf("CREATE TEMPORARY TABLE " ROWS_TABLE " ON COMMIT DROP AS"
						 " SELECT * FROM %s.read_parquet(%s)", schema, quote_literal_cstr(path)));
	return "pg_temp." ROWS_TABLE;
}

/* The columns of the file as pg_parquet tells them; nested ones it cannot give. */
static char *
parquet_columns(const char *path)
{
	StringInfoData list;
	uint64		n;

	initStringInfo(&list);
	n = FINOPS_RUN("SELECT quote_ident(s.name), s.num_children,"
				   " CASE WHEN s.type_name IN ('DOUBLE', 'FLOAT') THEN 'float8'"
				   " WHEN s.logical_type LIKE 'DECIMAL%' OR s.converted_type LIKE 'DECIMAL%' THEN 'numeric'"
				   " WHEN s.logical_type LIKE 'TIMESTAMP%' OR s.converted_type LIKE 'TIMESTAMP%' THEN 'timestamp'"
				   " WHEN s.logical_type LIKE 'DATE%' OR s.converted_type LIKE 'DATE%' THEN 'date'"
				   " WHEN s.type_name IN ('INT32', 'INT64') THEN 'bigint'"
				   " WHEN s.type_name = 'BOOLEAN' THEN 'boolean' ELSE 'text' END"
				   " FROM parquet.schema($1) WITH ORDINALITY AS s WHERE s.ordinality > 1"
				   " ORDER BY s.ordinality", ARG_TEXT(path));
	for (uint64 i = 0; i < n; i++)
	{
		if (FinopsText(i, 2) != NULL && strcmp(FinopsText(i, 2), "0") != 0)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("column %s of the Parquet file is nested", FinopsText(i, 1)),
					 errdetail("pg_parquet gives nested columns as types that have to be made for each file."),
					 errhint("Have the bill delivered with JSON instead of maps, or as CSV, or load it through pg_duckdb.")));
		appendStringInfo(&list, "%s%s %s", i == 0 ? "" : ", ", FinopsText(i, 1), FinopsText(i, 3));
	}
	return list.data;
}

static const char *
rows_by_pg_parquet(const char *path)
{
	if (extension_schema("pg_parquet") == NULL)
		return NULL;
	FINOPS_RUN0(psprintf("CREATE TEMPORARY TABLE " ROWS_TABLE " (%s) ON COMMIT DROP",
						 parquet_columns(path)));
	FINOPS_RUN0(psprintf("COPY pg_temp." ROWS_TABLE " FROM %s WITH (FORMAT 'parquet')",
						 quote_literal_cstr(path)));
	return "pg_temp." ROWS_TABLE;
}

static const char *
rows_by_duckdb_fdw(const char *path)
{
	const char *server = server_of("duckdb_fdw");
	const char *schema = extension_schema("duckdb_fdw");

	if (server == NULL || schema == NULL)
		return NULL;
	FINOPS_RUN0(psprintf("SELECT %s.duckdb_execute(%s, %s)", schema, quote_literal_cstr(server),
						 quote_literal_cstr(psprintf("CREATE OR REPLACE VIEW " ROWS_TABLE
													 " AS SELECT * FROM read_parquet(%s)",
													 quote_literal_cstr(path)))));
	FINOPS_RUN0(psprintf("IMPORT FOREIGN SCHEMA public LIMIT TO (" ROWS_TABLE ")"
						 " FROM SERVER %s INTO finops", server));
	return "finops." ROWS_TABLE;
}

/* It imports a directory: each file a table by its name. */
static const char *
rows_by_parquet_fdw(const char *path)
{
	const char *server = server_of("parquet_fdw");
	const char *slash = strrchr(path, '/');
	char	   *table;
	char	   *dot;

	if (server == NULL)
		return NULL;
	table = pstrdup(slash + 1);
	dot = strrchr(table, '.');
	if (dot != NULL)
		*dot = '\0';
	FINOPS_RUN0(psprintf("IMPORT FOREIGN SCHEMA %s LIMIT TO (%s) FROM SERVER %s INTO finops",
						 quote_identifier(pnstrdup(path, slash - path)),
						 quote_identifier(table), server));
	return psprintf("finops.%s", quote_identifier(table));
}

pg_noreturn static void
raise_no_reader(const char *path)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("\"%s\" is a Parquet file, and this database has no extension that reads it", path),
			 errdetail("One of pg_duckdb and pg_parquet is enough, or a server of duckdb_fdw or parquet_fdw."),
			 errhint("Install one and CREATE EXTENSION it, or have the bill delivered as CSV, plain, gzip or zip.")));
}

/* ---------------------------------------------------------------------
 * Rows as text
 * ---------------------------------------------------------------------
 */

/* A query that gives every column of the relation as text. */
static char *
as_text(const char *relation)
{
	StringInfoData list;
	uint64		n;

	initStringInfo(&list);
	n = FINOPS_RUN("SELECT format(CASE"
				   " WHEN a.atttypid IN ('float4'::regtype, 'float8'::regtype) THEN 'replace(%1$I::text, ''+'', '''')'"
				   " WHEN t.typcategory IN ('A', 'C') THEN 'to_jsonb(%1$I)::text'"
				   " ELSE '%1$I::text' END || ' AS %1$I', a.attname)"
				   " FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid"
				   " WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped"
				   " ORDER BY a.attnum", ARG_TEXT(relation));
	for (uint64 i = 0; i < n; i++)
		appendStringInfo(&list, "%s%s", i == 0 ? "SELECT " : ", ", FinopsText(i, 1));
	appendStringInfo(&list, " FROM %s", relation);
	return list.data;
}

static void
stage_file(BillLoad *load, BillFile *file)
{
	static const char *(*const readers[]) (const char *path) = {
		rows_by_pg_duckdb, rows_by_pg_parquet, rows_by_duckdb_fdw, rows_by_parquet_fdw,
	};
	const char *relation = NULL;
	ParquetRows *rows = MemoryContextAllocZero(load->context, sizeof(ParquetRows));

	if (file->address.kind != SOURCE_FILE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("\"%s\" is a Parquet file on the network", file->address.text),
				 errhint("Copy it to the server and give its path, or have the bill delivered as CSV.")));
	for (size_t i = 0; relation == NULL && i < lengthof(readers); i++)
		relation = readers[i] (file->address.path);
	if (relation == NULL)
		raise_no_reader(file->address.path);
	rows->store = FinopsCollect(as_text(relation), &rows->columns);
	FINOPS_RUN0(psprintf("DROP %s %s", strncmp(relation, "pg_temp.", 8) == 0 ?
						 "TABLE" : "FOREIGN TABLE", relation));
	file->parquet = rows;
}

/* Read what is Parquet, before COPY begins. */
void
BillStageParquet(BillLoad *load)
{
	for (int i = 0; i < load->nfiles; i++)
		if (BillIsParquet(&load->files[i]))
			stage_file(load, &load->files[i]);
}

/* ---------------------------------------------------------------------
 * The rows as CSV
 * ---------------------------------------------------------------------
 */

static void
put_text(StringInfo out, const char *value)
{
	const char *text = pg_server_to_any(value, strlen(value), PG_UTF8);

	appendStringInfoChar(out, '"');
	for (; *text != '\0'; text++)
	{
		if (*text == '"')
			appendStringInfoChar(out, '"');
		appendStringInfoChar(out, *text);
	}
	appendStringInfoChar(out, '"');
}

static void
put_header(ParquetSource *source)
{
	TupleDesc	columns = source->rows->columns;

	for (int i = 0; i < columns->natts; i++)
	{
		if (i > 0)
			appendStringInfoChar(&source->text, ',');
		put_text(&source->text, NameStr(TupleDescAttr(columns, i)->attname));
	}
	appendStringInfoChar(&source->text, '\n');
}

static void
put_rows(ParquetSource *source)
{
	int			n = source->rows->columns->natts;

	while (source->text.len < PARQUET_BATCH &&
		   tuplestore_gettupleslot(source->rows->store, true, false, source->slot))
	{
		slot_getallattrs(source->slot);
		for (int i = 0; i < n; i++)
		{
			if (i > 0)
				appendStringInfoChar(&source->text, ',');
			if (!source->slot->tts_isnull[i])
			{
				char	   *value = TextDatumGetCString(source->slot->tts_values[i]);

				put_text(&source->text, value);
				pfree(value);
			}
		}
		appendStringInfoChar(&source->text, '\n');
	}
}

static int
parquet_read(ByteSource *base, char *buf, int len)
{
	ParquetSource *source = (ParquetSource *) base;
	int			n;

	if (source->at == source->text.len)
	{
		resetStringInfo(&source->text);
		source->at = 0;
		if (base->offset == 0)
			put_header(source);
		put_rows(source);
	}
	n = Min(len, source->text.len - source->at);
	memcpy(buf, source->text.data + source->at, n);
	source->at += n;
	base->offset += n;
	return n;
}

static void
parquet_close(ByteSource *base)
{
	base->below->close(base->below);
}

/* The rows of a staged file; closing closes the file below. */
ByteSource *
BillParquetSource(BillLoad *load, const BillFile *file)
{
	MemoryContext old = MemoryContextSwitchTo(load->context);
	ParquetSource *source = palloc0(sizeof(ParquetSource));

	source->base.read = parquet_read;
	source->base.close = parquet_close;
	source->base.below = load->file;
	source->rows = file->parquet;
	source->slot = MakeSingleTupleTableSlot(source->rows->columns, &TTSOpsMinimalTuple);
	initStringInfo(&source->text);
	tuplestore_rescan(source->rows->store);
	MemoryContextSwitchTo(old);
	return &source->base;
}

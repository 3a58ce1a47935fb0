/*-------------------------------------------------------------------------
 *
 * stream.c
 *	  Rows of a query in the order of tenants.
 *
 * A run for all tenants reads through a cursor, some rows at a time, so that
 * memory does not grow with the month; the query's sort spills to disk.  A
 * run for one tenant has few rows and a plan that the backend keeps.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/charge.h"
#include "invoice/watch.h"

#include "access/htup_details.h"
#include "utils/lsyscache.h"
#include "utils/portal.h"

#define ROWS_AT_ONCE	1000
#define NARGS			3

struct InvoiceStream
{
	Portal		portal;			/* NULL in a run for one tenant */
	SPITupleTable *rows;
	uint64		n;
	uint64		at;				/* row to look at next */
	Datum	   *values;			/* of the current row */
	bool	   *nulls;
	char	   *tenant_id;		/* NULL: any */
};

/* "@tenant@" becomes the condition of the run. */
static char *
expand_tenant(const char *sql, bool single)
{
	StringInfoData buf;
	const char *at;

	initStringInfo(&buf);
	while ((at = strstr(sql, "@tenant@")) != NULL)
	{
		appendBinaryStringInfo(&buf, sql, (int) (at - sql));
		appendStringInfoString(&buf, single ? "= $3" : "IS NOT NULL");
		sql = at + strlen("@tenant@");
	}
	appendStringInfoString(&buf, sql);
	return buf.data;
}

/* SPI leaves its own memory context behind, which lives as long as the run. */
static void
fetch(InvoiceStream *stream)
{
	MemoryContext old = CurrentMemoryContext;

	if (stream->rows != NULL)
		SPI_freetuptable(stream->rows);
	SPI_cursor_fetch(stream->portal, true, ROWS_AT_ONCE);
	stream->rows = SPI_tuptable;
	stream->n = SPI_processed;
	stream->at = 0;
	MemoryContextSwitchTo(old);
}

InvoiceStream *
InvoiceStreamOpen(const InvoiceRun *run, const char *sql)
{
	static Oid	types[NARGS] = {DATEOID, DATEOID, TEXTOID};
	InvoiceStream *stream = MemoryContextAllocZero(run->context, sizeof(InvoiceStream));
	bool		single = run->tenant != NULL;
	Datum		values[NARGS] = {DateADTGetDatum(run->period), DateADTGetDatum(run->next), (Datum) 0};
	char		nulls[NARGS + 1] = "  n";

	if (single)
	{
		SPIPlanPtr	plan = FinopsKeptPlan(sql, expand_tenant(sql, true), NARGS, types);

		values[2] = CStringGetTextDatum(run->tenant);
		nulls[2] = ' ';
		if (SPI_execute_plan(plan, values, nulls, false, 0) != SPI_OK_SELECT)
			elog(ERROR, "SPI_execute_plan failed");
		stream->rows = SPI_tuptable;
		stream->n = SPI_processed;
	}
	else
	{
		SPIPlanPtr	plan = SPI_prepare_cursor(FinopsExpandSchema(expand_tenant(sql, false)), NARGS,
											  types, 0);

		if (plan == NULL)
			elog(ERROR, "SPI_prepare_cursor failed: %s", SPI_result_code_string(SPI_result));
		WatchPlan(plan);
		stream->portal = SPI_cursor_open(NULL, plan, values, nulls, false);
		fetch(stream);
	}
	stream->values = MemoryContextAllocZero(run->context, sizeof(Datum) * stream->rows->tupdesc->natts);
	stream->nulls = MemoryContextAllocZero(run->context, sizeof(bool) * stream->rows->tupdesc->natts);
	return stream;
}

void
InvoiceStreamSeek(InvoiceStream *stream, const char *tenant_id)
{
	if (stream->tenant_id != NULL)
		pfree(stream->tenant_id);
	stream->tenant_id = MemoryContextStrdup(GetMemoryChunkContext(stream), tenant_id);
}

/* Of the row to look at next, against the tenant sought: < 0, 0, > 0. */
static int
compare_tenant(const InvoiceStream *stream)
{
	bool		isnull;
	Datum		value = SPI_getbinval(stream->rows->vals[stream->at], stream->rows->tupdesc, 1, &isnull);
	struct varlena *v = (struct varlena *) DatumGetPointer(value);
	size_t		wanted = strlen(stream->tenant_id);
	size_t		len;
	int			order;

	if (isnull)
		return -1;
	if (VARATT_IS_EXTENDED(v) && !VARATT_IS_SHORT(v))
		v = pg_detoast_datum(v);
	len = VARSIZE_ANY_EXHDR(v);
	order = memcmp(VARDATA_ANY(v), stream->tenant_id, Min(len, wanted));
	return order != 0 ? order : len < wanted ? -1 : len > wanted;
}

bool
InvoiceStreamNext(InvoiceStream *stream)
{
	for (;;)
	{
		int			order;

		if (stream->at == stream->n)
		{
			if (stream->portal == NULL || stream->n == 0)
				return false;
			fetch(stream);
			if (stream->n == 0)
				return false;
		}
		order = stream->tenant_id == NULL ? 0 : compare_tenant(stream);
		if (order > 0)
			return false;
		if (order == 0)
			heap_deform_tuple(stream->rows->vals[stream->at], stream->rows->tupdesc,
							  stream->values, stream->nulls);
		stream->at++;
		if (order == 0)
			return true;
	}
}

Datum
InvoiceStreamDatum(const InvoiceStream *stream, int column)
{
	if (stream->nulls[column - 1])
		elog(ERROR, "unexpected null in column %d", column);
	return stream->values[column - 1];
}

bool
InvoiceStreamIsNull(const InvoiceStream *stream, int column)
{
	return stream->nulls[column - 1];
}

char *
InvoiceStreamCopy(const InvoiceStream *stream, int column)
{
	Oid			type = TupleDescAttr(stream->rows->tupdesc, column - 1)->atttypid;
	Oid			output;
	bool		varlena;

	if (stream->nulls[column - 1])
		return NULL;
	if (type == TEXTOID)
		return TextDatumGetCString(stream->values[column - 1]);
	getTypeOutputInfo(type, &output, &varlena);
	return OidOutputFunctionCall(output, stream->values[column - 1]);
}

int64
InvoiceStreamInt(const InvoiceStream *stream, int column)
{
	Datum		value = InvoiceStreamDatum(stream, column);

	switch (SPI_gettypeid(stream->rows->tupdesc, column))
	{
		case BOOLOID:
			return DatumGetBool(value);
		case INT4OID:
			return DatumGetInt32(value);
		case INT8OID:
		case TIMESTAMPTZOID:
			return DatumGetInt64(value);
		default:
			elog(ERROR, "column %d is not an integer", column);
	}
	return 0;					/* keep compiler quiet */
}

DateADT
InvoiceStreamDate(const InvoiceStream *stream, int column)
{
	return DatumGetDateADT(InvoiceStreamDatum(stream, column));
}

InvoiceDecimal
InvoiceStreamDecimal(const InvoiceStream *stream, int column)
{
	InvoiceDecimal value;

	if (!InvoiceDecodeNumeric(InvoiceStreamDatum(stream, column), &value))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("value of \"%s\" needs more than 37 digits",
						SPI_fname(stream->rows->tupdesc, column))));
	return value;
}

void
InvoiceStreamClose(InvoiceStream *stream)
{
	if (stream->portal != NULL)
		SPI_cursor_close(stream->portal);
	if (stream->rows != NULL)
		SPI_freetuptable(stream->rows);
	stream->rows = NULL;
	stream->n = stream->at = 0;
}

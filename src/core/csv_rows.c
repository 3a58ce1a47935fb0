/*-------------------------------------------------------------------------
 *
 * csv_rows.c
 *	  A result as CSV (RFC 4180).
 *
 *-------------------------------------------------------------------------
 */
#include "core/core.h"

#include "miscadmin.h"

/* An empty text is quoted, so that it differs from NULL, which is nothing. */
static void
append_field(StringInfo out, const char *value)
{
	if (value == NULL)
		return;
	if (value[0] != '\0' && strpbrk(value, ",\"\r\n") == NULL)
	{
		appendStringInfoString(out, value);
		return;
	}
	appendStringInfoChar(out, '"');
	for (const char *c = value; *c != '\0'; c++)
	{
		if (*c == '"')
			appendStringInfoChar(out, '"');
		appendStringInfoChar(out, *c);
	}
	appendStringInfoChar(out, '"');
}

void
FinopsAppendCsv(StringInfo out)
{
	TupleDesc tupdesc = SPI_tuptable->tupdesc;

	for (int c = 1; c <= tupdesc->natts; c++)
	{
		if (c > 1)
			appendStringInfoChar(out, ',');
		append_field(out, SPI_fname(tupdesc, c));
	}
	appendStringInfoString(out, "\r\n");
	for (uint64 i = 0; i < SPI_tuptable->numvals; i++)
	{
		for (int c = 1; c <= tupdesc->natts; c++)
		{
			char *value = FinopsText(i, c);

			if (c > 1)
				appendStringInfoChar(out, ',');
			append_field(out, value);
			if (value != NULL)
				pfree(value);
		}
		appendStringInfoString(out, "\r\n");
		CHECK_FOR_INTERRUPTS();
	}
}

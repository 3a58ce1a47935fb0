/*-------------------------------------------------------------------------
 *
 * load_header.c
 *	  The names of a bill's columns: from its first line, from behind a few
 *	  lines about the invoice, or given by the caller.
 *
 * Dumps of Hive and Athena tables have no header line; load_bill is told
 * their columns.  The console of Google Cloud puts pairs such as
 * "Currency,EUR" before the header of its cost table.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/load.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"

/* Lines that may stand before a header, and the fields that they may have. */
#define MAX_PREAMBLE_LINES	20
#define MAX_PREAMBLE_FIELDS 2

/*
 * columns text[]: the names of the columns of a bill without header line.
 */
void
BillColumnsArg(FunctionCallInfo fcinfo, int argno, BillLoad *load)
{
	Datum	   *names;
	bool	   *nulls;
	int			n;
	CsvField   *fields;

	if (PG_ARGISNULL(argno))
		return;
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(argno), TEXTOID, -1, false, TYPALIGN_INT,
					  &names, &nulls, &n);
	if (n == 0 || n > CSV_MAX_FIELDS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("columns must name 1 to %d columns", CSV_MAX_FIELDS),
				 errhint("Leave columns out for a bill with a header line.")));
	fields = MemoryContextAllocZero(load->context, sizeof(CsvField) * n);
	for (int i = 0; i < n; i++)
	{
		char	   *name;

		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("columns must not contain null"),
					 errhint("Give every column a name; those that are not needed may be called anything.")));
		name = TextDatumGetCString(names[i]);
		name = pg_server_to_any(name, strlen(name), PG_UTF8);
		fields[i].data = MemoryContextStrdup(load->context, name);
		fields[i].len = (int) strlen(name);
	}
	load->columns = fields;
	load->ncolumns = n;
}

static bool
map_fields(BillLoad *load, const CsvField *fields, int n)
{
	for (int i = 0; i < n; i++)
		if (!Utf8Valid(fields[i].data, fields[i].len))
			BillRaiseProblem(load, VALUE_NOT_UTF8, "header",
							 (Slice) {fields[i].data, fields[i].len});
	HeaderFree(&load->header);
	return HeaderMap(&load->header, fields, n, load->want, load->tenant_key,
					 finops_keep_unknown_columns);
}

/* A line before the header; some say what the columns do not. */
static void
note_preamble(const BillLoad *load, char *currency)
{
	const CsvField *fields = load->csv.fields;

	if (load->csv.nfields == 2 && fields[0].len == 8 && fields[1].len == 3 &&
		pg_strncasecmp(fields[0].data, "Currency", 8) == 0)
		memcpy(currency, fields[1].data, 3);
}

/*
 * Read up to the header and map it.  Where no line near the beginning is
 * one, the first is to blame.
 */
void
BillReadHeader(BillLoad *load)
{
	char		currency[4] = "";
	CsvField   *first = NULL;
	int			nfirst = 0;

	if (load->columns != NULL)
	{
		if (!map_fields(load, load->columns, load->ncolumns))
			BillRaiseHeader(load);
		return;
	}
	for (int line = 0; line < MAX_PREAMBLE_LINES; line++)
	{
		CsvStatus	status = CsvNext(&load->csv);

		if (status == CSV_END)
			break;
		if (status != CSV_RECORD)
			BillRaiseCsv(load);
		if (map_fields(load, load->csv.fields, load->csv.nfields))
		{
			HeaderSetCurrency(&load->header, currency);
			return;
		}
		if (load->header.names == NULL || load->header.missing != NULL)
			BillRaiseHeader(load);
		if (line == 0)
		{
			nfirst = load->csv.nfields;
			first = palloc(sizeof(CsvField) * nfirst);
			for (int i = 0; i < nfirst; i++)
			{
				first[i] = load->csv.fields[i];
				first[i].data = pnstrdup(first[i].data, first[i].len);
			}
		}
		if (load->csv.nfields > MAX_PREAMBLE_FIELDS)
			break;
		note_preamble(load, currency);
	}
	if (first == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
				 errmsg("the bill is empty"),
				 errhint("Check that the delivery is complete."),
				 errcontext("file %s", BillFileAtHand(load))));
	(void) map_fields(load, first, nfirst);
	BillRaiseHeader(load);
}

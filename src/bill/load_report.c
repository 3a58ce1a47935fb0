/*-------------------------------------------------------------------------
 *
 * load_report.c
 *	  What load_bill says: its arguments, what is wrong with a bill, and
 *	  what the ingestion log keeps about it.
 *
 * An error names the line of the file, the column as the file calls it and
 * the value, cut to a readable length; bytes that are not text are shown in
 * hexadecimal.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/load.h"

#include "core/zip.h"
#include "mb/pg_wchar.h"
#include "utils/datetime.h"
#include "utils/formatting.h"
#include "utils/json.h"

BillFormat
BillFormatArg(FunctionCallInfo fcinfo, int argno)
{
	char	   *format;
	BillFormat	found;

	FinopsRequireArg(fcinfo, argno, "bill format");
	format = text_to_cstring(PG_GETARG_TEXT_PP(argno));
	if (pg_strcasecmp(format, "auto") == 0)
		return BILL_UNKNOWN;
	found = BillFormatByName(asc_tolower(format, strlen(format)));
	if (found == BILL_UNKNOWN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown bill format \"%s\"", FinopsQuoteForMessage(format)),
				 errhint("Formats are auto, cur, focus, azure, gcp and oci.")));
	return found;
}

BillMode
BillModeArg(FunctionCallInfo fcinfo, int argno)
{
	char	   *mode;

	FinopsRequireArg(fcinfo, argno, "mode");
	mode = text_to_cstring(PG_GETARG_TEXT_PP(argno));
	if (pg_strcasecmp(mode, "auto") == 0)
		return BILL_MODE_AUTO;
	if (pg_strcasecmp(mode, "replace") == 0)
		return BILL_MODE_REPLACE;
	if (pg_strcasecmp(mode, "append") == 0)
		return BILL_MODE_APPEND;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown mode \"%s\"", FinopsQuoteForMessage(mode)),
			 errhint("Modes are auto, replace and append.")));
}

char *
BillSourceIdArg(FunctionCallInfo fcinfo, int argno)
{
	char	   *source = text_to_cstring(PG_GETARG_TEXT_PP(argno));

	if (source[strspn(source, " \t\r\n")] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("source_id must not be blank")));
	return source;
}

BillPeriod
BillPeriodOf(DateADT date)
{
	BillPeriod	period;
	int			day;

	j2date(date + POSTGRES_EPOCH_JDATE, &period.year, &period.month, &day);
	return period;
}

DateADT
BillPeriodDate(BillPeriod period)
{
	return date2j(period.year, period.month, 1) - POSTGRES_EPOCH_JDATE;
}

/* Part of a bill for a message or a table; bytes that are no text as \xHH. */
char *
BillShown(Slice s, int limit)
{
	StringInfoData buf;
	bool		cut = s.len > limit;

	initStringInfo(&buf);
	if (cut)
	{
		s.len = limit;
		/* not in the middle of a character */
		while (s.len > 0 && (s.data[s.len] & 0xc0) == 0x80)
			s.len--;
	}
	if (Utf8Valid(s.data, s.len))
		appendStringInfoString(&buf, pg_any_to_server(pnstrdup(s.data, s.len),
													  s.len, PG_UTF8));
	else
		for (int i = 0; i < s.len; i++)
		{
			unsigned char c = (unsigned char) s.data[i];

			if (c >= 0x20 && c < 0x7f)
				appendStringInfoChar(&buf, (char) c);
			else
				appendStringInfo(&buf, "\\x%02x", c);
		}
	if (cut)
		appendStringInfoString(&buf, "...");
	return buf.data;
}

static bool
ends_with(const char *s, const char *suffix)
{
	size_t		len = strlen(s);
	size_t		n = strlen(suffix);

	return len >= n && pg_strcasecmp(s + len - n, suffix) == 0;
}

/* Refuse by the first bytes what cannot be a bill. */
void
BillCheckFileKind(const BillFile *file)
{
	const char *path = file->address.path;

	if (file->nfirst == 0)
		ereport(ERROR,
				(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
				 errmsg("the bill is empty"),
				 errhint("Check that the delivery is complete."),
				 errcontext("file %s", path)));
	if (GzipMagic(file->first, file->nfirst) || ZipMagic(file->first, file->nfirst) ||
		BillIsParquet(file))
		return;
	if (ends_with(path, ".gz") || ends_with(path, ".zip"))
		ereport(ERROR,
				(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
				 errmsg("\"%s\" is not %s data, although its name ends in %s", path,
						ends_with(path, ".gz") ? "gzip" : "zip", strrchr(path, '.')),
				 errhint("Fetch the file again, or rename it if it is plain text.")));
	if (memchr(file->first, '\0', file->nfirst) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
				 errmsg("\"%s\" is a binary file", path),
				 errhint("Have the bill delivered as CSV, plain, gzip or zip.")));
}

/* Is the member of a zip archive to be read?  Manifests are not. */
bool
BillMemberIsBill(const char *name, const SourceAddress *archive)
{
	if (!ZipMemberIsFile(name) || ends_with(name, ".json"))
		return false;
	if (ends_with(name, ".gz") || ends_with(name, ".zip") || ends_with(name, ".parquet"))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("zip archive \"%s\" holds \"%s\"",
						archive->path, FinopsQuoteForMessage(name)),
				 errdetail("Files in an archive are read as CSV."),
				 errhint("Unpack it and load the files in it.")));
	return true;
}

static const char *
csv_message(CsvStatus status)
{
	switch (status)
	{
		case CSV_NUL_BYTE:
			return "NUL byte in line %lld";
		case CSV_UNTERMINATED:
			return "quotes are not closed in the record that begins in line %lld";
		case CSV_AFTER_QUOTE:
			return "text after a closing quote in the record that begins in line %lld";
		case CSV_TOO_LONG:
			return "the record that begins in line %lld is too long";
		case CSV_TOO_MANY_FIELDS:
			return "line %lld has too many fields";
		default:
			return NULL;
	}
}

void
BillRaiseCsv(const BillLoad *load)
{
	const char *message = csv_message(load->csv.status);

	if (message == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	ereport(ERROR,
			(errcode(load->csv.status == CSV_TOO_LONG ||
					 load->csv.status == CSV_TOO_MANY_FIELDS ?
					 ERRCODE_PROGRAM_LIMIT_EXCEEDED : ERRCODE_BAD_COPY_FILE_FORMAT),
			 errmsg(message, (long long) load->csv.line),
			 errdetail("A bill is text: fields with commas between them, in double quotes where they contain commas, quotes or line ends."),
			 errhint("Look at that line of the file; if it is damaged, fetch the file again."),
			 errcontext("file %s", BillFileAtHand(load))));
}

/* The first names of the header, so that the reader sees what was read. */
static char *
first_columns(const BillLoad *load)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < load->header.ncolumns && i < 4; i++)
	{
		const char *name = load->header.names[i];

		appendStringInfo(&buf, "%s\"%s\"", i == 0 ? "" : ", ",
						 BillShown((Slice) {name, (int) strlen(name)}, 64));
	}
	if (load->header.ncolumns > 4)
		appendStringInfoString(&buf, ", ...");
	return buf.data;
}

void
BillRaiseHeader(const BillLoad *load)
{
	if (load->header.names == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	if (load->header.missing != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
				 errmsg("the bill has no column \"%s\"", load->header.missing),
				 errdetail("Without it the effective cost of a line is not known."),
				 errhint("Have the bill delivered with this column."),
				 errcontext("file %s", BillFileAtHand(load))));
	ereport(ERROR,
			(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
			 errmsg("the first line is not the header of a known bill format"),
			 errdetail("Looked for the cost column of an AWS cost and usage report (lineItem/UnblendedCost), FOCUS (BilledCost), an Azure cost export (CostInBillingCurrency, Cost), a Google Cloud billing export (cost) or an Oracle cost report (cost/myCost); found %s.",
					   first_columns(load)),
			 load->want == BILL_UNKNOWN ?
			 errhint("Load a bill of one of these formats, with its header line; or give the names of its columns in the argument columns.") :
			 errhint("Leave the format to 'auto' to have it recognised."),
			 errcontext("file %s", BillFileAtHand(load))));
}

/*
 * Columns that a format got since, and misspelt ones.  Those that begin with
 * x_ (or, from Oracle, oci_) are the sender's own.
 */
static void
tell_unknown_columns(const BillHeader *header)
{
	StringInfoData names;
	int			n = 0;

	initStringInfo(&names);
	for (int i = 0; i < header->nunknown; i++)
	{
		const char *name = header->names[header->unknown[i]];

		if (name[0] == '\0' || pg_strncasecmp(name, "x_", 2) == 0 ||
			pg_strncasecmp(name, "oci_", 4) == 0)
			continue;
		if (n++ < 8)
			appendStringInfo(&names, "%s\"%s\"", n == 1 ? "" : ", ",
							 BillShown((Slice) {name, (int) strlen(name)}, 64));
	}
	if (n > 0)
		ereport(NOTICE,
				(errmsg("%d column%s of the bill %s not known: %s%s", n, n == 1 ? "" : "s",
						n == 1 ? "is" : "are", names.data, n > 8 ? ", ..." : ""),
				 header->keep_unknown ? errdetail("The facts keep them in other_columns.") :
				 errdetail("They are not kept, as finops.keep_unknown_columns says.")));
	pfree(names.data);
}

void
BillWarnMissingCost(const BillLoad *load)
{
	if (load->generated == NULL)
		tell_unknown_columns(&load->header);
	if (load->projector.no_effective > 0)
		ereport(WARNING,
				(errmsg("%lld commitment lines carry no amortised cost; their billed cost stands in",
						(long long) load->projector.no_effective),
				 load->header.format == BILL_AZURE ?
				 errhint("Load the export of amortised cost to have it.") :
				 errhint("Have the report delivered with its reservation and savings plan columns.")));
}

/* columns NULL: the first n of the header */
static void
append_names(StringInfo buf, const char *label, const BillHeader *header,
			 const int *columns, int n)
{
	appendStringInfo(buf, ", \"%s\": [", label);
	for (int i = 0; i < n; i++)
	{
		const char *name = header->names[columns != NULL ? columns[i] : i];

		if (i > 0)
			appendStringInfoString(buf, ", ");
		escape_json(buf, pg_any_to_server(name, strlen(name), PG_UTF8));
	}
	appendStringInfoChar(buf, ']');
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Names that several columns have: one of them is read, the others are kept. */
static void
append_repeated(StringInfo buf, const BillHeader *header)
{
	char	  **names = palloc(sizeof(char *) * (Size) Max(header->ncolumns, 1));
	int			n = 0;
	int			found = 0;

	for (int i = 0; i < header->ncolumns; i++)
		if (header->names[i][0] != '\0')
			names[n++] = header->names[i];
	qsort(names, (size_t) n, sizeof(char *), by_name);
	for (int i = 1; i < n; i++)
	{
		if (strcmp(names[i], names[i - 1]) != 0 ||
			(i > 1 && strcmp(names[i], names[i - 2]) == 0))
			continue;
		appendStringInfoString(buf, found++ == 0 ? ", \"repeated_columns\": [" : ", ");
		escape_json(buf, pg_any_to_server(names[i], strlen(names[i]), PG_UTF8));
	}
	if (found > 0)
		appendStringInfoChar(buf, ']');
	pfree(names);
}

/* What was not understood, for the ingestion log. */
char *
BillLogDetail(const BillLoad *load)
{
	const BillHeader *header = &load->header;
	const BillProjector *p = &load->projector;
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "{\"columns\": %d", header->ncolumns);
	append_names(&buf, "column_names", header, NULL, header->ncolumns);
	append_names(&buf, "unmapped_columns", header, header->unmapped, header->nunmapped);
	append_names(&buf, "unknown_columns", header, header->unknown, header->nunknown);
	append_repeated(&buf, header);
	appendStringInfoString(&buf, ", \"unknown_line_types\": [");
	for (int i = 0; i < p->nodd_types; i++)
	{
		if (i > 0)
			appendStringInfoString(&buf, ", ");
		escape_json(&buf, pg_any_to_server(p->odd_types[i], strlen(p->odd_types[i]), PG_UTF8));
	}
	appendStringInfo(&buf, "], \"blank_costs\": " INT64_FORMAT
					 ", \"lines_without_amortised_cost\": " INT64_FORMAT "}",
					 p->blank_costs, p->no_effective);
	return buf.data;
}

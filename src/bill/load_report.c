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
#include "utils/json.h"

#define SHOWN_BYTES 64

BillFormat
BillFormatArg(FunctionCallInfo fcinfo, int argno)
{
	char	   *format;

	FinopsRequireArg(fcinfo, argno, "bill format");
	format = text_to_cstring(PG_GETARG_TEXT_PP(argno));
	if (pg_strcasecmp(format, "auto") == 0)
		return BILL_UNKNOWN;
	if (pg_strcasecmp(format, "cur") == 0)
		return BILL_CUR;
	if (pg_strcasecmp(format, "focus") == 0)
		return BILL_FOCUS;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown bill format \"%s\"", FinopsQuoteForMessage(format)),
			 errhint("Formats are auto, cur and focus.")));
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

/* Part of a bill for a message. */
static char *
shown(Slice s)
{
	StringInfoData buf;
	bool		cut = s.len > SHOWN_BYTES;

	initStringInfo(&buf);
	if (cut)
	{
		s.len = SHOWN_BYTES;
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
				 errhint("Check that the delivery is complete.")));
	if (GzipMagic(file->first, file->nfirst) || ZipMagic(file->first, file->nfirst))
		return;
	if (file->nfirst >= 4 && memcmp(file->first, "PAR1", 4) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("\"%s\" is a Parquet file", path),
				 errhint("Have the bill delivered as CSV, plain, gzip or zip.")));
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
			 errhint("Look at that line of the file; if it is damaged, fetch the file again.")));
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
						 shown((Slice) {name, (int) strlen(name)}));
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
				 errhint("Have the bill delivered with this column.")));
	ereport(ERROR,
			(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
			 errmsg("the first line is not the header of a known bill format"),
			 errdetail("Looked for lineItem/UnblendedCost or line_item_unblended_cost (AWS cost and usage report) and for BilledCost (FOCUS); found %s.",
					   first_columns(load)),
			 load->want == BILL_UNKNOWN ?
			 errhint("Load a cost and usage report or a FOCUS file, with its header line.") :
			 errhint("Leave the format to 'auto' to have it recognised.")));
}

void
BillRaiseRagged(const BillLoad *load)
{
	ereport(ERROR,
			(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
			 errmsg("line %lld has %d fields, the header has %d",
					(long long) load->csv.line, load->csv.nfields,
					load->header.ncolumns),
			 errhint("Have the bill delivered again; the file is damaged here.")));
}

void
BillRaiseProblem(const BillLoad *load, ValueStatus status, const char *column,
				 Slice value)
{
	long long	line = (long long) load->csv.line;
	char	   *name = shown((Slice) {column, (int) strlen(column)});
	char	   *text = shown(value);

	switch (status)
	{
		case VALUE_NOT_A_NUMBER:
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
					 errmsg("invalid number \"%s\" in column \"%s\", line %lld",
							text, name, line),
					 errdetail("A number is written as 12, -0.5 or 1.4724E-6, without currency signs and thousands separators."),
					 errhint("Correct that line of the file, or have the bill delivered again.")));
			break;
		case VALUE_NUMBER_TOO_LONG:
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("number \"%s\" in column \"%s\", line %lld, is out of range",
							text, name, line),
					 errdetail("A number has at most %d digits before and after the point.",
							   NUMBER_MAX_DIGITS),
					 errhint("Correct that line of the file, or have the bill delivered again.")));
			break;
		case VALUE_NOT_A_TIME:
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_DATETIME_FORMAT),
					 errmsg("invalid time \"%s\" in column \"%s\", line %lld",
							text, name, line),
					 errdetail("A time is written as 2018-10-01T00:00:00Z, 2018-10-01 00:00:00 or 10/1/2018."),
					 errhint("Correct that line of the file, or have the bill delivered again.")));
			break;
		case VALUE_NOT_JSON:
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
					 errmsg("invalid tags in column \"%s\", line %lld", name, line),
					 errdetail("Tags are a JSON object such as {\"env\": \"prod\"}; found \"%s\".", text),
					 errhint("Correct that line of the file, or have the bill delivered again.")));
			break;
		case VALUE_NOT_UTF8:
		case VALUE_OK:
			break;
	}
	ereport(ERROR,
			(errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
			 errmsg("invalid UTF-8 in column \"%s\", line %lld", name, line),
			 errdetail("Found \"%s\".", text),
			 errhint("Have the bill delivered in UTF-8.")));
}

void
BillRaisePeriod(const BillLoad *load, DateADT found)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("line %lld belongs to billing period %s, not %s",
					(long long) load->csv.line, FinopsPeriodText(found),
					FinopsPeriodText(load->want_period)),
			 errhint("Leave billing_period out to load every period that the bill holds.")));
}

void
BillRaiseNoPeriod(const BillLoad *load)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("line %lld does not say its billing period",
					(long long) load->csv.line),
			 errhint("Give billing_period, the first day of the month.")));
}

void
BillRaiseFuture(const BillLoad *load, DateADT found)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("line %lld belongs to billing period %s, which has not begun",
					(long long) load->csv.line, FinopsPeriodText(found)),
			 errdetail("A month is billed from its first day on, in UTC."),
			 errhint("Correct that line of the file, or load the bill when the month has begun.")));
}

void
BillRejectLine(const BillLoad *load, BillReject reject)
{
	switch (reject.why)
	{
		case BILL_RAGGED:
			BillRaiseRagged(load);
			break;
		case BILL_BAD_VALUE:
			BillRaiseProblem(load, reject.status, reject.column, reject.value);
			break;
		case BILL_NO_PERIOD:
			BillRaiseNoPeriod(load);
			break;
		case BILL_OTHER_PERIOD:
			BillRaisePeriod(load, reject.period);
			break;
		case BILL_FUTURE_PERIOD:
			BillRaiseFuture(load, reject.period);
			break;
	}
}

void
BillWarnMissingCost(const BillLoad *load)
{
	if (load->projector.no_effective > 0)
		ereport(WARNING,
				(errmsg("%lld commitment lines carry no amortised cost; their billed cost stands in",
						(long long) load->projector.no_effective),
				 errhint("Have the report delivered with its reservation and savings plan columns.")));
}

static void
append_names(StringInfo buf, const char *label, const BillHeader *header,
			 const int *columns, int n)
{
	appendStringInfo(buf, ", \"%s\": [", label);
	for (int i = 0; i < n; i++)
	{
		const char *name = header->names[columns[i]];

		if (i > 0)
			appendStringInfoString(buf, ", ");
		escape_json(buf, pg_any_to_server(name, strlen(name), PG_UTF8));
	}
	appendStringInfoChar(buf, ']');
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
	append_names(&buf, "unmapped_columns", header, header->unmapped, header->nunmapped);
	append_names(&buf, "unknown_columns", header, header->unknown, header->nunknown);
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

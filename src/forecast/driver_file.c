/*-------------------------------------------------------------------------
 *
 * driver_file.c
 *	  Driver files: what a roadmap exports about business quantities to come.
 *
 * A file is a table with a header line: CSV, plain, gzip or in a zip archive,
 * or a sheet of a workbook.  Columns are found by name, in any order, case
 * and spelling of their blanks.  The file belongs to a load date, which its
 * name carries (drivers_2025-07-01.csv) unless the caller gives one.
 *
 * Driver files are small, so the delivered bytes are taken into memory whole
 * and nothing is fetched twice.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/forecast.h"

#include "bill/bill.h"
#include "core/memory_source.h"
#include "core/xlsx.h"
#include "core/zip.h"
#include "mb/pg_wchar.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#include <ctype.h>

#define MAX_DRIVER_ROWS	1000000
#define MAX_DRIVER_FILE	(256 * 1024 * 1024)
#define DRIVER_SHEET	"drivers"

/* Names that a header may use, best first. */
static const char *const column_names[DRIVER_COLUMNS][8] = {
	{"driver_code", "driver", "driver_name", "kpi", "metric", "code", NULL},
	{"scenario", "case", NULL},
	{"period_start", "period", "month", "month_start", "date", NULL},
	{"value", "quantity", "projection", "projected_value", "forecast", "amount", NULL},
	{"unit", "units", "uom", "unit_of_measure", NULL},
	{"source_file", NULL},
	{"environment", "env", NULL},
	{"load_dt", "load_date", NULL}
};

typedef struct DriverFile
{
	SourceAddress address;
	const char *name;			/* without directories */
	DateADT		load_dt;
	StringInfo	bytes;			/* as delivered */
	int			field_of[DRIVER_COLUMNS];	/* -1: not in the file */

	/* a CSV file */
	MemorySource memory;
	ByteSource *top;
	CsvReader	csv;

	/* or a workbook */
	XlsxReader *xlsx;
	XlsxRow		row;
} DriverFile;

/* ---------------------------------------------------------------------
 * The load date
 * ---------------------------------------------------------------------
 */

/* YYYY-MM-DD at s, as a date. */
static bool
parse_day(const char *s, DateADT *day)
{
	int			year,
				month,
				dom;

	for (int i = 0; i < 10; i++)
		if (i == 4 || i == 7 ? s[i] != '-' : !isdigit((unsigned char) s[i]))
			return false;
	year = (s[0] - '0') * 1000 + (s[1] - '0') * 100 + (s[2] - '0') * 10 + s[3] - '0';
	month = (s[5] - '0') * 10 + s[6] - '0';
	dom = (s[8] - '0') * 10 + s[9] - '0';
	if (year < 1900 || month < 1 || month > 12 || dom < 1 ||
		dom > day_tab[isleap(year)][month - 1])
		return false;
	*day = date2j(year, month, dom) - POSTGRES_EPOCH_JDATE;
	return true;
}

/* The last date in the file's name. */
static void
date_of_name(DriverFile *file)
{
	bool		found = false;

	for (const char *p = file->name; strlen(p) >= 10; p++)
		if (parse_day(p, &file->load_dt))
			found = true;
	if (!found)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("file name \"%s\" carries no load date",
						FinopsQuoteForMessage(file->name)),
				 errdetail("Driver files are named like drivers_2025-07-01.csv."),
				 errhint("Give load_dt as the second argument of finops.load_drivers.")));
}

/* ---------------------------------------------------------------------
 * Opening
 * ---------------------------------------------------------------------
 */

static void
close_file(void *arg)
{
	DriverFile *file = arg;

	if (file->top != NULL)
		file->top->close(file->top);
	file->top = NULL;
	CsvFree(&file->csv);
	if (file->xlsx != NULL)
		XlsxClose(file->xlsx);
	file->xlsx = NULL;
}

static int
read_csv(void *arg, char *buf, int len)
{
	DriverFile *file = arg;

	return FinopsSourceRead(file->top, buf, len, &file->address);
}

/* Only what ends the statement for certain; a workbook is not read twice. */
static bool
is_cancelled(void)
{
	return QueryCancelPending || ProcDiePending;
}

pg_noreturn static void
raise_workbook(const DriverFile *file, XlsxStatus status)
{
	const char *name = FinopsQuoteForMessage(file->name);
	const char *detail = NULL;
	ByteSource	broken = {.error = XlsxSourceError(file->xlsx)};

	switch (status)
	{
		case XLSX_INTERRUPTED:
			CHECK_FOR_INTERRUPTS();
			break;
		case XLSX_NO_MEMORY:
			ereport(ERROR,
					(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
			break;
		case XLSX_BAD_ARCHIVE:
			FinopsSourceRaise(&broken, &file->address);
			break;
		case XLSX_TOO_LARGE:
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("workbook \"%s\" is too large", name),
					 errdetail("Unpacked, its parts are more than 512 MB."),
					 errhint("Save the sheet as CSV and load that.")));
			break;
		case XLSX_NOT_A_WORKBOOK:
			detail = "A part of the workbook is missing.";
			break;
		case XLSX_NO_SHEET:
			detail = "It has no sheet that can be seen.";
			break;
		case XLSX_DOCTYPE:
			detail = "A part of it has a document type.";
			break;
		default:
			detail = "A part of it is damaged.";
			break;
	}
	ereport(ERROR,
			(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
			 errmsg("\"%s\" is not a valid workbook", name),
			 detail != NULL ? errdetail("%s", detail) : 0,
			 errhint("Save it again as .xlsx, or as CSV.")));
}

static void
open_workbook(DriverFile *file)
{
	file->xlsx = XlsxOpen(file->bytes->data, file->bytes->len, DRIVER_SHEET, is_cancelled);
	if (file->xlsx == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	if (XlsxReady(file->xlsx) != XLSX_READY)
		raise_workbook(file, XlsxReady(file->xlsx));
}

/* The one file of an archive, after what archivers add. */
static void
open_member(DriverFile *file)
{
	do
	{
		if (!FinopsZipNext(file->top, &file->address))
			ereport(ERROR,
					(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
					 errmsg("there is no file in zip archive \"%s\"",
							FinopsQuoteForMessage(file->name)),
					 errhint("Check that the export is complete.")));
	} while (!ZipMemberIsFile(ZipMemberName(file->top)));
}

static void
open_csv(DriverFile *file)
{
	const unsigned char *first = (const unsigned char *) file->bytes->data;
	bool		zipped = ZipMagic(first, file->bytes->len);

	/* a compound file: a workbook of 1997, or one with a password */
	if (file->bytes->len >= 4 && memcmp(first, "\xd0\xcf\x11\xe0", 4) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("\"%s\" is an .xls or an encrypted workbook",
						FinopsQuoteForMessage(file->name)),
				 errhint("Save it as .xlsx without a password, or as CSV.")));
	MemorySourceInit(&file->memory, file->bytes->data, file->bytes->len);
	file->top = &file->memory.base;
	if (zipped)
		file->top = ZipSourceOpen(file->top);
	else if (GzipMagic(first, file->bytes->len))
		file->top = GzipSourceOpen(file->top);
	if (file->top == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	if (zipped)
		open_member(file);
	CsvInit(&file->csv, read_csv, file, '\0');
}

/* ---------------------------------------------------------------------
 * Records, of either kind
 * ---------------------------------------------------------------------
 */

static void
raise_csv(const DriverFile *file, CsvStatus status)
{
	static const char *const reasons[] = {
		[CSV_NUL_BYTE] = "It contains a NUL byte, so it is not text.",
		[CSV_UNTERMINATED] = "The file ends inside quotes.",
		[CSV_AFTER_QUOTE] = "Something follows a closing quote.",
		[CSV_TOO_LONG] = "A record is too long.",
		[CSV_TOO_MANY_FIELDS] = "A record has too many fields.",
		[CSV_NO_MEMORY] = "There is not enough memory for a record."
	};

	ereport(ERROR,
			(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
			 errmsg("line %lld of \"%s\" is not valid CSV",
					(long long) file->csv.line, FinopsQuoteForMessage(file->name)),
			 (int) status < (int) lengthof(reasons) && reasons[status] != NULL ?
			 errdetail("%s", reasons[status]) : 0,
			 errhint("Export the file again.")));
}

static int
count_fields(const DriverFile *file)
{
	return file->xlsx != NULL ? file->row.ncells : file->csv.nfields;
}

static Slice
field_slice(const DriverFile *file, int at)
{
	if (file->xlsx != NULL)
		return SliceTrim((Slice) {file->row.text + file->row.cells[at].at, file->row.cells[at].len});
	return SliceTrim((Slice) {file->csv.fields[at].data, file->csv.fields[at].len});
}

/* "line 3, column 2" or "cell B3", for the n-th field; -1: the record. */
static char *
place(const DriverFile *file, int at)
{
	char		cell[16];

	if (file->xlsx == NULL)
		return at < 0 ? psprintf("line %lld", (long long) file->csv.line) :
			psprintf("line %lld, column %d", (long long) file->csv.line, at + 1);
	return at < 0 ? psprintf("row %d", file->row.number) :
		psprintf("cell %s", XlsxCellName(at, file->row.number, cell));
}

static bool
is_blank(const DriverFile *file)
{
	for (int i = 0; i < count_fields(file); i++)
	{
		Slice		s = field_slice(file, i);

		if (s.data != NULL && s.len > 0)
			return false;
		if (file->xlsx != NULL && file->row.cells[i].kind == XLSX_UNCALCULATED)
			return false;
	}
	/* a CSV line of nothing but delimiters is a line with missing fields */
	return file->xlsx != NULL || file->csv.nfields == 1;
}

/* The next record that is not blank; false at the end. */
static bool
next_record(DriverFile *file)
{
	do
	{
		if (file->xlsx != NULL)
		{
			XlsxStatus	status;

			CHECK_FOR_INTERRUPTS();
			status = XlsxNextRow(file->xlsx, &file->row);
			if (status == XLSX_END)
				return false;
			if (status != XLSX_ROW)
				raise_workbook(file, status);
		}
		else
		{
			CsvStatus	status = CsvNext(&file->csv);

			if (status == CSV_END)
				return false;
			if (status != CSV_RECORD)
				raise_csv(file, status);
		}
	} while (is_blank(file));
	return true;
}

/* The rest of a zip archive: checked, and without a second file. */
static void
check_end(DriverFile *file)
{
	if (file->xlsx != NULL || !ZipMagic((unsigned char *) file->bytes->data, file->bytes->len))
		return;
	while (FinopsZipNext(file->top, &file->address))
		if (ZipMemberIsFile(ZipMemberName(file->top)))
			ereport(ERROR,
					(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
					 errmsg("zip archive \"%s\" holds more than one file",
							FinopsQuoteForMessage(file->name)),
					 errdetail("A set of drivers is one file."),
					 errhint("Unpack it and load the right one, with its load_dt as the second argument of finops.load_drivers.")));
}

/* ---------------------------------------------------------------------
 * The header
 * ---------------------------------------------------------------------
 */

/* "Driver Code", "driver-code" and "driver_code" are one name. */
static bool
same_name(Slice s, const char *name)
{
	int			i = 0;

	for (;;)
	{
		while (i < s.len && strchr(" _-.", s.data[i]) != NULL && s.data[i] != '\0')
			i++;
		while (*name == '_')
			name++;
		if (i == s.len || *name == '\0')
			return i == s.len && *name == '\0';
		if (pg_ascii_tolower((unsigned char) s.data[i]) != (unsigned char) *name)
			return false;
		i++;
		name++;
	}
}

/* How good a name is for a column: 0 is best, -1 no name of it. */
static int
rank(Slice s, int column)
{
	for (int k = 0; column_names[column][k] != NULL; k++)
		if (same_name(s, column_names[column][k]))
			return k;
	return -1;
}

static char *
to_server(const DriverFile *file, Slice s, int at)
{
	if (!Utf8Valid(s.data, s.len))
		ereport(ERROR,
				(errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
				 errmsg("%s of \"%s\" is not UTF-8", place(file, at),
						FinopsQuoteForMessage(file->name)),
				 errhint("Export the file in UTF-8.")));
	return pg_any_to_server(pnstrdup(s.data, s.len), s.len, PG_UTF8);
}

/* The best name of each column, which only one field may have. */
static void
map_column(DriverFile *file, int column)
{
	int			best = -1;

	file->field_of[column] = -1;
	for (int i = 0; i < count_fields(file); i++)
	{
		int			k = rank(field_slice(file, i), column);

		if (k < 0 || (best >= 0 && k > best))
			continue;
		if (k == best)
			ereport(ERROR,
					(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
					 errmsg("%s of \"%s\": column %s is there twice", place(file, i),
							FinopsQuoteForMessage(file->name), column_names[column][k]),
					 errhint("Keep one of them.")));
		best = k;
		file->field_of[column] = i;
	}
}

static void
read_header(DriverFile *file)
{
	StringInfoData seen;

	if (!next_record(file))
		ereport(ERROR,
				(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
				 errmsg("driver file \"%s\" is empty", FinopsQuoteForMessage(file->name)),
				 errhint("Check that the export is complete.")));
	for (int column = 0; column < DRIVER_COLUMNS; column++)
		map_column(file, column);
	if (file->field_of[DRIVER_CODE] >= 0 && file->field_of[DRIVER_PERIOD_START] >= 0 &&
		file->field_of[DRIVER_VALUE] >= 0)
		return;
	initStringInfo(&seen);
	for (int i = 0; i < count_fields(file); i++)
		appendStringInfo(&seen, "%s%s", i > 0 ? ", " : "",
						 to_server(file, field_slice(file, i), i));
	ereport(ERROR,
			(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
			 errmsg("driver file \"%s\" lacks a column", FinopsQuoteForMessage(file->name)),
			 errdetail("Needed are driver_code, period_start and value; the header is: %s.",
					   FinopsQuoteForMessage(seen.data)),
			 errhint("Optional are scenario, unit and environment.")));
}

/* ---------------------------------------------------------------------
 * Rows
 * ---------------------------------------------------------------------
 */
static void
bad_field(const DriverFile *file, int column, const char *text, const char *wanted)
{
	ereport(ERROR,
			(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
			 errmsg("%s of \"%s\": %s is %s%s%s", place(file, file->field_of[column]),
					FinopsQuoteForMessage(file->name), column_names[column][0],
					text == NULL ? "missing" : "\"",
					text == NULL ? "" : FinopsQuoteForMessage(text),
					text == NULL ? "" : "\""),
			 errdetail("%s", wanted),
			 errhint("Correct the %s and load the file again.",
					 file->xlsx != NULL ? "cell" : "line")));
}

/* Text of a field in the server's encoding, trimmed; NULL when blank. */
static char *
field_text(const DriverFile *file, int column)
{
	int			at = file->field_of[column];
	Slice		s;
	char	   *text;

	if (at < 0 || at >= count_fields(file))
		return NULL;
	if (file->xlsx != NULL && file->row.cells[at].kind == XLSX_UNCALCULATED)
		bad_field(file, column, "=", "The result of this formula was not saved with the workbook.");
	s = field_slice(file, at);
	if (s.data == NULL || s.len == 0)
		return NULL;
	text = to_server(file, s, at);
	if (file->xlsx != NULL && file->row.cells[at].kind == XLSX_ERROR)
		bad_field(file, column, text, "The cell shows an error.");
	return text;
}

/* A month as YYYY-MM or as its first day. */
static DateADT
month_field(const DriverFile *file)
{
	char	   *text = field_text(file, DRIVER_PERIOD_START);
	DateADT		day;

	if (text == NULL || (strlen(text) != 7 && strlen(text) != 10) ||
		!parse_day(strlen(text) == 7 ? psprintf("%s-01", text) : text, &day) ||
		(strlen(text) == 10 && strcmp(text + 8, "01") != 0))
		bad_field(file, DRIVER_PERIOD_START, text,
				  file->xlsx != NULL ?
				  "A period is a month: a date on its first day, or text as YYYY-MM." :
				  "A period is a month, as YYYY-MM or YYYY-MM-01.");
	return day;
}

static Datum
value_field(const DriverFile *file)
{
	char	   *text = field_text(file, DRIVER_VALUE);

	if (text == NULL || text[0] == '-' ||
		NumberCheck((Slice) {text, (int) strlen(text)}) != VALUE_OK)
		bad_field(file, DRIVER_VALUE, text,
				  "A value is a number of at least 0 with a decimal point and no thousands separators.");
	return DirectFunctionCall3(numeric_in, CStringGetDatum(text),
							   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
}

static void
set_text(DriverRow *row, int column, const char *text)
{
	row->nulls[column] = text == NULL;
	row->values[column] = text == NULL ? (Datum) 0 : CStringGetTextDatum(text);
}

static void
read_row(const DriverFile *file, DriverRow *row)
{
	char	   *code = field_text(file, DRIVER_CODE),
			   *scenario = field_text(file, DRIVER_SCENARIO),
			   *environment = field_text(file, DRIVER_ENVIRONMENT);

	if (code == NULL)
		bad_field(file, DRIVER_CODE, NULL, "Every line names its driver.");
	memset(row, 0, sizeof(*row));
	set_text(row, DRIVER_CODE, code);
	set_text(row, DRIVER_SCENARIO, scenario != NULL ? scenario : "base");
	row->values[DRIVER_PERIOD_START] = DateADTGetDatum(month_field(file));
	row->values[DRIVER_VALUE] = value_field(file);
	set_text(row, DRIVER_UNIT, field_text(file, DRIVER_UNIT));
	set_text(row, DRIVER_SOURCE_FILE, file->name);
	set_text(row, DRIVER_ENVIRONMENT, environment != NULL ? environment : "FinOps");
	row->values[DRIVER_LOAD_DT] = DateADTGetDatum(file->load_dt);
}

DriverRow *
ForecastReadDrivers(const char *source, const DateADT *load_dt, int *nrows)
{
	DriverFile *file = palloc0(sizeof(DriverFile));
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));
	DriverRow  *rows = palloc_array(DriverRow, 64);
	int			room = 64;
	const char *slash;

	file->address = FinopsSourceAddress(source);
	slash = strrchr(file->address.path, '/');
	file->name = slash != NULL ? slash + 1 : file->address.path;
	FinopsCheckSourceAccess(&file->address);
	if (load_dt != NULL)
		file->load_dt = *load_dt;
	else
		date_of_name(file);
	file->bytes = FinopsReadSmall(&file->address, MAX_DRIVER_FILE);
	callback->func = close_file;
	callback->arg = file;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	if (XlsxMagic(file->bytes->data, file->bytes->len))
		open_workbook(file);
	else
		open_csv(file);
	read_header(file);
	*nrows = 0;
	while (next_record(file))
	{
		if (*nrows >= MAX_DRIVER_ROWS)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("driver file has more than %d lines", MAX_DRIVER_ROWS)));
		if (*nrows == room)
			rows = repalloc(rows, (room *= 2) * sizeof(DriverRow));
		read_row(file, &rows[(*nrows)++]);
	}
	check_end(file);
	close_file(file);
	return rows;
}

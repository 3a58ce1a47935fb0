/*-------------------------------------------------------------------------
 *
 * drivers.c
 *	  Driver files: the projected business quantities that a roadmap exports.
 *
 * A file is CSV with a header; columns are found by name, in any order and
 * case.  It belongs to a load date, which its name carries
 * (drivers_2025-07-01.csv) unless the caller gives one: a set of drivers is
 * loaded, replaced and rolled back as a whole by that date.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/forecast.h"

#include "bill/bill.h"
#include "core/source.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#include <ctype.h>

PG_FUNCTION_INFO_V1(finops_load_drivers);
PG_FUNCTION_INFO_V1(finops_rollback_drivers);

#define MAX_DRIVER_ROWS	1000000

/* Columns in the order of forecast.drivers. */
enum
{
	DRIVER_CODE,
	DRIVER_SCENARIO,
	DRIVER_PERIOD_START,
	DRIVER_VALUE,
	DRIVER_UNIT,
	DRIVER_SOURCE_FILE,
	DRIVER_ENVIRONMENT,
	DRIVER_LOAD_DT
};

static const Oid column_types[DRIVER_COLUMNS] = {
	TEXTOID, TEXTOID, DATEOID, NUMERICOID, TEXTOID, TEXTOID, TEXTOID, DATEOID
};

/* Names that a header may use, the column's own name first. */
static const char *const column_names[DRIVER_COLUMNS][6] = {
	{"driver_code", "driver", "kpi", "metric", "code", NULL},
	{"scenario", "case", NULL},
	{"period_start", "period", "month", "date", NULL},
	{"value", "quantity", "projection", "forecast", "amount", NULL},
	{"unit", "units", "uom", NULL},
	{"source_file", NULL},
	{"environment", "env", NULL},
	{"load_dt", "load_date", NULL}
};

typedef struct DriverFile
{
	SourceAddress address;
	ByteSource *top;
	CsvReader	csv;
	int			field_of[DRIVER_COLUMNS];	/* -1: not in the file */
	DateADT		load_dt;
	const char *name;			/* without directories */
} DriverFile;

/* ---------------------------------------------------------------------
 * The file
 * ---------------------------------------------------------------------
 */
static int
read_csv(void *arg, char *buf, int len)
{
	DriverFile *file = arg;

	return FinopsSourceRead(file->top, buf, len, &file->address);
}

static void
close_file(void *arg)
{
	DriverFile *file = arg;

	if (file->top != NULL)
		file->top->close(file->top);
	file->top = NULL;
	CsvFree(&file->csv);
}

/* Two looks at the file: its first bytes tell whether it is compressed. */
static void
open_file(DriverFile *file)
{
	unsigned char first[2];
	int			got;

	file->top = FinopsOpenFileSource(&file->address);
	got = FinopsSourceRead(file->top, (char *) first, sizeof(first), &file->address);
	file->top->close(file->top);
	file->top = FinopsOpenFileSource(&file->address);
	if (GzipMagic(first, got))
	{
		ByteSource *gzip = GzipSourceOpen(file->top);

		if (gzip == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
		file->top = gzip;
	}
	CsvInit(&file->csv, read_csv, file, ',');
}

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
			 errdetail("%s", reasons[status]) : 0));
}

/* Text of a field in the server's encoding, trimmed; NULL when blank. */
static char *
field_text(const DriverFile *file, int column)
{
	int			at = file->field_of[column];
	const CsvField *field;
	Slice		s;

	if (at < 0 || at >= file->csv.nfields)
		return NULL;
	field = &file->csv.fields[at];
	s = SliceTrim((Slice) {field->data, field->len});
	if (s.data == NULL || s.len == 0)
		return NULL;
	return pg_any_to_server(pnstrdup(s.data, s.len), s.len, PG_UTF8);
}

static void
read_header(DriverFile *file)
{
	CsvStatus	status = CsvNext(&file->csv);
	StringInfoData seen;

	if (status == CSV_END)
		ereport(ERROR,
				(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
				 errmsg("driver file \"%s\" is empty", FinopsQuoteForMessage(file->name)),
				 errhint("Check that the export is complete.")));
	if (status != CSV_RECORD)
		raise_csv(file, status);
	initStringInfo(&seen);
	for (int column = 0; column < DRIVER_COLUMNS; column++)
		file->field_of[column] = -1;
	for (int i = 0; i < file->csv.nfields; i++)
	{
		Slice		s = SliceTrim((Slice) {file->csv.fields[i].data, file->csv.fields[i].len});
		char	   *name = pg_any_to_server(pnstrdup(s.data, s.len), s.len, PG_UTF8);

		appendStringInfo(&seen, "%s%s", i > 0 ? ", " : "", name);
		for (int column = 0; column < DRIVER_COLUMNS; column++)
			for (int k = 0; column_names[column][k] != NULL; k++)
				if (file->field_of[column] < 0 &&
					pg_strcasecmp(name, column_names[column][k]) == 0)
					file->field_of[column] = i;
	}
	if (file->field_of[DRIVER_CODE] < 0 || file->field_of[DRIVER_PERIOD_START] < 0 ||
		file->field_of[DRIVER_VALUE] < 0)
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
			 errmsg("line %lld of \"%s\": %s is %s%s%s",
					(long long) file->csv.line, FinopsQuoteForMessage(file->name),
					column_names[column][0],
					text == NULL ? "missing" : "\"",
					text == NULL ? "" : FinopsQuoteForMessage(text),
					text == NULL ? "" : "\""),
			 errdetail("%s", wanted)));
}

/* A month as YYYY-MM or as its first day. */
static DateADT
month_field(const DriverFile *file)
{
	char	   *text = field_text(file, DRIVER_PERIOD_START);
	DateADT		day;

	if (text != NULL && strlen(text) == 7)
		text = psprintf("%s-01", text);
	if (text == NULL || strlen(text) != 10 || !parse_day(text, &day) ||
		strcmp(text + 8, "01") != 0)
		bad_field(file, DRIVER_PERIOD_START, text,
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

static bool
is_blank_line(const DriverFile *file)
{
	return file->csv.nfields == 1 && file->csv.fields[0].len == 0;
}

DriverRow *
ForecastReadDrivers(const char *source, const DateADT *load_dt, int *nrows)
{
	DriverFile *file = palloc0(sizeof(DriverFile));
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));
	DriverRow  *rows = palloc_array(DriverRow, 64);
	int			room = 64;
	CsvStatus	status;
	const char *slash;

	FinopsCheckServerFileAccess();
	file->address = FinopsSourceAddress(source);
	slash = strrchr(file->address.path, '/');
	file->name = slash != NULL ? slash + 1 : file->address.path;
	if (load_dt != NULL)
		file->load_dt = *load_dt;
	else
		date_of_name(file);
	callback->func = close_file;
	callback->arg = file;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	open_file(file);
	read_header(file);
	*nrows = 0;
	while ((status = CsvNext(&file->csv)) == CSV_RECORD)
	{
		if (is_blank_line(file))
			continue;
		if (*nrows >= MAX_DRIVER_ROWS)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("driver file has more than %d lines", MAX_DRIVER_ROWS)));
		if (*nrows == room)
			rows = repalloc(rows, (room *= 2) * sizeof(DriverRow));
		read_row(file, &rows[(*nrows)++]);
	}
	if (status != CSV_END)
		raise_csv(file, status);
	close_file(file);
	return rows;
}

/* ---------------------------------------------------------------------
 * Loading and rolling back
 * ---------------------------------------------------------------------
 */

/* One column of all rows as an array argument. */
static FinopsArg
column_arg(const DriverRow *rows, int n, int column)
{
	static const Oid array_types[DRIVER_COLUMNS] = {
		TEXTARRAYOID, TEXTARRAYOID, DATEARRAYOID, NUMERICARRAYOID,
		TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, DATEARRAYOID
	};
	Datum	   *values = palloc_array(Datum, Max(n, 1));
	bool	   *nulls = palloc_array(bool, Max(n, 1));
	int			dims[1] = {n},
				lbs[1] = {1};
	bool		by_value = column_types[column] == DATEOID;

	for (int i = 0; i < n; i++)
	{
		values[i] = rows[i].values[column];
		nulls[i] = rows[i].nulls[column];
	}
	return ARG_DATUM(array_types[column],
					 PointerGetDatum(construct_md_array(values, nulls, 1, dims, lbs,
														column_types[column],
														by_value ? (int) sizeof(DateADT) : -1,
														by_value, TYPALIGN_INT)),
					 false);
}

/* A set of drivers replaces the one of its load date. */
static const char *
replace_drivers(const DriverRow *rows, int n, DateADT load_dt)
{
	const char *status = "loaded";
	FinopsArg	args[DRIVER_COLUMNS];

	/* two loads of one date one after the other */
	FINOPS_RUN0("LOCK TABLE forecast.drivers IN SHARE ROW EXCLUSIVE MODE");
	for (int column = 0; column < DRIVER_COLUMNS; column++)
		args[column] = column_arg(rows, n, column);
	FinopsStage("delivered",
				"SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8) AS"
				" d(driver_code, scenario, period_start, value, unit, source_file, environment, load_dt)",
				DRIVER_COLUMNS, args);
	if (FINOPS_RUN("SELECT 1 FROM delivered d GROUP BY d.driver_code, d.scenario, d.period_start"
				   " HAVING count(*) > 1 LIMIT $1", ARG_INT8(1)) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("driver file names a driver, scenario and month twice"),
				 errhint("Keep one line of each.")));
	if (FINOPS_RUN("SELECT 1 FROM forecast.drivers d WHERE d.load_dt = $1 LIMIT 1",
				   ARG_DATE(load_dt)) > 0)
	{
		uint64		changed = FINOPS_RUN("(SELECT * FROM forecast.drivers d WHERE d.load_dt = $1"
										 " EXCEPT SELECT * FROM delivered) UNION ALL"
										 " (SELECT * FROM delivered EXCEPT"
										 " SELECT * FROM forecast.drivers d WHERE d.load_dt = $1)",
										 ARG_DATE(load_dt));

		if (changed == 0)
			return "unchanged";
		status = "replaced";
		FINOPS_RUN("DELETE FROM forecast.drivers d WHERE d.load_dt = $1", ARG_DATE(load_dt));
	}
	FINOPS_RUN0("INSERT INTO forecast.drivers SELECT * FROM delivered");
	return status;
}

/*
 * finops.load_drivers(source, load_dt): one row (load_dt, status, rows,
 * drivers, months).  The same file again is 'unchanged'.
 */
Datum
finops_load_drivers(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	DateADT		load_dt;
	DriverRow  *rows;
	int			n;
	const char *status;
	char	   *source;

	FinopsRequireArg(fcinfo, 0, "source");
	FinopsRequireWritable("finops.load_drivers()");
	source = text_to_cstring(PG_GETARG_TEXT_PP(0));
	if (!PG_ARGISNULL(1))
	{
		load_dt = PG_GETARG_DATEADT(1);
		if (DATE_NOT_FINITE(load_dt))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("load_dt must be a finite date")));
	}
	rows = ForecastReadDrivers(source, PG_ARGISNULL(1) ? NULL : &load_dt, &n);
	if (n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
				 errmsg("driver file has a header and no lines"),
				 errhint("Use finops.rollback_drivers to remove a set.")));
	load_dt = DatumGetDateADT(rows[0].values[DRIVER_LOAD_DT]);
	FinopsBegin(&session);
	status = replace_drivers(rows, n, load_dt);
	if (strcmp(status, "unchanged") != 0)
		FinopsAudit(&session, "load_drivers", "drivers",
					DatumGetCString(DirectFunctionCall1(date_out, DateADTGetDatum(load_dt))),
					psprintf("{\"status\": \"%s\", \"rows\": %d}", status, n));
	FINOPS_RUN("SELECT $1, $2, count(*), count(DISTINCT d.driver_code), count(DISTINCT d.period_start)"
			   " FROM forecast.drivers d WHERE d.load_dt = $1",
			   ARG_DATE(load_dt), ARG_TEXT(status));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

/* finops.rollback_drivers(load_dt): rows removed; 22023 when there is none. */
Datum
finops_rollback_drivers(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	DateADT		load_dt;
	int64		removed;
	char	   *day;

	FinopsRequireArg(fcinfo, 0, "load_dt");
	FinopsRequireWritable("finops.rollback_drivers()");
	load_dt = PG_GETARG_DATEADT(0);
	FinopsBegin(&session);
	day = DatumGetCString(DirectFunctionCall1(date_out, DateADTGetDatum(load_dt)));
	removed = (int64) FINOPS_RUN("DELETE FROM forecast.drivers d WHERE d.load_dt = $1",
								 ARG_DATE(load_dt));
	if (removed == 0)
	{
		FINOPS_RUN0("SELECT string_agg(l.load_dt::text, ', ') FROM (SELECT DISTINCT d.load_dt"
					" FROM forecast.drivers d ORDER BY 1 DESC LIMIT 5) AS l");
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("no drivers were loaded for %s", day),
				 FinopsText(0, 1) == NULL ? errhint("No drivers are loaded; use finops.load_drivers.") :
				 errhint("The latest load dates are: %s.", FinopsText(0, 1))));
	}
	FinopsAudit(&session, "rollback_drivers", "drivers", day,
				psprintf("{\"rows\": " INT64_FORMAT "}", removed));
	FinopsEnd(&session);
	PG_RETURN_INT64(removed);
}

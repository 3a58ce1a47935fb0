/*-------------------------------------------------------------------------
 *
 * provider_invoice.c
 *	  What the provider's own invoices say: taken from JSON or a CSV file.
 *
 * A row without charge category and service is the total of an invoice; the
 * other rows are parts of it.  Where no total is given the parts are it.
 * The comparison with the bill stands in provider_compare.c.
 *
 *-------------------------------------------------------------------------
 */
#include "reconcile/reconcile.h"

#include "bill/bill.h"
#include "core/source.h"
#include "mb/pg_wchar.h"
#include "utils/json.h"
#include "utils/jsonb.h"

PG_FUNCTION_INFO_V1(finops_load_provider_invoice);

/* Invoices have few rows; more is a bill given by mistake. */
#define MAX_ROWS	1000000

/* Columns of the file, and keys of the JSON rows. */
static const char *const known_columns[] = {
	"invoice_id", "currency", "charge_category", "service", "amount",
	"quantity", "unit_price", "provider", "payer_account_id", "status"
};

/* A file that is read, released whatever happens. */
typedef struct InvoiceFile
{
	SourceAddress address;
	ByteSource *bytes;
	CsvReader	csv;
	int			column[64];		/* position → known column, or -1 */
	int			ncolumns;
	int64		rows;
} InvoiceFile;

static int
read_file(void *arg, char *buf, int len)
{
	InvoiceFile *file = arg;

	return FinopsSourceRead(file->bytes, buf, len, &file->address);
}

/* "InvoiceId", "invoice id" and "invoice_id" are the same column. */
static int
find_column(const CsvField *field)
{
	char		name[64];
	int			n = 0;

	for (int i = 0; i < field->len && n < (int) sizeof(name) - 2; i++)
	{
		char		c = field->data[i];

		if (c == ' ' || c == '-' || c == '_' || (i > 0 && c >= 'A' && c <= 'Z' &&
												 field->data[i - 1] >= 'a' && field->data[i - 1] <= 'z'))
			if (n > 0 && name[n - 1] != '_')
				name[n++] = '_';
		if (c != ' ' && c != '-' && c != '_')
			name[n++] = pg_tolower((unsigned char) c);
	}
	name[n] = '\0';
	if (strcmp(name, "total") == 0 || strcmp(name, "billed_cost") == 0)
		strcpy(name, "amount");
	for (int i = 0; i < (int) lengthof(known_columns); i++)
		if (strcmp(name, known_columns[i]) == 0)
			return i;
	return -1;
}

static void
raise_csv(const InvoiceFile *file)
{
	ereport(ERROR,
			(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
			 errmsg("file is not readable as CSV at line %lld", (long long) file->csv.line),
			 errdetail("Address: %s.", file->address.text)));
}

static void
read_header(InvoiceFile *file)
{
	bool		has[lengthof(known_columns)] = {false};

	if (CsvNext(&file->csv) != CSV_RECORD)
		raise_csv(file);
	if (file->csv.nfields > (int) lengthof(file->column))
		raise_csv(file);
	file->ncolumns = file->csv.nfields;
	for (int i = 0; i < file->ncolumns; i++)
	{
		file->column[i] = find_column(&file->csv.fields[i]);
		if (file->column[i] >= 0)
			has[file->column[i]] = true;
	}
	if (!has[0] || !has[4])
		ereport(ERROR,
				(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
				 errmsg("file has no column %s", has[0] ? "amount" : "invoice_id"),
				 errdetail("Address: %s.", file->address.text),
				 errhint("The first line names the columns: invoice_id, currency, amount.")));
}

/* One record as a JSON object; blank fields are left out. */
static void
append_record(InvoiceFile *file, StringInfo json)
{
	const char *separator = "";

	if (file->csv.nfields != file->ncolumns)
		raise_csv(file);
	appendStringInfoString(json, json->len > 1 ? ", {" : "{");
	for (int i = 0; i < file->ncolumns; i++)
	{
		const CsvField *field = &file->csv.fields[i];
		char	   *text;

		if (file->column[i] < 0 || field->len == 0)
			continue;
		text = pnstrdup(field->data, field->len);
		if (!pg_verify_mbstr(PG_UTF8, text, field->len, true))
			raise_csv(file);
		appendStringInfo(json, "%s\"%s\": ", separator, known_columns[file->column[i]]);
		escape_json(json, pg_any_to_server(text, field->len, PG_UTF8));
		separator = ", ";
	}
	appendStringInfoChar(json, '}');
}

/* The rows of a CSV file as the text of a JSON array. */
static char *
read_rows(const char *source)
{
	InvoiceFile file = {0};
	StringInfoData json;

	file.address = FinopsSourceAddress(source);
	FinopsCheckSourceAccess(&file.address);
	initStringInfo(&json);
	appendStringInfoChar(&json, '[');
	file.bytes = FinopsOpenSource(&file.address);
	PG_TRY();
	{
		CsvStatus	status;

		CsvInit(&file.csv, read_file, &file, ',');
		read_header(&file);
		while ((status = CsvNext(&file.csv)) == CSV_RECORD)
		{
			if (++file.rows > MAX_ROWS)
				ereport(ERROR,
						(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						 errmsg("file has more than %d rows", MAX_ROWS),
						 errhint("Give totals per invoice; load_bill() takes the lines of a bill.")));
			append_record(&file, &json);
		}
		if (status != CSV_END)
			raise_csv(&file);
	}
	PG_FINALLY();
	{
		CsvFree(&file.csv);
		file.bytes->close(file.bytes);
	}
	PG_END_TRY();
	appendStringInfoChar(&json, ']');
	return json.data;
}

#define NUMBER_PATTERN "'^-?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][-+]?[0-9]{1,3})?$'"

/* The rows as given, one text column per key.  $1 rows, $2 currency. */
static const char *const given_sql =
"SELECT o.no::int AS no, jsonb_typeof(o.e) = 'object' AS is_row,"
"  nullif(btrim(x.invoice_id), '') AS invoice_id,"
"  upper(coalesce(nullif(btrim(x.currency), ''), $2)) AS currency,"
"  nullif(btrim(x.charge_category), '') AS charge_category, nullif(btrim(x.service), '') AS service,"
"  btrim(coalesce(x.amount, x.total)) AS amount, nullif(btrim(x.quantity), '') AS quantity,"
"  nullif(btrim(x.unit_price), '') AS unit_price, nullif(btrim(x.provider), '') AS provider,"
"  nullif(btrim(x.payer_account_id), '') AS payer_account_id,"
"  lower(coalesce(nullif(btrim(x.status), ''), 'final')) AS status"
" FROM jsonb_array_elements($1) WITH ORDINALITY o(e, no),"
" jsonb_to_record(CASE WHEN jsonb_typeof(o.e) = 'object' THEN o.e ELSE '{}' END) AS"
"  x(invoice_id text, currency text, charge_category text, service text, amount text, total text,"
"   quantity text, unit_price text, provider text, payer_account_id text, status text)";

/* The first row that cannot be taken, and why. */
static const char *const problem_sql =
"SELECT g.no, CASE WHEN NOT g.is_row THEN 'it is not an object'"
"  WHEN g.invoice_id IS NULL THEN 'invoice_id is missing'"
"  WHEN coalesce(g.amount, '') !~ " NUMBER_PATTERN " THEN format('amount is \"%s\"', left(g.amount, 64))"
"  WHEN g.quantity !~ " NUMBER_PATTERN " THEN format('quantity is \"%s\"', left(g.quantity, 64))"
"  WHEN g.unit_price !~ " NUMBER_PATTERN " THEN format('unit_price is \"%s\"', left(g.unit_price, 64))"
"  WHEN finops.currency_minor_unit(g.currency) IS NULL THEN format('currency \"%s\" is unknown', left(g.currency, 64))"
"  WHEN g.charge_category <> ALL (ARRAY['Usage', 'Purchase', 'Tax', 'Credit', 'Adjustment'])"
"   THEN format('charge category \"%s\" is none of Usage, Purchase, Tax, Credit, Adjustment', left(g.charge_category, 64))"
"  WHEN g.status <> ALL (ARRAY['final', 'open']) THEN format('status \"%s\" is neither final nor open', left(g.status, 64))"
"  WHEN g.charge_category IS NULL AND g.service IS NULL AND EXISTS (SELECT FROM given o"
"   WHERE o.invoice_id = g.invoice_id AND o.currency = g.currency AND o.charge_category IS NULL"
"   AND o.service IS NULL AND o.no < g.no) THEN format('invoice %s has a second total in %s', left(g.invoice_id, 64), g.currency)"
"  END AS problem FROM given g";

/* Refuses what cannot be taken, naming the first such row. */
static void
check_rows(void)
{
	if (FINOPS_RUN0(psprintf("SELECT p.no, p.problem FROM (%s) p WHERE p.problem IS NOT NULL"
							 " ORDER BY p.no LIMIT 1", problem_sql)) == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("row %s of the provider's invoices cannot be taken", FinopsText(0, 1)),
			 errdetail("The reason: %s.", FinopsText(0, 2)),
			 errhint("A row needs invoice_id and amount, such as [{\"invoice_id\": \"156090591\", \"currency\": \"USD\", \"amount\": 4064.48}].")));
}

/* The invoices that differ from what stands.  $1 period. */
static const char *const changed_sql =
"SELECT d.invoice_id, d.digest, EXISTS (SELECT FROM finops.provider_invoice p"
"  WHERE p.period_start = $1 AND p.invoice_id = d.invoice_id) AS stands"
" FROM (SELECT g.invoice_id, encode(sha256(convert_to(string_agg(concat_ws(chr(31), g.currency,"
"   g.charge_category, g.service, trim_scale(g.amount::numeric), g.quantity, g.unit_price, g.provider,"
"   g.payer_account_id, g.status), chr(30) ORDER BY g.no), 'UTF8')), 'hex') AS digest"
"  FROM given g GROUP BY 1) d"
" WHERE NOT EXISTS (SELECT FROM finops.provider_invoice p WHERE p.period_start = $1"
"  AND p.invoice_id = d.invoice_id AND p.digest = d.digest)";

static const char *const answer_sql =
"SELECT g.invoice_id, g.currency, coalesce(sum(g.amount::numeric) FILTER (WHERE g.charge_category IS NULL AND g.service IS NULL),"
"   sum(g.amount::numeric)), count(*), CASE WHEN c.invoice_id IS NULL THEN 'unchanged'"
"   WHEN c.stands THEN 'replaced' ELSE 'loaded' END"
" FROM given g LEFT JOIN changed c USING (invoice_id)"
" GROUP BY g.invoice_id, g.currency, c.invoice_id, c.stands"
" ORDER BY g.invoice_id COLLATE \"C\", g.currency";

/* Replaces each invoice that is given in another form than it stands. */
static void
store_rows(const FinopsSession *session, DateADT period, const char *source)
{
	uint64		changed = FINOPS_STAGE("changed", changed_sql, ARG_DATE(period));

	if (changed == 0)
		return;
	FINOPS_RUN("DELETE FROM finops.provider_invoice p USING changed c"
			   " WHERE p.period_start = $1 AND p.invoice_id = c.invoice_id", ARG_DATE(period));
	FINOPS_RUN("INSERT INTO finops.provider_invoice (period_start, invoice_id, line_no, currency, charge_category,"
			   "  service, amount, quantity, unit_price, provider, payer_account_id, status, source, digest, loaded_by)"
			   " SELECT $1, g.invoice_id, row_number() OVER (PARTITION BY g.invoice_id ORDER BY g.no), g.currency,"
			   "  g.charge_category, g.service, g.amount::numeric, g.quantity::numeric, g.unit_price::numeric,"
			   "  g.provider, g.payer_account_id, g.status, $2, c.digest, $3 FROM given g JOIN changed c USING (invoice_id)",
			   ARG_DATE(period), ARG_TEXT(source), ARG_TEXT(FinopsCallerName(session)));
	if (!FinopsPeriodIsLocked(period))
		FinopsClearGates(period, FINOPS_GATE_RECONCILIATION);
	FINOPS_RUN0("SELECT jsonb_object_agg(c.invoice_id, c.digest)::text FROM changed c");
	FinopsAudit(session, "load_provider_invoice", "billing_period", FinopsPeriodText(period),
				FinopsText(0, 1));
}

/* The rows given, from whichever of the two arguments. */
static FinopsArg
rows_arg(FunctionCallInfo fcinfo)
{
	char	   *given;

	if (PG_ARGISNULL(1) == PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("either lines or source must be given"),
				 errhint("Give rows: SELECT * FROM finops.load_provider_invoice(date '2018-10-01', '[{\"invoice_id\": \"156090591\", \"amount\": 4064.48}]').")));
	if (!PG_ARGISNULL(1))
		return ARG_DATUM(JSONBOID, PG_GETARG_DATUM(1), false);
	given = read_rows(text_to_cstring(PG_GETARG_TEXT_PP(2)));
	return ARG_DATUM(JSONBOID, DirectFunctionCall1(jsonb_in, CStringGetDatum(given)), false);
}

/*
 * finops.load_provider_invoice(period date, lines jsonb DEFAULT NULL,
 *	source text DEFAULT NULL)
 *	-> TABLE(invoice_id text, currency text, total numeric, line_items bigint,
 *			 status text)
 *
 * status is loaded, replaced or unchanged.  A locked month takes them too:
 * the provider's invoice may come after the close and changes nothing of it.
 * Errors: 22004, 22023 for the period or a row; 22P04 for a file that is not
 * CSV or lacks invoice_id or amount; 42501 and 58P01 for the file.
 */
Datum
finops_load_provider_invoice(PG_FUNCTION_ARGS)
{
	DateADT		period = FinopsPeriodArg(fcinfo, 0);
	FinopsArg	rows;
	FinopsSession session;
	char	   *source = PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2));

	FinopsRequireWritable("finops.load_provider_invoice()");
	FinopsCheckPeriodNotFuture(period);
	rows = rows_arg(fcinfo);
	FinopsBegin(&session);
	FinopsLock(FINOPS_LOCK_PERIOD, period);
	FINOPS_RUN("SELECT CASE WHEN jsonb_typeof($1) = 'array' THEN $1 ELSE jsonb_build_array($1) END", rows);
	FINOPS_STAGE("given", given_sql,
				 ARG_DATUM(JSONBOID, FinopsValue(0, 1, &rows.isnull), false),
				 ARG_TEXT(finops_reporting_currency));
	check_rows();
	store_rows(&session, period, source);
	FINOPS_RUN0(answer_sql);
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

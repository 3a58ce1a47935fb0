/*-------------------------------------------------------------------------
 *
 * reject.c
 *	  Lines that cannot be loaded: refused with the whole bill, or set aside.
 *
 * finops.max_rejects says how many lines a load may pass over; beyond it the
 * line fails the load, and since a failed load leaves nothing behind, the
 * error itself carries file, line and text.  Lines that are passed over wait
 * in a tuplestore until it is known which deliveries the load makes, and then
 * go to finops.bill_reject with the delivery they belong to.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/load.h"

#include "utils/resowner.h"
#include "utils/tuplestore.h"

#define RAW_BYTES		8192	/* of a record that the table keeps */
#define SHOWN_RAW_BYTES 512		/* of a record that an error shows */

/* What is wrong with a line, ready to be raised or kept. */
typedef struct RejectText
{
	int			sqlstate;
	char	   *message;
	char	   *detail;			/* or NULL */
	const char *hint;
} RejectText;

enum
{
	REJECT_ADDRESS = 1, REJECT_LINE, REJECT_COLUMN, REJECT_REASON,
	REJECT_SQLSTATE, REJECT_RAW, REJECT_COST, REJECT_PERIOD, REJECT_COLUMNS = REJECT_PERIOD
};

/* ---------------------------------------------------------------------
 * What is wrong
 * ---------------------------------------------------------------------
 */

/*
 * Is the number of a bill that was written in a locale with decimal commas?
 * With exactly three digits behind it the comma may as well part thousands.
 */
static bool
has_decimal_comma(Slice value)
{
	int			behind = 0;
	int			commas = 0;

	for (int i = 0; i < value.len; i++)
	{
		if (value.data[i] == ',')
		{
			commas++;
			behind = value.len - i - 1;
		}
		else if ((value.data[i] < '0' || value.data[i] > '9') && !(i == 0 && value.data[i] == '-'))
			return false;
	}
	return commas == 1 && behind > 0 && behind != 3;
}

static RejectText
value_text(long long line, const BillReject *reject)
{
	char	   *name = BillShown((Slice) {reject->column, (int) strlen(reject->column)}, 64);
	char	   *value = BillShown(reject->value, 64);
	const char *correct = "Correct that line of the file, or have the bill delivered again.";

	switch (reject->status)
	{
		case VALUE_NOT_A_NUMBER:
			return (RejectText) {ERRCODE_INVALID_TEXT_REPRESENTATION,
				psprintf("invalid number \"%s\" in column \"%s\", line %lld", value, name, line),
				"A number is written as 12, -0.5 or 1.4724E-6, without currency signs and thousands separators.",
				has_decimal_comma(reject->value) ?
				"Have the bill exported with decimal points: this number has a decimal comma." : correct};
		case VALUE_NUMBER_TOO_LONG:
			return (RejectText) {ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
				psprintf("number \"%s\" in column \"%s\", line %lld, is out of range", value, name, line),
				psprintf("A number has at most %d digits before and after the point.", NUMBER_MAX_DIGITS),
				correct};
		case VALUE_NOT_A_TIME:
			return (RejectText) {ERRCODE_INVALID_DATETIME_FORMAT,
				psprintf("invalid time \"%s\" in column \"%s\", line %lld", value, name, line),
				"A time is written as 2018-10-01T00:00:00Z, 2018-10-01 00:00:00 or 10/1/2018.",
				correct};
		case VALUE_NOT_JSON:
			return (RejectText) {ERRCODE_INVALID_TEXT_REPRESENTATION,
				psprintf("invalid JSON in column \"%s\", line %lld", name, line),
				psprintf("Tags and the like are a JSON object such as {\"env\": \"prod\"}; found \"%s\".", value),
				correct};
		case VALUE_NOT_UTF8:
		case VALUE_OK:
			break;
	}
	return (RejectText) {ERRCODE_CHARACTER_NOT_IN_REPERTOIRE,
		psprintf("invalid UTF-8 in column \"%s\", line %lld", name, line),
		psprintf("Found \"%s\".", value),
		"Have the bill delivered in UTF-8."};
}

static RejectText
reject_text(const BillLoad *load, const BillReject *reject)
{
	long long	line = (long long) load->csv.line;

	switch (reject->why)
	{
		case BILL_BAD_VALUE:
			return value_text(line, reject);
		case BILL_NO_PERIOD:
			return (RejectText) {ERRCODE_INVALID_PARAMETER_VALUE,
				psprintf("line %lld does not say its billing period", line), NULL,
				"Give billing_period, the first day of the month."};
		case BILL_OTHER_PERIOD:
			return (RejectText) {ERRCODE_INVALID_PARAMETER_VALUE,
				psprintf("line %lld belongs to billing period %s, not %s", line,
						 FinopsPeriodText(reject->period), FinopsPeriodText(load->want_period)), NULL,
				"Leave billing_period out to load every period that the bill holds."};
		case BILL_FUTURE_PERIOD:
			return (RejectText) {ERRCODE_INVALID_PARAMETER_VALUE,
				psprintf("line %lld belongs to billing period %s, which has not begun", line,
						 FinopsPeriodText(reject->period)),
				"A month is billed from its first day on, in UTC.",
				"Correct that line of the file, or load the bill when the month has begun."};
		case BILL_RAGGED:
			break;
	}
	return (RejectText) {ERRCODE_BAD_COPY_FILE_FORMAT,
		psprintf("line %lld has %d fields, the header has %d", line,
				 load->csv.nfields, load->header.ncolumns), NULL,
		"Have the bill delivered again; the file is damaged here."};
}

/* The current record as it stood in the file, but for needless quotes. */
static Slice
record_text(const BillLoad *load, int limit)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < load->csv.nfields && buf.len <= limit; i++)
	{
		const CsvField *field = &load->csv.fields[i];
		bool		quoted = (field->flags & CSV_QUOTED) != 0;

		if (i > 0)
			appendStringInfoChar(&buf, load->csv.delimiter);
		if (quoted)
			appendStringInfoChar(&buf, '"');
		for (int j = 0; j < field->len && buf.len <= limit; j++)
		{
			if (quoted && field->data[j] == '"')
				appendStringInfoChar(&buf, '"');
			appendStringInfoChar(&buf, field->data[j]);
		}
		if (quoted)
			appendStringInfoChar(&buf, '"');
	}
	return (Slice) {buf.data, buf.len};
}

/* The file that is being read, without what leads to it. */
const char *
BillFileAtHand(const BillLoad *load)
{
	const char *text = load->nfiles == 0 ? load->address : load->files[load->at].address.text;
	const char *slash = strrchr(text, '/');

	return slash != NULL && slash[1] != '\0' ? slash + 1 : text;
}

pg_noreturn static void
raise_reject(const BillLoad *load, const RejectText *text)
{
	char	   *raw = BillShown(record_text(load, SHOWN_RAW_BYTES), SHOWN_RAW_BYTES);
	char	   *before = load->nrejected == 0 ? "" :
		psprintf(INT64_FORMAT " line%s passed over before it, finops.max_rejects is %d\n",
				 load->nrejected, load->nrejected == 1 ? " was" : "s were", finops_max_rejects);

	ereport(ERROR,
			(errcode(text->sqlstate),
			 errmsg_internal("%s", text->message),
			 text->detail != NULL ? errdetail_internal("%s", text->detail) : 0,
			 errhint("%s", text->hint),
			 errcontext("%sfile %s, line %lld: %s", before, BillFileAtHand(load),
						(long long) load->csv.line, raw)));
}

void
BillRaiseProblem(const BillLoad *load, ValueStatus status, const char *column,
				 Slice value)
{
	RejectText	text = value_text((long long) load->csv.line,
								  &(BillReject) {BILL_BAD_VALUE, status, column, value, 0});

	raise_reject(load, &text);
}

/* ---------------------------------------------------------------------
 * Set aside
 * ---------------------------------------------------------------------
 */

static TupleDesc
reject_columns(void)
{
	TupleDesc	desc = CreateTemplateTupleDesc(REJECT_COLUMNS);

	TupleDescInitEntry(desc, REJECT_ADDRESS, "address", TEXTOID, -1, 0);
	TupleDescInitEntry(desc, REJECT_LINE, "line_number", INT8OID, -1, 0);
	TupleDescInitEntry(desc, REJECT_COLUMN, "column_name", TEXTOID, -1, 0);
	TupleDescInitEntry(desc, REJECT_REASON, "reason", TEXTOID, -1, 0);
	TupleDescInitEntry(desc, REJECT_SQLSTATE, "sqlstate", TEXTOID, -1, 0);
	TupleDescInitEntry(desc, REJECT_RAW, "raw_text", TEXTOID, -1, 0);
	TupleDescInitEntry(desc, REJECT_COST, "billed_cost", TEXTOID, -1, 0);
	TupleDescInitEntry(desc, REJECT_PERIOD, "billing_period", DATEOID, -1, 0);
	return desc;
}

/* What the line costs, as text; NULL where that cannot be told. */
static char *
cost_of_line(const BillLoad *load)
{
	int			column = load->header.column[BF_UNBLENDED_COST];
	Slice		value;

	if (column < 0 || load->csv.nfields != load->header.ncolumns)
		return NULL;
	value = SliceTrim((Slice) {load->csv.fields[column].data, load->csv.fields[column].len});
	return NumberCheck(value) == VALUE_OK ? pnstrdup(value.data, value.len) : NULL;
}

/* In a context of the line's own. */
static void
set_aside(BillLoad *load, const BillReject *reject, const RejectText *text)
{
	Datum		values[REJECT_COLUMNS];
	bool		nulls[REJECT_COLUMNS] = {0};
	char	   *cost;
	DateADT		period = reject->why == BILL_RAGGED || reject->why == BILL_NO_PERIOD ||
		!load->projector.row.has_period ? 0 : BillPeriodDate(load->projector.row.period);

	if (load->rejects == NULL)
	{
		ResourceOwner owner = CurrentResourceOwner;
		MemoryContext line = MemoryContextSwitchTo(load->context);

		/* staged until the session ends, beyond the attempt */
		CurrentResourceOwner = load->owner;
		load->rejects = tuplestore_begin_heap(false, false, work_mem);
		CurrentResourceOwner = owner;
		load->reject_columns = reject_columns();
		MemoryContextSwitchTo(line);
	}
	cost = cost_of_line(load);
	values[REJECT_ADDRESS - 1] = CStringGetTextDatum(load->nfiles == 0 ? load->address :
													 load->files[load->at].address.text);
	values[REJECT_LINE - 1] = Int64GetDatum(load->csv.line);
	nulls[REJECT_COLUMN - 1] = reject->why != BILL_BAD_VALUE;
	if (reject->why == BILL_BAD_VALUE)
		values[REJECT_COLUMN - 1] =
			CStringGetTextDatum(BillShown((Slice) {reject->column, (int) strlen(reject->column)}, 256));
	values[REJECT_REASON - 1] = CStringGetTextDatum(text->message);
	values[REJECT_SQLSTATE - 1] = CStringGetTextDatum(unpack_sql_state(text->sqlstate));
	values[REJECT_RAW - 1] = CStringGetTextDatum(BillShown(record_text(load, RAW_BYTES), RAW_BYTES));
	nulls[REJECT_COST - 1] = cost == NULL;
	if (cost != NULL)
		values[REJECT_COST - 1] = CStringGetTextDatum(cost);
	nulls[REJECT_PERIOD - 1] = period == 0;
	values[REJECT_PERIOD - 1] = DateADTGetDatum(period);
	tuplestore_putvalues(load->rejects, load->reject_columns, values, nulls);
	load->nrejected++;
}

void
BillRejectLine(BillLoad *load, BillReject reject)
{
	MemoryContext line = AllocSetContextCreate(CurrentMemoryContext, "finops reject",
											   ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(line);
	RejectText	text = reject_text(load, &reject);

	if (finops_max_rejects >= 0 && load->nrejected >= finops_max_rejects)
		raise_reject(load, &text);
	set_aside(load, &reject, &text);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(line);
}

/* The load begins again from its first line. */
void
BillForgetRejects(BillLoad *load)
{
	if (load->rejects != NULL)
		tuplestore_end(load->rejects);
	load->rejects = NULL;
	load->nrejected = 0;
}

static void
warn(const BillLoad *load, int64 delivery_id)
{
	bool		one = load->nrejected == 1;

	FINOPS_RUN("SELECT count(*) FILTER (WHERE billed_cost <> 0), sum(billed_cost),"
			   " count(*) FILTER (WHERE billed_cost IS NULL)"
			   " FROM finops.bill_reject WHERE delivery_id = ANY ($1)",
			   ARG_DATUM(INT8ARRAYOID, load->reject_deliveries, false));
	ereport(WARNING,
			(errmsg(INT64_FORMAT " line%s of the bill %s rejected",
					load->nrejected, one ? "" : "s", one ? "was" : "were"),
			 errdetail("%s of them carry cost, %s in all; of %s the cost cannot be read.",
					   FinopsText(0, 1), FinopsText(0, 2) == NULL ? "0" : FinopsText(0, 2),
					   FinopsText(0, 3)),
			 errhint("SELECT * FROM finops.bill_reject WHERE delivery_id = " INT64_FORMAT
					 " ORDER BY reject_id;", delivery_id)));
}

/*
 * Write what was set aside, before the deliveries take their places.  A line
 * belongs to the delivery of its month; where that is not known, or nothing
 * of that month was loaded, to the first of the load.
 */
void
BillKeepRejects(BillLoad *load)
{
	StringInfoData list;
	const BillTarget *first = NULL;
	ArrayType  *ids;
	Datum	   *datums = palloc_array(Datum, Max(load->ntargets, 1));
	int			n = 0;

	if (load->nrejected == 0)
		return;
	initStringInfo(&list);
	for (int i = 0; i < load->ntargets; i++)
	{
		const BillTarget *target = &load->targets[i];

		if (target->unchanged)
			continue;
		first = first == NULL ? target : first;
		appendStringInfo(&list, "%s(" INT64_FORMAT "::bigint, '%s-01'::date, %s)", n == 0 ? "" : ", ",
						 target->delivery_id, FinopsPeriodText(target->period),
						 quote_literal_cstr(target->source));
		datums[n++] = Int64GetDatum(target->delivery_id);
	}
	if (first == NULL)
	{
		tuplestore_end(load->rejects);
		load->rejects = NULL;
		return;
	}
	ids = construct_array(datums, n, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
	load->reject_deliveries = PointerGetDatum(ids);
	FinopsStageRows("bill_rejects", load->reject_columns, load->rejects, load->nrejected);
	FINOPS_RUN(psprintf("INSERT INTO finops.bill_reject (delivery_id, source, billing_period, address,"
						" line_number, column_name, reason, sqlstate, raw_text, billed_cost)"
						" SELECT d.id, d.source, d.period, r.address, r.line_number, r.column_name,"
						" r.reason, r.sqlstate, r.raw_text, r.billed_cost::numeric"
						" FROM bill_rejects r"
						" JOIN (VALUES %s) AS d(id, period, source) ON d.id = coalesce("
						"(SELECT o.id FROM (VALUES %s) AS o(id, period, source) WHERE o.period = r.billing_period), $1)",
						list.data, list.data), ARG_INT8(first->delivery_id));
	FinopsEndStage("bill_rejects");
	load->rejects = NULL;
	warn(load, first->delivery_id);
}

int64
BillRejectsOf(const BillLoad *load, int64 delivery_id)
{
	if (load->nrejected == 0)
		return 0;
	FINOPS_RUN("SELECT count(*) FROM finops.bill_reject WHERE delivery_id = $1",
			   ARG_INT8(delivery_id));
	return FinopsInt64(0, 1);
}

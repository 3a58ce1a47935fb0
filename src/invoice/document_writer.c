/*-------------------------------------------------------------------------
 *
 * document_writer.c
 *	  Documents into their tables, many rows at a time.
 *
 * References.  A trigger that looks up the header of every line costs more
 * than the line.  Here a document's header, lines, taxes and inputs are
 * written together, so that the lines' reference holds by construction: the
 * header is a row that this transaction has inserted or has locked by its
 * update, which is what the server's own check would make sure of.  The
 * header's references to tenant and plan are checked for all new headers by
 * one query each, which locks the referenced rows as that check does.  The
 * constraints stay declared and enforced for every other statement.
 *
 * Held headers.  A document that is made and issued by one call would have
 * its header written twice, the second time with every index.  The headers of
 * such a run wait until it is known which are issued, and are written once.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/document_reader.h"

#include "bill/bulk.h"
#include "catalog/namespace.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

/* The tables, each with the columns that are written, in this order. */
typedef enum TableKind
{
	TABLE_HEADER,
	TABLE_DETAIL,
	TABLE_TAX,
	TABLE_INPUT,
	TABLES,
	TABLE_AUDIT = TABLES,		/* where documents are issued */
	ALL_TABLES
} TableKind;

#define MAX_COLUMNS 48
#define HEADER_STATUS 7			/* place in header_columns, from 0 */
#define HEADER_ISSUE 28			/* first of those that the issue fills */

static const char *const header_columns[] = {
	"invoice_id", "tenant_id", "plan_code", "period_start", "period_end", "kind", "revision", "status", "currency",
	"subtotal", "tax", "total", "subtotal_usd", "tax_usd", "total_usd", "fx_rate", "tax_rate", "tax_inclusive",
	"tax_treatment", "tax_rounding", "issuer_id", "language", "po_number", "terms", "payment_terms_days",
	"payment_terms_from", "created_at", "input_digest",
	"invoice_number", "number_series", "number_seq", "issued_at", "due_at", "recon_id", "issuer", "recipient",
	"issued_by", "digest", "prev_hash", "hash", NULL
};

static const char *const detail_columns[] = {
	"invoice_id", "line_no", "tenant_id", "period_start", "line_type", "service", "metric_code", "description",
	"quantity", "unit", "unit_price", "unit_price_usd", "amount", "amount_usd", "gross_amount", "tax_rate", "cost",
	"cost_currency", "cost_usd", "reference_ids", "notes", "service_period_start", "service_period_end",
	"tax_category", NULL
};

static const char *const tax_columns[] = {
	"invoice_id", "tax_category", "tax_rate", "taxable_amount", "tax_amount", "reason", NULL
};

static const char *const input_columns[] = {"invoice_id", "inputs", NULL};

static const char *const audit_columns[] = {
	"event_id", "occurred_at", "actor_type", "actor_id", "action", "object_type", "object_id", "metadata", NULL
};

/* Columns of a held header that the issue reads; the last are not the header's. */
enum
{
	HELD_ID, HELD_DIGEST, HELD_REVISION, HELD_ISSUER, HELD_TERMS_FROM, HELD_TERMS_DAYS,
	HELD_OWN,
	HELD_ZONE = HELD_OWN, HELD_RECIPIENT, HELD_DEMAND, HELD_NEGATIVE, HELD_COMPLETE, HELD_TAXED,
	HELD_COLUMNS
};

static const char *const held_columns[HELD_COLUMNS] = {
	"invoice_id", "input_digest", "revision", "issuer_id", "payment_terms_from", "payment_terms_days",
	"held_zone", "held_recipient", "held_demand", "held_negative", "held_complete", "held_taxed",
};

static const char *const held_sql =
	"SELECT h.*, ''::text AS held_zone, '{}'::jsonb AS held_recipient, false AS held_demand, false AS held_negative,"
	" false AS held_complete, false AS held_taxed FROM @s@.invoice_header h";

/* What the engine's rows satisfy; finite numbers are all it can write. */
const char *const InvoiceHeaderChecks[] = {
	"invoice_header_kind_check", "invoice_header_original_check", "invoice_header_status_check",
	"invoice_header_revision_check", "invoice_header_period_check", "invoice_header_finite_check",
	"invoice_header_total_check", "invoice_header_usd_check", "invoice_header_issued_check",
	"invoice_header_rounding_check", "invoice_header_paid_check", NULL
};

static const char *const detail_checks[] = {
	"invoice_detail_line_no_check", "invoice_detail_type_check", "invoice_detail_category_check",
	"invoice_detail_service_period_check", "invoice_detail_finite_check", "invoice_detail_gross_check",
	"invoice_detail_cost_check", NULL
};

static const char *const tax_checks[] = {"invoice_tax_category_check", "invoice_tax_finite_check", NULL};

static const char *const audit_checks[] = {"audit_event_actor_type_check", NULL};

/* The period's lock is held and the period is not locked. */
static const char *const answered[] = {"locked_insert", NULL};

typedef struct TableSpec
{
	const char *name;
	const char *const *columns;
	const char *const *checks;
	bool		in_finops;
} TableSpec;

static const TableSpec specs[ALL_TABLES] = {
	[TABLE_HEADER] = {"invoice_header", header_columns, InvoiceHeaderChecks, false},
	[TABLE_DETAIL] = {"invoice_detail", detail_columns, detail_checks, false},
	[TABLE_TAX] = {"invoice_tax", tax_columns, tax_checks, true},
	[TABLE_INPUT] = {"invoice_input", input_columns, NULL, true},
	[TABLE_AUDIT] = {"audit_event", audit_columns, audit_checks, false},
};

typedef struct Table
{
	BillBulk   *bulk;
	TupleDesc	desc;
	int			natts;
	int			at[MAX_COLUMNS];	/* attribute of a column, from 0 */
	Datum	   *values;
	bool	   *nulls;
	int			next;			/* column to be filled next */
	Tuplestorestate *aside;		/* rows of rewritten documents */
} Table;

struct InvoiceWriter
{
	MemoryContext context;
	Table		table[ALL_TABLES];
	Tuplestorestate *added;		/* tenant and plan of new headers */
	TupleDesc	added_desc;
	uint64		nadded;
	uint64		nissued;		/* of the headers that were held */
	Tuplestorestate *rewritten; /* headers of rewritten documents */
	TupleDesc	rewritten_desc;
	uint64		nrewritten;
	bool		hold;			/* headers of new documents */
	Tuplestorestate *held;
	TupleDesc	held_desc;
	TupleTableSlot *held_slot;
	int			held_at[HELD_COLUMNS];
	Tuplestorestate *answer;	/* rows that the caller's function returns, or NULL */
	TupleDesc	answer_desc;
	TimestampTz now;
};

static void
find_columns(Table *table, const TableSpec *spec)
{
	for (int c = 0; spec->columns[c] != NULL; c++)
	{
		table->at[c] = -1;
		for (int i = 0; i < table->desc->natts; i++)
			if (!TupleDescAttr(table->desc, i)->attisdropped &&
				strcmp(NameStr(TupleDescAttr(table->desc, i)->attname), spec->columns[c]) == 0)
				table->at[c] = i;
		if (table->at[c] < 0)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("table \"%s\" lacks column \"%s\"", spec->name, spec->columns[c]),
					 errhint("Put the column back.")));
	}
}

static void
open_table(InvoiceWriter *writer, TableKind kind)
{
	const TableSpec *spec = &specs[kind];
	Table	   *table = &writer->table[kind];
	Oid			schema = spec->in_finops ? get_namespace_oid("finops", false) : FinopsSchemaOid();
	BillBulkSpec bulk = {spec->columns, NULL, spec->checks, false};

	table->bulk = BillBulkOpenChecked(get_relname_relid(spec->name, schema), &bulk, answered);
	table->desc = BillBulkDescriptor(table->bulk);
	table->natts = table->desc->natts;
	find_columns(table, spec);
	table->values = palloc0_array(Datum, table->natts);
	table->nulls = palloc_array(bool, table->natts);
}

InvoiceWriter *
InvoiceWriterOpen(const InvoiceRun *run, bool hold)
{
	MemoryContext old = MemoryContextSwitchTo(run->context);
	InvoiceWriter *writer = palloc0_object(InvoiceWriter);

	writer->context = run->context;
	writer->hold = hold;
	writer->now = GetCurrentTransactionStartTimestamp();
	MemoryContextSwitchTo(old);
	return writer;
}

/* Tables are opened by the first document: most runs write none. */
static void
open_tables(InvoiceWriter *writer)
{
	MemoryContext old;

	if (writer->table[TABLE_HEADER].bulk != NULL)
		return;
	old = MemoryContextSwitchTo(writer->context);
	writer->added = FinopsStageEmpty("inv_added", "SELECT tenant_id, plan_code FROM @s@.invoice_header", &writer->added_desc);
	if (writer->hold)
	{
		writer->held = FinopsStageEmpty("inv_held", held_sql, &writer->held_desc);
		for (int i = 0; i < HELD_COLUMNS; i++)
			writer->held_at[i] = SPI_fnumber(writer->held_desc, held_columns[i]) - 1;
	}
	for (int kind = 0; kind < TABLES; kind++)
		open_table(writer, (TableKind) kind);
	MemoryContextSwitchTo(old);
}

/* ---------------------------------------------------------------------
 * Rows
 * ---------------------------------------------------------------------
 */
static Table *
begin_row(InvoiceWriter *writer, TableKind kind)
{
	Table	   *table = &writer->table[kind];

	memset(table->nulls, true, sizeof(bool) * table->natts);
	table->next = 0;
	return table;
}

static void
put(Table *table, Datum value)
{
	int			i = table->at[table->next++];

	table->values[i] = value;
	table->nulls[i] = false;
}

static void
put_text(Table *table, const char *text)
{
	if (text == NULL)
		table->next++;
	else
		put(table, CStringGetTextDatum(text));
}

static void
put_number(Table *table, InvoiceDecimal value)
{
	put(table, InvoiceNumeric(value));
}

static void
put_product(Table *table, InvoiceDecimal a, InvoiceDecimal b)
{
	InvoiceDecimal product = {0, a.scale + b.scale};

	if (!InvoiceMultiply(a.units, b.units, &product.units))
		put(table, DirectFunctionCall2(numeric_mul, InvoiceNumeric(a), InvoiceNumeric(b)));
	else
		put_number(table, product);
}

/* A number, and behind it the number in the reporting currency. */
static void
put_both(Table *table, InvoiceDecimal value, InvoiceDecimal rate)
{
	Datum		number = InvoiceNumeric(value);

	put(table, number);
	if (rate.units == 1 && rate.scale == 0)
		put(table, number);
	else
		put_product(table, value, rate);
}

static void
end_row(Table *table, bool aside)
{
	if (aside)
		tuplestore_putvalues(table->aside, table->desc, table->values, table->nulls);
	else
		BillBulkAddValues(table->bulk, table->values, table->nulls);
}

static void
fill_header(InvoiceWriter *writer, const InvoiceDraft *draft, Datum invoice_id, int revision)
{
	InvoiceContent c = InvoiceDraftContent(draft);
	Table	   *t = begin_row(writer, TABLE_HEADER);
	InvoiceDecimal fx = c.fx_rate;

	put(t, invoice_id);
	put_text(t, c.tenant_id);
	put_text(t, c.plan_code);
	put(t, DateADTGetDatum(c.period_start));
	put(t, DateADTGetDatum(c.period_end));
	put_text(t, "invoice");
	put(t, Int32GetDatum(revision));
	put_text(t, "open");
	put_text(t, c.currency);
	put_number(t, c.subtotal);
	put_number(t, c.tax);
	put_number(t, c.total);
	put_product(t, c.subtotal, fx);
	put_product(t, c.tax, fx);
	put_product(t, c.total, fx);
	put_number(t, fx);
	put_number(t, c.tax_rate);
	put(t, BoolGetDatum(c.inclusive));
	put_text(t, c.treatment);
	put_text(t, c.rounding);
	put_text(t, c.issuer_id);
	put_text(t, c.language);
	put_text(t, c.po_number);
	put_text(t, c.terms);
	put(t, Int32GetDatum(c.terms_days));
	put_text(t, c.terms_from);
	put(t, TimestampTzGetDatum(writer->now));
	put_text(t, draft->digest);
}

static void
fill_line(Table *t, const InvoiceDraft *draft, const InvoiceLine *l, Datum invoice_id, Datum tenant_id)
{
	InvoiceDecimal fx = draft->rate->rate;

	put(t, invoice_id);
	put(t, Int32GetDatum(l->line_no));
	put(t, tenant_id);
	put(t, DateADTGetDatum(draft->run->period));
	put_text(t, l->line_type);
	put_text(t, l->service);
	put_text(t, l->metric_code);
	put_text(t, l->description);
	put_number(t, l->quantity);
	put_text(t, l->unit);
	put_both(t, l->unit_price, fx);
	put_both(t, l->amount, fx);
	if (l->has_gross)
		put_number(t, l->gross);
	else
		t->next++;
	put_number(t, l->tax_rate);
	if (l->cost_currency != NULL)
	{
		put_number(t, l->cost);
		put_text(t, l->cost_currency);
		put_number(t, l->cost_usd);
	}
	else
		t->next += 3;
	if (l->refs != NULL)
		put(t, l->refs_datum);
	else
		t->next++;
	put_text(t, l->notes);
	put(t, DateADTGetDatum(l->service_start));
	put(t, DateADTGetDatum(l->service_end));
	put_text(t, l->tax_category);
}

/* Lines, taxes and inputs. */
static void
write_parts(InvoiceWriter *writer, const InvoiceDraft *draft, Datum invoice_id, bool aside)
{
	Datum		tenant_id = CStringGetTextDatum(draft->party->tenant.tenant_id);
	MemoryContext row = AllocSetContextCreate(CurrentMemoryContext, "finops line", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(row);

	for (int i = 0; i < draft->nlines; i++)
	{
		Table	   *t = begin_row(writer, TABLE_DETAIL);

		if (i % 1000 == 999)
		{
			CHECK_FOR_INTERRUPTS();
			MemoryContextReset(row);
		}
		fill_line(t, draft, &draft->lines[i], invoice_id, tenant_id);
		end_row(t, aside);
	}
	for (int i = 0; i < draft->ntaxes; i++)
	{
		Table	   *t = begin_row(writer, TABLE_TAX);

		put(t, invoice_id);
		put_text(t, draft->taxes[i].category);
		put_number(t, draft->taxes[i].rate);
		put_number(t, draft->taxes[i].taxable);
		put_number(t, draft->taxes[i].tax);
		put_text(t, draft->taxes[i].reason);
		end_row(t, aside);
	}
	MemoryContextSwitchTo(old);
	{
		Table	   *t = begin_row(writer, TABLE_INPUT);

		put(t, invoice_id);
		put(t, InvoiceEncodeInputs(draft));
		end_row(t, aside);
	}
	MemoryContextDelete(row);
}

/* Keep the header just filled in a stage, which has no dropped columns. */
static void
stage_header(const Table *header, Tuplestorestate *store, TupleDesc desc, const Datum *further)
{
	Datum	   *values = palloc_array(Datum, desc->natts);
	bool	   *nulls = palloc0_array(bool, desc->natts);
	int			n = 0;

	for (int i = 0; i < header->natts; i++)
		if (!TupleDescAttr(header->desc, i)->attisdropped)
		{
			values[n] = header->values[i];
			nulls[n++] = header->nulls[i];
		}
	while (n < desc->natts)
		values[n++] = *further++;
	tuplestore_putvalues(store, desc, values, nulls);
}

static void
hold_header(InvoiceWriter *writer, const InvoiceDraft *draft)
{
	const InvoiceParty *party = draft->party;
	int128		total = draft->total.units;
	const Datum further[] = {
		CStringGetTextDatum(party->tenant.time_zone), party->recipient,
		BoolGetDatum(total > 0 || (total == 0 && party->issue_zero) || (total < 0 && party->issue_credit)),
		BoolGetDatum(total < 0), BoolGetDatum(party->complete && draft->plan_code != NULL),
		BoolGetDatum(draft->tax.units != 0),
	};

	stage_header(&writer->table[TABLE_HEADER], writer->held, writer->held_desc, further);
}

void
InvoiceWrite(InvoiceWriter *writer, const InvoiceDraft *draft,
			 const char *invoice_id, int revision)
{
	Datum		id = CStringGetTextDatum(invoice_id);
	Datum		key[2] = {CStringGetTextDatum(draft->party->tenant.tenant_id), (Datum) 0};
	bool		nulls[2] = {false, draft->plan_code == NULL};

	open_tables(writer);
	if (draft->plan_code != NULL)
		key[1] = CStringGetTextDatum(draft->plan_code);
	tuplestore_putvalues(writer->added, writer->added_desc, key, nulls);
	writer->nadded++;
	fill_header(writer, draft, id, revision);
	if (writer->hold)
		hold_header(writer, draft);
	else
		end_row(&writer->table[TABLE_HEADER], false);
	write_parts(writer, draft, id, false);
}

static void
open_aside(InvoiceWriter *writer)
{
	MemoryContext old;

	if (writer->rewritten != NULL)
		return;
	old = MemoryContextSwitchTo(writer->context);
	writer->rewritten = FinopsStageEmpty("inv_rewritten", "SELECT * FROM @s@.invoice_header", &writer->rewritten_desc);
	writer->table[TABLE_DETAIL].aside = FinopsStageEmpty("inv_rewritten_detail", "SELECT * FROM @s@.invoice_detail",
														  &(TupleDesc) {NULL});
	writer->table[TABLE_TAX].aside = FinopsStageEmpty("inv_rewritten_tax", "SELECT * FROM finops.invoice_tax",
													   &(TupleDesc) {NULL});
	writer->table[TABLE_INPUT].aside = FinopsStageEmpty("inv_rewritten_input", "SELECT * FROM finops.invoice_input",
														 &(TupleDesc) {NULL});
	MemoryContextSwitchTo(old);
}

void
InvoiceRewrite(InvoiceWriter *writer, const InvoiceDraft *draft,
			   const char *invoice_id, int revision)
{
	Datum		id = CStringGetTextDatum(invoice_id);

	open_tables(writer);
	open_aside(writer);
	fill_header(writer, draft, id, revision);
	stage_header(&writer->table[TABLE_HEADER], writer->rewritten, writer->rewritten_desc, NULL);
	writer->nrewritten++;
	write_parts(writer, draft, id, true);
}

/* ---------------------------------------------------------------------
 * The end
 * ---------------------------------------------------------------------
 */
static void
copy_aside(Table *table)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(table->desc, &TTSOpsMinimalTuple);

	while (tuplestore_gettupleslot(table->aside, true, false, slot))
	{
		slot_getallattrs(slot);
		BillBulkAddValues(table->bulk, slot->tts_values, slot->tts_isnull);
		CHECK_FOR_INTERRUPTS();
	}
	ExecDropSingleTupleTableSlot(slot);
}

/* Updating the headers locks them before their lines are touched. */
static void
rewrite(InvoiceWriter *writer)
{
	FINOPS_RUN0("UPDATE @s@.invoice_header h SET plan_code = d.plan_code, currency = d.currency, subtotal = d.subtotal,"
				" tax = d.tax, total = d.total, subtotal_usd = d.subtotal_usd, tax_usd = d.tax_usd, total_usd = d.total_usd,"
				" fx_rate = d.fx_rate, tax_rate = d.tax_rate, tax_inclusive = d.tax_inclusive, tax_treatment = d.tax_treatment,"
				" tax_rounding = d.tax_rounding, issuer_id = d.issuer_id, language = d.language, po_number = d.po_number,"
				" terms = d.terms, payment_terms_days = d.payment_terms_days, payment_terms_from = d.payment_terms_from,"
				" input_digest = d.input_digest FROM inv_rewritten d WHERE h.invoice_id = d.invoice_id");
	FINOPS_RUN0("DELETE FROM @s@.invoice_detail l USING inv_rewritten d WHERE l.invoice_id = d.invoice_id");
	FINOPS_RUN0("DELETE FROM finops.invoice_tax l USING inv_rewritten d WHERE l.invoice_id = d.invoice_id");
	FINOPS_RUN0("DELETE FROM finops.invoice_input l USING inv_rewritten d WHERE l.invoice_id = d.invoice_id");
	for (int kind = TABLE_DETAIL; kind < TABLES; kind++)
		copy_aside(&writer->table[kind]);
}

/* What a foreign key trigger would do for each row, at once. */
static void
check_references(const InvoiceWriter *writer)
{
	uint64		tenants = FINOPS_RUN0("SELECT FROM @s@.tenant_master t WHERE t.tenant_id IN (SELECT a.tenant_id FROM inv_added a)"
									  " FOR KEY SHARE");
	uint64		missing;

	if (tenants != writer->nadded)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("a tenant was removed while its document was written"),
				 errhint("Repeat the transaction.")));
	FINOPS_RUN0("SELECT FROM @s@.plan_master p WHERE p.plan_code IN (SELECT a.plan_code FROM inv_added a) FOR KEY SHARE");
	missing = FINOPS_RUN0("SELECT FROM inv_added a WHERE a.plan_code IS NOT NULL"
						  " AND NOT EXISTS (SELECT FROM @s@.plan_master p WHERE p.plan_code = a.plan_code)");
	if (missing > 0)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("a plan was removed while a document was written"),
				 errhint("Repeat the transaction.")));
}

void
InvoiceWriterClose(InvoiceWriter *writer)
{
	if (writer->table[TABLE_HEADER].bulk == NULL)
		return;
	if (writer->nrewritten > 0)
		rewrite(writer);
	for (int kind = writer->hold ? TABLE_DETAIL : TABLE_HEADER; kind < TABLES; kind++)
		(void) BillBulkClose(writer->table[kind].bulk);
	if (writer->nadded > 0)
		check_references(writer);
}

/* ---------------------------------------------------------------------
 * Held headers
 * ---------------------------------------------------------------------
 */
uint64
InvoiceWriterHeld(const InvoiceWriter *writer)
{
	return writer->hold ? writer->nadded : 0;
}

void
InvoiceHeldRewind(InvoiceWriter *writer)
{
	MemoryContext old = MemoryContextSwitchTo(writer->context);

	if (writer->held_slot == NULL)
		writer->held_slot = MakeSingleTupleTableSlot(writer->held_desc, &TTSOpsMinimalTuple);
	MemoryContextSwitchTo(old);
	tuplestore_rescan(writer->held);
}

bool
InvoiceHeldNext(InvoiceWriter *writer, InvoiceHeld *held)
{
	TupleTableSlot *slot = writer->held_slot;
	const int  *at = writer->held_at;

	CHECK_FOR_INTERRUPTS();
	if (!tuplestore_gettupleslot(writer->held, true, false, slot))
	{
		ExecDropSingleTupleTableSlot(slot);
		writer->held_slot = NULL;
		return false;
	}
	slot_getallattrs(slot);
#define HELD_VALUE(column) slot->tts_values[at[column]]
	*held = (InvoiceHeld) {
		.values = slot->tts_values,
		.nulls = slot->tts_isnull,
		.invoice_id = HELD_VALUE(HELD_ID),
		.input_digest = HELD_VALUE(HELD_DIGEST),
		.revision = DatumGetInt32(HELD_VALUE(HELD_REVISION)),
		.issuer_id = TextDatumGetCString(HELD_VALUE(HELD_ISSUER)),
		.zone = TextDatumGetCString(HELD_VALUE(HELD_ZONE)),
		.terms_from = slot->tts_isnull[at[HELD_TERMS_FROM]] ? NULL :
		TextDatumGetCString(HELD_VALUE(HELD_TERMS_FROM)),
		.terms_days = DatumGetInt32(HELD_VALUE(HELD_TERMS_DAYS)),
		.recipient = HELD_VALUE(HELD_RECIPIENT),
		.demand = DatumGetBool(HELD_VALUE(HELD_DEMAND)),
		.negative = DatumGetBool(HELD_VALUE(HELD_NEGATIVE)),
		.complete = DatumGetBool(HELD_VALUE(HELD_COMPLETE)),
		.taxed = DatumGetBool(HELD_VALUE(HELD_TAXED)),
	};
#undef HELD_VALUE
	return true;
}

/* A row of the stage as the header's next row. */
static Table *
unstage_header(InvoiceWriter *writer, const Datum *values, const bool *nulls)
{
	Table	   *header = begin_row(writer, TABLE_HEADER);
	int			n = 0;

	for (int i = 0; i < header->natts; i++)
		if (!TupleDescAttr(header->desc, i)->attisdropped)
		{
			header->values[i] = values[n];
			header->nulls[i] = nulls[n++];
		}
	return header;
}

bool
InvoiceAnswerHeld(InvoiceWriter *writer, Tuplestorestate *answer, TupleDesc desc)
{
	const Table *header = &writer->table[TABLE_HEADER];

	if (!BillBulkStoresExactly(header->bulk) || desc->natts != header->natts)
		return false;
	for (int i = 0; i < desc->natts; i++)
		if (TupleDescAttr(header->desc, i)->attisdropped ||
			TupleDescAttr(desc, i)->atttypid != TupleDescAttr(header->desc, i)->atttypid)
			return false;
	writer->answer = answer;
	writer->answer_desc = desc;
	return true;
}

Datum
InvoiceNewEventId(void)
{
	LOCAL_FCINFO(fcinfo, 0);

	InitFunctionCallInfoData(*fcinfo, NULL, 0, InvalidOid, NULL, NULL);
	return gen_random_uuid(fcinfo);
}

static void
audit_issue(InvoiceWriter *writer, const InvoiceIssue *issue)
{
	Table	   *t;
	StringInfoData metadata;

	if (writer->table[TABLE_AUDIT].bulk == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(writer->context);

		open_table(writer, TABLE_AUDIT);
		MemoryContextSwitchTo(old);
	}
	initStringInfo(&metadata);
	appendStringInfoString(&metadata, "{\"invoice_number\": ");
	escape_json(&metadata, issue->invoice_number);
	appendStringInfoChar(&metadata, '}');
	t = begin_row(writer, TABLE_AUDIT);
	put(t, InvoiceNewEventId());
	put(t, TimestampTzGetDatum(GetCurrentTimestamp()));
	put_text(t, "operator_user");
	put_text(t, issue->issued_by);
	put_text(t, "invoice_issue");
	put_text(t, issue->kind);
	put_text(t, issue->invoice_id);
	put(t, DirectFunctionCall1(jsonb_in, CStringGetDatum(metadata.data)));
	end_row(t, false);
}

void
InvoiceWriteIssued(InvoiceWriter *writer, const Datum *values, const bool *nulls,
				   const InvoiceIssue *issue, Datum issuer, Datum recipient,
				   const char *const hashes[3])
{
	Table	   *t = unstage_header(writer, values, nulls);

	t->next = HEADER_STATUS;
	put_text(t, "issued");
	t->next = HEADER_ISSUE;
	put_text(t, issue->invoice_number);
	put_text(t, issue->series);
	put(t, Int64GetDatum(issue->seq));
	put(t, TimestampTzGetDatum(issue->issued_at));
	put(t, TimestampTzGetDatum(issue->due_at));
	put_text(t, issue->recon_id);
	put(t, issuer);
	put(t, recipient);
	put_text(t, issue->issued_by);
	for (int i = 0; i < 3; i++)
		put_text(t, hashes[i]);
	if (writer->answer != NULL)
		tuplestore_putvalues(writer->answer, writer->answer_desc, t->values, t->nulls);
	end_row(t, false);
	writer->nissued++;
	audit_issue(writer, issue);
}

static void
write_open(InvoiceWriter *writer)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "finops held", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(scratch);
	InvoiceHeld held;

	InvoiceHeldRewind(writer);
	while (InvoiceHeldNext(writer, &held))
	{
		if (writer->nissued == 0 || !held.demand)
			end_row(unstage_header(writer, held.values, held.nulls), false);
		MemoryContextReset(scratch);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
}

void
InvoiceReleaseHeld(InvoiceWriter *writer)
{
	if (!writer->hold || writer->held == NULL)
		return;
	if (writer->nissued < writer->nadded)
		write_open(writer);
	(void) BillBulkClose(writer->table[TABLE_HEADER].bulk);
	writer->table[TABLE_HEADER].bulk = NULL;
	if (writer->table[TABLE_AUDIT].bulk != NULL)
		(void) BillBulkClose(writer->table[TABLE_AUDIT].bulk);
	writer->table[TABLE_AUDIT].bulk = NULL;
	writer->hold = false;
	FinopsEndStage("inv_held");
}

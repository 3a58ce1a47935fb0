/*-------------------------------------------------------------------------
 *
 * fact_writer.c
 *	  Facts as tuples of a partition.
 *
 * A tuple is laid out here in one pass, as heap_fill_tuple would: only the
 * columns that a bill can fill are visited, and text goes from the reader's
 * buffer straight into its place.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/facts.h"

#include "access/tupmacs.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* Columns of a fact that do not come from the record. */
typedef enum OwnColumn
{
	OWN_NONE = -1,
	OWN_ROW_ID,
	OWN_SOURCE,
	OWN_DELIVERY,
	OWN_INGESTED,
	OWN_COUNT
} OwnColumn;

static const char *const own_names[] = {
	"row_id", "source", "delivery_id", "ingested_at",
};

static const Oid own_types[] = {INT8OID, TEXTOID, INT8OID, TIMESTAMPTZOID};

typedef struct Step
{
	int			attribute;		/* from 0 */
	OwnColumn	own;
	int			out;			/* column of the record, when own is none */
	BillOutKind kind;
	bool		packable;		/* may have a header of one byte */
	bool		required;		/* NOT NULL */
} Step;

struct FactWriter
{
	BillBulk   *bulk;
	int			natts;
	int			nsteps;
	Step		step[BILL_MAX_COLUMNS + OWN_COUNT];
	Oid			sequence;
	int			ids_left;		/* of the latest value of the sequence */
	DateADT		period;
	FactValue	own[OWN_COUNT];
	FactTuple	latest;
};

static Oid
type_of(BillOutKind kind)
{
	switch (kind)
	{
		case BILL_OUT_NUMBER:
			return NUMERICOID;
		case BILL_OUT_TIME:
			return TIMESTAMPOID;
		case BILL_OUT_DATE:
		case BILL_OUT_PERIOD:
			return DATEOID;
		case BILL_OUT_JSON:
			return JSONBOID;
		case BILL_OUT_TEXT:
			break;
	}
	return TEXTOID;
}

static void
add_step(FactWriter *writer, int attribute, OwnColumn own, int out, BillOutKind kind)
{
	TupleDesc	desc = BillBulkDescriptor(writer->bulk);
	Form_pg_attribute att = TupleDescAttr(desc, attribute);
	Oid			type = own != OWN_NONE ? own_types[own] : type_of(kind);
	Step	   *step = &writer->step[writer->nsteps++];

	if (att->atttypid != type)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of fact_cost_raw is not of type %s",
						NameStr(att->attname), format_type_be(type)),
				 errhint("Give the column the type that the extension created it with.")));
	step->attribute = attribute;
	step->own = own;
	step->out = out;
	step->kind = kind;
	step->required = att->attnotnull && kind != BILL_OUT_PERIOD;
	step->packable = att->attstorage != TYPSTORAGE_PLAIN;
}

/* Steps in the order of the attributes. */
static void
make_steps(FactWriter *writer, const BillOutColumn *columns, int ncolumns)
{
	TupleDesc	desc = BillBulkDescriptor(writer->bulk);

	for (int i = 0; i < desc->natts; i++)
	{
		const char *name = NameStr(TupleDescAttr(desc, i)->attname);

		if (TupleDescAttr(desc, i)->attisdropped)
			continue;
		for (int k = 0; k < (int) OWN_COUNT; k++)
			if (strcmp(name, own_names[k]) == 0)
				add_step(writer, i, (OwnColumn) k, 0, BILL_OUT_TEXT);
		for (int k = 0; k < ncolumns; k++)
			if (strcmp(name, columns[k].name) == 0)
				add_step(writer, i, OWN_NONE, k, columns[k].kind);
	}
	if (writer->nsteps != ncolumns + (int) OWN_COUNT)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("fact_cost_raw lacks columns that the extension created it with"),
				 errhint("Put the columns back.")));
	/*
	 * Attributes that stand behind the last one of the tuple read as NULL,
	 * unless somebody added a column with a default.
	 */
	writer->natts = desc->constr != NULL && desc->constr->missing != NULL ?
		desc->natts : 0;
}

FactWriter *
FactWriterOpen(Oid partition, DateADT period, const char *source,
			   int64 delivery_id)
{
	/* what is written satisfies these, see project.c and NumberCheck */
	static const char *const checks[] = {
		"fact_cost_raw_charge_category_check",
		"fact_cost_raw_billed_cost_check",
		"fact_cost_raw_effective_cost_check",
		NULL
	};
	FactWriter *writer = palloc0(sizeof(FactWriter));
	BillOutColumn columns[BILL_MAX_COLUMNS];
	int			ncolumns = ProjectedColumns(columns);
	const char *names[BILL_MAX_COLUMNS + OWN_COUNT + 1];
	BillBulkSpec spec = {names, "delivery_id", checks, false};
	int			n = 0;

	for (int i = 0; i < ncolumns; i++)
		names[n++] = columns[i].name;
	for (int i = 0; i < (int) OWN_COUNT; i++)
		names[n++] = own_names[i];
	names[n] = NULL;
	writer->bulk = BillBulkOpen(partition, &spec);
	make_steps(writer, columns, ncolumns);
	writer->period = period;
	writer->sequence = get_relname_relid("fact_cost_raw_row_id_seq",
										 get_namespace_oid("finops", false));
	writer->own[OWN_SOURCE].data = pstrdup(source);
	writer->own[OWN_SOURCE].len = (int) strlen(source);
	writer->own[OWN_DELIVERY].word = delivery_id;
	writer->own[OWN_INGESTED].word = GetCurrentTransactionStartTimestamp();
	return writer;
}

bool
FactWriterStoresAsGiven(const FactWriter *writer)
{
	return BillBulkStoresAsGiven(writer->bulk);
}

/* ---------------------------------------------------------------------
 * Tuples
 * ---------------------------------------------------------------------
 */

static char *
pad_to(char *to, const char *start, int alignment)
{
	while ((to - start) & (alignment - 1))
		*to++ = '\0';
	return to;
}

static char *
put_varlena(char *to, const char *start, const FactValue *value, bool packable)
{
	if (packable && value->len + VARHDRSZ_SHORT <= VARATT_SHORT_MAX)
	{
		SET_VARSIZE_SHORT(to, value->len + VARHDRSZ_SHORT);
		to += VARHDRSZ_SHORT;
	}
	else
	{
		to = pad_to(to, start, ALIGNOF_INT);
		SET_VARSIZE(to, value->len + VARHDRSZ);
		to += VARHDRSZ;
	}
	memcpy(to, value->data, (size_t) value->len);
	return to + value->len;
}

static char *
put_word(char *to, const char *start, int64 word)
{
	to = pad_to(to, start, ALIGNOF_DOUBLE);
	memcpy(to, &word, sizeof(word));
	return to + sizeof(word);
}

static char *
put_date(char *to, const char *start, DateADT date)
{
	to = pad_to(to, start, ALIGNOF_INT);
	memcpy(to, &date, sizeof(date));
	return to + sizeof(date);
}

static char *
put_value(const FactWriter *writer, const Step *step, const FactValue *value,
		  char *to, const char *start)
{
	if (step->own != OWN_NONE)
		return step->own == OWN_SOURCE ?
			put_varlena(to, start, value, step->packable) :
			put_word(to, start, value->word);
	switch (step->kind)
	{
		case BILL_OUT_PERIOD:
			return put_date(to, start, writer->period);
		case BILL_OUT_DATE:
			return put_date(to, start, (DateADT) value->word);
		case BILL_OUT_TIME:
			return put_word(to, start, value->word);
		default:
			return put_varlena(to, start, value, step->packable);
	}
}

static const FactValue *
value_of(const FactWriter *writer, const Step *step, const FactValue *values)
{
	return step->own != OWN_NONE ? &writer->own[step->own] : &values[step->out];
}

static bool
has_value(const Step *step, const FactValue *value)
{
	return !value->isnull || (step->own == OWN_NONE && step->kind == BILL_OUT_PERIOD);
}

pg_noreturn static void
raise_missing(const FactWriter *writer, const Step *step)
{
	Form_pg_attribute att = TupleDescAttr(BillBulkDescriptor(writer->bulk), step->attribute);

	ereport(ERROR,
			(errcode(ERRCODE_NOT_NULL_VIOLATION),
			 errmsg("a line of the bill has no value for column \"%s\" of the facts",
					NameStr(att->attname)),
			 errhint("ALTER TABLE %s.fact_cost_raw ALTER %s DROP NOT NULL.",
					 FinopsSchema(), quote_identifier(NameStr(att->attname)))));
}

/* Each value of the sequence stands for so many ids. */
#define IDS_PER_VALUE	1000

static int64
next_row_id(FactWriter *writer)
{
	if (writer->ids_left == 0)
	{
		writer->own[OWN_ROW_ID].word = nextval_internal(writer->sequence, false) - 1;
		writer->ids_left = IDS_PER_VALUE;
	}
	writer->ids_left--;
	return ++writer->own[OWN_ROW_ID].word;
}

int64
FactWrite(FactWriter *writer, const FactValue *values)
{
	Size		size = MAXALIGN(SizeofHeapTupleHeader + BITMAPLEN(MaxTupleAttributeNumber));
	int			natts = writer->natts;
	const Step *present[BILL_MAX_COLUMNS + OWN_COUNT];
	int			n = 0;
	int			last = 0;
	HeapTupleHeader header;
	char	   *start;
	char	   *to;

	for (int i = 0; i < writer->nsteps; i++)
	{
		const FactValue *value = value_of(writer, &writer->step[i], values);

		if (!has_value(&writer->step[i], value))
		{
			if (writer->step[i].required)
				raise_missing(writer, &writer->step[i]);
			continue;
		}
		size += (Size) Max(value->len, 0) + 2 * sizeof(int64);
		present[n++] = &writer->step[i];
		last = writer->step[i].attribute;
	}
	natts = Max(natts, last + 1);
	(void) next_row_id(writer);
	header = BillBulkReserve(writer->bulk, size);
	memset(header, 0, MAXALIGN(SizeofHeapTupleHeader + BITMAPLEN(natts)));
	header->t_hoff = MAXALIGN(SizeofHeapTupleHeader + BITMAPLEN(natts));
	HeapTupleHeaderSetNatts(header, natts);
	header->t_infomask = HEAP_HASNULL | HEAP_HASVARWIDTH;
	to = start = (char *) header + header->t_hoff;
	for (int i = 0; i < n; i++)
	{
		const Step *step = present[i];
		const FactValue *value = value_of(writer, step, values);

		header->t_bits[step->attribute >> 3] |= (bits8) (1 << (step->attribute & 7));
		to = put_value(writer, step, value, to, start);
	}
	writer->latest.header = header;
	writer->latest.len = (Size) (to - (char *) header);
	BillBulkAdd(writer->bulk, writer->latest.len);
	return writer->own[OWN_ROW_ID].word;
}

FactTuple
FactWriterTuple(const FactWriter *writer)
{
	return writer->latest;
}

uint64
FactWriterClose(FactWriter *writer)
{
	return BillBulkClose(writer->bulk);
}

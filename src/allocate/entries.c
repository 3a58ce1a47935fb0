/*-------------------------------------------------------------------------
 *
 * entries.c
 *	  The entries of an allocation as they are made, and their digest.
 *
 * The first entries of a period go straight into its partition.  Those of a
 * later run go into stage finops_entry, to be compared with what stands.
 *
 * The digest is the SHA-256 of the entries in the order in which they are
 * made, each as origin, target, kind and amount, with a zero byte behind each
 * of them.  The order follows from the inputs, so equal inputs give equal
 * bytes.
 *
 *-------------------------------------------------------------------------
 */
#include "allocate/engine.h"

#include "bill/bulk.h"
#include "catalog/namespace.h"
#include "commands/sequence.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#define ENTRIES_PER_RESET	512

/* What an entry says, in the order of stage finops_entry. */
typedef enum EntryColumn
{
	ENTRY_TENANT,
	ENTRY_KIND,
	ENTRY_SERVICE,
	ENTRY_CATEGORY,
	ENTRY_RULE,
	ENTRY_RULE_VERSION,
	ENTRY_ORIGIN,
	ENTRY_CURRENCY,
	ENTRY_AMOUNT,
	ENTRY_SHARE,
	ENTRY_METRIC,
	ENTRY_KEY_VALUE,
	ENTRY_KEY_TOTAL,
	ENTRY_STAGE,
	ENTRY_RUNG,
	ENTRY_LINES,
	ENTRY_ORIGIN_PERIOD,
	ENTRY_STAGED,				/* the following are in the table only */
	ENTRY_ID = ENTRY_STAGED,
	ENTRY_PERIOD_START,
	ENTRY_PERIOD_END,
	ENTRY_RUN,
	ENTRY_CREATED,
	ENTRY_COLUMNS
} EntryColumn;

static const char *const table_columns[] = {
	"tenant_id", "kind", "service", "category", "rule_id", "rule_version",
	"origin", "currency", "allocated_cost_usd", "share", "key_metric",
	"key_value", "key_total", "stage", "rung", "source_line_ids",
	"origin_period", "id", "period_start", "period_end", "run_id",
	"created_at", NULL
};

static const Oid table_types[] = {
	TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, INT4OID,
	TEXTOID, TEXTOID, NUMERICOID, NUMERICOID, TEXTOID,
	NUMERICOID, NUMERICOID, TEXTOID, INT2OID, TEXTARRAYOID,
	DATEOID, INT8OID, DATEOID, DATEOID, INT8OID,
	TIMESTAMPTZOID
};

/* Entries are hashed this many bytes at a time. */
#define HASH_BUFFER		8192

struct EntrySink
{
	Tuplestorestate *store;		/* stage finops_entry, or */
	TupleDesc	desc;
	BillBulk   *bulk;			/* the partition of the period */
	int			attribute[ENTRY_COLUMNS];	/* from 0 */
	Datum	   *row;
	bool	   *row_nulls;
	Oid			sequence;

	Datum		values[ENTRY_COLUMNS];	/* of the origin at hand, and all runs */
	bool		nulls[ENTRY_COLUMNS];
	char	   *origin;
	MemoryContext of_origin;

	int128	   *shared;			/* sums of the currency at hand, if nothing else */
	const bool *below;			/* whose cost the operator keeps, at the origin at hand */
	Datum		kept;			/* and what that comes to, or 0 */
	Datum		kept_share;

	pg_cryptohash_ctx *hash;
	char		buffer[HASH_BUFFER];
	size_t		used;
};

/* The partition itself, for the first entries of a period. */
static void
open_table(EntrySink *sink, const AllocateTable *table)
{
	/* what is written satisfies these */
	static const char *const checks[] = {
		"fact_cost_allocated_kind_check",
		"fact_cost_allocated_tenant_check",
		"fact_cost_allocated_period_check",
		"fact_cost_allocated_amount_check",
		NULL
	};
	BillBulkSpec spec = {table_columns, NULL, checks, table->skip_indexes};
	TupleDesc	desc;

	sink->bulk = BillBulkOpen(table->partition, &spec);
	desc = BillBulkDescriptor(sink->bulk);
	for (int i = 0; i < ENTRY_COLUMNS; i++)
	{
		AttrNumber	attnum = get_attnum(table->partition, table_columns[i]);

		if (attnum <= 0 || TupleDescAttr(desc, attnum - 1)->atttypid != table_types[i])
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("fact_cost_allocated lacks column \"%s\" of type %s",
							table_columns[i], format_type_be(table_types[i])),
					 errhint("Put the column back as the extension created it.")));
		sink->attribute[i] = attnum - 1;
	}
	sink->row = palloc0_array(Datum, desc->natts);
	sink->row_nulls = palloc_array(bool, desc->natts);
	memset(sink->row_nulls, true, desc->natts);
	sink->sequence = get_relname_relid("fact_cost_allocated_id_seq",
									   get_namespace_oid("finops", false));
	sink->values[ENTRY_PERIOD_START] = DateADTGetDatum(table->period);
	sink->values[ENTRY_PERIOD_END] = DateADTGetDatum(FinopsPeriodEnd(table->period) - 1);
	sink->values[ENTRY_RUN] = Int64GetDatum(table->run_id);
	sink->values[ENTRY_CREATED] = TimestampTzGetDatum(GetCurrentTransactionStartTimestamp());
}

/* Entries go into the table given, or into stage finops_entry. */
void
EntriesBegin(Engine *e, const AllocateTable *table)
{
	EntrySink  *sink = palloc0(sizeof(EntrySink));

	e->sink = sink;
	if (table != NULL)
		open_table(sink, table);
	else if (!e->only_sums)
		sink->store = FinopsStageEmpty("finops_entry",
							   "SELECT NULL::text AS tenant_id, NULL::text AS kind, NULL::text AS service,"
							   " NULL::text AS category, NULL::text AS rule_id, NULL::integer AS rule_version,"
							   " NULL::text AS origin, NULL::text AS currency, NULL::numeric AS amount,"
							   " NULL::numeric AS share, NULL::text AS key_metric, NULL::numeric AS key_value,"
							   " NULL::numeric AS key_total, NULL::text AS stage, NULL::smallint AS rung,"
							   " NULL::text[] AS source_line_ids, NULL::date AS origin_period",
							   &sink->desc);
	e->row = AllocSetContextCreate(CurrentMemoryContext, "finops entries",
								   ALLOCSET_DEFAULT_SIZES);
	sink->of_origin = AllocSetContextCreate(CurrentMemoryContext, "finops origin",
											ALLOCSET_DEFAULT_SIZES);
	if (e->only_sums)
		return;
	sink->hash = pg_cryptohash_create(PG_SHA256);
	if (sink->hash == NULL || pg_cryptohash_init(sink->hash) < 0)
		elog(ERROR, "could not begin a SHA-256 digest");
}

static void
flush_digest(EntrySink *sink)
{
	if (pg_cryptohash_update(sink->hash, (const uint8 *) sink->buffer, sink->used) < 0)
		elog(ERROR, "could not extend a SHA-256 digest");
	sink->used = 0;
}

/* The text and the zero byte behind it. */
static void
add_to_digest(EntrySink *sink, const char *text)
{
	size_t		len = strlen(text) + 1;

	while (len > 0)
	{
		size_t		part = Min(len, HASH_BUFFER - sink->used);

		memcpy(sink->buffer + sink->used, text, part);
		sink->used += part;
		text += part;
		len -= part;
		if (sink->used == HASH_BUFFER)
			flush_digest(sink);
	}
}

static void
set_text(EntrySink *sink, EntryColumn column, const char *text)
{
	sink->nulls[column] = text == NULL;
	sink->values[column] = text == NULL ? (Datum) 0 : CStringGetTextDatum(text);
}

static void
set_datum(EntrySink *sink, EntryColumn column, Datum value)
{
	sink->nulls[column] = value == (Datum) 0;
	sink->values[column] = value;
}

static void
store(EntrySink *sink)
{
	if (sink->bulk == NULL)
	{
		tuplestore_putvalues(sink->store, sink->desc, sink->values, sink->nulls);
		return;
	}
	sink->values[ENTRY_ID] = Int64GetDatum(nextval_internal(sink->sequence, false));
	for (int i = 0; i < ENTRY_COLUMNS; i++)
	{
		sink->row[sink->attribute[i]] = sink->values[i];
		sink->row_nulls[sink->attribute[i]] = sink->nulls[i];
	}
	BillBulkAddValues(sink->bulk, sink->row, sink->row_nulls);
}

/* Counts an entry and adds it to the digest. */
static void
count_entry(Engine *e, const char *tenant, const char *kind, const char *amount)
{
	EntrySink  *sink = e->sink;

	add_to_digest(sink, sink->origin);
	add_to_digest(sink, tenant == NULL ? "" : tenant);
	add_to_digest(sink, kind);
	add_to_digest(sink, amount);
	e->entries++;
}

static void
write_row(Engine *e, const char *tenant, const char *kind, Datum amount, Datum share,
		  const char *metric, Datum key_value, Datum key_total, int rung)
{
	EntrySink  *sink = e->sink;

	set_text(sink, ENTRY_TENANT, tenant);
	set_text(sink, ENTRY_KIND, kind);
	set_datum(sink, ENTRY_AMOUNT, amount);
	set_datum(sink, ENTRY_SHARE, share);
	set_text(sink, ENTRY_METRIC, metric);
	set_datum(sink, ENTRY_KEY_VALUE, key_value);
	set_datum(sink, ENTRY_KEY_TOTAL, key_total);
	sink->values[ENTRY_RUNG] = Int16GetDatum(rung);
	sink->nulls[ENTRY_RUNG] = metric == NULL;
	store(sink);
	e->rows++;
}

static void
reset_row(Engine *e)
{
	if (e->rows % ENTRIES_PER_RESET == 0)
	{
		MemoryContextReset(e->row);
		CHECK_FOR_INTERRUPTS();
	}
}

static void
put(Engine *e, const char *tenant, const char *kind, Datum amount, Datum share,
	const char *metric, Datum key_value, Datum key_total, int rung)
{
	MemoryContext old = MemoryContextSwitchTo(e->row);

	write_row(e, tenant, kind, amount, share, metric, key_value, key_total, rung);
	count_entry(e, tenant, kind, DatumGetCString(DirectFunctionCall1(numeric_out, amount)));
	MemoryContextSwitchTo(old);
	reset_row(e);
}

static const char *
kind_of(const Engine *e, int target)
{
	char		kind = e->target_kinds[target];

	return kind == 't' ? "shared" : kind == 'o' ? "overhead" : "unallocated";
}

/* An entry that stands in a packed row: counted and digested, not written. */
void
EntriesCountPacked(Engine *e, int target, const char *amount)
{
	count_entry(e, e->target_kinds[target] == 't' ? e->target_names[target] : NULL,
				kind_of(e, target), amount);
}

/* The sum of packed entries of a target: written, not counted. */
void
EntriesPutSum(Engine *e, int target, Datum amount)
{
	MemoryContext old = MemoryContextSwitchTo(e->row);

	write_row(e, e->target_kinds[target] == 't' ? e->target_names[target] : NULL,
			  kind_of(e, target), amount, (Datum) 0, "packed", (Datum) 0, (Datum) 0, 0);
	MemoryContextSwitchTo(old);
	reset_row(e);
}

static bool
is_zero(Datum amount)
{
	MoneyUnits	m;

	return MoneyDecodeNumeric(amount, &m) && m.units == 0;
}

/* What the operator keeps of the origin that ends, as its last entry. */
static void
put_kept(Engine *e)
{
	EntrySink  *sink = e->sink;

	if (sink->kept != 0 && !is_zero(sink->kept))
		put(e, NULL, "overhead", sink->kept, sink->kept_share, "below_minimum", (Datum) 0, (Datum) 0, 0);
	sink->kept = 0;
	sink->kept_share = 0;
}

/* The entries that follow are of this origin. */
void
EntriesOrigin(Engine *e, const EntryOf *of)
{
	EntrySink  *sink = e->sink;
	MemoryContext old;

	put_kept(e);
	MemoryContextReset(sink->of_origin);
	if (e->only_sums)
	{
		sink->shared = of->origin_period != NULL ? NULL : EnginePlacedOn(e, &e->shared, of->currency);
		return;
	}
	sink->below = of->origin_period != NULL ? NULL : EngineBelow(e, of->currency);
	old = MemoryContextSwitchTo(sink->of_origin);
	sink->origin = of->origin == NULL ? NULL : pstrdup(of->origin);
	set_text(sink, ENTRY_ORIGIN, of->origin);
	set_text(sink, ENTRY_SERVICE, of->service);
	set_text(sink, ENTRY_CATEGORY, of->category);
	set_text(sink, ENTRY_RULE, of->rule_id);
	sink->values[ENTRY_RULE_VERSION] = Int32GetDatum(of->rule_version);
	set_text(sink, ENTRY_CURRENCY, of->currency);
	set_text(sink, ENTRY_STAGE, of->stage);
	set_datum(sink, ENTRY_LINES, of->lines);
	sink->nulls[ENTRY_ORIGIN_PERIOD] = of->origin_period == NULL;
	if (of->origin_period != NULL)
		sink->values[ENTRY_ORIGIN_PERIOD] =
			DirectFunctionCall1(date_in, CStringGetDatum(of->origin_period));
	MemoryContextSwitchTo(old);
}

/* Adds to what the operator keeps of the origin at hand. */
static void
keep(EntrySink *sink, Datum amount, Datum share)
{
	MemoryContext old = MemoryContextSwitchTo(sink->of_origin);
	Datum		zero = MoneyNumeric(0, false, 0);

	sink->kept = DirectFunctionCall2(numeric_add, sink->kept == 0 ? zero : sink->kept, amount);
	sink->kept_share = DirectFunctionCall2(numeric_add, sink->kept_share == 0 ? zero : sink->kept_share,
										   share == 0 ? zero : share);
	MemoryContextSwitchTo(old);
}

void
EntriesPut(Engine *e, int target, Datum amount, Datum share,
		   const char *metric, Datum key_value, Datum key_total, int rung)
{
	if (is_zero(amount))
		return;
	if (e->only_sums)
	{
		MemoryContext old = MemoryContextSwitchTo(e->row);

		if (e->sink->shared != NULL && e->target_kinds[target] == 't')
			EngineAddPlaced(&e->sink->shared[target], amount);
		MemoryContextSwitchTo(old);
		if (++e->rows % ENTRIES_PER_RESET == 0)
			reset_row(e);
		return;
	}
	if (e->sink->below != NULL && e->sink->below[target])
	{
		keep(e->sink, amount, share);
		return;
	}
	put(e, e->target_kinds[target] == 't' ? e->target_names[target] : NULL, kind_of(e, target),
		amount, share, metric, key_value, key_total, rung);
}

/*
 * Tagged cost, each tenant's an origin of its own among those that
 * EntriesOrigin said the rest of; the heir of a departed tenant takes its
 * place.
 */
void
EntriesPutDirect(Engine *e, char *origin, const char *tenant, int heir,
				 Datum amount)
{
	Datum		one;

	if (e->only_sums || is_zero(amount))
		return;
	e->sink->origin = origin;
	set_text(e->sink, ENTRY_ORIGIN, origin);
	one = MoneyNumeric(1, false, 0);
	if (heir >= 0)
		put(e, e->target_kinds[heir] == 't' ? e->target_names[heir] : NULL,
			e->target_kinds[heir] == 't' ? "direct" : "overhead",
			amount, one, "successor", (Datum) 0, (Datum) 0, 0);
	else
		put(e, tenant, "direct", amount, one, "tag", (Datum) 0, (Datum) 0, 0);
}

/* Called once, after the last entry; returns the digest, hex. */
char *
EntriesEnd(Engine *e)
{
	EntrySink  *sink = e->sink;
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	char	   *hex = palloc(2 * PG_SHA256_DIGEST_LENGTH + 1);

	put_kept(e);
	if (sink->bulk != NULL)
		(void) BillBulkClose(sink->bulk);
	flush_digest(sink);
	if (pg_cryptohash_final(sink->hash, digest, sizeof(digest)) < 0)
		elog(ERROR, "could not end a SHA-256 digest");
	pg_cryptohash_free(sink->hash);
	for (int i = 0; i < PG_SHA256_DIGEST_LENGTH; i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	MemoryContextDelete(e->row);
	MemoryContextDelete(sink->of_origin);
	return hex;
}

/* Something the run came upon that its reader should know. */
void
EngineFinding(Engine *e, const char *check, const char *rule_id,
			  const char *currency, const char *detail)
{
	appendStringInfoString(&e->findings, e->n_findings++ == 0 ? "[{\"check\": " : ", {\"check\": ");
	escape_json(&e->findings, check);
	appendStringInfoString(&e->findings, ", \"rule_id\": ");
	escape_json(&e->findings, rule_id);
	appendStringInfoString(&e->findings, ", \"currency\": ");
	escape_json(&e->findings, currency);
	appendStringInfoString(&e->findings, ", \"detail\": ");
	escape_json(&e->findings, detail);
	appendStringInfoChar(&e->findings, '}');
}

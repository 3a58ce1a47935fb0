/*-------------------------------------------------------------------------
 *
 * difference.c
 *	  What a restated bill changed.
 *
 * Lines of the same content on both sides are unchanged, as often as both
 * sides have them.  The others are told apart by their key, which is line
 * item id and interval where there is an id, else the content; many lines may
 * share one key.  Per key, lines in excess on the new side are new, on the old
 * side gone, and the rest of both sides is changed.  The cost difference of a
 * key goes to one of the three, so that they add up to the difference of the
 * deliveries.
 *
 * The lines of both deliveries are met in any order.  Per content only a count
 * and sums are kept, under a hash of 128 bits (hash.h); what does not fit into
 * memory goes to temporary files by part of the key, and the files are added
 * up one after the other.  Costs are fixed point; a line whose cost is not
 * makes the caller compare by SQL.
 *
 * Mostly a key has one line on each side, and their costs, amounts, tags,
 * invoices or descriptions tell that they are not the same: then the rest of their content
 * does not matter.  So a first difference keeps one entry per key and names
 * the keys that are in doubt; a second one, by content, is asked of the lines
 * of those only.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/facts.h"

#include "bill/hash.h"
#include "miscadmin.h"
#include "storage/buffile.h"
#include "utils/memutils.h"

#define MAX_PLACES		(256 * 1024)	/* of 96 bytes */
#define FIRST_PLACES	1024	/* four times as many again and again */
#define FILES			128
#define MAX_DOUBTS		(48 * 1024)

/* Lines of one content or, at the end, of one key. */
typedef struct Entry
{
	BillHash	hash;
	BillHash	key;
	int64		new_lines;
	int64		old_lines;
	int128		billed;			/* new minus old */
	int128		effective;
	uint64		marks;			/* of some columns, new minus old */
	bool		same;			/* lines of this key have the same content */
	bool		doubt;			/* the marks say nothing */
} Entry;

typedef struct Table
{
	Entry	   *places;
	uint32		nplaces;		/* a power of two */
	uint32		n;
} Table;

typedef enum Part
{
	PART_ID,
	PART_SPAN,
	PART_CONTENT,
	PART_DERIVED				/* from other columns, or nothing delivered */
} Part;

/* Content that often differs where costs do not. */
static const char *const mark_columns[] = {
	"line_item_usage_amount", "bill_invoice_id", "resource_tags",
	"line_item_line_item_description",
};

struct FactDifference
{
	MemoryContext context;
	BillHash	seed;			/* random */
	bool		exact;
	int			n;
	int			id;
	int			span;
	int			billed;
	int			effective;
	bool		by_key;			/* one entry per key */
	int			nmarks;
	int			mark[lengthof(mark_columns)];
	Part		part[BILL_MAX_COLUMNS];
	BillOutColumn column[BILL_MAX_COLUMNS];

	Entry		held;			/* an old line that is not counted yet */
	bool		holds;
	Table		contents;
	Table		doubtful;		/* keys; after the result */
	bool		all_doubtful;	/* too many to name them */
	BufFile	   *file[FILES];
	bool		spilled;
};

static Part
part_of(const char *name)
{
	if (strcmp(name, "identity_line_item_id") == 0)
		return PART_ID;
	if (strcmp(name, "identity_time_interval") == 0)
		return PART_SPAN;
	if (strcmp(name, "tenant_id") == 0 ||
		strncmp(name, "resource_tags_user_", strlen("resource_tags_user_")) == 0)
		return PART_DERIVED;
	return PART_CONTENT;
}

bool
FactIsContent(const char *column)
{
	return part_of(column) == PART_CONTENT;
}

FactDifference *
FactDifferenceNew(MemoryContext parent, bool by_key)
{
	MemoryContext context = AllocSetContextCreate(parent, "finops difference",
												  ALLOCSET_DEFAULT_SIZES);
	FactDifference *d = MemoryContextAllocZero(context, sizeof(FactDifference));

	d->context = context;
	d->exact = true;
	d->by_key = by_key;
	if (!pg_strong_random(&d->seed, sizeof(d->seed)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
	d->n = ProjectedColumns(d->column);
	for (int i = 0; i < d->n; i++)
	{
		d->part[i] = part_of(d->column[i].name);
		if (d->part[i] == PART_ID)
			d->id = i;
		else if (d->part[i] == PART_SPAN)
			d->span = i;
		else if (strcmp(d->column[i].name, "billed_cost") == 0)
			d->billed = i;
		else if (strcmp(d->column[i].name, "effective_cost") == 0)
			d->effective = i;
		for (int k = 0; k < (int) lengthof(mark_columns); k++)
			if (strcmp(d->column[i].name, mark_columns[k]) == 0)
				d->mark[d->nmarks++] = i;
	}
	return d;
}

/* The columns that a line with an id is known by, without its content. */
bool
FactDifferenceReads(const FactDifference *d, int at)
{
	for (int k = 0; k < d->nmarks; k++)
		if (d->mark[k] == at)
			return true;
	return at == d->id || at == d->span || at == d->billed || at == d->effective;
}

/* ---------------------------------------------------------------------
 * Tables
 * ---------------------------------------------------------------------
 */

static bool
is_empty(const Entry *entry)
{
	return entry->new_lines == 0 && entry->old_lines == 0;
}

static Entry *
place_of(const Table *table, const BillHash *hash)
{
	uint32		at = (uint32) hash->lane[0] & (table->nplaces - 1);

	while (!is_empty(&table->places[at]) &&
		   memcmp(&table->places[at].hash, hash, sizeof(BillHash)) != 0)
		at = (at + 1) & (table->nplaces - 1);
	return &table->places[at];
}

static void
grow(FactDifference *d, Table *table)
{
	Table		old = *table;

	table->nplaces = Max(old.nplaces * 4, FIRST_PLACES);
	table->places = MemoryContextAllocExtended(d->context, sizeof(Entry) * table->nplaces,
											   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (uint32 i = 0; i < old.nplaces; i++)
		if (!is_empty(&old.places[i]))
			*place_of(table, &old.places[i].hash) = old.places[i];
	if (old.places != NULL)
		pfree(old.places);
}

static void
clear(Table *table)
{
	if (table->n > 0)
		memset(table->places, 0, sizeof(Entry) * table->nplaces);
	table->n = 0;
}

static bool
is_full(const Table *table)
{
	return table->n >= table->nplaces / 4 * 3;
}

static void
add_entry(FactDifference *d, Table *table, const Entry *entry)
{
	Entry	   *place;

	if (is_full(table))
		grow(d, table);
	place = place_of(table, &entry->hash);
	if (is_empty(place))
	{
		*place = *entry;
		table->n++;
		return;
	}
	place->new_lines += entry->new_lines;
	place->old_lines += entry->old_lines;
	place->marks += entry->marks;
	place->doubt = place->doubt || entry->doubt;
	if (__builtin_add_overflow(place->billed, entry->billed, &place->billed) ||
		__builtin_add_overflow(place->effective, entry->effective, &place->effective))
		d->exact = false;
}

static void
release(Table *table)
{
	if (table->places != NULL)
		pfree(table->places);
	memset(table, 0, sizeof(Table));
}

/* Everything in memory goes to the files. */
static void
spill(FactDifference *d)
{
	MemoryContext old = MemoryContextSwitchTo(d->context);

	CHECK_FOR_INTERRUPTS();
	d->spilled = true;
	for (uint32 i = 0; i < d->contents.nplaces; i++)
	{
		Entry	   *entry = &d->contents.places[i];
		BufFile   **file = &d->file[entry->key.lane[1] % FILES];

		if (is_empty(entry))
			continue;
		if (*file == NULL)
			*file = BufFileCreateTemp(false);
		BufFileWrite(*file, entry, sizeof(Entry));
	}
	clear(&d->contents);
	MemoryContextSwitchTo(old);
}

/* ---------------------------------------------------------------------
 * Lines
 * ---------------------------------------------------------------------
 */

/*
 * Its column and its length stand before a value, so that values cannot flow
 * into each other.  Equal numbers have equal hashes, however they are written.
 */
static void
add_value(const FactDifference *d, int at, const FactValue *value, BillHash *hash)
{
	uint64		column = (uint64) at + 1;
	uint64		word = 0;

	switch (d->column[at].kind)
	{
		case BILL_OUT_TEXT:
		case BILL_OUT_JSON:
			column |= (uint64) value->len << 32;
			if (value->len <= (int) sizeof(word))
			{
				for (int i = 0; i < value->len; i++)
					word = word << 8 | (unsigned char) value->data[i];
				BillHashBlock(hash, &d->seed, column, word);
				break;
			}
			memcpy(&word, value->data, sizeof(word));
			BillHashBlock(hash, &d->seed, column, word);
			BillHashRest(hash, &d->seed, value->data + sizeof(word),
						 (size_t) value->len - sizeof(word));
			break;
		case BILL_OUT_NUMBER:
			BillHashBlock(hash, &d->seed, column, (uint64) value->units);
			BillHashBlock(hash, &d->seed, column, (uint64) (value->units >> 64));
			break;
		default:
			BillHashBlock(hash, &d->seed, column, (uint64) value->word);
			break;
	}
}

static bool
hash_content(const FactDifference *d, const FactValue *values, BillHash *content)
{
	*content = BillHashStart(&d->seed, 0);
	for (int i = 0; i < d->n; i++)
	{
		if (values[i].isnull || d->part[i] != PART_CONTENT)
			continue;
		if (d->column[i].kind == BILL_OUT_NUMBER && !values[i].exact)
			return false;
		add_value(d, i, &values[i], content);
	}
	return true;
}

/* Equal lines have equal marks. */
static void
add_marks(const FactDifference *d, const FactValue *values, int64 more, Entry *entry)
{
	for (int k = 0; k < d->nmarks; k++)
	{
		const FactValue *value = &values[d->mark[k]];
		uint64		mark = (uint64) k + 1;

		if (value->isnull)
			;
		else if (d->column[d->mark[k]].kind != BILL_OUT_NUMBER)
			mark += BillHashBytes(value->data, (size_t) value->len, d->seed.lane[0]);
		else if (value->exact)
			mark += BillHashMix((uint64) value->units ^ d->seed.lane[0], d->seed.lane[1]);
		else
			entry->doubt = true;
		entry->marks += BillHashMix(mark, d->seed.lane[k % 2] | 1) * (uint64) more;
	}
}

static BillHash
hash_key(const FactDifference *d, const FactValue *values)
{
	BillHash	key = BillHashStart(&d->seed, 1);

	add_value(d, d->id, &values[d->id], &key);
	if (!values[d->span].isnull)
		add_value(d, d->span, &values[d->span], &key);
	return key;
}

/* Under which hashes a line is counted; false: it has numbers that do not fit. */
static bool
identify(const FactDifference *d, const FactValue *values, int64 more, Entry *entry)
{
	bool		has_id = !values[d->id].isnull;

	if (has_id)
		entry->key = hash_key(d, values);
	if (has_id && d->by_key)
	{
		entry->hash = entry->key;
		add_marks(d, values, more, entry);
		return (values[d->billed].isnull || values[d->billed].exact) &&
			(values[d->effective].isnull || values[d->effective].exact);
	}
	if (!hash_content(d, values, &entry->hash))
		return false;
	entry->same = true;
	if (has_id)
		BillHashBlock(&entry->hash, &d->seed, entry->key.lane[0], entry->key.lane[1]);
	else
		entry->key = entry->hash;
	return true;
}

/* The entry of lines of one content; false: compare by SQL. */
static bool
make_entry(FactDifference *d, const FactValue *values, int64 more, Entry *entry)
{
	memset(entry, 0, sizeof(*entry));
	if (more > 0)
		entry->new_lines = more;
	else
		entry->old_lines = -more;
	return d->exact && identify(d, values, more, entry) &&
		!__builtin_mul_overflow(values[d->billed].units, (int128) more, &entry->billed) &&
		!__builtin_mul_overflow(values[d->effective].units, (int128) more, &entry->effective);
}

static void
count_entry(FactDifference *d, const Entry *entry)
{
	if (d->contents.nplaces >= MAX_PLACES && is_full(&d->contents))
		spill(d);
	add_entry(d, &d->contents, entry);
}

void
FactDifferenceAdd(FactDifference *d, const FactValue *values, int64 more)
{
	Entry		entry;

	if (make_entry(d, values, more, &entry))
		count_entry(d, &entry);
	else
		d->exact = false;
}

void
FactDifferenceHold(FactDifference *d, const FactValue *values)
{
	d->holds = make_entry(d, values, -1, &d->held);
}

bool
FactDifferenceAddPair(FactDifference *d, const FactValue *values)
{
	Entry		entry;

	if (!d->holds || !make_entry(d, values, 1, &entry) ||
		memcmp(&entry.hash, &d->held.hash, sizeof(BillHash)) != 0 ||
		__builtin_add_overflow(entry.billed, d->held.billed, &entry.billed) ||
		__builtin_add_overflow(entry.effective, d->held.effective, &entry.effective))
		return false;
	entry.old_lines = d->held.old_lines;
	entry.marks += d->held.marks;
	entry.doubt = entry.doubt || d->held.doubt;
	d->holds = false;
	count_entry(d, &entry);
	return true;
}

/* ---------------------------------------------------------------------
 * Result
 * ---------------------------------------------------------------------
 */

static void
count_key(FactDifference *d, const Entry *key, FactChange *changes)
{
	int64		n = key->new_lines;
	int64		o = key->old_lines;
	FactChange *owner = &changes[n > o ? FACT_NEW : o > n ? FACT_GONE : FACT_CHANGED];

	changes[FACT_NEW].lines += Max(n - o, 0);
	changes[FACT_GONE].lines += Max(o - n, 0);
	changes[FACT_CHANGED].lines += Min(n, o);
	if (__builtin_add_overflow(owner->billed, key->billed, &owner->billed) ||
		__builtin_add_overflow(owner->effective, key->effective, &owner->effective))
		d->exact = false;
}

/* Lines of one key on both sides, of which nothing tells that they differ. */
static bool
is_doubtful(const Entry *key)
{
	if (key->same || key->new_lines == 0 || key->old_lines == 0)
		return false;
	return key->doubt || key->new_lines > 1 || key->old_lines > 1 ||
		(key->billed == 0 && key->effective == 0 && key->marks == 0);
}

/* One entry stands for each key, or for each content of lines without an id. */
static void
count_keys(FactDifference *d, FactChange *changes)
{
	for (uint32 i = 0; i < d->contents.nplaces; i++)
	{
		Entry		entry = d->contents.places[i];
		int64		more = entry.new_lines - entry.old_lines;

		if (is_empty(&entry))
			continue;
		if (is_doubtful(&entry))
		{
			if (d->doubtful.n == MAX_DOUBTS)
				d->all_doubtful = true;
			else
				add_entry(d, &d->doubtful, &entry);
			continue;
		}
		if (entry.same)
		{
			entry.new_lines = Max(more, 0);
			entry.old_lines = Max(-more, 0);
		}
		count_key(d, &entry, changes);
	}
}

bool
FactDifferenceHasDoubts(const FactDifference *d)
{
	return d->doubtful.n > 0;
}

bool
FactDifferenceIsDoubtful(const FactDifference *d, const FactValue *values)
{
	BillHash	key;

	if (d->all_doubtful || values[d->id].isnull)
		return d->all_doubtful;
	key = hash_key(d, values);
	return !is_empty(place_of(&d->doubtful, &key));
}

/* All lines of a key are among the contents at hand, or none. */
static void
count_contents(FactDifference *d, Table *keys, FactChange *changes)
{
	if (d->by_key)
	{
		count_keys(d, changes);
		return;
	}
	clear(keys);
	for (uint32 i = 0; i < d->contents.nplaces; i++)
	{
		Entry		entry = d->contents.places[i];
		int64		more = entry.new_lines - entry.old_lines;

		if (more == 0)
			continue;
		entry.hash = entry.key;
		entry.new_lines = Max(more, 0);
		entry.old_lines = Max(-more, 0);
		add_entry(d, keys, &entry);
	}
	for (uint32 i = 0; i < keys->nplaces; i++)
		if (!is_empty(&keys->places[i]))
			count_key(d, &keys->places[i], changes);
}

static void
count_file(FactDifference *d, BufFile *file, Table *keys, FactChange *changes)
{
	Entry		entry;

	if (BufFileSeek(file, 0, 0, SEEK_SET) != 0)
		elog(ERROR, "could not rewind temporary file");
	clear(&d->contents);
	while (BufFileRead(file, &entry, sizeof(entry)) == sizeof(entry))
		add_entry(d, &d->contents, &entry);
	BufFileClose(file);
	CHECK_FOR_INTERRUPTS();
	count_contents(d, keys, changes);
}

bool
FactDifferenceResult(FactDifference *d, FactChange *changes)
{
	Table		keys = {0};

	memset(changes, 0, sizeof(FactChange) * FACT_CHANGES);
	if (d->spilled)
	{
		/* a file has few of the entries, and its table is as small */
		spill(d);
		release(&d->contents);
	}
	else
		count_contents(d, &keys, changes);
	for (int i = 0; i < FILES; i++)
	{
		if (d->file[i] != NULL)
			count_file(d, d->file[i], &keys, changes);
		d->file[i] = NULL;
	}
	release(&d->contents);
	release(&keys);
	if (d->all_doubtful)
		memset(changes, 0, sizeof(FactChange) * FACT_CHANGES);
	return d->exact;
}

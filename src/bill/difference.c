/*-------------------------------------------------------------------------
 *
 * difference.c
 *	  What a restated bill changed.
 *
 * A line is known by line item id and interval where it has an id, else by
 * its content; many lines may share one key.  Per key, lines in excess on the
 * new side are new, on the old side gone; those that are on both sides and
 * differ are changed.  The cost difference of a key goes to one of the three,
 * so that they add up to the difference of the deliveries.
 *
 * The lines of both deliveries are met in any order.  Per key only counts and
 * sums are kept, under a hash of 128 bits; what does not fit into memory goes
 * to temporary files by part of the hash, and the files are added up one
 * after the other.  Costs are fixed point; a line whose cost is not makes the
 * caller compare by SQL.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/facts.h"

#include "bill/hash.h"
#include "miscadmin.h"
#include "storage/buffile.h"
#include "utils/memutils.h"

#define MAX_PLACES		(256 * 1024)	/* of 64 to 80 bytes */
#define FIRST_PLACES	(4 * 1024)
#define FILES			128

typedef struct Key
{
	uint64		hash[2];
	uint64		content;		/* new minus old, hashes summed up */
	int32		new_lines;
	int32		old_lines;
	int128		billed;			/* new minus old */
	int128		effective;
} Key;

typedef enum Part
{
	PART_ID,
	PART_SPAN,
	PART_CONTENT,
	PART_DERIVED				/* from other columns, or nothing delivered */
} Part;

struct FactDifference
{
	MemoryContext context;
	bool		exact;
	int			n;
	int			id;
	int			span;
	int			billed;
	int			effective;
	Part		part[BILL_MAX_COLUMNS];
	BillOutColumn column[BILL_MAX_COLUMNS];

	Key		   *places;
	uint32		nplaces;		/* a power of two */
	uint32		nkeys;
	Key			waiting;		/* its place is on the way to the cache */
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

static void
new_places(FactDifference *d, uint32 nplaces)
{
	d->places = MemoryContextAllocExtended(d->context, sizeof(Key) * nplaces,
										   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	d->nplaces = nplaces;
	d->nkeys = 0;
}

FactDifference *
FactDifferenceNew(MemoryContext parent, int64 lines)
{
	MemoryContext context = AllocSetContextCreate(parent, "finops difference",
												  ALLOCSET_DEFAULT_SIZES);
	FactDifference *d = MemoryContextAllocZero(context, sizeof(FactDifference));
	uint32		nplaces = FIRST_PLACES;

	d->context = context;
	d->exact = true;
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
	}
	while (nplaces < MAX_PLACES && nplaces / 4 * 3 <= lines)
		nplaces *= 2;
	new_places(d, nplaces);
	return d;
}

/* ---------------------------------------------------------------------
 * Keys
 * ---------------------------------------------------------------------
 */

static bool
is_empty(const Key *key)
{
	return key->new_lines == 0 && key->old_lines == 0;
}

static Key *
place_of(FactDifference *d, const Key *key)
{
	uint32		at = (uint32) key->hash[0] & (d->nplaces - 1);

	while (!is_empty(&d->places[at]) &&
		   (d->places[at].hash[0] != key->hash[0] || d->places[at].hash[1] != key->hash[1]))
		at = (at + 1) & (d->nplaces - 1);
	return &d->places[at];
}

static void
grow(FactDifference *d)
{
	Key		   *old = d->places;
	uint32		nold = d->nplaces;

	new_places(d, nold * 2);
	for (uint32 i = 0; i < nold; i++)
		if (!is_empty(&old[i]))
		{
			*place_of(d, &old[i]) = old[i];
			d->nkeys++;
		}
	pfree(old);
}

/* Everything in memory goes to the files. */
static void
spill(FactDifference *d)
{
	MemoryContext old = MemoryContextSwitchTo(d->context);

	CHECK_FOR_INTERRUPTS();
	d->spilled = true;
	for (uint32 i = 0; i < d->nplaces; i++)
	{
		Key		   *key = &d->places[i];
		BufFile   **file = &d->file[key->hash[1] % FILES];

		if (is_empty(key))
			continue;
		if (*file == NULL)
			*file = BufFileCreateTemp(false);
		BufFileWrite(*file, key, sizeof(Key));
		memset(key, 0, sizeof(Key));
	}
	d->nkeys = 0;
	MemoryContextSwitchTo(old);
}

static void
add_key(FactDifference *d, const Key *key, bool may_spill)
{
	Key		   *place = place_of(d, key);

	if (is_empty(place))
	{
		if (d->nkeys >= d->nplaces / 4 * 3)
		{
			if (may_spill && d->nplaces >= MAX_PLACES)
				spill(d);
			else
				grow(d);
			place = place_of(d, key);
		}
		*place = *key;
		d->nkeys++;
		return;
	}
	place->content += key->content;
	place->new_lines += key->new_lines;
	place->old_lines += key->old_lines;
	if (__builtin_add_overflow(place->billed, key->billed, &place->billed) ||
		__builtin_add_overflow(place->effective, key->effective, &place->effective))
		d->exact = false;
}

/* ---------------------------------------------------------------------
 * Lines
 * ---------------------------------------------------------------------
 */

static uint64
hash_value(const FactDifference *d, int at, const FactValue *value)
{
	uint64		seed = BILL_HASH_SEED + (uint64) at;

	switch (d->column[at].kind)
	{
		case BILL_OUT_TEXT:
		case BILL_OUT_JSON:
			return BillHashBytes(value->data, (size_t) value->len, seed);
		case BILL_OUT_NUMBER:
			return BillHashWord(BillHashWord(seed, (uint64) value->units),
								(uint64) (value->units >> 64));
		default:
			return BillHashWord(seed, (uint64) value->word);
	}
}

/* The table is larger than the caches: a key is added when the next one comes. */
static void
add_waiting(FactDifference *d)
{
	if (!is_empty(&d->waiting))
		add_key(d, &d->waiting, true);
}

void
FactDifferenceAdd(FactDifference *d, const FactValue *values, bool is_new)
{
	Key			key = {0};
	uint64		content = 0;

	if (!d->exact)
		return;
	for (int i = 0; i < d->n; i++)
	{
		if (values[i].isnull || d->part[i] != PART_CONTENT)
			continue;
		if (d->column[i].kind == BILL_OUT_NUMBER && !values[i].exact)
		{
			d->exact = false;
			return;
		}
		content += hash_value(d, i, &values[i]);
	}
	if (!values[d->id].isnull)
		for (int k = 0; k < 2; k++)
		{
			uint64		seed = k == 0 ? BILL_HASH_SEED : BILL_HASH_SEED_2;

			key.hash[k] = BillHashBytes(values[d->id].data, (size_t) values[d->id].len, seed);
			if (!values[d->span].isnull)
				key.hash[k] = BillHashBytes(values[d->span].data,
											(size_t) values[d->span].len, key.hash[k]);
		}
	else
	{
		key.hash[0] = BillHashWord(BILL_HASH_SEED, content);
		key.hash[1] = BillHashWord(BILL_HASH_SEED_2, content);
	}
	key.content = is_new ? content : -content;
	key.new_lines = is_new;
	key.old_lines = !is_new;
	key.billed = is_new ? values[d->billed].units : -values[d->billed].units;
	key.effective = is_new ? values[d->effective].units : -values[d->effective].units;
	__builtin_prefetch(&d->places[(uint32) key.hash[0] & (d->nplaces - 1)], 1);
	add_waiting(d);
	d->waiting = key;
}

/* ---------------------------------------------------------------------
 * Result
 * ---------------------------------------------------------------------
 */

static void
count_key(FactDifference *d, const Key *key, FactChange *changes)
{
	int			n = key->new_lines;
	int			o = key->old_lines;
	FactChange *owner = &changes[n > o ? FACT_NEW : o > n ? FACT_GONE : FACT_CHANGED];

	if (key->content == 0 && n == o)
		return;
	changes[FACT_NEW].lines += Max(n - o, 0);
	changes[FACT_GONE].lines += Max(o - n, 0);
	if (key->content != 0)
		changes[FACT_CHANGED].lines += Min(n, o);
	if (__builtin_add_overflow(owner->billed, key->billed, &owner->billed) ||
		__builtin_add_overflow(owner->effective, key->effective, &owner->effective))
		d->exact = false;
}

static void
count_places(FactDifference *d, FactChange *changes)
{
	for (uint32 i = 0; i < d->nplaces; i++)
		if (!is_empty(&d->places[i]))
			count_key(d, &d->places[i], changes);
}

static void
count_file(FactDifference *d, BufFile *file, FactChange *changes)
{
	Key			key;

	if (BufFileSeek(file, 0, 0, SEEK_SET) != 0)
		elog(ERROR, "could not rewind temporary file");
	memset(d->places, 0, sizeof(Key) * d->nplaces);
	d->nkeys = 0;
	while (BufFileRead(file, &key, sizeof(key)) == sizeof(key))
		add_key(d, &key, false);
	BufFileClose(file);
	CHECK_FOR_INTERRUPTS();
	count_places(d, changes);
}

bool
FactDifferenceResult(FactDifference *d, FactChange *changes)
{
	memset(changes, 0, sizeof(FactChange) * FACT_CHANGES);
	add_waiting(d);
	memset(&d->waiting, 0, sizeof(Key));
	if (d->spilled)
		spill(d);
	else
		count_places(d, changes);
	for (int i = 0; i < FILES; i++)
	{
		if (d->file[i] != NULL)
			count_file(d, d->file[i], changes);
		d->file[i] = NULL;
	}
	return d->exact;
}

/*-------------------------------------------------------------------------
 *
 * keyed_sum.c
 *	  Exact sums by key in one block of bytes.
 *
 * A head, an open hash table of places, and behind it the bytes of the keys.
 * Sums are fixed point of 128 bits.  Nothing in the block is believed further
 * than it was checked: head and sizes by KeyedSumValid, the bytes of a key
 * whenever they are looked at, and a search visits each place once at most.
 * Places are copied out and in, for a block may stand at any address.
 *
 *-------------------------------------------------------------------------
 */
#include "reconcile/keyed_sum.h"

#include "bill/hash.h"

#define MAGIC			UINT32_C(0x6B73756D)	/* "ksum" */
#define FIRST_PLACES	UINT32_C(64)
#define MAX_PLACES		(UINT32_C(1) << 23)
#define FIRST_POOL		UINT32_C(1024)

typedef struct Head
{
	uint32		caller;
	uint32		magic;
	uint32		nplaces;		/* a power of two */
	uint32		n;
	uint32		pool;			/* bytes of keys */
	uint32		unused;
} Head;

typedef struct Place
{
	uint32		hash;
	uint32		scale;
	uint32		at;				/* of the key in the pool, from 1; 0: empty */
	uint32		len;
	uint64		low;			/* of the sum */
	uint64		high;
} Place;

static Head
head_of(const void *block)
{
	Head		head;

	memcpy(&head, block, sizeof(head));
	return head;
}

static size_t
pool_start(const Head *head)
{
	return sizeof(Head) + sizeof(Place) * (size_t) head->nplaces;
}

static void
get_place(const void *block, uint32 at, Place *place)
{
	memcpy(place, (const char *) block + sizeof(Head) + sizeof(Place) * (size_t) at, sizeof(Place));
}

static void
put_place(void *block, uint32 at, const Place *place)
{
	memcpy((char *) block + sizeof(Head) + sizeof(Place) * (size_t) at, place, sizeof(Place));
}

size_t
KeyedSumFirstSize(void)
{
	return sizeof(Head) + sizeof(Place) * FIRST_PLACES + FIRST_POOL;
}

size_t
KeyedSumGrownSize(const void *block, size_t size, uint32 key_len)
{
	Head		head = head_of(block);
	size_t		pool = size - pool_start(&head);

	return sizeof(Head) + sizeof(Place) * 2 * (size_t) head.nplaces + 2 * pool + key_len;
}

/* As many places as leave half of the block to them, and not too many. */
void
KeyedSumInit(void *block, size_t size)
{
	Head		head = {.magic = MAGIC, .nplaces = FIRST_PLACES};

	while (head.nplaces < MAX_PLACES &&
		   sizeof(Head) + sizeof(Place) * 2 * (size_t) head.nplaces + FIRST_POOL <= size)
		head.nplaces *= 2;
	memset(block, 0, pool_start(&head));
	memcpy(block, &head, sizeof(head));
}

bool
KeyedSumValid(const void *block, size_t size)
{
	Head		head;

	if (size < sizeof(Head))
		return false;
	head = head_of(block);
	return head.magic == MAGIC &&
		head.nplaces >= FIRST_PLACES && head.nplaces <= MAX_PLACES &&
		(head.nplaces & (head.nplaces - 1)) == 0 && head.n < head.nplaces &&
		pool_start(&head) <= size && head.pool <= size - pool_start(&head);
}

uint32
KeyedSumCount(const void *block)
{
	return head_of(block).n;
}

static bool
key_is_inside(const Head *head, const Place *place)
{
	return place->at >= 1 && place->at - 1 <= head->pool &&
		place->len <= head->pool - (place->at - 1);
}

static bool
add_units(Place *place, const KeyedAmount *amount)
{
	int128		sum = (int128) (((uint128) place->high << 64) | place->low);

	if (__builtin_add_overflow(sum, amount->units, &sum))
		return false;
	place->low = (uint64) sum;
	place->high = (uint64) ((uint128) sum >> 64);
	place->scale = Max(place->scale, amount->scale);
	return true;
}

static KeyedSumStatus
add_key(void *block, size_t size, Head *head, uint32 at, Place *place,
		const KeyedAmount *amount)
{
	size_t		room = size - pool_start(head) - head->pool;

	if (head->n >= head->nplaces / 4 * 3 || room < amount->len)
		return KEYED_SUM_FULL;
	place->at = head->pool + 1;
	place->len = amount->len;
	place->low = place->high = 0;
	place->scale = 0;
	(void) add_units(place, amount);
	memcpy((char *) block + pool_start(head) + head->pool, amount->key, amount->len);
	head->pool += amount->len;
	head->n++;
	put_place(block, at, place);
	memcpy(block, head, sizeof(*head));
	return KEYED_SUM_OK;
}

KeyedSumStatus
KeyedSumAdd(void *block, size_t size, KeyedAmount amount)
{
	Head		head = head_of(block);
	const char *pool = (const char *) block + pool_start(&head);
	uint32		hash = (uint32) BillHashBytes(amount.key, amount.len, BILL_HASH_SEED);
	uint32		at = hash & (head.nplaces - 1);

	for (uint32 i = 0; i < head.nplaces; i++, at = (at + 1) & (head.nplaces - 1))
	{
		Place		place;

		get_place(block, at, &place);
		if (place.at == 0)
		{
			place.hash = hash;
			return add_key(block, size, &head, at, &place, &amount);
		}
		if (!key_is_inside(&head, &place))
			return KEYED_SUM_BROKEN;
		if (place.hash != hash || place.len != amount.len ||
			memcmp(pool + place.at - 1, amount.key, amount.len) != 0)
			continue;
		if (!add_units(&place, &amount))
			return KEYED_SUM_OVERFLOW;
		put_place(block, at, &place);
		return KEYED_SUM_OK;
	}
	return KEYED_SUM_BROKEN;
}

KeyedSumStatus
KeyedSumCopy(const void *from, size_t from_size, void *to, size_t to_size)
{
	KeyedSumStatus status = KEYED_SUM_OK;
	KeyedAmount amount;
	uint32		at = 0;

	while (status == KEYED_SUM_OK && KeyedSumNext(from, from_size, &at, &amount))
		status = KeyedSumAdd(to, to_size, amount);
	return status;
}

bool
KeyedSumNext(const void *block, size_t size, uint32 *at, KeyedAmount *amount)
{
	Head		head = head_of(block);

	for (; *at < head.nplaces && pool_start(&head) <= size; (*at)++)
	{
		Place		place;

		get_place(block, *at, &place);
		if (place.at == 0 || !key_is_inside(&head, &place))
			continue;
		amount->key = (const char *) block + pool_start(&head) + place.at - 1;
		amount->len = place.len;
		amount->units = (int128) (((uint128) place.high << 64) | place.low);
		amount->scale = Min(place.scale, KEYED_SUM_SCALE);
		(*at)++;
		return true;
	}
	return false;
}

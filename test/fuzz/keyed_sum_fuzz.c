/* links: src/reconcile/keyed_sum.c */
/*
 * Sums by key in a block: any bytes are a block or refused, and work on one
 * never leaves it; sums in a block of our own are those that were added.
 */
#include "reconcile/keyed_sum.h"

#include <stdlib.h>

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Bytes that claim to be a block, then a key to add. */
static void
try_foreign(const uint8_t *data, size_t size)
{
	char	   *block = malloc(size + 1);
	KeyedAmount amount = {.key = "tenant", .len = 6, .units = 1};
	uint32		at = 0;

	if (block == NULL)
		return;
	memcpy(block, data, size);
	if (KeyedSumValid(block, size))
	{
		(void) KeyedSumAdd(block, size, amount);
		while (KeyedSumNext(block, size, &at, &amount))
			if (amount.len > size)
				abort();
	}
	free(block);
}

/* Each byte adds its value to one of a few keys; the block grows as needed. */
static void
try_own(const uint8_t *data, size_t size)
{
	size_t		room = KeyedSumFirstSize();
	char	   *block = malloc(room);
	int64		total = 0;
	KeyedAmount amount;
	uint32		at = 0;

	if (block == NULL)
		return;
	KeyedSumInit(block, room);
	for (size_t i = 0; i < size; i++)
	{
		amount = (KeyedAmount) {(const char *) data + i / 2, data[i] % (size - i / 2 + 1), data[i], 0};
		total += data[i];
		while (KeyedSumAdd(block, room, amount) == KEYED_SUM_FULL)
		{
			size_t		more = KeyedSumGrownSize(block, room, amount.len);
			char	   *larger = malloc(more);

			if (larger == NULL)
				abort();
			KeyedSumInit(larger, more);
			if (KeyedSumCopy(block, room, larger, more) != KEYED_SUM_OK)
				abort();
			free(block);
			block = larger;
			room = more;
		}
	}
	while (KeyedSumNext(block, room, &at, &amount))
		total -= (int64) amount.units;
	if (total != 0 || !KeyedSumValid(block, room))
		abort();
	free(block);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	try_foreign(data, size);
	try_own(data, size);
	return 0;
}

/* links: src/allocate/line_sums.c */
/*
 * Sums by tenant and key in a block: any bytes are a block or refused, and
 * work on one never leaves it; sums in a block of our own are those added.
 */
#include "allocate/line_sums.h"

#include <stdlib.h>

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void *
grow(void *block, const LineAmount *amount)
{
	LineSumsRoom room = LineSumsMoreRoom(block, amount);
	void	   *larger = malloc(LineSumsSize(&room));

	if (larger == NULL)
		abort();
	LineSumsInit(larger, &room);
	LineSumsCopy(block, larger);
	free(block);
	return larger;
}

/* Bytes that claim to be a block, then a line to add. */
static void
try_foreign(const uint8_t *data, size_t size)
{
	void	   *block = malloc(size + 1);
	LineAmount	amount = {{"tenant", 6}, {"key", 3}, 1, 2, true, 7};
	LineSum		sum;
	uint32		at = 0;

	if (block == NULL)
		return;
	memcpy(block, data, size);
	if (LineSumsValid(block, size))
	{
		for (int i = 0; i < 4 && LineSumsAdd(block, &amount) == LINE_SUMS_FULL; i++)
			block = grow(block, &amount);
		while (LineSumsNext(block, &at, &sum))
			if (sum.key.len > size + 9 || sum.tenant.len > size + 9)
				abort();
	}
	free(block);
}

/* Each byte is an amount of one of a few tenants and keys. */
static void
try_own(const uint8_t *data, size_t size)
{
	LineSumsRoom room = LineSumsFirstRoom();
	void	   *block = malloc(LineSumsSize(&room));
	int64		total = 0;
	LineSum		sum;
	uint32		at = 0;

	if (block == NULL)
		return;
	LineSumsInit(block, &room);
	for (size_t i = 0; i < size; i++)
	{
		uint32		len = (uint32) (data[i] % (size - i / 2 + 1));
		LineAmount	amount = {{data[i] % 5 == 0 ? NULL : (const char *) data + i / 2, len},
							  {(const char *) data, (uint32) (i % 40 % (size + 1))}, data[i], 0, false, 0};

		total += data[i];
		while (LineSumsAdd(block, &amount) == LINE_SUMS_FULL)
			block = grow(block, &amount);
	}
	while (LineSumsNext(block, &at, &sum))
		total -= (int64) sum.units;
	if (total != 0)
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

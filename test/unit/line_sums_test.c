/* links: src/allocate/line_sums.c */
/*-------------------------------------------------------------------------
 *
 * line_sums_test.c
 *	  Sums by tenant and key in a block against plain arrays.
 *
 *-------------------------------------------------------------------------
 */
#include "allocate/line_sums.h"
#include "random.h"
#include "tap.h"

#include <stdio.h>
#include <stdlib.h>

#define TENANTS	1500
#define KEYS	7

static int128 expected[TENANTS + 1][KEYS];
static uint32 scales[TENANTS + 1][KEYS];
static int64 named[KEYS][3];

static void *
new_block(const LineSumsRoom *room)
{
	void	   *block = malloc(LineSumsSize(room));

	if (block == NULL)
		exit(1);
	LineSumsInit(block, room);
	return block;
}

static void *
add(void *block, const LineAmount *amount)
{
	while (LineSumsAdd(block, amount) == LINE_SUMS_FULL)
	{
		LineSumsRoom room = LineSumsMoreRoom(block, amount);
		void	   *larger = new_block(&room);

		LineSumsCopy(block, larger);
		free(block);
		block = larger;
	}
	return block;
}

static int128
power(uint32 n)
{
	return n == 0 ? 1 : 10 * power(n - 1);
}

static void *
add_random(void *block, int64 line)
{
	int			tenant = (int) (next_random() % (TENANTS + 1));	/* 0: none */
	int			key = (int) (next_random() % KEYS);
	uint32		scale = (uint32) (next_random() % 9);
	int64		units = (int64) (next_random() % 2000000) - 1000000;
	char		name[32];
	char		text[300];
	LineAmount	amount = {{tenant == 0 ? NULL : name, 0}, {text, 0}, units, scale, tenant == 0, line};

	amount.tenant.len = (uint32) snprintf(name, sizeof(name), "tenant %d", tenant);
	amount.key.len = (uint32) snprintf(text, sizeof(text), "%*d", 1 + key * 40, key);
	/* all at nine digits, so that they can be compared */
	expected[tenant][key] += units * power(9 - scale);
	scales[tenant][key] = Max(scales[tenant][key], scale);
	if (tenant == 0)
	{
		named[key][1] = named[key][0] == 0 ? line : Min(named[key][1], line);
		named[key][2] = named[key][0] == 0 ? line : Max(named[key][2], line);
		named[key][0]++;
	}
	return add(block, &amount);
}

/* n of "tenant n", 0 for none */
static int
number_in(LineSlice name)
{
	int			n = 0;

	for (uint32 i = 7; i < name.len; i++)
		n = 10 * n + name.bytes[i] - '0';
	return n;
}

/* The sums that are not those expected, or not there. */
static int
count_wrong(const void *block)
{
	int			wrong = 0;
	int			sums = 0;
	LineSum		sum;
	uint32		at = 0;

	while (LineSumsNext(block, &at, &sum))
	{
		int			tenant = number_in(sum.tenant);
		int			key = (int) (sum.key.len - 1) / 40;

		wrong += sum.scale != scales[tenant][key] ||
			sum.units * power(9 - sum.scale) != expected[tenant][key];
		expected[tenant][key] = 0;
		sums++;
	}
	for (int t = 0; t <= TENANTS; t++)
		for (int k = 0; k < KEYS; k++)
			wrong += expected[t][k] != 0;
	return wrong + (sums > (TENANTS + 1) * KEYS);
}

static void
test_sums(void)
{
	LineSumsRoom room = LineSumsFirstRoom();
	void	   *block = new_block(&room);
	int			wrong = 0;

	for (int64 line = 100000; line > 0; line--)
		block = add_random(block, line);
	for (uint32 no = 1; no <= LineSumsTexts(block); no++)
	{
		LineText	t;
		int			key;

		LineSumsText(block, no, &t);
		if (t.n == 0)
			continue;
		key = (int) (t.text.len - 1) / 40;
		wrong += (int64) t.n != named[key][0] || t.first != named[key][1] || t.last != named[key][2];
	}
	ok(wrong == 0, "the lines of each key are counted, the first and the last known");
	ok(count_wrong(block) == 0, "100000 lines of 1500 tenants and 7 keys: every sum, with the most digits of its amounts");
	free(block);
}

static void
test_limits(void)
{
	LineSumsRoom room = LineSumsFirstRoom();
	char	   *block = new_block(&room);
	size_t		size = LineSumsSize(&room);
	LineAmount	amount = {{NULL, 0}, {"", 0}, power(37), 0, false, 0};
	LineSum		sum;
	uint32		at = 0;

	ok(LineSumsValid(block, size) && !LineSumsValid(block, size - 1) && !LineSumsValid(block, 3), "a block of its own size");
	for (int i = 0; i < 17; i++)
		(void) LineSumsAdd(block, &amount);
	ok(LineSumsAdd(block, &amount) == LINE_SUMS_OVERFLOW, "what takes more than 127 bits is refused");
	amount = (LineAmount) {{NULL, 0}, {"", 0}, 1, 63, false, 0};
	ok(LineSumsAdd(block, &amount) == LINE_SUMS_OVERFLOW, "so are digits that the sum has no room for");
	ok(LineSumsNext(block, &at, &sum) && sum.units == 17 * power(37) && sum.scale == 0, "and the sum is as it was");
	amount = (LineAmount) {{NULL, 0}, {"", 0}, -17 * power(37), 0, false, 0};
	(void) LineSumsAdd(block, &amount);
	amount = (LineAmount) {{NULL, 0}, {"", 0}, 1, 63, false, 0};
	ok(LineSumsAdd(block, &amount) == LINE_SUMS_OK, "zero takes any digits");
	free(block);
}

static void
test_hostile(void)
{
	LineSumsRoom room = LineSumsFirstRoom();
	size_t		size = LineSumsSize(&room);
	char	   *good = new_block(&room);
	int			sane = 1;

	for (int64 line = 0; line < 40; line++)
	{
		LineAmount	amount = {{"t", 1}, {(const char *) &line, sizeof(line)}, line, 2, true, line};

		(void) LineSumsAdd(good, &amount);
	}
	for (int round = 0; round < 20000; round++)
	{
		char	   *block = malloc(size);
		LineAmount	amount = {{"u", 1}, {"v", 1}, 1, 0, true, 1};
		LineSum		sum;
		uint32		at = 0;

		if (block == NULL)
			exit(1);
		memcpy(block, good, size);
		for (uint64 i = next_random() % 4 + 1; i > 0; i--)
			block[next_random() % 2 == 0 ? next_random() % 64 : next_random() % size] = (char) next_random();
		if (LineSumsValid(block, size))
		{
			block = add(block, &amount);
			while (LineSumsNext(block, &at, &sum))
				sane &= sum.key.len < size && sum.tenant.len < size;
		}
		free(block);
	}
	ok(sane, "bytes that are changed are refused, or do no harm");
	free(good);
}

int
main(void)
{
	test_sums();
	test_limits();
	test_hostile();
	printf("1..%d\n", number);
	return failed > 0;
}

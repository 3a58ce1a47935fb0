/* links: src/invoice/price.c src/invoice/prorate.c */
/*-------------------------------------------------------------------------
 *
 * prorate_test.c
 *	  Parts of a period by hand, and random divisions that must add up.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/prorate.h"
#include "random.h"
#include "tap.h"

#include <stdio.h>
#include <stdlib.h>

static PriceDecimal
dec(const char *text)
{
	PriceDecimal value;

	if (!PriceParse(text, &value))
		abort();
	return value;
}

#define MAX_PARTS 40

/* Parts that end where the next begins, all at one price. */
static bool
splits(const char *price, int digits, int64 length, const int64 *ends, size_t n, const int64 *expected)
{
	ProratePart parts[MAX_PARTS];
	uint128		scratch[MAX_PARTS];
	bool		good;

	for (size_t i = 0; i < n; i++)
	{
		parts[i].start = i == 0 ? 0 : ends[i - 1];
		parts[i].end = ends[i];
		parts[i].price = dec(price);
	}
	good = ProrateSplit(parts, n, 0, length, digits, scratch);
	for (size_t i = 0; good && i < n; i++)
		if (parts[i].minor != expected[i])
		{
			printf("# part %zu: have %lld, want %lld\n", i, (long long) parts[i].minor, (long long) expected[i]);
			good = false;
		}
	return good;
}

#define SPLITS(price, digits, length, ends, ...) \
	splits(price, digits, length, (const int64[]) {ends}, \
		   lengthof(((const int64[]) {ends})), (const int64[]) {__VA_ARGS__})
#define EDGES(...) __VA_ARGS__

static void
test_by_hand(void)
{
	/* 322.58, 322.58, 354.84 cents: two spare ones go to .84 and the first .58 */
	ok(SPLITS("10", 2, 31, EDGES(10, 20, 31), 323, 322, 355), "three thirds of a 31-day month");
	ok(SPLITS("10", 2, 28, EDGES(14, 28), 500, 500), "two halves of a 28-day month");
	ok(SPLITS("99.99", 2, 30, EDGES(15, 30), 5000, 4999), "a tie goes to the earlier part");
	ok(SPLITS("99.99", 2, 30, EDGES(15), 5000), "a part alone is rounded half away from zero");
	ok(SPLITS("1000", 0, 29, EDGES(1, 29), 34, 966), "yen have no decimals");
	ok(SPLITS("1", 3, 31, EDGES(1, 2, 31), 32, 32, 936), "dinars have three");
	/* March 2026 in Berlin: 31 days less an hour; half of the seconds */
	ok(SPLITS("100", 2, 2674800, EDGES(1337400, 2674800), 5000, 5000), "a month with a day of 23 hours, by second");
	ok(SPLITS("0", 2, 31, EDGES(10, 31), 0, 0), "nothing costs nothing");
}

static void
test_upgrade(void)
{
	ProratePart parts[] = {{0, 10, dec("30"), 0}, {10, 31, dec("300"), 0}};
	uint128		scratch[2];
	int128		minor;

	/* 967.74 + 20322.58 = 21290.32 cents: one spare cent, to .74 */
	ok(ProrateSplit(parts, 2, 0, 31, 2, scratch) && parts[0].minor == 968 && parts[1].minor == 20322, "an upgrade after ten days");
	ok(ProrateBetween(dec("300"), 31, 10, 31, 2, &minor) && minor == 20323, "the rest of a month, billed apart");
	ok(ProrateBetween(dec("300"), 31, 0, 10, 2, &minor) && minor == 9677, "and what was used of it");
	parts[0].end = 32;
	ok(!ProrateSplit(parts, 2, 0, 31, 2, scratch) && !ProrateSplit(parts, 1, 0, 0, 2, scratch) &&
	   !ProrateBetween(dec("300"), 31, 10, 9, 2, &minor), "parts outside of the period are refused");
}

/* A random division of a period, some of it not covered, several prices. */
static bool
one_random(void)
{
	ProratePart parts[MAX_PARTS];
	uint128		scratch[MAX_PARTS];
	int64		length = next_random() % 2 == 0 ?
		28 + (int64) (next_random() % 4) : 2419200 + (int64) (next_random() % 260000);
	int			digits = (int) (next_random() % 5);
	size_t		n = 1 + next_random() % MAX_PARTS;
	PriceDecimal price = {(int64) (next_random() % 1000000000000), (int) (next_random() % 8)};
	int64		at = 0;
	bool		covered = next_random() % 2 == 0;
	int128		sum = 0;
	int128		apart = 0;
	int128		whole;
	int64		span = 0;
	int128		minor;

	for (size_t i = 0; i < n; i++)
	{
		parts[i].start = at;
		at += i == n - 1 && covered ? length - at : (int64) (next_random() % (uint64) (length - at + 1));
		parts[i].end = at;
		parts[i].price = price;
		span += at - parts[i].start;
		if (!ProrateBetween(price, length, parts[i].start, parts[i].end, digits, &minor))
			return false;
		apart += minor;
	}
	if (!ProrateSplit(parts, n, 0, length, digits, scratch))
		return false;
	price.units *= span;
	if (!PriceRoundRatio(price, length, digits, &whole))
		return false;
	for (size_t i = 0; i < n; i++)
	{
		PriceDecimal exact = parts[i].price;
		int128		nearest;

		sum += parts[i].minor;
		exact.units *= parts[i].end - parts[i].start;
		if (!PriceRoundRatio(exact, length, digits, &nearest) ||
			parts[i].minor - nearest > 1 || nearest - parts[i].minor > 1)
			return false;
	}
	return sum == whole && apart == whole;
}

int
main(void)
{
	int			wrong = 0;

	test_by_hand();
	test_upgrade();
	for (int i = 0; i < 20000; i++)
		wrong += !one_random();
	ok(wrong == 0, "20000 random divisions add up, together and apart");
	printf("1..%d\n", number);
	return failed != 0;
}

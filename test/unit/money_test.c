/* links: src/core/money.c */
/*-------------------------------------------------------------------------
 *
 * money_test.c
 *	  The kernel of exact money against plain 128-bit division and sorting,
 *	  and against published splits.
 *
 *-------------------------------------------------------------------------
 */
#include "core/money.h"
#include "random.h"
#include "tap.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct Claim
{
	uint64		remainder;
	uint64		weight;
	size_t		position;
} Claim;

static int
claim_order(const void *a, const void *b)
{
	const Claim *x = a;
	const Claim *y = b;

	if (x->remainder != y->remainder)
		return x->remainder > y->remainder ? -1 : 1;
	if (x->weight != y->weight)
		return x->weight > y->weight ? -1 : 1;
	return x->position < y->position ? -1 : x->position > y->position;
}

/* Largest remainder as the textbook says it. */
static void
plain_apportion(uint64 amount, const uint64 *weights, uint64 total, size_t n,
				uint64 *parts)
{
	Claim	   *claims = malloc(n * sizeof(Claim));
	uint64		left = amount;

	for (size_t i = 0; i < n; i++)
	{
		uint128		product = (uint128) amount * weights[i];

		parts[i] = (uint64) (product / total);
		claims[i] = (Claim) {(uint64) (product % total), weights[i], i};
		left -= parts[i];
	}
	qsort(claims, n, sizeof(Claim), claim_order);
	for (uint64 i = 0; i < left; i++)
		parts[claims[i].position]++;
	free(claims);
}

static bool
splits_as(uint64 amount, const uint64 *weights, size_t n, const uint64 *expected)
{
	uint64		parts[16];
	uint64		scratch[32];
	uint64		total = 0;

	for (size_t i = 0; i < n; i++)
		total += weights[i];
	MoneyApportion(amount, weights, total, n, parts, scratch, NULL);
	return memcmp(parts, expected, n * sizeof(uint64)) == 0;
}

static void
test_worked_cases(void)
{
	ok(splits_as(100, (uint64[]) {1, 1, 1}, 3, (uint64[]) {34, 33, 33}),
	   "100 over three equal parts: the first gets the left-over unit");
	/* Balinski and Young: a bigger house, a smaller part */
	ok(splits_as(25, (uint64[]) {1500, 1500, 900, 500, 500, 200}, 6,
				 (uint64[]) {7, 7, 4, 3, 3, 1}),
	   "Alabama paradox, 25 seats");
	ok(splits_as(26, (uint64[]) {1500, 1500, 900, 500, 500, 200}, 6,
				 (uint64[]) {8, 8, 5, 2, 2, 1}),
	   "Alabama paradox, 26 seats");
	ok(splits_as(7, (uint64[]) {0, 5, 0}, 3, (uint64[]) {0, 7, 0}),
	   "a zero weight gets nothing");
	ok(splits_as(0, (uint64[]) {3, 5}, 2, (uint64[]) {0, 0}),
	   "nothing to split");
	/* remainders 1/2 and 1/2: equal, the heavier weight goes first */
	ok(splits_as(2, (uint64[]) {1, 3}, 2, (uint64[]) {0, 2}),
	   "equal remainders go by weight");
	ok(splits_as(MONEY_MAX_UNITS, (uint64[]) {UINT64_MAX}, 1,
				 (uint64[]) {MONEY_MAX_UNITS}),
	   "largest amount and weight");
	ok(splits_as(MONEY_MAX_UNITS, (uint64[]) {UINT64_MAX - 1, 1}, 2,
				 (uint64[]) {MONEY_MAX_UNITS, 0}),
	   "a part just below half a unit");
}

/* What weights to try: all equal, few values, full range, small. */
static uint64
random_weight(int shape, size_t n)
{
	switch (shape)
	{
		case 0:
			return 7;
		case 1:
			return next_random() % 3;
		case 2:
			return next_random() / n;
		default:
			return next_random() % 1000000;
	}
}

static void
test_against_plain(void)
{
	enum {MAX_PARTS = 3000};
	static uint64 weights[MAX_PARTS],
				parts[MAX_PARTS],
				expected[MAX_PARTS],
				scratch[2 * MAX_PARTS];
	int			wrong = 0;

	for (int round = 0; round < 20000; round++)
	{
		size_t		n = 1 + next_random() % (round % 50 == 0 ? MAX_PARTS : 20);
		uint64		amount = next_random() >> (1 + next_random() % 60);
		uint64		total = 0;

		for (size_t i = 0; i < n; i++)
			total += weights[i] = random_weight(round % 4, n);
		if (total == 0)
			total = weights[0] = 1;
		MoneyApportion(amount, weights, total, n, parts, scratch, NULL);
		plain_apportion(amount, weights, total, n, expected);
		wrong += memcmp(parts, expected, n * sizeof(uint64)) != 0;
	}
	ok(wrong == 0, "20000 random splits agree with division and sorting");
}

static bool
encodes_as(uint64 units, bool negative, int scale, const char *bytes,
		   size_t len)
{
	unsigned char body[MONEY_MAX_ENCODED];

	return MoneyEncode(units, negative, scale, body) == len &&
		memcmp(body, bytes, len) == 0;
}

static void
test_codec(void)
{
	uint16_t	one_and_half[] = {0x8000 | 1 << 7, 1, 5000};
	uint16_t	minus_small[] = {0x8000 | 0x2000 | 5 << 7 | (-2 & 0x7F), 5000};
	uint16_t	long_form[] = {0x4000 | 2, 0, 12, 3400};
	uint16_t	nan[] = {0xC000};
	uint16_t	beyond[] = {0x8000 | 1 << 7, 1, 5500};
	MoneyUnits	m;
	int			wrong = 0;

	ok(encodes_as(15, false, 1, (char *) one_and_half, 6), "1.5 as stored");
	ok(encodes_as(5, true, 5, (char *) minus_small, 4), "-0.00005 as stored");
	ok(encodes_as(0, true, 2, (char *) (uint16_t[]) {0x8000 | 2 << 7}, 2),
	   "zero has no sign");
	ok(MoneyDecode(long_form, 8, &m) && m.units == 1234 && m.scale == 2 &&
	   m.negative, "-12.34 in the long form");
	ok(!MoneyDecode(nan, 2, &m), "NaN is not money");
	ok(!MoneyDecode(beyond, 6, &m), "digits beyond the scale are refused");
	ok(!MoneyDecode(nan, 1, &m) && !MoneyDecode(long_form, 2, &m),
	   "short input is refused");
	for (int round = 0; round < 200000; round++)
	{
		unsigned char body[MONEY_MAX_ENCODED];
		uint64		units = next_random() >> (1 + next_random() % 62);
		int			scale = (int) (next_random() % (MONEY_MAX_SCALE + 1));
		bool		negative = next_random() % 2;
		size_t		len = MoneyEncode(units, negative, scale, body);

		wrong += !(len <= MONEY_MAX_ENCODED && MoneyDecode(body, len, &m) &&
				   m.units == units && m.scale == scale &&
				   m.negative == (negative && units > 0));
	}
	ok(wrong == 0, "200000 random values survive encoding and decoding");
}

/* Digits of base 10000 in the long form of a stored numeric. */
static size_t
long_form(unsigned char *body, const uint16_t *digits, int n, int weight, int scale, bool negative)
{
	uint16_t	words[2 + 16] = {(uint16_t) ((negative ? 0x4000 : 0) | scale), (uint16_t) weight};

	memcpy(words + 2, digits, sizeof(uint16_t) * (size_t) n);
	memcpy(body, words, sizeof(uint16_t) * (size_t) (n + 2));
	return sizeof(uint16_t) * (size_t) (n + 2);
}

static void
test_wide(void)
{
	unsigned char body[64];
	int128		units;
	int			scale;
	int			wrong = 0;

	for (int round = 0; round < 100000; round++)
	{
		uint16_t	digits[9];
		int			n = (int) (next_random() % 9) + 1;
		int			weight = (int) (next_random() % 4) - 1;
		int			least = Max(0, 4 * (n - 1 - weight));
		bool		negative = next_random() % 2;
		int128		expected = 0;
		size_t		len;

		for (int i = 0; i < n; i++)
		{
			digits[i] = (uint16_t) (next_random() % 9999 + 1);
			expected = expected * 10000 + digits[i];
		}
		len = long_form(body, digits, n, weight, least, negative);
		if (n - 1 < weight)
			for (int i = n - 1; i < weight; i++)
				expected *= 10000;
		if (least > 24)
			wrong += MoneyDecodeWide(body, len, &units, &scale);
		else
			wrong += !MoneyDecodeWide(body, len, &units, &scale) || scale != least ||
				units != (negative ? -expected : expected);
	}
	ok(wrong == 0, "values of up to 36 digits, in 128 bits");
	ok(MoneyDecodeWide(body, long_form(body, (uint16_t[]) {5000}, 1, -1, 20, false), &units, &scale) &&
	   units == (int128) 5000000000 * 10000000000 && scale == 20, "0.50000000000000000000");
	ok(MoneyDecodeWide(body, long_form(body, (uint16_t[]) {1, 2500}, 2, 0, 2, true), &units, &scale) &&
	   units == -125 && scale == 2, "-1.25");
	ok(!MoneyDecodeWide(body, long_form(body, (uint16_t[]) {1, 2505}, 2, 0, 2, true), &units, &scale),
	   "digits beyond the scale are refused");
	ok(!MoneyDecodeWide(body, long_form(body, (uint16_t[]) {1}, 1, 9, 0, false), &units, &scale),
	   "37 digits are refused");
	ok(MoneyDecodeWide(body, long_form(body, (uint16_t[]) {0}, 0, 0, 3, false), &units, &scale) && units == 0 && scale == 3, "0.000");
	ok(!MoneyDecodeWide((uint16_t[]) {0xC000}, 2, &units, &scale) &&
	   !MoneyDecodeWide(body, 1, &units, &scale),
	   "so are NaN and what is too short");
}

static void
test_hostile_bytes(void)
{
	int			sane = 1;

	for (int round = 0; round < 200000; round++)
	{
		unsigned char body[24];
		size_t		len = next_random() % sizeof(body);
		MoneyUnits	m;
		int128		wide;
		int			scale;

		for (size_t i = 0; i < len; i++)
			body[i] = (unsigned char) next_random();
		if (MoneyDecodeWide(body, len, &wide, &scale))
			sane &= scale >= 0 && scale <= 24;
		if (MoneyDecode(body, len, &m))
			sane &= m.units <= MONEY_MAX_UNITS && m.scale >= 0;
	}
	ok(sane, "random bytes never decode beyond the limits");
}

int
main(void)
{
	test_worked_cases();
	test_against_plain();
	test_codec();
	test_wide();
	test_hostile_bytes();
	printf("1..%d\n", number);
	return failed > 0;
}

/* links: src/invoice/price.c */
/*-------------------------------------------------------------------------
 *
 * price_test.c
 *	  Price models by worked examples at their edges, decimals and rounding
 *	  by hand, and random prices against pricing unit by unit.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/price.h"
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

static bool
is(PriceDecimal value, const char *expected)
{
	char		text[PRICE_TEXT_MAX];

	if (PriceCompare(value, dec(expected)) == 0)
		return true;
	PriceFormat(value, text);
	printf("# have %s, want %s\n", text, expected);
	return false;
}

/* Rounded amounts in minor units. */
static bool
rounds(const char *value, int64 divisor, int digits, int64 expected)
{
	int128		minor;

	if (!PriceRoundRatio(dec(value), divisor, digits, &minor))
		return false;
	if (minor != expected)
		printf("# %s / %lld: have %lld, want %lld\n", value, (long long) divisor,
			   (long long) minor, (long long) expected);
	return minor == expected;
}

typedef struct Example
{
	const char *quantity;
	const char *amount;
} Example;

static void
check_examples(const char *text, const Price *price, const Example *examples, size_t n)
{
	bool		good = PriceCheck(price) == NULL;
	PriceResult result;

	if (!good)
		printf("# %s\n", PriceCheck(price));
	for (size_t i = 0; good && i < n; i++)
		if (PriceQuantity(price, dec(examples[i].quantity), NULL, 0, &result) != PRICE_OK ||
			!is(result.total, examples[i].amount))
		{
			printf("# quantity %s\n", examples[i].quantity);
			good = false;
		}
	ok(good, text);
}

#define EXAMPLES(text, price, ...) \
	check_examples(text, price, (const Example[]) {__VA_ARGS__}, \
				   lengthof(((const Example[]) {__VA_ARGS__})))

static void
test_decimals(void)
{
	char		text[PRICE_TEXT_MAX];
	PriceDecimal value;
	static const char *const bad[] = {"", "-", ".5", "5.", "1e3", "NaN", "Infinity",
		"1.2.3", " 1", "+1", "170141183460469231731687303715884105728",
	"0.000000000000000000000000000000000000001"};
	bool		good = true;

	for (size_t i = 0; i < lengthof(bad); i++)
		if (PriceParse(bad[i], &value))
		{
			printf("# accepted \"%s\"\n", bad[i]);
			good = false;
		}
	ok(good, "what is no decimal of 128 bits is refused");
	PriceFormat(dec("-0.050"), text);
	ok(strcmp(text, "-0.050") == 0, "a small negative decimal is written with all digits");
	PriceFormat(dec("170141183460469231731687303715884105727"), text);
	ok(strcmp(text, "170141183460469231731687303715884105727") == 0, "the largest value is written");
	ok(PriceCompare(dec("1.10"), dec("1.1")) == 0 && PriceCompare(dec("-2"), dec("1")) < 0 &&
	   PriceCompare(dec("100000000000000000000000000000000000000"), dec("0.00000000000000000000000000000000000001")) > 0 &&
	   PriceCompare(dec("-100000000000000000000000000000000000000"), dec("-0.00000000000000000000000000000000000001")) < 0 &&
	   PriceCompare(dec("0.00000000000000000000000000000000000001"), dec("100000000000000000000000000000000000000")) < 0,
	   "decimals compare by value, also too far apart to align");
	ok(PriceAdd(dec("0.1"), dec("0.02"), &value) && is(value, "0.12"), "a sum has the digits of both");
	ok(PriceMultiply(dec("0.000000000001"), dec("123456789012345678.5"), &value) && is(value, "123456.7890123456785"),
	   "a micro-price times a large quantity is exact");
	ok(!PriceMultiply(dec("12345678901234567890123"), dec("98765432109876543210987"), &value), "a product beyond 128 bits is refused");
	ok(PriceMultiply(dec("10000000000000000000000.0000000000"), dec("2.0000000000000000"), &value) &&
	   is(value, "20000000000000000000000"), "trailing zeros take no room");
}

static void
test_rounding(void)
{
	ok(rounds("0.005", 1, 2, 1) && rounds("-0.005", 1, 2, -1) && rounds("0.00499999999999", 1, 2, 0) &&
	   rounds("2.5", 1, 0, 3) && rounds("-2.5", 1, 0, -3) && rounds("1.0005", 1, 3, 1001) && rounds("7", 1, 4, 70000),
	   "half away from zero, exponents 0, 2, 3 and 4");
	ok(rounds("100", 3, 2, 3333) && rounds("200", 3, 2, 6667) && rounds("-200", 3, 2, -6667) && rounds("0.01", 2, 2, 1),
	   "a ratio is rounded once");
	/* 14.985 and 0.725: float products of these round the wrong way */
	ok(rounds("14.985", 1, 2, 1499) && rounds("0.725", 1, 2, 73), "decimal halves stay halves");
}

static void
test_plain_models(void)
{
	Price		standard = {.model = PRICE_STANDARD};
	Price		package = {.model = PRICE_PACKAGE};
	Price		capped = {.model = PRICE_STANDARD};

	standard.unit_price = dec("0.0125");
	EXAMPLES("standard", &standard, {"0", "0"}, {"1", "0.0125"}, {"80", "1"}, {"0.5", "0.00625"}, {"1000000000000", "12500000000"});
	standard.included = dec("100");
	EXAMPLES("standard with an included allowance", &standard, {"0", "0"}, {"99.999", "0"}, {"100", "0"}, {"100.001", "0.0000125"}, {"101", "0.0125"});
	standard.flat_fee = dec("9.99");
	EXAMPLES("a flat fee is due for nothing, too", &standard, {"0", "9.99"}, {"100", "9.99"}, {"101", "10.0025"});

	package.unit_price = dec("5");
	package.package_size = dec("100");
	EXAMPLES("package", &package, {"0", "0"}, {"0.001", "5"}, {"1", "5"}, {"100", "5"}, {"100.5", "10"}, {"101", "10"}, {"200", "10"}, {"201", "15"});
	package.included = dec("250");
	EXAMPLES("package with an included allowance", &package, {"250", "0"}, {"251", "5"}, {"350", "5"}, {"351", "10"});

	capped.unit_price = dec("2");
	capped.minimum = dec("50");
	capped.maximum = dec("80");
	capped.has_maximum = true;
	EXAMPLES("minimum commitment and maximum", &capped, {"0", "50"}, {"24", "50"}, {"25", "50"}, {"26", "52"}, {"39", "78"}, {"40", "80"}, {"41", "80"});
	{
		PriceResult r;

		ok(PriceQuantity(&capped, dec("24"), NULL, 0, &r) == PRICE_OK && is(r.amount, "48") && is(r.true_up, "2") && is(r.over_maximum, "0"),
		   "the true-up is what is missing to the minimum");
		ok(PriceQuantity(&capped, dec("41"), NULL, 0, &r) == PRICE_OK && is(r.amount, "82") && is(r.true_up, "0") && is(r.over_maximum, "2"),
		   "what exceeds the maximum is known");
		ok(PriceQuantity(&capped, dec("-0.000001"), NULL, 0, &r) == PRICE_NEGATIVE, "a negative quantity is refused");
		ok(PriceQuantity(&capped, dec("170141183460469231731687303715884105727"), NULL, 0, &r) == PRICE_RANGE, "an amount beyond 128 bits is refused");
	}
}

/* up to 10: 1.00 each, up to 20: 0.50, beyond: 0.25; fees 3, 2, 1 */
static void
test_tiers(void)
{
	const PriceTier tiers[] = {
		{.up_to = dec("10"), .unit_price = dec("1"), .flat_fee = dec("3")},
		{.up_to = dec("20"), .unit_price = dec("0.5"), .flat_fee = dec("2")},
		{.open_ended = true, .unit_price = dec("0.25"), .flat_fee = dec("1")},
	};
	Price		price = {.model = PRICE_GRADUATED, .tiers = tiers, .ntiers = 3};
	PricePart	parts[4];
	PriceResult r;

	EXAMPLES("graduated with fees", &price,
			 {"0", "0"}, {"1", "4"}, {"10", "13"}, {"10.5", "15.25"}, {"11", "15.5"}, {"20", "20"}, {"21", "21.25"}, {"100", "41"});
	ok(PriceQuantity(&price, dec("21"), parts, lengthof(parts), &r) == PRICE_OK && r.nparts == 3 &&
	   is(parts[0].amount, "13") && is(parts[1].amount, "7") && is(parts[2].amount, "1.25") && is(parts[2].quantity, "1"),
	   "the steps of a graduated price are told");
	price.included = dec("5");
	EXAMPLES("graduated beyond an included allowance", &price, {"5", "0"}, {"6", "4"}, {"15", "13"}, {"16", "15.5"});
	price.included = dec("0");
	price.model = PRICE_VOLUME;
	EXAMPLES("volume with fees", &price,
			 {"0", "0"}, {"1", "4"}, {"10", "13"}, {"10.5", "7.25"}, {"11", "7.5"}, {"20", "12"}, {"21", "6.25"}, {"100", "26"});
}

static const char *
check_two(const char *first, const char *second, bool open_ended, const char *price)
{
	const PriceTier tiers[] = {
		{.up_to = dec(first), .unit_price = dec(price)},
		{.up_to = dec(second), .unit_price = dec("1"), .open_ended = open_ended},
	};
	Price		p = {.model = PRICE_VOLUME, .tiers = tiers, .ntiers = 2};

	return PriceCheck(&p);
}

static void
test_checks(void)
{
	Price		p = {.model = PRICE_GRADUATED};

	ok(PriceCheck(&p) != NULL, "tiers are needed");
	ok(check_two("10", "0", true, "1") == NULL && check_two("10", "20", false, "1") != NULL, "the last tier is open-ended");
	ok(check_two("0", "0", true, "1") != NULL && check_two("10", "0", true, "-1") != NULL, "edges above zero, prices not below");
	p.model = PRICE_PACKAGE;
	ok(PriceCheck(&p) != NULL, "a package has a size");
	p.model = PRICE_STANDARD;
	ok(PriceCheck(&p) == NULL, "a free unit is a price");
	p.rate_pct = dec("1");
	ok(PriceCheck(&p) != NULL, "a rate belongs to a percentage");
	p.rate_pct = dec("0");
	p.minimum = dec("2");
	p.maximum = dec("1");
	p.has_maximum = true;
	ok(PriceCheck(&p) != NULL, "the minimum is not above the maximum");
}

static bool
transactions_are(const Price *price, const char *const *amounts, size_t n, const char *total)
{
	PriceTransaction t[16];
	PriceResult r;

	for (size_t i = 0; i < n; i++)
	{
		t[i].quantity = dec(amounts[i]);
		t[i].price = dec("1");
	}
	return PriceCheck(price) == NULL && PriceTransactions(price, t, n, &r) == PRICE_OK && is(r.total, total);
}

#define TRANSACTIONS(price, total, ...) \
	transactions_are(price, (const char *const[]) {__VA_ARGS__}, \
					 lengthof(((const char *const[]) {__VA_ARGS__})), total)

static void
test_percentage(void)
{
	Price		p = {.model = PRICE_PERCENTAGE};

	p.rate_pct = dec("1.5");
	p.fixed_fee = dec("0.25");
	ok(TRANSACTIONS(&p, "3.5", "100", "100") && TRANSACTIONS(&p, "0.25", "0"), "rate and fixed fee per transaction");
	p.has_free_count = true;
	p.free_count = 2;
	ok(TRANSACTIONS(&p, "0", "100", "100") && TRANSACTIONS(&p, "1.75", "100", "5", "100"), "free transactions by count");
	p.has_free_amount = true;
	p.free_amount = dec("120");
	/* the second crosses: 80 of it are charged 1.20 and the fee; the third in full */
	ok(TRANSACTIONS(&p, "0", "100", "20") && TRANSACTIONS(&p, "1.45", "100", "100") && TRANSACTIONS(&p, "3.2", "100", "100", "100"),
	   "free transactions by amount, whichever is used up first");
	ok(TRANSACTIONS(&p, "1.75", "10", "10", "100"), "free transactions by count, whichever is used up first");
	p.has_free_count = p.has_free_amount = false;
	p.free_count = 0;
	p.free_amount = dec("0");
	p.transaction_min = dec("0.50");
	p.transaction_max = dec("2");
	p.has_transaction_max = true;
	/* 0.265 -> 0.50; 0.25 + 0.25 = 0.50; 1.75; 2.00 at 116.666...; 3.25 -> 2 */
	ok(TRANSACTIONS(&p, "0.5", "1") && TRANSACTIONS(&p, "0.5000", "16.66") && TRANSACTIONS(&p, "0.50005", "16.67") &&
	   TRANSACTIONS(&p, "1.75", "100") && TRANSACTIONS(&p, "1.99990", "116.66") && TRANSACTIONS(&p, "2", "116.67") && TRANSACTIONS(&p, "2", "200"),
	   "minimum and maximum per transaction, at their edges");
	{
		PriceTransaction t = {dec("-1"), dec("1")};
		PriceResult r;

		ok(PriceTransactions(&p, &t, 1, &r) == PRICE_NEGATIVE, "a negative amount is refused");
	}
}

static void
test_dynamic_and_cost(void)
{
	PriceTransaction t[] = {{dec("10"), dec("0.12")}, {dec("5"), dec("0.3")}, {dec("0"), dec("9")}};
	Price		p = {.model = PRICE_DYNAMIC, .unit_price = dec("1.5")};
	PriceResult r;
	PriceDecimal amount;

	ok(PriceTransactions(&p, t, lengthof(t), &r) == PRICE_OK && is(r.total, "4.05") && is(r.charged, "15"), "usage that carries its price, times a multiplier");
	p.included = dec("12");
	ok(PriceTransactions(&p, t, lengthof(t), &r) == PRICE_OK && is(r.total, "1.35") && is(r.charged, "3"), "included units are used up in order");
	p.included = dec("15");
	ok(PriceTransactions(&p, t, lengthof(t), &r) == PRICE_OK && is(r.total, "0"), "all included");
	ok(PriceCostPlus(dec("123.456789"), dec("7.5"), &amount) == PRICE_OK && is(amount, "132.716048175"), "cost plus 7.5 percent");
	ok(PriceCostPlus(dec("-10"), dec("20"), &amount) == PRICE_OK && is(amount, "-12"), "a credit of cost keeps its sign");
	ok(PriceCostPlus(dec("10"), dec("0"), &amount) == PRICE_OK && is(amount, "10"), "at cost");
}

/*
 * Whole quantities, priced one unit after the other: a unit goes by the tier
 * that its running number falls into.
 */
static int64
unit_by_unit(PriceModel model, const PriceTier *tiers, int64 quantity)
{
	int64		sum = 0;
	int			entered = -1;

	for (int64 unit = 1; unit <= quantity; unit++)
	{
		int			tier = 0;

		while (!tiers[tier].open_ended && (model == PRICE_VOLUME ? quantity : unit) > tiers[tier].up_to.units)
			tier++;
		sum += (int64) tiers[tier].unit_price.units;
		if (tier > entered)
			sum += (int64) tiers[tier].flat_fee.units;
		entered = tier;
	}
	return sum;
}

static void
test_random(void)
{
	int			wrong = 0;

	for (int round = 0; round < 3000; round++)
	{
		PriceTier	tiers[5];
		Price		price = {.model = round % 2 == 0 ? PRICE_GRADUATED : PRICE_VOLUME, .tiers = tiers};
		int64		edge = 0;
		PriceResult r;

		price.ntiers = 1 + (int) (next_random() % lengthof(tiers));
		memset(tiers, 0, sizeof(tiers));
		for (int i = 0; i < price.ntiers; i++)
		{
			edge += 1 + (int64) (next_random() % 20);
			tiers[i].up_to.units = edge;
			tiers[i].open_ended = i == price.ntiers - 1;
			tiers[i].unit_price.units = (int64) (next_random() % 1000);
			tiers[i].flat_fee.units = (int64) (next_random() % 100);
		}
		for (int64 q = 0; q <= edge + 3; q++)
		{
			PriceDecimal quantity = {q, 0};

			wrong += PriceQuantity(&price, quantity, NULL, 0, &r) != PRICE_OK ||
				r.total.scale != 0 || r.total.units != unit_by_unit(price.model, tiers, q);
		}
	}
	ok(wrong == 0, "3000 random tier prices agree with pricing unit by unit");
}

/* Values of numeric's stored form, header and base-10000 digits. */
static void
test_stored_form(void)
{
	const uint16_t price[] = {0x8000 | (4 << 7), 12, 3400};	/* 12.34, scale 4 */
	const uint16_t micro[] = {0x8000 | 0x2000 | (12 << 7) | 0x7D, 1};	/* -10^-12 */
	const uint16_t big[] = {0x8000 | 5, 1};	/* 10^20 */
	const uint16_t nan[] = {0xC000};
	const uint16_t none[] = {0x8000};
	PriceDecimal value;

	ok(PriceDecode(price, sizeof(price), &value) && is(value, "12.34"), "stored 12.34");
	ok(PriceDecode(micro, sizeof(micro), &value) && is(value, "-0.000000000001"), "stored -10^-12");
	ok(PriceDecode(big, sizeof(big), &value) && is(value, "100000000000000000000"), "stored 10^20");
	ok(PriceDecode(none, sizeof(none), &value) && is(value, "0"), "stored 0");
	ok(!PriceDecode(nan, sizeof(nan), &value) && !PriceDecode(nan, 1, &value), "NaN is no price");
}

int
main(void)
{
	test_decimals();
	test_rounding();
	test_plain_models();
	test_tiers();
	test_checks();
	test_percentage();
	test_dynamic_and_cost();
	test_random();
	test_stored_form();
	printf("1..%d\n", number);
	return failed != 0;
}

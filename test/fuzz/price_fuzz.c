/* links: src/invoice/price.c */
/*
 * Prices made of any bytes: no overflow, a total within its limits, and more
 * never costs less by a graduated price.
 */
#include "invoice/price.h"

#include <stdlib.h>

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Input
{
	const uint8_t *at;
	const uint8_t *end;
} Input;

static int64
take(Input *in)
{
	int64		value = 0;

	for (int i = 0; i < 8 && in->at < in->end; i++)
		value = (int64) (((uint64) value << 8) | *in->at++);
	return value;
}

static PriceDecimal
take_decimal(Input *in)
{
	int			shift = (int) (take(in) & 63);
	PriceDecimal value = {(int128) take(in) * (1 + (take(in) & 0xFFFFFFFF)), shift % (PRICE_MAX_SCALE + 1)};

	return value;
}

static void
check_more(const Price *price, PriceDecimal quantity, const PriceResult *less)
{
	PriceDecimal one = {1, 0};
	PriceResult more;

	if (price->model == PRICE_GRADUATED && PriceAdd(quantity, one, &quantity) &&
		PriceQuantity(price, quantity, NULL, 0, &more) == PRICE_OK &&
		PriceCompare(more.total, less->total) < 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Input		in = {data, data + size};
	PriceTier	tiers[4] = {0};
	Price		price = {.tiers = tiers};
	PricePart	parts[4];
	PriceDecimal quantity;
	PriceResult result;
	char		text[PRICE_TEXT_MAX];

	price.model = (PriceModel) (take(&in) & 7);
	if (price.model > PRICE_DYNAMIC)
		return 0;
	price.ntiers = (int) (take(&in) & 3);
	for (int i = 0; i < price.ntiers; i++)
	{
		tiers[i].up_to = take_decimal(&in);
		tiers[i].open_ended = i == price.ntiers - 1;
		tiers[i].unit_price = take_decimal(&in);
		tiers[i].flat_fee = take_decimal(&in);
	}
	price.flat_fee = take_decimal(&in);
	price.unit_price = take_decimal(&in);
	price.included = take_decimal(&in);
	price.package_size = take_decimal(&in);
	price.rate_pct = take_decimal(&in);
	price.minimum = take_decimal(&in);
	price.maximum = take_decimal(&in);
	price.has_maximum = take(&in) & 1;
	quantity = take_decimal(&in);
	PriceFormat(quantity, text);
	if (PriceDecode(data, size, &result.total))
		PriceFormat(result.total, text);
	if (PriceCheck(&price) != NULL ||
		PriceQuantity(&price, quantity, parts, 4, &result) != PRICE_OK)
		return 0;
	if (result.total.units < 0 || PriceCompare(result.total, price.minimum) < 0 ||
		(price.has_maximum && PriceCompare(result.total, price.maximum) > 0))
		abort();
	check_more(&price, quantity, &result);
	return 0;
}

/*-------------------------------------------------------------------------
 *
 * price.c
 *	  What usage costs: price models on exact decimals.
 *
 * Prices, quantities and amounts are decimals of 128 bits; sums and products
 * are exact, and what does not fit is refused rather than rounded.  Every
 * model is closed under decimals: a percent is a factor of 0.01, a package
 * count is a whole number.  Only PriceRound and PriceRoundRatio round, half
 * away from zero, to the minor unit of a currency, once for a line.
 *
 * Conventions at the edges.  Included units are taken off first.  A quantity
 * of exactly an edge belongs to the tier below it.  Zero units enter no tier
 * and begin no package; they cost the flat fee of the price alone.  A
 * graduated price charges the fee of each tier that is entered, a volume
 * price that of the tier reached.  A percentage price frees transactions
 * until the free count or the free amount is used up, whichever is first; one
 * that crosses the free amount is charged for what is beyond it.  Its limits
 * per transaction hold for charged transactions, their fixed fee included.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/price.h"

static const PriceDecimal zero = {0, 0};
static const PriceDecimal one = {1, 0};
static const PriceDecimal percent = {1, 2};

/* ---------------------------------------------------------------------
 * Decimals
 * ---------------------------------------------------------------------
 */

/* units * 10^digits; false, and nothing is changed, when that does not fit. */
static bool
scale_up(int128 *units, int digits)
{
	int128		scaled = *units;
	int64		factor = 1;

	if (scaled == 0)
		return true;
	if (digits > PRICE_MAX_SCALE)
		return false;
	for (; digits >= 18; digits -= 18)
		if (__builtin_mul_overflow(scaled, (int128) INT64_C(1000000000000000000), &scaled))
			return false;
	for (; digits > 0; digits--)
		factor *= 10;
	if (__builtin_mul_overflow(scaled, (int128) factor, &scaled))
		return false;
	*units = scaled;
	return true;
}

/* The same value with the fewest digits. */
PriceDecimal
PriceTrim(PriceDecimal value)
{
	if (value.units == 0)
		return zero;
	while (value.scale > 0 && value.units % 10 == 0)
	{
		value.units /= 10;
		value.scale--;
	}
	return value;
}

/* The same value with at least scale digits after the point. */
bool
PriceRescale(PriceDecimal *value, int scale)
{
	if (value->scale < scale && !scale_up(&value->units, scale - value->scale))
		return false;
	value->scale = Max(value->scale, scale);
	return true;
}

static bool
align(PriceDecimal *a, PriceDecimal *b)
{
	return PriceRescale(a, b->scale) && PriceRescale(b, a->scale);
}

bool
PriceAdd(PriceDecimal a, PriceDecimal b, PriceDecimal *sum)
{
	PriceDecimal x = a;
	PriceDecimal y = b;

	if (!align(&x, &y))
	{
		x = PriceTrim(a);
		y = PriceTrim(b);
		if (!align(&x, &y))
			return false;
	}
	sum->scale = x.scale;
	return !__builtin_add_overflow(x.units, y.units, &sum->units);
}

/* Magnitudes stay below 2^127, so the negative of a value is always there. */
static bool
is_lowest(int128 units)
{
	return units == (int128) ((uint128) 1 << 127);
}

bool
PriceSubtract(PriceDecimal a, PriceDecimal b, PriceDecimal *difference)
{
	if (is_lowest(b.units))
		return false;
	b.units = -b.units;
	return PriceAdd(a, b, difference);
}

bool
PriceMultiply(PriceDecimal a, PriceDecimal b, PriceDecimal *product)
{
	int128		units;

	if (a.units == 0 || b.units == 0)
	{
		*product = zero;
		return true;
	}
	if (a.scale + b.scale > PRICE_MAX_SCALE ||
		__builtin_mul_overflow(a.units, b.units, &units))
	{
		a = PriceTrim(a);
		b = PriceTrim(b);
		if (a.scale + b.scale > PRICE_MAX_SCALE ||
			__builtin_mul_overflow(a.units, b.units, &units))
			return false;
	}
	product->units = units;
	product->scale = a.scale + b.scale;
	return !is_lowest(units);
}

/* -1, 0, 1; values too far apart to align differ in their whole part. */
int
PriceCompare(PriceDecimal a, PriceDecimal b)
{
	PriceDecimal x = PriceTrim(a);
	PriceDecimal y = PriceTrim(b);

	if ((x.units < 0) != (y.units < 0))
		return x.units < 0 ? -1 : 1;
	if (!align(&x, &y))
	{
		bool		negative = x.units < 0;
		bool		a_is_larger = x.scale < y.scale;

		/* only the one with fewer digits after the point overflows */
		return a_is_larger != negative ? 1 : -1;
	}
	return x.units < y.units ? -1 : x.units > y.units;
}

/*
 * Half away from zero to digits after the point, in minor units.  divisor is
 * above zero: value / divisor is rounded once.
 */
bool
PriceRoundRatio(PriceDecimal value, int128 divisor, int digits, int128 *minor)
{
	bool		negative = value.units < 0;
	uint128		magnitude;
	uint128		quotient;
	uint128		rest;
	int128		whole;

	if (value.scale > digits && !scale_up(&divisor, value.scale - digits))
	{
		value = PriceTrim(value);
		if (value.scale > digits && !scale_up(&divisor, value.scale - digits))
			return false;
	}
	whole = value.units;
	if (value.scale < digits && !scale_up(&whole, digits - value.scale))
		return false;
	magnitude = negative ? -(uint128) whole : (uint128) whole;
	if (divisor == 1)
	{
		*minor = whole;
		return true;
	}
	if ((magnitude >> 64) == 0 && ((uint128) divisor >> 64) == 0)
	{
		quotient = (uint64) magnitude / (uint64) divisor;
		rest = (uint64) magnitude % (uint64) divisor;
	}
	else
	{
		quotient = magnitude / (uint128) divisor;
		rest = magnitude % (uint128) divisor;
	}
	if (rest >= (uint128) divisor - rest)
		quotient++;
	*minor = negative ? -(int128) quotient : (int128) quotient;
	return true;
}

bool
PriceRound(PriceDecimal value, int digits, int128 *minor)
{
	return PriceRoundRatio(value, 1, digits, minor);
}

/* [-]digits[.digits], nothing else; false as well when it does not fit. */
bool
PriceParse(const char *text, PriceDecimal *result)
{
	bool		negative = *text == '-';
	bool		point = false;
	int			ndigits = 0;
	PriceDecimal value = {0, 0};

	for (text += negative; *text != '\0'; text++)
	{
		if (*text == '.' && !point && ndigits > 0)
		{
			point = true;
			continue;
		}
		if (*text < '0' || *text > '9' || (point && value.scale == PRICE_MAX_SCALE) ||
			__builtin_mul_overflow(value.units, (int128) 10, &value.units) ||
			__builtin_add_overflow(value.units, (int128) (*text - '0'), &value.units))
			return false;
		value.scale += point;
		ndigits++;
	}
	if (ndigits == 0 || (point && value.scale == 0))
		return false;
	if (negative)
		value.units = -value.units;
	*result = value;
	return true;
}

/* All digits of the scale; writes at most PRICE_TEXT_MAX bytes. */
void
PriceFormat(PriceDecimal value, char *text)
{
	char		digits[PRICE_TEXT_MAX];
	bool		negative = value.units < 0;
	uint128		rest = negative ? -(uint128) value.units : (uint128) value.units;
	int			n = 0;

	while (rest > 0 || n <= value.scale)
	{
		digits[n++] = (char) ('0' + (int) (rest % 10));
		rest /= 10;
	}
	if (negative)
		*text++ = '-';
	while (n > 0)
	{
		if (n == value.scale)
			*text++ = '.';
		*text++ = digits[--n];
	}
	*text = '\0';
}

/*
 * The stored form of a numeric without its length word: header and
 * base-10000 digits, as in core/money.c but with 128 bits.  False for NaN
 * and infinities and for what does not fit.
 */
bool
PriceDecode(const void *body, size_t len, PriceDecimal *result)
{
	const unsigned char *p = body;
	uint16_t	header;
	uint16_t	digit;
	int			weight;
	int			scale;
	int			ndigits;
	int			last;
	int128		units = 0;

	if (len < 2)
		return false;
	memcpy(&header, p, 2);
	if ((header & 0xC000) == 0xC000)
		return false;
	if ((header & 0xC000) == 0x8000)
	{
		weight = (header & 0x3F) - (header & 0x40);
		scale = (header & 0x1F80) >> 7;
		p += 2;
		len -= 2;
	}
	else
	{
		int16_t		stored;

		if (len < 4)
			return false;
		memcpy(&stored, p + 2, 2);
		weight = stored;
		scale = header & 0x3FFF;
		p += 4;
		len -= 4;
	}
	ndigits = (int) (len / 2);
	if (ndigits == 0)
	{
		*result = zero;
		return true;
	}
	if (weight > 10 || weight - ndigits < -12)
		return false;

	/* whole number of base-10000 digits first, then down to the scale */
	for (int i = 0; i < ndigits; i++)
	{
		memcpy(&digit, p + 2 * i, 2);
		if (__builtin_mul_overflow(units, (int128) 10000, &units) ||
			__builtin_add_overflow(units, (int128) digit, &units))
			return false;
	}
	last = (ndigits - 1 - weight) * 4;	/* digits after the point */
	if (last < 0)
	{
		if (!scale_up(&units, -last))
			return false;
		last = 0;
	}
	for (; last > scale && units % 10 == 0; last--)
		units /= 10;
	if (last > PRICE_MAX_SCALE)
		return false;
	if ((header & 0xC000) == 0x8000 ? (header & 0x2000) != 0 : (header & 0xC000) == 0x4000)
		units = -units;
	result->units = units;
	result->scale = last;
	return true;
}

/* ---------------------------------------------------------------------
 * Checks
 * ---------------------------------------------------------------------
 */

static const char *
check_tiers(const Price *price)
{
	PriceDecimal floor = zero;

	if (price->ntiers == 0)
		return "A graduated or volume price needs tiers.";
	for (int i = 0; i < price->ntiers; i++)
	{
		const PriceTier *tier = &price->tiers[i];

		if (tier->unit_price.units < 0 || tier->flat_fee.units < 0)
			return "Prices of tiers must not be negative.";
		if (tier->open_ended != (i == price->ntiers - 1))
			return tier->open_ended ?
				"Only the last tier is without an upper edge." :
				"The last tier must be without an upper edge.";
		if (!tier->open_ended && PriceCompare(tier->up_to, floor) <= 0)
			return "Upper edges of tiers must be above zero and ascending.";
		floor = tier->up_to;
	}
	return NULL;
}

const char *
PriceCheck(const Price *price)
{
	bool		by_percent = price->model == PRICE_PERCENTAGE;

	if (price->flat_fee.units < 0 || price->unit_price.units < 0 ||
		price->rate_pct.units < 0 || price->fixed_fee.units < 0)
		return "Prices must not be negative.";
	if (price->included.units < 0 || price->free_amount.units < 0 || price->free_count < 0)
		return "Included quantities must not be negative.";
	if (price->minimum.units < 0 || (price->has_maximum && price->maximum.units < 0) ||
		price->transaction_min.units < 0 ||
		(price->has_transaction_max && price->transaction_max.units < 0))
		return "Minimum and maximum must not be negative.";
	if (price->has_maximum && PriceCompare(price->minimum, price->maximum) > 0)
		return "The minimum is above the maximum.";
	if (price->has_transaction_max &&
		PriceCompare(price->transaction_min, price->transaction_max) > 0)
		return "The minimum of a transaction is above its maximum.";
	if (!by_percent &&
		(price->rate_pct.units != 0 || price->fixed_fee.units != 0 ||
		 price->has_free_count || price->has_free_amount ||
		 price->transaction_min.units != 0 || price->has_transaction_max))
		return "Rate, fixed fee, free transactions and their limits belong to a percentage price.";
	if (by_percent && price->included.units != 0)
		return "A percentage price frees transactions by count or amount.";
	if (price->model == PRICE_PACKAGE ? price->package_size.units <= 0 : price->package_size.units != 0)
		return "A package price, and only it, needs a package size above zero.";
	if (price->model == PRICE_GRADUATED || price->model == PRICE_VOLUME)
		return check_tiers(price);
	return price->ntiers != 0 ? "Tiers belong to a graduated or volume price." : NULL;
}

/* ---------------------------------------------------------------------
 * Models
 * ---------------------------------------------------------------------
 */

/* quantity x unit price + flat fee into the result, noted as a part. */
static bool
add_part(int tier, PriceDecimal quantity, PriceDecimal unit_price,
		 PriceDecimal flat_fee, PricePart *parts, int maxparts,
		 PriceResult *result)
{
	PriceDecimal amount;

	if (!PriceMultiply(quantity, unit_price, &amount) ||
		(flat_fee.units != 0 && !PriceAdd(amount, flat_fee, &amount)) ||
		!PriceAdd(result->amount, amount, &result->amount))
		return false;
	if (parts != NULL && result->nparts < maxparts)
	{
		PricePart	part = {tier, quantity, unit_price, flat_fee, amount};

		parts[result->nparts++] = part;
	}
	return true;
}

static bool
graduated(const Price *price, PriceDecimal quantity, PricePart *parts,
		  int maxparts, PriceResult *result)
{
	PriceDecimal floor = zero;

	for (int i = 0; i < price->ntiers && PriceCompare(quantity, floor) > 0; i++)
	{
		const PriceTier *tier = &price->tiers[i];
		bool		ends_here = tier->open_ended || PriceCompare(quantity, tier->up_to) <= 0;
		PriceDecimal in_tier;

		if (!PriceSubtract(ends_here ? quantity : tier->up_to, floor, &in_tier) ||
			!add_part(i + 1, in_tier, tier->unit_price, tier->flat_fee, parts, maxparts, result))
			return false;
		if (ends_here)
			break;
		floor = tier->up_to;
	}
	return true;
}

static bool
volume(const Price *price, PriceDecimal quantity, PricePart *parts,
	   int maxparts, PriceResult *result)
{
	int			i = 0;

	if (quantity.units == 0)
		return true;
	while (!price->tiers[i].open_ended && PriceCompare(quantity, price->tiers[i].up_to) > 0)
		i++;
	return add_part(i + 1, quantity, price->tiers[i].unit_price,
					price->tiers[i].flat_fee, parts, maxparts, result);
}

/* Packages begun: the quotient, rounded up. */
static bool
package(const Price *price, PriceDecimal quantity, PricePart *parts,
		int maxparts, PriceResult *result)
{
	PriceDecimal size = price->package_size;
	PriceDecimal count = zero;

	if (!align(&quantity, &size))
	{
		quantity = PriceTrim(quantity);
		size = PriceTrim(size);
		if (!align(&quantity, &size))
			return false;
	}
	count.units = quantity.units / size.units + (quantity.units % size.units != 0);
	return add_part(0, count, price->unit_price, zero, parts, maxparts, result);
}

/* min, max and what they add or take. */
PriceStatus
PriceCommit(const Price *price, PriceResult *result)
{
	result->true_up = result->over_maximum = zero;
	result->total = result->amount;
	if (price->minimum.units != 0 && PriceCompare(result->amount, price->minimum) < 0)
	{
		result->total = price->minimum;
		if (!PriceSubtract(price->minimum, result->amount, &result->true_up))
			return PRICE_RANGE;
	}
	if (price->has_maximum && PriceCompare(result->amount, price->maximum) > 0)
	{
		result->total = price->maximum;
		if (!PriceSubtract(result->amount, price->maximum, &result->over_maximum))
			return PRICE_RANGE;
	}
	return PRICE_OK;
}

static void
begin_result(const Price *price, PriceResult *result)
{
	memset(result, 0, sizeof(*result));
	result->amount = price->flat_fee;
}

PriceStatus
PriceQuantity(const Price *price, PriceDecimal quantity, PricePart *parts,
			  int maxparts, PriceResult *result)
{
	PriceTransaction whole = {quantity, one};
	bool		fits = true;

	if (quantity.units < 0)
		return PRICE_NEGATIVE;
	if (price->model == PRICE_PERCENTAGE || price->model == PRICE_DYNAMIC)
		return PriceTransactions(price, &whole, quantity.units != 0, result);
	begin_result(price, result);
	result->charged = quantity;
	if (price->included.units != 0)
	{
		if (PriceCompare(quantity, price->included) <= 0)
			result->charged = zero;
		else if (!PriceSubtract(quantity, price->included, &result->charged))
			return PRICE_RANGE;
	}
	switch (price->model)
	{
		case PRICE_GRADUATED:
			fits = graduated(price, result->charged, parts, maxparts, result);
			break;
		case PRICE_VOLUME:
			fits = volume(price, result->charged, parts, maxparts, result);
			break;
		case PRICE_PACKAGE:
			fits = package(price, result->charged, parts, maxparts, result);
			break;
		default:
			fits = add_part(0, result->charged, price->unit_price, zero, parts, maxparts, result);
			break;
	}
	return fits ? PriceCommit(price, result) : PRICE_RANGE;
}

/* Whether the next transaction is free, at least in part. */
static bool
is_free(const Price *price, size_t seen, PriceDecimal free_left)
{
	if (!price->has_free_count && !price->has_free_amount)
		return false;
	return (!price->has_free_count || (int64) seen < price->free_count) &&
		(!price->has_free_amount || free_left.units > 0);
}

/*
 * What one transaction is charged by a percentage price.  One without an
 * amount, such as a declined payment, is charged the fixed fee when no
 * transactions are free any more.
 */
static bool
percentage(const Price *price, size_t seen, PriceDecimal *free_left,
		   PriceDecimal amount, PriceResult *result)
{
	PriceDecimal charged = amount;
	PriceDecimal fee;

	if (is_free(price, seen, *free_left))
	{
		if (!price->has_free_amount)
			return true;
		if (PriceCompare(amount, *free_left) <= 0)
			return PriceSubtract(*free_left, amount, free_left);
		if (!PriceSubtract(amount, *free_left, &charged))
			return false;
		*free_left = zero;
	}
	if (!PriceMultiply(charged, price->rate_pct, &fee) ||
		!PriceMultiply(fee, percent, &fee) ||
		!PriceAdd(fee, price->fixed_fee, &fee) ||
		!PriceAdd(result->charged, charged, &result->charged))
		return false;
	if (PriceCompare(fee, price->transaction_min) < 0)
		fee = price->transaction_min;
	if (price->has_transaction_max && PriceCompare(fee, price->transaction_max) > 0)
		fee = price->transaction_max;
	return PriceAdd(result->amount, fee, &result->amount);
}

/* Usage that carries its price; included units are used up in order. */
static bool
dynamic(const Price *price, PriceDecimal *included_left,
		const PriceTransaction *t, PriceResult *result)
{
	PriceDecimal charged = t->quantity;
	PriceDecimal amount;

	if (included_left->units != 0)
	{
		if (PriceCompare(charged, *included_left) <= 0)
			return PriceSubtract(*included_left, charged, included_left);
		if (!PriceSubtract(charged, *included_left, &charged))
			return false;
		*included_left = zero;
	}
	return PriceMultiply(charged, t->price, &amount) &&
		PriceMultiply(amount, price->unit_price, &amount) &&
		PriceAdd(result->charged, charged, &result->charged) &&
		PriceAdd(result->amount, amount, &result->amount);
}

PriceStatus
PriceTransactions(const Price *price, const PriceTransaction *transactions,
				  size_t n, PriceResult *result)
{
	PriceDecimal left = price->model == PRICE_PERCENTAGE ? price->free_amount : price->included;

	begin_result(price, result);
	for (size_t i = 0; i < n; i++)
	{
		const PriceTransaction *t = &transactions[i];

		if (t->quantity.units < 0 || t->price.units < 0)
			return PRICE_NEGATIVE;
		if (price->model == PRICE_PERCENTAGE ?
			!percentage(price, i, &left, t->quantity, result) :
			!dynamic(price, &left, t, result))
			return PRICE_RANGE;
	}
	return PriceCommit(price, result);
}

PriceStatus
PriceCostPlus(PriceDecimal cost, PriceDecimal markup_pct, PriceDecimal *amount)
{
	const PriceDecimal hundred = {100, 0};
	PriceDecimal factor;

	return PriceAdd(hundred, markup_pct, &factor) &&
		PriceMultiply(cost, factor, amount) &&
		PriceMultiply(*amount, percent, amount) ? PRICE_OK : PRICE_RANGE;
}

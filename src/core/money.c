/*-------------------------------------------------------------------------
 *
 * money.c
 *	  Exact money as integer units: decoding, encoding, largest remainder.
 *
 * Largest remainder (Hamilton): of an amount of A units over weights w with
 * total W each part gets floor(A w / W); the units left over, fewer than
 * there are parts, go one each to the largest remainders A w mod W.  All
 * remainders stand over the same W, so they are compared as integers.  Equal
 * remainders go by weight, then by position.  A negative amount is split as
 * its magnitude and negated, so that a refund repeats its charge.
 *
 * The divisor is the same for all parts, so each A w is divided by two
 * multiplications with a reciprocal of W that one division prepares (N.
 * Moller, T. Granlund, "Improved division by invariant integers", IEEE
 * Transactions on Computers 60, 2011, algorithm 4).  The parts that get a
 * unit are found by selection, without a sort.
 *
 * Decoding and encoding know the stored form of numeric: a 16-bit header and
 * base-10000 digits.  That form is what pg_upgrade carries from one major
 * version to the next; apportion.c checks it once per session all the same.
 *
 *-------------------------------------------------------------------------
 */
#include "core/money.h"

/* Stored numeric: two high bits of the header select its form. */
#define FORM_MASK		0xC000
#define FORM_SHORT		0x8000	/* all in one header word */
#define FORM_SPECIAL	0xC000	/* NaN and infinities */
#define LONG_NEGATIVE	0x4000
#define LONG_SCALE		0x3FFF
#define SHORT_NEGATIVE	0x2000
#define SHORT_SCALE		0x1F80
#define SHORT_SCALE_AT	7
#define SHORT_WEIGHT_NEGATIVE	0x0040
#define SHORT_WEIGHT	0x003F
#define BASE			10000
#define BASE_DIGITS		4

/* Below this many values plain insertion beats a pass over byte counts. */
#define SMALL_SELECTION	48

/* Elements between two looks for an interrupt. */
#define INTERRUPT_EVERY	65536

static const uint64 power_of_ten[] = {
	UINT64_C(1), UINT64_C(10), UINT64_C(100), UINT64_C(1000),
	UINT64_C(10000), UINT64_C(100000), UINT64_C(1000000),
	UINT64_C(10000000), UINT64_C(100000000), UINT64_C(1000000000),
	UINT64_C(10000000000), UINT64_C(100000000000),
	UINT64_C(1000000000000), UINT64_C(10000000000000),
	UINT64_C(100000000000000), UINT64_C(1000000000000000),
	UINT64_C(10000000000000000), UINT64_C(100000000000000000),
	UINT64_C(1000000000000000000)
};

/* units * 10^digits; false when that exceeds MONEY_MAX_UNITS. */
bool
MoneyRescale(uint64 *units, int digits)
{
	if (*units == 0 || digits == 0)
		return true;
	if (digits >= (int) lengthof(power_of_ten) ||
		*units > (uint64) MONEY_MAX_UNITS / power_of_ten[digits])
		return false;
	*units *= power_of_ten[digits];
	return true;
}

/* Read 16 bits that may stand at an odd address. */
static inline unsigned int
read16(const unsigned char *p)
{
	uint16_t	value;

	memcpy(&value, p, sizeof(value));
	return value;
}

/*
 * The units of ndigits base-10000 digits, the first worth 10000^weight, at
 * the given scale; false when they exceed MONEY_MAX_UNITS or the digits go
 * beyond the scale.
 */
static bool
digits_to_units(const unsigned char *digits, int ndigits, int weight,
				int scale, uint64 *units)
{
	int			groups = weight + 1 + scale / BASE_DIGITS;	/* whole ones */
	int			rest = scale % BASE_DIGITS;
	uint64		sum = 0;
	int			i = 0;

	if (ndigits > groups + (rest > 0))
		return false;
	for (; i < ndigits && i < groups; i++)
	{
		if (sum > (uint64) MONEY_MAX_UNITS / BASE - 1)
			return false;
		sum = sum * BASE + read16(digits + 2 * i);
	}
	if (i < groups && !MoneyRescale(&sum, BASE_DIGITS * (groups - i)))
		return false;
	if (rest > 0)
	{
		unsigned int last = ndigits > groups ? read16(digits + 2 * groups) : 0;
		unsigned int step = (unsigned int) power_of_ten[BASE_DIGITS - rest];

		if (last % step != 0 || !MoneyRescale(&sum, rest) ||
			sum > (uint64) MONEY_MAX_UNITS - last / step)
			return false;
		sum += last / step;
	}
	*units = sum;
	return true;
}

/* The parts of a stored numeric. */
typedef struct Stored
{
	const unsigned char *digits;	/* base 10000 */
	int			ndigits;
	int			weight;			/* the first is worth 10000^weight */
	int			scale;
	bool		negative;
} Stored;

/* false for NaN, infinities and what is too short */
static bool
read_stored(const void *body, size_t len, Stored *s)
{
	const unsigned char *p = body;
	unsigned int header;
	size_t		head;

	if (len < 2)
		return false;
	header = read16(p);
	if ((header & FORM_MASK) == FORM_SPECIAL)
		return false;
	head = header & FORM_SHORT ? 2 : 4;
	if (len < head)
		return false;
	if (header & FORM_SHORT)
	{
		s->weight = (int) (header & SHORT_WEIGHT);
		if (header & SHORT_WEIGHT_NEGATIVE)
			s->weight -= SHORT_WEIGHT + 1;
		s->scale = (int) ((header & SHORT_SCALE) >> SHORT_SCALE_AT);
		s->negative = (header & SHORT_NEGATIVE) != 0;
	}
	else
	{
		s->weight = (int16_t) read16(p + 2);
		s->scale = (int) (header & LONG_SCALE);
		s->negative = (header & FORM_MASK) == LONG_NEGATIVE;
	}
	s->digits = p + head;
	s->ndigits = (int) ((len - head) / 2);
	if (len == head)
		s->negative = false;
	return true;
}

/*
 * Decode the stored form of a numeric (without its length word); false for
 * NaN, infinities and values that do not fit 63 bits at their own scale.
 */
bool
MoneyDecode(const void *body, size_t len, MoneyUnits *result)
{
	Stored		s;

	if (!read_stored(body, len, &s))
		return false;
	result->scale = s.scale;
	result->negative = s.negative;
	result->units = 0;
	return s.ndigits == 0 ||
		digits_to_units(s.digits, s.ndigits, s.weight, s.scale, &result->units);
}

/*
 * The same for values of up to 127 bits at their own scale, as far as 24
 * digits after the point.
 */
bool
MoneyDecodeWide(const void *body, size_t len, int128 *units, int *scale)
{
	Stored		s;
	int			groups;			/* that reach the scale, the last one maybe in part */
	int			spare;			/* digits of the last one beyond it */
	int128		sum = 0;

	if (!read_stored(body, len, &s) || s.scale > 24)
		return false;
	groups = s.weight + 1 + (s.scale + BASE_DIGITS - 1) / BASE_DIGITS;
	spare = (BASE_DIGITS - s.scale % BASE_DIGITS) % BASE_DIGITS;
	if (s.ndigits > Max(groups, 0) || (s.ndigits > 0 && groups > 9))
		return false;
	for (int i = 0; i < groups && s.ndigits > 0; i++)
		sum = sum * BASE + (i < s.ndigits ? read16(s.digits + 2 * i) : 0);
	if (sum % (int128) power_of_ten[spare] != 0)
		return false;
	sum /= (int128) power_of_ten[spare];
	*units = s.negative ? -sum : sum;
	*scale = s.scale;
	return true;
}

/*
 * Write units * 10^-scale in the stored form of numeric (without its length
 * word); returns the bytes written, at most MONEY_MAX_ENCODED.  Scale is
 * within 0..MONEY_MAX_SCALE.
 */
size_t
MoneyEncode(uint64 units, bool negative, int scale, void *body)
{
	uint16_t	digits[8];
	int			at = lengthof(digits);
	int			weight = -(scale + BASE_DIGITS - 1) / BASE_DIGITS;
	int			last = lengthof(digits);
	uint16_t	header = FORM_SHORT | (uint16_t) (scale << SHORT_SCALE_AT);

	/* The lowest group is filled up with zeros to whole base-10000 digits. */
	if (units > 0)
	{
		switch (scale % BASE_DIGITS)
		{
			case 1:
				digits[--at] = (uint16_t) (units % 10 * 1000);
				units /= 10;
				break;
			case 2:
				digits[--at] = (uint16_t) (units % 100 * 100);
				units /= 100;
				break;
			case 3:
				digits[--at] = (uint16_t) (units % 1000 * 10);
				units /= 1000;
				break;
		}
		for (; units > 0; units /= BASE)
			digits[--at] = (uint16_t) (units % BASE);
		weight += (int) lengthof(digits) - at - 1;

		/* Stored digits begin and end with one that is not zero. */
		while (digits[last - 1] == 0)
			last--;
		while (digits[at] == 0)
		{
			at++;
			weight--;
		}
		if (negative)
			header |= SHORT_NEGATIVE;
		header |= (uint16_t) (weight & (SHORT_WEIGHT_NEGATIVE | SHORT_WEIGHT));
	}
	memcpy(body, &header, sizeof(header));
	memcpy((char *) body + 2, digits + at, (size_t) (last - at) * 2);
	return 2 + (size_t) (last - at) * 2;
}

/* Sort few values, largest first. */
static void
sort_few(uint64 *values, size_t n)
{
	for (size_t i = 1; i < n; i++)
	{
		uint64		value = values[i];
		size_t		j = i;

		for (; j > 0 && values[j - 1] < value; j--)
			values[j] = values[j - 1];
		values[j] = value;
	}
}

/*
 * The k-th largest of n values (k from 1); values are overwritten.  Works
 * from the highest byte down: count, find the byte that holds the k-th, keep
 * its values only.  At most eight passes whatever the values are.
 */
static uint64
kth_largest(uint64 *values, size_t n, size_t k)
{
	for (int shift = 56; n > SMALL_SELECTION && shift >= 0; shift -= 8)
	{
		uint32		count[256] = {0};
		unsigned int byte = 255;
		size_t		kept = 0;

		for (size_t i = 0; i < n; i++)
			count[(values[i] >> shift) & 255]++;
		while (k > count[byte])
			k -= count[byte--];
		if (count[byte] == n)
			continue;
		for (size_t i = 0; i < n; i++)
			if (((values[i] >> shift) & 255) == byte)
				values[kept++] = values[i];
		n = kept;
	}

	/* Many values left after the last byte are all equal. */
	if (n <= SMALL_SELECTION)
		sort_few(values, n);
	return values[n <= SMALL_SELECTION ? k - 1 : 0];
}

/*
 * One unit more for the k parts with the largest remainders; ties by weight,
 * then by position.  scratch has room for n values.
 */
static void
give_left_over(size_t k, const uint64 *remainders, const uint64 *weights,
			   size_t n, uint64 *parts, uint64 *scratch)
{
	uint64		limit;
	uint64		weight_limit;
	size_t		ties = 0;
	size_t		heavier = 0;

	memcpy(scratch, remainders, n * sizeof(uint64));
	limit = kth_largest(scratch, n, k);
	for (size_t i = 0; i < n; i++)
	{
		if (remainders[i] > limit)
		{
			parts[i]++;
			k--;
		}
		else if (remainders[i] == limit)
			scratch[ties++] = weights[i];
	}

	/* k of the ties get a unit: the heaviest, then the first. */
	weight_limit = kth_largest(scratch, ties, k);
	for (size_t i = 0; i < n; i++)
		if (remainders[i] == limit && weights[i] > weight_limit)
		{
			parts[i]++;
			heavier++;
		}
	k -= heavier;
	for (size_t i = 0; i < n && k > 0; i++)
		if (remainders[i] == limit && weights[i] == weight_limit)
		{
			parts[i]++;
			k--;
		}
}

/*
 * Split amount units over n weights; the parts add up to the amount.  total
 * is the sum of the weights, above zero; amount at most MONEY_MAX_UNITS.
 * scratch has room for 2 n values.
 */
void
MoneyApportion(uint64 amount, const uint64 *weights, uint64 total, size_t n,
			   uint64 *parts, uint64 *scratch, FinopsInterrupt interrupt)
{
	int			shift = __builtin_clzll(total);
	uint64		divisor = total << shift;
	uint64		inverse = (uint64) ((((uint128) ~divisor << 64) | ~UINT64_C(0)) / divisor);
	uint64	   *remainders = scratch;
	uint64		placed = 0;

	for (size_t i = 0; i < n; i++)
	{
		uint128		product = ((uint128) amount * weights[i]) << shift;
		uint64		high = (uint64) (product >> 64);
		uint64		low = (uint64) product;
		uint128		estimate = (uint128) inverse * high + product;
		uint64		quotient = (uint64) (estimate >> 64) + 1;
		uint64		remainder = low - quotient * divisor;

		if (remainder > (uint64) estimate)
		{
			quotient--;
			remainder += divisor;
		}
		if (remainder >= divisor)
		{
			quotient++;
			remainder -= divisor;
		}
		parts[i] = quotient;
		remainders[i] = remainder;
		placed += quotient;
		if (interrupt != NULL && i % INTERRUPT_EVERY == INTERRUPT_EVERY - 1)
			interrupt();
	}
	if (amount > placed)
		give_left_over((size_t) (amount - placed), remainders, weights, n,
					   parts, scratch + n);
}

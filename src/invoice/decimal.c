/*-------------------------------------------------------------------------
 *
 * decimal.c
 *	  Exact decimals of 128 bits, from and to numeric.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/charge.h"

#include "core/money.h"

#define MAX_DIGITS	38			/* that always fit 127 bits */

bool
InvoiceMultiply(int128 a, int128 b, int128 *product)
{
	const int128 limit = (((int128) 1) << 126);
	uint128		x = a < 0 ? -(uint128) a : (uint128) a;
	uint128		y = b < 0 ? -(uint128) b : (uint128) b;

	/* both within 63 bits: cannot leave 126 */
	if ((x | y) >> 63 != 0 && x != 0 && y > (uint128) limit / x)
		return false;
	*product = a * b;
	return true;
}

bool
InvoicePower10(int digits, int128 *power)
{
	static const int64 small[] = {
		1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000,
		INT64CONST(10000000000), INT64CONST(100000000000), INT64CONST(1000000000000),
		INT64CONST(10000000000000),
		INT64CONST(100000000000000), INT64CONST(1000000000000000), INT64CONST(10000000000000000),
		INT64CONST(100000000000000000), INT64CONST(1000000000000000000)
	};
	const int	last = (int) lengthof(small) - 1;

	if (digits < 0 || digits >= MAX_DIGITS)
		return false;
	*power = digits <= last ? small[digits] : (int128) small[last] * small[Min(digits - last, last)];
	if (digits > 2 * last)
		*power *= 10;
	return true;
}

/* Decimal text, as numeric prints it; false for NaN and infinities too. */
static bool
decode_text(const char *s, InvoiceDecimal *result)
{
	bool		negative = *s == '-';
	int			digits = 0;
	bool		point = false;

	*result = (InvoiceDecimal) {0, 0};
	for (s += negative; *s != '\0'; s++)
	{
		if (*s == '.' && !point)
		{
			point = true;
			continue;
		}
		if (*s < '0' || *s > '9' || (digits += (digits > 0 || *s != '0')) > MAX_DIGITS - 1)
			return false;
		result->units = result->units * 10 + (*s - '0');
		result->scale += point;
	}
	if (negative)
		result->units = -result->units;
	return true;
}

bool
InvoiceDecodeNumeric(Datum value, InvoiceDecimal *result)
{
	MoneyUnits	m;

	if (MoneyDecodeNumeric(value, &m))
	{
		result->units = m.negative ? -(int128) m.units : (int128) m.units;
		result->scale = m.scale;
		return true;
	}
	return decode_text(DatumGetCString(DirectFunctionCall1(numeric_out, value)), result);
}

static Datum
encode_text(InvoiceDecimal value)
{
	char		text[128];
	char	   *at = text + sizeof(text);
	uint128		units = value.units < 0 ? -(uint128) value.units : (uint128) value.units;
	int			digits = 0;

	*--at = '\0';
	while (units != 0 || digits <= value.scale)
	{
		*--at = (char) ('0' + (int) (units % 10));
		units /= 10;
		if (++digits == value.scale)
			*--at = '.';
	}
	if (value.units < 0)
		*--at = '-';
	return DirectFunctionCall3(numeric_in, CStringGetDatum(at),
							   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
}

Datum
InvoiceNumeric(InvoiceDecimal value)
{
	uint128		units = value.units < 0 ? -(uint128) value.units : (uint128) value.units;

	if (units <= (uint128) MONEY_MAX_UNITS && value.scale <= MONEY_MAX_SCALE)
		return MoneyNumeric((uint64) units, value.units < 0, value.scale);
	return encode_text(value);
}

InvoiceDecimal
InvoiceTrim(InvoiceDecimal value)
{
	/* divisions of 64 bits cost a tenth of those of 128 */
	while (value.scale > 0 && (value.units > PG_INT64_MAX || value.units < PG_INT64_MIN) &&
		   value.units % 10 == 0)
	{
		value.units /= 10;
		value.scale--;
	}
	if (value.units <= PG_INT64_MAX && value.units >= PG_INT64_MIN)
	{
		int64		units = (int64) value.units;

		while (value.scale > 0 && units % 10 == 0)
		{
			units /= 10;
			value.scale--;
		}
		value.units = units;
	}
	return value;
}

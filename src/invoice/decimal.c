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
	int128		value = 1;

	if (digits < 0 || digits >= MAX_DIGITS)
		return false;
	while (digits-- > 0)
		value *= 10;
	*power = value;
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
	while (value.scale > 0 && value.units % 10 == 0)
	{
		value.units /= 10;
		value.scale--;
	}
	return value;
}

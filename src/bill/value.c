/*-------------------------------------------------------------------------
 *
 * value.c
 *	  Values of a bill: numbers, moments and text, checked and read.
 *
 * Amounts never pass through floating point.  Most are only checked and
 * handed on as delivered; where two must be added, it is done on their
 * decimal digits.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/bill.h"

#include <stdlib.h>

void
OutReserve(OutBuf *out, size_t more)
{
	size_t		size = out->size == 0 ? 1024 : out->size;
	char	   *data;

	if (out->data != NULL && out->size - out->len >= more)
		return;
	while (size - out->len < more)
		size *= 2;
	data = realloc(out->data, size);
	if (data == NULL)
	{
		out->ok = false;
		return;
	}
	if (out->data == NULL)
		out->ok = true;
	out->data = data;
	out->size = size;
}

void
OutBytes(OutBuf *out, const char *data, size_t len)
{
	OutReserve(out, len);
	if (!out->ok)
		return;
	memcpy(out->data + out->len, data, len);
	out->len += len;
}

void
OutText(OutBuf *out, const char *text)
{
	OutBytes(out, text, strlen(text));
}

void
OutFree(OutBuf *out)
{
	free(out->data);
	memset(out, 0, sizeof(*out));
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

Slice
SliceTrim(Slice s)
{
	while (s.len > 0 && is_blank(s.data[0]))
	{
		s.data++;
		s.len--;
	}
	while (s.len > 0 && is_blank(s.data[s.len - 1]))
		s.len--;
	return s;
}

bool
SliceEqual(Slice s, const char *text)
{
	size_t		len = strlen(text);

	return (size_t) s.len == len && memcmp(s.data, text, len) == 0;
}

/* ---------------------------------------------------------------------
 * Numbers
 * ---------------------------------------------------------------------
 */

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The parts of a number: digits without point, and where the point is. */
typedef struct Number
{
	bool		negative;
	const char *whole;
	int			nwhole;
	const char *fraction;
	int			nfraction;
	int			exponent;
} Number;

static ValueStatus
number_parse(Slice s, Number *n)
{
	const char *p = s.data;
	const char *end = s.data + s.len;

	memset(n, 0, sizeof(*n));
	if (p < end && *p == '-')
	{
		n->negative = true;
		p++;
	}
	for (n->whole = p; p < end && is_digit(*p); p++)
		n->nwhole++;
	if (p < end && *p == '.')
		for (n->fraction = ++p; p < end && is_digit(*p); p++)
			n->nfraction++;
	if (n->nwhole + n->nfraction == 0)
		return VALUE_NOT_A_NUMBER;
	if (p < end && (*p == 'e' || *p == 'E'))
	{
		bool		minus = false;
		const char *digits;

		if (++p < end && (*p == '-' || *p == '+'))
			minus = *p++ == '-';
		for (digits = p; p < end && is_digit(*p); p++)
			if (n->exponent < 100000)
				n->exponent = n->exponent * 10 + (*p - '0');
		if (p == digits)
			return VALUE_NOT_A_NUMBER;
		if (minus)
			n->exponent = -n->exponent;
	}
	if (p != end)
		return VALUE_NOT_A_NUMBER;
	if (n->nwhole + n->exponent > NUMBER_MAX_DIGITS ||
		n->nfraction - n->exponent > NUMBER_MAX_DIGITS)
		return VALUE_NUMBER_TOO_LONG;
	return VALUE_OK;
}

ValueStatus
NumberCheck(Slice s)
{
	Number		n;

	return number_parse(s, &n);
}

/*
 * Fixed point with NUMBER_MAX_DIGITS on either side, most significant digit
 * first, and one place for a carry in front.
 */
#define FIXED_POINT		(1 + NUMBER_MAX_DIGITS)
#define FIXED_DIGITS	(FIXED_POINT + NUMBER_MAX_DIGITS)

typedef struct Fixed
{
	bool		negative;
	int			scale;
	unsigned char digit[FIXED_DIGITS];
} Fixed;

static void
fixed_of(Slice s, Fixed *f)
{
	Number		n;
	int			at;

	memset(f, 0, sizeof(*f));
	if (number_parse(s, &n) != VALUE_OK)
		return;
	f->negative = n.negative;
	f->scale = Max(n.nfraction - n.exponent, 0);
	at = FIXED_POINT - n.nwhole - n.exponent;
	for (int i = 0; i < n.nwhole + n.nfraction; i++, at++)
	{
		char		c = i < n.nwhole ? n.whole[i] : n.fraction[i - n.nwhole];

		/* leading zeros may reach beyond the front */
		if (at >= 0 && at < FIXED_DIGITS)
			f->digit[at] = (unsigned char) (c - '0');
	}
}

/* a = a + b or a - b by magnitude, for |a| >= |b| in the latter case */
static void
fixed_combine(Fixed *a, const Fixed *b, bool subtract)
{
	int			carry = 0;

	for (int i = FIXED_DIGITS - 1; i >= 0; i--)
	{
		int			d = a->digit[i] + carry +
			(subtract ? -(int) b->digit[i] : (int) b->digit[i]);

		carry = d < 0 ? -1 : d / 10;
		a->digit[i] = (unsigned char) (d < 0 ? d + 10 : d % 10);
	}
}

static void
fixed_write(OutBuf *out, const Fixed *f)
{
	int			first = 0;
	bool		zero = true;

	for (int i = 0; i < FIXED_DIGITS; i++)
		if (f->digit[i] != 0)
			zero = false;
	while (first < FIXED_POINT - 1 && f->digit[first] == 0)
		first++;
	if (f->negative && !zero)
		OutBytes(out, "-", 1);
	for (int i = first; i < FIXED_POINT + f->scale; i++)
	{
		char		c = (char) ('0' + f->digit[i]);

		if (i == FIXED_POINT)
			OutBytes(out, ".", 1);
		OutBytes(out, &c, 1);
	}
}

void
NumberAdd(OutBuf *out, Slice a, Slice b, int sign)
{
	Fixed		x;
	Fixed		y;
	int			scale;

	fixed_of(a, &x);
	fixed_of(b, &y);
	if (sign < 0)
		y.negative = !y.negative;
	scale = Max(x.scale, y.scale);
	if (x.negative == y.negative)
		fixed_combine(&x, &y, false);
	else if (memcmp(x.digit, y.digit, FIXED_DIGITS) >= 0)
		fixed_combine(&x, &y, true);
	else
	{
		fixed_combine(&y, &x, true);
		x = y;
	}
	x.scale = scale;
	fixed_write(out, &x);
}

/* Large enough for any line, small enough that sums rarely reach 127 bits. */
#define FIXED_LIMIT		((int128) INT64_C(1000000000000000000) * INT64_C(1000000000000000000))

bool
FixedScaleUp(int128 *value, int from_scale)
{
	static const int64 powers[] = {
		1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000
	};

	while (from_scale < FIXED_SCALE)
	{
		int			step = Min(FIXED_SCALE - from_scale, (int) lengthof(powers) - 1);

		if (*value > FIXED_LIMIT / powers[step])
			return false;
		*value *= powers[step];
		from_scale += step;
	}
	return *value <= FIXED_LIMIT;
}

bool
NumberFixed(Slice s, int128 *units, int *scale)
{
	Number		n;
	int128		value = 0;
	int			behind;

	if (number_parse(s, &n) != VALUE_OK)
		return false;
	behind = n.nfraction - n.exponent;
	*scale = Max(behind, 0);
	if (behind > FIXED_SCALE)
		return false;
	for (int i = 0; i < n.nwhole + n.nfraction; i++)
	{
		char		c = i < n.nwhole ? n.whole[i] : n.fraction[i - n.nwhole];

		value = value * 10 + (c - '0');
		if (value > FIXED_LIMIT)
			return false;
	}
	if (value != 0 && !FixedScaleUp(&value, behind))
		return false;
	*units = n.negative ? -value : value;
	return true;
}

/* ---------------------------------------------------------------------
 * Moments
 * ---------------------------------------------------------------------
 */

/* Up to max digits at *p, at least min; -1: not there. */
static int
take_digits(const char **p, const char *end, int min, int max)
{
	int			value = 0;
	int			n = 0;

	while (n < max && *p < end && is_digit(**p))
	{
		value = value * 10 + (**p - '0');
		(*p)++;
		n++;
	}
	return n >= min ? value : -1;
}

static bool
take(const char **p, const char *end, char c)
{
	if (*p >= end || **p != c)
		return false;
	(*p)++;
	return true;
}

/* 2018-10-01, 20181001, or with slashes month first: 10/1/2018, 10/1/18 */
static bool
take_date(const char **p, const char *end, BillTime *t)
{
	const char *start = *p;

	t->year = take_digits(p, end, 1, 4);
	if (*p - start == 4 && take(p, end, '-'))
	{
		t->month = take_digits(p, end, 2, 2);
		if (!take(p, end, '-'))
			return false;
		t->day = take_digits(p, end, 2, 2);
		return true;
	}
	if (*p - start == 4 && *p < end && is_digit(**p))
	{
		t->month = take_digits(p, end, 2, 2);
		t->day = take_digits(p, end, 2, 2);
		return t->day > 0;
	}
	if (*p - start > 2 || !take(p, end, '/'))
		return false;
	t->month = t->year;
	t->day = take_digits(p, end, 1, 2);
	if (!take(p, end, '/'))
		return false;
	start = *p;
	t->year = take_digits(p, end, 2, 4);
	if (*p - start == 2)
		t->year += 2000;
	return *p - start != 3;
}

/* hh:mm, hh:mm:ss, hh:mm:ss.f to nine places, of which six are kept */
static bool
take_time(const char **p, const char *end, BillTime *t)
{
	t->hour = take_digits(p, end, 1, 2);
	if (!take(p, end, ':'))
		return false;
	t->minute = take_digits(p, end, 2, 2);
	if (take(p, end, ':'))
		t->second = take_digits(p, end, 2, 2);
	if (take(p, end, '.'))
	{
		const char *start = *p;
		int			digits;

		t->microsecond = take_digits(p, end, 1, 9);
		for (digits = (int) (*p - start); digits < 6; digits++)
			t->microsecond *= 10;
		for (; digits > 6; digits--)
			t->microsecond /= 10;
	}
	return t->hour >= 0 && t->minute >= 0 && t->second >= 0 && t->microsecond >= 0;
}

/* Z, UTC or +hh, +hhmm, +hh:mm; minutes east of UTC */
static bool
take_zone(const char **p, const char *end, int *east)
{
	bool		minus;
	int			hours;
	int			minutes = 0;

	if (take(p, end, 'Z') || take(p, end, 'z'))
		return true;
	(void) take(p, end, ' ');
	if (end - *p == 3 && memcmp(*p, "UTC", 3) == 0)
	{
		*p = end;
		return true;
	}
	minus = *p < end && **p == '-';
	if (!take(p, end, '+') && !take(p, end, '-'))
		return false;
	hours = take_digits(p, end, 2, 2);
	(void) take(p, end, ':');
	if (*p < end)
		minutes = take_digits(p, end, 2, 2);
	if (hours < 0 || hours > 15 || minutes < 0 || minutes > 59)
		return false;
	*east = (hours * 60 + minutes) * (minus ? -1 : 1);
	return true;
}

/* " AM" or " PM" behind an hour of 1 to 12 */
static bool
take_half_day(const char **p, const char *end, BillTime *t)
{
	const char *word = *p;

	if (end - word != 3 || word[0] != ' ' || (word[2] | 0x20) != 'm' ||
		((word[1] | 0x20) != 'a' && (word[1] | 0x20) != 'p'))
		return true;
	*p = end;
	if (t->hour < 1 || t->hour > 12)
		return false;
	t->hour = t->hour % 12 + ((word[1] | 0x20) == 'p' ? 12 : 0);
	return true;
}

static int
days_of_month(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool		leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

/* An offset is less than a day, so the date moves by one at most. */
static void
to_utc(BillTime *t, int east)
{
	int			minutes = t->hour * 60 + t->minute - east;

	if (minutes < 0)
	{
		minutes += 24 * 60;
		if (--t->day == 0)
		{
			if (--t->month == 0)
			{
				t->month = 12;
				t->year--;
			}
			t->day = days_of_month(t->year, t->month);
		}
	}
	else if (minutes >= 24 * 60)
	{
		minutes -= 24 * 60;
		if (++t->day > days_of_month(t->year, t->month))
		{
			t->day = 1;
			if (++t->month > 12)
			{
				t->month = 1;
				t->year++;
			}
		}
	}
	t->hour = minutes / 60;
	t->minute = minutes % 60;
}

ValueStatus
TimeParse(Slice s, BillTime *t)
{
	const char *p = s.data;
	const char *end = s.data + s.len;
	int			east = 0;

	memset(t, 0, sizeof(*t));
	if (!take_date(&p, end, t))
		return VALUE_NOT_A_TIME;
	if (t->year < 1900 || t->year > 9998 || t->month < 1 || t->month > 12 ||
		t->day < 1 || t->day > days_of_month(t->year, t->month))
		return VALUE_NOT_A_TIME;
	if (p < end)
	{
		if (*p != 'T' && *p != 't' && *p != ' ')
			return VALUE_NOT_A_TIME;
		p++;
		if (!take_time(&p, end, t) || !take_half_day(&p, end, t))
			return VALUE_NOT_A_TIME;
		if (t->hour > 23 || t->minute > 59 || t->second > 59)
			return VALUE_NOT_A_TIME;
		if (p < end && !take_zone(&p, end, &east))
			return VALUE_NOT_A_TIME;
	}
	if (p != end)
		return VALUE_NOT_A_TIME;
	if (east != 0)
		to_utc(t, east);
	return VALUE_OK;
}

/* value in the given number of places; returns what follows */
static char *
put_digits(char *to, int value, int places)
{
	for (int i = places - 1; i >= 0; i--)
	{
		to[i] = (char) ('0' + value % 10);
		value /= 10;
	}
	return to + places;
}

static char *
put_date(char *to, const BillTime *t)
{
	to = put_digits(to, t->year, 4);
	*to++ = '-';
	to = put_digits(to, t->month, 2);
	*to++ = '-';
	return put_digits(to, t->day, 2);
}

void
DateWrite(OutBuf *out, const BillTime *t)
{
	char		buf[16];
	char	   *end = put_date(buf, t);

	OutBytes(out, buf, (size_t) (end - buf));
}

void
TimeWrite(OutBuf *out, const BillTime *t)
{
	char		buf[40];
	char	   *to = put_date(buf, t);

	*to++ = ' ';
	to = put_digits(to, t->hour, 2);
	*to++ = ':';
	to = put_digits(to, t->minute, 2);
	*to++ = ':';
	to = put_digits(to, t->second, 2);
	if (t->microsecond != 0)
	{
		*to++ = '.';
		to = put_digits(to, t->microsecond, 6);
	}
	OutBytes(out, buf, (size_t) (to - buf));
}

/* ---------------------------------------------------------------------
 * Text
 * ---------------------------------------------------------------------
 */

/* Length of the valid character at p (RFC 3629), 0 when there is none. */
static int
utf8_length(const unsigned char *p, int left)
{
	unsigned char low = 0x80;
	unsigned char high = 0xbf;
	int			n;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (left < n)
		return 0;
	if (p[0] == 0xe0)
		low = 0xa0;				/* else a shorter form exists */
	else if (p[0] == 0xed)
		high = 0x9f;			/* surrogates */
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;			/* beyond U+10FFFF */
	if (p[1] < low || p[1] > high)
		return 0;
	for (int i = 2; i < n; i++)
		if (p[i] < 0x80 || p[i] > 0xbf)
			return 0;
	return n;
}

bool
Utf8Valid(const char *data, int len)
{
	int			i = 0;

	while (i < len)
	{
		int			n = utf8_length((const unsigned char *) data + i, len - i);

		if (n == 0 || data[i] == '\0')
			return false;
		i += n;
	}
	return true;
}

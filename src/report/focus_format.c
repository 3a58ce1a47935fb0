/*-------------------------------------------------------------------------
 *
 * focus_format.c
 *	  The value formats of FOCUS: numbers, times, currencies, units, JSON.
 *
 *	text		no control characters; any script, for names have accents
 *	numeric		integer, decimal or E-notation: no sign +, no separators
 *	datetime	ISO 8601: a day, or day, T and time, with or without a zone
 *	timestamp	2024-01-31T23:59:59Z, UTC, a day of the calendar
 *	currency	three capitals
 *	unit		"Units", "Units-Times", "Units/Time", "9 Units", "Units/9 Times"
 *	keyvalue	a JSON object without objects and arrays in it
 *	json		a JSON object
 *	duration	"3 Years"
 *
 *-------------------------------------------------------------------------
 */
#include "report/report.h"

typedef struct FormatScan
{
	const char *p;
	const char *end;
} FormatScan;

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
take(FormatScan *s, char c)
{
	if (s->p == s->end || *s->p != c)
		return false;
	s->p++;
	return true;
}

static int
take_digits(FormatScan *s)
{
	const char *start = s->p;

	while (s->p < s->end && is_digit(*s->p))
		s->p++;
	return (int) (s->p - start);
}

/* Exactly so many digits; -1: not. */
static int
take_number(FormatScan *s, int digits)
{
	int			value = 0;

	for (int i = 0; i < digits; i++)
	{
		if (s->p == s->end || !is_digit(*s->p))
			return -1;
		value = value * 10 + (*s->p++ - '0');
	}
	return value;
}

static bool
is_text(Slice v)
{
	for (int i = 0; i < v.len; i++)
	{
		unsigned char c = (unsigned char) v.data[i];

		if ((c < ' ' && c != '\t' && c != '\n' && c != '\r') || c == 0x7f)
			return false;
	}
	return true;
}

static bool
is_numeric(Slice v)
{
	FormatScan		s = {v.data, v.data + v.len};
	int			digits;

	take(&s, '-');
	digits = take_digits(&s);
	if (take(&s, '.'))
		digits += take_digits(&s);
	if (digits == 0)
		return false;
	if (take(&s, 'e') || take(&s, 'E'))
	{
		take(&s, '-');
		digits = take_digits(&s);
		if (digits == 0 || digits > 3)
			return false;
	}
	return s.p == s.end;
}

static bool
take_day(FormatScan *s)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int			year = take_number(s, 4);
	int			month = year > 0 && take(s, '-') ? take_number(s, 2) : -1;
	int			day = month >= 1 && month <= 12 && take(s, '-') ? take_number(s, 2) : -1;
	bool		leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return day >= 1 && day <= days[month - 1] + (month == 2 && leap ? 1 : 0);
}

static bool
take_time(FormatScan *s)
{
	int			hour = take_number(s, 2);
	int			minute = hour >= 0 && hour <= 23 && take(s, ':') ? take_number(s, 2) : -1;
	int			second = minute >= 0 && minute <= 59 && take(s, ':') ? take_number(s, 2) : -1;

	return second >= 0 && second <= 60;
}

static bool
is_datetime(Slice v)
{
	FormatScan		s = {v.data, v.data + v.len};

	if (!take_day(&s))
		return false;
	if (s.p == s.end)
		return true;
	if (!take(&s, 'T'))
		return false;
	if (!take_time(&s) || (take(&s, '.') && take_digits(&s) == 0))
		return false;
	if (s.p == s.end || take(&s, 'Z'))
		return s.p == s.end;
	if (!take(&s, '+') && !take(&s, '-'))
		return false;
	if (take_number(&s, 2) < 0)
		return false;
	take(&s, ':');
	return s.p == s.end || (take_number(&s, 2) >= 0 && s.p == s.end);
}

static bool
is_timestamp(Slice v)
{
	FormatScan		s = {v.data, v.data + v.len};

	return take_day(&s) && take(&s, 'T') && take_time(&s) && take(&s, 'Z') && s.p == s.end;
}

static bool
is_currency(Slice v)
{
	if (v.len != 3)
		return false;
	for (int i = 0; i < v.len; i++)
		if (v.data[i] < 'A' || v.data[i] > 'Z')
			return false;
	return true;
}

/* "Hour", with plural "Hours"; anything else than a time is false. */
static bool
take_time_name(FormatScan *s, bool plural)
{
	static const char *const names[] = {"Year", "Month", "Day", "Hour", "Minute", "Second"};

	for (size_t i = 0; i < lengthof(names); i++)
	{
		size_t		len = strlen(names[i]);
		FormatScan		rest = *s;

		if ((size_t) (s->end - s->p) < len || memcmp(s->p, names[i], len) != 0)
			continue;
		rest.p += len;
		if (plural && !take(&rest, 's'))
			return false;
		*s = rest;
		return true;
	}
	return false;
}

/* Words of letters and digits, each beginning with a letter. */
static bool
take_unit_name(FormatScan *s)
{
	do
	{
		if (s->p == s->end || !is_letter(*s->p))
			return false;
		while (s->p < s->end && (is_letter(*s->p) || is_digit(*s->p)))
			s->p++;
	} while (take(s, ' '));
	return true;
}

static bool
is_unit(Slice v)
{
	FormatScan		s = {v.data, v.data + v.len};

	if (take_digits(&s) > 0)
		return take(&s, ' ') && take_unit_name(&s) && s.p == s.end;
	if (!take_unit_name(&s))
		return false;
	if (take(&s, '-'))
		return take_time_name(&s, true) && s.p == s.end;
	if (take(&s, '/'))
	{
		if (take_digits(&s) > 0)
			return take(&s, ' ') && take_time_name(&s, true) && s.p == s.end;
		return take_time_name(&s, false) && s.p == s.end;
	}
	return s.p == s.end;
}

static bool
is_duration(Slice v)
{
	FormatScan		s = {v.data, v.data + v.len};

	if (s.p == s.end || *s.p == '0' || take_digits(&s) == 0 || !take(&s, ' '))
		return false;
	while (take(&s, ' '))
		;
	return take_time_name(&s, false) && (s.p == s.end || (take(&s, 's') && s.p == s.end));
}

static void
note_nested(void *nested, const JsonMember *member)
{
	if (!member->is_string && member->value.len > 0 &&
		(member->value.data[0] == '{' || member->value.data[0] == '['))
		*(bool *) nested = true;
}

static bool
is_object(Slice v)
{
	return JsonObject(v, NULL, NULL);
}

static bool
is_keyvalue(Slice v)
{
	bool		nested = false;

	return JsonObject(v, note_nested, &nested) && !nested;
}

bool
FocusFormatOk(Slice format, Slice value, bool *known)
{
	static const struct
	{
		const char *name;
		bool		(*check) (Slice);
	}			formats[] = {
		{"text", is_text},
		{"numeric", is_numeric},
		{"unit", is_unit},
		{"timestamp", is_timestamp},
		{"keyvalue", is_keyvalue},
		{"currency", is_currency},
		{"datetime", is_datetime},
		{"json", is_object},
		{"duration", is_duration},
	};

	for (size_t i = 0; i < lengthof(formats); i++)
		if (SliceEqual(format, formats[i].name))
			return formats[i].check(value);
	*known = false;
	return false;
}

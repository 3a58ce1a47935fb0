/*-------------------------------------------------------------------------
 *
 * xlsx_value.c
 *	  Cell values of a workbook: references, number formats, day numbers.
 *	  ECMA-376 part 1: 18.3.1.4 (cells), 18.8.30 (number formats), 18.17.4.1
 *	  (day numbers), 22.9.2.19 (escapes in strings).
 *
 *-------------------------------------------------------------------------
 */
#include "core/xlsx.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_COLUMN		16384
#define LAST_DAY_1900	2958465 /* 9999-12-31 */
#define DAYS_TO_1904	1462

int
XlsxColumnOf(const char *reference)
{
	int			column = 0;

	for (; isupper((unsigned char) *reference) || islower((unsigned char) *reference); reference++)
	{
		column = column * 26 + toupper((unsigned char) *reference) - 'A' + 1;
		if (column > MAX_COLUMN)
			return -1;
	}
	for (; *reference != '\0'; reference++)
		if (!isdigit((unsigned char) *reference))
			return -1;
	return column - 1;
}

char *
XlsxCellName(int column, int row, char *buf)
{
	char		letters[8];
	int			n = 0;
	char	   *to = buf;

	for (column++; column > 0 && n < (int) sizeof(letters); column = (column - 1) / 26)
		letters[n++] = (char) ('A' + (column - 1) % 26);
	while (n > 0)
		*to++ = letters[--n];
	snprintf(to, 12, "%d", row);
	return buf;
}

/* Section 18.8.30: 14 to 22 and 45 to 47; the others in East Asian locales. */
bool
XlsxIsDateFormatId(int id)
{
	return (id >= 14 && id <= 22) || (id >= 27 && id <= 36) ||
		(id >= 45 && id <= 47) || (id >= 50 && id <= 58);
}

/*
 * A format code shows a date when it has a day, month, year, hour, minute or
 * second outside quotes, escapes and brackets; brackets hold colours,
 * conditions and locales, or an elapsed time such as [h].
 */
bool
XlsxIsDateFormat(const char *code)
{
	const char *p = code;

	while (*p != '\0' && *p != ';')
	{
		switch (*p)
		{
			case '"':
				for (p++; *p != '\0' && *p != '"'; p++)
					;
				break;
			case '\\':
			case '_':
			case '*':
				if (p[1] != '\0')
					p++;
				break;
			case '[':
				if (strchr("hHmMsS", p[1]) != NULL && p[1] != '\0' &&
					(p[2] == ']' || p[2] == p[1]))
					return true;
				for (p++; *p != '\0' && *p != ']'; p++)
					;
				break;
			case 'G':
			case 'g':
				/* General is the one word of the language */
				if ((p[1] == 'e' || p[1] == 'E') && strlen(p) >= 7)
					p += 6;
				break;
			default:
				if (strchr("dDmMyYhHsS", *p) != NULL)
					return true;
		}
		if (*p != '\0')
			p++;
	}
	return false;
}

/*
 * Days since 1970-01-01 as a date of the Gregorian calendar.  Howard Hinnant,
 * "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
 */
static void
civil_date(int days, int *year, int *month, int *day)
{
	int			z = days + 719468;
	int			era = z / 146097;
	int			doe = z - era * 146097;
	int			yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int			doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int			mp = (5 * doy + 2) / 153;

	*day = doy - (153 * mp + 2) / 5 + 1;
	*month = mp < 10 ? mp + 3 : mp - 9;
	*year = yoe + era * 400 + (*month <= 2 ? 1 : 0);
}

/*
 * Day 1 is 1900-01-01.  The 1900 calendar of spreadsheets has a day 60,
 * 1900-02-29, that never was; it is no date here.
 */
bool
XlsxDateText(double serial, bool from_1904, char *buf)
{
	int			day_number,
				seconds,
				year,
				month,
				day;

	if (!(serial >= 0) || serial >= LAST_DAY_1900 + 1)
		return false;
	if (from_1904)
		serial += DAYS_TO_1904;
	day_number = (int) floor(serial);
	seconds = (int) floor((serial - day_number) * 86400 + 0.5);
	if (seconds == 86400)
	{
		day_number++;
		seconds = 0;
	}
	if (day_number < 1 || day_number == 60 || day_number > LAST_DAY_1900)
		return false;
	/* 25,569 is 1970-01-01 */
	civil_date(day_number - 25569 + (day_number < 60 ? 1 : 0), &year, &month, &day);
	if (seconds == 0)
		snprintf(buf, XLSX_DATE_SIZE, "%04d-%02d-%02d", year, month, day);
	else
		snprintf(buf, XLSX_DATE_SIZE, "%04d-%02d-%02d %02d:%02d:%02d", year, month, day,
				 seconds / 3600, seconds / 60 % 60, seconds % 60);
	return true;
}

/* An xsd:double without infinities: digits, point, exponent. */
static bool
is_number(const char *s, int *digits)
{
	int			significant = 0,
				zeros = 0,
				any = 0;

	if (*s == '-' || *s == '+')
		s++;
	for (bool point = false; isdigit((unsigned char) *s) || (*s == '.' && !point); s++)
	{
		if (*s == '.')
		{
			point = true;
			continue;
		}
		any++;
		if (*s != '0')
		{
			significant += significant > 0 ? zeros + 1 : 1;
			zeros = 0;
		}
		else
			zeros++;
	}
	*digits = significant;
	if (any == 0)
		return false;
	if (*s == 'e' || *s == 'E')
	{
		s++;
		if (*s == '-' || *s == '+')
			s++;
		if (!isdigit((unsigned char) *s))
			return false;
		while (isdigit((unsigned char) *s))
			s++;
	}
	return *s == '\0';
}

bool
XlsxNumberText(const char *stored, char *buf)
{
	int			digits;

	if (strlen(stored) >= 64 || !is_number(stored, &digits))
		return false;
	if (digits <= 15)
		strcpy(buf, stored[0] == '+' ? stored + 1 : stored);
	else
		snprintf(buf, 64, "%.15g", strtod(stored, NULL));
	return true;
}

static int
hex_value(const char *s)
{
	int			value = 0;

	for (int i = 0; i < 4; i++)
	{
		int			digit = FinopsHexDigit(s[i]);

		if (digit < 0)
			return -1;
		value = value * 16 + digit;
	}
	return value;
}

int
XlsxUnescape(char *text, int len)
{
	int			to = 0;

	for (int i = 0; i < len; i++)
	{
		int			c = -1;

		if (text[i] == '_' && i + 6 < len && text[i + 1] == 'x' && text[i + 6] == '_')
			c = hex_value(text + i + 2);
		/* no zero byte, and no half of a character beyond the plane */
		if (c <= 0 || (c >= 0xd800 && c <= 0xdfff))
		{
			text[to++] = text[i];
			continue;
		}
		if (c < 0x80)
			text[to++] = (char) c;
		else if (c < 0x800)
		{
			text[to++] = (char) (0xc0 | c >> 6);
			text[to++] = (char) (0x80 | (c & 0x3f));
		}
		else
		{
			text[to++] = (char) (0xe0 | c >> 12);
			text[to++] = (char) (0x80 | (c >> 6 & 0x3f));
			text[to++] = (char) (0x80 | (c & 0x3f));
		}
		i += 6;
	}
	return to;
}

/*-------------------------------------------------------------------------
 *
 * number_format.c
 *	  Formats of document numbers, such as INV-{YYYY}-{SEQ:6}.
 *
 * Pure: builds inside and outside the server.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/invoice.h"

#include <stdio.h>

#define MAX_SEQ_DIGITS 18

typedef enum Token
{
	TOKEN_END,
	TOKEN_CHAR,
	TOKEN_YEAR4,
	TOKEN_YEAR2,
	TOKEN_MONTH,
	TOKEN_SEQ,
	TOKEN_BAD
} Token;

/* Reads one token at *p and advances; *width is set for TOKEN_SEQ. */
static Token
next_token(const char **p, int *width)
{
	const char *s = *p;

	if (*s == '\0')
		return TOKEN_END;
	if ((unsigned char) *s < ' ' || (unsigned char) *s == 0x7f || *s == '}')
		return TOKEN_BAD;
	if (*s != '{')
	{
		*p = s + 1;
		return TOKEN_CHAR;
	}
	if (strncmp(s, "{YYYY}", 6) == 0)
	{
		*p = s + 6;
		return TOKEN_YEAR4;
	}
	if (strncmp(s, "{YY}", 4) == 0)
	{
		*p = s + 4;
		return TOKEN_YEAR2;
	}
	if (strncmp(s, "{MM}", 4) == 0)
	{
		*p = s + 4;
		return TOKEN_MONTH;
	}
	if (strncmp(s, "{SEQ", 4) != 0)
		return TOKEN_BAD;
	s += 4;
	*width = 1;
	if (*s == ':')
	{
		*width = 0;
		for (s++; *s >= '0' && *s <= '9'; s++)
		{
			*width = *width * 10 + (*s - '0');
			if (*width > MAX_SEQ_DIGITS)
				return TOKEN_BAD;
		}
		if (*width == 0)
			return TOKEN_BAD;
	}
	if (*s != '}')
		return TOKEN_BAD;
	*p = s + 1;
	return TOKEN_SEQ;
}

const char *
InvoiceCheckNumberFormat(const char *format)
{
	int			sequences = 0;
	int			width = 0;
	char		number[INVOICE_NUMBER_MAX + 1];
	const char *p = format;
	Token		token;

	while ((token = next_token(&p, &width)) != TOKEN_END)
	{
		if (token == TOKEN_BAD)
			return "It may hold {YYYY}, {YY}, {MM} and one {SEQ} or {SEQ:n} with n from 1 to 18; other braces and control characters have no meaning.";
		if (token == TOKEN_SEQ)
			sequences++;
	}
	if (sequences != 1)
		return "It needs exactly one {SEQ} or {SEQ:n}, the running number.";
	/* leave room for a running number of 18 digits */
	if (!InvoiceFormatNumber(format, 9999, 12, INT64_C(999999999999999999), number))
		return "A number must not be longer than 64 bytes.";
	return NULL;
}

bool
InvoiceNumberIsYearly(const char *format)
{
	return strstr(format, "{YYYY}") != NULL || strstr(format, "{YY}") != NULL;
}

bool
InvoiceFormatNumber(const char *format, int year, int month, int64 seq,
					char *out)
{
	size_t		used = 0;
	int			width = 0;
	const char *p = format;
	char		piece[32];

	for (;;)
	{
		const char *start = p;
		int			length = 0;

		switch (next_token(&p, &width))
		{
			case TOKEN_END:
				out[used] = '\0';
				return true;
			case TOKEN_BAD:
				return false;
			case TOKEN_CHAR:
				piece[0] = *start;
				length = 1;
				break;
			case TOKEN_YEAR4:
				length = snprintf(piece, sizeof(piece), "%04d", year);
				break;
			case TOKEN_YEAR2:
				length = snprintf(piece, sizeof(piece), "%02d", year % 100);
				break;
			case TOKEN_MONTH:
				length = snprintf(piece, sizeof(piece), "%02d", month);
				break;
			case TOKEN_SEQ:
				length = snprintf(piece, sizeof(piece), "%0*lld", width,
								  (long long) seq);
				break;
		}
		if (used + (size_t) length > INVOICE_NUMBER_MAX)
			return false;
		memcpy(out + used, piece, (size_t) length);
		used += (size_t) length;
	}
}

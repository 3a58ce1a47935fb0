/*-------------------------------------------------------------------------
 *
 * escape.c
 *	  Escaping of text for HTML and XML, into any sink.  Pure.
 *
 *-------------------------------------------------------------------------
 */
#include "core/escape.h"

static const char *
entity(char c)
{
	switch (c)
	{
		case '&':
			return "&amp;";
		case '<':
			return "&lt;";
		case '>':
			return "&gt;";
		case '"':
			return "&quot;";
		case '\'':
			return "&#39;";
		default:
			return NULL;
	}
}

/* U+FFFE and U+FFFF in UTF-8 */
static bool
is_noncharacter(const char *text, const char *end)
{
	const unsigned char *s = (const unsigned char *) text;

	return end - text >= 3 && s[0] == 0xEF && s[1] == 0xBF && (s[2] == 0xBE || s[2] == 0xBF);
}

void
MarkupEscape(MarkupSink write, void *arg, const char *text, size_t len, bool utf8)
{
	const char *replacement = utf8 ? "\xEF\xBF\xBD" : "?";
	const char *from = text;
	const char *end = text + len;

	for (; text < end; text++)
	{
		unsigned char c = (unsigned char) *text;
		const char *instead = entity(*text);
		int length = 1;

		if (instead == NULL && c < 0x20 && c != '\t' && c != '\n' && c != '\r')
			instead = replacement;
		else if (instead == NULL && utf8 && is_noncharacter(text, end))
		{
			instead = replacement;
			length = 3;
		}
		if (instead == NULL)
			continue;
		write(arg, from, (size_t) (text - from));
		write(arg, instead, strlen(instead));
		text += length - 1;
		from = text + 1;
	}
	write(arg, from, (size_t) (end - from));
}

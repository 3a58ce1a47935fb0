/*-------------------------------------------------------------------------
 *
 * markup.c
 *	  Escaping of text for HTML and XML.
 *
 *-------------------------------------------------------------------------
 */
#include "core/markup.h"

#include "mb/pg_wchar.h"

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
is_noncharacter(const unsigned char *s)
{
	return s[0] == 0xEF && s[1] == 0xBF && (s[2] == 0xBE || s[2] == 0xBF);
}

void
MarkupText(StringInfo out, const char *text)
{
	bool		utf8 = GetDatabaseEncoding() == PG_UTF8;
	const char *replacement = utf8 ? "\xEF\xBF\xBD" : "?";
	const char *from = text;

	if (text == NULL)
		return;
	for (; *text != '\0'; text++)
	{
		unsigned char c = (unsigned char) *text;
		const char *instead = entity(*text);
		int			length = 1;

		if (instead == NULL && c < 0x20 && c != '\t' && c != '\n' && c != '\r')
			instead = replacement;
		else if (instead == NULL && utf8 && c == 0xEF && is_noncharacter((const unsigned char *) text))
		{
			instead = replacement;
			length = 3;
		}
		if (instead == NULL)
			continue;
		appendBinaryStringInfo(out, from, (int) (text - from));
		appendStringInfoString(out, instead);
		text += length - 1;
		from = text + 1;
	}
	appendBinaryStringInfo(out, from, (int) (text - from));
}

void
MarkupElement(StringInfo out, const char *tag, const char *text)
{
	if (text == NULL || text[0] == '\0')
		return;
	appendStringInfoChar(out, '<');
	appendStringInfoString(out, tag);
	appendStringInfoChar(out, '>');
	MarkupText(out, text);
	appendStringInfoString(out, "</");
	appendStringInfoString(out, tag);
	appendStringInfoChar(out, '>');
}

/*-------------------------------------------------------------------------
 *
 * markup.c
 *	  Escaping of text for HTML and XML.
 *
 *-------------------------------------------------------------------------
 */
#include "core/markup.h"
#include "core/escape.h"

#include "mb/pg_wchar.h"

static void
into_string(void *arg, const char *bytes, size_t len)
{
	appendBinaryStringInfo(arg, bytes, (int) len);
}

void
MarkupText(StringInfo out, const char *text)
{
	if (text != NULL)
		MarkupEscape(into_string, out, text, strlen(text), GetDatabaseEncoding() == PG_UTF8);
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

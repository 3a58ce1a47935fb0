/*-------------------------------------------------------------------------
 *
 * textbuf.h
 *	  Text in a buffer of fixed size.  Too much text sets "overflow" and is
 *	  dropped; the text always ends in a NUL byte.  Pure.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_TEXTBUF_H
#define FINOPS_TEXTBUF_H

#include "core/pure.h"

typedef struct TextBuf
{
	char	   *data;
	size_t		size;
	size_t		len;
	bool		overflow;
} TextBuf;

static inline TextBuf
TextBufOver(char *data, size_t size)
{
	TextBuf		text = {data, size, 0, false};

	data[0] = '\0';
	return text;
}

static inline void
TextBytes(TextBuf *text, const char *bytes, size_t len)
{
	if (text->overflow || len >= text->size - text->len)
	{
		text->overflow = true;
		return;
	}
	memcpy(text->data + text->len, bytes, len);
	text->len += len;
	text->data[text->len] = '\0';
}

static inline void
TextString(TextBuf *text, const char *s)
{
	TextBytes(text, s, strlen(s));
}

static inline void
TextChar(TextBuf *text, char c)
{
	TextBytes(text, &c, 1);
}

#endif							/* FINOPS_TEXTBUF_H */

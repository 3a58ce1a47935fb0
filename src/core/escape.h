/*-------------------------------------------------------------------------
 *
 * escape.h
 *	  Escaping of text for HTML and XML, into any sink.  Pure.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_ESCAPE_H
#define FINOPS_ESCAPE_H

#include "core/pure.h"

typedef void (*MarkupSink)(void *arg, const char *bytes, size_t len);

/*
 * Write len bytes of text with & < > " ' escaped, safe between tags and inside
 * quoted attributes.  Characters that XML 1.0 does not allow become U+FFFD, or
 * ? where the text is not UTF-8.
 */
extern void MarkupEscape(MarkupSink write, void *arg, const char *text, size_t len, bool utf8);

#endif /* FINOPS_ESCAPE_H */

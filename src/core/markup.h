/*-------------------------------------------------------------------------
 *
 * markup.h
 *	  Text that goes into HTML or XML.  Every text of a document or report
 *	  goes through MarkupText.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_MARKUP_H
#define FINOPS_MARKUP_H

#include "postgres.h"

#include "lib/stringinfo.h"

/*
 * Append a text with & < > " ' escaped, safe between tags and inside quoted
 * attributes.  Characters that XML 1.0 does not allow become U+FFFD, or ? in
 * a database that is not UTF-8.  NULL appends nothing.
 */
extern void MarkupText(StringInfo out, const char *text);

/* <tag>text</tag>, nothing where text is NULL or empty. */
extern void MarkupElement(StringInfo out, const char *tag, const char *text);

#endif							/* FINOPS_MARKUP_H */

/*-------------------------------------------------------------------------
 *
 * s3_xml.h
 *	  The XML that S3 answers: lists of objects and errors.  Pure.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_S3_XML_H
#define FINOPS_S3_XML_H

#include "core/textbuf.h"

/*
 * Called at the end of every element with its path ("Error/Code") and its
 * text; the text of an element with children is empty.
 */
typedef bool (*S3XmlElement) (void *arg, const char *path, const char *text, size_t len);

/*
 * Scan a document, which is changed in place; false when it is not well
 * formed, too deep, has what S3 never sends (DOCTYPE, CDATA, comments,
 * processing instructions), or an element was refused.
 */
extern bool S3XmlScan(char *xml, size_t len, S3XmlElement element, void *arg);

/* Undo encoding-type=url in place; the new length. */
extern size_t S3UrlDecode(char *text, size_t len);

typedef struct S3Error
{
	char		code[64];
	char		message[256];
	char		region[64];		/* the one the bucket is in, when S3 says */
} S3Error;

/* The <Error> of an answer; false when there is none. */
extern bool S3ErrorParse(char *xml, size_t len, S3Error *error);

#endif							/* FINOPS_S3_XML_H */

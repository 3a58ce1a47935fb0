/*-------------------------------------------------------------------------
 *
 * document_reader.h
 *	  Documents read back from their tables.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_INVOICE_DOCUMENT_READER_H
#define FINOPS_INVOICE_DOCUMENT_READER_H

#include "invoice/document.h"

#include "datatype/timestamp.h"

/* What the issue adds to a document's content. */
typedef struct InvoiceIssue
{
	const char *invoice_id;
	const char *kind;
	int			revision;
	const char *invoice_number;
	const char *series;
	int64		seq;
	const char *original;
	const char *recon_id;
	const char *reason;
	const char *issuer;			/* text of jsonb */
	const char *recipient;		/* text of jsonb */
	const char *issued_by;
	TimestampTz issued_at;
	TimestampTz due_at;
} InvoiceIssue;

/* hex has room for 65 bytes */
extern void InvoiceIssueDigest(const InvoiceIssue *issue, const char *content_digest, char *hex);

typedef struct InvoiceStored
{
	const char *invoice_id;
	const char *status;
	InvoiceContent content;
	InvoiceIssue issue;
	const char *input_digest;	/* as stored */
	const char *digest;			/* as stored */
	char		content_digest[65]; /* computed anew from the rows */
	int			nlines;
	InvoiceLine *lines;
	int			ntaxes;
	InvoiceTax *taxes;
	int			contradictions; /* lines that do not fit their header */
} InvoiceStored;

typedef struct InvoiceReader InvoiceReader;

/* All documents, or the one of that id. */
extern InvoiceReader *InvoiceReaderOpen(const char *invoice_id);

/* What it fills is valid until the next call. */
extern bool InvoiceReaderNext(InvoiceReader *reader, InvoiceStored *doc);
extern void InvoiceReaderClose(InvoiceReader *reader);

#endif							/* FINOPS_INVOICE_DOCUMENT_READER_H */

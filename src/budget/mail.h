/*-------------------------------------------------------------------------
 *
 * mail.h
 *	  Mail as it goes over the wire: addresses, headers, text.  Pure.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_MAIL_H
#define FINOPS_MAIL_H

#include "core/pure.h"
#include "core/textbuf.h"

#define MAIL_ADDRESS_MAX	255	/* with the terminating zero */
#define MAIL_RECIPIENTS_MAX 50

/*
 * Addresses separated by commas, trimmed and terminated, into list; their
 * number, 0 when one is no plain address (local@domain in printable ASCII
 * without blanks, quotes and brackets), or there are none or too many.
 */
extern int	MailAddresses(const char *text, char (*list)[MAIL_ADDRESS_MAX], int max);

/*
 * "Name: value" with a line end.  Line ends and other controls in the value
 * become blanks; what is not plain ASCII is encoded (RFC 2047), in words that
 * are cut between characters of UTF-8.
 */
extern void MailHeader(TextBuf *mail, const char *name, const char *value);

/* Text in base64, in lines of 76; the blank line before it is written too. */
extern void MailBody(TextBuf *mail, const char *text, size_t len);

/* Room that headers of these lengths and a body need, at most. */
extern size_t MailSize(size_t header_bytes, size_t body_bytes);

#endif							/* FINOPS_MAIL_H */

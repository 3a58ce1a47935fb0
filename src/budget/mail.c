/*-------------------------------------------------------------------------
 *
 * mail.c
 *	  Mail as it goes over the wire: RFC 5322 headers with RFC 2047 words, and
 *	  a body in base64, which no line length or leading dot can hurt.
 *
 *-------------------------------------------------------------------------
 */
#include "budget/mail.h"

#define LINE_BYTES	57			/* 76 characters of base64 */
#define WORD_BYTES	42			/* of an encoded word; 56 characters of base64 */

static bool
is_address(const char *s, size_t len)
{
	const char *at = memchr(s, '@', len);

	if (len == 0 || len >= MAIL_ADDRESS_MAX || at == NULL || at == s || at == s + len - 1 ||
		memchr(at + 1, '@', (size_t) (s + len - at - 1)) != NULL || s[0] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
		if (s[i] <= ' ' || s[i] >= 0x7f || strchr("<>()[]\"\\,;:", s[i]) != NULL)
			return false;
	return true;
}

int
MailAddresses(const char *text, char (*list)[MAIL_ADDRESS_MAX], int max)
{
	int			n = 0;

	for (;;)
	{
		size_t		len = strcspn(text, ",");
		const char *next = text[len] == ',' ? text + len + 1 : NULL;

		while (len > 0 && (*text == ' ' || *text == '\t'))
		{
			text++;
			len--;
		}
		while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t'))
			len--;
		if (n >= max || !is_address(text, len))
			return 0;
		memcpy(list[n], text, len);
		list[n++][len] = '\0';
		if (next == NULL)
			return n;
		text = next;
	}
}

static void
base64(TextBuf *mail, const unsigned char *bytes, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < len; i += 3)
	{
		uint32		group = (uint32) bytes[i] << 16;

		if (i + 1 < len)
			group |= (uint32) bytes[i + 1] << 8;
		if (i + 2 < len)
			group |= bytes[i + 2];
		TextChar(mail, digits[group >> 18]);
		TextChar(mail, digits[(group >> 12) & 63]);
		TextChar(mail, i + 1 < len ? digits[(group >> 6) & 63] : '=');
		TextChar(mail, i + 2 < len ? digits[group & 63] : '=');
	}
}

static bool
is_plain(const char *value)
{
	/* a line of RFC 5322 has at most 998 characters; what is long is encoded */
	if (strlen(value) > 200)
		return false;
	for (; *value != '\0'; value++)
		if (*value < ' ' || *value >= 0x7f || (value[0] == '=' && value[1] == '?'))
			return false;
	return true;
}

void
MailHeader(TextBuf *mail, const char *name, const char *value)
{
	size_t		len = strlen(value);

	TextString(mail, name);
	TextString(mail, ":");
	if (is_plain(value))
	{
		TextString(mail, " ");
		TextString(mail, value);
		TextString(mail, "\r\n");
		return;
	}
	while (len > 0)
	{
		unsigned char word[WORD_BYTES];
		size_t		n = Min(len, (size_t) WORD_BYTES);

		/* not between the bytes of a character */
		if (n < len)
			for (size_t back = 0; back < 3 && n > 1 && ((unsigned char) value[n] & 0xc0) == 0x80; back++)
				n--;
		for (size_t i = 0; i < n; i++)
			word[i] = (unsigned char) value[i] < ' ' || value[i] == 0x7f ? ' ' : (unsigned char) value[i];
		TextString(mail, " =?UTF-8?B?");
		base64(mail, word, n);
		TextString(mail, "?=\r\n");
		value += n;
		len -= n;
	}
}

void
MailBody(TextBuf *mail, const char *text, size_t len)
{
	TextString(mail, "\r\n");
	for (size_t i = 0; i < len; i += LINE_BYTES)
	{
		base64(mail, (const unsigned char *) text + i, Min(len - i, (size_t) LINE_BYTES));
		TextString(mail, "\r\n");
	}
}

size_t
MailSize(size_t header_bytes, size_t body_bytes)
{
	/* a word of 42 bytes becomes 72; of a character that is cut, less than half */
	return 1024 + header_bytes * 3 + body_bytes / LINE_BYTES * 78 + 256;
}

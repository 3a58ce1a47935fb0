/* links: src/budget/mail.c */
/*
 * Mail: whatever stands in addresses, titles and texts, each line of what is
 * sent ends with CR LF, is short, and no line is one that we did not write.
 */
#include "budget/mail.h"

#include <stdlib.h>

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_lines(const char *mail, size_t len)
{
	size_t		line = 0;

	for (size_t i = 0; i < len; i++)
	{
		line++;
		if (mail[i] == '\r' && mail[i + 1] != '\n')
			abort();
		if (mail[i] != '\n')
			continue;
		if (i == 0 || mail[i - 1] != '\r' || line > 220)
			abort();
		/* a header, its continuation, the blank line or base64 */
		if (mail[i + 1] == '.')
			abort();
		line = 0;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char list[MAIL_RECIPIENTS_MAX][MAIL_ADDRESS_MAX];
	char	   *text = malloc(size + 1);
	size_t		room = MailSize(size, size);
	char	   *space = malloc(room);
	TextBuf		mail;
	int			n;

	if (text == NULL || space == NULL)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	n = MailAddresses(text, list, MAIL_RECIPIENTS_MAX);
	for (int i = 0; i < n; i++)
		if (strpbrk(list[i], "\r\n <>,;\t") != NULL || strchr(list[i], '@') == NULL)
			abort();
	mail = TextBufOver(space, room);
	MailHeader(&mail, "Subject", text);
	MailBody(&mail, (const char *) data, size);
	if (mail.overflow)
		abort();
	check_lines(mail.data, mail.len);
	free(space);
	free(text);
	return 0;
}

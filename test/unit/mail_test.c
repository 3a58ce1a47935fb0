/* links: src/budget/mail.c */
/*-------------------------------------------------------------------------
 *
 * mail_test.c
 *	  Addresses, headers and bodies of mail, with what would inject lines.
 *
 *-------------------------------------------------------------------------
 */
#include "budget/mail.h"

#include <stdio.h>

#include "random.h"
#include "tap.h"

static char space[65536];
static char list[MAIL_RECIPIENTS_MAX][MAIL_ADDRESS_MAX];

static const char *
header(const char *value)
{
	static TextBuf buf;

	buf = TextBufOver(space, sizeof(space));
	MailHeader(&buf, "Subject", value);
	return buf.overflow ? "overflow" : space;
}

static void
test_addresses(void)
{
	ok(MailAddresses("a@b.example", list, 50) == 1 && strcmp(list[0], "a@b.example") == 0, "an address");
	ok(MailAddresses(" a@b ,\tc.d+e@f-g.example ", list, 50) == 2 && strcmp(list[1], "c.d+e@f-g.example") == 0,
	   "two, with blanks");
	ok(MailAddresses("", list, 50) == 0, "none");
	ok(MailAddresses("a@b,", list, 50) == 0, "a comma too many");
	ok(MailAddresses("a@b, ,c@d", list, 50) == 0, "a blank one");
	ok(MailAddresses("a@b\r\nRCPT TO:<x@y>", list, 50) == 0, "a line end");
	ok(MailAddresses("a@b> x<c@d", list, 50) == 0, "brackets");
	ok(MailAddresses("Name <a@b>", list, 50) == 0, "a name");
	ok(MailAddresses("a@b@c", list, 50) == 0, "two signs");
	ok(MailAddresses("@b", list, 50) == 0 && MailAddresses("a@", list, 50) == 0, "half an address");
	ok(MailAddresses("-oX@b", list, 50) == 0, "an option");
	ok(MailAddresses("a@b,c@d,e@f", list, 2) == 0, "too many");
	ok(MailAddresses("\303\244@b", list, 50) == 0, "not ASCII");
}

static void
test_headers(void)
{
	ok(strcmp(header("plain"), "Subject: plain\r\n") == 0, "plain text");
	/* printf 'a\n' | base64 would be YQ==; a line end becomes a blank: "a Bcc: x" */
	ok(strcmp(header("a\r\nBcc: x"), "Subject: =?UTF-8?B?YSAgQmNjOiB4?=\r\n") == 0, "a line end ends no header");
	/* printf 'Müller' | base64 */
	ok(strcmp(header("M\303\274ller"), "Subject: =?UTF-8?B?TcO8bGxlcg==?=\r\n") == 0, "not ASCII");
	ok(strcmp(header("=?x?="), "Subject: =?UTF-8?B?PT94Pz0=?=\r\n") == 0, "what looks encoded is encoded");
	ok(strcmp(header(""), "Subject: \r\n") == 0, "empty");
}

/* Every line is short, ends with CR LF, and no character is cut. */
static void
test_long_headers(void)
{
	bool		short_lines = true,
				whole = true;

	for (int n = 0; n < 500; n++)
	{
		char		value[900];
		size_t		len = 0;
		int			shift = (int) (next_random() % 4);

		for (int i = 0; i < shift; i++)
			value[len++] = 'x';
		while (len < 300 + next_random() % 500)
		{
			memcpy(value + len, "\342\202\254", 3);	/* a euro sign */
			len += 3;
		}
		value[len] = '\0';
		for (const char *line = header(value); *line != '\0';)
		{
			const char *end = strstr(line, "\r\n");

			short_lines = short_lines && end != NULL && end - line <= 78;
			if (end == NULL)
				break;
			/* 42 bytes hold 14 signs, or x and 13 of them: never a lone third */
			whole = whole && strchr("=", end[-1]) != NULL;
			line = end + 2;
		}
	}
	ok(short_lines, "long headers are folded");
	ok(whole, "into encoded words");
}

static void
test_body(void)
{
	TextBuf		buf = TextBufOver(space, sizeof(space));
	char		text[115];

	memset(text, 'a', sizeof(text));
	MailBody(&buf, "hi", 2);
	ok(strcmp(space, "\r\naGk=\r\n") == 0, "a short body");
	buf = TextBufOver(space, sizeof(space));
	MailBody(&buf, text, 115);
	ok(strlen(space) == 2 + 78 * 2 + 4 + 2, "lines of 76");
	ok(strcmp(space + strlen(space) - 8, "\r\nYQ==\r\n") == 0, "the last one is padded");
	buf = TextBufOver(space, sizeof(space));
	MailBody(&buf, "", 0);
	ok(strcmp(space, "\r\n") == 0, "no body");
	buf = TextBufOver(space, 16);
	MailBody(&buf, text, 115);
	ok(buf.overflow, "no room is said");
}

/* What MailSize promises is enough. */
static void
test_size(void)
{
	bool		enough = true;

	for (int n = 0; n < 300; n++)
	{
		static char value[2000],
					body[20000];
		size_t		h = next_random() % 1999,
					b = next_random() % 19999;
		TextBuf		buf;

		for (size_t i = 0; i < h; i++)
			value[i] = (char) (1 + next_random() % 255);
		value[h] = '\0';
		memset(body, 'b', b);
		buf = TextBufOver(space, Min(sizeof(space), MailSize(h, b)));
		MailHeader(&buf, "Subject", value);
		MailBody(&buf, body, b);
		enough = enough && !buf.overflow;
	}
	ok(enough, "the size is enough");
}

int
main(void)
{
	test_addresses();
	test_headers();
	test_long_headers();
	test_body();
	test_size();
	printf("1..%d\n", number);
	return failed > 0;
}

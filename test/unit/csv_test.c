/* links: src/bill/csv.c */
/*-------------------------------------------------------------------------
 *
 * csv_test.c
 *	  The record reader: the same records whatever sizes the bytes come in,
 *	  long lines, and every way in which text can be wrong.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/bill.h"
#include "tap.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct Feed
{
	const char *data;
	size_t		len;
	size_t		at;
	int			step;			/* bytes per read */
} Feed;

static int
feed_read(void *arg, char *buf, int len)
{
	Feed	   *feed = arg;
	size_t		n = feed->len - feed->at;

	n = Min(n, (size_t) Min(len, feed->step));
	if (n > 0)
		memcpy(buf, feed->data + feed->at, n);
	feed->at += n;
	return (int) n;
}

/* Records as "line:field|field|...\n", quoted fields with q in front. */
static char *
read_all(const char *data, size_t len, int step, char delimiter, CsvStatus *status)
{
	Feed		feed = {data, len, 0, step};
	CsvReader	csv;
	char	   *out = malloc(len * 4 + 1024);
	char	   *to = out;

	CsvInit(&csv, feed_read, &feed, delimiter);
	while ((*status = CsvNext(&csv)) == CSV_RECORD)
	{
		to += sprintf(to, "%lld:", (long long) csv.line);
		for (int i = 0; i < csv.nfields; i++)
			to += sprintf(to, "%s%s%.*s", i == 0 ? "" : "|",
						  csv.fields[i].flags & CSV_QUOTED ? "q" : "",
						  csv.fields[i].len, csv.fields[i].data);
		to += sprintf(to, "\n");
	}
	if (*status != CSV_END)
		sprintf(to, "at %lld", (long long) csv.line);
	else
		*to = '\0';
	CsvFree(&csv);
	return out;
}

static void
expect(const char *data, size_t len, char delimiter, CsvStatus status,
	   const char *records, const char *text)
{
	static const int steps[] = {1, 2, 3, 7, 1 << 20};
	bool		good = true;

	for (size_t i = 0; i < lengthof(steps); i++)
	{
		CsvStatus	got;
		char	   *out = read_all(data, len, steps[i], delimiter, &got);

		if (got != status || strcmp(out, records) != 0)
		{
			printf("# step %d: status %d, records %s\n", steps[i], (int) got, out);
			good = false;
		}
		free(out);
	}
	ok(good, text);
}

#define EXPECT(data, status, records, text) \
	expect(data, sizeof(data) - 1, ',', status, records, text)

/* A record larger than the first buffer, after one that is not. */
static void
test_long(void)
{
	size_t		n = 1000000;
	char	   *data = malloc(n + 100);
	size_t		len = 0;
	CsvReader	csv;
	Feed		feed;

	len += (size_t) sprintf(data, "a,b\n\"");
	memset(data + len, 'x', n);
	len += n;
	len += (size_t) sprintf(data + len, "\"\"\",y\nlast,1");
	feed = (Feed) {data, len, 0, 65536};
	CsvInit(&csv, feed_read, &feed, ',');
	ok(CsvNext(&csv) == CSV_RECORD && csv.nfields == 2, "a short record before a long one");
	ok(CsvNext(&csv) == CSV_RECORD && csv.nfields == 2 &&
	   csv.fields[0].len == (int) n + 1 && csv.fields[0].data[n] == '"' &&
	   csv.fields[1].len == 1, "a field of a million bytes");
	ok(CsvNext(&csv) == CSV_RECORD && csv.line == 3, "a record behind it");
	ok(CsvNext(&csv) == CSV_END && CsvNext(&csv) == CSV_END, "the end stays the end");
	CsvFree(&csv);
	free(data);
}

static int
feed_fail(void *arg, char *buf, int len)
{
	(void) arg;
	(void) buf;
	(void) len;
	return -1;
}

/* Quotes that never close must not eat memory without bound. */
static int
feed_endless(void *arg, char *buf, int len)
{
	int		   *begun = arg;

	memset(buf, 'x', (size_t) len);
	if (!*begun)
		buf[0] = '"';
	*begun = 1;
	return len;
}

static int
feed_commas(void *arg, char *buf, int len)
{
	(void) arg;
	memset(buf, ',', (size_t) len);
	return len;
}

static void
test_limits(void)
{
	CsvReader	csv;
	int			begun = 0;

	CsvInit(&csv, feed_fail, NULL, ',');
	ok(CsvNext(&csv) == CSV_READ_FAILED, "a source that fails");
	CsvFree(&csv);
	CsvInit(&csv, feed_endless, &begun, ',');
	ok(CsvNext(&csv) == CSV_TOO_LONG && csv.size <= CSV_MAX_RECORD, "a record without end");
	CsvFree(&csv);
	CsvInit(&csv, feed_commas, NULL, ',');
	ok(CsvNext(&csv) == CSV_TOO_MANY_FIELDS, "fields without end");
	CsvFree(&csv);
}

static bool
is_null(const char *text, unsigned int flags)
{
	char		copy[32];
	CsvField	field = {copy, (int) strlen(text), flags};

	strcpy(copy, text);
	return CsvIsNull(&field, false);
}

int
main(void)
{
	EXPECT("a,b,c\n1,2,3\n", CSV_END, "1:a|b|c\n2:1|2|3\n", "plain records");
	EXPECT("a,b\r\n1,2\r\n", CSV_END, "1:a|b\n2:1|2\n", "CRLF");
	EXPECT("a,b\n1,2", CSV_END, "1:a|b\n2:1|2\n", "no line end at the end");
	EXPECT("a,b\n1,2\r", CSV_END, "1:a|b\n2:1|2\n", "half a line end at the end");
	EXPECT("a,b\n1,", CSV_END, "1:a|b\n2:1|\n", "an empty field at the end");
	EXPECT("a\rb,c\n", CSV_END, "1:a\rb|c\n", "a lone carriage return is data");
	EXPECT("\xef\xbb\xbf" "a,b\n\xef\xbb\xbf", CSV_END, "1:a|b\n2:\xef\xbb\xbf\n",
		   "a byte-order mark is skipped at the start only");
	EXPECT("\n\r\na,b\n\n\n1,2\n\n", CSV_END, "3:a|b\n6:1|2\n", "empty lines are no records");
	EXPECT("\"\"\n", CSV_END, "1:q\n", "a quoted empty string is one");
	EXPECT("\"a,b\",\"c\"\"d\"\"\",\"\"\"\"\n", CSV_END, "1:qa,b|qc\"d\"|q\"\n", "quotes");
	EXPECT("\"a\r\nb\",c\nd,e\n", CSV_END, "1:qa\r\nb|c\n3:d|e\n", "line ends in quotes count");
	EXPECT("a\"b,c\"d\"\n", CSV_END, "1:a\"b|c\"d\"\n", "quotes inside a plain field are data");
	EXPECT(",,\n", CSV_END, "1:||\n", "empty fields");
	EXPECT("", CSV_END, "", "nothing");
	EXPECT("\xef\xbb\xbf", CSV_END, "", "nothing but a byte-order mark");
	EXPECT("a\n\"b", CSV_UNTERMINATED, "1:a\nat 2", "quotes that do not close");
	EXPECT("a\n\"b\"\"", CSV_UNTERMINATED, "1:a\nat 2", "doubled quotes do not close");
	EXPECT("a\n\"b\"c\n", CSV_AFTER_QUOTE, "1:a\nat 2", "text behind quotes");
	EXPECT("a\n\"b\"\rc\n", CSV_AFTER_QUOTE, "1:a\nat 2", "a carriage return behind quotes");
	EXPECT("a\nb\0c\n", CSV_NUL_BYTE, "1:a\nat 2", "NUL in a plain field");
	EXPECT("a\n\"b\0c\"\n", CSV_NUL_BYTE, "1:a\nat 2", "NUL in a quoted field");
	EXPECT("a\nb\n\0", CSV_NUL_BYTE, "1:a\n2:b\nat 3", "NUL at the end");
	expect("a\001b,c\001\"d\"\n", 10, '\001', CSV_END, "1:a|b,c|qd\n", "another delimiter");
	test_long();
	test_limits();
	ok(is_null("", 0) && is_null("", CSV_QUOTED) && is_null("\\N", 0) && is_null("NULL", 0) &&
	   is_null("null", 0) && is_null("(null)", 0), "spellings of no value");
	ok(!is_null("\\N", CSV_QUOTED) && !is_null("NULL", CSV_QUOTED) && !is_null("Null", 0) &&
	   !is_null("nul", 0) && !is_null(" ", 0) && !is_null("\\n", 0), "and what is a value");
	printf("1..%d\n", number);
	return failed != 0;
}

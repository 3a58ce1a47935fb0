/* links: src/bill/csv.c src/bill/header.c src/bill/header_columns.c src/bill/project*.c src/bill/value.c src/bill/json.c */
/*
 * A bill of any bytes, read in pieces of any size: records do not depend on
 * how the bytes arrive, and what is projected is one line of COPY text with
 * the columns that were announced.
 */
#include "bill/bill.h"

#include <stdlib.h>

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Feed
{
	const uint8_t *data;
	size_t		size;
	size_t		at;
	size_t		step;
} Feed;

static int
feed_read(void *arg, char *buf, int len)
{
	Feed	   *feed = arg;
	size_t		n = Min(feed->size - feed->at, Min((size_t) len, feed->step));

	if (n > 0)
		memcpy(buf, feed->data + feed->at, n);
	feed->at += n;
	return (int) n;
}

/* Columns of a line of COPY text; every one of them stands on one line. */
static int
columns_of(const OutBuf *out)
{
	int			n = 1;

	if (out->len == 0 || out->data[out->len - 1] != '\n')
		abort();
	for (size_t i = 0; i + 1 < out->len; i++)
	{
		if (out->data[i] == '\n' || out->data[i] == '\r')
			abort();
		if (out->data[i] == '\\')
			i++;
		else if (out->data[i] == '\t')
			n++;
	}
	return n;
}

static void
project(CsvReader *csv, const BillHeader *header)
{
	BillProjector p;
	OutBuf		out = {0};
	int			expected = 2;

	ProjectorInit(&p, header);
	for (int i = 0; i < BILL_MAX_COLUMNS; i++)
		expected += p.written[i];
	while (CsvNext(csv) == CSV_RECORD)
	{
		out.len = 0;
		if (csv->nfields != header->ncolumns)
			break;
		if (!ProjectRecord(&p, csv->fields))
			continue;
		if (NumberCheck(p.value[BF_BILLED]) != VALUE_OK || NumberCheck(p.value[BF_EFFECTIVE]) != VALUE_OK)
			abort();
		if (ProjectWrite(&p, &out, "source\t1") && columns_of(&out) != expected)
			abort();
	}
	ProjectorFree(&p);
	OutFree(&out);
}

/* A sum over all fields, which must not depend on the size of the reads. */
static uint64
fingerprint(const uint8_t *data, size_t size, size_t step)
{
	Feed		feed = {data, size, 0, step};
	CsvReader	csv;
	uint64		sum = 14695981039346656037u;

	CsvInit(&csv, feed_read, &feed, ',');
	while (CsvNext(&csv) == CSV_RECORD)
	{
		sum = (sum ^ (uint64) csv.line) * 1099511628211u;
		for (int i = 0; i < csv.nfields; i++)
		{
			for (int j = 0; j < csv.fields[i].len; j++)
				sum = (sum ^ (unsigned char) csv.fields[i].data[j]) * 1099511628211u;
			sum = (sum ^ 256 ^ csv.fields[i].flags) * 1099511628211u;
		}
	}
	sum ^= (uint64) csv.status;
	CsvFree(&csv);
	return sum;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Feed		feed = {data, size, 0, 1 << 20};
	CsvReader	csv;
	BillHeader	header;

	if (fingerprint(data, size, 1 << 20) != fingerprint(data, size, 1 + size % 7))
		abort();
	CsvInit(&csv, feed_read, &feed, ',');
	if (CsvNext(&csv) == CSV_RECORD)
	{
		if (HeaderMap(&header, csv.fields, csv.nfields, BILL_UNKNOWN,
					  size % 2 == 0 ? NULL : "team", size % 3 != 0))
			project(&csv, &header);
		HeaderFree(&header);
	}
	CsvFree(&csv);
	return 0;
}

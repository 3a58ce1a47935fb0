/* links: src/bill/csv.c src/bill/header.c src/bill/header_columns.c src/bill/project*.c src/bill/value.c src/bill/json.c */
/*
 * A bill of any bytes, read in pieces of any size: records do not depend on
 * how the bytes arrive, and what is projected has the kinds of value that were
 * announced.
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

/* What a record says is of the kind that its column has. */
static void
check_value(const BillOutColumn *column, Slice value)
{
	BillTime	time;
	int128		units;
	int			scale;

	if (value.data == NULL)
		return;
	switch (column->kind)
	{
		case BILL_OUT_TEXT:
			(void) Utf8Valid(value.data, value.len);
			break;
		case BILL_OUT_NUMBER:
			if (NumberCheck(value) != VALUE_OK)
				abort();
			if (NumberFixed(value, &units, &scale) && (scale < 0 || scale > FIXED_SCALE))
				abort();
			break;
		case BILL_OUT_TIME:
		case BILL_OUT_DATE:
			(void) TimeParse(value, &time);
			break;
		case BILL_OUT_PERIOD:
			abort();
		case BILL_OUT_JSON:
			if (Utf8Valid(value.data, value.len) && !JsonValid(value))
				abort();
			break;
	}
}

static void
project(CsvReader *csv, const BillHeader *header)
{
	BillProjector p;
	BillOutColumn columns[BILL_MAX_COLUMNS];
	Slice		values[BILL_MAX_COLUMNS];
	int			n = ProjectedColumns(columns);

	ProjectorInit(&p, header);
	while (CsvNext(csv) == CSV_RECORD)
	{
		if (csv->nfields != header->ncolumns)
			break;
		if (!ProjectRecord(&p, csv->fields))
			continue;
		if (NumberCheck(p.value[BF_BILLED]) != VALUE_OK || NumberCheck(p.value[BF_EFFECTIVE]) != VALUE_OK)
			abort();
		ProjectValues(&p, values);
		for (int i = 0; i < n; i++)
		{
			check_value(&columns[i], values[i]);
			if (values[i].data != NULL && !ProjectFills(header, i))
				abort();
		}
	}
	ProjectorFree(&p);
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

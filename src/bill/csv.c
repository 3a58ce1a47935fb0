/*-------------------------------------------------------------------------
 *
 * csv.c
 *	  Reader of delimited text, RFC 4180 with the liberties real bills take.
 *
 * Records are split in place: a field is a pointer into the reader's buffer,
 * valid until the next record.  A record that is not complete in the buffer
 * is scanned again once more bytes are there, so nothing in the buffer is
 * changed before a record is known to be complete; doubled quotes are
 * folded after that.
 *
 * The bytes after the last one are always NUL, which stops every scanning
 * loop, so that the loops need no check for the end of the buffer.  A NUL
 * anywhere else is an error: text with NUL bytes is not text.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/bill.h"

#include <stdlib.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define FIRST_SIZE	(256 * 1024)
#define SLACK		64

/* What ends a run of plain bytes, outside and inside quotes. */
#define STOP_PLAIN	1
#define STOP_QUOTED 2

static void
set_delimiter(CsvReader *csv, char delimiter)
{
	csv->stop[(unsigned char) delimiter] = STOP_PLAIN;
	csv->delimiter = delimiter;
}

/*
 * The delimiter of the first line: the one of , ; tab and \001 that it has
 * most of outside quotes; of equals the first, so a comma when it has none.
 */
static char
sniff_delimiter(const CsvReader *csv)
{
	static const char candidates[] = {',', ';', '\t', '\001'};
	int			count[256] = {0};
	char		best = candidates[0];
	bool		quoted = false;

	for (size_t i = csv->pos; i < csv->end; i++)
	{
		char		c = csv->buf[i];

		if (c == '"')
			quoted = !quoted;
		else if (!quoted)
			count[(unsigned char) c]++;
		if (c == '\n' && !quoted)
			break;
	}
	for (size_t i = 1; i < lengthof(candidates); i++)
		if (count[(unsigned char) candidates[i]] > count[(unsigned char) best])
			best = candidates[i];
	return best;
}

/* delimiter '\0': find it in the first line. */
void
CsvInit(CsvReader *csv, CsvRead read, void *arg, char delimiter)
{
	memset(csv, 0, sizeof(*csv));
	csv->read = read;
	csv->arg = arg;
	csv->next_line = 1;
	csv->stop['\n'] = STOP_PLAIN | STOP_QUOTED;
	csv->stop['\r'] = STOP_PLAIN;
	csv->stop['\0'] = STOP_PLAIN | STOP_QUOTED;
	csv->stop['"'] = STOP_QUOTED;
	if (delimiter != '\0')
		set_delimiter(csv, delimiter);
}

void
CsvFree(CsvReader *csv)
{
	free(csv->buf);
	free(csv->fields);
	csv->buf = NULL;
	csv->fields = NULL;
}

/* More bytes behind those not yet used; false: csv->status says why. */
static bool
fill(CsvReader *csv)
{
	size_t		left = csv->end - csv->pos;

	if (csv->buf == NULL || left > csv->size / 2)
	{
		size_t		size = csv->buf == NULL ? FIRST_SIZE : csv->size * 2;
		char	   *buf;

		if (size > CSV_MAX_RECORD)
		{
			csv->status = CSV_TOO_LONG;
			return false;
		}
		buf = realloc(csv->buf, size + SLACK);
		if (buf == NULL)
		{
			csv->status = CSV_NO_MEMORY;
			return false;
		}
		csv->buf = buf;
		csv->size = size;
	}
	memmove(csv->buf, csv->buf + csv->pos, left);
	csv->pos = 0;
	csv->end = left;
	while (csv->end < csv->size && !csv->at_end)
	{
		int			want = (int) Min(csv->size - csv->end, (size_t) 1 << 20);
		int			got = csv->read(csv->arg, csv->buf + csv->end, want);

		if (got < 0)
		{
			csv->status = CSV_READ_FAILED;
			return false;
		}
		if (got == 0)
			csv->at_end = true;
		csv->end += (size_t) got;
	}
	/* NUL stops every loop; blocks may be read beyond the end */
	memset(csv->buf + csv->end, 0, SLACK);
	if (!csv->started)
	{
		csv->started = true;
		if (csv->end >= 3 && memcmp(csv->buf, "\xef\xbb\xbf", 3) == 0)
			csv->pos = 3;
		if (csv->delimiter == '\0')
			set_delimiter(csv, sniff_delimiter(csv));
	}
	return true;
}

static bool
add_field(CsvReader *csv, char *data, char *end, unsigned int flags)
{
	CsvField   *field;

	if (csv->nfields == csv->maxfields)
	{
		int			max = csv->maxfields == 0 ? 256 : csv->maxfields * 2;
		CsvField   *fields;

		if (max > CSV_MAX_FIELDS)
		{
			csv->status = CSV_TOO_MANY_FIELDS;
			return false;
		}
		fields = realloc(csv->fields, sizeof(CsvField) * (size_t) max);
		if (fields == NULL)
		{
			csv->status = CSV_NO_MEMORY;
			return false;
		}
		csv->fields = fields;
		csv->maxfields = max;
	}
	field = &csv->fields[csv->nfields++];
	field->data = data;
	field->len = (int) (end - data);
	field->flags = flags;
	return true;
}

/* Doubled quotes of a complete record become single ones. */
static void
fold_quotes(CsvField *field)
{
	char	   *from = field->data;
	char	   *end = field->data + field->len;
	char	   *to = from;

	while (from < end)
	{
		*to++ = *from;
		from += *from == '"' ? 2 : 1;
	}
	field->len = (int) (to - field->data);
}

typedef enum ScanResult
{
	SCAN_FIELD,					/* a delimiter follows */
	SCAN_LAST,					/* the record ends here */
	SCAN_SHORT,					/* the buffer ends here */
	SCAN_BAD
} ScanResult;

/*
 * What stands behind a field at p; *next is set behind it.  A carriage
 * return ends a line only before a newline or at the very end.
 */
static ScanResult
after_field(CsvReader *csv, char *p, char **next, int64 *newlines)
{
	char	   *end = csv->buf + csv->end;

	if (*p == csv->delimiter)
	{
		*next = p + 1;
		return SCAN_FIELD;
	}
	if (*p == '\n')
	{
		(*newlines)++;
		*next = p + 1;
		return SCAN_LAST;
	}
	if (*p == '\r')
	{
		if (p + 1 == end && !csv->at_end)
			return SCAN_SHORT;
		if (p + 1 == end || p[1] == '\n')
		{
			(*newlines)++;
			*next = Min(p + 2, end);
			return SCAN_LAST;
		}
		return SCAN_BAD;
	}
	if (p == end)
	{
		*next = p;
		return csv->at_end ? SCAN_LAST : SCAN_SHORT;
	}
	return SCAN_BAD;
}

static ScanResult
scan_plain(CsvReader *csv, char *start, char **next, int64 *newlines)
{
	char	   *p = start;

	for (;;)
	{
		ScanResult	result;

		while ((csv->stop[(unsigned char) *p] & STOP_PLAIN) == 0)
			p++;
		result = after_field(csv, p, next, newlines);
		if (result == SCAN_SHORT)
			return result;
		if (result == SCAN_BAD)
		{
			if (*p == '\0')
			{
				csv->status = CSV_NUL_BYTE;
				return result;
			}
			p++;				/* a lone carriage return is data */
			continue;
		}
		if (!add_field(csv, start, p, 0))
			return SCAN_BAD;
		return result;
	}
}

/* start is behind the opening quote. */
static ScanResult
scan_quoted(CsvReader *csv, char *start, char **next, int64 *newlines)
{
	char	   *end = csv->buf + csv->end;
	char	   *p = start;
	unsigned int flags = CSV_QUOTED;

	for (;;)
	{
		ScanResult	result;

		while ((csv->stop[(unsigned char) *p] & STOP_QUOTED) == 0)
			p++;
		if (*p == '\n')
		{
			(*newlines)++;
			p++;
			continue;
		}
		if (*p == '\0')
		{
			if (p == end && !csv->at_end)
				return SCAN_SHORT;
			csv->status = p == end ? CSV_UNTERMINATED : CSV_NUL_BYTE;
			return SCAN_BAD;
		}
		if (p + 1 == end && !csv->at_end)
			return SCAN_SHORT;
		if (p[1] == '"')
		{
			flags |= CSV_DOUBLED;
			p += 2;
			continue;
		}
		result = after_field(csv, p + 1, next, newlines);
		if (result == SCAN_SHORT)
			return result;
		if (result == SCAN_BAD)
		{
			csv->status = CSV_AFTER_QUOTE;
			return result;
		}
		if (!add_field(csv, start, p, flags))
			return SCAN_BAD;
		return result;
	}
}

/*
 * Which of the WIDTH bytes at p may end a run of plain bytes or begin a
 * quoted field, as bits from the lowest.  The buffer has SLACK bytes behind
 * its end, so that a block may reach beyond it.
 */
#ifdef __SSE2__

#define WIDTH	64

typedef struct Pattern
{
	__m128i		delimiter,
				quote,
				newline,
				carriage,
				nul;
} Pattern;

static inline void
pattern_init(Pattern *pattern, const CsvReader *csv)
{
	pattern->delimiter = _mm_set1_epi8(csv->delimiter);
	pattern->quote = _mm_set1_epi8('"');
	pattern->newline = _mm_set1_epi8('\n');
	pattern->carriage = _mm_set1_epi8('\r');
	pattern->nul = _mm_setzero_si128();
}

static inline uint64
stops_16(const Pattern *pattern, const char *p)
{
	__m128i		bytes = _mm_loadu_si128((const __m128i *) (const void *) p);
	__m128i		hit = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, pattern->delimiter),
												_mm_cmpeq_epi8(bytes, pattern->quote)),
								   _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, pattern->newline),
															 _mm_cmpeq_epi8(bytes, pattern->carriage)),
												_mm_cmpeq_epi8(bytes, pattern->nul)));

	return (uint64) (unsigned int) _mm_movemask_epi8(hit);
}

static inline uint64
stops(const Pattern *pattern, const char *p)
{
	return stops_16(pattern, p) | stops_16(pattern, p + 16) << 16 |
		stops_16(pattern, p + 32) << 32 | stops_16(pattern, p + 48) << 48;
}

#else

#define WIDTH	8

typedef struct Pattern
{
	const unsigned char *stop;
} Pattern;

static inline void
pattern_init(Pattern *pattern, const CsvReader *csv)
{
	pattern->stop = csv->stop;
}

static inline uint64
stops(const Pattern *pattern, const char *p)
{
	uint64		bits = 0;

	for (int i = 0; i < WIDTH; i++)
		bits |= (uint64) (pattern->stop[(unsigned char) p[i]] != 0) << i;
	return bits;
}

#endif

/*
 * The common case, without calls: plain fields with a delimiter behind them.
 * Stops before the first field that is anything else.
 */
static char *
scan_simple(CsvReader *csv, char *p)
{
	CsvField   *field = csv->fields + csv->nfields;
	CsvField   *end = csv->fields + csv->maxfields;
	char	   *start = p;
	Pattern		pattern;

	pattern_init(&pattern, csv);
	for (;; p += WIDTH)
	{
		uint64		bits = stops(&pattern, p);

		for (; bits != 0; bits &= bits - 1)
		{
			char	   *at = p + __builtin_ctzll(bits);

			if (*at != csv->delimiter || field == end)
			{
				csv->nfields = (int) (field - csv->fields);
				return start;
			}
			field->data = start;
			field->len = (int) (at - start);
			field->flags = 0;
			field++;
			start = at + 1;
		}
	}
}

/* One record from csv->pos, which is moved behind it. */
static ScanResult
scan_record(CsvReader *csv)
{
	char	   *p = csv->buf + csv->pos;
	int64		newlines = 0;
	ScanResult	result;

	csv->nfields = 0;
	csv->record = p;
	do
	{
		char	   *next;

		if (csv->maxfields > 0)
			p = scan_simple(csv, p);
		next = p;

		if (*p == '"')
			result = scan_quoted(csv, p + 1, &next, &newlines);
		else
			result = scan_plain(csv, p, &next, &newlines);
		p = next;
	} while (result == SCAN_FIELD);
	if (result == SCAN_LAST)
	{
		csv->pos = (size_t) (p - csv->buf);
		csv->record_len = (size_t) (p - csv->record);
		csv->line = csv->next_line;
		csv->next_line += newlines;
	}
	return result;
}

CsvStatus
CsvNext(CsvReader *csv)
{
	if (csv->status != CSV_RECORD)
		return csv->status;
	for (;;)
	{
		ScanResult	result = SCAN_SHORT;

		if (csv->pos < csv->end)
			result = scan_record(csv);
		else if (csv->at_end)
			return csv->status = CSV_END;
		if (result == SCAN_SHORT)
		{
			if (!fill(csv))
				return csv->status;
			continue;
		}
		if (result == SCAN_BAD)
		{
			csv->line = csv->next_line;
			return csv->status;
		}
		/* an empty line is no record */
		if (csv->nfields == 1 && csv->fields[0].len == 0 &&
			(csv->fields[0].flags & CSV_QUOTED) == 0)
			continue;
		for (int i = 0; i < csv->nfields; i++)
			if (csv->fields[i].flags & CSV_DOUBLED)
				fold_quotes(&csv->fields[i]);
		return CSV_RECORD;
	}
}

/*
 * The spellings of "no value" seen in bills.  Quoted they are text, unless
 * the column holds numbers or times (quoted_too), where they can mean nothing
 * else; a quoted empty string says nothing anywhere.
 */
bool
CsvIsNull(const CsvField *field, bool quoted_too)
{
	const char *s = field->data;

	if (field->len == 0)
		return true;
	if ((field->flags & CSV_QUOTED) && !quoted_too)
		return false;
	switch (field->len)
	{
		case 2:
			return s[0] == '\\' && s[1] == 'N';
		case 4:
			return memcmp(s, "NULL", 4) == 0 || memcmp(s, "null", 4) == 0;
		case 6:
			return memcmp(s, "(null)", 6) == 0;
		default:
			return false;
	}
}

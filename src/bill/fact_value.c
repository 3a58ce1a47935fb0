/*-------------------------------------------------------------------------
 *
 * fact_value.c
 *	  From the text of a bill to the values that facts store.
 *
 * A bill repeats itself: most lines have costs, times and tags that an
 * earlier line had in the same column.  Each column remembers texts it has
 * read, in a table with one place per hash, and takes what it made of them.
 * Text that is long, and what lies beyond the table, is read anew.
 *
 * The values can also be taken from stored facts, so that sums and
 * differences do not ask where a line came from.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/facts.h"

#include "bill/hash.h"
#include "catalog/pg_type.h"
#include "core/money.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#define NUMBER_PLACES	1024
#define NUMBER_TEXT		28
#define NUMBER_BODY		28
#define TIME_PLACES		512
#define TIME_TEXT		31
#define JSON_PLACES		512
#define JSON_TEXT		1024

typedef struct NumberPlace
{
	int128		units;
	char		text[NUMBER_TEXT];
	char		body[NUMBER_BODY];
	unsigned char len;			/* of text; 0: empty */
	unsigned char body_len;
	unsigned char scale;
	bool		exact;
} NumberPlace;

typedef struct TimePlace
{
	int64		word;
	unsigned char len;
	char		text[TIME_TEXT];
} TimePlace;

typedef struct JsonPlace
{
	char	   *text;
	int			len;
	char	   *body;
	int			body_len;
} JsonPlace;

struct FactReader
{
	MemoryContext context;
	MemoryContext record;		/* what is made for one record only */
	bool		record_used;
	bool		convert;		/* the database is not in UTF-8 */
	int			n;
	BillOutColumn column[BILL_MAX_COLUMNS];
	void	   *places[BILL_MAX_COLUMNS];
	int64		header_id;		/* of the header that the list below is for */
	int			nfilled;
	int			filled[BILL_MAX_COLUMNS];	/* columns that it fills */
};

int
FactColumn(const char *name)
{
	BillOutColumn columns[BILL_MAX_COLUMNS];
	int			n = ProjectedColumns(columns);

	for (int i = 0; i < n; i++)
		if (strcmp(columns[i].name, name) == 0)
			return i;
	elog(ERROR, "no column \"%s\" in the facts", name);
}

FactReader *
FactReaderNew(MemoryContext context)
{
	FactReader *reader = MemoryContextAllocZero(context, sizeof(FactReader));

	reader->context = context;
	reader->record = AllocSetContextCreate(context, "finops record",
										   ALLOCSET_DEFAULT_SIZES);
	reader->convert = GetDatabaseEncoding() != PG_UTF8;
	reader->n = ProjectedColumns(reader->column);
	return reader;
}

static void *
places_of(FactReader *reader, int at, Size size)
{
	if (reader->places[at] == NULL)
		reader->places[at] = MemoryContextAllocZero(reader->context, size);
	return reader->places[at];
}

static bool
is_ascii(const char *data, int len)
{
	uint64		high = 0;
	uint64		word;

	for (; len >= (int) sizeof(word); len -= (int) sizeof(word), data += sizeof(word))
	{
		memcpy(&word, data, sizeof(word));
		high |= word;
	}
	word = 0;
	memcpy(&word, data, (size_t) len);
	return ((high | word) & UINT64_C(0x8080808080808080)) == 0;
}

/* A C string of this record. */
static char *
record_string(FactReader *reader, Slice s)
{
	char	   *text = MemoryContextAllocHuge(reader->record, (Size) s.len + 1);

	reader->record_used = true;
	memcpy(text, s.data, (size_t) s.len);
	text[s.len] = '\0';
	return text;
}

/* UTF-8 that is not ASCII, in the encoding of the database. */
static Slice
converted(FactReader *reader, Slice s)
{
	MemoryContext old = MemoryContextSwitchTo(reader->record);
	char	   *text = pg_any_to_server(record_string(reader, s), s.len, PG_UTF8);

	MemoryContextSwitchTo(old);
	return (Slice) {text, (int) strlen(text)};
}

static bool
read_text(FactReader *reader, Slice s, FactValue *value)
{
	if (!is_ascii(s.data, s.len))
	{
		if (!Utf8Valid(s.data, s.len))
			return false;
		if (reader->convert)
			s = converted(reader, s);
	}
	value->data = s.data;
	value->len = s.len;
	return true;
}

/* ---------------------------------------------------------------------
 * Numbers
 * ---------------------------------------------------------------------
 */

/* Text that has passed NumberCheck, as a numeric of this record. */
static void
make_number(FactReader *reader, Slice s, FactValue *value)
{
	MemoryContext old = MemoryContextSwitchTo(reader->record);
	Datum		number = DirectFunctionCall3(numeric_in,
											 CStringGetDatum(record_string(reader, s)),
											 ObjectIdGetDatum(InvalidOid),
											 Int32GetDatum(-1));

	MemoryContextSwitchTo(old);
	value->data = VARDATA_ANY(DatumGetPointer(number));
	value->len = (int) VARSIZE_ANY_EXHDR(DatumGetPointer(number));
	value->exact = NumberFixed(s, &value->units, &value->scale);
}

static void
read_number(FactReader *reader, int at, Slice s, FactValue *value)
{
	NumberPlace *place;

	if (s.len > NUMBER_TEXT)
	{
		make_number(reader, s, value);
		return;
	}
	place = (NumberPlace *) places_of(reader, at, sizeof(NumberPlace) * NUMBER_PLACES) +
		BillHashBytes(s.data, (size_t) s.len, BILL_HASH_SEED) % NUMBER_PLACES;
	if (place->len != s.len || memcmp(place->text, s.data, (size_t) s.len) != 0)
	{
		make_number(reader, s, value);
		if (value->len > NUMBER_BODY)
			return;
		memcpy(place->text, s.data, (size_t) s.len);
		memcpy(place->body, value->data, (size_t) value->len);
		place->len = (unsigned char) s.len;
		place->body_len = (unsigned char) value->len;
		place->units = value->units;
		place->scale = (unsigned char) value->scale;
		place->exact = value->exact;
	}
	value->data = place->body;
	value->len = place->body_len;
	value->units = place->units;
	value->scale = place->scale;
	value->exact = place->exact;
}

Datum
FactNumeric(int128 units, int scale)
{
	char		digits[64];
	char		text[72];
	uint128		rest = units < 0 ? -(uint128) units : (uint128) units;
	int			n = 0;
	char	   *to = text;

	for (int i = scale; i < FIXED_SCALE; i++)
		rest /= 10;
	do
	{
		digits[n++] = (char) ('0' + (int) (rest % 10));
		rest /= 10;
	} while (rest != 0 || n <= scale);
	if (units < 0)
		*to++ = '-';
	while (n > 0)
	{
		if (n == scale)
			*to++ = '.';
		*to++ = digits[--n];
	}
	*to = '\0';
	return DirectFunctionCall3(numeric_in, CStringGetDatum(text),
							   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
}

/* ---------------------------------------------------------------------
 * Times
 * ---------------------------------------------------------------------
 */

static bool
make_moment(Slice s, bool is_date, int64 *word)
{
	BillTime	t;
	DateADT		date;

	if (TimeParse(s, &t) != VALUE_OK)
		return false;
	date = date2j(t.year, t.month, t.day) - POSTGRES_EPOCH_JDATE;
	*word = is_date ? (int64) date :
		(int64) date * USECS_PER_DAY +
		((t.hour * INT64CONST(60) + t.minute) * 60 + t.second) * USECS_PER_SEC +
		t.microsecond;
	return true;
}

static bool
read_time(FactReader *reader, int at, Slice s, FactValue *value)
{
	bool		is_date = reader->column[at].kind == BILL_OUT_DATE;
	TimePlace  *place;

	if (s.len > TIME_TEXT)
		return make_moment(s, is_date, &value->word);
	place = (TimePlace *) places_of(reader, at, sizeof(TimePlace) * TIME_PLACES) +
		BillHashBytes(s.data, (size_t) s.len, BILL_HASH_SEED) % TIME_PLACES;
	if (place->len != s.len || memcmp(place->text, s.data, (size_t) s.len) != 0)
	{
		if (!make_moment(s, is_date, &value->word))
			return false;
		memcpy(place->text, s.data, (size_t) s.len);
		place->len = (unsigned char) s.len;
		place->word = value->word;
	}
	value->word = place->word;
	return true;
}

/* ---------------------------------------------------------------------
 * JSON
 * ---------------------------------------------------------------------
 */

static void
make_json(FactReader *reader, Slice s, FactValue *value)
{
	MemoryContext old;
	Datum		json;

	if (reader->convert && !is_ascii(s.data, s.len))
		s = converted(reader, s);
	old = MemoryContextSwitchTo(reader->record);
	json = DirectFunctionCall1(jsonb_in, CStringGetDatum(record_string(reader, s)));
	MemoryContextSwitchTo(old);
	value->data = VARDATA_ANY(DatumGetPointer(json));
	value->len = (int) VARSIZE_ANY_EXHDR(DatumGetPointer(json));
}

static bool
read_json(FactReader *reader, int at, Slice s, FactValue *value)
{
	JsonPlace  *place;

	if (!is_ascii(s.data, s.len) && !Utf8Valid(s.data, s.len))
		return false;
	if (s.len > JSON_TEXT)
	{
		make_json(reader, s, value);
		return true;
	}
	place = (JsonPlace *) places_of(reader, at, sizeof(JsonPlace) * JSON_PLACES) +
		BillHashBytes(s.data, (size_t) s.len, BILL_HASH_SEED) % JSON_PLACES;
	if (place->len != s.len || memcmp(place->text, s.data, (size_t) s.len) != 0)
	{
		make_json(reader, s, value);
		if (place->text != NULL)
			pfree(place->text);
		place->text = MemoryContextAlloc(reader->context, (Size) s.len + value->len);
		place->body = place->text + s.len;
		memcpy(place->text, s.data, (size_t) s.len);
		memcpy(place->body, value->data, (size_t) value->len);
		place->len = s.len;
		place->body_len = value->len;
	}
	value->data = place->body;
	value->len = place->body_len;
	return true;
}

/* ---------------------------------------------------------------------
 * Records and stored facts
 * ---------------------------------------------------------------------
 */

static bool
read_value(FactReader *reader, BillProjector *p, int at, Slice s, FactValue *value)
{
	switch (reader->column[at].kind)
	{
		case BILL_OUT_TEXT:
			return read_text(reader, s, value) || ProjectBlame(p, at, VALUE_NOT_UTF8, s);
		case BILL_OUT_NUMBER:
			read_number(reader, at, s, value);
			break;
		case BILL_OUT_TIME:
		case BILL_OUT_DATE:
			return read_time(reader, at, s, value) || ProjectBlame(p, at, VALUE_NOT_A_TIME, s);
		case BILL_OUT_JSON:
			return read_json(reader, at, s, value) || ProjectBlame(p, at, VALUE_NOT_UTF8, s);
		case BILL_OUT_PERIOD:
			break;
	}
	return true;
}

/* The facts have many columns, a bill fills some of them. */
static void
find_filled(FactReader *reader, const BillHeader *header, FactValue *values)
{
	reader->header_id = header->id;
	reader->nfilled = 0;
	for (int i = 0; i < reader->n; i++)
	{
		values[i].isnull = true;
		if (ProjectFills(header, i))
			reader->filled[reader->nfilled++] = i;
	}
}

bool
FactRead(FactReader *reader, BillProjector *p, FactValue *values)
{
	if (reader->record_used)
		MemoryContextReset(reader->record);
	reader->record_used = false;
	if (reader->header_id != p->header->id)
		find_filled(reader, p->header, values);
	for (int i = 0; i < reader->nfilled; i++)
	{
		int			at = reader->filled[i];
		Slice		s = ProjectValue(p, at);

		values[at].isnull = s.data == NULL;
		if (s.data != NULL && !read_value(reader, p, at, s, &values[at]))
			return false;
	}
	return true;
}

void
FactStoredOf(FactStored *columns, TupleDesc desc)
{
	columns->n = ProjectedColumns(columns->column);
	for (int i = 0; i < columns->n; i++)
	{
		columns->attribute[i] = 0;
		for (int k = 0; k < desc->natts; k++)
			if (!TupleDescAttr(desc, k)->attisdropped &&
				strcmp(NameStr(TupleDescAttr(desc, k)->attname), columns->column[i].name) == 0)
				columns->attribute[i] = k + 1;
	}
}

static void
stored_number(Datum datum, FactValue *value)
{
	MoneyUnits	money;
	char	   *text;

	if (MoneyDecodeNumeric(datum, &money))
	{
		value->units = (int128) money.units;
		value->scale = money.scale;
		value->exact = money.scale <= FIXED_SCALE &&
			(money.units == 0 || FixedScaleUp(&value->units, money.scale));
		if (money.negative)
			value->units = -value->units;
		return;
	}
	text = DatumGetCString(DirectFunctionCall1(numeric_out, datum));
	value->exact = NumberCheck((Slice) {text, (int) strlen(text)}) == VALUE_OK &&
		NumberFixed((Slice) {text, (int) strlen(text)}, &value->units, &value->scale);
}

void
FactReadStored(const FactStored *columns, const Datum *datums,
			   const bool *isnull, FactValue *values)
{
	for (int i = 0; i < columns->n; i++)
	{
		FactValue  *value = &values[i];
		int			at = columns->attribute[i] - 1;
		struct varlena *text;

		value->isnull = at < 0 || isnull[at];
		if (value->isnull)
			continue;
		switch (columns->column[i].kind)
		{
			case BILL_OUT_TEXT:
			case BILL_OUT_JSON:
				text = PG_DETOAST_DATUM_PACKED(datums[at]);
				value->data = VARDATA_ANY(text);
				value->len = (int) VARSIZE_ANY_EXHDR(text);
				break;
			case BILL_OUT_NUMBER:
				stored_number(datums[at], value);
				break;
			case BILL_OUT_TIME:
				value->word = DatumGetTimestamp(datums[at]);
				break;
			case BILL_OUT_DATE:
				value->word = DatumGetDateADT(datums[at]);
				break;
			case BILL_OUT_PERIOD:
				value->isnull = true;
				break;
		}
	}
}

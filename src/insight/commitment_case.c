/*-------------------------------------------------------------------------
 *
 * commitment_case.c
 *	  Usage and commitments read from queries into the form in which they are
 *	  applied and searched.
 *
 * A line is what has one account, one usage type and one rate.  Amounts with
 * more than twelve digits after the point are rounded there, half away from
 * zero; all that follows is exact.
 *
 *-------------------------------------------------------------------------
 */
#include "insight/commitment_case.h"

#include "access/htup_details.h"
#include "common/hashfn.h"
#include "core/money.h"
#include "utils/memutils.h"

#define FETCH		10000
#define MOST_CELLS	64000000	/* of 16 bytes: hours times lines */
#define MOST_LINES	20000
#define MOST_COMMITMENTS	500
#define DEFAULT_STEP	((CommitmentMoney) COMMITMENT_ONE * (COMMITMENT_ONE / 1000))	/* as AWS sells */

const char *const CommitmentKindNames[COMMITMENT_KINDS] = {"reservation", "family", "flexible"};

/* Texts by number, in the order in which they were met. */
typedef struct Names
{
	int			n;
	int			size;			/* of the table, a power of two */
	int		   *table;			/* -1: free */
	char	  **keys;
	int		   *lengths;
	uint32	   *hashes;
} Names;

typedef struct Cell
{
	int64		hour;
	int			line;
	CommitmentQuantity quantity;
} Cell;

typedef struct Reader
{
	CommitmentCase *k;
	Names		lines;
	Names		accounts;
	Names		types;
	CommitmentLine *line;
	int		   *type_of;		/* by line */
	Cell	   *cells;
	int64		ncells;
	int64		most_cells;
	int64		first;
	int64		last;
	StringInfoData key;
} Reader;

/* ---------------------------------------------------------------------
 * Numbers
 * ---------------------------------------------------------------------
 */
pg_noreturn static void
raise_value(const char *what, const char *text)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s cannot be %s", what, FinopsQuoteForMessage(text)),
			 errhint("Give finite numbers that are not negative.")));
}

pg_noreturn static void
raise_range(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("%s is too large", what),
			 errdetail("At most ten millions an hour can be counted.")));
}

/* The digits of a text as an integer of 10^-12, rounded. */
static int128
scaled_text(const char *text, const char *what)
{
	bool		negative = text[0] == '-';
	int			decimals = -1;
	int128		value = 0;

	for (const char *p = text + negative; *p != '\0'; p++)
	{
		if (*p == '.')
		{
			decimals = 0;
			continue;
		}
		if (*p < '0' || *p > '9')
			raise_value(what, text);
		if (decimals == 12)
		{
			value += *p >= '5';
			break;
		}
		if (__builtin_mul_overflow(value, (int128) 10, &value) ||
			__builtin_add_overflow(value, (int128) (*p - '0'), &value))
			raise_range(what);
		decimals += decimals >= 0;
	}
	for (int i = Max(decimals, 0); i < 12; i++)
		if (__builtin_mul_overflow(value, (int128) 10, &value))
			raise_range(what);
	return negative ? -value : value;
}

int128
CommitmentScaled(Datum value, const char *what)
{
	static const int64 powers[] = {
		1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000, INT64CONST(10000000000),
		INT64CONST(100000000000), INT64CONST(1000000000000)
	};
	MoneyUnits	units;
	int128		scaled;

	if (!MoneyDecodeNumeric(value, &units) || units.scale > 12)
		return scaled_text(DatumGetCString(DirectFunctionCall1(numeric_out, value)), what);
	scaled = (int128) units.units * powers[12 - units.scale];
	return units.negative ? -scaled : scaled;
}

Datum
CommitmentNumeric(int128 value, int scale)
{
	char		text[64];
	char	   *p = text + sizeof(text);
	uint128		rest = value < 0 ? -(uint128) value : (uint128) value;
	Datum		number;

	*--p = '\0';
	for (int digit = 0; digit <= scale || rest > 0; digit++)
	{
		if (digit == scale && scale > 0)
			*--p = '.';
		*--p = '0' + (int) (rest % 10);
		rest /= 10;
	}
	if (value < 0)
		*--p = '-';
	number = DirectFunctionCall3(numeric_in, CStringGetDatum(p), ObjectIdGetDatum(InvalidOid),
								 Int32GetDatum(-1));
	return DirectFunctionCall1(numeric_trim_scale, number);
}

static Datum
rounded(Datum value, int scale)
{
	return DirectFunctionCall1(numeric_trim_scale,
							   DirectFunctionCall2(numeric_round, value, Int32GetDatum(scale)));
}

Datum
CommitmentShare(int128 value, int64 times, int128 by)
{
	Datum		product = DirectFunctionCall2(numeric_mul, CommitmentNumeric(value, 24),
											  CommitmentNumeric(times, 0));

	return rounded(DirectFunctionCall2(numeric_div, product, CommitmentNumeric(by, 0)), 10);
}

Datum
CommitmentQuotient(Datum part, Datum whole, bool *isnull)
{
	Datum		shifted;

	*isnull = DatumGetBool(DirectFunctionCall2(numeric_eq, whole, CommitmentNumeric(0, 0)));
	if (*isnull)
		return (Datum) 0;
	/* shifted, so that what is small keeps its digits */
	shifted = DirectFunctionCall2(numeric_mul, part, CommitmentNumeric(COMMITMENT_ONE, 0));
	shifted = DirectFunctionCall2(numeric_div, shifted, whole);
	return rounded(DirectFunctionCall2(numeric_div, shifted, CommitmentNumeric(COMMITMENT_ONE, 0)), 12);
}

Datum
CommitmentRatio(int128 part, int128 whole, bool *isnull)
{
	return CommitmentQuotient(CommitmentNumeric(part, 0), CommitmentNumeric(whole, 0), isnull);
}

CommitmentUseFigures
CommitmentUsed(const CommitmentCase *k, int i)
{
	CommitmentUseFigures sum = {.used = CommitmentNumeric(0, 0)};

	for (int at = 0; at < k->n; at++)
	{
		const Commitment *c = &k->commitments[at];
		Datum		used = CommitmentNumeric(c->fee, 24);

		if (i >= 0 && at != i)
			continue;
		sum.fee += c->fee;
		sum.covered += c->covered;
		if (c->available == 0)
			continue;
		/* of plans available is the fee */
		if (c->available == c->fee)
			used = CommitmentNumeric(c->used, 24);
		else if (c->used != c->available)
		{
			used = DirectFunctionCall2(numeric_mul, used, CommitmentNumeric(c->used, 24));
			used = rounded(DirectFunctionCall2(numeric_div, used, CommitmentNumeric(c->available, 24)), 24);
		}
		sum.used = DirectFunctionCall2(numeric_add, sum.used, used);
	}
	return sum;
}

/* ---------------------------------------------------------------------
 * Names
 * ---------------------------------------------------------------------
 */
static void
names_init(Names *names)
{
	*names = (Names) {.size = 64};
	names->table = palloc_array(int, names->size);
	memset(names->table, -1, names->size * sizeof(int));
	names->keys = palloc_array(char *, names->size);
	names->lengths = palloc_array(int, names->size);
	names->hashes = palloc_array(uint32, names->size);
}

static void
names_grow(Names *names)
{
	names->size *= 2;
	names->table = repalloc_array(names->table, int, names->size);
	names->keys = repalloc_array(names->keys, char *, names->size);
	names->lengths = repalloc_array(names->lengths, int, names->size);
	names->hashes = repalloc_array(names->hashes, uint32, names->size);
	memset(names->table, -1, names->size * sizeof(int));
	for (int i = 0; i < names->n; i++)
	{
		uint32		at = names->hashes[i] & (names->size - 1);

		while (names->table[at] >= 0)
			at = (at + 1) & (names->size - 1);
		names->table[at] = i;
	}
}

/* The number of a text; a new one is added, or where it may not be is -1. */
static int
name_number(Names *names, const char *key, int length, bool add)
{
	uint32		hash = hash_bytes((const unsigned char *) key, length);
	uint32		at = hash & (names->size - 1);

	for (; names->table[at] >= 0; at = (at + 1) & (names->size - 1))
	{
		int			i = names->table[at];

		if (names->hashes[i] == hash && names->lengths[i] == length &&
			memcmp(names->keys[i], key, length) == 0)
			return i;
	}
	if (!add)
		return -1;
	if (names->n >= names->size / 2)
	{
		names_grow(names);
		at = hash & (names->size - 1);
		while (names->table[at] >= 0)
			at = (at + 1) & (names->size - 1);
	}
	names->table[at] = names->n;
	/* keys may hold a zero byte */
	names->keys[names->n] = memcpy(palloc(length + 1), key, length);
	names->lengths[names->n] = length;
	names->hashes[names->n] = hash;
	return names->n++;
}

/* ---------------------------------------------------------------------
 * Rows of a query
 * ---------------------------------------------------------------------
 */
typedef void (*RowReader) (Reader *r, const Datum *values, const bool *nulls);

static void
read_rows(Reader *r, const char *sql, int columns, RowReader reader)
{
	MemoryContext row = AllocSetContextCreate(CurrentMemoryContext, "finops commitment row",
											  ALLOCSET_DEFAULT_SIZES);
	Portal		portal = SPI_cursor_open_with_args(NULL, sql, 0, NULL, NULL, NULL, true, 0);
	Datum	   *values = palloc_array(Datum, columns);
	bool	   *nulls = palloc_array(bool, columns);

	for (;;)
	{
		SPI_cursor_fetch(portal, true, FETCH);
		if (SPI_processed == 0)
			break;
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			MemoryContext old;

			heap_deform_tuple(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, values, nulls);
			old = MemoryContextSwitchTo(row);
			reader(r, values, nulls);
			MemoryContextSwitchTo(old);
		}
		MemoryContextReset(row);
		SPI_freetuptable(SPI_tuptable);
		CHECK_FOR_INTERRUPTS();
	}
	SPI_freetuptable(SPI_tuptable);
	SPI_cursor_close(portal);
	MemoryContextDelete(row);
}

static void
require(const bool *nulls, int column, const char *what)
{
	if (nulls[column])
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", what)));
}

static int64
rate_of(Datum value, const char *what)
{
	int128		rate = CommitmentScaled(value, what);

	if (rate < 0)
		raise_value(what, DatumGetCString(DirectFunctionCall1(numeric_out, value)));
	if (rate > INT64_MAX)
		raise_range(what);
	return (int64) rate;
}

static void
append_text(StringInfo key, Datum value, bool isnull)
{
	text	   *t;

	if (isnull)
		return;
	t = DatumGetTextPP(value);
	appendBinaryStringInfo(key, VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t));
}

static int
text_number(Reader *r, Names *names, Datum value, bool isnull, bool add)
{
	resetStringInfo(&r->key);
	append_text(&r->key, value, isnull);
	return name_number(names, r->key.data, r->key.len, add);
}

/* account, usage type and rate make a line */
static int
line_number(Reader *r, const Datum *values, const bool *nulls)
{
	Datum		rate = PointerGetDatum(PG_DETOAST_DATUM_PACKED(values[4]));
	MemoryContext old = MemoryContextSwitchTo(r->k->context);
	int			known = r->lines.n,
				line;

	resetStringInfo(&r->key);
	append_text(&r->key, values[1], nulls[1]);
	appendStringInfoChar(&r->key, '\0');
	append_text(&r->key, values[2], nulls[2]);
	appendStringInfoChar(&r->key, '\0');
	appendBinaryStringInfo(&r->key, VARDATA_ANY(rate), VARSIZE_ANY_EXHDR(rate));
	line = name_number(&r->lines, r->key.data, r->key.len, true);
	if (line == known)
	{
		if (line >= MOST_LINES)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("usage has more than %d combinations of account, usage type and rate", MOST_LINES),
					 errhint("Leave out usage that no commitment covers.")));
		if (line % 64 == 0)
		{
			r->line = repalloc_array(r->line, CommitmentLine, line + 64);
			r->type_of = repalloc_array(r->type_of, int, line + 64);
		}
		r->line[line].account = text_number(r, &r->accounts, values[1], nulls[1], true);
		r->line[line].rate = rate_of(values[4], "a rate");
		r->type_of[line] = text_number(r, &r->types, values[2], nulls[2], true);
	}
	MemoryContextSwitchTo(old);
	return line;
}

static void
read_usage(Reader *r, const Datum *values, const bool *nulls)
{
	static const char *const names[] = {"the hour of usage", NULL, "a usage type", "a quantity", "a rate"};
	Cell	   *cell;

	for (int i = 0; i < 5; i++)
		if (names[i] != NULL)
			require(nulls, i, names[i]);
	if (r->ncells == r->most_cells)
	{
		r->most_cells *= 2;
		r->cells = repalloc_huge(r->cells, r->most_cells * sizeof(Cell));
	}
	cell = &r->cells[r->ncells++];
	cell->hour = DatumGetInt64(values[0]);
	cell->quantity = CommitmentScaled(values[3], "a quantity");
	if (cell->quantity < 0)
		raise_value("a quantity", DatumGetCString(DirectFunctionCall1(numeric_out, values[3])));
	cell->line = line_number(r, values, nulls);
	r->first = Min(r->first, cell->hour);
	r->last = Max(r->last, cell->hour);
}

static CommitmentKind
kind_of(const char *name)
{
	for (int i = 0; i < COMMITMENT_KINDS; i++)
		if (strcmp(name, CommitmentKindNames[i]) == 0)
			return (CommitmentKind) i;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("there is no kind of commitment \"%s\"", FinopsQuoteForMessage(name)),
			 errhint("Kinds are reservation, family and flexible.")));
}

/* An amount an hour in 10^-24; a negative one is refused. */
static int128
hourly_of(Datum value, const char *what)
{
	int128		amount = CommitmentScaled(value, what);

	if (amount < 0)
		raise_value(what, DatumGetCString(DirectFunctionCall1(numeric_out, value)));
	if (amount > COMMITMENT_MOST_HOURLY / COMMITMENT_ONE)
		raise_range(what);
	return amount * COMMITMENT_ONE;
}

static void
check_id(const CommitmentCase *k, const char *id)
{
	for (int i = 0; i < k->n; i++)
		if (strcmp(k->ids[i], id) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("commitment \"%s\" is there twice", FinopsQuoteForMessage(id))));
	if (k->n == MOST_COMMITMENTS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("there are more than %d commitments", MOST_COMMITMENTS)));
}

static void
read_commitment(Reader *r, const Datum *values, const bool *nulls)
{
	CommitmentCase *k = r->k;
	MemoryContext old = MemoryContextSwitchTo(k->context);
	Commitment *c = &k->commitments[Min(k->n, MOST_COMMITMENTS - 1)];

	require(nulls, 0, "a commitment");
	require(nulls, 1, "the kind of a commitment");
	check_id(k, TextDatumGetCString(values[0]));
	k->ids[k->n] = TextDatumGetCString(values[0]);
	k->free[k->n++] = nulls[4];
	*c = (Commitment) {.kind = kind_of(TextDatumGetCString(values[1])),.most = -1};
	c->owner = text_number(r, &r->accounts, values[2], nulls[2], true);
	c->shared = nulls[3] || DatumGetBool(values[3]);
	c->hourly = nulls[4] ? 0 : hourly_of(values[4], "the price of a commitment");
	if (c->kind == COMMITMENT_RESERVATION && !nulls[4])
	{
		/* in money, like its rates, unless units say otherwise */
		c->units = nulls[5] ? c->hourly : CommitmentScaled(values[5], "units of a commitment") * COMMITMENT_ONE;
		if (c->units < 0)
			raise_value("units of a commitment", DatumGetCString(DirectFunctionCall1(numeric_out, values[5])));
	}
	c->from = nulls[6] ? PG_INT64_MIN : DatumGetInt64(values[6]);
	c->upto = nulls[7] ? PG_INT64_MAX : DatumGetInt64(values[7]);
	c->step = nulls[8] ? 0 : hourly_of(values[8], "the step of a commitment");
	c->most = nulls[9] ? -1 : hourly_of(values[9], "the most of a commitment");
	c->cash_hours = nulls[10] ? 0 : DatumGetInt64(values[10]);
	MemoryContextSwitchTo(old);
}

static void
read_rate(Reader *r, const Datum *values, const bool *nulls)
{
	CommitmentCase *k = r->k;
	char	   *id;
	int			type,
				at = 0;
	int64		rate;

	require(nulls, 0, "the commitment of a rate");
	require(nulls, 1, "the usage type of a rate");
	require(nulls, 2, "a rate");
	id = TextDatumGetCString(values[0]);
	rate = rate_of(values[2], "a rate");
	type = text_number(r, &r->types, values[1], false, false);
	while (at < k->n && strcmp(k->ids[at], id) != 0)
		at++;
	if (at == k->n || type < 0)
		return;
	for (int line = 0; line < r->lines.n; line++)
		if (r->type_of[line] == type)
			((int64 *) k->commitments[at].rates)[line] = rate;
}

/* ---------------------------------------------------------------------
 * The case
 * ---------------------------------------------------------------------
 */
static int64
clipped(int64 hour, int64 first, int64 hours)
{
	if (hour <= first)
		return 0;
	return hour >= first + hours ? hours : hour - first;
}

static void
fill_use(Reader *r, const CommitmentEpoch *epochs)
{
	CommitmentCase *k = r->k;
	int64		cells = k->window * k->nepochs * Max(r->lines.n, 1);
	int64	   *weights = palloc_array(int64, Max(k->window * k->nepochs, 1));
	CommitmentQuantity *quantities;

	if (cells > MOST_CELLS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("usage is too much to be held: %lld hours of %d lines", (long long) (k->window * k->nepochs), r->lines.n),
				 errhint("Sum usage by what the commitments tell apart, or give fewer hours.")));
	quantities = MemoryContextAllocExtended(k->context, Max(cells, 1) * sizeof(CommitmentQuantity),
											MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (int64 i = 0; i < r->ncells; i++)
	{
		const Cell *c = &r->cells[i];

		if (c->hour - r->first < 0 || c->hour - r->first >= k->window)
			continue;
		for (int e = 0; e < k->nepochs; e++)
			quantities[((int64) e * k->window + c->hour - r->first) * r->lines.n + c->line] +=
				epochs == NULL ? c->quantity : c->quantity / 1000000 * epochs[e].factor;
	}
	for (int64 h = 0; h < k->window * k->nepochs; h++)
		weights[h] = epochs == NULL ? 1 : epochs[h / k->window].weight;
	for (int64 h = 0; h < k->window * k->nepochs; h++)
		k->weight += weights[h];
	k->use = (CommitmentUse) {.nhours = k->window * k->nepochs,.weights = weights,.nlines = r->lines.n,
		.lines = r->line,.quantities = quantities};
}

static void
place_commitments(Reader *r, bool in_epochs)
{
	CommitmentCase *k = r->k;

	for (int i = 0; i < k->n; i++)
	{
		Commitment *c = &k->commitments[i];

		c->rates = palloc0_array(int64, Max(r->lines.n, 1));
		if (in_epochs)
		{
			c->from = clipped(c->from, 0, k->nepochs) * k->window;
			c->upto = clipped(c->upto, 0, k->nepochs) * k->window;
		}
		else
		{
			c->from = clipped(c->from, r->first, k->window);
			c->upto = clipped(c->upto, r->first, k->window);
		}
	}
}

void
CommitmentReadCase(CommitmentCase *k, const char *usage, const char *commitments, const char *rates,
				   const CommitmentEpoch *epochs, int nepochs, int64 window)
{
	Reader		r = {.k = k,.first = PG_INT64_MAX,.last = PG_INT64_MIN,.most_cells = 4096};

	memset(k, 0, sizeof(CommitmentCase));
	k->context = CurrentMemoryContext;
	k->ids = palloc_array(char *, MOST_COMMITMENTS);
	k->free = palloc0_array(bool, MOST_COMMITMENTS);
	k->commitments = palloc0_array(Commitment, MOST_COMMITMENTS);
	names_init(&r.lines);
	names_init(&r.accounts);
	names_init(&r.types);
	initStringInfo(&r.key);
	r.line = palloc_array(CommitmentLine, 1);
	r.type_of = palloc_array(int, 1);
	r.cells = palloc_array(Cell, r.most_cells);
	read_rows(&r, usage, 5, read_usage);
	read_rows(&r, commitments, 11, read_commitment);
	if (window > 0)
		r.first = 0;
	else if (r.ncells == 0)
		r.first = 0;
	else if (r.last - r.first >= COMMITMENT_MOST_HOURS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("usage spans more than %d hours", COMMITMENT_MOST_HOURS)));
	k->window = window > 0 ? window : r.ncells == 0 ? 0 : r.last - r.first + 1;
	k->nepochs = epochs == NULL ? 1 : nepochs;
	place_commitments(&r, epochs != NULL);
	read_rows(&r, rates, 3, read_rate);
	fill_use(&r, epochs);
	pfree(r.cells);
}

void
CommitmentRaise(CommitmentFault fault)
{
	if (fault == COMMITMENT_NEGATIVE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("usage and commitments cannot be negative")));
	if (fault == COMMITMENT_TOO_MUCH)
		raise_range("the cost of usage");
}

void
CommitmentInterrupt(void)
{
	CHECK_FOR_INTERRUPTS();
}

void *
CommitmentMemory(size_t size)
{
	return MemoryContextAllocHuge(CurrentMemoryContext, Max(size, 1));
}

/* One plan that is alone and may be of any amount: its exact optimum. */
static bool
solve_alone(CommitmentCase *k, const CommitmentLimits *limits, CommitmentMoney step)
{
	const CommitmentLimits none = {0};
	void	   *memory;

	if (k->n != 1 || !k->free[0] || step != 0 || k->commitments[0].step != 0 || k->commitments[0].most >= 0 ||
		k->commitments[0].kind == COMMITMENT_RESERVATION || memcmp(limits, &none, sizeof(none)) != 0)
		return false;
	memory = CommitmentMemory(CommitmentBestSize(&k->use));
	CommitmentRaise(CommitmentBest(memory, &k->use, k->commitments, CommitmentInterrupt));
	pfree(memory);
	return true;
}

CommitmentMoney
CommitmentSolve(CommitmentCase *k, const CommitmentLimits *limits, CommitmentMoney step)
{
	CommitmentSearch s = {.use = &k->use,.commitments = k->commitments,.ncommitments = k->n,.free = k->free,
		.limits = *limits,.step = step > 0 ? step : DEFAULT_STEP,.interrupt = CommitmentInterrupt};
	bool		search = false;
	void	   *memory;

	if (solve_alone(k, limits, step))
		return CommitmentSum(&k->use, k->commitments, k->n).cost;
	for (int i = 0; i < k->n; i++)
		search = search || k->free[i];
	if (search)
	{
		memory = CommitmentMemory(CommitmentSearchSize(&k->use, k->n));
		CommitmentRaise(CommitmentJoint(memory, &s));
	}
	else
	{
		CommitmentOrder *order;

		memory = CommitmentMemory(CommitmentOrderSize(k->n, k->use.nlines));
		CommitmentRaise(CommitmentPrepare(memory, &k->use, k->commitments, k->n, &order));
		CommitmentApply(order, &k->use, k->commitments, CommitmentInterrupt);
		s.greedy = CommitmentSum(&k->use, k->commitments, k->n).cost;
	}
	pfree(memory);
	return s.greedy;
}

/*-------------------------------------------------------------------------
 *
 * line_sums.c
 *	  Sums of bill lines by tenant and key in one block of bytes.
 *
 * Ten million lines come to some hundred thousand sums of ten thousand tenants
 * and a few dozen keys.  Tenants and keys are texts, each once; a sum is found
 * by their numbers and takes half a line of the processor's cache, which is
 * what a line of the bill costs to be added.
 *
 * A head, the texts, an open hash table of their numbers, an open hash table
 * of the sums, and the bytes of the texts.
 *
 *-------------------------------------------------------------------------
 */
#include "allocate/line_sums.h"

#include "bill/hash.h"

#define MAGIC			UINT32_C(0x6C73756D)	/* "lsum" */
#define FIRST_TEXTS		UINT32_C(64)
#define FIRST_CELLS		UINT32_C(256)
#define FIRST_BYTES		UINT64_C(4096)
#define MAX_TEXTS		(UINT32_C(1) << 26)
#define MAX_CELLS		(UINT32_C(1) << 26)

typedef struct Head
{
	uint32		caller;
	uint32		magic;
	LineSumsRoom room;
	uint32		n_texts;
	uint32		n_cells;
	uint64		used;			/* bytes of texts */
} Head;

typedef struct Text
{
	uint64		at;				/* among the bytes */
	uint32		len;
	uint32		hash;
	uint64		n;				/* lines named, the first and the last of them */
	int64		first;
	int64		last;
} Text;

typedef struct Cell
{
	uint32		tenant;			/* number of a text, from 1; 0: none */
	uint32		key;			/* the same; 0: the cell is empty */
	uint64		low;			/* of the units */
	uint64		high;
	uint32		scale;
	uint32		unused;
} Cell;

/* Where the parts of a block are; a quarter of the numbers' places is free. */
typedef struct Parts
{
	Head	   *head;
	Text	   *texts;
	uint32	   *numbers;		/* twice as many places as texts */
	Cell	   *cells;
	char	   *bytes;
} Parts;

LineSumsRoom
LineSumsFirstRoom(void)
{
	return (LineSumsRoom) {FIRST_TEXTS, FIRST_CELLS, FIRST_BYTES};
}

size_t
LineSumsSize(const LineSumsRoom *room)
{
	return sizeof(Head) + (sizeof(Text) + 2 * sizeof(uint32)) * (size_t) room->texts +
		sizeof(Cell) * (size_t) room->cells + (size_t) room->text;
}

static Parts
parts_of(const void *block)
{
	Parts		p;

	p.head = (Head *) (uintptr_t) block;	/* read only, where it is const */
	p.texts = (Text *) (p.head + 1);
	p.numbers = (uint32 *) (p.texts + p.head->room.texts);
	p.cells = (Cell *) (p.numbers + 2 * (size_t) p.head->room.texts);
	p.bytes = (char *) (p.cells + p.head->room.cells);
	return p;
}

void
LineSumsInit(void *block, const LineSumsRoom *room)
{
	Head	   *head = block;

	/* texts are written before they are read, and so are their bytes */
	memset(head, 0, sizeof(Head));
	head->magic = MAGIC;
	head->room = *room;
	memset(parts_of(block).numbers, 0, 2 * sizeof(uint32) * (size_t) room->texts);
	memset(parts_of(block).cells, 0, sizeof(Cell) * (size_t) room->cells);
}

static bool
is_power(uint32 n)
{
	return n > 0 && (n & (n - 1)) == 0;
}

bool
LineSumsIsBlock(const void *block, size_t size)
{
	const Head *head = block;

	return size >= sizeof(Head) && head->magic == MAGIC &&
		is_power(head->room.texts) && head->room.texts <= MAX_TEXTS &&
		is_power(head->room.cells) && head->room.cells <= MAX_CELLS &&
		head->room.text <= size && LineSumsSize(&head->room) == size;
}

bool
LineSumsValid(const void *block, size_t size)
{
	Parts		p;
	uint64		bytes = 0;
	uint32		n = 0;

	if (!LineSumsIsBlock(block, size))
		return false;
	p = parts_of(block);
	if (p.head->n_texts > p.head->room.texts ||
		p.head->n_cells > p.head->room.cells / 4 * 3 || p.head->used > p.head->room.text)
		return false;
	for (uint32 i = 0; i < p.head->n_texts; i++)
	{
		if (p.texts[i].at != bytes || p.texts[i].len > p.head->used - bytes)
			return false;
		bytes += p.texts[i].len;
	}
	for (uint64 i = 0; i < 2 * (uint64) p.head->room.texts; i++)
		if (p.numbers[i] > p.head->n_texts)
			return false;
	for (uint32 i = 0; i < p.head->room.cells; i++)
	{
		const Cell *c = &p.cells[i];

		if (c->key > p.head->n_texts || c->tenant > p.head->n_texts || c->scale > LINE_SUMS_MAX_SCALE)
			return false;
		n += c->key > 0;
	}
	return n == p.head->n_cells;
}

/* The number of a text, new ones included; 0: there is no room. */
static uint32
number_of(const Parts *p, LineSlice s)
{
	uint32		hash = (uint32) BillHashBytes(s.bytes, s.len, BILL_HASH_SEED);
	uint32		mask = 2 * p->head->room.texts - 1;
	uint32		at = hash & mask;
	Text	   *t;

	for (uint32 i = 0; i <= mask && p->numbers[at] != 0; i++, at = (at + 1) & mask)
	{
		t = &p->texts[p->numbers[at] - 1];
		if (t->hash == hash && t->len == s.len && memcmp(p->bytes + t->at, s.bytes, s.len) == 0)
			return p->numbers[at];
	}
	if (p->head->n_texts == p->head->room.texts || s.len > p->head->room.text - p->head->used)
		return 0;
	t = &p->texts[p->head->n_texts];
	*t = (Text) {p->head->used, s.len, hash, 0, 0, 0};
	memcpy(p->bytes + t->at, s.bytes, s.len);
	p->head->used += s.len;
	p->numbers[at] = ++p->head->n_texts;
	return p->head->n_texts;
}

/* The sum of a tenant and a key, a new one included; NULL: there is no room. */
static Cell *
cell_of(const Parts *p, uint32 tenant, uint32 key)
{
	uint64		hash = BillHashWord(BILL_HASH_SEED, (uint64) tenant << 32 | key);
	uint32		mask = p->head->room.cells - 1;
	uint32		at = (uint32) hash & mask;

	for (uint32 i = 0; i <= mask && p->cells[at].key != 0; i++, at = (at + 1) & mask)
		if (p->cells[at].tenant == tenant && p->cells[at].key == key)
			return &p->cells[at];
	if (p->head->n_cells >= p->head->room.cells / 4 * 3)
		return NULL;
	p->head->n_cells++;
	p->cells[at].tenant = tenant;
	p->cells[at].key = key;
	return &p->cells[at];
}

/* units * 10^digits; false: that takes more bits. */
static bool
shift(int128 *units, uint32 digits)
{
	if (*units == 0)
		return true;
	for (; digits > 0; digits--)
		if (__builtin_mul_overflow(*units, (int128) 10, units))
			return false;
	return true;
}

static int128
cell_units(const Cell *c)
{
	return (int128) (((uint128) c->high << 64) | c->low);
}

/* false: the cell is as it was. */
static bool
add_to_cell(Cell *c, int128 units, uint32 scale)
{
	int128		sum = cell_units(c);

	if (scale > c->scale ? !shift(&sum, scale - c->scale) : !shift(&units, c->scale - scale))
		return false;
	if (__builtin_add_overflow(sum, units, &sum))
		return false;
	c->low = (uint64) sum;
	c->high = (uint64) ((uint128) sum >> 64);
	c->scale = Max(c->scale, scale);
	return true;
}

static void
add_lines(Text *t, uint64 n, int64 first, int64 last)
{
	if (n == 0)
		return;
	t->first = t->n == 0 ? first : Min(t->first, first);
	t->last = t->n == 0 ? last : Max(t->last, last);
	t->n += n;
}

LineSumsStatus
LineSumsAdd(void *block, const LineAmount *amount)
{
	Parts		p = parts_of(block);
	uint32		tenant = 0;
	uint32		key;
	Cell	   *c;

	if (amount->tenant.bytes != NULL && (tenant = number_of(&p, amount->tenant)) == 0)
		return LINE_SUMS_FULL;
	if ((key = number_of(&p, amount->key)) == 0 || (c = cell_of(&p, tenant, key)) == NULL)
		return LINE_SUMS_FULL;
	if (!add_to_cell(c, amount->units, amount->scale))
		return LINE_SUMS_OVERFLOW;
	add_lines(&p.texts[key - 1], amount->named, amount->line, amount->line);
	return LINE_SUMS_OK;
}

void
LineSumsAddLines(void *block, const LineText *lines)
{
	Parts		p = parts_of(block);
	uint32		no = lines->n == 0 ? 0 : number_of(&p, lines->text);

	if (no > 0)
		add_lines(&p.texts[no - 1], lines->n, lines->first, lines->last);
}

LineSumsRoom
LineSumsMoreRoom(const void *block, const LineAmount *amount)
{
	const Head *head = parts_of(block).head;
	LineSumsRoom room = head->room;
	uint64		bytes = (uint64) amount->tenant.len + amount->key.len;

	if (head->n_texts + 2 > room.texts && room.texts < MAX_TEXTS)
		room.texts *= 2;
	if (bytes > room.text - head->used)
		room.text = 2 * room.text + bytes;
	if (head->n_cells >= room.cells / 4 * 3 && room.cells < MAX_CELLS)
		room.cells *= 2;
	return room;
}

uint32
LineSumsTexts(const void *block)
{
	return parts_of(block).head->n_texts;
}

void
LineSumsText(const void *block, uint32 no, LineText *text)
{
	Parts		p = parts_of(block);
	const Text *t = &p.texts[no - 1];

	*text = (LineText) {{p.bytes + t->at, t->len}, t->n, t->first, t->last};
}

bool
LineSumsNext(const void *block, uint32 *at, LineSum *sum)
{
	Parts		p = parts_of(block);

	for (; *at < p.head->room.cells; (*at)++)
	{
		const Cell *c = &p.cells[*at];
		const Text *key;
		const Text *tenant;

		if (c->key == 0)
			continue;
		key = &p.texts[c->key - 1];
		sum->key = (LineSlice) {p.bytes + key->at, key->len};
		sum->tenant = (LineSlice) {NULL, 0};
		if (c->tenant > 0)
		{
			tenant = &p.texts[c->tenant - 1];
			sum->tenant = (LineSlice) {p.bytes + tenant->at, tenant->len};
		}
		sum->tenant_no = c->tenant;
		sum->key_no = c->key;
		sum->units = cell_units(c);
		sum->scale = c->scale;
		(*at)++;
		return true;
	}
	return false;
}

/* Numbers of texts stay what they are. */
void
LineSumsCopy(const void *from, void *to)
{
	Parts		f = parts_of(from);
	Parts		t = parts_of(to);
	uint32		mask = 2 * t.head->room.texts - 1;

	memcpy(t.texts, f.texts, sizeof(Text) * f.head->n_texts);
	memcpy(t.bytes, f.bytes, f.head->used);
	t.head->used = f.head->used;
	for (; t.head->n_texts < f.head->n_texts; t.head->n_texts++)
	{
		uint32		at = t.texts[t.head->n_texts].hash & mask;

		while (t.numbers[at] != 0)
			at = (at + 1) & mask;
		t.numbers[at] = t.head->n_texts + 1;
	}
	for (uint32 i = 0; i < f.head->room.cells; i++)
		if (f.cells[i].key != 0)
			*cell_of(&t, f.cells[i].tenant, f.cells[i].key) = f.cells[i];
}

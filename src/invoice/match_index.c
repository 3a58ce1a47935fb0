/*-------------------------------------------------------------------------
 *
 * match_index.c
 *	  Finding invoices by number, tenant and amount, and tenants by account
 *	  and name.  Pure.
 *
 * Numbers are looked for at every place of a text at once: a rolling hash for
 * each length that numbers have (Karp and Rabin 1987), and a bit vector that
 * says of nearly every place that no number has that hash.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/match.h"

#include <stdlib.h>

#define NAME_CUT		18		/* bytes of a name that a bank may have cut */
#define MAX_LENGTHS		16
#define HASH_BASE		UINT64_C(0x9E3779B97F4A7C15)
#define FILTER_BITS		23		/* 1 MiB of bits */
#define MIN_KEY			5		/* shorter numbers prove nothing in free text */

typedef struct Key
{
	uint64		hash;
	const char *text;
	const char *plain;			/* without look-alikes made one */
	int32		invoice;
	int32		next;			/* of the same bucket, -1 */
	int32		len;
} Key;

typedef struct Entry
{
	uint64		hash;
	const char *text;
	int32		tenant;			/* -1: several */
	int32		other;			/* a second one, -1 */
	int32		times;
	bool		believed;
	int32		next;
} Entry;

typedef struct Table
{
	int32	   *bucket;
	uint32		mask;
	Entry	   *entry;
	int32		n;
	int32		size;
} Table;

struct MatchIndex
{
	const MatchInput *input;
	Key		   *keys;			/* two for each invoice: number, id */
	int32	   *bucket;
	uint32		mask;
	uint64	   *filter;
	int			nlengths;
	int			lengths[MAX_LENGTHS];
	uint64		power[MATCH_KEY_MAX + 1];
	int32	   *of_tenant;		/* places, by tenant and due day */
	int32	   *tenant_from;
	int32	   *of_amount;		/* places, by currency and amount */
	Table		accounts;
	Table		names;
	const char **in_order;		/* names of tenants without spaces, by tenant */
	int32	   *by_name;		/* tenants sorted by that */
	char	  **sorted;
};

static void *
make(const MatchInput *input, size_t n, size_t size)
{
	return input->allocate(input->arg, Max(n, 1) * size);
}

static const char *
keep(const MatchInput *input, const char *s, int len)
{
	char	   *copy = make(input, (size_t) len + 1, 1);

	memcpy(copy, s, (size_t) len);
	return copy;
}

static uint64
hash_of(const char *s, int len)
{
	uint64		h = 0;

	for (int i = 0; i < len; i++)
		h = h * HASH_BASE + (unsigned char) s[i];
	return h;
}

static uint64
mix(uint64 h)
{
	h ^= h >> 32;
	h *= UINT64_C(0xD6E8FEB86659FD93);
	return h ^ (h >> 29);
}

static uint32
table_mask(int64 n)
{
	uint32		size = 64;

	while (size < n * 2 && size < (UINT32_C(1) << 30))
		size *= 2;
	return size - 1;
}

/* ---------------------------------------------------------------------
 * Numbers
 * ---------------------------------------------------------------------
 */
static void
add_key(MatchIndex *ix, int32 invoice, int which, const char *text)
{
	Key		   *key = &ix->keys[invoice * 2 + which];
	MatchText	folded;
	uint64		h;
	int			i = 0;

	key->next = -1;
	if (text == NULL)
		return;
	MatchFold(text, &folded);
	if (folded.len < 1 || folded.len > MATCH_KEY_MAX)
		return;
	key->text = keep(ix->input, folded.c, folded.len);
	key->plain = keep(ix->input, folded.plain, folded.len);
	key->len = folded.len;
	key->invoice = invoice;
	key->hash = mix(hash_of(key->text, key->len));
	if (key->len < MIN_KEY)
		return;
	while (i < ix->nlengths && ix->lengths[i] != key->len)
		i++;
	if (i == ix->nlengths)
	{
		if (i == MAX_LENGTHS)
			return;
		ix->lengths[ix->nlengths++] = key->len;
	}
	key->next = ix->bucket[key->hash & ix->mask];
	ix->bucket[key->hash & ix->mask] = invoice * 2 + which;
	h = key->hash >> (64 - FILTER_BITS);
	ix->filter[h >> 6] |= UINT64_C(1) << (h & 63);
}

static void
index_keys(MatchIndex *ix)
{
	const MatchInput *in = ix->input;

	ix->mask = table_mask((int64) in->ninvoices * 2);
	ix->bucket = make(in, (size_t) ix->mask + 1, sizeof(int32));
	memset(ix->bucket, 0xff, ((size_t) ix->mask + 1) * sizeof(int32));
	ix->filter = make(in, (size_t) 1 << (FILTER_BITS - 6), sizeof(uint64));
	ix->keys = make(in, (size_t) in->ninvoices * 2, sizeof(Key));
	ix->power[0] = 1;
	for (int i = 1; i <= MATCH_KEY_MAX; i++)
		ix->power[i] = ix->power[i - 1] * HASH_BASE;
	for (int32 i = 0; i < in->ninvoices; i++)
	{
		add_key(ix, i, 0, in->invoices[i].number);
		add_key(ix, i, 1, in->invoices[i].id);
		if (in->interrupt != NULL && i % 65536 == 65535)
			in->interrupt();
	}
}

const char *
MatchKey(const MatchIndex *index, int32 invoice, int which, int *len)
{
	const Key  *key = &index->keys[invoice * 2 + which];

	*len = key->len;
	return key->text;
}

/* A number of digits is not found inside of a longer one. */
static bool
stands_alone(const MatchText *t, int from, int to)
{
	if (from > 0 && !t->gap[from] && t->digit[from] && t->digit[from - 1])
		return false;
	return to >= t->len || t->gap[to] || !t->digit[to] || !t->digit[to - 1];
}

/* Where a number was found. */
typedef struct Span
{
	int32		invoice;
	int			from;
	int			to;
	bool		plain;			/* as written, without look-alikes */
} Span;

typedef struct Spans
{
	int			n;
	bool		more;
	Span		span[MATCH_HITS];
} Spans;

static void
look_up(const MatchIndex *ix, const MatchText *t, int from, int len, uint64 hash,
		Spans *spans)
{
	for (int32 k = ix->bucket[hash & ix->mask]; k >= 0; k = ix->keys[k].next)
	{
		const Key  *key = &ix->keys[k];

		if (key->hash != hash || key->len != len || memcmp(key->text, t->c + from, (size_t) len) != 0 ||
			!stands_alone(t, from, from + len))
			continue;
		if (spans->n == MATCH_HITS)
		{
			spans->more = true;
			return;
		}
		spans->span[spans->n].invoice = key->invoice;
		spans->span[spans->n].from = from;
		spans->span[spans->n].to = from + len;
		spans->span[spans->n++].plain = memcmp(key->plain, t->plain + from, (size_t) len) == 0;
	}
}

/*
 * A number within a longer one is not meant, nor one that only looks like
 * what another is exactly.
 */
static void
take_hits(const Spans *spans, MatchHits *hits)
{
	hits->n = 0;
	hits->more = spans->more;
	for (int i = 0; i < spans->n; i++)
	{
		const Span *a = &spans->span[i];
		bool		take = true;

		for (int j = 0; j < spans->n && take; j++)
		{
			const Span *b = &spans->span[j];

			if (i == j || a->from >= b->to || b->from >= a->to)
				continue;
			if (b->to - b->from > a->to - a->from && b->from <= a->from && b->to >= a->to &&
				b->plain >= a->plain)
				take = false;
			if (b->plain && !a->plain)
				take = false;
		}
		for (int j = 0; j < hits->n && take; j++)
			take = hits->invoice[j] != a->invoice;
		if (take)
			hits->invoice[hits->n++] = a->invoice;
	}
}

void
MatchFindKeys(const MatchIndex *index, const MatchText *text, MatchHits *hits)
{
	Spans		spans;

	spans.n = 0;
	spans.more = false;
	for (int l = 0; l < index->nlengths; l++)
	{
		int			len = index->lengths[l];
		uint64		h;

		if (text->len < len)
			continue;
		h = hash_of(text->c, len);
		for (int from = 0;; from++)
		{
			uint64		mixed = mix(h);
			uint64		bit = mixed >> (64 - FILTER_BITS);

			if ((index->filter[bit >> 6] >> (bit & 63)) & 1)
				look_up(index, text, from, len, mixed, &spans);
			if (from + len >= text->len)
				break;
			h = (h - (unsigned char) text->c[from] * index->power[len - 1]) * HASH_BASE +
				(unsigned char) text->c[from + len];
		}
	}
	take_hits(&spans, hits);
}

/* ---------------------------------------------------------------------
 * Invoices by tenant and by amount
 * ---------------------------------------------------------------------
 */
static const MatchInvoice *sorting; /* what the comparisons look at */

static int
by_due(const void *a, const void *b)
{
	const MatchInvoice *x = &sorting[*(const int32 *) a];
	const MatchInvoice *y = &sorting[*(const int32 *) b];

	if (x->tenant != y->tenant)
		return x->tenant < y->tenant ? -1 : 1;
	if (x->due != y->due)
		return x->due < y->due ? -1 : 1;
	return *(const int32 *) a < *(const int32 *) b ? -1 : 1;
}

static int
by_amount(const void *a, const void *b)
{
	const MatchInvoice *x = &sorting[*(const int32 *) a];
	const MatchInvoice *y = &sorting[*(const int32 *) b];

	if (x->currency != y->currency)
		return x->currency < y->currency ? -1 : 1;
	if (x->asked != y->asked)
		return x->asked < y->asked ? -1 : 1;
	return *(const int32 *) a < *(const int32 *) b ? -1 : 1;
}

static void
index_invoices(MatchIndex *ix)
{
	const MatchInput *in = ix->input;

	ix->of_tenant = make(in, (size_t) in->ninvoices, sizeof(int32));
	ix->of_amount = make(in, (size_t) in->ninvoices, sizeof(int32));
	ix->tenant_from = make(in, (size_t) in->ntenants + 1, sizeof(int32));
	for (int32 i = 0; i < in->ninvoices; i++)
	{
		MatchInvoice *invoice = &in->invoices[i];

		invoice->asked = invoice->open > 0 ? invoice->open : invoice->total;
		ix->of_tenant[i] = i;
		ix->of_amount[i] = i;
		ix->tenant_from[invoice->tenant + 1]++;
	}
	for (int32 t = 0; t < in->ntenants; t++)
		ix->tenant_from[t + 1] += ix->tenant_from[t];
	sorting = in->invoices;
	qsort(ix->of_tenant, (size_t) in->ninvoices, sizeof(int32), by_due);
	qsort(ix->of_amount, (size_t) in->ninvoices, sizeof(int32), by_amount);
}

const int32 *
MatchOfTenant(const MatchIndex *index, int32 tenant, int *n)
{
	*n = index->tenant_from[tenant + 1] - index->tenant_from[tenant];
	return index->of_tenant + index->tenant_from[tenant];
}

/* How many places come before that amount in that currency. */
static int32
before_amount(const MatchIndex *index, int32 currency, int64 amount)
{
	int32		low = 0;
	int32		high = index->input->ninvoices;

	while (low < high)
	{
		int32		mid = low + (high - low) / 2;
		const MatchInvoice *i = &index->input->invoices[index->of_amount[mid]];

		if (i->currency < currency || (i->currency == currency && i->asked < amount))
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* A list price may have very many, so their end is searched as well. */
const int32 *
MatchOfAmount(const MatchIndex *index, int32 currency, int64 amount, int *n)
{
	int32		from = before_amount(index, currency, amount);

	*n = before_amount(index, currency, amount + 1) - from;
	return index->of_amount + from;
}

/* ---------------------------------------------------------------------
 * Tenants by account and by name
 * ---------------------------------------------------------------------
 */
static void
make_table(const MatchInput *in, Table *table, int64 expected)
{
	table->mask = table_mask(expected);
	table->bucket = make(in, (size_t) table->mask + 1, sizeof(int32));
	memset(table->bucket, 0xff, ((size_t) table->mask + 1) * sizeof(int32));
	table->size = (int32) expected;
	table->entry = make(in, (size_t) expected, sizeof(Entry));
}

static Entry *
find_entry(const Table *table, const char *text, uint64 hash)
{
	for (int32 e = table->bucket[hash & table->mask]; e >= 0; e = table->entry[e].next)
		if (table->entry[e].hash == hash && strcmp(table->entry[e].text, text) == 0)
			return &table->entry[e];
	return NULL;
}

static Entry *
add_entry(const MatchInput *in, Table *table, const char *text, int len, int32 tenant)
{
	uint64		hash = mix(hash_of(text, len));
	Entry	   *entry = find_entry(table, text, hash);

	if (entry != NULL)
	{
		if (entry->tenant != tenant && entry->other < 0)
			entry->other = tenant;
		else if (entry->tenant != tenant && entry->other != tenant)
			entry->tenant = -1;
		return entry;
	}
	if (table->n == table->size)
		return NULL;
	entry = &table->entry[table->n];
	entry->hash = hash;
	entry->text = keep(in, text, len);
	entry->tenant = tenant;
	entry->other = -1;
	entry->next = table->bucket[hash & table->mask];
	table->bucket[hash & table->mask] = table->n++;
	return entry;
}

static const char **comparing;

static int
by_text(const void *a, const void *b)
{
	int			cmp = strcmp(comparing[*(const int32 *) a], comparing[*(const int32 *) b]);

	return cmp != 0 ? cmp : *(const int32 *) a - *(const int32 *) b;
}

static void
index_tenants(MatchIndex *ix)
{
	const MatchInput *in = ix->input;
	char		buf[MATCH_NAME_MAX];

	make_table(in, &ix->accounts, (int64) in->naccounts + in->npayments);
	for (int32 i = 0; i < in->naccounts; i++)
	{
		int			len = MatchAccount(in->accounts[i].account, buf, sizeof(buf));
		Entry	   *entry = len == 0 ? NULL : add_entry(in, &ix->accounts, buf, len, in->accounts[i].tenant);

		if (entry != NULL)
			entry->believed = true;
	}
	make_table(in, &ix->names, in->ntenants);
	ix->in_order = make(in, (size_t) in->ntenants, sizeof(char *));
	ix->by_name = make(in, (size_t) in->ntenants, sizeof(int32));
	for (int32 t = 0; t < in->ntenants; t++)
	{
		char		plain[MATCH_NAME_MAX];
		int			len = in->tenants[t].name == NULL ? 0 : MatchName(in->tenants[t].name, buf, plain);

		ix->by_name[t] = t;
		ix->in_order[t] = "";
		if (len == 0)
			continue;
		ix->in_order[t] = keep(in, plain, (int) strlen(plain));
		(void) add_entry(in, &ix->names, buf, len, t);
	}
	comparing = ix->in_order;
	qsort(ix->by_name, (size_t) in->ntenants, sizeof(int32), by_text);
}

static void
add_payer(MatchPayer *payer, int32 tenant)
{
	for (int i = 0; i < payer->n; i++)
		if (payer->tenant[i] == tenant)
			return;
	if (tenant >= 0 && payer->n < MATCH_PAYERS)
		payer->tenant[payer->n++] = tenant;
}

static void
entry_payers(const Entry *entry, MatchPayer *payer)
{
	payer->n = 0;
	if (entry == NULL || entry->tenant < 0)
		return;
	add_payer(payer, entry->tenant);
	add_payer(payer, entry->other);
}

/*
 * The tenants whose name begins so: one, or none when there are more.  A bank
 * does not cut short names: "Northern" is not "Northern Lights".
 */
static void
payers_by_prefix(const MatchIndex *ix, const char *plain, MatchPayer *payer)
{
	int32		low = 0;
	int32		high = ix->input->ntenants;
	size_t		len = strlen(plain);

	payer->n = 0;
	if (len < 8)
		return;
	while (low < high)
	{
		int32		mid = low + (high - low) / 2;

		if (strcmp(ix->in_order[ix->by_name[mid]], plain) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	if (low < ix->input->ntenants && strncmp(ix->in_order[ix->by_name[low]], plain, len) == 0 &&
		(low + 1 == ix->input->ntenants || strncmp(ix->in_order[ix->by_name[low + 1]], plain, len) != 0))
		add_payer(payer, ix->by_name[low]);
}

static void
payers_by_name(const MatchIndex *ix, const char *name, MatchPayer *payer)
{
	char		sorted[MATCH_NAME_MAX];
	char		plain[MATCH_NAME_MAX];
	int			len = MatchName(name, sorted, plain);

	payer->n = 0;
	if (len == 0)
		return;
	entry_payers(find_entry(&ix->names, sorted, mix(hash_of(sorted, len))), payer);
	if (payer->n == 0 && strlen(name) >= NAME_CUT)
		payers_by_prefix(ix, plain, payer);
}

static void
payers_by_account(const MatchIndex *ix, const char *account, MatchPayer *payer)
{
	char		buf[MATCH_NAME_MAX];
	int			len = MatchAccount(account, buf, sizeof(buf));
	const Entry *entry = len == 0 ? NULL : find_entry(&ix->accounts, buf, mix(hash_of(buf, len)));

	entry_payers(entry != NULL && entry->believed ? entry : NULL, payer);
}

void
MatchFindPayer(const MatchIndex *index, const MatchPayment *payment, MatchPayer *payer)
{
	MatchPayer	account = {0};
	MatchPayer	name = {0};

	memset(payer, 0, sizeof(*payer));
	if (payment->tenant >= 0)
	{
		add_payer(payer, payment->tenant);
		payer->level = 3;
		return;
	}
	if (payment->account != NULL)
		payers_by_account(index, payment->account, &account);
	if (payment->name != NULL)
		payers_by_name(index, payment->name, &name);
	for (int i = 0; i < account.n; i++)
		for (int j = 0; j < name.n; j++)
			if (account.tenant[i] == name.tenant[j])
				add_payer(payer, account.tenant[i]);
	if (payer->n > 0)
	{
		payer->level = 3;
		return;
	}
	payer->conflict = account.n > 0 && name.n > 0;
	payer->level = payer->conflict ? 0 : account.n > 0 ? 2 : name.n > 0 ? 1 : 0;
	for (int i = 0; i < account.n; i++)
		add_payer(payer, account.tenant[i]);
	for (int i = 0; i < name.n; i++)
		add_payer(payer, name.tenant[i]);
}

/*
 * A payment of that account was for that tenant beyond doubt.  The account is
 * believed once the name agrees too, or the second time.
 */
bool
MatchLearn(MatchIndex *index, const char *account, int32 tenant, bool name_agrees)
{
	char		buf[MATCH_NAME_MAX];
	int			len = MatchAccount(account, buf, sizeof(buf));
	Entry	   *entry = len == 0 ? NULL : add_entry(index->input, &index->accounts, buf, len, tenant);
	bool		before;

	if (entry == NULL)
		return false;
	before = entry->believed;
	entry->times++;
	if (name_agrees || (entry->times >= 2 && entry->other < 0))
		entry->believed = true;
	return entry->believed && !before && name_agrees;
}

static uint64
hash_more(uint64 h, const char *s)
{
	for (; s != NULL && *s != '\0'; s++)
		h = (h ^ (unsigned char) *s) * UINT64_C(0x100000001B3);
	return (h ^ 0xff) * UINT64_C(0x100000001B3);
}

static bool
same_text(const char *a, const char *b)
{
	return strcmp(a != NULL ? a : "", b != NULL ? b : "") == 0;
}

static bool
same_payment(const MatchPayment *a, const MatchPayment *b)
{
	return a->amount == b->amount && a->currency == b->currency &&
		a->tenant == b->tenant && a->invoice == b->invoice &&
		same_text(a->text, b->text) && same_text(a->account, b->account) && same_text(a->name, b->name);
}

/* Of each payment an earlier one that says the same: perhaps a duplicate. */
void
MatchFindRepeats(const MatchInput *in, int32 *repeats)
{
	uint32		mask = 63;
	int32	   *slot;

	while (mask < (uint32) in->npayments * 2 && mask < UINT32_MAX / 4)
		mask = mask * 2 + 1;
	slot = in->allocate(in->arg, ((size_t) mask + 1) * sizeof(int32));
	memset(slot, 0xff, ((size_t) mask + 1) * sizeof(int32));
	for (int32 p = 0; p < in->npayments; p++)
	{
		const MatchPayment *payment = &in->payments[p];
		uint64		money = hash_more((uint64) payment->amount, payment->text);
		uint64		h = hash_more(hash_more(money, payment->account), payment->name);
		uint32		at = (uint32) (h ^ (h >> 32)) & mask;

		while (slot[at] >= 0 && !same_payment(&in->payments[slot[at]], payment))
			at = (at + 1) & mask;
		repeats[p] = slot[at];
		slot[at] = p;
	}
}

MatchIndex *
MatchBuildIndex(const MatchInput *input)
{
	MatchIndex *index = make(input, 1, sizeof(MatchIndex));

	index->input = input;
	index_keys(index);
	index_invoices(index);
	index_tenants(index);
	return index;
}

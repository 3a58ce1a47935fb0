/*-------------------------------------------------------------------------
 *
 * rollup.c
 *	  finops.cost_daily and finops.cost_kind, summed while the facts pass by.
 *
 * A second look at the month, by SQL, would cost about as much as storing
 * it.  Sums are fixed point in 128 bits with the scale that sum() over the
 * numeric column would show; a line that does not fit makes the caller sum the
 * facts by SQL instead, so the result is the same in every case.  Groups that
 * do not fit into memory go to temporary files by part of their hash, and the
 * files are added up one after the other.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/facts.h"

#include "bill/hash.h"
#include "catalog/namespace.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/buffile.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define MAX_MEMORY		(16 * 1024 * 1024)
#define FIRST_PLACES	4096
#define FILES			64
#define KEY_TEXTS		8
#define SUMS			3

/* the texts of a group, as cost_daily calls them, in this order */
static const char *const key_names[KEY_TEXTS] = {
	"source", "provider", "account_id", "service", "region", "tenant_id",
	"charge_category", "currency",
};

static const char *const sum_names[SUMS] = {
	"billed_cost", "effective_cost", "list_cost",
};

/*
 * The kinds of cost_kind, which finops.cost_bridge tells apart: the flags and
 * then the texts of a group, in this order.  Keep in step with BILL_KIND_OF_LINE.
 */
#define KIND_FLAGS		4
#define KIND_TEXTS		4
#define KIND_SUMS		2

static const char *const kind_flag_names[KIND_FLAGS] = {
	"reserved", "savings_plan", "split", "free",
};
static const char *const kind_text_names[KIND_TEXTS] = {
	"source", "line_type", "commitment_status", "currency",
};

typedef struct Sum
{
	int128		units;
	int			scale;
	bool		any;
} Sum;

typedef struct SumGroup
{
	uint64		hash;
	int64		lines;
	Sum			sum[SUMS];
	int			key_len;
	char		key[FLEXIBLE_ARRAY_MEMBER];
} SumGroup;

struct FactRollup
{
	MemoryContext context;
	MemoryContext groups;
	bool		complete;
	SumGroup	  **places;
	uint32		nplaces;		/* a power of two */
	uint32		ngroups;
	Size		memory;
	SumGroup	   *last;			/* of the latest line */
	BufFile	   *file[FILES];
	bool		spilled;
	StringInfoData key;

	/* where the record has them */
	int			start;
	int			usage_account;
	int			payer;
	int			text[KEY_TEXTS];
	int			amount[SUMS];
	int			reservation;
	int			product;
	int			operation;
	int			line_type;
	int			status;

	FactRollup *kinds;			/* of the same lines; NULL in these */
};

static FactRollup *
new_rollup(MemoryContext parent)
{
	static const char *const texts[KEY_TEXTS] = {
		NULL, "provider", NULL, "service", "product_region", "tenant_id",
		"charge_category", "line_item_currency_code",
	};
	MemoryContext context = AllocSetContextCreate(parent, "finops roll-up",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	FactRollup *rollup = palloc0(sizeof(FactRollup));

	rollup->context = context;
	rollup->groups = AllocSetContextCreate(context, "finops roll-up groups",
										   ALLOCSET_DEFAULT_SIZES);
	rollup->complete = true;
	rollup->nplaces = FIRST_PLACES;
	rollup->places = palloc0(sizeof(SumGroup *) * rollup->nplaces);
	initStringInfo(&rollup->key);
	rollup->start = FactColumn("line_item_usage_start_date");
	rollup->usage_account = FactColumn("line_item_usage_account_id");
	rollup->payer = FactColumn("bill_payer_account_id");
	for (int i = 0; i < KEY_TEXTS; i++)
		if (texts[i] != NULL)
			rollup->text[i] = FactColumn(texts[i]);
	for (int i = 0; i < SUMS; i++)
		rollup->amount[i] = FactColumn(sum_names[i]);
	rollup->reservation = FactColumn("reservation_arn");
	rollup->product = FactColumn("line_item_product_code");
	rollup->operation = FactColumn("line_item_operation");
	rollup->line_type = FactColumn("line_item_line_item_type");
	rollup->status = FactColumn("commitment_discount_status");
	MemoryContextSwitchTo(old);
	return rollup;
}

FactRollup *
FactRollupNew(MemoryContext parent)
{
	FactRollup *rollup = new_rollup(parent);

	rollup->kinds = new_rollup(parent);
	return rollup;
}

void
FactRollupGiveUp(FactRollup *rollup)
{
	rollup->complete = false;
}

bool
FactRollupComplete(const FactRollup *rollup)
{
	return rollup->complete && rollup->kinds->complete;
}

/* ---------------------------------------------------------------------
 * Adding
 * ---------------------------------------------------------------------
 */

/* A text of the key: its length, -1 for NULL, and its bytes. */
static void
add_to_key(StringInfo key, const char *data, int len)
{
	appendBinaryStringInfo(key, (char *) &len, sizeof(len));
	if (len > 0)
		appendBinaryStringInfo(key, data, len);
}

static DateADT
day_of(Timestamp t)
{
	return (DateADT) (t / USECS_PER_DAY - (t % USECS_PER_DAY < 0 ? 1 : 0));
}

static void
make_key(FactRollup *rollup, DateADT period, const char *source,
		 const FactValue *values)
{
	StringInfo	key = &rollup->key;
	DateADT		day = values[rollup->start].isnull ? period :
		day_of(values[rollup->start].word);

	resetStringInfo(key);
	appendBinaryStringInfo(key, (char *) &day, sizeof(day));
	add_to_key(key, source, (int) strlen(source));
	for (int i = 1; i < KEY_TEXTS; i++)
	{
		const FactValue *value = i != 2 ? &values[rollup->text[i]] :
			values[rollup->usage_account].isnull ?
			&values[rollup->payer] : &values[rollup->usage_account];

		add_to_key(key, value->data, value->isnull ? -1 : value->len);
	}
}

static bool
is_text(const FactValue *value, const char *text)
{
	return !value->isnull && value->len == (int) strlen(text) && memcmp(value->data, text, value->len) == 0;
}

static bool
ends_in(const FactValue *value, const char *text)
{
	int			len = (int) strlen(text);

	return !value->isnull && value->len >= len &&
		memcmp(value->data + value->len - len, text, len) == 0;
}

static void
make_kind_key(FactRollup *rollup, const char *source, const FactValue *values)
{
	StringInfo	key = &rollup->key;
	const FactValue *type = &values[rollup->line_type];
	const FactValue *status = &values[rollup->status];
	const FactValue *currency = &values[rollup->text[KEY_TEXTS - 1]];
	const FactValue *operation = &values[rollup->operation];
	char		flags[KIND_FLAGS] = {
		!values[rollup->reservation].isnull,
		ends_in(&values[rollup->product], "SavingsPlans"),
		is_text(operation, "EKSPod-EC2") || is_text(operation, "ECSTask-EC2"),
		values[rollup->amount[1]].units == 0,
	};

	resetStringInfo(key);
	appendBinaryStringInfo(key, flags, sizeof(flags));
	add_to_key(key, source, (int) strlen(source));
	add_to_key(key, type->data, type->isnull ? 0 : type->len);
	add_to_key(key, status->data, status->isnull ? -1 : status->len);
	add_to_key(key, currency->data, currency->isnull ? -1 : currency->len);
}

static void
grow(FactRollup *rollup)
{
	uint32		nplaces = rollup->nplaces * 2;
	SumGroup	  **places = MemoryContextAllocZero(rollup->context, sizeof(SumGroup *) * nplaces);

	for (uint32 i = 0; i < rollup->nplaces; i++)
		if (rollup->places[i] != NULL)
		{
			uint32		at = (uint32) rollup->places[i]->hash & (nplaces - 1);

			while (places[at] != NULL)
				at = (at + 1) & (nplaces - 1);
			places[at] = rollup->places[i];
		}
	pfree(rollup->places);
	rollup->places = places;
	rollup->nplaces = nplaces;
}

static bool
is_key(const SumGroup *group, const StringInfoData *key)
{
	return group->key_len == key->len && memcmp(group->key, key->data, key->len) == 0;
}

/* No group is in memory. */
static void
forget_groups(FactRollup *rollup)
{
	MemoryContextReset(rollup->groups);
	memset(rollup->places, 0, sizeof(SumGroup *) * rollup->nplaces);
	rollup->ngroups = 0;
	rollup->memory = 0;
	rollup->last = NULL;
}

static Size
size_of(int key_len)
{
	return offsetof(SumGroup, key) + (Size) key_len;
}

/* Everything in memory goes to the files. */
static void
spill(FactRollup *rollup)
{
	MemoryContext old = MemoryContextSwitchTo(rollup->context);

	CHECK_FOR_INTERRUPTS();
	rollup->spilled = true;
	for (uint32 i = 0; i < rollup->nplaces; i++)
	{
		SumGroup   *group = rollup->places[i];
		BufFile   **file;

		if (group == NULL)
			continue;
		file = &rollup->file[(group->hash >> 32) % FILES];
		if (*file == NULL)
			*file = BufFileCreateTemp(false);
		BufFileWrite(*file, group, size_of(group->key_len));
	}
	forget_groups(rollup);
	MemoryContextSwitchTo(old);
}

/* The group of the key in rollup->key. */
static SumGroup *
group_of(FactRollup *rollup, bool may_spill)
{
	uint64		hash = BillHashBytes(rollup->key.data, rollup->key.len, BILL_HASH_SEED);
	uint32		at = (uint32) hash & (rollup->nplaces - 1);
	Size		size = size_of(rollup->key.len);
	SumGroup   *group;

	for (; (group = rollup->places[at]) != NULL; at = (at + 1) & (rollup->nplaces - 1))
		if (group->hash == hash && is_key(group, &rollup->key))
			return group;
	if (may_spill && rollup->memory + size > MAX_MEMORY)
	{
		spill(rollup);
		at = (uint32) hash & (rollup->nplaces - 1);
	}
	rollup->memory += size + 4 * sizeof(SumGroup *);
	group = MemoryContextAllocZero(rollup->groups, size);
	group->hash = hash;
	group->key_len = rollup->key.len;
	memcpy(group->key, rollup->key.data, rollup->key.len);
	rollup->places[at] = group;
	if (++rollup->ngroups > rollup->nplaces / 2)
		grow(rollup);
	return group;
}

/* A line to the group of the key in rollup->key. */
static void
add_line(FactRollup *rollup, const FactValue *values)
{
	SumGroup   *group = rollup->last;
	int			nsums = rollup->kinds != NULL ? SUMS : KIND_SUMS;

	if (group == NULL || !is_key(group, &rollup->key))
		rollup->last = group = group_of(rollup, true);
	group->lines++;
	for (int i = 0; i < nsums; i++)
	{
		const FactValue *value = &values[rollup->amount[i]];
		Sum		   *sum = &group->sum[i];

		if (value->isnull)
			continue;
		if (!value->exact || __builtin_add_overflow(sum->units, value->units, &sum->units))
		{
			FactRollupGiveUp(rollup);
			return;
		}
		sum->scale = Max(sum->scale, value->scale);
		sum->any = true;
	}
}

void
FactRollupAdd(FactRollup *rollup, DateADT period, const char *source,
			  const FactValue *values)
{
	if (!FactRollupComplete(rollup))
		return;
	make_key(rollup, period, source, values);
	add_line(rollup, values);
	make_kind_key(rollup->kinds, source, values);
	add_line(rollup->kinds, values);
}

/* ---------------------------------------------------------------------
 * Writing
 * ---------------------------------------------------------------------
 */

typedef struct RollupColumns
{
	bool		kinds;			/* of cost_kind, not of cost_daily */
	int			period;
	int			day;
	int			text[KEY_TEXTS];
	int			flag[KIND_FLAGS];	/* of kinds */
	int			sum[SUMS];
	int			lines;
	int			ntexts;
	int			nsums;
} RollupColumns;

static int
attribute_at(Oid table, const char *name)
{
	AttrNumber	attribute = get_attnum(table, name);

	if (attribute == InvalidAttrNumber)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("finops.%s has no column \"%s\"", get_rel_name(table), name),
				 errhint("Put the column back.")));
	return attribute - 1;
}

static void
find_columns(Oid table, bool kinds, RollupColumns *columns)
{
	columns->kinds = kinds;
	columns->ntexts = kinds ? KIND_TEXTS : KEY_TEXTS;
	columns->nsums = kinds ? KIND_SUMS : SUMS;
	columns->period = attribute_at(table, "billing_period");
	if (!kinds)
		columns->day = attribute_at(table, "usage_date");
	for (int i = 0; kinds && i < KIND_FLAGS; i++)
		columns->flag[i] = attribute_at(table, kind_flag_names[i]);
	for (int i = 0; i < columns->ntexts; i++)
		columns->text[i] = attribute_at(table, kinds ? kind_text_names[i] : key_names[i]);
	for (int i = 0; i < columns->nsums; i++)
		columns->sum[i] = attribute_at(table, sum_names[i]);
	columns->lines = attribute_at(table, "line_items");
}

/* What stands before the texts of a key: the day, or the flags of a kind. */
static const char *
fill_head(const char *key, const RollupColumns *columns, Datum *values, bool *isnull)
{
	DateADT		day;

	for (int i = 0; columns->kinds && i < KIND_FLAGS; i++)
	{
		values[columns->flag[i]] = BoolGetDatum(key[i] != 0);
		isnull[columns->flag[i]] = false;
	}
	if (columns->kinds)
		return key + KIND_FLAGS;
	memcpy(&day, key, sizeof(day));
	values[columns->day] = DateADTGetDatum(day);
	isnull[columns->day] = false;
	return key + sizeof(day);
}

static void
fill_row(const SumGroup *group, const RollupColumns *columns, DateADT period,
		 Datum *values, bool *isnull)
{
	const char *key = fill_head(group->key, columns, values, isnull);

	values[columns->period] = DateADTGetDatum(period);
	isnull[columns->period] = false;
	for (int i = 0; i < columns->ntexts; i++)
	{
		int			len;

		memcpy(&len, key, sizeof(len));
		key += sizeof(len);
		isnull[columns->text[i]] = len < 0;
		if (len < 0)
			continue;
		values[columns->text[i]] = PointerGetDatum(cstring_to_text_with_len(key, len));
		key += len;
	}
	for (int i = 0; i < columns->nsums; i++)
	{
		isnull[columns->sum[i]] = !group->sum[i].any;
		if (group->sum[i].any)
			values[columns->sum[i]] = FactNumeric(group->sum[i].units, group->sum[i].scale);
	}
	values[columns->lines] = Int64GetDatum(group->lines);
	isnull[columns->lines] = false;
}

/* The groups of a file, added up, come into memory. */
static void
read_groups(FactRollup *rollup, BufFile *file)
{
	SumGroup	part;
	Size		head = offsetof(SumGroup, key);

	forget_groups(rollup);
	if (BufFileSeek(file, 0, 0, SEEK_SET) != 0)
		elog(ERROR, "could not rewind temporary file");
	while (BufFileRead(file, &part, head) == head)
	{
		SumGroup   *group;

		resetStringInfo(&rollup->key);
		enlargeStringInfo(&rollup->key, part.key_len);
		if (BufFileRead(file, rollup->key.data, (Size) part.key_len) != (Size) part.key_len)
			elog(ERROR, "could not read temporary file");
		rollup->key.len = part.key_len;
		group = group_of(rollup, false);
		group->lines += part.lines;
		for (int i = 0; i < SUMS; i++)
		{
			if (__builtin_add_overflow(group->sum[i].units, part.sum[i].units,
									   &group->sum[i].units))
				FactRollupGiveUp(rollup);
			group->sum[i].scale = Max(group->sum[i].scale, part.sum[i].scale);
			group->sum[i].any |= part.sum[i].any;
		}
	}
	BufFileClose(file);
}

typedef struct RollupOut
{
	BillBulk   *bulk;
	RollupColumns columns;
	DateADT		period;
	MemoryContext row;
	Datum	   *values;
	bool	   *isnull;
} RollupOut;

static void
write_groups(const FactRollup *rollup, RollupOut *out)
{
	CHECK_FOR_INTERRUPTS();
	for (uint32 i = 0; i < rollup->nplaces; i++)
	{
		MemoryContext old;

		if (rollup->places[i] == NULL)
			continue;
		old = MemoryContextSwitchTo(out->row);
		fill_row(rollup->places[i], &out->columns, out->period, out->values, out->isnull);
		BillBulkAddValues(out->bulk, out->values, out->isnull);
		MemoryContextSwitchTo(old);
		MemoryContextReset(out->row);
	}
}

static int64
write_rows(FactRollup *rollup, const char *name, const char *const *names, bool kinds, DateADT period)
{
	Oid			table = get_relname_relid(name, get_namespace_oid("finops", false));
	BillBulkSpec spec = {names, NULL, NULL, false};
	RollupOut	out = {.period = period};
	int			natts;

	out.row = AllocSetContextCreate(CurrentMemoryContext, "finops roll-up row",
									ALLOCSET_DEFAULT_SIZES);
	out.bulk = BillBulkOpen(table, &spec);
	natts = BillBulkDescriptor(out.bulk)->natts;
	out.values = palloc0(sizeof(Datum) * natts);
	out.isnull = palloc(sizeof(bool) * natts);
	memset(out.isnull, true, sizeof(bool) * natts);
	find_columns(table, kinds, &out.columns);
	if (rollup->spilled)
		spill(rollup);
	else
		write_groups(rollup, &out);
	for (int i = 0; i < FILES; i++)
		if (rollup->file[i] != NULL)
		{
			read_groups(rollup, rollup->file[i]);
			rollup->file[i] = NULL;
			write_groups(rollup, &out);
		}
	MemoryContextDelete(out.row);
	return (int64) BillBulkClose(out.bulk);
}

int64
FactRollupWrite(FactRollup *rollup, DateADT period)
{
	static const char *const days[] = {
		"billing_period", "usage_date", "source", "provider", "account_id",
		"service", "region", "tenant_id", "charge_category", "currency",
		"billed_cost", "effective_cost", "list_cost", "line_items", NULL
	};
	static const char *const kinds[] = {
		"billing_period", "source", "line_type", "commitment_status", "reserved", "savings_plan",
		"split", "free", "currency", "billed_cost", "effective_cost", "line_items", NULL
	};

	(void) write_rows(rollup->kinds, "cost_kind", kinds, true, period);
	return write_rows(rollup, "cost_daily", days, false, period);
}

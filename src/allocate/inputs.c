/*-------------------------------------------------------------------------
 *
 * inputs.c
 *	  Reads what an allocation is made from: a stage of the run itself, or
 *	  what finops.allocation_input pinned of an earlier one.
 *
 *-------------------------------------------------------------------------
 */
#include "allocate/engine.h"

#include "common/hashfn.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

/* The name of a target, which nothing ends but its length. */
typedef struct TargetName
{
	const char *bytes;
	int			len;
	int			index;
} TargetName;

static uint32
hash_name(const void *key, Size size pg_attribute_unused())
{
	const TargetName *name = key;

	return hash_bytes((const unsigned char *) name->bytes, name->len);
}

static int
compare_names(const void *a, const void *b, Size size pg_attribute_unused())
{
	const TargetName *x = a;
	const TargetName *y = b;

	return x->len != y->len || memcmp(x->bytes, y->bytes, x->len) != 0;
}

static FinopsArg
run_argument(int64 run_id)
{
	return ARG_INT8(run_id);
}

/*
 * All targets in byte order, tenants first.  The order decides ties.
 */
static void
load_targets(Engine *e)
{
	HASHCTL		ctl = {0};
	uint64		n;

	n = FINOPS_RUN(psprintf("SELECT x.t FROM (SELECT DISTINCT t.t FROM %s i CROSS JOIN LATERAL unnest(i.targets) t(t)"
							"  WHERE i.run_id = $1 AND i.part = 'key' AND t.t NOT LIKE 'n:%%'"
							" UNION SELECT 't:' || t.t FROM %s i CROSS JOIN LATERAL unnest(i.targets) t(t)"
							"  WHERE i.run_id = $1 AND i.part = 'direct'"
							" UNION SELECT i.detail ->> 'heir' FROM %s i WHERE i.run_id = $1 AND i.part = 'direct'"
							"  AND i.detail ->> 'heir' IS NOT NULL"
							" UNION SELECT 'o' UNION SELECT 'u') x"
							" ORDER BY left(x.t, 1) <> 't', x.t COLLATE \"C\"", e->from, e->from, e->from),
				   run_argument(e->run_id));
	ctl.keysize = sizeof(TargetName);
	ctl.entrysize = sizeof(TargetName);
	ctl.hash = hash_name;
	ctl.match = compare_names;
	ctl.hcxt = e->context;
	e->target_index = hash_create("finops targets", (long) n, &ctl,
								  HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
	e->n_targets = (int) n;
	e->target_names = palloc_array(char *, n);
	e->target_kinds = palloc_array(char, n);
	for (uint64 i = 0; i < n; i++)
	{
		char	   *name = FinopsText(i, 1);
		TargetName	entry = {name, (int) strlen(name), (int) i};

		((TargetName *) hash_search(e->target_index, &entry, HASH_ENTER, NULL))->index = (int) i;
		e->target_kinds[i] = name[0];
		e->target_names[i] = name[0] == 't' ? name + 2 : name;
	}
	SPI_freetuptable(SPI_tuptable);
}

static int
target_of(const Engine *e, const char *bytes, int len)
{
	TargetName	name = {bytes, len, 0};
	const TargetName *found = hash_search(e->target_index, &name, HASH_FIND, NULL);

	if (found == NULL)
		elog(ERROR, "unknown allocation target \"%.*s\"", len, bytes);
	return found->index;
}

int
EngineTarget(const Engine *e, const char *name)
{
	return target_of(e, name, (int) strlen(name));
}

/*
 * Rows that are wide are read one by one.  Not read-only, so that what the
 * statement at work has written is seen, as by FINOPS_RUN.
 */
static Portal
open_rows(const Engine *e, const char *sql)
{
	FinopsArg	run = run_argument(e->run_id);

	return SPI_cursor_open_with_args(NULL, FinopsExpandSchema(sql), 1, &run.type, &run.value, NULL,
									 false, CURSOR_OPT_NO_SCROLL);
}

static bool
next_row(Portal rows)
{
	SPI_cursor_fetch(rows, true, 1);
	return SPI_processed > 0;
}

static Datum *
array_elements(uint64 row, int col, Oid type, int *n)
{
	bool		isnull;
	Datum		value = FinopsValue(row, col, &isnull);
	Datum	   *elements;
	bool	   *nulls;

	*n = 0;
	if (isnull)
		return NULL;
	deconstruct_array(DatumGetArrayTypePCopy(value), type, -1, false,
					  TYPALIGN_INT, &elements, &nulls, n);
	return elements;
}

/* Targets as numbers; those of pools, which follow from nodes, as -no. */
static int *
key_targets(const Engine *e, Key *key, const Datum *names)
{
	int		   *targets = palloc_extended(mul_size(Max(key->n, 1), sizeof(int)), MCXT_ALLOC_HUGE);
	int			n_pools = 0;

	for (int t = 0; t < key->n; t++)
	{
		const char *name = VARDATA_ANY(DatumGetPointer(names[t]));

		if (name[0] == 'n')
		{
			targets[t] = -atoi(TextDatumGetCString(names[t]) + 2);
			n_pools++;
		}
		else
			targets[t] = target_of(e, name, VARSIZE_ANY_EXHDR(DatumGetPointer(names[t])));
	}
	key->n_pools = 0;
	if (n_pools > 0)
		key->pools = MemoryContextAlloc(e->context, sizeof(int) * n_pools);
	for (int t = 0; t < key->n && n_pools > 0; t++)
		if (targets[t] < 0)
			key->pools[key->n_pools++] = -targets[t];
	return targets;
}

static void
load_keys(Engine *e)
{
	MemoryContext work = AllocSetContextCreate(e->context, "finops key", ALLOCSET_DEFAULT_SIZES);
	Portal		rows;

	FINOPS_RUN(psprintf("SELECT count(*) FROM %s i WHERE i.run_id = $1 AND i.part = 'key'", e->from),
			   run_argument(e->run_id));
	e->n_keys = (int) FinopsInt64(0, 1);
	e->keys = palloc0_array(Key, e->n_keys);
	rows = open_rows(e, psprintf("SELECT i.position::bigint, i.name, i.targets, i.amounts FROM %s i"
								 " WHERE i.run_id = $1 AND i.part = 'key'", e->from));
	while (next_row(rows))
	{
		int64		position = FinopsInt64(0, 1);
		MemoryContext old;
		Key		   *key;
		Datum	   *names;

		if (position < 1 || position > e->n_keys || e->keys[position - 1].name != NULL)
			elog(ERROR, "key %lld of an allocation is out of order", (long long) position);
		key = &e->keys[position - 1];
		key->name = FinopsText(0, 2);
		old = MemoryContextSwitchTo(work);
		names = array_elements(0, 3, TEXTOID, &key->n);
		EngineKeepKey(e, key, key_targets(e, key, names), array_elements(0, 4, NUMERICOID, &key->n));
		MemoryContextSwitchTo(old);
		MemoryContextReset(work);
		SPI_freetuptable(SPI_tuptable);
		CHECK_FOR_INTERRUPTS();
	}
	SPI_cursor_close(rows);
	MemoryContextDelete(work);
	for (int i = 0; i < e->n_keys; i++)
		if (e->keys[i].name == NULL)
			elog(ERROR, "key %d of an allocation is missing", i + 1);
}

static Key *
key_named(const Engine *e, const char *name)
{
	int			low = 0;
	int			high = e->n_keys;

	while (name != NULL && low < high)
	{
		int			middle = (low + high) / 2;
		int			order = strcmp(name, e->keys[middle].name);

		if (order == 0)
			return &e->keys[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

static void
load_legs(Engine *e, uint64 row, PoolNode *node)
{
	int			n;
	Datum	   *names = array_elements(row, 15, TEXTOID, &node->n_legs);
	Datum	   *fractions = array_elements(row, 16, NUMERICOID, &n);
	FinopsReal total = 0;

	node->legs = palloc_array(Key *, node->n_legs);
	node->fractions = palloc_array(FinopsReal, node->n_legs);
	for (int l = 0; l < node->n_legs; l++)
	{
		char	   *name = TextDatumGetCString(names[l]);

		node->legs[l] = key_named(e, name);
		if (node->legs[l] == NULL)
			node->late = true;
		node->fractions[l] = strtold(DatumGetCString(DirectFunctionCall1(numeric_out, fractions[l])), NULL);
		total += node->fractions[l];
	}
	for (int l = 0; l < node->n_legs; l++)
		node->fractions[l] /= total;
}

static void
load_nodes(Engine *e)
{
	uint64		n = FINOPS_RUN(psprintf("SELECT i.position, i.name, (i.detail ->> 'no')::integer,"
										" (i.detail ->> 'rule_version')::integer, i.detail ->> 'stage',"
										" i.detail ->> 'category', i.detail ->> 'currency',"
										" coalesce(i.detail ->> 'slice', i.detail ->> 'anchor'), i.detail ->> 'metric',"
										" (i.detail ->> 'rung')::integer, i.detail ->> 'last',"
										" jsonb_strip_nulls(i.detail) ->> 'caps', i.detail ->> 'amount', i.detail ->> 'percent',"
										" i.targets, i.amounts, i.detail ->> 'residual', i.detail ->> 'percents' FROM %s i"
										" WHERE i.run_id = $1 AND i.part = 'node' ORDER BY i.position", e->from),
							   run_argument(e->run_id));

	e->n_nodes = (int) n;
	e->nodes = palloc0_array(PoolNode, n);
	for (uint64 i = 0; i < n; i++)
	{
		PoolNode	   *node = &e->nodes[i];
		char	   *percents = FinopsText(i, 18);

		if (FinopsInt64(i, 1) != (int64) i + 1)
			elog(ERROR, "node %llu of an allocation is missing", (unsigned long long) i + 1);
		node->index = (int) i;
		node->rule_id = FinopsText(i, 2);
		node->no = (int) FinopsInt64(i, 3);
		node->rule_version = (int32) FinopsInt64(i, 4);
		node->stage = FinopsText(i, 5);
		node->category = FinopsText(i, 6);
		node->currency = FinopsText(i, 7);
		node->whole = FinopsText(i, 8) == NULL;
		node->metric = FinopsText(i, 9);
		node->rung = (int) FinopsInt64(i, 10);
		node->last = EngineTarget(e, FinopsText(i, 11));
		node->caps = FinopsText(i, 12);
		node->amount = key_named(e, FinopsText(i, 13));
		node->percent = key_named(e, FinopsText(i, 14));
		node->residual = EngineTarget(e, FinopsText(i, 17));
		node->percents = percents == NULL ? 0 : strtold(percents, NULL) / 100;
		node->pool = -1;
		load_legs(e, i, node);
		node->sink = node->late || node->caps != NULL;
		e->any_late |= node->late;
	}
}

static void
load_buckets(Engine *e)
{
	uint64		n = FINOPS_RUN(psprintf("SELECT i.name, (i.detail ->> 'node')::integer, i.detail ->> 'service',"
										" i.detail ->> 'charge_category', i.detail ->> 'origin_period',"
										" CASE jsonb_typeof(i.detail -> 'lines') WHEN 'array' THEN"
										"  ARRAY(SELECT jsonb_array_elements_text(i.detail -> 'lines')) END, i.amounts[1] FROM %s i"
										" WHERE i.run_id = $1 AND i.part = 'bucket' ORDER BY i.position", e->from),
							   run_argument(e->run_id));

	e->n_buckets = (int) n;
	e->buckets = palloc0_array(Bucket, n);
	for (uint64 i = 0; i < n; i++)
	{
		Bucket	   *b = &e->buckets[i];
		Datum		lines;
		bool		isnull;

		b->origin = FinopsText(i, 1);
		b->node = &e->nodes[FinopsInt64(i, 2) - 1];
		b->service = FinopsText(i, 3);
		b->charge_category = FinopsText(i, 4);
		b->origin_period = FinopsText(i, 5);
		lines = FinopsValue(i, 6, &isnull);
		b->lines = isnull ? (Datum) 0 : PointerGetDatum(DatumGetArrayTypePCopy(lines));
		b->cost = NumericGetDatum(DatumGetNumericCopy(FinopsValue(i, 7, &isnull)));
		b->scale = DatumGetInt32(DirectFunctionCall1(numeric_scale, b->cost));
	}
}

/*
 * Tagged cost, group by group in the order of the groups; these are as many
 * amounts as there are tenants times services, and are not kept.
 */
void
EngineReadDirect(Engine *e, void (*take) (Engine *e, const DirectCost *d))
{
	MemoryContext work = AllocSetContextCreate(e->context, "finops direct cost", ALLOCSET_DEFAULT_SIZES);
	Portal		rows = open_rows(e, psprintf("SELECT i.name, i.detail ->> 'service', i.detail ->> 'charge_category',"
											 " i.detail ->> 'currency', i.detail ->> 'origin_period', i.detail ->> 'heir',"
											 " i.targets, i.amounts FROM %s i"
											 " WHERE i.run_id = $1 AND i.part = 'direct' ORDER BY i.position", e->from));

	while (next_row(rows))
	{
		MemoryContext old = MemoryContextSwitchTo(work);
		DirectCost	d;
		char	   *heir = FinopsText(0, 6);

		d.name = FinopsText(0, 1);
		d.service = FinopsText(0, 2);
		d.charge_category = FinopsText(0, 3);
		d.currency = FinopsText(0, 4);
		d.origin_period = FinopsText(0, 5);
		d.heir = heir == NULL ? -1 : EngineTarget(e, heir);
		d.tenants = array_elements(0, 7, TEXTOID, &d.n);
		d.costs = array_elements(0, 8, NUMERICOID, &d.n);
		SPI_freetuptable(SPI_tuptable);
		take(e, &d);
		MemoryContextSwitchTo(old);
		MemoryContextReset(work);
	}
	SPI_cursor_close(rows);
	MemoryContextDelete(work);
}

/* Targets, keys, nodes and buckets of run e->run_id in e->from. */
void
EngineLoad(Engine *e)
{
	dlist_init(&e->store.recent);
	load_targets(e);
	load_keys(e);
	load_nodes(e);
	load_buckets(e);
}

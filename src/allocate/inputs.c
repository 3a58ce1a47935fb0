/*-------------------------------------------------------------------------
 *
 * inputs.c
 *	  Reads what an allocation is made from: a stage of the run itself, or
 *	  what finops.allocation_input pinned of an earlier one.
 *
 *-------------------------------------------------------------------------
 */
#include "allocate/engine.h"

#include "utils/array.h"
#include "utils/fmgrprotos.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#define TARGET_NAME_SIZE	1024

typedef struct TargetName
{
	char		name[TARGET_NAME_SIZE];
	int			index;
} TargetName;

static HTAB *target_index;

static FinopsArg
run_argument(int64 run_id)
{
	return ARG_INT8(run_id);
}

/*
 * All targets in byte order, tenants first.  The order decides ties.
 */
static void
load_targets(Engine *e, const char *from)
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
							" ORDER BY left(x.t, 1) <> 't', x.t COLLATE \"C\"", from, from, from),
				   run_argument(e->run_id));
	ctl.keysize = TARGET_NAME_SIZE;
	ctl.entrysize = sizeof(TargetName);
	ctl.hcxt = CurrentMemoryContext;
	target_index = hash_create("finops targets", (long) n, &ctl,
							   HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	e->n_targets = (int) n;
	e->target_names = palloc_array(char *, n);
	e->target_kinds = palloc_array(char, n);
	for (uint64 i = 0; i < n; i++)
	{
		char	   *name = FinopsText(i, 1);
		TargetName *entry;

		if (strlen(name) >= TARGET_NAME_SIZE)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("tenant id is longer than %d bytes", TARGET_NAME_SIZE - 3)));
		entry = hash_search(target_index, name, HASH_ENTER, NULL);
		entry->index = (int) i;
		e->target_kinds[i] = name[0];
		e->target_names[i] = name[0] == 't' ? name + 2 : name;
	}
}

int
EngineTarget(const Engine *e, const char *name)
{
	TargetName *entry;
	char		key[TARGET_NAME_SIZE];

	(void) e;
	strlcpy(key, name, sizeof(key));
	entry = hash_search(target_index, key, HASH_FIND, NULL);
	if (entry == NULL)
		elog(ERROR, "unknown allocation target \"%s\"", name);
	return entry->index;
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

static int
scale_of(Datum numeric)
{
	return DatumGetInt32(DirectFunctionCall1(numeric_scale, numeric));
}

/* The weights as integers over a common scale, where they fit. */
static void
make_units(Key *key)
{
	int			scale = 0;
	MoneyUnits	m;

	key->units = palloc_extended(mul_size(Max(key->n, 1), sizeof(uint64)), MCXT_ALLOC_HUGE);
	key->total_units = 0;
	for (int i = 0; i < key->n; i++)
		scale = Max(scale, scale_of(key->weights[i]));
	for (int i = 0; i < key->n; i++)
	{
		if (!MoneyDecodeNumeric(key->weights[i], &m) ||
			!MoneyRescale(&m.units, scale - m.scale) ||
			m.units > (uint64) MONEY_MAX_UNITS - key->total_units)
		{
			key->units = NULL;
			break;
		}
		key->units[i] = m.units;
		key->total_units += m.units;
	}
	if (key->units != NULL && scale <= MONEY_MAX_SCALE)
		key->total = MoneyNumeric(key->total_units, false, scale);
	else
	{
		key->total = NumericGetDatum(int64_to_numeric(0));
		for (int i = 0; i < key->n; i++)
			key->total = DirectFunctionCall2(numeric_add, key->total, key->weights[i]);
	}
}

static void
load_keys(Engine *e, const char *from)
{
	uint64		n = FINOPS_RUN(psprintf("SELECT i.name, i.targets, i.amounts FROM %s i"
										" WHERE i.run_id = $1 AND i.part = 'key' ORDER BY i.position", from),
							   run_argument(e->run_id));

	e->n_keys = (int) n;
	e->keys = palloc0_array(Key, n);
	for (uint64 i = 0; i < n; i++)
	{
		Key		   *key = &e->keys[i];
		Datum	   *targets = array_elements(i, 2, TEXTOID, &key->n);

		key->name = FinopsText(i, 1);
		key->weights = array_elements(i, 3, NUMERICOID, &key->n);
		key->targets = palloc_array(int, key->n);
		for (int t = 0; t < key->n; t++)
		{
			char	   *name = TextDatumGetCString(targets[t]);

			/* pools are resolved when the nodes are known */
			if (name[0] == 'n')
			{
				key->to_pools = true;
				key->targets[t] = -atoi(name + 2);
			}
			else
				key->targets[t] = EngineTarget(e, name);
			pfree(name);
		}
		make_units(key);
	}
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
load_nodes(Engine *e, const char *from)
{
	uint64		n = FINOPS_RUN(psprintf("SELECT i.position, i.name, (i.detail ->> 'no')::integer,"
										" (i.detail ->> 'rule_version')::integer, i.detail ->> 'stage',"
										" i.detail ->> 'category', i.detail ->> 'currency',"
										" coalesce(i.detail ->> 'slice', i.detail ->> 'anchor'), i.detail ->> 'metric',"
										" (i.detail ->> 'rung')::integer, i.detail ->> 'last',"
										" jsonb_strip_nulls(i.detail) ->> 'caps', i.detail ->> 'amount', i.detail ->> 'percent',"
										" i.targets, i.amounts, i.detail ->> 'residual', i.detail ->> 'percents' FROM %s i"
										" WHERE i.run_id = $1 AND i.part = 'node' ORDER BY i.position", from),
							   run_argument(e->run_id));

	e->n_nodes = (int) n;
	e->nodes = palloc0_array(PoolNode, n);
	for (uint64 i = 0; i < n; i++)
	{
		PoolNode	   *node = &e->nodes[i];
		char	   *percents = FinopsText(i, 18);

		if (FinopsInt64(i, 1) != (int64) i + 1)
			elog(ERROR, "node %llu of an allocation is missing", (unsigned long long) i + 1);
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
	}
}

static void
load_buckets(Engine *e, const char *from)
{
	uint64		n = FINOPS_RUN(psprintf("SELECT i.name, (i.detail ->> 'node')::integer, i.detail ->> 'service',"
										" i.detail ->> 'charge_category', i.detail ->> 'origin_period',"
										" CASE jsonb_typeof(i.detail -> 'lines') WHEN 'array' THEN"
										"  ARRAY(SELECT jsonb_array_elements_text(i.detail -> 'lines')) END, i.amounts[1] FROM %s i"
										" WHERE i.run_id = $1 AND i.part = 'bucket' ORDER BY i.position", from),
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
		b->scale = scale_of(b->cost);
	}
}

static void
load_direct(Engine *e, const char *from)
{
	uint64		n = FINOPS_RUN(psprintf("SELECT i.name, i.detail ->> 'service', i.detail ->> 'charge_category',"
										" i.detail ->> 'currency', i.detail ->> 'origin_period', i.detail ->> 'heir',"
										" i.targets, i.amounts FROM %s i"
										" WHERE i.run_id = $1 AND i.part = 'direct' ORDER BY i.position", from),
							   run_argument(e->run_id));

	e->n_direct = (int) n;
	e->direct = palloc0_array(DirectCost, n);
	for (uint64 i = 0; i < n; i++)
	{
		DirectCost *d = &e->direct[i];
		char	   *heir = FinopsText(i, 6);

		d->name = FinopsText(i, 1);
		d->service = FinopsText(i, 2);
		d->charge_category = FinopsText(i, 3);
		d->currency = FinopsText(i, 4);
		d->origin_period = FinopsText(i, 5);
		d->heir = heir == NULL ? -1 : EngineTarget(e, heir);
		d->tenants = array_elements(i, 7, TEXTOID, &d->n);
		d->costs = array_elements(i, 8, NUMERICOID, &d->n);
	}
}

void
EngineLoad(Engine *e, const char *from, int64 run_id)
{
	e->run_id = run_id;
	load_targets(e, from);
	load_keys(e, from);
	load_nodes(e, from);
	load_buckets(e, from);
	load_direct(e, from);
}

/*-------------------------------------------------------------------------
 *
 * keys.c
 *	  The keys of an allocation: vectors of weights over targets.
 *
 * There may be as many weights as rules times tenants, of which one key's are
 * looked at at a time.  The vectors used last are held within work_mem; the
 * others stand in a temporary file, each in one piece:
 *
 *	units		uint64 each, where the weights are integers of a common scale
 *	targets		int each
 *	then		the digits of each weight, one byte, where these differ, or
 *				the weights as numeric[], where integers cannot hold them
 *
 *-------------------------------------------------------------------------
 */
#include "allocate/engine.h"

#include "storage/buffile.h"
#include "utils/array.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

static int
scale_of(Datum numeric)
{
	return DatumGetInt32(DirectFunctionCall1(numeric_scale, numeric));
}

/*
 * The weights as integers over a common scale; false where they do not fit.
 * Sets the key's scale and their sum, and whether all have that scale.
 */
static bool
make_units(Key *key, const Datum *weights, uint64 *units, bool *uniform)
{
	MoneyUnits	m;

	key->scale = key->n == 0 ? 0 : scale_of(weights[0]);
	key->total_units = 0;
	*uniform = true;
	for (int i = 1; i < key->n; i++)
	{
		int			scale = scale_of(weights[i]);

		*uniform &= scale == key->scale;
		key->scale = Max(key->scale, scale);
	}
	for (int i = 0; i < key->n; i++)
	{
		if (!MoneyDecodeNumeric(weights[i], &m) ||
			!MoneyRescale(&m.units, key->scale - m.scale) ||
			m.units > (uint64) MONEY_MAX_UNITS - key->total_units)
			return false;
		units[i] = m.units;
		key->total_units += m.units;
	}
	return true;
}

static void
make_total(Key *key, const Datum *weights)
{
	if (key->integral && key->scale <= MONEY_MAX_SCALE)
	{
		key->total = MoneyNumeric(key->total_units, false, key->scale);
		return;
	}
	key->total = NumericGetDatum(int64_to_numeric(0));
	for (int i = 0; i < key->n; i++)
		key->total = DirectFunctionCall2(numeric_add, key->total, weights[i]);
}

/* Where the pieces of a vector stand. */
static void
point_into(Key *key)
{
	char	   *at = key->vector;

	key->units = NULL;
	if (key->integral)
	{
		key->units = (uint64 *) at;
		at += sizeof(uint64) * key->n;
	}
	key->targets = (int *) at;
	at = (char *) MAXALIGN(at + sizeof(int) * key->n);
	key->scales = key->exact && !key->uniform ? (uint8 *) at : NULL;
	if (!key->exact)
	{
		int			n;

		deconstruct_array((ArrayType *) at, NUMERICOID, -1, false, TYPALIGN_INT,
						  &key->weights, NULL, &n);
	}
}

/* What a key that is held takes. */
static Size
size_held(const Key *key)
{
	return key->size + (key->weights == NULL ? 0 : sizeof(Datum) * key->n) +
		(key->shares == NULL ? 0 : sizeof(uint64) * key->n);
}

static void
write_vector(KeyStore *store, Key *key)
{
	if (store->file == NULL)
	{
		store->file = BufFileCreateTemp(false);
	}
	if (BufFileSeek(store->file, store->end_file, store->end, SEEK_SET) != 0)
		elog(ERROR, "could not seek in a temporary file");
	key->fileno = store->end_file;
	key->offset = store->end;
	BufFileWrite(store->file, key->vector, key->size);
	BufFileTell(store->file, &store->end_file, &store->end);
	key->written = true;
}

static void
put_away(KeyStore *store, Key *key)
{
	if (!key->written)
		write_vector(store, key);
	store->held -= size_held(key);
	dlist_delete(&key->place);
	pfree(key->vector);
	if (key->weights != NULL)
		pfree(key->weights);
	if (key->shares != NULL)
		pfree(key->shares);
	key->vector = NULL;
	key->weights = NULL;
	key->shares = NULL;
}

/* Holds a key, the one used last, and of the others what work_mem has room for. */
static void
hold(KeyStore *store, Key *key)
{
	store->held += size_held(key);
	dlist_push_head(&store->recent, &key->place);
	while (store->held > (Size) work_mem * 1024 &&
		   dlist_has_prev(&store->recent, dlist_tail_node(&store->recent)))
		put_away(store, dlist_tail_element(Key, place, &store->recent));
}

/* Takes the weights of a key; n, targets and name are set by the caller. */
void
EngineKeepKey(Engine *e, Key *key, const int *targets, Datum *weights)
{
	MemoryContext old = MemoryContextSwitchTo(e->context);
	uint64	   *units = palloc_extended(mul_size(Max(key->n, 1), sizeof(uint64)), MCXT_ALLOC_HUGE);
	Size		units_size;
	Size		targets_size;
	ArrayType  *array = NULL;

	key->integral = make_units(key, weights, units, &key->uniform);
	key->exact = key->integral && key->scale <= MONEY_MAX_SCALE;
	make_total(key, weights);
	units_size = key->integral ? sizeof(uint64) * key->n : 0;
	targets_size = MAXALIGN(units_size + sizeof(int) * key->n) - units_size;
	key->size = units_size + targets_size;
	if (!key->exact)
	{
		array = construct_array(weights, key->n, NUMERICOID, -1, false, TYPALIGN_INT);
		key->size += VARSIZE(array);
	}
	else if (!key->uniform)
		key->size += key->n;
	key->vector = palloc_extended(Max(key->size, 1), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	if (key->integral)
		memcpy(key->vector, units, units_size);
	if (key->n > 0)
		memcpy(key->vector + units_size, targets, sizeof(int) * key->n);
	if (!key->exact)
		memcpy(key->vector + units_size + targets_size, array, VARSIZE(array));
	point_into(key);
	if (key->scales != NULL)
		for (int i = 0; i < key->n; i++)
			key->scales[i] = (uint8) scale_of(weights[i]);
	pfree(units);
	hold(&e->store, key);
	MemoryContextSwitchTo(old);
}

/* The vector of a key, until another key is asked for. */
Key *
EngineUseKey(Engine *e, Key *key)
{
	KeyStore   *store = &e->store;
	MemoryContext old;

	if (key->vector != NULL)
	{
		dlist_move_head(&store->recent, &key->place);
		return key;
	}
	old = MemoryContextSwitchTo(e->context);
	key->vector = palloc_extended(Max(key->size, 1), MCXT_ALLOC_HUGE);
	if (BufFileSeek(store->file, key->fileno, key->offset, SEEK_SET) != 0 ||
		BufFileRead(store->file, key->vector, key->size) != key->size)
		elog(ERROR, "could not read a key from a temporary file");
	point_into(key);
	hold(store, key);
	MemoryContextSwitchTo(old);
	return key;
}

/* One weight of a key in use, with its own digits. */
Datum
EngineWeight(const Key *key, int i)
{
	uint64		units;

	if (!key->exact)
		return key->weights[i];
	units = key->units[i];
	if (key->scales == NULL)
		return MoneyNumeric(units, false, key->scale);
	for (int scale = key->scales[i]; scale < key->scale; scale++)
		units /= 10;
	return MoneyNumeric(units, false, key->scales[i]);
}

/* The weights of a key in use as an array. */
ArrayType *
EngineWeights(const Key *key)
{
	Datum	   *weights = key->weights;

	if (key->exact)
	{
		weights = palloc_extended(mul_size(Max(key->n, 1), sizeof(Datum)), MCXT_ALLOC_HUGE);
		for (int i = 0; i < key->n; i++)
			weights[i] = EngineWeight(key, i);
	}
	return construct_array(weights, key->n, NUMERICOID, -1, false, TYPALIGN_INT);
}

/* A weight of a key in use for the solver. */
FinopsReal
EngineRealWeight(const Key *key, int i)
{
	if (key->integral)
		return (FinopsReal) key->units[i];
	return strtold(DatumGetCString(DirectFunctionCall1(numeric_out, key->weights[i])), NULL);
}

/* The shares of the targets of a key in use, in units of 1e-18, which add up to 1. */
const uint64 *
EngineKeyShares(Engine *e, Key *key, FinopsInterrupt interrupt)
{
	uint64	   *scratch;

	if (key->shares != NULL || !key->integral)
		return key->shares;
	key->shares = MemoryContextAllocHuge(e->context, mul_size(Max(key->n, 1), sizeof(uint64)));
	e->store.held += sizeof(uint64) * key->n;
	scratch = palloc_extended(mul_size(Max(key->n, 1), 2 * sizeof(uint64)), MCXT_ALLOC_HUGE);
	MoneyApportion(UINT64_C(1000000000000000000), key->units, key->total_units,
				   key->n, key->shares, scratch, interrupt);
	pfree(scratch);
	return key->shares;
}

void
EngineEndKeys(Engine *e)
{
	if (e->store.file != NULL)
		BufFileClose(e->store.file);
	e->store.file = NULL;
}

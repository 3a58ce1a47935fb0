/*-------------------------------------------------------------------------
 *
 * entries.c
 *	  The entries of an allocation as they are made: stage finops_entry and
 *	  their digest.
 *
 * The digest is the SHA-256 of the entries in the order in which they are
 * made, each as origin, target, kind and amount, with a zero byte behind each
 * of them.  The order follows from the inputs, so equal inputs give equal
 * bytes.
 *
 *-------------------------------------------------------------------------
 */
#include "allocate/engine.h"

#include "common/sha2.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#define ENTRIES_PER_RESET	512

void
EntriesBegin(Engine *e)
{
	e->store = FinopsStageEmpty("finops_entry",
							   "SELECT NULL::text AS tenant_id, NULL::text AS kind, NULL::text AS service,"
							   " NULL::text AS category, NULL::text AS rule_id, NULL::integer AS rule_version,"
							   " NULL::text AS origin, NULL::text AS currency, NULL::numeric AS amount,"
							   " NULL::numeric AS share, NULL::text AS key_metric, NULL::numeric AS key_value,"
							   " NULL::numeric AS key_total, NULL::text AS stage, NULL::smallint AS rung,"
							   " NULL::text[] AS source_line_ids, NULL::date AS origin_period",
							   &e->desc);
	e->hash = pg_cryptohash_create(PG_SHA256);
	if (e->hash == NULL || pg_cryptohash_init(e->hash) < 0)
		elog(ERROR, "could not begin a SHA-256 digest");
	e->row = AllocSetContextCreate(CurrentMemoryContext, "finops entries",
								   ALLOCSET_DEFAULT_SIZES);
	initStringInfo(&e->findings);
}

static void
add_to_digest(Engine *e, const char *text)
{
	if (pg_cryptohash_update(e->hash, (const uint8 *) text, strlen(text) + 1) < 0)
		elog(ERROR, "could not extend a SHA-256 digest");
}

static Datum
text_or_null(const char *text, bool *isnull)
{
	*isnull = text == NULL;
	return text == NULL ? (Datum) 0 : CStringGetTextDatum(text);
}

static void
put(Engine *e, const EntryOf *of, const char *tenant, const char *kind,
	Datum amount, Datum share, const char *metric, Datum key_value,
	Datum key_total, int rung)
{
	Datum		values[17];
	bool		nulls[17] = {false};
	MemoryContext old = MemoryContextSwitchTo(e->row);

	values[0] = text_or_null(tenant, &nulls[0]);
	values[1] = CStringGetTextDatum(kind);
	values[2] = CStringGetTextDatum(of->service);
	values[3] = CStringGetTextDatum(of->category);
	values[4] = CStringGetTextDatum(of->rule_id);
	values[5] = Int32GetDatum(of->rule_version);
	values[6] = CStringGetTextDatum(of->origin);
	values[7] = CStringGetTextDatum(of->currency);
	values[8] = amount;
	values[9] = share;
	nulls[9] = share == (Datum) 0;
	values[10] = text_or_null(metric, &nulls[10]);
	values[11] = key_value;
	nulls[11] = key_value == (Datum) 0;
	values[12] = key_total;
	nulls[12] = key_total == (Datum) 0;
	values[13] = text_or_null(of->stage, &nulls[13]);
	values[14] = Int16GetDatum(rung);
	nulls[14] = metric == NULL;
	values[15] = of->lines;
	nulls[15] = of->lines == (Datum) 0;
	values[16] = (Datum) 0;
	nulls[16] = of->origin_period == NULL;
	if (of->origin_period != NULL)
		values[16] = DirectFunctionCall1(date_in, CStringGetDatum(of->origin_period));
	tuplestore_putvalues(e->store, e->desc, values, nulls);

	add_to_digest(e, of->origin);
	add_to_digest(e, tenant == NULL ? "" : tenant);
	add_to_digest(e, kind);
	add_to_digest(e, DatumGetCString(DirectFunctionCall1(numeric_out, amount)));
	MemoryContextSwitchTo(old);
	if (++e->entries % ENTRIES_PER_RESET == 0)
	{
		MemoryContextReset(e->row);
		CHECK_FOR_INTERRUPTS();
	}
}

static bool
is_zero(Datum amount)
{
	MoneyUnits	m;

	return MoneyDecodeNumeric(amount, &m) && m.units == 0;
}

void
EntriesPut(Engine *e, const EntryOf *of, int target, Datum amount, Datum share,
		   const char *metric, Datum key_value, Datum key_total, int rung)
{
	char		kind = e->target_kinds[target];

	if (is_zero(amount))
		return;
	put(e, of, kind == 't' ? e->target_names[target] : NULL,
		kind == 't' ? "shared" : kind == 'o' ? "overhead" : "unallocated",
		amount, share, metric, key_value, key_total, rung);
}

/* Tagged cost; the heir of a departed tenant takes its place. */
void
EntriesPutDirect(Engine *e, const EntryOf *of, const char *tenant, int heir,
				 Datum amount)
{
	Datum		one;

	if (is_zero(amount))
		return;
	one = MoneyNumeric(1, false, 0);
	if (heir >= 0)
		put(e, of, e->target_kinds[heir] == 't' ? e->target_names[heir] : NULL,
			e->target_kinds[heir] == 't' ? "direct" : "overhead",
			amount, one, "successor", (Datum) 0, (Datum) 0, 0);
	else
		put(e, of, tenant, "direct", amount, one, "tag", (Datum) 0, (Datum) 0, 0);
	pfree(DatumGetPointer(one));
}

/* Called once, after the last entry. */
char *
EntriesDigest(Engine *e)
{
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	char	   *hex = palloc(2 * PG_SHA256_DIGEST_LENGTH + 1);

	if (pg_cryptohash_final(e->hash, digest, sizeof(digest)) < 0)
		elog(ERROR, "could not end a SHA-256 digest");
	pg_cryptohash_free(e->hash);
	for (int i = 0; i < PG_SHA256_DIGEST_LENGTH; i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	MemoryContextDelete(e->row);
	return hex;
}

/* Something the run came upon that its reader should know. */
void
EngineFinding(Engine *e, const char *check, const char *rule_id,
			  const char *currency, const char *detail)
{
	appendStringInfoString(&e->findings, e->n_findings++ == 0 ? "[{\"check\": " : ", {\"check\": ");
	escape_json(&e->findings, check);
	appendStringInfoString(&e->findings, ", \"rule_id\": ");
	escape_json(&e->findings, rule_id);
	appendStringInfoString(&e->findings, ", \"currency\": ");
	escape_json(&e->findings, currency);
	appendStringInfoString(&e->findings, ", \"detail\": ");
	escape_json(&e->findings, detail);
	appendStringInfoChar(&e->findings, '}');
}

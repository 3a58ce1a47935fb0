/*-------------------------------------------------------------------------
 *
 * minimum.c
 *	  Tenants whose shared cost is below the minimum charge.
 *
 * Under the policy minimum_charge a tenant that rules give less than so much
 * of a currency in a period pays none of it; the operator keeps these amounts,
 * origin by origin.  Whose they are is known only when all has been split, so
 * the splits are made twice, the first time for their sums alone.  Tagged cost
 * and corrections of locked months are left as they are.
 *
 *-------------------------------------------------------------------------
 */
#include "allocate/engine.h"

#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

/* The minimum charge in units of 1e-12; 0: none. */
static int128
read_minimum(const Engine *e)
{
	bool		isnull;
	MoneyUnits	m;
	int128		units;

	if (FINOPS_RUN(psprintf("SELECT i.amounts[1] FROM %s i WHERE i.run_id = $1 AND i.part = 'policy'"
							" AND i.name = 'minimum_charge'", e->from), ARG_INT8(e->run_id)) == 0)
		return 0;
	if (!EngineUnits(FinopsValue(0, 1, &isnull), ENGINE_SCALE, &m))
		elog(ERROR, "minimum charge of an allocation is out of range");
	units = m.units;
	return units * 1000;
}

/* Marks the targets of a currency and says how many they are and what it comes to. */
static void
mark_below(Engine *e, const Placed *sums, int n_targets, int128 minimum)
{
	BelowMinimum *b = &e->below[e->n_below];
	int128		kept = 0;
	int			n = 0;

	b->currency = pstrdup(sums->currency);
	b->targets = palloc0_array(bool, n_targets);
	for (int t = 0; t < n_targets; t++)
	{
		int128		amount = sums->units[t];

		if (amount == 0 || amount >= minimum || -amount >= minimum)
			continue;
		b->targets[t] = true;
		kept += amount;
		n++;
	}
	if (n == 0)
		return;
	e->n_below++;
	EngineFinding(e, "below_minimum", "minimum_charge", b->currency,
				  psprintf("The operator keeps " INT64_FORMAT " units of 1e-9 of %d tenants.",
						   (int64) (kept / 1000), n));
}

/* Within a session, before the run itself: whose cost the operator keeps. */
void
EngineFindBelow(Engine *e)
{
	int128		minimum = read_minimum(e);
	MemoryContext context;
	MemoryContext old;
	Engine		first = {0};

	if (minimum == 0)
		return;
	context = AllocSetContextCreate(CurrentMemoryContext, "finops minimum charge", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	first.from = e->from;
	first.run_id = e->run_id;
	first.only_sums = true;
	initStringInfo(&first.findings);
	EngineRun(&first, NULL);
	MemoryContextSwitchTo(old);
	e->below = palloc_array(BelowMinimum, Max(first.shared.n, 1));
	for (int i = 0; i < first.shared.n; i++)
		mark_below(e, &first.shared.items[i], first.n_targets, minimum);
	MemoryContextDelete(context);
}

/* Which targets have less than the minimum charge of a currency; NULL: none. */
const bool *
EngineBelow(const Engine *e, const char *currency)
{
	for (int i = 0; i < e->n_below; i++)
		if (strcmp(e->below[i].currency, currency) == 0)
			return e->below[i].targets;
	return NULL;
}

/*-------------------------------------------------------------------------
 *
 * kept.c
 *	  Statements that are planned once per backend.
 *
 * Small calls that come by the thousand spend more time on planning than on
 * work.  A kept statement is known by the address of its text, which must be
 * a constant, and by the install schema; its plan is generic, and the server
 * renews it when a table changes.
 *
 *-------------------------------------------------------------------------
 */
#include "core/core.h"

#include "utils/hsearch.h"

typedef struct KeptKey
{
	const char *sql;
	Oid			schema;
} KeptKey;

typedef struct KeptPlan
{
	KeptKey		key;
	SPIPlanPtr	plan;
} KeptPlan;

static HTAB *kept_plans = NULL;

static KeptPlan *
find_kept(const char *sql)
{
	KeptKey		key = {sql, FinopsSchemaOid()};
	bool		found;
	KeptPlan   *kept;

	if (kept_plans == NULL)
	{
		HASHCTL		control = {.keysize = sizeof(KeptKey), .entrysize = sizeof(KeptPlan)};

		kept_plans = hash_create("finops kept plans", 64, &control, HASH_ELEM | HASH_BLOBS);
	}
	kept = hash_search(kept_plans, &key, HASH_ENTER, &found);
	if (!found)
		kept->plan = NULL;
	return kept;
}

SPIPlanPtr
FinopsKeptPlan(const char *sql, const char *text, int nargs, const Oid *types)
{
	KeptPlan   *kept = find_kept(sql);

	if (kept->plan == NULL)
	{
		SPIPlanPtr	plan = SPI_prepare_cursor(FinopsExpandSchema(text), nargs,
											  unconstify(Oid *, types), CURSOR_OPT_GENERIC_PLAN);

		if (plan == NULL)
			elog(ERROR, "SPI_prepare_cursor failed: %s", SPI_result_code_string(SPI_result));
		if (SPI_keepplan(plan) != 0)
			elog(ERROR, "SPI_keepplan failed");
		kept->plan = plan;
	}
	return kept->plan;
}

uint64
FinopsRunKept(const char *sql, int nargs, const FinopsArg *args)
{
	Oid			types[FINOPS_KEPT_ARGS] = {InvalidOid};
	Datum		values[FINOPS_KEPT_ARGS];
	char		nulls[FINOPS_KEPT_ARGS + 1];
	int			rc;

	if (nargs > FINOPS_KEPT_ARGS)
		elog(ERROR, "too many arguments of a kept statement");
	for (int i = 0; i < nargs; i++)
	{
		types[i] = args[i].type;
		values[i] = args[i].value;
		nulls[i] = args[i].isnull ? 'n' : ' ';
	}
	nulls[nargs] = '\0';
	rc = SPI_execute_plan(FinopsKeptPlan(sql, sql, nargs, types), values, nulls, false, 0);
	if (rc < 0)
		elog(ERROR, "SPI_execute_plan failed: %s", SPI_result_code_string(rc));
	return SPI_processed;
}

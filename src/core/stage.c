/*-------------------------------------------------------------------------
 *
 * stage.c
 *	  Intermediate results that several statements of a session read.
 *
 * The rows go straight from the executor into a tuplestore, so they are held
 * once, within work_mem, and spill to disk beyond it.  The tuplestore is
 * registered with SPI as a named relation, like the transition tables of a
 * trigger: later statements select from it by its unqualified name, and the
 * planner knows its row count.  It ends with the session; no catalog entry is
 * made and nothing is dumped.
 *
 * A tuplestore's temporary file belongs to the resource owner, its memory to
 * the session's SPI context.  FinopsEnd closes the files in order; an abort
 * closes them by itself and must not be followed by a second close, so that
 * the callback of the memory context only forgets the stage.
 *
 *-------------------------------------------------------------------------
 */
#include "core/core.h"

#include "executor/tstoreReceiver.h"
#include "nodes/params.h"
#include "utils/plancache.h"
#include "utils/queryenvironment.h"
#include "utils/tuplestore.h"

typedef struct Stage
{
	char	   *name;			/* NULL: not registered with SPI */
	Tuplestorestate *store;
	MemoryContext context;		/* the session's */
	MemoryContextCallback forget;
	struct Stage *next;
} Stage;

static Stage *stages = NULL;

static void
forget_stage(void *arg)
{
	for (Stage **at = &stages; *at != NULL; at = &(*at)->next)
		if (*at == arg)
		{
			*at = (*at)->next;
			return;
		}
}

static void
remember_stage(const char *name, Tuplestorestate *store)
{
	Stage	   *stage = palloc0(sizeof(Stage));

	stage->name = name == NULL ? NULL : pstrdup(name);
	stage->store = store;
	stage->context = CurrentMemoryContext;
	stage->forget.func = forget_stage;
	stage->forget.arg = stage;
	stage->next = stages;
	stages = stage;
	MemoryContextRegisterResetCallback(stage->context, &stage->forget);
}

/* Called by FinopsEnd, before SPI_finish frees the memory. */
void
FinopsEndStages(MemoryContext session)
{
	for (Stage *stage = stages; stage != NULL; stage = stage->next)
		if (stage->context == session && stage->store != NULL)
		{
			tuplestore_end(stage->store);
			stage->store = NULL;
		}
}

/*
 * A stage that is not needed any more, or must not outlive a subtransaction:
 * its temporary files are those of the resource owner that it began under.
 */
void
FinopsEndStage(const char *name)
{
	for (Stage *stage = stages; stage != NULL; stage = stage->next)
		if (stage->store != NULL && stage->name != NULL && strcmp(stage->name, name) == 0)
		{
			(void) SPI_unregister_relation(name);
			tuplestore_end(stage->store);
			stage->store = NULL;
			return;
		}
}

static ParamListInfo
make_params(int nargs, const FinopsArg *args)
{
	ParamListInfo params = makeParamList(nargs);

	for (int i = 0; i < nargs; i++)
	{
		params->params[i].value = args[i].value;
		params->params[i].isnull = args[i].isnull;
		params->params[i].pflags = PARAM_FLAG_CONST;
		params->params[i].ptype = args[i].type;
	}
	return params;
}

static void
register_stage(const char *name, TupleDesc tupdesc, Tuplestorestate *store,
			   uint64 rows)
{
	EphemeralNamedRelation enr = palloc0(sizeof(EphemeralNamedRelationData));

	enr->md.name = pstrdup(name);
	enr->md.reliddesc = InvalidOid;
	enr->md.tupdesc = tupdesc;
	enr->md.enrtype = ENR_NAMED_TUPLESTORE;
	enr->md.enrtuples = (double) rows;
	enr->reldata = store;
	if (SPI_register_relation(enr) != SPI_OK_REL_REGISTER)
		elog(ERROR, "could not register stage \"%s\"", name);
}

/*
 * Run a query into a tuplestore; returns the number of rows.  Sets *tupdesc,
 * or where columns are declared checks that the query has those.
 */
static uint64
collect(const char *sql, int nargs, const FinopsArg *args,
		Tuplestorestate *store, TupleDesc *tupdesc, TupleDesc declared)
{
	Oid		   *types = palloc_array(Oid, Max(nargs, 1));
	SPIExecuteOptions options = {0};
	CachedPlanSource *source;
	SPIPlanPtr	plan;
	int			rc;

	for (int i = 0; i < nargs; i++)
		types[i] = args[i].type;
	plan = SPI_prepare_cursor(FinopsExpandSchema(sql), nargs, types,
							  CURSOR_OPT_PARALLEL_OK);
	if (plan == NULL)
		elog(ERROR, "SPI_prepare_cursor failed: %s", SPI_result_code_string(SPI_result));
	source = (CachedPlanSource *) linitial(SPI_plan_get_plan_sources(plan));
	if (declared != NULL)
		FinopsCheckReturned(source->resultDesc, declared);
	else
		*tupdesc = CreateTupleDescCopy(source->resultDesc);

	options.params = make_params(nargs, args);
	options.dest = CreateTuplestoreDestReceiver();
	SetTuplestoreDestReceiverParams(options.dest, store, CurrentMemoryContext,
									declared == NULL, NULL, NULL);
	rc = SPI_execute_plan_extended(plan, &options);
	if (rc < 0)
		elog(ERROR, "SPI_execute_plan_extended failed: %s",
			 SPI_result_code_string(rc));
	SPI_freeplan(plan);
	return SPI_processed;
}

uint64
FinopsStage(const char *name, const char *sql, int nargs, const FinopsArg *args)
{
	Tuplestorestate *store = tuplestore_begin_heap(true, false, work_mem);
	TupleDesc	tupdesc;
	uint64		rows;

	remember_stage(name, store);
	rows = collect(sql, nargs, args, store, &tupdesc, NULL);
	register_stage(name, tupdesc, store, rows);
	return rows;
}

Tuplestorestate *
FinopsCollect(const char *sql, TupleDesc *tupdesc)
{
	Tuplestorestate *store = tuplestore_begin_heap(true, false, work_mem);

	remember_stage(NULL, store);
	(void) collect(sql, 0, NULL, store, tupdesc, NULL);
	return store;
}

void
FinopsReturnQuery(FunctionCallInfo fcinfo, const char *sql, int nargs,
				  const FinopsArg *args)
{
	ReturnSetInfo *rsinfo;

	InitMaterializedSRF(fcinfo, 0);
	rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	(void) collect(sql, nargs, args, rsinfo->setResult, NULL, rsinfo->setDesc);
}

struct Tuplestorestate *
FinopsStageEmpty(const char *name, const char *sql, TupleDesc *tupdesc)
{
	Tuplestorestate *store = tuplestore_begin_heap(true, false, work_mem);
	CachedPlanSource *source;
	SPIPlanPtr	plan;

	remember_stage(name, store);
	plan = SPI_prepare(FinopsExpandSchema(sql), 0, NULL);
	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
	source = (CachedPlanSource *) linitial(SPI_plan_get_plan_sources(plan));
	*tupdesc = CreateTupleDescCopy(source->resultDesc);
	SPI_freeplan(plan);
	register_stage(name, *tupdesc, store, 0);
	return store;
}

void
FinopsStageRows(const char *name, TupleDesc tupdesc, Tuplestorestate *store,
				uint64 rows)
{
	remember_stage(name, store);
	register_stage(name, tupdesc, store, rows);
}

/*-------------------------------------------------------------------------
 *
 * reconcile_hierarchy.c
 *	  finops.reconcile_hierarchy: forecasts of a tree that add up.
 *
 * Rows of a relation or query, read with the caller's rights, hold a forecast
 * per node and step; a node is named by its path, text[], the total by '{}'.
 * A node's parent is the longest path that its own begins with.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/forecast.h"
#include "forecast/hierarchy.h"
#include "forecast/source_query.h"

#include "utils/array.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include <math.h>

PG_FUNCTION_INFO_V1(finops_reconcile_hierarchy);

#define MAX_NODES		1000000
#define MAX_RESIDUALS	200		/* the newest */

typedef struct Tree
{
	Hierarchy	h;
	Datum	   *path;
	int		   *parent;
	int			room;
	int		   *steps;			/* of the first node; all have them */
	int			nsteps;
	double	   *base;			/* [node * nsteps] */
	double	  **residuals;		/* per node, or NULL */
	int			nresiduals;		/* the fewest of any node */
} Tree;

static HierarchyMethod
method_arg(FunctionCallInfo fcinfo, int argno, bool residuals)
{
	static const char *const names[] = {
		"bottom_up", "top_down", "ols", "structural", "variance", "shrink"
	};
	char	   *name;

	if (PG_ARGISNULL(argno))
		return residuals ? HIERARCHY_SHRINK : HIERARCHY_STRUCTURAL;
	name = text_to_cstring(PG_GETARG_TEXT_PP(argno));
	for (size_t i = 0; i < lengthof(names); i++)
		if (pg_strcasecmp(name, names[i]) == 0)
			return (HierarchyMethod) i;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown method \"%s\"", FinopsQuoteForMessage(name)),
			 errhint("Methods are: bottom_up, top_down, ols, structural, variance, shrink.")));
	return HIERARCHY_OLS;		/* keep compiler quiet */
}

static char *
path_text(Datum path)
{
	Oid			output;
	bool		varlena;

	getTypeOutputInfo(TEXTARRAYOID, &output, &varlena);
	return FinopsQuoteForMessage(OidOutputFunctionCall(output, path));
}

/* Does one path begin with the other? */
static bool
begins_with(Datum path, Datum prefix)
{
	Datum	   *a,
			   *b;
	int			na,
				nb;

	deconstruct_array(DatumGetArrayTypeP(path), TEXTOID, -1, false, TYPALIGN_INT, &a, NULL, &na);
	deconstruct_array(DatumGetArrayTypeP(prefix), TEXTOID, -1, false, TYPALIGN_INT, &b, NULL, &nb);
	if (nb >= na)
		return false;
	for (int i = 0; i < nb; i++)
		if (!datumIsEqual(PointerGetDatum(PG_DETOAST_DATUM_PACKED(a[i])),
						  PointerGetDatum(PG_DETOAST_DATUM_PACKED(b[i])), false, -1) &&
			strcmp(TextDatumGetCString(a[i]), TextDatumGetCString(b[i])) != 0)
			return false;
	return true;
}

static void
add_node(Tree *tree, Datum path)
{
	int			at = tree->h.n;
	ArrayType  *array = DatumGetArrayTypeP(path);

	if (ARR_NDIM(array) > 1 || array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("path %s must have one dimension and no nulls", path_text(path)),
				 errhint("A path is text[], such as '{aws,1234,S3}'; the total has '{}'.")));
	if (at >= MAX_NODES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a hierarchy has more than %d nodes", MAX_NODES),
				 errhint("Reconcile parts of it one by one.")));
	if (at == tree->room)
	{
		tree->room = Max(2 * tree->room, 64);
		tree->path = at == 0 ? palloc_array(Datum, tree->room) :
			repalloc_array(tree->path, Datum, tree->room);
		tree->parent = at == 0 ? palloc_array(int, tree->room) :
			repalloc_array(tree->parent, int, tree->room);
		tree->residuals = at == 0 ? palloc_array(double *, tree->room) :
			repalloc_array(tree->residuals, double *, tree->room);
	}
	tree->path[at] = path;
	tree->residuals[at] = NULL;
	/* paths come in order: a parent is the node before, or above it */
	tree->parent[at] = at - 1;
	while (tree->parent[at] >= 0 && !begins_with(path, tree->path[tree->parent[at]]))
		tree->parent[at] = tree->parent[tree->parent[at]];
	tree->h.n++;
}

static void
add_residuals(Tree *tree, Datum datum)
{
	ArrayType  *array = DatumGetArrayTypePCopy(datum);
	int			n = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)),
				at = tree->h.n - 1;
	double	   *values = (double *) ARR_DATA_PTR(array);

	if (ARR_NDIM(array) > 1 || array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("residuals of path %s must have one dimension and no nulls",
						path_text(tree->path[at])),
				 errhint("Give the one-step errors of each node, oldest first.")));
	for (int i = 0; i < n; i++)
		if (!(fabs(values[i]) <= 1e150))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("residual %d of path %s is not a finite number below 1e150", i + 1,
							path_text(tree->path[at])),
					 errhint("Give the one-step errors of each node, oldest first.")));
	/* the newest stand at the end */
	tree->residuals[at] = values + n;
	tree->nresiduals = Min(tree->nresiduals, n);
}

/* Rows ordered by path and step. */
static void
read_tree(Tree *tree, Tuplestorestate *store, TupleDesc tupdesc)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(tupdesc, &TTSOpsMinimalTuple);
	int			room = 0,
				steps_room = 0,
				nvalues = 0,
				in_node = 0;

	tree->nresiduals = MAX_RESIDUALS;
	while (tuplestore_gettupleslot(store, true, false, slot))
	{
		bool		nulls[4];
		Datum		values[4];
		int			step;
		double		value;

		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < 4; i++)
			values[i] = slot_getattr(slot, i + 1, &nulls[i]);
		if (nulls[0] || nulls[1] || nulls[2] || !(fabs(DatumGetFloat8(values[2])) <= 1e150))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("path, step and value must not be null, and value finite and below 1e150"),
					 errhint("Leave out such rows, or give them a value.")));
		step = DatumGetInt32(values[1]);
		value = DatumGetFloat8(values[2]);
		if (tree->h.n == 0 || !datumIsEqual(tree->path[tree->h.n - 1], values[0], false, -1))
		{
			if (tree->h.n > 0 && in_node != tree->nsteps)
				break;
			add_node(tree, datumCopy(values[0], false, -1));
			in_node = 0;
		}
		if (tree->h.n == 1)
		{
			if (in_node > 0 && tree->steps[in_node - 1] == step)
				break;
			if (in_node == steps_room)
			{
				steps_room = Max(2 * steps_room, 64);
				tree->steps = in_node == 0 ? palloc_array(int, steps_room) :
					repalloc_array(tree->steps, int, steps_room);
			}
			tree->steps[in_node] = step;
			tree->nsteps++;
		}
		else if (in_node >= tree->nsteps || tree->steps[in_node] != step)
			break;
		if (nvalues == room)
		{
			room = Max(2 * room, 1024);
			tree->base = nvalues == 0 ? palloc_array(double, room) :
				repalloc_huge(tree->base, (Size) room * sizeof(double));
		}
		tree->base[nvalues++] = value;
		if (in_node++ == 0 && !nulls[3])
			add_residuals(tree, values[3]);
	}
	if (!TupIsNull(slot) || (tree->h.n > 0 && in_node != tree->nsteps))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("path %s has not the same steps, each once, as the others",
						path_text(tree->path[tree->h.n - 1])),
				 errhint("Every node of the hierarchy needs one value for every step.")));
	ExecDropSingleTupleTableSlot(slot);
}

/* The newest residuals of all nodes, as one matrix. */
static void
collect_residuals(Tree *tree)
{
	double	   *all;
	int			T = tree->nresiduals;

	for (int i = 0; i < tree->h.n; i++)
		if (tree->residuals[i] == NULL || T < 2)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("path %s has no residuals, or fewer than two", path_text(tree->path[i])),
					 errhint("Use method 'structural', or give the one-step errors of each node.")));
	all = MemoryContextAllocHuge(CurrentMemoryContext, (Size) tree->h.n * T * sizeof(double));
	for (int i = 0; i < tree->h.n; i++)
		memcpy(all + (Size) i * T, tree->residuals[i] - T, T * sizeof(double));
	tree->h.residuals = all;
	tree->h.nresiduals = T;
}

static void
answer(ReturnSetInfo *rsinfo, Tree *tree)
{
	double	   *base = palloc_array(double, Max(tree->h.n, 1)),
			   *result = MemoryContextAllocHuge(CurrentMemoryContext,
												(Size) Max(tree->h.n, 1) * tree->nsteps * sizeof(double));

	for (int j = 0; j < tree->nsteps; j++)
	{
		for (int i = 0; i < tree->h.n; i++)
			base[i] = tree->base[(Size) i * tree->nsteps + j];
		HierarchyReconcile(&tree->h, base, result + (Size) j * tree->h.n);
	}
	for (int i = 0; i < tree->h.n; i++)
		for (int j = 0; j < tree->nsteps; j++)
		{
			Datum		values[4] = {tree->path[i], Int32GetDatum(tree->steps[j]),
				Float8GetDatum(tree->base[(Size) i * tree->nsteps + j]),
			Float8GetDatum(result[(Size) j * tree->h.n + i])};
			bool		nulls[4] = {false};

			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		}
}

/*
 * finops.reconcile_hierarchy(source, path, value, step, residuals, method,
 * nonnegative): rows (path, step, base, mean) in the order of paths.
 */
Datum
finops_reconcile_hierarchy(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Tree		tree = {0};
	char	   *from,
			   *path,
			   *value,
			   *step,
			   *residuals;
	Oid			types[2];
	TupleDesc	tupdesc;
	Tuplestorestate *store;
	MemoryContext spi;

	InitMaterializedSRF(fcinfo, 0);
	FinopsRequireArg(fcinfo, 0, "source");
	FinopsRequireArg(fcinfo, 6, "nonnegative");
	path = SourceColumnArg(fcinfo, 1, "path");
	value = SourceColumnArg(fcinfo, 2, "value");
	step = PG_ARGISNULL(3) ? "1" : SourceColumnArg(fcinfo, 3, "step");
	residuals = PG_ARGISNULL(4) ? "NULL" : SourceColumnArg(fcinfo, 4, "residuals");
	tree.h.method = method_arg(fcinfo, 5, !PG_ARGISNULL(4));
	tree.h.nonnegative = PG_GETARG_BOOL(6);
	tree.h.interrupt = ForecastInterrupt;
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	spi = CurrentMemoryContext;
	from = SourceFrom(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	SourceTypes(from, psprintf("%s, %s", path, value), types, 2);
	if (types[0] != TEXTARRAYOID && types[0] != get_array_type(VARCHAROID))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("column %s has no paths but type %s", path + strlen("src."), format_type_be(types[0])),
				 errhint("A path is text[], such as ARRAY[provider, account, service].")));
	SourceCheckNumber(value, types[1]);
	store = FinopsCollect(psprintf("SELECT %s::pg_catalog.text[], %s::pg_catalog.int4,"
								   " %s::pg_catalog.float8, %s::pg_catalog.float8[] FROM %s"
								   " ORDER BY (%s::pg_catalog.text[]) COLLATE pg_catalog.\"C\", 2",
								   path, step, value, residuals, from, path), &tupdesc);
	read_tree(&tree, store, tupdesc);
	tree.h.parent = tree.parent;
	if (tree.h.n > 0)
	{
		if (tree.h.method >= HIERARCHY_VARIANCE)
			collect_residuals(&tree);
		if (!HierarchyPrepare(&tree.h))
			elog(ERROR, "residuals of a hierarchy are missing");
		answer(rsinfo, &tree);
	}
	FinopsEndStages(spi);
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
	return (Datum) 0;
}

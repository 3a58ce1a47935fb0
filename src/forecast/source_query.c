/*-------------------------------------------------------------------------
 *
 * source_query.c
 *	  Rows that a caller names by a relation or by a query, read with the
 *	  caller's rights.
 *
 * A query is the caller's own: it runs as the caller would run it.  It is
 * parsed first and must be one SELECT, so that text which ends a parenthesis
 * early does not become another statement.  Names of columns are quoted.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/source_query.h"

#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "nodes/parsenodes.h"
#include "parser/parser.h"
#include "utils/array.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/varlena.h"

/*
 * Does the text begin as a statement does, rather than with a name?  Those
 * that are no query are refused as such.
 */
static bool
looks_like_query(const char *source)
{
	static const char *const words[] = {"select", "with", "values", "table",
	"insert", "update", "delete", "merge", "explain", "execute", "call", "show"};

	source += strspn(source, " \t\r\n\f\v(");
	if (strncmp(source, "--", 2) == 0 || strncmp(source, "/*", 2) == 0)
		return true;
	for (size_t i = 0; i < lengthof(words); i++)
	{
		size_t		size = strlen(words[i]);

		if (pg_strncasecmp(source, words[i], size) == 0 &&
			strchr(" \t\r\n\f\v(*'-/", source[size]) != NULL && source[size] != '\0')
			return true;
	}
	return false;
}

static char *
from_query(const char *query)
{
	List	   *statements = raw_parser(query, RAW_PARSE_DEFAULT);
	RawStmt    *raw = statements == NIL ? NULL : linitial_node(RawStmt, statements);

	if (list_length(statements) != 1 || !IsA(raw->stmt, SelectStmt) ||
		((SelectStmt *) raw->stmt)->intoClause != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("source must be one SELECT or the name of a relation"),
				 errhint("For example 'SELECT usage_date, effective_cost, service FROM finops.cost_daily'.")));
	/* without a semicolon at its end; a comment may be there */
	return psprintf("(\n%s\n) AS src",
					raw->stmt_len > 0 ? pnstrdup(query + raw->stmt_location, raw->stmt_len) :
					query + raw->stmt_location);
}

char *
SourceFromRelation(Oid relation)
{
	char	   *name = get_rel_name(relation),
				kind = name == NULL ? '\0' : get_rel_relkind(relation);

	if (strchr("rvmfp", kind) == NULL || kind == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("source is not a table or view"),
				 errhint("Name a table or view, or give a query.")));
	return psprintf("%s AS src",
					quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)),
											   name));
}

char *
SourceFrom(const char *source)
{
	Datum		relation;
	LOCAL_FCINFO(fcinfo, 1);

	if (looks_like_query(source))
		return from_query(source);
	InitFunctionCallInfoData(*fcinfo, NULL, 1, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = CStringGetTextDatum(source);
	fcinfo->args[0].isnull = false;
	relation = to_regclass(fcinfo);
	if (fcinfo->isnull)
	{
		/* since 16 it is silent about what is no name (42602) */
		(void) textToQualifiedNameList(DatumGetTextPP(fcinfo->args[0].value));
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"%s\" does not exist", FinopsQuoteForMessage(source)),
				 errhint("Name a table or view, or give a query that begins with SELECT.")));
	}
	return SourceFromRelation(DatumGetObjectId(relation));
}

char *
SourceColumn(const char *name)
{
	if (name[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a column name is empty"),
				 errhint("Name a column of the source.")));
	return psprintf("src.%s", quote_identifier(name));
}

char *
SourceColumnArg(FunctionCallInfo fcinfo, int argno, const char *what)
{
	FinopsRequireArg(fcinfo, argno, what);
	return SourceColumn(text_to_cstring(PG_GETARG_TEXT_PP(argno)));
}

char	  **
SourceNamesArg(FunctionCallInfo fcinfo, int argno, const char *what, int *n)
{
	ArrayType  *array;
	Datum	   *values;
	bool	   *nulls;
	char	  **names;

	*n = 0;
	if (PG_ARGISNULL(argno))
		return NULL;
	array = PG_GETARG_ARRAYTYPE_P(argno);
	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must have one dimension, not %d", what, ARR_NDIM(array)),
				 errhint("Give names of columns, such as '{service,region}'.")));
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, n);
	names = palloc_array(char *, Max(*n, 1));
	for (int i = 0; i < *n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("%s must not contain nulls", what),
					 errhint("Give names of columns, such as '{service,region}'.")));
		names[i] = TextDatumGetCString(values[i]);
	}
	return names;
}

char *
SourceKeys(char **names, int n)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoString(&buf, "ARRAY[");
	for (int i = 0; i < n; i++)
		appendStringInfo(&buf, "%s%s::pg_catalog.text", i > 0 ? ", " : "",
						 SourceColumn(names[i]));
	appendStringInfoString(&buf, "]::pg_catalog.text[]");
	return buf.data;
}

void
SourceTypes(const char *from, const char *list, Oid *types, int n)
{
	SPIPlanPtr	plan = SPI_prepare(psprintf("SELECT %s FROM %s", list, from), 0, NULL);
	CachedPlanSource *source;

	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
	source = (CachedPlanSource *) linitial(SPI_plan_get_plan_sources(plan));
	if (source->resultDesc->natts != n)
		elog(ERROR, "unexpected columns of a source");
	for (int i = 0; i < n; i++)
		types[i] = getBaseType(TupleDescAttr(source->resultDesc, i)->atttypid);
	SPI_freeplan(plan);
}

SourceTime
SourceCheckTime(const char *name, Oid type)
{
	switch (type)
	{
		case DATEOID:
			return SOURCE_DATE;
		case TIMESTAMPOID:
			return SOURCE_TIMESTAMP;
		case TIMESTAMPTZOID:
			return SOURCE_TIMESTAMPTZ;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("column %s has no times but type %s", name + strlen("src."),
							format_type_be(type)),
					 errhint("Use a date, timestamp or timestamptz; a query may cast it.")));
	}
	return SOURCE_DATE;			/* keep compiler quiet */
}

void
SourceCheckNumber(const char *name, Oid type)
{
	char		category;
	bool		preferred;

	get_type_category_preferred(type, &category, &preferred);
	if (category != TYPCATEGORY_NUMERIC || type == CASHOID || type == OIDOID)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("column %s has no numbers but type %s", name + strlen("src."),
						format_type_be(type)),
				 errhint("Use numeric, float8 or an integer; a query may cast it.")));
}

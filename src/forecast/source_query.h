/*-------------------------------------------------------------------------
 *
 * source_query.h
 *	  Rows that a caller names by a relation or by a query, read with the
 *	  caller's rights.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_SOURCE_QUERY_H
#define FINOPS_SOURCE_QUERY_H

#include "core/core.h"

/*
 * What may stand after FROM: the relation, qualified, or the query in
 * parentheses; named src.  The query must be one SELECT.  22023 with a hint.
 */
extern char *SourceFrom(const char *source);
extern char *SourceFromRelation(Oid relation);

/* Quoted name of a column. */
extern char *SourceColumn(const char *name);
extern char *SourceColumnArg(FunctionCallInfo fcinfo, int argno, const char *what);

/* ARRAY[...] of columns as text, quoted; names has no NULL. */
extern char *SourceKeys(char **names, int n);
extern char **SourceNamesArg(FunctionCallInfo fcinfo, int argno, const char *what, int *n);

/* Types of expressions over a source, without running it; needs SPI. */
extern void SourceTypes(const char *from, const char *list, Oid *types, int n);

typedef enum SourceTime
{
	SOURCE_DATE,
	SOURCE_TIMESTAMP,
	SOURCE_TIMESTAMPTZ
} SourceTime;

/* 22023 for a column that has no times, or no numbers. */
extern SourceTime SourceCheckTime(const char *name, Oid type);
extern void SourceCheckNumber(const char *name, Oid type);

#endif							/* FINOPS_SOURCE_QUERY_H */

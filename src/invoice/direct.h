/*-------------------------------------------------------------------------
 *
 * direct.h
 *	  Single rows of the extension's own tables, without the executor.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_INVOICE_DIRECT_H
#define FINOPS_INVOICE_DIRECT_H

#include "core/core.h"

/* A row of a table; columns are read by name. */
typedef struct DirectRow
{
	Oid			table;
	TupleDesc	desc;
	HeapTuple	tuple;			/* NULL: there is none */
	Datum	   *values;
	bool	   *nulls;
} DirectRow;

/*
 * The rows of a key, or of its first columns (text, date, int4), as they are
 * committed now, in the order of the index; each is handed to the callback
 * until it answers false.  The table stays locked until the end of the
 * transaction.
 */
typedef bool (*DirectCallback) (const DirectRow *row, void *arg);
extern void DirectScan(bool in_finops, const char *table, const char *index,
					   int nkeys, const Datum *keys, DirectCallback callback, void *arg);

/* Keep a row beyond the callback, in the current memory context. */
extern void DirectKeep(const DirectRow *row, DirectRow *kept);

/* The row of a full key, in the current memory context. */
extern DirectRow DirectFetch(bool in_finops, const char *table, const char *index,
							 int nkeys, const Datum *keys);

extern Datum DirectDatum(const DirectRow *row, const char *column, bool *isnull);
extern char *DirectText(const DirectRow *row, const char *column);	/* or NULL */
extern int64 DirectInt(const DirectRow *row, const char *column, int64 when_null);
extern FinopsArg DirectArg(const DirectRow *row, const char *column, Oid type);

/* One column that changes, not to NULL. */
typedef struct DirectChange
{
	const char *column;
	Datum		value;
} DirectChange;

/*
 * Whether an update of columns that no key consists of may skip the executor:
 * the table has no triggers but foreign keys and those named, no checks but
 * those named, no policy and no generated column.
 */
extern bool DirectMayUpdate(const DirectRow *row, const char *const *triggers, const char *const *checks);

/*
 * Insert a row of these columns, the others NULL; false, and nothing is done,
 * where a trigger, another check, a policy or a default has to be served.
 */
extern bool DirectInsert(bool in_finops, const char *table, const DirectChange *columns, int ncolumns,
						 const char *const *checks);

/* 40001 where somebody else changed the row since it was fetched. */
extern void DirectUpdate(const DirectRow *row, const DirectChange *changes, int nchanges);

#endif							/* FINOPS_INVOICE_DIRECT_H */

/*-------------------------------------------------------------------------
 *
 * bulk.h
 *	  Many rows into one table; bulk.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_BILL_BULK_H
#define FINOPS_BILL_BULK_H

#include "core/core.h"

#include "access/htup_details.h"
#include "access/tupdesc.h"

typedef struct BillBulk BillBulk;

typedef struct BillBulkSpec
{
	const char *const *columns; /* that the caller fills, ended by NULL */
	const char *constant;		/* one that has the same value in all rows, or NULL */
	const char *const *checks;	/* CHECK constraints that the rows satisfy, or NULL */
	bool		skip_indexes;	/* the caller builds them anew afterwards */
} BillBulkSpec;

/*
 * Open a table for rows of the current session; what it allocates lives in
 * the current memory context.
 */
extern BillBulk *BillBulkOpen(Oid table, const BillBulkSpec *spec);

/*
 * The same where the caller answers for foreign keys, of all rows at once,
 * and for the conditions of some triggers, ended by NULL: none of them fires.
 */
extern BillBulk *BillBulkOpenChecked(Oid table, const BillBulkSpec *spec,
									 const char *const *triggers);
extern TupleDesc BillBulkDescriptor(const BillBulk *bulk);

/*
 * The rows are stored as given: no trigger changes or refuses them before
 * they reach the table.
 */
extern bool BillBulkStoresAsGiven(const BillBulk *bulk);

/* The same, and no column is added to what is given. */
extern bool BillBulkStoresExactly(const BillBulk *bulk);

/* Room for a tuple of at most size bytes, until it is added. */
extern HeapTupleHeader BillBulkReserve(BillBulk *bulk, Size size);

/* Add the tuple that stands in the room reserved last. */
extern void BillBulkAdd(BillBulk *bulk, Size len);

/* Add a row from datums. */
extern void BillBulkAddValues(BillBulk *bulk, const Datum *values,
							  const bool *isnull);

/* Write what waits, fire what is left to fire, close the table. */
extern uint64 BillBulkClose(BillBulk *bulk);

#endif							/* FINOPS_BILL_BULK_H */

/*-------------------------------------------------------------------------
 *
 * facts.h
 *	  Facts on their way into the database: values, sums, differences.
 *	  Shared by the files of this room that take part in a load.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_BILL_FACTS_H
#define FINOPS_BILL_FACTS_H

#include "bill/bill.h"

#include "bill/bulk.h"
#include "datatype/timestamp.h"
#include "utils/snapshot.h"

/* ---------------------------------------------------------------------
 * Values, fact_value.c
 * ---------------------------------------------------------------------
 */

/* What a column of a fact holds; text is in the encoding of the database. */
typedef struct FactValue
{
	bool		isnull;
	const char *data;			/* what a text, number or JSON has behind its header */
	int			len;
	int64		word;			/* of a time or date */
	int128		units;			/* of a number: units * 10^-FIXED_SCALE */
	int			scale;			/* digits after the point, as written */
	bool		exact;			/* the number fits units */
} FactValue;

/* Where a column stands in the values. */
extern int	FactColumn(const char *name);

typedef struct FactReader FactReader;

extern FactReader *FactReaderNew(MemoryContext context);

/*
 * The values of a record, in the order of ProjectedColumns; they are valid
 * until the next call.  False: p->problem says why.
 */
extern bool FactRead(FactReader *reader, BillProjector *p, FactValue *values);

/* The same of a stored fact; slot attributes are deformed as far as needed. */
typedef struct FactStored
{
	int			n;
	BillOutColumn column[BILL_MAX_COLUMNS];
	int			attribute[BILL_MAX_COLUMNS];	/* from 1; 0: not there */
} FactStored;

extern void FactStoredOf(FactStored *columns, TupleDesc desc);
extern void FactReadStored(const FactStored *columns, const Datum *datums,
						   const bool *isnull, FactValue *values);

/*
 * Visit the stored facts of a partition; fact_scan.c.  The visitor runs in a
 * memory context that is reset.
 */
typedef struct FactLine
{
	int64		delivery_id;
	const char *source;
	const FactValue *values;
} FactLine;

typedef void (*FactVisit) (void *arg, const FactLine *line);

extern void FactScan(Oid partition, FactVisit visit, void *arg);

/*
 * Push a snapshot that sees what this transaction has done and what others
 * had done before; pop it afterwards.
 */
extern Snapshot FactPushSnapshot(void);

/* units * 10^-FIXED_SCALE with so many digits after the point */
extern Datum FactNumeric(int128 units, int scale);

/* ---------------------------------------------------------------------
 * The roll-ups by day and by kind, rollup.c
 * ---------------------------------------------------------------------
 */
typedef struct FactRollup FactRollup;

extern FactRollup *FactRollupNew(MemoryContext context);
extern void FactRollupAdd(FactRollup *rollup, DateADT period, const char *source,
						  const FactValue *values);

/* It could not be kept exactly: sum the facts by SQL. */
extern void FactRollupGiveUp(FactRollup *rollup);
extern bool FactRollupComplete(const FactRollup *rollup);

/*
 * Add its rows to finops.cost_kind and finops.cost_daily; the number of the
 * latter.  Look afterwards whether it is complete still: files of groups are
 * added up only here.
 */
extern int64 FactRollupWrite(FactRollup *rollup, DateADT period);

/* The columns of finops.cost_kind that tell the kinds of a line f, beside source and currency. */
#define BILL_KIND_OF_LINE \
	"coalesce(f.line_item_line_item_type, '') AS line_type," \
	" f.commitment_discount_status AS commitment_status, f.reservation_arn IS NOT NULL AS reserved," \
	" coalesce(f.line_item_product_code, '') LIKE '%SavingsPlans' AS savings_plan," \
	" coalesce(f.line_item_operation, '') IN ('EKSPod-EC2', 'ECSTask-EC2') AS split," \
	" f.effective_cost = 0 AS free"

/* ---------------------------------------------------------------------
 * Differences of two deliveries, difference.c
 * ---------------------------------------------------------------------
 */
typedef struct FactDifference FactDifference;

/* Of one kind: lines that are new, changed or gone. */
typedef struct FactChange
{
	int64		lines;
	int128		billed;			/* new minus old, units * 10^-FIXED_SCALE */
	int128		effective;
} FactChange;

typedef enum FactChangeKind
{
	FACT_NEW,
	FACT_CHANGED,
	FACT_GONE,
	FACT_CHANGES
} FactChangeKind;

/* A column whose change changes the line; not its name or what derives from others. */
extern bool FactIsContent(const char *column);

/* By key: faster, but leaves keys in doubt. */
extern FactDifference *FactDifferenceNew(MemoryContext context, bool by_key);

/* By key: is this one of the few columns read of a line that has an id? */
extern bool FactDifferenceReads(const FactDifference *d, int column);

/* Add lines of the same content, so many of them new or, below zero, old. */
extern void FactDifferenceAdd(FactDifference *d, const FactValue *values, int64 more);

/*
 * Look at an old line; add it together with a new one of the same key.  False:
 * it has another key, and neither is added.
 */
extern void FactDifferenceHold(FactDifference *d, const FactValue *values);
extern bool FactDifferenceAddPair(FactDifference *d, const FactValue *values);

/* False: not exact in fixed point, compare by SQL. */
extern bool FactDifferenceResult(FactDifference *d, FactChange *changes);

/*
 * After the result by key: are there keys in doubt, which it does not count,
 * and is that of a line one of them?  For that the values of id and interval
 * are enough.
 */
extern bool FactDifferenceHasDoubts(const FactDifference *d);
extern bool FactDifferenceIsDoubtful(const FactDifference *d, const FactValue *values);

/* ---------------------------------------------------------------------
 * A delivery and the one that it restates, fact_match.c
 * ---------------------------------------------------------------------
 */
typedef struct FactMatch FactMatch;

typedef struct FactTuple
{
	HeapTupleHeader header;
	Size		len;
} FactTuple;

/* Within a session; lines: about as many as the old delivery has. */
extern FactMatch *FactMatchOpen(MemoryContext context, Oid partition,
								int64 delivery_id, int64 lines);

/* A new line: its tuple, and what it was made of. */
extern void FactMatchAdd(FactMatch *match, FactTuple tuple, const FactValue *values);

/* After the last line of the new delivery.  False: compare by SQL. */
extern bool FactMatchResult(FactMatch *match, int64 delivery_id, FactChange *changes);

/*
 * After the result: delete the lines of the old delivery, or none or some of
 * them, the rest being left to DELETE.  The number of those deleted.
 */
extern int64 FactMatchDelete(FactMatch *match);
extern void FactMatchClose(FactMatch *match);

/* ---------------------------------------------------------------------
 * Into the partition, fact_writer.c
 * ---------------------------------------------------------------------
 */
typedef struct FactWriter FactWriter;

extern FactWriter *FactWriterOpen(Oid partition, DateADT period,
								  const char *source, int64 delivery_id);
extern int64 FactWrite(FactWriter *writer, const FactValue *values);	/* its row_id */

/* The tuple of the latest line, until the next one is written. */
extern FactTuple FactWriterTuple(const FactWriter *writer);
extern bool FactWriterStoresAsGiven(const FactWriter *writer);
extern uint64 FactWriterClose(FactWriter *writer);

#endif							/* FINOPS_BILL_FACTS_H */

/*-------------------------------------------------------------------------
 *
 * late.h
 *	  What is still to be billed for a period that was billed before: all of
 *	  it rated again, less what stands on documents.  Pure.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_LATE_H
#define FINOPS_LATE_H

#include "core/pure.h"

/* units * 10^-scale */
typedef struct LateDecimal
{
	int128		units;
	int			scale;
} LateDecimal;

/*
 * One line by its key, which names what is billed: type of line, metric,
 * plan, tier.  amount is in minor units, rounded.
 */
typedef struct LateLine
{
	const char *key;
	LateDecimal quantity;
	LateDecimal price;			/* of one unit */
	int64		amount;
	int			source;			/* the caller's index */
} LateLine;

typedef enum LateKind
{
	LATE_DELTA,					/* more or less of the same at the same price */
	LATE_REVERSAL,				/* takes back what was billed at another price */
	LATE_NEW					/* bills it at the price of today */
} LateKind;

typedef struct LateDelta
{
	LateKind	kind;
	const LateLine *line;		/* rated, or for LATE_REVERSAL billed */
	LateDecimal quantity;
	int64		amount;
} LateDelta;

/*
 * Lines come in ascending order of keys, each key once; deltas has room for
 * nbilled + nrated.  Returns the number of deltas, which add up to rated less
 * billed, or -1 where a quantity does not fit 128 bits.
 */
extern int	LateDeltas(const LateLine *billed, int nbilled,
					   const LateLine *rated, int nrated, LateDelta *deltas);

#endif							/* FINOPS_LATE_H */

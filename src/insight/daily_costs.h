/*-------------------------------------------------------------------------
 *
 * daily_costs.h
 *	  Cost of consecutive days in one value, the state of an aggregate.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_DAILY_COSTS_H
#define FINOPS_DAILY_COSTS_H

#include "core/core.h"

#define DAILY_COSTS_UNIT	1e-6	/* of the currency */

/* A bytea: the days from first on, in millionths of the currency. */
typedef struct DailyCosts
{
	int32		vl_len_;		/* varlena header */
	uint32		magic;
	DateADT		first;
	int32		count;			/* days, at least 1 */
	int32		capacity;		/* that there is room for */
	int32		unused;
	int64		cost[FLEXIBLE_ARRAY_MEMBER];
} DailyCosts;

/* Checks a value and returns it, aligned; 22023 for what is none. */
extern DailyCosts *DailyCostsFrom(Datum value);

#endif							/* FINOPS_DAILY_COSTS_H */

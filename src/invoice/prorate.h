/*-------------------------------------------------------------------------
 *
 * prorate.h
 *	  Prices of parts of a period that add up.  Pure; builds outside the
 *	  server with FINOPS_STANDALONE.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_PRORATE_H
#define FINOPS_PRORATE_H

#include "invoice/price.h"

/*
 * A part of a period, half-open, in days or in instants (any unit, the same
 * for all), and what it would cost if it were the whole period.
 */
typedef struct ProratePart
{
	int64		start;
	int64		end;
	PriceDecimal price;			/* of the whole period */
	int128		minor;			/* result, in minor units */
} ProratePart;

/*
 * Round the parts of one period so that their sum is the exact sum, rounded
 * once; length is that of the period.  scratch has room for n values.  False
 * when it does not fit 128 bits or a part lies outside of [0, length).
 */
extern bool ProrateSplit(ProratePart *parts, size_t n, int64 start,
						 int64 length, int digits, uint128 *scratch);

/*
 * The part [from, to) of a period where the other parts are billed at other
 * times: its amount depends on its edges alone.
 */
extern bool ProrateBetween(PriceDecimal price, int64 length, int64 from,
						   int64 to, int digits, int128 *minor);

#endif							/* FINOPS_PRORATE_H */

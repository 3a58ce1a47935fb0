/*-------------------------------------------------------------------------
 *
 * sketch.h
 *	  How many different values there are, without keeping them.  Pure.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_SKETCH_H
#define FINOPS_SKETCH_H

#include "core/pure.h"

#define SKETCH_BITS		12
#define SKETCH_SIZE		(1 << SKETCH_BITS)	/* registers of one byte */

/* Bits of a value spread over 64: the finaliser of MurmurHash3. */
static inline uint64
SketchHash(uint64 x)
{
	x ^= x >> 33;
	x *= UINT64_C(0xff51afd7ed558ccd);
	x ^= x >> 33;
	x *= UINT64_C(0xc4ceb9fe1a85ec53);
	x ^= x >> 33;
	return x;
}

static inline void
SketchAdd(unsigned char *registers, uint64 hash)
{
	/* the lowest bit ends the count, so that 0 needs no test */
	uint64		rest = (hash << SKETCH_BITS) | (UINT64_C(1) << (SKETCH_BITS - 1));
	unsigned char rank = (unsigned char) (__builtin_clzll(rest) + 1);
	unsigned char *at = registers + (hash >> (64 - SKETCH_BITS));

	if (rank > *at)
		*at = rank;
}

extern void SketchMerge(unsigned char *registers, const unsigned char *other);
extern double SketchEstimate(const unsigned char *registers);

#endif							/* FINOPS_SKETCH_H */

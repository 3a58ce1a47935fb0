/*-------------------------------------------------------------------------
 *
 * keyed_sum.h
 *	  Exact sums by key in one block of bytes; pure C.
 *
 * The block is the state of an aggregate: it is handed between processes as
 * it is, and one that comes from elsewhere must not do harm.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_KEYED_SUM_H
#define FINOPS_KEYED_SUM_H

#include "core/pure.h"

#define KEYED_SUM_SCALE		24	/* sums are units * 10^-24 */

typedef enum KeyedSumStatus
{
	KEYED_SUM_OK,
	KEYED_SUM_FULL,				/* grow it, and add again */
	KEYED_SUM_OVERFLOW,
	KEYED_SUM_BROKEN			/* it is not what these functions have made */
} KeyedSumStatus;

typedef struct KeyedAmount
{
	const char *key;
	uint32		len;
	int128		units;
	uint32		scale;			/* most digits after the point of an amount */
} KeyedAmount;

/* Bytes of an empty block, and of one with twice the room and such a key. */
extern size_t KeyedSumFirstSize(void);
extern size_t KeyedSumGrownSize(const void *block, size_t size, uint32 key_len);

/* The first four bytes of a block are the caller's. */
extern void KeyedSumInit(void *block, size_t size);
extern bool KeyedSumValid(const void *block, size_t size);
extern uint32 KeyedSumCount(const void *block);
extern KeyedSumStatus KeyedSumAdd(void *block, size_t size, KeyedAmount amount);

/* Everything of one block into another one that is empty and has the room. */
extern KeyedSumStatus KeyedSumCopy(const void *from, size_t from_size, void *to,
								   size_t to_size);

/*
 * The next key from place *at on, which begins with 0; false: there is none.
 */
extern bool KeyedSumNext(const void *block, size_t size, uint32 *at,
						 KeyedAmount *amount);

#endif							/* FINOPS_KEYED_SUM_H */

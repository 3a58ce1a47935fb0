/*-------------------------------------------------------------------------
 *
 * hash.h
 *	  A hash of bytes that costs less than copying them.
 *
 * Folded 64 x 64 bit multiplication.  For tables in memory and for comparing
 * deliveries within one transaction: nothing that is stored depends on it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_BILL_HASH_H
#define FINOPS_BILL_HASH_H

#include "core/pure.h"

#define BILL_HASH_SEED		UINT64_C(0x9E3779B97F4A7C15)
#define BILL_HASH_SEED_2	UINT64_C(0xD6E8FEB86659FD93)

static inline uint64
BillHashMix(uint64 a, uint64 b)
{
	uint128		product = (uint128) a * b;

	return (uint64) product ^ (uint64) (product >> 64);
}

static inline uint64
BillHashWord(uint64 hash, uint64 word)
{
	return BillHashMix(hash ^ word, UINT64_C(0xA0761D6478BD642F)) +
		UINT64_C(0xE7037ED1A0B428DB);
}

static inline uint64
BillHashBytes(const char *data, size_t len, uint64 seed)
{
	uint64		hash = seed ^ (uint64) len;
	uint64		word;

	for (; len >= sizeof(word); len -= sizeof(word), data += sizeof(word))
	{
		memcpy(&word, data, sizeof(word));
		hash = BillHashWord(hash, word);
	}
	word = 0;
	for (size_t i = 0; i < len; i++)
		word = word << 8 | (unsigned char) data[i];
	return BillHashWord(hash, word);
}

#endif							/* FINOPS_BILL_HASH_H */

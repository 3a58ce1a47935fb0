/*-------------------------------------------------------------------------
 *
 * hash.h
 *	  A hash of bytes that costs less than copying them.
 *
 * Folded 64 x 64 bit multiplication.  For tables in memory and for comparing
 * deliveries within one transaction: nothing that is stored depends on it, so
 * that it may be another one in the next version.
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

/*
 * 128 bits, in two lanes that both take in every byte.  key is to be random
 * and secret: then nobody can write two texts of the same hash, and of 10^7
 * different ones two have the same with a probability below 10^-24.
 */
typedef struct BillHash
{
	uint64		lane[2];
} BillHash;

static inline BillHash
BillHashStart(const BillHash *key, uint64 salt)
{
	return (BillHash) {{
		(key->lane[0] ^ salt) + BILL_HASH_SEED,
		(key->lane[1] ^ salt) + BILL_HASH_SEED_2,
	}};
}

static inline void
BillHashBlock(BillHash *hash, const BillHash *key, uint64 a, uint64 b)
{
	hash->lane[0] = BillHashMix(hash->lane[0] ^ a, key->lane[0] ^ b) + BILL_HASH_SEED;
	hash->lane[1] = BillHashMix(hash->lane[1] ^ b, key->lane[1] ^ a) + BILL_HASH_SEED_2;
}

/* Bytes whose number is in the hash already. */
static inline void
BillHashRest(BillHash *hash, const BillHash *key, const char *data, size_t len)
{
	uint64		word[2];

	for (; len > sizeof(word); len -= sizeof(word), data += sizeof(word))
	{
		memcpy(word, data, sizeof(word));
		BillHashBlock(hash, key, word[0], word[1]);
	}
	word[0] = word[1] = 0;
	for (size_t i = 0; i < len; i++)
		word[i / 8] = word[i / 8] << 8 | (unsigned char) data[i];
	BillHashBlock(hash, key, word[0], word[1]);
}

/* Two chains over alternate blocks, which do not wait for each other. */
static inline void
BillHashMore(BillHash *hash, const BillHash *key, const char *data, size_t len)
{
	BillHash	other = {{key->lane[1], key->lane[0]}};
	uint64		word[4];
	size_t		n = len;

	for (; n >= sizeof(word); n -= sizeof(word), data += sizeof(word))
	{
		memcpy(word, data, sizeof(word));
		BillHashBlock(hash, key, word[0], word[1]);
		BillHashBlock(&other, key, word[2], word[3]);
	}
	/* the rest, with bytes before it where there are any: the length tells */
	if (len >= sizeof(word))
		memcpy(word, data + n - sizeof(word), sizeof(word));
	else
	{
		memset(word, 0, sizeof(word));
		memcpy(word, data, n);
	}
	BillHashBlock(hash, key, word[0], word[1]);
	BillHashBlock(&other, key, word[2], word[3]);
	BillHashBlock(hash, key, other.lane[0], (uint64) len);
	BillHashBlock(hash, key, other.lane[1], BILL_HASH_SEED);
}

#endif							/* FINOPS_BILL_HASH_H */

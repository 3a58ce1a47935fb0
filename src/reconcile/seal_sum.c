/*-------------------------------------------------------------------------
 *
 * seal_sum.c
 *	  The order-free sum of row digests that a seal is made of; pure C.
 *
 * A plain sum of 256-bit digests is order-free but weak: with a free choice
 * among many rows a second set of rows with the same sum is found by the
 * generalised birthday method (Wagner 2002) in about 2^(2 * sqrt(256)) = 2^32
 * steps.  So each digest is first stretched to 2048 bits, as in the
 * homomorphic hashes of Bellare and Micciancio (AdHash, LtHash, 1997), which
 * puts that attack at 2^(2 * sqrt(2048)) = 2^90; finding a row with a given
 * digest, or two with the same, is as hard as for SHA-256.  ChaCha20
 * (RFC 8439) with the digest as key does the stretching.
 *
 * The four blocks are computed side by side in vectors of four words, which
 * both GCC and Clang turn into the vector instructions of the machine.
 *
 *-------------------------------------------------------------------------
 */
#include "reconcile/seal_sum.h"

#include <string.h>

#define BLOCKS 4

typedef uint32 Words __attribute__((vector_size(BLOCKS * sizeof(uint32))));

#define ROTATE(x, n)	(((x) << (n)) | ((x) >> (32 - (n))))

#define QUARTER(a, b, c, d) \
	do { \
		a += b; d ^= a; d = ROTATE(d, 16); \
		c += d; b ^= c; b = ROTATE(b, 12); \
		a += b; d ^= a; d = ROTATE(d, 8); \
		c += d; b ^= c; b = ROTATE(b, 7); \
	} while (0)

static uint32
read_le32(const unsigned char *p)
{
	return (uint32) p[0] | (uint32) p[1] << 8 | (uint32) p[2] << 16 | (uint32) p[3] << 24;
}

static Words
same(uint32 x)
{
	return (Words) {x, x, x, x};
}

void
SealExpand(const unsigned char *key, uint64 *lanes)
{
	Words		start[16];
	Words		x[16];

	start[0] = same(0x61707865);	/* "expand 32-byte k" */
	start[1] = same(0x3320646e);
	start[2] = same(0x79622d32);
	start[3] = same(0x6b206574);
	for (int i = 0; i < 8; i++)
		start[4 + i] = same(read_le32(key + 4 * i));
	start[12] = (Words) {0, 1, 2, 3};	/* block counters */
	start[13] = start[14] = start[15] = same(0);
	memcpy(x, start, sizeof(x));
	for (int round = 0; round < 10; round++)
	{
		QUARTER(x[0], x[4], x[8], x[12]);
		QUARTER(x[1], x[5], x[9], x[13]);
		QUARTER(x[2], x[6], x[10], x[14]);
		QUARTER(x[3], x[7], x[11], x[15]);
		QUARTER(x[0], x[5], x[10], x[15]);
		QUARTER(x[1], x[6], x[11], x[12]);
		QUARTER(x[2], x[7], x[8], x[13]);
		QUARTER(x[3], x[4], x[9], x[14]);
	}
	for (int i = 0; i < 16; i++)
		x[i] += start[i];
	/* lane k holds bytes 8k .. 8k + 7 of the key stream, low byte first */
	for (int block = 0; block < BLOCKS; block++)
		for (int i = 0; i < 8; i++)
			lanes[block * 8 + i] = (uint64) x[2 * i][block] | (uint64) x[2 * i + 1][block] << 32;
}

void
SealAdd(uint64 *lanes, const unsigned char *digest)
{
	uint64		add[SEAL_LANES];

	SealExpand(digest, add);
	for (int i = 0; i < SEAL_LANES; i++)
		lanes[i] += add[i];
}

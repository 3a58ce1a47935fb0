/*-------------------------------------------------------------------------
 *
 * seal_sum.h
 *	  The order-free sum of row digests that a seal is made of; pure C.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_SEAL_SUM_H
#define FINOPS_SEAL_SUM_H

#include "core/pure.h"

#define SEAL_LANES		32
#define SEAL_DIGEST		32		/* bytes of a row's SHA-256 */

/* The first 256 bytes of the ChaCha20 key stream of a key, nonce 0. */
extern void SealExpand(const unsigned char *key, uint64 *lanes);

/* Adds the expansion of a row's digest to the lanes, each modulo 2^64. */
extern void SealAdd(uint64 *lanes, const unsigned char *digest);

#endif							/* FINOPS_SEAL_SUM_H */

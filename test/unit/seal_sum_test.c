/* links: src/reconcile/seal_sum.c */
/*-------------------------------------------------------------------------
 *
 * seal_sum_test.c
 *	  The stretching of row digests against the vectors of RFC 8439, and the
 *	  sum in any order.
 *
 *-------------------------------------------------------------------------
 */
#include "reconcile/seal_sum.h"
#include "tap.h"

#include <stdio.h>

/* The 64 bytes of a block, from lanes of low byte first. */
static bool
block_is(const uint64 *lanes, int block, const char *hex)
{
	for (int i = 0; i < 64; i++)
	{
		unsigned int byte;

		if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
			return false;
		if (((lanes[block * 8 + i / 8] >> (8 * (i % 8))) & 0xff) != byte)
			return false;
	}
	return true;
}

int
main(void)
{
	unsigned char key[SEAL_DIGEST] = {0};
	uint64		lanes[SEAL_LANES];
	uint64		forward[SEAL_LANES] = {0};
	uint64		backward[SEAL_LANES] = {0};
	uint64		twice[SEAL_LANES] = {0};

	/* RFC 8439, A.1, test vectors 1, 2 and 4 */
	SealExpand(key, lanes);
	ok(block_is(lanes, 0, "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
				"da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586"), "key 0, block 0");
	ok(block_is(lanes, 1, "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed"
				"29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f"), "key 0, block 1");
	key[1] = 0xff;
	SealExpand(key, lanes);
	ok(block_is(lanes, 2, "72d54dfbf12ec44b362692df94137f328fea8da73990265ec1bbbea1ae9af0ca"
				"13b25aa26cb4a648cb9b9d1be65b2c0924a66c54d545ec1b7374f4872e99f096"), "key 00ff0..., block 2");

	for (int i = 0; i < 1000; i++)
	{
		unsigned char a[SEAL_DIGEST] = {0};
		unsigned char b[SEAL_DIGEST] = {0};

		a[0] = (unsigned char) i;
		a[1] = (unsigned char) (i >> 8);
		b[0] = (unsigned char) (999 - i);
		b[1] = (unsigned char) ((999 - i) >> 8);
		SealAdd(forward, a);
		SealAdd(backward, b);
	}
	ok(memcmp(forward, backward, sizeof(forward)) == 0, "the order of the rows does not matter");
	key[1] = 0;
	SealAdd(twice, key);
	memcpy(lanes, twice, sizeof(lanes));
	SealAdd(twice, key);
	ok(memcmp(lanes, twice, sizeof(lanes)) != 0, "how often a row stands does");
	printf("1..%d\n", number);
	return failed > 0;
}

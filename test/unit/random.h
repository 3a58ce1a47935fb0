/*-------------------------------------------------------------------------
 *
 * random.h
 *	  Random numbers for tests: the same sequence on every machine.
 *
 * xorshift64 of G. Marsaglia, "Xorshift RNGs", Journal of Statistical
 * Software 8 (14), 2003.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_TEST_RANDOM_H
#define FINOPS_TEST_RANDOM_H

static uint64 random_state = 88172645463325252u;

static uint64
next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

#endif							/* FINOPS_TEST_RANDOM_H */

/*-------------------------------------------------------------------------
 *
 * pure.h
 *	  The types a pure C file may use.  Pure files hold mathematics and
 *	  parsers; they build inside the server and, with FINOPS_STANDALONE,
 *	  outside it for unit and fuzz tests.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_PURE_H
#define FINOPS_PURE_H

#ifdef FINOPS_STANDALONE

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef int64_t int64;
typedef uint64_t uint64;
typedef int32_t int32;
typedef uint32_t uint32;
typedef __int128 int128 __attribute__((aligned(8)));
typedef unsigned __int128 uint128 __attribute__((aligned(8)));

#define Min(x, y)	((x) < (y) ? (x) : (y))
#define Max(x, y)	((x) > (y) ? (x) : (y))
#define lengthof(array) (sizeof(array) / sizeof((array)[0]))

#else

#include "postgres.h"

#endif

/* long double that may stand where the server's allocator puts it */
typedef long double FinopsReal __attribute__((aligned(8)));

/* Value of a hexadecimal digit, -1 for anything else. */
static inline int
FinopsHexDigit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Called now and then by long computations; the server's checks for cancel. */
typedef void (*FinopsInterrupt) (void);

#endif							/* FINOPS_PURE_H */

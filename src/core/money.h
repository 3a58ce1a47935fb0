/*-------------------------------------------------------------------------
 *
 * money.h
 *	  Exact money as integer units: decoding, encoding, largest remainder.
 *	  Pure; builds outside the server with FINOPS_STANDALONE.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_MONEY_H
#define FINOPS_MONEY_H

#include "core/pure.h"

#define MONEY_MAX_UNITS		INT64_C(0x7FFFFFFFFFFFFFFF)
#define MONEY_MAX_SCALE		63	/* digits after the point of MoneyEncode */
#define MONEY_MAX_ENCODED	20	/* bytes MoneyEncode writes at most */

/* A decimal as units * 10^-scale. */
typedef struct MoneyUnits
{
	uint64		units;			/* magnitude, at most MONEY_MAX_UNITS */
	int			scale;			/* digits after the decimal point */
	bool		negative;
} MoneyUnits;

extern bool MoneyDecode(const void *body, size_t len, MoneyUnits *result);
extern bool MoneyDecodeWide(const void *body, size_t len, int128 *units, int *scale);
extern size_t MoneyEncode(uint64 units, bool negative, int scale, void *body);
extern bool MoneyRescale(uint64 *units, int digits);
extern void MoneyApportion(uint64 amount, const uint64 *weights, uint64 total,
						   size_t n, uint64 *parts, uint64 *scratch,
						   FinopsInterrupt interrupt);

#ifndef FINOPS_STANDALONE
/* MoneyDecode of a numeric, apportion.c; false also on unknown stored forms. */
extern bool MoneyDecodeNumeric(Datum value, MoneyUnits *result);
extern bool MoneyDecodeWideNumeric(Datum value, int128 *units, int *scale);
/* units * 10^-scale as a numeric; scale within 0..MONEY_MAX_SCALE. */
extern Datum MoneyNumeric(uint64 units, bool negative, int scale);
#endif

#endif							/* FINOPS_MONEY_H */

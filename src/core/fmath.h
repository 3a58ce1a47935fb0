/*-------------------------------------------------------------------------
 *
 * fmath.h
 *	  Elementary functions, sums and random numbers that give the same bits
 *	  on every machine with IEEE 754 doubles.  Pure.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_FMATH_H
#define FINOPS_FMATH_H

#include "core/pure.h"

#include <math.h>

extern double FmathLog(double x);
extern double FmathExp(double x);
extern double FmathCosTurn(double turns);	/* cos(2 pi turns) */
extern double FmathNormQuantile(double p);

/*
 * Neumaier's compensated sum: value of a sum is hi + lo.  Two sums are merged
 * by adding hi and lo of one to the other, so serial and parallel plans agree
 * but for the last bit of the compensation.
 */
typedef struct FmathSum
{
	double		hi;
	double		lo;
} FmathSum;

static inline void
FmathAdd(FmathSum *s, double x)
{
	double		t = s->hi + x;

	if (fabs(s->hi) >= fabs(x))
		s->lo += (s->hi - t) + x;
	else
		s->lo += (x - t) + s->hi;
	s->hi = t;
}

static inline void
FmathMerge(FmathSum *s, FmathSum other)
{
	FmathAdd(s, other.hi);
	FmathAdd(s, other.lo);
}

static inline double
FmathTotal(FmathSum s)
{
	/* an infinite or overflown sum has no meaningful compensation */
	return isfinite(s.hi) ? s.hi + s.lo : s.hi;
}

/* xoshiro256++ of Blackman and Vigna, seeded by splitmix64. */
typedef struct FmathRandom
{
	uint64		s[4];
} FmathRandom;

extern void FmathSeed(FmathRandom *r, uint64 seed);
extern uint64 FmathNext(FmathRandom *r);
extern double FmathNormal(FmathRandom *r);

#endif							/* FINOPS_FMATH_H */

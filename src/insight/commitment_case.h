/*-------------------------------------------------------------------------
 *
 * commitment_case.h
 *	  Usage and commitments read from queries into the form in which they are
 *	  applied and searched.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_COMMITMENT_CASE_H
#define FINOPS_COMMITMENT_CASE_H

#include "core/core.h"
#include "insight/commitment_plan.h"

/* A part of the time to come in which the same commitments are valid. */
typedef struct CommitmentEpoch
{
	int64		weight;			/* how often each hour of the window happens in it */
	int64		factor;			/* of demand, in millionths */
} CommitmentEpoch;

typedef struct CommitmentCase
{
	int			n;				/* commitments */
	char	  **ids;
	Commitment *commitments;
	bool	   *free;
	int64		window;			/* hours that were read */
	int			nepochs;
	CommitmentUse use;			/* nhours = window * nepochs */
	int64		weight;			/* sum of all weights: hours that the case stands for */
	MemoryContext context;
} CommitmentCase;

/*
 * The queries are run as whoever is in charge; SPI must be connected.
 *
 * usage: hour bigint, account text, usage_type text, quantity numeric, rate
 * numeric.  commitments: id text, kind text, account text, shared boolean,
 * hourly numeric (NULL: searched for), units numeric, first bigint, last
 * bigint (hours, or where epochs are given epochs; NULL: no end), step
 * numeric, most numeric, cash_hours bigint.  rates: id text, usage_type text,
 * rate numeric.  Hours without usage between first and last count.
 */
extern void CommitmentReadCase(CommitmentCase *k, const char *usage, const char *commitments,
							   const char *rates, const CommitmentEpoch *epochs, int nepochs, int64 window);

extern const char *const CommitmentKindNames[COMMITMENT_KINDS];
extern void CommitmentRaise(CommitmentFault fault);
extern void CommitmentInterrupt(void);

/* Bounded memory for a search or an application. */
extern void *CommitmentMemory(size_t size);

/* What one commitment came to, or (i = -1) all of them. */
typedef struct CommitmentUseFigures
{
	CommitmentMoney fee;
	Datum		used;			/* share of the fee that was used: money, as numeric */
	CommitmentMoney covered;
} CommitmentUseFigures;

extern CommitmentUseFigures CommitmentUsed(const CommitmentCase *k, int i);

/* Search for what is free, within limits; or apply what is not. */
extern CommitmentMoney CommitmentSolve(CommitmentCase *k, const CommitmentLimits *limits,
									   CommitmentMoney step);

/* Between numeric and integers of 10^-12 or 10^-24; 22023, 22003 for what does not fit. */
extern int128 CommitmentScaled(Datum value, const char *what);
extern Datum CommitmentNumeric(int128 value, int scale);

/* value * times / by, rounded to ten digits after the point. */
extern Datum CommitmentShare(int128 value, int64 times, int128 by);
/* The same for numerics. */
extern Datum CommitmentQuotient(Datum part, Datum whole, bool *isnull);
/* part / whole, NULL for a whole of nothing; rounded to twelve digits. */
extern Datum CommitmentRatio(int128 part, int128 whole, bool *isnull);

#endif							/* FINOPS_COMMITMENT_CASE_H */

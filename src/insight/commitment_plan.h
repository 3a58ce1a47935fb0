/*-------------------------------------------------------------------------
 *
 * commitment_plan.h
 *	  How much to commit to: the cheapest savings plan for known demand, and
 *	  the cheapest set of several.  Pure.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_COMMITMENT_PLAN_H
#define FINOPS_COMMITMENT_PLAN_H

#include "insight/commitment_apply.h"

/* What a set of commitments comes to.  Ratios are of totals; NAN where there is nothing to divide by. */
typedef struct CommitmentFigures
{
	CommitmentMoney ondemand;	/* without any commitment */
	CommitmentMoney fee;		/* of all commitments, used or not */
	CommitmentMoney covered;	/* what covered usage costs on demand */
	CommitmentMoney remaining;	/* what is paid on demand */
	CommitmentMoney cost;		/* fee + remaining */
	double		utilisation;	/* share of the fee that was used */
	double		coverage;		/* covered / on demand */
	double		discount;		/* on covered usage, by what was used of the fee */
	double		effective;		/* effective savings rate: 1 - cost / on demand */
	double		break_even;		/* utilisation at which nothing is saved: 1 - discount */
} CommitmentFigures;

extern CommitmentFigures CommitmentSum(const CommitmentUse *use, const Commitment *commitments,
									   int ncommitments);

/* Bytes that CommitmentBest() needs. */
extern size_t CommitmentBestSize(const CommitmentUse *use);

/*
 * The hourly amount of a plan alone at which the cost of the usage is lowest,
 * the lowest such amount.  Put into plan->hourly, and applied.
 */
extern CommitmentFault CommitmentBest(void *memory, CommitmentUse *use, Commitment *plan,
									  FinopsInterrupt interrupt);

/* What may not be exceeded by a set of plans; zero is no limit. */
typedef struct CommitmentLimits
{
	int			most_coverage;	/* millionths of the cost on demand, over all commitments */
	int			least_utilisation;	/* millionths, of every plan that is searched for */
	CommitmentMoney cash;		/* paid at once for the plans that are searched for */
} CommitmentLimits;

/*
 * Commitments of which some are searched for: those with free set.  The rates
 * of a reservation among them are money, too, and its units are its price.
 * The others stand as they are, until they expire.
 */
typedef struct CommitmentSearch
{
	CommitmentUse *use;
	Commitment *commitments;
	int			ncommitments;
	const bool *free;
	CommitmentLimits limits;
	CommitmentMoney step;		/* what can be bought is a multiple of it */
	FinopsInterrupt interrupt;
	CommitmentMoney greedy;		/* found: cost when each was chosen once, one after another */
	CommitmentMoney cost;		/* found: the lowest */
} CommitmentSearch;

extern size_t CommitmentSearchSize(const CommitmentUse *use, int ncommitments);

/* Find the hourly amounts; the commitments hold them, and what they then cover. */
extern CommitmentFault CommitmentJoint(void *memory, CommitmentSearch *search);

/* Figures for npoints amounts of commitment i from 0 to most, the others as they are. */
extern CommitmentFault CommitmentCurve(void *memory, CommitmentSearch *search, int i, CommitmentMoney most,
									   int npoints, CommitmentFigures *points);

#endif							/* FINOPS_COMMITMENT_PLAN_H */

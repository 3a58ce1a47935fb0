/*-------------------------------------------------------------------------
 *
 * commitment_apply.h
 *	  What reservations and savings plans cover, hour by hour, in the order
 *	  in which the provider applies them.  Pure.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_COMMITMENT_APPLY_H
#define FINOPS_COMMITMENT_APPLY_H

#include "core/pure.h"

/*
 * Rates are in 10^-12 of the currency for one unit of usage, quantities in
 * 10^-12 of a unit; the product of both, money, is in 10^-24.
 */
#define COMMITMENT_ONE	INT64_C(1000000000000)
#define COMMITMENT_MOST_HOURS	10000000

/* ten millions an hour: no sum over hours overflows */
#define COMMITMENT_MOST_HOURLY ((int128) COMMITMENT_ONE * COMMITMENT_ONE * 10000000)

typedef int128 CommitmentMoney;
typedef int128 CommitmentQuantity;

/* in the order in which they are applied */
typedef enum CommitmentKind
{
	COMMITMENT_RESERVATION,		/* a number of units of usage in each hour */
	COMMITMENT_FAMILY,			/* an amount an hour, for one instance family in one region */
	COMMITMENT_FLEXIBLE			/* an amount an hour, for all compute */
} CommitmentKind;

#define COMMITMENT_KINDS	3

typedef struct CommitmentLine
{
	int			account;
	int64		rate;			/* on demand */
} CommitmentLine;

/* Usage of nhours hours, in nlines lines of one account and one rate each. */
typedef struct CommitmentUse
{
	int64		nhours;
	const int64 *weights;		/* for how many hours each one stands; NULL: for itself */
	int			nlines;
	const CommitmentLine *lines;
	const CommitmentQuantity *quantities;	/* by hour, then line */
	CommitmentQuantity *left;	/* where to put what stays on demand, or NULL */
	CommitmentMoney ondemand;	/* found: cost without any commitment */
	CommitmentMoney remaining;	/* found: cost of what stays on demand */
} CommitmentUse;

typedef struct Commitment
{
	CommitmentKind kind;
	int			owner;			/* account */
	bool		shared;			/* other accounts may use what the owner leaves */
	int64		from;			/* first hour */
	int64		upto;			/* hour in which it is no longer valid */
	CommitmentMoney hourly;		/* its price, used or not; of plans what they cover, too */
	CommitmentQuantity units;	/* of reservations: normalised units in each hour */

	/*
	 * By line.  Plans: their rate; only 0 < rate <= on-demand rate counts.
	 * Reservations: normalised units that one unit of usage takes; 0 is none.
	 */
	const int64 *rates;

	/* where its amount is searched for */
	CommitmentMoney step;		/* what can be bought is a multiple of it; 0: the search's step */
	CommitmentMoney most;		/* and at most this; negative: no limit */
	int64		cash_hours;		/* hours of its term that are paid at once */

	/* found; available and used are money of plans, units of reservations */
	CommitmentMoney fee;
	int128		available;
	int128		used;
	CommitmentMoney covered;	/* what the covered usage costs on demand */
} Commitment;

typedef enum CommitmentFault
{
	COMMITMENT_FINE,
	COMMITMENT_NEGATIVE,		/* a quantity, a rate on demand, a price or units */
	COMMITMENT_TOO_MUCH			/* sums would not fit */
} CommitmentFault;

typedef struct CommitmentOrder CommitmentOrder;

/* Bytes that CommitmentPrepare() lays its order out in. */
extern size_t CommitmentOrderSize(int ncommitments, int nlines);

/* Check what was given and find out what each commitment is applied to first. */
extern CommitmentFault CommitmentPrepare(void *memory, CommitmentUse *use, const Commitment *commitments,
										 int ncommitments, CommitmentOrder **order);

/*
 * Apply them.  hourly, units, from, upto and the quantities may have changed
 * since CommitmentPrepare(), as long as the quantities did not grow.
 */
extern void CommitmentApply(CommitmentOrder *order, CommitmentUse *use, Commitment *commitments,
							FinopsInterrupt interrupt);

/*
 * The lines that commitment i is applied to, in this order; their number is
 * returned.  The first *nown of them are those of the owner.
 */
extern int	CommitmentLines(const CommitmentOrder *order, int i, int *lines, int *nown);

static inline int64
CommitmentWeight(const CommitmentUse *use, int64 hour)
{
	return use->weights == NULL ? 1 : use->weights[hour];
}

#endif							/* FINOPS_COMMITMENT_APPLY_H */

/*-------------------------------------------------------------------------
 *
 * commitment_model.h
 *	  Demand and commitments in double, for the search.  Pure.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_COMMITMENT_MODEL_H
#define FINOPS_COMMITMENT_MODEL_H

#include "insight/commitment_plan.h"

#define COMMITMENT_NOISE	1e-13	/* of the cost on demand: what double cannot tell apart */

/* A group of lines that a commitment covers, as money on demand. */
typedef struct SearchEntry
{
	int			group;
	double		price;			/* of the commitment, for one of money on demand */
	double		reach;			/* 1 / price */
} SearchEntry;

/* One turn of a commitment in the order of application. */
typedef struct SearchTurn
{
	int			commitment;
	int			first;			/* of its entries */
	int			count;
} SearchTurn;

typedef struct SearchSlot
{
	int64		hour;			/* the first that it stands for */
	double		weight;
	double		total;			/* demand of all groups */
} SearchSlot;

typedef struct SearchModel
{
	int64		nslots;
	int64		stride;			/* of slots that are counted: 1, or more for a sample */
	int			ngroups;
	int			nturns;
	SearchSlot	   *slots;
	double	   *demand;			/* by slot, then group; money on demand */
	double	   *left;
	SearchTurn	   *turns;
	SearchEntry	   *entries;
	int		   *group;			/* by line */
	double	   *step;			/* by commitment: money of one step */
	double	   *amount;			/* money an hour */
	double	   *budget;			/* what an hour has to spend: the amount, or units of a reservation */
	double	   *rest;			/* of the budget, in the hour at hand */
	double	   *used;			/* in all hours */
	double	   *available;
	double		ondemand;
} SearchModel;

/* a search under way */
typedef struct JointSearch
{
	CommitmentSearch *s;
	CommitmentOrder *order;
	SearchModel		m;
	int64	   *most;			/* by commitment, in steps: more is never used, or not allowed */
	int64	   *at;				/* where the descent stands */
	int64	   *best;
	int64	   *found;			/* best of the sample */
	double		lowest;			/* cost of best */
	int64		sample;			/* stride of a sample */
	bool		greedy;			/* the greedy answer is under way: no sample will do */
} JointSearch;

/* Lay everything out in memory of CommitmentSearchSize() and build the model. */
extern CommitmentFault CommitmentModelBuild(void *memory, CommitmentSearch *s, JointSearch *j);

/* Cost of the amounts in the model; infinite where a limit is passed. */
extern double CommitmentModelCost(JointSearch *j);

/* Does a commitment cover a line of usage? */
extern bool CommitmentCovers(const CommitmentSearch *s, int c, int line);

extern CommitmentMoney CommitmentStepOf(const CommitmentSearch *s, int i);

#endif							/* FINOPS_COMMITMENT_MODEL_H */

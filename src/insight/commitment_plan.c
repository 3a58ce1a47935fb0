/*-------------------------------------------------------------------------
 *
 * commitment_plan.c
 *	  How much to commit to: the cheapest savings plan for known demand, and
 *	  what a set of commitments comes to.  Pure.
 *
 * Alone, a plan of c an hour costs c in each hour and saves what it covers.
 * In one hour the cost is piecewise linear in c: while c pays for usage whose
 * rate is p in the plan and o on demand, the slope is 1 - o / p.  Pieces end
 * where a line of usage is covered whole.  All ends of all hours are sorted
 * once and swept: the optimum is the first at which hours - sum of o / p is
 * not negative.  Where the owner's usage comes before a higher saving of other
 * accounts the sum may grow again; then every such end is tried.
 *
 *-------------------------------------------------------------------------
 */
#include "insight/commitment_plan.h"

#include <math.h>
#ifdef FINOPS_STANDALONE
#include <stdlib.h>
#endif

#define RATIO_BITS	60			/* of o / p after the point */
#define MOST_RATIO	((int128) 1 << 80)

typedef struct Breakpoint
{
	CommitmentMoney at;
	int128		drop;			/* of the sum of o / p, times hours */
} Breakpoint;

static double
ratio(int128 part, int128 whole)
{
	return whole == 0 ? NAN : (double) ((FinopsReal) part / (FinopsReal) whole);
}

CommitmentFigures
CommitmentSum(const CommitmentUse *use, const Commitment *commitments, int ncommitments)
{
	CommitmentFigures f = {.ondemand = use->ondemand,.remaining = use->remaining};
	FinopsReal	used = 0;

	for (int i = 0; i < ncommitments; i++)
	{
		const Commitment *c = &commitments[i];

		f.fee += c->fee;
		f.covered += c->covered;
		if (c->available > 0)
			used += (FinopsReal) c->fee * ((FinopsReal) c->used / (FinopsReal) c->available);
	}
	f.cost = f.fee + f.remaining;
	f.coverage = ratio(f.covered, f.ondemand);
	f.effective = ratio(f.ondemand - f.cost, f.ondemand);
	f.utilisation = f.fee == 0 ? NAN : (double) (used / (FinopsReal) f.fee);
	f.break_even = f.covered == 0 ? NAN : (double) (used / (FinopsReal) f.covered);
	f.discount = 1 - f.break_even;
	return f;
}

static int
compare_breakpoints(const void *pa, const void *pb)
{
	const Breakpoint *a = pa;
	const Breakpoint *b = pb;

	return (a->at > b->at) - (a->at < b->at);
}

/* rate on demand for one of the plan, in 2^-60 */
static int128
ratio_of(const CommitmentUse *use, const Commitment *plan, int line)
{
	int128		r = ((int128) use->lines[line].rate << RATIO_BITS) / plan->rates[line];

	return Min(r, MOST_RATIO);
}

/* The ends of all pieces; the sum of o / p at 0 is set. */
static size_t
find_breakpoints(const CommitmentUse *use, const Commitment *plan, const int *lines, int nlines,
				 Breakpoint *points, int128 *sum)
{
	size_t		n = 0;

	*sum = 0;
	for (int64 h = Max(plan->from, 0); h < Min(plan->upto, use->nhours); h++)
	{
		const CommitmentQuantity *quantities = use->quantities + h * use->nlines;
		CommitmentMoney at = 0;
		int128		before = 0;
		int64		weight = CommitmentWeight(use, h);

		for (int k = 0; k < nlines; k++)
		{
			int128		here;

			if (quantities[lines[k]] == 0 || weight == 0)
				continue;
			here = ratio_of(use, plan, lines[k]) * weight;
			if (before == 0)
				*sum += here;
			else
				points[n - 1].drop = before - here;
			at += quantities[lines[k]] * plan->rates[lines[k]];
			points[n++] = (Breakpoint) {at, here};
			before = here;
		}
	}
	return n;
}

size_t
CommitmentBestSize(const CommitmentUse *use)
{
	return CommitmentOrderSize(1, use->nlines) + (size_t) use->nlines * sizeof(int) + 16 +
		((size_t) use->nhours * use->nlines + 1) * sizeof(Breakpoint);
}

static CommitmentMoney
cost_at(CommitmentOrder *order, CommitmentUse *use, Commitment *plan, CommitmentMoney hourly,
		FinopsInterrupt interrupt)
{
	plan->hourly = hourly;
	CommitmentApply(order, use, plan, interrupt);
	return plan->fee + use->remaining;
}

CommitmentFault
CommitmentBest(void *memory, CommitmentUse *use, Commitment *plan, FinopsInterrupt interrupt)
{
	Breakpoint *points = memory;
	CommitmentOrder *order;
	CommitmentFault fault;
	CommitmentMoney best = 0,
				lowest;
	int128		sum,
				hours;
	int			nlines,
				nown;
	int		   *lines;
	size_t		n;
	bool		falling;

	order = (CommitmentOrder *) (points + (size_t) Max(use->nhours, 0) * use->nlines + 1);
	lines = (int *) ((char *) order + CommitmentOrderSize(1, use->nlines));
	plan->hourly = 0;
	fault = CommitmentPrepare(order, use, plan, 1, &order);
	if (fault != COMMITMENT_FINE)
		return fault;
	nlines = CommitmentLines(order, 0, lines, &nown);
	n = find_breakpoints(use, plan, lines, nlines, points, &sum);
	qsort(points, n, sizeof(Breakpoint), compare_breakpoints);
	hours = 0;
	for (int64 h = Max(plan->from, 0); h < Min(plan->upto, use->nhours); h++)
		hours += (int128) CommitmentWeight(use, h) << RATIO_BITS;
	lowest = cost_at(order, use, plan, 0, interrupt);
	falling = hours < sum;
	for (size_t i = 0; i < n; i++)
	{
		sum -= points[i].drop;
		if (i + 1 < n && points[i + 1].at == points[i].at)
			continue;
		if (falling && hours >= sum)
		{
			CommitmentMoney cost;

			if (points[i].at > COMMITMENT_MOST_HOURLY)
				return COMMITMENT_TOO_MUCH;
			cost = cost_at(order, use, plan, points[i].at, interrupt);
			if (cost < lowest)
			{
				lowest = cost;
				best = points[i].at;
			}
		}
		falling = hours < sum;
	}
	cost_at(order, use, plan, best, interrupt);
	return COMMITMENT_FINE;
}

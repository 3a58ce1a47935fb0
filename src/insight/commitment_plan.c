/*-------------------------------------------------------------------------
 *
 * commitment_plan.c
 *	  How much to commit to: the cheapest savings plan for known demand, and
 *	  the cheapest set of several.  Pure.
 *
 * Alone, a plan of c an hour costs c in each hour and saves what it covers.
 * In one hour the cost is piecewise linear in c: while c pays for usage whose
 * rate is p in the plan and o on demand, the slope is 1 - o / p.  Pieces end
 * where a line of usage is covered whole.  All ends of all hours are sorted
 * once and swept: the optimum is the first at which hours - sum of o / p is
 * not negative.  Where the owner's usage comes before a higher saving of other
 * accounts the sum may grow again; then every such end is tried.
 *
 * With several plans no closed form is known: a plan that takes usage away
 * from another moves the other on to its next line.  Their joint cost is
 * searched by exact minimisation along one amount, and along the exchange of
 * one for another (where two kinks meet, moving one alone would not do), until
 * none improves; from several starts, the first of which passes through the
 * greedy answer, so that it is never worse than that.
 *
 *-------------------------------------------------------------------------
 */
#include "insight/commitment_plan.h"

#include <math.h>
#ifdef FINOPS_STANDALONE
#include <stdlib.h>
#endif

#define RATIO_BITS	60			/* of o / p after the point */
#define MOST_RATIO	((int128) 1 << 90)
#define MOST_ROUNDS 100

typedef struct Breakpoint
{
	CommitmentMoney at;
	int128		drop;			/* of the sum of o / p */
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

		for (int k = 0; k < nlines; k++)
		{
			int128		here;

			if (quantities[lines[k]] == 0)
				continue;
			here = ratio_of(use, plan, lines[k]);
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
	int			nlines;
	int		   *lines;
	size_t		n;
	bool		falling;

	order = (CommitmentOrder *) (points + (size_t) Max(use->nhours, 0) * use->nlines + 1);
	lines = (int *) ((char *) order + CommitmentOrderSize(1, use->nlines));
	plan->hourly = 0;
	fault = CommitmentPrepare(order, use, plan, 1, &order);
	if (fault != COMMITMENT_FINE)
		return fault;
	nlines = CommitmentLines(order, 0, lines);
	n = find_breakpoints(use, plan, lines, nlines, points, &sum);
	qsort(points, n, sizeof(Breakpoint), compare_breakpoints);
	hours = (int128) Max(Min(plan->upto, use->nhours) - Max(plan->from, 0), 0) << RATIO_BITS;
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

/* a search under way */
typedef struct Joint
{
	CommitmentSearch *s;
	CommitmentOrder *order;
	CommitmentMoney *most;		/* by commitment: more is never used */
	CommitmentMoney *at;		/* where the descent stands */
	CommitmentMoney *best;
} Joint;

#define NOT_ALLOWED ((CommitmentMoney) 1 << 126)

static bool
allowed(const CommitmentSearch *s)
{
	const CommitmentLimits *limits = &s->limits;
	int128		cash = 0;
	CommitmentMoney covered = 0;

	for (int i = 0; i < s->ncommitments; i++)
	{
		const Commitment *c = &s->commitments[i];
		int128		paid;

		covered += c->covered;
		if (!s->free[i])
			continue;
		if (c->used < c->available / 1000000 * limits->least_utilisation)
			return false;
		if (__builtin_mul_overflow(c->hourly, (int128) limits->cash_hours, &paid) ||
			__builtin_add_overflow(cash, paid, &cash))
			return false;
	}
	if (limits->cash > 0 && cash > limits->cash)
		return false;
	return limits->most_coverage == 0 || covered <= s->use->ondemand / 1000000 * limits->most_coverage;
}

/* Cost with amounts moved t steps from where the descent stands: i up, j (if any) down. */
static CommitmentMoney
cost_along(Joint *joint, int i, int j, int64 t)
{
	CommitmentSearch *s = joint->s;
	CommitmentMoney cost;

	for (int k = 0; k < s->ncommitments; k++)
	{
		if (s->free[k])
			s->commitments[k].hourly = joint->at[k];
	}
	if (i >= 0)
		s->commitments[i].hourly += s->step * t;
	if (j >= 0)
		s->commitments[j].hourly -= s->step * t;
	CommitmentApply(joint->order, s->use, s->commitments, s->interrupt);
	cost = s->use->remaining;
	for (int k = 0; k < s->ncommitments; k++)
		cost += s->commitments[k].fee;
	return allowed(s) ? cost : NOT_ALLOWED;
}

/* Move to the lowest cost along one direction.  Did that improve it? */
static bool
descend(Joint *joint, int i, int j, CommitmentMoney *cost)
{
	CommitmentMoney step = joint->s->step;
	int64		low = j < 0 ? -(int64) (joint->at[i] / step) : 0;
	int64		high = (int64) (Max(joint->most[i] - joint->at[i], 0) / step) + (j < 0 ? 1 : 0);
	CommitmentMoney found;

	if (j >= 0)
		high = Min(high, (int64) (joint->at[j] / step));
	while (low < high)
	{
		int64		middle = low + (high - low) / 2;

		if (cost_along(joint, i, j, middle + 1) < cost_along(joint, i, j, middle))
			low = middle + 1;
		else
			high = middle;
	}
	found = cost_along(joint, i, j, low);
	if (found >= *cost)
		return false;
	*cost = found;
	joint->at[i] += step * low;
	if (j >= 0)
		joint->at[j] -= step * low;
	return true;
}

/* One pass over single amounts, first to last or last to first. */
static bool
pass(Joint *joint, bool backwards, CommitmentMoney *cost)
{
	CommitmentSearch *s = joint->s;
	bool		better = false;

	for (int k = 0; k < s->ncommitments; k++)
	{
		int			i = backwards ? s->ncommitments - 1 - k : k;

		if (s->free[i] && descend(joint, i, -1, cost))
			better = true;
	}
	return better;
}

static bool
exchange(Joint *joint, CommitmentMoney *cost)
{
	CommitmentSearch *s = joint->s;
	bool		better = false;

	for (int i = 0; i < s->ncommitments; i++)
	{
		for (int j = 0; j < s->ncommitments; j++)
		{
			if (i != j && s->free[i] && s->free[j] && descend(joint, i, j, cost))
				better = true;
		}
	}
	return better;
}

static void
keep_best(Joint *joint, CommitmentMoney cost)
{
	CommitmentSearch *s = joint->s;

	if (cost >= s->cost)
		return;
	s->cost = cost;
	memcpy(joint->best, joint->at, s->ncommitments * sizeof(CommitmentMoney));
}

/* Descend from where joint->at stands; backwards: the last plan is chosen first. */
static void
descend_from(Joint *joint, bool backwards, bool first)
{
	CommitmentMoney cost = cost_along(joint, -1, -1, 0);

	pass(joint, backwards, &cost);
	if (first)
		joint->s->greedy = cost;
	for (int round = 0; round < MOST_ROUNDS; round++)
	{
		if (!pass(joint, backwards, &cost) && !exchange(joint, &cost))
			break;
	}
	keep_best(joint, cost);
}

/* What a plan could use at most in any hour, rounded up to a step. */
static CommitmentMoney
most_useful(const CommitmentSearch *s, int i)
{
	const Commitment *c = &s->commitments[i];
	const CommitmentUse *use = s->use;
	CommitmentMoney most = 0;

	for (int64 h = Max(c->from, 0); h < Min(c->upto, use->nhours); h++)
	{
		CommitmentMoney sum = 0;

		for (int k = 0; k < use->nlines; k++)
		{
			if (c->rates[k] > 0 && c->rates[k] <= use->lines[k].rate)
				sum += use->quantities[h * use->nlines + k] * c->rates[k];
		}
		most = Max(most, sum);
	}
	return (most + s->step - 1) / s->step * s->step;
}

size_t
CommitmentSearchSize(int ncommitments, int nlines)
{
	return 3 * (size_t) ncommitments * sizeof(CommitmentMoney) + CommitmentOrderSize(ncommitments, nlines);
}

static CommitmentFault
prepare(void *memory, CommitmentSearch *s, Joint *joint)
{
	CommitmentFault fault;
	size_t		size = s->ncommitments * sizeof(CommitmentMoney);

	joint->s = s;
	joint->most = memory;
	joint->at = joint->most + s->ncommitments;
	joint->best = joint->at + s->ncommitments;
	memset(memory, 0, 3 * size);
	if (s->step <= 0)
		return COMMITMENT_NEGATIVE;
	fault = CommitmentPrepare(joint->best + s->ncommitments, s->use, s->commitments, s->ncommitments,
							  &joint->order);
	for (int i = 0; i < s->ncommitments && fault == COMMITMENT_FINE; i++)
	{
		if (s->free[i])
			joint->most[i] = most_useful(s, i);
		if (joint->most[i] > COMMITMENT_MOST_HOURLY || joint->most[i] / s->step > INT64_MAX / 4)
			fault = COMMITMENT_TOO_MUCH;
	}
	return fault;
}

CommitmentFault
CommitmentJoint(void *memory, CommitmentSearch *s)
{
	Joint		joint;
	CommitmentFault fault = prepare(memory, s, &joint);

	if (fault != COMMITMENT_FINE)
		return fault;
	s->cost = cost_along(&joint, -1, -1, 0);
	for (int start = 0; start < 4; start++)
	{
		/* nothing, forwards and backwards; half; each alone at its most useful */
		for (int i = 0; i < s->ncommitments; i++)
			joint.at[i] = start < 2 ? 0 : joint.most[i] / s->step / (start == 2 ? 2 : 1) * s->step;
		descend_from(&joint, start == 1 || start == 3, start == 0);
	}
	memcpy(joint.at, joint.best, s->ncommitments * sizeof(CommitmentMoney));
	cost_along(&joint, -1, -1, 0);
	s->cost = CommitmentSum(s->use, s->commitments, s->ncommitments).cost;
	return COMMITMENT_FINE;
}

CommitmentFault
CommitmentCurve(void *memory, CommitmentSearch *s, int i, CommitmentMoney most, int npoints,
				CommitmentFigures *points)
{
	Joint		joint;
	CommitmentMoney kept = s->commitments[i].hourly;
	CommitmentFault fault = prepare(memory, s, &joint);

	if (fault != COMMITMENT_FINE)
		return fault;
	for (int k = 0; k < npoints; k++)
	{
		s->commitments[i].hourly = npoints == 1 ? most : most / (npoints - 1) * k;
		CommitmentApply(joint.order, s->use, s->commitments, s->interrupt);
		points[k] = CommitmentSum(s->use, s->commitments, s->ncommitments);
	}
	s->commitments[i].hourly = kept;
	CommitmentApply(joint.order, s->use, s->commitments, s->interrupt);
	return COMMITMENT_FINE;
}

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
 * searched by minimisation along one amount, and along the exchange of one for
 * another (where two kinks meet, moving one alone would not do), until none
 * improves.  Mostly the cost is convex, but not where a plan for a family is
 * dearer than the flexible one; so what the descent ends at is held against a
 * scan of many amounts.  Of three starts the first passes through the greedy
 * answer, so that the result is never worse, and the last is the best of a
 * coarse grid.
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
#define SCANNED		32
#define MOST_GRID	3000

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

/* Move t steps along a direction, if that is cheaper. */
static bool
move(Joint *joint, int i, int j, int64 t, CommitmentMoney *cost)
{
	CommitmentMoney found = cost_along(joint, i, j, t);

	if (found >= *cost)
		return false;
	*cost = found;
	joint->at[i] += joint->s->step * t;
	if (j >= 0)
		joint->at[j] -= joint->s->step * t;
	return true;
}

/* The first of low..high from which on the cost does not fall, taken as convex. */
static int64
bisect(Joint *joint, int i, int j, int64 low, int64 high)
{
	while (low < high)
	{
		int64		middle = low + (high - low) / 2;

		if (cost_along(joint, i, j, middle + 1) < cost_along(joint, i, j, middle))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The lowest cost of low..high: bisected wherever one of many points is a valley. */
static int64
scan(Joint *joint, int i, int j, int64 low, int64 high)
{
	int64		t[SCANNED + 1],
				best = 0;
	CommitmentMoney cost[SCANNED + 1] = {0},
				lowest = NOT_ALLOWED;

	for (int k = 0; k <= SCANNED; k++)
	{
		t[k] = low + (int64) ((int128) (high - low) * k / SCANNED);
		cost[k] = k > 0 && t[k] == t[k - 1] ? cost[k - 1] : cost_along(joint, i, j, t[k]);
	}
	for (int k = 0; k <= SCANNED; k++)
	{
		int64		found;
		CommitmentMoney found_cost;

		if ((k > 0 && cost[k] >= cost[k - 1]) || (k < SCANNED && cost[k] > cost[k + 1]))
			continue;
		found = bisect(joint, i, j, t[Max(k - 1, 0)], t[Min(k + 1, SCANNED)]);
		found_cost = cost_along(joint, i, j, found);
		if (cost[k] < found_cost)
		{
			found = t[k];
			found_cost = cost[k];
		}
		if (found_cost < lowest)
		{
			lowest = found_cost;
			best = found;
		}
	}
	return best;
}

/* Move to the lowest cost along one direction.  Did that improve it? */
static bool
descend(Joint *joint, int i, int j, bool thorough, CommitmentMoney *cost)
{
	CommitmentMoney step = joint->s->step;
	int64		low = j < 0 ? -(int64) (joint->at[i] / step) : 0;
	int64		high = (int64) (Max(joint->most[i] - joint->at[i], 0) / step);

	if (j >= 0)
		high = Min(high, (int64) (joint->at[j] / step));
	if (thorough)
		return move(joint, i, j, scan(joint, i, j, low, high), cost);
	if (high > 0 && cost_along(joint, i, j, 1) < *cost)
		return move(joint, i, j, bisect(joint, i, j, 1, high), cost);
	if (low < 0 && cost_along(joint, i, j, -1) < *cost)
		return move(joint, i, j, bisect(joint, i, j, low, -1), cost);
	return false;
}

/* One pass over single amounts, first to last or last to first. */
static bool
pass(Joint *joint, bool backwards, bool thorough, CommitmentMoney *cost)
{
	CommitmentSearch *s = joint->s;
	bool		better = false;

	for (int k = 0; k < s->ncommitments; k++)
	{
		int			i = backwards ? s->ncommitments - 1 - k : k;

		if (s->free[i] && descend(joint, i, -1, thorough, cost))
			better = true;
	}
	return better;
}

static bool
exchange(Joint *joint, bool thorough, CommitmentMoney *cost)
{
	CommitmentSearch *s = joint->s;
	bool		better = false;

	for (int i = 0; i < s->ncommitments; i++)
	{
		for (int j = 0; j < s->ncommitments; j++)
		{
			if (i != j && s->free[i] && s->free[j] && descend(joint, i, j, thorough, cost))
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

	pass(joint, backwards, true, &cost);
	if (first)
		joint->s->greedy = cost;
	for (int round = 0; round < MOST_ROUNDS; round++)
	{
		if (!pass(joint, backwards, false, &cost) && !exchange(joint, false, &cost) &&
			!pass(joint, backwards, true, &cost) && !exchange(joint, true, &cost))
			break;
	}
	keep_best(joint, cost);
}

/* Put joint->at to the best point of a grid of at most some thousands. */
static void
coarse_grid(Joint *joint)
{
	CommitmentSearch *s = joint->s;
	CommitmentMoney lowest = NOT_ALLOWED;
	int			nfree = 0,
				side = 1,
				npoints = 1,
				best = 0;

	for (int i = 0; i < s->ncommitments; i++)
		nfree += s->free[i];
	while (nfree > 0 && side < SCANNED && pow(side + 1, nfree) <= MOST_GRID)
		side++;
	for (int k = 0; k < nfree && side > 1; k++)
		npoints *= side;
	for (int point = 0; point <= npoints; point++)
	{
		int			rest = point < npoints ? point : best;
		CommitmentMoney cost;

		for (int i = 0; i < s->ncommitments; i++)
		{
			if (!s->free[i])
				continue;
			joint->at[i] = joint->most[i] / s->step * (rest % side) / Max(side - 1, 1) * s->step;
			rest /= side;
		}
		cost = cost_along(joint, -1, -1, 0);
		if (cost < lowest)
		{
			lowest = cost;
			best = point;
		}
	}
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
	descend_from(&joint, false, true);
	memset(joint.at, 0, s->ncommitments * sizeof(CommitmentMoney));
	descend_from(&joint, true, false);
	coarse_grid(&joint);
	descend_from(&joint, false, false);
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

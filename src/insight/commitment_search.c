/*-------------------------------------------------------------------------
 *
 * commitment_search.c
 *	  The cheapest set of several commitments for known demand.  Pure.
 *
 * With several of them no closed form is known: a plan that takes usage away
 * from another moves the other on to its next line.  Their joint cost is
 * searched by minimisation along one amount, and along the exchange of one for
 * another (where two kinks meet, moving one alone would not do), until none
 * improves.  Mostly the cost is convex, but not where a plan for a family is
 * dearer than the flexible one; so what the descent ends at is held against a
 * scan of many amounts.  Of the starts the first passes through the greedy
 * answer, so that the result is never worse, and another is the best of a
 * coarse grid.  Of long demand grid and scans see a sample of the hours only.
 *
 * The search counts in double on a model in which lines that every commitment
 * treats alike are one, and equal hours in a row are one.  What it finds is
 * then improved step by step on the exact cost, which alone decides.
 *
 *-------------------------------------------------------------------------
 */
#include "insight/commitment_model.h"

#include <math.h>

#define MOST_ROUNDS 100
#define SCANNED		32
#define MOST_GRID	3000
#define SAMPLE		384			/* slots on which many starts are tried */

/* ---------------------------------------------------------------------
 * Descent in the model
 * ---------------------------------------------------------------------
 */
static bool
cheaper(const JointSearch *j, double cost, double than)
{
	return cost < than - (isinf(than) ? 0 : COMMITMENT_NOISE * j->m.ondemand);
}

/* Steps of commitment k that make up t steps of commitment i. */
static int64
matching_steps(const JointSearch *j, int i, int k, int64 t)
{
	return (int64) llround((double) t * j->m.step[i] / j->m.step[k]);
}

static void
set_steps(JointSearch *j, int i, int64 steps)
{
	j->m.amount[i] = j->m.budget[i] = (double) steps * j->m.step[i];
}

/* Cost with amounts moved t steps from where the descent stands: i up, k (if any) down. */
static double
cost_along(JointSearch *j, int i, int k, int64 t)
{
	double		cost;

	if (i >= 0)
		set_steps(j, i, j->at[i] + t);
	if (k >= 0)
		set_steps(j, k, j->at[k] - matching_steps(j, i, k, t));
	cost = CommitmentModelCost(j);
	if (i >= 0)
		set_steps(j, i, j->at[i]);
	if (k >= 0)
		set_steps(j, k, j->at[k]);
	return cost;
}

static void
stand_at(JointSearch *j, const int64 *steps)
{
	for (int c = 0; c < j->s->ncommitments; c++)
		if (j->s->free[c])
		{
			j->at[c] = steps == NULL ? 0 : steps[c];
			set_steps(j, c, j->at[c]);
		}
}

/* Move t steps along a direction, if that is cheaper. */
static bool
move(JointSearch *j, int i, int k, int64 t, double *cost)
{
	double		found = cost_along(j, i, k, t);

	if (!cheaper(j, found, *cost))
		return false;
	*cost = found;
	if (k >= 0)
	{
		j->at[k] -= matching_steps(j, i, k, t);
		set_steps(j, k, j->at[k]);
	}
	j->at[i] += t;
	set_steps(j, i, j->at[i]);
	return true;
}

/*
 * How far to go from where the descent stands, upwards (sign 1) or downwards,
 * at most so many steps: twice as far each time while that is cheaper.
 */
static int64
step_out(JointSearch *j, int i, int k, int sign, int64 most, double cost)
{
	int64		t = 1;

	while (t < most)
	{
		int64		next = Min(2 * t, most);
		double		further = cost_along(j, i, k, sign * next);

		if (further >= cost)
			return next;
		cost = further;
		t = next;
	}
	return t;
}

/* The first of low..high from which on the cost does not fall, taken as convex. */
static int64
bisect(JointSearch *j, int i, int k, int64 low, int64 high)
{
	while (low < high)
	{
		int64		middle = low + (high - low) / 2;

		if (cost_along(j, i, k, middle + 1) < cost_along(j, i, k, middle))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The lowest cost of low..high: bisected wherever one of many points is a valley. */
static int64
scan(JointSearch *j, int i, int k, int64 low, int64 high)
{
	int64		t[SCANNED + 1],
				best = low;
	double		cost[SCANNED + 1] = {0},
				lowest = INFINITY;

	for (int n = 0; n <= SCANNED; n++)
	{
		t[n] = low + (int64) ((int128) (high - low) * n / SCANNED);
		cost[n] = n > 0 && t[n] == t[n - 1] ? cost[n - 1] : cost_along(j, i, k, t[n]);
	}
	for (int n = 0; n <= SCANNED; n++)
	{
		int64		found;
		double		found_cost;

		if (isinf(cost[n]) || (n > 0 && !cheaper(j, cost[n], cost[n - 1])) ||
			(n < SCANNED && cheaper(j, cost[n + 1], cost[n])))
			continue;
		found = bisect(j, i, k, t[Max(n - 1, 0)], t[Min(n + 1, SCANNED)]);
		found_cost = cost_along(j, i, k, found);
		if (cost[n] <= found_cost)
		{
			found = t[n];
			found_cost = cost[n];
		}
		if (found_cost < lowest)
		{
			lowest = found_cost;
			best = found;
		}
	}
	return best;
}

/* The same on a part of the slots, where they are many. */
static int64
scan_sample(JointSearch *j, int i, int k, int64 low, int64 high)
{
	int64		stride = j->m.stride,
				best;

	if (stride == 1 && !j->greedy)
		j->m.stride = j->sample;
	best = scan(j, i, k, low, high);
	j->m.stride = stride;
	return best;
}

/* Move to the lowest cost along one direction.  Did that improve it? */
static bool
descend(JointSearch *j, int i, int k, bool thorough, double *cost)
{
	int64		low = k < 0 ? -j->at[i] : 0;
	int64		high = Max(j->most[i] - j->at[i], 0);

	if (k >= 0)
	{
		high = Min(high, matching_steps(j, k, i, j->at[k]));
		while (high > 0 && matching_steps(j, i, k, high) > j->at[k])
			high--;
	}
	if (low == high)
		return false;
	if (thorough)
		return move(j, i, k, scan_sample(j, i, k, low, high), cost);
	for (int sign = 1; sign >= -1; sign -= 2)
	{
		int64		most = sign > 0 ? high : -low;
		double		next;

		if (most == 0 || !cheaper(j, next = cost_along(j, i, k, sign), *cost))
			continue;
		most = step_out(j, i, k, sign, most, next);
		return move(j, i, k, sign > 0 ? bisect(j, i, k, Max(most / 4, 1), most) :
					bisect(j, i, k, -most, -Max(most / 4, 1)), cost);
	}
	return false;
}

/* One pass over single amounts, first to last or last to first. */
static bool
pass(JointSearch *j, bool backwards, bool thorough, double *cost)
{
	bool		better = false;

	for (int n = 0; n < j->s->ncommitments; n++)
	{
		int			i = backwards ? j->s->ncommitments - 1 - n : n;

		if (j->s->free[i] && descend(j, i, -1, thorough, cost))
			better = true;
	}
	return better;
}

/* Is there usage that both would cover? */
static bool
compete(const JointSearch *j, int a, int b)
{
	for (int line = 0; line < j->s->use->nlines; line++)
		if (CommitmentCovers(j->s, a, line) && CommitmentCovers(j->s, b, line))
			return true;
	return false;
}

static bool
exchange(JointSearch *j, bool thorough, double *cost)
{
	CommitmentSearch *s = j->s;
	bool		better = false;

	for (int i = 0; i < s->ncommitments; i++)
		for (int k = 0; k < s->ncommitments; k++)
			if (i != k && s->free[i] && s->free[k] && j->at[k] > 0 && compete(j, i, k) &&
				descend(j, i, k, thorough, cost))
				better = true;
	return better;
}

/* Descend from where j->at stands; what it ends at is kept when it is the best. */
static void
descend_from(JointSearch *j, bool backwards, bool thorough)
{
	double		cost = cost_along(j, -1, -1, 0);

	for (int round = 0; round < MOST_ROUNDS; round++)
		if (!pass(j, backwards, false, &cost) && !exchange(j, false, &cost) &&
			!(thorough && (pass(j, backwards, true, &cost) || exchange(j, true, &cost))))
			break;
	if (cost < j->lowest)
	{
		j->lowest = cost;
		memcpy(j->best, j->at, j->s->ncommitments * sizeof(int64));
	}
}

/* From nothing, each commitment once, one after another. */
static void
choose_once(JointSearch *j, bool backwards)
{
	double		cost;

	stand_at(j, NULL);
	cost = cost_along(j, -1, -1, 0);
	pass(j, backwards, true, &cost);
}

/* Put j->at to the best point of a grid of at most some thousands. */
static void
coarse_grid(JointSearch *j)
{
	CommitmentSearch *s = j->s;
	double		lowest = INFINITY;
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
		double		cost;

		for (int i = 0; i < s->ncommitments; i++)
		{
			if (!s->free[i])
				continue;
			j->at[i] = (int64) ((int128) j->most[i] * (rest % side) / Max(side - 1, 1));
			set_steps(j, i, j->at[i]);
			rest /= side;
		}
		cost = cost_along(j, -1, -1, 0);
		if (cost < lowest)
		{
			lowest = cost;
			best = point;
		}
	}
}

/* The best of many starts on every stride-th slot, into j->best. */
static void
search_sample(JointSearch *j, int64 stride)
{
	j->m.stride = stride;
	j->lowest = INFINITY;
	choose_once(j, false);
	descend_from(j, false, true);
	choose_once(j, true);
	descend_from(j, true, true);
	coarse_grid(j);
	descend_from(j, false, true);
	j->m.stride = 1;
}

/* ---------------------------------------------------------------------
 * The exact cost
 * ---------------------------------------------------------------------
 */
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
		if (__builtin_mul_overflow(c->hourly, (int128) c->cash_hours, &paid) ||
			__builtin_add_overflow(cash, paid, &cash))
			return false;
	}
	if (limits->cash > 0 && cash > limits->cash)
		return false;
	return limits->most_coverage == 0 || covered <= s->use->ondemand / 1000000 * limits->most_coverage;
}

static CommitmentMoney
exact_cost(JointSearch *j, const int64 *steps)
{
	CommitmentSearch *s = j->s;
	CommitmentMoney cost;

	for (int i = 0; i < s->ncommitments; i++)
	{
		Commitment *c = &s->commitments[i];

		if (!s->free[i])
			continue;
		c->hourly = CommitmentStepOf(s, i) * steps[i];
		if (c->kind == COMMITMENT_RESERVATION)
			c->units = c->hourly;
	}
	CommitmentApply(j->order, s->use, s->commitments, s->interrupt);
	cost = s->use->remaining;
	for (int i = 0; i < s->ncommitments; i++)
		cost += s->commitments[i].fee;
	return allowed(s) ? cost : NOT_ALLOWED;
}

/* One step of i up and, if any, the like of k down, or back, if that is cheaper. */
static bool
nudge(JointSearch *j, int i, int k, int64 t, CommitmentMoney *cost)
{
	int64		down = k < 0 ? 0 : matching_steps(j, i, k, t);
	CommitmentMoney found;

	if (j->at[i] + t < 0 || j->at[i] + t > j->most[i] || (k >= 0 && (j->at[k] < down || down == 0)))
		return false;
	j->at[i] += t;
	if (k >= 0)
		j->at[k] -= down;
	found = exact_cost(j, j->at);
	if (found < *cost)
	{
		*cost = found;
		return true;
	}
	j->at[i] -= t;
	if (k >= 0)
		j->at[k] += down;
	return false;
}

/* Improve what the model found until no single step does any more. */
static CommitmentMoney
polish(JointSearch *j)
{
	CommitmentSearch *s = j->s;
	CommitmentMoney cost = exact_cost(j, j->at);
	bool		better = true;

	for (int round = 0; round < MOST_ROUNDS && better; round++)
	{
		better = false;
		for (int i = 0; i < s->ncommitments; i++)
		{
			if (!s->free[i])
				continue;
			better |= nudge(j, i, -1, 1, &cost);
			better |= nudge(j, i, -1, -1, &cost);
			for (int k = 0; k < s->ncommitments; k++)
				if (k != i && s->free[k] && j->at[k] > 0 && compete(j, i, k))
					better |= nudge(j, i, k, 1, &cost);
		}
	}
	return cost;
}

/* ---------------------------------------------------------------------
 * Entry points
 * ---------------------------------------------------------------------
 */
CommitmentFault
CommitmentJoint(void *memory, CommitmentSearch *s)
{
	JointSearch		j = {0};
	CommitmentFault fault = CommitmentModelBuild(memory, s, &j);

	if (fault != COMMITMENT_FINE)
		return fault;
	/* a stride that meets every hour of the day and day of the week */
	j.sample = Max((j.m.nslots + SAMPLE - 1) / SAMPLE, 1);
	while (j.sample > 1 && (j.sample % 2 == 0 || j.sample % 3 == 0 || j.sample % 7 == 0))
		j.sample++;
	search_sample(&j, j.sample);
	memcpy(j.found, j.best, s->ncommitments * sizeof(int64));

	j.lowest = INFINITY;
	j.greedy = true;
	choose_once(&j, false);
	j.greedy = false;
	s->greedy = exact_cost(&j, j.at);
	descend_from(&j, false, false);
	stand_at(&j, j.found);
	descend_from(&j, true, false);
	if (j.sample > 1)
	{
		stand_at(&j, j.best);
		descend_from(&j, false, true);
	}
	if (isinf(j.lowest))
		memset(j.best, 0, s->ncommitments * sizeof(int64));
	memcpy(j.at, j.best, s->ncommitments * sizeof(int64));
	(void) polish(&j);
	(void) exact_cost(&j, j.at);
	s->cost = CommitmentSum(s->use, s->commitments, s->ncommitments).cost;
	return COMMITMENT_FINE;
}

CommitmentFault
CommitmentCurve(void *memory, CommitmentSearch *s, int i, CommitmentMoney most, int npoints,
				CommitmentFigures *points)
{
	Commitment *c = &s->commitments[i];
	CommitmentMoney kept = c->hourly;
	CommitmentOrder *order;
	CommitmentFault fault = CommitmentPrepare(memory, s->use, s->commitments, s->ncommitments, &order);

	if (fault == COMMITMENT_FINE && (most < 0 || most > COMMITMENT_MOST_HOURLY))
		fault = most < 0 ? COMMITMENT_NEGATIVE : COMMITMENT_TOO_MUCH;
	if (fault != COMMITMENT_FINE)
		return fault;
	for (int k = 0; k <= npoints; k++)
	{
		c->hourly = k == npoints ? kept : npoints == 1 ? most : most / (npoints - 1) * k;
		if (c->kind == COMMITMENT_RESERVATION)
			c->units = c->hourly;
		CommitmentApply(order, s->use, s->commitments, s->interrupt);
		if (k < npoints)
			points[k] = CommitmentSum(s->use, s->commitments, s->ncommitments);
	}
	return COMMITMENT_FINE;
}

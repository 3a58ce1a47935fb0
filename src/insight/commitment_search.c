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
#include "insight/commitment_plan.h"

#include <math.h>

#define MOST_ROUNDS 100
#define SCANNED		32
#define MOST_GRID	3000
#define SAMPLE		384			/* slots on which many starts are tried */
#define NOISE		1e-13		/* of the cost on demand: what double cannot tell apart */

/* A group of lines that a commitment covers, as money on demand. */
typedef struct Entry
{
	int			group;
	double		price;			/* of the commitment, for one of money on demand */
	double		reach;			/* 1 / price */
} Entry;

/* One turn of a commitment in the order of application. */
typedef struct Turn
{
	int			commitment;
	int			first;			/* of its entries */
	int			count;
} Turn;

typedef struct Slot
{
	int64		hour;			/* the first that it stands for */
	double		weight;
	double		total;			/* demand of all groups */
} Slot;

typedef struct Model
{
	int64		nslots;
	int64		stride;			/* of slots that are counted: 1, or more for a sample */
	int			ngroups;
	int			nturns;
	Slot	   *slots;
	double	   *demand;			/* by slot, then group; money on demand */
	double	   *left;
	Turn	   *turns;
	Entry	   *entries;
	int		   *group;			/* by line */
	double	   *step;			/* by commitment: money of one step */
	double	   *amount;			/* money an hour */
	double	   *budget;			/* what an hour has to spend: the amount, or units of a reservation */
	double	   *rest;			/* of the budget, in the hour at hand */
	double	   *used;			/* in all hours */
	double	   *available;
	double		ondemand;
} Model;

/* a search under way */
typedef struct Joint
{
	CommitmentSearch *s;
	CommitmentOrder *order;
	Model		m;
	int64	   *most;			/* by commitment, in steps: more is never used, or not allowed */
	int64	   *at;				/* where the descent stands */
	int64	   *best;
	int64	   *found;			/* best of the sample */
	double		lowest;			/* cost of best */
	int64		sample;			/* stride of a sample */
	bool		greedy;			/* the greedy answer is under way: no sample will do */
} Joint;

#define MONEY_SCALE 1e-24		/* of CommitmentMoney in the currency */

/* ---------------------------------------------------------------------
 * The model
 * ---------------------------------------------------------------------
 */

/* money that a commitment takes for one of money on demand; 0 where it does not cover the line */
static int128
cross(const CommitmentSearch *s, int c, int a, int b)
{
	return (int128) Max(s->commitments[c].rates[a], 0) * s->use->lines[b].rate;
}

static bool
covers(const CommitmentSearch *s, int c, int line)
{
	const Commitment *k = &s->commitments[c];
	const CommitmentLine *l = &s->use->lines[line];

	return k->rates[line] > 0 && (k->kind == COMMITMENT_RESERVATION || k->rates[line] <= l->rate) &&
		(l->account == k->owner || k->shared);
}

/* Does every commitment treat both lines alike? */
static bool
alike(const CommitmentSearch *s, int a, int b)
{
	for (int c = 0; c < s->ncommitments; c++)
	{
		int			owner = s->commitments[c].owner;

		if (covers(s, c, a) != covers(s, c, b))
			return false;
		if (covers(s, c, a) && (cross(s, c, a, b) != cross(s, c, b, a) ||
			(s->use->lines[a].account == owner) != (s->use->lines[b].account == owner)))
			return false;
	}
	return (s->use->lines[a].rate == 0) == (s->use->lines[b].rate == 0);
}

static void
find_groups(Joint *j, int *representative)
{
	Model	   *m = &j->m;

	m->ngroups = 0;
	for (int line = 0; line < j->s->use->nlines; line++)
	{
		int			g = 0;

		while (g < m->ngroups && !alike(j->s, representative[g], line))
			g++;
		if (g == m->ngroups)
			representative[m->ngroups++] = line;
		m->group[line] = g;
	}
}

/* The turns of all commitments, in the order of CommitmentApply(). */
static void
find_turns(Joint *j, int *lines, bool *seen)
{
	CommitmentSearch *s = j->s;
	Model	   *m = &j->m;
	int			n = 0;

	m->nturns = 0;
	for (int kind = 0; kind < COMMITMENT_KINDS; kind++)
		for (int pass = 0; pass < 2; pass++)
			for (int c = 0; c < s->ncommitments; c++)
			{
				Turn	   *turn = &m->turns[m->nturns];
				int			nown,
							nlines;

				if ((int) s->commitments[c].kind != kind)
					continue;
				nlines = CommitmentLines(j->order, c, lines, &nown);
				*turn = (Turn) {c, n, 0};
				memset(seen, 0, m->ngroups * sizeof(bool));
				for (int k = pass == 0 ? 0 : nown; k < (pass == 0 ? nown : nlines); k++)
				{
					int			g = m->group[lines[k]];
					double		price;

					if (seen[g] || s->use->lines[lines[k]].rate == 0)
						continue;
					seen[g] = true;
					price = (double) s->commitments[c].rates[lines[k]] / (double) s->use->lines[lines[k]].rate;
					m->entries[n++] = (Entry) {g, price, 1 / price};
					turn->count++;
				}
				m->nturns += turn->count > 0;
			}
}

/* Is an hour like the one before, in demand and in what is valid? */
static bool
repeats(const CommitmentSearch *s, int64 hour)
{
	const CommitmentQuantity *here = s->use->quantities + hour * s->use->nlines;

	if (hour == 0 || memcmp(here, here - s->use->nlines, s->use->nlines * sizeof(CommitmentQuantity)) != 0)
		return false;
	for (int c = 0; c < s->ncommitments; c++)
		if (s->commitments[c].from == hour || s->commitments[c].upto == hour)
			return false;
	return true;
}

static void
fill_slots(Joint *j)
{
	CommitmentSearch *s = j->s;
	Model	   *m = &j->m;

	m->nslots = 0;
	m->ondemand = 0;
	for (int64 h = 0; h < s->use->nhours; h++)
	{
		Slot	   *slot = &m->slots[m->nslots];
		double	   *demand = m->demand + m->nslots * m->ngroups;
		double		weight = (double) CommitmentWeight(s->use, h);

		if (s->interrupt && h % 256 == 0)
			s->interrupt();
		if (repeats(s, h))
		{
			slot[-1].weight += weight;
			m->ondemand += weight * slot[-1].total;
			continue;
		}
		*slot = (Slot) {h, weight, 0};
		memset(demand, 0, m->ngroups * sizeof(double));
		for (int k = 0; k < s->use->nlines; k++)
		{
			double		money = (double) s->use->quantities[h * s->use->nlines + k] *
				(double) s->use->lines[k].rate * MONEY_SCALE;

			demand[m->group[k]] += money;
			slot->total += money;
		}
		m->ondemand += weight * slot->total;
		m->nslots++;
	}
}

/* ---------------------------------------------------------------------
 * Cost in the model
 * ---------------------------------------------------------------------
 */

/* What of a slot's demand is covered, as money on demand. */
static double
cover_slot(Joint *j, const Slot *slot, const double *demand)
{
	const CommitmentSearch *s = j->s;
	Model	   *m = &j->m;
	double		covered = 0;

	memcpy(m->left, demand, m->ngroups * sizeof(double));
	memcpy(m->rest, m->budget, s->ncommitments * sizeof(double));
	for (int t = 0; t < m->nturns; t++)
	{
		const Turn *turn = &m->turns[t];
		const Commitment *c = &s->commitments[turn->commitment];
		const Entry *e = m->entries + turn->first;
		double		rest = m->rest[turn->commitment];

		if (slot->hour < c->from || slot->hour >= c->upto)
			continue;
		for (int k = 0; k < turn->count && rest > 0; k++)
		{
			double		quantity = m->left[e[k].group];
			double		cost = quantity * e[k].price;

			if (cost > rest)
			{
				quantity = rest * e[k].reach;
				cost = rest;
			}
			rest -= cost;
			m->left[e[k].group] -= quantity;
			covered += quantity;
		}
		m->rest[turn->commitment] = rest;
	}
	return covered;
}

static bool
within_limits(const Joint *j, double covered, double ondemand)
{
	const CommitmentSearch *s = j->s;
	const CommitmentLimits *limits = &s->limits;
	const Model *m = &j->m;
	double		cash = 0;

	for (int c = 0; c < s->ncommitments; c++)
	{
		if (!s->free[c])
			continue;
		if (m->used[c] < m->available[c] * (limits->least_utilisation / 1e6) * (1 - NOISE))
			return false;
		cash += m->amount[c] * (double) s->commitments[c].cash_hours;
	}
	if (limits->cash > 0 && cash > (double) limits->cash * MONEY_SCALE)
		return false;
	return limits->most_coverage == 0 || covered <= ondemand * (limits->most_coverage / 1e6);
}

/* Cost of the amounts in the model; infinite where a limit is passed. */
static double
model_cost(Joint *j)
{
	const CommitmentSearch *s = j->s;
	Model	   *m = &j->m;
	double		cost = 0,
				covered = 0,
				ondemand = 0;

	memset(m->used, 0, s->ncommitments * sizeof(double));
	memset(m->available, 0, s->ncommitments * sizeof(double));
	for (int64 k = 0; k < m->nslots; k += m->stride)
	{
		const Slot *slot = &m->slots[k];
		double		here = cover_slot(j, slot, m->demand + k * m->ngroups);

		if (s->interrupt && k % 1024 == 0)
			s->interrupt();
		cost += slot->weight * (slot->total - here);
		covered += slot->weight * here;
		ondemand += slot->weight * slot->total;
		for (int c = 0; c < s->ncommitments; c++)
		{
			if (slot->hour < s->commitments[c].from || slot->hour >= s->commitments[c].upto)
				continue;
			cost += slot->weight * m->amount[c];
			m->available[c] += slot->weight * m->budget[c];
			m->used[c] += slot->weight * (m->budget[c] - m->rest[c]);
		}
	}
	return within_limits(j, covered, ondemand) ? cost : INFINITY;
}

static bool
cheaper(const Joint *j, double cost, double than)
{
	return cost < than - (isinf(than) ? 0 : NOISE * j->m.ondemand);
}

/* Steps of commitment k that make up t steps of commitment i. */
static int64
matching_steps(const Joint *j, int i, int k, int64 t)
{
	return (int64) llround((double) t * j->m.step[i] / j->m.step[k]);
}

static void
set_steps(Joint *j, int i, int64 steps)
{
	j->m.amount[i] = j->m.budget[i] = (double) steps * j->m.step[i];
}

/* Cost with amounts moved t steps from where the descent stands: i up, k (if any) down. */
static double
cost_along(Joint *j, int i, int k, int64 t)
{
	double		cost;

	if (i >= 0)
		set_steps(j, i, j->at[i] + t);
	if (k >= 0)
		set_steps(j, k, j->at[k] - matching_steps(j, i, k, t));
	cost = model_cost(j);
	if (i >= 0)
		set_steps(j, i, j->at[i]);
	if (k >= 0)
		set_steps(j, k, j->at[k]);
	return cost;
}

static void
stand_at(Joint *j, const int64 *steps)
{
	for (int c = 0; c < j->s->ncommitments; c++)
		if (j->s->free[c])
		{
			j->at[c] = steps == NULL ? 0 : steps[c];
			set_steps(j, c, j->at[c]);
		}
}

/* ---------------------------------------------------------------------
 * Descent in the model
 * ---------------------------------------------------------------------
 */

/* Move t steps along a direction, if that is cheaper. */
static bool
move(Joint *j, int i, int k, int64 t, double *cost)
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
step_out(Joint *j, int i, int k, int sign, int64 most, double cost)
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
bisect(Joint *j, int i, int k, int64 low, int64 high)
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
scan(Joint *j, int i, int k, int64 low, int64 high)
{
	int64		t[SCANNED + 1],
				best = low;
	double		cost[SCANNED + 1],
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
scan_sample(Joint *j, int i, int k, int64 low, int64 high)
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
descend(Joint *j, int i, int k, bool thorough, double *cost)
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
pass(Joint *j, bool backwards, bool thorough, double *cost)
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
compete(const Joint *j, int a, int b)
{
	for (int line = 0; line < j->s->use->nlines; line++)
		if (covers(j->s, a, line) && covers(j->s, b, line))
			return true;
	return false;
}

static bool
exchange(Joint *j, bool thorough, double *cost)
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
descend_from(Joint *j, bool backwards, bool thorough)
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
choose_once(Joint *j, bool backwards)
{
	double		cost;

	stand_at(j, NULL);
	cost = cost_along(j, -1, -1, 0);
	pass(j, backwards, true, &cost);
}

/* Put j->at to the best point of a grid of at most some thousands. */
static void
coarse_grid(Joint *j)
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
search_sample(Joint *j, int64 stride)
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
step_of(const CommitmentSearch *s, int i)
{
	return s->commitments[i].step > 0 ? s->commitments[i].step : s->step;
}

static CommitmentMoney
exact_cost(Joint *j, const int64 *steps)
{
	CommitmentSearch *s = j->s;
	CommitmentMoney cost;

	for (int i = 0; i < s->ncommitments; i++)
	{
		Commitment *c = &s->commitments[i];

		if (!s->free[i])
			continue;
		c->hourly = step_of(s, i) * steps[i];
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
nudge(Joint *j, int i, int k, int64 t, CommitmentMoney *cost)
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
polish(Joint *j)
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
			if (covers(s, i, k))
				sum += use->quantities[h * use->nlines + k] * c->rates[k];
		most = Max(most, sum);
	}
	return most;
}

static size_t
aligned(size_t size)
{
	return (size + 15) / 16 * 16;
}

size_t
CommitmentSearchSize(const CommitmentUse *use, int ncommitments)
{
	size_t		n = Max(ncommitments, 1),
				lines = Max(use->nlines, 1),
				hours = Max(use->nhours, 1);

	return aligned(CommitmentOrderSize(ncommitments, use->nlines)) + 4 * aligned(n * sizeof(int64)) +
		6 * aligned(n * sizeof(double)) + aligned(hours * sizeof(Slot)) +
		aligned(hours * lines * sizeof(double)) + aligned(lines * sizeof(double)) +
		aligned(2 * n * sizeof(Turn)) + aligned(2 * n * lines * sizeof(Entry)) +
		3 * aligned(lines * sizeof(int)) + aligned(lines * sizeof(bool)) + 16;
}

static void *
take(char **memory, size_t size)
{
	void	   *here = *memory;

	*memory += aligned(size);
	return here;
}

/* Lay everything out and build the model. */
static CommitmentFault
prepare(void *memory, CommitmentSearch *s, Joint *j)
{
	char	   *at = memory;
	Model	   *m = &j->m;
	size_t		n = s->ncommitments,
				lines = s->use->nlines,
				hours = Max(s->use->nhours, 0);
	void	   *order = take(&at, CommitmentOrderSize(s->ncommitments, s->use->nlines));
	int		   *scratch;
	bool	   *seen;
	CommitmentFault fault;

	j->s = s;
	if (s->step <= 0)
		return COMMITMENT_NEGATIVE;
	fault = CommitmentPrepare(order, s->use, s->commitments, s->ncommitments, &j->order);
	if (fault != COMMITMENT_FINE)
		return fault;
	j->most = take(&at, n * sizeof(int64));
	j->at = take(&at, n * sizeof(int64));
	j->best = take(&at, n * sizeof(int64));
	j->found = take(&at, n * sizeof(int64));
	memset(j->most, 0, (char *) at - (char *) j->most);
	for (int i = 0; i < s->ncommitments; i++)
	{
		CommitmentMoney step = step_of(s, i),
					most = s->free[i] ? most_useful(s, i) : 0;

		most = (most + step - 1) / step;
		if (s->commitments[i].most >= 0)
			most = Min(most, s->commitments[i].most / step);
		if (most * step > COMMITMENT_MOST_HOURLY || most > INT64_MAX / 4)
			return COMMITMENT_TOO_MUCH;
		j->most[i] = (int64) most;
	}
	m->step = take(&at, n * sizeof(double));
	m->amount = take(&at, n * sizeof(double));
	m->budget = take(&at, n * sizeof(double));
	m->rest = take(&at, n * sizeof(double));
	m->used = take(&at, n * sizeof(double));
	m->available = take(&at, n * sizeof(double));
	m->slots = take(&at, hours * sizeof(Slot));
	m->demand = take(&at, hours * lines * sizeof(double));
	m->left = take(&at, lines * sizeof(double));
	m->turns = take(&at, 2 * n * sizeof(Turn));
	m->entries = take(&at, 2 * n * lines * sizeof(Entry));
	m->group = take(&at, lines * sizeof(int));
	scratch = take(&at, 2 * lines * sizeof(int));
	seen = take(&at, lines * sizeof(bool));
	m->stride = 1;
	find_groups(j, scratch);
	find_turns(j, scratch, seen);
	fill_slots(j);
	for (int i = 0; i < s->ncommitments; i++)
	{
		const Commitment *c = &s->commitments[i];

		m->step[i] = (double) step_of(s, i) * MONEY_SCALE;
		m->amount[i] = (double) c->hourly * MONEY_SCALE;
		m->budget[i] = c->kind == COMMITMENT_RESERVATION ? (double) c->units * MONEY_SCALE : m->amount[i];
	}
	return COMMITMENT_FINE;
}

CommitmentFault
CommitmentJoint(void *memory, CommitmentSearch *s)
{
	Joint		j = {0};
	CommitmentFault fault = prepare(memory, s, &j);

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

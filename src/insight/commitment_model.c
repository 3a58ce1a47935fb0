/*-------------------------------------------------------------------------
 *
 * commitment_model.c
 *	  Demand and commitments in double, for the search.  Pure.
 *
 * Lines that every commitment treats alike are one group, whose demand is
 * money on demand; equal hours in a row are one slot.
 *
 *-------------------------------------------------------------------------
 */
#include "insight/commitment_model.h"

#include <math.h>

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

bool
CommitmentCovers(const CommitmentSearch *s, int c, int line)
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

		if (CommitmentCovers(s, c, a) != CommitmentCovers(s, c, b))
			return false;
		if (CommitmentCovers(s, c, a) && (cross(s, c, a, b) != cross(s, c, b, a) ||
			(s->use->lines[a].account == owner) != (s->use->lines[b].account == owner)))
			return false;
	}
	return (s->use->lines[a].rate == 0) == (s->use->lines[b].rate == 0);
}

static void
find_groups(JointSearch *j, int *representative)
{
	SearchModel	   *m = &j->m;

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
find_turns(JointSearch *j, int *lines, bool *seen)
{
	CommitmentSearch *s = j->s;
	SearchModel	   *m = &j->m;
	int			n = 0;

	m->nturns = 0;
	for (int kind = 0; kind < COMMITMENT_KINDS; kind++)
		for (int pass = 0; pass < 2; pass++)
			for (int c = 0; c < s->ncommitments; c++)
			{
				SearchTurn	   *turn = &m->turns[m->nturns];
				int			nown,
							nlines;

				if ((int) s->commitments[c].kind != kind)
					continue;
				nlines = CommitmentLines(j->order, c, lines, &nown);
				*turn = (SearchTurn) {c, n, 0};
				memset(seen, 0, m->ngroups * sizeof(bool));
				for (int k = pass == 0 ? 0 : nown; k < (pass == 0 ? nown : nlines); k++)
				{
					int			g = m->group[lines[k]];
					double		price;

					if (seen[g] || s->use->lines[lines[k]].rate == 0)
						continue;
					seen[g] = true;
					price = (double) s->commitments[c].rates[lines[k]];
					price /= (double) s->use->lines[lines[k]].rate;
					m->entries[n++] = (SearchEntry) {g, price, 1 / price};
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
fill_slots(JointSearch *j)
{
	CommitmentSearch *s = j->s;
	SearchModel	   *m = &j->m;

	m->nslots = 0;
	m->ondemand = 0;
	for (int64 h = 0; h < s->use->nhours; h++)
	{
		SearchSlot	   *slot = &m->slots[m->nslots];
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
		*slot = (SearchSlot) {h, weight, 0};
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
cover_slot(JointSearch *j, const SearchSlot *slot, const double *demand)
{
	const CommitmentSearch *s = j->s;
	SearchModel	   *m = &j->m;
	double		covered = 0;

	memcpy(m->left, demand, m->ngroups * sizeof(double));
	memcpy(m->rest, m->budget, s->ncommitments * sizeof(double));
	for (int t = 0; t < m->nturns; t++)
	{
		const SearchTurn *turn = &m->turns[t];
		const Commitment *c = &s->commitments[turn->commitment];
		const SearchEntry *e = m->entries + turn->first;
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
within_limits(const JointSearch *j, double covered, double ondemand)
{
	const CommitmentSearch *s = j->s;
	const CommitmentLimits *limits = &s->limits;
	const SearchModel *m = &j->m;
	double		cash = 0;

	for (int c = 0; c < s->ncommitments; c++)
	{
		if (!s->free[c])
			continue;
		if (m->used[c] < m->available[c] * (limits->least_utilisation / 1e6) * (1 - COMMITMENT_NOISE))
			return false;
		cash += m->amount[c] * (double) s->commitments[c].cash_hours;
	}
	if (limits->cash > 0 && cash > (double) limits->cash * MONEY_SCALE)
		return false;
	return limits->most_coverage == 0 || covered <= ondemand * (limits->most_coverage / 1e6);
}

double
CommitmentModelCost(JointSearch *j)
{
	const CommitmentSearch *s = j->s;
	SearchModel	   *m = &j->m;
	double		cost = 0,
				covered = 0,
				ondemand = 0;

	memset(m->used, 0, s->ncommitments * sizeof(double));
	memset(m->available, 0, s->ncommitments * sizeof(double));
	for (int64 k = 0; k < m->nslots; k += m->stride)
	{
		const SearchSlot *slot = &m->slots[k];
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

/* ---------------------------------------------------------------------
 * Layout
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
			if (CommitmentCovers(s, i, k))
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

CommitmentMoney
CommitmentStepOf(const CommitmentSearch *s, int i)
{
	return s->commitments[i].step > 0 ? s->commitments[i].step : s->step;
}

size_t
CommitmentSearchSize(const CommitmentUse *use, int ncommitments)
{
	size_t		n = Max(ncommitments, 1),
				lines = Max(use->nlines, 1),
				hours = Max(use->nhours, 1);

	return aligned(CommitmentOrderSize(ncommitments, use->nlines)) + 4 * aligned(n * sizeof(int64)) +
		6 * aligned(n * sizeof(double)) + aligned(hours * sizeof(SearchSlot)) +
		aligned(hours * lines * sizeof(double)) + aligned(lines * sizeof(double)) +
		aligned(2 * n * sizeof(SearchTurn)) + aligned(2 * n * lines * sizeof(SearchEntry)) +
		3 * aligned(lines * sizeof(int)) + aligned(lines * sizeof(bool)) + 16;
}

static void *
take(char **memory, size_t size)
{
	void	   *here = *memory;

	*memory += aligned(size);
	return here;
}

CommitmentFault
CommitmentModelBuild(void *memory, CommitmentSearch *s, JointSearch *j)
{
	char	   *at = memory;
	SearchModel	   *m = &j->m;
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
		CommitmentMoney step = CommitmentStepOf(s, i),
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
	m->slots = take(&at, hours * sizeof(SearchSlot));
	m->demand = take(&at, hours * lines * sizeof(double));
	m->left = take(&at, lines * sizeof(double));
	m->turns = take(&at, 2 * n * sizeof(SearchTurn));
	m->entries = take(&at, 2 * n * lines * sizeof(SearchEntry));
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

		m->step[i] = (double) CommitmentStepOf(s, i) * MONEY_SCALE;
		m->amount[i] = (double) c->hourly * MONEY_SCALE;
		m->budget[i] = c->kind == COMMITMENT_RESERVATION ? (double) c->units * MONEY_SCALE : m->amount[i];
	}
	return COMMITMENT_FINE;
}


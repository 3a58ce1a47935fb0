/*-------------------------------------------------------------------------
 *
 * match_subset.c
 *	  Which amounts add up to another.  Pure.
 *
 * A depth-first search over the amounts, largest first, that leaves a branch
 * when what is left cannot reach the target any more.  It ends at the second
 * solution, because a set that is not the only one proves nothing, and after
 * a number of steps, because then uniqueness is not known.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/match.h"

#include <stdlib.h>

#define MAX_STEPS	100000

typedef struct Search
{
	int			n;
	int64		amount[MATCH_SUBSET_MAX];
	int			place[MATCH_SUBSET_MAX];
	int64		rest[MATCH_SUBSET_MAX + 1]; /* sum from here on */
	int			least;
	int			most;
	int			steps;
	int			depth;
	int			chosen[MATCH_SUBSET_MAX];
	MatchSubset *found;
} Search;

typedef struct Placed
{
	int64		amount;
	int			place;
} Placed;

static int
larger_first(const void *a, const void *b)
{
	const Placed *x = a;
	const Placed *y = b;

	if (x->amount != y->amount)
		return x->amount < y->amount ? 1 : -1;
	return x->place - y->place;
}

static void
search(Search *s, int from, int64 left)
{
	if (left == 0)
	{
		if (s->depth >= s->least)
		{
			if (s->found->solutions++ == 0)
			{
				s->found->n = s->depth;
				memcpy(s->found->member, s->chosen, sizeof(int) * (size_t) s->depth);
			}
		}
		return;
	}
	if (s->depth == s->most)
		return;
	for (int i = from; i < s->n && s->found->solutions < 2; i++)
	{
		if (s->rest[i] < left)
			return;
		if (++s->steps > MAX_STEPS)
		{
			s->found->complete = false;
			return;
		}
		if (s->amount[i] > left)
			continue;
		s->chosen[s->depth++] = s->place[i];
		search(s, i + 1, left - s->amount[i]);
		s->depth--;
		if (!s->found->complete)
			return;
	}
}

static int64
common_divisor(int64 a, int64 b)
{
	while (b != 0)
	{
		int64		t = a % b;

		a = b;
		b = t;
	}
	return a;
}

/*
 * How many subsets of that size would hit a target by chance: their number,
 * spread over the sums that the amounts can make, which are multiples of
 * their common divisor.
 */
static double
chance_of(const int64 *amounts, int n, int size)
{
	double		subsets = 0;
	double		choose = 1;
	double		sum = 0;
	int64		divisor = 0;

	for (int i = 0; i < n; i++)
	{
		sum += (double) amounts[i];
		divisor = common_divisor(amounts[i], divisor);
	}
	for (int k = 1; k <= size && k <= n; k++)
	{
		choose = choose * (n - k + 1) / k;
		subsets += choose;
	}
	return divisor == 0 ? 1 : subsets * (double) divisor / sum;
}

void
MatchFindSubset(const int64 *amounts, int n, int64 target, int least, int most,
				int must, MatchSubset *found)
{
	Search		s;
	Placed		sorted[MATCH_SUBSET_MAX];
	int			count = 0;

	memset(found, 0, sizeof(*found));
	memset(&s, 0, sizeof(s));
	found->complete = n <= MATCH_SUBSET_MAX;
	if (!found->complete || target <= 0)
		return;
	for (int i = 0; i < n; i++)
		if (i != must)
		{
			sorted[count].amount = amounts[i];
			sorted[count++].place = i;
		}
	qsort(sorted, (size_t) count, sizeof(Placed), larger_first);
	s.n = count;
	for (int i = count - 1; i >= 0; i--)
	{
		s.amount[i] = sorted[i].amount;
		s.place[i] = sorted[i].place;
		if (__builtin_add_overflow(s.rest[i + 1], sorted[i].amount, &s.rest[i]))
		{
			found->complete = false;
			return;
		}
	}
	s.least = least;
	s.most = most;
	s.found = found;
	if (must >= 0)
	{
		s.chosen[s.depth++] = must;
		target -= amounts[must];
		if (target < 0)
			return;
	}
	search(&s, 0, target);
	if (found->solutions > 0)
		found->chance = chance_of(amounts, n, found->n);
}

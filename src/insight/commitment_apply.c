/*-------------------------------------------------------------------------
 *
 * commitment_apply.c
 *	  What reservations and savings plans cover, hour by hour, in the order
 *	  in which the provider applies them.  Pure.
 *
 * The order is that of AWS ("Understanding how Savings Plans apply to your
 * AWS usage"): reservations, then plans for an instance family, then plans for
 * all compute; among those of one kind the usage of the owning account before
 * that of others; a plan first where it saves the highest percentage, among
 * equal percentages where its rate is lowest.  A size-flexible reservation
 * goes to the smallest size first.  What an hour leaves unused is lost.
 *
 * Nothing is rounded but the quantity that the last of a commitment covers:
 * it is cut off after 10^-12 of a unit, and the commitment counts as used up.
 * So used + unused = available and covered + remaining = on demand, exactly.
 *
 *-------------------------------------------------------------------------
 */
#include "insight/commitment_apply.h"

#ifdef FINOPS_STANDALONE
#include <stdlib.h>
#endif

#define MOST_MONEY	(COMMITMENT_MOST_HOURLY * COMMITMENT_MOST_HOURS)

typedef struct Entry
{
	int64		rate;			/* of the plan, or units of a reservation */
	int64		ondemand;
	int			line;
	bool		foreign;		/* of another account than the owner's */
	bool		units;
} Entry;

typedef struct List
{
	int			nown;
	int			nall;
	Entry	   *entries;
} List;

struct CommitmentOrder
{
	int			ncommitments;
	List	   *lists;
	int128	   *budgets;
	CommitmentQuantity *remaining;
};

size_t
CommitmentOrderSize(int ncommitments, int nlines)
{
	return sizeof(CommitmentOrder) + (size_t) nlines * sizeof(CommitmentQuantity) +
		(size_t) ncommitments * (sizeof(List) + sizeof(int128) + (size_t) nlines * sizeof(Entry));
}

static int
compare_entries(const void *pa, const void *pb)
{
	const Entry *a = pa;
	const Entry *b = pb;

	if (a->foreign != b->foreign)
		return a->foreign ? 1 : -1;
	if (!a->units)
	{
		/* rate / ondemand: the lower it is, the more is saved */
		int128		left = (int128) a->rate * b->ondemand;
		int128		right = (int128) b->rate * a->ondemand;

		if (left != right)
			return left < right ? -1 : 1;
	}
	if (a->rate != b->rate)
		return a->rate < b->rate ? -1 : 1;
	return (a->line > b->line) - (a->line < b->line);
}

static void
make_list(List *list, const CommitmentUse *use, const Commitment *c)
{
	bool		units = c->kind == COMMITMENT_RESERVATION;

	list->nown = list->nall = 0;
	for (int i = 0; i < use->nlines; i++)
	{
		const CommitmentLine *line = &use->lines[i];
		bool		foreign = line->account != c->owner;

		if (c->rates[i] <= 0 || (!units && c->rates[i] > line->rate) || (foreign && !c->shared))
			continue;
		list->entries[list->nall++] = (Entry) {c->rates[i], line->rate, i, foreign, units};
		list->nown += !foreign;
	}
	qsort(list->entries, list->nall, sizeof(Entry), compare_entries);
}

/* Do all sums fit? */
static CommitmentFault
check_use(const CommitmentUse *use)
{
	int128		sum = 0,
				hours = 0;

	for (int i = 0; i < use->nlines; i++)
	{
		if (use->lines[i].rate < 0)
			return COMMITMENT_NEGATIVE;
	}
	if (use->nhours < 0 || use->nhours > COMMITMENT_MOST_HOURS)
		return COMMITMENT_TOO_MUCH;
	for (int64 h = 0; h < use->nhours; h++)
	{
		int64		weight = CommitmentWeight(use, h);

		if (weight < 0)
			return COMMITMENT_NEGATIVE;
		hours += weight;
		if (hours > COMMITMENT_MOST_HOURS)
			return COMMITMENT_TOO_MUCH;
		for (int i = 0; i < use->nlines; i++)
		{
			int128		quantity = use->quantities[h * use->nlines + i];
			int128		cost;

			if (quantity < 0)
				return COMMITMENT_NEGATIVE;
			if (__builtin_mul_overflow(quantity, (int128) Max(use->lines[i].rate, 1), &cost) ||
				__builtin_mul_overflow(cost, (int128) Max(weight, 1), &cost) || cost > MOST_MONEY - sum)
				return COMMITMENT_TOO_MUCH;
			sum += cost;
		}
	}
	return COMMITMENT_FINE;
}

static CommitmentFault
check_commitment(const CommitmentUse *use, const Commitment *c)
{
	if (c->hourly < 0 || c->units < 0)
		return COMMITMENT_NEGATIVE;
	if (c->hourly > COMMITMENT_MOST_HOURLY || c->units > COMMITMENT_MOST_HOURLY)
		return COMMITMENT_TOO_MUCH;
	if (c->kind != COMMITMENT_RESERVATION)
		return COMMITMENT_FINE;
	for (int64 i = 0; i < use->nhours * use->nlines; i++)
	{
		int128		units;

		if (__builtin_mul_overflow(use->quantities[i], (int128) Max(c->rates[i % use->nlines], 0), &units))
			return COMMITMENT_TOO_MUCH;
	}
	return COMMITMENT_FINE;
}

CommitmentFault
CommitmentPrepare(void *memory, CommitmentUse *use, const Commitment *commitments, int ncommitments,
				  CommitmentOrder **order)
{
	CommitmentOrder *o = memory;
	CommitmentFault fault = check_use(use);
	Entry	   *entries;

	for (int i = 0; i < ncommitments && fault == COMMITMENT_FINE; i++)
		fault = check_commitment(use, &commitments[i]);
	if (fault != COMMITMENT_FINE)
		return fault;
	o->ncommitments = ncommitments;
	o->remaining = (CommitmentQuantity *) (o + 1);
	o->budgets = o->remaining + use->nlines;
	o->lists = (List *) (o->budgets + ncommitments);
	entries = (Entry *) (o->lists + ncommitments);
	for (int i = 0; i < ncommitments; i++)
	{
		o->lists[i].entries = entries + (size_t) i * use->nlines;
		make_list(&o->lists[i], use, &commitments[i]);
	}
	*order = o;
	return COMMITMENT_FINE;
}

int
CommitmentLines(const CommitmentOrder *order, int i, int *lines, int *nown)
{
	const List *list = &order->lists[i];

	*nown = list->nown;
	for (int k = 0; k < list->nall; k++)
		lines[k] = list->entries[k].line;
	return list->nall;
}

/* Spend a budget on entries; what the covered usage costs on demand is returned. */
static CommitmentMoney
spend(const Entry *entries, int nentries, CommitmentQuantity *remaining, int128 *budget)
{
	CommitmentMoney covered = 0;

	for (int k = 0; k < nentries && *budget > 0; k++)
	{
		const Entry *e = &entries[k];
		CommitmentQuantity quantity = remaining[e->line];
		int128		cost = quantity * e->rate;

		if (cost > *budget)
		{
			quantity = *budget / e->rate;
			cost = *budget;
		}
		*budget -= cost;
		remaining[e->line] -= quantity;
		covered += quantity * e->ondemand;
	}
	return covered;
}

static void
apply_kind(CommitmentOrder *order, Commitment *commitments, CommitmentKind kind, int64 weight)
{
	for (int pass = 0; pass < 2; pass++)
	{
		for (int i = 0; i < order->ncommitments; i++)
		{
			const List *list = &order->lists[i];
			int			first = pass == 0 ? 0 : list->nown;
			int			last = pass == 0 ? list->nown : list->nall;

			if (commitments[i].kind == kind && order->budgets[i] > 0)
				commitments[i].covered += spend(list->entries + first, last - first,
												order->remaining, &order->budgets[i]) * weight;
		}
	}
}

void
CommitmentApply(CommitmentOrder *order, CommitmentUse *use, Commitment *commitments,
				FinopsInterrupt interrupt)
{
	use->ondemand = use->remaining = 0;
	for (int i = 0; i < order->ncommitments; i++)
		commitments[i].fee = commitments[i].available = commitments[i].used = commitments[i].covered = 0;
	for (int64 h = 0; h < use->nhours; h++)
	{
		const CommitmentQuantity *quantities = use->quantities + h * use->nlines;
		int64		weight = CommitmentWeight(use, h);

		if (interrupt && h % 64 == 0)
			interrupt();
		for (int i = 0; i < use->nlines; i++)
		{
			order->remaining[i] = quantities[i];
			use->ondemand += quantities[i] * use->lines[i].rate * weight;
		}
		for (int i = 0; i < order->ncommitments; i++)
		{
			Commitment *c = &commitments[i];
			bool		valid = h >= c->from && h < c->upto;

			order->budgets[i] = !valid ? 0 : c->kind == COMMITMENT_RESERVATION ? c->units : c->hourly;
			c->available += order->budgets[i] * weight;
			c->used += order->budgets[i] * weight;
			c->fee += valid ? c->hourly * weight : 0;
		}
		for (int kind = 0; kind < COMMITMENT_KINDS; kind++)
			apply_kind(order, commitments, kind, weight);
		for (int i = 0; i < order->ncommitments; i++)
			commitments[i].used -= order->budgets[i] * weight;
		for (int i = 0; i < use->nlines; i++)
		{
			use->remaining += order->remaining[i] * use->lines[i].rate * weight;
			if (use->left)
				use->left[h * use->nlines + i] = order->remaining[i];
		}
	}
}

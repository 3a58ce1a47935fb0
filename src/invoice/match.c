/*-------------------------------------------------------------------------
 *
 * match.c
 *	  The ladder from payments to invoices.  Pure.
 *
 * Three kinds of evidence count: a number in the text, the amount, and who
 * paid.  Two that agree are enough where none speaks against them; one alone
 * never is.  The steps go from strong to weak over all payments each, so that
 * a payment that is sure takes its invoice before one that guesses:
 *
 *	reference	the number is in the text, and the amount or the payer agrees
 *	near		the number is there with slips or in part, the amount agrees
 *	together	one set of the payer's payments has the sum of one invoice
 *	exact		the payer has one open invoice of that amount
 *	subset		one set of the payer's open invoices has that sum
 *	oldest		by the tenant's policy
 *
 * What contradicts stops a payment: the number of a settled invoice is a
 * duplicate before it is a slip; an invoice that another number of the text,
 * another amount or another payer points at as well is a suggestion.  A set
 * found by search counts only when it is the only one and chance would
 * hardly make one, which small round prices do easily.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/match.h"

#define FAR				9		/* no number in the text comes near */
#define CANDIDATES		256		/* invoices of one amount looked at */
#define OPEN_MAX		400		/* invoices of one tenant looked at */
#define SUBSET_MOST		8
#define TOGETHER_MOST	4
#define BARE_SHORT		6		/* digits that many a text has by chance */

typedef enum State
{
	STATE_FREE,
	STATE_REFERRED,				/* the text says something: no guessing */
	STATE_SUGGESTED,
	STATE_DONE
} State;

typedef struct Ladder
{
	const MatchInput *in;
	MatchIndex *ix;
	MatchOutput *out;
	int64	   *left;			/* of each payment */
	int32	   *repeats;		/* an earlier payment like this one, or -1 */
	char	   *state;
	bool	   *doubtful;		/* may be a part of what adds up with others */
} Ladder;

/* What speaks for an invoice in the text. */
typedef struct Evidence
{
	int			distance;		/* 0 to 2, or FAR */
	int			keylen;
	int			tail;
	int			head;
} Evidence;

/* A payment at one step of the ladder. */
typedef struct Case
{
	int32		p;
	const MatchPayment *payment;
	int64		amount;
	MatchText	text;
	MatchPayer	payer;
} Case;

static const char *const rule_names[] = {
	"named", "reference", "near", "exact", "subset", "together", "oldest"
};

static const char *const reason_texts[] = {
	"", "the invoice it names is settled already", "the reference fits, the amount does not",
	"the reference is of another tenant than the payer", "more than one invoice fits",
	"too little speaks for it", "the invoice it names is in another currency",
	"the document it names cannot be paid"
};

const char *
MatchRuleName(MatchRule rule)
{
	return rule_names[rule];
}

const char *
MatchReasonText(MatchReason reason)
{
	return reason_texts[reason];
}

static MatchResult *
add_result(Ladder *l, int32 payment, int32 invoice)
{
	MatchOutput *out = l->out;

	if (out->n == out->size)
	{
		int32		size = Max(1024, out->size * 2);
		MatchResult *more = l->in->allocate(l->in->arg, (size_t) size * sizeof(MatchResult));

		if (out->n > 0)
			memcpy(more, out->results, (size_t) out->n * sizeof(MatchResult));
		out->results = more;
		out->size = size;
	}
	memset(&out->results[out->n], 0, sizeof(MatchResult));
	out->results[out->n].payment = payment;
	out->results[out->n].invoice = invoice;
	return &out->results[out->n++];
}

static void
apply(Ladder *l, const Case *c, int32 invoice, int64 amount, MatchRule rule)
{
	MatchResult *r = add_result(l, c->p, invoice);

	r->amount = amount;
	r->rule = rule;
	l->in->invoices[invoice].open -= amount;
	l->in->invoices[invoice].last = amount;
	l->left[c->p] -= amount;
	l->state[c->p] = STATE_DONE;
}

static void
suggest(Ladder *l, const Case *c, int32 invoice, MatchReason reason)
{
	add_result(l, c->p, invoice)->reason = reason;
	l->in->invoices[invoice].contested = true;
	l->state[c->p] = STATE_SUGGESTED;
}

static bool
is_payer(const MatchPayer *payer, int32 tenant)
{
	for (int i = 0; i < payer->n; i++)
		if (payer->tenant[i] == tenant)
			return true;
	return false;
}

static bool
name_agrees(const Ladder *l, const MatchPayment *payment, int32 tenant)
{
	char		sorted[2][MATCH_NAME_MAX];
	char		plain[2][MATCH_NAME_MAX];

	if (payment->name == NULL || l->in->tenants[tenant].name == NULL)
		return false;
	if (MatchName(payment->name, sorted[0], plain[0]) == 0 ||
		MatchName(l->in->tenants[tenant].name, sorted[1], plain[1]) == 0)
		return false;
	return strcmp(sorted[0], sorted[1]) == 0 || MatchNamesAlike(plain[0], plain[1]);
}

/* Whether the one who paid is that tenant, by account or by name. */
static bool
is_mine(const Ladder *l, const Case *c, int32 tenant)
{
	if (c->payer.n > 0)
		return is_payer(&c->payer, tenant);
	return name_agrees(l, c->payment, tenant);
}

/* Short by no more than a bank charges. */
static bool
is_fee(const Ladder *l, int64 amount, int64 open, int32 tenant)
{
	return amount < open && open - amount <= l->in->tenants[tenant].fee_limit && open - amount <= open / 5;
}

static Evidence
evidence_of(const Ladder *l, int32 invoice, const MatchText *text)
{
	Evidence	e = {FAR, 0, 0, 0};

	for (int which = 0; which < 2 && text->len > 0; which++)
	{
		int			len;
		const char *key = MatchKey(l->ix, invoice, which, &len);
		int			limit = len >= 8 ? 2 : len >= 6 ? 1 : 0;
		int			distance;
		int			tail;
		int			head;

		if (len < 3)
			continue;
		distance = len < 5 ? FAR : MatchDistance(key, len, text, limit);
		if (distance > limit)
			distance = FAR;
		if (distance < e.distance)
		{
			e.distance = distance;
			e.keylen = len;
		}
		MatchPart(key, len, text, &tail, &head);
		e.tail = Max(e.tail, tail);
		e.head = Max(e.head, head);
	}
	return e;
}

/* A number without letters, which may as well be a date or a customer's number. */
static bool
is_bare_number(const Ladder *l, int32 invoice, int *len)
{
	const char *key = MatchKey(l->ix, invoice, 0, len);

	for (int i = 0; i < *len; i++)
		if (key[i] < '0' || key[i] > '9')
			return false;
	return true;
}

static bool
can_be_paid(const MatchInvoice *i, const Case *c)
{
	return i->payable && i->open > 0 && i->currency == c->payment->currency;
}

/*
 * Another invoice of these tenants that has the amount and, unless any will
 * do, a number close to the text.
 */
static int32
rival_of_tenants(const Ladder *l, const Case *c, const int32 *tenants, int ntenants,
				 int32 but, bool any)
{
	for (int t = 0; t < ntenants; t++)
	{
		int			n;
		const int32 *of = MatchOfTenant(l->ix, tenants[t], &n);

		for (int i = 0; i < Min(n, OPEN_MAX); i++)
		{
			const MatchInvoice *invoice = &l->in->invoices[of[i]];

			if (of[i] != but && invoice->open == c->amount && can_be_paid(invoice, c) &&
				(any || evidence_of(l, of[i], &c->text).distance <= 2))
				return of[i];
		}
	}
	return -1;
}

/* Whether an invoice of that amount has a number close to the text. */
static bool
has_rival_of_amount(const Ladder *l, const Case *c, int32 but)
{
	int			n;
	const int32 *of = MatchOfAmount(l->ix, c->payment->currency, c->amount, &n);

	if (n > CANDIDATES)
		return true;
	for (int i = 0; i < n; i++)
		if (of[i] != but && evidence_of(l, of[i], &c->text).distance <= 2)
			return true;
	return false;
}

static void
learn(Ladder *l, const Case *c, int32 tenant)
{
	bool		agrees;

	if (c->payment->account == NULL || c->payer.conflict ||
		(c->payer.n > 0 && !is_payer(&c->payer, tenant)))
		return;
	agrees = name_agrees(l, c->payment, tenant);
	if (c->payment->name != NULL && !agrees)
		return;
	l->out->results[l->out->n - 1].learned = MatchLearn(l->ix, c->payment->account, tenant, agrees);
}

/*
 * Open invoices of a tenant in the payment's currency, at most as many as a
 * search takes; their number, or -1 when there are more.
 */
static int
open_of_tenant(const Ladder *l, const Case *c, int32 tenant, int32 *place,
			   int64 *amount)
{
	int			n;
	int			count = 0;
	const int32 *of = MatchOfTenant(l->ix, tenant, &n);

	for (int i = 0; i < n; i++)
	{
		const MatchInvoice *invoice = &l->in->invoices[of[i]];

		if (!can_be_paid(invoice, c))
			continue;
		if (count == MATCH_SUBSET_MAX)
			return -1;
		place[count] = of[i];
		amount[count++] = invoice->open;
	}
	return count;
}

static bool
apply_subset(Ladder *l, const Case *c, int32 tenant, int32 must, double chance,
			 bool contested, MatchRule rule)
{
	int32		place[MATCH_SUBSET_MAX];
	int64		amount[MATCH_SUBSET_MAX];
	MatchSubset found;
	int			at = -1;
	int			n = open_of_tenant(l, c, tenant, place, amount);

	if (n < 2)
		return false;
	for (int i = 0; must >= 0 && i < n; i++)
		if (place[i] == must)
			at = i;
	if (must >= 0 && at < 0)
		return false;
	MatchFindSubset(amount, n, c->amount, 2, SUBSET_MOST, at, &found);
	if (found.solutions != 1 || !found.complete || found.chance > chance)
		return false;
	for (int i = 0; i < found.n; i++)
		if (l->in->invoices[place[found.member[i]]].contested && !contested)
			return false;
	for (int i = 0; i < found.n; i++)
		apply(l, c, place[found.member[i]], amount[found.member[i]], rule);
	return true;
}

/* ---------------------------------------------------------------------
 * The number is in the text
 * ---------------------------------------------------------------------
 */

/*
 * The text has the number of somebody else's invoice, of another amount: a
 * slip, when the payer has one open invoice of the amount with nearly that
 * number.
 */
static bool
pays_own_instead(Ladder *l, const Case *c, int32 named)
{
	int32		own;

	if (c->payer.level < 1 || is_payer(&c->payer, l->in->invoices[named].tenant))
		return false;
	own = rival_of_tenants(l, c, c->payer.tenant, c->payer.n, -1, false);
	if (own < 0 || rival_of_tenants(l, c, c->payer.tenant, c->payer.n, own, false) >= 0)
		return false;
	apply(l, c, own, c->amount, MATCH_NEAR);
	return true;
}

static void
one_reference(Ladder *l, const Case *c, int32 i)
{
	MatchInvoice *invoice = &l->in->invoices[i];
	bool		mine = is_mine(l, c, invoice->tenant);
	bool		unknown = c->payer.n == 0 && c->payment->name == NULL;
	int			len;
	bool		bare = is_bare_number(l, i, &len);
	int			of_amount;
	int32		rival;

	if (c->amount == invoice->open)
	{
		rival = mine ? -1 : rival_of_tenants(l, c, c->payer.tenant, c->payer.n, i, bare);
		(void) MatchOfAmount(l->ix, c->payment->currency, c->amount, &of_amount);
		if (rival < 0 && !mine && bare && len < BARE_SHORT && of_amount > 2)
			suggest(l, c, i, MATCH_WHY_WEAK);
		else if (rival < 0)
		{
			apply(l, c, i, c->amount, MATCH_REFERENCE);
			learn(l, c, invoice->tenant);
		}
		else
		{
			suggest(l, c, i, MATCH_WHY_PAYER);
			suggest(l, c, rival, MATCH_WHY_PAYER);
		}
	}
	else if (mine && invoice->last == c->amount)
		suggest(l, c, i, MATCH_WHY_SETTLED);
	else if (mine)
	{
		rival = rival_of_tenants(l, c, &invoice->tenant, 1, i, true);
		if (rival >= 0)
		{
			suggest(l, c, i, MATCH_WHY_SEVERAL);
			suggest(l, c, rival, MATCH_WHY_SEVERAL);
		}
		else if (c->amount < invoice->open ||
				 !apply_subset(l, c, invoice->tenant, i, 0.05, true, MATCH_REFERENCE))
			apply(l, c, i, Min(c->amount, invoice->open), MATCH_REFERENCE);
	}
	else if (unknown && is_fee(l, c->amount, invoice->open, invoice->tenant) &&
			 !has_rival_of_amount(l, c, i))
		apply(l, c, i, c->amount, MATCH_REFERENCE);
	else if (!pays_own_instead(l, c, i))
		suggest(l, c, i, c->payer.n > 0 ? MATCH_WHY_PAYER : MATCH_WHY_AMOUNT);
}

static void
many_references(Ladder *l, const Case *c, const int32 *hit, int n)
{
	int64		amount[MATCH_HITS];
	int64		sum = 0;
	int64		rest = c->amount;
	MatchSubset found;
	bool		mine = true;

	for (int i = 0; i < n; i++)
	{
		const MatchInvoice *invoice = &l->in->invoices[hit[i]];

		amount[i] = invoice->open;
		mine = mine && is_mine(l, c, invoice->tenant) && invoice->tenant == l->in->invoices[hit[0]].tenant;
		if (__builtin_add_overflow(sum, amount[i], &sum))
			return;
	}
	MatchFindSubset(amount, n, c->amount, 1, n, -1, &found);
	if (sum == c->amount || (mine && is_fee(l, c->amount, sum, l->in->invoices[hit[0]].tenant)))
	{
		for (int i = 0; i < n && rest > 0; i++)
		{
			apply(l, c, hit[i], Min(rest, amount[i]), MATCH_REFERENCE);
			rest -= Min(rest, amount[i]);
		}
	}
	else if (mine && found.solutions == 1 && found.complete && found.chance <= 0.05)
	{
		for (int i = 0; i < found.n; i++)
			apply(l, c, hit[found.member[i]], amount[found.member[i]], MATCH_REFERENCE);
	}
	else
		for (int i = 0; i < Min(n, 3); i++)
			suggest(l, c, hit[i], MATCH_WHY_AMOUNT);
}

static void
step_reference(Ladder *l, Case *c)
{
	MatchHits	hits;
	int32		open[MATCH_HITS];
	int			n = 0;
	MatchReason why = MATCH_WHY_NONE;
	int32		first = -1;

	MatchFindKeys(l->ix, &c->text, &hits);
	for (int i = 0; i < hits.n; i++)
	{
		const MatchInvoice *invoice = &l->in->invoices[hits.invoice[i]];

		if (can_be_paid(invoice, c))
			open[n++] = hits.invoice[i];
		else if (first < 0)
		{
			first = hits.invoice[i];
			why = !invoice->payable ? MATCH_WHY_VOID :
				invoice->open > 0 ? MATCH_WHY_CURRENCY : MATCH_WHY_SETTLED;
		}
	}
	if (n == 1 && (first < 0 || l->in->invoices[open[0]].open == c->amount))
		one_reference(l, c, open[0]);
	else if (n > 0)
		many_references(l, c, open, n);
	else if (first >= 0 && (why != MATCH_WHY_SETTLED || !pays_own_instead(l, c, first)))
		suggest(l, c, first, why);
}

/* A payment that names its invoice pays that, or nothing. */
static void
step_named(Ladder *l, Case *c)
{
	const MatchInvoice *invoice;

	if (c->payment->invoice < 0)
		return;
	invoice = &l->in->invoices[c->payment->invoice];
	if (can_be_paid(invoice, c))
		apply(l, c, c->payment->invoice, Min(c->amount, invoice->open), MATCH_NAMED);
	else
		suggest(l, c, c->payment->invoice,
				!invoice->payable ? MATCH_WHY_VOID :
				invoice->open > 0 ? MATCH_WHY_CURRENCY : MATCH_WHY_SETTLED);
}

/* ---------------------------------------------------------------------
 * The number is there with slips, or in part
 * ---------------------------------------------------------------------
 */
typedef struct Nearest
{
	int32		exact;			/* of the amount, open: the closest number */
	Evidence	of_exact;
	int			exact_same;		/* others of the amount as close */
	int			settled;		/* least distance of settled ones of the amount */
	int32		other;			/* the closest of another amount, open */
	int			others;			/* its distance */
	int			other_part;		/* longest part that invoices of other amounts show */
	int32		by_part;		/* of the amount, open: the longest part */
	int			of_part;
	int			part_tail;
	int			same_part;
} Nearest;

static void
weigh(const Ladder *l, const Case *c, int32 i, Nearest *near)
{
	const MatchInvoice *invoice = &l->in->invoices[i];
	Evidence	e;
	int			part;

	if (invoice->currency != c->payment->currency)
		return;
	e = evidence_of(l, i, &c->text);
	part = Max(e.tail, e.head);
	if (invoice->open == 0 && invoice->asked == c->amount)
		near->settled = Min(near->settled, e.distance < FAR ? e.distance : part >= 5 ? 2 : FAR);
	else if (invoice->open != c->amount || !can_be_paid(invoice, c))
	{
		if (e.distance < near->others)
		{
			near->others = e.distance;
			near->other = can_be_paid(invoice, c) && !invoice->contested ? i : -1;
		}
		near->other_part = Max(near->other_part, part);
	}
	else
	{
		if (e.distance < FAR && e.distance == near->of_exact.distance)
			near->exact_same++;
		else if (e.distance < near->of_exact.distance)
		{
			near->exact = i;
			near->of_exact = e;
			near->exact_same = 0;
		}
		if (part >= 3 && part == near->of_part)
			near->same_part++;
		else if (part >= 3 && part > near->of_part)
		{
			near->by_part = i;
			near->of_part = part;
			near->part_tail = e.tail;
			near->same_part = 0;
		}
	}
}

/*
 * Of the payer's invoices the amount decides: numbers of other amounts may be
 * as close.  Not so where one was settled by that amount: a duplicate.
 */
static bool
near_of_payer(Ladder *l, const Case *c, const Nearest *near)
{
	if (near->exact >= 0)
	{
		if (near->exact_same > 0 || near->settled <= near->of_exact.distance ||
			l->in->invoices[near->exact].contested)
			suggest(l, c, near->exact, near->settled < FAR ? MATCH_WHY_SETTLED : MATCH_WHY_SEVERAL);
		else
		{
			apply(l, c, near->exact, c->amount, MATCH_NEAR);
			learn(l, c, l->in->invoices[near->exact].tenant);
		}
		return true;
	}
	if (near->settled < FAR)
	{
		l->state[c->p] = STATE_REFERRED;
		return true;
	}
	if (near->by_part >= 0 && near->same_part == 0 && !l->in->invoices[near->by_part].contested &&
		(near->other_part < near->of_part || near->part_tail >= 5))
	{
		apply(l, c, near->by_part, c->amount, MATCH_NEAR);
		return true;
	}
	if (near->others <= 1 && near->other >= 0 &&
		is_fee(l, c->amount, l->in->invoices[near->other].open, l->in->invoices[near->other].tenant) &&
		rival_of_tenants(l, c, c->payer.tenant, c->payer.n, near->other, true) < 0)
	{
		apply(l, c, near->other, c->amount, MATCH_NEAR);
		return true;
	}
	return false;
}

/* Nobody knows who paid: the number must be close, and the amount rare. */
static void
near_of_anybody(Ladder *l, const Case *c, const Nearest *near, int of_amount)
{
	int32		i = near->exact >= 0 ? near->exact : near->by_part;
	int			distance = near->of_exact.distance;
	bool		agrees;

	if (i < 0)
		return;
	agrees = name_agrees(l, c->payment, l->in->invoices[i].tenant);
	if (near->settled <= (near->exact >= 0 ? distance : 2) || l->in->invoices[i].contested ||
		(near->exact >= 0 ? near->exact_same : near->same_part) > 0)
		suggest(l, c, i, MATCH_WHY_SEVERAL);
	else if (c->payer.n == 0 &&
			 (near->exact >= 0 ?
			  agrees || (near->of_exact.keylen >= 8 && of_amount <= (distance <= 1 ? 20 : 5)) :
			  near->part_tail >= 5 && (agrees || (near->part_tail >= 6 && of_amount <= 5))))
		apply(l, c, i, c->amount, MATCH_NEAR);
	else if (near->exact >= 0 || near->part_tail >= 5)
		suggest(l, c, i, c->payer.n > 0 ? MATCH_WHY_PAYER : MATCH_WHY_WEAK);
}

static void
step_near(Ladder *l, Case *c)
{
	static const Nearest nothing = {-1, {FAR, 0, 0, 0}, 0, FAR, -1, FAR, 0, -1, 0, 0, 0};
	Nearest		near = nothing;
	int			n;
	const int32 *of;

	if (c->text.len == 0)
		return;
	for (int t = 0; t < c->payer.n; t++)
	{
		of = MatchOfTenant(l->ix, c->payer.tenant[t], &n);
		for (int i = 0; i < Min(n, OPEN_MAX); i++)
			weigh(l, c, of[i], &near);
	}
	if (c->payer.n > 0 && c->payer.level >= 1 && near_of_payer(l, c, &near))
		return;
	near = nothing;
	of = MatchOfAmount(l->ix, c->payment->currency, c->amount, &n);
	for (int i = 0; n <= CANDIDATES && i < n; i++)
		weigh(l, c, of[i], &near);
	near_of_anybody(l, c, &near, n);
}

/* ---------------------------------------------------------------------
 * No number: who paid, and how much
 * ---------------------------------------------------------------------
 */
/* Whether the text says that it pays a part. */
static bool
says_part(const MatchText *text)
{
	static const char *const words[] = {
		"INSTALMENT", "INSTALLMENT", "PARTIAL", "PARTPAYMENT", "TEILZAHLUNG", "TEILBETRAG", "ABSCHLAG",
		"ANZAHLUNG", "RATENZAHLUNG", "ACOMPTE", "ACCONTO", "ONACCOUNT", "DEPOSIT"
	};

	for (int i = 0; i < (int) lengthof(words); i++)
		if (strstr(text->plain, words[i]) != NULL)
			return true;
	return false;
}

static void
step_exact(Ladder *l, Case *c)
{
	int32		fits[3];
	int			n = 0;
	int			open = 0;
	int			of_amount;

	if (c->payer.level < 1)
		return;
	for (int t = 0; t < c->payer.n; t++)
	{
		int			count;
		const int32 *of = MatchOfTenant(l->ix, c->payer.tenant[t], &count);

		for (int i = 0; i < count; i++)
		{
			const MatchInvoice *invoice = &l->in->invoices[of[i]];

			if (!can_be_paid(invoice, c))
				continue;
			open++;
			if (invoice->open == c->amount && n < 3)
				fits[n++] = of[i];
		}
	}
	if (n == 0)
		return;
	(void) MatchOfAmount(l->ix, c->payment->currency, c->amount, &of_amount);
	/* a part has the amount of another invoice by chance; a last part is what is left of one */
	if (n == 1 && (l->doubtful[c->p] ||
				   (says_part(&c->text) &&
					l->in->invoices[fits[0]].open == l->in->invoices[fits[0]].total)))
		suggest(l, c, fits[0], MATCH_WHY_WEAK);
	/* a name alone may be somebody else's, who owes as much by chance */
	else if (n == 1 && !l->in->invoices[fits[0]].contested && (c->payer.level >= 2 || c->payer.n == 1) &&
		(c->payer.level >= 2 || (double) of_amount * open <= 0.02 * l->in->ninvoices || of_amount <= 2))
		apply(l, c, fits[0], c->amount, MATCH_EXACT);
	else if (n > 1 && c->payer.n == 1 && l->in->tenants[c->payer.tenant[0]].oldest_first)
		apply(l, c, fits[0], c->amount, MATCH_OLDEST);
	else
		for (int i = 0; i < n; i++)
			suggest(l, c, fits[i], n > 1 ? MATCH_WHY_SEVERAL : MATCH_WHY_WEAK);
}

static void
step_subset(Ladder *l, Case *c)
{
	if (c->payer.level >= 1 && c->payer.n == 1)
		(void) apply_subset(l, c, c->payer.tenant[0], -1, c->payer.level >= 2 ? 0.02 : 0.005, false,
							MATCH_SUBSET_RULE);
}

static void
step_oldest(Ladder *l, Case *c)
{
	int			n;
	const int32 *of;

	if (c->payer.level < 2 || c->payer.n != 1 || !l->in->tenants[c->payer.tenant[0]].oldest_first)
		return;
	of = MatchOfTenant(l->ix, c->payer.tenant[0], &n);
	for (int i = 0; i < n && l->left[c->p] > 0; i++)
		if (can_be_paid(&l->in->invoices[of[i]], c))
			apply(l, c, of[i], Min(l->left[c->p], l->in->invoices[of[i]].open), MATCH_OLDEST);
}

/* What a person may look at: few invoices of the amount, or the payer's. */
static void
step_suggest(Ladder *l, Case *c)
{
	int			n;
	const int32 *of = MatchOfAmount(l->ix, c->payment->currency, c->amount, &n);

	for (int i = 0; n <= 3 && i < n; i++)
		if (can_be_paid(&l->in->invoices[of[i]], c))
			suggest(l, c, of[i], MATCH_WHY_WEAK);
}

static void
step(Ladder *l, void (*decide) (Ladder *, Case *), bool referred)
{
	for (int32 p = 0; p < l->in->npayments; p++)
	{
		Case		c;

		if (l->left[p] <= 0 || l->state[p] >= STATE_SUGGESTED || (l->state[p] == STATE_REFERRED && !referred))
			continue;
		/* what was not clear the first time is not clearer the second */
		if (l->repeats[p] >= 0 && l->state[l->repeats[p]] != STATE_DONE)
			continue;
		c.p = p;
		c.payment = &l->in->payments[p];
		c.amount = l->left[p];
		MatchFold(c.payment->text != NULL ? c.payment->text : "", &c.text);
		MatchFindPayer(l->ix, c.payment, &c.payer);
		decide(l, &c);
		if (l->in->interrupt != NULL && p % 1024 == 1023)
			l->in->interrupt();
	}
}

/* ---------------------------------------------------------------------
 * Several payments, one invoice
 * ---------------------------------------------------------------------
 */
typedef struct Group
{
	int32		first;			/* payment, -1 for none */
	int32		n;
} Group;

static void
pay_together(Ladder *l, const Case *cases, int n, int32 tenant)
{
	int32		place[MATCH_SUBSET_MAX];
	int64		open[MATCH_SUBSET_MAX];
	int64		amount[MATCH_SUBSET_MAX];
	MatchSubset one = {0};
	MatchSubset found;
	int			invoices = open_of_tenant(l, &cases[0], tenant, place, open);
	int			at = -1;

	for (int i = 0; i < n; i++)
		amount[i] = cases[i].amount;
	for (int i = 0; i < invoices; i++)
	{
		MatchFindSubset(amount, n, open[i], 2, TOGETHER_MOST, -1, &found);
		for (int j = 0; j < found.n; j++)
			l->doubtful[cases[found.member[j]].p] = true;
		if (!found.complete || found.solutions > 1 || (found.solutions == 1 && at >= 0))
			return;
		if (found.solutions == 1)
		{
			at = i;
			one = found;
		}
	}
	if (at < 0 || l->in->invoices[place[at]].contested || one.chance * invoices > 0.02)
		return;
	for (int i = 0; i < one.n; i++)
	{
		const Case *c = &cases[one.member[i]];

		if (rival_of_tenants(l, c, &tenant, 1, -1, true) < 0)
			continue;
		/* one of them has an invoice of its own amount: either may be meant */
		for (int j = 0; j < one.n; j++)
			suggest(l, &cases[one.member[j]], place[at], MATCH_WHY_SEVERAL);
		return;
	}
	for (int i = 0; i < n; i++)
		l->doubtful[cases[i].p] = false;
	for (int i = 0; i < one.n; i++)
		apply(l, &cases[one.member[i]], place[at], amount[one.member[i]], MATCH_TOGETHER);
}

static void
step_together(Ladder *l)
{
	const MatchInput *in = l->in;
	Group	   *groups = in->allocate(in->arg, (size_t) Max(in->ntenants, 1) * sizeof(Group));
	int32	   *next = in->allocate(in->arg, (size_t) Max(in->npayments, 1) * sizeof(int32));
	Case	   *cases = in->allocate(in->arg, MATCH_SUBSET_MAX * sizeof(Case));

	for (int32 t = 0; t < in->ntenants; t++)
		groups[t].first = -1;
	for (int32 p = in->npayments - 1; p >= 0; p--)
	{
		MatchPayer	payer;

		if (l->left[p] <= 0 || l->state[p] != STATE_FREE)
			continue;
		MatchFindPayer(l->ix, &in->payments[p], &payer);
		if (payer.level < 1 || payer.n != 1)
			continue;
		next[p] = groups[payer.tenant[0]].first;
		groups[payer.tenant[0]].first = p;
		groups[payer.tenant[0]].n++;
	}
	for (int32 t = 0; t < in->ntenants; t++)
	{
		int			n = 0;

		if (groups[t].n < 2 || groups[t].n > MATCH_SUBSET_MAX)
			continue;
		for (int32 p = groups[t].first; p >= 0; p = next[p])
			if (n == 0 || in->payments[p].currency == cases[0].payment->currency)
			{
				cases[n].p = p;
				cases[n].payment = &in->payments[p];
				cases[n++].amount = l->left[p];
			}
		pay_together(l, cases, n, t);
		if (in->interrupt != NULL)
			in->interrupt();
	}
}

void
MatchRun(const MatchInput *input, MatchOutput *output)
{
	Ladder		l = {0};

	memset(output, 0, sizeof(*output));
	l.in = input;
	l.out = output;
	l.ix = MatchBuildIndex(input);
	l.left = input->allocate(input->arg, (size_t) Max(input->npayments, 1) * sizeof(int64));
	l.state = input->allocate(input->arg, (size_t) Max(input->npayments, 1));
	l.doubtful = input->allocate(input->arg, (size_t) Max(input->npayments, 1) * sizeof(bool));
	l.repeats = input->allocate(input->arg, (size_t) Max(input->npayments, 1) * sizeof(int32));
	for (int32 p = 0; p < input->npayments; p++)
		l.left[p] = input->payments[p].amount;
	MatchFindRepeats(input, l.repeats);
	step(&l, step_named, true);
	step(&l, step_reference, true);
	step(&l, step_near, true);
	step_together(&l);
	step(&l, step_exact, false);
	step(&l, step_subset, false);
	step_together(&l);
	step(&l, step_oldest, false);
	step(&l, step_suggest, true);
}

/*-------------------------------------------------------------------------
 *
 * match.h
 *	  Which payment pays which invoices.  Pure.
 *
 * Amounts are in minor units of their currency.  Invoices, payments and
 * tenants are known by their place in the arrays that are handed in.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_MATCH_H
#define FINOPS_MATCH_H

#include "core/pure.h"

/* ---------------------------------------------------------------------
 * Text as evidence, match_text.c
 * ---------------------------------------------------------------------
 */
#define MATCH_TEXT_MAX	1024	/* folded characters of a remittance text */
#define MATCH_KEY_MAX	63		/* folded characters of an invoice number */
#define MATCH_NAME_MAX	128

/*
 * Letters and digits only, upper case, with characters that scanners and
 * typists confuse made one: O and 0, I, L and 1, S and 5, B and 8, Z and 2.
 */
typedef struct MatchText
{
	int			len;
	char		c[MATCH_TEXT_MAX + 1];
	char		plain[MATCH_TEXT_MAX + 1];	/* in upper case only */
	bool		gap[MATCH_TEXT_MAX + 1];	/* something else stood before it */
	bool		digit[MATCH_TEXT_MAX + 1];	/* it was a digit as written */
} MatchText;

extern void MatchFold(const char *s, MatchText *text);
extern void MatchFoldMore(const char *s, MatchText *text);	/* after a gap */

/* Edits that make a part of the text the key; more than limit is limit + 1. */
extern int	MatchDistance(const char *key, int keylen, const MatchText *text,
						  int limit);

/*
 * How much of the key a text shows that was cut: the characters of its end
 * that stand as a word, where a tail of digits counts without its leading
 * zeros, and those of its beginning before a break.
 */
extern void MatchPart(const char *key, int keylen, const MatchText *text,
					  int *tail, int *head);

/* Names without legal forms, accents and order of words; buf of NAME_MAX. */
extern int	MatchName(const char *name, char *sorted, char *in_order);
extern bool MatchNamesAlike(const char *a, const char *b);
extern int	MatchAccount(const char *account, char *buf, int size);

/* ---------------------------------------------------------------------
 * Subsets, match_subset.c
 * ---------------------------------------------------------------------
 */
#define MATCH_SUBSET_MAX	40	/* amounts searched at most */

typedef struct MatchSubset
{
	int			solutions;		/* 0, 1, or 2 for more than one */
	bool		complete;		/* the search was not cut short */
	int			n;				/* members of the first solution */
	int			member[MATCH_SUBSET_MAX];
	double		chance;			/* solutions that chance alone would give */
} MatchSubset;

/*
 * Subsets of at least least and at most most of the amounts, all positive,
 * that add up to target.  must: a member that every subset has, or -1.
 */
extern void MatchFindSubset(const int64 *amounts, int n, int64 target,
							int least, int most, int must, MatchSubset *found);

/* ---------------------------------------------------------------------
 * The ladder, match.c and match_index.c
 * ---------------------------------------------------------------------
 */
typedef enum MatchRule
{
	MATCH_NAMED,				/* the payment names its invoice */
	MATCH_REFERENCE,			/* the number in the text, amount or payer agrees */
	MATCH_NEAR,					/* the number with errors, amount agrees */
	MATCH_EXACT,				/* the payer's one invoice of that amount */
	MATCH_SUBSET_RULE,			/* the payer's one set of invoices of that sum */
	MATCH_TOGETHER,				/* several payments add up to one invoice */
	MATCH_OLDEST				/* by policy, the payer's oldest first */
} MatchRule;

typedef enum MatchReason
{
	MATCH_WHY_NONE,
	MATCH_WHY_SETTLED,			/* the invoice named is paid already: a duplicate? */
	MATCH_WHY_AMOUNT,			/* the reference fits, the amount does not */
	MATCH_WHY_PAYER,			/* the reference is of another tenant than the payer */
	MATCH_WHY_SEVERAL,			/* more than one candidate fits */
	MATCH_WHY_WEAK,				/* one candidate, with too little evidence */
	MATCH_WHY_CURRENCY,			/* the invoice named is in another currency */
	MATCH_WHY_VOID				/* the document named is void or a credit note */
} MatchReason;

typedef struct MatchInvoice
{
	const char *number;			/* may be NULL */
	const char *id;
	int64		open;			/* 0: settled, kept to recognise duplicates */
	int64		total;
	int64		asked;			/* open when the run began, or the total; match_index.c */
	int64		last;			/* last amount paid on it, 0 for none */
	int32		tenant;
	int32		currency;
	int32		due;			/* day */
	bool		payable;		/* an issued invoice */
	bool		contested;		/* a suggestion names it; match.c */
} MatchInvoice;

typedef struct MatchPayment
{
	const char *text;			/* remittance, references; may be NULL */
	const char *name;			/* who paid; may be NULL */
	const char *account;		/* from where; may be NULL */
	int64		amount;			/* not applied yet */
	int32		currency;
	int32		tenant;			/* known, or -1 */
	int32		invoice;		/* named, or -1 */
} MatchPayment;

typedef struct MatchTenant
{
	const char *name;			/* may be NULL */
	int64		fee_limit;		/* bank charges that are believed, minor units */
	bool		oldest_first;
} MatchTenant;

/* An account that paid for a tenant before. */
typedef struct MatchKnownAccount
{
	const char *account;
	int32		tenant;
} MatchKnownAccount;

typedef struct MatchResult
{
	int32		payment;
	int32		invoice;
	int64		amount;			/* applied; 0 for a suggestion */
	MatchRule	rule;
	MatchReason reason;			/* of a suggestion */
	bool		learned;		/* the account may be believed from now on */
} MatchResult;

typedef struct MatchInput
{
	MatchInvoice *invoices;
	int32		ninvoices;
	const MatchPayment *payments;
	int32		npayments;
	const MatchTenant *tenants;
	int32		ntenants;
	const MatchKnownAccount *accounts;
	int32		naccounts;
	void	   *(*allocate) (void *arg, size_t size);	/* zeroed, never NULL */
	void	   *arg;
	FinopsInterrupt interrupt;
} MatchInput;

typedef struct MatchOutput
{
	MatchResult *results;
	int32		n;
	int32		size;
} MatchOutput;

extern void MatchRun(const MatchInput *input, MatchOutput *output);

extern const char *MatchRuleName(MatchRule rule);
extern const char *MatchReasonText(MatchReason reason);

/* What the files of the ladder share. */
typedef struct MatchIndex MatchIndex;

#define MATCH_HITS	32
typedef struct MatchHits
{
	int			n;
	bool		more;			/* there were more than fit */
	int32		invoice[MATCH_HITS];
} MatchHits;

#define MATCH_PAYERS	4
typedef struct MatchPayer
{
	int			n;				/* tenants it may be */
	int32		tenant[MATCH_PAYERS];
	int			level;			/* 0 unknown or contradictory, 1 by name, 2 by account, 3 both or told */
	bool		conflict;		/* name and account say different tenants */
} MatchPayer;

/* Of each payment an earlier one that says the same, or -1. */
extern void MatchFindRepeats(const MatchInput *input, int32 *repeats);
extern MatchIndex *MatchBuildIndex(const MatchInput *input);
extern void MatchFindKeys(const MatchIndex *index, const MatchText *text,
						  MatchHits *hits);
extern void MatchFindPayer(const MatchIndex *index, const MatchPayment *payment,
						   MatchPayer *payer);
extern bool MatchLearn(MatchIndex *index, const char *account, int32 tenant,
					   bool name_agrees);	/* true: believed from now on */
/* Invoices of a tenant, oldest due first; of an amount in a currency. */
extern const int32 *MatchOfTenant(const MatchIndex *index, int32 tenant, int *n);
extern const int32 *MatchOfAmount(const MatchIndex *index, int32 currency,
								  int64 amount, int *n);
extern const char *MatchKey(const MatchIndex *index, int32 invoice, int which,
							int *len);

#endif							/* FINOPS_MATCH_H */

/*-------------------------------------------------------------------------
 *
 * journal.h
 *	  What the files of the journal share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_RECONCILE_JOURNAL_H
#define FINOPS_RECONCILE_JOURNAL_H

#include "core/core.h"

/* $1 first day, $2 first day after, $3 the issuer's zone, $4 reporting currency. */
#define LOCAL_DAY(t)	"(" t " AT TIME ZONE $3)::date"

/* Units of the reporting currency for one of a payment's, on its day. */
#define DAY_RATE \
	"CASE WHEN p.currency = $4 THEN 1 ELSE coalesce((SELECT f.rate FROM finops.fx_rate f WHERE f.currency = p.currency" \
	" AND f.valid_from <= " LOCAL_DAY("p.paid_at") " ORDER BY f.valid_from DESC LIMIT 1), p.amount_usd / p.amount) END"

/* The same of money paid out in the currency of invoice "h", on the day of adjustment "j". */
#define PAYOUT_RATE \
	"CASE WHEN h.currency = $4 THEN 1 ELSE coalesce((SELECT f.rate FROM finops.fx_rate f WHERE f.currency = h.currency" \
	" AND f.valid_from <= " LOCAL_DAY("j.occurred_at") " ORDER BY f.valid_from DESC LIMIT 1), h.fx_rate) END"

extern char *JournalZone(void);

/* Relation "name": what the tables say of the months from "from" to before "to". */
extern void JournalStageLines(const char *name, DateADT from, DateADT to, bool cost);

/* Relation "journal_line": the journal of a period. */
extern void JournalStage(DateADT period);

#endif							/* FINOPS_RECONCILE_JOURNAL_H */

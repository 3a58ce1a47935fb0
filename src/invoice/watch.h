/*-------------------------------------------------------------------------
 *
 * watch.h
 *	  Whether what documents are computed from has changed since.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_INVOICE_WATCH_H
#define FINOPS_INVOICE_WATCH_H

#include "core/core.h"

typedef enum WatchKind
{
	WATCH_INPUT,
	WATCH_USAGE
} WatchKind;

typedef enum WatchState
{
	WATCH_UNCHANGED,
	WATCH_USAGE_CHANGED,		/* nothing else */
	WATCH_CHANGED
} WatchState;

/* Something that documents are computed from changes. */
extern void WatchMove(WatchKind kind);

typedef struct WatchMark
{
	bool		valid;			/* no writer is at work */
	int64		at[2];			/* of each kind */
} WatchMark;

/* The mark of a preparation, before it reads anything. */
extern WatchMark WatchBegin(void);
extern WatchState WatchCompare(const char *mark);	/* NULL: changed */

/* A preparation reads by this plan: there is no mark unless all its tables are watched. */
extern void WatchPlan(SPIPlanPtr plan);

/* Keep the mark with the gate of the documents; none where it is not valid. */
extern void WatchStore(DateADT period, const WatchMark *mark);

#endif							/* FINOPS_INVOICE_WATCH_H */

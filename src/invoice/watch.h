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

/*
 * The mark of a preparation, before it reads anything; NULL while writers
 * are at work.
 */
extern char *WatchBegin(void);
extern WatchState WatchCompare(const char *mark);	/* NULL: changed */

/* A preparation reads by this plan: there is no mark unless all its tables are watched. */
extern void WatchPlan(SPIPlanPtr plan);

/* Keep the mark with the gate of the documents; NULL: there is none. */
extern void WatchStore(DateADT period, const char *mark);

#endif							/* FINOPS_INVOICE_WATCH_H */

/*-------------------------------------------------------------------------
 *
 * watch_batch.h
 *	  A batch of series of daily cost that several processes watch together.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_WATCH_BATCH_H
#define FINOPS_WATCH_BATCH_H

#include "core/core.h"

#include "insight/cost_watch.h"
#include "port/atomics.h"

#define WATCH_KEPT_BACK 3		/* a kept state is this many days behind the end */

/* A series, whose days are those after "from" up to the end of the batch. */
typedef struct WatchSeries
{
	DateADT		from;			/* day of the state, or before the first day */
	int			count;			/* days to judge */
	Size		costs;			/* place of the first in the costs of the batch */
	bool		kept;			/* the state as it stood then; set by the work */
	CwState		state;
} WatchSeries;

typedef struct WatchOdd
{
	int			series;
	DateADT		day;
	double		cost;
	CwVerdict	verdict;
} WatchOdd;

typedef struct WatchBatch
{
	CwSettings	settings;
	DateADT		until;			/* last day of all series */
	int			span;			/* days that the calendar has, up to it */
	int			nseries;
	int			capacity;		/* series */
	Size		ncosts;
	Size		room;			/* costs; as many days can be odd */
	pg_atomic_uint32 next;
	pg_atomic_uint32 nodd;
	/* series, calendar, costs and odd days follow */
} WatchBatch;

extern Size WatchBatchSize(int capacity, int span, Size room);
extern WatchBatch *WatchBatchMake(MemoryContext context, int capacity, int span, Size room);
extern WatchSeries *WatchSeriesOf(WatchBatch *batch);
extern CwCalendar *WatchCalendar(WatchBatch *batch);	/* of the days until - span + 1 .. until */
extern double *WatchCosts(WatchBatch *batch);
extern WatchOdd *WatchOddDays(WatchBatch *batch);	/* nodd of them */

/* Watches all series; the odd days are in the order of series and day. */
extern void WatchBatchRun(WatchBatch *batch, int workers);

#endif							/* FINOPS_WATCH_BATCH_H */

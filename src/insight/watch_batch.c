/*-------------------------------------------------------------------------
 *
 * watch_batch.c
 *	  A batch of series of daily cost that several processes watch together.
 *
 * Each process takes the next series until none is left.  What becomes of a
 * series depends on itself alone, and odd days are put into order afterwards,
 * so that who watched it cannot be seen in the result.
 *
 *-------------------------------------------------------------------------
 */
#include "insight/watch_batch.h"

#include "core/workers.h"

extern PGDLLEXPORT void FinopsWatchWorker(dsm_segment *seg, shm_toc *toc);

Size
WatchBatchSize(int capacity, int span, Size room)
{
	Size		size = MAXALIGN(sizeof(WatchBatch));

	size = add_size(size, MAXALIGN(mul_size(capacity, sizeof(WatchSeries))));
	size = add_size(size, MAXALIGN(mul_size(span, sizeof(CwCalendar))));
	size = add_size(size, mul_size(room, sizeof(double)));
	return add_size(size, mul_size(room, sizeof(WatchOdd)));
}

WatchBatch *
WatchBatchMake(MemoryContext context, int capacity, int span, Size room)
{
	WatchBatch *batch = MemoryContextAllocExtended(context, WatchBatchSize(capacity, span, room),
												   MCXT_ALLOC_HUGE);

	memset(batch, 0, sizeof(*batch));
	batch->capacity = capacity;
	batch->span = span;
	batch->room = room;
	pg_atomic_init_u32(&batch->next, 0);
	pg_atomic_init_u32(&batch->nodd, 0);
	return batch;
}

WatchSeries *
WatchSeriesOf(WatchBatch *batch)
{
	return (WatchSeries *) ((char *) batch + MAXALIGN(sizeof(WatchBatch)));
}

CwCalendar *
WatchCalendar(WatchBatch *batch)
{
	return (CwCalendar *) ((char *) WatchSeriesOf(batch) + MAXALIGN(batch->capacity * sizeof(WatchSeries)));
}

double *
WatchCosts(WatchBatch *batch)
{
	return (double *) ((char *) WatchCalendar(batch) + MAXALIGN(batch->span * sizeof(CwCalendar)));
}

WatchOdd *
WatchOddDays(WatchBatch *batch)
{
	return (WatchOdd *) (WatchCosts(batch) + batch->room);
}

/* Judge the days of a series; the state becomes that of the day to keep. */
static void
watch_one(WatchBatch *batch, int i)
{
	WatchSeries *series = &WatchSeriesOf(batch)[i];
	const double *cost = WatchCosts(batch) + series->costs;
	const CwCalendar *calendar = WatchCalendar(batch) + batch->span - series->count;
	CwState		now = series->state;

	for (int d = 0; d < series->count; d++)
	{
		CwVerdict	v = CwNext(&now, calendar[d], cost[d], &batch->settings);

		if (v.odd)
		{
			WatchOdd   *odd = &WatchOddDays(batch)[pg_atomic_fetch_add_u32(&batch->nodd, 1)];

			*odd = (WatchOdd) {i, series->from + 1 + d, cost[d], v};
		}
		if (d == series->count - 1 - WATCH_KEPT_BACK)
		{
			series->state = now;
			series->kept = true;
		}
	}
}

static void
work(void *shared, void *arg pg_attribute_unused())
{
	WatchBatch *batch = shared;
	uint32		i;

	while ((i = pg_atomic_fetch_add_u32(&batch->next, 1)) < (uint32) batch->nseries)
	{
		CHECK_FOR_INTERRUPTS();
		watch_one(batch, (int) i);
	}
}

/* Where a worker begins. */
void
FinopsWatchWorker(dsm_segment *seg pg_attribute_unused(), shm_toc *toc)
{
	work(FinopsWorkerBatch(toc), NULL);
}

static int
by_series_and_day(const void *a, const void *b)
{
	const WatchOdd *x = a;
	const WatchOdd *y = b;

	if (x->series != y->series)
		return x->series < y->series ? -1 : 1;
	return x->day < y->day ? -1 : x->day > y->day;
}

void
WatchBatchRun(WatchBatch *batch, int workers)
{
	FinopsWithWorkers("FinopsWatchWorker", batch, WatchBatchSize(batch->capacity, batch->span, batch->room),
					  Min(workers, batch->nseries - 1), work, NULL);
	qsort(WatchOddDays(batch), pg_atomic_read_u32(&batch->nodd), sizeof(WatchOdd), by_series_and_day);
}

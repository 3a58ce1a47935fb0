/*-------------------------------------------------------------------------
 *
 * forecast_job.c
 *	  A batch of series that several processes forecast together.
 *
 * The server's parallel workers are used: the batch is laid out in shared
 * memory, every process takes the next series until none is left, and the
 * leader takes part.  A series is forecast by one process from its own values
 * alone, so that who did it cannot be seen in the result.
 *
 * Batches are kept small, since shared memory may be: many containers allow
 * 64 MB in all.  Workers are started anew for each, which takes milliseconds
 * against seconds of work.  An error or a cancel in the leader ends the
 * workers with the transaction; a worker's error is raised in the leader.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/forecast_job.h"

#include "access/parallel.h"
#include "miscadmin.h"
#include "storage/shm_toc.h"
#include "utils/memutils.h"

#include <math.h>

#define JOB_KEY		UINT64_C(0x66696e6f70730001)
#define MAX_VALUE	1e300		/* as finops.forecast has it */

extern PGDLLEXPORT void FinopsForecastWorker(dsm_segment *seg, shm_toc *toc);

static Size
result_values(const JobSettings *settings)
{
	return mul_size(settings->horizon, 1 + 2 * (Size) settings->nlevels);
}

Size
JobSize(const JobSettings *settings, int nseries, Size nvalues)
{
	Size		size = MAXALIGN(sizeof(JobBatch));

	size = add_size(size, MAXALIGN(mul_size(nseries, sizeof(JobSeries))));
	size = add_size(size, mul_size(nvalues, sizeof(double)));
	return add_size(size, mul_size(mul_size(nseries, result_values(settings)), sizeof(double)));
}

void
JobInit(JobBatch *batch, const JobSettings *settings, int nseries, Size nvalues)
{
	memset(batch, 0, sizeof(*batch));
	batch->settings = *settings;
	batch->capacity = nseries;
	batch->room = nvalues;
	pg_atomic_init_u32(&batch->next, 0);
	pg_atomic_init_u32(&batch->done, 0);
}

JobSeries *
JobSeriesOf(JobBatch *batch)
{
	return (JobSeries *) ((char *) batch + MAXALIGN(sizeof(JobBatch)));
}

double *
JobValues(JobBatch *batch)
{
	return (double *) ((char *) JobSeriesOf(batch) +
					   MAXALIGN(batch->capacity * sizeof(JobSeries)));
}

double *
JobMean(JobBatch *batch, int series)
{
	return JobValues(batch) + batch->room + series * result_values(&batch->settings);
}

double *
JobLower(JobBatch *batch, int series)
{
	return JobMean(batch, series) + batch->settings.horizon;
}

double *
JobUpper(JobBatch *batch, int series)
{
	return JobLower(batch, series) +
		(Size) batch->settings.horizon * batch->settings.nlevels;
}

/* One series; allocates in the current context. */
static void
forecast_one(JobBatch *batch, int i)
{
	JobSeries  *series = &JobSeriesOf(batch)[i];
	const double *y = JobValues(batch) + series->values;
	FcRequest	q = {0};
	int			skip = Max(series->n - FC_MAX_FIT, 0);

	if (series->status != JOB_OK)
		return;
	for (int t = 0; t < series->n; t++)
		if (!(fabs(y[t]) <= MAX_VALUE))
		{
			series->status = JOB_NOT_FINITE;
			return;
		}
	q.y = y;
	q.n = series->n;
	q.m = series->m > 0 ? series->m : FcDetectSeason(y + skip, series->n - skip, ForecastInterrupt);
	q.model = batch->settings.model;
	q.h = batch->settings.horizon;
	q.nlevels = batch->settings.nlevels;
	q.levels = batch->settings.levels;
	q.interrupt = ForecastInterrupt;
	q.options = &batch->settings.options;
	series->model_status = FcForecast(&q, JobMean(batch, i), JobLower(batch, i),
									  JobUpper(batch, i), NULL);
	if (series->model_status != FC_OK)
		series->status = JOB_MODEL;
}

/* Takes series until none is left; tick may be NULL. */
static void
work(JobBatch *batch, void (*tick) (uint32 done, void *arg), void *arg)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "finops forecast of a batch",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	uint32		i,
				done;

	while ((i = pg_atomic_fetch_add_u32(&batch->next, 1)) < (uint32) batch->nseries)
	{
		CHECK_FOR_INTERRUPTS();
		forecast_one(batch, (int) i);
		MemoryContextReset(context);
		done = pg_atomic_add_fetch_u32(&batch->done, 1);
		if (tick != NULL)
			tick(done, arg);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* Where a worker begins. */
void
FinopsForecastWorker(dsm_segment *seg pg_attribute_unused(), shm_toc *toc)
{
	work(shm_toc_lookup(toc, JOB_KEY, false), NULL, NULL);
}

JobBatch *
JobRun(JobBatch *batch, int workers, void (*tick) (uint32 done, void *arg), void *arg)
{
	Size		size = JobSize(&batch->settings, batch->capacity, batch->room);
	ParallelContext *pcxt;
	JobBatch   *shared;

	workers = Min(workers, batch->nseries - 1);
	if (workers <= 0 || IsInParallelMode() || !IsUnderPostmaster)
	{
		work(batch, tick, arg);
		return batch;
	}
	EnterParallelMode();
	pcxt = CreateParallelContext("finops", "FinopsForecastWorker", workers);
	shm_toc_estimate_chunk(&pcxt->estimator, size);
	shm_toc_estimate_keys(&pcxt->estimator, 1);
	InitializeParallelDSM(pcxt);
	shared = shm_toc_allocate(pcxt->toc, size);
	memcpy(shared, batch, size);
	pg_atomic_init_u32(&shared->next, 0);
	pg_atomic_init_u32(&shared->done, 0);
	shm_toc_insert(pcxt->toc, JOB_KEY, shared);
	LaunchParallelWorkers(pcxt);
	work(shared, tick, arg);
	WaitForParallelWorkersToFinish(pcxt);
	memcpy(batch, shared, size);
	DestroyParallelContext(pcxt);
	ExitParallelMode();
	return batch;
}

/* In the words of finops.forecast's errors. */
const char *
JobProblem(const JobSeries *series, const char *model)
{
	switch (series->status)
	{
		case JOB_OK:
			return NULL;
		case JOB_EMPTY:
			return "series is empty";
		case JOB_TOO_LONG:
			return "series has more than 1000000 buckets";
		case JOB_NOT_FINITE:
			return "an observation of the series is not a finite number below 1e300";
		case JOB_NULLS:
			return "series must have one dimension and no nulls";
		case JOB_MODEL:
			break;
	}
	switch (series->model_status)
	{
		case FC_TOO_SHORT:
			return psprintf("series of %d observations is too short for model \"%s\"",
							series->n, model);
		case FC_NEEDS_SEASON:
			return psprintf("model \"%s\" needs a season", model);
		case FC_SEASON_TOO_LONG:
			return psprintf("season length %d is too long for model \"%s\"", series->m, model);
		case FC_NEEDS_POSITIVE:
			return psprintf("model \"%s\" needs positive observations", model);
		case FC_NEEDS_NONNEGATIVE:
			return psprintf("model \"%s\" needs observations that are not negative", model);
		default:
			return psprintf("model \"%s\" does not suit the series", model);
	}
}

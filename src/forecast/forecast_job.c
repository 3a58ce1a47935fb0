/*-------------------------------------------------------------------------
 *
 * forecast_job.c
 *	  A batch of series that several processes forecast together.
 *
 * Each process takes the next series until none is left.  A series is forecast
 * by one process from its own values alone, so that who did it cannot be seen
 * in the result.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/forecast_job.h"

#include "core/workers.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include <math.h>

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

/* Whom the leader tells how many are done. */
typedef struct Listener
{
	void		(*tick) (uint32 done, void *arg);
	void	   *arg;
} Listener;

static void
work(void *shared, void *leader)
{
	JobBatch   *batch = shared;
	const Listener *listener = leader;
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
		if (listener != NULL && listener->tick != NULL)
			listener->tick(done, listener->arg);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* Where a worker begins. */
void
FinopsForecastWorker(dsm_segment *seg pg_attribute_unused(), shm_toc *toc)
{
	work(FinopsWorkerBatch(toc), NULL);
}

JobBatch *
JobRun(JobBatch *batch, int workers, void (*tick) (uint32 done, void *arg), void *arg)
{
	Listener	listener = {tick, arg};

	FinopsWithWorkers("FinopsForecastWorker", batch, JobSize(&batch->settings, batch->capacity, batch->room),
					  Min(workers, batch->nseries - 1), work, &listener);
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

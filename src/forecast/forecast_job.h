/*-------------------------------------------------------------------------
 *
 * forecast_job.h
 *	  A batch of series that several processes forecast together.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_FORECAST_JOB_H
#define FINOPS_FORECAST_JOB_H

#include "forecast/forecast.h"

#include "port/atomics.h"

#define JOB_MAX_LEVELS	100

/* What all series of a batch have in common. */
typedef struct JobSettings
{
	FcModel		model;
	int			horizon;
	int			nlevels;
	double		levels[JOB_MAX_LEVELS];
	FcOptions	options;		/* without regressors, which point elsewhere */
} JobSettings;

/* Why there is no forecast. */
typedef enum JobStatus
{
	JOB_OK,
	JOB_EMPTY,
	JOB_TOO_LONG,
	JOB_NOT_FINITE,
	JOB_NULLS,
	JOB_MODEL					/* FcStatus tells */
} JobStatus;

typedef struct JobSeries
{
	int			n;
	int			m;				/* 0: to be looked for */
	Size		values;			/* place of y[0] in the values of the batch */
	JobStatus	status;
	FcStatus	model_status;
} JobSeries;

typedef struct JobBatch
{
	JobSettings settings;
	int			nseries;
	int			capacity;		/* series */
	Size		nvalues;
	Size		room;			/* values */
	pg_atomic_uint32 next;
	pg_atomic_uint32 done;
	/* series, values, mean, lower and upper follow */
} JobBatch;

/* Bytes of a batch for so many series with so many values in all. */
extern Size JobSize(const JobSettings *settings, int nseries, Size nvalues);
extern void JobInit(JobBatch *batch, const JobSettings *settings, int nseries,
					Size nvalues);
extern JobSeries *JobSeriesOf(JobBatch *batch);
extern double *JobValues(JobBatch *batch);
extern double *JobMean(JobBatch *batch, int series);
extern double *JobLower(JobBatch *batch, int series);
extern double *JobUpper(JobBatch *batch, int series);

/*
 * Forecasts all series of a batch with up to so many further processes;
 * returns when all are done.  tick is called now and then with how many are.
 */
extern JobBatch *JobRun(JobBatch *batch, int workers, void (*tick) (uint32 done, void *arg),
						void *arg);
extern const char *JobProblem(const JobSeries *series, const char *model);

#endif							/* FINOPS_FORECAST_JOB_H */

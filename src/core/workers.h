/*-------------------------------------------------------------------------
 *
 * workers.h
 *	  A batch of work that several processes do together.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_WORKERS_H
#define FINOPS_WORKERS_H

#include "core/core.h"

#include "storage/dsm.h"
#include "storage/shm_toc.h"

/* What each process does; arg is the leader's and NULL in a worker. */
typedef void (*FinopsBatchWork) (void *batch, void *arg);

/*
 * Does the work of a batch with up to so many further processes and returns
 * when all are done.  The batch is one piece of memory without pointers, with
 * atomic counters by which the processes take its parts.  "entry" names the
 * function, exported by this library, in which a worker begins; it calls
 * "work" with FinopsWorkerBatch().
 */
extern void FinopsWithWorkers(const char *entry, void *batch, Size size, int workers,
							  FinopsBatchWork work, void *arg);
extern void *FinopsWorkerBatch(shm_toc *toc);

#endif							/* FINOPS_WORKERS_H */

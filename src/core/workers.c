/*-------------------------------------------------------------------------
 *
 * workers.c
 *	  A batch of work that several processes do together.
 *
 * The server's parallel workers are used: the batch is copied into shared
 * memory, every process takes the next part until none is left, and the leader
 * takes part.  Batches should be small, since shared memory may be: many
 * containers allow 64 MB in all.  Workers are started anew for each, which
 * takes milliseconds.  An error or a cancel in the leader ends the workers with
 * the transaction; a worker's error is raised in the leader.
 *
 *-------------------------------------------------------------------------
 */
#include "core/workers.h"

#include "access/parallel.h"

#define BATCH_KEY	UINT64_C(0x66696e6f70730001)

void
FinopsWithWorkers(const char *entry, void *batch, Size size, int workers,
				  FinopsBatchWork work, void *arg)
{
	ParallelContext *pcxt;
	void	   *shared;

	if (workers <= 0 || IsInParallelMode() || !IsUnderPostmaster)
	{
		work(batch, arg);
		return;
	}
	EnterParallelMode();
	pcxt = CreateParallelContext("finops", entry, workers);
	shm_toc_estimate_chunk(&pcxt->estimator, size);
	shm_toc_estimate_keys(&pcxt->estimator, 1);
	InitializeParallelDSM(pcxt);
	shared = shm_toc_allocate(pcxt->toc, size);
	memcpy(shared, batch, size);
	shm_toc_insert(pcxt->toc, BATCH_KEY, shared);
	LaunchParallelWorkers(pcxt);
	work(shared, arg);
	WaitForParallelWorkersToFinish(pcxt);
	memcpy(batch, shared, size);
	DestroyParallelContext(pcxt);
	ExitParallelMode();
}

void *
FinopsWorkerBatch(shm_toc *toc)
{
	return shm_toc_lookup(toc, BATCH_KEY, false);
}

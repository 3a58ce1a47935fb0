/*-------------------------------------------------------------------------
 *
 * reconcile.h
 *	  What lower rooms may call of room reconcile.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_RECONCILE_H
#define FINOPS_RECONCILE_H

#include "core/core.h"

/* "RECON-2018-10" */
extern char *ReconId(DateADT period);

/*
 * Within a session: sets the reconciliation gate to the worst row of
 * recon_summary that is not resolved, or to resolved or ok.
 */
extern char *ReconSetGate(DateADT period, int64 run_id);

/*
 * Within a session: the bill against the provider's invoices, staged as
 * "provider_difference"; false where no invoice of the month is loaded.
 */
extern bool ReconProviderDifferences(DateADT period);

/*
 * Within a session with stage "absent_source": accrues what the sources in it
 * cost the month before (estimate), and cancels accruals whose bill has come.
 * Returns the number of entries booked.
 */
extern int64 ReconSyncAccruals(const FinopsSession *session, DateADT period,
							   bool estimate);

/* The triggers on the partitions of a locked month; lock.c */
extern void ReconUnlockPartitions(DateADT period);
extern bool finops_recon_reopening;

#endif							/* FINOPS_RECONCILE_H */

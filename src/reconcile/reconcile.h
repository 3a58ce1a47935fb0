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

#endif							/* FINOPS_RECONCILE_H */

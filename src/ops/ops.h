/*-------------------------------------------------------------------------
 *
 * ops.h
 *	  What the files of room ops share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_OPS_H
#define FINOPS_OPS_H

#include "core/core.h"

/*
 * A lock that is held across the commits of a procedure: until it is
 * released, or the transaction of the procedure aborts.  OpsHold answers
 * whether the lock was got; with wait it always is.
 */
extern bool OpsHold(const char *name, bool wait);
extern void OpsRelease(const char *name);

/* Within a session: leaves the rows of finops.readiness as the last result. */
extern void OpsRunReadiness(DateADT period);

/* After OpsRunReadiness, in its session: accrues what is expected and missing; entries booked. */
extern int64 OpsAccrueMissing(const FinopsSession *session, DateADT period);

#endif							/* FINOPS_OPS_H */

/*-------------------------------------------------------------------------
 *
 * bill.h
 *	  Room bill: what other rooms may call, and what its files share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_BILL_H
#define FINOPS_BILL_H

#include "core/core.h"

/*
 * Partition of the facts for a billing period, made when there is none.
 * Call within a session, while no statement runs on the facts.
 */
extern Oid	BillEnsurePartition(DateADT period);

#endif							/* FINOPS_BILL_H */

/*-------------------------------------------------------------------------
 *
 * health.h
 *	  What finops.prometheus_metrics shows of finops.health_check.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_HEALTH_H
#define FINOPS_HEALTH_H

#include "ops/ops.h"

/* In the order of severity; empty: there is nothing to judge. */
typedef enum Health
{
	HEALTH_EMPTY,
	HEALTH_OK,
	HEALTH_DEGRADED,
	HEALTH_FAILED
} Health;

typedef struct HealthResult
{
	const char *check;
	Health		health;
	const char *detail;			/* the members of a JSON object */
} HealthResult;

#define HEALTH_CHECKS	9

/* Within a session: the result of each check, and the worst of them. */
extern Health OpsHealth(HealthResult results[HEALTH_CHECKS]);

/* Bytes of the file system of the data directory; false where it cannot be told. */
extern bool OpsDisk(int64 *size, int64 *available);

#endif							/* FINOPS_HEALTH_H */

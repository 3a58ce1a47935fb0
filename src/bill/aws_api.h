/*-------------------------------------------------------------------------
 *
 * aws_api.h
 *	  What callers of AWS services share: their rate, their meter, waiting.
 *	  api_meter.c; for files of this room.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_BILL_AWS_API_H
#define FINOPS_BILL_AWS_API_H

#include "core/aws.h"

#include "utils/timestamp.h"

/* Watches over the calls of one statement, within its session. */
typedef struct ApiMeter
{
	AwsWatch	watch;
	const char *clock;			/* sequence that gives turns, or NULL */
	int			rate;			/* of them, a second */
	const char *price;			/* of a request that was answered, USD */
} ApiMeter;

extern void ApiMeterInit(ApiMeter *meter, const char *clock, int rate,
						 const char *price);

/* A call, answered as jsonb; who names the service in messages. */
extern Jsonb *ApiCall(ApiMeter *meter, const char *service, const char *region,
					  const char *target, const char *body, const char *who);

/*
 * Write the rows of api_metrics, also of earlier statements of this backend
 * that failed.
 */
extern void ApiMeterWrite(void);

/* Wait; a cancel ends it at once. */
extern void ApiWaitUntil(TimestampTz when);

#endif							/* FINOPS_BILL_AWS_API_H */

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

/* One attempt, to be written when the calls are over. */
typedef struct ApiAttempt
{
	const char *target;
	TimestampTz sent_at;
	int			status;
	char		code[64];
	int64		microseconds;
} ApiAttempt;

/* Watches over the calls of one statement, within its session. */
typedef struct ApiMeter
{
	AwsWatch	watch;
	const char *clock;			/* sequence that gives turns, or NULL */
	int			rate;			/* of them, a second */
	const char *price;			/* of a request that was answered, USD */
	MemoryContext context;
	ApiAttempt *attempts;
	int			n;
	int			room;
} ApiMeter;

extern void ApiMeterInit(ApiMeter *meter, const char *clock, int rate,
						 const char *price);

/* A call, answered as jsonb; who names the service in messages. */
extern Jsonb *ApiCall(ApiMeter *meter, const char *service, const char *region,
					  const char *target, const char *body, const char *who);

/* Write the rows of api_metrics. */
extern void ApiMeterWrite(ApiMeter *meter);

/* Wait; a cancel ends it at once. */
extern void ApiWaitUntil(TimestampTz when);

#endif							/* FINOPS_BILL_AWS_API_H */

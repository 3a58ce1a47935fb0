/*-------------------------------------------------------------------------
 *
 * aws.h
 *	  Signed calls of AWS services that speak JSON, such as Cost Explorer and
 *	  Athena.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_AWS_H
#define FINOPS_AWS_H

#include "core/core.h"

#include "lib/stringinfo.h"
#include "utils/jsonb.h"

/* settings, finops.c */
extern char *finops_athena_price_per_tb;
extern int	finops_athena_scan_limit;	/* MB, 0: none */
extern int	finops_cache_max_rows;
extern int	finops_cache_ttl;	/* s */
extern char *finops_cost_explorer_price;
extern int	finops_cost_explorer_rate;	/* requests a second */

/* One attempt of a call: what was sent once, and what came of it. */
typedef struct AwsAttempt
{
	const char *target;
	int			status;			/* of HTTP; 0 when there was no answer */
	const char *code;			/* the service's name of the error, or NULL */
	int64		microseconds;
} AwsAttempt;

/*
 * Who pays for calls and has to keep to a rate.  before() is called ahead of
 * each attempt, also of repeated ones, and may wait and raise; after() when
 * the attempt is over, whatever came of it, and must not raise.
 */
typedef struct AwsWatch
{
	void		(*before) (void *arg);
	void		(*after) (void *arg, const AwsAttempt *attempt);
	void	   *arg;
	int			give_up_ms;		/* for one attempt without repeats; 0: as set */
} AwsWatch;

/*
 * POST a JSON body to a service and answer with the JSON it returns, both in
 * the server's encoding.  service names the host and signs ("ce", "athena");
 * region NULL is finops.s3_region; target is X-Amz-Target
 * ("AWSInsightsIndexService.GetCostAndUsage"); content_type NULL is
 * application/x-amz-json-1.1; watch may be NULL.  finops.aws_endpoint
 * replaces the host.
 *
 * Repeats what the service asks to repeat (throttling, 5xx, broken
 * connections), with a growing pause, and can be cancelled at once.  42501
 * without the right to use the network or the service's own refusal, 22023
 * for what the service calls invalid, 54000 for an answer over the cap,
 * 08006 for the network, 58000 otherwise.
 */
extern StringInfo FinopsAwsCall(const char *service, const char *region,
								const char *target, const char *content_type,
								const char *body, const AwsWatch *watch);

/*
 * An answer as jsonb; 22P04 naming who answered when it is no JSON.
 * FinopsJsonText: the text at a path of keys below an object, the last
 * argument NULL; a number as it was written, NULL when there is nothing.
 */
extern Jsonb *FinopsJsonAnswer(const char *text, int len, const char *who);
extern char *FinopsJsonText(Jsonb *object, const char *key,...);
extern Jsonb *FinopsJsonMember(Jsonb *object, const char *key); /* object or array */

#endif							/* FINOPS_AWS_H */

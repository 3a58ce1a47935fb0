/*-------------------------------------------------------------------------
 *
 * aws.c
 *	  Signed calls of AWS services that speak JSON.
 *
 *-------------------------------------------------------------------------
 */
#include "core/aws.h"

#include "core/source.h"

StringInfo
FinopsAwsCall(const char *service, const char *region, const char *target,
			  const char *content_type, const char *body, const AwsWatch *watch)
{
	(void) region;
	(void) target;
	(void) content_type;
	(void) body;
	(void) watch;
	FinopsCheckNetworkAccess();
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot call service \"%s\"", service),
			 errdetail("This version reads files of the server.")));
}

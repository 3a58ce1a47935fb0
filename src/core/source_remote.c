/*-------------------------------------------------------------------------
 *
 * source_remote.c
 *	  Objects on the network as byte sources.
 *
 *-------------------------------------------------------------------------
 */
#include "core/core.h"
#include "core/source.h"

pg_noreturn static void
refuse_network(const char *given)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot read \"%s\" from the network",
					FinopsQuoteForMessage(given)),
			 errdetail("This version reads files of the server."),
			 errhint("Copy the file to the server and give its absolute path.")));
}

void
FinopsCheckNetworkAccess(void)
{
	FinopsCheckServerFileAccess();
}

ByteSource *
FinopsOpenRemoteSource(const SourceAddress *address)
{
	refuse_network(address->text);
}

List *
FinopsListRemote(const SourceAddress *prefix)
{
	refuse_network(prefix->text);
}

/*-------------------------------------------------------------------------
 *
 * early_commit.c
 *	  Locks that are given back before a commit has reached the disk.
 *
 * Numbers without gaps make one transaction wait for the end of another.  As
 * a rule that end includes a write to the disk, so that no more invoices can
 * be issued in a second than the disk writes.  Here the commit record is
 * only inserted, the locks are released, and then the backend flushes the
 * log before it answers: many wait for one write, and who is answered has a
 * durable invoice, as with any commit.
 *
 * That is safe because the log is written in order.  A transaction that took
 * the next number commits after this one; where this one is lost in a crash,
 * so is that one, and no number is missing.  Others may read the invoice a
 * moment before it is durable, as they may with synchronous_commit = off; but
 * a call that answers with an invoice that another has issued makes durable
 * what was in the log when it read it.  Where a standby has to confirm commits nothing is done.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/invoice.h"

#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "replication/syncrep.h"
#include "utils/resowner.h"

static bool flush_pending = false;
static XLogRecPtr seen;			/* end of the log when documents were read */
static bool registered = false;

/* The locks are gone; what is left of the commit is to make it durable. */
static void
flush_commit(ResourceReleasePhase phase, bool is_commit, bool is_top_level,
			 void *arg pg_attribute_unused())
{
	if (phase != RESOURCE_RELEASE_AFTER_LOCKS || !is_top_level || !flush_pending)
		return;
	flush_pending = false;
	if (is_commit)
		XLogFlush(Max(XactLastCommitEnd, seen));
}

/* End of the last record: the next may begin behind the head of a page. */
static XLogRecPtr
end_of_log(void)
{
	XLogRecPtr	next = GetXLogInsertRecPtr();
	uint64		in_page = next % XLOG_BLCKSZ;

	return in_page <= SizeOfXLogLongPHD ? next - in_page : next;
}

void
InvoiceCommitEarly(void)
{
	if (synchronous_commit < SYNCHRONOUS_COMMIT_LOCAL_FLUSH ||
		(SyncRepStandbyNames != NULL && SyncRepStandbyNames[0] != '\0'))
		return;
	if (!registered)
	{
		RegisterResourceReleaseCallback(flush_commit, NULL);
		registered = true;
	}
	(void) set_config_option("synchronous_commit", "off", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
	seen = end_of_log();
	flush_pending = true;
}

/*-------------------------------------------------------------------------
 *
 * hold.c
 *	  Locks that procedures hold across their commits, and their first check.
 *
 * A transaction's advisory lock ends with each COMMIT of a procedure, a
 * session's would outlive an error and block the job until the session ends.
 * So the lock is the session's, and is released when the procedure says so
 * or when a transaction of this session aborts, whichever comes first.
 *
 *-------------------------------------------------------------------------
 */
#include "ops/ops.h"

#include "common/hashfn.h"
#include "nodes/parsenodes.h"
#include "storage/lock.h"

PG_FUNCTION_INFO_V1(finops_require_no_transaction);

#define MAX_HELD 16				/* a procedure that calls procedures, and so on */

static LOCKTAG held[MAX_HELD];
static int	nheld = 0;
static bool registered = false;

static LOCKTAG
lock_tag(const char *name)
{
	LOCKTAG		tag;
	uint32		key = hash_bytes((const unsigned char *) name, (int) strlen(name));

	/* the form of pg_advisory_lock(integer, integer) */
	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId,
						 (uint32) (FINOPS_LOCK_CLASS + FINOPS_LOCK_JOB), key, 2);
	return tag;
}

static void
release_all(XactEvent event, void *arg pg_attribute_unused())
{
	if (event != XACT_EVENT_ABORT)
		return;
	while (nheld > 0)
		LockRelease(&held[--nheld], ExclusiveLock, true);
}

bool
OpsHold(const char *name, bool wait)
{
	LOCKTAG		tag = lock_tag(name);

	if (nheld == MAX_HELD)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("jobs call each other too deeply")));
	if (!registered)
	{
		RegisterXactCallback(release_all, NULL);
		registered = true;
	}
	if (LockAcquire(&tag, ExclusiveLock, true, !wait) == LOCKACQUIRE_NOT_AVAIL)
		return false;
	held[nheld++] = tag;
	return true;
}

void
OpsRelease(const char *name)
{
	LOCKTAG		tag = lock_tag(name);

	for (int i = nheld - 1; i >= 0; i--)
		if (memcmp(&held[i], &tag, sizeof(tag)) == 0)
		{
			held[i] = held[--nheld];
			LockRelease(&tag, ExclusiveLock, true);
			return;
		}
}

/*
 * Procedure finops.require_no_transaction(what text): refuses (25001) to go
 * on where the calling procedure could not COMMIT.
 */
Datum
finops_require_no_transaction(PG_FUNCTION_ARGS)
{
	char	   *what;

	FinopsRequireArg(fcinfo, 0, "what");
	what = text_to_cstring(PG_GETARG_TEXT_PP(0));
	if (fcinfo->context != NULL && IsA(fcinfo->context, CallContext) &&
		!((CallContext *) fcinfo->context)->atomic)
		PG_RETURN_VOID();
	ereport(ERROR,
			(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
			 errmsg("%s cannot run inside a transaction", what),
			 errdetail("It commits after each step, so that what it found stays."),
			 errhint("CALL it as a statement of its own, outside BEGIN ... COMMIT and functions.")));
	PG_RETURN_VOID();
}

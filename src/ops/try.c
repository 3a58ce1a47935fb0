/*-------------------------------------------------------------------------
 *
 * try.c
 *	  Work whose failure is a finding and not an error.
 *
 *-------------------------------------------------------------------------
 */
#include "ops/ops.h"

#include "access/xact.h"
#include "utils/resowner.h"

/* Errors that are not the work's own: the call ends with them. */
static bool
ends_the_call(int sqlerrcode)
{
	return sqlerrcode == ERRCODE_QUERY_CANCELED || sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE ||
		sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED ||
		ERRCODE_TO_CATEGORY(sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION ||
		ERRCODE_TO_CATEGORY(sqlerrcode) == ERRCODE_INSUFFICIENT_RESOURCES;
}

/*
 * A query of a user: with the rights of the caller, and the rows that the
 * caller may see.  An error restores all of it with its subtransaction.
 */
int
OpsQueryAs(const FinopsSession *session, bool shipped, const char *sql, bool read_only, long limit)
{
	Oid			owner;
	int			context;
	int			level = NewGUCNestLevel();
	int			rc;

	GetUserIdAndSecContext(&owner, &context);
	if (!shipped)
	{
		(void) set_config_option("row_security", "on", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
		SetUserIdAndSecContext(session->caller, session->sec_context | SECURITY_LOCAL_USERID_CHANGE);
	}
	rc = SPI_execute(sql, read_only, limit);
	SetUserIdAndSecContext(owner, context);
	AtEOXact_GUC(false, level);
	return rc;
}

ErrorData *
OpsTry(void (*work) (void *), void *arg)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		work(arg);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		if (ends_the_call(error->sqlerrcode))
			PG_RE_THROW();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return error;
}

/*-------------------------------------------------------------------------
 *
 * period.c
 *	  Billing periods: arguments, the writers' lock, state and gates.
 *
 * A billing period is identified by its first day.  Every function that
 * writes a month takes the month's advisory lock first, so that two closes
 * of one month run one after the other while different months do not wait
 * for each other.  Gates tell the rooms that come later in the close what
 * earlier rooms found, without a call from an upper room to a lower one.
 *
 *-------------------------------------------------------------------------
 */
#include "core/core.h"

#include "storage/lock.h"
#include "utils/datetime.h"
#include "utils/inval.h"
#include "utils/timestamp.h"

static const char *const gate_names[] = {
	[FINOPS_GATE_LOAD] = "load",
	[FINOPS_GATE_TAGS] = "tags",
	[FINOPS_GATE_ALLOCATION] = "allocation",
	[FINOPS_GATE_RECONCILIATION] = "reconciliation",
	[FINOPS_GATE_DOCUMENTS] = "documents",
};

void
FinopsLock(FinopsLockKind kind, int32 key)
{
	(void) DirectFunctionCall2(pg_advisory_xact_lock_int4,
							   Int32GetDatum(FINOPS_LOCK_CLASS + (int32) kind),
							   Int32GetDatum(key));
	/* see what whoever held it before has done to the catalogs */
	AcceptInvalidationMessages();
}

void
FinopsLockShared(FinopsLockKind kind, int32 key)
{
	(void) DirectFunctionCall2(pg_advisory_xact_lock_shared_int4,
							   Int32GetDatum(FINOPS_LOCK_CLASS + (int32) kind),
							   Int32GetDatum(key));
	AcceptInvalidationMessages();
}

void
FinopsUnlockShared(FinopsLockKind kind, int32 key)
{
	LOCKTAG		tag;

	/* the fields of an advisory lock with two keys */
	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, FINOPS_LOCK_CLASS + (uint32) kind, (uint32) key, 2);
	(void) LockRelease(&tag, ShareLock, false);
}

bool
FinopsTryLock(FinopsLockKind kind, int32 key)
{
	bool		locked = DatumGetBool(DirectFunctionCall2(pg_try_advisory_xact_lock_int4,
														  Int32GetDatum(FINOPS_LOCK_CLASS + (int32) kind),
														  Int32GetDatum(key)));

	if (locked)
		AcceptInvalidationMessages();
	return locked;
}

static void
date_parts(DateADT date, int *year, int *month, int *day)
{
	j2date(date + POSTGRES_EPOCH_JDATE, year, month, day);
}

static DateADT
date_of(int year, int month, int day)
{
	return date2j(year, month, day) - POSTGRES_EPOCH_JDATE;
}

char *
FinopsPeriodText(DateADT period)
{
	int			year,
				month,
				day;

	date_parts(period, &year, &month, &day);
	return psprintf("%04d-%02d", year, month);
}

DateADT
FinopsPeriodEnd(DateADT period)
{
	int			year,
				month,
				day;

	date_parts(period, &year, &month, &day);
	return month == 12 ? date_of(year + 1, 1, 1) : date_of(year, month + 1, 1);
}

void
FinopsCheckPeriodStart(DateADT period)
{
	int			year,
				month,
				day;

	if (DATE_NOT_FINITE(period))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("billing period must be a finite date"),
				 errhint("Give the first day of the month, such as date '2018-10-01'.")));
	date_parts(period, &year, &month, &day);
	if (year < 1900 || year > 9999)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("billing period must lie between 1900 and 9999"),
				 errhint("Give the first day of the month, such as date '2018-10-01'.")));
	if (day != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%04d-%02d-%02d is not the first day of a month",
						year, month, day),
				 errdetail("A billing period is identified by its first day."),
				 errhint("Use '%04d-%02d-01'.", year, month)));
}

DateADT
FinopsPeriodArg(FunctionCallInfo fcinfo, int argno)
{
	DateADT		period;

	if (PG_ARGISNULL(argno))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("billing period must not be null"),
				 errhint("Give the first day of the month, such as date '2018-10-01'.")));
	period = PG_GETARG_DATEADT(argno);
	FinopsCheckPeriodStart(period);
	return period;
}

/* Bill times are UTC, so is the day that decides whether a month is over. */
static DateADT
today_utc(void)
{
	TimestampTz now = GetCurrentTransactionStartTimestamp();

	return (DateADT) (now / USECS_PER_DAY - (now % USECS_PER_DAY < 0 ? 1 : 0));
}

bool
FinopsPeriodHasEnded(DateADT period)
{
	return FinopsPeriodEnd(period) <= today_utc();
}

bool
FinopsPeriodHasBegun(DateADT period)
{
	return period <= today_utc();
}

void
FinopsCheckPeriodNotFuture(DateADT period)
{
	if (!FinopsPeriodHasBegun(period))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("billing period %s has not begun", FinopsPeriodText(period)),
				 errhint("Give a month that has begun.")));
}

void
FinopsCheckDay(DateADT day, const char *name)
{
	if (day < date_of(1900, 1, 1) || day >= date_of(10000, 1, 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must lie between 1900 and 9999", name),
				 errhint("Leave it out for today.")));
}

bool
FinopsPeriodIsLocked(DateADT period)
{
	uint64		n = FINOPS_RUN_KEPT("SELECT 1 FROM @s@.period_lock"
									" WHERE period_start = $1 AND state = 'LOCKED'",
									ARG_DATE(period));

	return n > 0;
}

void
FinopsOpenPeriod(DateADT period)
{
	FinopsLock(FINOPS_LOCK_PERIOD, period);
	FINOPS_RUN("INSERT INTO @s@.period_lock (period_start, period_end)"
			   " VALUES ($1, $2 - 1) ON CONFLICT (period_start) DO NOTHING",
			   ARG_DATE(period), ARG_DATE(FinopsPeriodEnd(period)));
	/*
	 * Lock the row too, and write it: a transaction whose snapshot is older
	 * than the last change of the month by any writer (REPEATABLE READ and
	 * stricter) fails here with 40001 instead of working on what it remembers.
	 */
	FINOPS_RUN("SELECT state FROM @s@.period_lock WHERE period_start = $1"
			   " FOR NO KEY UPDATE", ARG_DATE(period));
	if (strcmp(FinopsText(0, 1), "LOCKED") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("billing period %s is locked", FinopsPeriodText(period)),
				 errdetail("A closed month never changes."),
				 errhint("Book the difference as a correction in the open month.")));
	FINOPS_RUN("UPDATE @s@.period_lock SET state = state WHERE period_start = $1",
			   ARG_DATE(period));
}

const char *
FinopsBasisName(FinopsCostBasis basis)
{
	return basis == FINOPS_BASIS_BILLED ? "billed" : "effective";
}

FinopsCostBasis
FinopsPeriodBasis(DateADT period, bool fix)
{
	uint64		n = FINOPS_RUN("SELECT cost_basis FROM @s@.period_lock"
							   " WHERE period_start = $1", ARG_DATE(period));
	char	   *basis = n > 0 ? FinopsText(0, 1) : NULL;

	if (basis != NULL)
		return strcmp(basis, "billed") == 0 ?
			FINOPS_BASIS_BILLED : FINOPS_BASIS_EFFECTIVE;
	if (fix)
		FINOPS_RUN("UPDATE @s@.period_lock SET cost_basis = $2"
				   " WHERE period_start = $1",
				   ARG_DATE(period),
				   ARG_TEXT(FinopsBasisName(finops_cost_basis)));
	return finops_cost_basis;
}

void
FinopsSetGate(DateADT period, FinopsGate gate, const char *status,
			  const char *detail, int64 run_id)
{
	FINOPS_RUN("INSERT INTO finops.period_gate"
			   " (period_start, gate, position, status, detail, run_id, set_at)"
			   " VALUES ($1, $2, $3, $4, $5, $6, clock_timestamp())"
			   " ON CONFLICT (period_start, gate) DO UPDATE SET"
			   " status = EXCLUDED.status, detail = EXCLUDED.detail,"
			   " run_id = EXCLUDED.run_id, set_at = EXCLUDED.set_at",
			   ARG_DATE(period), ARG_TEXT(gate_names[gate]),
			   ARG_INT4((int32) gate), ARG_TEXT(status), ARG_TEXT(detail),
			   ARG_INT8(run_id));
}

void
FinopsClearGates(DateADT period, FinopsGate from)
{
	FINOPS_RUN("DELETE FROM finops.period_gate"
			   " WHERE period_start = $1 AND position >= $2",
			   ARG_DATE(period), ARG_INT4((int32) from));
}

/* NULL when the gate has not been passed since its inputs last changed. */
char *
FinopsGateStatus(DateADT period, FinopsGate gate, char **detail)
{
	uint64		n = FINOPS_RUN("SELECT status, detail FROM finops.period_gate"
							   " WHERE period_start = $1 AND gate = $2",
							   ARG_DATE(period), ARG_TEXT(gate_names[gate]));

	if (n == 0)
		return NULL;
	if (detail != NULL)
		*detail = FinopsText(0, 2);
	return FinopsText(0, 1);
}

/*-------------------------------------------------------------------------
 *
 * api_meter.c
 *	  Keeping to a rate of requests, and counting what they cost.
 *
 * The rate holds for all sessions of the database.  A sequence is the clock:
 * its value is the moment of the next free turn, in microseconds.  Under an
 * advisory lock, held for two statements and no longer, a session takes that
 * turn, or the present if it is later, and moves the clock on by one
 * interval.  Sequences are outside of transactions, so turns are given at
 * once and are not given back by a rollback.  Then it waits, without a lock.
 *
 * A statement that fails takes the rows with it that it wrote.  So attempts
 * are noted in memory of the backend first, and are written when a statement
 * that called a service is about to succeed: its own, and those of the ones
 * before it that failed.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/aws_api.h"

#include "catalog/pg_type.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

/* One attempt, to be written. */
typedef struct ApiAttempt
{
	char		target[96];
	char		price[40];
	TimestampTz sent_at;
	int			status;
	char		code[64];
	int64		microseconds;
} ApiAttempt;

#define MAX_ATTEMPTS	4096

static ApiAttempt *attempts = NULL;
static int	nattempts = 0;
static int	room = 0;
static TimestampTz sent_at;

/* A clock that is further ahead than this was set by a wrong system clock. */
#define LONGEST_QUEUE	INT64CONST(600000000)	/* us */

void
ApiWaitUntil(TimestampTz when)
{
	for (;;)
	{
		long		ms;

		CHECK_FOR_INTERRUPTS();
		ms = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), when);
		if (ms <= 0)
			return;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 Min(ms, 1000), PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
}

/* The moment of our turn. */
static TimestampTz
take_turn(const ApiMeter *meter)
{
	LOCKTAG		tag;
	TimestampTz turn;

	/* as pg_advisory_xact_lock(int, int), but released before the commit */
	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) (FINOPS_LOCK_CLASS + FINOPS_LOCK_API_CLOCK), 0, 2);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
	FINOPS_RUN(psprintf("SELECT CASE WHEN last_value BETWEEN $1 AND $1 + $2 THEN last_value ELSE $1 END"
						" FROM %s", meter->clock),
			   ARG_INT8(GetCurrentTimestamp()), ARG_INT8(LONGEST_QUEUE));
	turn = FinopsInt64(0, 1);
	FINOPS_RUN(psprintf("SELECT setval('%s', $1)", meter->clock),
			   ARG_INT8(turn + USECS_PER_SEC / meter->rate));
	(void) LockRelease(&tag, ExclusiveLock, false);
	return turn;
}

/* Have room for one more; the oldest make room when nothing was written for long. */
static void
make_room(void)
{
	if (nattempts < room)
		return;
	if (room == 0)
		attempts = MemoryContextAlloc(TopMemoryContext, sizeof(ApiAttempt) * 64);
	else if (room < MAX_ATTEMPTS)
		attempts = repalloc(attempts, sizeof(ApiAttempt) * room * 2);
	else
	{
		nattempts = room / 2;
		memmove(attempts, attempts + nattempts, sizeof(ApiAttempt) * nattempts);
		return;
	}
	room = room == 0 ? 64 : room * 2;
}

static void
before_attempt(void *arg)
{
	ApiMeter   *meter = arg;

	make_room();
	if (meter->clock != NULL)
		ApiWaitUntil(take_turn(meter));
	sent_at = GetCurrentTimestamp();
}

static void
after_attempt(void *arg, const AwsAttempt *attempt)
{
	ApiMeter   *meter = arg;
	ApiAttempt *note;

	if (nattempts == room)
		return;
	note = &attempts[nattempts++];
	strlcpy(note->target, attempt->target, sizeof(note->target));
	strlcpy(note->price, attempt->status == 200 ? meter->price : "0", sizeof(note->price));
	strlcpy(note->code, attempt->code != NULL ? attempt->code : "", sizeof(note->code));
	note->sent_at = sent_at;
	note->status = attempt->status;
	note->microseconds = Max(attempt->microseconds, 0);
}

void
ApiMeterInit(ApiMeter *meter, const char *clock, int rate, const char *price)
{
	memset(meter, 0, sizeof(*meter));
	meter->watch.before = before_attempt;
	meter->watch.after = after_attempt;
	meter->watch.arg = meter;
	meter->clock = clock;
	meter->rate = rate;
	meter->price = price;
}

Jsonb *
ApiCall(ApiMeter *meter, const char *service, const char *region,
		const char *target, const char *body, const char *who)
{
	StringInfo	answer = FinopsAwsCall(service, region, target, NULL, body, &meter->watch);

	return FinopsJsonAnswer(answer->data, answer->len, who);
}

static FinopsArg
array_arg(Oid array_type, Oid type, Datum *values, bool *nulls, int n)
{
	int			dims[1] = {n},
				lbs[1] = {1};
	int16		len;
	bool		by_value;
	char		align;

	get_typlenbyvalalign(type, &len, &by_value, &align);
	return ARG_DATUM(array_type,
					 PointerGetDatum(construct_md_array(values, nulls, 1, dims, lbs, type,
														len, by_value, align)),
					 false);
}

void
ApiMeterWrite(void)
{
	int			n = nattempts;
	Datum	   *values[6];
	bool	   *nulls[6];

	if (n == 0)
		return;
	for (int column = 0; column < 6; column++)
	{
		values[column] = palloc_array(Datum, n);
		nulls[column] = palloc0_array(bool, n);
	}
	for (int i = 0; i < n; i++)
	{
		const ApiAttempt *note = &attempts[i];

		values[0][i] = CStringGetTextDatum(note->target);
		values[1][i] = Int32GetDatum(note->status);
		nulls[1][i] = note->status == 0;
		values[2][i] = Int64GetDatum(note->microseconds);
		values[3][i] = TimestampTzGetDatum(note->sent_at);
		values[4][i] = CStringGetTextDatum(note->code);
		nulls[4][i] = note->code[0] == '\0';
		values[5][i] = CStringGetTextDatum(note->price);
	}
	FINOPS_RUN("INSERT INTO @s@.api_metrics (endpoint, method, status_code, response_time_ms, created_at, error_code, request_cost_usd)"
			   " SELECT a.target, 'POST', a.status, a.us::numeric / 1000, a.sent_at, a.code, a.price::numeric"
			   " FROM unnest($1, $2, $3, $4, $5, $6) AS a(target, status, us, sent_at, code, price)",
			   array_arg(TEXTARRAYOID, TEXTOID, values[0], nulls[0], n),
			   array_arg(INT4ARRAYOID, INT4OID, values[1], nulls[1], n),
			   array_arg(INT8ARRAYOID, INT8OID, values[2], nulls[2], n),
			   array_arg(TIMESTAMPTZARRAYOID, TIMESTAMPTZOID, values[3], nulls[3], n),
			   array_arg(TEXTARRAYOID, TEXTOID, values[4], nulls[4], n),
			   array_arg(TEXTARRAYOID, TEXTOID, values[5], nulls[5], n));
	nattempts = 0;
}

/*-------------------------------------------------------------------------
 *
 * watch.c
 *	  Whether what documents are computed from has changed since.
 *
 * The issue of a prepared month must find documents that differ from what
 * they are computed from by then.  To compute them all again costs as much as
 * the preparation; mostly nothing has changed.  Each table that a document is
 * computed from has a trigger that moves a sequence once per statement.  A
 * preparation of all tenants keeps the state of the sequences, its mark, and
 * an issue that finds them unmoved takes the documents as they are.
 *
 * Sequences move before the change commits and stay where a transaction is
 * undone.  Both are safe: the issue computes anew without need.  The other
 * direction needs care, a change that has moved the sequence before the mark
 * was taken, and commits after the preparation has read its table.  So
 * whoever moves a sequence shares a lock until its end, and a mark is taken
 * only in a moment in which nobody holds that lock: what has moved the
 * sequence until then is committed, and is read.  Nobody waits for it; while
 * writers are at work there is no mark.  Statements read what is committed by
 * their beginning, which excludes REPEATABLE READ and SERIALIZABLE.
 *
 * Usage has a sequence of its own, because it arrives all the time.  Where
 * only that has moved, a tenant without usage is still as it was prepared.
 *
 * A mark belongs to the gate of the documents.  Who changes what the month
 * was allocated from clears that gate, and the mark with it.  A preparation
 * that has read a table without the trigger, such as one that a new source of
 * charges brings, leaves no mark.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/watch.h"

#include "access/sysattr.h"
#include "catalog/namespace.h"
#include "commands/sequence.h"
#include "commands/trigger.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/plancache.h"
#include "utils/rel.h"
#include "utils/relcache.h"

PG_FUNCTION_INFO_V1(finops_note_document_input);

#define TRIGGER_NAME	"document_input"
#define USAGE			" usage="

static const char *const sequences[] = {
	[WATCH_INPUT] = "document_input_seq",
	[WATCH_USAGE] = "document_usage_seq",
};

static bool covered;			/* of all tables that the preparation at hand has read */
static int64 own_moves[2];		/* of this session since the preparation began */

static Oid
sequence_oid(WatchKind kind)
{
	return get_relname_relid(sequences[kind], get_namespace_oid("finops", false));
}

void
WatchMove(WatchKind kind)
{
	Oid			sequence = sequence_oid(kind);

	/* a restore may fill tables before it makes the sequence */
	if (!OidIsValid(sequence))
		return;
	FinopsLockShared(FINOPS_LOCK_INPUTS, kind);
	(void) nextval_internal(sequence, false);
	own_moves[kind]++;
}

/* Whether the statement gives rows to another tenant or day. */
static bool
moves_rows(const TriggerData *trigger)
{
	static const char *const keys[] = {"tenant_id", "usage_date"};
	TupleDesc	desc = RelationGetDescr(trigger->tg_relation);

	for (int i = 0; i < (int) lengthof(keys); i++)
	{
		int			column = SPI_fnumber(desc, keys[i]);

		if (column > 0 &&
			bms_is_member(column - FirstLowInvalidHeapAttributeNumber, trigger->tg_updatedcols))
			return true;
	}
	return false;
}

/* Usage that is taken away may leave a tenant without any: that is the other kind. */
Datum
finops_note_document_input(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	bool		usage;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function was not called as a trigger")));
	usage = trigger->tg_trigger->tgnargs > 0 &&
		(TRIGGER_FIRED_BY_INSERT(trigger->tg_event) ||
		 (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) && !moves_rows(trigger)));
	WatchMove(usage ? WATCH_USAGE : WATCH_INPUT);
	return PointerGetDatum(NULL);
}

/* ---------------------------------------------------------------------
 * Marks
 * ---------------------------------------------------------------------
 */

/* 0 for a sequence that has never moved */
static int64
position(WatchKind kind)
{
	LOCAL_FCINFO(fcinfo, 1);
	Datum		value;

	InitFunctionCallInfoData(*fcinfo, NULL, 1, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = ObjectIdGetDatum(sequence_oid(kind));
	fcinfo->args[0].isnull = false;
	value = pg_sequence_last_value(fcinfo);
	return fcinfo->isnull ? 0 : DatumGetInt64(value);
}

/* Settings that documents depend on have a part in it. */
static char *
mark_of(const int64 *at)
{
	return psprintf("input=%lld currency=%s late=%d" USAGE "%lld", (long long) at[WATCH_INPUT],
					finops_reporting_currency, finops_late_usage_months, (long long) at[WATCH_USAGE]);
}

static char *
current_mark(void)
{
	return mark_of((const int64[]) {position(WATCH_INPUT), position(WATCH_USAGE)});
}

/* Whether nobody else who has moved the sequence is still at work. */
static bool
is_quiet(WatchKind kind)
{
	Datum		class = Int32GetDatum(FINOPS_LOCK_CLASS + (int32) FINOPS_LOCK_INPUTS);
	Datum		key = Int32GetDatum(kind);

	if (!DatumGetBool(DirectFunctionCall2(pg_try_advisory_lock_int4, class, key)))
		return false;
	(void) DirectFunctionCall2(pg_advisory_unlock_int4, class, key);
	return true;
}

WatchMark
WatchBegin(void)
{
	WatchMark	mark = {.valid = !IsolationUsesXactSnapshot()};

	covered = true;
	own_moves[WATCH_INPUT] = own_moves[WATCH_USAGE] = 0;
	mark.at[WATCH_INPUT] = position(WATCH_INPUT);
	mark.at[WATCH_USAGE] = position(WATCH_USAGE);
	mark.valid = mark.valid && is_quiet(WATCH_INPUT) && is_quiet(WATCH_USAGE);
	return mark;
}

WatchState
WatchCompare(const char *mark)
{
	char	   *now;
	const char *usage = mark == NULL ? NULL : strstr(mark, USAGE);

	if (usage == NULL || IsolationUsesXactSnapshot())
		return WATCH_CHANGED;
	now = current_mark();
	if (strcmp(now, mark) == 0)
		return WATCH_UNCHANGED;
	return strncmp(now, mark, usage - mark + strlen(USAGE)) == 0 ? WATCH_USAGE_CHANGED : WATCH_CHANGED;
}

/* ---------------------------------------------------------------------
 * Tables
 * ---------------------------------------------------------------------
 */

/* Documents themselves: the issue looks at their state. */
static bool
is_document(Oid table)
{
	char	   *name = get_rel_name(table);

	return name != NULL && (strcmp(name, "invoice_header") == 0 || strcmp(name, "invoice_detail") == 0);
}

static bool
is_watched(Oid table)
{
	Relation	rel = RelationIdGetRelation(table);
	bool		watched = false;

	if (rel == NULL)
		return false;
	for (int i = 0; rel->trigdesc != NULL && i < rel->trigdesc->numtriggers; i++)
		watched = watched || strcmp(rel->trigdesc->triggers[i].tgname, TRIGGER_NAME) == 0;
	RelationClose(rel);
	return watched;
}

void
WatchPlan(SPIPlanPtr plan)
{
	ListCell   *source;

	foreach(source, SPI_plan_get_plan_sources(plan))
	{
		List	   *tables = ((CachedPlanSource *) lfirst(source))->relationOids;
		ListCell   *table;

		foreach(table, tables)
			covered = covered && (is_document(lfirst_oid(table)) || is_watched(lfirst_oid(table)));
	}
}

/*
 * What this session has moved itself is part of what it has prepared; where
 * anybody else has too, the mark stays behind.  Without allocated cost nothing
 * is issued, so that there is nothing to remember.
 */
void
WatchStore(DateADT period, const WatchMark *mark)
{
	int64		at[2] = {mark->at[WATCH_INPUT], mark->at[WATCH_USAGE]};

	for (int kind = WATCH_INPUT; kind <= WATCH_USAGE; kind++)
		if (position((WatchKind) kind) == at[kind] + own_moves[kind])
			at[kind] += own_moves[kind];
	FINOPS_RUN("UPDATE finops.period_gate g SET mark = x.mark"
			   " FROM (SELECT CASE WHEN EXISTS (SELECT FROM @s@.fact_cost_allocated f WHERE f.period_start = $1) THEN $2 END AS mark) x"
			   " WHERE g.period_start = $1 AND g.gate = 'documents' AND g.mark IS DISTINCT FROM x.mark",
			   ARG_DATE(period), ARG_TEXT(mark->valid && covered ? mark_of(at) : NULL));
}

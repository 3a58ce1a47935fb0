/*-------------------------------------------------------------------------
 *
 * load_target.c
 *	  Where the lines of a load go: one target per billing period.
 *
 * All writers of a month hold its lock, and whoever holds several took them
 * in the order of time; otherwise two bills that name the same months the
 * other way round would wait for each other.  A bill names its months in any
 * order, so a month before one that is held already is locked only when that
 * needs no waiting.  Where it does, the attempt ends: it is undone together
 * with its locks, and the next one begins with all months known so far, in
 * their order.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/load.h"

#include "commands/progress.h"
#include "utils/backend_progress.h"
#include "utils/memutils.h"

static bool
contains(const DateADT *periods, int n, DateADT period)
{
	for (int i = 0; i < n; i++)
		if (periods[i] == period)
			return true;
	return false;
}

static int
compare_periods(const void *a, const void *b)
{
	DateADT		x = *(const DateADT *) a;
	DateADT		y = *(const DateADT *) b;

	return x < y ? -1 : x > y;
}

/* The attempt is over: with these months, the next one begins. */
static void
want(BillLoad *load, DateADT period)
{
	memcpy(load->wanted, load->held, sizeof(DateADT) * load->nheld);
	load->nwanted = load->nheld;
	load->wanted[load->nwanted++] = period;
	qsort(load->wanted, load->nwanted, sizeof(DateADT), compare_periods);
	load->restart = true;
}

void
BillLockWanted(BillLoad *load)
{
	for (int i = 0; i < load->nwanted; i++)
		FinopsLock(FINOPS_LOCK_PERIOD, load->wanted[i]);
	memcpy(load->held, load->wanted, sizeof(DateADT) * load->nwanted);
	load->nheld = load->nwanted;
}

/* False: the lock would mean waiting out of order, and the attempt ends. */
static bool
lock_period(BillLoad *load, DateADT period)
{
	bool		in_order = true;

	if (contains(load->held, load->nheld, period))
		return true;
	if (load->nheld == BILL_MAX_HELD - 1)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the bill has more than %d billing periods", BILL_MAX_PERIODS),
				 errhint("Load it in parts, each with a source_id of its own.")));
	for (int i = 0; i < load->nheld; i++)
		if (load->held[i] > period)
			in_order = false;
	if (in_order)
		FinopsLock(FINOPS_LOCK_PERIOD, period);
	else if (!FinopsTryLock(FINOPS_LOCK_PERIOD, period))
	{
		want(load, period);
		return false;
	}
	load->held[load->nheld++] = period;
	return true;
}

/*
 * The locks that a target needs: its month's and, where that is closed, that
 * of the open month which takes the corrections.
 */
static bool
lock_target(BillLoad *load, BillTarget *target)
{
	DateADT		month = target->period;

	if (!lock_period(load, month))
		return false;
	/* what is made up has no restatement */
	target->closed = load->generated == NULL && BillPeriodIsClosed(month);
	if (!target->closed)
	{
		FinopsOpenPeriod(month);
		return true;
	}
	do
		month = FinopsPeriodEnd(month);
	while (FinopsPeriodHasBegun(month) && FinopsPeriodIsLocked(month));
	return lock_period(load, month);
}

/* A bill of an open month: its sums, and what it changes. */
static void
follow_lines(BillLoad *load, BillTarget *target)
{
	target->restates = BillCurrentDelivery(target->source, target->period);
	if (target->restates != 0)
	{
		FINOPS_RUN("SELECT line_items FROM finops.delivery WHERE delivery_id = $1",
				   ARG_INT8(target->restates));
		target->match = FactMatchOpen(load->attempt, target->partition, target->restates,
									  FinopsInt64(0, 1));
	}
	target->rollup = FactRollupNew(load->attempt);
	target->commitments = palloc(sizeof(int64) * BILL_MAX_COMMITMENTS);
	if (!FactWriterStoresAsGiven(target->writer))
		FactRollupGiveUp(target->rollup);
}

/*
 * Look, now that nobody else can change the month, whether these bytes are
 * what stands for it already.
 */
static void
open_target(BillLoad *load, BillTarget *target)
{
	target->unchanged = FINOPS_RUN("SELECT d.delivery_id FROM finops.delivery d WHERE " BILL_STANDS
								   " AND coalesce(d.origin_period, d.billing_period) = $4"
								   " ORDER BY d.delivery_id DESC LIMIT 1",
								   ARG_TEXT(load->digest), ARG_TEXT(load->source_id),
								   ARG_BOOL(load->mode == BILL_MODE_REPLACE),
								   ARG_DATE(target->period)) > 0;
	if (target->unchanged)
	{
		target->delivery_id = FinopsInt64(0, 1);
		return;
	}
	target->delivery_id = BillNewDeliveryId();
	target->source = pstrdup(BillSourceName(load));
	target->partition = target->closed ? BillRestatedTable(target) :
		BillEnsurePartition(target->period);
	/* making the partition and its indexes reported progress of their own */
	pgstat_progress_start_command(PROGRESS_COMMAND_COPY, target->partition);
	target->writer = FactWriterOpen(target->partition, target->period, target->source,
									target->delivery_id);
	if (!target->closed)
		follow_lines(load, target);
}

static BillTarget *
add_target(BillLoad *load, BillPeriod period)
{
	DateADT		date = BillPeriodDate(period);
	BillTarget *target = &load->targets[load->ntargets];
	MemoryContext old;

	if (load->ntargets == BILL_MAX_PERIODS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the bill has more than %d billing periods", BILL_MAX_PERIODS),
				 errhint("Load it in parts, each with a source_id of its own.")));
	memset(target, 0, sizeof(*target));
	target->period = date;
	target->year_month = period;
	if (!lock_target(load, target))
		return NULL;
	load->ntargets++;
	old = MemoryContextSwitchTo(load->attempt);
	open_target(load, target);
	MemoryContextSwitchTo(old);
	return target;
}

BillTarget *
BillTargetOf(BillLoad *load, BillPeriod period)
{
	BillTarget *last = load->last;

	if (last != NULL && last->year_month.month == period.month &&
		last->year_month.year == period.year)
		return last;
	for (int i = 0; i < load->ntargets; i++)
		if (load->targets[i].year_month.month == period.month &&
			load->targets[i].year_month.year == period.year)
			return &load->targets[i];
	return add_target(load, period);
}

void
BillTargetAdd(BillLoad *load, BillTarget *target)
{
	int64		row_id;

	row_id = FactWrite(target->writer, load->values);
	if (target->rollup != NULL)
		FactRollupAdd(target->rollup, target->period, target->source, load->values);
	/* not at once: the processor has yet to put the tuple together */
	if (target->match != NULL)
		FactMatchAdd(target->match, FactWriterTuple(target->writer), load->values);
	if (load->values[load->commitment_id].isnull || target->commitments == NULL)
		return;
	if (target->ncommitments < BILL_MAX_COMMITMENTS)
		target->commitments[target->ncommitments++] = row_id;
	else
		target->commitments = NULL;
}

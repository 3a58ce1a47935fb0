/*-------------------------------------------------------------------------
 *
 * load_target.c
 *	  Where the lines of a load go: one target per billing period.
 *
 * The lines of the first billing period stream into COPY while the file is
 * read.  No partition can be made while a statement runs on the facts, so
 * lines of further periods wait in temporary files and are copied after it,
 * period by period.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/load.h"

#include "mb/pg_wchar.h"
#include "utils/memutils.h"

#define MAX_PERIODS		BILL_MAX_PERIODS

static BillTarget *
add_target(BillLoad *load, BillPeriod period)
{
	BillTarget *target;
	MemoryContext old = MemoryContextSwitchTo(load->context);
	OutBuf		text = {0};
	const char *source;
	char	   *utf8;

	if (load->ntargets == MAX_PERIODS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the bill has more than %d billing periods", MAX_PERIODS),
				 errhint("Load it in parts, each with a source_id of its own.")));
	target = &load->targets[load->ntargets++];
	memset(target, 0, sizeof(*target));
	target->period = BillPeriodDate(period);
	target->year_month = period;
	target->delivery_id = BillNewDeliveryId();
	source = target->source = pstrdup(BillSourceName(load));
	utf8 = pg_server_to_any(source, strlen(source), PG_UTF8);
	CopyText(&text, (Slice) {utf8, (int) strlen(utf8)});
	target->constants = psprintf("%.*s\t" INT64_FORMAT, (int) text.len, text.data,
								 target->delivery_id);
	OutFree(&text);
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

/*
 * Take the period's lock and look, now that nobody else can change it,
 * whether these bytes are its current delivery already.
 */
void
BillOpenTarget(BillLoad *load, BillTarget *target)
{
	uint64		n;

	/* what is made up has no restatement */
	target->closed = load->generated == NULL && BillPeriodIsClosed(target->period);
	if (!target->closed)
		FinopsOpenPeriod(target->period);
	n = FINOPS_RUN("SELECT d.delivery_id FROM finops.delivery d WHERE " BILL_STANDS
				   " AND coalesce(d.origin_period, d.billing_period) = $3"
				   " ORDER BY d.delivery_id DESC LIMIT 1",
				   ARG_TEXT(load->digest), ARG_TEXT(load->source_id), ARG_DATE(target->period));
	target->opened = true;
	target->unchanged = n > 0;
	if (target->unchanged)
		target->delivery_id = FinopsInt64(0, 1);
	else
		target->partition = target->closed ? BillRestatedTable(target) :
			BillEnsurePartition(target->period);
}

/* COPY calls this in a context that it empties after some lines. */
void
BillSpool(const BillLoad *load, BillTarget *target)
{
	if (target->file == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(load->context);

		target->file = BufFileCreateTemp(false);
		MemoryContextSwitchTo(old);
	}
	BufFileWrite(target->file, target->pending.data, target->pending.len);
	target->pending.len = 0;
}

static int
spooled_bytes(void *arg, char *buf, int max)
{
	return (int) BufFileRead(((BillTarget *) arg)->file, buf, max);
}

void
BillCopyTarget(BillLoad *load, BillTarget *target, BillCopySource source, void *arg)
{
	BillOutColumn columns[BILL_MAX_COLUMNS];
	const char *names[BILL_MAX_COLUMNS + 2];
	int			ncolumns = ProjectedColumns(columns);
	int			n = 0;

	for (int i = 0; i < ncolumns; i++)
		if (load->projector.written[i])
			names[n++] = columns[i].name;
	names[n++] = "source";
	names[n++] = "delivery_id";
	target->lines = BillCopyInto(target->partition, names, n, source, arg);
}

/* The lines that waited in a file. */
void
BillCopySpooled(BillLoad *load, BillTarget *target)
{
	if (!target->opened)
		BillOpenTarget(load, target);
	if (!target->unchanged)
	{
		BillSpool(load, target);
		if (BufFileSeek(target->file, 0, 0, SEEK_SET) != 0)
			elog(ERROR, "could not rewind temporary file");
		BillCopyTarget(load, target, spooled_bytes, target);
	}
	BillDropSpool(target);
}

void
BillDropSpool(BillTarget *target)
{
	if (target->file != NULL)
		BufFileClose(target->file);
	target->file = NULL;
}

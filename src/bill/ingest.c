/*-------------------------------------------------------------------------
 *
 * ingest.c
 *	  finops.load_bill: from a delivered file to the facts.
 *
 * This file leads: load_input.c yields the records, load_target.c takes
 * their lines, delivery.c puts the delivery in its place.
 *
 * Whose bill it is must be known before the first line is written: the
 * account that the first line names, unless a later line names another.
 * Then the load starts again with the address of the file as its source.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/load.h"

#include "mb/pg_wchar.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/backend_progress.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#define PROGRESS_LINES	1024

/* ---------------------------------------------------------------------
 * Whose bill
 * ---------------------------------------------------------------------
 */

static char *
copy_slice(BillLoad *load, Slice s)
{
	char	   *text;

	if (s.data == NULL)
		return NULL;
	text = MemoryContextAlloc(load->context, s.len + 1);
	memcpy(text, s.data, s.len);
	text[s.len] = '\0';
	return pg_any_to_server(text, s.len, PG_UTF8);
}

static bool
same(Slice s, const OutBuf *known, bool known_is_null)
{
	if (s.data == NULL)
		return known_is_null;
	return !known_is_null && (size_t) s.len == known->len &&
		memcmp(s.data, known->data, known->len) == 0;
}

static void
remember(OutBuf *known, Slice s)
{
	known->len = 0;
	if (s.data != NULL)
		OutBytes(known, s.data, s.len);
	OutReserve(known, 1);
}

/*
 * The account of a line that names none is that of the other lines.  Known
 * too late, it makes the load start again.
 */
static void
note_named_account(BillLoad *load, const BillRow *row)
{
	if (row->payer.data == NULL || load->named_account.data != NULL)
		return;
	load->named_account.data = memcpy(MemoryContextAlloc(load->context, row->payer.len + 1),
									  row->payer.data, row->payer.len);
	load->named_account.len = row->payer.len;
	if (!load->account_seen || !(load->no_payer || load->by_invoice))
		return;
	load->mixed = false;
	load->restart = load->source_id == NULL;
}

/*
 * Provider and account of the file, as far as it has been read.  A FOCUS bill
 * without accounts is known by its invoice.
 */
static void
note_account(BillLoad *load, const BillRow *row)
{
	bool		by_invoice;
	Slice		payer = row->payer;

	note_named_account(load, row);
	if (load->restart)
		return;
	if (payer.data == NULL)
		payer = load->named_account;
	by_invoice = payer.data == NULL && load->header.format == BILL_FOCUS;
	if (by_invoice)
		payer = load->projector.value[BF_INVOICE_ID];
	if (!load->account_seen)
	{
		load->account_seen = true;
		load->by_invoice = by_invoice;
		remember(&load->first_provider, row->provider);
		remember(&load->first_payer, payer);
		load->no_payer = payer.data == NULL;
		if (load->no_payer)
			load->mixed = true;
		else if (!Utf8Valid(payer.data, payer.len) ||
				 !Utf8Valid(row->provider.data, row->provider.len))
			BillRaiseProblem(load, VALUE_NOT_UTF8, "account", payer);
		load->provider = copy_slice(load, row->provider);
		load->account_id = copy_slice(load, payer);
		return;
	}
	if (load->mixed ||
		(by_invoice == load->by_invoice &&
		 same(row->provider, &load->first_provider, false) &&
		 same(payer, &load->first_payer, load->no_payer)))
		return;
	load->mixed = true;
	if (load->source_id == NULL)
		load->restart = true;
}

const char *
BillSourceName(BillLoad *load)
{
	const char *address = load->group_name != NULL ? load->group_name : load->address;

	if (load->source_id != NULL)
		return load->source_id;
	if (load->mixed)
		return address;
	/* before it was final it had no invoice, and was known by its address */
	if (load->by_invoice &&
		FINOPS_RUN("SELECT FROM finops.delivery WHERE source = $1 AND status = 'current' LIMIT 1",
				   ARG_TEXT(address)) > 0)
		return address;
	return psprintf("%s/%s", load->provider, load->account_id);
}

/* ---------------------------------------------------------------------
 * Records
 * ---------------------------------------------------------------------
 */

/* The current record cannot be projected.  Always true: go on behind it. */
static bool
reject_problem(BillLoad *load)
{
	const BillProblem *problem = &load->projector.problem;

	BillRejectLine(load, (BillReject) {
		.why = BILL_BAD_VALUE,
		.status = problem->status,
		.column = problem->column,
		.value = problem->value,
	});
	return true;
}

static bool
period_fits(BillLoad *load, DateADT period)
{
	BillTarget *last = load->last;

	if (last != NULL && last->period == period)
		return true;
	if (load->has_want_period && period != load->want_period)
	{
		BillRejectLine(load, (BillReject) {.why = BILL_OTHER_PERIOD, .period = period});
		return false;
	}
	if (!FinopsPeriodHasBegun(period))
	{
		BillRejectLine(load, (BillReject) {.why = BILL_FUTURE_PERIOD, .period = period});
		return false;
	}
	return true;
}

/* Read one record into its target; false at the end of the bill. */
static bool
load_record(BillLoad *load)
{
	BillProjector *p = &load->projector;
	BillTarget *target;

	if (!BillNextRecord(load))
		return false;
	if (!ProjectRecord(p, load->csv.fields))
		return reject_problem(load);
	if (!p->row.has_period)
	{
		BillRejectLine(load, (BillReject) {.why = BILL_NO_PERIOD});
		return true;
	}
	if (!period_fits(load, BillPeriodDate(p->row.period)))
		return true;
	note_account(load, &p->row);
	if (load->restart)
		return true;
	target = BillTargetOf(load, p->row.period);
	if (target == NULL)
		return true;
	load->last = target;
	if (target->unchanged)
		return true;
	if (!ProjectorOk(p))
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	if (!FactRead(load->reader, p, load->values))
		return reject_problem(load);
	BillTargetAdd(load, target);
	BillNoteLine(load, target);
	load->lines++;
	return true;
}

/* ---------------------------------------------------------------------
 * The load
 * ---------------------------------------------------------------------
 */

/* Everything that does not live in a memory context. */
static void
release(void *arg)
{
	BillLoad   *load = arg;

	OutFree(&load->first_provider);
	OutFree(&load->first_payer);
	ProjectorFree(&load->projector);
	BillCloseInput(load);
}

static void
begin(BillLoad *load)
{
	load->attempt = AllocSetContextCreate(load->context, "finops load attempt",
										  ALLOCSET_DEFAULT_SIZES);
	load->ntargets = 0;
	load->last = NULL;
	load->lines = 0;
	load->restart = false;
	load->account_seen = false;
	load->reader = FactReaderNew(load->attempt);
	load->commitment_id = FactColumn("commitment_discount_id");
	BillOpenInput(load);
	ProjectorInit(&load->projector, &load->header);
	if (load->has_want_period)
		load->projector.default_period = BillPeriodOf(load->want_period);
}

static void
read_all(BillLoad *load)
{
	while (!load->restart && load_record(load))
		if ((load->lines & (PROGRESS_LINES - 1)) == 0)
			BillShowProgress(load);
	if (load->ntargets == 0 && !load->restart)
		ereport(ERROR,
				(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
				 errmsg("the bill has a header but no lines"),
				 load->nrejected > 0 ? errdetail("All of its " INT64_FORMAT " lines were rejected.",
												 load->nrejected) : 0,
				 errhint("Check that the delivery is complete; a month without cost needs no load."),
				 errcontext("file %s", BillFileAtHand(load))));
}

static void
log_unchanged(const FinopsSession *session, BillLoad *load, int64 delivery_id)
{
	FINOPS_RUN("INSERT INTO @s@.cur_ingestion_log (run_id, delivery_id, source,"
			   " address, format, period_start, period_end, status, row_count,"
			   " rejected_count, duration_sec, source_digest, executed_by, started_at)"
			   " SELECT d.run_id, d.delivery_id, d.source, $2, d.format,"
			   " d.billing_period, (d.billing_period + interval '1 month')::date - 1,"
			   " 'skipped', 0, 0,"
			   " round(extract(epoch FROM clock_timestamp() - $3), 3), d.digest, $4, $3"
			   " FROM finops.delivery d WHERE d.delivery_id = $1",
			   ARG_INT8(delivery_id), ARG_TEXT(load->address),
			   ARG_DATUM(TIMESTAMPTZOID, TimestampTzGetDatum(load->started_at), false),
			   ARG_TEXT(FinopsCallerName(session)));
}

/*
 * A bill that names no single account is known by its address.  Under another
 * address the same bill would count twice, and nothing else would tell.
 */
static void
warn_of_double(const BillLoad *load, const BillTarget *target)
{
	if (!load->mixed || load->source_id != NULL || load->generated != NULL ||
		target->restates != 0 ||
		FINOPS_RUN("SELECT source FROM finops.delivery WHERE billing_period = $1 AND source <> $2"
				   " AND status = 'current' AND kind = 'bill' AND format <> 'generated'"
				   " AND (provider = $3 OR provider IS NULL) ORDER BY source LIMIT 1",
				   ARG_DATE(target->period), ARG_TEXT(target->source), ARG_TEXT(load->provider)) == 0)
		return;
	ereport(WARNING,
			(errmsg("billing period %s has a bill of source \"%s\" already",
					FinopsPeriodText(target->period), FinopsText(0, 1)),
			 errdetail("This one names no single account; as source \"%s\" it counts beside it.",
					   target->source),
			 errhint("If it is that bill, roll back and load it with source_id => %s.",
					 quote_literal_cstr(FinopsText(0, 1)))));
}

static void
place_in_open_month(const FinopsSession *session, const BillLoad *load,
					BillTarget *target, BillDelivery *delivery)
{
	bool		increment = BillIsIncrement(load, target);

	if (increment)
	{
		BillMakeIncrement(load, target);
		delivery->rollup = NULL;
	}
	else
		warn_of_double(load, target);
	delivery->source = target->source;
	BillPlaceDelivery(session, delivery);
	target->status = increment ? "appended" : delivery->status;
	if (!increment)
		BillDropIncrements(target);
}

/* NULL: look for them among all lines. */
static ArrayType *
commitment_array(const BillTarget *target)
{
	Datum	   *ids;

	if (target->commitments == NULL)
		return NULL;
	ids = palloc(sizeof(Datum) * Max(target->ncommitments, 1));
	for (int i = 0; i < target->ncommitments; i++)
		ids[i] = Int64GetDatum(target->commitments[i]);
	return construct_array(ids, target->ncommitments, INT8OID, sizeof(int64),
						   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
}

static void
place_target(const FinopsSession *session, BillLoad *load, BillTarget *target)
{
	BillDelivery delivery = {
		.delivery_id = target->delivery_id,
		.period = target->period,
		.source = target->source,
		.digest = load->digest,
		.format = load->generated != NULL ? "generated" :
		BillFormatName(load->header.format),
		.address = load->address,
		.provider = load->mixed ? NULL : load->provider,
		.account_id = load->mixed || load->by_invoice ? NULL : load->account_id,
		.detail = BillLogDetail(load),
		.started_at = load->started_at,
		.read = true,
		.restates = target->restates,
		.commitments = commitment_array(target),
		.rollup = target->rollup,
		.match = target->match,
	};

	if (target->unchanged)
	{
		log_unchanged(session, load, target->delivery_id);
		return;
	}
	if (target->closed)
		BillCorrectPeriod(session, load, target, &delivery);
	else
		place_in_open_month(session, load, target, &delivery);
	if (target->match != NULL)
		FactMatchClose(target->match);
	BillDescribeDelivery(load, target);
	if (load->projector.fees && !target->closed)
		BillCheckCommitments(&delivery);
	BillSettleCredits(session, load, target->delivery_id,
					  target->base_source != NULL ? target->base_source : target->source,
					  target->period);
}

/* Of a delivery d: how many currencies it has, and its billed cost in each. */
#define CURRENCIES \
	"LATERAL (SELECT count(*) AS n, string_agg(format('%%s %%s', r.currency, trim_scale(r.billed)), ', '" \
	"  ORDER BY r.currency COLLATE \"C\") AS billed" \
	" FROM (SELECT currency, sum(billed_cost) AS billed FROM finops.cost_daily" \
	"  WHERE billing_period = d.billing_period AND source = d.source GROUP BY 1) r)"

/* There is no sum of several currencies. */
static void
tell_currencies(const char *loads)
{
	uint64		n = FINOPS_RUN0(psprintf("SELECT to_char(d.billing_period::timestamp, 'YYYY-MM'), c.n, c.billed"
										 " FROM (VALUES %s) AS l(delivery_id, status)"
										 " JOIN finops.delivery d USING (delivery_id), " CURRENCIES " c"
										 " WHERE c.n > 1 AND l.status <> 'unchanged' ORDER BY 1, d.source", loads));

	for (uint64 i = 0; i < n; i++)
		ereport(NOTICE,
				(errmsg("the bill of %s has %s currencies: %s", FinopsText(i, 1), FinopsText(i, 2),
						FinopsText(i, 3)),
				 errdetail("Its cost is told for each of them, not as one sum.")));
}

/* Answer with one row per delivery, in the order of time. */
static void
return_loads(FunctionCallInfo fcinfo, List *loads)
{
	StringInfoData list;
	ListCell   *cell;

	initStringInfo(&list);
	foreach(cell, loads)
	{
		const BillLoad *load = lfirst(cell);

		for (int i = 0; i < load->ntargets; i++)
			appendStringInfo(&list, "%s(" INT64_FORMAT "::bigint, '%s')", list.len == 0 ? "" : ", ",
							 load->targets[i].delivery_id,
							 load->targets[i].unchanged ? "unchanged" : load->targets[i].status);
	}
	tell_currencies(list.data);
	FINOPS_RUN0(psprintf("SELECT d.run_id, d.delivery_id, coalesce(d.origin_period, d.billing_period), l.status,"
						 " CASE WHEN l.status = 'unchanged' THEN 0 ELSE d.line_items END,"
						 " CASE WHEN l.status = 'unchanged' THEN 0 ELSE d.rejected_lines END,"
						 " CASE WHEN c.n <= 1 THEN d.billed_cost END, CASE WHEN c.n <= 1 THEN d.effective_cost END"
						 " FROM (VALUES %s) AS l(delivery_id, status)"
						 " JOIN finops.delivery d USING (delivery_id), " CURRENCIES " c"
						 " ORDER BY 3, d.source", list.data));
	FinopsReturnRows(fcinfo);
}

/*
 * These bytes are current already, for every period they were loaded for.
 * Then there is nothing to read: answer from the deliveries.  Lines that were
 * passed over for their month may be wanted now; those are looked for.
 */
static bool
is_current(BillLoad *load)
{
	uint64		n = FINOPS_RUN("SELECT max(d.delivery_id) FILTER (WHERE " BILL_STANDS "),"
							   " coalesce(d.origin_period, d.billing_period),"
							   " bool_or(d.rejected_lines > 0 AND EXISTS (SELECT FROM finops.bill_reject r"
							   " WHERE r.delivery_id = d.delivery_id AND r.sqlstate = '22023'))"
							   " FROM finops.delivery d WHERE d.digest = $1 AND d.kind <> 'offset'"
							   " AND (coalesce(d.base_source, d.source) = $2 OR $2 IS NULL)"
							   " GROUP BY coalesce(d.base_source, d.source), 2 ORDER BY 2",
							   ARG_TEXT(load->digest), ARG_TEXT(load->source_id),
							   ARG_BOOL(load->mode == BILL_MODE_REPLACE));

	if (n == 0 || n > BILL_MAX_PERIODS)
		return false;
	for (uint64 i = 0; i < n; i++)
	{
		bool		isnull;
		DateADT		period = DatumGetDateADT(FinopsValue(i, 2, &isnull));

		if (load->has_want_period && period != load->want_period)
			return false;
		if (FinopsText(i, 1) == NULL || strcmp(FinopsText(i, 3), "t") == 0)
			return false;
	}
	for (uint64 i = 0; i < n; i++)
	{
		BillTarget *target = &load->targets[load->ntargets++];

		memset(target, 0, sizeof(*target));
		target->delivery_id = FinopsInt64(i, 1);
		target->unchanged = true;
	}
	return true;
}

/*
 * The key stays what it is until the load is over: set_tenant_key would not
 * see the new lines and leave them the tenants of the old key.
 */
static void
read_tenant_key(BillLoad *load)
{
	char	   *key = NULL;

	FINOPS_RUN0("LOCK TABLE finops.tenant_key IN SHARE MODE");
	if (FINOPS_RUN0("SELECT tag_key FROM finops.tenant_key FOR SHARE") > 0)
		key = FinopsText(0, 1);

	/* tenant_id is the tag of that name in any spelling */
	load->tenant_key = key == NULL || strcmp(key, "tenant_id") == 0 ? NULL :
		pg_server_to_any(key, strlen(key), PG_UTF8);
}

/* What a load needs; deleting its context, or an error, releases it. */
BillLoad *
BillNewLoad(void)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "finops load",
												  ALLOCSET_DEFAULT_SIZES);
	BillLoad   *load = MemoryContextAllocZero(context, sizeof(BillLoad));
	MemoryContextCallback *callback = MemoryContextAllocZero(context, sizeof(*callback));

	load->context = context;
	load->owner = CurrentResourceOwner;
	load->targets = MemoryContextAllocZero(context, sizeof(BillTarget) * BILL_MAX_PERIODS);
	load->started_at = GetCurrentTimestamp();
	callback->func = release;
	callback->arg = load;
	MemoryContextRegisterResetCallback(context, callback);
	return load;
}

/* What the attempt has written takes its place. */
static void
place_all(const FinopsSession *session, BillLoad *load)
{
	int64	   *ids = palloc(sizeof(int64) * load->ntargets);
	int			n = 0;

	BillCheckAnnounced(load);
	/* building an index reports numbers of its own */
	pgstat_progress_end_command();
	for (int i = 0; i < load->ntargets; i++)
		if (!load->targets[i].unchanged)
		{
			FactWriterClose(load->targets[i].writer);
			ids[n++] = load->targets[i].delivery_id;
		}
	BillKeepRejects(load);
	for (int i = 0; i < load->ntargets; i++)
		place_target(session, load, &load->targets[i]);
	BillRegisterTenants(ids, n);
	BillWarnMissingCost(load);
}

/*
 * Load in a subtransaction, which can be undone with the locks it took when
 * it turns out that the load must begin in another way.  True: done.
 */
static bool
attempt(const FinopsSession *session, BillLoad *load)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool done = false;

	BillLockWanted(load);
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		begin(load);
		read_all(load);
		done = !load->restart;
		if (done)
			place_all(session, load);
		else
			BillForgetRejects(load);
		release(load);
		if (done)
			ReleaseCurrentSubTransaction();
		else
			RollbackAndReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		ReThrowError(error);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	if (!done)
		MemoryContextDelete(load->attempt);
	return done;
}

static void
run_load(const FinopsSession *session, BillLoad *load)
{
	bool		current = BillFilesAreKnown(load) && is_current(load);

	if (!current)
	{
		BillDigestInput(load);
		current = is_current(load);
	}
	if (current)
		for (int i = 0; i < load->ntargets; i++)
			log_unchanged(session, load, load->targets[i].delivery_id);
	else
	{
		read_tenant_key(load);
		BillStageParquet(load);
		while (!attempt(session, load))
			;
	}
	BillCloseInput(load);
}

/* The first month after that one which a load is known to be for. */
static DateADT
next_month(const List *loads, DateADT after)
{
	DateADT		month = DATEVAL_NOEND;
	ListCell   *cell;

	foreach(cell, loads)
	{
		const BillLoad *load = lfirst(cell);

		if (load->has_want_period && load->want_period > after)
			month = Min(month, load->want_period);
	}
	return month;
}

/*
 * Several loads keep their locks to the end.  All months that they are known
 * to need are locked in the order of time: each by itself, the open month that
 * takes the corrections of locked ones in its turn, which comes after them.
 */
static void
lock_months(const List *loads)
{
	DateADT		month = DATEVAL_NOBEGIN;
	DateADT		open = DATEVAL_NOEND;

	while ((month = Min(next_month(loads, month), open)) != DATEVAL_NOEND)
	{
		if (month == open)
			open = DATEVAL_NOEND;
		if (!BillPeriodIsClosed(month))
			continue;
		open = FinopsPeriodEnd(month);
		while (FinopsPeriodHasBegun(open) && FinopsPeriodIsLocked(open))
			open = FinopsPeriodEnd(open);
	}
}

/* Load within the session and answer with a row per billing period. */
void
BillRunLoads(FunctionCallInfo fcinfo, FinopsSession *session, List *loads)
{
	ListCell   *cell;

	if (list_length(loads) > 1)
		lock_months(loads);
	foreach(cell, loads)
		run_load(session, lfirst(cell));
	return_loads(fcinfo, loads);
}

PG_FUNCTION_INFO_V1(finops_load_bill);

/*
 * finops.load_bill(source text, format text, billing_period date,
 * source_id text, mode text, columns text[]): load a bill from a file of the server.  One row per
 * billing period: run_id, delivery_id, billing_period, status (loaded,
 * replaced, unchanged), rows_loaded, rows_rejected, billed_cost,
 * effective_cost.
 *
 * 22004 and 22023 for arguments, 42501 without pg_read_server_files, 58P01
 * and the like for the file, 22P04 for what is no bill, 22P02, 22007 and
 * 22021 for a value, 55000 for a locked period, 0A000 for the network.
 */
Datum
finops_load_bill(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	SourceAddress address;
	BillLoad   *load;

	FinopsRequireArg(fcinfo, 0, "bill source");
	FinopsRequireWritable("finops.load_bill");
	load = BillNewLoad();
	load->want = BillFormatArg(fcinfo, 1);
	load->has_want_period = !PG_ARGISNULL(2);
	if (load->has_want_period)
	{
		load->want_period = FinopsPeriodArg(fcinfo, 2);
		FinopsCheckPeriodNotFuture(load->want_period);
	}
	if (!PG_ARGISNULL(3))
		load->source_id = BillSourceIdArg(fcinfo, 3);
	load->mode = BillModeArg(fcinfo, 4);
	BillColumnsArg(fcinfo, 5, load);
	address = FinopsSourceAddress(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	FinopsCheckSourceAccess(&address);

	FinopsBegin(&session);
	BillRunLoads(fcinfo, &session, BillLoadsOf(load, &address));
	FinopsEnd(&session);
	MemoryContextDelete(load->context);
	return (Datum) 0;
}

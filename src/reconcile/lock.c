/*-------------------------------------------------------------------------
 *
 * lock.c
 *	  Closed means closed: the lock of a billing period and its verification.
 *
 * Locking puts triggers on the month's partitions of facts and entries, so
 * that an INSERT, UPDATE, DELETE or TRUNCATE of a locked month is refused
 * whatever statement it comes from and whatever rights the role has.  The
 * triggers stand on the partitions and not on the parents, because a restore
 * creates the extension's own triggers before it copies the rows, and those
 * of a partition after.  Tables that are not partitioned by month carry
 * triggers from the start that ask period_lock; they never look at INSERT,
 * which the functions that write refuse themselves.
 *
 * The owner of the tables and a superuser can switch triggers off.  What
 * they then change is found by finops.verify_period(), which compares the
 * period with its seal: per relation the number of rows and their digest
 * (seal.c), which needs no key and no order of the rows.  hash_head is the
 * SHA-256 of the list of all relations, columns, counts and digests.
 *
 *-------------------------------------------------------------------------
 */
#include "reconcile/reconcile.h"

#include "invoice/usage.h"

#include "allocate/allocate.h"
#include "bill/bill.h"

#include "commands/trigger.h"
#include "utils/acl.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(finops_lock_period);
PG_FUNCTION_INFO_V1(finops_verify_period);
PG_FUNCTION_INFO_V1(finops_refuse_locked_period);
PG_FUNCTION_INFO_V1(finops_refuse_locked_rows);
PG_FUNCTION_INFO_V1(finops_refuse_locked_insert);
PG_FUNCTION_INFO_V1(finops_guard_period_lock);

/*
 * What a seal covers.  Settlement goes on after the lock, so the state of a
 * document is left out, and documents issued later belong to later seals.
 * $1 period, $2 when it was locked.
 */
typedef struct SealedObject
{
	const char *object;			/* name in the seal */
	const char *relation;
	const char *condition;
	const char *unsealed;		/* columns left out, as an array */
} SealedObject;

#define ISSUED_BEFORE "h.period_start = $1 AND h.issued_at <= $2"

static const SealedObject sealed_objects[] = {
	{"accrual_entry", "finops.accrual_entry", "t.period_start = $1", "{}"},
	{"allocation_input", "finops.allocation_input", "t.period_start = $1", "{}"},
	{"allocation_packed", "finops.allocation_packed", "t.period_start = $1", "{}"},
	{"allocation_target", "finops.allocation_target", "t.period_start = $1", "{}"},
	{"fact_cost_allocated", "@s@.fact_cost_allocated", "t.period_start = $1", "{}"},
	{"fact_cost_raw", "@s@.fact_cost_raw", "t.bill_billing_period_start_date = $1", "{}"},
	{"invoice_detail", "@s@.invoice_detail",
		"t.invoice_id IN (SELECT h.invoice_id FROM @s@.invoice_header h WHERE " ISSUED_BEFORE ")", "{}"},
	{"invoice_header", "@s@.invoice_header",
	"t.period_start = $1 AND t.issued_at <= $2", "{status,paid_at}"},
	{"period_rate", "finops.period_rate", "t.period_start = $1", "{}"},
	{"recon_currency", "finops.recon_currency",
	"t.recon_id = (SELECT r.recon_id FROM finops.recon_run r WHERE r.period_start = $1)", "{}"},
	{"recon_detail", "finops.recon_detail",
	"t.recon_id = (SELECT r.recon_id FROM finops.recon_run r WHERE r.period_start = $1)", "{}"},
	{"recon_exceptions", "@s@.recon_exceptions",
	"t.recon_id = (SELECT r.recon_id FROM finops.recon_run r WHERE r.period_start = $1)", "{}"},
	{"recon_run", "finops.recon_run", "t.period_start = $1", "{}"},
	{"recon_stage", "finops.recon_stage",
	"t.recon_id = (SELECT r.recon_id FROM finops.recon_run r WHERE r.period_start = $1)", "{}"},
	{"recon_summary", "@s@.recon_summary", "t.period_start = $1", "{}"},
	{"rule_version_map", "@s@.rule_version_map", "t.period_start = $1", "{}"},
	{"usage_snapshot_daily", "@s@.usage_snapshot_daily",
	"t.usage_date >= $1 AND t.usage_date < $1 + interval '1 month'", "{}"},
};

/* The partitioned relations, whose month carries triggers of its own. */
static const char *const partitioned[] = {"fact_cost_raw", "fact_cost_allocated"};

static void
raise_locked(const char *period)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("billing period %.7s is locked", period),
			 errdetail("A closed month never changes."),
			 errhint("Book the difference as a correction in the open month.")));
}

/* Trigger on a locked partition; its argument is the period. */
Datum
finops_refuse_locked_period(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) || data->tg_trigger->tgnargs != 1)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function must be called by its own trigger")));
	raise_locked(data->tg_trigger->tgargs[0]);
	return PointerGetDatum(NULL);
}

/* How a row tells its period: by the column named in the trigger. */
static const char *
period_condition(const char *column)
{
	if (strcmp(column, "recon_id") == 0)
		return "o.recon_id = 'RECON-' || to_char(l.period_start, 'YYYY-MM')";
	if (strcmp(column, "usage_date") == 0)
		return "o.usage_date BETWEEN l.period_start AND l.period_end";
	if (strcmp(column, "billing_period") == 0)
		return "o.billing_period = l.period_start";
	return "o.period_start = l.period_start";
}

/*
 * Trigger AFTER UPDATE or DELETE FOR EACH STATEMENT with transition tables
 * old_rows and new_rows, or BEFORE TRUNCATE; its argument is the column that
 * tells the period.  One query per statement, however many rows.
 */
Datum
finops_refuse_locked_rows(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	FinopsSession session;
	const char *condition;
	uint64		n;

	if (!CALLED_AS_TRIGGER(fcinfo) || data->tg_trigger->tgnargs != 1)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function must be called by its own trigger")));
	if (finops_recon_reopening)
		return PointerGetDatum(NULL);
	condition = period_condition(data->tg_trigger->tgargs[0]);
	FinopsBegin(&session);
	if (TRIGGER_FIRED_BY_TRUNCATE(data->tg_event))
		n = FINOPS_RUN0("SELECT l.period_start::text FROM @s@.period_lock l"
						" WHERE l.state = 'LOCKED' ORDER BY 1 LIMIT 1");
	else
	{
		if (SPI_register_trigger_data(data) != SPI_OK_TD_REGISTER)
			elog(ERROR, "SPI_register_trigger_data failed");
		n = FinopsRun(psprintf("SELECT l.period_start::text FROM @s@.period_lock l"
							   " WHERE l.state = 'LOCKED' AND (EXISTS (SELECT FROM old_rows o WHERE %s)%s%s%s)"
							   " ORDER BY 1 LIMIT 1", condition,
							   TRIGGER_FIRED_BY_UPDATE(data->tg_event) ? " OR EXISTS (SELECT FROM new_rows o WHERE " : "",
							   TRIGGER_FIRED_BY_UPDATE(data->tg_event) ? condition : "",
							   TRIGGER_FIRED_BY_UPDATE(data->tg_event) ? ")" : ""),
					  0, NULL);
	}
	if (n > 0)
		raise_locked(FinopsText(0, 1));
	FinopsEnd(&session);
	return PointerGetDatum(NULL);
}

/*
 * Trigger BEFORE INSERT FOR EACH ROW: a role other than the owner adds nothing
 * to a locked month.  The owner may, so that a restore can; our functions,
 * which work as the owner, ask for the lock themselves.
 */
Datum
finops_refuse_locked_insert(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	FinopsSession session;
	char	   *value;
	const char *column;

	if (!CALLED_AS_TRIGGER(fcinfo) || data->tg_trigger->tgnargs != 1 ||
		!TRIGGER_FIRED_BY_INSERT(data->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function must be called by its own trigger")));
	if (FINOPS_OWNS_TABLE(RelationGetRelid(data->tg_relation), GetUserId()))
		return PointerGetDatum(data->tg_trigtuple);
	column = data->tg_trigger->tgargs[0];
	FinopsBegin(&session);		/* first, for it pins how dates are written */
	value = SPI_getvalue(data->tg_trigtuple, RelationGetDescr(data->tg_relation),
						 SPI_fnumber(RelationGetDescr(data->tg_relation), column));
	if (value != NULL &&
		FINOPS_RUN(strcmp(column, "recon_id") == 0 ?
				   "SELECT l.period_start::text FROM @s@.period_lock l WHERE l.state = 'LOCKED'"
				   " AND $1 = 'RECON-' || to_char(l.period_start, 'YYYY-MM')" :
				   "SELECT l.period_start::text FROM @s@.period_lock l WHERE l.state = 'LOCKED'"
				   " AND $1::date BETWEEN l.period_start AND l.period_end", ARG_TEXT(value)) > 0)
		raise_locked(FinopsText(0, 1));
	FinopsEnd(&session);
	return PointerGetDatum(data->tg_trigtuple);
}

/* Trigger BEFORE UPDATE or DELETE on period_lock FOR EACH ROW. */
Datum
finops_guard_period_lock(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	TupleDesc	desc;
	char	   *state;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_FOR_ROW(data->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function must be called by its own trigger")));
	desc = RelationGetDescr(data->tg_relation);
	state = SPI_getvalue(data->tg_trigtuple, desc, SPI_fnumber(desc, "state"));
	if (strcmp(state, "LOCKED") == 0 && !finops_recon_reopening)
	{
		bool		isnull;
		Datum		period = SPI_getbinval(data->tg_trigtuple, desc,
										   SPI_fnumber(desc, "period_start"), &isnull);

		raise_locked(FinopsPeriodText(DatumGetDateADT(period)));
	}
	return PointerGetDatum(TRIGGER_FIRED_BY_UPDATE(data->tg_event) ?
						   data->tg_newtuple : data->tg_trigtuple);
}

/* Counts and digests the rows of an object, over a list of columns. */
static void
run_digest(const SealedObject *object, DateADT period, Datum locked_at,
		   FinopsArg columns)
{
	FINOPS_RUN(psprintf("SELECT count(*), finops.seal_digest(t, $3) FROM %s t WHERE %s",
						object->relation, object->condition),
			   ARG_DATE(period), ARG_DATUM(TIMESTAMPTZOID, locked_at, false), columns);
}

/*
 * The rates that the month was computed with; one that is set later does not
 * change them.
 */
static void
freeze_rates(DateADT period)
{
	FINOPS_RUN("INSERT INTO finops.period_rate (period_start, currency, rate, valid_from, source)"
			   " SELECT $1, c.currency, r.rate, r.valid_from, r.source FROM"
			   " (SELECT a.currency FROM @s@.fact_cost_allocated a WHERE a.period_start = $1"
			   "  UNION SELECT d.currency FROM finops.cost_daily d WHERE d.billing_period = $1"
			   "  UNION SELECT h.currency FROM @s@.invoice_header h WHERE h.period_start = $1) c"
			   " CROSS JOIN LATERAL (SELECT x.rate, x.valid_from, x.source FROM finops.fx_rate x"
			   "  WHERE x.currency = c.currency AND x.valid_from < $2 ORDER BY x.valid_from DESC LIMIT 1) r"
			   " WHERE c.currency <> $3",
			   ARG_DATE(period), ARG_DATE(FinopsPeriodEnd(period)),
			   ARG_TEXT(finops_reporting_currency));
}

/* Writes the seal of the period; the names of the columns go with it. */
static void
write_seal(DateADT period, Datum locked_at)
{
	for (int i = 0; i < (int) lengthof(sealed_objects); i++)
	{
		const SealedObject *object = &sealed_objects[i];
		bool		isnull;
		FinopsArg	columns;
		int64		rows;

		FINOPS_RUN(psprintf("SELECT array_agg(a.attname::text ORDER BY a.attnum)"
							" FROM pg_attribute a WHERE a.attrelid = '%s'::regclass AND a.attnum > 0"
							" AND NOT a.attisdropped AND a.attname <> ALL ($1::text[])", object->relation),
				   ARG_TEXT(object->unsealed));
		columns = ARG_DATUM(TEXTARRAYOID, FinopsValue(0, 1, &isnull), false);
		run_digest(object, period, locked_at, columns);
		rows = FinopsInt64(0, 1);
		FINOPS_RUN("INSERT INTO finops.period_seal (period_start, object, row_count, digest, columns)"
				   " VALUES ($1, $2, $3, $4, $5)",
				   ARG_DATE(period), ARG_TEXT(object->object), ARG_INT8(rows),
				   ARG_TEXT(FinopsText(0, 2)), columns);
	}
}

/* The hash head that the rows of period_seal give. */
static char *
seal_head(DateADT period)
{
	FINOPS_RUN("SELECT encode(sha256(convert_to(string_agg(concat_ws(' ', s.object, s.row_count,"
			   " array_to_string(s.columns, ','), s.digest), E'\\n' ORDER BY s.object COLLATE \"C\"), 'UTF8')), 'hex')"
			   " FROM finops.period_seal s WHERE s.period_start = $1", ARG_DATE(period));
	return FinopsText(0, 1);
}

static char *
partition_name(const char *parent, DateADT period)
{
	char	   *name = psprintf("finops.%s_%s", parent, FinopsPeriodText(period));

	name[strlen(name) - 3] = '_';
	return name;
}

static bool
relation_exists(const char *name)
{
	FINOPS_RUN("SELECT to_regclass($1) IS NOT NULL", ARG_TEXT(name));
	return FinopsText(0, 1)[0] == 't';
}

/* A role with every right on the partition cannot drop or disable these. */
static void
lock_partitions(DateADT period)
{
	for (int i = 0; i < (int) lengthof(partitioned); i++)
	{
		char	   *partition = partition_name(partitioned[i], period);

		if (!relation_exists(partition))
			continue;
		if (strcmp(partitioned[i], "fact_cost_raw") == 0)
			AllocateIndexLines(partition, period);
		FINOPS_RUN0(psprintf("CREATE TRIGGER finops_locked BEFORE INSERT OR UPDATE OR DELETE ON %s"
							 " FOR EACH ROW EXECUTE FUNCTION finops.refuse_locked_period('%s-01')",
							 partition, FinopsPeriodText(period)));
		FINOPS_RUN0(psprintf("CREATE TRIGGER finops_locked_truncate BEFORE TRUNCATE ON %s"
							 " FOR EACH STATEMENT EXECUTE FUNCTION finops.refuse_locked_period('%s-01')",
							 partition, FinopsPeriodText(period)));
	}
}

void
ReconUnlockPartitions(DateADT period)
{
	for (int i = 0; i < (int) lengthof(partitioned); i++)
	{
		char	   *partition = partition_name(partitioned[i], period);

		if (!relation_exists(partition))
			continue;
		FINOPS_RUN0(psprintf("DROP TRIGGER IF EXISTS finops_locked ON %s", partition));
		FINOPS_RUN0(psprintf("DROP TRIGGER IF EXISTS finops_locked_truncate ON %s", partition));
	}
}

static void
require_not_closed(DateADT period)
{
	if (FINOPS_RUN("SELECT to_char(locked_at, 'YYYY-MM-DD HH24:MI'), locked_by, hash_head FROM @s@.period_lock"
				   " WHERE period_start = $1 AND state = 'LOCKED'", ARG_DATE(period)) == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("billing period %s is already closed", FinopsPeriodText(period)),
			 errdetail("It was locked at %s UTC by %s.", FinopsText(0, 1), FinopsText(0, 2)),
			 errhint("SELECT * FROM finops.verify_period(date '%s-01') checks that nothing changed since; corrections belong into the open month.",
					 FinopsPeriodText(period))));
}

static void
require_reconciled(DateADT period)
{
	char	   *detail = NULL;
	char	   *status = FinopsGateStatus(period, FINOPS_GATE_RECONCILIATION, &detail);

	if (status == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("billing period %s is not reconciled", FinopsPeriodText(period)),
				 errdetail("There is no reconciliation, or what it judged has changed since."),
				 errhint("Run SELECT finops.reconcile(date '%s-01').", FinopsPeriodText(period))));
	else if (strcmp(status, "ok") != 0 && strcmp(status, "resolved") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("reconciliation of %s is %s", FinopsPeriodText(period), status),
				 errdetail_internal("%s.", detail != NULL ? detail : ""),
				 errhint("Correct the cause and run SELECT finops.reconcile(date '%s-01') again, or settle it by finops.resolve_exception() and finops.resolve_recon().",
						 FinopsPeriodText(period))));
}

/*
 * Every document that asks for money is issued or void, and reconciled as
 * such.  Documents with a total of 0 or less are no demand and stay open.
 */
static void
require_issued(DateADT period)
{
	if (FINOPS_RUN("SELECT count(*), string_agg(x.invoice_id, ', ' ORDER BY x.invoice_id)"
				   " FILTER (WHERE x.no <= 5) FROM"
				   " (SELECT h.invoice_id, row_number() OVER (ORDER BY h.invoice_id) AS no"
				   "  FROM @s@.invoice_header h WHERE h.period_start = $1"
				   "  AND h.status = 'open' AND h.total > 0) x"
				   " HAVING count(*) > 0",
				   ARG_DATE(period)) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg_plural("%lld document of %s is still open",
							   "%lld documents of %s are still open",
							   FinopsInt64(0, 1), (long long) FinopsInt64(0, 1),
							   FinopsPeriodText(period)),
				 errdetail("Such as %s.", FinopsText(0, 2)),
				 errhint("Run SELECT * FROM finops.issue_invoices(date '%s-01'), or set those to void that are not to be issued.",
						 FinopsPeriodText(period))));
	if (FINOPS_RUN("SELECT FROM finops.recon_run r WHERE r.period_start = $1"
				   " AND EXISTS (SELECT FROM @s@.invoice_header h"
				   "  WHERE h.period_start = $1 AND h.status <> 'void')"
				   " AND (r.stage < 4 OR r.invoiced_total_usd <>"
				   "  (SELECT coalesce(sum(d.cost_usd), 0) FROM @s@.invoice_header h"
				   "   JOIN @s@.invoice_detail d USING (invoice_id)"
				   "   WHERE h.period_start = $1 AND h.status <> 'void'))",
				   ARG_DATE(period)) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("documents of %s are not reconciled", FinopsPeriodText(period)),
				 errdetail("Documents were added since the reconciliation, or it did not look at them."),
				 errhint("Run SELECT finops.reconcile(date '%s-01').", FinopsPeriodText(period))));
}

/* No tenant that gets invoices has cost and no document. */
static void
require_documents(DateADT period)
{
	if (FINOPS_RUN("SELECT count(*), string_agg(x.tenant_id, ', ' ORDER BY x.tenant_id)"
				   " FILTER (WHERE x.no <= 5) FROM"
				   " (SELECT a.tenant_id, row_number() OVER (ORDER BY a.tenant_id) AS no"
				   "  FROM @s@.fact_cost_allocated a JOIN @s@.tenant_master m USING (tenant_id)"
				   "  WHERE a.period_start = $1 AND m.billing_mode = 'invoice' AND NOT EXISTS"
				   "  (SELECT FROM @s@.invoice_header h WHERE h.tenant_id = a.tenant_id"
				   "   AND h.period_start = $1 AND h.status <> 'void')"
				   "  GROUP BY a.tenant_id HAVING sum(a.allocated_cost_usd) <> 0) x"
				   " HAVING count(*) > 0",
				   ARG_DATE(period)) == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg_plural("%lld tenant in billing mode invoice has cost in %s and no document",
						   "%lld tenants in billing mode invoice have cost in %s and no document",
						   FinopsInt64(0, 1), (long long) FinopsInt64(0, 1),
						   FinopsPeriodText(period)),
			 errdetail("Such as %s.", FinopsText(0, 2)),
			 errhint("Run SELECT * FROM finops.issue_invoices(date '%s-01'), or set their billing_mode to showback.",
					 FinopsPeriodText(period))));
}

/*
 * finops.lock_period(period date) → text
 *
 * Locks a billing period that has ended, is reconciled and whose documents
 * are issued; returns the hash head.  Errors: 22004, 22023 for a period
 * argument or a month that has not ended; 55000 where a gate is shut or the
 * period is already closed, naming the next call.
 */
Datum
finops_lock_period(PG_FUNCTION_ARGS)
{
	DateADT		period = FinopsPeriodArg(fcinfo, 0);
	MemoryContext context = CurrentMemoryContext;
	FinopsSession session;
	int64		run_id;
	char	   *bridge;
	Datum		locked_at;
	bool		isnull;
	char	   *head;
	text	   *result;

	FinopsRequireWritable("finops.lock_period()");
	FinopsCheckPeriodNotFuture(period);
	FinopsBegin(&session);
	FinopsLock(FINOPS_LOCK_PERIOD, period);
	require_not_closed(period);
	if (!FinopsPeriodHasEnded(period))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("billing period %s has not ended", FinopsPeriodText(period)),
				 errhint("CALL finops.close_month(date '%s-01', provisional => true) closes it provisionally.",
						 FinopsPeriodText(period))));
	FinopsOpenPeriod(period);
	require_reconciled(period);
	require_issued(period);
	require_documents(period);
	run_id = FinopsStartRun(&session, "lock", period);
	freeze_rates(period);
	UsageFreeze(period);
	lock_partitions(period);
	FINOPS_RUN0("SELECT clock_timestamp()");
	locked_at = FinopsValue(0, 1, &isnull);
	write_seal(period, locked_at);
	head = seal_head(period);
	bridge = BillKeepBridge(period, run_id);
	FINOPS_RUN("UPDATE @s@.period_lock SET state = 'LOCKED', locked_at = $2, locked_by = $3, hash_head = $4"
			   " WHERE period_start = $1", ARG_DATE(period), ARG_DATUM(TIMESTAMPTZOID, locked_at, false),
			   ARG_TEXT(FinopsCallerName(&session)), ARG_TEXT(head));
	(void) ReconPostJournal(&session, period);
	FinopsFinishRun(run_id, "completed",
					psprintf("{\"hash_head\": \"%s\", \"cost_bridge\": %s}", head, bridge));
	FinopsAudit(&session, "lock_period", "period_lock", FinopsPeriodText(period),
				psprintf("{\"hash_head\": \"%s\"}", head));
	ereport(NOTICE,
			(errmsg("billing period %s is locked, hash head %s", FinopsPeriodText(period), head),
			 errdetail("Keep the hash head outside this server; it proves later that nothing changed.")));
	MemoryContextSwitchTo(context);
	result = cstring_to_text(head);
	FinopsEnd(&session);
	PG_RETURN_TEXT_P(result);
}

/* Appends one row of the answer to a VALUES list. */
static void
add_problem(StringInfo values, const char *object, const char *problem)
{
	appendStringInfo(values, "%s(%s, %s)", values->len > 0 ? ", " : "",
					 quote_literal_cstr(object), quote_literal_cstr(problem));
}

/* Compares one object with its seal. */
static void
verify_object(DateADT period, Datum locked_at, const SealedObject *object,
			  StringInfo values)
{
	FinopsArg	columns;
	char	   *missing;
	char	   *digest;
	bool		isnull;
	int64		sealed;
	int64		found;

	if (FINOPS_RUN(psprintf("SELECT s.row_count, s.digest, s.columns,"
							" string_agg(c.name, ', ') FILTER (WHERE a.attname IS NULL)"
							" FROM finops.period_seal s, unnest(s.columns) WITH ORDINALITY AS c(name, no)"
							" LEFT JOIN pg_attribute a ON a.attrelid = '%s'::regclass AND a.attname = c.name AND NOT a.attisdropped"
							" WHERE s.period_start = $1 AND s.object = $2 GROUP BY 1, 2, 3", object->relation),
				   ARG_DATE(period), ARG_TEXT(object->object)) == 0)
	{
		add_problem(values, object->object, "the seal is missing");
		return;
	}
	sealed = FinopsInt64(0, 1);
	digest = FinopsText(0, 2);
	columns = ARG_DATUM(TEXTARRAYOID, FinopsValue(0, 3, &isnull), false);
	missing = FinopsText(0, 4);
	if (missing != NULL)
	{
		add_problem(values, object->object, psprintf("sealed columns are missing: %s", missing));
		return;
	}
	run_digest(object, period, locked_at, columns);
	found = FinopsInt64(0, 1);
	if (found != sealed)
		add_problem(values, object->object,
					psprintf("%lld rows were sealed, there are %lld", (long long) sealed, (long long) found));
	else if (strcmp(digest, FinopsText(0, 2)) != 0)
		add_problem(values, object->object, "rows were changed");
}

/* The triggers of the lock exist and fire. */
static void
verify_triggers(DateADT period, StringInfo values)
{
	uint64		n;

	for (int i = 0; i < (int) lengthof(partitioned); i++)
	{
		char	   *partition = partition_name(partitioned[i], period);

		if (relation_exists(partition) &&
			FINOPS_RUN("SELECT FROM pg_trigger t WHERE t.tgrelid = $1::regclass AND NOT t.tgisinternal"
					   " AND t.tgname IN ('finops_locked', 'finops_locked_truncate') AND t.tgenabled IN ('O', 'A')",
					   ARG_TEXT(partition)) < 2)
			add_problem(values, partition, "the triggers of the lock are missing or disabled");
	}
	n = FINOPS_RUN0("SELECT DISTINCT t.tgrelid::regclass::text FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid"
					" WHERE p.pronamespace = 'finops'::regnamespace AND t.tgenabled NOT IN ('O', 'A')"
					" AND p.proname IN ('refuse_locked_rows', 'refuse_locked_insert', 'guard_period_lock', 'guard_columns') ORDER BY 1");
	for (uint64 i = 0; i < n; i++)
		add_problem(values, FinopsText(i, 1), "the triggers of the lock are disabled");
}

/*
 * What the month has now, in itself and as corrections in later ones, is what
 * its sources delivered last.
 */
static void
verify_control_totals(DateADT period, StringInfo values)
{
	uint64		n = FINOPS_RUN(psprintf(RECON_CONTROL_SQL, RECON_STANDS_IN_FACTS), ARG_DATE(period));

	for (uint64 i = 0; i < n; i++)
		add_problem(values, "delivery",
					psprintf("source %s delivered %s billed, %s effective;"
							 " locked lines and corrections are %s and %s",
							 FinopsText(i, 1), FinopsText(i, 3), FinopsText(i, 5),
							 FinopsText(i, 4), FinopsText(i, 6)));
}

/*
 * finops.verify_period(period date) → TABLE(object text, problem text)
 *
 * Compares a locked period with its seal; no row means that nothing changed.
 * Errors: 22004, 22023 for a period argument; 55000 for a period that is not
 * locked.
 */
Datum
finops_verify_period(PG_FUNCTION_ARGS)
{
	DateADT		period = FinopsPeriodArg(fcinfo, 0);
	FinopsSession session;
	StringInfoData values;
	Datum		locked_at;
	char	   *head;
	char	   *sealed;
	bool		isnull;

	FinopsCheckPeriodNotFuture(period);
	FinopsBegin(&session);
	initStringInfo(&values);
	if (FINOPS_RUN("SELECT locked_at, hash_head FROM @s@.period_lock WHERE period_start = $1"
				   " AND state = 'LOCKED' AND locked_at IS NOT NULL", ARG_DATE(period)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("billing period %s is not locked", FinopsPeriodText(period)),
				 errhint("CALL finops.close_month(date '%s-01') closes it.", FinopsPeriodText(period))));
	locked_at = FinopsValue(0, 1, &isnull);
	head = FinopsText(0, 2);
	sealed = seal_head(period);
	if (head == NULL || sealed == NULL || strcmp(head, sealed) != 0)
		add_problem(&values, "period_seal", "the seal does not give the hash head of period_lock");
	for (int i = 0; i < (int) lengthof(sealed_objects); i++)
		verify_object(period, locked_at, &sealed_objects[i], &values);
	verify_triggers(period, &values);
	verify_control_totals(period, &values);
	FinopsRun(values.len > 0 ?
			  psprintf("SELECT v.object::text, v.problem::text FROM (VALUES %s) AS v(object, problem)", values.data) :
			  "SELECT ''::text, ''::text WHERE false", 0, NULL);
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

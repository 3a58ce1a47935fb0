/*-------------------------------------------------------------------------
 *
 * prepare.c
 *	  Compute the documents of a billing period.
 *
 * Tenants, the documents they have and every source of charges are read as
 * streams in the order of tenants; the engine makes one document after the
 * other and writes those that are new or differ, so that memory does not
 * grow with the month.  What is unchanged is not touched.  A tenant that
 * cannot be billed does not stop the others: it is reported.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/chain.h"
#include "invoice/usage.h"
#include "invoice/watch.h"

#include "access/table.h"
#include "access/tableam.h"
#include "common/hashfn.h"
#include "executor/executor.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(finops_prepare_invoices);

#define ID_SUFFIX		8		/* hexadecimal digits */
#define SCRATCH_SIZE	(256 * 1024)
#define LATE_RATES		64		/* currencies of a run for one tenant */

/*
 * Tenants that get documents, with how they are billed, and the document that
 * each has: the issued one that was not replaced, else the latest.  A row without billing data is
 * that of a tenant that gets no document any more.
 */
#define PARTIES_SQL(held_columns, tenant_columns) \
	"SELECT coalesce(t.tenant_id, e.tenant_id), t.tenant_id IS NOT NULL, t.currency, coalesce(t.seats, 0)," \
	" coalesce(t.simple, false), CASE WHEN t.simple THEN (t.tax_profile -> 'rate_pct')::numeric ELSE 0 END," \
	" coalesce(t.tax_profile -> 'inclusive' = 'true', false)," \
	" CASE WHEN NOT t.simple OR EXISTS (SELECT FROM finops.tax_code) THEN (t.tax_profile - 'tax_id')::text END," \
	" coalesce(b.issuer_id, 'default'), coalesce(b.language, i.language, 'en'), coalesce(b.time_zone, i.time_zone, 'UTC')," \
	" b.po_number, coalesce(b.payment_terms_days, i.payment_terms_days, 30)," \
	" coalesce(b.payment_terms_from, i.payment_terms_from, 'issue'), coalesce(i.tax_rounding, 'category')," \
	" e.invoice_id, e.status, e.revision, e.input_digest" held_columns \
	" FROM (SELECT t.tenant_id, t.currency, t.seats, coalesce(t.tax_profile, '{}') AS tax_profile," tenant_columns \
	"   coalesce(jsonb_typeof(t.tax_profile -> 'rate_pct') = 'number' AND t.tax_profile -> 'category' IS NULL" \
	"    AND t.tax_profile -> 'exempt' IS DISTINCT FROM 'true', false) AS simple" \
	"  FROM @s@.tenant_master t WHERE t.billing_mode = 'invoice' AND t.status IN ('active', 'suspended')" \
	"  AND t.tenant_id @tenant@) t" \
	" LEFT JOIN finops.tenant_billing b ON b.tenant_id = t.tenant_id" \
	" LEFT JOIN finops.issuer i ON i.issuer_id = coalesce(b.issuer_id, 'default')" \
	" FULL JOIN (SELECT DISTINCT ON (h.tenant_id) h.tenant_id, h.invoice_id," \
	"   CASE WHEN r.invoice_id IS NULL THEN h.status ELSE 'void' END AS status, h.revision, h.input_digest" \
	"  FROM @s@.invoice_header h LEFT JOIN finops.invoice_replacement r ON r.invoice_id = h.invoice_id" \
	"  WHERE h.period_start = $1 AND h.kind = 'invoice' AND h.tenant_id @tenant@" \
	"  ORDER BY h.tenant_id, h.status IN ('issued', 'paid') AND r.invoice_id IS NULL DESC, h.revision DESC) e ON e.tenant_id = t.tenant_id" \
	" ORDER BY coalesce(t.tenant_id, e.tenant_id) COLLATE \"C\""

static const char *const parties_sql = PARTIES_SQL("", "");

/* With what the issue of the documents that are made needs to know of the tenant. */
static const char *const held_parties_sql =
	PARTIES_SQL(", t.recipient, t.missing = '', coalesce(b.zero_invoices, i.zero_invoices, 'skip') = 'issue',"
				" coalesce(b.credit_balances, i.credit_balances, 'hold') = 'issue'",
				" " INVOICE_RECIPIENT_SNAPSHOT " AS recipient,"
				" " INVOICE_TENANT_MISSING " AS missing,");

enum
{
	COL_TENANT = 1, COL_BILLED, COL_CURRENCY, COL_SEATS, COL_SIMPLE, COL_RATE_PCT, COL_INCLUSIVE, COL_PROFILE,
	COL_ISSUER, COL_LANGUAGE, COL_ZONE, COL_PO, COL_TERMS_DAYS, COL_TERMS_FROM, COL_ROUNDING,
	COL_ID, COL_STATUS, COL_REVISION, COL_DIGEST,
	/* where documents are held */
	COL_RECIPIENT, COL_COMPLETE, COL_ISSUE_ZERO, COL_ISSUE_CREDIT
};

/* The document that a tenant has. */
typedef struct Existing
{
	char	   *invoice_id;		/* NULL: none */
	bool		open;
	bool		final;			/* issued or paid */
	int			revision;
	char	   *digest;
} Existing;

typedef struct Failure
{
	char	   *tenant_id;
	char	   *problem;
	char	   *call;
	struct Failure *next;
} Failure;

typedef struct IdEntry
{
	uint64		id;				/* hash of a document's id */
	uint64		tenant;			/* and of its tenant */
} IdEntry;

typedef struct Preparation
{
	InvoiceRun	run;
	InvoiceWriter *writer;
	bool		hold;
	MemoryContext scratch;		/* of one tenant */
	HTAB	   *ids;			/* taken in the period; NULL in a run for one tenant */
	Tuplestorestate *stale;
	TupleDesc	stale_desc;
	Failure    *failures;		/* the latest first */
	uint64		nfailures;
	InvoicePreparation done;
} Preparation;

/* ---------------------------------------------------------------------
 * Beginning
 * ---------------------------------------------------------------------
 */

/*
 * Over all tenants a nested loop is never the right plan; over tables that
 * were never analyzed the planner may think so.  Sorts of a month get the
 * memory of maintenance work.  Lasts until FinopsEnd.
 */
static void
set_up_planner(bool single)
{
	if (single)
		(void) set_config_option("enable_seqscan", "off", PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
	else
	{
		(void) set_config_option("enable_nestloop", "off", PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
		if (work_mem < maintenance_work_mem)
			(void) set_config_option("work_mem", psprintf("%dkB", maintenance_work_mem), PGC_USERSET,
									 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	}
}

/* $1 first day after the period, $2 reporting currency, $3 a currency or NULL. */
#define RATE_SQL(condition) \
	"SELECT c.code, c.minor_unit::int4," \
	" CASE WHEN c.code = $2 THEN 1::numeric ELSE (SELECT f.rate FROM finops.fx_rate f" \
	"  WHERE f.currency = c.code AND f.valid_from < $1 ORDER BY f.valid_from DESC LIMIT 1) END" \
	" FROM finops.currency c WHERE " condition " ORDER BY c.shipped"

static void
add_rates(InvoiceRun *run, uint64 n)
{
	MemoryContext old = MemoryContextSwitchTo(run->context);

	/* documents point to their rates, so that the array never moves */
	if (run->rates == NULL)
		run->rates = palloc_array(InvoiceRate, Max(n, LATE_RATES));
	else if (run->nrates + n > LATE_RATES)
		elog(ERROR, "too many currencies in one document");
	for (uint64 i = 0; i < n; i++)
	{
		InvoiceRate *rate = &run->rates[run->nrates++];
		bool		isnull;
		Datum		value = FinopsValue(i, 3, &isnull);

		memset(rate, 0, sizeof(*rate));
		rate->currency = FinopsText(i, 1);
		rate->digits = (int) FinopsInt64(i, 2);
		rate->known = !isnull && InvoiceDecodeNumeric(value, &rate->rate);
	}
	MemoryContextSwitchTo(old);
}

/* All that have a rate, or in a run for one tenant the usual one. */
void
InvoiceLoadRates(InvoiceRun *run)
{
	FinopsArg	next = ARG_DATE(run->next);
	FinopsArg	reporting = ARG_TEXT(finops_reporting_currency);

	if (run->tenant != NULL)
		add_rates(run, FINOPS_RUN_KEPT(RATE_SQL("c.code = $3") " LIMIT 1", next, reporting, reporting));
	else
		add_rates(run, FINOPS_RUN_KEPT(RATE_SQL("(c.code = $2 OR EXISTS (SELECT FROM finops.fx_rate f WHERE f.currency = c.code))"
												" AND NOT (c.shipped AND EXISTS (SELECT FROM finops.currency o WHERE o.code = c.code AND NOT o.shipped))"),
									   next, reporting));
}

/* A currency that a run for one tenant meets for the first time. */
void
InvoiceLoadRate(InvoiceRun *run, const char *currency)
{
	add_rates(run, FINOPS_RUN_KEPT(RATE_SQL("c.code = $3") " LIMIT 1", ARG_DATE(run->next),
								   ARG_TEXT(finops_reporting_currency), ARG_TEXT(currency)));
}

void
InvoiceRunBegin(InvoiceRun *run, DateADT period, const char *tenant)
{
	run->context = AllocSetContextCreate(CurrentMemoryContext, "finops invoice run", ALLOCSET_DEFAULT_SIZES);
	run->period = period;
	run->next = FinopsPeriodEnd(period);
	run->month = MemoryContextStrdup(run->context, FinopsPeriodText(period));
	run->tenant = tenant;
	InvoiceJsonBegin();
	InvoiceLoadRates(run);
	InvoiceLoadPhrases(run);
	InvoiceLoadTaxCodes(run);
}

static uint64
text_hash(const char *text)
{
	return hash_bytes_extended((const unsigned char *) text, (int) strlen(text), 0);
}

/* The ids that documents of the period have. */
static void
load_ids(Preparation *prep)
{
	HASHCTL		control = {.keysize = sizeof(uint64), .entrysize = sizeof(IdEntry),
	.hcxt = prep->run.context};
	InvoiceRun	run = prep->run;
	InvoiceStream *rows;

	prep->ids = hash_create("finops invoice ids", 1024, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	rows = InvoiceStreamOpen(&run, "SELECT h.tenant_id, h.invoice_id FROM @s@.invoice_header h"
							 " WHERE h.period_start = $1 AND h.kind = 'invoice'");
	while (InvoiceStreamNext(rows))
	{
		uint64		id = text_hash(InvoiceStreamCopy(rows, 2));
		IdEntry    *entry = hash_search(prep->ids, &id, HASH_ENTER, NULL);

		entry->tenant = text_hash(InvoiceStreamCopy(rows, 1));
	}
	InvoiceStreamClose(rows);
}

/* ---------------------------------------------------------------------
 * Ids
 * ---------------------------------------------------------------------
 */

/* Whether another tenant has the id; if not it is this one's from now on. */
static bool
is_taken(Preparation *prep, const char *id, const char *tenant_id)
{
	uint64		key = text_hash(id);
	uint64		tenant = text_hash(tenant_id);
	bool		found;
	IdEntry    *entry;

	if (prep->ids == NULL)
		return FINOPS_RUN_KEPT("SELECT FROM @s@.invoice_header h WHERE h.invoice_id = $1 AND h.tenant_id <> $2",
							   ARG_TEXT(id), ARG_TEXT(tenant_id)) > 0;
	entry = hash_search(prep->ids, &key, HASH_ENTER, &found);
	if (!found)
		entry->tenant = tenant;
	return entry->tenant != tenant;
}

/*
 * INV-<YYYYMM>-<letters and digits of the tenant>; where those are none or
 * another tenant's too, a digest of the tenant's id makes it unique.
 */
static char *
make_id(Preparation *prep, const char *tenant_id, int revision)
{
	StringInfoData id;
	int			prefix;

	initStringInfo(&id);
	appendStringInfo(&id, "INV-%.4s%s-", prep->run.month, prep->run.month + 5);
	prefix = id.len;
	for (const char *c = tenant_id; *c != '\0'; c++)
		if ((*c >= '0' && *c <= '9') || (*c >= 'A' && *c <= 'Z') || (*c >= 'a' && *c <= 'z'))
			appendStringInfoChar(&id, *c);
	if (id.len == prefix || is_taken(prep, id.data, tenant_id))
	{
		char		hex[65];

		InvoiceSha256(tenant_id, strlen(tenant_id), hex);
		appendStringInfo(&id, "-%.*s", ID_SUFFIX, hex);
	}
	if (revision > 1)
		appendStringInfo(&id, "-R%d", revision);
	return id.data;
}

/* ---------------------------------------------------------------------
 * One tenant
 * ---------------------------------------------------------------------
 */
static void
read_held_party(const InvoiceStream *rows, InvoiceParty *party)
{
	party->recipient = InvoiceStreamDatum(rows, COL_RECIPIENT);
	party->complete = InvoiceStreamInt(rows, COL_COMPLETE) != 0;
	party->issue_zero = InvoiceStreamInt(rows, COL_ISSUE_ZERO) != 0;
	party->issue_credit = InvoiceStreamInt(rows, COL_ISSUE_CREDIT) != 0;
}

static void
read_party(const InvoiceRun *run, const InvoiceStream *rows, InvoiceParty *party)
{
	party->tenant = (InvoiceTenant) {
		.tenant_id = InvoiceStreamCopy(rows, COL_TENANT),
		.currency = InvoiceStreamCopy(rows, COL_CURRENCY),
		.language = InvoiceStreamCopy(rows, COL_LANGUAGE),
		.time_zone = InvoiceStreamCopy(rows, COL_ZONE),
		.seats = (int) InvoiceStreamInt(rows, COL_SEATS),
	};
	party->issuer_id = InvoiceStreamCopy(rows, COL_ISSUER);
	party->po_number = InvoiceStreamCopy(rows, COL_PO);
	party->terms_days = (int) InvoiceStreamInt(rows, COL_TERMS_DAYS);
	party->terms_from = InvoiceStreamCopy(rows, COL_TERMS_FROM);
	party->inclusive = InvoiceStreamInt(rows, COL_INCLUSIVE) != 0;
	party->rounding = strcmp(InvoiceStreamCopy(rows, COL_ROUNDING), "line") == 0 ? TAX_ROUND_LINE : TAX_ROUND_CATEGORY;
	InvoiceClassify(run, party, InvoiceStreamInt(rows, COL_SIMPLE) != 0,
					InvoiceStreamDecimal(rows, COL_RATE_PCT), InvoiceStreamCopy(rows, COL_PROFILE));
}

static Existing
read_existing(const InvoiceStream *rows)
{
	Existing	e = {.invoice_id = InvoiceStreamCopy(rows, COL_ID)};
	char	   *status;

	if (e.invoice_id == NULL)
		return e;
	status = InvoiceStreamCopy(rows, COL_STATUS);
	e.open = strcmp(status, "open") == 0;
	e.final = !e.open && strcmp(status, "void") != 0;
	e.revision = (int) InvoiceStreamInt(rows, COL_REVISION);
	e.digest = InvoiceStreamCopy(rows, COL_DIGEST);
	return e;
}

static void
note_failure(Preparation *prep, const InvoiceCharges *charges)
{
	MemoryContext old = MemoryContextSwitchTo(prep->run.context);
	Failure    *failure = palloc0_object(Failure);

	failure->tenant_id = pstrdup(charges->tenant->tenant_id);
	failure->problem = pstrdup(charges->problem);
	failure->call = charges->call == NULL ? NULL : pstrdup(charges->call);
	failure->next = prep->failures;
	prep->failures = failure;
	prep->nfailures++;
	MemoryContextSwitchTo(old);
}

/* An open document of a tenant that gets none any more; it had no number. */
static void
remove_later(Preparation *prep, const Existing *existing)
{
	Datum		id;
	bool		isnull = false;

	if (!existing->open)
		return;
	id = CStringGetTextDatum(existing->invoice_id);
	if (prep->stale == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(prep->run.context);

		prep->stale = FinopsStageEmpty("inv_stale", "SELECT invoice_id FROM @s@.invoice_header", &prep->stale_desc);
		MemoryContextSwitchTo(old);
	}
	tuplestore_putvalues(prep->stale, prep->stale_desc, &id, &isnull);
	prep->done.rewritten++;
}

static void
prepare_tenant(Preparation *prep, const InvoiceStream *rows)
{
	Existing	existing = read_existing(rows);
	InvoiceParty party = {0};
	InvoiceCharges charges = {.run = &prep->run, .tenant = &party.tenant};
	InvoiceDraft draft;

	if (existing.final)
		return;
	if (InvoiceStreamInt(rows, COL_BILLED) == 0)
	{
		remove_later(prep, &existing);
		return;
	}
	read_party(&prep->run, rows, &party);
	if (prep->hold)
		read_held_party(rows, &party);
	InvoiceCollectCharges(&charges);
	if (charges.problem == NULL && charges.n == 0)
		remove_later(prep, &existing);
	else if (!InvoiceCompute(&party, &charges, &draft))
	{
		note_failure(prep, &charges);
		remove_later(prep, &existing);
	}
	else if (!existing.open)
	{
		int			revision = existing.revision + 1;

		InvoiceWrite(prep->writer, &draft, make_id(prep, party.tenant.tenant_id, revision), revision);
		prep->done.added++;
		prep->done.documents++;
	}
	else
	{
		if (existing.digest == NULL || strcmp(existing.digest, draft.digest) != 0)
		{
			InvoiceRewrite(prep->writer, &draft, existing.invoice_id, existing.revision);
			prep->done.rewritten++;
		}
		prep->done.documents++;
	}
}

static void
prepare_tenants(Preparation *prep)
{
	InvoiceStream *rows = InvoiceStreamOpen(&prep->run, prep->hold ? held_parties_sql : parties_sql);

	InvoiceOpenSources(&prep->run);
	while (InvoiceStreamNext(rows))
	{
		MemoryContext old = MemoryContextSwitchTo(prep->scratch);

		CHECK_FOR_INTERRUPTS();
		prepare_tenant(prep, rows);
		MemoryContextSwitchTo(old);
		MemoryContextReset(prep->scratch);
	}
	InvoiceCloseSources();
	InvoiceStreamClose(rows);
}

/* ---------------------------------------------------------------------
 * Reports
 * ---------------------------------------------------------------------
 */
pg_noreturn static void
raise_failure(const Failure *failure, uint64 others)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("tenant \"%s\" cannot be billed: %s", FinopsQuoteForMessage(failure->tenant_id), failure->problem),
			 others > 0 ? errdetail_plural("%llu other tenant cannot be billed either.",
										   "%llu other tenants cannot be billed either.",
										   others, (unsigned long long) others) : 0,
			 failure->call != NULL ? errhint("Run %s.", failure->call) : 0));
}

void
InvoiceReportFailure(DateADT period, const char *tenant, const char *step,
					 const char *reason, const char *call)
{
	FINOPS_RUN("INSERT INTO finops.invoice_failure (period_start, tenant_id, step, reason, call)"
			   " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (period_start, tenant_id) DO UPDATE"
			   " SET step = EXCLUDED.step, reason = EXCLUDED.reason, call = EXCLUDED.call, failed_at = now()",
			   ARG_DATE(period), ARG_TEXT(tenant), ARG_TEXT(step), ARG_TEXT(reason), ARG_TEXT(call));
}

/*
 * A tenant asked for alone, or all tenants, cannot be billed: an error.
 * Otherwise the others are, and a warning and a table tell of those.
 */
static void
report_failures(const Preparation *prep)
{
	const Failure *first = prep->failures;

	if (prep->run.tenant == NULL)
		FINOPS_RUN("DELETE FROM finops.invoice_failure WHERE period_start = $1 AND step = 'prepare'",
				   ARG_DATE(prep->run.period));
	if (first == NULL)
		return;
	while (first->next != NULL)
		first = first->next;
	if (prep->run.tenant != NULL || prep->done.documents == 0)
		raise_failure(first, prep->nfailures - 1);
	for (const Failure *f = prep->failures; f != NULL; f = f->next)
		InvoiceReportFailure(prep->run.period, f->tenant_id, "prepare", f->problem, f->call);
	ereport(WARNING,
			(errmsg_plural("%llu tenant cannot be billed for %s", "%llu tenants cannot be billed for %s",
						   prep->nfailures, (unsigned long long) prep->nfailures, prep->run.month),
			 errdetail("First: %s, %s.", first->tenant_id, first->problem),
			 errhint("SELECT * FROM finops.invoice_failure WHERE period_start = '%s-01' lists them with the calls that help.",
					 prep->run.month)));
}

/*
 * The documents are what the reconciliation judges in its later stages: its
 * verdict falls when one that it may have seen is rewritten.
 */
static void
note_change(const FinopsSession *session, DateADT period,
			const Preparation *prep)
{
	const InvoicePreparation *done = &prep->done;
	int64		run_id = FinopsStartRun(session, "prepare_invoices", period);
	char	   *detail = psprintf("{\"documents\": %lld, \"changed\": %lld, \"failed\": %llu}",
								  (long long) done->documents,
								  (long long) (done->added + done->rewritten),
								  (unsigned long long) prep->nfailures);

	if (done->rewritten > 0)
		FinopsClearGates(period, FINOPS_GATE_RECONCILIATION);
	FinopsSetGate(period, FINOPS_GATE_DOCUMENTS, "prepared",
				  psprintf("%lld open document%s", (long long) done->documents,
						   done->documents == 1 ? "" : "s"),
				  run_id);
	FinopsAudit(session, "invoice_prepare", "billing_period",
				FinopsPeriodText(period), detail);
	FinopsFinishRun(run_id, "completed", detail);
}

/*
 * Late usage stands on one document only: those of later months that are
 * prepared already may have it too, and are looked at again.
 */
static void
note_late_usage(void)
{
	if (FINOPS_RUN_KEPT("SELECT WHERE $1 > 0 AND EXISTS (SELECT FROM @s@.usage_snapshot_daily)",
						ARG_INT4(finops_late_usage_months)) > 0)
		WatchMove(WATCH_USAGE);
}

/* In a run for one tenant the period's other open documents count too. */
static int64
count_open(DateADT period)
{
	FINOPS_RUN("SELECT count(*) FROM @s@.invoice_header WHERE period_start = $1"
			   " AND status = 'open' AND kind = 'invoice'", ARG_DATE(period));
	return FinopsInt64(0, 1);
}

InvoicePreparation
InvoicePrepare(const FinopsSession *session, DateADT period, const char *tenant, bool hold)
{
	Preparation prep = {0};
	WatchMark	mark = {false};

	if (tenant == NULL)
		mark = WatchBegin();
	set_up_planner(tenant != NULL);
	UsageRefreshIfAny(session, period, tenant);
	InvoiceRunBegin(&prep.run, period, tenant);
	/* the first block is kept from tenant to tenant */
	prep.scratch = AllocSetContextCreate(prep.run.context, "finops document", tenant == NULL ? SCRATCH_SIZE : 0,
										 ALLOCSET_DEFAULT_INITSIZE, ALLOCSET_DEFAULT_MAXSIZE);
	prep.hold = hold;
	prep.writer = InvoiceWriterOpen(&prep.run, hold);
	if (tenant == NULL)
		load_ids(&prep);
	prepare_tenants(&prep);
	if (prep.stale != NULL)
		FINOPS_RUN0("DELETE FROM @s@.invoice_header h USING inv_stale s WHERE h.invoice_id = s.invoice_id AND h.status = 'open'");
	InvoiceWriterClose(prep.writer);
	report_failures(&prep);
	if (prep.done.added + prep.done.rewritten > 0)
	{
		int64		open = count_open(period);
		int64		held = (int64) InvoiceWriterHeld(prep.writer);

		if (held > 0 && open == 0 && prep.done.rewritten == 0)
			prep.done.held = prep.writer;
		else
			InvoiceReleaseHeld(prep.writer);
		prep.done.documents = open + held;
		note_change(session, period, &prep);
		note_late_usage();
	}
	if (tenant == NULL)
		WatchStore(period, &mark);
	return prep.done;
}

/*
 * Sorted by where they stand: rows of forty columns would go to disk and back
 * for it.  The snapshot keeps what the query has found from being removed
 * when somebody changes it meanwhile.
 */
void
InvoiceReturnDocuments(FunctionCallInfo fcinfo, DateADT period, const char *tenant)
{
	const char *sql = psprintf("SELECT h.ctid FROM @s@.invoice_header h WHERE h.period_start = '%s-01'"
							   " AND h.kind = 'invoice' AND h.status <> 'void'%s ORDER BY h.tenant_id COLLATE \"C\", h.revision",
							   FinopsPeriodText(period), tenant == NULL ? "" :
							   psprintf(" AND h.tenant_id = %s", quote_literal_cstr(tenant)));
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Relation	rel = table_open(get_relname_relid("invoice_header", FinopsSchemaOid()), AccessShareLock);
	TupleTableSlot *row = table_slot_create(rel, NULL);
	TupleTableSlot *at;
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	Tuplestorestate *places;
	TupleDesc	desc;
	bool		isnull;

	places = FinopsCollect(sql, &desc);
	at = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	InitMaterializedSRF(fcinfo, 0);
	FinopsCheckReturned(RelationGetDescr(rel), rsinfo->setDesc);
	while (tuplestore_gettupleslot(places, true, false, at))
	{
		if (!table_tuple_fetch_row_version(rel, (ItemPointer) DatumGetPointer(slot_getattr(at, 1, &isnull)),
										   SnapshotAny, row))
			elog(ERROR, "document is gone");
		tuplestore_puttupleslot(rsinfo->setResult, row);
	}
	ExecDropSingleTupleTableSlot(at);
	ExecDropSingleTupleTableSlot(row);
	UnregisterSnapshot(snapshot);
	table_close(rel, NoLock);
}

/*
 * finops.prepare_invoices(period date, tenant_id text DEFAULT NULL)
 *	-> SETOF invoice_header
 *
 * Computes the documents of a month that has begun, for one tenant or all;
 * they are open and have no number.  Repeated with unchanged inputs it
 * changes nothing.  Errors: 22004, 22023 for the period, 55000 for a locked
 * period or where no tenant can be billed, 25006 in a read-only transaction.
 */
Datum
finops_prepare_invoices(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	DateADT		period = FinopsPeriodArg(fcinfo, 0);
	char	   *tenant = InvoiceTextArg(fcinfo, 1);

	FinopsCheckPeriodNotFuture(period);
	FinopsRequireWritable("finops.prepare_invoices()");
	FinopsBegin(&session);
	InvoiceRequireTenant(tenant);
	FinopsOpenPeriod(period);
	(void) InvoicePrepare(&session, period, tenant, false);
	InvoiceReturnDocuments(fcinfo, period, tenant);
	FinopsEnd(&session);
	return (Datum) 0;
}

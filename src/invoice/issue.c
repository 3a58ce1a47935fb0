/*-------------------------------------------------------------------------
 *
 * issue.c
 *	  Give open documents their numbers and freeze them.
 *
 * Everything that can be wrong is checked first and refused with the call
 * that helps; nothing is half-issued.  A document that is not a demand for
 * money stays open unless the issuer's or tenant's policy says otherwise: a
 * total of zero silently, a negative total with a warning.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/document.h"

#include "common/hashfn.h"

PG_FUNCTION_INFO_V1(finops_issue_invoices);

#define LISTED_TENANTS 5		/* how many a message names */

static void
check_ended(DateADT period)
{
	if (!FinopsPeriodHasEnded(period))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("billing period %s has not ended", FinopsPeriodText(period)),
				 errhint("Issue from %s-01 on (UTC); until then SELECT * FROM finops.prepare_invoices('%s-01') shows the documents.",
						 FinopsPeriodText(FinopsPeriodEnd(period)),
						 FinopsPeriodText(period))));
}

static bool
allocated(DateADT period)
{
	return FINOPS_RUN_KEPT("SELECT FROM @s@.fact_cost_allocated WHERE period_start = $1 LIMIT 1", ARG_DATE(period)) > 0;
}

static void
check_allocated(DateADT period)
{
	if (!allocated(period))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("nothing is allocated in billing period %s", FinopsPeriodText(period)),
				 errhint("Load the month's bill with finops.load_bill(), then run SELECT finops.allocate('%s-01').",
						 FinopsPeriodText(period))));
}

static void
check_reconciled(DateADT period)
{
	char	   *detail = NULL;
	char	   *status = FinopsGateStatus(period, FINOPS_GATE_RECONCILIATION, &detail);
	char	   *month = FinopsPeriodText(period);

	if (status == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("billing period %s is not reconciled", month),
				 errdetail("Invoices are issued after a reconciliation that is ok or resolved and that judged what they are made of."),
				 errhint("Run SELECT count(*) FROM finops.prepare_invoices('%s-01'), then SELECT finops.reconcile('%s-01').",
						 month, month)));
	if (strcmp(status, "ok") != 0 && strcmp(status, "resolved") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("reconciliation of billing period %s is \"%s\"", month, status),
				 detail != NULL ? errdetail("%s", detail) : 0,
				 errhint("Place what is unallocated and run SELECT finops.reconcile('%s-01') again, or see SELECT * FROM recon_exceptions and finops.resolve_recon('RECON-%s').",
						 month, month)));
}

/*
 * Documents changed since the reconciliation judged them: the preparation
 * that found it is undone with this transaction, so the hint asks for both.
 */
static void
check_unchanged(DateADT period, const InvoicePreparation *done)
{
	char	   *month = FinopsPeriodText(period);

	if (done->rewritten > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("documents of billing period %s are out of date", month),
				 errdetail_plural("%lld document differs from what it is computed from now.",
								  "%lld documents differ from what they are computed from now.",
								  (unsigned long) done->rewritten, (long long) done->rewritten),
				 errhint("Run SELECT count(*) FROM finops.prepare_invoices('%s-01'), then SELECT finops.reconcile('%s-01'), then issue again; CALL finops.close_month(date '%s-01') does all of it.",
						 month, month, month)));
}

/* Every issuer of the documents that are ready. */
static void
check_issuers(void)
{
	uint64		n = FINOPS_RUN0("SELECT x.issuer_id, " INVOICE_ISSUER_MISSING("x.taxed")
								" FROM (SELECT h.issuer_id, bool_or(h.tax <> 0) AS taxed FROM inv_ready r"
								"  JOIN @s@.invoice_header h USING (invoice_id) GROUP BY 1) x"
								" LEFT JOIN finops.issuer i ON i.issuer_id = x.issuer_id"
								" WHERE " INVOICE_ISSUER_MISSING("x.taxed") " <> '' ORDER BY 1");

	if (n > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 strcmp(FinopsText(0, 1), "default") == 0 ? errmsg("issuer is incomplete") :
				 errmsg("issuer \"%s\" is incomplete", FinopsQuoteForMessage(FinopsText(0, 1))),
				 errdetail("Missing: %s.", FinopsText(0, 2)),
				 errhint("Run SELECT finops.set_issuer(legal_name => 'Example Ltd', address => 'Main Street 1, Example City', vat_id => 'DE123456789') with your own data.")));
}

/* Names the first few tenants and counts the rest: "A, B and 3 more". */
static char *
list_rows(uint64 n)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (uint64 i = 0; i < Min(n, LISTED_TENANTS); i++)
		appendStringInfo(&buf, "%s%s", i > 0 ? "; " : "", FinopsText(i, 1));
	if (n > LISTED_TENANTS)
		appendStringInfo(&buf, "; and %llu more", (unsigned long long) (n - LISTED_TENANTS));
	return buf.data;
}

/*
 * Stage inv_blocked: documents that are ready but for the tenant's data, why,
 * and the call that helps.
 */
static uint64
stage_blocked(void)
{
	return FINOPS_STAGE0("inv_blocked",
						 "SELECT r.seq, r.invoice_id, m.tenant_id, m.without_plan, m.missing, m.first_plan FROM inv_ready r JOIN ("
						 " SELECT h.invoice_id, h.tenant_id, h.plan_code IS NULL AS without_plan, " INVOICE_TENANT_MISSING " AS missing,"
						 "  CASE WHEN h.plan_code IS NULL THEN (SELECT min(p.plan_code COLLATE \"C\") FROM @s@.plan_master p) END AS first_plan"
						 "  FROM inv_ready q JOIN @s@.invoice_header h USING (invoice_id) JOIN @s@.tenant_master t USING (tenant_id)) m"
						 " ON m.invoice_id = r.invoice_id WHERE m.without_plan OR m.missing <> ''");
}

static void
refuse_without_plan(DateADT period)
{
	uint64		n = FINOPS_RUN0("SELECT tenant_id, first_plan FROM inv_blocked WHERE without_plan ORDER BY seq");

	if (n == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg_plural("no plan is bound for %llu tenant in billing period %s",
						   "no plan is bound for %llu tenants in billing period %s",
						   n, (unsigned long long) n, FinopsPeriodText(period)),
			 errdetail("Without plan: %s.", list_rows(n)),
			 FinopsText(0, 2) == NULL ?
			 errhint("Run SELECT finops.set_plan('standard', base_price => 0), then SELECT finops.bind_plan('%s', 'standard', '%s-01') for each.",
					 FinopsQuoteForMessage(FinopsText(0, 1)), FinopsPeriodText(period)) :
			 errhint("Run SELECT finops.bind_plan('%s', '%s', '%s-01') for each, with its plan.",
					 FinopsQuoteForMessage(FinopsText(0, 1)),
					 FinopsQuoteForMessage(FinopsText(0, 2)), FinopsPeriodText(period))));
}

static void
refuse_incomplete(void)
{
	uint64		n = FINOPS_RUN0("SELECT format('%s (%s)', tenant_id, missing), tenant_id FROM inv_blocked"
								" WHERE missing <> '' ORDER BY seq");

	if (n == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg_plural("billing data of %llu tenant is incomplete",
						   "billing data of %llu tenants is incomplete",
						   n, (unsigned long long) n),
			 errdetail("Missing: %s.", list_rows(n)),
			 errhint("Run SELECT finops.register_tenant('%s', billing_contact => '{\"address\": \"Main Street 2, Example City\"}', tax_profile => '{\"rate_pct\": 19}') with the data of each.",
					 FinopsQuoteForMessage(FinopsText(0, 2)))));
}

/* The others are issued; a warning and a table tell of these. */
static void
report_blocked(DateADT period, uint64 n)
{
	InvoiceKeepBlocked(period);
	FINOPS_RUN0("SELECT format('%s (%s)', tenant_id, CASE WHEN without_plan THEN 'no plan' ELSE missing END)"
				" FROM inv_blocked ORDER BY seq");
	ereport(WARNING,
			(errmsg_plural("%llu document of billing period %s stays open", "%llu documents of billing period %s stay open",
						   n, (unsigned long long) n, FinopsPeriodText(period)),
			 errdetail("Missing: %s.", list_rows(n)),
			 errhint("SELECT * FROM finops.invoice_failure WHERE period_start = '%s-01' lists the calls that help; after them CALL finops.close_month(date '%s-01') prepares, reconciles and issues the rest.",
					 FinopsPeriodText(period), FinopsPeriodText(period))));
}

static void
report_negative(DateADT period, const char *tenant)
{
	uint64		n = FINOPS_RUN("SELECT format('%s %s %s', tenant_id, total, currency) FROM @s@.invoice_header"
							   " WHERE period_start = $1 AND kind = 'invoice' AND status = 'open' AND total < 0"
							   " AND ($2 IS NULL OR tenant_id = $2) ORDER BY tenant_id COLLATE \"C\"",
							   ARG_DATE(period), ARG_TEXT(tenant));

	if (n > 0)
		ereport(WARNING,
				(errmsg_plural("%llu document with a negative total stays open",
							   "%llu documents with a negative total stay open",
							   n, (unsigned long long) n),
				 errdetail("%s.", list_rows(n)),
				 errhint("Credit an earlier invoice of the tenant instead, or change the allocation and prepare again.")));
}

/* Stage inv_ready: documents in the order of their numbers. */
static uint64
stage_ready(DateADT period, const char *tenant, bool unblocked)
{
	static const char *const ready_sql =
		"SELECT row_number() OVER (ORDER BY h.tenant_id COLLATE \"C\", h.revision) AS seq,"
		" h.invoice_id FROM @s@.invoice_header h" INVOICE_DEMAND_FROM " WHERE h.period_start = $1"
		" AND h.kind = 'invoice' AND h.status = 'open' AND " INVOICE_IS_DEMAND " AND ($2 IS NULL OR h.tenant_id = $2)";
	static const char *const unblocked_sql =
		"SELECT row_number() OVER (ORDER BY r.seq) AS seq, r.invoice_id FROM inv_all r"
		" WHERE $1 IS NOT NULL AND $2 IS NULL AND r.invoice_id NOT IN (SELECT b.invoice_id FROM inv_blocked b)";

	if (!unblocked)
		return FINOPS_STAGE("inv_ready", ready_sql, ARG_DATE(period), ARG_TEXT(tenant));
	FINOPS_STAGE0("inv_all", "SELECT seq, invoice_id FROM inv_ready");
	FinopsEndStage("inv_ready");
	return FINOPS_STAGE("inv_ready", unblocked_sql, ARG_DATE(period), ARG_TEXT(tenant));
}

void
InvoiceKeepFailures(DateADT period)
{
	if (stage_ready(period, NULL, false) > 0)
		InvoiceKeepBlocked(period);
}

/* An issuer with its documents. */
typedef struct IssuerPart
{
	char	   *issuer_id;
	int64		documents;
	bool		taxed;
	bool		complete;
} IssuerPart;

static void
number_all(const FinopsSession *session, DateADT period, const IssuerPart *parts, int nparts,
		   int64 blocked, InvoiceWriter *held)
{
	int64		count = 0;
	char	   *numbers = NULL;
	int64		run_id;
	char	   *detail;

	run_id = FinopsStartRun(session, "issue_invoices", period);
	for (int i = 0; i < nparts; i++)
	{
		InvoiceIssuer issuer = InvoiceReadIssuerOf(parts[i].issuer_id);
		char	   *given = InvoiceNumberDocuments(session, &issuer, "invoice", parts[i].documents,
												   psprintf("RECON-%s", FinopsPeriodText(period)), held);

		count += parts[i].documents;
		numbers = numbers == NULL ? given : psprintf("%s, %s", numbers, given);
	}
	FINOPS_RUN("SELECT jsonb_build_object('documents', $1, 'numbers', $2, 'failed', $3)::text",
			   ARG_INT8(count), ARG_TEXT(numbers), ARG_INT8(blocked));
	detail = FinopsText(0, 1);
	FinopsSetGate(period, FINOPS_GATE_DOCUMENTS, "issued",
				  psprintf("%lld document%s, %s", (long long) count, count == 1 ? "" : "s", numbers), run_id);
	FinopsFinishRun(run_id, "completed", detail);
}

static void
forget_failures(DateADT period)
{
	FINOPS_RUN("DELETE FROM finops.invoice_failure WHERE period_start = $1 AND step = 'issue'", ARG_DATE(period));
}

static void
issue_ready(const FinopsSession *session, DateADT period, const char *tenant, int64 count,
			const InvoicePreparation *done)
{
	uint64		blocked;
	IssuerPart *parts;
	int			nparts;

	check_reconciled(period);
	check_issuers();
	blocked = stage_blocked();
	if (blocked > 0 && (tenant != NULL || blocked == (uint64) count))
	{
		InvoiceRefuseTogether(period, done, true);
		refuse_without_plan(period);
		refuse_incomplete();
	}
	if (blocked > 0)
	{
		report_blocked(period, blocked);
		count = (int64) stage_ready(period, NULL, true);
	}
	else if (tenant == NULL)
		forget_failures(period);
	nparts = (int) FINOPS_RUN0("SELECT h.issuer_id, count(*) FROM inv_ready r JOIN @s@.invoice_header h USING (invoice_id)"
							   " GROUP BY 1 ORDER BY 1");
	parts = palloc0_array(IssuerPart, nparts);
	for (int i = 0; i < nparts; i++)
		parts[i] = (IssuerPart) {.issuer_id = FinopsText(i, 1), .documents = FinopsInt64(i, 2)};
	number_all(session, period, parts, nparts, (int64) blocked, NULL);
}

static void
issue_prepared(const FinopsSession *session, DateADT period, const char *tenant,
			   const InvoicePreparation *done)
{
	uint64		ready = stage_ready(period, tenant, false);

	if (ready > 0)
	{
		InvoiceRefuseTogether(period, done, tenant != NULL);
		check_allocated(period);
		check_unchanged(period, done);
		issue_ready(session, period, tenant, (int64) ready, done);
	}
	else if (FINOPS_RUN("SELECT FROM @s@.invoice_header WHERE period_start = $1"
						" AND status IN ('issued', 'paid') LIMIT 1", ARG_DATE(period)) == 0)
	{
		check_allocated(period);
		check_reconciled(period);
		ereport(NOTICE,
				(errmsg("no document to issue in billing period %s", FinopsPeriodText(period)),
				 errhint("Invoices go to tenants with billing_mode invoice; register them with finops.register_tenant().")));
	}
	report_negative(period, tenant);
}

/* The issuer of a document that waits. */
static IssuerPart *
find_part(IssuerPart **parts, int *nparts, const char *issuer_id)
{
	for (int i = *nparts - 1; i >= 0; i--)
		if (strcmp((*parts)[i].issuer_id, issuer_id) == 0)
			return &(*parts)[i];
	*parts = *parts == NULL ? palloc_array(IssuerPart, 1) :
		repalloc(*parts, sizeof(IssuerPart) * (*nparts + 1));
	(*parts)[*nparts] = (IssuerPart) {.issuer_id = pstrdup(issuer_id), .complete = true};
	return &(*parts)[(*nparts)++];
}

static int
compare_parts(const void *a, const void *b)
{
	return strcmp(((const IssuerPart *) a)->issuer_id, ((const IssuerPart *) b)->issuer_id);
}

/* The issuers of the demands that wait, and whether some document has a negative total. */
static int
count_held(InvoiceWriter *writer, IssuerPart **parts, bool *negative)
{
	MemoryContext session = CurrentMemoryContext;
	MemoryContext scratch = AllocSetContextCreate(session, "finops held", ALLOCSET_DEFAULT_SIZES);
	int			nparts = 0;
	InvoiceHeld held;

	*parts = NULL;
	*negative = false;
	MemoryContextSwitchTo(scratch);
	InvoiceHeldRewind(writer);
	while (InvoiceHeldNext(writer, &held))
	{
		*negative = *negative || (held.negative && !held.demand);
		if (held.demand)
		{
			IssuerPart *part;

			MemoryContextSwitchTo(session);
			part = find_part(parts, &nparts, held.issuer_id);
			MemoryContextSwitchTo(scratch);
			part->documents++;
			part->taxed = part->taxed || held.taxed;
			part->complete = part->complete && held.complete;
		}
		MemoryContextReset(scratch);
	}
	MemoryContextSwitchTo(session);
	MemoryContextDelete(scratch);
	if (nparts > 1)
		qsort(*parts, nparts, sizeof(IssuerPart), compare_parts);
	return nparts;
}

/* Whether nothing is missing of the issuer, reconciled and allocated. */
static bool
may_issue(DateADT period, const IssuerPart *part)
{
	return part->complete &&
		FINOPS_RUN("SELECT FROM finops.issuer i WHERE i.issuer_id = $2 AND " INVOICE_ISSUER_MISSING("$3") " = ''"
				   " AND EXISTS (SELECT FROM finops.period_gate g WHERE g.period_start = $1 AND g.gate = 'reconciliation'"
				   "  AND g.status IN ('ok', 'resolved'))", ARG_DATE(period), ARG_TEXT(part->issuer_id),
				   ARG_BOOL(part->taxed)) > 0 && allocated(period);
}

/* All documents of the period are issued in their order: they are the answer. */
static void
answer_held(InvoiceWriter *held, FunctionCallInfo fcinfo)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	if (!InvoiceAnswerHeld(held, rsinfo->setResult, rsinfo->setDesc))
		rsinfo->setResult = NULL;
}

/*
 * Documents that were made a moment ago and can all be issued.  Where
 * anything is in the way they are written as open, and the usual way tells.
 */
static bool
issue_held(const FinopsSession *session, DateADT period, InvoiceWriter *held, FunctionCallInfo fcinfo)
{
	IssuerPart *parts;
	int64		count = 0;
	bool		negative;
	int			nparts = count_held(held, &parts, &negative);
	bool		complete = nparts > 0;

	for (int i = 0; i < nparts && complete; i++)
	{
		count += parts[i].documents;
		complete = may_issue(period, &parts[i]);
	}
	if (!complete)
	{
		InvoiceReleaseHeld(held);
		return false;
	}
	if (nparts == 1 && (uint64) count == InvoiceWriterHeld(held) &&
		FINOPS_RUN("SELECT FROM @s@.invoice_header WHERE period_start = $1 AND kind = 'invoice' AND status <> 'void' LIMIT 1",
				   ARG_DATE(period)) == 0)
		answer_held(held, fcinfo);
	number_all(session, period, parts, nparts, 0, held);
	InvoiceReleaseHeld(held);
	forget_failures(period);
	if (negative)
		report_negative(period, NULL);
	return true;
}

/* All documents are as a preparation would make them now, and it would warn of nothing. */
static bool
is_prepared(DateADT period)
{
	return InvoiceIsCurrent(period, NULL) &&
		FINOPS_RUN("SELECT FROM finops.invoice_failure WHERE period_start = $1 AND step = 'prepare' LIMIT 1",
				   ARG_DATE(period)) == 0;
}

/*
 * The period's lock is held; a month that is locked has nothing to issue.
 * May answer the function.
 */
static void
issue_period(const FinopsSession *session, DateADT period, const char *tenant, FunctionCallInfo fcinfo)
{
	InvoicePreparation done = {0};

	if (tenant == NULL && is_prepared(period))
	{
		issue_prepared(session, period, NULL, &done);
		return;
	}
	done = InvoicePrepare(session, period, tenant, tenant == NULL);
	if (done.held == NULL || !issue_held(session, period, done.held, fcinfo))
		issue_prepared(session, period, tenant, &done);
}

/*
 * Nothing is left to issue and nothing to tell of: all documents of the
 * period are issued, and a preparation would change none.
 */
static bool
is_issued(DateADT period)
{
	static const char *const counts_sql =
		"SELECT count(*) FILTER (WHERE h.status = 'open'), count(*) FROM @s@.invoice_header h"
		" WHERE h.period_start = $1 AND h.kind = 'invoice' AND h.status <> 'void'";

	if (FinopsPeriodIsLocked(period))
		return true;
	if (!is_prepared(period))
		return false;
	(void) FINOPS_RUN_KEPT(counts_sql, ARG_DATE(period));
	return FinopsInt64(0, 1) == 0 && FinopsInt64(0, 2) > 0;
}

/*
 * The month's lock, or false where another session has issued the month
 * meanwhile.  Whoever waits shares the lock when that session ends: all that
 * waited look at once, rather than one after the other.  What only shares the
 * lock issues nothing, so that where something is left they give it back and
 * queue.
 */
static bool
lock_month(DateADT period)
{
	if (FinopsTryLock(FINOPS_LOCK_PERIOD, period))
		return true;
	FinopsLockShared(FINOPS_LOCK_PERIOD, period);
	if (is_issued(period))
		return false;
	FinopsUnlockShared(FINOPS_LOCK_PERIOD, period);
	FinopsLock(FINOPS_LOCK_PERIOD, period);
	return true;
}

/* The tenant's documents of the period, as the last result. */
static void
select_of_tenant(DateADT period, const char *tenant)
{
	(void) FINOPS_RUN_KEPT("SELECT h.* FROM @s@.invoice_header h WHERE h.tenant_id = $2 AND h.period_start = $1"
						   " AND h.kind = 'invoice' AND h.status <> 'void' ORDER BY h.revision",
						   ARG_DATE(period), ARG_TEXT(tenant));
}

/*
 * The lock of another tenant with this hash only makes one wait.  A
 * transaction that has issued before holds the series, for which whoever has
 * this lock may be waiting: it does not wait for the lock.
 */
static bool
lock_tenant(const char *tenant)
{
	int32		key = (int32) hash_bytes((const unsigned char *) tenant, (int) strlen(tenant));

	if (InvoiceHoldsSeries())
		return FinopsTryLock(FINOPS_LOCK_TENANT, key);
	FinopsLock(FINOPS_LOCK_TENANT, key);
	return true;
}

pg_noreturn static void
refuse_to_wait(const char *tenant)
{
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("another session is issuing the document of tenant \"%s\"", FinopsQuoteForMessage(tenant)),
			 errdetail("It waits for the numbers that this transaction has taken."),
			 errhint("Repeat the transaction; where tenants are issued in transactions of their own this does not occur.")));
}

/*
 * One tenant: many sessions may do this for the same month at once.  They
 * share the month's lock, and a lock of the tenant lets one of them issue;
 * the others find its document.  May answer the function.
 */
static void
issue_tenant(const FinopsSession *session, DateADT period, const char *tenant, FunctionCallInfo fcinfo)
{
	InvoicePreparation done;
	bool		locked;
	const char *recon_id = psprintf("RECON-%s", FinopsPeriodText(period));

	FinopsLockShared(FINOPS_LOCK_PERIOD, period);
	if (InvoiceIsIssued(period, tenant))
		return;
	locked = lock_tenant(tenant);
	if (!FinopsPeriodIsLocked(period) && InvoiceIsCurrent(period, tenant) &&
		InvoiceIssueOne(session, period, tenant, recon_id, fcinfo))
		return;
	if (!locked)
		refuse_to_wait(tenant);
	InvoiceRequireTenant(tenant);
	if (InvoiceIsIssued(period, tenant) || FinopsPeriodIsLocked(period))
		return;
	done = InvoicePrepare(session, period, tenant, false);
	if (done.rewritten > 0 || !allocated(period) ||
		!InvoiceIssueOne(session, period, tenant, recon_id, fcinfo))
		issue_prepared(session, period, tenant, &done);
}

/* All tenants, or one under a snapshot of the transaction. */
static void
issue_month(const FinopsSession *session, DateADT period, const char *tenant, FunctionCallInfo fcinfo)
{
	bool		locked = true;

	InvoiceRequireTenant(tenant);
	if (tenant != NULL || IsolationUsesXactSnapshot())
		FinopsLock(FINOPS_LOCK_PERIOD, period);
	else
		locked = lock_month(period);
	if (locked && !FinopsPeriodIsLocked(period))
	{
		FinopsOpenPeriod(period);
		issue_period(session, period, tenant, fcinfo);
	}
	if (((ReturnSetInfo *) fcinfo->resultinfo)->setResult == NULL)
		InvoiceReturnDocuments(fcinfo, period, tenant);
}

/*
 * finops.issue_invoices(period date, tenant_id text DEFAULT NULL)
 *	-> SETOF invoice_header
 *
 * Prepares what is not prepared, then numbers and freezes the documents with
 * a positive total, all or none.  Repeated it returns the same rows.
 * Errors: 22004, 22023 for the period; 55000 for a period that has not ended,
 * has nothing allocated or is not reconciled, documents that changed since, an
 * incomplete issuer or tenant, a tenant without plan; 40001 where another
 * transaction issued first under REPEATABLE READ.
 */
Datum
finops_issue_invoices(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	DateADT		period = FinopsPeriodArg(fcinfo, 0);
	char	   *tenant = InvoiceTextArg(fcinfo, 1);

	FinopsCheckPeriodNotFuture(period);
	check_ended(period);
	FinopsRequireWritable("finops.issue_invoices()");
	FinopsBegin(&session);
	if (tenant != NULL && !IsolationUsesXactSnapshot())
	{
		issue_tenant(&session, period, tenant, fcinfo);
		if (((ReturnSetInfo *) fcinfo->resultinfo)->setResult == NULL)
		{
			select_of_tenant(period, tenant);
			FinopsReturnRows(fcinfo);
		}
	}
	else
		issue_month(&session, period, tenant, fcinfo);
	FinopsEnd(&session);
	if (tenant != NULL)
		InvoiceCommitEarly();
	return (Datum) 0;
}

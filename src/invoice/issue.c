/*-------------------------------------------------------------------------
 *
 * issue.c
 *	  Give open documents their numbers and freeze them.
 *
 * Everything that can be wrong is checked first and refused with the call
 * that helps; nothing is half-issued.  A document that is not a demand for
 * money stays open: a total of zero silently, a negative total with a
 * warning, since an invoice is no way to pay money back.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/invoice.h"

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

static void
check_allocated(DateADT period)
{
	if (FINOPS_RUN("SELECT FROM @s@.fact_cost_allocated WHERE period_start = $1 LIMIT 1",
				   ARG_DATE(period)) == 0)
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
				 errhint("Run SELECT count(*) FROM finops.prepare_invoices('%s-01'), then SELECT finops.reconcile('%s-01').",
						 month, month)));
}

static void
check_issuer(const InvoiceIssuer *issuer)
{
	if (FINOPS_RUN0("SELECT concat_ws(', ',"
					" CASE WHEN btrim(coalesce(i.legal_name, '')) = '' THEN 'legal_name' END,"
					" CASE WHEN i.address IS NULL OR i.address IN ('\"\"', '{}', 'null') THEN 'address' END,"
					" CASE WHEN btrim(coalesce(i.vat_id, '')) = '' AND EXISTS (SELECT FROM inv_ready r"
					"  JOIN @s@.invoice_header h USING (invoice_id) WHERE h.tax <> 0) THEN 'vat_id' END)"
					" FROM (VALUES (0)) one LEFT JOIN finops.issuer i ON i.issuer_id = 'default'") > 0 &&
		FinopsText(0, 1)[0] != '\0')
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("issuer is incomplete"),
				 errdetail("Missing: %s.", FinopsText(0, 1)),
				 errhint("Run SELECT finops.set_issuer(legal_name => 'Example Ltd', address => 'Main Street 1, Example City', vat_id => 'DE123456789') with your own data.")));
	if (!issuer->exists)
		elog(ERROR, "issuer is missing");
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

static void
check_plans(DateADT period)
{
	uint64		n = FINOPS_RUN0("SELECT h.tenant_id, (SELECT min(p.plan_code COLLATE \"C\") FROM @s@.plan_master p)"
								" FROM inv_ready r JOIN @s@.invoice_header h USING (invoice_id)"
								" WHERE h.plan_code IS NULL ORDER BY r.seq");

	if (n > 0)
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
check_tenants(void)
{
	uint64		n = FINOPS_RUN0("SELECT format('%s (%s)', m.tenant_id, m.missing), m.tenant_id FROM ("
								" SELECT r.seq, t.tenant_id, concat_ws(', ',"
								"  CASE WHEN btrim(t.tenant_name) = '' THEN 'tenant_name' END,"
								"  CASE WHEN coalesce(t.billing_contact -> 'address', 'null') IN ('null', '\"\"', '{}')"
								"   THEN 'billing_contact.address' END,"
								"  CASE WHEN coalesce(t.tax_profile -> 'exempt' = 'true', false) THEN NULL"
								"   WHEN coalesce(jsonb_typeof(t.tax_profile -> 'rate_pct') = 'number', false) THEN"
								"    CASE WHEN (t.tax_profile -> 'rate_pct')::numeric NOT BETWEEN 0 AND 100"
								"     THEN 'tax_profile.rate_pct from 0 to 100' END"
								"   ELSE 'tax_profile.rate_pct or tax_profile.exempt' END) AS missing"
								" FROM inv_ready r JOIN @s@.invoice_header h USING (invoice_id)"
								" JOIN @s@.tenant_master t USING (tenant_id)) m WHERE m.missing <> '' ORDER BY m.seq");

	if (n > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg_plural("billing data of %llu tenant is incomplete",
							   "billing data of %llu tenants is incomplete",
							   n, (unsigned long long) n),
				 errdetail("Missing: %s.", list_rows(n)),
				 errhint("Run SELECT finops.register_tenant('%s', billing_contact => '{\"address\": \"Main Street 2, Example City\"}', tax_profile => '{\"rate_pct\": 19}') with the data of each.",
						 FinopsQuoteForMessage(FinopsText(0, 2)))));
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

static void
issue_ready(const FinopsSession *session, DateADT period, int64 count)
{
	InvoiceIssuer issuer = InvoiceReadIssuer();
	int64		run_id;
	char	   *numbers;
	char	   *detail;

	check_reconciled(period);
	check_issuer(&issuer);
	check_plans(period);
	check_tenants();
	run_id = FinopsStartRun(session, "issue_invoices", period);
	numbers = InvoiceNumberDocuments(session, &issuer, "invoice", count,
									 psprintf("RECON-%s", FinopsPeriodText(period)));
	FINOPS_RUN("SELECT jsonb_build_object('documents', $1, 'numbers', $2)::text",
			   ARG_INT8(count), ARG_TEXT(numbers));
	detail = FinopsText(0, 1);
	FinopsSetGate(period, FINOPS_GATE_DOCUMENTS, "issued",
				  psprintf("%lld document%s, %s", (long long) count, count == 1 ? "" : "s", numbers), run_id);
	FinopsFinishRun(run_id, "completed", detail);
}

/* The period's lock is held; a month that is locked has nothing to issue. */
static void
issue_period(const FinopsSession *session, DateADT period, const char *tenant)
{
	InvoicePreparation done = InvoicePrepare(session, period, tenant);
	uint64		ready = FINOPS_STAGE("inv_ready",
									 "SELECT row_number() OVER (ORDER BY h.tenant_id COLLATE \"C\", h.revision) AS seq,"
									 " h.invoice_id FROM @s@.invoice_header h WHERE h.period_start = $1"
									 " AND h.kind = 'invoice' AND h.status = 'open' AND h.total > 0"
									 " AND ($2 IS NULL OR h.tenant_id = $2)",
									 ARG_DATE(period), ARG_TEXT(tenant));

	if (ready > 0)
	{
		check_allocated(period);
		check_unchanged(period, &done);
		issue_ready(session, period, (int64) ready);
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
	InvoiceRequireTenant(tenant);
	FinopsLock(FINOPS_LOCK_PERIOD, period);
	if (!FinopsPeriodIsLocked(period))
	{
		FinopsOpenPeriod(period);
		issue_period(&session, period, tenant);
	}
	InvoiceSelectDocuments(period, tenant);
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

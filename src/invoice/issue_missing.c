/*-------------------------------------------------------------------------
 *
 * issue_missing.c
 *	  All that is in the way of issuing, in one refusal.
 *
 * Whoever issues for the first time lacks several things at once: the
 * issuer's address, a tenant's plan, a reconciliation.  Each has its own
 * refusal (issue.c); where there is more than one they are told together, in
 * the order in which they are set.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/document.h"

#define LISTED_TENANTS 10		/* how many a refusal names */

typedef struct Missing
{
	StringInfoData detail;
	StringInfoData hint;
	int			n;
} Missing;

static void
add_missing(Missing *missing, char *what, char *call)
{
	missing->n++;
	appendStringInfo(&missing->detail, "%s%d. %s", missing->n > 1 ? "\n" : "", missing->n, what);
	appendStringInfo(&missing->hint, "%s%s;", missing->n > 1 ? "\n" : "", call);
}

/* Arguments for the fields that are missing, with an example each; "missing" is the list. */
#define ISSUER_CALL \
	"format('SELECT finops.set_issuer(%s)', concat_ws(', '," \
	" CASE WHEN x.missing LIKE '%legal_name%' THEN 'legal_name => ''Example Ltd''' END," \
	" CASE WHEN x.missing LIKE '%address%' THEN 'address => ''Main Street 1, Example City''' END," \
	" CASE WHEN x.missing LIKE '%vat_id%' THEN 'vat_id => ''DE123456789''' END," \
	" CASE WHEN x.issuer_id <> 'default' THEN format('issuer_id => %L', x.issuer_id) END))"

static void
find_issuers(Missing *missing)
{
	uint64		n = FINOPS_RUN0("SELECT x.issuer_id, x.missing, " ISSUER_CALL " FROM (SELECT d.issuer_id, " INVOICE_ISSUER_MISSING("d.taxed") " AS missing"
								"  FROM (SELECT h.issuer_id, bool_or(h.tax <> 0 OR " INVOICE_TENANT_MISSING " LIKE '%tax%') AS taxed FROM inv_ready r"
								"   JOIN @s@.invoice_header h USING (invoice_id) JOIN @s@.tenant_master t USING (tenant_id) GROUP BY 1) d"
								"  LEFT JOIN finops.issuer i ON i.issuer_id = d.issuer_id) x WHERE x.missing <> '' ORDER BY 1");
	SPITupleTable *rows = SPI_tuptable;

	for (uint64 i = 0; i < n; i++)
		add_missing(missing, psprintf("Issuer \"%s\" lacks %s.", SPI_getvalue(rows->vals[i], rows->tupdesc, 1),
									  SPI_getvalue(rows->vals[i], rows->tupdesc, 2)),
					SPI_getvalue(rows->vals[i], rows->tupdesc, 3));
}

#define PLAN_CALL \
	"CASE WHEN x.first_plan IS NULL THEN 'SELECT finops.set_plan(''standard'', base_price => 0); ' ELSE '' END" \
	" || format('SELECT finops.bind_plan(%L, %L, %L)', x.tenant_id, coalesce(x.first_plan, 'standard'), x.day)"
#define TENANT_CALL \
	"CASE WHEN x.missing LIKE 'tax rate of %' THEN format('SELECT finops.set_tax_rate(%L, 19, %L)', x.jurisdiction, x.day)" \
	" ELSE format('SELECT finops.register_tenant(%s)', concat_ws(', ', format('%L', x.tenant_id)," \
	"  CASE WHEN x.missing LIKE '%tenant_name%' THEN 'tenant_name => ''Example Ltd''' END," \
	"  CASE WHEN x.missing LIKE '%billing_contact%' THEN 'billing_contact => ''{\"address\": \"Main Street 2, Example City\"}''' END," \
	"  CASE WHEN x.missing LIKE '%tax%' THEN 'tax_profile => ''{\"rate_pct\": 19}''' END)) END"

/* Documents of inv_ready whose tenant has no plan or lacks data; $1 the period. */
#define BLOCKED_SQL \
	"SELECT x.seq, x.tenant_id, x.without_plan, x.missing, " PLAN_CALL " AS plan_call, " TENANT_CALL " AS tenant_call" \
	" FROM (SELECT r.seq, t.tenant_id, h.plan_code IS NULL AS without_plan, " INVOICE_TENANT_MISSING " AS missing," \
	"   (SELECT min(p.plan_code COLLATE \"C\") FROM @s@.plan_master p) AS first_plan," \
	"   t.tax_profile ->> 'jurisdiction' AS jurisdiction, to_char($1, 'YYYY-MM-DD') AS day" \
	"  FROM inv_ready r JOIN @s@.invoice_header h USING (invoice_id) JOIN @s@.tenant_master t USING (tenant_id)) x" \
	" WHERE x.without_plan OR x.missing <> ''"

void
InvoiceKeepBlocked(DateADT period)
{
	FINOPS_RUN("INSERT INTO finops.invoice_failure (period_start, tenant_id, step, reason, call)"
			   " SELECT $1, b.tenant_id, 'issue', concat_ws('; ', CASE WHEN b.without_plan THEN 'no plan is bound' END,"
			   "   CASE WHEN b.missing <> '' THEN 'missing: ' || b.missing END),"
			   "  concat_ws('; ', CASE WHEN b.without_plan THEN b.plan_call END, CASE WHEN b.missing <> '' THEN b.tenant_call END)"
			   " FROM (" BLOCKED_SQL ") b ON CONFLICT (period_start, tenant_id) DO UPDATE"
			   " SET step = EXCLUDED.step, reason = EXCLUDED.reason, call = EXCLUDED.call, failed_at = now()", ARG_DATE(period));
}

/* Documents without plan or tenants without data. */
static void
find_tenants(Missing *missing, DateADT period)
{
	uint64		n = FINOPS_RUN("SELECT b.tenant_id, b.without_plan, b.missing, b.plan_call, b.tenant_call FROM (" BLOCKED_SQL ") b ORDER BY b.seq",
							   ARG_DATE(period));
	SPITupleTable *rows = SPI_tuptable;

	for (uint64 i = 0; i < Min(n, LISTED_TENANTS); i++)
	{
		char	   *tenant = SPI_getvalue(rows->vals[i], rows->tupdesc, 1);
		char	   *fields = SPI_getvalue(rows->vals[i], rows->tupdesc, 3);

		if (SPI_getvalue(rows->vals[i], rows->tupdesc, 2)[0] == 't')
			add_missing(missing, psprintf("Tenant \"%s\" has no plan.", FinopsQuoteForMessage(tenant)),
						SPI_getvalue(rows->vals[i], rows->tupdesc, 4));
		if (fields[0] != '\0')
			add_missing(missing, psprintf("Tenant \"%s\" lacks %s.", FinopsQuoteForMessage(tenant), fields),
						SPI_getvalue(rows->vals[i], rows->tupdesc, 5));
	}
	if (n > LISTED_TENANTS)
		appendStringInfo(&missing->detail, "\nAnd %llu more tenants.", (unsigned long long) (n - LISTED_TENANTS));
}

/* The stage that comes last, since what is mended before changes documents. */
static void
find_stage(Missing *missing, DateADT period, const InvoicePreparation *done)
{
	char	   *month = FinopsPeriodText(period);
	char	   *detail = NULL;
	char	   *status = FinopsGateStatus(period, FINOPS_GATE_RECONCILIATION, &detail);

	if (FINOPS_RUN("SELECT FROM @s@.fact_cost_allocated WHERE period_start = $1 LIMIT 1", ARG_DATE(period)) == 0)
		add_missing(missing, psprintf("Nothing is allocated in %s.", month), psprintf("SELECT finops.allocate('%s-01')", month));
	if (status != NULL && (strcmp(status, "ok") == 0 || strcmp(status, "resolved") == 0))
		return;
	if (status != NULL && done->rewritten == 0)
		add_missing(missing, psprintf("The reconciliation of %s is \"%s\"%s%s", month, status, detail != NULL ? ": " : ".", detail != NULL ? detail : ""),
					psprintf("SELECT * FROM recon_exceptions WHERE recon_id = 'RECON-%s'; SELECT finops.reconcile('%s-01')", month, month));
	else
		add_missing(missing, psprintf(status == NULL && done->rewritten == 0 ? "%s is not reconciled." :
									  "Documents of %s differ from what they are computed from now.", month),
					psprintf("SELECT count(*) FROM finops.prepare_invoices('%s-01'); SELECT finops.reconcile('%s-01')", month, month));
}

static void
begin_missing(Missing *missing)
{
	memset(missing, 0, sizeof(*missing));
	initStringInfo(&missing->detail);
	initStringInfo(&missing->hint);
}

void
InvoiceRefuseTogether(DateADT period, const InvoicePreparation *done, bool tenants_too)
{
	Missing		missing;
	Missing		stage;

	begin_missing(&missing);
	begin_missing(&stage);
	find_issuers(&missing);
	find_stage(&stage, period, done);
	/* tenants that lack something do not stop the others */
	if (missing.n + stage.n == 0 && !tenants_too)
		return;
	find_tenants(&missing, period);
	find_stage(&missing, period, done);
	if (missing.n < 2)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("documents of billing period %s cannot be issued: %d things are missing", FinopsPeriodText(period), missing.n),
			 errdetail("%s", missing.detail.data),
			 errhint("Run, with your own data:\n%s", missing.hint.data)));
}

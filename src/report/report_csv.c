/*-------------------------------------------------------------------------
 *
 * report_csv.c
 *	  Reports of a billing period as CSV: finops.report_csv, finops.reports.
 *
 * What the page of a month shows in parts, rounded, is here in full: every
 * row, every currency, no digit less than is stored.
 *
 *-------------------------------------------------------------------------
 */
#include "report/report.h"

#include "core/core.h"

PG_FUNCTION_INFO_V1(finops_report_csv);
PG_FUNCTION_INFO_V1(finops_reports);

typedef struct Report
{
	const char *name;
	const char *description;
	const char *sql; /* $1: the billing period, its first day */
} Report;

/* cost of the period and of the one before by what is named */
#define AGAINST_LAST_MONTH(columns) \
	"SELECT " columns "," \
	" coalesce(sum(effective_cost) FILTER (WHERE billing_period = $1), 0) AS effective_cost," \
	" coalesce(sum(billed_cost) FILTER (WHERE billing_period = $1), 0) AS billed_cost," \
	" coalesce(sum(effective_cost) FILTER (WHERE billing_period < $1), 0) AS effective_cost_last_month" \
	" FROM finops.cost_daily WHERE billing_period IN ($1, ($1 - interval '1 month')::date)" \
	" GROUP BY " columns ", currency"

static const Report reports[] = {
	{ "allocation", "cost of the period as it was allocated, by tenant, kind, service, rule and currency",
	  "SELECT tenant_id, kind, service, category, rule_id, rule_version, currency, amount FROM finops.allocation_current"
	  " WHERE period_start = $1 ORDER BY tenant_id COLLATE \"C\", kind, service COLLATE \"C\", rule_id COLLATE \"C\", currency, amount" },
	{ "anomalies", "anomalies that touch the period",
	  "SELECT anomaly_id, dimension, key, currency, direction, first_day, last_day, actual_cost, expected_cost, impact, impact_pct, state, note"
	  " FROM finops.anomaly WHERE last_day >= $1 AND first_day < ($1 + interval '1 month')::date AND state <> 'withdrawn'"
	  " ORDER BY anomaly_id" },
	{ "bridge", "from billed to effective cost", "SELECT line, amount, currency FROM finops.cost_bridge($1) ORDER BY currency, position" },
	{ "budgets", "budgets whose current period begins with the billing period",
	  "SELECT budget_id, scope_type, scope_ref, period, target_usd, actual_usd, forecast_usd, forecast_lower_usd, forecast_upper_usd,"
	  " burn_rate, exhausted_on, status, last_refreshed_at FROM @s@.budget_master WHERE period_start = $1 AND enabled ORDER BY budget_id COLLATE \"C\"" },
	{ "cost_by_account", "cost by account and currency, against last month",
	  AGAINST_LAST_MONTH("provider, account_id, currency") " ORDER BY provider COLLATE \"C\", account_id COLLATE \"C\", currency" },
	{ "cost_by_day", "cost by day, charge category and currency",
	  "SELECT usage_date AS day, charge_category, currency, sum(effective_cost) AS effective_cost, sum(billed_cost) AS billed_cost,"
	  " sum(line_items) AS line_items FROM finops.cost_daily WHERE billing_period = $1 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3" },
	{ "cost_by_month", "cost by month and currency, the period and the eleven before it",
	  "SELECT billing_period AS month, currency, sum(effective_cost) AS effective_cost, sum(billed_cost) AS billed_cost,"
	  " sum(line_items) AS line_items FROM finops.cost_daily"
	  " WHERE billing_period > ($1 - interval '12 months')::date AND billing_period <= $1 GROUP BY 1, 2 ORDER BY 1, 2" },
	{ "cost_by_service", "cost by service and currency, against last month",
	  AGAINST_LAST_MONTH("provider, service, currency") " ORDER BY provider COLLATE \"C\", service COLLATE \"C\", currency" },
	{ "cost_by_tenant", "cost by the tenant that its tags name and currency, against last month",
	  AGAINST_LAST_MONTH("tenant_id, currency") " ORDER BY tenant_id COLLATE \"C\", currency" },
	{ "documents", "invoices and credit notes of the period",
	  "SELECT invoice_id, invoice_number, tenant_id, kind, status, plan_code, currency, subtotal, tax, total, total_usd, issued_at, due_at, paid_at"
	  " FROM @s@.invoice_header WHERE period_start = $1 ORDER BY invoice_id COLLATE \"C\"" },
	{ "findings", "open exceptions of the reconciliation, and alerts that fire now",
	  "SELECT 'reconciliation' AS source, e.severity, e.category AS what, e.tenant_id, e.service, e.description, e.variance_usd, e.created_at AS since"
	  " FROM @s@.recon_exceptions e JOIN finops.recon_run r USING (recon_id) WHERE r.period_start = $1 AND e.status = 'open'"
	  " UNION ALL SELECT 'alert', p.severity, p.title, NULL, NULL, nullif(a.scope, ''), NULL, a.since"
	  " FROM finops.alert a JOIN finops.alert_policy_in_force p USING (policy_id) WHERE a.state = 'firing' ORDER BY 1 DESC, 2, 3, 4, 5, 6" },
	{ "forecast", "forecast usage cost by day, of the period and the next, with intervals of 80 and 95 percent",
	  "SELECT dimension, key, currency, day, mean, lower_80, upper_80, lower_95, upper_95, model, made_at FROM forecast.cost_outlook"
	  " WHERE day >= $1 AND day < ($1 + interval '2 months')::date ORDER BY dimension <> 'total', dimension, key, currency, day" },
	{ "key_figures", "key figures of the period, with their targets and the level reached", "SELECT k.* FROM finops.kpi($1) k ORDER BY kpi, scope COLLATE \"C\"" },
	{ "receivables", "what tenants owe today, by age, whatever the period",
	  "SELECT r.* FROM finops.receivables_ageing(CURRENT_DATE) r WHERE $1 IS NOT NULL ORDER BY tenant_id COLLATE \"C\", currency" },
	{ "recommendations", "recommendations that are open today, whatever the period",
	  "SELECT r.* FROM finops.open_recommendation r WHERE $1 IS NOT NULL ORDER BY currency, savings DESC NULLS LAST, recommendation_id COLLATE \"C\"" },
	{ "reconciliation", "cost in, allocated, kept, unallocated and invoiced, in the reporting currency",
	  "SELECT recon_id, service, aws_total_usd, allocated_total_usd, operator_overhead_usd, unallocated_usd, invoiced_total_usd,"
	  " variance_usd, variance_pct, status, resolved_by, resolved_at, note FROM @s@.recon_summary WHERE period_start = $1"
	  " ORDER BY service <> 'ALL', service COLLATE \"C\"" },
	{ "tag_coverage", "lines and cost with each tag",
	  "SELECT c.* FROM finops.tag_coverage_report($1) c ORDER BY tag_key COLLATE \"C\"" },
	{ "unit_cost", "cost per unit of every driver, against last month, and what of it is fixed",
	  "SELECT u.* FROM finops.unit_economics($1) u ORDER BY driver_code COLLATE \"C\", currency" },
};

/* The report of a name, or what there is. */
static const Report *
find_report(const char *name)
{
	StringInfoData names;

	initStringInfo(&names);
	for (size_t i = 0; i < lengthof(reports); i++)
	{
		if (strcmp(reports[i].name, name) == 0)
			return &reports[i];
		appendStringInfo(&names, "%s%s", i == 0 ? "" : ", ", reports[i].name);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("there is no report \"%s\"", FinopsQuoteForMessage(name)),
			 errdetail("Reports are %s.", names.data),
			 errhint("Run SELECT * FROM finops.reports().")));
	return NULL;
}

/*
 * finops.report_csv(report text, period date) -> text
 *
 * A header and one record for each row, as RFC 4180 has it: CRLF after each,
 * NULL is nothing, an empty text is "".  Amounts with all of their digits,
 * times in UTC.  Errors: 22004; 22023 for an unknown report and for the period.
 */
Datum
finops_report_csv(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	MemoryContext caller = CurrentMemoryContext;
	const Report *report;
	DateADT period;
	StringInfoData csv;

	period = FinopsPeriodArg(fcinfo, 1);
	FinopsCheckPeriodNotFuture(period);
	FinopsRequireArg(fcinfo, 0, "report");
	report = find_report(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	initStringInfo(&csv);
	FinopsBegin(&session);
	FINOPS_RUN(report->sql, ARG_DATE(period));
	FinopsAppendCsv(&csv);
	MemoryContextSwitchTo(caller);
	FinopsEnd(&session);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(csv.data, csv.len));
}

/* finops.reports() -> (report text, description text) */
Datum
finops_reports(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo;

	InitMaterializedSRF(fcinfo, 0);
	rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	for (size_t i = 0; i < lengthof(reports); i++)
	{
		Datum values[2] = { CStringGetTextDatum(reports[i].name),
							CStringGetTextDatum(reports[i].description) };
		bool nulls[2] = { false, false };

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

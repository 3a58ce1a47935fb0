/*-------------------------------------------------------------------------
 *
 * month.c
 *	  A month on one page: finops.report_html.
 *
 * The page loads nothing from elsewhere and has no script.  Cost is read from
 * the roll-up, never from lines, in the currency in which the month cost
 * most; other currencies are named with their sums.
 *
 *-------------------------------------------------------------------------
 */
#include "report/report.h"

#include "core/core.h"
#include "core/markup.h"
#include "insight/insight.h"

PG_FUNCTION_INFO_V1(finops_report_html);

#define LIGHT                                                                  \
	"--page:#eef1f4;--paper:#fff;--ink:#1b2430;--soft:#56616d;--line:#d9dfe5;" \
	"--good:#00664b;--warn:#8a4b00;--bad:#b3261e"
#define DARK                                                                      \
	"--page:#0f1318;--paper:#171c22;--ink:#e8edf2;--soft:#a9b4c0;--line:#343d47;" \
	"--good:#4fd0a5;--warn:#f0b34c;--bad:#ff9a8f"

static const char *const style =
	":root{" LIGHT ";color-scheme:light dark}"
	"@media (prefers-color-scheme:dark){:root{" DARK "}}"
	"*{box-sizing:border-box}"
	"body{margin:0;background:var(--page);color:var(--ink);font:14px/1.45 system-ui,-apple-system,\"Segoe UI\","
	"Roboto,\"Noto Sans\",\"DejaVu Sans\",sans-serif}"
	"main{max-width:1180px;margin:0 auto;padding:20px 16px}"
	"h1{margin:0;font-size:24px;font-weight:650}h2{margin:0 0 8px;font-size:14px;font-weight:600}"
	".soft{margin:2px 0 0;color:var(--soft)}.good{color:var(--good)}.warn{color:var(--warn)}.bad{color:var(--bad)}"
	".tiles,.cards{display:grid;gap:14px;margin-top:16px}"
	".tiles{grid-template-columns:repeat(auto-fit,minmax(160px,1fr))}"
	".cards{grid-template-columns:repeat(auto-fit,minmax(min(440px,100%),1fr))}"
	".tile,.card{min-width:0;padding:12px 14px;background:var(--paper);border:1px solid var(--line);border-radius:8px}"
	".tile strong{display:block;font-size:20px;font-weight:650;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}"
	".tile span{display:block;color:var(--soft);font-size:12.5px}"
	".tile .good{color:var(--good)}.tile .warn{color:var(--warn)}.tile .bad{color:var(--bad)}"
	".card .finops-chart{width:100%;max-width:500px;margin:0 auto;overflow:visible}"
	"table{width:100%;border-collapse:collapse;font-size:13px}"
	"th{color:var(--soft);font-weight:600;text-align:start;vertical-align:bottom}"
	"th,td{padding:4px 0 4px 10px;border-bottom:1px solid var(--line);overflow-wrap:anywhere;vertical-align:top}"
	"th:first-child,td:first-child{padding-inline-start:0}"
	"th.n,td.n{text-align:end;font-variant-numeric:tabular-nums}td.n{direction:ltr;unicode-bidi:isolate;white-space:nowrap}.scroll{overflow-x:auto}th{overflow-wrap:normal}td:first-child{min-width:5em}td.w{min-width:6.2em}"
	"td:first-child bdi{display:-webkit-box;-webkit-box-orient:vertical;-webkit-line-clamp:3;overflow:hidden}"
	"@media (max-width:500px){main{padding:12px 8px}.card,.tile{padding:10px 8px}table{font-size:11.5px}th,td{padding-inline-start:6px}.tile strong{font-size:17px}}"
	"footer{margin-top:16px;color:var(--soft);font-size:12px}"
	"@page{size:A4;margin:12mm}"
	"@media print{:root{" LIGHT "}body{background:#fff;font-size:9.5pt}main{max-width:none;padding:0}"
	".cards{grid-template-columns:1fr 1fr}.card,.tile{break-inside:avoid}.wide{grid-column:1/-1}table{font-size:7.5pt}.tiles{grid-template-columns:repeat(5,1fr);gap:8px}.tile strong{font-size:12pt}}";

/* The cost of the month and the one before, by all that is asked for: the roll-up is read once. */
static const char *const month_accounts =
	"SELECT d.billing_period, d.service, d.account_id, d.tenant_id, d.charge_category, d.currency, sum(d.effective_cost) AS effective_cost"
	" FROM finops.cost_daily d WHERE d.billing_period IN ($1, ($1 - interval '1 month')::date) GROUP BY 1, 2, 3, 4, 5, 6";

/* The same without accounts, small enough to be read again and again. */
static const char *const month_cost =
	"SELECT d.billing_period AS period, d.service, d.tenant_id, d.charge_category AS category, d.currency,"
	" sum(d.effective_cost) AS cost FROM finops_month_account d GROUP BY 1, 2, 3, 4, 5";

/* What went where: kind and rule to tenant; packed entries are in it as their sums. */
static const char *const month_flow =
	"SELECT CASE a.kind WHEN 'direct' THEN 'direct' WHEN 'overhead' THEN 'overhead' WHEN 'unallocated' THEN 'unallocated'"
	" ELSE a.rule_id END AS pool,"
	" coalesce(a.tenant_id, CASE a.kind WHEN 'overhead' THEN '(operator)' ELSE '(nobody yet)' END) AS tenant,"
	" sum(a.allocated_cost_usd) AS cost"
	" FROM @s@.fact_cost_allocated a WHERE a.period_start = $1 AND a.currency = $2 GROUP BY 1, 2";

#define MONEY(x) "to_char(" x ", 'FM999,999,999,999,999,990.00')"
#define CHANGE(now, before) \
	"CASE WHEN " before " > 0 THEN to_char(100 * (" now " - " before ") / " before ", 'FMSG999,999,990.0') || ' %' END"

/* label, value, note, class */
static const char *const headline =
	"WITH c AS (SELECT coalesce(sum(cost) FILTER (WHERE period = $1), 0) AS now,"
	"  coalesce(sum(cost) FILTER (WHERE period <> $1), 0) AS before,"
	"  sum(cost) FILTER (WHERE period = $1 AND category = 'Usage') AS usage,"
	"  sum(cost) FILTER (WHERE period = $1 AND category = 'Usage' AND tenant_id IS NOT NULL) AS owned"
	"  FROM finops_month_cost WHERE currency = $2),"
	" r AS (SELECT * FROM @s@.recon_summary WHERE period_start = $1 AND service = 'ALL' ORDER BY created_at DESC LIMIT 1),"
	" i AS (SELECT count(*) FILTER (WHERE issued_at IS NOT NULL) AS issued, count(*) AS n,"
	"  sum(total_usd) AS total FROM @s@.invoice_header WHERE period_start = $1 AND status <> 'void' AND kind = 'invoice')"
	" SELECT 'Cost', " MONEY("now") ", $2, '' FROM c"
	" UNION ALL SELECT 'Against last month', coalesce(" CHANGE("now", "before") ", 'no cost then'),"
	"  " MONEY("now - before") " || ' ' || $2, CASE WHEN now > before * 1.1 THEN 'warn' ELSE '' END FROM c"
	" UNION ALL SELECT 'Usage cost with a tenant', coalesce(to_char(100 * coalesce(owned, 0) / nullif(usage, 0), 'FM990.0') || ' %', '-'),"
	"  'tag coverage by cost', CASE WHEN coalesce(owned, 0) < 0.9 * usage THEN 'warn' ELSE 'good' END FROM c"
	" UNION ALL SELECT 'Reconciliation', coalesce((SELECT status FROM r), 'not yet'),"
	"  (SELECT " MONEY("variance_usd") " || ' variance' FROM r),"
	"  CASE (SELECT status FROM r) WHEN 'ok' THEN 'good' WHEN 'resolved' THEN 'good' WHEN 'failed' THEN 'bad' ELSE 'warn' END"
	" UNION ALL SELECT 'Invoices', coalesce(" MONEY("total") ", '0.00'), 'USD, ' || issued || ' of ' || n || ' issued', '' FROM i";

static const char *const trend_chart =
	"WITH m AS (SELECT d.billing_period AS period, sum(d.effective_cost)::float8 AS cost FROM finops.cost_daily d"
	"  WHERE d.billing_period > ($1 - interval '12 months')::date AND d.billing_period <= $1 AND d.currency = $2 GROUP BY 1)"
	" SELECT finops.chart_line(coalesce(array_agg(to_char(period, 'YYYY-MM') ORDER BY period), '{}'),"
	"  jsonb_build_array(jsonb_build_object('values', coalesce(jsonb_agg(cost ORDER BY period), '[]'))),"
	"  jsonb_build_object('title', 'Cost by month', 'unit', $2, 'width', 400)) FROM m";

/* bars of the ten largest and the others together, by a column of month_cost */
#define TOP_CHART(column, title) \
	"WITH t AS (SELECT coalesce(" column ", '(none)') AS name, sum(cost) AS cost FROM finops_month_cost" \
	"  WHERE period = $1 AND currency = $2 GROUP BY 1)," \
	" r AS (SELECT name, cost, least(row_number() OVER (ORDER BY cost DESC, name), 11) AS n FROM t)," \
	" f AS (SELECT n, CASE WHEN n < 11 THEN min(name) ELSE count(*) || ' others' END AS name, sum(cost)::float8 AS cost FROM r GROUP BY n)" \
	" SELECT finops.chart_bar(coalesce(array_agg(name ORDER BY n), '{}'), coalesce(array_agg(cost ORDER BY n), '{}')," \
	"  jsonb_build_object('title', '" title "', 'unit', $2, 'width', 400)) FROM f"

#define TOP_TABLE(column, heading) \
	"WITH t AS (SELECT coalesce(" column ", '(none)') AS name, coalesce(sum(cost) FILTER (WHERE period = $1), 0) AS now," \
	"  coalesce(sum(cost) FILTER (WHERE period <> $1), 0) AS before FROM finops_month_cost WHERE currency = $2 GROUP BY 1)" \
	" SELECT name AS \"" heading "\", " MONEY("now") " AS \"Cost\", " MONEY("before") " AS \"Last month\", " CHANGE("now", "before") " AS \"Change\" FROM t ORDER BY now DESC, name LIMIT 10"

static const char *const flow_chart =
	"WITH p AS (SELECT pool, row_number() OVER (ORDER BY sum(cost) DESC, pool) AS n FROM finops_month_flow GROUP BY pool),"
	" t AS (SELECT tenant, row_number() OVER (ORDER BY sum(cost) DESC, tenant) AS n FROM finops_month_flow GROUP BY tenant),"
	" f AS (SELECT CASE WHEN p.n <= 8 THEN pool ELSE 'other rules' END AS pool,"
	"  CASE WHEN t.n <= 12 THEN tenant ELSE 'other tenants' END AS tenant, sum(cost)::float8 AS cost"
	"  FROM finops_month_flow JOIN p USING (pool) JOIN t USING (tenant) GROUP BY 1, 2 HAVING sum(cost) > 0)"
	" SELECT finops.chart_flow(coalesce(array_agg(pool ORDER BY pool, tenant), '{}'),"
	"  coalesce(array_agg(tenant ORDER BY pool, tenant), '{}'), coalesce(array_agg(cost ORDER BY pool, tenant), '{}'),"
	"  jsonb_build_object('title', 'Allocation: rule or pool to tenant', 'unit', $2, 'width', 400)) FROM f";

static const char *const coverage_table =
	"SELECT category AS \"Charges\", " MONEY("sum(cost)") " AS \"Cost\","
	" " MONEY("coalesce(sum(cost) FILTER (WHERE tenant_id IS NOT NULL), 0)") " AS \"With a tenant\","
	" to_char(100 * coalesce(sum(cost) FILTER (WHERE tenant_id IS NOT NULL), 0) / nullif(sum(cost), 0), 'FM999,990.0') || ' %' AS \"Share\""
	" FROM finops_month_cost WHERE period = $1 AND currency = $2 GROUP BY category ORDER BY sum(cost) DESC, category";

static const char *const recon_table =
	"SELECT service AS \"Service\", " MONEY("aws_total_usd") " AS \"Cost in\","
	" " MONEY("allocated_total_usd") " AS \"Allocated\", " MONEY("operator_overhead_usd") " AS \"Kept\", " MONEY("invoiced_total_usd") " AS \"Invoiced\","
	" " MONEY("variance_usd") " AS \"Variance\", status AS \"Status\""
	" FROM @s@.recon_summary WHERE period_start = $1 ORDER BY service <> 'ALL', abs(variance_usd) DESC, service LIMIT 15";

static const char *const budget_table =
	"SELECT budget_id AS \"Budget\", " MONEY("target_usd") " AS \"Amount\", " MONEY("actual_usd") " AS \"Spent\","
	" to_char(100 * actual_usd / nullif(target_usd, 0), 'FM999,990.0') || ' %' AS \"Used\","
	" coalesce(to_char(burn_rate::numeric, 'FM999,990.00'), '-') AS \"Burn\","
	" coalesce(" MONEY("forecast_usd") ", '-') AS \"Forecast\", coalesce(exhausted_on::text, '-') AS \"Exhausted on\""
	" FROM @s@.budget_master WHERE period_start = $1 AND enabled"
	" ORDER BY actual_usd / nullif(target_usd, 0) DESC NULLS LAST, budget_id LIMIT 15";

/* days of the month as they were, and the forecast of the next with its interval of 95 % */
static const char *const forecast_chart =
	"WITH a AS (SELECT d.usage_date AS day, sum(d.effective_cost)::float8 AS cost FROM finops.cost_daily d"
	"  WHERE d.billing_period = $1 AND d.currency = $2 AND d.usage_date >= $1 AND d.usage_date < ($1 + interval '1 month')::date"
	"  AND d.charge_category = 'Usage' GROUP BY 1),"
	" f AS (SELECT o.day, o.mean, o.lower_95, o.upper_95 FROM forecast.cost_outlook o WHERE o.dimension = 'total'"
	"  AND o.currency = $2 AND o.day >= $1 AND o.day < ($1 + interval '2 months')::date),"
	" b AS (SELECT day, cost, mean, lower_95, upper_95 FROM a FULL JOIN f USING (day))"
	" SELECT finops.chart_line(coalesce(array_agg(to_char(day, 'MM-DD') ORDER BY day), '{}'), CASE WHEN count(mean) > 0"
	"  THEN jsonb_build_array(jsonb_build_object('name', 'actual', 'values', jsonb_agg(cost ORDER BY day)),"
	"   jsonb_build_object('name', 'forecast, 95 %', 'values', jsonb_agg(mean ORDER BY day), 'lower', jsonb_agg(lower_95 ORDER BY day),"
	"   'upper', jsonb_agg(upper_95 ORDER BY day)))"
	"  ELSE jsonb_build_array(jsonb_build_object('values', coalesce(jsonb_agg(cost ORDER BY day), '[]'))) END,"
	"  jsonb_build_object('title', 'Usage cost by day, with the forecast', 'unit', $2, 'width', 400)) FROM b";

static const char *const invoice_table =
	"SELECT kind AS \"Kind\", status AS \"Status\", currency AS \"Currency\", count(*) AS \"Documents\","
	" " MONEY("sum(total)") " AS \"Total\" FROM @s@.invoice_header WHERE period_start = $1"
	" GROUP BY kind, status, currency ORDER BY kind, status, currency";

static const char *const receivables_table =
	"SELECT currency AS \"Currency\", " MONEY("sum(not_due)") " AS \"Not due\", " MONEY("sum(days_1_30)") " AS \"1-30 days\","
	" " MONEY("sum(days_31_60)") " AS \"31-60\", " MONEY("sum(days_61_90 + days_over_90)") " AS \"Over 60\","
	" " MONEY("sum(open_amount)") " AS \"Open\""
	" FROM finops.receivables_ageing(CURRENT_DATE) GROUP BY currency ORDER BY currency";

static const char *const finding_table =
	"SELECT severity AS \"Severity\", what AS \"What\", seen AS \"Seen\" FROM ("
	" SELECT CASE severity WHEN 'failed' THEN 0 ELSE 2 END AS n, severity, category || ': ' || coalesce(tenant_id, service, '') AS what, description AS seen"
	"  FROM @s@.recon_exceptions e JOIN finops.recon_run r USING (recon_id) WHERE r.period_start = $1 AND e.status = 'open' AND severity <> 'info'"
	" UNION ALL SELECT CASE p.severity WHEN 'critical' THEN 1 ELSE 3 END, p.severity, p.title, concat_ws(', ', nullif(a.scope, ''), 'since ' || to_char(a.since, 'YYYY-MM-DD HH24:MI'))"
	"  FROM finops.alert a JOIN finops.alert_policy_in_force p USING (policy_id) WHERE a.state = 'firing') f"
	" ORDER BY n, what, seen LIMIT 20";

static const char *const anomaly_table =
	"SELECT concat_ws(' ', a.dimension, a.key) AS \"What\", to_char(a.first_day, 'YYYY-MM-DD') AS \"From\", a.days::text AS \"Days\","
	" " MONEY("a.impact") " AS \"Impact\", a.state AS \"State\" FROM finops.anomaly a"
	" WHERE a.explained_by IS NULL AND a.state <> 'withdrawn' AND a.last_day >= $1 AND a.first_day < ($1 + interval '1 month')::date"
	"  AND a.currency = $2 ORDER BY abs(a.impact) DESC, a.anomaly_id LIMIT 20";

#define NUMBER(x) "rtrim(to_char(" x ", 'FM999,999,999,999,999,990.99'), '.')"
#define UNIT_PRICE(x) "to_char(" x ", 'FM999,999,999,999,990.009999')"

/* of a figure with many scopes the five that are worst */
static const char *const kpi_table =
	"SELECT title || CASE WHEN scope <> 'all' THEN ', ' || scope ELSE '' END AS \"Figure\","
	" CASE unit WHEN 'money' THEN " MONEY("value") " WHEN 'percent' THEN " NUMBER("value") " || ' %' ELSE " NUMBER("value") " || ' ' || unit END AS \"Value\","
	" coalesce(level, CASE WHEN value IS NULL THEN reason END) AS \"Level\","
	" CASE WHEN num_nonnulls(crawl, walk, run) > 0 THEN concat_ws(' / ', coalesce(" NUMBER("crawl") ", '-'), coalesce(" NUMBER("walk") ", '-'), coalesce(" NUMBER("run") ", '-')) END AS \"Crawl / walk / run\""
	" FROM (SELECT f.*, row_number() OVER (PARTITION BY kpi ORDER BY value IS NULL, CASE better WHEN 'higher' THEN value ELSE - value END, scope) AS n FROM kpi_figure f) f"
	" WHERE n <= 5 AND $1 IS NOT NULL AND $2 IS NOT NULL ORDER BY kpi, n";

static const char *const unit_table =
	"SELECT driver_code AS \"Driver\", " NUMBER("units") " AS \"Units\", " UNIT_PRICE("now") " AS \"Cost of a unit\", " UNIT_PRICE("before") " AS \"Last month\","
	" CASE WHEN cost IS NULL THEN 'no cost in its scope' WHEN now IS NULL THEN 'no quantity' ELSE coalesce(" CHANGE("now", "before") ", 'nothing to compare') END AS \"Change\""
	" FROM (SELECT m.driver_code, m.units, m.cost, m.cost / nullif(m.units, 0) AS now, b.cost / nullif(b.units, 0) AS before FROM unit_month m"
	"  LEFT JOIN unit_month b ON b.driver_code = m.driver_code AND b.currency = m.currency AND b.at = ($1 - interval '1 month')::date"
	"  WHERE m.at = $1 AND coalesce(m.currency, $2) = $2) u ORDER BY driver_code LIMIT 20";

/* a row for the total of each currency, then the largest savings; a commitment has no resource yet */
static const char *const recommendation_table =
	"SELECT what AS \"Resource\", kind AS \"Kind\", " MONEY("savings") " || ' ' || currency AS \"Saving a month\", state AS \"State\" FROM ("
	" (SELECT 0 AS n, 'Total' AS what, NULL AS kind, sum(savings) AS savings, currency, count(*) || ' open' AS state FROM finops.open_recommendation GROUP BY currency)"
	" UNION ALL (SELECT 1, coalesce(resource_id, action), optimization_type, savings, currency, state FROM finops.open_recommendation"
	"  ORDER BY currency <> $2, savings DESC NULLS LAST, recommendation_id LIMIT 15)) r"
	" WHERE $1 IS NOT NULL ORDER BY n, currency <> $2, currency, savings DESC NULLS LAST, what";

static const char *const other_currencies =
	"SELECT string_agg(currency || ' ' || cost, ', ' ORDER BY currency) FROM"
	" (SELECT currency, " MONEY("sum(cost)") " AS cost FROM finops_month_cost WHERE period = $1 AND currency <> $2 GROUP BY currency) c";

/* What the page is made of; columns of numbers are marked with n, those of short words with w. */
typedef struct Section
{
	const char *heading; /* NULL: the chart has its title */
	const char *sql;
	const char *columns; /* NULL: a chart */
} Section;

static const Section sections[] = {
	{ NULL, trend_chart, NULL },
	{ NULL, forecast_chart, NULL },
	{ NULL, TOP_CHART("service", "Cost by service"), NULL },
	{ "Services against last month", TOP_TABLE("service", "Service"), "tnnn" },
	{ NULL, TOP_CHART("tenant_id", "Cost by tenant tag"), NULL },
	{ "Tenants against last month", TOP_TABLE("tenant_id", "Tenant"), "tnnn" },
	{ "Key figures", kpi_table, "tntw" },
	{ "Cost of a unit", unit_table, "tnnnw" },
	{ "Tag coverage", coverage_table, "tnnn" },
	{ NULL, flow_chart, NULL },
	{ "Reconciliation, USD", recon_table, "tnnnnnt" },
	{ "Budgets, USD", budget_table, "tnnnnnn" },
	{ "Documents of the month", invoice_table, "tttnn" },
	{ "Receivables today", receivables_table, "tnnnnn" },
	{ "Anomalies", anomaly_table, "ttnnt" },
	{ "Open recommendations today", recommendation_table, "twnw" },
	{ "Open findings", finding_table, "ttt" },
};

/* ---------------------------------------------------------------------
 * The page
 * ---------------------------------------------------------------------
 */
static void
run(const char *sql, DateADT period, const char *currency)
{
	FINOPS_RUN(sql, ARG_DATE(period), ARG_TEXT(currency));
}

/* The first value of a query, NULL where there is none. */
static char *
value_of(const char *sql, DateADT period, const char *currency)
{
	run(sql, period, currency);
	return SPI_processed == 0 ? NULL : FinopsText(0, 1);
}

static void
element(StringInfo out, const char *tag, const char *class, const char *text)
{
	appendStringInfo(out, "<%s", tag);
	if (class[0] != '\0')
		appendStringInfo(out, " class=\"%s\"", class);
	/* names beyond three rows are cut where they are shown */
	if (text != NULL && strlen(text) > 40)
	{
		appendStringInfoString(out, " title=\"");
		MarkupText(out, text);
		appendStringInfoChar(out, '"');
	}
	appendStringInfoChar(out, '>');
	if (text != NULL && text[0] != '\0')
	{
		appendStringInfoString(out, "<bdi>");
		MarkupText(out, text);
		appendStringInfoString(out, "</bdi>");
	}
	appendStringInfo(out, "</%s>", tag);
}

static void
tiles(StringInfo out, DateADT period, const char *currency)
{
	run(headline, period, currency);
	appendStringInfoString(out, "<div class=\"tiles\">\n");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		char *class = FinopsText(i, 4);

		appendStringInfoString(out, "<div class=\"tile\">");
		element(out, "span", "", FinopsText(i, 1));
		element(out, "strong", class == NULL ? "" : class, FinopsText(i, 2));
		if (FinopsText(i, 3) != NULL)
			element(out, "span", "", FinopsText(i, 3));
		appendStringInfoString(out, "</div>\n");
	}
	appendStringInfoString(out, "</div>\n");
}

/* The last result as a table. */
static void
table(StringInfo out, const char *columns)
{
	int n = (int) strlen(columns);

	if (SPI_processed == 0)
	{
		MarkupElement(out, "p", "There is nothing.");
		return;
	}
	appendStringInfoString(out, "<div class=\"scroll\"><table><thead><tr>");
	for (int c = 0; c < n; c++)
	{
		appendStringInfoString(out, columns[c] == 'n' ? "<th scope=\"col\" class=\"n\">" : "<th scope=\"col\">");
		MarkupText(out, SPI_fname(SPI_tuptable->tupdesc, c + 1));
		appendStringInfoString(out, "</th>");
	}
	appendStringInfoString(out, "</tr></thead><tbody>");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		appendStringInfoString(out, "<tr>");
		for (int c = 0; c < n; c++)
			element(out, "td", columns[c] == 'n' ? "n" : columns[c] == 'w' ? "w" : "", FinopsText(i, c + 1));
		appendStringInfoString(out, "</tr>\n");
	}
	appendStringInfoString(out, "</tbody></table></div>");
}

/* A chart without its style, which all charts share: the page has it once, in its head. */
static void
chart(StringInfo out, const char *svg, char **chart_style)
{
	const char *begin = strstr(svg, "<style>");
	const char *end = begin == NULL ? NULL : strstr(begin, "</style>");

	if (end == NULL)
	{
		appendStringInfoString(out, svg);
		return;
	}
	if (*chart_style == NULL)
		*chart_style = pnstrdup(begin + strlen("<style>"), end - begin - strlen("<style>"));
	appendBinaryStringInfo(out, svg, (int) (begin - svg));
	appendStringInfoString(out, end + strlen("</style>"));
}

static void
section(StringInfo out, const Section *s, DateADT period, const char *currency, char **chart_style)
{
	const char *element = s->heading == NULL ? "div" : "section"; /* a section has a heading */

	run(s->sql, period, currency);
	appendStringInfo(out, "<%s class=\"card%s\">", element,
					 s->columns != NULL && strlen(s->columns) > 5 ? " wide" : "");
	MarkupElement(out, "h2", s->heading);
	if (s->columns != NULL)
		table(out, s->columns);
	else
		chart(out, FinopsText(0, 1), chart_style);
	appendStringInfo(out, "</%s>\n", element);
}

static char *
page(DateADT period, const char *currency)
{
	StringInfoData out;
	StringInfoData body;
	char *chart_style = NULL;
	char *name = value_of("SELECT to_char($1, 'FMMonth YYYY'), $2", period, currency);
	char *others = value_of(other_currencies, period, currency);

	initStringInfo(&body);
	tiles(&body, period, currency);
	appendStringInfoString(&body, "<div class=\"cards\">\n");
	for (size_t i = 0; i < lengthof(sections); i++)
		section(&body, &sections[i], period, currency, &chart_style);

	initStringInfo(&out);
	appendStringInfo(&out, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
						   "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>Cloud cost, %s</title>"
						   "<style>%s%s</style></head>\n<body><main><h1>Cloud cost, %s</h1><p class=\"soft\">Effective cost in ",
					 name, chart_style == NULL ? "" : chart_style, style, name);
	MarkupText(&out, currency);
	if (others != NULL)
	{
		appendStringInfoString(&out, ". In other currencies, not in the figures: ");
		MarkupText(&out, others);
	}
	appendStringInfo(&out, "</p>\n%s</div>\n<footer>Written %s by finops %s.</footer></main></body></html>\n", body.data,
					 value_of("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC', $1, $2", period, currency),
					 FINOPS_VERSION);
	return out.data;
}

/*
 * finops.report_html(period date) -> text
 *
 * A billing period as a page; one without cost gives a page that says so in
 * each of its parts.  Errors: 22004, 22023.
 */
Datum
finops_report_html(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	MemoryContext caller = CurrentMemoryContext;
	DateADT period = FinopsPeriodArg(fcinfo, 0);
	char *currency;
	char *html;
	text *result;

	FinopsCheckPeriodNotFuture(period);
	FinopsBegin(&session);
	FINOPS_STAGE("finops_month_account", month_accounts, ARG_DATE(period));
	FINOPS_STAGE0("finops_month_cost", month_cost);
	currency = value_of("SELECT currency FROM finops_month_cost WHERE $2 IS NULL GROUP BY currency"
						" ORDER BY sum(cost) FILTER (WHERE period = $1) DESC NULLS LAST, currency LIMIT 1",
						period, NULL);
	if (currency == NULL)
		currency = finops_reporting_currency;
	FINOPS_STAGE("finops_month_flow", month_flow, ARG_DATE(period), ARG_TEXT(currency));
	InsightStageKpi(period, false);
	InsightStageUnitMonths(period, 2, "finops_month_account");
	html = page(period, currency);
	MemoryContextSwitchTo(caller);
	result = cstring_to_text(html);
	MemoryContextSwitchTo(session.context);
	FinopsEnd(&session);
	PG_RETURN_TEXT_P(result);
}

/*-------------------------------------------------------------------------
 *
 * figures.c
 *	  finops.tag_coverage_figures: how well a month is tagged.
 *
 * "Tag coverage" names different numbers in different documents, so each has
 * its name here:
 *
 *	rows_with_tenant	lines that have a tenant, of all lines
 *	rows_required		lines that carry every required key, of taggable lines
 *	resources			resources all of whose lines carry every required key
 *	cost				cost of lines with a tenant, of taggable cost
 *	valid_values		values that the policy allows, of the values it judges
 *
 * Usage can be tagged; tax, credits, adjustments, support and fees cannot, and
 * stand apart with their cost.  The first three count, cost is on the cost
 * basis of the period, per currency.
 *
 *-------------------------------------------------------------------------
 */
#include "tag/tag.h"

PG_FUNCTION_INFO_V1(finops_tag_coverage_figures);

/* Support is a percentage of spend and belongs to no resource. */
#define IS_SUPPORT "(f.service ~* '(^|[^a-z])(aws)?support' OR f.line_item_product_code ~* '^awssupport')"

/* The tenant macro asks for the key as $1; here it is $3. */
#define TAG_DELIVERED_TENANT_OF_LINE_3 \
	TAG_VALUE("CASE WHEN $3 = 'tenant_id' THEN" \
			  " coalesce(f.resource_tags_user_tenant_id, f.resource_tags ->> 'tenant_id')" \
			  " WHEN jsonb_typeof(f.resource_tags -> $3) NOT IN ('object', 'array') THEN f.resource_tags ->> $3 END")

/* Lines by what decides a figure.  Delivered (d) and in effect (e). */
#define LINES \
	" policy AS MATERIALIZED (SELECT * FROM finops.tag_policy_in_force($1))," \
	" line AS MATERIALIZED (" \
	"  SELECT f.line_item_currency_code AS currency, f.line_item_resource_id AS resource_id," \
	"   f.resource_tags AS d_tags, f.virtual_tags AS v_tags, f.tenant_id AS e_tenant," \
	"   " TAG_DELIVERED_TENANT_OF_LINE_3 " AS d_tenant," \
	"   f.resource_tags_user_plan_id AS plan_id, f.resource_tags_user_service_component AS service_component," \
	"   f.resource_tags_user_environment AS environment, f.resource_tags_user_cost_center AS cost_center," \
	"   f.resource_tags_user_project AS project," \
	"   CASE WHEN f.charge_category = 'Usage' THEN CASE WHEN " IS_SUPPORT " THEN 'support' END" \
	"    WHEN f.charge_category = 'Purchase' THEN CASE WHEN " IS_SUPPORT " THEN 'support' ELSE 'fees' END" \
	"    WHEN f.charge_category = 'Tax' THEN 'tax' WHEN f.charge_category = 'Credit' THEN 'credits'" \
	"    ELSE 'adjustments' END AS apart," \
	"   count(*) AS n, sum(CASE $2 WHEN 'billed' THEN f.billed_cost ELSE f.effective_cost END) AS cost" \
	"  FROM @s@.fact_cost_raw f WHERE f.bill_billing_period_start_date = $1" \
	"  GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)"

/* Of a kind of lines "l" and a policy row "p": the value as delivered. */
#define DELIVERED_VALUE \
	"CASE p.tag_key WHEN 'tenant_id' THEN l.d_tenant ELSE " \
	TAG_VALUE("coalesce(CASE p.tag_key WHEN 'plan_id' THEN l.plan_id" \
			  " WHEN 'service_component' THEN l.service_component WHEN 'environment' THEN l.environment" \
			  " WHEN 'cost_center' THEN l.cost_center WHEN 'project' THEN l.project END," \
			  " l.d_tags ->> p.tag_key)") " END"

#define EFFECTIVE_VALUE \
	"CASE p.tag_key WHEN 'tenant_id' THEN l.e_tenant ELSE" \
	" coalesce(" TAG_VALUE("l.v_tags ->> p.tag_key") ", " DELIVERED_VALUE ") END"

#define ALLOWED(value) \
	"(" value " IS NOT NULL AND (p.value_pattern IS NULL OR " value " ~ p.value_pattern)" \
	" AND (p.allowed_values IS NULL OR " value " = ANY (p.allowed_values)))"

#define JUDGED \
	" judged AS MATERIALIZED (" \
	"  SELECT l.currency, l.resource_id, l.apart, l.n, l.cost, l.d_tenant, l.e_tenant, q.*" \
	"  FROM line l CROSS JOIN LATERAL (" \
	"   SELECT coalesce(bool_and(v.d IS NOT NULL) FILTER (WHERE v.required), true) AS d_complete," \
	"    coalesce(bool_and(v.e IS NOT NULL) FILTER (WHERE v.required), true) AS e_complete," \
	"    count(v.d) AS d_values, count(*) FILTER (WHERE v.d_ok) AS d_valid," \
	"    count(v.e) AS e_values, count(*) FILTER (WHERE v.e_ok) AS e_valid" \
	"   FROM (SELECT w.*, " ALLOWED("w.d") " AS d_ok, " ALLOWED("w.e") " AS e_ok" \
	"    FROM (SELECT p.required, p.value_pattern, p.allowed_values, " DELIVERED_VALUE " AS d, " EFFECTIVE_VALUE " AS e" \
	"     FROM policy p) w CROSS JOIN LATERAL (SELECT w.value_pattern, w.allowed_values) p) v) q)"

#define RESOURCES \
	" resource AS (SELECT j.currency, j.resource_id, bool_and(j.d_complete) AS d, bool_and(j.e_complete) AS e" \
	"  FROM judged j WHERE j.apart IS NULL AND j.resource_id IS NOT NULL GROUP BY 1, 2)"

#define FIGURES \
	" figure AS (" \
	"  SELECT 1 AS place, 'rows_with_tenant' AS name, currency, sum(n) FILTER (WHERE e_tenant IS NOT NULL) AS e," \
	"   sum(n) AS total, sum(n) FILTER (WHERE d_tenant IS NOT NULL) AS d FROM judged GROUP BY currency" \
	"  UNION ALL SELECT 2, 'rows_required', currency, sum(n) FILTER (WHERE e_complete), sum(n)," \
	"   sum(n) FILTER (WHERE d_complete) FROM judged WHERE apart IS NULL GROUP BY currency" \
	"  UNION ALL SELECT 3, 'resources', currency, count(*) FILTER (WHERE e), count(*)," \
	"   count(*) FILTER (WHERE d) FROM resource GROUP BY currency" \
	"  UNION ALL SELECT 4, 'cost', currency, sum(cost) FILTER (WHERE e_tenant IS NOT NULL), sum(cost)," \
	"   sum(cost) FILTER (WHERE d_tenant IS NOT NULL) FROM judged WHERE apart IS NULL GROUP BY currency" \
	"  UNION ALL SELECT 6, 'apart: ' || apart, currency, NULL, sum(cost), NULL" \
	"   FROM judged WHERE apart IS NOT NULL GROUP BY apart, currency)," \
	" valid AS (SELECT currency, sum(n * e_valid) AS e, sum(n * e_values) AS e_total," \
	"   sum(n * d_valid) AS d, sum(n * d_values) AS d_total FROM judged WHERE apart IS NULL GROUP BY currency)"

/*
 * finops.tag_coverage_figures(period date) -> TABLE (figure, covered, total,
 * pct, delivered_pct, currency)
 *
 * pct is with virtual tags, delivered_pct without; NULL where the total is
 * zero.  22004 and 22023 for a period that is none or has not begun, 55000
 * when no bill is loaded for it.
 */
Datum
finops_tag_coverage_figures(PG_FUNCTION_ARGS)
{
	DateADT		period = FinopsPeriodArg(fcinfo, 0);
	FinopsSession session;
	const char *basis;

	FinopsCheckPeriodNotFuture(period);
	FinopsBegin(&session);
	TagRequireBill(period);
	basis = FinopsBasisName(FinopsPeriodBasis(period, false));
	FINOPS_RUN("WITH" LINES "," JUDGED "," RESOURCES "," FIGURES
			   " SELECT name, CASE WHEN place < 6 THEN coalesce(e, 0) END, total,"
			   "  CASE WHEN place < 6 THEN 100 * coalesce(e, 0) / nullif(total, 0) END,"
			   "  CASE WHEN place < 6 THEN 100 * coalesce(d, 0) / nullif(total, 0) END, currency"
			   " FROM (SELECT * FROM figure UNION ALL SELECT 5, 'valid_values', currency, e, e_total,"
			   "   e_total * d / nullif(d_total, 0) FROM valid) f"
			   " ORDER BY currency, place, name COLLATE \"C\"",
			   ARG_DATE(period), ARG_TEXT(basis), ARG_TEXT(TagTenantKey()));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

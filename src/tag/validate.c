/*-------------------------------------------------------------------------
 *
 * validate.c
 *	  finops.validate_tags: what the tag policy finds in a month.
 *
 * Findings are summed per resource, tag key and check, lines without a
 * resource per service, so that a month gives as many rows as somebody can
 * act on.  Only usage and purchases are judged: tax, credits and adjustments
 * are not resources and cannot be tagged.
 *
 *-------------------------------------------------------------------------
 */
#include "tag/tag.h"

PG_FUNCTION_INFO_V1(finops_validate_tags);
PG_FUNCTION_INFO_V1(finops_tags_bytes);
PG_FUNCTION_INFO_V1(finops_first_tags_step);

/*
 * finops.tags_bytes(tags jsonb) -> bytea: what it is stored in, which is
 * hashed and compared in a tenth of the time.
 */
Datum
finops_tags_bytes(PG_FUNCTION_ARGS)
{
	PG_RETURN_BYTEA_P(PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(0)));
}

/* State and combine function of finops.first_tags(jsonb): the first stays. */
Datum
finops_first_tags_step(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}

/* The policy in force on $1: a row of the user hides shipped ones of its key. */
#define POLICY \
	"CREATE TEMP TABLE finops_policy ON COMMIT DROP AS" \
	" SELECT p.tag_key, p.required, p.value_pattern, p.allowed_values, p.severity" \
	" FROM finops.tag_policy_in_force($1) p"

/*
 * Taggable lines of the month by resource and set of tags, which are compared
 * by the bytes they are stored in: a set that is stored in two ways makes two
 * charges of one finding.
 */
#define CHARGES \
	"CREATE TEMP TABLE finops_charge ON COMMIT DROP AS" \
	" SELECT f.line_item_resource_id AS resource_id, f.service," \
	"   f.line_item_currency_code AS currency, finops.first_tags(f.resource_tags) AS tags, finops.first_tags(f.virtual_tags) AS virtual_tags," \
	"   f.tenant_id, f.resource_tags_user_plan_id AS plan_id, f.resource_tags_user_service_component AS service_component," \
	"   f.resource_tags_user_environment AS environment, f.resource_tags_user_cost_center AS cost_center," \
	"   f.resource_tags_user_project AS project, count(*) AS n," \
	"   sum(CASE $2 WHEN 'billed' THEN f.billed_cost ELSE f.effective_cost END) AS cost" \
	"  FROM @s@.fact_cost_raw f" \
	"  WHERE f.bill_billing_period_start_date = $1 AND f.charge_category IN ('Usage', 'Purchase')" \
	"  GROUP BY 1, 2, 3, 6, 7, 8, 9, 10, 11, finops.tags_bytes(f.resource_tags), finops.tags_bytes(f.virtual_tags)"

/*
 * Charges that a policy finds something in: the value in effect for its key,
 * and the one before trimming.  OFFSET 0 has the value computed once.
 */
#define VALUES_OF_CHARGES \
	" judged AS MATERIALIZED (" \
	"  SELECT v.* FROM (" \
	"   SELECT c.resource_id, c.service, c.currency, c.n, c.cost, p.*," \
	"    CASE p.tag_key WHEN 'tenant_id' THEN " TAG_VALUE("c.tenant_id") \
	"     ELSE coalesce(" TAG_VALUE("c.virtual_tags ->> p.tag_key") "," \
	"      " TAG_VALUE("CASE p.tag_key WHEN 'plan_id' THEN c.plan_id" \
	"      WHEN 'service_component' THEN c.service_component" \
	"      WHEN 'environment' THEN c.environment WHEN 'cost_center' THEN c.cost_center" \
	"      WHEN 'project' THEN c.project END") "," \
	"      " TAG_VALUE("c.tags ->> p.tag_key") ") END AS value," \
	"    c.tags ->> CASE p.tag_key WHEN 'tenant_id' THEN $3 ELSE p.tag_key END AS raw" \
	"   FROM pg_temp.finops_charge c CROSS JOIN pg_temp.finops_policy p OFFSET 0) v" \
	"  WHERE v.value IS NULL AND (v.required OR v.raw IS NOT NULL) OR v.value !~ v.value_pattern OR v.value <> ALL (v.allowed_values))"

/* Sets of tags, which many charges have in common. */
#define TAG_SETS \
	" tag_set AS MATERIALIZED (" \
	"  SELECT finops.tags_bytes(c.tags) AS bytes, c.currency, finops.first_tags(c.tags) AS tags, sum(c.n) AS n, sum(c.cost) AS cost" \
	"  FROM pg_temp.finops_charge c WHERE jsonb_typeof(c.tags) = 'object' GROUP BY 1, 2)"

#define FINDINGS \
	" finding AS (" \
	"  SELECT j.resource_id, j.service, j.tag_key, j.currency, j.n, j.cost, j.severity," \
	"   CASE WHEN j.raw IS NULL THEN 'missing' ELSE 'blank_value' END AS check_name," \
	"   CASE WHEN j.raw IS NULL THEN 'Tag ' || j.tag_key || ' is missing.'" \
	"    ELSE 'Tag ' || j.tag_key || ' is blank.' END AS detail," \
	"   j.tag_key = 'tenant_id' AS quarantined" \
	"  FROM judged j WHERE j.value IS NULL" \
	" UNION ALL SELECT j.resource_id, j.service, j.tag_key, j.currency, j.n, j.cost, j.severity," \
	"   'invalid_value', format('Value \"%s\" does not match %s.', left(j.value, 64), j.value_pattern), false" \
	"  FROM judged j WHERE j.value !~ j.value_pattern" \
	" UNION ALL SELECT j.resource_id, j.service, j.tag_key, j.currency, j.n, j.cost, j.severity," \
	"   'value_not_allowed', format('Value \"%s\" is not one of the allowed values.', left(j.value, 64)), false" \
	"  FROM judged j WHERE j.value <> ALL (j.allowed_values)" \
	" UNION ALL SELECT c.resource_id, c.service, 'tenant_id', c.currency, c.n, c.cost, 'warning'," \
	"   'unknown_tenant', format('Tenant \"%s\" is not registered.', left(c.tenant_id, 64)), false" \
	"  FROM pg_temp.finops_charge c LEFT JOIN @s@.tenant_master t USING (tenant_id)" \
	"  WHERE c.tenant_id IS NOT NULL AND coalesce(t.status, 'unregistered') = 'unregistered'" \
	" UNION ALL SELECT c.resource_id, c.service, 'tenant_id', c.currency, c.n, c.cost, 'warning'," \
	"   'closed_tenant', format('Tenant \"%s\" is closed.', left(c.tenant_id, 64)), false" \
	"  FROM pg_temp.finops_charge c JOIN @s@.tenant_master t USING (tenant_id) WHERE t.status = 'closed'" \
	" UNION ALL SELECT c.resource_id, c.service, e.key, c.currency, c.n, c.cost, 'info'," \
	"   'blank_value', 'Tag ' || left(e.key, 64) || ' is blank.', false" \
	"  FROM (SELECT s.bytes, s.currency, e.key FROM tag_set s CROSS JOIN LATERAL jsonb_each_text(s.tags) e" \
	"   WHERE " TAG_VALUE("e.value") " IS NULL AND NOT EXISTS (SELECT FROM pg_temp.finops_policy p" \
	"    WHERE p.tag_key = e.key OR p.tag_key = 'tenant_id' AND e.key = $3)) e" \
	"  JOIN pg_temp.finops_charge c ON finops.tags_bytes(c.tags) = e.bytes AND c.currency = e.currency)"

/*
 * Keys that mean the same: equal but for case, blanks and punctuation, or a
 * usual abbreviation of one another.  One finding per key and month.
 */
#define COLLISIONS \
	" key_use AS (" \
	"  SELECT u.*, regexp_replace(lower(u.key), '[^[:alnum:]]', '', 'g') AS plain FROM" \
	"   (SELECT e.key, s.currency, sum(s.n) AS n, sum(s.cost) AS cost" \
	"    FROM tag_set s CROSS JOIN LATERAL jsonb_object_keys(s.tags) e(key) GROUP BY 1, 2) u)," \
	" meaning AS (" \
	"  SELECT k.*, coalesce(s.long, nullif(k.plain, ''), k.key) AS word FROM key_use k" \
	"  LEFT JOIN (VALUES ('env', 'environment'), ('app', 'application'), ('cc', 'costcenter')," \
	"   ('costcentre', 'costcenter'), ('dept', 'department'), ('org', 'organization')," \
	"   ('organisation', 'organization'), ('tenant', 'tenantid'), ('proj', 'project')) s(short, long)" \
	"   ON s.short = k.plain)," \
	" collision AS (" \
	"  SELECT m.key, m.currency, m.n, m.cost, others.keys FROM meaning m CROSS JOIN LATERAL (" \
	"   SELECT string_agg(DISTINCT format('\"%s\"', left(o.key, 64)), ', ') AS keys" \
	"   FROM meaning o WHERE o.word = m.word AND o.key <> m.key) others" \
	"  WHERE others.keys IS NOT NULL)"

static void
write_findings(DateADT period, const char *basis, const char *tenant_key,
			   int64 run_id)
{
	/* as building an index would: every resource may have a finding */
	FINOPS_RUN0("SELECT set_config('work_mem', greatest(pg_size_bytes(current_setting('work_mem')),"
				" pg_size_bytes(current_setting('maintenance_work_mem'))) / 1024 || 'kB', true)");
	FINOPS_RUN(POLICY, ARG_DATE(period));
	/* hashed, since sorting by tags and resources takes several times as long */
	FINOPS_RUN0("SET LOCAL enable_sort = off");
	FINOPS_RUN(CHARGES, ARG_DATE(period), ARG_TEXT(basis));
	FINOPS_RUN0("ANALYZE pg_temp.finops_policy, pg_temp.finops_charge");
	FINOPS_RUN("DELETE FROM @s@.tag_validation_log WHERE period_start = $1",
			   ARG_DATE(period));
	FINOPS_RUN("INSERT INTO @s@.tag_validation_log (run_id, period_start, resource_id, service,"
			   " tag_key, check_name, severity, detail, line_items, currency, cost, quarantined)"
			   " WITH" VALUES_OF_CHARGES "," TAG_SETS "," FINDINGS "," COLLISIONS
			   " SELECT $1, $2, f.resource_id, max(f.service), f.tag_key, f.check_name, f.severity,"
			   "  min(f.detail COLLATE \"C\"), sum(f.n), f.currency, sum(f.cost), bool_or(f.quarantined)"
			   " FROM finding f"
			   " GROUP BY f.resource_id, CASE WHEN f.resource_id IS NULL THEN f.service END,"
			   "  f.tag_key, f.check_name, f.severity, f.currency"
			   " UNION ALL SELECT $1, $2, NULL, NULL, c.key, 'colliding_key', 'info',"
			   "  format('Key \"%s\" seems to mean the same as %s.', left(c.key, 64), c.keys),"
			   "  c.n, c.currency, c.cost, false FROM collision c",
			   ARG_INT8(run_id), ARG_DATE(period), ARG_TEXT(tenant_key));
	FINOPS_RUN0("SET LOCAL enable_sort = on");
	FINOPS_RUN0("DROP TABLE pg_temp.finops_policy, pg_temp.finops_charge");
}

/* Counts by severity and check, for the run and for the gate. */
static char *
describe_findings(DateADT period, char **gate_detail)
{
	char	   *json;

	FINOPS_RUN("SELECT jsonb_build_object('findings', coalesce(sum(s.n), 0), 'critical', coalesce(sum(s.n) FILTER (WHERE s.severity = 'critical'), 0),"
			   "  'warning', coalesce(sum(s.n) FILTER (WHERE s.severity = 'warning'), 0), 'info', coalesce(sum(s.n) FILTER (WHERE s.severity = 'info'), 0),"
			   "  'checks', coalesce(jsonb_object_agg(s.tag_key || ' ' || s.check_name, s.n) FILTER (WHERE s.place <= 100), '{}'))::text,"
			   " format('%s critical, %s warning and %s info findings', coalesce(sum(s.n) FILTER (WHERE s.severity = 'critical'), 0),"
			   "  coalesce(sum(s.n) FILTER (WHERE s.severity = 'warning'), 0), coalesce(sum(s.n) FILTER (WHERE s.severity = 'info'), 0))"
			   " FROM (SELECT l.tag_key, l.check_name, l.severity, count(*) AS n,"
			   "   row_number() OVER (ORDER BY count(*) DESC, l.tag_key COLLATE \"C\", l.check_name) AS place"
			   "  FROM @s@.tag_validation_log l WHERE l.period_start = $1 GROUP BY 1, 2, 3) s",
			   ARG_DATE(period));
	json = FinopsText(0, 1);
	*gate_detail = FinopsText(0, 2);
	return json;
}

/*
 * Tell whoever listens of charges without an owner: once per month and set of
 * findings, so that validating again says nothing new.  The set is known by
 * its size and the sums of two hashes, which need no order.
 */
static void
post_findings(DateADT period, const char *json)
{
	if (FINOPS_RUN("SELECT jsonb_build_object('period', to_char($1::timestamp, 'YYYY-MM'), 'summary', $2::jsonb,"
				   "  'largest', (SELECT jsonb_agg(jsonb_build_object('check', t.check_name, 'tag_key', t.tag_key, 'service', t.service,"
				   "    'resource', t.resource_id, 'cost', t.cost, 'currency', t.currency))"
				   "   FROM (SELECT * FROM @s@.tag_validation_log l WHERE l.period_start = $1 AND l.severity = 'critical'"
				   "    ORDER BY abs(l.cost) DESC NULLS LAST, l.log_id LIMIT 10) t))::text,"
				   " to_char($1::timestamp, 'YYYY-MM') || ' ' || md5(format('%s %s %s', count(*),"
				   "   sum(hash_record_extended(ROW(l.tag_key, l.check_name, l.service, l.resource_id, l.cost), 0)),"
				   "   sum(hash_record_extended(ROW(l.tag_key, l.check_name, l.service, l.resource_id, l.cost), 1))))"
				   " FROM @s@.tag_validation_log l WHERE l.period_start = $1 AND l.severity = 'critical'"
				   " HAVING count(*) > 0", ARG_DATE(period), ARG_TEXT(json)) > 0)
		FinopsPostOutbox("tag_findings", FinopsText(0, 2), "critical", FinopsText(0, 1));
}

/*
 * finops.validate_tags(period date) -> bigint
 *
 * Applies registry and virtual tag rules, judges the usage and purchases of a
 * month by the tag policy in force on its first day, replaces the month's rows
 * of tag_validation_log and sets the tags gate.  Returns the run id; the run's
 * detail counts the findings.
 * 22004 and 22023 for a period that is none, 55000 for a locked one and for
 * one of which no bill is loaded, 2201B for a value_pattern that is no
 * regular expression.
 */
Datum
finops_validate_tags(PG_FUNCTION_ARGS)
{
	DateADT		period = FinopsPeriodArg(fcinfo, 0);
	FinopsSession session;
	const char *basis;
	char	   *tenant_key;
	int64		run_id;
	char	   *json;
	char	   *detail;

	FinopsRequireWritable("finops.validate_tags()");
	FinopsCheckPeriodNotFuture(period);
	FinopsBegin(&session);
	FinopsOpenPeriod(period);
	TagRequireBill(period);
	basis = FinopsBasisName(FinopsPeriodBasis(period, false));
	(void) TagSync(period);
	tenant_key = TagTenantKey();
	run_id = FinopsStartRun(&session, "validate_tags", period);
	write_findings(period, basis, tenant_key, run_id);
	json = describe_findings(period, &detail);
	post_findings(period, json);
	FinopsFinishRun(run_id, "completed", json);
	FinopsSetGate(period, FINOPS_GATE_TAGS, "completed", detail, run_id);
	FinopsEnd(&session);
	PG_RETURN_INT64(run_id);
}

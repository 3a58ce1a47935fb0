/*-------------------------------------------------------------------------
 *
 * faults.c
 *	  What is wrong with allocation rules, and what they leave out.
 *
 *-------------------------------------------------------------------------
 */
#include "allocate/allocate.h"

PG_FUNCTION_INFO_V1(finops_validate_rules);

/* Lists of weights of rule versions: rule, where they stand, the list. */
#define WEIGHT_LISTS(rules) \
	"(SELECT r.rule_id, r.rule_version, r.formula, w.place, w.list FROM " rules " r" \
	" CROSS JOIN LATERAL (VALUES ('weights', CASE WHEN r.formula IN ('fixed_pct', 'fixed_fee', 'direct') THEN r.weights_json END)," \
	"  ('amounts', r.legs -> 'amount'), ('percents', r.legs -> 'percent')) w(place, list)" \
	" WHERE r.billable AND jsonb_typeof(w.list) = 'object')"

/* The same one by one: rule, where they stand, target, weight. */
#define WEIGHTS(rules) \
	"(SELECT l.rule_id, l.rule_version, l.formula, l.place, e.key, e.value FROM " WEIGHT_LISTS(rules) " l" \
	" CROSS JOIN LATERAL jsonb_each(l.list) e)"

#define TEXTS(list) \
	"jsonb_array_elements(CASE jsonb_typeof(" list ") WHEN 'array' THEN " list " ELSE '[]' END)"

/*
 * Faults of the rule versions r of a set: severity, rule, check and a
 * sentence.  Severity error is what allocate refuses.
 *
 * Lists are read once; those in which nothing is wrong are not taken apart.
 */
#define WEIGHT_FAULTS(rules) \
	"WITH doc AS MATERIALIZED (SELECT l.*, s.total, s.suspect FROM " WEIGHT_LISTS(rules) " l CROSS JOIN LATERAL (" \
	"  SELECT sum(CASE jsonb_typeof(e.value) WHEN 'number' THEN (e.value)::numeric END) AS total," \
	"   l.place = 'amounts' OR l.formula = 'fixed_fee' OR bool_or(jsonb_typeof(e.value) <> 'number' OR e.value < '0'" \
	"    OR e.key NOT IN (SELECT t.tenant_id FROM @s@.tenant_master t UNION ALL SELECT 'operator' UNION ALL SELECT 'unallocated'" \
	"     UNION ALL SELECT 'pool:' || q.pool_id FROM " rules " q JOIN finops.pool p USING (pool_id))) AS suspect" \
	"  FROM jsonb_each(l.list) e) s)," \
	" weight AS MATERIALIZED (SELECT l.rule_id, l.rule_version, l.formula, l.place, e.key, e.value" \
	"  FROM doc l CROSS JOIN LATERAL jsonb_each(l.list) e WHERE l.suspect) " \
	"SELECT 'error' AS severity, w.rule_id, 'weight' AS check_name," \
	" format('The weight of \"%s\" is %s, not a number of at least zero.', left(w.key, 64), left(w.value::text, 64)) AS detail" \
	" FROM weight w WHERE CASE jsonb_typeof(w.value) WHEN 'number' THEN (w.value)::numeric < 0 ELSE true END" \
	" UNION ALL SELECT 'error', l.rule_id, 'over_allocated', format('Its percents add up to %s.', l.total)" \
	"  FROM doc l WHERE (l.place = 'percents' OR l.place = 'weights' AND l.formula = 'fixed_pct') AND l.total > 100" \
	" UNION ALL SELECT 'error', w.rule_id, 'unknown_tenant'," \
	"  format('Its weights name \"%s\", which is not in tenant_master.', left(w.key, 64))" \
	"  FROM weight w WHERE w.key NOT IN ('operator', 'unallocated') AND w.key NOT LIKE 'pool:%'" \
	"  AND NOT EXISTS (SELECT FROM @s@.tenant_master t WHERE t.tenant_id = w.key)" \
	" UNION ALL SELECT 'error', r.rule_id, 'unknown_tenant'," \
	"  format('Its caps name \"%s\", which is not in tenant_master.', left(c.key, 64))" \
	"  FROM " rules " r CROSS JOIN LATERAL jsonb_each(r.caps) c WHERE c.key <> '*'" \
	"  AND NOT EXISTS (SELECT FROM @s@.tenant_master t WHERE t.tenant_id = c.key)" \
	" UNION ALL SELECT 'error', w.rule_id, 'unknown_pool', format('Its weights name pool \"%s\", which is not in finops.pool.', left(substr(w.key, 6), 64))" \
	"  FROM weight w WHERE w.key LIKE 'pool:%'" \
	"  AND NOT EXISTS (SELECT FROM finops.pool p WHERE 'pool:' || p.pool_id = w.key)" \
	" UNION ALL SELECT 'error', w.rule_id, 'amount_to_pool', 'Fixed amounts go to tenants, the operator or unallocated.'" \
	"  FROM weight w" \
	"  WHERE w.key LIKE 'pool:%' AND (w.place = 'amounts' OR w.place = 'weights' AND w.formula = 'fixed_fee')"

#define METHOD_FAULTS(rules) \
	" UNION ALL SELECT 'error', r.rule_id, 'unknown_driver', format('Driver \"%s\" is not in finops.driver.', left(d.driver, 64))" \
	"  FROM " rules " r CROSS JOIN LATERAL (SELECT w ->> 'driver' FROM " TEXTS("(r.params -> 'drivers')") " w" \
	"   UNION SELECT substr(f, 8) FROM unnest(r.fallback) f WHERE f LIKE 'driver:%') d(driver)" \
	"  WHERE NOT EXISTS (SELECT FROM finops.driver x WHERE x.driver = d.driver)" \
	" UNION ALL SELECT 'error', r.rule_id, 'params', CASE r.formula" \
	"   WHEN 'weighted' THEN 'Formula weighted needs params {\"drivers\": [{\"driver\": name, \"weight\": number above zero}]}.'" \
	"   WHEN 'tiered' THEN 'Formula tiered needs params {\"tiers\": [{\"upto\": quantity, \"price\": price}]} in rising order; the last one has no upto.'" \
	"   WHEN 'capacity' THEN 'Formula capacity needs params {\"capacity\": number above zero}.'" \
	"   ELSE 'Formula inherit needs params {\"rule\": the id of another rule in force}.' END" \
	"  FROM " rules " r WHERE r.billable AND NOT CASE r.formula" \
	"   WHEN 'weighted' THEN jsonb_array_length(CASE jsonb_typeof(r.params -> 'drivers') WHEN 'array' THEN r.params -> 'drivers' ELSE '[]' END) > 0" \
	"    AND NOT EXISTS (SELECT FROM " TEXTS("(r.params -> 'drivers')") " w WHERE jsonb_typeof(w -> 'weight') IS DISTINCT FROM 'number'" \
	"     OR (w ->> 'driver') IS NULL OR coalesce(jsonb_typeof(w -> 'capacity'), 'number') <> 'number'" \
	"     OR CASE jsonb_typeof(w -> 'weight') WHEN 'number' THEN (w ->> 'weight')::numeric <= 0 END" \
	"     OR CASE jsonb_typeof(w -> 'capacity') WHEN 'number' THEN (w ->> 'capacity')::numeric < 0 END)" \
	"   WHEN 'tiered' THEN jsonb_array_length(CASE jsonb_typeof(r.params -> 'tiers') WHEN 'array' THEN r.params -> 'tiers' ELSE '[]' END) > 0" \
	"    AND NOT EXISTS (SELECT FROM (SELECT t, k, count(*) OVER () AS n, lag(t) OVER (ORDER BY k) AS before" \
	"     FROM jsonb_array_elements(CASE jsonb_typeof(r.params -> 'tiers') WHEN 'array' THEN r.params -> 'tiers' ELSE '[]' END) WITH ORDINALITY x(t, k)) y" \
	"     WHERE jsonb_typeof(t -> 'price') IS DISTINCT FROM 'number' OR (k < n) <> (coalesce(jsonb_typeof(t -> 'upto'), 'null') = 'number')" \
	"     OR CASE jsonb_typeof(t -> 'price') WHEN 'number' THEN (t ->> 'price')::numeric < 0 END" \
	"     OR CASE WHEN jsonb_typeof(t -> 'upto') = 'number' AND coalesce(jsonb_typeof(before -> 'upto'), 'number') = 'number'" \
	"       THEN (t ->> 'upto')::numeric <= coalesce((before ->> 'upto')::numeric, 0) END)" \
	"   WHEN 'capacity' THEN CASE jsonb_typeof(r.params -> 'capacity') WHEN 'number' THEN (r.params ->> 'capacity')::numeric > 0 ELSE false END" \
	"   WHEN 'inherit' THEN EXISTS (SELECT FROM @s@.allocation_rules o WHERE o.rule_id = r.params ->> 'rule' AND o.rule_id <> r.rule_id" \
	"    AND o.effective_from <= r.effective_from AND (o.effective_to IS NULL OR o.effective_to > r.effective_from))" \
	"   ELSE true END" \
	" UNION ALL SELECT 'error', r.rule_id, 'fallback', format('\"%s\" is no step of a fallback chain; there are previous_period, direct_cost, equal and driver:<name>.', left(f, 64))" \
	"  FROM " rules " r CROSS JOIN LATERAL unnest(r.fallback) f WHERE f IS NULL OR f NOT IN ('previous_period', 'direct_cost', 'equal') AND f NOT LIKE 'driver:%'" \
	" UNION ALL SELECT 'error', r.rule_id, 'legs', format('\"%s\" is no kind of leg; there are amount and percent, objects of targets.', left(l.key, 64))" \
	"  FROM " rules " r CROSS JOIN LATERAL jsonb_each(r.legs) l WHERE l.key NOT IN ('amount', 'percent') OR jsonb_typeof(l.value) <> 'object'" \
	" UNION ALL SELECT 'error', r.rule_id, 'caps', format('The caps of \"%s\" are not {\"min\": number, \"max\": number} with 0 <= min <= max.', left(c.key, 64))" \
	"  FROM " rules " r CROSS JOIN LATERAL jsonb_each(r.caps) c WHERE NOT CASE WHEN jsonb_typeof(c.value) = 'object'" \
	"   AND coalesce(jsonb_typeof(c.value -> 'min'), 'number') = 'number' AND coalesce(jsonb_typeof(c.value -> 'max'), 'number') = 'number'" \
	"   THEN coalesce((c.value ->> 'min')::numeric, 0) >= 0 AND coalesce((c.value ->> 'max')::numeric, 'Infinity') >= coalesce((c.value ->> 'min')::numeric, 0) ELSE false END" \
	" UNION ALL SELECT 'error', r.rule_id, 'caps', 'A rule with caps splits by one key among tenants: it gives to no pool, has no percents and is not weighted.'" \
	"  FROM " rules " r WHERE r.caps IS NOT NULL AND r.billable AND (r.formula IN ('weighted', 'inherit', 'fixed_fee') OR r.legs ? 'percent'" \
	"   OR EXISTS (SELECT FROM jsonb_object_keys(CASE jsonb_typeof(r.weights_json) WHEN 'object' THEN r.weights_json ELSE '{}' END) k WHERE k LIKE 'pool:%'))" \
	" UNION ALL SELECT 'error', r.rule_id, 'stage', 'key_metric allocated_cost is for proportional rules of stage overhead without legs.'" \
	"  FROM " rules " r WHERE r.key_metric = 'allocated_cost' AND r.billable AND (r.stage <> 'overhead' OR r.formula <> 'proportional' OR r.legs IS NOT NULL)"

#define MATCH_FAULTS(rules) \
	" UNION ALL SELECT 'error', m.rule_id, 'predicate', format('\"%s\" is no dimension; there are account, charge_category, charge_class, cost_category," \
	" line_type, operation, payer, provider, region, resource, service, source, tags and usage_type.', left(m.key, 64))" \
	"  FROM (SELECT r.rule_id, e.* FROM " rules " r CROSS JOIN LATERAL jsonb_each(r.match) e) m WHERE m.key NOT IN ('account', 'charge_category', 'charge_class'," \
	"   'cost_category', 'line_type', 'operation', 'payer', 'provider', 'region', 'resource', 'service', 'source', 'tags', 'usage_type')" \
	" UNION ALL SELECT 'error', m.rule_id, 'predicate', format('The test of %s is %s; operators are eq, in, not_in, prefix, like, regex and absent.', left(m.name, 64), left(m.test::text, 64))" \
	"  FROM (SELECT r.rule_id, e.key AS name, e.value AS test FROM " rules " r CROSS JOIN LATERAL jsonb_each(r.match) e WHERE e.key NOT IN ('tags', 'cost_category')" \
	"   UNION ALL SELECT r.rule_id, concat_ws(' ', e.key, nullif(t.key, '')), t.value FROM " rules " r CROSS JOIN LATERAL jsonb_each(r.match) e" \
	"    CROSS JOIN LATERAL jsonb_each(CASE jsonb_typeof(e.value) WHEN 'object' THEN e.value ELSE jsonb_build_object('', 'null'::jsonb) END) t" \
	"    WHERE e.key IN ('tags', 'cost_category')) m" \
	"  WHERE NOT CASE jsonb_typeof(m.test) WHEN 'string' THEN true" \
	"   WHEN 'array' THEN jsonb_array_length(m.test) > 0 AND NOT EXISTS (SELECT FROM " TEXTS("m.test") " a WHERE jsonb_typeof(a) <> 'string')" \
	"   WHEN 'object' THEN m.test <> '{}' AND NOT EXISTS (SELECT FROM jsonb_each(CASE jsonb_typeof(m.test) WHEN 'object' THEN m.test ELSE '{}' END) o" \
	"    WHERE NOT CASE WHEN o.key IN ('eq', 'prefix', 'regex') THEN jsonb_typeof(o.value) = 'string'" \
	"     WHEN o.key = 'like' THEN jsonb_typeof(o.value) = 'string' AND (o.value #>> '{}') !~ '(^|[^\\\\])(\\\\\\\\)*\\\\$'" \
	"     WHEN o.key IN ('in', 'not_in') THEN jsonb_typeof(o.value) = 'array' AND NOT EXISTS (SELECT FROM " TEXTS("o.value") " a WHERE jsonb_typeof(a) <> 'string')" \
	"     WHEN o.key = 'absent' THEN jsonb_typeof(o.value) = 'boolean' ELSE false END) ELSE false END"

/* Faults that rules have together; all are those in force on day $1. */
#define GRAPH_FAULTS(all) \
	" UNION ALL SELECT 'error', w.rule_id, 'pool_without_rule', format('No rule in force distributes pool \"%s\".', substr(w.key, 6))" \
	"  FROM weight w WHERE w.key LIKE 'pool:%' AND EXISTS (SELECT FROM finops.pool p WHERE 'pool:' || p.pool_id = w.key)" \
	"  AND NOT EXISTS (SELECT FROM " all " q WHERE 'pool:' || q.pool_id = w.key)" \
	" UNION ALL SELECT 'error', min(q.rule_id), 'two_rules_for_pool', format('Pool \"%s\" is distributed by %s.', q.pool_id, string_agg(q.rule_id, ' and ' ORDER BY q.rule_id))" \
	"  FROM " all " q WHERE q.pool_id IS NOT NULL GROUP BY q.pool_id HAVING count(*) > 1"

/*
 * Rules whose cost, by their weights, can only go round in pools; a driver
 * may always name a tenant.
 */
#define CLOSED_CIRCLES(all) \
	"WITH RECURSIVE rule AS MATERIALIZED (SELECT * FROM " all " q)," \
	" edge AS (SELECT w.rule_id, q.rule_id AS to_rule FROM " WEIGHTS("rule") " w LEFT JOIN rule q ON 'pool:' || q.pool_id = w.key" \
	"   WHERE w.place = 'weights' AND CASE jsonb_typeof(w.value) WHEN 'number' THEN (w.value)::numeric > 0 END" \
	"  UNION ALL SELECT r.rule_id, r.params ->> 'rule' FROM rule r WHERE r.formula = 'inherit')," \
	" leaks AS (" \
	"  SELECT r.rule_id FROM rule r WHERE NOT r.billable OR r.formula NOT IN ('fixed_pct', 'direct', 'inherit')" \
	"   OR r.legs ? 'percent' OR EXISTS (SELECT FROM edge e WHERE e.rule_id = r.rule_id AND e.to_rule IS NULL)" \
	"   OR r.formula = 'fixed_pct' AND (SELECT coalesce(sum((w.value)::numeric), 0) FROM " WEIGHTS("rule") " w" \
	"    WHERE w.rule_id = r.rule_id AND w.place = 'weights' AND jsonb_typeof(w.value) = 'number') < 100" \
	"  UNION SELECT e.rule_id FROM edge e JOIN leaks l ON l.rule_id = e.to_rule)" \
	" SELECT r.rule_id FROM rule r WHERE NOT EXISTS (SELECT FROM leaks l WHERE l.rule_id = r.rule_id)"

/*
 * The rule versions r that give something to no pool.  One of these is in no
 * closed circle, nor is any that gives to it.
 */
#define LEAKING(rules) \
	"SELECT 1 FROM " rules " r WHERE NOT r.billable OR r.formula NOT IN ('fixed_pct', 'direct', 'inherit') OR r.legs ? 'percent'" \
	" OR EXISTS (SELECT FROM " WEIGHTS(rules) " w WHERE w.place = 'weights' AND w.key NOT LIKE 'pool:%'" \
	"  AND CASE jsonb_typeof(w.value) WHEN 'number' THEN (w.value)::numeric > 0 END)" \
	" OR r.formula = 'fixed_pct' AND (SELECT coalesce(sum((w.value)::numeric), 0) FROM " WEIGHTS(rules) " w" \
	"  WHERE w.place = 'weights' AND jsonb_typeof(w.value) = 'number') < 100"

#define FAULTS(rules)	WEIGHT_FAULTS(rules) METHOD_FAULTS(rules) MATCH_FAULTS(rules)

#define RULES_OF_PERIOD \
	"(SELECT * FROM @s@.allocation_rules r WHERE " ALLOCATE_IN_FORCE ")"

/* Patterns are tried, so that a bad one is an error of its own (2201B). */
static void
try_patterns(const char *rules, int nargs, const FinopsArg *args)
{
	(void) FinopsRun(psprintf("SELECT count(*) FROM %s r CROSS JOIN LATERAL jsonb_path_query(r.match, 'strict $.**.regex') x"
							  " WHERE jsonb_typeof(x) = 'string' AND '' ~ (x #>> '{}')", rules), nargs, args);
}

void
AllocateCheckRules(DateADT period)
{
	FinopsArg	day = ARG_DATE(period);

	if (FINOPS_RUN(FAULTS(RULES_OF_PERIOD) GRAPH_FAULTS(RULES_OF_PERIOD) " ORDER BY 2, 3, 4 LIMIT 1", day) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("allocation rule \"%s\" cannot be used for %s",
						FinopsText(0, 2), FinopsPeriodText(period)),
				 errdetail("%s", FinopsText(0, 4)),
				 errhint("SELECT * FROM finops.validate_rules('%s-01') lists every fault.",
						 FinopsPeriodText(period))));
	try_patterns(RULES_OF_PERIOD, 1, &day);
}

#define ONE_VERSION \
	"(SELECT * FROM @s@.allocation_rules WHERE rule_id = $1 AND rule_version = $2)"
#define RULES_BESIDE \
	"(SELECT o.* FROM @s@.allocation_rules o, @s@.allocation_rules n WHERE n.rule_id = $1 AND n.rule_version = $2" \
	" AND o.effective_from <= n.effective_from AND (o.effective_to IS NULL OR o.effective_to > n.effective_from))"

void
AllocateCheckVersion(const char *rule_id, int32 version)
{
	FinopsArg	args[2] = {ARG_TEXT(rule_id), ARG_INT4(version)};

	if (FinopsRun(FAULTS(ONE_VERSION) " ORDER BY 3, 4 LIMIT 1", 2, args) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("allocation rule \"%s\" cannot be added",
						FinopsQuoteForMessage(rule_id)),
				 errdetail("%s", FinopsText(0, 4)),
				 strcmp(FinopsText(0, 3), "unknown_tenant") == 0 ?
				 errhint("Register the tenant by finops.register_tenant.") :
				 errhint("Change the rule and add it again.")));
	try_patterns(ONE_VERSION, 2, args);
	if (FinopsRun(LEAKING(ONE_VERSION), 2, args) > 0)
		return;
	if (FinopsRun("SELECT x.rule_id FROM (" CLOSED_CIRCLES(RULES_BESIDE) ") x ORDER BY x.rule_id COLLATE \"C\"", 2, args) > 0)
	{
		StringInfoData names;

		initStringInfo(&names);
		for (uint64 i = 0; i < SPI_processed && i < 5; i++)
			appendStringInfo(&names, "%s%s", i == 0 ? "" : ", ", FinopsText(i, 1));
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("allocation rule \"%s\" cannot be added",
						FinopsQuoteForMessage(rule_id)),
				 errdetail("Cost of %s would go round in pools and never reach a tenant or the operator.", names.data),
				 errhint("Let one of these rules give a part to a tenant, operator or unallocated.")));
	}
}

/*
 * finops.validate_rules(period date) -> TABLE (severity, rule_id, check_name,
 * detail, currency, cost)
 *
 * Faults of the rules in force (severity error: allocate refuses them), rules
 * that match nothing, services where several rules match the same cost, and
 * cost that no rule matches, on the cost basis.  Reads the facts once.
 */
Datum
finops_validate_rules(PG_FUNCTION_ARGS)
{
	DateADT		period = FinopsPeriodArg(fcinfo, 0);
	FinopsSession session;
	AllocateColumns columns;

	FinopsBegin(&session);
	if (FINOPS_STAGE("finops_fault", FAULTS(RULES_OF_PERIOD) GRAPH_FAULTS(RULES_OF_PERIOD), ARG_DATE(period)) > 0 &&
		FINOPS_RUN0("SELECT 1 FROM finops_fault WHERE check_name = 'predicate'") > 0)
	{
		/* what cannot be compiled cannot be tried on the bill */
		FINOPS_RUN0("SELECT f.*, NULL::text, NULL::numeric FROM finops_fault f ORDER BY 1, 2, 3, 4");
		FinopsReturnRows(fcinfo);
		FinopsEnd(&session);
		return (Datum) 0;
	}
	AllocateCompile(&columns, AllocateStageRules(period));
	AllocateStageCost(period, FinopsPeriodBasis(period, false), &columns);
	AllocateStageCharges();
	FINOPS_STAGE("finops_hit",
				 psprintf("SELECT c.service, c.currency, %s AS nos,"
						  " $1 AND c.charge_category = 'Credit' AND h.service IS NOT NULL AS follows, sum(c.cost) AS cost"
						  " FROM finops_group c LEFT JOIN finops_charge h USING (provider, service, currency)"
						  " WHERE c.placed AND c.of_tenant IS NULL AND c.origin_period IS NULL AND c.built_in IS NULL GROUP BY 1, 2, 3, 4",
						  AllocateAllMatches(&columns)),
				 ARG_BOOL(AllocatePolicyIs(period, "credits", "follow")));
	FINOPS_STAGE("finops_circle", CLOSED_CIRCLES(RULES_OF_PERIOD), ARG_DATE(period));
	FINOPS_RUN("SELECT f.*, NULL::text AS currency, NULL::numeric AS cost FROM finops_fault f"
			   " UNION ALL SELECT 'warning', c.rule_id, 'closed_cycle',"
			   "  'Its cost goes round in pools; it falls to where zero_key_policy says.', NULL, NULL FROM finops_circle c"
			   " UNION ALL SELECT 'info', r.rule_id, 'mid_month',"
			   "  'It begins within a month and is used from the next one on.', NULL, NULL"
			   "  FROM @s@.allocation_rules r WHERE r.effective_from > $1"
			   "  AND r.effective_from < ($1 + interval '1 month')::date"
			   " UNION ALL SELECT 'warning', r.rule_id, 'not_approved',"
			   "  'It is not approved and not used.', NULL, NULL FROM " RULES_OF_PERIOD " r"
			   "  WHERE NOT EXISTS (SELECT FROM finops_rule u WHERE u.rule_id = r.rule_id)"
			   " UNION ALL SELECT 'info', r.rule_id, 'matches_nothing',"
			   "  'It places no cost of this period.', NULL, NULL"
			   "  FROM finops_rule r WHERE r.pool_id IS NULL AND NOT EXISTS (SELECT FROM finops_hit h WHERE h.nos[1] = r.no)"
			   " UNION ALL SELECT 'info', n.names[1], 'several_rules',"
			   "  format('Cost of %s is also matched by %s.', n.service, array_to_string(n.names[2:], ', ')),"
			   "  n.currency, sum(n.cost)"
			   "  FROM (SELECT h.service, h.currency, h.cost, ARRAY(SELECT r.rule_id FROM unnest(h.nos) WITH ORDINALITY u(no, k)"
			   "    JOIN finops_rule r ON r.no = u.no ORDER BY u.k) AS names FROM finops_hit h WHERE cardinality(h.nos) > 1) n"
			   "  GROUP BY n.names, n.service, n.currency"
			   " UNION ALL SELECT 'warning', NULL, 'no_rule', format('No rule places cost of %s.', h.service),"
			   "  h.currency, sum(h.cost)"
			   "  FROM finops_hit h WHERE cardinality(h.nos) = 0 AND NOT h.follows GROUP BY h.service, h.currency HAVING sum(h.cost) <> 0"
			   " ORDER BY 1, 2, 3, 4, 5",
			   ARG_DATE(period));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

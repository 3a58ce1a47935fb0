/*-------------------------------------------------------------------------
 *
 * gather.c
 *	  All that an allocation of a period is made from.
 *
 * The facts are read once, into sums by what rules ask for.  The sums without
 * a tenant become buckets, by the first rule that matches them; a bucket is
 * distributed by a node, which is a rule in a currency and, for drivers by
 * hour or day, in a slice of time.  A node splits by legs, fractions of its
 * cost that each follow a key: a vector of weights over targets.
 *
 * A target is written t:<tenant>, n:<number of a rule> for the pool that rule
 * distributes, o for the operator and u for unallocated.
 *
 *	finops_rule		rules in force; no: the order in which they match
 *	finops_group	sums of the facts, and finops_cost, these by tenant (cost.c)
 *	finops_placed	the groups without a tenant, each with its rule
 *	finops_bucket	cost to distribute, by origin and node
 *	finops_successor	who takes the cost of tenants that have left
 *	finops_node		nodes that buckets and other nodes give to
 *	finops_key		keys: vec, targets, weights, total, tenants, pools
 *	finops_leg		the legs a node uses
 *	finops_direct_group	groups of the cost of tenants
 *	finops_input	all of it as it is pinned
 *
 * Built-in rules have numbers below zero; see allocate.h.
 *
 *-------------------------------------------------------------------------
 */
#include "allocate/allocate.h"

/* Parts of an origin are separated by bars; one inside a name is escaped. */
#define ESCAPED(name) "replace(replace(" name ", '%', '%25'), '|', '%7C')"

/*
 * The rules in force, in the order in which they match: by stage, priority,
 * most predicates, id.  Under four eyes a version counts once it is approved.
 */
int
AllocateStageRules(DateADT period)
{
	return (int) FINOPS_STAGE("finops_rule",
		"SELECT (row_number() OVER (ORDER BY x.stage_no, x.priority, x.predicates DESC,"
		"  x.rule_id COLLATE \"C\"))::integer AS no, x.* FROM ("
		" SELECT r.*, array_position(ARRAY['direct', 'split', 'pool', 'overhead', 'residual'], r.stage) AS stage_no,"
		"  num_nonnulls(r.provider, r.service_match, r.usage_type_like, r.charge_category)"
		"   + (SELECT count(*) FROM jsonb_object_keys(coalesce(r.match, '{}'))) AS predicates,"
		"  (SELECT min(d.grain) FROM finops.driver d WHERE d.grain <> 'month' AND r.billable AND"
		"   (r.formula IN ('driver', 'capacity') AND d.driver = r.driver"
		"    OR r.formula = 'weighted' AND d.driver IN (SELECT w ->> 'driver'"
		"     FROM jsonb_array_elements(r.params -> 'drivers') w))) AS sliced"
		" FROM @s@.allocation_rules r WHERE " ALLOCATE_IN_FORCE
		" AND (" ALLOCATE_POLICY("approval") " <> 'four_eyes' OR r.approved_by IS NOT NULL)) x",
		ARG_DATE(period));
}

bool
AllocatePolicyIs(DateADT period, const char *policy, const char *value)
{
	return FINOPS_RUN("SELECT 1 FROM (SELECT p.value FROM finops.allocation_policy p"
					  "  WHERE p.policy = $2 AND p.effective_from <= $1"
					  "  ORDER BY p.shipped, p.effective_from DESC LIMIT 1) x WHERE x.value = $3",
					  ARG_DATE(period), ARG_TEXT(policy), ARG_TEXT(value)) > 0;
}

/* Stage finops_charge: services whose charges discounts and credits follow. */
void
AllocateStageCharges(void)
{
	FINOPS_STAGE0("finops_charge",
		"SELECT c.provider, c.service, c.currency FROM finops_group c"
		" WHERE c.charge_category IN ('Usage', 'Purchase') AND c.built_in IS NULL AND c.origin_period IS NULL"
		" GROUP BY 1, 2, 3 HAVING sum(c.cost) > 0");
}

/*
 * Cost without a tenant and its rule.  Recoverable input tax is never
 * allocated, whoever's tag it carries; corrections of a locked month go where
 * that month's charge went; discounts and credits follow the charges of their
 * service, if it has any.
 */
static void
place_cost(DateADT period, const AllocateColumns *columns)
{
	AllocateStageCharges();
	FINOPS_STAGE("finops_placed",
		psprintf("SELECT c.provider, c.service, c.charge_category, c.currency, c.origin_period, c.slice,"
				 " c.cost, c.n, c.first_line, c.last_line, CASE WHEN c.built_in = %1$d THEN %1$d WHEN c.origin_period IS NOT NULL THEN %2$d"
				 " WHEN c.built_in = %3$d THEN %3$d WHEN c.built_in = %4$d AND h.service IS NOT NULL THEN %4$d"
				 " ELSE coalesce(%5$s, CASE WHEN c.charge_category = 'Credit' AND $1 AND h.service IS NOT NULL"
				 "  THEN %6$d ELSE %7$d END) END AS no"
				 " FROM finops_group c LEFT JOIN finops_charge h USING (provider, service, currency)"
				 " WHERE c.placed",
				 ALLOCATE_INPUT_TAX, ALLOCATE_ORIGIN_PERIOD, ALLOCATE_UNUSED,
				 ALLOCATE_DISCOUNT, AllocateFirstMatch(columns, false),
				 ALLOCATE_CREDIT, ALLOCATE_UNALLOCATED),
		ARG_BOOL(AllocatePolicyIs(period, "credits", "follow")));
}

#define BUILT_IN_NAMES \
	"(VALUES (-1, 'input-tax'), (-2, 'unused-commitment'), (-3, 'discount'), (-4, 'credit')," \
	" (-5, 'origin-period'), (-6, 'unallocated')) AS i(no, rule_id)"

/* Up to ten line numbers are kept where a group has one or two lines. */
static void
make_buckets(void)
{
	FINOPS_STAGE0("finops_bucket",
		"SELECT concat_ws('|', " ESCAPED("b.provider") ", " ESCAPED("b.service") ", b.charge_category,"
		"  b.currency, coalesce(r.rule_id, i.rule_id), to_char(b.origin_period, 'YYYY-MM')) AS origin, b.* FROM ("
		" SELECT p.no, p.provider, p.service, p.charge_category, p.currency, p.origin_period,"
		"  CASE r.sliced WHEN 'hour' THEN date_trunc('hour', p.slice) WHEN 'day' THEN date_trunc('day', p.slice) END AS slice,"
		"  CASE WHEN p.no IN (-3, -4) THEN concat_ws('|', p.provider, p.service)"
		"   WHEN p.no = -5 THEN concat_ws('|', p.origin_period, p.provider, p.service, p.charge_category) END AS anchor,"
		"  sum(p.cost) AS cost,"
		"  CASE WHEN sum(p.n) <= 10 AND max(p.n) <= 2"
		"   THEN array_agg(p.first_line ORDER BY p.first_line)"
		"    || coalesce(array_agg(p.last_line ORDER BY p.last_line) FILTER (WHERE p.n = 2), '{}') END AS lines"
		"  FROM finops_placed p LEFT JOIN finops_rule r ON r.no = p.no"
		"  GROUP BY 1, 2, 3, 4, 5, 6, 7, 8) b"
		" LEFT JOIN finops_rule r ON r.no = b.no LEFT JOIN " BUILT_IN_NAMES " ON i.no = b.no");
}

/*
 * Who takes the cost of tenants that have left: the last of those who succeed
 * one another, o for the operator.
 */
static void
stage_successors(DateADT period)
{
	FINOPS_STAGE("finops_departed",
				 "SELECT s.tenant_id, s.successor_id FROM finops.tenant_successor s WHERE s.effective_from <= $1",
				 ARG_DATE(period));
	FINOPS_STAGE0("finops_successor",
				  "WITH RECURSIVE way AS (SELECT d.* FROM finops_departed d"
				  "  UNION SELECT w.tenant_id, d.successor_id FROM way w JOIN finops_departed d ON d.tenant_id = w.successor_id)"
				  " SELECT w.tenant_id, coalesce('t:' || w.successor_id, 'o') AS heir FROM way w"
				  " WHERE NOT EXISTS (SELECT FROM finops_departed d WHERE d.tenant_id = w.successor_id)");
	if (FINOPS_RUN0("SELECT d.tenant_id FROM finops_departed d WHERE NOT EXISTS"
					" (SELECT FROM finops_successor s WHERE s.tenant_id = d.tenant_id) ORDER BY d.tenant_id COLLATE \"C\"") > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("nobody succeeds tenant \"%s\" in the end", FinopsQuoteForMessage(FinopsText(0, 1))),
				 errdetail("Those who succeed it in finops.tenant_successor succeed one another."),
				 errhint("UPDATE finops.tenant_successor SET successor_id = NULL for one of them makes its cost the operator's.")));
	if (FINOPS_RUN0("SELECT s.tenant_id, substr(s.heir, 3) FROM finops_successor s WHERE s.heir LIKE 't:%'"
					" AND NOT EXISTS (SELECT FROM @s@.tenant_master t WHERE 't:' || t.tenant_id = s.heir)"
					" AND NOT EXISTS (SELECT FROM finops_tenant c WHERE 't:' || c.tenant_id = s.heir)"
					" ORDER BY s.tenant_id COLLATE \"C\" LIMIT 1") > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("tenant \"%s\" is unknown", FinopsQuoteForMessage(FinopsText(0, 2))),
				 errdetail("finops.tenant_successor names it as the successor of \"%s\".",
						   FinopsQuoteForMessage(FinopsText(0, 1))),
				 errhint("Register the tenant by finops.register_tenant.")));
}

/* What names of rules and drivers stand for: pools, the operator, successors. */
static void
make_names(void)
{
	FINOPS_STAGE0("finops_named",
		"SELECT (SELECT coalesce(jsonb_object_agg(s.tenant_id, s.heir), '{}') FROM finops_successor s)"
		" || (SELECT jsonb_object_agg(x.name, x.target) FROM ("
		"  SELECT 'operator' AS name, 'o' AS target UNION ALL SELECT 'unallocated', 'u'"
		"  UNION ALL SELECT 'pool:' || r.pool_id, 'n:' || r.no FROM finops_rule r WHERE r.pool_id IS NOT NULL"
		"  UNION ALL SELECT 'rule:' || r.rule_id, 'n:' || r.no FROM finops_rule r) x) AS targets");
}

#define RESOLVED(name) \
	"coalesce((SELECT m.targets FROM finops_named m) ->> " name "," \
	" CASE WHEN " name " LIKE 'pool:%' OR " name " LIKE 'rule:%' THEN 'u' ELSE 't:' || " name " END)"

/* A key from weights (target, weight); its targets are in byte order, tenants first. */
#define KEY_OF(weights) \
	"(SELECT array_agg(g.target) AS targets, array_agg(g.weight) AS weights, sum(g.weight) AS total," \
	"  count(*) FILTER (WHERE g.target LIKE 't:%') AS tenants, count(*) FILTER (WHERE g.target LIKE 'n:%') AS pools" \
	"  FROM (SELECT w.target, sum(w.weight) AS weight FROM (" weights ") w GROUP BY 1 HAVING sum(w.weight) > 0" \
	"   ORDER BY left(w.target, 1) <> 't', w.target COLLATE \"C\") g)"

/*
 * Keys that lists of rules give.  Each is summed and put in order by itself,
 * which fits in memory where all weights of many dense rules would not.
 */
static void
make_rule_keys(void)
{
	FINOPS_STAGE0("finops_rule_key",
		"SELECT s.no, s.vec, k.* FROM ("
		" SELECT r.no, 'weights|' || r.no AS vec, r.weights_json AS list,"
		"  CASE r.formula WHEN 'fixed_pct' THEN r.residual_target END AS residual"
		"  FROM finops_rule r WHERE r.billable AND r.formula IN ('fixed_pct', 'direct')"
		" UNION ALL SELECT r.no, 'amount|' || r.no, CASE r.formula WHEN 'fixed_fee' THEN r.weights_json ELSE r.legs -> 'amount' END, NULL"
		"  FROM finops_rule r WHERE r.billable"
		" UNION ALL SELECT r.no, 'percent|' || r.no, r.legs -> 'percent', NULL FROM finops_rule r WHERE r.billable) s"
		" CROSS JOIN LATERAL " KEY_OF(
		"SELECT " RESOLVED("e.key") " AS target, (e.value)::numeric AS weight FROM jsonb_each(s.list) e"
		" UNION ALL SELECT " RESOLVED("s.residual") ", 100 - coalesce(sum((e.value)::numeric), 0) FROM jsonb_each(s.list) e"
		" HAVING s.residual IS NOT NULL")
		" k WHERE k.targets IS NOT NULL");
}

/*
 * The nodes: those of the buckets, and for what they give to other pools, the
 * whole month of the rules that distribute these.
 */
static void
make_nodes(DateADT period)
{
	FINOPS_STAGE("finops_edge",
		"SELECT k.no, array_agg(substr(t.target, 3)::integer) AS to_nos FROM finops_rule_key k"
		" CROSS JOIN LATERAL unnest(k.targets) t(target) WHERE k.pools > 0 AND t.target LIKE 'n:%' GROUP BY 1"
		" UNION ALL SELECT k.no, array_agg(q.no) FROM (SELECT r.no, substr(v.target, 6) AS pool_id"
		"   FROM finops_rule r JOIN (SELECT DISTINCT v.driver, v.target FROM finops.driver_value v"
		"    WHERE v.target LIKE 'pool:%' AND v.slice >= $1 AND v.slice < $1 + interval '1 month') v"
		"    ON v.driver = r.driver OR 'driver:' || v.driver = ANY (r.fallback) OR v.driver IN"
		"     (SELECT w ->> 'driver' FROM jsonb_array_elements(r.params -> 'drivers') w)) k"
		"  JOIN finops_rule q ON q.pool_id = k.pool_id GROUP BY 1"
		" UNION ALL SELECT r.no, ARRAY[q.no] FROM finops_rule r JOIN finops_rule q ON q.rule_id = r.params ->> 'rule'"
		"  WHERE r.formula = 'inherit'", ARG_DATE(period));
	FINOPS_STAGE0("finops_node",
		"WITH RECURSIVE"
		" node AS ("
		"  SELECT b.no, b.currency, b.slice, b.anchor FROM finops_bucket b"
		"  UNION SELECT b.no, b.currency, NULL, NULL FROM finops_bucket b WHERE b.no > 0 AND EXISTS"
		"   (SELECT FROM finops_bucket f WHERE f.no IN (-3, -4)"
		"    AND f.provider = b.provider AND f.service = b.service AND f.currency = b.currency)"
		"  UNION SELECT t.no, n.currency, NULL, NULL FROM node n JOIN finops_edge e USING (no)"
		"   CROSS JOIN LATERAL unnest(e.to_nos) t(no))"
		" SELECT (row_number() OVER (ORDER BY no, currency COLLATE \"C\", slice, anchor COLLATE \"C\"))::integer AS node, *"
		" FROM node");
}

/* The drivers that nodes ask for, by the nodes' slices, and what was used of them. */
static void
make_driver_sums(DateADT period)
{
	FINOPS_STAGE("finops_ruled",
		"SELECT DISTINCT r.no, r.formula, r.driver, r.params, r.fallback, r.residual_target, n.slice"
		" FROM finops_node n JOIN finops_rule r ON r.no = n.no WHERE r.billable AND $1 IS NOT NULL",
		ARG_DATE(period));
	FINOPS_STAGE("finops_driver_slice",
		"SELECT d.driver, r.slice,"
		"  CASE WHEN g.grain = 'month' THEN $1 ELSE coalesce(r.slice, $1) END AS begins,"
		"  CASE WHEN g.grain = 'month' OR r.slice IS NULL THEN $1 + interval '1 month'"
		"   WHEN g.grain = 'day' THEN r.slice + interval '1 day' ELSE r.slice + interval '1 hour' END AS ends,"
		"  bool_or(d.driver = r.driver AND r.formula IN ('capacity', 'tiered', 'shared_peak')) AS by_target"
		" FROM finops_ruled r CROSS JOIN LATERAL (SELECT r.driver UNION SELECT w ->> 'driver'"
		"  FROM jsonb_array_elements(r.params -> 'drivers') w"
		"  UNION SELECT substr(f, 8) FROM unnest(r.fallback) f WHERE f LIKE 'driver:%') d(driver)"
		" JOIN finops.driver g ON g.driver = d.driver GROUP BY 1, 2, 3, 4", ARG_DATE(period));
	FINOPS_STAGE0("finops_used",
		"SELECT u.driver, u.slice, v.target, sum(v.value) AS value, max(v.value) AS peak FROM finops_driver_slice u"
		" JOIN finops.driver_value v ON v.driver = u.driver AND v.slice >= u.begins AND v.slice < u.ends"
		" WHERE u.by_target GROUP BY 1, 2, 3");
}

#define SLICED(name, slice) "concat_ws('|', " name ", to_char(" slice ", 'YYYY-MM-DD HH24'))"

/* Keys that methods make from drivers, and those of rules that follow others. */
static const char *const method_vectors =
	" SELECT 'inherit|' || r.no AS vec, 'rule:' || (r.params ->> 'rule') AS target, 1::numeric AS weight"
	"  FROM finops_rule r WHERE r.billable AND r.formula = 'inherit'"
	" UNION ALL SELECT " SLICED("'capacity|' || r.no", "r.slice") ", u.target, u.value"
	"  FROM finops_ruled r JOIN finops_used u ON u.driver = r.driver AND u.slice IS NOT DISTINCT FROM r.slice"
	"  WHERE r.formula = 'capacity'"
	" UNION ALL SELECT " SLICED("'capacity|' || r.no", "r.slice") ", r.residual_target,"
	"  greatest((r.params ->> 'capacity')::numeric * CASE WHEN r.slice IS NOT NULL OR g.grain = 'month' THEN 1"
	"   ELSE ($1 + interval '1 month')::date - $1 END * CASE WHEN r.slice IS NULL AND g.grain = 'hour' THEN 24 ELSE 1 END"
	"   - coalesce((SELECT sum(u.value) FROM finops_used u WHERE u.driver = r.driver"
	"    AND u.slice IS NOT DISTINCT FROM r.slice), 0), 0)"
	"  FROM finops_ruled r JOIN finops.driver g USING (driver) WHERE r.formula = 'capacity'"
	" UNION ALL SELECT 'tiered|' || r.no, u.target, sum(greatest(least(u.value, t.upto) - t.above, 0) * t.price)"
	"  FROM finops_ruled r JOIN finops_used u ON u.driver = r.driver AND u.slice IS NULL"
	"  CROSS JOIN LATERAL (SELECT (e.tier ->> 'upto')::numeric AS upto, (e.tier ->> 'price')::numeric AS price,"
	"   coalesce(lag((e.tier ->> 'upto')::numeric) OVER (ORDER BY e.k), 0) AS above"
	"   FROM jsonb_array_elements(r.params -> 'tiers') WITH ORDINALITY e(tier, k)) t"
	"  WHERE r.formula = 'tiered' AND r.slice IS NULL GROUP BY 1, 2"
	/* airport game: a step between two demands is shared by all above it */
	" UNION ALL SELECT 'shared_peak|' || p.no, p.target, sum(p.step / (p.n - p.k + 1)) OVER (PARTITION BY p.no ORDER BY p.k)"
	"  FROM (SELECT r.no, u.target, row_number() OVER w AS k, count(*) OVER (PARTITION BY r.no) AS n,"
	"   (u.peak - coalesce(lag(u.peak) OVER w, 0))::numeric(1000, 20) AS step"
	"   FROM finops_ruled r JOIN finops_used u ON u.driver = r.driver AND u.slice IS NULL"
	"   WHERE r.formula = 'shared_peak' AND r.slice IS NULL"
	"   WINDOW w AS (PARTITION BY r.no ORDER BY u.peak, u.target COLLATE \"C\")) p";

/* Keys that the bill and earlier entries give; $1 period, $2 the one before. */
#define OWN_CHARGES \
	"g.charge_category IN ('Usage', 'Purchase') AND g.built_in IS DISTINCT FROM -1 AND g.origin_period IS NULL"

#define FOLLOWERS \
	"(SELECT DISTINCT anchor, provider, service, currency FROM finops_bucket WHERE no IN (-3, -4))"

static const char *const cost_vectors =
	" SELECT concat_ws('|', 'direct_cost', x.currency) AS vec, 't:' || x.tenant_id AS target, x.cost AS weight FROM ("
	"  SELECT g.currency, c.tenant_id, sum(c.cost) AS cost FROM finops_cost c JOIN finops_group g USING (no)"
	"   WHERE c.tenant_id IS NOT NULL AND " OWN_CHARGES " GROUP BY 1, 2 HAVING sum(c.cost) > 0) x"
	" UNION ALL SELECT 'equal', 't:' || t.tenant_id, 1 FROM @s@.tenant_master t WHERE t.status = 'active'"
	"  AND NOT EXISTS (SELECT FROM finops_departed d WHERE d.tenant_id = t.tenant_id)"
	" UNION ALL SELECT 'operator', 'o', 1 UNION ALL SELECT 'unallocated', 'u', 1"
	" UNION ALL SELECT concat_ws('|', 'follow', f.anchor, f.currency), 't:' || c.tenant_id, sum(c.cost)"
	"  FROM " FOLLOWERS " f JOIN finops_group g USING (provider, service, currency) JOIN finops_cost c ON c.no = g.no"
	"  WHERE c.tenant_id IS NOT NULL AND " OWN_CHARGES " AND g.built_in IS DISTINCT FROM -3 GROUP BY 1, 2 HAVING sum(c.cost) > 0"
	" UNION ALL SELECT concat_ws('|', 'follow', f.anchor, f.currency),"
	"   CASE WHEN c.no > 0 THEN 'n:' || c.no WHEN c.no = -2 THEN 'o' ELSE 'u' END, sum(c.cost)"
	"  FROM " FOLLOWERS " f JOIN finops_bucket c USING (provider, service, currency)"
	"  WHERE c.charge_category IN ('Usage', 'Purchase') AND (c.no > 0 OR c.no IN (-2, -6)) GROUP BY 1, 2 HAVING sum(c.cost) > 0"
	" UNION ALL SELECT concat_ws('|', k.part, b.anchor, b.currency), CASE WHEN a.tenant_id IS NOT NULL THEN 't:' || a.tenant_id"
	"   WHEN a.kind = 'overhead' THEN 'o' ELSE 'u' END, sum(a.amount)"
	"  FROM (SELECT DISTINCT anchor, provider, service, charge_category, currency, origin_period"
	"   FROM finops_bucket WHERE no = -5) b"
	"  JOIN finops_corrected a ON a.period_start = b.origin_period AND a.service = b.service AND a.currency = b.currency"
	"   AND a.provider = " ESCAPED("b.provider")
	"  JOIN (VALUES ('origin'), ('origin-service')) k(part) ON k.part = 'origin-service' OR a.charge_category = b.charge_category"
	"  GROUP BY 1, 2 HAVING sum(a.amount) > 0"
	" UNION ALL SELECT concat_ws('|', 'previous', x.no, x.currency), 't:' || x.tenant_id, sum(x.amount) FROM ("
	"  SELECT r.no, a.currency, a.tenant_id, a.allocated_cost_usd AS amount"
	"   FROM finops_rule r JOIN @s@.fact_cost_allocated a ON a.rule_id = r.rule_id"
	"   WHERE 'previous_period' = ANY (r.fallback) AND a.kind = 'shared' AND a.period_start = $2"
	"  UNION ALL SELECT r.no, p.currency, u.tenant_id, u.amount"
	"   FROM finops_rule r JOIN finops.allocation_packed p ON p.rule_id = r.rule_id JOIN finops.allocation_target l USING (list_id)"
	"   CROSS JOIN LATERAL finops.unpack_allocation(l.targets, p.units, p.amount_scale) u"
	"   WHERE 'previous_period' = ANY (r.fallback) AND u.kind = 'shared' AND p.period_start = $2) x"
	"  GROUP BY 1, 2 HAVING sum(x.amount) > 0";

/*
 * How the months that corrections belong to were allocated.  Their dates
 * stand in the statement, so that no other partition is read.
 */
static void
stage_corrected(void)
{
	char	   *periods;

	FINOPS_RUN0("SELECT coalesce(array_agg(DISTINCT b.origin_period), '{}')::text FROM finops_bucket b WHERE b.no = -5");
	periods = FinopsText(0, 1);
	FINOPS_STAGE0("finops_corrected",
				  psprintf("SELECT a.period_start, split_part(a.origin, '|', 1) AS provider, a.service,"
						   " split_part(a.origin, '|', 3) AS charge_category, a.currency, a.tenant_id, a.kind,"
						   " sum(a.allocated_cost_usd) AS amount FROM @s@.fact_cost_allocated a"
						   " WHERE a.period_start = ANY ('%s'::date[]) GROUP BY 1, 2, 3, 4, 5, 6, 7", periods));
}

/* The last month before this one that was allocated; NULL: none. */
static FinopsArg
previous_period(DateADT period)
{
	bool		isnull;
	Datum		value;

	FINOPS_RUN("SELECT max(g.period_start) FROM finops.period_gate g WHERE g.gate = 'allocation' AND g.period_start < $1",
			   ARG_DATE(period));
	value = FinopsValue(0, 1, &isnull);
	return ARG_DATUM(DATEOID, value, isnull);
}

/* All keys; departed tenants are succeeded in those of the bill as well. */
static void
make_keys(DateADT period)
{
	make_driver_sums(period);
	stage_corrected();
	/* staged, for only of a stage does the planner know how long it is */
	FINOPS_STAGE("finops_named_weight", method_vectors, ARG_DATE(period));
	FINOPS_STAGE("finops_cost_weight", cost_vectors, ARG_DATE(period), previous_period(period));
	FINOPS_STAGE0("finops_vec",
		"SELECT v.vec, coalesce(s.heir, v.target) AS target, sum(v.weight) AS weight"
		" FROM (SELECT w.vec, " RESOLVED("w.target") " AS target, w.weight, false AS departs FROM finops_named_weight w"
		"  UNION ALL SELECT c.vec, c.target, c.weight, true FROM finops_cost_weight c) v"
		" LEFT JOIN finops_successor s ON v.departs AND 't:' || s.tenant_id = v.target"
		" GROUP BY 1, 2 HAVING sum(v.weight) > 0");
	FINOPS_STAGE0("finops_key",
		"SELECT k.vec, k.targets, k.weights, k.total, k.tenants, k.pools FROM finops_rule_key k"
		" UNION ALL SELECT " SLICED("'driver|' || u.driver", "u.slice") ", k.* FROM finops_driver_slice u"
		"  CROSS JOIN LATERAL " KEY_OF(
		"SELECT " RESOLVED("v.target") " AS target, v.value AS weight FROM finops.driver_value v"
		" WHERE v.driver = u.driver AND v.slice >= u.begins AND v.slice < u.ends")
		"  k WHERE k.targets IS NOT NULL"
		" UNION ALL SELECT g.vec, array_agg(g.target), array_agg(g.weight), sum(g.weight),"
		"  count(*) FILTER (WHERE g.target LIKE 't:%'), count(*) FILTER (WHERE g.target LIKE 'n:%')"
		"  FROM (SELECT v.* FROM finops_vec v ORDER BY v.vec, left(v.target, 1) <> 't', v.target COLLATE \"C\") g GROUP BY g.vec");
}

/* What a node may be split by, in order; the first rung with a key is used. */
static const char *const candidates_sql =
	"SELECT n.node, 0 AS rung, 1 AS leg, 1::numeric AS fraction,"
	" CASE WHEN NOT r.billable THEN 'operator' ELSE CASE r.formula"
	"  WHEN 'proportional' THEN concat_ws('|', r.key_metric, n.currency)"
	"  WHEN 'equal' THEN 'equal' WHEN 'fixed_pct' THEN 'weights|' || r.no WHEN 'direct' THEN 'weights|' || r.no"
	"  WHEN 'fixed_fee' THEN r.residual_target WHEN 'inherit' THEN 'inherit|' || r.no"
	"  WHEN 'tiered' THEN 'tiered|' || r.no WHEN 'shared_peak' THEN 'shared_peak|' || r.no"
	"  WHEN 'driver' THEN " SLICED("'driver|' || r.driver", "n.slice")
	"  WHEN 'capacity' THEN " SLICED("'capacity|' || r.no", "n.slice") " END END AS vec,"
	" CASE WHEN NOT r.billable THEN 'operator' ELSE CASE r.formula"
	"  WHEN 'proportional' THEN r.key_metric WHEN 'equal' THEN 'active_tenants'"
	"  WHEN 'fixed_pct' THEN 'percent' WHEN 'direct' THEN 'owner' WHEN 'fixed_fee' THEN 'amount'"
	"  WHEN 'inherit' THEN 'inherit' ELSE r.driver END END AS metric"
	" FROM finops_node n JOIN finops_rule r ON r.no = n.no WHERE NOT r.billable OR r.formula <> 'weighted'"
	" UNION ALL SELECT n.node, 0, w.k::integer, (w.part ->> 'weight')::numeric * coalesce((w.part ->> 'capacity')::numeric, t.total),"
	"  t.vec, 'weighted'"
	"  FROM finops_node n JOIN finops_rule r ON r.no = n.no"
	"  CROSS JOIN LATERAL jsonb_array_elements(r.params -> 'drivers') WITH ORDINALITY w(part, k)"
	"  JOIN finops_total t ON t.vec = " SLICED("'driver|' || (w.part ->> 'driver')", "n.slice")
	"  WHERE r.billable AND r.formula = 'weighted'"
	" UNION ALL SELECT n.node, f.k::integer, 1, 1, CASE WHEN f.step = 'previous_period' THEN concat_ws('|', 'previous', r.no, n.currency)"
	"  WHEN f.step = 'direct_cost' THEN 'direct_cost|' || n.currency WHEN f.step = 'equal' THEN 'equal'"
	"  ELSE " SLICED("'driver|' || substr(f.step, 8)", "n.slice") " END,"
	"  CASE f.step WHEN 'equal' THEN 'active_tenants' ELSE f.step END || ' (no key)'"
	"  FROM finops_node n JOIN finops_rule r ON r.no = n.no CROSS JOIN LATERAL unnest(r.fallback) WITH ORDINALITY f(step, k)"
	"  WHERE r.billable"
	" UNION ALL SELECT n.node, z.k + coalesce(cardinality(r.fallback), 0), 1, 1, z.vec, z.metric || ' (no key)'"
	"  FROM finops_node n JOIN finops_rule r ON r.no = n.no"
	"  JOIN (VALUES ('equal', 1, 'equal', 'active_tenants'), ('equal', 2, 'unallocated', 'equal'),"
	"   ('operator', 1, 'operator', 'operator'), ('unallocated', 1, 'unallocated', 'unallocated')) z(policy, k, vec, metric)"
	"  ON z.policy = r.zero_key_policy WHERE r.billable"
	" UNION ALL SELECT n.node, i.rung, 1, 1, CASE WHEN i.part IN ('operator', 'unallocated') THEN i.part"
	"  ELSE concat_ws('|', i.part, n.anchor, n.currency) END, i.metric"
	"  FROM finops_node n JOIN (VALUES (-1, 0, 'operator', 'input_tax'), (-2, 0, 'operator', 'unused_commitment'),"
	"   (-3, 0, 'follow', 'discounted_charges'), (-4, 0, 'follow', 'charges_of_service'),"
	"   (-5, 0, 'origin', 'origin_period'), (-5, 1, 'origin-service', 'origin_period_service'),"
	"   (-3, 2, 'unallocated', 'unallocated (no key)'), (-4, 2, 'unallocated', 'unallocated (no key)'),"
	"   (-5, 2, 'unallocated', 'unallocated (no key)'), (-6, 0, 'unallocated', NULL)) i(no, rung, part, metric) USING (no)";

static void
make_legs(void)
{
	FINOPS_STAGE0("finops_total", "SELECT k.vec, k.total FROM finops_key k");
	FINOPS_STAGE0("finops_leg",
		psprintf("SELECT x.* FROM (SELECT c.*, min(c.rung) OVER (PARTITION BY c.node) AS first_rung"
				 "  FROM (%s) c LEFT JOIN finops_total t ON t.vec = c.vec"
				 "  WHERE (t.total > 0 OR c.vec LIKE 'allocated_cost|%%') AND c.fraction > 0) x"
				 " WHERE x.rung = x.first_rung", candidates_sql));
}

static void
refuse_missing_keys(DateADT period)
{
	if (FINOPS_RUN0("SELECT r.rule_id, r.formula, n.currency FROM finops_node n JOIN finops_rule r USING (no)"
					" WHERE NOT EXISTS (SELECT FROM finops_leg l WHERE l.node = n.node) ORDER BY 1, 3 LIMIT 1") == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("no tenant has a key for allocation rule \"%s\" in %s of %s",
					FinopsText(0, 1), FinopsText(0, 3), FinopsPeriodText(period)),
			 strcmp(FinopsText(0, 2), "equal") == 0 ? errdetail("There is no active tenant.") :
			 strcmp(FinopsText(0, 2), "proportional") == 0 ? errdetail("No tenant has direct cost in that currency.") :
			 errdetail("Its driver has no values for the period."),
			 strcmp(FinopsText(0, 2), "proportional") == 0 || strcmp(FinopsText(0, 2), "equal") == 0 ?
			 errhint("Choose the tenant key by finops.set_tenant_key, or give the rule another zero_key_policy.") :
			 errhint("Record the driver's values by finops.record_driver_values, or give the rule another zero_key_policy.")));
}

static void
refuse_unknown_targets(DateADT period)
{
	if (FINOPS_RUN0("SELECT substr(v.target, 3), coalesce((SELECT r.rule_id FROM finops_rule r"
					"  WHERE v.vec ~ '^(weights|amount|percent|capacity|tiered|shared_peak)[|]' AND r.no::text = split_part(v.vec, '|', 2)),"
					"  split_part(v.vec, '|', 2))"
					" FROM (SELECT k.vec, t.target FROM finops_key k CROSS JOIN LATERAL unnest(k.targets) t(target)"
					"  WHERE k.tenants > 0"
					"  AND k.vec !~ '^(direct_cost|equal|follow|origin|origin-service|previous)([|]|$)') v WHERE v.target LIKE 't:%'"
					" AND NOT EXISTS (SELECT FROM @s@.tenant_master t WHERE 't:' || t.tenant_id = v.target)"
					" AND NOT EXISTS (SELECT FROM finops_tenant c WHERE 't:' || c.tenant_id = v.target)"
					" ORDER BY 2, 1 LIMIT 1") == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("tenant \"%s\" is unknown", FinopsQuoteForMessage(FinopsText(0, 1))),
			 errdetail("\"%s\" gives it a part of the cost of %s.",
					   FinopsQuoteForMessage(FinopsText(0, 2)), FinopsPeriodText(period)),
			 errhint("Register the tenant by finops.register_tenant, or name who succeeds it in finops.tenant_successor.")));
}

/* Cost of tenants, whose heirs are those who have succeeded them. */
#define TAGGED \
	"(SELECT c.no, c.tenant_id, c.tenant_no, c.cost, s.heir FROM finops_cost c" \
	"  LEFT JOIN finops_successor s ON s.tenant_id = c.tenant_id WHERE c.tenant_id IS NOT NULL)"

/*
 * The groups in which tagged cost is pinned.  These are few; their numbers
 * are what the many tenants are sorted by.
 */
static void
stage_direct_groups(void)
{
	AllocateHashSums(true);
	FINOPS_STAGE0("finops_direct_group",
		"SELECT (row_number() OVER (ORDER BY x.name COLLATE \"C\", x.origin_period, x.heir COLLATE \"C\"))::integer AS no, x.*"
		" FROM (SELECT concat_ws('|', " ESCAPED("d.provider") ", " ESCAPED("d.service") ", d.charge_category, d.currency) AS name, d.*"
		"  FROM (SELECT DISTINCT g.provider, g.service, g.charge_category, g.currency, g.origin_period, t.heir"
		"   FROM (SELECT DISTINCT d.no, d.heir FROM " TAGGED " d) t JOIN finops_group g USING (no)) d) x");
	/* a group of tagged cost may be several of the sums */
	FINOPS_STAGE0("finops_direct_part",
		"SELECT d.no, d.heir, g.no AS group_no FROM finops_direct_group d JOIN finops_group g"
		" USING (provider, service, charge_category, currency)"
		" WHERE NOT g.placed AND g.origin_period IS NOT DISTINCT FROM d.origin_period");
	AllocateHashSums(false);
}

/* All of the above as it is pinned; the order is that of bytes. */
static void
make_input(DateADT period)
{
	FINOPS_STAGE("finops_input",
		"SELECT 'rule' AS part, r.no AS position, r.rule_id AS name, to_jsonb(x) AS detail,"
		"  NULL::text[] AS targets, NULL::numeric[] AS amounts FROM finops_rule r CROSS JOIN LATERAL"
		"  (SELECT r.no, r.rule_id, r.rule_version, r.stage, r.priority, r.category, r.formula, r.provider, r.service_match, r.usage_type_like,"
		"   r.charge_category, r.match, r.key_metric, r.driver, r.fallback, r.caps, r.params, r.pool_id, r.zero_key_policy, r.residual_target,"
		"   r.billable, r.effective_from, r.effective_to, r.approved_by) x"
		" UNION ALL SELECT 'node', n.node, coalesce(r.rule_id, i.rule_id), jsonb_build_object('no', n.no,"
		"  'rule_version', coalesce(r.rule_version, 1), 'stage', coalesce(r.stage, CASE WHEN n.no = -6 THEN 'residual' ELSE 'pool' END),"
		"  'category', r.category, 'currency', n.currency, 'slice', to_char(n.slice, 'YYYY-MM-DD HH24:MI'), 'anchor', n.anchor,"
		"  'residual', CASE r.residual_target WHEN 'operator' THEN 'o' ELSE 'u' END,"
		"  'last', CASE r.zero_key_policy WHEN 'operator' THEN 'o' ELSE 'u' END, 'caps', r.caps,"
		"  'amount', CASE WHEN r.billable AND (r.formula = 'fixed_fee' OR r.legs ? 'amount') THEN 'amount|' || r.no END,"
		"  'percent', CASE WHEN r.billable AND r.legs ? 'percent' THEN 'percent|' || r.no END,"
		"  'percents', CASE WHEN r.billable THEN p.total END,"
		"  'rung', l.rung, 'metric', l.metric), l.vecs, l.fractions"
		"  FROM finops_node n JOIN (SELECT l.node, min(l.rung) AS rung, min(l.metric) AS metric,"
		"   array_agg(l.vec ORDER BY l.leg) AS vecs, array_agg(l.fraction ORDER BY l.leg) AS fractions"
		"   FROM finops_leg l GROUP BY l.node) l USING (node)"
		"  LEFT JOIN finops_rule r ON r.no = n.no LEFT JOIN " BUILT_IN_NAMES " ON i.no = n.no"
		"  LEFT JOIN finops_total p ON p.vec = 'percent|' || n.no"
		" UNION ALL SELECT 'key', n.position, k.vec, jsonb_build_object('total', k.total,"
		"   'pools', CASE WHEN k.pools > 0 THEN jsonb_build_array(k.tenants + 1, k.tenants + k.pools) END),"
		"  k.targets, k.weights FROM finops_key k JOIN ("
		"   SELECT l.vec, row_number() OVER (ORDER BY l.vec COLLATE \"C\")::integer AS position FROM ("
		"    SELECT l.vec FROM finops_leg l UNION SELECT t.vec FROM finops_total t WHERE t.vec ~ '^(amount|percent)[|]') l"
		"    JOIN finops_total t USING (vec)) n USING (vec)"
		" UNION ALL SELECT 'bucket', row_number() OVER (ORDER BY b.origin COLLATE \"C\", b.slice)::integer, b.origin,"
		"  jsonb_build_object('node', n.node, 'service', b.service, 'charge_category', b.charge_category,"
		"   'origin_period', b.origin_period, 'lines', b.lines), NULL, ARRAY[b.cost]"
		"  FROM finops_bucket b JOIN finops_node n ON n.no = b.no AND n.currency = b.currency"
		"   AND n.slice IS NOT DISTINCT FROM b.slice AND n.anchor IS NOT DISTINCT FROM b.anchor"
		" UNION ALL SELECT 'policy', 1, 'minimum_charge', NULL, NULL, ARRAY[m.value::numeric]"
		"  FROM (SELECT " ALLOCATE_POLICY("minimum_charge") " AS value) m WHERE m.value::numeric > 0"
		" UNION ALL SELECT 'direct', g.no, g.name, jsonb_build_object('service', g.service,"
		"   'charge_category', g.charge_category, 'currency', g.currency, 'origin_period', g.origin_period, 'heir', g.heir),"
		"  d.tenants, d.costs FROM finops_direct_group g JOIN (SELECT x.no, array_agg(x.tenant_id) AS tenants,"
		"   array_agg(x.cost) AS costs FROM (SELECT p.no, d.tenant_no, d.tenant_id, sum(d.cost) AS cost"
		"    FROM " TAGGED " d JOIN finops_direct_part p ON p.group_no = d.no"
		"    WHERE p.heir IS NOT DISTINCT FROM d.heir"
		"    GROUP BY 1, 2, 3 ORDER BY 1, 2) x GROUP BY x.no) d USING (no)", ARG_DATE(period));
}

/* Within a session: stages finops_rule to finops_input of a period. */
void
AllocateGather(DateADT period, FinopsCostBasis basis)
{
	AllocateColumns columns;

	AllocateCompile(&columns, AllocateStageRules(period));
	AllocateStageCost(period, basis, &columns);
	AllocateHashSums(true);
	place_cost(period, &columns);
	make_buckets();
	stage_successors(period);
	make_names();
	make_rule_keys();
	make_nodes(period);
	make_keys(period);
	make_legs();
	refuse_missing_keys(period);
	refuse_unknown_targets(period);
	AllocateHashSums(false);
	stage_direct_groups();
	make_input(period);
}

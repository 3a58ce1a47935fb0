/*-------------------------------------------------------------------------
 *
 * allocate.c
 *	  finops.allocate: places every unit of a period's cost exactly once.
 *
 * The facts are read once, into sums by provider, service, charge category,
 * currency, tenant and, where a rule asks for it, usage type.  All that
 * follows works on those sums in temporary tables:
 *
 *	finops_cost		the sums
 *	finops_rule		the rule versions in force
 *	finops_bucket	cost without a tenant, by the first rule that matches it;
 *					a bucket, the origin of its entries, is split as a whole
 *	finops_share	who takes part in a rule, with which weight
 *	finops_entry	the allocation as it should be
 *
 * What is posted is the difference between finops_entry and the net of the
 * entries that stand, key by key, so that the sum over all entries is the
 * current allocation and a run that changes nothing posts nothing.  Before
 * the transaction goes on, the posted entries are compared with the sums.
 *
 * Within a bucket the parts are made by largest remainder at the bucket's own
 * scale; ties go by tenant_id in byte order, whatever the collation.
 *
 *-------------------------------------------------------------------------
 */
#include "allocate/allocate.h"

PG_FUNCTION_INFO_V1(finops_allocate);

/* Parts of an origin are separated by bars; one inside a name is escaped. */
#define ESCAPED(name) "replace(replace(" name ", '%', '%25'), '|', '%7C')"
#define ORIGIN(rule) \
	"concat_ws('|', " ESCAPED("c.provider") ", " ESCAPED("c.service") \
	", c.charge_category, c.currency, " rule ")"

/* Kinds of entries that make up the allocation of an open period. */
#define OPEN_KINDS "('direct', 'shared', 'overhead', 'unallocated')"

#define ENTRY_KEY \
	"tenant_id, kind, service, category, rule_id, rule_version, origin, currency"
#define ENTRY_KEY_BY_BYTES \
	"tenant_id COLLATE \"C\" AS tenant_id, kind COLLATE \"C\" AS kind," \
	" service COLLATE \"C\" AS service, category COLLATE \"C\" AS category," \
	" rule_id COLLATE \"C\" AS rule_id, rule_version," \
	" origin COLLATE \"C\" AS origin, currency COLLATE \"C\" AS currency"

static const FinopsPartitioned entries = {
	"fact_cost_allocated", "id", {"tenant_id", "origin"}
};

/*
 * One scan of the facts.  Sums are hashed: for many tenants the planner would
 * rather sort all lines by their names, which takes several times as long;
 * the hash table is bounded by work_mem as well.  enable_sort returns to the
 * caller's value when the session ends.
 */
static void
sum_cost(DateADT period, FinopsCostBasis basis)
{
	bool		by_usage_type;

	FINOPS_RUN("CREATE TEMP TABLE finops_rule ON COMMIT DROP AS"
			   " SELECT r.* FROM @s@.allocation_rules r WHERE " ALLOCATE_IN_FORCE,
			   ARG_DATE(period));
	by_usage_type = FINOPS_RUN0("SELECT 1 FROM pg_temp.finops_rule"
								" WHERE usage_type_like IS NOT NULL LIMIT 1") > 0;
	FINOPS_RUN0("SET LOCAL enable_sort = off");
	FINOPS_RUN0(psprintf("CREATE TEMP TABLE finops_cost ON COMMIT DROP AS"
						 " SELECT f.tenant_id, f.service, %s AS usage_type, f.charge_category,"
						 " f.provider, f.line_item_currency_code AS currency, sum(f.%s_cost) AS cost"
						 " FROM @s@.fact_cost_raw f"
						 " WHERE f.bill_billing_period_start_date = '%s-01'"
						 " GROUP BY 1, 2, 3, 4, 5, 6",
						 by_usage_type ?
						 "CASE WHEN f.tenant_id IS NULL THEN f.line_item_usage_type END" :
						 "NULL::text",
						 FinopsBasisName(basis), FinopsPeriodText(period)));
	FINOPS_RUN0("SET LOCAL enable_sort = on");
	FINOPS_RUN0("ANALYZE pg_temp.finops_rule, pg_temp.finops_cost");
}

static void
make_buckets(void)
{
	FINOPS_RUN0("CREATE TEMP TABLE finops_bucket ON COMMIT DROP AS"
				" SELECT " ORIGIN("coalesce(r.rule_id, 'unallocated')") " AS origin,"
				" c.service, c.charge_category, c.currency, r.rule_id,"
				" sum(c.cost) AS amount"
				" FROM pg_temp.finops_cost c LEFT JOIN LATERAL"
				" (SELECT r.rule_id FROM pg_temp.finops_rule r"
				"  WHERE " ALLOCATE_MATCHES
				"  ORDER BY r.priority, r.rule_id COLLATE \"C\" LIMIT 1) r ON true"
				" WHERE c.tenant_id IS NULL"
				" GROUP BY c.provider, c.service, c.charge_category, c.currency, r.rule_id");
}

/*
 * Who takes part in each rule and currency.  Weights are never negative; a
 * rule for which nobody has one follows its zero_key_policy.
 */
static void
make_shares(void)
{
	FINOPS_RUN0("CREATE TEMP TABLE finops_share ON COMMIT DROP AS"
				" WITH pool AS ("
				"  SELECT DISTINCT r.*, b.currency FROM pg_temp.finops_bucket b"
				"  JOIN (SELECT rule_id, formula, billable, zero_key_policy,"
				"   residual_target, weights_json FROM pg_temp.finops_rule) r USING (rule_id)"
				"  WHERE r.formula <> 'fixed_fee' OR NOT r.billable),"
				" direct_key AS ("
				"  SELECT c.currency, c.tenant_id, sum(c.cost) AS weight"
				"  FROM pg_temp.finops_cost c"
				"  WHERE c.tenant_id IS NOT NULL AND c.charge_category IN ('Usage', 'Purchase')"
				"  GROUP BY 1, 2 HAVING sum(c.cost) > 0),"
				" active AS (SELECT t.tenant_id FROM @s@.tenant_master t WHERE t.status = 'active'),"
				" percent AS ("
				"  SELECT p.rule_id, p.currency, e.key AS tenant_id, e.value::numeric AS weight"
				"  FROM pool p CROSS JOIN LATERAL jsonb_each_text(p.weights_json) e"
				"  WHERE p.billable AND p.formula = 'fixed_pct'),"
				" target AS ("
				"  SELECT p.rule_id, p.currency, 'overhead' AS kind, NULL::text AS tenant_id,"
				"   1::numeric AS weight, 'operator' AS key_metric FROM pool p WHERE NOT p.billable"
				"  UNION ALL SELECT p.rule_id, p.currency, 'shared', k.tenant_id, k.weight, 'direct_cost'"
				"   FROM pool p JOIN direct_key k USING (currency) WHERE p.billable AND p.formula = 'proportional'"
				"  UNION ALL SELECT p.rule_id, p.currency, 'shared', a.tenant_id, 1, 'active_tenants'"
				"   FROM pool p CROSS JOIN active a WHERE p.billable AND p.formula = 'equal'"
				"  UNION ALL SELECT f.rule_id, f.currency, 'shared', f.tenant_id, f.weight, 'percent'"
				"   FROM percent f WHERE f.weight > 0"
				"  UNION ALL SELECT p.rule_id, p.currency,"
				"   CASE p.residual_target WHEN 'operator' THEN 'overhead' ELSE 'unallocated' END,"
				"   NULL, 100 - coalesce((SELECT sum(f.weight) FROM percent f"
				"    WHERE f.rule_id = p.rule_id AND f.currency = p.currency), 0), 'percent'"
				"   FROM pool p WHERE p.billable AND p.formula = 'fixed_pct'),"
				" unserved AS ("
				"  SELECT p.* FROM pool p WHERE NOT EXISTS (SELECT FROM target t"
				"   WHERE t.rule_id = p.rule_id AND t.currency = p.currency))"
				" SELECT u.*, sum(u.weight) OVER (PARTITION BY u.rule_id, u.currency) AS key_total FROM ("
				"  SELECT t.* FROM target t WHERE t.weight > 0"
				"  UNION ALL SELECT p.rule_id, p.currency, 'shared', a.tenant_id, 1, 'active_tenants (no key)'"
				"   FROM unserved p CROSS JOIN active a WHERE p.zero_key_policy = 'equal'"
				"  UNION ALL SELECT p.rule_id, p.currency,"
				"   CASE p.zero_key_policy WHEN 'operator' THEN 'overhead' ELSE 'unallocated' END,"
				"   NULL, 1, p.zero_key_policy || ' (no key)'"
				"   FROM unserved p WHERE p.zero_key_policy IN ('operator', 'unallocated')"
				"   OR p.zero_key_policy = 'equal' AND NOT EXISTS (SELECT FROM active)) u");
}

/* A rule may ask for an error rather than a fallback. */
static void
refuse_zero_keys(DateADT period)
{
	if (FINOPS_RUN0("SELECT r.rule_id, r.formula, b.currency FROM pg_temp.finops_bucket b"
					" JOIN pg_temp.finops_rule r USING (rule_id)"
					" WHERE r.billable AND r.formula <> 'fixed_fee' AND NOT EXISTS"
					"  (SELECT FROM pg_temp.finops_share s"
					"   WHERE s.rule_id = b.rule_id AND s.currency = b.currency)"
					" ORDER BY 1, 3 LIMIT 1") == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("no tenant has a key for allocation rule \"%s\" in %s of %s",
					FinopsText(0, 1), FinopsText(0, 3), FinopsPeriodText(period)),
			 strcmp(FinopsText(0, 2), "equal") == 0 ?
			 errdetail("There is no active tenant.") :
			 errdetail("No tenant has direct cost in that currency."),
			 errhint("Choose the tenant key by finops.set_tenant_key, or give the rule another zero_key_policy.")));
}

/* Direct cost, cost no rule matches, and buckets split by weights. */
static void
make_entries(void)
{
	FINOPS_RUN0("CREATE TEMP TABLE finops_entry ON COMMIT DROP AS"
				" SELECT c.tenant_id, 'direct' AS kind, c.service,"
				" c.charge_category AS category, 'direct-tag' AS rule_id,"
				" 1 AS rule_version, " ORIGIN("'direct-tag', " ESCAPED("c.tenant_id")) " AS origin,"
				" c.currency, sum(c.cost) AS amount, 1::numeric AS share,"
				" 'tag' AS key_metric, NULL::numeric AS key_value, NULL::numeric AS key_total"
				" FROM pg_temp.finops_cost c WHERE c.tenant_id IS NOT NULL"
				" GROUP BY c.provider, c.service, c.charge_category, c.currency, c.tenant_id"
				" UNION ALL"
				" SELECT NULL, 'unallocated', b.service, b.charge_category, 'unallocated', 1,"
				" b.origin, b.currency, b.amount, 1, NULL, NULL, NULL"
				" FROM pg_temp.finops_bucket b WHERE b.rule_id IS NULL"
				" UNION ALL"
				" SELECT s.tenant_id, s.kind, b.service, r.category, r.rule_id, r.rule_version,"
				" b.origin, b.currency, finops.apportion_part(b.amount, s.weight) OVER w,"
				" finops.apportion_part(1, s.weight, 18) OVER w,"
				" s.key_metric, s.weight, s.key_total"
				" FROM pg_temp.finops_bucket b"
				" JOIN pg_temp.finops_share s USING (rule_id, currency)"
				" JOIN pg_temp.finops_rule r USING (rule_id)"
				" WINDOW w AS (PARTITION BY b.origin"
				"  ORDER BY s.tenant_id COLLATE \"C\" NULLS LAST, s.kind)");
}

/*
 * Fixed amounts per tenant: the rule's buckets with cost and the amounts are
 * laid end to end, in byte order of their names; where they overlap, the
 * tenant pays from that bucket.  So both add up without rounding.  Amounts
 * beyond the pool are cut to it in proportion; what they leave, and credits,
 * go to the residual target.
 */
static void
make_fixed_amounts(void)
{
	if (FINOPS_RUN0("SELECT 1 FROM pg_temp.finops_rule"
					" WHERE formula = 'fixed_fee' AND billable LIMIT 1") == 0)
		return;
	FINOPS_RUN0("INSERT INTO pg_temp.finops_entry"
				" WITH bucket AS ("
				"  SELECT b.*, r.rule_version, r.category, r.residual_target, r.weights_json,"
				"   sum(greatest(b.amount, 0)) OVER (PARTITION BY b.rule_id, b.currency) AS pool,"
				"   sum(greatest(b.amount, 0)) OVER (PARTITION BY b.rule_id, b.currency"
				"    ORDER BY b.origin COLLATE \"C\") AS upto"
				"  FROM pg_temp.finops_bucket b JOIN pg_temp.finops_rule r USING (rule_id)"
				"  WHERE r.formula = 'fixed_fee' AND r.billable),"
				" wanted AS ("
				"  SELECT p.rule_id, p.currency, p.pool, e.key AS tenant_id, e.value::numeric AS fee,"
				"   sum(e.value::numeric) OVER (PARTITION BY p.rule_id, p.currency) AS fees"
				"  FROM (SELECT DISTINCT rule_id, currency, pool, weights_json FROM bucket) p"
				"  CROSS JOIN LATERAL jsonb_each_text(p.weights_json) e WHERE e.value::numeric > 0),"
				" cut AS ("
				"  SELECT t.*, CASE WHEN fees <= pool THEN fee"
				"   ELSE finops.apportion_part(pool, fee) OVER (PARTITION BY rule_id, currency"
				"    ORDER BY tenant_id COLLATE \"C\") END AS due FROM wanted t),"
				" fee AS ("
				"  SELECT t.*, sum(due) OVER (PARTITION BY rule_id, currency"
				"   ORDER BY tenant_id COLLATE \"C\") AS upto FROM cut t),"
				" paid AS ("
				"  SELECT b.origin, f.tenant_id, f.fee, f.fees,"
				"   least(b.upto, f.upto) - greatest(b.upto - b.amount, f.upto - f.due) AS amount"
				"  FROM bucket b JOIN fee f USING (rule_id, currency)"
				"  WHERE b.amount > 0 AND f.due > 0 AND b.upto - b.amount < f.upto"
				"   AND f.upto - f.due < b.upto),"
				" part AS ("
				"  SELECT origin, tenant_id, 'shared' AS kind, amount, fee, fees FROM paid"
				"  UNION ALL SELECT b.origin, NULL,"
				"   CASE b.residual_target WHEN 'operator' THEN 'overhead' ELSE 'unallocated' END,"
				"   b.amount - coalesce((SELECT sum(p.amount) FROM paid p WHERE p.origin = b.origin), 0),"
				"   NULL, NULL FROM bucket b)"
				" SELECT p.tenant_id, p.kind, b.service, b.category, b.rule_id, b.rule_version,"
				" b.origin, b.currency, p.amount, finops.apportion_part(1, abs(p.amount), 18) OVER"
				"  (PARTITION BY b.origin ORDER BY p.tenant_id COLLATE \"C\" NULLS LAST),"
				" 'amount', p.fee, p.fees"
				" FROM bucket b JOIN part p USING (origin) WHERE p.amount <> 0");
}

/* Post what differs from the net of the entries that stand. */
static int64
post_differences(DateADT period, int64 run_id)
{
	return (int64) FINOPS_RUN(
		"INSERT INTO @s@.fact_cost_allocated (" ENTRY_KEY ", period_start, period_end, run_id,"
		" allocated_cost_usd, share, key_metric, key_value, key_total)"
		" SELECT " ENTRY_KEY ", $1, $2 - 1, $3, sum(amount), max(share), max(key_metric),"
		" max(key_value), max(key_total)"
		" FROM (SELECT " ENTRY_KEY_BY_BYTES ", amount, share, key_metric, key_value, key_total"
		"  FROM pg_temp.finops_entry"
		"  UNION ALL SELECT " ENTRY_KEY_BY_BYTES ", -allocated_cost_usd, NULL, NULL, NULL, NULL"
		"  FROM @s@.fact_cost_allocated"
		"  WHERE period_start = $1 AND kind IN " OPEN_KINDS ") u"
		" GROUP BY " ENTRY_KEY " HAVING sum(amount) <> 0"
		" ORDER BY origin, tenant_id, kind",
		ARG_DATE(period), ARG_DATE(FinopsPeriodEnd(period)), ARG_INT8(run_id));
}

/* Promise 1: what went in came out, per origin and per service. */
static void
check_conservation(DateADT period)
{
	if (FINOPS_RUN("SELECT x.place, x.cost, x.placed FROM ("
				   " SELECT coalesce(o.origin, e.origin) AS place, coalesce(o.cost, 0) AS cost,"
				   "  coalesce(e.placed, 0) AS placed"
				   " FROM (SELECT b.origin, b.amount AS cost FROM pg_temp.finops_bucket b"
				   "  UNION ALL SELECT " ORIGIN("'direct-tag', " ESCAPED("c.tenant_id")) ", sum(c.cost)"
				   "   FROM pg_temp.finops_cost c WHERE c.tenant_id IS NOT NULL GROUP BY 1) o"
				   " FULL JOIN (SELECT a.origin, sum(a.allocated_cost_usd) AS placed"
				   "  FROM @s@.fact_cost_allocated a"
				   "  WHERE a.period_start = $1 AND a.kind IN " OPEN_KINDS " GROUP BY 1) e USING (origin)"
				   " UNION ALL"
				   " SELECT concat_ws(' ', coalesce(c.service, a.service), coalesce(c.currency, a.currency)),"
				   "  coalesce(c.cost, 0), coalesce(a.placed, 0)"
				   " FROM (SELECT service, currency, sum(cost) AS cost FROM pg_temp.finops_cost GROUP BY 1, 2) c"
				   " FULL JOIN (SELECT service, currency, sum(allocated_cost_usd) AS placed"
				   "  FROM @s@.fact_cost_allocated"
				   "  WHERE period_start = $1 AND kind IN " OPEN_KINDS " GROUP BY 1, 2) a USING (service, currency)) x"
				   " WHERE x.cost <> x.placed ORDER BY 1 LIMIT 1", ARG_DATE(period)) == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("allocation of %s does not add up", FinopsPeriodText(period)),
			 errdetail("Cost of \"%s\" is %s, its entries add up to %s.",
					   FinopsQuoteForMessage(FinopsText(0, 1)), FinopsText(0, 2),
					   FinopsText(0, 3)),
			 errhint("Nothing was written. Look for entries that were not written by finops.allocate.")));
}

static void
pin_rules(const FinopsSession *session, DateADT period, int64 run_id)
{
	FINOPS_RUN("DELETE FROM @s@.rule_version_map m WHERE m.period_start = $1"
			   " AND NOT EXISTS (SELECT FROM pg_temp.finops_rule r WHERE r.rule_id = m.rule_id)",
			   ARG_DATE(period));
	FINOPS_RUN("INSERT INTO @s@.rule_version_map AS m"
			   " (period_start, rule_id, rule_version, run_id, pinned_by)"
			   " SELECT $1, r.rule_id, r.rule_version, $2, $3 FROM pg_temp.finops_rule r"
			   " ON CONFLICT (period_start, rule_id) DO UPDATE SET"
			   " rule_version = EXCLUDED.rule_version, run_id = EXCLUDED.run_id,"
			   " pinned_by = EXCLUDED.pinned_by, pinned_at = EXCLUDED.pinned_at"
			   " WHERE m.rule_version <> EXCLUDED.rule_version",
			   ARG_DATE(period), ARG_INT8(run_id),
			   ARG_TEXT(FinopsCallerName(session)));
}

/* What the run found, per currency; also the text of the gate. */
static char *
describe_run(FinopsCostBasis basis, int64 posted, char **gate_detail)
{
	char	   *json;

	FINOPS_RUN("SELECT jsonb_build_object('cost_basis', $1, 'entries_posted', $2, 'currencies',"
			   "  coalesce(jsonb_object_agg(currency, jsonb_build_object('cost_in', cost, 'direct', direct,"
			   "  'shared', shared, 'overhead', overhead, 'unallocated', unallocated)), '{}'))::text,"
			   " string_agg(format('%s: cost in %s = direct %s + shared %s + overhead %s + unallocated %s',"
			   "  currency, cost, direct, shared, overhead, unallocated), '; ' ORDER BY currency)"
			   " FROM (SELECT currency, sum(amount) AS cost,"
			   "  coalesce(sum(amount) FILTER (WHERE kind = 'direct'), 0) AS direct,"
			   "  coalesce(sum(amount) FILTER (WHERE kind = 'shared'), 0) AS shared,"
			   "  coalesce(sum(amount) FILTER (WHERE kind = 'overhead'), 0) AS overhead,"
			   "  coalesce(sum(amount) FILTER (WHERE kind = 'unallocated'), 0) AS unallocated"
			   "  FROM pg_temp.finops_entry GROUP BY currency) s",
			   ARG_TEXT(FinopsBasisName(basis)), ARG_INT8(posted));
	json = FinopsText(0, 1);
	*gate_detail = FinopsText(0, 2);
	return json;
}

static void
refuse_empty_period(DateADT period)
{
	if (FINOPS_RUN("SELECT 1 WHERE EXISTS (SELECT FROM @s@.fact_cost_raw"
				   "  WHERE bill_billing_period_start_date = $1)"
				   " OR EXISTS (SELECT FROM @s@.fact_cost_allocated WHERE period_start = $1)",
				   ARG_DATE(period)) > 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("no bill is loaded for billing period %s", FinopsPeriodText(period)),
			 errhint("Load it: SELECT * FROM finops.load_bill('/path/to/bill.csv.gz').")));
}

/* Tenants that a bill names and nobody registered are shown, not billed. */
static void
register_unseen_tenants(void)
{
	FINOPS_RUN0("INSERT INTO @s@.tenant_master (tenant_id, tenant_name, status, billing_mode)"
				" SELECT DISTINCT c.tenant_id, c.tenant_id, 'unregistered', 'showback'"
				" FROM pg_temp.finops_cost c WHERE c.tenant_id IS NOT NULL"
				" ON CONFLICT (tenant_id) DO NOTHING");
}

/*
 * finops.allocate(period date) -> bigint
 *
 * Places the cost of the period on its cost basis: to the tenant of its tag,
 * else by the first rule in force that matches, else unallocated.  Returns
 * the id of the run.  22004 and 22023 for a period that is none, 55000 for a
 * locked or empty one, for rules that cannot be carried out and for a rule
 * with zero_key_policy error that finds no key.
 */
Datum
finops_allocate(PG_FUNCTION_ARGS)
{
	DateADT		period = FinopsPeriodArg(fcinfo, 0);
	FinopsSession session;
	FinopsCostBasis basis;
	int64		run_id;
	int64		posted;
	char	   *detail;
	char	   *json;

	FinopsRequireWritable("finops.allocate()");
	FinopsCheckPeriodNotFuture(period);
	FinopsBegin(&session);
	FinopsOpenPeriod(period);
	refuse_empty_period(period);
	AllocateCheckRules(period);
	(void) FinopsEnsurePartition(&entries, period);
	basis = FinopsPeriodBasis(period, true);
	run_id = FinopsStartRun(&session, "allocate", period);

	sum_cost(period, basis);
	register_unseen_tenants();
	make_buckets();
	make_shares();
	FINOPS_RUN0("ANALYZE pg_temp.finops_bucket, pg_temp.finops_share");
	refuse_zero_keys(period);
	make_entries();
	make_fixed_amounts();
	posted = post_differences(period, run_id);
	check_conservation(period);
	pin_rules(&session, period, run_id);
	json = describe_run(basis, posted, &detail);

	FinopsFinishRun(run_id, "completed", json);
	FinopsClearGates(period, FINOPS_GATE_RECONCILIATION);
	FinopsSetGate(period, FINOPS_GATE_ALLOCATION, "completed", detail, run_id);
	FINOPS_RUN0("DROP TABLE pg_temp.finops_rule, pg_temp.finops_cost,"
				" pg_temp.finops_bucket, pg_temp.finops_share, pg_temp.finops_entry");
	FinopsEnd(&session);
	PG_RETURN_INT64(run_id);
}

/*-------------------------------------------------------------------------
 *
 * setup.c
 *	  The first run: what is there, what is missing, and the call that sets
 *	  it, in the order in which a first close needs it.
 *
 *-------------------------------------------------------------------------
 */
#include "ops/ops.h"

PG_FUNCTION_INFO_V1(finops_setup);

/* the plural s of a noun after the number n */
#define S(n) "CASE WHEN " n " <> 1 THEN 's' END"

/*
 * One row per subject; the tag keys that could identify tenants get a row
 * each.  state: ok, missing (a close stops without it), choose (several
 * answers are possible) or advice.  $1 reporting currency, $2 jobs of ours in
 * pg_cron, NULL where it is not in this database.
 */
static const char *const setup_sql =
	"WITH bill AS (SELECT count(*) AS n, sum(c.line_items) AS lines, count(DISTINCT c.billing_period) AS months,"
	"   max(c.billing_period) AS latest, sum(c.effective_cost) AS cost,"
	"   coalesce(min(c.billing_period) FILTER (WHERE NOT EXISTS (SELECT FROM @s@.period_lock l"
	"    WHERE l.period_start = c.billing_period AND l.state = 'LOCKED')), max(c.billing_period)) AS first_open,"
	"   sum(c.effective_cost) FILTER (WHERE c.tenant_id IS NOT NULL) AS owned FROM finops.cost_daily c),"
	" key AS (SELECT coalesce((SELECT k.tag_key FROM finops.tenant_key k), 'tenant_id') AS tag_key,"
	"   EXISTS (SELECT FROM finops.tenant_key) AS chosen),"
	" candidate AS (SELECT * FROM finops.tag_key_candidates() WITH ORDINALITY"
	"  AS k(tag_key, distinct_values, rows_pct, cost_pct, suitable, example_values, no)),"
	" tenant AS (SELECT count(*) AS n, count(*) FILTER (WHERE m.billing_mode = 'invoice') AS invoiced,"
	"   count(*) FILTER (WHERE m.status = 'unregistered') AS unregistered,"
	"   min(m.tenant_id) FILTER (WHERE m.status = 'unregistered') AS first_unregistered FROM @s@.tenant_master m),"
	" unbound AS (SELECT count(*) AS n, min(m.tenant_id) AS first FROM @s@.tenant_master m"
	"  WHERE m.billing_mode = 'invoice' AND m.status = 'active' AND NOT EXISTS"
	"  (SELECT FROM @s@.tenant_plan_binding b WHERE b.tenant_id = m.tenant_id)),"
	" issuer AS (SELECT concat_ws(', ', CASE WHEN btrim(coalesce(i.legal_name, '')) = '' THEN 'legal_name' END,"
	"   CASE WHEN i.address IS NULL THEN 'address' END, CASE WHEN btrim(coalesce(i.vat_id, '')) = '' THEN 'vat_id' END) AS gaps"
	"  FROM (VALUES (0)) one LEFT JOIN finops.issuer i ON i.issuer_id = 'default'),"
	" plan AS (SELECT count(*) AS n, min(p.plan_code COLLATE \"C\") AS first FROM @s@.plan_master p),"
	" rule AS (SELECT count(DISTINCT r.rule_id) AS n FROM @s@.allocation_rules r, bill"
	"  WHERE r.effective_from <= bill.latest AND (r.effective_to IS NULL OR r.effective_to > bill.latest)),"
	" rate AS (SELECT string_agg(DISTINCT c.currency, ', ') AS missing FROM finops.cost_daily c"
	"  WHERE c.currency <> $1 AND NOT EXISTS (SELECT FROM finops.fx_rate x WHERE x.currency = c.currency)),"
	" library AS (SELECT concat_ws(',', current_setting('shared_preload_libraries'),"
	"   current_setting('session_preload_libraries')) ~ '(^|[, \"/])finops' AS preloaded)"
	" SELECT x.step, x.subject, x.state, x.detail, x.next_call FROM ("
	"  SELECT 1, 0::bigint, 'library', CASE WHEN preloaded THEN 'ok' ELSE 'advice' END,"
	"   CASE WHEN preloaded THEN 'preloaded' ELSE 'not preloaded: SHOW WAREHOUSES works only after another finops call of the session' END,"
	"   CASE WHEN NOT preloaded THEN format('ALTER DATABASE %I SET session_preload_libraries = ''finops''', current_database()) END"
	"  FROM library"
	" UNION ALL SELECT 2, 0, 'bill', CASE WHEN n > 0 THEN 'ok' ELSE 'missing' END,"
	"   CASE WHEN n > 0 THEN format('%s line%s in %s month%s, effective cost %s', lines, " S("lines") ", months, " S("months") ", round(cost, 2)) ELSE 'no bill is loaded' END,"
	"   CASE WHEN n = 0 THEN 'SELECT * FROM finops.load_bill(''/path/to/bill.csv.gz'')' END FROM bill"
	" UNION ALL SELECT 3, 0, 'exchange rates', 'missing', 'no rate for ' || missing,"
	"   format('SELECT finops.set_fx_rate(%L, %L, rate)', split_part(missing, ',', 1), bill.latest)"
	"  FROM rate, bill WHERE missing IS NOT NULL"
	" UNION ALL SELECT 4, 0, 'tenant key', CASE WHEN bill.n = 0 THEN 'missing' WHEN coalesce(owned, 0) <> 0 OR chosen THEN 'ok' ELSE 'choose' END,"
	"   format('%s (%s): %s %% of the cost has a tenant', tag_key, CASE WHEN chosen THEN 'chosen' ELSE 'default' END,"
	"    coalesce(round(owned * 100 / nullif(cost, 0), 2), 0)),"
	"   CASE WHEN bill.n > 0 AND coalesce(owned, 0) = 0 AND NOT chosen THEN coalesce((SELECT format('SELECT * FROM finops.set_tenant_key(%L)',"
	"    c.tag_key) FROM candidate c WHERE c.no = 1), 'load a bill with tags; without one every cost needs a rule') END FROM key, bill"
	" UNION ALL SELECT 4, c.no, 'tag key ' || c.tag_key, 'choose',"
	"   format('%s value%s such as %s, %s %% of the lines, %s %% of the cost', c.distinct_values, " S("c.distinct_values") ","
	"    coalesce(c.example_values[1], '-'), round(c.rows_pct, 2), round(c.cost_pct, 2)),"
	"   format('SELECT * FROM finops.set_tenant_key(%L)', c.tag_key) FROM candidate c, key k, bill"
	"  WHERE NOT k.chosen AND coalesce(bill.owned, 0) = 0 AND c.no <= 10"
	" UNION ALL SELECT 5, 0, 'tenants', CASE WHEN tenant.n = 0 THEN 'missing' WHEN unregistered > 0 THEN 'advice' ELSE 'ok' END,"
	"   format('%s tenant%s, %s with invoices, %s unregistered (showback only)', tenant.n, " S("tenant.n") ", invoiced, unregistered),"
	"   CASE WHEN tenant.n = 0 THEN 'SELECT * FROM finops.register_tenant(''TEN00001'', ''Example Ltd'')' WHEN unregistered > 0 THEN"
	"    format('SELECT * FROM finops.register_tenant(%L, billing_mode => ''invoice'')', first_unregistered) END FROM tenant"
	" UNION ALL SELECT 6, 0, 'allocation rules', CASE WHEN rule.n > 0 THEN 'ok' ELSE 'advice' END,"
	"   CASE WHEN rule.n > 0 THEN format('%s rule%s in force', rule.n, " S("rule.n") ") ELSE 'no rule: cost without a tenant stays unallocated' END,"
	"   CASE WHEN rule.n = 0 THEN format('SELECT finops.add_allocation_rule(''shared'', ''proportional'', %L)', coalesce(bill.first_open, '2000-01-01')) END FROM rule, bill"
	" UNION ALL SELECT 7, 0, 'issuer', CASE WHEN gaps = '' THEN 'ok' WHEN tenant.invoiced > 0 THEN 'missing' ELSE 'advice' END,"
	"   CASE WHEN gaps = '' THEN 'complete' ELSE 'missing: ' || gaps END,"
	"   CASE WHEN gaps <> '' THEN 'SELECT * FROM finops.set_issuer(legal_name => ''Example Ltd'', address => ''Main Street 1, Example City'', vat_id => ''DE123456789'')' END FROM issuer, tenant"
	" UNION ALL SELECT 8, 0, 'plans', CASE WHEN plan.n > 0 THEN 'ok' WHEN tenant.invoiced > 0 THEN 'missing' ELSE 'advice' END,"
	"   format('%s plan%s', plan.n, " S("plan.n") "), CASE WHEN plan.n = 0 THEN 'SELECT * FROM finops.set_plan(''standard'', base_price => 0)' END FROM plan, tenant"
	" UNION ALL SELECT 9, 0, 'plan bindings', CASE WHEN unbound.n > 0 THEN 'missing' ELSE 'ok' END,"
	"   format('%s tenant%s with invoices and without a plan', unbound.n, " S("unbound.n") "),"
	"   CASE WHEN unbound.n > 0 THEN format('SELECT * FROM finops.bind_plan(%L, %L, %L)', unbound.first,"
	"    coalesce(plan.first, 'standard'), coalesce(bill.first_open, '2000-01-01')) END FROM unbound, bill, plan"
	" UNION ALL SELECT 10, 0, 'jobs', CASE WHEN $2 > 0 THEN 'ok' ELSE 'advice' END,"
	"   CASE WHEN $2 IS NULL THEN 'pg_cron is not in this database' ELSE format('%s job%s scheduled', $2, " S("$2") ") END,"
	"   CASE WHEN coalesce($2, 0) = 0 THEN 'SELECT * FROM finops.schedule_jobs()' END"
	" UNION ALL SELECT 11, 0, 'month close', CASE WHEN open.period IS NULL THEN 'ok' ELSE 'advice' END,"
	"   coalesce(to_char(open.period, 'YYYY-MM') || ' is not closed', 'every month that has ended is closed'),"
	"   'CALL finops.close_month(' || quote_literal(open.period) || ')'"
	"  FROM (SELECT min(c.billing_period) AS period FROM finops.cost_daily c"
	"   WHERE c.billing_period + interval '1 month' <= now() AT TIME ZONE 'UTC' AND NOT EXISTS"
	"   (SELECT FROM @s@.period_lock l WHERE l.period_start = c.billing_period AND l.state = 'LOCKED')) open"
	" ) AS x(step, no, subject, state, detail, next_call) ORDER BY x.step, x.no";

/*
 * finops.setup()
 *	-> TABLE(step int, subject text, state text, detail text, next_call text)
 *
 * Never fails for what is missing: it is the answer.
 */
Datum
finops_setup(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	FinopsArg	jobs = {INT8OID, (Datum) 0, true};

	FinopsBegin(&session);
	if (OidIsValid(get_extension_oid("pg_cron", true)))
	{
		FINOPS_RUN0("SELECT count(*) FROM cron.job j WHERE j.database = current_database()"
					" AND j.jobname::text LIKE 'finops:%'");
		jobs = ARG_INT8(FinopsInt64(0, 1));
	}
	FINOPS_RUN(setup_sql, ARG_TEXT(finops_reporting_currency), jobs);
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

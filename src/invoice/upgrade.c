/*-------------------------------------------------------------------------
 *
 * upgrade.c
 *	  Larger plans for tenants that outgrow theirs.
 *
 * A plan is outgrown when a metric was at 95 percent of its cap or more in
 * two consecutive months.  What is recommended is the cheapest plan of the
 * same currency that costs more, can be bound next month and leaves every
 * metric of the tenant below 95 percent of its cap.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/invoice.h"
#include "invoice/usage.h"

PG_FUNCTION_INFO_V1(finops_recommend_upgrades);

/* $1 first day of the month, $2 of the next one, $3 a tenant or NULL */
static const char *const outgrown_sql =
	"WITH month AS (SELECT u.tenant_id, u.metric_code, date_trunc('month', u.usage_date::timestamp)::date AS month,"
	"   " USAGE_VALUE("min(c.aggregation)", "u.metric_value", "") " AS value, max(u.usage_date) AS last_day,"
	"   (array_agg(u.utilization ORDER BY u.usage_date DESC))[1] AS utilization, (array_agg(u.cap_value ORDER BY u.usage_date DESC))[1] AS cap"
	"  FROM @s@.usage_snapshot_daily u LEFT JOIN @s@.metric_catalog c USING (metric_code)"
	"  WHERE u.usage_date >= ($1 - interval '1 month')::date AND u.usage_date < $2 AND ($3 IS NULL OR u.tenant_id = $3) GROUP BY 1, 2, 3),"
	" outgrown AS (SELECT DISTINCT ON (n.tenant_id) n.*, o.plan_code, o.currency, o.base_price, before.utilization AS utilization_before"
	"  FROM month n JOIN month before ON before.tenant_id = n.tenant_id AND before.metric_code = n.metric_code AND before.month = ($1 - interval '1 month')::date"
	"  JOIN @s@.tenant_plan_binding b ON b.tenant_id = n.tenant_id AND n.last_day >= b.period_start AND n.last_day <= coalesce(b.period_end, 'infinity')"
	"  JOIN @s@.plan_master o ON o.plan_code = b.plan_code"
	"  WHERE n.month = $1 AND n.utilization >= 0.95 AND before.utilization >= 0.95"
	"  ORDER BY n.tenant_id, n.utilization DESC, n.metric_code COLLATE \"C\")"
	" SELECT g.tenant_id, g.plan_code, g.metric_code, g.value, g.cap, g.utilization, g.utilization_before, r.plan_code AS recommended, r.base_price - g.base_price AS difference, g.currency,"
	"  format('SELECT finops.change_plan(%L, %L, when_mode => ''scheduled'')', g.tenant_id, r.plan_code) AS call"
	" FROM outgrown g LEFT JOIN LATERAL (SELECT p.plan_code, p.base_price FROM @s@.plan_master p"
	"   WHERE p.currency = g.currency AND p.base_price > g.base_price AND coalesce(p.effective_from <= $2, true) AND coalesce(p.effective_to >= $2, true)"
	"   AND EXISTS (SELECT FROM @s@.plan_metric_map m WHERE m.plan_code = p.plan_code AND m.metric_code = g.metric_code)"
	"   AND NOT EXISTS (SELECT FROM month v CROSS JOIN LATERAL (SELECT m.cap_value FROM @s@.plan_metric_map m WHERE m.plan_code = p.plan_code"
	"     AND m.metric_code = v.metric_code AND m.effective_from <= $2 AND coalesce(m.effective_to >= $2, true) ORDER BY m.effective_from DESC LIMIT 1) m"
	"    WHERE v.tenant_id = g.tenant_id AND v.month = $1 AND v.value >= m.cap_value * 0.95)"
	"   ORDER BY p.base_price, p.plan_code COLLATE \"C\" LIMIT 1) r ON true ORDER BY g.tenant_id COLLATE \"C\"";

/* One message for a tenant, plan and month. */
void
UpgradePost(DateADT period, const char *tenant)
{
	uint64		n;
	SPITupleTable *rows;

	FINOPS_STAGE("outgrown", outgrown_sql, ARG_DATE(period), ARG_DATE(FinopsPeriodEnd(period)), ARG_TEXT(tenant));
	n = FINOPS_RUN("SELECT concat_ws('|', g.tenant_id, g.plan_code, $1), jsonb_build_object('tenant_id', g.tenant_id, 'plan_code', g.plan_code, 'period', $1,"
				   " 'metric_code', g.metric_code, 'value', g.value, 'cap_value', g.cap, 'utilization', g.utilization, 'utilization_before', g.utilization_before,"
				   " 'recommended_plan', g.recommended, 'price_difference', g.difference, 'currency', g.currency, 'call', g.call)::text FROM outgrown g ORDER BY 1",
				   ARG_TEXT(FinopsPeriodText(period)));
	rows = SPI_tuptable;
	for (uint64 i = 0; i < n; i++)
		FinopsPostOutbox("plan_upgrade", SPI_getvalue(rows->vals[i], rows->tupdesc, 1), "info",
						 SPI_getvalue(rows->vals[i], rows->tupdesc, 2));
	FinopsEndStage("outgrown");
}

/*
 * finops.recommend_upgrades(period date) -> tenant_id, plan_code,
 *	metric_code, value, cap_value, utilization, utilization_before,
 *	recommended_plan, price_difference, currency, next_call
 *
 * Errors: 22004, 22023 for the period.
 */
Datum
finops_recommend_upgrades(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	DateADT		period = FinopsPeriodArg(fcinfo, 0);

	FinopsCheckPeriodNotFuture(period);
	FinopsBegin(&session);
	FINOPS_RUN(outgrown_sql, ARG_DATE(period), ARG_DATE(FinopsPeriodEnd(period)), ARG_TEXT(NULL));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

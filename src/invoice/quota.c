/*-------------------------------------------------------------------------
 *
 * quota.c
 *	  Caps, utilization and quota events of a month's usage.
 *
 * A row of usage_snapshot_daily holds a day's value.  Its utilization is the
 * month's value up to that day, by the metric's aggregation, over the cap of
 * that day: the plan's cap, in proportion to the days on which the tenant has
 * a plan unless the plan grants caps of full months, plus what is left of
 * top-ups that are valid on the day.  EVENT_QUOTA_80, 95 and 100 stand for at
 * least 80, 95 and 100 percent of the cap, or for the plan's own thresholds
 * in proportion; 92 percent is EVENT_QUOTA_80.
 *
 * A threshold is crossed on a day that reaches it where the day before did
 * not.  Each crossing posts one message to the outbox, keyed by tenant,
 * metric, month, threshold and day, the full cap also by the cap itself:
 * computing again posts nothing, nor do days that arrive late and only make
 * the crossing an earlier one, while reaching a cap that a top-up has raised
 * is a new crossing.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/invoice.h"
#include "invoice/usage.h"

PG_FUNCTION_INFO_V1(finops_refresh_usage);

/* $1 first day of the month, $2 of the next one, $3 a tenant or NULL */
static const char *const month_sql =
	"SELECT u.tenant_id, u.metric_code, u.usage_date, u.metric_value, u.cap_value AS old_cap,"
	" c.aggregation, b.plan_code, m.cap_value AS plan_cap, m.action_on_100,"
	" m.threshold_80, m.threshold_95, m.threshold_100,"
	" " USAGE_CAP_SHARE("m.cap_value", "s.days", "p.full_month_caps") " AS base_cap"
	" FROM @s@.usage_snapshot_daily u"
	" LEFT JOIN @s@.metric_catalog c ON c.metric_code = u.metric_code"
	" LEFT JOIN @s@.tenant_plan_binding b ON b.tenant_id = u.tenant_id AND u.usage_date >= b.period_start"
	"  AND u.usage_date <= coalesce(b.period_end, 'infinity')"
	" LEFT JOIN @s@.plan_master p ON p.plan_code = b.plan_code"
	" LEFT JOIN (SELECT x.tenant_id, sum(least(coalesce(x.period_end, $2 - 1), $2 - 1) - greatest(x.period_start, $1) + 1) AS days"
	"  FROM @s@.tenant_plan_binding x WHERE x.period_start < $2 AND coalesce(x.period_end, 'infinity') >= $1"
	"  AND ($3 IS NULL OR x.tenant_id = $3) GROUP BY x.tenant_id) s ON s.tenant_id = u.tenant_id"
	" LEFT JOIN LATERAL (SELECT * FROM @s@.plan_metric_map f WHERE f.plan_code = b.plan_code AND f.metric_code = u.metric_code"
	"  AND f.effective_from <= u.usage_date AND coalesce(f.effective_to, 'infinity') >= u.usage_date"
	"  ORDER BY f.effective_from DESC LIMIT 1) m ON true"
	" WHERE u.usage_date >= $1 AND u.usage_date < $2 AND ($3 IS NULL OR u.tenant_id = $3)";

#define THRESHOLD(percent) \
	"(CASE WHEN v.threshold_" #percent " IS NULL OR v.plan_cap = 0 THEN v.running * 100 >= v.cap * " #percent \
	" ELSE v.running * v.plan_cap >= v.threshold_" #percent " * v.cap END)"

static const char *const level_sql =
	"WITH extra AS (SELECT u.tenant_id, u.metric_code, u.usage_date, sum(l.available) AS extra"
	"  FROM usage_month u JOIN usage_lot l USING (tenant_id, metric_code)"
	"  WHERE u.usage_date BETWEEN l.valid_from AND l.valid_to GROUP BY 1, 2, 3),"
	" valued AS (SELECT u.*, " USAGE_VALUE("u.aggregation", "u.metric_value", " OVER w") " AS running,"
	"  CASE WHEN u.base_cap IS NULL AND e.extra IS NULL THEN u.old_cap"
	"   ELSE coalesce(u.base_cap, 0) + coalesce(e.extra, 0) END AS cap"
	"  FROM usage_month u LEFT JOIN extra e USING (tenant_id, metric_code, usage_date)"
	"  WINDOW w AS (PARTITION BY u.tenant_id, u.metric_code ORDER BY u.usage_date)),"
	" judged AS (SELECT v.*, CASE WHEN v.cap IS NULL OR v.running <= 0 THEN 0 WHEN v.cap = 0 OR " THRESHOLD(100) " THEN 100"
	"  WHEN " THRESHOLD(95) " THEN 95 WHEN " THRESHOLD(80) " THEN 80 ELSE 0 END AS level FROM valued v)"
	" SELECT j.*, coalesce(lag(j.level) OVER w, 0) AS level_before,"
	"  row_number() OVER (PARTITION BY j.tenant_id, j.metric_code ORDER BY j.usage_date DESC) = 1 AS is_last,"
	/* never rounded up to a cap that was not reached */
	"  CASE WHEN j.cap = 0 THEN CASE WHEN j.running > 0 THEN 1 ELSE 0 END"
	"   WHEN j.running < j.cap THEN least(trim_scale(trunc(j.running / j.cap, 12)), 0.999999999999)"
	"   ELSE trim_scale(trunc(j.running / j.cap, 12)) END AS utilization"
	" FROM judged j WINDOW w AS (PARTITION BY j.tenant_id, j.metric_code ORDER BY j.usage_date)";

static const char *const update_sql =
	"UPDATE @s@.usage_snapshot_daily u SET cap_value = l.cap, utilization = l.utilization,"
	" quota_event = CASE WHEN l.level > 0 THEN 'EVENT_QUOTA_' || l.level END, last_updated_at = now()"
	" FROM usage_level l WHERE u.tenant_id = l.tenant_id AND u.metric_code = l.metric_code"
	" AND u.usage_date = l.usage_date AND NOT u.frozen"
	" AND (u.cap_value, u.utilization, u.quota_event) IS DISTINCT FROM"
	"  (l.cap, l.utilization, CASE WHEN l.level > 0 THEN 'EVENT_QUOTA_' || l.level END)";

/*
 * Crossings that no message tells of yet, neither of that day nor of a later
 * one; $1 the month as text.
 */
static const char *const crossing_sql =
	"WITH told AS (SELECT o.payload ->> 'tenant_id' AS tenant_id, o.payload ->> 'metric_code' AS metric_code,"
	"  o.payload ->> 'event' AS event, (o.payload ->> 'cap_value')::numeric AS cap, (o.payload ->> 'usage_date')::date AS day"
	"  FROM finops.outbox o WHERE o.topic = 'quota_event' AND o.payload ->> 'period' = $1)"
	" SELECT concat_ws('|', l.tenant_id, l.metric_code, $1, t.level, l.usage_date, CASE WHEN t.level = 100 THEN trim_scale(l.cap) END),"
	" CASE t.level WHEN 80 THEN 'info' WHEN 95 THEN 'warning' ELSE 'critical' END,"
	" jsonb_build_object('event', e.event, 'tenant_id', l.tenant_id, 'plan_code', l.plan_code,"
	"  'metric_code', l.metric_code, 'period', $1, 'usage_date', l.usage_date, 'value', l.running,"
	"  'cap_value', l.cap, 'utilization', l.utilization,"
	"  'action', CASE t.level WHEN 80 THEN 'notify' WHEN 95 THEN 'urgent_notify' ELSE coalesce(l.action_on_100, 'notify') END)::text"
	" FROM usage_level l JOIN (VALUES (80), (95), (100)) t(level) ON l.level >= t.level AND l.level_before < t.level"
	" CROSS JOIN LATERAL (SELECT 'EVENT_QUOTA_' || t.level AS event) e"
	" WHERE NOT EXISTS (SELECT FROM told o WHERE o.tenant_id = l.tenant_id AND o.metric_code = l.metric_code AND o.event = e.event"
	"  AND o.day >= l.usage_date AND (t.level < 100 OR o.cap = l.cap))"
	" ORDER BY l.tenant_id COLLATE \"C\", l.metric_code COLLATE \"C\", l.usage_date, t.level";

static void
post_crossings(DateADT period)
{
	uint64		n = FINOPS_RUN(crossing_sql, ARG_TEXT(FinopsPeriodText(period)));
	SPITupleTable *rows = SPI_tuptable;

	for (uint64 i = 0; i < n; i++)
	{
		HeapTuple	row = rows->vals[i];

		CHECK_FOR_INTERRUPTS();
		FinopsPostOutbox("quota_event", SPI_getvalue(row, rows->tupdesc, 1),
						 SPI_getvalue(row, rows->tupdesc, 2),
						 SPI_getvalue(row, rows->tupdesc, 3));
	}
}

static int64
compute_levels(DateADT period, const char *tenant)
{
	int64		changed;

	UsageStageLots(period, tenant);
	FinopsStage("usage_level", level_sql, 0, NULL);
	changed = (int64) FINOPS_RUN0(update_sql);
	post_crossings(period);
	return changed;
}

int64
UsageRefresh(const FinopsSession *session, DateADT period, const char *tenant)
{
	int64		changed;

	(void) TopupRecurring(session, period, tenant);
	FINOPS_STAGE("usage_month", month_sql, ARG_DATE(period),
				 ARG_DATE(FinopsPeriodEnd(period)), ARG_TEXT(tenant));
	changed = compute_levels(period, tenant);
	if (TopupAutomatic(session, period) > 0)
	{
		FinopsEndStage("usage_level");
		FinopsEndStage("usage_lot");
		changed += compute_levels(period, tenant);
	}
	UsageSettleLots(period, tenant);
	if (FINOPS_RUN0("SELECT FROM usage_level WHERE is_last AND utilization >= 0.95 LIMIT 1") > 0)
		UpgradePost(period, tenant);
	FinopsEndStage("usage_level");
	FinopsEndStage("usage_lot");
	FinopsEndStage("usage_month");
	return changed;
}

/* Of one tenant, or of any; the plan of each text is kept. */
#define HAS_USAGE(usage, entry) \
	"SELECT EXISTS (SELECT FROM @s@.usage_snapshot_daily u WHERE u.usage_date >= $1 AND u.usage_date < $2" usage ")" \
	" OR EXISTS (SELECT FROM finops.usage_balance_entry e" entry ")" \
	" OR EXISTS (SELECT FROM finops.plan_price p WHERE p.rollover_periods > 0)"

void
UsageRefreshIfAny(const FinopsSession *session, DateADT period, const char *tenant)
{
	FinopsArg	first = ARG_DATE(period);
	FinopsArg	next = ARG_DATE(FinopsPeriodEnd(period));

	if (tenant == NULL)
		FINOPS_RUN_KEPT(HAS_USAGE("", ""), first, next);
	else
		FINOPS_RUN_KEPT(HAS_USAGE(" AND u.tenant_id = $3", " WHERE e.tenant_id = $3"), first, next, ARG_TEXT(tenant));
	if (FinopsText(0, 1)[0] == 't')
		(void) UsageRefresh(session, period, tenant);
}

/*
 * finops.refresh_usage(period date) -> bigint
 *
 * Repeated with unchanged usage it changes nothing.  Errors: 22004, 22023
 * for the period, 55000 for a locked one, 25006 in a read-only transaction.
 */
Datum
finops_refresh_usage(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	DateADT		period = FinopsPeriodArg(fcinfo, 0);
	int64		changed;

	FinopsCheckPeriodNotFuture(period);
	FinopsRequireWritable("finops.refresh_usage()");
	FinopsBegin(&session);
	FinopsOpenPeriod(period);
	changed = UsageRefresh(&session, period, NULL);
	FinopsEnd(&session);
	PG_RETURN_INT64(changed);
}

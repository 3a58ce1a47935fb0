/*-------------------------------------------------------------------------
 *
 * usage_balance.c
 *	  Prepaid usage: lots, and what of them is used.
 *
 * A lot is a top-up, or included units of an earlier month that roll over.
 * What happens to it is written as entries that are never changed; their sum
 * is the balance.  The usage of a month draws on prepaid lots first, the one
 * that expires first before the others (then the one that began first, then
 * by id), then on the included allowance; the rest is overage.
 *
 * An open month is computed again and again.  Each time what it should have
 * drawn is compared with what it has drawn, and the difference is posted, so
 * that nothing is drawn twice and nothing is drawn that another month has.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/invoice.h"
#include "invoice/usage.h"

#include "commands/trigger.h"
#include "utils/rel.h"


/* What the month may draw: all but its own use, and before any expiry. */
static const char *const lot_sql =
	"SELECT e.tenant_id, e.metric_code, e.lot_id, min(e.valid_from) AS valid_from, max(e.valid_to) AS valid_to,"
	" sum(e.quantity) FILTER (WHERE NOT (e.kind = 'drawdown' AND e.period_start = $1)) AS available,"
	" coalesce(-sum(e.quantity) FILTER (WHERE e.kind = 'drawdown' AND e.period_start = $1), 0) AS drawn"
	" FROM finops.usage_balance_entry e"
	" WHERE e.valid_from < $2 AND e.valid_to >= $1 AND e.kind <> 'expiry' AND ($3 IS NULL OR e.tenant_id = $3)"
	" GROUP BY e.tenant_id, e.metric_code, e.lot_id";

void
UsageStageLots(DateADT period, const char *tenant)
{
	FINOPS_STAGE("usage_lot", lot_sql, ARG_DATE(period),
				 ARG_DATE(FinopsPeriodEnd(period)), ARG_TEXT(tenant));
}

#define POST_ENTRIES \
	"INSERT INTO finops.usage_balance_entry (tenant_id, metric_code, lot_id, kind, quantity, period_start, valid_from, valid_to)"

/* usage_level names the month's value of each metric in its last row. */
static const char *const draw_sql =
	POST_ENTRIES
	" SELECT d.tenant_id, d.metric_code, d.lot_id, 'drawdown', d.drawn - d.draw, $1, d.valid_from, d.valid_to FROM ("
	"  SELECT l.*, least(l.available, greatest(coalesce(v.running, 0) - coalesce(sum(l.available) OVER (PARTITION BY l.tenant_id, l.metric_code"
	"   ORDER BY l.valid_to, l.valid_from, l.lot_id COLLATE \"C\" ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0), 0)) AS draw"
	"  FROM usage_lot l LEFT JOIN usage_level v ON v.is_last AND v.tenant_id = l.tenant_id AND v.metric_code = l.metric_code"
	"  WHERE l.available > 0 OR l.drawn > 0) d"
	" WHERE d.drawn <> d.draw ORDER BY d.tenant_id COLLATE \"C\", d.metric_code COLLATE \"C\", d.lot_id COLLATE \"C\"";

/* Lots whose last day is before the month; what is left of them is lost. */
static const char *const expire_sql =
	POST_ENTRIES
	" SELECT e.tenant_id, e.metric_code, e.lot_id, 'expiry', -sum(e.quantity),"
	" date_trunc('month', max(e.valid_to)::timestamp)::date, min(e.valid_from), max(e.valid_to)"
	" FROM finops.usage_balance_entry e WHERE ($2 IS NULL OR e.tenant_id = $2)"
	" GROUP BY e.tenant_id, e.metric_code, e.lot_id"
	" HAVING max(e.valid_to) < $1 AND sum(e.quantity) <> 0"
	" ORDER BY e.tenant_id COLLATE \"C\", e.metric_code COLLATE \"C\", e.lot_id COLLATE \"C\"";

/*
 * Included units of the month that were not used, by the plan of the last
 * bound day, as a lot of the months that follow.
 */
static const char *const rollover_sql =
	POST_ENTRIES
	" WITH last_plan AS (SELECT DISTINCT ON (b.tenant_id) b.tenant_id, b.plan_code,"
	"   sum(least(coalesce(b.period_end, $2 - 1), $2 - 1) - greatest(b.period_start, $1) + 1) OVER (PARTITION BY b.tenant_id) AS days"
	"  FROM @s@.tenant_plan_binding b WHERE b.period_start < $2 AND coalesce(b.period_end, 'infinity') >= $1"
	"  AND ($3 IS NULL OR b.tenant_id = $3) ORDER BY b.tenant_id, b.period_start DESC),"
	" allowed AS (SELECT b.tenant_id, x.metric_code, max(x.rollover_periods) AS months,"
	"   sum(" USAGE_CAP_SHARE("coalesce(x.included, m.cap_value, 0)", "b.days", "p.full_month_caps") ") AS included"
	"  FROM last_plan b JOIN @s@.plan_master p USING (plan_code) JOIN finops.plan_price x USING (plan_code)"
	"  LEFT JOIN LATERAL (SELECT f.cap_value FROM @s@.plan_metric_map f WHERE f.plan_code = b.plan_code AND f.metric_code = x.metric_code"
	"   AND f.effective_from < $2 ORDER BY f.effective_from DESC LIMIT 1) m ON true"
	"  WHERE x.basis = 'usage' AND x.rollover_periods > 0 GROUP BY b.tenant_id, x.metric_code),"
	" used AS (SELECT v.tenant_id, v.metric_code, v.running - coalesce(l.drawn, 0) AS used FROM usage_level v"
	"  LEFT JOIN (SELECT e.tenant_id, e.metric_code, -sum(e.quantity) AS drawn FROM finops.usage_balance_entry e"
	"   WHERE e.kind = 'drawdown' AND e.period_start = $1 GROUP BY 1, 2) l USING (tenant_id, metric_code) WHERE v.is_last)"
	" SELECT a.tenant_id, a.metric_code, i.lot_id, 'rollover', d.unused - coalesce(o.posted, 0), $1, $2,"
	"  ($1 + (a.months + 1) * interval '1 month')::date - 1"
	" FROM allowed a LEFT JOIN used u USING (tenant_id, metric_code)"
	" CROSS JOIN LATERAL (SELECT greatest(a.included - greatest(coalesce(u.used, 0), 0), 0) AS unused) d"
	" CROSS JOIN LATERAL (SELECT format('rollover:%s:%s', a.metric_code, to_char($1, 'YYYY-MM')) AS lot_id) i"
	" LEFT JOIN LATERAL (SELECT sum(e.quantity) AS posted FROM finops.usage_balance_entry e WHERE e.tenant_id = a.tenant_id"
	"  AND e.metric_code = a.metric_code AND e.lot_id = i.lot_id AND e.kind = 'rollover') o ON true"
	" WHERE d.unused <> coalesce(o.posted, 0) ORDER BY a.tenant_id COLLATE \"C\", a.metric_code COLLATE \"C\"";

void
UsageSettleLots(DateADT period, const char *tenant)
{
	DateADT		next = FinopsPeriodEnd(period);

	FINOPS_RUN(draw_sql, ARG_DATE(period));
	if (FinopsPeriodHasEnded(period))
		FINOPS_RUN(rollover_sql, ARG_DATE(period), ARG_DATE(next), ARG_TEXT(tenant));
	FINOPS_RUN(expire_sql, ARG_DATE(period), ARG_TEXT(tenant));
}

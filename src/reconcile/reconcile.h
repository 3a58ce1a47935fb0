/*-------------------------------------------------------------------------
 *
 * reconcile.h
 *	  What lower rooms may call of room reconcile.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_RECONCILE_H
#define FINOPS_RECONCILE_H

#include "core/core.h"

/* "RECON-2018-10" */
extern char *ReconId(DateADT period);

/*
 * Within a session: sets the reconciliation gate to the worst row of
 * recon_summary that is not resolved, or to resolved or ok.
 */
extern char *ReconSetGate(DateADT period, int64 run_id);

/*
 * Within a session: the bill against the provider's invoices, staged as
 * "provider_difference"; false where no invoice of the month is loaded.
 */
extern bool ReconProviderDifferences(DateADT period);

/*
 * Within a session with stage "absent_source": accrues what the sources in it
 * cost the month before (estimate), and cancels accruals whose bill has come.
 * Returns the number of entries booked.
 */
extern int64 ReconSyncAccruals(const FinopsSession *session, DateADT period,
							   bool estimate);

/*
 * Within a session that locked the period: posts what is not posted yet of
 * its journal; the lines posted.
 */
extern int64 ReconPostJournal(const FinopsSession *session, DateADT period);

/*
 * Where locked lines and corrections of an origin month are not what its
 * source delivered last (and the increments since): source, origin_period,
 * billed cost delivered and standing, effective cost delivered and standing.
 * %s is one of the two below; $1 the origin month, NULL for every locked
 * month that has corrections.  Offsets belong to the bill that credits.
 */
#define RECON_CONTROL_SQL \
	"WITH given AS (SELECT d.delivery_id, d.source AS own_source, d.billing_period, coalesce(d.base_source, d.source) AS source," \
	"   coalesce(d.origin_period, d.billing_period) AS origin_period, d.kind, coalesce(d.delivered_billed_cost, d.billed_cost) AS billed," \
	"   coalesce(d.delivered_effective_cost, d.effective_cost) AS effective" \
	"  FROM finops.delivery d WHERE d.status = 'current' AND d.kind <> 'offset'" \
	"  AND coalesce(d.origin_period, d.billing_period) IN (SELECT $1 WHERE $1 IS NOT NULL UNION ALL" \
	"   SELECT o.origin_period FROM finops.delivery o JOIN @s@.period_lock l ON l.period_start = o.origin_period AND l.state = 'LOCKED'" \
	"   WHERE $1 IS NULL AND o.status = 'current'))," \
	" last AS (SELECT g.source, g.origin_period, max(g.delivery_id) AS id FROM given g WHERE g.kind IN ('bill', 'correction') GROUP BY 1, 2)," \
	" said AS (SELECT g.source, g.origin_period, sum(g.billed) AS billed, sum(g.effective) AS effective FROM given g" \
	"  LEFT JOIN last l ON l.source = g.source AND l.origin_period = g.origin_period" \
	"  WHERE g.delivery_id >= coalesce(l.id, 0) GROUP BY 1, 2)," \
	" stands AS (SELECT g.source, g.origin_period, sum(f.billed_cost) AS billed, sum(f.effective_cost) AS effective" \
	"  FROM given g JOIN %s GROUP BY 1, 2)" \
	" SELECT a.source, to_char(a.origin_period::timestamp, 'YYYY-MM'), trim_scale(a.billed), trim_scale(coalesce(b.billed, 0))," \
	"  trim_scale(a.effective), trim_scale(coalesce(b.effective, 0))" \
	" FROM said a LEFT JOIN stands b ON b.source = a.source AND b.origin_period = a.origin_period" \
	" WHERE a.billed <> coalesce(b.billed, 0) OR a.effective <> coalesce(b.effective, 0)" \
	" ORDER BY a.origin_period, a.source COLLATE \"C\""
#define RECON_STANDS_IN_FACTS \
	"@s@.fact_cost_raw f ON f.bill_billing_period_start_date = g.billing_period AND f.delivery_id = g.delivery_id"
#define RECON_STANDS_IN_ROLLUP \
	"finops.cost_daily f ON f.billing_period = g.billing_period AND f.source = g.own_source"

/* The triggers on the partitions of a locked month; lock.c */
extern void ReconUnlockPartitions(DateADT period);
extern bool finops_recon_reopening;

#endif							/* FINOPS_RECONCILE_H */

/*-------------------------------------------------------------------------
 *
 * plan.h
 *	  Plans, their prices and usage, as the files of room invoice share them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_PLAN_H
#define FINOPS_PLAN_H

#include "core/core.h"
#include "invoice/price.h"


/*
 * The columns of finops.plan_price that make a Price, in the order in which
 * PlanReadPrice expects them.
 */
#define PLAN_PRICE_COLUMNS(p) \
	p ".model, " p ".unit_price, " p ".flat_fee, " p ".package_size, " \
	p ".included, " p ".rate_pct, " p ".fixed_fee, " p ".free_count, " \
	p ".free_amount, " p ".transaction_min, " p ".transaction_max, " \
	p ".minimum, " p ".maximum, " p ".tiers"
#define PLAN_PRICE_NCOLUMNS	14

/* plan_price.c */
extern void PlanReadPrice(HeapTuple row, TupleDesc desc, int column, Price *price);
extern bool PlanDecimal(Datum value, PriceDecimal *result);	/* of a numeric */
extern Datum PlanNumeric(PriceDecimal value);
extern Datum PlanMinorNumeric(int128 minor, int digits);
pg_noreturn extern void PlanRefuseRange(const char *what);

/* plan.c */
extern void PlanLockTenant(const char *tenant); /* P0002, 55000 */
extern void PlanRequire(const char *plan);	/* P0002 */
extern void PlanRequireMetric(const char *metric);	/* P0002 */
extern void PlanRefuseIssued(const char *plan); /* 55000 */
extern void PlanBind(const FinopsSession *session, const char *tenant,
					 const char *plan, DateADT from, FinopsArg to);

/* plan_price.c */
extern void PlanCheckProration(const char *proration);	/* 22023; NULL passes */

/*
 * SQL: the time zone of tenant x's days, as an expression over the joins of
 * PLAN_ZONE_JOIN.
 */
#define PLAN_ZONE "coalesce(zb.time_zone, zi.time_zone, 'UTC')"
#define PLAN_ZONE_JOIN(tenant) \
	" LEFT JOIN finops.tenant_billing zb ON zb.tenant_id = " tenant \
	" LEFT JOIN finops.issuer zi ON zi.issuer_id = coalesce(zb.issuer_id, 'default')"

#endif							/* FINOPS_PLAN_H */
